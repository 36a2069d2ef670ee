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

/* Tests for steering: what the coordinator asks of it. */

#include <config.h>
#undef NDEBUG

#include <errno.h>

#include "test-steer-fake.h"

static void
test_modes(void **state OVS_UNUSED)
{
    struct mbox_steer *steer = open_any(7, "a", "b");
    struct mbox_upcall *upcall;

    come(1, 0);
    CHECK_ARRIVED(PORT_A, 1, 0);
    wait_armed(steer);
    come(1, 1);
    CHECK_ARRIVED(PORT_A, 1, 1);

    assert_null(mbox_steer_recv());
    mbox_steer_set_mode(steer, MBOX_STEER_DUP);
    come(1, 2);
    CHECK_ARRIVED(PORT_A, 1, 2);
    upcall = mbox_steer_recv();
    assert_non_null(upcall);
    assert_int_equal(upcall->reason, MBOX_UPCALL_DUP);
    assert_int_equal(upcall->id, 7);
    assert_int_equal(dp_packet_size(upcall->packet), FRAME_LEN);
    mbox_upcall_destroy(upcall);
    assert_null(mbox_steer_recv());

    mbox_steer_set_mode(steer, MBOX_STEER_DROP);
    come(1, 3);
    check_nothing_arrived();

    mbox_steer_set_mode(steer, MBOX_STEER_TARGET);
    come(1, 4);
    CHECK_ARRIVED(PORT_B, 1, 4);
    mbox_steer_set_mode(steer, MBOX_STEER_PASS);
    come(1, 5);
    CHECK_ARRIVED(PORT_A, 1, 5);

    struct mbox_steer_stats stats = get_stats(steer);
    assert_int_equal(stats.n_packets, 6);
    assert_int_equal(stats.n_dup, 1);
    assert_int_equal(stats.n_dropped, 1);
    assert_int_equal(stats.n_held, 0);
    mbox_steer_close(steer);
    come(1, 6);
    CHECK_ARRIVED(PORT_A, 1, 6);
}

static void
test_hold_and_release(void **state OVS_UNUSED)
{
    struct mbox_steer *steer = open_any(1, "a", "b");
    struct mbox_key key1 = flow_key(1), key2 = flow_key(2);
    struct mbox_key key3 = flow_key(3), key4 = flow_key(4);

    wait_armed(steer);
    n_inject_flushes = 0;
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    assert_int_equal(n_inject_flushes, 1);
    for (int i = 0; i < 3; i++) {
        come(1, i);
        come(2, i);
        come(3, i);
    }
    check_nothing_arrived();
    assert_false(mbox_steer_is_drained(steer));
    assert_true(mbox_steer_get_held_bytes() >= 9 * FRAME_LEN);

    /* One flow is released; newcomers stay behind its queue. */
    mbox_steer_release(steer, MBOX_SELECT_KEYS, &key1, 1, false);
    come(1, 3);
    assert_int_equal(mbox_steer_drain(steer, 2), 2);
    CHECK_ARRIVED(PORT_B, 1, 0, 1, 1);
    come(1, 4);
    assert_int_equal(mbox_steer_drain(steer, 3), 3);
    CHECK_ARRIVED(PORT_B, 1, 2, 1, 3, 1, 4);

    /* What was drained has been sent, but only the next call knows. */
    come(1, 5);
    check_nothing_arrived();
    assert_int_equal(mbox_steer_drain(steer, 100), 1);
    CHECK_ARRIVED(PORT_B, 1, 5);
    assert_int_equal(mbox_steer_drain(steer, 100), 0);
    come(1, 6);
    CHECK_ARRIVED(PORT_B, 1, 6);

    /* Released without a queue: at once. */
    mbox_steer_release(steer, MBOX_SELECT_KEYS, &key4, 1, false);
    come(4, 0);
    CHECK_ARRIVED(PORT_B, 4, 0);

    /* All but one: new flows go to the target, too. */
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, &key2, 1, false);
    come(5, 0);
    CHECK_ARRIVED(PORT_B, 5, 0);
    come(2, 3);
    come(3, 3);
    check_nothing_arrived();
    assert_int_equal(mbox_steer_drain(steer, 100), 4);
    CHECK_ARRIVED(PORT_B, 3, 0, 3, 1, 3, 2, 3, 3);
    assert_false(mbox_steer_is_drained(steer));

    /* The rest, back to the source; what was released stays where it is. */
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, true);
    come(2, 4);
    check_nothing_arrived();
    drain(steer);
    CHECK_ARRIVED(PORT_A, 2, 0, 2, 1, 2, 2, 2, 3, 2, 4);
    come(2, 5);
    CHECK_ARRIVED(PORT_A, 2, 5);
    come(3, 4);
    come(1, 7);
    come(6, 0);
    CHECK_ARRIVED(PORT_B, 3, 4, 1, 7, 6, 0);
    mbox_steer_release(steer, MBOX_SELECT_KEYS, &key3, 1, true);
    come(3, 5);
    CHECK_ARRIVED(PORT_B, 3, 5);

    struct mbox_steer_stats stats = get_stats(steer);
    assert_int_equal(stats.n_held, 15);
    assert_int_equal(stats.n_drained, 15);
    assert_int_equal(stats.cur_held, 0);
    assert_int_equal(stats.cur_bytes, 0);
    assert_int_equal(stats.n_flows_held, 3);
    uint64_t n_times = 0;
    for (size_t i = 0; i < ARRAY_SIZE(stats.hold_histogram); i++) {
        n_times += stats.hold_histogram[i];
    }
    assert_int_equal(n_times, 15);
    assert_true(stats.hold_max_ns <= stats.hold_sum_ns);
    mbox_steer_close(steer);
}

