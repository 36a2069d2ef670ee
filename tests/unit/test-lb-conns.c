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

/* What mbox-lb does with connections and backends: timers, ports that are used
 * again, checks, neighbors. */

#include <config.h>
#include "lb-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct lb_stats *
stats(void)
{
    return lb_get_stats(world.lb);
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

    host.family = conf_address(sender, host.addr);
    backend_mac(mac, host.mac);
    request.sender.family = conf_address(target, request.sender.addr);
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
    world_tear_down(NULL);
    world_set_up(NULL);
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
    world_tear_down(NULL);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_timer_syn),
        WORLD_TEST(test_timer_open),
        WORLD_TEST(test_timer_fin),
        WORLD_TEST(test_timer_closed),
        WORLD_TEST(test_timer_reset),
        WORLD_TEST(test_timer_dsr),
        WORLD_TEST(test_timer_udp),
        WORLD_TEST(test_timer_pending),
        WORLD_TEST(test_port_reuse),
        WORLD_TEST(test_port_reuse_dsr),
        WORLD_TEST(test_backend_down),
        WORLD_TEST(test_neighbors),
        WORLD_TEST(test_neighbors_health),
        WORLD_TEST(test_forged_answers),
        WORLD_TEST(test_multicast_source),
        WORLD_TEST(test_reassigned),
        WORLD_TEST(test_pause),
        WORLD_TEST(test_adopted),
        WORLD_TEST(test_limit),
        WORLD_TEST(test_damaged_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
