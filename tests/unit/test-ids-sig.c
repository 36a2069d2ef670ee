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

/* Signatures are found whatever the segmentation. */

#include <config.h>
#include "ids-test.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ids-sig.h"

static const char rules_text[] =
    "alert tcp any any -> any any (msg:\"lit\"; content:\"needle-in\"; "
    "sid:1;)\n"
    "alert tcp any any -> any any (msg:\"case\"; content:\"HayStack\"; "
    "nocase; sid:2;)\n"
    "alert tcp any any -> any any (msg:\"two\"; content:\"alpha\"; "
    "content:\"omega\"; sid:3;)\n"
    "alert tcp any any -> any any (msg:\"start\"; content:\"GET \"; "
    "startswith; sid:4;)\n"
    "alert tcp any any -> any any (msg:\"placed\"; content:\"zz\"; offset:10;"
    " depth:4; sid:5;)\n"
    "alert tcp any any -> any 80 (msg:\"to server\"; flow:to_server; "
    "pcre:\"/q=[0-9]{3,8}x/\"; sid:6;)\n"
    "alert tcp any any -> any any (msg:\"to client\"; flow:to_client; "
    "content:\"q=\"; sid:7;)\n"
    "alert tcp any any -> any any (msg:\"end\"; pcre:\"/bye$/\"; sid:8;)\n"
    "alert tcp any any -> any 81 (msg:\"other port\"; content:\"needle\"; "
    "sid:9;)\n";

static const char stream[] =
    "GET /?q=12345x zz needle-in the hAYSTACK omega, then alpha; needle-in "
    "again bye";

static struct test_rules rules;

static int
setup(void **state)
{
    (void) state;
    test_rules_init(&rules, rules_text);
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    test_rules_uninit(&rules);
    return 0;
}

/* Sends 'stream' with segments that end at 'cuts'; returns the alerts. */
static char *
run(size_t cut1, size_t cut2, bool pack)
{
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2000, 2, 80);
    size_t len = sizeof stream - 1;
    size_t starts[4] = { 0, cut1, cut2, len };
    struct core core;

    core_init(&core, &rules);
    core_tcp(&core, 2 * SECOND, &key, 99, 0, TH_SYN, 0, NULL, 0);
    for (int i = 0; i < 3; i++) {
        size_t n = starts[i + 1] - starts[i];

        if (n) {
            core_tcp(&core, 2 * SECOND, &key, 100 + starts[i], 0, TH_ACK, 0,
                     stream + starts[i], n);
        }
        if (pack) {
            ids_tick(core.ids, 4 * SECOND);
            ids_tick(core.ids, 5 * SECOND);
        }
    }
    core_tcp(&core, 2 * SECOND, &key, 100 + len, 0, TH_ACK | TH_FIN, 0, NULL,
             0);

    char *alerts = core_events(&core, NULL, "alert");
    core_uninit(&core);
    return alerts;
}

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Returns the lines of 'events', which is freed, without timestamps, which
 * depend on how often state was compressed, sorted and joined. */
static char *
without_times(char *events)
{
    char *lines[100];
    size_t n = 0;
    char *save = NULL;
    char *result = calloc(1, strlen(events) + 1);
    char *p = result;

    assert_non_null(result);
    for (char *line = strtok_r(events, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        assert_true(n < 100);
        lines[n++] = strstr(line, "\"event_type\"");
    }
    qsort(lines, n, sizeof *lines, compare_lines);
    for (size_t i = 0; i < n; i++) {
        p = stpcpy(stpcpy(p, lines[i]), "\n");
    }
    free(events);
    return result;
}

static void
all_split_points(void **state)
{
    size_t len = sizeof stream - 1;
    char *expected = without_times(run(len, len, false));

    (void) state;
    for (size_t i = 0; i <= len; i++) {
        for (size_t j = i; j <= len; j++) {
            char *alerts = without_times(run(i, j, false));

            assert_string_equal(alerts, expected);
            free(alerts);
        }

        char *alerts = without_times(run(i, len, true));
        assert_string_equal(alerts, expected);
        free(alerts);
    }
    free(expected);
}

static void
which_rules_alert(void **state)
{
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2000, 2, 80);
    struct core core;

    (void) state;
    core_init(&core, &rules);
    core_tcp(&core, 2 * SECOND, &key, 99, 0, TH_SYN, 0, NULL, 0);
    core_tcp(&core, 2 * SECOND, &key, 100, 0, TH_ACK | TH_FIN, 0, stream,
             sizeof stream - 1);
    for (int sid = 1; sid <= 9; sid++) {
        char text[40];
        int expected = sid != 5 && sid != 7 && sid != 9;

        /* "zz" is at 15, out of the range of sid 5. */
        snprintf(text, sizeof text, "\"signature_id\":%d,", sid);
        assert_int_equal(core_count(&core, "alert", text), expected);
    }
    assert_int_equal(core_count(&core, "alert",
                                "\"signature\":\"lit\",\"severity\":3},"
                                "\"stream_offset\":27}"), 1);
    assert_int_equal(core_count(&core, "alert", "\"direction\":\"to_server\""),
                     6);
    core_uninit(&core);
}

