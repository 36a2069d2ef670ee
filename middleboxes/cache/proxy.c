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
#include "proxy-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 64

/* Time. */

void
proxy_set_time(struct proxy *p, uint64_t now)
{
    if (now > p->now) {
        p->now = now;
        p->cache.now = proxy_wall_time(p) / 1000000;
    }
}

int64_t
proxy_wall_time(const struct proxy *p)
{
    return ((int64_t) p->now + p->wall_offset) / 1000;
}

/* The clock of the day may be set. */
static void
update_wall_offset(struct proxy *p)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    p->wall_offset = (ts.tv_sec * (int64_t) SECOND + ts.tv_nsec
                      - (int64_t) p->now);
}

/* Life. */

static void
on_dirty_object(void *p_, const struct mbox_key *key)
{
    struct proxy *p = p_;

    p->setup.dirty_object(p->setup.aux, key);
}

/* Adds a descriptor whose 'events' are told apart by 'ptr'. */
static bool
watch(struct proxy *p, int fd, uint32_t events, void *ptr)
{
    struct epoll_event event = { .events = events, .data.ptr = ptr };

    return !epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int
open_listeners(struct proxy *p, char **errp)
{
    const struct proxy_config *config = p->config;

    for (size_t i = 0; i < config->n_ports; i++) {
        for (int family = 4; family <= (p->net.has_ipv6 ? 6 : 4);
             family += 2) {
            int fd = proxy_tcp_listen(&p->net, family, config->ports[i],
                                      config->socket_buffer << 10);

            if (fd < 0) {
                if (asprintf(errp, "port %u: %s", config->ports[i],
                             strerror(-fd)) < 0) {
                    abort();
                }
                return fd;
            }
            p->listeners[p->n_listeners++] = fd;
            /* Each connection once: it may have to wait for a descriptor. */
            if (!watch(p, fd, EPOLLIN | EPOLLET, p->listeners)) {
                return -errno;
            }
        }
    }
    return 0;
}

int
proxy_create(const struct proxy_setup *setup, struct proxy **pp, char **errp)
{
    struct proxy *p = calloc(1, sizeof *p);
    uint32_t basis[2];

    if (!p) {
        abort();
    }
    *pp = NULL;
    *errp = NULL;
    p->setup = *setup;
    p->config = setup->config;
    p->now = setup->now;
    update_wall_offset(p);

    int error = proxy_net_open(&p->net, p->config->mtu, errp);
    if (error) {
        free(p);
        return error;
    }

    /* Unpredictable, lest somebody fills one bucket. */
    if (getrandom(basis, sizeof basis, GRND_NONBLOCK) != sizeof basis) {
        basis[0] = basis[1] = (uintptr_t) p ^ p->now;
    }
    cache_store_init(&p->cache.store, (size_t) p->config->memory << 20,
                     basis[0]);
    p->cache.max_object = p->config->max_object << 10;
    p->cache.dirty = on_dirty_object;
    p->cache.aux = p;
    p->cache.now = proxy_wall_time(p) / 1000000;
    proxy_flows_init(&p->flows, p->config->max_flows, basis[1]);
    wheel_init(&p->wheel, p->now);
    p->repair_error = proxy_tcp_can_repair(&p->net);

    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    error = (p->epoll_fd < 0 || p->wake_fd < 0
             || !watch(p, p->net.tun.tun_fd, EPOLLIN, p)
             || !watch(p, p->wake_fd, EPOLLIN, &p->wake_fd)
             ? -errno : open_listeners(p, errp));
    if (error) {
        proxy_destroy(p);
        return error;
    }
    *pp = p;
    return 0;
}

void
proxy_destroy(struct proxy *p)
{
    if (p) {
        proxy_flows_uninit(&p->flows);
        cache_store_uninit(&p->cache.store);
        for (size_t i = 0; i < p->n_listeners; i++) {
            close(p->listeners[i]);
        }
        if (p->epoll_fd >= 0) {
            close(p->epoll_fd);
        }
        if (p->wake_fd >= 0) {
            close(p->wake_fd);
        }
        proxy_net_close(&p->net);
        free(p);
    }
}

int
proxy_fd(const struct proxy *p)
{
    return p->epoll_fd;
}

size_t
proxy_n_flows(const struct proxy *p)
{
    return p->flows.n;
}

const char *
proxy_cannot_move(const struct proxy *p)
{
    return p->repair_error ? strerror(-p->repair_error) : NULL;
}

/* Flows. */

static void
push(struct proxy *p, struct proxy_flow *flow)
{
    flow->queued = true;
    flow->run_next = NULL;
    *(p->run_first ? &p->run_last->run_next : &p->run_first) = flow;
    p->run_last = flow;
}

void
proxy_queue(struct proxy *p, struct proxy_flow *flow)
{
    if (!flow->queued) {
        const uint64_t one = 1;
        ssize_t n = write(p->wake_fd, &one, sizeof one);

        (void) n;               /* It can fail only if it is readable. */
        push(p, flow);
    }
}

void
proxy_forget(struct proxy *p, struct proxy_flow *flow)
{
    if (!flow->dead) {
        flow->dead = true;
        p->n_away -= flow->place != PROXY_HERE;
        flow->place = PROXY_HERE;
        proxy_cancel_syn(p, flow);
        proxy_conn_drop(&flow->client);
        proxy_conn_drop(&flow->server);
        proxy_queue(p, flow);
    }
}

void
proxy_set_deadline(struct proxy *p, struct proxy_flow *flow,
                   unsigned int seconds)
{
    flow->deadline = p->now + seconds * SECOND;
    wheel_wake(&p->wheel, &flow->timer, flow->deadline);
}

/* Makes sure that a flow of which something is to be done lives here, or
 * returns false: it is frozen, or belongs to the source of a transfer yet. */
static bool
wake(struct proxy *p, struct proxy_flow *flow)
{
    if (proxy_is_frozen(p, flow)
        || (flow->place == PROXY_ARRIVING
            && p->setup.is_pending(p->setup.aux, &flow->name))) {
        return false;
    }
    if (flow->place != PROXY_HERE) {
        proxy_resume_flow(p, flow);
    }
    return true;
}

/* A client's connection has been opened. */
static void
take_client(struct proxy *p, int fd)
{
    struct proxy_flow *flow;
    struct mbox_key key;

    if (!tcp_socket_get_key(fd, &key)
        || !(flow = proxy_flow_find(&p->flows, &key))
        || flow->client.fd >= 0) {
        tcp_repair_close(fd);
        return;
    }
    proxy_conn_set(p, &flow->client, fd, true);
    proxy_set_deadline(p, flow, p->config->request_timeout);
    proxy_queue(p, flow);
}

void
proxy_accept(struct proxy *p)
{
    p->accept_again = false;
    for (size_t i = 0; i < p->n_listeners; i++) {
        for (;;) {
            int fd = accept4(p->listeners[i], NULL, NULL,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);

            if (fd >= 0) {
                take_client(p, fd);
            } else if (errno != ECONNABORTED && errno != EINTR) {
                p->accept_again |= errno != EAGAIN;
                break;
            }
        }
    }
}

/* Events. */

/* Notes how an attempt to connect has ended. */
static void
finish_connect(struct proxy_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    conn->connected = !error;
    conn->failed |= error != 0;
}

static void
handle_event(struct proxy *p, const struct epoll_event *event)
{
    struct proxy_conn *conn = event->data.ptr;

    if (conn->fd < 0) {
        return;                 /* It was closed after the event. */
    }
    if (!conn->connected && event->events & (EPOLLOUT | EPOLLERR)
        && tcp_socket_get_state(conn->fd) != TCP_SYN_SENT) {
        finish_connect(conn);
    }
    conn->readable |= (event->events
                       & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    conn->writable |= (event->events & (EPOLLOUT | EPOLLERR)) != 0;
    proxy_queue(p, conn->flow);
}

/* Runs the flows that have something to do; frees the dead.  Those that do not
 * live here now stay in the list. */
static void
run_queue(struct proxy *p)
{
    struct proxy_flow *flow = p->run_first, *next;

    p->run_first = p->run_last = NULL;
    for (; flow; flow = next) {
        next = flow->run_next;
        flow->queued = false;
        if (!flow->dead) {
            if (!wake(p, flow)) {
                push(p, flow);
                continue;
            }
            proxy_run_flow(p, flow);
        }
        if (flow->dead && !flow->queued) {
            proxy_flow_remove(&p->flows, flow);
        }
    }
}

void
proxy_ready(struct proxy *p, uint64_t now)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(p->epoll_fd, events, EVENTS_MAX, 0);

    proxy_set_time(p, now);
    proxy_drain_tun(p);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == p->listeners) {
            proxy_accept(p);
        } else if (events[i].data.ptr == &p->wake_fd) {
            uint64_t count;
            ssize_t n_read = read(p->wake_fd, &count, sizeof count);

            (void) n_read;
        } else if (events[i].data.ptr != p) {
            handle_event(p, &events[i]);
        }
    }
    run_queue(p);
    proxy_drain_tun(p);
}

