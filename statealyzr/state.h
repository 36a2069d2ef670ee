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

#ifndef STATEALYZR_STATE_H
#define STATEALYZR_STATE_H 1

/* State variables
 * ===============
 *
 * After Khalid, Gember-Jacobson, Michael, Abhashkumar, Akella: "Paving the Way
 * for NFV: Simplifying Middlebox Modifications using StateAlyzr" (NSDI 2016),
 * section 4.1 and 4.2:
 *
 *   persistent   globals, file and function statics, locals of the loop
 *                procedure and of its callers whose value lives from one
 *                iteration to the next, and the members of heap structures
 * that
 *                are reachable from these;
 *   top-level    persistent and used by a state procedure;
 *   updateable   top-level and written by an instruction that may run while
 * the
 *                loop runs, be it through an alias.
 *
 * A variable that is declared is one variable, whatever its type.  A heap
 * structure (all objects of one struct type) is a variable for each of its
 * members; a member that is a struct itself is its members. */

#include <glib.h>

#include "analysis.h"
#include "result.h"

/* Objects of one struct type that hold state; or those of one allocation that
 * have no type and that no member of a structure owns. */
struct sa_structure {
    char *name;                 /* "struct flow", "bytes at FILE:LINE". */
    const struct sa_type *type; /* NULL for bytes. */
    uint64_t size;              /* 0 if unknown. */
    bool heap;                  /* Else the element of a declared table. */
    GArray *objects;            /* uint32_t, ascending. */
    GArray *variables;          /* uint32_t, of its members by offset; those
                                 * that declare it if not 'heap'. */
};

/* An array of structs that is a member of a declared struct, as in
 * "static struct { struct host list[256]; int n; } state". */
struct sa_table {
    uint32_t variable;
    uint32_t structure;         /* Of its elements. */
    const struct sa_type *type; /* The same. */
    uint64_t offset, size;      /* In the variable. */
};

struct sa_state_variable {
    char *name;
    enum sa_storage storage;
    struct sa_loc loc;
    const struct sa_type *type; /* NULL if unknown. */
    uint32_t offset;            /* Of a member. */
    uint64_t size;
    uint64_t n_elements;
    char *symbol;               /* "" if none. */
    uint32_t value;             /* Global, alloca or SSA value; SA_NONE. */
    uint32_t first_bit, n_bits; /* Of a bit field, from 'offset'; n_bits is 0
                                 * if it is none. */
    uint32_t structure;         /* SA_NONE if none. */
    GArray *nodes;              /* uint32_t, pta.h, ascending. */
    GArray *uses;               /* uint32_t, instructions that may read or
                                 * write it, in state procedures, ascending. */
    GArray *writes;             /* Those of 'uses' that may write it while the
                                 * loop runs. */
    GArray *skipped;            /* uint32_t, instructions of state procedures
                                 * that write it, but not while the loop
                                 * runs; ascending. */
    GArray *leads_to;           /* uint32_t, structures that its memory has
                                 * pointers to, as its type allows,
                                 * ascending. */
    bool top_level;
    bool updateable;
};

struct sa_state {
    GArray *variables;          /* struct sa_state_variable, by location, then
                                 * name; members by structure, then offset. */
    GArray *structures;         /* struct sa_structure. */
    GArray *tables;             /* struct sa_table. */
    uint32_t n_objects, n_nodes;    /* Of the arrays below. */
    uint32_t *node_variable;    /* Of each node, the first if several share it
                                 * (bit fields); SA_NONE. */
    uint32_t *object_structure; /* Of each object; SA_NONE. */
    uint32_t *object_owner;     /* Of an untyped object that only members of
                                 * one structure or one variable point to: the
                                 * variable that owns it; SA_NONE. */
};

struct sa_state *sa_state_run(const struct sa_analysis *);
void sa_state_destroy(struct sa_state *);

static inline struct sa_state_variable *
sa_state_variable(const struct sa_state *state, uint32_t i)
{
    return &g_array_index(state->variables, struct sa_state_variable, i);
}

static inline struct sa_structure *
sa_state_structure(const struct sa_state *state, uint32_t i)
{
    return &g_array_index(state->structures, struct sa_structure, i);
}

/* The table that has the byte at 'offset' of a variable, or NULL. */
const struct sa_table *sa_state_table_at(const struct sa_state *,
                                         uint32_t variable, uint64_t offset);

#endif /* state.h */
