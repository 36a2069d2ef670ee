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

#ifndef IDS_SCAN_H
#define IDS_SCAN_H 1

/* Port-scan detector
 * ==================
 *
 * Keeps for each source host the targets (host and port) that it tried to
 * connect to within a window of time: a TCP SYN that begins a flow, or the
 * first datagram of a UDP flow.  Many distinct ports or many distinct hosts
 * make one alert; after that the host is quiet for a window.
 *
 * This is multi-flow state, keyed by the source host alone.  When all of a
 * host's flows move, it moves; when some do, a copy is merged into the other
 * instance's, and each instance goes on with what it sees.  (What the two see
 * together afterwards is then not added up.)
 *
 * One detector serves all workers, since a host's flows spread over them; it
 * has its own lock. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"

struct mbox_reader;
struct mbox_writer;

struct ids_scan_config {
    uint32_t max_ports;         /* Distinct ports that make an alert. */
    uint32_t max_hosts;         /* Distinct hosts that make an alert. */
    uint32_t window;            /* Seconds. */
};
#define IDS_SCAN_CONFIG_INITIALIZER { 20, 40, 60 }
#define IDS_SCAN_MAX_TARGETS 128        /* Bound of both thresholds. */
#define IDS_SCAN_MAX_HOSTS 65536        /* Sources remembered. */

/* Signature ids of the alerts. */
#define IDS_SCAN_SID_PORTS 1
#define IDS_SCAN_SID_HOSTS 2
#define IDS_SCAN_GID 122        /* Generator id, as Snort's sfPortscan. */

enum ids_scan_verdict {
    IDS_SCAN_NOTHING,           /* Nothing new: the state is the same. */
    IDS_SCAN_CHANGED,
    IDS_SCAN_PORTS,             /* Changed, and to be reported. */
    IDS_SCAN_HOSTS,
};

struct ids_scan;

struct ids_scan *ids_scan_create(const struct ids_scan_config *);
void ids_scan_destroy(struct ids_scan *);

/* Checks that thresholds make sense. */
bool ids_scan_config_is_valid(const struct ids_scan_config *);
void ids_scan_get_config(struct ids_scan *, struct ids_scan_config *);
void ids_scan_set_config(struct ids_scan *, const struct ids_scan_config *);

/* The source of 'key', a packet's key, tries to connect at time 'now' (ns).
 * '*n' gets the number of distinct ports or hosts that is reported. */
enum ids_scan_verdict ids_scan_attempt(struct ids_scan *,
                                       const struct mbox_key *key,
                                       uint64_t now, uint32_t *n);

/* Forgets what is older than the window. */
void ids_scan_tick(struct ids_scan *, uint64_t now);

size_t ids_scan_n_hosts(struct ids_scan *);

/* The key that the state of 'family' and 'addr' is exported under. */
void ids_scan_key(uint8_t family, const uint8_t addr[16], struct mbox_key *);

/* Calls 'cb' with the key of each host, without the lock, until it returns
 * nonzero, and returns that. */
int ids_scan_list(struct ids_scan *,
                  int (*cb)(void *aux, const struct mbox_key *), void *aux);

/* State functions as in libmbox: return 0 or a negative errno value. */
int ids_scan_get(struct ids_scan *, const struct mbox_key *, uint64_t now,
                 struct mbox_writer *);
int ids_scan_put(struct ids_scan *, const struct mbox_key *, const void *data,
                 size_t len, uint64_t now, bool merge);
int ids_scan_del(struct ids_scan *, const struct mbox_key *);

#endif /* ids-scan.h */
