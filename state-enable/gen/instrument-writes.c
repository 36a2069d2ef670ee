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

/* What an instruction may write of what moves. */

#include "instrument-private.h"

#include <string.h>
#include "place.h"
#include "tables.h"

#define SOURCES_MAX 256

#define CONTAINERS (ST_WRITE_FLOWS | ST_WRITE_HOSTS)

static uint64_t
container_bit(const struct plan_structure *s)
{
    return s->per_flow ? ST_WRITE_FLOWS : ST_WRITE_HOSTS;
}

/* Notes that a container of 's' begins in the variable of a place, or, if it
 * is a struct, in one like it. */
static void
add_head(struct writes *w, LLVMModuleRef module, const char *place,
         const struct plan_structure *s)
{
    char **parts = g_strsplit(place, "+", 2);
    LLVMValueRef v = LLVMGetNamedGlobal(module, parts[0]);

    g_strfreev(parts);
    if (!v) {
        return;
    }
    uint64_t bits = (GPOINTER_TO_SIZE(g_hash_table_lookup(w->heads, v))
                     | container_bit(s));
    LLVMTypeRef type = LLVMGlobalGetValueType(v);

    g_hash_table_insert(w->heads, v, GSIZE_TO_POINTER(bits));
    while (LLVMGetTypeKind(type) == LLVMArrayTypeKind) {
        type = LLVMGetElementType(type);
    }
    if (LLVMGetTypeKind(type) == LLVMStructTypeKind
        && LLVMGetStructName(type)) {
        char *name = evidence_struct_name(LLVMGetStructName(type));

        g_hash_table_add(w->linking, (gpointer) g_intern_string(name));
        g_free(name);
    }
}

/* Notes the structs in a type. */
static void
add_parts(struct writes *w, int type)
{
    struct json_object *t = plan_json_type(w->plan, type);
    struct json_object *members = t ? json_list(t, "members") : NULL;
    size_t n = members ? json_object_array_length(members) : 0;
    const char *tag = t && json_text(t, "name") ? strchr(json_text(t, "name"),
                                                         ' ') : NULL;

    if (tag) {
        g_hash_table_add(w->linking, (gpointer) g_intern_string(tag + 1));
    }
    for (size_t i = 0; i < n; i++) {
        add_parts(w, json_number(json_object_array_get_idx(members, i),
                                 "type"));
    }
    if (t && !strcmp(json_text(t, "kind"), "array")) {
        add_parts(w, json_number(t, "target"));
    }
}

static void
add_structure(struct writes *w, LLVMModuleRef module,
              const struct plan_structure *s)
{
    const struct plan_type *t = w->plan->plan_types->pdata[s->type];

    add_parts(w, t->json);
    for (guint i = 0; i < s->lists->len; i++) {
        const struct plan_list *l = &g_array_index(s->lists, struct plan_list,
                                                   i);

        add_head(w, module, l->first, s);
        if (l->last) {
            add_head(w, module, l->last, s);
        }
    }
    for (guint i = 0; i < s->trees->len; i++) {
        add_head(w, module,
                 g_array_index(s->trees, struct plan_tree, i).variable, s);
    }
    if (s->slots.evidence) {
        LLVMValueRef v = LLVMGetNamedGlobal(module, s->slots.array.symbol);

        if (v) {
            g_hash_table_add(w->slots, v);
        }
        if (!w->slot_size || t->size < w->slot_size) {
            w->slot_size = t->size;
        }
    }
}

/* Addresses. */

LLVMValueRef
writes_origin(LLVMValueRef pointer)
{
    pointer = place_strip(pointer);
    while (LLVMIsAGetElementPtrInst(pointer)
           || (LLVMIsAConstantExpr(pointer)
               && LLVMGetConstOpcode(pointer) == LLVMGetElementPtr)) {
        pointer = place_strip(LLVMGetOperand(pointer, 0));
    }
    return pointer;
}

