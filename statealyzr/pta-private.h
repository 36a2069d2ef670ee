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

#ifndef STATEALYZR_PTA_PRIVATE_H
#define STATEALYZR_PTA_PRIVATE_H 1

/* Inside the points-to analysis
 * =============================
 *
 *   pta-objects.c       objects and their nodes
 *   pta-solve.c         the constraint graph and the solver
 *   pta-copies.c        copies of memory
 *   pta-filters.c       what declared types keep out of sets
 *   pta-classes.c       what is told apart by types only
 *   pta-code.c          functions in members of structs, by types
 *   pta-values.c        vertices of values, constants
 *   pta-arithmetic.c    what pointer arithmetic amounts to
 *   pta-globals.c       what there is before any instruction: initialisers
 *   pta-constraints.c   constraints from instructions
 *   pta-calls.c         calls, library models, allocation wrappers' clones
 *   pta-alloc.c         heap objects and their types
 *   pta-chains.c        what wrappers hand on to an allocation
 *   wrappers.c          which functions are allocation wrappers
 *   pta.c               the interface, results
 *   pta-access.c        what accesses of memory touch
 *
 * The constraint graph has one *vertex* for each variable (a value in SSA
 * form, what a function returns) and for each node, that is for what is
 * stored in it. Vertices are never removed, but united: vertices in a cycle
 * of copies have the same points-to set ("rep"), and nodes that turn out to
 * overlap are the same place ("same", which implies the former). */

#include <glib.h>
#include "integers.h"
#include "layout.h"
#include "nodeset.h"
#include "pta.h"
#include "tables.h"
#include "wrappers.h"

#define PTA_MAX_OFFSET (INT64_C(1) << 40)   /* Beyond, it is unknown. */

/* Constraints on what a vertex points to, applied to each node in its set. */
enum constraint_kind {
    C_LOAD,                     /* other = *vertex. */
    C_STORE,                    /* *vertex = other. */
    C_LOAD_CODE,                /* The same, of a pta_is_code_access(). */
    C_STORE_CODE,
    C_GEP,                      /* geps[other].dst = vertex + offset. */
    C_CALL,                     /* Call instruction 'other' calls vertex. */
    C_CALLBACK,                 /* callbacks[other] calls vertex. */
    C_COPY_TO,                  /* copies[other] copies to *vertex. */
    C_COPY_FROM                 /* copies[other] copies from *vertex. */
};

struct constraint {
    enum constraint_kind kind;
    uint32_t other;
    uint32_t next;              /* Of the same vertex, or SA_NONE. */
};

/* Arithmetic on a pointer, as of a getelementptr instruction. */
struct gep {
    uint32_t dst;
    int64_t arithmetic;         /* Bytes, by the first index: p[3]. */
    int64_t path;               /* Bytes, by the others: p->a.b. */
    uint64_t stride;            /* Of variable indexes; 0 if none. */
    uint64_t extent;            /* Bytes these range over; 0 if unknown. */
    const struct sa_layout *layout; /* Of the struct that the pointer is used
                                     * as a pointer to, or NULL. */
    const struct sa_type *type;     /* The same, if known. */
    bool unambiguous;               /* No other struct looks like 'type'. */
    const struct sa_type *container;    /* The struct that arithmetic from a
                                         * member leads to, if known. */
    uint32_t code;              /* Variable with the pointers to functions that
                                 * it may lead to, of classes (pta-code.c); 0
                                 * if none. */
};

/* Where a part of a copy is from, as far as pta-code.c matters. */
enum copy_source {
    COPY_OTHER,
    COPY_CODE,                  /* A pta_is_code_member(). */
    COPY_BYTES                  /* Memory of no type. */
};

/* A part of what a copy of memory copies: a vertex between the nodes at this
 * distance from where it copies from, and those where it copies to. */
struct copy_part {
    uint64_t distance;          /* Bytes. */
    uint64_t modulus;           /* If nonzero: and at multiples of it... */
    uint64_t extent;            /* ...within so many bytes. */
    enum copy_source source;
    uint32_t vertex;
};

