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

/* Flow spaces. */

#include "mbox-space.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "random-msg.h"

/* A small world
 * =============
 *
 * Every key that a packet can have, if only a few bits of each field may
 * differ: 2 in the host part of an address, 1 in the part that IPv4 fixes, 2
 * in a port, 3 VLANs, 5 protocols.  Spaces that fix nothing but these bits
 * relate in this world as they do in the real one. */

static struct mbox_key *world;
static size_t n_world;

#define PREFIX_BYTE 10
#define PREFIX_BIT 0x01

static void
add_to_world(const struct mbox_key *key)
{
    if (!(n_world & (n_world - 1))) {
        world = realloc(world, (n_world ? n_world * 2 : 1) * sizeof *world);
        assert_non_null(world);
    }
    world[n_world++] = *key;
}

static void
small_address(uint8_t addr[16], int prefix, int host)
{
    memset(addr, 0, 16);
    addr[PREFIX_BYTE] = prefix ? 0xff : 0xff & ~PREFIX_BIT;
    addr[11] = 0xff;
    addr[15] = host;
}

static bool
ports_are_possible(const struct mbox_key *key)
{
    switch (key->proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
        return true;
    case IPPROTO_ICMP:
        if (key->family == 4) {
            return key->src_port == key->dst_port;
        }
        break;
    case IPPROTO_ICMPV6:
        if (key->family == 6) {
            return key->src_port == key->dst_port;
        }
        break;
    }
    return !key->src_port && !key->dst_port;
}

static int
make_world(void **state)
{
    (void) state;
    static const uint16_t vlans[] = { 0, 1, MBOX_VLAN_NONE };
    static const uint8_t protos[] = {
        IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_GRE
    };

    for (int v = 0; v < 3; v++) {
        struct mbox_key key;

        memset(&key, 0, sizeof key);
        key.vlan = vlans[v];
        add_to_world(&key);
        for (int i = 0; i < 4 * 2 * 2 * 4 * 2 * 4 * 4 * 4; i++) {
            key.proto = protos[i & 3];
            key.family = i >> 2 & 1 ? 4 : 6;
            small_address(key.src, i >> 3 & 1, i >> 4 & 3);
            small_address(key.dst, i >> 6 & 1, i >> 7 & 3);
            key.src_port = i >> 9 & 3;
            key.dst_port = i >> 11 & 3;
            if (ports_are_possible(&key)
                && (key.family == 6 || (i >> 3 & 1 && i >> 6 & 1))) {
                add_to_world(&key);
            }
        }
    }
    return 0;
}

static int
free_world(void **state)
{
    (void) state;
    free(world);
    return 0;
}

/* A random space of the small world: with few bits, so that spaces often
 * overlap or cover each other. */
static void
small_space(struct mbox_space *space)
{
    static const uint16_t vlan_masks[] = { 0, 0, 0, 1, 0x1000, 0x1001 };
    const struct mbox_key *key = &world[test_random_range(n_world)];
    struct mbox_key *m = &space->mask;
    uint64_t bits = test_random() & test_random();

    memset(space, 0, sizeof *space);
    m->family = bits & 0x3 ? 0xff : 0;
    m->proto = bits & 0x30 ? 0xff : 0;
    m->src[PREFIX_BYTE] = bits >> 8 & 1 ? PREFIX_BIT : 0;
    m->dst[PREFIX_BYTE] = bits >> 9 & 1 ? PREFIX_BIT : 0;
    m->src[15] = bits >> 10 & 3;
    m->dst[15] = bits >> 12 & 3;
    m->src_port = bits >> 14 & 3;
    m->dst_port = bits >> 16 & 3;
    m->vlan = vlan_masks[test_random_range(6)];
    if (key->vlan == MBOX_VLAN_NONE && bits >> 22 & 1) {
        m->vlan = 0xffff;
    }

    for (size_t i = 0; i < sizeof *key; i++) {
        ((uint8_t *) &space->value)[i] = (((const uint8_t *) key)[i]
                                          & ((uint8_t *) m)[i]);
    }
    space->one_way = bits >> 20 & 1;
    if (bits >> 21 & 1) {
        /* Bits that contradict others. */
        space->value.src_port = test_random_range(4) & m->src_port;
        space->value.src[15] = test_random_range(4) & m->src[15];
    }
}

