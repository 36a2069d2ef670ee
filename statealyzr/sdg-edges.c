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

#include "sdg-private.h"

#include "call.h"
#include "control.h"

/* Collects the edges of the system dependence graph (sdg.h), instruction by
 * instruction. */

struct builder {
    const struct sa_sdg *sdg;
    const struct sa_program *program;
    GArray *edges;
    bool *read_used, *write_used;       /* Sets that have a vertex. */
};

static void
add_edge(struct builder *b, uint32_t from, uint32_t to,
         enum sa_edge_kind kind, enum sa_dep dep)
{
    if (from != SA_NONE && to != SA_NONE && from != to) {
        struct sa_new_edge edge = { from, to, kind, dep };
        g_array_append_val(b->edges, edge);
    }
}

uint32_t
sa_sdg_definition(const struct sa_sdg *sdg, LLVMValueRef value)
{
    if (LLVMIsAInstruction(value)) {
        uint32_t insn = sa_insn_id(sdg->program, value);
        return insn == SA_NONE ? SA_NONE
               : sdg->calls[insn] == SA_NONE ? insn
               : sdg->calls[insn];
    } else if (LLVMIsAArgument(value)) {
        uint32_t f = sa_function_id(sdg->program, LLVMGetParamParent(value));
        uint32_t id = sa_value_id(sdg->program, value);
        if (f != SA_NONE && id != SA_NONE) {
            return sa_sdg_formal(sdg, f,
                                 id - sdg->program->functions[f].first_param);
        }
    }
    return SA_NONE;
}

static void
add_operand(struct builder *b, LLVMValueRef insn, unsigned int operand,
            uint32_t to, enum sa_dep dep)
{
    add_edge(b, sa_sdg_definition(b->sdg, LLVMGetOperand(insn, operand)), to,
             SA_EDGE_INSIDE, dep);
}

/* Memory. */

/* The vertex from which what is in the nodes of 'set' is read, or to which it
 * is written: of the set, or of its only node. */
static uint32_t
set_vertex(struct builder *b, uint32_t set, bool write)
{
    struct sa_nodes nodes = sa_modref_set(b->sdg->modref, set);

    if (!nodes.n) {
        return SA_NONE;
    } else if (nodes.n == 1) {
        return b->sdg->first_node + nodes.ids[0];
    } else if (write) {
        b->write_used[set] = true;
        return b->sdg->first_write_set + set;
    } else {
        b->read_used[set] = true;
        return b->sdg->first_read_set + set;
    }
}

static void
add_memory(struct builder *b, uint32_t vertex, uint32_t read_set,
           uint32_t write_set)
{
    add_edge(b, set_vertex(b, read_set, false), vertex, SA_EDGE_MEMORY,
             SA_DEP_VALUE);
    add_edge(b, vertex, set_vertex(b, write_set, true), SA_EDGE_MEMORY,
             SA_DEP_VALUE);
}

static void
add_sets(struct builder *b)
{
    const struct sa_sdg *sdg = b->sdg;

    for (uint32_t set = 0; set < sa_modref_n_sets(sdg->modref); set++) {
        struct sa_nodes nodes = sa_modref_set(sdg->modref, set);
        for (uint32_t i = 0; i < nodes.n; i++) {
            uint32_t node = sdg->first_node + nodes.ids[i];
            if (b->read_used[set]) {
                add_edge(b, node, sdg->first_read_set + set, SA_EDGE_MEMORY,
                         SA_DEP_VALUE);
            }
            if (b->write_used[set]) {
                add_edge(b, sdg->first_write_set + set, node, SA_EDGE_MEMORY,
                         SA_DEP_VALUE);
            }
        }
    }
}

/* Calls. */

/* Whether the value of pointer argument 'arg' may be what library function
 * 'name' returns or keeps, or only where it reads and writes. */
static bool
library_hands_on(const struct sa_sdg *sdg, const char *name, int arg)
{
    const struct sa_library_call *l = sa_tables_library(sdg->tables, name);

    if (!l) {
        return !g_str_has_prefix(name, "llvm.")
               && !sa_tables_packet_read(sdg->tables, name);
    }
    for (size_t i = 0; i < l->n_effects; i++) {
        const struct sa_effect *e = &l->effects[i];
        if ((e->kind == SA_EFFECT_ASSIGN || e->kind == SA_EFFECT_STORE
             || e->kind == SA_EFFECT_STORE_STATIC)
            && (e->from == arg || e->from == SA_VARARGS)) {
            return true;
        }
    }
    return false;
}

