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

#include "plan.h"

#include <stdlib.h>
#include <string.h>

bool
plan_refuse(struct plan *plan, const struct plan_structure *s, const char *why)
{
    plan_say(plan, "not moved: %s: %s", s->name, why);
    return false;
}

static bool
plan_block(struct plan *plan, struct plan_structure *s)
{
    return ((plan_header(plan, s) && !(s->slots.evidence && s->header))
            || plan_refuse(plan, s, "where the block that is freed begins is "
                                    "not understood"));
}

/* What a hook keeps is in the heap. */
static bool
plan_heap(struct plan *plan, const struct plan_structure *s)
{
    return (json_object_array_length(json_list(s->json, "allocators"))
            || plan_refuse(plan, s, "is kept by a hook, but is not in the "
                                    "heap"));
}

static bool
plan_placement(struct plan *plan, struct plan_structure *s)
{
    const struct plan_list *l = &g_array_index(s->lists, struct plan_list, 0);
    bool ok = true;

    if (!s->lists->len || l->n_buckets == 1) {
        return true;
    }
    GPtrArray *names = evidence_placement(plan->evidence, l->first);
    for (guint i = 0; ok && i < names->len; i++) {
        struct plan_place p;

        if (!strcmp(names->pdata[i], l->first)
            || !g_strcmp0(names->pdata[i], s->slots.evidence)) {
            continue;
        }
        if (!plan_place(plan, names->pdata[i], &p)
            || json_true(plan_variable_json(plan, p.symbol), "updateable")) {
            ok = plan_refuse(plan, s, "where an entry is kept depends on "
                                      "variables that change");
        } else if (!g_ptr_array_find(s->placement, p.symbol, NULL)) {
            g_ptr_array_add(s->placement, (gpointer) p.symbol);
        }
    }
    g_ptr_array_unref(names);
    return ok;
}

/* Calls for each integer member: offset and size. */
static void
plan_bucket(struct plan *plan, struct plan_structure *s)
{
    struct json_object *members = json_list(plan_json_type(plan, s->type_json),
                                            "members");
    size_t n = json_object_array_length(members);

    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        uint32_t offset = json_number(m, "bit_offset") / 8;

        if (evidence_has(plan->evidence, "bucket %s %u %s", s->tag, offset,
                         plan_first_container(s))) {
            s->bucket_offset = offset;
            s->bucket_size = json_number(plan_json_type(
                plan, json_number(m, "type")), "size");
        }
    }
}

/* Keys. */

/* The struct that has a member of the key, and where it is in the node, or in
 * what the key is in. */
struct key_owner {
    int type;
    const char *tag;
    uint64_t base;
};

static const char *
tag_of(const struct plan *plan, int type)
{
    const char *name = json_text(plan_json_type(plan, type), "name");

    return strchr(name, ' ') ? strchr(name, ' ') + 1 : name;
}

/* Finds the innermost struct with a name on a path. */
static void
find_owner(const struct plan *plan, int type, const char *path,
           struct key_owner *owner)
{
    *owner = (struct key_owner) { type, tag_of(plan, type), 0 };
    for (const char *dot = strchr(path, '.'); dot;
         dot = strchr(dot + 1, '.')) {
        char *part = g_strndup(path, dot - path);
        uint64_t base;
        int inner = plan_member(plan, type, part, &base);

        if (inner >= 0 && *tag_of(plan, inner)) {
            *owner = (struct key_owner) { inner, tag_of(plan, inner), base };
        }
        g_free(part);
    }
}

/* Sets the place of a key's member. */
static bool
place_key(const struct plan *plan, const struct plan_structure *s,
          struct json_object *json, struct st_key *key,
          struct key_owner *owner)
{
    const char *path = json_text(json, "path");
    char **halves = g_strsplit(path, "->", 2);
    uint64_t offset;
    int type = s->type_json;
    int member = plan_member(plan, type, halves[0], &offset);

    key->via = ST_NONE;
    if (halves[1] && member >= 0) {
        key->via = offset;
        type = json_number(plan_json_type(plan, member), "target");
        member = plan_member(plan, type, halves[1], &offset);
    }
    if (member >= 0) {
        find_owner(plan, type, halves[halves[1] != NULL], owner);
        key->offset = offset;
        key->size = json_number(plan_json_type(plan, member), "size");
    }
    g_strfreev(halves);
    return member >= 0;
}

/* The byte order of a member of the key: evidence_host_order(). */
static int
key_order(const struct plan *plan, const struct st_key *key,
          const struct key_owner *owner)
{
    return evidence_host_order(plan->evidence, owner->tag,
                               key->offset - owner->base);
}

