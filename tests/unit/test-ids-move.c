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

/* What instances log together, when flows move between them, is what one would
 * have logged. */

#include <config.h>
#include "ids-test.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

static struct test_rules rules;

static int
setup(void **state)
{
    (void) state;
    test_rules_init(&rules, test_rules_text);
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    test_rules_uninit(&rules);
    return 0;
}

static void
make_corpus(struct conversation *c, uint64_t seed)
{
    struct rng rng = { seed };

    for (unsigned int i = 0; i < 3; i++) {
        make_connection(c, &rng, i);
    }
    make_datagrams(c, &rng, 3);
    conversation_sort(c);
}

static uint64_t
end_time(const struct conversation *c)
{
    return c->packets[c->n - 1].time + 7200 * SECOND;
}

/* Ticks both every 100 ms up to 'time'. */
static void
tick_until(struct core *a, struct core *b, uint64_t *now, uint64_t time)
{
    while (*now + 100 * MS <= time) {
        *now += 100 * MS;
        ids_tick(a->ids, *now);
        if (b) {
            ids_tick(b->ids, *now);
        }
        if (!ids_n_flows(a->ids) && (!b || !ids_n_flows(b->ids))) {
            break;              /* Nothing more can happen. */
        }
    }
}

static char *
run_unmoved(const struct conversation *c)
{
    struct core core;
    uint64_t now = SECOND;

    core_init(&core, &rules);
    for (size_t i = 0; i < c->n; i++) {
        tick_until(&core, NULL, &now, c->packets[i].time);
        now = c->packets[i].time - c->packets[i].time % (100 * MS);
        core_packet(&core, &c->packets[i]);
    }
    tick_until(&core, NULL, &now, end_time(c));
    ids_finish(core.ids, now);

    char *events = core_events(&core, NULL, NULL);
    core_uninit(&core);
    return events;
}

/* Moves everything before each packet for which 'moves' is set. */
static char *
run_moved(const struct conversation *c, const bool *moves)
{
    struct core cores[2];
    uint64_t now = SECOND;
    int where = 0;

    core_init(&cores[0], &rules);
    core_init(&cores[1], &rules);
    for (size_t i = 0; i < c->n; i++) {
        tick_until(&cores[where], &cores[!where], &now, c->packets[i].time);
        now = c->packets[i].time - c->packets[i].time % (100 * MS);
        if (moves[i]) {
            uint64_t time = i ? c->packets[i - 1].time : now;

            ids_set_time(cores[0].ids, time);
            ids_set_time(cores[1].ids, time);
            core_move(&cores[where], &cores[!where]);
            assert_int_equal(ids_n_flows(cores[where].ids), 0);
            where = !where;
        }
        core_packet(&cores[where], &c->packets[i]);
    }
    tick_until(&cores[0], &cores[1], &now, end_time(c));
    ids_finish(cores[0].ids, now);
    ids_finish(cores[1].ids, now);

    char *events = core_events(&cores[0], &cores[1], NULL);
    core_uninit(&cores[0]);
    core_uninit(&cores[1]);
    return events;
}

static void
check(const struct conversation *c, const bool *moves, const char *expected)
{
    char *events = run_moved(c, moves);
    size_t i;

    for (i = 0; events[i] && events[i] == expected[i]; i++) {
        continue;
    }
    if (events[i] != expected[i]) {
        while (i && events[i - 1] != '\n') {
            i--;
        }
        fail_msg("expected %.*s but got %.*s",
                 (int) strcspn(expected + i, "\n"), expected + i,
                 (int) strcspn(events + i, "\n"), events + i);
    }
    free(events);
}

static void
move_at_every_packet_boundary(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct conversation c = { NULL, 0, 0 };

        make_corpus(&c, seed);

        char *expected = run_unmoved(&c);
        bool *moves = calloc(c.n, sizeof *moves);
        assert_non_null(moves);
        assert_non_null(strstr(expected, "\"event_type\":\"flow\""));
        for (size_t i = 0; i < c.n; i++) {
            moves[i] = true;
            check(&c, moves, expected);
            moves[i] = false;
        }
        free(moves);
        free(expected);
        conversation_uninit(&c);
    }
}

