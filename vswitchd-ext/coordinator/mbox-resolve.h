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
 *     1. There is no record (mbox-record.h) of such a transfer between the
 *        two instances, one of which the agent speaks for: there is no such
 *        transfer, or it was rolled back, so nothing has moved.
 *     2. The transfer is open here: wait for its end.
 *     3. It has ended: as it has ended.  No agent is told to commit before
 *        the record is in the database, together with the assignments.
 *     4. Both ask: D has what it says that it may have processed, and S the
 *        rest (S has been frozen since before D could process anything).
 *     5. S asks, and D is connected and does not: nothing has moved.
 *     6. D asks, and S is connected and does not: if it is the same process as
 *        was recorded, it was told to abort, so nothing has moved; otherwise
 *        its state is lost, and D keeps everything.
 *     7. One asks, and the other does not connect for MBOX_RESOLVE_MS: it
 *        keeps everything.  The other is told so when it comes.
 *
 * If what 4, 6 or 7 assign to D cannot be told from the flows of a third
 * instance (see mbox_class_move()), nothing has moved.
 *
 * What an agent says is believed only as to which flows it may have processed:
 * class, instances, flow space and S's process are those of the record.  Flows
 * outside of the flow space stay as they are.
 *
 * What 4, 6 and 7 assign to D is recorded like the end of any transfer before
 * anybody is told.
 *
 * The keys of OPEN and RESOLVE may come in parts; those of RESOLVE are sent as
 * the agent takes them.  What agents make the coordinator keep is bounded: an
 * agent that goes beyond is disconnected, and asks again.
 *
 * Coordinator thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/list.h"

#include "mbox-msg.h"

struct mbox_conn;
struct mbox_coordinator;

/* How long to wait for the other instance, in ms. */
#define MBOX_RESOLVE_MS 5000

/* How long an agent may take no part of any answer while one waits, in ms. */
#define MBOX_RESOLVE_STALL_MS 10000

/* Most keys that one agent, and all together, may have asked with before they
 * are answered; of 40 bytes each.  One transfer has at most the former. */
#define MBOX_RESOLVE_KEYS_AGENT (4 * 1024 * 1024)
#define MBOX_RESOLVE_KEYS_ALL (8 * 1024 * 1024)

struct mbox_resolver {
    struct ovs_list doubts;     /* "struct mbox_doubt"s, oldest first. */
    size_t n_keys;              /* Of all doubts. */
    bool check_settled;         /* An agent has said HELLO, or has asked. */
    bool check_known;           /* ...or RESOLVED, or a transfer is over. */
    bool again;                 /* Something was put off that can go now. */
    uint64_t n_refused;         /* Agents disconnected for too many keys. */
};

void mbox_resolver_init(struct mbox_resolver *);
void mbox_resolver_destroy(struct mbox_resolver *);

/* An agent has done its handshake. */
void mbox_resolver_conn_ready(struct mbox_coordinator *);

/* A transfer of this run is over. */
void mbox_resolver_transfer_done(struct mbox_coordinator *);

/* OPEN or RESOLVED. */
void mbox_resolver_recv(struct mbox_coordinator *, struct mbox_conn *,
                        const struct mbox_msg *);
void mbox_resolver_conn_lost(struct mbox_coordinator *,
                             const struct mbox_conn *);

void mbox_resolver_run(struct mbox_coordinator *);
void mbox_resolver_wait(const struct mbox_coordinator *);

#endif /* mbox-resolve.h */
