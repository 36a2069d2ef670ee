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
 *   - Nor can the slots be smaller, with larger frames read from the socket:
 *     the kernel drops what it has no slot for, and one of 2 KiB for each
 *     short packet of a full queue takes 160 MiB, always, for 80,000.  And if
 *     a super-frame is of a kind that struct virtio_net_hdr does not know
 *     (SCTP), the kernel, by its source, leaves the slot as taken for ever:
 *     nothing comes any more.
 *   - recvmmsg() copies once, to where the frame is processed, needs one
 *     system call per burst (two if it has to sleep), and its queue is bounded
 *     in bytes, so that it holds the more packets the smaller they are.
 *   - AF_XDP for sending leaves out what looks at sent packets (tcpdump) or
 *     shapes them, and is for one program on a queue.
 *
 * That has its price.  Of 80,000 packets of 87 bytes on average that wait,
 * each takes 2400 ns of processor time (medians of five, veth, a busy machine)
 * and 2210 in a loop of nothing but these calls, a third of which receives:
 * 690.  A loop that reads TPACKET_V2 takes 1610, and 1090 if it sends by
 * AF_XDP.  PACKET_TX_RING and PACKET_QDISC_BYPASS save nothing: the rest is
 * the kernel's for a packet and for the other end of the cable, in the
 * sender's time.
 *
 * The kernel takes a VLAN header out of the frame and puts it in the auxiliary
 * data: it is put back.  Checksums and segmentation that a local sender left
 * to the card are done here, see offload.h and super-frame.h. */

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
#include "super-frame.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define TAILROOM 64
#define RCVBUF_BYTES (64 * 1024 * 1024)
#define SNDBUF_BYTES (4 * 1024 * 1024)
#define TX_QUEUE (2 * MB_BURST)

/* What the pool's slots consist of.  The kernel stores a struct virtio_net_hdr
 * at the end of the headroom. */
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
    int super_fd;               /* For super-frames, with virtio_net_hdr. */
    bool super_refused;         /* By the kernel. */
    size_t mtu;

    struct slot *pool;          /* Memory is used as far as frames reach. */
    size_t pool_size;
    struct mb_packet *free_list;
    unsigned int n_free;

    /* Of the next recvmmsg().  Slots that it did not use stay for the one
     * after it. */
    struct mb_packet *rx_packets[MB_BURST];
    union control rx_control[MB_BURST];
    struct iovec rx_iov[MB_BURST];
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
    p->n_free++;
}

