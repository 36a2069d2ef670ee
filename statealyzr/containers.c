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

#include "containers.h"

#include <string.h>

#include "buffers.h"
#include "headers.h"
#include "links.h"
#include "members.h"
#include "modref.h"
#include "procedures.h"
#include "pta.h"
#include "walks.h"

#define MAX_ORIGINS 64          /* Values that an index is computed from. */

/* How an array is indexed. */
struct index {
    uint32_t fields;            /* Of the packet. */
    uint32_t written_fields;    /* Where what is at the index is written. */
    uint32_t insn;              /* The first that has fields, or SA_NONE. */
    bool computed;              /* Not constant. */
    bool advanced;              /* Goes from entry to entry. */
};

struct sa_containers {
    const struct sa_analysis *a;
    const struct sa_state *state;
    const struct sa_packet *packet;
    struct sa_container *containers;    /* By structure. */
    uint32_t n;
    struct index *variables;            /* By variable. */
    struct index *structures;           /* Arrays of entries. */
};

static void
note_index(struct index *index, uint32_t insn, uint32_t fields, bool advanced,
           bool written)
{
    index->computed = true;
    index->advanced |= advanced;
    if (fields && index->insn == SA_NONE) {
        index->insn = insn;
    }
    index->fields |= fields;
    index->written_fields |= written ? fields : 0;
}

/* Whether something may be written through a pointer or what is computed from
 * it: only loads and comparisons are known not to. */
static bool
is_written_through(LLVMValueRef pointer)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    bool written = false;
    g_ptr_array_add(work, pointer);
    for (guint i = 0; i < work->len && !written; i++) {
        for (LLVMUseRef use = LLVMGetFirstUse(work->pdata[i]); use;
             use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);
            if (LLVMIsAGetElementPtrInst(user) || LLVMIsACastInst(user)) {
                if (g_hash_table_add(seen, user)) {
                    g_ptr_array_add(work, user);
                }
            } else if (!LLVMIsALoadInst(user) && !LLVMIsAICmpInst(user)) {
                written = true;
            }
        }
    }
    g_ptr_array_free(work, TRUE);
    g_hash_table_destroy(seen);
    return written;
}

static bool
is_advanced(LLVMValueRef index)
{
    while (LLVMIsACastInst(index)) {
        index = LLVMGetOperand(index, 0);
    }
    GPtrArray *work = g_ptr_array_new();
    g_ptr_array_add(work, index);
    bool found = false;
    for (guint i = 0; i < work->len && i < 32 && !found; i++) {
        LLVMValueRef v = work->pdata[i];
        if (LLVMIsAPHINode(v)) {
            for (unsigned int j = 0; j < LLVMCountIncoming(v); j++) {
                found |= sa_walk_leads_to(v, LLVMGetIncomingValue(v, j));
            }
        } else if (LLVMIsABinaryOperator(v) || LLVMIsACastInst(v)) {
            for (int j = 0; j < LLVMGetNumOperands(v); j++) {
                g_ptr_array_add(work, LLVMGetOperand(v, j));
            }
        }
    }
    g_ptr_array_free(work, TRUE);
    return found;
}

/* Whether a load reads the table of a container, or an entry. */
static bool
loads_entry(const struct sa_containers *cs, LLVMValueRef load)
{
    uint32_t insn = sa_insn_id(cs->a->program, load), n;
    const struct sa_node *nodes = sa_pta_nodes(cs->a->pta, &n);
    struct sa_nodes reads = sa_modref_reads(cs->a->modref, insn);
    for (uint32_t i = 0; i < reads.n; i++) {
        uint32_t v = cs->state->node_variable[reads.ids[i]];
        if (cs->state->object_structure[nodes[reads.ids[i]].object] != SA_NONE
            || (v != SA_NONE
                && sa_state_variable(cs->state, v)->n_elements > 1)) {
            return true;
        }
    }
    return false;
}

/* Fields of the packet that an index is computed from: not those of an entry
 * that says where another one is. */
