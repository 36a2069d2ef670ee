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
#undef NDEBUG

#include "test-steer-fake.h"

struct dp_packet *
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

struct mbox_key
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

struct ovs_mutex device_mutex = OVS_MUTEX_INITIALIZER;

struct arrival arrivals[MAX_LOG] OVS_GUARDED_BY(device_mutex);
size_t n_arrivals OVS_GUARDED_BY(device_mutex);
bool keep_log = true;

/* What the stress test expects. */
uint32_t next_seq[MAX_FLOWS] OVS_GUARDED_BY(device_mutex);
uint32_t silent_port OVS_GUARDED_BY(device_mutex);
size_t n_reordered OVS_GUARDED_BY(device_mutex);
size_t n_behind_tracer OVS_GUARDED_BY(device_mutex);
size_t n_tracers OVS_GUARDED_BY(device_mutex);

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
void
clear_arrivals(void)
{
    ovs_mutex_lock(&device_mutex);
    n_arrivals = 0;
    ovs_mutex_unlock(&device_mutex);
}

void
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

void
check_nothing_arrived(void)
{
    ovs_mutex_lock(&device_mutex);
    assert_int_equal(n_arrivals, 0);
    ovs_mutex_unlock(&device_mutex);
}

/* A thread of the datapath: batches its output, as dpif-netdev does with a
 * tx-flush-interval. */

void
pmd_flush_port(struct fake_pmd *pmd, uint32_t port)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, &pmd->output[port]) {
        device_send(port, packet);
    }
    dp_packet_batch_init(&pmd->output[port]);
}

void
pmd_flush(struct fake_pmd *pmd)
{
    for (uint32_t port = 0; port < MAX_PORTS; port++) {
        pmd_flush_port(pmd, port);
    }
}

void
pmd_init(struct fake_pmd *pmd)
{
    for (size_t i = 0; i < MAX_PORTS; i++) {
        dp_packet_batch_init(&pmd->output[i]);
    }
}

bool
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

void
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
void
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

size_t n_inject_flushes;

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

struct fake_pmd one_pmd;

struct ovs_action_mbox
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

void
execute_one(struct dp_packet *packet, const struct ovs_action_mbox *action)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    pmd_execute(&one_pmd, &batch, true, action);
    pmd_flush(&one_pmd);
}

/* One packet comes in, with an action that is current. */
void
come(uint32_t flow, uint32_t seq)
{
    struct ovs_action_mbox action = current_action();

    execute_one(make_packet(flow, seq, seq & 1), &action);
}

void
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

void
wait_armed(struct mbox_steer *steer)
{
    while (!mbox_steer_is_armed(steer)) {
        mbox_steer_wait();
        poll_block();
    }
}

struct mbox_space
any_space(void)
{
    struct mbox_space space;

    mbox_space_init_any(&space);
    return space;
}

struct mbox_steer *
open_any(uint32_t id, const char *src, const char *dst)
{
    struct mbox_space space = any_space();
    struct mbox_steer *steer;

    assert_int_equal(mbox_steer_open(CLASS, id, &space, src, dst, &steer), 0);
    return steer;
}

/* Drains what is released; flows may still be held. */
void
drain(struct mbox_steer *steer)
{
    while (mbox_steer_drain(steer, 100)) {
        continue;
    }
}

struct mbox_steer_stats
get_stats(const struct mbox_steer *steer)
{
    struct mbox_steer_stats stats;

    mbox_steer_get_stats(steer, &stats);
    return stats;
}

int
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

int
teardown(void **state OVS_UNUSED)
{
    struct mbox_upcall *upcall;

    assert_int_equal(mbox_steer_get_held_bytes(), 0);
    while ((upcall = mbox_steer_recv())) {
        mbox_upcall_destroy(upcall);
    }
    return 0;
}
