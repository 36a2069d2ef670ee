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

/* By what each variable that moves does so. */

#include <string.h>
#include "plan.h"

#define DEPTH_MAX 16            /* Of structs in structs. */

enum strategy {
    LINK, REFERENCE, OWNED, NAME, HOOK, BYTES, N_STRATEGIES
};

/* Marks a type and all that objects of it own. */
static void
mark(const struct plan *plan, uint32_t type, bool *marked)
{
    const struct plan_type *t = plan->plan_types->pdata[type];

    marked[type] = true;
    for (guint i = 0; i < t->pointers->len; i++) {
        const struct plan_pointer *p
            = &g_array_index(t->pointers, struct plan_pointer, i);

        if (p->owned && p->target == ST_TO_TYPE && !marked[p->type]) {
            mark(plan, p->type, marked);
        }
    }
}

bool *
plan_moved_types(const struct plan *plan)
{
    bool *moved = g_new0(bool, plan->plan_types->len + 1);

    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];

        mark(plan, s->type, moved);
    }
    return moved;
}

static enum strategy
strategy_of(const struct plan *plan, const struct plan_type *t,
            const char *path)
{
    for (guint i = 0; i < t->pointers->len; i++) {
        const struct plan_pointer *p
            = &g_array_index(t->pointers, struct plan_pointer, i);

        if (!strcmp(p->name, path)) {
            return (p->target == ST_LINK ? LINK
                    : p->target == ST_TO_NODE ? REFERENCE
                    : p->owned ? OWNED : NAME);
        }
    }
    return plan_path_is_hooked(plan, t->json, path) ? HOOK : BYTES;
}

/* Counts members that are no structs; an array is one. */
static void
count(const struct plan *plan, const struct plan_type *t, int json,
      const char *path, int depth, unsigned int n[])
{
    struct json_object *type = plan_json_type(plan, json);
    struct json_object *members;

    while (type && !strcmp(json_text(type, "kind"), "array")) {
        type = plan_json_type(plan, json_number(type, "target"));
    }
    members = type && depth < DEPTH_MAX ? json_list(type, "members") : NULL;
    if (!members || plan_path_is_hooked(plan, t->json, path)) {
        n[strategy_of(plan, t, path)]++;
        return;
    }
    for (size_t i = 0; i < json_object_array_length(members); i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        char *inner = g_strconcat(path, *path ? "." : "",
                                  json_text(m, "name"), NULL);

        count(plan, t, json_number(m, "type"), inner, depth + 1, n);
        g_free(inner);
    }
}

void
plan_report_strategies(struct plan *plan)
{
    bool *moved = plan_moved_types(plan);
    unsigned int n[N_STRATEGIES] = { 0 }, total = 0;

    for (guint i = 0; i < plan->plan_types->len; i++) {
        const struct plan_type *t = plan->plan_types->pdata[i];

        if (moved[i]) {
            count(plan, t, t->json, "", 0, n);
        }
    }
    for (unsigned int i = 0; i < N_STRATEGIES; i++) {
        total += n[i];
    }
    g_free(moved);
    plan_say(plan, "variables: %u move: %u links, %u references, %u owned, "
             "%u names, %u by hooks, %u bytes", total, n[LINK], n[REFERENCE],
             n[OWNED], n[NAME], n[HOOK], n[BYTES]);
}
