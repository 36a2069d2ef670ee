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
#include "ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ids-http.h"
#include "ids-private.h"
#include "ids-scan.h"
#include "mbox-wire.h"

/* Exported form of a flow, version 1 (all integers big-endian):
 *
 *     u8   version
 *     u8   flags: FLOW_*
 *     u64  id
 *     u64  start, us since 1970
 *     u64  age, ns since the last packet
 *     u64  packets to server, to client; u64 bytes to server, to client
 *     u16  number of marks; u32 each, ascending
 *     if TCP:
 *         u8   state
 *         half to server, half to client
 *         if FLOW_HTTP: the parser, see ids_http_export()
 *
 *     half:
 *     u8   flags: IDS_HALF_*
 *     u64  offset
 *     u32  next sequence number
 *     u32  FIN's sequence number, highest timestamp, hole's timestamp
 *     u64  age of the hole, ns
 *     u32  counters, one for each enum ids_anomaly
 *     u64  offset at which the signature state began
 *     signature state, see ids_sig_export()
 *     u16  number of buffered segments, each:
 *         u32 distance from the next sequence number, u32 length, bytes
 *
 * Times are exported as ages because clocks differ between hosts. */

enum {
    FLOW_CLIENT_IS_DST = 1 << 0,
    FLOW_TCP = 1 << 1,
    FLOW_RESET = 1 << 2,
    FLOW_NOT_HTTP = 1 << 3,
    FLOW_HTTP = 1 << 4,
    FLOW_ALL_FLAGS = (1 << 5) - 1
};

/* Export. */

static uint64_t
age(const struct ids *ids, uint64_t time)
{
    return ids->now > time ? ids->now - time : 0;
}

static void
export_half(struct ids *ids, const struct ids_flow *flow, enum ids_dir dir,
            struct mbox_writer *w)
{
    const struct ids_half *half = &flow->tcp->half[dir];
    uint16_t n = 0;

    mbox_put_u8(w, half->flags);
    mbox_put_u64(w, half->offset);
    mbox_put_u32(w, half->next_seq);
    mbox_put_u32(w, half->fin_seq);
    mbox_put_u32(w, half->ts_max);
    mbox_put_u32(w, half->hole_ts);
    mbox_put_u64(w, half->segments ? age(ids, half->hole_time) : 0);
    for (int i = 0; i < IDS_N_ANOMALIES; i++) {
        mbox_put_u32(w, half->n[i]);
    }
    mbox_put_u64(w, half->sig_base);
    ids_sig_export(ids->scanner, &half->sig, &flow->key, dir, w);

    for (const struct ids_segment *s = half->segments; s; s = s->next) {
        n++;
    }
    mbox_put_u16(w, n);
    for (const struct ids_segment *s = half->segments; s; s = s->next) {
        mbox_put_u32(w, s->seq - half->next_seq);
        mbox_put_u32(w, s->len);
        mbox_put_bytes(w, s->data, s->len);
    }
}

static void
export_flow(struct ids *ids, const struct ids_flow *flow,
            struct mbox_writer *w)
{
    const struct ids_tcp *tcp = flow->tcp;
    uint8_t flags = flow->client_is_dst ? FLOW_CLIENT_IS_DST : 0;

    if (tcp) {
        flags |= (FLOW_TCP
                  | (tcp->reset ? FLOW_RESET : 0)
                  | (tcp->not_http ? FLOW_NOT_HTTP : 0)
                  | (tcp->http ? FLOW_HTTP : 0));
    }
    mbox_put_u8(w, IDS_STATE_VERSION);
    mbox_put_u8(w, flags);
    mbox_put_u64(w, flow->id);
    mbox_put_u64(w, flow->start);
    mbox_put_u64(w, age(ids, flow->last_seen));
    for (int dir = 0; dir < 2; dir++) {
        mbox_put_u64(w, flow->n_packets[dir]);
    }
    for (int dir = 0; dir < 2; dir++) {
        mbox_put_u64(w, flow->n_bytes[dir]);
    }
    mbox_put_u16(w, flow->n_marks);
    for (size_t i = 0; i < flow->n_marks; i++) {
        mbox_put_u32(w, flow->marks[i]);
    }
    if (tcp) {
        mbox_put_u8(w, tcp->state);
        export_half(ids, flow, IDS_TO_SERVER, w);
        export_half(ids, flow, IDS_TO_CLIENT, w);
        if (tcp->http) {
            ids_http_export(tcp->http, w);
        }
    }
}

/* Import: each field is checked, so that what is imported could have come
 * about by processing packets. */

static uint64_t
time_from_age(const struct ids *ids, uint64_t age_)
{
    return age_ < ids->now ? ids->now - age_ : 0;
}