bool
writes_is_number(LLVMValueRef v)
{
    return (LLVMIsNull(v)
            || (LLVMIsAConstantExpr(v)
                && LLVMGetConstOpcode(v) == LLVMIntToPtr));
}

/* Whether a value is one of the C library's streams, which are its own. */
static bool
is_stream(LLVMValueRef v)
{
    LLVMValueRef from = LLVMIsALoadInst(v) ? LLVMGetOperand(v, 0) : NULL;
    size_t n;

    if (!from || !LLVMIsAGlobalVariable(from) || !LLVMIsDeclaration(from)) {
        return false;
    }
    const char *name = LLVMGetValueName2(from, &n);
    return (!strcmp(name, "stdin") || !strcmp(name, "stdout")
            || !strcmp(name, "stderr"));
}

/* Adds a value, unless it is there.  False if there are too many. */
static bool
add_source(GPtrArray *sources, LLVMValueRef v)
{
    if (!g_ptr_array_find(sources, v, NULL)) {
        g_ptr_array_add(sources, v);
    }
    return sources->len <= SOURCES_MAX;
}

/* Whether all calls of a function of the program are in the program.  That of
 * which nothing is known may call by name what is not static. */
static bool
is_private(const struct writes *w, LLVMValueRef f)
{
    size_t n;
    const char *name = LLVMGetValueName2(f, &n);

    return (!LLVMIsDeclaration(f)
            && (LLVMGetLinkage(f) == LLVMInternalLinkage
                || (!w->foreign && strcmp(name, "main")
                    && !sa_tables_library(w->tables, name))));
}

/* Adds what an argument may be: what it is in each call of its function.
 * False if there may be others. */
static bool
add_given(const struct writes *w, GPtrArray *sources, LLVMValueRef argument)
{
    LLVMValueRef f = LLVMGetParamParent(argument);
    unsigned int i = 0;

    if (!is_private(w, f)) {
        return false;
    }
    while (LLVMGetParam(f, i) != argument) {
        i++;
    }
    if (LLVMGetEnumAttributeAtIndex(f, i + 1, w->byval_kind)) {
        return true;            /* A copy of its own. */
    }
    for (LLVMUseRef use = LLVMGetFirstUse(f); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef call = LLVMGetUser(use);

        if (!place_is_call(call) || LLVMGetCalledValue(call) != f
            || LLVMGetCalledFunctionType(call) != LLVMGlobalGetValueType(f)) {
            return false;
        }
        for (unsigned int j = 0; j < LLVMGetNumArgOperands(call); j++) {
            if (place_strip(LLVMGetOperand(call, j)) == f) {
                return false;
            }
        }
        if (!add_source(sources, writes_origin(LLVMGetOperand(call, i)))) {
            return false;
        }
    }
    return true;
}

/* Adds what a phi or select may be.  False if there are too many. */
static bool
add_incoming(GPtrArray *sources, LLVMValueRef v,
             LLVMValueRef (*origin)(const struct writes *, LLVMValueRef),
             const struct writes *w)
{
    bool phi = LLVMIsAPHINode(v);
    guint n_in = phi ? LLVMCountIncoming(v) : 2;

    for (guint i = 0; i < n_in; i++) {
        LLVMValueRef in = (phi ? LLVMGetIncomingValue(v, i)
                           : LLVMGetOperand(v, 1 + i));

        if (!add_source(sources, origin(w, in))) {
            return false;
        }
    }
    return true;
}

static LLVMValueRef
origin_of(const struct writes *w, LLVMValueRef pointer)
{
    (void) w;
    return writes_origin(pointer);
}

