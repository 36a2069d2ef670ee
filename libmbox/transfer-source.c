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

#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"

/* The least time from the start of a round of pre-copy to the next one:
 * a flow with much traffic is not worth sending more often. */
#define ROUND_INTERVAL_NS (1000 * 1000)

/* A slice also ends when it has made as many bytes. */
#define SLICE_BYTES (64 * 1024)

enum phase {
    PHASE_PREPARED,             /* Nothing is sent yet. */
    PHASE_ROUNDS,               /* Pre-copy. */
    PHASE_SHARED,               /* State other than per-flow, final. */
    PHASE_FLOWS,                /* Per-flow state, final (copy: once). */
    PHASE_GONE,                 /* Copy: flows of the last one that ended. */
    PHASE_ENDED,                /* END was sent. */
    PHASE_DELETING,             /* COMMIT came. */
    PHASE_THAWING,              /* The answer to a doubt came: what was kept
                                 * meanwhile is processed. */
};

struct mb_source {
    struct mb_transfer *t;
    struct mb_export *exports;  /* One per worker. */
    unsigned int n_open;        /* Of 'exports'. */
    enum phase phase;
    unsigned int worker;        /* Whose turn it is in this phase or round. */
    bool exporting;             /* EXPORT came. */
    bool frozen;

    uint64_t round;             /* The current or last round, from 1. */
    bool in_round;
    bool syncing;               /* Waits until D has all of the round: for the
                                 * answer to an ECHO_REQUEST. */
    uint64_t round_start;

    struct mb_slice slice;      /* With the totals. */
    struct mb_table aliases;    /* Other keys of the space's flows. */

    struct mb_table present;    /* Copy: the flows that are copied. */
    size_t next_present;        /* Next to be added, of this worker's. */
    size_t next_copied;         /* Next of the last copy to be looked at. */

    uint32_t n_returned;
    uint64_t n_discarded;

    struct mb_buffer kept;      /* Came while the transfer was in doubt. */

    struct mb_table commit_keys;
    enum mbox_select commit_select;
    bool commit_shared;
    uint64_t n_deleted;
};

static uint64_t
now(const struct mb_source *s)
{
    return s->t->env->ops->now(s->t->env->aux);
}

static void
call(const struct mb_source *s, unsigned int worker, mb_call_fn *fn, void *arg)
{
    s->t->env->ops->call(s->t->env->aux, worker, fn, arg);
}

/* While the space is frozen, neither packets nor timers change its state. */
static void
set_frozen(struct mb_source *s, bool frozen)
{
    struct mb_env *env = s->t->env;

    if (s->frozen != frozen) {
        s->frozen = frozen;
        __atomic_store_n(&env->n_frozen, env->n_frozen + (frozen ? 1 : -1),
                         __ATOMIC_RELEASE);
    }
}

struct mb_source *
mb_source_create(struct mb_transfer *t, uint64_t *n_flows)
{
    struct mb_env *env = t->env;
    struct mb_source *s = calloc(1, sizeof *s);
    struct mb_export *exports = calloc(env->n_workers, sizeof *exports);

    if (!s || !exports) {
        free(s);
        free(exports);
        mb_transfer_fail(t, ENOMEM, "prepare");
        return NULL;
    }
    s->t = t;
    s->exports = exports;
    mb_table_init(&s->aliases);
    mb_table_init(&s->present);
    mb_table_init(&s->commit_keys);
    mb_buffer_init(&s->kept, env->buffer_limit);
    mb_keys_init(&s->slice.aliases);
    mbox_writer_init(&s->slice.frames, 2 * MBOX_MSG_MAX);
    s->slice.id = t->id;
    s->slice.now = env->ops->now;
    s->slice.now_aux = env->aux;

    *n_flows = 0;
    for (unsigned int i = 0; i < env->n_workers; i++) {
        exports[i].worker = i;
        exports[i].ops = env->mb_ops;
        exports[i].aux = env->mb_aux;
        exports[i].merge_others = env->n_workers > 1;
        exports[i].copy = t->method == MBOX_METHOD_COPY;

        struct mb_export_open open = {
            .export = &exports[i],
            .space = &t->space,
            .scopes = t->scopes & mb_state_scopes(env->mb_ops),
            .trackers = &env->trackers[i],
        };
        call(s, i, mb_export_open, &open);
        s->n_open++;
        if (open.error) {
            mb_transfer_fail(t, -open.error, "list of state");
            mb_source_destroy(s);
            return NULL;
        }
        *n_flows += exports[i].listed.n;
    }
    return s;
}

