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

/* A server on the kernel's TCP that waits for its sockets by epoll_wait().
 * What a client sends to its port is answered with the same number of bytes,
 * each changed by a key that depends on all that came before.  Its arguments
 * are its address and the port. */

#include "answerer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_BUCKETS 64
#define SEND_BUFFER 65536       /* Of each connection. */

int epoll_fd;

static struct conn *conns[N_BUCKETS];
static unsigned short port;     /* Network order. */
static int listener;
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

void
conn_wait(struct conn *c, int how)
{
    struct epoll_event event = { .data.ptr = c };

    event.events = c->len ? EPOLLOUT : EPOLLIN;
    if (epoll_ctl(epoll_fd, how, c->fd, &event)) {
        fail("epoll_ctl");
    }
}

static void
create(int fd, const struct sockaddr_in *peer, const struct sockaddr_in *own)
{
    struct conn *c = calloc(1, sizeof *c);
    unsigned int i = bucket(peer->sin_addr.s_addr, peer->sin_port);

    c->src = peer->sin_addr.s_addr;
    c->dst = own->sin_addr.s_addr;
    c->sport = peer->sin_port;
    c->dport = own->sin_port;
    c->fd = fd;
    c->next = conns[i];
    conns[i] = c;
    conn_wait(c, EPOLL_CTL_ADD);
}

static void
end(struct conn *c)
{
    struct conn **p = &conns[bucket(c->src, c->sport)];

    while (*p != c) {
        p = &(*p)->next;
    }
    *p = c->next;
    close(c->fd);
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
        create(fd, &peer, &own);
        len = sizeof peer;
    }
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

/* Start. */

static void
start_listening(const char *address)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port };
    int size = SEND_BUFFER;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) {
        fail("socket");
    }
    inet_pton(AF_INET, address, &sin.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (bind(listener, (struct sockaddr *) &sin, sizeof sin)
        || listen(listener, 100)) {
        fail("listen");
    }
}

int
main(int argc, char *argv[])
{
    if (argc != 3) {
        fputs("usage: answerer ADDRESS PORT\n", stderr);
        return 1;
    }
    port = htons(atoi(argv[2]));
    start_listening(argv[1]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    struct epoll_event event = { .events = EPOLLIN };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event)) {
        fail("epoll_ctl");
    }
    signal(SIGTERM, stop);
    puts("ready");
    fflush(stdout);
    while (!stopped) {
        struct epoll_event events[16];
        int n = epoll_wait(epoll_fd, events, 16, 100);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) {
                go_on(events[i].data.ptr);
            } else {
                accept_all();
            }
        }
    }
    return 0;
}
