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
    const struct st_shadow_word *w = st_shadow_word(s, p);

    return (w && w->covered >> ((uintptr_t) p >> ST_SHADOW_GRAIN_SHIFT) % 64
                 & 1);
}

/* For st_shadow_start(): no block starts in the word of 'p', up to there. */
void *st_shadow_start_below(const struct st_shadow *, const void *p);

/* The start of the block that has the byte at 'p', which is covered; perhaps
 * NULL if that block was removed. */
static inline void *
st_shadow_start(const struct st_shadow *s, const void *p)
{
    uintptr_t grain = (uintptr_t) p >> ST_SHADOW_GRAIN_SHIFT;
    uint64_t starts = (st_shadow_word(s, p)->starts
                       & UINT64_MAX >> (63 - grain % 64));

    return (!starts ? st_shadow_start_below(s, p)
            : (void *) (((grain | 63) - __builtin_clzll(starts))
                        << ST_SHADOW_GRAIN_SHIFT));
}

#endif /* shadow.h */
