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

#include "links.h"

#include <string.h>

#include "members.h"
#include "modref.h"
#include "pta.h"
#include "walks.h"

/* A pointer member. */
struct member {
    uint32_t variable;
    bool self;                  /* Leads to the structure itself. */
    bool followed;              /* A loop or recursion goes on by it. */
    bool chosen_from;           /* ... or by another one, as a test says. */
    uint32_t reverse_of;        /* Variable that it is the way back of. */
    GPtrArray *loads;           /* LLVMValueRef, ... */
    GHashTable *on_from;        /* ... the bases of those that a walk goes on
                                 * by. */
};

const char *
sa_member_path(const struct sa_state *state, const struct sa_state_variable *v)
{
    if (v->storage != SA_STORAGE_HEAP || v->structure == SA_NONE) {
        return v->name;
    }
    const struct sa_structure *s = sa_state_structure(state, v->structure);
    size_t n = strlen(s->name);
    return g_str_has_prefix(v->name, s->name) && v->name[n] == '.'
           ? v->name + n + 1 : v->name;
}

bool
sa_points_to_structure(const struct sa_state_variable *v, uint32_t structure)
{
    for (guint i = 0; i < v->leads_to->len; i++) {
        if (g_array_index(v->leads_to, uint32_t, i) == structure) {
            return true;
        }
    }
    return false;
}

static bool
has_word(const char *path, const char *const words[])
{
    const char *dot = strrchr(path, '.');
    const char *name = dot ? dot + 1 : path;
    for (size_t i = 0; words[i]; i++) {
        const char *found = strstr(name, words[i]);
        if (found) {
            return true;
        }
    }
    return false;
}

static const char *const next_words[] = {
    "next", "nxt", "flink", "forw", "fwd", "succ", "newer", NULL
};
static const char *const prev_words[] = {
    "prev", "prv", "blink", "back", "pred", "older", NULL
};
static const char *const child_words[] = {
    "left", "right", "child", "kid", "lower", "higher", NULL
};
static const char *const parent_words[] = { "parent", "father", NULL };

/* The member that a load or store accesses, or NULL. */
static struct member *
member_accessed(const struct sa_state *state, GArray *members,
                struct sa_nodes nodes)
{
    for (uint32_t i = 0; i < nodes.n; i++) {
        uint32_t v = state->node_variable[nodes.ids[i]];
        for (guint j = 0; v != SA_NONE && j < members->len; j++) {
            struct member *m = &g_array_index(members, struct member, j);
            if (m->variable == v) {
                return m;
            }
        }
    }
    return NULL;
}

static void
collect_loads(const struct sa_analysis *a, const struct sa_state *state,
              GArray *members)
{
    for (guint j = 0; j < members->len; j++) {
        struct member *m = &g_array_index(members, struct member, j);
        const struct sa_state_variable *v = sa_state_variable(state,
                                                              m->variable);
        for (guint i = 0; i < v->uses->len; i++) {
            const struct sa_insn *insn = &a->program->insns[
                g_array_index(v->uses, uint32_t, i)];
            if (insn->opcode == LLVMLoad) {
                g_ptr_array_add(m->loads, insn->value);
            }
        }
    }
}

/* Whether what 'load' gives takes the place of the pointer that it was found
 * by: a phi of both, or a call of the same function for it. */
static bool
goes_on(LLVMValueRef load)
{
    LLVMValueRef base = sa_walk_base(LLVMGetOperand(load, 0));
    if (LLVMIsAPHINode(base)) {
        return sa_walk_leads_to(load, base);
    } else if (LLVMIsAArgument(base)) {
        LLVMValueRef function = LLVMGetParamParent(base);
        for (LLVMUseRef use = LLVMGetFirstUse(load); use;
             use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);
            if (LLVMIsACallInst(user)
                && LLVMGetCalledValue(user) == function) {
                return true;
            }
        }
    } else if (LLVMIsALoadInst(base)) {
        /* for (pp = &head; *pp; pp = &(*pp)->next) */
        LLVMValueRef outer = sa_walk_base(LLVMGetOperand(base, 0));
        LLVMValueRef gep = LLVMGetOperand(load, 0);
        return (LLVMIsAPHINode(outer) && (sa_walk_leads_to(load, outer)
                                          || sa_walk_leads_to(gep, outer)));
    }
    return false;
}

/* A pointer to a pointer that walks by the address of the member. */
static bool
address_goes_on(const struct sa_analysis *a, const struct sa_state *state,
                const struct member *m)
{
    const struct sa_state_variable *v = sa_state_variable(state, m->variable);
    for (guint i = 0; i < v->uses->len; i++) {
        const struct sa_insn *insn = &a->program->insns[
            g_array_index(v->uses, uint32_t, i)];
        if (insn->opcode != LLVMLoad) {
            continue;
        }
        LLVMValueRef pointer = LLVMGetOperand(insn->value, 0);
        if (LLVMIsAPHINode(pointer)
            && sa_walk_leads_to(insn->value, pointer)) {
            return true;
        }
    }
    return false;
}

/* Members that the same loop or recursion follows one or the other of. */
static void
find_choices(GArray *members)
{
    for (guint i = 0; i < members->len; i++) {
        struct member *m = &g_array_index(members, struct member, i);
        for (guint j = 0; j < members->len; j++) {
            struct member *other = &g_array_index(members, struct member, j);
            GHashTableIter iter;
            gpointer base;
            g_hash_table_iter_init(&iter, m->on_from);
            while (i != j && g_hash_table_iter_next(&iter, &base, NULL)) {
                m->chosen_from |= g_hash_table_contains(other->on_from, base);
            }
        }
    }
}

