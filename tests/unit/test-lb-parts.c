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

/* The parts of mbox-lb: Maglev tables, checksums, configuration, health. */

#include <config.h>
#include "test-util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bytes.h"
#include "inet-checksum.h"
#include "lb-config.h"
#include "lb-frame.h"
#include "lb-health.h"
#include "lb-maglev.h"

/* Maglev. */

#define SIZE 65537

static void
build(struct lb_maglev *maglev, size_t n, const uint32_t *weights)
{
    struct lb_maglev_node nodes[64];

    for (size_t i = 0; i < n; i++) {
        nodes[i] = (struct lb_maglev_node) { 1000 + i,
                                             weights ? weights[i] : 1 };
    }
    lb_maglev_init(maglev, SIZE);
    lb_maglev_build(maglev, nodes, n);
}

static void
test_maglev_spread(void **state)
{
    const uint32_t weights[] = { 1, 2, 0, 4, 3 };
    uint32_t count[50] = { 0 };
    struct lb_maglev maglev;

    (void) state;
    build(&maglev, 50, NULL);
    for (uint32_t i = 0; i < SIZE; i++) {
        count[lb_maglev_lookup(&maglev, i)]++;
    }
    for (int i = 0; i < 50; i++) {
        /* All but the last round are complete. */
        assert_in_range(count[i], SIZE / 50, SIZE / 50 + 1);
    }
    lb_maglev_uninit(&maglev);

    build(&maglev, 5, weights);
    memset(count, 0, sizeof count);
    for (uint32_t i = 0; i < SIZE; i++) {
        count[lb_maglev_lookup(&maglev, i)]++;
    }
    for (int i = 0; i < 5; i++) {
        assert_in_range(count[i], weights[i] ? SIZE / 10 * weights[i] - 4 : 0,
                        weights[i] ? SIZE / 10 * weights[i] + 4 : 0);
    }
    lb_maglev_uninit(&maglev);
}

/* The entries of who is gone are taken over; of the others' few change: about
 * as many again at most (figure 12 of the paper). */
static void
test_maglev_disruption(void **state)
{
    uint32_t weights[20], changed = 0, lost = 0;
    struct lb_maglev before, after;

    (void) state;
    for (int i = 0; i < 20; i++) {
        weights[i] = 1;
    }
    build(&before, 20, weights);
    weights[7] = 0;
    build(&after, 20, weights);
    for (uint32_t i = 0; i < SIZE; i++) {
        int a = lb_maglev_lookup(&before, i), b = lb_maglev_lookup(&after, i);

        assert_int_not_equal(b, 7);
        lost += a == 7;
        changed += a != 7 && a != b;
    }
    assert_in_range(lost, SIZE / 20, SIZE / 20 + 1);
    assert_true(changed < lost);
    lb_maglev_uninit(&after);

    /* When it comes back everything is as before. */
    weights[7] = 1;
    build(&after, 20, weights);
    assert_memory_equal(before.table, after.table,
                        SIZE * sizeof *before.table);
    lb_maglev_uninit(&before);
    lb_maglev_uninit(&after);
}

static void
test_maglev_edges(void **state)
{
    const uint32_t none[] = { 0, 0 }, one[] = { 0, 5 };
    struct lb_maglev maglev;

    (void) state;
    build(&maglev, 2, none);
    assert_int_equal(lb_maglev_lookup(&maglev, 3), -1);
    lb_maglev_uninit(&maglev);
    build(&maglev, 2, one);
    for (uint32_t i = 0; i < SIZE; i++) {
        assert_int_equal(lb_maglev_lookup(&maglev, i), 1);
    }
    lb_maglev_uninit(&maglev);
    assert_true(lb_maglev_size_is_valid(3));
    assert_true(lb_maglev_size_is_valid(65537));
    assert_false(lb_maglev_size_is_valid(65536));
    assert_false(lb_maglev_size_is_valid(1));
}

/* Instances must agree, whatever process they are: these are constants. */
static void
test_maglev_hash(void **state)
{
    struct mbox_key key = {
        .src = { [10] = 0xff, 0xff, 10, 0, 1, 1 },
        .dst = { [10] = 0xff, 0xff, 10, 0, 255, 1 },
        .src_port = 1000, .dst_port = 80, .vlan = MBOX_VLAN_NONE,
        .family = 4, .proto = IPPROTO_TCP,
    };
    uint32_t h = lb_maglev_hash(&key);

    (void) state;
    assert_int_equal(h, 0xabfad15bu);
    key.src_port++;
    assert_int_not_equal(lb_maglev_hash(&key), h);
}

