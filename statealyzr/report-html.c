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

/* The result as a page that needs nothing else: report.css and report.js are
 * in it, and the source lines.  Everything from the program is escaped. */

#include "report.h"

#include <glib.h>
#include <string.h>

#include "statealyzr/report-assets.h"

#define CONTEXT 1               /* Source lines before and after. */

static void
put_text(FILE *f, const char *s)
{
    char *valid = g_utf8_make_valid(s ? s : "", -1);
    for (const char *p = valid; *p; p++) {
        switch (*p) {
        case '&': fputs("&amp;", f); break;
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '"': fputs("&quot;", f); break;
        case '\'': fputs("&#39;", f); break;
        default:
            /* Control characters are not allowed in HTML. */
            putc((unsigned char) *p < ' ' && *p != '\t' ? ' ' : *p, f);
        }
    }
    g_free(valid);
}

static void
put_loc(FILE *f, struct sa_loc loc)
{
    if (loc.file && *loc.file) {
        put_text(f, loc.file);
        fprintf(f, ":%u", loc.line);
    }
}

static void
put_source(FILE *f, struct sa_source *source, struct sa_loc loc)
{
    if (!sa_source_line(source, loc)) {
        return;
    }
    fputs("<pre>", f);
    unsigned int first = loc.line > CONTEXT ? loc.line - CONTEXT : 1;
    for (unsigned int n = first; n <= loc.line + CONTEXT; n++) {
        struct sa_loc at = { loc.file, n, 0 };
        const char *line = sa_source_line(source, at);
        if (line) {
            fprintf(f, "<span data-n=\"%u\"%s>", n,
                    n == loc.line ? " class=hit" : "");
            put_text(f, *line ? line : " ");
            fputs("</span>", f);
        }
    }
    fputs("</pre>", f);
}

static void
put_reasons(FILE *f, const char *title, const struct sa_reasons *why,
            struct sa_source *source)
{
    if (!why->n) {
        return;
    }
    fputs("<div class=why><b>", f);
    put_text(f, title);
    fputs("</b>\n", f);
    for (size_t i = 0; i < why->n; i++) {
        fputs("<div class=reason><span class=loc>", f);
        put_loc(f, why->reasons[i].loc);
        fputs("</span>", f);
        put_text(f, why->reasons[i].text);
        put_source(f, source, why->reasons[i].loc);
        fputs("</div>\n", f);
    }
    fputs("</div>\n", f);
}

static void
put_class(FILE *f, enum sa_class class, uint32_t fields)
{
    char *s = sa_fields_string(fields);
    fprintf(f, "<span class=\"badge %s\"", sa_class_name(class));
    if (*s) {
        fputs(" title=\"", f);
        put_text(f, s);
        putc('"', f);
    }
    fprintf(f, ">%s</span>", sa_class_name(class));
    g_free(s);
}

static void
put_tile(FILE *f, size_t n, const char *word, bool strong)
{
    fprintf(f, "<div class=\"tile%s\"><b>%zu</b>%s</div>\n",
            strong ? " strong" : "", n, word);
}

static void
put_shares(FILE *f, const struct sa_counts *c)
{
    static const enum sa_class order[] = {
        SA_CLASS_PER_FLOW, SA_CLASS_MULTI_FLOW, SA_CLASS_ALL_FLOWS,
        SA_CLASS_NONE
    };
    fputs("<div class=share>", f);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        size_t n = c->per_class[order[i]];
        if (n) {
            fprintf(f, "<i class=\"bg-%s\" style=\"flex:%zu\"></i>",
                    sa_class_name(order[i]), n);
        }
    }
    fputs("</div>\n<p class=\"legend dim\">", f);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        size_t n = c->per_class[order[i]];
        if (n || order[i] != SA_CLASS_NONE) {
            fprintf(f, "<span><i class=\"bg-%s\"></i>%zu %s</span>",
                    sa_class_name(order[i]), n, sa_class_name(order[i]));
        }
    }
    fprintf(f, "<span>%zu influence no output</span></p>\n", c->no_output);
}

static void
put_header(FILE *f, const struct sa_result *r)
{
    struct sa_counts c = sa_result_count(r);
    char *base = g_path_get_basename(r->n_files ? r->files[0] : "program");
    if (g_str_has_suffix(base, ".bc")) {
        base[strlen(base) - 3] = '\0';
    }
    fputs("<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
          "<meta name=viewport content=\"width=device-width\">\n<title>State "
          "of ", f);
    put_text(f, base);
    fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n"
            "<h1>State of <span class=name>", report_css);
    put_text(f, base);
    fprintf(f, "</span></h1>\n<p class=dim>%"PRIu32" lines of code, %"PRIu32
            " functions, of which %zu handle packets or what packets left"
            "</p>\n<div class=tiles>\n", r->n_source_lines, r->n_functions,
            r->n_procedures);
    put_tile(f, c.all, "variables", false);
    put_tile(f, c.persistent, "persistent", false);
    put_tile(f, c.top_level, "top-level", false);
    put_tile(f, c.updateable, "updateable", true);
    fputs("</div>\n", f);
    put_shares(f, &c);
    fputs("<p class=dim>Persistent variables outlive a packet; top-level ones "
          "are used by procedures that handle packets; updateable ones are "
          "written there, too: this is the state to move.  Select a variable "
          "to see why.</p>\n</header>\n", f);
    g_free(base);
}

