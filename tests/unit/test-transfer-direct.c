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
#include "test-transfer-direct.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "test-transfer-stub.h"
#include "util.h"

/* Tests that play both agents and the switch by hand. */

static void
test_precopy_ends(void **state OVS_UNUSED)
{
    static const struct {
        uint64_t n_flows;
        uint64_t dirty[10];     /* Of each round. */
        unsigned int n_rounds;  /* After these it ends. */
    } cases[] = {
        { 100, { 0 }, 1 },
        { 100, { 16 }, 1 },
        { 100, { 17, 16 }, 2 },
        { 10000, { 100 }, 1 },
        { 10000, { 101, 100 }, 2 },
        { 10000, { 5000, 4000, 4000 }, 3 },
        { 10000, { 5000, 6000 }, 2 },
        { 10000, { 900, 800, 700, 600, 500, 400, 300, 200 }, 8 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct stub s;

        stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE);
        stub_recv_prepared(&s, cases[i].n_flows);
        assert_int_equal(s.sent[SRC].type, MBOX_MSG_EXPORT);
        for (unsigned int j = 0; j < cases[i].n_rounds; j++) {
            assert_string_equal(stub_phase(&s), "pre-copy");
            assert_int_equal(s.mode, MBOX_TRANSFER_PASS);
            stub_recv_precopy(&s, j + 1, cases[i].dirty[j]);
        }
        assert_string_equal(stub_phase(&s), "holding");
        assert_int_equal(s.mode, MBOX_TRANSFER_HOLD);
        assert_int_equal(s.n_tracers[SRC], 1);
        stub_destroy(&s);
    }
}

/* Nothing is released before the tracer is back both ways. */
static void
test_release_waits_for_tracer(void **state OVS_UNUSED)
{
    struct mbox_tag tag = { MBOX_TAG_TRACER, 7, 1 };
    struct mbox_msg msg;
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
    stub_recv_prepared(&s, 5);
    stub_recv_release(&s, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
    stub_recv_installed(&s, 5);
    assert_int_equal(s.n_releases, 0);

    mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, 7);
    msg.seq = 1;
    stub_recv(&s, SRC, &msg, NULL);
    assert_int_equal(s.n_releases, 0);

    /* The copy was lost, so the tracer is sent again. */
    s.now_us = mbox_transfer_wake_us(s.t);
    while (s.n_tracers[SRC] == 1) {
        s.now_us += 1000;
        mbox_transfer_run(s.t);
    }
    tag.seq = 3;
    assert_true(mbox_transfer_recv_tagged(s.t, SRC, &tag, "", 0));
    mbox_transfer_run(s.t);
    assert_int_equal(s.n_releases, 0);      /* Nobody sent that one. */
    tag.seq = 2;
    assert_true(mbox_transfer_recv_tagged(s.t, SRC, &tag, "", 0));
    mbox_transfer_run(s.t);
    assert_int_equal(s.n_releases, 1);
    assert_false(s.dp_open);
    assert_int_equal(s.n_assigned[DST], 1);
    stub_finish_commit(&s);
    assert_true(mbox_transfer_is_done(s.t));
    stub_destroy(&s);
}

/* Draining sends at most two windows ahead of what D has dequeued. */
static void
test_drain_is_paced(void **state OVS_UNUSED)
{
    struct mbox_msg msg;
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_LOSS_FREE, 0);
    stub_recv_prepared(&s, 5);
    stub_recv_tracer(&s, 1, 0);
    s.n_drain = 1000;
    stub_recv_installed(&s, 5);
    assert_int_equal(s.n_drain, 1000 - 128);
    assert_int_equal(s.n_tracers[DST], 2);

    mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, 7);
    msg.seq = 0x80000001;
    stub_recv(&s, DST, &msg, NULL);
    assert_int_equal(s.n_drain, 1000 - 192);
    assert_int_equal(s.n_tracers[DST], 3);

    /* Without answers it goes on by the clock. */
    while (s.dp_open) {
        assert_true(mbox_transfer_wake_us(s.t) < LLONG_MAX);
        s.now_us = MAX(s.now_us, mbox_transfer_wake_us(s.t));
        mbox_transfer_run(s.t);
    }
    assert_int_equal(s.n_drain, 0);
    stub_finish_commit(&s);
    stub_destroy(&s);
}

