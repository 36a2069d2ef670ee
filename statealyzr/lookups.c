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
};

static uint32_t
bytes_of(const struct search *s, LLVMTypeRef type)
{
    return LLVMTypeIsSized(type)
           ? LLVMStoreSizeOfType(s->a->program->layout, type) : 0;
}

/* Fields in memory that are compared with what is at 'offset' bytes. */
struct window {
    const struct search *s;
    const struct sa_node *nodes;
    uint32_t first;             /* Lowest offset in the object of 'object'. */
    uint32_t object;
    uint32_t wanted;
    bool exact;                 /* Only at 'wanted'. */
    uint32_t fields;
};

static void
gather_window(uint32_t node, void *w_)
{
    struct window *w = w_;
    const struct sa_node *n = &w->nodes[node];
    if (n->object != w->object) {
        w->object = n->object;
        w->first = n->offset;
    }
    if (!w->exact || n->offset - w->first == w->wanted) {
        w->fields |= sa_packet_node(w->s->packet, node) & SA_PACKET_FIELDS;
    }
}

static uint32_t
fields_at(const struct search *s, LLVMValueRef pointer, uint64_t size,
          uint32_t offset)
{
    uint32_t id = sa_value_id(s->a->program, pointer), n;
    struct window w = {
        s, sa_pta_nodes(s->a->pta, &n), 0, SA_NONE, offset, true, 0
    };
    if (id == SA_NONE) {
        return 0;
    }
    sa_pta_access(s->a->pta, id, size, gather_window, &w);
    if (!w.fields) {
        w.exact = false;
        w.object = SA_NONE;
        sa_pta_access(s->a->pta, id, size, gather_window, &w);
    }
    return w.fields;
}

/* An entry's memory that is compared. */
struct side {
    const struct search *s;
    const struct sa_node *nodes;
    uint32_t insn;
    struct sa_walk walk;
    uint32_t size;
    uint32_t fields;            /* Of the other side, if a value. */
    LLVMValueRef other;         /* The other side, if a pointer. */
    uint32_t first, object;
};

static void
add_lookup(uint32_t node, void *side_)
{
    struct side *side = side_;
    const struct search *s = side->s;
    const struct sa_node *n = &side->nodes[node];
    uint32_t v = s->state->node_variable[node];
    if (n->object != side->object) {
        side->object = n->object;
        side->first = n->offset;
    }
    if (v == SA_NONE) {
        return;
    }
    const struct sa_state_variable *var = sa_state_variable(s->state, v);
    bool entry = (s->state->object_structure[n->object] != SA_NONE
                  || var->n_elements > 1);
    uint32_t fields = (side->other
                       ? fields_at(s, side->other, side->size,
                                   n->offset - side->first)
                       : side->fields);
    if (!entry || !fields) {
        return;
    }
    uint32_t n_objects;
    const struct sa_object *o
        = &sa_pta_objects(s->a->pta, &n_objects)[n->object];
    struct sa_lookup l = {
        v, n->offset - o->base, side->other ? var->size : side->size, fields,
        side->insn, side->walk.walked
    };
    g_array_append_val(s->lookups, l);
}

static void
compare_memory(const struct search *s, uint32_t insn, LLVMValueRef pointer,
               uint64_t size, uint32_t fields, LLVMValueRef other)
{
    uint32_t id = sa_value_id(s->a->program, pointer), n;
    if (id == SA_NONE || LLVMIsAAllocaInst(sa_walk_base(pointer))) {
        return;
    }
    struct side side = {
        .s = s, .nodes = sa_pta_nodes(s->a->pta, &n), .insn = insn,
        .size = size, .fields = fields, .other = other, .object = SA_NONE
    };
    side.walk = sa_walk_find(s->a, s->packet, pointer, insn);
    if (side.walk.walked || side.walk.indexed) {
        sa_pta_access(s->a->pta, id, size, add_lookup, &side);
    }
}

/* Loads that a side of a comparison is, after conversions, masks, and functions
 * such as ntohs(). */
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
                compare_memory(s, insn, LLVMGetOperand(call, k), size, 0,
                               LLVMGetOperand(call, 1 - k));
            }
        }
    }
}

GArray *
sa_lookups_find(const struct sa_analysis *a, const struct sa_state *state,
                const struct sa_packet *packet)
{
    struct search s = {
        a, state, packet, g_array_new(FALSE, TRUE, sizeof(struct sa_lookup))
    };
    for (uint32_t i = 0; i < a->program->n_insns; i++) {
        if (!sa_procedures_has_insn(a->procedures, i)) {
            continue;
        }
        switch (a->program->insns[i].opcode) {
        case LLVMICmp:
        case LLVMSub:
        case LLVMXor:
            compare_values(&s, i);
            break;
        case LLVMCall:
        case LLVMInvoke:
            compare_in_call(&s, i);
            break;
        default:
            break;
        }
    }
    return s.lookups;
}
