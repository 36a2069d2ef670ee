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

#ifndef GEN_PLAN_H
#define GEN_PLAN_H 1

/* What the tables of a program will say
 * =====================================
 *
 * Made from the analyser's result (Documentation/statealyzr-json.md) and the
 * evidence in the program's code.  What cannot be moved is left out with a
 * line in the report that says why: nothing is moved on a guess. */

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "evidence.h"
#include "program-tables.h"

/* A pointer in a type. */
struct plan_pointer {
    char *name;
    uint64_t offset, count, stride;
    enum st_target target;
    uint32_t type, structure;
    bool owned;
    uint32_t header;
    uint32_t live, live_size;   /* Or ST_NONE. */
    uint32_t length, length_size;
    GArray *extents;            /* struct st_extent. */
};

struct plan_type {
    int json;                   /* Index in the analyser's types. */
    char *name;
    uint64_t size;
    uint64_t layout;
    uint32_t tail;              /* As in struct st_type. */
    struct st_extent length;
    GArray *pointers;           /* struct plan_pointer. */
    GArray *members;            /* struct st_member: with a rule of
                                 * merging. */
    GArray *left_out;           /* struct plan_range. */
    GArray *hooks;              /* struct plan_hook. */
};

/* As struct st_hook. */
struct plan_hook {
    char *name;
    uint64_t object, count, stride, offset, size;
    uint32_t live, live_size;
    const char *symbol;
};

/* As struct st_left_out. */
struct plan_range {
    uint64_t offset, size;
    uint64_t outputs;
};

/* A variable, or an array or other member in one that is a struct. */
struct plan_place {
    const char *symbol;
    uint64_t offset;
    uint64_t n;                 /* Elements. */
    int type;                   /* Of each. */
    char name[128];             /* For people: "state.hash". */
};

struct plan_list {
    const char *first, *last;   /* As in the evidence; 'last' may be NULL. */
    uint64_t n_buckets;
    uint32_t next, prev;
    bool append;
};

struct plan_tree {
    const struct evidence_tree *e;
    const char *variable;       /* Symbol. */
};

/* Elements of an array that are nodes in turn. */
struct plan_slots {
    const char *evidence;       /* The array, as in the evidence; NULL if nodes
                                 * are in the heap. */
    struct plan_place array, turn;
};

struct plan_reference {
    uint32_t pointer, structure, offset, size;
};

struct plan_count {
    struct plan_place place;
    uint64_t size;
};

struct plan_structure {
    struct json_object *json;
    const char *name;           /* "struct flow" */
    char *tag;                  /* "flow", as in the evidence. */
    int type_json;
    uint32_t type;
    bool per_flow, both_ways;
    GArray *lists;              /* struct plan_list. */
    GArray *trees;              /* struct plan_tree. */
    const char *container;      /* Symbol of the user's hook, or NULL. */
    struct plan_slots slots;
    GArray *keys;               /* struct st_key. */
    GArray *references;         /* struct plan_reference. */
    GArray *counts;             /* struct plan_count. */
    uint32_t header;
    uint32_t bucket_offset, bucket_size;
    uint32_t count_offset, count_size;
    GPtrArray *placement;       /* Symbols. */
    uint64_t unneeded;          /* As of struct st_structure. */
};

struct plan_variable {
    const char *symbol;
    uint64_t size;
    enum st_role role;
    enum st_target target;
    uint32_t type;
    bool is_object;
};

/* What the user says of a hook. */
struct plan_hook_setting {
    const char *name;           /* "struct flow.regex", "struct flow" */
    int type;                   /* The struct that has the member. */
    const char *member;         /* NULL: the hook keeps all of the type. */
    const char *symbol;
    bool used;
};

/* A structure that is not moved by itself. */
struct plan_refused {
    const char *name;
    int type_json;
    char *why;                  /* Lines of the report. */
};

struct plan {
    struct json_object *types, *json_structures, *variables;
    const struct evidence *evidence;
    char *const *leave_out;     /* "struct flow.bytes"... */
    guint n_left_out;           /* Of these, found. */
    GArray *hook_settings;      /* struct plan_hook_setting. */
    GHashTable *shared_names;   /* Tags that several structs have. */
    GPtrArray *plan_types;      /* struct plan_type. */
    GPtrArray *structures;      /* struct plan_structure. */
    GArray *refused;            /* struct plan_refused. */
    GArray *plan_variables;     /* struct plan_variable. */
    GPtrArray *bits;            /* Names of members that the program writes, */
    bool writes_known;          /* and whether that is all: see struct
                                 * st_program. */
    bool waits;                 /* Has packets from sockets: waits.h. */
    GPtrArray *outputs;         /* Names of output functions; the analyser's,
                                 * in that order. */
    GString *report;
};

/* Without structures yet. */
struct plan *plan_create(struct json_object *result, const struct evidence *,
                         char *const *leave_out);

/* Plans all; what the user sets is parsed. */
void plan_make(struct plan *);
void plan_destroy(struct plan *);

/* plan-types.c */

/* The index in plan_types of a type of the analyser. */
uint32_t plan_type_get(struct plan *, int json);

