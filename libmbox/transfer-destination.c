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

#include "transfer-destination.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
change_pending(struct mb_destination *d, unsigned int worker, mb_call_fn *fn)
{
    const struct mb_env *env = d->t->env;
    struct mb_pending_change change = {
        .pending = &d->pending[worker], .list = &env->pending[worker],
    };

    env->ops->call(env->aux, worker, fn, &change);
}

struct mb_destination *
mb_destination_create(struct mb_transfer *t, uint64_t *n_flows)
{
    const struct mb_env *env = t->env;
    struct mb_destination *d = calloc(1, sizeof *d);
    struct mb_pending *pending = calloc(env->n_workers, sizeof *pending);

    if (!d || !pending) {
        free(d);
        free(pending);
        mb_transfer_fail(t, ENOMEM, "prepare");
        return NULL;
    }
    d->t = t;
    d->pending = pending;
    for (unsigned int i = 0; i < env->n_workers; i++) {
        pending[i].space = t->space;
        change_pending(d, i, mb_pending_open);
    }
    d->scopes = t->scopes & mb_state_scopes(t->env->mb_ops);
    mb_table_init(&d->states);
    mb_table_init(&d->except);
    mb_table_init(&d->aliases);
    mb_table_init(&d->commit_keys);
    mb_keys_init(&d->batch);
    mb_keys_init(&d->stays);

    /* Up to 'buffer_limit' is kept, then the transfer fails; what comes until
     * the coordinator aborts it is kept, too, within reason. */
    mb_buffer_init(&d->buffer, 2 * t->env->buffer_limit);

    for (unsigned int i = 0; i < MB_NEXT_CHUNKS; i++) {
        mbox_msg_init(&d->next[i].msg, MBOX_MSG_CHUNK, t->id);
    }

    *n_flows = mb_destination_count_flows(d);
    return d;
}

void
mb_destination_destroy(struct mb_destination *d)
{
    for (unsigned int i = 0; i < d->t->env->n_workers; i++) {
        change_pending(d, i, mb_pending_close);
    }
    free(d->pending);
    mb_table_uninit(&d->states);
    mb_table_uninit(&d->except);
    mb_table_uninit(&d->aliases);
    mb_table_uninit(&d->commit_keys);
    mb_keys_uninit(&d->batch);
    mb_keys_uninit(&d->stays);
    mb_buffer_uninit(&d->buffer);
    for (int i = 0; i < MB_AHEAD; i++) {
        mb_packet_free(d->ahead[i]);
    }
    free(d);
}

uint64_t
mb_destination_n_buffered(const struct mb_destination *d)
{
    return d->buffer.n;
}

/* The end. */

static bool
must_delete(const struct mb_destination *d, const struct mb_entry *entry)
{
    if (!(entry->flags & STATE_PUT) || entry->flags & STATE_MERGED
        || entry->scope == MBOX_STATE_CONFIG) {
        return false;
    }
    switch (d->sweep) {
    case SWEEP_NONE:
        break;
    case SWEEP_ALL:
        return true;
    case SWEEP_UNSELECTED:
        return (entry->scope == MBOX_STATE_PER_FLOW
                && ((mb_table_find(&d->commit_keys, MBOX_STATE_PER_FLOW,
                                   &entry->key) != MB_NO_ENTRY)
                    != (d->commit_select == MBOX_SELECT_KEYS)));
    }
    return false;
}

/* Deletes states until 'deadline'.  Returns true when it is through. */
static bool
run_sweep(struct mb_destination *d, uint64_t deadline)
{
    struct mb_env *env = d->t->env;

    while (d->sweep != SWEEP_NONE && d->next_sweep < d->states.n) {
        struct mb_entry *entry = &d->states.entries[d->next_sweep++];

        if (must_delete(d, entry)) {
            int error = mb_destination_del_state(d, entry->scope, &entry->key);
            if (error) {
                char text[128];

                snprintf(text, sizeof text, "transfer %u: delete: %s",
                         d->t->id, strerror(-error));
                env->ops->log(env->aux, 3 /* LOG_ERR */, text);
            }
            entry->flags &= ~STATE_PUT;
            d->n_flows -= entry->scope == MBOX_STATE_PER_FLOW;
        }
        if (!(d->next_sweep % 16) && env->ops->now(env->aux) >= deadline) {
            return false;
        }
    }
    return true;
}

static void
run_end(struct mb_destination *d, uint64_t deadline)
{
    struct mb_transfer *t = d->t;

    if (d->returning ? !mb_destination_run_return(d, deadline)
        : d->buffering && !mb_destination_run_replay(d, deadline)) {
        return;
    }
    if (!run_sweep(d, deadline)) {
        return;
    }

    t->finished = true;
    d->buffering = false;
    if (d->answer) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, d->answer, t->id);
        msg.n_flows = d->n_flows;
        msg.n_packets = d->n_returned;
        mb_transfer_send(t, &msg, NULL);
    }
}

void
mb_destination_run(struct mb_destination *d, uint64_t deadline)
{
    struct mb_transfer *t = d->t;

    if (t->finished) {
        return;
    }
    if (d->ending) {
        run_end(d, deadline);
        return;
    }
    mb_destination_send_batch(d);
    if (t->state && !t->failed) {
        mb_destination_run_state(d, deadline);
    }
    if (d->replaying && mb_destination_run_replay(d, deadline)) {
        d->replaying = false;
        d->flushed = true;
        mb_destination_send_flushed(d);
    }
}

