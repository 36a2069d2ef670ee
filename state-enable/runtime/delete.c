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

#include "delete.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dirty.h"
#include "heap.h"
#include "names.h"
#include "nodes.h"
#include "objects.h"
#include "slots.h"

int
st_delete_node(struct st *st, uint32_t structure, void *node)
{
    const struct st_structure *s = &st->program->structures[structure];
    struct st_objects owned = { .n = 0 };
    uint32_t buckets[ST_LISTS_MAX];

    int error = st_objects_owned(st, &owned, structure, node);
    if (!error) {
        error = st_buckets(st, structure, node, buckets);
    }
    if (!error) {
        error = st_unlink(st, structure, node, buckets);
    }
    if (!error) {
        void (*on_end)(bool, const struct mbox_key *, void *) = st->on_end;

        st->on_end = NULL;      /* It is not the program that ends it. */
        st_count_references(st, structure, node, -1);
        st_objects_release(st, &owned);
        for (uint32_t i = s->slots ? 1 : 0; i < owned.n; i++) {
            mbox_state_free(owned.objects[i].start);
        }
        if (s->slots) {         /* As at the start of the program. */
            uint32_t size = st->program->types[s->type].size;

            st_slot_left(st, structure, node);
            st_ended(node, size, st);
            memset(node, 0, size);
        }
        st->on_end = on_end;
    }
    st_objects_uninit(&owned);
    return error;
}

static int
doom(struct st *st, const struct mbox_key *key)
{
    for (size_t i = 0; i < st->n_doomed; i++) {
        if (mbox_key_equal(&st->doomed[i], key)) {
            return 0;
        }
    }
    struct mbox_key *doomed = realloc(st->doomed, (st->n_doomed + 1)
                                      * sizeof *doomed);
    if (!doomed) {
        return -ENOMEM;
    }
    st->doomed = doomed;
    st->doomed[st->n_doomed++] = *key;
    return 0;
}

/* Deletes nodes of the key; '*kept' if some are in use by others. */
static int
delete_key(struct st *st, bool per_flow, const struct mbox_key *key,
           bool *found, bool *kept)
{
    const struct st_program *program = st->program;
    int error = 0;

    for (uint32_t i = 0; !error && i < program->n_structures; i++) {
        const struct st_structure *s = &program->structures[i];
        void *nodes[ST_NODES_MAX];
        size_t n = 0;

        if (s->per_flow == per_flow) {
            error = st_find(st, i, key, nodes, ST_NODES_MAX, &n);
        }
        *found |= n > 0;
        for (size_t j = 0; !error && j < n; j++) {
            if (st_references(s, nodes[j])) {
                *kept = true;
            } else {
                st_dirty_forget(st, per_flow, key);
                error = st_delete_node(st, i, nodes[j]);
            }
        }
    }
    return error;
}

/* What was to be deleted before, and is no longer in use. */
static void
delete_doomed(struct st *st)
{
    size_t n = 0;

    for (size_t i = 0; i < st->n_doomed; i++) {
        struct mbox_key key = st->doomed[i];
        bool found = false, kept = false;

        if (delete_key(st, false, &key, &found, &kept) || kept) {
            st->doomed[n++] = key;
        }
    }
    st->n_doomed = n;
}

void
st_spare(struct st *st, const struct mbox_key *key)
{
    for (size_t i = 0; i < st->n_doomed; i++) {
        if (mbox_key_equal(&st->doomed[i], key)) {
            st->doomed[i] = st->doomed[--st->n_doomed];
            return;
        }
    }
}

int
st_del(struct st *st, bool per_flow, const struct mbox_key *key)
{
    bool found = false, kept = false;
    int error = st_names_refresh(st);

    st_dirty_pause_to_change(st);
    if (!error) {
        error = delete_key(st, per_flow, key, &found, &kept);
    }
    if (!error && kept) {
        error = doom(st, key);
    }
    if (!error && per_flow && st->n_doomed) {
        delete_doomed(st);
    }
    st_dirty_resume_changed(st);
    return error ? error : found ? 0 : -ENOENT;
}
