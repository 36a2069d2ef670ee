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

/* When a policy scales, with a clock and figures that the test makes up. */

#include <config.h>
#include "mbox-policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "util.h"

#define INTERVAL_MS 10000
#define SETTING "packets=100:1000 space=ip,nw_dst=1.2.3.4 max=4"

struct world {
    struct mbox_policy policy;
    struct mbox_policy_config config;
    struct mbox_policy_instance instances[8];
    size_t n, n_dead;
    bool busy;
    long long now_ms;
};

static void
world_init(struct world *w, const char *setting)
{
    char *error;

    memset(w, 0, sizeof *w);
    error = mbox_policy_parse(setting, &w->config);
    assert_null(error);
    mbox_policy_init(&w->policy);
}

/* Adds an instance whose measures all are 'value'; the first has all shares,
 * and stays. */
static struct mbox_policy_instance *
add(struct world *w, uint64_t value)
{
    static const char *names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    struct mbox_policy_instance *instance = &w->instances[w->n];

    assert_true(w->n < ARRAY_SIZE(w->instances));
    memset(instance, 0, sizeof *instance);
    instance->name = names[w->n];
    instance->stays = !w->n;
    for (size_t i = 0; i < MBOX_POLICY_N_MEASURES; i++) {
        instance->figures[i].known = true;
        instance->figures[i].value = value;
    }
    for (size_t i = 0; i < MBOX_POLICY_SHARES; i++) {
        instance->shares[i] = !w->n;
    }
    w->n++;
    return instance;
}

/* Lets an interval pass. */
static struct mbox_policy_decision
pass(struct world *w)
{
    struct mbox_policy_input input = {
        .instances = w->instances,
        .n = w->n,
        .n_all = w->n + w->n_dead,
        .busy = w->busy,
    };
    struct mbox_policy_decision d;

    w->now_ms += INTERVAL_MS;
    mbox_policy_judge(&w->policy, &w->config, &input, w->now_ms, &d);
    return d;
}

/* Lets 'n' intervals pass in which nothing is to happen. */
static void
pass_idle(struct world *w, unsigned int n)
{
    while (n--) {
        assert_int_equal(pass(w).action, MBOX_POLICY_NOTHING);
    }
}

static void
world_destroy(struct world *w)
{
    mbox_policy_config_destroy(&w->config);
}

static void
test_parse(void **state OVS_UNUSED)
{
    static const char *const wrong[] = {
        "", "packets=1:2", "packets=1:2 max=3", "packets=1:2 space=ip",
        "space=ip max=3", "packets=2:1 space=ip max=3",
        "packets=1 space=ip max=3", "packets=1:2x space=ip max=3",
        "packets=1:2 space=ip max=0", "packets=1:2 space=ip max=129",
        "packets=1:2 space=ip max=3 min=4", "packets=1:2 space=ip max=3 min=0",
        "packets=1:2 space=ip max=3 interval=0",
        "packets=1:2 space=ip max=3 interval=nan",
        "packets=1:2 space=ip max=3 pause=-1",
        "packets=1:2 space=ip max=3 cpu=2:1",
        "packets=1:2 space=ip max=3 load=1:2",
        "packets=1:2 space=ip max=3 intervals",
        "packets=1:2 space=ip max=3 interval=0.4",
        "packets=1:2 space=ip max=3 pause=0",
        "packets=1:-1 space=ip max=3", "packets=+1:2 space=ip max=3",
        "packets=1:\t2 space=ip max=3", "packets=:2 space=ip max=3",
        "packets=1: space=ip max=3", "packets=1:2 space=ip max=+3",
        "packets=1:9223372036854775808 space=ip max=3",
        "packets=1:99999999999999999999999999 space=ip max=3",
        "packets=1:2 packets=1:2 space=ip max=3",
        "packets=1:2 space=ip space=ip max=3",
    };
    struct mbox_policy_config config;
    char *error;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        error = mbox_policy_parse(wrong[i], &config);
        assert_non_null(error);
        free(error);
    }

    error = mbox_policy_parse("packets=1:2 space=tcp,nw_dst=1.2.3.4 max=3",
                              &config);
    assert_null(error);
    assert_true(config.marks[MBOX_POLICY_PACKETS].given);
    assert_int_equal(config.marks[MBOX_POLICY_PACKETS].low, 1);
    assert_int_equal(config.marks[MBOX_POLICY_PACKETS].high, 2);
    assert_false(config.marks[MBOX_POLICY_FLOWS].given);
    assert_false(config.marks[MBOX_POLICY_CPU].given);
    assert_string_equal(config.space, "tcp,nw_dst=1.2.3.4");
    assert_int_equal(config.min, 1);
    assert_int_equal(config.max, 3);
    assert_int_equal(config.intervals, 3);
    assert_int_equal(config.interval_ms, 10000);
    assert_int_equal(config.pause_ms, 60000);
    mbox_policy_config_destroy(&config);

    error = mbox_policy_parse(" flows=0:0 space=udp  max=9 min=2 "
                              "interval=0.5 intervals=1 pause=1", &config);
    assert_null(error);
    assert_true(config.marks[MBOX_POLICY_FLOWS].given);
    assert_string_equal(config.space, "udp");
    assert_int_equal(config.min, 2);
    assert_int_equal(config.interval_ms, 500);
    assert_int_equal(config.intervals, 1);
    assert_int_equal(config.pause_ms, 1000);
    mbox_policy_config_destroy(&config);

    error = mbox_policy_parse("cpu=20:80 space=udp max=2", &config);
    assert_null(error);
    assert_int_equal(config.marks[MBOX_POLICY_CPU].low, 20);
    assert_int_equal(config.marks[MBOX_POLICY_CPU].high, 80);
    mbox_policy_config_destroy(&config);
}

