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

/* Tests for classes: assignments, defaults, generations, translation. */

#include <config.h>
#undef NDEBUG

#include <errno.h>

#include "test-util.h"
#include "test-assign.h"
#include "test-ovs.h"

#include "classifier.h"
#include "flow.h"
#include "hash.h"
#include "odp-util.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "seq.h"
#include "util.h"

#include "mbox-class-private.h"
#include "mbox-flow.h"
#include "mbox-steer.h"

#define DP "dummy@ovs-dummy"

/* A class of its own for each test: classes live for ever. */
static const char *
new_class(void)
{
    static char name[32];
    static int n;

    snprintf(name, sizeof name, "class%d", n++);
    return name;
}

/* Instances a, b and c on ports 1, 2 and 3. */
static void
set_abc(const char *class)
{
    const struct mbox_class_port ports[] = {
        test_port("c", DP, 3), test_port("a", DP, 1), test_port("b", DP, 2),
    };

    mbox_class_set_ports(class, ports, ARRAY_SIZE(ports));
}

static struct mbox_key
tcp_key(uint32_t src, uint16_t src_port, uint32_t dst, uint16_t dst_port)
{
    struct mbox_key key;
    ovs_be32 ip;

    memset(&key, 0, sizeof key);
    key.src[10] = key.src[11] = key.dst[10] = key.dst[11] = 0xff;
    ip = htonl(src);
    memcpy(key.src + 12, &ip, 4);
    ip = htonl(dst);
    memcpy(key.dst + 12, &ip, 4);
    key.src_port = src_port;
    key.dst_port = dst_port;
    key.vlan = MBOX_VLAN_NONE;
    key.family = 4;
    key.proto = IPPROTO_TCP;
    return key;
}

/* The space "tcp,nw_src=SRC/PREFIX". */
static struct mbox_space
tcp_src_space(uint32_t src, int prefix)
{
    struct mbox_space space;
    ovs_be32 mask = be32_prefix_mask(prefix);
    ovs_be32 ip = htonl(src) & mask;

    mbox_space_init_any(&space);
    space.value.family = 4;
    space.mask.family = 0xff;
    space.value.proto = IPPROTO_TCP;
    space.mask.proto = 0xff;
    space.value.src[10] = space.value.src[11] = 0xff;
    memset(space.mask.src, 0xff, 12);
    memcpy(space.value.src + 12, &ip, 4);
    memcpy(space.mask.src + 12, &mask, 4);
    return space;
}

/* What flow_extract() makes of a packet of 'key', in the middle of a pipeline
 * that uses a register. */
static void
extract_flow(const struct mbox_key *key, bool later_frag, struct flow *flow)
{
    mbox_key_to_flow(key, later_frag, flow);
    flow->regs[0] = 0x12345678;
    if (key->src_port && !later_frag) {
        if (key->proto == IPPROTO_ICMP) {
            flow->tp_src = htons(key->src_port & 1 ? 8 : 0);
        } else if (key->proto == IPPROTO_ICMPV6) {
            flow->tp_src = htons(key->src_port & 1 ? 128 : 129);
        }
    }
}

/* Translates 'key'; returns the port it is steered to, 0 for a drop, -1 for a
 * bypass. */
static int
translate(const char *class, const char *dp_name, const struct mbox_key *key,
          bool later_frag, struct flow_wildcards *wc,
          struct ovs_action_mbox *action)
{
    struct ovs_action_mbox dummy_action;
    struct flow_wildcards dummy_wc;
    struct flow flow;

    if (!wc) {
        wc = &dummy_wc;
        flow_wildcards_init_catchall(wc);
    }
    if (!action) {
        action = &dummy_action;
    }
    extract_flow(key, later_frag, &flow);
    switch (mbox_class_translate(class, dp_name, &flow, wc, action, NULL)) {
    case MBOX_CLASS_STEER:
        assert_int_equal(action->type, MBOX_ODP_STEER);
        if (action->arg == MBOX_GEN_STALE) {
            /* Each packet is looked up by its own. */
            const struct mbox_class *c = mbox_class_from_name(class);

            return odp_to_u32(mbox_class_find_key_owner(
                                  c, mbox_class_get_view(c), dp_name, key,
                                  later_frag)->port.odp_port);
        }
        return action->port;
    case MBOX_CLASS_BYPASS:
        return -1;
    case MBOX_CLASS_DROP:
    default:
        return 0;
    }
}