static void
test_split_all_except(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    struct mbox_key *keys = make_keys(3);
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
              MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE);
    stub_recv_prepared(&s, 10);
    stub_recv_precopy(&s, 1, 3);
    stub_recv_tracer(&s, 1, 0);
    stub_recv_release(&s, MBOX_SELECT_ALL_EXCEPT, keys, 3);
    assert_int_equal(s.n_released_keys, 3);
    stub_recv_release(&s, MBOX_SELECT_KEYS, &keys[1], 1);
    stub_recv_release(&s, MBOX_SELECT_KEYS, &keys[1], 1);
    assert_int_equal(s.n_releases, 2);

    mbox_transfer_cancel(s.t, "enough");
    mbox_transfer_run(s.t);
    for (int role = SRC; role <= DST; role++) {
        assert_int_equal(s.sent[role].type, MBOX_MSG_COMMIT);
        assert_int_equal(s.sent[role].select, MBOX_SELECT_ALL_EXCEPT);
        assert_int_equal(s.sent[role].n_keys, 2);
        for (int i = 0; i < 2; i++) {
            assert_false(mbox_key_equal(&s.sent_keys[role][i], &keys[1]));
        }
    }

    /* The rest is released to S when it has thawed. */
    assert_int_equal(s.n_releases, 2);
    stub_recv_simple(&s, SRC, MBOX_MSG_COMMITTED);
    assert_int_equal(s.n_releases, 3);
    assert_true(s.released_to_source);
    assert_true(s.dp_open);
    stub_recv_simple(&s, DST, MBOX_MSG_COMMITTED);
    assert_false(s.dp_open);
    assert_int_equal(s.n_assigned[DST], 1);
    assert_int_equal(s.n_assigned[SRC], 2);
    stub_report(&s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_SPLIT);
    assert_string_equal(report.error, "releasing: cancelled: enough");
    stub_destroy(&s);
    free(keys);
}

/* More flows than a message should have: COMMIT comes in parts. */
static void
test_split_many(void **state OVS_UNUSED)
{
    const size_t part = 300000;
    const size_t n = getenv("MBOX_TEST_SHORT") ? part : 4 * part;
    struct mbox_key *keys = make_keys(n);
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
              MBOX_OPT_EARLY_RELEASE);
    stub_recv_prepared(&s, n + 1);
    stub_recv_tracer(&s, 1, 0);
    for (size_t i = 0; i < n; i += part) {
        stub_recv_release(&s, MBOX_SELECT_KEYS, &keys[i], part);
    }
    s.agent_is_slow[SRC] = s.agent_is_slow[DST] = true;
    mbox_transfer_cancel(s.t, "enough");
    mbox_transfer_run(s.t);

    /* S takes it bit by bit, D never does. */
    size_t most = 0;
    while (s.sent[SRC].more) {
        assert_true(s.backlog[SRC]);
        most = MAX(most, s.backlog[SRC]);
        s.backlog[SRC] = 0;
        s.now_us += 1000;
        mbox_transfer_run(s.t);
    }
    assert_true(most < 16 * 1024 * 1024);
    assert_int_equal(s.n_commit_keys[SRC], n);
    assert_true(s.n_commit_keys[DST] < n);
    assert_true(s.sent[DST].more);
    assert_false(s.disconnected[DST]);

    stub_recv_simple(&s, SRC, MBOX_MSG_COMMITTED);
    while (!mbox_transfer_is_done(s.t)) {
        s.now_us = MAX(s.now_us, mbox_transfer_wake_us(s.t));
        mbox_transfer_run(s.t);
    }
    assert_true(s.disconnected[DST]);
    assert_false(s.disconnected[SRC]);
    stub_destroy(&s);
    free(keys);
}

