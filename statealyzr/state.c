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

#include "state-private.h"
#include "targets.h"

#include <string.h>

#include "array.h"
#include "members.h"
#include "modref.h"
#include "procedures.h"
#include "pta.h"

struct sa_state_variable *
sa_state_add_variable(struct sa_state *state, char *name,
                      enum sa_storage storage)
{
    struct sa_state_variable v = {
        .name = name,
        .storage = storage,
        .loc = { "", 0, 0 },
        .n_elements = 1,
        .symbol = g_strdup(""),
        .value = SA_NONE,
        .structure = SA_NONE,
        .nodes = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .uses = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .writes = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .skipped = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .leads_to = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    g_array_append_val(state->variables, v);
    return sa_state_variable(state, state->variables->len - 1);
}

void
sa_state_add_object(struct sa_state_variable *v, const struct sa_analysis *a,
                    uint32_t object)
{
    uint32_t n;
    const struct sa_object *o = &sa_pta_objects(a->pta, &n)[object];
    for (uint32_t i = 0; i < o->n_nodes; i++) {
        uint32_t node = o->first_node + i;
        g_array_append_val(v->nodes, node);
    }
}

static void
clear_variable(gpointer v_)
{
    struct sa_state_variable *v = v_;
    g_free(v->name);
    g_free(v->symbol);
    g_array_unref(v->nodes);
    g_array_unref(v->uses);
    g_array_unref(v->writes);
    g_array_unref(v->skipped);
    g_array_unref(v->leads_to);
}

/* Whether an instruction is a memset() of more than one variable. */
static bool
is_bulk_set(const struct sa_analysis *a, const struct sa_state_variable *v,
            uint32_t insn)
{
    const struct sa_insn *i = &a->program->insns[insn];
    if (i->opcode != LLVMCall) {
        return false;
    }
    LLVMValueRef callee = LLVMGetCalledValue(i->value);
    if (!LLVMIsAFunction(callee)) {
        return false;
    }
    size_t n;
    const char *name = LLVMGetValueName2(callee, &n);
    if (!g_str_has_prefix(name, "llvm.memset") && strcmp(name, "memset")
        && strcmp(name, "bzero") && strcmp(name, "explicit_bzero")) {
        return false;
    }
    unsigned int argument = strstr(name, "bzero") ? 1 : 2;
    if (argument >= LLVMGetNumArgOperands(i->value)) {
        return false;
    }
    LLVMValueRef length = LLVMGetOperand(i->value, argument);
    return (!LLVMIsAConstantInt(length)
            || LLVMConstIntGetZExtValue(length) > v->size);
}

/* Bit fields.  Clang reads one by loading the unit and shifting or masking,
 * and writes one by storing the unit "or"ed from the old value, masked, and
 * the new one. */

static uint64_t
all_bits(LLVMTypeRef type)
{
    unsigned int width = LLVMGetIntTypeWidth(type);
    return width >= 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

static bool
constant_operand(LLVMValueRef insn, unsigned int i, uint64_t *value)
{
    LLVMValueRef operand = LLVMGetOperand(insn, i);
    if (!LLVMIsAConstantInt(operand)
        || LLVMGetIntTypeWidth(LLVMTypeOf(operand)) > 64) {
        return false;
    }
    *value = LLVMConstIntGetZExtValue(operand);
    return true;
}

/* The unit's old value as it is kept by a store of a bit field: the mask of
 * what is kept. */
static bool
kept_bits(LLVMValueRef value, LLVMValueRef pointer, uint64_t *mask)
{
    return (LLVMIsAInstruction(value)
            && LLVMGetInstructionOpcode(value) == LLVMAnd
            && LLVMIsALoadInst(LLVMGetOperand(value, 0))
            && LLVMGetOperand(LLVMGetOperand(value, 0), 0) == pointer
            && constant_operand(value, 1, mask));
}

static uint64_t
stored_bits(LLVMValueRef store)
{
    LLVMValueRef value = LLVMGetOperand(store, 0);
    LLVMTypeRef type = LLVMTypeOf(value);
    if (LLVMGetTypeKind(type) != LLVMIntegerTypeKind
        || LLVMGetIntTypeWidth(type) > 64) {
        return UINT64_MAX;
    }
    uint64_t all = all_bits(type), mask;
    if (LLVMIsAInstruction(value)) {
        LLVMOpcode op = LLVMGetInstructionOpcode(value);
        LLVMValueRef pointer = LLVMGetOperand(store, 1);
        if (op == LLVMAnd && kept_bits(value, pointer, &mask)) {
            return all & ~mask;     /* A constant 0. */
        } else if (op == LLVMOr) {
            for (unsigned int i = 0; i < 2; i++) {
                if (kept_bits(LLVMGetOperand(value, i), pointer, &mask)) {
                    return all & ~mask;
                }
            }
        }
    }
    return all;
}

/* Whether 'user', an "and" of a loaded unit, only serves to store a bit field
 * next to what it keeps. */
static bool
only_keeps(LLVMValueRef user, LLVMValueRef pointer)
{
    for (LLVMUseRef use = LLVMGetFirstUse(user); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef u = LLVMGetUser(use);
        if (LLVMIsAInstruction(u) && LLVMGetInstructionOpcode(u) == LLVMOr
            && LLVMGetFirstUse(u)
            && LLVMIsAStoreInst(LLVMGetUser(LLVMGetFirstUse(u)))
            && LLVMGetOperand(LLVMGetUser(LLVMGetFirstUse(u)), 1) == pointer) {
            continue;
        } else if (LLVMIsAStoreInst(u) && LLVMGetOperand(u, 0) == user
                   && LLVMGetOperand(u, 1) == pointer) {
            continue;
        }
        return false;
    }
    return true;
}

/* Bits that a shift to the right, followed by a mask or not, reads. */
static uint64_t
shifted_bits(LLVMValueRef shift, uint64_t all)
{
    uint64_t n, mask;
    if (!constant_operand(shift, 1, &n) || n >= 64) {
        return all;
    }
    uint64_t bits = all & ~((UINT64_C(1) << n) - 1);
    LLVMUseRef use = LLVMGetFirstUse(shift);
    if (use && !LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (LLVMIsAInstruction(user)
            && LLVMGetInstructionOpcode(user) == LLVMAnd
            && constant_operand(user, 1, &mask)) {
            bits &= mask << n;
        }
    }
    return bits;
}

static uint64_t
loaded_bits(LLVMValueRef load)
{
    LLVMTypeRef type = LLVMTypeOf(load);
    if (LLVMGetTypeKind(type) != LLVMIntegerTypeKind
        || LLVMGetIntTypeWidth(type) > 64) {
        return UINT64_MAX;
    }
    uint64_t all = all_bits(type), bits = 0, n;
    for (LLVMUseRef use = LLVMGetFirstUse(load); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        LLVMOpcode op = (LLVMIsAInstruction(user)
                         ? LLVMGetInstructionOpcode(user) : LLVMRet);
        if (op == LLVMAnd && constant_operand(user, 1, &n)) {
            if (!only_keeps(user, LLVMGetOperand(load, 0))) {
                bits |= n & all;
            }
        } else if (op == LLVMLShr || op == LLVMAShr) {
            bits |= shifted_bits(user, all);
        } else if (op == LLVMShl && constant_operand(user, 1, &n) && n < 64) {
            bits |= all >> n;
            LLVMUseRef next = LLVMGetFirstUse(user);
            LLVMValueRef right = next ? LLVMGetUser(next) : NULL;
            uint64_t back;
            if (right && !LLVMGetNextUse(next) && LLVMIsAInstruction(right)
                && LLVMGetInstructionOpcode(right) == LLVMAShr
                && constant_operand(right, 1, &back) && back >= n
                && back < 64) {
                bits &= ~((UINT64_C(1) << (back - n)) - 1);
            }
        } else {
            return all;
        }
    }
    return bits;
}

/* Whether a load or store of a unit of bit fields at 'node' accesses 'v'. */
static bool
accesses_bit_field(const struct sa_analysis *a,
                   const struct sa_state_variable *v, uint32_t node,
                   uint32_t insn)
{
    const struct sa_insn *i = &a->program->insns[insn];
    uint64_t bits;
    if (i->opcode == LLVMStore) {
        bits = stored_bits(i->value);
    } else if (i->opcode == LLVMLoad) {
        bits = loaded_bits(i->value);
    } else {
        return true;
    }
    uint32_t n;
    const struct sa_node *nd = &sa_pta_nodes(a->pta, &n)[node];
    uint32_t start = nd->offset
                     - sa_pta_objects(a->pta, &n)[nd->object].base;
    if (bits == UINT64_MAX || v->offset < start) {
        return true;
    }
    uint32_t first = (v->offset - start) * 8 + v->first_bit;
    if (first + v->n_bits > 64) {
        return true;
    }
    uint64_t mask = v->n_bits >= 64 ? UINT64_MAX
                    : ((UINT64_C(1) << v->n_bits) - 1) << first;
    return (bits & mask) != 0;
}

/* Which variables a set of nodes (modref.h) belongs to. */
struct accesses {
    struct sa_state *state;
    const struct sa_analysis *a;
    struct sa_csr node_variables;
    GArray **sets;              /* struct sa_pair, node and variable; NULL if
                                 * it was not asked for yet. */
    bool *other_than_bulk;      /* By variable: see add_accesses(). */
};

static const GArray *
variables_of_set(struct accesses *acc, uint32_t set)
{
    if (!acc->sets[set]) {
        struct sa_nodes nodes = sa_modref_set(acc->a->modref, set);
        acc->sets[set] = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
        for (uint32_t i = 0; i < nodes.n; i++) {
            uint32_t n;
            const uint32_t *ids = sa_csr_get(&acc->node_variables,
                                             nodes.ids[i], &n);
            for (uint32_t j = 0; j < n; j++) {
                struct sa_pair pair = { nodes.ids[i], ids[j] };
                g_array_append_val(acc->sets[set], pair);
            }
        }
    }
    return acc->sets[set];
}

static void
add_once(GArray *ids, uint32_t id)
{
    if (!ids->len || g_array_index(ids, uint32_t, ids->len - 1) != id) {
        g_array_append_val(ids, id);
    }
}

/* Whether a call of 'function' in the loop may give it an object. */
static bool
is_given(const struct sa_analysis *a, uint32_t function, uint32_t object)
{
    uint32_t n_calls, n;
    const uint32_t *calls = sa_pta_callers(a->pta, function, &n_calls);
    const struct sa_node *nodes = sa_pta_nodes(a->pta, &n);
    for (uint32_t i = 0; i < n_calls; i++) {
        LLVMValueRef call = a->program->insns[calls[i]].value;
        if (!sa_procedures_has_insn(a->procedures, calls[i])) {
            continue;
        }
        for (unsigned int j = 0; j < LLVMGetNumArgOperands(call); j++) {
            uint32_t id = sa_value_id(a->program, LLVMGetOperand(call, j));
            struct sa_nodes to = { .n = 0 };
            if (id != SA_NONE) {
                to = sa_pta_value(a->pta, id);
            }
            for (uint32_t k = 0; k < to.n; k++) {
                if (nodes[to.ids[k]].object == object) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* Whether an allocation wrapper accesses, at 'insn', what it allocates for a
 * caller that runs before the loop: those in the loop get other objects. */
static bool
is_of_other_caller(const struct sa_analysis *a, uint32_t node, uint32_t insn)
{
    uint32_t n;
    uint32_t object = sa_pta_nodes(a->pta, &n)[node].object;
    const struct sa_object *o = &sa_pta_objects(a->pta, &n)[object];
    uint32_t function = a->program->insns[insn].function;
    return (o->kind == SA_OBJECT_HEAP && o->caller != SA_NONE
            && a->program->insns[o->insn].function == function
            && !sa_procedures_has_insn(a->procedures, o->caller)
            && !is_given(a, function, object));
}

/* Adds an instruction to the uses (and writes) of what it accesses, if it is
 * in a state procedure.  A memset() of all of an object is not what makes a
 * member a variable that is used: there must be something else. */
static void
add_accesses(struct accesses *acc, uint32_t insn, bool writes)
{
    uint32_t set = (writes ? sa_modref_write_set(acc->a->modref, insn)
                    : sa_modref_read_set(acc->a->modref, insn));
    if (!set) {
        return;
    }
    bool in_loop = sa_procedures_has_insn(acc->a->procedures, insn);
    bool skipped = (writes
                    && sa_procedures_skips_insn(acc->a->procedures, insn));
    struct sa_targets *targets = (in_loop ? acc->a->targets : NULL);
    if (targets && !sa_targets_limit(targets, insn)) {
        targets = NULL;
    }
    const GArray *pairs = variables_of_set(acc, set);
    for (guint i = 0; i < pairs->len; i++) {
        struct sa_pair pair = g_array_index(pairs, struct sa_pair, i);
        struct sa_state_variable *v = sa_state_variable(acc->state, pair.to);
        if (v->n_bits && !accesses_bit_field(acc->a, v, pair.from, insn)) {
            continue;
        }
        acc->other_than_bulk[pair.to] |= !is_bulk_set(acc->a, v, insn);
        if (in_loop && !is_of_other_caller(acc->a, pair.from, insn)
            && (!targets || sa_targets_has(targets, pair.from))) {
            add_once(v->uses, insn);
            if (writes) {
                add_once(v->writes, insn);
            }
        } else if (skipped || (writes && targets)) {
            add_once(v->skipped, insn);
        }
    }
}

/* Whether 'value' merges values of the variable of 'v'. */
static bool
is_merge_of(const struct sa_analysis *a, const struct sa_state_variable *v,
            LLVMValueRef value)
{
    return (LLVMIsAPHINode(value)
            && sa_same_variable(a->program, v->value,
                                sa_value_id(a->program, value)));
}

static void
add_value_uses(struct sa_state_variable *v, const struct sa_analysis *a,
               LLVMValueRef value, GPtrArray *merges)
{
    for (LLVMUseRef use = LLVMGetFirstUse(value); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        uint32_t insn = sa_insn_id(a->program, user);
        if (insn == SA_NONE || !sa_procedures_has_insn(a->procedures, insn)) {
            continue;
        }
        g_array_append_val(v->uses, insn);
        if (is_merge_of(a, v, user) && !g_ptr_array_find(merges, user, NULL)) {
            g_ptr_array_add(merges, user);
        }
    }
}

static void
add_next_values(struct sa_state_variable *v, const struct sa_analysis *a,
                LLVMValueRef merge, GPtrArray *merges)
{
    for (unsigned int i = 0; i < LLVMCountIncoming(merge); i++) {
        LLVMValueRef next = LLVMGetIncomingValue(merge, i);
        LLVMBasicBlockRef from = LLVMGetIncomingBlock(merge, i);
        uint32_t end = sa_insn_id(a->program,
                                  LLVMGetBasicBlockTerminator(from));
        if (next == merges->pdata[0] || !sa_loops_has_insn(a->loops, end)) {
            continue;
        }
        uint32_t insn = (LLVMIsAInstruction(next)
                         ? sa_insn_id(a->program, next) : SA_NONE);
        if (insn == SA_NONE || !sa_loops_has_insn(a->loops, insn)) {
            insn = end;
        } else if (is_merge_of(a, v, next)
                   && !g_ptr_array_find(merges, next, NULL)) {
            g_ptr_array_add(merges, next);
        }
        g_array_append_val(v->uses, insn);
        g_array_append_val(v->writes, insn);
    }
}

/* The same for a local in a register: a value that the header of the loop
 * merges is written where the loop computes the next one.  What merges them
 * again, in the loop, has no place in the source, but what it merges has. */
static void
add_value_accesses(struct sa_state_variable *v, const struct sa_analysis *a)
{
    GPtrArray *merges = g_ptr_array_new();
    g_ptr_array_add(merges, a->program->values[v->value]);
    for (guint i = 0; i < merges->len; i++) {
        add_value_uses(v, a, merges->pdata[i], merges);
    }
    g_ptr_array_set_size(merges, 1);
    for (guint i = 0; i < merges->len && LLVMIsAPHINode(merges->pdata[0]);
         i++) {
        add_next_values(v, a, merges->pdata[i], merges);
    }
    g_ptr_array_free(merges, TRUE);
}

/* Read-only memory, which a store through a pointer cannot mean. */
static bool
is_constant(const struct sa_analysis *a, const struct sa_state_variable *v)
{
    LLVMValueRef value = (v->value == SA_NONE ? NULL
                          : a->program->values[v->value]);
    return (value && LLVMIsAGlobalVariable(value)
            && LLVMIsGlobalConstant(value));
}

static void
find_uses(struct sa_state *state, const struct sa_analysis *a)
{
    struct accesses acc = { .state = state, .a = a };
    uint32_t n_sets = sa_modref_n_sets(a->modref);
    acc.sets = g_new0(GArray *, n_sets);
    acc.other_than_bulk = g_new0(bool, state->variables->len + 1);
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    for (guint i = 0; i < state->variables->len; i++) {
        const struct sa_state_variable *v = sa_state_variable(state, i);
        for (guint j = 0; j < v->nodes->len; j++) {
            struct sa_pair pair = { g_array_index(v->nodes, uint32_t, j), i };
            g_array_append_val(pairs, pair);
        }
    }
    sa_csr_init(&acc.node_variables, state->n_nodes, pairs);
    g_array_unref(pairs);

    for (uint32_t insn = 0; insn < a->program->n_insns; insn++) {
        add_accesses(&acc, insn, false);
        add_accesses(&acc, insn, true);
    }
    for (guint i = 0; i < state->variables->len; i++) {
        struct sa_state_variable *v = sa_state_variable(state, i);
        bool only_bulk = (v->storage == SA_STORAGE_HEAP
                          && !acc.other_than_bulk[i]);
        if (v->storage == SA_STORAGE_LOOP_LOCAL
            && !LLVMIsAAllocaInst(a->program->values[v->value])) {
            add_value_accesses(v, a);
            sa_sort_unique(v->uses);
            sa_sort_unique(v->writes);
        }
        v->top_level = v->uses->len && !only_bulk;
        v->updateable = (v->top_level && v->writes->len
                         && !is_constant(a, v));
    }

    for (uint32_t i = 0; i < n_sets; i++) {
        if (acc.sets[i]) {
            g_array_unref(acc.sets[i]);
        }
    }
    g_free(acc.sets);
    g_free(acc.other_than_bulk);
    sa_csr_destroy(&acc.node_variables);
}

/* The type of what is declared at a node of a variable, NULL if that is
 * unknown. */
static const struct sa_type *
declared_at(const struct sa_analysis *a, const struct sa_state *state,
            const struct sa_state_variable *v, uint32_t node)
{
    uint32_t n;
    const struct sa_node *nd = &sa_pta_nodes(a->pta, &n)[node];
    const struct sa_object *o = &sa_pta_objects(a->pta, &n)[nd->object];
    bool own = (v->storage != SA_STORAGE_HEAP
                ? o->kind != SA_OBJECT_HEAP
                : state->object_structure[nd->object] == v->structure);
    if (!own || !sa_element_struct(v->type)) {
        return v->type;
    } else if (o->collapsed) {
        return NULL;
    }
    char *path;
    const struct sa_type *type = sa_type_path(
        v->type, nd->offset - o->base
                 - (v->storage == SA_STORAGE_HEAP ? v->offset : 0), &path);
    g_free(path);
    return type;
}

static void
find_targets(struct sa_state *state, const struct sa_analysis *a)
{
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(a->pta, &n);
    uint32_t *seen = g_new0(uint32_t, state->structures->len + 1);
    for (guint i = 0; i < state->variables->len; i++) {
        struct sa_state_variable *v = sa_state_variable(state, i);
        for (guint j = 0; j < v->nodes->len; j++) {
            uint32_t node = g_array_index(v->nodes, uint32_t, j);
            struct sa_nodes to = sa_pta_content(a->pta, node);
            const struct sa_type *type = declared_at(a, state, v, node);
            for (uint32_t k = 0; k < to.n; k++) {
                uint32_t s
                    = state->object_structure[nodes[to.ids[k]].object];
                if (s != SA_NONE && seen[s] != i + 1
                    && sa_type_leads_to(type,
                                        sa_state_structure(state, s)->type)) {
                    seen[s] = i + 1;
                    g_array_append_val(v->leads_to, s);
                }
            }
        }
        sa_sort_unique(v->leads_to);
    }
    g_free(seen);
}

struct sa_state *
sa_state_run(const struct sa_analysis *a)
{
    struct sa_state *state = g_new0(struct sa_state, 1);
    state->variables = g_array_new(FALSE, TRUE,
                                   sizeof(struct sa_state_variable));
    g_array_set_clear_func(state->variables, clear_variable);
    state->structures = g_array_new(FALSE, TRUE, sizeof(struct sa_structure));
    state->tables = g_array_new(FALSE, TRUE, sizeof(struct sa_table));

    sa_state_collect_declared(state, a);
    sa_state_collect_heap(state, a);
    find_targets(state, a);
    find_uses(state, a);
    return state;
}

void
sa_state_destroy(struct sa_state *state)
{
    if (state) {
        g_array_unref(state->variables);
        g_array_unref(state->structures);
        g_array_unref(state->tables);
        g_free(state->node_variable);
        g_free(state->object_structure);
        g_free(state->object_owner);
        g_free(state);
    }
}
