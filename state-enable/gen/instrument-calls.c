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

/* What calls of functions that are not the program's may write. */

#include "instrument-private.h"

#include <string.h>
#include "place.h"
#include "rewrite.h"
#include "tables.h"

/* Functions of libraries. */

static bool
is_effect_of_write(const struct sa_effect *e)
{
    switch (e->kind) {
    case SA_EFFECT_ALLOC:
    case SA_EFFECT_REALLOC:
    case SA_EFFECT_STATIC:
    case SA_EFFECT_LOAD_STATIC:
        return e->to != SA_RETURN;
    case SA_EFFECT_STORE:
    case SA_EFFECT_COPY:
    case SA_EFFECT_WRITE:
        return true;
    case SA_EFFECT_STORE_STATIC:    /* Perhaps it writes there later. */
    case SA_EFFECT_CALL:
        return true;
    default:
        return false;
    }
}

/* LLVM's: two bits for each of what arguments point to, memory that the
 * program cannot reach, and all other. */
static bool
has_attribute_of_reader(const struct writes *w, LLVMValueRef f)
{
    LLVMAttributeRef a = LLVMGetEnumAttributeAtIndex(
        f, LLVMAttributeFunctionIndex, w->memory_kind);

    return a && !(LLVMGetEnumAttributeValue(a) & 0x22);
}

/* Whether a function of a library leaves all memory as it is. */
static bool
only_reads(const struct writes *w, LLVMValueRef f)
{
    size_t n;
    const char *name = LLVMGetValueName2(f, &n);
    const struct sa_library_call *l = sa_tables_library(w->tables, name);

    /* The runtime's write nothing that moves; of what they free, they tell it
     * themselves. */
    if (rewrite_is_replaced(name) || has_attribute_of_reader(w, f)) {
        return true;
    }
    for (size_t i = 0; l && i < l->n_effects; i++) {
        if (is_effect_of_write(&l->effects[i])) {
            return false;
        }
    }
    return l != NULL;
}

/* Whether a function that is given a pointer can get from there to what moves:
 * not from constants, and not from a variable in which no pointer fits. */
static bool
is_way_to_state(const struct writes *w, LLVMValueRef pointer)
{
    LLVMValueRef v = writes_origin(pointer);

    return !(LLVMIsAGlobalVariable(v) ? LLVMIsGlobalConstant(v)
             : LLVMIsAAllocaInst(v)
             ? LLVMABISizeOfType(w->td, LLVMGetAllocatedType(v)) < 8
               && LLVMIsConstant(LLVMGetOperand(v, 0))
             : writes_is_number(v) || LLVMIsAFunction(v));
}

static bool
reaches_state(const struct writes *w, LLVMValueRef call)
{
    for (unsigned int i = 0; i < LLVMGetNumArgOperands(call); i++) {
        LLVMValueRef a = LLVMGetOperand(call, i);

        if (LLVMGetTypeKind(LLVMTypeOf(a)) == LLVMPointerTypeKind
            && is_way_to_state(w, a)) {
            return true;
        }
    }
    return false;
}

/* Whether a function of a library keeps a pointer that may be to what moves,
 * perhaps to write there later. */
static bool
keeps(const struct writes *w, LLVMValueRef call,
      const struct sa_library_call *l)
{
    int n = LLVMGetNumArgOperands(call);

    for (size_t i = 0; i < l->n_effects; i++) {
        const struct sa_effect *e = &l->effects[i];

        if (e->kind == SA_EFFECT_STORE_STATIC && e->from >= 0 && e->from < n
            && !writes_is_elsewhere(w, LLVMGetOperand(call, e->from))) {
            return true;
        }
    }
    return false;
}

/* Whether the program may have a pointer to a function that is not its own
 * from one that it calls. */
static bool
gives_functions(const struct writes *w, LLVMValueRef f)
{
    static const char *const givers[] = {
        "dlsym", "dlvsym", "signal", "sysv_signal", "bsd_signal", "sigset",
        "__sysv_signal",
    };
    LLVMTypeRef type = LLVMGlobalGetValueType(f);
    size_t n;
    const char *name = LLVMGetValueName2(f, &n);

    for (size_t i = 0; i < G_N_ELEMENTS(givers); i++) {
        for (LLVMUseRef use = LLVMGetFirstUse(f);
             use && !strcmp(name, givers[i]); use = LLVMGetNextUse(use)) {
            if (LLVMGetFirstUse(LLVMGetUser(use))) {
                return true;
            }
        }
    }
    if (sa_tables_library(w->tables, name) || rewrite_is_replaced(name)
        || LLVMGetIntrinsicID(f)) {
        return false;
    }
    bool gives = (LLVMGetTypeKind(LLVMGetReturnType(type))
                  == LLVMPointerTypeKind || LLVMIsFunctionVarArg(type));
    for (unsigned int i = 0; i < LLVMCountParams(f); i++) {
        gives |= (LLVMGetTypeKind(LLVMTypeOf(LLVMGetParam(f, i)))
                  == LLVMPointerTypeKind);
    }
    return gives;
}

