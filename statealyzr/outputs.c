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

#include "outputs.h"

#include <string.h>

#include "call.h"
#include "descriptors.h"
#include "modref.h"
#include "procedures.h"
#include "pta.h"
#include "sdg.h"
#include "slice.h"
#include "tables.h"

/* Descriptors that write() sends packets to, and those that it logs to. */
static const char *const packet_sources[] = {
    "socket", "accept", "accept4", "open:/dev/net/tun", "open64:/dev/net/tun",
    "open:/dev/tun", "open:/dev/tap", NULL
};
static const char *const log_sources[] = {
    "open", "open64", "creat", "openat", "socket:any", NULL
};

struct sa_outputs {
    const struct sa_analysis *a;
    const struct sa_state *state;
    GArray *outputs;            /* struct sa_output. */
    GPtrArray *slices;          /* By output. */
};

static int
compare_outputs(gconstpointer a_, gconstpointer b_)
{
    const struct sa_output *a = a_, *b = b_;
    int cmp = strcmp(b->kind, a->kind);     /* "packet" before "log". */
    return cmp ? cmp : strcmp(a->function, b->function);
}

static void
add_call(struct sa_outputs *outputs, const char *function, const char *kind,
         uint32_t insn)
{
    for (guint i = 0; i < outputs->outputs->len; i++) {
        struct sa_output *o = &g_array_index(outputs->outputs,
                                             struct sa_output, i);
        if (!strcmp(o->function, function) && !strcmp(o->kind, kind)) {
            g_array_append_val(o->calls, insn);
            return;
        }
    }
    struct sa_output o = {
        function, kind, g_array_new(FALSE, FALSE, sizeof(uint32_t))
    };
    g_array_append_val(o.calls, insn);
    g_array_append_val(outputs->outputs, o);
}

/* The kind of output that a call is, or NULL: one that takes a descriptor is
 * what the descriptor is of. */
static const char *
kind_of_call(struct sa_descriptors *descriptors,
             const struct sa_output_call *output, LLVMValueRef call,
             uint32_t insn)
{
    if (output->descriptor < 0) {
        return output->kind;
    }
    if (sa_descriptor_source(descriptors, insn, output->descriptor,
                             packet_sources) != SA_NONE) {
        return "packet";
    }
    uint64_t fd;
    if (sa_call_constant(call, output->descriptor, &fd)) {
        return fd == 1 || fd == 2 ? "log" : NULL;
    }
    return sa_descriptor_source(descriptors, insn, output->descriptor,
                                log_sources) != SA_NONE ? "log" : NULL;
}

static void
find_calls(struct sa_outputs *outputs)
{
    const struct sa_analysis *a = outputs->a;
    struct sa_descriptors *descriptors = sa_descriptors_create(
        a->program, a->pta, a->sdg);
    for (uint32_t i = 0; i < a->program->n_insns; i++) {
        const struct sa_insn *insn = &a->program->insns[i];
        if (!sa_is_call(insn->opcode)
            || !sa_procedures_has_insn(a->procedures, i)) {
            continue;
        }
        uint32_t n;
        const uint32_t *callees = sa_pta_callees(a->pta, i, &n);
        for (uint32_t j = 0; j < n; j++) {
            const struct sa_function *f = &a->program->functions[callees[j]];
            const struct sa_output_call *output
                = sa_tables_output(a->tables, f->source_name);
            const char *kind = output ? kind_of_call(descriptors, output,
                                                     insn->value, i) : NULL;
            if (kind) {
                add_call(outputs, f->source_name, kind, i);
            }
        }
    }
    sa_descriptors_destroy(descriptors);
    g_array_sort(outputs->outputs, compare_outputs);
}

static void
add_seed(GArray *seeds, uint32_t vertex)
{
    if (vertex != SA_NONE) {
        g_array_append_val(seeds, vertex);
    }
}