/* What mbox_space_contains() should say, bit by bit. */
static bool
reference_contains_oneway(const struct mbox_space *space,
                          const struct mbox_key *key)
{
    for (size_t i = 0; i < sizeof *key; i++) {
        if ((((const uint8_t *) key)[i] & ((const uint8_t *) &space->mask)[i])
            != ((const uint8_t *) &space->value)[i]) {
            return false;
        }
    }
    return true;
}

static bool
reference_contains(const struct mbox_space *space, const struct mbox_key *key)
{
    struct mbox_key reverse;

    mbox_key_reverse(key, &reverse);
    return (reference_contains_oneway(space, key)
            || (!space->one_way
                && reference_contains_oneway(space, &reverse)));
}

static void
test_against_brute_force(void **state)
{
    (void) state;
    unsigned int n_overlap = 0, n_cover = 0, n_equal = 0, n_two = 0;

    int n = test_rounds(1500);

    for (int i = 0; i < n; i++) {
        struct mbox_space a, b;
        bool overlap = false, a_covers = true, b_covers = true;
        struct mbox_space both[2];

        small_space(&a);
        if (i % 3) {
            small_space(&b);
        } else {
            /* Something like it. */
            b = a;
            if (i & 1) {
                mbox_key_reverse(&a.value, &b.value);
                mbox_key_reverse(&a.mask, &b.mask);
            }
            if (i & 2) {
                b.value.src_port = b.mask.src_port = 0;
            }
            b.one_way ^= !(i & 12);
        }
        size_t n_both = mbox_space_intersect(&a, &b, both);

        n_two += n_both == 2;
        for (size_t k = 0; k < n_world; k++) {
            bool in_a = mbox_space_contains(&a, &world[k]);
            bool in_b = mbox_space_contains(&b, &world[k]);
            bool in_both = false;

            for (size_t j = 0; j < n_both; j++) {
                in_both |= mbox_space_contains(&both[j], &world[k]);
            }
            if (in_a != reference_contains(&a, &world[k])
                || in_both != (in_a && in_b)) {
                fail();
            }
            overlap |= in_a && in_b;
            a_covers &= in_a || !in_b;
            b_covers &= in_b || !in_a;
        }
        if (mbox_space_overlaps(&a, &b) != overlap
            || mbox_space_overlaps(&b, &a) != overlap
            || mbox_space_covers(&a, &b) != a_covers
            || mbox_space_covers(&b, &a) != b_covers
            || mbox_space_equal(&a, &b) != (a_covers && b_covers)) {
            char as[MBOX_SPACE_STRLEN], bs[MBOX_SPACE_STRLEN];

            fail_msg("%d: %s | %s: %d %d %d", i,
                     mbox_space_format(&a, as, sizeof as),
                     mbox_space_format(&b, bs, sizeof bs),
                     overlap, a_covers, b_covers);
        }
        n_overlap += overlap;
        n_cover += a_covers != b_covers;
        n_equal += a_covers && b_covers;
    }

    /* The cases were not all of one kind. */
    assert_in_range(n_overlap, n / 15, n - n / 15);
    assert_in_range(n_cover, n / 15, n - n / 15);
    assert_in_range(n_equal, n / 15, n - n / 15);
    assert_in_range(n_two, n / 100, n);
}

/* On all bits: what follows from a key that was drawn from a space. */
static void
test_random_spaces(void **state)
{
    (void) state;

    for (int i = test_rounds(50000); i > 0; i--) {
        struct mbox_space a, one;
        struct mbox_key key;
        const uint8_t *v = (const uint8_t *) &a.value;
        const uint8_t *m = (const uint8_t *) &a.mask;

        random_space(&a);
        random_key(&key);
        for (size_t j = 0; j < sizeof key; j++) {
            ((uint8_t *) &key)[j] = (((uint8_t *) &key)[j] & ~m[j]) | v[j];
        }
        assert_true(mbox_space_contains(&a, &key));
        mbox_key_reverse(&key, &key);
        assert_int_equal(mbox_space_contains(&a, &key),
                         reference_contains(&a, &key));

        /* A key of a real packet. */
        key.family = 6;
        key.proto = IPPROTO_TCP;
        if (key.vlan != MBOX_VLAN_NONE) {
            key.vlan &= 0xfff;
        }
        mbox_space_init_key(&one, &key);
        bool in = mbox_space_contains(&a, &key);
        bool in_both = in && (!a.one_way || (mbox_key_reverse(&key, &key),
                                             mbox_space_contains(&a, &key)));
        assert_int_equal(mbox_space_covers(&a, &one), in_both);
        if (in) {
            assert_true(mbox_space_overlaps(&a, &one));
        }
    }
}

