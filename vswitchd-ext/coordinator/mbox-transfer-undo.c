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

#include <inttypes.h>
#include <limits.h>

#include "util.h"

/* Where flows that are not D's go: to S.  Only if S's port is gone and D's is
 * not do packets go to D, which has no state for them, because otherwise they
 * would be lost; the traffic that follows them fares no better. */
static bool
mbox_undo_is_to_source(const struct mbox_transfer *t)
{
    return t->src.port_live || !mbox_agent_is_usable(&t->dst);
}

/* About as many flows as were released to D: a flow can have several keys. */
static uint64_t
mbox_transfer_count_released(const struct mbox_transfer *t)
{
    uint64_t n = mbox_key_set_count(&t->keys);

    if (!t->rest_released) {
        return n;
    }
    return t->n_flows - MIN(t->n_flows, n);
}

/* Salvage: S has died after it froze. */

void
mbox_transfer_salvage(struct mbox_transfer *t)
{
    t->salvage_until = t->dst_starved ? t->now_us : (t->now_us
                                                     + MBOX_SALVAGE_US);
    mbox_transfer_enter(t, MBOX_PHASE_SALVAGING);
}

static void
mbox_salvage_note(struct mbox_transfer *t)
{
    size_t n = mbox_key_set_count(&t->keys);

    if (t->any_released) {
        t->flows = mbox_transfer_count_released(t);
    }
    if (t->request.method == MBOX_METHOD_EVENTS || !t->any_released) {
        mbox_transfer_note(t, &t->dst, "not all state of '%s' had arrived; "
                           "flows whose state is missing go on without",
                           t->src.name);
    } else if (t->rest_released) {
        mbox_transfer_note(t, &t->dst, "the state of %"PRIuSIZE" flows of "
                           "'%s' had not arrived; they go on without",
                           n, t->src.name);
    } else {
        mbox_transfer_note(t, &t->dst, "the state of %"PRIuSIZE" flows of "
                           "%"PRIu64" had arrived from '%s'; the others go "
                           "on without", n, t->n_flows, t->src.name);
    }
}

static bool
mbox_salvage_step(struct mbox_transfer *t)
{
    bool hold = t->request.method == MBOX_METHOD_HOLD;
    bool over = t->now_us >= t->salvage_until;

    if (hold && (over || mbox_hold_is_order_safe(t))) {
        mbox_hold_apply_pending(t);
        if (mbox_transfer_drain(t, false)) {
            return true;
        }
    }
    if (!over && !(t->installed && (!hold || mbox_hold_is_order_safe(t)))) {
        mbox_transfer_wake_at(t, t->salvage_until);
        return false;
    }

    if (!t->installed) {
        mbox_salvage_note(t);
        t->salvaged = true;
    }
    if (hold) {
        mbox_transfer_release_all(t);
        mbox_transfer_enter(t, MBOX_PHASE_RELEASING);
    } else {
        mbox_events_go_forward(t);
    }
    return true;
}

/* Split: some flows are D's, the others stay at S. */

/* Releases what is still held to S, once. */
static void
mbox_undo_release(struct mbox_transfer *t)
{
    if (!t->released_back) {
        t->released_back = true;
        t->ops->dp_release(t->aux, MBOX_SELECT_ALL_EXCEPT, NULL, 0,
                           mbox_undo_is_to_source(t));
        t->hold_end_us = t->now_us;
    }
}

/* What was released to D, see struct mbox_transfer's 'keys'. */
static enum mbox_select
mbox_split_select(const struct mbox_transfer *t)
{
    return t->rest_released ? MBOX_SELECT_ALL_EXCEPT : MBOX_SELECT_KEYS;
}

void
mbox_transfer_split(struct mbox_transfer *t)
{
    struct mbox_key *keys = mbox_key_set_array(&t->keys);

    t->flows = mbox_transfer_count_released(t);
    mbox_transfer_enter(t, MBOX_PHASE_SPLITTING);
    t->ops->assign(t->aux, mbox_split_select(t), keys,
                   mbox_key_set_count(&t->keys));
    mbox_transfer_record(t, MBOX_TRANSFER_SPLIT);
    free(keys);
}

