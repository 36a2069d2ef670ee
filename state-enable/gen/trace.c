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

/* Where values come from, further back than one statement. */

#include <string.h>
#include "evidence-private.h"
#include "place.h"

/* Byte order. */

struct order {
    const struct evidence *e;
    GHashTable *seen;           /* Value, with the parity in the lowest bit. */
    GPtrArray *work;            /* The same. */
    bool odd, even;
};

static void
order_push(struct order *o, LLVMValueRef v, bool odd)
{
    gpointer entry = (gpointer) ((uintptr_t) place_strip(v) | odd);

    if (g_hash_table_size(o->seen) < TRACE_MAX
        && g_hash_table_add(o->seen, entry)) {
        g_ptr_array_add(o->work, entry);
    }
}

static bool
swaps(const char *name)
{
    return (g_str_has_prefix(name, "llvm.bswap.")
            || !strcmp(name, "ntohs") || !strcmp(name, "ntohl")
            || !strcmp(name, "htons") || !strcmp(name, "htonl")
            || !strcmp(name, "__bswap_16") || !strcmp(name, "__bswap_32"));
}

static void
order_argument(struct order *o, LLVMValueRef v, bool odd)
{
    LLVMValueRef f = LLVMGetParamParent(v);
    GPtrArray *calls = g_hash_table_lookup(o->e->callers, f);

    for (unsigned int i = 0; i < LLVMCountParams(f); i++) {
        for (guint j = 0; LLVMGetParam(f, i) == v && calls && j < calls->len;
             j++) {
            order_push(o, LLVMGetOperand(calls->pdata[j], i), odd);
        }
    }
}

/* The innermost struct that has a name of its own; all that have none look
 * alike.  -1: none. */
static int
named_level(const struct place *p)
{
    for (int i = p->n_levels - 1; i >= 0; i--) {
        if (!g_str_has_prefix(p->levels[i].name, "struct.anon")
            && !g_str_has_prefix(p->levels[i].name, "union.anon")) {
            return i;
        }
    }
    return -1;
}

/* A load ends the way in the packet, unless other code stores there. */
static void
order_load(struct order *o, LLVMValueRef load, bool odd)
{
    struct place from;
    GPtrArray *values = NULL;

    place_of(o->e->td, LLVMGetOperand(load, 0), &from);
    int level = named_level(&from);
    if (level >= 0) {
        char *name = evidence_struct_name(from.levels[level].name);
        char *member = g_strdup_printf("%s %"G_GUINT64_FORMAT, name,
                                       from.levels[level].offset);

        values = g_hash_table_lookup(o->e->stores, member);
        g_free(member);
        g_free(name);
    }
    for (guint i = 0; values && i < values->len; i++) {
        order_push(o, values->pdata[i], odd);
    }
    if (!values) {
        o->odd |= odd;
        o->even |= !odd;
    }
}

/* What a function returns. */
static void
order_returns(struct order *o, LLVMValueRef f, bool odd)
{
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(f); block;
         block = LLVMGetNextBasicBlock(block)) {
        LLVMValueRef end = LLVMGetBasicBlockTerminator(block);

        if (end && LLVMIsAReturnInst(end) && LLVMGetNumOperands(end)) {
            order_push(o, LLVMGetOperand(end, 0), odd);
        }
    }
}

/* Whether a value is a byte that is read from memory, at '*p'. */
static bool
is_byte(const struct order *o, LLVMValueRef value, struct place *p)
{
    LLVMValueRef v = place_strip(value);

    if (!LLVMIsALoadInst(v)
        || LLVMABISizeOfType(o->e->td, LLVMTypeOf(v)) != 1) {
        return false;
    }
    place_of(o->e->td, LLVMGetOperand(v, 0), p);
    return !p->index;
}

/* p[0] << 8 | p[1], and the other way around: read as a swap does, or
 * not. */
static void
order_bytes(struct order *o, LLVMValueRef v, bool odd)
{
    for (int i = 0; i < 2; i++) {
        LLVMValueRef shl = place_strip(LLVMGetOperand(v, i));
        struct place high, low;

        if (LLVMIsABinaryOperator(shl)
            && LLVMGetInstructionOpcode(shl) == LLVMShl
            && LLVMIsAConstantInt(LLVMGetOperand(shl, 1))
            && LLVMConstIntGetZExtValue(LLVMGetOperand(shl, 1)) == 8
            && is_byte(o, LLVMGetOperand(shl, 0), &high)
            && is_byte(o, LLVMGetOperand(v, !i), &low)
            && high.base == low.base && high.global == low.global) {
            bool big = low.offset == high.offset + 1;

            o->odd |= big != odd;
            o->even |= big == odd;
        }
    }
}

