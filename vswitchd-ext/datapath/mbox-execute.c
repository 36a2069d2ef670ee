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

#include "mbox-steer-private.h"

#include "coverage.h"
#include "packets.h"
#include "util.h"

#include "mbox-tag.h"
#include "mbox-upcall.h"

COVERAGE_DEFINE(mbox_stale);
COVERAGE_DEFINE(mbox_drop_no_instance);
COVERAGE_DEFINE(mbox_drop_no_headroom);

/* A packet of a batch that matches a transfer. */
struct matched {
    struct dp_packet *packet;
    struct mbox_steer *steer;
    struct mbox_key key;
    bool later_frag;
};

/* One execution of a STEER action. */
struct steering {
    const struct mbox_dp *dp;
    const struct ovs_action_mbox *action;
    bool steal;
    struct mbox_class *class;
    const struct mbox_class_view *view; /* Current. */
    uint64_t n_stale, n_slow, n_dropped;
};

/* Takes leave of a packet that is not output here. */
static void
done_with_packet(struct dp_packet *packet, bool steal)
{
    if (steal) {
        dp_packet_delete(packet);
    } else {
        dp_packet_reset_cutlen(packet);
    }
}

static void
done_with_batch(struct dp_packet_batch *batch, bool steal)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        done_with_packet(packet, steal);
    }
}

static void
output(struct steering *s, struct dp_packet_batch *batch, odp_port_t port,
       bool flush)
{
    size_t n = dp_packet_batch_size(batch);

    if (!n) {
        return;
    }
    if (port == ODPP_NONE) {
        done_with_batch(batch, s->steal);
        s->n_dropped += n;
        COVERAGE_ADD(mbox_drop_no_instance, n);
    } else if (!s->dp->output(s->dp->pmd, batch, s->steal, port, flush)) {
        s->n_dropped += n;
    }
    dp_packet_batch_init(batch);
}

/* Adds the figures of one execution to those of the class. */
static void
count(struct steering *s)
{
    uint64_t orig;

    if (s->n_stale) {
        COVERAGE_ADD(mbox_stale, s->n_stale);
        atomic_add_relaxed(&s->class->n_stale, s->n_stale, &orig);
    }
    if (s->n_slow) {
        atomic_add_relaxed(&s->class->n_slow, s->n_slow, &orig);
    }
    if (s->n_dropped) {
        atomic_add_relaxed(&s->class->n_dropped, s->n_dropped, &orig);
    }
}

/* Steady state: the current assignment of a packet. */

static odp_port_t
current_port(struct steering *s, const struct mbox_key *key, bool later_frag)
{
    if (s->view->gen == s->action->arg) {
        return u32_to_odp(s->action->port);
    }
    s->n_stale++;

    const struct mbox_class_member *member
        = mbox_class_find_key_owner(s->class, s->view, s->dp->dp_name, key,
                                    later_frag);
    return member ? member->port.odp_port : ODPP_NONE;
}

/* Transfers. */

/* True if the packet belonged to the source when 'steer' was opened. */
static bool
is_of_source(const struct steering *s, const struct mbox_steer *steer,
             const struct mbox_key *key, bool later_frag)
{
    if (steer->base->gen == s->action->arg) {
        return u32_to_odp(s->action->port) == steer->base_port;
    }

    const struct mbox_class_member *member
        = mbox_class_find_key_owner(s->class, steer->base, steer->dp_name,
                                    key, later_frag);
    return member && member->port.odp_port == steer->base_port;
}

/* True if 'steer' decides about packets of the flow 'key', which is in its
 * flow space or an alias. */
static bool
is_matched(const struct steering *s, const struct mbox_steer *steer,
           const struct mbox_key *key, bool later_frag)
{
    return (!strcmp(steer->dp_name, s->dp->dp_name)
            && is_of_source(s, steer, key, later_frag));
}