/* Makes undone that the transfer splits. */
static void
mbox_split_assign_back(struct mbox_transfer *t)
{
    t->ops->assign_back(t->aux);
    mbox_transfer_record(t, MBOX_TRANSFER_ROLLED_BACK);
}

static bool
mbox_split_step(struct mbox_transfer *t)
{
    if (mbox_transfer_may_tell(t)) {
        t->commit_select = mbox_split_select(t);
        t->commit_keys = mbox_key_set_array(&t->keys);
        t->n_commit_keys = mbox_key_set_count(&t->keys);
        mbox_agent_commit(t, &t->src);
        mbox_agent_commit(t, &t->dst);
    }

    bool src_finished = t->told && mbox_agent_is_finished(t, &t->src);
    bool dst_finished = t->told && mbox_agent_is_finished(t, &t->dst);

    if (src_finished) {
        mbox_undo_release(t);
    }
    if (mbox_transfer_drain(t, t->released_back)) {
        return true;
    }
    if (!src_finished || !dst_finished || !t->ops->dp_is_drained(t->aux)) {
        return false;
    }
    mbox_transfer_finish(t, (t->any_released ? MBOX_TRANSFER_SPLIT
                             : MBOX_TRANSFER_ROLLED_BACK));
    return true;
}

/* Takes back what was released to D, because D has died. */
static void
mbox_undo_take_back(struct mbox_transfer *t)
{
    mbox_transfer_set_mode(t, MBOX_TRANSFER_HOLD);
    mbox_key_set_clear(&t->keys);
    t->any_released = t->rest_released = false;
    t->released_back = false;
}

/* Rollback. */

/* True if S may have packets of the flow space queued that it would return now
 * but process, out of order, once it has thawed. */
static bool
mbox_undo_must_quiesce_src(const struct mbox_transfer *t)
{
    return (t->request.method == MBOX_METHOD_EVENTS
            && t->request.guarantee != MBOX_GUARANTEE_NONE
            && t->phase != MBOX_PHASE_PREPARING
            && mbox_agent_is_usable(&t->src));
}

/* True if D may have packets queued that it would process although its state
 * is deleted. */
static bool
mbox_undo_must_quiesce_dst(const struct mbox_transfer *t)
{
    return (t->mode == MBOX_TRANSFER_TARGET
            && mbox_agent_is_usable(&t->dst));
}

static void
mbox_undo_abort(struct mbox_transfer *t)
{
    t->undo_step = MBOX_UNDO_ABORT;
    t->undo_until = t->now_us + MBOX_ANSWER_US;
    t->grace_until = t->now_us + MBOX_GRACE_US;
    mbox_agent_abort(t, &t->src);
    mbox_agent_abort(t, &t->dst);
}

void
mbox_transfer_roll_back(struct mbox_transfer *t)
{
    t->quiesce_src = mbox_undo_must_quiesce_src(t);
    t->quiesce_dst = mbox_undo_must_quiesce_dst(t);
    if (t->any_released) {
        mbox_transfer_note(t, &t->dst, "what it did with released flows is "
                           "lost; they go on at '%s' with the state of the "
                           "freeze", t->src.name);
        mbox_undo_take_back(t);
    } else if (t->request.method == MBOX_METHOD_EVENTS && t->dst.pacer.acked) {
        mbox_transfer_note(t, &t->dst, "what it did with %"PRIu64" packets is "
                           "lost; the flows go on at '%s' with the state of "
                           "the freeze", t->dst.pacer.acked, t->src.name);
        mbox_frames_free_to(&t->buffer, t->dst.pacer.acked, t->now_us);
    }
    t->tracer.active = false;

    bool was_split = t->phase == MBOX_PHASE_SPLITTING;
    mbox_transfer_enter(t, MBOX_PHASE_ROLLBACK);
    if (was_split) {
        t->undo_step = MBOX_UNDO_RECORD;
    } else if (t->quiesce_src || t->quiesce_dst) {
        t->undo_step = MBOX_UNDO_QUIESCE;
        t->undo_until = t->now_us + MBOX_ANSWER_US;
    } else {
        mbox_undo_abort(t);
    }
}

