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

#ifndef STATE_PROGRAM_STATE_H
#define STATE_PROGRAM_STATE_H 1

/* The state of a running program
 * ==============================
 *
 * Lists, exports, imports and deletes what a program (program-tables.h) holds
 * for a flow or for an address.  All of it is to be called between two
 * packets, in the program's thread.
 *
 * All return 0 or a negative errno value, and say by 'log' what is wrong:
 *
 *   -ENOENT   there is no such state
 *   -ENODATA  the output function needs nothing of it
 *   -ENOTSUP  it cannot be moved, for a reason that the message names
 *   -EEXIST   a tree has other state in the place that it would have; nothing
 *             was changed
 *   -EPROTO   bytes to import are not valid; nothing was changed
 *   -EXDEV    they come from another build, or from an instance that is
 *             configured or was started otherwise; nothing was changed */

#include "mbox-key.h"
#include "mbox-wire.h"
#include "program-tables.h"

struct st;

typedef void st_log_fn(void *aux, const char *message);

/* 'program' has to outlive the result.  NULL if memory is short. */
struct st *st_create(const struct st_program *, st_log_fn *, void *aux);
void st_destroy(struct st *);

/* Calls 'cb' with the canonical key of each flow, or with the address of each
 * host ('src', 'family'; the rest is zero), until it returns nonzero, which is
 * returned. */
int st_list(struct st *, bool per_flow,
            int (*cb)(const struct mbox_key *, void *aux), void *aux);

/* Appends the state of the flow, or of the address, to the writer: what the
 * output function of that index needs, or all of it if 'output' is -1. */
int st_get(struct st *, bool per_flow, const struct mbox_key *, int output,
           struct mbox_writer *);

/* Appends what of it a person may look at, running or not, and changes
 * nothing: nobody imports that.  If something cannot be read it says so in
 * there. */
int st_look(struct st *, bool per_flow, const struct mbox_key *, int output,
            struct mbox_writer *);

/* Why st_get() or st_look() that was called last has failed, "" if the error
 * says it all. */
const char *st_why(const struct st *);

/* Installs what st_get() of another instance wrote.  What is there already is
 * replaced, or with 'merge' combined.  Hosts that come along with a flow are
 * installed if they are not there.  A host that is there is replaced in any
 * case if nothing here uses it: no flow refers to it, or no packet of it has
 * come since it was imported. */
int st_put(struct st *, bool per_flow, const struct mbox_key *,
           const void *data, size_t, bool merge);

/* Says whether flows that are exported from now on still run.  Of those that
 * have something that a hook has to stop, st_get() returns -EAGAIN then. */
void st_set_running(struct st *, bool);

/* Has all that hooks have stopped go on, of one flow, or of those that are not
 * on their way.  To be called before a packet of the flow is processed, and
 * when moves may have ended. */
void st_resume_flow(struct st *, const struct mbox_key *);
void st_resume(struct st *,
               bool (*is_away)(const struct mbox_key *, void *aux),
               void *aux);

/* Says whether the program waits from now on: until it is said again, nothing
 * but functions of this file, and what these call, touches its state.  Then
 * many calls take no longer than few, each. */
void st_wait(struct st *, bool waits);

/* To be called before any of this is, and now and then, by the thread that
 * reads packets: another may have created it.  Tells of what other threads
 * have freed or written. */
void st_step(struct st *);

/* To be called after each packet: finds out what the program has taken the
 * memory of for another. */
void st_slots_step(struct st *);

/* Says that a packet of a host was processed. */
void st_touch(struct st *, const struct mbox_key *host);

/* Forgets it.  Hosts that flows refer to are forgotten with the last of
 * these. */
int st_del(struct st *, bool per_flow, const struct mbox_key *);

/* Tells 'cb' the key of what st_get() has written out when the program first
 * writes to it afterwards, or frees it.  Called at once, so also in the middle
 * of a packet. */
void st_on_change(struct st *, void (*cb)(bool per_flow,
                                          const struct mbox_key *, void *aux),
                  void *aux);

/* Whether a packet that was processed counts as a change of what has this key,
 * that is, if no such change would be told of. */
bool st_is_changed_by_packet(struct st *, bool per_flow,
                             const struct mbox_key *);

/* To be called after each packet. */
void st_packet_ends(struct st *);

/* For a program of which it is not known by which packet it changes what: to
 * be called before st_packet_ends().  Returns whether there may be entries
 * that are new, or were taken out, since then; tells of a change of all that
 * was written out, if so. */
bool st_changed_any(struct st *);

/* Says that changes need not be told of what was written out so far. */
void st_track_none(struct st *);

uint64_t st_count(struct st *, bool per_flow);

/* Tells 'cb' the key of a node that was seen by st_list() and is being freed
 * by the program, or its memory taken for another. */
void st_on_end(struct st *, void (*cb)(bool per_flow, const struct mbox_key *,
                                       void *aux), void *aux);

#endif /* program-state.h */
