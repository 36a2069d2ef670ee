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

/* What each of the program's output functions needs: what the analyser says
 * that it depends on.
 *
 * An entry that one needs nothing of is not sent; of others, numbers that it
 * does not need are not.  But what an entry is found and kept by is sent, and
 * so are lengths, and pointers with what they lead to: a program may know by
 * another member whether there is something. */

#include <string.h>
#include "mbox-fnv.h"
#include "plan.h"

#define OUTPUTS_MAX 63
#define ELEMENTS_MAX 64         /* Of an array of structs. */

/* Bits of all output functions. */
static uint64_t
all_of(const struct plan *plan)
{
    return (UINT64_C(1) << plan->outputs->len) - 1;
}

/* The output functions that a variable does not influence. */
static uint64_t
not_influenced(const struct plan *plan, struct json_object *variable)
{
    struct json_object *outputs = json_list(variable, "outputs");
    uint64_t mask = all_of(plan);

    if (!json_true(variable, "updateable")) {
        return 0;               /* The analyser did not look. */
    }
    for (size_t i = 0; i < json_object_array_length(outputs); i++) {
        mask &= ~(UINT64_C(1) << json_object_get_int64(
                      json_object_array_get_idx(outputs, i)));
    }
    return mask;
}

/* The output functions that nothing in 'size' bytes at 'offset' of the objects
 * of a type influences. */
static uint64_t
not_needed(const struct plan *plan, int type, uint64_t offset, uint64_t size)
{
    size_t n = json_object_array_length(plan->variables);
    uint64_t mask = all_of(plan);
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        struct json_object *v = json_object_array_get_idx(plan->variables, i);
        int64_t structure = (json_list(v, "structure")
                             ? json_number(v, "structure") : -1);

        if (structure < 0
            || plan_canonical(plan, json_number(
                   json_object_array_get_idx(plan->json_structures,
                                             structure), "type")) != type) {
            continue;
        }
        uint64_t start = json_number(v, "offset");
        uint64_t end = start + (json_number(v, "size")
                                * json_number(v, "elements"));
        if (start < offset + size && offset < end) {
            mask &= not_influenced(plan, v);
            found = true;
        }
    }
    return found ? mask : 0;
}

static bool
is_kept(const struct plan *plan, const struct plan_type *t, uint64_t offset,
        uint64_t size)
{
    if (plan_type_needs(t, offset, size)) {
        return true;
    }
    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];

        /* What keeps entries by a hook may be any of it. */
        if (s->type_json == t->json
            && (s->container
                || plan_structure_needs(plan, s, offset, size))) {
            return true;
        }
        for (guint j = 0; j < s->keys->len; j++) {
            const struct st_key *k = &g_array_index(s->keys, struct st_key, j);

            if (k->via != ST_NONE && offset < k->offset + k->size
                && k->offset < offset + size) {
                return true;    /* Of whatever type. */
            }
        }
    }
    for (guint i = 0; i < t->hooks->len; i++) {
        const struct plan_hook *h
            = &g_array_index(t->hooks, struct plan_hook, i);

        if (h->live != ST_NONE && offset < h->live + h->live_size
            && h->live < offset + size) {
            return true;
        }
    }
    return false;
}

/* Structs in a type's objects. */
struct place {
    uint64_t base;              /* Of the first. */
    uint64_t stride, count;
};

/* A member of them, which 'padding' bytes follow. */
static void
leave_out(struct plan *plan, struct plan_type *t, const char *name,
          const struct place *at, uint64_t offset, uint64_t size,
          uint64_t padding)
{
    /* The analyser tells no elements apart, and where the first one is. */
    uint64_t outputs = not_needed(plan, t->json, at->base + offset, size);

    for (uint64_t i = 0; i < at->count; i++) {
        if (is_kept(plan, t, at->base + i * at->stride + offset, size)) {
            outputs = 0;
        }
    }
    for (uint64_t i = 0; outputs && i < at->count; i++) {
        const struct plan_range range = {
            at->base + i * at->stride + offset, size + padding, outputs
        };

        g_array_append_val(t->left_out, range);
    }
    for (guint i = 0; i < plan->outputs->len; i++) {
        if (outputs >> i & 1) {
            plan_say(plan, "not needed by %s(): %s.%s",
                     (char *) plan->outputs->pdata[i], t->name, name);
        }
    }
}

/* Whether a type is a number, or an array of numbers. */
static bool
is_numbers(const struct plan *plan, int type)
{
    struct json_object *t = plan_json_type(plan, type);

    while (t && !strcmp(json_text(t, "kind"), "array")) {
        t = plan_json_type(plan, json_number(t, "target"));
    }
    return t && (!strcmp(json_text(t, "kind"), "int")
                 || !strcmp(json_text(t, "kind"), "float"));
}

