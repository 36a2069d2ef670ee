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

#ifndef STATE_DIRTY_PRIVATE_H
#define STATE_DIRTY_PRIVATE_H 1

#include "dirty.h"

/* A link in a chain of a hash table. */
struct dirty_chain {
    struct dirty_chain *next;
};

/* A block of an entry.  There are many, and writes look for them: it is
 * small. */
struct dirty_block {
    struct dirty_chain chain;   /* In the table of blocks; first. */
    struct dirty_entry *entry;
    const void *start;
    uint32_t size;
    bool slot;                  /* It is an element of an array. */
    bool ended;                 /* It is not in the table any more. */
};

/* What was sent of a block, if that is checked. */
struct dirty_copy {
    struct st_object object;
    uint8_t *bytes;             /* NULL: it has ended. */
};

/* What a flow or a host has of entries. */
struct dirty_entry {
    struct dirty_chain chain;   /* In the table of keys; first. */
    uint64_t written;           /* Bits; 0: as it was sent. */
    struct dirty_entry *next, **link;   /* In the list of those that are. */
    struct dirty_copy *copies;  /* Of blocks; NULL: it is not checked. */
    struct mbox_key key;
    bool per_flow;
    bool by_packet;             /* Its packets change more than memory. */
    uint32_t n_blocks;
    struct dirty_block blocks[];
};

/* dirty-check.c
 *
 * Whether all that changes is told of, for tests: with MBOX_STATE_CHECK in the
 * environment, the runtime keeps a copy of what it sends, and compares it with
 * what is there after each packet.  The program ends if an entry has changed
 * that does not count as changed.  When one is sent again a message says which
 * variables were written.
 *
 * dirty_copy() fills 'copies', which have their objects, and returns false if
 * memory is short. */
bool dirty_is_checked(void);
bool dirty_copy(struct st *, struct dirty_entry *);
void dirty_check(struct st *, const struct dirty_entry *);
void dirty_log(struct st *, const struct dirty_entry *);

#endif /* dirty-private.h */
