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
#define ST_SHADOW_REGION_SHIFT 20
#define ST_SHADOW_WORDS \
    (1u << (ST_SHADOW_REGION_SHIFT - ST_SHADOW_GRAIN_SHIFT - 6))

struct st_shadow_word {
    uint64_t covered, starts;   /* Of 64 grains. */
};

struct st_shadow_region {
    uintptr_t number;           /* Address >> ST_SHADOW_REGION_SHIFT. */
    struct st_shadow_word *words;       /* NULL: there is no such region. */
};

struct st_shadow {
    struct st_shadow_region *slots;     /* Open addressing, half of it free;
                                         * a power of two, or 0. */
    size_t n_slots, n_regions;
};

/* Adds a block; if it is there already that changes nothing.  Returns false,
 * and adds nothing, if memory is short.  Removed is a block that was added, if
 * no later one has its start. */
bool st_shadow_add(struct st_shadow *, const void *start, size_t);
void st_shadow_remove(struct st_shadow *, const void *start, size_t);
void st_shadow_clear(struct st_shadow *);

/* The start of the block that has the byte at 'p', which is covered; perhaps
 * NULL if that block was removed. */
void *st_shadow_start(const struct st_shadow *, const void *p);

static inline size_t
st_shadow_slot(const struct st_shadow *s, uintptr_t number)
{
    size_t i = number & (s->n_slots - 1);

    while (s->slots[i].words && s->slots[i].number != number) {
        i = (i + 1) & (s->n_slots - 1);
    }
    return i;
}

/* Whether the byte at 'p' is covered. */
static inline bool
st_shadow_has(const struct st_shadow *s, const void *p)
{
    uintptr_t address = (uintptr_t) p;

    if (!s->n_slots) {
        return false;
    }
    const struct st_shadow_word *words
        = s->slots[st_shadow_slot(s, address >> ST_SHADOW_REGION_SHIFT)].words;
    size_t grain = address >> ST_SHADOW_GRAIN_SHIFT;

    return (words
            && words[grain / 64 % ST_SHADOW_WORDS].covered >> grain % 64 & 1);
}

#endif /* shadow.h */