/* Checksums. */

static void
test_checksum_update(void **state)
{
    (void) state;
    for (int i = 0; i < test_rounds(100000); i++) {
        size_t len = 2 * (4 + test_random_range(30));
        size_t ofs = 2 * test_random_range(len / 2);
        size_t n = 2 * test_random_range((len - ofs) / 2 + 1);
        uint8_t data[80], new[80], checksum[2];

        /* Many bits alike make the corners of one's complement likely. */
        if (i % 3) {
            test_random_bytes(data, len);
            test_random_bytes(new, n);
        } else {
            memset(data, i % 2 ? 0xff : 0, len);
            memset(new, i % 4 < 2 ? 0xff : 0, n);
        }
        put_be16(checksum, inet_csum_finish(inet_csum_add(0, data, len)));
        inet_csum_update(checksum, data + ofs, new, n);
        memcpy(data + ofs, new, n);

        /* Both zeros mean the same. */
        uint16_t full = inet_csum_finish(inet_csum_add(0, data, len));
        uint16_t got = get_be16(checksum);
        assert_int_equal(got == 0xffff ? 0 : got, full == 0xffff ? 0 : full);
    }
}

/* The example of RFC 1624, section 4, where the equation of RFC 1141 gives
 * the other zero. */
static void
test_checksum_rfc1624(void **state)
{
    uint8_t checksum[2] = { 0xdd, 0x2f };

    (void) state;
    inet_csum_update(checksum, "\x55\x55", "\x32\x85", 2);
    assert_int_equal(get_be16(checksum), 0x0000);
}

/* Configuration. */

#define GOOD "mac 02:00:00:00:00:01\nservice web tcp 10.0.255.1:80\n"
#define B1 "backend b1 10.0.254.1:80\n"

static const struct {
    const char *text, *error;
} bad_configs[] = {
    { "", "c:1: no \"mac\"" },
    { "mac 02:00:00:00:00:01\n", "c:1: no \"service\"" },
    { GOOD, "c:2: service \"web\" has no backend" },
    { "mac 01:00:00:00:00:01\n", "c:1: \"01:00:00:00:00:01\" is a multicast" },
    { "mac 2:0:0:0:0\n", "c:1: \"2:0:0:0:0\" is not a MAC" },
    { "\n# x\nfrob 1\n", "c:3: unknown word \"frob\": known are mac" },
    { "mac\n", "c:1: give one value" },
    { "table-size 65536\n", "c:1: table-size 65536 is not a prime: give" },
    { "timeout open\n", "c:1: give \"timeout STATE SECONDS\"" },
    { "timeout ajar 5\n", "c:1: timeout \"ajar\": give syn or open or fin" },
    { "timeout open 0\n", "c:1: timeout \"0\": give a number from 1" },
    { "timeout open -1\n", "c:1: timeout \"-1\": give a number" },
    { B1, "c:1: backend without a service" },
    { "service w tcp\n", "c:1: incomplete service" },
    { "service w sctp 10.0.0.1:80\n", "c:1: protocol \"sctp\": give tcp" },
    { "service w! tcp 10.0.0.1:80\n", "c:1: service \"w!\": a name has" },
    { "service w tcp 10.0.0.1\n", "c:1: \"10.0.0.1\": give ADDRESS:PORT" },
    { "service w tcp 10.0.0:1\n", "c:1: \"10.0.0\" is not an address" },
    { "service w tcp fd00::1:80\n", "c:1: \"fd00::1\" is not an address" },
    { "service w tcp [10.0.0.1]:80\n", "c:1: \"10.0.0.1\" is not an add" },
    { "service w tcp 224.0.0.1:80\n", "c:1: \"224.0.0.1\" is not the addr" },
    { "service w tcp [::1]:80\n", "c:1: \"::1\" is not the address" },
    { "service w tcp [::ffff:10.0.0.1]:80\n",
      "c:1: \"::ffff:10.0.0.1\" is IPv4-mapped: give it as IPv4, 10.0.0.1" },
    { GOOD "backend b1 [::ffff:a00:1]:80\n",
      "c:3: \"::ffff:a00:1\" is IPv4-mapped: give it as IPv4, 10.0.0.1" },
    { "service w tcp 10.0.0.1:0\n", "c:1: port \"0\": give a number from 1" },
    { "service w tcp 10.0.0.1:80 x\n", "c:1: \"x\": give options as NAME=" },
    { "service w tcp 10.0.0.1:80 x=1\n", "c:1: unknown option \"x\" of a s" },
    { "service w tcp 10.0.0.1:80 mode=x\n", "c:1: mode \"x\": give nat or" },
    { "service w tcp 10.0.0.1:80 interval=5\n", "c:1: interval \"5\": give" },
    { "service w udp 10.0.0.1:80 check=tcp\n", "c:1: check=tcp of a UDP" },
    { GOOD B1 "service web tcp 10.0.0.2:1\n", "c:4: service \"web\" is th" },
    { GOOD B1 "service x tcp 10.0.255.1:80\n", "c:4: service \"web\" has t" },
    { GOOD "backend b1\n", "c:3: incomplete backend" },
    { GOOD "backend b1 [fd00::1]:80\n", "c:3: backend \"b1\" has an IPv6" },
    { GOOD "backend b1 10.0.0.1:80 weight=1001\n", "c:3: weight \"1001\":" },
    { GOOD "backend b1 10.0.0.1:80 wait=1\n", "c:3: unknown option \"wait\"" },
    { GOOD B1 "backend b1 10.0.0.9:80\n", "c:4: backend \"b1\" is there" },
    { GOOD B1 "backend b2 10.0.254.1:80\n", "c:4: backend \"b1\" has the s" },
    { GOOD B1 "backend b2 10.0.255.1:80\n", "c:4: backend \"b2\" has the v" },
    { GOOD B1 "service x tcp 10.0.255.2:80\n" B1,
      "c:5: backend \"b1\" of service \"web\" is in service \"x\"" },
    { "mac 02:00:00:00:00:01\nservice w tcp 10.0.255.1:80 mode=dsr\n"
      "backend b1 10.0.254.1:8080\n", "c:3: backend \"b1\" has port 8080" },
    { "mac a b c d e f g h i j k l m n o p\n", "c:1: more than 16 words" },
};

