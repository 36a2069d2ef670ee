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

#include "slice.h"

#include <glib.h>
#include "sdg-private.h"

/* A path has two phases: in the first it may go up out of procedures, in the
 * second, after it went down into one, it may not.  So there are two ways in
 * which a vertex may be reached, and one of them allows all that the other
 * does; the state of a vertex is the more permissive one that it was reached
 * in.  Going forward from the seeds, that is the first phase.  Going backward,
 * it is that the rest of the path (from the vertex to the seed) only goes
 * down, because such a rest may follow either phase. */
enum state {
    UNREACHED = 0,
    AFTER_DOWN = 1,             /* Forward: went down, must not go up. */
    BEFORE_DOWN = 2,            /* Forward: may go up. */
    REST_UP = 1,                /* Backward: the rest goes up first. */
    REST_DOWN = 2               /* Backward: the rest never goes up. */
};

struct sa_slice {
    const struct sa_sdg *sdg;
    bool forward;               /* 'previous' leads to what it depends on. */
    uint8_t *state;             /* By vertex. */
    uint32_t *previous;         /* By vertex. */
    GArray *vertices;           /* In the slice, nearest first. */
};

static struct sa_slice *
slice_create(const struct sa_sdg *sdg, bool forward)
{
    struct sa_slice *s = g_new0(struct sa_slice, 1);

    s->sdg = sdg;
    s->forward = forward;
    s->state = g_new0(uint8_t, sdg->n);
    s->previous = g_new(uint32_t, sdg->n);
    s->vertices = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    return s;
}

void
sa_slice_destroy(struct sa_slice *s)
{
    if (s) {
        g_free(s->state);
        g_free(s->previous);
        g_array_free(s->vertices, TRUE);
        g_free(s);
    }
}

/* Whether a path may go to 'vertex'. */
static bool
may_enter(const struct sa_sdg *sdg, uint32_t vertex,
          const struct sa_slice_options *options)
{
    if (options->functions) {
        uint32_t f = sa_sdg_vertex(sdg, vertex).function;
        if (f != SA_NONE && !options->functions[f]) {
            return false;
        }
    }
    return !options->skip || !options->skip(vertex, options->aux);
}

/* The state that a vertex in 'state' gives to the other end of an edge out of
 * it (in, if not 'forward'). */
static enum state
next_state(bool forward, enum state state, enum sa_edge_kind kind)
{
    switch (kind) {
    case SA_EDGE_INSIDE:
    case SA_EDGE_SUMMARY:
        return state;
    case SA_EDGE_MEMORY:
        return forward ? BEFORE_DOWN : REST_DOWN;
    case SA_EDGE_DOWN:
        return forward ? AFTER_DOWN
               : state == REST_DOWN ? REST_DOWN : UNREACHED;
    case SA_EDGE_UP:
        return !forward ? REST_UP
               : state == BEFORE_DOWN ? BEFORE_DOWN : UNREACHED;
    }
    return UNREACHED;
}

/* Extends 's', whose vertices are the seeds, to all that is reached from them;
 * only to vertices that 'within' has, unless it is NULL. */
static void
spread(struct sa_slice *s, const struct sa_slice_options *options,
       const struct sa_slice *within)
{
    /* A vertex is worked on again if its state becomes more permissive. */
    GQueue again = G_QUEUE_INIT;
    guint next = 0;

    while (next < s->vertices->len || !g_queue_is_empty(&again)) {
        uint32_t v = next < s->vertices->len
                     ? g_array_index(s->vertices, uint32_t, next++)
                     : GPOINTER_TO_UINT(g_queue_pop_head(&again));
        uint32_t n;
        const struct sa_edge *edges = s->forward ? sa_sdg_out(s->sdg, v, &n)
                                                 : sa_sdg_in(s->sdg, v, &n);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t to = edges[i].to;
            enum state state = next_state(s->forward, s->state[v],
                                          edges[i].kind);
            if (edges[i].dep > options->dep || state <= s->state[to]
                || (within && !within->state[to])) {
                continue;
            }
            if (s->state[to]) {
                s->state[to] = state;
                g_queue_push_tail(&again, GUINT_TO_POINTER(to));
            } else if (may_enter(s->sdg, to, options)) {
                s->state[to] = state;
                s->previous[to] = v;
                g_array_append_val(s->vertices, to);
            }
        }
    }
}