static bool
has_pointers(LLVMTypeRef type)
{
    switch (LLVMGetTypeKind(type)) {
    case LLVMPointerTypeKind:
        return true;
    case LLVMArrayTypeKind:
        return has_pointers(LLVMGetElementType(type));
    case LLVMStructTypeKind:
        for (unsigned int i = 0; i < LLVMCountStructElementTypes(type); i++) {
            if (has_pointers(LLVMStructGetTypeAtIndex(type, i))) {
                return true;
            }
        }
        return LLVMIsOpaqueStruct(type);
    default:
        return false;
    }
}

/* Whether a variable of a library may lead to functions: not those of the C
 * library. */
static bool
is_foreign_data(LLVMValueRef v)
{
    static const char *const known[] = {
        "stdin", "stdout", "stderr", "optarg", "environ", "__environ",
        "tzname", "__progname", "program_invocation_name",
        "program_invocation_short_name",
    };
    size_t n;
    const char *name = LLVMGetValueName2(v, &n);

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (!strcmp(name, known[i])) {
            return false;
        }
    }
    return (LLVMIsDeclaration(v) && LLVMGetFirstUse(v)
            && has_pointers(LLVMGlobalGetValueType(v)));
}

static bool
has_assembler(LLVMModuleRef module)
{
    size_t n;

    if (*LLVMGetModuleInlineAsm(module, &n)) {
        return true;
    }
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
             b = LLVMGetNextBasicBlock(b)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
                 i = LLVMGetNextInstruction(i)) {
                if (place_is_call(i)
                    && LLVMIsAInlineAsm(LLVMGetCalledValue(i))) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* Says in the report what it is of which it is not known what it writes. */
static void
note_unknown(struct writes *w, const char *what, const char *brackets)
{
    char *name = g_strconcat(what, brackets, NULL);

    g_hash_table_add(w->unknown, (gpointer) g_intern_string(name));
    g_free(name);
}

/* Notes what functions that are not the program's may call. */
static void
find_foreign(struct writes *w, LLVMModuleRef module)
{
    for (LLVMValueRef v = LLVMGetFirstGlobal(module); v;
         v = LLVMGetNextGlobal(v)) {
        w->foreign_pointers |= is_foreign_data(v);
    }
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        size_t n;
        const char *name = LLVMGetValueName2(f, &n);

        if (LLVMIsDeclaration(f) && LLVMGetFirstUse(f)) {
            w->foreign_pointers |= gives_functions(w, f);
            w->foreign |= !(sa_tables_library(w->tables, name)
                            || rewrite_is_replaced(name)
                            || LLVMGetIntrinsicID(f));
        }
    }
    w->foreign |= w->foreign_pointers || has_assembler(module);
}

/* Notes what a function that is not the program's may do later. */
static void
add_declaration(struct writes *w, LLVMValueRef f)
{
    size_t n;
    const char *name = LLVMGetValueName2(f, &n);
    const struct sa_library_call *l = sa_tables_library(w->tables, name);

    w->foreign_taken |= (place_is_taken(f) && !LLVMGetIntrinsicID(f)
                         && !only_reads(w, f));
    if (!strcmp(name, "pthread_create") || !strcmp(name, "thrd_create")
        || !strcmp(name, "clone")) {
        note_unknown(w, "other threads", "");
    }
    for (LLVMUseRef use = LLVMGetFirstUse(f); use && !w->kept;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef call = LLVMGetUser(use);

        w->kept = (place_is_call(call) && !LLVMGetIntrinsicID(f)
                   && (l ? keeps(w, call, l)
                       : !only_reads(w, f) && reaches_state(w, call)));
    }
}

void
calls_init(struct writes *w, LLVMModuleRef module)
{
    find_foreign(w, module);
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        if (LLVMIsDeclaration(f) && LLVMGetFirstUse(f)) {
            add_declaration(w, f);
        }
    }
}

/* Calls. */

/* A call of which nothing is known: it may write what it is given, and what it
 * can reach from there or has kept. */
static void
add_unknown(struct writes *w, GArray *writes, LLVMValueRef call,
            const char *name, const char *brackets)
{
    for (unsigned int i = 0; i < LLVMGetNumArgOperands(call); i++) {
        writes_add_bytes(w, writes, call, LLVMGetOperand(call, i), NULL, NULL);
    }
    if (w->kept || reaches_state(w, call)) {
        note_unknown(w, name, brackets);
        writes_add_bits(w, writes, call, ST_WRITE_ANY);
    }
}

/* Whether a pointer may be to a function that is not the program's. */
static bool
may_be_foreign(const struct writes *w, LLVMValueRef function)
{
    GPtrArray *sources = g_ptr_array_new();
    bool may = false;

    place_sources(function, sources);
    for (guint i = 0; i < sources->len; i++) {
        LLVMValueRef v = sources->pdata[i];
        struct place p = { .global = NULL };

        if (LLVMIsAFunction(v)) {
            may |= LLVMIsDeclaration(v) && !only_reads(w, v);
            continue;
        } else if (writes_is_number(v)) {
            continue;
        }
        if (LLVMIsALoadInst(v)) {
            place_of(w->td, LLVMGetOperand(v, 0), &p);
        }
        may |= (w->foreign_taken
                || (w->foreign_pointers
                    && !(p.global && LLVMIsGlobalConstant(p.global)
                         && !LLVMIsDeclaration(p.global))));
    }
    g_ptr_array_free(sources, TRUE);
    return may;
}

