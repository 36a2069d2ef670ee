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

/* Filters by declared types
 *
 * After Lhotak, Hendren: "Scaling Java Points-to Analysis Using Spark" (CC
 * 2003): what a variable or member is declared to point to bounds what may be
 * in its set, and does so early, before it spreads.  In C a pointer to a
 * struct may well point to memory of another type, a header, say, or what
 * begins alike.  So all is let through but for what cannot be that struct: a
 * number where it has a pointer, or the reverse (sa_layout_agrees()); and a
 * pointer to a function gets functions only.
 *
 * A filter has the set of the nodes that pass, completed when it is used. */

struct filter {
    const struct sa_layout *layout;     /* What it points to is used as; NULL
                                         * for a function. */
    const struct sa_type *type;         /* The same; NULL for a function. */
    struct nodeset nodes;
    uint32_t n_seen;            /* Of 'filtered_nodes'. */
};

/* By types: another struct than that of the filter passes only if its memory
 * is of no type, or begins alike. */
static bool
passes_by_type(const struct filter *f, const struct vertex *v,
               const struct object *o)
{
    const struct sa_type *t = pta_element(o->type);

    if (!t || v->offset < o->base || pta_is_wild(o)
        || (o->layout && pta_is_tail(o, v->offset))) {
        return true;
    } else if (!pta_is_aggregate(f->type)) {
        return pta_may_be_scalar(o->type, v->offset - o->base, f->type);
    }
    return (v->offset == o->base
            && (t == f->type || pta_begins_alike(t, f->type)));
}

static bool
passes(const struct sa_pta *pta, const struct filter *f, uint32_t node)
{
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);

    if (!o->declared || o->kind == SA_OBJECT_LIBRARY) {
        return true;
    } else if (pta->by_types && f->type && o->kind != SA_OBJECT_FUNCTION) {
        return passes_by_type(f, v, o);
    } else if (o->kind == SA_OBJECT_FUNCTION || !f->layout) {
        return o->kind == SA_OBJECT_FUNCTION && !f->layout;
    } else if (!o->layout || v->offset < o->base
               || v->offset - o->base >= o->layout->size) {
        return true;
    }
    return sa_layout_agrees(o->layout, v->offset - o->base, f->layout);
}

static bool
is_useful(const struct sa_layout *l)
{
    for (uint32_t i = 0; i < l->n_leaves; i++) {
        if (l->kinds[i] != SA_LEAF_ANY) {
            return true;
        }
    }
    return false;
}

uint32_t
pta_filter_of(struct sa_pta *pta, const struct sa_type *type)
{
    return pta_filter_to(pta, (type && type->kind == SA_TYPE_POINTER
                               ? type->target : NULL));
}

/* Whether there are filters for what points to 'target'. */
static bool
is_filtered(const struct sa_pta *pta, const struct sa_type *target)
{
    switch (target->kind) {
    case SA_TYPE_FUNCTION:
        return true;
    case SA_TYPE_STRUCT:
        return target->size > 0;
    case SA_TYPE_UNION:
    case SA_TYPE_INT:
    case SA_TYPE_POINTER:
        return pta->by_types && target->size > 0;
    default:
        return false;
    }
}

uint32_t
pta_filter_to(struct sa_pta *pta, const struct sa_type *target)
{
    struct filter f = { .layout = NULL };

    if (!target || !is_filtered(pta, target)) {
        return 0;
    } else if (target->kind != SA_TYPE_FUNCTION) {
        f.type = target->canonical;
        f.layout = sa_layout_of_type(pta->layouts, f.type);
        if (!pta->by_types && !is_useful(f.layout)) {
            return 0;
        }
    }
    gpointer known = g_hash_table_lookup(pta->filter_ids, f.layout);
    if (!known) {
        g_array_append_val(pta->filters, f);
        known = GUINT_TO_POINTER(pta->filters->len);
        g_hash_table_insert(pta->filter_ids, (gpointer) f.layout, known);
    }
    return GPOINTER_TO_UINT(known);
}

const struct sa_type *
pta_filter_struct(const struct sa_pta *pta, uint32_t filter)
{
    const struct sa_type *t = (filter
                               ? g_array_index(pta->filters, struct filter,
                                               filter - 1).type : NULL);
    return pta_is_aggregate(t) ? t : NULL;
}

/* The filter of the node at 'offset' of an object: by the type of the
 * member. */
uint32_t
pta_node_filter(struct sa_pta *pta, const struct object *o, uint64_t offset)
{
    if (!o->declared || !o->layout || !o->type || offset < o->base
        || offset - o->base >= o->layout->size) {
        return 0;
    }
    uint8_t kind = o->layout->kinds[sa_layout_leaf(o->layout,
                                                   offset - o->base)];
    if (kind != SA_LEAF_DATA && kind != SA_LEAF_CODE) {
        return 0;
    }
    char *path = NULL;
    const struct sa_type *t = sa_type_path(o->type, offset - o->base, &path);
    g_free(path);
    return pta_filter_of(pta, t);
}

/* The nodes that pass, NULL if these are all. */
static const struct nodeset *
passing(struct sa_pta *pta, uint32_t filter)
{
    if (!filter) {
        return NULL;
    }
    struct filter *f = &g_array_index(pta->filters, struct filter,
                                      filter - 1);
    for (; f->n_seen < pta->filtered_nodes->len; f->n_seen++) {
        uint32_t node = g_array_index(pta->filtered_nodes, uint32_t,
                                      f->n_seen);
        if (passes(pta, f, node)) {
            nodeset_add(&f->nodes, node);
        }
    }
    return &f->nodes;
}

bool
pta_passes(struct sa_pta *pta, uint32_t filter, uint32_t node)
{
    return !filter || nodeset_contains(passing(pta, filter), node);
}

bool
pta_propagate(struct sa_pta *pta, const struct nodeset *nodes, uint32_t to)
{
    struct vertex *v = pta_vertex(pta, to);
    const struct nodeset *mask = passing(pta, v->filter);

    pta->n_steps += 1 + nodes->n;
    if (!mask) {
        return nodeset_union(&v->points_to, nodes, &v->delta);
    }
    struct nodeset common = { .blocks = NULL };
    nodeset_union_common(&common, nodes, mask);
    bool grew = nodeset_union(&v->points_to, &common, &v->delta);
    nodeset_clear(&common);
    return grew;
}

void
pta_filters_init(struct sa_pta *pta)
{
    pta->filters = g_array_new(FALSE, FALSE, sizeof(struct filter));
    pta->filter_ids = g_hash_table_new(NULL, NULL);
    pta->filtered_nodes = g_array_new(FALSE, FALSE, sizeof(uint32_t));
}

void
pta_filters_destroy(struct sa_pta *pta)
{
    for (guint i = 0; i < pta->filters->len; i++) {
        nodeset_clear(&g_array_index(pta->filters, struct filter, i).nodes);
    }
    g_array_free(pta->filters, TRUE);
    g_hash_table_destroy(pta->filter_ids);
    g_array_free(pta->filtered_nodes, TRUE);
}
