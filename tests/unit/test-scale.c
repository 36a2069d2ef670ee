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

/* The state machine of scaling, in a world that the test plays.
 *
 * The world has one instance, which exists or does not, and flows, which it
 * has or has not.  Every step takes some time and succeeds, unless a fault is
 * planned for it; test_faults() plans each fault, and each cancellation, for
 * each operation, and checks what must hold in the end whatever happened. */

#include <config.h>
#include "mbox-scale.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "util.h"

#define TIMEOUT_MS 1000
#define REMOVE_TIMEOUT_MS 3000
#define STEP_MS 100

enum fault {
    NO_FAULT,
    DATABASE_HANGS,
    CREATE_REFUSED,             /* There is no such program. */
    CREATE_FAILS,               /* With half an instance. */
    CREATE_HANGS,
    NEVER_REGISTERS,
    COPY_REFUSED,
    COPY_FAILS,
    MOVE_REFUSED,
    MOVE_FAILS,
    MOVE_SPLITS,
    DESTROY_REFUSED,
    DESTROY_FAILS,
    DESTROY_HANGS,
    NEVER_LEAVES,
    N_FAULTS
};

struct world {
    struct mbox_scale *s;
    struct mbox_scale_request request;
    enum fault fault;
    bool undo_fails, undo_hangs;        /* A second fault. */
    bool config;                /* There is configuration to copy. */
    long long now_ms;

    bool record;                /* What the database has. */
    long long recorded_at;

    bool exists;                /* The instance does. */
    bool live;
    bool has_flows;

    bool running, creates;      /* The program. */
    bool cancelled;
    long long ends_at;          /* LLONG_MAX: not by itself. */
    unsigned int n_creates, n_destroys;

    bool transferring;
    enum mbox_scale_transfer transfer;
    bool transfer_cancelled;
    long long transferred_at;
    unsigned int n_copies, n_moves;
};

static long long
op_now_ms(void *w_)
{
    struct world *w = w_;

    return w->now_ms;
}

static void
op_record(void *w_, bool exists)
{
    struct world *w = w_;

    w->record = exists;
    w->recorded_at = (w->fault == DATABASE_HANGS ? LLONG_MAX
                      : w->now_ms + STEP_MS);
}

static bool
op_is_recorded(void *w_)
{
    struct world *w = w_;

    return w->now_ms >= w->recorded_at;
}

static char *
op_program_start(void *w_, bool create)
{
    struct world *w = w_;

    assert_false(w->running);
    if (w->fault == (create ? CREATE_REFUSED : DESTROY_REFUSED)) {
        return xstrdup("refused");
    }

    /* Whatever is done to an instance is on record before. */
    assert_true(w->record);
    if (create) {
        assert_true(op_is_recorded(w));
        assert_false(w->exists);
        w->n_creates++;
        w->exists = true;
    } else {
        assert_false(w->has_flows);
        w->n_destroys++;
        w->live = false;
    }
    w->running = true;
    w->creates = create;
    w->cancelled = false;
    w->ends_at = w->now_ms + STEP_MS;
    if (w->fault == (create ? CREATE_HANGS : DESTROY_HANGS)
        || (!create && w->undo_hangs)) {
        w->ends_at = LLONG_MAX;
    }
    return NULL;
}

static void
op_program_cancel(void *w_)
{
    struct world *w = w_;

    assert_true(w->running);
    assert_false(w->cancelled);
    w->cancelled = true;
    w->ends_at = w->now_ms + STEP_MS;
}

static bool
op_program_is_done(void *w_, char **error)
{
    struct world *w = w_;

    assert_true(w->running);
    *error = NULL;
    if (w->now_ms < w->ends_at) {
        return false;
    }
    w->running = false;
    if (w->cancelled) {
        *error = xstrdup("killed");
    } else if (w->creates) {
        if (w->fault == CREATE_FAILS) {
            *error = xstrdup("create failed");
        } else if (w->fault != NEVER_REGISTERS) {
            w->live = true;
        }
    } else if (w->fault == DESTROY_FAILS || w->undo_fails) {
        *error = xstrdup("destroy failed");
    } else if (w->fault != NEVER_LEAVES) {
        w->exists = false;
    }
    return true;
}

static char *
op_problem(void *w_)
{
    struct world *w = w_;

    return w->live ? NULL : xstrdup("not live");
}

static bool
op_is_known(void *w_)
{
    struct world *w = w_;

    return w->exists;
}

static bool
op_has_flows(void *w_)
{
    struct world *w = w_;

    return w->has_flows;
}

static bool
op_has_config(void *w_)
{
    struct world *w = w_;

    return w->config;
}

