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

/* What mbox-lb does with packets: translation, connections, checks. */

#include <config.h>
#include "lb-test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lb-bytes.h"
#include "lb-rewrite.h"

static struct world world;

static int
set_up(void **state)
{
    (void) state;
    world_init(&world, test_config_text);
    world_run(&world, 1);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    world_uninit(&world);
    return 0;
}

static const struct lb_stats *
stats(void)
{
    return lb_get_stats(world.lb);
}

static void
packet_from_frame(struct packet *p, const struct lb_frame *f)
{
    memcpy(p->data, f->data, f->len);
    p->len = f->len;
    parse_packet(p);
}

/* The key of the answer to 'p', which went to a backend. */
static struct mbox_key
answer_key(const struct packet *p)
{
    struct mbox_key key;

    mbox_key_reverse(&p->key, &key);
    return key;
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
    lb_parse_address("10.0.254.1", addr);
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

        lb_parse_address(cases[i].router, router);
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

    asker.family = lb_parse_address("fd00::99", asker.addr);
    lb_parse_address("::ffff:10.0.255.1", virtual);
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

        asker.family = lb_parse_address(i ? "fd00::99" : "10.0.1.1",
                                        asker.addr);
        for (int j = 0; j < 3; j++) {
            struct lb_neighbor n;
            struct lb_frame f;
            struct packet p;
            uint8_t addr[16];

            lb_parse_address(all[j], addr);
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

/* Sends the packet with 'flags' of the connection 'key'; 'p' is its last. */
static void
send_client(const struct mbox_key *key, uint8_t flags, struct packet *p)
{
    assert_int_equal(world_send(&world, key, flags, p), LB_FORWARD);
}

static void
send_backend(const struct packet *to_backend, uint8_t flags)
{
    struct mbox_key key = answer_key(to_backend);
    struct packet p;

    assert_int_equal(world_send(&world, &key, flags, &p), LB_FORWARD);
}

/* The connection 'key' lives for 'seconds' without packets, and no longer. */
static void
check_timeout(const struct mbox_key *key, double seconds, const char *reason)
{
    char text[32];

    (void) key;
    world_run(&world, seconds - 1);
    assert_int_equal(lb_n_conns(world.lb), 1);
    world_run(&world, 2);
    assert_int_equal(lb_n_conns(world.lb), 0);
    snprintf(text, sizeof text, "\"reason\":\"%s\"", reason);
    assert_int_equal(count_events(&world, text), 1);
}

static void
test_timer_syn(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "10.0.1.1 1000 10.0.255.1 80");
    struct packet p;

    (void) state;
    send_client(&key, TH_SYN, &p);
    send_backend(&p, TH_SYN | TH_ACK);
    check_timeout(&key, 30, "timeout");
    assert_int_equal(world.n_dirty, 1);
}

static void
test_timer_open(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "10.0.1.1 1000 10.0.255.1 80");
    struct packet p;

    (void) state;
    send_client(&key, TH_SYN, &p);
    send_client(&key, TH_ACK, &p);
    world_run(&world, 800);
    send_backend(&p, TH_ACK);
    check_timeout(&key, 900, "timeout");
}

static void
test_timer_fin(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "10.0.1.1 1000 10.0.255.1 80");
    struct packet p;

    (void) state;
    send_client(&key, TH_SYN, &p);
    send_client(&key, TH_ACK, &p);
    send_client(&key, TH_FIN | TH_ACK, &p);
    send_backend(&p, TH_ACK);
    check_timeout(&key, 120, "timeout");
}

static void
test_timer_closed(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "10.0.1.1 1000 10.0.255.1 80");
    struct packet p;

    (void) state;
    send_client(&key, TH_SYN, &p);
    send_client(&key, TH_FIN | TH_ACK, &p);
    send_backend(&p, TH_FIN | TH_ACK);
    send_client(&key, TH_ACK, &p);
    check_timeout(&key, 10, "closed");
}

