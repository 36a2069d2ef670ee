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

#include "transfer-source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The least time from the start of a round of pre-copy to the next one:
 * a flow with much traffic is not worth sending more often. */
#define ROUND_INTERVAL_NS (1000 * 1000)

/* A replica's flows that have begun since the last round, of all workers, that
 * are sent before the next one is asked for: what is known of them takes
 * memory even if they have ended, and it may be asked for much later. */
#define NEW_MAX 65536

/* Whether there are as many is looked at so often. */
#define NEW_INTERVAL_NS (1000 * 1000 * 1000)

/* A slice also ends when it has made as many bytes. */
#define SLICE_BYTES (64 * 1024)

/* Keys per ALIASES. */
#define ALIASES_BATCH 65536

/* Sending on the state channel. */

static size_t
backlog(const struct mb_source *s)
{
    const struct mb_transfer *t = s->t;

    return (t->state ? mbox_channel_backlog(t->state)
            : t->env->ops->control_backlog(t->env->aux));
}

bool
mb_source_is_blocked(const struct mb_source *s)
{
    return backlog(s) > MB_BACKLOG_MAX;
}

void
mb_source_state_failed(struct mb_source *s, int error)
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
        if (MBOX_MSG_HEADER_LEN + msg.data_len > MBOX_MSG_MAX) {
            mb_transfer_fail(s->t, EMSGSIZE, "relay of state");
            return;
        }
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
            mb_source_state_failed(s, error);
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
    msg.n_flows = s->t->n_flows;
    send_state(s, &msg, NULL);
    if (s->t->describe && s->t->env->layout) {
        mbox_msg_init(&msg, MBOX_MSG_LAYOUT, s->t->id);
        msg.data = s->t->env->layout;
        msg.data_len = strlen(s->t->env->layout);
        send_state(s, &msg, NULL);
    }
}

void
mb_source_enter(struct mb_source *s, enum mb_source_phase phase)
{
    if (s->phase == PHASE_PREPARED && phase != PHASE_DELETING) {
        begin_stream(s);
    }
    s->phase = phase;
    s->worker = 0;
}

/* Adds those of 'keys' that are new, and not in the space anyhow, to
 * 'aliases', and tells the coordinator.  Returns false if memory is short. */
static bool
add_aliases(struct mb_source *s, struct mb_keys *keys)
{
    size_t n = 0;

    for (size_t i = 0; i < keys->n; i++) {
        uint32_t n_before = s->aliases.n;

        if (mb_flow_is_in_space(&s->t->space, &keys->keys[i])) {
            continue;
        }
        if (mb_table_insert(&s->aliases, MBOX_STATE_PER_FLOW, &keys->keys[i])
            == MB_NO_ENTRY) {
            return false;
        }
        if (s->aliases.n > n_before) {
            keys->keys[n++] = keys->keys[i];
        }
    }
    for (size_t i = 0; i < n; i += ALIASES_BATCH) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_ALIASES, s->t->id);
        msg.n_keys = n - i < ALIASES_BATCH ? n - i : ALIASES_BATCH;
        mb_transfer_send(s->t, &msg, &keys->keys[i]);
    }
    return true;
}

void
mb_source_take_aliases(struct mb_source *s, unsigned int worker)
{
    struct mb_export_aliases aliases = { .export = &s->exports[worker] };

    mb_keys_init(&aliases.keys);
    mb_source_call(s, worker, mb_export_take_aliases, &aliases);
    if (aliases.failed || !add_aliases(s, &aliases.keys)) {
        mb_transfer_fail(s->t, ENOMEM, "aliases of flows");
    }
    mb_keys_uninit(&aliases.keys);
}

/* 'why' is what the middlebox says of the error, or "". */
static void
export_failed(struct mb_source *s, const char *what, int error,
              const struct mbox_key *key, const char *why)
{
    char text[MBOX_KEY_STRLEN];

    mb_transfer_fail(s->t, -error, "%s (%s)%s%s", what,
                     mbox_key_format(key, text, sizeof text),
                     why[0] ? ": " : "", why);
}

/* Takes one slice of the present worker's state.  Returns true if every worker
 * is through with 'part'. */