static void
test_split_keys(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    struct mbox_key *keys = make_keys(3);
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
              MBOX_OPT_EARLY_RELEASE);
    stub_recv_prepared(&s, 3);
    stub_recv_tracer(&s, 1, 0);
    stub_recv_release(&s, MBOX_SELECT_KEYS, keys, 2);
    s.now_us += 1000 * 1000;    /* The timeout. */
    mbox_transfer_run(s.t);
    assert_int_equal(s.sent[SRC].type, MBOX_MSG_COMMIT);
    assert_int_equal(s.sent[SRC].select, MBOX_SELECT_KEYS);
    assert_int_equal(s.sent[SRC].n_keys, 2);

    /* D does not answer. */
    stub_recv_simple(&s, SRC, MBOX_MSG_COMMITTED);
    while (!mbox_transfer_is_done(s.t)) {
        assert_true(mbox_transfer_wake_us(s.t) < LLONG_MAX);
        s.now_us = MAX(s.now_us, mbox_transfer_wake_us(s.t));
        mbox_transfer_run(s.t);
    }
    assert_int_equal(s.n_assigned[DST], 2);
    assert_int_equal(s.n_assigned[SRC], 0);
    stub_report(&s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_SPLIT);
    assert_string_equal(report.error,
                        "releasing: not done after 1000 ms; "
                        "instance 'ids2', splitting: "
                        "did not confirm the commit");
    stub_destroy(&s);
    free(keys);
}

/* D has no say about flows that are none of the transfer's. */
static void
test_foreign_keys(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    struct mbox_key *keys = make_keys(3);
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
              MBOX_OPT_EARLY_RELEASE);
    s.foreign = &keys[1];
    stub_recv_prepared(&s, 3);
    stub_recv_tracer(&s, 1, 0);
    for (int i = 0; i < 2; i++) {
        stub_recv_release(&s, MBOX_SELECT_KEYS, keys, 3);
        assert_int_equal(s.n_released_keys, 2);
    }
    mbox_transfer_cancel(s.t, "enough");
    mbox_transfer_run(s.t);
    assert_int_equal(s.sent[DST].type, MBOX_MSG_COMMIT);
    assert_int_equal(s.sent[DST].n_keys, 2);
    assert_int_equal(s.n_assigned[DST], 2);
    stub_recv_simple(&s, SRC, MBOX_MSG_COMMITTED);
    stub_recv_simple(&s, DST, MBOX_MSG_COMMITTED);
    assert_true(mbox_transfer_is_done(s.t));
    stub_report(&s, &report);
    assert_string_equal(report.error, "instance 'ids2', releasing: released "
                        "flows that are not of the transfer; "
                        "releasing: cancelled: enough");
    stub_destroy(&s);
    free(keys);
}

/* An instance that asks for too much ends the transfer, not more. */
static void
test_refuse(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
    stub_recv_prepared(&s, 3);
    mbox_transfer_refuse(s.t, SRC, "too much");
    mbox_transfer_run(s.t);
    assert_int_equal(s.sent[SRC].type, MBOX_MSG_ABORT);
    stub_recv_simple(&s, SRC, MBOX_MSG_ABORTED);
    stub_recv_simple(&s, DST, MBOX_MSG_ABORTED);
    assert_true(mbox_transfer_is_done(s.t));
    assert_false(s.disconnected[SRC]);
    stub_report(&s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_ROLLED_BACK);
    assert_string_equal(report.error,
                        "instance 'ids1', holding: too much");
    stub_destroy(&s);
}

/* What was released already is not held again, and D's death while the
 * transfer is being split takes everything back. */
