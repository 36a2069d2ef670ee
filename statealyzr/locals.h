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

#ifndef STATEALYZR_LOCALS_H
#define STATEALYZR_LOCALS_H 1

/* Locals that live across iterations
 * ==================================
 *
 * Liveness (Aho, Lam, Sethi, Ullman, "Compilers", 9.2.5) of the memory of a
 * local variable at the header of a loop: does a path lead from there to a
 * read that is not preceded by a write of all that is read?  A packet buffer
 * that a loop receives into before it looks at it does not live, a table does.
 *
 * Where in doubt, a local lives: a write counts only if it certainly
 * overwrites (a store to the variable by name, memset() or a library function
 * that fills what it is given, a packet-read call). */

#include "analysis.h"
#include "loop.h"

/* 'local' is the value of an alloca of the loop's function. */
bool sa_local_lives(const struct sa_analysis *, const struct sa_loop *,
                    uint32_t local);

#endif /* locals.h */
