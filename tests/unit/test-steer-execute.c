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

/* Tests for steering: what the datapath does, in one thread and in several. */

#include <config.h>
#undef NDEBUG

#include <errno.h>
#include <sched.h>

#include "dpif-provider.h"
#include "test-steer-fake.h"

#include "mbox-alias.h"

/* Lets 'packet' come in, as a datapath flow of its own.  Returns the port that
 * it leaves on; '*fast' is whether on the fast path. */
static uint32_t
translate_and_execute(struct dp_packet *packet, bool *fast)
{
    struct flow_wildcards wc;
    struct ovs_action_mbox action;
    struct flow flow;
    uint32_t port;

    flow_extract(packet, &flow);
    flow_wildcards_init_catchall(&wc);
    assert_int_equal(mbox_class_translate(CLASS, DP, &flow, &wc, &action,
                                          NULL), MBOX_CLASS_STEER);
    *fast = mbox_steer_fast(&action);
    execute_one(packet, &action);

    ovs_mutex_lock(&device_mutex);
    assert_int_equal(n_arrivals, 1);
    port = arrivals[0].port;
    n_arrivals = 0;
    ovs_mutex_unlock(&device_mutex);
    return port;
}

/* A fragment of a UDP datagram over IPv6. */
static struct dp_packet *
make_fragment(ovs_be16 offlg)
{
    struct {
        struct eth_header eth;
        struct ovs_16aligned_ip6_hdr ip6;
        struct ovs_16aligned_ip6_frag frag;
        uint8_t payload[16];
    } p;

    memset(&p, 0, sizeof p);
    p.eth.eth_type = htons(ETH_TYPE_IPV6);
    put_16aligned_be32(&p.ip6.ip6_flow, htonl(0x60000000));
    p.ip6.ip6_plen = htons(sizeof p.frag + sizeof p.payload);
    p.ip6.ip6_nxt = IPPROTO_FRAGMENT;
    p.frag.ip6f_nxt = IPPROTO_UDP;
    p.frag.ip6f_offlg = offlg;
    return dp_packet_clone_data(&p, sizeof p);
}

/* Packets whose datapath flow does not tell their key. */
static void
test_hidden_keys(void **state OVS_UNUSED)
{
    struct mbox_key key1 = flow_key(1);
    struct mbox_space space;
    bool fast;

    /* Two VLAN headers. */
    mbox_space_init_key(&space, &key1);
    space.value.vlan = space.mask.vlan = 0;
    test_assign(CLASS, &space, "b");
    for (int limit = 1; limit <= 2; limit++) {
        flow_limit_vlans(limit);
        for (int n_vlans = 0; n_vlans <= 2; n_vlans++) {
            struct dp_packet *packet = make_packet(1, 0, false);

            for (int i = 0; i < n_vlans; i++) {
                eth_push_vlan(packet, htons(ETH_TYPE_VLAN), htons(5));
            }
            assert_int_equal(translate_and_execute(packet, &fast), PORT_B);
            assert_int_equal(fast, n_vlans <= limit);
        }
    }
    flow_limit_vlans(FLOW_MAX_VLAN_HEADERS);

    /* Fragments of IPv6: the first, and a later one. */
    space = any_space();
    space.value.family = 6;
    space.value.proto = IPPROTO_UDP;
    space.mask.family = space.mask.proto = 0xff;
    test_assign(CLASS, &space, "b");
    assert_int_equal(translate_and_execute(make_fragment(IP6F_MORE_FRAG),
                                           &fast), PORT_B);
    assert_true(fast);
    assert_int_equal(translate_and_execute(make_fragment(htons(16)), &fast),
                     PORT_B);
    assert_false(fast);
}

