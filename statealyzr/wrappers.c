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

#include "wrappers.h"

#include <glib.h>
#include <string.h>

#define MAX_LEVEL 4             /* Wrappers of wrappers. */
#define MAX_SOURCES 16          /* A function with more is no wrapper. */

struct sa_wrappers {
    struct sa_wrapper *wrappers;    /* By function. */
    uint32_t n;
};

uint32_t
sa_direct_callee(const struct sa_program *program, LLVMValueRef call)
{
    LLVMValueRef callee = LLVMGetCalledValue(call);

    for (int depth = 0; depth < 16; depth++) {
        if (LLVMIsAGlobalAlias(callee)) {
            callee = LLVMAliasGetAliasee(callee);
        } else if (LLVMIsAConstantExpr(callee)
                   && (LLVMGetConstOpcode(callee) == LLVMBitCast
                       || LLVMGetConstOpcode(callee) == LLVMAddrSpaceCast)) {
            callee = LLVMGetOperand(callee, 0);
        } else {
            break;
        }
    }
    return LLVMIsAFunction(callee) ? sa_function_id(program, callee) : SA_NONE;
}

/* The model of the library function that is called, or NULL. */
static const struct sa_library_call *
model_of(const struct sa_program *program, const struct sa_tables *tables,
         LLVMValueRef call)
{
    uint32_t function = sa_direct_callee(program, call);

    return (function != SA_NONE && !program->functions[function].defined
            ? sa_tables_library(tables, program->functions[function].name)
            : NULL);
}

const struct sa_effect *
sa_allocating_effect(const struct sa_program *program,
                     const struct sa_tables *tables, LLVMValueRef call)
{
    const struct sa_library_call *model = model_of(program, tables, call);

    for (size_t i = 0; model && i < model->n_effects; i++) {
        const struct sa_effect *e = &model->effects[i];
        if ((e->kind == SA_EFFECT_ALLOC || e->kind == SA_EFFECT_REALLOC)
            && (e->to == SA_RETURN
                || (e->to >= 0 && ((unsigned int) e->to
                                   < LLVMGetNumArgOperands(call))))) {
            return e;
        }
    }
    return NULL;
}

/* The argument that a library function returns (memset), or NULL. */
static LLVMValueRef
returned_argument(const struct sa_program *program,
                  const struct sa_tables *tables, LLVMValueRef call)
{
    const struct sa_library_call *model = model_of(program, tables, call);

    for (size_t i = 0; model && i < model->n_effects; i++) {
        const struct sa_effect *e = &model->effects[i];
        if (e->kind == SA_EFFECT_ASSIGN && e->to == SA_RETURN && e->from >= 0
            && (unsigned int) e->from < LLVMGetNumArgOperands(call)) {
            return LLVMGetOperand(call, e->from);
        }
    }
    return NULL;
}

/* The sum of a getelementptr's indexes, if all are constant. */
static bool
constant_offset(const struct sa_program *program, LLVMValueRef gep,
                int64_t *offset)
{
    LLVMTypeRef t = LLVMGetGEPSourceElementType(gep);
    LLVMValueRef index = LLVMGetOperand(gep, 1);

    /* Enough for headers before what is returned: bytes, or whole structs. */
    if (LLVMGetNumOperands(gep) != 2 || !LLVMIsAConstantInt(index)
        || LLVMGetIntTypeWidth(LLVMTypeOf(index)) > 64
        || !LLVMTypeIsSized(t)) {
        return false;
    }
    int64_t i = LLVMConstIntGetSExtValue(index);
    uint64_t size = LLVMABISizeOfType(program->layout, t);
    if (i < -4096 || i > 4096 || size > 4096) {
        return false;
    }
    *offset += i * (int64_t) size;
    return true;
}

/* What is being traced back from the returns of one function. */
struct trace {
    GArray *work;               /* struct sa_wrapper_source. */
    GArray *sources;            /* Likewise. */
    GHashTable *seen;
    bool allocates;
};

