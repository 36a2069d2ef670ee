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

#include "walks.h"

#include <glib.h>

#include "call.h"
#include "procedures.h"
#include "pta.h"

#define MAX_STEPS 400           /* Values of one question. */
#define MAX_CALLERS 64
#define MAX_DEPTH 4             /* Of parameters. */

LLVMValueRef
sa_walk_base(LLVMValueRef pointer)
{
    for (int i = 0; i < MAX_STEPS; i++) {
        if (LLVMIsAGetElementPtrInst(pointer)) {
            for (int j = 1; j < LLVMGetNumOperands(pointer); j++) {
                if (!LLVMIsAConstantInt(LLVMGetOperand(pointer, j))) {
                    return pointer;
                }
            }
            pointer = LLVMGetOperand(pointer, 0);
        } else if (LLVMIsACastInst(pointer)) {
            pointer = LLVMGetOperand(pointer, 0);
        } else {
            break;
        }
    }
    return pointer;
}

static void
push(GPtrArray *work, GHashTable *seen, LLVMValueRef value)
{
    if ((LLVMIsAInstruction(value) || LLVMIsAArgument(value))
        && g_hash_table_size(seen) < MAX_STEPS
        && g_hash_table_add(seen, value)) {
        g_ptr_array_add(work, value);
    }
}

/* What a pointer is computed from, one step back. */
static void
push_sources(GPtrArray *work, GHashTable *seen, LLVMValueRef value)
{
    if (!LLVMIsAInstruction(value)) {
        return;
    }
    switch (LLVMGetInstructionOpcode(value)) {
    case LLVMPHI:
        for (unsigned int i = 0; i < LLVMCountIncoming(value); i++) {
            push(work, seen, LLVMGetIncomingValue(value, i));
        }
        break;
    case LLVMSelect:
        push(work, seen, LLVMGetOperand(value, 1));
        push(work, seen, LLVMGetOperand(value, 2));
        break;
    case LLVMCall:
        for (unsigned int i = 0; i < LLVMGetNumArgOperands(value); i++) {
            push(work, seen, LLVMGetOperand(value, i));
        }
        break;
    case LLVMLoad:
        push(work, seen, LLVMGetOperand(value, 0));
        break;
    default:
        if (LLVMIsACastInst(value) || LLVMIsABinaryOperator(value)
            || LLVMIsAGetElementPtrInst(value)) {
            for (int i = 0; i < LLVMGetNumOperands(value); i++) {
                push(work, seen, LLVMGetOperand(value, i));
            }
        }
    }
}

bool
sa_walk_leads_to(LLVMValueRef from, LLVMValueRef value)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    bool found = false;
    push(work, seen, value);
    while (work->len && !found) {
        LLVMValueRef v = g_ptr_array_steal_index(work, work->len - 1);
        found = v == from;
        push_sources(work, seen, v);
    }
    g_ptr_array_free(work, TRUE);
    g_hash_table_destroy(seen);
    return found;
}

/* Whether control can go from 'at' to where 'phi' gets a new value that
 * depends on the old one, before it comes to 'phi' again: then 'at' is in the
 * loop that 'phi' walks. */
static bool
is_in_loop_of(LLVMBasicBlockRef at, LLVMValueRef phi)
{
    LLVMBasicBlockRef header = LLVMGetInstructionParent(phi);
    GHashTable *latches = g_hash_table_new(NULL, NULL);
    for (unsigned int i = 0; i < LLVMCountIncoming(phi); i++) {
        LLVMValueRef next = LLVMGetIncomingValue(phi, i);
        if (next != phi && sa_walk_leads_to(phi, next)) {
            g_hash_table_add(latches, LLVMGetIncomingBlock(phi, i));
        }
    }

    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    bool found = false;
    g_ptr_array_add(work, at);
    while (work->len && !found) {
        LLVMBasicBlockRef b = g_ptr_array_steal_index(work, work->len - 1);
        LLVMValueRef end = LLVMGetBasicBlockTerminator(b);
        found = g_hash_table_contains(latches, b);
        for (unsigned int i = 0; end && i < LLVMGetNumSuccessors(end); i++) {
            LLVMBasicBlockRef next = LLVMGetSuccessor(end, i);
            if (next != header && g_hash_table_add(seen, next)) {
                g_ptr_array_add(work, next);
            }
        }
    }
    g_ptr_array_free(work, TRUE);
    g_hash_table_destroy(seen);
    g_hash_table_destroy(latches);
    return found;
}

static void
note_index(const struct sa_analysis *a, const struct sa_packet *packet,
           LLVMValueRef index, struct sa_walk *walk)
{
    if (!LLVMIsAConstantInt(index)) {
        walk->indexed = true;
        walk->index_fields |= sa_packet_value(
            packet, sa_value_id(a->program, index)) & SA_PACKET_FIELDS;
    }
}

/* 'params' has the parameters that were looked into, and how many calls away
 * that began, plus 1. */
static void find_in(const struct sa_analysis *, const struct sa_packet *,
                    LLVMValueRef pointer, uint32_t insn, int depth,
                    GHashTable *params, struct sa_walk *);

