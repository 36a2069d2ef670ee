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

/* Flow keys. */

#include "mbox-key.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "random-msg.h"

static const char *program;     /* This one. */

/* Building packets. */

struct packet {
    uint8_t data[2048];
    size_t len;
};

static void
add(struct packet *p, const void *data, size_t n)
{
    assert_true(p->len + n <= sizeof p->data);
    memcpy(p->data + p->len, data, n);
    p->len += n;
}

static void
add_u16(struct packet *p, unsigned int value)
{
    add(p, (uint8_t[]) { value >> 8, value & 0xff }, 2);
}

static void
add_eth(struct packet *p, uint16_t type)
{
    p->len = 0;
    add(p, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
    add_u16(p, type);
}

/* Replaces the EtherType that was added last by a VLAN header before it. */
static void
add_vlan(struct packet *p, uint16_t tpid, uint16_t tci, uint16_t type)
{
    p->len -= 2;
    add_u16(p, tpid);
    add_u16(p, tci);
    add_u16(p, type);
}

static void
add_ipv4(struct packet *p, uint8_t proto, uint16_t frag, size_t options,
         size_t payload_len)
{
    static const uint8_t zeros[40];
    uint8_t addrs[8] = { 10, 0, 0, 1, 10, 0, 0, 2 };

    add(p, (uint8_t[]) { 0x45 + options / 4, 0 }, 2);
    add_u16(p, 20 + options + payload_len);
    add_u16(p, 0);
    add_u16(p, frag);
    add(p, (uint8_t[]) { 64, proto, 0, 0 }, 4);
    add(p, addrs, 8);
    add(p, zeros, options);
}

static void
add_ipv6(struct packet *p, uint8_t next, size_t payload_len)
{
    uint8_t addr[16];

    add(p, "\x60\0\0\0", 4);
    add_u16(p, payload_len);
    add(p, (uint8_t[]) { next, 64 }, 2);
    inet_pton(AF_INET6, "2001:db8::1", addr);
    add(p, addr, 16);
    inet_pton(AF_INET6, "2001:db8::2", addr);
    add(p, addr, 16);
}

static void
add_tcp(struct packet *p, size_t options)
{
    uint8_t rest[56] = { 0 };

    add_u16(p, 1234);
    add_u16(p, 80);
    rest[8] = (5 + options / 4) << 4;
    add(p, rest, 16 + options);
}

static void
extract(const struct packet *p, struct mbox_key *key,
        struct mbox_packet_layout *layout)
{
    uint8_t *copy = test_memdup(p->data, p->len);

    memset(key, 0xaa, sizeof *key);
    memset(layout, 0xaa, sizeof *layout);
    mbox_key_extract(copy, p->len, key, layout);
    free(copy);
}

/* What mbox_key_format() says of the packet, and where its headers are. */
static void
check(const struct packet *p, const char *expected, int l3, int l4,
      int payload, int end)
{
    struct mbox_packet_layout layout;
    struct mbox_key key;
    char s[MBOX_KEY_STRLEN];

    extract(p, &key, &layout);
    assert_string_equal(mbox_key_format(&key, s, sizeof s), expected);
    assert_int_equal(layout.l3_ofs, l3);
    assert_int_equal(layout.l4_ofs, l4);
    assert_int_equal(layout.payload_ofs, payload);
    assert_int_equal(layout.l3_end, end);

    struct mbox_key key2;
    mbox_key_extract(p->data, p->len, &key2, NULL);
    assert_true(mbox_key_equal(&key, &key2));
}

static void
test_ipv4(void **state)
{
    (void) state;
    struct packet p;

    /* With padding behind the datagram. */
    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_TCP, 0, 0, 20);
    add_tcp(&p, 0);
    add(&p, "\0\0\0\0\0\0", 6);
    check(&p, "tcp,10.0.0.1:1234>10.0.0.2:80", 14, 34, 54, 54);

    /* Options of IP and TCP, payload. */
    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_TCP, 0x4000, 40, 60 + 3);
    add_tcp(&p, 40);
    add(&p, "abc", 3);
    check(&p, "tcp,10.0.0.1:1234>10.0.0.2:80", 14, 74, 134, 137);

    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_UDP, 0, 0, 10);
    add(&p, "\0\065\xff\xff\0\012\0\0ab", 10);
    check(&p, "udp,10.0.0.1:53>10.0.0.2:65535", 14, 34, 42, 44);

    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_SCTP, 0, 0, 12);
    add(&p, "\0\1\0\2\0\0\0\0\0\0\0\0", 12);
    check(&p, "sctp,10.0.0.1:1>10.0.0.2:2", 14, 34, 46, 46);

    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_GRE, 0, 0, 4);
    add(&p, "\0\0\x08\0", 4);
    check(&p, "proto=47,10.0.0.1>10.0.0.2", 14, 34, 0, 38);

    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_GRE, 0, 0, 0);
    check(&p, "proto=47,10.0.0.1>10.0.0.2", 14, 0, 0, 34);
}

