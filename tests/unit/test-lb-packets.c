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

/* What mbox-lb does with packets: translation and what it leaves alone. */

#include <config.h>
#include "lb-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bytes.h"
#include "lb-rewrite.h"

static const struct lb_stats *
stats(void)
{
    return lb_get_stats(world.lb);
}

static void
test_nat(void **state)
{
    const struct {
        uint8_t proto;
        const char *client, *to_backend, *to_client;
    } cases[] = {
        { IPPROTO_TCP, "10.0.1.1 1000 10.0.255.1 80",
          "tcp,10.0.1.1:1000>10.0.254.%d:8080",
          "tcp,10.0.255.1:80>10.0.1.1:1000" },
        { IPPROTO_UDP, "fd00::99 1000 fd00::255:1 53",
          "udp,[fd00::99]:1000>[fd00::%d]:5353",
          "udp,[fd00::255:1]:53>[fd00::99]:1000" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mbox_key key = make_key(cases[i].proto, cases[i].client);
        struct packet p, back;
        char expected[100];
        int number;

        assert_int_equal(world_send(&world, &key, TH_SYN, &p), LB_FORWARD);
        check_checksums(&p);
        number = packet_backend(&p);
        snprintf(expected, sizeof expected, cases[i].to_backend, number);
        assert_string_equal(key_text(&p), expected);
        assert_memory_equal(p.data + 6, test_mac, 6);

        key = answer_key(&p);
        assert_int_equal(world_send(&world, &key, TH_SYN | TH_ACK, &back),
                         LB_FORWARD);
        check_checksums(&back);
        assert_string_equal(key_text(&back), cases[i].to_client);
        assert_memory_equal(back.data, "\x02\xaa\0\0\0\1", 6);
        assert_memory_equal(back.data + 6, test_mac, 6);
    }
    assert_int_equal(lb_n_conns(world.lb), 2);
    assert_int_equal(stats()->to_backends, 2);
    assert_int_equal(stats()->to_clients, 2);
    assert_int_equal(world.n_aliases, 2);
}

/* Only MAC addresses change. */
static void
test_dsr(void **state)
{
    const char *const keys[] = { "10.0.1.1 1000 10.0.255.2 53",
                                 "fd00::99 1000 fd00::255:2 80" };

    (void) state;
    for (int i = 0; i < 2; i++) {
        struct mbox_key key = make_key(i ? IPPROTO_TCP : IPPROTO_UDP,
                                       keys[i]);
        struct packet p, before;

        make_packet(&p, &key, TH_SYN, 50);
        before = p;
        assert_int_equal(world_packet(&world, &p), LB_FORWARD);
        packet_backend(&p);
        assert_memory_equal(p.data + 6, test_mac, 6);
        assert_memory_equal(p.data + 12, before.data + 12, p.len - 12);

        /* What comes back does not concern it. */
        key = answer_key(&p);
        make_packet(&p, &key, TH_SYN | TH_ACK, 50);
        before = p;
        assert_int_equal(world_packet(&world, &p), LB_FORWARD);
        assert_memory_equal(p.data, before.data, p.len);
    }
    assert_int_equal(stats()->passed, 2);
    assert_int_equal(world.n_aliases, 0);
}

/* A missing UDP checksum stays missing; none ever becomes it. */
static void
test_udp_checksum(void **state)
{
    struct mbox_key key = make_key(IPPROTO_UDP, "10.0.1.1 9 10.0.255.1 80");
    struct packet p;
    uint8_t *checksum;
    uint8_t addr[16];

    (void) state;
    conf_address("10.0.254.1", addr);
    make_packet(&p, &key, 0, 20);
    checksum = p.data + p.layout.l4_ofs + 6;
    put_be16(checksum, 0);
    lb_rewrite(p.data, &p.layout, &p.key, LB_DST, addr, 8080);
    assert_int_equal(get_be16(checksum), 0);

    for (int i = 0; i < 65536; i++) {
        make_packet(&p, &key, 0, 2);
        lb_rewrite(p.data, &p.layout, &p.key, LB_DST, addr, i);
        assert_int_not_equal(get_be16(checksum), 0);
        if (i % 256 == 1) {
            check_checksums(&p);
        }
    }
}

/* Errors of all kinds about all kinds of packets, quoted in part or whole. */
static void
test_nat_errors(void **state)
{
    const struct {
        uint8_t proto;
        const char *client, *router;
    } cases[] = {
        { IPPROTO_TCP, "10.0.1.1 1000 10.0.255.1 80", "10.0.9.9" },
        { IPPROTO_UDP, "fd00::99 1000 fd00::255:1 53", "fd00::9:9" },
    };

    (void) state;
    for (int i = 0; i < 2; i++) {
        struct mbox_key key = make_key(cases[i].proto, cases[i].client);
        size_t least = i ? 40 + 8 : 20 + 8;
        struct packet to_backend, to_client, p;
        uint8_t router[16];
        struct lb_quote quote;

        conf_address(cases[i].router, router);
        assert_int_equal(world_send(&world, &key, TH_SYN, &to_backend),
                         LB_FORWARD);
        struct mbox_key back = answer_key(&to_backend);
        assert_int_equal(world_send(&world, &back, TH_SYN | TH_ACK,
                                    &to_client), LB_FORWARD);

        for (size_t len = least; len <= to_client.len - 14; len++) {
            /* The client, or a router before it, did not take it. */
            make_error(&p, len % 2 ? router : key.src, key.dst, &to_client,
                       len);
            assert_int_equal(world_packet(&world, &p), LB_FORWARD);
            check_checksums(&p);
            assert_int_equal(packet_backend(&p), packet_backend(&to_backend));
            assert_memory_equal(p.key.dst, back.src, 16);
            assert_memory_equal(p.key.src, len % 2 ? router : key.src, 16);
            assert_true(lb_quote_parse(p.data, &p.key, &p.layout, &quote));
            quote.key.vlan = MBOX_VLAN_NONE;
            assert_true(mbox_key_equal(&quote.key, &back));
        }
        for (size_t len = least; len <= to_backend.len - 14; len++) {
            /* The backend, or a router before it, did not. */
            make_error(&p, len % 2 ? router : back.src, key.src, &to_backend,
                       len);
            assert_int_equal(world_packet(&world, &p), LB_FORWARD);
            check_checksums(&p);
            assert_memory_equal(p.data, "\x02\xaa\0\0\0\1", 6);
            assert_memory_equal(p.key.dst, key.src, 16);
            assert_memory_equal(p.key.src, len % 2 ? router : key.dst, 16);
            assert_true(lb_quote_parse(p.data, &p.key, &p.layout, &quote));
            assert_true(mbox_key_equal(&quote.key, &key));
        }

        /* About no connection. */
        key.src_port++;
        mbox_key_reverse(&key, &back);
        make_packet(&to_client, &back, TH_ACK, 0);
        make_error(&p, key.src, key.dst, &to_client, least);
        assert_int_equal(world_packet(&world, &p), LB_DROP);
    }
    assert_int_equal(stats()->no_service, 2);
}

/* Damaged errors do no harm. */
static void
test_damaged_errors(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "10.0.1.1 1000 10.0.255.1 80");
    struct packet to_backend, p;

    (void) state;
    world_send(&world, &key, TH_SYN, &to_backend);
    for (int i = 0; i < test_rounds(50000); i++) {
        uint8_t *copy;

        make_error(&p, to_backend.key.dst, key.src, &to_backend,
                   28 + test_random_range(to_backend.len - 14 - 28 + 1));
        for (uint32_t n = test_random_range(4); n; n--) {
            p.data[34 + test_random_range(p.len - 34)] = test_random();
        }
        copy = test_memdup(p.data, p.len);
        lb_packet(world.lb, world.now, 0, copy, p.len, &p.key, &p.layout);
        free(copy);
    }
}

