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
#include "lb-frame.h"

#include <netinet/in.h>
#include <string.h>
#include "bytes.h"
#include "inet-checksum.h"

#define ETH_LEN 14
#define IPV4_LEN 20
#define IPV6_LEN 40
#define ARP_LEN 28
#define ND_LEN 24               /* Solicitation, advertisement: no option. */
#define ND_OPTION_LEN 8         /* Link-layer address. */

#define ICMP4_ECHO_REPLY 0
#define ICMP4_ECHO_REQUEST 8
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY 129
#define ICMP6_SOLICITATION 135
#define ICMP6_ADVERTISEMENT 136
#define ND_SOURCE_MAC 1
#define ND_TARGET_MAC 2
#define ND_SOLICITED 0x40
#define ND_OVERRIDE 0x20

static const uint8_t broadcast_mac[6] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff
};
static const uint8_t v4_prefix[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};
static const uint8_t arp_start[6] = {
    0, 1,                       /* Ethernet. */
    8, 0,                       /* IPv4. */
    6, 4                        /* Lengths of addresses. */
};

static void
set_v4(uint8_t dst[16], const uint8_t *addr)
{
    memcpy(dst, v4_prefix, sizeof v4_prefix);
    memcpy(dst + sizeof v4_prefix, addr, 4);
}

static bool
parse_arp(const uint8_t *p, size_t len, struct lb_neighbor *n)
{
    static const uint8_t zeros[4];

    if (len < ARP_LEN || memcmp(p, arp_start, sizeof arp_start)
        || p[6] || (p[7] != 1 && p[7] != 2)) {
        return false;
    }
    n->is_request = p[7] == 1;
    n->sender.family = 4;
    memcpy(n->sender.mac, p + 8, 6);
    set_v4(n->sender.addr, p + 14);
    set_v4(n->target, p + 24);
    n->is_probe = n->is_request && !memcmp(p + 14, zeros, 4);
    return true;
}

static bool
parse_nd(const uint8_t *frame, size_t len, struct lb_neighbor *n)
{
    static const uint8_t zeros[16];
    const uint8_t *ip = frame + ETH_LEN;
    const uint8_t *p = ip + IPV6_LEN;
    size_t icmp_len;

    len -= ETH_LEN;
    if (len < IPV6_LEN + ND_LEN || ip[0] >> 4 != 6 || ip[6] != IPPROTO_ICMPV6
        || ip[7] != 255) {
        return false;
    }
    icmp_len = get_be16(ip + 4);
    if (icmp_len < ND_LEN || icmp_len > len - IPV6_LEN
        || (p[0] != ICMP6_SOLICITATION && p[0] != ICMP6_ADVERTISEMENT)
        || p[1]) {
        return false;
    }
    n->is_request = p[0] == ICMP6_SOLICITATION;
    n->sender.family = 6;
    if (n->is_request) {
        memcpy(n->sender.addr, ip + 8, 16);
        memcpy(n->target, p + 8, 16);
        n->is_probe = !memcmp(n->sender.addr, zeros, 16);
    } else {
        memcpy(n->sender.addr, p + 8, 16);
        memcpy(n->target, ip + 24, 16);
    }
    memcpy(n->sender.mac, frame + 6, 6);        /* Unless an option says. */
    for (size_t ofs = ND_LEN; icmp_len - ofs >= ND_OPTION_LEN; ) {
        size_t option_len = p[ofs + 1] * 8;

        if (!option_len || option_len > icmp_len - ofs) {
            return false;
        }
        if (p[ofs] == (n->is_request ? ND_SOURCE_MAC : ND_TARGET_MAC)) {
            memcpy(n->sender.mac, p + ofs + 2, 6);
        }
        ofs += option_len;
    }
    return true;
}

