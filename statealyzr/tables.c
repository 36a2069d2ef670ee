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

#include "tables-private.h"

#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>
#include "result.h"

/* The format is in tables.h. */

const char *
sa_field_name(enum sa_field field)
{
    static const char *const names[SA_N_FIELDS] = {
        [SA_FIELD_ETH_SRC] = "eth_src", [SA_FIELD_ETH_DST] = "eth_dst",
        [SA_FIELD_ETH_TYPE] = "eth_type", [SA_FIELD_VLAN] = "vlan",
        [SA_FIELD_IP_SRC] = "ip_src", [SA_FIELD_IP_DST] = "ip_dst",
        [SA_FIELD_IP_PROTO] = "ip_proto", [SA_FIELD_PORT_SRC] = "port_src",
        [SA_FIELD_PORT_DST] = "port_dst", [SA_FIELD_IP_ID] = "ip_id",
        [SA_FIELD_ICMP_ID] = "icmp_id", [SA_FIELD_TCP_SEQ] = "tcp_seq",
        [SA_FIELD_TCP_ACK] = "tcp_ack", [SA_FIELD_TCP_FLAGS] = "tcp_flags",
    };
    return (unsigned int) field < SA_N_FIELDS ? names[field] : "";
}

static int
field_from_name(const char *name)
{
    for (int i = 0; i < SA_N_FIELDS; i++) {
        if (!strcmp(name, sa_field_name(i))) {
            return i;
        }
    }
    return -1;
}

void *
sa_tables_alloc(struct sa_tables *tables, size_t n)
{
    void *p = g_malloc0(MAX(n, 1));
    g_ptr_array_add(tables->blocks, p);
    return p;
}

/* A file that is being read. */
struct file {
    struct sa_tables *tables;
    const char *name;
    const char *text;
    const char *at;             /* Where in 'text' the present entry is. */
    char *error;                /* The first one. */
};

static void fail(struct file *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Keeps an error about the present entry. */
static void
fail(struct file *f, const char *format, ...)
{
    if (!f->error) {
        unsigned int line = 1;
        va_list args;

        for (const char *p = f->text; p < f->at; p++) {
            line += *p == '\n';
        }
        va_start(args, format);
        char *what = g_strdup_vprintf(format, args);
        va_end(args);
        f->error = g_strdup_printf("%s:%u: %s", f->name, line, what);
        g_free(what);
    }
}

/* Moves to where the member 'key' is, for messages. */
static void
move_to(struct file *f, const char *key)
{
    char *quoted = g_strdup_printf("\"%s\"", key);
    const char *p = strstr(f->at, quoted);

    f->at = p ? p : f->at;
    g_free(quoted);
}

/* Values. */

static int
get_argument(struct file *f, const char *key, struct json_object *value)
{
    int arg = SA_NO_ARG;

    if (json_object_is_type(value, json_type_int)
        && json_object_get_int64(value) >= 0
        && json_object_get_int64(value) < 1000) {
        return json_object_get_int(value);
    } else if (!json_object_is_type(value, json_type_string)
               || !sa_parse_argument(json_object_get_string(value), &arg)) {
        fail(f, "%s: not an argument (an index or \"ret\")", key);
    }
    return arg;
}

static bool
get_boolean(struct file *f, const char *key, struct json_object *value)
{
    if (!json_object_is_type(value, json_type_boolean)) {
        fail(f, "%s: neither true nor false", key);
    }
    return json_object_get_boolean(value);
}

static const char *
get_string(struct file *f, const char *key, struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string)) {
        fail(f, "%s: not a string", key);
        return "";
    }
    return g_string_chunk_insert_const(f->tables->strings,
                                       json_object_get_string(value));
}

/* An array of strings, or one string of words; the result ends with NULL. */
static const char *const *
get_strings(struct file *f, const char *key, struct json_object *value)
{
    GPtrArray *strings = g_ptr_array_new();

    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            g_ptr_array_add(strings, (char *) get_string(
                f, key, json_object_array_get_idx(value, i)));
        }
    } else {
        char **words = g_strsplit(get_string(f, key, value), " ", -1);
        for (char **w = words; *w; w++) {
            if (**w) {
                g_ptr_array_add(strings, g_string_chunk_insert_const(
                    f->tables->strings, *w));
            }
        }
        g_strfreev(words);
    }
    g_ptr_array_add(strings, NULL);
    size_t size = strings->len * sizeof(char *);
    const char **copy = sa_tables_alloc(f->tables, size);
    memcpy(copy, strings->pdata, size);
    g_ptr_array_free(strings, TRUE);
    return copy;
}

