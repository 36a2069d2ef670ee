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

/* Replicas: rounds, and failover in every way. */

#include <config.h>
#include "test-transfer-direct.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "test-transfer-stub.h"
#include "util.h"

#define EVERY_MS 100

static void
begin(struct stub *s)
{
    stub_init_replica(s, EVERY_MS);
    assert_false(mbox_transfer_can_fail_over(s->t));
    stub_recv_prepared(s, 1000);
    assert_string_equal(stub_phase(s), "replicating");
    assert_int_equal(s->sent[SRC].type, MBOX_MSG_EXPORT);
    assert_false(mbox_transfer_can_fail_over(s->t));
    assert_false(s->dp_open);
    assert_int_equal(s->n_records, 0);
}

static void
wait_ms(struct stub *s, long long ms)
{
    s->now_us += ms * 1000;
    mbox_transfer_run(s->t);
}

/* Forgets what was sent to S, so that the next message is seen. */
static bool
was_asked(struct stub *s)
{
    bool asked = s->sent[SRC].type == MBOX_MSG_EXPORT;

    s->sent[SRC].type = 0;
    return asked;
}

static struct mbox_replica_report
get_replica(struct stub *s)
{
    struct mbox_transfer_report report;

    stub_report(s, &report);
    return report.replica;
}

/* One complete round, 20 ms old, and nothing asked for. */
static void
begin_complete(struct stub *s)
{
    begin(s);
    wait_ms(s, 20);
    stub_recv_precopy(s, 1, 3);
    assert_true(mbox_transfer_can_fail_over(s->t));
    was_asked(s);
}

/* A round begins when it is due, unless the last one is not over, and never
 * are several due at once. */
static void
test_rounds(void **state OVS_UNUSED)
{
    struct mbox_replica_report r;
    struct stub s;

    begin_complete(&s);
    r = get_replica(&s);
    assert_int_equal(r.rounds, 1);
    assert_int_equal(r.chunks, 1000);
    assert_int_equal(r.age_us, 20 * 1000);
    assert_int_equal(mbox_transfer_wake_us(s.t), s.now_us + 80 * 1000);

    wait_ms(&s, 79);
    assert_false(was_asked(&s));
    wait_ms(&s, 1);
    assert_true(was_asked(&s));
    for (int i = 0; i < 5; i++) {       /* It takes its time. */
        wait_ms(&s, EVERY_MS);
        assert_false(was_asked(&s));
    }
    r = get_replica(&s);
    assert_int_equal(r.skipped, 5);
    assert_int_equal(r.age_us, 600 * 1000);
    wait_ms(&s, 1);
    stub_recv_precopy(&s, 2, 0);
    assert_false(was_asked(&s));
    r = get_replica(&s);
    assert_int_equal(r.rounds, 2);
    assert_int_equal(r.age_us, 501 * 1000);
    wait_ms(&s, 99);
    assert_true(was_asked(&s));
    stub_recv_precopy(&s, 3, 0);

    /* The coordinator was held up. */
    wait_ms(&s, 10 * EVERY_MS);
    assert_true(was_asked(&s));
    assert_int_equal(get_replica(&s).skipped, 5 + 9);
    assert_int_equal(mbox_transfer_wake_us(s.t), s.now_us + EVERY_MS * 1000);
    assert_string_equal(stub_phase(&s), "replicating");
    stub_destroy(&s);
}

/* What S says of rounds is checked. */
static void
test_bad_rounds(void **state OVS_UNUSED)
{
    for (int i = 0; i < 3; i++) {
        struct stub s;

        begin_complete(&s);
        if (i) {
            wait_ms(&s, 80);
            assert_true(was_asked(&s));
        }
        stub_recv_precopy(&s, i == 2 ? 1 : 3, 0);
        assert_true(get_replica(&s).cut_off);
        assert_int_equal(get_replica(&s).rounds, 1);
        stub_destroy(&s);
    }
}

