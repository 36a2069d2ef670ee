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

#include "pta-private.h"

#include "diag.h"

/* The solver
 *
 * Andersen's inclusion constraints, solved by waves (Pereira, Berlin: "Wave
 * Propagation and Deep Propagation for Pointer Analysis", CGO 2009): cycles
 * of copies are united (Tarjan's algorithm), the rest is visited in
 * topological order, and only what is new in a set is propagated (Pearce,
 * Kelly, Hankin: "Online Cycle Detection and Difference Propagation", SQJ
 * 2004).  Loads, stores, and calls through pointers add edges on the way.
 *
 * A cycle with pointer arithmetic in it ("p++" in a loop, a positive-weight
 * cycle) would walk through all fields of an object; the arithmetic is
 * taken as a variable index then, which stays within an array. */

/* Edges are ordered anew when so many were added since: a 1/ORDER_RATIO of
 * all. */
#define ORDER_RATIO 20

/* Union-find. */

uint32_t
pta_find(const struct sa_pta *pta, uint32_t id)
{
    struct vertex *v = pta_vertex(pta, id);

    while (v->rep != id) {
        v->rep = pta_vertex(pta, v->rep)->rep;
        id = v->rep;
        v = pta_vertex(pta, id);
    }
    return id;
}

uint32_t
pta_same(const struct sa_pta *pta, uint32_t id)
{
    struct vertex *v = pta_vertex(pta, id);

    while (v->same != id) {
        v->same = pta_vertex(pta, v->same)->same;
        id = v->same;
        v = pta_vertex(pta, id);
    }
    return id;
}

uint32_t
pta_new_variable(struct sa_pta *pta)
{
    struct vertex v = {
        .rep = pta->vertices->len, .same = pta->vertices->len,
        .object = SA_NONE, .stored = SA_NONE,
        .constraints = SA_NONE, .last_constraint = SA_NONE
    };
    g_array_append_val(pta->vertices, v);
    return pta->vertices->len - 1;
}

/* Unites the sets of two vertices.  What the one had propagated, the other's
 * successors may lack: all is new again. */
static uint32_t
unite(struct sa_pta *pta, uint32_t a, uint32_t b)
{
    a = pta_find(pta, a);
    b = pta_find(pta, b);
    if (a == b) {
        return a;
    }
    struct vertex *v = pta_vertex(pta, a);
    struct vertex *w = pta_vertex(pta, b);
    w->rep = a;
    nodeset_union(&v->points_to, &w->points_to, NULL);
    nodeset_union(&v->succs, &w->succs, NULL);
    nodeset_clear(&v->delta);
    nodeset_union(&v->delta, &v->points_to, NULL);
    if (w->constraints != SA_NONE) {
        if (v->constraints == SA_NONE) {
            v->constraints = w->constraints;
        } else {
            g_array_index(pta->constraints, struct constraint,
                          v->last_constraint).next = w->constraints;
        }
        v->last_constraint = w->last_constraint;
        w->constraints = w->last_constraint = SA_NONE;
    }
    nodeset_clear(&w->points_to);
    nodeset_clear(&w->delta);
    nodeset_clear(&w->succs);
    return a;
}

void
pta_unite_nodes(struct sa_pta *pta, uint32_t a, uint32_t b)
{
    a = pta_same(pta, a);
    b = pta_same(pta, b);
    if (a != b) {
        pta_vertex(pta, b)->same = a;
        unite(pta, a, b);
    }
}

/* The graph. */

void
pta_add_constraint(struct sa_pta *pta, uint32_t vertex,
                   enum constraint_kind kind, uint32_t other)
{
    if (vertex == SA_NONE) {
        return;
    }
    struct constraint c = { .kind = kind, .other = other, .next = SA_NONE };
    uint32_t id = pta->constraints->len;
    struct vertex *v = pta_vertex(pta, pta_find(pta, vertex));

    g_array_append_val(pta->constraints, c);
    if (v->constraints == SA_NONE) {
        v->constraints = id;
    } else {
        g_array_index(pta->constraints, struct constraint,
                      v->last_constraint).next = id;
    }
    v->last_constraint = id;
    nodeset_union(&v->delta, &v->points_to, NULL);
}

void
pta_add_edge(struct sa_pta *pta, uint32_t from, uint32_t to)
{
    if (from == SA_NONE || to == SA_NONE) {
        return;
    }
    from = pta_find(pta, from);
    to = pta_find(pta, to);
    if (from == to) {
        return;
    }
    struct vertex *v = pta_vertex(pta, from);
    if (nodeset_add(&v->succs, to)) {
        pta_propagate(pta, &v->points_to, to);
        pta->n_edges++;
    }
}

