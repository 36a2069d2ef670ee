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

/* Breadth first from each static variable.  An object is a block of the heap;
 * it belongs to the first variable that leads to it. */

#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "heap.h"
#include "mbox-fnv.h"
#include "nodes.h"
#include "objects.h"

struct object {
    uint8_t *start;
    uint64_t size;
    uint32_t offset;            /* Of the first element. */
    uint32_t type;              /* ST_NONE: bytes. */
    uint32_t variable, number;
};

struct root {
    uint32_t first, n;          /* In 'objects'. */
    uint64_t fingerprint;
};

struct st_names {
    struct object *objects;
    size_t n_objects, allocated;
    uint32_t *by_address;       /* Indexes of 'objects', sorted. */
    struct root *roots;         /* One for each variable of the program. */
    uint32_t *symbols;          /* Indexes, sorted by address. */
    time_t updated;             /* 0: never. */
};

struct st_names *
st_names_create(void)
{
    return calloc(1, sizeof(struct st_names));
}

static void
clear(struct st_names *names)
{
    free(names->objects);
    free(names->by_address);
    free(names->roots);
    names->objects = NULL;
    names->by_address = NULL;
    names->roots = NULL;
    names->n_objects = names->allocated = 0;
    names->updated = 0;
}

void
st_names_destroy(struct st_names *names)
{
    if (names) {
        clear(names);
        free(names->symbols);
        free(names);
    }
}

/* What is being looked through. */
struct walk {
    struct st *st;
    struct st_names *names;
    uint32_t variable;
    void **seen;                /* Starts of blocks; open addressing. */
    size_t n_seen, n_slots;
};

/* Returns false if it was there; -ENOMEM in '*error'. */
static bool
see(struct walk *w, void *start, int *error)
{
    if (2 * w->n_seen >= w->n_slots) {
        size_t n = w->n_slots ? 2 * w->n_slots : 256;
        void **slots = calloc(n, sizeof *slots);

        if (!slots) {
            *error = -ENOMEM;
            return false;
        }
        for (size_t i = 0; i < w->n_slots; i++) {
            if (w->seen[i]) {
                size_t j = ((uintptr_t) w->seen[i] >> 4) & (n - 1);

                while (slots[j]) {
                    j = (j + 1) & (n - 1);
                }
                slots[j] = w->seen[i];
            }
        }
        free(w->seen);
        w->seen = slots;
        w->n_slots = n;
    }

    size_t j = ((uintptr_t) start >> 4) & (w->n_slots - 1);
    while (w->seen[j]) {
        if (w->seen[j] == start) {
            return false;
        }
        j = (j + 1) & (w->n_slots - 1);
    }
    w->seen[j] = start;
    w->n_seen++;
    return true;
}

static int
visit(struct walk *w, void *p, enum st_target target, uint32_t type)
{
    struct st_names *names = w->names;
    void *start;
    size_t size;
    int error = 0;

    if (target != ST_TO_TYPE && target != ST_TO_BYTES) {
        return 0;
    }
    if (!p || !st_heap_find(p, &start, &size) || !see(w, start, &error)) {
        return error;
    }
    if (names->n_objects >= names->allocated) {
        size_t n = names->allocated ? 2 * names->allocated : 256;
        struct object *objects = realloc(names->objects, n * sizeof *objects);

        if (!objects) {
            return -ENOMEM;
        }
        names->objects = objects;
        names->allocated = n;
    }
    st_heap_watch(start);
    struct root *root = &names->roots[w->variable];
    names->objects[names->n_objects++] = (struct object) {
        .start = start,
        .size = size,
        .offset = (uint8_t *) p - (uint8_t *) start,
        .type = target == ST_TO_TYPE ? type : ST_NONE,
        .variable = w->variable,
        .number = root->n++,
    };
    return 0;
}

