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
#include "mbox-resolve.h"

#include <errno.h>
#include <inttypes.h>

#include "mbox-class.h"
#include "mbox-coordinator-private.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_resolve);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* How long to wait for the database, in ms. */
#define RECORD_MS 2000

/* Keys in one part of RESOLVE, and how many bytes may wait for an agent when
 * another part is sent: more than there are while state is relayed to it. */
#define PART_KEYS 65536
#define PART_BACKLOG (2 * MBOX_CONN_RELAY_BACKLOG)

/* The records of this run's history are there. */
BUILD_ASSERT_DECL(MBOX_N_RECORDS > MBOX_HISTORY_MAX);

enum stage {
    STAGE_UNKNOWN,
    STAGE_RECORDING,            /* To be committed: the database is to have it
                                 * first. */
    STAGE_COMMIT,
    STAGE_ABORT,
};

struct party {
    char name[MBOX_NAME_MAX + 1];
    struct mbox_conn *conn;     /* That asks, or NULL. */
    bool asks;                  /* All parts of its OPEN are here. */
    size_t n_told;              /* Keys that it has been sent. */
    long long stalled_at;       /* To be given up if none go until then, ms;
                                 * 0 as long as none wait. */
};

/* A transfer that an agent asks about.  It exists until who asks is answered;
 * what was decided is in the record. */
struct mbox_doubt {
    struct ovs_list node;
    uint64_t epoch;
    uint32_t id;
    char class_name[MBOX_NAME_MAX + 1];
    struct party src, dst;

    /* What is D's: as D asked, then as it is decided. */
    enum mbox_select select;
    struct mbox_key *keys;
    size_t n_keys, allocated_keys;

    enum stage stage;
    long long deadline;         /* Not to wait for the other agent or for the
                                 * database any longer, ms. */
    uint64_t serial;            /* What the database is to have. */
};

void
mbox_resolver_init(struct mbox_resolver *resolver)
{
    *resolver = (struct mbox_resolver) { .n_keys = 0 };
    ovs_list_init(&resolver->doubts);
}

/* Keys. */

static void
add_key(struct mbox_resolver *resolver, struct mbox_doubt *doubt,
        const struct mbox_key *key)
{
    if (doubt->n_keys >= doubt->allocated_keys) {
        doubt->keys = x2nrealloc(doubt->keys, &doubt->allocated_keys,
                                 sizeof *doubt->keys);
    }
    mbox_key_canonical(key, &doubt->keys[doubt->n_keys++]);
    resolver->n_keys++;
}

static void
clear_keys(struct mbox_resolver *resolver, struct mbox_doubt *doubt,
           enum mbox_select select)
{
    if (doubt->n_keys) {
        resolver->again = true;
    }
    resolver->n_keys -= doubt->n_keys;
    free(doubt->keys);
    doubt->keys = NULL;
    doubt->n_keys = doubt->allocated_keys = 0;
    doubt->select = select;
}

static void
doubt_destroy(struct mbox_resolver *resolver, struct mbox_doubt *doubt)
{
    clear_keys(resolver, doubt, MBOX_SELECT_KEYS);
    ovs_list_remove(&doubt->node);
    free(doubt);
    resolver->again = true;
}

void
mbox_resolver_destroy(struct mbox_resolver *resolver)
{
    struct mbox_doubt *doubt;

    LIST_FOR_EACH_SAFE (doubt, node, &resolver->doubts) {
        doubt_destroy(resolver, doubt);
    }
}

/* Assignments. */

/* Assigns to D what is D's of what S has in 'space'.  Returns 0 or a negative
 * errno value. */
static int
assign(struct mbox_coordinator *c, struct mbox_doubt *doubt,
       const struct mbox_space *space)
{
    int error = mbox_class_move(doubt->class_name, space, doubt->select,
                                doubt->keys, doubt->n_keys, doubt->src.name,
                                doubt->dst.name);

    if (!error) {
        mbox_registry_note_class(&c->registry, doubt->class_name);
        c->assignments_changed = true;
    }
    return error;
}

