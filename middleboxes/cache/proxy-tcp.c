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
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif
#define BACKLOG 4096

/* Sockets. */

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

static bool
set_int(int fd, int level, int option, int value)
{
    return !setsockopt(fd, level, option, &value, sizeof value);
}

/* Opens a socket that may have any address. */
static int
open_socket(const struct proxy_net *net, int family, int buffer)
{
    int fd = proxy_net_socket(net, family == 4 ? AF_INET : AF_INET6,
                              SOCK_STREAM);

    if (fd >= 0
        && !((family == 4
              ? set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
              : (set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
                 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)))
             && set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1)
             && set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, buffer)
             && set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, buffer)
             && set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1))) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool
bind_to(int fd, uint8_t family, const uint8_t addr[16], uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len = make_sockaddr(family, addr, port, &ss);

    return !bind(fd, (struct sockaddr *) &ss, len);
}

static bool
connect_to(int fd, uint8_t family, const uint8_t addr[16], uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len = make_sockaddr(family, addr, port, &ss);

    return !connect(fd, (struct sockaddr *) &ss, len);
}

/* Closes 'fd', if there is one, and returns the negative errno value. */
static int
give_up(int fd)
{
    int error = errno;

    if (fd >= 0) {
        proxy_tcp_close_silently(fd);
    }
    return -error;
}

int
proxy_tcp_listen(const struct proxy_net *net, int family, uint16_t port,
                 int buffer)
{
    static const uint8_t any[16];
    int fd = open_socket(net, family, buffer);

    if (fd < 0 || !bind_to(fd, family, any, port) || listen(fd, BACKLOG)) {
        return give_up(fd);
    }
    return fd;
}

int
proxy_tcp_connect(const struct proxy_net *net, const struct mbox_key *key,
                  int buffer)
{
    int fd = open_socket(net, key->family, buffer);

    if (fd < 0 || !bind_to(fd, key->family, key->src, key->src_port)
        || (!connect_to(fd, key->family, key->dst, key->dst_port)
            && errno != EINPROGRESS)) {
        return give_up(fd);
    }
    return fd;
}

bool
proxy_tcp_get_key(int fd, struct mbox_key *key)
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

static bool
get_info(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof *info;

    memset(info, 0, sizeof *info);
    return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len);
}

int
proxy_tcp_state(int fd)
{
    struct tcp_info info;

    return get_info(fd, &info) ? info.tcpi_state : TCP_CLOSE;
}

void
proxy_tcp_reset(int fd)
{
    const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

/* Repair. */

static bool
set_repair(int fd, int value)
{
    return set_int(fd, IPPROTO_TCP, TCP_REPAIR, value);
}

int
proxy_tcp_can_repair(const struct proxy_net *net)
{
    int fd = proxy_net_socket(net, AF_INET, SOCK_STREAM);
    int error = fd < 0 || !set_repair(fd, TCP_REPAIR_ON) ? -errno : 0;

    if (fd >= 0) {
        close(fd);
    }
    return error;
}

void
proxy_tcp_resume(int fd)
{
    set_repair(fd, TCP_REPAIR_OFF);
}

void
proxy_tcp_close_silently(int fd)
{
    set_repair(fd, TCP_REPAIR_ON);
    close(fd);
}

/* Chooses a queue; stores the sequence number after its end. */
static bool
choose_queue(int fd, int queue, uint32_t *end)
{
    socklen_t len = sizeof *end;

    return (set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
            && !getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, end, &len));
}

/* Reads the chosen queue to 'data'.  Returns its length, or -1. */
static ssize_t
peek_queue(int fd, uint8_t *data)
{
    ssize_t n = recv(fd, data, PROXY_TCP_QUEUE_MAX, MSG_PEEK | MSG_DONTWAIT);

    if (n == PROXY_TCP_QUEUE_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    return n < 0 && (errno == EAGAIN || errno == ENOTCONN) ? 0 : n;
}

static void
read_options(const struct tcp_info *info, struct proxy_tcp *tcp)
{
    tcp->has_sack = info->tcpi_options & TCPI_OPT_SACK;
    tcp->has_wscale = info->tcpi_options & TCPI_OPT_WSCALE;
    tcp->has_timestamps = info->tcpi_options & TCPI_OPT_TIMESTAMPS;
    tcp->snd_wscale = tcp->has_wscale ? info->tcpi_snd_wscale : 0;
    tcp->rcv_wscale = tcp->has_wscale ? info->tcpi_rcv_wscale : 0;

    /* Which end has closed. */
    switch (info->tcpi_state) {
    case TCP_CLOSE_WAIT:
        tcp->rcv_fin = true;
        break;
    case TCP_LAST_ACK:
    case TCP_CLOSING:
        tcp->rcv_fin = tcp->snd_fin = true;
        break;
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
        tcp->snd_fin = true;
        break;
    }
}

static bool
read_window(int fd, struct proxy_tcp *tcp)
{
    struct tcp_repair_window window;
    socklen_t len = sizeof window;

    if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &len)) {
        return false;
    }
    tcp->snd_wl1 = window.snd_wl1;
    tcp->snd_wnd = window.snd_wnd;
    tcp->max_window = window.max_window;
    tcp->rcv_wnd = window.rcv_wnd;
    tcp->rcv_wup = window.rcv_wup;
    if (tcp->rcv_fin) {
        /* The peer's FIN is to come again. */
        tcp->rcv_wup--;
        tcp->rcv_wnd++;
    }
    return true;
}

