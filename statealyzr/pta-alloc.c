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

#include <inttypes.h>

/* Heap objects
 *
 * One for each allocation site; for one in an allocation wrapper
 * (wrappers.h), one for each call of the wrapper.  What the source says
 * about the pointer that takes the memory tells the type, if it says
 * anything; else the use will (pta-objects.c). */

/* The struct or scalar (an element, if it is an array) that a variable or
 * member points to, or NULL. */
static const struct sa_type *
pointed_to(const struct sa_type *type)
{
    const struct sa_type *t = (type && type->kind == SA_TYPE_POINTER
                               ? type->target : NULL);

    while (t && t->kind == SA_TYPE_ARRAY) {
        t = t->target;
    }
    return (t && t->size
            && (t->kind == SA_TYPE_STRUCT || t->kind == SA_TYPE_UNION
                || t->kind == SA_TYPE_POINTER || t->kind == SA_TYPE_INT)
            ? t : NULL);
}

/* The deepest chain of addresses that types are looked for along. */
#define MAX_TYPE_DEPTH 8

static const struct sa_type *type_at(struct sa_pta *, LLVMValueRef address,
                                     uint64_t size, int depth);

/* The variable that 'value' is a thread's address of, or 'value'. */
static LLVMValueRef
of_thread(LLVMValueRef value)
{
    return (LLVMIsAIntrinsicInst(value)
            && LLVMIsAGlobalVariable(LLVMGetOperand(value, 0))
            && LLVMIsThreadLocal(LLVMGetOperand(value, 0))
            ? LLVMGetOperand(value, 0) : value);
}

/* What 'value', a pointer that an address is computed from, is declared to
 * point to, which has 'size' bytes, or NULL. */
static const struct sa_type *
target_type(struct sa_pta *pta, LLVMValueRef value, uint64_t size, int depth)
{
    const struct sa_type *t;

    value = of_thread(value);
    if (LLVMIsAAllocaInst(value) || LLVMIsAGlobalVariable(value)
        || LLVMIsAGetElementPtrInst(value)) {
        return type_at(pta, value, size, depth);
    } else if (LLVMIsALoadInst(value)) {
        t = type_at(pta, LLVMGetOperand(value, 0), 0, depth);
    } else {
        t = pta_variable_type(pta, value);
        if (t && (t->kind == SA_TYPE_STRUCT || t->kind == SA_TYPE_UNION)) {
            return t;           /* Its address: a struct by value. */
        }
    }
    return t && t->kind == SA_TYPE_POINTER ? t->target : NULL;
}

/* The struct that getelementptr instruction 'address' leads into, to '*offset'
 * bytes from its start; NULL if unknown. */
static const struct sa_type *
struct_at(struct sa_pta *pta, LLVMValueRef address, int depth,
          uint64_t *offset)
{
    struct gep gep = { .dst = SA_NONE };

    pta_describe_gep(pta, address, &gep);
    if (!gep.layout || gep.path < 0) {
        return NULL;
    }
    *offset = gep.path;
    const struct sa_type *s = target_type(pta, LLVMGetOperand(address, 0),
                                          gep.layout->size, depth + 1);
    return (s && s->size == gep.layout->size ? s
            : gep.unambiguous ? gep.type : NULL);
}

const struct sa_type *
pta_struct_at(struct sa_pta *pta, LLVMValueRef address, uint64_t *offset)
{
    const struct sa_type *s = struct_at(pta, address, 0, offset);

    if (!s) {
        /* An element of an array, perhaps, that a variable points to. */
        struct gep gep = { .dst = SA_NONE };
        const struct sa_type *t
            = pta_variable_type(pta, LLVMGetOperand(address, 0));

        pta_describe_gep(pta, address, &gep);
        if (t && t->kind == SA_TYPE_POINTER && gep.layout && gep.path >= 0
            && t->target->size == gep.layout->size) {
            *offset = gep.path;
            s = t->target;
        }
    }
    return s;
}

