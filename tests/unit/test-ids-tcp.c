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

/* TCP reassembly: what comes out is what was sent. */

#include <config.h>
#include "ids-test.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include "ids-tcp.h"

#define STREAM_MAX 20000

/* A connection and what reassembly said about it. */
struct fixture {
    struct ids_flow *flow;
    struct ids_tcp_limits limits;
    uint8_t got[2][STREAM_MAX];
    size_t n_got[2];            /* Including gaps. */
    size_t gap_bytes;
    int n_ends[2];
    int anomalies[2][IDS_N_ANOMALIES];
    uint64_t now;
};

static void
on_data(void *f_, struct ids_flow *flow, enum ids_dir dir, uint64_t offset,
        const uint8_t *data, size_t len)
{
    struct fixture *f = f_;

    (void) flow;
    assert_int_equal(offset, f->n_got[dir]);
    assert_true(len > 0 && f->n_got[dir] + len <= STREAM_MAX);
    memcpy(f->got[dir] + offset, data, len);
    f->n_got[dir] += len;
}

static void
on_gap(void *f_, struct ids_flow *flow, enum ids_dir dir, uint64_t offset,
       uint32_t len)
{
    struct fixture *f = f_;

    (void) flow;
    assert_int_equal(offset, f->n_got[dir]);
    assert_true(len > 0);
    f->n_got[dir] += len;
    f->gap_bytes += len;
}

static void
on_end(void *f_, struct ids_flow *flow, enum ids_dir dir)
{
    struct fixture *f = f_;

    (void) flow;
    f->n_ends[dir]++;
}

static void
on_anomaly(void *f_, struct ids_flow *flow, enum ids_dir dir,
           enum ids_anomaly anomaly)
{
    struct fixture *f = f_;

    (void) flow;
    f->anomalies[dir][anomaly]++;
}

static void
fixture_init(struct fixture *f)
{
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2, 3, 4);

    memset(f, 0, sizeof *f);
    f->flow = ids_flow_create(&key, false);
    f->limits.half_limit = IDS_TCP_HALF_LIMIT;
    f->limits.total_limit = IDS_TCP_TOTAL_LIMIT;
    f->now = SECOND;
}

static void
fixture_uninit(struct fixture *f)
{
    for (int dir = 0; dir < 2; dir++) {
        ids_half_clear(&f->flow->tcp->half[dir], &f->limits);
        assert_int_equal(f->flow->tcp->half[dir].buffered, 0);
    }
    assert_int_equal(f->limits.total, 0);
    ids_flow_free(f->flow);
}

static void
segment_ts(struct fixture *f, enum ids_dir dir, uint32_t seq, uint32_t ack,
           uint8_t flags, uint32_t ts, const void *data, size_t len)
{
    const struct ids_tcp_user user = {
        on_data, on_gap, on_end, on_anomaly, f
    };
    struct ids_segment_info s = {
        .seq = seq, .ack = ack, .flags = flags, .data = data, .len = len,
        .has_ts = ts != 0, .ts = ts,
    };

    f->now += MS / 10;
    ids_tcp_segment(f->flow, dir, &s, f->now, &f->limits, &user);
}

static void
segment(struct fixture *f, enum ids_dir dir, uint32_t seq, uint32_t ack,
        uint8_t flags, const void *data, size_t len)
{
    segment_ts(f, dir, seq, ack, flags, 0, data, len);
}

/* Opens a connection whose streams begin at 'isn' + 1. */
static void
open_connection(struct fixture *f, uint32_t isn)
{
    segment(f, IDS_TO_SERVER, isn, 0, TH_SYN, NULL, 0);
    segment(f, IDS_TO_CLIENT, isn, isn + 1, TH_SYN | TH_ACK, NULL, 0);
    segment(f, IDS_TO_SERVER, isn + 1, isn + 1, TH_ACK, NULL, 0);
    assert_int_equal(f->flow->tcp->state, IDS_TCP_OPEN);
}

static const enum ids_dir C = IDS_TO_SERVER;
static const enum ids_dir S = IDS_TO_CLIENT;

