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

#ifndef STATE_OBJECTS_H
#define STATE_OBJECTS_H 1

/* A node and the objects of the heap that it owns. */

#include "private.h"

struct st_object {
    uint8_t *start;             /* Of its block. */
    size_t size;
    uint32_t offset;            /* Of the object in the block. */
    uint32_t type;              /* ST_NONE: bytes. */
    uint32_t structure;         /* ST_NONE: it is no node. */
    bool wanted;                /* Or needed by one that is. */
    bool owned;                 /* By a member that the program frees. */
};

/* A pointer that cannot be moved. */
struct st_refused {
    const uint8_t *at;
    char why[256];
};

struct st_objects {
    struct st_object *objects;
    uint32_t n, allocated;
    struct st_refused *refused; /* If they are looked at only. */
    uint32_t n_refused;
    uint64_t without;           /* Left out is what has one of these bits in
                                 * st_left_out.outputs. */
};

void st_objects_uninit(struct st_objects *);

/* Adds a node behind the nodes that it refers to, and then what it owns. */
int st_objects_add(struct st *, struct st_objects *, uint32_t structure,
                   void *node, bool wanted);

/* Only the node and what it owns. */
int st_objects_owned(struct st *, struct st_objects *, uint32_t structure,
                     void *node);

/* The object whose block has the byte at 'p', or ST_NONE. */
uint32_t st_objects_find(const struct st_objects *, const void *p);

/* Frees what hooks have to free of all objects; the blocks stay. */
void st_objects_release(const struct st *, const struct st_objects *);

/* Has what hooks have stopped in them go on. */
void st_objects_resume(const struct st *, const struct st_objects *);

/* How many objects of a type follow each other in 'size' bytes. */
uint64_t st_elements(const struct st_type *, uint64_t size);

/* Whether the member at 'offset' of a type's objects is left out, if what has
 * one of the bits 'without' is. */
bool st_is_left_out(const struct st_type *, uint64_t without, uint32_t offset);

/* How many of the elements of a pointer an image has references for, of those
 * that are not left out themselves: none if it is left out how many are in
 * use. */
uint32_t st_referring(const struct st_type *, const struct st_pointer *,
                      const void *object, uint64_t without);

/* How many elements of the object's type the block has. */
uint64_t st_object_elements(const struct st *, const struct st_object *);

#endif /* objects.h */
