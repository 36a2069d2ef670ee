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

#ifndef STATEALYZR_PATHS_H
#define STATEALYZR_PATHS_H 1

/* What a function executes if its parameters have just some values
 * ================================================================
 *
 * Conditional constant propagation (Wegman and Zadeck, "Constant propagation
 * with conditional branches", TOPLAS 13(2), 1991) with sets of values
 * (value-sets.h), and path-sensitive as in Das, Lerner, Seigle, "ESP:
 * path-sensitive program verification in polynomial time" (PLDI 2002): a block
 * is entered in one of several states, which say what values parameters and
 * registers have; states are merged where that loses nothing, and all of a
 * block's if there are more than a few of them.  What a branch or switch
 * tells about values holds on the edge that is taken.
 *
 * Memory has any value, other than locals that are just loaded and stored
 * whole, so that no pointer leads to them ("volatile" ones: the others are in
 * registers).  That "volatile" means no more than setjmp() needs is taken for
 * granted: nothing else changes such a local.  Where setjmp() returns for the
 * second time, just what is known of parameters holds. */

#include "model.h"
#include "value-sets.h"

struct sa_paths;

struct sa_paths *sa_paths_create(const struct sa_program *,
                                 uint32_t function);
void sa_paths_destroy(struct sa_paths *);

/* Whether what is executed, or called with what, may depend on the value of a
 * parameter. */
bool sa_paths_depend_on(const struct sa_paths *, uint32_t param);

/* Sets executed[block] for each block that may be executed if the parameters
 * have these values, and tells each call in them, perhaps repeatedly, with the
 * values of its arguments. */
void sa_paths_run(struct sa_paths *, const struct sa_values params[],
                  bool *executed,
                  void (*call)(uint32_t insn, const struct sa_values args[],
                               void *aux),
                  void *aux);

/* The values that an operand may have in any state. */
struct sa_values sa_paths_constant(LLVMValueRef);

/* The number of bits of an integer, 64 for a pointer, or 0: any other, of
 * which no values are known. */
unsigned int sa_paths_bits(LLVMValueRef);

/* Whether a call may return more than once (setjmp(), vfork()). */
bool sa_paths_returns_twice(LLVMValueRef call);

#endif /* paths.h */