/* Out after as many intervals on end as there have to be, not at the mark but
 * above it, and not again before the pause is over. */
static void
test_out(void **state OVS_UNUSED)
{
    struct mbox_policy_decision d;
    struct world w;

    world_init(&w, SETTING);
    add(&w, 1000);
    pass_idle(&w, 10);

    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 1001;
    pass_idle(&w, 2);
    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 1000;
    pass_idle(&w, 1);
    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 1001;
    pass_idle(&w, 2);
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_OUT);
    assert_string_equal(d.instance, "a");
    assert_int_equal(d.share, 2);
    assert_int_equal(d.share_of, 2);
    assert_string_equal(d.why, "a has 1001 packets/s, above 1000");

    /* 60 s of pause, of which the last interval counts again. */
    pass_idle(&w, 5 + 2);
    assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);

    /* What is not known is not above anything. */
    w.instances[0].figures[MBOX_POLICY_PACKETS].known = false;
    pass_idle(&w, 20);
    world_destroy(&w);
}

/* While something is open nothing is decided, nor in the pause after it. */
static void
test_busy(void **state OVS_UNUSED)
{
    struct world w;

    world_init(&w, SETTING);
    add(&w, 5000);
    pass_idle(&w, 2);
    w.busy = true;
    pass_idle(&w, 20);
    w.busy = false;
    pass_idle(&w, 5 + 2);
    assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);
    world_destroy(&w);

    world_init(&w, SETTING " intervals=1 pause=1");
    add(&w, 5000);
    w.busy = true;
    pass_idle(&w, 1);
    w.busy = false;
    assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);
    world_destroy(&w);
}

/* Each failure on end doubles the pause, up to an hour; a success ends
 * that. */
static void
test_failures(void **state OVS_UNUSED)
{
    struct world w;

    world_init(&w, SETTING " intervals=1 pause=60");
    add(&w, 5000);
    assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);
    for (int minutes = 2; minutes <= 64; minutes *= 2) {
        mbox_policy_ended(&w.policy, &w.config, false, w.now_ms);
        pass_idle(&w, 6 * MIN(minutes, 60) - 1);
        assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);
    }
    for (int i = 0; i < 100; i++) {
        mbox_policy_ended(&w.policy, &w.config, false, w.now_ms);
    }
    pass_idle(&w, 6 * 60 - 1);
    assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);

    mbox_policy_ended(&w.policy, &w.config, true, w.now_ms);
    pass_idle(&w, 5);
    assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);
    world_destroy(&w);
}

