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

/* State that moves to another instance. */

#include <config.h>
#include <errno.h>
#include <string.h>
#include "mbox-wire.h"
#include "wanopt-private.h"

/* Exported form of a flow, version 1 (all integers big-endian):
 *
 *     u8   version
 *     u8   flags: FLOW_*
 *     u32  position in the stream
 *     u16  offset in, 16 name of the chunk at the cursor
 *     16   name of the last chunk learned
 *     u64  age, ns since the last packet
 *     u64  start, us since 1970
 *     u64  packets out, in; u64 bytes at the LAN, and at the WAN, likewise
 *     u16  number of packets that wait, each:
 *              u8 port, u32 length, the frame
 *
 * Time is exported as age because clocks differ between hosts. */

enum {
    FLOW_POSITION = 1 << 0,     /* 'position' is known. */
    FLOW_FIN_OUT = 1 << 1,
    FLOW_FIN_IN = 1 << 2,
    FLOW_CLOSED = 1 << 3,
    FLOW_CURSOR = 1 << 4,       /* These two are known. */
    FLOW_TAIL = 1 << 5,
    FLOW_ALL_FLAGS = (1 << 6) - 1
};

struct list_ctx {
    wanopt_list_cb *cb;
    void *aux;
};

static int
list_one(void *ctx_, struct wanopt_flow *flow)
{
    const struct list_ctx *ctx = ctx_;

    return ctx->cb(ctx->aux, &flow->key);
}

int
wanopt_flow_list(struct wanopt *w, wanopt_list_cb *cb, void *aux)
{
    struct list_ctx ctx = { cb, aux };

    return wanopt_flows_for_each(&w->flows, list_one, &ctx);
}

/* What is counted for each direction. */
enum { N_COUNTERS = 6 };

static void
get_counters(struct wanopt_flow *flow, uint64_t *counters[N_COUNTERS])
{
    for (int dir = 0; dir < 2; dir++) {
        counters[dir] = &flow->n_packets[dir];
        counters[2 + dir] = &flow->lan_bytes[dir];
        counters[4 + dir] = &flow->wan_bytes[dir];
    }
}

int
wanopt_flow_get(struct wanopt *w, const struct mbox_key *key,
                struct mbox_writer *writer)
{
    struct wanopt_flow *flow = wanopt_flow_find(&w->flows, key);
    uint64_t *counters[N_COUNTERS];

    if (!flow) {
        return -ENOENT;
    }
    mbox_put_u8(writer, WANOPT_STATE_VERSION);
    mbox_put_u8(writer, ((flow->has_position ? FLOW_POSITION : 0)
                         | (flow->fin[WANOPT_OUT] ? FLOW_FIN_OUT : 0)
                         | (flow->fin[WANOPT_IN] ? FLOW_FIN_IN : 0)
                         | (flow->closed ? FLOW_CLOSED : 0)
                         | (flow->cursor.known ? FLOW_CURSOR : 0)
                         | (flow->tail.known ? FLOW_TAIL : 0)));
    mbox_put_u32(writer, flow->position);
    mbox_put_u16(writer, flow->cursor.ofs);
    mbox_put_bytes(writer, &flow->cursor.name, sizeof flow->cursor.name);
    mbox_put_bytes(writer, &flow->tail.name, sizeof flow->tail.name);
    mbox_put_u64(writer, w->now - flow->last_seen);
    mbox_put_u64(writer, flow->start);
    get_counters(flow, counters);
    for (int i = 0; i < N_COUNTERS; i++) {
        mbox_put_u64(writer, *counters[i]);
    }
    mbox_put_u16(writer, flow->n_waiting);
    for (const struct wanopt_waiting *p = flow->first; p; p = p->next) {
        mbox_put_u8(writer, p->port);
        mbox_put_u32(writer, p->len);
        mbox_put_bytes(writer, p->data, p->len);
    }
    return writer->error;
}

/* Reads the packets that wait.  Adds them to 'flow', unless that is NULL, as
 * far as there is room.
 * What is in them is checked when they are decoded. */