/* Transfers that overlap in time do not keep removed rules for ever. */
static void
test_reclaim(void **state OVS_UNUSED)
{
    const struct mbox_class *class = mbox_class_from_name(CLASS);
    struct mbox_space spaces[3];
    struct mbox_steer *steers[2];

    for (int i = 0; i < 3; i++) {
        struct mbox_key key = flow_key(i);

        mbox_space_init_key(&spaces[i], &key);
    }
    ovsrcu_barrier();
    assert_int_equal(classifier_count(&class->rules), 0);

    assert_int_equal(mbox_steer_open(CLASS, 1, &spaces[0], "a", "b",
                                     &steers[0]), 0);
    for (int i = 0; i < 10; i++) {
        test_assign(CLASS, &spaces[2], "b");
    }
    assert_int_equal(mbox_steer_open(CLASS, 2, &spaces[1], "a", "b",
                                     &steers[1]), 0);
    test_assign(CLASS, &spaces[2], "b");
    ovsrcu_barrier();
    assert_int_equal(classifier_count(&class->rules), 11 * 2);

    /* The second still sees the rules that were there when it was opened. */
    mbox_steer_close(steers[0]);
    ovsrcu_barrier();
    assert_int_equal(classifier_count(&class->rules), 2 * 2);
    mbox_steer_close(steers[1]);
    ovsrcu_barrier();
    assert_int_equal(classifier_count(&class->rules), 1 * 2);
}

static void
test_batches(void **state OVS_UNUSED)
{
    struct mbox_key key1 = flow_key(1);
    struct mbox_space space;
    struct mbox_steer *steer;
    struct dp_packet_batch batch;
    struct ovs_action_mbox action = current_action();

    mbox_space_init_key(&space, &key1);
    assert_int_equal(mbox_steer_open(CLASS, 1, &space, "a", "b", &steer), 0);
    wait_armed(steer);
    mbox_steer_set_mode(steer, MBOX_STEER_TARGET);

    /* Matching and other packets of one batch; tagged ones never match; the
     * caller keeps the packets if it wants to. */
    dp_packet_batch_init(&batch);
    for (int i = 0; i < 9; i++) {
        dp_packet_batch_add(&batch, make_packet(i % 2, i, false));
    }
    const struct mbox_tag tag = { MBOX_TAG_RETURNED, 1, 1 };
    dp_packet_resize_l2(batch.packets[3], MBOX_TAG_LEN);
    mbox_tag_push_headroom((uint8_t *) dp_packet_data(batch.packets[3])
                           + MBOX_TAG_LEN, &tag);
    pmd_execute(&one_pmd, &batch, false, &action);
    assert_int_equal(dp_packet_batch_size(&batch), 9);

    /* Matching ones are with the device, the others are batched. */
    CHECK_ARRIVED(PORT_B, 1, 1, 1, 5, 1, 7);
    pmd_flush(&one_pmd);
    CHECK_ARRIVED(PORT_A, 0, 0, 0, 2, 1, 3, 0, 4, 0, 6, 0, 8);
    pmd_execute(&one_pmd, &batch, true, &action);
    CHECK_ARRIVED(PORT_B, 1, 1, 1, 5, 1, 7);
    pmd_flush(&one_pmd);
    clear_arrivals();
    mbox_steer_close(steer);
}