/* A copy of memory. */
struct copy {
    uint64_t size;              /* Bytes; 0 if unknown. */
    GArray *parts;              /* struct copy_part. */
    uint32_t all;               /* Vertex instead of parts, or SA_NONE. */
    struct nodeset to, from;    /* Nodes. */
};

/* A copy from memory of an object, and the node from which on it copies. */
struct copy_from {
    uint32_t copy;
    uint32_t node;
};

/* A call by a library function. */
struct callback {
    uint32_t insn;              /* The call of the library function. */
    uint32_t args[SA_MAX_EFFECT_ARGS];  /* Variables, or SA_NONE. */
    uint32_t n_args;
    bool all;                   /* Any argument for each parameter. */
    uint32_t result;            /* Gets what is returned, or SA_NONE. */
};

struct object_node {
    uint64_t offset;
    uint32_t node;
};

/* A node that stands for a pointer somewhere into a part of an object, as of
 * something that walks through a struct byte by byte. */
struct cursor {
    uint64_t start, end;        /* Offsets. */
    uint32_t node;              /* Holds what a load gets. */
    uint32_t stored;            /* Holds what a store has put there. */
};

struct object {
    enum sa_object_kind kind;
    LLVMValueRef site;
    uint32_t insn, caller;
    uint32_t function;          /* Of SA_OBJECT_FUNCTION. */
    const char *name;           /* Of SA_OBJECT_LIBRARY. */
    const struct sa_type *type;
    uint64_t size;              /* Bytes in all; 0 if unknown. */
    /* An object with a layout has nodes for its leaves.  One without has
     * nodes for the offsets that are used, from 'base' on modulo 'modulus'
     * unless that is 0; with 1 it is collapsed. */
    const struct sa_layout *layout;
    uint64_t base;              /* Where the layout or the first element
                                 * begins: before it there is what an
                                 * allocation wrapper keeps, one node. */
    uint64_t modulus;
    bool repeats;               /* The layout is of one element of several. */
    bool tail;                  /* Bytes follow the layout: one node. */
    bool declared;              /* The layout is known, not guessed. */
    bool constant;              /* Nothing is stored to it. */
    bool is_class;              /* Stands for all of its type. */
    bool relaid;                /* Its nodes' offsets changed: apply again what
                                 * depends on these. */
    GArray *nodes;              /* struct object_node, ascending. */
    GArray *cursors;            /* struct cursor. */
    GArray *copies_from;        /* struct copy_from: copies from it. */
};

struct vertex {
    uint32_t rep;               /* Union-find: same points-to set. */
    uint32_t same;              /* Union-find: same place. */
    uint32_t object;            /* SA_NONE for a variable. */
    uint64_t offset;
    uint32_t stored;            /* Of a cursor, else SA_NONE. */
    uint64_t end;
    bool numeric;               /* Its field is declared as no pointer. */
    uint32_t filter;            /* Of what it may point to; 0 if none. */
    struct nodeset points_to;
    struct nodeset delta;       /* Of these, what is yet to be propagated. */
    struct nodeset succs;       /* Copied to. */
    uint32_t constraints, last_constraint;
};

/* A points-to set of the result. */
struct result_set {
    const struct nodeset *key;  /* The set in terms of vertices. */
    struct sa_nodes nodes;
    uint32_t *cursors;          /* Vertices; 'nodes' has where they start. */
    uint32_t n_cursors;
};

struct sa_pta {
    const struct sa_program *program;
    struct sa_types *types;
    const struct sa_tables *tables;
    struct sa_layouts *layouts;
    struct sa_wrappers *wrappers;
    struct sa_integers integers;

    GArray *objects;            /* struct object. */
    GArray *vertices;           /* struct vertex. */
    GArray *constraints;
    GArray *geps;
    GArray *copies;
    GArray *callbacks;
    GArray *new_nodes;          /* uint32_t: not yet copied. */
    GArray *filters;            /* struct filter. */
    GHashTable *filter_ids;     /* Layout -> index + 1. */
    GArray *filtered_nodes;     /* uint32_t: all there are, to filter. */
    uint32_t *value_vertices;   /* First vertex of each value, or SA_NONE. */
    uint32_t *returns;          /* Vertex of each function's returned value. */
    uint32_t *varargs;          /* Object of each function's variable
                                 * arguments, or SA_NONE. */
    uint32_t *value_objects;    /* First object whose site is this value. */
    uint32_t literals;          /* Object of all string literals; SA_NONE if
                                 * there are none. */
    GHashTable *library_objects;    /* Name -> index + 1. */
    GHashTable *calls;          /* Connected (insn, function). */
    GHashTable *warned;         /* Names of functions without a model. */
    GHashTable *clones;         /* Site, caller and size -> object + 1. */
    GHashTable *used_layouts;   /* LLVM struct type -> struct used_layout *. */

