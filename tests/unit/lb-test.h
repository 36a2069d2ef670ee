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

#ifndef LB_TEST_H
#define LB_TEST_H 1

/* What the tests of mbox-lb share: a core with a clock, a network of backends
 * that answer its checks, and frames. */

#include "test-util.h"

#include <netinet/tcp.h>
#include <stdint.h>
#include "conf.h"
#include "event-log.h"
#include "lb-config.h"
#include "lb.h"
#include "mbox-key.h"

#define TEST_SECOND UINT64_C(1000000000)

/* Two services with translation, two without; b1, b2, b3 each. */
extern const char test_config_text[];
extern const uint8_t test_mac[6];       /* The virtual one of that text. */

/* Number 1, 2, 3 of the service's backends: its MAC address. */
void backend_mac(int number, uint8_t mac[6]);

struct world {
    struct lb_config *config;
    struct event_log *log;
    struct lb *lb;
    uint64_t now;
    bool dead[4];               /* Backends that answer nothing. */
    bool refuses[4];            /* They answer SYN with RST. */
    bool forged[4];             /* Who guesses answers SYN for them. */
    struct lb_frame sent[256];
    size_t n_sent;
    unsigned int port;          /* Of the last one. */
    int n_dirty;
    int n_aliases;
    bool pending;               /* No connection may end by a timer. */
};

/* Backends are unknown. */
void world_init(struct world *, const char *config);
void world_uninit(struct world *);

/* Lets 'seconds' pass, in steps of 100 ms, in which backends answer. */
void world_run(struct world *, double seconds);

/* Answers what the core sent as the backend that it is for would. */
void world_answer(struct world *, const struct lb_frame *);

/* A frame, and what is in it. */
struct packet {
    uint8_t data[2048];
    size_t len;
    struct mbox_key key;
    struct mbox_packet_layout layout;
};

/* A key, from "10.0.1.1 1000 10.0.255.1 80". */
struct mbox_key make_key(uint8_t proto, const char *text);

/* A TCP packet, or UDP if 'key' says so, with right checksums, from a client
 * whose MAC is 02:aa:00:00:00:01. */
void make_packet(struct packet *, const struct mbox_key *, uint8_t flags,
                 size_t payload_len);

/* An ICMP or ICMPv6 error from 'src' to 'dst' (addresses as in a key) about
 * 'quoted', with 'quote_len' bytes of it behind its Ethernet header. */
void make_error(struct packet *, const uint8_t src[16], const uint8_t dst[16],
                const struct packet *quoted, size_t quote_len);

/* Fills in 'key' and 'layout' again. */
void parse_packet(struct packet *);

/* Fails unless all checksums are right, also of a whole packet that an error
 * quotes. */
void check_checksums(const struct packet *);

/* Has the core process it; then its key is of what came out. */
enum lb_verdict world_packet(struct world *, struct packet *);

/* Makes and processes one. */
enum lb_verdict world_send(struct world *, const struct mbox_key *,
                           uint8_t flags, struct packet *);

/* Number of the backend (1...3) that the packet goes to, by its MAC. */
int packet_backend(const struct packet *);

/* The packet that is in a frame. */
void packet_from_frame(struct packet *, const struct lb_frame *);

/* The key of the answer to a packet that went to a backend. */
struct mbox_key answer_key(const struct packet *);

/* Number of events in the log with 'text' in them. */
int count_events(struct world *, const char *text);

/* The text form of a packet's key. */
const char *key_text(const struct packet *);

#endif /* lb-test.h */
