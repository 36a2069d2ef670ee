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
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_resolve);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* How long to wait for the database, in ms. */
#define RECORD_MS 2000

/* What is in the history is recorded, too. */
BUILD_ASSERT_DECL(MBOX_N_RECORDS > MBOX_HISTORY_MAX);

/* Resolved doubts that are kept in case that the other agent asks, too. */
#define MAX_DOUBTS 256

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
    bool answered;
};

struct mbox_doubt {
    struct ovs_list node;
    uint64_t epoch;
    uint32_t id;
    char class_name[MBOX_NAME_MAX + 1];
    struct party src, dst;
    uint64_t src_run;           /* As D says. */
    struct mbox_space space;

    /* What is D's: as D asked, then as it is decided. */
    enum mbox_select select;
    struct mbox_key *keys;
    size_t n_keys;

    enum stage stage;
    long long deadline;         /* Not to wait for the other agent or for the
                                 * database any longer, ms. */
    uint64_t serial;            /* What the database is to have. */
};

void
mbox_resolver_init(struct mbox_resolver *resolver)
{
    ovs_list_init(&resolver->doubts);
    resolver->n_doubts = 0;
    resolver->n_records = 0;
}

static void
doubt_destroy(struct mbox_resolver *resolver, struct mbox_doubt *doubt)
{
    ovs_list_remove(&doubt->node);
    resolver->n_doubts--;
    free(doubt->keys);
    free(doubt);
}

void
mbox_resolver_destroy(struct mbox_resolver *resolver)
{
    struct mbox_doubt *doubt;

    LIST_FOR_EACH_SAFE (doubt, node, &resolver->doubts) {
        doubt_destroy(resolver, doubt);
    }
}

/* Records. */

static struct mbox_record *
find_record(struct mbox_resolver *resolver, uint64_t epoch, uint32_t id)
{
    for (size_t i = 0; i < resolver->n_records; i++) {
        struct mbox_record *record = &resolver->records[i];

        if (record->epoch == epoch && record->id == id) {
            return record;
        }
    }
    return NULL;
}

void
mbox_resolver_unrecord(struct mbox_resolver *resolver, uint64_t epoch,
                       uint32_t id)
{
    struct mbox_record *record = find_record(resolver, epoch, id);

    if (record) {
        size_t n = &resolver->records[resolver->n_records] - record - 1;

        memmove(record, record + 1, n * sizeof *record);
        resolver->n_records--;
    }
}

void
mbox_resolver_record(struct mbox_resolver *resolver, uint64_t epoch,
                     uint32_t id, bool split, enum mbox_select select)
{
    mbox_resolver_unrecord(resolver, epoch, id);
    if (resolver->n_records == MBOX_N_RECORDS) {
        mbox_resolver_unrecord(resolver, resolver->records[0].epoch,
                               resolver->records[0].id);
    }
    resolver->records[resolver->n_records++] = (struct mbox_record) {
        .epoch = epoch, .id = id, .split = split, .select = select,
    };
}

char *
mbox_resolver_format(const struct mbox_resolver *resolver)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < resolver->n_records; i++) {
        const struct mbox_record *record = &resolver->records[i];

        ds_put_format(&ds, "%s%016"PRIx64".%"PRIu32"=%s", i ? " " : "",
                      record->epoch, record->id,
                      (!record->split ? "moved"
                       : record->select == MBOX_SELECT_KEYS ? "split"
                       : "split-rest"));
    }
    return ds_steal_cstr(&ds);
}

