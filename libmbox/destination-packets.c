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

/* Buffered packets that a slice takes out at least: more than can arrive
 * between two slices, or a slow middlebox under load would never catch up. */
#define REPLAY_MIN (4 * MB_BURST)

void
mb_destination_send_flushed(struct mb_destination *d)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_FLUSHED, d->t->id);
    msg.n_packets = d->n_dnb;
    msg.n_buffered = d->n_replayed;
    mb_transfer_send(d->t, &msg, NULL);
    d->t->env->ops->control_flush(d->t->env->aux);
}

/* Keeps a copy of do-not-buffer packet 'seq', which came too early. */
static void
keep_ahead(struct mb_destination *d, uint32_t seq, struct mb_packet *packet)
{
    uint32_t i = seq % MB_AHEAD;

    if (seq - d->n_dnb <= MB_AHEAD && !d->ahead[i]) {
        d->ahead[i] = mb_packet_clone(packet);
    }
    mb_packet_free(packet);
}

/* Do-not-buffer packet number 'seq'.  They are processed strictly in
 * sequence; what is missing, and more than a few behind it, the coordinator
 * sends again.  One may come even behind LAST, if the source returned it when
 * the coordinator believed that it had returned all. */
static void
recv_dnb(struct mb_destination *d, uint32_t seq, struct mb_packet *packet)
{
    if (seq <= d->n_dnb || d->ending) {
        mb_packet_free(packet);
        return;
    }
    if (seq != d->n_dnb + 1) {
        keep_ahead(d, seq, packet);
        return;
    }
    while (packet) {
        d->n_dnb++;
        mb_transfer_replay(d->t, packet);

        uint32_t i = (d->n_dnb + 1) % MB_AHEAD;
        packet = d->ahead[i];
        d->ahead[i] = NULL;
    }
}

/* Says that tracer 'seq', or a last tag with a gap before it, has come, behind
 * all that was processed. */
static void
send_tracer_seen(struct mb_destination *d, uint32_t seq)
{
    struct mbox_msg msg;

    d->t->env->ops->barrier(d->t->env->aux);
    mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, d->t->id);
    msg.seq = seq;
    msg.n_packets = d->n_dnb;
    mb_transfer_send(d->t, &msg, NULL);
    d->t->env->ops->control_flush(d->t->env->aux);
}

/* The coordinator has no do-not-buffer packet after number 'seq': it goes
 * forward, also if the transfer had failed here because the source died. */
static void
recv_last(struct mb_destination *d, uint32_t seq)
{
    if (d->flushed) {
        mb_destination_send_flushed(d);
    } else if (d->replaying || d->ending) {
        return;
    } else if (seq == d->n_dnb) {
        d->replaying = true;
    } else {
        send_tracer_seen(d, seq);
    }
}

bool
mb_destination_recv_tagged(struct mb_destination *d,
                           const struct mbox_tag *tag,
                           struct mb_packet *packet)
{
    if (tag->kind == MBOX_TAG_TRACER) {
        send_tracer_seen(d, tag->seq);
        mb_packet_free(packet);
        return true;
    }
    if (d->t->method != MBOX_METHOD_EVENTS) {
        return false;
    }
    if (tag->kind == MBOX_TAG_DO_NOT_BUFFER) {
        mb_packet_pop_tag(packet);
        recv_dnb(d, tag->seq, packet);
        return true;
    }
    if (tag->kind == MBOX_TAG_LAST) {
        recv_last(d, tag->seq);
        mb_packet_free(packet);
        return true;
    }
    return false;
}

void
mb_destination_recv_packet(struct mb_destination *d,
                           const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (msg->kind == MBOX_TAG_TRACER) {
        send_tracer_seen(d, msg->seq);
        return;
    }
    if (t->method != MBOX_METHOD_EVENTS
        || (msg->kind != MBOX_TAG_DO_NOT_BUFFER
            && msg->kind != MBOX_TAG_LAST)) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    if (msg->kind == MBOX_TAG_LAST) {
        recv_last(d, msg->seq);
        return;
    }

    struct mb_packet *packet = mb_packet_new(msg->data, msg->data_len);
    if (!packet) {
        mb_transfer_fail(t, ENOMEM, "packet %u of %zu bytes", msg->seq,
                         msg->data_len);
        return;
    }
    recv_dnb(d, msg->seq, packet);
}

/* True if a packet with 'key' belongs to a flow of the space. */
static bool
is_of_space(const struct mb_destination *d, const struct mbox_key *key)
{
    struct mbox_key canonical;

    if (mbox_space_contains(&d->t->space, key)) {
        return true;
    }
    if (!d->aliases.n) {
        return false;
    }
    mbox_key_canonical(key, &canonical);
    return (mb_table_find(&d->aliases, MBOX_STATE_PER_FLOW, &canonical)
            != MB_NO_ENTRY);
}

bool
mb_destination_filter(struct mb_destination *d, struct mb_packet *packet)
{
    struct mb_transfer *t = d->t;

    if (!d->buffering) {
        d->n_routed += (d->installed && t->method == MBOX_METHOD_EVENTS
                        && is_of_space(d, &packet->key));
        return false;
    }
    if (!is_of_space(d, &packet->key)) {
        return false;
    }
    if (d->returning && !d->buffer.n) {
        mb_transfer_return(t, packet, ++d->n_returned);
        return true;
    }

    if (!d->over_limit
        && d->buffer.bytes + packet->len > t->env->buffer_limit) {
        d->over_limit = true;
        mb_transfer_fail(t, ENOBUFS, "buffered packets reached the limit of "
                         "%zu bytes", t->env->buffer_limit);
    }
    if (mb_buffer_push(&d->buffer, packet)) {
        mb_transfer_fail(t, ENOBUFS, "buffering of a packet");
        mb_count(&t->env->discarded, 1);
        mb_packet_free(packet);
    }
    return true;
}

bool
mb_destination_run_replay(struct mb_destination *d, uint64_t deadline)
{
    struct mb_env *env = d->t->env;

    for (unsigned int n = 1; d->buffer.n; n++) {
        d->n_replayed++;
        mb_transfer_replay(d->t, mb_buffer_pop(&d->buffer));
        if (n >= REPLAY_MIN && env->ops->now(env->aux) >= deadline) {
            return false;
        }
    }
    env->ops->barrier(env->aux);
    d->buffering = false;
    return true;
}

bool
mb_destination_run_return(struct mb_destination *d, uint64_t deadline)
{
    struct mb_env *env = d->t->env;

    for (unsigned int n = 1; d->buffer.n; n++) {
        if (env->ops->control_backlog(env->aux) > MB_BACKLOG_MAX) {
            return false;
        }
        mb_transfer_return(d->t, mb_buffer_pop(&d->buffer), ++d->n_returned);
        if (n >= REPLAY_MIN && env->ops->now(env->aux) >= deadline) {
            return false;
        }
    }
    return true;
}
