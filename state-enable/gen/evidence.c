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

/* Statements that are remembered ("S N" is a member: struct and offset; a
 * variable is named as place_name() does):
 *
 *   pair S X Y          x->X->Y = x->Y: unlinks, so X and Y are inverse
 *   push S B V          x->B = V: nodes are added before V
 *   free S N            what the member leads to is freed
 *   header S N D        ... D bytes before it, where its block starts; "?" if
 *                       that is not a constant
 *   node-header V D     the same of what variable V, or its element, leads to
 *   descriptor S N      the member is given to a call as a descriptor
 *   inc V, dec V        V++, V--
 *   add S L T N, sub S L T N        x->L->N += 1, -= 1
 *   bucket S N V        the member is also an index of variable V
 *   live S A N          the member N is the index of, or bounds, array A
 *   compared S N W      compared for equality with W
 *
 * and what heads.c and buffers.c list; what counts entries is in counts.c. */

#include "evidence-private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "handlers.h"
#include "place.h"

char *
evidence_struct_name(const char *name)
{
    for (const char *const *p
         = (const char *const[]) { "struct.", "union.", NULL }; *p; p++) {
        if (g_str_has_prefix(name, *p)) {
            name += strlen(*p);
        }
    }
    char *copy = g_strdup(name);
    char *dot = strrchr(copy, '.');
    if (dot && dot[1] && strspn(dot + 1, "0123456789") == strlen(dot + 1)) {
        *dot = '\0';
    }
    return copy;
}

static void G_GNUC_PRINTF(2, 3)
say(struct evidence *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_hash_table_add(e->said, g_strdup_vprintf(format, args));
    va_end(args);
}

bool
evidence_has(const struct evidence *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *s = g_strdup_vprintf(format, args);
    va_end(args);
    bool has = g_hash_table_contains(e->said, s);
    g_free(s);
    return has;
}

static gint
compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
evidence_after(const struct evidence *e, const char *format, ...)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer key;
    va_list args;

    va_start(args, format);
    char *s = g_strdup_vprintf(format, args);
    va_end(args);
    char *prefix = g_strconcat(s, " ", NULL);
    g_hash_table_iter_init(&iter, e->said);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (g_str_has_prefix(key, prefix)) {
            g_ptr_array_add(found, g_strdup((char *) key + strlen(prefix)));
        }
    }
    g_ptr_array_sort(found, compare_strings);
    g_free(prefix);
    g_free(s);
    return found;
}

/* "STRUCT OFFSET" of each level of a member; none if it is no member. */
static GPtrArray *
members(const struct place *p)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (unsigned int i = 0; i < p->n_levels; i++) {
        char *name = evidence_struct_name(p->levels[i].name);

        g_ptr_array_add(names, g_strdup_printf(
                            "%s %"G_GUINT64_FORMAT, name,
                            p->levels[i].offset));
        g_free(name);
    }
    return names;
}

static struct place
place(const struct evidence *e, LLVMValueRef pointer)
{
    struct place p;

    place_of(e->td, pointer, &p);
    return p;
}

static const char *
name_of(LLVMValueRef v)
{
    size_t n;

    return LLVMGetValueName2(v, &n);
}

static GPtrArray *
loads_of(LLVMValueRef v)
{
    GPtrArray *loads = g_ptr_array_new();

    place_loads(v, loads);
    return loads;
}

static struct place
load_place(const struct evidence *e, const GPtrArray *loads, guint i)
{
    return place(e, LLVMGetOperand(loads->pdata[i], 0));
}

/* The function that a call calls, or NULL. */
static LLVMValueRef
callee(LLVMValueRef call)
{
    LLVMValueRef f = LLVMGetCalledValue(call);

    return f && LLVMIsAFunction(f) ? f : NULL;
}

static unsigned int
parameter_of(LLVMValueRef argument)
{
    LLVMValueRef f = LLVMGetParamParent(argument);
    unsigned int i = 0;

    while (LLVMGetParam(f, i) != argument) {
        i++;
    }
    return i;
}

