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

/* The result for Graphviz: the loop, the procedures that use updateable
 * variables, and these variables, those of one structure together. */

#include "report.h"

#include <glib.h>
#include <string.h>

static const char *const class_colors[] = {
    [SA_CLASS_NONE] = "#eeeeee",
    [SA_CLASS_PER_FLOW] = "#cfe8cf",
    [SA_CLASS_MULTI_FLOW] = "#fbe6b8",
    [SA_CLASS_ALL_FLOWS] = "#f5cfcf",
};

/* A string in quotes. */
static void
print_quoted(FILE *f, const char *s)
{
    char *valid = g_utf8_make_valid(s, -1);
    putc('"', f);
    for (const char *p = valid; *p; p++) {
        if (*p == '"' || *p == '\\') {
            putc('\\', f);
        }
        putc(*p == '\n' ? ' ' : *p, f);
    }
    putc('"', f);
    g_free(valid);
}

static void
print_variable(FILE *f, const struct sa_result *r, size_t i)
{
    const struct sa_result_variable *v = &r->variables[i];
    const char *name = v->name;
    if (v->structure != SIZE_MAX && v->storage == SA_STORAGE_HEAP) {
        const char *prefix = r->structures[v->structure].name;
        size_t n = strlen(prefix);
        if (!strncmp(name, prefix, n) && name[n] == '.') {
            name += n + 1;
        }
    }
    fprintf(f, "    v%zu [shape=box, style=filled, fillcolor=\"%s\", label=",
            i, class_colors[v->class]);
    print_quoted(f, name);
    fputs(", tooltip=", f);
    print_quoted(f, sa_class_name(v->class));
    fputs("];\n", f);
}

static void
print_structure(FILE *f, const struct sa_result *r, size_t i)
{
    const struct sa_result_structure *s = &r->structures[i];
    char *fields = sa_fields_string(s->key_fields);
    char *label = g_strdup_printf("%s: %s %s", s->name,
                                  sa_container_name(s->container), fields);
    fprintf(f, "  subgraph cluster_s%zu {\n    label=", i);
    print_quoted(f, label);
    fputs(";\n", f);
    for (size_t j = 0; j < r->n_variables; j++) {
        if (r->variables[j].updateable && r->variables[j].structure == i) {
            print_variable(f, r, j);
        }
    }
    fputs("  }\n", f);
    g_free(fields);
    g_free(label);
}

/* The procedure that has the line, which is the last one of the file that
 * starts before it; SIZE_MAX if none has. */
static size_t
procedure_at(const struct sa_result *r, struct sa_loc loc)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < r->n_procedures; i++) {
        const struct sa_loc *l = &r->procedures[i].loc;
        if (loc.file && l->file && !strcmp(l->file, loc.file)
            && l->line <= loc.line
            && (best == SIZE_MAX || l->line > r->procedures[best].loc.line)) {
            best = i;
        }
    }
    return best;
}

/* Edges from the procedures at the places of the reasons. */
static void
print_edges(FILE *f, const struct sa_result *r, size_t i,
            const struct sa_reasons *why, const char *color, bool *used,
            GHashTable *done)
{
    for (size_t j = 0; j < why->n; j++) {
        size_t procedure = procedure_at(r, why->reasons[j].loc);
        if (procedure == SIZE_MAX) {
            continue;
        }
        char *edge = g_strdup_printf("  p%zu -> v%zu [color=%s];\n",
                                     procedure, i, color);
        if (g_hash_table_add(done, edge)) {
            fputs(edge, f);
            used[procedure] = true;
        }
    }
}

void
sa_report_dot(FILE *f, const struct sa_result *r,
              const struct sa_report_options *options)
{
    (void) options;
    fputs("// Red: writes.  Gray: uses.  Dotted: influences the output.\n"
          "digraph state {\n"
          "  rankdir=LR;\n"
          "  node [fontname=\"sans-serif\", fontsize=10];\n"
          "  graph [fontname=\"sans-serif\", fontsize=11];\n"
          "  edge [arrowsize=0.6];\n", f);

    for (size_t i = 0; i < r->n_structures; i++) {
        print_structure(f, r, i);
    }
    for (size_t i = 0; i < r->n_variables; i++) {
        const struct sa_result_variable *v = &r->variables[i];
        if (v->updateable && v->structure == SIZE_MAX) {
            print_variable(f, r, i);
        }
    }

    bool *used = g_new0(bool, r->n_procedures + 1);
    bool *output_used = g_new0(bool, r->n_outputs + 1);
    GHashTable *done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             NULL);
    for (size_t i = 0; i < r->n_variables; i++) {
        const struct sa_result_variable *v = &r->variables[i];
        if (v->updateable) {
            print_edges(f, r, i, &v->why_updateable, "\"#b03030\"", used,
                        done);
            print_edges(f, r, i, &v->why_top_level, "\"#808080\"", used,
                        done);
            for (size_t j = 0; j < v->n_outputs; j++) {
                fprintf(f, "  v%zu -> o%"PRIu32" [style=dotted];\n", i,
                        v->outputs[j]);
                output_used[v->outputs[j]] = true;
            }
        }
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        if (output_used[i]) {
            fprintf(f, "  o%zu [shape=cds, label=", i);
            print_quoted(f, r->outputs[i].function);
            fputs("];\n", f);
        }
    }
    for (size_t i = 0; i < r->n_procedures; i++) {
        if (used[i]) {
            fprintf(f, "  p%zu [shape=ellipse, label=", i);
            print_quoted(f, r->procedures[i].name);
            fputs("];\n", f);
        }
    }
    for (size_t i = 0; i < r->n_loops; i++) {
        if (r->loops[i].chosen) {
            fprintf(f, "  l%zu [shape=doubleoctagon, label=", i);
            print_quoted(f, r->loops[i].function);
            fputs("];\n", f);
            for (size_t j = 0; j < r->n_procedures; j++) {
                if (used[j]) {
                    fprintf(f, "  l%zu -> p%zu [style=dashed];\n", i, j);
                }
            }
        }
    }
    fputs("}\n", f);
    g_hash_table_destroy(done);
    g_free(used);
    g_free(output_used);
}
