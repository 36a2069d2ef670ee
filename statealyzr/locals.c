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

#include "locals.h"

#include <glib.h>
#include <string.h>

#define MAX_CALL_DEPTH 6
/* Nodes of a variable that are told apart; the last bit is all others. */
#define MAX_BITS 64

/* The variable that is asked about. */
struct query {
    const struct sa_analysis *a;
    uint32_t first_node, n_nodes;
    uint64_t size;
};

/* A piece of code to look at: some blocks of a function, in which 'base' is a
 * pointer to the start of the variable. */
struct region {
    uint32_t function;
    uint32_t entry;             /* Block. */
    const bool *blocks;         /* By block less the function's first. */
    LLVMValueRef base;
    uint64_t unwritten;         /* Nodes at the entry. */
    int depth;
};

static bool
read_in_region(const struct query *, const struct region *,
               uint64_t *at_returns);

static uint64_t
node_bit(const struct query *q, uint32_t node)
{
    uint32_t i = node - q->first_node;
    return (node < q->first_node || i >= q->n_nodes ? 0
            : UINT64_C(1) << MIN(i, MAX_BITS - 1));
}

static uint64_t
node_bits(const struct query *q, struct sa_nodes nodes)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < nodes.n; i++) {
        bits |= node_bit(q, nodes.ids[i]);
    }
    return bits;
}

/* If 'pointer' is 'base' plus a constant, stores that to '*offset'. */
static bool
constant_offset(const struct query *q, LLVMValueRef pointer, LLVMValueRef base,
                uint64_t *offset)
{
    *offset = 0;
    for (int i = 0; i < 64; i++) {
        if (pointer == base) {
            return true;
        }
        if (!LLVMIsAGetElementPtrInst(pointer)) {
            return false;
        }
        LLVMTypeRef type = LLVMGetGEPSourceElementType(pointer);
        for (int j = 1; j < LLVMGetNumOperands(pointer); j++) {
            LLVMValueRef index = LLVMGetOperand(pointer, j);
            if (!LLVMIsAConstantInt(index)) {
                return false;
            }
            uint64_t n = LLVMConstIntGetZExtValue(index);
            if (j == 1) {
                *offset += n * LLVMABISizeOfType(q->a->program->layout, type);
            } else if (LLVMGetTypeKind(type) == LLVMStructTypeKind) {
                if (n >= LLVMCountStructElementTypes(type)) {
                    return false;
                }
                *offset += LLVMOffsetOfElement(q->a->program->layout, type, n);
                type = LLVMStructGetTypeAtIndex(type, n);
            } else {
                type = LLVMGetElementType(type);
                *offset += n * LLVMABISizeOfType(q->a->program->layout, type);
            }
        }
        pointer = LLVMGetOperand(pointer, 0);
    }
    return false;
}

/* Nodes that a certain write of 'size' bytes at 'pointer' covers; UINT64_MAX
 * as 'size' is "as much as there is". */
static uint64_t
overwritten(const struct query *q, LLVMValueRef pointer, LLVMValueRef base,
            uint64_t size)
{
    uint64_t offset;
    if (!constant_offset(q, pointer, base, &offset)) {
        return 0;
    }
    if (size == UINT64_MAX || (!offset && size >= q->size)) {
        return UINT64_MAX;
    }

    uint32_t n_nodes, n_objects;
    const struct sa_node *nodes = sa_pta_nodes(q->a->pta, &n_nodes);
    const struct sa_object *objects = sa_pta_objects(q->a->pta, &n_objects);
    uint64_t bits = 0;
    for (uint32_t i = 0; i < MIN(q->n_nodes, MAX_BITS - 1); i++) {
        uint32_t node = q->first_node + i;
        const struct sa_object *o = &objects[nodes[node].object];
        uint64_t end = (i + 1 < q->n_nodes ? nodes[node + 1].offset : q->size);
        if (!o->is_array && !o->collapsed && nodes[node].offset >= offset
            && end <= offset + size) {
            bits |= UINT64_C(1) << i;
        }
    }
    /* One node: all of it must be written, which was tested above, unless it
     * is a scalar at the start of padding. */
    return bits;
}

