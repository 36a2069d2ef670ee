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

#ifndef WANOPT_H
#define WANOPT_H 1

/* The core of mbox-wanopt: a WAN optimizer as a function of packets
 * =================================================================
 *
 * Redundancy elimination in packets, between two sites with one of these in
 * the path at each, as of Spring and Wetherall, "A Protocol-Independent
 * Technique for Eliminating Redundant Network Traffic" (SIGCOMM 2000), Anand
 * et al., "Packet Caches on Routers" (SIGCOMM 2008), and Aggarwal et al.,
 * "EndRE" (NSDI 2010).  Connections are not split: every packet goes on as
 * one packet, none grows, and the ends' TCP sees its own acknowledgments,
 * losses and checksums.
 *
 * The payload of what goes to the other site is cut into chunks by its
 * content.  A chunk that the dictionary has is replaced by its name, a keyed
 * digest; the rest is compressed.  A packet that would not become shorter goes
 * as it is.  Both ends learn the chunks of all that they send and receive.  As
 * the ends of a packet cut chunks, too, each chunk knows its successor, and a
 * reference may be to a part: so content is found that other packets carry.
 *
 * How the ends stay in step, whatever is lost, reordered or restarted, and
 * whichever instances a flow goes through:
 *
 *   - A name stands for one content, so what a decoder puts together from its
 *     dictionary is what was sent, or it lacks a chunk and knows it.
 *   - The packet that it lacks a chunk for waits, with those of its flow
 *     behind it, and the decoder asks.  Whoever encodes the flow's packets has
 *     referred to chunks of its own dictionary only, and answers with them;
 *     of what it has forgotten meanwhile it says so.  Questions are repeated.
 *     So a decoder that has been put in another's place, or has a smaller
 *     dictionary, costs time and no packet.  An encoder that has been put in
 *     another's place may lack what that has referred to: then what was on
 *     its way is lost.
 *   - What cannot be decoded is dropped, and TCP sends it again.  A TCP
 *     segment that was sent before is never encoded: it needs nothing of the
 *     decoder, nor of the path, and gets through.
 *
 * State: a flow's position in its stream, counters and the packets that wait
 * are per-flow state.  The dictionary is multi-flow state: chunks, each under
 * the local host that used it last.  When the flows of hosts move, their
 * chunks are copied with them: to save questions and what is on its way, not
 * to be right.
 *
 * The core takes packets, the time and state as arguments; gives changed
 * packets, frames of its own, and events in a log.  It does no other input or
 * output and does not know libmbox, so that a test can drive it.  One
 * thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"
#include "wanopt-config.h"

struct event_log;
struct mbox_writer;
struct packet_trace;

struct wanopt_setup {
    const struct wanopt_config *config;
    struct event_log *log;
    struct packet_trace *trace; /* Or NULL. */
    bool log_flows;             /* Log the end of each flow. */
    uint64_t now;               /* At the start, as 'now' everywhere: ns. */
    uint64_t wall;              /* The same time in us since 1970. */
    unsigned int n_ports;       /* 1 or 2. */

    /* Sends a frame.  May be null. */
    void (*send)(void *aux, unsigned int port, const void *frame, size_t len);

    /* Called when a flow changes that no packet of it changes.  May be
     * null. */
    void (*dirty_flow)(void *aux, const struct mbox_key *);

    /* Called when a chunk is added, or used by another host, which gives it
     * this key.  May be null. */
    void (*dirty_chunk)(void *aux, const struct mbox_key *);

    /* Returns true if the flow still belongs to another instance.  May be
     * null. */
    bool (*is_pending)(void *aux, const struct mbox_key *);
    void *aux;
};

struct wanopt_stats {
    uint64_t packets, bytes;    /* All that came, frames. */
    uint64_t passed;            /* Not between the sites. */

    /* To the other site: IP datagrams. */
    uint64_t out_packets, out_lan_bytes;
    uint64_t out_wan_bytes;     /* With questions and answers. */
    uint64_t encoded;           /* Packets. */
    uint64_t resent;            /* Not encoded: sent before. */
    uint64_t refs, ref_bytes;   /* References, and what they stand for. */

    /* From it. */
    uint64_t in_packets, in_lan_bytes, in_wan_bytes;
    uint64_t decoded;           /* Packets. */
    uint64_t waited;            /* For chunks, or behind who did. */

    uint64_t asked, answers;    /* Questions sent, answers received. */
    uint64_t given, gone;       /* Chunks that were asked for. */
    uint64_t learned, evicted;  /* Chunks. */

