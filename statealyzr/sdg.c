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

#include "sdg.h"

#include <glib.h>
#include <string.h>
#include "call.h"
#include "sdg-private.h"

/* Numbers the vertices, indexes the edges and finds summary edges; the edges
 * come from sdg-edges.c. */

/* Whether an instruction calls, directly or by a library, functions of the
 * program. */
static bool
calls_program(const struct sa_sdg *sdg, uint32_t insn)
{
    for (int callback = 0; callback < 2; callback++) {
        uint32_t n;
        const uint32_t *fs = callback ? sa_pta_callbacks(sdg->pta, insn, &n)
                                      : sa_pta_callees(sdg->pta, insn, &n);
        for (uint32_t i = 0; i < n; i++) {
            if (sdg->program->functions[fs[i]].defined) {
                return true;
            }
        }
    }
    return false;
}

static void
number_vertices(struct sa_sdg *sdg)
{
    const struct sa_program *p = sdg->program;
    uint32_t n_nodes, n_copies;
    uint32_t n_sets = sa_modref_n_sets(sdg->modref);
    GArray *of_formal = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    GArray *of_call = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    const struct sa_copy *copies = sa_modref_all_copies(sdg->modref,
                                                        &n_copies);

    sa_pta_nodes(sdg->pta, &n_nodes);
    sdg->formals = g_new(uint32_t, p->n_functions + 1);
    for (uint32_t f = 0; f < p->n_functions; f++) {
        const struct sa_function *function = &p->functions[f];
        sdg->formals[f] = of_formal->len;
        for (uint32_t i = 0; i < function->n_params + function->variadic;
             i++) {
            g_array_append_val(of_formal, f);
        }
    }
    sdg->formals[p->n_functions] = of_formal->len;

    sdg->first_block = p->n_insns;
    sdg->first_entry = sdg->first_block + p->n_blocks;
    sdg->first_return = sdg->first_entry + p->n_functions;
    sdg->first_formal = sdg->first_return + p->n_functions;
    sdg->first_node = sdg->first_formal + of_formal->len;
    sdg->first_read_set = sdg->first_node + n_nodes;
    sdg->first_write_set = sdg->first_read_set + n_sets;
    sdg->first_copy = sdg->first_write_set + n_sets;
    sdg->first_call = sdg->first_copy + n_copies;

    sdg->of_copy = g_new(uint32_t, n_copies);
    for (uint32_t i = 0; i < n_copies; i++) {
        sdg->of_copy[i] = copies[i].insn;
    }

    sdg->calls = g_new(uint32_t, p->n_insns);
    for (uint32_t insn = 0; insn < p->n_insns; insn++) {
        sdg->calls[insn] = SA_NONE;
        if (sa_is_call(p->insns[insn].opcode) && calls_program(sdg, insn)) {
            unsigned int n = LLVMGetNumArgOperands(p->insns[insn].value);
            sdg->calls[insn] = sdg->first_call + of_call->len;
            for (unsigned int i = 0; i < n + 1; i++) {
                g_array_append_val(of_call, insn);
            }
        }
    }
    sdg->n = sdg->first_call + of_call->len;
    sdg->of_formal = (uint32_t *) g_array_free(of_formal, FALSE);
    sdg->of_call = (uint32_t *) g_array_free(of_call, FALSE);
}

/* Makes the rows of edges by 'from' (or by 'to', for edges in). */
static void
index_edges(const GArray *edges, uint32_t n, bool in, size_t **startsp,
            struct sa_edge **rowsp)
{
    const struct sa_new_edge *e = (const struct sa_new_edge *) edges->data;
    size_t *starts = g_new0(size_t, n + 2);
    struct sa_edge *rows = g_new(struct sa_edge, edges->len);

    /* starts[v + 1] is where the next edge of v goes, so that it is where
     * those of v + 1 start when all are there. */
    for (guint i = 0; i < edges->len; i++) {
        starts[(in ? e[i].to : e[i].from) + 2]++;
    }
    for (uint32_t v = 0; v < n; v++) {
        starts[v + 2] += starts[v + 1];
    }
    for (guint i = 0; i < edges->len; i++) {
        rows[starts[(in ? e[i].to : e[i].from) + 1]++] = (struct sa_edge) {
            .to = in ? e[i].from : e[i].to,
            .kind = e[i].kind,
            .dep = e[i].dep,
        };
    }
    *startsp = starts;
    *rowsp = rows;
}