static void
test_take_back(void **state OVS_UNUSED)
{
    struct mbox_steer *steer = open_any(1, "a", "b");
    struct mbox_key key1 = flow_key(1), key2 = flow_key(2);

    wait_armed(steer);
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    for (int i = 0; i < 3; i++) {
        come(1, i);
        come(2, i);
    }
    mbox_steer_release(steer, MBOX_SELECT_KEYS, &key1, 1, false);
    drain(steer);
    mbox_steer_release(steer, MBOX_SELECT_KEYS, &key2, 1, false);
    assert_int_equal(mbox_steer_drain(steer, 1), 1);
    clear_arrivals();

    /* The target dies: everything is held again, and goes to the source. */
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    come(1, 3);
    come(2, 3);
    assert_int_equal(mbox_steer_drain(steer, 100), 0);
    check_nothing_arrived();
    mbox_steer_release(steer, MBOX_SELECT_KEYS, &key2, 1, true);
    drain(steer);
    CHECK_ARRIVED(PORT_A, 2, 1, 2, 2, 2, 3);
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, true);
    drain(steer);
    CHECK_ARRIVED(PORT_A, 1, 3);
    come(1, 4);
    CHECK_ARRIVED(PORT_A, 1, 4);
    mbox_steer_close(steer);
}

static void
test_returned_packets(void **state OVS_UNUSED)
{
    struct mbox_steer *steer = open_any(1, "a", "b");

    wait_armed(steer);
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    come(1, 0);
    mbox_steer_hold_packet(steer, make_packet(1, 1, false));
    come(1, 2);
    check_nothing_arrived();
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, false);
    mbox_steer_hold_packet(steer, make_packet(1, 3, false));
    drain(steer);
    CHECK_ARRIVED(PORT_B, 1, 0, 1, 1, 1, 2, 1, 3);
    mbox_steer_hold_packet(steer, make_packet(1, 4, false));
    CHECK_ARRIVED(PORT_B, 1, 4);
    mbox_steer_close(steer);
}

static void
test_limits(void **state OVS_UNUSED)
{
    struct mbox_steer *steer = open_any(1, "a", "b");

    wait_armed(steer);
    mbox_steer_set_limits(SIZE_MAX, 8);
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(mbox_steer_is_over_limit(steer), i >= 6);
        come(1, i);
    }
    come(1, 8);
    assert_int_equal(get_stats(steer).n_overflow, 1);
    assert_int_equal(get_stats(steer).cur_held, 8);
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, true);
    drain(steer);
    clear_arrivals();

    /* In bytes. */
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    mbox_steer_set_limits(20000, SIZE_MAX);
    for (int i = 0; i < 1000; i++) {
        come(2, i);
        assert_in_range(mbox_steer_get_held_bytes(), 1, 20000);
    }
    assert_in_range(get_stats(steer).max_bytes, 15000, 20000);
    assert_true(get_stats(steer).cur_held > 3);

    /* Closed while something is held: dropped, counted, and logged. */
    struct mbox_class_stats before, after;
    uint64_t n_held = get_stats(steer).cur_held;

    mbox_class_get_stats(CLASS, &before);
    mbox_steer_close(steer);
    mbox_class_get_stats(CLASS, &after);
    assert_int_equal(after.n_dropped - before.n_dropped, n_held);
}

