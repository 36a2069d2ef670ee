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
#include "index.h"
#include "names.h"
#include "nodes.h"
#include "objects.h"
#include "slots.h"

/* Nodes that are to be deleted later, looked at when a flow is deleted. */
#define DOOMED_STEP 4

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

/* A node is to be deleted when nothing refers to it any more. */
static int
doom(struct st *st, uint32_t structure, void *node, const struct mbox_key *key)
{
    uint32_t unused;

    if (st_index_bucket(st->doomed, structure, node, &unused)) {
        return 0;
    }
    if (!st->program->structures[structure].slots) {
        st_heap_watch(node);
    }
    return st_index_add(st->doomed, false, structure, node, 0, key);
}

/* Deletes a doomed node unless something refers to it, or the program has made
 * another of it, which nobody wants to be deleted. */
static void
delete_doomed(struct st *st, uint32_t structure, void *node,
              const struct mbox_key *key)
{
    const struct st_structure *s = &st->program->structures[structure];

    if (!st_is_current(st, s, node, key)) {
        st_index_remove(st->doomed, node, 1, NULL);
    } else if (!st_references(s, node)) {
        st_dirty_forget(st, s->per_flow, key);
        if (!st_delete_node(st, structure, node)) {
            st_index_remove(st->doomed, node, 1, NULL);
        }
    }
}

/* What a node refers to. */
struct referred {
    uint32_t structure;
    void *node;
};

/* Deletes a node, and what was doomed and only this one referred to. */
static int
delete_with_doomed(struct st *st, uint32_t structure, void *node)
{
    const struct st_structure *s = &st->program->structures[structure];
    struct referred *to = calloc(s->n_references + 1, sizeof *to);

    if (!to) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < s->n_references; i++) {
        const struct st_reference_count *r = &s->references[i];

        to[i] = (struct referred) {
            r->structure, st_load_pointer((uint8_t *) node + r->pointer),
        };
    }
    int error = st_delete_node(st, structure, node);
    for (uint32_t i = 0; !error && i < s->n_references; i++) {
        struct mbox_key key;

        /* What has been deleted is doomed no more. */
        if (st_index_key(st->doomed, to[i].structure, to[i].node, &key)) {
            delete_doomed(st, to[i].structure, to[i].node, &key);
        }
    }
    free(to);
    return error;
}

/* Deletes nodes of the key, those that are in use by others with the last of
 * these. */
static int
delete_key(struct st *st, bool per_flow, const struct mbox_key *key,
           bool *found)
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
                error = doom(st, i, nodes[j], key);
            } else {
                st_dirty_forget(st, per_flow, key);
                error = delete_with_doomed(st, i, nodes[j]);
            }
        }
    }
    return error;
}

/* Looks at some of what was to be deleted before: what referred to it may have
 * been ended by the program.  Not at all of it, which would take the more time
 * for each flow that is deleted, the more flows there are. */
static void
delete_some_doomed(struct st *st)
{
    for (int i = 0; i < DOOMED_STEP; i++) {
        uint32_t structure;
        struct mbox_key key;
        void *node = st_index_at(st->doomed, st->next_doomed++, &structure,
                                 &key);

        if (node) {
            delete_doomed(st, structure, node, &key);
        }
    }
}

void
st_spare(struct st *st, const struct mbox_key *key)
{
    st_index_forget(st->doomed, key);
}

int
st_del(struct st *st, bool per_flow, const struct mbox_key *key)
{
    bool found = false;
    int error = st_names_refresh(st);

    st_dirty_pause_to_change(st);
    if (!error) {
        error = delete_key(st, per_flow, key, &found);
    }
    if (!error && per_flow) {
        delete_some_doomed(st);
    }
    st_dirty_resume_changed(st);
    return error ? error : found ? 0 : -ENOENT;
}
