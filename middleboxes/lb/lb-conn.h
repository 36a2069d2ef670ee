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

#ifndef LB_CONN_H
#define LB_CONN_H 1

/* Connections and the table of them
 * =================================
 *
 * A connection is found by the key of a packet as it arrives: from the client
 * to the virtual address, and, with address translation, from the backend to
 * the client. So it has up to two places in one hash table, and which one was
 * found tells the packet's direction. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lb-config.h"
#include "mbox-key.h"
#include "wheel.h"

struct lb_backend;

/* Direction of a packet, and the place of its key. */
enum lb_dir { LB_TO_BACKEND, LB_TO_CLIENT };

struct lb_place {
    struct lb_place *next;      /* In its hash bucket. */
    struct mbox_key key;
    uint32_t hash;
    uint8_t dir;                /* enum lb_dir. */
    bool used;
};

struct lb_conn {
    struct wheel_timer timer;   /* First: see lb_conn_from_timer(). */
    struct lb_place places[2];  /* By enum lb_dir. */
    struct lb_backend *backend;
    uint64_t start;             /* Microseconds since 1970. */
    uint64_t last_seen;         /* ns. */
    uint64_t n_packets[2];      /* By enum lb_dir. */
    uint64_t n_bytes[2];        /* Frames. */
    uint8_t client_mac[6];      /* Whom the client's packets come from. */
    uint8_t state;              /* enum lb_state. */
    bool fin[2];                /* By enum lb_dir: that side has sent FIN. */
};

struct lb_table {
    struct lb_place **buckets;
    size_t mask;                /* Number of buckets, minus 1. */
    size_t n_places;
    size_t n_conns;
    uint32_t basis;
    struct wheel wheel;
};

void lb_table_init(struct lb_table *, uint64_t now);
void lb_table_uninit(struct lb_table *);        /* Frees all connections. */

/* Creates a connection; 'key' is that of the client's packets. */
struct lb_conn *lb_conn_create(const struct mbox_key *key);

/* Frees a connection that is not in the table. */
void lb_conn_free(struct lb_conn *);

/* Says that packets of key 'key' come back from the backend.  Not while the
 * connection is in the table. */
void lb_conn_set_back(struct lb_conn *, const struct mbox_key *key);

/* Puts a connection in, which is to be looked at when 'wake' has come.
 * None with one of its keys may be there. */
void lb_table_insert(struct lb_table *, struct lb_conn *, uint64_t wake);
void lb_table_remove(struct lb_table *, struct lb_conn *);

/* Finds the connection of a packet, and its direction. */
struct lb_conn *lb_table_find(const struct lb_table *, const struct mbox_key *,
                              enum lb_dir *);

/* Calls 'cb' for each connection until it returns nonzero, and returns that.
 * 'cb' may remove the connection it is given, and no other. */
int lb_table_for_each(struct lb_table *,
                      int (*cb)(void *aux, struct lb_conn *), void *aux);

static inline struct lb_conn *
lb_conn_from_timer(struct wheel_timer *timer)
{
    return (struct lb_conn *) timer;
}

/* Changes the state as a TCP packet in direction 'dir' with 'flags' (TH_*)
 * demands. */
void lb_conn_track(struct lb_conn *, enum lb_dir dir, uint8_t flags);

#endif /* lb-conn.h */
