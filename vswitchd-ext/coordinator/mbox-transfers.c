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
#include "mbox-transfers.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dp-packet.h"
#include "entropy.h"
#include "hash.h"
#include "mbox-coordinator-ops.h"
#include "mbox-coordinator-private.h"
#include "mbox-show.h"
#include "mbox-steer.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_transfers);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Packets taken from the datapath in one round. */
#define MAX_UPCALLS_PER_ROUND 1024

void
mbox_transfers_init(struct mbox_transfers *transfers)
{
    hmap_init(&transfers->open);
    ovs_list_init(&transfers->history);
    transfers->n_history = 0;
    mbox_totals_init(&transfers->totals);
    transfers->next_id = 1;
    hmap_init(&transfers->dup_counts);
    transfers->n_dup_uncounted = 0;
    transfers->n_tagged_dropped = 0;
}

static void
party_init(struct mbox_party *party, const struct mbox_instance *instance,
           int state_fd)
{
    ovs_strlcpy(party->instance, instance->name, sizeof party->instance);
    party->conn = instance->conn;
    ovs_strlcpy(party->dp_name, instance->dp_name, sizeof party->dp_name);
    party->port = instance->port;
    party->port_lost = false;
    party->state_fd = state_fd;
}

static void
party_uninit(struct mbox_party *party)
{
    if (party->state_fd >= 0) {
        close(party->state_fd);
    }
}

struct mbox_open_transfer *
mbox_transfers_open(struct mbox_coordinator *c,
                    const struct mbox_transfer_request *request,
                    struct mbox_instance *src, struct mbox_instance *dst)
{
    struct mbox_open_transfer *ot = xzalloc(sizeof *ot);
    int fds[2] = { -1, -1 };

    ot->coordinator = c;
    ot->request = *request;
    ot->request.id = c->transfers.next_id++;
    ot->request.epoch = c->epoch;
    ot->request.buffer_limit = c->hold_limit;
    ovs_list_init(&ot->waiters);
    mbox_aliases_init(&ot->aliases);

    ot->relay = (!mbox_conn_can_pass_fd(src->conn)
                 || !mbox_conn_can_pass_fd(dst->conn));
    if (!ot->relay && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
                                 fds)) {
        VLOG_WARN_RL(&rl, "transfer %"PRIu32": socketpair: %s; state will be "
                     "relayed", ot->request.id, ovs_strerror(errno));
        ot->relay = true;
        fds[0] = fds[1] = -1;
    }
    if (ot->relay && mbox_channel_is_tls(src->conn->channel)
        && mbox_channel_is_tls(dst->conn->channel)
        && get_entropy(&ot->token, sizeof ot->token)) {
        ot->token = 0;          /* State will be relayed. */
    }
    ovs_strlcpy(ot->request.state_path,
                ot->relay ? "relayed by the coordinator" : "unix socket",
                sizeof ot->request.state_path);
    party_init(&ot->src, src, fds[0]);
    party_init(&ot->dst, dst, fds[1]);

    hmap_insert(&c->transfers.open, &ot->node, hash_int(ot->request.id, 0));
    ot->transfer = mbox_transfer_create(&ot->request, &mbox_coordinator_ops,
                                        ot);
    return ot;
}

void
mbox_transfer_add_waiter(struct mbox_open_transfer *ot, uint64_t request,
                         bool json, bool cancels)
{
    struct mbox_waiter *waiter = xmalloc(sizeof *waiter);

    waiter->request = request;
    waiter->json = json;
    waiter->cancels = cancels;
    ovs_list_push_back(&ot->waiters, &waiter->node);
}

struct mbox_open_transfer *
mbox_transfers_find(const struct mbox_transfers *transfers, uint32_t id)
{
    struct mbox_open_transfer *ot;

    HMAP_FOR_EACH_WITH_HASH (ot, node, hash_int(id, 0), &transfers->open) {
        if (ot->request.id == id) {
            return ot;
        }
    }
    return NULL;
}

