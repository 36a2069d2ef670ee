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

#include "mbox-chunk.h"

/* A slice looks at the clock after as many states, or bytes. */
#define CLOCK_STATES 8
#define CLOCK_BYTES (16 * 1024)

/* The middlebox hears of a flow when it is the next but as many. */
#define PREFETCH_AHEAD 4

static int
list_flow(const struct mbox_key *key, void *export_)
{
    struct mb_export *export = export_;
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    return mb_keys_add(&export->listed, &canonical) ? 0 : -ENOMEM;
}

static int
list_alias(const struct mbox_key *key, void *export_)
{
    struct mb_export *export = export_;
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    return (mb_keys_add(&export->tracker.announced, &canonical)
            ? 0 : -ENOMEM);
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
        /* With both ports, it is about few of them. */
        if (ops->n_flows && (open->space->mask.src_port != 0xffff
                             || open->space->mask.dst_port != 0xffff)) {
            mb_keys_reserve(&export->listed,
                            ops->n_flows(export->aux, export->worker));
        }
        error = ops->per_flow->list(export->aux, export->worker, open->space,
                                    list_flow, export);
        if (!error && ops->list_aliases) {
            error = ops->list_aliases(export->aux, export->worker,
                                      open->space, list_alias, export);
        }
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
}

void
mb_export_take_aliases(void *aliases_)
{
    struct mb_export_aliases *aliases = aliases_;
    struct mb_keys *announced = &aliases->export->tracker.announced;

    for (size_t i = 0; i < announced->n; i++) {
        if (!mb_keys_add(&aliases->keys, &announced->keys[i])) {
            aliases->failed = true;
            return;
        }
    }
    announced->n = 0;
}

void
mb_export_begin_round(void *export_)
{
    struct mb_export *export = export_;

    export->quota = (export->listed.n - export->next_listed
                     + mb_tracker_n_dirty(&export->tracker));
}

/* Lets the middlebox fetch what it will need of the flow 'i' of the list, if
 * there is one. */
static inline void
prefetch_listed(const struct mb_export *export, size_t i)
{
    if (export->ops->prefetch && i < export->listed.n) {
        export->ops->prefetch(export->aux, export->worker,
                              &export->listed.keys[i]);
    }
}

/* A state that is to be sent. */
struct state {
    struct mbox_key key;
    uint8_t scope;
    uint32_t index;             /* In the tracker's table, or MB_NO_ENTRY. */
};

/* Takes the next flow that existed at the start and is not in a queue, unless
 * 'queued' is true, and was not sent from there either. */
static bool
next_listed(struct mb_export *export, bool queued, struct state *state)
{
    const struct mb_table *table = &export->tracker.table;

    while (export->next_listed < export->listed.n) {
        const struct mbox_key *key
            = &export->listed.keys[export->next_listed++];
        prefetch_listed(export, export->next_listed - 1 + PREFETCH_AHEAD);
        uint32_t index = mb_table_find(table, MBOX_STATE_PER_FLOW, key);

        if (index != MB_NO_ENTRY) {
            uint8_t flags = table->entries[index].flags;

            if (queued ? flags & ~(MB_DIRTY_QUEUED | MB_DIRTY_NEW) : flags) {
                continue;
            }
        }
        state->key = *key;
        state->scope = MBOX_STATE_PER_FLOW;
        state->index = index;
        return true;
    }
    return false;
}

static bool
next_queued(struct mb_export *export, enum mb_queue queue,
            struct state *state)
{
    uint32_t index = mb_tracker_pop(&export->tracker, queue);

    if (index == MB_NO_ENTRY) {
        return false;
    }

    const struct mb_entry *entry = &export->tracker.table.entries[index];
    state->key = entry->key;
    state->scope = entry->scope;
    state->index = index;
    return true;
}

static bool
next_state(struct mb_export *export, enum mb_slice_part part,
           struct state *state)
{
    switch (part) {
    case MB_SLICE_ROUND:
        if (!export->quota) {
            return false;
        }
        export->quota--;
        return (next_queued(export, MB_QUEUE_SHARED, state)
                || next_listed(export, false, state)
                || next_queued(export, MB_QUEUE_FLOWS, state));
    case MB_SLICE_SHARED:
        return (next_queued(export, MB_QUEUE_SHARED, state)
                || next_queued(export, MB_QUEUE_LATE, state));
    case MB_SLICE_FLOWS:
        return (next_listed(export, false, state)
                || next_queued(export, MB_QUEUE_FLOWS, state));
    case MB_SLICE_LISTED:
        return next_listed(export, true, state);
    }
    return false;
}

