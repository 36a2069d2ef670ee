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

/* Members of variables, and the arrays whose elements nodes are. */

#include <string.h>
#include "plan.h"

/* Goes from a struct to its member that has the byte at 'offset', through
 * structs, to an array or what is no struct. */
static bool
enter_struct(const struct plan *plan, uint64_t offset, struct plan_place *p)
{
    struct json_object *t = plan_json_type(plan, p->type);

    while (t && !strcmp(json_text(t, "kind"), "struct")) {
        struct json_object *members = json_list(t, "members");
        size_t n = json_object_array_length(members);
        uint64_t start = p->offset;

        t = NULL;
        for (size_t i = 0; i < n && !t; i++) {
            struct json_object *m = json_object_array_get_idx(members, i);
            uint64_t first = start + json_number(m, "bit_offset") / 8;

            if (offset - first < (uint64_t) json_number(m, "bit_size") / 8) {
                p->offset = first;
                p->type = plan_canonical(plan, json_number(m, "type"));
                g_strlcat(p->name, ".", sizeof p->name);
                g_strlcat(p->name, json_text(m, "name"), sizeof p->name);
                t = plan_json_type(plan, p->type);
            }
        }
    }
    if (t && !strcmp(json_text(t, "kind"), "array")) {
        p->n = json_number(t, "elements");
        p->type = plan_canonical(plan, json_number(t, "target"));
    }
    return t != NULL;
}

bool
plan_place(const struct plan *plan, const char *name, struct plan_place *p)
{
    char **halves = g_strsplit(name, "+", 2);
    struct json_object *v = plan_variable_json(plan, halves[0]);
    bool ok = v != NULL;

    *p = (struct plan_place) { .type = -1 };
    if (ok) {
        p->symbol = json_text(v, "symbol");
        p->type = plan_canonical(plan, json_number(v, "type"));
        p->n = json_number(v, "elements");
        g_strlcpy(p->name, p->symbol, sizeof p->name);
        if (halves[1]) {
            ok = enter_struct(plan, g_ascii_strtoull(halves[1], NULL, 10), p);
        }
    }
    g_strfreev(halves);
    return ok;
}

/* Whether an integer goes through all indexes of 'n' elements and starts
 * again. */
static bool
takes_turns(const struct plan *plan, const char *turn, uint64_t n)
{
    return (evidence_has(plan->evidence, "inc %s", turn)
            && !evidence_has(plan->evidence, "dec %s", turn)
            && evidence_has(plan->evidence, "reset %s", turn)
            && evidence_has(plan->evidence, "bound %s %"G_GUINT64_FORMAT,
                            turn, n)
            && !evidence_has(plan->evidence, "bound %s ?", turn)
            && !evidence_has(plan->evidence, "set %s", turn));
}

/* "A I": the array whose elements are put into the first list, and the integer
 * that says which one is next. */
static bool
set_slots(const struct plan *plan, struct plan_structure *s, const char *fill)
{
    char **names = g_strsplit(fill, " ", 2);
    struct plan_slots *slots = &s->slots;
    struct json_object *turn;
    bool ok = (plan_place(plan, names[0], &slots->array)
               && plan_place(plan, names[1], &slots->turn)
               && slots->array.type == s->type_json && slots->turn.n == 1
               && takes_turns(plan, names[1], slots->array.n));

    if (ok) {
        turn = plan_json_type(plan, slots->turn.type);
        ok = turn && !strcmp(json_text(turn, "kind"), "int");
    }
    slots->evidence = ok ? g_intern_string(names[0]) : NULL;
    g_strfreev(names);
    return ok;
}

bool
plan_slots(struct plan *plan, struct plan_structure *s)
{
    if (json_object_array_length(json_list(s->json, "allocators"))) {
        return true;
    }
    GPtrArray *fills = evidence_after(plan->evidence, "fill %s",
                                      plan_first_container(s));
    bool ok = (!s->trees->len && fills->len == 1
               && set_slots(plan, s, fills->pdata[0]));
    g_ptr_array_unref(fills);
    return ok || plan_refuse(plan, s, "how it takes elements of an array into "
                                      "use is not understood");
}