const struct mbox_past_transfer *
mbox_transfers_find_past(const struct mbox_transfers *transfers, uint32_t id)
{
    const struct mbox_past_transfer *past;

    LIST_FOR_EACH (past, node, &transfers->history) {
        if (past->request.id == id) {
            return past;
        }
    }
    return NULL;
}

struct mbox_open_transfer *
mbox_transfers_find_overlap(const struct mbox_transfers *transfers,
                            const char *class_name,
                            const struct mbox_space *space)
{
    struct mbox_open_transfer *ot;

    HMAP_FOR_EACH (ot, node, &transfers->open) {
        if (!strcmp(ot->request.class_name, class_name)
            && mbox_space_overlaps(&ot->request.space, space)) {
            return ot;
        }
    }
    return NULL;
}

/* Frees 'ot', whose waiters have been answered. */
static void
transfer_free(struct mbox_open_transfer *ot)
{
    hmap_remove(&ot->coordinator->transfers.open, &ot->node);
    mbox_transfer_destroy(ot->transfer);
    if (ot->steer) {
        mbox_steer_close(ot->steer);
    }
    party_uninit(&ot->src);
    party_uninit(&ot->dst);
    free(ot->src_prepare);
    mbox_aliases_destroy(&ot->aliases);
    free(ot->before.array);
    free(ot->after.array);
    free(ot);
}

/* Answers those who wait for 'ot' with its report: the one or the other of
 * them has what it wanted. */
static void
answer_waiters(struct mbox_open_transfer *ot,
               const struct mbox_transfer_report *report, bool moved)
{
    struct mbox_coordinator *c = ot->coordinator;
    struct mbox_waiter *waiter;

    LIST_FOR_EACH_POP (waiter, node, &ot->waiters) {
        mbox_coordinator_reply(
            c, waiter->request, moved != waiter->cancels, waiter->json,
            mbox_show_report(&ot->request, report, waiter->json),
            c->assignments_serial);
        free(waiter);
    }
}

/* Puts 'ot', which is done, into the history and answers those who wait. */
static void
transfer_finish(struct mbox_open_transfer *ot)
{
    struct mbox_coordinator *c = ot->coordinator;
    struct mbox_transfers *transfers = &c->transfers;
    struct mbox_past_transfer *past = xzalloc(sizeof *past);

    past->request = ot->request;
    mbox_transfer_get_report(ot->transfer, &past->report);
    mbox_totals_add(&transfers->totals, &past->request, &past->report);
    mbox_usage_add_transfer(c, past->request.class_name, &past->report);
    mbox_policies_disturb(&c->policies, past->request.class_name);
    ovs_list_push_front(&transfers->history, &past->node);
    if (++transfers->n_history > MBOX_HISTORY_MAX) {
        struct mbox_past_transfer *oldest;

        oldest = CONTAINER_OF(ovs_list_pop_back(&transfers->history),
                              struct mbox_past_transfer, node);
        free(oldest);
        transfers->n_history--;
    }

    mbox_coordinator_publish_assignments(c);
    answer_waiters(ot, &past->report,
                   past->report.result == MBOX_TRANSFER_MOVED);
    transfer_free(ot);
    mbox_resolver_transfer_done(c);
}

/* Messages from agents. */

/* True if an agent in 'role' may send 'type'. */
static bool
type_is_allowed(enum mbox_msg_type type, enum mbox_role role)
{
    bool is_src = role == MBOX_ROLE_SOURCE;

    switch ((int) type) {
    case MBOX_MSG_ERROR:
    case MBOX_MSG_PREPARED:
    case MBOX_MSG_TRACER_SEEN:
    case MBOX_MSG_PACKET:
    case MBOX_MSG_COMMITTED:
    case MBOX_MSG_ABORTED:
    case MBOX_MSG_STATS:
        return true;

    case MBOX_MSG_PRECOPY:
    case MBOX_MSG_RETURNING:
    case MBOX_MSG_RELAY:
    case MBOX_MSG_ALIASES:
        return is_src;

    case MBOX_MSG_BUFFERING:
    case MBOX_MSG_RELEASE:
    case MBOX_MSG_STAYS:
    case MBOX_MSG_INSTALLED:
    case MBOX_MSG_FLUSHED:
        return !is_src;

    default:
        return false;
    }
}