/* Finds out what is D's of a transfer that has split: as is assigned.  How the
 * flow space is assigned does not matter, which may be in pieces, but single
 * flows do, also those of which one direction was a third instance's. */
static void
read_split(struct mbox_resolver *resolver, struct mbox_doubt *doubt,
           enum mbox_select select)
{
    const char *owner = (select == MBOX_SELECT_KEYS
                         ? doubt->dst.name : doubt->src.name);
    struct mbox_assignment *assignments;
    size_t n = mbox_class_get_assignments(doubt->class_name, &assignments);

    doubt->select = select;
    for (size_t i = 0; i < n; i++) {
        const struct mbox_space *space = &assignments[i].space;

        if (!strcmp(assignments[i].instance, owner)
            && is_all_ones(&space->mask, sizeof space->mask)) {
            add_key(resolver, doubt, &space->value);
        }
    }
    free(assignments);
}

/* Decisions. */

static void
log_outcome(const struct mbox_doubt *doubt, const char *outcome)
{
    VLOG_INFO("transfer %"PRIu32" of run %016"PRIx64" from %s to %s was in "
              "doubt: %s", doubt->id, doubt->epoch, doubt->src.name,
              doubt->dst.name, outcome);
}

static void
decide_abort(struct mbox_coordinator *c, struct mbox_doubt *doubt,
             struct mbox_record *record)
{
    log_outcome(doubt, "nothing has moved");
    doubt->stage = STAGE_ABORT;
    clear_keys(&c->resolver, doubt, MBOX_SELECT_KEYS);
    if (record) {
        mbox_records_remove(&c->records, record);
    }
}

/* What is D's is known already.  'state' is not OPEN. */
static void
decide_known(struct mbox_coordinator *c, struct mbox_doubt *doubt,
             enum mbox_record_state state)
{
    struct mbox_resolver *resolver = &c->resolver;
    bool split = state != MBOX_RECORD_MOVED;

    /* What D asks with does not count, and must not hold up others. */
    clear_keys(resolver, doubt, MBOX_SELECT_ALL_EXCEPT);
    if (split && resolver->n_keys > MBOX_RESOLVE_KEYS_AGENT) {
        return;                 /* When others have been answered. */
    }
    log_outcome(doubt, split ? "it has split" : "it has moved");
    doubt->stage = STAGE_COMMIT;
    if (split) {
        read_split(resolver, doubt, (state == MBOX_RECORD_SPLIT
                                     ? MBOX_SELECT_KEYS
                                     : MBOX_SELECT_ALL_EXCEPT));
    }
}

static void
decide_commit(struct mbox_coordinator *c, struct mbox_doubt *doubt,
              struct mbox_record *record)
{
    bool all = doubt->select == MBOX_SELECT_ALL_EXCEPT && !doubt->n_keys;

    if (assign(c, doubt, &record->space)) {
        /* Nothing tells its flows from others'. */
        decide_abort(c, doubt, record);
        return;
    }
    log_outcome(doubt, all ? "everything moves" : "it splits");
    mbox_records_end(&c->records, record,
                     (all ? MBOX_RECORD_MOVED
                      : doubt->select == MBOX_SELECT_KEYS ? MBOX_RECORD_SPLIT
                      : MBOX_RECORD_SPLIT_REST));
    mbox_coordinator_publish_assignments(c);
    doubt->serial = c->assignments_serial;
    doubt->stage = STAGE_RECORDING;
    doubt->deadline = time_msec() + RECORD_MS;
}

/* Decides about a transfer of this run, unless it is still open. */
static void
decide_own(struct mbox_coordinator *c, struct mbox_doubt *doubt,
           const struct mbox_record *record)
{
    const struct mbox_past_transfer *past;
    const struct mbox_open_transfer *ot;

    ot = mbox_transfers_find(&c->transfers, doubt->id);
    if (ot) {
        if (doubt->src.asks && mbox_transfer_can_fail_over(ot->transfer)) {
            mbox_transfer_cancel(ot->transfer, "its source is back, which has "
                                 "gone on without it");
        }
        return;
    }
    past = mbox_transfers_find_past(&c->transfers, doubt->id);
    if (record) {
        decide_known(c, doubt, record->state);
    } else if (past && past->report.result == MBOX_TRANSFER_MOVED) {
        decide_known(c, doubt, MBOX_RECORD_MOVED);      /* A copy. */
    } else {
        decide_abort(c, doubt, NULL);
    }
}