void
mb_source_destroy(struct mb_source *s)
{
    set_frozen(s, false);
    for (unsigned int i = 0; i < s->n_open; i++) {
        struct mb_export_close close = {
            .export = &s->exports[i],
            .trackers = &s->t->env->trackers[i],
        };
        call(s, i, mb_export_close, &close);
    }
    free(s->exports);
    mbox_writer_uninit(&s->slice.frames);
    mb_keys_uninit(&s->slice.aliases);
    mb_table_uninit(&s->aliases);
    mb_table_uninit(&s->present);
    mb_table_uninit(&s->commit_keys);
    mb_buffer_uninit(&s->kept);
    free(s);
}

/* Sending on the state channel. */

static size_t
backlog(const struct mb_source *s)
{
    const struct mb_transfer *t = s->t;

    return (t->state ? mbox_channel_backlog(t->state)
            : t->env->ops->control_backlog(t->env->aux));
}

static bool
is_blocked(const struct mb_source *s)
{
    return backlog(s) > MB_BACKLOG_MAX;
}

static void
state_failed(struct mb_source *s, int error)
{
    mb_transfer_fail(s->t, -error, "state channel to %s", s->t->peer);
}

/* Gives the frames that are in 'slice.frames' to the coordinator. */
static void
relay_frames(struct mb_source *s)
{
    const struct mbox_writer *frames = &s->slice.frames;

    for (size_t ofs = 0; ofs < frames->len; ) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_RELAY, s->t->id);
        msg.data = frames->data + ofs;
        msg.data_len = mbox_msg_frame_length(msg.data, frames->len - ofs);
        mb_transfer_send(s->t, &msg, NULL);
        ofs += msg.data_len;
    }
}

/* Queues the frames that are in 'slice.frames'. */
static void
send_frames(struct mb_source *s)
{
    struct mb_transfer *t = s->t;
    struct mbox_writer *frames = &s->slice.frames;

    if (frames->error) {
        mb_transfer_fail(t, -frames->error, "encoding of state");
    } else if (!t->failed && t->state) {
        int error = (frames->len
                     ? mbox_channel_send_raw(t->state, frames->data,
                                             frames->len)
                     : 0);
        if (error) {
            state_failed(s, error);
        }
    } else if (!t->failed) {
        relay_frames(s);
    }
    mbox_writer_clear(frames);
}

static void
send_state(struct mb_source *s, const struct mbox_msg *msg,
           const struct mbox_key *keys)
{
    mbox_msg_encode(msg, keys, &s->slice.frames);
    send_frames(s);
}

static void
begin_stream(struct mb_source *s)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_STREAM, s->t->id);
    memcpy(msg.class_name, s->t->env->class_name, sizeof msg.class_name);
    msg.schema = s->t->env->schema;
    msg.epoch = s->t->epoch;
    send_state(s, &msg, NULL);
}

/* Starts 'phase', for every worker in turn. */
static void
enter(struct mb_source *s, enum phase phase)
{
    if (s->phase == PHASE_PREPARED && phase != PHASE_DELETING) {
        begin_stream(s);
    }
    s->phase = phase;
    s->worker = 0;
}

/* Takes one slice of the present worker's state.  Returns true if every worker
 * is through with 'part'. */