    GArray **callees;           /* By instruction, of function ids; NULL. */
    GArray **callback_functions;
    GArray **callers;           /* By function, of instruction ids. */

    uint32_t n_edges, n_edges_ordered;
    bool by_types;              /* SA_PRECISION_TYPES: pta-classes.c. */
    struct pta_classes *classes;
    uint64_t n_steps, max_steps;    /* Of the solver. */
    bool relaid;                /* An object is. */
    struct sa_pta_stats stats;

    /* Results. */
    struct sa_object *result_objects;
    uint32_t n_result_objects;
    struct sa_node *result_nodes;
    uint32_t n_result_nodes;
    uint32_t *result_vertices;  /* The vertex of each node. */
    uint32_t *result_ids;       /* The node of each vertex. */
    struct result_set **result_sets;    /* By representative vertex; NULL if
                                         * empty. */
    struct result_set **direct_sets;    /* By value: what it is the address of,
                                         * NULL if unknown.  By types. */
    GHashTable *result_table;   /* Owns the sets: equal ones are shared. */
    uint32_t *result_object_of; /* By value. */
    struct node_range **ranges; /* By size up to PTA_MAX_RANGE, then by node;
                                 * NULL if nothing is known yet. */
    struct node_range **cursor_ranges;  /* By vertex: [0] to the end of the
                                         * object, [1] of its part. */
};

static inline struct vertex *
pta_vertex(const struct sa_pta *pta, uint32_t id)
{
    return &g_array_index(pta->vertices, struct vertex, id);
}

static inline struct object *
pta_object(const struct sa_pta *pta, uint32_t id)
{
    return &g_array_index(pta->objects, struct object, id);
}

/* pta.c: the steps of sa_pta_run(), of which pta_generate() and pta_solve()
 * are between these. */

struct sa_pta *pta_create(const struct sa_program *, struct sa_types *,
                          const struct sa_tables *);
/* Converts the results and frees what only the solver needs. */
void pta_finish(struct sa_pta *);

const struct result_set *pta_value_set(const struct sa_pta *, uint32_t value);

/* pta-access.c */

/* Accesses of up to so many bytes are remembered. */
#define PTA_MAX_RANGE 16

void pta_ranges_destroy(struct sa_pta *);

/* pta-objects.c */

/* The objects whose 'template' is given, but for its nodes.  Returns its
 * index. */
uint32_t pta_new_object(struct sa_pta *, const struct object *template);
void pta_object_uninit(struct object *);

/* Whether a node at 'offset' stands for what follows the layout. */
bool pta_is_tail(const struct object *, uint64_t offset);

/* Whether a 'part' begins at 'offset' of 'type'. */
bool pta_has_part(const struct sa_type *type, uint64_t offset,
                  const struct sa_type *part);

/* The node of 'object' at 'offset', made if need be; SA_NONE if it is
 * outside. */
uint32_t pta_node(struct sa_pta *, uint32_t object, int64_t offset);

/* The node that has the byte at 'offset', if there is one, else SA_NONE. */
uint32_t pta_existing_node(const struct sa_pta *, uint32_t object,
                           int64_t offset);

/* Greatest common divisor; of 0 and 'a', it is 'a'. */
uint64_t pta_gcd(uint64_t a, uint64_t b);

/* Takes note that an object, if it has no layout, is an array of 'stride'
 * bytes. */
void pta_set_modulus(struct sa_pta *, uint32_t object, uint64_t stride);

/* Whether a node may hold pointers, by the size and type of its field. */
bool pta_holds_pointers(const struct sa_pta *, uint32_t node);

/* Whether a pointer may be stored to a node: in what is declared const, there
 * is what it is initialised with. */