static int
steered_to(const char *class, uint32_t src, uint32_t dst)
{
    struct mbox_key key = tcp_key(src, 1000, dst, 80);

    return translate(class, DP, &key, false, NULL, NULL);
}

static void
test_default(void **state OVS_UNUSED)
{
    const char *class = new_class();
    const struct mbox_class_port elsewhere[] = {
        test_port("a", "dummy@other", 1), test_port("b", DP, 2),
        test_port("gone", DP, UINT32_MAX), test_port("nowhere", "", 5),
    };
    struct ovs_action_mbox action;
    struct mbox_key key = tcp_key(1, 2, 3, 4);

    /* Unknown class, no instance, dead default: drop, or bypass. */
    assert_int_equal(translate("no-such", DP, &key, false, NULL, &action), 0);
    assert_int_equal(action.type, 0);
    mbox_class_set_default(class, "", false);
    assert_int_equal(translate(class, DP, &key, false, NULL, &action), 0);
    assert_int_equal(action.type, MBOX_ODP_STEER);
    assert_false(mbox_steer_fast(&action));
    mbox_class_set_default(class, "", true);
    assert_int_equal(steered_to(class, 1, 2), -1);

    /* First live one by name; a named one. */
    set_abc(class);
    assert_int_equal(steered_to(class, 1, 2), 1);
    mbox_class_set_default(class, "c", false);
    assert_int_equal(steered_to(class, 1, 2), 3);
    mbox_class_set_default(class, "nobody", false);
    assert_int_equal(steered_to(class, 1, 2), 0);

    /* Only instances of the same datapath, and only live ones. */
    mbox_class_set_default(class, "", false);
    assert_true(mbox_class_set_ports(class, elsewhere, 4));
    assert_false(mbox_class_set_ports(class, elsewhere, 4));
    assert_int_equal(steered_to(class, 1, 2), 2);
    assert_int_equal(translate(class, "dummy@other", &key, false, NULL, NULL),
                     1);
    assert_int_equal(translate(class, "dummy@third", &key, false, NULL, NULL),
                     0);

    bool any;
    assert_true(mbox_class_is_mbox_port(DP, u32_to_odp(2), &any) && any);
    assert_false(mbox_class_is_mbox_port(DP, u32_to_odp(99), &any));
    assert_true(any);
    assert_false(mbox_class_is_mbox_port("dummy@third", u32_to_odp(2), &any));
    assert_false(any);
}

static void
test_hash(void **state OVS_UNUSED)
{
    const char *class = new_class();
    const struct mbox_class_port two[] = {
        test_port("a", DP, 1), test_port("c", DP, 3),
    };
    enum { N = 3000 };
    int to[N], count[4] = { 0 };

    set_abc(class);
    mbox_class_set_default(class, "*", false);
    for (int i = 0; i < N; i++) {
        to[i] = steered_to(class, 0x0a000000 + i, 0xc0a80001);
        assert_int_equal(to[i], steered_to(class, 0xc0a80001, 0x0a000000 + i));
        count[to[i]]++;
    }
    for (int i = 1; i <= 3; i++) {
        assert_in_range(count[i], N / 3 - N / 10, N / 3 + N / 10);
    }

    /* Only the flows of one that goes away move. */
    mbox_class_set_ports(class, two, 2);
    for (int i = 0; i < N; i++) {
        int now = steered_to(class, 0x0a000000 + i, 0xc0a80001);

        assert_true(to[i] == 2 ? now != 2 : now == to[i]);
    }

    /* A fragment goes where its connection goes, so ports are not looked at:
     * just the addresses are un-wildcarded. */
    struct flow_wildcards wc, expected;
    struct mbox_key key = tcp_key(0x0a000001, 1000, 0xc0a80001, 80);

    flow_wildcards_init_catchall(&wc);
    int whole = translate(class, DP, &key, false, &wc, NULL);
    flow_wildcards_init_catchall(&expected);
    expected.masks.nw_src = expected.masks.nw_dst = OVS_BE32_MAX;
    assert_memory_equal(&wc, &expected, sizeof wc);
    key.src_port = key.dst_port = 0;
    assert_int_equal(translate(class, DP, &key, true, NULL, NULL), whole);
}

