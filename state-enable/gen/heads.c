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

/* Variables that lists begin at, and that say which element of an array is the
 * next to be put into one.
 *
 *   anchor S B V        V = x->B, or *p = x->B where p may be &V, as in
 *                       "for (p = &V; *p; p = &(*p)->B)": V, or its element,
 *                       is where the list through B begins
 *   tail S B V          V = &x->B
 *   fill V A I          V = &A[I]
 *   bound I N           I is compared with N; "?" if that is no constant
 *   reset I             I = 0
 *   set I               I gets another value, but for I++ and I--
 *
 * V, A, I are variables as place_name() names them; "S B" as in evidence.c. */

#include <stdlib.h>
#include "evidence-private.h"
#include "place.h"

static void
say_of(struct evidence *e, const char *what, const struct place *p)
{
    g_hash_table_add(e->said, g_strdup_printf("%s %s", what, place_name(p)));
}

/* The variable that an integer is read from, as it is.  NULL if it is not. */
static const char *
variable_read(const struct evidence *e, LLVMValueRef value)
{
    LLVMValueRef load = place_strip(value);
    struct place from;

    if (!LLVMIsALoadInst(load)) {
        return NULL;
    }
    place_of(e->td, LLVMGetOperand(load, 0), &from);
    return from.index ? NULL : place_name(&from);
}

/* Says "WHAT S B V", of one of the structs around the link. */
static void
say_link(struct evidence *e, const char *what, const struct place *link,
         unsigned int level, const struct place *variable)
{
    char *name = evidence_struct_name(link->levels[level].name);

    g_hash_table_add(e->said, g_strdup_printf(
                         "%s %s %"G_GUINT64_FORMAT" %s", what, name,
                         link->levels[level].offset, place_name(variable)));
    g_free(name);
}

/* V = x->B */
static void
see_anchors(struct evidence *e, LLVMValueRef pointer, LLVMValueRef value)
{
    GPtrArray *sources = g_ptr_array_new(), *loads = g_ptr_array_new();

    place_sources(pointer, sources);
    place_loads(value, loads);
    for (guint i = 0; i < sources->len; i++) {
        struct place to;

        place_of(e->td, sources->pdata[i], &to);
        for (guint j = 0; to.global && j < loads->len; j++) {
            struct place from;

            place_of(e->td, LLVMGetOperand(loads->pdata[j], 0), &from);
            if (from.n_levels) {
                say_link(e, "anchor", &from, 0, &to);
            }
        }
    }
    g_ptr_array_free(sources, TRUE);
    g_ptr_array_free(loads, TRUE);
}

/* V = &x->B */
static void
see_tail(struct evidence *e, const struct place *to, LLVMValueRef value)
{
    GPtrArray *sources = g_ptr_array_new();

    place_sources(value, sources);
    for (guint i = 0; i < sources->len; i++) {
        struct place link;

        place_of(e->td, sources->pdata[i], &link);
        for (unsigned int j = 0; j < link.n_levels; j++) {
            say_link(e, "tail", &link, j, to);
        }
    }
    g_ptr_array_free(sources, TRUE);
}

/* V = &A[I] */
static void
see_fill(struct evidence *e, const struct place *to, LLVMValueRef value)
{
    struct place slot;

    place_of(e->td, value, &slot);
    const char *turn = (slot.global && slot.index && slot.offset == slot.array
                        ? variable_read(e, slot.index) : NULL);
    if (turn) {
        g_hash_table_add(e->said, g_strdup_printf(
                             "fill %s %s %s", place_name(to),
                             place_name(&slot), turn));
    }
}

/* I = value */
static void
see_set(struct evidence *e, const struct place *to, LLVMValueRef value)
{
    LLVMValueRef v = place_strip(value);

    if (LLVMIsAConstantInt(v)) {
        say_of(e, LLVMIsNull(v) ? "reset" : "set", to);
    } else if (!LLVMIsABinaryOperator(v)
               || (LLVMGetInstructionOpcode(v) != LLVMAdd
                   && LLVMGetInstructionOpcode(v) != LLVMSub)
               || g_strcmp0(variable_read(e, LLVMGetOperand(v, 0)),
                            place_name(to))
               || !LLVMIsAConstantInt(LLVMGetOperand(v, 1))
               || llabs(LLVMConstIntGetSExtValue(LLVMGetOperand(v, 1)))
                  != 1) {
        say_of(e, "set", to);
    }
}

static void
see_store(struct evidence *e, LLVMValueRef store)
{
    LLVMValueRef value = LLVMGetOperand(store, 0);
    LLVMValueRef pointer = LLVMGetOperand(store, 1);
    LLVMTypeKind kind = LLVMGetTypeKind(LLVMTypeOf(value));
    struct place to;

    place_of(e->td, pointer, &to);
    if (kind == LLVMPointerTypeKind) {
        see_anchors(e, pointer, value);
        if (to.global) {
            see_fill(e, &to, value);
            see_tail(e, &to, value);
        }
    } else if (kind == LLVMIntegerTypeKind && to.global) {
        see_set(e, &to, value);
    }
}

static void
see_comparison(struct evidence *e, LLVMValueRef compare)
{
    for (int i = 0; i < 2; i++) {
        const char *turn = variable_read(e, LLVMGetOperand(compare, i));
        LLVMValueRef bound = LLVMGetOperand(compare, !i);

        if (turn) {
            g_hash_table_add(e->said, LLVMIsAConstantInt(bound)
                             ? g_strdup_printf(
                                 "bound %s %lld", turn,
                                 LLVMConstIntGetSExtValue(bound))
                             : g_strdup_printf("bound %s ?", turn));
        }
    }
}

void
evidence_see_head(struct evidence *e, LLVMValueRef insn)
{
    switch ((int) LLVMGetInstructionOpcode(insn)) {
    case LLVMStore:
        see_store(e, insn);
        break;
    case LLVMICmp:
        see_comparison(e, insn);
        break;
    }
}