static char *
op_transfer_start(void *w_, enum mbox_scale_transfer type,
                  long long timeout_ms)
{
    struct world *w = w_;

    assert_int_equal(timeout_ms, TIMEOUT_MS);
    assert_false(w->transferring);
    assert_true(w->live);
    if (w->fault == (type == MBOX_SCALE_MOVE ? MOVE_REFUSED : COPY_REFUSED)) {
        return xstrdup("transfer refused");
    }
    w->transferring = true;
    w->transfer = type;
    w->transfer_cancelled = false;
    w->transferred_at = w->now_ms + STEP_MS;
    return NULL;
}

static void
op_transfer_cancel(void *w_, const char *why OVS_UNUSED)
{
    struct world *w = w_;

    assert_true(w->transferring);
    w->transfer_cancelled = true;
}

static enum mbox_scale_outcome
op_transfer_outcome(void *w_, char **error)
{
    struct world *w = w_;

    assert_true(w->transferring);
    if (w->now_ms < w->transferred_at) {
        return MBOX_OUTCOME_OPEN;
    }
    w->transferring = false;
    if (w->transfer_cancelled
        || w->fault == (w->transfer == MBOX_SCALE_MOVE ? MOVE_FAILS
                        : COPY_FAILS)) {
        *error = xstrdup("transfer rolled back");
        return MBOX_OUTCOME_ROLLED_BACK;
    }
    if (w->transfer == MBOX_SCALE_COPY_CONFIG) {
        w->n_copies++;
        return MBOX_OUTCOME_MOVED;
    }
    w->n_moves++;
    w->has_flows = w->request.type == MBOX_SCALE_OUT;
    if (w->fault == MOVE_SPLITS) {
        w->has_flows = true;
        *error = xstrdup("transfer split");
        return MBOX_OUTCOME_SPLIT;
    }
    return MBOX_OUTCOME_MOVED;
}

static const struct mbox_scale_ops world_ops = {
    .now_ms = op_now_ms,
    .record = op_record,
    .is_recorded = op_is_recorded,
    .program_start = op_program_start,
    .program_cancel = op_program_cancel,
    .program_is_done = op_program_is_done,
    .problem = op_problem,
    .is_known = op_is_known,
    .has_flows = op_has_flows,
    .has_config = op_has_config,
    .transfer_start = op_transfer_start,
    .transfer_cancel = op_transfer_cancel,
    .transfer_outcome = op_transfer_outcome,
};

static void
world_init(struct world *w, enum mbox_scale_type type, bool moves)
{
    *w = (struct world) {
        .request = {
            .type = type,
            .copies = type == MBOX_SCALE_OUT,
            .moves = moves,
            .timeout_ms = TIMEOUT_MS,
            .remove_timeout_ms = REMOVE_TIMEOUT_MS,
        },
        .config = true,
        .recorded_at = LLONG_MAX,
    };
    if (type != MBOX_SCALE_OUT) {
        w->exists = w->live = true;
        w->has_flows = type == MBOX_SCALE_IN && moves;
        w->record = type == MBOX_SCALE_REMOVE;
    }
}

/* Runs the operation to its end, cancelled at 'cancel_at' unless that is
 * negative, and returns how it ended.  The caller destroys 'w->s'. */
static struct mbox_scale_report
world_run(struct world *w, long long cancel_at)
{
    struct mbox_scale_report report;

    w->s = mbox_scale_create(&w->request, &world_ops, w);
    mbox_scale_run(w->s);
    while (!mbox_scale_is_done(w->s)) {
        if (w->now_ms == cancel_at) {
            mbox_scale_cancel(w->s, "cancelled");
            mbox_scale_run(w->s);
        }
        w->now_ms += STEP_MS / 2;

        /* Nothing takes longer than all timeouts together. */
        assert_true(w->now_ms < 10 * TIMEOUT_MS);
        mbox_scale_run(w->s);
    }
    assert_int_equal(mbox_scale_wake_ms(w->s), LLONG_MAX);
    mbox_scale_get_report(w->s, &report);
    return report;
}

/* Checks what holds however an operation ended. */
static void
check_end(const struct world *w, const struct mbox_scale_report *report)
{
    assert_false(w->running);
    assert_false(w->transferring);
    assert_false(w->record);
    assert_string_equal(report->phases[report->n_phases - 1].phase, "done");
    assert_true((report->result == MBOX_SCALE_DONE) == !report->error[0]);

    switch (report->result) {
    case MBOX_SCALE_DONE:
        assert_true(w->exists == (w->request.type == MBOX_SCALE_OUT));
        assert_true(w->has_flows == (w->request.type == MBOX_SCALE_OUT
                                     && w->request.moves));
        break;

    case MBOX_SCALE_UNDONE:
        assert_true(w->exists == (w->request.type == MBOX_SCALE_IN));
        assert_true(w->has_flows == (w->request.type == MBOX_SCALE_IN
                                     && w->request.moves));
        break;

    case MBOX_SCALE_PARTIAL:
        break;

    case MBOX_SCALE_OPEN:
    default:
        fail();
    }
}

