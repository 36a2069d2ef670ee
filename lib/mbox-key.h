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

#ifndef MBOX_KEY_H
#define MBOX_KEY_H 1

/* Flow keys
 * =========
 *
 * A flow key names one flow: what a middlebox keeps per-flow state under and
 * what the switch holds packets under.  It is read from a packet's own headers
 * (never from a datapath flow, which may be a megaflow).
 *
 * A connection has two directions, so two keys that are each other's reverse.
 * Tables are keyed by the *canonical* key, which is the same for both.
 *
 * ICMP and ICMPv6 echo carry their identifier in both port fields, so that a
 * ping session is a flow; every other ICMP message has both ports 0.  A packet
 * that is not IP has family 0, and only 'vlan' is meaningful.  A fragment that
 * is not the first carries no ports: both are 0 and 'later_frag' is true, so
 * it is covered by flow spaces that do not constrain ports and by no other.
 *
 * Nothing here keeps state that changes, so every function is thread-safe. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MBOX_VLAN_NONE 0xffff   /* No 802.1Q header. */

/* 40 bytes, no padding: may be compared and hashed as memory. */
struct mbox_key {
    uint8_t src[16];            /* Network order.  IPv4 as ::ffff:a.b.c.d. */
    uint8_t dst[16];
    uint16_t src_port;          /* Host order.  TCP, UDP, SCTP; see above. */
    uint16_t dst_port;
    uint16_t vlan;              /* VID, or MBOX_VLAN_NONE. */
    uint8_t family;             /* 4, 6, or 0 for non-IP. */
    uint8_t proto;              /* IPPROTO_*. */
};

/* Where a packet's headers are, as found by mbox_key_extract(). */
struct mbox_packet_layout {
    uint16_t l3_ofs;            /* IP header, or 0 if not IP. */
    uint16_t l4_ofs;            /* Transport header, or 0 if absent. */
    uint16_t payload_ofs;       /* Transport payload (may have no bytes, then
                                 * it is l3_end), or 0 if absent. */
    uint16_t l3_end;            /* End of the IP datagram (drops padding). */
    bool first_frag;            /* First fragment of several. */
    bool later_frag;            /* Fragment with a nonzero offset. */
};

/* Reads the key of the Ethernet frame of 'len' bytes at 'frame' into '*key'.
 * A frame that is truncated or malformed is treated as far as it is sound:
 * a bad IP header, or one that claims more bytes than there are, gives family
 * 0 (as it gives Open vSwitch no addresses), a transport header that is cut
 * off gives ports 0, and a TCP header with a bad length has no payload.
 * 'layout' may be NULL.  Never reads outside [frame, frame + len).  Handles up
 * to two VLAN headers ('vlan' is the outermost) and IPv6 extension headers
 * (hop-by-hop, routing, destination, fragment, AH), at most 8 of them.
 * A project tag (mbox-tag.h) must have been removed before. */
void mbox_key_extract(const void *frame, size_t len, struct mbox_key *key,
                      struct mbox_packet_layout *layout);

/* Stores in '*dst' the key of the opposite direction of 'src'. They may be the
 * same object. */
void mbox_key_reverse(const struct mbox_key *src, struct mbox_key *dst);

/* Stores in '*dst' the canonical form of 'src': the lesser of it and its
 * reverse.  Returns true if the result is the reverse of 'src'. */
bool mbox_key_canonical(const struct mbox_key *src, struct mbox_key *dst);

bool mbox_key_equal(const struct mbox_key *, const struct mbox_key *);

/* Differs from process to process: for tables in memory only. */
uint32_t mbox_key_hash(const struct mbox_key *, uint32_t basis);

/* Writes 'key' as "tcp,10.0.0.1:1234>10.0.0.2:80" (IPv6 addresses in brackets,
 * ",vlan=N" appended if tagged) to 'buf', always null-terminated; returns
 * 'buf'.  MBOX_KEY_STRLEN is always enough. */
#define MBOX_KEY_STRLEN 160
char *mbox_key_format(const struct mbox_key *key, char *buf, size_t size);

/* Reads the 'len' bytes at 's', which must be all of what mbox_key_format()
 * has written of an IPv4 or IPv6 key.  Returns false if they are not. */
bool mbox_key_parse(const char *s, size_t len, struct mbox_key *key);

#ifdef __cplusplus
}
#endif

#endif /* mbox-key.h */
