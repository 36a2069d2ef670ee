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

#include <config.h>
#include "wanopt.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include "wanopt-private.h"

uint64_t
wanopt_wall_time(const struct wanopt *w, uint64_t now)
{
    /* What was imported may be older than this instance. */
    return w->setup.wall + (int64_t) (now - w->setup.now) / 1000;
}

struct wanopt *
wanopt_create(const struct wanopt_setup *setup)
{
    struct wanopt *w = calloc(1, sizeof *w);

    if (!w) {
        abort();
    }
    w->setup = *setup;
    w->config = setup->config;
    w->now = setup->now;
    w->cipher = wanopt_cipher_create(w->config->key);
    w->codec = wanopt_codec_create(w->config->level);
    wanopt_dict_init(&w->dict, (size_t) w->config->memory << 20);
    wanopt_flows_init(&w->flows, setup->now);
    return w;
}

void
wanopt_destroy(struct wanopt *w)
{
    if (w) {
        wanopt_flows_uninit(&w->flows);
        wanopt_dict_uninit(&w->dict);
        wanopt_codec_destroy(w->codec);
        wanopt_cipher_destroy(w->cipher);
        free(w);
    }
}

void
wanopt_set_time(struct wanopt *w, uint64_t now)
{
    if (now > w->now) {
        w->now = now;
    }
}

size_t
wanopt_n_flows(const struct wanopt *w)
{
    return w->flows.n_flows;
}

const struct wanopt_stats *
wanopt_get_stats(struct wanopt *w)
{
    w->stats.evicted = w->dict.n_evicted;
    return &w->stats;
}

unsigned int
wanopt_other_port(const struct wanopt *w, unsigned int port)
{
    return w->setup.n_ports == 2 ? !port : port;
}

void
wanopt_send(struct wanopt *w, unsigned int port, const void *frame,
            size_t len)
{
    if (w->setup.send) {
        w->setup.send(w->setup.aux, port, frame, len);
    }
}

/* Chunks. */

struct mbox_key
wanopt_chunk_key(const struct wanopt_host *host,
                 const struct wanopt_name *name)
{
    struct mbox_key key = { .vlan = MBOX_VLAN_NONE, .family = host->family };

    memcpy(key.src, host->addr, sizeof key.src);
    memcpy(key.dst, name->bytes, sizeof key.dst);
    return key;
}

static void
set_dirty(struct wanopt *w, const struct wanopt_host *host,
          const struct wanopt_name *name)
{
    if (w->setup.dirty_chunk) {
        struct mbox_key key = wanopt_chunk_key(host, name);

        w->setup.dirty_chunk(w->setup.aux, &key);
    }
}

void
wanopt_learn_chunk(struct wanopt *w, const struct wanopt_host *host,
                   const struct wanopt_name *name, const uint8_t *data,
                   size_t len)
{
    struct wanopt_entry *entry = wanopt_dict_find(&w->dict, name);

    if (!entry) {
        wanopt_dict_add(&w->dict, name, data, len, host->family, host->addr);
        w->stats.learned++;
        set_dirty(w, host, name);
    } else {
        bool same = (entry->family == host->family
                     && !memcmp(entry->host, host->addr, sizeof entry->host));

        wanopt_dict_use(&w->dict, entry, host->family, host->addr);
        if (!same) {
            set_dirty(w, host, name);
        }
    }
}

void
wanopt_cut(struct wanopt *w, const uint8_t *payload, size_t len)
{
    struct wanopt_cuts *cuts = &w->cuts;

    for (cuts->n = 0; len; cuts->n++) {
        size_t n = wanopt_chunk_cut(payload, len);

        cuts->chunks[cuts->n].len = n;
        if (n >= WANOPT_CHUNK_USEFUL) {
            wanopt_cipher_name(w->cipher, payload, n,
                               &cuts->chunks[cuts->n].name);
        }
        payload += n;
        len -= n;
    }
}

/* Notes that the chunk 'name' came behind the one at 'tail'. */
static void
link_chunk(struct wanopt *w, const struct wanopt_place *tail,
           const struct wanopt_name *name)
{
    struct wanopt_entry *entry = (tail->known
                                  ? wanopt_dict_find(&w->dict, &tail->name)
                                  : NULL);

    if (entry) {
        entry->has_successor = true;
        entry->successor = *name;
    }
}

