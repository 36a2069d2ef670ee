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

/* Two ends of mbox-wanopt: what goes in at one comes out at the other. */

#include <config.h>
#include "wanopt-test.h"

#include <netinet/ip.h>
#include "bytes.h"

#define MSS 1448

static int
setup(void **state)
{
    *state = world_create("");
    return 0;
}

/* With little memory. */
static int
setup_small(void **state)
{
    *state = world_create("memory 1\nwaiting-memory 1\nmax-flows 3\n");
    return 0;
}

static int
teardown(void **state)
{
    world_destroy(*state);
    return 0;
}

/* The same content costs little on another connection, in either direction,
 * over either protocol and family. */
static void
test_redundancy(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    uint8_t data[MSS];
    struct packet p;

    for (int i = 0; i < 8; i++) {
        struct mbox_key key = make_key(i & 1 ? 4 : 6,
                                       i & 2 ? IPPROTO_TCP : IPPROTO_UDP, 1,
                                       i);
        size_t len;

        test_random_bytes(data, sizeof data);
        make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
        assert_int_equal(pass(near, far, &p), p.len);

        key.src_port += 100;
        make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
        len = pass(near, far, &p);
        assert_true(len < p.len / 4);

        mbox_key_reverse(&key, &key);
        make_packet(&p, &key, 1, TH_ACK | TH_PUSH, data, sizeof data);
        assert_true(pass(far, near, &p) <= len);
    }
    assert_int_equal(end_stats(far)->asked, 0);
    assert_int_equal(end_stats(near)->asked, 0);
    assert_int_equal(end_stats(near)->encoded, 8);
    assert_int_equal(end_stats(far)->decoded, 8);
}

/* So does a stream that is cut into other packets, whose chunks are the same
 * only within packets. */
static void
test_other_packets(void **state)
{
    enum { LEN = 100 * MSS };
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    static uint8_t data[LEN];
    static const size_t sizes[] = { MSS, 1000, 700, MSS - 1 };

    test_random_bytes(data, sizeof data);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mbox_key key = make_key(4, IPPROTO_TCP, 1, i);
        size_t wan = 0, lan = 0;

        for (size_t ofs = 0; ofs < LEN; ofs += sizes[i]) {
            size_t len = LEN - ofs < sizes[i] ? LEN - ofs : sizes[i];
            struct packet p;

            make_packet(&p, &key, 1 + ofs, TH_ACK, data + ofs, len);
            wan += pass(near, far, &p);
            lan += p.len;
        }
        assert_true(i ? wan < lan * 4 / 10 : wan == lan);
    }
    assert_int_equal(end_stats(far)->asked, 0);
}

/* What is new is compressed. */
static void
test_compression(void **state)
{
    struct world *world = *state;
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1);
    char text[MSS];
    struct packet p;

    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = 'a' + test_random_range(4);
    }
    make_packet(&p, &key, 1, TH_ACK, text, sizeof text);
    assert_true(pass(&world->ends[NEAR], &world->ends[FAR], &p)
                < p.len / 2);
    assert_int_equal(end_stats(&world->ends[NEAR])->refs, 0);
}

/* Packets of any length and content pass. */
static void
test_any_packet(void **state)
{
    enum { POOL = 20000 };
    struct world *world = *state;
    static uint8_t pool[POOL];

    test_random_bytes(pool, sizeof pool);
    memset(pool + POOL / 4, 'a', POOL / 4);
    for (int i = 0; i < test_rounds(20000); i++) {
        bool back = test_random_range(2);
        struct mbox_key key = make_key(
            test_random_range(2) ? 4 : 6,
            test_random_range(2) ? IPPROTO_TCP : IPPROTO_UDP,
            1 + test_random_range(3), test_random_range(10));
        size_t len = test_random_range(test_random_range(50) ? 1461 : 9000);
        struct packet p;

        if (back) {
            mbox_key_reverse(&key, &key);
        }
        make_packet(&p, &key, test_random(), test_random_range(256),
                    pool + test_random_range(POOL - 9000), len);
        pass(&world->ends[back ? FAR : NEAR], &world->ends[back ? NEAR : FAR],
             &p);
    }
    assert_true(end_stats(&world->ends[NEAR])->refs > 100);
    assert_int_equal(end_stats(&world->ends[NEAR])->malformed, 0);
    assert_int_equal(end_stats(&world->ends[FAR])->asked, 0);
}