static bool
take_slice(struct mb_source *s, enum mb_slice_part part, uint64_t deadline)
{
    struct mb_slice *slice = &s->slice;

    slice->export = &s->exports[s->worker];
    slice->part = part;
    slice->deadline = deadline;
    slice->max_bytes = SLICE_BYTES;
    call(s, s->worker, mb_export_slice, slice);
    for (size_t i = 0; i < slice->aliases.n; i++) {
        if (mb_table_insert(&s->aliases, MBOX_STATE_PER_FLOW,
                            &slice->aliases.keys[i]) == MB_NO_ENTRY) {
            mb_transfer_fail(s->t, ENOMEM, "aliases of flows");
        }
    }
    slice->aliases.n = 0;
    if (slice->error) {
        char key[MBOX_KEY_STRLEN];

        mb_transfer_fail(s->t, -slice->error, "%s (%s)", slice->what,
                         mbox_key_format(&slice->error_key, key, sizeof key));
        return false;
    }
    send_frames(s);
    if (slice->exhausted) {
        s->worker++;
    }
    return s->worker >= s->t->env->n_workers;
}

/* Pre-copy. */

static uint64_t
n_dirty(const struct mb_source *s)
{
    uint64_t n = 0;

    for (unsigned int i = 0; i < s->t->env->n_workers; i++) {
        n += mb_tracker_n_dirty(&s->exports[i].tracker);
    }
    return n;
}

/* Reports a round, which D has imported by now, or the hold would have to wait
 * for that. */
static void
end_round(struct mb_source *s)
{
    struct mbox_msg msg;

    s->in_round = false;
    mbox_msg_init(&msg, MBOX_MSG_PRECOPY, s->t->id);
    msg.round = s->round;
    msg.n_chunks = s->slice.n_chunks;
    msg.n_bytes = s->slice.n_bytes;
    msg.n_dirty = n_dirty(s);
    mb_transfer_send(s->t, &msg, NULL);
}

static void
run_round(struct mb_source *s, uint64_t deadline)
{
    if (!s->in_round) {
        for (unsigned int i = 0; i < s->t->env->n_workers; i++) {
            call(s, i, mb_export_begin_round, &s->exports[i]);
        }
        s->in_round = true;
        s->round++;
        s->round_start = now(s);
        s->worker = 0;
    }
    if (take_slice(s, MB_SLICE_ROUND, deadline)) {
        if (s->t->state) {
            struct mbox_msg msg;

            mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, s->t->id);
            send_state(s, &msg, NULL);
            s->syncing = true;
        } else {
            end_round(s);
        }
    }
}

/* D's answers on the state channel. */
static void
recv_state(struct mb_source *s)
{
    struct mb_transfer *t = s->t;
    struct mbox_msg msg;

    while (!t->failed && t->state
           && !mbox_channel_recv(t->state, &msg, NULL, NULL, NULL)) {
        if (msg.type != MBOX_MSG_ECHO_REPLY || !s->syncing) {
            mb_transfer_unexpected(t, &msg);
        } else {
            s->syncing = false;
            if (s->phase == PHASE_ROUNDS) {
                end_round(s);
            }
        }
    }
}

/* When the next slice of pre-copy is due. */
static uint64_t
round_wake(const struct mb_source *s)
{
    return (s->syncing ? MB_NEVER
            : s->in_round || !s->round ? 0
            : n_dirty(s) ? s->round_start + ROUND_INTERVAL_NS
            : MB_NEVER);
}

/* The final part. */

/* Tells D which flows are final as it has them. */
static void
send_frozen(struct mb_source *s)
{
    struct mb_export_dirty dirty = {
        .max = MB_FROZEN_KEYS_MAX, .complete = s->round > 0,
    };

    mb_keys_init(&dirty.keys);
    for (unsigned int i = 0; i < s->t->env->n_workers; i++) {
        s->exports[i].frozen = true;
        if (dirty.complete) {
            dirty.export = &s->exports[i];
            call(s, i, mb_export_dirty, &dirty);
        }
    }

    struct mbox_msg msg;
    mbox_msg_init(&msg, MBOX_MSG_FROZEN, s->t->id);
    msg.select = (dirty.complete ? MBOX_SELECT_ALL_EXCEPT : MBOX_SELECT_KEYS);
    msg.n_keys = dirty.complete ? dirty.keys.n : 0;
    send_state(s, &msg, dirty.keys.keys);
    mb_keys_uninit(&dirty.keys);
}

