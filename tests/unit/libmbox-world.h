/*
 * Copyright (c) 2026 The ovs-mbox authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

#ifndef LIBMBOX_WORLD_H
#define LIBMBOX_WORLD_H 1

/* A middlebox that checks its packets, for the tests of libmbox
 * =============================================================
 *
 * Every packet of a flow is numbered.  The middlebox keeps, per flow, the
 * number of the last one, so that a packet that is lost, repeated or out of
 * order is seen, across moves too, as state moves with the flow; and per host,
 * how many packets there were. */

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>

#include "test-util.h"

#include "buffer.h"
#include "mbox.h"
#include "table.h"
#include "transfer.h"

#define CHECKER_PAYLOAD 42      /* Offset: Ethernet, IPv4 and UDP headers. */
#define CHECKER_FRAME 60

struct checker_flow {
    bool exists;
    uint32_t last;              /* Number of the last packet. */
    uint32_t pad[4];
};

struct checker_worker {
    struct mb_table flows;      /* 'link' indexes 'states'. */
    struct checker_flow *states;
    uint32_t allocated;
    uint32_t n_states;
    uint64_t n_flows;           /* That exist. */
    struct mb_table hosts;      /* 'link' counts packets. */
    uint64_t total;             /* All-flows state: packets. */
};

#define CHECKER_WORKERS 4

struct checker {
    struct checker_worker w[CHECKER_WORKERS];
    uint32_t config;

    /* Atomic.  In the order of the numbers: */
    uint64_t processed;
    uint64_t lost;              /* A number was skipped. */
    uint64_t repeated;          /* Or late. */
    uint64_t ticks;
    uint64_t prefetched;
    struct mbox *mbox;          /* For mbox_dirty(); may be null. */
    struct mb_tracker **trackers;       /* Instead, without an instance. */
    int put_error;              /* For tests of failures. */
    int get_error;
    uint32_t n_get_errors;      /* For the first flows only, unless 0. */
    int no_odd_output;          /* An output function that needs nothing of
                                 * flows from odd addresses; or 0. */
    bool no_forward;
};