bool
writes_is_elsewhere(const struct writes *w, LLVMValueRef pointer)
{
    GPtrArray *work = g_ptr_array_new();
    bool elsewhere = true;

    g_ptr_array_add(work, writes_origin(pointer));
    for (guint i = 0; elsewhere && i < work->len; i++) {
        LLVMValueRef v = work->pdata[i];

        elsewhere = (LLVMIsAGlobalVariable(v)
                     ? !g_hash_table_contains(w->slots, v)
                       && !g_hash_table_contains(w->heads, v)
                     : LLVMIsAArgument(v) ? add_given(w, work, v)
                     : LLVMIsAPHINode(v) || LLVMIsASelectInst(v)
                     ? add_incoming(work, v, origin_of, w)
                     : LLVMIsAAllocaInst(v) || writes_is_number(v)
                       || LLVMIsUndef(v) || LLVMIsAFunction(v)
                       || is_stream(v));
    }
    g_ptr_array_free(work, TRUE);
    return elsewhere;
}

void
writes_init(struct writes *w, LLVMModuleRef module, const struct plan *plan,
            struct sa_tables *tables)
{
    memset(w, 0, sizeof *w);
    w->td = LLVMCreateTargetData(LLVMGetDataLayoutStr(module));
    w->plan = plan;
    w->tables = tables;
    w->memory_kind = LLVMGetEnumAttributeKindForName("memory", 6);
    w->byval_kind = LLVMGetEnumAttributeKindForName("byval", 5);
    w->heads = g_hash_table_new(NULL, NULL);
    w->linking = g_hash_table_new(g_str_hash, g_str_equal);
    w->slots = g_hash_table_new(NULL, NULL);
    w->unknown = g_hash_table_new(g_str_hash, g_str_equal);
    w->members = g_ptr_array_new_with_free_func(g_free);
    w->member_indexes = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < plan->structures->len; i++) {
        add_structure(w, module, plan->structures->pdata[i]);
    }
    calls_init(w, module);
}

void
writes_uninit(struct writes *w)
{
    LLVMDisposeTargetData(w->td);
    g_hash_table_destroy(w->heads);
    g_hash_table_destroy(w->linking);
    g_hash_table_destroy(w->slots);
    g_hash_table_destroy(w->unknown);
    g_hash_table_destroy(w->member_indexes);
    g_ptr_array_free(w->members, TRUE);
}

/* Members. */

/* Whether a step of an address stays in the object.  If objects are elements
 * of an array, only one with constants, into a struct that is no larger. */
static bool
stays_inside(const struct writes *w, LLVMValueRef gep)
{
    LLVMTypeRef type = LLVMGetGEPSourceElementType(gep);

    if (!LLVMIsInBounds(gep)) {
        return false;
    }
    for (unsigned int i = 1; w->slot_size && i < LLVMGetNumOperands(gep);
         i++) {
        LLVMValueRef index = LLVMGetOperand(gep, i);

        if (!LLVMIsAConstantInt(index)
            || (i == 1 && LLVMConstIntGetZExtValue(index))) {
            return false;
        }
    }
    return (!w->slot_size
            || LLVMABISizeOfType(w->td, type) <= w->slot_size);
}

/* What a pointer is made from by steps that stay in the object. */
static LLVMValueRef
base_of_steps(const struct writes *w, LLVMValueRef v)
{
    while (LLVMIsAGetElementPtrInst(v) && stays_inside(w, v)) {
        v = LLVMGetOperand(v, 0);
    }
    return v;
}

/* If all that a pointer may be is made by such steps from one value, that, as
 * of a pointer that goes through a buffer; otherwise the pointer.  Where the
 * pointer is used the value was defined, and not again since. */
static LLVMValueRef
base_of_walk(const struct writes *w, LLVMValueRef pointer)
{
    GPtrArray *work = g_ptr_array_new();
    LLVMValueRef base = NULL;
    bool one = true;

    g_ptr_array_add(work, pointer);
    for (guint i = 0; one && i < work->len; i++) {
        LLVMValueRef v = work->pdata[i];

        if (LLVMIsAPHINode(v) || LLVMIsASelectInst(v)) {
            one = add_incoming(work, v, base_of_steps, w);
        } else {
            one = !base && !LLVMIsAConstant(v);
            base = v;
        }
    }
    g_ptr_array_free(work, TRUE);
    return one && base ? base : pointer;
}

