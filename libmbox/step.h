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

#ifndef MB_STEP_H
#define MB_STEP_H 1

/* mbox_run() in steps, for a program that has a loop of its own. */

#include <poll.h>
#include <stdbool.h>
#include "mbox-msg.h"
#include "mbox.h"

/* Ports, coordinator, eventfd, the middlebox's own, transfers. */
#define MB_STEP_FDS (5 + MBOX_OPEN_MAX)

/* Does what can be done now, after waiting for that at most 'max_ns'.  Returns
 * 0, or a negative errno value if packet I/O fails for good.  With one worker
 * only. */
int mb_step(struct mbox *, uint64_t max_ns);

/* Says that the middlebox calls mbox_dirty() whenever a flow's state changes,
 * by its packets, too: a packet does not count as a change by itself. */
void mb_step_tell_changes(struct mbox *);

/* Says that the middlebox only looks at packets: what it forwards goes on as
 * it came. */
void mb_step_only_look(struct mbox *);

/* Says that it is not known what has changed, as memory is short: whoever
 * needs to know cannot go on. */
void mb_step_lose_changes(struct mbox *);

/* Whether anybody needs to know of changes now. */
bool mb_step_is_tracked(const struct mbox *);

/* Whether it is known without a search that mbox_dirty() would change nothing.
 * 'key' is canonical if it is of a flow. */
bool mb_step_is_dirty(const struct mbox *, enum mbox_state_scope,
                      const struct mbox_key *key);

/* The same, when a packet that may change the state begins.  If it is not
 * known, mbox_dirty() will have less to wait for if the work of the packet is
 * done in between, and shortly before that mb_step_expect_soon(), with what
 * is stored in '*hash'. */
bool mb_step_expect(const struct mbox *, enum mbox_state_scope,
                    const struct mbox_key *key, uint32_t *hash);
void mb_step_expect_soon(const struct mbox *, uint32_t hash);

/* Stores what to wait for before the next step, at most '*ns' long.  Returns
 * how many descriptors. */
unsigned int mb_step_wait(struct mbox *, struct pollfd [], uint64_t *ns);

#endif /* step.h */