static void
test_timer_reset(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "10.0.1.1 1000 10.0.255.1 80");
    struct packet p;

    (void) state;
    send_client(&key, TH_SYN, &p);
    send_client(&key, TH_ACK, &p);
    send_backend(&p, TH_RST);

    /* Somebody may have forged it: while there is traffic it goes on. */
    for (int i = 0; i < 5; i++) {
        world_run(&world, 8);
        send_client(&key, TH_ACK, &p);
    }
    check_timeout(&key, 10, "closed");
}

/* Without the backend's side a connection never looks closed. */
static void
test_timer_dsr(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "fd00::99 1000 fd00::255:2 80");
    struct packet p;

    (void) state;
    send_client(&key, TH_SYN, &p);
    send_client(&key, TH_ACK, &p);
    send_client(&key, TH_FIN | TH_ACK, &p);
    check_timeout(&key, 120, "timeout");
}

static void
test_timer_udp(void **state)
{
    struct mbox_key key = make_key(IPPROTO_UDP, "10.0.1.1 9 10.0.255.2 53");
    struct packet p;

    (void) state;
    send_client(&key, 0, &p);
    check_timeout(&key, 120, "timeout");
}

/* A connection that belongs to another instance is that one's to end. */
static void
test_timer_pending(void **state)
{
    struct mbox_key key = make_key(IPPROTO_UDP, "10.0.1.1 9 10.0.255.2 53");
    struct packet p;

    (void) state;
    world.pending = true;
    send_client(&key, 0, &p);
    world_run(&world, 200);
    assert_int_equal(lb_n_conns(world.lb), 1);
    assert_int_equal(world.n_dirty, 0);
    world.pending = false;
    world_run(&world, 2);
    assert_int_equal(lb_n_conns(world.lb), 0);
}

/* A port that is used again is a new connection; a SYN that is sent again, or
 * into an open one, is not. */
static void
test_port_reuse(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "10.0.1.1 1000 10.0.255.1 80");
    struct packet p;

    (void) state;
    send_client(&key, TH_SYN, &p);
    send_client(&key, TH_SYN, &p);
    send_client(&key, TH_ACK, &p);
    send_client(&key, TH_SYN, &p);
    assert_int_equal(stats()->created, 1);
    send_client(&key, TH_FIN | TH_ACK, &p);
    send_backend(&p, TH_FIN | TH_ACK);
    send_client(&key, TH_SYN, &p);
    assert_int_equal(stats()->created, 2);
    assert_int_equal(lb_n_conns(world.lb), 1);
    assert_int_equal(count_events(&world, "\"reason\":\"reused\""), 1);

    /* Who has sent FIN has no more to say in that connection; who has only
     * received it has. */
    send_client(&key, TH_ACK, &p);
    send_client(&key, TH_FIN | TH_ACK, &p);
    send_backend(&p, TH_ACK);
    send_client(&key, TH_SYN, &p);
    assert_int_equal(stats()->created, 3);
    send_client(&key, TH_ACK, &p);
    send_backend(&p, TH_FIN | TH_ACK);
    send_client(&key, TH_SYN, &p);
    assert_int_equal(stats()->created, 3);
    assert_int_equal(lb_n_conns(world.lb), 1);
    assert_int_equal(count_events(&world, "\"reason\":\"reused\""), 2);
}

/* The same where only the client's side is seen.  The new connection does not
 * stay at a backend that is down, and lives as long as any. */
static void
test_port_reuse_dsr(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "fd00::99 1000 fd00::255:2 80");
    struct packet p;
    int number;

    (void) state;
    send_client(&key, TH_SYN, &p);
    number = packet_backend(&p);
    send_client(&key, TH_ACK, &p);
    send_client(&key, TH_FIN | TH_ACK, &p);
    world.dead[number] = true;
    world_run(&world, 5);
    send_client(&key, TH_SYN, &p);
    assert_int_not_equal(packet_backend(&p), number);
    assert_int_equal(stats()->created, 2);
    assert_int_equal(count_events(&world, "\"reason\":\"reused\""), 1);
    send_client(&key, TH_ACK, &p);
    check_timeout(&key, 900, "timeout");
}

#define N_CONNS 300

static struct mbox_key
nth_key(int i)
{
    struct mbox_key key = make_key(IPPROTO_TCP, "10.0.1.1 0 10.0.255.1 80");

    key.src_port = 1000 + i;
    return key;
}