static uint32_t
fields_of_index(const struct sa_containers *cs, LLVMValueRef index)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    uint32_t fields = 0;
    g_ptr_array_add(work, index);
    for (guint i = 0; i < work->len && i < MAX_ORIGINS; i++) {
        LLVMValueRef v = work->pdata[i];
        if (!g_hash_table_add(seen, v)) {
            continue;
        }
        if (LLVMIsACastInst(v) || LLVMIsABinaryOperator(v)) {
            for (int j = 0; j < LLVMGetNumOperands(v); j++) {
                g_ptr_array_add(work, LLVMGetOperand(v, j));
            }
        } else if (LLVMIsAPHINode(v)) {
            for (unsigned int j = 0; j < LLVMCountIncoming(v); j++) {
                g_ptr_array_add(work, LLVMGetIncomingValue(v, j));
            }
        } else if (!LLVMIsALoadInst(v) || !loads_entry(cs, v)) {
            fields |= sa_packet_value(cs->packet,
                                      sa_value_id(cs->a->program, v));
        }
    }
    g_ptr_array_free(work, TRUE);
    g_hash_table_destroy(seen);
    return fields & SA_PACKET_FIELDS;
}

/* Whether what an index counts, a struct of the program perhaps, can be of the
 * type that is declared. */
static bool
is_compatible(const struct sa_containers *cs, LLVMTypeRef counted,
              const struct sa_type *declared)
{
    char *name = sa_headers_struct_name(counted);
    const struct sa_type *type = name ? sa_type_by_name(cs->a->types, name)
                                      : NULL;
    g_free(name);
    if (!type || !declared) {
        return true;
    }
    declared = sa_element_struct(declared);
    return (declared && (sa_type_holds(declared, type)
                         || sa_type_holds(type, declared)));
}

/* Whether the type that an index counts is that of an entry. */
static bool
counts_entries(const struct sa_containers *cs, LLVMTypeRef type,
               uint32_t structure)
{
    const struct sa_structure *s = sa_state_structure(cs->state, structure);
    return (LLVMTypeIsSized(type)
            && LLVMABISizeOfType(cs->a->program->layout, type) == s->size
            && is_compatible(cs, type, s->type));
}

/* Whether memory of a variable can be what an index counts.  A table that a
 * pointer leads to is of another type than the pointer. */
static bool
counts_elements(const struct sa_containers *cs, LLVMTypeRef type,
                const struct sa_state_variable *v)
{
    bool pointer = (v->type && v->n_elements <= 1
                    && v->type->canonical->kind == SA_TYPE_POINTER);
    return pointer || is_compatible(cs, type, v->type);
}

static void
note_gep(struct sa_containers *cs, uint32_t insn)
{
    const struct sa_program *p = cs->a->program;
    LLVMValueRef gep = p->insns[insn].value;
    LLVMTypeRef type = LLVMGetGEPSourceElementType(gep);
    for (int j = 1; j < LLVMGetNumOperands(gep); j++) {
        LLVMValueRef index = LLVMGetOperand(gep, j);
        if (j > 1) {
            if (LLVMGetTypeKind(type) == LLVMStructTypeKind) {
                if (!LLVMIsAConstantInt(index)) {
                    return;
                }
                type = LLVMStructGetTypeAtIndex(
                    type, LLVMConstIntGetZExtValue(index));
                continue;
            }
            type = LLVMGetElementType(type);
        }
        if (LLVMIsAConstantInt(index)) {
            continue;
        }

        uint32_t fields = fields_of_index(cs, index);
        bool advanced = is_advanced(index);
        bool written = is_written_through(gep);
        struct sa_nodes to = sa_pta_value(cs->a->pta, p->insns[insn].result);
        uint32_t n;
        const struct sa_node *nodes = sa_pta_nodes(cs->a->pta, &n);
        for (uint32_t i = 0; i < to.n; i++) {
            uint32_t s = cs->state->object_structure[nodes[to.ids[i]].object];
            uint32_t v = cs->state->node_variable[to.ids[i]];
            if (s != SA_NONE && counts_entries(cs, type, s)) {
                note_index(&cs->structures[s], insn, fields, advanced,
                           written);
            } else if (v != SA_NONE
                       && counts_elements(cs, type,
                                          sa_state_variable(cs->state, v))) {
                note_index(&cs->variables[v], insn, fields, advanced, written);
            }
            const struct sa_table *table
                = (v == SA_NONE ? NULL
                   : sa_state_table_at(cs->state, v, nodes[to.ids[i]].offset));
            if (table && counts_entries(cs, type, table->structure)) {
                note_index(&cs->structures[table->structure], insn, fields,
                           advanced, written);
            }
            if (v != SA_NONE
                && counts_elements(cs, type, sa_state_variable(cs->state, v))
                && sa_state_variable(cs->state, v)->storage
                   != SA_STORAGE_HEAP) {
                note_index(&cs->variables[v], insn, fields, advanced, written);
            }
        }
    }
}

