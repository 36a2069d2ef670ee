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

#include "counts.h"

#include <string.h>
#include "evidence-private.h"
#include "place.h"

enum kind {
    PUT_IN,
    TAKEN_OUT,
    N_KINDS
};

/* A function, and its blocks in which something happens. */
struct function {
    LLVMValueRef f;
    GHashTable *blocks[N_KINDS];        /* LLVMBasicBlockRef. */
};

/* A variable that goes up and down. */
struct number {
    const char *name;
    GHashTable *blocks[N_KINDS];        /* Goes up, down; in functions ->
                                         * GHashTable of blocks. */
    bool odd;                   /* Not by 1, an element, or set otherwise. */
};

struct counts {
    const struct evidence *e;
    const struct evidence_container *container;
    GHashTable *functions;      /* LLVMValueRef -> struct function. */
    GHashTable *numbers;        /* Name -> struct number. */
    GHashTable *direct[N_KINDS];        /* Functions that do so other than by
                                         * those here: */
    GHashTable *always[N_KINDS];        /* Functions that do so on every
                                         * path. */
};

static bool
contains(GHashTable *set, const void *p)
{
    return set && g_hash_table_contains(set, p);
}

static LLVMValueRef
function_of(LLVMValueRef insn)
{
    return LLVMGetBasicBlockParent(LLVMGetInstructionParent(insn));
}

/* Control flow. */

/* Whether a path from 'start', or if that is NULL from the function's entry,
 * leads to 'end', or if that is NULL to where the function returns, and by no
 * block of 'around'.  Where the program ends is no matter. */
static bool
leads(LLVMValueRef f, LLVMBasicBlockRef start, LLVMBasicBlockRef end,
      GHashTable *around)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    bool found = false;

    g_ptr_array_add(work, start ? start : LLVMGetEntryBasicBlock(f));
    for (guint i = 0; !found && i < work->len; i++) {
        LLVMBasicBlockRef b = work->pdata[i];
        LLVMValueRef last = LLVMGetBasicBlockTerminator(b);

        if (contains(around, b) || !last) {
            continue;
        }
        found = b == end || (!end && LLVMIsAReturnInst(last));
        for (unsigned int j = 0; j < LLVMGetNumSuccessors(last); j++) {
            LLVMBasicBlockRef next = LLVMGetSuccessor(last, j);

            if (g_hash_table_add(seen, next)) {
                g_ptr_array_add(work, next);
            }
        }
    }
    g_ptr_array_free(work, TRUE);
    g_hash_table_destroy(seen);
    return found;
}

/* Whether a function can go through a block of 'blocks', and through none of
 * 'others'. */
static bool
parts(LLVMValueRef f, GHashTable *blocks, GHashTable *others)
{
    GHashTableIter iter;
    gpointer block;

    g_hash_table_iter_init(&iter, blocks);
    while (g_hash_table_iter_next(&iter, &block, NULL)) {
        if (!contains(others, block) && leads(f, NULL, block, others)
            && leads(f, block, NULL, others)) {
            return true;
        }
    }
    return false;
}

/* Whether a function can go from a block of 'blocks' to one of them, and
 * through none of 'others' before the end of that. */
