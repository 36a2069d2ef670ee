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

#ifndef MBOX_TEST_STEER_FAKE_H
#define MBOX_TEST_STEER_FAKE_H 1

/* A fake datapath for the tests of steering: it drives mbox_steer_execute(),
 * and receives what that and the coordinator's side send. */

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

/* What has arrived on each port, in one order over all. */
struct arrival {
    uint32_t port;
    struct mbox_tag tag;        /* Kind 0: none. */
    struct payload payload;
};

extern struct ovs_mutex device_mutex;
extern struct arrival arrivals[MAX_LOG] OVS_GUARDED_BY(device_mutex);
extern size_t n_arrivals OVS_GUARDED_BY(device_mutex);
extern uint32_t next_seq[MAX_FLOWS] OVS_GUARDED_BY(device_mutex);
extern uint32_t silent_port OVS_GUARDED_BY(device_mutex);
extern size_t n_reordered OVS_GUARDED_BY(device_mutex);
extern size_t n_behind_tracer OVS_GUARDED_BY(device_mutex);
extern size_t n_tracers OVS_GUARDED_BY(device_mutex);
extern bool keep_log;
extern size_t n_inject_flushes;

/* A thread of the datapath: batches its output, as dpif-netdev does with a
 * tx-flush-interval. */
struct fake_pmd {
    struct dp_packet_batch output[MAX_PORTS];
};

extern struct fake_pmd one_pmd;

/* Checks that just these packets have arrived on 'port', in order, and forgets
 * everything.  'flow_seqs' is pairs. */
#define CHECK_ARRIVED(PORT, ...)                                        \
    check_arrived(PORT, (const uint32_t[]) { __VA_ARGS__ },             \
                  sizeof((const uint32_t[]) { __VA_ARGS__ })            \
                  / (2 * sizeof(uint32_t)))
struct dp_packet *make_packet(uint32_t flow, uint32_t seq, bool backwards);
struct mbox_key flow_key(uint32_t flow);
void clear_arrivals(void);
void check_arrived(uint32_t port, const uint32_t *flow_seqs, size_t n);
void check_nothing_arrived(void);
void pmd_flush_port(struct fake_pmd *pmd, uint32_t port);
void pmd_flush(struct fake_pmd *pmd);
void pmd_init(struct fake_pmd *pmd);
bool pmd_output(void *pmd_, struct dp_packet_batch *batch, bool steal,
    odp_port_t port_no, bool flush);
void pmd_execute(struct fake_pmd *pmd, struct dp_packet_batch *batch,
    bool steal, const struct ovs_action_mbox *action);
void pmd_quiesce(struct fake_pmd *pmd);
struct ovs_action_mbox current_action(void);
void execute_one(struct dp_packet *packet,
    const struct ovs_action_mbox *action);
void come(uint32_t flow, uint32_t seq);
void set_ports(uint32_t a, uint32_t b);
void wait_armed(struct mbox_steer *steer);
struct mbox_space any_space(void);
struct mbox_steer *open_any(uint32_t id, const char *src, const char *dst);
void drain(struct mbox_steer *steer);
struct mbox_steer_stats get_stats(const struct mbox_steer *steer);
int setup(void **state);
int teardown(void **state);

#endif /* test-steer-fake.h */
