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

#ifndef MB_TABLE_H
#define MB_TABLE_H 1

/* A table of states by scope and key
 * ==================================
 *
 * An entry is named by its index, which stays the same until it is removed, if
 * ever.  While none has been, that is its place in order of insertion. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"

#define MB_NO_ENTRY UINT32_MAX

struct mb_entry {
    struct mbox_key key;
    uint32_t link;              /* For the table's user. */
    uint8_t scope;              /* enum mbox_state_scope. */
    uint8_t flags;              /* For the table's user. */
};

/* The hash is in the slot so that neither a lookup of what is not there nor
 * growing touches the entries. */
struct mb_slot {
    uint32_t hash;
    uint32_t n;                 /* Index + 1 into 'entries', 0 if empty. */
};

struct mb_table {
    struct mb_entry *entries;
    uint32_t n;                 /* With removed ones, which are all zero but
                                 * for 'link'. */
    uint32_t allocated;
    uint32_t free;              /* Index + 1 of a removed one, which links the
                                 * next likewise; 0 if there is none. */
    struct mb_slot *slots;
    uint32_t mask;              /* Number of slots - 1. */
};

void mb_table_init(struct mb_table *);
void mb_table_uninit(struct mb_table *);

/* Makes room for 'n' entries in an empty table, or if memory is short for
 * fewer, so that it need not grow while they come. */
void mb_table_reserve(struct mb_table *, uint32_t n);

/* Returns the index of the entry, or MB_NO_ENTRY. */
uint32_t mb_table_find(const struct mb_table *, uint8_t scope,
                       const struct mbox_key *key);

/* Returns the index of the entry, which is added with 'flags' 0 and 'link'
 * MB_NO_ENTRY if it was not there; MB_NO_ENTRY if memory is short.  Pointers
 * to entries become invalid. */
uint32_t mb_table_insert(struct mb_table *, uint8_t scope,
                         const struct mbox_key *key);

/* Does the first half of looking for an entry, so that the memory it is in is
 * there when the other half is done, some work later, by
 * mb_table_insert_hashed().  Returns the hash that it needs. */
uint32_t mb_table_prefetch(const struct mb_table *, uint8_t scope,
                           const struct mbox_key *key);
uint32_t mb_table_insert_hashed(struct mb_table *, uint32_t hash,
                                uint8_t scope, const struct mbox_key *key);

/* In between: the memory of the entry, if it is there. */
void mb_table_prefetch_entry(const struct mb_table *, uint32_t hash);

/* Removes the entry 'index'; another may get this index. */
void mb_table_remove(struct mb_table *, uint32_t index);

/* A growing array of keys. */
struct mb_keys {
    struct mbox_key *keys;
    size_t n;
    size_t allocated;
};
void mb_keys_init(struct mb_keys *);
void mb_keys_uninit(struct mb_keys *);

/* Makes room for 'n' keys in an empty array, unless memory is short. */
void mb_keys_reserve(struct mb_keys *, uint64_t n);

/* Returns false if memory is short. */
bool mb_keys_add(struct mb_keys *, const struct mbox_key *);

#endif /* table.h */
