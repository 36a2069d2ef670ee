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

/* State that moves between instances of mbox-lb. */

#include <config.h>
#include "lb-test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mbox-wire.h"

static struct world a, b;

/* The configuration, in which the backends b1 get no new connections. */
static const char *
drained_config(void)
{
    static char text[2 * 1024];
    char line[128];
    int len;

    text[0] = '\0';
    for (const char *p = test_config_text;
         sscanf(p, "%127[^\n]\n%n", line, &len) == 1; p += len) {
        strcat(text, line);
        strcat(text, strstr(line, "backend b1") ? " weight=0\n" : "\n");
    }
    return text;
}

/* In 'b' new connections go to other backends, so that only the state tells
 * where one belongs. */
static int
set_up(void **state)
{
    (void) state;
    world_init(&a, test_config_text);
    world_init(&b, drained_config());
    world_run(&a, 1);
    world_run(&b, 1);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    world_uninit(&a);
    world_uninit(&b);
    return 0;
}

/* Exports the connection 'key' of 'from'. */
static int
get(struct world *from, const struct mbox_key *key, struct mbox_writer *w,
    struct mbox_key *back)
{
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    lb_set_time(from->lb, from->now);
    mbox_writer_init(w, MBOX_WRITER_LIMIT);
    return lb_state_get(from->lb, &canonical, w, back);
}

static int
put(struct world *to, const struct mbox_key *key, const void *data,
    size_t len)
{
    uint8_t *copy = test_memdup(data, len);
    struct mbox_key canonical;
    int retval;

    mbox_key_canonical(key, &canonical);
    lb_set_time(to->lb, to->now);
    retval = lb_state_put(to->lb, &canonical, copy, len);
    free(copy);
    return retval;
}

static void
move(struct world *from, struct world *to, const struct mbox_key *key)
{
    struct mbox_key back, canonical;
    struct mbox_writer w;

    assert_int_equal(get(from, key, &w, &back), 0);
    assert_int_equal(put(to, key, w.data, w.len), 0);
    mbox_key_canonical(key, &canonical);
    assert_int_equal(lb_state_del(from->lb, &canonical), 0);
    mbox_writer_uninit(&w);
}

static const struct {
    uint8_t proto;
    const char *key;
} cases[] = {
    { IPPROTO_TCP, "10.0.1.1 1000 10.0.255.1 80" },
    { IPPROTO_TCP, "10.1.1.1 1000 10.0.255.1 80" },     /* Key reversed. */
    { IPPROTO_UDP, "fd00::99 1000 fd00::255:1 53" },
    { IPPROTO_TCP, "fd00::99 1000 fd00::255:2 80" },
    { IPPROTO_UDP, "10.0.1.1 1000 10.0.255.2 53" },
};
#define N_CASES (sizeof cases / sizeof cases[0])

/* Connections move at every packet, and stay at their backends. */
static void
test_move(void **state)
{
    static const struct {
        bool from_client;
        uint8_t flags;
    } packets[] = {
        { false, TH_SYN | TH_ACK }, { true, TH_ACK },
        { true, TH_ACK | TH_PUSH }, { false, TH_ACK },
        { true, TH_ACK | TH_FIN }, { false, TH_ACK },
        { false, TH_ACK | TH_FIN }, { true, TH_ACK },
    };

    (void) state;
    for (int i = 0; i < 100; i++) {
        struct mbox_key key = make_key(cases[i % N_CASES].proto,
                                       cases[i % N_CASES].key);
        struct world *worlds[] = { &a, &b };
        struct mbox_key to_client;
        struct packet first, p;
        bool nat;

        key.src_port += i;
        assert_int_equal(world_send(&a, &key, TH_SYN, &first), LB_FORWARD);
        mbox_key_reverse(&first.key, &to_client);
        nat = memcmp(first.key.dst, key.dst, 16);
        for (size_t j = 0; j < sizeof packets / sizeof packets[0]; j++) {
            struct world *from = worlds[j % 2], *to = worlds[(j + 1) % 2];

            move(from, to, &key);
            assert_int_equal(lb_n_conns(b.lb), to == &b);
            if (packets[j].from_client) {
                assert_int_equal(world_send(to, &key, packets[j].flags, &p),
                                 LB_FORWARD);
                assert_int_equal(packet_backend(&p), packet_backend(&first));
                assert_true(mbox_key_equal(&p.key, &first.key));
            } else if (nat) {
                assert_int_equal(world_send(to, &to_client, packets[j].flags,
                                            &p), LB_FORWARD);
                mbox_key_reverse(&p.key, &p.key);
                assert_true(mbox_key_equal(&p.key, &key));
                assert_memory_equal(p.data, "\x02\xaa\0\0\0\1", 6);
            }
        }
        assert_int_equal(lb_n_conns(a.lb), i + 1);
    }
    assert_int_equal(lb_get_stats(a.lb)->created, 100);
    assert_int_equal(lb_get_stats(b.lb)->created, 0);
    assert_int_equal(count_events(&a, "\"connection\":"), 0);
    assert_int_equal(count_events(&b, "\"connection\":"), 0);
}

