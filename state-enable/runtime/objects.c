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

#include "objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "heap.h"
#include "hooks.h"
#include "names.h"
#include "nodes.h"
#include "slots.h"

#define OBJECTS_MAX 65535
#define REFUSED_MAX 256

void
st_objects_uninit(struct st_objects *o)
{
    free(o->objects);
    free(o->refused);
    *o = (struct st_objects) { .n = 0 };
}

uint32_t
st_objects_find(const struct st_objects *o, const void *p)
{
    for (uint32_t i = o->n; i-- > 0;) {
        if ((uintptr_t) p - (uintptr_t) o->objects[i].start
            < o->objects[i].size) {
            return i;
        }
    }
    return ST_NONE;
}

uint64_t
st_elements(const struct st_type *t, uint64_t size)
{
    return t->tail ? size >= t->size : size / t->size;
}

uint64_t
st_object_elements(const struct st *st, const struct st_object *o)
{
    return (o->type == ST_NONE ? 0
            : o->structure != ST_NONE ? 1
            : st_elements(&st->program->types[o->type], o->size - o->offset));
}

/* Calls 'cb' for each object that has a type. */
static void
for_each(const struct st *st, const struct st_objects *objects,
         void (*cb)(const struct st_type *, uint8_t *object))
{
    for (uint32_t i = 0; i < objects->n; i++) {
        const struct st_object *o = &objects->objects[i];
        uint64_t n = st_object_elements(st, o);

        for (uint64_t e = 0; e < n; e++) {
            const struct st_type *t = &st->program->types[o->type];

            cb(t, o->start + o->offset + e * t->size);
        }
    }
}

static void
release(const struct st_type *t, uint8_t *object)
{
    st_hooks_release(t, object, UINT64_MAX);
}

void
st_objects_release(const struct st *st, const struct st_objects *objects)
{
    for_each(st, objects, release);
}

void
st_objects_resume(const struct st *st, const struct st_objects *objects)
{
    for_each(st, objects, st_hooks_resume);
}

static int
append(struct st *st, struct st_objects *o, struct st_object object)
{
    if (o->n >= OBJECTS_MAX) {
        return st_error(st, -ENOTSUP, "one flow has more than %d objects",
                        OBJECTS_MAX);
    }
    if (o->n >= o->allocated) {
        uint32_t n = o->allocated ? 2 * o->allocated : 16;
        struct st_object *objects = realloc(o->objects, n * sizeof *objects);

        if (!objects) {
            return -ENOMEM;
        }
        o->objects = objects;
        o->allocated = n;
    }
    o->objects[o->n++] = object;
    return 0;
}

static int
no_name(struct st *st, const struct st_type *type, const struct st_pointer *p,
        const char *why)
{
    return st_error(st, -ENOTSUP, "%s.%s %s: it cannot be moved", type->name,
                    p->name, why);
}

/* A pointer to what is static; 'fits' if there is one of what it points to. */
static int
check_static(struct st *st, const struct st_type *type,
             const struct st_pointer *p, bool fits)
{
    return (p->owned ? no_name(st, type, p, "is freed by the program, but "
                                            "points to what is static")
            : !fits ? no_name(st, type, p, "points to something static of "
                                           "another type")
            : 0);
}

/* An object has one owner, which points to its start. */
static int
own(struct st *st, struct st_object *object, const struct st_type *type,
    const struct st_pointer *p, const void *value)
{
    uint32_t at = (const uint8_t *) value - object->start;

    if (object->owned) {
        return no_name(st, type, p, "points to what another member owns");
    }
    if (object->type == ST_NONE) {
        object->offset = at;    /* Others may point behind it. */
    }
    if (at != object->offset || at != p->header) {
        return no_name(st, type, p, "points into a block that it owns");
    }
    object->owned = true;
    return 0;
}

bool
st_is_left_out(const struct st_type *t, uint64_t without, uint32_t offset)
{
    for (uint32_t i = 0; i < t->n_left_out; i++) {
        const struct st_left_out *l = &t->left_out[i];

        if (l->outputs & without && offset - l->offset < l->size) {
            return true;
        }
    }
    return false;
}

uint32_t
st_referring(const struct st_type *t, const struct st_pointer *p,
             const void *object, uint64_t without)
{
    return (p->live != ST_NONE && st_is_left_out(t, without, p->live) ? 0
            : st_live(p, object));
}

/* Looks at what a pointer of object 'i' leads to; adds it if it is an object
 * that the node, which is object 'first', owns, and new. */