static void
test_assignments(void **state OVS_UNUSED)
{
    const char *class = new_class();
    struct mbox_space net24 = tcp_src_space(0x0a000000, 24);
    struct mbox_space net16 = tcp_src_space(0x0a000000, 16);
    struct mbox_space host = tcp_src_space(0x0a000005, 32);
    struct mbox_assignment *assignments;
    char instance[MBOX_NAME_MAX + 1];

    set_abc(class);
    test_assign(class, &net24, "b");
    assert_int_equal(steered_to(class, 0x0a000001, 0x01010101), 2);
    assert_int_equal(steered_to(class, 0x01010101, 0x0a000001), 2);
    assert_int_equal(steered_to(class, 0x0a000101, 0x01010101), 1);

    /* The newest wins. */
    test_assign(class, &host, "c");
    assert_int_equal(steered_to(class, 0x0a000005, 0x01010101), 3);
    assert_int_equal(steered_to(class, 0x0a000006, 0x01010101), 2);
    assert_int_equal(mbox_class_get_assignments(class, &assignments), 2);
    assert_string_equal(assignments[0].instance, "c");
    assert_string_equal(assignments[1].instance, "b");
    free(assignments);

    struct mbox_key key = tcp_key(0x0a000005, 1, 2, 3);
    assert_true(mbox_class_lookup(class, &key, instance));
    assert_string_equal(instance, "c");

    /* It removes what it covers, and only that. */
    test_assign(class, &net24, "a");
    assert_int_equal(mbox_class_get_assignments(class, &assignments), 1);
    assert_string_equal(assignments[0].instance, "a");
    free(assignments);
    assert_int_equal(steered_to(class, 0x0a000005, 0x01010101), 1);

    struct mbox_assignment set[3] = {
        { .space = host, .instance = "c" },
        { .space = net24, .instance = "b" },
        { .space = net16, .instance = "c" },
    };
    mbox_class_set_assignments(class, set, 3);
    assert_int_equal(mbox_class_get_assignments(class, &assignments), 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(assignments[i].instance, set[i].instance);
        assert_true(mbox_space_equal(&assignments[i].space, &set[i].space));
    }
    free(assignments);
    assert_int_equal(steered_to(class, 0x0a000005, 0x01010101), 3);
    assert_int_equal(steered_to(class, 0x0a000006, 0x01010101), 2);
    assert_int_equal(steered_to(class, 0x0a000106, 0x01010101), 3);

    /* Assigned to one that is not live: the default. */
    set[0] = (struct mbox_assignment) { .space = net16, .instance = "dead" };
    mbox_class_set_assignments(class, set, 1);
    assert_int_equal(steered_to(class, 0x0a000005, 0x01010101), 1);
    mbox_class_set_assignments(class, NULL, 0);
    assert_int_equal(mbox_class_get_assignments(class, &assignments), 0);
    free(assignments);

    /* Just what is not IP cannot be said. */
    struct mbox_space non_ip;
    mbox_space_init_any(&non_ip);
    non_ip.mask.family = 0xff;
    test_assign(class, &non_ip, "b");
    assert_int_equal(mbox_class_get_assignments(class, &assignments), 0);
    free(assignments);

    /* A key that no packet has, but a middlebox may claim: two different
     * directions whose matches are the same. */
    struct mbox_space odd;
    key = tcp_key(0x0a000005, 1, 0x0a000005, 2);
    key.proto = IPPROTO_ICMP;
    mbox_space_init_key(&odd, &key);
    test_assign(class, &odd, "b");
}

