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

#include "state-private.h"

#include <string.h>

#include "call.h"
#include "loop.h"
#include "members.h"
#include "procedures.h"
#include "pta.h"

static bool
is_heap(const struct sa_object *o)
{
    return o->kind == SA_OBJECT_HEAP;
}

/* What follows pointers from memory to memory. */
struct reach {
    const struct sa_object *objects;
    const struct sa_node *nodes;
    const struct sa_pta *pta;
    bool *reached;              /* By object. */
    GArray *work;               /* uint32_t, objects. */
};

static void
reach_from_node(struct reach *r, uint32_t node)
{
    struct sa_nodes to = sa_pta_content(r->pta, node);
    for (uint32_t i = 0; i < to.n; i++) {
        uint32_t object = r->nodes[to.ids[i]].object;
        enum sa_object_kind kind = r->objects[object].kind;
        if (!r->reached[object]
            && (kind == SA_OBJECT_HEAP || kind == SA_OBJECT_LIBRARY)) {
            r->reached[object] = true;
            g_array_append_val(r->work, object);
        }
    }
}

static void
reach_from_value(struct reach *r, uint32_t value)
{
    struct sa_nodes to = sa_pta_value(r->pta, value);
    for (uint32_t i = 0; i < to.n; i++) {
        uint32_t object = r->nodes[to.ids[i]].object;
        if (is_heap(&r->objects[object]) && !r->reached[object]) {
            r->reached[object] = true;
            g_array_append_val(r->work, object);
        }
    }
}

/* What handlers get that a library calls with it later, or for each packet:
 * the library keeps it, maybe nothing else does. */
static void
reach_from_handlers(struct reach *r, const struct sa_analysis *a)
{
    const struct sa_program *p = a->program;
    for (uint32_t insn = 0; insn < p->n_insns; insn++) {
        uint32_t n = 0;
        const uint32_t *handlers
            = (sa_is_call(p->insns[insn].opcode)
               ? sa_pta_callbacks(a->pta, insn, &n) : NULL);
        if (!n || !(sa_loops_read_at(a->loops, insn)
                    || sa_calls_later(p, a->pta, a->tables, insn))) {
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            const struct sa_function *f = &p->functions[handlers[i]];
            for (uint32_t j = 0; j < f->n_params; j++) {
                reach_from_value(r, f->first_param + j);
            }
        }
    }
}

/* Marks heap objects that can be reached from declared variables, or through
 * what a library keeps (the argument of a handler). */
static void
mark_reachable(const struct sa_state *state, const struct sa_analysis *a,
               bool *reached)
{
    uint32_t n;
    struct reach r = {
        sa_pta_objects(a->pta, &n), sa_pta_nodes(a->pta, &n), a->pta, reached,
        g_array_new(FALSE, FALSE, sizeof(uint32_t))
    };
    for (guint i = 0; i < state->variables->len; i++) {
        const struct sa_state_variable *v = sa_state_variable(state, i);
        for (guint j = 0; j < v->nodes->len; j++) {
            reach_from_node(&r, g_array_index(v->nodes, uint32_t, j));
        }
        /* A local in a register. */
        if (v->value != SA_NONE && !v->nodes->len) {
            reach_from_value(&r, v->value);
        }
    }
    reach_from_handlers(&r, a);
    for (uint32_t i = 0; i < state->n_objects; i++) {
        if (r.objects[i].kind == SA_OBJECT_LIBRARY && !reached[i]) {
            reached[i] = true;
            g_array_append_val(r.work, i);
        }
    }
    while (r.work->len) {
        uint32_t object = g_array_index(r.work, uint32_t, r.work->len - 1);
        g_array_set_size(r.work, r.work->len - 1);
        const struct sa_object *o = &r.objects[object];
        for (uint32_t i = 0; i < o->n_nodes; i++) {
            reach_from_node(&r, o->first_node + i);
        }
    }
    g_array_unref(r.work);
}

static void
clear_structure(gpointer s_)
{
    struct sa_structure *s = s_;
    g_free(s->name);
    g_array_unref(s->objects);
    g_array_unref(s->variables);
}

