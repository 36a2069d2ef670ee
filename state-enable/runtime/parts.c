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

#include "parts.h"

#include <stdlib.h>
#include <string.h>

static void
mark_range(const struct st_type *t, uint8_t *marks, uint64_t offset,
           uint64_t size)
{
    for (uint64_t i = offset; i < offset + size && i < t->size; i++) {
        marks[i] = 1;
    }
}

/* Marks what an image does not have. */
static void
mark(const struct st_type *t, uint64_t without, uint8_t *marks)
{
    for (uint32_t i = 0; i < t->n_pointers; i++) {
        const struct st_pointer *p = &t->pointers[i];

        for (uint32_t j = 0; j < p->count; j++) {
            mark_range(t, marks, p->offset + (uint64_t) j * p->stride,
                       sizeof(void *));
        }
    }
    for (uint32_t i = 0; i < t->n_hooks; i++) {
        const struct st_hook *h = &t->hooks[i];

        for (uint32_t j = 0; j < h->count; j++) {
            mark_range(t, marks, h->object + (uint64_t) j * h->stride
                       + h->offset, h->size);
        }
    }
    for (uint32_t i = 0; i < t->n_left_out; i++) {
        const struct st_left_out *l = &t->left_out[i];

        if (l->outputs & without) {
            mark_range(t, marks, l->offset, l->size);
        }
    }
}

/* Sets 'parts' to what is not marked, unless it is NULL; returns how many
 * there are. */
static uint32_t
find_parts(const uint8_t *marks, uint32_t size, struct st_parts *parts)
{
    uint32_t n = 0;

    for (uint32_t at = 0; at < size;) {
        bool marked = marks[at];
        uint32_t start = at;

        while (at < size && marks[at] == marked) {
            at++;
        }
        if (!marked) {
            if (parts) {
                parts->parts[n] = (struct st_part) { start, at - start };
                parts->size += at - start;
            }
            n++;
        }
    }
    return n;
}

static struct st_parts *
create(const struct st_type *t, uint64_t without)
{
    uint8_t *marks = calloc(1, t->size);
    struct st_parts *parts = NULL;

    if (marks) {
        mark(t, without, marks);
        uint32_t n = find_parts(marks, t->size, NULL);

        parts = malloc(sizeof *parts + n * sizeof parts->parts[0]);
        if (parts) {
            parts->size = 0;
            parts->n = find_parts(marks, t->size, parts);
        }
    }
    free(marks);
    return parts;
}

const struct st_parts *
st_parts_get(struct st *st, uint32_t type, uint64_t without)
{
    const struct st_program *program = st->program;
    uint64_t output = without & ~ST_LEFT_OUT_ALWAYS;
    uint32_t variant = output ? 1 + __builtin_ctzll(output) : 0;
    size_t index = (size_t) variant * program->n_types + type;

    if (!st->parts) {
        st->parts = calloc((size_t) (program->n_outputs + 1)
                           * program->n_types, sizeof *st->parts);
        if (!st->parts) {
            return NULL;
        }
    }
    if (!st->parts[index]) {
        st->parts[index] = create(&program->types[type], without);
    }
    return st->parts[index];
}

void
st_parts_pack(const struct st_parts *parts, const struct st_type *t,
              uint8_t *packed, const uint8_t *objects, uint64_t n)
{
    if (parts->size == t->size) {
        memcpy(packed, objects, n * t->size);
        return;
    }
    for (; n; n--, objects += t->size) {
        for (uint32_t i = 0; i < parts->n; i++) {
            const struct st_part *p = &parts->parts[i];

            memcpy(packed, objects + p->offset, p->size);
            packed += p->size;
        }
    }
}

void
st_parts_unpack(const struct st_parts *parts, const struct st_type *t,
                uint8_t *objects, const uint8_t *packed, uint64_t n)
{
    if (parts->size == t->size) {
        memcpy(objects, packed, n * t->size);
        return;
    }
    memset(objects, 0, n * t->size);
    for (; n; n--, objects += t->size) {
        for (uint32_t i = 0; i < parts->n; i++) {
            const struct st_part *p = &parts->parts[i];

            memcpy(objects + p->offset, packed, p->size);
            packed += p->size;
        }
    }
}

void
st_parts_uninit(struct st *st)
{
    size_t n = (size_t) (st->program->n_outputs + 1) * st->program->n_types;

    for (size_t i = 0; st->parts && i < n; i++) {
        free(st->parts[i]);
    }
    free(st->parts);
}
