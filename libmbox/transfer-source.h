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

#ifndef MB_TRANSFER_SOURCE_H
#define MB_TRANSFER_SOURCE_H 1

/* What the files of the source's role share
 * =========================================
 *
 * source-state.c sends state, transfer-source.c has the steps from PREPARE to
 * the end. */

#include "export.h"
#include "transfer.h"

enum mb_source_phase {
    PHASE_PREPARED,             /* Nothing is sent yet. */
    PHASE_ROUNDS,               /* Pre-copy. */
    PHASE_SHARED,               /* State other than per-flow, final. */
    PHASE_FLOWS,                /* Per-flow state, final (copy: once). */
    PHASE_GONE,                 /* Copy: flows of the last one that ended. */
    PHASE_ENDED,                /* END was sent. */
    PHASE_DELETING,             /* COMMIT came. */
    PHASE_THAWING,              /* The connection has ended, but not the
                                 * transfer: what was kept meanwhile is
                                 * processed. */
};

struct mb_source {
    struct mb_transfer *t;
    struct mb_export *exports;  /* One per worker. */
    unsigned int n_open;        /* Of 'exports'. */
    enum mb_source_phase phase;
    unsigned int worker;        /* Whose turn it is in this phase or round. */
    bool exporting;             /* EXPORT came. */
    bool frozen;

    uint64_t round;             /* The current or last round, from 1. */
    bool round_due;             /* Replica: EXPORT has asked for one. */
    bool in_round;
    bool early;                 /* Replica: nobody has asked for this one, and
                                 * nobody is told of it. */
    bool syncing;               /* Waits until D has all of the round: for the
                                 * answer to an ECHO_REQUEST. */
    uint64_t round_start;

    struct mb_slice slice;      /* With the totals. */
    struct mb_table aliases;    /* Keys of the space's flows that have
                                 * several, as far as they are known. */

    struct mb_table present;    /* Copy: the flows that are copied. */
    size_t next_present;        /* Next to be added, of this worker's. */
    size_t next_copied;         /* Next of the last copy to be looked at. */

    uint32_t n_returned;
    uint64_t n_discarded;

    struct mb_buffer kept;      /* Came after the connection had ended. */

    struct mb_table commit_keys;
    enum mbox_select commit_select;
    bool commit_shared;
    bool gives_up;              /* Of a replica: deletes what D lacks, too. */
    uint64_t n_deleted;
};

static inline uint64_t
mb_source_now(const struct mb_source *s)
{
    return s->t->env->ops->now(s->t->env->aux);
}

static inline void
mb_source_call(const struct mb_source *s, unsigned int worker, mb_call_fn *fn,
               void *arg)
{
    s->t->env->ops->call(s->t->env->aux, worker, fn, arg);
}

/* source-state.c */

/* Too much waits on the state channel to add to it. */
bool mb_source_is_blocked(const struct mb_source *);
void mb_source_state_failed(struct mb_source *, int error);

/* Learns keys of flows that the worker has come to know, and tells the
 * coordinator. */
void mb_source_take_aliases(struct mb_source *, unsigned int worker);

/* Starts 'phase', for every worker in turn. */
void mb_source_enter(struct mb_source *, enum mb_source_phase);

/* Takes one slice of the present worker's state.  Returns true if every worker
 * is through with 'part'. */
bool mb_source_take_slice(struct mb_source *, enum mb_slice_part,
                          uint64_t deadline);

/* Pre-copy, and when its next slice is due. */
void mb_source_run_round(struct mb_source *, uint64_t deadline);
uint64_t mb_source_round_wake(const struct mb_source *);

/* Receives D's answers on the state channel. */
void mb_source_recv_state(struct mb_source *);

/* Tells D which flows are final as it has them. */
void mb_source_send_frozen(struct mb_source *);
bool mb_source_send_end(struct mb_source *);

/* Tells D of flows that the last copy to it had and that have ended.  Returns
 * true when it is through. */
bool mb_source_run_gone(struct mb_source *, uint64_t deadline);

/* Keeps the list of flows for the next copy. */
void mb_source_remember_copy(struct mb_source *);

#endif /* transfer-source.h */