static void
test_one_way_and_fragments(void **state OVS_UNUSED)
{
    const char *class = new_class();
    struct mbox_space space = tcp_src_space(0x0a000000, 24);
    struct mbox_key key = tcp_key(0x0a000001, 0, 1, 0);

    set_abc(class);
    space.one_way = true;
    test_assign(class, &space, "b");
    assert_int_equal(steered_to(class, 0x0a000001, 1), 2);
    assert_int_equal(steered_to(class, 1, 0x0a000001), 1);
    assert_int_equal(translate(class, DP, &key, true, NULL, NULL), 2);

    /* A later fragment has no ports, not even 0. */
    space.mask.src_port = 0xfff0;
    test_assign(class, &space, "c");
    assert_int_equal(translate(class, DP, &key, false, NULL, NULL), 3);
    assert_int_equal(translate(class, DP, &key, true, NULL, NULL), 2);
}

static void
test_generations(void **state OVS_UNUSED)
{
    const char *class = new_class();
    struct mbox_space space = tcp_src_space(0x0a000000, 24);
    struct mbox_key key = tcp_key(0x0a000001, 1, 2, 3);
    struct ovs_action_mbox old, new;
    uint64_t seq = seq_read(mbox_class_seq());

    set_abc(class);
    assert_true(seq_read(mbox_class_seq()) != seq);
    seq = seq_read(mbox_class_seq());
    translate(class, DP, &key, false, NULL, &old);
    assert_true(mbox_steer_fast(&old));

    /* Whatever changes makes what was translated before stale. */
    test_assign(class, &space, "b");
    assert_false(mbox_steer_fast(&old));
    assert_true(seq_read(mbox_class_seq()) != seq);
    translate(class, DP, &key, false, NULL, &new);
    assert_true(mbox_steer_fast(&new));
    assert_int_equal(new.port, 2);

    old = new;
    mbox_class_set_default(class, "c", false);
    assert_false(mbox_steer_fast(&old));
    translate(class, DP, &key, false, NULL, &new);
    old = new;
    mbox_class_set_ports(class, NULL, 0);
    assert_false(mbox_steer_fast(&old));

    /* Nothing changes: nothing becomes stale. */
    set_abc(class);
    translate(class, DP, &key, false, NULL, &new);
    set_abc(class);
    mbox_class_set_default(class, "c", false);
    assert_true(mbox_steer_fast(&new));

    /* Other action types and unknown classes are never fast. */
    new.id = MBOX_MAX_CLASSES;
    assert_false(mbox_steer_fast(&new));
    new = old;
    new.type = MBOX_ODP_DUP;
    assert_false(mbox_steer_fast(&new));
}

