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

/* Blocks are kept in regions of 64 KiB of the address space, found by hash,
 * each with the sizes of the blocks that start in it by 16 bytes, which is how
 * the C library aligns them, and a bit map to find the nearest start below a
 * byte. */

#include "heap.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>

#define REGION_SHIFT 16
#define GRAIN_SHIFT 4
#define N_GRAINS (1u << (REGION_SHIFT - GRAIN_SHIFT))
#define N_WORDS (N_GRAINS / 64)

/* Blocks that other threads free between two steps. */
#define FREED_MAX 1024

struct freed {
    void *start;
    size_t size;
};

struct region {
    uintptr_t number;           /* Address >> REGION_SHIFT. */
    uint64_t starts[N_WORDS];
    uint32_t sizes[N_GRAINS];
};

static struct {
    pthread_mutex_t mutex;
    bool tracking;
    struct region **slots;      /* Open addressing; a power of two. */
    size_t n_slots, n_regions;
    size_t largest;             /* Of all blocks ever. */
    st_heap_free_cb *on_free;
    void *aux;
    pthread_t owner;            /* The thread that 'on_free' is called in. */
    struct freed freed[FREED_MAX];      /* By others. */
    size_t n_freed;             /* More than FREED_MAX: some were lost. */
} heap = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void
st_heap_track(void)
{
    heap.tracking = true;
}

static size_t
slot_of(uintptr_t number)
{
    size_t i = (number * UINT64_C(0x9e3779b97f4a7c15)) >> 32;

    while (heap.slots[i & (heap.n_slots - 1)]
           && heap.slots[i & (heap.n_slots - 1)]->number != number) {
        i++;
    }
    return i & (heap.n_slots - 1);
}

static struct region *
find_region(uintptr_t number)
{
    return heap.n_slots ? heap.slots[slot_of(number)] : NULL;
}

static bool
grow(void)
{
    struct region **old = heap.slots;
    size_t n_old = heap.n_slots;
    size_t n = n_old ? 2 * n_old : 64;
    struct region **slots = calloc(n, sizeof *slots);

    if (!slots) {
        return false;
    }
    heap.slots = slots;
    heap.n_slots = n;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i]) {
            slots[slot_of(old[i]->number)] = old[i];
        }
    }
    free(old);
    return true;
}

static struct region *
get_region(uintptr_t number)
{
    struct region *r = find_region(number);

    if (!r && (2 * heap.n_regions < heap.n_slots || grow())) {
        r = calloc(1, sizeof *r);
        if (r) {
            r->number = number;
            heap.slots[slot_of(number)] = r;
            heap.n_regions++;
        }
    }
    return r;
}

static __thread volatile bool busy;

bool
st_heap_is_busy(void)
{
    return busy;
}

/* A program of one thread needs no lock.  Returns whether it was locked. */
static bool
lock(void)
{
    bool needed = !__libc_single_threaded;

    busy = true;
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
    busy = false;
}

/* A block that cannot be remembered, for want of memory or because of its
 * size, is like one of a library: what points to it cannot be moved, and is
 * not. */
static void
add(void *p, size_t size)
{
    uintptr_t address = (uintptr_t) p;

    if (!p || !heap.tracking || size > UINT32_MAX
        || address & ((1u << GRAIN_SHIFT) - 1)) {
        return;
    }
    bool locked = lock();
    struct region *r = get_region(address >> REGION_SHIFT);
    if (r) {
        size_t grain = (address >> GRAIN_SHIFT) & (N_GRAINS - 1);

        r->starts[grain / 64] |= UINT64_C(1) << grain % 64;
        r->sizes[grain] = size;
        if (size > heap.largest) {
            heap.largest = size;
        }
    }
    unlock(locked);
    st_heap_step();
}

/* Tells the owner, if that is this thread, of what others have freed. */
void
st_heap_step(void)
{
    struct freed freed[64];
    size_t n;

    if (!__atomic_load_n(&heap.n_freed, __ATOMIC_ACQUIRE)) {
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

/* A block is about to be freed or moved.  Returns whether it was known, and
 * its size. */
static bool
forget(void *p, size_t *size)
{
    uintptr_t address = (uintptr_t) p;
    bool known = false;

    if (!p || !heap.tracking) {
        return false;
    }
    bool locked = lock();
    struct region *r = find_region(address >> REGION_SHIFT);
    if (r) {
        size_t grain = (address >> GRAIN_SHIFT) & (N_GRAINS - 1);
        uint64_t bit = UINT64_C(1) << grain % 64;

        known = r->starts[grain / 64] & bit;
        *size = r->sizes[grain];
        r->starts[grain / 64] &= ~bit;
    }
    tell(p, known ? *size : 1, locked);
    return known;
}

/* The last start in 'r' at or before 'grain', or N_GRAINS. */
static size_t
last_start(const struct region *r, size_t grain)
{
    size_t word = grain / 64;
    uint64_t bits = r->starts[word] & (UINT64_MAX >> (63 - grain % 64));

    while (!bits) {
        if (!word) {
            return N_GRAINS;
        }
        bits = r->starts[--word];
    }
    return word * 64 + 63 - __builtin_clzll(bits);
}

bool
st_heap_find(const void *p, void **start, size_t *size)
{
    uintptr_t address = (uintptr_t) p;
    uintptr_t number = address >> REGION_SHIFT;
    size_t grain = (address >> GRAIN_SHIFT) & (N_GRAINS - 1);
    bool found = false;

    bool locked = lock();
    for (size_t n = (heap.largest >> REGION_SHIFT) + 2; n; n--) {
        struct region *r = find_region(number);
        size_t first = r ? last_start(r, grain) : N_GRAINS;

        if (first < N_GRAINS) {
            uintptr_t base = (number << REGION_SHIFT) + (first << GRAIN_SHIFT);

            *start = (void *) base;
            *size = r->sizes[first];
            found = address - base < *size;
            break;
        }
        number--;
        grain = N_GRAINS - 1;
    }
    unlock(locked);
    return found;
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
    heap.owner = pthread_self();
    heap.n_freed = 0;
    unlock(locked);
}

void *
mbox_state_malloc(size_t size)
{
    void *p = malloc(size);

    add(p, size);
    return p;
}

void *
st_malloc_ended(size_t size)
{
    char *p = malloc(size + 1);

    if (p) {
        p[size] = '\0';
    }
    add(p, size);
    return p;
}

void *
mbox_state_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    add(p, n * size);           /* calloc() saw to it that it fits. */
    return p;
}

void *
mbox_state_realloc(void *old, size_t size)
{
    size_t old_size = 0;

    /* Forgotten first, since another thread may get the block. */
    bool known = forget(old, &old_size);
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
    size_t size;

    forget(p, &size);
    free(p);
}