static void
test_split_destination_dies(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    struct mbox_key *keys = make_keys(3);
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
              MBOX_OPT_EARLY_RELEASE);
    stub_recv_prepared(&s, 3);
    stub_recv_tracer(&s, 1, 0);
    stub_recv_release(&s, MBOX_SELECT_KEYS, keys, 1);
    stub_recv_release(&s, MBOX_SELECT_ALL_EXCEPT, keys, 2);
    assert_int_equal(s.n_released_keys, 1 + 1);
    mbox_transfer_cancel(s.t, "enough");
    mbox_transfer_run(s.t);
    assert_int_equal(s.sent[SRC].n_keys, 1);
    assert_true(mbox_key_equal(&s.sent_keys[SRC][0], &keys[1]));

    s.held = true;
    stub_recv_simple(&s, SRC, MBOX_MSG_COMMITTED);
    assert_int_equal(s.n_releases, 3);
    mbox_transfer_agent_lost(s.t, DST, "killed");
    mbox_transfer_run(s.t);
    assert_int_equal(s.mode, MBOX_TRANSFER_HOLD);
    assert_int_equal(s.n_releases, 4);
    assert_true(s.released_to_source);
    s.held = false;
    mbox_transfer_run(s.t);
    assert_true(mbox_transfer_is_done(s.t));
    assert_int_equal(s.n_assigned_back, 1);
    assert_int_equal(s.recorded, MBOX_TRANSFER_ROLLED_BACK);
    stub_report(&s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_ROLLED_BACK);
    stub_destroy(&s);
    free(keys);
}

/* S is not frozen before the database has the transfer, or does not take it
 * for too long. */
static void
test_freeze_is_recorded_first(void **state OVS_UNUSED)
{
    for (int i = 0; i < 4; i++) {
        bool hold = i & 1;
        bool gives_up = i & 2;
        struct stub s;

        stub_init(&s, hold ? MBOX_METHOD_HOLD : MBOX_METHOD_EVENTS,
                  MBOX_GUARANTEE_ORDER_PRESERVING, 0);
        mbox_transfer_destroy(s.t);
        s.request.timeout_ms = 0;
        s.n_records = 0;
        s.t = mbox_transfer_create(&s.request, &stub_ops, &s);
        mbox_transfer_run(s.t);
        assert_int_equal(s.n_records, 1);
        assert_int_equal(s.recorded, MBOX_TRANSFER_OPEN);
        s.database_is_slow = true;
        stub_recv_prepared(&s, 3);
        assert_int_equal(s.n_tracers[SRC], 0);
        assert_int_not_equal(s.sent[SRC].type, MBOX_MSG_RETURN);
        assert_int_not_equal(s.sent[DST].type, MBOX_MSG_BUFFER);
        if (gives_up) {
            s.now_us += 2 * 1000 * 1000;
        } else {
            s.database_is_slow = false;
        }
        mbox_transfer_run(s.t);
        if (hold) {
            assert_int_equal(s.n_tracers[SRC], 1);
        } else {
            assert_int_equal(s.sent[SRC].type, MBOX_MSG_RETURN);
        }

        /* The end of a rollback is recorded, too. */
        s.database_is_slow = false;
        mbox_transfer_agent_lost(s.t, SRC, "killed");
        mbox_transfer_agent_lost(s.t, DST, "killed");
        while (!mbox_transfer_is_done(s.t)) {
            s.now_us = MAX(s.now_us, mbox_transfer_wake_us(s.t));
            mbox_transfer_run(s.t);
        }
        assert_int_equal(s.recorded, MBOX_TRANSFER_ROLLED_BACK);
        stub_destroy(&s);
    }
}

/* Nobody is told to commit before the database has it, or does not take it for
 * too long.  Until then a split can still be undone; then nobody is told to
 * abort before the database has not got the split any more. */
