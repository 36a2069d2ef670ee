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

/* The analyser's result. */

#include <string.h>
#include "plan.h"

struct json_object *
json_list(struct json_object *o, const char *member)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(o, member, &value);
    return value;
}

const char *
json_text(struct json_object *o, const char *member)
{
    struct json_object *value = json_list(o, member);

    return value ? json_object_get_string(value) : NULL;
}

int64_t
json_number(struct json_object *o, const char *member)
{
    struct json_object *value = json_list(o, member);

    return value ? json_object_get_int64(value) : -1;
}

bool
json_true(struct json_object *o, const char *member)
{
    struct json_object *value = json_list(o, member);

    return value && json_object_get_boolean(value);
}

int
plan_canonical(const struct plan *plan, int type)
{
    while (type >= 0) {
        int64_t of = json_number(json_object_array_get_idx(plan->types, type),
                                 "typedef_of");
        if (of < 0) {
            break;
        }
        type = of;
    }
    return type;
}

struct json_object *
plan_json_type(const struct plan *plan, int type)
{
    type = plan_canonical(plan, type);
    return type < 0 ? NULL : json_object_array_get_idx(plan->types, type);
}

int
plan_member(const struct plan *plan, int type, const char *path,
            uint64_t *offset)
{
    char **names = g_strsplit(path, ".", 0);

    *offset = 0;
    for (char **name = names; *name && type >= 0; name++) {
        struct json_object *t = plan_json_type(plan, type);
        struct json_object *members = t ? json_list(t, "members") : NULL;
        size_t n = members ? json_object_array_length(members) : 0;

        type = -1;
        for (size_t i = 0; i < n; i++) {
            struct json_object *m = json_object_array_get_idx(members, i);

            if (!strcmp(json_text(m, "name"), *name)) {
                *offset += json_number(m, "bit_offset") / 8;
                type = json_number(m, "type");
                break;
            }
        }
    }
    g_strfreev(names);
    return type;
}

struct json_object *
plan_variable_json(const struct plan *plan, const char *symbol)
{
    size_t n = json_object_array_length(plan->variables);

    for (size_t i = 0; i < n; i++) {
        struct json_object *v = json_object_array_get_idx(plan->variables, i);

        if (!strcmp(json_text(v, "symbol"), symbol)) {
            return v;
        }
    }
    return NULL;
}

void
plan_say(struct plan *plan, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(plan->report, format, args);
    va_end(args);
    g_string_append_c(plan->report, '\n');
}