static void
index_all(struct sa_sdg *sdg, const GArray *edges)
{
    g_free(sdg->out_starts);
    g_free(sdg->out);
    g_free(sdg->in_starts);
    g_free(sdg->in);
    index_edges(edges, sdg->n, false, &sdg->out_starts, &sdg->out);
    index_edges(edges, sdg->n, true, &sdg->in_starts, &sdg->in);
}

/* Summary edges.
 *
 * A function has one way out for values, what it returns, so that what Reps et
 * al. do with a list of path edges for each way out is a walk backwards from
 * the returns of all functions at once, once for each kind of dependence. */

struct summaries {
    struct sa_sdg *sdg;
    GArray *edges;              /* struct sa_new_edge: those found. */
    GHashTable *by_result;      /* Vertex of a result -> GArray of actual
                                 * parameters with a summary to it. */
    GHashTable *known;          /* Actual parameter or call, and its result. */
    GArray *work;
};

static void
reach(struct summaries *s, uint32_t vertex, enum sa_dep dep)
{
    if (s->sdg->to_return[vertex] == NO_DEP) {
        s->sdg->to_return[vertex] = dep;
        g_array_append_val(s->work, vertex);
    }
}

/* The return of the function of formal parameter (or entry) 'formal' depends
 * on it: so do the results of all calls on what is handed over there. */
static void
summarize(struct summaries *s, uint32_t formal, enum sa_dep dep)
{
    struct sa_sdg *sdg = s->sdg;
    uint32_t callee = sa_sdg_vertex(sdg, formal).function;
    uint32_t n;
    const struct sa_edge *in = sa_sdg_in(sdg, formal, &n);

    for (uint32_t i = 0; i < n; i++) {
        if (in[i].kind != SA_EDGE_DOWN) {
            continue;
        }
        uint32_t call = in[i].to < sdg->first_call
                        ? in[i].to
                        : sdg->of_call[in[i].to - sdg->first_call];
        uint32_t result = sa_sdg_result_of(sdg, call, callee);
        enum sa_dep edge_dep = MAX(dep, in[i].dep);
        if (result == SA_NONE || result == in[i].to || edge_dep > dep) {
            continue;
        }

        uint64_t key = (uint64_t) in[i].to << 32 | result;
        if (g_hash_table_contains(s->known, &key)) {
            continue;
        }
        g_hash_table_add(s->known, g_memdup2(&key, sizeof key));
        struct sa_new_edge edge = { in[i].to, result, SA_EDGE_SUMMARY, dep };
        g_array_append_val(s->edges, edge);

        GArray *actuals = g_hash_table_lookup(s->by_result,
                                              GUINT_TO_POINTER(result));
        if (!actuals) {
            actuals = g_array_new(FALSE, FALSE, sizeof(uint32_t));
            g_hash_table_insert(s->by_result, GUINT_TO_POINTER(result),
                                actuals);
        }
        g_array_append_val(actuals, in[i].to);
        if (sdg->to_return[result] != NO_DEP) {
            reach(s, in[i].to, dep);
        }
    }
}

/* Visits what 'vertex', on which a return depends, depends on itself. */
static void
visit(struct summaries *s, uint32_t vertex, enum sa_dep dep)
{
    struct sa_sdg *sdg = s->sdg;
    uint32_t n;
    const struct sa_edge *in = sa_sdg_in(sdg, vertex, &n);

    for (uint32_t i = 0; i < n; i++) {
        if (in[i].kind == SA_EDGE_INSIDE && in[i].dep <= dep) {
            reach(s, in[i].to, dep);
        }
    }

    GArray *actuals = g_hash_table_lookup(s->by_result,
                                          GUINT_TO_POINTER(vertex));
    for (guint i = 0; actuals && i < actuals->len; i++) {
        reach(s, g_array_index(actuals, uint32_t, i), dep);
    }

    bool is_formal = vertex >= sdg->first_formal && vertex < sdg->first_node;
    bool is_entry = vertex >= sdg->first_entry && vertex < sdg->first_return;
    if (is_formal || is_entry) {
        summarize(s, vertex, dep);
    }
}

