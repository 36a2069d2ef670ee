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

#ifndef STATE_SHADOW_H
#define STATE_SHADOW_H 1

/* Which bytes of the heap are in blocks that are remembered
 * =========================================================
 *
 * Asked before each write of the program, mostly with the answer "none".  Two
 * bits for each 16 bytes of regions of the address space: whether they are of
 * a block, and whether one starts there.  Blocks start at multiples of 16
 * bytes, as the C library aligns them.
 *
 * A block that was freed by a library may still be here when another one takes
 * its place.  Then the later one counts: all its bytes are covered and lead to
 * its start, until that is removed.  What is left of the other may be covered,
 * too, and lead to any start or none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ST_SHADOW_GRAIN_SHIFT 4
#define ST_SHADOW_WORD_SHIFT (ST_SHADOW_GRAIN_SHIFT + 6)
#define ST_SHADOW_REGION_SHIFT 30
#define ST_SHADOW_ADDRESS_BITS 48
#define ST_SHADOW_WORDS \
    ((size_t) 1 << (ST_SHADOW_REGION_SHIFT - ST_SHADOW_WORD_SHIFT))
#define ST_SHADOW_REGIONS \
    ((size_t) 1 << (ST_SHADOW_ADDRESS_BITS - ST_SHADOW_REGION_SHIFT))

struct st_shadow_word {
    uint64_t covered, starts;   /* Of 64 grains. */
};

/* Address space is taken for all words of a region that has a block, and
 * memory for those that are written to. */
struct st_shadow {
    struct st_shadow_word **regions;    /* By address; NULL: there are none. */

    /* The first of them, which has most of what is asked for. */
    struct st_shadow_word *first;
    uintptr_t first_address;
    size_t first_size;          /* 0: there is none. */
    bool has_more;
};

/* Bytes that are covered by one block, or not at all: some of the block's, in
 * one word, until a block is added or removed. */
struct st_shadow_range {
    void *start;                /* Of the block; perhaps NULL if it was
                                 * removed, or others of its bytes are no
                                 * longer covered. */
    uintptr_t grain;            /* The first of these bytes is in this one. */
    uint64_t bits;              /* In 'covered' of its word. */
};

/* Adds a block; if it is there already that changes nothing.  Returns false,
 * and adds nothing, if memory is short, or if programs have no blocks there.
 * Removed is a block that was added, if no later one has its start. */
bool st_shadow_add(struct st_shadow *, const void *start, size_t);
void st_shadow_remove(struct st_shadow *, const void *start, size_t);
void st_shadow_clear(struct st_shadow *);

/* The word of the byte at 'p', or NULL if there is no such region. */
static inline struct st_shadow_word *
st_shadow_word(const struct st_shadow *s, const void *p)
{
    uintptr_t address = (uintptr_t) p;

    if (!s->regions || address >> ST_SHADOW_ADDRESS_BITS) {
        return NULL;
    }
    struct st_shadow_word *words
        = s->regions[address >> ST_SHADOW_REGION_SHIFT];

    return (words ? &words[address >> ST_SHADOW_WORD_SHIFT
                           & (ST_SHADOW_WORDS - 1)] : NULL);
}

/* Whether the byte at 'p' is covered. */
static inline bool
st_shadow_has(const struct st_shadow *s, const void *p)
{
    uintptr_t at = (uintptr_t) p - s->first_address;
    uint64_t covered;

    if (at < s->first_size) {
        covered = s->first[at >> ST_SHADOW_WORD_SHIFT].covered;
    } else {
        const struct st_shadow_word *w = (s->has_more ? st_shadow_word(s, p)
                                          : NULL);

        covered = w ? w->covered : 0;
    }
    return covered >> ((uintptr_t) p >> ST_SHADOW_GRAIN_SHIFT) % 64 & 1;
}

/* For st_shadow_find(): no block starts in the word of 'p', up to there. */
void *st_shadow_start_below(const struct st_shadow *, const void *p);

/* The block that has the byte at 'p', which is covered. */
static inline struct st_shadow_range
st_shadow_find(const struct st_shadow *s, const void *p)
{
    uintptr_t grain = (uintptr_t) p >> ST_SHADOW_GRAIN_SHIFT;
    uint64_t starts = st_shadow_word(s, p)->starts;
    uint64_t up_to = UINT64_MAX >> (63 - grain % 64);
    uint64_t before = starts & up_to, after = starts & ~up_to;
    uintptr_t first = ((grain & ~(uintptr_t) 63)
                       + (before ? 63 - __builtin_clzll(before) : 0));

    return (struct st_shadow_range) {
        .start = (before ? (void *) (first << ST_SHADOW_GRAIN_SHIFT)
                  : st_shadow_start_below(s, p)),
        .grain = first,
        .bits = (UINT64_MAX << first % 64
                 & (after ? (after & -after) - 1 : UINT64_MAX)),
    };
}

/* These bytes are not covered from now on, until their block is added
 * again. */
static inline void
st_shadow_uncover(struct st_shadow *s, struct st_shadow_range range)
{
    st_shadow_word(s, (void *) (range.grain << ST_SHADOW_GRAIN_SHIFT))->covered
        &= ~range.bits;
}

#endif /* shadow.h */
