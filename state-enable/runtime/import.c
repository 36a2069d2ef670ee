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

/* An image is read and checked whole before the program can see any of it;
 * what is left then cannot fail. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "delete.h"
#include "dirty.h"
#include "heap.h"
#include "hooks.h"
#include "image-read.h"
#include "index.h"
#include "known.h"
#include "names.h"
#include "nodes.h"
#include "objects.h"
#include "placement.h"
#include "slots.h"
#include "standing.h"
#include "state-hook.h"

/* What becomes of a node of an image. */
enum fate {
    FATE_NEW,
    FATE_REPLACE,               /* 'there' gets its contents. */
    FATE_MERGE,
    FATE_DROP,                  /* 'there' does. */
};

struct plan {
    struct st_image *image;
    enum fate *fates;
    void **there;               /* The node of that key, once installed. */
    struct st_objects *old;     /* What 'there' owns, to be freed. */
    void **slots;               /* For a new node, if not in the heap. */
    struct ending {
        bool ends;              /* Another node, which is there, and owns
                                 * 'old'. */
        uint32_t buckets[ST_LISTS_MAX];     /* Where it is. */
    } *ending;
};

static void *
node_of(const struct st_image_object *o)
{
    return o->start + o->offset;
}

/* A host that is left over from flows that have gone, or that no packet has
 * come to since it came itself: the source knows better. */
static bool
is_unused(struct st *st, uint32_t structure, const void *node,
          const struct mbox_key *public)
{
    const struct st_structure *s = &st->program->structures[structure];
    void *unused;

    return (!s->per_flow
            && ((s->count_offset != ST_NONE && !st_references(s, node))
                || st_index_find(st->untouched, structure, public, &unused,
                                 1)));
}

/* Whether a tree can have only one of two nodes. */
static bool
same_place(const struct st_structure *s, void *a, void *b)
{
    for (uint32_t i = 0; i < s->n_trees; i++) {
        if (!s->trees[i].compare(a, b)) {
            return true;
        }
    }
    return false;
}

/* Whether two nodes would be of the same flow or host. */
static bool
is_same(const struct st_structure *s, const struct mbox_key *a,
        const struct mbox_key *b)
{
    struct mbox_key keys[2] = { *a, *b };

    if (st_is_both_ways(s)) {
        st_public_key(s, a, &keys[0]);
        st_public_key(s, b, &keys[1]);
    }
    return mbox_key_equal(&keys[0], &keys[1]);
}

/* Finds what becomes of a node. */
static int
plan_node(struct st *st, struct plan *plan, uint32_t i,
          const struct mbox_key *key, bool merge)
{
    struct st_image_object *o = &plan->image->objects[i];
    const struct st_structure *s = &st->program->structures[o->structure];
    struct mbox_key exact, public;

    if (!st_node_key(s, node_of(o), &exact)) {
        return st_error(st, -EPROTO, "%s to import has no key", s->name);
    }
    st_public_key(s, &exact, &public);
    if (o->wanted && !mbox_key_equal(&public, key)) {
        return st_error(st, -EPROTO, "%s to import has the key of another",
                        s->name);
    }
    for (uint32_t j = 0; j < i; j++) {
        const struct st_image_object *other = &plan->image->objects[j];
        struct mbox_key k;

        if (other->structure == o->structure
            && st_node_key(s, node_of(other), &k)
            && is_same(s, &k, &exact)) {
            return st_error(st, -EPROTO, "%s to import comes twice", s->name);
        }
    }

    int error = (s->container && s->container->check
                 ? s->container->check(node_of(o)) : 0);
    if (error) {
        error = st_hooks_error(error);
        return st_error(st, error, "%s to import: its hook refuses it: %s",
                        s->name, strerror(-error));
    }
    error = st_find_place(st, o->structure, node_of(o), &exact,
                          o->buckets[0], &plan->there[i]);
    if (error) {
        return error;
    }
    plan->fates[i] = (!plan->there[i] ? FATE_NEW
                      : is_unused(st, o->structure, plan->there[i], &public)
                      ? FATE_REPLACE
                      : !o->wanted ? FATE_DROP
                      : merge ? FATE_MERGE : FATE_REPLACE);
    return (plan->fates[i] == FATE_REPLACE
            ? st_objects_owned(st, &plan->old[i], o->structure,
                               plan->there[i])
            : 0);
}

