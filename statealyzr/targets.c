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

#include "targets.h"

#include <glib.h>
#include <string.h>
#include "call.h"
#include "feasible.h"
#include "pta.h"
#include "tables.h"
#include "wrappers.h"

/* A register that gets what another one points to. */
struct source {
    uint32_t value;
    bool objects;               /* Anywhere in the objects. */
};

struct flow {
    uint32_t value;             /* Gets it. */
    struct source source;
};

struct sa_targets {
    const struct sa_analysis *a;
    const struct sa_node *nodes;
    const struct sa_object *objects;
    uint32_t n_values;
    bool **has;                 /* By value: for each node of its set; NULL:
                                 * it has all. */
    uint32_t *n_missing;        /* By value: how many of these it has not. */
    GArray *flows;              /* struct flow, to values that miss any. */
    uint32_t *stamps;           /* By node. */
    uint32_t *object_stamps;    /* By object. */
    uint32_t *cursor_stamps;    /* By object: pointed to between nodes. */
    uint32_t stamp;             /* What counts as set in these. */

    /* Of what sa_targets_limit() was called for. */
    bool is_call;
    uint32_t *touched;          /* By node: when it is. */
    uint32_t *kept, *dropped;   /* By object: when an argument does, or does
                                 * not, lead there. */
    uint32_t now;               /* What counts as set in these. */
};

static bool
is_executed(const struct sa_targets *t, uint32_t insn)
{
    return sa_feasible_has_block(t->a->feasible,
                                 t->a->program->insns[insn].block);
}

static void
stamp_cursor(uint32_t node, void *t_)
{
    struct sa_targets *t = t_;
    t->cursor_stamps[t->nodes[node].object] = t->stamp;
}

/* Stamps the targets (or, if 'all', those of the whole set that are nodes) of
 * a value, and their objects. */
static void
stamp(struct sa_targets *t, uint32_t value, bool all)
{
    struct sa_nodes set = sa_pta_value(t->a->pta, value);
    t->stamp++;
    if (!all) {
        sa_pta_cursors(t->a->pta, value, stamp_cursor, t);
    }
    for (uint32_t i = 0; i < set.n; i++) {
        if (all || !t->has[value] || t->has[value][i]) {
            t->stamps[set.ids[i]] = t->stamp;
            t->object_stamps[t->nodes[set.ids[i]].object] = t->stamp;
        }
    }
}

static bool
is_stamped(const struct sa_targets *t, uint32_t node, bool objects)
{
    uint32_t object = t->nodes[node].object;
    return ((objects ? t->object_stamps[object] : t->stamps[node]) == t->stamp
            || t->cursor_stamps[object] == t->stamp);
}

/* Whether a node is in an object that is not allocated while the loop runs. */
static bool
is_allocated_before(const struct sa_targets *t, uint32_t node)
{
    const struct sa_object *o = &t->objects[t->nodes[node].object];
    return (o->kind == SA_OBJECT_HEAP && o->caller != SA_NONE
            && !is_executed(t, o->caller));
}

static void
drop(struct sa_targets *t, uint32_t value, uint32_t i)
{
    t->n_missing[value] += t->has[value][i];
    t->has[value][i] = false;
}

static void
add(struct sa_targets *t, uint32_t value, uint32_t i)
{
    t->n_missing[value] -= !t->has[value][i];
    t->has[value][i] = true;
}

/* Makes 'value' have nothing that is explained by 'sources' (or, if 'fresh',
 * by an allocation before the loop). */
static void
explain(struct sa_targets *t, uint32_t value, const GArray *sources,
        bool fresh)
{
    struct sa_nodes set = sa_pta_value(t->a->pta, value);
    if (!t->has[value]) {
        t->has[value] = g_new(bool, set.n + 1);
        memset(t->has[value], true, set.n);
    }
    for (uint32_t i = 0; i < set.n && fresh; i++) {
        if (is_allocated_before(t, set.ids[i])) {
            drop(t, value, i);
        }
    }
    for (guint j = 0; j < sources->len; j++) {
        struct source s = g_array_index(sources, struct source, j);
        stamp(t, s.value, true);
        for (uint32_t i = 0; i < set.n; i++) {
            if (is_stamped(t, set.ids[i], s.objects)) {
                drop(t, value, i);
            }
        }
    }
}

