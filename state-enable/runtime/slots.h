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

#ifndef STATE_SLOTS_H
#define STATE_SLOTS_H 1

/* Nodes that are elements of an array (struct st_slots). */

#include "private.h"

/* False if memory is short. */
bool st_slots_init(struct st *);
void st_slots_uninit(struct st *);

/* An element is in use if it is in the first list. */

bool st_is_slot(const struct st *, const struct st_structure *,
                const void *node);
bool st_slot_is_used(struct st *, const struct st_structure *,
                     const void *slot);

/* Chooses the slot for a node to import that is no slot of 'taken', '*used' if
 * it is in use.  That is, of those that an entry has left, the one whose turn
 * comes last; or, if there is none, the one whose turn it is, as the program
 * does.  NULL if there is none or memory is short. */
void *st_slot_choose(struct st *, const struct st_structure *,
                     void *const *taken, uint32_t n_taken, bool *used);

/* Says that an imported node was put into it, or that what was in it has been
 * deleted. */
void st_slot_taken(struct st *, uint32_t structure, const void *slot);
void st_slot_left(struct st *, uint32_t structure, const void *slot);

/* The program has gone on, or will. */
void st_slots_forget(struct st *);

#endif /* slots.h */
