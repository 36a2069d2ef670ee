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

#include "standing.h"

#include <errno.h>
#include <stdlib.h>
#include "nodes.h"
#include "objects.h"

/* A flow; there is room for as many as there are buckets. */
struct st_standing {
    struct mbox_key key;
    uint32_t next;              /* In its bucket: index + 1. */
};

static uint32_t *
bucket(const struct st *st, const struct mbox_key *key)
{
    return &st->standing_by_key[mbox_key_hash(key, 0) & (st->n_buckets - 1)];
}

static void
hang_in(struct st *st, size_t i)
{
    uint32_t *first = bucket(st, &st->standing[i].key);

    st->standing[i].next = *first;
    *first = i + 1;
}

int
st_standing_reserve(struct st *st)
{
    size_t n = st->n_buckets ? 2 * st->n_buckets : 16;

    st->stopped = false;
    if (st->n_standing < st->n_buckets) {
        return 0;
    }
    struct st_standing *standing = realloc(st->standing,
                                           n * sizeof *standing);
    if (standing) {
        st->standing = standing;
    }
    uint32_t *by_key = standing ? calloc(n, sizeof *by_key) : NULL;
    if (!by_key) {
        return -ENOMEM;
    }
    free(st->standing_by_key);
    st->standing_by_key = by_key;
    st->n_buckets = n;
    for (size_t i = 0; i < st->n_standing; i++) {
        hang_in(st, i);
    }
    return 0;
}

/* The link that leads to the flow, or to 0. */
static uint32_t *
find(const struct st *st, const struct mbox_key *key)
{
    uint32_t *link = bucket(st, key);

    while (*link && !mbox_key_equal(&st->standing[*link - 1].key, key)) {
        link = &st->standing[*link - 1].next;
    }
    return link;
}

void
st_standing_add(struct st *st, const struct mbox_key *key)
{
    if (st->stopped && !*find(st, key)) {
        st->standing[st->n_standing].key = *key;
        hang_in(st, st->n_standing++);
    }
}

/* Takes it out; the last one gets its place. */
static void
take_out(struct st *st, uint32_t *link)
{
    size_t i = *link - 1, last = --st->n_standing;

    *link = st->standing[i].next;
    if (i != last) {
        *find(st, &st->standing[last].key) = i + 1;
        st->standing[i] = st->standing[last];
    }
}

void
st_set_running(struct st *st, bool running)
{
    st->running = running;
}

/* Has a node go on.  If memory is short, false. */
static bool
resume_node(struct st *st, uint32_t structure, void *node)
{
    struct st_objects owned = { .n = 0 };
    bool ok = !st_objects_owned(st, &owned, structure, node);

    if (ok) {
        st_objects_resume(st, &owned);
    }
    st_objects_uninit(&owned);
    return ok;
}

/* Has a flow go on: false if it has to be tried again. */
static bool
resume(struct st *st, const struct mbox_key *key)
{
    bool ok = true;

    for (uint32_t i = 0; i < st->program->n_structures; i++) {
        void *nodes[ST_NODES_MAX];
        size_t n = 0;

        if (st->program->structures[i].per_flow) {
            ok &= !st_find(st, i, key, nodes, ST_NODES_MAX, &n);
        }
        for (size_t j = 0; j < n; j++) {
            ok &= resume_node(st, i, nodes[j]);
        }
    }
    return ok;
}

void
st_resume_flow(struct st *st, const struct mbox_key *key)
{
    struct mbox_key canonical;

    if (!st->n_standing) {
        return;
    }
    mbox_key_canonical(key, &canonical);
    if (*find(st, &canonical) && resume(st, &canonical)) {
        take_out(st, find(st, &canonical));
    }
}

void
st_resume(struct st *st,
          bool (*is_away)(const struct mbox_key *, void *aux), void *aux)
{
    for (size_t i = st->n_standing; i-- > 0; ) {
        struct mbox_key key = st->standing[i].key;

        if (!is_away(&key, aux)) {
            st_resume_flow(st, &key);
        }
    }
}
