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
#include "mbox-coordinator-ops.h"

#include <errno.h>

#include "dp-packet.h"
#include "mbox-coordinator-private.h"
#include "mbox-class.h"
#include "mbox-steer.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_coordinator_ops);

BUILD_ASSERT_DECL((int) MBOX_TRANSFER_PASS == (int) MBOX_STEER_PASS);
BUILD_ASSERT_DECL((int) MBOX_TRANSFER_DUP == (int) MBOX_STEER_DUP);
BUILD_ASSERT_DECL((int) MBOX_TRANSFER_HOLD == (int) MBOX_STEER_HOLD);
BUILD_ASSERT_DECL((int) MBOX_TRANSFER_DROP == (int) MBOX_STEER_DROP);
BUILD_ASSERT_DECL((int) MBOX_TRANSFER_TARGET == (int) MBOX_STEER_TARGET);

static struct mbox_party *
get_party(struct mbox_open_transfer *ot, enum mbox_role role)
{
    return role == MBOX_ROLE_SOURCE ? &ot->src : &ot->dst;
}

static long long
op_now_us(void *aux OVS_UNUSED)
{
    return time_usec();
}

static int
op_send(void *ot_, enum mbox_role role, const struct mbox_msg *msg,
        const struct mbox_key *keys)
{
    struct mbox_open_transfer *ot = ot_;
    struct mbox_party *party = get_party(ot, role);

    if (!party->conn) {
        return -ECONNRESET;
    }
    if (msg->type != MBOX_MSG_PREPARE) {
        if (role == MBOX_ROLE_SOURCE) {
            free(ot->src_prepare);
            ot->src_prepare = NULL;
        }
        int error = mbox_conn_send(party->conn, msg, keys, -1);

        if (error == -EMSGSIZE) {
            /* To the transfer the agent is lost, so it must not stay frozen
             * until it is told what it cannot be told. */
            mbox_conn_blame(party->conn, "message \"%s\" of transfer %"PRIu32
                            " to it is too long",
                            mbox_msg_type_to_string(msg->type), msg->id);
        }
        return error;
    }

    struct mbox_msg prepare = *msg;
    int fd = party->state_fd;

    if (ot->relay) {
        prepare.options |= MBOX_OPT_RELAY;
    }

    const struct mbox_party *peer = get_party(ot, (role == MBOX_ROLE_SOURCE
                                                   ? MBOX_ROLE_DESTINATION
                                                   : MBOX_ROLE_SOURCE));
    prepare.run = peer->conn ? peer->conn->run : 0;
    if (ot->token && peer->conn) {
        mbox_channel_peer_fingerprint(peer->conn->channel,
                                      prepare.fingerprint);
    }
    if (ot->token && role == MBOX_ROLE_SOURCE) {
        ot->src_prepare = xmemdup(&prepare, sizeof prepare);
        return 0;
    }
    prepare.token = ot->token;
    party->state_fd = -1;
    return mbox_conn_send(party->conn, &prepare, keys, fd);
}

static size_t
op_backlog(void *ot_, enum mbox_role role)
{
    const struct mbox_conn *conn = get_party(ot_, role)->conn;

    return conn ? mbox_channel_backlog(conn->channel) : 0;
}

static void
op_disconnect(void *ot_, enum mbox_role role, const char *why)
{
    struct mbox_open_transfer *ot = ot_;
    struct mbox_conn *conn = get_party(ot, role)->conn;

    if (conn) {
        mbox_conn_blame(conn, "transfer %"PRIu32": %s", ot->request.id, why);
    }
}

static int
op_dp_open(void *ot_)
{
    struct mbox_open_transfer *ot = ot_;

    int error = mbox_steer_open(ot->request.class_name, ot->request.id,
                                &ot->request.space, ot->request.src,
                                ot->request.dst, &ot->steer);

    if (!error) {
        struct mbox_key *aliases;
        size_t n;

        /* Not too many, or they would have been refused. */
        aliases = mbox_aliases_except(&ot->aliases, NULL, 0, &n);
        mbox_steer_add_aliases(ot->steer, aliases, n);
        free(aliases);
    }
    return error;
}

