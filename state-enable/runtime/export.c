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

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dirty.h"
#include "hooks.h"
#include "image.h"
#include "names.h"
#include "nodes.h"
#include "objects.h"
#include "parts.h"
#include "placement.h"
#include "standing.h"

/* The types of a set of objects, in the order in which they are first used. */
struct types {
    uint16_t *index;            /* By type of the program; IMAGE_BYTES: not
                                 * used. */
    uint32_t *used;
    uint16_t n;
};

static int
collect_types(struct st *st, const struct st_objects *o, struct types *types)
{
    uint32_t n = st->program->n_types;

    types->index = malloc((n + 1) * sizeof *types->index);
    types->used = malloc((n + 1) * sizeof *types->used);
    types->n = 0;
    if (!types->index || !types->used) {
        return -ENOMEM;
    }
    memset(types->index, 0xff, n * sizeof *types->index);
    for (uint32_t i = 0; i < o->n; i++) {
        uint32_t type = o->objects[i].type;

        if (type != ST_NONE && types->index[type] == IMAGE_BYTES) {
            types->used[types->n] = type;
            types->index[type] = types->n++;
        }
    }
    return 0;
}

static int
put_reference(struct st *st, const struct st_objects *o, struct mbox_writer *w,
              const void *p, enum st_target target)
{
    uint32_t variable, number, index;
    uint64_t offset;

    if (!p) {
        mbox_put_u8(w, IMAGE_NULL);
    } else if (target == ST_TO_NODE) {
        mbox_put_u8(w, IMAGE_NODE);
        mbox_put_u32(w, st_objects_find(o, p));
    } else if (st_names_find(st, p, &variable, &number, &offset)) {
        mbox_put_u8(w, IMAGE_STATIC);
        mbox_put_u32(w, variable);
        mbox_put_u64(w, st_names_fingerprint(st, variable));
        mbox_put_u32(w, number);
        mbox_put_u64(w, offset);
    } else if ((index = st_names_symbol(st, p)) != ST_NONE) {
        const struct st_symbol *symbol = &st->program->symbols[index];

        mbox_put_u8(w, IMAGE_SYMBOL);
        mbox_put_u32(w, index);
        mbox_put_u64(w, (uintptr_t) p - (uintptr_t) symbol->address);
    } else {
        index = st_objects_find(o, p);
        if (index == ST_NONE) {
            return st_error(st, -ENOTSUP, "an object lies beside its block");
        }
        mbox_put_u8(w, IMAGE_OBJECT);
        mbox_put_u32(w, index);
        mbox_put_u32(w, (const uint8_t *) p - o->objects[index].start);
    }
    return w->error;
}

/* What a look has instead of a pointer that cannot be moved.  Returns false if
 * the one at 'at' is none. */
static bool
put_refused(const struct st_objects *o, struct mbox_writer *w, const void *at)
{
    for (uint32_t i = 0; i < o->n_refused; i++) {
        if (o->refused[i].at == at) {
            mbox_put_u8(w, IMAGE_REFUSED);
            mbox_put_string(w, o->refused[i].why);
            return true;
        }
    }
    return false;
}

/* The pointers of the object at 'object'. */
static int
put_pointers(struct st *st, const struct st_objects *o, struct mbox_writer *w,
             const struct st_type *t, const uint8_t *object)
{
    for (uint32_t k = 0; k < t->n_pointers; k++) {
        const struct st_pointer *p = &t->pointers[k];
        uint32_t live = (p->target == ST_LINK ? 0
                         : st_referring(t, p, object, o->without));

        for (uint32_t j = 0; j < live; j++) {
            uint32_t at = p->offset + j * p->stride;
            int error = (st_is_left_out(t, o->without, at) ? 0
                         : put_refused(o, w, object + at) ? w->error
                         : put_reference(st, o, w,
                                         st_load_pointer(object + at),
                                         p->target));
            if (error) {
                return error;
            }
        }
    }
    return 0;
}

