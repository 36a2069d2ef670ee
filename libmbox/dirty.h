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

#ifndef MB_DIRTY_H
#define MB_DIRTY_H 1

/* Which states changed since they were last sent
 * ==============================================
 *
 * A source has one tracker per worker, from PREPARE to the end of the
 * transfer.  It is used in that worker only, except for 'n_queued' and
 * 'n_new', which any thread may read.
 *
 * A state that changed is queued once, in the order of the first change, until
 * it is popped to be sent.  Outside transfers there is no tracker, and the
 * tracking of a packet costs one branch on an empty list. */

#include "mbox-space.h"
#include "table.h"

enum mb_queue {
    MB_QUEUE_FLOWS,             /* Per-flow state. */
    MB_QUEUE_SHARED,            /* Other state that replaces D's. */
    MB_QUEUE_LATE,              /* Other state, sent once, when final, because
                                 * it is merged with D's. */
    MB_N_QUEUES
};

/* Flags of entries. */
#define MB_DIRTY_QUEUED 0x01
#define MB_DIRTY_SENT 0x02      /* D has it. */
#define MB_DIRTY_ALIAS 0x04     /* 'link' is the entry it stands for. */
#define MB_DIRTY_NEW 0x08       /* D did not have it when it was queued. */

#define MB_TRACKER_RECENT_BITS 8

struct mb_tracker {
    struct mb_tracker *next;    /* In the list of the worker. */
    struct mbox_space space;
    uint32_t scopes;            /* MBOX_SCOPE_*: others are ignored. */
    bool merge_some;            /* Partly covered hosts' state is merged. */
    bool merge_all;             /* All shared state is sent late. */
    struct mb_table table;
    uint32_t recent[1 << MB_TRACKER_RECENT_BITS];   /* Entries that were
                                 * marked lately, by key: hints, as some are
                                 * gone. */
    struct {
        uint32_t head, tail;    /* Linked through 'link'. */
        uint32_t n;
    } queues[MB_N_QUEUES];
    uint32_t n_queued;          /* In MB_QUEUE_FLOWS and MB_QUEUE_SHARED, */
    uint32_t n_new;             /* and those of them with MB_DIRTY_NEW. */
    uint32_t n_aliases;
    struct mb_keys announced;   /* Keys of flows that have several, which were
                                 * not taken yet. */
    bool failed;                /* Memory was short: changes were missed. */
};

void mb_tracker_init(struct mb_tracker *, const struct mbox_space *,
                     uint32_t scopes);
void mb_tracker_uninit(struct mb_tracker *);

/* A packet with 'key' is processed: if it is in the space, or its key is an
 * alias of a flow that is, that flow changed. */
void mb_tracker_packet(struct mb_tracker *, const struct mbox_key *key);

/* State changed.  'key' need not be canonical.  Ignored if it does not belong
 * to the space. */
void mb_tracker_mark(struct mb_tracker *, uint8_t scope,
                     const struct mbox_key *key);

/* Whether it is known without a search that mb_tracker_mark() would change
 * nothing, as the state was marked lately and is in its queue.  'key' is
 * canonical if it is of a flow. */
bool mb_tracker_is_marked(const struct mb_tracker *, uint8_t scope,
                          const struct mbox_key *key);

/* Same as mb_tracker_mark() without any check, for an existing entry. */
void mb_tracker_queue(struct mb_tracker *, enum mb_queue, uint32_t index);

/* Takes the oldest from a queue; MB_NO_ENTRY if it is empty. */
uint32_t mb_tracker_pop(struct mb_tracker *, enum mb_queue);

/* The state 'index', which is in no queue, has ended, and D has been told so
 * if it had it.  Its entry goes, unless keys of other flows may name it. */
void mb_tracker_ended(struct mb_tracker *, uint32_t index);

/* Packets with 'alias' change the flow 'index', too. */
void mb_tracker_add_alias(struct mb_tracker *, uint32_t index,
                          const struct mbox_key *alias);

/* The middlebox says that packets of the flow 'key' arrive under 'alias', too.
 * Ignored if the flow does not belong to the tracked space. */
void mb_tracker_alias(struct mb_tracker *, const struct mbox_key *key,
                      const struct mbox_key *alias);

/* Number of states that D does not have in their present form, and of those
 * that it does not have at all, which may have ended by now; any thread. */
uint32_t mb_tracker_n_dirty(const struct mb_tracker *);
uint32_t mb_tracker_n_new(const struct mb_tracker *);

#endif /* dirty.h */