static bool
read_numbers(int fd, struct proxy_tcp *tcp)
{
    int mss = 0, timestamp = 0;
    socklen_t len = sizeof mss;

    if (getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &len)) {
        return false;
    }
    len = sizeof timestamp;
    if (getsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &timestamp, &len)) {
        return false;
    }
    tcp->mss = mss;
    tcp->timestamp = timestamp;
    return true;
}

/* Reads both queues into a block. */
static bool
read_queues(int fd, struct proxy_tcp *tcp, uint8_t *block,
            const uint8_t **unsent, size_t *n_unsent)
{
    int n_not_sent;             /* With the FIN. */
    uint32_t end;
    ssize_t n;

    if (ioctl(fd, SIOCOUTQNSD, &n_not_sent)
        || !choose_queue(fd, TCP_SEND_QUEUE, &end)
        || (n = peek_queue(fd, block)) < 0) {
        return false;
    }
    if (tcp->snd_fin && n_not_sent) {
        n_not_sent--;
    }
    *n_unsent = n_not_sent < n ? n_not_sent : n;
    *unsent = block + n - *n_unsent;
    tcp->snd = block;
    tcp->n_snd = n - *n_unsent;
    tcp->snd_seq = end - tcp->snd_fin - n;

    block += n;
    if (!choose_queue(fd, TCP_RECV_QUEUE, &end)
        || (n = peek_queue(fd, block)) < 0) {
        return false;
    }
    tcp->rcv = block;
    tcp->n_rcv = n;
    tcp->rcv_seq = end - tcp->rcv_fin - n;
    return true;
}

int
proxy_tcp_read(int fd, struct proxy_tcp *tcp, uint8_t **blockp,
               const uint8_t **unsent, size_t *n_unsent)
{
    uint8_t *block = malloc(2 * PROXY_TCP_QUEUE_MAX);
    struct tcp_info info;

    if (!block) {
        abort();
    }
    *tcp = (struct proxy_tcp) { .snd_seq = 0 };
    if (!set_repair(fd, TCP_REPAIR_ON) || !get_info(fd, &info)) {
        int error = errno;

        free(block);
        return -error;
    }
    read_options(&info, tcp);
    if (!read_window(fd, tcp) || !read_numbers(fd, tcp)
        || !read_queues(fd, tcp, block, unsent, n_unsent)) {
        int error = errno;

        free(block);
        return -error;
    }
    *blockp = block;
    return 0;
}

/* Sets the sequence number of the next byte in a queue. */
static bool
set_seq(int fd, int queue, uint32_t seq)
{
    return (set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
            && set_int(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, seq));
}

static bool
fill_queue(int fd, int queue, const uint8_t *data, size_t n)
{
    if (!set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)) {
        return false;
    }
    while (n) {
        ssize_t sent = send(fd, data, n < 65536 ? n : 65536, MSG_NOSIGNAL);

        if (sent <= 0) {
            return false;
        }
        data += sent;
        n -= sent;
    }
    return true;
}

static bool
set_options(int fd, const struct proxy_tcp *tcp)
{
    struct tcp_repair_opt options[4];
    size_t n = 0;

    options[n++] = (struct tcp_repair_opt) { TCPOPT_MAXSEG, tcp->mss };
    if (tcp->has_wscale) {
        options[n++] = (struct tcp_repair_opt) {
            TCPOPT_WINDOW, tcp->snd_wscale | tcp->rcv_wscale << 16 };
    }
    if (tcp->has_sack) {
        options[n++] = (struct tcp_repair_opt) { TCPOPT_SACK_PERMITTED, 0 };
    }
    if (tcp->has_timestamps) {
        options[n++] = (struct tcp_repair_opt) { TCPOPT_TIMESTAMP, 0 };
    }
    return !setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options,
                       n * sizeof options[0]);
}

