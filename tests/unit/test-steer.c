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

/* Tests for steering: a fake datapath drives mbox_steer_execute() and receives
 * what it and the coordinator's side send. */

#include <config.h>
#undef NDEBUG

#include <errno.h>
#include <sched.h>

#include "test-util.h"
#include "test-assign.h"
#include "test-ovs.h"

#include "dp-packet.h"
#include "odp-util.h"
#include "openvswitch/poll-loop.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "random.h"
#include "util.h"

#include "mbox-class-private.h"
#include "mbox-inject.h"
#include "mbox-steer.h"
#include "mbox-tag.h"

#define DP "fake@dp"
#define CLASS "ids"
#define PORT_A 1
#define PORT_B 2

enum { MAX_PORTS = 8, MAX_FLOWS = 256, MAX_LOG = 4096 };

/* Packets: UDP of flow F from 10.0.0.F:1000+F to 192.168.0.1:80, or backwards,
 * with a sequence number. */

struct payload {
    uint32_t flow;
    uint32_t seq;
};

#define FRAME_LEN (ETH_HEADER_LEN + IP_HEADER_LEN + UDP_HEADER_LEN \
                   + sizeof(struct payload))

static struct dp_packet *
make_packet(uint32_t flow, uint32_t seq, bool backwards)
{
    const struct payload payload = { flow, seq };
    struct dp_packet *packet = dp_packet_new_with_headroom(FRAME_LEN, 32);
    uint8_t *p = dp_packet_put_zeros(packet, FRAME_LEN);
    struct eth_header *eth = (void *) p;
    struct ip_header *ip = (void *) (p + ETH_HEADER_LEN);
    struct udp_header *udp = (void *) (p + ETH_HEADER_LEN + IP_HEADER_LEN);
    ovs_be32 client = htonl(0x0a000000 + flow);
    ovs_be32 server = htonl(0xc0a80001);
    ovs_be16 client_port = htons(1000 + flow);
    ovs_be16 server_port = htons(80);

    eth->eth_src.ea[5] = 1;
    eth->eth_dst.ea[5] = 2;
    eth->eth_type = htons(ETH_TYPE_IP);
    ip->ip_ihl_ver = IP_IHL_VER(5, 4);
    ip->ip_tot_len = htons(FRAME_LEN - ETH_HEADER_LEN);
    ip->ip_ttl = 64;
    ip->ip_proto = IPPROTO_UDP;
    put_16aligned_be32(&ip->ip_src, backwards ? server : client);
    put_16aligned_be32(&ip->ip_dst, backwards ? client : server);
    udp->udp_src = backwards ? server_port : client_port;
    udp->udp_dst = backwards ? client_port : server_port;
    udp->udp_len = htons(UDP_HEADER_LEN + sizeof payload);
    memcpy(udp + 1, &payload, sizeof payload);
    dp_packet_reset_offsets(packet);
    return packet;
}

static struct mbox_key
flow_key(uint32_t flow)
{
    struct dp_packet *packet = make_packet(flow, 0, false);
    struct mbox_key key;

    mbox_key_extract(dp_packet_data(packet), dp_packet_size(packet), &key,
                     NULL);
    dp_packet_delete(packet);
    mbox_key_canonical(&key, &key);
    return key;
}

/* Devices: what has arrived on each port, in one order over all. */

static struct ovs_mutex device_mutex = OVS_MUTEX_INITIALIZER;

struct arrival {
    uint32_t port;
    struct mbox_tag tag;        /* Kind 0: none. */
    struct payload payload;
};

static struct arrival arrivals[MAX_LOG] OVS_GUARDED_BY(device_mutex);
static size_t n_arrivals OVS_GUARDED_BY(device_mutex);
static bool keep_log = true;

/* What the stress test expects. */
static uint32_t next_seq[MAX_FLOWS] OVS_GUARDED_BY(device_mutex);
static uint32_t silent_port OVS_GUARDED_BY(device_mutex);
static size_t n_reordered OVS_GUARDED_BY(device_mutex);
static size_t n_behind_tracer OVS_GUARDED_BY(device_mutex);
static size_t n_tracers OVS_GUARDED_BY(device_mutex);

static void
device_receive(uint32_t port, const struct dp_packet *packet)
    OVS_REQUIRES(device_mutex)
{
    const uint8_t *p = dp_packet_data(packet);
    size_t len = dp_packet_size(packet);
    struct arrival arrival;

    memset(&arrival, 0, sizeof arrival);
    arrival.port = port;
    if (mbox_tag_peek(p, len, &arrival.tag)) {
        p += MBOX_TAG_LEN;
        len -= MBOX_TAG_LEN;
    }
    if (len >= FRAME_LEN && arrival.tag.kind != MBOX_TAG_TRACER) {
        memcpy(&arrival.payload, p + FRAME_LEN - sizeof arrival.payload,
               sizeof arrival.payload);
    }

    if (keep_log) {
        assert_true(n_arrivals < MAX_LOG);
        arrivals[n_arrivals++] = arrival;
    } else if (arrival.tag.kind == MBOX_TAG_TRACER) {
        n_tracers++;
        silent_port = port;
    } else {
        n_behind_tracer += port == silent_port;
        if (next_seq[arrival.payload.flow]++ != arrival.payload.seq) {
            n_reordered++;
        }
    }
}