static void consider_members(struct plan *, struct plan_type *, int json,
                             const char *prefix, const struct place *,
                             int depth);

/* A member that is a struct, or an array of structs. */
static void
consider_structs(struct plan *plan, struct plan_type *t, int json,
                 const char *path, const struct place *outer, uint64_t offset,
                 int depth)
{
    struct json_object *o = plan_json_type(plan, json);
    struct place at = { outer->base + offset, outer->stride, outer->count };
    bool is_array = !strcmp(json_text(o, "kind"), "array");

    if (is_array) {
        json = json_number(o, "target");
        at.count = json_number(o, "elements");
        o = plan_json_type(plan, json);
        at.stride = o ? json_number(o, "size") : 0;
        if (outer->count > 1 || at.count < 1 || at.count > ELEMENTS_MAX) {
            return;             /* Arrays in arrays, and of no length. */
        }
    }
    if (o && !strcmp(json_text(o, "kind"), "struct")) {
        bool is_named = *path && !g_str_has_suffix(path, ".");
        char *prefix = g_strconcat(path, is_array ? "[]." : is_named ? "."
                                   : "", NULL);

        consider_members(plan, t, json, prefix, &at, depth + 1);
        g_free(prefix);
    }
}

/* The members of structs of a type's objects, and of structs in these. */
static void
consider_members(struct plan *plan, struct plan_type *t, int json,
                 const char *prefix, const struct place *at, int depth)
{
    struct json_object *o = plan_json_type(plan, json);
    struct json_object *members = (o && depth < 16 ? json_list(o, "members")
                                   : NULL);
    size_t n = members ? json_object_array_length(members) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        int type = json_number(m, "type");
        struct json_object *mt = plan_json_type(plan, type);
        uint64_t offset = json_number(m, "bit_offset") / 8;
        uint64_t size = mt ? json_number(mt, "size") : 0;
        uint64_t next = (i + 1 < n ? json_number(json_object_array_get_idx(
                                         members, i + 1), "bit_offset") / 8
                         : (uint64_t) json_number(o, "size"));
        char *path = g_strconcat(prefix, json_text(m, "name"), NULL);

        if (mt && is_numbers(plan, type) && !json_true(m, "bit_field")) {
            leave_out(plan, t, path, at, offset, size,
                      next > offset + size ? next - offset - size : 0);
        } else if (mt) {
            consider_structs(plan, t, type, path, at, offset, depth);
        }
        g_free(path);
    }
}

/* What images have of a type decides on how they are read, and depends on more
 * than the program: rules of the user's, and the analyser. */
static void
hash_layout(const struct plan *plan, struct plan_type *t)
{
    for (guint i = 0; i < t->pointers->len; i++) {
        const struct plan_pointer *p
            = &g_array_index(t->pointers, struct plan_pointer, i);
        uint64_t numbers[] = { p->offset, p->count, p->stride,
                               p->target == ST_LINK, p->live };

        t->layout = mbox_fnv1a(t->layout, numbers, sizeof numbers);
    }
    for (guint i = 0; i < t->left_out->len; i++) {
        const struct plan_range *r
            = &g_array_index(t->left_out, struct plan_range, i);
        uint64_t numbers[] = { r->offset, r->size, r->outputs };

        t->layout = mbox_fnv1a(t->layout, numbers, sizeof numbers);
    }
    for (guint i = 0; i < plan->outputs->len; i++) {
        const char *name = plan->outputs->pdata[i];

        t->layout = mbox_fnv1a(t->layout, name, strlen(name) + 1);
    }
}

void
plan_outputs(struct plan *plan, struct json_object *result)
{
    struct json_object *outputs = json_list(result, "outputs");
    size_t n = json_object_array_length(outputs);

    if (n > OUTPUTS_MAX) {
        plan_say(plan, "note: more than %d output functions: state is not "
                 "told apart by them", OUTPUTS_MAX);
        n = 0;
    }
    for (size_t i = 0; i < n; i++) {
        g_ptr_array_add(plan->outputs, (char *) json_text(
                            json_object_array_get_idx(outputs, i),
                            "function"));
    }
    for (guint i = 0; i < plan->plan_types->len; i++) {
        struct plan_type *t = plan->plan_types->pdata[i];

        consider_members(plan, t, t->json, "", &(struct place) { 0, 0, 1 },
                         0);
        hash_layout(plan, t);
    }
    for (guint i = 0; i < plan->structures->len; i++) {
        struct plan_structure *s = plan->structures->pdata[i];
        const struct plan_type *t = plan->plan_types->pdata[s->type];

        s->unneeded = not_needed(plan, t->json, 0, t->size);
        for (guint j = 0; j < n; j++) {
            if (s->unneeded >> j & 1) {
                plan_say(plan, "not needed by %s(): %s",
                         (char *) plan->outputs->pdata[j], s->name);
            }
        }
    }
}