static uint64_t
constant_argument(LLVMValueRef call, int arg)
{
    if (arg < 0 || arg >= (int) LLVMGetNumArgOperands(call)) {
        return 0;
    }
    LLVMValueRef value = LLVMGetOperand(call, arg);
    return LLVMIsAConstantInt(value) ? LLVMConstIntGetZExtValue(value) : 0;
}

static LLVMValueRef
argument(LLVMValueRef call, int arg)
{
    return (arg >= 0 && arg < (int) LLVMGetNumArgOperands(call)
            ? LLVMGetOperand(call, arg) : NULL);
}

/* Nodes that a call of a library function certainly overwrites. */
static uint64_t
overwritten_by_library(const struct query *q, uint32_t insn,
                       const struct sa_function *f, LLVMValueRef base)
{
    LLVMValueRef call = q->a->program->insns[insn].value;
    uint64_t bits = 0;

    if (g_str_has_prefix(f->name, "llvm.memset")
        || g_str_has_prefix(f->name, "llvm.memcpy")
        || g_str_has_prefix(f->name, "llvm.memmove")) {
        return overwritten(q, LLVMGetOperand(call, 0), base,
                           constant_argument(call, 2));
    }
    const struct sa_packet_read *read
        = sa_loops_read_at(q->a->loops, insn);
    if (read && read->callback == SA_NO_ARG) {
        LLVMValueRef packet = argument(call, read->packet);
        if (packet) {
            bits |= overwritten(q, packet, base, UINT64_MAX);
        }
    }
    const struct sa_library_call *lib = sa_tables_library(q->a->tables,
                                                          f->name);
    for (size_t i = 0; lib && i < lib->n_effects; i++) {
        const struct sa_effect *e = &lib->effects[i];
        LLVMValueRef to = argument(call, e->to);
        if (!to) {
            continue;
        }
        if (e->kind == SA_EFFECT_WRITE || e->kind == SA_EFFECT_STORE) {
            bits |= overwritten(q, to, base, UINT64_MAX);
        } else if (e->kind == SA_EFFECT_COPY) {
            bits |= overwritten(q, to, base,
                                constant_argument(call, e->size));
        }
    }
    return bits;
}

/* Goes on in what a call calls.  Returns true if that reads what 'unwritten'
 * has; else takes away from it what all callees overwrite. */
static bool
read_in_callees(const struct query *q, const struct region *r, uint32_t insn,
                uint64_t *unwritten)
{
    const struct sa_program *p = q->a->program;
    LLVMValueRef call = p->insns[insn].value;
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(q->a->pta, insn, &n);
    uint64_t left = n ? 0 : *unwritten;

    for (uint32_t i = 0; i < n; i++) {
        const struct sa_function *f = &p->functions[callees[i]];
        if (!f->defined) {
            left |= *unwritten & ~overwritten_by_library(q, insn, f, r->base);
            continue;
        }

        uint32_t n_read;
        uint32_t *read = sa_modref_transitive(q->a->modref, false,
                                              &callees[i], 1, &n_read);
        bool reads = (node_bits(q, (struct sa_nodes) { read, n_read })
                      & *unwritten) != 0;
        g_free(read);

        LLVMValueRef base = NULL;
        for (uint32_t arg = 0; arg < LLVMGetNumArgOperands(call)
             && arg < f->n_params; arg++) {
            if (LLVMGetOperand(call, arg) == r->base) {
                base = LLVMGetParam(f->value, arg);
                break;
            }
        }
        if (!base || r->depth >= MAX_CALL_DEPTH) {
            if (reads) {
                return true;
            }
            left |= *unwritten;
            continue;
        }
        struct region callee = {
            callees[i], f->first_block, NULL, base, *unwritten, r->depth + 1
        };
        uint64_t after;
        if (read_in_region(q, &callee, &after)) {
            return true;
        }
        left |= after;
    }
    *unwritten = left;

    const uint32_t *callbacks = sa_pta_callbacks(q->a->pta, insn, &n);
    if (n) {
        uint32_t n_read;
        uint32_t *read = sa_modref_transitive(q->a->modref, false, callbacks,
                                              n, &n_read);
        bool reads = (node_bits(q, (struct sa_nodes) { read, n_read })
                      & *unwritten) != 0;
        g_free(read);
        return reads;
    }
    return false;
}