/* A backend that goes takes nobody else's connections with it, and gets no new
 * ones until it is back. */
static void
test_backend_down(void **state)
{
    int before[N_CONNS], n_of_two = 0;
    struct packet p;

    (void) state;
    for (int i = 0; i < N_CONNS; i++) {
        struct mbox_key key = nth_key(i);

        send_client(&key, TH_SYN, &p);
        before[i] = packet_backend(&p);
        n_of_two += before[i] == 2;
        send_client(&key, TH_ACK, &p);
    }
    assert_in_range(n_of_two, N_CONNS / 6, N_CONNS / 2);

    world.dead[2] = true;
    world_run(&world, 3);
    assert_int_equal(count_events(&world, "\"health\":\"down\""), 0);
    world_run(&world, 1.5);
    assert_int_equal(count_events(&world, "\"health\":\"down\""), 4);
    for (int i = 0; i < N_CONNS; i++) {
        struct mbox_key key = nth_key(i);

        send_client(&key, TH_ACK, &p);
        assert_int_equal(packet_backend(&p), before[i]);
    }
    for (int i = N_CONNS; i < 2 * N_CONNS; i++) {
        struct mbox_key key = nth_key(i);

        send_client(&key, TH_SYN, &p);
        assert_int_not_equal(packet_backend(&p), 2);
    }
    assert_int_equal(stats()->reassigned, 0);

    /* It comes back, by refusing nothing any more. */
    world.dead[2] = false;
    world.refuses[2] = true;
    world_run(&world, 5);
    assert_int_equal(count_events(&world, "\"service\":\"web\",\"backend\":"
                                  "\"b2\",\"health\":\"up\""), 1);
    world.refuses[2] = false;
    world_run(&world, 3);
    assert_int_equal(count_events(&world, "\"service\":\"web\",\"backend\":"
                                  "\"b2\",\"health\":\"up\""), 2);
    for (int i = 0; i < N_CONNS; i++) {
        struct mbox_key key = nth_key(i);

        key.src[15]++;
        send_client(&key, TH_SYN, &p);
        n_of_two -= packet_backend(&p) == 2;
    }
    assert_in_range(n_of_two + N_CONNS, N_CONNS * 2 / 3, N_CONNS * 4 / 3);
}

/* What the core does with the answer, to 'target', that 'sender' has the MAC
 * address of number 'mac'. */
static enum lb_verdict
advertise(unsigned int port, const char *sender, int mac, const char *target)
{
    struct lb_neighbor request = { .is_request = true };
    struct lb_host host;
    struct lb_frame f;
    struct packet p;

    host.family = lb_parse_address(sender, host.addr);
    backend_mac(mac, host.mac);
    request.sender.family = lb_parse_address(target, request.sender.addr);
    memcpy(request.sender.mac, test_mac, sizeof test_mac);
    lb_frame_advertise(&f, &host, &request);
    packet_from_frame(&p, &f);
    return lb_packet(world.lb, world.now, port, p.data, p.len, &p.key,
                     &p.layout);
}

/* How many of N_CONNS connections, whose keys begin after 'text', go to the
 * MAC address of number 'mac'. */
static int
count_to_mac(uint8_t proto, const char *text, int mac)
{
    struct mbox_key key = make_key(proto, text);
    uint8_t expected[6];
    int n = 0;

    backend_mac(mac, expected);
    for (int i = 0; i < N_CONNS; i++) {
        struct packet p;

        key.src_port++;
        send_client(&key, TH_SYN, &p);
        n += !memcmp(p.data, expected, sizeof expected);
    }
    return n;
}

/* Begins checks, which nobody answers. */
static void
begin_checks(void)
{
    world.n_sent = 0;
    for (int i = 0; i < 10; i++) {
        lb_tick(world.lb, world.now += TEST_SECOND / 10);
    }
    assert_true(world.n_sent > 0);
}

/* A backend's MAC address is what it says when it is asked, and nothing that
 * anybody says unasked, to others, or where no backends are. */
