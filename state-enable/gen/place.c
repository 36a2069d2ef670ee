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

#include "place.h"

#include <string.h>

#define STEPS_MAX 32


static bool
is_gep(LLVMValueRef v)
{
    return (LLVMIsAGetElementPtrInst(v)
            || (LLVMIsAConstantExpr(v)
                && LLVMGetConstOpcode(v) == LLVMGetElementPtr));
}

/* Adds 'n' to the offsets of all levels so far. */
static void
advance(struct place *p, uint64_t n)
{
    p->offset += n;
    for (unsigned int i = 0; i < p->n_levels; i++) {
        p->levels[i].offset += n;
    }
}

static void
enter_index(struct place *p, LLVMValueRef index, uint64_t size)
{
    if (LLVMIsAConstantInt(index)) {
        advance(p, LLVMConstIntGetSExtValue(index) * size);
        return;
    }
    if (!p->index) {
        p->array = p->offset;
    }
    p->index = index;
    for (unsigned int i = 0; i < p->n_levels; i++) {
        if (!p->levels[i].indexed) {
            p->levels[i].indexed = true;
            p->levels[i].array = p->levels[i].offset;
        }
    }
}

static void
apply(LLVMTargetDataRef td, LLVMValueRef gep, struct place *p)
{
    LLVMTypeRef type = LLVMGetGEPSourceElementType(gep);
    unsigned int n = LLVMGetNumOperands(gep);

    for (unsigned int i = 1; i < n; i++) {
        LLVMValueRef index = LLVMGetOperand(gep, i);

        if (i == 1) {
            enter_index(p, index, LLVMABISizeOfType(td, type));
        } else if (LLVMGetTypeKind(type) == LLVMStructTypeKind) {
            unsigned int field = LLVMConstIntGetZExtValue(index);
            const char *name = LLVMGetStructName(type);

            if (name && p->n_levels < PLACE_LEVELS) {
                p->levels[p->n_levels].name = name;
                p->levels[p->n_levels].offset = 0;
                p->levels[p->n_levels].indexed = false;
                p->n_levels++;
            }
            advance(p, LLVMOffsetOfElement(td, type, field));
            type = LLVMStructGetTypeAtIndex(type, field);
        } else if (LLVMGetTypeKind(type) == LLVMArrayTypeKind) {
            type = LLVMGetElementType(type);
            enter_index(p, index, LLVMABISizeOfType(td, type));
        } else {
            return;
        }
    }
}

LLVMValueRef
place_strip(LLVMValueRef v)
{
    while (LLVMIsACastInst(v) || LLVMIsAFreezeInst(v)) {
        v = LLVMGetOperand(v, 0);
    }
    return v;
}

bool
place_is_call(LLVMValueRef insn)
{
    return (LLVMIsACallInst(insn) || LLVMIsAInvokeInst(insn)
            || LLVMIsACallBrInst(insn));
}

bool
place_is_taken(LLVMValueRef f)
{
    for (LLVMUseRef use = LLVMGetFirstUse(f); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (!place_is_call(user) || LLVMGetCalledValue(user) != f) {
            return true;
        }
    }
    return false;
}

void
place_of(LLVMTargetDataRef td, LLVMValueRef pointer, struct place *p)
{
    LLVMValueRef steps[STEPS_MAX];
    unsigned int n = 0;

    memset(p, 0, sizeof *p);
    for (pointer = place_strip(pointer); is_gep(pointer) && n < STEPS_MAX;
         pointer = place_strip(LLVMGetOperand(pointer, 0))) {
        steps[n++] = pointer;
    }
    if (LLVMIsAGlobalVariable(pointer)) {
        p->global = pointer;
    } else {
        p->base = pointer;
    }
    while (n) {
        apply(td, steps[--n], p);
    }
}

const char *
place_name(const struct place *p)
{
    size_t n;

    if (!p->global) {
        return NULL;
    }
    const char *variable = LLVMGetValueName2(p->global, &n);
    if (LLVMGetTypeKind(LLVMGlobalGetValueType(p->global))
        != LLVMStructTypeKind) {
        return variable;
    }
    char *name = g_strdup_printf("%s+%"G_GUINT64_FORMAT, variable,
                                 p->index ? p->array : p->offset);
    const char *interned = g_intern_string(name);
    g_free(name);
    return interned;
}

static bool
contains(const GPtrArray *array, const void *p)
{
    for (guint i = 0; i < array->len; i++) {
        if (array->pdata[i] == p) {
            return true;
        }
    }
    return false;
}

void
place_sources(LLVMValueRef value, GPtrArray *pointers)
{
    GPtrArray *work = g_ptr_array_new();

    g_ptr_array_add(work, value);
    for (guint i = 0; i < work->len && i < 64; i++) {
        LLVMValueRef v = place_strip(work->pdata[i]);
        bool select = LLVMIsASelectInst(v), phi = LLVMIsAPHINode(v);
        unsigned int n = phi ? LLVMCountIncoming(v) : select ? 2 : 0;

        for (unsigned int j = 0; j < n; j++) {
            LLVMValueRef in = (phi ? LLVMGetIncomingValue(v, j)
                               : LLVMGetOperand(v, 1 + j));
            if (!contains(work, in)) {
                g_ptr_array_add(work, in);
            }
        }
        if (!n && !contains(pointers, v)) {
            g_ptr_array_add(pointers, v);
        }
    }
    g_ptr_array_free(work, TRUE);
}

void
place_loads(LLVMValueRef value, GPtrArray *loads)
{
    GPtrArray *values = g_ptr_array_new();

    place_sources(value, values);
    for (guint i = 0; i < values->len; i++) {
        if (LLVMIsALoadInst(values->pdata[i])) {
            g_ptr_array_add(loads, values->pdata[i]);
        }
    }
    g_ptr_array_free(values, TRUE);
}