static void
test_open_errors(void **state OVS_UNUSED)
{
    struct mbox_space any = any_space(), one, other;
    struct mbox_steer *steer1, *steer2, *steer3;
    struct mbox_key key1 = flow_key(1), key2 = flow_key(2);

    mbox_space_init_key(&one, &key1);
    mbox_space_init_key(&other, &key2);
    assert_int_equal(mbox_steer_open("none", 1, &any, "a", "b", &steer1),
                     -ENODEV);
    assert_int_equal(mbox_steer_open(CLASS, 1, &any, "a", "x", &steer1),
                     -ENODEV);
    assert_int_equal(mbox_steer_open(CLASS, 1, &any, "a", "a", &steer1),
                     -EINVAL);
    assert_int_equal(mbox_steer_open(CLASS, 1, &one, "a", "b", &steer1), 0);
    assert_int_equal(mbox_steer_open(CLASS, 2, &any, "a", "b", &steer2),
                     -EEXIST);
    assert_int_equal(mbox_steer_open(CLASS, 2, &one, "b", "a", &steer2),
                     -EEXIST);
    assert_int_equal(mbox_steer_open(CLASS, 2, &other, "a", "b", &steer2), 0);

    /* Two at a time. */
    wait_armed(steer1);
    wait_armed(steer2);
    mbox_steer_set_mode(steer1, MBOX_STEER_HOLD);
    come(1, 0);
    come(2, 0);
    come(3, 0);
    CHECK_ARRIVED(PORT_A, 2, 0, 3, 0);
    mbox_steer_set_mode(steer2, MBOX_STEER_TARGET);
    mbox_steer_release(steer1, MBOX_SELECT_ALL_EXCEPT, NULL, 0, true);
    drain(steer1);
    come(2, 1);
    ovs_mutex_lock(&device_mutex);
    assert_int_equal(arrivals[0].port, PORT_A);
    assert_int_equal(arrivals[1].port, PORT_B);
    ovs_mutex_unlock(&device_mutex);
    clear_arrivals();
    mbox_steer_close(steer1);
    assert_int_equal(mbox_steer_open(CLASS, 3, &one, "a", "b", &steer3), 0);
    mbox_steer_close(steer2);
    mbox_steer_close(steer3);

    struct mbox_class_port ports[2];
    memset(ports, 0, sizeof ports);
    strcpy(ports[0].instance, "a");
    strcpy(ports[0].dp_name, DP);
    strcpy(ports[1].instance, "b");
    strcpy(ports[1].dp_name, "fake@other");
    mbox_class_set_ports("split", ports, 2);
    assert_int_equal(mbox_steer_open("split", 1, &any, "a", "b", &steer1),
                     -EXDEV);
}

/* Flows of others than the source are not touched. */
static void
test_only_source(void **state OVS_UNUSED)
{
    struct mbox_key key2 = flow_key(2);
    struct mbox_space space;

    mbox_space_init_key(&space, &key2);
    test_assign(CLASS, &space, "b");

    struct ovs_action_mbox to_a = current_action(), to_b = to_a;
    to_b.port = PORT_B;

    struct mbox_steer *steer = open_any(1, "a", "b");
    wait_armed(steer);
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    execute_one(make_packet(2, 0, false), &to_b);
    CHECK_ARRIVED(PORT_B, 2, 0);

    /* Also if it is found out by looking. */
    to_b.arg--;
    execute_one(make_packet(2, 1, false), &to_b);
    CHECK_ARRIVED(PORT_B, 2, 1);
    to_a.arg--;
    execute_one(make_packet(1, 0, false), &to_a);
    check_nothing_arrived();

    /* And with an assignment that comes while it is open. */
    space = any_space();
    test_assign(CLASS, &space, "b");
    execute_one(make_packet(1, 1, false), &to_a);
    come(1, 2);
    check_nothing_arrived();
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, false);
    drain(steer);
    CHECK_ARRIVED(PORT_B, 1, 0, 1, 1, 1, 2);
    mbox_steer_close(steer);

    /* Closed: the assignment counts, and stale flows are looked up. */
    struct mbox_class_stats before, after;
    mbox_class_get_stats(CLASS, &before);
    execute_one(make_packet(1, 3, false), &to_a);
    CHECK_ARRIVED(PORT_B, 1, 3);
    mbox_class_get_stats(CLASS, &after);
    assert_int_equal(after.n_stale - before.n_stale, 1);
    come(1, 4);
    CHECK_ARRIVED(PORT_B, 1, 4);
}

