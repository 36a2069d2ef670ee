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

#ifndef WANOPT_FLOW_H
#define WANOPT_FLOW_H 1

/* Flows, and packets that wait for chunks
 * =======================================
 *
 * A flow is found by its canonical key. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"
#include "wanopt-cipher.h"
#include "wheel.h"

/* Direction of a packet. */
enum wanopt_dir { WANOPT_OUT, WANOPT_IN };      /* To the peer; from it. */

/* A frame as it came from the peer, that cannot go on: it needs chunks that
 * are not there, or is behind one that does. */
struct wanopt_waiting {
    struct wanopt_waiting *next;
    unsigned int port;          /* It came in at. */
    size_t len;
    uint8_t data[];
};

/* A byte of a chunk, if 'known'. */
struct wanopt_place {
    bool known;
    uint16_t ofs;
    struct wanopt_name name;
};

struct wanopt_flow {
    struct wheel_timer timer;   /* First: see wanopt_flow_from_timer(). */
    struct wanopt_flow *next;   /* In its hash bucket. */
    struct mbox_key key;        /* Canonical. */
    uint32_t hash;
    uint64_t start;             /* Microseconds since 1970. */
    uint64_t last_seen;         /* ns. */
    uint64_t n_packets[2];      /* By enum wanopt_dir, as the next two. */
    uint64_t lan_bytes[2];      /* IP datagrams as the ends have them. */
    uint64_t wan_bytes[2];      /* And as they are between the sites. */
    bool has_position;
    bool fin[2];                /* That side has sent FIN. */
    bool closed;                /* Both have, or one has sent RST. */
    uint32_t position;          /* TCP sequence number behind all that has
                                 * gone to the peer. */
    struct wanopt_place cursor; /* Where the dictionary may have what goes to
                                 * the peer next. */
    struct wanopt_place tail;   /* The last chunk learned of that. */

    /* Packets that wait, the oldest first, in 'waiting' of the table. */
    struct wanopt_waiting *first, **last;
    size_t n_waiting;
    struct wanopt_flow *waiting_prev, *waiting_next;
    unsigned int n_asked;       /* How often for the first one's chunks. */
    uint64_t ask_again;         /* When, ns. */
};

struct wanopt_flows {
    struct wanopt_flow **buckets;
    size_t mask;
    size_t n_flows;
    size_t n_waiting;
    size_t waiting_bytes;       /* Memory that they take. */
    struct wanopt_flow *waiting;        /* Flows with packets that wait. */
    uint32_t basis;
    struct wheel wheel;
};

void wanopt_flows_init(struct wanopt_flows *, uint64_t now);
void wanopt_flows_uninit(struct wanopt_flows *);

struct wanopt_flow *wanopt_flow_find(const struct wanopt_flows *,
                                     const struct mbox_key *canonical);

/* Adds a flow, which must not be there and is looked at when 'wake' has
 * come. */
struct wanopt_flow *wanopt_flow_add(struct wanopt_flows *,
                                    const struct mbox_key *canonical,
                                    uint64_t wake);

/* Removes and frees it, with what waits. */
void wanopt_flow_remove(struct wanopt_flows *, struct wanopt_flow *);

/* Calls 'cb' for each flow until it returns nonzero, and returns that.  'cb'
 * may remove the flow that it is given. */
int wanopt_flows_for_each(struct wanopt_flows *,
                          int (*cb)(void *aux, struct wanopt_flow *),
                          void *aux);

/* Puts a copy of a frame behind what waits. */
void wanopt_flow_push(struct wanopt_flows *, struct wanopt_flow *,
                      unsigned int port, const void *frame, size_t len);

/* Takes out the first that waits, which the caller frees. */
struct wanopt_waiting *wanopt_flow_pop(struct wanopt_flows *,
                                       struct wanopt_flow *);

static inline struct wanopt_flow *
wanopt_flow_from_timer(struct wheel_timer *timer)
{
    return (struct wanopt_flow *) timer;
}

#endif /* wanopt-flow.h */
