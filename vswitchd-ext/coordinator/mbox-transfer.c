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
#include <stdarg.h>

#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_transfer);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

#define MBOX_DEFAULT_TRACER_TRIES 10
#define MBOX_DEFAULT_TRACER_INTERVAL_MS 10
#define MBOX_DEFAULT_BUFFER_LIMIT (64 * 1024 * 1024)

struct mbox_transfer *
mbox_transfer_create(const struct mbox_transfer_request *request,
                     const struct mbox_transfer_ops *ops, void *aux)
{
    struct mbox_transfer *t = xzalloc(sizeof *t);

    t->request = *request;
    if (!t->request.tracer_tries) {
        t->request.tracer_tries = MBOX_DEFAULT_TRACER_TRIES;
    }
    if (!t->request.tracer_interval_ms) {
        t->request.tracer_interval_ms = MBOX_DEFAULT_TRACER_INTERVAL_MS;
    }
    if (!t->request.buffer_limit) {
        t->request.buffer_limit = MBOX_DEFAULT_BUFFER_LIMIT;
    }
    t->request.options &= (request->method == MBOX_METHOD_HOLD
                           ? ~0u
                           : ~(MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE));
    t->ops = ops;
    t->aux = aux;
    t->method = (request->every_ms ? &mbox_method_replica
                 : request->method == MBOX_METHOD_HOLD ? &mbox_method_hold
                 : request->method == MBOX_METHOD_EVENTS ? &mbox_method_events
                 : &mbox_method_copy);

    t->start_us = t->now_us = ops->now_us(aux);
    t->deadline_us = (request->timeout_ms > 0
                      ? t->start_us + request->timeout_ms * 1000 : LLONG_MAX);
    t->wake_us = LLONG_MIN;
    t->suspect_until = LLONG_MAX;
    ds_init(&t->error);
    mbox_agent_init(&t->src, MBOX_ROLE_SOURCE, t->request.src);
    mbox_agent_init(&t->dst, MBOX_ROLE_DESTINATION, t->request.dst);
    mbox_key_set_init(&t->keys);
    t->hold_start_us = t->hold_end_us = t->done_us = -1;
    t->replica.begun_us = t->replica.complete_us = -1;
    t->replica.lost_us = t->replica.failover_us = -1;
    for (size_t i = 0; i < MBOX_N_PHASES; i++) {
        t->phase_us[i] = -1;
    }
    mbox_transfer_enter(t, MBOX_PHASE_PREPARING);
    return t;
}

void
mbox_transfer_destroy(struct mbox_transfer *t)
{
    if (t) {
        mbox_transfer_close_dp(t);
        for (size_t i = 0; i < t->n_pending; i++) {
            free(t->pending[i].keys);
        }
        free(t->pending);
        mbox_key_set_destroy(&t->keys);
        free(t->stays);
        free(t->commit_keys);
        mbox_frames_destroy(&t->buffer);
        mbox_frames_destroy(&t->dst_buffer);
        ds_destroy(&t->error);
        free(t);
    }
}

bool
mbox_transfer_is_done(const struct mbox_transfer *t)
{
    return t->phase == MBOX_PHASE_DONE;
}

/* Phases. */

void
mbox_transfer_enter(struct mbox_transfer *t, enum mbox_phase phase)
{
    t->phase = phase;
    if (t->phase_us[phase] < 0) {
        t->phase_us[phase] = t->now_us - t->start_us;
        t->phases[t->n_phases++] = phase;
    }
}

void
mbox_transfer_finish(struct mbox_transfer *t, enum mbox_transfer_result result)
{
    mbox_transfer_close_dp(t);
    if (t->recorded && result == MBOX_TRANSFER_ROLLED_BACK) {
        mbox_transfer_record(t, result);
    }
    t->result = result;
    t->done_us = t->now_us;
    mbox_transfer_enter(t, MBOX_PHASE_DONE);
}

/* True if the transfer can only go on, so that cancelling it or its timeout
 * have no effect any more. */