/* A checksum that is wrong stays wrong: the end shall see it. */
static void
test_wrong_checksum(void **state)
{
    struct world *world = *state;
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1);
    uint8_t data[MSS] = { 0 };
    struct packet p, message, out;

    make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
    p.data[p.len - 1] ^= 1;
    end_packet(&world->ends[NEAR], LAN, &p);
    take(&world->ends[NEAR].wan, &message);
    assert_true(message.len < p.len);
    check_checksums(&message);
    end_packet(&world->ends[FAR], WAN, &message);
    take(&world->ends[FAR].lan, &out);
    check_same(&out, &p);
}

/* What is not between the sites, or not whole. */
static void
test_other_frames(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR];
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1);
    uint8_t data[1000] = { 0 };
    struct packet p, out;

    make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
    put_be16(p.data + 20, 0x2000);      /* A fragment. */
    end_packet(near, LAN, &p);
    take(&near->wan, &out);
    check_same(&p, &out);

    key.dst[15] = 99;
    key.dst[14] = 99;
    make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
    end_packet(near, LAN, &p);
    take(&near->wan, &out);
    check_same(&p, &out);
    assert_int_equal(end_stats(near)->passed, 2);
    assert_int_equal(wanopt_n_flows(near->wanopt), 0);
}

static void
clear_df(struct packet *p)
{
    uint8_t *ip = p->data + 14;
    uint32_t sum = get_be16(ip + 10) + IP_DF;

    put_be16(ip + 6, 0);
    put_be16(ip + 10, (sum & 0xffff) + (sum >> 16));
    check_checksums(p);
}

/* Of a packet that routers may fragment no message is made that they would.
 * One that was sent before is no message at all, even if it were shorter. */
static void
test_fragmentation(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    int n_encoded[2] = { 0, 0 };
    uint8_t data[MSS];
    struct packet p;

    for (int i = 0; i < 40; i++) {
        struct mbox_key key = make_key(4, i % 2 ? IPPROTO_TCP : IPPROTO_UDP, 1,
                                       i);
        bool df = i % 4 < 2;
        size_t len;

        test_random_bytes(data, sizeof data);
        memset(data + i * 36, 'a', sizeof data - i * 36);
        make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
        if (!df) {
            clear_df(&p);
        }
        len = pass(near, far, &p);
        n_encoded[df] += len < p.len;
        assert_true(df || len == p.len || len - 14 <= WANOPT_WHOLE);
        if (key.proto == IPPROTO_TCP) {
            assert_int_equal(pass(near, far, &p), p.len);
        }
    }
    assert_in_range(n_encoded[false], 3, 10);
    assert_in_range(n_encoded[true], 16, 20);
}

/* Has the near end learn 'data', and not the far one. */
static void
teach_near(struct world *world, int number, const uint8_t *data, size_t len)
{
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, number);
    struct packet p;

    make_packet(&p, &key, 1, TH_ACK, data, len);
    end_packet(&world->ends[NEAR], LAN, &p);
    take(&world->ends[NEAR].wan, &p);
}

/* A packet with chunks that the other end has never seen waits for them, and
 * the ones behind it wait, too. */
static void
test_chunks_are_asked_for(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct mbox_key key = make_key(4, IPPROTO_UDP, 1, 2);
    struct packet p[5], out;
    uint8_t data[MSS];

    test_random_bytes(data, sizeof data);
    teach_near(world, 1, data, sizeof data);
    for (int i = 0; i < 5; i++) {
        make_packet(&p[i], &key, i, 0, data, i == 0 || i == 3 ? MSS : 5);
        end_packet(near, LAN, &p[i]);
    }
    for (int i = 0; i < 4; i++) {
        take(&near->wan, &out);
        end_packet(far, WAN, &out);
    }
    assert_int_equal(far->lan.n, 0);
    assert_int_equal(end_stats(far)->waited, 4);
    assert_int_equal(end_stats(far)->asked, 1);         /* Once for both. */
    world_carry(near, far, 0, 0);
    assert_int_equal(far->lan.n, 5);
    for (int i = 0; i < 5; i++) {
        take(&far->lan, &out);
        check_same(&out, &p[i]);
    }
    assert_true(end_stats(near)->given > 0);
    assert_int_equal(end_stats(far)->undecodable, 0);
}

