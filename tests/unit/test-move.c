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

/* Tests for what a move does to the assignments: against a naive model, and
 * with many flows. */

#include <config.h>
#undef NDEBUG

#include <errno.h>

#include "test-util.h"
#include "test-assign.h"
#include "test-ovs.h"

#include "classifier.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"

#include "mbox-class-private.h"
#include "mbox-flow.h"
#include "mbox-steer.h"

#define DP "dummy@ovs-dummy"
#define CLASS "move"

/* "0", which is not always there, is the first by name. */
static void
set_members(const char *class, bool zero, int n)
{
    const struct mbox_class_port ports[] = {
        test_port("a", DP, 1), test_port("b", DP, 2), test_port("c", DP, 3),
        test_port("d", DP, 4),
    };
    struct mbox_class_port members[5];

    memcpy(members, ports, sizeof ports);
    if (zero) {
        members[n++] = test_port("0", DP, 5);
    }
    mbox_class_set_ports(class, members, n);
}

/* A packet, as far as assignments look at it. */
struct probe {
    struct mbox_key key;
    bool later_frag;
    char base[MBOX_NAME_MAX + 1];   /* Its owner when the transfer began. */
    char expected[MBOX_NAME_MAX + 1];
};

static void
get_owner(const char *class_name, const struct probe *probe,
          char owner[MBOX_NAME_MAX + 1])
{
    const struct mbox_class *class = mbox_class_from_name(class_name);
    const struct mbox_class_member *member
        = mbox_class_find_key_owner(class, mbox_class_get_view(class), DP,
                                    &probe->key, probe->later_frag);

    ovs_strzcpy(owner, member ? member->port.instance : "",
                MBOX_NAME_MAX + 1);
}

static void
random_probe(struct probe *probe)
{
    test_random_key(&probe->key);
    probe->later_frag = probe->key.family && !test_random_range(4);
    if (probe->later_frag) {
        probe->key.src_port = probe->key.dst_port = 0;
    }
}

/* True if 'probe' is of one of the flows. */
static bool
is_selected(const struct probe *probe, const struct mbox_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mbox_space space;

        mbox_space_init_key(&space, &keys[i]);
        if (test_space_has_packet(&space, &probe->key, probe->later_frag)) {
            return true;
        }
    }
    return false;
}

/* Some flows of the probes, each once. */
static size_t
random_keys(const struct probe *probes, size_t n_probes,
            struct mbox_key *keys, size_t max)
{
    size_t n = 0;

    for (size_t i = test_random_range(max + 1); i > 0; i--) {
        const struct mbox_key *key
            = &probes[test_random_range(n_probes)].key;
        size_t j;

        if (!key->family) {
            continue;
        }
        mbox_key_canonical(key, &keys[n]);
        for (j = 0; !mbox_key_equal(&keys[j], &keys[n]); j++) {
            continue;
        }
        n += j == n;
    }
    return n;
}

/* Restored from what is durable, assignments mean the same. */
static void
check_durable(const struct probe *probes, size_t n_probes)
{
    struct mbox_assignment *assignments;
    size_t n = mbox_class_get_assignments(CLASS, &assignments);
    char owner[MBOX_NAME_MAX + 1];

    mbox_class_set_assignments(CLASS, assignments, n);
    free(assignments);
    for (size_t i = 0; i < n_probes; i++) {
        get_owner(CLASS, &probes[i], owner);
        assert_string_equal(owner, probes[i].expected);
    }
}

enum { N_PROBES = 150 };

struct totals {
    unsigned int n_moves, n_moved, n_third, n_mixed, n_unsayable;
    size_t n_assignments;
};

