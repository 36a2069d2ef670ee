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

#include "export.h"

#include <errno.h>
#include <string.h>

static int
list_flow(const struct mbox_key *key, void *export_)
{
    struct mb_export *export = export_;
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    return mb_keys_add(&export->listed, &canonical) ? 0 : -ENOMEM;
}

static int
list_shared(const struct mbox_key *key, void *export_)
{
    struct mb_export *export = export_;

    mb_tracker_mark(&export->tracker, MBOX_STATE_MULTI_FLOW, key);
    return export->tracker.failed ? -ENOMEM : 0;
}

void
mb_export_open(void *open_)
{
    static const struct mbox_key zero;
    struct mb_export_open *open = open_;
    struct mb_export *export = open->export;
    struct mb_tracker *tracker = &export->tracker;
    const struct mbox_ops *ops = export->ops;

    mb_keys_init(&export->listed);
    mb_keys_init(&export->chunk.keys);
    mbox_writer_init(&export->chunk.data, MBOX_WRITER_LIMIT);
    mb_tracker_init(tracker, open->space, open->scopes);
    tracker->merge_some = !export->copy;
    tracker->merge_all = export->merge_others;
    tracker->next = *open->trackers;
    *open->trackers = tracker;

    int error = 0;
    if (open->scopes & MBOX_SCOPE_CONFIG && !export->worker) {
        mb_tracker_mark(tracker, MBOX_STATE_CONFIG, &zero);
    }
    if (open->scopes & MBOX_SCOPE_ALL_FLOWS) {
        mb_tracker_mark(tracker, MBOX_STATE_ALL_FLOWS, &zero);
    }
    if (open->scopes & MBOX_SCOPE_MULTI_FLOW) {
        error = ops->multi_flow->list(export->aux, export->worker,
                                      open->space, list_shared, export);
    }
    if (!error && open->scopes & MBOX_SCOPE_PER_FLOW) {
        error = ops->per_flow->list(export->aux, export->worker, open->space,
                                    list_flow, export);
    }
    open->error = error ? error : tracker->failed ? -ENOMEM : 0;
}

void
mb_export_close(void *close_)
{
    struct mb_export_close *close = close_;
    struct mb_export *export = close->export;

    for (struct mb_tracker **p = close->trackers; *p; p = &(*p)->next) {
        if (*p == &export->tracker) {
            *p = export->tracker.next;
            break;
        }
    }
    mb_tracker_uninit(&export->tracker);
    mb_keys_uninit(&export->listed);
    mb_keys_uninit(&export->chunk.keys);
    mbox_writer_uninit(&export->chunk.data);
}

void
mb_export_begin_round(void *export_)
{
    struct mb_export *export = export_;

    export->quota = (export->listed.n - export->next_listed
                     + mb_tracker_n_dirty(&export->tracker));
}

/* Takes the next flow that existed at the start, that D does not have, and
 * that is not in a queue either unless 'queued' is true. */
static uint32_t
next_listed(struct mb_export *export, bool queued)
{
    struct mb_tracker *tracker = &export->tracker;

    while (export->next_listed < export->listed.n) {
        const struct mbox_key *key
            = &export->listed.keys[export->next_listed++];
        uint32_t index = mb_table_insert(&tracker->table, MBOX_STATE_PER_FLOW,
                                         key);
        if (index == MB_NO_ENTRY) {
            tracker->failed = true;
            break;
        }
        uint8_t flags = tracker->table.entries[index].flags;
        if (!(queued ? flags & ~MB_DIRTY_QUEUED : flags)) {
            return index;
        }
    }
    return MB_NO_ENTRY;
}

static uint32_t
next_state(struct mb_export *export, enum mb_slice_part part)
{
    struct mb_tracker *tracker = &export->tracker;
    uint32_t index = MB_NO_ENTRY;

    if (part == MB_SLICE_ROUND) {
        if (!export->quota) {
            return MB_NO_ENTRY;
        }
        export->quota--;
    }
    if (part == MB_SLICE_ROUND || part == MB_SLICE_SHARED) {
        index = mb_tracker_pop(tracker, MB_QUEUE_SHARED);
    }
    if (part == MB_SLICE_SHARED && index == MB_NO_ENTRY) {
        index = mb_tracker_pop(tracker, MB_QUEUE_LATE);
    }
    if (part != MB_SLICE_SHARED && index == MB_NO_ENTRY) {
        index = next_listed(export, part == MB_SLICE_LISTED);
    }
    if ((part == MB_SLICE_ROUND || part == MB_SLICE_FLOWS)
        && index == MB_NO_ENTRY) {
        index = mb_tracker_pop(tracker, MB_QUEUE_FLOWS);
    }
    return index;
}