static void
fail_over(struct stub *s)
{
    assert_true(mbox_transfer_can_fail_over(s->t));
    mbox_transfer_fail_over(s->t, 1000);
    assert_false(mbox_transfer_can_fail_over(s->t));
    mbox_transfer_run(s->t);
}

static void
recv_error(struct stub *s, enum mbox_role role, int code)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_ERROR, s->request.id);
    msg.code = code;
    stub_recv(s, role, &msg, NULL);
}

/* Nothing goes to D before it says that it imports nothing more. */
static void
stop_import(struct stub *s)
{
    assert_string_equal(stub_phase(s), "stopping");
    assert_int_equal(s->sent[DST].type, MBOX_MSG_ERROR);
    wait_ms(s, 1500);
    s->now_us -= 1500 * 1000;
    assert_string_equal(stub_phase(s), "stopping");
    assert_int_equal(s->n_releases, 0);
    assert_int_equal(s->n_assigned[DST], 0);
    recv_error(s, DST, ECANCELED);
}

/* Fails over while S does not answer. */
static void
force_over(struct stub *s)
{
    fail_over(s);
    for (int i = 0; i < 5000 && strcmp(stub_phase(s), "stopping"); i++) {
        wait_ms(s, 1);
    }
    stop_import(s);
}

static void
assert_taken_over(struct stub *s, bool src_lives, long long age_ms)
{
    struct mbox_msg msg;
    struct mbox_replica_report r;
    struct mbox_transfer_report report;

    assert_int_equal(s->n_assigned[DST], 1);
    assert_int_equal(s->recorded, MBOX_TRANSFER_MOVED);
    assert_false(s->dp_open);
    assert_int_equal(s->sent[DST].type, MBOX_MSG_COMMIT);
    assert_int_equal(s->sent[DST].select, MBOX_SELECT_ALL_EXCEPT);
    assert_int_equal(s->sent[SRC].type == MBOX_MSG_COMMIT, src_lives);
    mbox_msg_init(&msg, MBOX_MSG_COMMITTED, s->request.id);
    msg.n_flows = 998;
    stub_recv(s, DST, &msg, NULL);
    if (src_lives) {
        stub_recv_simple(s, SRC, MBOX_MSG_COMMITTED);
    }
    assert_true(mbox_transfer_is_done(s->t));
    stub_report(s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_MOVED);
    assert_int_equal(report.flows_moved, 998);
    r = report.replica;
    assert_int_equal(r.failover, MBOX_FAILOVER_STALE);
    assert_int_equal(r.age_us, age_ms * 1000);

    struct ds ds = DS_EMPTY_INITIALIZER;
    mbox_replica_report_format(&s->request, &r, &ds);
    assert_non_null(strstr(ds_cstr(&ds), "taken over, "));
    ds_destroy(&ds);

    struct json *json = mbox_transfer_report_to_json(&s->request, &report);
    const struct json *replica = shash_find_data(json_object(json), "replica");
    const struct json *how = shash_find_data(json_object(replica), "failover");
    assert_string_equal(json_string(how), "stale");
    json_destroy(json);
    stub_destroy(s);
}

/* S has died: what D has is kept, and taken over when the user says so. */
static void
test_source_dead(void **state OVS_UNUSED)
{
    struct mbox_replica_report r;
    struct stub s;

    begin_complete(&s);
    wait_ms(&s, 30);
    mbox_transfer_agent_lost(s.t, SRC, "killed");
    mbox_transfer_run(s.t);
    r = get_replica(&s);
    assert_true(r.cut_off);
    assert_int_equal(r.lost_us, 50 * 1000);
    wait_ms(&s, 5000);
    assert_false(was_asked(&s));
    assert_string_equal(stub_phase(&s), "replicating");
    assert_int_equal(get_replica(&s).skipped, 0);

    fail_over(&s);
    assert_int_equal(s.n_tracers[SRC], 0);
    stop_import(&s);
    assert_taken_over(&s, false, 5050);
}

