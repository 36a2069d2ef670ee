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

#include "nodeset.h"

#include <string.h>
#include <glib.h>

void
nodeset_clear(struct nodeset *s)
{
    g_free(s->blocks);
    *s = (struct nodeset) { .blocks = NULL };
}

uint32_t
nodeset_count(const struct nodeset *s)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        count += __builtin_popcountll(s->blocks[i].bits);
    }
    return count;
}

/* The position of the first block with an index of at least 'index'. */
static uint32_t
lower_bound(const struct nodeset *s, uint32_t index)
{
    uint32_t low = 0, high = s->n;

    if (high && s->blocks[high - 1].index < index) {
        return high;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (s->blocks[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool
nodeset_contains(const struct nodeset *s, uint32_t id)
{
    uint32_t i = lower_bound(s, id / 64);

    return (i < s->n && s->blocks[i].index == id / 64
            && s->blocks[i].bits >> (id % 64) & 1);
}

bool
nodeset_equal(const struct nodeset *a, const struct nodeset *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->blocks[i].index != b->blocks[i].index
            || a->blocks[i].bits != b->blocks[i].bits) {
            return false;
        }
    }
    return true;
}

static void
reserve(struct nodeset *s, uint32_t n)
{
    if (n > s->allocated) {
        s->allocated = MAX(n, s->allocated + s->allocated / 2);
        s->blocks = g_renew(struct nodeset_block, s->blocks, s->allocated);
    }
}

bool
nodeset_add(struct nodeset *s, uint32_t id)
{
    uint64_t bit = UINT64_C(1) << (id % 64);
    uint32_t i = lower_bound(s, id / 64);

    if (i < s->n && s->blocks[i].index == id / 64) {
        bool new = !(s->blocks[i].bits & bit);
        s->blocks[i].bits |= bit;
        return new;
    }
    reserve(s, s->n + 1);
    memmove(&s->blocks[i + 1], &s->blocks[i],
            (s->n - i) * sizeof *s->blocks);
    s->blocks[i] = (struct nodeset_block) { .bits = bit, .index = id / 64 };
    s->n++;
    return true;
}

static void
add_block(struct nodeset *s, uint32_t index, uint64_t bits)
{
    uint32_t i = lower_bound(s, index);

    if (i < s->n && s->blocks[i].index == index) {
        s->blocks[i].bits |= bits;
        return;
    }
    reserve(s, s->n + 1);
    memmove(&s->blocks[i + 1], &s->blocks[i],
            (s->n - i) * sizeof *s->blocks);
    s->blocks[i] = (struct nodeset_block) { .bits = bits, .index = index };
    s->n++;
}

bool
nodeset_union(struct nodeset *dst, const struct nodeset *src,
              struct nodeset *added)
{
    uint32_t n_missing = 0;
    bool grew = false;

    /* Blocks that both have; count those that 'dst' lacks. */
    for (uint32_t i = 0, j = 0; j < src->n; j++) {
        const struct nodeset_block *b = &src->blocks[j];
        uint64_t new;

        while (i < dst->n && dst->blocks[i].index < b->index) {
            i++;
        }
        if (i < dst->n && dst->blocks[i].index == b->index) {
            new = b->bits & ~dst->blocks[i].bits;
            dst->blocks[i].bits |= new;
        } else {
            new = b->bits;
            n_missing++;
        }
        if (new) {
            grew = true;
            if (added) {
                add_block(added, b->index, new);
            }
        }
    }

    if (n_missing) {
        /* Merge from the end, in place. */
        reserve(dst, dst->n + n_missing);
        uint32_t i = dst->n, j = src->n, k = dst->n + n_missing;
        dst->n = k;
        while (j) {
            if (i && dst->blocks[i - 1].index >= src->blocks[j - 1].index) {
                j -= dst->blocks[i - 1].index == src->blocks[j - 1].index;
                dst->blocks[--k] = dst->blocks[--i];
            } else {
                dst->blocks[--k] = src->blocks[--j];
            }
        }
    }
    return grew;
}

void
nodeset_union_common(struct nodeset *dst, const struct nodeset *a,
                     const struct nodeset *b)
{
    if (a->n > b->n) {
        const struct nodeset *c = a;
        a = b;
        b = c;
    }
    for (uint32_t i = 0, j = 0; i < a->n && j < b->n; i++) {
        uint32_t index = a->blocks[i].index;

        /* Next to each other, or else by bisection. */
        if (b->blocks[j].index < index && ++j < b->n
            && b->blocks[j].index < index) {
            j = lower_bound(b, index);
        }
        if (j < b->n && b->blocks[j].index == index
            && a->blocks[i].bits & b->blocks[j].bits) {
            add_block(dst, index, a->blocks[i].bits & b->blocks[j].bits);
        }
    }
}
