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

/* A server that reads packets of an interface by libpcap and has the kernel's
 * TCP behind them, in a network namespace of its own with a TUN device.  What
 * a client sends to its port is answered with the same number of bytes, each
 * changed by a key that depends on all that came before.  Packets that are not
 * for it pass on.  Its arguments are the interface, its address, and the
 * port. */

#include "answerer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pcap/pcap.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_LEN 14
#define N_BUCKETS 64
#define SEND_BUFFER 65536       /* Of each connection. */

int epoll_fd, tun_fd;

static struct conn *conns[N_BUCKETS];
static unsigned short port;     /* Network order. */
static int listener;
static pcap_t *pcap;
static volatile sig_atomic_t stopped;

static void
fail(const char *what)
{
    perror(what);
    exit(1);
}

static void
stop(int signum)
{
    (void) signum;
    stopped = 1;
}

/* Connections. */

static unsigned int
bucket(unsigned int src, unsigned short sport)
{
    return (src ^ sport * 31 ^ sport >> 8) % N_BUCKETS;
}

static struct conn *
find(unsigned int src, unsigned int dst, unsigned short sport,
     unsigned short dport)
{
    struct conn *c = conns[bucket(src, sport)];

    while (c && (c->src != src || c->dst != dst || c->sport != sport
                 || c->dport != dport)) {
        c = c->next;
    }
    return c;
}

void
conn_wait(struct conn *c, int how)
{
    struct epoll_event event = { .data.ptr = c };

    event.events = c->len ? EPOLLOUT : EPOLLIN;
    if (epoll_ctl(epoll_fd, how, c->fd, &event)) {
        fail("epoll_ctl");
    }
}

/* What the connection's packets are sent in is as what came, turned round. */
static void
create(const struct iphdr *ip, const struct tcphdr *tcp,
       const unsigned char *frame)
{
    struct conn *c = calloc(1, sizeof *c);
    unsigned int i = bucket(ip->saddr, tcp->source);

    c->src = ip->saddr;
    c->dst = ip->daddr;
    c->sport = tcp->source;
    c->dport = tcp->dest;
    c->fd = -1;
    memcpy(c->link, frame + 6, 6);
    memcpy(c->link + 6, frame, 6);
    memcpy(c->link + 12, frame + 12, 2);
    c->next = conns[i];
    conns[i] = c;
}

static void
drop(struct conn *c)
{
    struct conn **p = &conns[bucket(c->src, c->sport)];

    while (*p != c) {
        p = &(*p)->next;
    }
    *p = c->next;
    free(c);
}

