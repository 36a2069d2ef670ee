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
#include "test-transfer-direct.h"
#include "test-transfer-stub.h"
#include "test-transfer-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "openvswitch/vlog.h"
#include "util.h"

/* Usage:
 *
 *     test-transfer                    all tests
 *     test-transfer random N [FIRST]   N random scenarios from seed FIRST
 *     test-transfer seed SEED          one of them, with a trace
 *     test-transfer fault SCENARIO FAULT EVENT     one fault, with a trace */

/* Scenarios. */

static struct world_scenario scenarios[64];
static size_t n_scenarios;

static struct world_scenario *
add_scenario(enum mbox_method method, enum mbox_guarantee guarantee,
             uint32_t options, const char *more)
{
    struct world_scenario *s = &scenarios[n_scenarios++];

    ovs_assert(n_scenarios <= ARRAY_SIZE(scenarios));
    *s = (struct world_scenario) {
        .method = method, .guarantee = guarantee, .options = options,
        .n_flows = WORLD_FLOWS, .interval_us = 20, .service_us = 8,
        .delay_us = 60, .arm_us = 150, .n_before = 30, .n_packets = 150,
        .seed = n_scenarios,
    };
    s->name = xasprintf("%s %s%s%s%s%s", mbox_method_to_string(method),
                        mbox_guarantee_to_string(guarantee),
                        options & MBOX_OPT_PRECOPY ? " pre-copy" : "",
                        options & MBOX_OPT_EARLY_RELEASE ? " early" : "",
                        options & MBOX_OPT_VIA_CHANNEL ? " channel" : "",
                        more);
    return s;
}

static void
make_scenarios(void)
{
    const enum mbox_method hold = MBOX_METHOD_HOLD;
    const enum mbox_method events = MBOX_METHOD_EVENTS;
    const enum mbox_guarantee ordered = MBOX_GUARANTEE_ORDER_PRESERVING;
    const uint32_t both = MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE;

    for (int guarantee = MBOX_GUARANTEE_NONE; guarantee <= ordered;
         guarantee++) {
        add_scenario(hold, guarantee, 0, "");
        add_scenario(hold, guarantee, MBOX_OPT_PRECOPY, "");
        add_scenario(hold, guarantee, MBOX_OPT_EARLY_RELEASE, "");
        add_scenario(hold, guarantee, both, "");
        add_scenario(events, guarantee, 0, "");
        add_scenario(events, guarantee, MBOX_OPT_VIA_CHANNEL, "");
    }
    add_scenario(events, ordered, 0, " by duplicate")->last_packet
        = MBOX_LAST_BY_DUPLICATE;
    add_scenario(events, ordered, MBOX_OPT_VIA_CHANNEL, " by duplicate")
        ->last_packet = MBOX_LAST_BY_DUPLICATE;
    add_scenario(MBOX_METHOD_COPY, ordered, 0, "");

    /* Many held packets, so that draining is paced. */
    for (int ignore = 0; ignore < 2; ignore++) {
        struct world_scenario *s;

        for (int early = 0; early < 2; early++) {
            s = add_scenario(hold, ordered, early ? both : 0,
                             ignore ? " many unanswered" : " many");
            s->interval_us = 1;
            s->n_packets = 700;
            s->agents_ignore_pacing = ignore;
        }
        s = add_scenario(events, ordered, 0,
                         ignore ? " many unanswered" : " many");
        s->interval_us = 1;
        s->n_packets = 700;
        s->agents_ignore_pacing = ignore;
    }

    add_scenario(hold, ordered, both, " no flows")->n_flows = 0;
    add_scenario(events, ordered, 0, " no flows")->n_flows = 0;
    add_scenario(hold, ordered, both, " one flow")->n_flows = 1;
    add_scenario(hold, ordered, both, " no traffic")->n_packets = 30;
    add_scenario(events, ordered, 0, " no traffic")->n_packets = 30;
    add_scenario(hold, ordered, both, " slow to arm")->arm_us = 5000;
    add_scenario(events, ordered, 0, " slow to arm")->arm_us = 5000;
}

/* Tests. */

static void
test_success(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < n_scenarios; i++) {
        struct world *w = world_run(&scenarios[i], FAULT_NONE, 0, false);
        const char *complaint = world_check(w);

        if (complaint) {
            fail_msg("%s: %s", scenarios[i].name, complaint);
        }
        world_destroy(w);
    }
}

static void
test_open_fails(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < n_scenarios; i++) {
        if (scenarios[i].method != MBOX_METHOD_COPY) {
            struct world_scenario s = scenarios[i];

            s.dp_open_fails = true;
            struct world *w = world_run(&s, FAULT_NONE, 0, false);
            const char *complaint = world_check(w);

            if (complaint) {
                fail_msg("%s: %s", s.name, complaint);
            }
            assert_non_null(strstr(w->report.error, "could not steer"));
            world_destroy(w);
        }
    }
}