static void
read_waiting(struct wanopt *w, struct mbox_reader *r, uint16_t n,
             struct wanopt_flow *flow, const struct mbox_key *canonical)
{
    while (n-- && !r->error) {
        uint8_t port = mbox_get_u8(r);
        uint32_t len = mbox_get_u32(r);
        const void *frame = mbox_get_bytes(r, len);
        struct mbox_key key;

        if (!frame) {
            return;
        }
        mbox_key_extract(frame, len, &key, NULL);
        mbox_key_canonical(&key, &key);
        if (port >= w->setup.n_ports || len > WANOPT_MAX_FRAME
            || !mbox_key_equal(&key, canonical)) {
            r->error = -EPROTO;
        } else if (flow && wanopt_may_wait(w, flow, len)) {
            wanopt_flow_push(&w->flows, flow, port, frame, len);
        } else if (flow) {
            w->stats.waiting_full++;
        }
    }
}

int
wanopt_flow_put(struct wanopt *w, const struct mbox_key *key,
                const void *data, size_t len)
{
    uint64_t counters[N_COUNTERS], *places[N_COUNTERS];
    struct mbox_reader r, waiting;
    struct mbox_key canonical;

    mbox_reader_init(&r, data, len);
    uint8_t version = mbox_get_u8(&r);
    uint8_t flags = mbox_get_u8(&r);
    uint32_t position = mbox_get_u32(&r);
    uint16_t ofs = mbox_get_u16(&r);
    const void *cursor = mbox_get_bytes(&r, WANOPT_NAME_LEN);
    const void *tail = mbox_get_bytes(&r, WANOPT_NAME_LEN);
    uint64_t age = mbox_get_u64(&r);
    uint64_t start = mbox_get_u64(&r);
    for (int i = 0; i < N_COUNTERS; i++) {
        counters[i] = mbox_get_u64(&r);
    }
    uint16_t n_waiting = mbox_get_u16(&r);
    waiting = r;
    read_waiting(w, &r, n_waiting, NULL, key);
    if (mbox_reader_finish(&r) || version != WANOPT_STATE_VERSION
        || flags & ~FLOW_ALL_FLAGS || n_waiting > WANOPT_MAX_WAITING
        || mbox_key_canonical(key, &canonical)
        || (key->proto != IPPROTO_TCP && key->proto != IPPROTO_UDP)
        || (key->proto == IPPROTO_UDP
            && flags & ~(FLOW_CURSOR | FLOW_TAIL))) {
        return -EPROTO;
    }

    struct wanopt_flow *flow = wanopt_flow_find(&w->flows, key);
    if (flow) {
        wanopt_flow_remove(&w->flows, flow);
    } else if (w->flows.n_flows >= w->config->max_flows) {
        return -ENOSPC;
    }
    flow = wanopt_flow_add(&w->flows, key, w->now);
    flow->has_position = (flags & FLOW_POSITION) != 0;
    flow->fin[WANOPT_OUT] = (flags & FLOW_FIN_OUT) != 0;
    flow->fin[WANOPT_IN] = (flags & FLOW_FIN_IN) != 0;
    flow->closed = (flags & FLOW_CLOSED) != 0;
    flow->position = position;
    flow->cursor.known = (flags & FLOW_CURSOR) != 0;
    flow->cursor.ofs = ofs;
    memcpy(&flow->cursor.name, cursor, sizeof flow->cursor.name);
    flow->tail.known = (flags & FLOW_TAIL) != 0;
    memcpy(&flow->tail.name, tail, sizeof flow->tail.name);
    flow->last_seen = age < w->now ? w->now - age : 0;
    flow->start = start;
    get_counters(flow, places);
    for (int i = 0; i < N_COUNTERS; i++) {
        *places[i] = counters[i];
    }
    read_waiting(w, &waiting, n_waiting, flow, key);
    w->stats.flows_imported++;
    return 0;
}

int
wanopt_flow_del(struct wanopt *w, const struct mbox_key *key)
{
    struct wanopt_flow *flow = wanopt_flow_find(&w->flows, key);

    if (!flow) {
        return -ENOENT;
    }
    wanopt_flow_remove(&w->flows, flow);
    w->stats.flows_deleted++;
    return 0;
}

