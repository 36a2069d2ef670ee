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

#include "dirty.h"

#include <string.h>

#include "mbox.h"
#include "pending.h"

void
mb_tracker_init(struct mb_tracker *tracker, const struct mbox_space *space,
                uint32_t scopes)
{
    memset(tracker, 0, sizeof *tracker);
    tracker->space = *space;
    tracker->scopes = scopes;
    mb_table_init(&tracker->table);
    mb_keys_init(&tracker->announced);
    for (int i = 0; i < MB_N_QUEUES; i++) {
        tracker->queues[i].head = MB_NO_ENTRY;
        tracker->queues[i].tail = MB_NO_ENTRY;
    }
}

void
mb_tracker_uninit(struct mb_tracker *tracker)
{
    mb_table_uninit(&tracker->table);
    mb_keys_uninit(&tracker->announced);
}

static void
add_queued(struct mb_tracker *tracker, enum mb_queue queue,
           const struct mb_entry *entry, int n)
{
    tracker->queues[queue].n += n;
    if (queue != MB_QUEUE_LATE) {
        __atomic_store_n(&tracker->n_queued, tracker->n_queued + n,
                         __ATOMIC_RELAXED);
        if (entry->flags & MB_DIRTY_NEW) {
            __atomic_store_n(&tracker->n_new, tracker->n_new + n,
                             __ATOMIC_RELAXED);
        }
    }
}

uint32_t
mb_tracker_n_dirty(const struct mb_tracker *tracker)
{
    return __atomic_load_n(&tracker->n_queued, __ATOMIC_RELAXED);
}

uint32_t
mb_tracker_n_new(const struct mb_tracker *tracker)
{
    return __atomic_load_n(&tracker->n_new, __ATOMIC_RELAXED);
}

void
mb_tracker_queue(struct mb_tracker *tracker, enum mb_queue queue,
                 uint32_t index)
{
    struct mb_entry *entry = &tracker->table.entries[index];

    if (entry->flags & MB_DIRTY_QUEUED) {
        return;
    }
    entry->flags |= (entry->flags & MB_DIRTY_SENT ? MB_DIRTY_QUEUED
                     : MB_DIRTY_QUEUED | MB_DIRTY_NEW);
    entry->link = MB_NO_ENTRY;
    if (tracker->queues[queue].head == MB_NO_ENTRY) {
        tracker->queues[queue].head = index;
    } else {
        tracker->table.entries[tracker->queues[queue].tail].link = index;
    }
    tracker->queues[queue].tail = index;
    add_queued(tracker, queue, entry, 1);
}

uint32_t
mb_tracker_pop(struct mb_tracker *tracker, enum mb_queue queue)
{
    uint32_t index = tracker->queues[queue].head;

    if (index != MB_NO_ENTRY) {
        struct mb_entry *entry = &tracker->table.entries[index];

        tracker->queues[queue].head = entry->link;
        entry->link = MB_NO_ENTRY;
        add_queued(tracker, queue, entry, -1);
        entry->flags &= ~(MB_DIRTY_QUEUED | MB_DIRTY_NEW);
    }
    return index;
}

void
mb_tracker_ended(struct mb_tracker *tracker, uint32_t index)
{
    struct mb_entry *entry = &tracker->table.entries[index];

    entry->flags &= ~MB_DIRTY_SENT;
    if (!entry->flags && !tracker->n_aliases) {
        mb_table_remove(&tracker->table, index);
    }
}

/* The place in 'recent' of a key.  Whoever chooses keys can have them share
 * one: it is a search more then. */
static uint32_t
recent_place(uint8_t scope, const struct mbox_key *key)
{
    uint64_t src, dst, h;

    memcpy(&src, key->src + 8, sizeof src);
    memcpy(&dst, key->dst + 8, sizeof dst);
    h = src + dst + scope + ((uint64_t) key->src_port << 16 | key->dst_port);
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h >> (64 - MB_TRACKER_RECENT_BITS);
}

bool
mb_tracker_is_marked(const struct mb_tracker *tracker, uint8_t scope,
                     const struct mbox_key *key)
{
    uint32_t index = tracker->recent[recent_place(scope, key)];

    if (index >= tracker->table.n) {
        return false;
    }
    const struct mb_entry *entry = &tracker->table.entries[index];
    return ((entry->flags & (MB_DIRTY_QUEUED | MB_DIRTY_ALIAS))
            == MB_DIRTY_QUEUED && entry->scope == scope
            && mbox_key_equal(&entry->key, key));
}

/* Returns the index of the entry, which is added if it was not there, or
 * MB_NO_ENTRY if memory is short. */
static uint32_t
insert(struct mb_tracker *tracker, uint8_t scope, const struct mbox_key *key)
{
    uint32_t index = mb_table_insert(&tracker->table, scope, key);

    tracker->recent[recent_place(scope, key)] = index;
    if (index == MB_NO_ENTRY) {
        tracker->failed = true;
    }
    return index;
}

