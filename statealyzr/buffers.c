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

#include "buffers.h"

#include <string.h>

#include "call.h"
#include "links.h"
#include "members.h"
#include "pta.h"
#include "tables.h"

/* The heap objects that the memory of a variable points to and that are its
 * own. */
static GArray *
owned_objects(const struct sa_analysis *a, const struct sa_state *state,
              uint32_t variable)
{
    const struct sa_state_variable *v = sa_state_variable(state, variable);
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(a->pta, &n);
    GArray *owned = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (guint i = 0; i < v->nodes->len; i++) {
        struct sa_nodes to = sa_pta_content(
            a->pta, g_array_index(v->nodes, uint32_t, i));
        for (uint32_t j = 0; j < to.n; j++) {
            uint32_t o = nodes[to.ids[j]].object;
            if (state->object_owner[o] == variable
                && (!owned->len
                    || g_array_index(owned, uint32_t, owned->len - 1) != o)) {
                g_array_append_val(owned, o);
            }
        }
    }
    return owned;
}

static const char *
allocator(const struct sa_analysis *a, const struct sa_object *o)
{
    if (o->insn == SA_NONE) {
        return "";
    }
    LLVMValueRef call = a->program->insns[o->insn].value;
    LLVMValueRef f = LLVMIsACallInst(call) ? LLVMGetCalledValue(call) : NULL;
    size_t n;
    return f && LLVMIsAFunction(f) ? LLVMGetValueName2(f, &n) : "";
}

/* Bytes that an allocation asks for, as the value of the call, and whether
 * they are constant.  A clone for the caller of a wrapper asks there. */
static LLVMValueRef
allocated_size(const struct sa_analysis *a, const struct sa_object *o,
               uint64_t *constant)
{
    *constant = 0;
    const struct sa_library_call *lib = sa_tables_library(a->tables,
                                                          allocator(a, o));
    if (!lib) {
        return NULL;
    }
    LLVMValueRef call = a->program->insns[o->insn].value;
    for (size_t i = 0; i < lib->n_effects; i++) {
        const struct sa_effect *e = &lib->effects[i];
        if ((e->kind != SA_EFFECT_ALLOC && e->kind != SA_EFFECT_REALLOC)
            || e->size < 0 || e->size >= (int) LLVMGetNumArgOperands(call)) {
            continue;
        }
        LLVMValueRef size = LLVMGetOperand(call, e->size);
        if (LLVMIsAArgument(size) && o->caller != SA_NONE) {
            LLVMValueRef outer = a->program->insns[o->caller].value;
            for (unsigned int j = 0; j < LLVMGetNumArgOperands(outer)
                 && j < LLVMCountParams(LLVMGetParamParent(size)); j++) {
                if (LLVMGetParam(LLVMGetParamParent(size), j) == size) {
                    size = LLVMGetOperand(outer, j);
                    break;
                }
            }
        }
        uint64_t count = 1;
        bool known = e->count < 0 || sa_call_constant(call, e->count, &count);
        if (LLVMIsAConstantInt(size) && known) {
            *constant = LLVMConstIntGetZExtValue(size) * count;
        }
        return known ? size : LLVMGetOperand(call, e->count);
    }
    return NULL;
}

/* What a size is computed from: without conversions, and constants that are
 * added or multiplied. */
static LLVMValueRef
size_root(LLVMValueRef size)
{
    for (int i = 0; i < 16 && size && LLVMIsAInstruction(size); i++) {
        if (LLVMIsACastInst(size)) {
            size = LLVMGetOperand(size, 0);
        } else if (LLVMIsABinaryOperator(size)) {
            bool second = LLVMIsAConstantInt(LLVMGetOperand(size, 1)) != NULL;
            bool first = LLVMIsAConstantInt(LLVMGetOperand(size, 0)) != NULL;
            if (first == second) {
                break;
            }
            size = LLVMGetOperand(size, second ? 0 : 1);
        } else {
            break;
        }
    }
    return size;
}

/* The numbers among the members of the structure, by values that were loaded
 * from them or that what is stored in them is computed from.  Where there are
 * several, the first. */