static struct sa_structure
new_structure(const struct sa_type *type)
{
    struct sa_structure s = {
        .name = g_strdup(type ? type->name : ""),
        .type = type,
        .size = type ? type->size : 0,
        .objects = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .variables = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    return s;
}

static int
compare_structures(gconstpointer a_, gconstpointer b_)
{
    const struct sa_structure *a = a_, *b = b_;
    int cmp = strcmp(a->type->loc.file, b->type->loc.file);
    if (!cmp && a->type->loc.line != b->type->loc.line) {
        cmp = a->type->loc.line < b->type->loc.line ? -1 : 1;
    }
    if (!cmp) {
        cmp = strcmp(a->name, b->name);
    }
    return cmp ? cmp : (a->type->id < b->type->id ? -1
                        : a->type->id > b->type->id);
}

/* The structure of 'type' in 'structures', made if there is none; 'index' maps
 * types to indexes + 1. */
static struct sa_structure *
structure_of(GArray *structures, GHashTable *index,
             const struct sa_type *type)
{
    guint i = GPOINTER_TO_UINT(g_hash_table_lookup(index, type));
    if (!i) {
        struct sa_structure s = new_structure(type);
        g_array_append_val(structures, s);
        i = structures->len;
        g_hash_table_insert(index, (gpointer) type, GUINT_TO_POINTER(i));
    }
    return &g_array_index(structures, struct sa_structure, i - 1);
}

/* The struct that the elements of a declared array are, or NULL. */
static const struct sa_type *
table_element(const struct sa_state_variable *v)
{
    const struct sa_type *t = sa_element_struct(v->type);
    return (v->n_elements > 1 && t && t->n_members
            && !sa_type_is_foreign(t) ? t : NULL);
}

/* Adds the arrays of structs that are members of a declared struct. */
static void
collect_tables(struct sa_state *state, GHashTable *index, uint32_t variable)
{
    const struct sa_state_variable *v = sa_state_variable(state, variable);
    const struct sa_type *t = v->type ? v->type->canonical : NULL;

    if (v->n_elements > 1 || !t || t->kind != SA_TYPE_STRUCT
        || sa_type_is_foreign(t)) {
        return;
    }
    for (uint32_t i = 0; i < t->n_members; i++) {
        const struct sa_member *m = &t->members[i];
        const struct sa_type *element = sa_element_struct(m->type);
        if (m->type->canonical->kind == SA_TYPE_ARRAY && element
            && element->n_members && !sa_type_is_foreign(element)) {
            /* The structure's index is known once all are sorted. */
            struct sa_table table = {
                variable, SA_NONE, element, m->bit_offset / 8, m->type->size
            };
            structure_of(state->structures, index, element);
            g_array_append_val(state->tables, table);
        }
    }
}

const struct sa_table *
sa_state_table_at(const struct sa_state *state, uint32_t variable,
                  uint64_t offset)
{
    for (guint i = 0; i < state->tables->len; i++) {
        const struct sa_table *t = &g_array_index(state->tables,
                                                  struct sa_table, i);
        if (t->variable == variable && offset - t->offset < t->size) {
            return t;
        }
    }
    return NULL;
}

static void
collect_structures(struct sa_state *state, const struct sa_analysis *a,
                   const bool *reached)
{
    uint32_t n;
    const struct sa_object *objects = sa_pta_objects(a->pta, &n);
    GHashTable *index = g_hash_table_new(NULL, NULL);

    for (uint32_t i = 0; i < n; i++) {
        const struct sa_type *type = sa_element_struct(objects[i].type);
        if (reached[i] && is_heap(&objects[i]) && type && type->n_members) {
            struct sa_structure *s = structure_of(state->structures, index,
                                                  type);
            s->heap = true;
            g_array_append_val(s->objects, i);
        }
    }
    for (guint i = 0; i < state->variables->len; i++) {
        const struct sa_state_variable *v = sa_state_variable(state, i);
        const struct sa_type *type = table_element(v);
        if (type) {
            structure_of(state->structures, index, type);
        }
        collect_tables(state, index, i);
    }
    g_hash_table_destroy(index);
    g_array_sort(state->structures, compare_structures);

    index = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < state->structures->len; i++) {
        const struct sa_structure *s = sa_state_structure(state, i);
        g_hash_table_insert(index, (gpointer) s->type,
                            GUINT_TO_POINTER(i + 1));
        for (guint j = 0; j < s->objects->len; j++) {
            state->object_structure[g_array_index(s->objects, uint32_t, j)]
                = i;
        }
    }
    for (guint i = 0; i < state->variables->len; i++) {
        struct sa_state_variable *v = sa_state_variable(state, i);
        const struct sa_type *type = table_element(v);
        if (type) {
            v->structure = GPOINTER_TO_UINT(g_hash_table_lookup(index, type))
                           - 1;
            struct sa_structure *s = sa_state_structure(state, v->structure);
            uint32_t object = (v->value == SA_NONE ? SA_NONE
                               : sa_pta_object_of(a->pta, v->value));
            if (object != SA_NONE) {
                g_array_append_val(s->objects, object);
                state->object_structure[object] = v->structure;
            }
            if (!s->heap) {
                g_array_append_val(s->variables, i);
            }
        }
    }
    for (guint i = 0; i < state->tables->len; i++) {
        struct sa_table *t = &g_array_index(state->tables, struct sa_table,
                                            i);
        t->structure = GPOINTER_TO_UINT(g_hash_table_lookup(index, t->type))
                       - 1;
        struct sa_structure *s = sa_state_structure(state, t->structure);
        if (!s->heap) {
            g_array_append_val(s->variables, t->variable);
        }
    }
    g_hash_table_destroy(index);
}

