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
#include "ids-tcp.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define REORDER_TIME (100 * UINT64_C(1000000))

/* Everything about the segment that is being processed. */
struct ctx {
    struct ids_flow *flow;
    enum ids_dir dir;
    struct ids_half *half;
    struct ids_tcp_limits *limits;
    const struct ids_tcp_user *user;
};

static uint32_t
get_be32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

bool
ids_segment_parse(const uint8_t *p, size_t len, struct ids_segment_info *s)
{
    if (len < 20) {
        return false;
    }

    size_t header_len = (p[12] >> 4) * 4;
    if (header_len < 20 || header_len > len) {
        return false;
    }
    s->seq = get_be32(p + 4);
    s->ack = get_be32(p + 8);
    s->flags = p[13];
    s->has_ts = false;
    s->ts = 0;
    s->data = p + header_len;
    s->len = len - header_len;

    for (size_t i = 20; i < header_len && p[i] != TCPOPT_EOL; ) {
        if (p[i] == TCPOPT_NOP) {
            i++;
            continue;
        }
        if (i + 1 >= header_len || p[i + 1] < 2 || i + p[i + 1] > header_len) {
            break;
        }
        if (p[i] == TCPOPT_TIMESTAMP && p[i + 1] == TCPOLEN_TIMESTAMP) {
            s->has_ts = true;
            s->ts = get_be32(p + i + 2);
        }
        i += p[i + 1];
    }
    return true;
}

static void
count(const struct ctx *ctx, enum ids_dir dir, enum ids_anomaly anomaly)
{
    if (!ctx->flow->tcp->half[dir].n[anomaly]++) {
        ctx->user->anomaly(ctx->user->aux, ctx->flow, dir, anomaly);
    }
}

/* The buffer. */

static size_t
segment_cost(size_t len)
{
    return sizeof(struct ids_segment) + len;
}

static struct ids_segment *
segment_create(struct ids_half *half, uint32_t seq, const void *data,
               size_t len, struct ids_tcp_limits *limits)
{
    struct ids_segment *s = malloc(sizeof *s + len);

    if (!s) {
        abort();
    }
    s->next = NULL;
    s->seq = seq;
    s->len = len;
    memcpy(s->data, data, len);
    half->buffered += segment_cost(len);
    limits->total += segment_cost(len);
    return s;
}

/* Removes the first segment and frees it. */
static void
pop_segment(struct ids_half *half, struct ids_tcp_limits *limits)
{
    struct ids_segment *s = half->segments;

    half->segments = s->next;
    if (!s->next) {
        half->last_segment = NULL;
    }
    half->buffered -= segment_cost(s->len);
    limits->total -= segment_cost(s->len);
    free(s);
}

void
ids_half_clear(struct ids_half *half, struct ids_tcp_limits *limits)
{
    while (half->segments) {
        pop_segment(half, limits);
    }
}

void
ids_half_append(struct ids_half *half, uint32_t seq, const void *data,
                size_t len, struct ids_tcp_limits *limits)
{
    struct ids_segment *s = segment_create(half, seq, data, len, limits);

    if (half->last_segment) {
        half->last_segment->next = s;
    } else {
        half->segments = s;
    }
    half->last_segment = s;
}

/* True if buffered bytes within [seq, seq + len) differ from 'data'. */
static bool
overlap_differs(const struct ids_half *half, uint32_t seq,
                const uint8_t *data, size_t len)
{
    for (const struct ids_segment *s = half->segments; s; s = s->next) {
        int32_t start = ids_seq_diff(s->seq, seq);
        int32_t end = start + (int32_t) s->len;

        if (start >= (int32_t) len) {
            break;
        }

        int32_t from = start > 0 ? start : 0;
        int32_t to = end < (int32_t) len ? end : (int32_t) len;
        if (from < to && memcmp(data + from, s->data + (from - start),
                                to - from)) {
            return true;
        }
    }
    return false;
}

