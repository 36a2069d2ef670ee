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
#include "test-transfer-world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

/* Packets. */

struct world_mb *
world_mb(struct world *w, enum mbox_role role)
{
    return role == MBOX_ROLE_SOURCE ? &w->src : &w->dst;
}

enum world_link
mb_out(const struct world_mb *mb)
{
    return mb->role == MBOX_ROLE_SOURCE ? LINK_OUT_S : LINK_OUT_D;
}

static void
mb_process(struct world *w, struct world_mb *mb, struct world_packet p)
{
    uint32_t *last = &w->last_processed[p.flow];

    if (!mb->state[p.flow].present) {
        mb->state[p.flow].present = true;
        mb->state[p.flow].next = 0;
    }
    if (mb->state[p.flow].next != p.seq) {
        if (w->trace) {
            printf("  mismatch: flow %u seq %u state %u at %s\n",
                   p.flow, p.seq, mb->state[p.flow].next,
                   mb == &w->src ? "S" : "D");
        }
        w->n_mismatched++;
    }
    mb->state[p.flow].next = p.seq + 1;

    if (w->processed[p.flow][p.seq]++) {
        w->n_repeated++;
    } else if (p.seq + 1 < *last) {
        w->n_reordered++;
    }
    *last = MAX(*last, p.seq + 1);
    if (mb->port_up) {
        link_put_packet(w, mb_out(mb), p, 0, 0);
    }
}

void
mb_send_msg(struct world *w, struct world_mb *mb, const struct mbox_msg *msg,
            const struct mbox_key *keys)
{
    if (mb->connected) {
        link_put_msg(w, mb == &w->src ? LINK_S2C : LINK_D2C, msg, keys);
    }
}

void
mb_send_simple(struct world *w, struct world_mb *mb, enum mbox_msg_type type)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, w->request.id);
    mb_send_msg(w, mb, &msg, NULL);
}

static bool
mb_is_via_channel(const struct world_mb *mb)
{
    return (mb->prepare.options & MBOX_OPT_VIA_CHANNEL) != 0;
}

/* Gives 'p' back to the coordinator. */
static void
mb_return(struct world *w, struct world_mb *mb, struct world_packet p)
{
    uint32_t seq = ++mb->n_returned;

    if (mb_is_via_channel(mb)) {
        uint8_t frame[WORLD_FRAME_LEN];
        struct mbox_msg msg;

        frame_make(p, frame);
        mbox_msg_init(&msg, MBOX_MSG_PACKET, w->request.id);
        msg.kind = MBOX_TAG_RETURNED;
        msg.seq = seq;
        msg.data = frame;
        msg.data_len = sizeof frame;
        mb_send_msg(w, mb, &msg, NULL);
    } else if (!mb->port_up) {
        world_excuse(w, p);
    } else if (world_chance(w, w->scenario.port_loss)) {
        world_excuse(w, p);
        w->n_lost_tagged++;
    } else {
        link_put_packet(w, mb_out(mb), p, MBOX_TAG_RETURNED, seq);
    }
}

void
mb_answer_tracer(struct world *w, struct world_mb *mb, uint32_t seq)
{
    struct mbox_msg msg;

    if (seq & 0x80000000 && w->scenario.agents_ignore_pacing) {
        return;
    }
    mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, w->request.id);
    msg.seq = seq;
    msg.n_packets = mb == &w->src ? mb->n_returned : mb->flushed;
    mb_send_msg(w, mb, &msg, NULL);
}

/* Source. */

static void
src_send_stream(struct world *w)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_STREAM, w->request.id);
    ovs_strlcpy(msg.class_name, "ids", sizeof msg.class_name);
    link_put_msg(w, LINK_STATE, &msg, NULL);
}

