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

#include "port.h"

/* Packet I/O on a network interface by AF_PACKET
 * ==============================================
 *
 * Reads by recvmmsg() and writes by sendmmsg(), a burst per system call,
 * rather than by a shared ring:
 *
 *   - TPACKET_V3 hands over blocks, and a block that is not full only after a
 *     timeout of at least 1 ms: at moderate load that is what a packet waits.
 *   - TPACKET_V2 has no such delay, but every slot has the size of the largest
 *     frame, which is 64 KiB here, so that a queue deep enough for a burst
 *     takes hundreds of MiB; and a frame must be copied out of its slot anyway
 *     if it shall be sent, held or given to another thread.
 *   - recvmmsg() copies once, to where the frame is processed, needs one
 *     system call per burst (two if it has to sleep), and its queue is bounded
 *     in bytes, so that it holds the more packets the smaller they are.
 *
 * The kernel takes a VLAN header out of the frame and puts it in the auxiliary
 * data: it is put back.  Checksums and segmentation that a local sender left
 * to the card are done here, see offload.h. */

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "offload.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define TAILROOM 64
#define RCVBUF_BYTES (64 * 1024 * 1024)
#define SNDBUF_BYTES (4 * 1024 * 1024)
#define TX_QUEUE (2 * MB_BURST)

/* What the pool's slots consist of. */
struct slot {
    struct mb_packet packet;
    uint8_t room[MB_HEADROOM + MB_FRAME_MAX + TAILROOM];
};

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

struct afpacket {
    struct mb_port up;
    char name[IFNAMSIZ];
    int rx_fd, tx_fd;
    size_t mtu;

    struct slot *pool;          /* Memory is used as far as frames reach. */
    size_t pool_size;
    struct mb_packet *free_list;

    /* Of the next recvmmsg().  Slots that it did not use stay for the one
     * after it. */
    struct mb_packet *rx_packets[MB_BURST];
    struct virtio_net_hdr rx_offload[MB_BURST];
    union control rx_control[MB_BURST];
    struct iovec rx_iov[MB_BURST][2];
    struct mmsghdr rx_msgs[MB_BURST];

    struct mb_packet *segments; /* Read, cut, and not yet handed out, with what
                                 * was read behind them. */

    struct mb_packet *tx_packets[TX_QUEUE];
    unsigned int n_tx;
};

static struct afpacket *
afpacket_cast(const struct mb_port *port)
{
    return (struct afpacket *) port;
}

static void
slot_free(struct mb_packet *packet)
{
    struct afpacket *p = packet->owner;

    packet->next = p->free_list;
    p->free_list = packet;
}

static struct mb_packet *
slot_get(struct afpacket *p)
{
    struct mb_packet *packet = p->free_list;

    if (packet) {
        struct slot *slot = (struct slot *) packet;

        p->free_list = packet->next;
        memset(packet, 0, sizeof *packet);
        packet->data = slot->room + MB_HEADROOM;
        packet->headroom = MB_HEADROOM;
        packet->free = slot_free;
        packet->owner = p;
    }
    return packet;
}

/* Puts the VLAN header back that the kernel took out.  Returns its length. */
static size_t
restore_vlan(struct mb_packet *packet, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        struct tpacket_auxdata aux;

        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA
            || packet->len < 12) {
            continue;
        }
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if (!(aux.tp_status & TP_STATUS_VLAN_VALID)) {
            continue;
        }

        uint16_t tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID
                         ? aux.tp_vlan_tpid : ETH_P_8021Q);
        packet->data -= 4;
        packet->headroom -= 4;
        packet->len += 4;
        memmove(packet->data, packet->data + 4, 12);
        packet->data[12] = tpid >> 8;
        packet->data[13] = tpid;
        packet->data[14] = aux.tp_vlan_tci >> 8;
        packet->data[15] = aux.tp_vlan_tci;
        return 4;
    }
    return 0;
}

