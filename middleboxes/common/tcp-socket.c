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
#include "tcp-socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static socklen_t
make_sockaddr(uint8_t family, const uint8_t addr[16], uint16_t port,
              struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    if (family == 4) {
        struct sockaddr_in *sin = (struct sockaddr_in *) ss;

        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        memcpy(&sin->sin_addr, addr + 12, 4);
        return sizeof *sin;
    }
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;

    sin6->sin6_family = AF_INET6;
    sin6->sin6_port = htons(port);
    memcpy(&sin6->sin6_addr, addr, 16);
    return sizeof *sin6;
}

static uint8_t
read_sockaddr(const struct sockaddr_storage *ss, uint8_t addr[16],
              uint16_t *port)
{
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) ss;

        memset(addr, 0, 10);
        memset(addr + 10, 0xff, 2);
        memcpy(addr + 12, &sin->sin_addr, 4);
        *port = ntohs(sin->sin_port);
        return 4;
    }
    const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;

    memcpy(addr, &sin6->sin6_addr, 16);
    *port = ntohs(sin6->sin6_port);
    return 6;
}

bool
tcp_socket_set(int fd, int level, int option, int value)
{
    return !setsockopt(fd, level, option, &value, sizeof value);
}

bool
tcp_socket_bind(int fd, uint8_t family, const uint8_t addr[16], uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len = make_sockaddr(family, addr, port, &ss);

    return !bind(fd, (struct sockaddr *) &ss, len);
}

bool
tcp_socket_connect(int fd, uint8_t family, const uint8_t addr[16],
                   uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len = make_sockaddr(family, addr, port, &ss);

    return !connect(fd, (struct sockaddr *) &ss, len);
}

bool
tcp_socket_get_key(int fd, struct mbox_key *key)
{
    struct sockaddr_storage own, peer;
    socklen_t own_len = sizeof own, peer_len = sizeof peer;

    *key = (struct mbox_key) {
        .vlan = MBOX_VLAN_NONE, .proto = IPPROTO_TCP,
    };
    if (getsockname(fd, (struct sockaddr *) &own, &own_len)
        || getpeername(fd, (struct sockaddr *) &peer, &peer_len)) {
        return false;
    }
    key->family = read_sockaddr(&own, key->src, &key->src_port);
    read_sockaddr(&peer, key->dst, &key->dst_port);
    return true;
}

bool
tcp_socket_get_info(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof *info;

    memset(info, 0, sizeof *info);
    return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len);
}

int
tcp_socket_get_state(int fd)
{
    struct tcp_info info;

    return tcp_socket_get_info(fd, &info) ? info.tcpi_state : TCP_CLOSE;
}