static struct mbox_steer *
find_steer(const struct steering *s, const struct mbox_steer_set *open,
           const struct mbox_key *key, bool later_frag)
{
    for (size_t i = 0; i < open->n; i++) {
        struct mbox_steer *steer = open->steers[i];

        if (mbox_space_contains(&steer->space, key)
            && !(later_frag && steer->has_ports)) {
            /* No other one can have it: they are disjoint. */
            return is_matched(s, steer, key, later_frag) ? steer : NULL;
        }
    }
    for (size_t i = 0; i < open->n && !later_frag; i++) {
        struct mbox_steer *steer = open->steers[i];

        if (mbox_steer_has_alias(steer, key)
            && is_matched(s, steer, key, false)) {
            return steer;
        }
    }
    return NULL;
}

static void
dup_to_coordinator(struct mbox_steer *steer, const struct dp_packet *packet)
    OVS_REQUIRES(steer->class->steer_mutex)
{
    steer->n_dup++;
    mbox_upcall_send(MBOX_UPCALL_DUP, steer->id, ODPP_NONE, steer->dp_name,
                     packet);
}

/* Decides about a packet of a transfer.  Returns the port to output it on, or
 * ODPP_NONE if it has been dealt with.  (The transfer's class is 's->class',
 * which thread safety analysis cannot know.) */
static odp_port_t
apply(struct steering *s, const struct matched *m)
    OVS_REQUIRES(s->class->steer_mutex) OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct mbox_steer *steer = m->steer;
    odp_port_t port = ODPP_NONE;
    struct mbox_key canonical;
    bool dup;

    steer->n_packets++;
    mbox_key_canonical(&m->key, &canonical);
    switch (mbox_steer_decide(steer, &canonical, &dup)) {
    case MBOX_FATE_SOURCE:
        port = steer->src_port;
        steer->n_dropped += port == ODPP_NONE;
        break;

    case MBOX_FATE_TARGET:
        port = steer->dst_port;
        steer->n_dropped += port == ODPP_NONE;
        break;

    case MBOX_FATE_HOLD:
        mbox_steer_hold(steer, &canonical, m->packet);
        break;

    case MBOX_FATE_DROP:
        steer->n_dropped++;
        break;
    }
    if (dup) {
        dup_to_coordinator(steer, m->packet);
    }
    if (port == ODPP_NONE) {
        done_with_packet(m->packet, s->steal);
    }
    return port;
}

/* Treats 'n' packets of transfers, in order.  What they output is with the
 * device when the mutex is released.  Those of transfers that have been closed
 * meanwhile stay in 'matched'; returns their number. */
static size_t
execute_matched(struct steering *s, struct matched matched[], size_t n)
{
    struct dp_packet_batch batch;
    odp_port_t batch_port = ODPP_NONE;
    size_t n_closed = 0;

    dp_packet_batch_init(&batch);
    ovs_mutex_lock(&s->class->steer_mutex);
    for (size_t i = 0; i < n; i++) {
        if (matched[i].steer->closed) {
            matched[n_closed++] = matched[i];
            continue;
        }

        odp_port_t port = apply(s, &matched[i]);
        if (port != ODPP_NONE) {
            if (port != batch_port) {
                output(s, &batch, batch_port, true);
                batch_port = port;
            }
            dp_packet_batch_add(&batch, matched[i].packet);
        }
    }
    output(s, &batch, batch_port, true);
    ovs_mutex_unlock(&s->class->steer_mutex);
    return n_closed;
}

