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

#include "instrument-private.h"

#include <llvm-c/DebugInfo.h>
#include <stdio.h>
#include <string.h>
#include "handlers.h"
#include "place.h"
#include "rewrite.h"
#include "tables.h"
#include "waits.h"

/* Adds to the program
 *
 *     static inline void
 *     mbox_state_dirty_point(void *p, uint64_t n, uint64_t bits)
 *     {
 *         if (mbox_state_dirty_tracking) {
 *             mbox_state_dirty_write(p, n, bits);
 *         }
 *     }
 *
 * LLVM's C interface cannot split blocks, but its inliner does. */
static LLVMValueRef
add_point_function(LLVMModuleRef module)
{
    LLVMContextRef context = LLVMGetModuleContext(module);
    LLVMBuilderRef b = LLVMCreateBuilderInContext(context);
    LLVMTypeRef u8 = LLVMInt8TypeInContext(context);
    LLVMTypeRef u64 = LLVMInt64TypeInContext(context);
    LLVMTypeRef types[] = { LLVMPointerTypeInContext(context, 0), u64, u64 };
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(context), types,
                                        3, false);
    static const char *const attributes[] = { "alwaysinline", "nounwind" };
    LLVMValueRef tracking = LLVMAddGlobal(module, u8,
                                          "mbox_state_dirty_tracking");
    LLVMValueRef write = LLVMAddFunction(module, "mbox_state_dirty_write",
                                         type);
    LLVMValueRef f = LLVMAddFunction(module, "mbox_state_dirty_point", type);
    LLVMBasicBlockRef blocks[3];
    LLVMValueRef args[3];

    LLVMSetLinkage(f, LLVMInternalLinkage);
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        LLVMAddAttributeAtIndex(
            f, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(
                context, LLVMGetEnumAttributeKindForName(
                    attributes[i], strlen(attributes[i])), 0));
    }
    LLVMAddAttributeAtIndex(
        write, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(
            context, LLVMGetEnumAttributeKindForName("cold", 4), 0));

    for (int i = 0; i < 3; i++) {
        blocks[i] = LLVMAppendBasicBlockInContext(context, f, "");
        args[i] = LLVMGetParam(f, i);
    }
    LLVMPositionBuilderAtEnd(b, blocks[0]);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntNE,
                                     LLVMBuildLoad2(b, u8, tracking, ""),
                                     LLVMConstInt(u8, 0, false), ""),
                    blocks[1], blocks[2]);
    LLVMPositionBuilderAtEnd(b, blocks[1]);
    LLVMBuildCall2(b, type, write, args, 3, "");
    LLVMBuildBr(b, blocks[2]);
    LLVMPositionBuilderAtEnd(b, blocks[2]);
    LLVMBuildRetVoid(b);
    LLVMDisposeBuilder(b);
    return f;
}

/* Where state may be sent. */

struct module {
    LLVMModuleRef module;
    struct writes writes;
    GHashTable *senders;        /* Functions during which state may be sent. */
    GHashTable *allocators;     /* Of the program: return a block that they
                                 * have allocated. */
    bool taken;                 /* A pointer may lead to one. */
    bool waits;                 /* As in struct plan. */
    bool alone;                 /* The program has one thread, and functions
                                 * return to where they are called, if they
                                 * do: nothing comes between what a function
                                 * does, but senders that it calls. */
    LLVMValueRef point;
    struct instrumented *result;
};

/* State is sent between two packets, so in calls of the runtime that read
 * them or wait for them.  What a function that returns twice returns to may be
 * longer ago than that. */
static bool
sends(const struct module *m, LLVMValueRef call)
{
    LLVMValueRef f = LLVMGetCalledValue(call);
    size_t n;

    if (!LLVMIsAFunction(f)) {
        return m->taken && !LLVMIsAInlineAsm(f);
    }
    if (!LLVMIsDeclaration(f)) {
        return g_hash_table_contains(m->senders, f);
    }
    const char *name = LLVMGetValueName2(f, &n);
    return (rewrite_steps(name) || (m->waits && waits_is_wait(name))
            || strstr(name, "setjmp")
            || (m->taken && !LLVMGetIntrinsicID(f)));
}

