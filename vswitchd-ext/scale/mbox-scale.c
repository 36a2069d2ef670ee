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
#include "mbox-scale.h"

#include <limits.h>

#include "util.h"

enum phase {
    RECORDING,
    CREATING,
    REGISTERING,
    COPYING,
    MOVING,
    REMOVING,
    LEAVING,
    DONE,
};

static const char *phase_names[] = {
    [RECORDING] = "recording",
    [CREATING] = "creating",
    [REGISTERING] = "registering",
    [COPYING] = "copying configuration",
    [MOVING] = "moving",
    [REMOVING] = "removing",
    [LEAVING] = "leaving",
    [DONE] = "done",
};

struct mbox_scale {
    struct mbox_scale_request request;
    const struct mbox_scale_ops *ops;
    void *aux;

    enum phase phase;
    enum mbox_scale_result result;
    long long started;          /* ms, as of 'ops->now_ms'. */
    long long deadline;         /* Of this phase; LLONG_MAX once it has
                                 * passed, or if there is none. */
    bool recorded;              /* There is a record to take back. */
    bool copied;
    char *error;                /* The first; NULL if there was none. */
    size_t n_phases;
    struct { const char *phase; long long at_ms; } phases[8];
};

static long long
now(const struct mbox_scale *s)
{
    return s->ops->now_ms(s->aux);
}

/* Sets the deadline of a phase that may take 'timeout_ms'. */
static void
set_deadline(struct mbox_scale *s, long long timeout_ms)
{
    s->deadline = now(s) + timeout_ms;
}

static void
enter(struct mbox_scale *s, enum phase phase)
{
    s->phase = phase;
    if (s->n_phases < ARRAY_SIZE(s->phases)) {
        s->phases[s->n_phases].phase = phase_names[phase];
        s->phases[s->n_phases++].at_ms = now(s) - s->started;
    }
}

/* Notes 'error', which this function takes; behind an earlier one if there
 * is. */
static void
fail(struct mbox_scale *s, char *error)
{
    if (s->error) {
        char *both = xasprintf("%s; then: %s", s->error, error);

        free(s->error);
        free(error);
        s->error = both;
    } else {
        s->error = error;
    }
}

static void
finish(struct mbox_scale *s, enum mbox_scale_result result)
{
    if (s->recorded) {
        s->ops->record(s->aux, false);
        s->recorded = false;
    }
    s->result = result;
    s->deadline = LLONG_MAX;
    enter(s, DONE);
}

/* True, once, when the phase's time is up. */
static bool
is_late(struct mbox_scale *s)
{
    if (now(s) < s->deadline) {
        return false;
    }
    s->deadline = LLONG_MAX;
    return true;
}

static char *
late_error(const char *what, long long timeout_ms)
{
    return xasprintf("%s within %.3g s", what, timeout_ms / 1000.0);
}

/* Beginnings of phases. */

static void
begin_recording(struct mbox_scale *s)
{
    s->ops->record(s->aux, true);
    s->recorded = true;
    set_deadline(s, s->request.timeout_ms);
    enter(s, RECORDING);
}

static void
begin_removing(struct mbox_scale *s)
{
    char *error;

    if (s->ops->has_flows(s->aux)) {
        fail(s, xstrdup("flows are assigned to it, so it stays"));
        finish(s, MBOX_SCALE_PARTIAL);
        return;
    }
    error = s->ops->program_start(s->aux, false);
    if (error) {
        fail(s, error);
        finish(s, MBOX_SCALE_PARTIAL);
        return;
    }
    set_deadline(s, s->request.remove_timeout_ms);
    enter(s, REMOVING);
}

static void
begin_creating(struct mbox_scale *s)
{
    char *error = s->ops->program_start(s->aux, true);

    if (error) {
        fail(s, error);
        finish(s, MBOX_SCALE_UNDONE);
        return;
    }
    set_deadline(s, s->request.timeout_ms);
    enter(s, CREATING);
}

/* Ends an operation whose transfer could not be started or did not succeed, or
 * undoes it. */
static void
transfer_failed(struct mbox_scale *s, char *error)
{
    fail(s, error);
    if (s->request.type == MBOX_SCALE_OUT) {
        begin_removing(s);
    } else {
        finish(s, MBOX_SCALE_UNDONE);
    }
}