/* Where to append to 'segments'. */
static struct mb_packet **
segments_tail(struct afpacket *p)
{
    struct mb_packet **tail = &p->segments;

    while (*tail) {
        tail = &(*tail)->next;
    }
    return tail;
}

/* Completes the frame number 'i' of a recvmmsg().  Returns it, or null if it
 * was cut and is among 'segments'. */
static struct mb_packet *
finish_rx(struct afpacket *p, unsigned int i)
{
    struct mb_packet *packet = p->rx_packets[i];
    const struct virtio_net_hdr *offload = &p->rx_offload[i];
    size_t len = p->rx_msgs[i].msg_len;

    p->rx_packets[i] = NULL;
    if (len < sizeof *offload + ETH_HLEN) {
        mb_packet_free(packet);
        return NULL;
    }
    packet->len = len - sizeof *offload;
    packet->tailroom = MB_FRAME_MAX + TAILROOM - packet->len;
    mb_count(&p->up.stats.rx_packets, 1);
    mb_count(&p->up.stats.rx_bytes, packet->len);

    size_t shift = restore_vlan(packet, &p->rx_msgs[i].msg_hdr);
    if (offload->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        if (!mb_offload_segment(packet, offload->gso_size,
                                segments_tail(p))) {
            mb_count(&p->up.stats.rx_dropped, 1);
        }
        mb_packet_free(packet);
        return NULL;
    }
    if (offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        mb_offload_checksum(packet->data, packet->len,
                            offload->csum_start + shift,
                            offload->csum_offset);
    }
    return packet;
}

/* True if the interface still exists. */
static bool
is_alive(struct afpacket *p)
{
    struct ifreq ifr = { .ifr_flags = 0 };

    memcpy(ifr.ifr_name, p->name, sizeof ifr.ifr_name);
    return !ioctl(p->rx_fd, SIOCGIFINDEX, &ifr);
}

static unsigned int
pop_segments(struct afpacket *p, struct mb_packet **packets, unsigned int max)
{
    unsigned int n = 0;

    while (p->segments && n < max) {
        packets[n] = p->segments;
        p->segments = packets[n]->next;
        packets[n++]->next = NULL;
    }
    return n;
}

static int
afpacket_rx(struct mb_port *port, struct mb_packet **packets, unsigned int max)
{
    struct afpacket *p = afpacket_cast(port);
    unsigned int n = pop_segments(p, packets, max);

    if (n) {
        port->more = true;
        return n;
    }

    unsigned int n_msgs = 0;
    for (; n_msgs < max; n_msgs++) {
        if (p->rx_packets[n_msgs]) {
            continue;
        }

        struct mb_packet *packet = slot_get(p);
        if (!packet) {
            break;
        }
        p->rx_packets[n_msgs] = packet;
        p->rx_iov[n_msgs][1].iov_base = packet->data;
        p->rx_msgs[n_msgs].msg_hdr.msg_controllen = sizeof(union control);
    }

    int n_read = 0;
    if (n_msgs) {
        n_read = recvmmsg(p->rx_fd, p->rx_msgs, n_msgs, MSG_DONTWAIT, NULL);
    }
    int error = n_read < 0 ? errno : 0;
    if (n_read < 0) {
        n_read = 0;
    }
    for (int i = 0; i < n_read; i++) {
        struct mb_packet *packet = finish_rx(p, i);
        if (packet && p->segments) {
            *segments_tail(p) = packet;
        } else if (packet) {
            packets[n++] = packet;
        }
    }
    if (error && error != EAGAIN && error != EINTR && !is_alive(p)) {
        return -ENODEV;
    }
    n += pop_segments(p, packets + n, max - n);
    port->more = p->segments || (unsigned int) n_read == max;
    return n;
}

static size_t
frame_max(const struct afpacket *p, const struct mb_packet *packet)
{
    bool vlan = (packet->len > 13 && packet->data[12] == 0x81
                 && packet->data[13] == 0x00);
    return p->mtu + ETH_HLEN + (vlan ? 4 : 0);
}