/* What of the block of an object goes into the image. */
static int
put_block(struct st *st, const struct st_objects *o,
          const struct st_object *object, uint64_t n, struct mbox_writer *w)
{
    const uint8_t *first = object->start + object->offset;

    if (!n) {
        mbox_put_bytes(w, object->start, object->size);
        return w->error;
    }
    const struct st_type *t = &st->program->types[object->type];
    const struct st_parts *parts = st_parts_get(st, object->type, o->without);
    if (!parts) {
        return -ENOMEM;
    }
    mbox_put_bytes(w, object->start, object->offset);
    size_t packed = mbox_put_uninit(w, n * parts->size);
    if (!w->error) {
        st_parts_pack(parts, t, w->data + packed, first, n);
    }
    first += n * t->size;
    mbox_put_bytes(w, first, object->start + object->size - first);
    return w->error;
}

static int
put_object(struct st *st, const struct st_objects *o, uint32_t i,
           const struct types *types, struct mbox_writer *w)
{
    const struct st_object *object = &o->objects[i];
    uint8_t *first = object->start + object->offset;

    mbox_put_u16(w, object->type == ST_NONE ? IMAGE_BYTES
                    : types->index[object->type]);
    mbox_put_u16(w, object->structure == ST_NONE ? IMAGE_NO_NODE
                    : object->structure);
    mbox_put_u8(w, object->wanted);
    mbox_put_u32(w, object->size);
    mbox_put_u32(w, object->offset);
    if (object->structure != ST_NONE) {
        const struct st_structure *s
            = &st->program->structures[object->structure];
        uint32_t buckets[ST_LISTS_MAX];

        int error = st_buckets(st, object->structure, first, buckets);
        if (error) {
            return error;
        }
        for (uint32_t j = 0; j < s->n_lists; j++) {
            mbox_put_u32(w, buckets[j]);
        }
    }

    uint64_t n = st_object_elements(st, object);
    int error = put_block(st, o, object, n, w);

    for (uint64_t e = 0; !error && e < n; e++) {
        const struct st_type *t = &st->program->types[object->type];

        error = put_pointers(st, o, w, t, first + e * t->size);
    }
    return error;
}

/* What hooks have to say of an object. */
static int
put_hooks(struct st *st, const struct st_object *o, bool look,
          struct mbox_writer *w)
{
    uint64_t n = st_object_elements(st, o);
    int error = 0;

    if (o->structure != ST_NONE) {      /* What it owns comes next. */
        st->of_other = (!o->wanted
                        || !st->program->structures[o->structure].per_flow);
    }
    for (uint64_t e = 0; !error && e < n; e++) {
        const struct st_type *t = &st->program->types[o->type];

        const uint8_t *first = o->start + o->offset + e * t->size;

        error = (look ? st_hooks_look(t, first, w)
                 : st_hooks_save(st, t, first, w));
    }
    return error;
}

static int
put_objects(struct st *st, bool per_flow, int output, bool look,
            const struct st_objects *o, struct mbox_writer *w)
{
    struct types types;
    int error = collect_types(st, o, &types);

    if (!error) {
        mbox_put_u32(w, look ? IMAGE_MAGIC_LOOK : IMAGE_MAGIC);
        mbox_put_u64(w, st->program->build);
        mbox_put_u8(w, 2 * (output + 1) + per_flow);
        st_placement_put(st, w);
        mbox_put_u16(w, types.n);
        for (uint16_t i = 0; i < types.n; i++) {
            const struct st_type *t = &st->program->types[types.used[i]];

            mbox_put_string(w, t->name);
            mbox_put_u64(w, t->layout);
        }
        mbox_put_u32(w, o->n);
        error = w->error;
    }
    for (uint32_t i = 0; !error && i < o->n; i++) {
        error = put_object(st, o, i, &types, w);
    }
    for (uint32_t i = 0; !error && i < o->n; i++) {
        error = put_hooks(st, &o->objects[i], look, w);
    }
    free(types.index);
    free(types.used);
    return error;
}