static void
put_chip(FILE *f, const char *name, const char *value, bool checked)
{
    fprintf(f, "<label class=chip><input type=checkbox name=%s value=\"%s\""
            "%s>%s</label>\n", name, value, checked ? " checked" : "", value);
}

static void
put_bar(FILE *f, const struct sa_result *r)
{
    fputs("<div class=\"bar hidden\"><div>\n"
          "<input type=search id=search placeholder=\"Search names, types, "
          "places, source lines ( / )\" autocomplete=off>\n", f);
    put_chip(f, "role", "updateable", true);
    put_chip(f, "role", "read only", false);
    put_chip(f, "role", "unused", false);
    put_chip(f, "class", "per-flow", true);
    put_chip(f, "class", "multi-flow", true);
    put_chip(f, "class", "all-flows", true);
    fputs("<label class=\"chip hidden\"><input type=checkbox name=class "
          "value=none checked></label>\n<select id=output>"
          "<option value=\"\">any output</option>", f);
    for (size_t i = 0; i < r->n_outputs; i++) {
        fprintf(f, "<option value=%zu>influences ", i);
        put_text(f, r->outputs[i].function);
        fputs("</option>", f);
    }
    fputs("<option value=nothing>influences nothing</option></select>\n"
          "<button id=open type=button>open or close all</button>\n"
          "<span class=dim id=shown></span>\n</div></div>\n<main>\n", f);
}

static void
put_loops(FILE *f, const struct sa_result *r, struct sa_source *source)
{
    fputs("<h2>Packet-processing loop</h2>\n", f);
    for (size_t i = 0; i < r->n_loops; i++) {
        const struct sa_result_loop *l = &r->loops[i];
        fprintf(f, "<details class=fold%s><summary><code>",
                l->chosen ? " open" : "");
        put_text(f, l->function);
        fputs("()</code> at ", f);
        put_loc(f, l->loc);
        if (l->call && *l->call) {
            fputs(", reads by <code>", f);
            put_text(f, l->call);
            fputs("()</code>", f);
        }
        if (l->callback && *l->callback) {
            fputs(", which calls <code>", f);
            put_text(f, l->callback);
            fputs("()</code>", f);
        }
        fputs(l->chosen ? "" : " <small>(not chosen)</small>", f);
        fputs("</summary>", f);
        put_reasons(f, l->chosen ? "Why this one" : "Why it is a candidate",
                    &l->why, source);
        fputs("</details>\n", f);
    }
}

static void
put_outputs(FILE *f, const struct sa_result *r,
            const struct sa_result_variable *v)
{
    if (!v->n_outputs) {
        fputs("<span class=dim>influences no output</span>", f);
        return;
    }
    fputs("<span class=dim>&rarr; ", f);
    for (size_t i = 0; i < v->n_outputs; i++) {
        if (i == 3) {
            fprintf(f, " and %zu more", v->n_outputs - i);
            break;
        }
        fputs(i ? ", " : "", f);
        put_text(f, r->outputs[v->outputs[i]].function);
    }
    fputs("</span>", f);
}

/* In the card of a structure its own name is said already. */
static void
put_name(FILE *f, const struct sa_result *r,
         const struct sa_result_variable *v)
{
    const char *structure = (v->structure == SIZE_MAX ? ""
                             : r->structures[v->structure].name);
    size_t n = strlen(structure);
    const char *rest = v->name;
    if (n && !strncmp(v->name, structure, n) && v->name[n] == '.') {
        fputs("<span class=dim>", f);
        put_text(f, structure);
        fputs(".</span>", f);
        rest += n + 1;
    }
    put_text(f, rest);
}