static void
order_step(struct order *o, gpointer entry)
{
    bool odd = (uintptr_t) entry & 1;
    LLVMValueRef v = (LLVMValueRef) ((uintptr_t) entry & ~(uintptr_t) 1);

    if (LLVMIsALoadInst(v)) {
        order_load(o, v, odd);
    } else if (LLVMIsAArgument(v)) {
        order_argument(o, v, odd);
    } else if (LLVMIsAPHINode(v)) {
        for (unsigned int i = 0; i < LLVMCountIncoming(v); i++) {
            order_push(o, LLVMGetIncomingValue(v, i), odd);
        }
    } else if (LLVMIsACallInst(v)) {
        LLVMValueRef f = LLVMGetCalledValue(v);

        if (f && LLVMIsAFunction(f)) {
            size_t n;

            if (swaps(LLVMGetValueName2(f, &n))) {
                order_push(o, LLVMGetOperand(v, 0), !odd);
            } else {
                order_returns(o, f, odd);
            }
        }
    } else if (LLVMIsABinaryOperator(v)
               && LLVMGetInstructionOpcode(v) == LLVMOr) {
        order_bytes(o, v, odd);
    }
}

int
evidence_host_order(const struct evidence *e, const char *struct_name,
                    uint64_t offset)
{
    struct order o = { .e = e };
    char *member = g_strdup_printf("%s %"G_GUINT64_FORMAT, struct_name,
                                   offset);
    GPtrArray *values = g_hash_table_lookup(e->stores, member);

    o.seen = g_hash_table_new(NULL, NULL);
    o.work = g_ptr_array_new();
    for (guint i = 0; values && i < values->len; i++) {
        order_push(&o, values->pdata[i], false);
    }
    for (guint i = 0; i < o.work->len; i++) {
        order_step(&o, o.work->pdata[i]);
    }
    g_ptr_array_free(o.work, TRUE);
    g_hash_table_destroy(o.seen);
    g_free(member);
    return o.odd == o.even ? -1 : o.odd;
}

/* Placement: a backward slice through values and the results of functions. */

struct backward {
    GHashTable *seen;
    GPtrArray *work;
};

static void
backward_push(struct backward *b, LLVMValueRef v)
{
    if (v && (LLVMIsAInstruction(v) || LLVMIsAConstantExpr(v))
        && g_hash_table_size(b->seen) < 100 * TRACE_MAX
        && g_hash_table_add(b->seen, v)) {
        g_ptr_array_add(b->work, v);
    }
}

static void
backward_returns(struct backward *b, LLVMValueRef f)
{
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(f); block;
         block = LLVMGetNextBasicBlock(block)) {
        LLVMValueRef end = LLVMGetBasicBlockTerminator(block);

        if (end && LLVMIsAReturnInst(end) && LLVMGetNumOperands(end)) {
            backward_push(b, LLVMGetOperand(end, 0));
        }
    }
}

static gint
compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
backward_step(const struct evidence *e, struct backward *b, LLVMValueRef v,
              GHashTable *names)
{
    if (LLVMIsALoadInst(v)) {
        struct place from;

        place_of(e->td, LLVMGetOperand(v, 0), &from);
        if (from.global && !LLVMIsGlobalConstant(from.global)) {
            g_hash_table_add(names, (gpointer) place_name(&from));
        } else if (from.base && LLVMIsAAllocaInst(from.base)) {
            for (LLVMUseRef use = LLVMGetFirstUse(from.base); use;
                 use = LLVMGetNextUse(use)) {
                LLVMValueRef user = LLVMGetUser(use);

                if (LLVMIsAStoreInst(user)) {
                    backward_push(b, LLVMGetOperand(user, 0));
                }
            }
        }
        return;
    }
    for (int i = 0; i < LLVMGetNumOperands(v); i++) {
        backward_push(b, LLVMGetOperand(v, i));
    }
    if (LLVMIsACallInst(v)) {
        LLVMValueRef f = LLVMGetCalledValue(v);

        if (f && LLVMIsAFunction(f)) {
            backward_returns(b, f);
        }
    }
}

GPtrArray *
evidence_placement(const struct evidence *e, const char *array)
{
    GPtrArray *indexes = g_hash_table_lookup(e->indexes, array);
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    struct backward b = {
        g_hash_table_new(NULL, NULL), g_ptr_array_new()
    };

    for (guint i = 0; indexes && i < indexes->len; i++) {
        backward_push(&b, indexes->pdata[i]);
    }
    for (guint i = 0; i < b.work->len; i++) {
        backward_step(e, &b, b.work->pdata[i], names);
    }

    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_ptr_array_add(found, name);
    }
    g_ptr_array_sort(found, compare_strings);
    g_hash_table_destroy(names);
    g_hash_table_destroy(b.seen);
    g_ptr_array_free(b.work, TRUE);
    return found;
}
