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

#ifndef PROXY_PRIVATE_H
#define PROXY_PRIVATE_H 1

/* What the parts of the proxy share.
 *
 *   proxy.c           life, the event loop, timers
 *   proxy-packet.c    packets between ports and TUN
 *   proxy-conn.c      a socket with its buffers
 *   proxy-relay.c     HTTP on a flow's two sockets
 *   proxy-flow.c      the table of flows
 *   proxy-state.c     what moves
 *   proxy-events.c    what is logged */

#include "cache-exchange.h"
#include "proxy-handshake.h"
#include "proxy.h"
#include "wheel.h"

#define SECOND UINT64_C(1000000000)

#define PROXY_IN_MAX 65536      /* Bytes read and not yet understood; more
                                 * than HTTP_HEAD_MAX. */
#define PROXY_OUT_MAX 65536     /* No more is produced while so many bytes
                                 * wait to be sent. */
#define PROXY_CLOSE_SECONDS 5   /* To end a connection in good order. */
#define PROXY_OPEN_SECONDS 30   /* To open one. */
#define PROXY_LINK_MAX 32       /* Ethernet and VLAN headers. */

/* One of the two connections of a flow. */
struct proxy_conn {
    struct proxy_flow *flow;
    int fd;                     /* -1: none. */
    bool connected;
    bool readable, writable;    /* As far as epoll has told. */
    bool eof;                   /* The peer has closed its side, and all that
                                 * it had sent was read. */
    bool failed;                /* It has ended otherwise. */
    bool closing;               /* To be closed once 'out' is sent. */
    bool shut;                  /* This side is closed. */
    uint8_t *in;                /* Of PROXY_IN_MAX bytes, or NULL. */
    size_t in_start, in_len;
    struct mbox_writer out;
    size_t out_sent;            /* Of 'out'. */

    /* While it is being opened: what this end sent, and what came. */
    struct proxy_syn own_syn, peer_syn;
    bool imported_syn;          /* They are all that there is: no socket. */
    uint64_t resend_time;       /* Of 'own_syn'. */
    size_t fin_len;             /* Unless 0, the socket is to be given 'fin',
                                 * its peer's FIN, when it begins to live
                                 * here. */
    uint8_t fin[TCP_REPAIR_SEGMENT_MAX];
};

enum proxy_phase {
    PROXY_IDLE,                 /* Waits for a request. */
    PROXY_FORWARD,              /* The origin is asked. */
    PROXY_ANSWER,               /* What is stored is being sent. */
    PROXY_TUNNEL,               /* It is no HTTP any more. */
    PROXY_CLOSE,                /* The client's connection ends. */
    PROXY_N_PHASES
};

/* Where a flow is. */
enum proxy_place {
    PROXY_HERE,
    PROXY_LEAVING,              /* Exported: its sockets are in repair mode. */
    PROXY_ARRIVING,             /* Imported: likewise. */
};

struct proxy_flow {
    struct proxy_flow *next;    /* In its bucket. */
    struct proxy_flow *all_prev, *all_next;
    struct mbox_key key;        /* From client to server, without VLAN. */
    struct mbox_key name;       /* Canonical: what libmbox knows it by. */
    enum proxy_place place;
    bool dead;                  /* To be freed. */
    bool queued;                /* In the list of flows to be run. */
    struct proxy_flow *run_next;

    /* How frames from the client to the server begin, and where they come
     * in. */
    uint8_t link[PROXY_LINK_MAX];
    uint8_t link_len;
    uint8_t port;

    struct wheel_timer timer;
    uint64_t deadline;          /* ns. */
    struct proxy_conn client, server;

    enum proxy_phase phase;
    struct exchange x;
    struct http_body request_body, response_body;
    enum http_framing framing;  /* Of the response to the client. */
    bool request_begun;         /* A part of a head has come. */
    bool response_begun;
    bool server_keep;           /* The server's connection can go on. */
    bool server_used;           /* It has brought a response before. */
    uint64_t begin;             /* Of the request, ns. */
    uint64_t n_sent;            /* Payload bytes to the client. */
};

struct proxy_flows {
    struct proxy_flow **buckets;
    size_t mask, n;
    uint32_t basis;
    struct proxy_flow *first;   /* Of all. */
};

struct proxy_stats {
    uint64_t packets, bytes, passed;
    uint64_t to_kernel, from_kernel, unknown, frozen;
    uint64_t flows_created, flows_ended, flows_imported, flows_deleted;
    uint64_t table_full, timeouts, origin_failures;
};

