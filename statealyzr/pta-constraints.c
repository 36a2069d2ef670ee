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

#include "diag.h"

/* Constraints from instructions
 *
 * What each instruction means for pointers, after Andersen: "Program
 * Analysis and Specialization for the C Programming Language" (1994),
 * chapter 4, on LLVM's language reference.  Integers as wide as pointers
 * are taken for pointers, too; narrower ones are not. */

/* The offset in memory of a leaf of a value of 'type'. */
static uint64_t
leaf_offset(struct sa_pta *pta, LLVMTypeRef type, uint32_t leaf)
{
    LLVMTypeKind kind = LLVMGetTypeKind(type);

    return (kind == LLVMStructTypeKind || kind == LLVMArrayTypeKind
            ? sa_layout_of_llvm(pta->layouts, type)->offsets[leaf] : 0);
}

/* Loads and stores. */

/* Whether 'value', which is loaded from or stored at 'address', is an integer
 * that is no pointer: the source calls it an integer there, and no pointer
 * becomes it or is made of it. */
static bool
is_mere_integer(struct sa_pta *pta, LLVMValueRef value, LLVMValueRef address)
{
    if (!pta_is_mere_integer(pta, value)) {
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
    } else if (pta_is_code_access(pta, address)) {
        kind = kind == C_LOAD ? C_LOAD_CODE : C_STORE_CODE;
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

    pta_declare_object(pta, &o, type, variable);
    if (!pta_constant_int(LLVMGetOperand(v, 0), &count) || count != 1) {
        /* alloca(), or an array of variable length. */
        o.repeats = true;
        o.size = 0;
        if (o.layout && o.layout->n_leaves == 1) {
            o.modulus = MAX(o.layout->size, 1);
            o.layout = NULL;
        }
    }
    pta->value_objects[id] = (pta->by_types && o.type && o.layout
                              ? pta_shared_object(pta, &o)
                              : pta_new_object(pta, &o));
    pta_add_points_to(pta, pta_value_vertex(pta, v, 0),
                      pta_node(pta, pta->value_objects[id], 0));
}

static void
generate_gep(struct sa_pta *pta, LLVMValueRef v)
{
    struct gep gep = { .dst = pta_value_vertex(pta, v, 0) };
    uint32_t src = pta_value_vertex(pta, LLVMGetOperand(v, 0), 0);

    pta_describe_gep(pta, v, &gep);
    pta_describe_code(pta, v, &gep);
    if (gep.arithmetic < 0 && !gep.path && !gep.stride && !gep.layout) {
        gep.container = pta_used_as(pta, v);
    }
    /* Even if it moves nothing it tells what the memory is used as. */
    if (pta->by_types && pta_is_walk(pta, v)) {
        pta_add_edge(pta, src, gep.dst);
    } else if (gep.arithmetic || gep.path || gep.stride || gep.layout) {
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
        if (pta_constant_int(b, &c) && c < PTA_MAX_OFFSET
            && c > -PTA_MAX_OFFSET) {
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
        if (!pta_is_null_incoming(v, i)) {
            copy_leaves(pta, LLVMGetIncomingValue(v, i), v);
        }
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
        if (is_mere_integer(pta, v, LLVMGetOperand(v, 0))) {
            break;
        }
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

void
pta_generate(struct sa_pta *pta)
{
    const struct sa_program *p = pta->program;

    pta_generate_globals(pta);
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