void
mbox_resolver_parse(struct mbox_resolver *resolver, const char *s)
{
    char *copy = xstrdup(s);
    char *save_ptr = NULL;

    for (char *word = strtok_r(copy, " ", &save_ptr); word;
         word = strtok_r(NULL, " ", &save_ptr)) {
        uint64_t epoch;
        uint32_t id;
        int n = -1;

        if (ovs_scan(word, "%"SCNx64".%"SCNu32"=%n", &epoch, &id, &n)
            && n > 0 && (!strcmp(word + n, "moved")
                         || !strcmp(word + n, "split")
                         || !strcmp(word + n, "split-rest"))) {
            mbox_resolver_record(resolver, epoch, id, word[n] == 's',
                                 (strchr(word + n, '-')
                                  ? MBOX_SELECT_ALL_EXCEPT
                                  : MBOX_SELECT_KEYS));
        } else {
            VLOG_WARN_RL(&rl, "external_ids:mbox-commits: \"%s\" makes no "
                         "sense", word);
        }
    }
    free(copy);
}

/* Assignments. */

/* Assigns to D what is D's of what S has.  Returns 0 or a negative errno
 * value. */
static int
assign(struct mbox_coordinator *c, struct mbox_doubt *doubt)
{
    int error = mbox_class_move(doubt->class_name, &doubt->space,
                                doubt->select, doubt->keys, doubt->n_keys,
                                doubt->src.name, doubt->dst.name);

    if (!error) {
        mbox_registry_note_class(&c->registry, doubt->class_name);
        c->assignments_changed = true;
    }
    return error;
}

static void
add_key(struct mbox_doubt *doubt, size_t *allocated,
        const struct mbox_key *key)
{
    if (doubt->n_keys >= *allocated) {
        doubt->keys = x2nrealloc(doubt->keys, allocated, sizeof *doubt->keys);
    }
    mbox_key_canonical(key, &doubt->keys[doubt->n_keys++]);
}

static void
clear_keys(struct mbox_doubt *doubt, enum mbox_select select)
{
    free(doubt->keys);
    doubt->keys = NULL;
    doubt->n_keys = 0;
    doubt->select = select;
}

/* Finds out what is D's of a transfer that has split: as is assigned.  How the
 * flow space is assigned does not matter, which may be in pieces, but single
 * flows do, also those of which one direction was a third instance's. */