static void
placement(void **state)
{
    static const struct {
        const char *text;
        int n;
    } cases[] = {
        { "0123456789zz", 1 }, { "0123456789abzz", 1 },
        { "0123456789abczz", 0 }, { "012345678zz", 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2000, 2, 80);
        struct core core;

        core_init(&core, &rules);
        core_tcp(&core, 2 * SECOND, &key, 100, 0, TH_ACK, 0, cases[i].text,
                 strlen(cases[i].text));
        assert_int_equal(core_count(&core, "alert", "\"signature_id\":5,"),
                         cases[i].n);
        core_uninit(&core);
    }
}

/* A flow that is idle keeps no open state, and goes on matching. */
static void
idle_flows_are_compressed(void **state)
{
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2000, 2, 80);
    struct core core;

    (void) state;
    core_init(&core, &rules);
    core_tcp(&core, 2 * SECOND, &key, 100, 0, TH_ACK, 0, "need", 4);
    ids_tick(core.ids, 6 * SECOND);
    core_tcp(&core, 7 * SECOND, &key, 104, 0, TH_ACK, 0, "le-", 3);
    ids_tick(core.ids, 9 * SECOND);
    core_tcp(&core, 10 * SECOND, &key, 107, 0, TH_ACK, 0, "in", 2);
    assert_int_equal(core_count(&core, "alert", "\"signature_id\":1,"), 1);
    core_uninit(&core);
}

/* After a gap matching begins anew, at the right offset. */
static void
gap_begins_anew(void **state)
{
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2000, 2, 80);
    struct mbox_key back;
    struct core core;

    (void) state;
    mbox_key_reverse(&key, &back);
    core_init(&core, &rules);
    core_tcp(&core, 2 * SECOND, &key, 100, 0, TH_ACK, 0, "need", 4);
    core_tcp(&core, 2 * SECOND, &back, 500, 110, TH_ACK, 0, NULL, 0);
    core_tcp(&core, 2 * SECOND, &key, 110, 0, TH_ACK, 0, "le-in needle-in",
             15);
    assert_int_equal(core_count(&core, "anomaly", "\"event\":\"gap\""), 1);
    assert_int_equal(core_count(&core, "alert", "\"signature_id\":1,"), 1);
    assert_int_equal(core_count(&core, "alert", "\"stream_offset\":25"), 1);
    core_uninit(&core);
}

static void
exactly_once(void **state)
{
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2000, 2, 80);
    struct core core;
    uint32_t seq = 100;

    (void) state;
    core_init(&core, &rules);
    for (int i = 0; i < 50; i++) {
        core_tcp(&core, 2 * SECOND, &key, seq, 0, TH_ACK, 0, "needle-in ",
                 10);
        seq += 10;
        if (i % 10 == 9) {
            seq += 3;           /* Makes a gap, after which it is new. */
            struct mbox_key back;
            mbox_key_reverse(&key, &back);
            core_tcp(&core, 2 * SECOND, &back, 1, seq, TH_ACK, 0, NULL, 0);
        }
    }
    assert_int_equal(core_count(&core, "alert", "\"signature_id\":1,"), 1);
    core_uninit(&core);
}

static void
marks(void **state)
{
    struct mbox_key key = ids_make_key(IPPROTO_UDP, 1, 2, 3, 4);
    struct ids_flow *flow = ids_flow_create(&key, false);
    struct rng rng = { 1 };
    bool in[500] = { false };

    (void) state;
    for (int i = 0; i < 2000; i++) {
        uint32_t mark = rng_range(&rng, 500);

        assert_int_equal(ids_flow_has_mark(flow, mark), in[mark]);
        assert_int_equal(ids_flow_add_mark(flow, mark), !in[mark]);
        in[mark] = true;
    }
    for (int i = 1; i < flow->n_marks; i++) {
        assert_true(flow->marks[i - 1] < flow->marks[i]);
    }
    ids_flow_free(flow);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_rules_alert),
        cmocka_unit_test(all_split_points),
        cmocka_unit_test(placement),
        cmocka_unit_test(idle_flows_are_compressed),
        cmocka_unit_test(gap_begins_anew),
        cmocka_unit_test(exactly_once),
        cmocka_unit_test(marks),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