/* Queues the per-flow state of the canonical key 'key', or of the flow that it
 * is an alias of.  Returns the index of that, or MB_NO_ENTRY. */
static uint32_t
mark_flow(struct mb_tracker *tracker, const struct mbox_key *key)
{
    uint32_t index = insert(tracker, MBOX_STATE_PER_FLOW, key);
    if (index == MB_NO_ENTRY) {
        return index;
    }

    struct mb_entry *entry = &tracker->table.entries[index];
    if (entry->flags & MB_DIRTY_ALIAS) {
        if (tracker->table.entries[entry->link].flags) {
            index = entry->link;
        } else {
            /* The flow that it stood for has ended: it is its own. */
            entry->flags = 0;
            tracker->n_aliases--;
        }
    }
    mb_tracker_queue(tracker, MB_QUEUE_FLOWS, index);
    return index;
}

/* True if 'canonical' is known as a key of a flow of the space although it is
 * not in it: an alias, or the key of a flow that is in it by an alias. */
static bool
is_known(const struct mb_tracker *tracker, const struct mbox_key *canonical)
{
    if (!tracker->n_aliases) {
        return false;
    }

    uint32_t index = mb_table_find(&tracker->table, MBOX_STATE_PER_FLOW,
                                   canonical);
    return index != MB_NO_ENTRY && tracker->table.entries[index].flags;
}

void
mb_tracker_packet(struct mb_tracker *tracker, const struct mbox_key *key)
{
    if (tracker->scopes & MBOX_STATE_PER_FLOW) {
        struct mbox_key canonical;

        mbox_key_canonical(key, &canonical);
        if (!mb_tracker_is_marked(tracker, MBOX_STATE_PER_FLOW, &canonical)
            && (mbox_space_contains(&tracker->space, key)
                || is_known(tracker, &canonical))) {
            mark_flow(tracker, &canonical);
        }
    }
}

void
mb_tracker_mark(struct mb_tracker *tracker, uint8_t scope,
                const struct mbox_key *key)
{
    if (!(tracker->scopes & scope)) {
        return;
    }
    if (scope == MBOX_STATE_PER_FLOW) {
        mb_tracker_packet(tracker, key);
        return;
    }

    static const struct mbox_key zero;
    bool late = tracker->merge_all;
    if (scope == MBOX_STATE_MULTI_FLOW) {
        if (mb_tracker_is_marked(tracker, scope, key)) {
            return;
        }
        switch (mbox_space_match_host(&tracker->space, key->family,
                                      key->src)) {
        case MBOX_MATCH_NONE:
            return;
        case MBOX_MATCH_SOME:
            late |= tracker->merge_some;
            break;
        case MBOX_MATCH_ALL:
            break;
        }
    } else {
        key = &zero;
        late |= scope == MBOX_STATE_ALL_FLOWS && tracker->merge_some;
    }

    uint32_t index = insert(tracker, scope, key);
    if (index != MB_NO_ENTRY
        && !(late && tracker->table.entries[index].flags & MB_DIRTY_SENT)) {
        mb_tracker_queue(tracker, late ? MB_QUEUE_LATE : MB_QUEUE_SHARED,
                         index);
    }
}

void
mb_tracker_add_alias(struct mb_tracker *tracker, uint32_t index,
                     const struct mbox_key *alias)
{
    struct mbox_key canonical;

    mbox_key_canonical(alias, &canonical);
    if (mbox_key_equal(&canonical, &tracker->table.entries[index].key)) {
        return;
    }

    uint32_t i = mb_table_insert(&tracker->table, MBOX_STATE_PER_FLOW,
                                 &canonical);
    if (i == MB_NO_ENTRY) {
        tracker->failed = true;
        return;
    }

    struct mb_entry *entry = &tracker->table.entries[i];
    if (entry->flags & MB_DIRTY_ALIAS) {
        entry->link = index;
    } else if (!entry->flags) {
        entry->flags = MB_DIRTY_ALIAS;
        entry->link = index;
        tracker->n_aliases++;
    }
}

void
mb_tracker_alias(struct mb_tracker *tracker, const struct mbox_key *key,
                 const struct mbox_key *alias)
{
    struct mbox_key flow, other;

    mbox_key_canonical(key, &flow);
    mbox_key_canonical(alias, &other);
    if (!(tracker->scopes & MBOX_STATE_PER_FLOW)
        || (!mb_flow_is_in_space(&tracker->space, &flow)
            && !mb_flow_is_in_space(&tracker->space, &other)
            && !is_known(tracker, &flow))) {
        return;
    }

    uint32_t index = mark_flow(tracker, &flow);
    if (index == MB_NO_ENTRY || !mb_keys_add(&tracker->announced, &flow)
        || !mb_keys_add(&tracker->announced, &other)) {
        tracker->failed = true;
        return;
    }
    mb_tracker_add_alias(tracker, index, &other);
}
