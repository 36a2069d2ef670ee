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

/* One point for all bits that are set together
 * ============================================
 *
 * A bit is of an object: "base" stands for it, a pointer that has one value
 * from where it is defined.  Three questions, on the control-flow graph, each
 * with the answer that holds on all paths:
 *
 * - Is the block freed later?  (Backwards.)  Then the runtime counts its entry
 *   as changed, and the write needs no point.
 * - Which bits will be set later anyway?  (Backwards.)  The first point can
 *   set these, too.
 * - Which bits were set before?  (Forwards.)  If these are all that a point
 *   sets, it can go: every way to it comes by others that did.  Of a block
 *   that was allocated since state was last sent nobody has to be told: these
 *   are all.
 *
 * None holds across a place where state may be sent, since that resets all
 * bits, nor across the definition of the base, after which it is another
 * object, as in a loop.  To set a bit that is not written after all makes no
 * state stale; so the first question can be answered by "all" where the
 * program ends, and where a loop does not.  The first one is answered by "no"
 * for loops, and by "yes" only where the program ends. */

#include "instrument-private.h"

#include <string.h>

/* A function for which more would have to be kept keeps all its points. */
#define FACTS_MAX (1u << 24)

static void
apply(const struct event *e, uint64_t *facts, guint n_bases)
{
    switch (e->kind) {
    case EVENT_WRITE:
    case EVENT_FREED:
        break;
    case EVENT_DEFINED:
    case EVENT_ALLOCATED:
        facts[e->base] = 0;
        break;
    case EVENT_SENT:
        memset(facts, 0, n_bases * sizeof *facts);
        break;
    }
}

/* Narrows what holds at one end of a block by what holds at that of another.
 * Returns whether that changes it. */
static bool
meet(uint64_t *to, const uint64_t *from, guint n_bases)
{
    bool changed = false;

    for (guint i = 0; i < n_bases; i++) {
        changed |= (to[i] & ~from[i]) != 0;
        to[i] &= from[i];
    }
    return changed;
}

/* From the end of a block to its start: where a base is freed later, all bits
 * are set. */
static void
freed_backwards(struct event *events, const struct event_block *b,
                uint64_t *facts, guint n_bases)
{
    for (guint i = b->first + b->n; i-- > b->first;) {
        struct event *e = &events[i];

        apply(e, facts, n_bases);
        if (e->kind == EVENT_WRITE) {
            e->freed = facts[e->base] != 0;
        } else if (e->kind == EVENT_FREED) {
            facts[e->base] = UINT64_MAX;
        }
    }
}

static void
backwards(struct event *events, const struct event_block *b, uint64_t *facts,
          guint n_bases)
{
    for (guint i = b->first + b->n; i-- > b->first;) {
        struct event *e = &events[i];

        apply(e, facts, n_bases);
        if (e->kind == EVENT_WRITE) {
            e->wide = e->bits | facts[e->base];
            facts[e->base] |= e->bits;
        }
    }
}

static void
forwards(struct event *events, const struct event_block *b, uint64_t *facts,
         guint n_bases)
{
    for (guint i = b->first; i < b->first + b->n; i++) {
        struct event *e = &events[i];

        apply(e, facts, n_bases);
        if (e->kind == EVENT_ALLOCATED) {
            facts[e->base] = UINT64_MAX;
        } else if (e->kind == EVENT_WRITE && !e->freed) {
            e->point = (e->wide & ~facts[e->base]) != 0;
            facts[e->base] |= e->wide;
        }
    }
}

/* 'ends' has what holds at the end of each block, nothing at first. */
static void
solve_freed(struct event *events, const struct event_block *blocks,
            guint n_blocks, guint n_bases, uint64_t *ends)
{
    size_t size = n_bases * sizeof *ends;
    uint64_t *facts = g_malloc(size), *all = g_malloc(size);
    bool changed = true;

    while (changed) {
        changed = false;
        for (guint i = n_blocks; i-- > 0;) {
            const struct event_block *b = &blocks[i];
            uint64_t *end = &ends[(size_t) i * n_bases];

            memset(all, b->exits || b->n_successors ? 0xff : 0, size);
            for (guint j = 0; j < b->n_successors; j++) {
                guint s = b->successors[j];

                memcpy(facts, &ends[(size_t) s * n_bases], size);
                freed_backwards(events, &blocks[s], facts, n_bases);
                meet(all, facts, n_bases);
            }
            changed |= memcmp(all, end, size) != 0;
            memcpy(end, all, size);
        }
    }
    for (guint i = 0; i < n_blocks; i++) {
        memcpy(facts, &ends[(size_t) i * n_bases], size);
        freed_backwards(events, &blocks[i], facts, n_bases);
    }
    g_free(facts);
    g_free(all);
}

