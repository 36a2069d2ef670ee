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

/* Vertices of values
 *
 * A value in SSA form has a vertex for each pointer in it (a "leaf": several
 * if it is a struct).  Those of a constant are seeded with the address that it
 * is. */

const struct sa_type *
pta_variable_type(struct sa_pta *pta, LLVMValueRef value)
{
    uint32_t id = sa_value_id(pta->program, value);
    const struct sa_variable *v = (id != SA_NONE
                                   ? sa_value_variable(pta->program, id)
                                   : NULL);

    if (!v || !v->type) {
        return NULL;
    }
    const struct sa_type *t = sa_type_of(pta->types, v->type);
    return (v->other_type && t->kind == SA_TYPE_POINTER
            && t->target->kind == SA_TYPE_VOID
            ? sa_type_of(pta->types, v->other_type) : t);
}

uint32_t
pta_value_leaves(struct sa_pta *pta, LLVMTypeRef type)
{
    switch (LLVMGetTypeKind(type)) {
    case LLVMPointerTypeKind:
        return 1;
    case LLVMIntegerTypeKind:
        return LLVMGetIntTypeWidth(type) >= 64;
    case LLVMStructTypeKind:
    case LLVMArrayTypeKind:
        return LLVMTypeIsSized(type)
               ? sa_layout_of_llvm(pta->layouts, type)->n_leaves : 0;
    case LLVMVectorTypeKind:
    case LLVMScalableVectorTypeKind:
        return pta_value_leaves(pta, LLVMGetElementType(type));
    default:
        return 0;
    }
}

uint32_t
pta_new_variables(struct sa_pta *pta, uint32_t n)
{
    uint32_t first = SA_NONE;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t v = pta_new_variable(pta);
        first = i ? first : v;
    }
    return first;
}

bool
pta_constant_int(LLVMValueRef value, int64_t *result)
{
    if (!LLVMIsAConstantInt(value)
        || LLVMGetIntTypeWidth(LLVMTypeOf(value)) > 64) {
        return false;
    }
    *result = LLVMConstIntGetSExtValue(value);
    return true;
}

bool
pta_is_mere_integer(const struct sa_pta *pta, LLVMValueRef value)
{
    uint32_t id = sa_value_id(pta->program, value);

    return (LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMIntegerTypeKind
            && id != SA_NONE
            && !nodeset_contains(&pta->integers.from_pointers, id)
            && !nodeset_contains(&pta->integers.to_pointers, id));
}

bool
pta_is_null_incoming(LLVMValueRef phi, unsigned int i)
{
    LLVMValueRef value = LLVMGetIncomingValue(phi, i);
    LLVMBasicBlockRef to = LLVMGetInstructionParent(phi);
    LLVMValueRef branch = LLVMGetBasicBlockTerminator(
        LLVMGetIncomingBlock(phi, i));

    if (LLVMIsAConstantPointerNull(value)) {
        return true;
    } else if (!branch || !LLVMIsABranchInst(branch)
               || !LLVMIsConditional(branch)) {
        return false;
    }
    LLVMValueRef condition = LLVMGetCondition(branch);
    if (!LLVMIsAICmpInst(condition)
        || LLVMGetOperand(condition, 0) != value
        || !LLVMIsAConstantPointerNull(LLVMGetOperand(condition, 1))) {
        return false;
    }
    LLVMIntPredicate p = LLVMGetICmpPredicate(condition);
    if (p != LLVMIntEQ && p != LLVMIntNE) {
        return false;
    }
    unsigned int if_null = p == LLVMIntEQ ? 0 : 1;
    return (LLVMGetSuccessor(branch, if_null) == to
            && LLVMGetSuccessor(branch, !if_null) != to);
}

static bool
is_gep(LLVMValueRef value)
{
    return (LLVMIsAGetElementPtrInst(value)
            || (LLVMIsAConstantExpr(value)
                && LLVMGetConstOpcode(value) == LLVMGetElementPtr));
}

bool
pta_constant_address(struct sa_pta *pta, LLVMValueRef value, uint32_t *object,
                     int64_t *offset)
{
    *offset = 0;
    for (int depth = 0; depth < 1000; depth++) {
        if (LLVMIsAGlobalAlias(value)) {
            value = LLVMAliasGetAliasee(value);
        } else if (LLVMIsAGlobalValue(value)) {
            uint32_t id = sa_value_id(pta->program, value);
            *object = id == SA_NONE ? SA_NONE : pta->value_objects[id];
            return *object != SA_NONE;
        } else if (is_gep(value)) {
            struct gep gep = { .dst = SA_NONE };
            pta_describe_gep(pta, value, &gep);
            *offset += gep.arithmetic + gep.path;
            if (ABS(*offset) > PTA_MAX_OFFSET) {
                return false;
            }
            value = LLVMGetOperand(value, 0);
        } else if (LLVMIsAConstantExpr(value)) {
            LLVMValueRef first = LLVMGetOperand(value, 0);
            bool second = (LLVMGetNumOperands(value) == 2
                           && LLVMIsAConstantInt(first));
            value = second ? LLVMGetOperand(value, 1) : first;
        } else {
            return false;
        }
    }
    return false;
}