/* Whether a member is computed from an address, not one. */
static bool
is_hash(const struct plan *plan, const struct plan_structure *s,
        struct json_object *json)
{
    struct st_key key;
    struct key_owner owner;

    return (place_key(plan, s, json, &key, &owner) && key.size <= 8
            && key_order(plan, &key, &owner) < 0);
}

static bool
is_address(struct json_object *json)
{
    const char *field = json_text(json, "field");

    return (g_str_has_prefix(field, "ip_src")
            || g_str_has_prefix(field, "ip_dst"));
}

/* What tells IPv4 from IPv6, beside an address. */
static uint32_t
find_version(const struct plan *plan, const struct key_owner *owner,
             uint32_t *size)
{
    struct json_object *members = json_list(plan_json_type(plan, owner->type),
                                            "members");
    size_t n = json_object_array_length(members);

    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        struct json_object *t = plan_json_type(plan, json_number(m, "type"));
        const char *name = json_text(m, "name");

        if (t && !strcmp(json_text(t, "kind"), "int")
            && (strstr(name, "ver") || strstr(name, "family")
                || g_str_has_suffix(name, "af"))
            && !json_true(m, "bit_field")) {
            *size = json_number(t, "size");
            return owner->base + json_number(m, "bit_offset") / 8;
        }
    }
    return ST_NONE;
}

static bool
plan_key(struct plan *plan, struct plan_structure *s, struct json_object *json,
         int *n_addresses, int *n_ports)
{
    const char *field = json_text(json, "field");
    struct st_key key = { .version = ST_NONE };
    struct key_owner owner;

    if (!place_key(plan, s, json, &key, &owner)) {
        return plan_refuse(plan, s, "a member of its key is not found");
    }
    if (is_address(json)) {
        key.part = (*n_addresses)++ ? ST_ADDRESS_B : ST_ADDRESS_A;
        if (key.size == 16) {
            key.version = find_version(plan, &owner, &key.version_size);
        } else if (key.size != 4) {
            return plan_refuse(plan, s, "an address has neither 4 nor 16 "
                                        "bytes");
        }
        key.host_order = key.size == 4 && key_order(plan, &key, &owner) == 1;
    } else if (g_str_has_prefix(field, "port_")) {
        int order = key_order(plan, &key, &owner);

        if (order < 0 || (key.size != 2 && key.size != 4)) {
            return plan_refuse(plan, s, "the byte order of a port is not "
                                        "known");
        }
        key.part = (*n_ports)++ ? ST_PORT_B : ST_PORT_A;
        key.host_order = order;
        if (key.via == ST_NONE && key.part == ST_PORT_A) {
            GPtrArray *with = evidence_after(
                plan->evidence, "compared %s %u", owner.tag,
                (unsigned int) (key.offset - owner.base));

            s->both_ways = with->len > 1;
            g_ptr_array_unref(with);
        }
    } else if (!strcmp(field, "ip_proto")) {
        key.part = ST_PROTO;
    } else {
        plan_say(plan, "note: %s: %s is not part of a flow space", s->name,
                 field);
        return true;
    }
    g_array_append_val(s->keys, key);
    return true;
}

/* Says what was found in place of a key, if anything was. */
static void
say_keys(struct plan *plan, const struct plan_structure *s)
{
    struct json_object *keys = json_list(s->json, "keys");
    size_t n = json_object_array_length(keys);
    GString *found = g_string_new(NULL);

    for (size_t i = 0; i < n; i++) {
        struct json_object *key = json_object_array_get_idx(keys, i);

        g_string_append_printf(found, "%s%s is %s", i ? ", " : "",
                               json_text(key, "path"),
                               json_text(key, "field"));
    }
    if (n) {
        plan_say(plan, "  found: %s; MBOX_STATE_KEY in mbox-cc(1) can say "
                 "others", found->str);
    }
    g_string_free(found, TRUE);
}

static bool
plan_keys(struct plan *plan, struct plan_structure *s)
{
    struct json_object *keys = json_list(s->json, "keys");
    size_t n = json_object_array_length(keys);
    int n_addresses = 0, n_ports = 0;
    unsigned int wanted = s->per_flow ? 2 : 1, found = 0;

    for (size_t i = 0; i < n; i++) {
        found += is_address(json_object_array_get_idx(keys, i));
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *key = json_object_array_get_idx(keys, i);

        if (found > wanted && is_address(key) && is_hash(plan, s, key)) {
            found--;
            continue;
        }
        if (!plan_key(plan, s, key, &n_addresses, &n_ports)) {
            return false;
        }
    }
    if (s->per_flow ? n_addresses != 2 || n_ports != 2
                    : n_addresses != 1 || n_ports != 0) {
        plan_refuse(plan, s, s->per_flow
                    ? "its key is not two addresses and two ports"
                    : "its key is not one address");
        say_keys(plan, s);
        return false;
    }
    return true;
}

