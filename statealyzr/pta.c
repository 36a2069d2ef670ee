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

#include <stdlib.h>

#define MAX_MADE_NODES 1024     /* Of an object; larger ones do without. */

/* Results: objects and nodes are numbered anew, in order of the program,
 * and only those that exist in the end. */

static GArray *
id_array(void)
{
    return g_array_new(FALSE, FALSE, sizeof(uint32_t));
}

static uint32_t *
none_array(uint32_t n)
{
    uint32_t *ids = g_new(uint32_t, n + 1);

    for (uint32_t i = 0; i < n; i++) {
        ids[i] = SA_NONE;
    }
    return ids;
}

struct sa_pta *
pta_create(const struct sa_program *program, struct sa_types *types,
           const struct sa_tables *tables)
{
    struct sa_pta *pta = g_new0(struct sa_pta, 1);

    pta->program = program;
    pta->types = types;
    pta->tables = tables;
    pta->layouts = sa_layouts_create(program);
    pta->wrappers = sa_wrappers_create(program, tables);
    sa_integers_init(&pta->integers, program);
    pta->objects = g_array_new(FALSE, FALSE, sizeof(struct object));
    pta->vertices = g_array_new(FALSE, FALSE, sizeof(struct vertex));
    pta->constraints = g_array_new(FALSE, FALSE, sizeof(struct constraint));
    pta->geps = g_array_new(FALSE, FALSE, sizeof(struct gep));
    pta->copies = g_array_new(FALSE, FALSE, sizeof(struct copy));
    pta->callbacks = g_array_new(FALSE, FALSE, sizeof(struct callback));
    pta->new_nodes = id_array();
    pta_filters_init(pta);
    pta_classes_init(pta);
    pta->max_steps = UINT64_MAX;
    pta->value_vertices = none_array(program->n_values);
    pta->value_objects = none_array(program->n_values);
    pta->literals = SA_NONE;
    pta->returns = none_array(program->n_functions);
    pta->varargs = none_array(program->n_functions);
    pta->library_objects = g_hash_table_new(g_str_hash, g_str_equal);
    pta->calls = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                       NULL);
    pta->clones = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    pta->warned = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                        NULL);
    pta->used_layouts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    pta->callees = g_new0(GArray *, program->n_insns + 1);
    pta->callback_functions = g_new0(GArray *, program->n_insns + 1);
    pta->callers = g_new0(GArray *, program->n_functions + 1);
    return pta;
}

/* Gives all string literals the object that one has. */
static void
number_literals(struct sa_pta *pta)
{
    if (pta->literals == SA_NONE) {
        return;
    }
    uint32_t id = pta->result_object_of[
        sa_value_id(pta->program, pta_object(pta, pta->literals)->site)];
    for (uint32_t i = 0; i < pta->program->n_values; i++) {
        if (pta->value_objects[i] == pta->literals) {
            pta->result_object_of[i] = id;
        }
    }
}

/* Order of objects in the result: globals, functions, then by place in the
 * program; clones of one site follow each other. */
struct ordered {
    const struct sa_pta *pta;
    uint32_t id;
};

static int
compare(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int
compare_objects(const void *a_, const void *b_)
{
    const struct ordered *a = a_;
    const struct ordered *b = b_;
    const struct object *x = pta_object(a->pta, a->id);
    const struct object *y = pta_object(b->pta, b->id);

    /* SA_NONE + 1 is 0: what is of no instruction comes first. */
    int c = compare(x->insn + 1, y->insn + 1);
    c = c ? c : compare(x->caller + 1, y->caller + 1);
    return c ? c : compare(a->id, b->id);
}

/* Drops the objects that stand for others; returns how many are left. */
static uint32_t
drop_classes(const struct sa_pta *pta, struct ordered *order, uint32_t n)
{
    uint32_t n_kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (!pta_object(pta, order[i].id)->is_class) {
            order[n_kept++] = order[i];
        }
    }
    return n_kept;
}

static struct sa_object
describe_object(const struct object *o)
{
    struct sa_object r = {
        .kind = o->kind, .site = o->site, .insn = o->insn,
        .caller = o->caller, .type = o->type,
        .size = o->layout ? o->layout->size : o->modulus > 1 ? o->modulus
                : o->size,
        .base = o->base,
        .collapsed = !o->layout && o->modulus == 1
    };

    r.is_array = (o->repeats || (o->type && o->type->kind == SA_TYPE_ARRAY)
                  || (!o->layout && o->modulus));
    return r;
}