static struct mb_packet *
slot_get(struct afpacket *p)
{
    struct mb_packet *packet = p->free_list;

    if (packet) {
        struct slot *slot = (struct slot *) packet;

        p->free_list = packet->next;
        p->n_free--;
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

/* Cuts a super-frame, and takes it over. */
static void
cut(struct afpacket *p, struct mb_packet *frame, size_t mss, bool vlan)
{
    /* It keeps its slot, but so that enough are left to read into.  Its
     * virtio_net_hdr knows of no VLAN header. */
    bool keep = (p->up.passes_whole && !p->super_refused && !vlan
                 && p->n_free >= 2 * MB_BURST);
    struct mb_packet **tail = segments_tail(p);

    if (!(keep ? mb_super_frame_cut(frame, mss, tail)
          : mb_offload_segment(frame, mss, tail))) {
        mb_count(&p->up.stats.rx_dropped, 1);
        keep = false;
    }
    if (!keep) {
        mb_packet_free(frame);
    }
}

/* Completes the frame number 'i' of a recvmmsg().  Returns it, or null if it
 * was cut and is among 'segments'. */
static struct mb_packet *
finish_rx(struct afpacket *p, unsigned int i)
{
    struct mb_packet *packet = p->rx_packets[i];
    struct virtio_net_hdr offload;
    size_t len = p->rx_msgs[i].msg_len;

    p->rx_packets[i] = NULL;
    if (len < sizeof offload + ETH_HLEN) {
        mb_packet_free(packet);
        return NULL;
    }
    memcpy(&offload, p->rx_iov[i].iov_base, sizeof offload);
    packet->len = len - sizeof offload;
    packet->tailroom = MB_FRAME_MAX + TAILROOM - packet->len;
    mb_count(&p->up.stats.rx_packets, 1);
    mb_count(&p->up.stats.rx_bytes, packet->len);

    size_t shift = restore_vlan(packet, &p->rx_msgs[i].msg_hdr);
    if (offload.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        cut(p, packet, offload.gso_size, shift != 0);
        return NULL;
    }
    if (offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        mb_offload_checksum(packet->data, packet->len,
                            offload.csum_start + shift,
                            offload.csum_offset);
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

/* Appends segments to 'n' packets, as far as there are 'max' in all; returns
 * how many there are.  A super-frame that fits into a burst is not distributed
 * over two of them. */
static unsigned int
pop_segments(struct afpacket *p, struct mb_packet **packets, unsigned int n,
             unsigned int max)
{
    while (p->segments && n < max) {
        unsigned int n_segments = mb_super_frame_begins(p->segments);
        if (n && n_segments > max - n && n_segments <= max) {
            break;
        }
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
    unsigned int n = pop_segments(p, packets, 0, max);

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
        p->rx_iov[n_msgs].iov_base = (packet->data
                                      - sizeof(struct virtio_net_hdr));
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
    n = pop_segments(p, packets, n, max);
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

/* What a system call sends. */
struct run {
    bool super;                 /* All are super-frames; else none is. */
    unsigned int n;
    unsigned int n_packets[TX_QUEUE];   /* What each is in the queue. */
    struct iovec iov[TX_QUEUE];
    struct mmsghdr msgs[TX_QUEUE];
};

/* Adds what the queue has at 'first'.  Returns false if it is not of the
 * run's kind. */
static bool
add_to_run(struct afpacket *p, unsigned int first, struct run *run)
{
    struct iovec *iov = &run->iov[run->n];
    struct mmsghdr *msg = &run->msgs[run->n];
    struct mb_packet *packet = p->tx_packets[first];
    struct mb_packet *frame = NULL;
    unsigned int n = 1;

    if (!p->super_refused) {
        frame = mb_super_frame_of(p->tx_packets + first, p->n_tx - first, &n);
    }
    if (!run->n) {
        run->super = frame != NULL;
    } else if (run->super != (frame != NULL)) {
        return false;
    }
    iov->iov_base = packet->data;
    iov->iov_len = packet->len;
    if (frame) {
        iov->iov_base = frame->data - sizeof(struct virtio_net_hdr);
        iov->iov_len = frame->len + sizeof(struct virtio_net_hdr);
    }
    memset(msg, 0, sizeof *msg);
    msg->msg_hdr.msg_iov = iov;
    msg->msg_hdr.msg_iovlen = 1;
    run->n_packets[run->n++] = n;
    return true;
}

/* Sends a run.  Returns how many of its messages are done with, which are not
 * all only if the kernel refused super-frames.  '*waits' counts how often this
 * flush has waited. */
static unsigned int
send_run(struct afpacket *p, struct run *run, unsigned int *waits)
{
    struct mb_port_stats *stats = &p->up.stats;
    int fd = run->super ? p->super_fd : p->tx_fd;
    size_t extra = run->super ? sizeof(struct virtio_net_hdr) : 0;
    unsigned int sent = 0;

    while (sent < run->n) {
        int n = sendmmsg(fd, run->msgs + sent, run->n - sent, MSG_DONTWAIT);

        if (n > 0) {
            for (int i = 0; i < n; i++, sent++) {
                mb_count(&stats->tx_bytes, run->iov[sent].iov_len - extra);
                mb_count(&stats->tx_packets, run->n_packets[sent]);
            }
        } else if (errno == EAGAIN && *waits < 10) {
            /* The queue of the device is full: give it up to 10 ms. */
            struct pollfd pfd = { .fd = fd, .events = POLLOUT };

            poll(&pfd, 1, 1);
            ++*waits;
        } else if (run->super && (errno == EINVAL || errno == EMSGSIZE)) {
            p->super_refused = true;
            break;
        } else if (errno != EINTR) {
            if (errno == EMSGSIZE) {
                read_mtu(p);
            }
            mb_count(&stats->tx_dropped, run->n_packets[sent]);
            sent++;
        }
    }
    return sent;
}

static void
afpacket_flush(struct mb_port *port)
{
    struct afpacket *p = afpacket_cast(port);
    unsigned int done = 0, waits = 0;

    while (done < p->n_tx) {
        struct run run;
        unsigned int next = done;

        run.super = false;
        run.n = 0;
        while (next < p->n_tx && add_to_run(p, next, &run)) {
            next += run.n_packets[run.n - 1];
        }
        unsigned int sent = send_run(p, &run, &waits);
        for (unsigned int i = 0; i < sent; i++) {
            done += run.n_packets[i];
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
    if (p->super_fd >= 0) {
        close(p->super_fd);
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

        p->rx_iov[i].iov_len = sizeof(struct virtio_net_hdr) + MB_FRAME_MAX;
        msg->msg_iov = &p->rx_iov[i];
        msg->msg_iovlen = 1;
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
    p->super_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0);
    if (p->rx_fd < 0 || p->tx_fd < 0 || p->super_fd < 0) {
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
        || !set_option(p->super_fd, PACKET_VNET_HDR)
        || !set_option(p->rx_fd, PACKET_IGNORE_OUTGOING)) {
        return "options of the packet socket (Linux 4.20 is needed)";
    }
    set_buffer(p->rx_fd, SO_RCVBUFFORCE, SO_RCVBUF, RCVBUF_BYTES);
    set_buffer(p->tx_fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF_BYTES);
    set_buffer(p->super_fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF_BYTES);

    struct packet_mreq mreq = {
        .mr_ifindex = sll.sll_ifindex, .mr_type = PACKET_MR_PROMISC,
    };
    if (setsockopt(p->rx_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq,
                   sizeof mreq)) {
        return "promiscuous mode";
    }
    if (bind(p->tx_fd, (struct sockaddr *) &sll, sizeof sll)
        || bind(p->super_fd, (struct sockaddr *) &sll, sizeof sll)) {
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
    p->rx_fd = p->tx_fd = p->super_fd = -1;
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