/* Gives 'value' what a source has; whether that is more than it had. */
static bool
add_source(struct sa_targets *t, uint32_t value, struct source s)
{
    struct sa_nodes set = sa_pta_value(t->a->pta, value);
    bool changed = false;

    if (!t->n_missing[value]) {
        return false;
    }
    stamp(t, s.value, false);
    for (uint32_t i = 0; i < set.n; i++) {
        if (!t->has[value][i] && is_stamped(t, set.ids[i], s.objects)) {
            add(t, value, i);
            changed = true;
        }
    }
    return changed;
}

static void
add_operand(const struct sa_targets *t, LLVMValueRef operand, bool objects,
            GArray *sources)
{
    struct source s = { sa_value_id(t->a->program, operand), objects };
    if (s.value != SA_NONE) {
        g_array_append_val(sources, s);
    }
}

/* Appends where an instruction gets its targets from; whether these are all
 * that may be left out. */
static bool
find_sources(const struct sa_targets *t, const struct sa_insn *insn,
             GArray *sources)
{
    switch ((int) insn->opcode) {
    case LLVMPHI:
        for (unsigned int i = 0; i < LLVMCountIncoming(insn->value); i++) {
            add_operand(t, LLVMGetIncomingValue(insn->value, i), false,
                        sources);
        }
        return true;
    case LLVMSelect:
        add_operand(t, LLVMGetOperand(insn->value, 1), false, sources);
        add_operand(t, LLVMGetOperand(insn->value, 2), false, sources);
        return true;
    case LLVMGetElementPtr:
        add_operand(t, LLVMGetOperand(insn->value, 0), true, sources);
        return true;
    }
    return false;
}

/* Whether a library call returns what it has just allocated. */
static bool
is_allocation(const struct sa_targets *t, const struct sa_insn *insn)
{
    const struct sa_effect *e
        = (sa_is_call(insn->opcode)
           ? sa_allocating_effect(t->a->program, t->a->tables, insn->value)
           : NULL);
    return e && e->kind == SA_EFFECT_ALLOC && e->to == SA_RETURN;
}

/* Appends what the function of the program returns that a call calls directly;
 * false if there is none. */
static bool
find_returned(const struct sa_targets *t, const struct sa_insn *insn,
              GArray *sources)
{
    const struct sa_program *p = t->a->program;
    uint32_t callee = (sa_is_call(insn->opcode)
                       ? sa_direct_callee(p, insn->value) : SA_NONE);
    if (callee == SA_NONE || !p->functions[callee].defined) {
        return false;
    }
    const struct sa_function *f = &p->functions[callee];
    for (uint32_t i = 0; i < f->n_insns; i++) {
        const struct sa_insn *r = &p->insns[f->first_insn + i];
        if (r->opcode == LLVMRet && LLVMGetNumOperands(r->value)) {
            add_operand(t, LLVMGetOperand(r->value, 0), true, sources);
        }
    }
    return true;
}

/* Calls 'cb' for each parameter that a call of the program gives something. */
static void
for_each_argument(struct sa_targets *t, bool executed,
                  void (*cb)(struct sa_targets *, uint32_t param,
                             struct source))
{
    const struct sa_program *p = t->a->program;

    for (uint32_t i = 0; i < p->n_insns; i++) {
        if (!sa_is_call(p->insns[i].opcode)
            || (executed && !is_executed(t, i))) {
            continue;
        }
        LLVMValueRef call = p->insns[i].value;
        unsigned int n_args = LLVMGetNumArgOperands(call);
        uint32_t n;
        const uint32_t *callees = sa_pta_callees(t->a->pta, i, &n);
        for (uint32_t j = 0; j < n; j++) {
            const struct sa_function *f = &p->functions[callees[j]];
            for (uint32_t k = 0; k < f->n_params && k < n_args; k++) {
                struct source s = { sa_value_id(p, LLVMGetOperand(call, k)),
                                    false };
                if (f->defined && s.value != SA_NONE
                    && !sa_feasible_is_root(t->a->feasible, callees[j])) {
                    cb(t, f->first_param + k, s);
                }
            }
        }
    }
}