static void
test_out(void **state OVS_UNUSED)
{
    static const char *phases[] = {
        "recording", "creating", "registering", "copying configuration",
        "moving", "done",
    };
    struct mbox_scale_report report;
    struct world w;

    world_init(&w, MBOX_SCALE_OUT, true);
    report = world_run(&w, -1);
    check_end(&w, &report);
    assert_int_equal(report.result, MBOX_SCALE_DONE);
    assert_true(report.copied);
    assert_int_equal(report.n_phases, ARRAY_SIZE(phases));
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
        assert_string_equal(report.phases[i].phase, phases[i]);
    }
    assert_int_equal(w.n_creates, 1);
    assert_int_equal(w.n_destroys, 0);
    assert_int_equal(w.n_copies, 1);
    assert_int_equal(w.n_moves, 1);
    mbox_scale_destroy(w.s);

    /* No flow space, no configuration. */
    world_init(&w, MBOX_SCALE_OUT, false);
    w.config = false;
    report = world_run(&w, -1);
    check_end(&w, &report);
    assert_int_equal(report.result, MBOX_SCALE_DONE);
    assert_false(report.copied);
    assert_int_equal(w.n_copies + w.n_moves, 0);
    mbox_scale_destroy(w.s);
}

static void
test_in(void **state OVS_UNUSED)
{
    struct mbox_scale_report report;
    struct world w;

    world_init(&w, MBOX_SCALE_IN, true);
    report = world_run(&w, -1);
    check_end(&w, &report);
    assert_int_equal(report.result, MBOX_SCALE_DONE);
    assert_int_equal(w.n_moves, 1);
    assert_int_equal(w.n_destroys, 1);
    mbox_scale_destroy(w.s);
}

/* What a failed operation has left, which is not live, is removed without a
 * move; and is as it was if that cannot be recorded. */
static void
test_in_without_flows(void **state OVS_UNUSED)
{
    struct mbox_scale_report report;
    struct world w;

    world_init(&w, MBOX_SCALE_IN, false);
    w.live = false;
    report = world_run(&w, -1);
    check_end(&w, &report);
    assert_int_equal(report.result, MBOX_SCALE_DONE);
    assert_string_equal(report.phases[0].phase, "recording");
    assert_int_equal(w.n_moves, 0);
    assert_int_equal(w.n_destroys, 1);
    mbox_scale_destroy(w.s);

    world_init(&w, MBOX_SCALE_IN, false);
    w.live = false;
    w.fault = DATABASE_HANGS;
    report = world_run(&w, -1);
    check_end(&w, &report);
    assert_int_equal(report.result, MBOX_SCALE_UNDONE);
    assert_int_equal(w.n_destroys, 0);
    mbox_scale_destroy(w.s);
}

/* What an earlier coordinator has left is removed, but not with flows. */
static void
test_remove(void **state OVS_UNUSED)
{
    struct mbox_scale_report report;
    struct world w;

    world_init(&w, MBOX_SCALE_REMOVE, false);
    report = world_run(&w, -1);
    check_end(&w, &report);
    assert_int_equal(report.result, MBOX_SCALE_DONE);
    assert_int_equal(w.n_destroys, 1);
    mbox_scale_destroy(w.s);

    world_init(&w, MBOX_SCALE_REMOVE, false);
    w.has_flows = true;
    report = world_run(&w, -1);
    check_end(&w, &report);
    assert_int_equal(report.result, MBOX_SCALE_PARTIAL);
    assert_true(w.exists);
    assert_int_equal(w.n_destroys, 0);
    mbox_scale_destroy(w.s);
}

