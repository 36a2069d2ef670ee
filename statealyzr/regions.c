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

#include "regions.h"

#include "array.h"
#include "control.h"

/* Strongly connected components. */

struct tarjan {
    const struct sa_csr *out;   /* Successors, by index of the block. */
    const uint32_t *level;      /* Which set a block is in: only edges within
                                 * 'current' count. */
    uint32_t current;
    uint32_t *index, *low;      /* By index of the block; index 0: not yet. */
    bool *stacked;
    uint32_t clock;
    GArray *stack;
};

/* Appends components that are cycles, found from 'root', to 'components', a
 * GArray of GArray * of indexes. */
static void
visit(struct tarjan *t, uint32_t root, GArray *components)
{
    GArray *calls = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    struct sa_pair frame = { root, 0 };

    g_array_append_val(calls, frame);
    while (calls->len) {
        struct sa_pair *f = &g_array_index(calls, struct sa_pair,
                                           calls->len - 1);
        uint32_t v = f->from, n;
        const uint32_t *out = sa_csr_get(t->out, v, &n);

        if (!f->to && !t->index[v]) {
            t->index[v] = t->low[v] = ++t->clock;
            t->stacked[v] = true;
            g_array_append_val(t->stack, v);
        }
        if (f->to < n) {
            uint32_t w = out[f->to++];
            if (t->level[w] != t->current) {
                continue;
            } else if (!t->index[w]) {
                frame = (struct sa_pair) { w, 0 };
                g_array_append_val(calls, frame);
            } else if (t->stacked[w]) {
                t->low[v] = MIN(t->low[v], t->index[w]);
            }
            continue;
        }

        g_array_set_size(calls, calls->len - 1);
        if (calls->len) {
            uint32_t parent = g_array_index(calls, struct sa_pair,
                                            calls->len - 1).from;
            t->low[parent] = MIN(t->low[parent], t->low[v]);
        }
        if (t->low[v] == t->index[v]) {
            GArray *component = g_array_new(FALSE, FALSE, sizeof(uint32_t));
            uint32_t w;
            do {
                w = g_array_index(t->stack, uint32_t, t->stack->len - 1);
                g_array_set_size(t->stack, t->stack->len - 1);
                t->stacked[w] = false;
                g_array_append_val(component, w);
            } while (w != v);

            bool cycle = component->len > 1;
            for (uint32_t i = 0; i < n && !cycle; i++) {
                cycle = out[i] == v;
            }
            if (cycle) {
                sa_sort_unique(component);
                g_array_append_val(components, component);
            } else {
                g_array_free(component, TRUE);
            }
        }
    }
    g_array_free(calls, TRUE);
}

/* The block of 'component' that is entered from outside: the first one that
 * has a predecessor outside, or that is the function's first. */
static uint32_t
find_header(const GArray *component, const struct sa_csr *in,
            const bool *inside)
{
    for (guint i = 0; i < component->len; i++) {
        uint32_t v = g_array_index(component, uint32_t, i);
        uint32_t n;
        const uint32_t *from = sa_csr_get(in, v, &n);
        if (v == 0) {
            return v;
        }
        for (uint32_t j = 0; j < n; j++) {
            if (!inside[from[j]]) {
                return v;
            }
        }
    }
    return g_array_index(component, uint32_t, 0);
}

static void
get_edges(const struct sa_program *p, uint32_t function, struct sa_csr *out,
          struct sa_csr *in)
{
    const struct sa_function *f = &p->functions[function];
    GArray *successors = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    GArray *forth = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    GArray *back = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));

    for (uint32_t i = 0; i < f->n_blocks; i++) {
        g_array_set_size(successors, 0);
        sa_block_successors(p, f->first_block + i, successors);
        for (guint j = 0; j < successors->len; j++) {
            uint32_t to = g_array_index(successors, uint32_t, j)
                          - f->first_block;
            struct sa_pair edge = { i, to }, reverse = { to, i };
            g_array_append_val(forth, edge);
            g_array_append_val(back, reverse);
        }
    }
    sa_csr_init(out, f->n_blocks, forth);
    sa_csr_init(in, f->n_blocks, back);
    g_array_free(successors, TRUE);
    g_array_free(forth, TRUE);
    g_array_free(back, TRUE);
}