/* Gives all values whose objects share one that. */
static void
number_shared(struct sa_pta *pta, const struct ordered *order, uint32_t n)
{
    if (!pta->by_types) {
        return;
    }
    uint32_t *results = none_array(pta->objects->len);
    for (uint32_t i = 0; i < n; i++) {
        results[order[i].id] = i;
    }
    for (uint32_t i = 0; i < pta->program->n_values; i++) {
        if (pta->value_objects[i] != SA_NONE
            && pta->result_object_of[i] == SA_NONE) {
            pta->result_object_of[i] = results[pta->value_objects[i]];
        }
    }
    g_free(results);
}

static void
number_results(struct sa_pta *pta)
{
    uint32_t n = pta->objects->len;
    struct ordered *order = g_new(struct ordered, n + 1);
    GArray *nodes = g_array_new(FALSE, FALSE, sizeof(struct sa_node));
    GArray *vertices = id_array();

    for (uint32_t i = 0; i < n; i++) {
        order[i] = (struct ordered) { .pta = pta, .id = i };
    }
    qsort(order, n, sizeof *order, compare_objects);
    n = drop_classes(pta, order, n);

    pta->result_objects = g_new(struct sa_object, n + 1);
    pta->n_result_objects = n;
    pta->result_ids = none_array(pta->vertices->len);
    pta->result_object_of = none_array(pta->program->n_values);
    for (uint32_t i = 0; i < n; i++) {
        const struct object *o = pta_object(pta, order[i].id);
        struct sa_object *r = &pta->result_objects[i];

        *r = describe_object(o);
        r->first_node = nodes->len;
        r->n_nodes = o->nodes->len;
        for (guint j = 0; j < o->nodes->len; j++) {
            const struct object_node *on = &g_array_index(
                o->nodes, struct object_node, j);
            struct sa_node node = { .object = i, .offset = on->offset };

            pta->result_ids[pta_same(pta, on->node)] = nodes->len;
            g_array_append_val(nodes, node);
            g_array_append_val(vertices, on->node);
        }
        uint32_t value = o->site ? sa_value_id(pta->program, o->site)
                         : SA_NONE;
        if (value != SA_NONE && pta->result_object_of[value] == SA_NONE) {
            pta->result_object_of[value] = i;
        }
    }
    number_literals(pta);
    number_shared(pta, order, n);
    g_free(order);
    pta->n_result_nodes = nodes->len;
    pta->result_nodes = (struct sa_node *) g_array_free(nodes, FALSE);
    pta->result_vertices = (uint32_t *) g_array_free(vertices, FALSE);
}

static int
compare_ids(const void *a, const void *b)
{
    return compare(*(const uint32_t *) a, *(const uint32_t *) b);
}

/* Sorts, removes repetitions; returns the new number. */
static uint32_t
sort_unique(uint32_t *ids, uint32_t n)
{
    uint32_t n_unique = 0;

    if (n) {
        qsort(ids, n, sizeof *ids, compare_ids);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!n_unique || ids[n_unique - 1] != ids[i]) {
            ids[n_unique++] = ids[i];
        }
    }
    return n_unique;
}

static guint
hash_set(gconstpointer set_)
{
    const struct nodeset *set = set_;
    uint64_t hash = set->n;

    for (uint32_t i = 0; i < set->n; i++) {
        hash = (hash ^ set->blocks[i].index) * UINT64_C(0x9e3779b97f4a7c15);
        hash = (hash ^ set->blocks[i].bits) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash ^ hash >> 32;
}

static gboolean
equal_sets(gconstpointer a, gconstpointer b)
{
    return nodeset_equal(a, b);
}

static void
free_set(gpointer set_)
{
    struct result_set *set = set_;

    nodeset_clear((struct nodeset *) set->key);
    g_free((struct nodeset *) set->key);
    g_free((uint32_t *) set->nodes.ids);
    g_free(set->cursors);
    g_free(set);
}

/* The result for the set of a vertex, which it takes. */
static struct result_set *
convert_set(struct sa_pta *pta, struct nodeset *set)
{
    struct result_set *result = g_hash_table_lookup(pta->result_table, set);

    if (result) {
        nodeset_clear(set);
        return result;
    }
    result = g_new0(struct result_set, 1);
    result->key = g_memdup2(set, sizeof *set);
    *set = (struct nodeset) { .blocks = NULL };
    g_hash_table_insert(pta->result_table, (gpointer) result->key, result);

    GArray *ids = id_array();
    GArray *cursors = id_array();
    uint32_t vertex;
    NODESET_FOR_EACH (vertex, result->key) {
        uint32_t node = pta_same(pta, vertex);
        if (pta->by_types && pta_expand(pta, node, ids)) {
            continue;
        } else if (pta_is_cursor(pta, node)) {
            const struct vertex *v = pta_vertex(pta, node);
            g_array_append_val(cursors, node);
            node = pta_existing_node(pta, v->object, v->offset);
        }
        if (node != SA_NONE && pta->result_ids[node] != SA_NONE) {
            g_array_append_val(ids, pta->result_ids[node]);
        }
    }
    uint32_t n = sort_unique((uint32_t *) ids->data, ids->len);
    result->nodes = (struct sa_nodes) {
        .ids = g_renew(uint32_t, g_array_free(ids, FALSE), n + 1), .n = n
    };
    result->n_cursors = cursors->len;
    result->cursors = (uint32_t *) g_array_free(cursors, FALSE);
    return result;
}

static void
sort_arrays(GArray **arrays, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (arrays[i]) {
            qsort(arrays[i]->data, arrays[i]->len, sizeof(uint32_t),
                  compare_ids);
        }
    }
}