/* What each fault comes to. */
static void
test_faults(void **state OVS_UNUSED)
{
    static const struct {
        enum mbox_scale_type type;
        enum fault fault;
        enum mbox_scale_result result;
        const char *error;
    } cases[] = {
        { MBOX_SCALE_OUT, DATABASE_HANGS, MBOX_SCALE_UNDONE,
          "the database did not take the record within 1 s" },
        { MBOX_SCALE_OUT, CREATE_REFUSED, MBOX_SCALE_UNDONE, "refused" },
        { MBOX_SCALE_OUT, CREATE_FAILS, MBOX_SCALE_UNDONE, "create failed" },
        { MBOX_SCALE_OUT, CREATE_HANGS, MBOX_SCALE_UNDONE,
          "the instantiator did not end within 1 s" },
        { MBOX_SCALE_OUT, NEVER_REGISTERS, MBOX_SCALE_UNDONE,
          "the instance did not register (not live) within 1 s" },
        { MBOX_SCALE_OUT, COPY_REFUSED, MBOX_SCALE_UNDONE,
          "transfer refused" },
        { MBOX_SCALE_OUT, COPY_FAILS, MBOX_SCALE_UNDONE,
          "transfer rolled back" },
        { MBOX_SCALE_OUT, MOVE_REFUSED, MBOX_SCALE_UNDONE,
          "transfer refused" },
        { MBOX_SCALE_OUT, MOVE_FAILS, MBOX_SCALE_UNDONE,
          "transfer rolled back" },
        { MBOX_SCALE_OUT, MOVE_SPLITS, MBOX_SCALE_PARTIAL,
          "transfer split" },
        { MBOX_SCALE_IN, MOVE_REFUSED, MBOX_SCALE_UNDONE,
          "transfer refused" },
        { MBOX_SCALE_IN, MOVE_FAILS, MBOX_SCALE_UNDONE,
          "transfer rolled back" },
        { MBOX_SCALE_IN, MOVE_SPLITS, MBOX_SCALE_PARTIAL, "transfer split" },
        { MBOX_SCALE_IN, DATABASE_HANGS, MBOX_SCALE_PARTIAL,
          "the database did not take the record within 1 s" },
        { MBOX_SCALE_IN, DESTROY_REFUSED, MBOX_SCALE_PARTIAL, "refused" },
        { MBOX_SCALE_IN, DESTROY_FAILS, MBOX_SCALE_PARTIAL,
          "the instance could not be removed: destroy failed" },
        { MBOX_SCALE_IN, DESTROY_HANGS, MBOX_SCALE_PARTIAL,
          "the instance could not be removed: the instantiator did not end "
          "within 3 s" },
        { MBOX_SCALE_IN, NEVER_LEAVES, MBOX_SCALE_PARTIAL,
          "the instance did not leave: the instantiator has removed it, but "
          "its port or its agent did not go within 3 s" },
        { MBOX_SCALE_REMOVE, DESTROY_FAILS, MBOX_SCALE_PARTIAL,
          "the instance could not be removed: destroy failed" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct mbox_scale_report report;
        struct world w;

        world_init(&w, cases[i].type, cases[i].type != MBOX_SCALE_REMOVE);
        w.fault = cases[i].fault;
        report = world_run(&w, -1);
        check_end(&w, &report);
        assert_int_equal(report.result, cases[i].result);
        assert_string_equal(report.error, cases[i].error);
        if (w.fault == DESTROY_HANGS || w.fault == NEVER_LEAVES) {
            assert_true(report.total_ms >= REMOVE_TIMEOUT_MS);
        }
        mbox_scale_destroy(w.s);
    }
}

/* An undo that fails, too, says both. */
static void
test_undo_fails(void **state OVS_UNUSED)
{
    struct mbox_scale_report report;
    struct world w;

    for (int hangs = 0; hangs < 2; hangs++) {
        world_init(&w, MBOX_SCALE_OUT, true);
        w.fault = CREATE_FAILS;
        w.undo_fails = !hangs;
        w.undo_hangs = hangs;
        report = world_run(&w, -1);
        check_end(&w, &report);
        assert_int_equal(report.result, MBOX_SCALE_PARTIAL);
        assert_string_equal(report.error,
                            hangs
                            ? "create failed; then: the instance could not be "
                              "removed: the instantiator did not end within "
                              "3 s"
                            : "create failed; then: the instance could not be "
                              "removed: destroy failed");
        mbox_scale_destroy(w.s);
    }
}

/* Cancellation at every time, with every fault. */
static void
test_cancel(void **state OVS_UNUSED)
{
    unsigned int n_undone = 0;

    for (int type = MBOX_SCALE_OUT; type <= MBOX_SCALE_IN; type++) {
        for (int fault = NO_FAULT; fault < N_FAULTS; fault++) {
            for (long long at = 0; at < 2000; at += STEP_MS / 2) {
                struct mbox_scale_report report;
                struct world w;

                world_init(&w, type, true);
                w.fault = fault;
                report = world_run(&w, at);
                check_end(&w, &report);
                if (fault == NO_FAULT) {
                    /* Either it was too late or nothing is left. */
                    assert_true(report.result == MBOX_SCALE_DONE
                                || !strcmp(report.error, "cancelled")
                                || !strcmp(report.error,
                                           "transfer rolled back"));
                    n_undone += report.result == MBOX_SCALE_UNDONE;
                    assert_true(report.result != MBOX_SCALE_PARTIAL
                                || (type == MBOX_SCALE_IN && !w.has_flows));
                }
                mbox_scale_destroy(w.s);
            }
        }
    }
    assert_true(n_undone > 5);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out),
        cmocka_unit_test(test_in),
        cmocka_unit_test(test_in_without_flows),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_undo_fails),
        cmocka_unit_test(test_cancel),
    };

    set_program_name(argv[0]);
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