struct listed {
    int n, n_aliases;
};

static int
count_listed(void *listed_, const struct mbox_key *key,
             const struct mbox_key *back)
{
    struct listed *listed = listed_;
    struct mbox_key canonical;

    assert_false(mbox_key_canonical(key, &canonical));
    listed->n++;
    listed->n_aliases += back != NULL;
    return 0;
}

/* The alias that a chunk lists is the key of what comes back. */
static void
test_alias(void **state)
{
    (void) state;
    for (size_t i = 0; i < N_CASES; i++) {
        struct mbox_key key = make_key(cases[i].proto, cases[i].key);
        struct mbox_key back, expected;
        struct mbox_writer w;
        struct packet p;

        world_send(&a, &key, TH_SYN, &p);
        mbox_key_reverse(&p.key, &expected);
        assert_int_equal(get(&a, &key, &w, &back), 0);
        if (memcmp(p.key.dst, key.dst, 16)) {
            assert_true(mbox_key_equal(&back, &expected));
        } else {
            assert_int_equal(back.family, 0);
        }
        mbox_writer_uninit(&w);
    }

    struct listed listed = { 0, 0 };
    lb_state_list(a.lb, count_listed, &listed);
    assert_int_equal(listed.n, N_CASES);
    assert_int_equal(listed.n_aliases, 3);
}

/* What comes back is what went: export, import and export give equal bytes.
 * The clocks of the instances differ, and time goes on between. */
static void
test_round_trip(void **state)
{
    struct mbox_writer w, again;
    struct mbox_key key, back;
    struct packet p;

    (void) state;
    for (size_t i = 0; i < N_CASES; i++) {
        key = make_key(cases[i].proto, cases[i].key);
        world_send(&a, &key, TH_SYN, &p);
        if (i % 2) {
            world_send(&a, &key, TH_FIN | TH_ACK, &p);
        }
        a.now += 3 * TEST_SECOND;
        assert_int_equal(get(&a, &key, &w, &back), 0);

        world_run(&b, 1000);
        assert_int_equal(put(&b, &key, w.data, w.len), 0);
        assert_int_equal(get(&b, &key, &again, &back), 0);
        assert_int_equal(w.len, again.len);
        assert_memory_equal(w.data, again.data, w.len);

        /* Again, newer: it replaces. */
        assert_int_equal(put(&b, &key, w.data, w.len), 0);
        assert_int_equal(lb_n_conns(b.lb), 1);
        mbox_writer_uninit(&w);
        mbox_writer_uninit(&again);
        lb_finish(b.lb, b.now);
    }
}

/* How long it has been idle counts, not by which clock. */
static void
test_idle_time(void **state)
{
    struct mbox_key key = make_key(cases[0].proto, cases[0].key);
    struct mbox_writer w;
    struct mbox_key back;
    struct packet p;

    (void) state;
    world_send(&a, &key, TH_SYN, &p);
    a.now += 20 * TEST_SECOND;
    assert_int_equal(get(&a, &key, &w, &back), 0);
    b.now += 1000 * TEST_SECOND;
    assert_int_equal(put(&b, &key, w.data, w.len), 0);
    mbox_writer_uninit(&w);
    world_run(&b, 9);
    assert_int_equal(lb_n_conns(b.lb), 1);
    world_run(&b, 2);
    assert_int_equal(lb_n_conns(b.lb), 0);
}