/* Buffers the bytes of [seq, seq + len) that are not buffered yet. */
static void
buffer_segment(struct ctx *ctx, uint32_t seq, const uint8_t *data, size_t len)
{
    struct ids_half *half = ctx->half;
    struct ids_segment **p = &half->segments;

    if (!half->last_segment
        || ids_seq_diff(seq, half->last_segment->seq
                        + half->last_segment->len) >= 0) {
        ids_half_append(half, seq, data, len, ctx->limits);
        return;
    }
    while (len) {
        /* Skip what lies before 'seq'. */
        while (*p && ids_seq_diff((*p)->seq + (*p)->len, seq) <= 0) {
            p = &(*p)->next;
        }

        /* Fill the room before *p. */
        size_t n = len;
        if (*p) {
            int32_t room = ids_seq_diff((*p)->seq, seq);

            n = room <= 0 ? 0 : (size_t) room < len ? (size_t) room : len;
        }
        if (n) {
            struct ids_segment *s = segment_create(half, seq, data, n,
                                                   ctx->limits);
            s->next = *p;
            *p = s;
            if (!s->next) {
                half->last_segment = s;
            }
            p = &s->next;
            seq += n;
            data += n;
            len -= n;
        }

        /* Skip what *p covers. */
        if (len && *p) {
            size_t covered = (*p)->seq + (*p)->len - seq;

            n = covered < len ? covered : len;
            seq += n;
            data += n;
            len -= n;
        }
    }
}

/* The stream. */

/* Passes on 'len' bytes that begin at 'next_seq'. */
static void
deliver(struct ctx *ctx, const uint8_t *data, size_t len)
{
    struct ids_half *half = ctx->half;
    uint64_t offset = half->offset;

    half->next_seq += len;
    half->offset += len;
    ctx->user->data(ctx->user->aux, ctx->flow, ctx->dir, offset, data, len);
}

/* Passes on what is buffered and has become next. */
static void
drain(struct ctx *ctx)
{
    struct ids_half *half = ctx->half;

    while (half->segments && half->segments->seq == half->next_seq) {
        deliver(ctx, half->segments->data, half->segments->len);
        pop_segment(half, ctx->limits);
    }
}

/* Gives up the bytes before 'seq'. */
static void
skip_to(struct ctx *ctx, uint32_t seq)
{
    struct ids_half *half = ctx->half;
    uint64_t offset = half->offset;
    uint32_t len = seq - half->next_seq;

    half->next_seq = seq;
    half->offset += len;
    count(ctx, ctx->dir, IDS_GAP);
    ctx->user->gap(ctx->user->aux, ctx->flow, ctx->dir, offset, len);
    drain(ctx);
}

/* Ends the stream if everything up to FIN has been processed. */
static void
check_fin(struct ctx *ctx)
{
    struct ids_half *half = ctx->half;

    if (half->flags & IDS_HALF_FIN && !(half->flags & IDS_HALF_CLOSED)
        && ids_seq_diff(half->next_seq, half->fin_seq) >= 0) {
        ids_half_clear(half, ctx->limits);
        half->next_seq = half->fin_seq + 1;
        half->flags |= IDS_HALF_CLOSED;
        ctx->user->end(ctx->user->aux, ctx->flow, ctx->dir);
    }
}

/* Says that after a segment the first hole is another one.  Nobody can tell
 * when that one was made, so it is not used to detect reordering. */
static void
next_hole(struct ids_half *half)
{
    half->flags |= IDS_HALF_HOLE_ACKED;
}

/* Makes room for 'len' more bytes by giving up holes. */
static void
make_room(struct ctx *ctx, size_t len)
{
    struct ids_half *half = ctx->half;
    struct ids_tcp_limits *limits = ctx->limits;
    size_t n_segments = 0;

    for (const struct ids_segment *s = half->segments; s; s = s->next) {
        n_segments++;
    }
    while (half->segments
           && (half->buffered + segment_cost(len) > limits->half_limit
               || limits->total + segment_cost(len) > limits->total_limit
               || n_segments >= IDS_TCP_MAX_SEGMENTS)) {
        skip_to(ctx, half->segments->seq);
        next_hole(half);
        n_segments = 0;
    }
}

