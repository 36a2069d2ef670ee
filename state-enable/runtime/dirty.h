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

#ifndef STATE_DIRTY_H
#define STATE_DIRTY_H 1

/* What the program has written since it was sent
 * ==============================================
 *
 * st_get() remembers the entries that it has written out, with the blocks that
 * they own.  Before the program writes to memory it says so (mbox-state-gen
 * sees to that), and an entry that is remembered counts as changed from the
 * next step on, or earlier, until st_get() writes it out again.  Where nothing
 * is remembered nobody has to be told: what has not been sent will be, and a
 * block that becomes an entry's later does so by a write to what the entry has
 * already.
 *
 * Containers are not the business of one entry.  If some may have changed, the
 * packet's own entries count as changed; so do entries that are not
 * remembered, or that are more than memory.  If it is not known what was
 * written, all do.
 *
 * For one 'struct st' of the process, in the thread that last called
 * st_dirty_step(), at first the one that created it.  What another writes may
 * be anything, and counts from the next step on. */

#include "private.h"
#include "objects.h"

/* Called by the program; the first is not 0 while entries are remembered.
 * 'n' bytes at 'p', or if that is 0 it is not known how many, but all of one
 * block or array; 'bits' as in program-tables.h. */
extern uint8_t mbox_state_dirty_tracking;
void mbox_state_dirty_write(const void *p, uint64_t n, uint64_t bits);

void st_dirty_start(struct st *);
void st_dirty_stop(struct st *);

/* What a flow or a host has of entries is not there any more, or was written
 * out again; and, then, what it has now.  The second returns -ENOMEM if memory
 * is short: then what was written out must not be sent. */
void st_dirty_forget(struct st *, bool per_flow, const struct mbox_key *);
int st_dirty_remember(struct st *, bool per_flow, const struct mbox_key *,
                      const struct st_objects *);

/* The runtime itself has changed a node, or an object, that is at 'start' of
 * its block. */
void st_dirty_changed(const void *start, uint64_t bits);

/* Memory of the program is freed, or an entry in an array ends; NULL if it is
 * not known which. */
void st_dirty_ended(struct st *, const void *start);

/* Between packets, and before entries are written out: marks what could not be
 * when it was written. */
void st_dirty_step(struct st *);

/* While the runtime has functions of the program find entries or, the second
 * pair, change containers, writes do not count.  They may be nested. */
void st_dirty_pause(struct st *);
void st_dirty_resume(struct st *);
void st_dirty_pause_to_change(struct st *);
void st_dirty_resume_changed(struct st *);

#endif /* dirty.h */
