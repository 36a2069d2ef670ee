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

#include "write-layout.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 200            /* Of a constant string. */
#define DEPTH_MAX 32            /* Of types in types. */

struct layout {
    const struct plan *plan;
    struct json_object *types;
    GHashTable *numbers;        /* Analyser's type -> index in 'types', plus
                                 * 1. */
};

static void
put(struct json_object *o, const char *name, struct json_object *value)
{
    json_object_object_add(o, name, value);
}

/* Names come from the program; people print them. */
static struct json_object *
new_name(const char *text)
{
    char *name = g_strcanon(g_strdup(text), "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "_.$:*[]()<> -", '?');
    struct json_object *o = json_object_new_string(name);

    g_free(name);
    return o;
}

static void
put_name(struct json_object *o, const char *member, const char *text)
{
    put(o, member, new_name(text));
}

static void
put_number(struct json_object *o, const char *name, int64_t n)
{
    put(o, name, json_object_new_int64(n));
}

static void
append_number(struct json_object *list, int64_t n)
{
    json_object_array_add(list, json_object_new_int64(n));
}

/* Where an integer is: [offset, size]. */
static void
put_place(struct json_object *o, const char *name, uint32_t offset,
          uint32_t size)
{
    if (offset != ST_NONE) {
        struct json_object *place = json_object_new_array();

        append_number(place, offset);
        append_number(place, size);
        put(o, name, place);
    }
}

/* Types. */

/* A type as C has it, nearly; to be freed. */
static char *
c_name(const struct plan *plan, int type, int depth)
{
    struct json_object *t
        = type < 0 ? NULL : json_object_array_get_idx(plan->types, type);

    if (!t || depth > DEPTH_MAX) {
        return g_strdup("void");
    }
    const char *kind = json_text(t, "kind");
    if (*json_text(t, "name")) {
        return g_strdup(json_text(t, "name"));
    } else if (!strcmp(kind, "pointer") || !strcmp(kind, "array")) {
        char *target = c_name(plan, json_number(t, "target"), depth + 1);
        char *name;

        if (*kind == 'p') {
            name = g_strconcat(target, g_str_has_suffix(target, "*")
                               ? "*" : " *", NULL);
        } else {
            name = g_strdup_printf("%s[%"G_GINT64_FORMAT"]", target,
                                   json_number(t, "elements"));
        }
        g_free(target);
        return name;
    }
    return g_strdup(kind);
}

static int64_t add_type(struct layout *, int type, int depth);

static struct json_object *
members_of(struct layout *l, struct json_object *t, int depth)
{
    struct json_object *members = json_list(t, "members");
    struct json_object *list = json_object_new_array();
    size_t n = members ? json_object_array_length(members) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);
        struct json_object *o = json_object_new_object();

        put_name(o, "name", json_text(m, "name"));
        put_number(o, "type", add_type(l, json_number(m, "type"), depth + 1));
        if (json_true(m, "bit_field")) {
            put_number(o, "bit_offset", json_number(m, "bit_offset"));
            put_number(o, "bits", json_number(m, "bit_size"));
        } else {
            put_number(o, "offset", json_number(m, "bit_offset") / 8);
        }
        json_object_array_add(list, o);
    }
    return list;
}

/* The index of a type in the layout, where it and what it consists of are
 * put, but not what it points to, unless that is a number. */