static bool
mbox_transfer_is_forward_only(const struct mbox_transfer *t)
{
    switch (t->phase) {
    case MBOX_PHASE_SPLITTING:
    case MBOX_PHASE_ROLLBACK:
    case MBOX_PHASE_COMMITTING:
    case MBOX_PHASE_DONE:
        return true;

    case MBOX_PHASE_PREPARING:
    case MBOX_PHASE_SALVAGING:
        return false;

    case MBOX_PHASE_PRECOPY:
    case MBOX_PHASE_REPLICATING:
    case MBOX_PHASE_ARMING:
    case MBOX_PHASE_HOLDING:
    case MBOX_PHASE_RELEASING:
    case MBOX_PHASE_STOPPING:
    case MBOX_PHASE_EXPORTING:
    case MBOX_PHASE_DUPLICATING:
    case MBOX_PHASE_ROUTING:
    case MBOX_PHASE_FLUSHING:
        return t->method->is_forward_only(t);

    case MBOX_N_PHASES:
    default:
        OVS_NOT_REACHED();
    }
}

/* Failures. */

static void OVS_PRINTF_FORMAT(3, 0)
mbox_transfer_note_valist(struct mbox_transfer *t,
                          const struct mbox_agent *agent,
                          const char *format, va_list args)
{
    if (t->error.length > MBOX_TEXT_MAX) {
        /* An agent that goes on and on must not fill the memory. */
        return;
    }
    if (t->error.length) {
        ds_put_cstr(&t->error, "; ");
    }
    if (agent) {
        ds_put_format(&t->error, "instance '%s', ", agent->name);
    }
    ds_put_format(&t->error, "%s: ", mbox_phase_to_string(t->phase));
    ds_put_format_valist(&t->error, format, args);
}

void
mbox_transfer_note(struct mbox_transfer *t, const struct mbox_agent *agent,
                   const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mbox_transfer_note_valist(t, agent, format, args);
    va_end(args);
}

void
mbox_transfer_fail(struct mbox_transfer *t, const struct mbox_agent *agent,
                   const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mbox_transfer_note_valist(t, agent, format, args);
    va_end(args);
    t->failing = true;
    t->wake_us = LLONG_MIN;
}

/* Time. */

void
mbox_transfer_wake_at(struct mbox_transfer *t, long long when_us)
{
    t->wake_us = MIN(t->wake_us, when_us);
}

long long
mbox_transfer_wake_us(const struct mbox_transfer *t)
{
    return t->wake_us;
}

/* Steering object. */

void
mbox_transfer_set_mode(struct mbox_transfer *t, enum mbox_transfer_mode mode)
{
    t->mode = mode;
    t->ops->dp_set_mode(t->aux, mode);
}

void
mbox_transfer_get_dp_stats(const struct mbox_transfer *t,
                           struct mbox_transfer_dp_stats *stats)
{
    if (t->dp_is_open) {
        memset(stats, 0, sizeof *stats);
        t->ops->dp_get_stats(t->aux, stats);
    } else {
        *stats = t->dp_stats;
    }
}

void
mbox_transfer_close_dp(struct mbox_transfer *t)
{
    if (t->dp_is_open) {
        mbox_transfer_get_dp_stats(t, &t->dp_stats);
        t->dp_is_open = false;
        t->ops->dp_close(t->aux);
    }
}

/* Inputs. */

static struct mbox_agent *
mbox_transfer_agent(struct mbox_transfer *t, enum mbox_role role)
{
    return role == MBOX_ROLE_SOURCE ? &t->src : &t->dst;
}

void
mbox_transfer_agent_lost(struct mbox_transfer *t, enum mbox_role role,
                         const char *why)
{
    mbox_agent_set_lost(t, mbox_transfer_agent(t, role), why);
}

void
mbox_transfer_port_lost(struct mbox_transfer *t, enum mbox_role role,
                        const char *why)
{
    struct mbox_agent *agent = mbox_transfer_agent(t, role);

    if (!agent->port_live) {
        return;
    }
    agent->port_live = false;
    t->wake_us = LLONG_MIN;
    if (t->request.method == MBOX_METHOD_COPY) {
        /* A copy needs no port. */
    } else if (t->phase == MBOX_PHASE_REPLICATING && agent == &t->src) {
        /* Nor does a replica, before the failover. */
        mbox_transfer_note(t, agent, "port lost: %s", why);
    } else if (agent == &t->src && (t->tracer.control_seen || t->returning)) {
        /* S has stopped processing: the transfer does not need its port. */
        mbox_transfer_note(t, agent, "port lost: %s", why);
    } else {
        mbox_transfer_fail(t, agent, "port lost: %s", why);
    }
}