static void
src_freeze(struct world *w)
{
    struct world_mb *mb = &w->src;
    struct mbox_key dirty[WORLD_FLOWS];
    struct mbox_msg msg;

    mb->frozen = true;
    if (mb->exporting == EXPORT_IDLE) {
        src_send_stream(w);
    }
    mbox_msg_init(&msg, MBOX_MSG_FROZEN, w->request.id);
    if (mb->exporting == EXPORT_IDLE) {
        msg.select = MBOX_SELECT_KEYS;
    } else {
        msg.select = MBOX_SELECT_ALL_EXCEPT;
        for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
            if (mb->state[i].present
                && !(mb->sent[i] && mb->sent_next[i] == mb->state[i].next)) {
                dirty[msg.n_keys++] = w->keys[i];
            }
        }
    }
    link_put_msg(w, LINK_STATE, &msg, dirty);

    bool idle = mb->exporting == EXPORT_IDLE;
    mb->exporting = EXPORT_FINAL;
    mb->export_flow = 0;
    if (idle || ovs_list_is_empty(&w->links[LINK_EXPORT])) {
        link_put_tick(w, LINK_EXPORT, 1);
    }
}

static void
src_start_export(struct world *w)
{
    struct world_mb *mb = &w->src;

    src_send_stream(w);
    mb->exporting = (mb->prepare.method == MBOX_METHOD_HOLD
                     ? EXPORT_ROUND : EXPORT_FINAL);
    mb->export_flow = 0;
    mb->round = 1;
    link_put_tick(w, LINK_EXPORT, 1);
}

static unsigned int
src_count_dirty(const struct world *w)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        n += (w->src.state[i].present
              && (!w->src.sent[i]
                  || w->src.sent_next[i] != w->src.state[i].next));
    }
    return n;
}

/* Sends the next chunk, or what ends a round or the stream. */
void
src_export_slice(struct world *w)
{
    struct world_mb *mb = &w->src;
    struct mbox_msg msg;

    if (!mb->alive || mb->hung || !mb->open
        || mb->exporting == EXPORT_IDLE) {
        return;
    }
    for (; mb->export_flow < WORLD_FLOWS; mb->export_flow++) {
        unsigned int i = mb->export_flow;
        if (mb->state[i].present
            && !(mb->sent[i] && mb->sent_next[i] == mb->state[i].next)) {
            mb->sent[i] = true;
            mb->sent_next[i] = mb->state[i].next;
            mb->n_chunks++;
            mbox_msg_init(&msg, MBOX_MSG_CHUNK, w->request.id);
            msg.scope = MBOX_SCOPE_PER_FLOW;
            msg.n_keys = 1;
            msg.data = &mb->state[i].next;
            msg.data_len = sizeof mb->state[i].next;
            msg.crc = mbox_msg_crc(msg.data, msg.data_len);
            link_put_msg(w, LINK_STATE, &msg, &w->keys[i]);
            mb->export_flow++;
            link_put_tick(w, LINK_EXPORT, 2);
            return;
        }
    }

    if (mb->exporting == EXPORT_FINAL) {
        mb->exporting = EXPORT_IDLE;
        mbox_msg_init(&msg, MBOX_MSG_END, w->request.id);
        msg.n_chunks = mb->n_chunks;
        msg.n_bytes = mb->n_chunks * sizeof(uint32_t);
        link_put_msg(w, LINK_STATE, &msg, NULL);
    } else {
        mbox_msg_init(&msg, MBOX_MSG_PRECOPY, w->request.id);
        msg.round = mb->round++;
        msg.n_chunks = mb->n_chunks;
        msg.n_bytes = mb->n_chunks * sizeof(uint32_t);
        msg.n_dirty = src_count_dirty(w);
        mb_send_msg(w, mb, &msg, NULL);
        mb->export_flow = 0;
        link_put_tick(w, LINK_EXPORT, 100);
    }
}

static void
src_thaw(struct world *w)
{
    w->src.open = false;
    w->src.frozen = false;
    w->src.returning = false;
    w->src.exporting = EXPORT_IDLE;
}

void
src_recv_packet(struct world *w, struct world_packet p)
{
    struct world_mb *mb = &w->src;

    if (mb->returning && mb->prepare.guarantee == MBOX_GUARANTEE_NONE) {
        mb->n_discarded++;
        world_excuse(w, p);
    } else if (mb->frozen || mb->returning) {
        mb_return(w, mb, p);
    } else {
        mb_process(w, mb, p);
    }
}