static void
test_other_actions(void **state OVS_UNUSED)
{
    const struct mbox_dp dp = { &one_pmd, pmd_output, DP };
    struct ovs_action_mbox action = {
        .type = MBOX_ODP_TAG, .kind = MBOX_TAG_DUPLICATE, .id = 8, .arg = 9
    };
    struct dp_packet *packet = make_packet(1, 2, false);
    struct dp_packet *original = dp_packet_clone(packet);
    struct dp_packet_batch batch;
    struct mbox_tag tag;

    dp_packet_batch_init_packet(&batch, packet);
    mbox_steer_execute(&dp, &batch, false, &action);
    assert_true(mbox_tag_peek(dp_packet_data(packet), dp_packet_size(packet),
                              &tag));
    assert_int_equal(tag.kind, MBOX_TAG_DUPLICATE);
    assert_int_equal(tag.id, 8);
    assert_int_equal(tag.seq, 9);

    action.type = MBOX_ODP_UNTAG;
    for (int i = 0; i < 2; i++) {
        mbox_steer_execute(&dp, &batch, false, &action);
        assert_true(dp_packet_equal(packet, original));
    }
    assert_int_equal(packet->l3_ofs, original->l3_ofs);

    action = (struct ovs_action_mbox) { .type = MBOX_ODP_DUP, .id = 77 };
    mbox_steer_execute(&dp, &batch, false, &action);
    struct mbox_upcall *upcall = mbox_steer_recv();
    assert_int_equal(upcall->reason, MBOX_UPCALL_ACTION);
    assert_int_equal(upcall->id, 77);
    assert_true(dp_packet_equal(upcall->packet, original));
    mbox_upcall_destroy(upcall);

    action = (struct ovs_action_mbox) { .type = MBOX_ODP_INGRESS, .port = 3 };
    mbox_steer_execute(&dp, &batch, false, &action);
    upcall = mbox_steer_recv();
    assert_int_equal(upcall->reason, MBOX_UPCALL_INGRESS);
    assert_int_equal(odp_to_u32(upcall->port), 3);
    assert_string_equal(upcall->dp_name, DP);
    mbox_upcall_destroy(upcall);

    /* A tracer follows what this thread has batched before. */
    struct ovs_action_mbox steer = current_action();
    pmd_execute(&one_pmd, &batch, false, &steer);
    action = (struct ovs_action_mbox) {
        .type = MBOX_ODP_TRACER, .port = PORT_A, .id = 5, .arg = 6
    };
    mbox_steer_execute(&dp, &batch, false, &action);
    ovs_mutex_lock(&device_mutex);
    assert_int_equal(n_arrivals, 2);
    assert_int_equal(arrivals[0].payload.seq, 2);
    assert_int_equal(arrivals[1].tag.kind, MBOX_TAG_TRACER);
    assert_int_equal(arrivals[1].tag.id, 5);
    assert_int_equal(arrivals[1].tag.seq, 6);
    ovs_mutex_unlock(&device_mutex);
    clear_arrivals();

    assert_int_equal(mbox_steer_send_tracer(CLASS, "b", MBOX_TAG_LAST, 1, 2),
                     0);
    ovs_mutex_lock(&device_mutex);
    assert_int_equal(arrivals[0].port, PORT_B);
    assert_int_equal(arrivals[0].tag.kind, MBOX_TAG_LAST);
    ovs_mutex_unlock(&device_mutex);

    /* Forged, unknown, of no class, and whatever else lets the packets go. */
    for (int type = 0; type < 10; type++) {
        struct dp_packet_batch copy;

        dp_packet_batch_clone(&copy, &batch);
        action = (struct ovs_action_mbox) {
            .type = type, .kind = 1, .id = 1000, .port = 1000
        };
        mbox_steer_execute(&dp, &copy, true, &action);
    }
    dp_packet_delete_batch(&batch, true);
    dp_packet_delete(original);
}

static void
test_upcall_limit(void **state OVS_UNUSED)
{
    const struct mbox_dp dp = { &one_pmd, pmd_output, DP };
    const struct ovs_action_mbox action = { .type = MBOX_ODP_DUP, .id = 1 };
    struct dp_packet_batch batch;
    struct mbox_upcall *upcall;
    size_t n = 0;

    dp_packet_batch_init_packet(&batch, make_packet(1, 2, false));
    for (int i = 0; i < 70000; i++) {
        mbox_steer_execute(&dp, &batch, false, &action);
    }
    while ((upcall = mbox_steer_recv())) {
        mbox_upcall_destroy(upcall);
        n++;
    }
    assert_int_equal(n, 65536);
    dp_packet_delete_batch(&batch, true);
}

/* A transfer is closed, and what it moved is assigned, while a batch that
 * matches it is on its way. */

static struct mbox_steer *steer_to_close;

static bool
closing_output(void *pmd, struct dp_packet_batch *batch, bool steal,
               odp_port_t port, bool flush)
{
    if (steer_to_close) {
        struct mbox_steer *steer = steer_to_close;
        struct mbox_space space = any_space();

        steer_to_close = NULL;
        test_assign(CLASS, &space, "b");
        mbox_steer_close(steer);
    }
    return pmd_output(pmd, batch, steal, port, flush);
}

