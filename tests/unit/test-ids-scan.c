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

/* The port-scan detector and its multi-flow state. */

#include <config.h>
#include "ids-test.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include "ids-scan.h"
#include "mbox-wire.h"

static const struct ids_scan_config config = { 5, 7, 10 };

static struct mbox_key
target(uint32_t host, uint16_t port)
{
    return ids_make_key(IPPROTO_TCP, 0x0a000001, 40000, host, port);
}

static enum ids_scan_verdict
attempt(struct ids_scan *scan, uint32_t host, uint16_t port, uint64_t now)
{
    struct mbox_key key = target(host, port);
    uint32_t n;

    return ids_scan_attempt(scan, &key, now, &n);
}

static void
ports_and_hosts(void **state)
{
    struct ids_scan *scan = ids_scan_create(&config);

    (void) state;
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(attempt(scan, 1, 80, SECOND), IDS_SCAN_CHANGED);
    }
    for (int port = 81; port <= 83; port++) {
        assert_int_equal(attempt(scan, 1, port, SECOND), IDS_SCAN_CHANGED);
    }
    assert_int_equal(attempt(scan, 1, 84, SECOND), IDS_SCAN_PORTS);

    /* Quiet for a window, then again. */
    assert_int_equal(attempt(scan, 1, 85, 2 * SECOND), IDS_SCAN_CHANGED);
    for (int port = 1; port <= 4; port++) {
        assert_int_equal(attempt(scan, 1, port, 10 * SECOND),
                         IDS_SCAN_CHANGED);
    }
    assert_int_equal(attempt(scan, 1, 5, 11 * SECOND), IDS_SCAN_PORTS);
    ids_scan_destroy(scan);

    scan = ids_scan_create(&config);
    for (int host = 1; host <= 6; host++) {
        assert_int_equal(attempt(scan, host, 80, SECOND), IDS_SCAN_CHANGED);
    }
    assert_int_equal(attempt(scan, 7, 80, SECOND), IDS_SCAN_HOSTS);
    ids_scan_destroy(scan);
}

static void
window(void **state)
{
    struct ids_scan *scan = ids_scan_create(&config);

    (void) state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(attempt(scan, 1, i, i * 3 * SECOND),
                         IDS_SCAN_CHANGED);
    }
    assert_int_equal(ids_scan_n_hosts(scan), 1);
    for (int i = 0; i < 64; i++) {
        ids_scan_tick(scan, 1000 * SECOND);
    }
    assert_int_equal(ids_scan_n_hosts(scan), 0);
    ids_scan_destroy(scan);
}

static void
hosts_are_bounded(void **state)
{
    struct ids_scan *scan = ids_scan_create(&config);

    (void) state;
    for (uint32_t i = 0; i < IDS_SCAN_MAX_HOSTS + 5000; i++) {
        struct mbox_key key = ids_make_key(IPPROTO_TCP, i, 1, 2, 3);
        uint32_t n;

        ids_scan_attempt(scan, &key, SECOND + i, &n);
    }
    assert_int_equal(ids_scan_n_hosts(scan), IDS_SCAN_MAX_HOSTS);
    ids_scan_destroy(scan);
}

static void
transfer(struct ids_scan *from, struct ids_scan *to, uint64_t now_from,
         uint64_t now_to, bool merge)
{
    struct mbox_key source = target(1, 1);
    struct mbox_key key;
    struct mbox_writer w;

    ids_scan_key(source.family, source.src, &key);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(ids_scan_get(from, &key, now_from, &w), 0);
    assert_int_equal(ids_scan_put(to, &key, w.data, w.len, now_to, merge), 0);
    mbox_writer_uninit(&w);
}

