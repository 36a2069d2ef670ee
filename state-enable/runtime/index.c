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

#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A block is found by the addresses of the nodes in its first bytes: programs
 * put only a small header before an object. */
#define HEADER_MAX 64

/* Nodes so close together have one bucket. */
#define NODE_GRAIN 64

struct entry {
    void *node;                 /* NULL: it is not in use. */
    struct mbox_key key;
    uint32_t structure, bucket;
    bool per_flow;
    uint32_t next_key, next_node;   /* Index + 1. */
};

struct st_index {
    struct entry *entries;
    size_t n, allocated;        /* 'n' of them have been used. */
    size_t n_live;              /* Of these, in use now. */
    uint32_t unused;            /* Chain of the others, by next_key. */
    uint32_t *by_key, *by_node; /* Index + 1. */
    size_t n_buckets;           /* A power of two. */
};

struct st_index *
st_index_create(void)
{
    return calloc(1, sizeof(struct st_index));
}

static void
clear_all(struct st_index *index)
{
    free(index->entries);
    free(index->by_key);
    free(index->by_node);
    memset(index, 0, sizeof *index);
}

void
st_index_destroy(struct st_index *index)
{
    if (index) {
        clear_all(index);
        free(index);
    }
}

static size_t
key_bucket(const struct st_index *index, const struct mbox_key *key)
{
    return mbox_key_hash(key, 0) & (index->n_buckets - 1);
}

static size_t
node_bucket(const struct st_index *index, uintptr_t node)
{
    return (node / NODE_GRAIN) & (index->n_buckets - 1);
}

static void
hang_in(struct st_index *index, size_t i)
{
    struct entry *e = &index->entries[i];
    uint32_t *by_key = &index->by_key[key_bucket(index, &e->key)];
    uint32_t *by_node = &index->by_node[node_bucket(index,
                                                    (uintptr_t) e->node)];

    e->next_key = *by_key;
    *by_key = i + 1;
    e->next_node = *by_node;
    *by_node = i + 1;
}

static void
unlink_from(struct st_index *index, uint32_t *link, size_t i, bool by_key)
{
    while (*link != i + 1) {
        struct entry *e = &index->entries[*link - 1];

        link = by_key ? &e->next_key : &e->next_node;
    }
    *link = (by_key ? index->entries[i].next_key
             : index->entries[i].next_node);
}

/* The entry can be used again. */
static void
take_out(struct st_index *index, size_t i)
{
    struct entry *e = &index->entries[i];

    unlink_from(index, &index->by_key[key_bucket(index, &e->key)], i, true);
    unlink_from(index, &index->by_node[node_bucket(index,
                                                   (uintptr_t) e->node)],
                i, false);
    e->node = NULL;
    e->next_key = index->unused;
    index->unused = i + 1;
    index->n_live--;
}

/* All entries are in use. */
static int
grow(struct st_index *index)
{
    size_t n = index->allocated ? 2 * index->allocated : 64;
    struct entry *entries = realloc(index->entries, n * sizeof *entries);
    uint32_t *by_key = calloc(n, sizeof *by_key);
    uint32_t *by_node = calloc(n, sizeof *by_node);

    if (entries) {
        index->entries = entries;
    }
    if (!entries || !by_key || !by_node) {
        free(by_key);
        free(by_node);
        return -ENOMEM;
    }
    free(index->by_key);
    free(index->by_node);
    index->by_key = by_key;
    index->by_node = by_node;
    index->n_buckets = index->allocated = n;
    for (size_t i = 0; i < index->n; i++) {
        hang_in(index, i);
    }
    return 0;
}

void
st_index_clear(struct st_index *index, bool per_flow)
{
    for (size_t i = 0; i < index->n; i++) {
        const struct entry *e = &index->entries[i];

        if (e->node && e->per_flow == per_flow) {
            take_out(index, i);
        }
    }
    if (!index->n_live) {
        clear_all(index);
    }
}