/* Makes nodes of members that are only accessed together with others, as by
 * memcpy(): they are told apart by who asks what is accessed. */
static void
make_all_nodes(struct sa_pta *pta)
{
    for (uint32_t i = 0; i < pta->objects->len; i++) {
        const struct sa_layout *l = pta_object(pta, i)->layout;
        uint64_t base = pta_object(pta, i)->base;
        for (uint32_t j = 0; l && !pta_object(pta, i)->is_class
             && l->n_leaves <= MAX_MADE_NODES
             && j < l->n_leaves; j++) {
            pta_node(pta, i, base + l->offsets[j]);
        }
    }
}

/* The sets of values that are addresses of variables. */
static void
convert_direct(struct sa_pta *pta)
{
    pta->direct_sets = g_new0(struct result_set *,
                              pta->program->n_values + 1);
    for (uint32_t i = 0; i < pta->program->n_values; i++) {
        uint32_t node = pta_direct_node(pta, i);

        if (node != SA_NONE) {
            struct nodeset one = { .blocks = NULL };
            nodeset_add(&one, node);
            pta->direct_sets[i] = convert_set(pta, &one);
        }
    }
}

void
pta_finish(struct sa_pta *pta)
{
    struct sa_pta_stats *stats = &pta->stats;

    if (pta->by_types) {
        pta_infer_types(pta);
    }
    make_all_nodes(pta);
    number_results(pta);
    stats->n_objects = pta->n_result_objects;
    stats->n_nodes = pta->n_result_nodes;
    stats->n_variables = pta->vertices->len - pta->n_result_nodes;
    stats->n_constraints = pta->constraints->len;
    stats->n_calls = g_hash_table_size(pta->calls);
    pta->result_sets = g_new0(struct result_set *, pta->vertices->len + 1);
    pta->result_table = g_hash_table_new_full(hash_set, equal_sets, NULL,
                                              free_set);
    if (pta->by_types) {
        pta_find_members(pta);
        convert_direct(pta);
    }
    for (uint32_t i = 0; i < pta->vertices->len; i++) {
        struct vertex *v = pta_vertex(pta, i);

        if (pta_find(pta, i) == i && v->points_to.n) {
            pta->result_sets[i] = convert_set(pta, &v->points_to);
            stats->sum_points_to += pta->result_sets[i]->nodes.n;
            stats->max_points_to = MAX(stats->max_points_to,
                                       pta->result_sets[i]->nodes.n);
        }
        nodeset_clear(&v->points_to);
        nodeset_clear(&v->delta);
        nodeset_clear(&v->succs);
    }
    pta->ranges = g_new0(struct node_range *, PTA_MAX_RANGE + 1);
    pta->cursor_ranges = g_new0(struct node_range *, 2);
    sort_arrays(pta->callees, pta->program->n_insns);
    sort_arrays(pta->callback_functions, pta->program->n_insns);
    sort_arrays(pta->callers, pta->program->n_functions);
}

struct sa_pta *
sa_pta_run_bounded(const struct sa_program *program, struct sa_types *types,
                   const struct sa_tables *tables,
                   enum sa_precision precision, uint64_t max_steps)
{
    struct sa_pta *pta = pta_create(program, types, tables);

    pta->by_types = precision == SA_PRECISION_TYPES;
    pta->max_steps = max_steps;
    pta_generate(pta);
    pta_solve(pta);
    if (pta->n_steps > max_steps) {
        for (uint32_t i = 0; i < pta->vertices->len; i++) {
            nodeset_clear(&pta_vertex(pta, i)->points_to);
        }
        pta_finish(pta);
        sa_pta_destroy(pta);
        return NULL;
    }
    pta_finish(pta);
    return pta;
}

