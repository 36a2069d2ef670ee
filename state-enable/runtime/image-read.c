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

#include "image-read.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "heap.h"
#include "hooks.h"
#include "image.h"
#include "names.h"
#include "nodes.h"
#include "objects.h"
#include "parts.h"
#include "placement.h"

#define TYPE_NAME_MAX 256

/* More than any flow has, in nodes: a bound for what hostile bytes can
 * cost. */
#define IMAGE_NODES_MAX 256

struct reading {
    struct st *st;
    struct st_image *image;
    struct mbox_reader r;
    uint32_t *types;            /* Of this program. */
    uint16_t n_types;
    uint32_t n_nodes;
    uint32_t blocks;            /* Bytes of all blocks. */
    uint32_t room;              /* From what the reference that was read last
                                 * leads to, to the end of its block. */
    const uint8_t **references; /* Of each object, in the data. */
    size_t *n_references;       /* Bytes of them. */
};

static int
malformed(struct reading *in, const char *what)
{
    return st_error(in->st, -EPROTO, "state to import is malformed: %s", what);
}

static uint64_t
n_elements(const struct st *st, const struct st_image_object *o)
{
    return (o->type == ST_NONE ? 0
            : o->structure != ST_NONE ? 1
            : st_elements(&st->program->types[o->type], o->size - o->offset));
}

static uint32_t
find_type(const struct st_program *program, const char *name)
{
    for (uint32_t i = 0; i < program->n_types; i++) {
        if (!strcmp(program->types[i].name, name)) {
            return i;
        }
    }
    return ST_NONE;
}

static int
read_types(struct reading *in, bool same_build)
{
    const struct st_program *program = in->st->program;

    in->n_types = mbox_get_u16(&in->r);
    in->types = calloc(in->n_types + 1, sizeof *in->types);
    if (!in->types) {
        return -ENOMEM;
    }
    for (uint16_t i = 0; i < in->n_types; i++) {
        char name[TYPE_NAME_MAX];

        mbox_get_string(&in->r, name, sizeof name);
        uint64_t layout = mbox_get_u64(&in->r);
        if (in->r.error) {
            return malformed(in, "types");
        }
        in->types[i] = find_type(program, name);
        if (in->types[i] == ST_NONE
            || program->types[in->types[i]].layout != layout) {
            return st_error(in->st, -EXDEV, "%s has another layout in the "
                            "source's build of %s", name, program->name);
        }
    }
    return (same_build ? 0
            : st_error(in->st, -EXDEV, "the source is another build of %s "
                       "(though with the same structs)", program->name));
}

static int
read_header(struct reading *in, bool per_flow)
{
    uint32_t magic = mbox_get_u32(&in->r);

    if (magic == IMAGE_MAGIC_LOOK || magic == IMAGE_MAGIC_UNREADABLE) {
        return malformed(in, "it was to be looked at, not imported");
    }
    if (magic != IMAGE_MAGIC) {
        return ((magic | IMAGE_MAGIC_FORMAT)
                != (IMAGE_MAGIC | IMAGE_MAGIC_FORMAT)
                ? malformed(in, "no image")
                : st_error(in->st, -EXDEV, "the source writes state in format "
                           "'%c', this instance reads '%c': build both with "
                           "the same release",
                           isprint(magic & 0xff) ? (int) (magic & 0xff) : '?',
                           (int) (IMAGE_MAGIC & 0xff)));
    }
    bool same_build = mbox_get_u64(&in->r) == in->st->program->build;
    uint8_t scope = mbox_get_u8(&in->r);
    if ((scope & 1) != per_flow) {
        return malformed(in, "another scope");
    }
    if (same_build) {
        if (scope >> 1 > in->st->program->n_outputs) {
            return malformed(in, "an output function");
        }
        in->image->without = scope > 1 ? UINT64_C(1) << ((scope >> 1) - 1) : 0;
        in->image->placement = st_placement_get(in->st, &in->r);
        if (!in->image->placement) {
            return malformed(in, "placement");
        }
    } else {
        mbox_get_bytes(&in->r, mbox_get_u32(&in->r));
    }
    return read_types(in, same_build);
}

/* What the image has nothing of. */
static uint64_t
without(const struct reading *in)
{
    return ST_LEFT_OUT_ALWAYS | in->image->without;
}

/* Of how many elements of a pointer the image has references, but for those
 * that are left out. */
static uint32_t
n_referring(const struct reading *in, const struct st_type *t,
            const struct st_pointer *p, const uint8_t *object)
{
    return (p->target == ST_LINK ? 0
            : st_referring(t, p, object, without(in)));
}

static bool
is_left_out(const struct reading *in, const struct st_type *t,
            const struct st_pointer *p, uint32_t j)
{
    return st_is_left_out(t, without(in), p->offset + j * p->stride);
}