bool
lb_neighbor_parse(const void *frame_, size_t len, struct lb_neighbor *n)
{
    const uint8_t *frame = frame_;

    memset(n, 0, sizeof *n);
    if (len < ETH_LEN) {
        return false;
    }
    switch (get_be16(frame + 12)) {
    case 0x0806:
        return parse_arp(frame + ETH_LEN, len - ETH_LEN, n);
    case 0x86dd:
        return parse_nd(frame, len, n);
    default:
        return false;
    }
}

static uint8_t *
put(struct lb_frame *f, const void *data, size_t len)
{
    uint8_t *p = f->data + f->len;

    if (data) {
        memcpy(p, data, len);
    } else {
        memset(p, 0, len);
    }
    f->len += len;
    return p;
}

static void
put_eth(struct lb_frame *f, const uint8_t dst[6], const uint8_t src[6],
        uint16_t type)
{
    f->len = 0;
    put(f, dst, 6);
    put(f, src, 6);
    put_be16(put(f, NULL, 2), type);
}

static void
put_arp(struct lb_frame *f, uint8_t op, const struct lb_host *src,
        const uint8_t target_mac[6], const uint8_t *target_ip)
{
    put(f, arp_start, sizeof arp_start);
    put_be16(put(f, NULL, 2), op);
    put(f, src->mac, 6);
    put(f, src->addr + 12, 4);
    put(f, target_mac, 6);
    put(f, target_ip, 4);
}

/* Puts Ethernet and IP headers for 'len' bytes of 'proto', which the caller
 * puts next. */
static void
put_ip(struct lb_frame *f, const struct lb_host *src,
       const struct lb_host *dst, uint8_t proto, size_t len)
{
    if (src->family == 4) {
        put_eth(f, dst->mac, src->mac, 0x0800);

        uint8_t *ip = put(f, NULL, IPV4_LEN);
        ip[0] = 0x45;
        put_be16(ip + 2, IPV4_LEN + len);
        put_be16(ip + 6, 0x4000);       /* Do not fragment. */
        ip[8] = 64;
        ip[9] = proto;
        memcpy(ip + 12, src->addr + 12, 4);
        memcpy(ip + 16, dst->addr + 12, 4);
        put_be16(ip + 10,
                 inet_csum_finish(inet_csum_add(0, ip, IPV4_LEN)));
    } else {
        put_eth(f, dst->mac, src->mac, 0x86dd);

        uint8_t *ip = put(f, NULL, IPV6_LEN);
        ip[0] = 0x60;
        put_be16(ip + 4, len);
        ip[6] = proto;
        ip[7] = 255;            /* Neighbor discovery demands it. */
        memcpy(ip + 8, src->addr, 16);
        memcpy(ip + 24, dst->addr, 16);
    }
}

/* The checksum of the last 'len' bytes of 'f', with a pseudo-header. */
static uint16_t
l4_checksum(const struct lb_frame *f, const struct lb_host *src,
            const struct lb_host *dst, uint8_t proto, size_t len)
{
    uint32_t sum = inet_csum_pseudo(src->family, src->addr, dst->addr, proto,
                                    len);

    sum = inet_csum_add(sum, f->data + f->len - len, len);
    return inet_csum_finish(sum);
}

/* Puts a solicitation or advertisement about 'target' with our MAC. */
static void
put_nd(struct lb_frame *f, const struct lb_host *src,
       const struct lb_host *dst, uint8_t type, uint8_t flags,
       const uint8_t target[16], uint8_t option)
{
    size_t len = ND_LEN + ND_OPTION_LEN;

    put_ip(f, src, dst, IPPROTO_ICMPV6, len);

    uint8_t *p = put(f, NULL, len);
    p[0] = type;
    p[4] = flags;
    memcpy(p + 8, target, 16);
    p[ND_LEN] = option;
    p[ND_LEN + 1] = 1;          /* Times 8 bytes. */
    memcpy(p + ND_LEN + 2, src->mac, 6);
    put_be16(p + 2, l4_checksum(f, src, dst, IPPROTO_ICMPV6, len));
}