static int64_t
add_type(struct layout *l, int type, int depth)
{
    gpointer key = GINT_TO_POINTER(type);
    gpointer number = g_hash_table_lookup(l->numbers, key);

    if (number) {
        return GPOINTER_TO_INT(number) - 1;
    }
    struct json_object *o = json_object_new_object();
    struct json_object *t = plan_json_type(l->plan, type);
    const char *kind = t && depth < DEPTH_MAX ? json_text(t, "kind") : "void";
    char *name = c_name(l->plan, type, 0);
    size_t index = json_object_array_length(l->types);
    struct json_object *enumerators;

    json_object_array_add(l->types, o);
    g_hash_table_insert(l->numbers, key, GINT_TO_POINTER(index + 1));
    put_name(o, "name", name);
    put_name(o, "kind", kind);
    put_number(o, "size", t ? json_number(t, "size") : 0);
    g_free(name);
    if (!strcmp(kind, "int")) {
        put(o, "signed", json_object_new_boolean(json_true(t, "signed")));
        enumerators = json_list(t, "enumerators");
        if (enumerators) {
            put(o, "enumerators", json_object_get(enumerators));
        }
    } else if (!strcmp(kind, "array")) {
        put_number(o, "elements", json_number(t, "elements"));
        put_number(o, "target", add_type(l, json_number(t, "target"),
                                         depth + 1));
    } else if (!strcmp(kind, "struct") || !strcmp(kind, "union")) {
        put(o, "members", members_of(l, t, depth));
    } else if (!strcmp(kind, "pointer")) {
        int target = json_number(t, "target");
        struct json_object *to = plan_json_type(l->plan, target);

        if (to && (!strcmp(json_text(to, "kind"), "int")
                   || !strcmp(json_text(to, "kind"), "float"))) {
            put_number(o, "target", add_type(l, target, depth + 1));
        }
    }
    return index;
}

/* What the image has of a type. */

static struct json_object *
pointers_of(const struct plan_type *t)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < t->pointers->len; i++) {
        const struct plan_pointer *p
            = &g_array_index(t->pointers, struct plan_pointer, i);
        struct json_object *o = json_object_new_object();

        put_number(o, "offset", p->offset);
        put_number(o, "count", p->count);
        put_number(o, "stride", p->stride);
        put(o, "link", json_object_new_boolean(p->target == ST_LINK));
        put_place(o, "live", p->live, p->live_size);
        put_place(o, "length", p->length, p->length_size);
        json_object_array_add(list, o);
    }
    return list;
}

/* Members that hooks move: the image has their bytes. */
static struct json_object *
hooks_of(const struct plan_type *t)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < t->hooks->len; i++) {
        const struct plan_hook *h
            = &g_array_index(t->hooks, struct plan_hook, i);
        struct json_object *o = json_object_new_object();

        put_name(o, "name", h->symbol);
        put_number(o, "offset", h->object + h->offset);
        put_number(o, "size", h->size);
        put_number(o, "count", h->count);
        put_number(o, "stride", h->stride);
        put_place(o, "live", h->live, h->live_size);
        json_object_array_add(list, o);
    }
    return list;
}

/* Members that the image does not have. */
static struct json_object *
left_out_of(const struct plan_type *t, guint n_outputs)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < t->left_out->len; i++) {
        const struct plan_range *r
            = &g_array_index(t->left_out, struct plan_range, i);
        struct json_object *o = json_object_new_object();

        put_number(o, "offset", r->offset);
        put_number(o, "size", r->size);
        if (r->outputs != ST_LEFT_OUT_ALWAYS) {
            struct json_object *outputs = json_object_new_array();

            for (guint j = 0; j < n_outputs; j++) {
                if (r->outputs >> j & 1) {
                    append_number(outputs, j);
                }
            }
            put(o, "outputs", outputs);
        }
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *
image_types(struct layout *l)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < l->plan->plan_types->len; i++) {
        const struct plan_type *t = l->plan->plan_types->pdata[i];
        struct json_object *o = json_object_new_object();

        put_name(o, "name", t->name);
        put_number(o, "type", add_type(l, t->json, 0));
        put(o, "pointers", pointers_of(t));
        put(o, "hooks", hooks_of(t));
        put(o, "left_out", left_out_of(t, l->plan->outputs->len));
        put(o, "is_open", json_object_new_boolean(t->tail));
        json_object_array_add(list, o);
    }
    return list;
}

/* Structures. */

