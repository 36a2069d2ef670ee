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

#ifndef STATE_NODES_H
#define STATE_NODES_H 1

/* Nodes: the objects that a program's containers hold. */

#include "private.h"

/* An integer of 'size' bytes at any address. */
uint64_t st_load(const void *, uint32_t size);
void st_store(void *, uint32_t size, uint64_t);
void *st_load_pointer(const void *);
void st_store_pointer(void *, const void *);

/* How many elements of a pointer member of the object are in use. */
uint32_t st_live(const struct st_pointer *, const void *object);

/* The key of a node as the program has it, both directions told apart. Returns
 * false if it makes no sense (no address family, a null pointer). */
bool st_node_key(const struct st_structure *, const void *node,
                 struct mbox_key *);

/* Whether one node is of both directions of a flow. */
bool st_is_both_ways(const struct st_structure *);

/* The key under which libmbox knows it: canonical. */
void st_public_key(const struct st_structure *, const struct mbox_key *exact,
                   struct mbox_key *public);

/* Goes through all nodes of a structure, and checks that its containers have
 * the shape that the tables say.  'cb' must not change them. */
typedef int st_node_cb(void *node, uint32_t bucket, void *aux);
int st_for_each(struct st *, uint32_t structure, st_node_cb *, void *aux);

/* Nodes with the public key: '*n', at most 'max' (<= ST_NODES_MAX) of them. */
int st_find(struct st *, uint32_t structure, const struct mbox_key *public,
            void *nodes[], size_t max, size_t *n);

/* Whether a node that had the public key when it was found, and was not freed
 * since, still has it: it may have got another, and slots are not freed. */
bool st_is_current(struct st *, const struct st_structure *, const void *node,
                   const struct mbox_key *public);

/* Finds what has the place of a node that is in no container: '*there' is the
 * node with just its key, in 'bucket' if there are lists, or NULL. */
int st_find_place(struct st *, uint32_t structure, void *node,
                  const struct mbox_key *exact, uint32_t bucket,
                  void **there);

/* Refuses if a tree has a node other than 'there' in the place of one that is
 * in no container. */
int st_check_place(struct st *, uint32_t structure, void *node,
                   const void *there);

/* Puts a node into, or takes it from, all lists, trees and counts.  'buckets'
 * has one for each list.  If it cannot be taken from a tree nothing is
 * changed. */
void st_link(struct st *, uint32_t structure, void *node,
             const uint32_t buckets[]);
int st_unlink(struct st *, uint32_t structure, void *node,
              const uint32_t buckets[]);

/* Puts a node into, or takes it from, all trees and the user's containers:
 * what they are ordered by is to change.  If it cannot be taken from one it is
 * in all. */
void st_link_trees(struct st *, uint32_t structure, void *node);
int st_unlink_trees(struct st *, uint32_t structure, void *node);

/* Where a node is in each of its structure's lists; its trees must have
 * it. */
int st_buckets(struct st *, uint32_t structure, void *node,
               uint32_t buckets[]);

/* Adds 'n' (1 or -1) to the counts of what the node refers to. */
void st_count_references(struct st *, uint32_t structure, void *node, int n);
uint64_t st_references(const struct st_structure *, const void *node);

#endif /* nodes.h */