static void
test_icmp(void **state)
{
    (void) state;
    static const struct {
        int family;
        uint8_t proto;
        uint8_t type;
        const char *expected;
    } tests[] = {
        { 4, 1, 8, "icmp,10.0.0.1:258>10.0.0.2:258" },
        { 4, 1, 0, "icmp,10.0.0.1:258>10.0.0.2:258" },
        { 4, 1, 3, "icmp,10.0.0.1>10.0.0.2" },
        { 4, 1, 128, "icmp,10.0.0.1>10.0.0.2" },
        { 4, 58, 128, "icmp6,10.0.0.1>10.0.0.2" },
        { 6, 58, 128, "icmp6,[2001:db8::1]:258>[2001:db8::2]:258" },
        { 6, 58, 129, "icmp6,[2001:db8::1]:258>[2001:db8::2]:258" },
        { 6, 58, 135, "icmp6,[2001:db8::1]>[2001:db8::2]" },
        { 6, 58, 8, "icmp6,[2001:db8::1]>[2001:db8::2]" },
        { 6, 1, 8, "icmp,[2001:db8::1]>[2001:db8::2]" },
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        bool own = tests[i].family == (tests[i].proto == 1 ? 4 : 6);
        int l4 = tests[i].family == 4 ? 34 : 54;
        struct packet p;

        if (tests[i].family == 4) {
            add_eth(&p, 0x0800);
            add_ipv4(&p, tests[i].proto, 0, 0, 8);
        } else {
            add_eth(&p, 0x86dd);
            add_ipv6(&p, tests[i].proto, 8);
        }
        add(&p, (uint8_t[]) { tests[i].type, 0, 0, 0, 1, 2, 3, 4 }, 8);
        check(&p, tests[i].expected, 14, own ? l4 : 0, own ? l4 + 8 : 0,
              l4 + 8);
    }
}

static void
test_ipv6(void **state)
{
    (void) state;
    static const char *key = "tcp,[2001:db8::1]:1234>[2001:db8::2]:80";
    struct packet p;

    add_eth(&p, 0x86dd);
    add_ipv6(&p, IPPROTO_TCP, 20);
    add_tcp(&p, 0);
    check(&p, key, 14, 54, 74, 74);

    /* Hop-by-hop, routing, destination options, AH, in units of their own. */
    add_eth(&p, 0x86dd);
    add_ipv6(&p, IPPROTO_HOPOPTS, 8 + 16 + 8 + 24 + 20);
    add(&p, (uint8_t[8]) { IPPROTO_ROUTING, 0 }, 8);
    add(&p, (uint8_t[16]) { IPPROTO_DSTOPTS, 1 }, 16);
    add(&p, (uint8_t[8]) { IPPROTO_AH, 0 }, 8);
    add(&p, (uint8_t[24]) { IPPROTO_TCP, 4 }, 24);
    add_tcp(&p, 0);
    check(&p, key, 14, 54 + 56, 54 + 76, 54 + 76);

    /* At most 8 of them. */
    for (int n = 7; n <= 9; n++) {
        add_eth(&p, 0x86dd);
        add_ipv6(&p, IPPROTO_DSTOPTS, n * 8 + 20);
        for (int i = 0; i < n; i++) {
            add(&p, (uint8_t[8]) { i < n - 1 ? IPPROTO_DSTOPTS : IPPROTO_TCP },
                8);
        }
        add_tcp(&p, 0);
        if (n <= 8) {
            check(&p, key, 14, 54 + n * 8, 74 + n * 8, 74 + n * 8);
        } else {
            check(&p, "proto=60,[2001:db8::1]>[2001:db8::2]",
                  14, 0, 0, 74 + n * 8);
        }
    }

    add_eth(&p, 0x86dd);
    add_ipv6(&p, IPPROTO_NONE, 0);
    check(&p, "proto=59,[2001:db8::1]>[2001:db8::2]", 14, 0, 0, 54);
}