static void
test_commit_is_recorded_first(void **state OVS_UNUSED)
{
    for (int i = 0; i < 4; i++) {
        bool split = i & 1;
        bool gives_up = i & 2;
        struct mbox_key *keys = make_keys(3);
        struct stub s;

        stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_EARLY_RELEASE);
        stub_recv_prepared(&s, 3);
        stub_recv_tracer(&s, 1, 0);
        s.database_is_slow = true;
        if (split) {
            stub_recv_release(&s, MBOX_SELECT_KEYS, keys, 1);
            mbox_transfer_cancel(s.t, "enough");
            mbox_transfer_run(s.t);
        } else {
            stub_recv_installed(&s, 3);
        }
        assert_int_equal(s.recorded, (split ? MBOX_TRANSFER_SPLIT
                                      : MBOX_TRANSFER_MOVED));
        assert_int_equal(s.n_assigned[DST], 1);
        assert_int_not_equal(s.sent[SRC].type, MBOX_MSG_COMMIT);
        assert_int_not_equal(s.sent[DST].type, MBOX_MSG_COMMIT);
        if (split && gives_up) {
            mbox_transfer_agent_lost(s.t, DST, "killed");
            mbox_transfer_run(s.t);
            assert_int_equal(s.n_assigned_back, 1);
            assert_int_equal(s.recorded, MBOX_TRANSFER_ROLLED_BACK);
            assert_int_not_equal(s.sent[SRC].type, MBOX_MSG_ABORT);
            s.database_is_slow = false;
            mbox_transfer_run(s.t);
            assert_int_equal(s.sent[SRC].type, MBOX_MSG_ABORT);
        } else {
            if (gives_up) {
                s.now_us = MAX(s.now_us, mbox_transfer_wake_us(s.t));
            } else {
                s.database_is_slow = false;
            }
            mbox_transfer_run(s.t);
            assert_int_equal(s.sent[SRC].type, MBOX_MSG_COMMIT);
            assert_int_equal(s.sent[DST].type, MBOX_MSG_COMMIT);
        }
        stub_destroy(&s);
        free(keys);
    }
}

/* D reports that the state channel broke.  If S has died, what D has is kept;
 * if it has not, the transfer is rolled back, a little later. */
static void
test_state_channel_breaks(void **state OVS_UNUSED)
{
    for (int src_dies = 0; src_dies < 2; src_dies++) {
        struct mbox_msg msg;
        struct stub s;

        stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
        stub_recv_prepared(&s, 3);
        stub_recv_tracer(&s, 1, 0);
        mbox_msg_init(&msg, MBOX_MSG_ERROR, 7);
        msg.code = ECONNRESET;
        stub_recv(&s, DST, &msg, NULL);
        assert_string_equal(stub_phase(&s), "holding");
        if (src_dies) {
            mbox_transfer_agent_lost(s.t, SRC, "killed");
            mbox_transfer_run(s.t);
            assert_int_equal(s.sent[DST].type, MBOX_MSG_COMMIT);
            assert_int_equal(s.n_assigned[DST], 1);
        } else {
            while (s.sent[SRC].type != MBOX_MSG_ABORT) {
                assert_true(s.now_us < 1000000 + 100000);
                s.now_us = MAX(s.now_us, mbox_transfer_wake_us(s.t));
                mbox_transfer_run(s.t);
            }
            stub_recv_simple(&s, SRC, MBOX_MSG_ABORTED);
            assert_int_equal(s.n_assigned[DST], 0);
            assert_true(s.released_to_source);
        }
        stub_destroy(&s);
    }
}

/* As many keys as make anything quadratic hang. */
static void
test_many_keys(void **state OVS_UNUSED)
{
    enum { N = 200000, BATCH = 500 };
    struct mbox_key *keys = make_keys(N);
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
              MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE);
    stub_recv_prepared(&s, N);
    stub_recv_precopy(&s, 1, N / 2);
    stub_recv_precopy(&s, 2, N / 2);
    stub_recv_tracer(&s, 1, 0);
    s.held = true;
    stub_recv_release(&s, MBOX_SELECT_ALL_EXCEPT, keys, N / 2);
    for (size_t i = 0; i < N / 2; i += BATCH) {
        assert_true(s.dp_open);
        stub_recv_release(&s, MBOX_SELECT_KEYS, &keys[i], BATCH);
    }
    assert_int_equal(s.n_released_keys, N);
    stub_recv_release(&s, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
    s.held = false;
    stub_recv_installed(&s, N);
    stub_finish_commit(&s);
    assert_true(mbox_transfer_is_done(s.t));
    stub_destroy(&s);
    free(keys);
}

