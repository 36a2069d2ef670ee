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

#ifndef IDS_H
#define IDS_H 1

/* The core of mbox-ids: an intrusion detection system as a function of packets
 * ============================================================================
 *
 * Takes packets, the time and state as arguments, and writes events to a log;
 * it does no other input or output and does not know libmbox, so that a test
 * or a capture file can drive it.  One 'struct ids' serves one worker, in
 * whose thread all its functions are called; what they share is locked by
 * itself. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ids-flow.h"
#include "mbox-key.h"

struct event_log;
struct ids_scan;
struct ids_sigs;
struct packet_trace;
struct json_object;
struct mbox_writer;

struct ids_config {
    const struct ids_sigs *sigs;
    struct event_log *log;
    struct ids_scan *scan;
    struct packet_trace *trace;    /* Or NULL. */
    uint64_t now;               /* At the start, as 'now' everywhere: ns. */
    uint64_t wall;              /* The same time in us since 1970. */

    /* Called when state changes that no packet of its own flow changes:
     * a flow that ends by a timer ('multi_flow' false), or the state that the
     * scan detector keeps of a host.  May be null. */
    void (*dirty)(void *aux, bool multi_flow, const struct mbox_key *);

    /* Returns true if no timer may end the flow yet, because it still belongs
     * to another instance.  May be null. */
    bool (*is_pending)(void *aux, const struct mbox_key *);
    void *aux;
};

struct ids_stats {
    uint64_t packets, bytes;
    uint64_t not_ip, malformed, fragments;
    uint64_t flows_created, flows_imported, flows_ended, flows_deleted;
    uint64_t alerts, http_requests, anomalies;
    uint64_t stream_bytes;      /* Of TCP, processed in order. */
    uint64_t gap_bytes;         /* Of TCP, never seen. */
    uint64_t retransmitted, out_of_order, reordered;    /* Of ended flows. */
};

/* Why a flow ended, for its record. */
enum ids_end { IDS_END_TIMEOUT, IDS_END_CLOSED, IDS_END_REUSED,
               IDS_END_SHUTDOWN };

/* A flow ends when it has been idle for this long, in seconds. */
#define IDS_TIMEOUT_TCP_NEW 30
#define IDS_TIMEOUT_TCP_OPEN 3600
#define IDS_TIMEOUT_TCP_CLOSED 5
#define IDS_TIMEOUT_OTHER 60

/* A flow that may not end yet is looked at again after as long. */
#define IDS_PENDING_SECONDS 1

/* Stream state is compressed when the flow has been idle for this long. */
#define IDS_PACK_SECONDS 1

struct ids;

struct ids *ids_create(const struct ids_config *);

/* Frees everything and logs nothing. */
void ids_destroy(struct ids *);

/* Processes the packet of 'len' bytes at 'frame', which mbox_key_extract()
 * gave 'key' and 'layout' of, at time 'now' (a time that goes back counts as
 * the latest one). */
void ids_packet(struct ids *, uint64_t now, const void *frame, size_t len,
                const struct mbox_key *key,
                const struct mbox_packet_layout *layout);

/* Ends flows that are idle, and compresses the state of others. To be called
 * every 100 ms or so. */
void ids_tick(struct ids *, uint64_t now);

/* Says what time it is.  To be called before the state functions below, which
 * turn times into ages and back. */
void ids_set_time(struct ids *, uint64_t now);

/* Ends and logs all flows, for an orderly shutdown. */
void ids_finish(struct ids *, uint64_t now);

size_t ids_n_flows(const struct ids *);
const struct ids_stats *ids_get_stats(const struct ids *);

/* Adds 'b' to 'a'. */
void ids_stats_add(struct ids_stats *a, const struct ids_stats *b);

/* Logs a "stats" event. */
void ids_log_stats(struct event_log *, const struct ids_stats *,
                   size_t n_flows, uint64_t wall);

/* Per-flow state (ids-state.c).  Keys are canonical.  All return 0 or a
 * negative errno value.  A failed 'put' changes nothing. */
#define IDS_STATE_VERSION 1

int ids_state_list(struct ids *, int (*cb)(void *aux,
                                           const struct mbox_key *),
                   void *aux);
int ids_state_get(struct ids *, const struct mbox_key *,
                  struct mbox_writer *);
int ids_state_put(struct ids *, const struct mbox_key *, const void *data,
                  size_t len);
int ids_state_del(struct ids *, const struct mbox_key *);

/* State of the scan detector: see ids-scan.h. */
int ids_scan_state_get(struct ids *, const struct mbox_key *,
                       struct mbox_writer *);
int ids_scan_state_put(struct ids *, const struct mbox_key *,
                       const void *data, size_t len, bool merge);

/* Configuration: what an instance must have in common with another, and the
 * thresholds of the scan detector, which are taken over. */
void ids_config_state_get(struct ids *, struct mbox_writer *);
int ids_config_state_put(struct ids *, const void *data, size_t len);

/* Changes with the layout of state, the rules, and Vectorscan. */
uint64_t ids_schema(const struct ids_sigs *);

#endif /* ids.h */