static inline bool
pta_is_writable(const struct sa_pta *pta, uint32_t node)
{
    return (!pta_object(pta, pta_vertex(pta, node)->object)->constant
            && pta_holds_pointers(pta, node));
}

/* The node for a pointer to anywhere in 'start' to 'end' of an object. */
uint32_t pta_cursor(struct sa_pta *, uint32_t object, uint64_t start,
                    uint64_t end);
static inline bool
pta_is_cursor(const struct sa_pta *pta, uint32_t node)
{
    return pta_vertex(pta, node)->stored != SA_NONE;
}

/* Applies 'gep' to a node: calls 'cb' for each node that results. */
void pta_apply_gep(struct sa_pta *, const struct gep *, uint32_t node,
                   void (*cb)(struct sa_pta *, uint32_t node, void *aux),
                   void *aux);

/* The end of an access of unknown length. */
#define PTA_UNBOUNDED (UINT64_C(1) << 62)
uint64_t pta_part_end(const struct object *, uint64_t offset);

/* Nodes that exist of 'object' from 'offset' on, of 'size' bytes (0: up to
 * pta_part_end()), all there can be if its layout is known: calls 'cb'. */
void pta_object_range(struct sa_pta *, uint32_t object, uint64_t offset,
                      uint64_t size, bool create,
                      void (*cb)(struct sa_pta *, uint32_t node, void *aux),
                      void *aux);

/* pta-solve.c */

uint32_t pta_new_variable(struct sa_pta *);
uint32_t pta_find(const struct sa_pta *, uint32_t vertex);
uint32_t pta_same(const struct sa_pta *, uint32_t node);
void pta_add_constraint(struct sa_pta *, uint32_t vertex,
                        enum constraint_kind, uint32_t other);
void pta_add_edge(struct sa_pta *, uint32_t from, uint32_t to);
void pta_add_points_to(struct sa_pta *, uint32_t vertex, uint32_t node);
void pta_add_gep(struct sa_pta *, uint32_t src, const struct gep *);
void pta_add_copy(struct sa_pta *, uint32_t to, uint32_t from, uint64_t size);
/* Makes two nodes one place. */
void pta_unite_nodes(struct sa_pta *, uint32_t a, uint32_t b);
void pta_apply_constraint(struct sa_pta *, struct constraint, uint32_t node);
void pta_solve(struct sa_pta *);

/* pta-copies.c */

void pta_copy_to(struct sa_pta *, uint32_t copy, uint32_t node);
void pta_copy_from(struct sa_pta *, uint32_t copy, uint32_t node);
/* Takes note of a new node, for the copies from its object. */
void pta_node_created(struct sa_pta *, uint32_t node);
/* Extends the copies to what pta_node_created() has taken note of. */
void pta_copy_new_nodes(struct sa_pta *);
void pta_copies_destroy(struct sa_pta *);

/* pta-filters.c */

/* What a variable of 'type' may point to: for a vertex's 'filter'. */
uint32_t pta_filter_of(struct sa_pta *, const struct sa_type *type);
/* The same, by the type that it points to. */
uint32_t pta_filter_to(struct sa_pta *, const struct sa_type *target);
/* The struct or union that a filter is for; NULL if it is for another type. */
const struct sa_type *pta_filter_struct(const struct sa_pta *,
                                        uint32_t filter);
/* The same of what is stored at 'offset' of an object. */
uint32_t pta_node_filter(struct sa_pta *, const struct object *,
                         uint64_t offset);
bool pta_passes(struct sa_pta *, uint32_t filter, uint32_t node);
/* Adds 'nodes' that pass its filter to what vertex 'to' points to; returns
 * whether that grew. */
bool pta_propagate(struct sa_pta *, const struct nodeset *nodes, uint32_t to);
void pta_filters_init(struct sa_pta *);
void pta_filters_destroy(struct sa_pta *);

/* pta-values.c */

/* The vertex of leaf 'leaf' of a value, or SA_NONE if it has no pointers. */
uint32_t pta_value_vertex(struct sa_pta *, LLVMValueRef, uint32_t leaf);
uint32_t pta_value_leaves(struct sa_pta *, LLVMTypeRef);
/* The type of the variable of the source that a value is, of the second one if
 * the first is a pointer to void; NULL if unknown. */