/* The agent of the instance 'name', which does not ask; NULL if it is not
 * connected.  Stores in '*may_ask' whether it still may. */
static const struct mbox_conn *
silent_conn(const struct mbox_coordinator *c, const char *name, bool *may_ask)
{
    const struct mbox_instance *instance
        = mbox_registry_find(&c->registry, name);
    const struct mbox_conn *conn = instance ? instance->conn : NULL;

    *may_ask = conn && conn->n_unasked;
    return conn;
}

static void
decide(struct mbox_coordinator *c, struct mbox_doubt *doubt)
{
    struct mbox_record *record = mbox_records_find(&c->records, doubt->epoch,
                                                   doubt->id);
    const struct mbox_conn *conn;
    bool may_ask;

    if (doubt->epoch == c->epoch) {
        decide_own(c, doubt, record);
        return;
    } else if (!record) {
        decide_abort(c, doubt, NULL);
        return;
    } else if (record->state != MBOX_RECORD_OPEN) {
        decide_known(c, doubt, record->state);
        return;
    }

    if (doubt->src.asks && doubt->dst.asks) {
        if (doubt->select == MBOX_SELECT_KEYS && !doubt->n_keys) {
            decide_abort(c, doubt, record);
        } else {
            decide_commit(c, doubt, record);
        }
        return;
    }

    conn = silent_conn(c, doubt->src.asks ? doubt->dst.name : doubt->src.name,
                       &may_ask);
    if (may_ask || (!conn && time_msec() < doubt->deadline)) {
        return;
    }
    if (doubt->src.asks || (conn && conn->run == record->src_run)) {
        decide_abort(c, doubt, record);
    } else {
        clear_keys(&c->resolver, doubt, MBOX_SELECT_ALL_EXCEPT);
        decide_commit(c, doubt, record);
    }
}

/* Removes the records of transfers of other runs that neither agent has in
 * doubt, as both are connected and say. */
static void
remove_settled(struct mbox_coordinator *c)
{
    struct mbox_record *record;

    LIST_FOR_EACH_SAFE (record, node, &c->records.open) {
        bool src_may_ask, dst_may_ask;

        if (record->epoch != c->epoch
            && silent_conn(c, record->src, &src_may_ask)
            && silent_conn(c, record->dst, &dst_may_ask)
            && !src_may_ask && !dst_may_ask) {
            mbox_records_remove(&c->records, record);
        }
    }
}

/* True if the agent of instance 'name' is there and has no transfer in
 * doubt. */
static bool
agent_is_sure(const struct mbox_coordinator *c, const char *name)
{
    const struct mbox_instance *instance
        = mbox_registry_find(&c->registry, name);

    return instance && instance->conn && !instance->conn->n_unresolved;
}

/* Notes which agents know how transfers have ended.  One that was there at the
 * end has said COMMITTED, or its connection has ended; one that came later has
 * asked if it did not know. */
static void
note_known(struct mbox_coordinator *c)
{
    struct mbox_record *record;

    LIST_FOR_EACH (record, node, &c->records.ended) {
        if (record->epoch != c->epoch
            || !mbox_transfers_find(&c->transfers, record->id)) {
            record->src_knows |= agent_is_sure(c, record->src);
            record->dst_knows |= agent_is_sure(c, record->dst);
        }
    }
    mbox_records_remove_known(&c->records);
}

/* Answers. */

/* 'conn' takes parts of an answer: others that wait for it have time. */
static void
put_off_stalls(struct mbox_resolver *resolver, const struct mbox_conn *conn,
               long long when)
{
    struct mbox_doubt *doubt;

    LIST_FOR_EACH (doubt, node, &resolver->doubts) {
        if (doubt->src.conn == conn && doubt->src.stalled_at) {
            doubt->src.stalled_at = when;
        }
        if (doubt->dst.conn == conn && doubt->dst.stalled_at) {
            doubt->dst.stalled_at = when;
        }
    }
}