/* Processes 'len' bytes of data at 'seq'. */
static void
process_data(struct ctx *ctx, const struct ids_segment_info *s, uint32_t seq,
             uint64_t now)
{
    struct ids_half *half = ctx->half;
    const uint8_t *data = s->data;
    size_t len = s->len;

    if (half->segments && overlap_differs(half, seq, data, len)) {
        count(ctx, ctx->dir, IDS_OVERLAP);
    }
    while (len) {
        int32_t old = ids_seq_diff(half->next_seq, seq);

        if (old > 0) {
            size_t n = (size_t) old < len ? (size_t) old : len;
            seq += n;
            data += n;
            len -= n;
        } else if (!old) {
            size_t n = len;

            if (half->segments) {
                uint32_t room = half->segments->seq - seq;
                n = room < len ? room : len;
            }
            deliver(ctx, data, n);
            if (half->segments && half->segments->seq == half->next_seq) {
                drain(ctx);
                next_hole(half);
            }
        } else {
            make_room(ctx, len);
            if (ids_seq_diff(seq, half->next_seq) > 0) {
                if (segment_cost(len) > ctx->limits->half_limit
                    || (ctx->limits->total + segment_cost(len)
                        > ctx->limits->total_limit)) {
                    /* There is no room at all: do without buffer. */
                    skip_to(ctx, seq);
                    continue;
                }
                if (!half->segments) {
                    half->hole_time = now;
                    half->hole_ts = s->ts;
                    half->flags &= ~(IDS_HALF_HOLE_ACKED | IDS_HALF_HOLE_TS);
                    half->flags |= s->has_ts ? IDS_HALF_HOLE_TS : 0;
                }
                buffer_segment(ctx, seq, data, len);
                break;
            }
        }
    }
}

/* True if the segment shows that something on the way changed the order. */
static bool
is_reordered(struct ids_half *half, const struct ids_segment_info *s,
             uint32_t seq, uint64_t now)
{
    bool reordered = false;

    if (s->flags & (TH_SYN | TH_RST)) {
        return false;
    }
    if (s->has_ts) {
        if (half->flags & IDS_HALF_TS
            && ids_seq_diff(s->ts, half->ts_max) < 0) {
            reordered = true;
        } else {
            half->ts_max = s->ts;
            half->flags |= IDS_HALF_TS;
        }
    }
    if (half->segments && s->len
        && !(half->flags & IDS_HALF_HOLE_ACKED)
        && now - half->hole_time < REORDER_TIME
        && ids_seq_diff(seq, half->segments->seq) < 0
        && ids_seq_diff(seq + s->len, half->next_seq) > 0
        && (!s->has_ts || !(half->flags & IDS_HALF_HOLE_TS)
            || ids_seq_diff(s->ts, half->hole_ts) <= 0)) {
        reordered = true;
    }
    return reordered;
}

/* What an acknowledgment says about the stream of the other side. */
static void
process_ack(struct ctx *ctx, uint32_t ack)
{
    struct ids_half *half = ctx->half;
    int32_t ahead = ids_seq_diff(ack, half->next_seq);

    if (!(half->flags & IDS_HALF_STARTED) || half->flags & IDS_HALF_CLOSED) {
        return;
    }
    if (!ahead) {
        half->flags |= IDS_HALF_HOLE_ACKED;
    } else if (ahead > 0 && (uint32_t) ahead <= IDS_TCP_MAX_AHEAD) {
        /* The receiver has data that did not come by here. */
        uint32_t target = ack;

        if (half->flags & IDS_HALF_FIN && ack == half->fin_seq + 1) {
            target = half->fin_seq;
        }
        while (ids_seq_diff(target, half->next_seq) > 0) {
            uint32_t first = half->segments ? half->segments->seq : target;

            skip_to(ctx, ids_seq_diff(first, target) < 0 ? first : target);
        }
        next_hole(half);
        check_fin(ctx);
    }
}

/* Starts a direction at the segment.  Returns false if it cannot. */
static bool
start_half(struct ids_half *half, const struct ids_segment_info *s)
{
    if (s->flags & TH_SYN) {
        half->next_seq = s->seq + 1;
        half->flags |= IDS_HALF_SYN;
    } else if (s->len || s->flags & TH_FIN) {
        half->next_seq = s->seq;
    } else {
        return false;
    }
    half->flags |= IDS_HALF_STARTED;
    return true;
}

