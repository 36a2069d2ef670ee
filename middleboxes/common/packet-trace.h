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

#ifndef PACKET_TRACE_H
#define PACKET_TRACE_H 1

/* Trace of processed packets: an observer for tests
 * =================================================
 *
 * Records, independently of the middlebox proper and of the switch, which
 * packets an instance processed, when, and in which order.
 * Documentation/packet-trace.md describes the format; mbox-trace-check(1)
 * reads it.
 *
 * Two kinds of packets are recorded: UDP datagrams whose payload begins with a
 * probe (a sequence number and the time it was sent), and TCP segments.  A
 * trace is shared by all threads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"

#define PROBE_MAGIC "MBOXPRB1"
#define PROBE_LEN 28        /* Magic, u32 flow, u64 seq, u64 time sent. */

#define PACKET_TRACE_MAGIC "MBOXTRC1"
#define PACKET_TRACE_HEADER_LEN 16      /* Magic, u32 instance, u32 length of
                                         * a record. */
#define PACKET_TRACE_RECORD_LEN 36

enum packet_trace_kind { PACKET_TRACE_PROBE = 0, PACKET_TRACE_TCP = 1 };

/* In 'sent' of a TCP record, above the payload's length in the low 32 bits. */
#define PACKET_TRACE_SYN (UINT64_C(1) << 32)
#define PACKET_TRACE_FIN (UINT64_C(1) << 33)
#define PACKET_TRACE_RST (UINT64_C(1) << 34)

struct packet_trace_record {
    uint64_t time;              /* CLOCK_MONOTONIC when processed, ns. */
    uint32_t flow;              /* From the probe, or hash of the key. */
    uint64_t seq;               /* From the probe, or TCP sequence number. */
    uint64_t sent;              /* From the probe, ns; TCP: see above. */
    uint32_t instance;          /* Hash of the instance's name. */
    uint8_t kind;               /* enum packet_trace_kind. */
    uint8_t dir;                /* 0: the packet's key is canonical, or 1. */
};

void packet_trace_encode(const struct packet_trace_record *,
                         uint8_t [PACKET_TRACE_RECORD_LEN]);

/* Returns false if the record has an unknown kind. */
bool packet_trace_decode(struct packet_trace_record *,
                         const uint8_t [PACKET_TRACE_RECORD_LEN]);

uint32_t packet_trace_hash(const void *, size_t);

struct packet_trace;

/* Creates the file 'name', or empties it.  Returns 0 or a negative errno
 * value. */
int packet_trace_open(const char *name, const char *instance,
                      struct packet_trace **);

/* Records a packet of key 'key', with its payload in the 'len' bytes at
 * 'l4', the UDP or TCP header and what follows it; a packet that is neither
 * a probe nor TCP is ignored. 'l4' has been checked by nobody. */
void packet_trace_packet(struct packet_trace *, uint64_t now,
                         const struct mbox_key *key, const uint8_t *l4,
                         size_t len);

/* Writes out what is buffered.  Returns 0 or a negative errno value. */
int packet_trace_flush(struct packet_trace *);

/* Returns 0, or a negative errno value if a record was lost. */
int packet_trace_close(struct packet_trace *);

#endif /* packet-trace.h */