/* Has what an object of a type refers to be nodes that stay rather than those
 * of the image, of which it may refer to those up to 'last'. */
static void
redirect_object(const struct plan *plan, const struct st_type *t,
                uint8_t *object, uint32_t last)
{
    for (uint32_t k = 0; k < t->n_pointers; k++) {
        const struct st_pointer *p = &t->pointers[k];

        for (uint32_t j = 0; p->target == ST_TO_NODE && j < p->count; j++) {
            uint8_t *at = object + p->offset + j * p->stride;
            void *target = st_load_pointer(at);

            for (uint32_t n = 0; target && n <= last; n++) {
                if (plan->there[n]
                    && target == node_of(&plan->image->objects[n])) {
                    st_store_pointer(at, plan->there[n]);
                }
            }
        }
    }
}

/* The same of a node and what it owns, once it is known which nodes stay. */
static void
redirect(struct st *st, struct plan *plan, uint32_t node)
{
    for (uint32_t i = node; (i < plan->image->n_objects
                             && plan->image->objects[i].node == node); i++) {
        const struct st_image_object *o = &plan->image->objects[i];
        const struct st_type *t = (o->type == ST_NONE ? NULL
                                   : &st->program->types[o->type]);
        uint64_t n = (!t ? 0 : o->structure != ST_NONE ? 1
                      : st_elements(t, o->size - o->offset));

        for (uint64_t e = 0; e < n; e++) {
            redirect_object(plan, t, o->start + o->offset + e * t->size,
                            node);
        }
    }
}

static bool
is_linked(const struct plan *plan, uint32_t i)
{
    return (plan->image->objects[i].structure != ST_NONE
            && (plan->fates[i] == FATE_NEW
                || plan->fates[i] == FATE_REPLACE));
}

/* Refuses a node for which a tree will have no place. */
static int
check_place(struct st *st, const struct plan *plan, uint32_t i)
{
    const struct st_image_object *o = &plan->image->objects[i];
    const struct st_structure *s = &st->program->structures[o->structure];

    for (uint32_t j = 0; j < i; j++) {
        const struct st_image_object *other = &plan->image->objects[j];

        if (other->structure == o->structure && is_linked(plan, j)
            && same_place(s, node_of(o), node_of(other))) {
            return st_error(st, -EPROTO, "%s to import comes twice", s->name);
        }
    }
    return st_check_place(st, o->structure, node_of(o), plan->there[i]);
}

/* What refers to a new node is counted when it is installed. */
static void
forget_count(struct st *st, const struct plan *plan, uint32_t i)
{
    const struct st_image_object *o = &plan->image->objects[i];
    const struct st_structure *s = &st->program->structures[o->structure];

    if (plan->fates[i] == FATE_NEW && s->count_offset != ST_NONE) {
        st_store((uint8_t *) node_of(o) + s->count_offset, s->count_size, 0);
    }
}

/* Chooses the slot of a new node; what is in it will end. */
static int
choose_slot(struct st *st, struct plan *plan, uint32_t i)
{
    uint32_t n = plan->image->n_objects;
    uint32_t structure = plan->image->objects[i].structure;
    const struct st_structure *s = &st->program->structures[structure];
    struct ending *e = &plan->ending[i];
    void **taken = calloc(n, 2 * sizeof *taken);

    if (!taken) {
        return -ENOMEM;
    }
    memcpy(taken, plan->there, n * sizeof *taken);
    memcpy(taken + n, plan->slots, n * sizeof *taken);
    plan->slots[i] = st_slot_choose(st, s, taken, 2 * n, &e->ends);
    free(taken);
    if (!plan->slots[i]) {
        return st_error(st, -ENOTSUP, "%s: has no room for what is to be "
                        "imported", s->name);
    }
    int error = (e->ends ? st_objects_owned(st, &plan->old[i], structure,
                                            plan->slots[i]) : 0);
    return (error || !e->ends ? error
            : st_buckets(st, structure, plan->slots[i], e->buckets));
}