/* Sets what is before a node in its block: nodes are freed through their
 * lists.  Returns false if that is not understood. */
bool plan_header(const struct plan *, struct plan_structure *);

/* Whether a struct ends with an array of no length of its own. */
bool plan_is_open(const struct plan *, int json);

/* Size of the integer at 'offset' of a type; 0 if there is none. */
uint64_t plan_integer_at(const struct plan *, int type, uint64_t offset);

/* Finds the pointers in all types, and the types these lead to. */
void plan_types_complete(struct plan *);

/* plan-containers.c */

/* Sets the lists and trees; false, with a reason in the report, if not all
 * links are understood. */
bool plan_containers(struct plan *, struct plan_structure *);

/* Where the container begins that has all nodes; there is no hook. */
const char *plan_first_container(const struct plan_structure *);

/* Refuses a structure, with a reason. */
bool plan_refuse(struct plan *, const struct plan_structure *,
                 const char *why);

/* plan-strays.c */

/* The name of a variable by which the program may come to entries of a
 * structure, and that is neither part of what moves nor where a container of
 * theirs begins; or NULL.  If the user has a hook for the structure, that is
 * the hook's business. */
const char *plan_stray(const struct plan *, const struct plan_structure *);

/* plan-counts.c */

/* Sets what counts the nodes of structures that no hook keeps.  The report
 * says what else goes up and down with them. */
void plan_counts(struct plan *);

/* plan-slots.c */

/* What the evidence calls "V" or "V+OFFSET".  Returns false if there is no
 * such variable or member. */
bool plan_place(const struct plan *, const char *name, struct plan_place *);

/* Sets the slots if nodes are not in the heap.  False, with a reason in the
 * report, if it is not understood how they are used. */
bool plan_slots(struct plan *, struct plan_structure *);

/* plan-unmovable.c */

/* Whether all that a node has and owns is data; the report says what is
 * not. */
bool plan_movable(struct plan *, const struct plan_structure *);

/* plan-keys.c */

/* Reads what the user says of keys, each "struct NAME.MEMBER=PART", before
 * structures are looked at.  Returns false, with a reason in the report, if it
 * makes no sense. */
bool plan_keys_parse(struct plan *, char *const *settings);

/* plan-merge.c */

/* Sets rules of merging, each "struct NAME.MEMBER=RULE".  Returns false, with
 * a reason in the report, if one is not possible. */
bool plan_merge(struct plan *, char *const *settings);

/* Whether the runtime depends on some bytes of a type's objects: lengths. */
bool plan_type_needs(const struct plan_type *, uint64_t offset, uint64_t size);

/* Whether the runtime, or the program when it looks for the entry, depends on
 * some bytes of a structure's entries. */
bool plan_structure_needs(const struct plan *, const struct plan_structure *,
                          uint64_t offset, uint64_t size);

/* plan-outputs.c */

/* Sets what each output function does not need.  The report says it. */
void plan_outputs(struct plan *, struct json_object *result);

/* plan-names.c */

/* Finds out which names of structs are no names: several have them. */
void plan_find_shared_names(struct plan *, LLVMModuleRef);

/* Whether it is the tag of several structs. */
bool plan_name_is_shared(const struct plan *, const char *tag);

/* plan-strategies.c */

/* Whether each of plan_types moves, because it is of a structure or owned; to
 * be freed. */
bool *plan_moved_types(const struct plan *);

/* Says by what the members of what moves do so. */
void plan_report_strategies(struct plan *);

/* plan-hooks.c */

/* Reads what the user says of hooks, each "struct NAME.MEMBER=SYMBOL" or
 * "struct NAME=SYMBOL".  Returns false, with a reason in the report, if it
 * makes no sense. */
bool plan_hooks_parse(struct plan *, LLVMModuleRef, char *const *settings);

/* What moves a member of a struct, or, if 'member' is NULL, keeps those that
 * there are; or NULL. */
struct plan_hook_setting *plan_hook_of(const struct plan *, int type,
                                       const char *member);

/* Whether a hook moves the member at 'path' of a type ("half[].regex"), or one
 * that has it. */
bool plan_path_is_hooked(const struct plan *, int type, const char *path);

/* Whether each hook moves something; the report says which. */
bool plan_hooks_used(struct plan *);

/* json.c */
const char *json_text(struct json_object *, const char *member);
int64_t json_number(struct json_object *, const char *member);  /* -1: null. */
bool json_true(struct json_object *, const char *member);
struct json_object *json_list(struct json_object *, const char *member);

/* The type itself behind typedefs. */
int plan_canonical(const struct plan *, int type);
struct json_object *plan_json_type(const struct plan *, int type);

/* The member at 'path' ("key.port") of a struct.  Returns its type, -1 if
 * there is none. */
int plan_member(const struct plan *, int type, const char *path,
                uint64_t *offset);
struct json_object *plan_variable_json(const struct plan *,
                                       const char *symbol);

/* The structure whose nodes are of this type, or ST_NONE. */
uint32_t plan_structure_of(const struct plan *, int type);

void plan_say(struct plan *, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif /* plan.h */