void
src_recv_tracer(struct world *w, uint32_t seq)
{
    struct world_mb *mb = &w->src;

    if (mb->open && mb->prepare.method == MBOX_METHOD_HOLD && !mb->frozen) {
        src_freeze(w);
    }
    if (mb->port_up && !w->lose_tracer_copies
        && !world_chance(w, w->scenario.port_loss)) {
        link_put_tracer(w, LINK_OUT_S, MBOX_TAG_TRACER, seq);
    }
    mb_answer_tracer(w, mb, seq);
}

void
src_recv_msg(struct world *w, const struct mbox_msg *msg)
{
    struct world_mb *mb = &w->src;
    struct mbox_msg reply;

    mbox_msg_init(&reply, MBOX_MSG_PREPARED, w->request.id);
    switch ((int) msg->type) {
    case MBOX_MSG_PREPARE:
        mb->open = true;
        mb->prepare = *msg;
        for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
            reply.n_flows += mb->state[i].present;
        }
        mb_send_msg(w, mb, &reply, NULL);
        break;

    case MBOX_MSG_EXPORT:
        src_start_export(w);
        break;

    case MBOX_MSG_RETURN:
        mb->returning = true;
        mb_send_simple(w, mb, MBOX_MSG_RETURNING);
        break;

    case MBOX_MSG_COMMIT:
        reply.type = MBOX_MSG_COMMITTED;
        reply.n_discarded = mb->n_discarded;
        if (mb->prepare.method != MBOX_METHOD_COPY) {
            bool selected[WORLD_FLOWS];
            for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
                selected[i] = msg->select == MBOX_SELECT_ALL_EXCEPT;
            }
            for (unsigned int i = 0; i < msg->n_keys; i++) {
                struct mbox_key key;
                mbox_msg_get_key(msg, i, &key);
                selected[world_find_key(w, &key)]
                    = msg->select == MBOX_SELECT_KEYS;
            }
            for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
                if (selected[i]) {
                    reply.n_flows += mb->state[i].present;
                    mb->state[i].present = false;
                }
            }
        }
        src_thaw(w);
        mb_send_msg(w, mb, &reply, NULL);
        break;

    case MBOX_MSG_ABORT:
        reply.type = MBOX_MSG_ABORTED;
        reply.n_packets = mb->n_returned;
        src_thaw(w);
        mb_send_msg(w, mb, &reply, NULL);
        break;

    default:
        ovs_abort(0, "source got '%s'", mbox_msg_type_to_string(msg->type));
    }
}

/* Destination. */

static void dst_flush_own_buffer(struct world *);

static void
dst_process_flushed(struct world *w, struct world_packet p, uint32_t seq)
{
    struct world_mb *mb = &w->dst;
    struct item *item, *next;
    bool found;

    if (seq != mb->flushed + 1) {
        if (seq > mb->flushed + 1) {
            item = item_create(ITEM_PACKET);
            item->packet = p;
            item->tag.seq = seq;
            ovs_list_push_back(&mb->early, &item->node);
        }
        return;
    }
    mb_process(w, mb, p);
    mb->flushed++;
    do {
        found = false;
        LIST_FOR_EACH_SAFE (item, next, node, &mb->early) {
            if (item->tag.seq <= mb->flushed + 1) {
                if (item->tag.seq == mb->flushed + 1) {
                    mb_process(w, mb, item->packet);
                    mb->flushed++;
                    found = true;
                }
                ovs_list_remove(&item->node);
                item_destroy(item);
            }
        }
    } while (found);
}

void
dst_recv_last(struct world *w, uint32_t seq)
{
    struct world_mb *mb = &w->dst;
    struct mbox_msg msg;

    if (mb->flushed < seq) {
        mb_answer_tracer(w, mb, seq);
        return;
    }
    mbox_msg_init(&msg, MBOX_MSG_FLUSHED, w->request.id);
    msg.n_packets = mb->flushed;
    msg.n_buffered = ovs_list_size(&mb->buffer);
    dst_flush_own_buffer(w);
    mb_send_msg(w, mb, &msg, NULL);
}