static void
put_variable(FILE *f, const struct sa_result *r, size_t i,
             struct sa_source *source)
{
    const struct sa_result_variable *v = &r->variables[i];
    fprintf(f, "<details class=v id=v%zu data-role=\"%s\" data-class=\"%s\" "
            "data-outputs=\"", i, sa_variable_role(v),
            sa_class_name(v->class));
    for (size_t j = 0; j < v->n_outputs; j++) {
        fprintf(f, "%"PRIu32" ", v->outputs[j]);
    }
    fprintf(f, "%s\"><summary><span class=name>",
            v->n_outputs ? "" : "nothing");
    put_name(f, r, v);
    fputs("</span><span>", f);
    if (v->updateable) {
        put_class(f, v->class, v->key_fields);
    } else {
        fprintf(f, "<span class=dim>%s</span>", sa_variable_role(v));
    }
    fputs("</span><span class=dim>", f);
    char *type = sa_type_string(v->type);
    put_text(f, type);
    g_free(type);
    fputs("</span>", f);
    put_outputs(f, r, v);
    fputs("</summary>\n<div>", f);

    fprintf(f, "<p class=dim>%s, %"PRIu64" byte%s%s, declared at <code>",
            sa_storage_name(v->storage), v->size, v->size == 1 ? "" : "s",
            v->n_elements == 1 ? "" : " an element");
    put_loc(f, v->loc);
    fputs("</code>", f);
    if (v->unmovable) {
        fputs("; cannot be moved as bytes: ", f);
        put_text(f, v->unmovable);
    }
    fputs("</p>\n", f);
    put_reasons(f, "Why top-level", &v->why_top_level, source);
    put_reasons(f, "Why updateable", &v->why_updateable, source);
    put_reasons(f, "Why not updateable", &v->why_not_updateable, source);
    char *title = g_strdup_printf("Why %s", sa_class_name(v->class));
    put_reasons(f, title, &v->why_class, source);
    g_free(title);
    put_reasons(f, "Why it influences output", &v->why_outputs, source);
    fputs("</div></details>\n", f);
}

static void
put_structure_facts(FILE *f, const struct sa_result_structure *s)
{
    bool path = s->container_path && *s->container_path;
    fputs("<table>\n", f);
    if (s->container == SA_CONTAINER_NONE && path) {
        fputs("<tr><th>reached by<td>", f);
    } else {
        fprintf(f, "<tr><th>kept in<td>%s%s", sa_container_name(s->container),
                path ? ": " : "");
    }
    if (path) {
        fputs("<code>", f);
        put_text(f, s->container_path);
        fputs("</code>", f);
    }
    for (size_t i = 0; i < s->n_keys; i++) {
        fputs(i ? "<br>" : "\n<tr><th>key<td>", f);
        fputs("<code>", f);
        put_text(f, s->keys[i].path);
        fprintf(f, "</code> is %s", sa_field_name(s->keys[i].field));
    }
    for (size_t i = 0; i < s->n_links; i++) {
        fputs(i ? "<br>" : "\n<tr><th>links<td>", f);
        fputs("<code>", f);
        put_text(f, s->links[i].path);
        fprintf(f, "</code> %s", sa_link_name(s->links[i].kind));
        if (s->links[i].target && s->links[i].kind == SA_LINK_OTHER) {
            fputs(" <code>", f);
            put_text(f, s->links[i].target->name);
            fputs("</code>", f);
        }
    }
    for (size_t i = 0; i < s->n_buffers; i++) {
        const struct sa_buffer *b = &s->buffers[i];
        fputs(i ? "<br>" : "\n<tr><th>owns<td>", f);
        fputs("<code>", f);
        put_text(f, b->path);
        fputs("</code> ", f);
        if (b->is_string) {
            fputs("string", f);
        } else if (b->length_path && *b->length_path) {
            fputs("of length <code>", f);
            put_text(f, b->length_path);
            fputs("</code>", f);
        } else if (b->fixed_size) {
            fprintf(f, "of %"PRIu64" bytes", b->fixed_size);
        } else {
            fputs("of unknown length", f);
        }
    }
    for (size_t i = 0; i < s->n_allocators; i++) {
        fputs(i ? "<br>" : "\n<tr><th>allocated<td>", f);
        put_text(f, s->allocators[i]);
    }
    fputs("\n</table>\n", f);
}

static void
put_structure(FILE *f, const struct sa_result *r, size_t i,
              struct sa_source *source)
{
    const struct sa_result_structure *s = &r->structures[i];
    fprintf(f, "<div class=card id=s%zu><div class=head><p><span class=name>",
            i);
    put_text(f, s->name);
    fputs("</span> ", f);
    put_class(f, s->class, s->key_fields);
    char *fields = sa_fields_string(s->key_fields);
    fprintf(f, " <span class=dim>%s%s%"PRIu64" bytes</span></p>\n", fields,
            *fields ? "; " : "", s->size);
    g_free(fields);
    put_structure_facts(f, s);