/* Takes what a PREPARED says about the state channel over TLS. */
static void
recv_prepared(struct mbox_open_transfer *ot, enum mbox_role role,
              const struct mbox_msg *msg)
{
    if (!ot->token) {
        return;
    }
    if (role == MBOX_ROLE_DESTINATION && ot->src_prepare) {
        if (msg->address[0]) {
            ot->src_prepare->token = ot->token;
            ovs_strlcpy(ot->src_prepare->address, msg->address,
                        sizeof ot->src_prepare->address);
        }
        mbox_conn_send(ot->src.conn, ot->src_prepare, NULL, -1);
        free(ot->src_prepare);
        ot->src_prepare = NULL;
    } else if (role == MBOX_ROLE_SOURCE && msg->address[0] && ot->relay) {
        ot->relay = false;
        snprintf(ot->request.state_path, sizeof ot->request.state_path,
                 "%s", msg->address);
    }
    if (msg->why[0]) {
        snprintf(ot->request.state_path, sizeof ot->request.state_path,
                 "relayed by the coordinator (%s)", msg->why);
    }
}

/* Passes a frame of the state channel on to the destination. */
static void
relay(struct mbox_open_transfer *ot, struct mbox_conn *src,
      const void *frame, size_t frame_len)
{
    struct mbox_conn *dst = ot->dst.conn;

    if (dst && !dst->why_dead) {
        /* An error shows when 'dst' is run next. */
        mbox_channel_send_raw(dst->channel, frame, frame_len);
        src->relay_to = dst;
        src->n_relayed++;
    }
}

/* True if an instance may give the frame to the transfer as a packet of its:
 * it is in the flow space, or an alias, and carries no tag (any more). */
static bool
is_of_transfer(const struct mbox_open_transfer *ot, const void *frame,
               size_t len)
{
    const struct mbox_space *space = &ot->request.space;
    struct mbox_packet_layout layout;
    struct mbox_key key;

    mbox_key_extract(frame, len, &key, &layout);
    if (len < ETH_HEADER_LEN || mbox_tag_is_tagged(frame, len)) {
        return false;
    } else if (mbox_space_contains(space, &key)) {
        return !(layout.later_frag && mbox_space_has_ports(space));
    }
    return (ot->steer && !layout.later_frag
            && mbox_steer_has_alias(ot->steer, &key));
}

/* Keeps keys for the steering object, which there is none of yet.  Returns 0,
 * or -E2BIG if there are too many. */
static int
keep_aliases(struct mbox_open_transfer *ot, const struct mbox_key *keys,
             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mbox_key key;

        mbox_key_canonical(&keys[i], &key);
        if (mbox_aliases_count(&ot->aliases) >= MBOX_ALIASES_MAX
            && !mbox_aliases_contain(&ot->aliases, &key)) {
            return -E2BIG;
        }
        mbox_aliases_add(&ot->aliases, &key);
    }
    return 0;
}

static void
recv_aliases(struct mbox_open_transfer *ot, const struct mbox_msg *msg)
{
    struct mbox_key *keys = xcalloc(msg->n_keys, sizeof *keys);
    int error = 0;

    for (uint32_t i = 0; i < msg->n_keys; i++) {
        mbox_msg_get_key(msg, i, &keys[i]);
    }
    if (ot->steer) {
        error = mbox_steer_add_aliases(ot->steer, keys, msg->n_keys);
    } else if (mbox_transfer_is_replica(ot->transfer)) {
        error = keep_aliases(ot, keys, msg->n_keys);
    }
    if (error) {
        mbox_transfer_refuse(ot->transfer, MBOX_ROLE_SOURCE,
                             "too many keys outside of the flow space");
    }
    free(keys);
}

/* Counts a packet that an agent has sent by its connection and that its
 * transfer does not concern, and disconnects it if that goes on. */
