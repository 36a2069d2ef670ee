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

#include "lookups.h"

#include <string.h>

#include "call.h"
#include "headers.h"
#include "members.h"
#include "modref.h"
#include "procedures.h"
#include "pta.h"
#include "walks.h"

#define MAX_ORIGINS 64

struct search {
    const struct sa_analysis *a;
    const struct sa_state *state;
    const struct sa_packet *packet;
    GArray *lookups;
    GHashTable *contained;      /* Ids of two types -> whether one of them
                                 * contains the other, plus 1. */
};

static uint32_t
bytes_of(const struct search *s, LLVMTypeRef type)
{
    return LLVMTypeIsSized(type)
           ? LLVMStoreSizeOfType(s->a->program->layout, type) : 0;
}

/* Where in the object of 'node' a pointer points to; SA_NONE if not into
 * it. */
static uint32_t
start_in(struct sa_nodes starts, const struct sa_node *nodes, uint32_t node)
{
    /* Nodes are numbered by object: the first of this one. */
    uint32_t low = 0, high = starts.n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (nodes[starts.ids[middle]].object < nodes[node].object) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (low < starts.n
            && nodes[starts.ids[low]].object == nodes[node].object
            ? nodes[starts.ids[low]].offset : SA_NONE);
}

/* Fields in memory, by the distance from where a pointer points to. */
struct window {
    const struct search *s;
    const struct sa_node *nodes;
    struct sa_nodes starts;     /* Of the pointer. */
    uint32_t placed;            /* If it points into a header: what is
                                 * there, 0 if not. */
    GHashTable *fields;         /* Distance -> bit set. */
    uint32_t all;
};

static void
gather_window(uint32_t node, void *w_)
{
    struct window *w = w_;
    uint32_t bits = sa_packet_node(w->s->packet, node);
    uint32_t fields = bits & (w->placed ? w->placed : SA_PACKET_FIELDS);
    if (!fields && (bits & SA_PACKET_DATA)) {
        fields = w->placed;     /* In the packet itself. */
    }
    if (fields) {
        gpointer distance = GUINT_TO_POINTER(
            w->nodes[node].offset - start_in(w->starts, w->nodes, node));
        fields |= GPOINTER_TO_UINT(g_hash_table_lookup(w->fields, distance));
        g_hash_table_insert(w->fields, distance, GUINT_TO_POINTER(fields));
        w->all |= fields;
    }
}

/* Gathers the fields of 'size' bytes, or, if that is 0, of the first
 * member. */
static void
gather_fields(struct window *w, const struct search *s, LLVMValueRef pointer,
              uint64_t size)
{
    uint32_t id = sa_value_id(s->a->program, pointer), n;
    *w = (struct window) {
        .s = s, .nodes = sa_pta_nodes(s->a->pta, &n),
        .fields = g_hash_table_new(NULL, NULL)
    };
    if (id != SA_NONE) {
        w->placed = sa_packet_pointed(s->packet, id, MAX(size, 1));
        w->starts = sa_pta_value(s->a->pta, id);
        sa_pta_access(s->a->pta, id, MAX(size, 1), gather_window, w);
    }
}

static uint32_t
fields_at(const struct window *w, uint64_t size, uint32_t distance)
{
    uint32_t fields = GPOINTER_TO_UINT(
        g_hash_table_lookup(w->fields, GUINT_TO_POINTER(distance)));
    return fields || !size ? fields : w->all;
}

/* An entry's memory that is compared. */
struct side {
    const struct search *s;
    const struct sa_node *nodes;
    uint32_t insn;
    struct sa_walk walk;
    uint32_t size;
    uint32_t fields;            /* Of the other side, if a value. */
    const struct window *other; /* The other side, if a pointer. */
    struct sa_nodes starts;     /* Of the pointer. */
    uint32_t via;               /* As in struct sa_lookup. */
    const struct sa_type *accessed;     /* The struct through which the
                                         * pointer was computed, or NULL. */
};

/* The outermost struct that a pointer into an entry was computed through, or
 * NULL. */
