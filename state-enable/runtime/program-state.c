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
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "dirty.h"
#include "heap.h"
#include "image.h"
#include "index.h"
#include "names.h"
#include "nodes.h"
#include "parts.h"
#include "slots.h"

void
st_ended(void *start, size_t size, void *st_)
{
    struct st *st = st_;

    st_names_freed(st, start);
    st_dirty_ended(st, start);
    if (start) {
        st_index_remove(st->index, start, size, st);
        st_index_remove(st->untouched, start, size, NULL);
        st_index_remove(st->doomed, start, size, NULL);
    } else {
        st_index_clear(st->index, false);
        st_index_clear(st->index, true);
        st_index_clear(st->untouched, false);
        st_index_clear(st->doomed, false);
    }
}

struct st *
st_create(const struct st_program *program, st_log_fn *log, void *aux)
{
    struct st *st = calloc(1, sizeof *st);

    if (!st) {
        return NULL;
    }
    st->program = program;
    st->log = log;
    st->log_aux = aux;
    st->names = st_names_create();
    st->index = st_index_create();
    st->untouched = st_index_create();
    st->doomed = st_index_create();
    st->known = calloc(program->n_structures + 1, sizeof *st->known);
    if (!st->names || !st->index || !st->untouched || !st->doomed
        || !st->known || !st_slots_init(st)) {
        st_destroy(st);
        return NULL;
    }
    st_heap_on_free(st_ended, st);
    st_dirty_start(st);
    return st;
}

void
st_destroy(struct st *st)
{
    if (st) {
        st_heap_on_free(NULL, NULL);
        st_dirty_stop(st);
        st_names_destroy(st->names);
        st_index_destroy(st->index);
        st_index_destroy(st->untouched);
        st_index_destroy(st->doomed);
        st_slots_uninit(st);
        st_parts_uninit(st);
        free(st->known);
        free(st->standing);
        free(st->standing_by_key);
        free(st);
    }
}

int
st_explain(struct st *st, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(st->why, sizeof st->why, format, args);
    va_end(args);
    return error;
}

int
st_error(struct st *st, int error, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (st->log && !st->looking) {
        st->log(st->log_aux, message);
    }
    return st_explain(st, error, "%s", message);
}

const char *
st_why(const struct st *st)
{
    return st->why;
}

void
st_on_end(struct st *st, void (*cb)(bool, const struct mbox_key *, void *),
          void *aux)
{
    st->on_end = cb;
    st->on_end_aux = aux;
}

void
st_on_change(struct st *st, void (*cb)(bool, const struct mbox_key *, void *),
             void *aux)
{
    st->on_change = cb;
    st->on_change_aux = aux;
}

void
st_touch(struct st *st, const struct mbox_key *host)
{
    st_index_forget(st->untouched, host);
}

void
st_step(struct st *st)
{
    st_heap_own();
    st_dirty_step(st);
}

struct listing {
    struct st *st;
    uint32_t structure;
    bool per_flow;
    int (*cb)(const struct mbox_key *, void *);
    void *aux;
};

static int
list_node(void *node, uint32_t bucket, void *l_)
{
    struct listing *l = l_;
    const struct st_structure *s = &l->st->program->structures[l->structure];
    struct mbox_key exact, key;

    if (!st_node_key(s, node, &exact)) {
        return 0;
    }
    st_public_key(s, &exact, &key);
    if (!s->slots) {
        st_heap_watch(node);
    }
    int error = st_index_add(l->st->index, l->per_flow, l->structure, node,
                             bucket, &key);
    return error ? error : l->cb(&key, l->aux);
}

int
st_list(struct st *st, bool per_flow,
        int (*cb)(const struct mbox_key *, void *), void *aux)
{
    int error = 0;

    st_index_clear(st->index, per_flow);
    st_wait(st, st->waits);     /* The index has not all, if that fails. */
    st_dirty_pause(st);
    for (uint32_t i = 0; !error && i < st->program->n_structures; i++) {
        struct listing l = { st, i, per_flow, cb, aux };

        if (st->program->structures[i].per_flow == per_flow) {
            error = st_for_each(st, i, list_node, &l);
        }
    }
    st_dirty_resume(st);
    if (error) {
        st_index_clear(st->index, per_flow);
    }
    return error;
}

static int
count_node(void *node, uint32_t bucket, void *n_)
{
    uint64_t *n = n_;

    (void) node;
    (void) bucket;
    ++*n;
    return 0;
}

uint64_t
st_count(struct st *st, bool per_flow)
{
    uint64_t n = 0;

    st_dirty_pause(st);
    for (uint32_t i = 0; i < st->program->n_structures; i++) {
        if (st->program->structures[i].per_flow == per_flow) {
            st_for_each(st, i, count_node, &n);
        }
    }
    st_dirty_resume(st);
    return n;
}