/* A question or its answer that is lost is repeated, but not forever. */
static void
test_questions_are_repeated(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct mbox_key key = make_key(4, IPPROTO_UDP, 1, 2);
    struct packet p, out;
    uint8_t data[MSS];

    test_random_bytes(data, sizeof data);
    teach_near(world, 1, data, sizeof data);
    make_packet(&p, &key, 1, 0, data, sizeof data);
    end_packet(near, LAN, &p);
    world_carry(near, far, 0, 0);
    take(&far->lan, &out);
    check_same(&out, &p);

    /* Nothing comes back any more. */
    end_restart(far);
    end_packet(near, LAN, &p);
    take(&near->wan, &out);
    end_packet(far, WAN, &out);
    far->wan.n = 0;
    for (int i = 0; i < 2; i++) {
        world->now += TEST_SECOND / 10;
        wanopt_tick(far->wanopt, world->now);
        assert_int_equal(far->wan.n, i);
    }
    far->pending = true;
    far->wan.n = 0;
    for (int i = 0; i < 100; i++) {
        world->now += TEST_SECOND / 10;
        wanopt_tick(far->wanopt, world->now);
    }
    assert_int_equal(far->wan.n, 0);
    far->pending = false;
    for (int i = 0; i < 100; i++) {
        world->now += TEST_SECOND / 10;
        wanopt_tick(far->wanopt, world->now);
    }
    assert_int_equal(far->wan.n, WANOPT_MAX_ASKED - 2);
    assert_int_equal(end_stats(far)->undecodable, 1);
    assert_int_equal(far->lan.n, 0);
    assert_true(far->n_dirty_flows > 0);

    /* The answer to a late question is of use. */
    world_carry(near, far, 0, 0);
    end_packet(near, LAN, &p);
    world_carry(near, far, 0, 0);
    take(&far->lan, &out);
    check_same(&out, &p);
}

/* Has the near end send a UDP packet with 'data', which arrives at the far
 * one, and what that says is lost. */
static void
send_alone(struct world *world, uint32_t id, const uint8_t *data)
{
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct mbox_key key = make_key(4, IPPROTO_UDP, 1, 50);
    struct packet p;

    make_packet(&p, &key, id, 0, data, MSS);
    end_packet(near, LAN, &p);
    take(&near->wan, &p);
    end_packet(far, WAN, &p);
}

/* The packet whose questions are used up is dropped, and no other: each has as
 * many questions, whatever becomes of those before it. */
static void
test_giving_up(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    uint8_t data[2][MSS];
    size_t n = 0;

    test_random_bytes(data, sizeof data);
    teach_near(world, 1, data[0], MSS);
    teach_near(world, 2, data[1], MSS);
    send_alone(world, 1, data[0]);
    send_alone(world, 2, data[1]);
    for (int dropped = 0; dropped < 2; dropped++) {
        far->wan.n = 0;
        for (n = 0; end_stats(far)->undecodable == (uint64_t) dropped; ) {
            world->now += TEST_SECOND / 10;
            wanopt_tick(far->wanopt, world->now);
            n += far->wan.n;
            far->wan.n = 0;
        }
        assert_int_equal(n, WANOPT_MAX_ASKED - 1);
    }

    /* Likewise if the other end says that it has not got them. */
    send_alone(world, 1, data[0]);
    while (far->wan.n < WANOPT_MAX_ASKED - 1) {
        world->now += TEST_SECOND / 10;
        wanopt_tick(far->wanopt, world->now);
    }
    far->wan.n = 1;
    end_restart(near);
    teach_near(world, 2, data[1], MSS);
    send_alone(world, 2, data[1]);
    far->wan.n = 1;
    world_carry(near, far, 0, 0);
    assert_int_equal(end_stats(far)->undecodable, 3);
    for (n = 0; end_stats(far)->undecodable == 3; ) {
        world->now += TEST_SECOND / 10;
        wanopt_tick(far->wanopt, world->now);
        n += far->wan.n;
        far->wan.n = 0;
    }
    assert_int_equal(n, WANOPT_MAX_ASKED - 1);
    assert_int_equal(far->lan.n, 0);
}

