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

/* The pointers in types. */

#include <stdlib.h>
#include <string.h>
#include "mbox-fnv.h"
#include "plan.h"

#define LEVELS_MAX 6
#define DEPTH_MAX 16

/* Where one is in a type: the structs around, and the array that one is in. */
struct at {
    struct {
        const char *tag;        /* "flow" */
        uint64_t base;          /* Of the struct in the type. */
    } levels[LEVELS_MAX];
    unsigned int n_levels;
    uint64_t offset, count, stride;
    uint32_t live, live_size;
    const char *name;
};

uint32_t
plan_structure_of(const struct plan *plan, int type)
{
    type = plan_canonical(plan, type);
    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];

        if (type >= 0 && s->type_json == type) {
            return i;
        }
    }
    return ST_NONE;
}

/* Whether a struct is a type, or a part of it, that is no array. */
static bool
is_part(const struct plan *plan, int type, int part, int depth)
{
    struct json_object *t = plan_json_type(plan, type);
    struct json_object *members = t ? json_list(t, "members") : NULL;
    size_t n = members ? json_object_array_length(members) : 0;
    bool is = plan_canonical(plan, type) == part;

    for (size_t i = 0; !is && i < n && depth < DEPTH_MAX; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);

        is = is_part(plan, json_number(m, "type"), part, depth + 1);
    }
    return is;
}

/* What a pointer leads to, also by way of another one. */
static int
behind(const struct plan *plan, int target)
{
    struct json_object *t = plan_json_type(plan, target);

    return plan_canonical(plan, t && !strcmp(json_text(t, "kind"), "pointer")
                          ? json_number(t, "target") : target);
}

/* Whether a struct is there to link: it has a pointer to its like, or to
 * 'node'. */
static bool
links(const struct plan *plan, int type, int node)
{
    struct json_object *t = plan_json_type(plan, type);
    struct json_object *members = t ? json_list(t, "members") : NULL;
    size_t n = members ? json_object_array_length(members) : 0;
    bool found = type == node;

    for (size_t i = 0; !found && i < n; i++) {
        struct json_object *mt = plan_json_type(plan, json_number(
            json_object_array_get_idx(members, i), "type"));

        if (mt && !strcmp(json_text(mt, "kind"), "pointer")) {
            int to = behind(plan, json_number(mt, "target"));

            found = to == type || to == node;
        }
    }
    return found;
}

/* Whether 'offset' bytes into a type it has that part, or is it. */
static bool
has_part_at(const struct plan *plan, int type, int part, uint64_t offset,
            int depth)
{
    struct json_object *t = plan_json_type(plan, type);
    struct json_object *members = t ? json_list(t, "members") : NULL;
    size_t n = members ? json_object_array_length(members) : 0;
    bool has = !offset && plan_canonical(plan, type) == part;

    for (size_t i = 0; !has && i < n && depth < DEPTH_MAX; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        uint64_t start = json_number(m, "bit_offset") / 8;

        has = (start <= offset
               && has_part_at(plan, json_number(m, "type"), part,
                              offset - start, depth + 1));
    }
    return has;
}

/* What is before an object in its block: nothing if it is never freed. */
struct header {
    uint32_t n;
    bool known, clear;
};

/* Whether what is freed by a pointer to a part of a node is the node. */
static bool
frees_node(const struct plan *plan, const struct plan_structure *s, int part,
           const struct header *header)
{
    return (header->clear && header->n >= s->header
            && has_part_at(plan, s->type_json, part, header->n - s->header,
                           0));
}

/* The structure that a hook keeps and that a pointer leads into, also by way
 * of another pointer; or ST_NONE.  If something is freed by the pointer,
 * 'freed' says where that begins: it may be of the like of a part of a node,
 * but a block of its own. */
static uint32_t
kept_by_hook(const struct plan *plan, int target, const struct header *freed)
{
    target = behind(plan, target);
    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];

        if (target >= 0 && s->container
            && links(plan, target, s->type_json)
            && is_part(plan, s->type_json, target, 0)) {
            return (!freed || frees_node(plan, s, target, freed) ? i
                    : ST_NONE);
        }
    }
    return ST_NONE;
}

static const char *
tag_of(const char *name)
{
    const char *space = strchr(name, ' ');

    return space ? space + 1 : name;
}