/* Whether only the thread that reads packets uses the nodes. */
static bool
plan_alone(struct plan *plan, struct plan_structure *s)
{
    const char *thread = evidence_thread(plan->evidence, s->tag);

    if (thread) {
        plan_say(plan, "not moved: %s: a thread of the program's own uses it, "
                 "too: %s()", s->name, thread);
    }
    return !thread;
}

static struct plan_structure *
structure_new(const struct plan *plan, struct json_object *json)
{
    struct plan_structure *s = g_new0(struct plan_structure, 1);
    const char *name = json_text(json, "name");

    s->json = json;
    s->name = name;
    s->tag = g_strdup(strchr(name, ' ') ? strchr(name, ' ') + 1 : name);
    s->type_json = plan_canonical(plan, json_number(json, "type"));
    s->per_flow = !strcmp(json_text(json, "class"), "per-flow");
    s->lists = g_array_new(FALSE, FALSE, sizeof(struct plan_list));
    s->trees = g_array_new(FALSE, FALSE, sizeof(struct plan_tree));
    s->keys = g_array_new(FALSE, FALSE, sizeof(struct st_key));
    s->references = g_array_new(FALSE, FALSE, sizeof(struct plan_reference));
    s->counts = g_array_new(FALSE, FALSE, sizeof(struct plan_count));
    s->bucket_offset = s->count_offset = ST_NONE;
    s->placement = g_ptr_array_new();
    return s;
}

static void
structure_free(struct plan_structure *s)
{
    g_free(s->tag);
    g_array_free(s->lists, TRUE);
    g_array_free(s->trees, TRUE);
    g_array_free(s->keys, TRUE);
    g_array_free(s->references, TRUE);
    g_array_free(s->counts, TRUE);
    g_ptr_array_unref(s->placement);
    g_free(s);
}

/* Keeps what the report says of a structure since 'before' as the reason why
 * it is refused, and frees it. */
static void
set_aside(struct plan *plan, struct plan_structure *s, gsize before)
{
    struct plan_refused r = {
        s->name, s->type_json, g_strdup(plan->report->str + before),
    };

    g_string_truncate(plan->report, before);
    g_array_append_val(plan->refused, r);
    structure_free(s);
}

static void
plan_class(struct plan *plan, const char *wanted)
{
    size_t n = json_object_array_length(plan->json_structures);

    for (size_t i = 0; i < n; i++) {
        struct json_object *json
            = json_object_array_get_idx(plan->json_structures, i);

        if (json_number(json, "type") < 0
            || strcmp(json_text(json, "class"), wanted)) {
            continue;
        }
        struct plan_structure *s = structure_new(plan, json);
        struct plan_hook_setting *hook = plan_hook_of(plan, s->type_json,
                                                      NULL);
        gsize before = plan->report->len;
        if (plan_movable(plan, s) && plan_keys(plan, s)
            && (!plan_is_open(plan, s->type_json)
                || plan_refuse(plan, s, "it ends with an array of no length"))
            && (hook ? plan_heap(plan, s)
                : plan_alone(plan, s) && plan_containers(plan, s)
                  && plan_slots(plan, s) && plan_block(plan, s)
                  && plan_placement(plan, s))) {
            if (hook) {
                s->container = hook->symbol;
                hook->used = true;
            } else {
                plan_bucket(plan, s);
            }
            g_ptr_array_add(plan->structures, s);
        } else {
            set_aside(plan, s, before);
        }
    }
}

/* Whatever else leads to an entry, other entries that do not move among them,
 * would be left behind. */
static void
refuse_strays(struct plan *plan)
{
    for (guint i = 0; i < plan->structures->len;) {
        struct plan_structure *s = plan->structures->pdata[i];
        const char *stray = plan_stray(plan, s);

        if (stray) {
            gsize before = plan->report->len;

            plan_say(plan, "not moved: %s: %s may lead to entries, and is no "
                     "container that is understood", s->name, stray);
            g_ptr_array_remove_index(plan->structures, i);
            set_aside(plan, s, before);
            i = 0;
        } else {
            i++;
        }
    }
}

