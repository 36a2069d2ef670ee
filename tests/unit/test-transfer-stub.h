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

#ifndef TEST_TRANSFER_STUB_H
#define TEST_TRANSFER_STUB_H 1

/* A transfer whose agents and switch the test plays by hand. */

#include "mbox-transfer.h"

/* Most steps of a transfer at one time. */
#define STUB_MAX_LOOKS 1000000

struct stub {
    struct mbox_transfer *t;
    struct mbox_transfer_request request;
    long long now_us;
    unsigned int n_looks;       /* At the clock, since it went on. */
    long long looked_us;

    /* The last message to each agent, by role, and its keys. */
    struct mbox_msg sent[3];
    struct mbox_key *sent_keys[3];

    bool dp_open;
    bool held;                  /* Something is still held. */
    enum mbox_transfer_mode mode;
    size_t n_drain;             /* Packets that wait to be drained. */
    unsigned int n_releases, n_held_packets, n_tracers[3];
    size_t n_released_keys;
    const struct mbox_key *foreign;     /* Not of the transfer, or null. */
    bool released_to_source;
    unsigned int n_assigned[3];
    int assign_error;           /* Nothing can be assigned. */
    unsigned int n_commits[3];
    size_t n_commit_keys[3];
    size_t backlog[3];          /* Bytes that wait for each agent. */
    bool agent_is_slow[3];      /* It takes none of them. */
    bool disconnected[3];
    unsigned int n_assigned_back;
    enum mbox_transfer_result recorded;
    unsigned int n_records;
    bool database_is_slow;
    unsigned int n_port_sent[3];
    char flushed[64];           /* First bytes of do-not-buffer packets. */
    size_t n_flushed;
};

/* The switch; 'aux' is a struct stub. */
extern const struct mbox_transfer_ops stub_ops;

#define SRC MBOX_ROLE_SOURCE
#define DST MBOX_ROLE_DESTINATION

void stub_init(struct stub *s, enum mbox_method method,
               enum mbox_guarantee guarantee, uint32_t options);
void stub_init_replica(struct stub *s, long long every_ms);
void stub_destroy(struct stub *s);

/* Gives 'msg' with 'keys' to the transfer as if it came from 'role'. */
void stub_recv(struct stub *s, enum mbox_role role, const struct mbox_msg *msg,
               const struct mbox_key *keys);
void stub_recv_simple(struct stub *s, enum mbox_role role,
                      enum mbox_msg_type type);
void stub_recv_prepared(struct stub *s, uint64_t n_flows);
void stub_recv_precopy(struct stub *s, uint32_t round, uint64_t n_dirty);
void stub_recv_tracer(struct stub *s, uint32_t seq, uint64_t n_packets);
void stub_recv_release(struct stub *s, enum mbox_select select,
                       const struct mbox_key *keys, size_t n);
void stub_recv_installed(struct stub *s, uint64_t n);
bool stub_recv_returned(struct stub *s, enum mbox_role role, uint32_t seq,
                        const void *frame, size_t len);
void stub_report(struct stub *s, struct mbox_transfer_report *report);
const char *stub_phase(struct stub *s);
void stub_finish_commit(struct stub *s);

/* Returns 'n' different keys, which the caller frees. */
struct mbox_key *make_keys(size_t n);

#endif /* test-transfer-stub.h */
