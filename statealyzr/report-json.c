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

/* The result as JSON, for programs: Documentation/statealyzr-json.md. */

#include "report.h"

#include <glib.h>
#include <json-c/json.h>

#define JSON_VERSION 1

/* Types that something in the document refers to, numbered as they are met. */
struct type_list {
    GPtrArray *types;           /* const struct sa_type *. */
    GHashTable *index;          /* The same -> position + 1. */
};

static struct json_object *
string(const char *s)
{
    if (!s) {
        return NULL;
    }
    char *valid = g_utf8_make_valid(s, -1);
    struct json_object *o = json_object_new_string(valid);
    g_free(valid);
    return o;
}

static void
put(struct json_object *o, const char *name, struct json_object *value)
{
    json_object_object_add(o, name, value);
}

static void
put_string(struct json_object *o, const char *name, const char *value)
{
    put(o, name, string(value));
}

static void
put_number(struct json_object *o, const char *name, uint64_t value)
{
    put(o, name, json_object_new_uint64(value));
}

static void
put_bool(struct json_object *o, const char *name, bool value)
{
    put(o, name, json_object_new_boolean(value));
}

static void
append(struct json_object *array, struct json_object *value)
{
    json_object_array_add(array, value);
}

static struct json_object *
loc_json(struct sa_loc loc)
{
    if (!loc.file || !*loc.file) {
        return NULL;
    }
    struct json_object *o = json_object_new_object();
    put_string(o, "file", loc.file);
    put_number(o, "line", loc.line);
    put_number(o, "column", loc.column);
    return o;
}

static struct json_object *
reasons_json(const struct sa_reasons *r)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < r->n; i++) {
        struct json_object *o = json_object_new_object();
        put_string(o, "text", r->reasons[i].text);
        put(o, "location", loc_json(r->reasons[i].loc));
        append(array, o);
    }
    return array;
}

static struct json_object *
fields_json(uint32_t fields)
{
    struct json_object *array = json_object_new_array();
    for (int i = 0; i < SA_N_FIELDS; i++) {
        if (fields & 1u << i) {
            append(array, string(sa_field_name(i)));
        }
    }
    return array;
}

/* A type by its number; null if it is not known. */
static struct json_object *
type_json(struct type_list *list, const struct sa_type *type)
{
    if (!type) {
        return NULL;
    }
    guint i = GPOINTER_TO_UINT(g_hash_table_lookup(list->index, type));
    if (!i) {
        g_ptr_array_add(list->types, (void *) type);
        i = list->types->len;
        g_hash_table_insert(list->index, (void *) type, GUINT_TO_POINTER(i));
    }
    return json_object_new_uint64(i - 1);
}

static struct json_object *
members_json(struct type_list *list, const struct sa_type *t)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < t->n_members; i++) {
        const struct sa_member *m = &t->members[i];
        struct json_object *o = json_object_new_object();
        put_string(o, "name", m->name);
        put_number(o, "bit_offset", m->bit_offset);
        put_number(o, "bit_size", m->bit_size);
        put_bool(o, "bit_field", m->is_bit_field);
        put(o, "type", type_json(list, m->type));
        append(array, o);
    }
    return array;
}

static struct json_object *
enumerators_json(const struct sa_type *t)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < t->n_enumerators; i++) {
        struct json_object *o = json_object_new_object();
        put_string(o, "name", t->enumerators[i].name);
        put(o, "value", json_object_new_int64(t->enumerators[i].value));
        append(array, o);
    }
    return array;
}

/* The types met so far and, as it goes, those that they refer to. */
static struct json_object *
types_json(struct type_list *list)
{
    struct json_object *array = json_object_new_array();
    for (guint i = 0; i < list->types->len; i++) {
        const struct sa_type *t = g_ptr_array_index(list->types, i);
        struct json_object *o = json_object_new_object();
        put_number(o, "id", i);
        put_string(o, "kind", sa_type_kind_name(t->kind));
        put_string(o, "name", t->name);
        put_number(o, "size", t->size);
        if (t->canonical != t) {
            put(o, "typedef_of", type_json(list, t->canonical));
        } else if (t->kind == SA_TYPE_INT) {
            put_bool(o, "signed", t->is_signed);
            if (t->n_enumerators) {
                put(o, "enumerators", enumerators_json(t));
            }
        } else if (t->kind == SA_TYPE_POINTER || t->kind == SA_TYPE_ARRAY) {
            put(o, "target", type_json(list, t->target));
        }
        if (t->canonical == t && t->kind == SA_TYPE_ARRAY) {
            put_number(o, "elements", t->n_elements);
        }
        if (t->canonical == t
            && (t->kind == SA_TYPE_STRUCT || t->kind == SA_TYPE_UNION)) {
            put(o, "location", loc_json(t->loc));
            put(o, "members", members_json(list, t));
        }
        append(array, o);
    }
    return array;
}

