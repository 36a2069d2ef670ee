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

#ifndef STATEALYZR_PATHS_PRIVATE_H
#define STATEALYZR_PATHS_PRIVATE_H 1

/* Shared by paths.c and paths-run.c only. */

#include <glib.h>
#include "paths.h"

/* Parameters and instructions are numbered within a function as "vars": what
 * each stands for has one value at a time (for a local in memory, an alloca,
 * what it contains). */
struct sa_paths {
    const struct sa_program *program;
    const struct sa_function *function;
    uint32_t n_vars;
    bool *relevant;             /* By var: decides what is executed, or is
                                 * given to a call. */
    bool *cell;                 /* By var: local that is memory. */
    GArray *crossing;           /* uint32_t: relevant vars that may be used in
                                 * another block. */
    uint32_t *column;           /* By var: index in that, or SA_NONE. */
    guint64 *live;              /* By block, bit per crossing var. */
    size_t n_words;             /* Of a block's. */
};

/* SA_NONE for what is neither. */
uint32_t sa_paths_var(const struct sa_paths *, LLVMValueRef);

/* Whether a pointer is that of a local that is just loaded and stored. */
bool sa_paths_is_cell(const struct sa_paths *, LLVMValueRef pointer);

/* Whether a var may be used when a block is entered, before it is set. */
bool sa_paths_is_live(const struct sa_paths *, uint32_t block, uint32_t var);

#endif /* paths-private.h */
