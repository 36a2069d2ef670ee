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

#include "result.h"

#include <glib.h>
#include <string.h>

#include "analysis.h"
#include "containers.h"
#include "feasible.h"
#include "flow-space.h"
#include "outputs.h"
#include "packet.h"
#include "procedures.h"
#include "pta.h"
#include "state.h"
#include "unmovable.h"

/* So many places are shown for a verdict. */
#define MAX_PLACES 5

struct sa_result_private {
    GStringChunk *strings;
    GPtrArray *arrays;          /* To g_free(). */
};

/* What a result is made from. */
struct maker {
    const struct sa_analysis *a;
    struct sa_result *r;
    struct sa_state *state;
    struct sa_packet *packet;
    struct sa_containers *containers;
    struct sa_flow_space *flow_space;
    struct sa_outputs *outputs;
    struct sa_unmovable *unmovable;
};

static const char *
keep(struct maker *m, const char *s)
{
    return g_string_chunk_insert(m->r->private->strings, s ? s : "");
}

/* A zeroed array that the result owns. */
static void *
keep_array(struct maker *m, size_t n, size_t size)
{
    void *array = g_malloc0_n(n + 1, size);
    g_ptr_array_add(m->r->private->arrays, array);
    return array;
}

static struct sa_reasons
keep_reasons(struct maker *m, const struct sa_reason *reasons, size_t n)
{
    struct sa_reasons kept = { keep_array(m, n, sizeof *reasons), n };
    for (size_t i = 0; i < n; i++) {
        kept.reasons[i].loc = reasons[i].loc;
        kept.reasons[i].text = keep(m, reasons[i].text);
    }
    return kept;
}

/* Reasons out of instructions, one for each line, up to MAX_PLACES; those
 * without a line of their own count only if none has one. */
static struct sa_reasons
reasons_of_insns(struct maker *m, const GArray *insns,
                 const char *(*text)(struct maker *, uint32_t insn))
{
    struct sa_reason found[MAX_PLACES];
    size_t n = 0;
    for (guint i = 0; i < insns->len && n < MAX_PLACES; i++) {
        uint32_t insn = g_array_index(insns, uint32_t, i);
        struct sa_loc loc = sa_insn_loc(m->a->program, insn);
        bool known = !loc.line;
        for (size_t j = 0; j < n; j++) {
            known |= (found[j].loc.line == loc.line
                      && !strcmp(found[j].loc.file, loc.file));
        }
        if (!known) {
            found[n++] = (struct sa_reason) { loc, text(m, insn) };
        }
    }
    if (!n && insns->len) {
        /* None has a place in the source, but their functions have. */
        uint32_t insn = g_array_index(insns, uint32_t, 0);
        const struct sa_program *p = m->a->program;
        found[n++] = (struct sa_reason) {
            p->functions[p->insns[insn].function].loc, text(m, insn)
        };
    }
    return keep_reasons(m, found, n);
}

static const char *
function_name(const struct maker *m, uint32_t insn)
{
    const struct sa_program *p = m->a->program;
    return p->functions[p->insns[insn].function].source_name;
}

static const char *
use_text(struct maker *m, uint32_t insn)
{
    char *s = g_strdup_printf("used here, in %s()", function_name(m, insn));
    const char *kept = keep(m, s);
    g_free(s);
    return kept;
}

/* How an instruction that writes a variable names it. */
static const char *
write_text(struct maker *m, uint32_t insn)
{
    const struct sa_insn *i = &m->a->program->insns[insn];
    const char *how = "computed";
    if (i->opcode == LLVMStore) {
        LLVMValueRef pointer = LLVMGetOperand(i->value, 1);
        for (int k = 0; k < 64 && LLVMIsAGetElementPtrInst(pointer); k++) {
            pointer = LLVMGetOperand(pointer, 0);
        }
        how = (LLVMIsAGlobalVariable(pointer) || LLVMIsAAllocaInst(pointer)
               || LLVMIsAConstantExpr(pointer)
               ? "written" : "written through a pointer");
    } else if (LLVMIsACallInst(i->value)) {
        how = "written by the function called";
    }
    char *s = g_strdup_printf("%s here, in %s()", how,
                              function_name(m, insn));
    const char *kept = keep(m, s);
    g_free(s);
    return kept;
}