static bool
set_window(int fd, const struct proxy_tcp *tcp)
{
    const struct tcp_repair_window window = {
        .snd_wl1 = tcp->snd_wl1, .snd_wnd = tcp->snd_wnd,
        .max_window = tcp->max_window, .rcv_wnd = tcp->rcv_wnd,
        .rcv_wup = tcp->rcv_wup,
    };

    return !setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window,
                       sizeof window);
}

int
proxy_tcp_restore(const struct proxy_net *net, const struct mbox_key *key,
                  int buffer, const struct proxy_tcp *tcp)
{
    int fd = open_socket(net, key->family, buffer);

    if (fd < 0 || !set_repair(fd, TCP_REPAIR_ON)
        || !set_seq(fd, TCP_SEND_QUEUE, tcp->snd_seq)
        || !set_seq(fd, TCP_RECV_QUEUE, tcp->rcv_seq)
        || !bind_to(fd, key->family, key->src, key->src_port)
        || !connect_to(fd, key->family, key->dst, key->dst_port)
        || !set_options(fd, tcp)
        || !set_int(fd, IPPROTO_TCP, TCP_TIMESTAMP, tcp->timestamp)
        || !fill_queue(fd, TCP_RECV_QUEUE, tcp->rcv, tcp->n_rcv)
        || !fill_queue(fd, TCP_SEND_QUEUE, tcp->snd, tcp->n_snd)
        || !set_window(fd, tcp)) {
        return give_up(fd);
    }
    return fd;
}

/* State. */

void
proxy_tcp_write(const struct proxy_tcp *tcp, struct mbox_writer *w)
{
    mbox_put_u32(w, tcp->snd_seq);
    mbox_put_u32(w, tcp->rcv_seq);
    mbox_put_u8(w, tcp->snd_fin | tcp->rcv_fin << 1 | tcp->has_sack << 2
                   | tcp->has_wscale << 3 | tcp->has_timestamps << 4);
    mbox_put_u16(w, tcp->mss);
    mbox_put_u8(w, tcp->snd_wscale);
    mbox_put_u8(w, tcp->rcv_wscale);
    mbox_put_u32(w, tcp->timestamp);
    mbox_put_u32(w, tcp->snd_wl1);
    mbox_put_u32(w, tcp->snd_wnd);
    mbox_put_u32(w, tcp->max_window);
    mbox_put_u32(w, tcp->rcv_wnd);
    mbox_put_u32(w, tcp->rcv_wup);
    mbox_put_u32(w, tcp->n_snd);
    mbox_put_bytes(w, tcp->snd, tcp->n_snd);
    mbox_put_u32(w, tcp->n_rcv);
    mbox_put_bytes(w, tcp->rcv, tcp->n_rcv);
}

int
proxy_tcp_parse(struct proxy_tcp *tcp, struct mbox_reader *r)
{
    tcp->snd_seq = mbox_get_u32(r);
    tcp->rcv_seq = mbox_get_u32(r);

    uint8_t flags = mbox_get_u8(r);
    tcp->snd_fin = flags & 1;
    tcp->rcv_fin = flags & 2;
    tcp->has_sack = flags & 4;
    tcp->has_wscale = flags & 8;
    tcp->has_timestamps = flags & 16;
    tcp->mss = mbox_get_u16(r);
    tcp->snd_wscale = mbox_get_u8(r);
    tcp->rcv_wscale = mbox_get_u8(r);
    tcp->timestamp = mbox_get_u32(r);
    tcp->snd_wl1 = mbox_get_u32(r);
    tcp->snd_wnd = mbox_get_u32(r);
    tcp->max_window = mbox_get_u32(r);
    tcp->rcv_wnd = mbox_get_u32(r);
    tcp->rcv_wup = mbox_get_u32(r);
    tcp->n_snd = mbox_get_u32(r);
    tcp->snd = mbox_get_bytes(r, tcp->n_snd);
    tcp->n_rcv = mbox_get_u32(r);
    tcp->rcv = mbox_get_bytes(r, tcp->n_rcv);
    return (r->error || flags >> 5 || tcp->snd_wscale > 14
            || tcp->rcv_wscale > 14 || tcp->n_snd > PROXY_TCP_QUEUE_MAX
            || tcp->n_rcv > PROXY_TCP_QUEUE_MAX
            ? -EPROTO : 0);
}
