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

#include "mbox-key.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define ETH_LEN 14
#define VLAN_LEN 4
#define MAX_VLANS 2
#define IPV4_MIN_LEN 20
#define IPV6_LEN 40
#define TCP_MIN_LEN 20
#define UDP_LEN 8
#define SCTP_LEN 12
#define ICMP_LEN 8
#define MAX_EXT_HEADERS 8

#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

#define ICMP4_ECHO_REPLY 0
#define ICMP4_ECHO_REQUEST 8
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY 129

static const uint8_t v4_prefix[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

_Static_assert(sizeof(struct mbox_key) == 40, "keys are compared as memory");

static uint16_t
get_u16(const uint8_t *p)
{
    return (uint16_t) (p[0] << 8 | p[1]);
}

static void
set_v4(uint8_t dst[16], const uint8_t *addr)
{
    memcpy(dst, v4_prefix, sizeof v4_prefix);
    memcpy(dst + sizeof v4_prefix, addr, 4);
}

/* Reads the transport header of protocol 'key->proto' in frame[ofs ... end)
 * into 'key' and 'layout'. */
static void
extract_l4(const uint8_t *frame, size_t ofs, size_t end, struct mbox_key *key,
           struct mbox_packet_layout *layout)
{
    const uint8_t *p = frame + ofs;
    size_t left = end - ofs;
    size_t header_len;

    switch (key->proto) {
    case IPPROTO_TCP:
        if (left < TCP_MIN_LEN) {
            return;
        }
        header_len = (p[12] >> 4) * 4;
        if (header_len < TCP_MIN_LEN || header_len > left) {
            header_len = 0;
        }
        break;

    case IPPROTO_UDP:
        if (left < UDP_LEN) {
            return;
        }
        header_len = UDP_LEN;
        break;

    case IPPROTO_SCTP:
        if (left < SCTP_LEN) {
            return;
        }
        header_len = SCTP_LEN;
        break;

    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if (left < ICMP_LEN
            || key->family != (key->proto == IPPROTO_ICMP ? 4 : 6)) {
            return;
        }
        layout->l4_ofs = ofs;
        layout->payload_ofs = ofs + ICMP_LEN;
        if (key->family == 4
            ? p[0] == ICMP4_ECHO_REQUEST || p[0] == ICMP4_ECHO_REPLY
            : p[0] == ICMP6_ECHO_REQUEST || p[0] == ICMP6_ECHO_REPLY) {
            key->src_port = key->dst_port = get_u16(p + 4);
        }
        return;

    default:
        layout->l4_ofs = left ? ofs : 0;
        return;
    }

    layout->l4_ofs = ofs;
    layout->payload_ofs = header_len ? ofs + header_len : 0;
    key->src_port = get_u16(p);
    key->dst_port = get_u16(p + 2);
}

static uint16_t
clamp_u16(size_t n)
{
    return n <= UINT16_MAX ? n : UINT16_MAX;
}

static void
extract_ipv4(const uint8_t *frame, size_t ofs, size_t len,
             struct mbox_key *key, struct mbox_packet_layout *layout)
{
    const uint8_t *ip = frame + ofs;
    size_t left = len - ofs;

    if (left < IPV4_MIN_LEN || ip[0] >> 4 != 4) {
        return;
    }

    /* A datagram that claims more bytes than there are is malformed for Open
     * vSwitch too, so that a flow and a key see the same packets alike. */
    size_t header_len = (ip[0] & 0xf) * 4;
    size_t total_len = get_u16(ip + 2);
    if (header_len < IPV4_MIN_LEN || header_len > total_len
        || total_len > left) {
        return;
    }

    key->family = 4;
    key->proto = ip[9];
    set_v4(key->src, ip + 12);
    set_v4(key->dst, ip + 16);
    layout->l3_ofs = ofs;
    layout->l3_end = clamp_u16(ofs + total_len);

    uint16_t frag = get_u16(ip + 6) & 0x3fff; /* More fragments, offset. */
    if (frag) {
        layout->later_frag = (frag & 0x1fff) != 0;
        layout->first_frag = !layout->later_frag;
        if (layout->later_frag) {
            return;
        }
    }
    extract_l4(frame, ofs + header_len, ofs + total_len, key, layout);
}

static void
extract_ipv6(const uint8_t *frame, size_t ofs, size_t len,
             struct mbox_key *key, struct mbox_packet_layout *layout)
{
    const uint8_t *ip = frame + ofs;
    size_t left = len - ofs;

    if (left < IPV6_LEN || ip[0] >> 4 != 6
        || (size_t) get_u16(ip + 4) > left - IPV6_LEN) {
        return;
    }

    key->family = 6;
    memcpy(key->src, ip + 8, 16);
    memcpy(key->dst, ip + 24, 16);

    size_t end = ofs + IPV6_LEN + get_u16(ip + 4);
    layout->l3_ofs = ofs;
    layout->l3_end = clamp_u16(end);

    uint8_t proto = ip[6];
    ofs += IPV6_LEN;
    for (int i = 0; ; i++) {
        size_t ext_len;

        key->proto = proto;
        switch (proto) {
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_DSTOPTS:
        case IPPROTO_AH:
        case IPPROTO_FRAGMENT:
            if (i >= MAX_EXT_HEADERS || end - ofs < 8) {
                return;
            }
            break;

        default:
            extract_l4(frame, ofs, end, key, layout);
            return;
        }

        const uint8_t *ext = frame + ofs;
        if (proto == IPPROTO_FRAGMENT) {
            uint16_t frag = get_u16(ext + 2);

            ext_len = 8;
            if (frag & 0xfff8) {
                key->proto = ext[0];
                layout->first_frag = false;
                layout->later_frag = true;
                return;
            } else if (frag & 1) {
                layout->first_frag = true;
            }
        } else if (proto == IPPROTO_AH) {
            ext_len = (ext[1] + 2) * 4;
        } else {
            ext_len = (ext[1] + 1) * 8;
        }
        if (ext_len > end - ofs) {
            return;
        }
        proto = ext[0];
        ofs += ext_len;
    }
}

void
mbox_key_extract(const void *frame_, size_t len, struct mbox_key *key,
                 struct mbox_packet_layout *layoutp)
{
    const uint8_t *frame = frame_;
    struct mbox_packet_layout layout = { 0 };

    memset(key, 0, sizeof *key);
    key->vlan = MBOX_VLAN_NONE;

    if (len >= ETH_LEN) {
        uint16_t type = get_u16(frame + 12);
        size_t ofs = ETH_LEN;

        for (int i = 0; (i < MAX_VLANS && len - ofs >= VLAN_LEN
                         && (type == ETHERTYPE_VLAN
                             || type == ETHERTYPE_QINQ)); i++) {
            if (!i) {
                key->vlan = get_u16(frame + ofs) & 0xfff;
            }
            type = get_u16(frame + ofs + 2);
            ofs += VLAN_LEN;
        }

        if (type == ETHERTYPE_IPV4) {
            extract_ipv4(frame, ofs, len, key, &layout);
        } else if (type == ETHERTYPE_IPV6) {
            extract_ipv6(frame, ofs, len, key, &layout);
        }
    }
    if (layoutp) {
        *layoutp = layout;
    }
}

void
mbox_key_reverse(const struct mbox_key *src, struct mbox_key *dst)
{
    struct mbox_key key = *src;

    memcpy(dst->src, key.dst, sizeof dst->src);
    memcpy(dst->dst, key.src, sizeof dst->dst);
    dst->src_port = key.dst_port;
    dst->dst_port = key.src_port;
    dst->vlan = key.vlan;
    dst->family = key.family;
    dst->proto = key.proto;
}

static inline uint64_t
get_be64(const uint8_t *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
    return be64toh(x);
}

/* True if 'key' is greater than its reverse: first count the addresses, as
 * memcmp() compares them, then the ports. */
static inline bool
is_greater(const struct mbox_key *key)
{
    uint64_t src = get_be64(key->src), dst = get_be64(key->dst);

    if (src == dst) {
        src = get_be64(key->src + 8);
        dst = get_be64(key->dst + 8);
    }
    return src > dst || (src == dst && key->src_port > key->dst_port);
}

bool
mbox_key_canonical(const struct mbox_key *src, struct mbox_key *dst)
{
    if (is_greater(src)) {
        mbox_key_reverse(src, dst);
        return true;
    }
    if (dst != src) {
        *dst = *src;
    }
    return false;
}

bool
mbox_key_equal(const struct mbox_key *a, const struct mbox_key *b)
{
    return !memcmp(a, b, sizeof *a);
}

/* Random, so that nobody who chooses addresses and ports can choose hashes. */
#define KEY_WORDS (sizeof(struct mbox_key) / sizeof(uint32_t))
static uint32_t salt[KEY_WORDS];

__attribute__((constructor)) static void
init_salt(void)
{
    if (getrandom(salt, sizeof salt, GRND_NONBLOCK) != sizeof salt) {
        /* Early at boot: what differs from process to process. */
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        for (size_t i = 0; i < KEY_WORDS; i++) {
            salt[i] = (ts.tv_nsec ^ (uint32_t) getpid() << 16)
                      * (2654435769u + 2 * i);
        }
    }
}

/* The product of two neighboring words of 'key', salted. */
static inline uint64_t
multiply_pair(const struct mbox_key *key, size_t i)
{
    uint64_t pair;

    memcpy(&pair, (const uint8_t *) key + i * sizeof pair, sizeof pair);
    return ((uint64_t) ((uint32_t) pair + salt[2 * i])
            * ((uint32_t) (pair >> 32) + salt[2 * i + 1]));
}

/* The sum is NH of UMAC (RFC 4418): whatever two keys are, it is the same with
 * a probability of 2**-32 of the salt.  (A sum of words that are mixed one by
 * one would not do, however they are salted: words that differ in their
 * highest bits only have few different summands.)  The end is that of
 * MurmurHash3. */
uint32_t
mbox_key_hash(const struct mbox_key *key, uint32_t basis)
{
    uint64_t h = basis * UINT64_C(0x9e3779b97f4a7c15);

    h += multiply_pair(key, 0) + multiply_pair(key, 1) + multiply_pair(key, 2);
    h += multiply_pair(key, 3) + multiply_pair(key, 4);
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h >> 32 ^ h;
}

/* Writes one end of a flow, as "10.0.0.1" or "[::1]", with ":PORT" if
 * 'with_port'. */
static void
format_endpoint(const struct mbox_key *key, const uint8_t addr[16],
                uint16_t port, bool with_port, char *buf, size_t size)
{
    char ip[INET6_ADDRSTRLEN];

    if (key->family == 4) {
        inet_ntop(AF_INET, addr + sizeof v4_prefix, ip, sizeof ip);
    } else {
        inet_ntop(AF_INET6, addr, ip, sizeof ip);
    }

    const char *l = key->family == 4 ? "" : "[";
    const char *r = key->family == 4 ? "" : "]";
    if (with_port) {
        snprintf(buf, size, "%s%s%s:%u", l, ip, r, port);
    } else {
        snprintf(buf, size, "%s%s%s", l, ip, r);
    }
}

char *
mbox_key_format(const struct mbox_key *key, char *buf, size_t size)
{
    char proto[16], src[64], dst[64], vlan[16] = "";

    if (!size) {
        return buf;
    }
    if (key->vlan != MBOX_VLAN_NONE) {
        snprintf(vlan, sizeof vlan, ",vlan=%u", key->vlan);
    }
    if (!key->family) {
        snprintf(buf, size, "non-ip%s", vlan);
        return buf;
    }

    switch (key->proto) {
    case IPPROTO_TCP:
        snprintf(proto, sizeof proto, "tcp");
        break;
    case IPPROTO_UDP:
        snprintf(proto, sizeof proto, "udp");
        break;
    case IPPROTO_SCTP:
        snprintf(proto, sizeof proto, "sctp");
        break;
    case IPPROTO_ICMP:
        snprintf(proto, sizeof proto, "icmp");
        break;
    case IPPROTO_ICMPV6:
        snprintf(proto, sizeof proto, "icmp6");
        break;
    default:
        snprintf(proto, sizeof proto, "proto=%u", key->proto);
        break;
    }

    bool with_ports = (key->src_port || key->dst_port
                       || key->proto == IPPROTO_TCP
                       || key->proto == IPPROTO_UDP
                       || key->proto == IPPROTO_SCTP);
    format_endpoint(key, key->src, key->src_port, with_ports, src, sizeof src);
    format_endpoint(key, key->dst, key->dst_port, with_ports, dst, sizeof dst);
    snprintf(buf, size, "%s,%s>%s%s", proto, src, dst, vlan);
    return buf;
}

/* Reads a number of at most 'max' at '*sp', which it advances. */
static bool
parse_number(const char **sp, unsigned long max, unsigned long *n)
{
    char *end;

    if (**sp < '0' || **sp > '9') {
        return false;
    }
    *n = strtoul(*sp, &end, 10);
    *sp = end;
    return *n <= max;
}

/* Advances '*sp' if 'prefix' is there. */
static bool
skip(const char **sp, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(*sp, prefix, len)) {
        return false;
    }
    *sp += len;
    return true;
}