static void
find_indexes(struct sa_containers *cs)
{
    cs->variables = g_new0(struct index, cs->state->variables->len + 1);
    cs->structures = g_new0(struct index, cs->n + 1);
    for (guint i = 0; i < cs->state->variables->len; i++) {
        cs->variables[i].insn = SA_NONE;
    }
    for (uint32_t i = 0; i < cs->n; i++) {
        cs->structures[i].insn = SA_NONE;
    }
    for (uint32_t i = 0; i < cs->a->program->n_insns; i++) {
        if (cs->a->program->insns[i].opcode == LLVMGetElementPtr
            && sa_procedures_has_insn(cs->a->procedures, i)) {
            note_gep(cs, i);
        }
    }
}

/* Variables outside of a structure that point to its entries. */
static void
find_heads(struct sa_containers *cs, uint32_t structure)
{
    struct sa_container *c = &cs->containers[structure];
    for (guint i = 0; i < cs->state->variables->len; i++) {
        const struct sa_state_variable *v = sa_state_variable(cs->state, i);
        bool leads = (v->structure != structure
                      && sa_points_to_structure(v, structure));
        if (v->structure == structure && v->storage != SA_STORAGE_HEAP) {
            leads = true;       /* A declared table of the entries. */
        }
        for (guint j = 0; !leads && j < cs->state->tables->len; j++) {
            const struct sa_table *t = &g_array_index(cs->state->tables,
                                                      struct sa_table, j);
            leads = t->variable == i && t->structure == structure;
        }
        if (leads) {
            g_array_append_val(c->variables, i);
        }
    }
}

/* The struct that a variable is, or leads to by pointers as declared, or
 * NULL. */
static const struct sa_type *
declared_entry(const struct sa_state_variable *v)
{
    const struct sa_type *type = v->type;
    while (type && (type->canonical->kind == SA_TYPE_POINTER
                    || type->canonical->kind == SA_TYPE_ARRAY)) {
        type = type->canonical->target;
    }
    return type ? type->canonical : NULL;
}

/* The head to name: one that changes, and of these one that is indexed, else
 * one that is declared to lead to entries rather than to a part of them, else
 * one that is declared, else the first. */
static uint32_t
best_head(const struct sa_containers *cs, const struct sa_container *c,
          const struct sa_type *entry)
{
    uint32_t best = SA_NONE;
    int best_rank = -1;
    for (guint i = 0; i < c->variables->len; i++) {
        uint32_t id = g_array_index(c->variables, uint32_t, i);
        const struct sa_state_variable *v = sa_state_variable(cs->state, id);
        int rank = (v->updateable ? 16 : 0)
                   + (cs->variables[id].fields ? 8 : 0)
                   + (cs->variables[id].computed ? 4 : 0)
                   + (declared_entry(v) == entry ? 2 : 0)
                   + (v->storage != SA_STORAGE_HEAP ? 1 : 0);
        if (rank > best_rank) {
            best = id;
            best_rank = rank;
        }
    }
    return best;
}

/* The first link of a kind: one to entries rather than to a node that is
 * embedded in them (a timer's, in a list of timers), if there are both. */
static const struct sa_link *
first_link(const struct sa_container *c, enum sa_link_kind kind,
           const struct sa_type *entry)
{
    const struct sa_link *first = NULL;
    for (guint i = 0; i < c->links->len; i++) {
        const struct sa_link *l = &g_array_index(c->links, struct sa_link, i);
        if (l->kind == kind && l->target && l->target->canonical == entry) {
            return l;
        } else if (l->kind == kind && !first) {
            first = l;
        }
    }
    return first;
}

static bool
has_tables(const struct sa_containers *cs, uint32_t variable)
{
    for (guint i = 0; i < cs->state->tables->len; i++) {
        if (g_array_index(cs->state->tables, struct sa_table, i).variable
            == variable) {
            return true;
        }
    }
    return false;
}

