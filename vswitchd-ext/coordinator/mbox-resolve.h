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

#ifndef MBOX_RESOLVE_H
#define MBOX_RESOLVE_H 1

/* Transfers in doubt
 * ==================
 *
 * An agent whose connection ended in the middle of a transfer asks with OPEN
 * how it ended, on its next connection, be it to this run of the coordinator
 * or to another.  The answer, RESOLVE, leaves each flow's state at exactly one
 * instance, to which its packets are assigned.  It is the first of these that
 * applies:
 *
 *     1. The transfer is open here: wait for its end.
 *     2. It has ended here: as it has ended.
 *     3. It is recorded in the database: it has moved, or split as the
 *        assignments say.  No agent is told to commit before the record is in
 *        the database, together with the assignments.
 *     4. Both ask: D has what it says that it may have processed, and S the
 *        rest (S has been frozen since before D could process anything).
 *     5. S asks, and D is connected and does not: nothing has moved.
 *     6. D asks, and S is connected and does not: if it is the same process, it
 *        was told to abort, so nothing has moved; otherwise its state is
 *        lost, and D keeps everything.
 *     7. One asks, and the other does not connect for MBOX_RESOLVE_MS: it keeps
 *        everything.  The other is told so when it comes.
 *
 * If what 4, 6 or 7 assign to D cannot be told from the flows of a third
 * instance (see mbox_class_move()), nothing has moved.
 *
 * Nobody is believed who asks about instances of another class than its own,
 * or than the database says its own is.
 *
 * What 4, 6 and 7 assign to D is recorded like the end of any transfer before
 * anybody is told.
 *
 * Coordinator thread only. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/list.h"

#include "mbox-msg.h"

struct mbox_conn;
struct mbox_coordinator;

/* How long to wait for the other instance, in ms. */
#define MBOX_RESOLVE_MS 5000

/* Most transfers that one agent may have in doubt. */
#define MBOX_RESOLVE_MAX 64

/* Most flows that RESOLVE can name. */
#define MBOX_RESOLVE_KEYS_MAX 400000

/* Ends that are remembered, also in the database. */
#define MBOX_N_RECORDS 128

struct mbox_record {
    uint64_t epoch;
    uint32_t id;
    bool split;                 /* Otherwise everything has moved. */
    enum mbox_select select;    /* If split: of what is D's. */
};

struct mbox_resolver {
    struct ovs_list doubts;     /* "struct mbox_doubt"s, oldest first. */
    size_t n_doubts;
    struct mbox_record records[MBOX_N_RECORDS];     /* Oldest first. */
    size_t n_records;
};

void mbox_resolver_init(struct mbox_resolver *);
void mbox_resolver_destroy(struct mbox_resolver *);

/* Records that a transfer has moved or split; or removes the record.  With
 * 'split', 'select' tells which of its flows that are assigned one by one
 * count: D's (KEYS; all others are S's) or S's (ALL_EXCEPT). */
void mbox_resolver_record(struct mbox_resolver *, uint64_t epoch, uint32_t id,
                          bool split, enum mbox_select select);
void mbox_resolver_unrecord(struct mbox_resolver *, uint64_t epoch,
                            uint32_t id);

/* The records as text, for the caller to free; and back.  Each is a word
 * "EPOCH.ID=moved", "EPOCH.ID=split" (KEYS) or "EPOCH.ID=split-rest"
 * (ALL_EXCEPT).  Words that make no sense are left out. */
char *mbox_resolver_format(const struct mbox_resolver *);
void mbox_resolver_parse(struct mbox_resolver *, const char *);

/* OPEN or RESOLVED. */
void mbox_resolver_recv(struct mbox_coordinator *, struct mbox_conn *,
                        const struct mbox_msg *);
void mbox_resolver_conn_lost(struct mbox_coordinator *,
                             const struct mbox_conn *);

void mbox_resolver_run(struct mbox_coordinator *);
void mbox_resolver_wait(const struct mbox_coordinator *);

#endif /* mbox-resolve.h */