static void
test_any(void **state)
{
    (void) state;
    struct mbox_space any, space;
    char s[MBOX_SPACE_STRLEN];

    mbox_space_init_any(&any);
    assert_false(mbox_space_has_ports(&any));
    assert_string_equal(mbox_space_format(&any, s, sizeof s), "any");
    for (int i = 0; i < 1000; i++) {
        random_space(&space);
        assert_true(mbox_space_covers(&any, &space));
    }
    any.one_way = true;
    mbox_space_init_any(&space);
    assert_true(mbox_space_equal(&any, &space));
    assert_string_equal(mbox_space_format(&any, s, sizeof s), "any,one_way");
}

/* Spaces by hand. */

static void
set_v4(struct mbox_space *space, bool dst, const char *addr, int prefix)
{
    uint8_t *v = dst ? space->value.dst : space->value.src;
    uint8_t *m = dst ? space->mask.dst : space->mask.src;
    uint32_t mask = prefix ? htonl(UINT32_MAX << (32 - prefix)) : 0;

    space->value.family = 4;
    space->mask.family = 0xff;
    memset(v, 0, 10);
    memset(v + 10, 0xff, 2);
    memset(m, 0xff, 12);
    inet_pton(AF_INET, addr, v + 12);
    memcpy(m + 12, &mask, 4);
}

static void
set_proto(struct mbox_space *space, int family, int proto)
{
    space->value.family = family;
    space->mask.family = 0xff;
    space->value.proto = proto;
    space->mask.proto = 0xff;
}

static void
test_directions(void **state)
{
    (void) state;
    struct mbox_space from, to, net;

    mbox_space_init_any(&from);
    set_v4(&from, false, "10.0.0.1", 32);
    mbox_space_init_any(&to);
    set_v4(&to, true, "10.0.0.1", 32);
    mbox_space_init_any(&net);
    set_v4(&net, false, "10.0.0.0", 24);

    assert_true(mbox_space_equal(&from, &to));
    assert_true(mbox_space_overlaps(&from, &to));
    assert_true(mbox_space_covers(&net, &to));
    assert_false(mbox_space_covers(&to, &net));

    from.one_way = to.one_way = true;
    assert_false(mbox_space_equal(&from, &to));
    assert_true(mbox_space_overlaps(&from, &to));   /* From it to itself. */
    assert_true(mbox_space_covers(&net, &to));
    net.one_way = true;
    assert_false(mbox_space_covers(&net, &to));
    assert_true(mbox_space_covers(&net, &from));
}

static void
test_has_ports(void **state)
{
    (void) state;
    struct mbox_space space;

    mbox_space_init_any(&space);
    set_proto(&space, 4, IPPROTO_TCP);
    assert_false(mbox_space_has_ports(&space));
    space.mask.dst_port = 0x8000;
    assert_true(mbox_space_has_ports(&space));
    space.value.proto = IPPROTO_GRE;
    assert_false(mbox_space_has_ports(&space));
}