static void
test_not_ours(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP, "10.0.1.1 9 10.0.3.3 80");
    struct packet p, before;

    (void) state;
    make_packet(&p, &key, TH_SYN, 10);
    before = p;
    assert_int_equal(world_packet(&world, &p), LB_FORWARD);
    assert_memory_equal(p.data, before.data, p.len);

    /* A backend's own connection. */
    key = make_key(IPPROTO_TCP, "10.0.254.1 9 10.0.3.3 80");
    assert_int_equal(world_send(&world, &key, TH_SYN, &p), LB_FORWARD);
    assert_int_equal(stats()->passed, 2);

    /* A virtual address, but no service. */
    key = make_key(IPPROTO_TCP, "10.0.1.1 9 10.0.255.1 81");
    assert_int_equal(world_send(&world, &key, TH_SYN, &p), LB_DROP);
    assert_int_equal(stats()->no_service, 1);

    /* A backend, but no connection; a client's RST, likewise. */
    key = make_key(IPPROTO_TCP, "10.0.254.1 8080 10.0.1.1 1000");
    assert_int_equal(world_send(&world, &key, TH_ACK, &p), LB_DROP);
    key = make_key(IPPROTO_TCP, "10.0.1.1 1000 10.0.255.1 80");
    assert_int_equal(world_send(&world, &key, TH_RST, &p), LB_DROP);
    assert_int_equal(stats()->no_connection, 2);

    /* Fragments have no ports. */
    make_packet(&p, &key, TH_SYN, 10);
    p.data[20] = 0x20;
    parse_packet(&p);
    assert_int_equal(world_packet(&world, &p), LB_DROP);
    assert_int_equal(stats()->fragments, 1);
    assert_int_equal(lb_n_conns(world.lb), 0);
}