/* Names, places and types of members, as deep as structs are nested. */
static uint64_t
layout_of(const struct plan *plan, int type, uint64_t hash, int depth)
{
    struct json_object *t = plan_json_type(plan, type);

    if (!t || depth > 16) {
        return hash;
    }
    const char *kind = json_text(t, "kind");
    int64_t size = json_number(t, "size");
    hash = mbox_fnv1a(hash, kind, strlen(kind) + 1);
    hash = mbox_fnv1a(hash, &size, sizeof size);
    if (!strcmp(kind, "array")) {
        return layout_of(plan, json_number(t, "target"), hash, depth + 1);
    }

    struct json_object *members = json_list(t, "members");
    size_t n = members ? json_object_array_length(members) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        const char *name = json_text(m, "name");
        int64_t place[2] = { json_number(m, "bit_offset"),
                             json_number(m, "bit_size") };

        hash = mbox_fnv1a(hash, name, strlen(name) + 1);
        hash = mbox_fnv1a(hash, place, sizeof place);
        hash = layout_of(plan, json_number(m, "type"), hash, depth + 1);
    }
    return hash;
}

/* The array at the end of a struct that has no length of its own, or NULL. */
static struct json_object *
open_array(const struct plan *plan, int json, uint64_t *offset)
{
    struct json_object *t = plan_json_type(plan, json);
    struct json_object *members = t ? json_list(t, "members") : NULL;
    size_t n = members ? json_object_array_length(members) : 0;
    struct json_object *last = (n ? json_object_array_get_idx(members, n - 1)
                                : NULL);
    struct json_object *array = (last ? plan_json_type(plan, json_number(
                                     last, "type")) : NULL);

    if (!array || strcmp(json_text(array, "kind"), "array")
        || json_number(array, "elements") > 0
        || strcmp(json_text(t, "kind"), "struct")) {
        return NULL;
    }
    *offset = json_number(last, "bit_offset") / 8;
    return array;
}

bool
plan_is_open(const struct plan *plan, int json)
{
    uint64_t offset;

    return open_array(plan, json, &offset) != NULL;
}

/* Sets the array at the end of objects, if the length is known and it has no
 * pointers. */
static void
set_tail(const struct plan *plan, struct plan_type *type)
{
    uint64_t offset;
    struct json_object *array = open_array(plan, type->json, &offset);

    if (!array) {
        return;
    }
    GPtrArray *lengths = evidence_after(plan->evidence, "tail %s",
                                        tag_of(type->name));
    struct json_object *element = plan_json_type(plan, json_number(
        array, "target"));
    uint64_t at = (lengths->len == 1
                   ? g_ascii_strtoull(lengths->pdata[0], NULL, 10) : 0);
    uint64_t size = (lengths->len == 1 ? plan_integer_at(plan, type->json, at)
                     : 0);
    if (size && element && json_number(element, "size") > 0
        && !strcmp(json_text(element, "kind"), "int")) {
        type->tail = offset;
        type->length = (struct st_extent) {
            at, size, json_number(element, "size")
        };
    }
    g_ptr_array_unref(lengths);
}

uint32_t
plan_type_get(struct plan *plan, int json)
{
    json = plan_canonical(plan, json);
    for (guint i = 0; i < plan->plan_types->len; i++) {
        const struct plan_type *t = plan->plan_types->pdata[i];

        if (t->json == json) {
            return i;
        }
    }

    struct json_object *o = plan_json_type(plan, json);
    struct plan_type *t = g_new0(struct plan_type, 1);
    const char *name = json_text(o, "name");
    t->json = json;
    t->name = (*name ? g_strdup(name)
               : g_strdup_printf("%s type %d", json_text(o, "kind"), json));
    t->size = json_number(o, "size");
    t->layout = layout_of(plan, json, MBOX_FNV1A_INIT, 0);
    set_tail(plan, t);
    t->pointers = g_array_new(FALSE, FALSE, sizeof(struct plan_pointer));
    t->members = g_array_new(FALSE, FALSE, sizeof(struct st_member));
    t->left_out = g_array_new(FALSE, FALSE, sizeof(struct plan_range));
    t->hooks = g_array_new(FALSE, FALSE, sizeof(struct plan_hook));
    g_ptr_array_add(plan->plan_types, t);
    return plan->plan_types->len - 1;
}

static bool
is_link(const struct plan *plan, uint32_t structure, uint64_t offset)
{
    const struct plan_structure *s = plan->structures->pdata[structure];

    for (guint i = 0; i < s->lists->len; i++) {
        const struct plan_list *l = &g_array_index(s->lists, struct plan_list,
                                                   i);
        if (l->next == offset || l->prev == offset) {
            return true;
        }
    }
    for (guint i = 0; i < s->trees->len; i++) {
        const struct evidence_tree *e
            = g_array_index(s->trees, struct plan_tree, i).e;

        if (e->children[0] == offset || e->children[1] == offset
            || e->parent == offset) {
            return true;
        }
    }
    return false;
}

