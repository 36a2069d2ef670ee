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

#include "loop-private.h"

#include <string.h>
#include "array.h"
#include "call.h"

/* Chooses the packet-processing loop among the candidates; loop.h says by what
 * rules. */

/* Of what a loop encloses, that is worth going into which runs at least one
 * procedure of this many: less is an exchange, not the processing. */
enum { SIGNIFICANT = 3 };

/* Alternatives of the best loop run at least this many of 100 procedures that
 * the best one runs. */
enum { ALTERNATIVE = 66 };

/* What matters of each block, and which loops it is in. */
struct blocks {
    uint32_t *wait, *open;      /* First such call, SA_NONE. */
    struct sa_csr called;       /* Functions called, but for the handlers of a
                                 * loop in a library. */
    struct sa_csr loops;        /* Loops of more blocks that have no bound. */
    struct sa_csr library;      /* Loops in a library. */
};

static void
blocks_init(struct blocks *b, const struct sa_loops *loops)
{
    const struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    GArray *called = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    GArray *in = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    GArray *library = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    GArray *functions = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool *is_loop = g_new0(bool, p->n_insns);

    for (uint32_t i = 0; i < loops->n_loops; i++) {
        const struct sa_loop *loop = &loops->loops[i];
        if (loop->call != SA_NONE) {
            struct sa_pair pair = { p->insns[loop->call].block, i };
            g_array_append_val(library, pair);
            is_loop[loop->call] = true;
        }
        for (size_t j = 0; j < loop->n_blocks && !loop->bounded; j++) {
            struct sa_pair pair = { loop->blocks[j], i };
            g_array_append_val(in, pair);
        }
    }

    b->wait = g_new(uint32_t, p->n_blocks);
    b->open = g_new(uint32_t, p->n_blocks);
    for (uint32_t block = 0; block < p->n_blocks; block++) {
        const struct sa_block *bb = &p->blocks[block];
        b->wait[block] = b->open[block] = SA_NONE;
        for (uint32_t insn = bb->first_insn;
             insn < bb->first_insn + bb->n_insns; insn++) {
            if (!sa_is_call(p->insns[insn].opcode) || is_loop[insn]) {
                continue;
            }
            const char *name = sa_loops_library_call(loops, insn,
                                                     sa_loops_is_wait);
            if (b->wait[block] == SA_NONE && name
                && (!sa_tables_packet_read(l->tables, name)
                    || sa_loops_read_at(loops, insn))) {
                b->wait[block] = insn;
            }
            if (b->open[block] == SA_NONE
                && sa_loops_library_call(loops, insn, sa_loops_is_open)) {
                b->open[block] = insn;
            }
            g_array_set_size(functions, 0);
            sa_loops_called_at(loops, insn, functions);
            for (guint i = 0; i < functions->len; i++) {
                struct sa_pair pair = {
                    block, g_array_index(functions, uint32_t, i)
                };
                g_array_append_val(called, pair);
            }
        }
    }
    sa_csr_init(&b->called, p->n_blocks, called);
    sa_csr_init(&b->loops, p->n_blocks, in);
    sa_csr_init(&b->library, p->n_blocks, library);
    g_array_free(called, TRUE);
    g_array_free(in, TRUE);
    g_array_free(library, TRUE);
    g_array_free(functions, TRUE);
    g_free(is_loop);
}

static void
blocks_destroy(struct blocks *b)
{
    g_free(b->wait);
    g_free(b->open);
    sa_csr_destroy(&b->called);
    sa_csr_destroy(&b->loops);
    sa_csr_destroy(&b->library);
}