/* True if D shall combine this state with its own. */
static bool
must_merge(const struct mb_export *export, const struct mb_entry *entry)
{
    switch ((enum mbox_state_scope) entry->scope) {
    case MBOX_STATE_MULTI_FLOW:
        return (export->worker
                || (!export->copy
                    && mbox_space_match_host(&export->tracker.space,
                                             entry->key.family,
                                             entry->key.src)
                       == MBOX_MATCH_SOME));
    case MBOX_STATE_ALL_FLOWS:
        return export->worker || !export->copy;
    case MBOX_STATE_PER_FLOW:
    case MBOX_STATE_CONFIG:
        break;
    }
    return false;
}

static void
encode_gone(struct mb_slice *slice, const struct mb_entry *entry)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_GONE, slice->id);
    msg.scope = (enum mbox_scope) entry->scope;
    msg.n_keys = 1;
    mbox_msg_encode(&msg, &entry->key, &slice->frames);
    slice->n_gone++;
}

/* Encodes the chunk that 'get' has filled in. */
static int
encode_chunk(struct mb_slice *slice, uint32_t index)
{
    struct mb_export *export = slice->export;
    const struct mb_entry *entry = &export->tracker.table.entries[index];
    struct mbox_chunk *chunk = &export->chunk;

    if (chunk->failed) {
        return -ENOMEM;
    }
    if (chunk->data.error) {
        return chunk->data.error;
    }

    struct mbox_msg msg;
    mbox_msg_init(&msg, MBOX_MSG_CHUNK, slice->id);
    msg.scope = (enum mbox_scope) entry->scope;
    msg.seq = slice->seq + 1;
    msg.crc = mbox_msg_crc(chunk->data.data, chunk->data.len);
    msg.merge = must_merge(export, entry);
    msg.n_keys = chunk->keys.n;
    msg.data = chunk->data.data;
    msg.data_len = chunk->data.len;
    mbox_msg_encode(&msg, chunk->keys.keys, &slice->frames);
    if (slice->frames.error) {
        return slice->frames.error;
    }

    slice->seq++;
    slice->n_chunks++;
    slice->n_bytes += chunk->data.len;
    return 0;
}

/* Sends the state of entry 'index'. */
static int
export_state(struct mb_slice *slice, uint32_t index)
{
    struct mb_export *export = slice->export;
    struct mb_tracker *tracker = &export->tracker;
    struct mb_entry *entry = &tracker->table.entries[index];
    struct mbox_chunk *chunk = &export->chunk;
    struct mbox_key key = entry->key;

    mbox_writer_clear(&chunk->data);
    chunk->keys.n = 0;
    chunk->failed = false;
    mbox_chunk_add_key(chunk, &key);

    int error = mb_state_ops(export->ops, entry->scope)->get(
        export->aux, export->worker, &key, chunk);
    entry = &tracker->table.entries[index];     /* 'get' may mark others. */
    if (error == -ENOENT) {
        if (entry->flags & MB_DIRTY_SENT
            || (export->frozen && entry->scope == MBOX_STATE_PER_FLOW)) {
            encode_gone(slice, entry);
        }
        entry->flags &= ~MB_DIRTY_SENT;
        return slice->frames.error;
    }

    if (!error) {
        error = encode_chunk(slice, index);
    }
    if (error) {
        return error;
    }
    entry->flags |= MB_DIRTY_SENT;

    for (size_t i = 1; i < chunk->keys.n; i++) {
        struct mbox_key canonical;

        mbox_key_canonical(&chunk->keys.keys[i], &canonical);
        mb_tracker_add_alias(tracker, index, &canonical);
        if (!mb_keys_add(&slice->aliases, &canonical)) {
            return -ENOMEM;
        }
    }
    return 0;
}