/* The first round must be complete, within the timeout. */
static void
test_source_dies_early(void **state OVS_UNUSED)
{
    for (int i = 0; i < 2; i++) {
        struct stub s;

        begin(&s);
        if (i) {
            wait_ms(&s, 1001);
            stub_recv_simple(&s, SRC, MBOX_MSG_ABORTED);
        } else {
            mbox_transfer_agent_lost(s.t, SRC, "killed");
            mbox_transfer_run(s.t);
        }
        assert_int_equal(s.sent[DST].type, MBOX_MSG_ABORT);
        stub_recv_simple(&s, DST, MBOX_MSG_ABORTED);
        assert_true(mbox_transfer_is_done(s.t));
        stub_destroy(&s);
    }
}

/* S answers: it is a move, of what is left. */
static void
test_source_lives(void **state OVS_UNUSED)
{
    struct mbox_transfer_report report;
    struct stub s;

    begin_complete(&s);
    wait_ms(&s, 80);
    assert_true(was_asked(&s));
    fail_over(&s);
    assert_string_equal(stub_phase(&s), "holding");
    assert_int_equal(s.mode, MBOX_TRANSFER_HOLD);
    assert_int_equal(s.recorded, MBOX_TRANSFER_OPEN);
    stub_recv_precopy(&s, 2, 0);        /* Of the round in progress. */
    stub_recv_tracer(&s, 1, 0);
    stub_recv_installed(&s, 2001);
    stub_finish_commit(&s);
    assert_true(mbox_transfer_is_done(s.t));
    stub_report(&s, &report);
    assert_int_equal(report.result, MBOX_TRANSFER_MOVED);
    assert_int_equal(report.replica.failover, MBOX_FAILOVER_COMPLETE);
    assert_string_equal(report.error, "");
    stub_destroy(&s);
}

/* S is there but answers no tracer: D takes over what it has, and S is told
 * to give up the flows. */
static void
test_source_hangs(void **state OVS_UNUSED)
{
    struct stub s;

    begin_complete(&s);
    wait_ms(&s, 10);
    force_over(&s);
    assert_int_equal(s.n_tracers[SRC], 10);
    assert_taken_over(&s, true, 30);
}

/* D has taken over, but some packets wait to be sent to it, when S dies in the
 * end, or wakes up and gives the rest, or the user wants it to be undone: D
 * has the flows, and S is told when everything is D's. */
static void
test_source_hangs_and(void **state OVS_UNUSED)
{
    for (int i = 0; i < 6; i++) {
        struct mbox_key *keys = make_keys(1);
        struct stub s;

        begin_complete(&s);
        s.held = true;
        force_over(&s);
        assert_string_equal(stub_phase(&s), "releasing");
        if (i == 0) {
            mbox_transfer_agent_lost(s.t, SRC, "killed");
        } else if (i == 1) {
            struct mbox_msg msg;

            mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, s.request.id);
            msg.seq = 1;
            stub_recv(&s, SRC, &msg, NULL);
            stub_recv_precopy(&s, 2, 0);
        } else if (i == 2) {
            stub_recv_release(&s, MBOX_SELECT_KEYS, keys, 1);
            stub_recv_installed(&s, 2001);
        } else if (i == 3) {
            recv_error(&s, SRC, ECONNRESET);
        } else if (i == 4) {
            mbox_transfer_port_lost(s.t, SRC, "removed");
        } else {
            mbox_transfer_cancel(s.t, "by a test");
        }
        mbox_transfer_run(s.t);
        assert_string_equal(stub_phase(&s), "releasing");
        assert_int_equal(s.n_commits[SRC], 0);
        s.held = false;
        wait_ms(&s, 1);
        assert_taken_over(&s, i > 0, 20);
        free(keys);
    }
}

/* D dies, or does not even say that it imports nothing more: S, which was told
 * nothing, has the flows. */