static void
one_move(int n_members, bool by_hash, struct totals *totals)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    struct probe probes[N_PROBES];
    struct mbox_key keys[5];
    struct mbox_space space;
    struct mbox_steer *steer;
    int src = test_random_range(n_members);
    int dst = (src + 1 + test_random_range(n_members - 1)) % n_members;
    bool all = test_random_range(3);
    bool direct = !test_random_range(3);    /* Not by the transfer. */
    size_t n_keys;
    int error;

    set_members(CLASS, false, n_members);
    test_random_space(&space);
    for (size_t i = 0; i < N_PROBES; i++) {
        random_probe(&probes[i]);
        get_owner(CLASS, &probes[i], probes[i].base);
    }
    error = mbox_steer_open(CLASS, 1, &space, names[src], names[dst], &steer);
    assert_int_equal(mbox_class_check_move(CLASS, &space, names[src],
                                           names[dst]), error);
    if (error == -EDOM) {
        assert_true(by_hash && n_members > 2);
        totals->n_mixed++;
        return;
    } else if (error) {
        assert_int_equal(error, -EINVAL);
        totals->n_unsayable++;
        return;
    }

    /* Who owns what has no assignment may change meanwhile. */
    if (!direct && !test_random_range(4)) {
        set_members(CLASS, true, n_members);
    }
    n_keys = (test_random_range(2)
              ? random_keys(probes, N_PROBES, keys, ARRAY_SIZE(keys) - 1) : 0);
    for (size_t i = 0; i < N_PROBES; i++) {
        struct probe *p = &probes[i];
        bool of_src = !strcmp(p->base, names[src]);
        bool selected = is_selected(p, keys, n_keys);
        bool in_space = test_space_has_packet(&space, &p->key, p->later_frag);
        bool moves = all ? in_space && !selected : selected;

        get_owner(CLASS, p, p->expected);
        if (of_src && moves) {
            strcpy(p->expected, names[dst]);
            totals->n_moved++;
        } else if (of_src && selected) {
            strcpy(p->expected, names[src]);
        } else if (by_hash && all && in_space
                   && !strcmp(p->base, names[dst])) {
            /* Spread over the two, it is all the destination's now, and stays
             * so. */
            strcpy(p->expected, "");
        }
        totals->n_third += moves && !of_src;
    }

    enum mbox_select select = all ? MBOX_SELECT_ALL_EXCEPT : MBOX_SELECT_KEYS;
    if (direct) {
        assert_int_equal(mbox_class_move(CLASS, &space, select, keys, n_keys,
                                         names[src], names[dst]), 0);
    } else {
        mbox_steer_assign(steer, select, keys, n_keys);
    }
    mbox_steer_close(steer);
    for (size_t i = 0; i < N_PROBES; i++) {
        char owner[MBOX_NAME_MAX + 1];

        get_owner(CLASS, &probes[i], owner);
        if (!probes[i].expected[0] && probes[i].base[0]) {
            strcpy(probes[i].expected, owner);
            assert_true(!strcmp(owner, names[dst]) || !strcmp(owner, "0"));
        }
        assert_string_equal(owner, probes[i].expected);
    }
    check_durable(probes, N_PROBES);
    totals->n_moves++;
}

/* A packet's owner is the destination if it was the source's and is moved;
 * otherwise nothing changes for it. */
static void
test_random_moves(void **state OVS_UNUSED)
{
    static const char *const defaults[] = {
        "", "a", "c", "nobody", "*", "*"
    };
    static const char *const owners[] = { "a", "b", "c", "d", "dead" };
    struct totals totals = { .n_moves = 0 };

    for (int round = 0; round < 600; round++) {
        const char *by_default
            = defaults[test_random_range(ARRAY_SIZE(defaults))];
        int n_members = 2 + test_random_range(3);
        struct mbox_assignment set[6];
        size_t n = test_random_range(ARRAY_SIZE(set));

        mbox_class_set_default(CLASS, by_default, false);
        memset(set, 0, sizeof set);
        for (size_t i = 0; i < n; i++) {
            test_random_space(&set[i].space);
            strcpy(set[i].instance,
                   owners[test_random_range(ARRAY_SIZE(owners))]);
        }
        mbox_class_set_assignments(CLASS, set, n);
        for (int i = 0; i < 4; i++) {
            one_move(n_members, by_default[0] == '*', &totals);
            ovsrcu_quiesce();
        }
    }

    /* The cases were not all of one kind. */
    assert_true(totals.n_moves > 1000);
    assert_true(totals.n_moved > 3 * totals.n_moves);
    assert_true(totals.n_third > 10 * totals.n_moves);
    assert_true(totals.n_mixed > 50);
}

