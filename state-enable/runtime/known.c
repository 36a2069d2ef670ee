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

#include "known.h"

#include <string.h>
#include "heap.h"
#include "index.h"
#include "nodes.h"
#include "slots.h"

/* Of each structure, in st->known: how often it was asked for since the
 * program went on, at most ASKED_TWICE; then the index has all. */
enum { ASKED_TWICE = 2 };

void
st_wait(struct st *st, bool waits)
{
    st->waits = waits;
    if (st->asked) {
        st->asked = false;
        memset(st->known, 0, st->program->n_structures);
        st_slots_forget(st);
    }
}

struct fill {
    struct st *st;
    uint32_t structure;
};

static int
add(struct st *st, uint32_t structure, void *node, uint32_t bucket)
{
    const struct st_structure *s = &st->program->structures[structure];
    struct mbox_key exact, public;

    if (!st_node_key(s, node, &exact)) {
        return 0;
    }
    st_public_key(s, &exact, &public);
    if (!s->slots) {
        st_heap_watch(node);
    }
    return st_index_add(st->index, s->per_flow, structure, node, bucket,
                        &public);
}

static int
fill_one(void *node, uint32_t bucket, void *fill_)
{
    struct fill *fill = fill_;

    return add(fill->st, fill->structure, node, bucket);
}

bool
st_known(struct st *st, uint32_t structure)
{
    const struct st_structure *s = &st->program->structures[structure];
    uint8_t *known = &st->known[structure];
    struct fill fill = { st, structure };

    if (!st->waits || (!s->n_lists && !s->container)) {
        return false;
    }
    st->asked = true;
    if (*known < ASKED_TWICE && ++*known == ASKED_TWICE) {
        st_index_drop(st->index, structure);
        if (st_for_each(st, structure, fill_one, &fill)) {
            *known = 0;         /* Who looks for one will find out why. */
        }
    }
    return *known == ASKED_TWICE;
}

bool
st_known_bucket(struct st *st, uint32_t structure, const void *node,
                uint32_t *bucket)
{
    return (st_index_bucket(st->index, structure, node, bucket)
            || (st_known(st, structure)
                && st_index_bucket(st->index, structure, node, bucket)));
}

void
st_known_add(struct st *st, uint32_t structure, void *node, uint32_t bucket)
{
    uint32_t unused;

    if (!st_index_bucket(st->index, structure, node, &unused)
        && add(st, structure, node, bucket)) {
        st->known[structure] = 0;
    }
}