static void
test_neighbors(void **state)
{
    static const struct {
        uint8_t proto;
        const char *backend, *own, *other, *key;
    } cases[] = {
        { IPPROTO_TCP, "10.0.254.1", "10.0.0.11", "10.0.0.12",
          "10.0.1.1 1000 10.0.255.1 80" },
        { IPPROTO_UDP, "fd00::1", "fd00::11", "fd00::12",
          "fd00::99 1000 fd00::255:1 53" },
    };

    (void) state;
    for (int i = 0; i < 2; i++) {
        uint8_t proto = cases[i].proto;
        const char *backend = cases[i].backend, *key = cases[i].key;

        assert_int_equal(advertise(0, backend, 7, cases[i].own), LB_DROP);
        assert_int_equal(advertise(0, backend, 7, cases[i].other),
                         LB_FORWARD);
        assert_int_equal(count_to_mac(proto, key, 7), 0);

        begin_checks();
        assert_int_equal(advertise(1, backend, 7, cases[i].own), LB_DROP);
        assert_int_equal(advertise(0, backend, 7, cases[i].other),
                         LB_FORWARD);
        assert_int_equal(count_to_mac(proto, key, 7), 0);

        /* It was replaced: the check, too, goes there.  That the one before
         * it still answers checks does not matter. */
        for (size_t n = world.n_sent, j = 0; i && j < n; j++) {
            struct lb_frame f = world.sent[j];
            struct lb_neighbor neighbor;

            if (!lb_neighbor_parse(f.data, f.len, &neighbor)) {
                world_answer(&world, &f);
            }
        }
        world.n_sent = 0;
        assert_int_equal(advertise(0, backend, 7, cases[i].own), LB_DROP);
        assert_int_equal(world.n_sent > 0, !i);
        assert_in_range(count_to_mac(proto, key, 7), N_CONNS / 6,
                        N_CONNS / 2);

        /* The first answer counts, until it is asked again. */
        assert_int_equal(advertise(0, backend, 1, cases[i].own), LB_DROP);
        assert_in_range(count_to_mac(proto, key, 7), N_CONNS / 6,
                        N_CONNS / 2);
        begin_checks();
        assert_int_equal(advertise(0, backend, 1, cases[i].own), LB_DROP);
        assert_int_equal(count_to_mac(proto, key, 7), 0);
        world.n_sent = 0;
        world_run(&world, 2);
    }
}

/* What is said to others does not tell that a backend is alive. */
static void
test_neighbors_health(void **state)
{
    (void) state;
    world.dead[1] = true;
    for (int i = 0; i < 50; i++) {
        world_run(&world, 0.1);
        advertise(0, "10.0.254.1", 1, "10.0.0.12");
        advertise(1, "10.0.254.1", 1, "10.0.0.11");
    }
    assert_int_equal(count_events(&world, "\"service\":\"dns4\",\"backend\":"
                                  "\"b1\",\"health\":\"down\""), 1);
}

/* Who does not know a probe cannot answer it. */
static void
test_forged_answers(void **state)
{
    (void) state;
    world.forged[2] = true;
    world_run(&world, 10);
    assert_int_equal(count_events(&world, "\"service\":\"web\",\"backend\":"
                                  "\"b2\",\"health\":\"down\""), 1);
    assert_int_equal(count_events(&world, "\"service\":\"web\",\"backend\":"
                                  "\"b2\",\"health\":\"up\""), 1);
}

/* Who has a multicast address does not begin a connection. */
static void
test_multicast_source(void **state)
{
    struct mbox_key key = make_key(IPPROTO_TCP,
                                   "10.0.1.1 1000 10.0.255.1 80");
    struct packet p;

    (void) state;
    make_packet(&p, &key, TH_SYN, 0);
    p.data[6] |= 1;
    assert_int_equal(world_packet(&world, &p), LB_DROP);
    assert_int_equal(stats()->malformed, 1);
    assert_int_equal(lb_n_conns(world.lb), 0);
}

