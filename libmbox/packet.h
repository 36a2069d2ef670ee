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

#ifndef MB_PACKET_H
#define MB_PACKET_H 1

/* Packets inside the library
 * ==========================
 *
 * A packet is one Ethernet frame with room for a tag before it.  Whoever holds
 * a packet owns it and either hands it on or frees it.  A packet belongs to
 * the thread that does packet I/O, except while a worker processes it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"
#include "mbox-tag.h"

#define MB_HEADROOM 64          /* Before a frame; room for tag and VLAN. */
#define MB_FRAME_MAX 65550      /* 64 KiB of IP and an Ethernet header. */

struct mb_packet {
    uint8_t *data;              /* The frame. */
    size_t len;
    size_t headroom;            /* Usable bytes before 'data'. */
    size_t tailroom;            /* Usable bytes after 'data' + 'len'. */
    struct mb_packet *next;     /* For whoever owns it. */
    void (*free)(struct mb_packet *);
    void *owner;                /* For 'free'. */

    unsigned int port;          /* Where it came from, or where it goes to. */
    bool replayed;              /* It was buffered during a transfer. */
    bool transmit;              /* Worker to I/O thread: send it. */
    uint64_t timestamp;         /* CLOCK_MONOTONIC at dequeue, ns. */
    struct mbox_key key;
    struct mbox_packet_layout layout;
};

/* Returns a packet on the heap with headroom and a copy of 'frame'; if that is
 * null, it is to be filled in.  NULL if memory is short or 'len' is over
 * MB_FRAME_MAX.  Other members are zero. */
struct mb_packet *mb_packet_new(const void *frame, size_t len);

/* Returns a heap copy of 'packet' with its metadata, or NULL. */
struct mb_packet *mb_packet_clone(const struct mb_packet *packet);

void mb_packet_free(struct mb_packet *);

/* Puts 'tag' before the frame.  Returns false if there is no headroom. */
bool mb_packet_push_tag(struct mb_packet *, const struct mbox_tag *tag);

/* Removes the tag, which must be well-formed. */
void mb_packet_pop_tag(struct mb_packet *);

/* Fills in 'key' and 'layout'. */
void mb_packet_parse(struct mb_packet *);

#endif /* packet.h */
