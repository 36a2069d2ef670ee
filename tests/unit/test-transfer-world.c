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
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

const char *
world_fault_to_string(enum world_fault fault)
{
    static const char *const names[N_FAULTS] = {
        "none", "kill source", "kill destination", "disconnect source",
        "disconnect destination", "send to source fails",
        "send to destination fails", "port of source lost",
        "port of destination lost", "source hangs", "destination hangs",
        "error at source", "error at destination",
        "unexpected message of source", "unexpected message of destination",
        "cancel", "over limit", "tracers lost", "tracer copies lost",
        "wrong counts",
    };

    return names[fault];
}

/* Chance. */

uint32_t
world_random(struct world *w, uint32_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return n ? (w->random >> 20) % n : 0;
}

bool
world_chance(struct world *w, unsigned int per_thousand)
{
    return per_thousand && world_random(w, 1000) < per_thousand;
}

/* Links. */

struct item *
item_create(int kind)
{
    struct item *item = xzalloc(sizeof *item);

    item->kind = kind;
    return item;
}

void
item_destroy(struct item *item)
{
    if (item) {
        free(item->frame);
        free(item);
    }
}

void
link_put(struct world *w, enum world_link link, struct item *item,
         long long delay_us)
{
    long long at = MAX(w->now_us + delay_us, w->link_free_us[link]);

    item->at_us = w->link_free_us[link] = at;
    ovs_list_push_back(&w->links[link], &item->node);
}

long long
link_delay(struct world *w)
{
    return 1 + world_random(w, w->scenario.delay_us);
}

void
link_put_tick(struct world *w, enum world_link link, long long delay_us)
{
    link_put(w, link, item_create(ITEM_TICK), delay_us);
}

void
link_put_packet(struct world *w, enum world_link link,
                struct world_packet packet, int tag_kind, uint32_t seq)
{
    struct item *item = item_create(ITEM_PACKET);

    item->packet = packet;
    item->tag = (struct mbox_tag) { .kind = tag_kind, .id = w->request.id,
                                    .seq = seq };
    link_put(w, link, item, (link == LINK_PORT_S || link == LINK_PORT_D
                             ? w->scenario.service_us : link_delay(w)));
}

void
link_put_tracer(struct world *w, enum world_link link, int tag_kind,
                uint32_t seq)
{
    struct item *item = item_create(ITEM_TRACER);

    item->tag = (struct mbox_tag) { .kind = tag_kind, .id = w->request.id,
                                    .seq = seq };
    link_put(w, link, item, (link == LINK_PORT_S || link == LINK_PORT_D
                             ? w->scenario.service_us : link_delay(w)));
}

void
link_put_msg(struct world *w, enum world_link link, const struct mbox_msg *msg,
             const struct mbox_key *keys)
{
    struct item *item = item_create(ITEM_MSG);
    struct mbox_writer writer;

    mbox_writer_init(&writer, MBOX_WRITER_LIMIT);
    mbox_msg_encode(msg, keys, &writer);
    ovs_assert(!writer.error);
    item->frame = xmemdup(writer.data, writer.len);
    item->frame_len = writer.len;
    mbox_writer_uninit(&writer);
    link_put(w, link, item, link_delay(w));
}

void
world_excuse(struct world *w, struct world_packet packet)
{
    w->excused[packet.flow][packet.seq] = true;
}

/* Loses what is on 'link', for a reason that is not the coordinator's. */
void
link_lose(struct world *w, enum world_link link)
{
    struct item *item;

    LIST_FOR_EACH_POP (item, node, &w->links[link]) {
        if (item->kind == ITEM_PACKET) {
            world_excuse(w, item->packet);
        }
        item_destroy(item);
    }
}

/* Frames. */

#define WORLD_FRAME_LEN 60

void
frame_make(struct world_packet packet, uint8_t frame[WORLD_FRAME_LEN])
{
    memset(frame, 0xa5, WORLD_FRAME_LEN);
    memcpy(frame, &packet, sizeof packet);
}