static void
read_mtu(struct afpacket *p)
{
    struct ifreq ifr = { .ifr_flags = 0 };

    memcpy(ifr.ifr_name, p->name, sizeof ifr.ifr_name);
    if (!ioctl(p->tx_fd, SIOCGIFMTU, &ifr)) {
        p->mtu = ifr.ifr_mtu;
    }
}

static void
afpacket_flush(struct mb_port *port)
{
    struct afpacket *p = afpacket_cast(port);
    struct mmsghdr msgs[TX_QUEUE];
    struct iovec iov[TX_QUEUE];

    for (unsigned int i = 0; i < p->n_tx; i++) {
        iov[i].iov_base = p->tx_packets[i]->data;
        iov[i].iov_len = p->tx_packets[i]->len;
        memset(&msgs[i], 0, sizeof msgs[i]);
        msgs[i].msg_hdr.msg_iov = &iov[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
    }

    unsigned int sent = 0, waits = 0;
    while (sent < p->n_tx) {
        int n = sendmmsg(p->tx_fd, msgs + sent, p->n_tx - sent, MSG_DONTWAIT);

        if (n > 0) {
            for (int i = 0; i < n; i++) {
                mb_count(&port->stats.tx_bytes, iov[sent + i].iov_len);
            }
            mb_count(&port->stats.tx_packets, n);
            sent += n;
        } else if (errno == EAGAIN && waits < 10) {
            /* The queue of the device is full: give it up to 10 ms. */
            struct pollfd pfd = { .fd = p->tx_fd, .events = POLLOUT };

            poll(&pfd, 1, 1);
            waits++;
        } else if (errno != EINTR) {
            if (errno == EMSGSIZE) {
                read_mtu(p);
            }
            mb_count(&port->stats.tx_dropped, 1);
            sent++;
        }
    }
    for (unsigned int i = 0; i < p->n_tx; i++) {
        mb_packet_free(p->tx_packets[i]);
    }
    p->n_tx = 0;
}

static bool
afpacket_tx(struct mb_port *port, struct mb_packet *packet)
{
    struct afpacket *p = afpacket_cast(port);

    if (packet->len > frame_max(p, packet)) {
        read_mtu(p);
        if (packet->len > frame_max(p, packet)) {
            return false;
        }
    }
    if (p->n_tx == TX_QUEUE) {
        afpacket_flush(port);
    }
    p->tx_packets[p->n_tx++] = packet;
    return true;
}

static void
afpacket_wait(const struct mb_port *port, struct pollfd *pfd)
{
    struct afpacket *p = afpacket_cast(port);

    *pfd = (struct pollfd) { .fd = p->rx_fd, .events = POLLIN };
}

static void
afpacket_update_stats(struct mb_port *port)
{
    struct afpacket *p = afpacket_cast(port);
    struct tpacket_stats stats;
    socklen_t len = sizeof stats;

    /* Reading them resets them. */
    if (!getsockopt(p->rx_fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len)) {
        mb_count(&port->stats.rx_dropped, stats.tp_drops);
    }
}

static void
afpacket_close(struct mb_port *port)
{
    struct afpacket *p = afpacket_cast(port);

    for (unsigned int i = 0; i < p->n_tx; i++) {
        mb_packet_free(p->tx_packets[i]);
    }
    while (p->segments) {
        struct mb_packet *packet = p->segments;

        p->segments = packet->next;
        mb_packet_free(packet);
    }
    if (p->rx_fd >= 0) {
        close(p->rx_fd);
    }
    if (p->tx_fd >= 0) {
        close(p->tx_fd);
    }
    if (p->pool) {
        munmap(p->pool, p->pool_size);
    }
    free(p);
}

static const struct mb_port_ops afpacket_ops = {
    .rx = afpacket_rx,
    .tx = afpacket_tx,
    .flush = afpacket_flush,
    .wait = afpacket_wait,
    .update_stats = afpacket_update_stats,
    .close = afpacket_close,
};

/* Sets the size of a socket's buffer, beyond the system's limit if allowed. */
static void
set_buffer(int fd, int force, int polite, int bytes)
{
    if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes)) {
        setsockopt(fd, SOL_SOCKET, polite, &bytes, sizeof bytes);
    }
}