void
sa_find_regions(const struct sa_program *p, uint32_t function,
                GArray *regions)
{
    const struct sa_function *f = &p->functions[function];
    uint32_t n = f->n_blocks;
    if (!n) {
        return;
    }

    struct sa_csr out, in;
    uint32_t *level = g_new0(uint32_t, n);
    bool *inside = g_new0(bool, n);
    struct tarjan t = {
        .out = &out,
        .level = level,
        .index = g_new0(uint32_t, n),
        .low = g_new0(uint32_t, n),
        .stacked = g_new0(bool, n),
        .stack = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    GArray *work = g_array_new(FALSE, FALSE, sizeof(GArray *));
    GArray *all = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    uint32_t last_level = 0;

    get_edges(p, function, &out, &in);
    for (uint32_t v = 0; v < n; v++) {
        g_array_append_val(all, v);
    }
    g_array_append_val(work, all);
    for (guint next = 0; next < work->len; next++) {
        GArray *set = g_array_index(work, GArray *, next);
        GArray *components = g_array_new(FALSE, FALSE, sizeof(GArray *));

        t.current = ++last_level;
        for (guint i = 0; i < set->len; i++) {
            uint32_t v = g_array_index(set, uint32_t, i);
            level[v] = t.current;
            t.index[v] = 0;
        }
        for (guint i = 0; i < set->len; i++) {
            uint32_t v = g_array_index(set, uint32_t, i);
            if (!t.index[v]) {
                visit(&t, v, components);
            }
        }
        g_array_free(set, TRUE);

        for (guint i = 0; i < components->len; i++) {
            GArray *c = g_array_index(components, GArray *, i);
            for (guint j = 0; j < c->len; j++) {
                inside[g_array_index(c, uint32_t, j)] = true;
            }
            uint32_t header = find_header(c, &in, inside);
            struct sa_region region = {
                .header = f->first_block + header,
                .blocks = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
            };
            GArray *rest = g_array_new(FALSE, FALSE, sizeof(uint32_t));
            for (guint j = 0; j < c->len; j++) {
                uint32_t v = g_array_index(c, uint32_t, j);
                uint32_t block = f->first_block + v;
                inside[v] = false;
                g_array_append_val(region.blocks, block);
                if (v != header) {
                    g_array_append_val(rest, v);
                }
            }
            g_array_append_val(regions, region);
            g_array_append_val(work, rest);
            g_array_free(c, TRUE);
        }
        g_array_free(components, TRUE);
    }

    sa_csr_destroy(&out);
    sa_csr_destroy(&in);
    g_free(level);
    g_free(inside);
    g_free(t.index);
    g_free(t.low);
    g_free(t.stacked);
    g_array_free(t.stack, TRUE);
    g_array_free(work, TRUE);
}

bool
sa_region_has(const struct sa_region *r, uint32_t block)
{
    guint low = 0, high = r->blocks->len;

    while (low < high) {
        guint mid = low + (high - low) / 2;
        uint32_t b = g_array_index(r->blocks, uint32_t, mid);
        if (b == block) {
            return true;
        } else if (b < block) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

/* Bounds. */

/* Whether instruction 'opcode' makes a next value of a previous one. */
static bool
is_step(LLVMOpcode opcode)
{
    switch (opcode) {
    case LLVMAdd:
    case LLVMSub:
    case LLVMMul:
    case LLVMUDiv:
    case LLVMSDiv:
    case LLVMShl:
    case LLVMLShr:
    case LLVMAShr:
    case LLVMGetElementPtr:
    case LLVMLoad:
        return true;
    default:
        return false;
    }
}

/* Walks from 'start' to what it is computed from within the region, but not
 * through calls.  If 'phi' is null, collects phis of the header in 'phis';
 * otherwise returns whether 'phi' is reached with a step on the way. */
static bool
walk_operands(const struct sa_program *p, const struct sa_region *r,
              LLVMValueRef start, LLVMValueRef phi, GPtrArray *phis)
{
    /* Seen without (1) and with (2) a step. */
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GPtrArray *work = g_ptr_array_new();
    bool found = false;

    g_hash_table_insert(seen, start, GUINT_TO_POINTER(1));
    g_ptr_array_add(work, start);
    while (work->len && !found) {
        LLVMValueRef v = g_ptr_array_steal_index(work, work->len - 1);
        guint stepped = GPOINTER_TO_UINT(g_hash_table_lookup(seen, v)) & 2;
        uint32_t insn = LLVMIsAInstruction(v) ? sa_insn_id(p, v) : SA_NONE;
        if (insn == SA_NONE || !sa_region_has(r, p->insns[insn].block)) {
            continue;
        }
        LLVMOpcode opcode = p->insns[insn].opcode;
        if (opcode == LLVMPHI && p->insns[insn].block == r->header) {
            if (!phi) {
                g_ptr_array_add(phis, v);
                continue;
            } else if (v == phi) {
                found = stepped;
                continue;
            }
        }
        if (opcode == LLVMCall || (opcode == LLVMLoad && !phi)) {
            continue;
        }

        guint state = 1 | stepped | (is_step(opcode) ? 2 : 0);
        unsigned int n = LLVMGetNumOperands(v);
        for (unsigned int i = 0; i < n; i++) {
            LLVMValueRef operand = LLVMGetOperand(v, i);
            guint known = GPOINTER_TO_UINT(g_hash_table_lookup(seen,
                                                               operand));
            if ((known | state) != known) {
                g_hash_table_insert(seen, operand,
                                    GUINT_TO_POINTER(known | state));
                g_ptr_array_add(work, operand);
            }
        }
    }
    g_hash_table_destroy(seen);
    g_ptr_array_free(work, TRUE);
    return found;
}

/* Whether phi 'phi' of the header steps on in each turn. */
static bool
phi_steps(const struct sa_program *p, const struct sa_region *r,
          LLVMValueRef phi)
{
    unsigned int n = LLVMCountIncoming(phi);

    for (unsigned int i = 0; i < n; i++) {
        uint32_t from = sa_block_id(p, LLVMGetIncomingBlock(phi, i));
        if (sa_region_has(r, from)
            && walk_operands(p, r, LLVMGetIncomingValue(phi, i), phi, NULL)) {
            return true;
        }
    }
    return false;
}

/* Whether two pointers are equal: the same, or the same constant distance from
 * such. */
static bool
is_same_address(LLVMValueRef a, LLVMValueRef b)
{
    while (a != b) {
        if (!LLVMIsAGetElementPtrInst(a) || !LLVMIsAGetElementPtrInst(b)
            || (LLVMGetGEPSourceElementType(a)
                != LLVMGetGEPSourceElementType(b))
            || LLVMGetNumOperands(a) != LLVMGetNumOperands(b)) {
            return false;
        }
        for (int i = 1; i < LLVMGetNumOperands(a); i++) {
            /* Equal constants are one. */
            if (!LLVMIsAConstant(LLVMGetOperand(a, i))
                || LLVMGetOperand(a, i) != LLVMGetOperand(b, i)) {
                return false;
            }
        }
        a = LLVMGetOperand(a, 0);
        b = LLVMGetOperand(b, 0);
    }
    return true;
}

/* Whether 'store' takes the first element off the list whose head is at
 * 'head': "head = head->next". */
static bool
takes_off(LLVMValueRef store, LLVMValueRef head)
{
    LLVMValueRef next = LLVMGetOperand(store, 0);

    if (!is_same_address(LLVMGetOperand(store, 1), head)
        || !LLVMIsALoadInst(next)) {
        return false;
    }
    LLVMValueRef element = LLVMGetOperand(next, 0);
    while (LLVMIsAGetElementPtrInst(element)) {
        element = LLVMGetOperand(element, 0);
    }
    return (LLVMIsALoadInst(element)
            && is_same_address(LLVMGetOperand(element, 0), head));
}

/* Whether the loop goes on while there is an element in a list, by
 * 'condition', and takes it off. */
static bool
empties_list(const struct sa_program *p, const struct sa_region *r,
             LLVMValueRef condition)
{
    if (!LLVMIsAICmpInst(condition)
        || !LLVMIsALoadInst(LLVMGetOperand(condition, 0))
        || !LLVMIsAConstantPointerNull(LLVMGetOperand(condition, 1))) {
        return false;
    }
    LLVMValueRef head = LLVMGetOperand(LLVMGetOperand(condition, 0), 0);
    for (guint i = 0; i < r->blocks->len; i++) {
        const struct sa_block *b
            = &p->blocks[g_array_index(r->blocks, uint32_t, i)];
        for (uint32_t j = 0; j < b->n_insns; j++) {
            const struct sa_insn *insn = &p->insns[b->first_insn + j];
            if (insn->opcode == LLVMStore && takes_off(insn->value, head)) {
                return true;
            }
        }
    }
    return false;
}

bool
sa_region_is_bounded(const struct sa_program *p, const struct sa_region *r)
{
    GArray *successors = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    GPtrArray *phis = g_ptr_array_new();
    bool bounded = false;

    for (guint i = 0; i < r->blocks->len; i++) {
        uint32_t block = g_array_index(r->blocks, uint32_t, i);
        bool back = block == r->header, leaves = false;

        g_array_set_size(successors, 0);
        sa_block_successors(p, block, successors);
        for (guint j = 0; j < successors->len; j++) {
            uint32_t to = g_array_index(successors, uint32_t, j);
            back = back || to == r->header;
            leaves = leaves || !sa_region_has(r, to);
        }
        LLVMValueRef end = LLVMGetBasicBlockTerminator(
            p->blocks[block].value);
        if (back && leaves && LLVMGetInstructionOpcode(end) == LLVMBr
            && LLVMIsConditional(end)) {
            walk_operands(p, r, LLVMGetCondition(end), NULL, phis);
            bounded = bounded || empties_list(p, r, LLVMGetCondition(end));
        }
    }
    for (guint i = 0; i < phis->len && !bounded; i++) {
        bounded = phi_steps(p, r, g_ptr_array_index(phis, i));
    }
    g_array_free(successors, TRUE);
    g_ptr_array_free(phis, TRUE);
    return bounded;
}