/* True if D shall combine this state with its own. */
static bool
must_merge(const struct mb_export *export, const struct state *state)
{
    switch ((enum mbox_state_scope) state->scope) {
    case MBOX_STATE_MULTI_FLOW:
        return (export->worker
                || (!export->copy
                    && mbox_space_match_host(&export->tracker.space,
                                             state->key.family,
                                             state->key.src)
                       == MBOX_MATCH_SOME));
    case MBOX_STATE_ALL_FLOWS:
        return export->worker || !export->copy;
    case MBOX_STATE_PER_FLOW:
    case MBOX_STATE_CONFIG:
        break;
    }
    return false;
}

/* True if D must be told that 'state' has ended.  D may have it if it was sent
 * from the list before the tracker knew of it, or copied before; and once
 * flows are released, D must hear of each that it waits for. */
static bool
must_tell_gone(const struct mb_export *export, const struct state *state)
{
    if (state->index != MB_NO_ENTRY
        && export->tracker.table.entries[state->index].flags
           & MB_DIRTY_SENT) {
        return true;
    }
    return (state->scope == MBOX_STATE_PER_FLOW
            && (export->frozen || export->copy
                || (state->index != MB_NO_ENTRY && export->next_listed)));
}

static void
put_gone(struct mb_slice *slice, const struct state *state)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_GONE, slice->id);
    msg.scope = (enum mbox_scope) state->scope;
    msg.n_keys = 1;
    mbox_msg_encode(&msg, &state->key, &slice->frames);
    slice->n_gone++;
}

static int
send_gone(struct mb_slice *slice, const struct state *state)
{
    struct mb_export *export = slice->export;

    if (must_tell_gone(export, state)) {
        put_gone(slice, state);
    }
    if (state->index != MB_NO_ENTRY) {
        mb_tracker_ended(&export->tracker, state->index);
    }
    return slice->frames.error;
}

/* Notes that 'state' was sent, and other keys of its flow. */
static int
mark_sent(struct mb_slice *slice, const struct state *state)
{
    struct mb_export *export = slice->export;
    struct mb_tracker *tracker = &export->tracker;
    const struct mb_keys *more = &export->chunk.keys;
    uint32_t index = state->index;

    if (more->n && index == MB_NO_ENTRY) {
        index = mb_table_insert(&tracker->table, state->scope, &state->key);
        if (index == MB_NO_ENTRY) {
            return -ENOMEM;
        }
    }
    if (index != MB_NO_ENTRY) {
        tracker->table.entries[index].flags |= MB_DIRTY_SENT;
    }
    for (size_t i = 0; i < more->n; i++) {
        struct mbox_key canonical;

        mbox_key_canonical(&more->keys[i], &canonical);
        mb_tracker_add_alias(tracker, index, &canonical);
        if (!mb_keys_add(&tracker->announced, &canonical)) {
            return -ENOMEM;
        }
    }
    if (more->n) {
        slice->aliases = true;
        if (!mb_keys_add(&tracker->announced, &state->key)) {
            return -ENOMEM;
        }
    }
    return 0;
}

/* Nothing of the state is wanted: D is not to wait for it, and it goes here as
 * if it was sent. */
static int
send_nothing(struct mb_slice *slice, const struct state *state)
{
    if (must_tell_gone(slice->export, state)) {
        put_gone(slice, state);
    }
    return slice->frames.error ? slice->frames.error : mark_sent(slice, state);
}

/* True if the state, which the middlebox could not give, need not fail the
 * transfer: its flow stays, if it is no better once it stands still. */
static bool
may_stay(const struct mb_slice *slice, const struct state *state, int error)
{
    return (state->scope == MBOX_STATE_PER_FLOW && error != -ENOMEM
            && slice->stays.n < slice->max_stays);
}

static int
add_stay(struct mb_slice *slice, const struct state *state, int error)
{
    if (!slice->stays.n) {
        slice->stays_error = error;
        memcpy(slice->stays_why, slice->export->chunk.why,
               sizeof slice->stays_why);
    }
    return mb_keys_add(&slice->stays, &state->key) ? 0 : -ENOMEM;
}