static void
free_array(gpointer array)
{
    g_array_free(array, TRUE);
}

/* Appends all summary edges to 'edges'. */
static void
find_summaries(struct sa_sdg *sdg, GArray *edges)
{
    struct summaries s = {
        .sdg = sdg,
        .edges = edges,
        .by_result = g_hash_table_new_full(NULL, NULL, NULL, free_array),
        .known = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                       NULL),
        .work = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    guint n_before = edges->len;

    sdg->to_return = g_malloc(sdg->n);
    memset(sdg->to_return, NO_DEP, sdg->n);
    for (enum sa_dep dep = SA_DEP_VALUE; dep <= SA_DEP_CONTROL; dep++) {
        /* All that was reached by the lesser dependences is looked at again
         * for the greater ones. */
        g_array_set_size(s.work, 0);
        for (uint32_t v = 0; v < sdg->n; v++) {
            if (sdg->to_return[v] != NO_DEP) {
                g_array_append_val(s.work, v);
            }
        }
        for (uint32_t f = 0; f < sdg->program->n_functions; f++) {
            reach(&s, sa_sdg_return(sdg, f), dep);
        }
        while (s.work->len) {
            uint32_t v = g_array_index(s.work, uint32_t, s.work->len - 1);
            g_array_set_size(s.work, s.work->len - 1);
            visit(&s, v, dep);
        }
    }
    sdg->n_summaries = edges->len - n_before;
    g_hash_table_destroy(s.by_result);
    g_hash_table_destroy(s.known);
    g_array_free(s.work, TRUE);
}

struct sa_sdg *
sa_sdg_build(const struct sa_program *program, const struct sa_pta *pta,
             const struct sa_modref *modref, const struct sa_tables *tables)
{
    struct sa_sdg *sdg = g_new0(struct sa_sdg, 1);
    GArray *edges = g_array_new(FALSE, FALSE, sizeof(struct sa_new_edge));

    sdg->program = program;
    sdg->pta = pta;
    sdg->modref = modref;
    sdg->tables = tables;
    number_vertices(sdg);
    sa_sdg_collect_edges(sdg, edges);
    index_all(sdg, edges);
    find_summaries(sdg, edges);
    index_all(sdg, edges);
    g_array_free(edges, TRUE);
    return sdg;
}

void
sa_sdg_destroy(struct sa_sdg *sdg)
{
    if (sdg) {
        g_free(sdg->formals);
        g_free(sdg->calls);
        g_free(sdg->of_formal);
        g_free(sdg->of_copy);
        g_free(sdg->of_call);
        g_free(sdg->out_starts);
        g_free(sdg->out);
        g_free(sdg->in_starts);
        g_free(sdg->in);
        g_free(sdg->to_return);
        g_free(sdg);
    }
}

uint32_t
sa_sdg_n_vertices(const struct sa_sdg *sdg)
{
    return sdg->n;
}

uint64_t
sa_sdg_n_edges(const struct sa_sdg *sdg)
{
    return sdg->out_starts[sdg->n];
}

uint64_t
sa_sdg_n_summaries(const struct sa_sdg *sdg)
{
    return sdg->n_summaries;
}

