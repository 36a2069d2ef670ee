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

#ifndef MBOX_CONN_H
#define MBOX_CONN_H 1

/* The agents' control connections
 * ===============================
 *
 * Handshake, keepalive, and the checks that every message must pass before
 * anything else sees it.  An agent that breaks the protocol is disconnected,
 * with a log message that names it, and nobody else notices.
 *
 * Coordinator thread only. */

#include "openvswitch/list.h"

#include "mbox-channel.h"
#include "mbox-listeners.h"
#include "mbox-mailbox.h"
#include "mbox-msg.h"

struct mbox_coordinator;

/* Connections that have not yet said HELLO: when there are more, the oldest
 * goes. */
#define MBOX_CONN_MAX_STRANGERS 64

/* Serial lines on which no guest has said anything yet, likewise.  The monitor
 * of a guest that has booted and runs no agent has such a connection. */
#define MBOX_CONN_MAX_SILENT 256

/* How long an agent with transfers in doubt may leave the coordinator without
 * a question, or a full part of one, in ms.  Longer than a destination goes on
 * with the state channel before it asks (libmbox: MB_DOUBT_NS): one that is
 * disconnected too early has lost what it may have processed. */
#define MBOX_CONN_ASK_MS (6 * 60 * 1000)

/* An agent that sends so many packets outside of its transfers' flow spaces
 * within such a time, in ms, is disconnected. */
#define MBOX_CONN_MAX_FOREIGN 1000
#define MBOX_CONN_FOREIGN_MS 10000

/* Backlog of a destination from which on the source is not read any more. */
#define MBOX_CONN_RELAY_BACKLOG (1024 * 1024)

struct mbox_conn {
    struct ovs_list node;       /* In mbox_conns' 'list'. */
    struct mbox_channel *channel;
    char *peer;                 /* For messages. */
    char *why_dead;             /* Nonnull once it is to be removed. */

    /* From HELLO. */
    bool ready;                 /* Handshake is done. */
    char name[MBOX_NAME_MAX + 1];
    char class_name[MBOX_NAME_MAX + 1];
    char product[MBOX_TEXT_MAX + 1];
    char outputs[MBOX_TEXT_MAX + 1];    /* Output functions, with commas. */
    uint64_t schema;
    uint32_t scopes;            /* Kinds of state that it keeps. */
    bool needs_relay;           /* It cannot receive descriptors. */
    uint64_t run;               /* Its process. */
    unsigned int n_unasked;     /* OPEN messages that are to come. */
    long long ask_until;        /* When the next is due, ms. */
    unsigned int n_unresolved;  /* Its transfers in doubt. */

    long long connected_at;     /* When its peer was first there, in ms,
                                 * time_msec(); LLONG_MAX: not yet. */
    long long last_rx;
    bool probing;               /* ECHO_REQUEST sent since 'last_rx'. */
    uint64_t n_written;         /* Bytes that it had taken, and when it is to
                                 * have taken more, ms; 0 as long as none */
    long long stalled_at;       /* wait for it. */
    bool more;                  /* There may be input left to process. */
    struct mbox_conn *relay_to; /* Got the last state frame from this one. */
    int n_foreign;              /* See MBOX_CONN_MAX_FOREIGN. */
    long long foreign_until;    /* When they are counted anew, ms. */
    uint64_t n_relayed;         /* State frames relayed from this one. */
    bool has_stats;             /* STATS has come that nobody has used. */
    uint64_t n_flows;           /* Of the last STATS, as the two below; */
    uint64_t cpu_ns, clock_ns;  /* see mbox-msg.h. */
};

struct mbox_conns {
    struct ovs_list list;       /* All connections, oldest first. */
    struct mbox_listeners listeners;
    int probe_ms;
    bool verify_names;          /* See struct mbox_config. */
};

void mbox_conns_init(struct mbox_conns *);
void mbox_conns_destroy(struct mbox_coordinator *);

void mbox_conns_configure(struct mbox_conns *, const struct mbox_config *);

/* Accepts connections, receives messages, sends probes, removes the dead. */
void mbox_conns_run(struct mbox_coordinator *);

/* Writes what is queued to be sent.  To be called last. */
void mbox_conns_flush(struct mbox_coordinator *);
void mbox_conns_wait(struct mbox_coordinator *);

/* Queues a message.  Returns 0 or a negative errno value; then the connection
 * has failed, which the next mbox_conns_run() handles.  Takes 'fd'. */
int mbox_conn_send(struct mbox_conn *, const struct mbox_msg *,
                    const struct mbox_key *keys, int fd);

bool mbox_conn_can_pass_fd(const struct mbox_conn *);

/* Marks 'conn' to be removed: it broke the protocol. */
void mbox_conn_blame(struct mbox_conn *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

#endif /* mbox-conn.h */