static void
add_node(struct sa_state *state, uint32_t variable, uint32_t node)
{
    struct sa_state_variable *v = sa_state_variable(state, variable);
    g_array_append_val(v->nodes, node);
    if (state->node_variable[node] == SA_NONE) {
        state->node_variable[node] = variable;
    }
}

/* Gives the nodes of an object of a structure to the variables of the members.
 * A node is a member's if it is in it, or in what follows up to the next one;
 * bit fields share one. */
static void
assign_nodes(struct sa_state *state, const struct sa_analysis *a,
             const struct sa_structure *s, const GArray *leaves,
             uint32_t object)
{
    uint32_t n;
    const struct sa_object *o = &sa_pta_objects(a->pta, &n)[object];
    const struct sa_node *nodes = sa_pta_nodes(a->pta, &n);
    const uint32_t *variables = (const uint32_t *) s->variables->data;

    for (uint32_t i = 0; i < o->n_nodes; i++) {
        uint32_t node = o->first_node + i;
        if (nodes[node].offset < o->base) {
            continue;           /* The allocator's. */
        }
        uint32_t start = nodes[node].offset - o->base;
        uint32_t end = (i + 1 < o->n_nodes ? nodes[node + 1].offset - o->base
                        : UINT32_MAX);
        guint first = 0;
        while (first + 1 < leaves->len
               && g_array_index(leaves, struct sa_leaf,
                                first + 1).offset <= start) {
            first++;
        }
        if (o->collapsed) {
            for (guint j = 0; j < leaves->len; j++) {
                add_node(state, variables[j], node);
            }
            continue;
        }
        /* Members of an anonymous union are at the same place. */
        uint32_t at = g_array_index(leaves, struct sa_leaf, first).offset;
        while (first > 0 && g_array_index(leaves, struct sa_leaf,
                                          first - 1).offset == at) {
            first--;
        }
        bool any = false;
        for (guint j = first; j < leaves->len; j++) {
            const struct sa_leaf *leaf = &g_array_index(leaves, struct sa_leaf,
                                                        j);
            if (leaf->offset != at
                && !(leaf->is_bit_field && leaf->offset < end)) {
                break;
            }
            if (!any || leaf->is_bit_field || start < leaf->offset
                                                      + leaf->extent) {
                add_node(state, variables[j], node);
                any = true;
            }
        }
    }
}

static void
add_members(struct sa_state *state, const struct sa_analysis *a,
            uint32_t index)
{
    const struct sa_type *type = sa_state_structure(state, index)->type;
    GArray *leaves = sa_members_flatten(type);
    for (guint i = 0; i < leaves->len; i++) {
        const struct sa_leaf *leaf = &g_array_index(leaves, struct sa_leaf, i);
        uint32_t id = state->variables->len;
        struct sa_state_variable *v = sa_state_add_variable(
            state, g_strdup_printf("%s.%s", type->name, leaf->path),
            SA_STORAGE_HEAP);
        v->loc = type->loc;
        v->type = leaf->type;
        v->offset = leaf->offset;
        v->size = leaf->size;
        v->n_elements = leaf->n_elements;
        v->first_bit = leaf->first_bit;
        v->n_bits = leaf->n_bits;
        v->structure = index;
        g_array_append_val(sa_state_structure(state, index)->variables, id);
    }
    if (leaves->len) {
        const struct sa_structure *s = sa_state_structure(state, index);
        uint32_t n;
        const struct sa_object *objects = sa_pta_objects(a->pta, &n);
        for (guint i = 0; i < s->objects->len; i++) {
            uint32_t object = g_array_index(s->objects, uint32_t, i);
            if (is_heap(&objects[object])) {
                assign_nodes(state, a, s, leaves, object);
            }
        }
    }
    g_array_unref(leaves);
}

/* Objects without a struct type that a variable leads to, which are taken to
 * be part of it. */
