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

#ifndef STATEALYZR_PTA_H
#define STATEALYZR_PTA_H 1

/* Points-to analysis
 * ==================
 *
 * Inclusion based (Andersen 1994), field sensitive by byte offset (Pearce,
 * Kelly, Hankin 2007), with the call graph built on the fly, cycle elimination
 * and difference propagation.
 *
 * An *object* is a piece of memory: a global, an alloca, a function, one
 * allocation site (cloned for each caller of an allocation wrapper, one
 * level), or something of the outside world.  A *node* is a field of an
 * object: an object and a byte offset, where arrays are collapsed into one
 * element (every index of a[i].f is one node).  Nodes of one object have
 * successive ids in order of their offset; an object that is accessed in a
 * way that its fields cannot be told apart has one node that stands for all
 * of it ("collapsed").
 *
 * Flow and context insensitive but for the cloning.  Sound for C as
 * middleboxes use it; what is assumed is in mbox-statealyzr(1). */

#include "model.h"
#include "types.h"

struct sa_tables;
struct sa_pta;

/* What memory is told apart by. */
enum sa_precision {
    SA_PRECISION_OBJECTS,       /* Objects and their fields. */
    SA_PRECISION_TYPES          /* Members of declared structs: a pointer to a
                                 * struct may point to any struct of its type
                                 * (pta-classes.c).  Large programs. */
};
const char *sa_precision_name(enum sa_precision);

enum sa_object_kind {
    SA_OBJECT_GLOBAL,
    SA_OBJECT_STACK,            /* An alloca. */
    SA_OBJECT_HEAP,             /* An allocation site. */
    SA_OBJECT_FUNCTION,
    SA_OBJECT_ARGUMENTS,        /* argv and environ, and what they point to. */
    SA_OBJECT_LIBRARY           /* What a library keeps or returns (FILE,
                                 * struct tm of gmtime(), a packet that
                                 * pcap_next() returns, ...). */
};

struct sa_object {
    enum sa_object_kind kind;
    LLVMValueRef site;          /* Global, function, alloca or call. */
    uint32_t insn;              /* Of the alloca or call, or SA_NONE. */
    uint32_t caller;            /* Call of the wrapper a heap object is cloned
                                 * for, or SA_NONE. */
    const struct sa_type *type; /* Declared, or what a heap object is used as;
                                 * NULL if unknown. */
    uint64_t size;              /* Of one element; 0 if unknown. */
    uint64_t base;              /* Where the first element begins: what an
                                 * allocation wrapper keeps is before it. */
    bool is_array;              /* Several elements share its nodes. */
    bool collapsed;             /* Its only node stands for all its bytes. */
    uint32_t first_node, n_nodes;
};

struct sa_node {
    uint32_t object;
    uint32_t offset;            /* Bytes from the start of the object, in the
                                 * first element. */
};

/* A set of nodes, ascending. */
struct sa_nodes {
    const uint32_t *ids;
    uint32_t n;
};

/* Statistics, for --stats. */
struct sa_pta_stats {
    uint32_t n_objects, n_nodes, n_variables, n_constraints;
    uint32_t n_collapsed_cycles, n_waves;
    uint32_t n_calls;           /* Pairs of a call and what it calls. */
    uint64_t sum_points_to;
    uint32_t max_points_to;
};

/* Runs the analysis.  'tables' gives the models of library functions
 * (tables.h: what allocates, copies, returns or keeps its argument, calls
 * back).  A library function without a model that gets or returns pointers,
 * and whatever else is not covered, is warned about once (diag.h). */
struct sa_pta *sa_pta_run(const struct sa_program *, struct sa_types *,
                          const struct sa_tables *);
/* With the given precision; NULL if that takes the solver more than
 * 'max_steps' steps, of which each is about a block of a set (nodeset.h): a
 * number that is the same on any machine. */
struct sa_pta *sa_pta_run_bounded(const struct sa_program *, struct sa_types *,
                                  const struct sa_tables *,
                                  enum sa_precision, uint64_t max_steps);
void sa_pta_destroy(struct sa_pta *);

const struct sa_object *sa_pta_objects(const struct sa_pta *, uint32_t *n);
const struct sa_node *sa_pta_nodes(const struct sa_pta *, uint32_t *n);

/* What a value may point to. */
struct sa_nodes sa_pta_value(const struct sa_pta *, uint32_t value);

/* What the pointer stored in a node may point to. */
struct sa_nodes sa_pta_content(const struct sa_pta *, uint32_t node);

/* Nodes that an access of 'size' bytes through pointer 'value' touches (a
 * load, a store, memcpy...).  0 bytes is an unknown number: up to the end of
 * the array or struct that begins where the pointer points to, or else of the
 * innermost struct around that; to the end of the object if its type is
 * unknown. */
void sa_pta_access(const struct sa_pta *, uint32_t value, uint64_t size,
                   void (*cb)(uint32_t node, void *aux), void *aux);

/* The same, but not for nodes that the pointer points to if keep() says false
 * (what it points to between these, sa_pta_cursors(), is always touched). */
void sa_pta_access_some(const struct sa_pta *, uint32_t value, uint64_t size,
                        bool (*keep)(uint32_t node, void *aux),
                        void (*cb)(uint32_t node, void *aux), void *aux);

/* Nodes of what a value points to in between nodes, having moved there. */
void sa_pta_cursors(const struct sa_pta *, uint32_t value,
                    void (*cb)(uint32_t node, void *aux), void *aux);

/* The number of bytes to ask sa_pta_access() for if an access through 'value'
 * is of 'size' bytes: 0 if the value has moved through memory in a way that is
 * not told apart. */
uint64_t sa_pta_extent(const struct sa_pta *, uint32_t value, uint64_t size);

/* Functions that a call instruction may call, ascending, defined or not;
 * callbacks that a library function calls at this instruction (qsort(),
 * pcap_loop(), pthread_create()) are in sa_pta_callbacks(). */
const uint32_t *sa_pta_callees(const struct sa_pta *, uint32_t insn,
                               uint32_t *n);
const uint32_t *sa_pta_callbacks(const struct sa_pta *, uint32_t insn,
                                 uint32_t *n);
/* Calls and registrations that may invoke a function. */
const uint32_t *sa_pta_callers(const struct sa_pta *, uint32_t function,
                               uint32_t *n);

/* The object of a global, alloca or allocation call (all clones: the first,
 * others follow with the same 'insn'), or SA_NONE. */
uint32_t sa_pta_object_of(const struct sa_pta *, uint32_t value);

void sa_pta_get_stats(const struct sa_pta *, struct sa_pta_stats *);

#endif /* pta.h */