int
st_index_add(struct st_index *index, bool per_flow, uint32_t structure,
             void *node, uint32_t bucket, const struct mbox_key *key)
{
    size_t i = index->n;

    if (index->unused) {
        i = index->unused - 1;
        index->unused = index->entries[i].next_key;
    } else {
        int error = index->n < index->allocated ? 0 : grow(index);

        if (error) {
            return error;
        }
        index->n++;
    }
    index->entries[i] = (struct entry) {
        .node = node, .key = *key, .structure = structure,
        .bucket = bucket, .per_flow = per_flow,
    };
    hang_in(index, i);
    index->n_live++;
    return 0;
}

size_t
st_index_find(const struct st_index *index, uint32_t structure,
              const struct mbox_key *key, void *nodes[], size_t max)
{
    size_t n = 0;

    if (!index->n_buckets) {
        return 0;
    }
    for (uint32_t i = index->by_key[key_bucket(index, key)]; i && n < max;
         i = index->entries[i - 1].next_key) {
        const struct entry *e = &index->entries[i - 1];

        if (e->structure == structure && mbox_key_equal(&e->key, key)) {
            nodes[n++] = e->node;
        }
    }
    return n;
}

/* The entry of a node, or NULL. */
static const struct entry *
find_node(const struct st_index *index, uint32_t structure, const void *node)
{
    uint32_t i = (index->n_buckets
                  ? index->by_node[node_bucket(index, (uintptr_t) node)] : 0);

    for (; i; i = index->entries[i - 1].next_node) {
        const struct entry *e = &index->entries[i - 1];

        if (e->node == node && e->structure == structure) {
            return e;
        }
    }
    return NULL;
}

bool
st_index_bucket(const struct st_index *index, uint32_t structure,
                const void *node, uint32_t *bucket)
{
    const struct entry *e = find_node(index, structure, node);

    if (e) {
        *bucket = e->bucket;
    }
    return e != NULL;
}

bool
st_index_key(const struct st_index *index, uint32_t structure,
             const void *node, struct mbox_key *key)
{
    const struct entry *e = find_node(index, structure, node);

    if (e) {
        *key = e->key;
    }
    return e != NULL;
}

void *
st_index_at(const struct st_index *index, size_t place, uint32_t *structure,
            struct mbox_key *key)
{
    const struct entry *e = (index->n ? &index->entries[place % index->n]
                             : NULL);

    if (!e || !e->node) {
        return NULL;
    }
    *structure = e->structure;
    *key = e->key;
    return e->node;
}

void
st_index_drop(struct st_index *index, uint32_t structure)
{
    for (size_t i = 0; i < index->n; i++) {
        const struct entry *e = &index->entries[i];

        if (e->node && e->structure == structure) {
            take_out(index, i);
        }
    }
}

void
st_index_forget(struct st_index *index, const struct mbox_key *key)
{
    if (!index->n_buckets) {
        return;
    }
    uint32_t next;
    for (uint32_t i = index->by_key[key_bucket(index, key)]; i; i = next) {
        const struct entry *e = &index->entries[i - 1];

        next = e->next_key;
        if (mbox_key_equal(&e->key, key)) {
            take_out(index, i - 1);
        }
    }
}

void
st_index_remove(struct st_index *index, const void *start, size_t size,
                struct st *st)
{
    uintptr_t first = (uintptr_t) start;
    uintptr_t n = size < HEADER_MAX ? size : HEADER_MAX;
    uint32_t next;

    if (!index->n_buckets) {
        return;
    }
    for (uintptr_t at = first & ~(uintptr_t) (NODE_GRAIN - 1); at < first + n;
         at += NODE_GRAIN) {
        for (uint32_t i = index->by_node[node_bucket(index, at)]; i;
             i = next) {
            const struct entry e = index->entries[i - 1];

            next = e.next_node;
            if ((uintptr_t) e.node - first < n) {
                take_out(index, i - 1);
                if (st && st->on_end) {
                    st->on_end(e.per_flow, &e.key, st->on_end_aux);
                }
            }
        }
    }
}