/* What library functions do with the arguments of a call. */
static void
add_library_arguments(struct builder *b, uint32_t insn, LLVMValueRef call,
                      const uint32_t *callees, uint32_t n_callees)
{
    unsigned int n_args = LLVMGetNumArgOperands(call);

    for (unsigned int arg = 0; arg < n_args; arg++) {
        LLVMTypeRef type = LLVMTypeOf(LLVMGetOperand(call, arg));
        bool value = LLVMGetTypeKind(type) != LLVMPointerTypeKind
                     || !n_callees;
        for (uint32_t i = 0; i < n_callees && !value; i++) {
            const struct sa_function *f = &b->program->functions[callees[i]];
            value = !f->defined && library_hands_on(b->sdg, f->name, arg);
        }
        add_operand(b, call, arg, insn,
                    value ? SA_DEP_VALUE : SA_DEP_ADDRESS);
    }
}

/* The call of 'callee', a function of the program, with the arguments of the
 * call. */
static void
add_call(struct builder *b, uint32_t insn, LLVMValueRef call, uint32_t callee)
{
    const struct sa_sdg *sdg = b->sdg;
    const struct sa_function *f = &b->program->functions[callee];
    unsigned int n_args = LLVMGetNumArgOperands(call);

    for (unsigned int i = 0; i < n_args; i++) {
        uint32_t formal = sa_sdg_formal(sdg, callee, MIN(i, f->n_params));
        add_edge(b, sa_sdg_actual(sdg, insn, i), formal, SA_EDGE_DOWN,
                 SA_DEP_VALUE);
    }
    add_edge(b, insn, sa_sdg_entry(sdg, callee), SA_EDGE_DOWN,
             SA_DEP_CONTROL);
    add_edge(b, sa_sdg_return(sdg, callee), sdg->calls[insn], SA_EDGE_UP,
             SA_DEP_VALUE);
}

/* Whether a library function that is called uses what functions that it calls
 * back return. */
static bool
uses_results(const struct sa_sdg *sdg, uint32_t insn)
{
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(sdg->pta, insn, &n);

    for (uint32_t i = 0; i < n; i++) {
        const struct sa_library_call *l = sa_tables_library(
            sdg->tables, sdg->program->functions[callees[i]].name);
        for (size_t j = 0; l && j < l->n_effects; j++) {
            const struct sa_effect *e = &l->effects[j];
            if (e->kind == SA_EFFECT_CALL && !e->later) {
                return true;
            }
        }
    }
    return false;
}

uint32_t
sa_sdg_result_of(const struct sa_sdg *sdg, uint32_t call, uint32_t callee)
{
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(sdg->pta, call, &n);

    for (uint32_t i = 0; i < n; i++) {
        if (callees[i] == callee) {
            return sdg->calls[call];
        }
    }
    return uses_results(sdg, call) ? call : SA_NONE;
}

/* Hands the arguments that effect 'e' says to a function called back. */
static void
add_callback_arguments(struct builder *b, uint32_t insn, LLVMValueRef call,
                       uint32_t callback, const struct sa_effect *e)
{
    const struct sa_sdg *sdg = b->sdg;
    const struct sa_function *f = &b->program->functions[callback];
    int n_args = LLVMGetNumArgOperands(call);

    for (uint32_t i = 0; i < f->n_params; i++) {
        const struct sa_effect_arg *a = i < e->n_args ? &e->args[i] : NULL;
        uint32_t formal = sa_sdg_formal(sdg, callback, i);
        if (a && a->arg >= 0 && a->arg < n_args && !a->deref) {
            add_edge(b, sa_sdg_actual(sdg, insn, a->arg), formal,
                     SA_EDGE_DOWN, SA_DEP_VALUE);
        } else if (!a || !a->name) {
            add_edge(b, insn, formal, SA_EDGE_DOWN, SA_DEP_VALUE);
        }
    }
}

