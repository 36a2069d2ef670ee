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

#ifndef STATEALYZR_MODREF_PRIVATE_H
#define STATEALYZR_MODREF_PRIVATE_H 1

/* Shared by modref.c and modref-insns.c only. */

#include <glib.h>
#include "array.h"
#include "modref.h"

struct sa_modref {
    const struct sa_program *program;
    const struct sa_pta *pta;
    const struct sa_tables *tables;
    const struct sa_object *objects;
    const struct sa_node *nodes;
    uint32_t n_nodes;

    bool *marks;                /* By node: for sets being made; all false. */
    uint32_t *read_set, *write_set;     /* By instruction. */
    GArray *pool;               /* uint32_t: the members of all sets. */
    GArray *starts;             /* size_t: of each set in 'pool'; an end. */
    GHashTable *interned;       /* Set number + 1 -> itself; by content. */
    GArray *copies;             /* struct sa_copy, by instruction. */
    struct sa_csr sets_of_node; /* Sets that a node is in. */
    struct sa_csr readers, writers;     /* Instructions with a set. */
    struct sa_csr callees;              /* By function. */
};

struct sa_nodes sa_modref_get(const struct sa_modref *, uint32_t set);

/* The number of the set of 'nodes', a GArray of uint32_t which this sorts. */
uint32_t sa_modref_intern(struct sa_modref *, GArray *nodes);

/* Finds the sets and copies of all instructions. */
void sa_modref_collect(struct sa_modref *);

#endif /* modref-private.h */