static uint64_t
merged(enum st_merge rule, bool is_signed, uint32_t size, uint64_t a,
       uint64_t b)
{
    unsigned int shift = 64 - 8 * size;
    bool less = (is_signed
                 ? (int64_t) (a << shift) < (int64_t) (b << shift) : a < b);

    switch (rule) {
    case ST_REPLACE: return b;
    case ST_MAX: return less ? b : a;
    case ST_SUM: return a + b;
    case ST_UNION: return a | b;
    case ST_KEEP: break;
    }
    return a;
}

static void
merge_members(const struct st_type *t, uint64_t without, uint8_t *there,
              const uint8_t *from)
{
    for (uint32_t i = 0; i < t->n_members; i++) {
        const struct st_member *m = &t->members[i];

        if (st_is_left_out(t, without, m->offset)) {
            continue;
        }
        st_store(there + m->offset, m->size,
                 merged(m->merge, m->is_signed, m->size,
                        st_load(there + m->offset, m->size),
                        st_load(from + m->offset, m->size)));
    }
}

/* What was not sent of a node is as it is here. */
static void
fill_in(const struct st_type *t, uint64_t without, const uint8_t *there,
        uint8_t *from)
{
    for (uint32_t i = 0; i < t->n_left_out; i++) {
        const struct st_left_out *l = &t->left_out[i];

        if (l->outputs & without) {
            memcpy(from + l->offset, there + l->offset, l->size);
        }
    }
}

/* Exchanges the contents of two nodes, except what ties them to their
 * place. */
static void
exchange(struct st *st, uint32_t structure, uint8_t *there, uint8_t *from)
{
    const struct st_structure *s = &st->program->structures[structure];
    const struct st_type *t = &st->program->types[s->type];

    for (uint32_t k = 0; k < t->n_pointers; k++) {
        const struct st_pointer *p = &t->pointers[k];

        for (uint32_t j = 0; p->target == ST_LINK && j < p->count; j++) {
            uint32_t at = p->offset + j * p->stride;

            st_store_pointer(from + at, st_load_pointer(there + at));
        }
    }
    if (s->count_offset != ST_NONE) {
        memcpy(from + s->count_offset, there + s->count_offset,
               s->count_size);
    }
    if (s->bucket_offset != ST_NONE) {
        memcpy(from + s->bucket_offset, there + s->bucket_offset,
               s->bucket_size);
    }
    memcpy(there, from, t->size);
}

/* The blocks of an image that the program takes over are no longer its. */
static void
give(struct st_image *image, uint32_t node, bool with_node)
{
    for (uint32_t i = node; i < image->n_objects; i++) {
        if (image->objects[i].node == node) {
            image->objects[i].n_hooked = 0;
            if (i != node || with_node) {
                image->objects[i].start = NULL;
            }
        }
    }
}

/* Remembers a host that was imported.  If memory is short it counts as one of
 * this instance. */
static void
remember(struct st *st, uint32_t structure, void *node)
{
    const struct st_structure *s = &st->program->structures[structure];
    struct mbox_key exact, public;

    if (!s->per_flow && st_node_key(s, node, &exact)) {
        st_public_key(s, &exact, &public);
        st_index_forget(st->untouched, &public);
        if (!s->slots) {
            st_heap_watch(node);
        }
        st_index_add(st->untouched, false, structure, node, 0, &public);
    }
}

/* Frees what was owned by a node that is to be replaced. */
static void
free_old(struct st *st, const struct plan *plan, uint32_t i)
{
    st_objects_release(st, &plan->old[i]);
    for (uint32_t j = 1; j < plan->old[i].n; j++) {
        mbox_state_free(plan->old[i].objects[j].start);
    }
}

