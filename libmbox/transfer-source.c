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
#include <stdlib.h>
#include <string.h>

/* Most flows of a move that stay because their state cannot be sent. */
#define STAYS_MAX 1024

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

/* Begins to track what worker 'i' has of the space.  Returns 0 or a negative
 * errno value; mb_source_close_exports() is due either way. */
static int
open_export(struct mb_source *s, unsigned int i)
{
    struct mb_transfer *t = s->t;
    struct mb_env *env = t->env;

    s->exports[i] = (struct mb_export) {
        .worker = i,
        .ops = env->mb_ops,
        .aux = env->mb_aux,
        .merge_others = env->n_workers > 1,
        .output = t->output,
        .copy = mb_transfer_replaces(t),
        .look = (t->options & MBOX_OPT_INSPECT) != 0,
    };

    struct mb_export_open open = {
        .export = &s->exports[i],
        .space = &t->space,
        .scopes = t->scopes & mb_state_scopes(env->mb_ops),
        .trackers = &env->trackers[i],
    };
    mb_source_call(s, i, mb_export_open, &open);
    s->n_open++;
    return open.error;
}

static void
close_exports(struct mb_source *s)
{
    for (unsigned int i = 0; i < s->n_open; i++) {
        struct mb_export_close close = {
            .export = &s->exports[i],
            .trackers = &s->t->env->trackers[i],
        };
        mb_source_call(s, i, mb_export_close, &close);
    }
    s->n_open = 0;
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
    mbox_writer_init(&s->slice.frames, 2 * MBOX_MSG_MAX);
    s->slice.id = t->id;
    s->slice.max_stays = (t->method == MBOX_METHOD_HOLD
                          && !mb_transfer_is_replica(t) ? STAYS_MAX : 0);
    mb_keys_init(&s->slice.stays);
    s->slice.now = env->ops->now;
    s->slice.now_aux = env->aux;

    *n_flows = 0;
    for (unsigned int i = 0; i < env->n_workers; i++) {
        int error = open_export(s, i);

        if (error) {
            mb_transfer_fail(t, -error, "list of state");
            mb_source_destroy(s);
            return NULL;
        }
        *n_flows += exports[i].listed.n;
        mb_source_take_aliases(s, i);
    }
    return s;
}

void
mb_source_destroy(struct mb_source *s)
{
    set_frozen(s, false);
    close_exports(s);
    free(s->exports);
    mbox_writer_uninit(&s->slice.frames);
    mb_keys_uninit(&s->slice.stays);
    mb_table_uninit(&s->aliases);
    mb_table_uninit(&s->present);
    mb_table_uninit(&s->commit_keys);
    mb_buffer_uninit(&s->kept);
    free(s);
}

