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

/* Members that hooks move, and structures that they keep, which the user
 * names: "struct flow.regex=HOOK", "struct flow=HOOK". */

#include <string.h>
#include "plan.h"

/* Whether the program has a constant of the name, of a struct with members of
 * these kinds: 'p' for a pointer, 'i' for an integer.  The struct's name in
 * the bitcode may be that of another one with the same members, since
 * llvm-link makes these one. */
static bool
is_hook(LLVMModuleRef module, const char *symbol, const char *members)
{
    LLVMValueRef v = LLVMGetNamedGlobal(module, symbol);
    LLVMTypeRef type = v && !LLVMIsDeclaration(v) ? LLVMGlobalGetValueType(v)
                       : NULL;

    if (!type || LLVMGetTypeKind(type) != LLVMStructTypeKind
        || LLVMCountStructElementTypes(type) != strlen(members)) {
        return false;
    }
    for (unsigned int i = 0; members[i]; i++) {
        if (LLVMGetTypeKind(LLVMStructGetTypeAtIndex(type, i))
            != (members[i] == 'p' ? LLVMPointerTypeKind
                : LLVMIntegerTypeKind)) {
            return false;
        }
    }
    return true;
}

/* The struct of a name ("struct flow"), -1 if there is none. */
static int
find_struct(const struct plan *plan, const char *name)
{
    size_t n = json_object_array_length(plan->types);

    for (size_t i = 0; i < n; i++) {
        struct json_object *t = json_object_array_get_idx(plan->types, i);

        if (!strcmp(json_text(t, "kind"), "struct")
            && !strcmp(json_text(t, "name"), name)) {
            return i;
        }
    }
    return -1;
}

/* Goes from a struct to what is at the first name of a path ("spools[].fd")
 * and sets '*member' to that name; free it.  Returns the type of that, or of
 * its elements; -1 if there is no such member. */
static int
enter(const struct plan *plan, int type, const char **path, char **member)
{
    size_t n = strcspn(*path, ".[");
    uint64_t offset;

    *member = g_strndup(*path, n);
    *path += n + strspn(*path + n, "[]");
    *path += **path == '.';
    type = plan_member(plan, type, *member, &offset);

    struct json_object *t = plan_json_type(plan, type);
    while (t && !strcmp(json_text(t, "kind"), "array")) {
        type = json_number(t, "target");
        t = plan_json_type(plan, type);
    }
    return type;
}

/* Sets what a setting is of: the struct, or the innermost one on the path to a
 * member.  Returns false if there is none. */
static bool
set_member(const struct plan *plan, const char *name,
           struct plan_hook_setting *h)
{
    size_t n = strcspn(name, ".");
    const char *path = name + n + (name[n] == '.');
    char *type = g_strndup(name, n), *member;
    int at = find_struct(plan, type);

    g_free(type);
    h->type = plan_canonical(plan, at);
    while (at >= 0 && *path) {
        h->type = plan_canonical(plan, at);
        at = enter(plan, at, &path, &member);
        h->member = g_intern_string(member);
        g_free(member);
    }
    return at >= 0;
}

/* Reads one.  Returns what is wrong, or NULL. */
static const char *
parse(struct plan *plan, LLVMModuleRef module, const char *name,
      const char *symbol)
{
    struct plan_hook_setting h = {
        .name = g_intern_string(name), .symbol = g_intern_string(symbol),
    };

    if (!set_member(plan, name, &h)) {
        return "there is no such struct or member";
    }
    if (h.member && !is_hook(module, symbol, "ppppp")) {
        return "what mbox-cc compiled has no struct mbox_state_hook of that "
               "name";
    }
    if (!h.member && !is_hook(module, symbol, "pppppip")) {
        return "what mbox-cc compiled has no struct mbox_state_container of "
               "that name";
    }
    if (plan_hook_of(plan, h.type, h.member)) {
        return "there is a hook already";
    }
    g_array_append_val(plan->hook_settings, h);
    return NULL;
}

bool
plan_hooks_parse(struct plan *plan, LLVMModuleRef module,
                 char *const *settings)
{
    bool ok = true;

    for (; *settings; settings++) {
        char **halves = g_strsplit(g_strstrip(*settings), "=", 2);
        const char *wrong = (halves[0] && halves[1]
                             ? parse(plan, module, g_strstrip(halves[0]),
                                     g_strstrip(halves[1]))
                             : "is not MEMBER=HOOK or STRUCT=HOOK");

        if (wrong) {
            plan_say(plan, "not supported: the hook %s: %s", *settings, wrong);
            ok = false;
        }
        g_strfreev(halves);
    }
    return ok;
}

struct plan_hook_setting *
plan_hook_of(const struct plan *plan, int type, const char *member)
{
    type = plan_canonical(plan, type);
    for (guint i = 0; i < plan->hook_settings->len; i++) {
        struct plan_hook_setting *h
            = &g_array_index(plan->hook_settings, struct plan_hook_setting, i);

        if (h->type == type && !g_strcmp0(h->member, member)) {
            return h;
        }
    }
    return NULL;
}

bool
plan_path_is_hooked(const struct plan *plan, int type, const char *path)
{
    bool hooked = false;

    while (type >= 0 && *path && !hooked) {
        int from = type;
        char *member;

        type = enter(plan, type, &path, &member);
        hooked = plan_hook_of(plan, from, member);
        g_free(member);
    }
    return hooked;
}

bool
plan_hooks_used(struct plan *plan)
{
    bool ok = true;

    for (guint i = 0; i < plan->hook_settings->len; i++) {
        const struct plan_hook_setting *h
            = &g_array_index(plan->hook_settings, struct plan_hook_setting, i);

        if (h->used) {
            plan_say(plan, "moved by a hook: %s: %s", h->name, h->symbol);
            continue;
        }
        plan_say(plan, h->member
                 ? "not supported: the hook %s=%s: is of no member of what is "
                   "moved, or of one in a union or in an array of arrays"
                 : "not supported: the hook %s=%s: is of no structure that is "
                   "moved", h->name, h->symbol);
        ok = false;
    }
    return ok;
}
