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

#include "feasible.h"

#include <glib.h>
#include <inttypes.h>
#include "call.h"
#include "paths.h"
#include "procedures.h"

struct sa_feasible {
    const struct sa_program *program;
    const struct sa_pta *pta;
    bool *executed;             /* By block. */
    bool *reached;              /* By function: called. */
    bool *active;               /* By function: since before the loop. */
    bool *root;                 /* By function: called by a library. */
    bool *whole;                /* By function: all of it is executed. */
    bool *queued;               /* By function. */
    struct sa_values **params;  /* By function; NULL unless reached. */
    struct sa_paths **paths;    /* By function; NULL unless needed. */
    GQueue *work;               /* Functions to look into. */
    uint32_t n_runs;
};

/* Calls. */

/* Adds a call of 'function' with arguments 'args', or with any if 'call' is
 * NULL. */
static void
reach(struct sa_feasible *fs, uint32_t function, LLVMValueRef call,
      const struct sa_values args[])
{
    const struct sa_function *f = &fs->program->functions[function];
    if (!f->defined) {
        return;
    }

    bool changed = !fs->reached[function];
    if (changed) {
        fs->reached[function] = true;
        fs->params[function] = g_new0(struct sa_values, f->n_params + 1);
    }
    fs->root[function] |= !call;
    unsigned int n_args = call ? LLVMGetNumArgOperands(call) : 0;
    for (uint32_t i = 0; i < f->n_params; i++) {
        LLVMValueRef param = fs->program->values[f->first_param + i];
        struct sa_values *old = &fs->params[function][i];
        struct sa_values new = sa_values_any();
        if (i < n_args && (LLVMTypeOf(LLVMGetOperand(call, i))
                           == LLVMTypeOf(param))) {
            new = sa_values_join(old, &args[i]);
        }
        if (!sa_values_equal(old, &new)) {
            *old = new;
            changed = true;
        }
    }
    if (changed && !fs->queued[function]) {
        fs->queued[function] = true;
        g_queue_push_tail(fs->work, GUINT_TO_POINTER(function));
    }
}

static void
add_call(uint32_t insn, const struct sa_values args[], void *fs_)
{
    struct sa_feasible *fs = fs_;
    LLVMValueRef call = fs->program->insns[insn].value;
    uint32_t n;

    const uint32_t *functions = sa_pta_callees(fs->pta, insn, &n);
    for (uint32_t i = 0; i < n; i++) {
        reach(fs, functions[i], call, args);
    }
    functions = sa_pta_callbacks(fs->pta, insn, &n);
    for (uint32_t i = 0; i < n; i++) {
        reach(fs, functions[i], NULL, NULL);
    }
}

/* What a value is, if that is seen without knowing what is executed. */
static struct sa_values
simple_values(LLVMValueRef value, int depth)
{
    unsigned int first, n;

    if (LLVMIsAPHINode(value)) {
        first = 0;
        n = LLVMCountIncoming(value);
    } else if (LLVMIsASelectInst(value)) {
        first = 1;
        n = 3;
    } else {
        return sa_paths_constant(value);
    }
    if (!depth || !sa_paths_bits(value)) {
        return sa_values_any();
    }
    struct sa_values values = sa_values_none();
    for (unsigned int i = first; i < n; i++) {
        struct sa_values more
            = simple_values(LLVMIsAPHINode(value)
                            ? LLVMGetIncomingValue(value, i)
                            : LLVMGetOperand(value, i), depth - 1);
        values = sa_values_join(&values, &more);
        if (sa_values_is_any(&values)) {
            break;
        }
    }
    return values;
}

/* Adds a block, whatever the values of parameters are. */
static void
add_block(struct sa_feasible *fs, uint32_t block)
{
    enum { MAX_DEPTH = 4 };
    const struct sa_block *b = &fs->program->blocks[block];

    if (fs->executed[block]) {
        return;
    }
    fs->executed[block] = true;
    for (uint32_t i = 0; i < b->n_insns; i++) {
        const struct sa_insn *insn = &fs->program->insns[b->first_insn + i];
        if (!sa_is_call(insn->opcode)) {
            continue;
        }
        unsigned int n = LLVMGetNumArgOperands(insn->value);
        struct sa_values *args = g_new(struct sa_values, n + 1);
        for (unsigned int j = 0; j < n; j++) {
            args[j] = simple_values(LLVMGetOperand(insn->value, j),
                                    MAX_DEPTH);
        }
        add_call(b->first_insn + i, args, fs);
        g_free(args);
    }
}

static void
add_whole(struct sa_feasible *fs, uint32_t function)
{
    const struct sa_function *f = &fs->program->functions[function];

    /* What was executed before was told with other arguments. */
    fs->whole[function] = true;
    for (uint32_t i = 0; i < f->n_blocks; i++) {
        fs->executed[f->first_block + i] = false;
        add_block(fs, f->first_block + i);
    }
}

/* Whether what is executed in a function depends on values of its parameters
 * that are known. */
static bool
depends(struct sa_feasible *fs, uint32_t function)
{
    const struct sa_function *f = &fs->program->functions[function];

    for (uint32_t i = 0; i < f->n_params; i++) {
        if (!sa_values_is_any(&fs->params[function][i])) {
            if (!fs->paths[function]) {
                fs->paths[function] = sa_paths_create(fs->program, function);
            }
            if (sa_paths_depend_on(fs->paths[function], i)) {
                return true;
            }
        }
    }
    return false;
}

static void
look_into(struct sa_feasible *fs, uint32_t function)
{
    if (fs->whole[function]) {
        return;
    } else if (fs->active[function] || !depends(fs, function)) {
        add_whole(fs, function);
    } else {
        fs->n_runs++;
        sa_paths_run(fs->paths[function], fs->params[function], fs->executed,
                     add_call, fs);
    }
}

