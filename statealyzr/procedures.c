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

#include "procedures.h"

#include <glib.h>
#include <string.h>
#include "call.h"
#include "slice.h"

struct sa_procedures_private {
    const struct sa_program *program;
    const struct sa_loops *loops;
    const struct sa_feasible *feasible;
    GStringChunk *strings;
    uint32_t *index;            /* Function -> index + 1 of its procedure. */
};

/* While procedures are found. */
struct finder {
    const struct sa_program *program;
    const struct sa_pta *pta;
    const struct sa_modref *modref;
    const struct sa_sdg *sdg;
    const struct sa_tables *tables;
    const struct sa_loops *loops;
    const struct sa_feasible *feasible;
    bool *called;               /* By function. */
    bool *in_loop;              /* By function: contains a chosen loop. */
    bool *dependent;            /* By function. */
    uint32_t *via;              /* By function. */
};

/* Whether an instruction of a function that is called may be executed. */
static bool
is_feasible(const struct finder *f, uint32_t insn)
{
    return sa_feasible_has_block(f->feasible, f->program->insns[insn].block);
}

/* Functions that are reached by calls. */
struct walk {
    bool *reached;              /* By function. */
    uint32_t *via;              /* By function: a call that does, or NULL. */
    GArray *work;               /* uint32_t, functions to look into. */
};

static void
add_function(const struct finder *f, struct walk *walk, uint32_t function,
             uint32_t insn)
{
    if (f->program->functions[function].defined && !walk->reached[function]) {
        walk->reached[function] = true;
        if (walk->via) {
            walk->via[function] = insn;
        }
        g_array_append_val(walk->work, function);
    }
}

/* Adds what instruction 'insn' calls, directly or by library functions. */
static void
add_called_at(const struct finder *f, struct walk *walk, uint32_t insn)
{
    if (!sa_is_call(f->program->insns[insn].opcode)) {
        return;
    }
    for (int callback = 0; callback < 2; callback++) {
        uint32_t n;
        const uint32_t *fs = callback ? sa_pta_callbacks(f->pta, insn, &n)
                                      : sa_pta_callees(f->pta, insn, &n);
        for (uint32_t i = 0; i < n; i++) {
            add_function(f, walk, fs[i], insn);
        }
    }
}

/* Adds what the functions that were added call, and so on.  Frees 'work'. */
static void
follow_calls(const struct finder *f, struct walk *walk)
{
    for (guint next = 0; next < walk->work->len; next++) {
        const struct sa_function *function
            = &f->program->functions[g_array_index(walk->work, uint32_t,
                                                   next)];
        for (uint32_t k = 0; k < function->n_insns; k++) {
            if (is_feasible(f, function->first_insn + k)) {
                add_called_at(f, walk, function->first_insn + k);
            }
        }
    }
    g_array_free(walk->work, TRUE);
}

static void
find_called(struct finder *f)
{
    const struct sa_program *p = f->program;
    struct walk walk = { f->called, f->via,
                         g_array_new(FALSE, FALSE, sizeof(uint32_t)) };

    for (size_t i = 0; i < f->loops->n_loops; i++) {
        const struct sa_loop *loop = &f->loops->loops[i];
        if (!loop->chosen) {
            continue;
        }
        f->in_loop[loop->function] = true;
        if (f->via[loop->function] == SA_NONE) {
            f->via[loop->function] = loop->insn;
        }
        for (size_t j = 0; j < loop->n_handlers; j++) {
            add_function(f, &walk, loop->handlers[j], loop->call);
        }
        for (size_t j = 0; j < loop->n_blocks; j++) {
            const struct sa_block *b = &p->blocks[loop->blocks[j]];
            for (uint32_t k = 0; k < b->n_insns; k++) {
                add_called_at(f, &walk, b->first_insn + k);
            }
        }
    }
    follow_calls(f, &walk);
}

bool
sa_calls_later(const struct sa_program *p, const struct sa_pta *pta,
               const struct sa_tables *tables, uint32_t insn)
{
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(pta, insn, &n);
    bool known = false;

    for (uint32_t i = 0; i < n; i++) {
        const char *name = p->functions[callees[i]].name;
        const struct sa_library_call *l = sa_tables_library(tables, name);
        for (size_t j = 0; l && j < l->n_effects; j++) {
            if (l->effects[j].kind == SA_EFFECT_CALL) {
                known = true;
                if (l->effects[j].later) {
                    return true;
                }
            }
        }
        if (sa_tables_event(tables, name)
            || !strcmp(name, "pthread_create")) {
            return true;
        }
    }
    return !known;
}