void
wanopt_learn(struct wanopt *w, const struct wanopt_host *host,
             const uint8_t *payload, struct wanopt_place *tail)
{
    const struct wanopt_cuts *cuts = &w->cuts;

    for (size_t i = 0; i < cuts->n; i++) {
        const struct wanopt_name *name = &cuts->chunks[i].name;
        size_t len = cuts->chunks[i].len;

        tail->known &= len >= WANOPT_CHUNK_USEFUL;
        if (len >= WANOPT_CHUNK_USEFUL) {
            wanopt_learn_chunk(w, host, name, payload, len);
            link_chunk(w, tail, name);
            *tail = (struct wanopt_place) { .known = true, .name = *name };
        }
        payload += len;
    }
}

bool
wanopt_may_wait(const struct wanopt *w, const struct wanopt_flow *flow,
                size_t len)
{
    return (flow->n_waiting < WANOPT_MAX_WAITING
            && (w->flows.waiting_bytes + sizeof(struct wanopt_waiting) + len
                <= (size_t) w->config->waiting_memory << 20));
}

bool
wanopt_is_new(const struct wanopt_body *body)
{
    size_t n = 0;

    for (size_t i = 0; i < body->n_items; i++) {
        n += body->items[i].is_ref ? 0 : body->items[i].len;
    }
    return n * 4 >= body->len;
}

/* Flows. */

uint64_t
wanopt_wake_time(const struct wanopt_flow *flow)
{
    uint64_t idle = (flow->key.proto == IPPROTO_UDP ? WANOPT_IDLE_UDP
                     : flow->closed ? WANOPT_IDLE_CLOSED
                     : WANOPT_IDLE_TCP);

    return flow->last_seen + idle * SECOND;
}

/* Finds the flow of a packet, or makes one.  Returns NULL if there are too
 * many. */
static struct wanopt_flow *
get_flow(struct wanopt *w, const struct mbox_key *key)
{
    struct wanopt_flow *flow;
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    flow = wanopt_flow_find(&w->flows, &canonical);
    if (!flow) {
        if (w->flows.n_flows >= w->config->max_flows) {
            w->stats.table_full++;
            return NULL;
        }
        flow = wanopt_flow_add(&w->flows, &canonical, w->now);
        flow->start = wanopt_wall_time(w, w->now);
        w->stats.flows_created++;
    }
    return flow;
}

/* Notes that a TCP packet with 'flags' (TH_*) was seen. */
static void
track(struct wanopt_flow *flow, enum wanopt_dir dir, uint8_t flags)
{
    if (flags & TH_SYN) {
        flow->closed = flow->fin[WANOPT_OUT] = flow->fin[WANOPT_IN] = false;
    } else if (flags & TH_RST) {
        flow->closed = true;
    } else if (flags & TH_FIN) {
        flow->fin[dir] = true;
        flow->closed |= flow->fin[WANOPT_OUT] && flow->fin[WANOPT_IN];
    }
}

static void
end_flow(struct wanopt *w, struct wanopt_flow *flow, const char *reason)
{
    w->stats.flows_ended++;
    w->stats.undecodable += flow->n_waiting;
    if (w->setup.log_flows) {
        wanopt_log_flow(w, flow, reason);
    }
    if (w->setup.dirty_flow) {
        w->setup.dirty_flow(w->setup.aux, &flow->key);
    }
    wanopt_flow_remove(&w->flows, flow);
}

static void
look_at_flow(void *w_, struct wheel_timer *timer)
{
    struct wanopt_flow *flow = wanopt_flow_from_timer(timer);
    struct wanopt *w = w_;

    if (!wheel_is_over(wanopt_wake_time(flow), w->now)) {
        wheel_wake(&w->flows.wheel, timer, wanopt_wake_time(flow));
    } else if (w->setup.is_pending
               && w->setup.is_pending(w->setup.aux, &flow->key)) {
        wheel_wake(&w->flows.wheel, timer,
                   w->now + WANOPT_PENDING_SECONDS * SECOND);
    } else {
        end_flow(w, flow, flow->closed ? "closed" : "idle");
    }
}

