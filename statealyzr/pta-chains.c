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

#include "pta-private.h"

/* Chains of calls
 *
 * What a heap object is like is to be seen where the program asks for it,
 * which may be some wrappers before malloc(): these hand on the number of
 * bytes, or add to it what they need themselves. */

/* The one operand of a phi or select that is not null; NULL if there are
 * several. */
static LLVMValueRef
only_operand(LLVMValueRef value)
{
    bool phi = LLVMIsAPHINode(value);
    unsigned int n = phi ? LLVMCountIncoming(value) : 2;
    LLVMValueRef only = NULL;

    for (unsigned int i = 0; i < n; i++) {
        LLVMValueRef v = (phi ? LLVMGetIncomingValue(value, i)
                          : LLVMGetOperand(value, i + 1));
        if (v == only
            || (phi ? pta_is_null_incoming(value, i)
                : LLVMIsAConstantPointerNull(v) != NULL)) {
            continue;
        } else if (only) {
            return NULL;
        }
        only = v;
    }
    return only;
}

/* The value that 'value' is within one function, but for some bytes, which are
 * added to '*offset'. */
static LLVMValueRef
trace_local(struct sa_pta *pta, LLVMValueRef value, int64_t *offset)
{
    for (int depth = 0; depth < 16; depth++) {
        LLVMValueRef next = NULL;

        if (LLVMIsAPHINode(value) || LLVMIsASelectInst(value)) {
            next = only_operand(value);
        } else if (LLVMIsAGetElementPtrInst(value)) {
            struct gep gep = { .dst = SA_NONE };

            pta_describe_gep(pta, value, &gep);
            if (!gep.stride) {
                *offset += gep.arithmetic + gep.path;
                next = LLVMGetOperand(value, 0);
            }
        }
        if (!next) {
            break;
        }
        value = next;
    }
    return value;
}

/* What parameter 'value' of the function that 'call' calls is given there;
 * NULL if 'value' is no parameter, or is given nothing. */
static LLVMValueRef
given(LLVMValueRef call, LLVMValueRef value)
{
    if (!LLVMIsAArgument(value)) {
        return NULL;
    }
    LLVMValueRef f = LLVMGetParamParent(value);
    unsigned int n = MIN(LLVMCountParams(f), LLVMGetNumArgOperands(call));

    for (unsigned int i = 0; i < n; i++) {
        if (LLVMGetParam(f, i) == value) {
            return LLVMGetOperand(call, i);
        }
    }
    return NULL;
}

LLVMValueRef
pta_chain_argument(struct sa_pta *pta, const struct pta_chain *chain,
                   LLVMValueRef value, int64_t *offset)
{
    *offset = 0;
    for (int i = chain->n - 1; i > 0; i--) {
        int64_t moved = *offset;
        LLVMValueRef argument = given(chain->calls[i - 1],
                                      trace_local(pta, value, &moved));

        if (!argument) {
            break;
        }
        value = argument;
        *offset = moved;
    }
    return value;
}

/* The deepest expression that a size is computed from. */
#define MAX_SIZE_DEPTH 16

/* The number that 'value' in call 'at' of a chain always is; returns false if
 * that is unknown.  The recursion is bounded by 'depth'. */
static bool
evaluate(const struct pta_chain *chain, int at, LLVMValueRef value, int depth,
         uint64_t *result)
{
    uint64_t a, b;

    if (LLVMGetTypeKind(LLVMTypeOf(value)) != LLVMIntegerTypeKind
        || LLVMGetIntTypeWidth(LLVMTypeOf(value)) > 64
        || LLVMGetIntTypeWidth(LLVMTypeOf(value)) < 32
        || depth > MAX_SIZE_DEPTH) {
        return false;
    } else if (LLVMIsAConstantInt(value)) {
        *result = LLVMConstIntGetZExtValue(value);
        return *result < INT32_MAX;
    } else if (LLVMIsAArgument(value)) {
        LLVMValueRef argument = at ? given(chain->calls[at - 1], value) : NULL;
        return argument && evaluate(chain, at - 1, argument, depth + 1,
                                    result);
    } else if (!LLVMIsAInstruction(value)) {
        return false;
    }
    /* Below INT32_MAX, no sum or product has wrapped around. */
    switch (LLVMGetInstructionOpcode(value)) {
    case LLVMZExt:
        return evaluate(chain, at, LLVMGetOperand(value, 0), depth + 1,
                        result);
    case LLVMAdd:
    case LLVMMul:
        return (evaluate(chain, at, LLVMGetOperand(value, 0), depth + 1, &a)
                && evaluate(chain, at, LLVMGetOperand(value, 1), depth + 1, &b)
                && !(LLVMGetInstructionOpcode(value) == LLVMAdd
                     ? __builtin_add_overflow(a, b, result)
                     : __builtin_mul_overflow(a, b, result))
                && *result < INT32_MAX);
    default:
        return false;
    }
}

uint64_t
pta_chain_size(const struct pta_chain *chain, const struct sa_effect *effect)
{
    LLVMValueRef call = chain->calls[chain->n - 1];
    int args[2] = { effect->size, effect->count };
    uint64_t size = 1, factor;

    for (int i = 0; i < 2; i++) {
        if (args[i] < 0) {
            continue;
        } else if ((unsigned int) args[i] >= LLVMGetNumArgOperands(call)
                   || !evaluate(chain, chain->n - 1,
                                LLVMGetOperand(call, args[i]), 0, &factor)
                   || __builtin_mul_overflow(size, factor, &size)) {
            return 0;
        }
    }
    return effect->size >= 0 && size < INT32_MAX ? size : 0;
}

/* Whether a term of the sum that 'value' is is at least 'size'. */
static bool
is_sum(LLVMValueRef value, uint64_t size)
{
    while (LLVMIsAZExtInst(value) || LLVMIsASExtInst(value)) {
        value = LLVMGetOperand(value, 0);
    }
    for (int i = 0; LLVMIsABinaryOperator(value) && i < 2; i++) {
        LLVMValueRef term = LLVMGetOperand(value, i);

        if (LLVMGetInstructionOpcode(value) == LLVMAdd
            && LLVMIsAConstantInt(term)
            && LLVMGetIntTypeWidth(LLVMTypeOf(term)) <= 64
            && LLVMConstIntGetZExtValue(term) >= size) {
            return true;
        }
    }
    return false;
}

bool
pta_chain_adds_to(const struct pta_chain *chain, uint64_t size)
{
    for (int i = 0; i < chain->n; i++) {
        unsigned int n = LLVMGetNumArgOperands(chain->calls[i]);

        for (unsigned int j = 0; j < n; j++) {
            if (is_sum(LLVMGetOperand(chain->calls[i], j), size)) {
                return true;
            }
        }
    }
    return false;
}