static void
explain_param(struct sa_targets *t, uint32_t param, struct source s)
{
    GArray *sources = g_array_new(FALSE, FALSE, sizeof(struct source));
    g_array_append_val(sources, s);
    explain(t, param, sources, false);
    g_array_unref(sources);
}

static void
keep_flow(struct sa_targets *t, uint32_t value, struct source s)
{
    struct flow flow = { value, s };
    if (t->n_missing[value]) {
        g_array_append_val(t->flows, flow);
    }
}

/* Calls 'cb' for each register of functions that are called while the loop
 * runs, but are not active from before, with its sources. */
static void
for_each_register(struct sa_targets *t,
                  void (*cb)(struct sa_targets *, const struct sa_insn *,
                             const GArray *sources))
{
    const struct sa_program *p = t->a->program;
    GArray *sources = g_array_new(FALSE, FALSE, sizeof(struct source));

    for (uint32_t i = 0; i < p->n_insns; i++) {
        const struct sa_insn *insn = &p->insns[i];
        if (insn->result == SA_NONE
            || !sa_pta_value(t->a->pta, insn->result).n || !is_executed(t, i)
            || sa_feasible_is_root(t->a->feasible, insn->function)) {
            continue;
        }
        g_array_set_size(sources, 0);
        if (find_sources(t, insn, sources) || is_allocation(t, insn)
            || find_returned(t, insn, sources)) {
            cb(t, insn, sources);
        }
    }
    g_array_unref(sources);
}

static void
explain_register(struct sa_targets *t, const struct sa_insn *insn,
                 const GArray *sources)
{
    explain(t, insn->result, sources, is_allocation(t, insn));
    struct sa_nodes set = sa_pta_value(t->a->pta, insn->result);
    for (uint32_t i = 0; sa_is_call(insn->opcode) && i < set.n; i++) {
        const struct sa_object *o = &t->objects[t->nodes[set.ids[i]].object];
        if (o->kind == SA_OBJECT_HEAP && o->caller != SA_NONE
            && is_executed(t, o->caller)) {
            add(t, insn->result, i);
        }
    }
}

static void
keep_flows(struct sa_targets *t, const struct sa_insn *insn,
           const GArray *sources)
{
    for (guint i = 0; i < sources->len; i++) {
        keep_flow(t, insn->result, g_array_index(sources, struct source, i));
    }
}

struct sa_targets *
sa_targets_find(const struct sa_analysis *a)
{
    struct sa_targets *t = g_new0(struct sa_targets, 1);
    uint32_t n_nodes, n_objects;

    t->a = a;
    t->n_values = a->program->n_values;
    t->nodes = sa_pta_nodes(a->pta, &n_nodes);
    t->objects = sa_pta_objects(a->pta, &n_objects);
    t->has = g_new0(bool *, a->program->n_values + 1);
    t->n_missing = g_new0(uint32_t, a->program->n_values + 1);
    t->flows = g_array_new(FALSE, FALSE, sizeof(struct flow));
    t->stamps = g_new0(uint32_t, n_nodes + 1);
    t->object_stamps = g_new0(uint32_t, n_objects + 1);
    t->cursor_stamps = g_new0(uint32_t, n_objects + 1);
    t->touched = g_new0(uint32_t, n_nodes + 1);
    t->kept = g_new0(uint32_t, n_objects + 1);
    t->dropped = g_new0(uint32_t, n_objects + 1);

    for_each_argument(t, false, explain_param);
    for_each_register(t, explain_register);
    for_each_argument(t, true, keep_flow);
    for_each_register(t, keep_flows);
    bool changed;
    do {
        changed = false;
        for (guint i = 0; i < t->flows->len; i++) {
            struct flow flow = g_array_index(t->flows, struct flow, i);
            changed |= add_source(t, flow.value, flow.source);
        }
    } while (changed);
    return t;
}