static void
random_segmentation(void **state)
{
    static uint8_t stream[STREAM_MAX];
    struct rng rng = { 7 };

    (void) state;
    for (int round = 0; round < 2000; round++) {
        struct fixture f;
        size_t len = 1 + rng_range(&rng, round % 10 ? 600 : STREAM_MAX - 1);
        size_t max = 1 + rng_range(&rng, 200) + (len > 600 ? 100 : 0);
        uint32_t isn = rng_range(&rng, 2) ? rng_u32(&rng)
                       : -rng_range(&rng, 2000);
        size_t n = 0, allocated = 3 * len + 16;
        struct { size_t ofs, len; } *parts = calloc(allocated, sizeof *parts);

        assert_non_null(parts);
        for (size_t i = 0; i < len; i++) {
            stream[i] = rng_u32(&rng);
        }

        /* Every byte in some segment, and some in more. */
        for (size_t ofs = 0; ofs < len; ) {
            size_t part = 1 + rng_range(&rng, max);

            part = part < len - ofs ? part : len - ofs;
            parts[n].ofs = ofs;
            parts[n++].len = part;
            ofs += part;
        }
        for (size_t i = n / 2; i; i--) {
            size_t ofs = rng_range(&rng, len);
            size_t part = 1 + rng_range(&rng, 2 * max);

            parts[n].ofs = ofs;
            parts[n++].len = part < len - ofs ? part : len - ofs;
        }

        /* Sorted at first; swap some, or all. */
        size_t n_swaps = rng_range(&rng, 2) ? n : n / 8;
        for (size_t i = 0; i < n_swaps; i++) {
            size_t a = rng_range(&rng, n), b = rng_range(&rng, n);
            size_t ofs = parts[a].ofs, part = parts[a].len;

            parts[a] = parts[b];
            parts[b].ofs = ofs;
            parts[b].len = part;
        }

        fixture_init(&f);
        open_connection(&f, isn);
        bool fin_first = rng_range(&rng, 2);
        if (fin_first) {
            segment(&f, C, isn + 1 + len, isn + 1, TH_ACK | TH_FIN, NULL, 0);
        }
        for (size_t i = 0; i < n; i++) {
            uint8_t *copy = malloc(parts[i].len);

            assert_non_null(copy);
            memcpy(copy, stream + parts[i].ofs, parts[i].len);
            segment(&f, C, isn + 1 + parts[i].ofs, isn + 1, TH_ACK, copy,
                    parts[i].len);
            free(copy);
        }
        if (!fin_first) {
            segment(&f, C, isn + 1 + len, isn + 1, TH_ACK | TH_FIN, NULL, 0);
        }
        assert_int_equal(f.n_got[C], len);
        assert_int_equal(f.gap_bytes, 0);
        assert_memory_equal(f.got[C], stream, len);
        assert_int_equal(f.n_ends[C], 1);
        assert_int_equal(f.anomalies[C][IDS_OVERLAP], 0);
        fixture_uninit(&f);
        free(parts);
    }
}

static void
first_copy_wins(void **state)
{
    struct fixture f;

    (void) state;
    fixture_init(&f);
    open_connection(&f, 99);
    segment(&f, C, 104, 100, TH_ACK, "EFGH", 4);        /* 4-7. */
    segment(&f, C, 102, 100, TH_ACK, "cdefghij", 8);    /* 2-9. */
    assert_int_equal(f.anomalies[C][IDS_OVERLAP], 1);
    segment(&f, C, 100, 100, TH_ACK, "12345678901234", 14);
    assert_int_equal(f.n_got[C], 14);
    assert_memory_equal(f.got[C], "12cdEFGHij1234", 14);
    segment(&f, C, 100, 100, TH_ACK, "zzzzzzzzzzzzzzz", 15);
    assert_memory_equal(f.got[C], "12cdEFGHij1234z", 15);
    fixture_uninit(&f);
}

static void
acknowledged_hole_is_a_gap(void **state)
{
    struct fixture f;

    (void) state;
    fixture_init(&f);
    open_connection(&f, 99);
    segment(&f, C, 100, 100, TH_ACK, "ab", 2);
    segment(&f, C, 104, 100, TH_ACK, "ef", 2);
    assert_int_equal(f.n_got[C], 2);
    segment(&f, S, 100, 106, TH_ACK, NULL, 0);
    assert_int_equal(f.n_got[C], 6);
    assert_int_equal(f.gap_bytes, 2);
    assert_int_equal(f.anomalies[C][IDS_GAP], 1);

    /* At the end, with FIN. */
    segment(&f, C, 110, 100, TH_ACK | TH_FIN, NULL, 0);
    assert_int_equal(f.n_ends[C], 0);
    segment(&f, S, 100, 111, TH_ACK, NULL, 0);
    assert_int_equal(f.n_got[C], 10);
    assert_int_equal(f.n_ends[C], 1);
    fixture_uninit(&f);
}

