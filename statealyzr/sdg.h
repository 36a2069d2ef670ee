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

#ifndef STATEALYZR_SDG_H
#define STATEALYZR_SDG_H 1

/* System dependence graph
 * =======================
 *
 * Horwitz, Reps, Binkley, "Interprocedural slicing using dependence graphs"
 * (TOPLAS 12(1), 1990); control dependence as in Ferrante, Ottenstein, Warren,
 * "The program dependence graph and its use in optimization" (TOPLAS 9(3),
 * 1987); summary edges as in Reps, Horwitz, Sagiv, Rosay, "Speeding up
 * slicing" (FSE 1994).
 *
 * A vertex is an instruction, a formal or actual parameter, what a function
 * returns and a call gets, a function's entry, a basic block (what is executed
 * under the same conditions), or a piece of memory.  An edge goes from what is
 * depended on to what depends on it.
 *
 * Memory: one vertex for each node of the points-to analysis, between the
 * instructions that may write it and those that may read it.  That is without
 * order and context: what any write of a node puts there may be seen by any
 * read.  It is linear in size where parameters for each piece of memory of
 * each procedure are not, and little is lost where it counts, as the loop
 * makes what is written late in one packet precede what is read early for the
 * next.  A path that went through memory may go on in any context; a path of
 * values in registers, parameters and results matches calls with returns.
 *
 * Sound as far as the points-to analysis is.  Not represented: that a call may
 * not return (exit(), longjmp()) for what follows it, and timing. */

#include "model.h"
#include "modref.h"
#include "pta.h"
#include "tables.h"

/* What kind of dependence an edge is.  A slice follows all up to one. */
enum sa_dep {
    SA_DEP_VALUE,       /* The value is computed from that, or is a copy. */
    SA_DEP_ADDRESS,     /* ... or is loaded or stored through that pointer or
                         * at that index, or called through it. */
    SA_DEP_CONTROL      /* ... or whether it happens depends on that. */
};

enum sa_vertex_kind {
    SA_VERTEX_INSN,             /* 'id' is the instruction.  For a call: that
                                 * it happens, and what library code does. */
    SA_VERTEX_RESULT,           /* 'id': call whose result from a function of
                                 * the program this is. */
    SA_VERTEX_ACTUAL,           /* 'id': call; 'index': argument. */
    SA_VERTEX_FORMAL,           /* 'id': function; 'index': parameter. */
    SA_VERTEX_RETURN,           /* 'id': function; what it returns. */
    SA_VERTEX_ENTRY,            /* 'id': function; that it is executed. */
    SA_VERTEX_BLOCK,            /* 'id': block; that it is executed. */
    SA_VERTEX_NODE,             /* 'id': node of the points-to analysis. */
    SA_VERTEX_SET,              /* Internal: nodes accessed alike. */
    SA_VERTEX_COPY              /* 'id': instruction; a member that it
                                 * copies. */
};

struct sa_vertex {
    enum sa_vertex_kind kind;
    uint32_t id;
    uint32_t index;
    uint32_t function;          /* It is in; SA_NONE for memory. */
};

struct sa_sdg;

struct sa_sdg *sa_sdg_build(const struct sa_program *, const struct sa_pta *,
                            const struct sa_modref *,
                            const struct sa_tables *);
void sa_sdg_destroy(struct sa_sdg *);

uint32_t sa_sdg_n_vertices(const struct sa_sdg *);
uint64_t sa_sdg_n_edges(const struct sa_sdg *);
uint64_t sa_sdg_n_summaries(const struct sa_sdg *);
struct sa_vertex sa_sdg_vertex(const struct sa_sdg *, uint32_t vertex);

/* Vertices by what they stand for.  SA_NONE if there is none. */
uint32_t sa_sdg_insn(const struct sa_sdg *, uint32_t insn);
uint32_t sa_sdg_node(const struct sa_sdg *, uint32_t node);
uint32_t sa_sdg_entry(const struct sa_sdg *, uint32_t function);
uint32_t sa_sdg_block(const struct sa_sdg *, uint32_t block);
uint32_t sa_sdg_return(const struct sa_sdg *, uint32_t function);
uint32_t sa_sdg_formal(const struct sa_sdg *, uint32_t function,
                       uint32_t index);
uint32_t sa_sdg_actual(const struct sa_sdg *, uint32_t call, uint32_t index);
/* Where a value (id as in model.h) is defined: the instruction, the result
 * vertex of a call into the program, or a formal parameter; SA_NONE for
 * constants and addresses of globals, which depend on nothing. */
uint32_t sa_sdg_value(const struct sa_sdg *, uint32_t value);

/* Where a vertex is in the source (file "" for memory). */
struct sa_loc sa_sdg_loc(const struct sa_sdg *, uint32_t vertex);

/* How edges lead between procedures. */
enum sa_edge_kind {
    SA_EDGE_INSIDE,             /* Within a procedure. */
    SA_EDGE_DOWN,               /* From a call into what it calls. */
    SA_EDGE_UP,                 /* From what is called back to the call. */
    SA_EDGE_MEMORY,             /* To or from memory: any context. */
    SA_EDGE_SUMMARY             /* Over a call, from argument to result. */
};

struct sa_edge {
    uint32_t to;                /* The other end. */
    uint8_t kind;               /* enum sa_edge_kind. */
    uint8_t dep;                /* enum sa_dep. */
};

/* Edges from a vertex to what depends on it, and to a vertex from what it
 * depends on ('to' is that). */
const struct sa_edge *sa_sdg_out(const struct sa_sdg *, uint32_t vertex,
                                 uint32_t *n);
const struct sa_edge *sa_sdg_in(const struct sa_sdg *, uint32_t vertex,
                                uint32_t *n);

#endif /* sdg.h */