/* Why an instruction of a state procedure does not write a variable. */
static const char *
skipped_text(struct maker *m, uint32_t insn)
{
    char *params = sa_feasible_params(m->a->feasible,
                                      m->a->program->insns[insn].function);
    char *s = g_strdup_printf("%s, but not when called while the loop "
                              "runs%s%s", write_text(m, insn),
                              *params ? ": " : "", params);
    const char *kept = keep(m, s);
    g_free(s);
    g_free(params);
    return kept;
}

static void
fill_procedures(struct maker *m)
{
    const struct sa_procedures *ps = m->a->procedures;
    m->r->n_procedures = ps->n_procedures;
    m->r->procedures = keep_array(m, ps->n_procedures,
                                  sizeof *m->r->procedures);
    for (size_t i = 0; i < ps->n_procedures; i++) {
        const struct sa_procedure *p = &ps->procedures[i];
        const struct sa_function *f = &m->a->program->functions[p->function];
        m->r->procedures[i] = (struct sa_result_procedure) {
            .name = f->source_name,
            .loc = f->loc,
            .called = p->called,
            .data_dependent = p->data_dependent,
            .why = keep_reasons(m, p->why.reasons, p->why.n),
        };
    }
}

static void
fill_outputs(struct maker *m)
{
    size_t n;
    const struct sa_output *outputs = sa_outputs_list(m->outputs, &n);
    m->r->n_outputs = n;
    m->r->outputs = keep_array(m, n, sizeof *m->r->outputs);
    for (size_t i = 0; i < n; i++) {
        struct sa_result_output *o = &m->r->outputs[i];
        o->function = outputs[i].function;
        o->kind = outputs[i].kind;
        o->n_calls = outputs[i].calls->len;
        o->calls = keep_array(m, o->n_calls, sizeof *o->calls);
        for (size_t j = 0; j < o->n_calls; j++) {
            o->calls[j] = sa_insn_loc(
                m->a->program,
                g_array_index(outputs[i].calls, uint32_t, j));
        }
    }
}

static void
fill_allocators(struct maker *m, struct sa_result_structure *s,
                const GArray *allocations)
{
    s->allocators = keep_array(m, allocations->len, sizeof *s->allocators);
    for (guint i = 0; i < allocations->len; i++) {
        uint32_t insn = g_array_index(allocations, uint32_t, i);
        struct sa_loc loc = sa_insn_loc(m->a->program, insn);
        char *text = g_strdup_printf("%s:%u %s()", loc.file, loc.line,
                                     function_name(m, insn));
        bool known = false;
        for (size_t j = 0; j < s->n_allocators; j++) {
            known |= !strcmp(s->allocators[j], text);
        }
        if (!known) {
            s->allocators[s->n_allocators++] = keep(m, text);
        }
        g_free(text);
    }
}