static int
import_marks(struct ids *ids, struct ids_flow *flow, struct mbox_reader *r)
{
    uint16_t n = mbox_get_u16(r);

    if (r->error || n > r->left / 4) {
        return -EPROTO;
    }
    if (n) {
        flow->marks = malloc(n * sizeof *flow->marks);
        if (!flow->marks) {
            return -ENOMEM;
        }
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t mark = mbox_get_u32(r);
        size_t limit = (mark & IDS_MARK_PATTERN ? ids->rules->n_patterns
                        : ids->rules->n_rules);

        if ((mark & IDS_MARK_INDEX) >= limit
            || (i && mark <= flow->marks[i - 1])) {
            return -EPROTO;
        }
        flow->marks[flow->n_marks++] = mark;
    }
    return 0;
}

static int
import_segments(struct ids *ids, struct ids_half *half,
                struct mbox_reader *r)
{
    uint16_t n = mbox_get_u16(r);
    uint32_t end = 0;           /* Of the last one. */

    if (r->error || n > IDS_TCP_MAX_SEGMENTS
        || (n && (!(half->flags & IDS_HALF_STARTED)
                  || half->flags & IDS_HALF_CLOSED))) {
        return -EPROTO;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t start = mbox_get_u32(r);
        uint32_t len = mbox_get_u32(r);
        const void *data = len ? mbox_get_bytes(r, len) : NULL;

        if (r->error || !data || !start || start < end
            || start > IDS_TCP_MAX_AHEAD
            || (half->buffered + len + sizeof(struct ids_segment)
                > ids->limits.half_limit)) {
            return -EPROTO;
        }
        if (ids->limits.total + len + sizeof(struct ids_segment)
            > ids->limits.total_limit) {
            return -ENOSPC;
        }
        ids_half_append(half, half->next_seq + start, data, len,
                        &ids->limits);
        end = start + len;
    }
    return 0;
}

static int
import_half(struct ids *ids, struct ids_flow *flow, enum ids_dir dir,
            struct mbox_reader *r)
{
    struct ids_half *half = &flow->tcp->half[dir];
    uint64_t hole_age;
    int error;

    half->flags = mbox_get_u8(r);
    half->offset = mbox_get_u64(r);
    half->next_seq = mbox_get_u32(r);
    half->fin_seq = mbox_get_u32(r);
    half->ts_max = mbox_get_u32(r);
    half->hole_ts = mbox_get_u32(r);
    hole_age = mbox_get_u64(r);
    for (int i = 0; i < IDS_N_ANOMALIES; i++) {
        half->n[i] = mbox_get_u32(r);
    }
    half->sig_base = mbox_get_u64(r);
    if (r->error || half->flags & ~IDS_HALF_ALL_FLAGS
        || half->sig_base > half->offset
        || (half->flags & IDS_HALF_CLOSED
            && (!(half->flags & IDS_HALF_FIN)
                || half->next_seq != half->fin_seq + 1))
        || (!(half->flags & IDS_HALF_STARTED)
            && (half->offset
                || half->flags & (IDS_HALF_SYN | IDS_HALF_FIN)))) {
        return -EPROTO;
    }
    half->hole_time = time_from_age(ids, hole_age);

    error = ids_sig_import(ids->scanner, &half->sig, &flow->key, dir, r);
    if (!error && half->sig.state
        && (!(half->flags & IDS_HALF_STARTED)
            || half->flags & IDS_HALF_CLOSED)) {
        error = -EPROTO;
    }
    return error ? error : import_segments(ids, half, r);
}

static int
import_tcp(struct ids *ids, struct ids_flow *flow, uint8_t flags,
           struct mbox_reader *r)
{
    struct ids_tcp *tcp = flow->tcp;
    int error;

    tcp->reset = (flags & FLOW_RESET) != 0;
    tcp->not_http = (flags & FLOW_NOT_HTTP) != 0;
    tcp->state = mbox_get_u8(r);
    if (r->error || tcp->state >= IDS_TCP_N_STATES
        || (tcp->reset && tcp->state != IDS_TCP_CLOSED)) {
        return -EPROTO;
    }
    error = import_half(ids, flow, IDS_TO_SERVER, r);
    if (!error) {
        error = import_half(ids, flow, IDS_TO_CLIENT, r);
    }
    if (!error && flags & FLOW_HTTP) {
        error = (tcp->not_http
                 || tcp->half[IDS_TO_SERVER].flags & IDS_HALF_CLOSED
                 ? -EPROTO : ids_http_import(r, &tcp->http));
    }
    return error;
}

static int
import_flow(struct ids *ids, const struct mbox_key *key,
            struct mbox_reader *r, struct ids_flow **flowp)
{
    uint8_t version = mbox_get_u8(r);
    uint8_t flags = mbox_get_u8(r);
    struct ids_flow *flow;
    int error;