/* Entries of the sections: a function each that makes the entry of 'name'. */

typedef void entry_parser(struct file *, const char *name,
                          struct json_object *);

static bool
is_comment(const char *key)
{
    return key[0] == '#';
}

static void
parse_packet_read(struct file *f, const char *name, struct json_object *entry)
{
    static const char *const no_opens[] = { NULL };
    struct sa_packet_read *r = sa_tables_alloc(f->tables, sizeof *r);

    *r = (struct sa_packet_read) {
        .name = name, .packet = SA_NO_ARG, .length = SA_NO_ARG,
        .callback = SA_NO_ARG, .user = SA_NO_ARG, .handler_user = SA_NO_ARG,
        .descriptor = SA_NO_ARG, .opens = no_opens
    };
    json_object_object_foreach(entry, key, value) {
        if (!strcmp(key, "packet")) {
            r->packet = get_argument(f, key, value);
        } else if (!strcmp(key, "indirect")) {
            r->indirect = get_boolean(f, key, value);
        } else if (!strcmp(key, "iovec")) {
            r->iovec = get_boolean(f, key, value);
        } else if (!strcmp(key, "length")) {
            r->length = get_argument(f, key, value);
        } else if (!strcmp(key, "callback")) {
            r->callback = get_argument(f, key, value);
        } else if (!strcmp(key, "user")) {
            r->user = get_argument(f, key, value);
        } else if (!strcmp(key, "handler_user")) {
            r->handler_user = get_argument(f, key, value);
        } else if (!strcmp(key, "descriptor")) {
            r->descriptor = get_argument(f, key, value);
        } else if (!strcmp(key, "opens")) {
            r->opens = get_strings(f, key, value);
        } else if (!is_comment(key)) {
            fail(f, "unknown member \"%s\"", key);
        }
    }
    if (r->packet == SA_NO_ARG) {
        fail(f, "%s: \"packet\" is missing", name);
    }
    g_hash_table_replace(f->tables->packet_reads, (char *) name, r);
}

static void
parse_event(struct file *f, const char *name, struct json_object *entry)
{
    static const char *const no_loops[] = { NULL };
    struct sa_event_call *e = sa_tables_alloc(f->tables, sizeof *e);

    *e = (struct sa_event_call) {
        .name = name, .callback = SA_NO_ARG, .user = SA_NO_ARG,
        .handler_user = SA_NO_ARG, .loops = no_loops
    };
    json_object_object_foreach(entry, key, value) {
        if (!strcmp(key, "callback")) {
            e->callback = get_argument(f, key, value);
        } else if (!strcmp(key, "user")) {
            e->user = get_argument(f, key, value);
        } else if (!strcmp(key, "handler_user")) {
            e->handler_user = get_argument(f, key, value);
        } else if (!strcmp(key, "loop")) {
            e->loops = get_strings(f, key, value);
        } else if (!is_comment(key)) {
            fail(f, "unknown member \"%s\"", key);
        }
    }
    if (e->callback == SA_NO_ARG) {
        fail(f, "%s: \"callback\" is missing", name);
    }
    g_hash_table_replace(f->tables->events, (char *) name, e);
}

static void
parse_output(struct file *f, const char *name, struct json_object *entry)
{
    struct sa_output_call *o = sa_tables_alloc(f->tables, sizeof *o);

    *o = (struct sa_output_call) {
        .name = name, .kind = "", .descriptor = SA_NO_ARG
    };
    json_object_object_foreach(entry, key, value) {
        if (!strcmp(key, "kind")) {
            o->kind = get_string(f, key, value);
        } else if (!strcmp(key, "descriptor")) {
            o->descriptor = get_argument(f, key, value);
        } else if (!is_comment(key)) {
            fail(f, "unknown member \"%s\"", key);
        }
    }
    if (strcmp(o->kind, "packet") && strcmp(o->kind, "log")) {
        fail(f, "%s: \"kind\" is neither \"packet\" nor \"log\"", name);
    }
    g_hash_table_replace(f->tables->outputs, (char *) name, o);
}

