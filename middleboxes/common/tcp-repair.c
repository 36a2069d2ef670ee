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
#include "tcp-repair.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bytes.h"
#include "inet-checksum.h"
#include "tcp-socket.h"

#define IPV4_LEN 20
#define IPV6_LEN 40
#define TCP_LEN 20

static bool
set_repair(int fd, int value)
{
    return tcp_socket_set(fd, IPPROTO_TCP, TCP_REPAIR, value);
}

int
tcp_repair_enter(int fd)
{
    return set_repair(fd, TCP_REPAIR_ON) ? 0 : -errno;
}

void
tcp_repair_leave(int fd)
{
    set_repair(fd, TCP_REPAIR_OFF);
}

void
tcp_repair_close(int fd)
{
    set_repair(fd, TCP_REPAIR_ON);
    close(fd);
}

/* Chooses a queue; stores the sequence number after its end. */
static bool
choose_queue(int fd, int queue, uint32_t *end)
{
    socklen_t len = sizeof *end;

    return (tcp_socket_set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
            && !getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, end, &len));
}

/* Reads the chosen queue to 'data'.  Returns its length, or -1. */
static ssize_t
peek_queue(int fd, uint8_t *data)
{
    ssize_t n = recv(fd, data, TCP_REPAIR_QUEUE_MAX, MSG_PEEK | MSG_DONTWAIT);

    if (n == TCP_REPAIR_QUEUE_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    return n < 0 && (errno == EAGAIN || errno == ENOTCONN) ? 0 : n;
}

static void
read_options(const struct tcp_info *info, struct tcp_repair *tcp)
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
read_window(int fd, struct tcp_repair *tcp)
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
read_numbers(int fd, struct tcp_repair *tcp)
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
read_queues(int fd, struct tcp_repair *tcp, uint8_t *block,
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
tcp_repair_read(int fd, struct tcp_repair *tcp, uint8_t **blockp,
               const uint8_t **unsent, size_t *n_unsent)
{
    uint8_t *block = malloc(2 * TCP_REPAIR_QUEUE_MAX);
    struct tcp_info info;

    if (!block) {
        return -ENOMEM;
    }
    *tcp = (struct tcp_repair) { .snd_seq = 0 };
    if (!set_repair(fd, TCP_REPAIR_ON) || !tcp_socket_get_info(fd, &info)) {
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
    return (tcp_socket_set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
            && tcp_socket_set(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, seq));
}

static bool
fill_queue(int fd, int queue, const uint8_t *data, size_t n)
{
    if (!tcp_socket_set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)) {
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
set_options(int fd, const struct tcp_repair *tcp)
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

/* The kernel found out how much a segment may carry when it knew of no
 * handshake.  It does so again when options of IP are set, be it that there
 * are none as before.  If that fails, segments are smaller than need be. */
static void
find_segment_size(int fd, const struct mbox_key *key)
{
    if (key->family == 4) {
        setsockopt(fd, IPPROTO_IP, IP_OPTIONS, NULL, 0);
        return;
    }

    /* One that stands for none: it is not remembered. */
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } option = {
        .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
                    .cmsg_level = IPPROTO_IPV6,
                    .cmsg_type = IPV6_2292HOPLIMIT },
    };
    setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, &option, sizeof option);
    setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, NULL, 0);
}

static bool
set_window(int fd, const struct tcp_repair *tcp)
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
tcp_repair_fill(int fd, const struct mbox_key *key,
                const struct tcp_repair *tcp)
{
    if (!set_repair(fd, TCP_REPAIR_ON)
        || !set_seq(fd, TCP_SEND_QUEUE, tcp->snd_seq)
        || !set_seq(fd, TCP_RECV_QUEUE, tcp->rcv_seq)
        || !tcp_socket_bind(fd, key->family, key->src, key->src_port)
        || !tcp_socket_connect(fd, key->family, key->dst, key->dst_port)
        || !set_options(fd, tcp)
        || !tcp_socket_set(fd, IPPROTO_TCP, TCP_TIMESTAMP, tcp->timestamp)
        || !fill_queue(fd, TCP_RECV_QUEUE, tcp->rcv, tcp->n_rcv)
        || !fill_queue(fd, TCP_SEND_QUEUE, tcp->snd, tcp->n_snd)
        || !set_window(fd, tcp)) {
        return -errno;
    }
    find_segment_size(fd, key);
    return 0;
}

/* State. */

void
tcp_repair_write(const struct tcp_repair *tcp, struct mbox_writer *w)
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
tcp_repair_parse(struct tcp_repair *tcp, struct mbox_reader *r)
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
            || tcp->rcv_wscale > 14 || tcp->n_snd > TCP_REPAIR_QUEUE_MAX
            || tcp->n_rcv > TCP_REPAIR_QUEUE_MAX
            ? -EPROTO : 0);
}

/* Segments. */

size_t
tcp_repair_make_segment(const struct mbox_key *key, uint32_t seq, uint32_t ack,
                        uint8_t flags, uint16_t window,
                        uint8_t packet[TCP_REPAIR_SEGMENT_MAX])
{
    size_t l3_len = key->family == 4 ? IPV4_LEN : IPV6_LEN;
    uint8_t *p = packet + l3_len;

    memset(packet, 0, TCP_REPAIR_SEGMENT_MAX);
    if (key->family == 4) {
        packet[0] = 0x45;
        put_be16(packet + 2, l3_len + TCP_LEN);
        packet[8] = 64;
        packet[9] = IPPROTO_TCP;
        memcpy(packet + 12, key->src + 12, 4);
        memcpy(packet + 16, key->dst + 12, 4);
        put_be16(packet + 10,
                 inet_csum_finish(inet_csum_add(0, packet, l3_len)));
    } else {
        packet[0] = 0x60;
        put_be16(packet + 4, TCP_LEN);
        packet[6] = IPPROTO_TCP;
        packet[7] = 64;
        memcpy(packet + 8, key->src, 16);
        memcpy(packet + 24, key->dst, 16);
    }
    put_be16(p, key->src_port);
    put_be16(p + 2, key->dst_port);
    put_be32(p + 4, seq);
    put_be32(p + 8, ack);
    p[12] = TCP_LEN / 4 << 4;
    p[13] = flags;
    put_be16(p + 14, window);

    uint32_t sum = inet_csum_pseudo(key->family, key->src, key->dst,
                                    IPPROTO_TCP, TCP_LEN);
    put_be16(p + 16, inet_csum_finish(inet_csum_add(sum, p, TCP_LEN)));
    return l3_len + TCP_LEN;
}

size_t
tcp_repair_make_fin(const struct mbox_key *key, const struct tcp_repair *tcp,
                    uint8_t packet[TCP_REPAIR_SEGMENT_MAX])
{
    uint32_t window = tcp->snd_wnd >> tcp->snd_wscale;

    return tcp_repair_make_segment(key, tcp->rcv_seq + tcp->n_rcv,
                                   tcp->snd_seq, TH_FIN | TH_ACK,
                                   window < 65535 ? window : 65535, packet);
}
