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

#include <string.h>

/* Pointer arithmetic
 *
 * What a getelementptr instruction or constant amounts to, as LLVM's "The
 * Often Misunderstood GEP Instruction" tells: bytes that are known, a stride
 * where an index is not, and the struct that the pointer is used as a pointer
 * to. */

#define MAX_WALK_DEPTH 4        /* Merges of values. */

/* What is known of a struct type that pointers are used as. */
struct used_layout {
    const struct sa_layout *layout;
    const struct sa_type *type;
    bool unambiguous;           /* No other struct looks the same: the linker
                                 * gives those one name. */
};

bool
pta_looks_like(const struct sa_layout *a, const struct sa_layout *b)
{
    return (a->size == b->size && a->n_leaves == b->n_leaves
            && !memcmp(a->offsets, b->offsets,
                       a->n_leaves * sizeof *a->offsets));
}

static bool
is_unambiguous(struct sa_pta *pta, const struct sa_type *type)
{
    const struct sa_layout *l = sa_layout_of_type(pta->layouts, type);
    size_t n;
    const struct sa_type *const *structs = sa_types_structs(pta->types, &n);

    for (size_t i = 0; i < n; i++) {
        if (structs[i]->canonical != type->canonical
            && structs[i]->size == type->size
            && pta_looks_like(l, sa_layout_of_type(pta->layouts,
                                                   structs[i]))) {
            return false;
        }
    }
    return true;
}

static const struct used_layout *
used_layout(struct sa_pta *pta, LLVMTypeRef type)
{
    struct used_layout *used = g_hash_table_lookup(pta->used_layouts, type);

    if (!used) {
        const char *name = LLVMGetStructName(type);

        used = g_new0(struct used_layout, 1);
        used->layout = sa_layout_of_llvm(pta->layouts, type);
        if (name) {
            /* "struct.flow", or "struct.flow.12" if there are several. */
            const char *dot = strchr(name, '.');
            char *bare = g_strdup(dot ? dot + 1 : name);
            char *last = strrchr(bare, '.');

            if (last && strspn(last + 1, "0123456789") == strlen(last + 1)) {
                *last = '\0';
            }
            const struct sa_type *t = sa_type_by_name(pta->types, bare);
            if (t && t->size == used->layout->size) {
                used->type = t;
                used->layout = sa_layout_of_type(pta->layouts, t);
                used->unambiguous = is_unambiguous(pta, t);
            }
            g_free(bare);
        }
        g_hash_table_insert(pta->used_layouts, type, used);
    }
    return used;
}

/* Adds index 'index' times 'size' to 'sum', or as a variable index if it is
 * not constant. */
static void
add_index(struct gep *gep, LLVMValueRef index, uint64_t size, int64_t *sum,
          bool *variable)
{
    int64_t i, product;

    *variable = false;
    if (pta_constant_int(index, &i) && size < PTA_MAX_OFFSET
        && !__builtin_mul_overflow(i, (int64_t) size, &product)
        && product < PTA_MAX_OFFSET && product > -PTA_MAX_OFFSET) {
        *sum += product;
    } else if (size) {
        gep->stride = pta_gcd(gep->stride,
                              MIN(size, (uint64_t) PTA_MAX_OFFSET));
        *variable = true;
    }
}

