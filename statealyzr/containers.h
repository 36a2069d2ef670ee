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

#ifndef STATEALYZR_CONTAINERS_H
#define STATEALYZR_CONTAINERS_H 1

/* Containers
 * ==========
 *
 * How the entries of a structure are kept: from the members that point to the
 * structure itself and how the program walks them, after the idea of shape
 * inference (Ghiya, Hendren: "Is it a tree, a DAG, or a cyclic graph?", POPL
 * 1996), here with the verdict of the access patterns rather than of the heap.
 *
 *   a member that a loop follows                     next
 *   one that is set from the back of such a one      prev
 *   two or more that a loop or recursion chooses from    child
 *   an array whose index is computed, of first entries   hash, chained
 *   an array of entries whose index is computed and advanced   hash, open */

#include "packet.h"
#include "state.h"

struct sa_container {
    enum sa_container_kind kind;
    char *path;                 /* "flow_b[] then next". */
    GArray *links;              /* struct sa_link, by offset. */
    GArray *buffers;            /* struct sa_buffer, by offset. */
    GArray *allocations;        /* uint32_t, instructions. */
    GArray *variables;          /* uint32_t, that lead to its entries from
                                 * outside. */
    uint32_t index_fields;      /* Of the packet, in the index of an
                                 * array. */
    uint32_t index_insn;        /* That computes it, or SA_NONE. */
};

struct sa_containers;
struct sa_containers *sa_containers_run(const struct sa_analysis *,
                                        const struct sa_state *,
                                        const struct sa_packet *);
void sa_containers_destroy(struct sa_containers *);

/* Fields that the index into a declared array, or into what a variable points
 * to, has where an element is written; 0 if it has none, and where.  A table
 * that packets only read by such an index is not theirs. */
uint32_t sa_containers_index(const struct sa_containers *, uint32_t variable,
                             uint32_t *insn);

/* Of the structure of this index in the state. */
const struct sa_container *sa_containers_get(const struct sa_containers *,
                                             uint32_t structure);

#endif /* containers.h */
