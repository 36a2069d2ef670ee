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

#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE (2 * 1024 * 1024)

/* Room for as many entries in the smallest table. */
#define MIN_ENTRIES 64

void
mb_table_init(struct mb_table *table)
{
    memset(table, 0, sizeof *table);
}

void
mb_table_uninit(struct mb_table *table)
{
    free(table->entries);
    free(table->slots);
    mb_table_init(table);
}

/* Returns the slot that holds the entry, or the empty one where it belongs.
 * There must be slots, and an empty one. */
static inline struct mb_slot *
find_slot(const struct mb_table *table, uint32_t hash, uint8_t scope,
          const struct mbox_key *key)
{
    for (uint32_t i = hash;; i++) {
        struct mb_slot *slot = &table->slots[i & table->mask];

        if (!slot->n) {
            return slot;
        }
        if (slot->hash == hash) {
            const struct mb_entry *entry = &table->entries[slot->n - 1];

            if (entry->scope == scope && mbox_key_equal(&entry->key, key)) {
                return slot;
            }
        }
    }
}

uint32_t
mb_table_find(const struct mb_table *table, uint8_t scope,
              const struct mbox_key *key)
{
    if (!table->n) {
        return MB_NO_ENTRY;
    }
    /* An empty slot gives 0 - 1, which is MB_NO_ENTRY. */
    return find_slot(table, mbox_key_hash(key, scope), scope, key)->n - 1;
}

/* Doubles the number of slots.  In order of the old ones, so that the new ones
 * are written in order, too. */
static bool
grow_slots(struct mb_table *table, uint32_t n_slots)
{
    struct mb_slot *slots = calloc(n_slots, sizeof *slots);

    if (!slots) {
        return false;
    }
    for (uint32_t i = 0; table->slots && i <= table->mask; i++) {
        const struct mb_slot *old = &table->slots[i];

        if (old->n) {
            uint32_t j = old->hash & (n_slots - 1);

            while (slots[j].n) {
                j = (j + 1) & (n_slots - 1);
            }
            slots[j] = *old;
        }
    }
    free(table->slots);
    table->slots = slots;
    table->mask = n_slots - 1;
    return true;
}

/* Makes room for one more entry; slots are at most half full. */
static bool
grow(struct mb_table *table)
{
    if (table->mask + 1 > UINT32_MAX / 4) {
        return false;
    }

    uint32_t allocated = table->allocated ? table->allocated * 2 : MIN_ENTRIES;
    struct mb_entry *entries = realloc(table->entries,
                                       allocated * sizeof *entries);
    if (!entries) {
        return false;
    }
    table->entries = entries;

    uint32_t n_slots = (table->slots ? 2 * (table->mask + 1)
                        : 2 * MIN_ENTRIES);
    if (!grow_slots(table, n_slots)) {
        return false;
    }
    table->allocated = allocated;
    return true;
}

/* Allocates 'n' bytes, in large pages if they are many: the system provides
 * those much faster than as many small ones, and looks them up faster, too. */
static void *
allocate_large(size_t n)
{
    void *p;

    if (n < LARGE_PAGE) {
        return malloc(n);
    }
    if (posix_memalign(&p, LARGE_PAGE, n)) {
        return NULL;
    }
    madvise(p, n, MADV_HUGEPAGE);
    return p;
}

void
mb_table_reserve(struct mb_table *table, uint32_t n)
{
    uint32_t n_slots = 2 * MIN_ENTRIES;

    if (table->allocated || !n || n > UINT32_MAX / 8) {
        return;
    }
    n = n > MIN_ENTRIES ? n : MIN_ENTRIES;
    while (n_slots < 2 * n) {
        n_slots *= 2;
    }
    table->entries = allocate_large(n * sizeof *table->entries);
    table->slots = allocate_large(n_slots * sizeof *table->slots);
    if (!table->entries || !table->slots) {
        mb_table_uninit(table);
        return;
    }
    memset(table->slots, 0, n_slots * sizeof *table->slots);
    table->allocated = n;
    table->mask = n_slots - 1;
}