static void
parse_header(struct file *f, const char *name, struct json_object *entry)
{
    struct sa_header *h = sa_tables_alloc(f->tables, sizeof *h);
    struct sa_header_field *fields = sa_tables_alloc(
        f->tables, json_object_object_length(entry) * sizeof *fields);

    h->name = name;
    h->fields = fields;
    json_object_object_foreach(entry, key, value) {
        struct sa_header_field *field = &fields[h->n_fields];
        bool pair = (json_object_is_type(value, json_type_array)
                     && json_object_array_length(value) == 2);

        if (is_comment(key)) {
            continue;
        }
        field->field = field_from_name(key);
        if (field->field < 0) {
            fail(f, "\"%s\" is no packet header field", key);
        } else if (!pair) {
            fail(f, "%s: not [OFFSET, SIZE] in bits", key);
        } else {
            field->bit_offset = json_object_get_int(
                json_object_array_get_idx(value, 0));
            field->bit_size = json_object_get_int(
                json_object_array_get_idx(value, 1));
            if (!field->bit_size || field->bit_size > 128
                || field->bit_offset > 65536) {
                fail(f, "%s: not [OFFSET, SIZE] in bits", key);
            }
        }
        h->n_fields++;
    }
    g_hash_table_replace(f->tables->headers, (char *) name, h);
}

static void
parse_name(struct file *f, const char *name, struct json_object *value)
{
    int field = field_from_name(name);

    if (field < 0) {
        fail(f, "\"%s\" is no packet header field", name);
        return;
    }
    for (const char *const *s = get_strings(f, name, value); *s; s++) {
        g_hash_table_replace(f->tables->field_names, (char *) *s,
                             GINT_TO_POINTER(field + 1));
    }
}

static void
parse_library(struct file *f, const char *name, struct json_object *value)
{
    struct sa_library_call *call = sa_tables_alloc(f->tables, sizeof *call);
    const char *text = get_string(f, name, value);

    call->name = name;
    char *error = sa_parse_effects(f->tables, text, call);
    if (error) {
        fail(f, "%s: %s", name, error);
        g_free(error);
    }
    g_hash_table_replace(f->tables->library, (char *) name, call);
}

/* Sections. */

static const struct section {
    const char *name;
    entry_parser *parse;
    bool objects;               /* Its members are objects. */
} sections[] = {
    { "packet-reads", parse_packet_read, true },
    { "events", parse_event, true },
    { "outputs", parse_output, true },
    { "headers", parse_header, true },
    { "names", parse_name, false },
    { "library", parse_library, false },
};

static void
parse_section(struct file *f, const struct section *section,
              struct json_object *object)
{
    if (!json_object_is_type(object, json_type_object)) {
        fail(f, "%s: not an object", section->name);
        return;
    }
    const char *start = f->at;
    json_object_object_foreach(object, key, value) {
        f->at = start;
        move_to(f, key);
        if (is_comment(key)) {
            continue;
        } else if (section->objects
                   && !json_object_is_type(value, json_type_object)) {
            fail(f, "%s: not an object", key);
            continue;
        }
        char **names = g_strsplit(key, " ", -1);
        for (char **name = names; *name && !f->error; name++) {
            if (**name) {
                section->parse(f, g_string_chunk_insert_const(
                    f->tables->strings, *name), value);
            }
        }
        g_strfreev(names);
    }
}

static void
parse_root(struct file *f, struct json_object *root)
{
    if (!json_object_is_type(root, json_type_object)) {
        fail(f, "not a JSON object");
        return;
    }
    json_object_object_foreach(root, key, value) {
        size_t i;

        f->at = f->text;
        move_to(f, key);
        for (i = 0; i < G_N_ELEMENTS(sections); i++) {
            if (!strcmp(key, sections[i].name)) {
                parse_section(f, &sections[i], value);
                break;
            }
        }
        if (i == G_N_ELEMENTS(sections) && !is_comment(key)) {
            if (strcmp(key, "version")) {
                fail(f, "unknown section \"%s\"", key);
            } else if (json_object_get_int(value) != 1) {
                fail(f, "version %s is not supported, only 1",
                     json_object_get_string(value));
            }
        }
    }
}