/* "e->next->prev = x": a store of one member through a load of another. */
static void
find_reverses(const struct sa_analysis *a, const struct sa_state *state,
              GArray *members)
{
    for (guint i = 0; i < members->len; i++) {
        struct member *m = &g_array_index(members, struct member, i);
        const struct sa_state_variable *v = sa_state_variable(state,
                                                              m->variable);
        for (guint k = 0; k < v->writes->len; k++) {
            const struct sa_insn *insn = &a->program->insns[
                g_array_index(v->writes, uint32_t, k)];
            if (insn->opcode != LLVMStore) {
                continue;
            }
            LLVMValueRef base = sa_walk_base(LLVMGetOperand(insn->value, 1));
            if (!LLVMIsALoadInst(base)) {
                continue;
            }
            uint32_t load = sa_insn_id(a->program, base);
            const struct member *by
                = (load == SA_NONE ? NULL
                   : member_accessed(state, members,
                                     sa_modref_reads(a->modref, load)));
            if (by && by != m && m->reverse_of == SA_NONE) {
                m->reverse_of = by->variable;
            }
        }
    }
}

static enum sa_link_kind
kind_of(const struct sa_state *state, const struct member *m, GArray *members)
{
    const struct sa_state_variable *v = sa_state_variable(state, m->variable);
    const char *path = sa_member_path(state, v);
    bool next = has_word(path, next_words), prev = has_word(path, prev_words);
    if (!m->self) {
        return SA_LINK_OTHER;
    } else if (has_word(path, parent_words) && !m->chosen_from) {
        return SA_LINK_PARENT;
    } else if (has_word(path, child_words)) {
        return SA_LINK_CHILD;
    } else if (m->chosen_from && !next && !prev) {
        return SA_LINK_CHILD;
    } else if (next != prev) {
        return next ? SA_LINK_NEXT : SA_LINK_PREV;
    } else if (m->reverse_of != SA_NONE) {
        /* Of two that are each other's reverse, the one that is followed, or
         * the first, leads on. */
        for (guint i = 0; i < members->len; i++) {
            const struct member *o = &g_array_index(members, struct member, i);
            if (o->variable == m->reverse_of
                && o->reverse_of == m->variable) {
                bool leads = m->followed != o->followed ? m->followed
                             : m->variable < o->variable;
                return leads ? SA_LINK_NEXT : SA_LINK_PREV;
            }
        }
        return m->followed ? SA_LINK_NEXT : SA_LINK_PREV;
    }
    return m->followed ? SA_LINK_NEXT : SA_LINK_OTHER;
}

static bool
is_pointer(const struct sa_state_variable *v)
{
    return v->type && v->type->canonical->kind == SA_TYPE_POINTER;
}

GArray *
sa_links_find(const struct sa_analysis *a, const struct sa_state *state,
              uint32_t structure)
{
    const struct sa_structure *s = sa_state_structure(state, structure);
    GArray *members = g_array_new(FALSE, TRUE, sizeof(struct member));
    for (guint i = 0; s->heap && s->type && i < s->variables->len; i++) {
        uint32_t id = g_array_index(s->variables, uint32_t, i);
        const struct sa_state_variable *v = sa_state_variable(state, id);
        if (!is_pointer(v)) {
            continue;
        }
        const struct sa_type *target = sa_element_struct(
            v->type->canonical->target);
        bool self = (target == s->type
                     || sa_points_to_structure(v, structure));
        bool other = false;
        for (guint j = 0; !self && j < state->structures->len; j++) {
            other |= (sa_state_structure(state, j)->type == target && target)
                     || sa_points_to_structure(v, j);
        }
        if (self || other) {
            struct member m = {
                .variable = id, .self = self, .reverse_of = SA_NONE,
                .loads = g_ptr_array_new(),
                .on_from = g_hash_table_new(NULL, NULL)
            };
            g_array_append_val(members, m);
        }
    }

    collect_loads(a, state, members);
    for (guint i = 0; i < members->len; i++) {
        struct member *m = &g_array_index(members, struct member, i);
        for (guint k = 0; m->self && k < m->loads->len; k++) {
            LLVMValueRef load = m->loads->pdata[k];
            if (goes_on(load)) {
                m->followed = true;
                g_hash_table_add(m->on_from,
                                 sa_walk_base(LLVMGetOperand(load, 0)));
            }
        }
        m->followed |= m->self && address_goes_on(a, state, m);
    }
    find_choices(members);
    find_reverses(a, state, members);

    GArray *links = g_array_new(FALSE, TRUE, sizeof(struct sa_link));
    for (guint i = 0; i < members->len; i++) {
        const struct member *m = &g_array_index(members, struct member, i);
        const struct sa_state_variable *v = sa_state_variable(state,
                                                              m->variable);
        struct sa_link link = {
            .path = sa_member_path(state, v),
            .offset = v->offset,
            .kind = kind_of(state, m, members),
            .target = v->type->canonical->target,
        };
        g_array_append_val(links, link);
        g_ptr_array_free(m->loads, TRUE);
        g_hash_table_destroy(m->on_from);
    }
    g_array_unref(members);
    return links;
}