static int
visit_members(struct walk *w, const uint8_t *object, uint32_t type)
{
    const struct st_type *t = &w->st->program->types[type];

    for (uint32_t i = 0; i < t->n_pointers; i++) {
        const struct st_pointer *p = &t->pointers[i];
        uint32_t n = st_live(p, object);

        for (uint32_t j = 0; j < n; j++) {
            int error = visit(w, st_load_pointer(object + p->offset
                                                 + j * p->stride),
                              p->target, p->type);
            if (error) {
                return error;
            }
        }
    }
    return 0;
}

static int
visit_objects(struct walk *w)
{
    struct st_names *names = w->names;
    struct root *root = &names->roots[w->variable];
    uint64_t hash = MBOX_FNV1A_INIT;

    for (uint32_t i = root->first; i < root->first + root->n; i++) {
        struct object o = names->objects[i];
        hash = mbox_fnv1a(hash, &o.type, sizeof o.type);
        if (o.type == ST_NONE) {
            const uint8_t *s = o.start + o.offset;

            hash = mbox_fnv1a(hash, s, strnlen((const char *) s,
                                               o.size - o.offset));
            continue;
        }
        uint32_t size = w->st->program->types[o.type].size;
        uint64_t n = st_elements(&w->st->program->types[o.type],
                                 o.size - o.offset);
        hash = mbox_fnv1a(hash, &n, sizeof n);
        for (uint64_t e = 0; e < n; e++) {
            int error = visit_members(w, o.start + o.offset + e * size,
                                      o.type);
            if (error) {
                return error;
            }
        }
    }
    root->fingerprint = hash;
    return 0;
}

static int
visit_variable(struct walk *w)
{
    const struct st_variable *v = &w->st->program->variables[w->variable];
    const uint8_t *address = v->address;
    uint32_t size = (v->is_object ? w->st->program->types[v->type].size
                     : sizeof(void *));
    int error = 0;

    for (uint32_t at = 0; !error && at + size <= v->size; at += size) {
        error = (v->is_object
                 ? visit_members(w, address + at, v->type)
                 : visit(w, st_load_pointer(address + at), v->target,
                         v->type));
    }
    return error ? error : visit_objects(w);
}

static const struct object *sort_objects;
static const struct st_symbol *sort_symbols;

static int
compare_objects(const void *a_, const void *b_)
{
    const uint8_t *a = sort_objects[*(const uint32_t *) a_].start;
    const uint8_t *b = sort_objects[*(const uint32_t *) b_].start;

    return a < b ? -1 : a > b;
}

static int
compare_symbols(const void *a_, const void *b_)
{
    uintptr_t a = (uintptr_t) sort_symbols[*(const uint32_t *) a_].address;
    uintptr_t b = (uintptr_t) sort_symbols[*(const uint32_t *) b_].address;

    return a < b ? -1 : a > b;
}

static uint32_t *
sorted(size_t n, int (*compare)(const void *, const void *))
{
    uint32_t *indexes = calloc(n ? n : 1, sizeof *indexes);

    if (indexes) {
        for (size_t i = 0; i < n; i++) {
            indexes[i] = i;
        }
        qsort(indexes, n, sizeof *indexes, compare);
    }
    return indexes;
}

static int
update(struct st *st)
{
    const struct st_program *program = st->program;
    struct st_names *names = st->names;
    struct walk w = { .st = st, .names = names };
    int error = 0;

    clear(names);
    names->roots = calloc(program->n_variables + 1, sizeof *names->roots);
    if (!names->roots) {
        return -ENOMEM;
    }
    for (; !error && w.variable < program->n_variables; w.variable++) {
        names->roots[w.variable].first = names->n_objects;
        if (program->variables[w.variable].role == ST_STATIC) {
            error = visit_variable(&w);
        }
    }
    free(w.seen);
    if (!error) {
        sort_objects = names->objects;
        names->by_address = sorted(names->n_objects, compare_objects);
        sort_symbols = program->symbols;
        if (!names->symbols) {
            names->symbols = sorted(program->n_symbols, compare_symbols);
        }
        error = names->by_address && names->symbols ? 0 : -ENOMEM;
    }
    if (error) {
        clear(names);
    }
    return error;
}