static inline void
checker_count(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline struct checker_flow *
checker_flow(struct checker_worker *w, const struct mbox_key *key, bool add)
{
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    uint32_t i = (add
                  ? mb_table_insert(&w->flows, MBOX_STATE_PER_FLOW, &canonical)
                  : mb_table_find(&w->flows, MBOX_STATE_PER_FLOW, &canonical));
    if (i == MB_NO_ENTRY) {
        return NULL;
    }

    struct mb_entry *entry = &w->flows.entries[i];
    if (entry->link == MB_NO_ENTRY) {
        if (w->n_states == w->allocated) {
            w->allocated = w->allocated ? 2 * w->allocated : 64;
            w->states = realloc(w->states, w->allocated * sizeof *w->states);
            assert_non_null(w->states);
        }
        memset(&w->states[w->n_states], 0, sizeof *w->states);
        entry->link = w->n_states++;
    }

    struct checker_flow *flow = &w->states[entry->link];
    if (!flow->exists) {
        if (!add) {
            return NULL;
        }
        memset(flow, 0, sizeof *flow);
        flow->exists = true;
        w->n_flows++;
    }
    return flow;
}

static inline uint32_t *
checker_host(struct checker_worker *w, const struct mbox_key *key, bool add)
{
    uint32_t i = (add
                  ? mb_table_insert(&w->hosts, MBOX_STATE_MULTI_FLOW, key)
                  : mb_table_find(&w->hosts, MBOX_STATE_MULTI_FLOW, key));
    if (i == MB_NO_ENTRY) {
        return NULL;
    }

    uint32_t *n = &w->hosts.entries[i].link;
    if (*n == MB_NO_ENTRY) {
        if (!add) {
            return NULL;
        }
        *n = 0;
    }
    return n;
}

static inline struct mbox_key
checker_host_key(const struct mbox_key *key)
{
    struct mbox_key host;

    memset(&host, 0, sizeof host);
    host.family = key->family;
    memcpy(host.src, key->src, sizeof host.src);
    return host;
}

static inline enum mbox_verdict
checker_packet(void *c_, unsigned int worker, struct mbox_packet *p)
{
    struct checker *c = c_;
    struct checker_worker *w = &c->w[worker];
    const uint8_t *n = p->data + CHECKER_PAYLOAD;
    uint32_t number = (uint32_t) n[0] << 24 | n[1] << 16 | n[2] << 8 | n[3];
    struct checker_flow *flow = checker_flow(w, &p->key, true);

    if (number <= flow->last) {
        checker_count(&c->repeated);
    } else if (number > flow->last + 1) {
        checker_count(&c->lost);
    }
    flow->last = number;

    struct mbox_key host = checker_host_key(&p->key);
    ++*checker_host(w, &host, true);
    w->total++;
    if (c->mbox) {
        mbox_dirty(c->mbox, worker, MBOX_STATE_MULTI_FLOW, &host);
    } else if (c->trackers) {
        for (struct mb_tracker *t = c->trackers[worker]; t; t = t->next) {
            mb_tracker_mark(t, MBOX_STATE_MULTI_FLOW, &host);
        }
    }
    checker_count(&c->processed);
    return c->no_forward ? MBOX_DROP : MBOX_FORWARD;
}

static inline void
checker_tick(void *c_, unsigned int worker, uint64_t now)
{
    struct checker *c = c_;

    (void) worker;
    (void) now;
    checker_count(&c->ticks);
}

static inline int
checker_list(void *c_, unsigned int worker, const struct mbox_space *space,
             mbox_list_cb *cb, void *aux)
{
    struct checker *c = c_;
    struct checker_worker *w = &c->w[worker];

    for (uint32_t i = 0; i < w->flows.n; i++) {
        const struct mb_entry *entry = &w->flows.entries[i];

        if (entry->link != MB_NO_ENTRY && w->states[entry->link].exists
            && mbox_space_match(space, &entry->key)) {
            int error = cb(&entry->key, aux);
            if (error) {
                return error;
            }
        }
    }
    return 0;
}

static inline struct mbox_key checker_key(uint32_t i);

static inline int
checker_get(void *c_, unsigned int worker, const struct mbox_key *key,
            struct mbox_chunk *chunk)
{
    struct checker *c = c_;
    const struct checker_flow *flow = checker_flow(&c->w[worker], key, false);

    if (!flow) {
        return -ENOENT;
    }
    for (uint32_t i = 0; i < c->n_get_errors; i++) {
        const struct mbox_key first = checker_key(i);

        if (c->get_error && mbox_key_equal(&first, key)) {
            return c->get_error;
        }
    }
    if (c->get_error && !c->n_get_errors) {
        return c->get_error;
    }
    if (c->no_odd_output && c->no_odd_output == mbox_chunk_output(chunk)
        && key->src[15] % 2) {
        return -ENODATA;
    }
    mbox_chunk_append(chunk, flow, sizeof *flow);
    return 0;
}

static inline int
checker_put(void *c_, unsigned int worker, const struct mbox_key *key,
            const void *data, size_t len, enum mbox_put_mode mode)
{
    struct checker *c = c_;
    struct checker_flow flow;

    if (c->put_error) {
        return c->put_error;
    }
    assert_int_equal(mode, MBOX_PUT_REPLACE);
    if (len != sizeof flow) {
        return -EINVAL;
    }
    memcpy(&flow, data, sizeof flow);
    *checker_flow(&c->w[worker], key, true) = flow;
    return 0;
}

static inline int
checker_del(void *c_, unsigned int worker, const struct mbox_key *key)
{
    struct checker *c = c_;
    struct checker_flow *flow = checker_flow(&c->w[worker], key, false);

    if (!flow) {
        return -ENOENT;
    }
    flow->exists = false;
    c->w[worker].n_flows--;
    return 0;
}

static inline int
checker_list_hosts(void *c_, unsigned int worker,
                   const struct mbox_space *space, mbox_list_cb *cb, void *aux)
{
    struct checker *c = c_;
    struct mb_table *hosts = &c->w[worker].hosts;

    for (uint32_t i = 0; i < hosts->n; i++) {
        const struct mb_entry *entry = &hosts->entries[i];

        if (entry->link != MB_NO_ENTRY
            && mbox_space_match_host(space, entry->key.family, entry->key.src)
               != MBOX_MATCH_NONE) {
            int error = cb(&entry->key, aux);
            if (error) {
                return error;
            }
        }
    }
    return 0;
}

static inline int
checker_get_host(void *c_, unsigned int worker, const struct mbox_key *key,
                 struct mbox_chunk *chunk)
{
    struct checker *c = c_;
    const uint32_t *n = checker_host(&c->w[worker], key, false);

    if (!n) {
        return -ENOENT;
    }
    mbox_chunk_append(chunk, n, sizeof *n);
    return 0;
}

static inline int
checker_put_host(void *c_, unsigned int worker, const struct mbox_key *key,
                 const void *data, size_t len, enum mbox_put_mode mode)
{
    struct checker *c = c_;
    uint32_t n;

    if (len != sizeof n) {
        return -EINVAL;
    }
    memcpy(&n, data, sizeof n);

    uint32_t *host = checker_host(&c->w[worker], key, true);
    *host = n + (mode == MBOX_PUT_MERGE ? *host : 0);
    return 0;
}

static inline int
checker_del_host(void *c_, unsigned int worker, const struct mbox_key *key)
{
    struct checker *c = c_;
    uint32_t *n = checker_host(&c->w[worker], key, false);

    if (!n) {
        return -ENOENT;
    }
    *n = MB_NO_ENTRY;
    return 0;
}

static inline int
checker_get_total(void *c_, unsigned int worker, const struct mbox_key *key,
                  struct mbox_chunk *chunk)
{
    struct checker *c = c_;

    (void) key;
    mbox_chunk_append(chunk, &c->w[worker].total, sizeof c->w[worker].total);
    return 0;
}

static inline int
checker_put_total(void *c_, unsigned int worker, const struct mbox_key *key,
                  const void *data, size_t len, enum mbox_put_mode mode)
{
    struct checker *c = c_;
    uint64_t total;

    (void) key;
    if (len != sizeof total) {
        return -EINVAL;
    }
    memcpy(&total, data, sizeof total);
    c->w[worker].total = (total + (mode == MBOX_PUT_MERGE
                                   ? c->w[worker].total : 0));
    return 0;
}

static inline int
checker_get_config(void *c_, unsigned int worker, const struct mbox_key *key,
                   struct mbox_chunk *chunk)
{
    struct checker *c = c_;

    (void) key;
    assert_int_equal(worker, 0);
    mbox_chunk_append(chunk, &c->config, sizeof c->config);
    return 0;
}

static inline int
checker_put_config(void *c_, unsigned int worker, const struct mbox_key *key,
                   const void *data, size_t len, enum mbox_put_mode mode)
{
    struct checker *c = c_;

    (void) worker;
    (void) key;
    (void) mode;
    if (len != sizeof c->config) {
        return -EINVAL;
    }
    memcpy(&c->config, data, sizeof c->config);
    return 0;
}

static inline int
checker_del_none(void *c, unsigned int worker, const struct mbox_key *key)
{
    (void) c;
    (void) worker;
    (void) key;
    return -ENOENT;
}

static inline uint64_t
checker_n_flows(void *c_, unsigned int worker)
{
    struct checker *c = c_;

    return c->w[worker].n_flows;
}

static inline void
checker_prefetch(void *c_, unsigned int worker, const struct mbox_key *key)
{
    struct checker *c = c_;
    struct mbox_key canonical;

    (void) worker;
    assert_false(mbox_key_canonical(key, &canonical));
    checker_count(&c->prefetched);
}

static inline void
checker_log(void *c, int level, const char *message)
{
    (void) c;
    (void) level;
    if (getenv("MBOX_TEST_VERBOSE")) {
        fprintf(stderr, "%s\n", message);
    }
}

static const struct mbox_state_ops checker_flow_ops = {
    checker_list, checker_get, checker_put, checker_del,
};
static const struct mbox_state_ops checker_host_ops = {
    checker_list_hosts, checker_get_host, checker_put_host, checker_del_host,
};
static const struct mbox_state_ops checker_total_ops = {
    NULL, checker_get_total, checker_put_total, checker_del_none,
};
static const struct mbox_state_ops checker_config_ops = {
    NULL, checker_get_config, checker_put_config, checker_del_none,
};
static const struct mbox_ops checker_ops = {
    .packet = checker_packet,
    .tick = checker_tick,
    .per_flow = &checker_flow_ops,
    .multi_flow = &checker_host_ops,
    .all_flows = &checker_total_ops,
    .config = &checker_config_ops,
    .n_flows = checker_n_flows,
    .log = checker_log,
    .prefetch = checker_prefetch,
};

static inline void
checker_init(struct checker *c)
{
    memset(c, 0, sizeof *c);
}

static inline void
checker_uninit(struct checker *c)
{
    for (int i = 0; i < CHECKER_WORKERS; i++) {
        mb_table_uninit(&c->w[i].flows);
        mb_table_uninit(&c->w[i].hosts);
        free(c->w[i].states);
    }
}

static inline uint64_t
checker_all_flows(const struct checker *c)
{
    uint64_t n = 0;

    for (int i = 0; i < CHECKER_WORKERS; i++) {
        n += c->w[i].n_flows;
    }
    return n;
}

/* Writes packet 'number' of flow 'flow' to 'frame': UDP from 10.FLOW to
 * 192.168.0.1:53, or back if 'reply'. */
static inline void
checker_frame(uint8_t frame[CHECKER_FRAME], uint32_t flow, uint32_t number,
              bool reply)
{
    static const uint8_t header[] = {
        0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00,
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0,
        10, 0, 0, 0, 192, 168, 0, 1,
        0x10, 0x00, 0, 53, 0, 26, 0, 0,
    };

    memset(frame, 0, CHECKER_FRAME);
    memcpy(frame, header, sizeof header);
    frame[27] = flow >> 16;
    frame[28] = flow >> 8;
    frame[29] = flow;
    if (reply) {
        uint8_t addr[4], port[2];

        memcpy(addr, frame + 26, 4);
        memcpy(frame + 26, frame + 30, 4);
        memcpy(frame + 30, addr, 4);
        memcpy(port, frame + 34, 2);
        memcpy(frame + 34, frame + 36, 2);
        memcpy(frame + 36, port, 2);
    }
    frame[CHECKER_PAYLOAD] = number >> 24;
    frame[CHECKER_PAYLOAD + 1] = number >> 16;
    frame[CHECKER_PAYLOAD + 2] = number >> 8;
    frame[CHECKER_PAYLOAD + 3] = number;
}

static inline struct mbox_key
checker_key(uint32_t flow)
{
    uint8_t frame[CHECKER_FRAME];
    struct mbox_key key, canonical;

    checker_frame(frame, flow, 1, false);
    mbox_key_extract(frame, sizeof frame, &key, NULL);
    mbox_key_canonical(&key, &canonical);
    return canonical;
}

/* The flow space 10.0.0.0/8 or, with 'bits' more, a part of it: flows whose
 * number has zeros in the first of its 24 bits. */
static inline struct mbox_space
checker_space(unsigned int bits)
{
    struct mbox_space space;
    uint8_t frame[CHECKER_FRAME];

    memset(&space, 0, sizeof space);
    checker_frame(frame, 0, 1, false);
    mbox_key_extract(frame, sizeof frame, &space.value, NULL);
    memset(space.value.dst, 0, sizeof space.value.dst);
    space.value.src_port = space.value.dst_port = space.value.vlan = 0;
    space.value.proto = 0;
    space.mask.family = 0xff;
    memset(space.mask.src, 0xff, 13);
    for (unsigned int i = 0; i < bits; i++) {
        space.mask.src[13 + i / 8] |= 0x80 >> i % 8;
    }
    for (int i = 0; i < 16; i++) {
        space.value.src[i] &= space.mask.src[i];
    }
    return space;
}

#endif /* libmbox-world.h */
