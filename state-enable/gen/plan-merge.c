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

/* Rules of merging, which the user sets: "struct host.seen=max".  What decides
 * where an entry is found, or how much memory it has, can have none. */

#include <string.h>
#include "plan.h"

static const char *const rules[] = {
    [ST_KEEP] = "keep", [ST_REPLACE] = "replace", [ST_MAX] = "max",
    [ST_SUM] = "sum", [ST_UNION] = "union",
};

static bool
parse_rule(const char *text, enum st_merge *rule)
{
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (!strcmp(text, rules[i])) {
            *rule = i;
            return true;
        }
    }
    return false;
}

/* Whether 'size' bytes at 'offset' have some of 'n' bytes at 'at'. */
static bool
overlaps(uint64_t offset, uint64_t size, uint32_t at, uint64_t n)
{
    return at != ST_NONE && offset < at + n && at < offset + size;
}

bool
plan_type_needs(const struct plan_type *t, uint64_t offset, uint64_t size)
{
    bool needed = (t->tail && overlaps(offset, size, t->length.offset,
                                       t->length.size));

    for (guint i = 0; i < t->pointers->len; i++) {
        const struct plan_pointer *p
            = &g_array_index(t->pointers, struct plan_pointer, i);

        needed |= (overlaps(offset, size, p->live, p->live_size)
                   || overlaps(offset, size, p->length, p->length_size));
        for (guint j = 0; j < p->extents->len; j++) {
            const struct st_extent *e = &g_array_index(p->extents,
                                                       struct st_extent, j);

            needed |= overlaps(offset, size, e->offset, e->size);
        }
    }
    return needed;
}

bool
plan_structure_needs(const struct plan *plan, const struct plan_structure *s,
                     uint64_t offset, uint64_t size)
{
    const struct plan_type *t = plan->plan_types->pdata[s->type];
    bool needed = (overlaps(offset, size, s->bucket_offset, s->bucket_size)
                   || overlaps(offset, size, s->count_offset, s->count_size));

    for (guint i = 0; i < s->keys->len; i++) {
        const struct st_key *k = &g_array_index(s->keys, struct st_key, i);

        needed |= (k->via == ST_NONE
                   && (overlaps(offset, size, k->offset, k->size)
                       || overlaps(offset, size, k->version,
                                   k->version_size)));
    }
    for (guint i = 0; i < s->trees->len; i++) {
        const GArray *compared = g_array_index(s->trees, struct plan_tree,
                                               i).e->compared;

        for (guint j = 0; j < compared->len; j++) {
            const struct evidence_range *r
                = &g_array_index(compared, struct evidence_range, j);

            needed |= overlaps(offset, size, r->offset, r->size);
        }
    }
    return needed || plan_type_needs(t, offset, size);
}

/* The structure that "struct host.seen" is of; sets '*path' to the rest. */
static const struct plan_structure *
find_structure(const struct plan *plan, const char *name, const char **path)
{
    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];
        size_t n = strlen(s->name);

        if (!strncmp(name, s->name, n) && name[n] == '.') {
            *path = name + n + 1;
            return s;
        }
    }
    return NULL;
}

static bool
has_rule(const struct plan_type *t, uint64_t offset, uint64_t size)
{
    for (guint i = 0; i < t->members->len; i++) {
        const struct st_member *m = &g_array_index(t->members,
                                                   struct st_member, i);

        if (overlaps(offset, size, m->offset, m->size)) {
            return true;
        }
    }
    return false;
}

/* Whether the runtime can do it with integers of the type. */
static bool
is_possible(struct json_object *type, enum st_merge rule)
{
    const char *name = json_text(type, "name");
    bool is_bool = !strcmp(name, "_Bool") || !strcmp(name, "bool");

    return (json_number(type, "size") <= 8
            && !(is_bool && rule == ST_SUM));
}

/* Sets one rule.  Returns what is wrong, or NULL. */
static const char *
set_rule(struct plan *plan, const char *name, const char *rule)
{
    const char *path = NULL;
    const struct plan_structure *s = find_structure(plan, name, &path);
    struct st_member m = { .size = 0 };
    uint64_t offset;

    if (!parse_rule(rule, &m.merge)) {
        return "a rule is keep, replace, max, sum or union";
    }
    int type = s ? plan_member(plan, s->type_json, path, &offset) : -1;
    if (type < 0) {
        return "is no member of what is moved";
    }
    if (s->per_flow) {
        return "is of a flow, which is never merged";
    }
    m.size = plan_integer_at(plan, s->type_json, offset);
    if (!m.size || m.size != json_number(plan_json_type(plan, type), "size")) {
        return "is no integer";
    }
    if (plan_structure_needs(plan, s, offset, m.size)) {
        return "an entry cannot be found or kept if it changes";
    }
    struct plan_type *t = plan->plan_types->pdata[s->type];
    if (has_rule(t, offset, m.size)) {
        return "has a rule already";
    }
    if (!is_possible(plan_json_type(plan, type), m.merge)) {
        return "the rule does not fit its type";
    }
    m.name = g_strdup(path);
    m.offset = offset;
    m.is_signed = json_true(plan_json_type(plan, type), "signed");
    g_array_append_val(t->members, m);
    plan_say(plan, "merged: %s: %s", name, rule);
    return NULL;
}

bool
plan_merge(struct plan *plan, char *const *settings)
{
    bool ok = true;

    for (; *settings; settings++) {
        char **halves = g_strsplit(g_strstrip(*settings), "=", 2);
        const char *wrong = (halves[0] && halves[1]
                             ? set_rule(plan, g_strstrip(halves[0]),
                                        g_strstrip(halves[1]))
                             : "is not MEMBER=RULE");

        if (wrong) {
            plan_say(plan, "not supported: to merge %s: %s", *settings, wrong);
            ok = false;
        }
        g_strfreev(halves);
    }
    return ok;
}