static void
drop_foreign_packet(struct mbox_coordinator *c, struct mbox_conn *conn,
                    uint32_t id)
{
    struct mbox_instance *instance = mbox_registry_find(&c->registry,
                                                        conn->name);

    c->transfers.n_tagged_dropped++;
    if (instance) {
        instance->n_tagged_dropped++;
    }
    VLOG_WARN_RL(&rl, "instance %s: dropped a packet from its agent that is "
                 "not of transfer %"PRIu32"'s flow space", conn->name, id);
    if (time_msec() >= conn->foreign_until) {
        conn->foreign_until = time_msec() + MBOX_CONN_FOREIGN_MS;
        conn->n_foreign = 0;
    }
    if (++conn->n_foreign >= MBOX_CONN_MAX_FOREIGN) {
        mbox_conn_blame(conn, "%d packets within %d s that are not of its "
                        "transfers' flow spaces", MBOX_CONN_MAX_FOREIGN,
                        MBOX_CONN_FOREIGN_MS / 1000);
    }
}

void
mbox_transfers_recv(struct mbox_coordinator *c, struct mbox_conn *conn,
                    const struct mbox_msg *msg, const void *frame,
                    size_t frame_len)
{
    struct mbox_open_transfer *ot = mbox_transfers_find(&c->transfers,
                                                        msg->id);
    const char *type = mbox_msg_type_to_string(msg->type);

    type = type ? type : "?";
    if (msg->type == MBOX_MSG_TRACER_SEEN
        && (!ot || (conn != ot->src.conn && conn != ot->dst.conn))) {
        /* Tracers are always answered, also those of OpenFlow actions and of
         * transfers that are long over. */
        return;
    }
    if (!ot) {
        const struct mbox_past_transfer *past;

        past = mbox_transfers_find_past(&c->transfers, msg->id);
        if (!past || (strcmp(past->request.src, conn->name)
                      && strcmp(past->request.dst, conn->name))) {
            mbox_conn_blame(conn, "message \"%s\" for transfer %"PRIu32
                            ", which it has no part in", type, msg->id);
        }
        return;
    }

    enum mbox_role role;
    if (conn == ot->src.conn) {
        role = MBOX_ROLE_SOURCE;
    } else if (conn == ot->dst.conn) {
        role = MBOX_ROLE_DESTINATION;
    } else {
        mbox_conn_blame(conn, "message \"%s\" for transfer %"PRIu32
                        ", which it has no part in", type, msg->id);
        return;
    }

    if (!type_is_allowed(msg->type, role)
        || (msg->type == MBOX_MSG_RELAY && !ot->relay)) {
        mbox_conn_blame(conn, "message \"%s\" for transfer %"PRIu32", which "
                        "its %s must not send", type, msg->id,
                        role == MBOX_ROLE_SOURCE ? "source" : "destination");
    } else if (msg->type == MBOX_MSG_PACKET
               && !is_of_transfer(ot, msg->data, msg->data_len)) {
        drop_foreign_packet(c, conn, msg->id);
    } else if (msg->type == MBOX_MSG_RELAY) {
        relay(ot, conn, frame, frame_len);
    } else if (msg->type == MBOX_MSG_ALIASES) {
        recv_aliases(ot, msg);
    } else {
        if (msg->type == MBOX_MSG_PREPARED) {
            recv_prepared(ot, role, msg);
        }
        mbox_transfer_recv(ot->transfer, role, msg);
    }
}

void
mbox_transfers_agent_lost(struct mbox_coordinator *c, struct mbox_conn *conn,
                          const char *why)
{
    struct mbox_open_transfer *ot;

    HMAP_FOR_EACH (ot, node, &c->transfers.open) {
        if (ot->src.conn == conn) {
            ot->src.conn = NULL;
            free(ot->src_prepare);
            ot->src_prepare = NULL;
            mbox_transfer_agent_lost(ot->transfer, MBOX_ROLE_SOURCE, why);
        }
        if (ot->dst.conn == conn) {
            ot->dst.conn = NULL;
            mbox_transfer_agent_lost(ot->transfer, MBOX_ROLE_DESTINATION,
                                     why);
        }
    }
}

