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

#ifndef PROXY_HANDSHAKE_H
#define PROXY_HANDSHAKE_H 1

/* Connections that are being opened, and segments of our own making
 * =================================================================
 *
 * The kernel gives nothing of a connection that is not open yet.  So the
 * packets that open one, a SYN or a SYN with ACK, are kept as they were, IP
 * and TCP header, and move like that: the instance that they come to sends
 * them again if the other end asks, and makes a socket of them once it has
 * those of both ends. */

#include "proxy-tcp.h"

#define PROXY_SYN_MAX 120       /* IPv6 and TCP headers with options. */

struct proxy_syn {
    uint8_t len;                /* 0: none. */
    uint8_t data[PROXY_SYN_MAX];
};

/* A TCP segment in an IP packet. */
struct proxy_segment {
    struct mbox_key key;        /* Without a VLAN. */
    const uint8_t *tcp;         /* Header of 'tcp_len' bytes. */
    size_t tcp_len;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;              /* TH_*. */
};

/* Reads the headers of an IP packet.  Returns false if it is no TCP segment,
 * or only a part of one. */
bool proxy_segment_read(struct proxy_segment *, const uint8_t *ip,
                        size_t len);

/* Keeps a packet that opens a connection, unless it carries data. */
void proxy_syn_keep(struct proxy_syn *, const uint8_t *ip, size_t len);

/* Stores the state of a connection that was opened by these packets: the one
 * that this end sent, and the other end's.  Returns false if they do not
 * belong together. */
bool proxy_syn_open(const struct proxy_syn *own, const struct proxy_syn *peer,
                    struct tcp_repair *);

/* Makes one that has the kernel forget that 'peer_syn' has come, from 'key's
 * source. */
size_t proxy_rst_make(const struct mbox_key *key,
                      const struct proxy_syn *peer_syn,
                      uint8_t packet[TCP_REPAIR_SEGMENT_MAX]);

#endif /* proxy-handshake.h */