static int
send_state(struct mb_slice *slice, const struct state *state)
{
    struct mb_export *export = slice->export;
    struct mbox_chunk *chunk = &export->chunk;
    struct mbox_writer *frames = &slice->frames;
    struct mbox_chunk_writer cw;

    chunk->data = frames;
    chunk->keys.n = 0;
    chunk->failed = false;
    chunk->output = export->output;
    chunk->look = export->look;
    chunk->why[0] = '\0';
    mbox_chunk_begin(&cw, frames, slice->id, (enum mbox_scope) state->scope,
                     &state->key);

    int error = mb_state_ops(export->ops, state->scope)->get(
        export->aux, export->worker, &state->key, chunk);
    if (!error && chunk->failed) {
        error = -ENOMEM;
    } else if (error == -EAGAIN && export->copy) {
        error = -EOPNOTSUPP;
    }
    if (error) {
        mbox_chunk_cancel(&cw, frames);
        if (error == -ENOENT) {
            return send_gone(slice, state);
        } else if (error == -ENODATA && export->output >= 0) {
            return send_nothing(slice, state);
        } else if (!export->frozen
                   && (error == -EAGAIN || may_stay(slice, state, error))) {
            mb_tracker_mark(&export->tracker, state->scope, &state->key);
            return 0;
        }
        return (may_stay(slice, state, error)
                ? add_stay(slice, state, error) : error);
    }

    size_t len = mbox_chunk_data_len(&cw, frames);
    error = mbox_chunk_end(&cw, frames, slice->seq + 1,
                           must_merge(export, state), chunk->keys.keys,
                           chunk->keys.n);
    if (error) {
        return error;
    }
    slice->seq++;
    slice->n_chunks++;
    slice->n_flow_chunks += state->scope == MBOX_STATE_PER_FLOW;
    slice->n_bytes += len;
    return mark_sent(slice, state);
}

void
mb_export_slice(void *slice_)
{
    struct mb_slice *slice = slice_;
    struct mb_export *export = slice->export;
    unsigned int n = 0;
    size_t clock_len = slice->frames.len + CLOCK_BYTES;

    slice->error = 0;
    slice->aliases = false;
    slice->exhausted = false;
    do {
        struct state state;
        bool found = next_state(export, slice->part, &state);

        if (export->tracker.failed) {
            export->chunk.why[0] = '\0';
            slice->error = -ENOMEM;
            slice->what = "tracking of changed flows";
            return;
        }
        if (!found) {
            slice->exhausted = true;
            return;
        }

        int error = send_state(slice, &state);
        if (error) {
            slice->error = error;
            slice->what = MB_EXPORT_OF_STATE;
            slice->error_key = state.key;
            return;
        }
        if (++n >= CLOCK_STATES || slice->frames.len >= clock_len) {
            if (slice->now(slice->now_aux) >= slice->deadline) {
                return;
            }
            n = 0;
            clock_len = slice->frames.len + CLOCK_BYTES;
        }
    } while (slice->frames.len < slice->max_bytes);
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
    if (!(entry->flags & MB_DIRTY_SENT)
        && !(delete->unsent && entry->flags & MB_DIRTY_QUEUED)) {
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

/* True if D has all that was listed in its present form. */
static bool
has_sent_all(const struct mb_export *export)
{
    return (export->next_listed == export->listed.n
            && !export->tracker.queues[MB_QUEUE_FLOWS].n);
}

/* Finds the state number 'i' that may have to be deleted: first come the flows
 * that were sent from the list.  Those that changed afterwards are in the
 * table, too, and wait for that, unless they were surely sent again. */
static bool
get_delete(const struct mb_export_delete *delete, uint64_t i,
           struct state *state)
{
    const struct mb_export *export = delete->export;
    const struct mb_table *table = &export->tracker.table;

    if (i < export->next_listed) {
        prefetch_listed(export, i + PREFETCH_AHEAD);
        state->key = export->listed.keys[i];
        state->scope = MBOX_STATE_PER_FLOW;
        return ((delete->unsent || has_sent_all(export)
                 || mb_table_find(table, MBOX_STATE_PER_FLOW, &state->key)
                    == MB_NO_ENTRY)
                && is_selected(delete, &state->key));
    }

    const struct mb_entry *entry = &table->entries[i - export->next_listed];
    state->key = entry->key;
    state->scope = entry->scope;
    return must_delete(delete, entry);
}

void
mb_export_delete(void *delete_)
{
    struct mb_export_delete *delete = delete_;
    struct mb_export *export = delete->export;
    unsigned int n = 0;

    delete->exhausted = false;
    if (delete->unsent) {
        export->next_listed = export->listed.n;
    }
    while (export->next_delete
           < export->next_listed + export->tracker.table.n) {
        struct state state;

        if (get_delete(delete, export->next_delete++, &state)) {
            int error = mb_state_ops(export->ops, state.scope)->del(
                export->aux, export->worker, &state.key);
            if (error && error != -ENOENT) {
                delete->error = delete->error ? delete->error : error;
            } else if (!error && state.scope == MBOX_STATE_PER_FLOW) {
                delete->n_flows++;
            }
        }
        if (!(++n % 16) && delete->now(delete->now_aux) >= delete->deadline) {
            return;
        }
    }
    delete->exhausted = true;
}