static bool
loop_has_block(const struct sa_loop *loop, uint32_t block)
{
    size_t low = 0, high = loop->n_blocks;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (loop->blocks[mid] == block) {
            return true;
        } else if (loop->blocks[mid] < block) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

/* Whether a block that is reached from 'loop' is in a loop inside of it. */
static bool
is_inner(const struct sa_loops *loops, const struct blocks *b,
         uint32_t index, uint32_t block)
{
    uint32_t header = loops->loops[index].header, n;
    const uint32_t *in = sa_csr_get(&b->loops, block, &n);

    for (uint32_t i = 0; i < n; i++) {
        if (in[i] != index && !loop_has_block(&loops->loops[in[i]], header)) {
            return true;
        }
    }
    return false;
}

/* Walks from the blocks of a loop through what they call, nearest first; not
 * into loops inside if 'skip_inner'.  Calls visit(block, depth, aux) until
 * that returns false. */
static void
walk_calls(const struct sa_loops *loops, const struct blocks *b,
           uint32_t index, bool skip_inner,
           bool (*visit)(uint32_t block, uint32_t depth, void *aux),
           void *aux)
{
    const struct sa_program *p = loops->private->program;
    const struct sa_loop *loop = &loops->loops[index];
    GArray *work = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    bool *seen = g_new0(bool, p->n_functions);

    for (size_t i = 0; i < loop->n_blocks; i++) {
        struct sa_pair start = { loop->blocks[i], 0 };
        g_array_append_val(work, start);
    }
    for (guint next = 0; next < work->len; next++) {
        struct sa_pair at = g_array_index(work, struct sa_pair, next);
        if (skip_inner && is_inner(loops, b, index, at.from)) {
            continue;
        }
        if (!visit(at.from, at.to, aux)) {
            break;
        }

        uint32_t n;
        const uint32_t *called = sa_csr_get(&b->called, at.from, &n);
        for (uint32_t i = 0; i < n; i++) {
            const struct sa_function *f = &p->functions[called[i]];
            for (uint32_t j = 0; !seen[called[i]] && j < f->n_blocks; j++) {
                struct sa_pair to = { f->first_block + j, at.to + 1 };
                g_array_append_val(work, to);
            }
            seen[called[i]] = true;
        }
    }
    g_array_free(work, TRUE);
    g_free(seen);
}

/* What a loop does itself. */
struct own {
    const struct blocks *blocks;
    uint32_t wait, open;        /* The nearest such calls, or SA_NONE. */
    uint32_t wait_depth;        /* How many calls away that is. */
};

static bool
visit_own(uint32_t block, uint32_t depth, void *own_)
{
    struct own *own = own_;

    if (own->wait == SA_NONE && own->blocks->wait[block] != SA_NONE) {
        own->wait = own->blocks->wait[block];
        own->wait_depth = depth;
    }
    if (own->open == SA_NONE) {
        own->open = own->blocks->open[block];
    }
    return own->wait == SA_NONE || own->open == SA_NONE;
}

/* Finds what a loop does itself, not only in loops inside. */
static void
find_own(struct sa_loops *loops, const struct blocks *b, uint32_t index)
{
    const struct sa_program *p = loops->private->program;
    struct sa_loop *loop = &loops->loops[index];
    struct own own = { .blocks = b, .wait = SA_NONE, .open = SA_NONE };

    walk_calls(loops, b, index, true, visit_own, &own);
    for (size_t i = 0; i < loop->n_blocks; i++) {
        uint32_t n;
        const uint32_t *calls = sa_csr_get(&b->library, loop->blocks[i], &n);
        if (n && !is_inner(loops, b, index, loop->blocks[i])) {
            own.wait = loops->loops[calls[0]].call;
            own.wait_depth = 0;
        }
    }
    loop->wait_depth = own.wait_depth;
    loop->waits = own.wait != SA_NONE || loop->call != SA_NONE;
    loop->opens = own.open != SA_NONE;
    if (own.wait != SA_NONE) {
        sa_loop_add_reason(loops, index, sa_insn_loc(p, own.wait),
                           "it waits for packets itself, here");
    }
    if (own.open != SA_NONE) {
        sa_loop_add_reason(loops, index, sa_insn_loc(p, own.open),
                           "it makes what packets are read from, here");
    }
}

/* Where a loop is looked for. */
struct search {
    const struct sa_loop *loop;
    uint32_t depth;
};

static bool
visit_search(uint32_t block, uint32_t depth, void *search_)
{
    struct search *search = search_;

    if (block == search->loop->header) {
        search->depth = depth;
        return false;
    }
    return true;
}

/* How many calls away from loop 'outer' is 'inner', which it encloses. */
static uint32_t
call_depth(const struct sa_loops *loops, const struct blocks *b,
           uint32_t outer, uint32_t inner)
{
    struct search search = { &loops->loops[inner], SA_NONE };

    walk_calls(loops, b, outer, false, visit_search, &search);
    return search.depth;
}

static bool
reaches(const struct sa_loops *loops, size_t loop, uint32_t function)
{
    const GArray *fs = loops->private->reached[loop];
    guint low = 0, high = fs->len;

    while (low < high) {
        guint mid = low + (high - low) / 2;
        uint32_t f = g_array_index(fs, uint32_t, mid);
        if (f == function) {
            return true;
        } else if (f < function) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

bool
sa_loop_encloses(const struct sa_loops *loops, size_t outer, size_t inner)
{
    const struct sa_loop *o = &loops->loops[outer];
    const struct sa_loop *i = &loops->loops[inner];

    if (outer == inner) {
        return false;
    } else if (o->function == i->function
               && loop_has_block(o, i->header)
               && (i->call != SA_NONE || i->n_blocks < o->n_blocks)) {
        return true;
    }
    return reaches(loops, outer, i->function);
}

/* Orders loops so that what is enclosed comes first. */
static int
compare_size(gconstpointer a_, gconstpointer b_, gpointer loops_)
{
    const struct sa_loops *loops = loops_;
    uint32_t ia = *(const uint32_t *) a_, ib = *(const uint32_t *) b_;
    const struct sa_loop *a = &loops->loops[ia], *b = &loops->loops[ib];

    if (a->n_reached != b->n_reached) {
        return a->n_reached < b->n_reached ? -1 : 1;
    } else if (a->n_blocks != b->n_blocks) {
        return a->n_blocks < b->n_blocks ? -1 : 1;
    }
    return ia < ib ? -1 : ia > ib;
}

/* Drops from 'set', indexes of loops, those that another one of it, later in
 * 'rank', encloses. */
static void
keep_outermost(const struct sa_loops *loops, GArray *set,
               const uint32_t *rank)
{
    guint kept = 0;

    sa_sort_unique(set);
    GArray *all = g_array_copy(set);
    for (guint i = 0; i < all->len; i++) {
        uint32_t inner = g_array_index(all, uint32_t, i);
        bool enclosed = false;
        for (guint j = 0; j < all->len && !enclosed; j++) {
            uint32_t outer = g_array_index(all, uint32_t, j);
            enclosed = rank[outer] > rank[inner]
                       && sa_loop_encloses(loops, outer, inner);
        }
        if (!enclosed) {
            g_array_index(set, uint32_t, kept++) = inner;
        }
    }
    g_array_set_size(set, kept);
    g_array_free(all, TRUE);
}

/* Decides which loops stand for loop 'index' and those inside of it: itself,
 * or some of 'inside', the ones that stand for what it encloses.  Returns a
 * set of indexes.  A loop in a loop that runs nothing else (a "goto" back
 * before the wait) is the same loop for us.  A loop that opens what packets
 * are read from, and waits itself only farther away than the one inside does,
 * starts the program over. */
static GArray *
decide(const struct sa_loops *loops, const struct blocks *b, uint32_t index,
       const GArray *inside)
{
    const struct sa_loop *loop = &loops->loops[index];
    GArray *significant = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool restarts = false, same = false;

    for (guint i = 0; i < inside->len; i++) {
        uint32_t inner = g_array_index(inside, uint32_t, i);
        const struct sa_loop *in = &loops->loops[inner];
        if (!in->bounded && in->waits
            && in->n_reached * SIGNIFICANT >= loop->n_reached) {
            g_array_append_val(significant, inner);
            same = same || (in->function == loop->function
                            && in->n_reached == loop->n_reached);
            restarts = restarts
                       || (loop->opens && loop->waits
                           && call_depth(loops, b, index, inner)
                              + in->wait_depth < loop->wait_depth);
        }
    }

    bool itself = !loop->bounded && (loop->waits || same)
                  && !restarts;
    if (itself || !significant->len) {
        g_array_set_size(significant, 0);
        if (!itself && loop->bounded && inside->len) {
            g_array_append_vals(significant, inside->data, inside->len);
        } else {
            g_array_append_val(significant, index);
        }
    }
    return significant;
}

/* Drops from 'set' what runs little of what the largest of it runs. */
static void
keep_alternatives(struct sa_loops *loops, GArray *set, const uint32_t *rank)
{
    uint32_t best = SA_NONE;

    for (guint i = 0; i < set->len; i++) {
        uint32_t loop = g_array_index(set, uint32_t, i);
        const struct sa_loop *l = &loops->loops[loop];
        bool good = !l->bounded && l->waits;
        const struct sa_loop *b = best == SA_NONE ? NULL
                                                  : &loops->loops[best];
        bool best_good = b && !b->bounded && b->waits;
        if (!b || (good && !best_good)
            || (good == best_good && rank[loop] > rank[best])) {
            best = loop;
        }
    }

    guint kept = 0;
    for (guint i = 0; i < set->len; i++) {
        uint32_t loop = g_array_index(set, uint32_t, i);
        const GArray *fs = loops->private->reached[best];
        guint common = 0;
        for (guint j = 0; j < fs->len; j++) {
            common += reaches(loops, loop, g_array_index(fs, uint32_t, j));
        }
        if (loop == best
            || (common * 100 >= fs->len * ALTERNATIVE
                && !loops->loops[loop].bounded)) {
            g_array_index(set, uint32_t, kept++) = loop;
        } else {
            sa_loop_add_reason(loops, loop,
                               sa_insn_loc(loops->private->program,
                                           loops->loops[loop].insn),
                               "it runs only %u of the %u procedures of the "
                               "chosen loop", common, fs->len);
        }
    }
    g_array_set_size(set, kept);
}

/* Says of each loop why it is not chosen, or that it is. */
static void
add_verdicts(struct sa_loops *loops)
{
    const struct sa_program *p = loops->private->program;

    for (size_t i = 0; i < loops->n_loops; i++) {
        const struct sa_loop *loop = &loops->loops[i];
        struct sa_loc here = sa_insn_loc(p, loop->insn);
        if (loop->chosen) {
            sa_loop_add_reason(loops, i, here,
                               "chosen: the outermost that waits for packets "
                               "itself%s", loop->bounded
                                           ? "" : " and has no bound");
            continue;
        }
        for (size_t j = 0; j < loops->n_loops; j++) {
            const struct sa_loop *other = &loops->loops[j];
            struct sa_loc there = sa_insn_loc(p, other->insn);
            if (other->chosen && sa_loop_encloses(loops, j, i)) {
                sa_loop_add_reason(loops, i, there,
                                   "not chosen: it is inside of the chosen "
                                   "loop in %s()",
                                   p->functions[other->function].source_name);
                break;
            } else if (other->chosen && sa_loop_encloses(loops, i, j)) {
                sa_loop_add_reason(
                    loops, i, there,
                    "not chosen: %s, the packet loop is inside, in %s()",
                    loop->bounded ? "it has a bound"
                    : !loop->waits ? "it does not wait for packets itself"
                    : "it starts all over",
                    p->functions[other->function].source_name);
                break;
            }
        }
    }
}

void
sa_loops_choose_best(struct sa_loops *loops)
{
    uint32_t n = loops->n_loops;
    uint32_t *order = g_new(uint32_t, n), *rank = g_new(uint32_t, n);
    GArray **stand_for = g_new0(GArray *, n);
    GArray *all = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    struct blocks b;

    blocks_init(&b, loops);
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        find_own(loops, &b, i);
    }
    g_qsort_with_data(order, n, sizeof *order, compare_size, loops);
    for (uint32_t i = 0; i < n; i++) {
        rank[order[i]] = i;
    }

    bool *enclosed = g_new0(bool, n);
    for (uint32_t i = 0; i < n; i++) {
        GArray *inside = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        for (uint32_t j = 0; j < i; j++) {
            if (sa_loop_encloses(loops, order[i], order[j])) {
                const GArray *in = stand_for[order[j]];
                g_array_append_vals(inside, in->data, in->len);
                enclosed[order[j]] = true;
            }
        }
        keep_outermost(loops, inside, rank);
        stand_for[order[i]] = decide(loops, &b, order[i], inside);
        g_array_free(inside, TRUE);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!enclosed[i]) {
            g_array_append_vals(all, stand_for[i]->data, stand_for[i]->len);
        }
    }
    keep_outermost(loops, all, rank);
    keep_alternatives(loops, all, rank);

    for (guint i = 0; i < all->len; i++) {
        loops->loops[g_array_index(all, uint32_t, i)].chosen = true;
    }
    loops->n_chosen = all->len;
    add_verdicts(loops);

    for (uint32_t i = 0; i < n; i++) {
        g_array_free(stand_for[i], TRUE);
    }
    g_free(stand_for);
    g_free(enclosed);
    g_free(order);
    g_free(rank);
    g_array_free(all, TRUE);
    blocks_destroy(&b);
}