    if (r->error || version != IDS_STATE_VERSION || flags & ~FLOW_ALL_FLAGS
        || !(flags & FLOW_TCP) != (key->proto != IPPROTO_TCP)
        || (!(flags & FLOW_TCP) && flags & ~FLOW_CLIENT_IS_DST)) {
        return -EPROTO;
    }
    flow = ids_flow_create(key, flags & FLOW_CLIENT_IS_DST);
    *flowp = flow;
    flow->id = mbox_get_u64(r);
    flow->start = mbox_get_u64(r);
    flow->last_seen = time_from_age(ids, mbox_get_u64(r));
    for (int dir = 0; dir < 2; dir++) {
        flow->n_packets[dir] = mbox_get_u64(r);
    }
    for (int dir = 0; dir < 2; dir++) {
        flow->n_bytes[dir] = mbox_get_u64(r);
    }
    error = import_marks(ids, flow, r);
    if (!error && flow->tcp) {
        error = import_tcp(ids, flow, flags, r);
    }
    return error ? error : mbox_reader_finish(r);
}

/* The functions that others call. */

struct list_ctx {
    int (*cb)(void *aux, const struct mbox_key *);
    void *aux;
};

static int
list_one(void *ctx_, struct ids_flow *flow)
{
    const struct list_ctx *ctx = ctx_;

    return ctx->cb(ctx->aux, &flow->key);
}

int
ids_state_list(struct ids *ids, int (*cb)(void *, const struct mbox_key *),
               void *aux)
{
    struct list_ctx ctx = { cb, aux };

    return ids_table_for_each(&ids->table, list_one, &ctx);
}

int
ids_state_get(struct ids *ids, const struct mbox_key *key,
              struct mbox_writer *w)
{
    const struct ids_flow *flow = ids_table_find(&ids->table, key);

    if (!flow) {
        return -ENOENT;
    }
    export_flow(ids, flow, w);
    return w->error;
}

int
ids_state_put(struct ids *ids, const struct mbox_key *key, const void *data,
              size_t len)
{
    struct ids_flow *flow = NULL;
    struct mbox_key canonical;
    struct mbox_reader r;
    int error;

    if (!key->family || mbox_key_canonical(key, &canonical)) {
        return -EPROTO;
    }
    mbox_reader_init(&r, data, len);
    error = import_flow(ids, key, &r, &flow);
    if (error) {
        if (flow) {
            ids_flow_destroy(ids, flow);
        }
        return error;
    }
    ids_state_del(ids, key);
    ids_table_insert(&ids->table, flow, ids_flow_wake_time(flow));
    ids->stats.flows_imported++;
    return 0;
}

int
ids_state_del(struct ids *ids, const struct mbox_key *key)
{
    struct ids_flow *flow = ids_table_find(&ids->table, key);

    if (!flow) {
        return -ENOENT;
    }
    ids_table_remove(&ids->table, flow);
    ids_flow_destroy(ids, flow);
    ids->stats.flows_deleted++;
    return 0;
}

int
ids_scan_state_get(struct ids *ids, const struct mbox_key *key,
                   struct mbox_writer *w)
{
    return ids_scan_get(ids->config.scan, key, ids->now, w);
}

int
ids_scan_state_put(struct ids *ids, const struct mbox_key *key,
                   const void *data, size_t len, bool merge)
{
    return ids_scan_put(ids->config.scan, key, data, len, ids->now, merge);
}

/* Exported configuration: u8 version, u64 digest of the rules and databases,
 * u32 ports, u32 hosts, u32 window of the scan detector. */

void
ids_config_state_get(struct ids *ids, struct mbox_writer *w)
{
    struct ids_scan_config scan;

    ids_scan_get_config(ids->config.scan, &scan);
    mbox_put_u8(w, IDS_STATE_VERSION);
    mbox_put_u64(w, ids_sigs_digest(ids->config.sigs));
    mbox_put_u32(w, scan.max_ports);
    mbox_put_u32(w, scan.max_hosts);
    mbox_put_u32(w, scan.window);
}

int
ids_config_state_put(struct ids *ids, const void *data, size_t len)
{
    struct ids_scan_config scan;
    struct mbox_reader r;

    mbox_reader_init(&r, data, len);
    if (mbox_get_u8(&r) != IDS_STATE_VERSION
        || mbox_get_u64(&r) != ids_sigs_digest(ids->config.sigs)) {
        return -EPROTO;
    }
    scan.max_ports = mbox_get_u32(&r);
    scan.max_hosts = mbox_get_u32(&r);
    scan.window = mbox_get_u32(&r);
    if (mbox_reader_finish(&r) || !ids_scan_config_is_valid(&scan)) {
        return -EPROTO;
    }
    ids_scan_set_config(ids->config.scan, &scan);
    return 0;
}

uint64_t
ids_schema(const struct ids_sigs *sigs)
{
    return ids_sigs_digest(sigs) ^ (UINT64_C(0x9e3779b97f4a7c15)
                                    * IDS_STATE_VERSION);
}