static bool
repeats(LLVMValueRef f, GHashTable *blocks, GHashTable *others)
{
    GHashTableIter from, to;
    gpointer first, second;

    g_hash_table_iter_init(&from, blocks);
    while (g_hash_table_iter_next(&from, &first, NULL)) {
        LLVMValueRef last = LLVMGetBasicBlockTerminator(first);

        for (unsigned int i = 0; i < LLVMGetNumSuccessors(last); i++) {
            g_hash_table_iter_init(&to, blocks);
            while (g_hash_table_iter_next(&to, &second, NULL)) {
                if (leads(f, LLVMGetSuccessor(last, i), second, others)) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* What is put in and taken out. */

static struct function *
function_get(struct counts *c, LLVMValueRef f)
{
    struct function *fn = g_hash_table_lookup(c->functions, f);

    if (!fn) {
        fn = g_new0(struct function, 1);
        fn->f = f;
        for (int kind = 0; kind < N_KINDS; kind++) {
            fn->blocks[kind] = g_hash_table_new(NULL, NULL);
        }
        g_hash_table_insert(c->functions, f, fn);
    }
    return fn;
}

static void
add_event(struct counts *c, LLVMValueRef insn, enum kind kind, bool direct)
{
    if (direct) {
        g_hash_table_add(c->direct[kind], function_of(insn));
    }
    g_hash_table_add(function_get(c, function_of(insn))->blocks[kind],
                     LLVMGetInstructionParent(insn));
}

/* Whether a pointer leads to the link of an entry that is in the container:
 * what was read from a link, or where it begins. */
static bool
is_link_inside(const struct counts *c, LLVMValueRef pointer)
{
    GPtrArray *entries = g_ptr_array_new();
    struct place to;
    bool is = false;

    place_of(c->e->td, pointer, &to);
    if (to.base && container_is_link(c->container, &to)) {
        place_loads(to.base, entries);
    }
    for (guint i = 0; i < entries->len && !is; i++) {
        LLVMValueRef from = LLVMGetOperand(entries->pdata[i], 0);

        is = (container_is_linked(c->e, c->container, entries->pdata[i])
              || container_is_head(c->e, c->container, from));
    }
    g_ptr_array_free(entries, TRUE);
    return is;
}

static void
see_store(struct counts *c, LLVMValueRef store)
{
    LLVMValueRef pointer = LLVMGetOperand(store, 1);
    GPtrArray *values = g_ptr_array_new();

    if (container_is_head(c->e, c->container, pointer)
        || is_link_inside(c, pointer)) {
        place_sources(LLVMGetOperand(store, 0), values);
    }
    for (guint i = 0; i < values->len; i++) {
        if (!LLVMIsAConstantPointerNull(values->pdata[i])) {
            bool linked = container_is_linked(c->e, c->container,
                                              values->pdata[i]);

            add_event(c, store, linked ? TAKEN_OUT : PUT_IN, true);
        }
    }
    g_ptr_array_free(values, TRUE);
}

static void
add_calls(struct counts *c, LLVMValueRef f, enum kind kind, bool direct)
{
    GPtrArray *calls = g_hash_table_lookup(c->e->callers, f);

    for (guint i = 0; calls && i < calls->len; i++) {
        add_event(c, calls->pdata[i], kind, direct);
    }
}

/* Functions that only put in, or only take out, whatever they do besides. */
static bool
find_always(struct counts *c)
{
    GHashTableIter iter;
    gpointer fn_;
    GPtrArray *found[N_KINDS] = { g_ptr_array_new(), g_ptr_array_new() };
    bool any = false;

    g_hash_table_iter_init(&iter, c->functions);
    while (g_hash_table_iter_next(&iter, NULL, &fn_)) {
        struct function *fn = fn_;

        for (int kind = 0; kind < N_KINDS; kind++) {
            if (g_hash_table_size(fn->blocks[kind])
                && !g_hash_table_size(fn->blocks[!kind])
                && !contains(c->always[kind], fn->f)
                && !leads(fn->f, NULL, NULL, fn->blocks[kind])) {
                g_ptr_array_add(found[kind], fn->f);
            }
        }
    }
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (guint i = 0; i < found[kind]->len; i++) {
            g_hash_table_add(c->always[kind], found[kind]->pdata[i]);
            add_calls(c, found[kind]->pdata[i], kind, false);
            any = true;
        }
        g_ptr_array_free(found[kind], TRUE);
    }
    return any;
}

/* Numbers. */

static struct number *
number_get(struct counts *c, const char *name)
{
    struct number *n = g_hash_table_lookup(c->numbers, name);

    if (!n) {
        n = g_new0(struct number, 1);
        n->name = name;
        for (int kind = 0; kind < N_KINDS; kind++) {
            n->blocks[kind] = g_hash_table_new_full(
                NULL, NULL, NULL, (GDestroyNotify) g_hash_table_destroy);
        }
        g_hash_table_insert(c->numbers, (gpointer) name, n);
    }
    return n;
}

static bool
is_same_place(const struct place *a, const struct place *b)
{
    return (a->global == b->global && a->offset == b->offset
            && !a->index == !b->index);
}

/* Whether an operation has the variable's own value as an operand.  Sets the
 * other one. */
static bool
takes_own(const struct counts *c, LLVMValueRef operation,
          const struct place *to, LLVMValueRef *other)
{
    for (int i = 0; i < 2; i++) {
        LLVMValueRef load = place_strip(LLVMGetOperand(operation, i));
        struct place from;

        if (LLVMIsALoadInst(load)) {
            place_of(c->e->td, LLVMGetOperand(load, 0), &from);
            if (is_same_place(&from, to)) {
                *other = place_strip(LLVMGetOperand(operation, !i));
                return true;
            }
        }
    }
    return false;
}

/* What an operation with the old value does: up, down or N_KINDS. */
static enum kind
direction(LLVMValueRef operation, LLVMValueRef other)
{
    bool negative = (LLVMIsAConstantInt(other)
                     && LLVMConstIntGetSExtValue(other) < 0);

    switch ((int) LLVMGetInstructionOpcode(operation)) {
    case LLVMAdd:
        return negative ? TAKEN_OUT : PUT_IN;
    case LLVMSub:
        return negative ? PUT_IN : TAKEN_OUT;
    case LLVMOr:
        return PUT_IN;
    case LLVMAnd:
        return TAKEN_OUT;
    default:
        return N_KINDS;
    }
}

static bool
is_by_one(LLVMValueRef operation, LLVMValueRef other)
{
    LLVMOpcode code = LLVMGetInstructionOpcode(operation);
    long long n = (LLVMIsAConstantInt(other)
                   ? LLVMConstIntGetSExtValue(other) : 0);

    return (code == LLVMAdd || code == LLVMSub) && (n == 1 || n == -1);
}

/* A store to an integer variable. */
static void
see_number(struct counts *c, LLVMValueRef store)
{
    LLVMValueRef value = place_strip(LLVMGetOperand(store, 0)), other;
    enum kind kind = N_KINDS;
    struct place to;

    place_of(c->e->td, LLVMGetOperand(store, 1), &to);
    const char *name = place_name(&to);
    if (!name) {
        return;
    }
    struct number *n = number_get(c, name);
    if (LLVMIsABinaryOperator(value) && takes_own(c, value, &to, &other)) {
        kind = direction(value, other);
        n->odd |= !is_by_one(value, other);
    } else {
        n->odd |= !LLVMIsAConstantInt(value);
    }
    n->odd |= to.index != NULL;
    if (kind != N_KINDS) {
        LLVMValueRef f = function_of(store);
        GHashTable *blocks = g_hash_table_lookup(n->blocks[kind], f);

        if (!blocks) {
            blocks = g_hash_table_new(NULL, NULL);
            g_hash_table_insert(n->blocks[kind], f, blocks);
        }
        g_hash_table_add(blocks, LLVMGetInstructionParent(store));
    }
}

/* Whether a number goes up (or down) just where something is put in (or taken
 * out), and once for that, in functions in which it does. */
static bool
goes_with(const struct counts *c, const struct number *n, enum kind kind)
{
    GHashTableIter iter;
    gpointer f, blocks;

    g_hash_table_iter_init(&iter, n->blocks[kind]);
    while (g_hash_table_iter_next(&iter, &f, &blocks)) {
        struct function *fn = g_hash_table_lookup(c->functions, f);

        if (!fn || parts(f, blocks, fn->blocks[kind])
            || parts(f, fn->blocks[kind], blocks)
            || repeats(f, blocks, fn->blocks[kind])) {
            return false;
        }
    }
    return true;
}

/* Whether a number goes up (or down) in a function that always puts in (or
 * takes out), and again in one that calls it. */
static bool
is_counted_twice(const struct counts *c, const struct number *n,
                 enum kind kind)
{
    GHashTableIter iter;
    gpointer f;

    g_hash_table_iter_init(&iter, n->blocks[kind]);
    while (g_hash_table_iter_next(&iter, &f, NULL)) {
        GPtrArray *calls = (contains(c->always[kind], f)
                            ? g_hash_table_lookup(c->e->callers, f) : NULL);

        for (guint i = 0; calls && i < calls->len; i++) {
            LLVMValueRef caller = function_of(calls->pdata[i]);

            if (caller != f && contains(n->blocks[kind], caller)) {
                return true;
            }
        }
    }
    return false;
}

#define DEPTH_MAX 8

/* Whether a number goes up (or down) in a function that puts in (or takes
 * out), or in all that call it.  One that does both moves an entry. */
static bool
is_counted(const struct counts *c, const struct number *n, LLVMValueRef f,
           enum kind kind, int depth)
{
    GPtrArray *calls = g_hash_table_lookup(c->e->callers, f);

    if (g_hash_table_contains(n->blocks[kind], f)
        || (contains(c->direct[kind], f) && contains(c->direct[!kind], f))) {
        return true;
    } else if (!contains(c->always[kind], f) || !calls || place_is_taken(f)
               || depth > DEPTH_MAX) {
        return false;
    }
    for (guint i = 0; i < calls->len; i++) {
        if (!is_counted(c, n, function_of(calls->pdata[i]), kind,
                        depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool
counts_all(const struct counts *c, const struct number *n, enum kind kind)
{
    GHashTableIter iter;
    gpointer f;

    g_hash_table_iter_init(&iter, c->direct[kind]);
    while (g_hash_table_iter_next(&iter, &f, NULL)) {
        if (!is_counted(c, n, f, kind, 0)) {
            return false;
        }
    }
    return goes_with(c, n, kind) && !is_counted_twice(c, n, kind);
}

/* Whether it changes in a function in which something is put in or taken
 * out. */
static bool
goes_near(const struct counts *c, const struct number *n)
{
    for (int kind = 0; kind < N_KINDS; kind++) {
        GHashTableIter iter;
        gpointer f;

        g_hash_table_iter_init(&iter, n->blocks[kind]);
        while (g_hash_table_iter_next(&iter, &f, NULL)) {
            if (g_hash_table_contains(c->functions, f)) {
                return true;
            }
        }
    }
    return false;
}

/* All. */

static void
see_function(struct counts *c, LLVMValueRef f)
{
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
         b = LLVMGetNextBasicBlock(b)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
             i = LLVMGetNextInstruction(i)) {
            if (LLVMIsAStoreInst(i)) {
                LLVMTypeKind kind = LLVMGetTypeKind(
                    LLVMTypeOf(LLVMGetOperand(i, 0)));

                if (kind == LLVMPointerTypeKind) {
                    see_store(c, i);
                } else if (kind == LLVMIntegerTypeKind) {
                    see_number(c, i);
                }
            }
        }
    }
}

static void
free_function(gpointer fn_)
{
    struct function *fn = fn_;

    for (int kind = 0; kind < N_KINDS; kind++) {
        g_hash_table_destroy(fn->blocks[kind]);
    }
    g_free(fn);
}

static void
free_number(gpointer n_)
{
    struct number *n = n_;

    for (int kind = 0; kind < N_KINDS; kind++) {
        g_hash_table_destroy(n->blocks[kind]);
    }
    g_free(n);
}

static void
see_tree(struct counts *c, const char *function, enum kind kind)
{
    LLVMValueRef f = (function ? LLVMGetNamedFunction(c->e->module, function)
                      : NULL);

    if (f) {
        g_hash_table_add(c->always[kind], f);
        add_calls(c, f, kind, true);
    }
}

void
evidence_counts(const struct evidence *e,
                const struct evidence_container *container, GPtrArray *whole,
                GPtrArray *partly)
{
    struct counts c = {
        .e = e, .container = container,
        .functions = g_hash_table_new_full(NULL, NULL, NULL, free_function),
        .numbers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                         free_number),
        .direct = { g_hash_table_new(NULL, NULL),
                    g_hash_table_new(NULL, NULL) },
        .always = { g_hash_table_new(NULL, NULL),
                    g_hash_table_new(NULL, NULL) },
    };
    GHashTableIter iter;
    gpointer n_;

    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f;
         f = LLVMGetNextFunction(f)) {
        see_function(&c, f);
    }
    see_tree(&c, container->insert, PUT_IN);
    see_tree(&c, container->remove, TAKEN_OUT);
    while (find_always(&c)) {
        continue;
    }

    g_hash_table_iter_init(&iter, c.numbers);
    while (g_hash_table_iter_next(&iter, NULL, &n_)) {
        struct number *n = n_;

        if (!g_hash_table_size(n->blocks[PUT_IN])
            || !g_hash_table_size(n->blocks[TAKEN_OUT])) {
            continue;
        } else if (!n->odd && counts_all(&c, n, PUT_IN)
                   && counts_all(&c, n, TAKEN_OUT)) {
            g_ptr_array_add(whole, (gpointer) n->name);
        } else if (goes_near(&c, n)) {
            g_ptr_array_add(partly, (gpointer) n->name);
        }
    }
    for (int kind = 0; kind < N_KINDS; kind++) {
        g_hash_table_destroy(c.direct[kind]);
        g_hash_table_destroy(c.always[kind]);
    }
    g_hash_table_destroy(c.functions);
    g_hash_table_destroy(c.numbers);
}
