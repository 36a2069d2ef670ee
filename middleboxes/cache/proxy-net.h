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

#ifndef PROXY_NET_H
#define PROXY_NET_H 1

/* The kernel's TCP behind libmbox's packets
 * =========================================
 *
 * A proxy needs TCP, and libmbox has packets.  The kernel's TCP is put behind
 * them: a network namespace of the process's own has one TUN device and
 * nothing else.  What libmbox delivers is written to the TUN; what the kernel
 * sends is read from it and goes out as libmbox's.  So tags, held packets and
 * replays are libmbox's affair and done before the kernel sees anything, no
 * rule of a firewall can be forgotten or left behind, and a socket that is
 * frozen has nobody to send to but this program, which drops what it says.
 *
 * In that namespace every address is local for what comes from the TUN, which
 * makes a listener accept connections to any server, and reachable by it,
 * which lets a connection to a server come from any client's address
 * (IP_TRANSPARENT).  The two have the same addresses and ports in mirrored
 * roles, and so are one flow on the wire.
 *
 * Why not TPROXY: it takes rules of netfilter in a namespace with the port,
 * where packets would reach the kernel before libmbox.  Why not a TCP of our
 * own: the kernel's is the one that is known to work with everything, and
 * TCP_REPAIR lets it move. */

#include "tun-net.h"

struct proxy_net {
    struct tun_net tun;
    bool has_ipv6;
};

/* Makes namespace and device.  Returns 0, or a negative errno value and stores
 * a malloc()ed message in '*errp'. */
int proxy_net_open(struct proxy_net *, unsigned int mtu, char **errp);
void proxy_net_close(struct proxy_net *);

/* Opens a socket in the namespace; as socket(2). */
int proxy_net_socket(const struct proxy_net *, int domain, int type);

#endif /* proxy-net.h */
