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

#include "offload.h"

#include <arpa/inet.h>
#include <string.h>

static uint32_t
fold(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* The sum of words does not depend on their size, nor, but for the order of
 * its own bytes, on that of theirs (RFC 1071). */
static uint32_t
sum_bytes(const uint8_t *p, size_t n, uint32_t sum)
{
    uint32_t words[4] = { 0 };
    uint64_t s = 0;

    for (; n >= sizeof words; p += sizeof words, n -= sizeof words) {
        memcpy(words, p, sizeof words);
        s += (uint64_t) words[0] + words[1] + words[2] + words[3];
    }
    memset(words, 0, sizeof words);
    memcpy(words, p, n);
    s += (uint64_t) words[0] + words[1] + words[2] + words[3];
    return fold((uint64_t) sum + ntohs(fold(s)));
}

static void
put_u16(uint8_t *p, uint16_t x)
{
    p[0] = x >> 8;
    p[1] = x;
}

static uint32_t
get_u32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void
put_u32(uint8_t *p, uint32_t x)
{
    put_u16(p, x >> 16);
    put_u16(p + 2, x);
}

void
mb_offload_checksum(uint8_t *frame, size_t len, size_t start, size_t offset)
{
    if (start > len || offset > len - start || len - start - offset < 2) {
        return;
    }

    uint16_t sum = ~sum_bytes(frame + start, len - start, 0);
    put_u16(frame + start + offset, sum ? sum : 0xffff);
}

/* Fixes the headers of a segment: 'frame' has 'len' bytes in all. */
static void
fix_segment(uint8_t *frame, size_t len, const struct mb_packet *packet,
            unsigned int index, size_t mss, bool last)
{
    const struct mbox_packet_layout *l = &packet->layout;
    uint8_t *ip = frame + l->l3_ofs;
    uint8_t *l4 = frame + l->l4_ofs;
    size_t l4_len = len - l->l4_ofs;
    uint32_t pseudo;

    if (packet->key.family == 4) {
        size_t ihl = (ip[0] & 15) * 4;
        uint16_t id = (ip[4] << 8 | ip[5]) + index;

        put_u16(ip + 2, len - l->l3_ofs);
        put_u16(ip + 4, id);
        put_u16(ip + 10, 0);
        put_u16(ip + 10, ~sum_bytes(ip, ihl, 0));
        pseudo = sum_bytes(ip + 12, 8, 0);
    } else {
        put_u16(ip + 4, len - l->l3_ofs - 40);
        pseudo = sum_bytes(ip + 8, 32, 0);
    }
    pseudo += packet->key.proto + l4_len;

    size_t offset;
    if (packet->key.proto == IPPROTO_TCP) {
        put_u32(l4 + 4, get_u32(l4 + 4) + index * mss);
        if (!last) {
            l4[13] &= ~0x09;    /* FIN and PSH belong to the last. */
        }
        if (index) {
            l4[13] &= ~0x80;    /* CWR belongs to the first. */
        }
        offset = 16;
    } else {
        put_u16(l4 + 4, l4_len);
        offset = 6;
    }
    put_u16(l4 + offset, 0);

    uint16_t sum = ~sum_bytes(l4, l4_len, pseudo);
    put_u16(l4 + offset, sum ? sum : 0xffff);}

bool
mb_offload_segment(const struct mb_packet *packet, size_t mss,
                   struct mb_packet **tail)
{
    struct mb_packet parsed = *packet;
    struct mb_packet *first = NULL, **end = &first;

    mb_packet_parse(&parsed);
    if (!mss || !parsed.layout.payload_ofs || parsed.layout.first_frag
        || parsed.layout.later_frag
        || (parsed.key.proto != IPPROTO_TCP
            && parsed.key.proto != IPPROTO_UDP)) {
        return false;
    }

    size_t payload_ofs = parsed.layout.payload_ofs;
    size_t payload_len = parsed.layout.l3_end - payload_ofs;
    size_t ofs = 0;
    unsigned int i = 0;
    do {
        size_t n = payload_len - ofs < mss ? payload_len - ofs : mss;
        struct mb_packet *segment = mb_packet_new(NULL, payload_ofs + n);
        if (!segment) {
            while (first) {
                segment = first;
                first = first->next;
                mb_packet_free(segment);
            }
            return false;
        }
        memcpy(segment->data, packet->data, payload_ofs);
        memcpy(segment->data + payload_ofs,
               packet->data + payload_ofs + ofs, n);
        ofs += n;
        fix_segment(segment->data, segment->len, &parsed, i++, mss,
                    ofs >= payload_len);
        segment->port = packet->port;
        *end = segment;
        end = &segment->next;
    } while (ofs < payload_len);
    *tail = first;
    return true;
}
