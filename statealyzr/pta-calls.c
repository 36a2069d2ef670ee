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

/* Calls: of functions of the program, of library functions by their models, of
 * functions of the program by library functions. */

static LLVMValueRef
call_value(const struct sa_pta *pta, uint32_t insn)
{
    return pta->program->insns[insn].value;
}

/* The vertex of an argument (SA_RETURN: the result), or SA_NONE. */
static uint32_t
argument(struct sa_pta *pta, uint32_t insn, int arg)
{
    LLVMValueRef call = call_value(pta, insn);

    if (arg == SA_RETURN) {
        return pta_value_vertex(pta, call, 0);
    } else if (arg < 0 || (unsigned int) arg >= LLVMGetNumArgOperands(call)) {
        return SA_NONE;
    }
    return pta_value_vertex(pta, LLVMGetOperand(call, arg), 0);
}

static void
add_unique(GArray **array, uint32_t id)
{
    if (!*array) {
        *array = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    }
    for (guint i = 0; i < (*array)->len; i++) {
        if (g_array_index(*array, uint32_t, i) == id) {
            return;
        }
    }
    g_array_append_val(*array, id);
}

/* Calls of functions of the program. */

static void
pass_argument(struct sa_pta *pta, uint32_t insn, uint32_t function,
              uint32_t i)
{
    const struct sa_function *f = &pta->program->functions[function];
    LLVMValueRef arg = LLVMGetOperand(call_value(pta, insn), i);
    uint32_t n = pta_value_leaves(pta, LLVMTypeOf(arg));

    if (i < f->n_params) {
        LLVMValueRef param = LLVMGetParam(f->value, i);
        uint32_t param_id = sa_value_id(pta->program, param);

        if (pta->value_objects[param_id] != SA_NONE) {
            pta_add_copy(pta, pta_value_vertex(pta, param, 0),
                         pta_value_vertex(pta, arg, 0),
                         pta_object(pta, pta->value_objects[param_id])->size);
            return;
        }
        n = MIN(n, pta_value_leaves(pta, LLVMTypeOf(param)));
        for (uint32_t j = 0; j < n; j++) {
            pta_add_edge(pta, pta_value_vertex(pta, arg, j),
                         pta_value_vertex(pta, param, j));
        }
    } else if (pta->varargs[function] != SA_NONE) {
        uint32_t node = pta_node(pta, pta->varargs[function], 0);
        unsigned int byval = LLVMGetEnumAttributeKindForName("byval", 5);

        if (LLVMGetCallSiteEnumAttribute(call_value(pta, insn), i + 1,
                                         byval)) {
            uint32_t to = pta_new_variable(pta);
            pta_add_points_to(pta, to, node);
            pta_add_copy(pta, to, pta_value_vertex(pta, arg, 0), 0);
            return;
        }
        for (uint32_t j = 0; j < n; j++) {
            pta_add_edge(pta, pta_value_vertex(pta, arg, j), node);
        }
    }
}

static void
connect_defined(struct sa_pta *pta, uint32_t insn, uint32_t function)
{
    LLVMValueRef call = call_value(pta, insn);
    unsigned int n_args = LLVMGetNumArgOperands(call);

    for (uint32_t i = 0; i < n_args; i++) {
        pass_argument(pta, insn, function, i);
    }
    if (pta_is_cloned(pta, insn)) {
        return;                 /* A wrapper's call of a wrapper. */
    } else if (sa_wrapper_of(pta->wrappers, function)
               && (sa_direct_callee(pta->program, call) == function
                   || sa_wrapper_is_allocator(pta->program, pta->wrappers,
                                              function))) {
        pta_call_wrapper(pta, insn, function);
        return;
    }
    LLVMTypeRef type = LLVMTypeOf(call);
    uint32_t n = (LLVMGetTypeKind(type) == LLVMVoidTypeKind ? 0
                  : pta_value_leaves(pta, type));
    type = LLVMGetReturnType(
        LLVMGlobalGetValueType(pta->program->functions[function].value));
    n = MIN(n, LLVMGetTypeKind(type) == LLVMVoidTypeKind ? 0
               : pta_value_leaves(pta, type));
    for (uint32_t i = 0; i < n; i++) {
        pta_add_edge(pta, pta->returns[function] + i,
                     pta_value_vertex(pta, call, i));
    }
}