static void
own_from(struct sa_state *state, const struct sa_analysis *a,
         uint32_t variable, const bool *reached)
{
    uint32_t n;
    const struct sa_object *objects = sa_pta_objects(a->pta, &n);
    const struct sa_node *nodes = sa_pta_nodes(a->pta, &n);
    const struct sa_state_variable *v = sa_state_variable(state, variable);
    GArray *work = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    if (v->value != SA_NONE && !v->nodes->len) {
        struct sa_nodes to = sa_pta_value(a->pta, v->value);
        g_array_append_vals(work, to.ids, to.n);
    }
    for (guint i = 0; i < v->nodes->len; i++) {
        struct sa_nodes to = sa_pta_content(
            a->pta, g_array_index(v->nodes, uint32_t, i));
        g_array_append_vals(work, to.ids, to.n);
    }
    while (work->len) {
        uint32_t node = g_array_index(work, uint32_t, work->len - 1);
        g_array_set_size(work, work->len - 1);
        uint32_t object = nodes[node].object;
        const struct sa_object *o = &objects[object];
        if (!reached[object] || !is_heap(o)
            || state->object_structure[object] != SA_NONE
            || state->object_owner[object] != SA_NONE) {
            continue;
        }
        state->object_owner[object] = variable;
        for (uint32_t i = 0; i < o->n_nodes; i++) {
            add_node(state, variable, o->first_node + i);
            struct sa_nodes to = sa_pta_content(a->pta, o->first_node + i);
            g_array_append_vals(work, to.ids, to.n);
        }
    }
    g_array_unref(work);
}

/* What is left: only a library leads to it. */
static void
add_bytes(struct sa_state *state, const struct sa_analysis *a, uint32_t object)
{
    uint32_t n;
    const struct sa_object *o = &sa_pta_objects(a->pta, &n)[object];
    struct sa_loc loc = (o->insn != SA_NONE
                         ? sa_insn_loc(a->program, o->insn)
                         : (struct sa_loc) { "", 0, 0 });
    struct sa_structure s = new_structure(NULL);
    uint32_t id = state->variables->len;
    g_free(s.name);
    s.name = g_strdup_printf("bytes at %s:%u", loc.file, loc.line);
    s.heap = true;
    s.size = o->size;
    g_array_append_val(s.objects, object);
    g_array_append_val(s.variables, id);
    state->object_structure[object] = state->structures->len;

    struct sa_state_variable *v = sa_state_add_variable(
        state, g_strdup(s.name), SA_STORAGE_HEAP);
    v->loc = loc;
    v->size = o->size;
    v->structure = state->structures->len;
    g_array_append_val(state->structures, s);
    for (uint32_t i = 0; i < o->n_nodes; i++) {
        add_node(state, id, o->first_node + i);
    }
}

void
sa_state_collect_heap(struct sa_state *state, const struct sa_analysis *a)
{
    uint32_t n;
    sa_pta_nodes(a->pta, &state->n_nodes);
    const struct sa_object *objects = sa_pta_objects(a->pta,
                                                     &state->n_objects);
    g_array_set_clear_func(state->structures, clear_structure);
    state->node_variable = g_new(uint32_t, state->n_nodes);
    memset(state->node_variable, 0xff, state->n_nodes * sizeof(uint32_t));
    state->object_structure = g_new(uint32_t, state->n_objects);
    memset(state->object_structure, 0xff,
           state->n_objects * sizeof(uint32_t));
    state->object_owner = g_new(uint32_t, state->n_objects);
    memset(state->object_owner, 0xff, state->n_objects * sizeof(uint32_t));

    uint32_t n_declared = state->variables->len;
    for (uint32_t i = 0; i < n_declared; i++) {
        const struct sa_state_variable *v = sa_state_variable(state, i);
        for (guint j = 0; j < v->nodes->len; j++) {
            state->node_variable[g_array_index(v->nodes, uint32_t, j)] = i;
        }
    }

    bool *reached = g_new0(bool, state->n_objects);
    mark_reachable(state, a, reached);
    collect_structures(state, a, reached);
    for (guint i = 0; i < state->structures->len; i++) {
        if (sa_state_structure(state, i)->heap) {
            add_members(state, a, i);
        }
    }
    n = state->variables->len;
    for (uint32_t i = n_declared; i < n; i++) {
        own_from(state, a, i, reached);
    }
    for (uint32_t i = 0; i < n_declared; i++) {
        own_from(state, a, i, reached);
    }
    for (uint32_t i = 0; i < state->n_objects; i++) {
        if (reached[i] && is_heap(&objects[i])
            && state->object_structure[i] == SA_NONE
            && state->object_owner[i] == SA_NONE) {
            add_bytes(state, a, i);
        }
    }
    g_free(reached);
}
