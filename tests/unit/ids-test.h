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

#ifndef IDS_TEST_H
#define IDS_TEST_H 1

/* What the unit tests of mbox-ids share: a core with a log in memory, and
 * conversations made by a generator of random numbers with a given seed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "ids-frame.h"
#include "ids-rules.h"
#include "ids.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)

/* Random numbers, the same everywhere. */
struct rng {
    uint64_t state;
};
uint32_t rng_u32(struct rng *);
uint32_t rng_range(struct rng *, uint32_t n);   /* 0 to n - 1. */

/* Rules, compiled once. */
struct test_rules {
    struct ids_rules *rules;
    struct ids_sigs *sigs;
};
void test_rules_init(struct test_rules *, const char *text);
void test_rules_uninit(struct test_rules *);

/* An instance. */
struct core {
    struct ids *ids;
    struct event_log *log;
    struct ids_scan *scan;
    int n_dirty_hosts;          /* Calls of 'dirty'. */
    int n_dirty_flows;
    bool pending;               /* No flow may end by a timer. */
};
void core_init(struct core *, const struct test_rules *);
void core_uninit(struct core *);

/* Packets. */
struct packet {
    uint64_t time;
    size_t len;
    uint8_t *data;
};
struct conversation {
    struct packet *packets;
    size_t n, allocated;
};
void conversation_add(struct conversation *, uint64_t time,
                      const struct ids_frame *);
void conversation_uninit(struct conversation *);

void core_packet(struct core *, const struct packet *);
void core_frame(struct core *, uint64_t time, const struct ids_frame *);

/* Moves the state of all flows from one to the other, in the same way as a
 * transfer, and that of hosts that scan. */
void core_move(struct core *from, struct core *to);

/* The events of logs: without the instance's name, sorted, one in each line;
 * malloc()ed.  'type' selects some, or is null.  'b' may be null. */
char *core_events(struct core *a, struct core *b, const char *type);

/* Number of events of 'type' in the log that contain 'text'. */
int core_count(struct core *, const char *type, const char *text);

/* Sends a TCP segment with timestamp 'ts' (0: none). */
void core_tcp(struct core *, uint64_t time, const struct mbox_key *key,
              uint32_t seq, uint32_t ack, uint8_t flags, uint32_t ts,
              const void *data, size_t len);

/* Makes a connection with requests, answers and signatures in them, cut into
 * segments that are reordered, repeated and overlap as 'rng' says, and adds it
 * to the conversation. */
void make_connection(struct conversation *, struct rng *, unsigned int index);

/* Makes a few datagrams, some of them with signatures. */
void make_datagrams(struct conversation *, struct rng *, unsigned int index);

/* Orders packets by time. */
void conversation_sort(struct conversation *);

/* The rules that generated conversations match. */
extern const char test_rules_text[];

#endif /* ids-test.h */