static bool
set_option(int fd, int option)
{
    int one = 1;

    return !setsockopt(fd, SOL_PACKET, option, &one, sizeof one);
}

static bool
make_pool(struct afpacket *p, unsigned int n)
{
    p->pool_size = n * sizeof *p->pool;
    void *pool = mmap(NULL, p->pool_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool == MAP_FAILED) {
        return false;
    }
    p->pool = pool;
    while (n) {
        struct mb_packet *packet = &p->pool[--n].packet;

        packet->owner = p;
        slot_free(packet);
    }
    return true;
}

static void
init_rx(struct afpacket *p)
{
    for (unsigned int i = 0; i < MB_BURST; i++) {
        struct msghdr *msg = &p->rx_msgs[i].msg_hdr;

        p->rx_iov[i][0].iov_base = &p->rx_offload[i];
        p->rx_iov[i][0].iov_len = sizeof p->rx_offload[i];
        p->rx_iov[i][1].iov_len = MB_FRAME_MAX;
        msg->msg_iov = p->rx_iov[i];
        msg->msg_iovlen = 2;
        msg->msg_control = &p->rx_control[i];
    }
}

/* Does the part of opening that may fail.  Returns null, or what failed, with
 * errno set. */
static const char *
open_sockets(struct afpacket *p)
{
    p->rx_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    p->tx_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->rx_fd < 0 || p->tx_fd < 0) {
        return "packet socket (CAP_NET_RAW is needed)";
    }

    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_ifindex = if_nametoindex(p->name),
    };
    if (!sll.sll_ifindex) {
        return "no such interface";
    }
    read_mtu(p);
    if (!set_option(p->rx_fd, PACKET_AUXDATA)
        || !set_option(p->rx_fd, PACKET_VNET_HDR)
        || !set_option(p->rx_fd, PACKET_IGNORE_OUTGOING)) {
        return "options of the packet socket (Linux 4.20 is needed)";
    }
    set_buffer(p->rx_fd, SO_RCVBUFFORCE, SO_RCVBUF, RCVBUF_BYTES);
    set_buffer(p->tx_fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF_BYTES);

    struct packet_mreq mreq = {
        .mr_ifindex = sll.sll_ifindex, .mr_type = PACKET_MR_PROMISC,
    };
    if (setsockopt(p->rx_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq,
                   sizeof mreq)) {
        return "promiscuous mode";
    }
    if (bind(p->tx_fd, (struct sockaddr *) &sll, sizeof sll)) {
        return "bind";
    }
    sll.sll_protocol = htons(ETH_P_ALL);
    return bind(p->rx_fd, (struct sockaddr *) &sll, sizeof sll) ? "bind"
           : NULL;
}

static int
afpacket_open(const char *name, const struct mb_port_params *params,
              struct mb_port **portp, char **errp)
{
    struct afpacket *p = calloc(1, sizeof *p);
    const char *what = "out of memory";

    if (!p) {
        return -ENOMEM;
    }
    p->up.ops = &afpacket_ops;
    p->rx_fd = p->tx_fd = -1;
    errno = EINVAL;
    if (strlen(name) >= sizeof p->name) {
        what = "name of interface is too long";
    } else {
        strcpy(p->name, name);
        if (make_pool(p, params->n_packets)) {
            init_rx(p);
            what = open_sockets(p);
        }
    }
    if (what) {
        int error = errno;

        if (errp && asprintf(errp, "afpacket:%s: %s: %s", name, what,
                             strerror(error)) < 0) {
            *errp = NULL;
        }
        afpacket_close(&p->up);
        return -error;
    }
    *portp = &p->up;
    return 0;
}

const struct mb_port_class mb_port_afpacket = {
    .type = "afpacket",
    .open = afpacket_open,
};
