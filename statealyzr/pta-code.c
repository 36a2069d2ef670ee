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

#include "members.h"

/* Functions in members of structs, by types
 *
 * Field-based (Heintze, Tardieu, PLDI 2001) without exception for pointers to
 * functions, as a call that reaches too much is what costs most.  A pointer
 * may be to memory of no type as well as to its struct, and a copy to or from
 * such memory: what all of that holds is one set (pta-classes.c), and each
 * member that is loaded by that pointer had all functions that any other
 * member holds.  So a member that is declared as a pointer to a function is in
 * its class only: what accesses it as that member does not access memory of no
 * type, and no copy of more than it, and no walk, takes functions from there
 * to that memory or back.
 *
 * Sound as long as a function that is put in memory of no type as a member of
 * a struct of the program, by a pointer to the struct or a copy of it, is
 * taken from there as that member, too. */

/* Whether a member that is a pointer to a function is at 'offset' of what is
 * 'type', and in no union there.  What the system declares, libraries fill. */
static bool
is_code_at(struct sa_pta *pta, const struct sa_type *type, uint64_t offset)
{
    if (!pta_is_aggregate(type) || offset >= type->size
        || sa_type_is_foreign(type->canonical)) {
        return false;
    }
    const struct sa_layout *l = sa_layout_of_type(pta->layouts, type);
    return l->kinds[sa_layout_leaf(l, offset)] == SA_LEAF_CODE;
}

bool
pta_is_code_access(struct sa_pta *pta, LLVMValueRef address)
{
    uint64_t offset;

    if (!pta->by_types || !LLVMIsAGetElementPtrInst(address)) {
        return false;
    }
    const struct sa_type *s = pta_struct_at(pta, address, &offset);
    return s && is_code_at(pta, s, offset);
}

bool
pta_is_code_member(struct sa_pta *pta, uint32_t node)
{
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);
    uint64_t offset;

    return (pta->by_types && v->stored == SA_NONE
            && pta_in_element(o, v->offset, &offset)
            && is_code_at(pta, pta_element(o->type), offset));
}

static bool
is_code_pointer(const struct sa_type *t)
{
    return (t && t->kind == SA_TYPE_POINTER
            && t->target->kind == SA_TYPE_FUNCTION);
}

/* Whether a value is a function or declared as a pointer to one. */
static bool
is_code_value(struct sa_pta *pta, LLVMValueRef value)
{
    return (LLVMIsAFunction(value)
            || is_code_pointer(pta_variable_type(pta, value))
            || (LLVMIsALoadInst(value)
                && is_code_pointer(pta_type_at(pta,
                                               LLVMGetOperand(value, 0)))));
}

/* Whether what is loaded from, or stored to, 'address' is a pointer to a
 * function, as far as the instructions that do so tell. */
static bool
is_used_for_code(struct sa_pta *pta, LLVMValueRef address)
{
    for (LLVMUseRef use = LLVMGetFirstUse(address); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (LLVMIsAStoreInst(user)
            && is_code_value(pta, LLVMGetOperand(user, 0))) {
            return true;
        } else if (!LLVMIsALoadInst(user)) {
            continue;
        } else if (is_code_pointer(pta_variable_type(pta, user))) {
            return true;
        }
        for (LLVMUseRef called = LLVMGetFirstUse(user); called;
             called = LLVMGetNextUse(called)) {
            LLVMValueRef call = LLVMGetUser(called);

            if (LLVMIsACallInst(call) && LLVMGetCalledValue(call) == user) {
                return true;
            }
        }
    }
    return false;
}

/* Makes 'gep' lead to the member at 'offset' of 'type', too, if that is a
 * pointer to a function. */
static void
add_member(struct sa_pta *pta, const struct sa_type *type, uint64_t offset,
           struct gep *gep)
{
    if (is_code_at(pta, type, offset)) {
        if (!gep->code) {
            gep->code = pta_new_variable(pta);
        }
        pta_add_points_to(pta, gep->code,
                          pta_node(pta, pta_class(pta, type), offset));
    }
}

void
pta_describe_code(struct sa_pta *pta, LLVMValueRef address, struct gep *gep)
{
    uint64_t offset;

    if (!pta->by_types || !gep->layout || gep->path < 0) {
        return;
    }
    const struct sa_type *s = pta_struct_at(pta, address, &offset);
    if (s) {
        add_member(pta, s, offset, gep);
        return;
    } else if (!is_used_for_code(pta, address)) {
        return;
    }
    /* It may be any struct that looks like the one that the linker names. */
    size_t n;
    const struct sa_type *const *structs = sa_types_structs(pta->types, &n);
    for (size_t i = 0; i < n; i++) {
        if (pta_looks_like(gep->layout,
                           sa_layout_of_type(pta->layouts, structs[i]))) {
            add_member(pta, structs[i], gep->path, gep);
        }
    }
}

void
pta_apply_code(struct sa_pta *pta, const struct gep *gep, uint32_t node,
               void (*cb)(struct sa_pta *, uint32_t node, void *aux),
               void *aux)
{
    struct nodeset members = { .blocks = NULL };
    uint32_t member;

    if (!gep->code
        || !(pta_is_cursor(pta, node) || pta_is_untyped(pta, node))) {
        return;
    }
    nodeset_union(&members, &pta_vertex(pta, gep->code)->points_to, NULL);
    NODESET_FOR_EACH (member, &members) {
        cb(pta, member, aux);
    }
    nodeset_clear(&members);
}
