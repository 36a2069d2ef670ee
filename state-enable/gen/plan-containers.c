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

/* What holds the nodes of a structure. */

#include <string.h>
#include "container.h"
#include "plan.h"

#define DEPTH_MAX 16

/* Whether a pointer leads to the type 'self', or, if 'back', to a pointer to
 * it. */
static bool
leads_to(const struct plan *plan, struct json_object *pointer, int self,
         bool back)
{
    int target = plan_canonical(plan, json_number(pointer, "target"));
    struct json_object *t = back ? plan_json_type(plan, target) : NULL;

    if (t && !strcmp(json_text(t, "kind"), "pointer")) {
        return leads_to(plan, t, self, false);
    }
    return !back && target == self;
}

/* Adds the members of a struct at 'base' that point to the type 'self', or, if
 * 'back', to pointers to it. */
static void
add_self_pointers(const struct plan *plan, int type, int self, bool back,
                  uint32_t base, int depth, GArray *offsets)
{
    struct json_object *members = json_list(plan_json_type(plan, type),
                                            "members");
    size_t n = members ? json_object_array_length(members) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        int member = json_number(m, "type");
        struct json_object *t = plan_json_type(plan, member);
        const char *kind = t ? json_text(t, "kind") : "void";
        uint32_t offset = base + json_number(m, "bit_offset") / 8;

        if (!strcmp(kind, "pointer") && leads_to(plan, t, self, back)) {
            g_array_append_val(offsets, offset);
        } else if (!strcmp(kind, "struct") && depth < DEPTH_MAX) {
            add_self_pointers(plan, member, self, back, offset, depth + 1,
                              offsets);
        }
    }
}

/* Offsets of the members that point to the structure itself, or, if 'back', to
 * pointers to it. */
static GArray *
self_pointers(const struct plan *plan, int type, bool back)
{
    GArray *offsets = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    add_self_pointers(plan, type, plan_canonical(plan, type), back, 0, 0,
                      offsets);
    return offsets;
}

/* Takes an offset out.  Returns false if it is not there. */
static bool
take_offset(GArray *offsets, uint32_t offset)
{
    for (guint i = 0; i < offsets->len; i++) {
        if (g_array_index(offsets, uint32_t, i) == offset) {
            g_array_remove_index(offsets, i);
            return true;
        }
    }
    return false;
}

/* Lists. */

/* Whether a variable is a pointer to the type, or an array of such. */
static bool
is_anchor(const struct plan *plan, const char *name, int type)
{
    struct plan_place p;
    struct json_object *t = (plan_place(plan, name, &p)
                             ? plan_json_type(plan, p.type) : NULL);

    return (t && !strcmp(json_text(t, "kind"), "pointer")
            && plan_canonical(plan, json_number(t, "target"))
               == plan_canonical(plan, type));
}

/* The variables from which lists through the member at 'next' begin. */
static GPtrArray *
anchors(const struct plan *plan, const struct plan_structure *s, uint32_t next)
{
    GPtrArray *names = evidence_after(plan->evidence, "anchor %s %u", s->tag,
                                      next);

    for (guint i = names->len; i-- > 0;) {
        if (!is_anchor(plan, names->pdata[i], s->type_json)) {
            g_ptr_array_remove_index(names, i);
        }
    }
    return names;
}

static uint32_t
inverse(const struct plan *plan, const struct plan_structure *s,
        const GArray *offsets, uint32_t offset)
{
    for (guint i = 0; i < offsets->len; i++) {
        uint32_t other = g_array_index(offsets, uint32_t, i);

        if (evidence_has(plan->evidence, "pair %s %u %u", s->tag, offset,
                         other)
            || evidence_has(plan->evidence, "pair %s %u %u", s->tag, other,
                            offset)) {
            return other;
        }
    }
    return ST_NONE;
}

static const char *
own_name(const struct plan *plan, const char *symbol)
{
    return json_text(plan_variable_json(plan, symbol), "symbol");
}

static uint64_t
n_elements(const struct plan *plan, const char *name)
{
    struct plan_place p;

    return plan_place(plan, name, &p) ? p.n : 0;
}

/* Whether a variable leads to a link, which another entry would have to take
 * over. */
static bool
has_tail(const struct plan *plan, const struct plan_structure *s,
         uint32_t link)
{
    GPtrArray *names = evidence_after(plan->evidence, "tail %s %u", s->tag,
                                      link);
    bool has = names->len > 0;

    g_ptr_array_unref(names);
    return has;
}