/* An IPv6 packet between IPv4-mapped addresses is not an IPv4 packet. */
static void
test_mapped_addresses(void **state)
{
    const char *const keys[] = {
        "::ffff:10.0.1.1 1000 ::ffff:10.0.255.1 80",    /* A service. */
        "::ffff:10.0.1.1 1000 ::ffff:10.0.255.1 81",    /* None. */
        "::ffff:10.0.254.1 8080 ::ffff:10.0.1.1 1000",  /* A backend. */
    };
    struct lb_host asker = { .mac = { 2, 0xaa, 0, 0, 0, 1 } };
    uint8_t virtual[16];
    struct packet p;
    struct lb_frame f;

    (void) state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct mbox_key key = make_key(IPPROTO_TCP, keys[i]);
        struct packet before;

        assert_int_equal(key.family, 6);
        make_packet(&p, &key, i < 2 ? TH_SYN : TH_ACK, 10);
        before = p;
        assert_int_equal(world_packet(&world, &p), LB_FORWARD);
        assert_memory_equal(p.data, before.data, p.len);
        assert_int_equal(stats()->passed, i + 1);
    }
    assert_int_equal(lb_n_conns(world.lb), 0);

    asker.family = conf_address("fd00::99", asker.addr);
    conf_address("::ffff:10.0.255.1", virtual);
    lb_frame_solicit(&f, &asker, virtual);
    packet_from_frame(&p, &f);
    assert_int_equal(world_packet(&world, &p), LB_FORWARD);
    assert_int_equal(world.n_sent, 0);
}

static void
test_addresses(void **state)
{
    const char *const virtual[] = { "10.0.255.1", "fd00::255:1" };
    const char *const own[] = { "10.0.0.11", "fd00::11" };
    const char *const other[] = { "10.0.0.12", "fd00::12" };
    struct lb_host asker = { .mac = { 2, 0xaa, 0, 0, 0, 1 } };

    (void) state;
    for (int i = 0; i < 2; i++) {
        const char *const all[] = { virtual[i], own[i], other[i] };

        asker.family = conf_address(i ? "fd00::99" : "10.0.1.1", asker.addr);
        for (int j = 0; j < 3; j++) {
            struct lb_neighbor n;
            struct lb_frame f;
            struct packet p;
            uint8_t addr[16];

            conf_address(all[j], addr);
            lb_frame_solicit(&f, &asker, addr);
            packet_from_frame(&p, &f);
            assert_int_equal(world_packet(&world, &p),
                             j < 2 ? LB_DROP : LB_FORWARD);
            if (j < 2) {
                f = world.sent[--world.n_sent];
                assert_int_equal(world.n_sent, 0);
                assert_true(lb_neighbor_parse(f.data, f.len, &n));
                assert_false(n.is_request);
                assert_memory_equal(n.sender.addr, addr, 16);
                assert_memory_equal(n.sender.mac, test_mac, 6);
                assert_memory_equal(f.data, asker.mac, 6);
            } else {
                assert_int_equal(world.n_sent, 0);
            }

            /* And is alive. */
            struct lb_host target = { .family = asker.family };
            memcpy(target.addr, addr, 16);
            memcpy(target.mac, test_mac, 6);
            lb_frame_echo(&f, &asker, &target, 7, 8);
            packet_from_frame(&p, &f);
            assert_int_equal(world_packet(&world, &p),
                             j < 2 ? LB_RETURN : LB_FORWARD);
            check_checksums(&p);
            if (j < 2) {
                assert_memory_equal(p.key.src, addr, 16);
                assert_memory_equal(p.key.dst, asker.addr, 16);
                assert_int_equal(p.data[p.layout.l4_ofs], i ? 129 : 0);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_nat),
        WORLD_TEST(test_dsr),
        WORLD_TEST(test_udp_checksum),
        WORLD_TEST(test_nat_errors),
        WORLD_TEST(test_damaged_errors),
        WORLD_TEST(test_not_ours),
        WORLD_TEST(test_mapped_addresses),
        WORLD_TEST(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