/* Skips the references of an object; reading them is for later, when all
 * objects are known. */
static int
skip_references(struct reading *in, uint32_t index)
{
    static const uint8_t lengths[] = {
        [IMAGE_NULL] = 0, [IMAGE_OBJECT] = 8, [IMAGE_NODE] = 4,
        [IMAGE_STATIC] = 24, [IMAGE_SYMBOL] = 12,
    };
    const struct st_image_object *o = &in->image->objects[index];
    uint64_t n = n_elements(in->st, o);

    in->references[index] = in->r.p;
    for (uint64_t e = 0; e < n; e++) {
        const struct st_type *t = &in->st->program->types[o->type];
        const uint8_t *object = o->start + o->offset + e * t->size;

        for (uint32_t k = 0; k < t->n_pointers; k++) {
            const struct st_pointer *p = &t->pointers[k];
            uint32_t n_there = n_referring(in, t, p, object);

            for (uint32_t j = 0; j < n_there; j++) {
                uint8_t kind = (is_left_out(in, t, p, j) ? IMAGE_NULL
                                : mbox_get_u8(&in->r));

                if (kind >= sizeof lengths
                    || !mbox_get_bytes(&in->r, lengths[kind])) {
                    return malformed(in, "references");
                }
            }
        }
    }
    in->n_references[index] = in->r.p - in->references[index];
    return 0;
}

/* Reads the block of an object into one of the heap. */
static int
read_block(struct reading *in, struct st_image_object *o)
{
    uint64_t n = n_elements(in->st, o);
    const struct st_type *t = n ? &in->st->program->types[o->type] : NULL;
    const struct st_parts *parts
        = n ? st_parts_get(in->st, o->type, without(in)) : NULL;

    if (n && !parts) {
        return -ENOMEM;
    }
    uint64_t all = n ? n * t->size : 0;
    uint64_t sent = n ? n * parts->size : 0;
    const uint8_t *bytes = mbox_get_bytes(&in->r, o->size - all + sent);
    if (!bytes) {
        return malformed(in, "truncated");
    }

    /* What is not known may be a string, and one that does not end. */
    o->start = (o->type == ST_NONE ? st_malloc_ended(o->size)
                : mbox_state_malloc(o->size));
    if (!o->start) {
        return -ENOMEM;
    }
    if (n) {
        uint8_t *first = o->start + o->offset;

        memcpy(o->start, bytes, o->offset);
        bytes += o->offset;
        st_parts_unpack(parts, t, first, bytes, n);
        memcpy(first + all, bytes + sent, o->size - o->offset - all);
    } else {
        memcpy(o->start, bytes, o->size);
    }
    return 0;
}

static int
read_object(struct reading *in, uint32_t index, bool per_flow)
{
    const struct st_program *program = in->st->program;
    struct st_image_object *o = &in->image->objects[index];
    uint16_t type = mbox_get_u16(&in->r);
    uint16_t structure = mbox_get_u16(&in->r);
    uint8_t wanted = mbox_get_u8(&in->r);

    o->size = mbox_get_u32(&in->r);
    o->offset = mbox_get_u32(&in->r);
    o->type = o->structure = ST_NONE;
    o->wanted = wanted;
    if (in->r.error || wanted > 1 || o->offset > o->size || !o->size
        || o->size > IMAGE_BLOCKS_MAX - in->blocks) {
        return malformed(in, "an object");
    }
    in->blocks += o->size;
    if (type != IMAGE_BYTES) {
        if (type >= in->n_types) {
            return malformed(in, "a type");
        }
        o->type = in->types[type];
        if (o->size - o->offset < program->types[o->type].size) {
            return malformed(in, "an object is too small for its type");
        }
    }
    if (structure != IMAGE_NO_NODE) {
        if (++in->n_nodes > IMAGE_NODES_MAX
            || structure >= program->n_structures
            || program->structures[structure].type != o->type
            || (wanted && program->structures[structure].per_flow
                          != per_flow)) {
            return malformed(in, "a node's structure");
        }
        const struct st_structure *s = &program->structures[structure];

        if (o->offset != s->header) {
            return malformed(in, "a node's place in its block");
        }
        o->structure = structure;
        o->node = index;
        for (uint32_t j = 0; j < s->n_lists; j++) {
            o->buckets[j] = mbox_get_u32(&in->r);
            if (o->buckets[j] >= s->lists[j].n_buckets) {
                return malformed(in, "a bucket");
            }
        }
    } else if (!index || wanted) {
        return malformed(in, "an object of no node");
    } else {
        o->node = o[-1].node;
    }

    int error = read_block(in, o);
    return error ? error : skip_references(in, index);
}

/* Resolution of references. */

