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

/* What the reports have in common: words, counts. */

#include "report.h"

#include <glib.h>

const char *
sa_class_name(enum sa_class class)
{
    switch (class) {
    case SA_CLASS_PER_FLOW: return "per-flow";
    case SA_CLASS_MULTI_FLOW: return "multi-flow";
    case SA_CLASS_ALL_FLOWS: return "all-flows";
    case SA_CLASS_NONE: break;
    }
    return "none";
}

const char *
sa_storage_name(enum sa_storage storage)
{
    switch (storage) {
    case SA_STORAGE_GLOBAL: return "global";
    case SA_STORAGE_FILE_STATIC: return "file-static";
    case SA_STORAGE_FUNCTION_STATIC: return "function-static";
    case SA_STORAGE_LOOP_LOCAL: return "loop-local";
    case SA_STORAGE_HEAP: return "heap";
    }
    return "unknown";
}

const char *
sa_container_name(enum sa_container_kind kind)
{
    switch (kind) {
    case SA_CONTAINER_NONE: return "none";
    case SA_CONTAINER_ARRAY: return "array";
    case SA_CONTAINER_HASH_CHAINED: return "hash-chained";
    case SA_CONTAINER_HASH_OPEN: return "hash-open";
    case SA_CONTAINER_LIST_SINGLE: return "list-single";
    case SA_CONTAINER_LIST_DOUBLE: return "list-double";
    case SA_CONTAINER_TREE: return "tree";
    case SA_CONTAINER_OTHER: break;
    }
    return "other";
}

const char *
sa_link_name(enum sa_link_kind kind)
{
    switch (kind) {
    case SA_LINK_NEXT: return "next";
    case SA_LINK_PREV: return "prev";
    case SA_LINK_CHILD: return "child";
    case SA_LINK_PARENT: return "parent";
    case SA_LINK_OTHER: break;
    }
    return "other";
}

const char *
sa_type_kind_name(enum sa_type_kind kind)
{
    switch (kind) {
    case SA_TYPE_VOID: return "void";
    case SA_TYPE_INT: return "int";
    case SA_TYPE_FLOAT: return "float";
    case SA_TYPE_POINTER: return "pointer";
    case SA_TYPE_FUNCTION: return "function";
    case SA_TYPE_STRUCT: return "struct";
    case SA_TYPE_UNION: return "union";
    case SA_TYPE_ARRAY: return "array";
    case SA_TYPE_OPAQUE: break;
    }
    return "opaque";
}

const char *
sa_variable_role(const struct sa_result_variable *v)
{
    return (v->updateable ? "updateable" : v->top_level ? "read only"
            : "unused");
}

struct sa_counts
sa_result_count(const struct sa_result *r)
{
    struct sa_counts c = { .all = r->n_all_variables };
    for (size_t i = 0; i < r->n_variables; i++) {
        const struct sa_result_variable *v = &r->variables[i];
        c.persistent += v->persistent;
        c.top_level += v->top_level;
        c.updateable += v->updateable;
        if (v->updateable) {
            c.per_class[v->class]++;
            c.no_output += !v->n_outputs;
        }
    }
    return c;
}

char *
sa_fields_string(uint32_t fields)
{
    GString *s = g_string_new(NULL);
    for (int i = 0; i < SA_N_FIELDS; i++) {
        if (fields & 1u << i) {
            g_string_append_printf(s, "%s%s", s->len ? ", " : "",
                                   sa_field_name(i));
        }
    }
    return g_string_free(s, FALSE);
}

char *
sa_type_string(const struct sa_type *t)
{
    /* From the variable outwards; C's order of array and pointer does not
     * matter for reading. */
    GString *suffix = g_string_new(NULL);
    for (int depth = 0; t && depth < 16; depth++, t = t->target) {
        if (*t->name || (t->kind != SA_TYPE_POINTER
                         && t->kind != SA_TYPE_ARRAY)) {
            break;
        } else if (t->kind == SA_TYPE_POINTER) {
            g_string_prepend(suffix, "*");
        } else if (t->n_elements) {
            g_string_append_printf(suffix, "[%"PRIu64"]", t->n_elements);
        } else {
            g_string_append(suffix, "[]");
        }
    }
    const char *name = (!t ? "?" : *t->name ? t->name
                        : t->kind == SA_TYPE_FUNCTION ? "function"
                        : sa_type_kind_name(t->kind));
    char *s = g_strconcat(name, suffix->len ? " " : "", suffix->str, NULL);
    g_string_free(suffix, TRUE);
    return s;
}