/* Roots. */

static bool
may_return_twice(const struct sa_program *p, uint32_t function)
{
    const struct sa_function *f = &p->functions[function];

    for (uint32_t i = 0; i < f->n_insns; i++) {
        const struct sa_insn *insn = &p->insns[f->first_insn + i];
        if (sa_is_call(insn->opcode) && sa_paths_returns_twice(insn->value)) {
            return true;
        }
    }
    return false;
}

static void
add_loops(struct sa_feasible *fs, const struct sa_loops *loops)
{
    for (size_t i = 0; i < loops->n_loops; i++) {
        const struct sa_loop *loop = &loops->loops[i];
        if (!loop->chosen) {
            continue;
        }
        for (size_t j = 0; j < loop->n_handlers; j++) {
            reach(fs, loop->handlers[j], NULL, NULL);
        }
        for (size_t j = 0; j < loop->n_blocks; j++) {
            add_block(fs, loop->blocks[j]);
        }
    }
    sa_loops_mark_callers(loops, fs->active);
    for (uint32_t f = 0; f < fs->program->n_functions; f++) {
        /* longjmp() leads back there from the loop. */
        if (fs->active[f] && may_return_twice(fs->program, f)) {
            add_whole(fs, f);
        }
    }
}

static void
add_called_later(struct sa_feasible *fs, const struct sa_tables *tables)
{
    for (uint32_t insn = 0; insn < fs->program->n_insns; insn++) {
        uint32_t n;
        if (!sa_is_call(fs->program->insns[insn].opcode)) {
            continue;
        }
        const uint32_t *called = sa_pta_callbacks(fs->pta, insn, &n);
        if (n && sa_calls_later(fs->program, fs->pta, tables, insn)) {
            for (uint32_t i = 0; i < n; i++) {
                reach(fs, called[i], NULL, NULL);
            }
        }
    }
}

struct sa_feasible *
sa_feasible_find(const struct sa_program *program, const struct sa_pta *pta,
                 const struct sa_tables *tables, const struct sa_loops *loops)
{
    uint32_t n = program->n_functions;
    struct sa_feasible *fs = g_new0(struct sa_feasible, 1);

    fs->program = program;
    fs->pta = pta;
    fs->executed = g_new0(bool, program->n_blocks + 1);
    fs->reached = g_new0(bool, n + 1);
    fs->active = g_new0(bool, n + 1);
    fs->root = g_new0(bool, n + 1);
    fs->whole = g_new0(bool, n + 1);
    fs->queued = g_new0(bool, n + 1);
    fs->params = g_new0(struct sa_values *, n + 1);
    fs->paths = g_new0(struct sa_paths *, n + 1);
    fs->work = g_queue_new();

    add_loops(fs, loops);
    add_called_later(fs, tables);
    while (!g_queue_is_empty(fs->work)) {
        uint32_t function = GPOINTER_TO_UINT(g_queue_pop_head(fs->work));
        fs->queued[function] = false;
        look_into(fs, function);
    }
    return fs;
}

void
sa_feasible_destroy(struct sa_feasible *fs)
{
    if (fs) {
        for (uint32_t i = 0; i < fs->program->n_functions; i++) {
            g_free(fs->params[i]);
            sa_paths_destroy(fs->paths[i]);
        }
        g_free(fs->executed);
        g_free(fs->reached);
        g_free(fs->active);
        g_free(fs->root);
        g_free(fs->whole);
        g_free(fs->queued);
        g_free(fs->params);
        g_free(fs->paths);
        g_queue_free(fs->work);
        g_free(fs);
    }
}

bool
sa_feasible_has_block(const struct sa_feasible *fs, uint32_t block)
{
    return fs->executed[block];
}

bool
sa_feasible_is_root(const struct sa_feasible *fs, uint32_t function)
{
    return fs->root[function] || fs->active[function];
}

static void
describe_values(GString *s, const struct sa_values *values, unsigned int bits)
{
    g_string_append(s, values->excluded ? "is not " : "is ");
    for (unsigned int i = 0; i < values->n; i++) {
        uint64_t v = values->values[i] << (64 - bits);
        g_string_append_printf(s, "%s%"PRId64, !i ? ""
                               : i + 1 < values->n ? ", " : " or ",
                               (int64_t) v >> (64 - bits));
    }
}

char *
sa_feasible_params(const struct sa_feasible *fs, uint32_t function)
{
    const struct sa_program *p = fs->program;
    const struct sa_function *f = &p->functions[function];
    GString *s = g_string_new("");

    for (uint32_t i = 0; fs->reached[function] && i < f->n_params; i++) {
        const struct sa_values *values = &fs->params[function][i];
        const struct sa_variable *v
            = sa_value_variable(p, f->first_param + i);
        if (v && !sa_values_is_any(values) && !sa_values_is_none(values)) {
            g_string_append_printf(s, "%s%s ", s->len ? ", " : "", v->name);
            describe_values(s, values,
                            sa_paths_bits(p->values[f->first_param + i]));
        }
    }
    return g_string_free(s, FALSE);
}

struct sa_feasible_stats
sa_feasible_get_stats(const struct sa_feasible *fs)
{
    struct sa_feasible_stats stats = { .n_runs = fs->n_runs };

    for (uint32_t i = 0; i < fs->program->n_functions; i++) {
        const struct sa_function *f = &fs->program->functions[i];
        if (fs->reached[i]) {
            stats.n_functions++;
            stats.n_blocks += f->n_blocks;
            for (uint32_t j = 0; j < f->n_blocks; j++) {
                stats.n_executed += fs->executed[f->first_block + j];
            }
        }
    }
    return stats;
}