/* Sends 'party', which asks, what it takes of the answer. */
static void
answer(struct mbox_resolver *resolver, const struct mbox_doubt *doubt,
       struct party *party)
{
    struct mbox_conn *conn = party->conn;
    long long stalled_at = time_msec() + MBOX_RESOLVE_STALL_MS;
    bool more = true;

    if (!party->stalled_at) {
        /* What waits for 'conn' may be answers about other transfers. */
        party->stalled_at = stalled_at;
    }
    while (more && (mbox_channel_backlog(conn->channel) < PART_BACKLOG)) {
        size_t left = doubt->n_keys - party->n_told;
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_RESOLVE, doubt->id);
        msg.epoch = doubt->epoch;
        msg.code = doubt->stage == STAGE_ABORT ? ECANCELED : 0;
        msg.select = doubt->select;
        msg.n_keys = MIN(left, PART_KEYS);
        msg.more = more = left > PART_KEYS;
        mbox_conn_send(conn, &msg, (msg.n_keys
                                    ? &doubt->keys[party->n_told] : NULL),
                       -1);
        party->n_told += msg.n_keys;
        put_off_stalls(resolver, conn, stalled_at);
    }
    if (!more) {
        party->conn = NULL;
        party->asks = false;
        party->stalled_at = 0;
    } else if (time_msec() >= party->stalled_at) {
        mbox_conn_blame(conn, "it does not take the answer to OPEN");
    }
}

void
mbox_resolver_run(struct mbox_coordinator *c)
{
    struct mbox_resolver *resolver = &c->resolver;
    struct mbox_doubt *doubt;

    resolver->again = false;
    LIST_FOR_EACH_SAFE (doubt, node, &resolver->doubts) {
        if (doubt->stage == STAGE_UNKNOWN
            && (doubt->src.asks || doubt->dst.asks)) {
            decide(c, doubt);
        }
        if (doubt->stage == STAGE_RECORDING
            && (mbox_mailbox_get_durable(c->mailbox) >= doubt->serial
                || time_msec() >= doubt->deadline)) {
            doubt->stage = STAGE_COMMIT;
        }
        if (doubt->stage == STAGE_COMMIT || doubt->stage == STAGE_ABORT) {
            if (doubt->src.asks) {
                answer(resolver, doubt, &doubt->src);
            }
            if (doubt->dst.asks) {
                answer(resolver, doubt, &doubt->dst);
            }
        }
        if (!doubt->src.conn && !doubt->dst.conn) {
            doubt_destroy(resolver, doubt);
        }
    }
    if (resolver->check_settled && ovs_list_is_empty(&resolver->doubts)) {
        resolver->check_settled = false;
        remove_settled(c);
    }
    if (resolver->check_known) {
        resolver->check_known = false;
        note_known(c);
    }
}

void
mbox_resolver_wait(const struct mbox_coordinator *c)
{
    const struct mbox_resolver *resolver = &c->resolver;
    const struct mbox_doubt *doubt;

    if (resolver->again) {
        poll_immediate_wake();
    }
    LIST_FOR_EACH (doubt, node, &resolver->doubts) {
        if ((doubt->stage == STAGE_UNKNOWN && doubt->epoch != c->epoch
             && time_msec() < doubt->deadline)
            || doubt->stage == STAGE_RECORDING) {
            poll_timer_wait_until(doubt->deadline);
        }
        if (doubt->src.stalled_at) {
            poll_timer_wait_until(doubt->src.stalled_at);
        }
        if (doubt->dst.stalled_at) {
            poll_timer_wait_until(doubt->dst.stalled_at);
        }
    }
}

/* Questions. */

static struct mbox_doubt *
find_doubt(const struct mbox_resolver *resolver, uint64_t epoch, uint32_t id)
{
    struct mbox_doubt *doubt;

    LIST_FOR_EACH (doubt, node, &resolver->doubts) {
        if (doubt->epoch == epoch && doubt->id == id) {
            return doubt;
        }
    }
    return NULL;
}