static void
execute_steer(const struct mbox_dp *dp, struct dp_packet_batch *packets,
              bool steal, const struct ovs_action_mbox *action)
{
    struct steering s = {
        .dp = dp,
        .action = action,
        .steal = steal,
        .class = mbox_class_from_id(action->id),
    };
    struct matched matched[NETDEV_MAX_BURST];
    struct dp_packet_batch batch;
    odp_port_t batch_port = ODPP_NONE;
    struct dp_packet *packet;
    size_t n_matched = 0;

    if (!s.class) {
        COVERAGE_ADD(mbox_drop_no_instance, dp_packet_batch_size(packets));
        done_with_batch(packets, steal);
        return;
    }

    /* In this order: a transfer that is not among those open any more has
     * written its assignments before, so they are in the view. */
    const struct mbox_steer_set *open
        = ovsrcu_get(struct mbox_steer_set *, &s.class->open);
    s.view = mbox_class_get_view(s.class);

    /* Packets of no transfer go first: order matters only within a flow, and
     * a flow's packets all are of the same transfer or of none. */
    dp_packet_batch_init(&batch);
    DP_PACKET_BATCH_FOR_EACH (i, packet, packets) {
        struct matched *m = &matched[n_matched];
        struct mbox_packet_layout layout;

        mbox_key_extract(dp_packet_data(packet), dp_packet_size(packet),
                         &m->key, &layout);
        m->packet = packet;
        m->later_frag = layout.later_frag;
        m->steer = NULL;
        if (open && !mbox_tag_is_tagged(dp_packet_data(packet),
                                        dp_packet_size(packet))) {
            m->steer = find_steer(&s, open, &m->key, m->later_frag);
        }
        if (m->steer) {
            n_matched++;
            continue;
        }

        odp_port_t port = current_port(&s, &m->key, m->later_frag);
        if (port != batch_port) {
            output(&s, &batch, batch_port, false);
            batch_port = port;
        }
        dp_packet_batch_add(&batch, packet);
    }
    output(&s, &batch, batch_port, false);

    if (n_matched) {
        size_t n_closed = execute_matched(&s, matched, n_matched);

        s.n_slow += n_matched - n_closed;
        if (n_closed) {
            /* Closed after 's.view' was read. */
            s.view = mbox_class_get_view(s.class);
        }
        for (size_t i = 0; i < n_closed; i++) {
            dp_packet_batch_init_packet(&batch, matched[i].packet);
            output(&s, &batch,
                   current_port(&s, &matched[i].key, matched[i].later_frag),
                   false);
        }
    }
    count(&s);
}

/* Other actions. */

static void
execute_dup(const struct mbox_dp *dp, struct dp_packet_batch *batch,
            bool steal, const struct ovs_action_mbox *action)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        mbox_upcall_send(MBOX_UPCALL_ACTION, action->id, ODPP_NONE,
                         dp->dp_name, packet);
    }
    done_with_batch(batch, steal);
}

static void
execute_ingress(const struct mbox_dp *dp, struct dp_packet_batch *batch,
                bool steal, const struct ovs_action_mbox *action)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        mbox_upcall_send(MBOX_UPCALL_INGRESS, 0, u32_to_odp(action->port),
                         dp->dp_name, packet);
    }
    done_with_batch(batch, steal);
}

/* True if the headers of 'packet' can grow by a tag.  A DPDK buffer cannot be
 * replaced by a larger one. */
static bool
has_room_for_tag(const struct dp_packet *packet)
{
    return (packet->source == DPBUF_MALLOC
            || dp_packet_headroom(packet) >= MBOX_TAG_LEN);
}

static void
execute_tag(struct dp_packet_batch *batch, bool steal,
            const struct ovs_action_mbox *action)
{
    const struct mbox_tag tag = {
        .kind = action->kind,
        .id = action->id,
        .seq = action->arg,
    };
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t i;

    if (steal) {
        /* Nothing follows that could see the tag. */
        dp_packet_delete_batch(batch, true);
        return;
    }
    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (!has_room_for_tag(packet)
            || dp_packet_size(packet) < ETH_HEADER_LEN) {
            COVERAGE_INC(mbox_drop_no_headroom);
            dp_packet_delete(packet);
            continue;
        }
        dp_packet_resize_l2(packet, MBOX_TAG_LEN);
        mbox_tag_push_headroom(ALIGNED_CAST(uint8_t *,
                                            dp_packet_data(packet))
                               + MBOX_TAG_LEN, &tag);
        dp_packet_batch_refill(batch, packet, i);
    }
}

