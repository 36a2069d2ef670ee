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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_transfers),
    };

    return cmocka_run_group_tests_name("libmbox agent", tests, NULL, NULL);
}
