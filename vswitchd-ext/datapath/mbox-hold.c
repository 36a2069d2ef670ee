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

#include "mbox-hold.h"

#include "ovs-atomic.h"
#include "util.h"

struct mbox_hold_flow {
    struct hmap_node node;      /* In struct mbox_hold's 'flows'. */
    struct ovs_list list_node;  /* In 'held', 'kept' or 'draining'; unused if
                                 * RELEASED. */
    struct ovs_list queue;      /* "struct held_packet"s, oldest first. */
    struct mbox_key key;
    enum mbox_hold_state state; /* Never NONE. */
    bool to_source;             /* Target, if DRAINING or RELEASED. */
    bool counted;               /* In 'n_flows_held'. */
    unsigned int pass;          /* When mbox_hold_pop() last came by. */
};

struct held_packet {
    struct ovs_list node;       /* In its flow's 'queue'. */
    struct dp_packet *packet;
    uint64_t since_ns;
    size_t bytes;               /* Accounted. */
};

/* What malloc() adds to each of the three blocks of a held packet. */
#define MALLOC_OVERHEAD 16

static atomic_size_t limit_bytes = ATOMIC_VAR_INIT(MBOX_HOLD_DEFAULT_BYTES);
static atomic_size_t limit_packets
    = ATOMIC_VAR_INIT(MBOX_HOLD_DEFAULT_PACKETS);
static atomic_size_t all_bytes = ATOMIC_VAR_INIT(0);
static atomic_size_t all_packets = ATOMIC_VAR_INIT(0);

void
mbox_hold_set_limits(size_t bytes, size_t packets)
{
    atomic_store_relaxed(&limit_bytes, bytes);
    atomic_store_relaxed(&limit_packets, packets);
}

static size_t
read_size(atomic_size_t *value_)
{
    size_t value;

    atomic_read_relaxed(value_, &value);
    return value;
}

size_t
mbox_hold_get_bytes(void)
{
    return read_size(&all_bytes);
}

size_t
mbox_hold_get_packets(void)
{
    return read_size(&all_packets);
}

bool
mbox_hold_is_high(void)
{
    size_t bytes = read_size(&limit_bytes);
    size_t packets = read_size(&limit_packets);

    return (read_size(&all_bytes) >= bytes - bytes / 4
            || read_size(&all_packets) >= packets - packets / 4);
}

static void
unreserve(size_t bytes)
{
    size_t orig;

    atomic_sub_relaxed(&all_bytes, bytes, &orig);
    atomic_sub_relaxed(&all_packets, 1, &orig);
}

/* Accounts one packet.  Classes have mutexes of their own, so this adds first
 * and looks then: the limit is never exceeded by a packet that is kept. */
static bool
reserve(size_t bytes)
{
    size_t old_bytes, old_packets;

    atomic_add_relaxed(&all_bytes, bytes, &old_bytes);
    atomic_add_relaxed(&all_packets, 1, &old_packets);
    if (old_bytes + bytes > read_size(&limit_bytes)
        || old_packets + 1 > read_size(&limit_packets)) {
        unreserve(bytes);
        return false;
    }
    return true;
}

void
mbox_hold_init(struct mbox_hold *hold)
{
    memset(hold, 0, sizeof *hold);
    hmap_init(&hold->flows);
    ovs_list_init(&hold->held);
    ovs_list_init(&hold->kept);
    ovs_list_init(&hold->draining);
}

/* Ends the accounting of 'held' and frees it, but not its packet. */
static struct dp_packet *
held_packet_steal(struct mbox_hold *hold, struct held_packet *held)
{
    struct dp_packet *packet = held->packet;

    unreserve(held->bytes);
    hold->cur_held--;
    hold->cur_bytes -= held->bytes;
    ovs_list_remove(&held->node);
    free(held);
    return packet;
}

size_t
mbox_hold_destroy(struct mbox_hold *hold)
{
    size_t n = hold->cur_held;
    struct mbox_hold_flow *flow;

    HMAP_FOR_EACH_POP (flow, node, &hold->flows) {
        struct held_packet *held;

        LIST_FOR_EACH_SAFE (held, node, &flow->queue) {
            dp_packet_delete(held_packet_steal(hold, held));
        }
        free(flow);
    }
    hmap_destroy(&hold->flows);
    return n;
}

static struct mbox_hold_flow *
find_flow(const struct mbox_hold *hold, const struct mbox_key *key,
          uint32_t hash)
{
    struct mbox_hold_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, node, hash, &hold->flows) {
        if (mbox_key_equal(&flow->key, key)) {
            return flow;
        }
    }
    return NULL;
}

static struct mbox_hold_flow *
add_flow(struct mbox_hold *hold, const struct mbox_key *key, uint32_t hash)
{
    struct mbox_hold_flow *flow = xzalloc(sizeof *flow);

    flow->key = *key;
    flow->state = MBOX_HOLD_HELD;
    ovs_list_init(&flow->queue);
    ovs_list_push_back(&hold->held, &flow->list_node);
    hmap_insert(&hold->flows, &flow->node, hash);
    return flow;
}

enum mbox_hold_state
mbox_hold_get(const struct mbox_hold *hold, const struct mbox_key *key,
              bool *to_source)
{
    const struct mbox_hold_flow *flow;

    if (hmap_is_empty(&hold->flows)) {
        return MBOX_HOLD_NONE;
    }
    flow = find_flow(hold, key, mbox_key_hash(key, 0));
    if (!flow) {
        return MBOX_HOLD_NONE;
    }
    *to_source = flow->to_source;
    return flow->state;
}

