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

/* The result as text, for a terminal, and answers to "why". */

#include "report.h"

#include <glib.h>
#include <string.h>

static void
print_loc(FILE *f, struct sa_loc loc)
{
    if (loc.file && *loc.file) {
        fprintf(f, "%s:%u", loc.file, loc.line);
    } else {
        fputs("(unknown place)", f);
    }
}

static void
print_reasons(FILE *f, const char *title, const struct sa_reasons *why,
              struct sa_source *source)
{
    if (!why->n) {
        return;
    }
    fprintf(f, "  %s:\n", title);
    for (size_t i = 0; i < why->n; i++) {
        const struct sa_reason *r = &why->reasons[i];
        fputs("    ", f);
        print_loc(f, r->loc);
        fprintf(f, ": %s\n", r->text);
        const char *line = sa_source_line(source, r->loc);
        if (line) {
            char *copy = g_strstrip(g_strdup(line));
            fprintf(f, "        %s\n", copy);
            g_free(copy);
        }
    }
}

static const char *
plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* A table whose columns are as wide as what is in them, the last one free. */

#define MAX_COLUMNS 6

struct table {
    GPtrArray *cells;           /* char *, row by row. */
    guint n_columns;
};

static void
table_add(struct table *t, char *cell)
{
    g_ptr_array_add(t->cells, cell);
}

static void
table_print(FILE *f, struct table *t)
{
    glong width[MAX_COLUMNS] = { 0 };
    for (guint i = 0; i < t->cells->len; i++) {
        glong n = g_utf8_strlen(g_ptr_array_index(t->cells, i), -1);
        width[i % t->n_columns] = MAX(width[i % t->n_columns], n);
    }
    for (guint i = 0; i < t->cells->len; i++) {
        const char *cell = g_ptr_array_index(t->cells, i);
        guint column = i % t->n_columns;
        fputs(cell, f);
        if (column == t->n_columns - 1) {
            putc('\n', f);
        } else {
            fprintf(f, "%*s", (int) (width[column] + 2
                                     - g_utf8_strlen(cell, -1)), "");
        }
    }
}

static char *
class_cell(enum sa_class class, uint32_t fields)
{
    char *s = sa_fields_string(fields);
    char *cell = (*s ? g_strdup_printf("%s (%s)", sa_class_name(class), s)
                  : g_strdup(sa_class_name(class)));
    g_free(s);
    return cell;
}

static char *
outputs_cell(const struct sa_result *r, const struct sa_result_variable *v)
{
    GString *s = g_string_new(NULL);
    for (size_t i = 0; i < v->n_outputs; i++) {
        g_string_append_printf(s, "%s%s", s->len ? ", " : "",
                               r->outputs[v->outputs[i]].function);
    }
    if (!s->len) {
        g_string_append(s, "-");
    }
    return g_string_free(s, FALSE);
}

static void
print_updateable(FILE *f, const struct sa_result *r)
{
    struct table t = { g_ptr_array_new_with_free_func(g_free), 5 };
    table_add(&t, g_strdup("UPDATEABLE VARIABLE"));
    table_add(&t, g_strdup("BYTES"));
    table_add(&t, g_strdup("CLASS"));
    table_add(&t, g_strdup("PLACE"));
    table_add(&t, g_strdup("INFLUENCES"));
    for (size_t i = 0; i < r->n_variables; i++) {
        const struct sa_result_variable *v = &r->variables[i];
        if (v->updateable) {
            table_add(&t, v->unmovable
                      ? g_strdup_printf("%s [%s]", v->name, v->unmovable)
                      : g_strdup(v->name));
            table_add(&t, v->n_elements == 1
                      ? g_strdup_printf("%"PRIu64, v->size)
                      : g_strdup_printf("%"PRIu64"*%"PRIu64, v->n_elements,
                                        v->size));
            table_add(&t, class_cell(v->class, v->key_fields));
            table_add(&t, *v->loc.file
                      ? g_strdup_printf("%s:%u", v->loc.file, v->loc.line)
                      : g_strdup("-"));
            table_add(&t, outputs_cell(r, v));
        }
    }
    table_print(f, &t);
    g_ptr_array_free(t.cells, TRUE);
}