static void
move_back_and_forth_at_every_packet(void **state)
{
    uint64_t last = getenv("MBOX_TEST_SHORT") ? 105 : 400;

    (void) state;
    for (uint64_t seed = 100; seed < last; seed++) {
        struct conversation c = { NULL, 0, 0 };

        make_corpus(&c, seed);

        char *expected = run_unmoved(&c);
        bool *moves = malloc(c.n);
        assert_non_null(moves);
        memset(moves, true, c.n);
        check(&c, moves, expected);
        free(moves);
        free(expected);
        conversation_uninit(&c);
    }
}

/* The corpus would be worthless if nothing happened in it. */
static void
corpus_has_everything(void **state)
{
    static const char *const wanted[] = {
        "\"signature_id\":1,", "\"signature_id\":2,", "\"signature_id\":3,",
        "\"signature_id\":4,", "\"signature_id\":5,", "\"signature_id\":6,",
        "\"signature_id\":7,", "\"event_type\":\"http\"",
        "\"event_type\":\"anomaly\"", "\"event\":\"reordered\"",
        "\"reason\":\"closed\"", "\"reason\":\"timeout\"",
        "\"state\":\"reset\"", "\"http_method\":\"OPTIONS\"",
        "\\\\xff\\\\x01z", "\"vlan\":100", "\"src_ip\":\"2020:2020",
    };
    bool found[sizeof wanted / sizeof wanted[0]] = { false };

    (void) state;
    for (uint64_t seed = 100; seed < 400; seed++) {
        struct conversation c = { NULL, 0, 0 };

        make_corpus(&c, seed);

        char *events = run_unmoved(&c);
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
            found[i] |= strstr(events, wanted[i]) != NULL;
        }
        free(events);
        conversation_uninit(&c);
    }
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!found[i]) {
            fail_msg("no event with %s", wanted[i]);
        }
    }
}

static void
deleting_logs_nothing(void **state)
{
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2, 3, 80);
    struct mbox_key canonical;
    struct core core;

    (void) state;
    core_init(&core, &rules);
    core_tcp(&core, 2 * SECOND, &key, 1, 0, TH_SYN, 0, NULL, 0);
    core_tcp(&core, 2 * SECOND, &key, 2, 0, TH_ACK, 0, "GET / HT", 8);
    mbox_key_canonical(&key, &canonical);
    assert_int_equal(ids_n_flows(core.ids), 1);
    assert_int_equal(ids_state_del(core.ids, &canonical), 0);
    assert_int_not_equal(ids_state_del(core.ids, &canonical), 0);
    assert_int_equal(ids_n_flows(core.ids), 0);
    ids_finish(core.ids, 3 * SECOND);
    assert_int_equal(core_count(&core, "flow", ""), 0);
    core_uninit(&core);
}

/* A flow that belongs to another instance still does not end here, however
 * long it is idle, and ends once it belongs here. */
static void
pending_flows_do_not_end(void **state)
{
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2, 3, 80);
    struct core core;

    (void) state;
    core_init(&core, &rules);
    core_tcp(&core, 2 * SECOND, &key, 1, 0, TH_SYN, 0, NULL, 0);
    core.pending = true;
    for (uint64_t t = 2; t < 200; t++) {
        ids_tick(core.ids, t * SECOND);
    }
    assert_int_equal(ids_n_flows(core.ids), 1);
    assert_int_equal(core_count(&core, "flow", ""), 0);
    assert_int_equal(core.n_dirty_flows, 0);

    core.pending = false;
    ids_tick(core.ids, 202 * SECOND);
    assert_int_equal(ids_n_flows(core.ids), 0);
    assert_int_equal(core_count(&core, "flow", "timeout"), 1);
    core_uninit(&core);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corpus_has_everything),
        cmocka_unit_test(move_at_every_packet_boundary),
        cmocka_unit_test(move_back_and_forth_at_every_packet),
        cmocka_unit_test(deleting_logs_nothing),
        cmocka_unit_test(pending_flows_do_not_end),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