/* Holds the flow space, so that nothing more is queued. */
static void
mbox_undo_start_quiesce(struct mbox_transfer *t)
{
    if (t->mode != MBOX_TRANSFER_HOLD) {
        if (t->hold_start_us < 0) {
            t->hold_start_us = t->now_us;
        }
        mbox_transfer_set_mode(t, MBOX_TRANSFER_HOLD);
    }
    mbox_tracer_start(t);
    if (t->quiesce_dst) {
        mbox_pacer_mark(t, &t->dst);
    }
}

static bool
mbox_undo_is_src_quiet(struct mbox_transfer *t)
{
    if (!t->quiesce_src || !mbox_agent_is_usable(&t->src)) {
        return true;
    }
    if (mbox_events_is_queue_empty(t)) {
        mbox_agent_count_missing(t, &t->src, t->tracer.n_packets);
        return true;
    }
    return !mbox_tracer_run(t);
}

static bool
mbox_undo_is_dst_quiet(struct mbox_transfer *t)
{
    if (!t->quiesce_dst || !mbox_agent_is_usable(&t->dst)) {
        return true;
    }
    mbox_pacer_run(t, &t->dst);
    return mbox_pacer_is_marked(&t->dst);
}

/* Waits until the instances have dequeued what they had. */
static void
mbox_undo_step_quiesce(struct mbox_transfer *t)
{
    bool quiet = t->now_us >= t->undo_until;

    if (t->tracer.active) {
        bool src_quiet = mbox_undo_is_src_quiet(t);
        bool dst_quiet = mbox_undo_is_dst_quiet(t);

        quiet = quiet || (src_quiet && dst_quiet);
    } else if (t->ops->dp_is_armed(t->aux)) {
        mbox_undo_start_quiesce(t);
    } else {
        mbox_transfer_wake_at(t, t->now_us + MBOX_POLL_US);
    }
    if (quiet) {
        mbox_undo_abort(t);
    } else {
        mbox_transfer_wake_at(t, t->undo_until);
    }
}

/* True if 'agent' has given back all that it said it would, or, if it is gone
 * and cannot say, has had the time for it. */
static bool
mbox_undo_has_returned(const struct mbox_transfer *t,
                       const struct mbox_agent *agent)
{
    if (t->request.method != MBOX_METHOD_EVENTS) {
        return true;
    }
    if (!mbox_agent_is_usable(agent)) {
        return t->now_us >= t->grace_until;
    }
    return agent->n_returned >= agent->n_said_returned;
}

static bool
mbox_undo_step_abort(struct mbox_transfer *t)
{
    bool events = t->request.method == MBOX_METHOD_EVENTS;
    bool ready = mbox_agent_is_finished(t, &t->src);

    if (events) {
        /* D's buffer is to follow S's without a gap. */
        ready = mbox_agent_is_finished(t, &t->dst) && ready;
    }
    if (!ready
        || (t->now_us < t->undo_until
            && !(mbox_undo_has_returned(t, &t->src)
                 && mbox_undo_has_returned(t, &t->dst)))) {
        mbox_transfer_wake_at(t, (t->now_us < t->grace_until
                                  ? t->grace_until : t->undo_until));
        return false;
    }
    if (events) {
        mbox_agent_count_missing(t, &t->src, t->src.n_said_returned);
        mbox_agent_count_missing(t, &t->dst, t->dst.n_said_returned);
    }
    t->undo_step = MBOX_UNDO_RESEND;
    return true;
}

