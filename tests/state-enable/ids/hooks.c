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

/* What has to be written by hand so that the engine of mbox-ids moves its
 * flows, without the callbacks that mbox-ids has for that: how flows are found
 * and kept, and the streams of Vectorscan. */

#include <config.h>
#include <errno.h>
#include <ovs-mbox/state-hook.h>
#include <string.h>
#include "ids-http.c"           /* What the engine knows of its requests, */
#include "ids-scan.c"           /* and of hosts. */
#include "ids-private.h"
#include "live.h"
#include "mbox-wire.h"

/* Flows. */

struct each {
    int (*cb)(void *flow, void *aux);
    void *aux;
};

static int
call(void *each_, struct ids_flow *flow)
{
    const struct each *each = each_;

    return each->cb(flow, each->aux);
}

static int
for_each(int (*cb)(void *flow, void *aux), void *aux)
{
    struct each each = { cb, aux };

    return ids_table_for_each(&ids->table, call, &each);
}

static void *
find(const void *flow)
{
    return ids_table_find(&ids->table, &((const struct ids_flow *) flow)->key);
}

/* What reassembly has counted of a flow. */
static size_t
buffered(const struct ids_flow *flow)
{
    return (flow->tcp ? (size_t) flow->tcp->half[0].buffered
                        + flow->tcp->half[1].buffered : 0);
}

static void
insert(void *flow_)
{
    struct ids_flow *flow = flow_;

    wheel_timer_init(&flow->timer);
    ids_table_insert(&ids->table, flow, ids_flow_wake_time(flow));
    ids->limits.total += buffered(flow);
}

static void
take_out(void *flow)
{
    ids_table_remove(&ids->table, flow);
    ids->limits.total -= buffered(flow);
}

/* Segments are after a hole, sorted and disjoint, and counted. */
static bool
half_is_sound(const struct ids_half *half)
{
    const struct ids_segment *last = NULL;
    size_t n = 0;

    for (const struct ids_segment *s = half->segments; s; s = s->next) {
        uint32_t start = last ? last->seq + last->len : half->next_seq;

        if (!s->len || ids_seq_diff(s->seq, start) < !last) {
            return false;
        }
        n += sizeof *s + s->len;
        last = s;
    }
    return (half->last_segment == last && half->buffered == n
            && !(half->flags & ~IDS_HALF_ALL_FLAGS));
}

static bool
http_is_sound(const struct ids_http *http)
{
    return (!http || (http->state < N_STATES && !(http->flags & ~ALL_FLAGS)
                      && http->line_len <= IDS_HTTP_MAX_LINE
                      && is_consistent(http)));
}

static int
check(const void *flow_)
{
    const struct ids_flow *flow = flow_;
    const struct ids_tcp *tcp = flow->tcp;

    if (!tcp) {
        return flow->key.proto == IPPROTO_TCP ? -EPROTO : 0;
    }
    return (flow->key.proto == IPPROTO_TCP && tcp->state < IDS_TCP_N_STATES
            && half_is_sound(&tcp->half[0]) && half_is_sound(&tcp->half[1])
            && http_is_sound(tcp->http) ? 0 : -EPROTO);
}

const struct mbox_state_container ids_flow_hook = {
    .for_each = for_each,
    .find = find,
    .insert = insert,
    .remove = take_out,
    .check = check,
    .both_ways = 1,
};

/* Hosts. */

static int
for_each_host(int (*cb)(void *host, void *aux), void *aux)
{
    struct ids_scan *scan = ids->config.scan;
    int retval = 0;

    for (size_t i = 0; i < N_BUCKETS && !retval; i++) {
        for (struct host *h = scan->buckets[i]; h && !retval; h = h->next) {
            retval = cb(h, aux);
        }
    }
    return retval;
}

static struct host **
place_of_host(const struct host *host)
{
    return find_host(ids->config.scan, host->family, host->addr);
}

static void *
find_same_host(const void *host)
{
    return *place_of_host(host);
}

static void
insert_host(void *host)
{
    *place_of_host(host) = host;
    ids->config.scan->n_hosts++;
}

static void
take_out_host(void *host_)
{
    struct host *host = host_;

    *place_of_host(host) = host->next;
    ids->config.scan->n_hosts--;
}

static int
check_host(const void *host_)
{
    const struct host *host = host_;

    return (host->n_targets <= host->allocated
            && host->n_targets <= IDS_SCAN_MAX_TARGETS
            && !host->targets == !host->allocated ? 0 : -EPROTO);
}

/* The union of what both instances have seen. */
static void
merge_hosts(void *there, const void *from_)
{
    const struct host *from = from_;

    for (size_t i = 0; i < from->n_targets; i++) {
        add_target(there, &from->targets[i]);
    }
}

const struct mbox_state_container ids_host_hook = {
    .for_each = for_each_host,
    .find = find_same_host,
    .insert = insert_host,
    .remove = take_out_host,
    .check = check_host,
    .merge = merge_hosts,
};

/* Streams of Vectorscan, which does not validate what it expands: with the
 * engine's authentication code. */

static const struct mbox_key no_key;

static ssize_t
save(const void *stream, unsigned int dir, void *buffer, size_t size)
{
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    ids_sig_export(ids->scanner, stream, &no_key, dir, &w);
    ssize_t n = w.error ? w.error : (ssize_t) w.len;
    if (n >= 0 && (size_t) n <= size) {
        memcpy(buffer, w.data, n);
    }
    mbox_writer_uninit(&w);
    return n;
}

static int
load(void *stream_, unsigned int dir, const void *data, size_t size)
{
    struct ids_sig_stream *stream = stream_;
    struct mbox_reader r;

    mbox_reader_init(&r, data, size);
    stream->size = 0;
    int error = ids_sig_import(ids->scanner, stream, &no_key, dir, &r);
    if (!error && mbox_reader_finish(&r)) {
        ids_sig_end(ids->scanner, stream, dir, NULL, NULL);
        error = -EPROTO;
    }
    return error;
}

static void
release(void *stream, unsigned int dir)
{
    ids_sig_end(ids->scanner, stream, dir, NULL, NULL);
}

const struct mbox_state_hook ids_stream_hook = { save, load, release };