/* A frozen source returns what reaches it by another way. */
static void
test_hold_returned(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    char frame[60] = "frame";
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
    assert_false(stub_recv_returned(&s, SRC, 1, frame, sizeof frame));
    stub_recv_prepared(&s, 1);
    assert_true(stub_recv_returned(&s, SRC, 1, frame, sizeof frame));
    assert_true(stub_recv_returned(&s, SRC, 2, frame, sizeof frame));
    assert_false(stub_recv_returned(&s, SRC, 2, frame, sizeof frame));
    assert_false(stub_recv_returned(&s, DST, 3, frame, sizeof frame));
    assert_true(stub_recv_returned(&s, SRC, 5, frame, sizeof frame));
    assert_int_equal(s.n_held_packets, 3);
    stub_recv_tracer(&s, 1, 5);
    stub_recv_installed(&s, 1);
    stub_finish_commit(&s);
    stub_report(&s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_MOVED);
    assert_int_equal(report.packets_returned, 3);
    assert_int_equal(report.packets_lost, 2);
    stub_destroy(&s);
}

static void
test_buffer_limit(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    char frame[1000] = "frame";
    struct mbox_msg msg;
    struct stub s;

    memset(&s, 0, sizeof s);
    s.now_us = 1;
    s.request = (struct mbox_transfer_request) {
        .id = 7, .class_name = "ids", .src = "ids1", .dst = "ids2",
        .method = MBOX_METHOD_EVENTS, .guarantee = MBOX_GUARANTEE_LOSS_FREE,
        .timeout_ms = 1000, .buffer_limit = 10000,
    };
    mbox_space_init_any(&s.request.space);
    s.t = mbox_transfer_create(&s.request, &stub_ops, &s);
    mbox_transfer_run(s.t);
    stub_recv_prepared(&s, 1);
    stub_recv_simple(&s, SRC, MBOX_MSG_RETURNING);
    for (int i = 1; i <= 20; i++) {
        assert_true(stub_recv_returned(&s, SRC, i, frame, sizeof frame));
    }
    assert_string_equal(stub_phase(&s), "rolling back");
    assert_int_equal(s.mode, MBOX_TRANSFER_HOLD);
    stub_recv_tracer(&s, 1, 20);
    assert_int_equal(s.sent[SRC].type, MBOX_MSG_ABORT);
    mbox_msg_init(&msg, MBOX_MSG_ABORTED, 7);
    msg.n_packets = 20;
    stub_recv(&s, SRC, &msg, NULL);
    stub_recv_simple(&s, DST, MBOX_MSG_ABORTED);
    assert_true(mbox_transfer_is_done(s.t));
    assert_int_equal(s.n_port_sent[SRC], 20);
    stub_report(&s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_ROLLED_BACK);
    assert_string_equal(report.error, "exporting: more than 10000 bytes of "
                        "packets returned");
    stub_destroy(&s);
}

/* What is too long for S's port comes by the channel, past what comes by the
 * port, and the tracer may overtake both in the switch. */