static struct json_object *
program_json(const struct sa_result *r)
{
    struct json_object *o = json_object_new_object();
    struct json_object *files = json_object_new_array();
    for (size_t i = 0; i < r->n_files; i++) {
        append(files, string(r->files[i]));
    }
    put(o, "files", files);
    put_number(o, "source_lines", r->n_source_lines);
    put_number(o, "functions", r->n_functions);
    put_number(o, "instructions", r->n_insns);
    put_string(o, "precision", sa_precision_name(r->precision));
    return o;
}

static struct json_object *
summary_json(const struct sa_result *r)
{
    struct sa_counts c = sa_result_count(r);
    struct json_object *o = json_object_new_object();
    put_number(o, "all_variables", c.all);
    put_number(o, "persistent", c.persistent);
    put_number(o, "top_level", c.top_level);
    put_number(o, "updateable", c.updateable);
    put_number(o, "per_flow", c.per_class[SA_CLASS_PER_FLOW]);
    put_number(o, "multi_flow", c.per_class[SA_CLASS_MULTI_FLOW]);
    put_number(o, "all_flows", c.per_class[SA_CLASS_ALL_FLOWS]);
    put_number(o, "no_output", c.no_output);
    return o;
}

static struct json_object *
loops_json(const struct sa_result *r)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < r->n_loops; i++) {
        const struct sa_result_loop *l = &r->loops[i];
        struct json_object *o = json_object_new_object();
        put_string(o, "function", l->function);
        put(o, "location", loc_json(l->loc));
        put_string(o, "call", l->call);
        put_string(o, "callback", l->callback);
        put_bool(o, "chosen", l->chosen);
        put(o, "why", reasons_json(&l->why));
        append(array, o);
    }
    return array;
}

static struct json_object *
procedures_json(const struct sa_result *r)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < r->n_procedures; i++) {
        const struct sa_result_procedure *p = &r->procedures[i];
        struct json_object *o = json_object_new_object();
        put_string(o, "name", p->name);
        put(o, "location", loc_json(p->loc));
        put_bool(o, "called", p->called);
        put_bool(o, "data_dependent", p->data_dependent);
        put(o, "why", reasons_json(&p->why));
        append(array, o);
    }
    return array;
}

static struct json_object *
keys_json(const struct sa_result_structure *s)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < s->n_keys; i++) {
        const struct sa_key *k = &s->keys[i];
        struct json_object *o = json_object_new_object();
        put_string(o, "path", k->path);
        put_number(o, "offset", k->offset);
        put_number(o, "size", k->size);
        put_string(o, "field", sa_field_name(k->field));
        put(o, "why", reasons_json(&k->why));
        append(array, o);
    }
    return array;
}

static struct json_object *
links_json(struct type_list *list, const struct sa_result_structure *s)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < s->n_links; i++) {
        const struct sa_link *l = &s->links[i];
        struct json_object *o = json_object_new_object();
        put_string(o, "path", l->path);
        put_number(o, "offset", l->offset);
        put_string(o, "kind", sa_link_name(l->kind));
        put(o, "target", type_json(list, l->target));
        append(array, o);
    }
    return array;
}

static struct json_object *
buffers_json(struct type_list *list, const struct sa_result_structure *s)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < s->n_buffers; i++) {
        const struct sa_buffer *b = &s->buffers[i];
        struct json_object *o = json_object_new_object();
        put_string(o, "path", b->path);
        put_number(o, "offset", b->offset);
        put(o, "element", type_json(list, b->element));
        put_string(o, "length_path", b->length_path);
        put_bool(o, "string", b->is_string);
        put_number(o, "fixed_size", b->fixed_size);
        append(array, o);
    }
    return array;
}

static struct json_object *
structures_json(const struct sa_result *r, struct type_list *list)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < r->n_structures; i++) {
        const struct sa_result_structure *s = &r->structures[i];
        struct json_object *o = json_object_new_object();
        put_number(o, "id", i);
        put_string(o, "name", s->name);
        put(o, "type", type_json(list, s->type));
        put_number(o, "size", s->size);
        put_string(o, "container", sa_container_name(s->container));
        put_string(o, "container_path", s->container_path);
        put_string(o, "class", sa_class_name(s->class));
        put(o, "key_fields", fields_json(s->key_fields));
        put(o, "keys", keys_json(s));
        put(o, "links", links_json(list, s));
        put(o, "buffers", buffers_json(list, s));
        struct json_object *allocators = json_object_new_array();
        for (size_t j = 0; j < s->n_allocators; j++) {
            append(allocators, string(s->allocators[j]));
        }
        put(o, "allocators", allocators);
        put(o, "why_class", reasons_json(&s->why_class));
        append(array, o);
    }
    return array;
}