static void
dst_flush_own_buffer(struct world *w)
{
    struct item *item;

    LIST_FOR_EACH_POP (item, node, &w->dst.buffer) {
        mb_process(w, &w->dst, item->packet);
        item_destroy(item);
    }
    w->dst.buffering = false;
}

void
dst_recv_packet(struct world *w, struct world_packet p,
                const struct mbox_tag *tag)
{
    struct world_mb *mb = &w->dst;

    if (tag->kind == MBOX_TAG_DO_NOT_BUFFER) {
        dst_process_flushed(w, p, tag->seq);
    } else if (mb->buffering) {
        struct item *item = item_create(ITEM_PACKET);
        item->packet = p;
        ovs_list_push_back(&mb->buffer, &item->node);
    } else {
        mb_process(w, mb, p);
    }
}

static void
dst_release(struct world *w, enum mbox_select select,
            const struct mbox_key *keys, size_t n)
{
    struct mbox_msg msg;

    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        if (select == MBOX_SELECT_ALL_EXCEPT) {
            bool excepted = false;
            for (size_t j = 0; j < n; j++) {
                excepted |= world_find_key(w, &keys[j]) == i;
            }
            w->dst.released[i] |= !excepted;
        }
    }
    if (select == MBOX_SELECT_KEYS) {
        for (size_t j = 0; j < n; j++) {
            w->dst.released[world_find_key(w, &keys[j])] = true;
        }
    }
    mbox_msg_init(&msg, MBOX_MSG_RELEASE, w->request.id);
    msg.select = select;
    msg.n_keys = n;
    mb_send_msg(w, &w->dst, &msg, keys);
}

void
dst_recv_state(struct world *w, const struct mbox_msg *msg)
{
    struct world_mb *mb = &w->dst;
    bool hold = mb->prepare.method == MBOX_METHOD_HOLD;
    bool early = hold && mb->prepare.options & MBOX_OPT_EARLY_RELEASE;
    struct mbox_key keys[WORLD_FLOWS];
    struct mbox_msg reply;

    ovs_assert(msg->n_keys <= WORLD_FLOWS);
    for (unsigned int i = 0; i < msg->n_keys; i++) {
        mbox_msg_get_key(msg, i, &keys[i]);
    }
    switch ((int) msg->type) {
    case MBOX_MSG_STREAM:
        break;

    case MBOX_MSG_CHUNK: {
        int flow = world_find_key(w, &keys[0]);
        mb->state[flow].present = true;
        memcpy(&mb->state[flow].next, msg->data, sizeof(uint32_t));
        mb->put[flow] = true;
        mb->n_put++;
        if (early && mb->stream_final) {
            dst_release(w, MBOX_SELECT_KEYS, keys, 1);
        }
        break;
    }

    case MBOX_MSG_FROZEN:
        mb->stream_final = true;
        if (early && msg->select == MBOX_SELECT_ALL_EXCEPT) {
            dst_release(w, msg->select, keys, msg->n_keys);
        }
        break;

    case MBOX_MSG_END:
        mb->ended = true;
        if (hold) {
            dst_release(w, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
        }
        mbox_msg_init(&reply, MBOX_MSG_INSTALLED, w->request.id);
        for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
            reply.n_flows += mb->put[i];
        }
        reply.n_chunks = w->wrong_counts ? 0 : mb->n_put;
        reply.n_bytes = msg->n_bytes;
        mb_send_msg(w, mb, &reply, NULL);
        break;

    default:
        ovs_abort(0, "state channel has '%s'",
                  mbox_msg_type_to_string(msg->type));
    }
}

void
dst_recv_state_eof(struct world *w)
{
    struct world_mb *mb = &w->dst;

    if (mb->open && !mb->ended) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_ERROR, w->request.id);
        msg.code = ECONNRESET;
        ovs_strlcpy(msg.text, "state channel ended", sizeof msg.text);
        mb_send_msg(w, mb, &msg, NULL);
    }
}

/* Deletes what was put but is not 'keep'. */
static void
dst_delete(struct world *w, const bool keep[WORLD_FLOWS])
{
    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        if (!keep[i]) {
            w->dst.state[i].present = false;
        }
    }
}

