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


#include "handlers.h"

#include <string.h>
#include "place.h"

/* Functions -> the handler that may call them. */
struct handlers {
    LLVMModuleRef module;
    LLVMTargetDataRef td;
    GHashTable *reached;
    GPtrArray *work;            /* Of these, whose calls are to be seen. */
    bool reads_packets;         /* One of these does. */
};

static void
reach(struct handlers *h, LLVMValueRef f, LLVMValueRef handler)
{
    if (!LLVMIsDeclaration(f) && !g_hash_table_contains(h->reached, f)) {
        g_hash_table_insert(h->reached, f, handler);
        g_ptr_array_add(h->work, f);
    }
}

/* Whether it can be a handler: void f(int), void f(int, siginfo_t *,
 * void *). */
static bool
is_like_handler(LLVMValueRef f)
{
    LLVMTypeRef type = LLVMGlobalGetValueType(f);
    unsigned int n = LLVMCountParams(f);

    return ((n == 1 || n == 3) && !LLVMIsFunctionVarArg(type)
            && LLVMGetTypeKind(LLVMGetReturnType(type)) == LLVMVoidTypeKind
            && LLVMGetTypeKind(LLVMTypeOf(LLVMGetParam(f, 0)))
               == LLVMIntegerTypeKind
            && place_is_taken(f));
}

/* A value becomes a handler, or what a thread begins with.  If it is not known
 * which function it is, all may be it that 'is_like' one. */
static void
add_value(struct handlers *h, LLVMValueRef value,
          bool (*is_like)(LLVMValueRef f))
{
    GPtrArray *sources = g_ptr_array_new();

    place_sources(value, sources);
    for (guint i = 0; i < sources->len; i++) {
        LLVMValueRef v = sources->pdata[i];

        if (LLVMIsAFunction(v)) {
            reach(h, v, v);
        } else if (!LLVMIsAConstant(v)) {       /* SIG_IGN is one. */
            for (LLVMValueRef f = LLVMGetFirstFunction(h->module); f;
                 f = LLVMGetNextFunction(f)) {
                if (is_like(f)) {
                    reach(h, f, f);
                }
            }
        }
    }
    g_ptr_array_free(sources, TRUE);
}

static bool
is_sigaction(LLVMTypeRef type)
{
    const char *name = (LLVMGetTypeKind(type) == LLVMStructTypeKind
                        ? LLVMGetStructName(type) : NULL);

    return name && !strcmp(name, "struct.sigaction");
}

/* Whether a pointer leads to what a struct sigaction has first. */
static bool
is_in_sigaction(const struct handlers *h, LLVMValueRef pointer)
{
    struct place p;
    bool is = false;

    place_of(h->td, pointer, &p);
    for (unsigned int i = 0; i < p.n_levels; i++) {
        is |= !strcmp(p.levels[i].name, "struct.sigaction");
    }
    return (is || (p.global && is_sigaction(LLVMGlobalGetValueType(p.global)))
            || (p.base && LLVMIsAAllocaInst(p.base)
                && is_sigaction(LLVMGetAllocatedType(p.base))));
}

/* The functions in a constant. */
static void
add_constant(struct handlers *h, LLVMValueRef constant, unsigned int depth)
{
    if (LLVMIsAFunction(constant)) {
        reach(h, constant, constant);
    } else if (depth < 8 && !LLVMIsAGlobalValue(constant)) {
        for (int i = 0; i < LLVMGetNumOperands(constant); i++) {
            add_constant(h, LLVMGetOperand(constant, i), depth + 1);
        }
    }
}

/* What a call makes a handler. */
static void
add_call(struct handlers *h, LLVMValueRef call)
{
    static const char *const names[] = {
        "signal", "bsd_signal", "sysv_signal", "__sysv_signal", "sigset",
    };
    LLVMValueRef f = LLVMGetCalledValue(call);
    size_t n;

    for (size_t i = 0; LLVMIsAFunction(f) && i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(LLVMGetValueName2(f, &n), names[i])
            && LLVMGetNumArgOperands(call) == 2) {
            add_value(h, LLVMGetOperand(call, 1), is_like_handler);
        }
    }
}

static void
for_each_instruction(struct handlers *h, LLVMValueRef f,
                     void (*fn)(struct handlers *, LLVMValueRef insn))
{
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
         b = LLVMGetNextBasicBlock(b)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
             i = LLVMGetNextInstruction(i)) {
            fn(h, i);
        }
    }
}

static void
add_instruction(struct handlers *h, LLVMValueRef insn)
{
    if (place_is_call(insn)) {
        add_call(h, insn);
    } else if (LLVMIsAStoreInst(insn)
               && is_in_sigaction(h, LLVMGetOperand(insn, 1))
               && LLVMGetTypeKind(LLVMTypeOf(LLVMGetOperand(insn, 0)))
                  == LLVMPointerTypeKind) {
        add_value(h, LLVMGetOperand(insn, 0), is_like_handler);
    }
}