static struct json_object *
variable_json(const struct sa_result_variable *v, struct type_list *list)
{
    struct json_object *o = json_object_new_object();
    put_string(o, "name", v->name);
    put_string(o, "storage", sa_storage_name(v->storage));
    put(o, "location", loc_json(v->loc));
    put(o, "type", type_json(list, v->type));
    put_number(o, "offset", v->offset);
    put_number(o, "size", v->size);
    put_number(o, "elements", v->n_elements);
    put_string(o, "symbol", v->symbol);
    put(o, "structure", v->structure == SIZE_MAX ? NULL
                        : json_object_new_uint64(v->structure));
    struct json_object *leads_to = json_object_new_array();
    for (size_t i = 0; i < v->n_leads_to; i++) {
        append(leads_to, json_object_new_uint64(v->leads_to[i]));
    }
    put(o, "leads_to", leads_to);
    put_bool(o, "persistent", v->persistent);
    put_bool(o, "top_level", v->top_level);
    put_bool(o, "updateable", v->updateable);
    put_string(o, "class", sa_class_name(v->class));
    put(o, "key_fields", fields_json(v->key_fields));
    struct json_object *outputs = json_object_new_array();
    for (size_t i = 0; i < v->n_outputs; i++) {
        append(outputs, json_object_new_uint64(v->outputs[i]));
    }
    put(o, "outputs", outputs);
    put_string(o, "unmovable", v->unmovable);
    put(o, "why_top_level", reasons_json(&v->why_top_level));
    put(o, "why_updateable", reasons_json(&v->why_updateable));
    put(o, "why_not_updateable", reasons_json(&v->why_not_updateable));
    put(o, "why_class", reasons_json(&v->why_class));
    put(o, "why_outputs", reasons_json(&v->why_outputs));
    return o;
}

static struct json_object *
outputs_json(const struct sa_result *r)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct sa_result_output *out = &r->outputs[i];
        struct json_object *o = json_object_new_object();
        put_number(o, "id", i);
        put_string(o, "function", out->function);
        put_string(o, "kind", out->kind);
        struct json_object *calls = json_object_new_array();
        for (size_t j = 0; j < out->n_calls; j++) {
            append(calls, loc_json(out->calls[j]));
        }
        put(o, "calls", calls);
        append(array, o);
    }
    return array;
}

static struct json_object *
phases_json(const struct sa_result *r)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < r->n_phases; i++) {
        const struct sa_phase *p = &r->phases[i];
        struct json_object *o = json_object_new_object();
        put_string(o, "name", p->name);
        put(o, "seconds", json_object_new_double(p->seconds));
        put_number(o, "peak_rss", p->peak_rss);
        put_string(o, "figures", p->figures);
        append(array, o);
    }
    return array;
}

void
sa_report_json(FILE *stream, const struct sa_result *r,
               const struct sa_report_options *options)
{
    struct type_list list = {
        g_ptr_array_new(), g_hash_table_new(NULL, NULL)
    };
    struct json_object *o = json_object_new_object();
    put_string(o, "format", "mbox-statealyzr");
    put_number(o, "version", JSON_VERSION);
    put(o, "program", program_json(r));
    put(o, "summary", summary_json(r));
    put(o, "loops", loops_json(r));
    put(o, "procedures", procedures_json(r));
    put(o, "structures", structures_json(r, &list));
    struct json_object *variables = json_object_new_array();
    for (size_t i = 0; i < r->n_variables; i++) {
        append(variables, variable_json(&r->variables[i], &list));
    }
    put(o, "variables", variables);
    put(o, "outputs", outputs_json(r));
    put(o, "types", types_json(&list));
    struct json_object *warnings = json_object_new_array();
    for (size_t i = 0; i < r->n_warnings; i++) {
        append(warnings, string(r->warnings[i]));
    }
    put(o, "warnings", warnings);
    if (options->stats) {
        put(o, "phases", phases_json(r));
    }

    fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY
                                            | JSON_C_TO_STRING_NOSLASHESCAPE),
          stream);
    putc('\n', stream);
    json_object_put(o);
    g_ptr_array_free(list.types, TRUE);
    g_hash_table_destroy(list.index);
}
