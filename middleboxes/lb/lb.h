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

#ifndef LB_H
#define LB_H 1

/* The core of mbox-lb: a load balancer as a function of packets
 * =============================================================
 *
 * Takes packets, the time and state as arguments; gives changed packets,
 * frames of its own, and events in a log.  It does no other input or output
 * and does not know libmbox, so that a test can drive it.  One thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lb-config.h"
#include "lb-frame.h"
#include "mbox-key.h"

struct event_log;
struct mbox_writer;
struct packet_trace;

struct lb_setup {
    const struct lb_config *config;
    struct event_log *log;
    struct packet_trace *trace; /* Or NULL. */
    bool log_connections;       /* Log the end of each connection. */
    uint64_t now;               /* At the start, as 'now' everywhere: ns. */
    uint64_t wall;              /* The same time in us since 1970. */
    uint8_t addrs[2][16];       /* This instance's own addresses, for checks:
                                 * IPv4, IPv6; all zeros: none. */
    unsigned int backend_port;  /* Index of the port that backends are at. */

    /* Sends a frame.  May be null. */
    void (*send)(void *aux, unsigned int port, const struct lb_frame *);

    /* Called when a connection changes that no packet of it changes: it is
     * ended by a timer.  May be null. */
    void (*dirty)(void *aux, const struct mbox_key *);

    /* Called when a packet decides that others of its connection will come
     * under another key, that of a backend's packets.  May be null. */
    void (*alias)(void *aux, const struct mbox_key *,
                  const struct mbox_key *back);

    /* Returns true if no timer may end the connection yet, because it still
     * belongs to another instance.  May be null. */
    bool (*is_pending)(void *aux, const struct mbox_key *);
    void *aux;
};

struct lb_stats {
    uint64_t packets, bytes;    /* All that came. */
    uint64_t to_backends, to_clients;   /* Packets of connections. */
    uint64_t icmp_errors;       /* About connections. */
    uint64_t passed;            /* Not ours. */
    uint64_t created, adopted, imported, ended, deleted;    /* Connections. */
    uint64_t reassigned;        /* Of a backend that is down. */
    uint64_t checks;            /* Begun. */

    /* Dropped packets. */
    uint64_t no_backend;        /* None is up. */
    uint64_t no_service;        /* For a VIP, but no service of it. */
    uint64_t no_connection;     /* Of none. */
    uint64_t fragments, table_full;
    uint64_t malformed;         /* Also: from a multicast MAC address. */
};

/* A connection that may not end yet is looked at again after as long. */
#define LB_PENDING_SECONDS 1

struct lb;

/* Null, with a malloc()ed message in '*errp', if the services need an address
 * of this instance that it has not. */
struct lb *lb_create(const struct lb_setup *, char **errp);

/* Frees everything and logs nothing. */
void lb_destroy(struct lb *);

/* Processes the packet of 'len' bytes at 'frame', which came in at port 'port'
 * and which mbox_key_extract() gave 'key' and 'layout' of, at time 'now' (a
 * time that goes back counts as the latest one). It may change the packet. */
enum lb_verdict {
    LB_DROP,
    LB_FORWARD,
    LB_RETURN,                  /* By the port that it came in at. */
};
enum lb_verdict lb_packet(struct lb *, uint64_t now, unsigned int port,
                          uint8_t *frame, size_t len,
                          const struct mbox_key *key,
                          const struct mbox_packet_layout *layout);

/* Ends connections that are idle, and checks backends. To be called every
 * 100 ms or so. */
void lb_tick(struct lb *, uint64_t now);

/* Says what time it is.  To be called before the state functions below, which
 * turn times into ages and back. */
void lb_set_time(struct lb *, uint64_t now);

/* Ends and logs all connections, for an orderly shutdown. */
void lb_finish(struct lb *, uint64_t now);

size_t lb_n_conns(const struct lb *);
const struct lb_stats *lb_get_stats(const struct lb *);

/* Logs a "stats" event. */
void lb_log_stats(struct lb *);

/* Per-flow state (lb-state.c): connections.  Keys are canonical ones of the
 * client's packets.  All return 0 or a negative errno value.  A failed 'put'
 * changes nothing. */
#define LB_STATE_VERSION 1

/* Calls 'cb' for each connection, until it returns nonzero, and returns that.
 * 'back' is the key of the packets that come back, null if they do not come
 * this way. */
typedef int lb_list_cb(void *aux, const struct mbox_key *,
                       const struct mbox_key *back);
int lb_state_list(struct lb *, lb_list_cb *, void *aux);

/* Stores in '*back' the key of the packets that come back, or one of family 0
 * if they do not come this way. */
int lb_state_get(struct lb *, const struct mbox_key *, struct mbox_writer *,
                 struct mbox_key *back);
int lb_state_put(struct lb *, const struct mbox_key *, const void *data,
                 size_t len);
int lb_state_del(struct lb *, const struct mbox_key *);

/* All-flows state: which backends are up.  An instance trusts its own checks,
 * and takes over only what it has not found out yet. */
void lb_health_get(struct lb *, struct mbox_writer *);
int lb_health_put(struct lb *, const void *data, size_t len);

/* Static configuration, which instances must have in common: its digest. */
void lb_config_get(struct lb *, struct mbox_writer *);
int lb_config_put(struct lb *, const void *data, size_t len);

#endif /* lb.h */