static void
add_to(GHashTable *table, gpointer key, gpointer value)
{
    GPtrArray *array = g_hash_table_lookup(table, key);

    if (!array) {
        array = g_ptr_array_new();
        g_hash_table_insert(table, key, array);
    }
    g_ptr_array_add(array, value);
}

/* Says "WHAT MEMBER [MORE]" of each level of a member. */
static void
say_members(struct evidence *e, const char *what, const struct place *p,
            const char *more)
{
    GPtrArray *names = members(p);

    for (guint i = 0; i < names->len; i++) {
        say(e, "%s %s%s%s", what, (char *) names->pdata[i], more ? " " : "",
            more ? more : "");
    }
    g_ptr_array_unref(names);
}

/* Stores. */

/* A store to x->X->Y or to x->Y: what it shows of links. */
static void
see_link(struct evidence *e, const struct place *to, const GPtrArray *loads)
{
    if (!to->n_levels || !to->base) {
        return;
    }
    const char *type = to->levels[0].name;
    uint64_t y = to->levels[0].offset;
    GPtrArray *bases = loads_of(to->base);
    char *name = evidence_struct_name(type);

    for (guint i = 0; i < loads->len; i++) {
        struct place from = load_place(e, loads, i);

        if (from.global) {
            say(e, "push %s %"G_GUINT64_FORMAT" %s", name, y,
                place_name(&from));
        }
        for (guint j = 0; from.n_levels && j < bases->len; j++) {
            struct place base = load_place(e, bases, j);

            if (base.n_levels && base.levels[0].name == type
                && from.levels[0].name == type && from.levels[0].offset == y
                && base.levels[0].offset != y) {
                say(e, "pair %s %"G_GUINT64_FORMAT" %"G_GUINT64_FORMAT, name,
                    base.levels[0].offset, y);
            }
        }
    }
    g_free(name);
    g_ptr_array_free(bases, TRUE);
}

/* x->M = n->N with n = x->M: what is behind N follows in M.  Remembered as the
 * names of M and N. */
static void
see_next(struct evidence *e, const struct place *to, const GPtrArray *loads)
{
    for (guint i = 0; to->n_levels && i < loads->len; i++) {
        struct place from = load_place(e, loads, i), head;
        LLVMValueRef node = from.base ? place_strip(from.base) : NULL;

        if (!node || !from.n_levels || !LLVMIsALoadInst(node)) {
            continue;
        }
        head = place(e, LLVMGetOperand(node, 0));
        if (head.n_levels == to->n_levels
            && head.levels[0].name == to->levels[0].name
            && head.levels[0].offset == to->levels[0].offset) {
            GPtrArray *heads = members(to), *nexts = members(&from);

            g_ptr_array_add(e->nexts, g_strdup(heads->pdata[heads->len - 1]));
            g_ptr_array_add(e->nexts, g_strdup(nexts->pdata[nexts->len - 1]));
            g_ptr_array_unref(heads);
            g_ptr_array_unref(nexts);
        }
    }
}

/* Whether 'value' is a load of the same place, plus or minus one. */
static int
step_of(const struct evidence *e, LLVMValueRef value, const struct place *to)
{
    LLVMValueRef v = place_strip(value);

    if (!LLVMIsAInstruction(v)
        || (LLVMGetInstructionOpcode(v) != LLVMAdd
            && LLVMGetInstructionOpcode(v) != LLVMSub)
        || !LLVMIsAConstantInt(LLVMGetOperand(v, 1))) {
        return 0;
    }
    LLVMValueRef load = place_strip(LLVMGetOperand(v, 0));
    if (!LLVMIsALoadInst(load)) {
        return 0;
    }
    struct place from = place(e, LLVMGetOperand(load, 0));
    if (from.global != to->global || (to->global && from.offset != to->offset)
        || from.n_levels != to->n_levels
        || (from.n_levels
            && (from.levels[0].name != to->levels[0].name
                || from.levels[0].offset != to->levels[0].offset))) {
        return 0;
    }
    long long n = LLVMConstIntGetSExtValue(LLVMGetOperand(v, 1));
    if (LLVMGetInstructionOpcode(v) == LLVMSub) {
        n = -n;
    }
    return n == 1 ? 1 : n == -1 ? -1 : 0;
}

