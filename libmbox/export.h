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

#ifndef MB_EXPORT_H
#define MB_EXPORT_H 1

/* A worker's share of a source's work
 * ===================================
 *
 * Reads, and finally deletes, the state that one worker keeps of a flow space.
 * Every function here runs in that worker, between two packets, so each
 * chunk is consistent; slices are bounded in time.
 *
 * The flows that exist at the start are a list, which is sent from its front
 * to its end.  Only flows that change meanwhile have an entry in the tracker,
 * so that a flow that is idle costs little. */

#include "dirty.h"
#include "mbox-msg.h"
#include "state.h"

struct mb_export {
    unsigned int worker;
    const struct mbox_ops *ops;
    void *aux;
    bool merge_others;          /* Shares of later workers are merged. */
    int output;                 /* Only what this output function needs; -1:
                                 * all. */
    bool copy;                  /* A copy or replica: D's state is replaced. */
    bool look;                  /* For mbox_chunk_is_look(). */
    bool frozen;                /* FROZEN was sent: tell of every end. */

    struct mb_tracker tracker;
    struct mb_keys listed;      /* Flows that existed at the start. */
    size_t next_listed;         /* First of them that was not looked at. */
    uint64_t quota;             /* States left in this round. */
    uint64_t next_delete;       /* For mb_export_delete(). */
    struct mbox_chunk chunk;    /* Reused. */
};

/* Starts tracking, by adding a tracker to the list '*trackers', and lists what
 * exists. */
struct mb_export_open {
    struct mb_export *export;   /* Zeroed, first block of members set. */
    const struct mbox_space *space;
    uint32_t scopes;            /* MBOX_SCOPE_*, only ones that it keeps. */
    struct mb_tracker **trackers;
    int error;                  /* Output: 0 or negative errno value. */
};
void mb_export_open(void *open);

/* Ends tracking and frees what belongs to '*export'. */
struct mb_export_close {
    struct mb_export *export;
    struct mb_tracker **trackers;
};
void mb_export_close(void *close);

/* What a slice may take. */
enum mb_slice_part {
    MB_SLICE_ROUND,             /* Anything, the round's quota of it. */
    MB_SLICE_SHARED,            /* State other than per-flow, all of it. */
    MB_SLICE_FLOWS,             /* Per-flow state, all of it. */
    MB_SLICE_LISTED,            /* Flows that existed at the start, once. */
};

/* Reads states until 'deadline' has passed (it looks at the clock now and
 * then) or 'max_bytes' are written; at least one. */
struct mb_slice {
    struct mb_export *export;
    enum mb_slice_part part;
    uint64_t (*now)(void *aux);
    void *now_aux;
    uint64_t deadline;
    size_t max_bytes;
    uint32_t id;                /* Of the transfer. */
    size_t max_stays;           /* Flows that may stay, because the middlebox
                                 * cannot give their state. */

    struct mbox_writer frames;  /* In, out: CHUNK and GONE are appended. */
    uint32_t seq;               /* In, out: of the last CHUNK. */
    uint64_t n_chunks, n_bytes, n_gone;     /* In, out: totals. */
    uint64_t n_flow_chunks;     /* Of these, of flows. */
    struct mb_keys stays;       /* In, out: flows that stay. */
    int stays_error;            /* In, out: why the first of them does, */
    char stays_why[256];        /* and what the middlebox says of that. */
    bool aliases;               /* Output: mb_export_take_aliases() has
                                 * some. */
    bool exhausted;             /* Output: nothing of 'part' is left. */
    int error;                  /* Output: 0 or negative errno value. */
    const char *what;           /* Output: what failed. */
    struct mbox_key error_key;  /* Output: with what. */
};
#define MB_EXPORT_OF_STATE "export of state"
void mb_export_slice(void *slice);

/* Moves keys of flows that have several, which the tracker has come to know,
 * to 'keys'. */
struct mb_export_aliases {
    struct mb_export *export;
    struct mb_keys keys;        /* In, out. */
    bool failed;                /* Output: memory is short. */
};
void mb_export_take_aliases(void *aliases);

/* Starts a round: what is dirty now is its quota. */
void mb_export_begin_round(void *export);

/* Appends the keys of all flows that D does not have in their present form,
 * and their aliases. */
struct mb_export_dirty {
    struct mb_export *export;
    struct mb_keys keys;        /* In, out. */
    size_t max;                 /* Stop beyond as many. */
    bool complete;              /* Output: 'keys' has all of them. */
};
void mb_export_dirty(void *dirty);

/* Deletes states that D has, per-flow ones that are selected and, if 'shared',
 * multi-flow ones whose flows all move; or, if 'unsent', what there was when
 * the export was opened and what has changed since. */
struct mb_export_delete {
    struct mb_export *export;
    const struct mb_table *listed;      /* Canonical keys, per-flow scope. */
    enum mbox_select select;            /* What 'listed' means. */
    bool shared;
    bool unsent;                /* Also states that D does not have. */
    uint64_t (*now)(void *aux);
    void *now_aux;
    uint64_t deadline;
    uint64_t n_flows;           /* In, out: flows deleted. */
    bool exhausted;             /* Output. */
    int error;                  /* Output: the first failure; goes on. */
};
void mb_export_delete(void *delete);

#endif /* export.h */