static bool
parse_proto(const char **sp, uint8_t *proto)
{
    static const struct {
        const char *name;
        uint8_t proto;
    } protos[] = {
        { "tcp,", IPPROTO_TCP }, { "udp,", IPPROTO_UDP },
        { "sctp,", IPPROTO_SCTP }, { "icmp,", IPPROTO_ICMP },
        { "icmp6,", IPPROTO_ICMPV6 },
    };
    unsigned long n;

    for (size_t i = 0; i < sizeof protos / sizeof protos[0]; i++) {
        if (skip(sp, protos[i].name)) {
            *proto = protos[i].proto;
            return true;
        }
    }
    if (!skip(sp, "proto=") || !parse_number(sp, UINT8_MAX, &n)
        || !skip(sp, ",")) {
        return false;
    }
    *proto = n;
    return true;
}

static bool
parse_endpoint(const char **sp, uint8_t *family, uint8_t addr[16],
               uint16_t *port)
{
    bool v6 = skip(sp, "[");
    size_t len = strcspn(*sp, v6 ? "]" : ":>,");
    char ip[INET6_ADDRSTRLEN];
    unsigned long n = 0;

    if (len >= sizeof ip) {
        return false;
    }
    memcpy(ip, *sp, len);
    ip[len] = '\0';
    *sp += len;
    *family = v6 ? 6 : 4;
    if (!v6) {
        memcpy(addr, v4_prefix, sizeof v4_prefix);
    }
    if (inet_pton(v6 ? AF_INET6 : AF_INET, ip,
                  v6 ? addr : addr + sizeof v4_prefix) != 1
        || (v6 && !skip(sp, "]"))
        || (skip(sp, ":") && !parse_number(sp, UINT16_MAX, &n))) {
        return false;
    }
    *port = n;
    return true;
}

bool
mbox_key_parse(const char *s, size_t len, struct mbox_key *key)
{
    char buf[MBOX_KEY_STRLEN];
    unsigned long vlan = MBOX_VLAN_NONE;
    uint8_t dst_family;

    memset(key, 0, sizeof *key);
    if (len >= sizeof buf) {
        return false;
    }
    memcpy(buf, s, len);
    buf[len] = '\0';
    s = buf;
    if (!parse_proto(&s, &key->proto)
        || !parse_endpoint(&s, &key->family, key->src, &key->src_port)
        || !skip(&s, ">")
        || !parse_endpoint(&s, &dst_family, key->dst, &key->dst_port)
        || dst_family != key->family
        || (skip(&s, ",vlan=") && !parse_number(&s, UINT16_MAX, &vlan))) {
        return false;
    }
    key->vlan = vlan;
    return s == buf + len;
}