static void
see_count(struct evidence *e, LLVMValueRef store, const struct place *to)
{
    int step = step_of(e, LLVMGetOperand(store, 0), to);

    if (!step) {
        return;
    }
    if (to->global && !to->index) {
        say(e, "%s %s", step > 0 ? "inc" : "dec", place_name(to));
    } else if (to->base && to->n_levels) {
        GPtrArray *bases = loads_of(to->base);
        GPtrArray *names = members(to);

        for (guint i = 0; i < bases->len; i++) {
            struct place base = load_place(e, bases, i);

            for (guint j = 0; j < names->len; j++) {
                say_members(e, step > 0 ? "add" : "sub", &base,
                            names->pdata[j]);
            }
        }
        g_ptr_array_unref(names);
        g_ptr_array_free(bases, TRUE);
    }
}

static void
add_stored(struct evidence *e, const char *member, LLVMValueRef value)
{
    GPtrArray *values = g_hash_table_lookup(e->stores, member);

    if (!values) {
        values = g_ptr_array_new();
        g_hash_table_insert(e->stores, g_strdup(member), values);
    }
    g_ptr_array_add(values, value);
}

static void
see_store(struct evidence *e, LLVMValueRef store)
{
    LLVMValueRef value = LLVMGetOperand(store, 0);
    struct place to = place(e, LLVMGetOperand(store, 1));
    GPtrArray *names = members(&to);

    for (guint i = 0; i < names->len; i++) {
        add_stored(e, names->pdata[i], value);
    }
    g_ptr_array_unref(names);
    see_count(e, store, &to);
    if (LLVMGetTypeKind(LLVMTypeOf(value)) != LLVMPointerTypeKind) {
        return;
    }

    if (!to.global) {
        GPtrArray *loads = loads_of(value);

        see_link(e, &to, loads);
        see_next(e, &to, loads);
        g_ptr_array_free(loads, TRUE);
    }
}

/* Indexes. */

static void
say_live(struct evidence *e, const struct place *p, const GPtrArray *loads)
{
    for (guint i = 0; i < loads->len; i++) {
        struct place from = load_place(e, loads, i);

        for (unsigned int a = 0; a < p->n_levels; a++) {
            for (unsigned int b = 0; b < from.n_levels; b++) {
                if (p->levels[a].indexed
                    && p->levels[a].name == from.levels[b].name) {
                    char *name = evidence_struct_name(p->levels[a].name);

                    say(e, "live %s %"G_GUINT64_FORMAT" %"G_GUINT64_FORMAT,
                        name, p->levels[a].array, from.levels[b].offset);
                    g_free(name);
                }
            }
        }
    }
}

/* What the index is compared with, as in "i < x->n". */
static void
see_bounds(struct evidence *e, const struct place *p, LLVMValueRef index)
{
    for (LLVMUseRef use = LLVMGetFirstUse(index); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (LLVMIsAICmpInst(user)) {
            bool first = LLVMGetOperand(user, 0) == index;
            GPtrArray *loads = loads_of(LLVMGetOperand(user, first));

            say_live(e, p, loads);
            g_ptr_array_free(loads, TRUE);
        }
    }
}

static void
see_index(struct evidence *e, LLVMValueRef gep)
{
    struct place p = place(e, gep);

    if (!p.index) {
        return;
    }
    LLVMValueRef index = place_strip(p.index);
    if (p.global) {
        add_to(e->indexes, (gpointer) place_name(&p), index);
    } else if (p.n_levels) {
        GPtrArray *loads = loads_of(index);

        say_live(e, &p, loads);
        see_bounds(e, &p, index);
        g_ptr_array_free(loads, TRUE);
    }
}