static void
device_send(uint32_t port, struct dp_packet *packet)
{
    ovs_mutex_lock(&device_mutex);
    device_receive(port, packet);
    ovs_mutex_unlock(&device_mutex);
    dp_packet_delete(packet);
}

/* Forgets what has arrived. */
static void
clear_arrivals(void)
{
    ovs_mutex_lock(&device_mutex);
    n_arrivals = 0;
    ovs_mutex_unlock(&device_mutex);
}

/* Checks that just these packets have arrived on 'port', in order, and forgets
 * everything.  'flow_seqs' is pairs. */
#define CHECK_ARRIVED(PORT, ...)                                        \
    check_arrived(PORT, (const uint32_t[]) { __VA_ARGS__ },             \
                  sizeof((const uint32_t[]) { __VA_ARGS__ })            \
                  / (2 * sizeof(uint32_t)))
static void
check_arrived(uint32_t port, const uint32_t *flow_seqs, size_t n)
{
    ovs_mutex_lock(&device_mutex);
    assert_int_equal(n_arrivals, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(arrivals[i].port, port);
        assert_int_equal(arrivals[i].payload.flow, flow_seqs[2 * i]);
        assert_int_equal(arrivals[i].payload.seq, flow_seqs[2 * i + 1]);
    }
    n_arrivals = 0;
    ovs_mutex_unlock(&device_mutex);
}

static void
check_nothing_arrived(void)
{
    ovs_mutex_lock(&device_mutex);
    assert_int_equal(n_arrivals, 0);
    ovs_mutex_unlock(&device_mutex);
}

/* A thread of the datapath: batches its output, as dpif-netdev does with a
 * tx-flush-interval. */

struct fake_pmd {
    struct dp_packet_batch output[MAX_PORTS];
};

static void
pmd_flush_port(struct fake_pmd *pmd, uint32_t port)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, &pmd->output[port]) {
        device_send(port, packet);
    }
    dp_packet_batch_init(&pmd->output[port]);
}

static void
pmd_flush(struct fake_pmd *pmd)
{
    for (uint32_t port = 0; port < MAX_PORTS; port++) {
        pmd_flush_port(pmd, port);
    }
}

static void
pmd_init(struct fake_pmd *pmd)
{
    for (size_t i = 0; i < MAX_PORTS; i++) {
        dp_packet_batch_init(&pmd->output[i]);
    }
}

static bool
pmd_output(void *pmd_, struct dp_packet_batch *batch, bool steal,
           odp_port_t port_no, bool flush)
{
    uint32_t port = odp_to_u32(port_no);
    struct fake_pmd *pmd = pmd_;
    struct dp_packet *packet;

    if (port >= MAX_PORTS) {
        dp_packet_delete_batch(batch, steal);
        return false;
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (dp_packet_batch_is_full(&pmd->output[port])) {
            pmd_flush_port(pmd, port);
        }
        dp_packet_batch_add(&pmd->output[port],
                            steal ? packet : dp_packet_clone(packet));
    }
    if (flush) {
        pmd_flush_port(pmd, port);
    }
    return true;
}

static void
pmd_execute(struct fake_pmd *pmd, struct dp_packet_batch *batch, bool steal,
            const struct ovs_action_mbox *action)
{
    const struct mbox_dp dp = { pmd, pmd_output, DP };

    if (mbox_steer_fast(action)) {
        pmd_output(pmd, batch, steal, u32_to_odp(action->port), false);
    } else {
        mbox_steer_execute(&dp, batch, steal, action);
    }
}

/* As the patched dpif-netdev does. */
static void
pmd_quiesce(struct fake_pmd *pmd)
{
    bool wanted;

    atomic_read_relaxed(&mbox_steer_flush_wanted, &wanted);
    if (wanted) {
        pmd_flush(pmd);
    }
    ovsrcu_quiesce();
}

/* Injection. */

static int
inject_send(void *aux OVS_UNUSED, odp_port_t port, struct dp_packet *packet)
{
    if (odp_to_u32(port) >= MAX_PORTS) {
        dp_packet_delete(packet);
        return ENODEV;
    }
    device_send(odp_to_u32(port), packet);
    return 0;
}

static size_t n_inject_flushes;

static void
inject_flush(void *aux OVS_UNUSED)
{
    n_inject_flushes++;
}