LLVMValueRef
writes_base(const struct writes *w, LLVMValueRef pointer)
{
    LLVMValueRef v = base_of_steps(w, pointer);

    return LLVMIsAConstant(v) ? pointer : base_of_walk(w, v);
}

/* The member of a struct that begins at or before 'offset'. */
static const char *
member_at(const struct plan *plan, const struct plan_type *t, uint64_t offset)
{
    struct json_object *type = plan_json_type(plan, t->json);
    struct json_object *members = type ? json_list(type, "members") : NULL;
    size_t n = members ? json_object_array_length(members) : 0;
    const char *name = NULL;

    for (size_t i = 0; i < n; i++) {
        struct json_object *m = json_object_array_get_idx(members, i);

        if ((uint64_t) json_number(m, "bit_offset") / 8 <= offset) {
            name = json_text(m, "name");
        }
    }
    return name;
}

enum may { NO, PERHAPS, YES };

/* Whether a write of 'size' bytes is to a link.  If it is to an array that
 * begins at 'array', 'offset' is in its first element. */
static enum may
is_link(const struct plan_type *t, bool indexed, uint64_t array,
        uint64_t offset, uint64_t size)
{
    uint64_t first = indexed ? MIN(array, offset) : offset;
    uint64_t last = indexed ? MAX(array, offset) : offset;

    for (guint i = 0; i < t->pointers->len; i++) {
        const struct plan_pointer *p
            = &g_array_index(t->pointers, struct plan_pointer, i);
        uint64_t end = p->offset + (p->count - 1) * p->stride + 8;

        if (p->target != ST_LINK || first >= end
            || last + size <= p->offset) {
            continue;
        } else if (offset < p->offset || size > 8 || indexed) {
            return PERHAPS;
        } else if (p->count == 1 || (offset - p->offset) % p->stride < 8) {
            return YES;
        }
    }
    return NO;
}

/* The type of the plan that LLVM has under this name, or NULL. */
static const struct plan_type *
type_of(const struct writes *w, const char *llvm_name)
{
    const struct plan_type *found = NULL;
    char *name = evidence_struct_name(llvm_name);

    for (guint i = 0; i < w->plan->plan_types->len; i++) {
        const struct plan_type *t = w->plan->plan_types->pdata[i];
        const char *tag = strchr(t->name, ' ');

        if (!strcmp(tag ? tag + 1 : t->name, name)) {
            found = t;
        }
    }
    g_free(name);
    return found;
}

static bool
is_linking(const struct writes *w, const char *llvm_name)
{
    char *name = evidence_struct_name(llvm_name);
    bool found = g_hash_table_contains(w->linking, name);

    g_free(name);
    return found;
}

static int
member_index(struct writes *w, const struct plan_type *t, uint64_t offset)
{
    const char *member = member_at(w->plan, t, offset);
    char *name = g_strdup_printf("%s%s%s", t->name, member ? "." : "",
                                 member ? member : "");
    gpointer index = g_hash_table_lookup(w->member_indexes, name);

    if (index) {
        g_free(name);
        return GPOINTER_TO_INT(index) - 1;
    }
    g_ptr_array_add(w->members, name);
    g_hash_table_insert(w->member_indexes, name,
                        GINT_TO_POINTER(w->members->len));
    return w->members->len - 1;
}

/* Writes. */

void
writes_add(struct writes *w, GArray *writes, struct write write)
{
    if (write.pointer) {
        bool spans = (w->slot_size
                      && (!write.size || write.size > w->slot_size));

        write.base = (spans || write.indirect ? write.insn
                      : writes_base(w, write.pointer));
    }
    g_array_append_val(writes, write);
}

