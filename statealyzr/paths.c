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

/* Vars. */

uint32_t
sa_paths_var(const struct sa_paths *ps, LLVMValueRef value)
{
    const struct sa_function *f = ps->function;

    if (LLVMIsAArgument(value)) {
        return sa_value_id(ps->program, value) - f->first_param;
    } else if (LLVMIsAInstruction(value)) {
        return (f->n_params + sa_insn_id(ps->program, value)
                - f->first_insn);
    }
    return SA_NONE;
}

unsigned int
sa_paths_bits(LLVMValueRef value)
{
    LLVMTypeRef type = LLVMTypeOf(value);
    LLVMTypeKind kind = LLVMGetTypeKind(type);

    if (kind == LLVMPointerTypeKind) {
        return LLVMGetPointerAddressSpace(type) ? 0 : 64;
    } else if (kind != LLVMIntegerTypeKind) {
        return 0;
    }
    unsigned int bits = LLVMGetIntTypeWidth(type);
    return bits <= 64 ? bits : 0;
}

/* Operations that are computed, on values of operands. */
static bool
is_computed(LLVMOpcode opcode)
{
    switch ((int) opcode) {
    case LLVMPHI: case LLVMICmp: case LLVMSelect: case LLVMFreeze:
    case LLVMZExt: case LLVMSExt: case LLVMTrunc:
    case LLVMAnd: case LLVMOr: case LLVMXor: case LLVMShl: case LLVMLShr:
        return true;
    default:
        return false;
    }
}

/* Whether a local is just loaded and stored whole. */
static bool
is_cell(LLVMValueRef local)
{
    LLVMTypeRef type = LLVMGetAllocatedType(local);

    if (!LLVMIsAConstantInt(LLVMGetOperand(local, 0))
        || LLVMConstIntGetZExtValue(LLVMGetOperand(local, 0)) != 1) {
        return false;
    }
    for (LLVMUseRef use = LLVMGetFirstUse(local); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (LLVMIsAStoreInst(user)) {
            LLVMValueRef value = LLVMGetOperand(user, 0);
            if (value == local || LLVMTypeOf(value) != type) {
                return false;
            }
        } else if (!LLVMIsALoadInst(user) || LLVMTypeOf(user) != type) {
            return false;
        }
    }
    return true;
}

bool
sa_paths_is_cell(const struct sa_paths *ps, LLVMValueRef pointer)
{
    return (LLVMIsAAllocaInst(pointer) && ps->cell[sa_paths_var(ps, pointer)]);
}

static void
mark(struct sa_paths *ps, LLVMValueRef value, GArray *work)
{
    uint32_t var = sa_paths_var(ps, value);

    if (var != SA_NONE && !ps->relevant[var]
        && (LLVMIsAAllocaInst(value) || sa_paths_bits(value))) {
        ps->relevant[var] = true;
        g_array_append_val(work, value);
    }
}

/* Marks what branches and calls depend on directly. */
static void
mark_used(struct sa_paths *ps, const struct sa_insn *insn, GArray *work)
{
    if ((insn->opcode == LLVMBr && LLVMIsConditional(insn->value))
        || insn->opcode == LLVMSwitch) {
        mark(ps, LLVMGetOperand(insn->value, 0), work);
    } else if (sa_is_call(insn->opcode)) {
        LLVMValueRef callee = LLVMGetCalledValue(insn->value);
        if (!LLVMIsAFunction(callee) || !LLVMIsDeclaration(callee)) {
            unsigned int n = LLVMGetNumArgOperands(insn->value);
            for (unsigned int i = 0; i < n; i++) {
                mark(ps, LLVMGetOperand(insn->value, i), work);
            }
        }
    }
}