/* Sends S what can go of 'frames'.  Returns true if they all have gone. */
static bool
mbox_undo_resend(struct mbox_transfer *t, struct mbox_frames *frames)
{
    struct mbox_agent *to = mbox_undo_is_to_source(t) ? &t->src : &t->dst;
    size_t credit = mbox_pacer_credit(t, to);

    while (frames->n_freed < frames->n && credit) {
        const struct mbox_frame *frame = &frames->frames[frames->n_freed];

        if (t->ops->port_send(t->aux, to->role, frame->data, frame->len,
                              NULL)) {
            t->packets_lost++;
        }
        mbox_frames_free_to(frames, frames->n_freed + 1, t->now_us);
        mbox_pacer_sent(t, to, 1);
        credit--;
        if (!credit) {
            credit = mbox_pacer_credit(t, to);
        }
    }
    return frames->n_freed == frames->n;
}

static bool
mbox_undo_step_resend(struct mbox_transfer *t)
{
    mbox_pacer_run(t, mbox_undo_is_to_source(t) ? &t->src : &t->dst);
    return (mbox_undo_resend(t, &t->buffer)
            && mbox_undo_resend(t, &t->dst_buffer));
}

static bool
mbox_undo_step_drain(struct mbox_transfer *t)
{
    bool to_source = mbox_undo_is_to_source(t);

    if (t->dp_is_open) {
        if (t->mode == MBOX_TRANSFER_HOLD || t->mode == MBOX_TRANSFER_DROP) {
            mbox_undo_release(t);
            if (mbox_transfer_drain(t, to_source)) {
                return true;
            }
            if (!t->ops->dp_is_drained(t->aux)) {
                return false;
            }
        } else if (t->mode != MBOX_TRANSFER_PASS) {
            mbox_transfer_set_mode(t, MBOX_TRANSFER_PASS);
        }
    }
    if (!mbox_agent_is_finished(t, &t->dst)) {
        return false;
    }
    mbox_transfer_finish(t, MBOX_TRANSFER_ROLLED_BACK);
    return true;
}

static bool
mbox_rollback_step(struct mbox_transfer *t)
{
    switch (t->undo_step) {
    case MBOX_UNDO_RECORD:
        /* Who is told to abort must not hear from another run that the
         * transfer has split. */
        if (!mbox_transfer_is_recorded(t)) {
            return false;
        }
        mbox_undo_abort(t);
        return true;

    case MBOX_UNDO_QUIESCE:
        mbox_undo_step_quiesce(t);
        return t->undo_step != MBOX_UNDO_QUIESCE;

    case MBOX_UNDO_ABORT:
        return mbox_undo_step_abort(t);

    case MBOX_UNDO_RESEND:
        if (!mbox_undo_step_resend(t)) {
            return false;
        }
        t->undo_step = MBOX_UNDO_DRAIN;
        return true;

    case MBOX_UNDO_DRAIN:
        return !mbox_undo_step_resend(t) ? false : mbox_undo_step_drain(t);

    default:
        OVS_NOT_REACHED();
    }
}

bool
mbox_transfer_step_undo(struct mbox_transfer *t)
{
    switch ((int) t->phase) {
    case MBOX_PHASE_SALVAGING:
        return mbox_salvage_step(t);

    case MBOX_PHASE_SPLITTING:
        return mbox_split_step(t);

    case MBOX_PHASE_ROLLBACK:
        return mbox_rollback_step(t);

    default:
        OVS_NOT_REACHED();
    }
}

void
mbox_transfer_resolve_undo(struct mbox_transfer *t)
{
    bool dst_usable = mbox_agent_is_usable(&t->dst);

    switch ((int) t->phase) {
    case MBOX_PHASE_SALVAGING:
        if (dst_usable) {
            t->salvage_until = t->now_us;
        } else {
            mbox_transfer_roll_back(t);
        }
        break;

    case MBOX_PHASE_SPLITTING:
        if (!dst_usable && t->any_released) {
            mbox_split_assign_back(t);
            if (!t->told) {
                mbox_transfer_roll_back(t);
                break;
            }
            mbox_transfer_note(t, &t->dst, "the state of released flows is "
                               "lost; they go on at '%s' without",
                               t->src.name);
            mbox_undo_take_back(t);
        }
        break;

    case MBOX_PHASE_ROLLBACK:
        /* Goes on with whoever is left. */
        break;

    default:
        OVS_NOT_REACHED();
    }
}
