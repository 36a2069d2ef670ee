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
#include "diag.h"

/* Constraints from instructions and initialisers
 *
 * What each instruction means for pointers, after Andersen: "Program
 * Analysis and Specialization for the C Programming Language" (1994),
 * chapter 4, on LLVM's language reference.  Integers as wide as pointers
 * are taken for pointers, too; narrower ones are not. */

#define MAX_OFFSET (INT64_C(1) << 40)   /* Beyond, an offset is unknown. */

/* Values. */

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

/* The offset in memory of a leaf of a value of 'type'. */
static uint64_t
leaf_offset(struct sa_pta *pta, LLVMTypeRef type, uint32_t leaf)
{
    LLVMTypeKind kind = LLVMGetTypeKind(type);

    return (kind == LLVMStructTypeKind || kind == LLVMArrayTypeKind
            ? sa_layout_of_llvm(pta->layouts, type)->offsets[leaf] : 0);
}

static uint32_t
new_variables(struct sa_pta *pta, uint32_t n)
{
    uint32_t first = SA_NONE;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t v = pta_new_variable(pta);
        first = i ? first : v;
    }
    return first;
}

/* The constant integer that a value is; false if it is none. */
static bool
constant_int(LLVMValueRef value, int64_t *result)
{
    if (!LLVMIsAConstantInt(value)
        || LLVMGetIntTypeWidth(LLVMTypeOf(value)) > 64) {
        return false;
    }
    *result = LLVMConstIntGetSExtValue(value);
    return true;
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
            if (ABS(*offset) > MAX_OFFSET) {
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

uint32_t
pta_value_vertex(struct sa_pta *pta, LLVMValueRef value, uint32_t leaf)
{
    uint32_t id = sa_value_id(pta->program, value);

    if (id == SA_NONE) {
        return SA_NONE;
    }
    uint32_t n = pta_value_leaves(pta, LLVMTypeOf(value));
    if (leaf >= n) {
        return SA_NONE;
    }
    if (pta->value_vertices[id] == SA_NONE) {
        pta->value_vertices[id] = new_variables(pta, n);
        if (LLVMIsAConstant(value)) {
            seed_constant(pta, value, pta->value_vertices[id], n);
        }
    }
    return pta->value_vertices[id] + leaf;
}

/* Pointer arithmetic. */

/* What is known of a struct type that pointers are used as. */
struct used_layout {
    const struct sa_layout *layout;
    const struct sa_type *type;
};

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
            }
            g_free(bare);
        }
        g_hash_table_insert(pta->used_layouts, type, used);
    }
    return used;
}

static uint64_t
gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t c = a % b;
        a = b;
        b = c;
    }
    return a;
}

/* Adds index 'index' times 'size' to 'sum', or as a variable index if it is
 * not constant. */