const struct sa_type *pta_variable_type(struct sa_pta *, LLVMValueRef);
/* 'n' variables: the first, SA_NONE if 'n' is 0. */
uint32_t pta_new_variables(struct sa_pta *, uint32_t n);
/* Sets size, type and layout of an object that the program declares with
 * 'type', and 'variable' (may be NULL) in the source. */
void pta_declare_object(struct sa_pta *, struct object *, LLVMTypeRef type,
                        const struct sa_variable *variable);

/* Whether a value is an integer that no pointer becomes, and that becomes
 * none, as far as values in registers tell. */
bool pta_is_mere_integer(const struct sa_pta *, LLVMValueRef);
/* The constant integer that a value is; returns false if it is none. */
bool pta_constant_int(LLVMValueRef, int64_t *result);
/* Whether what a phi gets from block 'i' is null: a constant, or what the
 * branch to there has found to be. */
bool pta_is_null_incoming(LLVMValueRef phi, unsigned int i);
/* The object and offset that a constant is the address of; returns false if it
 * is none. */
bool pta_constant_address(struct sa_pta *, LLVMValueRef, uint32_t *object,
                          int64_t *offset);

/* pta-arithmetic.c */

/* Whether a struct of the one layout looks to the linker as one of the other:
 * it gives both one name. */
bool pta_looks_like(const struct sa_layout *, const struct sa_layout *);
/* Adds what the pointer arithmetic of a getelementptr amounts to to 'gep'. */
void pta_describe_gep(struct sa_pta *, LLVMValueRef, struct gep *);
/* Whether a getelementptr instruction steps through memory byte by byte or
 * element by element, which is not told apart by types. */
bool pta_is_walk(struct sa_pta *, LLVMValueRef);
/* The struct that a pointer is used as a pointer to; NULL unless there is
 * exactly one. */
const struct sa_type *pta_used_as(struct sa_pta *, LLVMValueRef pointer);

/* pta-classes.c */

void pta_classes_init(struct sa_pta *);
void pta_classes_destroy(struct sa_pta *);
/* The element of an array of any depth, or the type itself; may be NULL. */
const struct sa_type *pta_element(const struct sa_type *);
/* Whether a type is a struct or union whose size is known; may be NULL. */
bool pta_is_aggregate(const struct sa_type *);
/* Whether memory of no type, or of integers, may be used as anything. */
bool pta_is_wild(const struct object *);
/* The object that stands for all of an aggregate type. */
uint32_t pta_class(struct sa_pta *, const struct sa_type *);
/* As pta_new_object(), of one that stands for all that are like it. */
uint32_t pta_shared_object(struct sa_pta *, const struct object *template);
/* Whether the node at 'offset' of an object is in a struct or union; then it
 * is at '*inner' of an element of the object. */
bool pta_in_element(const struct object *, uint64_t offset, uint64_t *inner);
/* Whether a node is in memory of no type, or of a library. */
bool pta_is_untyped(const struct sa_pta *, uint32_t node);
/* The node that stands for 'node' in sets: of a class, if it is in one. */
uint32_t pta_classify(struct sa_pta *, uint32_t node);
/* Makes a new node share its vertex with all of the same field, and what it
 * may point to begin with what its filter stands for. */
void pta_share_field(struct sa_pta *, uint32_t node);
/* Makes what 'vertex' may point to begin with what its filter stands for. */
void pta_seed_filter(struct sa_pta *, uint32_t vertex);
/* Whether the pointer of a class or object at 'offset' of 'type' may be used
 * as a pointer to 'part'. */
bool pta_may_be(const struct sa_type *type, uint64_t offset,
                const struct sa_type *part);
/* The same of a pointer to a pointer or an integer. */
bool pta_may_be_scalar(const struct sa_type *type, uint64_t offset,
                       const struct sa_type *part);
/* Whether one begins as the other does, or both are of the system. */
bool pta_begins_alike(const struct sa_type *, const struct sa_type *);
/* To be called once sets are final, before nodes are numbered. */
void pta_infer_types(struct sa_pta *);
/* To be called once nodes are numbered. */
void pta_find_members(struct sa_pta *);
/* Whether the node is one of a class; adds the results' nodes that it stands
 * for to 'ids' if so. */
