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

/* The agent and its connection to the coordinator. */

#include "libmbox-sides.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "agent.h"
#include "transfer-destination.h"

/* An agent, and the coordinator's end of its connection. */
struct meeting {
    struct side side;
    struct mb_agent *agent;
    struct mbox_listener *listener;
    struct mbox_channel *peer;
    char address[64];
};

static void
agent_send(void *side_, const struct mbox_msg *msg,
           const struct mbox_key *keys)
{
    struct side *side = side_;
    struct meeting *m = (struct meeting *) side;

    mb_agent_send(m->agent, msg, keys);
}

static void
no_stats(void *aux, struct mbox_msg *msg)
{
    (void) aux;
    (void) msg;
}

static void
meeting_init(struct meeting *m)
{
    static struct mb_env_ops ops;
    struct mb_agent_config config = {
        .address = m->address, .get_stats = no_stats,
    };

    memset(m, 0, sizeof *m);
    side_init(&m->side, "s");
    ops = *m->side.env.ops;
    ops.control_send = agent_send;
    m->side.env.ops = &ops;
    snprintf(m->address, sizeof m->address, "unix:/tmp/test-agent.%d",
             (int) getpid());
    assert_int_equal(mbox_listener_open(m->address, NULL, &m->listener, NULL),
                     0);
    m->agent = mb_agent_create(&m->side.env, &config);
    assert_non_null(m->agent);
}

static void
meeting_uninit(struct meeting *m)
{
    mb_agent_destroy(m->agent);
    mbox_channel_close(m->peer);
    mbox_listener_close(m->listener);
    side_uninit(&m->side);
}

static void
run_agent(struct meeting *m)
{
    m->side.clock += 1000000;
    mb_agent_run(m->agent, m->side.clock);
    mb_agent_run_transfers(m->agent, m->side.clock + MB_SLICE_NS);
    mb_agent_flush(m->agent);
}

/* Receives the agent's next message. */
static void
recv_agent(struct meeting *m, enum mbox_msg_type type, struct mbox_msg *msg)
{
    int error;

    for (;;) {
        run_agent(m);
        mbox_channel_run(m->peer);
        error = mbox_channel_recv(m->peer, msg, NULL, NULL, NULL);
        if (error != -EAGAIN) {
            break;
        }
    }
    assert_int_equal(error, 0);
    if (msg->type != type) {
        fail_msg("expected %s, got %s (%s)", mbox_msg_type_to_string(type),
                 mbox_msg_type_to_string(msg->type), msg->text);
    }
}

static void
send_agent(struct meeting *m, const struct mbox_msg *msg)
{
    assert_int_equal(mbox_channel_send(m->peer, msg, NULL, -1), 0);
    assert_int_equal(mbox_channel_flush(m->peer), 0);
}

/* Lets the agent connect.  Returns how many transfers it says it is in doubt
 * about. */
static uint32_t
meet(struct meeting *m)
{
    struct mbox_msg msg;

    mbox_channel_close(m->peer);
    do {
        run_agent(m);
        m->peer = mbox_listener_accept(m->listener);
    } while (!m->peer);
    recv_agent(m, MBOX_MSG_HELLO, &msg);

    uint32_t n_open = msg.n_open;
    mbox_msg_init(&msg, MBOX_MSG_WELCOME, 0);
    msg.version = MBOX_PROTOCOL_VERSION;
    msg.epoch = EPOCH;
    send_agent(m, &msg);
    return n_open;
}

/* PREPARE of a source in transfer 'id', whose flow space is one address. */
static void
send_prepare(struct meeting *m, uint32_t id)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_PREPARE, id);
    msg.role = MBOX_ROLE_SOURCE;
    msg.method = MBOX_METHOD_EVENTS;
    msg.guarantee = MBOX_GUARANTEE_LOSS_FREE;
    msg.scopes = MBOX_SCOPE_PER_FLOW;
    msg.options = MBOX_OPT_RELAY;
    msg.epoch = EPOCH;
    strcpy(msg.name, "d");
    msg.space = checker_space(24);
    msg.space.value.src[15] = id;
    msg.space.value.dst[15] = id;
    memset(msg.space.mask.dst, 0xff, sizeof msg.space.mask.dst);
    send_agent(m, &msg);
}