static void
buffer_is_bounded(void **state)
{
    static const uint8_t zeros[1000];
    struct fixture f;

    (void) state;
    fixture_init(&f);
    f.limits.half_limit = 4096;
    open_connection(&f, 0);
    for (int i = 0; i < 10; i++) {
        segment(&f, C, 2 + i * 1000, 1, TH_ACK, zeros, 1000);
        assert_true(f.flow->tcp->half[C].buffered <= 4096);
    }
    assert_int_equal(f.gap_bytes, 1);
    assert_int_equal(f.n_got[C], 10001);

    /* Many tiny ones, each behind another hole. */
    f.limits.half_limit = IDS_TCP_HALF_LIMIT;
    for (int i = 0; i < 3000; i++) {
        segment(&f, S, 3 + 2 * i, 1, TH_ACK, zeros, 1);
    }
    assert_true(f.n_got[S] > 3000);
    assert_true(f.limits.total <= 2 * IDS_TCP_MAX_SEGMENTS * 64);

    /* The limit of all flows. */
    f.limits.total_limit = 0;
    segment(&f, C, 15000, 1, TH_ACK, zeros, 500);
    assert_int_equal(f.flow->tcp->half[C].buffered, 0);
    fixture_uninit(&f);
}

static void
pick_up_in_the_middle(void **state)
{
    struct fixture f;

    (void) state;
    fixture_init(&f);
    segment(&f, C, 5000, 7000, TH_ACK, NULL, 0);
    segment(&f, C, 5000, 7000, TH_ACK, "hello", 5);
    segment(&f, S, 7000, 5005, TH_ACK, "world", 5);
    segment(&f, S, 6990, 5005, TH_ACK, "0123456789", 10);       /* Before. */
    assert_int_equal(f.n_got[C], 5);
    assert_int_equal(f.n_got[S], 5);
    assert_int_equal(f.flow->tcp->state, IDS_TCP_OPEN);
    segment(&f, C, 5005, 7005, TH_ACK | TH_FIN, NULL, 0);
    segment(&f, S, 7005, 5006, TH_ACK | TH_FIN, NULL, 0);
    assert_int_equal(f.flow->tcp->state, IDS_TCP_CLOSED);
    assert_int_equal(f.n_ends[C] + f.n_ends[S], 2);
    fixture_uninit(&f);
}

static void
resets(void **state)
{
    struct fixture f;

    (void) state;
    fixture_init(&f);
    open_connection(&f, 0);
    segment(&f, C, 1, 1, TH_ACK, "abc", 3);

    /* Blind: ignored. */
    segment(&f, C, 0x90000000, 1, TH_RST, NULL, 0);
    assert_int_equal(f.flow->tcp->state, IDS_TCP_OPEN);
    assert_int_equal(f.anomalies[C][IDS_BAD_SEQ], 1);

    /* Forged, but the connection goes on. */
    segment(&f, C, 4, 1, TH_RST, NULL, 0);
    assert_int_equal(f.flow->tcp->state, IDS_TCP_CLOSED);
    assert_true(f.flow->tcp->reset);
    segment(&f, C, 4, 1, TH_ACK, "def", 3);
    assert_int_equal(f.flow->tcp->state, IDS_TCP_OPEN);
    assert_memory_equal(f.got[C], "abcdef", 6);
    fixture_uninit(&f);
}

static void
strange_numbers(void **state)
{
    struct fixture f;

    (void) state;
    fixture_init(&f);
    open_connection(&f, 0xfffffffe);            /* Wraps at once. */
    segment(&f, C, 0xffffffff, 0xffffffff, TH_ACK, "abc", 3);
    segment(&f, C, 2, 0xffffffff, TH_ACK, "def", 3);
    assert_int_equal(f.n_got[C], 6);
    segment(&f, C, 2 + 0x60000000, 0xffffffff, TH_ACK, "x", 1);
    segment(&f, C, 5 + 0x80000000, 0xffffffff, TH_ACK, "x", 1);
    assert_int_equal(f.anomalies[C][IDS_BAD_SEQ], 1);
    assert_int_equal(f.n_got[C], 6);

    /* A SYN with the right number is a repetition, another one is odd. */
    segment(&f, C, 0xfffffffe, 0, TH_SYN, NULL, 0);
    assert_int_equal(f.anomalies[C][IDS_BAD_SYN], 0);
    segment(&f, C, 1234, 0, TH_SYN, NULL, 0);
    assert_int_equal(f.anomalies[C][IDS_BAD_SYN], 1);

    /* Data behind FIN does not count. */
    segment(&f, C, 5, 0xffffffff, TH_ACK | TH_FIN, "g", 1);
    segment(&f, C, 6, 0xffffffff, TH_ACK, "after", 5);
    assert_int_equal(f.n_got[C], 7);
    assert_int_equal(f.n_ends[C], 1);
    fixture_uninit(&f);
}