static void
check_frag(const struct packet *p, const char *expected, bool first,
           bool later)
{
    struct mbox_packet_layout layout;
    struct mbox_key key;
    char s[MBOX_KEY_STRLEN];

    extract(p, &key, &layout);
    assert_string_equal(mbox_key_format(&key, s, sizeof s), expected);
    assert_int_equal(layout.first_frag, first);
    assert_int_equal(layout.later_frag, later);
    assert_int_equal(layout.l4_ofs != 0, !later);
}

static void
test_fragments(void **state)
{
    (void) state;
    static const struct {
        uint16_t v4;            /* Flags and offset of IPv4. */
        uint16_t v6;            /* Offset and flags of IPv6. */
        bool first, later;
    } tests[] = {
        { 0x0000, 0x0000, false, false },
        { 0x4000, 0x0006, false, false },
        { 0x2000, 0x0001, true, false },
        { 0x2001, 0x0009, false, true },
        { 0x0100, 0x0800, false, true },
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        struct packet p;

        add_eth(&p, 0x0800);
        add_ipv4(&p, IPPROTO_TCP, tests[i].v4, 0, 20);
        add_tcp(&p, 0);
        check_frag(&p, (tests[i].later ? "tcp,10.0.0.1:0>10.0.0.2:0"
                        : "tcp,10.0.0.1:1234>10.0.0.2:80"),
                   tests[i].first, tests[i].later);

        add_eth(&p, 0x86dd);
        add_ipv6(&p, IPPROTO_FRAGMENT, 28);
        add(&p, (uint8_t[]) { IPPROTO_TCP, 0, tests[i].v6 >> 8,
                              tests[i].v6 & 0xff, 0, 0, 0, 1 }, 8);
        add_tcp(&p, 0);
        check_frag(&p, (tests[i].later ? "tcp,[2001:db8::1]:0>[2001:db8::2]:0"
                        : "tcp,[2001:db8::1]:1234>[2001:db8::2]:80"),
                   tests[i].first, tests[i].later);
    }
}

static void
test_vlan(void **state)
{
    (void) state;
    struct packet p;

    add_eth(&p, 0x0800);
    add_vlan(&p, 0x8100, 0xe005, 0x0800);
    add_ipv4(&p, IPPROTO_TCP, 0, 0, 20);
    add_tcp(&p, 0);
    check(&p, "tcp,10.0.0.1:1234>10.0.0.2:80,vlan=5", 18, 38, 58, 58);

    add_eth(&p, 0x0800);
    add_vlan(&p, 0x88a8, 0x0fff, 0x0800);
    add_vlan(&p, 0x8100, 0x0002, 0x0800);
    add_ipv4(&p, IPPROTO_TCP, 0, 0, 20);
    add_tcp(&p, 0);
    check(&p, "tcp,10.0.0.1:1234>10.0.0.2:80,vlan=4095", 22, 42, 62, 62);

    /* Three are not looked through. */
    add_eth(&p, 0x0800);
    add_vlan(&p, 0x8100, 1, 0x0800);
    add_vlan(&p, 0x8100, 2, 0x0800);
    add_vlan(&p, 0x8100, 3, 0x0800);
    add_ipv4(&p, IPPROTO_TCP, 0, 0, 20);
    add_tcp(&p, 0);
    check(&p, "non-ip,vlan=1", 0, 0, 0, 0);

    add_eth(&p, 0x0806);
    add_vlan(&p, 0x8100, 0, 0x0806);
    check(&p, "non-ip,vlan=0", 0, 0, 0, 0);

    /* The header is cut off. */
    add_eth(&p, 0x8100);
    add(&p, "\0\1\0", 3);
    check(&p, "non-ip", 0, 0, 0, 0);
}