    uint64_t flows_created, flows_imported, flows_ended, flows_deleted;
    uint64_t chunks_imported;
    uint64_t table_full;        /* Packets that have no flow for that. */

    /* Dropped packets. */
    uint64_t undecodable;       /* Chunks could not be had. */
    uint64_t waiting_full;
    uint64_t forged;            /* Messages with a wrong tag. */
    uint64_t malformed;         /* With a right one. */
    uint64_t inside;            /* Messages from our own site. */
};

/* A flow that may not end yet is looked at again after as long. */
#define WANOPT_PENDING_SECONDS 1

/* As long an IPv4 datagram gets through whole everywhere, practically: longer
 * messages are not made of packets that routers may fragment. */
#define WANOPT_WHOLE 576

/* A flow may have as many packets waiting. */
#define WANOPT_MAX_WAITING 256

/* Idle times of flows, in seconds. */
#define WANOPT_IDLE_TCP 900
#define WANOPT_IDLE_UDP 60
#define WANOPT_IDLE_CLOSED 10

/* Questions for the chunks of one packet, the second after as many ns, each
 * further one after twice the time. */
#define WANOPT_MAX_ASKED 5
#define WANOPT_ASK_AGAIN UINT64_C(200000000)

/* The peer lacks much if it asks within a second for so many chunks, and for
 * half as many as were referred to.  So long then nothing is referred to. */
#define WANOPT_MANY_ASKED 64
#define WANOPT_PAUSE_SECONDS 5

struct wanopt;

struct wanopt *wanopt_create(const struct wanopt_setup *);

/* Frees everything and logs nothing. */
void wanopt_destroy(struct wanopt *);

/* Processes the frame of '*len' bytes at 'frame', which came in at port 'port'
 * and which mbox_key_extract() gave 'key' and 'layout' of, at time 'now' (a
 * time that goes back counts as the latest one).  It may change the packet and
 * its length, up to 'capacity'.  Returns true if it is to go on. */
bool wanopt_packet(struct wanopt *, uint64_t now, unsigned int port,
                   uint8_t *frame, size_t *len, size_t capacity,
                   const struct mbox_key *key,
                   const struct mbox_packet_layout *layout);

/* Ends flows that are idle, and asks again.  To be called every 100 ms or so,
 * but not while a flow is being taken away. */
void wanopt_tick(struct wanopt *, uint64_t now);

/* Says what time it is.  To be called before the state functions below, which
 * turn times into ages and back. */
void wanopt_set_time(struct wanopt *, uint64_t now);

/* Ends and logs all flows, for an orderly shutdown. */
void wanopt_finish(struct wanopt *, uint64_t now);

size_t wanopt_n_flows(const struct wanopt *);
const struct wanopt_stats *wanopt_get_stats(struct wanopt *);

/* Logs a "stats" event. */
void wanopt_log_stats(struct wanopt *);

/* State (wanopt-state.c).  All return 0 or a negative errno value.  A failed
 * 'put' changes nothing.  A list calls 'cb' until it returns nonzero, and
 * returns that. */
#define WANOPT_STATE_VERSION 1
typedef int wanopt_list_cb(void *aux, const struct mbox_key *);

/* Per-flow state: flows, by canonical key. */
int wanopt_flow_list(struct wanopt *, wanopt_list_cb *, void *aux);
int wanopt_flow_get(struct wanopt *, const struct mbox_key *,
                    struct mbox_writer *);
int wanopt_flow_put(struct wanopt *, const struct mbox_key *,
                    const void *data, size_t len);
int wanopt_flow_del(struct wanopt *, const struct mbox_key *);

/* Multi-flow state: chunks.  In a key, 'src' is the local host that used it
 * last, and 'dst' the name.  They cannot be deleted: a chunk is never wrong,
 * and may be others', too; it is evicted when its time comes. */
int wanopt_chunk_list(struct wanopt *, wanopt_list_cb *, void *aux);
int wanopt_chunk_get(struct wanopt *, const struct mbox_key *,
                     struct mbox_writer *);
int wanopt_chunk_put(struct wanopt *, const struct mbox_key *,
                     const void *data, size_t len);

/* Static configuration, which instances must have in common: a digest of key
 * and networks. */
void wanopt_config_get(struct wanopt *, struct mbox_writer *);
int wanopt_config_put(struct wanopt *, const void *data, size_t len);

#endif /* wanopt.h */