/* Goes through an instruction; true if it reads what 'unwritten' has. */
static bool
read_by_insn(const struct query *q, const struct region *r, uint32_t insn,
             uint64_t *unwritten)
{
    const struct sa_insn *i = &q->a->program->insns[insn];
    if (node_bits(q, sa_modref_reads(q->a->modref, insn)) & *unwritten) {
        return true;
    }
    switch (i->opcode) {
    case LLVMStore: {
        LLVMTypeRef type = LLVMTypeOf(LLVMGetOperand(i->value, 0));
        *unwritten &= ~overwritten(q, LLVMGetOperand(i->value, 1), r->base,
                                   LLVMStoreSizeOfType(q->a->program->layout,
                                                       type));
        return false;
    }
    case LLVMCall:
    case LLVMInvoke:
    case LLVMCallBr:
        return read_in_callees(q, r, insn, unwritten);
    default:
        return false;
    }
}

/* Whether a read in the region, reached from its entry, may see what was in
 * the variable at the entry; else '*at_returns' gets what is unwritten where
 * the region's function returns. */
static bool
read_in_region(const struct query *q, const struct region *r,
               uint64_t *at_returns)
{
    const struct sa_program *p = q->a->program;
    const struct sa_function *f = &p->functions[r->function];
    uint64_t *in = g_new0(uint64_t, f->n_blocks);
    bool *queued = g_new0(bool, f->n_blocks);
    GArray *work = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool found = false;

    *at_returns = 0;
    in[r->entry - f->first_block] = r->unwritten;
    g_array_append_val(work, r->entry);
    while (work->len && !found) {
        uint32_t block = g_array_index(work, uint32_t, work->len - 1);
        g_array_set_size(work, work->len - 1);
        queued[block - f->first_block] = false;

        const struct sa_block *b = &p->blocks[block];
        uint64_t unwritten = in[block - f->first_block];
        for (uint32_t i = 0; i < b->n_insns && unwritten && !found; i++) {
            found = read_by_insn(q, r, b->first_insn + i, &unwritten);
        }
        LLVMValueRef end = LLVMGetBasicBlockTerminator(b->value);
        if (!end || found || !unwritten) {
            continue;
        }
        unsigned int n = LLVMGetNumSuccessors(end);
        if (LLVMGetInstructionOpcode(end) == LLVMRet) {
            *at_returns |= unwritten;
        }
        for (unsigned int i = 0; i < n; i++) {
            uint32_t next = sa_block_id(p, LLVMGetSuccessor(end, i));
            uint32_t k = next - f->first_block;
            if (next == SA_NONE || (r->blocks && !r->blocks[k])
                || !(unwritten & ~in[k])) {
                continue;
            }
            in[k] |= unwritten;
            if (!queued[k]) {
                queued[k] = true;
                g_array_append_val(work, next);
            }
        }
    }
    g_array_unref(work);
    g_free(queued);
    g_free(in);
    return found;
}

bool
sa_local_lives(const struct sa_analysis *a, const struct sa_loop *loop,
               uint32_t local)
{
    const struct sa_program *p = a->program;
    uint32_t object = sa_pta_object_of(a->pta, local);
    uint32_t n_objects;
    const struct sa_object *objects = sa_pta_objects(a->pta, &n_objects);
    if (object >= n_objects) {
        return true;
    }

    LLVMTypeRef type = LLVMGetAllocatedType(p->values[local]);
    struct query q = {
        a, objects[object].first_node, objects[object].n_nodes,
        LLVMABISizeOfType(p->layout, type)
    };
    const struct sa_function *f = &p->functions[loop->function];
    bool *blocks = g_new0(bool, f->n_blocks);
    for (size_t i = 0; i < loop->n_blocks; i++) {
        blocks[loop->blocks[i] - f->first_block] = true;
    }
    struct region r = {
        loop->function, loop->header, blocks, p->values[local],
        UINT64_MAX, 0
    };
    uint64_t at_returns;
    bool lives = read_in_region(&q, &r, &at_returns);
    g_free(blocks);
    return lives;
}