static void
push(struct trace *t, LLVMValueRef value, int64_t offset)
{
    struct sa_wrapper_source s = { .insn = SA_NONE, .value = value,
                                   .offset = offset };

    if (!LLVMIsConstant(value) || !LLVMIsNull(value)) {
        if (g_hash_table_add(t->seen, value)) {
            g_array_append_val(t->work, s);
        }
    }
}

/* Whether 'user' is a call that puts the address of memory that it allocates
 * into 'variable'. */
static bool
allocates_to(const struct sa_program *program, const struct sa_tables *tables,
             LLVMValueRef user, LLVMValueRef variable)
{
    const struct sa_effect *e = (LLVMIsACallInst(user)
                                 ? sa_allocating_effect(program, tables, user)
                                 : NULL);

    return e && e->to >= 0 && LLVMGetOperand(user, e->to) == variable;
}

/* Traces what a local variable holds that posix_memalign() and the like fill.
 * Returns false if there is no telling, as its address gets elsewhere. */
static bool
trace_variable(const struct sa_program *program,
               const struct sa_tables *tables, struct trace *t,
               LLVMValueRef variable, int64_t offset)
{
    bool filled = false;

    for (LLVMUseRef use = LLVMGetFirstUse(variable); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (allocates_to(program, tables, user, variable)) {
            filled = true;
        } else if (!LLVMIsALoadInst(user)
                   && (!LLVMIsAIntrinsicInst(user)
                       || LLVMIsAMemIntrinsic(user))
                   && !(LLVMIsAStoreInst(user)
                        && LLVMGetOperand(user, 0) != variable)) {
            return false;
        }
    }
    if (!filled) {
        return false;
    }
    for (LLVMUseRef use = LLVMGetFirstUse(variable); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (LLVMIsAStoreInst(user)) {
            push(t, LLVMGetOperand(user, 0), offset);
        } else if (allocates_to(program, tables, user, variable)) {
            struct sa_wrapper_source s = {
                .insn = sa_insn_id(program, user), .value = user,
                .offset = offset
            };
            g_array_append_val(t->sources, s);
            t->allocates = true;
        }
    }
    return true;
}

static void
trace_source(const struct sa_wrappers *w, const struct sa_program *program,
             const struct sa_tables *tables, struct trace *t,
             struct sa_wrapper_source s)
{
    const struct sa_effect *effect;
    uint32_t callee;

    if (LLVMIsAPHINode(s.value)) {
        unsigned int n = LLVMCountIncoming(s.value);
        for (unsigned int i = 0; i < n; i++) {
            push(t, LLVMGetIncomingValue(s.value, i), s.offset);
        }
        return;
    } else if (LLVMIsASelectInst(s.value)) {
        push(t, LLVMGetOperand(s.value, 1), s.offset);
        push(t, LLVMGetOperand(s.value, 2), s.offset);
        return;
    } else if (LLVMIsAGetElementPtrInst(s.value)
               && constant_offset(program, s.value, &s.offset)) {
        push(t, LLVMGetOperand(s.value, 0), s.offset);
        return;
    } else if (LLVMIsALoadInst(s.value)
               && LLVMIsAAllocaInst(LLVMGetOperand(s.value, 0))
               && trace_variable(program, tables, t,
                                 LLVMGetOperand(s.value, 0), s.offset)) {
        return;
    } else if (LLVMIsACallInst(s.value)) {
        LLVMValueRef argument = returned_argument(program, tables, s.value);

        effect = sa_allocating_effect(program, tables, s.value);
        callee = sa_direct_callee(program, s.value);
        if (argument) {
            push(t, argument, s.offset);
            return;
        } else if ((effect && effect->to == SA_RETURN)
                   || (callee != SA_NONE && w->wrappers[callee].n_sources)) {
            s.insn = sa_insn_id(program, s.value);
            t->allocates = true;
        }
    }
    g_array_append_val(t->sources, s);
}