bool
mbox_hold_push(struct mbox_hold *hold, const struct mbox_key *key,
               const struct dp_packet *packet, uint64_t now_ns)
{
    size_t bytes = (sizeof(struct held_packet) + sizeof(struct dp_packet)
                    + dp_packet_size(packet) + 3 * MALLOC_OVERHEAD);
    uint32_t hash = mbox_key_hash(key, 0);
    struct mbox_hold_flow *flow = find_flow(hold, key, hash);

    /* The first packet pays for its flow. */
    if (!flow || ovs_list_is_empty(&flow->queue)) {
        bytes += sizeof *flow + MALLOC_OVERHEAD;
    }
    if (!reserve(bytes)) {
        hold->n_overflow++;
        return false;
    }

    if (!flow) {
        flow = add_flow(hold, key, hash);
    }
    ovs_assert(flow->state != MBOX_HOLD_RELEASED);
    if (!flow->counted) {
        flow->counted = true;
        hold->n_flows_held++;
    }

    struct held_packet *held = xmalloc(sizeof *held);
    held->packet = dp_packet_clone(packet);
    held->since_ns = now_ns;
    held->bytes = bytes;
    ovs_list_push_back(&flow->queue, &held->node);

    hold->n_held++;
    hold->held_bytes += bytes;
    hold->cur_held++;
    hold->cur_bytes += bytes;
    hold->max_bytes = MAX(hold->max_bytes, hold->cur_bytes);
    return true;
}

/* 'flow' must be HELD. */
static void
release_flow(struct mbox_hold *hold, struct mbox_hold_flow *flow,
             bool to_source)
{
    ovs_list_remove(&flow->list_node);
    flow->to_source = to_source;
    if (ovs_list_is_empty(&flow->queue)) {
        flow->state = MBOX_HOLD_RELEASED;
    } else {
        flow->state = MBOX_HOLD_DRAINING;
        ovs_list_push_back(&hold->draining, &flow->list_node);
    }
}

void
mbox_hold_release(struct mbox_hold *hold, const struct mbox_key *key,
                  bool to_source, bool create)
{
    uint32_t hash = mbox_key_hash(key, 0);
    struct mbox_hold_flow *flow = find_flow(hold, key, hash);

    if (!flow && create) {
        flow = add_flow(hold, key, hash);
    }
    if (flow && flow->state == MBOX_HOLD_HELD) {
        release_flow(hold, flow, to_source);
    }
}

void
mbox_hold_keep(struct mbox_hold *hold, const struct mbox_key *key,
               bool create)
{
    uint32_t hash = mbox_key_hash(key, 0);
    struct mbox_hold_flow *flow = find_flow(hold, key, hash);

    if (!flow && create) {
        flow = add_flow(hold, key, hash);
    }
    if (flow && flow->state == MBOX_HOLD_HELD) {
        ovs_list_remove(&flow->list_node);
        ovs_list_push_back(&hold->kept, &flow->list_node);
    }
}

void
mbox_hold_release_all(struct mbox_hold *hold, bool to_source)
{
    struct mbox_hold_flow *flow;

    LIST_FOR_EACH_SAFE (flow, list_node, &hold->held) {
        release_flow(hold, flow, to_source);
    }
    ovs_list_push_back_all(&hold->held, &hold->kept);
}

void
mbox_hold_take_back(struct mbox_hold *hold)
{
    struct mbox_hold_flow *flow;

    HMAP_FOR_EACH_SAFE (flow, node, &hold->flows) {
        if (flow->state != MBOX_HOLD_RELEASED) {
            ovs_list_remove(&flow->list_node);
        }
        if (ovs_list_is_empty(&flow->queue)) {
            hmap_remove(&hold->flows, &flow->node);
            free(flow);
        } else {
            flow->state = MBOX_HOLD_HELD;
            ovs_list_push_back(&hold->held, &flow->list_node);
        }
    }
}

static void
count_time(struct mbox_hold *hold, uint64_t ns)
{
    uint64_t us = ns / 1000;
    int i = us ? log_2_floor(us) + 1 : 0;

    hold->histogram[MIN(i, MBOX_HOLD_HISTOGRAM - 1)]++;
    hold->sum_ns += ns;
    hold->max_ns = MAX(hold->max_ns, ns);
}

size_t
mbox_hold_pop(struct mbox_hold *hold, size_t max, uint64_t now_ns,
              struct dp_packet *packets[], bool to_source[])
{
    size_t n = 0;

    hold->pass++;
    while (n < max && !ovs_list_is_empty(&hold->draining)) {
        struct mbox_hold_flow *flow
            = CONTAINER_OF(ovs_list_front(&hold->draining),
                           struct mbox_hold_flow, list_node);

        if (ovs_list_is_empty(&flow->queue)) {
            if (flow->pass == hold->pass) {
                /* Its last packet has only now been taken, as was that of
                 * every flow behind it. */
                break;
            }
            ovs_list_remove(&flow->list_node);
            flow->state = MBOX_HOLD_RELEASED;
            continue;
        }

        flow->pass = hold->pass;
        while (n < max && !ovs_list_is_empty(&flow->queue)) {
            struct held_packet *held
                = CONTAINER_OF(ovs_list_front(&flow->queue),
                               struct held_packet, node);

            count_time(hold, now_ns - held->since_ns);
            packets[n] = held_packet_steal(hold, held);
            to_source[n++] = flow->to_source;
        }
        ovs_list_remove(&flow->list_node);
        ovs_list_push_back(&hold->draining, &flow->list_node);
    }
    hold->n_popped += n;
    return n;
}
