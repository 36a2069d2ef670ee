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

#ifndef IDS_FRAME_H
#define IDS_FRAME_H 1

/* Frames made for benchmarks and tests. */

#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"

#define IDS_FRAME_MAX 65600

struct ids_frame {
    size_t len;
    uint8_t data[IDS_FRAME_MAX];
};

struct ids_tcp_fields {
    uint32_t seq, ack;
    uint8_t flags;              /* TH_*. */
    uint32_t ts;                /* Timestamp option's value, or 0: none. */
};

/* Make a frame of the flow and direction 'key' (IPv4 or IPv6, perhaps with
 * VLAN) with a payload of 'len' bytes.  Checksums are zero. */
void ids_frame_tcp(struct ids_frame *, const struct mbox_key *key,
                   const struct ids_tcp_fields *, const void *payload,
                   size_t len);
void ids_frame_udp(struct ids_frame *, const struct mbox_key *key,
                   const void *payload, size_t len);

/* A key of TCP or UDP over IPv4, without VLAN; addresses in host order. */
struct mbox_key ids_make_key(uint8_t proto, uint32_t src, uint16_t src_port,
                             uint32_t dst, uint16_t dst_port);

#endif /* ids-frame.h */
