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

#ifndef TUN_NET_H
#define TUN_NET_H 1

/* The kernel's TCP/IP behind packets that a program has
 * =====================================================
 *
 * A network namespace of the process's own, with one TUN device and nothing
 * else: what is written to the device comes to the kernel as from a network,
 * and what the kernel sends is read from it.  Only sockets of
 * tun_net_socket() are in that namespace, the process stays where it is.
 *
 * Needs CAP_SYS_ADMIN, for the namespace, and CAP_NET_ADMIN. */

#include <stdbool.h>
#include <stddef.h>

struct tun_net {
    int home_fd;                /* The namespace that the process is in. */
    int own_fd;                 /* The one of the TUN. */
    int tun_fd;                 /* Does not block; each read and write is of
                                 * one IP packet. */
};

/* Makes namespace and device, of that MTU, and brings it and "lo" up.
 * 'configure' is called in the namespace then, and gives addresses and routes;
 * its result is as this one's: 0, or a negative errno value with a malloc()ed
 * message in '*errp'. */
int tun_net_open(struct tun_net *, const char *device, unsigned int mtu,
                 int (*configure)(void *aux, char **errp), void *aux,
                 char **errp);
void tun_net_close(struct tun_net *);

/* As socket(2), in the namespace. */
int tun_net_socket(const struct tun_net *, int domain, int type,
                   int protocol);

/* Returns the negative of 'errno' with a message for 'configure'. */
int tun_net_fail(char **errp, const char *what);

#endif /* tun-net.h */