/* An end that finds out that the other lacks much refers to nothing, for a
 * while; what is said about it is counted. */
static void
test_other_end_lacks_much(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct mbox_key key = make_key(4, IPPROTO_UDP, 1, 2);
    static uint8_t data[WANOPT_MANY_ASKED][MSS];
    struct packet p;

    test_random_bytes(data, sizeof data);
    for (int i = 0; i < WANOPT_MANY_ASKED; i++) {
        make_packet(&p, &key, i, 0, data[i], MSS);
        assert_int_equal(pass(near, far, &p), p.len);
    }
    end_restart(far);
    for (int i = 0; i < WANOPT_MANY_ASKED; i++) {
        make_packet(&p, &key, i, 0, data[i], MSS);
        pass(near, far, &p);
    }
    assert_true(end_stats(near)->refs > 0);
    assert_int_equal(end_stats(far)->asked, WANOPT_MANY_ASKED);
    assert_int_equal(end_stats(near)->out_wan_bytes,
                     end_stats(far)->in_wan_bytes
                     + (uint64_t) WANOPT_MANY_ASKED * (p.len - 14));
    assert_int_equal(end_stats(near)->in_wan_bytes,
                     end_stats(far)->out_wan_bytes);
    assert_true(pass(near, far, &p) < p.len / 4);
    world->now += TEST_SECOND;
    assert_int_equal(pass(near, far, &p), p.len);
    world->now += WANOPT_PAUSE_SECONDS * TEST_SECOND;
    assert_true(pass(near, far, &p) < p.len / 4);
}

/* If nobody has the chunks any more the packet is dropped, and gets through
 * when it is sent again. */
static void
test_chunks_that_are_gone(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct mbox_key key = make_key(6, IPPROTO_TCP, 1, 2);
    struct packet first, p, out;
    uint8_t data[MSS];

    test_random_bytes(data, sizeof data);
    teach_near(world, 1, data, sizeof data);
    make_packet(&first, &key, 1000, TH_ACK, data, 20);
    pass(near, far, &first);
    make_packet(&p, &key, 1020, TH_ACK, data, sizeof data);
    end_packet(near, LAN, &p);
    take(&near->wan, &out);
    end_restart(near);
    end_packet(far, WAN, &out);
    world_carry(near, far, 0, 0);
    assert_int_equal(far->lan.n, 0);
    assert_true(end_stats(near)->gone > 0);
    assert_int_equal(end_stats(far)->undecodable, 1);
    assert_int_equal(pass(near, far, &p), p.len);
}

/* A segment that is sent again needs nothing of the other end. */
static void
test_retransmission(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1);
    uint32_t seq = UINT32_MAX - MSS / 2;        /* Wraps around. */
    struct packet p[2], out;
    uint8_t data[MSS];

    test_random_bytes(data, sizeof data);
    for (int i = 0; i < 2; i++) {
        make_packet(&p[i], &key, seq + i * MSS, TH_ACK, data, sizeof data);
        end_packet(near, LAN, &p[i]);
    }
    near->wan.n = 0;            /* Both are lost. */
    for (int i = 0; i < 2; i++) {
        end_packet(near, LAN, &p[i]);
        assert_int_equal(near->wan.n, 1);
        take(&near->wan, &out);
        end_packet(far, WAN, &out);
        take(&far->lan, &out);
        check_same(&out, &p[i]);
    }
    assert_int_equal(end_stats(near)->resent, 2);
    assert_int_equal(end_stats(far)->asked, 0);

    /* A new connection with the same ports begins anew; data of its SYN are
     * never encoded. */
    for (int i = 0; i < 3; i++) {
        make_packet(&p[0], &key, seq - 100000, TH_SYN, data, i ? MSS : 0);
        assert_int_equal(pass(near, far, &p[0]), p[0].len);
    }
    make_packet(&p[0], &key, seq - 100000, TH_SYN, data, 0);
    pass(near, far, &p[0]);
    make_packet(&p[0], &key, seq - 100000 + 1, TH_ACK, data, sizeof data);
    assert_true(pass(near, far, &p[0]) < p[0].len / 4);
}

