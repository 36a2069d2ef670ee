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

/* What there is before any instruction
 *
 * Objects of globals, functions and libraries, what initialisers store in
 * them, and what functions get. */

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

/* Whether 'global' is a string literal: it has no name in the source, nobody
 * asks for its address, and there are no pointers in it. */
static bool
is_literal(const struct sa_program *p, LLVMValueRef global)
{
    const struct sa_variable *v
        = sa_value_variable(p, sa_value_id(p, global));
    LLVMTypeRef type = LLVMGlobalGetValueType(global);

    if ((v && *v->name) || !LLVMIsGlobalConstant(global)
        || !LLVMGetInitializer(global)
        || LLVMGetUnnamedAddress(global) != LLVMGlobalUnnamedAddr
        || LLVMGetTypeKind(type) != LLVMArrayTypeKind) {
        return false;
    }
    type = LLVMGetElementType(type);
    return (LLVMGetTypeKind(type) == LLVMIntegerTypeKind
            && LLVMGetIntTypeWidth(type) == 8);
}

/* All string literals are one object: nothing depends on which one a pointer
 * points to, and each had been a member of many sets. */
static void
make_literal(struct sa_pta *pta, LLVMValueRef global)
{
    struct object o = {
        .kind = SA_OBJECT_GLOBAL, .site = global, .insn = SA_NONE,
        .caller = SA_NONE, .function = SA_NONE, .modulus = 1,
        .declared = true, .constant = true
    };

    if (pta->literals == SA_NONE) {
        pta->literals = pta_new_object(pta, &o);
        pta_node(pta, pta->literals, 0);
    }
    pta->value_objects[sa_value_id(pta->program, global)] = pta->literals;
}

static void
make_global(struct sa_pta *pta, LLVMValueRef global)
{
    LLVMTypeRef type = LLVMGlobalGetValueType(global);
    uint32_t id = sa_value_id(pta->program, global);
    const struct sa_variable *variable = sa_value_variable(pta->program, id);
    struct object o = {
        .kind = SA_OBJECT_GLOBAL, .site = global, .insn = SA_NONE,
        .caller = SA_NONE, .function = SA_NONE, .declared = true,
        .constant = LLVMIsGlobalConstant(global)
    };

    pta_declare_object(pta, &o, type, variable);
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

    pta->returns[function] = pta_new_variables(pta, n);
    if (pta->by_types && n == 1 && f->defined) {
        LLVMMetadataRef t = sa_function_return_type(pta->program, function);
        uint32_t filter = t ? pta_filter_of(pta, sa_type_of(pta->types, t))
                          : 0;

        pta_vertex(pta, pta->returns[function])->filter = filter;
        pta_seed_filter(pta, pta->returns[function]);
    }
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
pta_generate_globals(struct sa_pta *pta)
{
    const struct sa_program *p = pta->program;

    for (LLVMValueRef g = LLVMGetFirstGlobal(p->module); g;
         g = LLVMGetNextGlobal(g)) {
        if (is_literal(p, g)) {
            make_literal(pta, g);
        } else {
            make_global(pta, g);
        }
    }
    for (uint32_t i = 0; i < p->n_functions; i++) {
        make_function(pta, i);
    }
    for (uint32_t i = 0; i < p->n_functions; i++) {
        prepare_function(pta, i);
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(p->module); g;
         g = LLVMGetNextGlobal(g)) {
        if (pta->value_objects[sa_value_id(p, g)] == pta->literals) {
            continue;
        } else if (LLVMGetInitializer(g)) {
            generate_initializer(pta, g);
        } else {
            generate_external(pta, g);
        }
    }
    generate_main(pta);
}
