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

#ifndef MBOX_PORTS_H
#define MBOX_PORTS_H 1

/* What the devices of the instances' ports have counted.  That costs no packet
 * anything: every device counts by itself.  Reading the counters may wait for
 * somebody who opens a device, so the main thread does it, and sends them to
 * the coordinator (MBOX_MAIL_PORTS). */

#include <stdint.h>

struct ovsdb_idl;
struct shash;

/* As the device counts: a system device since it was made, whatever port it
 * was of.  UINT64_MAX: it does not count this. */
struct mbox_port_counters {
    uint64_t tx_packets, tx_bytes;      /* From the switch to the instance. */
    uint64_t tx_dropped;                /* The instance was too slow. */
    uint64_t rx_packets, rx_bytes;      /* From the instance. */
};

/* Adds a "struct mbox_port_counters" to 'ports', by name of Interface, for
 * each Interface with other_config:mbox-class that has a device.  Main
 * thread. */
void mbox_ports_read(const struct ovsdb_idl *, struct shash *ports);

#endif /* mbox-ports.h */