/* Whether evidence of a kind names the member at any level. */
static bool
level_has(const struct plan *plan, const struct at *at, const char *kind)
{
    for (unsigned int i = 0; i < at->n_levels; i++) {
        if (evidence_has(plan->evidence, "%s %s %"G_GUINT64_FORMAT, kind,
                         at->levels[i].tag,
                         at->offset - at->levels[i].base)) {
            return true;
        }
    }
    return false;
}

static void walk(struct plan *, struct plan_type *, int json, struct at,
                 bool in_union, int depth);

static void
add_header(struct header *header, GPtrArray *found)
{
    for (guint i = 0; i < found->len; i++) {
        const char *text = found->pdata[i];
        uint32_t n = strtoul(text, NULL, 10);

        header->clear &= *text != '?' && (!header->known || header->n == n);
        header->known = true;
        header->n = n;
    }
    g_ptr_array_unref(found);
}

/* Before what a member leads to. */
static struct header
header_of(const struct plan *plan, const struct at *at)
{
    struct header header = { .clear = true };

    for (unsigned int i = 0; i < at->n_levels; i++) {
        add_header(&header,
                   evidence_after(plan->evidence,
                                  "header %s %"G_GUINT64_FORMAT,
                                  at->levels[i].tag,
                                  at->offset - at->levels[i].base));
    }
    return header;
}

bool
plan_header(const struct plan *plan, struct plan_structure *s)
{
    struct header header = { .clear = true };

    for (guint i = 0; i < s->lists->len; i++) {
        const struct plan_list *l = &g_array_index(s->lists, struct plan_list,
                                                   i);
        const char *const ends[] = { l->first, l->last };
        const uint32_t links[] = { l->next, l->prev };

        for (int j = 0; j < 2; j++) {
            if (ends[j]) {
                add_header(&header,
                           evidence_after(plan->evidence, "node-header %s",
                                          ends[j]));
            }
            add_header(&header,
                       evidence_after(plan->evidence, "header %s %u", s->tag,
                                      links[j]));
        }
    }
    s->header = header.n;
    return header.clear;
}

uint64_t
plan_integer_at(const struct plan *plan, int type, uint64_t offset)
{
    struct json_object *t = plan_json_type(plan, type);
    struct json_object *members = t ? json_list(t, "members") : NULL;
    size_t n = members ? json_object_array_length(members) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        struct json_object *mt = plan_json_type(plan, json_number(m, "type"));
        uint64_t start = json_number(m, "bit_offset") / 8;
        uint64_t size = mt ? json_number(mt, "size") : 0;

        if (!mt || json_true(m, "bit_field") || offset < start
            || offset >= start + size) {
            continue;
        }
        if (!strcmp(json_text(mt, "kind"), "int")) {
            return offset == start ? size : 0;
        }
        return plan_integer_at(plan, json_number(m, "type"), offset - start);
    }
    return 0;
}

static void
set_target(struct plan *plan, const struct plan_type *type,
           struct plan_pointer *p, int target, const struct header *freed)
{
    struct json_object *t = plan_json_type(plan, target);
    const char *kind = t ? json_text(t, "kind") : "void";
    uint32_t structure = plan_structure_of(plan, target);
    uint32_t kept = kept_by_hook(plan, target, freed);

    p->target = ST_TO_OPAQUE;
    if (kept != ST_NONE
        && plan_structure_of(plan, type->json) == kept) {
        p->target = ST_LINK;
    } else if (kept != ST_NONE && structure != kept) {
        /* A part of a node, or a way to one. */
    } else if (structure != ST_NONE) {
        const struct plan_structure *s = plan->structures->pdata[structure];
        bool self = s->type_json == type->json;

        p->target = (self ? (is_link(plan, structure, p->offset) ? ST_LINK
                             : ST_TO_OPAQUE) : ST_TO_NODE);
        p->structure = structure;
    } else if (!strcmp(kind, "function")) {
        p->target = ST_TO_FUNCTION;
    } else if (!strcmp(kind, "int") || !strcmp(kind, "float")) {
        p->target = ST_TO_BYTES;
    } else if ((!strcmp(kind, "struct") || !strcmp(kind, "pointer"))
               && json_number(t, "size") > 0) {
        p->type = plan_type_get(plan, target);
        p->target = ST_TO_TYPE;
        if (plan_is_open(plan, target)
            && !((struct plan_type *)
                 plan->plan_types->pdata[p->type])->tail) {
            p->target = ST_TO_OPAQUE;
            plan_say(plan, "note: %s.%s: how long the array at the end of "
                     "what it leads to is, is not understood: only NULL can "
                     "be moved", type->name, p->name);
        }
    }
}

