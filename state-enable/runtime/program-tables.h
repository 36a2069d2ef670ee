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

#ifndef STATE_PROGRAM_TABLES_H
#define STATE_PROGRAM_TABLES_H 1

/* What the runtime knows of a program
 * ===================================
 *
 * Tables that mbox-state-gen writes for one program, from the analyser's
 * result and the program's bitcode.  The runtime interprets them; nothing else
 * in it knows of the program.  Offsets and sizes are in bytes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ST_NONE UINT32_MAX

/* What a write of the program is to, in bits: members of what moves have names
 * (struct st_program); BYTES is what no member is known of.  FLOWS, HOSTS: it
 * may be to a container of these.  ANY: it may be to anything. */
#define ST_WRITE_FLOWS UINT64_C(1)
#define ST_WRITE_HOSTS UINT64_C(2)
#define ST_WRITE_MEMBER(INDEX) (UINT64_C(4) << (INDEX))
#define ST_WRITE_N_MEMBERS 60
#define ST_WRITE_ANY (UINT64_C(1) << 62)
#define ST_WRITE_BYTES (UINT64_C(1) << 63)

/* What a pointer member leads to. */
enum st_target {
    ST_TO_TYPE,                 /* An object of 'type'. */
    ST_TO_BYTES,                /* Characters. */
    ST_TO_FUNCTION,
    ST_TO_OPAQUE,               /* Not known: only NULL can be moved. */
    ST_TO_NODE,                 /* A node of 'structure'. */
    ST_LINK,                    /* A neighbour in a container of the structure:
                                 * set when the node is linked. */
};

/* An integer that the program goes by in memory: so many elements are there at
 * least. */
struct st_extent {
    uint32_t offset, size;
    uint32_t unit;              /* Bytes of an element. */
};

/* A pointer, or an array of them, in a type.  Arrays of structs that have
 * pointers repeat them: 'count' times, 'stride' bytes apart. */
struct st_pointer {
    const char *name;
    uint32_t offset;
    uint32_t count;
    uint32_t stride;
    enum st_target target;
    uint32_t type;              /* ST_TO_TYPE: index in types. */
    uint32_t structure;         /* ST_TO_NODE: index in structures. */
    bool owned;                 /* The program frees what it leads to. */
    uint32_t header;            /* If owned: bytes before that in its block,
                                 * which the program frees. */
    uint32_t live;              /* Offset of the integer that says how many of
                                 * the 'count' are in use; ST_NONE: all. */
    uint32_t live_size;
    uint32_t length;            /* Offset of the integer that says how many
                                 * bytes or elements are behind the pointer;
                                 * ST_NONE: not known.  Of single pointers. */
    uint32_t length_size;
    const struct st_extent *extents;    /* More of that kind, with their
                                         * units. */
    uint32_t n_extents;
};

/* How a member is combined with what the importer has. */
enum st_merge {
    ST_KEEP, ST_REPLACE, ST_MAX, ST_SUM, ST_UNION,
};

struct st_member {
    const char *name;
    uint32_t offset;
    uint32_t size;              /* 1, 2, 4, 8 */
    bool is_signed;
    enum st_merge merge;
};

/* A member that is not exported: by the user's wish, or for output functions
 * (bits, as in struct st_program) that do not need it. */
#define ST_LEFT_OUT_ALWAYS (UINT64_C(1) << 63)
struct st_left_out {
    uint32_t offset, size;
    uint64_t outputs;
};

struct mbox_state_container;
struct mbox_state_hook;

/* A member that a hook moves, or an array of structs that have it. */
struct st_hook {
    const char *name;
    uint32_t object;            /* Offset of the struct that has the member:
                                 * 'count' of them, 'stride' bytes apart. */
    uint32_t count;
    uint32_t stride;
    uint32_t offset;            /* Of the member in that struct. */
    uint32_t size;
    uint32_t live;              /* As of a pointer. */
    uint32_t live_size;
    const struct mbox_state_hook *functions;
};

struct st_type {
    const char *name;           /* "struct flow" */
    uint32_t size;
    uint64_t layout;            /* Hash of its members. */
    uint32_t tail;              /* If not 0, where an array begins that goes to
                                 * the end of the block: there is one object
                                 * in it. */
    struct st_extent length;    /* Elements of that. */
    const struct st_pointer *pointers;
    uint32_t n_pointers;
    const struct st_member *members;    /* Integers with a rule other than
                                         * ST_KEEP. */
    uint32_t n_members;
    const struct st_left_out *left_out;
    uint32_t n_left_out;
    const struct st_hook *hooks;
    uint32_t n_hooks;
};

/* What has an address: a variable, a constant, a function.  Its index means
 * the same in every instance of the same build. */
struct st_symbol {
    const char *name;
    const void *address;
    uint64_t size;              /* Of a function: 1. */
    enum st_target target;      /* What it is to a pointer: an object or array
                                 * of ST_TO_TYPE, ST_TO_BYTES, ST_TO_FUNCTION;
                                 * ST_TO_OPAQUE: nothing may point to it. */
    uint32_t type;
};

enum st_role {
    ST_STATIC,                  /* Set at start; objects that it leads to are
                                 * the same in every instance. */
    ST_PLACEMENT,               /* Set at start; where nodes are placed depends
                                 * on it. */
};

