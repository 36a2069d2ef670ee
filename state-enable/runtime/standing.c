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

int
st_standing_reserve(struct st *st)
{
    struct mbox_key *standing = realloc(st->standing, (st->n_standing + 1)
                                        * sizeof *standing);

    st->stopped = false;
    if (!standing) {
        return -ENOMEM;
    }
    st->standing = standing;
    return 0;
}

static size_t
find(const struct st *st, const struct mbox_key *key)
{
    size_t i = 0;

    while (i < st->n_standing && !mbox_key_equal(&st->standing[i], key)) {
        i++;
    }
    return i;
}

void
st_standing_add(struct st *st, const struct mbox_key *key)
{
    if (st->stopped && find(st, key) == st->n_standing) {
        st->standing[st->n_standing++] = *key;
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
    size_t i = find(st, &canonical);
    if (i < st->n_standing && resume(st, &canonical)) {
        st->standing[i] = st->standing[--st->n_standing];
    }
}

void
st_resume(struct st *st,
          bool (*is_away)(const struct mbox_key *, void *aux), void *aux)
{
    for (size_t i = st->n_standing; i-- > 0; ) {
        struct mbox_key key = st->standing[i];

        if (!is_away(&key, aux)) {
            st_resume_flow(st, &key);
        }
    }
}