struct world_packet
frame_parse(const void *frame, size_t len)
{
    struct world_packet packet;

    ovs_assert(len == WORLD_FRAME_LEN);
    memcpy(&packet, frame, sizeof packet);
    ovs_assert(packet.flow < WORLD_FLOWS && packet.seq < WORLD_PACKETS);
    return packet;
}

int
world_find_key(const struct world *w, const struct mbox_key *key)
{
    for (unsigned int i = 0; i < w->scenario.n_flows; i++) {
        if (mbox_key_equal(&w->keys[i], key)) {
            return i;
        }
    }
    ovs_abort(0, "unknown key");
}

/* Faults. */

static void
world_send_error(struct world *w, struct world_mb *mb)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_ERROR, w->request.id);
    msg.code = ENOMEM;
    ovs_strlcpy(msg.text, "out of memory", sizeof msg.text);
    mb_send_msg(w, mb, &msg, NULL);
}

static void
world_inject(struct world *w, enum world_fault fault)
{
    bool at_dst = (fault == FAULT_KILL_D
                   || fault == FAULT_DISCONNECT_D
                   || fault == FAULT_SEND_D
                   || fault == FAULT_PORT_D
                   || fault == FAULT_HANG_D
                   || fault == FAULT_ERROR_D
                   || fault == FAULT_UNEXPECTED_D);
    struct world_mb *mb = at_dst ? &w->dst : &w->src;

    if (w->trace) {
        printf("%lld us: %s\n", w->now_us, world_fault_to_string(fault));
    }
    switch (fault) {
    case FAULT_KILL_S:
    case FAULT_KILL_D:
        world_kill(w, mb);
        break;
    case FAULT_DISCONNECT_S:
    case FAULT_DISCONNECT_D:
        world_disconnect(w, mb);
        break;
    case FAULT_SEND_S:
    case FAULT_SEND_D:
        mb->refuses = true;
        break;
    case FAULT_PORT_S:
    case FAULT_PORT_D:
        mb->port_up = false;
        link_lose(w, mb == &w->src ? LINK_PORT_S : LINK_PORT_D);
        link_lose(w, mb_out(mb));
        mbox_transfer_port_lost(w->transfer, mb->role, "removed");
        break;
    case FAULT_HANG_S:
    case FAULT_HANG_D:
        mb->hung = true;
        link_lose(w, mb == &w->src ? LINK_PORT_S : LINK_PORT_D);
        mb_lose_buffers(w, mb);
        break;
    case FAULT_ERROR_S:
    case FAULT_ERROR_D:
        world_send_error(w, mb);
        break;
    case FAULT_UNEXPECTED_S:
    case FAULT_UNEXPECTED_D:
        mb_send_simple(w, mb, MBOX_MSG_STATS_REQUEST);
        break;
    case FAULT_CANCEL:
        mbox_transfer_cancel(w->transfer, "by operator");
        break;
    case FAULT_LIMIT:
        w->over_limit = true;
        break;
    case FAULT_TRACERS:
        w->lose_tracers = true;
        break;
    case FAULT_TRACER_COPIES:
        w->lose_tracer_copies = true;
        break;
    case FAULT_COUNTS:
        w->wrong_counts = true;
        break;
    case FAULT_NONE:
    case N_FAULTS:
        break;
    }
}

/* Running. */