static struct mbox_doubt *
doubt_create(struct mbox_resolver *resolver, uint64_t epoch, uint32_t id,
             const char *class_name, const char *src, const char *dst)
{
    struct mbox_doubt *doubt = xzalloc(sizeof *doubt);

    doubt->epoch = epoch;
    doubt->id = id;
    ovs_strlcpy(doubt->class_name, class_name, sizeof doubt->class_name);
    ovs_strlcpy(doubt->src.name, src, sizeof doubt->src.name);
    ovs_strlcpy(doubt->dst.name, dst, sizeof doubt->dst.name);
    doubt->select = MBOX_SELECT_KEYS;
    doubt->deadline = time_msec() + MBOX_RESOLVE_MS;
    ovs_list_push_back(&resolver->doubts, &doubt->node);
    return doubt;
}

/* True if a transfer of 'class_name' from 'src' to 'dst' is the one that
 * 'conn' asks about. */
static bool
takes_part(const struct mbox_conn *conn, const struct mbox_msg *open,
           const char *class_name, const char *src, const char *dst)
{
    bool is_src = open->role == MBOX_ROLE_SOURCE;

    return (!strcmp(class_name, conn->class_name)
            && !strcmp(is_src ? src : dst, conn->name)
            && !strcmp(is_src ? dst : src, open->name));
}

/* True if there is, or was in this run, such a transfer as 'conn' asks
 * about. */
static bool
is_known(const struct mbox_coordinator *c, const struct mbox_conn *conn,
         const struct mbox_msg *open)
{
    const struct mbox_record *record
        = mbox_records_find(&c->records, open->epoch, open->id);
    const struct mbox_transfer_request *tr = NULL;

    if (record) {
        return takes_part(conn, open, record->class_name, record->src,
                          record->dst);
    } else if (open->epoch == c->epoch) {
        const struct mbox_open_transfer *ot
            = mbox_transfers_find(&c->transfers, open->id);
        const struct mbox_past_transfer *past
            = mbox_transfers_find_past(&c->transfers, open->id);

        tr = ot ? &ot->request : past ? &past->request : NULL;
    }
    return (tr && takes_part(conn, open, tr->class_name, tr->src, tr->dst));
}

/* Answers 'conn', which asks about what nobody knows. */
static void
answer_unknown(struct mbox_conn *conn, const struct mbox_msg *open)
{
    struct mbox_msg msg;

    VLOG_INFO_RL(&rl, "transfer %"PRIu32" of run %016"PRIx64" between %s and "
                 "%s, about which %s asks: no such transfer: rolled back",
                 open->id, open->epoch, conn->name, open->name, conn->name);
    mbox_msg_init(&msg, MBOX_MSG_RESOLVE, open->id);
    msg.epoch = open->epoch;
    msg.code = ENOENT;
    msg.select = MBOX_SELECT_KEYS;
    mbox_conn_send(conn, &msg, NULL, -1);
}

/* True if 'conn' may ask with 'n' keys more. */
static bool
may_add_keys(const struct mbox_resolver *resolver,
             const struct mbox_conn *conn, size_t n)
{
    const struct mbox_doubt *doubt;
    size_t n_agent = 0;

    LIST_FOR_EACH (doubt, node, &resolver->doubts) {
        if (doubt->dst.conn == conn) {
            n_agent += doubt->n_keys;
        }
    }
    return (n_agent + n <= MBOX_RESOLVE_KEYS_AGENT
            && resolver->n_keys + n <= MBOX_RESOLVE_KEYS_ALL);
}

