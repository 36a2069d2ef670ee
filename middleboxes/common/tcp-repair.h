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

#ifndef TCP_REPAIR_H
#define TCP_REPAIR_H 1

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

#include <netinet/tcp.h>
#include "mbox-key.h"
#include "mbox-wire.h"

struct tcp_repair {
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

/* Limit of each queue: both fit into the state of a flow. */
#define TCP_REPAIR_QUEUE_MAX (7 << 20)

/* Puts a socket into repair mode.  Returns 0 or a negative errno value. */
int tcp_repair_enter(int fd);

/* Puts a socket into repair mode and stores its state, with queues in a block
 * that the caller frees.  What was to be sent and has not been is in 'unsent',
 * not in the queue.  Returns 0 or a negative errno value. */
int tcp_repair_read(int fd, struct tcp_repair *, uint8_t **block,
                    const uint8_t **unsent, size_t *n_unsent);

/* Takes a socket out of repair mode.  It tells the peer what it has, which
 * makes that answer. */
void tcp_repair_leave(int fd);

/* Connects a new socket, whose buffers have room for the queues, in repair
 * mode: at the addresses of 'key', whose source is its own.  Returns 0 or a
 * negative errno value. */
int tcp_repair_fill(int fd, const struct mbox_key *key,
                    const struct tcp_repair *);

/* Closes without a packet. */
void tcp_repair_close(int fd);

/* State. */
void tcp_repair_write(const struct tcp_repair *, struct mbox_writer *);

/* Borrows the queues of the reader's data.  Returns 0 or -EPROTO. */
int tcp_repair_parse(struct tcp_repair *, struct mbox_reader *);

/* Makes an IP packet with a TCP header only, from 'key's source to its
 * destination.  Returns its length. */
#define TCP_REPAIR_SEGMENT_MAX 60
size_t tcp_repair_make_segment(const struct mbox_key *key, uint32_t seq,
                               uint32_t ack, uint8_t flags, uint16_t window,
                               uint8_t packet[TCP_REPAIR_SEGMENT_MAX]);

/* Makes the one with which the peer of a connection closed it; 'key's source
 * is that peer. */
size_t tcp_repair_make_fin(const struct mbox_key *key,
                           const struct tcp_repair *,
                           uint8_t packet[TCP_REPAIR_SEGMENT_MAX]);

#endif /* tcp-repair.h */
