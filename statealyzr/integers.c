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

#include "integers.h"

#include <glib.h>
#include "wrappers.h"

static bool
is_integer(LLVMValueRef value)
{
    return LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMIntegerTypeKind;
}

/* Adds 'value' to a set, and to the work if it is new there. */
static void
add(const struct sa_program *program, struct nodeset *set, GArray *work,
    LLVMValueRef value)
{
    uint32_t id = is_integer(value) ? sa_value_id(program, value) : SA_NONE;

    if (id != SA_NONE && !LLVMIsAConstantInt(value)
        && nodeset_add(set, id)) {
        g_array_append_val(work, id);
    }
}

/* Whether the result of 'insn' is its operands' value, moved perhaps. */
static bool
passes_on(LLVMValueRef insn)
{
    switch (LLVMGetInstructionOpcode(insn)) {
    case LLVMAdd:
    case LLVMSub:
    case LLVMAnd:
    case LLVMOr:
    case LLVMPHI:
    case LLVMSelect:
    case LLVMFreeze:
    case LLVMBitCast:
        return true;
    default:
        return false;
    }
}

static LLVMValueRef
parameter(const struct sa_program *program, LLVMValueRef call, unsigned int i)
{
    uint32_t callee = sa_direct_callee(program, call);
    const struct sa_function *f = (callee == SA_NONE ? NULL
                                   : &program->functions[callee]);

    return (f && f->defined && i < f->n_params ? LLVMGetParam(f->value, i)
            : NULL);
}

/* Derives forward from 'value'. */
static void
forward(const struct sa_program *program, struct nodeset *set, GArray *work,
        LLVMValueRef value)
{
    for (LLVMUseRef use = LLVMGetFirstUse(value); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (!LLVMIsAInstruction(user)) {
            continue;
        } else if (passes_on(user)) {
            add(program, set, work, user);
        } else if (LLVMIsACallInst(user)) {
            unsigned int n = LLVMGetNumArgOperands(user);
            for (unsigned int i = 0; i < n; i++) {
                LLVMValueRef param = parameter(program, user, i);
                if (param && LLVMGetOperand(user, i) == value) {
                    add(program, set, work, param);
                }
            }
        } else if (LLVMIsAReturnInst(user)) {
            LLVMValueRef f = LLVMGetBasicBlockParent(
                LLVMGetInstructionParent(user));
            for (LLVMUseRef call = LLVMGetFirstUse(f); call;
                 call = LLVMGetNextUse(call)) {
                if (LLVMIsACallInst(LLVMGetUser(call))) {
                    add(program, set, work, LLVMGetUser(call));
                }
            }
        }
    }
}

/* Derives backward from 'value'. */
static void
backward(const struct sa_program *program, struct nodeset *set, GArray *work,
         LLVMValueRef value)
{
    if (LLVMIsAArgument(value)) {
        LLVMValueRef f = LLVMGetParamParent(value);
        for (LLVMUseRef use = LLVMGetFirstUse(f); use;
             use = LLVMGetNextUse(use)) {
            LLVMValueRef call = LLVMGetUser(use);
            unsigned int n = (LLVMIsACallInst(call)
                              ? LLVMGetNumArgOperands(call) : 0);
            for (unsigned int i = 0; i < n; i++) {
                if (parameter(program, call, i) == value) {
                    add(program, set, work, LLVMGetOperand(call, i));
                }
            }
        }
    } else if (LLVMIsACallInst(value)) {
        uint32_t callee = sa_direct_callee(program, value);
        const struct sa_function *f = (callee == SA_NONE ? NULL
                                       : &program->functions[callee]);
        for (uint32_t i = 0; f && i < f->n_insns; i++) {
            const struct sa_insn *insn = &program->insns[f->first_insn + i];
            if (insn->opcode == LLVMRet && LLVMGetNumOperands(insn->value)) {
                add(program, set, work, LLVMGetOperand(insn->value, 0));
            }
        }
    } else if (LLVMIsAPHINode(value)) {
        unsigned int n = LLVMCountIncoming(value);
        for (unsigned int i = 0; i < n; i++) {
            add(program, set, work, LLVMGetIncomingValue(value, i));
        }
    } else if (LLVMIsAInstruction(value) && passes_on(value)) {
        int n = LLVMGetNumOperands(value);
        for (int i = 0; i < n; i++) {
            add(program, set, work, LLVMGetOperand(value, i));
        }
    }
}

void
sa_integers_init(struct sa_integers *integers,
                 const struct sa_program *program)
{
    GArray *work = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    *integers = (struct sa_integers) { .from_pointers = { .blocks = NULL } };
    for (uint32_t i = 0; i < program->n_insns; i++) {
        if (program->insns[i].opcode == LLVMPtrToInt) {
            add(program, &integers->from_pointers, work,
                program->insns[i].value);
        }
    }
    for (uint32_t i = 0; i < program->n_values; i++) {
        if (LLVMIsAConstantExpr(program->values[i])) {
            add(program, &integers->from_pointers, work, program->values[i]);
        }
    }
    for (guint i = 0; i < work->len; i++) {
        forward(program, &integers->from_pointers, work,
                program->values[g_array_index(work, uint32_t, i)]);
    }
    g_array_set_size(work, 0);
    for (uint32_t i = 0; i < program->n_insns; i++) {
        if (program->insns[i].opcode == LLVMIntToPtr) {
            add(program, &integers->to_pointers, work,
                LLVMGetOperand(program->insns[i].value, 0));
        }
    }
    for (guint i = 0; i < work->len; i++) {
        backward(program, &integers->to_pointers, work,
                 program->values[g_array_index(work, uint32_t, i)]);
    }
    g_array_free(work, TRUE);
}

void
sa_integers_uninit(struct sa_integers *integers)
{
    nodeset_clear(&integers->from_pointers);
    nodeset_clear(&integers->to_pointers);
}