void
writes_add_bits(struct writes *w, GArray *writes, LLVMValueRef insn,
                uint64_t bits)
{
    if (bits) {
        writes_add(w, writes, (struct write) {
            .insn = insn, .member = -1, .bits = bits,
        });
    }
}

/* A write of the program itself of 'type'.  Links are known by their struct; a
 * pointer that is in no struct that is known may be one, or a head. */
static void
add_typed(struct writes *w, GArray *writes, LLVMValueRef insn,
          LLVMValueRef pointer, LLVMTypeRef type)
{
    LLVMTypeKind kind = LLVMGetTypeKind(type);
    struct write write = {
        .insn = insn, .pointer = pointer, .member = -1,
        .bits = ST_WRITE_BYTES, .size = LLVMStoreSizeOfType(w->td, type),
    };
    struct place p;
    bool may_link;

    if (writes_is_elsewhere(w, pointer)) {
        return;
    }
    place_of(w->td, pointer, &p);
    may_link = !p.n_levels;
    for (unsigned int i = 0; i < p.n_levels; i++) {
        const struct plan_type *t = type_of(w, p.levels[i].name);
        bool indexed = p.levels[i].indexed;
        uint64_t array = p.levels[i].array, offset = p.levels[i].offset;
        enum may link = (t ? is_link(t, indexed, array, offset, write.size)
                         : NO);

        if (link != NO) {
            uint32_t s = plan_structure_of(w->plan, t->json);

            writes_add_bits(w, writes, insn, s == ST_NONE ? CONTAINERS
                            : container_bit(w->plan->structures->pdata[s]));
        }
        if (t && link != YES) {
            write.member = member_index(w, t, indexed ? array : offset);
            write.bits = 0;
            writes_add(w, writes, write);
        }
        if (t) {
            return;
        }
        may_link |= is_linking(w, p.levels[i].name);
    }
    if (p.global) {
        writes_add_bits(w, writes, insn, GPOINTER_TO_SIZE(
            g_hash_table_lookup(w->heads, p.global)));
    } else if (may_link && (kind == LLVMPointerTypeKind
                               || kind == LLVMStructTypeKind
                               || kind == LLVMArrayTypeKind)) {
        writes_add_bits(w, writes, insn, CONTAINERS);
    }
    if (!p.global || g_hash_table_contains(w->slots, p.global)) {
        writes_add(w, writes, write);
    }
}

void
writes_add_bytes(struct writes *w, GArray *writes, LLVMValueRef insn,
                 LLVMValueRef pointer, LLVMValueRef length, LLVMValueRef count)
{
    if (LLVMGetTypeKind(LLVMTypeOf(pointer)) != LLVMPointerTypeKind
        || writes_is_elsewhere(w, pointer)) {
        return;
    }
    LLVMValueRef global = writes_origin(pointer);
    writes_add_bits(w, writes, insn, GPOINTER_TO_SIZE(
        g_hash_table_lookup(w->heads, global)));
    if (!LLVMIsAGlobalVariable(global)
        || g_hash_table_contains(w->slots, global)) {
        writes_add(w, writes, (struct write) {
            .insn = insn, .pointer = pointer, .length = length, .count = count,
            .member = -1, .bits = ST_WRITE_BYTES,
        });
    }
}

void
writes_of(struct writes *w, LLVMValueRef insn, GArray *writes)
{
    if (LLVMIsAStoreInst(insn)) {
        add_typed(w, writes, insn, LLVMGetOperand(insn, 1),
                  LLVMTypeOf(LLVMGetOperand(insn, 0)));
    } else if (LLVMIsAAtomicRMWInst(insn) || LLVMIsAAtomicCmpXchgInst(insn)) {
        add_typed(w, writes, insn, LLVMGetOperand(insn, 0),
                  LLVMTypeOf(LLVMGetOperand(insn, 1)));
    } else if (place_is_call(insn)) {
        calls_add(w, writes, insn);
    }
}
