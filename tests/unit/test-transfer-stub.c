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
#include "test-transfer-stub.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "util.h"

static long long
stub_now_us(void *s_)
{
    struct stub *s = s_;

    /* A transfer that makes step after step at one time would do so for
     * ever. */
    if (s->now_us != s->looked_us) {
        s->looked_us = s->now_us;
        s->n_looks = 0;
    }
    assert_true(++s->n_looks < STUB_MAX_LOOKS);
    return s->now_us;
}

static int
stub_send(void *s_, enum mbox_role role, const struct mbox_msg *msg,
          const struct mbox_key *keys)
{
    struct stub *s = s_;

    free(s->sent_keys[role]);
    s->sent[role] = *msg;
    s->sent_keys[role] = (msg->n_keys
                          ? xmemdup(keys, msg->n_keys * sizeof *keys) : NULL);
    if (msg->type == MBOX_MSG_COMMIT) {
        s->n_commits[role]++;
        s->n_commit_keys[role] += msg->n_keys;
    }
    if (s->agent_is_slow[role]) {
        s->backlog[role] += msg->n_keys * MBOX_KEY_WIRE_LEN;
    }
    return 0;
}

static size_t
stub_backlog(void *s_, enum mbox_role role)
{
    struct stub *s = s_;

    return s->backlog[role];
}

static void
stub_disconnect(void *s_, enum mbox_role role, const char *why OVS_UNUSED)
{
    struct stub *s = s_;

    s->disconnected[role] = true;
}

static int
stub_dp_open(void *s_)
{
    struct stub *s = s_;

    s->dp_open = !s->assign_error;
    return s->assign_error;
}

static bool
stub_dp_is_armed(void *s OVS_UNUSED)
{
    return true;
}

static void
stub_dp_set_mode(void *s_, enum mbox_transfer_mode mode)
{
    struct stub *s = s_;

    assert_true(s->dp_open);
    s->mode = mode;
}

static bool
stub_dp_has_key(void *s_, const struct mbox_key *key)
{
    struct stub *s = s_;

    return !s->foreign || !mbox_key_equal(key, s->foreign);
}

static void
stub_dp_release(void *s_, enum mbox_select select OVS_UNUSED,
                const struct mbox_key *keys OVS_UNUSED, size_t n,
                bool to_source)
{
    struct stub *s = s_;

    assert_true(s->dp_open);
    s->n_releases++;
    s->n_released_keys += n;
    s->released_to_source = to_source;
}

static void
stub_dp_hold_packet(void *s_, const void *frame OVS_UNUSED,
                    size_t len OVS_UNUSED)
{
    struct stub *s = s_;

    assert_true(s->dp_open);
    s->n_held_packets++;
}

static size_t
stub_dp_drain(void *s_, size_t max)
{
    struct stub *s = s_;
    size_t n = MIN(max, s->n_drain);

    assert_true(s->dp_open);
    s->n_drain -= n;
    return n;
}

static bool
stub_dp_is_drained(void *s_)
{
    struct stub *s = s_;

    return !s->n_drain && !s->held;
}

static bool
stub_dp_is_over_limit(void *s OVS_UNUSED)
{
    return false;
}

static void
stub_dp_get_stats(void *s_, struct mbox_transfer_dp_stats *stats)
{
    struct stub *s = s_;

    assert_true(s->dp_open);
    stats->n_packets = 1200;
    stats->n_held = 27;
    stats->max_bytes = 40960;
    stats->hold_max_ns = 920 * 1000;
}

static void
stub_dp_close(void *s_)
{
    struct stub *s = s_;

    assert_true(s->dp_open);
    s->dp_open = false;
}

static int
stub_port_send(void *s_, enum mbox_role role, const void *frame,
               size_t len OVS_UNUSED, const struct mbox_tag *tag)
{
    struct stub *s = s_;

    if (tag && tag->kind == MBOX_TAG_DO_NOT_BUFFER) {
        assert_true(s->n_flushed < sizeof s->flushed - 1);
        assert_int_equal(tag->seq, s->n_flushed + 1);
        s->flushed[s->n_flushed++] = *(const char *) frame;
    }

    s->n_port_sent[role]++;
    return 0;
}