static bool
has_sender(const struct module *m, LLVMValueRef f)
{
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
         b = LLVMGetNextBasicBlock(b)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
             i = LLVMGetNextInstruction(i)) {
            if (place_is_call(i) && sends(m, i)) {
                return true;
            }
        }
    }
    return false;
}

static void
find_senders(struct module *m)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f;
             f = LLVMGetNextFunction(f)) {
            if (!LLVMIsDeclaration(f)
                && !g_hash_table_contains(m->senders, f)
                && has_sender(m, f)) {
                g_hash_table_add(m->senders, f);
                m->taken |= place_is_taken(f);
                changed = true;
            }
        }
    }
}

/* Memory. */

static bool
is_alone(LLVMModuleRef module)
{
    static const char *const others[] = {
        "pthread_create", "thrd_create", "clone", "timer_create", "mq_notify",
        "longjmp", "_longjmp", "siglongjmp", "__longjmp_chk", "setcontext",
        "swapcontext",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        if (LLVMGetNamedFunction(module, others[i])) {
            return false;
        }
    }
    return true;
}

static bool
is_one_of(LLVMValueRef call, const char *const names[], size_t n_names)
{
    LLVMValueRef f = LLVMGetCalledValue(call);
    size_t n;

    for (size_t i = 0; i < n_names && LLVMIsAFunction(f); i++) {
        if (!strcmp(LLVMGetValueName2(f, &n), names[i])) {
            return true;
        }
    }
    return false;
}

/* Whether the program ends there. */
static bool
exits(const struct module *m, LLVMValueRef terminator)
{
    LLVMValueRef last = LLVMGetPreviousInstruction(terminator);
    LLVMValueRef f = (LLVMIsAUnreachableInst(terminator) && last
                      && place_is_call(last) ? LLVMGetCalledValue(last)
                      : NULL);
    size_t n;

    if (!f || !LLVMIsAFunction(f) || !LLVMIsDeclaration(f)) {
        return false;
    }
    const struct sa_library_call *l
        = sa_tables_library(m->writes.tables, LLVMGetValueName2(f, &n));
    return l && l->terminates;
}

/* Whether a call gives a block that nothing was sent of. */
static bool
allocates(const struct module *m, LLVMValueRef call)
{
    static const char *const names[] = {
        "mbox_state_malloc", "mbox_state_calloc", "mbox_state_realloc",
        "mbox_state_reallocarray", "mbox_state_strdup", "mbox_state_strndup",
    };

    return (m->alone
            && (is_one_of(call, names, G_N_ELEMENTS(names))
                || g_hash_table_contains(m->allocators,
                                         LLVMGetCalledValue(call))));
}

/* Whether the runtime counts the block that the first argument leads to, and
 * its entry, as changed. */
static bool
frees(LLVMValueRef call)
{
    static const char *const names[] = {
        "mbox_state_free", "mbox_state_realloc", "mbox_state_reallocarray",
    };

    return is_one_of(call, names, G_N_ELEMENTS(names));
}

static bool
returns_block(const struct module *m, LLVMValueRef f)
{
    GPtrArray *sources = g_ptr_array_new();
    bool block;

    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
         b = LLVMGetNextBasicBlock(b)) {
        LLVMValueRef end = LLVMGetBasicBlockTerminator(b);

        if (LLVMIsAReturnInst(end)) {
            g_ptr_array_add(sources, writes_origin(LLVMGetOperand(end, 0)));
        }
    }
    block = sources->len > 0;
    for (guint i = 0; block && i < sources->len; i++) {
        LLVMValueRef v = sources->pdata[i];
        bool phi = LLVMIsAPHINode(v), select = LLVMIsASelectInst(v);
        guint n_in = phi ? LLVMCountIncoming(v) : select ? 2 : 0;

        block = (phi || select || LLVMIsNull(v)
                 || (place_is_call(v) && allocates(m, v)));
        for (guint j = 0; j < n_in; j++) {
            LLVMValueRef in = writes_origin(phi ? LLVMGetIncomingValue(v, j)
                                            : LLVMGetOperand(v, 1 + j));

            if (!g_ptr_array_find(sources, in, NULL)) {
                g_ptr_array_add(sources, in);
            }
        }
    }
    g_ptr_array_free(sources, TRUE);
    return block;
}