static void
add_seeds(struct sa_slice *s, const uint32_t seeds[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!s->state[seeds[i]]) {
            s->state[seeds[i]] = BEFORE_DOWN;
            s->previous[seeds[i]] = SA_NONE;
            g_array_append_val(s->vertices, seeds[i]);
        }
    }
}

struct sa_slice *
sa_slice_forward(const struct sa_sdg *sdg, const uint32_t seeds[],
                 size_t n_seeds, const struct sa_slice_options *options)
{
    struct sa_slice *s = slice_create(sdg, true);

    add_seeds(s, seeds, n_seeds);
    spread(s, options, NULL);
    return s;
}

struct sa_slice *
sa_slice_backward(const struct sa_sdg *sdg, const uint32_t seeds[],
                  size_t n_seeds, const struct sa_slice_options *options)
{
    struct sa_slice *s = slice_create(sdg, false);

    add_seeds(s, seeds, n_seeds);
    spread(s, options, NULL);
    return s;
}

/* Chopping.
 *
 * What is on a path is what a path from 'from' reaches in a phase from which
 * the rest leads on to 'to'.  That steps over calls by summary edges; what is
 * inside of these is added after that: what is on a path from the formal
 * parameter to the return, for each parameter that a summary edge in the chop
 * stands for, and so on for calls therein. */

struct chopper {
    struct sa_slice *chop;
    const struct sa_slice_options *options;
    GArray *work;               /* Formal parameters to start from. */
};

/* Adds the parameters that the summary edge from 'actual' to 'result' stands
 * for. */
static void
add_inside(struct chopper *c, uint32_t actual, uint32_t result)
{
    const struct sa_sdg *sdg = c->chop->sdg;
    uint32_t n;
    const struct sa_edge *out = sa_sdg_out(sdg, actual, &n);
    uint32_t call = actual < sdg->first_call
                    ? actual : sdg->of_call[actual - sdg->first_call];

    for (uint32_t i = 0; i < n; i++) {
        uint32_t formal = out[i].to;
        if (out[i].kind == SA_EDGE_DOWN && out[i].dep <= c->options->dep
            && sdg->to_return[formal] <= c->options->dep
            && sa_sdg_result_of(sdg, call,
                                sa_sdg_vertex(sdg, formal).function)
               == result) {
            g_array_append_val(c->work, formal);
        }
    }
}

/* Adds the parameters that summary edges from 'v' within the chop stand
 * for. */
static void
add_insides_of(struct chopper *c, const struct sa_slice *within, uint32_t v)
{
    uint32_t n;
    const struct sa_edge *out = sa_sdg_out(c->chop->sdg, v, &n);

    for (uint32_t i = 0; i < n; i++) {
        if (out[i].kind == SA_EDGE_SUMMARY && out[i].dep <= c->options->dep
            && within->state[out[i].to]) {
            add_inside(c, v, out[i].to);
        }
    }
}

static void
add_to_chop(struct sa_slice *chop, uint32_t v)
{
    if (!chop->state[v]) {
        chop->state[v] = BEFORE_DOWN;
        g_array_append_val(chop->vertices, v);
    }
}

/* Adds all that is on paths inside of calls that are stepped over. */
static void
fill_insides(struct chopper *c)
{
    const struct sa_sdg *sdg = c->chop->sdg;
    enum sa_dep dep = c->options->dep;
    /* What was walked through inside; apart from the chop, because what is in
     * that already was not necessarily followed to the return. */
    bool *inside = g_new0(bool, sdg->n);

    while (c->work->len) {
        uint32_t v = g_array_index(c->work, uint32_t, c->work->len - 1);
        g_array_set_size(c->work, c->work->len - 1);
        if (inside[v] || !may_enter(sdg, v, c->options)) {
            continue;
        }
        inside[v] = true;
        add_to_chop(c->chop, v);

        uint32_t n;
        const struct sa_edge *out = sa_sdg_out(sdg, v, &n);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t to = out[i].to;
            if (out[i].dep > dep || sdg->to_return[to] > dep) {
                continue;
            }
            if (out[i].kind == SA_EDGE_SUMMARY) {
                add_inside(c, v, to);
            }
            if (out[i].kind == SA_EDGE_SUMMARY
                || out[i].kind == SA_EDGE_INSIDE) {
                g_array_append_val(c->work, to);
            }
        }
    }
    g_free(inside);
}

