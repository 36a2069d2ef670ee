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

/* Switch. */

static void
switch_to_port(struct world *w, bool to_source, struct world_packet p)
{
    struct world_mb *mb = to_source ? &w->src : &w->dst;

    if (mb->port_up && mb->alive && !mb->hung) {
        link_put_packet(w, to_source ? LINK_PORT_S : LINK_PORT_D, p, 0, 0);
    } else {
        world_excuse(w, p);
    }
}

static void
switch_enqueue(struct world *w, struct world_packet p)
{
    struct item *item = item_create(ITEM_PACKET);

    item->packet = p;
    ovs_list_push_back(&w->flows[p.flow].queue, &item->node);
    w->stats.n_held++;
    w->stats.cur_held++;
}

/* Sends 'p' where the next packet of its flow goes. */
static void
switch_forward(struct world *w, struct world_packet p, bool count)
{
    int state = w->flows[p.flow].state;

    if (!w->dp_open) {
        switch_to_port(w, w->assigned[p.flow] == MBOX_ROLE_SOURCE, p);
        return;
    }
    w->stats.n_packets += count;
    if (state == FLOW_HELD || state == FLOW_DRAINING) {
        switch_enqueue(w, p);
    } else if (state == FLOW_RELEASED) {
        switch_to_port(w, w->flows[p.flow].to_source, p);
    } else {
        switch (w->mode) {
        case MBOX_TRANSFER_PASS:
            switch_to_port(w, true, p);
            break;
        case MBOX_TRANSFER_DUP:
            switch_to_port(w, true, p);
            w->stats.n_dup++;
            link_put_packet(w, LINK_DUP, p, MBOX_TAG_DUPLICATE, 0);
            break;
        case MBOX_TRANSFER_HOLD:
            switch_enqueue(w, p);
            break;
        case MBOX_TRANSFER_DROP:
            w->stats.n_dropped++;
            world_excuse(w, p);
            break;
        case MBOX_TRANSFER_TARGET:
            switch_to_port(w, w->mode_to_source, p);
            break;
        default:
            OVS_NOT_REACHED();
        }
    }
}

void
traffic_tick(struct world *w)
{
    if (w->n_emitted < w->scenario.n_packets && w->scenario.n_flows) {
        /* Later flows begin later. */
        unsigned int n = 1 + (w->n_emitted * 2 * w->scenario.n_flows
                              / w->scenario.n_packets);
        struct world_packet p;

        p.flow = world_random(w, MIN(n, w->scenario.n_flows));
        p.seq = w->n_sent[p.flow]++;
        w->n_emitted++;
        switch_forward(w, p, true);
        link_put_tick(w, LINK_TRAFFIC,
                      world_random(w, 2 * w->scenario.interval_us));
    }
}

/* A packet arrives from a middlebox's port. */
void
switch_recv_out(struct world *w, struct world_mb *mb, struct item *item)
{
    struct world_packet p = item->packet;

    if (item->tag.kind) {
        uint8_t frame[WORLD_FRAME_LEN];

        frame_make(p, frame);
        mbox_transfer_recv_tagged(w->transfer, mb->role, &item->tag, frame,
                                  sizeof frame);
    } else {
        if (p.seq + 1 < w->last_left[p.flow]) {
            w->n_reordered_out++;
        }
        w->last_left[p.flow] = MAX(w->last_left[p.flow], p.seq + 1);
        w->left[p.flow][p.seq] = true;
    }
}

/* Operations. */

static long long
ops_now_us(void *w_)
{
    struct world *w = w_;

    return w->now_us;
}

static int
ops_send(void *w_, enum mbox_role role, const struct mbox_msg *msg,
         const struct mbox_key *keys)
{
    struct world *w = w_;
    struct world_mb *mb = world_mb(w, role);

    if (mb->refuses) {
        world_disconnect(w, mb);
        return -ENOTCONN;
    }
    if (mb->connected) {
        link_put_msg(w, role == MBOX_ROLE_SOURCE ? LINK_C2S : LINK_C2D, msg,
                     keys);
    }
    return 0;
}

static size_t
ops_backlog(void *w OVS_UNUSED, enum mbox_role role OVS_UNUSED)
{
    return 0;
}