uint64_t
mb_destination_wake(const struct mb_destination *d)
{
    const struct mb_env *env = d->t->env;

    if (d->ending) {
        return (d->returning
                && env->ops->control_backlog(env->aux) > MB_BACKLOG_MAX
                ? MB_NEVER : 0);
    }
    if (d->replaying) {
        return 0;
    }
    if (d->t->failed) {
        return MB_NEVER;
    }
    return (d->more || d->batch.n ? 0
            : d->t->orphan && d->t->state ? mb_destination_doubt_end(d)
            : MB_NEVER);
}

static void
recv_buffer(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;
    struct mbox_msg answer;

    if (t->method != MBOX_METHOD_EVENTS || d->flushed || d->replaying) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    d->buffering = true;
    mbox_msg_init(&answer, MBOX_MSG_BUFFERING, t->id);
    mb_transfer_send(t, &answer, NULL);
}

static void
recv_commit(struct mb_destination *d, const struct mbox_msg *msg)
{
    if (!mb_transfer_add_keys(&d->commit_keys, msg)) {
        mb_destination_forget_commit(d);
        mb_transfer_ask_again(d->t);
        return;
    }
    if (msg->more) {
        return;
    }
    d->ending = true;
    d->answer = MBOX_MSG_COMMITTED;
    if (msg->select != MBOX_SELECT_ALL_EXCEPT || d->commit_keys.n) {
        d->sweep = SWEEP_UNSELECTED;
        d->commit_select = msg->select;
    }
}

static void
recv_abort(struct mb_destination *d)
{
    d->ending = true;
    d->answer = MBOX_MSG_ABORTED;
    d->sweep = SWEEP_ALL;
    d->returning = d->buffering && !d->t->orphan;
    if (d->t->orphan) {
        mb_transfer_discard(d->t, &d->buffer);
        d->buffering = false;
    }
}

/* There are no more rounds.  Nothing that S has sent is taken any more, as
 * packets may come next; what is here stays.  The answer says so. */
static void
stop_import(struct mb_destination *d)
{
    struct mb_transfer *t = d->t;

    mb_transfer_fail(t, ECANCELED, "replica");
    if (t->state) {
        mbox_channel_close(t->state);
        t->state = NULL;
    }
}

void
mb_destination_recv(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (d->ending) {
        return;
    }
    switch ((unsigned int) msg->type) {
    case MBOX_MSG_BUFFER:
        recv_buffer(d, msg);
        break;
    case MBOX_MSG_RELAY:
        mb_destination_recv_relay(d, msg);
        break;
    case MBOX_MSG_PACKET:
        mb_destination_recv_packet(d, msg);
        break;
    case MBOX_MSG_COMMIT:
        recv_commit(d, msg);
        break;
    case MBOX_MSG_ABORT:
        recv_abort(d);
        break;
    case MBOX_MSG_ERROR:
        if (mb_transfer_is_replica(t)) {
            stop_import(d);
        }
        t->failed = true;       /* The coordinator's: it will abort. */
        break;
    default:
        mb_transfer_unexpected(t, msg);
        break;
    }
}

void
mb_destination_forget_commit(struct mb_destination *d)
{
    mb_table_uninit(&d->commit_keys);
}

/* Once S may have frozen and this end may have released flows, only the
 * coordinator knows how it ends; and a replica may have taken over. */
bool
mb_destination_disconnected(struct mb_destination *d)
{
    struct mb_transfer *t = d->t;

    d->answer = 0;
    if (d->returning) {
        d->returning = d->buffering = false;
        mb_transfer_discard(t, &d->buffer);
    }
    if (d->ending) {
        return false;
    }
    mb_destination_forget_commit(d);
    if (t->method == MBOX_METHOD_HOLD
        ? !d->frozen && !mb_transfer_is_replica(t)
        : t->method == MBOX_METHOD_EVENTS ? !d->installed
        : true) {
        recv_abort(d);
        d->answer = 0;
        return false;
    }
    if (!t->state && !d->installed) {
        t->failed = true;       /* The rest cannot come. */
    }

    uint64_t now = t->env->ops->now(t->env->aux);
    d->silence_end = now + MB_SILENCE_NS;
    d->doubt_end = now + MB_DOUBT_NS;
    return true;
}

bool
mb_destination_get_owned(const struct mb_destination *d,
                         enum mbox_select *select, struct mb_keys *keys)
{
    const struct mb_transfer *t = d->t;
    bool all = (t->method == MBOX_METHOD_EVENTS
                ? (d->n_dnb || d->buffer.n || d->n_routed || d->replaying
                   || d->flushed)
                : d->installed && !d->stays.n);
    const struct mb_table *table = (d->released_except ? &d->except
                                    : &d->states);

    *select = (all || d->released_except
               ? MBOX_SELECT_ALL_EXCEPT : MBOX_SELECT_KEYS);
    if (all || t->method == MBOX_METHOD_EVENTS) {
        return true;
    }
    for (uint32_t i = 0; i < table->n; i++) {
        const struct mb_entry *entry = &table->entries[i];
        uint32_t j = mb_table_find(&d->states, MBOX_STATE_PER_FLOW,
                                   &entry->key);
        bool released = (j != MB_NO_ENTRY
                         && d->states.entries[j].flags & STATE_RELEASED);

        if (entry->scope == MBOX_STATE_PER_FLOW
            && released != d->released_except
            && !mb_keys_add(keys, &entry->key)) {
            return false;
        }
    }
    return true;
}