static void
find_allocators(struct module *m)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f;
             f = LLVMGetNextFunction(f)) {
            LLVMTypeRef type = LLVMGetReturnType(LLVMGlobalGetValueType(f));

            if (!LLVMIsDeclaration(f)
                && LLVMGetTypeKind(type) == LLVMPointerTypeKind
                && !g_hash_table_contains(m->senders, f)
                && !g_hash_table_contains(m->allocators, f)
                && returns_block(m, f)) {
                g_hash_table_add(m->allocators, f);
                changed = true;
            }
        }
    }
}

/* A function. */

struct function {
    GArray *writes;             /* struct write. */
    GArray *events;             /* struct event. */
    GArray *blocks;             /* struct event_block. */
    GHashTable *bases;          /* Value -> index + 1. */
};

static guint
base_index(struct function *f, LLVMValueRef base)
{
    gpointer index = g_hash_table_lookup(f->bases, base);

    if (!index) {
        index = GUINT_TO_POINTER(g_hash_table_size(f->bases) + 1);
        g_hash_table_insert(f->bases, base, index);
    }
    return GPOINTER_TO_UINT(index) - 1;
}

static void
add_event(struct function *f, struct event e)
{
    g_array_append_val(f->events, e);
}

static void
add_call(const struct module *m, struct function *f, LLVMValueRef call)
{
    if (sends(m, call)) {
        add_event(f, (struct event) { .kind = EVENT_SENT });
    } else if (m->alone && frees(call)) {
        LLVMValueRef base = writes_base(&m->writes, LLVMGetOperand(call, 0));

        if (g_hash_table_contains(f->bases, base)) {
            add_event(f, (struct event) {
                .kind = EVENT_FREED, .base = base_index(f, base),
            });
        }
    }
}

/* Lists what happens in a block.  '*next' is the first write there, or
 * behind. */
static void
add_block(const struct module *m, struct function *f, LLVMBasicBlockRef block,
          guint *next, GHashTable *indexes)
{
    LLVMValueRef end = LLVMGetBasicBlockTerminator(block);
    struct event_block b = { .first = f->events->len };

    for (LLVMValueRef i = LLVMGetFirstInstruction(block); i;
         i = LLVMGetNextInstruction(i)) {
        for (; *next < f->writes->len
             && g_array_index(f->writes, struct write, *next).insn == i;
             ++*next) {
            struct write *w = &g_array_index(f->writes, struct write, *next);

            add_event(f, (struct event) {
                .kind = EVENT_WRITE, .base = base_index(f, w->base),
                .bits = w->bits, .write = w,
            });
        }
        if (place_is_call(i)) {
            add_call(m, f, i);
        }
        if (g_hash_table_contains(f->bases, i)) {
            add_event(f, (struct event) {
                .kind = (place_is_call(i) && allocates(m, i)
                         ? EVENT_ALLOCATED : EVENT_DEFINED),
                .base = base_index(f, i),
            });
        }
    }
    b.n = f->events->len - b.first;
    b.n_successors = LLVMGetNumSuccessors(end);
    b.successors = g_new(guint, b.n_successors);
    for (guint i = 0; i < b.n_successors; i++) {
        b.successors[i] = GPOINTER_TO_UINT(
            g_hash_table_lookup(indexes, LLVMGetSuccessor(end, i)));
    }
    b.ends = !b.n_successors && !LLVMIsAUnreachableInst(end);
    b.exits = m->alone && exits(m, end);
    g_array_append_val(f->blocks, b);
}

static void
add_blocks(const struct module *m, struct function *f, LLVMValueRef function)
{
    GHashTable *indexes = g_hash_table_new(NULL, NULL);
    guint n = 0, next = 0;

    for (guint i = 0; i < f->writes->len; i++) {
        base_index(f, g_array_index(f->writes, struct write, i).base);
    }
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b;
         b = LLVMGetNextBasicBlock(b)) {
        g_hash_table_insert(indexes, b, GUINT_TO_POINTER(n++));
    }
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b;
         b = LLVMGetNextBasicBlock(b)) {
        add_block(m, f, b, &next, indexes);
    }
    g_hash_table_destroy(indexes);
}

