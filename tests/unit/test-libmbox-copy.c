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

/* Copies, and what is kept of them. */

#include "libmbox-sides.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void
test_copy(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_COPY, MBOX_GUARANTEE_NONE, 0, 500);
    assert_false(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    command(&w.s, MBOX_MSG_EXPORT);
    for (uint32_t i = 0; i < 500; i++) {
        feed(&w, &w.s, i, NULL);        /* S goes on. */
        mb_transfer_run(w.s.t, w.s.clock + 1);
    }
    settle(&w);
    expect_none(&w.s);
    expect(&w.d, MBOX_MSG_INSTALLED, &msg);
    assert_int_equal(msg.n_flows, 500);
    assert_int_equal(checker_all_flows(&w.d.checker), 500);
    commit(&w, 0);
    assert_state_at(&w, &w.s, 500);
    assert_int_equal(w.s.env.returned, 0);
    world_uninit(&w);
}

/* Shares of one state are added, but not to those of an earlier copy. */
static void
test_repeated_copy(void **state)
{
    struct world w;
    struct mbox_key flow_key = checker_key(1);
    struct mbox_key host = checker_host_key(&flow_key);

    (void) state;
    world_init(&w);
    for (int i = 0; i < 3; i++) {
        struct mbox_msg msg;
        uint32_t n = 10 + i;

        lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_COPY, 0);
        send_stream(&w);
        for (uint32_t seq = 1; seq <= 2; seq++) {
            mbox_msg_init(&msg, MBOX_MSG_CHUNK, ID);
            msg.scope = MBOX_SCOPE_MULTI_FLOW;
            msg.seq = seq;
            msg.data = &n;
            msg.data_len = sizeof n;
            msg.crc = mbox_msg_crc(&n, sizeof n);
            msg.merge = true;
            msg.n_keys = 1;
            send_peer(&w, &msg, &host);
        }
        assert_int_equal(*checker_host(&w.d.checker.w[0], &host, false),
                         2 * n);
        mbox_msg_init(&msg, MBOX_MSG_END, ID);
        msg.n_chunks = 2;
        msg.n_bytes = 2 * sizeof n;
        send_peer(&w, &msg, NULL);
        expect(&w.d, MBOX_MSG_INSTALLED, NULL);
        command(&w.d, MBOX_MSG_COMMIT);
        settle(&w);
        expect(&w.d, MBOX_MSG_COMMITTED, NULL);
        mbox_channel_close(w.peer);
        w.peer = NULL;
    }
    world_uninit(&w);
}

/* Copies what S has to D, which has 'n_d' flows afterwards, and checks the
 * figures. */
static void
copy(struct world *w, uint32_t n_flows, uint32_t n_gone, uint32_t n_d)
{
    struct mbox_msg msg;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    assert_non_null(prepare(&w->s, MBOX_ROLE_SOURCE, MBOX_METHOD_COPY,
                            MBOX_GUARANTEE_NONE, 0, 0, fds[0]));
    assert_non_null(prepare(&w->d, MBOX_ROLE_DESTINATION, MBOX_METHOD_COPY,
                            MBOX_GUARANTEE_NONE, 0, 0, fds[1]));
    expect(&w->s, MBOX_MSG_PREPARED, NULL);
    expect(&w->d, MBOX_MSG_PREPARED, NULL);
    command(&w->s, MBOX_MSG_EXPORT);
    settle(w);
    expect(&w->d, MBOX_MSG_INSTALLED, &msg);
    assert_int_equal(msg.n_flows, n_flows);
    assert_int_equal(msg.n_gone, n_gone);
    assert_int_equal(checker_all_flows(&w->d.checker), n_d);
    commit(w, 0);
}

static void
end_flows(struct side *side, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        struct mbox_key key = checker_key(i);

        assert_int_equal(checker_del(&side->checker, 0, &key), 0);
    }
}

/* D hears of flows that have ended since the last copy, of all of them, and of
 * no other. */