/* Timers. */

/* A SYN of a connection that moved while it was being opened. */
static void
resend_syn(struct proxy *p, struct proxy_flow *flow)
{
    struct proxy_conn *server = &flow->server;

    if (server->imported_syn && p->now >= server->resend_time) {
        server->resend_time = p->now + SECOND;
        proxy_emit(p, flow, false, server->own_syn.data,
                   server->own_syn.len);
    }
}

static void
look_at_flow(void *p_, struct wheel_timer *timer)
{
    struct proxy *p = p_;
    struct proxy_flow *flow = (struct proxy_flow *)
        ((char *) timer - offsetof(struct proxy_flow, timer));

    if (flow->place != PROXY_HERE || proxy_is_frozen(p, flow)) {
        wheel_wake(&p->wheel, timer, p->now + SECOND);
        return;
    }
    if (!flow->dead && p->now >= flow->deadline) {
        proxy_time_out(p, flow);
        proxy_set_deadline(p, flow, PROXY_CLOSE_SECONDS);
    }
    resend_syn(p, flow);
    wheel_wake(&p->wheel, timer,
               flow->server.imported_syn ? p->now + SECOND : flow->deadline);
}

/* Lets flows live that came in a transfer which has ended, or were to leave in
 * one which has failed. */
static void
wake_those_away(struct proxy *p)
{
    struct proxy_flow *next;

    for (struct proxy_flow *flow = p->flows.first; flow; flow = next) {
        next = flow->all_next;
        if (flow->place != PROXY_HERE) {
            wake(p, flow);
        }
    }
}

void
proxy_tick(struct proxy *p, uint64_t now)
{
    proxy_set_time(p, now);
    update_wall_offset(p);
    if (p->n_away) {
        wake_those_away(p);
    }
    wheel_advance(&p->wheel, p->now, look_at_flow, p);
    if (p->accept_again) {
        proxy_accept(p);
    }
    proxy_ready(p, now);
}