static void
find_kind(struct sa_containers *cs, uint32_t structure)
{
    struct sa_container *c = &cs->containers[structure];
    const struct index *entries = &cs->structures[structure];
    const struct sa_type *entry
        = sa_state_structure(cs->state, structure)->type;
    uint32_t head = best_head(cs, c, entry);
    const struct index none = { .insn = SA_NONE };
    /* In a struct with tables, an index can be that of any of them. */
    const struct index *heads = (head == SA_NONE || has_tables(cs, head)
                                 ? &none : &cs->variables[head]);
    const struct sa_link *child = first_link(c, SA_LINK_CHILD, entry);
    const struct sa_link *next = first_link(c, SA_LINK_NEXT, entry);
    const struct sa_link *prev = first_link(c, SA_LINK_PREV, entry);
    const struct sa_link *by = child ? child : next ? next : prev;
    const struct index *used = heads->computed ? heads : entries;

    c->index_fields = heads->fields | entries->fields;
    c->index_insn = heads->fields ? heads->insn : entries->insn;
    if (child) {
        c->kind = SA_CONTAINER_TREE;
    } else if (next && used->computed) {
        c->kind = SA_CONTAINER_HASH_CHAINED;
    } else if (next || prev) {
        c->kind = next && prev ? SA_CONTAINER_LIST_DOUBLE
                  : SA_CONTAINER_LIST_SINGLE;
    } else if (used->computed) {
        c->kind = used->fields && used->advanced ? SA_CONTAINER_HASH_OPEN
                  : SA_CONTAINER_ARRAY;
    } else {
        c->kind = c->variables->len ? SA_CONTAINER_NONE : SA_CONTAINER_OTHER;
    }

    GString *path = g_string_new(NULL);
    if (head != SA_NONE) {
        const struct sa_state_variable *v = sa_state_variable(cs->state, head);
        g_string_append(path, v->name);
        g_string_append(path, used->computed ? "[]" : "");
    }
    if (by) {
        g_string_append_printf(path, "%s%s", path->len ? " then " : "",
                               by->path);
    }
    c->path = g_string_free(path, FALSE);
}

static void
find_allocations(struct sa_containers *cs, uint32_t structure)
{
    const struct sa_structure *s = sa_state_structure(cs->state, structure);
    uint32_t n;
    const struct sa_object *objects = sa_pta_objects(cs->a->pta, &n);
    for (guint i = 0; i < s->objects->len; i++) {
        const struct sa_object *o
            = &objects[g_array_index(s->objects, uint32_t, i)];
        uint32_t insn = o->caller != SA_NONE ? o->caller : o->insn;
        if (o->kind == SA_OBJECT_HEAP && insn != SA_NONE) {
            g_array_append_val(cs->containers[structure].allocations, insn);
        }
    }
}

struct sa_containers *
sa_containers_run(const struct sa_analysis *a, const struct sa_state *state,
                  const struct sa_packet *packet)
{
    struct sa_containers *cs = g_new0(struct sa_containers, 1);
    cs->a = a;
    cs->state = state;
    cs->packet = packet;
    cs->n = state->structures->len;
    cs->containers = g_new0(struct sa_container, cs->n + 1);
    find_indexes(cs);
    for (uint32_t i = 0; i < cs->n; i++) {
        struct sa_container *c = &cs->containers[i];
        c->links = sa_links_find(a, state, i);
        c->buffers = sa_buffers_find(a, state, i);
        c->allocations = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        c->variables = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        find_heads(cs, i);
        find_kind(cs, i);
        find_allocations(cs, i);
    }
    return cs;
}

void
sa_containers_destroy(struct sa_containers *cs)
{
    if (cs) {
        for (uint32_t i = 0; i < cs->n; i++) {
            struct sa_container *c = &cs->containers[i];
            g_free(c->path);
            g_array_unref(c->links);
            g_array_unref(c->buffers);
            g_array_unref(c->allocations);
            g_array_unref(c->variables);
        }
        g_free(cs->containers);
        g_free(cs->variables);
        g_free(cs->structures);
        g_free(cs);
    }
}

uint32_t
sa_containers_index(const struct sa_containers *cs, uint32_t variable,
                    uint32_t *insn)
{
    *insn = cs->variables[variable].insn;
    return cs->variables[variable].written_fields;
}

const struct sa_container *
sa_containers_get(const struct sa_containers *cs, uint32_t structure)
{
    return &cs->containers[structure];
}