static void
test_malformed(void **state)
{
    (void) state;
    static const char *no_ports = "tcp,10.0.0.1:0>10.0.0.2:0";
    struct packet p;

    p.len = 0;
    check(&p, "non-ip", 0, 0, 0, 0);
    add_eth(&p, 0x0800);
    check(&p, "non-ip", 0, 0, 0, 0);

    /* IPv4: version, header length, total length. */
    for (int i = 0; i < 5; i++) {
        static const struct { size_t ofs; uint8_t value; } changes[] = {
            { 14, 0x65 }, { 14, 0x44 }, { 14, 0x4b }, { 17, 41 }, { 17, 19 },
        };

        add_eth(&p, 0x0800);
        add_ipv4(&p, IPPROTO_TCP, 0, 0, 20);
        add_tcp(&p, 0);
        p.data[changes[i].ofs] = changes[i].value;
        check(&p, "non-ip", 0, 0, 0, 0);
    }

    /* A datagram too short for its transport header, in spite of padding. */
    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_TCP, 0, 0, 19);
    add_tcp(&p, 0);
    check(&p, no_ports, 14, 0, 0, 53);

    /* TCP's own length is bad: no payload. */
    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_TCP, 0, 0, 20);
    add_tcp(&p, 0);
    p.data[46] = 0x40;
    check(&p, "tcp,10.0.0.1:1234>10.0.0.2:80", 14, 34, 0, 54);
    p.data[46] = 0x60;
    check(&p, "tcp,10.0.0.1:1234>10.0.0.2:80", 14, 34, 0, 54);

    /* IPv6: version, length. */
    add_eth(&p, 0x86dd);
    add_ipv6(&p, IPPROTO_TCP, 20);
    add_tcp(&p, 0);
    p.data[14] = 0x40;
    check(&p, "non-ip", 0, 0, 0, 0);
    p.data[14] = 0x60;
    p.data[19] = 21;
    check(&p, "non-ip", 0, 0, 0, 0);

    /* Extension headers that end behind the datagram. */
    add_eth(&p, 0x86dd);
    add_ipv6(&p, IPPROTO_DSTOPTS, 8);
    add(&p, (uint8_t[8]) { IPPROTO_TCP, 1 }, 8);
    add_tcp(&p, 0);
    check(&p, "proto=60,[2001:db8::1]>[2001:db8::2]", 14, 0, 0, 62);
}

static void
test_large(void **state)
{
    (void) state;
    size_t len = 14 + 65535;
    uint8_t *frame = calloc(1, len);
    struct mbox_packet_layout layout;
    struct mbox_key key;
    struct packet p;

    add_eth(&p, 0x0800);
    add_ipv4(&p, IPPROTO_TCP, 0, 0, 65515);
    add_tcp(&p, 0);
    memcpy(frame, p.data, p.len);
    mbox_key_extract(frame, len, &key, &layout);
    assert_int_equal(key.src_port, 1234);
    assert_int_equal(layout.l3_end, 65535);     /* As far as it can say. */
    assert_int_equal(layout.payload_ofs, 54);
    free(frame);
}

/* What must hold for every frame. */
static void
check_invariants(const uint8_t *frame, size_t len)
{
    uint8_t *copy = test_memdup(frame, len);
    struct mbox_packet_layout l;
    struct mbox_key key, wire;
    struct mbox_writer w;
    struct mbox_reader r;

    memset(&key, 0xaa, sizeof key);
    mbox_key_extract(copy, len, &key, &l);
    assert_true(key.family == 0 || key.family == 4 || key.family == 6);
    assert_int_equal(l.l3_ofs != 0, key.family != 0);
    assert_true(l.l3_end <= len);
    assert_false(l.first_frag && l.later_frag);
    if (l.l4_ofs) {
        assert_true(l.l3_ofs < l.l4_ofs && l.l4_ofs < l.l3_end);
        assert_false(l.later_frag);
    } else {
        assert_int_equal(key.src_port, 0);
        assert_int_equal(key.dst_port, 0);
    }
    if (l.payload_ofs) {
        assert_true(l.l4_ofs && l.l4_ofs < l.payload_ofs);
        assert_true(l.payload_ofs <= l.l3_end);
    }
    if (!key.family) {
        struct mbox_key empty;

        memset(&empty, 0, sizeof empty);
        empty.vlan = key.vlan;
        assert_true(mbox_key_equal(&key, &empty));
    }

    /* A key is always good on the wire. */
    mbox_writer_init(&w, 100);
    mbox_key_encode(&key, &w);
    mbox_reader_init(&r, w.data, w.len);
    assert_int_equal(mbox_key_decode(&wire, &r), 0);
    assert_true(mbox_key_equal(&wire, &key));
    mbox_writer_uninit(&w);
    free(copy);
}

