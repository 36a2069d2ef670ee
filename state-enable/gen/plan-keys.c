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


/* What the user says of keys, for structures of which the analyser does not
 * find them: in place of what it found. */

#include <string.h>
#include "plan.h"

static const char *const fields[] = {
    "ip_src", "ip_dst", "port_src", "port_dst", "ip_proto",
};

static bool
is_field(const char *text)
{
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!strcmp(text, fields[i])) {
            return true;
        }
    }
    return false;
}

/* The only structure of a name ("struct host"), or NULL. */
static struct json_object *
find_structure(struct json_object *structures, const char *name)
{
    struct json_object *found = NULL;

    for (size_t i = 0; i < json_object_array_length(structures); i++) {
        struct json_object *s = json_object_array_get_idx(structures, i);

        if (!strcmp(json_text(s, "name"), name)) {
            if (found) {
                return NULL;
            }
            found = s;
        }
    }
    return found;
}

/* Adds one key.  Returns what is wrong, or NULL.  'done' has the structures
 * whose keys are the user's. */
static const char *
add_key(struct plan *plan, const char *name, const char *field,
        GPtrArray *done)
{
    const char *dot = strchr(name, '.');
    uint64_t offset;

    if (!is_field(field)) {
        return "parts are ip_src, ip_dst, port_src, port_dst and ip_proto";
    }
    if (!dot) {
        return "is not MEMBER=PART";
    }
    char *tag = g_strndup(name, dot - name);
    struct json_object *s = find_structure(plan->json_structures, tag);

    g_free(tag);
    if (!s) {
        return "is of no structure that is state, or of several";
    }
    if (plan_member(plan, plan_canonical(plan, json_number(s, "type")),
                    dot + 1, &offset) < 0) {
        return "there is no such member";
    }
    if (!g_ptr_array_find(done, s, NULL)) {
        json_object_object_add(s, "keys", json_object_new_array());
        g_ptr_array_add(done, s);
    }
    struct json_object *key = json_object_new_object();
    json_object_object_add(key, "path", json_object_new_string(dot + 1));
    json_object_object_add(key, "field", json_object_new_string(field));
    json_object_array_add(json_list(s, "keys"), key);
    plan_say(plan, "key by the user: %s: %s", name, field);
    return NULL;
}

bool
plan_keys_parse(struct plan *plan, char *const *settings)
{
    GPtrArray *done = g_ptr_array_new();
    bool ok = true;

    for (; *settings; settings++) {
        char **halves = g_strsplit(g_strstrip(*settings), "=", 2);
        const char *wrong = (halves[0] && halves[1]
                             ? add_key(plan, g_strstrip(halves[0]),
                                       g_strstrip(halves[1]), done)
                             : "is not MEMBER=PART");

        if (wrong) {
            plan_say(plan, "not supported: the key %s: %s", *settings, wrong);
            ok = false;
        }
        g_strfreev(halves);
    }
    g_ptr_array_unref(done);
    return ok;
}