static const struct sa_type *
accessed_struct(const struct search *s, LLVMValueRef pointer)
{
    const struct sa_type *type = NULL;
    LLVMValueRef base = sa_walk_base(pointer);
    while (pointer != base) {
        if (LLVMIsAGetElementPtrInst(pointer)) {
            char *name = sa_headers_struct_name(
                LLVMGetGEPSourceElementType(pointer));
            const struct sa_type *t = name ? sa_type_by_name(s->a->types, name)
                                           : NULL;
            type = t ? t : type;
            g_free(name);
        }
        pointer = LLVMGetOperand(pointer, 0);
    }
    return type;
}

/* Whether one of two types contains the other. */
static bool
is_contained(const struct search *s, const struct sa_type *a,
             const struct sa_type *b)
{
    gpointer key = GSIZE_TO_POINTER((uint64_t) a->id << 32 | b->id);
    int known = GPOINTER_TO_INT(g_hash_table_lookup(s->contained, key));

    if (!known) {
        known = 1 + (sa_type_holds(a, b) || sa_type_holds(b, a));
        g_hash_table_insert(s->contained, key, GINT_TO_POINTER(known));
    }
    return known - 1;
}

/* Whether memory of a variable can be what is accessed. */
static bool
is_accessed(const struct side *side, const struct sa_state_variable *v)
{
    const struct sa_type *type = v->structure != SA_NONE
        ? sa_state_structure(side->s->state, v->structure)->type
        : sa_element_struct(v->type);
    return (!side->accessed || !v->type
            || (type && is_contained(side->s, type, side->accessed)));
}

/* Bytes of a variable, all elements of an array. */
static uint64_t
size_of(const struct sa_state_variable *v)
{
    return v->size * MAX(v->n_elements, 1);
}

static void
add_lookup(uint32_t node, void *side_)
{
    struct side *side = side_;
    const struct search *s = side->s;
    const struct sa_node *n = &side->nodes[node];
    uint32_t v = s->state->node_variable[node];
    uint32_t start = start_in(side->starts, side->nodes, node);
    if (v == SA_NONE || n->offset < start
        || (!side->size && n->offset != start)) {
        return;                 /* Of unknown size: a member, at least. */
    }
    const struct sa_state_variable *var = sa_state_variable(s->state, v);
    if (!is_accessed(side, var)) {
        return;
    }
    uint32_t n_objects;
    const struct sa_object *o
        = &sa_pta_objects(s->a->pta, &n_objects)[n->object];
    uint32_t offset = n->offset - o->base;
    const struct sa_table *table = sa_state_table_at(s->state, v, offset);
    bool entry = (s->state->object_structure[n->object] != SA_NONE
                  || var->n_elements > 1 || table);
    uint32_t fields = (side->other
                       ? fields_at(side->other, side->size,
                                   n->offset - start)
                       : side->fields);
    if (!entry || !fields) {
        return;
    }
    uint32_t structure = table ? table->structure : var->structure;
    bool linked = (side->via != SA_NONE
                   && (sa_state_variable(s->state, side->via)->structure
                       != structure));
    uint32_t base = table ? table->offset : 0;
    struct sa_lookup l = {
        .variable = v, .via = linked ? side->via : SA_NONE,
        .structure = structure,
        .offset = table ? (offset - base) % table->type->size : offset,
        .base = base, .size = side->other ? size_of(var) : side->size,
        .fields = fields, .insn = side->insn, .walked = side->walk.walked
    };
    g_array_append_val(s->lookups, l);
}

/* Whether one of the objects that a value points to is of the structure. */
static bool
points_into(const struct search *s, LLVMValueRef value, uint32_t structure)
{
    uint32_t id = sa_value_id(s->a->program, value), n;
    const struct sa_node *all = sa_pta_nodes(s->a->pta, &n);
    struct sa_nodes to = { .n = 0 };
    if (id != SA_NONE) {
        to = sa_pta_value(s->a->pta, id);
    }
    for (uint32_t i = 0; i < to.n; i++) {
        if (s->state->object_structure[all[to.ids[i]].object] == structure) {
            return true;
        }
    }
    return false;
}