void
pta_add_points_to(struct sa_pta *pta, uint32_t vertex, uint32_t node)
{
    if (vertex == SA_NONE || node == SA_NONE) {
        return;
    }
    node = pta_classify(pta, node);

    struct vertex *v = pta_vertex(pta, pta_find(pta, vertex));
    if (pta_passes(pta, v->filter, node)
        && nodeset_add(&v->points_to, node)) {
        nodeset_add(&v->delta, node);
    }
}

void
pta_add_gep(struct sa_pta *pta, uint32_t src, const struct gep *gep)
{
    if (src != SA_NONE && gep->dst != SA_NONE) {
        pta_add_constraint(pta, src, C_GEP, pta->geps->len);
        g_array_append_val(pta->geps, *gep);
    }
}

/* Whether what is copied is not told apart by its distance: its place or its
 * length is unknown. */
static bool
is_copied_as_one(struct sa_pta *pta, uint32_t to, uint32_t from, uint64_t size)
{
    return (pta->by_types
            && (!size || !pta_vertex(pta, pta_find(pta, to))->filter
                || !pta_vertex(pta, pta_find(pta, from))->filter));
}

void
pta_add_copy(struct sa_pta *pta, uint32_t to, uint32_t from, uint64_t size)
{
    if (to != SA_NONE && from != SA_NONE) {
        struct copy copy = {
            .size = size,
            .all = (is_copied_as_one(pta, to, from, size)
                    ? pta_new_variable(pta) : SA_NONE),
            .parts = g_array_new(FALSE, FALSE, sizeof(struct copy_part))
        };

        g_array_append_val(pta->copies, copy);
        pta_add_constraint(pta, to, C_COPY_TO, pta->copies->len - 1);
        pta_add_constraint(pta, from, C_COPY_FROM, pta->copies->len - 1);
    }
}

/* Processing a vertex. */

static void
add_to_gep(struct sa_pta *pta, uint32_t node, void *dst_)
{
    uint32_t *dst = dst_;
    pta_add_points_to(pta, *dst, node);
}

void
pta_apply_constraint(struct sa_pta *pta, struct constraint c, uint32_t node)
{
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);

    pta->n_steps++;
    switch (c.kind) {
    case C_LOAD_CODE:
        if (pta_is_cursor(pta, node) || pta_is_untyped(pta, node)) {
            break;
        }
        /* Fall through. */
    case C_LOAD:
        if (o->kind != SA_OBJECT_FUNCTION && !v->numeric) {
            pta_add_edge(pta, node, c.other);
        }
        break;
    case C_STORE_CODE:
        if (pta_is_cursor(pta, node) || pta_is_untyped(pta, node)) {
            break;
        }
        /* Fall through. */
    case C_STORE:
        if (v->stored != SA_NONE) {
            pta_add_edge(pta, c.other, v->stored);
        } else if (o->kind != SA_OBJECT_FUNCTION
                   && pta_is_writable(pta, node)) {
            pta_add_edge(pta, c.other, node);
        }
        break;
    case C_GEP: {
        struct gep gep = g_array_index(pta->geps, struct gep, c.other);
        pta_apply_gep(pta, &gep, node, add_to_gep, &gep.dst);
        break;
    }
    case C_CALL:
        if (o->kind == SA_OBJECT_FUNCTION) {
            pta_connect_call(pta, c.other, o->function);
        }
        break;
    case C_CALLBACK:
        if (o->kind == SA_OBJECT_FUNCTION) {
            pta_connect_callback(pta, c.other, o->function);
        }
        break;
    case C_COPY_TO:
        pta_copy_to(pta, c.other, node);
        break;
    case C_COPY_FROM:
        pta_copy_from(pta, c.other, node);
        break;
    }
}

/* Propagates what is new in the set of vertex 'id'. */
static void
process(struct sa_pta *pta, uint32_t id)
{
    struct vertex *v = pta_vertex(pta, id);
    struct nodeset delta = v->delta;
    struct nodeset succs = { .blocks = NULL };
    uint32_t node, to;

    v->delta = (struct nodeset) { .blocks = NULL };
    for (uint32_t i = v->constraints; i != SA_NONE; ) {
        struct constraint c = g_array_index(pta->constraints,
                                            struct constraint, i);
        NODESET_FOR_EACH (node, &delta) {
            pta_apply_constraint(pta, c, pta_same(pta, node));
        }
        i = g_array_index(pta->constraints, struct constraint, i).next;
    }

    pta_copy_new_nodes(pta);

    /* Edges that were added just now have propagated all. */
    v = pta_vertex(pta, pta_find(pta, id));
    nodeset_union(&succs, &v->succs, NULL);
    NODESET_FOR_EACH (to, &succs) {
        uint32_t rep = pta_find(pta, to);

        if (rep != pta_find(pta, id)) {
            pta_propagate(pta, &delta, rep);
        }
    }
    nodeset_clear(&succs);
    nodeset_clear(&delta);
}