uint32_t
mb_table_prefetch(const struct mb_table *table, uint8_t scope,
                  const struct mbox_key *key)
{
    uint32_t hash = mbox_key_hash(key, scope);

    if (table->n) {
        __builtin_prefetch(&table->slots[hash & table->mask], 1);
    }
    return hash;
}

void
mb_table_prefetch_entry(const struct mb_table *table, uint32_t hash)
{
    if (table->n) {
        const struct mb_slot *slot = &table->slots[hash & table->mask];

        if (slot->n) {
            __builtin_prefetch(&table->entries[slot->n - 1], 1);
        }
    }
}

uint32_t
mb_table_insert_hashed(struct mb_table *table, uint32_t hash, uint8_t scope,
                       const struct mbox_key *key)
{
    if (table->n == table->allocated && !table->free) {
        if (table->n) {
            const struct mb_slot *slot = find_slot(table, hash, scope, key);

            if (slot->n) {
                return slot->n - 1;
            }
        }
        if (!grow(table)) {
            return MB_NO_ENTRY;
        }
    }

    struct mb_slot *slot = find_slot(table, hash, scope, key);
    if (!slot->n) {
        uint32_t n = table->free ? table->free : ++table->n;
        struct mb_entry *entry = &table->entries[n - 1];

        if (n == table->free) {
            table->free = entry->link;
        }
        *entry = (struct mb_entry) {
            .key = *key, .scope = scope, .link = MB_NO_ENTRY,
        };
        *slot = (struct mb_slot) { .hash = hash, .n = n };
    }
    return slot->n - 1;
}

uint32_t
mb_table_insert(struct mb_table *table, uint8_t scope,
                const struct mbox_key *key)
{
    return mb_table_insert_hashed(table, mbox_key_hash(key, scope), scope,
                                  key);
}

void
mb_table_remove(struct mb_table *table, uint32_t index)
{
    struct mb_entry *entry = &table->entries[index];
    uint32_t hash = mbox_key_hash(&entry->key, entry->scope);
    uint32_t hole = find_slot(table, hash, entry->scope, &entry->key)
                    - table->slots;

    /* What follows without a gap moves up if the hole is on its way from where
     * it belongs, so that it is still found. */
    for (uint32_t i = hole + 1; table->slots[i & table->mask].n; i++) {
        const struct mb_slot *slot = &table->slots[i & table->mask];

        if (((i - slot->hash) & table->mask) >= ((i - hole) & table->mask)) {
            table->slots[hole & table->mask] = *slot;
            hole = i;
        }
    }
    table->slots[hole & table->mask] = (struct mb_slot) { .n = 0 };
    *entry = (struct mb_entry) { .link = table->free };
    table->free = index + 1;
}

void
mb_keys_init(struct mb_keys *keys)
{
    memset(keys, 0, sizeof *keys);
}

void
mb_keys_uninit(struct mb_keys *keys)
{
    free(keys->keys);
    mb_keys_init(keys);
}

void
mb_keys_reserve(struct mb_keys *keys, uint64_t n)
{
    if (!keys->allocated && n && n <= SIZE_MAX / sizeof *keys->keys) {
        keys->keys = allocate_large(n * sizeof *keys->keys);
        keys->allocated = keys->keys ? n : 0;
    }
}

bool
mb_keys_add(struct mb_keys *keys, const struct mbox_key *key)
{
    if (keys->n == keys->allocated) {
        size_t allocated = keys->allocated ? keys->allocated * 2 : 16;
        struct mbox_key *p = realloc(keys->keys, allocated * sizeof *p);
        if (!p) {
            return false;
        }
        keys->keys = p;
        keys->allocated = allocated;
    }
    keys->keys[keys->n++] = *key;
    return true;
}
