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

#ifndef STATEALYZR_STATE_PRIVATE_H
#define STATEALYZR_STATE_PRIVATE_H 1

/* The steps of state.c, one per file. */

#include "state.h"

/* Variables that are declared: globals, statics, and locals that live across
 * iterations (declared-variables.c).  Appends to state->variables, in
 * order. */
void sa_state_collect_declared(struct sa_state *, const struct sa_analysis *);

/* Heap structures that are reachable from the declared variables, and their
 * members (heap-structures.c).  Sets 'node_variable', 'object_structure' and
 * 'object_owner'. */
void sa_state_collect_heap(struct sa_state *, const struct sa_analysis *);

/* A new variable at the end of state->variables, with everything empty. */
struct sa_state_variable *sa_state_add_variable(struct sa_state *, char *name,
                                                enum sa_storage);

/* All nodes of an object belong to the variable. */
void sa_state_add_object(struct sa_state_variable *,
                         const struct sa_analysis *, uint32_t object);

#endif /* state-private.h */