static bool
op_dp_is_armed(void *ot_)
{
    struct mbox_open_transfer *ot = ot_;

    return mbox_steer_is_armed(ot->steer);
}

static void
op_dp_set_mode(void *ot_, enum mbox_transfer_mode mode)
{
    struct mbox_open_transfer *ot = ot_;

    mbox_steer_set_mode(ot->steer, (enum mbox_steer_mode) mode);
}

static bool
op_dp_has_key(void *ot_, const struct mbox_key *key)
{
    struct mbox_open_transfer *ot = ot_;

    return mbox_steer_has_key(ot->steer, key);
}

static void
op_dp_release(void *ot_, enum mbox_select select, const struct mbox_key *keys,
              size_t n, bool to_source)
{
    struct mbox_open_transfer *ot = ot_;

    mbox_steer_release(ot->steer, select, keys, n, to_source);
}

static void
op_dp_hold_packet(void *ot_, const void *frame, size_t len)
{
    struct mbox_open_transfer *ot = ot_;

    mbox_steer_hold_packet(ot->steer, dp_packet_clone_data(frame, len));
}

static size_t
op_dp_drain(void *ot_, size_t max)
{
    struct mbox_open_transfer *ot = ot_;

    return mbox_steer_drain(ot->steer, max);
}

static bool
op_dp_is_drained(void *ot_)
{
    struct mbox_open_transfer *ot = ot_;

    return mbox_steer_is_drained(ot->steer);
}

static bool
op_dp_is_over_limit(void *ot_)
{
    struct mbox_open_transfer *ot = ot_;

    return mbox_steer_is_over_limit(ot->steer);
}

static void
op_dp_get_stats(void *ot_, struct mbox_transfer_dp_stats *stats)
{
    struct mbox_open_transfer *ot = ot_;
    struct mbox_steer_stats s;

    mbox_steer_get_stats(ot->steer, &s);
    *stats = (struct mbox_transfer_dp_stats) {
        .n_packets = s.n_packets,
        .n_held = s.n_held,
        .cur_held = s.cur_held,
        .cur_bytes = s.cur_bytes,
        .max_bytes = s.max_bytes,
        .n_drained = s.n_drained,
        .n_dup = s.n_dup,
        .n_dropped = s.n_dropped,
        .n_overflow = s.n_overflow,
        .n_flows_held = s.n_flows_held,
        .hold_max_ns = s.hold_max_ns,
        .hold_sum_ns = s.hold_sum_ns,
    };
    BUILD_ASSERT_DECL(sizeof stats->hold_histogram
                      == sizeof s.hold_histogram);
    memcpy(stats->hold_histogram, s.hold_histogram,
           sizeof stats->hold_histogram);
}

static void
op_dp_close(void *ot_)
{
    struct mbox_open_transfer *ot = ot_;

    mbox_steer_close(ot->steer);
    ot->steer = NULL;
}

static int
op_port_send(void *ot_, enum mbox_role role, const void *frame, size_t len,
             const struct mbox_tag *tag)
{
    struct mbox_open_transfer *ot = ot_;
    struct dp_packet *packet;

    packet = dp_packet_clone_data_with_headroom(frame, len,
                                                2 + MBOX_TAG_LEN);
    if (tag) {
        uint8_t *untagged = dp_packet_data(packet);

        dp_packet_push_uninit(packet, MBOX_TAG_LEN);
        mbox_tag_push_headroom(untagged, tag);
    }
    return mbox_steer_send(ot->request.class_name,
                           get_party(ot, role)->instance, packet);
}

static int
op_port_send_tracer(void *ot_, enum mbox_role role, enum mbox_tag_kind kind,
                    uint32_t seq)
{
    struct mbox_open_transfer *ot = ot_;

    return mbox_steer_send_tracer(ot->request.class_name,
                                  get_party(ot, role)->instance, kind,
                                  ot->request.id, seq);
}