static char *
load_file(struct sa_tables *tables, const char *name)
{
    struct file f = { .tables = tables, .name = name };
    GError *gerror = NULL;
    char *text;
    gsize n;

    if (!g_file_get_contents(name, &text, &n, &gerror)) {
        f.error = g_strdup(gerror->message);
        g_error_free(gerror);
        return f.error;
    }
    f.text = f.at = text;

    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *root = json_tokener_parse_ex(tokener, text, MIN(
        n, INT_MAX));
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = MIN(json_tokener_get_parse_end(tokener), n);
    if (error == json_tokener_success
        && end + strspn(text + end, " \t\r\n") == n) {
        parse_root(&f, root);
    } else {
        f.at = text + end;
        fail(&f, "not JSON: %s", error == json_tokener_success
             ? "something follows the object"
             : error == json_tokener_continue ? "it ends too early"
             : json_tokener_error_desc(error));
    }
    json_object_put(root);
    json_tokener_free(tokener);
    g_free(text);
    return f.error;
}

struct sa_tables *
sa_tables_load(const char *dir, char *const extra[], size_t n_extra,
               char **errorp)
{
    static const char *const names[] = {
        "packet-reads.json", "outputs.json", "library.json", "fields.json"
    };
    struct sa_tables *t = g_new0(struct sa_tables, 1);

    t->packet_reads = g_hash_table_new(g_str_hash, g_str_equal);
    t->events = g_hash_table_new(g_str_hash, g_str_equal);
    t->outputs = g_hash_table_new(g_str_hash, g_str_equal);
    t->library = g_hash_table_new(g_str_hash, g_str_equal);
    t->headers = g_hash_table_new(g_str_hash, g_str_equal);
    t->field_names = g_hash_table_new(g_str_hash, g_str_equal);
    t->strings = g_string_chunk_new(4096);
    t->blocks = g_ptr_array_new_with_free_func(g_free);

    if (!dir) {
        dir = getenv("MBOX_STATEALYZR_TABLES");
    }
    if (!dir) {
        dir = STATEALYZR_TABLES_DIR;
    }
    *errorp = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(names) && !*errorp; i++) {
        char *path = g_build_filename(dir, names[i], NULL);
        *errorp = load_file(t, path);
        g_free(path);
    }
    for (size_t i = 0; i < n_extra && !*errorp; i++) {
        *errorp = load_file(t, extra[i]);
    }
    if (*errorp) {
        sa_tables_destroy(t);
        return NULL;
    }
    return t;
}

void
sa_tables_destroy(struct sa_tables *t)
{
    if (t) {
        g_hash_table_destroy(t->packet_reads);
        g_hash_table_destroy(t->events);
        g_hash_table_destroy(t->outputs);
        g_hash_table_destroy(t->library);
        g_hash_table_destroy(t->headers);
        g_hash_table_destroy(t->field_names);
        g_string_chunk_free(t->strings);
        g_ptr_array_free(t->blocks, TRUE);
        g_free(t);
    }
}

const struct sa_packet_read *
sa_tables_packet_read(const struct sa_tables *t, const char *name)
{
    return g_hash_table_lookup(t->packet_reads, name);
}

const struct sa_event_call *
sa_tables_event(const struct sa_tables *t, const char *name)
{
    return g_hash_table_lookup(t->events, name);
}

const struct sa_output_call *
sa_tables_output(const struct sa_tables *t, const char *name)
{
    return g_hash_table_lookup(t->outputs, name);
}

const struct sa_library_call *
sa_tables_library(const struct sa_tables *t, const char *name)
{
    return g_hash_table_lookup(t->library, name);
}

const struct sa_header *
sa_tables_header(const struct sa_tables *t, const char *struct_name)
{
    return g_hash_table_lookup(t->headers, struct_name);
}

int
sa_tables_field_by_name(const struct sa_tables *t, const char *name)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(t->field_names, name)) - 1;
}