/* Seeds the vertices of a constant. */
static void
seed_constant(struct sa_pta *pta, LLVMValueRef value, uint32_t first,
              uint32_t n)
{
    uint32_t object;
    int64_t offset;

    if (LLVMIsAConstantStruct(value) || LLVMIsAConstantArray(value)
        || LLVMIsAConstantVector(value)) {
        /* All its addresses for all its leaves: rare, and sound. */
        GPtrArray *work = g_ptr_array_new();
        g_ptr_array_add(work, value);
        for (guint i = 0; i < work->len && i < 100000; i++) {
            LLVMValueRef v = work->pdata[i];
            if (pta_constant_address(pta, v, &object, &offset)) {
                for (uint32_t j = 0; j < n; j++) {
                    pta_add_points_to(pta, first + j,
                                      pta_node(pta, object, offset));
                }
            } else if (!LLVMIsAConstantExpr(v)) {
                int n_operands = LLVMGetNumOperands(v);
                for (int j = 0; j < n_operands; j++) {
                    g_ptr_array_add(work, LLVMGetOperand(v, j));
                }
            }
        }
        g_ptr_array_free(work, TRUE);
    } else if (pta_constant_address(pta, value, &object, &offset)) {
        pta_add_points_to(pta, first, pta_node(pta, object, offset));
    }
}

/* Whether 'value' is a parameter that the source calls an integer, and that
 * is none in which a pointer is passed. */
static bool
is_mere_parameter(struct sa_pta *pta, LLVMValueRef value)
{
    if (!LLVMIsAArgument(value) || !pta_is_mere_integer(pta, value)) {
        return false;
    }
    const struct sa_type *t = pta_variable_type(pta, value);
    return t && t->kind == SA_TYPE_INT;
}

/* The type that the source declares for 'value', by the variable that it is
 * the first value of or where it is loaded from; NULL if unknown. */
static const struct sa_type *
declared_type(struct sa_pta *pta, LLVMValueRef value)
{
    if (LLVMIsAAllocaInst(value)
        || (!LLVMIsAInstruction(value) && !LLVMIsAArgument(value))) {
        return NULL;            /* The address of a variable. */
    }
    const struct sa_variable *v = sa_value_variable(
        pta->program, sa_value_id(pta->program, value));
    if (v && v->type) {
        return sa_type_of(pta->types, v->type);
    }
    return (LLVMIsALoadInst(value)
            ? pta_pointer_at(pta, LLVMGetOperand(value, 0)) : NULL);
}

/* What bounds the set of 'value' by its type, or if types are all that is told
 * apart, by what it is used as. */
static uint32_t
value_filter(struct sa_pta *pta, LLVMValueRef value)
{
    uint32_t filter = pta_filter_of(pta, declared_type(pta, value));

    if (filter || !pta->by_types || LLVMIsAAllocaInst(value)
        || (!LLVMIsAInstruction(value) && !LLVMIsAArgument(value))
        || LLVMGetTypeKind(LLVMTypeOf(value)) != LLVMPointerTypeKind) {
        return filter;
    }
    return pta_filter_to(pta, pta_used_as(pta, value));
}

uint32_t
pta_value_vertex(struct sa_pta *pta, LLVMValueRef value, uint32_t leaf)
{
    uint32_t id = sa_value_id(pta->program, value);

    if (id == SA_NONE) {
        return SA_NONE;
    }
    uint32_t n = pta_value_leaves(pta, LLVMTypeOf(value));
    if (leaf >= n || is_mere_parameter(pta, value)) {
        return SA_NONE;
    }
    if (pta->value_vertices[id] == SA_NONE) {
        pta->value_vertices[id] = pta_new_variables(pta, n);
        if (n == 1) {
            uint32_t filter = value_filter(pta, value);

            pta_vertex(pta, pta->value_vertices[id])->filter = filter;
            pta_seed_filter(pta, pta->value_vertices[id]);
        }
        if (LLVMIsAConstant(value)) {
            seed_constant(pta, value, pta->value_vertices[id], n);
        }
    }
    return pta->value_vertices[id] + leaf;
}