/* A write to what can be reached through pointers.  If all there is is one
 * pointer (strsep()), it is to where that leads to. */
static void
add_deep(struct writes *w, GArray *writes, LLVMValueRef call,
         const char *name, LLVMValueRef pointer)
{
    LLVMValueRef v = place_strip(pointer);

    if (LLVMIsAAllocaInst(v) && LLVMGetTypeKind(LLVMGetAllocatedType(v))
                                == LLVMPointerTypeKind) {
        writes_add(w, writes, (struct write) {
            .insn = call, .pointer = pointer, .indirect = true, .member = -1,
            .bits = ST_WRITE_BYTES,
        });
    } else if (is_way_to_state(w, pointer)) {
        note_unknown(w, name, "()");
        writes_add_bits(w, writes, call, ST_WRITE_ANY);
    }
}

static void
add_effect(struct writes *w, GArray *writes, LLVMValueRef call,
           const char *name, const struct sa_effect *e)
{
    int n = LLVMGetNumArgOperands(call);
    int first = e->to, last = first;
    bool sized = ((e->kind == SA_EFFECT_WRITE || e->kind == SA_EFFECT_COPY)
                  && e->size >= 0 && e->size < n);

    if (e->kind == SA_EFFECT_CALL) {
        if (e->from >= 0 && e->from < n
            && may_be_foreign(w, LLVMGetOperand(call, e->from))) {
            add_unknown(w, writes, call, name, "()");
        }
        return;
    } else if (e->kind == SA_EFFECT_STORE_STATIC
               || !is_effect_of_write(e)) {
        return;
    }
    if (first == SA_VARARGS) {
        first = LLVMCountParamTypes(LLVMGetCalledFunctionType(call));
        last = n - 1;
    }
    for (int i = first; i >= 0 && i <= last && i < n; i++) {
        LLVMValueRef a = LLVMGetOperand(call, i);
        bool product = sized && e->count >= 0 && e->count < n;

        if (LLVMGetTypeKind(LLVMTypeOf(a)) != LLVMPointerTypeKind) {
            continue;
        } else if (e->deep) {
            add_deep(w, writes, call, name, a);
        } else {
            writes_add_bytes(w, writes, call, a,
                      sized ? LLVMGetOperand(call, e->size) : NULL,
                      product ? LLVMGetOperand(call, e->count) : NULL);
        }
    }
}

/* What a function keeps it may write when it is called again (strtok()), or
 * when another is. */
static void
add_kept(struct writes *w, GArray *writes, LLVMValueRef call,
         const char *name, const struct sa_library_call *l)
{
    bool writer = false, keeper = false;

    for (size_t i = 0; i < l->n_effects; i++) {
        writer |= l->effects[i].kind == SA_EFFECT_WRITE;
        keeper |= l->effects[i].kind == SA_EFFECT_STORE_STATIC;
    }
    if (keeper && (writer ? w->kept : keeps(w, call, l))) {
        note_unknown(w, name, "()");
        writes_add_bits(w, writes, call, ST_WRITE_ANY);
    }
}

static void
add_intrinsic(struct writes *w, GArray *writes, LLVMValueRef call,
              LLVMValueRef f)
{
    if (LLVMIsAMemIntrinsic(call)) {
        writes_add_bytes(w, writes, call, LLVMGetOperand(call, 0),
                  LLVMGetOperand(call, 2), NULL);
    } else if (!has_attribute_of_reader(w, f)) {
        for (unsigned int i = 0; i < LLVMGetNumArgOperands(call); i++) {
            writes_add_bytes(w, writes, call, LLVMGetOperand(call, i), NULL,
                             NULL);
        }
    }
}

void
calls_add(struct writes *w, GArray *writes, LLVMValueRef call)
{
    LLVMValueRef f = place_strip(LLVMGetCalledValue(call));
    size_t n;

    if (LLVMIsAInlineAsm(f)) {
        add_unknown(w, writes, call, "code of the assembler", "");
    } else if (!LLVMIsAFunction(f)) {
        if (may_be_foreign(w, f)) {
            add_unknown(w, writes, call, "what is called by a pointer", "");
        }
    } else if (LLVMGetIntrinsicID(f)) {
        add_intrinsic(w, writes, call, f);
    } else if (LLVMIsDeclaration(f) && !only_reads(w, f)) {
        const char *name = LLVMGetValueName2(f, &n);
        const struct sa_library_call *l = sa_tables_library(w->tables, name);

        for (size_t i = 0; l && i < l->n_effects; i++) {
            add_effect(w, writes, call, name, &l->effects[i]);
        }
        if (l) {
            add_kept(w, writes, call, name, l);
        } else {
            add_unknown(w, writes, call, name, "()");
        }
    }
}