/* A backend that the other instance does not have, or a service. */
static void
test_other_config(void **state)
{
    struct mbox_key key = make_key(cases[0].proto, cases[0].key);
    struct mbox_writer w, config;
    struct mbox_key back;
    struct world other;
    struct packet p;

    (void) state;
    world_send(&a, &key, TH_SYN, &p);
    assert_int_equal(get(&a, &key, &w, &back), 0);
    world_init(&other, "mac 02:00:00:00:00:01\n"
               "service web tcp 10.0.255.1:80\nbackend x 10.0.254.9:80\n");
    assert_int_equal(put(&other, &key, w.data, w.len), -EADDRNOTAVAIL);
    key.dst_port++;
    assert_int_equal(put(&b, &key, w.data, w.len), -EADDRNOTAVAIL);
    mbox_writer_uninit(&w);

    mbox_writer_init(&config, MBOX_WRITER_LIMIT);
    lb_config_get(a.lb, &config);
    assert_int_equal(lb_config_put(a.lb, config.data, config.len), 0);
    assert_int_equal(lb_config_put(b.lb, config.data, config.len),
                     -EADDRNOTAVAIL);
    assert_int_equal(lb_config_put(a.lb, config.data, config.len - 1),
                     -EPROTO);
    mbox_writer_uninit(&config);
    world_uninit(&other);
}

/* A new instance believes what another has found out; one that has checked
 * for itself does not. */
static void
test_health(void **state)
{
    struct mbox_key key = make_key(cases[0].proto, cases[0].key);
    struct world fresh, other;
    struct mbox_writer w;
    struct packet p;

    (void) state;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    lb_health_get(a.lb, &w);
    world_init(&fresh, test_config_text);
    assert_int_equal(world_send(&fresh, &key, TH_SYN, &p), LB_DROP);
    assert_int_equal(lb_health_put(fresh.lb, w.data, w.len), 0);
    assert_int_equal(world_send(&fresh, &key, TH_SYN, &p), LB_FORWARD);
    packet_backend(&p);
    world_uninit(&fresh);

    world_init(&other, test_config_text);
    other.dead[1] = true;
    world_run(&other, 1.5);
    assert_int_equal(lb_health_put(other.lb, w.data, w.len), 0);
    for (int i = 0; i < 200; i++) {
        key.src_port++;
        assert_int_equal(world_send(&other, &key, TH_SYN, &p), LB_FORWARD);
        assert_int_not_equal(packet_backend(&p), 1);
    }
    world_uninit(&other);
    mbox_writer_uninit(&w);
}

/* Damaged state is refused and changes nothing, or is some state that could
 * be. */
static void
test_hostile(void **state)
{
    struct mbox_writer w[N_CASES], health;
    struct mbox_key keys[N_CASES], back;
    struct packet p;

    (void) state;
    for (size_t i = 0; i < N_CASES; i++) {
        keys[i] = make_key(cases[i].proto, cases[i].key);
        world_send(&a, &keys[i], TH_SYN, &p);
        assert_int_equal(get(&a, &keys[i], &w[i], &back), 0);
        for (size_t len = 0; len < w[i].len; len++) {
            assert_int_equal(put(&b, &keys[i], w[i].data, len), -EPROTO);
        }
    }
    mbox_writer_init(&health, MBOX_WRITER_LIMIT);
    lb_health_get(a.lb, &health);
    assert_int_equal(lb_n_conns(b.lb), 0);

    for (int i = 0; i < test_rounds(50000); i++) {
        const struct mbox_writer *from = i % 8 ? &w[i % N_CASES] : &health;
        uint8_t *copy = test_memdup(from->data, from->len);
        struct mbox_key key = keys[test_random_range(N_CASES)];
        size_t before = lb_n_conns(b.lb);
        int error;

        for (uint32_t n = test_random_range(4); n; n--) {
            copy[test_random_range(from->len)] = test_random();
        }
        if (!test_random_range(10)) {
            ((uint8_t *) &key)[test_random_range(sizeof key)] = test_random();
        }
        if (from == &health) {
            error = lb_health_put(b.lb, copy, from->len);
        } else {
            error = put(&b, &key, copy, from->len);
        }
        free(copy);
        if (error) {
            assert_int_equal(lb_n_conns(b.lb), before);
        }
        if (i % 100 == 0) {
            for (size_t j = 0; j < N_CASES; j++) {
                world_send(&b, &keys[j], test_random(), &p);
            }
            world_run(&b, 1);
        }
    }
    lb_finish(b.lb, b.now);
    assert_int_equal(lb_n_conns(b.lb), 0);
    for (size_t i = 0; i < N_CASES; i++) {
        mbox_writer_uninit(&w[i]);
    }
    mbox_writer_uninit(&health);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_move),
        TEST(test_alias),
        TEST(test_round_trip),
        TEST(test_idle_time),
        TEST(test_other_config),
        TEST(test_health),
        TEST(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
