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

#ifndef LB_PRIVATE_H
#define LB_PRIVATE_H 1

/* What the files of the core share. */

#include "lb-conn.h"
#include "lb-health.h"
#include "lb-maglev.h"
#include "lb.h"

#define SECOND UINT64_C(1000000000)

struct lb_backend {
    const struct lb_backend_config *config;
    struct lb_service *service;
    struct lb_health health;
    bool has_mac;
    uint8_t mac[6];
    bool resolving;             /* Asked for its MAC: no answer yet. */
    uint16_t probe_port;        /* Source port or echo identifier. */
    uint32_t probe_seq;         /* Sequence number of the last probe. */
    uint64_t n_conns;           /* Now. */
    uint64_t n_created;
    uint64_t n_packets[2];      /* By enum lb_dir. */
    uint64_t n_bytes[2];
};

struct lb_service {
    const struct lb_service_config *config;
    struct lb_backend *backends;
    struct lb_maglev maglev;
};

struct lb {
    struct lb_setup setup;
    const struct lb_config *config;
    struct lb_service *services;
    struct lb_table table;
    uint64_t now;
    uint64_t last_tick;
    uint64_t random;            /* State of a generator. */
    struct lb_stats stats;
};

/* lb.c */
uint64_t lb_wall_time(const struct lb *, uint64_t now);
bool lb_is_vip(const struct lb *, uint8_t family, const uint8_t addr[16]);
struct lb_service *lb_find_service(const struct lb *, uint8_t family,
                                   uint8_t proto, const uint8_t addr[16],
                                   uint16_t port);
struct lb_backend *lb_find_backend(const struct lb_service *,
                                   const uint8_t addr[16], uint16_t port);
/* Makes the hash table from the backends that are up. */
void lb_rebuild(struct lb_service *);

/* When a connection is to be looked at. */
uint64_t lb_wake_time(const struct lb *, const struct lb_conn *);

/* Makes 'backend' the one of 'conn', which is not in the table. */
void lb_assign(struct lb_conn *, struct lb_backend *);

/* Takes 'conn' out of the table and frees it. */
void lb_forget(struct lb *, struct lb_conn *);

/* lb-check.c */
void lb_check_tick(struct lb *);
bool lb_is_own_addr(const struct lb *, uint8_t family, const uint8_t addr[16]);

/* Handles what an ARP packet or neighbor message says.  Returns false if it is
 * not for us. */
bool lb_check_neighbor(struct lb *, unsigned int port,
                       const struct lb_neighbor *);

/* Handles a packet to one of our own addresses. */
void lb_check_packet(struct lb *, unsigned int port, const uint8_t *frame,
                     const struct mbox_key *,
                     const struct mbox_packet_layout *);

/* Turns an echo request to an address of ours into its answer; returns false
 * if it is none. */
bool lb_answer_echo(const struct lb *, uint8_t *frame,
                    const struct mbox_key *,
                    const struct mbox_packet_layout *);

/* lb-events.c */
void lb_log_connection(struct lb *, const struct lb_conn *,
                       const char *reason);
void lb_log_backend(struct lb *, const struct lb_backend *);

#endif /* lb-private.h */
