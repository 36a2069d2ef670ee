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

#ifndef STATEALYZR_WRAPPERS_H
#define STATEALYZR_WRAPPERS_H 1

/* Allocation wrappers
 * ===================
 *
 * Functions that return memory that they, or wrappers that they call, have
 * allocated: xmalloc(), ck_alloc(), flow_new().  The points-to analysis gives
 * each of their callers objects of its own; without that, all structures of a
 * program that has an xmalloc() were one. */

#include "model.h"
#include "tables.h"

/* Where a wrapper's result comes from: what call 'insn' in it returns or
 * allocates, or any other value if 'insn' is SA_NONE, plus 'offset' bytes. */
struct sa_wrapper_source {
    uint32_t insn;
    LLVMValueRef value;
    int64_t offset;
};

struct sa_wrapper {
    struct sa_wrapper_source *sources;
    uint32_t n_sources;
};

struct sa_wrappers;
struct sa_wrappers *sa_wrappers_create(const struct sa_program *,
                                       const struct sa_tables *);
void sa_wrappers_destroy(struct sa_wrappers *);

/* NULL if it is none. */
const struct sa_wrapper *sa_wrapper_of(const struct sa_wrappers *,
                                       uint32_t function);

/* Whether a wrapper allocates as many bytes as it is told: then a call through
 * a pointer gets an object of its own, too. */
bool sa_wrapper_is_allocator(const struct sa_program *,
                             const struct sa_wrappers *, uint32_t function);

/* The effect by which a call of a library function allocates what it returns,
 * or what it makes an argument point to; or NULL. */
const struct sa_effect *sa_allocating_effect(const struct sa_program *,
                                             const struct sa_tables *,
                                             LLVMValueRef call);

/* The function that a call calls directly, SA_NONE if through a pointer. */
uint32_t sa_direct_callee(const struct sa_program *, LLVMValueRef call);

#endif /* wrappers.h */
