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
place_loads(LLVMValueRef value, GPtrArray *loads)
{
    GPtrArray *work = g_ptr_array_new();

    g_ptr_array_add(work, value);
    for (guint i = 0; i < work->len && i < 64; i++) {
        LLVMValueRef v = place_strip(work->pdata[i]);
        LLVMValueRef more[2];
        unsigned int n = 0;

        if (LLVMIsALoadInst(v)) {
            if (!contains(loads, v)) {
                g_ptr_array_add(loads, v);
            }
        } else if (LLVMIsAPHINode(v)) {
            for (unsigned int j = 0; j < LLVMCountIncoming(v); j++) {
                LLVMValueRef in = LLVMGetIncomingValue(v, j);
                if (!contains(work, in)) {
                    g_ptr_array_add(work, in);
                }
            }
        } else if (LLVMIsASelectInst(v)) {
            more[n++] = LLVMGetOperand(v, 1);
            more[n++] = LLVMGetOperand(v, 2);
        }
        for (unsigned int j = 0; j < n; j++) {
            if (!contains(work, more[j])) {
                g_ptr_array_add(work, more[j]);
            }
        }
    }
    g_ptr_array_free(work, TRUE);
}