static void
ops_disconnect(void *w_, enum mbox_role role, const char *why OVS_UNUSED)
{
    struct world *w = w_;

    world_disconnect(w, world_mb(w, role));
}

static int
ops_dp_open(void *w_)
{
    struct world *w = w_;

    if (w->scenario.dp_open_fails) {
        return -EEXIST;
    }
    ovs_assert(!w->dp_open);
    w->dp_open = true;
    w->mode = MBOX_TRANSFER_PASS;
    link_put_tick(w, LINK_ARM, w->scenario.arm_us);
    return 0;
}

static bool
ops_dp_is_armed(void *w_)
{
    struct world *w = w_;

    return w->dp_armed;
}

static void
ops_dp_set_mode(void *w_, enum mbox_transfer_mode mode)
{
    struct world *w = w_;

    ovs_assert(w->dp_open);
    ovs_assert(w->dp_armed || mode == MBOX_TRANSFER_PASS);
    w->mode = mode;
    w->mode_to_source = false;
    if (mode == MBOX_TRANSFER_HOLD) {
        for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
            w->flows[i].state = (ovs_list_is_empty(&w->flows[i].queue)
                                 ? FLOW_NONE : FLOW_HELD);
        }
    }
}

static bool
ops_dp_has_key(void *w_, const struct mbox_key *key)
{
    struct world *w = w_;

    return world_find_key(w, key) >= 0;
}

static void
ops_dp_release(void *w_, enum mbox_select select, const struct mbox_key *keys,
               size_t n, bool to_source)
{
    struct world *w = w_;
    bool selected[WORLD_FLOWS];

    ovs_assert(w->dp_open && w->mode != MBOX_TRANSFER_PASS);
    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        selected[i] = select == MBOX_SELECT_ALL_EXCEPT;
    }
    for (size_t j = 0; j < n; j++) {
        selected[world_find_key(w, &keys[j])] = select == MBOX_SELECT_KEYS;
    }
    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        int *state = (int *) &w->flows[i].state;
        bool held = !ovs_list_is_empty(&w->flows[i].queue);

        if (*state == FLOW_DRAINING || *state == FLOW_RELEASED) {
            continue;
        }
        if (!selected[i]) {
            if (select == MBOX_SELECT_ALL_EXCEPT) {
                *state = FLOW_HELD;
            }
        } else if (held) {
            *state = FLOW_DRAINING;
            w->flows[i].to_source = to_source;
        } else if (select == MBOX_SELECT_KEYS || *state == FLOW_HELD
                   || w->mode == MBOX_TRANSFER_TARGET) {
            if (*state == FLOW_HELD || select == MBOX_SELECT_KEYS) {
                *state = FLOW_RELEASED;
                w->flows[i].to_source = to_source;
            }
        }
    }
    if (select == MBOX_SELECT_ALL_EXCEPT && w->mode != MBOX_TRANSFER_TARGET) {
        w->mode = MBOX_TRANSFER_TARGET;
        w->mode_to_source = to_source;
    }
}

static void
ops_dp_hold_packet(void *w_, const void *frame, size_t len)
{
    struct world *w = w_;

    ovs_assert(w->dp_open);
    switch_forward(w, frame_parse(frame, len), false);
}

static size_t
ops_dp_drain(void *w_, size_t max)
{
    struct world *w = w_;
    size_t n = 0;

    ovs_assert(w->dp_open && max > 0);
    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        if (w->flows[i].state != FLOW_DRAINING) {
            continue;
        }
        while (n < max && !ovs_list_is_empty(&w->flows[i].queue)) {
            struct item *item = CONTAINER_OF(
                ovs_list_pop_front(&w->flows[i].queue), struct item, node);

            switch_to_port(w, w->flows[i].to_source, item->packet);
            item_destroy(item);
            w->stats.n_drained++;
            w->stats.cur_held--;
            n++;
        }
        if (ovs_list_is_empty(&w->flows[i].queue)) {
            w->flows[i].state = FLOW_RELEASED;
        }
    }
    return n;
}

static bool
ops_dp_is_drained(void *w_)
{
    struct world *w = w_;

    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        if (w->flows[i].state == FLOW_DRAINING
            || !ovs_list_is_empty(&w->flows[i].queue)) {
            return false;
        }
    }
    return true;
}

