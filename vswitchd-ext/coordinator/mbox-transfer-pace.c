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

#include <limits.h>

#include "util.h"

static long long
mbox_transfer_interval_us(const struct mbox_transfer *t)
{
    return t->request.tracer_interval_ms * 1000LL;
}

/* Pacing. */

static void
mbox_pacer_send_tracer(struct mbox_transfer *t, struct mbox_agent *agent)
{
    struct mbox_pacer *p = &agent->pacer;
    uint32_t seq = MBOX_PACE_SEQ | ++p->serial;

    p->marked = p->sent;
    p->upto[p->serial % ARRAY_SIZE(p->upto)] = p->sent;
    p->resend_us = t->now_us + (mbox_transfer_interval_us(t)
                                << MIN(p->tries, 6));
    mbox_transfer_wake_at(t, p->resend_us);
    t->tracers_sent++;

    if (t->phase == MBOX_PHASE_FLUSHING
        && mbox_events_is_via_channel(t)) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_PACKET, t->request.id);
        msg.kind = MBOX_TAG_TRACER;
        msg.seq = seq;
        mbox_agent_send(t, agent, &msg, NULL);
    } else if (agent->port_live) {
        t->ops->port_send_tracer(t->aux, agent->role, MBOX_TAG_TRACER, seq);
    }
}

size_t
mbox_pacer_credit(struct mbox_transfer *t, struct mbox_agent *agent)
{
    struct mbox_pacer *p = &agent->pacer;

    if (p->timed) {
        if (t->now_us < p->next_us) {
            mbox_transfer_wake_at(t, p->next_us);
            return 0;
        }
        return p->budget - p->slice;
    }

    uint64_t window = p->sent - p->marked;
    uint64_t out = p->sent - p->acked;
    if (out >= MBOX_WINDOWS * MBOX_WINDOW) {
        return 0;
    }
    return MIN(MBOX_WINDOWS * MBOX_WINDOW - out, MBOX_WINDOW - window);
}

void
mbox_pacer_sent(struct mbox_transfer *t, struct mbox_agent *agent, size_t n)
{
    struct mbox_pacer *p = &agent->pacer;

    p->sent += n;
    if (p->timed) {
        p->slice += n;
        if (p->slice >= p->budget) {
            p->slice = 0;
            p->budget = MIN(p->budget * 2, MBOX_TIMED_MAX);
            p->next_us = t->now_us + MBOX_TIMED_US;
        }
    } else if (p->sent - p->marked >= MBOX_WINDOW) {
        mbox_pacer_send_tracer(t, agent);
    }
}

bool
mbox_pacer_find(const struct mbox_agent *agent, uint32_t seq, uint64_t *upto,
                bool *newest)
{
    const struct mbox_pacer *p = &agent->pacer;
    uint32_t serial = seq & ~MBOX_PACE_SEQ;

    if (!serial || serial > p->serial || serial < p->first_serial
        || p->serial - serial >= ARRAY_SIZE(p->upto)) {
        return false;
    }
    *upto = p->upto[serial % ARRAY_SIZE(p->upto)];
    *newest = serial == p->serial;
    return true;
}

void
mbox_pacer_ack(struct mbox_agent *agent, uint64_t upto)
{
    struct mbox_pacer *p = &agent->pacer;

    p->acked = MAX(p->acked, upto);
    p->tries = 0;
}

void
mbox_pacer_mark(struct mbox_transfer *t, struct mbox_agent *agent)
{
    agent->pacer.sent++;        /* For the tracer itself. */
    agent->pacer.timed = false;
    mbox_pacer_send_tracer(t, agent);
}

bool
mbox_pacer_is_marked(const struct mbox_agent *agent)
{
    return agent->pacer.timed || agent->pacer.acked >= agent->pacer.marked;
}

void
mbox_pacer_rewind(struct mbox_agent *agent)
{
    struct mbox_pacer *p = &agent->pacer;

    p->sent = p->marked = p->acked;
    p->first_serial = p->serial + 1;
}

void
mbox_pacer_run(struct mbox_transfer *t, struct mbox_agent *agent)
{
    struct mbox_pacer *p = &agent->pacer;

    if (p->timed || p->acked >= p->marked) {
        return;
    }
    if (t->now_us >= p->resend_us) {
        if (++p->tries > MBOX_PACE_TRIES || !mbox_agent_is_usable(agent)) {
            p->timed = true;
            p->slice = 0;       /* Of an earlier time that it was. */
            p->budget = MBOX_WINDOW;
            p->next_us = t->now_us;
            return;
        }
        mbox_pacer_send_tracer(t, agent);
    }
    mbox_transfer_wake_at(t, p->resend_us);
}

bool
mbox_transfer_drain(struct mbox_transfer *t, bool to_source)
{
    bool to_dst = !to_source || t->any_released;
    size_t credit = SIZE_MAX;

    if (to_source) {
        mbox_pacer_run(t, &t->src);
        credit = MIN(credit, mbox_pacer_credit(t, &t->src));
    }
    if (to_dst) {
        mbox_pacer_run(t, &t->dst);
        credit = MIN(credit, mbox_pacer_credit(t, &t->dst));
    }
    if (!credit) {
        return false;
    }

    size_t n = t->ops->dp_drain(t->aux, credit);
    if (n && to_source) {
        mbox_pacer_sent(t, &t->src, n);
    }
    if (n && to_dst) {
        mbox_pacer_sent(t, &t->dst, n);
    }
    if (!n) {
        mbox_transfer_wake_at(t, t->now_us + MBOX_POLL_US);
    }
    return n > 0;
}

/* The tracer to S. */

static void
mbox_tracer_send(struct mbox_transfer *t)
{
    struct mbox_tracer *tracer = &t->tracer;

    /* An instance on a busy host may not run for a while, so each try waits
     * longer than the one before: 10 of them for 1 s. */
    tracer->resend_us = t->now_us + (mbox_transfer_interval_us(t)
                                     << MIN(tracer->tries, 4));
    tracer->tries++;
    mbox_transfer_wake_at(t, tracer->resend_us);
    t->tracers_sent++;
    t->ops->port_send_tracer(t->aux, MBOX_ROLE_SOURCE, MBOX_TAG_TRACER,
                             ++tracer->seq);
}

void
mbox_tracer_start(struct mbox_transfer *t)
{
    struct mbox_tracer *tracer = &t->tracer;
    uint32_t seq = tracer->seq;

    *tracer = (struct mbox_tracer) {
        .active = true, .first_seq = seq + 1, .seq = seq,
    };
    mbox_tracer_send(t);
}

bool
mbox_tracer_run(struct mbox_transfer *t)
{
    struct mbox_tracer *tracer = &t->tracer;

    if (t->now_us >= tracer->resend_us) {
        if (tracer->tries >= t->request.tracer_tries) {
            return false;
        }
        mbox_tracer_send(t);
    }
    mbox_transfer_wake_at(t, tracer->resend_us);
    return true;
}

bool
mbox_tracer_counts(const struct mbox_transfer *t, uint32_t seq)
{
    return seq >= t->tracer.first_seq && seq <= t->tracer.seq;
}
