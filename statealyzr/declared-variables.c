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

#include "state-private.h"

#include <string.h>

#include "locals.h"
#include "loop.h"
#include "members.h"
#include "procedures.h"

static void
set_type(struct sa_state_variable *v, const struct sa_analysis *a,
         LLVMMetadataRef type)
{
    if (!type) {
        return;
    }
    v->type = sa_type_of(a->types, type);
    v->size = v->type->size;
    const struct sa_type *t = v->type->canonical;
    while (t->kind == SA_TYPE_ARRAY && t->target) {
        v->n_elements *= t->n_elements;
        v->type = t->target;
        t = t->target->canonical;
        v->size = t->size;
    }
}

static char *
qualified_name(const struct sa_analysis *a, const struct sa_variable *dv)
{
    if (dv->function == SA_NONE) {
        return g_strdup(dv->name);
    }
    return g_strdup_printf("%s::%s",
                           a->program->functions[dv->function].source_name,
                           dv->name);
}

static void
collect_globals(struct sa_state *state, const struct sa_analysis *a)
{
    for (LLVMValueRef g = LLVMGetFirstGlobal(a->program->module); g;
         g = LLVMGetNextGlobal(g)) {
        uint32_t value = sa_value_id(a->program, g);
        const struct sa_variable *dv = sa_value_variable(a->program, value);
        size_t n;
        const char *symbol = LLVMGetValueName2(g, &n);
        bool named = dv ? *dv->name
                     : (!LLVMIsGlobalConstant(g) && *symbol
                        && *symbol != '.');
        if (!LLVMGetInitializer(g) || !named) {
            continue;           /* The library's; literals. */
        }

        enum sa_storage storage = SA_STORAGE_GLOBAL;
        if (dv && dv->function != SA_NONE) {
            storage = SA_STORAGE_FUNCTION_STATIC;
        } else if ((dv && dv->is_static)
                   || LLVMGetLinkage(g) == LLVMInternalLinkage) {
            storage = SA_STORAGE_FILE_STATIC;
        }
        struct sa_state_variable *v = sa_state_add_variable(
            state, dv ? qualified_name(a, dv) : g_strdup(symbol), storage);
        g_free(v->symbol);
        v->symbol = g_strdup(symbol);
        v->value = value;
        if (dv) {
            v->loc = dv->loc;
            set_type(v, a, dv->type);
        } else {
            v->size = LLVMABISizeOfType(a->program->layout,
                                        LLVMGlobalGetValueType(g));
        }
        uint32_t object = value == SA_NONE ? SA_NONE
                          : sa_pta_object_of(a->pta, value);
        if (object != SA_NONE) {
            sa_state_add_object(v, a, object);
        }
    }
}

static void
add_local(struct sa_state *state, const struct sa_analysis *a, uint32_t value)
{
    const struct sa_variable *dv = sa_value_variable(a->program, value);
    for (guint i = 0; i < state->variables->len; i++) {
        const struct sa_state_variable *v = sa_state_variable(state, i);
        if (v->value == value) {
            return;
        }
    }
    struct sa_state_variable *v = sa_state_add_variable(
        state, qualified_name(a, dv), SA_STORAGE_LOOP_LOCAL);
    v->value = value;
    v->loc = dv->loc;
    set_type(v, a, dv->type);
    LLVMValueRef llvm = a->program->values[value];
    if (LLVMIsAAllocaInst(llvm)) {
        uint32_t object = sa_pta_object_of(a->pta, value);
        if (object != SA_NONE) {
            sa_state_add_object(v, a, object);
        }
        if (!dv->type) {
            v->size = LLVMABISizeOfType(a->program->layout,
                                        LLVMGetAllocatedType(llvm));
        }
    }
}

/* Lines of the source that a loop extends over. */
static void
loop_lines(const struct sa_analysis *a, const struct sa_loop *loop,
           unsigned int *first, unsigned int *last)
{
    *first = UINT_MAX;
    *last = 0;
    for (size_t i = 0; i < loop->n_blocks; i++) {
        const struct sa_block *b = &a->program->blocks[loop->blocks[i]];
        for (uint32_t j = 0; j < b->n_insns; j++) {
            struct sa_loc loc = sa_insn_loc(a->program, b->first_insn + j);
            if (loc.line) {
                *first = MIN(*first, loc.line);
                *last = MAX(*last, loc.line);
            }
        }
    }
}

/* Whether an instruction in the loop uses a value of the loop's function; what
 * 'header' makes of it is another value of the same variable. */
static bool
used_in_loop(const struct sa_analysis *a, uint32_t id, uint32_t header)
{
    const struct sa_program *p = a->program;
    for (LLVMUseRef use = LLVMGetFirstUse(p->values[id]); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        uint32_t insn = sa_insn_id(p, user);
        if (insn != SA_NONE && sa_loops_has_insn(a->loops, insn)
            && !(LLVMIsAPHINode(user) && p->insns[insn].block == header
                 && sa_same_variable(p, id, p->insns[insn].result))) {
            return true;
        }
    }
    return false;
}

/* Locals of the loop procedure: memory that lives at the header, values that
 * the header merges, and values from before that the loop uses. */