/* x->N = i, where i is also the index of a variable. */
static void
see_buckets(struct evidence *e)
{
    GHashTableIter iter;
    gpointer name, values_;

    g_hash_table_iter_init(&iter, e->indexes);
    while (g_hash_table_iter_next(&iter, &name, &values_)) {
        GPtrArray *values = values_;

        for (guint i = 0; i < values->len; i++) {
            for (LLVMUseRef use = LLVMGetFirstUse(values->pdata[i]); use;
                 use = LLVMGetNextUse(use)) {
                LLVMValueRef user = LLVMGetUser(use);

                if (LLVMIsAStoreInst(user)
                    && LLVMGetOperand(user, 0) == values->pdata[i]) {
                    struct place to = place(e, LLVMGetOperand(user, 1));

                    to.n_levels = to.n_levels ? 1 : 0;
                    say_members(e, "bucket", &to, name);
                }
            }
        }
    }
}

static void
see_comparison(struct evidence *e, LLVMValueRef compare)
{
    for (int i = 0; i < 2; i++) {
        GPtrArray *a = loads_of(LLVMGetOperand(compare, i));
        GPtrArray *b = loads_of(LLVMGetOperand(compare, !i));

        for (guint j = 0; j < a->len; j++) {
            struct place to = load_place(e, a, j);

            for (guint k = 0; k < b->len; k++) {
                struct place other = load_place(e, b, k);
                GPtrArray *names = members(&other);

                if (names->len) {
                    say_members(e, "compared", &to,
                                names->pdata[names->len - 1]);
                }
                g_ptr_array_unref(names);
            }
        }
        g_ptr_array_free(a, TRUE);
        g_ptr_array_free(b, TRUE);
    }
}

/* Frees. */

#define HEADER_UNKNOWN (-1)

/* How far a pointer is from what it is computed from, towards the start. */
static int
step_back(const struct evidence *e, LLVMValueRef gep, int header)
{
    LLVMValueRef index = LLVMGetOperand(gep, 1);

    if (header == HEADER_UNKNOWN || LLVMGetNumOperands(gep) != 2
        || !LLVMIsAConstantInt(index)) {
        return HEADER_UNKNOWN;
    }
    long long n = LLVMConstIntGetSExtValue(index);
    long long size = LLVMABISizeOfType(e->td,
                                       LLVMGetGEPSourceElementType(gep));
    return (n > 0 || size > 4096 || n < -4096 ? HEADER_UNKNOWN
            : header - n * size);
}

/* "p ? p - HEADER : p" is of p = NULL where it is p itself. */
static bool
is_null_case(LLVMValueRef phi, unsigned int i)
{
    LLVMValueRef v = place_strip(LLVMGetIncomingValue(phi, i));

    for (unsigned int j = 0; j < LLVMCountIncoming(phi); j++) {
        LLVMValueRef other = place_strip(LLVMGetIncomingValue(phi, j));

        if (LLVMIsAGetElementPtrInst(other)
            && place_strip(LLVMGetOperand(other, 0)) == v) {
            return true;
        }
    }
    return false;
}

/* A function frees what a parameter leads to, 'header' bytes before it.
 * Returns whether that is new. */
static bool
add_free(struct evidence *e, LLVMValueRef f, unsigned int parameter,
         int header)
{
    char *key = g_strdup_printf("%s %u", name_of(f), parameter);
    gpointer known;

    if (g_hash_table_lookup_extended(e->frees, key, NULL, &known)) {
        if (GPOINTER_TO_INT(known) == header
            || GPOINTER_TO_INT(known) == HEADER_UNKNOWN) {
            g_free(key);
            return false;
        }
        header = HEADER_UNKNOWN;
    }
    g_hash_table_replace(e->frees, key, GINT_TO_POINTER(header));
    return true;
}