/* Order. */

/* Tarjan's algorithm (1972) without recursion, on copies ('geps': and on
 * pointer arithmetic). */
struct tarjan {
    struct sa_pta *pta;
    bool geps;
    uint32_t *index;            /* Of each vertex, 0 if not yet visited. */
    uint32_t *low;
    bool *on_stack;
    uint32_t n_visited;
    GArray *stack;              /* uint32_t: vertices of open components. */
    GArray *frames;             /* struct frame. */
    GArray *postorder;          /* Representatives of components, reversed
                                 * topological order. */
    uint32_t *component;        /* Of each vertex ('geps'). */
};

struct frame {
    uint32_t vertex;
    struct nodeset_iter succs;
    uint32_t constraint;        /* Next one to look at. */
};

/* The next vertex that the arithmetic constraints of a frame lead to. */
static bool
next_gep(const struct tarjan *t, struct frame *f, uint32_t *to)
{
    while (t->geps && f->constraint != SA_NONE) {
        const struct constraint *c = &g_array_index(
            t->pta->constraints, struct constraint, f->constraint);

        f->constraint = c->next;
        if (c->kind == C_GEP) {
            *to = g_array_index(t->pta->geps, struct gep, c->other).dst;
            return true;
        }
    }
    return false;
}

static void
enter(struct tarjan *t, uint32_t vertex)
{
    struct frame f = {
        .vertex = vertex,
        .constraint = pta_vertex(t->pta, vertex)->constraints
    };
    t->index[vertex] = t->low[vertex] = ++t->n_visited;
    t->on_stack[vertex] = true;
    g_array_append_val(t->stack, vertex);
    g_array_append_val(t->frames, f);
}

static void
leave(struct tarjan *t, uint32_t vertex)
{
    uint32_t rep = vertex, member;

    if (t->low[vertex] == t->index[vertex]) {
        do {
            member = g_array_index(t->stack, uint32_t, t->stack->len - 1);
            g_array_set_size(t->stack, t->stack->len - 1);
            t->on_stack[member] = false;
            if (t->geps) {
                t->component[member] = vertex;
            } else if (member != vertex) {
                rep = unite(t->pta, rep, member);
                t->pta->stats.n_collapsed_cycles++;
            }
        } while (member != vertex);
        g_array_append_val(t->postorder, rep);
    }
}

/* Whether an edge is looked at: in a cycle with one that leads to a filter,
 * sets differ. */
static bool
is_followed(const struct tarjan *t, uint32_t from, uint32_t to)
{
    uint32_t filter = pta_vertex(t->pta, to)->filter;

    return (t->geps || !filter
            || filter == pta_vertex(t->pta, from)->filter);
}

static void
visit(struct tarjan *t, uint32_t root)
{
    enter(t, root);
    while (t->frames->len) {
        struct frame *f = &g_array_index(t->frames, struct frame,
                                         t->frames->len - 1);
        uint32_t vertex = f->vertex;
        uint32_t to;

        if (nodeset_next(&pta_vertex(t->pta, vertex)->succs, &f->succs, &to)
            || next_gep(t, f, &to)) {
            to = pta_find(t->pta, to);
            if (!is_followed(t, vertex, to)) {
                continue;
            }
            if (!t->index[to]) {
                enter(t, to);
            } else if (t->on_stack[to]) {
                t->low[vertex] = MIN(t->low[vertex], t->index[to]);
            }
        } else {
            g_array_set_size(t->frames, t->frames->len - 1);
            if (t->frames->len) {
                uint32_t parent = g_array_index(t->frames, struct frame,
                                                t->frames->len - 1).vertex;
                t->low[parent] = MIN(t->low[parent], t->low[vertex]);
            }
            leave(t, vertex);
        }
    }
}

static void
run_tarjan(struct tarjan *t, struct sa_pta *pta, bool geps)
{
    uint32_t n = pta->vertices->len;

    *t = (struct tarjan) {
        .pta = pta, .geps = geps,
        .index = g_new0(uint32_t, n), .low = g_new0(uint32_t, n),
        .on_stack = g_new0(bool, n),
        .stack = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .frames = g_array_new(FALSE, FALSE, sizeof(struct frame)),
        .postorder = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .component = geps ? g_new0(uint32_t, n) : NULL
    };
    for (uint32_t i = 0; i < n; i++) {
        if (pta_find(pta, i) == i && !t->index[i]) {
            visit(t, i);
        }
    }
    g_free(t->index);
    g_free(t->low);
    g_free(t->on_stack);
    g_array_free(t->stack, TRUE);
    g_array_free(t->frames, TRUE);
}