static void
test_close_race(void **state OVS_UNUSED)
{
    const struct mbox_dp dp = { &one_pmd, closing_output, DP };
    struct ovs_action_mbox action = current_action();
    struct mbox_key key1 = flow_key(1);
    struct dp_packet_batch batch;
    struct mbox_space space;

    mbox_space_init_key(&space, &key1);
    assert_int_equal(mbox_steer_open(CLASS, 1, &space, "a", "b",
                                     &steer_to_close), 0);
    wait_armed(steer_to_close);

    /* Packets of no transfer are output before the mutex is taken. */
    dp_packet_batch_init(&batch);
    dp_packet_batch_add(&batch, make_packet(0, 0, false));
    dp_packet_batch_add(&batch, make_packet(1, 0, false));
    dp_packet_batch_add(&batch, make_packet(1, 1, false));
    mbox_steer_execute(&dp, &batch, true, &action);
    pmd_flush_port(&one_pmd, PORT_A);
    CHECK_ARRIVED(PORT_A, 0, 0);
    pmd_flush_port(&one_pmd, PORT_B);
    CHECK_ARRIVED(PORT_B, 1, 0, 1, 1);
}

/* Several threads. */

/* A thread that does a step when it is told to, and otherwise blocks without
 * quiescing, as if it were in the middle of its work. */

struct stepper {
    struct ovs_mutex mutex;
    pthread_cond_t cond;
    enum { STEP_NONE, STEP_SEND, STEP_QUIESCE, STEP_PMD_QUIESCE, STEP_EXIT
    } step OVS_GUARDED;
    pthread_t thread;
};

static void *
stepper_main(void *stepper_)
{
    struct stepper *stepper = stepper_;
    struct ovs_action_mbox action = current_action();
    struct dp_packet_batch batch;
    struct fake_pmd pmd;
    bool go_on = true;

    pmd_init(&pmd);
    ovs_mutex_lock(&stepper->mutex);
    do {
        while (stepper->step == STEP_NONE) {
            /* Not ovs_mutex_cond_wait(), which quiesces. */
            pthread_cond_wait(&stepper->cond, &stepper->mutex.lock);
        }
        switch (stepper->step) {
        case STEP_NONE:
            break;
        case STEP_SEND:
            dp_packet_batch_init_packet(&batch, make_packet(1, 0, false));
            pmd_execute(&pmd, &batch, true, &action);
            break;
        case STEP_QUIESCE:
            ovsrcu_quiesce();
            break;
        case STEP_PMD_QUIESCE:
            pmd_quiesce(&pmd);
            break;
        case STEP_EXIT:
            go_on = false;
            break;
        }
        stepper->step = STEP_NONE;
        xpthread_cond_signal(&stepper->cond);
    } while (go_on);
    ovs_mutex_unlock(&stepper->mutex);
    return NULL;
}

/* Returns when the step is done. */
static void
do_step(struct stepper *stepper, int step)
{
    ovs_mutex_lock(&stepper->mutex);
    stepper->step = step;
    xpthread_cond_signal(&stepper->cond);
    while (stepper->step != STEP_NONE) {
        ovs_mutex_cond_wait(&stepper->cond, &stepper->mutex);
    }
    ovs_mutex_unlock(&stepper->mutex);
}

/* A packet that a thread has batched, having come through the fast path, is
 * with the device before the object is armed, although the thread may first
 * quiesce without knowing that it is to flush. */
static void
test_arming(void **state OVS_UNUSED)
{
    struct stepper stepper = { .step = STEP_NONE };
    struct mbox_steer *steer;

    ovs_mutex_init(&stepper.mutex);
    xpthread_cond_init(&stepper.cond, NULL);
    stepper.thread = ovs_thread_create("stepper", stepper_main, &stepper);
    do_step(&stepper, STEP_SEND);
    check_nothing_arrived();

    /* It quiesces once without a look at 'mbox_steer_flush_wanted', which is
     * as good as not having seen it.  That must not be enough, however long
     * one waits. */
    steer = open_any(1, "a", "b");
    ovsrcu_quiesce();
    do_step(&stepper, STEP_QUIESCE);
    for (int i = 0; i < 1000; i++) {
        assert_false(mbox_steer_is_armed(steer));
        ovsrcu_quiesce();
        sched_yield();
    }
    check_nothing_arrived();

    do_step(&stepper, STEP_PMD_QUIESCE);
    CHECK_ARRIVED(PORT_A, 1, 0);

    /* Now it uses the slow path, and so does not batch. */
    do_step(&stepper, STEP_SEND);
    CHECK_ARRIVED(PORT_A, 1, 0);

    do_step(&stepper, STEP_EXIT);
    xpthread_join(stepper.thread, NULL);
    wait_armed(steer);
    mbox_steer_close(steer);
    ovs_mutex_destroy(&stepper.mutex);
    xpthread_cond_destroy(&stepper.cond);
}