/* What is refused by itself may move with the nodes that own it. */
static void
report_refused(struct plan *plan)
{
    bool *moved_types = plan_moved_types(plan);

    for (guint i = 0; i < plan->refused->len; i++) {
        const struct plan_refused *r
            = &g_array_index(plan->refused, struct plan_refused, i);
        bool moved = false;

        for (guint j = 0; j < plan->plan_types->len; j++) {
            const struct plan_type *t = plan->plan_types->pdata[j];

            moved |= moved_types[j] && t->json == r->type_json;
        }
        if (moved) {
            plan_say(plan, "moved with what owns it: %s", r->name);
        } else {
            g_string_append(plan->report, r->why);
        }
    }
    g_free(moved_types);
}

/* References among nodes. */

static void
plan_reference(struct plan *plan, struct plan_structure *s,
               const struct plan_pointer *p)
{
    struct plan_structure *to = plan->structures->pdata[p->structure];
    struct json_object *members = json_list(plan_json_type(plan,
                                                           to->type_json),
                                            "members");
    size_t n = json_object_array_length(members);

    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        uint32_t offset = json_number(m, "bit_offset") / 8;
        struct plan_reference r = {
            p->offset, p->structure, offset,
            json_number(plan_json_type(plan, json_number(m, "type")), "size"),
        };

        if (evidence_has(plan->evidence, "add %s %u %s %u", s->tag, r.pointer,
                         to->tag, offset)
            && evidence_has(plan->evidence, "sub %s %u %s %u", s->tag,
                            r.pointer, to->tag, offset)) {
            g_array_append_val(s->references, r);
            to->count_offset = r.offset;
            to->count_size = r.size;
            return;
        }
    }
    plan_say(plan, "note: %s.%s: references are not counted: %s is not "
             "deleted with its flows", s->name, p->name, to->name);
}

static void
plan_references(struct plan *plan)
{
    for (guint i = 0; i < plan->structures->len; i++) {
        struct plan_structure *s = plan->structures->pdata[i];
        const struct plan_type *t = plan->plan_types->pdata[s->type];

        for (guint j = 0; j < t->pointers->len; j++) {
            const struct plan_pointer *p
                = &g_array_index(t->pointers, struct plan_pointer, j);

            if (p->target == ST_TO_NODE) {
                plan_reference(plan, s, p);
            }
        }
    }
}

static bool
is_in_slots(const struct plan *plan, uint32_t structure)
{
    const struct plan_structure *s = plan->structures->pdata[structure];

    return s->slots.evidence != NULL;
}

/* Nodes may refer to nodes of structures before theirs only, so that no chain
 * of references has a cycle, and only in the heap, where they stay; what does
 * not, cannot be moved. */
static void
break_cycles(struct plan *plan)
{
    for (guint i = 0; i < plan->plan_types->len; i++) {
        struct plan_type *t = plan->plan_types->pdata[i];
        uint32_t own = plan_structure_of(plan, t->json);

        for (guint j = 0; j < t->pointers->len; j++) {
            struct plan_pointer *p = &g_array_index(t->pointers,
                                                    struct plan_pointer, j);

            if (p->target == ST_TO_NODE
                && (p->structure >= own || is_in_slots(plan, p->structure))) {
                plan_say(plan, "note: %s.%s: refers to an entry of %s: only "
                         "NULL can be moved", t->name, p->name,
                         ((struct plan_structure *)
                          plan->structures->pdata[p->structure])->name);
                p->target = ST_TO_OPAQUE;
            }
        }
    }
}

/* Variables. */

static void
plan_static(struct plan *plan, struct json_object *json)
{
    const char *storage = json_text(json, "storage");
    int type = json_number(json, "type");
    struct json_object *t = plan_json_type(plan, type);
    struct plan_variable v = {
        .symbol = json_text(json, "symbol"), .role = ST_STATIC,
        .size = json_number(json, "size") * json_number(json, "elements"),
    };

    if (!*v.symbol || !strcmp(storage, "heap") || !t
        || json_true(json, "updateable") || json_text(json, "unmovable")) {
        return;
    }
    const char *kind = json_text(t, "kind");
    if (!strcmp(kind, "struct")) {
        v.is_object = true;
        v.type = plan_type_get(plan, type);
    } else if (!strcmp(kind, "pointer")) {
        int target = json_number(t, "target");
        struct json_object *tt = plan_json_type(plan, target);
        const char *target_kind = tt ? json_text(tt, "kind") : "void";

        if (plan_structure_of(plan, target) != ST_NONE) {
            return;
        } else if (!strcmp(target_kind, "int")) {
            v.target = ST_TO_BYTES;
        } else if ((!strcmp(target_kind, "struct")
                    || !strcmp(target_kind, "pointer"))
                   && json_number(tt, "size") > 0) {
            v.target = ST_TO_TYPE;
            v.type = plan_type_get(plan, target);
        } else {
            return;
        }
    } else {
        return;
    }
    g_array_append_val(plan->plan_variables, v);
}

