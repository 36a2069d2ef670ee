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

#ifndef IDS_FLOW_H
#define IDS_FLOW_H 1

/* Flows and the table of them
 * ===========================
 *
 * One table per worker, used by its thread only.  A flow holds as little as it
 * can while it is idle: buffers exist only while something is in them, and
 * Vectorscan's stream state is kept compressed (ids-sig.h).  Each flow has a
 * timer in the table's wheel. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ids-rules.h"
#include "mbox-key.h"
#include "wheel.h"

struct ids_http;

/* Things worth counting in a stream.  The first of each kind in each direction
 * of a flow makes an "anomaly" event (except retransmissions and segments out
 * of order, which are daily life). */
enum ids_anomaly {
    IDS_RETRANSMITTED,          /* Segment with data seen before. */
    IDS_OUT_OF_ORDER,           /* Segment behind a hole. */
    IDS_REORDERED,              /* Surely overtaken after it was sent. */
    IDS_OVERLAP,                /* Overlaps with different data. */
    IDS_GAP,                    /* Data that was never seen. */
    IDS_BAD_SEQ,                /* Sequence number out of any window. */
    IDS_BAD_SYN,                /* SYN within an open connection. */
    IDS_N_ANOMALIES
};

/* Signature state of one direction. */
struct ids_sig_stream {
    void *state;                /* hs_stream_t, or malloc()ed compressed. */
    uint32_t size;              /* Of compressed state; 0: 'state' is open. */
};

/* Buffered out of order. */
struct ids_segment {
    struct ids_segment *next;
    uint32_t seq;
    uint32_t len;
    uint8_t data[];
};

/* One direction of a TCP connection: what one side sends. */
enum {
    IDS_HALF_STARTED = 1 << 0,  /* 'next_seq' is valid. */
    IDS_HALF_SYN = 1 << 1,      /* It started with SYN. */
    IDS_HALF_FIN = 1 << 2,      /* 'fin_seq' is valid. */
    IDS_HALF_CLOSED = 1 << 3,   /* All data up to FIN has been processed. */
    IDS_HALF_TS = 1 << 4,       /* 'ts_max' is valid. */
    IDS_HALF_HOLE_TS = 1 << 5,  /* 'hole_ts' is valid. */
    IDS_HALF_HOLE_ACKED = 1 << 6, /* The other side may know of the hole. */
    IDS_HALF_ALL_FLAGS = (1 << 7) - 1
};

struct ids_half {
    uint64_t offset;            /* Bytes of the stream before 'next_seq'. */
    uint64_t sig_base;          /* Where 'sig' began in the stream. */
    struct ids_sig_stream sig;
    struct ids_segment *segments;       /* Sorted, disjoint, after a hole. */
    struct ids_segment *last_segment;
    uint64_t hole_time;         /* When the first of 'segments' came. */
    uint32_t next_seq;          /* Next byte to process. */
    uint32_t fin_seq;
    uint32_t ts_max;            /* Highest timestamp option seen. */
    uint32_t hole_ts;           /* That of the first of 'segments'. */
    uint32_t buffered;          /* Bytes in 'segments', with overhead. */
    uint32_t n[IDS_N_ANOMALIES];
    uint8_t flags;
};

enum ids_tcp_state {
    IDS_TCP_NEW,                /* SYN seen only. */
    IDS_TCP_OPEN,
    IDS_TCP_CLOSED,             /* Both sides closed, or reset. */
    IDS_TCP_N_STATES
};

struct ids_tcp {
    struct ids_half half[2];    /* By enum ids_dir of the sender. */
    struct ids_http *http;      /* Requests, or NULL: none seen yet. */
    uint8_t state;              /* enum ids_tcp_state. */
    bool reset;                 /* Closed by RST. */
    bool not_http;              /* What the client sends is not HTTP. */
};

struct ids_flow {
    struct wheel_timer timer;   /* First: see flow_from_timer(). */
    struct ids_flow *next;      /* In its hash bucket. */
    struct ids_tcp *tcp;        /* NULL unless TCP. */
    uint32_t *marks;            /* Sorted; see ids-sig.h. */
    uint64_t id;                /* As in the log; moves with the flow. */
    uint64_t start;             /* Microseconds since 1970. */
    uint64_t last_seen;         /* CLOCK_MONOTONIC, ns. */
    uint64_t n_packets[2];      /* By enum ids_dir. */
    uint64_t n_bytes[2];        /* Frames. */
    struct mbox_key key;        /* Canonical. */
    uint32_t hash;
    uint16_t n_marks;
    bool client_is_dst;         /* The client is the canonical key's 'dst'. */
};

struct ids_table {
    struct ids_flow **buckets;
    size_t mask;                /* Number of buckets, minus 1. */
    size_t n;
    uint32_t basis;
    struct wheel wheel;
};

void ids_table_init(struct ids_table *, uint64_t now);
void ids_table_uninit(struct ids_table *);      /* It must be empty. */

struct ids_flow *ids_table_find(const struct ids_table *,
                                const struct mbox_key *canonical);

/* Creates a flow that is not in the table yet; 'key' must be canonical. */
struct ids_flow *ids_flow_create(const struct mbox_key *canonical,
                                 bool client_is_dst);

/* Frees a flow that is in no table, except what 'tcp' points to. */
void ids_flow_free(struct ids_flow *);

/* Adds 'flow', which is to be looked at when 'wake' has come. */
void ids_table_insert(struct ids_table *, struct ids_flow *, uint64_t wake);
void ids_table_remove(struct ids_table *, struct ids_flow *);

/* See wheel_wake(). */
void ids_table_wake(struct ids_table *, struct ids_flow *, uint64_t wake);

/* Calls 'look' for the flows due by 'now', which are out of the wheel during
 * the call: it must call ids_table_wake() or ids_table_remove(). */
void ids_table_advance(struct ids_table *, uint64_t now,
                       void (*look)(void *aux, struct ids_flow *), void *aux);

/* Calls 'cb' for each flow until it returns nonzero, and returns that.  'cb'
 * may remove the flow it is given, and no other. */
int ids_table_for_each(struct ids_table *,
                       int (*cb)(void *aux, struct ids_flow *), void *aux);

/* The direction of a packet whose own key is canonical, or its reverse. */
static inline enum ids_dir
ids_flow_dir(const struct ids_flow *flow, bool packet_is_reverse)
{
    return (packet_is_reverse == flow->client_is_dst
            ? IDS_TO_SERVER : IDS_TO_CLIENT);
}

/* Stores the key of the packets of 'flow' in direction 'dir'. */
void ids_flow_dir_key(const struct ids_flow *, enum ids_dir dir,
                      struct mbox_key *);

#endif /* ids-flow.h */