/* Library functions. */

/* The size that a model names, if it is constant; else 0. */
static uint64_t
constant_argument(struct sa_pta *pta, uint32_t insn, int arg)
{
    LLVMValueRef call = call_value(pta, insn);

    if (arg < 0 || (unsigned int) arg >= LLVMGetNumArgOperands(call)) {
        return 0;
    }
    LLVMValueRef v = LLVMGetOperand(call, arg);
    return (LLVMIsAConstantInt(v) && LLVMGetIntTypeWidth(LLVMTypeOf(v)) <= 64
            ? LLVMConstIntGetZExtValue(v) : 0);
}

static uint32_t
library_node(struct sa_pta *pta, const char *name)
{
    return pta_node(pta, pta_library_object(pta, name), 0);
}

/* Makes 'to' have the value of vertex 'value': a result; or, if it is an
 * argument, what that points to. */
static void
set_result(struct sa_pta *pta, int to_arg, uint32_t to, uint32_t value)
{
    if (to_arg == SA_RETURN) {
        pta_add_edge(pta, value, to);
    } else if (to != SA_NONE) {
        pta_add_constraint(pta, to, C_STORE, value);
    }
}

/* A variable that points to 'node'. */
static uint32_t
pointer_to(struct sa_pta *pta, uint32_t node)
{
    uint32_t vertex = pta_new_variable(pta);

    pta_add_points_to(pta, vertex, node);
    return vertex;
}

static uint32_t
callback_argument(struct sa_pta *pta, uint32_t insn,
                  const struct sa_effect_arg *arg)
{
    uint32_t vertex;

    if (arg->name) {
        return (arg->deref ? library_node(pta, arg->name)
                : pointer_to(pta, pta_library_node(pta, arg->name)));
    }
    vertex = argument(pta, insn, arg->arg);
    if (arg->deref && vertex != SA_NONE) {
        uint32_t loaded = pta_new_variable(pta);
        pta_add_constraint(pta, vertex, C_LOAD, loaded);
        vertex = loaded;
    }
    return vertex;
}

static void
apply_call(struct sa_pta *pta, uint32_t insn, const struct sa_effect *e)
{
    struct callback c = { .insn = insn, .n_args = e->n_args,
                          .result = SA_NONE };
    uint32_t function = argument(pta, insn, e->from);

    for (size_t i = 0; i < e->n_args; i++) {
        c.args[i] = callback_argument(pta, insn, &e->args[i]);
    }
    if (e->name) {
        c.result = library_node(pta, e->name);
    }
    if (e->through && function != SA_NONE) {
        struct gep gep = { .dst = pta_new_variable(pta), .path = e->offset };
        uint32_t loaded = pta_new_variable(pta);

        pta_add_gep(pta, function, &gep);
        pta_add_constraint(pta, gep.dst, C_LOAD, loaded);
        function = loaded;
    }
    g_array_append_val(pta->callbacks, c);
    pta_add_constraint(pta, function, C_CALLBACK, pta->callbacks->len - 1);
}