static struct sa_slice *
slice_from(const struct sa_outputs *outputs, const struct sa_output *o)
{
    const struct sa_analysis *a = outputs->a;
    GArray *seeds = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (guint i = 0; i < o->calls->len; i++) {
        uint32_t insn = g_array_index(o->calls, uint32_t, i);
        LLVMValueRef call = a->program->insns[insn].value;
        add_seed(seeds, sa_sdg_insn(a->sdg, insn));
        for (unsigned int j = 0; j < LLVMGetNumArgOperands(call); j++) {
            add_seed(seeds, sa_sdg_actual(a->sdg, insn, j));
        }
    }
    struct sa_slice_options options = {
        .dep = SA_DEP_CONTROL, .functions = a->procedures->functions
    };
    struct sa_slice *slice = sa_slice_backward(
        a->sdg, (const uint32_t *) seeds->data, seeds->len, &options);
    g_array_unref(seeds);
    return slice;
}

struct sa_outputs *
sa_outputs_run(const struct sa_analysis *a, const struct sa_state *state)
{
    struct sa_outputs *outputs = g_new0(struct sa_outputs, 1);
    outputs->a = a;
    outputs->state = state;
    outputs->outputs = g_array_new(FALSE, TRUE, sizeof(struct sa_output));
    outputs->slices = g_ptr_array_new();
    find_calls(outputs);
    for (guint i = 0; i < outputs->outputs->len; i++) {
        g_ptr_array_add(outputs->slices,
                        slice_from(outputs,
                                   &g_array_index(outputs->outputs,
                                                  struct sa_output, i)));
    }
    return outputs;
}

void
sa_outputs_destroy(struct sa_outputs *outputs)
{
    if (outputs) {
        for (guint i = 0; i < outputs->outputs->len; i++) {
            g_array_unref(g_array_index(outputs->outputs, struct sa_output,
                                        i).calls);
            sa_slice_destroy(outputs->slices->pdata[i]);
        }
        g_array_unref(outputs->outputs);
        g_ptr_array_free(outputs->slices, TRUE);
        g_free(outputs);
    }
}

const struct sa_output *
sa_outputs_list(const struct sa_outputs *outputs, size_t *n)
{
    *n = outputs->outputs->len;
    return (const struct sa_output *) outputs->outputs->data;
}

/* Whether an instruction reads memory of a variable. */
static bool
reads_variable(const struct sa_outputs *outputs, uint32_t insn,
               const struct sa_state_variable *v)
{
    struct sa_nodes reads = sa_modref_reads(outputs->a->modref, insn);
    for (guint i = 0; i < v->nodes->len; i++) {
        uint32_t node = g_array_index(v->nodes, uint32_t, i);
        uint32_t low = 0, high = reads.n;
        while (low < high) {
            uint32_t mid = low + (high - low) / 2;
            if (reads.ids[mid] < node) {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        if (low < reads.n && reads.ids[low] == node) {
            return true;
        }
    }
    return false;
}

bool
sa_outputs_influences(const struct sa_outputs *outputs, uint32_t variable,
                      size_t output, uint32_t *insn)
{
    const struct sa_analysis *a = outputs->a;
    const struct sa_state_variable *v = sa_state_variable(outputs->state,
                                                          variable);
    const struct sa_slice *slice = outputs->slices->pdata[output];
    *insn = SA_NONE;
    if (!v->nodes->len && v->value != SA_NONE) {
        uint32_t vertex = sa_sdg_value(a->sdg, v->value);
        if (vertex == SA_NONE || !sa_slice_has(slice, vertex)) {
            return false;
        }
        *insn = sa_insn_id(a->program, a->program->values[v->value]);
        return true;
    }
    for (guint i = 0; i < v->uses->len; i++) {
        uint32_t use = g_array_index(v->uses, uint32_t, i);
        if (sa_slice_has_insn(slice, use) && reads_variable(outputs, use, v)) {
            *insn = use;
            return true;
        }
    }
    return false;
}