/* The call of a function of the program by library functions. */
static void
add_callback(struct builder *b, uint32_t insn, LLVMValueRef call,
             uint32_t callback, const uint32_t *callees, uint32_t n_callees)
{
    const struct sa_sdg *sdg = b->sdg;
    bool known = false;

    for (uint32_t i = 0; i < n_callees; i++) {
        const struct sa_library_call *l = sa_tables_library(
            sdg->tables, b->program->functions[callees[i]].name);
        for (size_t j = 0; l && j < l->n_effects; j++) {
            if (l->effects[j].kind == SA_EFFECT_CALL) {
                add_callback_arguments(b, insn, call, callback,
                                       &l->effects[j]);
                known = true;
            }
        }
    }
    if (!known) {
        struct sa_effect none = { .kind = SA_EFFECT_CALL };
        add_callback_arguments(b, insn, call, callback, &none);
    }
    add_edge(b, insn, sa_sdg_entry(sdg, callback), SA_EDGE_DOWN,
             SA_DEP_CONTROL);
    if (uses_results(sdg, insn)) {
        add_edge(b, sa_sdg_return(sdg, callback), insn, SA_EDGE_UP,
                 SA_DEP_VALUE);
    }
}

static void
add_call_insn(struct builder *b, uint32_t insn, LLVMValueRef call)
{
    const struct sa_sdg *sdg = b->sdg;
    uint32_t n_callees, n_callbacks, n_copies, n_all;
    const uint32_t *callees = sa_pta_callees(sdg->pta, insn, &n_callees);
    const uint32_t *callbacks = sa_pta_callbacks(sdg->pta, insn,
                                                 &n_callbacks);
    const struct sa_copy *copies = sa_modref_copies(sdg->modref, insn,
                                                    &n_copies);
    uint32_t target = sa_sdg_definition(sdg, LLVMGetCalledValue(call));
    uint32_t result = sdg->calls[insn];
    bool library = !n_callees;

    /* Which function is called. */
    add_edge(b, target, insn, SA_EDGE_INSIDE, SA_DEP_ADDRESS);
    if (target != SA_NONE) {
        add_edge(b, insn, result, SA_EDGE_INSIDE, SA_DEP_ADDRESS);
    }

    if (result != SA_NONE) {
        unsigned int n_args = LLVMGetNumArgOperands(call);
        for (unsigned int i = 0; i < n_args; i++) {
            add_operand(b, call, i, result + 1 + i, SA_DEP_VALUE);
        }
    }
    for (uint32_t i = 0; i < n_callees; i++) {
        if (b->program->functions[callees[i]].defined) {
            add_call(b, insn, call, callees[i]);
        } else {
            library = true;
        }
    }
    for (uint32_t i = 0; i < n_callbacks; i++) {
        if (b->program->functions[callbacks[i]].defined) {
            add_callback(b, insn, call, callbacks[i], callees, n_callees);
        }
    }
    if (library) {
        add_library_arguments(b, insn, call, callees, n_callees);
        add_edge(b, insn, result, SA_EDGE_INSIDE, SA_DEP_VALUE);
    }

    if (n_copies && n_callees == 1) {
        const struct sa_copy *all = sa_modref_all_copies(sdg->modref, &n_all);
        uint32_t first = sdg->first_copy + (copies - all);
        for (uint32_t i = 0; i < n_copies; i++) {
            add_memory(b, first + i, copies[i].read_set,
                       copies[i].write_set);
            add_edge(b, insn, first + i, SA_EDGE_INSIDE, SA_DEP_ADDRESS);
        }
    } else {
        add_memory(b, insn, sa_modref_read_set(sdg->modref, insn),
                   sa_modref_write_set(sdg->modref, insn));
    }
}

/* Other instructions. */

/* Which of its operands a phi is depends on where control came from. */
static void
add_phi(struct builder *b, uint32_t insn, LLVMValueRef phi)
{
    unsigned int n = LLVMCountIncoming(phi);

    for (unsigned int i = 0; i < n; i++) {
        LLVMBasicBlockRef from = LLVMGetIncomingBlock(phi, i);
        LLVMValueRef end = LLVMGetBasicBlockTerminator(from);
        uint32_t value = sa_sdg_definition(b->sdg,
                                           LLVMGetIncomingValue(phi, i));
        add_edge(b, value, insn, SA_EDGE_INSIDE, SA_DEP_VALUE);
        add_edge(b, sa_sdg_block(b->sdg, sa_block_id(b->program, from)), insn,
                 SA_EDGE_INSIDE, SA_DEP_CONTROL);
        if (end && LLVMGetNumSuccessors(end) > 1) {
            add_edge(b, sa_insn_id(b->program, end), insn, SA_EDGE_INSIDE,
                     SA_DEP_CONTROL);
        }
    }
}

