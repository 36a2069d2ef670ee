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

#include <config.h>
#include "lb-rewrite.h"

#include <string.h>
#include "bytes.h"
#include "inet-checksum.h"

#define ICMP_LEN 8

void
lb_set_macs(uint8_t *frame, const uint8_t dst[6], const uint8_t src[6])
{
    memcpy(frame, dst, 6);
    memcpy(frame + 6, src, 6);
}

/* Where an address is in a frame. */
struct place {
    size_t ofs, len;
    const uint8_t *bytes;       /* The new ones. */
};

static struct place
find_address(uint8_t family, size_t l3_ofs, enum lb_side side,
             const uint8_t addr[16])
{
    if (family == 4) {
        return (struct place) { l3_ofs + (side == LB_SRC ? 12 : 16), 4,
                                addr + 12 };
    }
    return (struct place) { l3_ofs + (side == LB_SRC ? 8 : 24), 16, addr };
}

/* The offset of the checksum of TCP or UDP in its header. */
static size_t
checksum_ofs(uint8_t proto)
{
    return proto == IPPROTO_TCP ? 16 : 6;
}

/* A UDP checksum of 0 means that there is none. */
static bool
has_checksum(uint8_t proto, const uint8_t *checksum)
{
    return proto != IPPROTO_UDP || checksum[0] || checksum[1];
}

static void
update_l4(uint8_t proto, uint8_t checksum[2], const void *old,
          const void *new, size_t len)
{
    inet_csum_update(checksum, old, new, len);
    if (proto == IPPROTO_UDP && !checksum[0] && !checksum[1]) {
        checksum[0] = checksum[1] = 0xff;
    }
}

/* Replaces address and port of a packet at 'l3_ofs' and 'l4_ofs', and updates
 * the checksums in its headers.  'l4_checksum' is where that of TCP or UDP is,
 * null if it is not in the frame. */
static void
replace(uint8_t *frame, size_t l3_ofs, size_t l4_ofs,
        const struct mbox_key *key, enum lb_side side,
        const uint8_t addr[16], uint16_t port, uint8_t *l4_checksum)
{
    struct place a = find_address(key->family, l3_ofs, side, addr);
    uint8_t *p = frame + l4_ofs + (side == LB_SRC ? 0 : 2);
    uint8_t new_port[2];

    put_be16(new_port, port);
    if (key->family == 4) {
        inet_csum_update(frame + l3_ofs + 10, frame + a.ofs, a.bytes, a.len);
    }
    if (l4_checksum && has_checksum(key->proto, l4_checksum)) {
        update_l4(key->proto, l4_checksum, frame + a.ofs, a.bytes, a.len);
        update_l4(key->proto, l4_checksum, p, new_port, sizeof new_port);
    }
    memcpy(frame + a.ofs, a.bytes, a.len);
    memcpy(p, new_port, sizeof new_port);
}

void
lb_rewrite(uint8_t *frame, const struct mbox_packet_layout *layout,
           const struct mbox_key *key, enum lb_side side,
           const uint8_t addr[16], uint16_t port)
{
    replace(frame, layout->l3_ofs, layout->l4_ofs, key, side, addr, port,
            frame + layout->l4_ofs + checksum_ofs(key->proto));
}

static bool
is_error(uint8_t family, uint8_t type)
{
    if (family == 4) {
        /* Destination unreachable, source quench, time exceeded, parameter
         * problem. */
        return type == 3 || type == 4 || type == 11 || type == 12;
    }
    return type >= 1 && type <= 4;
}

bool
lb_quote_parse(const uint8_t *frame, const struct mbox_key *key,
               const struct mbox_packet_layout *layout, struct lb_quote *q)
{
    uint8_t proto = key->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

    if (key->proto != proto || !layout->l4_ofs || layout->first_frag
        || !is_error(key->family, frame[layout->l4_ofs])) {
        return false;
    }
    q->l3_ofs = layout->l4_ofs + ICMP_LEN;

    const uint8_t *ip = frame + q->l3_ofs;
    size_t left = layout->l3_end - q->l3_ofs;
    size_t header_len;

    memset(&q->key, 0, sizeof q->key);
    q->key.family = key->family;
    q->key.vlan = key->vlan;
    if (key->family == 4) {
        if (left < 20 || ip[0] >> 4 != 4 || get_be16(ip + 6) & 0x1fff) {
            return false;
        }
        header_len = (ip[0] & 0xf) * 4;
        if (header_len < 20) {
            return false;
        }
        q->key.proto = ip[9];
        memset(q->key.src + 10, 0xff, 2);
        memcpy(q->key.src + 12, ip + 12, 4);
        memset(q->key.dst + 10, 0xff, 2);
        memcpy(q->key.dst + 12, ip + 16, 4);
    } else {
        /* Extension headers end it: they are rare enough. */
        if (left < 40 || ip[0] >> 4 != 6) {
            return false;
        }
        header_len = 40;
        q->key.proto = ip[6];
        memcpy(q->key.src, ip + 8, 16);
        memcpy(q->key.dst, ip + 24, 16);
    }
    if ((q->key.proto != IPPROTO_TCP && q->key.proto != IPPROTO_UDP)
        || left < header_len + 8) {
        return false;
    }
    q->l4_ofs = q->l3_ofs + header_len;
    q->key.src_port = get_be16(frame + q->l4_ofs);
    q->key.dst_port = get_be16(frame + q->l4_ofs + 2);
    return true;
}

/* The part of a quote that translation changes: its headers up to the
 * checksum of TCP, if they are there. */
#define QUOTE_CHANGED_MAX (60 + 18)

void
lb_rewrite_error(uint8_t *frame, const struct mbox_packet_layout *layout,
                 const struct lb_quote *q, enum lb_side side,
                 const uint8_t addr[16], uint16_t port,
                 enum lb_side outer_side, const uint8_t *outer)
{
    uint8_t *icmp_checksum = frame + layout->l4_ofs + 2;
    size_t end = q->l4_ofs + checksum_ofs(q->key.proto) + 2;
    uint8_t *l4_checksum = end <= layout->l3_end ? frame + end - 2 : NULL;
    size_t len = l4_checksum ? end - q->l3_ofs : q->l4_ofs + 8 - q->l3_ofs;
    uint8_t old[QUOTE_CHANGED_MAX];

    memcpy(old, frame + q->l3_ofs, len);
    replace(frame, q->l3_ofs, q->l4_ofs, &q->key, side, addr, port,
            l4_checksum);
    inet_csum_update(icmp_checksum, old, frame + q->l3_ofs, len);

    if (outer) {
        struct place a = find_address(q->key.family, layout->l3_ofs,
                                      outer_side, outer);

        if (q->key.family == 4) {
            inet_csum_update(frame + layout->l3_ofs + 10, frame + a.ofs,
                             a.bytes, a.len);
        } else {
            inet_csum_update(icmp_checksum, frame + a.ofs, a.bytes, a.len);
        }
        memcpy(frame + a.ofs, a.bytes, a.len);
    }
}