/* Starts a transfer, which is bounded by its own timeout. */
static void
begin_transfer(struct mbox_scale *s, enum mbox_scale_transfer type)
{
    char *error = s->ops->transfer_start(s->aux, type, s->request.timeout_ms);

    s->deadline = LLONG_MAX;
    if (error) {
        transfer_failed(s, error);
    } else {
        enter(s, type == MBOX_SCALE_MOVE ? MOVING : COPYING);
    }
}

static void
configured(struct mbox_scale *s)
{
    if (s->request.moves) {
        begin_transfer(s, MBOX_SCALE_MOVE);
    } else {
        finish(s, MBOX_SCALE_DONE);
    }
}

/* Steps. */

static void
run_recording(struct mbox_scale *s)
{
    if (is_late(s)) {
        fail(s, late_error("the database did not take the record",
                           s->request.timeout_ms));
    }
    if (s->error) {
        /* A scale-in's move is not taken back. */
        finish(s, (s->request.type == MBOX_SCALE_IN && s->request.moves
                   ? MBOX_SCALE_PARTIAL : MBOX_SCALE_UNDONE));
    } else if (s->ops->is_recorded(s->aux)) {
        if (s->request.type == MBOX_SCALE_OUT) {
            begin_creating(s);
        } else {
            begin_removing(s);
        }
    }
}

static void
run_creating(struct mbox_scale *s)
{
    char *error = NULL;

    if (!s->ops->program_is_done(s->aux, &error)) {
        if (is_late(s)) {
            fail(s, late_error("the instantiator did not end",
                               s->request.timeout_ms));
            s->ops->program_cancel(s->aux);
        }
        return;
    }
    if (s->error) {
        /* It was ended; what it says of that is no news. */
        free(error);
        begin_removing(s);
    } else if (error) {
        fail(s, error);
        begin_removing(s);
    } else {
        enter(s, REGISTERING);
    }
}

static void
run_registering(struct mbox_scale *s)
{
    char *problem = s->ops->problem(s->aux);

    if (s->error) {
        begin_removing(s);
    } else if (!problem) {
        if (s->request.copies && s->ops->has_config(s->aux)) {
            begin_transfer(s, MBOX_SCALE_COPY_CONFIG);
        } else {
            configured(s);
        }
    } else if (is_late(s)) {
        char *what = xasprintf("the instance did not register (%s)", problem);

        fail(s, late_error(what, s->request.timeout_ms));
        free(what);
        begin_removing(s);
    }
    free(problem);
}

static void
run_transfer(struct mbox_scale *s)
{
    bool copies = s->phase == COPYING;
    char *error = NULL;

    switch (s->ops->transfer_outcome(s->aux, &error)) {
    case MBOX_OUTCOME_OPEN:
        break;

    case MBOX_OUTCOME_ROLLED_BACK:
        if (s->error) {
            /* It was cancelled with the operation: no news. */
            free(error);
            begin_removing(s);
        } else {
            transfer_failed(s, error);
        }
        break;

    case MBOX_OUTCOME_SPLIT:
        fail(s, error);
        finish(s, MBOX_SCALE_PARTIAL);
        break;

    case MBOX_OUTCOME_MOVED:
        if (copies) {
            s->copied = true;
            if (s->error) {
                begin_removing(s);
            } else {
                configured(s);
            }
        } else if (s->request.type == MBOX_SCALE_IN) {
            begin_recording(s);
        } else {
            finish(s, MBOX_SCALE_DONE);
        }
        break;

    default:
        OVS_NOT_REACHED();
    }
}

static void
run_removing(struct mbox_scale *s)
{
    char *error = NULL;

    if (!s->ops->program_is_done(s->aux, &error)) {
        if (is_late(s)) {
            s->ops->program_cancel(s->aux);
        }
        return;
    }
    if (s->deadline == LLONG_MAX) {
        free(error);
        error = late_error("the instantiator did not end",
                           s->request.remove_timeout_ms);
    }
    if (error) {
        fail(s, xasprintf("the instance could not be removed: %s", error));
        free(error);
        finish(s, MBOX_SCALE_PARTIAL);
    } else {
        set_deadline(s, s->request.remove_timeout_ms);
        enter(s, LEAVING);
    }
}

