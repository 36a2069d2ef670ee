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
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void
proxy_conn_init(struct proxy_conn *conn, struct proxy_flow *flow)
{
    memset(conn, 0, sizeof *conn);
    conn->flow = flow;
    conn->fd = -1;
    mbox_writer_init(&conn->out, SIZE_MAX);
}

bool
proxy_conn_is_open(const struct proxy_conn *conn)
{
    return conn->fd >= 0 || conn->imported_syn;
}

/* Frees what the connection has, but for its socket. */
static void
clear(struct proxy_conn *conn)
{
    free(conn->in);
    mbox_writer_uninit(&conn->out);
    proxy_conn_init(conn, conn->flow);
}

void
proxy_conn_set(struct proxy *p, struct proxy_conn *conn, int fd,
               bool connected)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = conn,
    };

    conn->fd = fd;
    conn->connected = connected;
    conn->readable = conn->writable = connected;
    conn->failed = epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0;
}

bool
proxy_conn_open_server(struct proxy *p, struct proxy_flow *flow)
{
    int fd = proxy_tcp_connect(&p->net, &flow->key,
                               p->config->socket_buffer << 10);

    if (fd < 0) {
        return false;
    }
    proxy_conn_set(p, &flow->server, fd, false);
    proxy_drain_tun(p);         /* Its SYN, which is kept. */
    return true;
}

void
proxy_conn_reset(struct proxy *p, struct proxy_conn *conn)
{
    if (conn->fd >= 0) {
        proxy_tcp_reset(conn->fd);
        proxy_drain_tun(p);
    }
    clear(conn);
}

void
proxy_conn_drop(struct proxy_conn *conn)
{
    if (conn->fd >= 0) {
        tcp_repair_close(conn->fd);
    }
    clear(conn);
}

/* Moves what is left to the start of the buffer. */
static void
make_room(struct proxy_conn *conn)
{
    if (!conn->in) {
        conn->in = malloc(PROXY_IN_MAX);
        if (!conn->in) {
            abort();
        }
    }
    if (conn->in_start) {
        memmove(conn->in, conn->in + conn->in_start, conn->in_len);
        conn->in_start = 0;
    }
}

bool
proxy_conn_read(struct proxy *p, struct proxy_conn *conn)
{
    if (!conn->readable || !conn->connected || conn->eof || conn->failed
        || conn->in_len == PROXY_IN_MAX) {
        return false;
    }
    make_room(conn);

    ssize_t n = recv(conn->fd, conn->in + conn->in_len,
                     PROXY_IN_MAX - conn->in_len, 0);
    if (n > 0) {
        conn->in_len += n;
        proxy_drain_tun(p);     /* A window may have opened. */
    } else if (!n) {
        conn->eof = true;
    } else if (errno == EAGAIN) {
        conn->readable = false;
        return false;
    } else if (errno != EINTR) {
        conn->failed = true;
    }
    return true;
}

/* Keeps the buffer short. */
static void
forget_sent(struct proxy_conn *conn)
{
    struct mbox_writer *out = &conn->out;

    if (conn->out_sent == out->len || conn->out_sent >= PROXY_OUT_MAX) {
        memmove(out->data, out->data + conn->out_sent,
                out->len - conn->out_sent);
        out->len -= conn->out_sent;
        conn->out_sent = 0;
    }
}

bool
proxy_conn_write(struct proxy *p, struct proxy_conn *conn)
{
    size_t n_left = proxy_conn_backlog(conn);

    if (conn->out.error) {
        abort();                /* Out of memory. */
    }
    if (!conn->writable || !conn->connected || conn->shut || conn->failed
        || (!n_left && !conn->closing)) {
        return false;
    }
    if (!n_left) {
        conn->shut = true;
        shutdown(conn->fd, SHUT_WR);
        proxy_drain_tun(p);
        return true;
    }

    ssize_t n = send(conn->fd, conn->out.data + conn->out_sent, n_left,
                     MSG_NOSIGNAL);
    if (n > 0) {
        conn->out_sent += n;
        forget_sent(conn);
        proxy_drain_tun(p);
    } else if (n < 0 && errno == EAGAIN) {
        conn->writable = false;
        return false;
    } else if (n < 0 && errno != EINTR) {
        conn->failed = true;
    }
    return true;
}

void
proxy_conn_tidy(struct proxy_conn *conn)
{
    if (!conn->in_len) {
        free(conn->in);
        conn->in = NULL;
        conn->in_start = 0;
    }
    if (!conn->out.len) {
        mbox_writer_uninit(&conn->out);
        mbox_writer_init(&conn->out, SIZE_MAX);
    }
}