/* pta_type_at(), of the part that has 'size' bytes, unless that is 0.  The
 * recursion is bounded by 'depth'. */
static const struct sa_type *
type_at(struct sa_pta *pta, LLVMValueRef address, uint64_t size, int depth)
{
    /* "p[i]" is what "*p" is. */
    while (LLVMIsAGetElementPtrInst(address)
           && LLVMGetNumOperands(address) == 2
           && (LLVMGetTypeKind(LLVMGetGEPSourceElementType(address))
               == LLVMPointerTypeKind)) {
        address = LLVMGetOperand(address, 0);
    }
    address = of_thread(address);
    if (LLVMIsAAllocaInst(address) || LLVMIsAGlobalVariable(address)) {
        return pta_variable_type(pta, address);
    } else if (depth == MAX_TYPE_DEPTH) {
        return NULL;
    } else if (!LLVMIsAGetElementPtrInst(address)) {
        return target_type(pta, address, size, depth + 1);
    }

    uint64_t offset;
    const struct sa_type *s = struct_at(pta, address, depth, &offset);
    if (s && size) {
        return sa_type_part(s, offset, size);
    }
    char *path = NULL;
    const struct sa_type *t = s ? sa_type_path(s, offset, &path) : NULL;
    g_free(path);
    return t;
}

const struct sa_type *
pta_type_at(struct sa_pta *pta, LLVMValueRef address)
{
    return type_at(pta, address, 0, 0);
}

const struct sa_type *
pta_pointer_at(struct sa_pta *pta, LLVMValueRef address)
{
    uint64_t offset;

    if (LLVMIsAGetElementPtrInst(address)
        && (LLVMGetTypeKind(LLVMGetGEPSourceElementType(address))
            == LLVMStructTypeKind)) {
        const struct sa_type *s = struct_at(pta, address, 0, &offset);

        if (!s || offset >= s->size) {
            return NULL;
        }
        const struct sa_layout *l = sa_layout_of_type(pta->layouts, s);
        if (l->kinds[sa_layout_leaf(l, offset)] == SA_LEAF_ANY) {
            return NULL;        /* In a union, perhaps. */
        }
    }
    return pta_type_at(pta, address);
}

/* What the result of 'function' is declared to point to. */
static const struct sa_type *
return_type(struct sa_pta *pta, uint32_t function)
{
    LLVMMetadataRef type = (function == SA_NONE ? NULL
                            : sa_function_return_type(pta->program,
                                                      function));

    return type ? pointed_to(sa_type_of(pta->types, type)) : NULL;
}

/* The declared type of what is stored at 'address', NULL if unknown. */
static const struct sa_type *
stored_type(struct sa_pta *pta, LLVMValueRef address)
{
    const struct sa_type *t = pta_type_at(pta, address);

    if (!t && pta->by_types && LLVMIsAGetElementPtrInst(address)
        && (LLVMGetTypeKind(LLVMGetGEPSourceElementType(address))
            == LLVMArrayTypeKind)) {
        /* An element of a variable. */
        t = pta_element(pta_variable_type(pta, LLVMGetOperand(address, 0)));
    }
    return t;
}

/* What the result of a call is declared to point to, NULL if that is
 * unknown: by the variables it is assigned to, perhaps through a
 * conditional, and by the functions that return it. */
static const struct sa_type *
declared_type(struct sa_pta *pta, LLVMValueRef call)
{
    LLVMValueRef values[4] = { call };
    const struct sa_type *best = return_type(
        pta, sa_direct_callee(pta->program, call));
    size_t n = 1;

    for (size_t i = 0; i < n; i++) {
        const struct sa_type *t = pointed_to(
            pta_variable_type(pta, values[i]));

        best = best && best->kind != SA_TYPE_INT ? best : t ? t : best;
        for (LLVMUseRef use = LLVMGetFirstUse(values[i]);
             use && (!best || best->kind == SA_TYPE_INT);
             use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);

            if (LLVMIsAStoreInst(user)
                && LLVMGetOperand(user, 0) == values[i]) {
                t = pointed_to(stored_type(pta, LLVMGetOperand(user, 1)));
                best = t ? t : best;
            } else if ((LLVMIsAPHINode(user) || LLVMIsASelectInst(user))
                       && n < G_N_ELEMENTS(values)) {
                values[n++] = user;
            } else if (LLVMIsAReturnInst(user)) {
                t = return_type(pta, sa_function_id(
                    pta->program, LLVMGetBasicBlockParent(
                        LLVMGetInstructionParent(user))));
                best = t ? t : best;
            }
        }
    }
    return best;
}

