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
#include <stdarg.h>

#include "hash.h"
#include "util.h"

bool
mbox_events_is_via_channel(const struct mbox_transfer *t)
{
    return (mbox_transfer_has_option(t, MBOX_OPT_VIA_CHANNEL)
            || t->flush_by_channel);
}

static bool
mbox_events_is_ordered(const struct mbox_transfer *t)
{
    return t->request.guarantee == MBOX_GUARANTEE_ORDER_PRESERVING;
}

/* The last packet by comparison of contents. */

static void
mbox_trail_append(struct mbox_trail *trail, const void *frame, size_t len)
{
    uint64_t hash = hash_bytes(frame, len, 0);

    hash = hash << 32 | hash_bytes(frame, len, 1);
    trail->hashes[trail->n++ % MBOX_TRAIL_LEN] = hash;
}

/* True if 'returns' ends like all of 'dups', as far back as both are kept:
 * then what was returned last is the last packet that was duplicated. */
static bool
mbox_trail_ends_alike(const struct mbox_trail *returns,
                      const struct mbox_trail *dups)
{
    uint64_t n = MIN(dups->n, MBOX_TRAIL_LEN);

    if (returns->n < n) {
        return false;
    }
    for (uint64_t i = 1; i <= n; i++) {
        if (returns->hashes[(returns->n - i) % MBOX_TRAIL_LEN]
            != dups->hashes[(dups->n - i) % MBOX_TRAIL_LEN]) {
            return false;
        }
    }
    return true;
}

void
mbox_events_recv_dup(struct mbox_transfer *t, const void *frame, size_t len)
{
    mbox_trail_append(&t->dups, frame, len);
}

/* True if all duplicates are here, and what has been returned is without a gap
 * and ends with the last of them. */
static bool
mbox_events_is_last_duplicate_back(const struct mbox_transfer *t)
{
    struct mbox_transfer_dp_stats stats;

    if (t->request.last_packet != MBOX_LAST_BY_DUPLICATE
        || !t->dups.n || !mbox_events_is_ordered(t)
        || t->src.n_returned < t->src.last_seq) {
        return false;
    }
    mbox_transfer_get_dp_stats(t, &stats);
    return (t->dups.n >= stats.n_dup
            && mbox_trail_ends_alike(&t->returns, &t->dups));
}

/* Returned packets. */

bool
mbox_agent_accept_seq(struct mbox_transfer *t, struct mbox_agent *agent,
                      uint32_t seq)
{
    if (!seq || (seq <= agent->last_seq
                 && (agent->last_seq - seq >= MBOX_SEQ_WINDOW
                     || bitmap_is_set(agent->seen, seq % MBOX_SEQ_WINDOW)))) {
        return false;
    }
    if (seq > agent->last_seq) {
        uint32_t n_new = MIN(seq - agent->last_seq, MBOX_SEQ_WINDOW);

        for (uint32_t i = 0; i < n_new; i++) {
            bitmap_set0(agent->seen, (seq - i) % MBOX_SEQ_WINDOW);
        }
        agent->last_seq = seq;
    }
    bitmap_set1(agent->seen, seq % MBOX_SEQ_WINDOW);
    agent->n_returned++;
    t->packets_returned++;
    if (agent->n_missing) {
        mbox_agent_count_missing(t, agent, 0);
    }
    return true;
}

void
mbox_agent_count_missing(struct mbox_transfer *t, struct mbox_agent *agent,
                         uint64_t n_said)
{
    agent->n_said = MAX(agent->n_said, MAX(n_said, agent->last_seq));

    uint64_t n_missing = agent->n_said - agent->n_returned;

    t->packets_lost += n_missing - agent->n_missing;
    agent->n_missing = n_missing;
}