static void
run_leaving(struct mbox_scale *s)
{
    if (!s->ops->is_known(s->aux)) {
        finish(s, (s->request.type == MBOX_SCALE_OUT ? MBOX_SCALE_UNDONE
                   : MBOX_SCALE_DONE));
    } else if (is_late(s)) {
        fail(s, late_error("the instance did not leave: the instantiator has "
                           "removed it, but its port or its agent did not go",
                           s->request.remove_timeout_ms));
        finish(s, MBOX_SCALE_PARTIAL);
    }
}

void
mbox_scale_run(struct mbox_scale *s)
{
    enum phase before;

    do {
        before = s->phase;
        switch (s->phase) {
        case RECORDING:
            run_recording(s);
            break;
        case CREATING:
            run_creating(s);
            break;
        case REGISTERING:
            run_registering(s);
            break;
        case COPYING:
        case MOVING:
            run_transfer(s);
            break;
        case REMOVING:
            run_removing(s);
            break;
        case LEAVING:
            run_leaving(s);
            break;
        case DONE:
            break;
        }
    } while (s->phase != before);
}

/* Interface. */

struct mbox_scale *
mbox_scale_create(const struct mbox_scale_request *request,
                  const struct mbox_scale_ops *ops, void *aux)
{
    struct mbox_scale *s = xzalloc(sizeof *s);

    s->request = *request;
    s->ops = ops;
    s->aux = aux;
    s->result = MBOX_SCALE_OPEN;
    s->started = now(s);
    switch (request->type) {
    case MBOX_SCALE_OUT:
        begin_recording(s);
        break;
    case MBOX_SCALE_IN:
        if (request->moves) {
            begin_transfer(s, MBOX_SCALE_MOVE);
        } else {
            begin_recording(s);
        }
        break;
    case MBOX_SCALE_REMOVE:
        s->recorded = true;
        begin_removing(s);
        break;
    }
    return s;
}

void
mbox_scale_destroy(struct mbox_scale *s)
{
    if (s) {
        free(s->error);
        free(s);
    }
}

void
mbox_scale_cancel(struct mbox_scale *s, const char *why)
{
    if (s->phase >= REMOVING || s->error) {
        return;
    }
    if (s->phase == COPYING || s->phase == MOVING) {
        /* Its outcome tells. */
        s->ops->transfer_cancel(s->aux, why);
        if (s->phase == MOVING) {
            return;
        }
    } else if (s->phase == CREATING) {
        s->ops->program_cancel(s->aux);
        s->deadline = LLONG_MAX;
    }
    fail(s, xstrdup(why));
}

long long
mbox_scale_wake_ms(const struct mbox_scale *s)
{
    return s->deadline;
}

bool
mbox_scale_is_done(const struct mbox_scale *s)
{
    return s->phase == DONE;
}

void
mbox_scale_get_report(const struct mbox_scale *s,
                      struct mbox_scale_report *report)
{
    *report = (struct mbox_scale_report) {
        .result = s->result,
        .phase = phase_names[s->phase],
        .error = s->error ? s->error : "",
        .copied = s->copied,
        .n_phases = s->n_phases,
    };
    for (size_t i = 0; i < s->n_phases; i++) {
        report->phases[i].phase = s->phases[i].phase;
        report->phases[i].at_ms = s->phases[i].at_ms;
    }
    report->total_ms = (s->phase == DONE ? s->phases[s->n_phases - 1].at_ms
                        : now(s) - s->started);
}

const char *
mbox_scale_type_to_string(enum mbox_scale_type type)
{
    switch (type) {
    case MBOX_SCALE_OUT: return "scale-out";
    case MBOX_SCALE_IN: return "scale-in";
    case MBOX_SCALE_REMOVE: return "remove";
    default: OVS_NOT_REACHED();
    }
}

const char *
mbox_scale_result_to_string(enum mbox_scale_result result)
{
    switch (result) {
    case MBOX_SCALE_OPEN: return "in progress";
    case MBOX_SCALE_DONE: return "done";
    case MBOX_SCALE_UNDONE: return "undone";
    case MBOX_SCALE_PARTIAL: return "partial";
    default: OVS_NOT_REACHED();
    }
}