void
wanopt_tick(struct wanopt *w, uint64_t now)
{
    wanopt_set_time(w, now);
    wanopt_decode_tick(w);
    wheel_advance(&w->flows.wheel, w->now, look_at_flow, w);
}

static int
finish_flow(void *w, struct wanopt_flow *flow)
{
    end_flow(w, flow, "shutdown");
    return 0;
}

void
wanopt_finish(struct wanopt *w, uint64_t now)
{
    wanopt_set_time(w, now);
    wanopt_flows_for_each(&w->flows, finish_flow, w);
}

/* Packets. */

/* Finds out which way a packet goes.  Returns false if it is none that this is
 * about: one between the sites, TCP or UDP, and whole. */
static bool
get_dir(const struct wanopt *w, const struct mbox_key *key,
        const struct mbox_packet_layout *layout, enum wanopt_dir *dir)
{
    const struct wanopt_nets *local = &w->config->local;
    const struct wanopt_nets *remote = &w->config->remote;

    if (!layout->l4_ofs || layout->first_frag || layout->later_frag
        || (key->proto != IPPROTO_TCP && key->proto != IPPROTO_UDP)) {
        return false;
    }
    if (wanopt_nets_have(local, key->family, key->src)) {
        *dir = WANOPT_OUT;
        return wanopt_nets_have(remote, key->family, key->dst);
    }
    *dir = WANOPT_IN;
    return (wanopt_nets_have(remote, key->family, key->src)
            && wanopt_nets_have(local, key->family, key->dst));
}

static void
note_packet(struct wanopt *w, struct wanopt_flow *flow, enum wanopt_dir dir,
            const struct wanopt_frame *f)
{
    flow->last_seen = w->now;
    flow->n_packets[dir]++;
    if (f->key.proto == IPPROTO_TCP) {
        track(flow, dir, f->data[f->layout.l4_ofs + 13]);
    }
    if (flow->closed) {
        wheel_wake(&w->flows.wheel, &flow->timer, wanopt_wake_time(flow));
    }
}

/* Reads a message.  Returns false if it is to be dropped: only what the peer
 * has sent may change anything. */
static bool
read_message(struct wanopt *w, enum wanopt_dir dir,
             const struct wanopt_frame *f, struct wanopt_message *m)
{
    if (dir == WANOPT_OUT) {
        w->stats.inside++;
        return false;
    }

    int error = wanopt_message_read(w->cipher, f, m);
    w->stats.forged += error == -EPERM;
    w->stats.malformed += error && error != -EPERM;
    return !error;
}

bool
wanopt_packet(struct wanopt *w, uint64_t now, unsigned int port,
              uint8_t *frame, size_t *lenp, size_t capacity,
              const struct mbox_key *key,
              const struct mbox_packet_layout *layout)
{
    struct wanopt_frame f = { frame, *lenp, *key, *layout };
    const uint8_t *out = frame;
    size_t len = *lenp;
    enum wanopt_dir dir;

    wanopt_set_time(w, now);
    w->stats.packets++;
    w->stats.bytes += len;
    if (!get_dir(w, key, layout, &dir) || frame[0] & 1) {
        w->stats.passed++;
        return true;
    }

    bool is_message = wanopt_frame_kind(&f) == WANOPT_MESSAGE;
    struct wanopt_message m;
    if (is_message && !read_message(w, dir, &f, &m)) {
        return false;
    }

    struct wanopt_flow *flow = get_flow(w, key);
    if (flow) {
        note_packet(w, flow, dir, &f);
    }
    if (!(dir == WANOPT_OUT ? wanopt_encode(w, flow, &f, &out, &len)
          : wanopt_decode(w, flow, port, &f, is_message ? &m : NULL, &out,
                          &len))) {
        return false;
    }
    if (len > capacity) {
        wanopt_send(w, wanopt_other_port(w, port), out, len);
        return false;
    }
    if (out != frame) {
        memcpy(frame, out, len);
        *lenp = len;
    }
    return true;
}