static void
send_end(struct mb_source *s)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_END, s->t->id);
    msg.n_chunks = s->slice.n_chunks;
    msg.n_bytes = s->slice.n_bytes;
    msg.n_gone = s->slice.n_gone;
    send_state(s, &msg, NULL);
}

/* Repeated copies. */

/* Puts the flows that are copied into a table.  Returns true when all are
 * there; their lists do not change any more. */
static bool
run_present(struct mb_source *s, uint64_t deadline)
{
    for (unsigned int n = 1; s->worker < s->t->env->n_workers; n++) {
        const struct mb_keys *listed = &s->exports[s->worker].listed;

        if (s->next_present >= listed->n) {
            s->next_present = 0;
            s->worker++;
        } else if (mb_table_insert(&s->present, MBOX_STATE_PER_FLOW,
                                   &listed->keys[s->next_present++])
                   == MB_NO_ENTRY) {
            mb_transfer_fail(s->t, ENOMEM, "copy");
            return false;
        }
        if (!(n % 32) && now(s) >= deadline) {
            return false;
        }
    }
    return true;
}

/* Tells D of flows that the last copy to it had and that have ended.  Returns
 * true when it is through. */
static bool
run_gone(struct mb_source *s, uint64_t deadline)
{
    struct mb_transfer *t = s->t;
    const struct mb_copied *last = mb_copied_find(t->env->copied, t->peer,
                                                  &t->space);

    if (!last || !(t->scopes & MBOX_SCOPE_PER_FLOW)) {
        return true;
    }
    if (!run_present(s, deadline)) {
        return false;
    }
    for (unsigned int n = 1; s->next_copied < last->keys.n; n++) {
        const struct mbox_key *key = &last->keys.keys[s->next_copied++];

        if (mb_table_find(&s->present, MBOX_STATE_PER_FLOW, key)
            == MB_NO_ENTRY) {
            struct mbox_msg msg;

            mbox_msg_init(&msg, MBOX_MSG_GONE, t->id);
            msg.scope = MBOX_SCOPE_PER_FLOW;
            msg.n_keys = 1;
            mbox_msg_encode(&msg, key, &s->slice.frames);
            s->slice.n_gone++;
        }
        if (!(n % 32) && now(s) >= deadline) {
            break;
        }
    }
    send_frames(s);
    return s->next_copied >= last->keys.n;
}

/* Keeps the list of flows for the next copy. */
static void
remember_copy(struct mb_source *s)
{
    struct mb_transfer *t = s->t;
    struct mb_keys keys;

    if (!(t->scopes & MBOX_SCOPE_PER_FLOW)) {
        return;
    }
    mb_keys_init(&keys);
    for (unsigned int i = 0; i < t->env->n_workers; i++) {
        const struct mb_keys *listed = &s->exports[i].listed;

        for (size_t j = 0; j < listed->n; j++) {
            if (!mb_keys_add(&keys, &listed->keys[j])) {
                mb_keys_uninit(&keys);
                break;
            }
        }
    }
    mb_copied_store(&t->env->copied, t->peer, &t->space, &keys);
}

/* From here on no packet of the space is processed. */
static void
freeze(struct mb_source *s)
{
    if (!s->frozen) {
        s->t->env->ops->barrier(s->t->env->aux);
        set_frozen(s, true);
    }
}