/* The member of a walked entry that a pointer was loaded from, or SA_NONE;
 * also if it may be the link by which a pointer to a pointer walks, from the
 * head on: "for (pp = &table->head; *pp; pp = &(*pp)->next)". */
static uint32_t
find_link(const struct search *s, LLVMValueRef pointer)
{
    LLVMValueRef base = sa_walk_base(pointer);
    uint32_t load = (LLVMIsALoadInst(base)
                     ? sa_insn_id(s->a->program, base) : SA_NONE);
    if (load == SA_NONE) {
        return SA_NONE;
    }
    uint32_t n, link = SA_NONE;
    const struct sa_node *all = sa_pta_nodes(s->a->pta, &n);
    struct sa_nodes nodes = sa_modref_reads(s->a->modref, load);
    for (uint32_t i = 0; i < nodes.n; i++) {
        uint32_t v = s->state->node_variable[nodes.ids[i]];
        uint32_t structure
            = s->state->object_structure[all[nodes.ids[i]].object];
        if (structure == SA_NONE) {
            continue;
        }
        if (points_into(s, base, structure)) {
            return SA_NONE;
        }
        if (v != SA_NONE && link == SA_NONE
            && sa_state_variable(s->state, v)->structure == structure) {
            link = v;
        }
    }
    bool walked = (link != SA_NONE
                   && sa_walk_find(s->a, s->packet, LLVMGetOperand(base, 0),
                                   load).walked);
    return walked ? link : SA_NONE;
}

static void
compare_memory(const struct search *s, uint32_t insn, LLVMValueRef pointer,
               uint64_t size, uint32_t fields, const struct window *other)
{
    uint32_t id = sa_value_id(s->a->program, pointer), n;
    if (id == SA_NONE || LLVMIsAAllocaInst(sa_walk_base(pointer))) {
        return;
    }
    struct side side = {
        .s = s, .nodes = sa_pta_nodes(s->a->pta, &n), .insn = insn,
        .size = size, .fields = fields, .other = other,
        .starts = sa_pta_value(s->a->pta, id),
        .via = find_link(s, pointer),
        .accessed = accessed_struct(s, pointer)
    };
    side.walk = sa_walk_find(s->a, s->packet, pointer, insn);
    if (side.walk.walked || side.walk.indexed) {
        sa_pta_access(s->a->pta, id, MAX(size, 1), add_lookup, &side);
    }
}

/* Loads that a side of a comparison is, after conversions, masks, and
 * functions such as ntohs(). */
static void
find_origins(LLVMValueRef value, GPtrArray *loads)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    g_ptr_array_add(work, value);
    for (guint i = 0; i < work->len && i < MAX_ORIGINS; i++) {
        LLVMValueRef v = work->pdata[i];
        if (!LLVMIsAInstruction(v) || !g_hash_table_add(seen, v)) {
            continue;
        }
        if (LLVMIsALoadInst(v)) {
            g_ptr_array_add(loads, v);
        } else if (LLVMIsACastInst(v) || LLVMIsABinaryOperator(v)) {
            for (int j = 0; j < LLVMGetNumOperands(v); j++) {
                g_ptr_array_add(work, LLVMGetOperand(v, j));
            }
        } else if (LLVMIsAPHINode(v)) {
            for (unsigned int j = 0; j < LLVMCountIncoming(v); j++) {
                g_ptr_array_add(work, LLVMGetIncomingValue(v, j));
            }
        } else if (LLVMIsASelectInst(v)) {
            g_ptr_array_add(work, LLVMGetOperand(v, 1));
            g_ptr_array_add(work, LLVMGetOperand(v, 2));
        } else if (LLVMIsACallInst(v) && LLVMGetNumArgOperands(v) == 1) {
            g_ptr_array_add(work, LLVMGetOperand(v, 0));
        }
    }
    g_ptr_array_free(work, TRUE);
    g_hash_table_destroy(seen);
}