static int
add_target(struct st *st, struct st_objects *o, uint32_t first, uint32_t i,
           const struct st_type *type, const struct st_pointer *p, void *value)
{
    const struct st_object *node = &o->objects[first];
    uint32_t variable, number;
    uint64_t offset;
    void *start;
    size_t size;

    if (!value || p->target == ST_LINK) {
        return 0;
    }
    if (p->target == ST_TO_NODE) {
        return (i == first || value == node->start + node->offset ? 0
                : no_name(st, type, p, "points to another entry"));
    }
    if (p->target == ST_TO_OPAQUE) {
        return no_name(st, type, p, "points to what is not known");
    }
    if (st_names_find(st, value, &variable, &number, &offset)) {
        return check_static(st, type, p,
                            st_names_has(st, p, variable, number, offset));
    }
    uint32_t symbol = st_names_symbol(st, value);
    if (symbol != ST_NONE) {
        offset = ((uintptr_t) value
                  - (uintptr_t) st->program->symbols[symbol].address);
        return check_static(st, type, p,
                            st_names_symbol_has(st, p, symbol, offset));
    }
    if (p->target == ST_TO_FUNCTION || !st_heap_find(value, &start, &size)) {
        return no_name(st, type, p, "points to memory that the program did "
                                    "not allocate");
    }

    uint32_t index = st_objects_find(o, value);
    if (index != ST_NONE) {
        if (index < first || o->objects[index].structure != ST_NONE) {
            return no_name(st, type, p, "points to what another node owns");
        }
        return p->owned ? own(st, &o->objects[index], type, p, value) : 0;
    }
    uint32_t t = p->target == ST_TO_TYPE ? p->type : ST_NONE;
    uint32_t at = (uint8_t *) value - (uint8_t *) start;
    if (size > UINT32_MAX
        || (t != ST_NONE && size - at < st->program->types[t].size)) {
        return no_name(st, type, p, "points to a block of another size");
    }
    int error = append(st, o, (struct st_object) {
        .start = start, .size = size, .offset = at, .type = t,
        .structure = ST_NONE,
    });
    return (error || !p->owned ? error
            : own(st, &o->objects[o->n - 1], type, p, value));
}

/* Who only looks at the objects does without the one that a pointer leads to:
 * remembers why.  Returns 0 or a negative errno value. */
static int
refuse(struct st *st, struct st_objects *o, const uint8_t *at, int error)
{
    struct st_refused *more;

    if (!st->looking || error != -ENOTSUP || o->n_refused >= REFUSED_MAX) {
        return error;
    }
    more = realloc(o->refused, (o->n_refused + 1) * sizeof *more);
    if (!more) {
        return -ENOMEM;
    }
    o->refused = more;
    more += o->n_refused++;
    more->at = at;
    snprintf(more->why, sizeof more->why, "%s", st->why);
    return 0;
}

/* Calls add_target() for each pointer in use in object 'i'. */
static int
add_targets(struct st *st, struct st_objects *o, uint32_t first, uint32_t i)
{
    uint64_t n = st_object_elements(st, &o->objects[i]);

    for (uint64_t e = 0; e < n; e++) {
        const struct st_type *t = &st->program->types[o->objects[i].type];
        const uint8_t *object = (o->objects[i].start + o->objects[i].offset
                                 + e * t->size);

        for (uint32_t k = 0; k < t->n_pointers; k++) {
            const struct st_pointer *p = &t->pointers[k];
            uint32_t live = st_referring(t, p, object, o->without);

            for (uint32_t j = 0; j < live; j++) {
                uint32_t at = p->offset + j * p->stride;
                int error = (st_is_left_out(t, o->without, at) ? 0
                             : add_target(st, o, first, i, t, p,
                                          st_load_pointer(object + at)));
                if (error) {
                    error = refuse(st, o, object + at, error);
                }
                if (error) {
                    return error;
                }
            }
        }
    }
    return 0;
}

static int
add_owned(struct st *st, struct st_objects *o, uint32_t structure, void *node,
          bool wanted)
{
    const struct st_structure *s = &st->program->structures[structure];
    const struct st_type *t = &st->program->types[s->type];
    uint32_t first = o->n;
    void *start;
    size_t size;

    if (s->slots) {
        start = node;
        size = t->size;
        if (!st_is_slot(st, s, node)) {
            return st_error(st, -ENOTSUP, "%s: a node is not in its array",
                            s->name);
        }
    } else if (!st_heap_find(node, &start, &size) || size > UINT32_MAX
               || (uint8_t *) node - (uint8_t *) start != s->header
               || size - s->header < t->size) {
        return st_error(st, -ENOTSUP, "%s: a node is not in a block of the "
                        "heap by itself", s->name);
    }
    int error = append(st, o, (struct st_object) {
        .start = start, .size = size, .offset = s->header,
        .type = s->type, .structure = structure, .wanted = wanted,
        .owned = true,
    });
    for (uint32_t i = first; !error && i < o->n; i++) {
        error = add_targets(st, o, first, i);
    }
    for (uint32_t i = first; !error && i < o->n; i++) {
        if (!o->objects[i].owned && !st->looking) {
            error = st_error(st, -ENOTSUP, "%s: owns memory that nothing in "
                             "the program frees: it may belong to another",
                             s->name);
        }
    }
    return error;
}

int
st_objects_owned(struct st *st, struct st_objects *o, uint32_t structure,
                 void *node)
{
    return add_owned(st, o, structure, node, true);
}

/* References among structures have no cycles: mbox-state-gen sees to it, so
 * that this ends. */
int
st_objects_add(struct st *st, struct st_objects *o, uint32_t structure,
               void *node, bool wanted)
{
    const struct st_structure *s = &st->program->structures[structure];
    const struct st_type *t = &st->program->types[s->type];

    for (uint32_t i = 0; i < t->n_pointers; i++) {
        const struct st_pointer *p = &t->pointers[i];

        for (uint32_t j = 0; p->target == ST_TO_NODE && j < p->count; j++) {
            uint8_t *target = st_load_pointer((uint8_t *) node + p->offset
                                              + j * p->stride);

            if (target && st_objects_find(o, target) == ST_NONE) {
                int error = st_objects_add(st, o, p->structure, target,
                                           false);
                if (error) {
                    return error;
                }
            }
        }
    }
    return add_owned(st, o, structure, node, wanted);
}