/* Sends D a packet of the controller buffer, or LAST if 'frame' is null. */
static void
mbox_events_send_to_dst(struct mbox_transfer *t, uint32_t seq,
                        const void *frame, size_t len)
{
    enum mbox_tag_kind kind = frame ? MBOX_TAG_DO_NOT_BUFFER : MBOX_TAG_LAST;
    int error = 0;

    if (mbox_events_is_via_channel(t)) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_PACKET, t->request.id);
        msg.kind = kind;
        msg.seq = seq;
        msg.data = frame;
        msg.data_len = len;
        mbox_agent_send(t, &t->dst, &msg, NULL);
    } else if (frame) {
        struct mbox_tag tag = { .kind = kind, .id = t->request.id,
                                .seq = seq };

        error = t->ops->port_send(t->aux, MBOX_ROLE_DESTINATION, frame, len,
                                  &tag);
    } else {
        error = t->ops->port_send_tracer(t->aux, MBOX_ROLE_DESTINATION, kind,
                                         seq);
    }
    if (error && t->dst.port_live) {
        t->dst.port_live = false;
        mbox_transfer_fail(t, &t->dst, "could not send to its port (%s)",
                           ovs_strerror(-error));
    }
}

/* Takes a packet that S returned although the last one was thought to be back
 * (the last duplicate was taken for another packet): it is not lost. */
static void
mbox_events_pass_late(struct mbox_transfer *t, const void *frame, size_t len)
{
    if (t->phase == MBOX_PHASE_FLUSHING) {
        mbox_events_send_to_dst(t, ++t->late_seq, frame, len);
    } else if (t->ops->port_send(t->aux, MBOX_ROLE_DESTINATION, frame, len,
                                 NULL)) {
        t->packets_lost++;
    }
}

bool
mbox_events_recv_returned(struct mbox_transfer *t, struct mbox_agent *agent,
                          uint32_t seq, const void *frame, size_t len)
{
    bool from_src = agent == &t->src;

    if (t->phase == MBOX_PHASE_PREPARING
        || (!from_src && t->phase != MBOX_PHASE_ROLLBACK)
        || !mbox_agent_accept_seq(t, agent, seq)) {
        return false;
    }

    if (t->buffer.bytes + t->dst_buffer.bytes > 2 * t->request.buffer_limit) {
        /* Over 'buffer_limit' the transfer is rolled back, if it still can. */
        t->packets_lost++;
        return true;
    }
    if (!from_src) {
        mbox_frames_insert(&t->dst_buffer, t->dst_buffer.n_freed, seq, frame,
                           len, t->now_us);
        return true;
    }

    mbox_trail_append(&t->returns, frame, len);
    if (t->phase == MBOX_PHASE_COMMITTING
        || (t->phase == MBOX_PHASE_FLUSHING && t->last_seq)) {
        mbox_events_pass_late(t, frame, len);
        return true;
    }
    mbox_frames_insert(&t->buffer, MAX(t->buffer.n_freed, t->dst.pacer.sent),
                       seq, frame, len, t->now_us);
    if (t->buffer.bytes > t->request.buffer_limit
        && t->phase != MBOX_PHASE_ROLLBACK && !t->failing) {
        mbox_transfer_fail(t, NULL, "more than %"PRIuSIZE" bytes of packets "
                           "returned", t->request.buffer_limit);
    }
    return true;
}

bool
mbox_events_is_queue_empty(const struct mbox_transfer *t)
{
    const struct mbox_tracer *tracer = &t->tracer;

    if (!tracer->control_seen) {
        return false;
    }
    switch (t->request.guarantee) {
    case MBOX_GUARANTEE_NONE:
        return true;

    case MBOX_GUARANTEE_LOSS_FREE:
        return (mbox_events_is_via_channel(t)
                || tracer->port_seen
                || t->src.n_returned >= tracer->n_packets);

    case MBOX_GUARANTEE_ORDER_PRESERVING:
    default:
        return tracer->port_seen;
    }
}

/* Messages. */

/* Takes D's answer to a tracer or to LAST: it has processed 'n_packets'
 * do-not-buffer packets. */
