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

#include <config.h>
#include "mbox-transfer-private.h"

#include <errno.h>
#include <limits.h>

#include "util.h"

/* Replicas: a move whose pre-copy goes on, in phase REPLICATING.
 *
 * What follows the failover is method hold, if S answers.  If it does not, D
 * takes over with what it has: at once if S is known to be gone, otherwise
 * when the flow space is held and S has not answered for as long as a move
 * would wait for it.  First, in phase STOPPING, D must say that it imports
 * nothing more: what S has sent must not replace what D does with packets.
 * When they are D's, it does not matter any more what S does, or says: D has
 * the state.  S is sent COMMIT nevertheless, or told when it is back, so that
 * if it goes on after all, it first gives up the flows.
 *
 * A failover that cannot be assigned is refused, and the replica goes on. */

/* The round in progress, if there is one, may take so long. */
static void
mbox_replica_set_deadline(struct mbox_transfer *t)
{
    t->deadline_us = (t->replica.begun_us >= 0 && t->request.timeout_ms > 0
                      ? t->now_us + t->request.timeout_ms * 1000 : LLONG_MAX);
}

static void
mbox_replica_begin_round(struct mbox_transfer *t)
{
    t->replica.begun_us = t->now_us;
    if (t->replica.complete_us >= 0) {
        mbox_replica_set_deadline(t);   /* That of the first one is set. */
    }
    mbox_agent_send_simple(t, &t->src, MBOX_MSG_EXPORT);
}

static void
mbox_replica_start(struct mbox_transfer *t)
{
    mbox_transfer_enter(t, MBOX_PHASE_REPLICATING);
    t->replica.next_us = t->now_us + t->request.every_ms * 1000;
    mbox_replica_begin_round(t);
}

/* Ends the rounds: S need not track changes, D is not to import any. */
static void
mbox_replica_cut_off(struct mbox_transfer *t)
{
    struct mbox_msg msg;

    if (t->replica.cut_off) {
        return;
    }
    t->replica.cut_off = true;
    t->deadline_us = LLONG_MAX;
    mbox_msg_init(&msg, MBOX_MSG_ERROR, t->request.id);
    msg.code = ECANCELED;
    mbox_agent_send(t, &t->src, &msg, NULL);
    mbox_agent_send(t, &t->dst, &msg, NULL);
}

static void
mbox_replica_enter_stopping(struct mbox_transfer *t)
{
    mbox_replica_cut_off(t);
    t->tracer.active = false;
    t->deadline_us = LLONG_MAX;
    t->replica.stop_until = t->now_us + MBOX_STOP_US;
    mbox_transfer_enter(t, MBOX_PHASE_STOPPING);
}

/* The failover cannot be, so all stays as it was. */
static void
mbox_replica_refuse(struct mbox_transfer *t, int error)
{
    mbox_transfer_note(t, NULL, "no failover, as the flow space cannot be "
                       "assigned (%s)",
                       error == -EDOM ? "its flows are spread by hash over "
                       "other instances, too" : ovs_strerror(-error));
    t->replica.failover_us = -1;
    if (!t->replica.cut_off) {
        mbox_replica_set_deadline(t);
    }
    mbox_transfer_enter(t, MBOX_PHASE_REPLICATING);
}

/* D takes over without S. */
static void
mbox_replica_take_over(struct mbox_transfer *t)
{
    if (t->dp_is_open) {
        t->salvaged = true;
        mbox_transfer_release_all(t);
        mbox_transfer_enter(t, MBOX_PHASE_RELEASING);
        return;
    }

    mbox_transfer_record(t, MBOX_TRANSFER_OPEN);
    int error = mbox_transfer_commit(t);
    if (error) {
        mbox_transfer_record(t, MBOX_TRANSFER_ROLLED_BACK);
        mbox_replica_refuse(t, error);
    } else {
        t->salvaged = true;
    }
}

static bool
mbox_replica_step_stopping(struct mbox_transfer *t)
{
    struct mbox_replica *r = &t->replica;

    if (r->dst_stopped) {
        mbox_replica_take_over(t);
        return true;
    }
    if (t->now_us >= r->stop_until) {
        r->stop_until = LLONG_MAX;
        t->ops->disconnect(t->aux, t->dst.role,
                           "it does not say that it takes over");
    }
    mbox_transfer_wake_at(t, r->stop_until);
    return false;
}

static void
mbox_replica_begin_failover(struct mbox_transfer *t)
{
    /* The steering object needs both instances live.  What S has queued, if
     * it has a queue still, is lost with it. */
    if (mbox_agent_is_usable(&t->src) && !t->replica.cut_off) {
        int error = mbox_transfer_open_dp(t);

        if (error) {
            mbox_replica_refuse(t, error);
        } else {
            mbox_transfer_enter(t, MBOX_PHASE_ARMING);
        }
    } else {
        mbox_replica_enter_stopping(t);
    }
}

static bool
mbox_replica_step_replicating(struct mbox_transfer *t)
{
    struct mbox_replica *r = &t->replica;

    if (r->failover_us >= 0) {
        mbox_replica_begin_failover(t);
        return true;
    }
    if (r->cut_off) {
        return false;
    }
    if (t->now_us >= r->next_us) {
        bool busy = r->begun_us >= 0;
        long long every_us = t->request.every_ms * 1000;
        long long n_due = (t->now_us - r->next_us) / every_us + 1;

        r->skipped += busy ? n_due : n_due - 1;
        r->next_us += n_due * every_us;
        if (!busy) {
            mbox_replica_begin_round(t);
        }
    }
    mbox_transfer_wake_at(t, r->next_us);
    return false;
}

