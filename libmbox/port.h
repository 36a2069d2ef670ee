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

#ifndef MB_PORT_H
#define MB_PORT_H 1

/* Packet I/O
 * ==========
 *
 * A port reads and writes Ethernet frames.  Everything runs in the I/O thread
 * and nothing blocks.  Frames that go out of a port may have come from a port
 * of another kind, or from the heap: a port copies what it cannot send in
 * place. */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "packet.h"

#define MB_BURST 64

/* Counters have one writer, and readers in any thread. */
static inline void
mb_count(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t
mb_counter(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct mb_port_stats {
    uint64_t rx_packets, rx_bytes, rx_dropped;
    uint64_t tx_packets, tx_bytes, tx_dropped;
};

struct mb_port {
    const struct mb_port_ops *ops;
    bool more;                  /* Of rx(): there may be more that no
                                 * descriptor tells of, so read again before
                                 * you wait. */
    bool passes_whole;          /* The middlebox only looks at packets, see
                                 * super-frame.h. */
    struct mb_port_stats stats;
};

struct mb_port_ops {
    /* Reads up to 'max' (<= MB_BURST) packets.  Returns how many, or a
     * negative errno value if the port is gone for good. */
    int (*rx)(struct mb_port *, struct mb_packet **, unsigned int max);

    /* Queues a packet and takes it over.  Returns false, and leaves the packet
     * to the caller, if it is too long for the port. */
    bool (*tx)(struct mb_port *, struct mb_packet *);

    /* Sends what is queued; what cannot be sent is dropped and counted. */
    void (*flush)(struct mb_port *);

    /* What to poll for input; fd -1: the port must be read again and again. */
    void (*wait)(const struct mb_port *, struct pollfd *);

    /* Brings 'stats' up to date. */
    void (*update_stats)(struct mb_port *);

    void (*close)(struct mb_port *);
};

struct mb_port_params {
    unsigned int n_packets;     /* That may be out of its pool at a time. */
    const char *dpdk_args;      /* Null for none. */
};

/* A kind of port.  'open' gets what follows "TYPE:".  Returns 0 or a negative
 * errno value with a malloc()ed message in '*errp'. */
struct mb_port_class {
    const char *type;
    int (*open)(const char *name, const struct mb_port_params *,
                struct mb_port **, char **errp);
};

extern const struct mb_port_class mb_port_afpacket;

/* The loadable part for DPDK exports this symbol. */
#define MB_PORT_DPDK_SYMBOL "mb_port_dpdk"

/* Opens "TYPE:NAME". */
int mb_port_open(const char *spec, const struct mb_port_params *,
                 struct mb_port **, char **errp);

/* Adds a kind of port, for tests.  'class' must stay. */
void mb_port_register(const struct mb_port_class *class);

#endif /* port.h */