/* Makes a list of the anchors at both its ends. */
static bool
add_list(struct plan *plan, struct plan_structure *s, uint32_t next,
         uint32_t prev)
{
    GPtrArray *at_next = anchors(plan, s, next);
    GPtrArray *at_prev = (prev == ST_NONE ? g_ptr_array_new()
                          : anchors(plan, s, prev));
    struct plan_list l = { .next = next, .prev = prev };
    bool ok = at_next->len <= 1 && at_prev->len <= 1
              && at_next->len + at_prev->len;

    /* The end that the program adds to comes first. */
    if (ok && at_prev->len
        && (!at_next->len
            || evidence_has(plan->evidence, "push %s %u %s", s->tag, prev,
                            (char *) at_prev->pdata[0]))) {
        GPtrArray *t = at_next;

        at_next = at_prev;
        at_prev = t;
        l.next = prev;
        l.prev = next;
    }
    if (ok) {
        l.first = g_intern_string(at_next->pdata[0]);
        l.last = at_prev->len ? g_intern_string(at_prev->pdata[0]) : NULL;
        l.n_buckets = n_elements(plan, l.first);
        const struct evidence_container c = {
            .tag = s->tag, .first = l.first, .last = l.last,
            .next = l.next, .prev = ST_NONE,
        };
        if (container_has_order(plan->evidence, &c)) {
            ok = false;
        }
    }
    if (ok) {
        ok = !l.last || (l.n_buckets == 1 && n_elements(plan, l.last) == 1);
    }
    if (ok) {
        /* The list that finds entries comes first of all. */
        if (l.n_buckets > 1) {
            g_array_prepend_val(s->lists, l);
        } else {
            g_array_append_val(s->lists, l);
        }
    }
    g_ptr_array_unref(at_next);
    g_ptr_array_unref(at_prev);
    return ok;
}

/* Adds lists through the members at 'offsets'; all must be links. */
static bool
add_lists(struct plan *plan, struct plan_structure *s, const GArray *offsets)
{
    for (guint i = 0; i < offsets->len; i++) {
        uint32_t offset = g_array_index(offsets, uint32_t, i);
        uint32_t other = inverse(plan, s, offsets, offset);

        if (has_tail(plan, s, offset)) {
            return false;
        }
        if ((other == ST_NONE || offset < other)
            && !add_list(plan, s, offset, other)) {
            return false;
        }
    }
    return true;
}

/* Trees. */

static bool
is_within(const struct evidence_range *r, uint64_t offset, uint64_t size)
{
    return (offset != ST_NONE && offset <= r->offset
            && r->offset + r->size <= offset + size);
}

/* Whether a range is part of a member of the key. */
static bool
is_of_key(const struct plan_structure *s, const struct evidence_range *r)
{
    for (guint i = 0; i < s->keys->len; i++) {
        const struct st_key *k = &g_array_index(s->keys, struct st_key, i);

        if (k->via == ST_NONE
            && (is_within(r, k->offset, k->size)
                || is_within(r, k->version, k->version_size))) {
            return true;
        }
    }
    return false;
}

/* Whether some range has a whole member of the key. */
static bool
is_compared(const struct evidence_tree *e, const struct st_key *k)
{
    for (guint i = 0; i < e->compared->len; i++) {
        const struct evidence_range *r
            = &g_array_index(e->compared, struct evidence_range, i);

        if (k->via == ST_NONE && r->offset <= k->offset
            && k->offset + k->size <= r->offset + r->size) {
            return true;
        }
    }
    return false;
}

/* Whether a tree is ordered by all members of the key, and by nothing else:
 * then what it finds has the key, and what it does not find is not there. */
static bool
has_key_order(const struct plan_structure *s, const struct evidence_tree *e)
{
    for (guint i = 0; i < s->keys->len; i++) {
        if (!is_compared(e, &g_array_index(s->keys, struct st_key, i))) {
            return false;
        }
    }
    for (guint i = 0; i < e->compared->len; i++) {
        if (!is_of_key(s, &g_array_index(e->compared, struct evidence_range,
                                         i))) {
            return false;
        }
    }
    return true;
}

/* Adds the trees that the structure is in, and takes their links out of
 * 'offsets'. */
static bool
add_trees(struct plan *plan, struct plan_structure *s, GArray *offsets)
{
    const GArray *all = evidence_trees(plan->evidence);

    for (guint i = 0; i < all->len; i++) {
        const struct evidence_tree *e
            = &g_array_index(all, struct evidence_tree, i);
        struct plan_tree t = { e, own_name(plan, e->variable) };

        if (strcmp(e->node, s->tag)) {
            continue;
        }
        if (!t.variable || !take_offset(offsets, e->children[0])
            || !take_offset(offsets, e->children[1])
            || (e->parent != ST_NONE && !take_offset(offsets, e->parent))) {
            return false;
        }
        if (has_key_order(s, e)) {
            g_array_prepend_val(s->trees, t);
        } else {
            g_array_append_val(s->trees, t);
        }
    }
    return true;
}

/* All. */

#define CONTAINERS_MAX 8

const char *
plan_first_container(const struct plan_structure *s)
{
    return (s->lists->len
            ? g_array_index(s->lists, struct plan_list, 0).first
            : g_array_index(s->trees, struct plan_tree, 0).variable);
}

bool
plan_containers(struct plan *plan, struct plan_structure *s)
{
    GArray *offsets = self_pointers(plan, s->type_json, false);
    GArray *back = self_pointers(plan, s->type_json, true);
    bool ok = (!back->len && add_trees(plan, s, offsets)
               && add_lists(plan, s, offsets));
    guint n = s->lists->len + s->trees->len;

    g_array_free(offsets, TRUE);
    g_array_free(back, TRUE);
    if (!ok || !n || n > CONTAINERS_MAX) {
        return plan_refuse(plan, s, "where its links begin is not understood");
    }
    if (!s->lists->len
        && !has_key_order(s, g_array_index(s->trees, struct plan_tree, 0).e)) {
        return plan_refuse(plan, s, "it is in no container that finds entries "
                                    "by their key");
    }
    return true;
}