/* How instruction 'opcode' depends on its operand 'i'. */
static enum sa_dep
operand_dep(LLVMOpcode opcode, unsigned int i)
{
    switch (opcode) {
    case LLVMLoad:
    case LLVMAtomicRMW:
    case LLVMAtomicCmpXchg:
    case LLVMVAArg:
        return i == 0 ? SA_DEP_ADDRESS : SA_DEP_VALUE;
    case LLVMStore:
        return i == 1 ? SA_DEP_ADDRESS : SA_DEP_VALUE;
    case LLVMSelect:
        return i == 0 ? SA_DEP_CONTROL : SA_DEP_VALUE;
    default:
        return SA_DEP_VALUE;
    }
}

static void
add_insn(struct builder *b, uint32_t insn)
{
    const struct sa_sdg *sdg = b->sdg;
    const struct sa_insn *i = &b->program->insns[insn];

    add_edge(b, sa_sdg_block(sdg, i->block), insn, SA_EDGE_INSIDE,
             SA_DEP_CONTROL);
    if (sa_is_call(i->opcode)) {
        add_call_insn(b, insn, i->value);
        return;
    } else if (i->opcode == LLVMPHI) {
        add_phi(b, insn, i->value);
        return;
    }

    unsigned int n = LLVMGetNumOperands(i->value);
    for (unsigned int j = 0; j < n; j++) {
        add_operand(b, i->value, j, insn, operand_dep(i->opcode, j));
    }
    if (i->opcode == LLVMRet) {
        add_edge(b, insn, sa_sdg_return(sdg, i->function), SA_EDGE_INSIDE,
                 SA_DEP_VALUE);
    }
    add_memory(b, insn, sa_modref_read_set(sdg->modref, insn),
               sa_modref_write_set(sdg->modref, insn));
}

static void
add_control(struct builder *b)
{
    const struct sa_program *p = b->program;
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));

    for (uint32_t f = 0; f < p->n_functions; f++) {
        g_array_set_size(pairs, 0);
        if (p->functions[f].defined) {
            sa_control_dependences(p, f, pairs);
        }
        for (guint i = 0; i < pairs->len; i++) {
            struct sa_pair *pair = &g_array_index(pairs, struct sa_pair, i);
            uint32_t from = sa_sdg_entry(b->sdg, f);
            if (pair->from != SA_NONE) {
                const struct sa_block *block = &p->blocks[pair->from];
                from = block->first_insn + block->n_insns - 1;
            }
            add_edge(b, from, sa_sdg_block(b->sdg, pair->to), SA_EDGE_INSIDE,
                     SA_DEP_CONTROL);
        }
    }
    g_array_free(pairs, TRUE);
}

/* Variable arguments go where va_start() leads. */
static void
add_variable_arguments(struct builder *b, uint32_t insn)
{
    const struct sa_insn *i = &b->program->insns[insn];
    const struct sa_function *f = &b->program->functions[i->function];

    if (f->variadic && sa_is_call(i->opcode)) {
        LLVMValueRef called = LLVMGetCalledValue(i->value);
        size_t length;
        if (LLVMIsAFunction(called)
            && g_str_has_prefix(LLVMGetValueName2(called, &length),
                                "llvm.va_start")) {
            add_edge(b, sa_sdg_formal(b->sdg, i->function, f->n_params), insn,
                     SA_EDGE_INSIDE, SA_DEP_VALUE);
        }
    }
}

void
sa_sdg_collect_edges(const struct sa_sdg *sdg, GArray *edges)
{
    uint32_t n_sets = sa_modref_n_sets(sdg->modref);
    struct builder b = {
        .sdg = sdg,
        .program = sdg->program,
        .edges = edges,
        .read_used = g_new0(bool, n_sets),
        .write_used = g_new0(bool, n_sets),
    };

    for (uint32_t insn = 0; insn < sdg->program->n_insns; insn++) {
        add_insn(&b, insn);
        add_variable_arguments(&b, insn);
    }
    add_sets(&b);
    add_control(&b);
    g_free(b.read_used);
    g_free(b.write_used);
}