/* Reordering is told apart from loss. */
static void
reordering(void **state)
{
    struct fixture f;

    (void) state;

    /* Two segments swapped: the same timestamp, nobody knew of the hole. */
    fixture_init(&f);
    open_connection(&f, 99);
    segment_ts(&f, C, 102, 100, TH_ACK, 10, "cd", 2);
    segment_ts(&f, C, 100, 100, TH_ACK, 10, "ab", 2);
    assert_int_equal(f.anomalies[C][IDS_REORDERED], 1);
    fixture_uninit(&f);

    /* An older timestamp is always told. */
    fixture_init(&f);
    open_connection(&f, 99);
    segment_ts(&f, C, 100, 100, TH_ACK, 10, "ab", 2);
    segment_ts(&f, C, 102, 100, TH_ACK, 9, "cd", 2);
    assert_int_equal(f.anomalies[C][IDS_REORDERED], 1);
    fixture_uninit(&f);

    /* Lost, told by the receiver, sent again. */
    fixture_init(&f);
    open_connection(&f, 99);
    segment_ts(&f, C, 102, 100, TH_ACK, 10, "cd", 2);
    segment_ts(&f, S, 100, 100, TH_ACK, 500, NULL, 0);
    segment_ts(&f, C, 100, 100, TH_ACK, 10, "ab", 2);
    assert_int_equal(f.anomalies[C][IDS_REORDERED], 0);
    fixture_uninit(&f);

    /* Lost, sent again with a new timestamp. */
    fixture_init(&f);
    open_connection(&f, 99);
    segment_ts(&f, C, 102, 100, TH_ACK, 10, "cd", 2);
    segment_ts(&f, C, 100, 100, TH_ACK, 11, "ab", 2);
    assert_int_equal(f.anomalies[C][IDS_REORDERED], 0);
    fixture_uninit(&f);

    /* Without timestamps: sent again after a timeout. */
    fixture_init(&f);
    open_connection(&f, 99);
    segment(&f, C, 102, 100, TH_ACK, "cd", 2);
    f.now += 200 * MS;
    segment(&f, C, 100, 100, TH_ACK, "ab", 2);
    assert_int_equal(f.anomalies[C][IDS_REORDERED], 0);
    segment(&f, C, 106, 100, TH_ACK, "gh", 2);
    segment(&f, C, 104, 100, TH_ACK, "ef", 2);
    assert_int_equal(f.anomalies[C][IDS_REORDERED], 1);
    assert_memory_equal(f.got[C], "abcdefgh", 8);
    fixture_uninit(&f);
}

static void
malformed_headers(void **state)
{
    struct ids_segment_info s;
    struct rng rng = { 3 };

    (void) state;
    for (int i = 0; i < 200000; i++) {
        size_t len = rng_range(&rng, 64);
        uint8_t *p = malloc(len + 1);

        assert_non_null(p);
        for (size_t j = 0; j < len; j++) {
            p[j] = rng_range(&rng, 4) ? rng_range(&rng, 12) : rng_u32(&rng);
        }
        if (len > 12) {
            p[12] = rng_u32(&rng);
        }
        if (ids_segment_parse(p, len, &s)) {
            assert_true(s.data >= p + 20 && s.data + s.len == p + len);
        }
        free(p);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_segmentation),
        cmocka_unit_test(first_copy_wins),
        cmocka_unit_test(acknowledged_hole_is_a_gap),
        cmocka_unit_test(buffer_is_bounded),
        cmocka_unit_test(pick_up_in_the_middle),
        cmocka_unit_test(resets),
        cmocka_unit_test(strange_numbers),
        cmocka_unit_test(reordering),
        cmocka_unit_test(malformed_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