static void
process_payload(struct ctx *ctx, const struct ids_segment_info *s,
                uint64_t now)
{
    struct ids_half *half = ctx->half;
    uint32_t seq = s->seq + !!(s->flags & TH_SYN);
    int32_t ahead = ids_seq_diff(seq, half->next_seq);

    if (ahead > (int32_t) IDS_TCP_MAX_AHEAD
        || ahead < -(int32_t) IDS_TCP_MAX_AHEAD) {
        count(ctx, ctx->dir, IDS_BAD_SEQ);
        return;
    }
    if (is_reordered(half, s, seq, now)) {
        count(ctx, ctx->dir, IDS_REORDERED);
    }
    if (s->len) {
        if (ahead < 0) {
            count(ctx, ctx->dir, IDS_RETRANSMITTED);
        } else if (ahead > 0) {
            count(ctx, ctx->dir, IDS_OUT_OF_ORDER);
        }
    }
    if (half->flags & IDS_HALF_CLOSED) {
        return;
    }
    if (s->flags & TH_FIN && !(half->flags & IDS_HALF_FIN)) {
        half->flags |= IDS_HALF_FIN;
        half->fin_seq = seq + s->len;
    }

    /* Nothing counts behind FIN. */
    struct ids_segment_info cut = *s;
    if (half->flags & IDS_HALF_FIN) {
        int32_t room = ids_seq_diff(half->fin_seq, seq);

        cut.len = room <= 0 ? 0 : (size_t) room < s->len ? (size_t) room
                  : s->len;
    }
    process_data(ctx, &cut, seq, now);
    check_fin(ctx);
}

/* Decides what the SYN of a connection that exists means. Returns false if the
 * segment is to be ignored. */
static bool
check_syn(struct ctx *ctx, const struct ids_segment_info *s)
{
    const struct ids_half *half = ctx->half;

    if (half->flags & IDS_HALF_STARTED
        && !(half->flags & IDS_HALF_SYN
             && s->seq + 1 == half->next_seq - (uint32_t) half->offset)) {
        count(ctx, ctx->dir, IDS_BAD_SYN);
        return false;
    }
    return true;
}

static void
process_rst(struct ctx *ctx, const struct ids_segment_info *s)
{
    const struct ids_half *half = ctx->half;
    struct ids_tcp *tcp = ctx->flow->tcp;

    /* One that the receiver would ignore, RFC 5961, as far as can be known:
     * it must be near what is expected. */
    if (half->flags & IDS_HALF_STARTED) {
        int32_t diff = ids_seq_diff(s->seq, half->next_seq);

        if (diff < -1 || (diff > 0 && (uint32_t) diff > IDS_TCP_MAX_AHEAD)) {
            count(ctx, ctx->dir, IDS_BAD_SEQ);
            return;
        }
    }
    tcp->state = IDS_TCP_CLOSED;
    tcp->reset = true;
}

void
ids_tcp_segment(struct ids_flow *flow, enum ids_dir dir,
                const struct ids_segment_info *s, uint64_t now,
                struct ids_tcp_limits *limits,
                const struct ids_tcp_user *user)
{
    struct ids_tcp *tcp = flow->tcp;
    struct ctx ctx = {
        .flow = flow, .dir = dir, .half = &tcp->half[dir],
        .limits = limits, .user = user,
    };
    struct ctx peer = ctx;

    peer.dir = !dir;
    peer.half = &tcp->half[!dir];

    if (s->flags & TH_SYN && !check_syn(&ctx, s)) {
        return;
    }
    if (s->flags & TH_ACK && !(s->flags & TH_RST)) {
        process_ack(&peer, s->ack);
    }
    if (s->flags & TH_RST) {
        process_rst(&ctx, s);
        return;
    }
    if (ctx.half->flags & IDS_HALF_STARTED || start_half(ctx.half, s)) {
        process_payload(&ctx, s, now);
    }

    /* The connection's state. */
    if (tcp->half[0].flags & tcp->half[1].flags & IDS_HALF_CLOSED) {
        tcp->state = IDS_TCP_CLOSED;
    } else if (s->len && tcp->state == IDS_TCP_CLOSED) {
        tcp->state = IDS_TCP_OPEN;
        tcp->reset = false;
    } else if (tcp->state == IDS_TCP_NEW
               && !((s->flags & (TH_SYN | TH_ACK)) == TH_SYN)) {
        tcp->state = IDS_TCP_OPEN;
    }
}

const char *
ids_anomaly_to_string(enum ids_anomaly anomaly)
{
    static const char *const names[IDS_N_ANOMALIES] = {
        [IDS_RETRANSMITTED] = "retransmitted",
        [IDS_OUT_OF_ORDER] = "out_of_order",
        [IDS_REORDERED] = "reordered",
        [IDS_OVERLAP] = "overlap_differs",
        [IDS_GAP] = "gap",
        [IDS_BAD_SEQ] = "bad_sequence",
        [IDS_BAD_SYN] = "unexpected_syn",
    };

    return names[anomaly];
}