struct sa_vertex
sa_sdg_vertex(const struct sa_sdg *sdg, uint32_t v)
{
    const struct sa_program *p = sdg->program;
    struct sa_vertex vertex = { .function = SA_NONE };

    if (v < sdg->first_block) {
        vertex.kind = SA_VERTEX_INSN;
        vertex.id = v;
        vertex.function = p->insns[v].function;
    } else if (v < sdg->first_entry) {
        vertex.kind = SA_VERTEX_BLOCK;
        vertex.id = v - sdg->first_block;
        vertex.function = p->blocks[vertex.id].function;
    } else if (v < sdg->first_return) {
        vertex.kind = SA_VERTEX_ENTRY;
        vertex.id = vertex.function = v - sdg->first_entry;
    } else if (v < sdg->first_formal) {
        vertex.kind = SA_VERTEX_RETURN;
        vertex.id = vertex.function = v - sdg->first_return;
    } else if (v < sdg->first_node) {
        vertex.kind = SA_VERTEX_FORMAL;
        vertex.id = vertex.function = sdg->of_formal[v - sdg->first_formal];
        vertex.index = v - sdg->first_formal - sdg->formals[vertex.id];
    } else if (v < sdg->first_read_set) {
        vertex.kind = SA_VERTEX_NODE;
        vertex.id = v - sdg->first_node;
    } else if (v < sdg->first_copy) {
        vertex.kind = SA_VERTEX_SET;
        vertex.id = v < sdg->first_write_set ? v - sdg->first_read_set
                                             : v - sdg->first_write_set;
    } else if (v < sdg->first_call) {
        vertex.kind = SA_VERTEX_COPY;
        vertex.id = sdg->of_copy[v - sdg->first_copy];
        vertex.function = p->insns[vertex.id].function;
    } else {
        vertex.id = sdg->of_call[v - sdg->first_call];
        vertex.function = p->insns[vertex.id].function;
        if (v == sdg->calls[vertex.id]) {
            vertex.kind = SA_VERTEX_RESULT;
        } else {
            vertex.kind = SA_VERTEX_ACTUAL;
            vertex.index = v - sdg->calls[vertex.id] - 1;
        }
    }
    return vertex;
}

uint32_t
sa_sdg_insn(const struct sa_sdg *sdg G_GNUC_UNUSED, uint32_t insn)
{
    return insn;
}

uint32_t
sa_sdg_node(const struct sa_sdg *sdg, uint32_t node)
{
    return sdg->first_node + node;
}

uint32_t
sa_sdg_entry(const struct sa_sdg *sdg, uint32_t function)
{
    return sdg->first_entry + function;
}

uint32_t
sa_sdg_block(const struct sa_sdg *sdg, uint32_t block)
{
    return sdg->first_block + block;
}

uint32_t
sa_sdg_return(const struct sa_sdg *sdg, uint32_t function)
{
    return sdg->first_return + function;
}

uint32_t
sa_sdg_formal(const struct sa_sdg *sdg, uint32_t function, uint32_t index)
{
    uint32_t n = sdg->formals[function + 1] - sdg->formals[function];

    return index < n ? sdg->first_formal + sdg->formals[function] + index
                     : SA_NONE;
}

uint32_t
sa_sdg_actual(const struct sa_sdg *sdg, uint32_t call, uint32_t index)
{
    if (sdg->calls[call] == SA_NONE
        || index >= LLVMGetNumArgOperands(sdg->program->insns[call].value)) {
        return SA_NONE;
    }
    return sdg->calls[call] + 1 + index;
}

uint32_t
sa_sdg_value(const struct sa_sdg *sdg, uint32_t value)
{
    return sa_sdg_definition(sdg, sdg->program->values[value]);
}

struct sa_loc
sa_sdg_loc(const struct sa_sdg *sdg, uint32_t v)
{
    struct sa_vertex vertex = sa_sdg_vertex(sdg, v);

    switch (vertex.kind) {
    case SA_VERTEX_INSN:
    case SA_VERTEX_RESULT:
    case SA_VERTEX_ACTUAL:
    case SA_VERTEX_COPY:
        return sa_insn_loc(sdg->program, vertex.id);
    case SA_VERTEX_BLOCK:
        return sa_insn_loc(sdg->program,
                           sdg->program->blocks[vertex.id].first_insn);
    case SA_VERTEX_FORMAL:
    case SA_VERTEX_RETURN:
    case SA_VERTEX_ENTRY:
        return sdg->program->functions[vertex.id].loc;
    case SA_VERTEX_NODE:
    case SA_VERTEX_SET:
        break;
    }
    return (struct sa_loc) { .file = "" };
}

const struct sa_edge *
sa_sdg_out(const struct sa_sdg *sdg, uint32_t vertex, uint32_t *n)
{
    *n = sdg->out_starts[vertex + 1] - sdg->out_starts[vertex];
    return sdg->out + sdg->out_starts[vertex];
}

const struct sa_edge *
sa_sdg_in(const struct sa_sdg *sdg, uint32_t vertex, uint32_t *n)
{
    *n = sdg->in_starts[vertex + 1] - sdg->in_starts[vertex];
    return sdg->in + sdg->in_starts[vertex];
}
