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

#ifndef PROXY_H
#define PROXY_H 1

/* The proxy
 * =========
 *
 * Packets in, packets out, with the kernel's TCP (proxy-net.h) and a cache
 * (cache-exchange.h) between them.
 *
 * What is not TCP to or from a port that is cached, or belongs to a connection
 * that was there before, passes unchanged.  The connection of a client to such
 * a port ends here, and one to the server, from the client's address and port,
 * is opened when something has to be asked of it.  Both are one flow: they
 * have the same addresses on the wire, and move as one.
 *
 * While a flow is frozen nothing of it is done: its sockets' events wait, and
 * what the kernel says of it, a retransmission, is dropped.  Its sockets are
 * put into repair mode when it is exported, and taken out of it if it stays.
 * At the destination they are made in repair mode, and begin to live with the
 * first packet of the flow, or when the transfer has ended: a flow whose
 * packets come is its own.
 *
 * Does not know libmbox.  One thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"
#include "proxy-config.h"

struct event_log;
struct mbox_writer;
struct packet_trace;
struct proxy;

struct proxy_setup {
    const struct proxy_config *config;
    struct event_log *log;
    struct packet_trace *trace; /* Or NULL. */
    uint64_t now;               /* CLOCK_MONOTONIC, ns, as everywhere. */
    unsigned int n_ports;       /* 1 or 2. */

    void (*send)(void *aux, unsigned int port, const void *frame, size_t len);
    void (*dirty_flow)(void *aux, const struct mbox_key *);
    void (*dirty_object)(void *aux, const struct mbox_key *);
    bool (*is_pending)(void *aux, const struct mbox_key *);
    bool (*is_frozen)(void *aux, const struct mbox_key *);
    void *aux;
};

/* Returns 0, or a negative errno value and stores a malloc()ed message. */
int proxy_create(const struct proxy_setup *, struct proxy **, char **errp);
void proxy_destroy(struct proxy *);

/* Readable when proxy_ready() has something to do. */
int proxy_fd(const struct proxy *);
void proxy_ready(struct proxy *, uint64_t now);

/* A frame has come to 'port'.  Returns true if it passes unchanged. */
bool proxy_packet(struct proxy *, uint64_t now, unsigned int port,
                  const uint8_t *frame, size_t len,
                  const struct mbox_key *key,
                  const struct mbox_packet_layout *layout);

/* To be called every 100 ms or so. */
void proxy_tick(struct proxy *, uint64_t now);

size_t proxy_n_flows(const struct proxy *);
void proxy_log_stats(struct proxy *);

/* NULL if connections can move, or why they cannot. */
const char *proxy_cannot_move(const struct proxy *);

/* State.  Keys are canonical.  All return 0 or a negative errno value. */
typedef int proxy_key_cb(void *aux, const struct mbox_key *);
int proxy_flow_list(struct proxy *, proxy_key_cb *, void *aux);
int proxy_flow_get(struct proxy *, const struct mbox_key *,
                   struct mbox_writer *);
int proxy_flow_put(struct proxy *, const struct mbox_key *, const void *,
                   size_t len);
int proxy_flow_del(struct proxy *, const struct mbox_key *);

int proxy_object_list(struct proxy *, proxy_key_cb *, void *aux);
int proxy_object_get(struct proxy *, const struct mbox_key *,
                     struct mbox_writer *);
int proxy_object_put(struct proxy *, const struct mbox_key *, const void *,
                     size_t len);

void proxy_config_get(struct proxy *, struct mbox_writer *);
int proxy_config_put(struct proxy *, const void *, size_t len);

#endif /* proxy.h */