/* A transfer of a file over a WAN that loses and reorders, by a sender that
 * repeats what has not arrived; ends are restarted in the middle.  Everything
 * arrives, and nothing that was not sent. */
static void
try_bad_wan(struct world *world, unsigned int loss, unsigned int swap)
{
    enum { N = 100, FILE_LEN = N / 2 * MSS };
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    static uint8_t file[FILE_LEN];
    static struct packet sent[N];
    static bool arrived[N];
    int n_arrived = 0, rounds = 0;
    struct packet out;

    test_random_bytes(file, sizeof file);
    for (int i = 0; i < N; i++) {
        struct mbox_key key = make_key(4, IPPROTO_TCP, 1, i % 3);

        /* Each part twice: the second may be a reference. */
        make_packet(&sent[i], &key, i * MSS, TH_ACK,
                    file + i % (N / 2) * MSS, MSS);
        arrived[i] = false;
    }
    while (n_arrived < N) {
        assert_true(rounds++ < 200);
        if (rounds % 7 == 3) {
            end_restart(rounds % 2 ? near : far);
        }
        for (int i = 0; i < N; i++) {
            if (!arrived[i] && test_random_range(3)) {
                end_packet(near, LAN, &sent[i]);
                if (test_random_range(2)) {
                    world_carry(near, far, loss, swap);
                }
            }
        }
        world_carry(near, far, loss, swap);
        world_wait(world, near, far, 0.1);
        while (far->lan.n) {
            uint32_t i;

            take(&far->lan, &out);
            i = get_be32(out.data + 14 + 20 + 4) / MSS;
            assert_true(i < N);
            check_same(&out, &sent[i]);
            n_arrived += !arrived[i];
            arrived[i] = true;
        }
    }
}

static void
test_bad_wan(void **state)
{
    for (int i = 0; i < test_rounds(40); i++) {
        try_bad_wan(*state, i % 4 * 10, i % 3 * 15);
    }
}

/* Content of more than the dictionaries have room for; everything passes. */
static void
test_eviction(void **state)
{
    enum { N = 3000 };
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct mbox_key key = make_key(4, IPPROTO_UDP, 1, 1);
    uint8_t data[MSS];
    struct packet p;

    for (int i = 0; i < N; i++) {
        for (int j = 0; j < MSS / 4; j++) {
            put_be32(data + 4 * j, (i % 1500 * 1000 + j) * 2654435761u);
        }
        make_packet(&p, &key, i, 0, data, sizeof data);
        pass(near, far, &p);
        if (i % 10 == 0) {
            end_restart(i % 20 ? near : far);
        }
    }
    for (int i = 0; i < N; i++) {
        test_random_bytes(data, sizeof data);
        make_packet(&p, &key, i, 0, data, sizeof data);
        pass(near, far, &p);
    }
    assert_true(end_stats(near)->evicted > 1000);
    assert_true(end_stats(far)->evicted > 1000);
}

/* Too many flows, and too many packets that wait. */
static void
test_limits(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    uint8_t data[MSS];
    struct packet p;

    test_random_bytes(data, sizeof data);
    for (int i = 0; i < 10; i++) {
        struct mbox_key key = make_key(4, IPPROTO_TCP, 1, i);

        make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
        pass(near, far, &p);
    }
    assert_int_equal(wanopt_n_flows(near->wanopt), 3);
    assert_int_equal(end_stats(near)->table_full, 7);

    end_restart(far);
    for (int i = 0; i < WANOPT_MAX_WAITING + 20; i++) {
        struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1);

        make_packet(&p, &key, 1 + (i + 1) * MSS, TH_ACK, data, sizeof data);
        end_packet(near, LAN, &p);
        take(&near->wan, &p);
        end_packet(far, WAN, &p);
    }
    assert_int_equal(end_stats(far)->waited, WANOPT_MAX_WAITING);
    assert_int_equal(end_stats(far)->waiting_full, 20);
    world_carry(near, far, 0, 0);
    assert_int_equal(far->lan.n, WANOPT_MAX_WAITING);
    far->lan.n = 0;
}