static int
stub_port_send_tracer(void *s_, enum mbox_role role,
                      enum mbox_tag_kind kind OVS_UNUSED,
                      uint32_t seq OVS_UNUSED)
{
    struct stub *s = s_;

    s->n_tracers[role]++;
    return 0;
}

static int
stub_assign(void *s_, enum mbox_select select,
            struct mbox_key *keys OVS_UNUSED, size_t n)
{
    struct stub *s = s_;

    assert_true(s->dp_open || s->request.every_ms);
    if (s->assign_error) {
        return s->assign_error;
    }
    if (select == MBOX_SELECT_ALL_EXCEPT) {
        s->n_assigned[MBOX_ROLE_DESTINATION]++;
        s->n_assigned[MBOX_ROLE_SOURCE] += n;
    } else {
        s->n_assigned[MBOX_ROLE_DESTINATION] += n;
    }
    return 0;
}

static void
stub_assign_back(void *s_)
{
    struct stub *s = s_;

    s->n_assigned_back++;
}

static void
stub_record(void *s_, enum mbox_transfer_result result)
{
    struct stub *s = s_;

    s->recorded = result;
    s->n_records++;
}

static bool
stub_is_recorded(void *s_)
{
    struct stub *s = s_;

    return !s->database_is_slow;
}

const struct mbox_transfer_ops stub_ops = {
    .now_us = stub_now_us,
    .send = stub_send,
    .backlog = stub_backlog,
    .disconnect = stub_disconnect,
    .dp_open = stub_dp_open,
    .dp_is_armed = stub_dp_is_armed,
    .dp_set_mode = stub_dp_set_mode,
    .dp_has_key = stub_dp_has_key,
    .dp_release = stub_dp_release,
    .dp_hold_packet = stub_dp_hold_packet,
    .dp_drain = stub_dp_drain,
    .dp_is_drained = stub_dp_is_drained,
    .dp_is_over_limit = stub_dp_is_over_limit,
    .dp_get_stats = stub_dp_get_stats,
    .dp_close = stub_dp_close,
    .port_send = stub_port_send,
    .port_send_tracer = stub_port_send_tracer,
    .assign = stub_assign,
    .assign_back = stub_assign_back,
    .record = stub_record,
    .is_recorded = stub_is_recorded,
};

static void
stub_create(struct stub *s, enum mbox_method method,
            enum mbox_guarantee guarantee, uint32_t options,
            long long every_ms)
{
    memset(s, 0, sizeof *s);
    s->now_us = 1000000;
    s->request = (struct mbox_transfer_request) {
        .id = 7, .class_name = "ids", .src = "ids1", .dst = "ids2",
        .method = method, .guarantee = guarantee, .options = options,
        .scopes = MBOX_SCOPE_PER_FLOW, .timeout_ms = 1000,
        .every_ms = every_ms,
    };
    mbox_space_init_any(&s->request.space);
    s->t = mbox_transfer_create(&s->request, &stub_ops, s);
    mbox_transfer_run(s->t);
}

void
stub_init(struct stub *s, enum mbox_method method,
          enum mbox_guarantee guarantee, uint32_t options)
{
    stub_create(s, method, guarantee, options, 0);
}

void
stub_init_replica(struct stub *s, long long every_ms)
{
    stub_create(s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE | MBOX_OPT_REPLICA,
                every_ms);
}

void
stub_destroy(struct stub *s)
{
    mbox_transfer_destroy(s->t);
    assert_false(s->dp_open);
    for (int i = 0; i < ARRAY_SIZE(s->sent_keys); i++) {
        free(s->sent_keys[i]);
    }
}

