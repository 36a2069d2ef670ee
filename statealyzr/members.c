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

#include "members.h"

#include <string.h>

#define MAX_DEPTH 32
#define MAX_LEAVES 8192

/* A struct whose members are yet to be listed. */
struct frame {
    const struct sa_type *type;
    char *prefix;
    uint32_t offset;
    uint64_t n_elements;
    size_t next;                /* Member. */
};

static void
clear_leaf(gpointer leaf_)
{
    struct sa_leaf *leaf = leaf_;
    g_free(leaf->path);
}

bool
sa_type_is_foreign(const struct sa_type *type)
{
    const char *file = type->canonical->loc.file;
    return file && g_str_has_prefix(file, "/usr/");
}

static bool
is_anonymous(const struct sa_member *m)
{
    return !*m->name;
}

/* Strips arrays from '*type', which gives the number of elements. */
static uint64_t
strip_arrays(const struct sa_type **type)
{
    uint64_t n = 1;
    const struct sa_type *t = (*type)->canonical;
    for (int i = 0; i < MAX_DEPTH && t->kind == SA_TYPE_ARRAY; i++) {
        if (__builtin_mul_overflow(n, t->n_elements, &n)) {
            n = 0;
        }
        *type = t->target;
        t = t->target->canonical;
    }
    return n;
}

const struct sa_type *
sa_element_struct(const struct sa_type *type)
{
    if (!type) {
        return NULL;
    }
    strip_arrays(&type);
    type = type->canonical;
    return (type->kind == SA_TYPE_STRUCT || type->kind == SA_TYPE_UNION
            ? type : NULL);
}

bool
sa_type_holds(const struct sa_type *whole, const struct sa_type *part)
{
    struct frame stack[MAX_DEPTH];
    size_t depth = 0;
    stack[depth++] = (struct frame) { .type = whole->canonical };
    while (depth) {
        struct frame *f = &stack[depth - 1];
        if (f->type == part->canonical) {
            return true;
        } else if (f->next >= f->type->n_members) {
            depth--;
            continue;
        }
        const struct sa_type *t = sa_element_struct(
            f->type->members[f->next++].type);
        if (t && depth < MAX_DEPTH) {
            stack[depth++] = (struct frame) { .type = t->canonical };
        }
    }
    return false;
}

bool
sa_type_leads_to(const struct sa_type *type, const struct sa_type *structure)
{
    bool pointer = false;
    for (int i = 0; type && i < MAX_DEPTH; i++) {
        type = type->canonical;
        if (type->kind == SA_TYPE_POINTER) {
            pointer = true;
        } else if (type->kind != SA_TYPE_ARRAY) {
            break;
        }
        type = type->target;
    }
    if (!type || !structure) {
        return true;
    } else if (!pointer) {
        return ((type->kind != SA_TYPE_INT && type->kind != SA_TYPE_FLOAT)
                || type->size >= sizeof(void *));
    }
    switch (type->kind) {
    case SA_TYPE_STRUCT:
        return (sa_type_holds(type, structure)
                || sa_type_holds(structure, type));
    case SA_TYPE_INT:
    case SA_TYPE_FLOAT:
        return false;
    default:
        return true;
    }
}

/* Whether the members of 't', the type of 'm', are listed one by one. */
static bool
is_flattened(const struct sa_member *m, const struct sa_type *t)
{
    t = t->canonical;
    if (!t->n_members || sa_type_is_foreign(t)) {
        return false;
    }
    return (t->kind == SA_TYPE_STRUCT
            || (t->kind == SA_TYPE_UNION && is_anonymous(m)));
}

static int
compare_leaves(gconstpointer a_, gconstpointer b_)
{
    const struct sa_leaf *a = a_, *b = b_;
    if (a->offset != b->offset) {
        return a->offset < b->offset ? -1 : 1;
    } else if (a->first_bit != b->first_bit) {
        return a->first_bit < b->first_bit ? -1 : 1;
    }
    return strcmp(a->path, b->path);
}

GArray *
sa_members_flatten(const struct sa_type *type)
{
    GArray *leaves = g_array_new(FALSE, TRUE, sizeof(struct sa_leaf));
    g_array_set_clear_func(leaves, clear_leaf);

    struct frame stack[MAX_DEPTH];
    size_t depth = 0;
    stack[depth++] = (struct frame) { type->canonical, g_strdup(""), 0, 1, 0 };
    while (depth) {
        struct frame *f = &stack[depth - 1];
        if (f->next >= f->type->n_members || leaves->len >= MAX_LEAVES) {
            g_free(f->prefix);
            depth--;
            continue;
        }

        const struct sa_member *m = &f->type->members[f->next++];
        const struct sa_type *t = m->type;
        uint64_t n = strip_arrays(&t);
        bool is_array = t != m->type;
        const char *dot = *f->prefix && !is_anonymous(m) ? "." : "";
        char *path = g_strdup_printf("%s%s%s", f->prefix, dot, m->name);
        uint32_t offset = f->offset + m->bit_offset / 8;
        if (is_flattened(m, t) && depth < MAX_DEPTH) {
            if (is_array) {
                char *brackets = g_strconcat(path, "[]", NULL);
                g_free(path);
                path = brackets;
            }
            stack[depth++] = (struct frame) {
                t->canonical, path, offset, f->n_elements * n, 0
            };
        } else if (is_anonymous(m)) {
            g_free(path);       /* An unnamed bit field: padding. */
        } else {
            struct sa_leaf leaf = {
                .path = path,
                .offset = offset,
                .size = m->is_bit_field ? (m->bit_size + 7) / 8
                                        : t->canonical->size,
                .n_elements = f->n_elements * n,
                .extent = m->is_bit_field
                          ? (m->bit_offset % 8 + m->bit_size + 7) / 8
                          : MAX(m->bit_size / 8, t->canonical->size),
                .is_bit_field = m->is_bit_field,
                .first_bit = m->is_bit_field ? m->bit_offset % 8 : 0,
                .n_bits = m->is_bit_field ? m->bit_size : 0,
                .type = t,
            };
            g_array_append_val(leaves, leaf);
        }
    }
    g_array_sort(leaves, compare_leaves);
    return leaves;
}

bool
sa_leaf_is_pointer(const struct sa_leaf *leaf)
{
    return leaf->type->canonical->kind == SA_TYPE_POINTER;
}