/* Flows of a third instance go on undisturbed, and stay with it. */
static void
test_third_instance(void **state OVS_UNUSED)
{
    enum { PORT_C = 3 };
    const struct mbox_class_port third[] = {
        test_port("a", DP, PORT_A), test_port("b", DP, PORT_B),
        test_port("c", DP, PORT_C),
    };
    struct mbox_key key2 = flow_key(2);
    struct mbox_space space;

    mbox_class_set_ports(CLASS, third, ARRAY_SIZE(third));
    mbox_space_init_key(&space, &key2);
    test_assign(CLASS, &space, "c");

    /* Datapath flows from before, and with an own one for each. */
    struct ovs_action_mbox to_a = current_action(), to_c = to_a, stale = to_a;
    to_c.port = PORT_C;
    stale.arg--;

    struct mbox_steer *steer = open_any(1, "a", "b");
    wait_armed(steer);
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    execute_one(make_packet(1, 0, false), &to_a);
    execute_one(make_packet(2, 0, false), &to_c);
    execute_one(make_packet(2, 1, true), &stale);
    CHECK_ARRIVED(PORT_C, 2, 0, 2, 1);
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, false);
    execute_one(make_packet(2, 2, true), &to_c);
    execute_one(make_packet(2, 3, false), &stale);
    CHECK_ARRIVED(PORT_C, 2, 2, 2, 3);
    drain(steer);
    CHECK_ARRIVED(PORT_B, 1, 0);
    assert_int_equal(get_stats(steer).n_packets, 1);

    mbox_steer_assign(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
    mbox_steer_close(steer);
    execute_one(make_packet(2, 4, false), &to_c);
    execute_one(make_packet(2, 5, true), &stale);
    CHECK_ARRIVED(PORT_C, 2, 4, 2, 5);
    execute_one(make_packet(1, 1, false), &to_a);
    execute_one(make_packet(3, 0, false), &to_a);
    CHECK_ARRIVED(PORT_B, 1, 1, 3, 0);
}

static void
test_ports_change(void **state OVS_UNUSED)
{
    struct mbox_steer *steer = open_any(1, "a", "b");
    struct ovs_action_mbox action = current_action();

    wait_armed(steer);
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    execute_one(make_packet(1, 0, false), &action);
    set_ports(PORT_A, 5);
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, false);
    drain(steer);
    CHECK_ARRIVED(5, 1, 0);
    set_ports(PORT_A, UINT32_MAX);
    execute_one(make_packet(1, 1, false), &action);
    check_nothing_arrived();
    assert_int_equal(get_stats(steer).n_dropped, 1);
    assert_int_equal(mbox_steer_send(CLASS, "b", make_packet(1, 2, false)),
                     -ENODEV);
    assert_int_equal(mbox_steer_send_tracer(CLASS, "b", MBOX_TAG_LAST, 1, 2),
                     -ENODEV);
    mbox_steer_hold_packet(steer, make_packet(1, 3, false));
    check_nothing_arrived();
    assert_int_equal(get_stats(steer).n_dropped, 2);
    mbox_steer_close(steer);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hold_and_release, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_take_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_returned_packets, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_third_instance, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ports_change, setup, teardown),
    };

    ovs_set_program_name(argv[0], "1.0");

    test_start_threads();

    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_settle();
    ovsrcu_exit();
    return n_failed;
}