int
st_names_refresh(struct st *st)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (st->names->updated && now.tv_sec <= st->names->updated) {
        return 0;
    }
    int error = update(st);
    if (!error) {
        st->names->updated = now.tv_sec + 1;
    }
    return error;
}

void
st_names_freed(struct st *st, const void *start)
{
    uint32_t variable, number;
    uint64_t offset;

    if (!start
        || (st_names_find(st, start, &variable, &number, &offset)
            && !offset)) {
        st->names->updated = 0;
    }
}

bool
st_names_find(struct st *st, const void *p, uint32_t *variable,
              uint32_t *number, uint64_t *offset)
{
    const struct st_names *names = st->names;
    size_t low = 0, high = names->n_objects;

    while (low < high) {        /* The first that starts behind 'p'. */
        size_t middle = (low + high) / 2;

        if ((const uint8_t *) p
            < names->objects[names->by_address[middle]].start) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (!low) {
        return false;
    }
    const struct object *o = &names->objects[names->by_address[low - 1]];
    *variable = o->variable;
    *number = o->number;
    *offset = (const uint8_t *) p - o->start;
    return *offset < o->size;
}

static const struct object *
get_object(const struct st *st, uint32_t variable, uint32_t number)
{
    const struct st_names *names = st->names;

    return (variable < st->program->n_variables && names->roots
            && number < names->roots[variable].n
            ? &names->objects[names->roots[variable].first + number] : NULL);
}

uint8_t *
st_names_get(struct st *st, uint32_t variable, uint32_t number)
{
    const struct object *o = get_object(st, variable, number);

    return o ? o->start : NULL;
}

/* Whether an array of 'type' has an element at 'offset'. */
static bool
is_element(const struct st *st, uint32_t type, uint64_t offset, uint64_t size)
{
    const struct st_type *t = &st->program->types[type];

    return ((t->tail ? !offset : offset % t->size == 0) && offset <= size
            && size - offset >= t->size);
}

bool
st_names_has(struct st *st, const struct st_pointer *p, uint32_t variable,
             uint32_t number, uint64_t offset)
{
    const struct object *o = get_object(st, variable, number);

    if (!o || offset < o->offset || offset >= o->size) {
        return false;
    }
    return (p->target == ST_TO_BYTES ? o->type == ST_NONE
            : p->target == ST_TO_TYPE && o->type == p->type
              && is_element(st, p->type, offset - o->offset,
                            o->size - o->offset));
}

bool
st_names_symbol_has(struct st *st, const struct st_pointer *p, uint32_t symbol,
                    uint64_t offset)
{
    const struct st_symbol *s = &st->program->symbols[symbol];

    if (s->target != p->target || offset >= s->size) {
        return false;
    }
    return (p->target == ST_TO_TYPE
            ? s->type == p->type && is_element(st, p->type, offset, s->size)
            : p->target == ST_TO_BYTES
              || (p->target == ST_TO_FUNCTION && !offset));
}

uint64_t
st_names_fingerprint(struct st *st, uint32_t variable)
{
    return st->names->roots ? st->names->roots[variable].fingerprint : 0;
}

uint32_t
st_names_symbol(struct st *st, const void *p)
{
    const struct st_program *program = st->program;
    size_t low = 0, high = st->names->symbols ? program->n_symbols : 0;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if ((uintptr_t) p
            < (uintptr_t) program->symbols[st->names->symbols[middle]]
                          .address) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (!low) {
        return ST_NONE;
    }
    uint32_t index = st->names->symbols[low - 1];
    const struct st_symbol *s = &program->symbols[index];
    uint64_t offset = (uintptr_t) p - (uintptr_t) s->address;
    return offset < s->size ? index : ST_NONE;
}