struct st_variable {
    const char *name;
    void *address;
    uint32_t size;              /* Of all elements. */
    enum st_role role;
    enum st_target target;      /* ST_STATIC: its elements are pointers to
                                 * ST_TO_TYPE or ST_TO_BYTES, or objects of a
                                 * type if 'is_object'. */
    uint32_t type;
    bool is_object;
};

/* A list, or an array of lists (chained hash), that nodes are in. */
struct st_list {
    void **first;               /* Node, or nodes, whose 'prev' is NULL. */
    uint32_t n_buckets;         /* Elements of 'first'. */
    void **last;                /* Node whose 'next' is NULL; may be NULL, and
                                 * must be if n_buckets > 1. */
    uint32_t next;              /* Offset of the member. */
    uint32_t prev;              /* ST_NONE for a single list. */
    bool append;                /* The program adds at 'last'. */
};

/* A binary search tree that nodes are in.  The program's own functions change
 * it and order it; the last of them reads no memory but the two nodes, no
 * pointers in these, and constants. */
struct st_tree {
    void *head;                 /* What they are given, and in it */
    void **root;                /* the node without a parent. */
    uint32_t children[2];       /* Offsets of the members. */
    uint32_t parent;            /* ST_NONE if there is none. */
    void (*insert)(void *head, void *node);
    void (*remove)(void *head, void *node);
    int (*compare)(void *, void *);
};

/* An array whose elements are nodes if they are in the structure's first list.
 * The program takes them into use in turn, out of all lists if they are in
 * some. */
struct st_slots {
    uint8_t *first;
    uint32_t n;
    void *turn;                 /* The integer that is the index of the
                                 * next. */
    uint32_t turn_size;
};

enum st_key_part {
    ST_ADDRESS_A, ST_ADDRESS_B, ST_PORT_A, ST_PORT_B, ST_PROTO,
};

/* A member that holds a part of the key. */
struct st_key {
    enum st_key_part part;
    uint32_t via;               /* Offset of the pointer to the object that
                                 * has it, ST_NONE if it is the node itself. */
    uint32_t offset;            /* In that object. */
    uint32_t size;              /* Addresses: 4, or 16 (IPv4 in the first 4).
                                 * Ports: 2 or 4. */
    bool host_order;
    uint32_t version;           /* Offset of the integer that tells IPv4 from
                                 * IPv6 (4 and 6, or address families), beside
                                 * an address of 16 bytes; ST_NONE: 12 zeros at
                                 * the end mean IPv4. */
    uint32_t version_size;
};

/* An integer of another node that counts the references to it. */
struct st_reference_count {
    uint32_t pointer;           /* Offset of the member that refers. */
    uint32_t structure;         /* To a node of this. */
    uint32_t offset;            /* There. */
    uint32_t size;
};

/* An integer variable that is the number of nodes. */
struct st_count {
    void *address;
    uint32_t size;
};

struct st_structure {
    const char *name;
    uint32_t type;
    uint32_t header;            /* Bytes before a node in its block. */
    bool per_flow;              /* Or of an address. */
    bool both_ways;             /* One node for both directions of a flow. */
    uint8_t proto;              /* If no part of the key. */
    uint64_t unneeded;          /* Output functions that need nothing of it. */

    /* Its containers, at least one if the user has none.  The first list, or
     * if there is none the first tree, has all nodes; that tree compares them
     * by their key, and by nothing else. */
    const struct st_list *lists;
    uint32_t n_lists;
    const struct st_tree *trees;
    uint32_t n_trees;

    /* The user's, instead of lists and trees; or NULL. */
    const struct mbox_state_container *container;

    const struct st_slots *slots;       /* NULL: nodes are in the heap. */

    const struct st_key *keys;
    uint32_t n_keys;
    const struct st_reference_count *references;
    uint32_t n_references;
    const struct st_count *counts;
    uint32_t n_counts;
    uint32_t bucket_offset;     /* A member that holds the bucket of the first
                                 * list, or ST_NONE. */
    uint32_t bucket_size;
    uint32_t count_offset;      /* Where this structure's nodes are counted
                                 * (by 'references' of others), or ST_NONE. */
    uint32_t count_size;
};

struct st_program {
    const char *name;
    uint64_t build;             /* Hash of the program. */
    bool sends;                 /* It sends packets itself: what it reads is
                                 * not passed on. */
    const char *layout;         /* What images have where, for mbox-state(8);
                                 * NULL: nobody knows. */
    const struct st_type *types;
    uint32_t n_types;
    const struct st_structure *structures;
    uint32_t n_structures;
    const struct st_variable *variables;
    uint32_t n_variables;
    const struct st_symbol *symbols;
    uint32_t n_symbols;
    const char *const *outputs; /* Names of functions: at most 63. */
    uint32_t n_outputs;
    const char *const *bits;    /* Of ST_WRITE_MEMBER(): "struct flow.a,
                                 * struct flow.b". */
    uint32_t n_bits;
    bool writes_known;          /* No write is missed; or else a packet's own
                                 * flow and hosts always count as changed. */
};

#endif /* program-tables.h */