/* Chunks: u8 version, u8 1 if the successor is known or else 0, 16 bytes of
 * its name, and the chunk. */

int
wanopt_chunk_list(struct wanopt *w, wanopt_list_cb *cb, void *aux)
{
    /* The oldest first, so that at the other instance they have this order,
     * too. */
    for (const struct wanopt_entry *e = w->dict.oldest; e; e = e->newer) {
        const struct wanopt_host host = { e->family, e->host };
        struct mbox_key key = wanopt_chunk_key(&host, &e->name);
        int retval = cb(aux, &key);

        if (retval) {
            return retval;
        }
    }
    return 0;
}

int
wanopt_chunk_get(struct wanopt *w, const struct mbox_key *key,
                 struct mbox_writer *writer)
{
    const struct wanopt_entry *entry;
    struct wanopt_name name;

    memcpy(name.bytes, key->dst, sizeof name.bytes);
    entry = wanopt_dict_find(&w->dict, &name);
    if (!entry) {
        return -ENOENT;
    }
    mbox_put_u8(writer, WANOPT_STATE_VERSION);
    mbox_put_u8(writer, entry->has_successor);
    mbox_put_bytes(writer, &entry->successor, sizeof entry->successor);
    mbox_put_bytes(writer, entry->data, entry->len);
    return writer->error;
}

int
wanopt_chunk_put(struct wanopt *w, const struct mbox_key *key,
                 const void *data, size_t len)
{
    const struct wanopt_host host = { key->family, key->src };
    struct wanopt_name name;
    struct mbox_reader r;

    mbox_reader_init(&r, data, len);
    uint8_t version = mbox_get_u8(&r);
    uint8_t has_successor = mbox_get_u8(&r);
    const void *successor = mbox_get_bytes(&r, WANOPT_NAME_LEN);
    const uint8_t *chunk = r.p;
    size_t n = r.left;
    if (r.error || has_successor > 1
        || version != WANOPT_STATE_VERSION || n < WANOPT_CHUNK_USEFUL
        || n > WANOPT_CHUNK_MAX) {
        return -EPROTO;
    }
    wanopt_cipher_name(w->cipher, chunk, n, &name);
    if (memcmp(name.bytes, key->dst, sizeof name.bytes)) {
        return -EPROTO;         /* Also if the secrets differ. */
    }
    if (!wanopt_dict_find(&w->dict, &name)) {
        wanopt_dict_add(&w->dict, &name, chunk, n, host.family, host.addr);
        w->stats.chunks_imported++;

        struct wanopt_entry *entry = wanopt_dict_find(&w->dict, &name);
        entry->has_successor = has_successor;
        memcpy(&entry->successor, successor, sizeof entry->successor);
    }
    return 0;
}

/* Configuration: u8 version, 8 bytes of a tag of it. */

static void
digest_config(const struct wanopt *w, uint8_t tag[WANOPT_TAG_LEN])
{
    const struct wanopt_part parts[] = {
        { w->config->local.nets,
          w->config->local.n * sizeof w->config->local.nets[0] },
        { "", 1 },
        { w->config->remote.nets,
          w->config->remote.n * sizeof w->config->remote.nets[0] },
    };

    wanopt_cipher_tag(w->cipher, parts, sizeof parts / sizeof parts[0], tag);
}

void
wanopt_config_get(struct wanopt *w, struct mbox_writer *writer)
{
    uint8_t tag[WANOPT_TAG_LEN];

    digest_config(w, tag);
    mbox_put_u8(writer, WANOPT_STATE_VERSION);
    mbox_put_bytes(writer, tag, sizeof tag);
}

int
wanopt_config_put(struct wanopt *w, const void *data, size_t len)
{
    uint8_t own[WANOPT_TAG_LEN];
    struct mbox_reader r;

    mbox_reader_init(&r, data, len);
    uint8_t version = mbox_get_u8(&r);
    const uint8_t *tag = mbox_get_bytes(&r, sizeof own);
    if (mbox_reader_finish(&r) || version != WANOPT_STATE_VERSION) {
        return -EPROTO;
    }
    digest_config(w, own);
    return memcmp(tag, own, sizeof own) ? -EADDRNOTAVAIL : 0;
}