static void
classify(struct sa_wrappers *w, const struct sa_program *program,
         const struct sa_tables *tables, uint32_t function)
{
    const struct sa_function *f = &program->functions[function];
    struct trace t = {
        .work = g_array_new(FALSE, FALSE, sizeof(struct sa_wrapper_source)),
        .sources = g_array_new(FALSE, FALSE,
                               sizeof(struct sa_wrapper_source)),
        .seen = g_hash_table_new(NULL, NULL)
    };

    for (uint32_t i = f->first_insn; i < f->first_insn + f->n_insns; i++) {
        LLVMValueRef insn = program->insns[i].value;
        if (program->insns[i].opcode == LLVMRet && LLVMGetNumOperands(insn)) {
            push(&t, LLVMGetOperand(insn, 0), 0);
        }
    }
    while (t.work->len && t.sources->len <= MAX_SOURCES) {
        struct sa_wrapper_source s = g_array_index(
            t.work, struct sa_wrapper_source, t.work->len - 1);
        g_array_set_size(t.work, t.work->len - 1);
        trace_source(w, program, tables, &t, s);
    }
    if (t.allocates && t.sources->len <= MAX_SOURCES) {
        w->wrappers[function].n_sources = t.sources->len;
        w->wrappers[function].sources
            = (struct sa_wrapper_source *) g_array_free(t.sources, FALSE);
    } else {
        g_array_free(t.sources, TRUE);
    }
    g_array_free(t.work, TRUE);
    g_hash_table_destroy(t.seen);
}

static bool
returns_pointer(const struct sa_function *f)
{
    LLVMTypeRef type = LLVMGetReturnType(LLVMGlobalGetValueType(f->value));

    return f->defined && LLVMGetTypeKind(type) == LLVMPointerTypeKind;
}

struct sa_wrappers *
sa_wrappers_create(const struct sa_program *program,
                   const struct sa_tables *tables)
{
    struct sa_wrappers *w = g_new0(struct sa_wrappers, 1);

    w->n = program->n_functions;
    w->wrappers = g_new0(struct sa_wrapper, w->n);
    /* A function is a wrapper once those that it calls are known to be, which
     * leaves out recursive ones. */
    for (int level = 0; level < MAX_LEVEL; level++) {
        struct sa_wrappers former = { .wrappers = NULL };

        former.wrappers = g_memdup2(w->wrappers, w->n * sizeof *w->wrappers);
        for (uint32_t i = 0; i < w->n; i++) {
            if (!w->wrappers[i].n_sources
                && returns_pointer(&program->functions[i])) {
                struct sa_wrapper *result = &w->wrappers[i];
                struct sa_wrappers view = { .wrappers = former.wrappers };
                classify(&view, program, tables, i);
                *result = view.wrappers[i];
                former.wrappers[i] = (struct sa_wrapper) { .n_sources = 0 };
            }
        }
        g_free(former.wrappers);
    }
    return w;
}

void
sa_wrappers_destroy(struct sa_wrappers *w)
{
    if (w) {
        for (uint32_t i = 0; i < w->n; i++) {
            g_free(w->wrappers[i].sources);
        }
        g_free(w->wrappers);
        g_free(w);
    }
}

const struct sa_wrapper *
sa_wrapper_of(const struct sa_wrappers *w, uint32_t function)
{
    return w->wrappers[function].n_sources ? &w->wrappers[function] : NULL;
}

bool
sa_wrapper_is_allocator(const struct sa_program *program,
                        const struct sa_wrappers *w, uint32_t function)
{
    const struct sa_wrapper *wrapper = &w->wrappers[function];

    for (uint32_t i = 0; i < wrapper->n_sources; i++) {
        if (wrapper->sources[i].insn == SA_NONE) {
            continue;
        }
        LLVMValueRef call = program->insns[wrapper->sources[i].insn].value;
        unsigned int n = LLVMGetNumArgOperands(call);
        bool told = false;

        for (unsigned int j = 0; j < n && !told; j++) {
            LLVMValueRef arg = LLVMGetOperand(call, j);

            told = (LLVMIsAArgument(arg)
                    && (LLVMGetTypeKind(LLVMTypeOf(arg))
                        == LLVMIntegerTypeKind));
        }
        if (!told) {
            return false;
        }
    }
    return wrapper->n_sources > 0;
}