/* A parameter: as the callers found what they hand over. */
static void
find_in_callers(const struct sa_analysis *a, const struct sa_packet *packet,
                LLVMValueRef param, int depth, GHashTable *params,
                struct sa_walk *walk)
{
    int known = GPOINTER_TO_INT(g_hash_table_lookup(params, param));
    if (known && known <= depth + 1) {
        return;
    }
    g_hash_table_insert(params, param, GINT_TO_POINTER(depth + 1));

    uint32_t id = sa_value_id(a->program, param);
    uint32_t function = sa_function_id(a->program, LLVMGetParamParent(param));
    if (id == SA_NONE || function == SA_NONE || depth >= MAX_DEPTH) {
        return;
    }
    uint32_t index = id - a->program->functions[function].first_param;
    uint32_t n;
    const uint32_t *calls = sa_pta_callers(a->pta, function, &n);
    for (uint32_t i = 0; i < n && i < MAX_CALLERS; i++) {
        const struct sa_insn *call = &a->program->insns[calls[i]];
        if (!sa_is_call(call->opcode)
            || !sa_procedures_has_insn(a->procedures, calls[i])) {
            continue;
        }
        uint32_t n_callees;
        const uint32_t *callees = sa_pta_callees(a->pta, calls[i],
                                                 &n_callees);
        bool direct = false;
        for (uint32_t j = 0; j < n_callees; j++) {
            direct |= callees[j] == function;
        }
        if (!direct) {
            /* bsearch(), tfind(): the library walks.  A handler of packets or
             * events is not called for an entry of a container. */
            size_t length;
            LLVMValueRef f = LLVMGetCalledValue(call->value);
            const char *name = LLVMIsAFunction(f)
                               ? LLVMGetValueName2(f, &length) : "";
            walk->walked |= (g_str_has_suffix(name, "search")
                             || g_str_has_suffix(name, "find"));
        } else if (index < LLVMGetNumArgOperands(call->value)) {
            LLVMValueRef arg = LLVMGetOperand(call->value, index);
            if (call->function == function && arg != param
                && sa_walk_leads_to(param, arg)) {
                walk->walked = true;        /* Recursion down a tree. */
            } else {
                find_in(a, packet, arg, calls[i], depth + 1, params, walk);
            }
        }
    }
}

/* How many operands of a "getelementptr" choose the entry: all of them in what
 * is declared and where an entry's pointer is loaded from; if it is used
 * itself, not those that choose an element of an array within an entry on the
 * heap. */
static unsigned int
n_entry_indexes(LLVMValueRef gep)
{
    LLVMValueRef base = gep;
    while (LLVMIsAGetElementPtrInst(base) || LLVMIsACastInst(base)
           || LLVMIsAConstantExpr(base)) {
        base = LLVMGetOperand(base, 0);
    }
    bool declared = LLVMIsAGlobalVariable(base) || LLVMIsAAllocaInst(base);
    bool loads = false;
    for (LLVMUseRef use = LLVMGetFirstUse(gep); use && !loads;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        loads = (LLVMIsALoadInst(user)
                 && LLVMGetTypeKind(LLVMTypeOf(user)) == LLVMPointerTypeKind);
    }
    return declared || loads ? LLVMGetNumOperands(gep) - 1 : 1;
}

static void
find_in(const struct sa_analysis *a, const struct sa_packet *packet,
        LLVMValueRef pointer, uint32_t insn, int depth, GHashTable *params,
        struct sa_walk *walk)
{
    LLVMBasicBlockRef at = LLVMGetInstructionParent(
        a->program->insns[insn].value);
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    push(work, seen, pointer);
    while (work->len && !walk->walked) {
        LLVMValueRef v = g_ptr_array_steal_index(work, work->len - 1);
        if (LLVMIsAArgument(v)) {
            find_in_callers(a, packet, v, depth, params, walk);
            continue;
        }
        switch (LLVMGetInstructionOpcode(v)) {
        case LLVMPHI:
            walk->walked |= is_in_loop_of(at, v);
            push_sources(work, seen, v);
            break;
        case LLVMGetElementPtr:
            push(work, seen, LLVMGetOperand(v, 0));
            for (unsigned int j = 1; j <= n_entry_indexes(v); j++) {
                LLVMValueRef index = LLVMGetOperand(v, j);
                note_index(a, packet, index, walk);
                while (LLVMIsACastInst(index)) {
                    index = LLVMGetOperand(index, 0);
                }
                if (LLVMIsAPHINode(index)) {
                    push(work, seen, index);
                }
            }
            break;
        case LLVMCall:
            break;              /* Found by what is called, not here. */
        default:
            push_sources(work, seen, v);
        }
    }
    g_ptr_array_free(work, TRUE);
    g_hash_table_destroy(seen);
}

struct sa_walk
sa_walk_find(const struct sa_analysis *a, const struct sa_packet *packet,
             LLVMValueRef pointer, uint32_t insn)
{
    struct sa_walk walk = { false, false, 0 };
    GHashTable *params = g_hash_table_new(NULL, NULL);
    find_in(a, packet, pointer, insn, 0, params, &walk);
    g_hash_table_destroy(params);
    return walk;
}