static void
fill_structure(struct maker *m, uint32_t index)
{
    const struct sa_structure *st = sa_state_structure(m->state, index);
    const struct sa_container *c = sa_containers_get(m->containers, index);
    const struct sa_flow_class *class = sa_flow_space_structure(m->flow_space,
                                                                index);
    struct sa_result_structure *s = &m->r->structures[index];
    s->name = keep(m, st->name);
    s->type = st->type;
    s->size = st->size;
    s->container = c->kind;
    s->container_path = keep(m, c->path);
    s->class = SA_CLASS_NONE;
    for (guint i = 0; i < st->variables->len; i++) {
        uint32_t v = g_array_index(st->variables, uint32_t, i);
        if (sa_state_variable(m->state, v)->updateable) {
            s->class = class->class;
        }
    }
    if (s->class != SA_CLASS_NONE) {
        s->key_fields = class->fields;
        s->why_class = keep_reasons(
            m, (const struct sa_reason *) class->reasons->data,
            class->reasons->len);
    }

    s->n_keys = class->keys->len;
    s->keys = keep_array(m, s->n_keys, sizeof *s->keys);
    for (size_t i = 0; i < s->n_keys; i++) {
        s->keys[i] = g_array_index(class->keys, struct sa_key, i);
        s->keys[i].path = keep(m, s->keys[i].path);
        s->keys[i].why = keep_reasons(m, s->keys[i].why.reasons,
                                      s->keys[i].why.n);
    }
    s->n_links = c->links->len;
    s->links = keep_array(m, s->n_links, sizeof *s->links);
    for (size_t i = 0; i < s->n_links; i++) {
        s->links[i] = g_array_index(c->links, struct sa_link, i);
        s->links[i].path = keep(m, s->links[i].path);
    }
    s->n_buffers = c->buffers->len;
    s->buffers = keep_array(m, s->n_buffers, sizeof *s->buffers);
    for (size_t i = 0; i < s->n_buffers; i++) {
        s->buffers[i] = g_array_index(c->buffers, struct sa_buffer, i);
        s->buffers[i].path = keep(m, s->buffers[i].path);
        s->buffers[i].length_path = keep(m, s->buffers[i].length_path);
    }
    fill_allocators(m, s, c->allocations);
}

static void
fill_variable_outputs(struct maker *m, uint32_t index)
{
    struct sa_result_variable *r = &m->r->variables[index];
    r->outputs = keep_array(m, m->r->n_outputs, sizeof *r->outputs);
    struct sa_reason *reasons = g_new0(struct sa_reason, m->r->n_outputs + 1);
    for (size_t i = 0; i < m->r->n_outputs; i++) {
        uint32_t insn;
        if (!sa_outputs_influences(m->outputs, index, i, &insn)) {
            continue;
        }
        char *text = g_strdup_printf("read here on the way to %s()",
                                     m->r->outputs[i].function);
        reasons[r->n_outputs] = (struct sa_reason) {
            insn == SA_NONE ? (struct sa_loc) { "", 0, 0 }
            : sa_insn_loc(m->a->program, insn), keep(m, text)
        };
        g_free(text);
        r->outputs[r->n_outputs++] = i;
    }
    r->why_outputs = keep_reasons(m, reasons, r->n_outputs);
    g_free(reasons);
}

static void
fill_variable(struct maker *m, uint32_t index)
{
    const struct sa_state_variable *v = sa_state_variable(m->state, index);
    const struct sa_flow_class *class = sa_flow_space_variable(m->flow_space,
                                                               index);
    struct sa_result_variable *r = &m->r->variables[index];
    *r = (struct sa_result_variable) {
        .name = keep(m, v->name),
        .storage = v->storage,
        .loc = v->loc,
        .type = v->type,
        .offset = v->offset,
        .size = v->size,
        .n_elements = v->n_elements,
        .symbol = keep(m, v->symbol),
        .structure = v->structure == SA_NONE ? SIZE_MAX : v->structure,
        .persistent = true,
        .top_level = v->top_level,
        .updateable = v->updateable,
        .class = class->class,
        .key_fields = class->fields,
        .unmovable = sa_unmovable_why(m->unmovable, index),
        .n_leads_to = v->leads_to->len,
    };
    r->leads_to = keep_array(m, r->n_leads_to, sizeof *r->leads_to);
    for (guint i = 0; i < v->leads_to->len; i++) {
        r->leads_to[i] = g_array_index(v->leads_to, uint32_t, i);
    }
    if (v->top_level) {
        r->why_top_level = reasons_of_insns(m, v->uses, use_text);
    }
    if (v->updateable) {
        r->why_updateable = reasons_of_insns(m, v->writes, write_text);
        r->why_class = keep_reasons(
            m, (const struct sa_reason *) class->reasons->data,
            class->reasons->len);
        fill_variable_outputs(m, index);
    } else {
        r->why_not_updateable = reasons_of_insns(m, v->skipped, skipped_text);
    }
}