/* Whether an integer goes with the pointer at 'pointer' only: one that goes
 * now with this, now with that one says nothing. */
static bool
has_one_pointer(const struct plan *plan, const char *tag, uint64_t pointer,
                uint64_t number)
{
    GPtrArray *all = evidence_after(plan->evidence, "extent %s", tag);
    bool one = true;

    for (guint i = 0; i < all->len; i++) {
        char *end;
        uint64_t p = g_ascii_strtoull(all->pdata[i], &end, 10);

        one &= p == pointer || g_ascii_strtoull(end, NULL, 10) != number;
    }
    g_ptr_array_unref(all);
    return one;
}

/* Integers that the program goes by behind the pointer. */
static void
set_extents(const struct plan *plan, const struct plan_type *type,
            struct plan_pointer *p, const char *tag, uint64_t base)
{
    GPtrArray *found = evidence_after(plan->evidence,
                                      "extent %s %"G_GUINT64_FORMAT, tag,
                                      p->offset - base);

    for (guint i = 0; i < found->len; i++) {
        char *unit;
        uint64_t number = g_ascii_strtoull(found->pdata[i], &unit, 10);
        struct st_extent e = {
            .offset = base + number,
            .size = plan_integer_at(plan, type->json, base + number),
            .unit = g_ascii_strtoull(unit, NULL, 10),
        };

        if (e.size && e.unit
            && has_one_pointer(plan, tag, p->offset - base, number)) {
            g_array_append_val(p->extents, e);
        }
    }
    g_ptr_array_unref(found);
}

static void
add_pointer(struct plan *plan, struct plan_type *type, const struct at *at,
            int target, bool in_union)
{
    struct plan_pointer p = {
        .name = g_strdup(at->name), .offset = at->offset, .count = at->count,
        .stride = at->stride, .live = at->live, .live_size = at->live_size,
        .length = ST_NONE,
        .extents = g_array_new(FALSE, FALSE, sizeof(struct st_extent)),
    };

    p.owned = level_has(plan, at, "free");
    struct header header = header_of(plan, at);
    p.header = header.n;
    if (in_union) {
        p.target = ST_TO_OPAQUE;
    } else {
        set_target(plan, type, &p, target, p.owned ? &header : NULL);
    }
    if (p.owned && p.target != ST_LINK && !header.clear) {
        plan_say(plan, "note: %s.%s: where the block that is freed begins is "
                 "not understood: only NULL can be moved", type->name,
                 p.name);
        p.target = ST_TO_OPAQUE;
    }
    if (at->count == 1 && at->n_levels) {
        unsigned int last = at->n_levels - 1;
        uint64_t base = at->levels[last].base;
        GPtrArray *lengths = evidence_after(
            plan->evidence, "length %s %"G_GUINT64_FORMAT,
            at->levels[last].tag, at->offset - base);

        if (lengths->len == 1) {
            uint64_t offset = base + g_ascii_strtoull(lengths->pdata[0],
                                                      NULL, 10);
            uint64_t size = plan_integer_at(plan, type->json, offset);

            if (size) {
                p.length = offset;
                p.length_size = size;
            }
        }
        g_ptr_array_unref(lengths);
        set_extents(plan, type, &p, at->levels[last].tag, base);
    }
    g_array_append_val(type->pointers, p);
}

/* How many elements of an array member are in use, if one integer beside it
 * always says. */
static void
set_live(const struct plan *plan, const struct plan_type *type, struct at *at)
{
    if (!at->n_levels) {
        return;
    }
    unsigned int last = at->n_levels - 1;
    uint64_t base = at->levels[last].base;
    GPtrArray *found = evidence_after(plan->evidence,
                                      "live %s %"G_GUINT64_FORMAT,
                                      at->levels[last].tag,
                                      at->offset - base);
    unsigned int n = 0;

    for (guint i = 0; i < found->len; i++) {
        uint64_t offset = base + g_ascii_strtoull(found->pdata[i], NULL, 10);
        uint64_t size = plan_integer_at(plan, type->json, offset);

        if (size && (offset < at->offset
                     || offset >= at->offset + at->count * at->stride)) {
            at->live = offset;
            at->live_size = size;
            n++;
        }
    }
    if (n != 1) {
        at->live = ST_NONE;
    }
    g_ptr_array_unref(found);
}