/* The agent can always say what it is in doubt about: it takes part in no more
 * transfers than HELLO may announce. */
static void
test_most_transfers(void **state)
{
    struct meeting m;
    struct mbox_msg msg;
    bool asked[MBOX_OPEN_MAX + 1] = { false };

    (void) state;
    meeting_init(&m);
    assert_int_equal(meet(&m), 0);
    for (uint32_t id = 1; id <= MBOX_OPEN_MAX; id++) {
        send_prepare(&m, id);
        recv_agent(&m, MBOX_MSG_PREPARED, &msg);
        assert_int_equal(msg.id, id);
        mbox_msg_init(&msg, MBOX_MSG_RETURN, id);
        send_agent(&m, &msg);
        recv_agent(&m, MBOX_MSG_RETURNING, &msg);
    }
    send_prepare(&m, MBOX_OPEN_MAX + 1);
    recv_agent(&m, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.id, MBOX_OPEN_MAX + 1);
    assert_int_equal(msg.code, EBUSY);
    assert_string_equal(msg.text, "s: 64 transfers are open or in doubt "
                        "already, which is the most");

    /* And they still count after the connection has ended. */
    assert_int_equal(meet(&m), MBOX_OPEN_MAX);
    for (uint32_t i = 0; i < MBOX_OPEN_MAX; i++) {
        recv_agent(&m, MBOX_MSG_OPEN, &msg);
        assert_in_range(msg.id, 1, MBOX_OPEN_MAX);
        assert_false(asked[msg.id]);
        asked[msg.id] = true;
    }
    send_prepare(&m, MBOX_OPEN_MAX + 1);
    recv_agent(&m, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, EBUSY);

    /* One less, and there is room. */
    mbox_msg_init(&msg, MBOX_MSG_RESOLVE, 7);
    msg.epoch = EPOCH;
    msg.code = ECANCELED;
    msg.select = MBOX_SELECT_KEYS;
    send_agent(&m, &msg);
    recv_agent(&m, MBOX_MSG_RESOLVED, &msg);
    assert_int_equal(msg.id, 7);
    send_prepare(&m, MBOX_OPEN_MAX + 1);
    recv_agent(&m, MBOX_MSG_PREPARED, &msg);
    meeting_uninit(&m);
}

/* Connects a destination that has released 'n' flows, which are more than fit
 * one message. */
static struct mb_destination *
meet_with_many_keys(struct meeting *m, uint32_t n)
{
    struct mbox_msg msg;

    meeting_init(m);
    meet(m);
    mbox_msg_init(&msg, MBOX_MSG_PREPARE, 1);
    msg.role = MBOX_ROLE_DESTINATION;
    msg.method = MBOX_METHOD_HOLD;
    msg.guarantee = MBOX_GUARANTEE_LOSS_FREE;
    msg.scopes = MBOX_SCOPE_PER_FLOW;
    msg.options = MBOX_OPT_RELAY | MBOX_OPT_EARLY_RELEASE;
    msg.epoch = EPOCH;
    strcpy(msg.name, "s");
    msg.space = checker_space(24);
    send_agent(m, &msg);
    recv_agent(m, MBOX_MSG_PREPARED, &msg);

    struct mb_destination *d = mb_agent_transfers(m->agent)->destination;
    struct mbox_key key = checker_key(0);
    d->frozen = true;
    for (uint32_t i = 0; i < n; i++) {
        struct mbox_key canonical;

        key.src_port = i;
        key.dst_port = i >> 16;
        mbox_key_canonical(&key, &canonical);
        uint32_t entry = mb_table_insert(&d->states, MBOX_STATE_PER_FLOW,
                                         &canonical);
        assert_int_not_equal(entry, MB_NO_ENTRY);
        d->states.entries[entry].flags = STATE_RELEASED;
    }
    return d;
}

