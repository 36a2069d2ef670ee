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

#include "slots.h"

#include <stdlib.h>
#include <string.h>
#include "delete.h"
#include "nodes.h"

struct st_pool {
    uint32_t turn;              /* Whose turn it was when last looked at. */
    bool *imported;             /* Each slot: what is in it came by import. */

    /* While the program waits. */
    uint8_t asked;              /* How often for 'used', at most twice: then
                                 * that is known. */
    bool *used;                 /* Each slot. */
    bool searched;              /* The rest is known, too, */
    uint32_t from;              /* for this turn, which changes with it: */
    uint32_t fresh;             /* so many from the turn on are not used, */
    uint32_t end;               /* and no others from here on, counted from the
                                 * turn. */
};

static uint32_t
size_of(const struct st *st, const struct st_structure *s)
{
    return st->program->types[s->type].size;
}

static uint32_t
index_of(const struct st *st, const struct st_structure *s, const void *slot)
{
    return ((const uint8_t *) slot - s->slots->first) / size_of(st, s);
}

static uint8_t *
slot_at(const struct st *st, const struct st_structure *s, uint32_t index)
{
    return s->slots->first + (size_t) index * size_of(st, s);
}

bool
st_is_slot(const struct st *st, const struct st_structure *s, const void *node)
{
    uintptr_t at = (uintptr_t) node - (uintptr_t) s->slots->first;
    uint32_t size = size_of(st, s);

    return at % size == 0 && at / size < s->slots->n;
}

/* Goes through the first list: sets 'used', if it is not NULL, for each slot,
 * or returns whether it comes to one. */
static bool
walk(const struct st *st, const struct st_structure *s, const void *slot,
     bool *used)
{
    const struct st_list *list = &s->lists[0];

    for (uint32_t i = 0; i < list->n_buckets; i++) {
        uint32_t n = 0;

        for (const uint8_t *p = list->first[i]; p && n < s->slots->n;
             p = st_load_pointer(p + list->next), n++) {
            if (p == slot) {
                return true;
            } else if (used && st_is_slot(st, s, p)) {
                used[index_of(st, s, p)] = true;
            }
        }
    }
    return false;
}

static struct st_pool *
pool_of(const struct st *st, const struct st_structure *s)
{
    return &st->pools[s - st->program->structures];
}

/* Whether pool->used is known, while the program waits: that is found out when
 * it is asked for the second time. */
static bool
is_known(struct st *st, const struct st_structure *s)
{
    struct st_pool *pool = pool_of(st, s);

    st->asked = true;
    if (st->waits && pool->asked < 2 && ++pool->asked == 2) {
        memset(pool->used, 0, s->slots->n * sizeof *pool->used);
        walk(st, s, NULL, pool->used);
        pool->searched = false;
    }
    return st->waits && pool->asked == 2;
}

bool
st_slot_is_used(struct st *st, const struct st_structure *s,
                const void *slot)
{
    return (is_known(st, s) ? pool_of(st, s)->used[index_of(st, s, slot)]
            : walk(st, s, slot, NULL));
}

/* Whose turn it is. */
static uint32_t
turn(const struct st_slots *slots)
{
    uint64_t index = st_load(slots->turn, slots->turn_size);

    return index < slots->n ? index : 0;
}

/* Those that are not to be chosen. */
struct taken {
    void *const *slots;
    uint32_t n;
};

static bool
is_taken(const struct taken *taken, const void *slot)
{
    uint32_t i = 0;

    while (i < taken->n && taken->slots[i] != slot) {
        i++;
    }
    return i < taken->n;
}

/* Finds out what is known of slots that are not used. */
static void
search(const struct st_slots *slots, struct st_pool *pool)
{
    uint32_t first = turn(slots);

    if (pool->searched && pool->from == first) {
        return;
    }
    pool->searched = true;
    pool->from = first;
    pool->fresh = 0;
    while (pool->fresh < slots->n
           && !pool->used[(first + (uint64_t) pool->fresh) % slots->n]) {
        pool->fresh++;
    }
    pool->end = slots->n;
}

static uint32_t
choose(const struct st *st, const struct st_structure *s,
       struct st_pool *pool, const struct taken *taken)
{
    const struct st_slots *slots = s->slots;