static void
accept_all(void)
{
    struct sockaddr_in own, peer;
    socklen_t len = sizeof peer;
    int fd;

    while ((fd = accept4(listener, (struct sockaddr *) &peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        len = sizeof own;
        getsockname(fd, (struct sockaddr *) &own, &len);
        struct conn *c = find(peer.sin_addr.s_addr, own.sin_addr.s_addr,
                              peer.sin_port, own.sin_port);

        if (c) {
            c->fd = fd;
            conn_wait(c, EPOLL_CTL_ADD);
        } else {
            close(fd);
        }
        len = sizeof peer;
    }
}

static void
end(struct conn *c)
{
    close(c->fd);
    c->fd = -1;
}

static void
answer(struct conn *c)
{
    ssize_t n = read(c->fd, c->data, sizeof c->data);

    if (n < 0 && errno == EAGAIN) {
        return;
    } else if (n < 0) {
        perror("answerer: read");
    }
    if (n <= 0) {
        end(c);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        c->data[i] ^= c->state >> 24;
        c->state = c->state * 1103515245 + 12345;
    }
    c->start = 0;
    c->len = n;
    conn_wait(c, EPOLL_CTL_MOD);
}

static void
go_on(struct conn *c)
{
    if (!c->len) {
        answer(c);
        return;
    }
    ssize_t n = send(c->fd, c->data + c->start, c->len, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN) {
        perror("answerer: send");
        end(c);
    } else if (n > 0) {
        c->start += n;
        c->len -= n;
        if (!c->len) {
            conn_wait(c, EPOLL_CTL_MOD);
        }
    }
}

/* Packets. */

static void
packet(unsigned char *user, const struct pcap_pkthdr *h,
       const unsigned char *frame)
{
    const struct iphdr *ip = (const void *) (frame + LINK_LEN);

    (void) user;
    if (h->caplen >= LINK_LEN + sizeof *ip + sizeof(struct tcphdr)
        && frame[12] == 8 && !frame[13] && ip->ihl == 5
        && ip->protocol == IPPROTO_TCP) {
        const struct tcphdr *tcp = (const void *) (ip + 1);

        if (tcp->dest == port) {
            struct conn *c = find(ip->saddr, ip->daddr, tcp->source,
                                  tcp->dest);

            if (c && tcp->syn && c->fd < 0) {   /* The one before. */
                drop(c);
                c = NULL;
            }
            if (!c) {
                create(ip, tcp, frame);
            }
            if (write(tun_fd, ip, ntohs(ip->tot_len)) < 0) {
                perror("answerer: write to the TUN device");
            }
            return;
        }
    }
    pcap_inject(pcap, frame, h->caplen);
}

/* What the kernel sends. */
static void
send_all(void)
{
    unsigned char frame[LINK_LEN + 65536];
    const struct iphdr *ip = (const void *) (frame + LINK_LEN);
    const struct tcphdr *tcp = (const void *) (ip + 1);
    ssize_t n;

    while ((n = read(tun_fd, frame + LINK_LEN, sizeof frame - LINK_LEN)) > 0) {
        struct conn *c = (ip->version == 4 && ip->protocol == IPPROTO_TCP
                          ? find(ip->daddr, ip->saddr, tcp->dest, tcp->source)
                          : NULL);

        if (c) {
            memcpy(frame, c->link, LINK_LEN);
            pcap_inject(pcap, frame, LINK_LEN + n);
        }
    }
}

/* Start. */

static void
open_tun(const char *address)
{
    struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    char command[200];

    if (unshare(CLONE_NEWNET)) {
        fail("unshare");
    }
    tun_fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    strcpy(ifr.ifr_name, "tun");
    if (tun_fd < 0 || ioctl(tun_fd, TUNSETIFF, &ifr)) {
        fail("/dev/net/tun");
    }
    snprintf(command, sizeof command, "ip link set lo up && "
             "ip link set tun mtu 1500 up && ip address add %s/32 dev tun && "
             "ip route add default dev tun", address);
    if (system(command)) {
        fail("ip");
    }
}

static void
start_listening(const char *address)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port };
    int size = SEND_BUFFER;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, address, &sin.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (bind(listener, (struct sockaddr *) &sin, sizeof sin)
        || listen(listener, 100)) {
        fail("listen");
    }
}

static void
wait_for(int fd, void *what)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        fail("epoll_ctl");
    }
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];

    if (argc != 4) {
        fputs("usage: answerer INTERFACE ADDRESS PORT\n", stderr);
        return 1;
    }
    pcap = pcap_open_live(argv[1], 65535, 1, 100, error);
    if (!pcap || pcap_setnonblock(pcap, 1, error)) {
        fprintf(stderr, "answerer: %s\n", error);
        return 1;
    }
    port = htons(atoi(argv[3]));
    open_tun(argv[2]);
    start_listening(argv[2]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    wait_for(pcap_get_selectable_fd(pcap), &pcap);
    wait_for(tun_fd, &tun_fd);
    wait_for(listener, &listener);
    signal(SIGTERM, stop);
    puts("ready");
    fflush(stdout);

    /* Packets come last: connections end, and move, while they are
     * processed. */
    while (!stopped) {
        struct epoll_event events[16];
        int n = epoll_wait(epoll_fd, events, 16, 100);

        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;

            if (what == &listener) {
                accept_all();
            } else if (what != &pcap && what != &tun_fd) {
                go_on(what);
            }
        }
        send_all();
        pcap_dispatch(pcap, -1, packet, NULL);
        send_all();
    }
    pcap_close(pcap);
    return 0;
}