static void
test_destination_hangs(void **state OVS_UNUSED)
{
    for (int dies = 0; dies < 2; dies++) {
        struct mbox_transfer_report report;
        struct stub s;

        begin_complete(&s);
        fail_over(&s);
        for (int i = 0; i < 5000 && strcmp(stub_phase(&s), "stopping"); i++) {
            wait_ms(&s, 1);
        }
        if (!dies) {
            wait_ms(&s, 4999);
            assert_false(s.disconnected[DST]);
            wait_ms(&s, 1);
            assert_true(s.disconnected[DST]);
        }
        mbox_transfer_agent_lost(s.t, DST, "closed");
        mbox_transfer_run(s.t);
        assert_int_equal(s.sent[SRC].type, MBOX_MSG_ABORT);
        stub_recv_simple(&s, SRC, MBOX_MSG_ABORTED);
        assert_true(mbox_transfer_is_done(s.t));
        stub_report(&s, &report);
        assert_int_equal(report.result, MBOX_TRANSFER_ROLLED_BACK);
        assert_int_equal(s.n_assigned[DST], 0);
        assert_int_equal(s.recorded, MBOX_TRANSFER_ROLLED_BACK);
        stub_destroy(&s);
    }
}

/* The flow space cannot be assigned: the replica goes on as if it had not been
 * asked, until it can. */
static void
test_refused(void **state OVS_UNUSED)
{
    for (int dead = 0; dead < 2; dead++) {
        struct mbox_transfer_report report;
        struct stub s;

        begin_complete(&s);
        if (dead) {
            mbox_transfer_agent_lost(s.t, SRC, "killed");
            mbox_transfer_run(s.t);
            recv_error(&s, DST, ECANCELED);
        }
        s.assign_error = -EDOM;
        fail_over(&s);
        assert_true(mbox_transfer_can_fail_over(s.t));
        assert_string_equal(stub_phase(&s), "replicating");
        assert_int_equal(s.n_commits[SRC] + s.n_commits[DST], 0);
        assert_int_equal(s.n_assigned[DST], 0);
        assert_true(!s.n_records || s.recorded == MBOX_TRANSFER_ROLLED_BACK);
        assert_int_equal(s.n_tracers[SRC], 0);
        stub_report(&s, &report);
        assert_non_null(strstr(report.error, "cannot be assigned"));
        assert_int_equal(report.replica.failover, MBOX_FAILOVER_NONE);
        wait_ms(&s, 80);
        assert_int_equal(was_asked(&s), !dead);
        if (!dead) {
            stub_recv_precopy(&s, 2, 0);
        }

        s.assign_error = 0;
        if (dead) {
            fail_over(&s);
            assert_taken_over(&s, false, 100);
        } else {
            force_over(&s);
            assert_taken_over(&s, true, 0);
        }
    }
}

/* A round that never ends is the last one. */
static void
test_endless_round(void **state OVS_UNUSED)
{
    struct stub s;

    begin_complete(&s);
    wait_ms(&s, 80);
    assert_true(was_asked(&s));
    wait_ms(&s, 999);
    assert_false(get_replica(&s).cut_off);
    wait_ms(&s, 1);
    assert_true(get_replica(&s).cut_off);
    assert_int_equal(s.sent[SRC].type, MBOX_MSG_ERROR);
    assert_int_equal(s.sent[DST].type, MBOX_MSG_ERROR);
    wait_ms(&s, 5000);
    assert_string_equal(stub_phase(&s), "replicating");
    recv_error(&s, SRC, ECONNRESET);
    recv_error(&s, DST, ECANCELED);
    fail_over(&s);
    assert_taken_over(&s, true, 6100);
}