static void
add_index(struct gep *gep, LLVMValueRef index, uint64_t size, int64_t *sum,
          bool *variable)
{
    int64_t i, product;

    *variable = false;
    if (constant_int(index, &i) && size < MAX_OFFSET
        && !__builtin_mul_overflow(i, (int64_t) size, &product)
        && product < MAX_OFFSET && product > -MAX_OFFSET) {
        *sum += product;
    } else if (size) {
        gep->stride = gcd(gep->stride, MIN(size, (uint64_t) MAX_OFFSET));
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
            if (!constant_int(index, &field)) {
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
                unbounded |= !length || length * size > MAX_OFFSET;
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
    gep->path = CLAMP(gep->path, -MAX_OFFSET, MAX_OFFSET);
}

/* Loads and stores. */

/* Whether 'value', which is loaded from or stored at 'address', is an integer
 * that is no pointer: the source calls it an integer there, and no pointer
 * becomes it or is made of it. */
static bool
is_mere_integer(struct sa_pta *pta, LLVMValueRef value, LLVMValueRef address)
{
    uint32_t id = sa_value_id(pta->program, value);

    if (LLVMGetTypeKind(LLVMTypeOf(value)) != LLVMIntegerTypeKind
        || id == SA_NONE
        || nodeset_contains(&pta->integers.from_pointers, id)
        || nodeset_contains(&pta->integers.to_pointers, id)) {
        return false;
    } else if (LLVMIsAGetElementPtrInst(address)
               && (LLVMGetTypeKind(LLVMGetGEPSourceElementType(address))
                   == LLVMIntegerTypeKind)) {
        return true;
    }
    const struct sa_type *t = pta_type_at(pta, address);
    return t && t->kind == SA_TYPE_INT;
}

/* For each leaf of a value of 'type' at 'address', adds a constraint between
 * the place and the vertices from 'first'. */
static void
generate_access(struct sa_pta *pta, LLVMValueRef address, LLVMTypeRef type,
                uint32_t first, enum constraint_kind kind)
{
    uint32_t pointer = pta_value_vertex(pta, address, 0);
    uint32_t n = pta_value_leaves(pta, type);

    if (pointer == SA_NONE || first == SA_NONE) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct gep gep = { .path = leaf_offset(pta, type, i) };
        uint32_t leaf = pointer;

        if (gep.path) {
            gep.dst = leaf = pta_new_variable(pta);
            pta_add_gep(pta, pointer, &gep);
        }
        pta_add_constraint(pta, leaf, kind, first + i);
    }
}

/* Copies the leaves of a value of 'type': from those of another, of type
 * 'whole' at 'offset' in it if 'extract', else to them. */
static void
copy_part(struct sa_pta *pta, LLVMTypeRef type, uint32_t part,
          LLVMTypeRef whole, uint64_t offset, uint32_t first, bool extract)
{
    const struct sa_layout *l = sa_layout_of_llvm(pta->layouts, whole);
    uint32_t n = pta_value_leaves(pta, type);

    for (uint32_t i = 0; i < n && part != SA_NONE && first != SA_NONE; i++) {
        uint32_t leaf = first + sa_layout_leaf(
            l, offset + leaf_offset(pta, type, i));
        if (extract) {
            pta_add_edge(pta, leaf, part + i);
        } else {
            pta_add_edge(pta, part + i, leaf);
        }
    }
}

/* The offset that the indexes of an insertvalue or extractvalue lead to. */
static uint64_t
indexes_offset(struct sa_pta *pta, LLVMValueRef insn, LLVMTypeRef type)
{
    const unsigned int *indexes = LLVMGetIndices(insn);
    unsigned int n = LLVMGetNumIndices(insn);
    uint64_t offset = 0;

    for (unsigned int i = 0; i < n; i++) {
        if (LLVMGetTypeKind(type) == LLVMStructTypeKind) {
            offset += LLVMOffsetOfElement(pta->program->layout, type,
                                          indexes[i]);
            type = LLVMStructGetTypeAtIndex(type, indexes[i]);
        } else {
            type = LLVMGetElementType(type);
            offset += indexes[i] * LLVMABISizeOfType(pta->program->layout,
                                                     type);
        }
    }
    return offset;
}

static void
copy_leaves(struct sa_pta *pta, LLVMValueRef from, LLVMValueRef to)
{
    uint32_t n = MIN(pta_value_leaves(pta, LLVMTypeOf(from)),
                     pta_value_leaves(pta, LLVMTypeOf(to)));

    for (uint32_t i = 0; i < n; i++) {
        pta_add_edge(pta, pta_value_vertex(pta, from, i),
                     pta_value_vertex(pta, to, i));
    }
}

/* Instructions. */

static void
generate_alloca(struct sa_pta *pta, uint32_t insn)
{
    LLVMValueRef v = pta->program->insns[insn].value;
    LLVMTypeRef type = LLVMGetAllocatedType(v);
    uint32_t id = pta->program->insns[insn].result;
    const struct sa_variable *variable = sa_value_variable(pta->program, id);
    struct object o = {
        .kind = SA_OBJECT_STACK, .site = v, .insn = insn, .caller = SA_NONE,
        .function = SA_NONE, .declared = true
    };
    int64_t count;

    if (LLVMTypeIsSized(type)) {
        o.size = LLVMABISizeOfType(pta->program->layout, type);
        o.layout = sa_layout_of_llvm(pta->layouts, type);
    }
    if (variable && variable->type) {
        const struct sa_type *t = sa_type_of(pta->types, variable->type);
        if (t->size && t->size == o.size) {
            o.type = t;
            o.layout = sa_layout_of_type(pta->layouts, t);
        }
    }
    if (!constant_int(LLVMGetOperand(v, 0), &count) || count != 1) {
        /* alloca(), or an array of variable length. */
        o.repeats = true;
        o.size = 0;
        if (o.layout && o.layout->n_leaves == 1) {
            o.modulus = MAX(o.layout->size, 1);
            o.layout = NULL;
        }
    }
    pta->value_objects[id] = pta_new_object(pta, &o);
    pta_add_points_to(pta, pta_value_vertex(pta, v, 0),
                      pta_node(pta, pta->value_objects[id], 0));
}

/* The struct that a pointer is used as a pointer to, if there is one only. */
static const struct sa_type *
used_as(struct sa_pta *pta, LLVMValueRef pointer)
{
    const struct sa_type *type = NULL;

    for (LLVMUseRef use = LLVMGetFirstUse(pointer); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        struct gep gep = { .dst = SA_NONE };

        if (LLVMIsAGetElementPtrInst(user)
            && LLVMGetOperand(user, 0) == pointer) {
            pta_describe_gep(pta, user, &gep);
            if (!gep.type || (type && type->canonical
                                      != gep.type->canonical)) {
                return NULL;
            }
            type = gep.type;
        }
    }
    uint32_t id = sa_value_id(pta->program, pointer);
    const struct sa_variable *variable = sa_value_variable(pta->program, id);
    if (!type && variable && variable->type) {
        type = sa_type_of(pta->types, variable->type);
        type = type->kind == SA_TYPE_POINTER ? type->target : NULL;
    }
    return type && type->kind == SA_TYPE_STRUCT ? type : NULL;
}

static void
generate_gep(struct sa_pta *pta, LLVMValueRef v)
{
    struct gep gep = { .dst = pta_value_vertex(pta, v, 0) };
    uint32_t src = pta_value_vertex(pta, LLVMGetOperand(v, 0), 0);

    pta_describe_gep(pta, v, &gep);
    if (gep.arithmetic < 0 && !gep.path && !gep.stride && !gep.layout) {
        gep.container = used_as(pta, v);
    }
    /* Even if it moves nothing it tells what the memory is used as. */
    if (gep.arithmetic || gep.path || gep.stride || gep.layout) {
        pta_add_gep(pta, src, &gep);
    } else {
        pta_add_edge(pta, src, gep.dst);
    }
}

/* Arithmetic on integers that may be pointers. */
static void
generate_arithmetic(struct sa_pta *pta, LLVMValueRef v, LLVMOpcode opcode)
{
    uint32_t dst = pta_value_vertex(pta, v, 0);
    LLVMValueRef a = LLVMGetOperand(v, 0);
    LLVMValueRef b = LLVMGetOperand(v, 1);
    int64_t c;

    uint32_t id = sa_value_id(pta->program, v);

    if (dst == SA_NONE
        || (!nodeset_contains(&pta->integers.from_pointers, id)
            && !nodeset_contains(&pta->integers.to_pointers, id))) {
        return;
    } else if (opcode == LLVMAnd || opcode == LLVMOr) {
        pta_add_edge(pta, pta_value_vertex(pta, a, 0), dst);
        pta_add_edge(pta, pta_value_vertex(pta, b, 0), dst);
    } else if (opcode == LLVMAdd || opcode == LLVMSub) {
        struct gep gep = { .dst = dst };
        if (constant_int(b, &c) && c < MAX_OFFSET && c > -MAX_OFFSET) {
            gep.arithmetic = opcode == LLVMAdd ? c : -c;
            pta_add_gep(pta, pta_value_vertex(pta, a, 0), &gep);
        } else if (opcode == LLVMAdd || !LLVMIsAPtrToIntInst(b)) {
            gep.stride = 1;
            pta_add_gep(pta, pta_value_vertex(pta, a, 0), &gep);
            if (opcode == LLVMAdd) {
                pta_add_gep(pta, pta_value_vertex(pta, b, 0), &gep);
            }
        }
    }
}

static void
generate_phi(struct sa_pta *pta, LLVMValueRef v)
{
    unsigned int n = LLVMCountIncoming(v);

    for (unsigned int i = 0; i < n; i++) {
        copy_leaves(pta, LLVMGetIncomingValue(v, i), v);
    }
}

static void
generate_part(struct sa_pta *pta, LLVMValueRef v, LLVMOpcode opcode)
{
    LLVMValueRef whole = LLVMGetOperand(v, 0);
    LLVMTypeRef type = LLVMTypeOf(whole);
    uint64_t offset = indexes_offset(pta, v, type);

    if (opcode == LLVMExtractValue) {
        copy_part(pta, LLVMTypeOf(v), pta_value_vertex(pta, v, 0), type,
                  offset, pta_value_vertex(pta, whole, 0), true);
    } else {
        LLVMValueRef part = LLVMGetOperand(v, 1);
        copy_leaves(pta, whole, v);
        copy_part(pta, LLVMTypeOf(part), pta_value_vertex(pta, part, 0), type,
                  offset, pta_value_vertex(pta, v, 0), false);
    }
}

static void
generate_return(struct sa_pta *pta, uint32_t function, LLVMValueRef v)
{
    if (LLVMGetNumOperands(v) && pta->returns[function] != SA_NONE) {
        LLVMValueRef value = LLVMGetOperand(v, 0);
        uint32_t n = pta_value_leaves(pta, LLVMTypeOf(value));

        for (uint32_t i = 0; i < n; i++) {
            pta_add_edge(pta, pta_value_vertex(pta, value, i),
                         pta->returns[function] + i);
        }
    }
}

static void
generate_va_arg(struct sa_pta *pta, LLVMValueRef v)
{
    /* The list points to the arguments: two loads. */
    uint32_t arguments = pta_new_variable(pta);
    struct gep gep = { .dst = pta_new_variable(pta), .stride = 1 };

    pta_add_gep(pta, pta_value_vertex(pta, LLVMGetOperand(v, 0), 0), &gep);
    pta_add_constraint(pta, gep.dst, C_LOAD, arguments);
    if (pta_value_vertex(pta, v, 0) != SA_NONE) {
        pta_add_constraint(pta, arguments, C_LOAD,
                           pta_value_vertex(pta, v, 0));
    }
}

static void
generate_insn(struct sa_pta *pta, uint32_t insn)
{
    const struct sa_insn *i = &pta->program->insns[insn];
    LLVMValueRef v = i->value;

    switch (i->opcode) {
    case LLVMAlloca:
        generate_alloca(pta, insn);
        break;
    case LLVMLoad:
        if (!is_mere_integer(pta, v, LLVMGetOperand(v, 0))) {
            generate_access(pta, LLVMGetOperand(v, 0), LLVMTypeOf(v),
                            pta_value_vertex(pta, v, 0), C_LOAD);
        }
        break;
    case LLVMStore: {
        LLVMValueRef value = LLVMGetOperand(v, 0);

        if (!is_mere_integer(pta, value, LLVMGetOperand(v, 1))) {
            generate_access(pta, LLVMGetOperand(v, 1), LLVMTypeOf(value),
                            pta_value_vertex(pta, value, 0), C_STORE);
        }
        break;
    }
    case LLVMGetElementPtr:
        generate_gep(pta, v);
        break;
    case LLVMPHI:
        generate_phi(pta, v);
        break;
    case LLVMSelect:
        copy_leaves(pta, LLVMGetOperand(v, 1), v);
        copy_leaves(pta, LLVMGetOperand(v, 2), v);
        break;
    case LLVMBitCast:
    case LLVMAddrSpaceCast:
    case LLVMPtrToInt:
    case LLVMIntToPtr:
    case LLVMFreeze:
    case LLVMExtractElement:
        copy_leaves(pta, LLVMGetOperand(v, 0), v);
        break;
    case LLVMInsertElement:
    case LLVMShuffleVector:
        copy_leaves(pta, LLVMGetOperand(v, 0), v);
        copy_leaves(pta, LLVMGetOperand(v, 1), v);
        break;
    case LLVMAdd:
    case LLVMSub:
    case LLVMAnd:
    case LLVMOr:
        generate_arithmetic(pta, v, i->opcode);
        break;
    case LLVMExtractValue:
    case LLVMInsertValue:
        generate_part(pta, v, i->opcode);
        break;
    case LLVMAtomicRMW:
        generate_access(pta, LLVMGetOperand(v, 0), LLVMTypeOf(v),
                        pta_value_vertex(pta, v, 0), C_LOAD);
        generate_access(pta, LLVMGetOperand(v, 0), LLVMTypeOf(v),
                        pta_value_vertex(pta, LLVMGetOperand(v, 1), 0),
                        C_STORE);
        break;
    case LLVMAtomicCmpXchg:
        generate_access(pta, LLVMGetOperand(v, 0),
                        LLVMTypeOf(LLVMGetOperand(v, 2)),
                        pta_value_vertex(pta, v, 0), C_LOAD);
        generate_access(pta, LLVMGetOperand(v, 0),
                        LLVMTypeOf(LLVMGetOperand(v, 2)),
                        pta_value_vertex(pta, LLVMGetOperand(v, 2), 0),
                        C_STORE);
        break;
    case LLVMVAArg:
        generate_va_arg(pta, v);
        break;
    case LLVMCall:
    case LLVMInvoke:
    case LLVMCallBr:
        pta_generate_call(pta, insn);
        break;
    case LLVMRet:
        generate_return(pta, i->function, v);
        break;
    case LLVMLandingPad:
    case LLVMCleanupPad:
    case LLVMCatchPad:
    case LLVMCatchSwitch:
        sa_warn(sa_insn_loc(pta->program, insn),
                "exceptions of C++ are not covered");
        break;
    default:
        break;                  /* Has nothing to do with pointers. */
    }
}

/* Globals. */

uint32_t
pta_library_object(struct sa_pta *pta, const char *name)
{
    gpointer known = g_hash_table_lookup(pta->library_objects, name);

    if (known) {
        return GPOINTER_TO_UINT(known) - 1;
    }
    bool arguments = !strcmp(name, "arguments");
    struct object o = {
        .kind = arguments ? SA_OBJECT_ARGUMENTS : SA_OBJECT_LIBRARY,
        .insn = SA_NONE, .caller = SA_NONE, .function = SA_NONE,
        .name = g_strdup(name), .modulus = 1, .declared = true
    };
    uint32_t id = pta_new_object(pta, &o);
    g_hash_table_insert(pta->library_objects, (char *) o.name,
                        GUINT_TO_POINTER(id + 1));
    return id;
}

uint32_t
pta_library_node(struct sa_pta *pta, const char *name)
{
    uint32_t node = pta_node(pta, pta_library_object(pta, name), 0);

    pta_add_points_to(pta, node, node);
    return node;
}

static void
make_global(struct sa_pta *pta, LLVMValueRef global)
{
    LLVMTypeRef type = LLVMGlobalGetValueType(global);
    uint32_t id = sa_value_id(pta->program, global);
    const struct sa_variable *variable = sa_value_variable(pta->program, id);
    struct object o = {
        .kind = SA_OBJECT_GLOBAL, .site = global, .insn = SA_NONE,
        .caller = SA_NONE, .function = SA_NONE, .declared = true
    };

    if (LLVMTypeIsSized(type)) {
        o.size = LLVMABISizeOfType(pta->program->layout, type);
        o.layout = sa_layout_of_llvm(pta->layouts, type);
    }
    if (variable && variable->type) {
        const struct sa_type *t = sa_type_of(pta->types, variable->type);
        if (t->size && t->size == o.size) {
            o.type = t;
            o.layout = sa_layout_of_type(pta->layouts, t);
        }
    }
    if (LLVMIsDeclaration(global)) {
        o.size = 0;             /* "extern int table[];" */
        o.repeats = true;
    }
    pta->value_objects[id] = pta_new_object(pta, &o);
    pta_node(pta, pta->value_objects[id], 0);
}

static void
make_function(struct sa_pta *pta, uint32_t function)
{
    LLVMValueRef f = pta->program->functions[function].value;
    struct object o = {
        .kind = SA_OBJECT_FUNCTION, .site = f, .insn = SA_NONE,
        .caller = SA_NONE, .function = function, .modulus = 1,
        .declared = true
    };

    pta->value_objects[sa_value_id(pta->program, f)] = pta_new_object(pta, &o);
}

/* A part of an initialiser. */
struct initializer {
    LLVMValueRef value;
    int64_t offset;
};

static void
push_initializer(GArray *work, LLVMValueRef value, int64_t offset)
{
    struct initializer i = { .value = value, .offset = offset };

    if (!LLVMIsNull(value) && !LLVMIsUndef(value)) {
        g_array_append_val(work, i);
    }
}

static void
generate_initializer(struct sa_pta *pta, LLVMValueRef global)
{
    LLVMTargetDataRef td = pta->program->layout;
    uint32_t object = pta->value_objects[sa_value_id(pta->program, global)];
    GArray *work = g_array_new(FALSE, FALSE, sizeof(struct initializer));

    push_initializer(work, LLVMGetInitializer(global), 0);
    while (work->len) {
        struct initializer i = g_array_index(work, struct initializer,
                                             work->len - 1);
        LLVMTypeRef type = LLVMTypeOf(i.value);
        uint32_t target;
        int64_t offset;

        g_array_set_size(work, work->len - 1);
        if (LLVMIsAConstantStruct(i.value)) {
            unsigned int n = LLVMCountStructElementTypes(type);
            for (unsigned int j = 0; j < n; j++) {
                push_initializer(work, LLVMGetOperand(i.value, j),
                                 i.offset + LLVMOffsetOfElement(td, type, j));
            }
        } else if (LLVMIsAConstantArray(i.value)
                   || LLVMIsAConstantVector(i.value)) {
            int n = LLVMGetNumOperands(i.value);
            uint64_t size = LLVMABISizeOfType(td, LLVMGetElementType(type));
            for (int j = 0; j < n; j++) {
                push_initializer(work, LLVMGetOperand(i.value, j),
                                 i.offset + j * size);
            }
        } else if (pta_constant_address(pta, i.value, &target, &offset)) {
            pta_add_points_to(pta, pta_node(pta, object, i.offset),
                              pta_node(pta, target, offset));
        }
    }
    g_array_free(work, TRUE);
}

/* A global of a library: stdin, environ, optarg. */
static void
points_to_library(struct sa_pta *pta, uint32_t node, void *library_)
{
    uint32_t *library = library_;

    pta_add_points_to(pta, node, *library);
}

static void
generate_external(struct sa_pta *pta, LLVMValueRef global)
{
    static const char *const arguments[] = {
        "environ", "__environ", "_environ", "optarg",
        "program_invocation_name", "program_invocation_short_name"
    };
    uint32_t object = pta->value_objects[sa_value_id(pta->program, global)];
    size_t n;
    const char *name = LLVMGetValueName2(global, &n);

    for (size_t i = 0; i < G_N_ELEMENTS(arguments); i++) {
        if (!strcmp(name, arguments[i])) {
            name = "arguments";
        }
    }
    uint32_t library = pta_library_node(pta, name);
    pta_object_range(pta, object, 0, 0, true, points_to_library, &library);
}

static void
generate_main(struct sa_pta *pta)
{
    uint32_t f = sa_function_by_name(pta->program, "main");

    if (f != SA_NONE && pta->program->functions[f].defined) {
        const struct sa_function *main_ = &pta->program->functions[f];
        for (uint32_t i = 1; i < main_->n_params; i++) {
            pta_add_points_to(
                pta, pta_value_vertex(pta, LLVMGetParam(main_->value, i), 0),
                pta_library_node(pta, "arguments"));
        }
    }
}

/* What a function gets and returns. */
static void
prepare_function(struct sa_pta *pta, uint32_t function)
{
    const struct sa_function *f = &pta->program->functions[function];
    LLVMTypeRef type = LLVMGetReturnType(LLVMGlobalGetValueType(f->value));
    uint32_t n = (LLVMGetTypeKind(type) == LLVMVoidTypeKind ? 0
                  : pta_value_leaves(pta, type));
    unsigned int byval = LLVMGetEnumAttributeKindForName("byval", 5);

    pta->returns[function] = new_variables(pta, n);
    pta->varargs[function] = SA_NONE;
    if (f->defined && f->variadic) {
        struct object o = {
            .kind = SA_OBJECT_STACK, .site = f->value, .insn = SA_NONE,
            .caller = SA_NONE, .function = SA_NONE, .modulus = 1,
            .declared = true
        };
        pta->varargs[function] = pta_new_object(pta, &o);
    }
    for (uint32_t i = 0; f->defined && i < f->n_params; i++) {
        LLVMValueRef param = LLVMGetParam(f->value, i);
        LLVMAttributeRef attribute = LLVMGetEnumAttributeAtIndex(
            f->value, i + 1, byval);
        if (attribute) {
            LLVMTypeRef t = LLVMGetTypeAttributeValue(attribute);
            struct object o = {
                .kind = SA_OBJECT_STACK, .site = param, .insn = SA_NONE,
                .caller = SA_NONE, .function = SA_NONE, .declared = true,
                .layout = sa_layout_of_llvm(pta->layouts, t),
                .size = LLVMABISizeOfType(pta->program->layout, t)
            };
            uint32_t id = sa_value_id(pta->program, param);
            pta->value_objects[id] = pta_new_object(pta, &o);
            pta_add_points_to(pta, pta_value_vertex(pta, param, 0),
                              pta_node(pta, pta->value_objects[id], 0));
        }
    }
}

void
pta_generate(struct sa_pta *pta)
{
    const struct sa_program *p = pta->program;

    for (LLVMValueRef g = LLVMGetFirstGlobal(p->module); g;
         g = LLVMGetNextGlobal(g)) {
        make_global(pta, g);
    }
    for (uint32_t i = 0; i < p->n_functions; i++) {
        make_function(pta, i);
    }
    for (uint32_t i = 0; i < p->n_functions; i++) {
        prepare_function(pta, i);
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(p->module); g;
         g = LLVMGetNextGlobal(g)) {
        if (LLVMGetInitializer(g)) {
            generate_initializer(pta, g);
        } else {
            generate_external(pta, g);
        }
    }
    generate_main(pta);
    for (uint32_t i = 0; i < p->n_insns; i++) {
        generate_insn(pta, i);
    }
    /* Addresses that are only used to access numbers. */
    for (uint32_t i = 0; i < p->n_values; i++) {
        LLVMValueRef value = p->values[i];
        if (LLVMIsAConstant(value) && !LLVMIsAConstantPointerNull(value)
            && (LLVMGetTypeKind(LLVMTypeOf(value))
                == LLVMPointerTypeKind)) {
            pta_value_vertex(pta, value, 0);
        }
    }
}