bool pta_expand(struct sa_pta *, uint32_t node, GArray *ids);
/* The node that a value is always the address of, SA_NONE if unknown. */
uint32_t pta_direct_node(struct sa_pta *, uint32_t value);

/* pta-code.c: nothing of this is so but by types. */

/* Whether getelementptr instruction 'address' leads to a member that is
 * declared as a pointer to a function, of a struct that is known. */
bool pta_is_code_access(struct sa_pta *, LLVMValueRef address);
/* Whether a node is such a member, of declared memory or a class. */
bool pta_is_code_member(struct sa_pta *, uint32_t node);
/* Sets 'code' of 'gep', which pta_describe_gep() has described, of
 * 'address'. */
void pta_describe_code(struct sa_pta *, LLVMValueRef address, struct gep *);
/* The part of pta_apply_gep() that is for such members. */
void pta_apply_code(struct sa_pta *, const struct gep *, uint32_t node,
                    void (*cb)(struct sa_pta *, uint32_t node, void *aux),
                    void *aux);

/* pta-globals.c */

/* The object of what is named: shared by all that ask. */
uint32_t pta_library_object(struct sa_pta *, const char *name);
/* Its node, for a pointer to it; what it refers to is the library's, too. */
uint32_t pta_library_node(struct sa_pta *, const char *name);
void pta_generate_globals(struct sa_pta *);

/* pta-constraints.c */

void pta_generate(struct sa_pta *);

/* pta-alloc.c */

struct pta_chain;

/* The heap object that the last call of a chain allocates.  'caller' is the
 * first, if it is the call of a wrapper for which the object is cloned, else
 * SA_NONE.  'base': where the wrapper's result points to. */
uint32_t pta_heap_object(struct sa_pta *, const struct pta_chain *,
                         uint32_t caller, int64_t base,
                         const struct sa_effect *);
/* The declared type of what pointer 'address' is the address of, if it is a
 * variable or a member; else NULL. */
const struct sa_type *pta_type_at(struct sa_pta *, LLVMValueRef address);
/* The same if it is a pointer, and no member of a union; may be NULL. */
const struct sa_type *pta_pointer_at(struct sa_pta *, LLVMValueRef address);
/* The struct that getelementptr instruction 'address' leads into, to '*offset'
 * bytes from its start; NULL if unknown. */
const struct sa_type *pta_struct_at(struct sa_pta *, LLVMValueRef address,
                                    uint64_t *offset);
/* Whether allocation 'insn' is in a wrapper all whose callers have objects of
 * their own. */
bool pta_is_cloned(struct sa_pta *, uint32_t insn);
/* What 'insn' gets as result of calling wrapper 'function'. */
void pta_call_wrapper(struct sa_pta *, uint32_t insn, uint32_t function);

/* pta-chains.c */

/* The calls that lead from a caller of allocation wrappers to the allocation,
 * which is the last. */
#define PTA_MAX_CHAIN 8
struct pta_chain {
    LLVMValueRef calls[PTA_MAX_CHAIN + 1];
    int n;
};

/* The value that argument 'value' of the last call of a chain is in the
 * caller, but for '*offset' bytes, if wrappers just hand it on. */
LLVMValueRef pta_chain_argument(struct sa_pta *, const struct pta_chain *,
                                LLVMValueRef value, int64_t *offset);
/* The number of bytes that the last call allocates, 0 if it is not the same
 * each time. */
uint64_t pta_chain_size(const struct pta_chain *, const struct sa_effect *);
/* Whether an argument of a call is a sum of at least 'size' and something:
 * room for a struct and what follows it. */
bool pta_chain_adds_to(const struct pta_chain *, uint64_t size);

/* pta-calls.c */

void pta_generate_call(struct sa_pta *, uint32_t insn);
void pta_connect_call(struct sa_pta *, uint32_t insn, uint32_t function);
void pta_connect_callback(struct sa_pta *, uint32_t callback,
                          uint32_t function);

#endif /* pta-private.h */
