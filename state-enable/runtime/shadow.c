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

#include "shadow.h"

#include <sys/mman.h>

/* Zeros, in memory only where they are written to; NULL if there is none. */
static void *
map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static bool
add_region(struct st_shadow *s, uintptr_t number)
{
    if (number >= ST_SHADOW_REGIONS) {
        return false;
    }
    if (!s->regions) {
        s->regions = map(ST_SHADOW_REGIONS * sizeof *s->regions);
    }
    if (!s->regions) {
        return false;
    }
    if (!s->regions[number]) {
        struct st_shadow_word *words = map(ST_SHADOW_WORDS * sizeof *words);

        s->regions[number] = words;
        if (!words) {
            return false;
        }
        if (s->first_size) {
            s->has_more = true;
        } else {
            s->first = words;
            s->first_address = number << ST_SHADOW_REGION_SHIFT;
            s->first_size = (size_t) 1 << ST_SHADOW_REGION_SHIFT;
        }
    }
    return true;
}

static uintptr_t
grain_of(uintptr_t address)
{
    return address >> ST_SHADOW_GRAIN_SHIFT;
}

/* The word that has a grain, or NULL if there is no such region. */
static struct st_shadow_word *
word_of(const struct st_shadow *s, uintptr_t grain)
{
    return st_shadow_word(s, (const void *) (grain << ST_SHADOW_GRAIN_SHIFT));
}

/* The bits of the grains from 'grain' to 'last' that are in one word. */
static uint64_t
bits_of(uintptr_t grain, uintptr_t last)
{
    uint64_t bits = UINT64_MAX << grain % 64;

    return last > (grain | 63) ? bits : bits & UINT64_MAX >> (63 - last % 64);
}

bool
st_shadow_add(struct st_shadow *s, const void *start_, size_t size)
{
    uintptr_t start = (uintptr_t) start_;

    if (!size) {
        return true;
    }
    for (uintptr_t i = start >> ST_SHADOW_REGION_SHIFT;
         i <= (start + size - 1) >> ST_SHADOW_REGION_SHIFT; i++) {
        if (!add_region(s, i)) {
            return false;
        }
    }
    uintptr_t last = grain_of(start + size - 1);
    for (uintptr_t g = grain_of(start); g <= last; g = (g | 63) + 1) {
        struct st_shadow_word *w = word_of(s, g);

        w->covered |= bits_of(g, last);
        w->starts &= ~bits_of(g, last);
    }
    word_of(s, grain_of(start))->starts |= UINT64_C(1) << grain_of(start) % 64;
    return true;
}

void
st_shadow_remove(struct st_shadow *s, const void *start_, size_t size)
{
    uintptr_t start = (uintptr_t) start_;
    uintptr_t grain = grain_of(start), last = grain_of(start + size - 1);
    uint64_t bit = UINT64_C(1) << grain % 64, starts = 0;

    if (!size || !(word_of(s, grain)->starts & bit)) {
        return;
    }
    word_of(s, grain)->starts &= ~bit;
    for (uintptr_t g = grain; g <= last && !starts; g = (g | 63) + 1) {
        struct st_shadow_word *w = word_of(s, g);
        uint64_t bits = bits_of(g, last);

        starts = w->starts & bits;
        w->covered &= ~(starts ? bits & ((starts & -starts) - 1) : bits);
    }
}

void
st_shadow_clear(struct st_shadow *s)
{
    for (size_t i = 0; s->regions && i < ST_SHADOW_REGIONS; i++) {
        if (s->regions[i]) {
            munmap(s->regions[i], ST_SHADOW_WORDS * sizeof **s->regions);
        }
    }
    if (s->regions) {
        munmap(s->regions, ST_SHADOW_REGIONS * sizeof *s->regions);
    }
    *s = (struct st_shadow) { .regions = NULL };
}

void *
st_shadow_start_below(const struct st_shadow *s, const void *p)
{
    uintptr_t grain = grain_of((uintptr_t) p);
    const struct st_shadow_word *w;

    do {
        grain = (grain & ~(uintptr_t) 63) - 1;
        w = word_of(s, grain);
        if (!w || !(w->covered >> 63)) {
            return NULL;
        }
    } while (!w->starts);
    return (void *) ((grain - __builtin_clzll(w->starts))
                     << ST_SHADOW_GRAIN_SHIFT);
}