static void
test_copy_gone(void **state)
{
    static struct world w;

    (void) state;
    world_init(&w);
    for (uint32_t i = 0; i < 200; i++) {
        feed(&w, &w.s, i, NULL);
    }
    copy(&w, 200, 0, 200);

    end_flows(&w.s, 0, 90);
    for (uint32_t i = 200; i < 210; i++) {
        feed(&w, &w.s, i, NULL);
    }
    copy(&w, 120, 90, 120);
    copy(&w, 120, 0, 120);
    end_flows(&w.s, 90, 120);
    copy(&w, 0, 120, 0);
    copy(&w, 0, 0, 0);
    world_uninit(&w);
}

/* After a move it means nothing that flows are not at S any more. */
static void
test_copy_then_move(void **state)
{
    static struct world w;

    (void) state;
    world_init(&w);
    for (uint32_t i = 0; i < 10; i++) {
        feed(&w, &w.s, i, NULL);
    }
    copy(&w, 10, 0, 10);
    assert_non_null(w.s.env.copied);

    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    assert_non_null(prepare(&w.s, MBOX_ROLE_SOURCE, MBOX_METHOD_HOLD,
                            MBOX_GUARANTEE_ORDER_PRESERVING, 0, 0, fds[0]));
    assert_non_null(prepare(&w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_HOLD,
                            MBOX_GUARANTEE_ORDER_PRESERVING, 0, 0, fds[1]));
    expect(&w.s, MBOX_MSG_PREPARED, NULL);
    expect(&w.d, MBOX_MSG_PREPARED, NULL);
    command(&w.s, MBOX_MSG_EXPORT);
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    settle(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    expect(&w.d, MBOX_MSG_RELEASE, NULL);
    expect(&w.d, MBOX_MSG_INSTALLED, NULL);
    commit(&w, 10);
    assert_null(w.s.env.copied);

    /* They live on at D, and D keeps them. */
    copy(&w, 0, 0, 10);
    world_uninit(&w);
}

/* Flows are pending while a transfer to here is open, by the flow space or by
 * another key, and others never. */
static void
test_pending(void **state)
{
    static const enum mbox_msg_type ends[] = {
        MBOX_MSG_COMMIT, MBOX_MSG_ABORT,
    };

    (void) state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        static struct world w;
        struct mbox_key inside = checker_key(1), reverse, outside, other;
        const struct mb_pending *const *list;
        struct mbox_msg msg;
        struct checker_flow flow;

        world_init(&w);
        list = (const struct mb_pending *const *) w.d.pending;
        mbox_key_reverse(&inside, &reverse);
        outside = inside;
        memset(outside.src + 12, 77, 4);
        memset(outside.dst + 12, 78, 4);
        other = outside;
        other.src_port++;

        assert_false(mb_pending_contains(*list, &inside));
        lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_HOLD, 0);
        assert_true(mb_pending_contains(*list, &inside));
        assert_true(mb_pending_contains(*list, &reverse));
        assert_false(mb_pending_contains(*list, &outside));

        /* A flow that is in the space only by its second key. */
        const struct mbox_key keys[] = { outside, inside };
        send_stream(&w);
        mbox_msg_init(&msg, MBOX_MSG_CHUNK, ID);
        msg.scope = MBOX_SCOPE_PER_FLOW;
        msg.seq = 1;
        memset(&flow, 0, sizeof flow);
        flow.exists = true;
        msg.data = &flow;
        msg.data_len = sizeof flow;
        msg.crc = mbox_msg_crc(&flow, sizeof flow);
        msg.n_keys = 2;
        send_peer(&w, &msg, keys);
        expect_none(&w.d);
        assert_true(mb_pending_contains(*list, &outside));
        assert_false(mb_pending_contains(*list, &other));

        command(&w.d, ends[i]);
        settle(&w);
        assert_null(w.d.t);
        assert_false(mb_pending_contains(*list, &inside));
        assert_false(mb_pending_contains(*list, &outside));
        world_uninit(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_repeated_copy),
        cmocka_unit_test(test_copy_gone),
        cmocka_unit_test(test_copy_then_move),
        cmocka_unit_test(test_pending),
    };

    return cmocka_run_group_tests_name("libmbox copies", tests, NULL, NULL);
}
