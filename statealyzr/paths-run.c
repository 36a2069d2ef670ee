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

#include "paths-private.h"

#include <string.h>
#include "call.h"

/* How many states of a block are kept apart; how many may enter the blocks of
 * a function, on average, before just one state is kept of each; and for how
 * many choices of "?:" ahead a block is executed once for each. */
enum { MAX_STATES = 8, MAX_VISITS = 64, MAX_CHOICES = 4 };

/* What is known of a var: that its value is one of these. */
struct fact {
    uint32_t var;
    struct sa_values values;    /* Not any. */
};

struct state {
    GArray *facts;              /* struct fact, by var. */
    uint32_t block;             /* It enters. */
    bool queued;
    bool dead;                  /* Another one covers it. */
};

struct entry {
    GPtrArray *states;          /* struct state. */
    bool merged;                /* One state is kept. */
};

struct run {
    const struct sa_paths *paths;
    struct entry *entries;      /* By block of the function. */
    GQueue *queue;              /* struct state. */
    uint64_t visits, max_visits;
    void (*call)(uint32_t insn, const struct sa_values args[], void *aux);
    void *aux;
};

/* Facts. */

static const struct fact *
fact_at(const GArray *facts, guint i)
{
    return &g_array_index(facts, struct fact, i);
}

/* The index of the first fact of 'var' or a later one. */
static guint
find_fact(const GArray *facts, uint32_t var)
{
    guint low = 0, high = facts->len;
    while (low < high) {
        guint mid = (low + high) / 2;
        if (fact_at(facts, mid)->var < var) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct sa_values
get(const GArray *facts, uint32_t var)
{
    guint i = find_fact(facts, var);
    return (i < facts->len && fact_at(facts, i)->var == var
            ? fact_at(facts, i)->values : sa_values_any());
}

static void
set(const struct sa_paths *ps, GArray *facts, uint32_t var,
    struct sa_values values)
{
    guint i = find_fact(facts, var);
    bool has = i < facts->len && fact_at(facts, i)->var == var;

    if (sa_values_is_any(&values) || !ps->relevant[var]) {
        if (has) {
            g_array_remove_index(facts, i);
        }
    } else if (has) {
        g_array_index(facts, struct fact, i).values = values;
    } else {
        struct fact fact = { var, values };
        g_array_insert_val(facts, i, fact);
    }
}

static GArray *
copy_facts(const GArray *facts)
{
    GArray *copy = g_array_sized_new(FALSE, FALSE, sizeof(struct fact),
                                     facts->len);
    g_array_append_vals(copy, facts->data, facts->len);
    return copy;
}

/* Whether all that 'b' says follows from 'a'. */
static bool
implies(const GArray *a, const GArray *b)
{
    for (guint i = 0; i < b->len; i++) {
        struct sa_values values = get(a, fact_at(b, i)->var);
        if (!sa_values_within(&values, &fact_at(b, i)->values)) {
            return false;
        }
    }
    return true;
}

/* Whether two states differ in no more than one var: then what is known in
 * either is what their union says. */
static bool
differ_in_one(const GArray *a, const GArray *b)
{
    guint i = 0, j = 0, n = 0;

    while ((i < a->len || j < b->len) && n < 2) {
        uint32_t va = i < a->len ? fact_at(a, i)->var : UINT32_MAX;
        uint32_t vb = j < b->len ? fact_at(b, j)->var : UINT32_MAX;
        if (va != vb || !sa_values_equal(&fact_at(a, i)->values,
                                         &fact_at(b, j)->values)) {
            n++;
        }
        i += va <= vb;
        j += vb <= va;
    }
    return n < 2;
}

/* What holds in both. */
static GArray *
join(const GArray *a, const GArray *b)
{
    GArray *result = g_array_new(FALSE, FALSE, sizeof(struct fact));

    for (guint i = 0; i < a->len; i++) {
        struct fact fact = *fact_at(a, i);
        struct sa_values other = get(b, fact.var);
        fact.values = sa_values_join(&fact.values, &other);
        if (!sa_values_is_any(&fact.values)) {
            g_array_append_val(result, fact);
        }
    }
    return result;
}

/* States. */

static void
state_free(struct state *state)
{
    g_array_unref(state->facts);
    g_free(state);
}

/* Takes a state out of its block. */
static void
kill_state(struct entry *entry, guint i)
{
    struct state *state = g_ptr_array_remove_index_fast(entry->states, i);
    if (state->queued) {
        state->dead = true;
    } else {
        state_free(state);
    }
}

/* Merges 'facts', which are taken over, with those states of a block with
 * which nothing, or (if it keeps just one) anything, is lost.  NULL if one of
 * these says it all. */
static GArray *
merge(struct entry *entry, GArray *facts)
{
    for (guint i = 0; i < entry->states->len;) {
        const struct state *s = g_ptr_array_index(entry->states, i);
        if (implies(facts, s->facts)) {
            g_array_unref(facts);
            return NULL;
        } else if (entry->merged || differ_in_one(facts, s->facts)
                   || implies(s->facts, facts)) {
            GArray *both = join(s->facts, facts);
            g_array_unref(facts);
            facts = both;
            kill_state(entry, i);
            i = 0;
        } else {
            i++;
        }
    }
    return facts;
}

/* Lets a block be entered with 'facts', which are taken over. */
static void
enter(struct run *run, uint32_t block, GArray *facts)
{
    uint32_t first = run->paths->function->first_block;
    struct entry *entry = &run->entries[block - first];

    facts = merge(entry, facts);
    if (facts && !entry->merged
        && (entry->states->len >= MAX_STATES
            || run->visits > run->max_visits)) {
        entry->merged = true;
        facts = merge(entry, facts);
    }
    if (facts) {
        struct state *state = g_new(struct state, 1);
        *state = (struct state) { facts, block, true, false };
        g_ptr_array_add(entry->states, state);
        g_queue_push_tail(run->queue, state);
        run->visits++;
    }
}

/* Values. */

struct sa_values
sa_paths_constant(LLVMValueRef value)
{
    if (LLVMIsAConstantInt(value) && sa_paths_bits(value)) {
        return sa_values_one(LLVMConstIntGetZExtValue(value));
    } else if (LLVMIsAConstantPointerNull(value) && sa_paths_bits(value)) {
        return sa_values_one(0);
    } else if ((LLVMIsAAllocaInst(value) || LLVMIsAFunction(value)
                || LLVMIsAGlobalVariable(value))
               && sa_paths_bits(value)
               && !(LLVMIsAGlobalValue(value)
                    && LLVMGetLinkage(value) == LLVMExternalWeakLinkage)) {
        return sa_values_but(0);
    }
    return sa_values_any();
}

static struct sa_values
evaluate(const struct sa_paths *ps, const GArray *facts, LLVMValueRef value)
{
    uint32_t var = (LLVMIsAAllocaInst(value) ? SA_NONE
                    : sa_paths_var(ps, value));
    return var == SA_NONE ? sa_paths_constant(value) : get(facts, var);
}

static struct sa_values
select_values(const struct sa_paths *ps, const GArray *facts,
              LLVMValueRef insn)
{
    struct sa_values values[3];
    for (int i = 0; i < 3; i++) {
        values[i] = evaluate(ps, facts, LLVMGetOperand(insn, i));
    }
    return (LLVMTypeOf(LLVMGetOperand(insn, 0))
            != LLVMInt1TypeInContext(ps->program->context)
            ? sa_values_any()
            : !sa_values_has(&values[0], 0) ? values[1]
            : !sa_values_has(&values[0], 1) ? values[2]
            : sa_values_join(&values[1], &values[2]));
}

/* What an instruction results in; phis are for enter_from(). */
static struct sa_values
compute(const struct sa_paths *ps, const GArray *facts,
        const struct sa_insn *insn)
{
    LLVMValueRef v = insn->value;
    int n = LLVMGetNumOperands(v);
    LLVMValueRef first = n > 0 ? LLVMGetOperand(v, 0) : NULL;
    LLVMValueRef second = n > 1 ? LLVMGetOperand(v, 1) : NULL;
    unsigned int bits = first ? sa_paths_bits(first) : 0;
    if (!bits || !sa_paths_bits(v)) {
        return sa_values_any();
    } else if (insn->opcode == LLVMSelect) {
        return select_values(ps, facts, v);
    } else if (insn->opcode == LLVMLoad) {
        return (sa_paths_is_cell(ps, first)
                ? get(facts, sa_paths_var(ps, first)) : sa_values_any());
    }

    struct sa_values a = evaluate(ps, facts, first);
    struct sa_values b = (second ? evaluate(ps, facts, second)
                          : sa_values_any());
    switch ((int) insn->opcode) {
    case LLVMICmp:
        return sa_values_compare(LLVMGetICmpPredicate(v), bits, &a, &b);
    case LLVMFreeze:
        return a;
    case LLVMZExt: case LLVMSExt: case LLVMTrunc:
        return sa_values_cast(insn->opcode, bits, sa_paths_bits(v), &a);
    case LLVMAnd: case LLVMOr: case LLVMXor: case LLVMShl: case LLVMLShr:
        return sa_values_binary(insn->opcode, bits, &a, &b);
    default:
        return sa_values_any();
    }
}

/* What is known once 'value' is known to be one of 'values'; false if it
 * cannot be.  'end' is the branch that tells. */
static bool
learn(const struct sa_paths *ps, GArray *facts, LLVMValueRef value,
      const struct sa_values *values, LLVMValueRef end)
{
    struct sa_values now = evaluate(ps, facts, value);
    now = sa_values_meet(&now, values);
    if (sa_values_is_none(&now)) {
        return false;
    }
    uint32_t var = sa_paths_var(ps, value);
    if (var == SA_NONE || LLVMIsAAllocaInst(value)) {
        return true;
    }
    set(ps, facts, var, now);
    if (!LLVMIsAInstruction(value)) {
        return true;
    }

    LLVMOpcode opcode = LLVMGetInstructionOpcode(value);
    LLVMValueRef first = (LLVMGetNumOperands(value) > 0
                          ? LLVMGetOperand(value, 0) : NULL);
    if (opcode == LLVMICmp && sa_paths_bits(first)
        && sa_values_has(&now, 0) != sa_values_has(&now, 1)) {
        LLVMValueRef second = LLVMGetOperand(value, 1);
        struct sa_values a = evaluate(ps, facts, first);
        struct sa_values b = evaluate(ps, facts, second);
        struct sa_values rest = sa_values_where(
            LLVMGetICmpPredicate(value), sa_paths_bits(first), &a, &b,
            sa_values_has(&now, 1));
        return learn(ps, facts, first, &rest, end);
    } else if ((opcode == LLVMZExt || opcode == LLVMSExt)
               && sa_paths_bits(first)) {
        struct sa_values from = sa_values_uncast(
            opcode, sa_paths_bits(first), sa_paths_bits(value), &now);
        return learn(ps, facts, first, &from, end);
    } else if (opcode == LLVMLoad && sa_paths_is_cell(ps, first)
               && LLVMGetInstructionParent(value)
                  == LLVMGetInstructionParent(end)) {
        /* The local still has that value if nothing is stored between. */
        for (LLVMValueRef insn = value; insn != end;
             insn = LLVMGetNextInstruction(insn)) {
            if ((LLVMIsAStoreInst(insn) && LLVMGetOperand(insn, 1) == first)
                || (LLVMIsACallInst(insn) && sa_paths_returns_twice(insn))) {
                return true;
            }
        }
        var = sa_paths_var(ps, first);
        struct sa_values content = get(facts, var);
        set(ps, facts, var, sa_values_meet(&content, &now));
    }
    return true;
}

/* Control. */

/* Enters 'to' from 'from' with 'facts', which are taken over. */
static void
enter_from(struct run *run, uint32_t from, LLVMBasicBlockRef to, GArray *facts)
{
    const struct sa_paths *ps = run->paths;
    const struct sa_program *p = ps->program;
    uint32_t block = sa_block_id(p, to);
    GArray *next = g_array_new(FALSE, FALSE, sizeof(struct fact));

    for (guint i = 0; i < facts->len; i++) {
        if (sa_paths_is_live(ps, block, fact_at(facts, i)->var)) {
            g_array_append_val(next, *fact_at(facts, i));
        }
    }
    for (uint32_t i = 0; i < p->blocks[block].n_insns; i++) {
        LLVMValueRef phi = p->insns[p->blocks[block].first_insn + i].value;
        if (!LLVMIsAPHINode(phi)) {
            break;
        }
        for (unsigned int j = 0; j < LLVMCountIncoming(phi); j++) {
            if (LLVMGetIncomingBlock(phi, j) == p->blocks[from].value) {
                LLVMValueRef value = LLVMGetIncomingValue(phi, j);
                set(ps, next, sa_paths_var(ps, phi),
                    evaluate(ps, facts, value));
                break;
            }
        }
    }
    g_array_unref(facts);
    enter(run, block, next);
}

/* Enters 'to' if 'value' may be one of 'values'. */
static void
enter_if(struct run *run, uint32_t from, LLVMBasicBlockRef to,
         const GArray *facts, LLVMValueRef value,
         const struct sa_values *values)
{
    LLVMValueRef end
        = LLVMGetBasicBlockTerminator(run->paths->program->blocks[from].value);
    GArray *next = copy_facts(facts);

    if (learn(run->paths, next, value, values, end)) {
        enter_from(run, from, to, next);
    } else {
        g_array_unref(next);
    }
}

static void
leave_by_switch(struct run *run, uint32_t block, LLVMValueRef insn,
                const GArray *facts)
{
    LLVMValueRef value = LLVMGetOperand(insn, 0);
    bool known = sa_paths_bits(value) != 0;
    struct sa_values rest = (known ? evaluate(run->paths, facts, value)
                             : sa_values_any());

    /* Operands: value, default, then constants and their targets. */
    for (unsigned int i = 1; i < LLVMGetNumSuccessors(insn); i++) {
        struct sa_values any = sa_values_any();
        struct sa_values is
            = (known ? sa_paths_constant(LLVMGetOperand(insn, 2 * i)) : any);
        LLVMBasicBlockRef to = LLVMGetSuccessor(insn, i);
        enter_if(run, block, to, facts, value, &is);
        if (known) {
            struct sa_values others = sa_values_but(is.values[0]);
            rest = sa_values_meet(&rest, &others);
        }
    }
    if (!sa_values_is_none(&rest)) {
        enter_if(run, block, LLVMGetSuccessor(insn, 0), facts, value, &rest);
    }
}

static void
leave(struct run *run, uint32_t block, const struct sa_insn *insn,
      const GArray *facts)
{
    LLVMValueRef v = insn->value;

    if (insn->opcode == LLVMBr && LLVMIsConditional(v)) {
        for (int i = 0; i < 2; i++) {
            struct sa_values truth = sa_values_one(!i);
            enter_if(run, block, LLVMGetSuccessor(v, i), facts,
                     LLVMGetCondition(v), &truth);
        }
    } else if (insn->opcode == LLVMSwitch) {
        leave_by_switch(run, block, v, facts);
    } else {
        for (unsigned int i = 0; i < LLVMGetNumSuccessors(v); i++) {
            enter_from(run, block, LLVMGetSuccessor(v, i), copy_facts(facts));
        }
    }
}

static bool
is_setjmp(LLVMValueRef call)
{
    static const char *const names[] = { "setjmp", "_setjmp", "sigsetjmp",
                                         "__sigsetjmp", NULL };
    LLVMValueRef f = LLVMGetCalledValue(call);
    size_t n;
    return (LLVMIsAFunction(f) && LLVMIsDeclaration(f)
            && g_strv_contains(names, LLVMGetValueName2(f, &n)));
}

bool
sa_paths_returns_twice(LLVMValueRef call)
{
    static const char name[] = "returns_twice";
    unsigned int kind = LLVMGetEnumAttributeKindForName(name,
                                                        sizeof name - 1);
    LLVMValueRef f = LLVMGetCalledValue(call);
    return (is_setjmp(call)
            || LLVMGetCallSiteEnumAttribute(call, LLVMAttributeFunctionIndex,
                                            kind)
            || (LLVMIsAFunction(f)
                && LLVMGetEnumAttributeAtIndex(f, LLVMAttributeFunctionIndex,
                                               kind)));
}

static void
tell_call(struct run *run, uint32_t insn, const GArray *facts)
{
    LLVMValueRef call = run->paths->program->insns[insn].value;
    unsigned int n = LLVMGetNumArgOperands(call);
    struct sa_values *args = g_new(struct sa_values, n + 1);

    for (unsigned int i = 0; i < n; i++) {
        args[i] = evaluate(run->paths, facts, LLVMGetOperand(call, i));
    }
    run->call(insn, args, run->aux);
    g_free(args);
}

/* Whether a select chooses by what is not known, and may be executed once for
 * each choice. */
static bool
is_choice(const struct sa_paths *ps, const GArray *facts,
          const struct sa_insn *insn)
{
    if (insn->opcode != LLVMSelect
        || !LLVMIsAInstruction(LLVMGetOperand(insn->value, 0))) {
        return false;
    }
    struct sa_values condition
        = evaluate(ps, facts, LLVMGetOperand(insn->value, 0));
    return sa_values_has(&condition, 0) && sa_values_has(&condition, 1);
}

/* Executes a block from its instruction 'next' on, with as many choices
 * ahead.  Takes 'facts' over. */
static void
execute(struct run *run, uint32_t block, uint32_t next, GArray *facts,
        int choices)
{
    const struct sa_paths *ps = run->paths;
    const struct sa_program *p = ps->program;
    const struct sa_block *b = &p->blocks[block];

    for (uint32_t i = next; i < b->n_insns; i++) {
        const struct sa_insn *insn = &p->insns[b->first_insn + i];
        uint32_t var = (ps->function->n_params + b->first_insn + i
                        - ps->function->first_insn);
        struct sa_values result = sa_values_any();
        if (insn->opcode == LLVMPHI) {
            continue;
        } else if (insn->opcode == LLVMStore) {
            LLVMValueRef to = LLVMGetOperand(insn->value, 1);
            if (sa_paths_is_cell(ps, to)) {
                set(ps, facts, sa_paths_var(ps, to),
                    evaluate(ps, facts, LLVMGetOperand(insn->value, 0)));
            }
        } else if (sa_is_call(insn->opcode)) {
            tell_call(run, b->first_insn + i, facts);
            if (sa_paths_returns_twice(insn->value)) {
                /* Parameters are those vars that are never set. */
                GArray *again = copy_facts(facts);
                g_array_set_size(again, find_fact(again,
                                                  ps->function->n_params));
                if (is_setjmp(insn->value) && i + 1 < b->n_insns) {
                    set(ps, again, var, sa_values_but(0));
                    execute(run, block, i + 1, again, choices);
                    result = sa_values_one(0);
                } else {
                    g_array_unref(facts);
                    facts = again;
                }
            }
        } else if (ps->relevant[var]) {
            if (choices && is_choice(ps, facts, insn)) {
                LLVMValueRef condition = LLVMGetOperand(insn->value, 0);
                struct sa_values yes = sa_values_one(1);
                struct sa_values no = sa_values_one(0);
                GArray *other = copy_facts(facts);
                choices--;
                if (learn(ps, other, condition, &yes, insn->value)) {
                    execute(run, block, i, other, choices);
                } else {
                    g_array_unref(other);
                }
                if (!learn(ps, facts, condition, &no, insn->value)) {
                    break;
                }
            }
            result = compute(ps, facts, insn);
        }
        set(ps, facts, var, result);
        if (LLVMIsATerminatorInst(insn->value)) {
            leave(run, block, insn, facts);
        }
    }
    g_array_unref(facts);
}

void
sa_paths_run(struct sa_paths *ps, const struct sa_values params[],
             bool *executed,
             void (*call)(uint32_t insn, const struct sa_values args[],
                          void *aux),
             void *aux)
{
    const struct sa_function *f = ps->function;
    struct run run = {
        .paths = ps,
        .entries = g_new0(struct entry, f->n_blocks + 1),
        .queue = g_queue_new(),
        .max_visits = (uint64_t) MAX_VISITS * f->n_blocks,
        .call = call,
        .aux = aux,
    };
    GArray *facts = g_array_new(FALSE, FALSE, sizeof(struct fact));

    for (uint32_t i = 0; i < f->n_blocks; i++) {
        run.entries[i].states = g_ptr_array_new();
    }
    for (uint32_t i = 0; i < f->n_params; i++) {
        set(ps, facts, i, params[i]);
    }
    enter(&run, f->first_block, facts);

    struct state *state;
    while ((state = g_queue_pop_head(run.queue))) {
        state->queued = false;
        if (state->dead) {
            state_free(state);
            continue;
        }
        executed[state->block] = true;
        execute(&run, state->block, 0, copy_facts(state->facts), MAX_CHOICES);
    }
    for (uint32_t i = 0; i < f->n_blocks; i++) {
        GPtrArray *states = run.entries[i].states;
        for (guint j = 0; j < states->len; j++) {
            state_free(states->pdata[j]);
        }
        g_ptr_array_unref(states);
    }
    g_free(run.entries);
    g_queue_free(run.queue);
}
