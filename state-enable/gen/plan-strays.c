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

/* What leads to the entries of a structure besides its containers: it would
 * lead to freed memory when an entry has gone, and not to one that came. */

#include <string.h>
#include "plan.h"

#define DEPTH_MAX 16

/* A structure, and a variable that is looked at. */
struct search {
    const struct plan *plan;
    const struct plan_structure *s;
    const char *symbol;         /* NULL if it is not of the linker. */
    bool leads;                 /* Its memory may have pointers to them. */
};

static bool
is_pointer(struct json_object *type)
{
    return type && !strcmp(json_text(type, "kind"), "pointer");
}

/* What a type leads to: the type itself if it is no pointer. */
static int
pointed_to(const struct plan *plan, int type)
{
    struct json_object *t = plan_json_type(plan, type);

    for (int depth = 0; is_pointer(t) && depth < DEPTH_MAX; depth++) {
        type = json_number(t, "target");
        t = plan_json_type(plan, type);
    }
    return plan_canonical(plan, type);
}

/* Whether a pointer may lead to entries: by its type, or, if that does not say
 * to what, by what the analyser found. */
static bool
may_lead(const struct search *q, int type)
{
    int target = pointed_to(q->plan, type);
    struct json_object *t = plan_json_type(q->plan, target);
    const char *kind = t ? json_text(t, "kind") : "void";

    return (target == q->s->type_json
            || (q->leads && (!strcmp(kind, "void")
                             || !strcmp(kind, "opaque"))));
}

/* Whether a place is one, or an element of one, that a container of entries
 * begins or ends at. */
static bool
is_in(const struct search *q, const char *name, uint64_t offset)
{
    struct plan_place p;

    return (name && plan_place(q->plan, name, &p)
            && !strcmp(p.symbol, q->symbol) && offset >= p.offset
            && offset - p.offset < p.n * sizeof(void *));
}

static bool
is_head(const struct search *q, uint64_t offset)
{
    for (guint i = 0; q->symbol && i < q->s->lists->len; i++) {
        const struct plan_list *l
            = &g_array_index(q->s->lists, struct plan_list, i);

        if (is_in(q, l->first, offset) || is_in(q, l->last, offset)) {
            return true;
        }
    }
    for (guint i = 0; q->symbol && i < q->s->trees->len; i++) {
        const struct plan_tree *t
            = &g_array_index(q->s->trees, struct plan_tree, i);

        if (!strcmp(t->variable, q->symbol)
            && offset == t->e->head + t->e->root) {
            return true;
        }
    }
    return false;
}

/* Whether what is at 'offset' of the variable has a pointer to entries that no
 * container begins at. */
static bool
strays(const struct search *q, int type, uint64_t offset, int depth)
{
    struct json_object *t = plan_json_type(q->plan, type);
    struct json_object *members;

    while (t && !strcmp(json_text(t, "kind"), "array")) {
        type = json_number(t, "target");
        t = plan_json_type(q->plan, type);
    }
    if (is_pointer(t)) {
        return may_lead(q, type) && !is_head(q, offset);
    }
    /* Entries themselves have links. */
    members = (t && depth < DEPTH_MAX
               && plan_canonical(q->plan, type) != q->s->type_json
               ? json_list(t, "members") : NULL);
    for (size_t i = 0; members && i < json_object_array_length(members);
         i++) {
        struct json_object *m = json_object_array_get_idx(members, i);

        if (strays(q, json_number(m, "type"),
                   offset + json_number(m, "bit_offset") / 8, depth + 1)) {
            return true;
        }
    }
    return false;
}

/* Adds a type, and what it may lead to. */
static void
add_reached(const struct plan *plan, int type, GHashTable *reached)
{
    struct json_object *t = plan_json_type(plan, type);

    while (t && (!strcmp(json_text(t, "kind"), "array") || is_pointer(t))) {
        type = json_number(t, "target");
        t = plan_json_type(plan, type);
    }
    struct json_object *members = t ? json_list(t, "members") : NULL;
    if (members && g_hash_table_add(reached, GINT_TO_POINTER(
                                        plan_canonical(plan, type) + 1))) {
        for (size_t i = 0; i < json_object_array_length(members); i++) {
            add_reached(plan, json_number(json_object_array_get_idx(members,
                                                                    i),
                                          "type"), reached);
        }
    }
}

/* The types of what moves, and of all that it may own: an export of these
 * looks at their pointers. */
static GHashTable *
reached_types(const struct plan *plan)
{
    GHashTable *reached = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];

        add_reached(plan, s->type_json, reached);
    }
    return reached;
}

static bool
has_number(struct json_object *array, int64_t number)
{
    size_t n = array ? json_object_array_length(array) : 0;

    for (size_t i = 0; i < n; i++) {
        if (json_object_get_int64(json_object_array_get_idx(array, i))
            == number) {
            return true;
        }
    }
    return false;
}

const char *
plan_stray(const struct plan *plan, const struct plan_structure *s)
{
    GHashTable *reached = reached_types(plan);
    const char *name = NULL;

    for (size_t i = 0;
         !s->container && !name
         && i < json_object_array_length(plan->variables); i++) {
        struct json_object *v = json_object_array_get_idx(plan->variables, i);
        const char *symbol = json_text(v, "symbol");
        int64_t owner = json_number(v, "structure");
        struct search q = {
            plan, s, *symbol ? symbol : NULL,
            has_number(json_list(v, "leads_to"), json_number(s->json, "id")),
        };

        if (json_true(v, "updateable")
            && (owner < 0
                || !g_hash_table_contains(reached, GINT_TO_POINTER(
                       plan_canonical(plan, json_number(
                           json_object_array_get_idx(plan->json_structures,
                                                     owner), "type")) + 1)))
            && strays(&q, json_number(v, "type"), 0, 0)) {
            name = json_text(v, "name");
        }
    }
    g_hash_table_destroy(reached);
    return name;
}
