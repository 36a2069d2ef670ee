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

#ifndef STATE_PLACEMENT_H
#define STATE_PLACEMENT_H 1

/* Placement: the variables that decide in which bucket a node belongs, such as
 * the random start of a hash.  They are set once, at the program's start, and
 * what else depends on them (signatures that are hashed as well, hashes in a
 * flow's state) is not known: so they must be the same in both instances from
 * the start; see start.c. */

#include "private.h"

/* Writes the values of all of them. */
void st_placement_put(struct st *, struct mbox_writer *);

/* Reads them.  Returns a pointer to them in the reader's data, NULL if they
 * are malformed. */
const uint8_t *st_placement_get(struct st *, struct mbox_reader *);

/* Whether those at 'values' are this instance's: 0, or -EXDEV after a message
 * that names the variable. */
int st_placement_check(struct st *, const uint8_t *values);

#endif /* placement.h */