static LLVMValueRef
length_of(LLVMBuilderRef builder, const struct write *w, LLVMTypeRef u64)
{
    LLVMValueRef n = LLVMBuildIntCast2(builder, w->length, u64, false, "");

    return (!w->count ? n
            : LLVMBuildMul(builder, n, LLVMBuildIntCast2(
                builder, w->count, u64, false, ""), ""));
}

static void
insert_point(const struct module *m, LLVMBuilderRef builder,
             const struct event *e)
{
    LLVMContextRef context = LLVMGetModuleContext(m->module);
    LLVMTypeRef u64 = LLVMInt64TypeInContext(context);
    const struct write *w = e->write;

    LLVMTypeRef pointer = LLVMPointerTypeInContext(context, 0);

    LLVMPositionBuilderBefore(builder, w->insn);
    LLVMSetCurrentDebugLocation2(builder, LLVMInstructionGetDebugLoc(w->insn));
    LLVMValueRef args[] = {
        !w->pointer ? LLVMConstNull(pointer)
        : w->indirect ? LLVMBuildLoad2(builder, pointer, w->pointer, "")
        : w->pointer,
        w->length ? length_of(builder, w, u64)
        : LLVMConstInt(u64, w->size, false),
        LLVMConstInt(u64, e->wide, false),
    };
    LLVMBuildCall2(builder, LLVMGlobalGetValueType(m->point), m->point, args,
                   3, "");
}

static void
insert_points(struct module *m, struct function *f, LLVMValueRef function)
{
    LLVMBuilderRef builder
        = LLVMCreateBuilderInContext(LLVMGetModuleContext(m->module));

    add_blocks(m, f, function);
    prune((struct event *) f->events->data,
          (struct event_block *) f->blocks->data, f->blocks->len,
          g_hash_table_size(f->bases));
    for (guint i = 0; i < f->events->len; i++) {
        const struct event *e = &g_array_index(f->events, struct event, i);

        if (e->kind == EVENT_WRITE && e->point) {
            insert_point(m, builder, e);
            m->result->n_points++;
        }
    }
    LLVMDisposeBuilder(builder);
}

static void
clear_block(gpointer b_)
{
    struct event_block *b = b_;

    g_free(b->successors);
}

static void
clear_function(gpointer f_)
{
    struct function *f = f_;

    g_array_free(f->writes, TRUE);
    g_array_free(f->events, TRUE);
    g_array_free(f->blocks, TRUE);
    g_hash_table_destroy(f->bases);
}

static struct function
find_writes(struct module *m, LLVMValueRef function)
{
    struct function f = {
        .writes = g_array_new(FALSE, FALSE, sizeof(struct write)),
        .events = g_array_new(FALSE, FALSE, sizeof(struct event)),
        .blocks = g_array_new(FALSE, FALSE, sizeof(struct event_block)),
        .bases = g_hash_table_new(NULL, NULL),
    };

    g_array_set_clear_func(f.blocks, clear_block);
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b;
         b = LLVMGetNextBasicBlock(b)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
             i = LLVMGetNextInstruction(i)) {
            writes_of(&m->writes, i, f.writes);
        }
    }
    return f;
}

/* Members get bits: if they are more than there are bits, neighbours share
 * one. */
static guint
member_bit(const struct writes *w, guint member)
{
    return (w->members->len <= ST_WRITE_N_MEMBERS ? member
            : member * ST_WRITE_N_MEMBERS / w->members->len);
}

static void
name_bits(const struct writes *w, struct plan *plan)
{
    guint n = MIN(w->members->len, ST_WRITE_N_MEMBERS);

    for (guint i = 0; i < n; i++) {
        GString *names = g_string_new(NULL);

        for (guint j = 0; j < w->members->len; j++) {
            if (member_bit(w, j) == i) {
                g_string_append_printf(names, "%s%s", names->len ? ", " : "",
                                       (char *) w->members->pdata[j]);
            }
        }
        g_ptr_array_add(plan->bits, g_string_free(names, FALSE));
    }
}

