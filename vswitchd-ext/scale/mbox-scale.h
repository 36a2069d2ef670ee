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

#ifndef MBOX_SCALE_H
#define MBOX_SCALE_H 1

/* Scaling out and in: the state machine
 * =====================================
 *
 * One 'struct mbox_scale' takes one mbox/scale-out or mbox/scale-in from
 * request to answer.  It is pure logic: the clock, the class's instantiator,
 * the transfers and the database are behind 'struct mbox_scale_ops', so tests
 * drive it without a switch.  Everything runs in one thread and never blocks.
 *
 * Scale-out:
 *
 *     RECORDING    until the database has a record that the instance may
 *                  exist, so that it is found after whatever crash.
 *     CREATING     the instantiator runs: "create".
 *     REGISTERING  until the instance is live.
 *     COPYING      static configuration, if both instances keep any.
 *     MOVING       the flow space, if one was asked for.
 *     DONE
 *
 * Scale-in:
 *
 *     MOVING       every flow of the instance, if it may have any.
 *     RECORDING    as above.
 *     REMOVING     the instantiator runs: "destroy".
 *     LEAVING      until the switch does not know the instance any more.
 *     DONE
 *
 * Failure
 * =======
 *
 * Every phase has a deadline, so every operation ends.  A scale-out that fails
 * once the instantiator was started goes to REMOVING and LEAVING, so that
 * nothing of it is left, unless flows are assigned to the new instance (the
 * move was split): then it stays.  An instance to which flows are assigned is
 * never removed.  A scale-in that fails before REMOVING changes nothing but
 * what its move has done.  REMOVING and LEAVING have a time limit of their
 * own: to undo must not fail because little time was given to do.
 *
 * If the coordinator ends in the middle, the next one finds the record, and
 * does a REMOVE: from REMOVING on, if no flow is assigned to the instance. */

#include <stdbool.h>
#include <stddef.h>

struct mbox_scale;

enum mbox_scale_type { MBOX_SCALE_OUT, MBOX_SCALE_IN, MBOX_SCALE_REMOVE };

struct mbox_scale_request {
    enum mbox_scale_type type;
    bool copies;                /* Scale-out: there is an instance to copy the
                                 * configuration of. */
    bool moves;                 /* Scale-out: a flow space is to move.
                                 * Scale-in: there may be flows to move. */
    long long timeout_ms;       /* Of each phase but REMOVING and LEAVING;
                                 * CREATING and REGISTERING have one
                                 * together. */
    long long remove_timeout_ms; /* Of REMOVING, and of LEAVING. */
};

enum mbox_scale_result {
    MBOX_SCALE_OPEN,
    MBOX_SCALE_DONE,            /* As asked. */
    MBOX_SCALE_UNDONE,          /* As it was before. */
    MBOX_SCALE_PARTIAL,         /* Something in between: the error says
                                 * what. */
};

enum mbox_scale_transfer { MBOX_SCALE_COPY_CONFIG, MBOX_SCALE_MOVE };

/* What has become of a transfer. */
enum mbox_scale_outcome {
    MBOX_OUTCOME_OPEN,
    MBOX_OUTCOME_MOVED,
    MBOX_OUTCOME_ROLLED_BACK,
    MBOX_OUTCOME_SPLIT,
};

/* Functions that return a string return an error message, which belongs to the
 * caller, or NULL. */
struct mbox_scale_ops {
    long long (*now_ms)(void *aux);

    /* Writes to the database that the instance may have to be removed, or that
     * this is not so any more. */
    void (*record)(void *aux, bool exists);
    bool (*is_recorded)(void *aux);

    /* Starts the instantiator; ends it early, surely and soon; and tells
     * whether it has ended (if so, '*error' is NULL if it succeeded).  One at
     * a time. */
    char *(*program_start)(void *aux, bool create);
    void (*program_cancel)(void *aux);
    bool (*program_is_done)(void *aux, char **error);

    /* Why the instance cannot take part in transfers. */
    char *(*problem)(void *aux);

    /* True if the switch knows the instance, by its port or its agent. */
    bool (*is_known)(void *aux);

    /* True if a flow is assigned to the instance. */
    bool (*has_flows)(void *aux);

    /* True if there is configuration that both instances keep. */
    bool (*has_config)(void *aux);

    /* Transfers, one at a time.  The outcome is asked for after the start has
     * succeeded; unless MOVED, '*error' says why. */
    char *(*transfer_start)(void *aux, enum mbox_scale_transfer,
                            long long timeout_ms);
    void (*transfer_cancel)(void *aux, const char *why);
    enum mbox_scale_outcome (*transfer_outcome)(void *aux, char **error);
};

struct mbox_scale *mbox_scale_create(const struct mbox_scale_request *,
                                     const struct mbox_scale_ops *, void *aux);
void mbox_scale_destroy(struct mbox_scale *);

/* Makes the operation fail, because of 'why', as soon as may be; without
 * effect when it is being undone already or has ended. */
void mbox_scale_cancel(struct mbox_scale *, const char *why);

/* Makes all progress that is possible now.  Call after every input, and when
 * mbox_scale_wake_ms() has passed. */
void mbox_scale_run(struct mbox_scale *);

/* When mbox_scale_run() must be called even without input: a time as of
 * now_ms(), or LLONG_MAX. */
long long mbox_scale_wake_ms(const struct mbox_scale *);

bool mbox_scale_is_done(const struct mbox_scale *);

struct mbox_scale_report {
    enum mbox_scale_result result;
    const char *phase;
    char *error;                /* "" if there was none. */
    bool copied;                /* Configuration. */
    long long total_ms;
    size_t n_phases;
    struct { const char *phase; long long at_ms; } phases[8];
};

/* 'report->error' stays the operation's. */
void mbox_scale_get_report(const struct mbox_scale *,
                           struct mbox_scale_report *);

/* "scale-out", "scale-in", "remove". */
const char *mbox_scale_type_to_string(enum mbox_scale_type);

/* "in progress", "done", "undone", "partial". */
const char *mbox_scale_result_to_string(enum mbox_scale_result);

#endif /* mbox-scale.h */