/* An object that a member may lead to, 'at' bytes into its block. */
static int
resolve_object(struct reading *in, const struct st_image_object *from,
               const struct st_pointer *p, uint32_t index, uint32_t at,
               void **value)
{
    if (index >= in->image->n_objects) {
        return malformed(in, "a reference to no object");
    }
    struct st_image_object *o = &in->image->objects[index];
    uint32_t type = p->target == ST_TO_TYPE ? p->type : ST_NONE;
    if ((p->target != ST_TO_TYPE && p->target != ST_TO_BYTES)
        || o->structure != ST_NONE || o->type != type
        || o->node != from->node || at < o->offset || at >= o->size) {
        return malformed(in, "a reference to another type");
    }
    if (type != ST_NONE) {
        const struct st_type *t = &in->st->program->types[type];

        if ((t->tail ? at != o->offset : (at - o->offset) % t->size)
            || o->size - at < t->size) {
            return malformed(in, "a reference between objects");
        }
    }
    if (p->owned) {
        if (o->owned || at != o->offset || at != p->header) {
            return malformed(in, "an object that would be freed wrongly");
        }
        o->owned = true;
    }
    *value = o->start + at;
    in->room = o->size - at;
    return 0;
}

/* A node refers to nodes before it, what it owns to itself. */
static int
resolve_node(struct reading *in, const struct st_image_object *from,
             const struct st_pointer *p, uint32_t index, void **value)
{
    if ((from->structure != ST_NONE ? index >= from->node
         : index != from->node)
        || p->target != ST_TO_NODE
        || in->image->objects[index].structure != p->structure) {
        return malformed(in, "a reference to another node");
    }
    struct st_image_object *o = &in->image->objects[index];
    o->needed = true;
    *value = o->start + o->offset;
    in->room = o->size - o->offset;
    return 0;
}

static int
resolve_static(struct reading *in, const struct st_pointer *p,
               struct mbox_reader *r, void **value)
{
    uint32_t variable = mbox_get_u32(r);
    uint64_t fingerprint = mbox_get_u64(r);
    uint32_t number = mbox_get_u32(r);
    uint64_t offset = mbox_get_u64(r);

    if (variable >= in->st->program->n_variables) {
        return malformed(in, "a reference to no static object");
    }
    if (st_names_fingerprint(in->st, variable) != fingerprint) {
        return st_error(in->st, -EXDEV, "what %s leads to is not what it is "
                        "at the source: configure both alike",
                        in->st->program->variables[variable].name);
    }
    if (p->owned || !st_names_has(in->st, p, variable, number, offset)) {
        return malformed(in, "a reference to another static object");
    }
    *value = st_names_get(in->st, variable, number) + offset;
    return 0;
}

static int
resolve_symbol(struct reading *in, const struct st_pointer *p,
               struct mbox_reader *r, void **value)
{
    uint32_t index = mbox_get_u32(r);
    uint64_t offset = mbox_get_u64(r);

    if (p->owned || index >= in->st->program->n_symbols
        || !st_names_symbol_has(in->st, p, index, offset)) {
        return malformed(in, "a reference to another symbol");
    }
    *value = ((uint8_t *) (uintptr_t) in->st->program->symbols[index].address
              + offset);
    return 0;
}

static int
resolve(struct reading *in, const struct st_image_object *from,
        const struct st_pointer *p, struct mbox_reader *r, void **value)
{
    uint32_t index;

    switch (mbox_get_u8(r)) {
    case IMAGE_OBJECT:
        index = mbox_get_u32(r);
        return resolve_object(in, from, p, index, mbox_get_u32(r), value);
    case IMAGE_NODE:
        return resolve_node(in, from, p, mbox_get_u32(r), value);
    case IMAGE_STATIC:
        return resolve_static(in, p, r, value);
    case IMAGE_SYMBOL:
        return resolve_symbol(in, p, r, value);
    }
    return 0;
}

static bool
has_extent(const struct st_extent *e, const uint8_t *object, uint64_t room)
{
    return st_load(object + e->offset, e->size) <= room / e->unit;
}

/* Numbers that the program trusts: how many elements of an array are in use,
 * and how long a buffer is. */
static int
check_numbers(struct reading *in, const struct st_pointer *p,
              const uint8_t *object)
{
    if (p->live != ST_NONE
        && st_load(object + p->live, p->live_size) > p->count) {
        return malformed(in, "more elements in use than there are");
    }
    if (p->length != ST_NONE && p->target != ST_LINK) {
        uint64_t length = st_load(object + p->length, p->length_size);
        uint64_t size = (p->target == ST_TO_TYPE
                         ? in->st->program->types[p->type].size : 1);

        if (length > in->room / size) {
            return malformed(in, "a buffer is shorter than its length");
        }
    }
    for (uint32_t i = 0; p->target != ST_LINK && i < p->n_extents; i++) {
        if (!has_extent(&p->extents[i], object, in->room)) {
            return malformed(in, "a buffer is shorter than a number says");
        }
    }
    return 0;
}

