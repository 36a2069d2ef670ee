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

#ifndef IDS_TCP_H
#define IDS_TCP_H 1

/* TCP reassembly
 * ==============
 *
 * Turns the segments of both sides into two streams of bytes.
 *
 * - Overlaps: the first copy of a byte wins, whether it has been processed or
 *   is buffered behind a hole.  A copy that differs from a buffered one is an
 *   anomaly (one that differs from a processed byte cannot be told).
 * - Out of order: segments behind a hole are buffered, up to a limit for each
 *   direction and one for all flows.  At a limit the hole is given up: the
 *   stream has a gap there.
 * - A hole is given up, too, when the receiver acknowledges what is in it: it
 *   passed by some other way, and will not be sent again.
 * - A connection whose start was not seen is picked up at its first segment
 *   with data, in each direction.
 * - RST closes a connection, but data that goes on after it reopens it, so
 *   that a forged RST, which the receiver ignores, blinds nobody.
 * - Checksums are not verified: between virtual ports they are often not yet
 *   computed.
 *
 * Reordering.  A sender's own segments reach this program in the order in
 * which they were sent unless somebody on the way reorders them, so it is told
 * apart from loss and retransmission: a segment is IDS_REORDERED if
 *
 * - its timestamp option (RFC 7323) is older than that of a segment processed
 *   before it, since a retransmission carries a new timestamp; or
 * - it fills a hole before the receiver acknowledged anything that could have
 *   told the sender about the hole, within 100 ms (less than the shortest
 *   retransmission timeout) and with no newer timestamp than the segment that
 *   made the hole.
 *
 * RST and SYN segments do not count: their timestamps are special. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ids-flow.h"

/* A segment, from a packet. */
struct ids_segment_info {
    uint32_t seq, ack;
    uint8_t flags;              /* TH_*. */
    bool has_ts;
    uint32_t ts;                /* Timestamp option's value. */
    const uint8_t *data;
    size_t len;
};

/* Reads the TCP header at [p, p + len), payload included.  Returns false if it
 * is malformed. */
bool ids_segment_parse(const uint8_t *p, size_t len,
                       struct ids_segment_info *);

/* Limits, and memory shared by the flows of a worker. */
struct ids_tcp_limits {
    size_t half_limit;          /* Buffered in one direction of a flow. */
    size_t total_limit;         /* Buffered in all flows. */
    size_t total;               /* Buffered now. */
};

#define IDS_TCP_HALF_LIMIT (256 * 1024)
#define IDS_TCP_TOTAL_LIMIT (64 * 1024 * 1024)
#define IDS_TCP_MAX_SEGMENTS 1024       /* Of one direction, at most. */
#define IDS_TCP_MAX_AHEAD (1u << 30)    /* Largest window of RFC 7323. */

/* What reassembly tells its user about, while it processes a segment. */
struct ids_tcp_user {
    /* The next bytes of the stream sent in direction 'dir'; 'offset' is the
     * first one's place in the stream. */
    void (*data)(void *aux, struct ids_flow *, enum ids_dir dir,
                 uint64_t offset, const uint8_t *data, size_t len);

    /* 'len' bytes at 'offset' will never be seen. */
    void (*gap)(void *aux, struct ids_flow *, enum ids_dir dir,
                uint64_t offset, uint32_t len);

    /* The stream is complete: FIN. */
    void (*end)(void *aux, struct ids_flow *, enum ids_dir dir);

    /* The first anomaly of its kind in this direction. */
    void (*anomaly)(void *aux, struct ids_flow *, enum ids_dir dir,
                    enum ids_anomaly);
    void *aux;
};

/* Processes a segment sent in direction 'dir' of 'flow' at time 'now' (ns). */
void ids_tcp_segment(struct ids_flow *, enum ids_dir dir,
                     const struct ids_segment_info *, uint64_t now,
                     struct ids_tcp_limits *, const struct ids_tcp_user *);

/* Frees the buffered segments of 'half'. */
void ids_half_clear(struct ids_half *half, struct ids_tcp_limits *);

/* Appends a copy of 'len' bytes at 'seq', which must lie behind everything
 * that is buffered.  For reassembly and for importing. */
void ids_half_append(struct ids_half *half, uint32_t seq, const void *data,
                     size_t len, struct ids_tcp_limits *);

/* Name as in the log. */
const char *ids_anomaly_to_string(enum ids_anomaly);

/* a - b as sequence numbers: negative if 'a' comes before 'b'. */
static inline int32_t
ids_seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t) (a - b);
}

#endif /* ids-tcp.h */