/* From here on no packet of the space is processed. */
static void
freeze(struct mb_source *s)
{
    if (!s->frozen) {
        s->t->env->ops->barrier(s->t->env->aux);
        for (unsigned int i = 0; i < s->n_open; i++) {
            mb_source_take_aliases(s, i);
        }
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
        .unsent = s->gives_up,
        .now = s->t->env->ops->now,
        .now_aux = s->t->env->aux,
        .deadline = deadline,
    };
    mb_source_call(s, s->worker, mb_export_delete, &delete);
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
        if (n >= 4 * MB_BURST && mb_source_now(s) >= deadline) {
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
        if (t->orphan) {
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
    if (t->failed || mb_source_is_blocked(s)) {
        return false;
    }

    switch (s->phase) {
    case PHASE_ROUNDS:
        if (mb_source_round_wake(s) > mb_source_now(s)) {
            return false;
        }
        mb_source_run_round(s, deadline);
        return true;

    case PHASE_SHARED:
        if (mb_source_take_slice(s, MB_SLICE_SHARED, deadline)) {
            if (t->method == MBOX_METHOD_HOLD) {
                mb_source_send_frozen(s);
            }
            mb_source_enter(s, PHASE_FLOWS);
        }
        return true;

    case PHASE_FLOWS:
        if (mb_source_take_slice(s, (t->method == MBOX_METHOD_COPY
                           ? MB_SLICE_LISTED : MB_SLICE_FLOWS), deadline)) {
            if (t->method == MBOX_METHOD_COPY) {
                mb_source_enter(s, PHASE_GONE);
            } else if (mb_source_send_end(s)) {
                mb_source_enter(s, PHASE_ENDED);
            }
        }
        return true;

    case PHASE_GONE:
        if (mb_source_run_gone(s, deadline)) {
            mb_source_send_end(s);
            mb_source_enter(s, PHASE_ENDED);
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
    while (step(s, deadline) && mb_source_now(s) < deadline) {
        continue;
    }
    if (t->state && !t->failed) {
        int error = mbox_channel_run(t->state);
        bool ended = s->phase >= PHASE_ENDED;

        mb_source_recv_state(s);
        /* Nothing may be unread at the end: TCP would reset the connection. */
        if (ended
            && (error || (!mbox_channel_backlog(t->state) && !s->syncing))) {
            if (error && mbox_channel_backlog(t->state)
                && s->phase == PHASE_ENDED) {
                mb_source_state_failed(s, error);
            }
            mbox_channel_close(t->state);
            t->state = NULL;
        } else if (error) {
            mb_source_state_failed(s, error);
        }
    }
}

uint64_t
mb_source_wake(const struct mb_source *s)
{
    if (s->phase == PHASE_DELETING || s->phase == PHASE_THAWING) {
        return 0;
    }
    if (s->t->failed || mb_source_is_blocked(s)) {
        return MB_NEVER;
    }
    switch (s->phase) {
    case PHASE_ROUNDS:
        return mb_source_round_wake(s);
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
    bool replica = mb_transfer_is_replica(t);

    if (t->failed) {
        return;
    }
    if (replica ? s->round_due || (s->in_round && !s->early) : s->exporting) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    s->exporting = true;
    s->round_due = replica;
    if (s->phase != PHASE_PREPARED) {
        return;                 /* Another round, or a tracer was first. */
    }
    if (t->method == MBOX_METHOD_COPY || s->frozen) {
        mb_source_enter(s, PHASE_SHARED);
    } else if (replica || t->options & MBOX_OPT_PRECOPY) {
        mb_source_enter(s, PHASE_ROUNDS);
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
        mb_source_enter(s, PHASE_SHARED);
    }
    mbox_msg_init(&answer, MBOX_MSG_RETURNING, t->id);
    mb_transfer_send(t, &answer, NULL);
}

/* There are no more rounds: nothing is tracked, and D sees the end.  COMMIT
 * may still come. */
static void
stop_rounds(struct mb_source *s)
{
    struct mb_transfer *t = s->t;

    t->failed = true;
    close_exports(s);
    if (t->state) {
        mbox_channel_close(t->state);
        t->state = NULL;
    }
}

/* D has taken over with what it has, which is not all: what there is of the
 * space now is to be deleted, whether D has it or not. */
static void
give_up(struct mb_source *s)
{
    struct mb_transfer *t = s->t;

    stop_rounds(s);
    s->gives_up = true;
    for (unsigned int i = 0; i < t->env->n_workers; i++) {
        int error = open_export(s, i);

        if (error) {
            char text[128];

            snprintf(text, sizeof text, "transfer %u: list of state to give "
                     "up: %s", t->id, strerror(-error));
            t->env->ops->log(t->env->aux, 3 /* LOG_ERR */, text);
        }
    }
}

static void
recv_commit(struct mb_source *s, const struct mbox_msg *msg)
{
    struct mb_transfer *t = s->t;

    if (t->method == MBOX_METHOD_COPY) {
        if (s->phase != PHASE_ENDED) {
            mb_transfer_unexpected(t, msg);
        } else {
            mb_source_remember_copy(s);
            finish_commit(s);
        }
        return;
    }
    if (mb_transfer_is_replica(t) && !s->frozen) {
        /* It did not answer, so D has taken over with what it has. */
        freeze(s);
    }
    if (!s->frozen || s->phase == PHASE_DELETING) {
        mb_transfer_unexpected(t, msg);
        return;
    }

    if (!mb_transfer_add_keys(&s->commit_keys, msg)) {
        mb_source_forget_commit(s);
        mb_transfer_ask_again(t);
        return;
    }
    if (msg->more) {
        return;
    }
    s->commit_select = msg->select;
    s->commit_shared = (msg->select == MBOX_SELECT_ALL_EXCEPT
                        && !s->commit_keys.n);
    if (mb_transfer_is_replica(t) && s->commit_shared
        && (t->failed || s->phase != PHASE_ENDED)) {
        give_up(s);
    }
    mb_source_enter(s, PHASE_DELETING);
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
        if (mb_transfer_is_replica(t)) {
            stop_rounds(s);
        }
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
        mb_source_enter(s, PHASE_SHARED);
        mb_source_run(s, mb_source_now(s) + MB_SLICE_NS);
    }
    return true;
}

bool
mb_source_is_frozen(const struct mb_source *s, const struct mbox_key *key)
{
    return s->frozen && mb_flow_is_in_space(&s->t->space, key);
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

void
mb_source_forget_commit(struct mb_source *s)
{
    mb_table_uninit(&s->commit_keys);
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
    mb_source_forget_commit(s);
    if (mb_transfer_is_replica(t) && !s->frozen) {
        /* It goes on, but D may be told to take over. */
        stop_rounds(s);
        return true;
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