static bool
ops_dp_is_over_limit(void *w_)
{
    struct world *w = w_;

    return w->over_limit;
}

static void
ops_dp_get_stats(void *w_, struct mbox_transfer_dp_stats *stats)
{
    struct world *w = w_;

    *stats = w->stats;
}

static void
ops_dp_close(void *w_)
{
    struct world *w = w_;
    struct item *item;

    ovs_assert(w->dp_open);
    w->dp_open = false;
    for (unsigned int i = 0; i < WORLD_FLOWS; i++) {
        LIST_FOR_EACH_POP (item, node, &w->flows[i].queue) {
            item_destroy(item);
            w->n_dropped++;
        }
        w->flows[i].state = FLOW_NONE;
    }
}

static int
ops_port_send(void *w_, enum mbox_role role, const void *frame, size_t len,
              const struct mbox_tag *tag)
{
    struct world *w = w_;
    struct world_mb *mb = world_mb(w, role);
    struct world_packet p = frame_parse(frame, len);

    if (!mb->port_up) {
        world_excuse(w, p);
        return -ENODEV;
    }
    if (!mb->alive || mb->hung) {
        world_excuse(w, p);
    } else if (!tag || !world_chance(w, w->scenario.port_loss)) {
        link_put_packet(w, (role == MBOX_ROLE_SOURCE
                            ? LINK_PORT_S : LINK_PORT_D),
                        p, tag ? tag->kind : 0, tag ? tag->seq : 0);
    }
    return 0;
}

static int
ops_port_send_tracer(void *w_, enum mbox_role role, enum mbox_tag_kind kind,
                     uint32_t seq)
{
    struct world *w = w_;
    struct world_mb *mb = world_mb(w, role);

    if (!mb->port_up) {
        return -ENODEV;
    }
    if (mb->alive && !mb->hung
        && !(role == MBOX_ROLE_SOURCE && w->lose_tracers)
        && !world_chance(w, w->scenario.port_loss)) {
        link_put_tracer(w, (role == MBOX_ROLE_SOURCE
                            ? LINK_PORT_S : LINK_PORT_D), kind, seq);
    }
    return 0;
}

static int
ops_assign(void *w_, enum mbox_select select, struct mbox_key *keys, size_t n)
{
    struct world *w = w_;
    bool chosen[WORLD_FLOWS] = { false };

    ovs_assert(w->dp_open);
    for (size_t i = 0; i < n; i++) {
        chosen[world_find_key(w, &keys[i])] = true;
    }
    for (unsigned int i = 0; i < w->scenario.n_flows; i++) {
        if (chosen[i] == (select == MBOX_SELECT_KEYS)) {
            w->assigned[i] = MBOX_ROLE_DESTINATION;
        }
    }
    return 0;
}

static void
ops_assign_back(void *w_)
{
    struct world *w = w_;

    for (unsigned int i = 0; i < w->scenario.n_flows; i++) {
        w->assigned[i] = MBOX_ROLE_SOURCE;
    }
}

static void
ops_record(void *w_, enum mbox_transfer_result result)
{
    struct world *w = w_;

    w->recorded = result;
    w->recorded_us = w->now_us + world_random(w, 5000);
}

static bool
ops_is_recorded(void *w_)
{
    struct world *w = w_;

    return w->now_us >= w->recorded_us;
}

const struct mbox_transfer_ops world_ops = {
    .now_us = ops_now_us,
    .send = ops_send,
    .backlog = ops_backlog,
    .disconnect = ops_disconnect,
    .dp_open = ops_dp_open,
    .dp_is_armed = ops_dp_is_armed,
    .dp_set_mode = ops_dp_set_mode,
    .dp_has_key = ops_dp_has_key,
    .dp_release = ops_dp_release,
    .dp_hold_packet = ops_dp_hold_packet,
    .dp_drain = ops_dp_drain,
    .dp_is_drained = ops_dp_is_drained,
    .dp_is_over_limit = ops_dp_is_over_limit,
    .dp_get_stats = ops_dp_get_stats,
    .dp_close = ops_dp_close,
    .port_send = ops_port_send,
    .port_send_tracer = ops_port_send_tracer,
    .assign = ops_assign,
    .assign_back = ops_assign_back,
    .record = ops_record,
    .is_recorded = ops_is_recorded,
};