void
mb_export_slice(void *slice_)
{
    struct mb_slice *slice = slice_;
    struct mb_export *export = slice->export;

    slice->error = 0;
    slice->exhausted = false;
    do {
        uint32_t index = next_state(export, slice->part);
        if (export->tracker.failed) {
            slice->error = -ENOMEM;
            slice->what = "tracking of changed flows";
            return;
        }
        if (index == MB_NO_ENTRY) {
            slice->exhausted = true;
            return;
        }

        int error = export_state(slice, index);
        if (error) {
            slice->error = error;
            slice->what = "export of state";
            slice->error_key = export->tracker.table.entries[index].key;
            return;
        }
    } while (slice->frames.len < slice->max_bytes
             && slice->now(slice->now_aux) < slice->deadline);
}

static bool
add_dirty(struct mb_export_dirty *dirty, const struct mbox_key *key)
{
    return dirty->keys.n < dirty->max && mb_keys_add(&dirty->keys, key);
}

void
mb_export_dirty(void *dirty_)
{
    struct mb_export_dirty *dirty = dirty_;
    struct mb_export *export = dirty->export;
    const struct mb_table *table = &export->tracker.table;

    dirty->complete = false;
    for (size_t i = export->next_listed; i < export->listed.n; i++) {
        const struct mbox_key *key = &export->listed.keys[i];
        uint32_t index = mb_table_find(table, MBOX_STATE_PER_FLOW, key);

        if ((index == MB_NO_ENTRY || !table->entries[index].flags)
            && !add_dirty(dirty, key)) {
            return;
        }
    }
    for (uint32_t i = export->tracker.queues[MB_QUEUE_FLOWS].head;
         i != MB_NO_ENTRY; i = table->entries[i].link) {
        if (!add_dirty(dirty, &table->entries[i].key)) {
            return;
        }
    }
    for (uint32_t i = 0; export->tracker.n_aliases && i < table->n; i++) {
        const struct mb_entry *entry = &table->entries[i];

        if (entry->flags & MB_DIRTY_ALIAS
            && table->entries[entry->link].flags & MB_DIRTY_QUEUED
            && !add_dirty(dirty, &entry->key)) {
            return;
        }
    }
    dirty->complete = true;
}

static bool
is_selected(const struct mb_export_delete *delete, const struct mbox_key *key)
{
    bool listed = (mb_table_find(delete->listed, MBOX_STATE_PER_FLOW, key)
                   != MB_NO_ENTRY);
    return listed == (delete->select == MBOX_SELECT_KEYS);
}

static bool
must_delete(const struct mb_export_delete *delete,
            const struct mb_entry *entry)
{
    if (!(entry->flags & MB_DIRTY_SENT)) {
        return false;
    }
    switch ((enum mbox_state_scope) entry->scope) {
    case MBOX_STATE_PER_FLOW:
        return is_selected(delete, &entry->key);
    case MBOX_STATE_MULTI_FLOW:
        return (delete->shared
                && mbox_space_match_host(&delete->export->tracker.space,
                                         entry->key.family, entry->key.src)
                   == MBOX_MATCH_ALL);
    case MBOX_STATE_ALL_FLOWS:
    case MBOX_STATE_CONFIG:
        break;
    }
    return false;
}

void
mb_export_delete(void *delete_)
{
    struct mb_export_delete *delete = delete_;
    struct mb_export *export = delete->export;
    struct mb_table *table = &export->tracker.table;
    unsigned int n = 0;

    delete->exhausted = false;
    while (export->next_delete < table->n) {
        struct mb_entry *entry = &table->entries[export->next_delete++];

        if (must_delete(delete, entry)) {
            struct mbox_key key = entry->key;
            uint8_t scope = entry->scope;

            int error = mb_state_ops(export->ops, scope)->del(
                export->aux, export->worker, &key);
            if (error && error != -ENOENT) {
                delete->error = delete->error ? delete->error : error;
            } else if (!error && scope == MBOX_STATE_PER_FLOW) {
                delete->n_flows++;
            }
        }
        if (!(++n % 16) && delete->now(delete->now_aux) >= delete->deadline) {
            return;
        }
    }
    delete->exhausted = true;
}