void
mbox_transfer_refuse(struct mbox_transfer *t, enum mbox_role role,
                     const char *why)
{
    struct mbox_agent *agent = mbox_transfer_agent(t, role);

    if (mbox_transfer_is_forward_only(t)) {
        mbox_transfer_note(t, agent, "%s", why);
    } else {
        mbox_transfer_fail(t, agent, "%s", why);
    }
}

void
mbox_transfer_cancel(struct mbox_transfer *t, const char *why)
{
    if (!mbox_transfer_is_forward_only(t)) {
        t->cancelled = true;
        mbox_transfer_fail(t, NULL, "cancelled: %s", why);
    }
}

bool
mbox_transfer_recv_installed(struct mbox_transfer *t,
                             const struct mbox_msg *msg)
{
    if (t->installed || msg->n_chunks < t->chunks) {
        return false;
    }
    t->installed = true;
    t->flows = msg->n_flows;
    t->chunks = msg->n_chunks;
    t->bytes = msg->n_bytes;
    t->gone = msg->n_gone;
    return true;
}

static void
mbox_transfer_recv_error(struct mbox_transfer *t, struct mbox_agent *agent,
                         const struct mbox_msg *msg)
{
    const char *text = msg->text[0] ? msg->text : ovs_strerror(msg->code);

    t->replica.dst_stopped |= agent == &t->dst;
    if (t->replica.cut_off) {
        /* That is what D was to say, and S may have seen it hang up. */
    } else if (t->phase == MBOX_PHASE_SALVAGING && agent == &t->dst) {
        /* It got what there was. */
        mbox_transfer_note(t, agent, "%s", text);
        t->salvage_until = LLONG_MIN;
    } else if (agent == &t->dst && msg->code == ECONNRESET
               && t->src.live && t->suspect_until == LLONG_MAX) {
        mbox_transfer_note(t, agent, "%s", text);
        t->suspect_until = t->now_us + MBOX_SUSPECT_US;
        t->dst_starved = true;
    } else {
        mbox_transfer_fail(t, agent, "%s", text);
    }
}

/* Takes the messages that mean the same in each method. */
static bool
mbox_transfer_recv_common(struct mbox_transfer *t, struct mbox_agent *agent,
                          const struct mbox_msg *msg)
{
    switch ((int) msg->type) {
    case MBOX_MSG_ERROR:
        mbox_transfer_recv_error(t, agent, msg);
        return true;

    case MBOX_MSG_PREPARED:
        if (agent->stage == MBOX_AGENT_OPEN && agent->prepared) {
            return false;
        }
        agent->prepared = true;
        if (agent == &t->src) {
            t->n_flows = msg->n_flows;
        }
        return true;

    case MBOX_MSG_ABORTED:
        if (agent->stage != MBOX_AGENT_ABORTING) {
            return agent->stage == MBOX_AGENT_FINISHED;
        }
        agent->stage = MBOX_AGENT_FINISHED;
        agent->n_said_returned = msg->n_packets;
        return true;

    case MBOX_MSG_COMMITTED:
        if (agent->stage != MBOX_AGENT_COMMITTING) {
            return agent->stage == MBOX_AGENT_FINISHED;
        }
        agent->stage = MBOX_AGENT_FINISHED;
        if (agent == &t->src) {
            t->discarded = msg->n_discarded;
            if (t->phase == MBOX_PHASE_SPLITTING) {
                t->flows = msg->n_flows;
            }
        } else if (t->salvaged && mbox_transfer_is_replica(t)) {
            t->flows = msg->n_flows;
        }
        return true;

    case MBOX_MSG_TRACER_SEEN:
        if (msg->seq & MBOX_PACE_SEQ && t->phase != MBOX_PHASE_FLUSHING) {
            uint64_t upto;
            bool newest;

            if (mbox_pacer_find(agent, msg->seq, &upto, &newest)) {
                mbox_pacer_ack(agent, upto);
            }
            return true;
        }
        if (agent == &t->src && t->tracer.active) {
            if (mbox_tracer_counts(t, msg->seq)) {
                t->tracer.control_seen = true;
                t->tracer.n_packets = msg->n_packets;
            }
            return true;
        }
        return false;

    default:
        return false;
    }
}