void
sa_targets_destroy(struct sa_targets *t)
{
    if (t) {
        for (uint32_t i = 0; i < t->n_values; i++) {
            g_free(t->has[i]);
        }
        g_free(t->has);
        g_free(t->n_missing);
        g_array_unref(t->flows);
        g_free(t->stamps);
        g_free(t->object_stamps);
        g_free(t->cursor_stamps);
        g_free(t->touched);
        g_free(t->kept);
        g_free(t->dropped);
        g_free(t);
    }
}

/* Accesses. */

static bool
is_kept(uint32_t node, void *t_)
{
    return is_stamped(t_, node, false);
}

static void
touch(uint32_t node, void *t_)
{
    struct sa_targets *t = t_;
    t->touched[node] = t->now;
}

static bool
limit_access(struct sa_targets *t, LLVMValueRef pointer, LLVMTypeRef type)
{
    uint32_t value = sa_value_id(t->a->program, pointer);
    if (value == SA_NONE || !t->n_missing[value]) {
        return false;
    }
    uint64_t size = LLVMStoreSizeOfType(t->a->program->layout, type);
    t->is_call = false;
    stamp(t, value, false);
    sa_pta_access_some(t->a->pta, value,
                       sa_pta_extent(t->a->pta, value, size), is_kept, touch,
                       t);
    return true;
}

/* Whether a call touches nothing but what its arguments point to, without
 * following pointers from there, and the library's own. */
static bool
is_shallow(const struct sa_targets *t, uint32_t insn)
{
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(t->a->pta, insn, &n);
    for (uint32_t i = 0; i < n; i++) {
        const char *name = t->a->program->functions[callees[i]].name;
        const struct sa_packet_read *read
            = sa_tables_packet_read(t->a->tables, name);
        const struct sa_library_call *l
            = sa_tables_library(t->a->tables, name);
        if (sa_tables_event(t->a->tables, name)
            || (read && (read->iovec || read->indirect))) {
            return false;
        }
        for (size_t j = 0; l && j < l->n_effects; j++) {
            const struct sa_effect *e = &l->effects[j];
            if (e->deep || e->kind == SA_EFFECT_CALL
                || (e->to == SA_RETURN && (e->kind == SA_EFFECT_COPY
                                           || e->kind == SA_EFFECT_WRITE
                                           || e->kind == SA_EFFECT_STORE))
                || e->from == SA_RETURN) {
                return false;
            }
        }
    }
    return true;
}

/* Of calls, whole objects are left out that no argument leads to. */
static bool
limit_call(struct sa_targets *t, uint32_t insn)
{
    LLVMValueRef call = t->a->program->insns[insn].value;
    unsigned int n_args = LLVMGetNumArgOperands(call);
    bool limited = false;

    t->is_call = true;
    for (unsigned int i = 0; i < n_args; i++) {
        uint32_t value = sa_value_id(t->a->program, LLVMGetOperand(call, i));
        struct sa_nodes set = { .n = 0 };
        if (value != SA_NONE) {
            set = sa_pta_value(t->a->pta, value);
            limited |= t->n_missing[value] > 0;
            stamp(t, value, false);
        }
        for (uint32_t j = 0; j < set.n; j++) {
            uint32_t object = t->nodes[set.ids[j]].object;
            if (t->objects[object].kind == SA_OBJECT_LIBRARY) {
                continue;
            }
            (is_stamped(t, set.ids[j], true)
             ? t->kept : t->dropped)[object] = t->now;
        }
    }
    return limited && is_shallow(t, insn);
}

bool
sa_targets_limit(struct sa_targets *t, uint32_t insn)
{
    const struct sa_insn *i = &t->a->program->insns[insn];

    t->now++;
    if (i->opcode == LLVMLoad) {
        return limit_access(t, LLVMGetOperand(i->value, 0),
                            LLVMTypeOf(i->value));
    } else if (i->opcode == LLVMStore) {
        return limit_access(t, LLVMGetOperand(i->value, 1),
                            LLVMTypeOf(LLVMGetOperand(i->value, 0)));
    }
    return sa_is_call(i->opcode) && limit_call(t, insn);
}

bool
sa_targets_has(const struct sa_targets *t, uint32_t node)
{
    uint32_t object = t->nodes[node].object;
    return (t->is_call
            ? t->kept[object] == t->now || t->dropped[object] != t->now
            : t->touched[node] == t->now);
}
