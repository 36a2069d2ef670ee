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

#include <config.h>
#include "mbox-ports.h"

#include "netdev.h"
#include "netdev-provider.h"
#include "openvswitch/netdev.h"
#include "openvswitch/shash.h"
#include "smap.h"
#include "util.h"
#include "vswitch-idl.h"

static void
read_port(const char *iface, struct shash *ports)
{
    struct netdev *netdev = netdev_from_name(iface);
    struct netdev_stats stats;

    if (netdev && !netdev_get_stats(netdev, &stats)) {
        struct mbox_port_counters *counters = xmalloc(sizeof *counters);

        *counters = (struct mbox_port_counters) {
            .tx_packets = stats.tx_packets,
            .tx_bytes = stats.tx_bytes,
            .tx_dropped = stats.tx_dropped,
            .rx_packets = stats.rx_packets,
            .rx_bytes = stats.rx_bytes,
        };
        shash_add(ports, iface, counters);
    }
    netdev_close(netdev);
}

void
mbox_ports_read(const struct ovsdb_idl *idl, struct shash *ports)
{
    const struct ovsrec_interface *iface;

    OVSREC_INTERFACE_FOR_EACH (iface, idl) {
        if (smap_get(&iface->other_config, "mbox-class")) {
            read_port(iface->name, ports);
        }
    }
}