static void
set_bits(const struct writes *w, GArray *writes)
{
    for (guint i = 0; i < writes->len; i++) {
        struct write *write = &g_array_index(writes, struct write, i);

        if (write->member >= 0) {
            write->bits = ST_WRITE_MEMBER(member_bit(w, write->member));
        }
    }
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Notes what of 'f', which a handler may call, writes to what may move. */
static void
note_handler(struct module *m, const struct function *f, LLVMValueRef handler)
{
    size_t n;
    const char *name = handler ? LLVMGetValueName2(handler, &n) : NULL;

    for (guint i = 0; name && i < f->writes->len; i++) {
        int member = g_array_index(f->writes, struct write, i).member;
        char *text = g_strdup_printf(
            "%s(): %s", name, member < 0 ? "bytes"
            : (char *) m->writes.members->pdata[member]);

        if (!g_ptr_array_find_with_equal_func(m->result->handlers, text,
                                              g_str_equal, NULL)) {
            g_ptr_array_add(m->result->handlers,
                            (gpointer) g_intern_string(text));
        }
        g_free(text);
    }
}

static void
instrument_all(struct module *m, struct plan *plan)
{
    GHashTable *handlers = handlers_find(m->module, m->writes.td);
    GArray *functions = g_array_new(FALSE, FALSE, sizeof(struct function));
    GPtrArray *values = g_ptr_array_new();

    g_array_set_clear_func(functions, clear_function);
    for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f;
         f = LLVMGetNextFunction(f)) {
        if (!LLVMIsDeclaration(f)) {
            struct function function = find_writes(m, f);

            m->result->n_writes += function.writes->len;
            m->result->n_functions += function.writes->len > 0;
            g_array_append_val(functions, function);
            g_ptr_array_add(values, f);
        }
    }
    name_bits(&m->writes, plan);
    m->point = add_point_function(m->module);
    for (guint i = 0; i < functions->len; i++) {
        struct function *f = &g_array_index(functions, struct function, i);

        if (f->writes->len) {
            note_handler(m, f, g_hash_table_lookup(handlers,
                                                   values->pdata[i]));
            set_bits(&m->writes, f->writes);
            insert_points(m, f, values->pdata[i]);
        }
    }
    g_array_free(functions, TRUE);
    g_ptr_array_free(values, TRUE);
    g_hash_table_destroy(handlers);
}

bool
instrument(LLVMModuleRef module, struct plan *plan,
           struct instrumented *result)
{
    char *error;
    struct sa_tables *tables = sa_tables_load(NULL, NULL, 0, &error);
    GHashTableIter i;
    gpointer name;

    memset(result, 0, sizeof *result);
    result->unknown = g_ptr_array_new();
    result->handlers = g_ptr_array_new();
    if (!tables) {
        fprintf(stderr, "mbox-state-gen: %s\n", error);
        g_free(error);
        return false;
    }
    struct module m = {
        .module = module, .senders = g_hash_table_new(NULL, NULL),
        .allocators = g_hash_table_new(NULL, NULL),
        .waits = plan->waits,
        .alone = is_alone(module),
        .result = result,
    };
    writes_init(&m.writes, module, plan, tables);
    find_senders(&m);
    find_allocators(&m);
    instrument_all(&m, plan);
    g_hash_table_iter_init(&i, m.writes.unknown);
    while (g_hash_table_iter_next(&i, &name, NULL)) {
        g_ptr_array_add(result->unknown, name);
    }
    g_ptr_array_sort(result->unknown, compare_names);
    g_ptr_array_sort(result->handlers, compare_names);
    plan->writes_known = !result->unknown->len;
    writes_uninit(&m.writes);
    g_hash_table_destroy(m.senders);
    g_hash_table_destroy(m.allocators);
    sa_tables_destroy(tables);
    return true;
}

void
instrumented_uninit(struct instrumented *result)
{
    if (result->unknown) {
        g_ptr_array_free(result->unknown, TRUE);
        g_ptr_array_free(result->handlers, TRUE);
    }
}
