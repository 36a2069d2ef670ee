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

#ifndef LB_MAGLEV_H
#define LB_MAGLEV_H 1

/* Maglev hashing
 * ==============
 *
 * The lookup table of section 3.4 of D. E. Eisenbud et al., "Maglev: A Fast
 * and Reliable Software Network Load Balancer", NSDI '16.  Each node has a
 * permutation of the table's entries, and the nodes take turns in taking the
 * first of theirs that is free.  So the table is spread evenly, depends on the
 * nodes' ids and weights only (all instances have the same one without talking
 * to each other), and when a node goes most entries of the others stay.
 *
 * A node of weight w takes w turns while one of weight 1 takes one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"

struct lb_maglev_node {
    uint64_t id;                /* Distinct; well mixed bits are not needed. */
    uint32_t weight;            /* 0: not in the table. */
};

#define LB_MAGLEV_MAX_NODES 4096
#define LB_MAGLEV_MAX_WEIGHT 1000

struct lb_maglev {
    uint16_t *table;            /* Indexes of nodes. */
    uint32_t size;              /* A prime. */
    bool empty;                 /* No node has a weight. */
};

bool lb_maglev_size_is_valid(uint32_t size);

/* Creates an empty table of a valid size. */
void lb_maglev_init(struct lb_maglev *, uint32_t size);
void lb_maglev_uninit(struct lb_maglev *);

/* Fills the table for 'n' nodes. */
void lb_maglev_build(struct lb_maglev *, const struct lb_maglev_node *,
                     size_t n);

/* A hash of 'key' that is the same in every process and on every host. */
uint32_t lb_maglev_hash(const struct mbox_key *key);

/* The index of the node for 'hash', or -1 if the table is empty. */
int lb_maglev_lookup(const struct lb_maglev *, uint32_t hash);

#endif /* lb-maglev.h */