/* Marks what a relevant value is computed of. */
static void
mark_operands(struct sa_paths *ps, LLVMValueRef value, GArray *work)
{
    if (LLVMIsAAllocaInst(value)) {
        for (LLVMUseRef use = LLVMGetFirstUse(value);
             use && sa_paths_is_cell(ps, value); use = LLVMGetNextUse(use)) {
            if (LLVMIsAStoreInst(LLVMGetUser(use))) {
                mark(ps, LLVMGetOperand(LLVMGetUser(use), 0), work);
            }
        }
    } else if (LLVMIsALoadInst(value)) {
        if (sa_paths_is_cell(ps, LLVMGetOperand(value, 0))) {
            mark(ps, LLVMGetOperand(value, 0), work);
        }
    } else if (LLVMIsAInstruction(value)
               && is_computed(LLVMGetInstructionOpcode(value))) {
        for (int i = 0; i < LLVMGetNumOperands(value); i++) {
            mark(ps, LLVMGetOperand(value, i), work);
        }
    }
}

static void
find_relevant(struct sa_paths *ps)
{
    const struct sa_function *f = ps->function;
    GArray *work = g_array_new(FALSE, FALSE, sizeof(LLVMValueRef));

    for (uint32_t i = 0; i < f->n_insns; i++) {
        const struct sa_insn *insn = &ps->program->insns[f->first_insn + i];
        if (insn->opcode == LLVMAlloca) {
            ps->cell[f->n_params + i] = is_cell(insn->value);
        }
    }
    for (uint32_t i = 0; i < f->n_insns; i++) {
        mark_used(ps, &ps->program->insns[f->first_insn + i], work);
    }
    while (work->len) {
        LLVMValueRef value = g_array_index(work, LLVMValueRef, work->len - 1);
        g_array_set_size(work, work->len - 1);
        mark_operands(ps, value, work);
    }
    g_array_unref(work);
}

/* Liveness, of what may be used in another block than it is set in. */

static guint64 *
live_in(const struct sa_paths *ps, uint32_t block)
{
    return ps->live + (block - ps->function->first_block) * ps->n_words;
}

bool
sa_paths_is_live(const struct sa_paths *ps, uint32_t block, uint32_t var)
{
    uint32_t column = ps->column[var];
    return (column != SA_NONE
            && live_in(ps, block)[column / 64] >> column % 64 & 1);
}

static uint32_t
block_of(const struct sa_paths *ps, LLVMValueRef insn)
{
    return ps->program->insns[sa_insn_id(ps->program, insn)].block;
}

/* Marks a var as live where 'block' begins and before, up to where it is
 * set. */
static void
make_live(struct sa_paths *ps, uint32_t block, uint32_t var,
          const bool *sets, GArray *work)
{
    uint32_t column = ps->column[var];

    g_array_append_val(work, block);
    while (work->len) {
        uint32_t b = g_array_index(work, uint32_t, work->len - 1);
        g_array_set_size(work, work->len - 1);
        guint64 *word = live_in(ps, b) + column / 64;
        if (*word >> column % 64 & 1) {
            continue;
        }
        *word |= UINT64_C(1) << column % 64;
        LLVMValueRef label
            = LLVMBasicBlockAsValue(ps->program->blocks[b].value);
        for (LLVMUseRef use = LLVMGetFirstUse(label); use;
             use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);
            if (LLVMIsAInstruction(user) && LLVMIsATerminatorInst(user)) {
                uint32_t from = block_of(ps, user);
                if (!sets[from - ps->function->first_block]) {
                    g_array_append_val(work, from);
                }
            }
        }
    }
}

/* A use at the end of 'block', or, if it sets the var itself, none. */
static void
live_through(struct sa_paths *ps, uint32_t block, uint32_t var,
             const bool *sets, GArray *work)
{
    if (!sets[block - ps->function->first_block]) {
        make_live(ps, block, var, sets, work);
    }
}

static void
live_register(struct sa_paths *ps, LLVMValueRef value, uint32_t var,
              const bool *sets, GArray *work)
{
    for (LLVMUseRef use = LLVMGetFirstUse(value); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (!LLVMIsAPHINode(user)) {
            live_through(ps, block_of(ps, user), var, sets, work);
            continue;
        }
        for (unsigned int i = 0; i < LLVMCountIncoming(user); i++) {
            if (LLVMGetIncomingValue(user, i) == value) {
                LLVMBasicBlockRef from = LLVMGetIncomingBlock(user, i);
                live_through(ps, sa_block_id(ps->program, from), var, sets,
                             work);
            }
        }
    }
}