void
pta_describe_gep(struct sa_pta *pta, LLVMValueRef value, struct gep *gep)
{
    LLVMTargetDataRef td = pta->program->layout;
    LLVMTypeRef type = LLVMGetGEPSourceElementType(value);
    unsigned int n = LLVMGetNumOperands(value);
    bool unbounded = false;
    bool variable;

    gep->arithmetic = gep->path = 0;
    gep->stride = gep->extent = 0;
    if (LLVMGetTypeKind(type) == LLVMStructTypeKind && LLVMTypeIsSized(type)) {
        const struct used_layout *used = used_layout(pta, type);
        gep->layout = used->layout;
        gep->type = used->type;
        gep->unambiguous = used->unambiguous;
    }
    for (unsigned int i = 1; i < n; i++) {
        LLVMValueRef index = LLVMGetOperand(value, i);
        int64_t field;

        if (i == 1) {
            add_index(gep, index,
                      LLVMTypeIsSized(type) ? LLVMABISizeOfType(td, type) : 1,
                      &gep->arithmetic, &variable);
            unbounded |= variable;
            continue;
        }
        switch (LLVMGetTypeKind(type)) {
        case LLVMStructTypeKind:
            if (!pta_constant_int(index, &field)) {
                return;
            }
            gep->path += LLVMOffsetOfElement(td, type, field);
            type = LLVMStructGetTypeAtIndex(type, field);
            break;
        case LLVMArrayTypeKind: {
            uint64_t length = LLVMGetArrayLength2(type);
            type = LLVMGetElementType(type);
            uint64_t size = LLVMABISizeOfType(td, type);
            add_index(gep, index, size, &gep->path, &variable);
            if (variable) {
                unbounded |= !length || length * size > PTA_MAX_OFFSET;
                gep->extent = MAX(gep->extent, length * size);
            }
            break;
        }
        default:
            type = LLVMGetElementType(type);
            add_index(gep, index, LLVMABISizeOfType(td, type), &gep->path,
                      &variable);
            unbounded |= variable;
            break;
        }
    }
    if (unbounded) {
        gep->extent = 0;
    }
    gep->path = CLAMP(gep->path, -PTA_MAX_OFFSET, PTA_MAX_OFFSET);
}

const struct sa_type *
pta_used_as(struct sa_pta *pta, LLVMValueRef pointer)
{
    const struct sa_type *type = pta_variable_type(pta, pointer);

    type = type && type->kind == SA_TYPE_POINTER ? type->target : NULL;
    if (pta->by_types && type && type->kind == SA_TYPE_VOID) {
        type = NULL;            /* What is declared as anything. */
    }
    bool declared = type != NULL;
    for (LLVMUseRef use = LLVMGetFirstUse(pointer); use && !declared;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        struct gep gep = { .dst = SA_NONE };

        if (LLVMIsAGetElementPtrInst(user)
            && LLVMGetOperand(user, 0) == pointer) {
            pta_describe_gep(pta, user, &gep);
            if (!gep.unambiguous
                || (type && type->canonical != gep.type->canonical)) {
                return NULL;
            }
            type = gep.type;
        }
    }
    return type && type->kind == SA_TYPE_STRUCT ? type : NULL;
}

bool
pta_is_walk(struct sa_pta *pta, LLVMValueRef v)
{
    struct gep gep = { .dst = SA_NONE };

    if (!LLVMIsAGetElementPtrInst(v)) {
        return false;
    }
    pta_describe_gep(pta, v, &gep);
    if (gep.layout || (!gep.stride && gep.arithmetic + gep.path <= 0)) {
        return false;
    }
    uint32_t dst = pta_value_vertex(pta, v, 0);
    return (dst != SA_NONE
            && !pta_filter_struct(pta, pta_vertex(pta, dst)->filter));
}

/* Whether 'v' is a pointer to bytes, or has walked to where it points to.  The
 * recursion is bounded by 'depth'. */
static bool
has_walked(struct sa_pta *pta, LLVMValueRef v, int depth)
{
    if (LLVMIsAAllocaInst(v) || LLVMIsAGlobalValue(v)) {
        return false;
    }
    const struct sa_type *t = pta_variable_type(pta, v);
    if (pta_is_walk(pta, v)
        || (t && t->kind == SA_TYPE_POINTER
            && (t->target->kind == SA_TYPE_VOID
                || (t->target->kind == SA_TYPE_INT
                    && t->target->size == 1)))) {
        return true;
    }
    unsigned int n = (LLVMIsAPHINode(v) && depth < MAX_WALK_DEPTH
                      ? LLVMCountIncoming(v) : 0);
    for (unsigned int i = 0; i < n; i++) {
        if (has_walked(pta, LLVMGetIncomingValue(v, i), depth + 1)) {
            return true;
        }
    }
    return false;
}

uint64_t
sa_pta_extent(const struct sa_pta *pta, uint32_t value, uint64_t size)
{
    return (pta->by_types && size && value < pta->program->n_values
            && has_walked((struct sa_pta *) pta, pta->program->values[value],
                          0)
            ? 0 : size);
}