void
lb_frame_solicit(struct lb_frame *f, const struct lb_host *src,
                 const uint8_t target[16])
{
    static const uint8_t zeros[6];

    if (src->family == 4) {
        put_eth(f, broadcast_mac, src->mac, 0x0806);
        put_arp(f, 1, src, zeros, target + 12);
    } else {
        /* The solicited-node group, ff02::1:ffXX:XXXX. */
        struct lb_host dst = {
            .family = 6,
            .addr = { 0xff, 2, [11] = 1, [12] = 0xff, target[13], target[14],
                      target[15] },
            .mac = { 0x33, 0x33, 0xff, target[13], target[14], target[15] },
        };

        put_nd(f, src, &dst, ICMP6_SOLICITATION, 0, target, ND_SOURCE_MAC);
    }
}

void
lb_frame_advertise(struct lb_frame *f, const struct lb_host *src,
                   const struct lb_neighbor *request)
{
    if (src->family == 4) {
        put_eth(f, request->sender.mac, src->mac, 0x0806);
        put_arp(f, 2, src, request->sender.mac, request->sender.addr + 12);
    } else if (request->is_probe) {
        static const struct lb_host all_nodes = {
            .family = 6, .addr = { 0xff, 2, [15] = 1 },
            .mac = { 0x33, 0x33, [5] = 1 },
        };

        put_nd(f, src, &all_nodes, ICMP6_ADVERTISEMENT, ND_OVERRIDE,
               src->addr, ND_TARGET_MAC);
    } else {
        put_nd(f, src, &request->sender, ICMP6_ADVERTISEMENT,
               ND_SOLICITED | ND_OVERRIDE, src->addr, ND_TARGET_MAC);
    }
}

void
lb_frame_tcp(struct lb_frame *f, const struct lb_host *src,
             const struct lb_host *dst, const struct lb_tcp *tcp)
{
    put_ip(f, src, dst, IPPROTO_TCP, 20);

    uint8_t *p = put(f, NULL, 20);
    put_be16(p, tcp->src_port);
    put_be16(p + 2, tcp->dst_port);
    put_be32(p + 4, tcp->seq);
    put_be32(p + 8, tcp->ack);
    p[12] = 0x50;
    p[13] = tcp->flags;
    put_be16(p + 14, 1024);
    put_be16(p + 16, l4_checksum(f, src, dst, IPPROTO_TCP, 20));
}

void
lb_frame_echo(struct lb_frame *f, const struct lb_host *src,
              const struct lb_host *dst, uint16_t id, uint16_t seq)
{
    bool v4 = src->family == 4;
    uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

    put_ip(f, src, dst, proto, 8);

    uint8_t *p = put(f, NULL, 8);
    p[0] = v4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST;
    put_be16(p + 4, id);
    put_be16(p + 6, seq);
    put_be16(p + 2, v4 ? inet_csum_finish(inet_csum_add(0, p, 8))
                       : l4_checksum(f, src, dst, proto, 8));
}

void
lb_frame_answer_echo(uint8_t *frame, uint8_t family, size_t l3_ofs,
                     size_t l4_ofs, const uint8_t mac[6])
{
    size_t addr_ofs = l3_ofs + (family == 4 ? 12 : 8);
    size_t addr_len = family == 4 ? 4 : 16;
    uint8_t old[2], addr[16];
    uint8_t *icmp = frame + l4_ofs;

    memcpy(frame, frame + 6, 6);
    memcpy(frame + 6, mac, 6);

    /* The sum of the addresses stays the same. */
    memcpy(addr, frame + addr_ofs, addr_len);
    memcpy(frame + addr_ofs, frame + addr_ofs + addr_len, addr_len);
    memcpy(frame + addr_ofs + addr_len, addr, addr_len);

    memcpy(old, icmp, sizeof old);
    icmp[0] = family == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
    inet_csum_update(icmp + 2, old, icmp, sizeof old);
}