/* Takes what D asks with, if it is in the flow space of 'record'. */
static void
take_keys(struct mbox_resolver *resolver, struct mbox_doubt *doubt,
          const struct mbox_record *record, struct mbox_conn *conn,
          const struct mbox_msg *msg)
{
    uint32_t n_outside = 0;

    if (!may_add_keys(resolver, conn, msg->n_keys)) {
        resolver->n_refused++;
        mbox_conn_blame(conn, "OPEN with too many keys: it may ask with %d, "
                        "and all agents together with %d, before they are "
                        "answered", MBOX_RESOLVE_KEYS_AGENT,
                        MBOX_RESOLVE_KEYS_ALL);
        return;
    }
    doubt->select = msg->select;
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key;

        mbox_msg_get_key(msg, i, &key);
        if (mbox_space_has_flow(&record->space, &key)) {
            add_key(resolver, doubt, &key);
        } else {
            n_outside++;
        }
    }
    if (n_outside) {
        VLOG_WARN_RL(&rl, "agent of %s (%s) asks about transfer %"PRIu32" of "
                     "run %016"PRIx64" with %"PRIu32" flows outside of its "
                     "flow space: they stay as they are", conn->name,
                     conn->peer, doubt->id, doubt->epoch, n_outside);
    }
}

static void
recv_open(struct mbox_coordinator *c, struct mbox_conn *conn,
          const struct mbox_msg *msg)
{
    bool is_src = msg->role == MBOX_ROLE_SOURCE;

    if (!conn->n_unasked) {
        mbox_conn_blame(conn, "more OPEN messages than HELLO said");
        return;
    }
    conn->n_unasked -= !msg->more;
    if (!msg->more || msg->n_keys >= PART_KEYS) {
        conn->ask_until = time_msec() + MBOX_CONN_ASK_MS;
    }
    c->resolver.check_settled = true;

    if (!is_known(c, conn, msg)) {
        if (!msg->more) {
            answer_unknown(conn, msg);
        }
        return;
    }

    struct mbox_doubt *doubt = find_doubt(&c->resolver, msg->epoch, msg->id);
    if (!doubt) {
        doubt = doubt_create(&c->resolver, msg->epoch, msg->id,
                             conn->class_name, is_src ? conn->name : msg->name,
                             is_src ? msg->name : conn->name);
    }

    struct party *party = is_src ? &doubt->src : &doubt->dst;
    if (party->asks) {
        mbox_conn_blame(conn, "second OPEN for transfer %"PRIu32, msg->id);
        return;
    }
    party->conn = conn;
    party->asks = !msg->more;
    party->n_told = 0;
    party->stalled_at = 0;

    /* What D asks with makes no difference otherwise. */
    const struct mbox_record *record = mbox_records_find(&c->records,
                                                         msg->epoch, msg->id);
    if (!is_src && doubt->stage == STAGE_UNKNOWN
        && record && record->state == MBOX_RECORD_OPEN) {
        take_keys(&c->resolver, doubt, record, conn, msg);
    }
}

void
mbox_resolver_recv(struct mbox_coordinator *c, struct mbox_conn *conn,
                   const struct mbox_msg *msg)
{
    if (msg->type == MBOX_MSG_OPEN) {
        recv_open(c, conn, msg);
    } else if (!conn->n_unresolved) {
        mbox_conn_blame(conn, "RESOLVED without a transfer in doubt");
    } else {
        conn->n_unresolved--;
        c->resolver.check_known = true;
    }
}

void
mbox_resolver_conn_ready(struct mbox_coordinator *c)
{
    c->resolver.check_settled = c->resolver.check_known = true;
}

void
mbox_resolver_transfer_done(struct mbox_coordinator *c)
{
    c->resolver.check_known = true;
    c->resolver.again = true;   /* Somebody may ask about it. */
}

void
mbox_resolver_conn_lost(struct mbox_coordinator *c,
                        const struct mbox_conn *conn)
{
    struct mbox_doubt *doubt;

    LIST_FOR_EACH (doubt, node, &c->resolver.doubts) {
        if (doubt->src.conn == conn) {
            doubt->src.conn = NULL;
            doubt->src.asks = false;
            doubt->src.stalled_at = 0;
        }
        if (doubt->dst.conn == conn) {
            doubt->dst.conn = NULL;
            doubt->dst.asks = false;
            doubt->dst.stalled_at = 0;
            if (doubt->stage == STAGE_UNKNOWN) {
                clear_keys(&c->resolver, doubt, MBOX_SELECT_KEYS);
            }
        }
    }
}
