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

#ifndef WANOPT_WIRE_H
#define WANOPT_WIRE_H 1

/* Messages between the two ends: what they look like as packets
 * =============================================================
 *
 * A message has the addresses, the protocol and the ports of the flow that it
 * belongs to, so that a switch steers it as it does the flow's packets, to the
 * instance that has the flow, and in order with them.  Behind the IP header:
 *
 *     20 or 8   the TCP or UDP header, without options; its *mark* is a value
 *               that no header has: data offset 0, or a UDP length of 1
 *     u8        enum wanopt_type
 *     u8        flags: WANOPT_COMPRESSED
 *     u16       the checksum that the packet's TCP or UDP header had
 *     u16       length of all items, which of a packet is that of its payload
 *     u8        number of items
 *     u8        the packet's TCP data offset
 *     8         tag
 *     n         the packet's TCP options
 *     n         body (wanopt-codec.h)
 *
 * Checksums are right for what the message is.  By the mark no packet of
 * somebody else is taken for a message.  If a message gets to the end of the
 * connection, since there is no middlebox any more, that discards it: RFC 9293
 * and RFC 768 demand it of such headers, and systems do it.  The tag covers
 * all that is behind the IP header, and both addresses: nobody without the
 * secret of the sites can make or change a message.  There is no sequence
 * number: who has seen a message can send it again. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"
#include "wanopt-cipher.h"

#define WANOPT_SHIM_LEN 16

/* A frame of any length that IP has. */
#define WANOPT_MAX_FRAME 65550

enum wanopt_type {
    WANOPT_PACKET = 0x10,       /* Version 1; an encoded packet. */
    WANOPT_QUESTION,            /* Asks for chunks. */
    WANOPT_ANSWER,              /* Has chunks. */
};

#define WANOPT_COMPRESSED 0x01

/* A frame with TCP or UDP. */
struct wanopt_frame {
    uint8_t *data;
    size_t len;
    struct mbox_key key;
    struct mbox_packet_layout layout;
};

/* What is in a message. */
struct wanopt_message {
    enum wanopt_type type;
    bool compressed;
    uint16_t checksum;
    uint16_t total;
    uint8_t n_items;
    uint8_t data_offset;
    const uint8_t *options, *body;
    size_t options_len, body_len;
};

enum wanopt_kind {
    WANOPT_OTHER,               /* Goes as it is. */
    WANOPT_PLAIN,               /* Its payload can be encoded. */
    WANOPT_MESSAGE,             /* Has the mark. */
};

/* Other than WANOPT_OTHER are only whole datagrams of TCP and UDP; plain is
 * what has a payload that is not too long, and says its length rightly. */
enum wanopt_kind wanopt_frame_kind(const struct wanopt_frame *);

/* The payload of a plain frame. */
static inline size_t
wanopt_payload_len(const struct wanopt_frame *f)
{
    return f->layout.l3_end - f->layout.payload_ofs;
}

/* Reads a frame that has the mark.  Returns 0, -EPERM if its tag is wrong, or
 * -EPROTO if it is malformed nevertheless. */
int wanopt_message_read(struct wanopt_cipher *, const struct wanopt_frame *,
                        struct wanopt_message *);

/* Writes the plain frame 'f' as a message of type WANOPT_PACKET, with a body
 * of 'm->body_len' bytes, to 'out', which has room for WANOPT_MAX_FRAME.
 * Returns its length, or 0 if it would not be shorter than 'f'. */
size_t wanopt_message_write(struct wanopt_cipher *,
                            const struct wanopt_frame *f,
                            const struct wanopt_message *m, uint8_t *out);

/* Makes the packet again that the message 'm' in the frame 'f' was made of.
 * Its payload is the 'm->total' bytes at 'payload'; 'out' has room for
 * WANOPT_MAX_FRAME.  Returns its length, or 0 if IP has none so long. */
size_t wanopt_packet_restore(const struct wanopt_frame *f,
                             const struct wanopt_message *m,
                             const uint8_t *payload, uint8_t *out);

/* Writes a question or answer in response to the message in 'f', back to where
 * that came from. */
size_t wanopt_message_respond(struct wanopt_cipher *,
                              const struct wanopt_frame *f,
                              const struct wanopt_message *m, uint8_t *out);

#endif /* wanopt-wire.h */