static void
set_type(struct sa_pta *pta, struct object *o, const struct sa_type *t,
         const struct pta_chain *chain)
{
    const struct sa_layout *l = t ? sa_layout_of_type(pta->layouts, t) : NULL;
    uint64_t size = o->size - MIN(o->size, o->base);

    if (!l || !l->size || (o->size && size < l->size)) {
        return;
    }
    o->type = t;
    if (t->kind == SA_TYPE_STRUCT || t->kind == SA_TYPE_UNION) {
        o->layout = l;
        o->repeats = !size || size >= 2 * l->size;
        /* More than the type, but no array: bytes follow it if they were
         * added, or else members of a larger struct that begins with it. */
        o->declared = !size || size % l->size == 0;
        if ((!size || !o->declared) && pta_chain_adds_to(chain, l->size)) {
            o->declared = true;
            if (!sa_layout_is_flexible(l)) {
                o->tail = true;
                o->repeats = false;
            }
        }
    } else {
        /* An array of scalars is not taken for a struct because of some access
         * that finds its way there. */
        o->modulus = l->size;
        o->declared = true;
    }
}

uint32_t
pta_heap_object(struct sa_pta *pta, const struct pta_chain *chain,
                uint32_t caller, int64_t base, const struct sa_effect *effect)
{
    LLVMValueRef call = chain->calls[chain->n - 1];
    uint32_t site = sa_insn_id(pta->program, call);
    uint64_t size = pta_chain_size(chain, effect);
    char *key = g_strdup_printf("%u %u %"PRIu64, site, caller, size);
    gpointer known = g_hash_table_lookup(pta->clones, key);

    if (known) {
        g_free(key);
        return GPOINTER_TO_UINT(known) - 1;
    }
    struct object o = {
        .kind = SA_OBJECT_HEAP, .site = call, .insn = site, .caller = caller,
        .function = SA_NONE, .base = base > 0 ? base : 0, .size = size
    };
    set_type(pta, &o, declared_type(pta, chain->calls[0]), chain);
    if (pta->by_types && !o.declared) {
        o.layout = NULL;
        o.modulus = 1;
    }
    uint32_t id = (pta->by_types && o.declared && o.layout
                   ? pta_shared_object(pta, &o) : pta_new_object(pta, &o));
    g_hash_table_insert(pta->clones, key, GUINT_TO_POINTER(id + 1));
    return id;
}

bool
pta_is_cloned(struct sa_pta *pta, uint32_t insn)
{
    uint32_t function = pta->program->insns[insn].function;
    const struct sa_function *f = &pta->program->functions[function];
    const struct sa_wrapper *w = sa_wrapper_of(pta->wrappers, function);

    for (uint32_t i = 0; w && !f->address_taken && i < w->n_sources; i++) {
        if (w->sources[i].insn == insn) {
            return LLVMGetFirstUse(f->value) != NULL;
        }
    }
    return false;
}

/* Where a wrapper's result points to. */
struct result {
    uint32_t object;
    int64_t offset;
};

static void
point_to(struct sa_pta *pta, uint32_t insn, struct result r)
{
    pta_add_points_to(pta, pta_value_vertex(pta,
                                            pta->program->insns[insn].value,
                                            0),
                      pta_node(pta, r.object, r.offset));
}

/* Makes what 'variable' points to hold the address of a result. */
static void
store_address(struct sa_pta *pta, LLVMValueRef variable, struct result r)
{
    uint32_t address = pta_new_variable(pta);

    pta_add_points_to(pta, address, pta_node(pta, r.object, r.offset));
    pta_add_constraint(pta, pta_value_vertex(pta, variable, 0), C_STORE,
                       address);
}