static void
check_port(struct mbox_open_transfer *ot, struct mbox_party *party,
           enum mbox_role role)
{
    const struct mbox_instance *instance;
    const char *why = NULL;

    if (party->port_lost) {
        return;
    }
    instance = mbox_registry_find(&ot->coordinator->registry,
                                  party->instance);
    if (!instance || !instance->iface
        || strcmp(instance->class_name, ot->request.class_name)) {
        why = "its Interface was removed or belongs to another instance";
    } else if (instance->port == ODPP_NONE) {
        why = "its port was removed";
    } else if (instance->port != party->port
               || strcmp(instance->dp_name, party->dp_name)) {
        why = "its port was replaced by another";
    }
    if (why) {
        party->port_lost = true;
        mbox_transfer_port_lost(ot->transfer, role, why);
    }
}

void
mbox_transfers_check_ports(struct mbox_coordinator *c)
{
    struct mbox_open_transfer *ot;

    HMAP_FOR_EACH (ot, node, &c->transfers.open) {
        check_port(ot, &ot->src, MBOX_ROLE_SOURCE);
        check_port(ot, &ot->dst, MBOX_ROLE_DESTINATION);
    }
}

void
mbox_transfers_cancel_all(struct mbox_coordinator *c, const char *why)
{
    struct mbox_open_transfer *ot;

    HMAP_FOR_EACH (ot, node, &c->transfers.open) {
        mbox_transfer_cancel(ot->transfer, why);
    }
}

/* Packets from the datapath. */

static void
count_dup(struct mbox_transfers *transfers, const struct mbox_upcall *upcall)
{
    struct mbox_dup_count *count;
    uint32_t hash = hash_int(upcall->id, 0);

    HMAP_FOR_EACH_WITH_HASH (count, node, hash, &transfers->dup_counts) {
        if (count->id == upcall->id) {
            goto found;
        }
    }
    if (hmap_count(&transfers->dup_counts) >= MBOX_DUP_COUNT_MAX) {
        transfers->n_dup_uncounted++;
        return;
    }
    count = xzalloc(sizeof *count);
    count->id = upcall->id;
    hmap_insert(&transfers->dup_counts, &count->node, hash);

found:
    count->n_packets++;
    count->n_bytes += dp_packet_size(upcall->packet);
}

/* What became of a tagged packet from an instance's port. */
enum tagged_fate {
    TAGGED_TAKEN,               /* By its transfer. */
    TAGGED_LATE,                /* Its transfer did not expect it, or is over:
                                 * to be dropped. */
    TAGGED_FOREIGN,             /* It belongs to no transfer of the instance's:
                                 * to be dropped. */
};

/* Gives a tagged packet that an instance sent to its transfer. */
static enum tagged_fate
recv_tagged(struct mbox_coordinator *c, const struct mbox_instance *instance,
            struct dp_packet *packet)
{
    uint8_t *frame = dp_packet_data(packet);
    const struct mbox_past_transfer *past;
    struct mbox_open_transfer *ot;
    struct mbox_tag tag;
    enum mbox_role role;

    if (!instance || !mbox_tag_peek(frame, dp_packet_size(packet), &tag)) {
        return TAGGED_FOREIGN;
    }
    ot = mbox_transfers_find(&c->transfers, tag.id);
    if (!ot) {
        past = mbox_transfers_find_past(&c->transfers, tag.id);
        return (past && (!strcmp(past->request.src, instance->name)
                         || !strcmp(past->request.dst, instance->name))
                ? TAGGED_LATE : TAGGED_FOREIGN);
    } else if (!strcmp(ot->src.instance, instance->name)) {
        role = MBOX_ROLE_SOURCE;
    } else if (!strcmp(ot->dst.instance, instance->name)) {
        role = MBOX_ROLE_DESTINATION;
    } else {
        return TAGGED_FOREIGN;
    }