/* Every fault behind every event of every scenario; for those that have many
 * events, or under valgrind, behind every other one, or every third, ... */
static void
test_faults(void **state OVS_UNUSED)
{
    unsigned long max_places = getenv("MBOX_TEST_SHORT") ? 2 : 300;
    unsigned long n_runs = 0, n_failed = 0;

    for (size_t i = 0; i < n_scenarios; i++) {
        struct world *w = world_run(&scenarios[i], FAULT_NONE, 0, false);
        unsigned long n_events = w->n_events;

        world_destroy(w);
        for (int fault = FAULT_NONE + 1; fault < N_FAULTS; fault++) {
            for (unsigned long k = 0; k < n_events;
                 k += 1 + n_events / max_places) {
                const char *complaint;

                w = world_run(&scenarios[i], fault, k, false);
                complaint = world_check(w);
                if (complaint) {
                    n_failed++;
                    print_error("%s, %s behind event %lu: %s (%s)\n",
                                scenarios[i].name,
                                world_fault_to_string(fault), k, complaint,
                                w->report.error);
                    k = n_events;
                }
                n_runs++;
                world_destroy(w);
            }
        }
    }
    print_message("%lu runs\n", n_runs);
    assert_int_equal(n_failed, 0);
}

/* Makes a scenario, a fault and its place of 'seed'. */
static void
random_scenario(uint64_t seed, struct world_scenario *s,
                enum world_fault *fault, unsigned long *fault_at)
{
    uint64_t r = (seed + 1) * 0x9e3779b97f4a7c15ull;

    r ^= r >> 29;
    r *= 0xbf58476d1ce4e5b9ull;
    r ^= r >> 32;
    *s = scenarios[r % n_scenarios];
    r /= n_scenarios;
    s->seed = seed;
    if (s->n_flows > 1) {
        s->n_flows = 1 + r % WORLD_FLOWS;
    }
    r /= WORLD_FLOWS;
    s->interval_us = 1 + r % 40;
    r /= 40;
    s->service_us = 1 + r % 20;
    r /= 20;
    s->delay_us = 1 + r % 500;
    r /= 500;
    s->arm_us = 1 + r % 2000;
    r /= 2000;
    s->port_loss = r % 3 ? 0 : 50;
    r /= 3;
    *fault = r % 2 ? FAULT_NONE : (r / 2) % N_FAULTS;
    r = r / 2 / N_FAULTS;
    *fault_at = r % 600;

    /* Every tenth has two faults. */
    if (seed % 10 == 0) {
        r = r * 0x94d049bb133111ebull + seed;
        s->second_fault = (r >> 40) % N_FAULTS;
        s->second_fault_at = (r >> 20) % 600;
    }
}

static unsigned long
run_random(unsigned long n, uint64_t first)
{
    unsigned long n_failed = 0;

    for (uint64_t seed = first; seed < first + n; seed++) {
        struct world_scenario s;
        enum world_fault fault;
        unsigned long fault_at;

        random_scenario(seed, &s, &fault, &fault_at);
        struct world *w = world_run(&s, fault, fault_at, false);
        const char *complaint = world_check(w);
        if (complaint) {
            n_failed++;
            print_error("seed %llu: %s, %s behind event %lu, then %s behind "
                        "%lu: %s (%s)\n", (unsigned long long) seed, s.name,
                        world_fault_to_string(fault), fault_at,
                        world_fault_to_string(s.second_fault),
                        s.second_fault_at, complaint, w->report.error);
        }
        world_destroy(w);
    }
    return n_failed;
}

static void
test_random(void **state OVS_UNUSED)
{
    size_t n = getenv("MBOX_TEST_SHORT") ? 100 : 10000;

    assert_int_equal(run_random(n, 1), 0);
}

