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

#ifndef MBOX_COORDINATOR_H
#define MBOX_COORDINATOR_H 1

/* The coordinator: ovs-vswitchd's side
 * ====================================
 *
 * The coordinator moves middlebox state.  It has a thread of its own, so that
 * no transfer ever waits for the main loop, and no transfer delays it.
 *
 * Who owns what:
 *
 *     main thread         the IDL and everything read from it, unixctl
 *                         connections that wait for a reply, the transaction
 *                         that writes the assignments
 *     coordinator thread  listeners, agents, instances, open transfers,
 *                         history, scaling; it alone changes classes
 *                         (mbox-class.h) and steering objects (mbox-steer.h)
 *     both                two queues of mails (mbox-mailbox.h)
 *     instantiators       a thread for each that runs (mbox-instantiator.h),
 *                         which shares nothing but its end
 *
 * Nothing else is shared, so there is no lock but the one of each queue, which
 * is the innermost: nothing is called while it is held.  (The datapath's locks
 * are in mbox-class.h; the coordinator's thread takes them with none of ours
 * held.)
 *
 * All functions here are for the main thread. */

struct ovsdb_idl;

/* Registers the mbox/ commands and asks 'idl' for the columns that they need.
 * 'idl' must stay until mbox_coordinator_exit(). */
void mbox_coordinator_init(struct ovsdb_idl *);

/* Takes changes of the configuration to the coordinator, and its answers to
 * unixctl and the database.  To be called in each iteration of the main loop,
 * after ovsdb_idl_run().  Starts the thread as soon as the database is
 * known. */
void mbox_coordinator_run(void);
void mbox_coordinator_wait(void);

/* Rolls open transfers back, answers every command that waits, stops the
 * thread, writes the last assignments to the database.  To be called while
 * bridges still exist.  Takes at most a few seconds. */
void mbox_coordinator_exit(void);

#endif /* mbox-coordinator.h */
