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
#include "proxy-tcp.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif
#define BACKLOG 4096

/* Sockets. */

/* Opens a socket that may have any address. */
static int
open_socket(const struct proxy_net *net, int family, int buffer)
{
    int fd = proxy_net_socket(net, family == 4 ? AF_INET : AF_INET6,
                              SOCK_STREAM);

    if (fd >= 0
        && !((family == 4
              ? tcp_socket_set(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
              : (tcp_socket_set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
                 && tcp_socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)))
             && tcp_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1)
             && tcp_socket_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, buffer)
             && tcp_socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, buffer)
             && tcp_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1))) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Closes 'fd', if there is one, and returns the negative errno value. */
static int
give_up(int fd)
{
    int error = errno;

    if (fd >= 0) {
        tcp_repair_close(fd);
    }
    return -error;
}

int
proxy_tcp_listen(const struct proxy_net *net, int family, uint16_t port,
                 int buffer)
{
    static const uint8_t any[16];
    int fd = open_socket(net, family, buffer);

    if (fd < 0 || !tcp_socket_bind(fd, family, any, port)
        || listen(fd, BACKLOG)) {
        return give_up(fd);
    }
    return fd;
}

int
proxy_tcp_connect(const struct proxy_net *net, const struct mbox_key *key,
                  int buffer)
{
    int fd = open_socket(net, key->family, buffer);

    if (fd < 0 || !tcp_socket_bind(fd, key->family, key->src, key->src_port)
        || (!tcp_socket_connect(fd, key->family, key->dst, key->dst_port)
            && errno != EINPROGRESS)) {
        return give_up(fd);
    }
    return fd;
}

void
proxy_tcp_reset(int fd)
{
    const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

/* Repair. */

int
proxy_tcp_can_repair(const struct proxy_net *net)
{
    int fd = proxy_net_socket(net, AF_INET, SOCK_STREAM);
    int error = fd < 0 ? -errno : tcp_repair_enter(fd);

    if (fd >= 0) {
        close(fd);
    }
    return error;
}

int
proxy_tcp_restore(const struct proxy_net *net, const struct mbox_key *key,
                  int buffer, const struct tcp_repair *tcp)
{
    int fd = open_socket(net, key->family, buffer);
    int error = fd < 0 ? -errno : tcp_repair_fill(fd, key, tcp);

    if (error && fd >= 0) {
        tcp_repair_close(fd);
    }
    return error ? error : fd;
}
