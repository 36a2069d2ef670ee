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

#ifndef MBOX_STATE_TCP_H
#define MBOX_STATE_TCP_H 1

/* A ready-made hook (state-hook.h) for descriptors of connected TCP sockets
 * ========================================================================
 *
 *     #include <ovs-mbox/state-tcp.h>
 *     #include "conn.h"
 *
 *     static void
 *     arrived(void *conn_, unsigned int index)
 *     {
 *         struct conn *conn = conn_;
 *         struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
 *
 *         epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn->fd, &event);
 *     }
 *
 *     MBOX_STATE_TCP_HOOK(conn_socket, struct conn, fd, arrived, NULL)
 *
 *     MBOX_STATE_HOOK='struct conn.fd=conn_socket'
 *
 * The member of STRUCT is an int, MEMBER; of an array it is MEMBER[index].  A
 * negative number stands for no socket.
 *
 * ARRIVED, unless NULL, is called when a connection has come from another
 * instance: here the program says what waits for the descriptor, which has
 * another number than there.  A program that gives poll() or select() the
 * members of its entries each time needs none.
 *
 * DELIVER, unless NULL, gives a packet to the kernel as if it had come from
 * the network: an IPv4 or IPv6 packet without a link-layer header.  Returns 0
 * or a negative errno value.  Without it a connection that the peer has closed
 * for its part is not moved, since the kernel has to be told of that again; in
 * a program that waits for sockets (MBOX_STATE_WAIT in mbox-cc(1)) the runtime
 * does that.
 *
 * While a connection is on its way, and until it may go on, its number stands
 * for a socket on which nothing happens: it has nothing to read, no room to
 * write, and gives EAGAIN.  Sets of epoll go on to report what the connection
 * has; EPOLL_CTL_MOD and EPOLL_CTL_DEL of the number fail, with ENOENT, and
 * what else is done to it is lost, except close(), which ends the connection
 * here, without a packet, when packets are read next.
 *
 * The program has CAP_NET_ADMIN.  All packets of the connection come to its
 * kernel, and leave it, by way of libmbox: by the runtime's TUN device, or one
 * that the program reads and writes.  What else sends or receives does not
 * stop when the connection does.  The socket is made in the network namespace
 * of that device, or else of the thread that reads packets, where the address
 * has to be as it was in that of the other instance, or IP_TRANSPARENT or
 * IP_FREEBIND set.
 *
 * What moves: addresses, both queues, sequence numbers, windows, the options
 * of the handshake, which end has closed, O_NONBLOCK, FD_CLOEXEC, congestion
 * control, the name of the device that it is bound to (SO_BINDTODEVICE, or an
 * IPv6 address of a link: it has to be there under the same name), and
 * SO_KEEPALIVE, SO_LINGER, SO_MARK, SO_OOBINLINE, SO_PEEK_OFF,
 * SO_PRIORITY, SO_RCVBUF, SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR, SO_SNDBUF,
 * SO_SNDTIMEO, TCP_CORK, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL,
 * TCP_LINGER2, TCP_NODELAY, TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT, and
 * IP_FREEBIND, IP_TOS, IP_TRANSPARENT, IP_TTL or what IPv6 has for these, and
 * IPV6_V6ONLY. */

#include "state-hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int mbox_state_tcp_deliver(const void *packet, size_t size);
typedef void mbox_state_tcp_arrived(void *object, unsigned int index);

/* What the hook consists of.  The program is linked without them first. */
ssize_t mbox_state_tcp_save(int fd, mbox_state_tcp_deliver *, void *buffer,
                            size_t size) __attribute__((weak));
int mbox_state_tcp_load(int *fd, mbox_state_tcp_deliver *, const void *data,
                        size_t size) __attribute__((weak));
void mbox_state_tcp_release(int fd) __attribute__((weak));
void mbox_state_tcp_resume(int fd, mbox_state_tcp_deliver *,
                           mbox_state_tcp_arrived *, void *object,
                           unsigned int index) __attribute__((weak));

/* Says what the kernel tells of it, running or not. */
int mbox_state_tcp_describe(int fd, char *text, size_t size)
    __attribute__((weak));

/* Called by the runtime again and again: ends connections whose numbers the
 * program has closed while they stood still. */
void mbox_state_tcp_step(void);

#define MBOX_STATE_TCP_HOOK(NAME, STRUCT, MEMBER, ARRIVED, DELIVER)         \
    static ssize_t                                                          \
    NAME##_save(const void *object, unsigned int index, void *buffer,       \
                size_t size)                                                \
    {                                                                       \
        (void) index;                                                       \
        return mbox_state_tcp_save(((const STRUCT *) object)->MEMBER,       \
                                   DELIVER, buffer, size);                  \
    }                                                                       \
                                                                            \
    static int                                                              \
    NAME##_load(void *object, unsigned int index, const void *buffer,       \
                size_t size)                                                \
    {                                                                       \
        (void) index;                                                       \
        return mbox_state_tcp_load(&((STRUCT *) object)->MEMBER, DELIVER,   \
                                   buffer, size);                           \
    }                                                                       \
                                                                            \
    static void                                                             \
    NAME##_release(void *object, unsigned int index)                        \
    {                                                                       \
        (void) index;                                                       \
        mbox_state_tcp_release(((STRUCT *) object)->MEMBER);                \
    }                                                                       \
                                                                            \
    static void                                                             \
    NAME##_resume(void *object, unsigned int index)                         \
    {                                                                       \
        mbox_state_tcp_resume(((STRUCT *) object)->MEMBER, DELIVER,         \
                              ARRIVED, object, index);                      \
    }                                                                       \
                                                                            \
    static int                                                              \
    NAME##_describe(const void *object, unsigned int index, char *text,     \
                    size_t size)                                            \
    {                                                                       \
        (void) index;                                                       \
        return mbox_state_tcp_describe(((const STRUCT *) object)->MEMBER,   \
                                       text, size);                         \
    }                                                                       \
                                                                            \
    const struct mbox_state_hook NAME = {                                   \
        NAME##_save, NAME##_load, NAME##_release, NAME##_resume,            \
        NAME##_describe,                                                    \
    };

#ifdef __cplusplus
}
#endif

#endif /* state-tcp.h */