static void
run_delete(struct mb_source *s, uint64_t deadline)
{
    struct mb_export_delete delete = {
        .export = &s->exports[s->worker],
        .listed = &s->commit_keys,
        .select = s->commit_select,
        .shared = s->commit_shared,
        .now = s->t->env->ops->now,
        .now_aux = s->t->env->aux,
        .deadline = deadline,
    };
    call(s, s->worker, mb_export_delete, &delete);
    s->n_deleted += delete.n_flows;
    if (delete.error) {
        char text[128];

        snprintf(text, sizeof text, "transfer %u: delete of moved state: %s",
                 s->t->id, strerror(-delete.error));
        s->t->env->ops->log(s->t->env->aux, 3 /* LOG_ERR */, text);
    }
    s->worker += delete.exhausted;
}

/* True if 'packet' belongs to a flow that is D's now. */
static bool
has_moved(const struct mb_source *s, const struct mb_packet *packet)
{
    struct mbox_key canonical;

    mbox_key_canonical(&packet->key, &canonical);
    return ((mb_table_find(&s->commit_keys, MBOX_STATE_PER_FLOW, &canonical)
             != MB_NO_ENTRY)
            == (s->commit_select == MBOX_SELECT_KEYS));
}

/* Processes what was kept while the transfer was in doubt, in order.  Returns
 * true when nothing is left and the source has thawed. */
static bool
run_thaw(struct mb_source *s, uint64_t deadline)
{
    struct mb_env *env = s->t->env;

    for (unsigned int n = 1; s->kept.n; n++) {
        struct mb_packet *packet = mb_buffer_pop(&s->kept);

        if (has_moved(s, packet)) {
            s->n_discarded++;
            mb_count(&env->discarded, 1);
            mb_packet_free(packet);
        } else {
            mb_transfer_replay(s->t, packet);
        }
        if (n >= 4 * MB_BURST && now(s) >= deadline) {
            return false;
        }
    }
    env->ops->barrier(env->aux);
    set_frozen(s, false);
    return true;
}

static void
finish_commit(struct mb_source *s)
{
    struct mbox_msg msg;

    set_frozen(s, false);
    s->t->finished = true;
    mbox_msg_init(&msg, MBOX_MSG_COMMITTED, s->t->id);
    msg.n_flows = s->n_deleted;
    msg.n_discarded = s->n_discarded;
    mb_transfer_send(s->t, &msg, NULL);
}

/* Makes one step.  Returns false if nothing can be done now. */
static bool
step(struct mb_source *s, uint64_t deadline)
{
    struct mb_transfer *t = s->t;

    if (s->phase == PHASE_DELETING) {
        if (s->worker < t->env->n_workers) {
            run_delete(s, deadline);
            return true;
        }
        mb_copied_forget(&t->env->copied, &t->space);
        if (t->resolved) {
            s->phase = PHASE_THAWING;
            return true;
        }
        finish_commit(s);
        return false;
    }
    if (s->phase == PHASE_THAWING) {
        t->finished = run_thaw(s, deadline);
        return false;
    }
    if (t->failed || is_blocked(s)) {
        return false;
    }

    switch (s->phase) {
    case PHASE_ROUNDS:
        if (round_wake(s) > now(s)) {
            return false;
        }
        run_round(s, deadline);
        return true;

    case PHASE_SHARED:
        if (take_slice(s, MB_SLICE_SHARED, deadline)) {
            if (t->method == MBOX_METHOD_HOLD) {
                send_frozen(s);
            }
            enter(s, PHASE_FLOWS);
        }
        return true;

    case PHASE_FLOWS:
        if (take_slice(s, (t->method == MBOX_METHOD_COPY
                           ? MB_SLICE_LISTED : MB_SLICE_FLOWS), deadline)) {
            if (t->method == MBOX_METHOD_COPY) {
                enter(s, PHASE_GONE);
            } else {
                send_end(s);
                enter(s, PHASE_ENDED);
            }
        }
        return true;

    case PHASE_GONE:
        if (run_gone(s, deadline)) {
            send_end(s);
            enter(s, PHASE_ENDED);
        }
        return true;

    case PHASE_PREPARED:
    case PHASE_ENDED:
    case PHASE_DELETING:
    case PHASE_THAWING:
        break;
    }
    return false;
}