/* One packet comes in, with the action of its own flow. */
static void
come_translated(uint32_t flow_index, uint32_t seq)
{
    struct dp_packet *packet = make_packet(flow_index, seq, false);
    struct flow_wildcards wc;
    struct ovs_action_mbox action;
    struct flow flow;

    flow_extract(packet, &flow);
    flow_wildcards_init_catchall(&wc);
    assert_int_equal(mbox_class_translate(CLASS, DP, &flow, &wc, &action,
                                          NULL), MBOX_CLASS_STEER);
    execute_one(packet, &action);
}

/* Aliases keep coming while the object is being armed: in the end it is, right
 * behind a new one.  And it has no room for more of them than it says. */
static void
test_many_aliases(void **state OVS_UNUSED)
{
    struct mbox_key key = flow_key(1);
    struct mbox_space space;
    struct mbox_steer *steer;
    unsigned int n = 0;
    bool armed = false;

    mbox_space_init_key(&space, &key);
    assert_int_equal(mbox_steer_open(CLASS, 1, &space, "a", "b", &steer), 0);
    key.dst_port = 1;
    while (!armed) {
        assert_true(n < MBOX_ALIASES_MAX);
        memcpy(key.src + 12, &n, sizeof n);
        n++;
        assert_int_equal(mbox_steer_add_aliases(steer, &key, 1), 0);
        armed = mbox_steer_is_armed(steer);
        ovsrcu_quiesce();
    }

    if (!getenv("MBOX_TEST_SHORT")) {
        for (; n < MBOX_ALIASES_MAX; n++) {
            memcpy(key.src + 12, &n, sizeof n);
            assert_int_equal(mbox_steer_add_aliases(steer, &key, 1), 0);
        }
        n--;
        memcpy(key.src + 12, &n, sizeof n);
        assert_int_equal(mbox_steer_add_aliases(steer, &key, 1), 0);
        n++;
        memcpy(key.src + 12, &n, sizeof n);
        assert_int_equal(mbox_steer_add_aliases(steer, &key, 1), -E2BIG);
        assert_false(mbox_steer_has_alias(steer, &key));
    }
    mbox_steer_close(steer);
}

/* Keys outside of the flow space that the source has announced are held,
 * released and assigned like those inside, if they are the source's: flow 3 is
 * the destination's already.  A new one arms the object again. */
static void
test_aliases(void **state OVS_UNUSED)
{
    const struct mbox_key keys[] = { flow_key(1), flow_key(2), flow_key(3) };
    struct mbox_space space;
    struct mbox_steer *steer;

    mbox_space_init_key(&space, &keys[2]);
    test_assign(CLASS, &space, "b");
    mbox_space_init_key(&space, &keys[0]);
    assert_int_equal(mbox_steer_open(CLASS, 1, &space, "a", "b", &steer), 0);
    wait_armed(steer);
    assert_int_equal(mbox_steer_add_aliases(steer, keys, 3), 0);
    assert_false(mbox_steer_has_alias(steer, &keys[0]));
    assert_true(mbox_steer_has_alias(steer, &keys[1]));
    for (int i = 0; i < 2; i++) {
        assert_true(mbox_steer_has_key(steer, &keys[i]));
    }
    struct mbox_key other = flow_key(4);
    assert_false(mbox_steer_has_key(steer, &other));
    assert_false(mbox_steer_is_armed(steer));
    wait_armed(steer);
    assert_int_equal(mbox_steer_add_aliases(steer, keys, 3), 0);
    assert_true(mbox_steer_is_armed(steer));

    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);
    come_translated(1, 0);
    come_translated(2, 0);
    check_nothing_arrived();
    come_translated(3, 0);
    CHECK_ARRIVED(PORT_B, 3, 0);
    come_translated(4, 0);
    CHECK_ARRIVED(PORT_A, 4, 0);

    mbox_steer_release(steer, MBOX_SELECT_KEYS, &keys[1], 1, false);
    drain(steer);
    CHECK_ARRIVED(PORT_B, 2, 0);
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, false);
    drain(steer);
    CHECK_ARRIVED(PORT_B, 1, 0);
    mbox_steer_assign(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
    mbox_steer_close(steer);
    come_translated(2, 1);
    CHECK_ARRIVED(PORT_B, 2, 1);
    come_translated(4, 1);
    CHECK_ARRIVED(PORT_A, 4, 1);
}