static void
test_format(void **state)
{
    (void) state;
    struct mbox_space space;
    char s[MBOX_SPACE_STRLEN];

#define CHECK(EXPECTED)                                                 \
    assert_string_equal(mbox_space_format(&space, s, sizeof s), EXPECTED)

    mbox_space_init_any(&space);
    set_v4(&space, false, "10.0.0.0", 24);
    CHECK("ip,nw_src=10.0.0.0/24");
    set_proto(&space, 4, IPPROTO_TCP);
    CHECK("tcp,nw_src=10.0.0.0/24");
    space.value.dst_port = 80;
    space.mask.dst_port = 0xffff;
    CHECK("tcp,nw_src=10.0.0.0/24,tp_dst=80");
    space.value.src_port = 0x400;
    space.mask.src_port = 0xfc00;
    set_v4(&space, true, "10.1.2.3", 32);
    CHECK("tcp,nw_src=10.0.0.0/24,nw_dst=10.1.2.3,"
          "tp_src=0x400/0xfc00,tp_dst=80");
    space.value.vlan = 5;
    space.mask.vlan = 0xffff;
    space.one_way = true;
    CHECK("tcp,nw_src=10.0.0.0/24,nw_dst=10.1.2.3,"
          "tp_src=0x400/0xfc00,tp_dst=80,dl_vlan=5,one_way");

    mbox_space_init_any(&space);
    space.value.vlan = space.mask.vlan = MBOX_VLAN_NONE;
    CHECK("dl_vlan=0xffff");
    space.value.vlan = 0;
    space.mask.vlan = 0xf000;
    CHECK("vlan_tci=0x1000/0x1000");
    space.value.vlan = 0x12;
    space.mask.vlan = 0xf0ff;
    CHECK("vlan_tci=0x1012/0x10ff");

    mbox_space_init_any(&space);
    set_proto(&space, 6, IPPROTO_UDP);
    inet_pton(AF_INET6, "2001:db8::", space.value.src);
    memset(space.mask.src, 0xff, 4);
    CHECK("udp6,ipv6_src=2001:db8::/32");
    space.mask.src[15] = 1;
    space.value.src[15] = 1;
    CHECK("udp6,ipv6_src=2001:db8::1/ffff:ffff::1");
    set_proto(&space, 6, IPPROTO_SCTP);
    memset(&space.mask.src, 0, 16);
    memset(&space.value.src, 0, 16);
    CHECK("sctp6");
    set_proto(&space, 4, IPPROTO_GRE);
    CHECK("ip,nw_proto=47");
    set_proto(&space, 6, 0);
    CHECK("ipv6,nw_proto=0");
    set_proto(&space, 6, IPPROTO_ICMPV6);
    CHECK("icmp6");
    set_proto(&space, 4, IPPROTO_ICMP);
    CHECK("icmp");
    mbox_space_init_any(&space);
    space.mask.family = 0xff;
    CHECK("non_ip");
    space.value.family = 6;
    CHECK("ipv6");
}

static void
test_format_is_bounded(void **state)
{
    (void) state;

    for (int i = test_rounds(20000); i > 0; i--) {
        size_t size = test_random_range(MBOX_SPACE_STRLEN + 1);
        char *buf = malloc(size ? size : 1);
        char all[MBOX_SPACE_STRLEN];
        struct mbox_space space;

        random_space(&space);
        mbox_space_format(&space, all, sizeof all);
        assert_true(strlen(all) < sizeof all - 1);
        assert_ptr_equal(mbox_space_format(&space, buf, size), buf);
        if (size) {
            assert_true(memchr(buf, '\0', size) != NULL);
            assert_memory_equal(buf, all, strlen(buf));
        }
        free(buf);
    }
}

static void
test_wire(void **state)
{
    (void) state;

    for (int i = 0; i < 5000; i++) {
        struct mbox_space in, out;
        struct mbox_writer w;
        struct mbox_reader r;

        random_space(&in);
        mbox_writer_init(&w, 1000);
        mbox_space_encode(&in, &w);
        assert_int_equal(w.len, 84);
        for (size_t n = 0; n <= w.len; n++) {
            void *copy = test_memdup(w.data, n);

            mbox_reader_init(&r, copy, n);
            assert_int_equal(mbox_space_decode(&out, &r),
                             n < w.len ? -EPROTO : 0);
            free(copy);
        }
        assert_int_equal(mbox_reader_finish(&r), 0);
        assert_memory_equal(&in, &out, sizeof in);
        mbox_writer_uninit(&w);
    }
}

static void
test_bad_wire(void **state)
{
    (void) state;
    /* One byte of the space of every packet is set. */
    static const struct {
        size_t ofs;
        uint8_t value;
        int error;
    } tests[] = {
        { 0, 1, -EPROTO },      /* Value outside the mask. */
        { 38, 4, -EPROTO },
        { 40, 0xff, 0 },        /* Mask. */
        { 78, 0xff, 0 },
        { 78, 0x0f, -EPROTO },
        { 79, 0x01, -EPROTO },
        { 80, 1, 0 },           /* Flags. */
        { 80, 2, -EPROTO },
        { 81, 1, -EPROTO },
        { 83, 1, -EPROTO },
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        uint8_t data[84] = { 0 };
        struct mbox_space space;
        struct mbox_reader r;

        data[tests[i].ofs] = tests[i].value;
        mbox_reader_init(&r, data, sizeof data);
        assert_int_equal(mbox_space_decode(&space, &r), tests[i].error);
    }

    /* Families. */
    for (int family = 0; family < 256; family++) {
        uint8_t data[84] = { 0 };
        struct mbox_space space;
        struct mbox_key key;
        struct mbox_reader r;
        int error = (family == 0 || family == 4 || family == 6
                     ? 0 : -EPROTO);

        data[38] = family;
        data[78] = 0xff;
        mbox_reader_init(&r, data, sizeof data);
        assert_int_equal(mbox_space_decode(&space, &r), error);
        mbox_reader_init(&r, data, 40);
        assert_int_equal(mbox_key_decode(&key, &r), error);
    }

    /* VLANs of keys. */
    for (int vlan = 0; vlan < 65536; vlan++) {
        uint8_t data[40] = { 0 };
        struct mbox_key key;
        struct mbox_reader r;

        data[36] = vlan >> 8;
        data[37] = vlan;
        mbox_reader_init(&r, data, sizeof data);
        assert_int_equal(mbox_key_decode(&key, &r),
                         vlan < 4096 || vlan == 0xffff ? 0 : -EPROTO);
    }
}