static bool
mbox_events_recv_ack(struct mbox_transfer *t, const struct mbox_msg *msg)
{
    struct mbox_agent *dst = &t->dst;
    uint64_t upto = t->last_seq;
    bool newest = t->last_sent;

    if (msg->n_packets > MAX(t->buffer.n, t->late_seq)) {
        return false;
    }
    if (msg->n_packets > t->flushed_seen) {
        t->flushed_seen = msg->n_packets;
        t->last_tries = 0;
    }
    if (msg->seq & MBOX_PACE_SEQ) {
        if (!mbox_pacer_find(dst, msg->seq, &upto, &newest)) {
            return true;
        }
    } else if (!t->last_sent || msg->seq != t->last_seq) {
        return true;
    }

    if (msg->n_packets >= upto) {
        mbox_pacer_ack(dst, upto);
        mbox_frames_free_to(&t->buffer, upto, t->now_us);
    } else if (newest) {
        /* Lost, or too long for the port with a tag. */
        mbox_pacer_rewind(dst);
        t->flush_by_channel = true;
        t->last_sent = false;
    }
    return true;
}

static bool
mbox_events_recv_flushed(struct mbox_transfer *t, const struct mbox_msg *msg)
{
    if (t->flushed) {
        return true;
    }
    if (!t->last_sent
        || msg->n_packets > MAX(t->last_seq, t->late_seq)) {
        return false;
    }
    t->flushed = true;
    mbox_pacer_ack(&t->dst, t->last_seq);
    mbox_frames_free_to(&t->buffer, t->last_seq, t->now_us);
    t->hold_end_us = t->now_us;
    if (msg->n_buffered) {
        /* Its first one came after routing began. */
        t->dst_buffer.max_us
            = (t->now_us - t->start_us
               - t->phase_us[MBOX_PHASE_ROUTING]);
    }
    if (msg->n_packets < t->last_seq) {
        t->packets_lost += t->last_seq - msg->n_packets;
        mbox_transfer_note(t, &t->dst, "processed only %"PRIu64" of %"PRIu32
                           " returned packets", msg->n_packets, t->last_seq);
    }
    return true;
}

static bool
mbox_events_recv(struct mbox_transfer *t, struct mbox_agent *agent,
                 const struct mbox_msg *msg)
{
    bool from_src = agent == &t->src;

    switch ((int) msg->type) {
    case MBOX_MSG_RETURNING:
        if (!from_src || t->phase != MBOX_PHASE_STOPPING || t->returning) {
            return false;
        }
        t->returning = true;
        t->hold_start_us = t->now_us;
        return true;

    case MBOX_MSG_BUFFERING:
        if (from_src || t->phase != MBOX_PHASE_STOPPING || t->buffering
            || !mbox_events_is_ordered(t)) {
            return false;
        }
        t->buffering = true;
        return true;

    case MBOX_MSG_INSTALLED:
        return (!from_src
                && (t->phase == MBOX_PHASE_EXPORTING
                    || t->phase == MBOX_PHASE_SALVAGING)
                && mbox_transfer_recv_installed(t, msg));

    case MBOX_MSG_TRACER_SEEN:
        return (!from_src && t->phase == MBOX_PHASE_FLUSHING
                && mbox_events_recv_ack(t, msg));

    case MBOX_MSG_FLUSHED:
        return (!from_src && t->phase == MBOX_PHASE_FLUSHING
                && mbox_events_recv_flushed(t, msg));

    default:
        return false;
    }
}

/* Phases. */

static void
mbox_events_start(struct mbox_transfer *t)
{
    mbox_transfer_enter(t, MBOX_PHASE_STOPPING);
    if (mbox_events_is_ordered(t)) {
        mbox_agent_send_simple(t, &t->dst, MBOX_MSG_BUFFER);
    }
    mbox_agent_send_simple(t, &t->src, MBOX_MSG_RETURN);
}

static bool
mbox_events_step_stopping(struct mbox_transfer *t)
{
    if (!t->returning || (mbox_events_is_ordered(t) && !t->buffering)) {
        return false;
    }
    mbox_transfer_enter(t, MBOX_PHASE_EXPORTING);
    mbox_agent_send_simple(t, &t->src, MBOX_MSG_EXPORT);
    return true;
}

void
mbox_events_go_forward(struct mbox_transfer *t)
{
    mbox_transfer_enter(t, MBOX_PHASE_EXPORTING);
}