/* S dies during the failover: before it has frozen, or afterwards. */
static void
test_source_dies_late(void **state OVS_UNUSED)
{
    for (int frozen = 0; frozen < 2; frozen++) {
        struct stub s;

        begin_complete(&s);
        fail_over(&s);
        if (frozen) {
            stub_recv_tracer(&s, 1, 0);
        }
        mbox_transfer_agent_lost(s.t, SRC, "killed");
        mbox_transfer_run(s.t);
        assert_int_equal(s.n_assigned[DST], 0);
        wait_ms(&s, 200);       /* What it has sent last may come. */
        stop_import(&s);
        assert_taken_over(&s, false, 20);
    }
}

/* S cannot be steered away from: its port has gone. */
static void
test_source_without_port(void **state OVS_UNUSED)
{
    struct stub s;

    begin_complete(&s);
    mbox_transfer_port_lost(s.t, SRC, "removed");
    mbox_transfer_run(s.t);
    wait_ms(&s, 80);
    assert_true(was_asked(&s));         /* Rounds need no port. */
    fail_over(&s);
    assert_int_equal(s.n_tracers[SRC], 0);
    stop_import(&s);
    assert_taken_over(&s, true, 100);
}

/* An agent reports an error: what D has stays usable. */
static void
test_errors(void **state OVS_UNUSED)
{
    for (enum mbox_role role = SRC; role <= DST; role++) {
        struct stub s;

        begin_complete(&s);
        recv_error(&s, role, ENOMEM);
        assert_true(get_replica(&s).cut_off);
        wait_ms(&s, 500);
        assert_false(was_asked(&s));
        fail_over(&s);
        if (role == SRC) {
            stop_import(&s);
        }
        assert_taken_over(&s, true, 520);
    }
}

/* D is lost, or the user cancels: both forget the replica. */
static void
test_ends(void **state OVS_UNUSED)
{
    for (int i = 0; i < 3; i++) {
        struct mbox_transfer_report report;
        struct stub s;

        begin_complete(&s);
        if (i == 2) {
            mbox_transfer_agent_lost(s.t, SRC, "killed");
            mbox_transfer_run(s.t);
        }
        if (i) {
            mbox_transfer_cancel(s.t, "by a test");
        } else {
            mbox_transfer_agent_lost(s.t, DST, "killed");
        }
        mbox_transfer_run(s.t);
        assert_false(mbox_transfer_can_fail_over(s.t));
        if (i < 2) {
            assert_int_equal(s.sent[SRC].type, MBOX_MSG_ABORT);
            stub_recv_simple(&s, SRC, MBOX_MSG_ABORTED);
        }
        if (i) {
            assert_int_equal(s.sent[DST].type, MBOX_MSG_ABORT);
            stub_recv_simple(&s, DST, MBOX_MSG_ABORTED);
        }
        assert_true(mbox_transfer_is_done(s.t));
        stub_report(&s, &report);
        assert_int_equal(report.result, MBOX_TRANSFER_ROLLED_BACK);
        assert_int_equal(s.n_records, 0);
        stub_destroy(&s);
    }
}

/* The database takes nothing: D is not told before it has waited for it. */
static void
test_slow_database(void **state OVS_UNUSED)
{
    struct stub s;

    begin_complete(&s);
    mbox_transfer_agent_lost(s.t, SRC, "killed");
    mbox_transfer_run(s.t);
    s.database_is_slow = true;
    fail_over(&s);
    stop_import(&s);
    assert_int_equal(s.n_assigned[DST], 1);
    wait_ms(&s, 1999);
    assert_int_equal(s.n_commits[DST], 0);
    wait_ms(&s, 1);
    assert_int_equal(s.n_commits[DST], 1);
    assert_taken_over(&s, false, 20);
}

int
test_transfer_replica(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_bad_rounds),
        cmocka_unit_test(test_source_dead),
        cmocka_unit_test(test_source_dies_early),
        cmocka_unit_test(test_source_lives),
        cmocka_unit_test(test_source_hangs),
        cmocka_unit_test(test_source_hangs_and),
        cmocka_unit_test(test_destination_hangs),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_endless_round),
        cmocka_unit_test(test_source_dies_late),
        cmocka_unit_test(test_source_without_port),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_slow_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