/* Moving to and fro does not leave more and more assignments behind. */
static void
test_compact(void **state OVS_UNUSED)
{
    static const char *const names[] = { "a", "b", "c" };
    struct mbox_assignment *assignments;
    struct mbox_space spaces[4];
    struct mbox_key key;
    size_t n, most = 0;

    memset(&key, 0, sizeof key);
    key.family = 4;
    key.vlan = MBOX_VLAN_NONE;
    memset(key.src + 10, 0xff, 2);
    memset(key.dst + 10, 0xff, 2);
    for (int i = 0; i < 3; i++) {
        mbox_space_init_key(&spaces[i], &key);
        memset(spaces[i].mask.dst, 0, sizeof spaces[i].mask.dst);
        memset(spaces[i].mask.src + 16 - i, 0, i);
        spaces[i].mask.src_port = spaces[i].mask.dst_port = 0;
        spaces[i].mask.proto = spaces[i].mask.vlan = 0;
        memset(spaces[i].value.dst, 0, sizeof spaces[i].value.dst);
        spaces[i].value.vlan = 0;
    }

    /* One that overlaps others only in part. */
    mbox_key_reverse(&spaces[1].value, &spaces[3].value);
    mbox_key_reverse(&spaces[1].mask, &spaces[3].mask);
    spaces[3].value.dst[15] = 0x40;
    spaces[3].mask.dst[14] = 0;
    spaces[3].mask.dst[15] = 0x40;
    spaces[3].one_way = false;
    memset(spaces[3].pad, 0, sizeof spaces[3].pad);

    mbox_class_set_default(CLASS, "", false);
    mbox_class_set_assignments(CLASS, NULL, 0);
    set_members(CLASS, false, 3);
    for (int i = 0; i < 1000; i++) {
        int src = test_random_range(3), dst = (src + 1 + i % 2) % 3;
        struct mbox_steer *steer;
        const struct mbox_space *space = &spaces[test_random_range(4)];

        assert_int_equal(mbox_steer_open(CLASS, 1, space, names[src],
                                         names[dst], &steer), 0);
        mbox_steer_assign(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
        mbox_steer_close(steer);
        n = mbox_class_get_assignments(CLASS, &assignments);
        free(assignments);
        most = MAX(most, n);
        ovsrcu_quiesce();
    }
    assert_in_range(most, 2, 8);
}

/* Each of many flows is assigned by itself. */
static void
test_many_flows(void **state OVS_UNUSED)
{
    const char *n_env = getenv("MBOX_TEST_FLOWS");
    size_t n = n_env ? atoi(n_env) : 10000;
    struct mbox_key *keys = xcalloc(n, sizeof *keys);
    struct mbox_assignment *assignments;
    struct mbox_space any;
    char owner[MBOX_NAME_MAX + 1];

    mbox_class_set_default(CLASS, "", false);
    mbox_class_set_assignments(CLASS, NULL, 0);
    set_members(CLASS, false, 2);
    mbox_space_init_any(&any);
    for (int round = 0; round < 3; round++) {
        const char *src = round % 2 ? "b" : "a";
        const char *dst = round % 2 ? "a" : "b";
        struct mbox_steer *steer;
        long long start;

        for (size_t i = 0; i < n; i++) {
            ovs_be32 src_ip = htonl(0x0a000000 + (i >> 8));

            memset(&keys[i], 0, sizeof keys[i]);
            keys[i].family = 4;
            keys[i].proto = IPPROTO_TCP;
            keys[i].vlan = MBOX_VLAN_NONE;
            memset(keys[i].src + 10, 0xff, 2);
            memset(keys[i].dst + 10, 0xff, 2);
            memcpy(keys[i].src + 12, &src_ip, sizeof src_ip);
            keys[i].dst[12] = 192;
            keys[i].src_port = 1024 + (i & 255);
            keys[i].dst_port = 80;
            mbox_key_canonical(&keys[i], &keys[i]);
        }
        assert_int_equal(mbox_steer_open(CLASS, 1, &any, src, dst, &steer), 0);
        start = time_usec();
        mbox_steer_assign(steer, MBOX_SELECT_KEYS, keys, n);
        print_message("%"PRIuSIZE" flows assigned in %.1f ms\n", n,
                      (time_usec() - start) / 1e3);
        mbox_steer_close(steer);
        assert_int_equal(mbox_class_get_assignments(CLASS, &assignments), n);
        free(assignments);
        assert_true(mbox_class_lookup(CLASS, &keys[n / 2], owner));
        assert_string_equal(owner, dst);
    }

    /* All that "b" has goes where everything else is. */
    struct mbox_steer *steer;
    long long start = time_usec();

    assert_int_equal(mbox_steer_open(CLASS, 1, &any, "a", "b", &steer), 0);
    mbox_steer_assign(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
    mbox_steer_close(steer);
    print_message("the rest moved in %.1f ms\n", (time_usec() - start) / 1e3);
    assert_int_equal(mbox_class_get_assignments(CLASS, &assignments), 1);
    free(assignments);
    free(keys);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_moves),
        cmocka_unit_test(test_compact),
        cmocka_unit_test(test_many_flows),
    };

    ovs_set_program_name(argv[0], "1.0");
    test_start_threads();

    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_settle();
    ovsrcu_exit();
    return n_failed;
}
