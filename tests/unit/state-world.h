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

#ifndef STATE_WORLD_H
#define STATE_WORLD_H 1

/* A program that knows nothing of being moved, several times in one process:
 * connections in a chained hash of random start and in a list by age, hosts
 * that they refer to and count and that have something of a library, and rules
 * that are read at start. */

#include <stdbool.h>
#include <stdint.h>
#include "program-tables.h"

#define N_CONNS 8               /* Buckets: few, so that chains are long. */
#define N_HEADERS 4
#define WORLD_OUTPUTS 3
#define WORLD_SIZES 8
#define WORLD_HEADER 8          /* The program puts something before each
                                 * object. */
#define WORLD_HANDLE_LEN 8      /* Bytes of state of a handle. */

struct rule {
    char *name;
    uint32_t number;
};

struct signature {
    uint32_t ttl;
    struct rule *rule;
    uint32_t handle;            /* Of a library. */
    uint32_t n_marks;           /* WORLD_MARKS. */
    uint16_t marks[];           /* WORLD_MARK each. */
};

#define WORLD_MARKS 16          /* Room for another object, if that was what
                                 * it is. */
#define WORLD_MARK 0xbeef

struct host {
    struct host *next;          /* A single list. */
    struct host *less, *more;   /* A tree by 'address'. */
    uint32_t uses;
    uint32_t address;           /* Network order. */
    uint32_t seen;
    uint16_t seen_flags;
    struct signature *signature;
};

struct header {
    char *name;
    const char *kind;           /* A constant, or what 'name' is. */
};

struct conn {
    struct conn *prev, *next;
    struct conn *older, *newer;
    struct conn *left, *right, *parent; /* A tree by 'due' and the low
                                         * byte of the client's port. */
    uint32_t due;
    uint32_t bucket;
    struct host *client, *server;
    uint16_t client_port;       /* Host order. */
    uint16_t server_port;
    uint8_t *request;
    uint32_t request_len;
    uint32_t last_pair;         /* Where in 'request' the last packet is, in
                                 * twos of bytes. */
    struct header headers[N_HEADERS];
    uint32_t n_headers;
    struct rule *matched;
    int (*handler)(int);
    uint32_t sizes[WORLD_SIZES];    /* Of packets, in turn. */
    uint32_t n_packets;
    char *note;                 /* Stays where it is. */
};

struct world {
    struct conn *conns[N_CONNS];
    struct conn *oldest, *newest;
    struct host *hosts;
    void *hosts_by_address, *conns_by_due;
    uint32_t now;
    uint32_t n_conns, n_hosts;
    uint32_t seed;
    struct rule *rules;

    struct st_program program;
    struct st_structure structures[2];
    struct st_list host_lists[1], conn_lists[2];
    struct st_tree host_trees[1], conn_trees[1];
    struct st_count host_counts[1], conn_counts[1];
    struct st_variable variables[2];
};

/* Whether what the program puts before an object, which is its own affair, is
 * as it was put. */
extern bool world_checks_headers;

/* Handles of the library that are open, the state of a host's, and what saving
 * one returns if it is not 0. */
extern uint32_t world_n_handles;
char *world_handle(const struct host *);
extern int world_save_error;

void world_init(struct world *, uint32_t seed);
void world_uninit(struct world *);

/* What the program does with a packet: 'n' is the connection's number. */
void world_packet(struct world *, uint32_t n, const char *data);
struct conn *world_find(struct world *, uint32_t n);
void world_end(struct world *, struct conn *);

struct mbox_key world_key(uint32_t n);
struct mbox_key world_host_key(uint32_t address);
uint32_t world_client(uint32_t n);
uint32_t world_server(uint32_t n);

/* All of a connection, or of a host, as text; free it. */
char *world_dump(struct world *, uint32_t n);
char *world_dump_host(struct world *, uint32_t address);

/* Checks that every list, count and reference is as the program keeps it. */
void world_check(struct world *);

#endif /* state-world.h */