static void
world_deliver_msg(struct world *w, enum world_link link,
                  const struct item *item)
{
    struct mbox_msg msg;
    int error = mbox_msg_decode(item->frame, item->frame_len, &msg);

    if (error) {
        ovs_abort(-error, "cannot decode on link %d", link);
    }
    if (w->trace) {
        static const char *const names[] = {
            "C->S", "C->D", "S->C", "D->C", "S->D"
        };
        printf("%lld us: %s %s\n", w->now_us, names[link],
               mbox_msg_type_to_string(msg.type));
    }
    switch ((int) link) {
    case LINK_C2S:
        if (w->src.alive && !w->src.hung) {
            src_recv_msg(w, &msg);
        }
        break;
    case LINK_C2D:
        if (w->dst.alive && !w->dst.hung) {
            dst_recv_msg(w, &msg);
        }
        break;
    case LINK_S2C:
        mbox_transfer_recv(w->transfer, MBOX_ROLE_SOURCE, &msg);
        break;
    case LINK_D2C:
        mbox_transfer_recv(w->transfer, MBOX_ROLE_DESTINATION, &msg);
        break;
    case LINK_STATE:
        if (w->dst.alive && !w->dst.hung && w->dst.open) {
            dst_recv_state(w, &msg);
        }
        break;
    default:
        OVS_NOT_REACHED();
    }
}

static void
world_deliver(struct world *w, enum world_link link, struct item *item)
{
    switch (link) {
    case LINK_C2S:
    case LINK_C2D:
    case LINK_S2C:
    case LINK_D2C:
    case LINK_STATE:
        if (item->kind == ITEM_MSG) {
            world_deliver_msg(w, link, item);
        } else if (link == LINK_STATE) {
            if (w->dst.alive && !w->dst.hung) {
                dst_recv_state_eof(w);
            }
        } else {
            mbox_transfer_agent_lost(w->transfer,
                                     (link == LINK_S2C ? MBOX_ROLE_SOURCE
                                      : MBOX_ROLE_DESTINATION),
                                     "connection closed by peer");
        }
        break;

    case LINK_PORT_S:
        if (item->kind == ITEM_TRACER) {
            src_recv_tracer(w, item->tag.seq);
        } else {
            src_recv_packet(w, item->packet);
        }
        break;

    case LINK_PORT_D:
        if (item->kind == ITEM_PACKET) {
            dst_recv_packet(w, item->packet, &item->tag);
        } else if (item->tag.kind == MBOX_TAG_LAST) {
            dst_recv_last(w, item->tag.seq);
        } else {
            mb_answer_tracer(w, &w->dst, item->tag.seq);
        }
        break;

    case LINK_OUT_S:
        switch_recv_out(w, &w->src, item);
        break;

    case LINK_OUT_D:
        switch_recv_out(w, &w->dst, item);
        break;

    case LINK_DUP: {
        uint8_t frame[WORLD_FRAME_LEN];

        frame_make(item->packet, frame);
        mbox_transfer_recv_dup(w->transfer, frame, sizeof frame);
        break;
    }

    case LINK_EXPORT:
        src_export_slice(w);
        break;

    case LINK_TRAFFIC:
        traffic_tick(w);
        break;

    case LINK_ARM:
        w->dp_armed = true;
        break;

    case N_LINKS:
        OVS_NOT_REACHED();
    }
}

/* Dispatches the next event.  Returns false if nothing will ever happen. */
static bool
world_step(struct world *w)
{
    long long wake_us = LLONG_MAX;
    struct item *next = NULL;
    int link = N_LINKS;

    if (w->transfer && !mbox_transfer_is_done(w->transfer)) {
        wake_us = mbox_transfer_wake_us(w->transfer);
        if (w->recorded_us > w->now_us) {
            wake_us = MIN(wake_us, w->recorded_us);
        }
    }
    for (int i = 0; i < N_LINKS; i++) {
        if (!ovs_list_is_empty(&w->links[i])) {
            struct item *item = CONTAINER_OF(ovs_list_front(&w->links[i]),
                                             struct item, node);
            if (!next || item->at_us < next->at_us) {
                next = item;
                link = i;
            }
        }
    }
    if (!next && wake_us == LLONG_MAX) {
        return false;
    }

    if (next && next->at_us <= wake_us) {
        w->now_us = MAX(w->now_us, next->at_us);
        ovs_list_remove(&next->node);
        world_deliver(w, link, next);
        item_destroy(next);
    } else {
        w->now_us = MAX(w->now_us, wake_us);
    }
    if (w->transfer) {
        if (w->n_events++ == w->fault_at && w->fault != FAULT_NONE) {
            w->fault_done = true;
            world_inject(w, w->fault);
        }
        if (w->n_events == w->scenario.second_fault_at
            && w->scenario.second_fault != FAULT_NONE) {
            w->second_fault_done = true;
            world_inject(w, w->scenario.second_fault);
        }
        mbox_transfer_run(w->transfer);
    }
    return true;
}

