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

#ifndef STATE_TCP_IMAGE_H
#define STATE_TCP_IMAGE_H 1

/* A connected TCP socket as bytes. */

#include <sys/socket.h>
#include <sys/time.h>
#include "tcp-repair.h"

#define TCP_IMAGE_OPTIONS_MAX 32
#define TCP_IMAGE_LINK_MAX 22

/* Gives a packet to the kernel as if it had come from the network.  Returns 0
 * or a negative errno value. */
typedef int tcp_image_deliver_fn(const void *packet, size_t size);

/* Where sockets are, if not in the network namespace of whoever calls, and
 * packets of which leave by a device of ours. */
struct tcp_image_net {
    int (*socket)(int domain, int type, int protocol);
    tcp_image_deliver_fn *deliver;

    /* The link-layer header by which packets go to a peer.  'get_link' stores
     * it and returns its length, or 0 if there is none. */
    size_t (*get_link)(const uint8_t peer[16],
                       uint8_t header[TCP_IMAGE_LINK_MAX]);
    void (*put_link)(const uint8_t peer[16], const uint8_t *header, size_t);
};

struct tcp_image {
    struct mbox_key key;        /* The socket's own address is the source. */
    bool nonblock, cloexec;
    int options[TCP_IMAGE_OPTIONS_MAX];
    char congestion[16];        /* TCP_CA_NAME_MAX */
    char device[16];            /* That it is bound to: by SO_BINDTODEVICE, or
                                 * by an address that is valid on just one
                                 * link.  Empty: any. */
    struct linger linger;
    struct timeval receive_timeout, send_timeout;
    uint32_t send_buffer, receive_buffer;       /* As getsockopt() has it. */
    uint8_t buffer_locks;       /* SO_BUF_LOCK */
    struct tcp_repair tcp;
    const uint8_t *unsent;
    uint32_t n_unsent;
    const uint8_t *link;        /* As in struct tcp_image_net; with its sockets
                                 * only. */
    uint8_t link_len;
};

/* From now on, sockets are there.  NULL: no more. */
void tcp_image_set_net(const struct tcp_image_net *);

/* What delivers packets there, or NULL. */
tcp_image_deliver_fn *tcp_image_deliver(void);

/* Returns NULL if the socket is one that can be moved, or says why not, with
 * '*error' a negative errno value. */
const char *tcp_image_refuse(int fd, bool can_deliver, int *error);

/* Puts the socket into repair mode and writes all of it.  Returns 0 or a
 * negative errno value; then the socket may be in repair mode or not. */
int tcp_image_save(int fd, struct mbox_writer *);

/* SO_REUSEADDR, which repair mode changes, or -1. */
int tcp_image_get_reuse(int fd);

/* Takes a socket that is not moved after all out of repair mode; SO_REUSEADDR
 * is as it was before.  Whoever waits for it, be it for an edge, is told of
 * what can be read and written. */
void tcp_image_stay(int fd, int reuse);

/* Ends a connection that runs, without the rest of what was to be sent or
 * read: the peer sees a reset, and no end of a stream. */
void tcp_image_break(int fd);

/* Checks all that can be checked without a socket.  The image borrows from
 * 'data'.  Returns 0 or -EPROTO. */
int tcp_image_parse(struct tcp_image *, const void *data, size_t size);

/* Makes the socket, not blocking, in repair mode.  Returns a descriptor or a
 * negative errno value. */
int tcp_image_open(const struct tcp_image *);

/* Takes it out of repair mode and does what cannot be done in it.  'deliver'
 * may be NULL if the peer has not closed.  Returns 0 or a negative errno
 * value: then the connection is broken. */
int tcp_image_finish(const struct tcp_image *, int fd,
                     tcp_image_deliver_fn *deliver);

#endif /* tcp-image.h */