static void
compare_values(const struct search *s, uint32_t insn)
{
    LLVMValueRef value = s->a->program->insns[insn].value;
    for (unsigned int i = 0; i < 2; i++) {
        LLVMValueRef other = LLVMGetOperand(value, 1 - i);
        uint32_t fields = SA_PACKET_FIELDS
            & sa_packet_value(s->packet, sa_value_id(s->a->program, other));
        if (!fields || LLVMIsAConstant(other)) {
            continue;
        }
        GPtrArray *loads = g_ptr_array_new();
        find_origins(LLVMGetOperand(value, i), loads);
        for (guint j = 0; j < loads->len; j++) {
            LLVMValueRef load = loads->pdata[j];
            compare_memory(s, insn, LLVMGetOperand(load, 0),
                           bytes_of(s, LLVMTypeOf(load)), fields, NULL);
        }
        g_ptr_array_free(loads, TRUE);
    }
}

/* Whether a difference only serves to tell whether, or how, two values
 * differ. */
static bool
is_comparison(LLVMValueRef difference)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    bool is = true;
    g_ptr_array_add(work, difference);
    for (guint i = 0; i < work->len && is; i++) {
        for (LLVMUseRef use = LLVMGetFirstUse(work->pdata[i]); use && is;
             use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);
            switch (LLVMGetInstructionOpcode(user)) {
            case LLVMICmp:
            case LLVMRet:
                break;
            case LLVMOr:
            case LLVMPHI:
            case LLVMSelect:
            case LLVMSExt:
            case LLVMZExt:
            case LLVMTrunc:
                if (work->len < MAX_ORIGINS && g_hash_table_add(seen, user)) {
                    g_ptr_array_add(work, user);
                }
                break;
            default:
                is = false;
            }
        }
    }
    g_ptr_array_free(work, TRUE);
    g_hash_table_destroy(seen);
    return is;
}

static void
compare_in_call(const struct search *s, uint32_t insn)
{
    static const char *const names[] = {
        "memcmp", "bcmp", "strcmp", "strncmp", "strcasecmp", "strncasecmp",
    };
    const struct sa_program *p = s->a->program;
    LLVMValueRef call = p->insns[insn].value;
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(s->a->pta, insn, &n);
    for (uint32_t i = 0; i < n; i++) {
        const char *name = p->functions[callees[i]].name;
        for (size_t j = 0; j < G_N_ELEMENTS(names); j++) {
            uint64_t size = 0;
            if (strcmp(name, names[j]) || LLVMGetNumArgOperands(call) < 2) {
                continue;
            }
            if (j < 2) {
                sa_call_constant(call, 2, &size);
            }
            for (unsigned int k = 0; k < 2; k++) {
                struct window other;
                gather_fields(&other, s, LLVMGetOperand(call, 1 - k), size);
                if (other.all) {
                    compare_memory(s, insn, LLVMGetOperand(call, k), size, 0,
                                   &other);
                }
                g_hash_table_destroy(other.fields);
            }
        }
    }
}

GArray *
sa_lookups_find(const struct sa_analysis *a, const struct sa_state *state,
                const struct sa_packet *packet)
{
    struct search s = {
        a, state, packet, g_array_new(FALSE, TRUE, sizeof(struct sa_lookup)),
        g_hash_table_new(NULL, NULL)
    };
    for (uint32_t i = 0; i < a->program->n_insns; i++) {
        if (!sa_procedures_has_insn(a->procedures, i)) {
            continue;
        }
        switch (a->program->insns[i].opcode) {
        case LLVMICmp:
            compare_values(&s, i);
            break;
        case LLVMSub:
        case LLVMXor:
            if (is_comparison(a->program->insns[i].value)) {
                compare_values(&s, i);
            }
            break;
        case LLVMCall:
        case LLVMInvoke:
            compare_in_call(&s, i);
            break;
        default:
            break;
        }
    }
    g_hash_table_destroy(s.contained);
    return s.lookups;
}