/* Frames that are damaged or forged: nothing comes of them. */
static void
test_forged(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1);
    struct packet p, message, bad;
    size_t n_flows = 0;
    uint64_t forged;
    uint8_t data[MSS];

    memset(data, 'a', sizeof data);
    make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
    end_packet(near, LAN, &p);
    take(&near->wan, &message);
    for (size_t i = 14 + 20; i < message.len; i++) {
        size_t checksum = 14 + 20 + 16;

        bad = message;
        bad.data[i] ^= 1 << test_random_range(8);
        if (i == checksum || i == checksum + 1) {
            continue;           /* Of a message nobody looks at it. */
        }
        forged = end_stats(far)->forged;
        end_packet(far, WAN, &bad);
        if (i == 14 + 20 + 12 && bad.data[i] >> 4) {
            /* Without its mark it is some packet, which no TCP takes. */
            far->lan.n = 0;
            n_flows++;
        } else {
            assert_int_equal(end_stats(far)->forged, forged + 1);
        }
        assert_int_equal(far->lan.n, 0);
    }
    assert_int_equal(end_stats(far)->malformed, 0);
    assert_int_equal(wanopt_n_flows(far->wanopt), n_flows);

    /* Nor may a host of our own site send messages. */
    end_packet(near, LAN, &message);
    assert_int_equal(near->wan.n, 0);
    assert_int_equal(end_stats(near)->inside, 1);
    end_packet(far, WAN, &message);
    take(&far->lan, &bad);
    check_same(&bad, &p);
}

/* Flows end when they are idle, or closed; not while they are pending. */
static void
test_idle(void **state)
{
    static const struct {
        uint8_t proto, flags;
        double seconds;
    } cases[] = {
        { IPPROTO_UDP, 0, WANOPT_IDLE_UDP },
        { IPPROTO_TCP, TH_ACK, WANOPT_IDLE_TCP },
        { IPPROTO_TCP, TH_RST, WANOPT_IDLE_CLOSED },
        { IPPROTO_TCP, TH_FIN, WANOPT_IDLE_CLOSED },
    };
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mbox_key key = make_key(4, cases[i].proto, 1, i);
        struct packet p;

        for (int j = 0; j < 2; j++) {
            make_packet(&p, &key, 1, cases[i].flags, "x", 1);
            pass(j ? far : near, j ? near : far, &p);
            mbox_key_reverse(&key, &key);
        }
        world_wait(world, near, far, cases[i].seconds - 1);
        assert_int_equal(wanopt_n_flows(near->wanopt), 1);
        far->pending = true;
        world_wait(world, near, far, 3);
        assert_int_equal(wanopt_n_flows(near->wanopt), 0);
        assert_int_equal(wanopt_n_flows(far->wanopt), 1);
        far->pending = false;
        world_wait(world, near, far, 3);
        assert_int_equal(wanopt_n_flows(far->wanopt), 0);
    }
    event_log_flush(near->log);
    assert_non_null(strstr(event_log_text(near->log), "\"out_wan_bytes\":"));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
#define SMALL(NAME) cmocka_unit_test_setup_teardown(NAME, setup_small, \
                                                    teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_redundancy),
        TEST(test_other_packets),
        TEST(test_compression),
        TEST(test_any_packet),
        TEST(test_wrong_checksum),
        TEST(test_other_frames),
        TEST(test_fragmentation),
        TEST(test_chunks_are_asked_for),
        TEST(test_questions_are_repeated),
        TEST(test_giving_up),
        TEST(test_other_end_lacks_much),
        TEST(test_chunks_that_are_gone),
        TEST(test_retransmission),
        TEST(test_bad_wan),
        SMALL(test_eviction),
        SMALL(test_limits),
        TEST(test_forged),
        TEST(test_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