static struct json_object *
keys_of(const struct plan_structure *s)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < s->keys->len; i++) {
        const struct st_key *k = &g_array_index(s->keys, struct st_key, i);

        if (k->via != ST_NONE || k->part == ST_PROTO) {
            continue;           /* Of another structure; a number as any. */
        }
        struct json_object *o = json_object_new_object();
        bool address = k->part == ST_ADDRESS_A || k->part == ST_ADDRESS_B;

        put_name(o, "is", address ? "address" : "port");
        put_number(o, "offset", k->offset);
        put_number(o, "size", k->size);
        put(o, "host_order", json_object_new_boolean(k->host_order));
        put_place(o, "version", k->version, k->version_size);
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *
structures(const struct plan *plan)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];
        struct json_object *o = json_object_new_object();

        put_name(o, "name", s->name);
        put_number(o, "type", s->type);
        put_number(o, "lists", s->lists->len);
        put(o, "keys", keys_of(s));
        json_object_array_add(list, o);
    }
    return list;
}

/* What has a name. */

static struct json_object *
variables(const struct plan *plan, const GArray *symbols)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < plan->plan_variables->len; i++) {
        const char *symbol = g_array_index(plan->plan_variables,
                                           struct plan_variable, i).symbol;

        if (rewrite_alias(symbols, symbol)) {   /* As write_tables() does. */
            json_object_array_add(list, new_name(symbol));
        }
    }
    return list;
}

/* A constant string, to be freed; NULL if it is none. */
static char *
text_of(LLVMModuleRef module, const char *name)
{
    LLVMValueRef v = LLVMGetNamedGlobal(module, name);
    LLVMValueRef value = (v && LLVMIsGlobalConstant(v) ? LLVMGetInitializer(v)
                          : NULL);
    size_t n;

    if (!value || !LLVMIsAConstantDataSequential(value)
        || !LLVMIsConstantString(value)) {
        return NULL;
    }
    const char *text = LLVMGetAsString(value, &n);
    n = strnlen(text, n < TEXT_MAX ? n : TEXT_MAX);
    return g_utf8_validate(text, n, NULL) ? g_strndup(text, n) : NULL;
}

static struct json_object *
symbol_names(LLVMModuleRef module, const GArray *symbols)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < symbols->len; i++) {
        const struct rewrite_symbol *s
            = &g_array_index(symbols, struct rewrite_symbol, i);
        struct json_object *o = json_object_new_object();
        char *text = (s->target == ST_TO_BYTES ? text_of(module, s->name)
                      : NULL);

        put_name(o, "name", s->name);
        if (text) {
            put(o, "text", json_object_new_string(text));
            g_free(text);
        }
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *
output_names(const struct plan *plan)
{
    struct json_object *list = json_object_new_array();

    for (guint i = 0; i < plan->outputs->len; i++) {
        json_object_array_add(list, new_name(plan->outputs->pdata[i]));
    }
    return list;
}

char *
write_layout(const struct plan *plan, LLVMModuleRef module,
             const GArray *symbols, const char *program, uint64_t build)
{
    struct layout l = { plan, json_object_new_array(),
                        g_hash_table_new(NULL, NULL) };
    struct json_object *o = json_object_new_object();
    char hex[17];

    snprintf(hex, sizeof hex, "%016"G_GINT64_MODIFIER"x", build);
    put_name(o, "format", "mbox-state-layout");
    put_number(o, "version", 2);
    put_name(o, "program", program);
    put_name(o, "build", hex);
    put_name(o, "byte_order", G_BYTE_ORDER == G_LITTLE_ENDIAN ? "little"
             : "big");
    put_number(o, "pointer_size", sizeof(void *));
    put(o, "image_types", image_types(&l));
    put(o, "structures", structures(plan));
    put(o, "outputs", output_names(plan));
    put(o, "variables", variables(plan, symbols));
    put(o, "symbols", symbol_names(module, symbols));
    put(o, "types", l.types);
    char *text = g_strdup(json_object_to_json_string_ext(
                              o, JSON_C_TO_STRING_PLAIN
                              | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    g_hash_table_destroy(l.numbers);
    return text;
}