static int
resolve_all(struct reading *in, uint32_t index)
{
    const struct st_image_object *o = &in->image->objects[index];
    struct mbox_reader r;

    if (o->type == ST_NONE) {
        return 0;
    }
    const struct st_type *t = &in->st->program->types[o->type];
    uint64_t n = n_elements(in->st, o);

    mbox_reader_init(&r, in->references[index], in->n_references[index]);
    for (uint64_t e = 0; e < n; e++) {
        uint8_t *object = o->start + o->offset + e * t->size;

        if (t->tail && !has_extent(&t->length, object,
                                   o->size - o->offset - t->tail)) {
            return malformed(in, "an array is shorter than its length");
        }
        for (uint32_t k = 0; k < t->n_pointers; k++) {
            const struct st_pointer *p = &t->pointers[k];
            uint32_t n_there = n_referring(in, t, p, object);

            for (uint32_t j = 0; j < p->count; j++) {
                void *value = NULL;
                in->room = 0;
                int error = (j < n_there && !is_left_out(in, t, p, j)
                             ? resolve(in, o, p, &r, &value) : 0);
                if (!error) {
                    error = check_numbers(in, p, object);
                }
                if (error) {
                    return error;
                }
                st_store_pointer(object + p->offset + j * p->stride, value);
            }
        }
    }
    return 0;
}

/* Members that hooks set; the object is right in all else. */
static int
read_hooked(struct reading *in, uint32_t index)
{
    struct st_image_object *o = &in->image->objects[index];
    uint64_t n = n_elements(in->st, o);
    const struct st_image_object *node = &in->image->objects[o->node];
    int error = 0;

    in->st->of_other
        = (!node->wanted
           || !in->st->program->structures[node->structure].per_flow);
    for (uint64_t e = 0; !error && e < n; e++) {
        const struct st_type *t = &in->st->program->types[o->type];
        uint8_t *object = o->start + o->offset + e * t->size;

        error = st_hooks_load(in->st, t, object, &in->r, &o->n_hooked);
    }
    return error;
}

static int
read_objects(struct reading *in, bool per_flow)
{
    struct st_image *image = in->image;
    uint32_t n = mbox_get_u32(&in->r);
    int error = 0;

    /* An object has more than 8 bytes, so that this also bounds memory. */
    if (in->r.error || n > in->r.left / 8 || n > UINT16_MAX) {
        return malformed(in, "the number of objects");
    }
    image->objects = calloc(n + 1, sizeof *image->objects);
    in->references = calloc(n + 1, sizeof *in->references);
    in->n_references = calloc(n + 1, sizeof *in->n_references);
    if (!image->objects || !in->references || !in->n_references) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; !error && i < n; i++) {
        image->n_objects++;
        error = read_object(in, i, per_flow);
    }
    for (uint32_t i = 0; !error && i < n; i++) {
        error = resolve_all(in, i);
    }
    for (uint32_t i = 0; !error && i < n; i++) {
        const struct st_image_object *o = &image->objects[i];

        if (o->structure == ST_NONE ? !o->owned : !o->wanted && !o->needed) {
            error = malformed(in, "an object that nothing owns or needs");
        }
    }
    for (uint32_t i = 0; !error && i < n; i++) {
        error = read_hooked(in, i);
    }
    if (!error && mbox_reader_finish(&in->r)) {
        error = malformed(in, "bytes are left");
    }
    return error;
}

int
st_image_read(struct st *st, bool per_flow, const void *data, size_t len,
              struct st_image *image)
{
    struct reading in = { .st = st, .image = image };

    memset(image, 0, sizeof *image);
    mbox_reader_init(&in.r, data, len);
    int error = read_header(&in, per_flow);
    if (!error) {
        error = read_objects(&in, per_flow);
    }
    free(in.types);
    free(in.references);
    free(in.n_references);
    if (error) {
        st_image_uninit(st, image);
    }
    return error;
}

/* Frees what hooks made of an object. */
static void
release_hooked(const struct st *st, struct st_image_object *o)
{
    uint64_t n = n_elements(st, o);

    /* A hook may have changed how many are in use. */
    for (uint64_t e = 0; o->n_hooked && e < n; e++) {
        const struct st_type *t = &st->program->types[o->type];

        o->n_hooked = st_hooks_release(t, o->start + o->offset + e * t->size,
                                       o->n_hooked);
    }
}

void
st_image_uninit(struct st *st, struct st_image *image)
{
    for (uint32_t i = 0; i < image->n_objects; i++) {
        release_hooked(st, &image->objects[i]);
        mbox_state_free(image->objects[i].start);
    }
    free(image->objects);
    memset(image, 0, sizeof *image);
}