/* Adds what a hook moves: a member of the struct at 'at'. */
static void
add_hook(struct plan_type *type, const struct at *at, struct json_object *m,
         struct json_object *member_type, struct plan_hook_setting *setting)
{
    struct plan_hook h = {
        .name = g_strdup_printf("%s%s%s", at->name, *at->name ? "." : "",
                                json_text(m, "name")),
        .object = at->offset, .count = at->count, .stride = at->stride,
        .offset = json_number(m, "bit_offset") / 8,
        .size = json_number(member_type, "size"),
        .live = at->live, .live_size = at->live_size,
        .symbol = setting->symbol,
    };

    g_array_append_val(type->hooks, h);
    type->layout = mbox_fnv1a(type->layout, h.name, strlen(h.name) + 1);
    setting->used = true;
}

/* A member of the struct 'json'. */
static void
walk_member(struct plan *plan, struct plan_type *type, int json,
            struct json_object *m, const struct at *at, bool in_union,
            int depth)
{
    int member = json_number(m, "type");
    struct json_object *mt = plan_json_type(plan, member);
    struct plan_hook_setting *hook = plan_hook_of(plan, json,
                                                  json_text(m, "name"));
    struct at inner = *at;

    if (hook && mt && !in_union && !json_true(m, "bit_field")) {
        add_hook(type, at, m, mt, hook);
        return;
    }
    char *name = g_strconcat(at->name, *at->name ? "." : "",
                             json_text(m, "name"), NULL);
    inner.name = name;
    inner.offset += json_number(m, "bit_offset") / 8;
    walk(plan, type, member, inner, in_union, depth + 1);
    g_free(name);
}

static void
walk(struct plan *plan, struct plan_type *type, int json, struct at at,
     bool in_union, int depth)
{
    struct json_object *t = plan_json_type(plan, json);

    if (!t || depth > 16) {
        return;
    }
    const char *kind = json_text(t, "kind");
    if (!strcmp(kind, "pointer")) {
        add_pointer(plan, type, &at, json_number(t, "target"), in_union);
    } else if (!strcmp(kind, "array")) {
        struct json_object *element
            = plan_json_type(plan, json_number(t, "target"));
        int64_t n = json_number(t, "elements");

        if (n > 1 && at.count == 1 && element) {
            at.count = n;
            at.stride = json_number(element, "size");
            set_live(plan, type, &at);
        } else if (n > 1) {
            in_union = true;    /* An array of arrays: not understood. */
        }
        walk(plan, type, json_number(t, "target"), at, in_union, depth + 1);
    } else if (!strcmp(kind, "struct") || !strcmp(kind, "union")) {
        struct json_object *members = json_list(t, "members");
        size_t n = json_object_array_length(members);

        if (at.n_levels < LEVELS_MAX) {
            at.levels[at.n_levels].tag = tag_of(json_text(t, "name"));
            at.levels[at.n_levels++].base = at.offset;
        }
        for (size_t i = 0; i < n; i++) {
            struct json_object *m = json_object_array_get_idx(members, i);

            walk_member(plan, type, json, m, &at,
                        in_union || !strcmp(kind, "union"), depth);
        }
    }
}

static void
leave_out(struct plan *plan, struct plan_type *type)
{
    for (char *const *p = plan->leave_out; *p; p++) {
        size_t n = strlen(type->name);
        struct plan_range range;

        if (strncmp(*p, type->name, n) || (*p)[n] != '.') {
            continue;
        }
        int member = plan_member(plan, type->json, *p + n + 1, &range.offset);
        if (member >= 0
            && !plan_path_is_hooked(plan, type->json, *p + n + 1)) {
            range.size = json_number(plan_json_type(plan, member), "size");
            range.outputs = ST_LEFT_OUT_ALWAYS;
            g_array_append_val(type->left_out, range);
            plan->n_left_out++;
            plan_say(plan, "left out: %s", *p);
        }
    }
}

void
plan_types_complete(struct plan *plan)
{
    for (guint i = 0; i < plan->plan_types->len; i++) {
        struct plan_type *t = plan->plan_types->pdata[i];
        struct at at = { .count = 1, .live = ST_NONE, .name = "" };

        walk(plan, t, t->json, at, false, 0);
        leave_out(plan, t);
    }
}