static bool
proto_has_ports(uint8_t proto)
{
    return (proto == IPPROTO_TCP || proto == IPPROTO_UDP
            || proto == IPPROTO_SCTP);
}

/* A random space that OpenFlow can say. */
static void
random_openflow_space(struct mbox_space *space)
{
    static const uint8_t protos[2][6] = {
        { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_GRE,
          0 },
        { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMPV6, IPPROTO_GRE,
          IPPROTO_ESP },
    };
    struct mbox_key *m = &space->mask;
    uint64_t bits = test_random();

    memset(space, 0, sizeof *space);
    random_key(&space->value);
    if (bits & 7) {
        bool v6 = bits >> 3 & 1;
        size_t start = v6 ? 0 : 12;

        space->value.family = v6 ? 6 : 4;
        m->family = 0xff;
        memset(m->src, 0xff, start);
        memset(m->dst, 0xff, start);
        memcpy(space->value.src, "\0\0\0\0\0\0\0\0\0\0\xff\xff", start);
        memcpy(space->value.dst, "\0\0\0\0\0\0\0\0\0\0\xff\xff", start);
        for (int dst = 0; dst < 2; dst++) {
            uint8_t *mask = (dst ? m->dst : m->src) + start;
            size_t n = 16 - start;

            switch (test_random_range(4)) {
            case 0:
                memset(mask, 0xff, n);
                break;
            case 1:
                for (uint32_t i = test_random_range(n * 8 + 1); i > 0; i--) {
                    mask[(i - 1) / 8] |= 0x80 >> (i - 1) % 8;
                }
                break;
            case 2:
                /* Open vSwitch takes a mask for a prefix length if it begins
                 * with a decimal digit. */
                test_random_bytes(mask, n);
                mask[0] |= 0xa0;
                break;
            }
        }
        if (bits >> 4 & 3) {
            space->value.proto = protos[v6][test_random_range(6)];
            m->proto = 0xff;
            if (proto_has_ports(space->value.proto)) {
                m->src_port = bits >> 8 & 1 ? 0xffff : bits >> 16;
                m->dst_port = bits >> 9 & 1 ? 0xffff : 0;
            }
        }
    }
    switch (bits >> 10 & 7) {
    case 0:
        m->vlan = 0xffff;
        break;
    case 1:
        space->value.vlan &= 0xfff;
        m->vlan = 0xf000 | (bits >> 32 & 0xfff);
        break;
    }
    for (size_t i = 0; i < sizeof *m; i++) {
        ((uint8_t *) &space->value)[i] &= ((uint8_t *) m)[i];
    }
}

/* With an argument, prints that many flows in the syntax of OpenFlow, to be
 * read by Open vSwitch. */
int
main(int argc, char *argv[])
{
    if (argc > 1) {
        for (int i = atoi(argv[1]); i > 0; i--) {
            char s[MBOX_SPACE_STRLEN];
            struct mbox_space space;

            random_openflow_space(&space);
            mbox_space_format(&space, s, sizeof s);
            printf("%s,actions=drop\n", !strcmp(s, "any") ? "" : s);
        }
        return 0;
    }

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_brute_force),
        cmocka_unit_test(test_random_spaces),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_directions),
        cmocka_unit_test(test_has_ports),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_is_bounded),
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_bad_wire),
    };

    return cmocka_run_group_tests_name("space", tests, make_world,
                                       free_world);
}