static const struct mbox_inject_ops inject_ops = {
    .send = inject_send,
    .flush = inject_flush,
};

/* One thread, step by step. */

static struct fake_pmd one_pmd;

static struct ovs_action_mbox
current_action(void)
{
    struct flow_wildcards wc;
    struct ovs_action_mbox action;
    struct flow flow;

    memset(&flow, 0, sizeof flow);
    flow_wildcards_init_catchall(&wc);
    assert_int_equal(mbox_class_translate(CLASS, DP, &flow, &wc, &action,
                                          NULL), MBOX_CLASS_STEER);
    return action;
}

static void
execute_one(struct dp_packet *packet, const struct ovs_action_mbox *action)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    pmd_execute(&one_pmd, &batch, true, action);
    pmd_flush(&one_pmd);
}

/* One packet comes in, with an action that is current. */
static void
come(uint32_t flow, uint32_t seq)
{
    struct ovs_action_mbox action = current_action();

    execute_one(make_packet(flow, seq, seq & 1), &action);
}

static void
set_ports(uint32_t a, uint32_t b)
{
    struct mbox_class_port ports[2];

    memset(ports, 0, sizeof ports);
    for (int i = 0; i < 2; i++) {
        ports[i].instance[0] = 'a' + i;
        strcpy(ports[i].dp_name, DP);
        ports[i].odp_port = u32_to_odp(i ? b : a);
        ports[i].mac.ea[5] = i;
    }
    mbox_class_set_ports(CLASS, ports, 2);
}

static void
wait_armed(struct mbox_steer *steer)
{
    while (!mbox_steer_is_armed(steer)) {
        mbox_steer_wait();
        poll_block();
    }
}

static struct mbox_space
any_space(void)
{
    struct mbox_space space;

    mbox_space_init_any(&space);
    return space;
}

static struct mbox_steer *
open_any(uint32_t id, const char *src, const char *dst)
{
    struct mbox_space space = any_space();
    struct mbox_steer *steer;

    assert_int_equal(mbox_steer_open(CLASS, id, &space, src, dst, &steer), 0);
    return steer;
}

/* Drains what is released; flows may still be held. */
static void
drain(struct mbox_steer *steer)
{
    while (mbox_steer_drain(steer, 100)) {
        continue;
    }
}

static struct mbox_steer_stats
get_stats(const struct mbox_steer *steer)
{
    struct mbox_steer_stats stats;

    mbox_steer_get_stats(steer, &stats);
    return stats;
}

static int
setup(void **state OVS_UNUSED)
{
    static bool initialized;

    if (!initialized) {
        initialized = true;
        mbox_inject_add(DP, &inject_ops, &initialized);
    }
    pmd_init(&one_pmd);
    keep_log = true;
    clear_arrivals();
    mbox_class_set_default(CLASS, "", false);
    mbox_class_set_assignments(CLASS, NULL, 0);
    set_ports(PORT_A, PORT_B);
    mbox_steer_set_limits(64 * 1024 * 1024, SIZE_MAX);
    return 0;
}

static int
teardown(void **state OVS_UNUSED)
{
    struct mbox_upcall *upcall;

    assert_int_equal(mbox_steer_get_held_bytes(), 0);
    while ((upcall = mbox_steer_recv())) {
        mbox_upcall_destroy(upcall);
    }
    return 0;
}

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
    assert_int_equal(mbox_steer_get_limit(), 20000);
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

/* A packet that a thread has batched, having come through the fast path, is with
 * the device before the object is armed, although the thread may first quiesce
 * without knowing that it is to flush. */
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

    /* It quiesces once without a look at 'mbox_steer_flush_wanted', which is as
     * good as not having seen it.  That must not be enough, however long one
     * waits. */
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

enum { N_THREADS = 3, FLOWS_PER_THREAD = 16 };

struct sender {
    int index;
    uint32_t seqs[FLOWS_PER_THREAD]; /* Sent so far. */
    pthread_t thread;
};

static atomic_bool senders_run = ATOMIC_VAR_INIT(true);

/* Sends numbered packets of this thread's flows, in both directions, in batches
 * of random size; keeps an action until it happens to look for a new one, as a
 * datapath flow is kept until it is revalidated. */
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

static void *
do_nothing(void *aux OVS_UNUSED)
{
    return NULL;
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
        cmocka_unit_test_setup_teardown(test_hidden_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reclaim, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_actions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upcall_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_race, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arming, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stress, setup, teardown),
    };

    ovs_set_program_name(argv[0], "1.0");

    /* From the first thread on, grace periods are waited for by a thread of
     * their own, as in ovs-vswitchd. */
    xpthread_join(ovs_thread_create("first", do_nothing, NULL), NULL);

    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_settle();
    ovsrcu_exit();
    return n_failed;
}