void
dst_recv_msg(struct world *w, const struct mbox_msg *msg)
{
    struct world_mb *mb = &w->dst;
    bool keep[WORLD_FLOWS] = { false };
    struct mbox_msg reply;
    struct item *item;

    mbox_msg_init(&reply, MBOX_MSG_PREPARED, w->request.id);
    switch ((int) msg->type) {
    case MBOX_MSG_PREPARE:
        mb->open = true;
        mb->prepare = *msg;
        mb_send_msg(w, mb, &reply, NULL);
        break;

    case MBOX_MSG_BUFFER:
        mb->buffering = true;
        mb_send_simple(w, mb, MBOX_MSG_BUFFERING);
        break;

    case MBOX_MSG_PACKET:
        if (msg->kind == MBOX_TAG_LAST) {
            dst_recv_last(w, msg->seq);
        } else if (msg->kind == MBOX_TAG_TRACER) {
            mb_answer_tracer(w, mb, msg->seq);
        } else {
            dst_process_flushed(w, frame_parse(msg->data, msg->data_len),
                                msg->seq);
        }
        break;

    case MBOX_MSG_COMMIT:
        for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
            keep[i] = msg->select == MBOX_SELECT_ALL_EXCEPT;
        }
        for (unsigned int i = 0; i < msg->n_keys; i++) {
            struct mbox_key key;
            mbox_msg_get_key(msg, i, &key);
            keep[world_find_key(w, &key)] = msg->select == MBOX_SELECT_KEYS;
        }
        dst_delete(w, keep);
        dst_flush_own_buffer(w);
        mb->open = false;
        reply.type = MBOX_MSG_COMMITTED;
        mb_send_msg(w, mb, &reply, NULL);
        break;

    case MBOX_MSG_ABORT:
        dst_delete(w, keep);
        LIST_FOR_EACH_POP (item, node, &mb->buffer) {
            mb_return(w, mb, item->packet);
            item_destroy(item);
        }
        mb->buffering = false;
        mb->open = false;
        reply.type = MBOX_MSG_ABORTED;
        reply.n_packets = mb->n_returned;
        mb_send_msg(w, mb, &reply, NULL);
        break;

    default:
        ovs_abort(0, "destination got '%s'",
                  mbox_msg_type_to_string(msg->type));
    }
}

/* Ends. */

void
world_disconnect(struct world *w, struct world_mb *mb)
{
    if (!mb->connected) {
        return;
    }
    mb->connected = false;
    link_put(w, mb == &w->src ? LINK_S2C : LINK_D2C, item_create(ITEM_EOF),
             link_delay(w));
    link_lose(w, mb == &w->src ? LINK_C2S : LINK_C2D);
    if (mb == &w->src) {
        src_thaw(w);
        link_put(w, LINK_STATE, item_create(ITEM_EOF), link_delay(w));
    } else {
        struct item *item;

        dst_delete(w, mb->released);
        LIST_FOR_EACH_POP (item, node, &mb->buffer) {
            world_excuse(w, item->packet);
            item_destroy(item);
        }
        LIST_FOR_EACH_POP (item, node, &mb->early) {
            item_destroy(item);
        }
        mb->open = mb->buffering = false;
        link_lose(w, LINK_STATE);
    }
}

void
mb_lose_buffers(struct world *w, struct world_mb *mb)
{
    struct item *item;

    if (mb == &w->dst) {
        LIST_FOR_EACH_POP (item, node, &mb->buffer) {
            world_excuse(w, item->packet);
            item_destroy(item);
        }
        LIST_FOR_EACH_POP (item, node, &mb->early) {
            item_destroy(item);
        }
    }
}

void
world_kill(struct world *w, struct world_mb *mb)
{
    bool src = mb == &w->src;

    mb->alive = false;
    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        mb->state[i].present = false;
    }
    link_lose(w, src ? LINK_PORT_S : LINK_PORT_D);
    mb_lose_buffers(w, mb);
    world_disconnect(w, mb);
}