/* What has lost nothing yet is given to another backend. */
static void
test_reassigned(void **state)
{
    struct mbox_key key = make_key(IPPROTO_UDP, "10.0.1.1 9 10.0.255.2 53");
    struct mbox_key syn = nth_key(0);
    int number[2];
    struct packet p;

    (void) state;
    send_client(&key, 0, &p);
    number[0] = packet_backend(&p);
    send_client(&syn, TH_SYN, &p);
    number[1] = packet_backend(&p);
    world.dead[number[0]] = world.dead[number[1]] = true;
    world_run(&world, 5);
    send_client(&key, 0, &p);
    assert_int_not_equal(packet_backend(&p), number[0]);
    send_client(&syn, TH_SYN, &p);
    assert_int_not_equal(packet_backend(&p), number[1]);
    send_backend(&p, TH_SYN | TH_ACK);
    assert_int_equal(stats()->reassigned, 2);
    assert_int_equal(lb_n_conns(world.lb), 2);

    /* Nobody is left. */
    world.dead[1] = world.dead[2] = world.dead[3] = true;
    world_run(&world, 5);
    assert_int_equal(world_send(&world, &key, 0, &p), LB_DROP);
    key.src_port++;
    assert_int_equal(world_send(&world, &key, 0, &p), LB_DROP);
    assert_int_equal(stats()->no_backend, 2);
}

/* While this program did not run nobody answered it. */
static void
test_pause(void **state)
{
    (void) state;
    for (int i = 0; i < 10; i++) {
        lb_tick(world.lb, world.now += TEST_SECOND);
        world.n_sent = 0;
        world.now += 60 * TEST_SECOND;
    }
    assert_int_equal(count_events(&world, "\"health\":\"down\""), 0);
}

/* With luck the table leads to the backend that the connection has. */
static void
test_adopted(void **state)
{
    struct mbox_key key = nth_key(0);
    struct packet p;
    int number;

    (void) state;
    send_client(&key, TH_SYN, &p);
    number = packet_backend(&p);
    tear_down(NULL);
    set_up(NULL);
    send_client(&key, TH_ACK, &p);
    assert_int_equal(packet_backend(&p), number);
    assert_int_equal(stats()->adopted, 1);
    send_backend(&p, TH_ACK);
}

static void
test_limit(void **state)
{
    char text[1024];
    struct packet p;

    (void) state;
    snprintf(text, sizeof text, "%smax-connections 5\n", test_config_text);
    tear_down(NULL);
    world_init(&world, text);
    world_run(&world, 1);
    for (int i = 0; i < 7; i++) {
        struct mbox_key key = nth_key(i);

        assert_int_equal(world_send(&world, &key, TH_SYN, &p),
                         i < 5 ? LB_FORWARD : LB_DROP);
    }
    assert_int_equal(stats()->table_full, 2);
}

/* A frame of any bytes changes nothing but itself. */
static void
test_damaged_packets(void **state)
{
    struct mbox_key key = nth_key(0);
    struct packet p;

    (void) state;
    send_client(&key, TH_SYN, &p);
    for (int i = 0; i < test_rounds(50000); i++) {
        uint8_t *copy;

        make_packet(&p, &key, test_random(), test_random_range(20));
        for (uint32_t n = test_random_range(5); n; n--) {
            p.data[test_random_range(p.len)] = test_random();
        }
        p.len = test_random_range(p.len + 1);
        parse_packet(&p);
        copy = test_memdup(p.data, p.len);
        lb_packet(world.lb, world.now, 0, copy, p.len, &p.key, &p.layout);
        free(copy);
        world.n_sent = 0;
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nat),
        TEST(test_dsr),
        TEST(test_udp_checksum),
        TEST(test_nat_errors),
        TEST(test_damaged_errors),
        TEST(test_not_ours),
        TEST(test_mapped_addresses),
        TEST(test_addresses),
        TEST(test_timer_syn),
        TEST(test_timer_open),
        TEST(test_timer_fin),
        TEST(test_timer_closed),
        TEST(test_timer_reset),
        TEST(test_timer_dsr),
        TEST(test_timer_udp),
        TEST(test_timer_pending),
        TEST(test_port_reuse),
        TEST(test_port_reuse_dsr),
        TEST(test_backend_down),
        TEST(test_neighbors),
        TEST(test_neighbors_health),
        TEST(test_forged_answers),
        TEST(test_multicast_source),
        TEST(test_reassigned),
        TEST(test_pause),
        TEST(test_adopted),
        TEST(test_limit),
        TEST(test_damaged_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