/* Adds what 'key' has to 'objects', without what 'bit' says that an output
 * function does not need.  Returns -ENODATA if it needs nothing of it, -ENOENT
 * if there is nothing. */
static int
collect(struct st *st, bool per_flow, const struct mbox_key *key, uint64_t bit,
        struct st_objects *objects)
{
    const struct st_program *program = st->program;
    int none = -ENOENT;
    int error = 0;

    objects->without = ST_LEFT_OUT_ALWAYS | bit;
    for (uint32_t i = 0; !error && i < program->n_structures; i++) {
        void *nodes[ST_NODES_MAX];
        size_t n = 0;

        if (program->structures[i].per_flow == per_flow) {
            error = st_find(st, i, key, nodes, ST_NODES_MAX, &n);
        }
        if (n && program->structures[i].unneeded & bit) {
            none = -ENODATA;
            n = 0;
        }
        for (size_t j = 0; !error && j < n; j++) {
            error = st_objects_add(st, objects, i, nodes[j], true);
        }
    }
    return error || objects->n ? error : none;
}

/* All of an entry is remembered, whatever of it is sent: another transfer may
 * have sent the rest, and wants to know of its changes. */
static int
write_out(struct st *st, bool per_flow, const struct mbox_key *key, int output,
          struct mbox_writer *w)
{
    uint64_t bit = output < 0 ? 0 : UINT64_C(1) << output;
    struct st_objects sent = { .n = 0 }, all = { .n = 0 };
    int error = st_names_refresh(st);

    if (!error) {
        error = collect(st, per_flow, key, bit, &sent);
    }
    if (!error) {
        error = put_objects(st, per_flow, output, false, &sent, w);
    }
    if (!error && bit) {
        error = collect(st, per_flow, key, 0, &all);
    }
    if (!error || error == -ENOENT) {
        st_dirty_forget(st, per_flow, key);
    }
    if (!error) {
        error = st_dirty_remember(st, per_flow, key, bit ? &all : &sent);
    }
    st_objects_uninit(&sent);
    st_objects_uninit(&all);
    return error;
}

int
st_get(struct st *st, bool per_flow, const struct mbox_key *key, int output,
       struct mbox_writer *w)
{
    int error = st_standing_reserve(st);

    st->why[0] = '\0';
    if (error) {
        return error;
    }
    st_dirty_step(st);
    st_dirty_pause(st);
    error = write_out(st, per_flow, key, output, w);
    st_dirty_resume(st);
    st_standing_add(st, key);
    return error;
}

/* As write_out(), but remembers nothing: it is not sent to anybody who would
 * want to know of changes. */
static int
write_look(struct st *st, bool per_flow, const struct mbox_key *key,
           int output, struct mbox_writer *w)
{
    struct st_objects seen = { .n = 0 };
    int error = st_names_refresh(st);

    if (!error) {
        error = collect(st, per_flow, key,
                        output < 0 ? 0 : UINT64_C(1) << output, &seen);
    }
    if (!error) {
        error = put_objects(st, per_flow, output, true, &seen, w);
    }
    st_objects_uninit(&seen);
    return error;
}

int
st_look(struct st *st, bool per_flow, const struct mbox_key *key, int output,
        struct mbox_writer *w)
{
    size_t start = w->len;

    st->why[0] = '\0';
    st_dirty_step(st);
    st_dirty_pause(st);
    st->looking = true;
    int error = write_look(st, per_flow, key, output, w);
    st->looking = false;
    st_dirty_resume(st);
    if (!error || error == -ENOENT || error == -ENODATA || error == -ENOMEM) {
        return error;
    }
    w->len = start;
    w->error = 0;
    mbox_put_u32(w, IMAGE_MAGIC_UNREADABLE);
    mbox_put_string(w, st->why[0] ? st->why : strerror(-error));
    return w->error;
}