static void
mbox_events_route(struct mbox_transfer *t)
{
    mbox_transfer_enter(t, MBOX_PHASE_ROUTING);
    mbox_transfer_set_mode(t, MBOX_TRANSFER_TARGET);
    t->grace_until = t->now_us + MBOX_GRACE_US;

    /* The last duplicate, if there is one, may come back by itself; for the
     * case that it does not, the tracer follows later. */
    if (t->request.last_packet == MBOX_LAST_BY_DUPLICATE && t->dups.n) {
        t->dup_until = t->now_us + t->request.tracer_interval_ms * 1000LL;
    } else {
        mbox_tracer_start(t);
    }
}

static bool
mbox_events_step_exporting(struct mbox_transfer *t)
{
    if (!t->installed && !t->salvaged) {
        return false;
    }
    if (!t->ops->dp_is_armed(t->aux)) {
        mbox_transfer_wake_at(t, t->now_us + MBOX_POLL_US);
        return false;
    }
    if (mbox_events_is_ordered(t) && mbox_agent_is_usable(&t->src)) {
        mbox_transfer_enter(t, MBOX_PHASE_DUPLICATING);
        mbox_transfer_set_mode(t, MBOX_TRANSFER_DUP);
        t->dup_until = t->now_us + MBOX_GRACE_US;
    } else {
        mbox_events_route(t);
    }
    return true;
}

static bool
mbox_events_step_duplicating(struct mbox_transfer *t)
{
    if (!t->dups.n && t->now_us < t->dup_until) {
        mbox_transfer_wake_at(t, t->dup_until);
        return false;
    }
    mbox_events_route(t);
    return true;
}

/* The last packet cannot be told.  With guarantee order-preserving that is a
 * failure, since everything can still be undone.  Otherwise D processes
 * packets already, so the transfer goes on with what is back: returns true. */
static bool OVS_PRINTF_FORMAT(2, 3)
mbox_events_give_up(struct mbox_transfer *t, const char *format, ...)
{
    bool ordered = mbox_events_is_ordered(t);
    va_list args;
    char *why;

    va_start(args, format);
    why = xvasprintf(format, args);
    va_end(args);
    if (ordered) {
        mbox_transfer_fail(t, &t->src, "%s", why);
    } else {
        mbox_transfer_note(t, &t->src, "%s", why);
    }
    free(why);
    return !ordered;
}

/* True if the last packet is back, or will never be. */
static bool
mbox_events_find_last(struct mbox_transfer *t)
{
    if (!mbox_agent_is_usable(&t->src)) {
        /* What it returned before it was lost may be on its way. */
        if (t->now_us < t->grace_until) {
            mbox_transfer_wake_at(t, t->grace_until);
            return false;
        }
        mbox_transfer_note(t, &t->src, "packets that it had queued are lost");
        return true;
    }
    if (mbox_events_is_last_duplicate_back(t)) {
        return true;
    }
    if (!t->tracer.active) {
        if (t->now_us >= t->dup_until) {
            mbox_tracer_start(t);
        } else {
            mbox_transfer_wake_at(t, t->dup_until);
        }
        return false;
    }
    if (mbox_events_is_queue_empty(t)) {
        if (t->tracer.n_packets < t->src.last_seq) {
            return mbox_events_give_up(t, "returned %"PRIu32" packets, but "
                                       "says %"PRIu64, t->src.last_seq,
                                       t->tracer.n_packets);
        }
        if (t->src.n_returned < t->tracer.n_packets
            && t->now_us < t->tracer.resend_us) {
            /* The tracer may have overtaken some in the switch. */
            mbox_transfer_wake_at(t, t->tracer.resend_us);
            return false;
        }
        mbox_agent_count_missing(t, &t->src, t->tracer.n_packets);
        return true;
    }
    if (!mbox_tracer_run(t)) {
        return mbox_events_give_up(t, "no tracer of %u came back",
                                   t->tracer.tries);
    }
    return false;
}

static bool
mbox_events_step_routing(struct mbox_transfer *t)
{
    if (!t->last_known) {
        t->last_known = mbox_events_find_last(t);
    }
    if (!t->last_known) {
        return false;
    }
    if (t->request.guarantee == MBOX_GUARANTEE_NONE) {
        mbox_transfer_commit(t);
    } else {
        mbox_transfer_enter(t, MBOX_PHASE_FLUSHING);
    }
    return true;
}

