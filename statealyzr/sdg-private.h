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

#ifndef STATEALYZR_SDG_PRIVATE_H
#define STATEALYZR_SDG_PRIVATE_H 1

/* Shared by sdg.c, sdg-edges.c and slice.c only. */

#include <glib.h>
#include "sdg.h"

/* Vertices are numbered by kind: instructions first (a vertex is then the
 * instruction's id), blocks, entries, returns, formal parameters, nodes, read
 * sets, written sets, copies, results and actual parameters. */
struct sa_sdg {
    const struct sa_program *program;
    const struct sa_pta *pta;
    const struct sa_modref *modref;
    const struct sa_tables *tables;

    uint32_t first_block, first_entry, first_return, first_formal, first_node,
             first_read_set, first_write_set, first_copy, first_call, n;

    uint32_t *formals;          /* By function, first; one more for all
                                 * variable arguments of a variadic one. */
    uint32_t *calls;            /* By instruction: vertex of the result, after
                                 * which are the arguments; SA_NONE if it calls
                                 * nothing of the program. */
    uint32_t *of_formal;        /* Formal - first_formal -> function. */
    uint32_t *of_copy;          /* Copy - first_copy -> instruction. */
    uint32_t *of_call;          /* Vertex - first_call -> instruction. */

    /* Edges, out and in, by vertex. */
    size_t *out_starts, *in_starts;
    struct sa_edge *out, *in;
    uint64_t n_summaries;

    uint8_t *to_return;         /* Dependence by which what the vertex's
                                 * function returns depends on it, within the
                                 * function and what it calls; NO_DEP. */
};

enum { NO_DEP = UINT8_MAX };

/* An edge while they are collected. */
struct sa_new_edge {
    uint32_t from, to;
    uint8_t kind, dep;
};

/* Collects all edges but summaries: a GArray of struct sa_new_edge. */
void sa_sdg_collect_edges(const struct sa_sdg *, GArray *edges);

/* Where the result of 'callee' goes that is called, or called back, at
 * instruction 'call': a vertex, or SA_NONE. */
uint32_t sa_sdg_result_of(const struct sa_sdg *, uint32_t call,
                          uint32_t callee);

/* The vertex that defines a value, or SA_NONE. */
uint32_t sa_sdg_definition(const struct sa_sdg *, LLVMValueRef);

#endif /* sdg-private.h */