static void
test_returned_in_any_order(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    struct mbox_msg msg;
    struct stub s;

    stub_init(&s, MBOX_METHOD_EVENTS, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
    stub_recv_prepared(&s, 1);
    stub_recv_simple(&s, SRC, MBOX_MSG_RETURNING);
    stub_recv_simple(&s, DST, MBOX_MSG_BUFFERING);
    mbox_msg_init(&msg, MBOX_MSG_PACKET, 7);
    msg.kind = MBOX_TAG_RETURNED;
    msg.seq = 3;
    msg.data = "c";
    msg.data_len = 1;
    stub_recv(&s, SRC, &msg, NULL);
    assert_true(stub_recv_returned(&s, SRC, 1, "a", 1));
    assert_false(stub_recv_returned(&s, SRC, 1, "a", 1));
    stub_recv_installed(&s, 1);
    s.now_us += 100 * 1000;     /* No duplicate comes. */
    mbox_transfer_run(s.t);
    assert_string_equal(stub_phase(&s), "routing");

    stub_recv_tracer(&s, 1, 4);
    assert_string_equal(stub_phase(&s), "routing");
    assert_true(stub_recv_returned(&s, SRC, 4, "d", 1));
    assert_true(stub_recv_returned(&s, SRC, 2, "b", 1));
    assert_string_equal(stub_phase(&s), "flushing");
    assert_int_equal(s.n_flushed, 4);
    assert_memory_equal(s.flushed, "abcd", 4);

    mbox_msg_init(&msg, MBOX_MSG_FLUSHED, 7);
    msg.n_packets = 4;
    s.now_us += 5 * 1000;
    stub_recv(&s, DST, &msg, NULL);
    s.now_us += 1000;
    stub_finish_commit(&s);
    stub_report(&s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_MOVED);
    assert_int_equal(report.packets_returned, 4);
    assert_int_equal(report.packets_lost, 0);
    assert_int_equal(report.hold_us, 105 * 1000);
    assert_true(report.hold_ms_max == 105.0);
    stub_destroy(&s);
}

static void
test_report(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
              MBOX_OPT_PRECOPY);
    s.now_us += 500;
    stub_recv_prepared(&s, 500);
    s.now_us += 1000;
    stub_recv_precopy(&s, 1, 3);
    s.now_us += 1250;
    stub_recv_tracer(&s, 1, 0);
    stub_recv_installed(&s, 2000);
    stub_finish_commit(&s);
    stub_report(&s, &report);

    mbox_transfer_report_format(&s.request, &report, &ds);
    assert_string_equal(ds_cstr(&ds), "\
transfer 7: moved\n\
  flows     any of class ids, from ids1 to ids2\n\
  method    hold, order-preserving\n\
  state     2000 flows in 2000 chunks, 512.0 kB; pre-copied in 1 round\n\
  packets   1200 seen, 27 held, 0 lost; at most 41.0 kB kept\n\
  time      2.75 ms, held for 1.25 ms, a packet for at most 0.92 ms; \
1 tracer\n\
  phases    preparing 0.00, pre-copy 0.50, arming 1.50, holding 1.50, \
releasing 2.75, committing 2.75, done 2.75 ms\n");
    ds_clear(&ds);

    struct json *json = mbox_transfer_report_to_json(&s.request, &report);
    json_to_ds(json, JSSF_SORT, &ds);
    assert_string_equal(ds_cstr(&ds), "{\"chunks\":2000,\"class\":\"ids\","
        "\"destination\":\"ids2\",\"error\":\"\",\"flow_space\":\"any\","
        "\"flows_ended\":0,\"flows_moved\":2000,"
        "\"guarantee\":\"order-preserving\",\"hold_ms\":1.25,"
        "\"hold_ms_max\":0.92,\"id\":7,\"max_held_bytes\":40960,"
        "\"method\":\"hold\",\"packets_discarded\":0,"
        "\"packets_duplicated\":0,\"packets_held\":27,\"packets_lost\":0,"
        "\"packets_returned\":0,\"packets_seen\":1200,\"phase\":\"done\","
        "\"phases\":[{\"at_ms\":0,\"phase\":\"preparing\"},"
        "{\"at_ms\":0.5,\"phase\":\"pre-copy\"},"
        "{\"at_ms\":1.5,\"phase\":\"arming\"},"
        "{\"at_ms\":1.5,\"phase\":\"holding\"},"
        "{\"at_ms\":2.75,\"phase\":\"releasing\"},"
        "{\"at_ms\":2.75,\"phase\":\"committing\"},"
        "{\"at_ms\":2.75,\"phase\":\"done\"}],"
        "\"precopy_rounds\":1,\"result\":\"moved\",\"source\":\"ids1\","
        "\"started_ms\":1000,"
        "\"state_bytes\":512000,\"state_path\":\"\",\"tracers_sent\":1,"
        "\"transfer_ms\":2.75}");
    json_destroy(json);
    ds_destroy(&ds);
    stub_destroy(&s);
}