/* An effect on arguments 'to' and 'from', which are no SA_VARARGS. */
static void
apply_effect(struct sa_pta *pta, uint32_t insn, const struct sa_effect *e,
             int to_arg, int from_arg)
{
    uint32_t to = (to_arg == SA_STATIC
                   ? pointer_to(pta, library_node(pta, e->name))
                   : argument(pta, insn, to_arg));
    uint32_t from = (from_arg == SA_STATIC
                     ? pointer_to(pta, library_node(pta, e->name))
                     : argument(pta, insn, from_arg));
    uint32_t temporary;

    switch (e->kind) {
    case SA_EFFECT_ALLOC:
    case SA_EFFECT_REALLOC: {
        if (pta_is_cloned(pta, insn)) {
            return;
        }
        struct pta_chain chain = { .calls = { call_value(pta, insn) },
                                   .n = 1 };
        uint32_t object = pta_heap_object(pta, &chain, SA_NONE, 0, e);
        temporary = pta_new_variable(pta);
        pta_add_points_to(pta, temporary, pta_node(pta, object, 0));
        set_result(pta, to_arg, to, temporary);
        break;
    }
    case SA_EFFECT_ASSIGN:
        if (to != SA_NONE && from != SA_NONE) {
            pta_add_edge(pta, from, to);
        }
        break;
    case SA_EFFECT_STORE:
        if (to != SA_NONE && from != SA_NONE) {
            pta_add_constraint(pta, to, C_STORE, from);
        }
        break;
    case SA_EFFECT_LOAD:
        if (to != SA_NONE && from != SA_NONE) {
            pta_add_constraint(pta, from, C_LOAD, to);
        }
        break;
    case SA_EFFECT_COPY:
        pta_add_copy(pta, to, from,
                     e->count == SA_NO_ARG
                     ? constant_argument(pta, insn, e->size) : 0);
        break;
    case SA_EFFECT_STATIC:
        set_result(pta, to_arg, to,
                   pointer_to(pta, pta_library_node(pta, e->name)));
        break;
    case SA_EFFECT_STORE_STATIC:
        pta_add_edge(pta, from, library_node(pta, e->name));
        break;
    case SA_EFFECT_LOAD_STATIC:
        set_result(pta, to_arg, to, library_node(pta, e->name));
        break;
    case SA_EFFECT_CALL:
        apply_call(pta, insn, e);
        break;
    case SA_EFFECT_NONE:
    case SA_EFFECT_FREE:
    case SA_EFFECT_WRITE:
    case SA_EFFECT_READ:
        break;
    }
    if (e->kind == SA_EFFECT_REALLOC) {
        pta_add_copy(pta, to, from, 0);
    }
}

/* What is assumed of a library function that no table knows: it may return any
 * of its arguments or something of its own, and call any function that it is
 * given with any of its arguments. */
static void
apply_unknown(struct sa_pta *pta, uint32_t insn, const char *name)
{
    LLVMValueRef call = call_value(pta, insn);
    unsigned int n_args = LLVMGetNumArgOperands(call);
    struct callback c = { .insn = insn, .all = true, .result = SA_NONE };
    bool pointers = false;
    uint32_t result = SA_NONE;

    if (LLVMGetTypeKind(LLVMTypeOf(call)) == LLVMPointerTypeKind) {
        result = pta_value_vertex(pta, call, 0);
        pta_add_points_to(pta, result, pta_library_node(pta, name));
        pointers = true;
    }
    c.args[0] = pta_new_variable(pta);
    c.n_args = 1;
    pta_add_points_to(pta, c.args[0], pta_library_node(pta, name));
    g_array_append_val(pta->callbacks, c);
    for (unsigned int i = 0; i < n_args; i++) {
        LLVMValueRef arg = LLVMGetOperand(call, i);

        if (LLVMGetTypeKind(LLVMTypeOf(arg)) == LLVMPointerTypeKind) {
            uint32_t vertex = pta_value_vertex(pta, arg, 0);
            pta_add_edge(pta, vertex, result);
            pta_add_edge(pta, vertex, c.args[0]);
            pta_add_constraint(pta, vertex, C_CALLBACK,
                               pta->callbacks->len - 1);
            pointers = true;
        }
    }
    if (pointers && g_hash_table_add(pta->warned, g_strdup(name))) {
        sa_warn(sa_insn_loc(pta->program, insn),
                "no model of library function %s(): it is taken to write to "
                "what its arguments point to, and to keep none of them; "
                "see --table", name);
    }
}

/* Returns whether 'name' is an intrinsic of LLVM; applies it if so. */
static bool
apply_intrinsic(struct sa_pta *pta, uint32_t insn, const char *name)
{
    LLVMValueRef call = call_value(pta, insn);

    if (!g_str_has_prefix(name, "llvm.")) {
        return false;
    }
    name += 5;
    if (g_str_has_prefix(name, "memcpy") || g_str_has_prefix(name,
                                                             "memmove")) {
        pta_add_copy(pta, argument(pta, insn, 0), argument(pta, insn, 1),
                     constant_argument(pta, insn, 2));
    } else if (g_str_has_prefix(name, "va_start")) {
        /* The list points to the arguments, wherever it keeps that. */
        uint32_t function = pta->program->insns[insn].function;
        if (pta->varargs[function] != SA_NONE) {
            uint32_t arguments = pta_new_variable(pta);
            struct gep gep = { .dst = pta_new_variable(pta), .stride = 1 };

            pta_add_points_to(pta, arguments,
                              pta_node(pta, pta->varargs[function], 0));
            pta_add_gep(pta, argument(pta, insn, 0), &gep);
            pta_add_constraint(pta, gep.dst, C_STORE, arguments);
        }
    } else if (g_str_has_prefix(name, "va_copy")) {
        pta_add_copy(pta, argument(pta, insn, 0), argument(pta, insn, 1), 0);
    } else if (LLVMGetTypeKind(LLVMTypeOf(call)) != LLVMVoidTypeKind
               && LLVMGetNumArgOperands(call)) {
        /* threadlocal.address, expect, ptrmask, annotation: the argument. */
        pta_add_edge(pta, argument(pta, insn, 0),
                     argument(pta, insn, SA_RETURN));
    }
    return true;
}