/* Finds what may run beside the loop: 'beside' is set for functions that are
 * called later, and all that these call. */
static void
find_beside(const struct finder *f, bool *beside)
{
    const struct sa_program *p = f->program;
    struct walk walk = { beside, NULL,
                         g_array_new(FALSE, FALSE, sizeof(uint32_t)) };

    for (uint32_t insn = 0; insn < p->n_insns; insn++) {
        uint32_t n;
        if (!sa_is_call(p->insns[insn].opcode)) {
            continue;
        }
        const uint32_t *fs = sa_pta_callbacks(f->pta, insn, &n);
        bool later = n && sa_calls_later(p, f->pta, f->tables, insn);
        for (uint32_t i = 0; i < n && later; i++) {
            if (!f->called[fs[i]]) {
                add_function(f, &walk, fs[i], insn);
            }
        }
    }
    follow_calls(f, &walk);
}

/* The memory that state procedures write. */
static GArray *
find_written(const struct finder *f)
{
    const struct sa_program *p = f->program;
    uint32_t n_nodes;
    sa_pta_nodes(f->pta, &n_nodes);
    bool *written = g_new0(bool, n_nodes);
    bool *seen = g_new0(bool, sa_modref_n_sets(f->modref));
    GArray *vertices = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (uint32_t insn = 0; insn < p->n_insns; insn++) {
        uint32_t set = sa_modref_write_set(f->modref, insn);
        if (seen[set] || !((f->called[p->insns[insn].function]
                            && is_feasible(f, insn))
                           || sa_loops_has_insn(f->loops, insn))) {
            continue;
        }
        seen[set] = true;
        struct sa_nodes nodes = sa_modref_set(f->modref, set);
        for (uint32_t i = 0; i < nodes.n; i++) {
            written[nodes.ids[i]] = true;
        }
    }
    for (uint32_t node = 0; node < n_nodes; node++) {
        if (written[node]) {
            uint32_t vertex = sa_sdg_node(f->sdg, node);
            g_array_append_val(vertices, vertex);
        }
    }
    g_free(written);
    g_free(seen);
    return vertices;
}

/* Finds procedures that run beside the loop and depend on what it writes. */
static void
find_dependent(struct finder *f)
{
    const struct sa_program *p = f->program;
    bool *beside = g_new0(bool, p->n_functions);
    bool *follow = g_new0(bool, p->n_functions);

    find_beside(f, beside);
    for (uint32_t i = 0; i < p->n_functions; i++) {
        beside[i] = beside[i] && !f->called[i] && p->functions[i].defined;
        follow[i] = beside[i] || f->called[i] || f->in_loop[i];
    }

    GArray *seeds = find_written(f);
    struct sa_slice_options options = {
        .dep = SA_DEP_CONTROL,
        .functions = follow,
    };
    struct sa_slice *slice = sa_slice_forward(f->sdg,
                                              (uint32_t *) seeds->data,
                                              seeds->len, &options);
    for (uint32_t i = 0; i < p->n_functions; i++) {
        const struct sa_function *function = &p->functions[i];
        for (uint32_t k = 0; beside[i] && k < function->n_insns; k++) {
            if (is_feasible(f, function->first_insn + k)
                && sa_slice_has_insn(slice, function->first_insn + k)) {
                f->dependent[i] = true;
                if (f->via[i] == SA_NONE) {
                    f->via[i] = function->first_insn + k;
                }
                break;
            }
        }
    }
    sa_slice_destroy(slice);
    g_array_free(seeds, TRUE);
    g_free(beside);
    g_free(follow);
}

/* Gives the reasons of one procedure. */
static void
explain(struct sa_procedures *ps, const struct finder *f,
        struct sa_procedure *procedure)
{
    const struct sa_program *p = f->program;
    const char *caller = p->functions[p->insns[procedure->via].function]
                         .source_name;
    GArray *reasons = g_array_new(FALSE, FALSE, sizeof(struct sa_reason));
    char *text = NULL;