static bool
mbox_replica_step(struct mbox_transfer *t)
{
    if (t->phase == MBOX_PHASE_REPLICATING) {
        return mbox_replica_step_replicating(t);
    }
    if (t->phase == MBOX_PHASE_HOLDING && t->replica.forced) {
        if (t->now_us < t->salvage_until && !t->dst_starved
            && !t->installed) {
            mbox_transfer_wake_at(t, t->salvage_until);
            return false;
        }
        mbox_replica_enter_stopping(t);
        return true;
    }
    if (t->phase == MBOX_PHASE_STOPPING) {
        return mbox_replica_step_stopping(t);
    }
    return mbox_method_hold.step(t);
}

static bool
mbox_replica_recv_round(struct mbox_transfer *t, const struct mbox_msg *msg)
{
    struct mbox_replica *r = &t->replica;

    if (r->begun_us < 0 || msg->round != t->precopy_rounds + 1
        || msg->n_chunks < t->chunks || msg->n_bytes < t->bytes) {
        return false;
    }
    t->precopy_rounds = msg->round;
    r->round_chunks = msg->n_chunks - t->chunks;
    r->round_bytes = msg->n_bytes - t->bytes;
    t->chunks = msg->n_chunks;
    t->bytes = msg->n_bytes;
    r->complete_us = r->begun_us;
    r->begun_us = -1;
    t->deadline_us = LLONG_MAX;
    return true;
}

static bool
mbox_replica_recv(struct mbox_transfer *t, struct mbox_agent *agent,
                  const struct mbox_msg *msg)
{
    if (t->phase == MBOX_PHASE_REPLICATING) {
        return (agent == &t->src && msg->type == MBOX_MSG_PRECOPY
                && mbox_replica_recv_round(t, msg));
    }
    if (t->phase == MBOX_PHASE_STOPPING || t->salvaged) {
        /* Of the rest that S is sending after all, and D has not taken. */
        return (agent == &t->src
                ? (msg->type == MBOX_MSG_PRECOPY
                   || msg->type == MBOX_MSG_TRACER_SEEN)
                : (msg->type == MBOX_MSG_RELEASE
                   || msg->type == MBOX_MSG_INSTALLED));
    }
    return mbox_method_hold.recv(t, agent, msg);
}

/* In place of a rollback, as the user wants D to take over. */
static void
mbox_replica_force(struct mbox_transfer *t)
{
    if (!t->replica.forced) {
        t->replica.forced = true;
        t->salvage_until = (t->src.live ? t->now_us
                            : t->now_us + MBOX_SALVAGE_US);
    }
    t->deadline_us = LLONG_MAX;
}

static void
mbox_replica_resolve(struct mbox_transfer *t)
{
    struct mbox_replica *r = &t->replica;
    bool wanted = mbox_agent_is_usable(&t->dst) && !t->cancelled;

    if (!t->src.live && r->lost_us < 0) {
        r->lost_us = t->now_us;
    }
    if (t->phase == MBOX_PHASE_REPLICATING) {
        if (!wanted || r->complete_us < 0) {
            mbox_transfer_roll_back(t);
        } else {
            mbox_replica_cut_off(t);    /* What D has is kept. */
        }
    } else if (t->phase == MBOX_PHASE_STOPPING && wanted) {
        /* S is not waited for any more. */
    } else if (t->salvaged && mbox_agent_is_usable(&t->dst)) {
        /* D has taken over: it does not matter what becomes of S. */
    } else if (wanted && !t->any_released
               && (!t->src.live || !t->tracer.control_seen)
               && (t->phase == MBOX_PHASE_ARMING
                   || t->phase == MBOX_PHASE_HOLDING)) {
        mbox_replica_force(t);
    } else {
        mbox_method_hold.resolve(t);
    }
}

static bool
mbox_replica_is_forward_only(const struct mbox_transfer *t)
{
    return (t->phase != MBOX_PHASE_REPLICATING
            && mbox_method_hold.is_forward_only(t));
}

/* For commands. */

bool
mbox_transfer_is_replica(const struct mbox_transfer *t)
{
    return t->method == &mbox_method_replica;
}

bool
mbox_transfer_can_fail_over(const struct mbox_transfer *t)
{
    return (mbox_transfer_is_replica(t) && t->phase == MBOX_PHASE_REPLICATING
            && t->replica.complete_us >= 0 && t->replica.failover_us < 0
            && !t->failing);
}

void
mbox_transfer_fail_over(struct mbox_transfer *t, long long timeout_ms)
{
    ovs_assert(mbox_transfer_can_fail_over(t));
    t->now_us = t->ops->now_us(t->aux);
    t->replica.failover_us = t->now_us;
    t->deadline_us = t->now_us + timeout_ms * 1000;
    t->timed_out = false;
    t->wake_us = LLONG_MIN;
}

const struct mbox_method_class mbox_method_replica = {
    .start = mbox_replica_start,
    .step = mbox_replica_step,
    .recv = mbox_replica_recv,
    .resolve = mbox_replica_resolve,
    .is_forward_only = mbox_replica_is_forward_only,
};