static void
test_damaged(void **state)
{
    (void) state;

    for (int i = test_rounds(3000); i > 0; i--) {
        struct packet p;
        bool v4 = test_random() & 1;
        uint8_t proto = (uint8_t[]) { 6, 17, 132, 1, 58, 47 }[i % 6];

        add_eth(&p, v4 ? 0x0800 : 0x86dd);
        if (test_random() & 1) {
            add_vlan(&p, 0x8100, test_random() & 0xffff,
                     v4 ? 0x0800 : 0x86dd);
        }
        if (v4) {
            add_ipv4(&p, proto, test_random() & 1 ? 0 : 0x2000,
                     test_random_range(11) * 4, 40);
        } else {
            add_ipv6(&p, IPPROTO_HOPOPTS, 56);
            add(&p, (uint8_t[8]) { IPPROTO_FRAGMENT }, 8);
            add(&p, (uint8_t[8]) { proto }, 8);
        }
        add_tcp(&p, 20);
        for (size_t n = 0; n <= p.len; n++) {
            check_invariants(p.data, n);
        }
        for (int j = 0; j < 30; j++) {
            struct packet q = p;

            for (int k = test_random_range(4); k >= 0; k--) {
                q.data[test_random_range(q.len)] = test_random() & 0xff;
            }
            check_invariants(q.data, q.len);
        }
    }
}

static void
test_reverse_and_canonical(void **state)
{
    (void) state;

    for (int i = test_rounds(100000); i > 0; i--) {
        struct mbox_key key, reverse, a, b;

        random_key(&key);
        if (i % 4 == 0) {
            memcpy(key.dst, key.src, 16);
        }
        if (i % 8 == 0) {
            key.dst_port = key.src_port;
        }
        mbox_key_reverse(&key, &reverse);
        assert_memory_equal(key.src, reverse.dst, 16);
        assert_int_equal(key.src_port, reverse.dst_port);
        bool swapped_a = mbox_key_canonical(&key, &a);
        bool swapped_b = mbox_key_canonical(&reverse, &b);
        assert_true(mbox_key_equal(&a, &b));
        assert_true(mbox_key_equal(&a, swapped_a ? &reverse : &key));
        assert_int_equal(swapped_a != swapped_b,
                         !mbox_key_equal(&key, &reverse));
        assert_false(mbox_key_canonical(&a, &a));
        assert_int_equal(mbox_key_hash(&a, 7), mbox_key_hash(&b, 7));

        /* In place. */
        mbox_key_reverse(&reverse, &reverse);
        assert_true(mbox_key_equal(&reverse, &key));
        mbox_key_canonical(&reverse, &reverse);
        assert_true(mbox_key_equal(&reverse, &a));
    }
}

/* Keys that differ as flows of one network do must spread over the buckets of
 * a table. */
static void
test_hash(void **state)
{
    (void) state;
    enum { N = 65536, BUCKETS = 4096 };
    static unsigned int low[BUCKETS], high[BUCKETS];
    uint64_t flips = 0;

    for (int i = 0; i < N; i++) {
        struct mbox_key key;

        memset(&key, 0, sizeof key);
        memset(key.src + 10, 0xff, 2);
        memset(key.dst + 10, 0xff, 2);
        key.src[12] = key.dst[12] = 10;
        key.src[15] = i & 0xff;
        key.src_port = 32768 + (i >> 8);
        key.dst_port = 80;
        key.vlan = MBOX_VLAN_NONE;
        key.family = 4;
        key.proto = IPPROTO_TCP;

        uint32_t hash = mbox_key_hash(&key, 0);
        assert_int_equal(hash, mbox_key_hash(&key, 0));
        assert_true(hash != mbox_key_hash(&key, 1));
        low[hash % BUCKETS]++;
        high[hash / (UINT32_MAX / BUCKETS + 1)]++;

        ((uint8_t *) &key)[i % 40] ^= 1 << i / 40 % 8;
        flips += __builtin_popcount(hash ^ mbox_key_hash(&key, 0));
    }
    for (int i = 0; i < BUCKETS; i++) {
        /* 16 on average; more than 60 is less likely than 1e-15. */
        assert_true(low[i] <= 60);
        assert_true(high[i] <= 60);
    }
    /* A bit of the key changes half of the hash. */
    assert_in_range(flips / (N / 100), 1580, 1620);
}