    if (procedure->called) {
        bool from_loop = sa_loops_has_insn(f->loops, procedure->via);
        text = g_strdup_printf(from_loop
                               ? "called from the packet loop in %s()"
                               : "called by the state procedure %s()",
                               caller);
    } else if (procedure->data_dependent) {
        text = g_strdup("runs beside the packet loop, and uses what state "
                        "procedures write, first here");
    }
    if (text) {
        struct sa_reason reason = {
            .loc = sa_insn_loc(p, procedure->via),
            .text = g_string_chunk_insert_const(ps->private->strings, text),
        };
        g_array_append_val(reasons, reason);
        g_free(text);
    }
    for (size_t i = 0; procedure->loop && i < f->loops->n_loops; i++) {
        const struct sa_loop *loop = &f->loops->loops[i];
        if (loop->chosen && loop->function == procedure->function) {
            struct sa_reason reason = {
                .loc = sa_insn_loc(p, loop->insn),
                .text = "contains the packet loop",
            };
            g_array_append_val(reasons, reason);
        }
    }
    procedure->why.n = reasons->len;
    procedure->why.reasons
        = (struct sa_reason *) g_array_free(reasons, FALSE);
}

static struct sa_procedures *
collect(const struct finder *f)
{
    const struct sa_program *p = f->program;
    struct sa_procedures *ps = g_new0(struct sa_procedures, 1);
    GArray *array = g_array_new(FALSE, FALSE, sizeof(struct sa_procedure));

    ps->private = g_new0(struct sa_procedures_private, 1);
    ps->private->program = p;
    ps->private->loops = f->loops;
    ps->private->feasible = f->feasible;
    ps->private->strings = g_string_chunk_new(4096);
    ps->private->index = g_new0(uint32_t, p->n_functions);
    ps->functions = g_new0(bool, p->n_functions);
    for (uint32_t i = 0; i < p->n_functions; i++) {
        if (f->called[i] || f->in_loop[i] || f->dependent[i]) {
            struct sa_procedure procedure = {
                .function = i,
                .loop = f->in_loop[i],
                .called = f->called[i],
                .data_dependent = f->dependent[i],
                .via = f->via[i],
            };
            explain(ps, f, &procedure);
            g_array_append_val(array, procedure);
            ps->private->index[i] = array->len;
            ps->functions[i] = true;
        }
    }
    ps->n_procedures = array->len;
    ps->procedures = (struct sa_procedure *) g_array_free(array, FALSE);
    return ps;
}

struct sa_procedures *
sa_procedures_find(const struct sa_program *program, const struct sa_pta *pta,
                   const struct sa_modref *modref, const struct sa_sdg *sdg,
                   const struct sa_tables *tables,
                   const struct sa_loops *loops,
                   const struct sa_feasible *feasible)
{
    struct finder f = {
        .program = program,
        .pta = pta,
        .modref = modref,
        .sdg = sdg,
        .tables = tables,
        .loops = loops,
        .feasible = feasible,
        .called = g_new0(bool, program->n_functions),
        .in_loop = g_new0(bool, program->n_functions),
        .dependent = g_new0(bool, program->n_functions),
        .via = g_new(uint32_t, program->n_functions),
    };

    for (uint32_t i = 0; i < program->n_functions; i++) {
        f.via[i] = SA_NONE;
    }
    find_called(&f);
    find_dependent(&f);

    struct sa_procedures *ps = collect(&f);
    g_free(f.called);
    g_free(f.in_loop);
    g_free(f.dependent);
    g_free(f.via);
    return ps;
}

void
sa_procedures_destroy(struct sa_procedures *ps)
{
    if (ps) {
        for (size_t i = 0; i < ps->n_procedures; i++) {
            g_free(ps->procedures[i].why.reasons);
        }
        g_string_chunk_free(ps->private->strings);
        g_free(ps->private->index);
        g_free(ps->private);
        g_free(ps->procedures);
        g_free(ps->functions);
        g_free(ps);
    }
}

/* Whether an instruction is in a state procedure all of which counts that may
 * be executed. */
static bool
is_inside(const struct sa_procedures *ps, uint32_t insn)
{
    uint32_t f = ps->private->program->insns[insn].function;
    uint32_t index = ps->private->index[f];
    const struct sa_procedure *procedure
        = index ? &ps->procedures[index - 1] : NULL;

    return procedure && (procedure->called || procedure->data_dependent);
}

static bool
may_execute(const struct sa_procedures *ps, uint32_t insn)
{
    return sa_feasible_has_block(ps->private->feasible,
                                 ps->private->program->insns[insn].block);
}

bool
sa_procedures_has_insn(const struct sa_procedures *ps, uint32_t insn)
{
    return ((is_inside(ps, insn) && may_execute(ps, insn))
            || sa_loops_has_insn(ps->private->loops, insn));
}

bool
sa_procedures_skips_insn(const struct sa_procedures *ps, uint32_t insn)
{
    return is_inside(ps, insn) && !sa_procedures_has_insn(ps, insn);
}