static void
print_structures(FILE *f, const struct sa_result *r)
{
    struct table t = { g_ptr_array_new_with_free_func(g_free), 5 };
    table_add(&t, g_strdup("STRUCTURE"));
    table_add(&t, g_strdup("BYTES"));
    table_add(&t, g_strdup("CLASS"));
    table_add(&t, g_strdup("CONTAINER"));
    table_add(&t, g_strdup("KEY MEMBERS"));
    for (size_t i = 0; i < r->n_structures; i++) {
        const struct sa_result_structure *s = &r->structures[i];
        table_add(&t, g_strdup(s->name));
        table_add(&t, g_strdup_printf("%"PRIu64, s->size));
        table_add(&t, class_cell(s->class, s->key_fields));
        table_add(&t, s->container_path && *s->container_path
                  ? g_strdup_printf("%s: %s", sa_container_name(s->container),
                                    s->container_path)
                  : g_strdup(sa_container_name(s->container)));
        GString *keys = g_string_new(NULL);
        for (size_t j = 0; j < s->n_keys; j++) {
            g_string_append_printf(keys, "%s%s=%s", keys->len ? " " : "",
                                   s->keys[j].path,
                                   sa_field_name(s->keys[j].field));
        }
        table_add(&t, g_string_free(keys, FALSE));
    }
    table_print(f, &t);
    g_ptr_array_free(t.cells, TRUE);
}

static void
print_loop(FILE *f, const struct sa_result_loop *l)
{
    print_loc(f, l->loc);
    fprintf(f, ": %s()", l->function);
    if (l->call && *l->call) {
        fprintf(f, " by %s()", l->call);
    }
    if (l->callback && *l->callback) {
        fprintf(f, ", which calls %s()", l->callback);
    }
    putc('\n', f);
}

static void
print_summary(FILE *f, const struct sa_result *r)
{
    struct sa_counts c = sa_result_count(r);
    size_t called = 0;
    for (size_t i = 0; i < r->n_procedures; i++) {
        called += r->procedures[i].called;
    }

    for (size_t i = 0; i < r->n_loops; i++) {
        if (r->loops[i].chosen) {
            fputs("Packet-processing loop: ", f);
            print_loop(f, &r->loops[i]);
        }
    }
    fprintf(f, "State procedures: %zu called from there, %zu more that depend "
            "on its data, of %"PRIu32"\n", called, r->n_procedures - called,
            r->n_functions);
    fprintf(f, "Variables: %zu in all, %zu persistent, %zu top-level, "
            "%zu updateable:\n", c.all, c.persistent, c.top_level,
            c.updateable);
    fprintf(f, "  %zu per-flow, %zu multi-flow, %zu all-flows; "
            "%zu influence%s no output\n", c.per_class[SA_CLASS_PER_FLOW],
            c.per_class[SA_CLASS_MULTI_FLOW],
            c.per_class[SA_CLASS_ALL_FLOWS], c.no_output,
            c.no_output == 1 ? "s" : "");
    if (r->precision != SA_PRECISION_OBJECTS) {
        fprintf(f, "Memory is told apart by %s: what is written in one struct "
                "counts as written in\n  all of its type, so that some of "
                "these are no state\n", sa_precision_name(r->precision));
    }
}

void
sa_report_text(FILE *f, const struct sa_result *r,
               const struct sa_report_options *options)
{
    print_summary(f, r);
    if (r->n_structures) {
        putc('\n', f);
        print_structures(f, r);
    }
    putc('\n', f);
    print_updateable(f, r);
    if (r->n_warnings) {
        fprintf(f, "\nNot covered, in %zu place%s:\n", r->n_warnings,
                plural(r->n_warnings));
        for (size_t i = 0; i < r->n_warnings; i++) {
            fprintf(f, "  %s\n", r->warnings[i]);
        }
    }
    if (options->stats) {
        putc('\n', f);
        sa_report_stats(f, r);
    }
}

void
sa_report_stats(FILE *f, const struct sa_result *r)
{
    double total = 0;
    struct table t = { g_ptr_array_new_with_free_func(g_free), 4 };
    table_add(&t, g_strdup("PHASE"));
    table_add(&t, g_strdup("SECONDS"));
    table_add(&t, g_strdup("PEAK MB"));
    table_add(&t, g_strdup("FIGURES"));
    for (size_t i = 0; i < r->n_phases; i++) {
        const struct sa_phase *p = &r->phases[i];
        total += p->seconds;
        table_add(&t, g_strdup(p->name));
        table_add(&t, g_strdup_printf("%7.3f", p->seconds));
        table_add(&t, g_strdup_printf("%7.1f", p->peak_rss / 1e6));
        table_add(&t, g_strdup(p->figures ? p->figures : ""));
    }
    table_add(&t, g_strdup("total"));
    table_add(&t, g_strdup_printf("%7.3f", total));
    table_add(&t, g_strdup(""));
    table_add(&t, g_strdup(""));
    table_print(f, &t);
    g_ptr_array_free(t.cells, TRUE);
}

