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

/* How long buffers are.
 *
 *   length S P N        memory for member P is allocated by a size that
 *                       member N is in, or that is put into it
 *   extent S P N U      member N is an index of what P leads to, or bounds
 *                       one, in elements of U bytes; or is multiplied by U in
 *                       the size that memory for P is allocated by
 *   tail S N            N gets a number that is in the size by which memory
 *                       for the whole struct is allocated
 *
 * "S N" is as in evidence.c; P and N are of the same struct. */

#include <string.h>
#include "evidence-private.h"
#include "place.h"

#define LEAVES_MAX 64
#define USERS_MAX 32

static void
say(struct evidence *e, const char *what, const struct place *p,
    uint64_t offset, const char *more)
{
    char *name = evidence_struct_name(p->levels[p->n_levels - 1].name);

    g_hash_table_add(e->said, g_strdup_printf(
                         "%s %s %"G_GUINT64_FORMAT"%s", what, name, offset,
                         more));
    g_free(name);
}

static uint64_t
last_offset(const struct place *p)
{
    return p->levels[p->n_levels - 1].offset;
}

static bool
is_integer(LLVMValueRef v)
{
    return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMIntegerTypeKind;
}

/* Whether two members are of one object, as far as one expression tells. */
static bool
beside(const struct place *a, const struct place *b)
{
    return (a->n_levels && a->n_levels == b->n_levels
            && a->levels[0].name == b->levels[0].name
            && a->levels[a->n_levels - 1].name
               == b->levels[b->n_levels - 1].name);
}

static bool
is_allocation(LLVMValueRef call)
{
    static const char *const names[] = {
        "malloc", "calloc", "realloc", "reallocarray", NULL
    };
    LLVMValueRef f = LLVMIsACallInst(call) ? LLVMGetCalledValue(call) : NULL;
    size_t n;

    return (f && LLVMIsAFunction(f)
            && g_strv_contains(names, LLVMGetValueName2(f, &n)));
}

/* What the integers that a call is given are computed from, and the constants
 * that something in them is multiplied by: the largest. */
static uint64_t
find_leaves(LLVMValueRef call, GPtrArray *leaves)
{
    GPtrArray *work = g_ptr_array_new();
    unsigned int n = LLVMGetNumArgOperands(call);
    uint64_t unit = 1;

    for (unsigned int i = 0; i < n; i++) {
        LLVMValueRef argument = LLVMGetOperand(call, i);

        if (LLVMIsAConstantInt(argument) && n > 1) {    /* As of calloc(). */
            unit = MAX(unit, LLVMConstIntGetZExtValue(argument));
        }
        g_ptr_array_add(work, argument);
    }
    for (guint i = 0; i < work->len && i < LEAVES_MAX; i++) {
        LLVMValueRef v = place_strip(work->pdata[i]);

        if (LLVMIsABinaryOperator(v)) {
            LLVMValueRef by = LLVMGetOperand(v, 1);

            if (LLVMGetInstructionOpcode(v) == LLVMMul
                && LLVMIsAConstantInt(by)) {
                unit = MAX(unit, LLVMConstIntGetZExtValue(by));
            }
            g_ptr_array_add(work, LLVMGetOperand(v, 0));
            g_ptr_array_add(work, by);
        } else if (is_integer(v) && !LLVMIsAConstantInt(v)) {
            g_ptr_array_add(leaves, v);
        }
    }
    g_ptr_array_free(work, TRUE);
    return unit;
}

static void
say_length(struct evidence *e, const struct place *to,
           const struct place *number, uint64_t unit)
{
    char *length = g_strdup_printf(" %"G_GUINT64_FORMAT, last_offset(number));
    char *extent = g_strdup_printf("%s %"G_GUINT64_FORMAT, length, unit);

    say(e, "length", to, last_offset(to), length);
    if (unit > 1) {
        say(e, "extent", to, last_offset(to), extent);
    }
    g_free(length);
    g_free(extent);
}

