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

#ifndef STATEALYZR_TYPES_H
#define STATEALYZR_TYPES_H 1

/* Types of the source, from debug information
 * ===========================================
 *
 * What LLVM's own types no longer tell (pointers are opaque): structures with
 * their members' names, offsets and types.  Types are interned: one struct
 * sa_type for each distinct type after qualifiers are stripped, also where
 * each source file has its own description of it; a struct that one file only
 * declares is what another one defines.  Typedefs keep their name but share
 * the layout. */

#include "model.h"

enum sa_type_kind {
    SA_TYPE_VOID,
    SA_TYPE_INT,                /* Integers, bool, char, enum. */
    SA_TYPE_FLOAT,
    SA_TYPE_POINTER,            /* 'target' may be void. */
    SA_TYPE_FUNCTION,
    SA_TYPE_STRUCT,
    SA_TYPE_UNION,
    SA_TYPE_ARRAY,              /* 'target' times 'n_elements'. */
    SA_TYPE_OPAQUE              /* Declared only. */
};

struct sa_member {
    const char *name;           /* "" for an anonymous struct or union. */
    uint32_t bit_offset;        /* From the start of the struct. */
    uint32_t bit_size;          /* Not a multiple of 8 for bit fields. */
    bool is_bit_field;
    const struct sa_type *type;
};

struct sa_enumerator {
    const char *name;
    int64_t value;
};

struct sa_type {
    enum sa_type_kind kind;
    uint32_t id;                /* Dense, deterministic. */
    const char *name;           /* "struct flow", "uint32_t", "" if none. */
    const struct sa_type *canonical;    /* Without typedef: itself if it is
                                 * none.  A nameless struct gets the name of
                                 * its first typedef. */
    struct sa_loc loc;          /* Of the definition, for structs. */
    uint64_t size;              /* Bytes; 0 if unknown. */
    bool is_signed;
    const struct sa_type *target;   /* Pointer, array. */
    uint64_t n_elements;        /* Array; 0 for a flexible one. */
    const struct sa_member *members;
    size_t n_members;
    const struct sa_enumerator *enumerators;    /* Of an enumeration. */
    size_t n_enumerators;
};

struct sa_types;
struct sa_types *sa_types_create(const struct sa_program *);
void sa_types_destroy(struct sa_types *);

/* The type of a DIType (NULL gives void). */
const struct sa_type *sa_type_of(struct sa_types *, LLVMMetadataRef di_type);

/* The struct or union of a name ("flow" for "struct flow", or a typedef), or
 * NULL. */
const struct sa_type *sa_type_by_name(const struct sa_types *, const char *);

/* The outermost type of 'size' bytes at 'offset' in a type, or NULL. */
const struct sa_type *sa_type_part(const struct sa_type *, uint64_t offset,
                                   uint64_t size);

/* Writes the access path of the byte at 'offset' in 'type' ("hdr.ports[].src";
 * an array's index is "[]") to 'path' as a C string to free, and returns the
 * innermost type there.  NULL if the offset is in padding or outside. */
const struct sa_type *sa_type_path(const struct sa_type *, uint64_t offset,
                                   char **pathp);

/* All distinct struct types, ordered by id. */
const struct sa_type *const *sa_types_structs(const struct sa_types *,
                                              size_t *n);

#endif /* types.h */