static GHashTable *
members_by_value(const struct sa_analysis *a, const struct sa_state *state,
                 const struct sa_structure *s)
{
    GHashTable *members = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < s->variables->len; i++) {
        const struct sa_state_variable *v = sa_state_variable(
            state, g_array_index(s->variables, uint32_t, i));
        if (!v->type || v->type->canonical->kind != SA_TYPE_INT) {
            continue;
        }
        for (guint j = 0; j < v->uses->len; j++) {
            LLVMValueRef insn = a->program->insns[
                g_array_index(v->uses, uint32_t, j)].value;
            LLVMValueRef values[] = {
                insn, (LLVMIsAStoreInst(insn)
                       ? size_root(LLVMGetOperand(insn, 0)) : insn),
            };
            for (size_t k = 0; k < G_N_ELEMENTS(values); k++) {
                if (!g_hash_table_contains(members, values[k])) {
                    g_hash_table_insert(members, values[k], (gpointer) v);
                }
            }
        }
    }
    return members;
}

/* By its name: "data_len", "n_data", "datalen", "len" for "data". */
static const struct sa_state_variable *
member_by_name(const struct sa_state *state, const struct sa_structure *s,
               const char *path)
{
    static const char *const forms[] = {
        "%s_len", "%s_length", "%s_size", "%slen", "%ssize", "n_%s", "%s_n",
        "len_%s",
    };
    for (size_t k = 0; k <= G_N_ELEMENTS(forms) + 1; k++) {
        g_autofree char *wanted = NULL;
        if (k < G_N_ELEMENTS(forms)) {
            GString *w = g_string_new(forms[k]);
            g_string_replace(w, "%s", path, 1);
            wanted = g_string_free(w, FALSE);
        } else {
            wanted = g_strdup(k == G_N_ELEMENTS(forms) ? "len" : "length");
        }
        for (guint i = 0; i < s->variables->len; i++) {
            const struct sa_state_variable *v = sa_state_variable(
                state, g_array_index(s->variables, uint32_t, i));
            if (v->type && v->type->canonical->kind == SA_TYPE_INT
                && !strcmp(sa_member_path(state, v), wanted)) {
                return v;
            }
        }
    }
    return NULL;
}

static bool
makes_string(const char *name)
{
    return (strstr(name, "strdup") || strstr(name, "strndup")
            || strstr(name, "asprintf"));
}

GArray *
sa_buffers_find(const struct sa_analysis *a, const struct sa_state *state,
                uint32_t structure)
{
    const struct sa_structure *s = sa_state_structure(state, structure);
    GArray *buffers = g_array_new(FALSE, TRUE, sizeof(struct sa_buffer));
    uint32_t n;
    const struct sa_object *objects = sa_pta_objects(a->pta, &n);
    if (!s->heap || !s->type) {
        return buffers;
    }

    GHashTable *members = members_by_value(a, state, s);
    for (guint i = 0; i < s->variables->len; i++) {
        uint32_t id = g_array_index(s->variables, uint32_t, i);
        const struct sa_state_variable *v = sa_state_variable(state, id);
        if (!v->type || v->type->canonical->kind != SA_TYPE_POINTER) {
            continue;
        }
        GArray *owned = owned_objects(a, state, id);
        const struct sa_state_variable *length = NULL;
        bool string = owned->len > 0, same_size = owned->len > 0;
        uint64_t size = 0;
        for (guint j = 0; j < owned->len; j++) {
            const struct sa_object *o
                = &objects[g_array_index(owned, uint32_t, j)];
            uint64_t constant;
            LLVMValueRef root = size_root(allocated_size(a, o, &constant));
            string &= makes_string(allocator(a, o));
            same_size &= constant && (!size || size == constant);
            size = constant;
            if (root && !LLVMIsAConstantInt(root) && !length) {
                length = g_hash_table_lookup(members, root);
            }
        }
        if (owned->len) {
            const struct sa_type *element = v->type->canonical->target;
            const char *path = sa_member_path(state, v);
            if (!length && !string && !same_size) {
                length = member_by_name(state, s, path);
            }
            struct sa_buffer b = {
                .path = path,
                .offset = v->offset,
                .element = element && element->canonical->size > 1
                           ? element : NULL,
                .length_path = length ? sa_member_path(state, length) : "",
                .is_string = string,
                .fixed_size = same_size ? size : 0,
            };
            g_array_append_val(buffers, b);
        }
        g_array_unref(owned);
    }
    g_hash_table_destroy(members);
    return buffers;
}