void
stub_recv(struct stub *s, enum mbox_role role, const struct mbox_msg *msg,
          const struct mbox_key *keys)
{
    struct mbox_writer w;
    struct mbox_msg copy;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_msg_encode(msg, keys, &w);
    assert_int_equal(w.error, 0);
    assert_int_equal(mbox_msg_decode(w.data, w.len, &copy), 0);
    mbox_transfer_recv(s->t, role, &copy);
    mbox_transfer_run(s->t);
    mbox_writer_uninit(&w);
}

void
stub_recv_simple(struct stub *s, enum mbox_role role, enum mbox_msg_type type)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, s->request.id);
    stub_recv(s, role, &msg, NULL);
}

void
stub_recv_prepared(struct stub *s, uint64_t n_flows)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_PREPARED, s->request.id);
    msg.n_flows = n_flows;
    stub_recv(s, SRC, &msg, NULL);
    msg.n_flows = 0;
    stub_recv(s, DST, &msg, NULL);
}

void
stub_recv_precopy(struct stub *s, uint32_t round, uint64_t n_dirty)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_PRECOPY, s->request.id);
    msg.round = round;
    msg.n_chunks = round * 1000;
    msg.n_dirty = n_dirty;
    stub_recv(s, SRC, &msg, NULL);
}

void
stub_recv_tracer(struct stub *s, uint32_t seq, uint64_t n_packets)
{
    struct mbox_tag tag = { MBOX_TAG_TRACER, s->request.id, seq };
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, s->request.id);
    msg.seq = seq;
    msg.n_packets = n_packets;
    stub_recv(s, SRC, &msg, NULL);
    assert_true(mbox_transfer_recv_tagged(s->t, SRC, &tag, "", 0));
    mbox_transfer_run(s->t);
}

void
stub_recv_release(struct stub *s, enum mbox_select select,
                  const struct mbox_key *keys, size_t n)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_RELEASE, s->request.id);
    msg.select = select;
    msg.n_keys = n;
    stub_recv(s, DST, &msg, keys);
}

void
stub_recv_installed(struct stub *s, uint64_t n)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_INSTALLED, s->request.id);
    msg.n_flows = msg.n_chunks = n;
    msg.n_bytes = n * 256;
    stub_recv(s, DST, &msg, NULL);
}

bool
stub_recv_returned(struct stub *s, enum mbox_role role, uint32_t seq,
                   const void *frame, size_t len)
{
    struct mbox_tag tag = { MBOX_TAG_RETURNED, s->request.id, seq };
    bool expected = mbox_transfer_recv_tagged(s->t, role, &tag, frame, len);

    mbox_transfer_run(s->t);
    return expected;
}

void
stub_report(struct stub *s, struct mbox_transfer_report *report)
{
    mbox_transfer_get_report(s->t, report);
}

const char *
stub_phase(struct stub *s)
{
    struct mbox_transfer_report report;

    stub_report(s, &report);
    return report.phase;
}

void
stub_finish_commit(struct stub *s)
{
    assert_int_equal(s->sent[SRC].type, MBOX_MSG_COMMIT);
    assert_int_equal(s->sent[DST].type, MBOX_MSG_COMMIT);
    stub_recv_simple(s, SRC, MBOX_MSG_COMMITTED);
    stub_recv_simple(s, DST, MBOX_MSG_COMMITTED);
}

struct mbox_key *
make_keys(size_t n)
{
    struct mbox_key *keys = xcalloc(n, sizeof *keys);

    for (size_t i = 0; i < n; i++) {
        keys[i].family = 4;
        keys[i].proto = IPPROTO_UDP;
        keys[i].vlan = MBOX_VLAN_NONE;
        keys[i].src[10] = keys[i].src[11] = 0xff;
        keys[i].dst[10] = keys[i].dst[11] = 0xff;
        keys[i].src[12] = 10;
        keys[i].src[13] = i >> 16;
        keys[i].src[14] = i >> 8;
        keys[i].src[15] = i;
        keys[i].dst[12] = 192;
        mbox_key_canonical(&keys[i], &keys[i]);
    }
    return keys;
}
