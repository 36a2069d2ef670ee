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

#ifndef PROXY_TCP_H
#define PROXY_TCP_H 1

/* TCP sockets that move
 * =====================
 *
 * The kernel's TCP_REPAIR gives and takes what a connection is: queues,
 * sequence numbers, options, windows, the clock of timestamps.  A socket in
 * repair mode sends nothing, whatever happens, and is closed without a word.
 *
 * A connection that one end has closed, or both, moves as one that is open:
 * then this end closes the new socket, with the same sequence number as
 * before, and it is given the peer's FIN again. */

#include <netinet/in.h>
#include "mbox-key.h"
#include "mbox-wire.h"
#include "proxy-net.h"

struct proxy_tcp {
    uint32_t snd_seq, rcv_seq;  /* Of the first bytes in the queues. */
    bool snd_fin, rcv_fin;      /* After what is in the queues. */
    uint16_t mss;
    bool has_sack, has_wscale, has_timestamps;
    uint8_t snd_wscale, rcv_wscale;
    uint32_t timestamp;
    uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
    const uint8_t *snd, *rcv;   /* The queues: what is not acknowledged, and
                                 * what was not read. */
    uint32_t n_snd, n_rcv;
};

/* Limit of each queue. */
#define PROXY_TCP_QUEUE_MAX (4 << 20)

/* Opens a listener for 'port', of any address of the family. */
int proxy_tcp_listen(const struct proxy_net *, int family, uint16_t port,
                     int buffer);

/* Begins to connect from and to the addresses of 'key', whose source is the
 * socket's own.  Returns a descriptor or a negative errno value. */
int proxy_tcp_connect(const struct proxy_net *, const struct mbox_key *key,
                      int buffer);

/* Stores the addresses of a connected socket, its own as the source. */
bool proxy_tcp_get_key(int fd, struct mbox_key *);

/* The state of the socket, TCP_CLOSE if there is none any more. */
int proxy_tcp_state(int fd);

/* Returns 0 if sockets can be put into repair mode, or a negative errno
 * value. */
int proxy_tcp_can_repair(const struct proxy_net *);

/* Puts a socket into repair mode and stores its state, with queues in a block
 * that the caller frees.  What was to be sent and has not been is in 'unsent',
 * not in the queue.  Returns 0 or a negative errno value. */
int proxy_tcp_read(int fd, struct proxy_tcp *, uint8_t **block,
                   const uint8_t **unsent, size_t *n_unsent);

/* Takes a socket out of repair mode.  It tells the peer what it has, which
 * makes that answer. */
void proxy_tcp_resume(int fd);

/* Makes a connected socket, in repair mode, at the addresses of 'key', whose
 * source is its own.  Returns a descriptor or a negative errno value. */
int proxy_tcp_restore(const struct proxy_net *, const struct mbox_key *key,
                      int buffer, const struct proxy_tcp *);

/* Closes without a packet. */
void proxy_tcp_close_silently(int fd);

/* Closes with a RST. */
void proxy_tcp_reset(int fd);

/* State. */
void proxy_tcp_write(const struct proxy_tcp *, struct mbox_writer *);

/* Borrows the queues of the reader's data.  Returns 0 or -EPROTO. */
int proxy_tcp_parse(struct proxy_tcp *, struct mbox_reader *);

#endif /* proxy-tcp.h */