/* What the last of 'work' calls, by its handler. */
static void
follow(struct handlers *h, LLVMValueRef insn)
{
    if (!place_is_call(insn)) {
        return;
    }
    LLVMValueRef caller = LLVMGetBasicBlockParent(
        LLVMGetInstructionParent(insn));
    LLVMValueRef handler = g_hash_table_lookup(h->reached, caller);
    LLVMValueRef f = LLVMGetCalledValue(insn);

    if (LLVMIsAFunction(f)) {
        reach(h, f, handler);
    } else if (!LLVMIsAInlineAsm(f)) {
        for (f = LLVMGetFirstFunction(h->module); f;
             f = LLVMGetNextFunction(f)) {
            if (place_is_taken(f) && LLVMGlobalGetValueType(f)
                                     == LLVMGetCalledFunctionType(insn)) {
                reach(h, f, handler);
            }
        }
    }
}

static void
follow_all(struct handlers *h)
{
    for (guint i = 0; i < h->work->len; i++) {
        for_each_instruction(h, h->work->pdata[i], follow);
    }
}

/* Threads. */

/* Whether a call is to one of some functions; sets which. */
static bool
is_call_of(LLVMValueRef insn, const char *const names[], size_t *index)
{
    LLVMValueRef f = place_is_call(insn) ? LLVMGetCalledValue(insn) : NULL;
    size_t n;

    for (*index = 0; f && LLVMIsAFunction(f) && names[*index]; ++*index) {
        if (!strcmp(LLVMGetValueName2(f, &n), names[*index])) {
            return true;
        }
    }
    return false;
}

/* Whether a thread can begin with it: void *f(void *), void *f(). */
static bool
is_like_start(LLVMValueRef f)
{
    LLVMTypeRef type = LLVMGlobalGetValueType(f);
    unsigned int n = LLVMCountParams(f);

    return ((!n || (n == 1 && LLVMGetTypeKind(LLVMTypeOf(LLVMGetParam(f, 0)))
                              == LLVMPointerTypeKind))
            && LLVMGetTypeKind(LLVMGetReturnType(type))
               == LLVMPointerTypeKind
            && place_is_taken(f));
}

/* What a call has a new thread begin with. */
static void
add_thread(struct handlers *h, LLVMValueRef insn)
{
    static const char *const names[] = {
        "pthread_create", "thrd_create", "g_thread_new", "g_thread_try_new",
        "g_thread_create_full", NULL
    };
    static const unsigned int arguments[] = { 2, 1, 1, 1, 0 };
    size_t i;

    if (is_call_of(insn, names, &i)
        && LLVMGetNumArgOperands(insn) > arguments[i]) {
        add_value(h, LLVMGetOperand(insn, arguments[i]), is_like_start);
    }
}

static void
see_packets(struct handlers *h, LLVMValueRef insn)
{
    static const char *const names[] = {
        "pcap_loop", "pcap_dispatch", "pcap_next", "pcap_next_ex", NULL
    };
    size_t i;

    h->reads_packets |= is_call_of(insn, names, &i);
}

/* Adds to 'reached' what the thread may call that begins with 'start'. */
static void
reach_thread(const struct handlers *threads, LLVMValueRef start,
             GHashTable *reached)
{
    struct handlers h = {
        .module = threads->module, .td = threads->td,
        .reached = g_hash_table_new(NULL, NULL), .work = g_ptr_array_new(),
    };

    reach(&h, start, start);
    follow_all(&h);
    for (guint i = 0; i < h.work->len; i++) {
        for_each_instruction(&h, h.work->pdata[i], see_packets);
    }
    for (guint i = 0; !h.reads_packets && i < h.work->len; i++) {
        g_hash_table_insert(reached, h.work->pdata[i], start);
    }
    g_hash_table_destroy(h.reached);
    g_ptr_array_free(h.work, TRUE);
}

GHashTable *
handlers_of_threads(LLVMModuleRef module, LLVMTargetDataRef td)
{
    struct handlers h = {
        .module = module, .td = td, .reached = g_hash_table_new(NULL, NULL),
        .work = g_ptr_array_new(),
    };
    GHashTable *reached = g_hash_table_new(NULL, NULL);

    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        for_each_instruction(&h, f, add_thread);
    }
    for (guint i = 0; i < h.work->len; i++) {
        reach_thread(&h, h.work->pdata[i], reached);
    }
    g_hash_table_destroy(h.reached);
    g_ptr_array_free(h.work, TRUE);
    return reached;
}

/* Signals. */

GHashTable *
handlers_find(LLVMModuleRef module, LLVMTargetDataRef td)
{
    struct handlers h = {
        .module = module, .td = td, .reached = g_hash_table_new(NULL, NULL),
        .work = g_ptr_array_new(),
    };

    for (LLVMValueRef v = LLVMGetFirstGlobal(module); v;
         v = LLVMGetNextGlobal(v)) {
        if (is_sigaction(LLVMGlobalGetValueType(v))
            && LLVMGetInitializer(v)) {
            add_constant(&h, LLVMGetInitializer(v), 0);
        }
    }
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        for_each_instruction(&h, f, add_instruction);
    }
    follow_all(&h);
    g_ptr_array_free(h.work, TRUE);
    return h.reached;
}