    search(slots, pool);
    for (uint32_t n = pool->end; n-- > pool->fresh + UINT32_C(1); ) {
        uint32_t i = (pool->from + (uint64_t) n) % slots->n;

        if (!pool->used[i]) {
            if (!is_taken(taken, slot_at(st, s, i))) {
                return i;
            }
        } else if (n + 1 == pool->end) {
            pool->end = n;
        }
    }
    for (uint32_t n = 0; n < slots->n; n++) {
        uint32_t i = (pool->from + (uint64_t) n) % slots->n;

        if (!is_taken(taken, slot_at(st, s, i))) {
            return i;
        }
    }
    return ST_NONE;
}

void *
st_slot_choose(struct st *st, const struct st_structure *s,
               void *const *slots, uint32_t n_slots, bool *used)
{
    const struct taken taken = { slots, n_slots };
    struct st_pool *pool = pool_of(st, s);

    if (!is_known(st, s)) {
        memset(pool->used, 0, s->slots->n * sizeof *pool->used);
        walk(st, s, NULL, pool->used);
        pool->searched = false;
    }
    uint32_t i = choose(st, s, pool, &taken);

    *used = i != ST_NONE && pool->used[i];
    return i == ST_NONE ? NULL : slot_at(st, s, i);
}

/* An imported entry is not left to the program to take out of its lists when
 * it takes the slot: it would look where its own hash says, and the list that
 * the entry came for may be another one.  It ends when its turn comes. */
static void
end_imported(struct st *st, uint32_t structure)
{
    const struct st_structure *s = &st->program->structures[structure];
    struct st_pool *pool = &st->pools[structure];
    void *slot = slot_at(st, s, pool->turn);

    if (pool->imported[pool->turn]) {
        pool->imported[pool->turn] = false;
        if (st_slot_is_used(st, s, slot)) {
            st_ended(slot, size_of(st, s), st);
            st_delete_node(st, structure, slot);
        }
    }
}

void
st_slot_taken(struct st *st, uint32_t structure, const void *slot)
{
    const struct st_structure *s = &st->program->structures[structure];
    struct st_pool *pool = &st->pools[structure];
    uint32_t i = index_of(st, s, slot);

    pool->imported[i] = true;
    pool->used[i] = true;
    if (i == turn(s->slots)) {
        pool->turn = (i + 1) % s->slots->n;
        st_store(s->slots->turn, s->slots->turn_size, pool->turn);
        if (pool->searched && pool->from == i && pool->fresh) {
            pool->from = pool->turn;    /* One less of both. */
            pool->fresh--;
            pool->end--;
        }
    } else if ((i + (uint64_t) s->slots->n - pool->from) % s->slots->n
               < pool->fresh) {
        pool->searched = false;
    }
}

void
st_slot_left(struct st *st, uint32_t structure, const void *slot)
{
    const struct st_structure *s = &st->program->structures[structure];
    struct st_pool *pool = &st->pools[structure];

    pool->used[index_of(st, s, slot)] = false;
    pool->searched = false;
}

void
st_slots_forget(struct st *st)
{
    for (uint32_t i = 0; i < st->program->n_structures; i++) {
        st->pools[i].asked = 0;
    }
}

void
st_slots_step(struct st *st)
{
    for (uint32_t i = 0; st->has_slots && i < st->program->n_structures; i++) {
        const struct st_structure *s = &st->program->structures[i];
        struct st_pool *pool = &st->pools[i];

        if (!s->slots) {
            continue;
        }
        while (pool->turn != turn(s->slots)) {
            st_ended(slot_at(st, s, pool->turn), size_of(st, s), st);
            pool->imported[pool->turn] = false;
            pool->turn = (pool->turn + 1) % s->slots->n;
        }
        end_imported(st, i);
    }
}

bool
st_slots_init(struct st *st)
{
    st->pools = calloc(st->program->n_structures + 1, sizeof *st->pools);
    for (uint32_t i = 0; st->pools && i < st->program->n_structures; i++) {
        const struct st_structure *s = &st->program->structures[i];
        struct st_pool *pool = &st->pools[i];

        if (s->slots) {
            st->has_slots = true;
            pool->imported = calloc(s->slots->n, sizeof *pool->imported);
            pool->used = calloc(s->slots->n, sizeof *pool->used);
            pool->turn = turn(s->slots);
            if (!pool->imported || !pool->used) {
                return false;
            }
        }
    }
    return st->pools != NULL;
}

void
st_slots_uninit(struct st *st)
{
    for (uint32_t i = 0; st->pools && i < st->program->n_structures; i++) {
        free(st->pools[i].imported);
        free(st->pools[i].used);
    }
    free(st->pools);
}