struct sa_pta *
sa_pta_run(const struct sa_program *program, struct sa_types *types,
           const struct sa_tables *tables)
{
    return sa_pta_run_bounded(program, types, tables, SA_PRECISION_OBJECTS,
                              UINT64_MAX);
}

const char *
sa_precision_name(enum sa_precision precision)
{
    return precision == SA_PRECISION_TYPES ? "types" : "objects";
}

static void
free_arrays(GArray **arrays, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (arrays[i]) {
            g_array_free(arrays[i], TRUE);
        }
    }
    g_free(arrays);
}

void
sa_pta_destroy(struct sa_pta *pta)
{
    if (!pta) {
        return;
    }
    pta_ranges_destroy(pta);
    g_hash_table_destroy(pta->result_table);
    g_free(pta->result_sets);
    g_free(pta->direct_sets);
    for (uint32_t i = 0; i < pta->objects->len; i++) {
        g_free((char *) pta_object(pta, i)->name);
        pta_object_uninit(pta_object(pta, i));
    }
    sa_layouts_destroy(pta->layouts);
    sa_wrappers_destroy(pta->wrappers);
    sa_integers_uninit(&pta->integers);
    g_array_free(pta->objects, TRUE);
    g_array_free(pta->vertices, TRUE);
    g_array_free(pta->constraints, TRUE);
    g_array_free(pta->geps, TRUE);
    pta_copies_destroy(pta);
    pta_filters_destroy(pta);
    pta_classes_destroy(pta);
    g_array_free(pta->callbacks, TRUE);
    g_array_free(pta->new_nodes, TRUE);
    g_free(pta->value_vertices);
    g_free(pta->value_objects);
    g_free(pta->returns);
    g_free(pta->varargs);
    g_hash_table_destroy(pta->library_objects);
    g_hash_table_destroy(pta->calls);
    g_hash_table_destroy(pta->clones);
    g_hash_table_destroy(pta->warned);
    g_hash_table_destroy(pta->used_layouts);
    free_arrays(pta->callees, pta->program->n_insns);
    free_arrays(pta->callback_functions, pta->program->n_insns);
    free_arrays(pta->callers, pta->program->n_functions);
    g_free(pta->result_objects);
    g_free(pta->result_nodes);
    g_free(pta->result_vertices);
    g_free(pta->result_ids);
    g_free(pta->result_object_of);
    g_free(pta);
}

/* The interface. */

const struct sa_object *
sa_pta_objects(const struct sa_pta *pta, uint32_t *n)
{
    *n = pta->n_result_objects;
    return pta->result_objects;
}

const struct sa_node *
sa_pta_nodes(const struct sa_pta *pta, uint32_t *n)
{
    *n = pta->n_result_nodes;
    return pta->result_nodes;
}

const struct result_set *
pta_value_set(const struct sa_pta *pta, uint32_t value)
{
    uint32_t vertex = (value < pta->program->n_values
                       ? pta->value_vertices[value] : SA_NONE);

    if (vertex != SA_NONE && pta->by_types && pta->direct_sets[value]) {
        return pta->direct_sets[value];
    }
    return (vertex == SA_NONE ? NULL
            : pta->result_sets[pta_find(pta, vertex)]);
}

struct sa_nodes
sa_pta_value(const struct sa_pta *pta, uint32_t value)
{
    const struct result_set *set = pta_value_set(pta, value);

    return set ? set->nodes : (struct sa_nodes) { .n = 0 };
}

struct sa_nodes
sa_pta_content(const struct sa_pta *pta, uint32_t node)
{
    const struct result_set *set
        = pta->result_sets[pta_find(pta, pta->result_vertices[node])];

    return set ? set->nodes : (struct sa_nodes) { .n = 0 };
}

static const uint32_t *
array_ids(const GArray *array, uint32_t *n)
{
    *n = array ? array->len : 0;
    return array ? (const uint32_t *) array->data : NULL;
}

const uint32_t *
sa_pta_callees(const struct sa_pta *pta, uint32_t insn, uint32_t *n)
{
    return array_ids(pta->callees[insn], n);
}

const uint32_t *
sa_pta_callbacks(const struct sa_pta *pta, uint32_t insn, uint32_t *n)
{
    return array_ids(pta->callback_functions[insn], n);
}

const uint32_t *
sa_pta_callers(const struct sa_pta *pta, uint32_t function, uint32_t *n)
{
    return array_ids(pta->callers[function], n);
}

uint32_t
sa_pta_object_of(const struct sa_pta *pta, uint32_t value)
{
    return (value < pta->program->n_values ? pta->result_object_of[value]
            : SA_NONE);
}

void
sa_pta_get_stats(const struct sa_pta *pta, struct sa_pta_stats *stats)
{
    *stats = pta->stats;
}