/* True if 'msg' can still come because it was sent before the agent could know
 * that the transfer is being committed or undone. */
static bool
mbox_transfer_is_late(const struct mbox_transfer *t,
                      const struct mbox_msg *msg)
{
    if (t->phase == MBOX_PHASE_COMMITTING) {
        /* Answers to tracers or LASTs that were sent again, and what D says
         * of the state of an S that has died, when D was not waited for. */
        return (msg->type == MBOX_MSG_TRACER_SEEN
                || msg->type == MBOX_MSG_FLUSHED
                || (t->salvaged && (msg->type == MBOX_MSG_RELEASE
                                    || msg->type == MBOX_MSG_STAYS
                                    || msg->type == MBOX_MSG_INSTALLED
                                    || msg->type == MBOX_MSG_PRECOPY)));
    }
    if (t->phase != MBOX_PHASE_ROLLBACK && t->phase != MBOX_PHASE_SPLITTING
        && !t->failing) {
        return false;
    }
    switch ((int) msg->type) {
    case MBOX_MSG_PREPARED:
    case MBOX_MSG_PRECOPY:
    case MBOX_MSG_RETURNING:
    case MBOX_MSG_BUFFERING:
    case MBOX_MSG_RELEASE:
    case MBOX_MSG_STAYS:
    case MBOX_MSG_INSTALLED:
    case MBOX_MSG_TRACER_SEEN:
    case MBOX_MSG_FLUSHED:
        return true;
    default:
        return false;
    }
}

static bool
mbox_transfer_recv_returned(struct mbox_transfer *t, struct mbox_agent *agent,
                            uint32_t seq, const void *frame, size_t len)
{
    if (t->request.method == MBOX_METHOD_EVENTS) {
        return mbox_events_recv_returned(t, agent, seq, frame, len);
    }
    if (t->request.method != MBOX_METHOD_HOLD || agent != &t->src
        || t->hold_start_us < 0 || !mbox_agent_accept_seq(t, agent, seq)) {
        return false;
    }
    mbox_agent_count_missing(t, agent, 0);
    if (t->dp_is_open) {
        t->ops->dp_hold_packet(t->aux, frame, len);
    } else {
        t->packets_lost++;
    }
    return true;
}

void
mbox_transfer_recv(struct mbox_transfer *t, enum mbox_role from,
                   const struct mbox_msg *msg)
{
    struct mbox_agent *agent = mbox_transfer_agent(t, from);

    t->now_us = t->ops->now_us(t->aux);
    if (t->phase == MBOX_PHASE_DONE) {
        return;
    }
    t->wake_us = LLONG_MIN;

    if (msg->type == MBOX_MSG_PACKET && msg->kind == MBOX_TAG_RETURNED
        && mbox_transfer_recv_returned(t, agent, msg->seq, msg->data,
                                       msg->data_len)) {
        return;
    }
    if (!agent->live) {
        /* From before its end, which sending to it has shown. */
        return;
    }
    if (mbox_transfer_recv_common(t, agent, msg)
        || (!t->failing && t->phase != MBOX_PHASE_ROLLBACK
            && t->phase != MBOX_PHASE_SPLITTING
            && t->method->recv(t, agent, msg))
        || mbox_transfer_is_late(t, msg)) {
        return;
    }

    VLOG_WARN_RL(&rl, "transfer %"PRIu32": unexpected '%s' from '%s', %s",
                 t->request.id, mbox_msg_type_to_string(msg->type),
                 agent->name, mbox_phase_to_string(t->phase));
    mbox_transfer_fail(t, agent, "unexpected message '%s'",
                       mbox_msg_type_to_string(msg->type));
}