/* Moves a new node into its slot, where another one may end. */
static void
fill_slot(struct st *st, struct plan *plan, uint32_t i)
{
    const struct st_image_object *o = &plan->image->objects[i];
    const struct st_structure *s = &st->program->structures[o->structure];
    uint32_t size = st->program->types[s->type].size;
    void *slot = plan->slots[i];

    st_ended(slot, size, st);
    if (plan->ending[i].ends) {
        st_count_references(st, o->structure, slot, -1);
        st_unlink(st, o->structure, slot, plan->ending[i].buckets);
        free_old(st, plan, i);
    }
    memcpy(slot, node_of(o), size);
    st_slot_taken(st, o->structure, slot);
}

static void
install(struct st *st, struct plan *plan, uint32_t i)
{
    struct st_image *image = plan->image;
    struct st_image_object *o = &image->objects[i];
    const struct st_structure *s = &st->program->structures[o->structure];
    const struct st_type *t = &st->program->types[s->type];
    uint8_t *node = node_of(o);

    switch (plan->fates[i]) {
    case FATE_NEW:
        if (s->slots) {
            fill_slot(st, plan, i);
            node = plan->slots[i];
        }
        if (!s->container) {
            st_link(st, o->structure, node, o->buckets);
        }
        st_count_references(st, o->structure, node, 1);
        plan->there[i] = node;
        give(image, i, !s->slots);
        break;

    case FATE_REPLACE:
        st_count_references(st, o->structure, plan->there[i], -1);
        free_old(st, plan, i);
        fill_in(t, image->without, plan->there[i], node);
        exchange(st, o->structure, plan->there[i], node);
        st_link_trees(st, o->structure, plan->there[i]);
        st_count_references(st, o->structure, plan->there[i], 1);
        give(image, i, false);
        break;

    case FATE_MERGE:
        merge_members(t, image->without, plan->there[i], node);
        if (s->container && s->container->merge) {
            s->container->merge(plan->there[i], node);
        }
        break;

    case FATE_DROP:
        break;
    }
    if (plan->fates[i] != FATE_DROP) {
        st_dirty_changed((uint8_t *) plan->there[i]
                         - (s->slots ? 0 : s->header), ST_WRITE_BYTES);
    }
    if (plan->fates[i] == FATE_NEW || plan->fates[i] == FATE_REPLACE) {
        st_known_add(st, o->structure, plan->there[i], o->buckets[0]);
        remember(st, o->structure, plan->there[i]);
    }
}

/* Deletes what the key has here and the image has not: it has ended at the
 * source. */
static void
delete_others(struct st *st, const struct plan *plan, bool per_flow,
              const struct mbox_key *key)
{
    for (uint32_t i = 0; i < st->program->n_structures; i++) {
        void *nodes[ST_NODES_MAX];
        size_t n = 0;

        if (st->program->structures[i].per_flow == per_flow) {
            st_find(st, i, key, nodes, ST_NODES_MAX, &n);
        }
        for (size_t j = 0; j < n; j++) {
            bool kept = st_references(&st->program->structures[i], nodes[j]);

            for (uint32_t k = 0; k < plan->image->n_objects; k++) {
                kept |= nodes[j] == plan->there[k];
            }
            if (!kept) {
                st_delete_node(st, i, nodes[j]);
            }
        }
    }
}

/* Whether a node goes into containers that a hook keeps. */
static bool
is_inserted(const struct st *st, const struct plan *plan, uint32_t i)
{
    uint32_t structure = plan->image->objects[i].structure;

    return (structure != ST_NONE && plan->fates[i] == FATE_NEW
            && st->program->structures[structure].container);
}

/* Takes the nodes before 'end' from the containers again. */
static void
remove_inserted(struct st *st, const struct plan *plan, uint32_t end)
{
    while (end--) {
        const struct st_image_object *o = &plan->image->objects[end];

        if (is_inserted(st, plan, end)) {
            st_unlink(st, o->structure, node_of(o), o->buckets);
        }
    }
}

/* Has hooks insert new nodes, of which only they know which have one place.
 * If two of the image have, nothing is changed. */