/* What realloc() in the last call of a chain moves to 'object'. */
static void
copy_reallocated(struct sa_pta *pta, const struct pta_chain *chain,
                 LLVMValueRef from, uint32_t object)
{
    struct gep gep = { .dst = pta_new_variable(pta) };
    uint32_t to = pta_new_variable(pta);

    from = pta_chain_argument(pta, chain, from, &gep.path);
    pta_add_gep(pta, pta_value_vertex(pta, from, 0), &gep);
    pta_add_points_to(pta, to, pta_node(pta, object, 0));
    pta_add_copy(pta, to, gep.dst, 0);
}

/* Makes the objects that a call of 'function' by 'caller' allocates, known to
 * the wrappers in between, and adds to 'results' where the result points to.
 * 'base' is the distance from there to what 'caller' gets, where the layout of
 * an object begins.  The recursion is as deep as wrappers call each other,
 * which is bounded. */
static void
instantiate(struct sa_pta *pta, uint32_t function, uint32_t caller,
            int64_t base, struct pta_chain *chain, GArray *results)
{
    const struct sa_wrapper *w = sa_wrapper_of(pta->wrappers, function);

    for (uint32_t i = 0; i < w->n_sources; i++) {
        const struct sa_wrapper_source *s = &w->sources[i];
        if (s->insn == SA_NONE || chain->n > PTA_MAX_CHAIN) {
            continue;
        }
        LLVMValueRef call = pta->program->insns[s->insn].value;
        const struct sa_effect *effect = sa_allocating_effect(
            pta->program, pta->tables, call);
        GArray *inner = g_array_new(FALSE, FALSE, sizeof(struct result));

        chain->calls[chain->n++] = call;
        if (effect) {
            struct result r = {
                .object = pta_heap_object(pta, chain, caller,
                                          base + s->offset, effect)
            };
            g_array_append_val(inner, r);
            if (effect->kind == SA_EFFECT_REALLOC && effect->from >= 0) {
                copy_reallocated(pta, chain,
                                 LLVMGetOperand(call, effect->from),
                                 r.object);
            }
        } else {
            instantiate(pta, sa_direct_callee(pta->program, call), caller,
                        base + s->offset, chain, inner);
        }
        chain->n--;
        for (guint j = 0; j < inner->len; j++) {
            struct result r = g_array_index(inner, struct result, j);
            if (effect && effect->to >= 0) {
                store_address(pta, LLVMGetOperand(call, effect->to), r);
            } else {
                point_to(pta, s->insn, r);
            }
            r.offset += s->offset;
            g_array_append_val(results, r);
        }
        g_array_free(inner, TRUE);
    }
}

void
pta_call_wrapper(struct sa_pta *pta, uint32_t insn, uint32_t function)
{
    const struct sa_wrapper *w = sa_wrapper_of(pta->wrappers, function);
    uint32_t result = pta_value_vertex(pta, pta->program->insns[insn].value,
                                       0);
    GArray *results = g_array_new(FALSE, FALSE, sizeof(struct result));

    struct pta_chain chain = { .calls = { pta->program->insns[insn].value },
                           .n = 1 };
    instantiate(pta, function, insn, 0, &chain, results);
    for (guint i = 0; i < results->len; i++) {
        point_to(pta, insn, g_array_index(results, struct result, i));
    }
    g_array_free(results, TRUE);

    for (uint32_t i = 0; i < w->n_sources; i++) {
        const struct sa_wrapper_source *s = &w->sources[i];

        if (s->insn == SA_NONE) {
            uint32_t source = pta_value_vertex(pta, s->value, 0);
            if (s->offset) {
                struct gep gep = { .dst = result, .arithmetic = s->offset };
                pta_add_gep(pta, source, &gep);
            } else {
                pta_add_edge(pta, source, result);
            }
        }
    }
}