/* What is written is read; what is damaged is refused, or something else. */
static void
test_parse(void **state)
{
    static const uint8_t protos[] = {
        IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ICMPV6,
        0, 47, 255,
    };

    (void) state;
    for (int i = test_rounds(20000); i > 0; i--) {
        struct mbox_key key, parsed;
        char s[MBOX_KEY_STRLEN];

        memset(&key, 0, sizeof key);
        key.family = test_random_range(2) ? 4 : 6;
        for (int j = key.family == 4 ? 12 : 0; j < 16; j++) {
            key.src[j] = test_random_range(256);
            key.dst[j] = test_random_range(4) ? 0 : test_random_range(256);
        }
        if (key.family == 4) {
            memset(key.src + 10, 0xff, 2);
            memset(key.dst + 10, 0xff, 2);
        }
        key.proto = protos[test_random_range(sizeof protos)];
        key.src_port = test_random_range(3) ? test_random_range(65536) : 0;
        key.dst_port = test_random_range(3) ? test_random_range(65536) : 0;
        key.vlan = (test_random_range(2)
                    ? MBOX_VLAN_NONE : test_random_range(4096));
        mbox_key_format(&key, s, sizeof s);
        assert_true(mbox_key_parse(s, strlen(s), &parsed));
        assert_memory_equal(&key, &parsed, sizeof key);

        size_t len = strlen(s);
        s[test_random_range(len)] = test_random_range(256);
        mbox_key_parse(s, test_random_range(len + 1), &parsed);
    }
    static const char *const bad[] = {
        "", "tcp", "tcp,", "tcp,1.2.3.4:5", "tcp,1.2.3.4:5>", "non-ip",
        "tcp,1.2.3.4:5>[::1]:6", "tcp,1.2.3.4:65536>1.2.3.4:5",
        "proto=256,1.2.3.4>1.2.3.5", "tcp,1.2.3.4:5>1.2.3.4:6,vlan=",
        "tcp,1.2.3.4:5>1.2.3.4:6x", "tcp,[::1:5>[::1]:6", "tcp,1.2.3.4: 5>1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mbox_key key;

        assert_false(mbox_key_parse(bad[i], strlen(bad[i]), &key));
    }
}

static int
compare_hashes(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

/* Addresses that differ in the last bytes of words only, which a host on a
 * large IPv6 network may choose. */
static void
test_hash_of_chosen_keys(void **state)
{
    (void) state;
    enum { N = 4096 };
    static uint32_t hashes[N];
    unsigned int n_different = 1;

    for (unsigned int i = 0; i < N; i++) {
        struct mbox_key key = { .family = 6, .proto = IPPROTO_TCP };

        key.src[7] = i;
        key.src[15] = i >> 3;
        key.dst[7] = i >> 6;
        key.dst[15] = i >> 4;
        hashes[i] = mbox_key_hash(&key, 0);
    }
    qsort(hashes, N, sizeof *hashes, compare_hashes);
    for (unsigned int i = 1; i < N; i++) {
        n_different += hashes[i] != hashes[i - 1];
    }
    assert_in_range(n_different, N - 3, N);
}

/* Another process has other hashes. */
static void
test_hash_is_salted(void **state)
{
    (void) state;
    char outputs[2][64];
    char command[4096];

    snprintf(command, sizeof command, "'%s' hash", program);
    for (int i = 0; i < 2; i++) {
        FILE *f = popen(command, "r");

        assert_non_null(f);
        assert_non_null(fgets(outputs[i], sizeof outputs[i], f));
        assert_int_equal(pclose(f), 0);
    }
    assert_string_not_equal(outputs[0], outputs[1]);
}

static int
print_hashes(void)
{
    const struct mbox_key key = { .family = 6 };

    printf("%x %x\n", mbox_key_hash(&key, 0), mbox_key_hash(&key, 1));
    return 0;
}

static void
test_format_is_bounded(void **state)
{
    (void) state;

    for (int i = test_rounds(20000); i > 0; i--) {
        size_t size = test_random_range(MBOX_KEY_STRLEN + 1);
        char *buf = malloc(size ? size : 1);
        char all[MBOX_KEY_STRLEN];
        struct mbox_key key;

        random_key(&key);
        mbox_key_format(&key, all, sizeof all);
        assert_true(strlen(all) < sizeof all - 1);
        assert_ptr_equal(mbox_key_format(&key, buf, size), buf);
        if (size) {
            assert_memory_equal(buf, all, strlen(buf));
        }
        free(buf);
    }
}

int
main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_icmp),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_reverse_and_canonical),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_hash_of_chosen_keys),
        cmocka_unit_test(test_hash_is_salted),
        cmocka_unit_test(test_format_is_bounded),
        cmocka_unit_test(test_parse),
    };

    if (argc > 1 && !strcmp(argv[1], "hash")) {
        return print_hashes();
    }
    program = argv[0];
    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