static void
say_free(struct evidence *e, const struct place *from, int header)
{
    char *bytes = (header == HEADER_UNKNOWN ? g_strdup("?")
                   : g_strdup_printf("%d", header));

    say_members(e, "free", from, NULL);
    say_members(e, "header", from, bytes);
    if (from->global) {
        say(e, "node-header %s %s", place_name(from), bytes);
    }
    g_free(bytes);
}

/* Follows what is freed, 'header' bytes before 'value', back to members and
 * parameters.  Returns whether a parameter is new. */
static bool
see_free(struct evidence *e, LLVMValueRef value, int header)
{
    GPtrArray *work = g_ptr_array_new();
    GArray *headers = g_array_new(FALSE, FALSE, sizeof(int));
    bool changed = false;

    g_ptr_array_add(work, value);
    g_array_append_val(headers, header);
    for (guint i = 0; i < work->len && i < 32; i++) {
        LLVMValueRef v = place_strip(work->pdata[i]);

        header = g_array_index(headers, int, i);
        if (LLVMIsAArgument(v)) {
            changed |= add_free(e, LLVMGetParamParent(v), parameter_of(v),
                                header);
        } else if (LLVMIsALoadInst(v)) {
            struct place from = place(e, LLVMGetOperand(v, 0));

            say_free(e, &from, header);
        } else if (LLVMIsAGetElementPtrInst(v)) {
            header = step_back(e, v, header);
            g_ptr_array_add(work, LLVMGetOperand(v, 0));
            g_array_append_val(headers, header);
        } else if (LLVMIsAPHINode(v)) {
            for (unsigned int j = 0; j < LLVMCountIncoming(v); j++) {
                if (!is_null_case(v, j)) {
                    g_ptr_array_add(work, LLVMGetIncomingValue(v, j));
                    g_array_append_val(headers, header);
                }
            }
        }
    }
    g_array_free(headers, TRUE);
    g_ptr_array_free(work, TRUE);
    return changed;
}

/* What is freed through M is freed through N as well if it follows in M. */
static void
see_freed_lists(struct evidence *e)
{
    for (guint i = 0; i < e->nexts->len; i += 2) {
        const char *head = e->nexts->pdata[i], *next = e->nexts->pdata[i + 1];
        GPtrArray *headers = evidence_after(e, "header %s", head);

        if (evidence_has(e, "free %s", head)) {
            say(e, "free %s", next);
        }
        for (guint j = 0; j < headers->len; j++) {
            say(e, "header %s %s", next, (char *) headers->pdata[j]);
        }
        g_ptr_array_unref(headers);
    }
}

/* Descriptors. */

static bool
takes_descriptor(LLVMValueRef f)
{
    static const char *const names[] = {
        "close", "read", "write", "readv", "writev", "recv", "send", "recvmsg",
        "sendmsg", "recvfrom", "sendto", "shutdown", "fcntl", "fcntl64",
        "ioctl", "getsockopt", "setsockopt", "connect", "dup", "fdopen", NULL
    };

    return LLVMIsDeclaration(f) && g_strv_contains(names, name_of(f));
}

/* A value is given to a call as a descriptor.  Returns whether it is a
 * parameter, and new. */
static bool
see_descriptor(struct evidence *e, LLVMValueRef value)
{
    LLVMValueRef v = place_strip(value);
    GPtrArray *loads = loads_of(v);

    for (guint i = 0; i < loads->len; i++) {
        struct place from = load_place(e, loads, i);

        say_members(e, "descriptor", &from, NULL);
    }
    g_ptr_array_free(loads, TRUE);
    return (LLVMIsAArgument(v)
            && g_hash_table_add(e->descriptors, g_strdup_printf(
                                    "%s %u", name_of(LLVMGetParamParent(v)),
                                    parameter_of(v))));
}

/* Whether a function sets its first argument to memory that it allocates,
 * unseen by the runtime. */
