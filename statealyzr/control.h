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

#ifndef STATEALYZR_CONTROL_H
#define STATEALYZR_CONTROL_H 1

/* Control dependence
 * ==================
 *
 * Ferrante, Ottenstein, Warren (TOPLAS 9(3), 1987): block B depends on the
 * branch at the end of block A if some way out of A always leads to B, and
 * another may avoid it.  Post-dominators as in Cooper, Harvey, Kennedy, "A
 * simple, fast dominance algorithm" (2001).
 *
 * An endless loop counts as if there were a way from its header to the end,
 * which nothing depends on: what in it depends on branches in it is the same
 * as if it ended. */

#include <glib.h>
#include "array.h"
#include "model.h"

/* Appends, as struct sa_pair to 'pairs', the control dependences in a defined
 * function: from block, to block that depends on the branch at its end, both
 * ids.  A block that depends on the function's being called has a pair from
 * SA_NONE. */
void sa_control_dependences(const struct sa_program *, uint32_t function,
                            GArray *pairs);

/* Appends the successors of a block, by id, to 'successors', a GArray of
 * uint32_t; one may be there several times. */
void sa_block_successors(const struct sa_program *, uint32_t block,
                         GArray *successors);

#endif /* control.h */