/* Sends LAST, or sends it again. */
static void
mbox_events_run_last(struct mbox_transfer *t)
{
    if (t->last_sent && t->now_us < t->last_resend_us) {
        mbox_transfer_wake_at(t, t->last_resend_us);
        return;
    }
    if (t->last_tries >= t->request.tracer_tries) {
        t->dst.port_live = false;
        mbox_transfer_fail(t, &t->dst, "does not take the returned packets");
        return;
    }

    /* D may have a large buffer of its own to process before it answers, so
     * each try waits longer than the one before. */
    t->last_resend_us = t->now_us + (t->request.tracer_interval_ms * 1000LL
                                     << MIN(t->last_tries, 10));
    t->last_tries++;
    t->last_sent = true;
    t->last_seq = t->buffer.n;
    t->late_seq = MAX(t->late_seq, t->last_seq);
    mbox_events_send_to_dst(t, t->last_seq, NULL, 0);
    mbox_transfer_wake_at(t, t->last_resend_us);
}

static bool
mbox_events_step_flushing(struct mbox_transfer *t)
{
    struct mbox_pacer *pacer = &t->dst.pacer;

    if (t->flushed) {
        mbox_transfer_commit(t);
        return true;
    }

    mbox_pacer_run(t, &t->dst);
    for (size_t credit = mbox_pacer_credit(t, &t->dst);
         credit && pacer->sent < t->buffer.n && !t->failing; credit--) {
        const struct mbox_frame *frame = &t->buffer.frames[pacer->sent];

        mbox_events_send_to_dst(t, pacer->sent + 1, frame->data, frame->len);
        mbox_pacer_sent(t, &t->dst, 1);
    }
    if (t->failing) {
        return true;
    }
    if (pacer->sent < t->buffer.n) {
        return mbox_pacer_credit(t, &t->dst) > 0;
    }
    mbox_events_run_last(t);
    return false;
}

static bool
mbox_events_step(struct mbox_transfer *t)
{
    switch ((int) t->phase) {
    case MBOX_PHASE_STOPPING:
        return mbox_events_step_stopping(t);

    case MBOX_PHASE_EXPORTING:
        return mbox_events_step_exporting(t);

    case MBOX_PHASE_DUPLICATING:
        return mbox_events_step_duplicating(t);

    case MBOX_PHASE_ROUTING:
        return mbox_events_step_routing(t);

    case MBOX_PHASE_FLUSHING:
        return mbox_events_step_flushing(t);

    default:
        OVS_NOT_REACHED();
    }
}

/* Failures. */

static bool
mbox_events_is_forward_only(const struct mbox_transfer *t)
{
    return (t->phase == MBOX_PHASE_FLUSHING
            || (t->phase == MBOX_PHASE_ROUTING && !mbox_events_is_ordered(t)));
}

static void
mbox_events_resolve(struct mbox_transfer *t)
{
    if (!mbox_agent_is_usable(&t->dst)) {
        mbox_transfer_roll_back(t);
        return;
    }

    switch ((int) t->phase) {
    case MBOX_PHASE_STOPPING:
        mbox_transfer_roll_back(t);
        break;

    case MBOX_PHASE_EXPORTING:
    case MBOX_PHASE_DUPLICATING:
        if (t->src.live) {
            mbox_transfer_roll_back(t);
        } else if (!t->installed && !t->salvaged) {
            mbox_transfer_salvage(t);
        }
        break;

    case MBOX_PHASE_ROUTING:
        if (t->src.live && mbox_events_is_ordered(t)) {
            mbox_transfer_roll_back(t);
        }
        break;

    case MBOX_PHASE_FLUSHING:
        break;

    default:
        OVS_NOT_REACHED();
    }
}

const struct mbox_method_class mbox_method_events = {
    .start = mbox_events_start,
    .step = mbox_events_step,
    .recv = mbox_events_recv,
    .resolve = mbox_events_resolve,
    .is_forward_only = mbox_events_is_forward_only,
};