static int
run_one(const struct world_scenario *s, enum world_fault fault,
        unsigned long fault_at)
{
    struct world *w = world_run(s, fault, fault_at, true);
    const char *complaint = world_check(w);

    printf("%s, %s behind event %lu: %s\n", s->name,
           world_fault_to_string(fault), fault_at,
           complaint ? complaint : "fine");
    world_destroy(w);
    return complaint ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int
run_fault(const char *scenario, const char *fault, unsigned long fault_at)
{
    for (size_t i = 0; i < n_scenarios; i++) {
        for (int j = 0; j < N_FAULTS; j++) {
            if (!strcmp(scenarios[i].name, scenario)
                && !strcmp(world_fault_to_string(j), fault)) {
                return run_one(&scenarios[i], j, fault_at);
            }
        }
    }
    ovs_fatal(0, "unknown scenario or fault");
}

static void
free_scenarios(void)
{
    for (size_t i = 0; i < n_scenarios; i++) {
        free(CONST_CAST(char *, scenarios[i].name));
    }
}

/* S dies, and what D says of its state comes at the same time, or late. */
static void
test_source_dies_last(void **state OVS_UNUSED)
{
    for (int late = 0; late < 2; late++) {
        struct mbox_transfer_report report;
        struct mbox_msg installed;
        struct stub s;

        stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
        stub_recv_prepared(&s, 3);
        stub_recv_tracer(&s, 1, 0);
        mbox_msg_init(&installed, MBOX_MSG_INSTALLED, s.request.id);
        if (!late) {
            mbox_transfer_recv(s.t, DST, &installed);
        }
        mbox_transfer_agent_lost(s.t, SRC, "killed");
        mbox_transfer_run(s.t);
        while (s.sent[DST].type != MBOX_MSG_COMMIT) {
            assert_true(late);
            s.now_us = MAX(s.now_us, mbox_transfer_wake_us(s.t));
            mbox_transfer_run(s.t);
        }
        assert_int_equal(s.n_assigned[DST], 1);
        if (late) {
            stub_recv(&s, DST, &installed, NULL);
        }
        stub_report(&s, &report);
        assert_null(strstr(report.error, "unexpected"));
        stub_destroy(&s);
    }
}

/* D has all that S could send, and the rest goes on at S. */
static void
test_stays(void **state OVS_UNUSED)
{
    for (size_t n = 1; n <= 9; n += 8) {
        struct mbox_key *keys = make_keys(n);
        struct mbox_transfer_report report;
        char name[MBOX_KEY_STRLEN];
        struct mbox_msg stays;
        struct stub s;

        stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
        stub_recv_prepared(&s, 20);
        stub_recv_tracer(&s, 1, 0);
        mbox_msg_init(&stays, MBOX_MSG_STAYS, s.request.id);
        stays.n_keys = n;
        ovs_strlcpy(stays.text, "no way", sizeof stays.text);
        stub_recv(&s, DST, &stays, keys);
        assert_int_equal(s.n_releases, 0);
        stub_recv_installed(&s, 20 - n);
        assert_int_equal(s.n_released_keys, n);
        for (int role = SRC; role <= DST; role++) {
            assert_int_equal(s.sent[role].type, MBOX_MSG_COMMIT);
            assert_int_equal(s.sent[role].select, MBOX_SELECT_ALL_EXCEPT);
            assert_int_equal(s.sent[role].n_keys, n);
        }
        assert_int_equal(s.n_releases, 1);
        stub_recv_simple(&s, SRC, MBOX_MSG_COMMITTED);
        assert_true(s.released_to_source);
        stub_recv_simple(&s, DST, MBOX_MSG_COMMITTED);
        assert_true(mbox_transfer_is_done(s.t));
        stub_report(&s, &report);
        assert_int_equal(report.result, MBOX_TRANSFER_SPLIT);
        if (n == 1) {
            char expected[256];

            snprintf(expected, sizeof expected, "instance 'ids1', releasing: "
                     "1 flow stays (%s): no way",
                     mbox_key_format(keys, name, sizeof name));
            assert_string_equal(report.error, expected);
        } else {
            assert_non_null(strstr(report.error, ": 9 flows stay ("));
            assert_non_null(strstr(report.error, "...): no way"));
        }
        stub_destroy(&s);
        free(keys);
    }
}

int
main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_open_fails),
        cmocka_unit_test(test_source_dies_last),
        cmocka_unit_test(test_stays),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_random),
    };
    int retval;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    make_scenarios();
    if (argc >= 3 && !strcmp(argv[1], "random")) {
        retval = run_random(strtoul(argv[2], NULL, 10),
                            argc > 3 ? strtoull(argv[3], NULL, 10) : 1) > 0;
    } else if (argc == 3 && !strcmp(argv[1], "seed")) {
        struct world_scenario s;
        enum world_fault fault;
        unsigned long fault_at;

        random_scenario(strtoull(argv[2], NULL, 10), &s, &fault, &fault_at);
        retval = run_one(&s, fault, fault_at);
    } else if (argc == 5 && !strcmp(argv[1], "fault")) {
        retval = run_fault(argv[2], argv[3], strtoul(argv[4], NULL, 10));
    } else {
        retval = (test_transfer_direct() + test_transfer_replica()
                  + test_transfer_timeout()
                  + cmocka_run_group_tests(tests, NULL, NULL)) != 0;
    }
    free_scenarios();
    return retval;
}