enum { N_THREADS = 3, FLOWS_PER_THREAD = 16 };

struct sender {
    int index;
    uint32_t seqs[FLOWS_PER_THREAD]; /* Sent so far. */
    pthread_t thread;
};

static atomic_bool senders_run = ATOMIC_VAR_INIT(true);

/* Sends numbered packets of this thread's flows, in both directions, in
 * batches of random size; keeps an action until it happens to look for a new
 * one, as a datapath flow is kept until it is revalidated. */
static void *
sender_main(void *sender_)
{
    struct sender *sender = sender_;
    struct ovs_action_mbox action = current_action();
    struct fake_pmd pmd;
    bool go_on;

    pmd_init(&pmd);
    do {
        struct dp_packet_batch batch;
        uint32_t n = 1 + random_range(NETDEV_MAX_BURST);

        /* However slow the other threads are, the limit is not reached. */
        if (mbox_steer_get_held_bytes() > 4 * 1024 * 1024) {
            n = 0;
            sched_yield();
        }

        dp_packet_batch_init(&batch);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t j = random_range(FLOWS_PER_THREAD);
            uint32_t flow = sender->index * FLOWS_PER_THREAD + j;

            dp_packet_batch_add(&batch, make_packet(flow, sender->seqs[j]++,
                                                    random_range(2)));
        }

        if (random_range(2)) {
            pmd_execute(&pmd, &batch, true, &action);
        } else {
            pmd_execute(&pmd, &batch, false, &action);
            dp_packet_delete_batch(&batch, true);
        }
        if (!random_range(10)) {
            pmd_flush(&pmd);
        }
        if (!random_range(5)) {
            pmd_quiesce(&pmd);
        }
        if (!random_range(50)) {
            action = current_action();
        }
        atomic_read_relaxed(&senders_run, &go_on);
    } while (go_on);
    pmd_flush(&pmd);
    return NULL;
}

/* Moves everything from 'src' to 'dst', or tries to. */
static void
stress_move(uint32_t id, const char *src, const char *dst, bool fail)
{
    struct mbox_steer *steer = open_any(id, src, dst);
    struct mbox_space space = any_space();
    uint32_t n_flows = N_THREADS * FLOWS_PER_THREAD;

    wait_armed(steer);
    mbox_steer_set_mode(steer, MBOX_STEER_HOLD);

    /* Nothing may follow the tracer. */
    mbox_steer_send_tracer(CLASS, src, MBOX_TAG_TRACER, id, 1);
    if (!fail) {
        struct mbox_key keys[MAX_FLOWS];
        size_t n = random_range(n_flows);

        for (size_t i = 0; i < n; i++) {
            keys[i] = flow_key(random_range(n_flows));
        }
        if (random_range(2)) {
            mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, keys, n, false);
            mbox_steer_drain(steer, random_range(200));
        }
        for (size_t i = 0; i < n; i++) {
            mbox_steer_release(steer, MBOX_SELECT_KEYS, &keys[i], 1, false);
            mbox_steer_drain(steer, random_range(20));
        }
    } else {
        ovs_mutex_lock(&device_mutex);
        silent_port = 0;
        ovs_mutex_unlock(&device_mutex);
    }
    mbox_steer_release(steer, MBOX_SELECT_ALL_EXCEPT, NULL, 0, fail);
    drain(steer);
    assert_true(mbox_steer_is_drained(steer));
    if (!fail) {
        test_assign(CLASS, &space, dst);
    }

    struct mbox_steer_stats stats = get_stats(steer);
    assert_int_equal(stats.n_overflow + stats.n_dropped, 0);
    assert_int_equal(stats.n_held, stats.n_drained);
    mbox_steer_close(steer);
}