static void
test_config_errors(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof bad_configs / sizeof bad_configs[0]; i++) {
        const char *text = bad_configs[i].text;
        const char *expected = bad_configs[i].error;
        struct lb_config *config;
        char *error;

        assert_int_equal(lb_config_parse("c", text, strlen(text), &config,
                                         &error), -EINVAL);
        assert_null(config);
        if (strncmp(error, expected, strlen(expected))) {
            fail_msg("\"%s\" instead of \"%s...\"", error, expected);
        }
        free(error);
    }
}

static void
test_config_good(void **state)
{
    const char text[] = GOOD B1
        "backend b2 10.0.254.2:81 weight=0   # drained\r\n"
        "timeout fin 7\nservice d udp [fd00::255:1]:53 mode=dsr check=arp "
        "interval=100 rise=1 fall=1\nbackend b1 [fd00::1]:53";
    struct lb_config *config, *other;
    char *error;

    (void) state;
    assert_int_equal(lb_config_parse("c", text, strlen(text), &config,
                                     &error), 0);
    assert_int_equal(config->n_services, 2);
    assert_int_equal(config->timeouts[LB_FIN], 7);
    assert_int_equal(config->services[0].check, LB_CHECK_TCP);
    assert_int_equal(config->services[0].n_backends, 2);
    assert_int_equal(config->services[0].backends[1].weight, 0);
    assert_int_equal(config->services[0].backends[1].port, 81);
    assert_int_equal(config->services[1].family, 6);
    assert_int_equal(config->services[1].mode, LB_DSR);
    assert_int_equal(config->services[1].interval, 100);
    assert_int_equal(config->services[1].backends[0].addr[15], 1);

    /* The digest is of what it means, not of how it is written. */
    assert_int_equal(lb_config_parse("d", GOOD B1, strlen(GOOD B1), &other,
                                     &error), 0);
    assert_int_not_equal(config->digest, other->digest);
    lb_config_destroy(config);
    assert_int_equal(lb_config_parse("e", "\n" GOOD "#\n" B1,
                                     strlen("\n" GOOD "#\n" B1), &config,
                                     &error), 0);
    assert_int_equal(config->digest, other->digest);
    lb_config_destroy(config);
    lb_config_destroy(other);
}