/* x->N = n, where x->P = allocate(... n ...). */
static void
see_stores(struct evidence *e, const struct place *to, LLVMValueRef n,
           uint64_t unit)
{
    GPtrArray *work = g_ptr_array_new();

    g_ptr_array_add(work, n);
    for (guint i = 0; i < work->len && i < USERS_MAX; i++) {
        for (LLVMUseRef use = LLVMGetFirstUse(work->pdata[i]); use;
             use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);

            if (LLVMIsACastInst(user)) {
                g_ptr_array_add(work, user);
            } else if (LLVMIsAStoreInst(user)
                       && LLVMGetOperand(user, 0) == work->pdata[i]) {
                struct place number;

                place_of(e->td, LLVMGetOperand(user, 1), &number);
                if (beside(to, &number)) {
                    say_length(e, to, &number, unit);
                }
            }
        }
    }
    g_ptr_array_free(work, TRUE);
}

/* x->P = allocate(... x->N ...) */
static void
see_length(struct evidence *e, LLVMValueRef value, const struct place *to)
{
    LLVMValueRef call = place_strip(value);
    GPtrArray *leaves = g_ptr_array_new();

    if (LLVMIsACallInst(call) && to->n_levels) {
        uint64_t unit = find_leaves(call, leaves);

        for (guint i = 0; i < leaves->len; i++) {
            struct place number;

            if (is_allocation(call)) {
                see_stores(e, to, leaves->pdata[i], unit);
            }
            if (LLVMIsALoadInst(leaves->pdata[i])) {
                place_of(e->td, LLVMGetOperand(leaves->pdata[i], 0), &number);
                if (beside(to, &number)) {
                    say_length(e, to, &number, unit);
                }
            }
        }
    }
    g_ptr_array_free(leaves, TRUE);
}

/* x->N = n, where x = allocate(... n ...). */
static void
see_tail(struct evidence *e, LLVMValueRef value, const struct place *to)
{
    LLVMValueRef call = to->base ? place_strip(to->base) : NULL;
    GPtrArray *leaves = g_ptr_array_new();

    if (call && to->n_levels == 1 && is_allocation(call)) {
        find_leaves(call, leaves);
        if (g_ptr_array_find(leaves, place_strip(value), NULL)) {
            say(e, "tail", to, last_offset(to), "");
        }
    }
    g_ptr_array_free(leaves, TRUE);
}

/* Says that loads of members beside 'p' are extents of it. */
static void
say_extents(struct evidence *e, const struct place *p, LLVMValueRef number,
            uint64_t unit)
{
    GPtrArray *loads = g_ptr_array_new();

    place_loads(number, loads);
    for (guint i = 0; i < loads->len; i++) {
        struct place from;

        place_of(e->td, LLVMGetOperand(loads->pdata[i], 0), &from);
        if (is_integer(loads->pdata[i]) && beside(p, &from)) {
            char *more = g_strdup_printf(
                " %"G_GUINT64_FORMAT" %"G_GUINT64_FORMAT, last_offset(&from),
                unit);

            say(e, "extent", p, last_offset(p), more);
            g_free(more);
        }
    }
    g_ptr_array_free(loads, TRUE);
}

/* x->P[x->N], or x->P[i] with i < x->N. */
static void
see_index(struct evidence *e, LLVMValueRef gep)
{
    LLVMValueRef base = place_strip(LLVMGetOperand(gep, 0));
    LLVMValueRef index = LLVMGetOperand(gep, 1);
    struct place p;

    if (!LLVMIsALoadInst(base) || LLVMIsAConstantInt(index)) {
        return;
    }
    place_of(e->td, LLVMGetOperand(base, 0), &p);
    if (!p.n_levels) {
        return;
    }
    uint64_t unit = LLVMABISizeOfType(e->td,
                                      LLVMGetGEPSourceElementType(gep));

    index = place_strip(index);
    say_extents(e, &p, index, unit);
    for (LLVMUseRef use = LLVMGetFirstUse(index); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (LLVMIsAICmpInst(user)) {
            say_extents(e, &p, LLVMGetOperand(
                            user, LLVMGetOperand(user, 0) == index), unit);
        }
    }
}

void
evidence_see_buffer(struct evidence *e, LLVMValueRef insn)
{
    struct place to;

    if (LLVMIsAGetElementPtrInst(insn)) {
        see_index(e, insn);
    } else if (LLVMIsAStoreInst(insn)) {
        LLVMValueRef value = LLVMGetOperand(insn, 0);

        place_of(e->td, LLVMGetOperand(insn, 1), &to);
        if (is_integer(value)) {
            see_tail(e, value, &to);
        } else if (!to.global) {
            see_length(e, value, &to);
        }
    }
}