bool
mbox_transfer_recv_tagged(struct mbox_transfer *t, enum mbox_role from,
                          const struct mbox_tag *tag,
                          const void *frame, size_t len)
{
    struct mbox_agent *agent = mbox_transfer_agent(t, from);

    t->now_us = t->ops->now_us(t->aux);
    if (t->phase == MBOX_PHASE_DONE || agent->stage == MBOX_AGENT_UNTOLD) {
        return false;
    }
    t->wake_us = LLONG_MIN;

    switch (tag->kind) {
    case MBOX_TAG_RETURNED:
        return mbox_transfer_recv_returned(t, agent, tag->seq, frame, len);

    case MBOX_TAG_TRACER:
        if (tag->seq & MBOX_PACE_SEQ) {
            return true;
        }
        if (agent != &t->src || !t->tracer.active) {
            return false;
        }
        if (mbox_tracer_counts(t, tag->seq)) {
            t->tracer.port_seen = true;
        }
        return true;

    case MBOX_TAG_DO_NOT_BUFFER:
    case MBOX_TAG_LAST:
    case MBOX_TAG_DUPLICATE:
    default:
        return false;
    }
}

void
mbox_transfer_recv_dup(struct mbox_transfer *t, const void *frame, size_t len)
{
    if (t->phase != MBOX_PHASE_DONE) {
        t->wake_us = LLONG_MIN;
        t->packets_dup++;
        mbox_events_recv_dup(t, frame, len);
    }
}

/* Progress. */

int
mbox_transfer_open_dp(struct mbox_transfer *t)
{
    int error = t->ops->dp_open(t->aux);

    if (!error) {
        t->dp_is_open = true;
        t->mode = MBOX_TRANSFER_PASS;
        mbox_transfer_record(t, MBOX_TRANSFER_OPEN);
    }
    return error;
}

static void
mbox_transfer_start(struct mbox_transfer *t)
{
    t->started = true;
    if (t->request.method != MBOX_METHOD_COPY
        && !mbox_transfer_is_replica(t)) {
        int error = mbox_transfer_open_dp(t);
        if (error) {
            mbox_transfer_fail(t, NULL,
                               "could not steer the flow space (%s)",
                               ovs_strerror(-error));
            return;
        }
    }
    mbox_agent_prepare(t, &t->src, &t->dst);
    mbox_agent_prepare(t, &t->dst, &t->src);
}

void
mbox_transfer_record(struct mbox_transfer *t, enum mbox_transfer_result result)
{
    t->ops->record(t->aux, result);
    t->recorded = result != MBOX_TRANSFER_ROLLED_BACK;
    t->record_by = t->now_us + MBOX_RECORD_US;
}

bool
mbox_transfer_is_recorded(struct mbox_transfer *t)
{
    if (t->now_us < t->record_by && !t->ops->is_recorded(t->aux)) {
        mbox_transfer_wake_at(t, t->record_by);
        return false;
    }
    return true;
}

bool
mbox_transfer_may_tell(struct mbox_transfer *t)
{
    if (t->told) {
        return false;
    }
    if (t->request.method != MBOX_METHOD_COPY
        && !mbox_transfer_is_recorded(t)) {
        return false;
    }
    t->told = true;
    return true;
}

int
mbox_transfer_commit(struct mbox_transfer *t)
{
    bool moves = t->request.method != MBOX_METHOD_COPY;

    if (moves) {
        int error = t->ops->assign(t->aux, MBOX_SELECT_ALL_EXCEPT, NULL, 0);

        if (error) {
            return error;
        }
    }
    mbox_transfer_enter(t, MBOX_PHASE_COMMITTING);
    if (t->hold_end_us < 0) {
        t->hold_end_us = t->now_us;
    }
    if (moves) {
        mbox_transfer_close_dp(t);
        mbox_transfer_record(t, MBOX_TRANSFER_MOVED);
    }
    return 0;
}

static bool
mbox_transfer_step_committing(struct mbox_transfer *t)
{
    if (mbox_transfer_may_tell(t)) {
        t->commit_select = MBOX_SELECT_ALL_EXCEPT;
        mbox_agent_commit(t, &t->src);
        mbox_agent_commit(t, &t->dst);
    }
    if (!t->told) {
        return false;
    }

    bool src_finished = mbox_agent_is_finished(t, &t->src);
    bool dst_finished = mbox_agent_is_finished(t, &t->dst);

    if (!src_finished || !dst_finished) {
        return false;
    }
    mbox_transfer_finish(t, (t->installed || mbox_transfer_is_replica(t)
                             ? MBOX_TRANSFER_MOVED : MBOX_TRANSFER_SPLIT));
    return true;
}