static void
collect_loop_locals(struct sa_state *state, const struct sa_analysis *a,
                    const struct sa_loop *loop)
{
    const struct sa_program *p = a->program;
    const struct sa_function *f = &p->functions[loop->function];
    uint32_t header = loop->header;
    unsigned int first, last;
    loop_lines(a, loop, &first, &last);

    for (uint32_t i = 0; i < f->n_params; i++) {
        uint32_t value = f->first_param + i;
        if (sa_value_variable(p, value)
            && used_in_loop(a, value, header)) {
            add_local(state, a, value);
        }
    }
    for (uint32_t i = 0; i < f->n_insns; i++) {
        const struct sa_insn *insn = &p->insns[f->first_insn + i];
        const struct sa_variable *dv
            = (insn->result == SA_NONE ? NULL
               : sa_value_variable(p, insn->result));
        if (!dv) {
            continue;
        }
        bool lives;
        if (insn->opcode == LLVMAlloca) {
            bool declared_inside = dv->loc.line > first
                                   && dv->loc.line <= last;
            lives = !declared_inside && sa_local_lives(a, loop, insn->result);
        } else if (insn->opcode == LLVMPHI && insn->block == header) {
            lives = true;
        } else {
            lives = (!sa_loops_has_insn(a->loops, f->first_insn + i)
                     && used_in_loop(a, insn->result, header));
        }
        if (lives) {
            add_local(state, a, insn->result);
        }
    }
}

/* Objects that code that runs in the loop accesses. */
static bool *
accessed_in_loop(const struct sa_analysis *a)
{
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(a->pta, &n);
    sa_pta_objects(a->pta, &n);
    bool *accessed = g_new0(bool, n + 1);
    bool *seen = g_new0(bool, sa_modref_n_sets(a->modref));
    for (uint32_t insn = 0; insn < a->program->n_insns; insn++) {
        if (!sa_procedures_has_insn(a->procedures, insn)) {
            continue;
        }
        uint32_t sets[] = { sa_modref_read_set(a->modref, insn),
                            sa_modref_write_set(a->modref, insn) };
        for (int i = 0; i < 2; i++) {
            if (!seen[sets[i]]) {
                struct sa_nodes set = sa_modref_set(a->modref, sets[i]);
                seen[sets[i]] = true;
                for (uint32_t j = 0; j < set.n; j++) {
                    accessed[nodes[set.ids[j]].object] = true;
                }
            }
        }
    }
    g_free(seen);
    return accessed;
}

/* Whether the locals of a function are from before the loop: it is not called
 * in the loop, and has no loop of its own but one in the library. */
static bool
is_outside(const struct sa_analysis *a, uint32_t function)
{
    bool outside = !a->procedures->functions[function];
    for (size_t i = 0; i < a->loops->n_loops; i++) {
        const struct sa_loop *loop = &a->loops->loops[i];
        if (loop->chosen && loop->function == function) {
            if (loop->n_blocks) {
                return false;
            }
            outside = true;
        }
    }
    return outside;
}

/* Locals of what called the loop procedure, which the loop gets by address. */
static void
collect_callers_locals(struct sa_state *state, const struct sa_analysis *a)
{
    const struct sa_program *p = a->program;
    bool *callers = g_new0(bool, p->n_functions);
    sa_loops_mark_callers(a->loops, callers);
    bool *accessed = accessed_in_loop(a);
    for (uint32_t i = 0; i < p->n_functions; i++) {
        const struct sa_function *f = &p->functions[i];
        if (!callers[i] || !is_outside(a, i)) {
            continue;
        }
        for (uint32_t j = 0; j < f->n_insns; j++) {
            const struct sa_insn *insn = &p->insns[f->first_insn + j];
            if (insn->opcode != LLVMAlloca
                || !sa_value_variable(p, insn->result)) {
                continue;
            }
            uint32_t object = sa_pta_object_of(a->pta, insn->result);
            if (object != SA_NONE && accessed[object]) {
                add_local(state, a, insn->result);
            }
        }
    }
    g_free(accessed);
    g_free(callers);
}

static int
compare_variables(gconstpointer a_, gconstpointer b_)
{
    const struct sa_state_variable *a = a_, *b = b_;
    int cmp = strcmp(a->loc.file ? a->loc.file : "",
                     b->loc.file ? b->loc.file : "");
    if (!cmp && a->loc.line != b->loc.line) {
        cmp = a->loc.line < b->loc.line ? -1 : 1;
    }
    if (!cmp) {
        cmp = strcmp(a->name, b->name);
    }
    return cmp ? cmp : strcmp(a->symbol, b->symbol);
}

void
sa_state_collect_declared(struct sa_state *state, const struct sa_analysis *a)
{
    collect_globals(state, a);
    for (size_t i = 0; i < a->loops->n_loops; i++) {
        const struct sa_loop *loop = &a->loops->loops[i];
        if (loop->chosen && loop->n_blocks) {
            collect_loop_locals(state, a, loop);
        }
    }
    collect_callers_locals(state, a);
    g_array_sort(state->variables, compare_variables);
}
