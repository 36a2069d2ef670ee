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

#ifndef STATEALYZR_NODESET_H
#define STATEALYZR_NODESET_H 1

/* Sets of small integers
 * ======================
 *
 * What the points-to analysis spends its time on: sets of node ids, mostly
 * small and clustered (the fields of one object follow each other).  A set
 * is a sorted array of blocks of 64 ids; only blocks with members are
 * there.  A union takes time linear in the blocks of both.
 *
 * A set of all zeros is the empty set. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nodeset_block {
    uint64_t bits;
    uint32_t index;             /* Holds ids from 64 * index. */
};

struct nodeset {
    struct nodeset_block *blocks;   /* Ascending by index. */
    uint32_t n;
    uint32_t allocated;
};

void nodeset_clear(struct nodeset *);   /* Frees its memory, too. */
static inline bool
nodeset_is_empty(const struct nodeset *s)
{
    return !s->n;
}
uint32_t nodeset_count(const struct nodeset *);
bool nodeset_contains(const struct nodeset *, uint32_t id);
bool nodeset_equal(const struct nodeset *, const struct nodeset *);

/* Return whether 'id' is new in the set. */
bool nodeset_add(struct nodeset *, uint32_t id);

/* dst |= src; returns whether dst grew.  If 'added' is nonnull, what is new is
 * added to it. */
bool nodeset_union(struct nodeset *dst, const struct nodeset *src,
                   struct nodeset *added);

/* dst |= a & b. */
void nodeset_union_common(struct nodeset *dst, const struct nodeset *a,
                          const struct nodeset *b);

/* The members in ascending order: start with zeros. */
struct nodeset_iter {
    uint32_t block;
    uint64_t rest;              /* Members of the block still to come. */
    bool started;
};

static inline bool
nodeset_next(const struct nodeset *s, struct nodeset_iter *it, uint32_t *id)
{
    while (!it->rest) {
        it->block += it->started;
        it->started = true;
        if (it->block >= s->n) {
            it->started = false;
            return false;
        }
        it->rest = s->blocks[it->block].bits;
    }
    *id = s->blocks[it->block].index * 64 + __builtin_ctzll(it->rest);
    it->rest &= it->rest - 1;
    return true;
}

#define NODESET_FOR_EACH(ID, SET)                                       \
    for (struct nodeset_iter ID##_iter__ = { 0, 0, false };             \
         nodeset_next(SET, &ID##_iter__, &(ID)); )

#endif /* nodeset.h */