/* S, which may not be live, leaves its flows and their aliases to D. */
static int
assign_without_steering(struct mbox_open_transfer *ot,
                        enum mbox_select select, struct mbox_key *keys,
                        size_t n)
{
    const struct mbox_transfer_request *r = &ot->request;
    int error = mbox_class_move(r->class_name, &r->space, select, keys, n,
                                r->src, r->dst);

    if (!error) {
        struct mbox_key *aliases;

        aliases = mbox_aliases_except(&ot->aliases, NULL, 0, &n);
        error = mbox_class_move(r->class_name, &r->space, MBOX_SELECT_KEYS,
                                aliases, n, r->src, r->dst);
        free(aliases);
    }
    return error;
}

static int
op_assign(void *ot_, enum mbox_select select, struct mbox_key *keys, size_t n)
{
    struct mbox_open_transfer *ot = ot_;
    int error = 0;

    ot->coordinator->assignments_changed = true;
    ot->select = select;
    mbox_assignments_get(ot->request.class_name, &ot->before);
    if (ot->steer) {
        mbox_steer_assign(ot->steer, select, keys, n);
    } else {
        error = assign_without_steering(ot, select, keys, n);
    }
    mbox_assignments_get(ot->request.class_name, &ot->after);
    return error;
}

static void
op_assign_back(void *ot_)
{
    struct mbox_open_transfer *ot = ot_;

    mbox_assignments_undo(ot->request.class_name, &ot->before, &ot->after);
    ot->coordinator->assignments_changed = true;
}

static void
record_open(const struct mbox_open_transfer *ot)
{
    const struct mbox_transfer_request *request = &ot->request;
    struct mbox_record record = {
        .epoch = request->epoch,
        .id = request->id,
        .state = MBOX_RECORD_OPEN,
        .src_run = ot->src.conn ? ot->src.conn->run : 0,
        .space = request->space,
    };

    ovs_strlcpy(record.class_name, request->class_name,
                sizeof record.class_name);
    ovs_strlcpy(record.src, request->src, sizeof record.src);
    ovs_strlcpy(record.dst, request->dst, sizeof record.dst);
    mbox_records_add(&ot->coordinator->records, &record);
}

static void
op_record(void *ot_, enum mbox_transfer_result result)
{
    struct mbox_open_transfer *ot = ot_;
    struct mbox_coordinator *c = ot->coordinator;

    struct mbox_record *record = mbox_records_find(&c->records, c->epoch,
                                                   ot->request.id);

    if (result == MBOX_TRANSFER_OPEN) {
        record_open(ot);
    } else if (record && result == MBOX_TRANSFER_ROLLED_BACK) {
        mbox_records_remove(&c->records, record);
    } else if (record) {
        mbox_records_end(&c->records, record,
                         (result == MBOX_TRANSFER_MOVED ? MBOX_RECORD_MOVED
                          : ot->select == MBOX_SELECT_KEYS ? MBOX_RECORD_SPLIT
                          : MBOX_RECORD_SPLIT_REST));
    }
    mbox_coordinator_publish_assignments(c);
    ot->record_serial = c->assignments_serial;
}

static bool
op_is_recorded(void *ot_)
{
    struct mbox_open_transfer *ot = ot_;
    struct mbox_coordinator *c = ot->coordinator;

    /* The main thread writes the last records after the end of this one. */
    return (c->exiting
            || mbox_mailbox_get_durable(c->mailbox) >= ot->record_serial);
}

const struct mbox_transfer_ops mbox_coordinator_ops = {
    .now_us = op_now_us,
    .send = op_send,
    .backlog = op_backlog,
    .disconnect = op_disconnect,
    .dp_open = op_dp_open,
    .dp_is_armed = op_dp_is_armed,
    .dp_set_mode = op_dp_set_mode,
    .dp_has_key = op_dp_has_key,
    .dp_release = op_dp_release,
    .dp_hold_packet = op_dp_hold_packet,
    .dp_drain = op_dp_drain,
    .dp_is_drained = op_dp_is_drained,
    .dp_is_over_limit = op_dp_is_over_limit,
    .dp_get_stats = op_dp_get_stats,
    .dp_close = op_dp_close,
    .port_send = op_port_send,
    .port_send_tracer = op_port_send_tracer,
    .assign = op_assign,
    .assign_back = op_assign_back,
    .record = op_record,
    .is_recorded = op_is_recorded,
};