    mbox_tag_pop(frame);
    dp_packet_pull(packet, MBOX_TAG_LEN);
    if (tag.kind != MBOX_TAG_TRACER
        && !is_of_transfer(ot, dp_packet_data(packet),
                           dp_packet_size(packet))) {
        return TAGGED_FOREIGN;
    }
    return (mbox_transfer_recv_tagged(ot->transfer, role, &tag,
                                      dp_packet_data(packet),
                                      dp_packet_size(packet))
            ? TAGGED_TAKEN : TAGGED_LATE);
}

static void
recv_upcall(struct mbox_coordinator *c, struct mbox_upcall *upcall)
{
    struct mbox_transfers *transfers = &c->transfers;

    if (upcall->reason == MBOX_UPCALL_ACTION) {
        count_dup(transfers, upcall);
    } else if (upcall->reason == MBOX_UPCALL_DUP) {
        struct mbox_open_transfer *ot = mbox_transfers_find(transfers,
                                                            upcall->id);

        if (ot && ot->steer) {
            mbox_transfer_recv_dup(ot->transfer,
                                   dp_packet_data(upcall->packet),
                                   dp_packet_size(upcall->packet));
        }
    } else {
        struct mbox_instance *instance
            = mbox_registry_find_port(&c->registry, upcall->dp_name,
                                      upcall->port);

        enum tagged_fate fate = recv_tagged(c, instance, upcall->packet);

        if (fate != TAGGED_TAKEN) {
            transfers->n_tagged_dropped++;
            if (instance) {
                instance->n_tagged_dropped++;
            }
        }
        if (fate == TAGGED_FOREIGN) {
            VLOG_WARN_RL(&rl, "instance %s: dropped a tagged packet from its "
                         "port that belongs to no transfer of it",
                         instance ? instance->name : "(unknown)");
        }
    }
    mbox_upcall_destroy(upcall);
}

void
mbox_transfers_run(struct mbox_coordinator *c)
{
    struct mbox_open_transfer *ot;

    for (int i = 0; i < MAX_UPCALLS_PER_ROUND; i++) {
        struct mbox_upcall *upcall = mbox_steer_recv();

        if (!upcall) {
            break;
        }
        recv_upcall(c, upcall);
    }

    HMAP_FOR_EACH_SAFE (ot, node, &c->transfers.open) {
        mbox_transfer_run(ot->transfer);
        if (mbox_transfer_is_done(ot->transfer)) {
            transfer_finish(ot);
        } else if ((!ot->replicated || !ovs_list_is_empty(&ot->waiters))
                   && mbox_transfer_can_fail_over(ot->transfer)) {
            /* The first round is complete, or a failover was refused. */
            struct mbox_transfer_report report;
            bool first = !ot->replicated;

            ot->replicated = true;
            mbox_transfer_get_report(ot->transfer, &report);
            answer_waiters(ot, &report, first);
        }
    }
}

void
mbox_transfers_wait(struct mbox_coordinator *c)
{
    struct mbox_open_transfer *ot;

    mbox_steer_wait();
    HMAP_FOR_EACH (ot, node, &c->transfers.open) {
        long long wake_us = mbox_transfer_wake_us(ot->transfer);

        if (wake_us <= time_usec()) {
            poll_immediate_wake();
        } else if (wake_us != LLONG_MAX) {
            poll_timer_wait_until(DIV_ROUND_UP(wake_us, 1000));
        }
    }
}

void
mbox_transfers_destroy(struct mbox_coordinator *c)
{
    struct mbox_transfers *transfers = &c->transfers;
    struct mbox_past_transfer *past;
    struct mbox_open_transfer *ot;
    struct mbox_dup_count *count;

    HMAP_FOR_EACH_SAFE (ot, node, &transfers->open) {
        struct mbox_waiter *waiter;

        /* The main thread answers for us. */
        LIST_FOR_EACH_POP (waiter, node, &ot->waiters) {
            free(waiter);
        }
        transfer_free(ot);
    }
    hmap_destroy(&transfers->open);
    LIST_FOR_EACH_POP (past, node, &transfers->history) {
        free(past);
    }
    mbox_totals_destroy(&transfers->totals);
    HMAP_FOR_EACH_POP (count, node, &transfers->dup_counts) {
        free(count);
    }
    hmap_destroy(&transfers->dup_counts);
}