/* A destination asks in parts, and takes an answer in parts.  One that is cut
 * off does not count. */
static void
test_many_keys(void **state)
{
    const uint32_t n = getenv("MBOX_TEST_SHORT") ? 200000 : 1200000;
    struct meeting m;
    struct mbox_msg msg;

    (void) state;
    struct mb_destination *d = meet_with_many_keys(&m, n);
    struct mbox_key key = checker_key(0);
    for (int i = 0; i < 2; i++) {
        uint32_t n_keys = 0;

        assert_int_equal(meet(&m), 1);
        do {
            recv_agent(&m, MBOX_MSG_OPEN, &msg);
            assert_int_equal(msg.select, MBOX_SELECT_KEYS);
            n_keys += msg.n_keys;
        } while (msg.more);
        assert_int_equal(n_keys, n);
        assert_true(mb_agent_backlog(m.agent) < MBOX_MSG_MAX);

        struct mbox_msg resolve;
        mbox_msg_init(&resolve, MBOX_MSG_RESOLVE, 1);
        resolve.epoch = EPOCH;
        resolve.select = MBOX_SELECT_KEYS;
        resolve.more = true;
        resolve.n_keys = 1;
        assert_int_equal(mbox_channel_send(m.peer, &resolve, &key, -1), 0);
        assert_int_equal(mbox_channel_flush(m.peer), 0);
        while (!d->commit_keys.n) {
            run_agent(&m);
        }
    }

    mbox_msg_init(&msg, MBOX_MSG_RESOLVE, 1);
    msg.epoch = EPOCH;
    msg.select = MBOX_SELECT_KEYS;
    msg.n_keys = 0;
    send_agent(&m, &msg);
    while (!d->ending) {
        run_agent(&m);
    }
    assert_int_equal(d->commit_keys.n, 1);
    meeting_uninit(&m);
}

/* Receives what the agent asks until it answers an ECHO_REQUEST.  Returns
 * whether the last part of a question was there. */
static bool
is_asked_to_the_end(struct meeting *m)
{
    struct mbox_msg msg;
    bool to_the_end = false;

    mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 0);
    send_agent(m, &msg);
    for (;;) {
        run_agent(m);
        mbox_channel_run(m->peer);

        int error = mbox_channel_recv(m->peer, &msg, NULL, NULL, NULL);
        if (error == -EAGAIN) {
            continue;
        }
        assert_int_equal(error, 0);
        if (msg.type == MBOX_MSG_ECHO_REPLY) {
            return to_the_end;
        }
        assert_int_equal(msg.type, MBOX_MSG_OPEN);
        to_the_end |= !msg.more;
    }
}

/* The answer comes in the middle of the question, which goes no further. */
static void
test_early_answer(void **state)
{
    struct meeting m;
    struct mbox_msg msg;

    (void) state;
    meet_with_many_keys(&m, 400000);
    assert_int_equal(meet(&m), 1);
    recv_agent(&m, MBOX_MSG_OPEN, &msg);
    assert_true(msg.more);

    mbox_msg_init(&msg, MBOX_MSG_RESOLVE, 1);
    msg.epoch = EPOCH;
    msg.code = ECANCELED;
    msg.select = MBOX_SELECT_KEYS;
    send_agent(&m, &msg);
    while (mb_agent_transfers(m.agent)) {
        run_agent(&m);
    }

    /* What was under way may still come before the first reply. */
    assert_false(is_asked_to_the_end(&m));
    assert_false(is_asked_to_the_end(&m));
    meeting_uninit(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_transfers),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_early_answer),
    };

    return cmocka_run_group_tests_name("libmbox agent", tests, NULL, NULL);
}