    bool has_why = s->why_class.n > 0;
    for (size_t j = 0; j < s->n_keys; j++) {
        has_why = has_why || s->keys[j].why.n;
    }
    if (has_why) {
        fputs("<details class=fold><summary class=dim>why this class and key"
              "</summary>", f);
        put_reasons(f, "Class", &s->why_class, source);
        for (size_t j = 0; j < s->n_keys; j++) {
            char *title = g_strdup_printf("%s is %s", s->keys[j].path,
                                          sa_field_name(s->keys[j].field));
            put_reasons(f, title, &s->keys[j].why, source);
            g_free(title);
        }
        fputs("</details>\n", f);
    }
    fputs("</div>\n", f);
    for (size_t j = 0; j < r->n_variables; j++) {
        if (r->variables[j].structure == i) {
            put_variable(f, r, j, source);
        }
    }
    fputs("</div>\n", f);
}

static void
put_variables(FILE *f, const struct sa_result *r, struct sa_source *source)
{
    if (r->n_structures) {
        fprintf(f, "<h2>Structures <small>%zu</small></h2>\n",
                r->n_structures);
        for (size_t i = 0; i < r->n_structures; i++) {
            put_structure(f, r, i, source);
        }
    }
    fputs("<h2>Variables</h2>\n<div class=card>\n", f);
    for (size_t i = 0; i < r->n_variables; i++) {
        if (r->variables[i].structure == SIZE_MAX) {
            put_variable(f, r, i, source);
        }
    }
    fputs("</div>\n", f);
}

static void
put_procedures(FILE *f, const struct sa_result *r, struct sa_source *source)
{
    fprintf(f, "<details class=fold><summary><h2 style=\"display:inline\">"
            "State procedures <small>%zu</small></h2></summary>\n",
            r->n_procedures);
    for (size_t i = 0; i < r->n_procedures; i++) {
        const struct sa_result_procedure *p = &r->procedures[i];
        fputs("<details class=fold><summary><code>", f);
        put_text(f, p->name);
        fputs("()</code> <small>", f);
        put_loc(f, p->loc);
        fputs(p->called ? "" : p->data_dependent ? ", beside the loop"
              : ", the loop procedure", f);
        fputs("</small></summary>", f);
        put_reasons(f, "Why", &p->why, source);
        fputs("</details>\n", f);
    }
    fputs("</details>\n", f);
}

static void
put_output_list(FILE *f, const struct sa_result *r, struct sa_source *source)
{
    fprintf(f, "<details class=fold><summary><h2 style=\"display:inline\">"
            "Outputs <small>%zu</small></h2></summary>\n", r->n_outputs);
    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct sa_result_output *o = &r->outputs[i];
        fputs("<details class=fold><summary><code>", f);
        put_text(f, o->function);
        fprintf(f, "()</code> <small>%s, %zu call%s</small></summary>",
                o->kind, o->n_calls, o->n_calls == 1 ? "" : "s");
        for (size_t j = 0; j < o->n_calls; j++) {
            fputs("<div class=reason><span class=loc>", f);
            put_loc(f, o->calls[j]);
            fputs("</span>", f);
            put_source(f, source, o->calls[j]);
            fputs("</div>\n", f);
        }
        fputs("</details>\n", f);
    }
    fputs("</details>\n", f);
}

static void
put_warnings(FILE *f, const struct sa_result *r)
{
    if (!r->n_warnings) {
        return;
    }
    fprintf(f, "<details class=fold><summary><h2 style=\"display:inline\">Not "
            "covered <small>%zu</small></h2></summary>\n<ul>\n",
            r->n_warnings);
    for (size_t i = 0; i < r->n_warnings; i++) {
        fputs("<li>", f);
        put_text(f, r->warnings[i]);
        putc('\n', f);
    }
    fputs("</ul></details>\n", f);
}

void
sa_report_html(FILE *f, const struct sa_result *r,
               const struct sa_report_options *options)
{
    put_header(f, r);
    put_bar(f, r);
    put_loops(f, r, options->source);
    put_variables(f, r, options->source);
    put_procedures(f, r, options->source);
    put_output_list(f, r, options->source);
    put_warnings(f, r);
    if (options->stats) {
        fputs("<h2>Cost</h2>\n<table><tr><th>phase<th>seconds<th>peak MB"
              "<th>figures\n", f);
        for (size_t i = 0; i < r->n_phases; i++) {
            const struct sa_phase *p = &r->phases[i];
            fprintf(f, "<tr><td>%s<td>%.3f<td>%.1f<td>", p->name, p->seconds,
                    p->peak_rss / 1e6);
            put_text(f, p->figures);
            putc('\n', f);
        }
        fputs("</table>\n", f);
    }
    fprintf(f, "<footer>Made by mbox-statealyzr.</footer>\n</main>\n"
            "<script>\n%s</script>\n</body>\n</html>\n", report_js);
}