/* A local in memory is live where a load comes first. */
static void
live_cell(struct sa_paths *ps, uint32_t var, LLVMValueRef cell,
          const bool *sets, GArray *work)
{
    for (LLVMUseRef use = LLVMGetFirstUse(cell); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (!LLVMIsALoadInst(user)) {
            continue;
        }
        LLVMValueRef before = LLVMGetPreviousInstruction(user);
        while (before && before != cell
               && !(LLVMIsAStoreInst(before)
                    && LLVMGetOperand(before, 1) == cell)) {
            before = LLVMGetPreviousInstruction(before);
        }
        if (!before) {
            make_live(ps, block_of(ps, user), var, sets, work);
        }
    }
}

static LLVMValueRef
value_of(const struct sa_paths *ps, uint32_t var)
{
    const struct sa_function *f = ps->function;
    return (var < f->n_params ? ps->program->values[f->first_param + var]
            : ps->program->insns[f->first_insn + var - f->n_params].value);
}

static bool
is_crossing(const struct sa_paths *ps, uint32_t var)
{
    LLVMValueRef value = value_of(ps, var);

    if (!LLVMIsAInstruction(value) || ps->cell[var]) {
        return true;
    }
    LLVMBasicBlockRef block = LLVMGetInstructionParent(value);
    for (LLVMUseRef use = LLVMGetFirstUse(value); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (LLVMIsAPHINode(user) || LLVMGetInstructionParent(user) != block) {
            return true;
        }
    }
    return false;
}

static void
find_live(struct sa_paths *ps)
{
    const struct sa_function *f = ps->function;
    GArray *work = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool *sets = g_new(bool, f->n_blocks);

    for (uint32_t var = 0; var < ps->n_vars; var++) {
        ps->column[var] = SA_NONE;
        if (ps->relevant[var] && is_crossing(ps, var)) {
            ps->column[var] = ps->crossing->len;
            g_array_append_val(ps->crossing, var);
        }
    }
    ps->n_words = (ps->crossing->len + 63) / 64;
    ps->live = g_new0(guint64, ps->n_words * f->n_blocks + 1);
    for (guint i = 0; i < ps->crossing->len; i++) {
        uint32_t var = g_array_index(ps->crossing, uint32_t, i);
        LLVMValueRef value = value_of(ps, var);

        memset(sets, 0, f->n_blocks * sizeof *sets);
        if (LLVMIsAInstruction(value)) {
            sets[block_of(ps, value) - f->first_block] = true;
        }
        if (!ps->cell[var]) {
            live_register(ps, value, var, sets, work);
            continue;
        }
        for (LLVMUseRef use = LLVMGetFirstUse(value); use;
             use = LLVMGetNextUse(use)) {
            if (LLVMIsAStoreInst(LLVMGetUser(use))) {
                sets[block_of(ps, LLVMGetUser(use)) - f->first_block] = true;
            }
        }
        live_cell(ps, var, value, sets, work);
    }
    g_array_unref(work);
    g_free(sets);
}

struct sa_paths *
sa_paths_create(const struct sa_program *program, uint32_t function)
{
    const struct sa_function *f = &program->functions[function];
    struct sa_paths *ps = g_new0(struct sa_paths, 1);

    ps->program = program;
    ps->function = f;
    ps->n_vars = f->n_params + f->n_insns;
    ps->relevant = g_new0(bool, ps->n_vars + 1);
    ps->cell = g_new0(bool, ps->n_vars + 1);
    ps->crossing = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    ps->column = g_new(uint32_t, ps->n_vars + 1);
    find_relevant(ps);
    find_live(ps);
    return ps;
}

void
sa_paths_destroy(struct sa_paths *ps)
{
    if (ps) {
        g_free(ps->relevant);
        g_free(ps->cell);
        g_array_unref(ps->crossing);
        g_free(ps->column);
        g_free(ps->live);
        g_free(ps);
    }
}

bool
sa_paths_depend_on(const struct sa_paths *ps, uint32_t param)
{
    return ps->relevant[param];
}