static void
test_bounds(void **state OVS_UNUSED)
{
    struct mbox_policy_decision d;
    struct world w;

    /* At most so many, with those that are not live. */
    world_init(&w, SETTING);
    add(&w, 5000);
    w.n_dead = 3;
    pass_idle(&w, 2);
    for (int i = 0; i < 3; i++) {
        d = pass(&w);
        assert_int_equal(d.action, MBOX_POLICY_BLOCKED);
        assert_string_equal(d.why, "a has 5000 packets/s, above 1000, but "
                            "the class has max=4 instances already");
    }
    w.n_dead = 2;
    assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);
    world_destroy(&w);

    /* At least so many, even if they have nothing to do. */
    world_init(&w, SETTING " min=2");
    add(&w, 0);
    pass_idle(&w, 2);
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_OUT);
    assert_string_equal(d.why, "the class has fewer than 2 instances");
    add(&w, 0);
    pass_idle(&w, 20);
    add(&w, 0);
    pass_idle(&w, 2);
    assert_int_equal(pass(&w).action, MBOX_POLICY_IN);
    world_destroy(&w);

    /* Nobody is there to give flows. */
    world_init(&w, SETTING " min=2");
    pass_idle(&w, 20);
    world_destroy(&w);
}

/* In: the two that have the least, if together they are not above the mark,
 * and never the one that stays. */
static void
test_in(void **state OVS_UNUSED)
{
    struct mbox_policy_decision d;
    struct world w;

    world_init(&w, SETTING);
    add(&w, 20);
    add(&w, 70);
    add(&w, 80);
    pass_idle(&w, 2);
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_IN);
    assert_string_equal(d.instance, "b");
    assert_string_equal(d.peer, "a");
    assert_string_equal(d.why,
                        "b and a have together 90 packets/s (low mark 100)");

    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 31;
    pass_idle(&w, 20);
    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 30;
    pass_idle(&w, 2);
    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 31;
    pass_idle(&w, 1);
    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 30;
    pass_idle(&w, 2);
    assert_int_equal(pass(&w).action, MBOX_POLICY_IN);

    /* A third that is above the high mark comes first, ... */
    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 2000;
    w.instances[1].figures[MBOX_POLICY_PACKETS].value = 0;
    w.instances[2].figures[MBOX_POLICY_PACKETS].value = 0;
    pass_idle(&w, 5 + 2);
    assert_int_equal(pass(&w).action, MBOX_POLICY_OUT);

    /* ... one between the marks does not matter, ... */
    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 900;
    pass_idle(&w, 5 + 2);
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_IN);
    assert_string_equal(d.instance, "b");
    assert_string_equal(d.peer, "c");

    /* ... and one that nothing is known of stays as it is, but does not keep
     * others. */
    w.instances[1].figures[MBOX_POLICY_PACKETS].known = false;
    pass_idle(&w, 20);
    add(&w, 90);
    pass_idle(&w, 2);
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_IN);
    assert_string_equal(d.instance, "c");
    assert_string_equal(d.peer, "d");
    world_destroy(&w);

    /* What only blocks a scale-out does not keep others, either. */
    world_init(&w, "packets=100:1000 space=ip max=3");
    add(&w, 5000);
    add(&w, 10);
    add(&w, 20);
    pass_idle(&w, 2);
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_IN);
    assert_string_equal(d.instance, "b");
    assert_string_equal(d.peer, "c");
    world_destroy(&w);

    /* A sum that overflows. */
    world_init(&w, SETTING);
    w.config.marks[MBOX_POLICY_PACKETS].high = UINT64_MAX;
    add(&w, UINT64_MAX);
    add(&w, 1);
    pass_idle(&w, 20);
    world_destroy(&w);

    /* Nobody may go. */
    world_init(&w, SETTING);
    add(&w, 0);
    add(&w, 0)->stays = true;
    pass_idle(&w, 20);
    world_destroy(&w);
}

/* With two measures: out if either is above, in if both are below. */
static void
test_measures(void **state OVS_UNUSED)
{
    struct mbox_policy_decision d;
    struct world w;

    world_init(&w, SETTING " flows=10:50 intervals=1 pause=1");
    add(&w, 5);
    add(&w, 5);
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_IN);
    assert_string_equal(d.why, "b and a have together 10 packets/s (low mark "
                        "100) 10 flows (low mark 10)");
    w.instances[1].figures[MBOX_POLICY_FLOWS].value = 6;
    pass_idle(&w, 20);
    w.instances[0].figures[MBOX_POLICY_FLOWS].value = 51;
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_OUT);
    assert_string_equal(d.why, "a has 51 flows, above 50");
    world_destroy(&w);

    world_init(&w, "cpu=20:80 space=ip,nw_dst=1.2.3.4 max=9 intervals=1");
    add(&w, 81);
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_OUT);
    assert_string_equal(d.why, "a has 81 % CPU, above 80");
    world_destroy(&w);
}