void
mb_source_run(struct mb_source *s, uint64_t deadline)
{
    struct mb_transfer *t = s->t;

    if (t->finished) {
        return;
    }
    while (step(s, deadline) && now(s) < deadline) {
        continue;
    }
    if (t->state && !t->failed) {
        int error = mbox_channel_run(t->state);
        bool ended = s->phase >= PHASE_ENDED;

        recv_state(s);
        /* Nothing may be unread at the end: TCP would reset the connection. */
        if (ended
            && (error || (!mbox_channel_backlog(t->state) && !s->syncing))) {
            if (error && mbox_channel_backlog(t->state)
                && s->phase == PHASE_ENDED) {
                state_failed(s, error);
            }
            mbox_channel_close(t->state);
            t->state = NULL;
        } else if (error) {
            state_failed(s, error);
        }
    }
}

uint64_t
mb_source_wake(const struct mb_source *s)
{
    if (s->phase == PHASE_DELETING || s->phase == PHASE_THAWING) {
        return 0;
    }
    if (s->t->failed || is_blocked(s)) {
        return MB_NEVER;
    }
    switch (s->phase) {
    case PHASE_ROUNDS:
        return round_wake(s);
    case PHASE_SHARED:
    case PHASE_FLOWS:
    case PHASE_GONE:
        return 0;
    case PHASE_PREPARED:
    case PHASE_ENDED:
    case PHASE_DELETING:
    case PHASE_THAWING:
        break;
    }
    return MB_NEVER;
}

static void
recv_export(struct mb_source *s, const struct mbox_msg *msg)
{
    struct mb_transfer *t = s->t;

    if (s->exporting || t->failed) {
        if (!t->failed) {
            mb_transfer_unexpected(t, msg);
        }
        return;
    }
    s->exporting = true;
    if (s->phase != PHASE_PREPARED) {
        return;                 /* A tracer was first. */
    }
    if (t->method == MBOX_METHOD_COPY || s->frozen) {
        enter(s, PHASE_SHARED);
    } else if (t->options & MBOX_OPT_PRECOPY) {
        enter(s, PHASE_ROUNDS);
    }
}

static void
recv_return(struct mb_source *s, const struct mbox_msg *msg)
{
    struct mb_transfer *t = s->t;
    struct mbox_msg answer;

    if (t->method != MBOX_METHOD_EVENTS) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    freeze(s);
    if (s->exporting && s->phase < PHASE_SHARED) {
        enter(s, PHASE_SHARED);
    }
    mbox_msg_init(&answer, MBOX_MSG_RETURNING, t->id);
    mb_transfer_send(t, &answer, NULL);
}

static void
recv_commit(struct mb_source *s, const struct mbox_msg *msg)
{
    struct mb_transfer *t = s->t;

    if (t->method == MBOX_METHOD_COPY) {
        if (s->phase != PHASE_ENDED) {
            mb_transfer_unexpected(t, msg);
        } else {
            remember_copy(s);
            finish_commit(s);
        }
        return;
    }
    if (!s->frozen || s->phase == PHASE_DELETING) {
        mb_transfer_unexpected(t, msg);
        return;
    }

    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key, canonical;

        mbox_msg_get_key(msg, i, &key);
        mbox_key_canonical(&key, &canonical);
        if (mb_table_insert(&s->commit_keys, MBOX_STATE_PER_FLOW, &canonical)
            == MB_NO_ENTRY) {
            mb_transfer_fail(t, ENOMEM, "commit");
            return;
        }
    }
    s->commit_select = msg->select;
    s->commit_shared = (msg->select == MBOX_SELECT_ALL_EXCEPT
                        && !msg->n_keys);
    enter(s, PHASE_DELETING);
}

