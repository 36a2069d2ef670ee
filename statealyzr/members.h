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

#ifndef STATEALYZR_MEMBERS_H
#define STATEALYZR_MEMBERS_H 1

/* The members of a struct, flat: what a report calls a variable of a heap
 * structure.
 *
 * A member that is a struct of the program is its members ("key.src"), one in
 * an array too ("side[].bytes"); those of an anonymous struct or union are the
 * outer one's.  A named union, an array of anything else and a struct of the
 * system's headers (struct timeval) is one member. */

#include <glib.h>

#include "types.h"

struct sa_leaf {
    char *path;
    uint32_t offset;            /* Bytes from the start of the struct. */
    uint64_t size;              /* Bytes; of one element of an array. */
    uint64_t n_elements;        /* 1 if it is not (in) an array. */
    uint64_t extent;            /* Bytes from 'offset' that it covers within an
                                 * element of the innermost array that it is a
                                 * member of. */
    bool is_bit_field;
    uint32_t first_bit;         /* Of a bit field, from 'offset'. */
    uint32_t n_bits;
    const struct sa_type *type; /* Of one element. */
};

/* struct sa_leaf, by offset; g_array_unref(). */
GArray *sa_members_flatten(const struct sa_type *);

/* A pointer member, an array of pointers included. */
bool sa_leaf_is_pointer(const struct sa_leaf *);

/* The struct that a type is, an array or typedef of it included, or NULL. */
const struct sa_type *sa_element_struct(const struct sa_type *);

/* Whether a struct is another one, or has it as a member at any depth. */
bool sa_type_holds(const struct sa_type *whole, const struct sa_type *part);

/* Whether a variable that is declared as 'type' (NULL: unknown) can lead to
 * objects that are 'structure' (NULL: of no type): a pointer, to pointers or
 * not, to what holds the struct or is held by it, or to void.  A union or an
 * integer of the size may hold any pointer. */
bool sa_type_leads_to(const struct sa_type *type,
                      const struct sa_type *structure);

/* Whether a type is from a header of the system. */
bool sa_type_is_foreign(const struct sa_type *);

#endif /* members.h */
