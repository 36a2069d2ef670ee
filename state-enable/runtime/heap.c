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

/* Blocks are kept in regions of 64 KiB of the address space, found by a table
 * for each GiB, each with the sizes of the blocks that start in it by 16
 * bytes, which is how the C library aligns them, and bit maps: of starts, to
 * find the nearest one below a byte, and of those that are watched. */

#include "heap.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>

#define ADDRESS_BITS 48
#define TABLE_SHIFT 30
#define REGION_SHIFT 16
#define GRAIN_SHIFT 4
#define N_REGIONS (1u << (TABLE_SHIFT - REGION_SHIFT))
#define N_GRAINS (1u << (REGION_SHIFT - GRAIN_SHIFT))
#define N_WORDS (N_GRAINS / 64)

/* Blocks that other threads free between two steps. */
#define FREED_MAX 1024

struct freed {
    void *start;
    size_t size;
};

struct word {
    uint64_t starts, watched;   /* Of 64 grains. */
};

struct region {
    struct word words[N_WORDS];
    uint32_t sizes[N_GRAINS];
};

static struct {
    pthread_mutex_t mutex;
    bool tracking;
    bool watching_all;          /* A block is watched that is not known. */
    size_t largest;             /* Of all blocks ever. */
    st_heap_free_cb *on_free;
    void *aux;
    pthread_t owner;            /* The thread that 'on_free' is called in. */
    struct freed freed[FREED_MAX];      /* By others. */
    size_t n_freed;             /* More than FREED_MAX: some were lost. */
} heap = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* By address >> TABLE_SHIFT; NULL, or N_REGIONS pointers. */
static struct region **tables[1u << (ADDRESS_BITS - TABLE_SHIFT)];

void
st_heap_track(void)
{
    heap.tracking = true;
}

static struct region *
find_region(uintptr_t address)
{
    struct region **table = (address >> ADDRESS_BITS ? NULL
                             : tables[address >> TABLE_SHIFT]);

    return table ? table[address >> REGION_SHIFT & (N_REGIONS - 1)] : NULL;
}

static struct region *
add_region(uintptr_t address)
{
    struct region ***table = &tables[address >> TABLE_SHIFT];

    if (address >> ADDRESS_BITS) {
        return NULL;
    }
    if (!*table) {
        *table = calloc(N_REGIONS, sizeof **table);
        if (!*table) {
            return NULL;
        }
    }
    struct region *r = calloc(1, sizeof *r);
    (*table)[address >> REGION_SHIFT & (N_REGIONS - 1)] = r;
    return r;
}

static size_t
n_freed(void)
{
    return __atomic_load_n(&heap.n_freed, __ATOMIC_ACQUIRE);
}

static size_t
grain_of(uintptr_t address)
{
    return address >> GRAIN_SHIFT & (N_GRAINS - 1);
}

/* A program of one thread needs no lock.  Returns whether it was locked. */
static bool
lock(void)
{
    bool needed = !__libc_single_threaded;

    if (needed) {
        pthread_mutex_lock(&heap.mutex);
    }
    return needed;
}

static void
unlock(bool locked)
{
    if (locked) {
        pthread_mutex_unlock(&heap.mutex);
    }
}

/* A block that cannot be remembered, for want of memory or because of its
 * size, is like one of a library: what points to it cannot be moved, and is
 * not. */
static inline bool
add_to(struct region *r, uintptr_t address, size_t size)
{
    size_t grain = grain_of(address);

    if (!r || size > UINT32_MAX || address & ((1u << GRAIN_SHIFT) - 1)) {
        return false;
    }
    r->words[grain / 64].starts |= UINT64_C(1) << grain % 64;
    r->sizes[grain] = size;
    if (size > heap.largest) {
        heap.largest = size;
    }
    return true;
}

static void __attribute__((noinline))
add_slowly(uintptr_t address, size_t size)
{
    bool locked = lock();
    struct region *r = find_region(address);

    add_to(r ? r : add_region(address), address, size);
    unlock(locked);
    st_heap_step();
}

static inline void
add(void *p, size_t size)
{
    uintptr_t address = (uintptr_t) p;

    if (p && (!__libc_single_threaded || n_freed()
              || !add_to(find_region(address), address, size))) {
        add_slowly(address, size);
    }
}

/* Tells the owner, if that is this thread, of what others have freed. */
void
st_heap_step(void)
{
    struct freed freed[64];
    size_t n;

    if (!n_freed()) {
        return;
    }
    do {
        bool locked = lock();
        st_heap_free_cb *on_free = heap.on_free;
        bool lost = heap.n_freed > FREED_MAX;

        n = 0;
        if (on_free && pthread_equal(heap.owner, pthread_self())) {
            size_t left = lost ? 0 : heap.n_freed;

            while (left && n < sizeof freed / sizeof *freed) {
                freed[n++] = heap.freed[--left];
            }
            __atomic_store_n(&heap.n_freed, left, __ATOMIC_RELEASE);
        } else {
            lost = false;
        }
        unlock(locked);
        for (size_t i = 0; i < n; i++) {
            on_free(freed[i].start, freed[i].size, heap.aux);
        }
        if (lost) {
            on_free(NULL, 0, heap.aux);
        }
    } while (n);
}

/* Has 'on_free' called for a block, or remembers it for the owner; that is
 * unlocked here. */
static void
tell(void *p, size_t size, bool locked)
{
    st_heap_free_cb *on_free = heap.on_free;
    bool own = on_free && pthread_equal(heap.owner, pthread_self());

    if (on_free && !own && heap.n_freed <= FREED_MAX) {
        size_t n = heap.n_freed;

        if (n < FREED_MAX) {
            heap.freed[n] = (struct freed) { p, size };
        }
        __atomic_store_n(&heap.n_freed, n + 1, __ATOMIC_RELEASE);
    }
    unlock(locked);
    if (own) {
        on_free(p, size, heap.aux);
    }
}