/* Whatever an agent or a port sends, the transfer survives it, and ends. */
static void
test_garbage(void **state OVS_UNUSED)
{
    uint64_t r = 12345;

    for (int i = 0; i < 20000; i++) {
        struct mbox_key *keys = make_keys(4);
        struct stub s;

        stub_init(&s, 1 + i % 3, 1 + i / 3 % 3, i / 9 % 16);
        for (int j = 0; j < 30 && !mbox_transfer_is_done(s.t); j++) {
            static const enum mbox_msg_type types[] = {
                MBOX_MSG_PREPARED, MBOX_MSG_PREPARED, MBOX_MSG_PREPARED,
                MBOX_MSG_PRECOPY, MBOX_MSG_RETURNING, MBOX_MSG_BUFFERING,
                MBOX_MSG_TRACER_SEEN, MBOX_MSG_TRACER_SEEN, MBOX_MSG_RELEASE,
                MBOX_MSG_INSTALLED, MBOX_MSG_PACKET, MBOX_MSG_FLUSHED,
                MBOX_MSG_COMMITTED, MBOX_MSG_ABORTED, MBOX_MSG_ERROR,
                MBOX_MSG_STATS, MBOX_MSG_STAYS,
            };
            char frame[60] = "frame";
            struct mbox_msg msg;

            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            mbox_msg_init(&msg, types[r % ARRAY_SIZE(types)], 7);
            msg.seq = ((r >> 8) % 4) | (r & 0x80 ? 0x80000000 : 0);
            msg.round = j;
            msg.n_chunks = (r >> 12) % 4;
            msg.n_packets = (r >> 14) % 4;
            msg.kind = 1 + (r >> 16) % MBOX_TAG_N_KINDS;
            msg.select = 1 + (r >> 20) % 2;
            msg.n_keys = (r >> 24) % 5;
            msg.data = frame;
            msg.data_len = sizeof frame;
            stub_recv(&s, 1 + (r >> 30) % 2, &msg, keys);

            struct mbox_tag tag = { 1 + (r >> 32) % MBOX_TAG_N_KINDS, 7,
                                    (r >> 36) % 6 };
            mbox_transfer_recv_tagged(s.t, 1 + (r >> 40) % 2, &tag, frame,
                                      sizeof frame);
            if (s.dp_open && (r >> 44) % 4 == 0) {
                mbox_transfer_recv_dup(s.t, frame, sizeof frame);
            }
            s.now_us += (r >> 46) % 20000;
            mbox_transfer_run(s.t);
        }
        for (int j = 0; !mbox_transfer_is_done(s.t); j++) {
            assert_true(j < 1000);
            assert_true(mbox_transfer_wake_us(s.t) < LLONG_MAX);
            s.now_us = MAX(s.now_us, mbox_transfer_wake_us(s.t));
            mbox_transfer_run(s.t);
        }
        assert_false(s.dp_open);
        stub_destroy(&s);
        free(keys);
    }
}

int
test_transfer_direct(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precopy_ends),
        cmocka_unit_test(test_release_waits_for_tracer),
        cmocka_unit_test(test_drain_is_paced),
        cmocka_unit_test(test_split_all_except),
        cmocka_unit_test(test_split_keys),
        cmocka_unit_test(test_split_many),
        cmocka_unit_test(test_foreign_keys),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_split_destination_dies),
        cmocka_unit_test(test_freeze_is_recorded_first),
        cmocka_unit_test(test_commit_is_recorded_first),
        cmocka_unit_test(test_state_channel_breaks),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_hold_returned),
        cmocka_unit_test(test_buffer_limit),
        cmocka_unit_test(test_returned_in_any_order),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
