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
static uint32_t
find_slot(const struct mb_table *table, uint8_t scope,
          const struct mbox_key *key)
{
    uint32_t i = mbox_key_hash(key, scope) & table->mask;

    while (table->slots[i]) {
        const struct mb_entry *entry = &table->entries[table->slots[i] - 1];
        if (entry->scope == scope && mbox_key_equal(&entry->key, key)) {
            break;
        }
        i = (i + 1) & table->mask;
    }
    return i;
}

uint32_t
mb_table_find(const struct mb_table *table, uint8_t scope,
              const struct mbox_key *key)
{
    if (!table->n) {
        return MB_NO_ENTRY;
    }
    /* An empty slot gives 0 - 1, which is MB_NO_ENTRY. */
    return table->slots[find_slot(table, scope, key)] - 1;
}

/* Makes room for one more entry; slots are at most half full. */
static bool
grow(struct mb_table *table)
{
    if (table->n < table->allocated) {
        return true;
    }
    if (table->allocated > UINT32_MAX / 8) {
        return false;
    }

    uint32_t allocated = table->allocated ? table->allocated * 2 : 64;
    uint32_t *slots = calloc(2 * (size_t) allocated, sizeof *slots);
    if (!slots) {
        return false;
    }
    struct mb_entry *entries = realloc(table->entries,
                                       allocated * sizeof *entries);
    if (!entries) {
        free(slots);
        return false;
    }

    free(table->slots);
    table->entries = entries;
    table->allocated = allocated;
    table->slots = slots;
    table->mask = 2 * allocated - 1;
    for (uint32_t i = 0; i < table->n; i++) {
        slots[find_slot(table, entries[i].scope, &entries[i].key)] = i + 1;
    }
    return true;
}

uint32_t
mb_table_insert(struct mb_table *table, uint8_t scope,
                const struct mbox_key *key)
{
    uint32_t index = mb_table_find(table, scope, key);
    if (index != MB_NO_ENTRY) {
        return index;
    }
    if (!grow(table)) {
        return MB_NO_ENTRY;
    }

    index = table->n++;
    table->entries[index] = (struct mb_entry) {
        .key = *key, .scope = scope, .link = MB_NO_ENTRY,
    };
    table->slots[find_slot(table, scope, key)] = index + 1;
    return index;
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