static void
read_split(struct mbox_doubt *doubt, enum mbox_select select)
{
    const char *owner = (select == MBOX_SELECT_KEYS
                         ? doubt->dst.name : doubt->src.name);
    struct mbox_assignment *assignments;
    size_t n = mbox_class_get_assignments(doubt->class_name, &assignments);
    size_t allocated = 0;

    clear_keys(doubt, select);
    for (size_t i = 0; i < n; i++) {
        const struct mbox_space *space = &assignments[i].space;

        if (!strcmp(assignments[i].instance, owner)
            && is_all_ones(&space->mask, sizeof space->mask)
            && doubt->n_keys < MBOX_RESOLVE_KEYS_MAX) {
            add_key(doubt, &allocated, &space->value);
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
decide_abort(struct mbox_doubt *doubt)
{
    log_outcome(doubt, "nothing has moved");
    doubt->stage = STAGE_ABORT;
    clear_keys(doubt, MBOX_SELECT_KEYS);
}

/* What is D's is known already. */
static void
decide_known(struct mbox_doubt *doubt, bool split, enum mbox_select select)
{
    log_outcome(doubt, split ? "it has split" : "it has moved");
    doubt->stage = STAGE_COMMIT;
    if (split) {
        read_split(doubt, select);
    } else {
        clear_keys(doubt, MBOX_SELECT_ALL_EXCEPT);
    }
}

static void
decide_commit(struct mbox_coordinator *c, struct mbox_doubt *doubt)
{
    bool split = doubt->select == MBOX_SELECT_KEYS || doubt->n_keys;

    if (assign(c, doubt)) {
        decide_abort(doubt);    /* Nothing tells its flows from others'. */
        return;
    }
    log_outcome(doubt, split ? "it splits" : "everything moves");
    mbox_resolver_record(&c->resolver, doubt->epoch, doubt->id, split,
                         doubt->select);
    mbox_coordinator_publish_assignments(c);
    doubt->serial = c->assignments_serial;
    doubt->stage = STAGE_RECORDING;
    doubt->deadline = time_msec() + RECORD_MS;
}

/* Decides about a transfer of this run.  Returns false if it is still
 * open. */
static bool
decide_own(struct mbox_coordinator *c, struct mbox_doubt *doubt,
           const struct mbox_record *record)
{
    const struct mbox_past_transfer *past;

    if (mbox_transfers_find(&c->transfers, doubt->id)) {
        return false;
    }
    past = mbox_transfers_find_past(&c->transfers, doubt->id);
    if (record) {
        decide_known(doubt, record->split, record->select);
    } else if (past && past->report.result == MBOX_TRANSFER_MOVED) {
        decide_known(doubt, false, MBOX_SELECT_ALL_EXCEPT); /* A copy. */
    } else {
        decide_abort(doubt);
    }
    return true;
}

/* The agent of 'party', which does not ask; NULL if it is not connected.
 * Stores in '*may_ask' whether it still may. */
static const struct mbox_conn *
silent_conn(const struct mbox_coordinator *c, const struct party *party,
            bool *may_ask)
{
    const struct mbox_instance *instance
        = mbox_registry_find(&c->registry, party->name);
    const struct mbox_conn *conn = instance ? instance->conn : NULL;

    *may_ask = conn && conn->n_unasked;
    return conn;
}

static void
decide(struct mbox_coordinator *c, struct mbox_doubt *doubt)
{
    const struct mbox_record *record = find_record(&c->resolver, doubt->epoch,
                                                   doubt->id);
    const struct mbox_conn *conn;
    bool may_ask;

    if (doubt->epoch == c->epoch) {
        decide_own(c, doubt, record);
        return;
    } else if (record) {
        decide_known(doubt, record->split, record->select);
        return;
    }

    if (doubt->src.conn && doubt->dst.conn) {
        if (doubt->select == MBOX_SELECT_KEYS && !doubt->n_keys) {
            decide_abort(doubt);
        } else {
            decide_commit(c, doubt);
        }
        return;
    }

    conn = silent_conn(c, doubt->src.conn ? &doubt->dst : &doubt->src,
                       &may_ask);
    if (may_ask || (!conn && time_msec() < doubt->deadline)) {
        return;
    }
    if (doubt->src.conn || (conn && conn->run == doubt->src_run)) {
        decide_abort(doubt);
    } else {
        clear_keys(doubt, MBOX_SELECT_ALL_EXCEPT);
        decide_commit(c, doubt);
    }
}

static void
answer(struct mbox_doubt *doubt, struct party *party)
{
    if (party->conn) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_RESOLVE, doubt->id);
        msg.epoch = doubt->epoch;
        msg.code = doubt->stage == STAGE_ABORT ? ECANCELED : 0;
        msg.select = doubt->select;
        msg.n_keys = doubt->n_keys;
        mbox_conn_send(party->conn, &msg, doubt->keys, -1);
        party->conn = NULL;
        party->answered = true;
    }
}

void
mbox_resolver_run(struct mbox_coordinator *c)
{
    struct mbox_resolver *resolver = &c->resolver;
    struct mbox_doubt *doubt;

    LIST_FOR_EACH_SAFE (doubt, node, &resolver->doubts) {
        bool asked = doubt->src.conn || doubt->dst.conn;

        if (doubt->stage == STAGE_UNKNOWN && asked) {
            decide(c, doubt);
        }
        if (doubt->stage == STAGE_RECORDING
            && (mbox_mailbox_get_durable(c->mailbox) >= doubt->serial
                || time_msec() >= doubt->deadline)) {
            doubt->stage = STAGE_COMMIT;
        }
        if (doubt->stage == STAGE_COMMIT || doubt->stage == STAGE_ABORT) {
            answer(doubt, &doubt->src);
            answer(doubt, &doubt->dst);
        }
        if ((doubt->src.answered && doubt->dst.answered)
            || (!asked && (doubt->stage == STAGE_UNKNOWN
                           || resolver->n_doubts > MAX_DOUBTS))) {
            doubt_destroy(resolver, doubt);
        }
    }
}

void
mbox_resolver_wait(const struct mbox_coordinator *c)
{
    const struct mbox_doubt *doubt;

    LIST_FOR_EACH (doubt, node, &c->resolver.doubts) {
        if ((doubt->stage == STAGE_UNKNOWN && doubt->epoch != c->epoch
             && time_msec() < doubt->deadline)
            || doubt->stage == STAGE_RECORDING) {
            poll_timer_wait_until(doubt->deadline);
        }
    }
}

/* Messages. */

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
doubt_create(struct mbox_resolver *resolver, const struct mbox_conn *conn,
             const struct mbox_msg *msg)
{
    bool is_src = msg->role == MBOX_ROLE_SOURCE;
    struct mbox_doubt *doubt = xzalloc(sizeof *doubt);

    doubt->epoch = msg->epoch;
    doubt->id = msg->id;
    ovs_strlcpy(doubt->class_name, conn->class_name,
                sizeof doubt->class_name);
    ovs_strlcpy(doubt->src.name, is_src ? conn->name : msg->name,
                sizeof doubt->src.name);
    ovs_strlcpy(doubt->dst.name, is_src ? msg->name : conn->name,
                sizeof doubt->dst.name);
    doubt->space = msg->space;
    doubt->select = MBOX_SELECT_KEYS;
    doubt->deadline = time_msec() + MBOX_RESOLVE_MS;
    ovs_list_push_back(&resolver->doubts, &doubt->node);
    resolver->n_doubts++;
    return doubt;
}

/* True if instance 'name' is of 'class_name', or there is no such instance
 * now. */
static bool
may_be_of_class(const struct mbox_coordinator *c, const char *name,
                const char *class_name)
{
    const struct mbox_instance *instance
        = mbox_registry_find(&c->registry, name);

    return !instance || !strcmp(mbox_instance_class(instance), class_name);
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
    conn->n_unasked--;

    if (!strcmp(conn->name, msg->name)
        || !may_be_of_class(c, conn->name, conn->class_name)
        || !may_be_of_class(c, msg->name, conn->class_name)) {
        mbox_conn_blame(conn, "OPEN for transfer %"PRIu32" with \"%s\", which "
                        "is not another instance of class %s", msg->id,
                        msg->name, conn->class_name);
        return;
    }

    struct mbox_doubt *doubt = find_doubt(&c->resolver, msg->epoch, msg->id);
    if (!doubt) {
        doubt = doubt_create(&c->resolver, conn, msg);
    }

    struct party *party = is_src ? &doubt->src : &doubt->dst;
    const struct party *peer = is_src ? &doubt->dst : &doubt->src;
    if (strcmp(party->name, conn->name) || strcmp(peer->name, msg->name)
        || strcmp(doubt->class_name, conn->class_name) || party->conn) {
        mbox_conn_blame(conn, "OPEN for transfer %"PRIu32", which it has no "
                        "part in", msg->id);
        return;
    }
    party->conn = conn;
    party->answered = false;
    if (!is_src && doubt->stage == STAGE_UNKNOWN) {
        size_t allocated = 0;

        doubt->src_run = msg->run;
        clear_keys(doubt, msg->select);
        for (uint32_t i = 0; i < msg->n_keys; i++) {
            struct mbox_key key;

            mbox_msg_get_key(msg, i, &key);
            add_key(doubt, &allocated, &key);
        }
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
    }
}

void
mbox_resolver_conn_lost(struct mbox_coordinator *c,
                        const struct mbox_conn *conn)
{
    struct mbox_doubt *doubt;

    LIST_FOR_EACH (doubt, node, &c->resolver.doubts) {
        if (doubt->src.conn == conn) {
            doubt->src.conn = NULL;
        }
        if (doubt->dst.conn == conn) {
            doubt->dst.conn = NULL;
        }
    }
}