static int
compare_u32(gconstpointer a, gconstpointer b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return x < y ? -1 : x > y;
}

struct sa_slice *
sa_slice_chop(const struct sa_sdg *sdg, const uint32_t from[], size_t n_from,
              const uint32_t to[], size_t n_to,
              const struct sa_slice_options *options)
{
    struct sa_slice *forward = sa_slice_forward(sdg, from, n_from, options);
    struct sa_slice *backward = sa_slice_backward(sdg, to, n_to, options);
    struct sa_slice *chop = slice_create(sdg, true);
    struct chopper c = {
        .chop = chop,
        .options = options,
        .work = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };

    for (guint i = 0; i < forward->vertices->len; i++) {
        uint32_t v = g_array_index(forward->vertices, uint32_t, i);
        if (forward->state[v] == BEFORE_DOWN ? backward->state[v] != UNREACHED
                                             : backward->state[v]
                                               == REST_DOWN) {
            add_to_chop(chop, v);
        }
    }
    guint n_stepped = chop->vertices->len;
    for (guint i = 0; i < n_stepped; i++) {
        add_insides_of(&c, chop, g_array_index(chop->vertices, uint32_t, i));
    }
    fill_insides(&c);
    sa_slice_destroy(forward);
    sa_slice_destroy(backward);
    g_array_free(c.work, TRUE);

    /* Once more through the chop, for the paths. */
    struct sa_slice *order = slice_create(sdg, true);
    for (size_t i = 0; i < n_from; i++) {
        if (chop->state[from[i]]) {
            add_seeds(order, &from[i], 1);
        }
    }
    spread(order, options, chop);
    for (guint i = 0; i < chop->vertices->len; i++) {
        uint32_t v = g_array_index(chop->vertices, uint32_t, i);
        chop->previous[v] = order->state[v] ? order->previous[v] : SA_NONE;
    }
    sa_slice_destroy(order);
    g_array_sort(chop->vertices, compare_u32);
    return chop;
}

bool
sa_slice_has(const struct sa_slice *s, uint32_t vertex)
{
    return vertex != SA_NONE && s->state[vertex];
}

bool
sa_slice_has_insn(const struct sa_slice *s, uint32_t insn)
{
    const struct sa_sdg *sdg = s->sdg;
    uint32_t n;

    if (s->state[insn]) {
        return true;
    }
    if (sdg->calls[insn] != SA_NONE) {
        n = LLVMGetNumArgOperands(sdg->program->insns[insn].value) + 1;
        for (uint32_t i = 0; i < n; i++) {
            if (s->state[sdg->calls[insn] + i]) {
                return true;
            }
        }
    }

    uint32_t n_all;
    const struct sa_copy *all = sa_modref_all_copies(sdg->modref, &n_all);
    const struct sa_copy *copies = sa_modref_copies(sdg->modref, insn, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (s->state[sdg->first_copy + (copies - all) + i]) {
            return true;
        }
    }
    return false;
}

const uint32_t *
sa_slice_vertices(const struct sa_slice *s, size_t *n)
{
    *n = s->vertices->len;
    return (const uint32_t *) s->vertices->data;
}

uint32_t
sa_slice_previous(const struct sa_slice *s, uint32_t vertex)
{
    return sa_slice_has(s, vertex) ? s->previous[vertex] : SA_NONE;
}

uint32_t *
sa_slice_path(const struct sa_slice *s, uint32_t vertex, size_t *n)
{
    if (!sa_slice_has(s, vertex)) {
        *n = 0;
        return NULL;
    }

    GArray *path = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (uint32_t v = vertex; v != SA_NONE; v = s->previous[v]) {
        if (sa_sdg_vertex(s->sdg, v).kind != SA_VERTEX_SET) {
            g_array_append_val(path, v);
        }
    }

    uint32_t *v = (uint32_t *) path->data;
    for (guint i = 0; s->forward && i < path->len / 2; i++) {
        uint32_t swap = v[i];
        v[i] = v[path->len - 1 - i];
        v[path->len - 1 - i] = swap;
    }
    *n = path->len;
    return (uint32_t *) g_array_free(path, FALSE);
}