/* Resolves a failure in a phase that every method has. */
static void
mbox_transfer_resolve(struct mbox_transfer *t)
{
    t->failing = false;
    t->suspect_until = LLONG_MAX;
    switch (t->phase) {
    case MBOX_PHASE_PREPARING:
        mbox_transfer_roll_back(t);
        break;

    case MBOX_PHASE_COMMITTING:
        /* Final.  What failed is in the report. */
    case MBOX_PHASE_DONE:
        break;

    case MBOX_PHASE_SALVAGING:
    case MBOX_PHASE_SPLITTING:
    case MBOX_PHASE_ROLLBACK:
        mbox_transfer_resolve_undo(t);
        break;

    case MBOX_PHASE_PRECOPY:
    case MBOX_PHASE_REPLICATING:
    case MBOX_PHASE_ARMING:
    case MBOX_PHASE_HOLDING:
    case MBOX_PHASE_RELEASING:
    case MBOX_PHASE_STOPPING:
    case MBOX_PHASE_EXPORTING:
    case MBOX_PHASE_DUPLICATING:
    case MBOX_PHASE_ROUTING:
    case MBOX_PHASE_FLUSHING:
        t->method->resolve(t);
        break;

    case MBOX_N_PHASES:
    default:
        OVS_NOT_REACHED();
    }
}

static bool
mbox_transfer_step(struct mbox_transfer *t)
{
    if (!t->started) {
        mbox_transfer_start(t);
        return true;
    }
    if (t->failing) {
        mbox_transfer_resolve(t);
        return true;
    }
    if (t->now_us >= t->suspect_until) {
        t->failing = true;
        return true;
    }
    mbox_transfer_wake_at(t, t->suspect_until);
    if (!mbox_transfer_is_forward_only(t)) {
        if (t->now_us >= t->deadline_us) {
            /* Once: the transfer may have to go on in its phase for a while,
             * such as with what a source that died has sent. */
            t->deadline_us = LLONG_MAX;
            t->timed_out = true;
            mbox_transfer_fail(t, NULL, "not done after %lld ms",
                               t->request.timeout_ms);
            return true;
        }
        mbox_transfer_wake_at(t, t->deadline_us);
    }

    switch (t->phase) {
    case MBOX_PHASE_PREPARING:
        if (t->src.prepared && t->dst.prepared
            && (t->request.method != MBOX_METHOD_EVENTS
                || mbox_transfer_is_recorded(t))) {
            t->method->start(t);
            return true;
        }
        return false;

    case MBOX_PHASE_COMMITTING:
        return mbox_transfer_step_committing(t);

    case MBOX_PHASE_SALVAGING:
    case MBOX_PHASE_SPLITTING:
    case MBOX_PHASE_ROLLBACK:
        return mbox_transfer_step_undo(t);

    case MBOX_PHASE_PRECOPY:
    case MBOX_PHASE_REPLICATING:
    case MBOX_PHASE_ARMING:
    case MBOX_PHASE_HOLDING:
    case MBOX_PHASE_RELEASING:
    case MBOX_PHASE_STOPPING:
    case MBOX_PHASE_EXPORTING:
    case MBOX_PHASE_DUPLICATING:
    case MBOX_PHASE_ROUTING:
    case MBOX_PHASE_FLUSHING:
        return t->method->step(t);

    case MBOX_PHASE_DONE:
        return false;

    case MBOX_N_PHASES:
    default:
        OVS_NOT_REACHED();
    }
}

void
mbox_transfer_run(struct mbox_transfer *t)
{
    bool again;

    do {
        t->now_us = t->ops->now_us(t->aux);
        t->wake_us = LLONG_MAX;
        again = mbox_transfer_step(t) || t->failing;
    } while (again && t->phase != MBOX_PHASE_DONE);
}
