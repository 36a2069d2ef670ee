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

/* What a structure, or what its nodes own, has that means nothing in another
 * process: the analyser knows it by where it comes from and by its type, the
 * evidence by the calls that it is given to. */

#include <string.h>
#include "plan.h"

/* Of an array of descriptors, are looked at. */
#define ELEMENTS_MAX 256

struct walk {
    struct plan *plan;
    const struct plan_structure *s;
    GHashTable *types;          /* Of objects, seen. */
    GHashTable *said;           /* Names. */
    bool shared;                /* A name means several structs. */
};

/* A struct in an object, and the structs around it. */
struct level {
    const struct level *outer;
    const char *tag;            /* "flow" */
    uint64_t base;              /* In the object. */
};

static void look_at(struct walk *, int type, const char *name,
                    const struct level *);

static const char *
tag_of(struct json_object *type)
{
    const char *name = json_text(type, "name");
    const char *space = strchr(name, ' ');

    return space ? space + 1 : name;
}

static void
say(struct walk *w, const char *name, const char *what)
{
    if (g_hash_table_add(w->said, g_strdup(name))) {
        plan_say(w->plan, "not moved: %s: %s belongs to the process: %s",
                 w->s->name, name, what);
    }
}

/* Whether a hook moves a variable of the analyser's: "struct flow.re". */
static bool
is_hooked(const struct walk *w, int type, const char *name)
{
    const char *path = strchr(name, '.');

    return path && plan_path_is_hooked(w->plan, type, path + 1);
}

/* What the analyser says of members of a type. */
static void
ask_analyser(struct walk *w, int type)
{
    size_t n = json_object_array_length(w->plan->variables);

    for (size_t i = 0; i < n; i++) {
        struct json_object *v
            = json_object_array_get_idx(w->plan->variables, i);
        const char *what = json_text(v, "unmovable");
        int64_t id = json_number(v, "structure");

        if (what && id >= 0
            && plan_canonical(w->plan, json_number(json_object_array_get_idx(
                                   w->plan->json_structures, id), "type"))
               == plan_canonical(w->plan, type)
            && !is_hooked(w, type, json_text(v, "name"))) {
            say(w, json_text(v, "name"), what);
        }
    }
}

/* Whether evidence of a kind names the member. */
static bool
has(const struct walk *w, const struct level *level, const char *kind,
    uint64_t offset)
{
    for (; level; level = level->outer) {
        if (evidence_has(w->plan->evidence, "%s %s %"G_GUINT64_FORMAT, kind,
                         level->tag, offset - level->base)) {
            return true;
        }
    }
    return false;
}

/* 'n' integers. */
static bool
are_descriptors(const struct walk *w, const struct level *level,
                uint64_t offset, uint64_t n)
{
    for (uint64_t i = 0; i < n && i < ELEMENTS_MAX; i++) {
        if (has(w, level, "descriptor", offset + i * sizeof(int))) {
            return true;
        }
    }
    return false;
}

/* What a member leads to and owns. */
static void
look_behind(struct walk *w, int type)
{
    struct json_object *t = plan_json_type(w->plan, type);

    type = plan_canonical(w->plan, type);
    if (t && g_hash_table_add(w->types, GINT_TO_POINTER(type + 1))) {
        const struct level level = { NULL, tag_of(t), 0 };

        look_at(w, type, json_text(t, "name"), &level);
    }
}

static void
look_at_member(struct walk *w, struct json_object *member, const char *name,
               const struct level *level)
{
    struct plan *plan = w->plan;
    uint64_t offset = level->base + json_number(member, "bit_offset") / 8;
    int type = json_number(member, "type");
    struct json_object *t = plan_json_type(plan, type);
    char *full = g_strdup_printf("%s.%s", name, json_text(member, "name"));
    uint64_t n = 1;

    while (t && !strcmp(json_text(t, "kind"), "array")) {
        n *= json_number(t, "elements");
        type = json_number(t, "target");
        t = plan_json_type(plan, type);
    }
    const char *kind = t ? json_text(t, "kind") : "void";
    if (!strcmp(kind, "int")) {
        if (are_descriptors(w, level, offset, n)) {
            say(w, full, "file descriptor");
        }
    } else if (!strcmp(kind, "struct") || !strcmp(kind, "union")) {
        const struct level inner = { level, tag_of(t), offset };

        look_at(w, type, full, &inner);
    } else if (!strcmp(kind, "pointer")
               && has(w, level, "unseen", offset)) {
        say(w, full, "memory of the C library's (getline(), asprintf()...)");
    } else if (!strcmp(kind, "pointer") && has(w, level, "free", offset)) {
        look_behind(w, json_number(t, "target"));
    }
    g_free(full);
}

/* A struct; 'name' says where. */
static void
look_at(struct walk *w, int type, const char *name, const struct level *level)
{
    struct json_object *members = json_list(plan_json_type(w->plan, type),
                                            "members");
    size_t n = members ? json_object_array_length(members) : 0;

    if (plan_name_is_shared(w->plan, level->tag)) {
        w->shared = true;
        plan_say(w->plan, "not moved: %s: several structs of the program have "
                 "the name struct %s, and are not told apart", w->s->name,
                 level->tag);
        return;
    }
    ask_analyser(w, type);
    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);

        if (!plan_path_is_hooked(w->plan, type, json_text(m, "name"))) {
            look_at_member(w, m, name, level);
        }
    }
}

bool
plan_movable(struct plan *plan, const struct plan_structure *s)
{
    const struct level level = { NULL, s->tag, 0 };
    struct walk w = {
        .plan = plan, .s = s,
        .types = g_hash_table_new(NULL, NULL),
        .said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };

    look_at(&w, s->type_json, s->name, &level);
    bool movable = !g_hash_table_size(w.said);
    if (!movable) {
        plan_say(plan, "  keep it apart from %s, where it stays with the "
                 "instance, or move it by a hook: MBOX_STATE_HOOK in "
                 "mbox-cc(1)",
                 s->name);
    }
    g_hash_table_destroy(w.types);
    g_hash_table_destroy(w.said);
    return movable && !w.shared;
}