static void
merge_adds_up(void **state)
{
    struct ids_scan *a = ids_scan_create(&config);
    struct ids_scan *b = ids_scan_create(&config);

    (void) state;
    for (int port = 1; port <= 3; port++) {
        attempt(a, 1, port, SECOND);
        attempt(b, 1, port + 1, 101 * SECOND);  /* Its clock is ahead. */
    }
    transfer(a, b, 2 * SECOND, 102 * SECOND, true);
    assert_int_equal(attempt(b, 1, 5, 103 * SECOND), IDS_SCAN_PORTS);

    /* The source keeps its own, and goes on. */
    assert_int_equal(attempt(a, 1, 4, 3 * SECOND), IDS_SCAN_CHANGED);
    assert_int_equal(attempt(a, 1, 5, 3 * SECOND), IDS_SCAN_PORTS);

    /* What was reported is not reported again by the other. */
    transfer(b, a, 103 * SECOND, 3 * SECOND, true);
    assert_int_equal(attempt(a, 1, 6, 3 * SECOND), IDS_SCAN_CHANGED);
    ids_scan_destroy(a);
    ids_scan_destroy(b);
}

static void
replace_replaces(void **state)
{
    struct ids_scan *a = ids_scan_create(&config);
    struct ids_scan *b = ids_scan_create(&config);
    struct mbox_key source = target(1, 1);
    struct mbox_key key;

    (void) state;
    for (int port = 1; port <= 3; port++) {
        attempt(a, 1, port, SECOND);
        attempt(b, 1, port + 10, SECOND);
    }
    transfer(a, b, SECOND, SECOND, false);
    assert_int_equal(attempt(b, 1, 20, SECOND), IDS_SCAN_CHANGED);
    assert_int_equal(attempt(b, 1, 21, SECOND), IDS_SCAN_PORTS);

    ids_scan_key(source.family, source.src, &key);
    assert_int_equal(ids_scan_del(a, &key), 0);
    assert_int_equal(ids_scan_del(a, &key), -ENOENT);
    assert_int_equal(ids_scan_n_hosts(a), 0);
    ids_scan_destroy(a);
    ids_scan_destroy(b);
}

/* A random attempt at 'now', which must look the same to 'scan', whose clock
 * is 'ahead', and to 'unmoved'. */
static void
same_attempt(struct ids_scan *scan, uint64_t ahead, struct ids_scan *unmoved,
             uint64_t now, struct rng *rng)
{
    struct mbox_key key = target(1 + rng_range(rng, 4),
                                 1 + rng_range(rng, 8));
    uint32_t n, expected_n;
    enum ids_scan_verdict expected
        = ids_scan_attempt(unmoved, &key, now, &expected_n);

    assert_int_equal(ids_scan_attempt(scan, &key, now + ahead, &n), expected);
    assert_int_equal(n, expected_n);
}

/* A host that moves back and forth, with all its flows, is reported by the
 * same attempts as one that stays, also those between a first copy of its
 * state and the last one. */
static void
moves_change_nothing(void **state)
{
    struct rng rng = { 7 };

    (void) state;
    for (int i = 0; i < 200; i++) {
        struct ids_scan *scans[] = { ids_scan_create(&config),
                                     ids_scan_create(&config) };
        struct ids_scan *unmoved = ids_scan_create(&config);
        const uint64_t ahead[] = { 0, rng_range(&rng, 1000) * SECOND };
        struct mbox_key source = target(1, 1);
        struct mbox_key key;
        uint64_t now = 100 * SECOND;
        int at = 0;

        ids_scan_key(source.family, source.src, &key);
        for (int j = 0; j < 50; j++) {
            struct ids_scan *from = scans[at], *to = scans[!at];

            for (int k = rng_range(&rng, 6); k >= 0; k--) {
                now += rng_range(&rng, 3 * SECOND);
                same_attempt(from, ahead[at], unmoved, now, &rng);
            }
            for (int k = rng_range(&rng, 3); k > 0; k--) {
                transfer(from, to, now + ahead[at], now + ahead[!at],
                         rng_range(&rng, 2));
                now += rng_range(&rng, SECOND);
                same_attempt(from, ahead[at], unmoved, now, &rng);
            }
            transfer(from, to, now + ahead[at], now + ahead[!at],
                     rng_range(&rng, 2));
            assert_int_equal(ids_scan_del(from, &key), 0);
            at = !at;
        }
        ids_scan_destroy(scans[0]);
        ids_scan_destroy(scans[1]);
        ids_scan_destroy(unmoved);
    }
}

/* How long a host stays quiet is within the receiver's window, whatever the
 * sender says: its window may be longer, and another worker may have reported
 * the host since 'now' of who asks for its state. */