/* 'ends' has what holds at the end of each block, all bits at first. */
static void
solve_backwards(struct event *events, const struct event_block *blocks,
                guint n_blocks, guint n_bases, uint64_t *ends)
{
    uint64_t *facts = g_new(uint64_t, n_bases);
    bool changed = true;

    for (guint i = 0; i < n_blocks; i++) {
        if (blocks[i].ends) {
            memset(&ends[(size_t) i * n_bases], 0, n_bases * sizeof *ends);
        }
    }
    while (changed) {
        changed = false;
        for (guint i = n_blocks; i-- > 0;) {
            const struct event_block *b = &blocks[i];
            uint64_t *end = &ends[(size_t) i * n_bases];

            for (guint j = 0; j < b->n_successors; j++) {
                guint s = b->successors[j];

                memcpy(facts, &ends[(size_t) s * n_bases],
                       n_bases * sizeof *facts);
                backwards(events, &blocks[s], facts, n_bases);
                changed |= meet(end, facts, n_bases);
            }
        }
    }
    for (guint i = 0; i < n_blocks; i++) {
        memcpy(facts, &ends[(size_t) i * n_bases], n_bases * sizeof *facts);
        backwards(events, &blocks[i], facts, n_bases);
    }
    g_free(facts);
}

/* 'starts' has what holds at the start of each block. */
static void
solve_forwards(struct event *events, const struct event_block *blocks,
               guint n_blocks, guint n_bases, uint64_t *starts)
{
    uint64_t *facts = g_new(uint64_t, n_bases);
    bool changed = true;

    memset(starts, 0, n_bases * sizeof *starts);
    while (changed) {
        changed = false;
        for (guint i = 0; i < n_blocks; i++) {
            const struct event_block *b = &blocks[i];

            memcpy(facts, &starts[(size_t) i * n_bases],
                   n_bases * sizeof *facts);
            forwards(events, b, facts, n_bases);
            for (guint j = 0; j < b->n_successors; j++) {
                changed |= meet(&starts[(size_t) b->successors[j] * n_bases],
                                facts, n_bases);
            }
        }
    }
    for (guint i = 0; i < n_blocks; i++) {
        memcpy(facts, &starts[(size_t) i * n_bases], n_bases * sizeof *facts);
        forwards(events, &blocks[i], facts, n_bases);
    }
    g_free(facts);
}

/* Bits that no write of the base has mean nothing. */
static void
keep_own_bits(struct event *events, const struct event_block *blocks,
              guint n_blocks, guint n_bases)
{
    const struct event_block *last = &blocks[n_blocks - 1];
    uint64_t *own = g_new0(uint64_t, n_bases);

    for (guint i = 0; i < last->first + last->n; i++) {
        if (events[i].kind == EVENT_WRITE) {
            own[events[i].base] |= events[i].bits;
        }
    }
    for (guint i = 0; i < last->first + last->n; i++) {
        if (events[i].kind == EVENT_WRITE) {
            events[i].wide &= own[events[i].base];
        }
    }
    g_free(own);
}

void
prune(struct event *events, const struct event_block *blocks, guint n_blocks,
      guint n_bases)
{
    const struct event_block *last = &blocks[n_blocks - 1];
    size_t n = (size_t) n_blocks * n_bases;

    if (n > FACTS_MAX) {
        for (guint i = 0; i < last->first + last->n; i++) {
            events[i].wide = events[i].bits;
            events[i].freed = false;
            events[i].point = events[i].kind == EVENT_WRITE;
        }
        return;
    }
    uint64_t *facts = g_new0(uint64_t, n);

    solve_freed(events, blocks, n_blocks, n_bases, facts);
    memset(facts, 0xff, n * sizeof *facts);
    solve_backwards(events, blocks, n_blocks, n_bases, facts);
    keep_own_bits(events, blocks, n_blocks, n_bases);
    memset(facts, 0xff, n * sizeof *facts);
    solve_forwards(events, blocks, n_blocks, n_bases, facts);
    g_free(facts);
}