static void
execute_untag(struct dp_packet_batch *batch, bool steal)
{
    struct dp_packet *packet;

    if (steal) {
        dp_packet_delete_batch(batch, true);
        return;
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        struct mbox_tag tag;

        if (mbox_tag_peek(dp_packet_data(packet), dp_packet_size(packet),
                          &tag)) {
            mbox_tag_pop(dp_packet_data(packet));
            dp_packet_resize_l2(packet, -MBOX_TAG_LEN);
        }
    }
}

/* True if a tag is behind the VLAN headers of 'packet', however many. */
static bool
has_inner_tag(const struct dp_packet *packet)
{
    const uint8_t *p = dp_packet_data(packet);

    for (size_t ofs = 2 * ETH_ADDR_LEN; ofs + 2 <= dp_packet_size(packet);
         ofs += VLAN_HEADER_LEN) {
        uint16_t type = p[ofs] << 8 | p[ofs + 1];

        if (type == MBOX_TAG_ETHERTYPE) {
            return true;
        } else if (!eth_type_vlan(htons(type))) {
            break;
        }
    }
    return false;
}

static void
execute_screen(struct dp_packet_batch *batch, bool steal)
{
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t n_forged = 0;
    size_t i;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (has_inner_tag(packet)) {
            n_forged++;
            dp_packet_delete(packet);
        } else {
            dp_packet_batch_refill(batch, packet, i);
        }
    }
    if (n_forged) {
        mbox_class_count_forged(n_forged);
    }
    if (steal) {
        dp_packet_delete_batch(batch, true);
    }
}

static void
execute_tracer(const struct mbox_dp *dp, struct dp_packet_batch *batch,
               bool steal, const struct ovs_action_mbox *action)
{
    const struct mbox_tag tag = {
        .kind = MBOX_TAG_TRACER,
        .id = action->id,
        .seq = action->arg,
    };
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        const struct eth_header *eth = dp_packet_data(packet);
        struct dp_packet *tracer = dp_packet_new(MBOX_TRACER_LEN);
        struct dp_packet_batch out;

        if (dp_packet_size(packet) < ETH_HEADER_LEN) {
            dp_packet_delete(tracer);
            continue;
        }
        mbox_tag_make_tracer(dp_packet_put_uninit(tracer, MBOX_TRACER_LEN),
                             eth->eth_dst.ea, eth->eth_src.ea, &tag);
        dp_packet_batch_init_packet(&out, tracer);
        dp->output(dp->pmd, &out, true, u32_to_odp(action->port), true);
    }
    done_with_batch(batch, steal);
}

void
mbox_steer_execute(const struct mbox_dp *dp, struct dp_packet_batch *batch,
                   bool steal, const struct ovs_action_mbox *action)
{
    switch ((enum mbox_odp_type) action->type) {
    case MBOX_ODP_STEER:
        execute_steer(dp, batch, steal, action);
        return;

    case MBOX_ODP_DUP:
        execute_dup(dp, batch, steal, action);
        return;

    case MBOX_ODP_TAG:
        execute_tag(batch, steal, action);
        return;

    case MBOX_ODP_UNTAG:
        execute_untag(batch, steal);
        return;

    case MBOX_ODP_TRACER:
        execute_tracer(dp, batch, steal, action);
        return;

    case MBOX_ODP_INGRESS:
        execute_ingress(dp, batch, steal, action);
        return;

    case MBOX_ODP_SCREEN:
        execute_screen(batch, steal);
        return;

    case MBOX_ODP_FORGED:
        mbox_class_count_forged(dp_packet_batch_size(batch));
        break;
    }

    done_with_batch(batch, steal);
}