bool
mb_source_take_slice(struct mb_source *s, enum mb_slice_part part,
                     uint64_t deadline)
{
    struct mb_slice *slice = &s->slice;

    slice->export = &s->exports[s->worker];
    slice->part = part;
    slice->deadline = deadline;
    slice->max_bytes = SLICE_BYTES;
    mb_source_call(s, s->worker, mb_export_slice, slice);
    if (slice->aliases) {
        mb_source_take_aliases(s, s->worker);
    }
    if (slice->error) {
        export_failed(s, slice->what, slice->error, &slice->error_key,
                      slice->export->chunk.why);
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

static bool
has_many_new(const struct mb_source *s)
{
    uint64_t n = 0;

    for (unsigned int i = 0; i < s->t->env->n_workers; i++) {
        n += mb_tracker_n_new(&s->exports[i].tracker);
    }
    return n > NEW_MAX;
}

/* Reports a round, which D has imported by now, or the hold would have to wait
 * for that.  One that was early counts to the next. */
static void
end_round(struct mb_source *s)
{
    struct mbox_msg msg;

    s->in_round = false;
    if (s->early) {
        return;
    }
    mbox_msg_init(&msg, MBOX_MSG_PRECOPY, s->t->id);
    msg.round = s->round;
    msg.n_chunks = s->slice.n_chunks;
    msg.n_bytes = s->slice.n_bytes;
    msg.n_dirty = n_dirty(s);
    mb_transfer_send(s->t, &msg, NULL);
}

void
mb_source_run_round(struct mb_source *s, uint64_t deadline)
{
    if (!s->in_round) {
        for (unsigned int i = 0; i < s->t->env->n_workers; i++) {
            mb_source_call(s, i, mb_export_begin_round, &s->exports[i]);
        }
        s->early = mb_transfer_is_replica(s->t) && !s->round_due;
        s->round_due = false;
        s->in_round = true;
        s->round += !s->early;
        s->round_start = mb_source_now(s);
        s->worker = 0;
    }
    if (mb_source_take_slice(s, MB_SLICE_ROUND, deadline)) {
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

void
mb_source_recv_state(struct mb_source *s)
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

uint64_t
mb_source_round_wake(const struct mb_source *s)
{
    return (s->syncing ? MB_NEVER
            : s->in_round || s->round_due ? 0
            : mb_transfer_is_replica(s->t)
            ? (has_many_new(s) ? 0 : mb_source_now(s) + NEW_INTERVAL_NS)
            : !s->round ? 0
            : n_dirty(s) ? s->round_start + ROUND_INTERVAL_NS
            : MB_NEVER);
}

/* The final part. */

void
mb_source_send_frozen(struct mb_source *s)
{
    struct mb_export_dirty dirty = {
        .max = MB_FROZEN_KEYS_MAX, .complete = s->round > 0,
    };

    mb_keys_init(&dirty.keys);
    for (unsigned int i = 0; i < s->t->env->n_workers; i++) {
        s->exports[i].frozen = true;
        if (dirty.complete) {
            dirty.export = &s->exports[i];
            mb_source_call(s, i, mb_export_dirty, &dirty);
        }
    }

    struct mbox_msg msg;
    mbox_msg_init(&msg, MBOX_MSG_FROZEN, s->t->id);
    msg.select = (dirty.complete ? MBOX_SELECT_ALL_EXCEPT : MBOX_SELECT_KEYS);
    msg.n_keys = dirty.complete ? dirty.keys.n : 0;
    send_state(s, &msg, dirty.keys.keys);
    mb_keys_uninit(&dirty.keys);
}

/* Names the flows whose state cannot be sent.  If there is no other, it is the
 * transfer that fails: returns false. */
static bool
send_stays(struct mb_source *s)
{
    const struct mb_slice *slice = &s->slice;
    struct mbox_msg msg;

    if (!slice->stays.n) {
        return true;
    } else if (!slice->n_flow_chunks) {
        export_failed(s, MB_EXPORT_OF_STATE, slice->stays_error,
                      &slice->stays.keys[0], slice->stays_why);
        return false;
    }
    mbox_msg_init(&msg, MBOX_MSG_STAYS, s->t->id);
    msg.n_keys = slice->stays.n;
    snprintf(msg.text, sizeof msg.text, "%s",
             slice->stays_why[0] ? slice->stays_why
             : strerror(-slice->stays_error));
    send_state(s, &msg, slice->stays.keys);
    return true;
}

bool
mb_source_send_end(struct mb_source *s)
{
    struct mbox_msg msg;

    if (!send_stays(s)) {
        return false;
    }
    mbox_msg_init(&msg, MBOX_MSG_END, s->t->id);
    msg.n_chunks = s->slice.n_chunks;
    msg.n_bytes = s->slice.n_bytes;
    msg.n_gone = s->slice.n_gone;
    send_state(s, &msg, NULL);
    return true;
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
        if (!(n % 32) && mb_source_now(s) >= deadline) {
            return false;
        }
    }
    return true;
}

/* Tells D of flows that the last copy to it had and that have ended.  Returns
 * true when it is through. */
bool
mb_source_run_gone(struct mb_source *s, uint64_t deadline)
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
        if (!(n % 32) && mb_source_now(s) >= deadline) {
            break;
        }
    }
    send_frames(s);
    return s->next_copied >= last->keys.n;
}

void
mb_source_remember_copy(struct mb_source *s)
{
    struct mb_transfer *t = s->t;
    struct mb_keys keys;
    bool complete = true;

    if (!(t->scopes & MBOX_SCOPE_PER_FLOW)) {
        return;
    }
    mb_keys_init(&keys);
    for (unsigned int i = 0; i < t->env->n_workers; i++) {
        const struct mb_keys *listed = &s->exports[i].listed;

        for (size_t j = 0; j < listed->n && complete; j++) {
            complete = mb_keys_add(&keys, &listed->keys[j]);
        }
    }
    if (!complete) {
        mb_keys_uninit(&keys);
    }
    mb_copied_store(&t->env->copied, t->peer, &t->space, &keys);
}