static void
world_init_mb(struct world_mb *mb, enum mbox_role role)
{
    mb->role = role;
    mb->alive = mb->connected = mb->port_up = true;
    ovs_list_init(&mb->buffer);
    ovs_list_init(&mb->early);
}

static void
world_init_key(struct mbox_key *key, unsigned int i)
{
    memset(key, 0, sizeof *key);
    key->family = 4;
    key->proto = IPPROTO_TCP;
    key->vlan = MBOX_VLAN_NONE;
    key->src[10] = key->src[11] = key->dst[10] = key->dst[11] = 0xff;
    key->src[12] = key->dst[12] = 10;
    key->src[15] = 1;
    key->dst[15] = 2;
    key->src_port = 1000 + i;
    key->dst_port = 80;
    mbox_key_canonical(key, key);
}

struct world *
world_run(const struct world_scenario *scenario, enum world_fault fault,
          unsigned long fault_at, bool trace)
{
    struct world *w = xzalloc(sizeof *w);

    w->scenario = *scenario;
    w->fault = fault;
    w->fault_at = fault_at;
    w->trace = trace;
    w->random = 0x9e3779b97f4a7c15ull ^ (scenario->seed * 0x2545f4914f6cdd1d);
    for (int i = 0; i < N_LINKS; i++) {
        ovs_list_init(&w->links[i]);
    }
    world_init_mb(&w->src, MBOX_ROLE_SOURCE);
    world_init_mb(&w->dst, MBOX_ROLE_DESTINATION);
    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        world_init_key(&w->keys[i], i);
        ovs_list_init(&w->flows[i].queue);
        w->assigned[i] = MBOX_ROLE_SOURCE;
    }

    link_put_tick(w, LINK_TRAFFIC, 1);
    while (w->n_emitted < scenario->n_before && world_step(w)) {
        continue;
    }

    w->request = (struct mbox_transfer_request) {
        .id = 7, .epoch = 1, .class_name = "ids", .src = "ids1",
        .dst = "ids2", .method = scenario->method,
        .guarantee = scenario->guarantee, .scopes = MBOX_SCOPE_PER_FLOW,
        .options = scenario->options, .last_packet = scenario->last_packet,
        .timeout_ms = 5000,
    };
    mbox_space_init_any(&w->request.space);
    w->transfer = mbox_transfer_create(&w->request, &world_ops, w);
    while (world_step(w)) {
        if (w->n_events > 200000) {
            snprintf(w->complaint, sizeof w->complaint, "does not end");
            break;
        }
    }
    mbox_transfer_get_report(w->transfer, &w->report);
    if (trace) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        mbox_transfer_report_format(&w->request, &w->report, &ds);
        fputs(ds_cstr(&ds), stdout);
        ds_destroy(&ds);
    }
    return w;
}

void
world_destroy(struct world *w)
{
    struct item *item;

    mbox_transfer_destroy(w->transfer);
    for (int i = 0; i < N_LINKS; i++) {
        LIST_FOR_EACH_POP (item, node, &w->links[i]) {
            item_destroy(item);
        }
    }
    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        LIST_FOR_EACH_POP (item, node, &w->flows[i].queue) {
            item_destroy(item);
        }
    }
    LIST_FOR_EACH_POP (item, node, &w->src.buffer) {
        item_destroy(item);
    }
    LIST_FOR_EACH_POP (item, node, &w->dst.buffer) {
        item_destroy(item);
    }
    LIST_FOR_EACH_POP (item, node, &w->dst.early) {
        item_destroy(item);
    }
    free(w);
}