struct proxy {
    struct proxy_setup setup;
    const struct proxy_config *config;
    uint64_t now;
    int64_t wall_offset;        /* CLOCK_REALTIME - CLOCK_MONOTONIC, ns. */
    struct proxy_net net;
    int epoll_fd;
    int wake_fd;                /* eventfd: flows are queued. */
    int listeners[2 * PROXY_MAX_PORTS];
    size_t n_listeners;
    bool accept_again;          /* Connections wait for descriptors. */
    int repair_error;           /* 0: connections can move. */
    struct cache cache;
    struct proxy_flows flows;
    struct wheel wheel;
    struct proxy_flow *run_first, *run_last;
    size_t n_away;              /* Flows that are not PROXY_HERE. */
    struct proxy_stats stats;
};

static inline bool
proxy_is_frozen(const struct proxy *p, const struct proxy_flow *flow)
{
    return (p->setup.is_frozen
            && p->setup.is_frozen(p->setup.aux, &flow->name));
}

/* proxy.c */
void proxy_set_time(struct proxy *, uint64_t now);
int64_t proxy_wall_time(const struct proxy *);  /* us since 1970. */

/* Has the flow run when there is time. */
void proxy_queue(struct proxy *, struct proxy_flow *);

/* Has the flow's timer run out in so many seconds. */
void proxy_set_deadline(struct proxy *, struct proxy_flow *,
                        unsigned int seconds);

/* Takes connections that the kernel has opened, or has the next tick take
 * them. */
void proxy_accept(struct proxy *);

/* Frees a flow soon, without a word to anybody. */
void proxy_forget(struct proxy *, struct proxy_flow *);

/* proxy-flow.c */
void proxy_flows_init(struct proxy_flows *, size_t max, uint32_t basis);
void proxy_flows_uninit(struct proxy_flows *);

/* Finds the flow of a packet of either direction, unless it is dead; its VLAN
 * does not matter. */
struct proxy_flow *proxy_flow_find(const struct proxy_flows *,
                                   const struct mbox_key *);

/* Adds a flow for packets with 'key', from client to server. */
struct proxy_flow *proxy_flow_add(struct proxy_flows *,
                                  const struct mbox_key *key);
void proxy_flow_remove(struct proxy_flows *, struct proxy_flow *);

/* proxy-packet.c */

/* Takes what the kernel has to send. */
void proxy_drain_tun(struct proxy *);

/* Gives an IP packet to the kernel. */
void proxy_write_tun(struct proxy *, const void *ip, size_t len);

/* Sends an IP packet of the flow, to its client or its server. */
void proxy_emit(struct proxy *, const struct proxy_flow *, bool to_client,
                const void *ip, size_t len);

/* A connection that is being opened and has moved is not the kernel's yet:
 * handles a packet of it, and returns true if the kernel is not to have it. */
bool proxy_handle_syn(struct proxy *, struct proxy_flow *,
                      struct proxy_conn *, const uint8_t *ip, size_t len);

/* Has the kernel forget a connection of a client that it was about to open. */
void proxy_cancel_syn(struct proxy *, const struct proxy_flow *);

/* proxy-conn.c */
void proxy_conn_init(struct proxy_conn *, struct proxy_flow *);

/* Has the connection use the socket 'fd'. */
void proxy_conn_set(struct proxy *, struct proxy_conn *, int fd,
                    bool connected);

/* Begins to connect to the flow's server. */
bool proxy_conn_open_server(struct proxy *, struct proxy_flow *);

/* Ends it now: with a RST, or without a packet. */
void proxy_conn_reset(struct proxy *, struct proxy_conn *);
void proxy_conn_drop(struct proxy_conn *);

/* Reads, and writes, what is possible.  Return true if something was done. */
bool proxy_conn_read(struct proxy *, struct proxy_conn *);
bool proxy_conn_write(struct proxy *, struct proxy_conn *);

/* Frees buffers that are empty. */
void proxy_conn_tidy(struct proxy_conn *);

/* Whether there is a socket, or is to be one again. */
bool proxy_conn_is_open(const struct proxy_conn *);

static inline const char *
proxy_conn_data(const struct proxy_conn *conn)
{
    return (const char *) conn->in + conn->in_start;
}

static inline void
proxy_conn_consume(struct proxy_conn *conn, size_t n)
{
    conn->in_start += n;
    conn->in_len -= n;
}

/* Bytes that wait to be sent. */
static inline size_t
proxy_conn_backlog(const struct proxy_conn *conn)
{
    return conn->out.len - conn->out_sent;
}

/* proxy-relay.c */

/* Does all that can be done for the flow now. */
void proxy_run_flow(struct proxy *, struct proxy_flow *);

/* The flow's time is over. */
void proxy_time_out(struct proxy *, struct proxy_flow *);

/* proxy-state.c */

/* Lets an imported flow's sockets, or those of one that stays after all, live
 * here. */
void proxy_resume_flow(struct proxy *, struct proxy_flow *);

/* proxy-events.c */
void proxy_log_request(struct proxy *, const struct proxy_flow *);

#endif /* proxy-private.h */