static void
test_stress(void **state OVS_UNUSED)
{
    static struct sender senders[N_THREADS];
    const char *n_moves_env = getenv("MBOX_TEST_MOVES");
    int n_moves = n_moves_env ? atoi(n_moves_env) : 200;
    const char *at = "a";

    keep_log = false;
    ovs_mutex_lock(&device_mutex);
    n_reordered = n_behind_tracer = n_tracers = 0;
    memset(next_seq, 0, sizeof next_seq);
    silent_port = 0;
    ovs_mutex_unlock(&device_mutex);

    for (int i = 0; i < N_THREADS; i++) {
        senders[i].index = i;
        senders[i].thread = ovs_thread_create("sender", sender_main,
                                              &senders[i]);
    }
    for (int i = 0; i < n_moves; i++) {
        const char *other = at[0] == 'a' ? "b" : "a";
        bool fail = !random_range(4);

        stress_move(i, at, other, fail);
        if (!fail) {
            at = other;
        }
        ovs_mutex_lock(&device_mutex);
        silent_port = 0;
        ovs_mutex_unlock(&device_mutex);
    }
    atomic_store(&senders_run, false);
    for (int i = 0; i < N_THREADS; i++) {
        xpthread_join(senders[i].thread, NULL);
    }

    ovs_mutex_lock(&device_mutex);
    assert_int_equal(n_tracers, n_moves);
    assert_int_equal(n_behind_tracer, 0);
    assert_int_equal(n_reordered, 0);
    for (int i = 0; i < N_THREADS; i++) {
        for (int j = 0; j < FLOWS_PER_THREAD; j++) {
            assert_int_equal(next_seq[i * FLOWS_PER_THREAD + j],
                             senders[i].seqs[j]);
        }
    }
    ovs_mutex_unlock(&device_mutex);
}

/* Other datapaths. */

static unsigned int n_operated;

static void
count_operate(struct dpif *dpif OVS_UNUSED, struct dpif_op **ops OVS_UNUSED,
              size_t n_ops, enum dpif_offload_type type OVS_UNUSED)
{
    n_operated += n_ops;
}

/* Only the userspace datapath gets our action: to the kernel's its number is
 * another one's.  Whatever asks for it in spite of that is told so, and
 * nothing goes to the datapath. */
static void
test_other_datapaths(void **state OVS_UNUSED)
{
    const struct ovs_action_mbox untag = { .type = MBOX_ODP_UNTAG };
    struct dpif_class kernel = { .type = "system", .operate = count_operate };
    struct dp_packet *packet = dp_packet_new(64);
    struct dpif_execute execute = { .packet = packet, .needs_help = true };
    struct ofpbuf actions;
    struct flow flow;
    struct dpif dpif;

    dpif_init(&dpif, &dpif_netdev_class, "netdev@test", 0, 0);
    assert_true(dpif_supports_mbox_action(&dpif));
    dpif_uninit(&dpif, false);

#ifdef __linux__
    dpif_init(&dpif, &dpif_netlink_class, "system@test", 0, 0);
    assert_false(dpif_supports_mbox_action(&dpif));
    dpif_uninit(&dpif, false);
#endif

    dp_packet_put_zeros(packet, 60);
    flow_extract(packet, &flow);
    ofpbuf_init(&actions, 0);
    mbox_odp_put(&actions, &untag);
    execute.flow = &flow;
    execute.actions = actions.data;
    execute.actions_len = actions.size;
    dpif_init(&dpif, &kernel, "system@test", 0, 0);
    assert_int_equal(dpif_execute(&dpif, &execute), EOPNOTSUPP);
    assert_int_equal(n_operated, 0);
    dpif_uninit(&dpif, false);
    ofpbuf_uninit(&actions);
    dp_packet_delete(packet);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hidden_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reclaim, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_actions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upcall_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_race, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arming, setup, teardown),
        cmocka_unit_test_setup_teardown(test_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stress, setup, teardown),
        cmocka_unit_test(test_other_datapaths),
    };

    ovs_set_program_name(argv[0], "1.0");

    test_start_threads();

    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_settle();
    ovsrcu_exit();
    return n_failed;
}