static int
insert_new(struct st *st, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->image->n_objects; i++) {
        const struct st_image_object *o = &plan->image->objects[i];

        if (!is_inserted(st, plan, i)) {
            continue;
        }
        int error = st_check_place(st, o->structure, node_of(o), NULL);
        if (error) {
            remove_inserted(st, plan, i);
            return error;
        }
        st_link(st, o->structure, node_of(o), o->buckets);
    }
    return 0;
}

/* Takes what is replaced from its trees.  If that fails, nothing is
 * changed. */
static int
unlink_replaced(struct st *st, const struct plan *plan)
{
    const struct st_image_object *objects = plan->image->objects;

    for (uint32_t i = 0; i < plan->image->n_objects; i++) {
        bool is_replaced = (is_linked(plan, i)
                            && plan->fates[i] == FATE_REPLACE);
        int error = (is_replaced
                     ? st_unlink_trees(st, objects[i].structure,
                                       plan->there[i]) : 0);

        if (error) {
            while (i--) {
                if (is_linked(plan, i) && plan->fates[i] == FATE_REPLACE) {
                    st_link_trees(st, objects[i].structure, plan->there[i]);
                }
            }
            return error;
        }
    }
    return 0;
}

static int
install_all(struct st *st, struct plan *plan, bool per_flow,
            const struct mbox_key *key, bool merge)
{
    struct st_image *image = plan->image;
    int error = st_placement_check(st, image->placement);

    for (uint32_t i = 0; !error && i < image->n_objects; i++) {
        if (image->objects[i].structure != ST_NONE) {
            error = plan_node(st, plan, i, key, merge);
            redirect(st, plan, i);
        }
    }
    for (uint32_t i = 0; !error && i < image->n_objects; i++) {
        if (is_linked(plan, i)) {
            const struct st_image_object *o = &image->objects[i];

            forget_count(st, plan, i);
            error = check_place(st, plan, i);
            if (!error && plan->fates[i] == FATE_NEW
                && st->program->structures[o->structure].slots) {
                error = choose_slot(st, plan, i);
            }
        }
    }
    if (!error) {
        error = insert_new(st, plan);
    }
    if (!error) {
        error = unlink_replaced(st, plan);
        if (error) {
            remove_inserted(st, plan, image->n_objects);
        }
    }
    if (!error) {
        for (uint32_t i = 0; i < image->n_objects; i++) {
            if (image->objects[i].structure != ST_NONE) {
                install(st, plan, i);
            }
        }
        st_slots_step(st);
        if (!merge) {
            delete_others(st, plan, per_flow, key);
        }
        if (!per_flow) {
            st_spare(st, key);
        }
    }
    return error;
}

int
st_put(struct st *st, bool per_flow, const struct mbox_key *key,
       const void *data, size_t len, bool merge)
{
    struct st_image image;
    int error = st_names_refresh(st);

    if (!error) {
        error = st_standing_reserve(st);
    }
    if (!error) {
        error = st_image_read(st, per_flow, data, len, &image);
    }
    if (error) {
        return error;
    }

    uint32_t n = image.n_objects;
    struct plan plan = {
        .image = &image,
        .fates = calloc(n + 1, sizeof *plan.fates),
        .there = calloc(n + 1, sizeof *plan.there),
        .old = calloc(n + 1, sizeof *plan.old),
        .slots = calloc(n + 1, sizeof *plan.slots),
        .ending = calloc(n + 1, sizeof *plan.ending),
    };
    st_dirty_pause_to_change(st);
    error = (plan.fates && plan.there && plan.old && plan.slots && plan.ending
             ? install_all(st, &plan, per_flow, key, merge) : -ENOMEM);
    st_dirty_resume_changed(st);
    for (uint32_t i = 0; plan.old && i < n; i++) {
        st_objects_uninit(&plan.old[i]);
    }
    free(plan.fates);
    free(plan.there);
    free(plan.old);
    free(plan.slots);
    free(plan.ending);
    st_image_uninit(st, &image);
    st_standing_add(st, key);
    return error;
}