void
mb_source_recv(struct mb_source *s, const struct mbox_msg *msg)
{
    struct mb_transfer *t = s->t;
    struct mbox_msg answer;

    switch ((unsigned int) msg->type) {
    case MBOX_MSG_EXPORT:
        recv_export(s, msg);
        break;
    case MBOX_MSG_RETURN:
        recv_return(s, msg);
        break;
    case MBOX_MSG_COMMIT:
        recv_commit(s, msg);
        break;
    case MBOX_MSG_ABORT:
        if (t->resolved) {
            s->commit_select = MBOX_SELECT_KEYS;    /* None. */
            s->phase = PHASE_THAWING;
            break;
        }
        set_frozen(s, false);
        t->finished = true;
        mbox_msg_init(&answer, MBOX_MSG_ABORTED, t->id);
        answer.n_packets = s->n_returned;
        mb_transfer_send(t, &answer, NULL);
        break;
    case MBOX_MSG_ERROR:
        t->failed = true;       /* The coordinator's: it will abort. */
        break;
    default:
        mb_transfer_unexpected(t, msg);
        break;
    }
}

bool
mb_source_recv_tagged(struct mb_source *s, const struct mbox_tag *tag,
                      struct mb_packet *packet)
{
    struct mb_transfer *t = s->t;
    const struct mb_env_ops *ops = t->env->ops;

    if (tag->kind != MBOX_TAG_TRACER || t->method == MBOX_METHOD_COPY) {
        return false;
    }

    /* Everything before the tracer is processed, and what it caused to be sent
     * is sent; then the tracer goes back, and nothing may follow it. */
    if (t->method == MBOX_METHOD_HOLD && !t->failed) {
        freeze(s);
    } else {
        ops->barrier(t->env->aux);
    }
    if (!ops->transmit(t->env->aux, packet)) {
        mb_packet_free(packet);
    }
    ops->barrier(t->env->aux);

    struct mbox_msg msg;
    mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, t->id);
    msg.seq = tag->seq;
    msg.n_packets = s->n_returned;
    mb_transfer_send(t, &msg, NULL);
    ops->control_flush(t->env->aux);

    if (s->frozen && t->method == MBOX_METHOD_HOLD
        && s->phase < PHASE_SHARED) {
        enter(s, PHASE_SHARED);
        mb_source_run(s, now(s) + MB_SLICE_NS);
    }
    return true;
}

bool
mb_source_filter(struct mb_source *s, struct mb_packet *packet)
{
    struct mb_transfer *t = s->t;

    if (!s->frozen) {
        return false;
    }
    if (!mbox_space_contains(&t->space, &packet->key)) {
        struct mbox_key canonical;

        if (!s->aliases.n) {
            return false;
        }
        mbox_key_canonical(&packet->key, &canonical);
        if (mb_table_find(&s->aliases, MBOX_STATE_PER_FLOW, &canonical)
            == MB_NO_ENTRY) {
            return false;
        }
    }

    if (t->orphan ? mb_buffer_push(&s->kept, packet) != 0
        : (t->method == MBOX_METHOD_EVENTS
           && t->guarantee == MBOX_GUARANTEE_NONE)) {
        s->n_discarded++;
        mb_count(&t->env->discarded, 1);
        mb_packet_free(packet);
    } else if (!t->orphan) {
        mb_transfer_return(t, packet, ++s->n_returned);
    }
    return true;
}

/* Once the source has frozen, flows may have been released to D, and it must
 * not go on with them. */
bool
mb_source_disconnected(struct mb_source *s)
{
    struct mb_transfer *t = s->t;

    if (s->phase == PHASE_DELETING) {
        return false;
    }
    if (!s->frozen || t->method == MBOX_METHOD_COPY) {
        set_frozen(s, false);
        t->finished = true;
        return false;
    }
    if (!t->state && s->phase != PHASE_ENDED) {
        t->failed = true;       /* Nobody relays the rest. */
    }
    return true;
}
