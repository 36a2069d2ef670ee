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

#ifndef MBOX_TRANSFERS_H
#define MBOX_TRANSFERS_H 1

/* Open transfers and the history
 * ==============================
 *
 * Binds each transfer's state machine (mbox-transfer.h) to the agents'
 * channels (mbox-conn.h), the datapath (mbox-steer.h) and the assignments
 * (mbox-class.h).
 *
 * Coordinator thread only. */

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

#include "mbox-alias.h"
#include "mbox-class.h"
#include "mbox-totals.h"
#include "mbox-transfer.h"

struct ds;
struct json;
struct mbox_conn;
struct mbox_coordinator;
struct mbox_instance;
struct mbox_steer;

#define MBOX_HISTORY_MAX 100

/* A command that gets the transfer's report when it is done. */
struct mbox_waiter {
    struct ovs_list node;
    uint64_t request;
    bool json;
    bool cancels;               /* It succeeds if the transfer does not. */
};

/* One side of a transfer. */
struct mbox_party {
    char instance[MBOX_NAME_MAX + 1];
    struct mbox_conn *conn;     /* NULL once its connection has ended. */
    char dp_name[64];           /* Its port when the transfer began. */
    odp_port_t port;
    bool port_lost;
    int state_fd;               /* Its end of the state channel, until it is
                                 * sent; -1 if there is none. */
};

/* The assignments of a class, in order of decreasing precedence. */
struct mbox_assignments {
    struct mbox_assignment *array;
    size_t n;
};

struct mbox_open_transfer {
    struct hmap_node node;      /* In mbox_transfers' 'open', by id. */
    struct mbox_coordinator *coordinator;
    struct mbox_transfer_request request;
    struct mbox_transfer *transfer;
    struct mbox_steer *steer;   /* NULL while it is not open. */
    struct mbox_party src, dst;
    bool relay;                 /* State frames go through us. */

    /* Aliases that S announced before there was a steering object. */
    struct mbox_aliases aliases;

    /* State channel over TLS: S gets its PREPARE once D listens. */
    uint64_t token;             /* 0: none. */
    struct mbox_msg *src_prepare;       /* Waits for that, or NULL. */

    /* The end. */
    enum mbox_select select;    /* Of what was assigned. */
    struct mbox_assignments before, after;      /* That. */
    uint64_t record_serial;     /* Of the assignments that record its end. */
    struct ovs_list waiters;    /* "struct mbox_waiter"s. */
    bool replicated;            /* Replica: who waited for its first round was
                                 * answered. */
};

struct mbox_past_transfer {
    struct ovs_list node;       /* In 'history', newest first. */
    struct mbox_transfer_request request;
    struct mbox_transfer_report report;
};

/* Duplicates that no transfer asked for (mbox_dup actions), by their id. */
struct mbox_dup_count {
    struct hmap_node node;
    uint32_t id;
    uint64_t n_packets;
    uint64_t n_bytes;
};
#define MBOX_DUP_COUNT_MAX 1024

struct mbox_transfers {
    struct hmap open;           /* "struct mbox_open_transfer"s. */
    struct ovs_list history;
    size_t n_history;
    struct mbox_totals totals;
    uint32_t next_id;
    struct hmap dup_counts;
    uint64_t n_dup_uncounted;   /* With more ids than MBOX_DUP_COUNT_MAX. */
    uint64_t n_tagged_dropped;  /* Packets from instances, tagged or by the
                                 * channel, that no transfer wanted. */
};

void mbox_transfers_init(struct mbox_transfers *);
void mbox_transfers_destroy(struct mbox_coordinator *);

/* Opens a transfer. 'request' is complete but for 'id' and 'epoch'.  The two
 * instances must be able to take part (mbox_instance_problem()), and 'relay'
 * be right for their agents. */
struct mbox_open_transfer *mbox_transfers_open(
    struct mbox_coordinator *, const struct mbox_transfer_request *,
    struct mbox_instance *src, struct mbox_instance *dst);

struct mbox_open_transfer *mbox_transfers_find(const struct mbox_transfers *,
                                               uint32_t id);
const struct mbox_past_transfer *mbox_transfers_find_past(
    const struct mbox_transfers *, uint32_t id);

/* An open transfer of 'class_name' that overlaps 'space', or NULL. */
struct mbox_open_transfer *mbox_transfers_find_overlap(
    const struct mbox_transfers *, const char *class_name,
    const struct mbox_space *space);

/* Takes packets from the datapath, advances every transfer, answers those
 * that are done.  'wait' arranges for the next call. */
void mbox_transfers_run(struct mbox_coordinator *);
void mbox_transfers_wait(struct mbox_coordinator *);

/* A message with a transfer's id from 'agent'; 'frame' is as it came. */
void mbox_transfers_recv(struct mbox_coordinator *, struct mbox_conn *,
                         const struct mbox_msg *, const void *frame,
                         size_t frame_len);

void mbox_transfers_agent_lost(struct mbox_coordinator *, struct mbox_conn *,
                               const char *why);

/* Tells transfers whose instance's port has gone or changed. */
void mbox_transfers_check_ports(struct mbox_coordinator *);

void mbox_transfers_cancel_all(struct mbox_coordinator *, const char *why);

/* Adds a command that is answered when the transfer is done.  It has succeeded
 * if the transfer moved everything, or, with 'cancels', if it did not. */
void mbox_transfer_add_waiter(struct mbox_open_transfer *, uint64_t request,
                              bool json, bool cancels);

#endif /* mbox-transfers.h */
