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

#ifndef STATE_INDEX_H
#define STATE_INDEX_H 1

/* Which nodes have a key, as st_list() found them or st_put() has made them,
 * so that exporting or deleting many does not search for each.  Nodes that are
 * freed leave it, so their blocks have to be watched (heap.h); others that the
 * program has made since are missing. */

#include "private.h"

struct st_index *st_index_create(void);
void st_index_destroy(struct st_index *);
void st_index_clear(struct st_index *, bool per_flow);
int st_index_add(struct st_index *, bool per_flow, uint32_t structure,
                 void *node, uint32_t bucket, const struct mbox_key *public);
size_t st_index_find(const struct st_index *, uint32_t structure,
                     const struct mbox_key *public, void *nodes[], size_t max);

/* Finds what was said of a node, or its key. */
bool st_index_key(const struct st_index *, uint32_t structure,
                  const void *node, struct mbox_key *);
bool st_index_bucket(const struct st_index *, uint32_t structure,
                     const void *node, uint32_t *bucket);

/* The node in a place, NULL if there is none, and its structure and key;
 * places are counted from 0, and begin again after the last. */
void *st_index_at(const struct st_index *, size_t place, uint32_t *structure,
                  struct mbox_key *public);

/* Takes out the nodes of a structure. */
void st_index_drop(struct st_index *, uint32_t structure);

/* Takes out what has the key. */
void st_index_forget(struct st_index *, const struct mbox_key *public);

/* Takes out nodes in the block at 'start', which is being freed, and tells
 * st->on_end of each, if 'st' is not NULL. */
void st_index_remove(struct st_index *, const void *start, size_t size,
                     struct st *);

#endif /* index.h */
