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

#ifndef WANOPT_TEST_H
#define WANOPT_TEST_H 1

/* What the tests of mbox-wanopt share: two sites, with one or more ends each,
 * and a WAN between them that loses and reorders what a test says. */

#include "test-util.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include "event-log.h"
#include "mbox-key.h"
#include "mbox-wire.h"
#include "wanopt.h"

#define TEST_SECOND UINT64_C(1000000000)
#define LAN 0
#define WAN 1

struct packet {
    uint8_t data[12000];
    size_t len;
};

/* A queue of packets. */
struct packets {
    struct packet p[600];
    size_t n;
};

struct world;

struct end {
    struct world *world;
    struct wanopt_config *config;
    struct event_log *log;
    struct wanopt *wanopt;
    struct packets lan, wan;    /* What it has sent. */
    bool pending;               /* All flows belong to another instance. */
    size_t n_dirty_chunks, n_dirty_flows;
};

enum { NEAR, FAR, OTHER, N_ENDS };  /* OTHER is at the near site, too. */

struct world {
    struct end ends[N_ENDS];
    uint64_t now;
};

struct world *world_create(const char *more_config);
void world_destroy(struct world *);

/* Replaces an end by one that knows nothing. */
void end_restart(struct end *);

/* Has the end process a packet that comes in at the port, in a buffer in which
 * it becomes longer or, as often, has no room for that; what goes on is in its
 * queues. */
void end_packet(struct end *, unsigned int port, const struct packet *);

/* Takes the first packet out of a queue. */
void take(struct packets *, struct packet *);

/* Carries all that is on the WAN between two ends, until nothing is there,
 * losing 'loss' of 100 packets and swapping neighbors as often. */
void world_carry(struct end *, struct end *, unsigned int loss,
                 unsigned int swap);

/* Lets time pass, in steps of 100 ms, at two ends that are connected. */
void world_wait(struct world *, struct end *, struct end *, double seconds);

const struct wanopt_stats *end_stats(const struct end *);

/* The key of connection 'number' of the near site's first host; 'host' counts
 * from 1. */
struct mbox_key make_key(uint8_t family, uint8_t proto, int host, int number);

/* A packet with right checksums; of TCP with 12 bytes of options, of IPv4 with
 * DF set. */
void make_packet(struct packet *, const struct mbox_key *, uint32_t seq,
                 uint8_t flags, const void *payload, size_t len);

/* Fails unless all checksums are right. */
void check_checksums(const struct packet *);

/* Fails unless both are the same. */
void check_same(const struct packet *, const struct packet *);

/* Sends it from end 'a' to end 'b'; returns its length on the WAN.  It must
 * come out as it went in, and never be longer. */
size_t pass(struct end *a, struct end *b, const struct packet *);

#endif /* wanopt-test.h */