/* Distinct variables of the source and lines that have code. */
static void
count_source(struct maker *m)
{
    const struct sa_program *p = m->a->program;
    GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             NULL);
    for (uint32_t i = 0; i < p->n_values; i++) {
        const struct sa_variable *v = sa_value_variable(p, i);
        if (v) {
            g_hash_table_add(seen, g_strdup_printf(
                                 "%s:%u:%u:%s", v->loc.file, v->loc.line,
                                 v->function, v->name));
        }
    }
    m->r->n_all_variables = g_hash_table_size(seen);
    for (guint i = 0; i < m->state->variables->len; i++) {
        m->r->n_all_variables += (sa_state_variable(m->state, i)->storage
                                  == SA_STORAGE_HEAP);
    }

    g_hash_table_remove_all(seen);
    for (uint32_t i = 0; i < p->n_insns; i++) {
        struct sa_loc loc = sa_insn_loc(p, i);
        if (loc.line) {
            g_hash_table_add(seen, g_strdup_printf("%s:%u", loc.file,
                                                   loc.line));
        }
    }
    m->r->n_source_lines = g_hash_table_size(seen);
    g_hash_table_destroy(seen);

    m->r->n_insns = p->n_insns;
    for (uint32_t i = 0; i < p->n_functions; i++) {
        m->r->n_functions += p->functions[i].defined;
    }
}

static void G_GNUC_PRINTF(4, 5)
tell(void (*phase)(const char *, const char *, void *), void *aux,
     const char *name, const char *format, ...)
{
    if (phase) {
        va_list args;
        va_start(args, format);
        char *figures = g_strdup_vprintf(format, args);
        va_end(args);
        phase(name, figures, aux);
        g_free(figures);
    }
}

struct sa_result *
sa_result_create(const struct sa_analysis *a,
                 void (*phase)(const char *name, const char *figures,
                               void *aux), void *aux)
{
    struct maker maker = { .a = a, .r = g_new0(struct sa_result, 1) };
    struct maker *m = &maker;
    m->r->private = g_new0(struct sa_result_private, 1);
    m->r->private->strings = g_string_chunk_new(4096);
    m->r->private->arrays = g_ptr_array_new_with_free_func(g_free);

    m->state = sa_state_run(a);
    tell(phase, aux, "state", "%u variables, %u structures",
         m->state->variables->len, m->state->structures->len);
    m->packet = sa_packet_run(a);
    tell(phase, aux, "packet fields", "%s", "");
    m->containers = sa_containers_run(a, m->state, m->packet);
    tell(phase, aux, "containers", "%s", "");
    m->flow_space = sa_flow_space_run(a, m->state, m->packet, m->containers);
    tell(phase, aux, "flow space", "%s", "");
    m->outputs = sa_outputs_run(a, m->state);
    fill_outputs(m);
    tell(phase, aux, "outputs", "%zu functions", m->r->n_outputs);
    m->unmovable = sa_unmovable_run(a, m->state);

    fill_procedures(m);
    m->r->n_structures = m->state->structures->len;
    m->r->structures = keep_array(m, m->r->n_structures,
                                  sizeof *m->r->structures);
    for (uint32_t i = 0; i < m->r->n_structures; i++) {
        fill_structure(m, i);
    }
    m->r->n_variables = m->state->variables->len;
    m->r->variables = keep_array(m, m->r->n_variables,
                                 sizeof *m->r->variables);
    for (uint32_t i = 0; i < m->r->n_variables; i++) {
        fill_variable(m, i);
    }
    count_source(m);

    sa_unmovable_destroy(m->unmovable);
    sa_outputs_destroy(m->outputs);
    sa_flow_space_destroy(m->flow_space);
    sa_containers_destroy(m->containers);
    sa_packet_destroy(m->packet);
    sa_state_destroy(m->state);
    tell(phase, aux, "result", "%s", "");
    return m->r;
}

void
sa_result_destroy(struct sa_result *r)
{
    if (!r) {
        return;
    }
    g_free(r->loops);
    g_free(r->phases);
    g_free(r->warnings);
    if (r->private) {
        g_string_chunk_free(r->private->strings);
        g_ptr_array_free(r->private->arrays, TRUE);
        g_free(r->private);
    }
    g_free(r);
}
