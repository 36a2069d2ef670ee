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

#ifndef STATE_KNOWN_H
#define STATE_KNOWN_H 1

/* Where all nodes of a structure are, while the program waits (st_wait()):
 * then the index has them, and to look for each would take time for all.  It
 * is filled when it is asked for the second time, since one search costs
 * less. */

#include "private.h"

/* Whether the index has all nodes of a structure, in lists or the user's
 * containers. */
bool st_known(struct st *, uint32_t structure);

/* Finds out the bucket in which a node was last seen in its first list.  False
 * if it was not. */
bool st_known_bucket(struct st *, uint32_t structure, const void *node,
                     uint32_t *bucket);

/* A node is in its containers: it is in the index from now on, also when the
 * program goes on, so that whoever asks for what was imported need not search
 * for it. */
void st_known_add(struct st *, uint32_t structure, void *node,
                  uint32_t bucket);

#endif /* known.h */