void
sa_report_loops(FILE *f, const struct sa_result *r,
                const struct sa_report_options *options)
{
    for (size_t i = 0; i < r->n_loops; i++) {
        fputs(r->loops[i].chosen ? "* " : "  ", f);
        print_loop(f, &r->loops[i]);
        print_reasons(f, r->loops[i].chosen ? "chosen because" : "found by",
                      &r->loops[i].why, options->source);
    }
}

void
sa_report_explain(FILE *f, const struct sa_result *r,
                  const struct sa_report_options *options)
{
    fputs("Loops that read packets:\n\n", f);
    sa_report_loops(f, r, options);
    fputs("\nState procedures:\n\n", f);
    for (size_t i = 0; i < r->n_procedures; i++) {
        const struct sa_result_procedure *p = &r->procedures[i];
        print_loc(f, p->loc);
        fprintf(f, ": %s() is %s\n", p->name,
                p->called ? "called from the loop"
                : p->data_dependent ? "run beside the loop, on its data"
                : "the loop procedure");
        print_reasons(f, "shown by", &p->why, options->source);
    }
}

/* Why. */

static void
why_structure(FILE *f, const struct sa_result *r, size_t i,
              struct sa_source *source)
{
    const struct sa_result_structure *s = &r->structures[i];
    bool path = s->container_path && *s->container_path;
    if (s->container == SA_CONTAINER_NONE && path) {
        fprintf(f, "  reached by %s\n", s->container_path);
    } else {
        fprintf(f, "  entry of %s%s%s\n", sa_container_name(s->container),
                path ? ": " : "", path ? s->container_path : "");
    }
    for (size_t j = 0; j < s->n_keys; j++) {
        char *title = g_strdup_printf("found by %s, in %s",
                                      sa_field_name(s->keys[j].field),
                                      s->keys[j].path);
        print_reasons(f, title, &s->keys[j].why, source);
        g_free(title);
    }
    char *title = g_strdup_printf("why %s is %s", s->name,
                                  sa_class_name(s->class));
    print_reasons(f, title, &s->why_class, source);
    g_free(title);
}

static void
why_variable(FILE *f, const struct sa_result *r,
             const struct sa_result_variable *v, struct sa_source *source)
{
    char *type = sa_type_string(v->type);
    char *class = class_cell(v->class, v->key_fields);
    char *outputs = outputs_cell(r, v);
    fprintf(f, "%s: %s, %s, %"PRIu64" byte%s, ", v->name,
            sa_storage_name(v->storage), type, v->size, plural(v->size));
    print_loc(f, v->loc);
    fprintf(f, "\n  %s", sa_variable_role(v));
    if (v->updateable) {
        fprintf(f, ", %s, influences %s", class, outputs);
    }
    if (v->unmovable) {
        fprintf(f, "; cannot be moved as bytes: %s", v->unmovable);
    }
    putc('\n', f);
    print_reasons(f, "why top-level", &v->why_top_level, source);
    print_reasons(f, "why updateable", &v->why_updateable, source);
    print_reasons(f, "why not updateable", &v->why_not_updateable, source);
    char *title = g_strdup_printf("why %s", class);
    print_reasons(f, title, &v->why_class, source);
    g_free(title);
    print_reasons(f, "why it influences output", &v->why_outputs, source);
    if (v->structure != SIZE_MAX) {
        why_structure(f, r, v->structure, source);
    }
    g_free(type);
    g_free(class);
    g_free(outputs);
}

/* "struct flow.bytes" is meant by itself, by "flow.bytes" and by "bytes". */
static bool
is_meant(const char *name, const char *wanted)
{
    size_t n = strlen(name), m = strlen(wanted);
    if (m > n || strcmp(name + n - m, wanted)) {
        return false;
    }
    return m == n || strchr(".: ", name[n - m - 1]);
}

size_t
sa_report_why(FILE *f, const struct sa_result *r, const char *name,
              const struct sa_report_options *options)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_variables; i++) {
        if (*name && is_meant(r->variables[i].name, name)) {
            if (n++) {
                putc('\n', f);
            }
            why_variable(f, r, &r->variables[i], options->source);
        }
    }
    return n;
}