/* Makes arithmetic in cycles a variable index. */
static void
break_gep_cycles(struct sa_pta *pta)
{
    struct tarjan t;

    run_tarjan(&t, pta, true);
    for (uint32_t i = 0; i < pta->vertices->len; i++) {
        if (pta_find(pta, i) != i) {
            continue;
        }
        for (uint32_t j = pta_vertex(pta, i)->constraints; j != SA_NONE; ) {
            const struct constraint *c = &g_array_index(
                pta->constraints, struct constraint, j);
            j = c->next;
            if (c->kind != C_GEP) {
                continue;
            }
            struct gep *g = &g_array_index(pta->geps, struct gep, c->other);
            int64_t offset = g->arithmetic + g->path;
            if (offset && t.component[pta_find(pta, g->dst)]
                          == t.component[i]) {
                uint64_t a = g->stride, b = ABS(offset);
                while (b) {
                    uint64_t rest = a % b;
                    a = b;
                    b = rest;
                }
                g->stride = a;
                g->extent = 0;
                g->arithmetic = g->path = 0;
                nodeset_union(&pta_vertex(pta, i)->delta,
                              &pta_vertex(pta, i)->points_to, NULL);
            }
        }
    }
    g_free(t.component);
    g_array_free(t.postorder, TRUE);
}

/* Unites cycles and returns the rest in topological order. */
static GArray *
order(struct sa_pta *pta)
{
    struct tarjan t;

    break_gep_cycles(pta);
    run_tarjan(&t, pta, false);
    for (guint i = 0, j = t.postorder->len; i + 1 < j; i++) {
        j--;
        uint32_t *a = &g_array_index(t.postorder, uint32_t, i);
        uint32_t *b = &g_array_index(t.postorder, uint32_t, j);
        uint32_t c = *a;
        *a = *b;
        *b = c;
    }
    pta->n_edges_ordered = pta->n_edges;
    return t.postorder;
}

/* Whether what a constraint does to a node depends on its offset. */
static bool
depends_on_offset(enum constraint_kind kind)
{
    return (kind == C_GEP || kind == C_COPY_TO || kind == C_COPY_FROM);
}

/* Puts back in work the nodes of the objects whose layouts changed, where
 * arithmetic or a copy is applied to them. */
static void
redo_relaid(struct sa_pta *pta)
{
    struct nodeset nodes = { .blocks = NULL };

    pta->relaid = false;
    for (uint32_t i = 0; i < pta->vertices->len; i++) {
        uint32_t object = pta_vertex(pta, i)->object;

        if (object != SA_NONE && pta_object(pta, object)->relaid) {
            nodeset_add(&nodes, i);
        }
    }
    for (uint32_t i = 0; i < pta->objects->len; i++) {
        pta_object(pta, i)->relaid = false;
    }
    for (uint32_t i = 0; i < pta->vertices->len; i++) {
        struct vertex *v = pta_vertex(pta, i);

        for (uint32_t j = v->constraints; j != SA_NONE; ) {
            const struct constraint *c = &g_array_index(
                pta->constraints, struct constraint, j);
            if (depends_on_offset(c->kind)) {
                nodeset_union_common(&v->delta, &v->points_to, &nodes);
                break;
            }
            j = c->next;
        }
    }
    nodeset_clear(&nodes);
}

void
pta_solve(struct sa_pta *pta)
{
    GArray *sequence = NULL;
    uint32_t n_ordered = 0;     /* Of vertices. */
    bool busy = true;

    while (busy) {
        uint32_t n_processed = 0;

        if (!sequence || (pta->n_edges - pta->n_edges_ordered
                          > pta->n_edges / ORDER_RATIO)) {
            if (sequence) {
                g_array_free(sequence, TRUE);
            }
            sequence = order(pta);
            n_ordered = pta->vertices->len;
        }
        for (guint i = 0; i < sequence->len
             && pta->n_steps <= pta->max_steps; i++) {
            uint32_t id = g_array_index(sequence, uint32_t, i);
            struct vertex *v = pta_vertex(pta, id);
            if (v->rep == id && !nodeset_is_empty(&v->delta)) {
                process(pta, id);
                n_processed++;
            }
        }
        /* Vertices made since they were ordered. */
        for (uint32_t id = n_ordered; id < pta->vertices->len
             && pta->n_steps <= pta->max_steps; id++) {
            struct vertex *v = pta_vertex(pta, id);
            if (v->rep == id && !nodeset_is_empty(&v->delta)) {
                process(pta, id);
                n_processed++;
            }
        }
        if (pta->relaid) {
            redo_relaid(pta);
            n_processed++;
        }
        busy = n_processed > 0 && pta->n_steps <= pta->max_steps;
        pta->stats.n_waves++;
        sa_progress("points-to: wave %u, %u nodes in work",
                    pta->stats.n_waves, n_processed);
    }
    if (sequence) {
        g_array_free(sequence, TRUE);
    }
}