/* The one with the most to do that can be divided gives flows. */
static void
test_giver(void **state OVS_UNUSED)
{
    struct mbox_policy_decision d;
    struct world w;

    world_init(&w, SETTING " intervals=1 pause=1");
    add(&w, 2000);
    add(&w, 3000)->shares[1] = true;
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_OUT);
    assert_string_equal(d.instance, "a");

    w.instances[1].shares[3] = true;
    w.instances[0].figures[MBOX_POLICY_PACKETS].value = 0;
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_BLOCKED);
    assert_string_equal(d.why, "b has no part of the flow space that can be "
                        "divided");
    w.instances[1].shares[65] = true;
    d = pass(&w);
    assert_int_equal(d.action, MBOX_POLICY_OUT);
    assert_string_equal(d.instance, "b");
    assert_int_equal(d.share, 66);
    assert_int_equal(d.share_of, 128);
    world_destroy(&w);
}

/* From one instance that has all to one for each share, each new one taking
 * from whoever has the most: all then have the same. */
static void
test_shares(void **state OVS_UNUSED)
{
    static bool shares[MBOX_POLICY_SHARES][MBOX_POLICY_SHARES];
    unsigned int share, share_of;

    memset(shares[0], true, sizeof shares[0]);
    for (size_t n = 1; n < MBOX_POLICY_SHARES; n++) {
        size_t max = 0, giver = 0;
        size_t moved = 0;

        for (size_t i = 0; i < n; i++) {
            size_t sum = 0;

            for (size_t j = 0; j < MBOX_POLICY_SHARES; j++) {
                sum += shares[i][j];
            }
            if (sum > max) {
                max = sum;
                giver = i;
            }
        }
        assert_true(mbox_policy_choose_share(shares[giver], &share,
                                             &share_of));
        assert_true(is_pow2(share_of) && share >= 1 && share <= share_of);
        for (size_t j = share - 1; j < MBOX_POLICY_SHARES; j += share_of) {
            assert_true(shares[giver][j]);
            shares[giver][j] = false;
            shares[n][j] = true;
            moved++;
        }
        assert_int_equal(moved, max / 2);
    }
    for (size_t i = 0; i < MBOX_POLICY_SHARES; i++) {
        assert_false(mbox_policy_choose_share(shares[i], &share, &share_of));
    }
}

/* Under a load that does not change, whatever it is, the policy comes to
 * rest: here each share has the same load, and what is decided happens. */
static void
test_rest(void **state OVS_UNUSED)
{
    for (uint64_t load = 0; load < 10000; load += 97) {
        struct world w;
        int idle = 0;

        world_init(&w, "packets=1000:1000 space=ip max=8 intervals=1 pause=1");
        add(&w, load);
        for (int i = 0; idle < 3; i++) {
            struct mbox_policy_decision d = pass(&w);
            size_t from = 0, to = 0;

            assert_true(i < 30);
            idle++;
            for (size_t j = 0; j < w.n; j++) {
                from = d.instance == w.instances[j].name ? j : from;
                to = d.peer == w.instances[j].name ? j : to;
            }
            if (d.action == MBOX_POLICY_OUT) {
                idle = 0;
                to = w.n;
                add(&w, 0);
                for (size_t j = d.share - 1; j < MBOX_POLICY_SHARES;
                     j += d.share_of) {
                    w.instances[from].shares[j] = false;
                    w.instances[to].shares[j] = true;
                }
            }
            assert_int_not_equal(d.action, MBOX_POLICY_IN);
            for (size_t j = 0; j < w.n; j++) {
                size_t n = 0;

                for (size_t k = 0; k < MBOX_POLICY_SHARES; k++) {
                    n += w.instances[j].shares[k];
                }
                w.instances[j].figures[MBOX_POLICY_PACKETS].value
                    = load * n / MBOX_POLICY_SHARES;
            }
        }
        world_destroy(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_out),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_in),
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_giver),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