/* Translation and mbox_space_contains() agree about what a space is. */
static void
test_random_assignments(void **state OVS_UNUSED)
{
    static const char *const names[] = { "a", "b", "c" };
    struct mbox_assignment set[4];
    unsigned int n_hidden = 0;

    for (int round = 0; round < 500; round++) {
        static char class[] = "random";
        size_t n = 1 + test_random_range(ARRAY_SIZE(set));

        set_abc(class);
        memset(set, 0, sizeof set);
        for (size_t i = 0; i < n; i++) {
            test_random_space(&set[i].space);
            strcpy(set[i].instance, names[test_random_range(3)]);
        }
        mbox_class_set_assignments(class, set, n);
        for (int j = 0; j < 100; j++) {
            bool later_frag = !test_random_range(4);
            struct ovs_action_mbox action;
            struct flow_wildcards wc;
            struct mbox_key key;
            int expected = 1;

            test_random_key(&key);
            if (!key.family) {
                later_frag = false;
            }
            if (later_frag) {
                key.src_port = key.dst_port = 0;
            }
            for (size_t i = n; i-- > 0; ) {
                if (test_space_has_packet(&set[i].space, &key, later_frag)) {
                    expected = set[i].instance[0] - 'a' + 1;
                }
            }
            flow_wildcards_init_catchall(&wc);
            assert_int_equal(translate(class, DP, &key, later_frag, &wc,
                                       &action), expected);

            bool stale = action.arg == MBOX_GEN_STALE;
            if (stale && !(later_frag && key.family == 6)) {
                assert_true(key.proto == IPPROTO_ICMP
                            || key.proto == IPPROTO_ICMPV6);
                n_hidden++;
            }

            /* Another packet of the same megaflow gets the same answer. */
            struct mbox_key other_key;
            struct flow flow, other, masked, other_masked;

            test_random_key(&other_key);
            extract_flow(&key, later_frag, &flow);
            extract_flow(&other_key, false, &other);
            memset(wc.masks.regs, 0, sizeof wc.masks.regs);
            wc.masks.nw_frag = FLOW_NW_FRAG_MASK;
            for (size_t i = 0; i < FLOW_U64S; i++) {
                uint64_t mask = flow_u64_value(&wc.masks, i);

                ((uint64_t *) &masked)[i] = flow_u64_value(&flow, i) & mask;
                ((uint64_t *) &other_masked)[i]
                    = flow_u64_value(&other, i) & mask;
            }
            if (flow.dl_type == other.dl_type
                && !memcmp(&masked, &other_masked, sizeof masked)) {
                flow_wildcards_init_catchall(&wc);
                mbox_class_translate(class, DP, &other, &wc, &action, NULL);
                assert_int_equal(action.arg == MBOX_GEN_STALE, stale);
                if (!stale) {
                    assert_int_equal(action.port, expected);
                }
            }
        }
        ovsrcu_quiesce();
    }
    assert_true(n_hidden > 100);
}

/* A generation and the port found with it belong together: 'racing' is
 * assigned to "b" in even generations and to "c" in odd ones. */
static atomic_bool racing = ATOMIC_VAR_INIT(true);
static atomic_count n_wrong = ATOMIC_COUNT_INIT(0);
static atomic_count n_translated = ATOMIC_COUNT_INIT(0);

static void *
race_reader(void *parity_)
{
    const int *parity = parity_;
    struct mbox_key key = tcp_key(0x0a000001, 1, 2, 3);
    bool go_on;

    do {
        struct ovs_action_mbox action;

        translate("race", DP, &key, false, NULL, &action);
        if (action.port != ((action.arg + *parity) % 2 ? 3 : 2)) {
            atomic_count_inc(&n_wrong);
        }
        atomic_count_inc(&n_translated);
        ovsrcu_quiesce();
        atomic_read_relaxed(&racing, &go_on);
    } while (go_on);
    return NULL;
}

static void
test_race(void **state OVS_UNUSED)
{
    struct mbox_space space = tcp_src_space(0x0a000000, 24);
    struct mbox_key key = tcp_key(0x0a000001, 1, 2, 3);
    struct ovs_action_mbox action;
    pthread_t threads[3];
    int parity;

    set_abc("race");
    test_assign("race", &space, "b");
    translate("race", DP, &key, false, NULL, &action);
    parity = action.arg % 2;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        threads[i] = ovs_thread_create("reader", race_reader, &parity);
    }
    for (int i = 1; i < 2000; i++) {
        test_assign("race", &space, i % 2 ? "c" : "b");
        ovsrcu_quiesce();
    }
    atomic_store(&racing, false);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        xpthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_count_get(&n_wrong), 0);
    assert_true(atomic_count_get(&n_translated) > 0);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_assignments),
        cmocka_unit_test(test_one_way_and_fragments),
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_random_assignments),
        cmocka_unit_test(test_race),
    };

    ovs_set_program_name(argv[0], "1.0");
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_settle();
    ovsrcu_exit();
    return n_failed;
}