static void
connect_library(struct sa_pta *pta, uint32_t insn, const char *name)
{
    LLVMValueRef call = call_value(pta, insn);
    unsigned int n_args = LLVMGetNumArgOperands(call);

    if (apply_intrinsic(pta, insn, name)) {
        return;
    }
    const struct sa_library_call *model = sa_tables_library(pta->tables, name);
    if (!model) {
        apply_unknown(pta, insn, name);
        return;
    }
    unsigned int n_fixed = LLVMCountParamTypes(
        LLVMGetCalledFunctionType(call));
    for (size_t i = 0; i < model->n_effects; i++) {
        const struct sa_effect *e = &model->effects[i];

        if (e->to != SA_VARARGS && e->from != SA_VARARGS) {
            apply_effect(pta, insn, e, e->to, e->from);
            continue;
        }
        for (unsigned int j = n_fixed; j < n_args; j++) {
            apply_effect(pta, insn, e, e->to == SA_VARARGS ? (int) j : e->to,
                         e->from == SA_VARARGS ? (int) j : e->from);
        }
    }
}

void
pta_connect_call(struct sa_pta *pta, uint32_t insn, uint32_t function)
{
    const struct sa_function *f = &pta->program->functions[function];
    LLVMValueRef call = call_value(pta, insn);
    uint64_t key = (uint64_t) insn << 32 | function;

    /* A pointer to a function that expects more arguments than there are
     * cannot be meant. */
    if (f->n_params > LLVMGetNumArgOperands(call)
        || g_hash_table_contains(pta->calls, &key)) {
        return;
    }
    g_hash_table_add(pta->calls, g_memdup2(&key, sizeof key));
    add_unique(&pta->callees[insn], function);
    add_unique(&pta->callers[function], insn);
    if (f->defined) {
        connect_defined(pta, insn, function);
    } else {
        connect_library(pta, insn, f->name);
    }
}

void
pta_connect_callback(struct sa_pta *pta, uint32_t callback, uint32_t function)
{
    struct callback c = g_array_index(pta->callbacks, struct callback,
                                      callback);
    const struct sa_function *f = &pta->program->functions[function];

    add_unique(&pta->callback_functions[c.insn], function);
    add_unique(&pta->callers[function], c.insn);
    if (!f->defined) {
        return;
    }
    for (uint32_t i = 0; i < f->n_params; i++) {
        if (c.all || i < c.n_args) {
            pta_add_edge(pta, c.args[c.all ? 0 : i],
                         pta_value_vertex(pta, LLVMGetParam(f->value, i), 0));
        }
    }
    if (pta->returns[function] != SA_NONE) {
        pta_add_edge(pta, pta->returns[function], c.result);
    }
}

void
pta_generate_call(struct sa_pta *pta, uint32_t insn)
{
    LLVMValueRef call = call_value(pta, insn);
    LLVMValueRef callee = LLVMGetCalledValue(call);
    uint32_t function = sa_direct_callee(pta->program, call);

    if (LLVMIsAInlineAsm(callee)) {
        unsigned int n = LLVMGetNumArgOperands(call);

        for (unsigned int i = 0; i < n; i++) {
            pta_add_edge(pta, argument(pta, insn, i),
                         argument(pta, insn, SA_RETURN));
        }
        sa_warn(sa_insn_loc(pta->program, insn),
                "inline assembly is not covered, but for returning what it "
                "is given");
    } else if (function != SA_NONE) {
        pta_connect_call(pta, insn, function);
    } else {
        pta_add_constraint(pta, pta_value_vertex(pta, callee, 0), C_CALL,
                           insn);
    }
}