static void
quiet_is_within_window(void **state)
{
    static const struct ids_scan_config long_config = { 5, 7, 60 };
    struct ids_scan *a = ids_scan_create(&long_config);
    struct ids_scan *b = ids_scan_create(&config);
    struct ids_scan *c = ids_scan_create(&config);

    (void) state;
    for (int port = 1; port <= 5; port++) {
        assert_int_equal(attempt(a, 1, port, 2 * SECOND),
                         port < 5 ? IDS_SCAN_CHANGED : IDS_SCAN_PORTS);
    }
    transfer(a, b, 2 * SECOND, 2 * SECOND, true);
    transfer(b, c, 2 * SECOND - 1, 2 * SECOND, true);
    for (int port = 1; port <= 5; port++) {
        assert_int_equal(attempt(b, 1, port, 11 * SECOND), IDS_SCAN_CHANGED);
        assert_int_equal(attempt(c, 1, port, 11 * SECOND), IDS_SCAN_CHANGED);
    }
    assert_int_equal(attempt(b, 1, 1, 12 * SECOND), IDS_SCAN_PORTS);
    assert_int_equal(attempt(c, 1, 1, 12 * SECOND), IDS_SCAN_PORTS);
    ids_scan_destroy(a);
    ids_scan_destroy(b);
    ids_scan_destroy(c);
}

static void
hostile_state(void **state)
{
    struct ids_scan *scan = ids_scan_create(&config);
    struct mbox_key source = target(1, 1);
    struct mbox_key key;
    struct rng rng = { 4 };
    struct mbox_writer w;

    (void) state;
    for (int port = 1; port <= 4; port++) {
        attempt(scan, 1, port, SECOND);
    }
    ids_scan_key(source.family, source.src, &key);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(ids_scan_get(scan, &key, SECOND, &w), 0);
    for (int i = 0; i < 100000; i++) {
        size_t len = rng_range(&rng, 3) ? w.len : rng_range(&rng, w.len + 1);
        uint8_t *copy = malloc(len + 1);

        assert_non_null(copy);
        memcpy(copy, w.data, len);
        for (int j = rng_range(&rng, 4); j > 0 && len; j--) {
            copy[rng_range(&rng, len)] = rng_u32(&rng);
        }
        ids_scan_put(scan, &key, copy, len, SECOND, rng_range(&rng, 2));
        attempt(scan, rng_u32(&rng), rng_u32(&rng), SECOND);
        free(copy);
    }
    mbox_writer_uninit(&w);
    ids_scan_destroy(scan);
}

/* Through the core: what counts as an attempt, and who is told. */
static void
in_the_core(void **state)
{
    static struct ids_frame frame;
    struct test_rules rules;
    struct core core;

    (void) state;
    test_rules_init(&rules, test_rules_text);
    core_init(&core, &rules);
    for (int port = 1; port <= 19; port++) {
        struct mbox_key key = target(1, port);
        struct mbox_key back;

        mbox_key_reverse(&key, &back);
        core_tcp(&core, 2 * SECOND, &key, 1, 0, TH_SYN, 0, NULL, 0);
        core_tcp(&core, 2 * SECOND, &back, 0, 2, TH_RST | TH_ACK, 0, NULL, 0);
    }
    assert_int_equal(core_count(&core, "alert", ""), 0);
    assert_int_equal(core.n_dirty_hosts, 19);

    struct mbox_key key = ids_make_key(IPPROTO_UDP, 0x0a000001, 40000, 1, 20);
    ids_frame_udp(&frame, &key, "x", 1);
    core_frame(&core, 2 * SECOND, &frame);
    core_frame(&core, 2 * SECOND, &frame);
    assert_int_equal(core_count(&core, "alert", "\"distinct_ports\":20"), 1);
    assert_int_equal(core.n_dirty_hosts, 20);
    core_uninit(&core);
    test_rules_uninit(&rules);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_and_hosts),
        cmocka_unit_test(window),
        cmocka_unit_test(hosts_are_bounded),
        cmocka_unit_test(merge_adds_up),
        cmocka_unit_test(replace_replaces),
        cmocka_unit_test(moves_change_nothing),
        cmocka_unit_test(quiet_is_within_window),
        cmocka_unit_test(hostile_state),
        cmocka_unit_test(in_the_core),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