/* Whatever is in the file: an error with a line, or a configuration. */
static void
test_config_damaged(void **state)
{
    const char good[] = GOOD B1 "timeout fin 7\ntable-size 1009\n"
        "service d udp [fd00::255:1]:53 mode=dsr check=arp interval=100\n"
        "backend b1 [fd00::1]:53 weight=3\n";
    size_t len = strlen(good);

    (void) state;
    for (int i = 0; i < test_rounds(20000); i++) {
        char *text = test_memdup(good, len);
        struct lb_config *config;
        char *error;

        for (uint32_t n = test_random_range(4); n; n--) {
            text[test_random_range(len)] = test_random_range(3)
                ? good[test_random_range(len)] : (char) test_random();
        }
        if (lb_config_parse("c", text, test_random_range(len + 1), &config,
                            &error)) {
            assert_true(!strncmp(error, "c:", 2));
            free(error);
        } else {
            lb_config_destroy(config);
        }
        free(text);
    }
}

/* Health. */

static void
test_health(void **state)
{
    struct lb_health h = { .next = 100 };
    bool changed;

    (void) state;
    assert_false(lb_health_is_due(&h, 99, 10, 2, 3, &changed));
    assert_false(lb_health_result(&h, true, 2, 3));     /* Not asked for. */

    /* The first result counts at once. */
    assert_true(lb_health_is_due(&h, 100, 10, 2, 3, &changed));
    assert_true(lb_health_result(&h, true, 2, 3));
    assert_int_equal(h.state, LB_UP);
    assert_false(lb_health_result(&h, false, 2, 3));    /* Twice. */

    /* Two bad ones in a row, then a good one, do not. */
    uint64_t now = 100;
    for (int i = 0; i < 3; i++) {
        assert_true(lb_health_is_due(&h, now += 10, 10, 2, 3, &changed));
        assert_false(changed);
    }
    assert_false(lb_health_result(&h, true, 2, 3));
    assert_int_equal(h.state, LB_UP);

    /* Three do: no answer, a refusal, no answer. */
    assert_true(lb_health_is_due(&h, now += 10, 10, 2, 3, &changed));
    assert_true(lb_health_is_due(&h, now += 10, 10, 2, 3, &changed));
    assert_false(lb_health_result(&h, false, 2, 3));
    assert_true(lb_health_is_due(&h, now += 10, 10, 2, 3, &changed));
    assert_false(changed);
    assert_true(lb_health_is_due(&h, now += 10, 10, 2, 3, &changed));
    assert_true(changed);
    assert_int_equal(h.state, LB_DOWN);

    /* Up again after two; a pause of ours is not held against it. */
    assert_false(lb_health_result(&h, true, 2, 3));
    assert_true(lb_health_is_due(&h, now += 10, 10, 2, 3, &changed));
    lb_health_excuse(&h, 1000);
    assert_false(lb_health_is_due(&h, now += 1000, 10, 2, 3, &changed));
    assert_true(lb_health_result(&h, true, 2, 3));
    assert_int_equal(h.state, LB_UP);
}

/* Neighbor messages. */

static void
test_neighbor_damaged(void **state)
{
    static const struct lb_host hosts[2] = {
        { .family = 4, .addr = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
          .mac = { 2 } },
        { .family = 6, .addr = { 0xfd, [15] = 1 }, .mac = { 2 } },
    };

    (void) state;
    for (int i = 0; i < test_rounds(50000); i++) {
        const struct lb_host *host = &hosts[i % 2];
        struct lb_neighbor n;
        struct lb_frame f;
        uint8_t *copy;

        lb_frame_solicit(&f, host, host->addr);
        assert_true(lb_neighbor_parse(f.data, f.len, &n));
        assert_true(n.is_request && !n.is_probe);
        assert_memory_equal(n.target, host->addr, 16);
        if (i % 3) {
            lb_frame_advertise(&f, host, &n);
            assert_true(lb_neighbor_parse(f.data, f.len, &n));
            assert_false(n.is_request);
            assert_memory_equal(n.sender.mac, host->mac, 6);
        }
        for (uint32_t j = test_random_range(4); j; j--) {
            f.data[test_random_range(f.len)] = test_random();
        }
        f.len = test_random_range(f.len + 1);
        copy = test_memdup(f.data, f.len);
        lb_neighbor_parse(copy, f.len, &n);
        free(copy);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maglev_spread),
        cmocka_unit_test(test_maglev_disruption),
        cmocka_unit_test(test_maglev_edges),
        cmocka_unit_test(test_maglev_hash),
        cmocka_unit_test(test_checksum_update),
        cmocka_unit_test(test_checksum_rfc1624),
        cmocka_unit_test(test_config_errors),
        cmocka_unit_test(test_config_good),
        cmocka_unit_test(test_config_damaged),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_neighbor_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
