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

/* Variables that count entries, and those that seem to. */

#include <string.h>
#include "counts.h"
#include "plan.h"

static bool
has_name(GPtrArray *names, const char *name)
{
    return g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL);
}

/* Whether a number has to do with the state that the program needs. */
static bool
is_state(const struct plan *plan, const char *name, struct plan_place *p)
{
    return (plan_place(plan, name, p)
            && json_true(plan_variable_json(plan, p->symbol), "updateable"));
}

static void
add_count(const struct plan *plan, struct plan_structure *s, const char *name)
{
    struct plan_count c;

    if (!is_state(plan, name, &c.place)) {
        return;
    }
    struct json_object *type = plan_json_type(plan, c.place.type);
    c.size = type ? json_number(type, "size") : 0;
    if (type && !strcmp(json_text(type, "kind"), "int") && c.size <= 8) {
        g_array_append_val(s->counts, c);
    }
}

/* Adds to 'partly' what goes up and down with the structure's entries in no
 * way that is understood. */
static void
count(const struct plan *plan, struct plan_structure *s, GPtrArray *partly)
{
    GPtrArray *whole = g_ptr_array_new(), *near = g_ptr_array_new();

    for (guint i = 0; i < s->lists->len; i++) {
        const struct plan_list *l = &g_array_index(s->lists, struct plan_list,
                                                   i);
        const struct evidence_container c = {
            .tag = s->tag, .first = l->first, .last = l->last,
            .next = l->next, .prev = l->prev,
        };

        evidence_counts(plan->evidence, &c, whole, near);
    }
    for (guint i = 0; i < s->trees->len; i++) {
        const struct evidence_tree *t
            = g_array_index(s->trees, struct plan_tree, i).e;
        const struct evidence_container c = {
            .tag = s->tag, .next = ST_NONE, .prev = ST_NONE,
            .insert = t->insert, .remove = t->remove,
        };

        evidence_counts(plan->evidence, &c, whole, near);
    }
    for (guint i = 0; i < whole->len; i++) {
        bool again = false;

        for (guint j = 0; j < i; j++) {
            again |= !strcmp(whole->pdata[i], whole->pdata[j]);
        }
        if (!again) {
            add_count(plan, s, whole->pdata[i]);
        }
    }
    for (guint i = 0; i < near->len; i++) {
        if (!has_name(whole, near->pdata[i])
            && !has_name(partly, near->pdata[i])) {
            g_ptr_array_add(partly, near->pdata[i]);
        }
    }
    g_ptr_array_free(whole, TRUE);
    g_ptr_array_free(near, TRUE);
}

/* Whether it counts the entries of another structure. */
static bool
is_count(const struct plan *plan, const struct plan_place *p)
{
    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];

        for (guint j = 0; j < s->counts->len; j++) {
            const struct plan_count *c
                = &g_array_index(s->counts, struct plan_count, j);

            if (!strcmp(c->place.symbol, p->symbol)
                && c->place.offset == p->offset) {
                return true;
            }
        }
    }
    return false;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void
plan_counts(struct plan *plan)
{
    GPtrArray *partly = g_ptr_array_new();

    for (guint i = 0; i < plan->structures->len; i++) {
        struct plan_structure *s = plan->structures->pdata[i];

        if (!s->container) {
            count(plan, s, partly);
        }
    }
    g_ptr_array_sort(partly, compare_names);
    for (guint i = 0; i < partly->len; i++) {
        struct plan_place p;

        if (is_state(plan, partly->pdata[i], &p) && !is_count(plan, &p)) {
            plan_say(plan, "not safe: %s goes up and down with entries, and "
                     "does not follow those that move", p.name);
        }
    }
    g_ptr_array_free(partly, TRUE);
}