static bool
allocates_unseen(LLVMValueRef f)
{
    static const char *const names[] = {
        "getline", "__getdelim", "getdelim", "asprintf", "vasprintf",
        "__asprintf_chk", "__vasprintf_chk", "posix_memalign", NULL
    };

    return LLVMIsDeclaration(f) && g_strv_contains(names, name_of(f));
}

/* Looks at what calls are given.  Returns whether a parameter is new. */
static bool
see_arguments(struct evidence *e, GPtrArray *calls)
{
    bool changed = false;

    for (guint i = 0; i < calls->len; i++) {
        LLVMValueRef call = calls->pdata[i], f = callee(call);
        unsigned int n = f ? LLVMGetNumArgOperands(call) : 0;

        for (unsigned int j = 0; j < n; j++) {
            char *key = g_strdup_printf("%s %u", name_of(f), j);
            LLVMValueRef argument = LLVMGetOperand(call, j);
            gpointer header;

            if (!j && allocates_unseen(f)) {
                struct place to = place(e, argument);

                say_members(e, "unseen", &to, NULL);
            }
            if (g_hash_table_lookup_extended(e->frees, key, NULL, &header)) {
                changed |= see_free(e, argument, GPOINTER_TO_INT(header));
            }
            if ((!j && takes_descriptor(f))
                || g_hash_table_contains(e->descriptors, key)) {
                changed |= see_descriptor(e, argument);
            }
            g_free(key);
        }
    }
    return changed;
}

/* All. */

static void
see_instruction(struct evidence *e, LLVMValueRef insn, GPtrArray *calls)
{
    evidence_see_head(e, insn);
    evidence_see_buffer(e, insn);
    switch ((int) LLVMGetInstructionOpcode(insn)) {
    case LLVMStore:
        see_store(e, insn);
        break;
    case LLVMGetElementPtr:
        see_index(e, insn);
        break;
    case LLVMICmp:
        see_comparison(e, insn);
        break;
    case LLVMCall:
        g_ptr_array_add(calls, insn);
        if (callee(insn)) {
            add_to(e->callers, callee(insn), insn);
        }
        break;
    }
}

static void
free_array(gpointer array)
{
    g_ptr_array_free(array, TRUE);
}

struct evidence *
evidence_collect(LLVMModuleRef module)
{
    struct evidence *e = g_new0(struct evidence, 1);
    GPtrArray *calls = g_ptr_array_new();

    e->module = module;
    e->td = LLVMCreateTargetData(LLVMGetDataLayoutStr(module));
    e->said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    e->stores = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                      free_array);
    e->nexts = g_ptr_array_new_with_free_func(g_free);
    e->frees = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    e->descriptors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           NULL);
    e->callers = g_hash_table_new_full(NULL, NULL, NULL, free_array);
    e->indexes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                       free_array);
    g_hash_table_insert(e->frees, g_strdup("free 0"), GINT_TO_POINTER(0));
    g_hash_table_insert(e->frees, g_strdup("realloc 0"), GINT_TO_POINTER(0));
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
             b = LLVMGetNextBasicBlock(b)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
                 i = LLVMGetNextInstruction(i)) {
                see_instruction(e, i, calls);
            }
        }
    }
    see_buckets(e);
    while (see_arguments(e, calls)) {
        continue;
    }
    see_freed_lists(e);
    g_ptr_array_free(calls, TRUE);
    evidence_collect_trees(e);
    e->threads = handlers_of_threads(module, e->td);
    return e;
}

void
evidence_destroy(struct evidence *e)
{
    if (e) {
        LLVMDisposeTargetData(e->td);
        g_hash_table_destroy(e->said);
        g_hash_table_destroy(e->stores);
        g_hash_table_destroy(e->frees);
        g_ptr_array_unref(e->nexts);
        g_hash_table_destroy(e->descriptors);
        g_hash_table_destroy(e->callers);
        g_hash_table_destroy(e->indexes);
        g_array_free(e->trees, TRUE);
        g_hash_table_destroy(e->threads);
        g_free(e);
    }
}
