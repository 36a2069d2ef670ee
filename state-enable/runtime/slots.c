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
#include "delete.h"
#include "nodes.h"

struct st_pool {
    uint32_t turn;              /* Whose turn it was when last looked at. */
    bool *imported;             /* Each slot: what is in it came by import. */
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

bool
st_slot_is_used(const struct st *st, const struct st_structure *s,
                const void *slot)
{
    return walk(st, s, slot, NULL);
}

/* Whose turn it is. */
static uint32_t
turn(const struct st_slots *slots)
{
    uint64_t index = st_load(slots->turn, slots->turn_size);

    return index < slots->n ? index : 0;
}

static uint32_t
choose(const struct st_slots *slots, const bool *used, const bool *taken,
       uint32_t turn)
{
    uint32_t fresh = 0;         /* Not in use, from 'turn' on. */

    while (fresh < slots->n && !used[(turn + (uint64_t) fresh) % slots->n]) {
        fresh++;
    }
    for (uint32_t n = slots->n - 1; n > fresh; n--) {
        uint32_t i = (turn + (uint64_t) n) % slots->n;

        if (!used[i] && !taken[i]) {
            return i;
        }
    }
    for (uint32_t n = 0; n < slots->n; n++) {
        uint32_t i = (turn + (uint64_t) n) % slots->n;

        if (!taken[i]) {
            return i;
        }
    }
    return ST_NONE;
}

void *
st_slot_choose(const struct st *st, const struct st_structure *s,
               void *const *taken, uint32_t n_taken, bool *used)
{
    bool *flags = calloc(s->slots->n, 2 * sizeof *flags);
    bool *is_taken = flags ? flags + s->slots->n : NULL;
    uint32_t i = ST_NONE, first = turn(s->slots);

    if (flags) {
        for (uint32_t k = 0; k < n_taken; k++) {
            if (taken[k] && st_is_slot(st, s, taken[k])) {
                is_taken[index_of(st, s, taken[k])] = true;
            }
        }
        walk(st, s, NULL, flags);
        i = choose(s->slots, flags, is_taken, first);
        *used = i != ST_NONE && flags[i];
        free(flags);
    }
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
    if (i == turn(s->slots)) {
        pool->turn = (i + 1) % s->slots->n;
        st_store(s->slots->turn, s->slots->turn_size, pool->turn);
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
            pool->turn = turn(s->slots);
            if (!pool->imported) {
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
    }
    free(st->pools);
}
