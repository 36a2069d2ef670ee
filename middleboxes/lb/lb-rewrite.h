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

#ifndef LB_REWRITE_H
#define LB_REWRITE_H 1

/* Address translation of packets, in place
 * ========================================
 *
 * Checksums are updated incrementally, so one that was wrong stays wrong, and
 * is found by the receiver.  Nothing here keeps state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"

void lb_set_macs(uint8_t *frame, const uint8_t dst[6], const uint8_t src[6]);

/* Replaces the source or the destination of a TCP or UDP packet, not a later
 * fragment, whose headers are at 'layout' and in which 'key' was found. */
enum lb_side { LB_SRC, LB_DST };
void lb_rewrite(uint8_t *frame, const struct mbox_packet_layout *,
                const struct mbox_key *key, enum lb_side,
                const uint8_t addr[16], uint16_t port);

/* An ICMP or ICMPv6 error and the packet in it. */
struct lb_quote {
    struct mbox_key key;        /* Of the packet that is quoted. */
    size_t l3_ofs;              /* Where its headers are in the frame. */
    size_t l4_ofs;
};

/* True if the packet is an error about a TCP or UDP packet, with its ports. */
bool lb_quote_parse(const uint8_t *frame, const struct mbox_key *,
                    const struct mbox_packet_layout *, struct lb_quote *);

/* Replaces the source or the destination of the packet that an error quotes,
 * and, if 'outer' is nonnull, the error's own address on the side
 * 'outer_side'. */
void lb_rewrite_error(uint8_t *frame, const struct mbox_packet_layout *,
                      const struct lb_quote *, enum lb_side,
                      const uint8_t addr[16], uint16_t port,
                      enum lb_side outer_side, const uint8_t *outer);

#endif /* lb-rewrite.h */