static void
plan_variables(struct plan *plan)
{
    size_t n = json_object_array_length(plan->variables);

    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];

        for (guint j = 0; j < s->placement->len; j++) {
            struct json_object *json
                = plan_variable_json(plan, s->placement->pdata[j]);
            struct plan_variable v = {
                .symbol = s->placement->pdata[j], .role = ST_PLACEMENT,
                .size = (json_number(json, "size")
                         * json_number(json, "elements")),
            };
            bool known = false;

            for (guint k = 0; k < plan->plan_variables->len; k++) {
                known |= g_array_index(plan->plan_variables,
                                       struct plan_variable, k).symbol
                         == v.symbol;
            }
            if (!known) {
                g_array_append_val(plan->plan_variables, v);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        plan_static(plan, json_object_array_get_idx(plan->variables, i));
    }
}

struct plan *
plan_create(struct json_object *result, const struct evidence *evidence,
            char *const *leave_out)
{
    struct plan *plan = g_new0(struct plan, 1);

    plan->types = json_list(result, "types");
    plan->json_structures = json_list(result, "structures");
    plan->variables = json_list(result, "variables");
    plan->evidence = evidence;
    plan->leave_out = leave_out;
    plan->plan_types = g_ptr_array_new();
    plan->structures = g_ptr_array_new();
    plan->bits = g_ptr_array_new_with_free_func(g_free);
    plan->plan_variables = g_array_new(FALSE, FALSE,
                                       sizeof(struct plan_variable));
    plan->refused = g_array_new(FALSE, FALSE, sizeof(struct plan_refused));
    plan->outputs = g_ptr_array_new();
    plan->report = g_string_new(NULL);
    plan->shared_names = g_hash_table_new_full(g_str_hash, g_str_equal,
                                               g_free, NULL);
    plan->hook_settings = g_array_new(FALSE, FALSE,
                                      sizeof(struct plan_hook_setting));
    return plan;
}

void
plan_make(struct plan *plan)
{
    /* Flows refer to hosts, not the other way around. */
    plan_class(plan, "multi-flow");
    plan_class(plan, "per-flow");
    refuse_strays(plan);
    for (guint i = 0; i < plan->structures->len; i++) {
        struct plan_structure *s = plan->structures->pdata[i];

        s->type = plan_type_get(plan, s->type_json);
    }
    plan_counts(plan);
    plan_variables(plan);
    plan_types_complete(plan);
    break_cycles(plan);
    plan_references(plan);
    report_refused(plan);
}

void
plan_destroy(struct plan *plan)
{
    for (guint i = 0; i < plan->plan_types->len; i++) {
        struct plan_type *t = plan->plan_types->pdata[i];

        for (guint j = 0; j < t->pointers->len; j++) {
            struct plan_pointer *p = &g_array_index(t->pointers,
                                                    struct plan_pointer, j);

            g_free(p->name);
            g_array_free(p->extents, TRUE);
        }
        g_array_free(t->pointers, TRUE);
        for (guint j = 0; j < t->members->len; j++) {
            g_free((char *) g_array_index(t->members, struct st_member,
                                          j).name);
        }
        g_array_free(t->members, TRUE);
        g_array_free(t->left_out, TRUE);
        for (guint j = 0; j < t->hooks->len; j++) {
            g_free(g_array_index(t->hooks, struct plan_hook, j).name);
        }
        g_array_free(t->hooks, TRUE);
        g_free(t->name);
        g_free(t);
    }
    for (guint i = 0; i < plan->structures->len; i++) {
        structure_free(plan->structures->pdata[i]);
    }
    for (guint i = 0; i < plan->refused->len; i++) {
        g_free(g_array_index(plan->refused, struct plan_refused, i).why);
    }
    g_array_free(plan->refused, TRUE);
    g_array_free(plan->hook_settings, TRUE);
    g_hash_table_destroy(plan->shared_names);
    g_ptr_array_unref(plan->plan_types);
    g_ptr_array_unref(plan->structures);
    g_array_free(plan->plan_variables, TRUE);
    g_ptr_array_free(plan->bits, TRUE);
    g_ptr_array_free(plan->outputs, TRUE);
    g_string_free(plan->report, TRUE);
    g_free(plan);
}