/* Takes out a block that nobody wants to be told of.  False if it is not one.
 */
static inline bool
take_out(uintptr_t address)
{
    struct region *r = find_region(address);
    size_t grain = grain_of(address);
    uint64_t bit = UINT64_C(1) << grain % 64;
    struct word *w = r ? &r->words[grain / 64] : NULL;

    if (!w || !(w->starts & bit) || w->watched & bit || heap.watching_all) {
        return false;
    }
    w->starts &= ~bit;
    return true;
}

/* Returns whether the block was known, and its size. */
static bool __attribute__((noinline))
forget_slowly(void *p, size_t *size)
{
    uintptr_t address = (uintptr_t) p;
    size_t grain = grain_of(address);
    uint64_t bit = UINT64_C(1) << grain % 64;

    bool locked = lock();
    struct region *r = find_region(address);
    struct word *w = r ? &r->words[grain / 64] : NULL;
    bool known = w && w->starts & bit;
    *size = known ? r->sizes[grain] : 1;
    if (take_out(address)) {
        unlock(locked);
        return true;
    }
    if (w) {
        w->starts &= ~bit;
        w->watched &= ~bit;
    }
    tell(p, *size, locked);
    return known;
}

/* A block is about to be freed or moved. */
static inline void
forget(void *p)
{
    size_t size;

    if (!__libc_single_threaded || !take_out((uintptr_t) p)) {
        forget_slowly(p, &size);
    }
}

/* The last start in 'r' at or before 'grain', or N_GRAINS. */
static size_t
last_start(const struct region *r, size_t grain)
{
    size_t word = grain / 64;
    uint64_t bits = r->words[word].starts & UINT64_MAX >> (63 - grain % 64);

    while (!bits) {
        if (!word) {
            return N_GRAINS;
        }
        bits = r->words[--word].starts;
    }
    return word * 64 + 63 - __builtin_clzll(bits);
}

/* Returns the region of the start of the block that has the byte at 'p', or
 * NULL; sets where it starts.  The heap is locked. */
static struct region *
find(const void *p, uintptr_t *start)
{
    uintptr_t address = (uintptr_t) p;
    uintptr_t base = address & ~(((uintptr_t) 1 << REGION_SHIFT) - 1);
    size_t grain = grain_of(address);

    for (size_t n = (heap.largest >> REGION_SHIFT) + 2; n; n--) {
        struct region *r = find_region(base);
        size_t first = r ? last_start(r, grain) : N_GRAINS;

        if (first < N_GRAINS) {
            *start = base + (first << GRAIN_SHIFT);
            return address - *start < r->sizes[first] ? r : NULL;
        }
        base -= (uintptr_t) 1 << REGION_SHIFT;
        grain = N_GRAINS - 1;
    }
    return NULL;
}

bool
st_heap_find(const void *p, void **start_, size_t *size)
{
    uintptr_t start;

    bool locked = lock();
    struct region *r = find(p, &start);
    if (r) {
        *start_ = (void *) start;
        *size = r->sizes[grain_of(start)];
    }
    unlock(locked);
    return r != NULL;
}

void
st_heap_watch(const void *p)
{
    uintptr_t start;

    bool locked = lock();
    struct region *r = find(p, &start);
    if (r) {
        size_t grain = grain_of(start);

        r->words[grain / 64].watched |= UINT64_C(1) << grain % 64;
    } else {
        heap.watching_all = true;
    }
    unlock(locked);
}

void
st_heap_own(void)
{
    bool locked = lock();

    if (heap.on_free) {
        heap.owner = pthread_self();
    }
    unlock(locked);
    st_heap_step();
}

void
st_heap_on_free(st_heap_free_cb *on_free, void *aux)
{
    bool locked = lock();

    heap.on_free = on_free;
    heap.aux = aux;
    heap.watching_all = false;
    heap.owner = pthread_self();
    heap.n_freed = 0;
    unlock(locked);
}

void *
mbox_state_malloc(size_t size)
{
    void *p = malloc(size);

    if (heap.tracking) {
        add(p, size);
    }
    return p;
}

void *
st_malloc_ended(size_t size)
{
    char *p = malloc(size + 1);

    if (p) {
        p[size] = '\0';
    }
    if (heap.tracking) {
        add(p, size);
    }
    return p;
}

void *
mbox_state_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (heap.tracking) {
        add(p, n * size);       /* calloc() saw to it that it fits. */
    }
    return p;
}

void *
mbox_state_realloc(void *old, size_t size)
{
    if (!heap.tracking) {
        return realloc(old, size);
    }
    /* Forgotten first, since another thread may get the block. */
    size_t old_size;
    bool known = old && forget_slowly(old, &old_size);
    void *p = realloc(old, size);
    if (p) {
        add(p, size);
    } else if (size && known) {
        add(old, old_size);
    }
    return p;
}

void *
mbox_state_reallocarray(void *old, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return mbox_state_realloc(old, bytes);
}

char *
mbox_state_strndup(const char *s, size_t max)
{
    size_t n = strnlen(s, max);
    char *copy = mbox_state_malloc(n + 1);

    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

char *
mbox_state_strdup(const char *s)
{
    return mbox_state_strndup(s, SIZE_MAX);
}

void
mbox_state_free(void *p)
{
    if (p && heap.tracking) {
        forget(p);
    }
    free(p);
}
