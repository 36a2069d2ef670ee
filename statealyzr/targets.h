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

#ifndef STATEALYZR_TARGETS_H
#define STATEALYZR_TARGETS_H 1

/* What pointers point to once the packet loop runs
 * ================================================
 *
 * The points-to analysis (pta.h) has one set for each register, whoever calls:
 * where start-up code and loop call one function with pointers to different
 * things ("parse_number(arg, &daemon->port)"), it counts as writing all of
 * them in the loop.  Here the sets of registers are computed again as far as
 * they follow from what is executed while the loop runs (feasible.h): what
 * calls give to parameters there, and what is allocated there.  This is a
 * cloning of contexts in the sense of Milanova, Rountev, Ryder, "Parameterized
 * object sensitivity for points-to analysis for Java" (TOSEM 14(1), 2005) with
 * just two of them, before the loop and in it, of which the second is wanted;
 * memory is not cloned: what is loaded may be anything that is ever stored.
 *
 * A target is left out only if it comes from where this sees that it does not:
 * from an argument of another call, the pointer that is moved, or an
 * allocation for a call that is not executed. */

#include "analysis.h"

struct sa_targets;

struct sa_targets *sa_targets_find(const struct sa_analysis *);
void sa_targets_destroy(struct sa_targets *);

/* Finds which nodes 'insn', which is executed while the loop runs, cannot read
 * or write, although the sets of modref.h have them.  Until the next call of
 * this function, sa_targets_has() says false for these.  False if there are
 * none. */
bool sa_targets_limit(struct sa_targets *, uint32_t insn);
bool sa_targets_has(const struct sa_targets *, uint32_t node);

#endif /* targets.h */
