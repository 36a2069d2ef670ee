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

/* Peers and coordinators that do what they must not. */

#include "libmbox-sides.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum bad {
    BAD_CLASS, BAD_SCHEMA, BAD_EPOCH, BAD_ORDER, BAD_CRC, BAD_SEQ, BAD_SCOPE,
    BAD_SPACE, BAD_COUNTS, BAD_PUT, BAD_TWICE, BAD_TYPE, BAD_GARBAGE,
    BAD_DATA, N_BAD
};

/* Whatever a source sends, D refuses it and imports nothing of it. */
static void
test_bad_state(void **state)
{
    (void) state;
    for (enum bad bad = 0; bad < N_BAD; bad++) {
        struct world w;
        struct mbox_msg msg;
        struct checker_flow flow = { .exists = true, .last = 1 };
        struct mbox_key key = checker_key(1);

        if (bad == BAD_SPACE) {
            key.src[12] ^= 1;
            key.dst[12] ^= 1;
        }
        world_init(&w);
        lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_HOLD, 0);
        if (bad == BAD_PUT) {
            w.d.checker.put_error = -ENOSPC;
        }

        if (bad == BAD_GARBAGE) {
            uint8_t garbage[64];

            memset(garbage, 0xff, sizeof garbage);
            struct pollfd pfd;
            mbox_channel_wait(w.peer, &pfd);
            assert_int_equal(write(pfd.fd, garbage, sizeof garbage),
                             sizeof garbage);
            settle(&w);
        }
        if (bad != BAD_ORDER && bad != BAD_GARBAGE) {
            mbox_msg_init(&msg, MBOX_MSG_STREAM, ID);
            strcpy(msg.class_name, bad == BAD_CLASS ? "other" : "checker");
            msg.schema = bad == BAD_SCHEMA ? 10 : 9;
            msg.epoch = bad == BAD_EPOCH ? 1 : EPOCH;
            send_peer(&w, &msg, NULL);
            if (bad == BAD_TWICE) {
                send_peer(&w, &msg, NULL);
            }
        }
        if (bad > BAD_EPOCH && bad < BAD_TWICE && bad != BAD_COUNTS) {
            mbox_msg_init(&msg, MBOX_MSG_CHUNK, ID);
            msg.scope = (bad == BAD_SCOPE ? MBOX_SCOPE_CONFIG
                         : MBOX_SCOPE_PER_FLOW);
            msg.seq = bad == BAD_SEQ ? 2 : 1;
            msg.data = &flow;
            msg.data_len = sizeof flow;
            msg.crc = mbox_msg_crc(&flow, sizeof flow) ^ (bad == BAD_CRC);
            msg.n_keys = bad != BAD_SCOPE;
            send_peer(&w, &msg, &key);
        } else if (bad == BAD_COUNTS) {
            mbox_msg_init(&msg, MBOX_MSG_END, ID);
            msg.n_chunks = 1;
            send_peer(&w, &msg, NULL);
        } else if (bad == BAD_TYPE) {
            mbox_msg_init(&msg, MBOX_MSG_HELLO, ID);
            strcpy(msg.name, "x");
            strcpy(msg.class_name, "x");
            send_peer(&w, &msg, NULL);
        } else if (bad == BAD_DATA) {
            mbox_msg_init(&msg, MBOX_MSG_CHUNK, ID);
            msg.scope = MBOX_SCOPE_PER_FLOW;
            msg.seq = 1;
            msg.data = &flow;
            msg.data_len = 3;
            msg.crc = mbox_msg_crc(&flow, 3);
            msg.n_keys = 1;
            send_peer(&w, &msg, &key);
        }
        if (!next_msg(&w.d, &msg)) {
            fail_msg("bad state %d was accepted", bad);
        }
        assert_int_equal(msg.type, MBOX_MSG_ERROR);
        assert_int_not_equal(msg.code, 0);
        assert_int_equal(checker_all_flows(&w.d.checker), 0);
        expect_none(&w.d);
        command(&w.d, MBOX_MSG_ABORT);
        settle(&w);
        expect(&w.d, MBOX_MSG_ABORTED, NULL);
        world_uninit(&w);
    }
}

/* Says that the state of 'scope' and 'key' has ended. */
static void
send_gone(struct world *w, enum mbox_scope scope, const struct mbox_key *key)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_GONE, ID);
    msg.scope = scope;
    msg.n_keys = 1;
    send_peer(w, &msg, key);
}

/* A source cannot have deleted what D has of its own: in a copy flows of the
 * flow space, which an earlier copy may have put, and otherwise nothing but
 * what the transfer has put. */
static void
test_gone_of_others(void **state)
{
    static const enum mbox_method methods[] = {
        MBOX_METHOD_HOLD, MBOX_METHOD_COPY,
    };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        struct mbox_key inside = checker_key(1), outside = checker_key(2);
        struct mbox_key host = checker_host_key(&outside);
        struct world w;
        struct mbox_msg msg;

        outside.src[12] = outside.dst[12] = 11;
        world_init(&w);
        assert_non_null(checker_flow(&w.d.checker.w[0], &inside, true));
        assert_non_null(checker_flow(&w.d.checker.w[0], &outside, true));
        *checker_host(&w.d.checker.w[0], &host, true) = 3;
        lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, methods[i], 0);
        send_stream(&w);
        send_gone(&w, MBOX_SCOPE_PER_FLOW, &inside);
        send_gone(&w, MBOX_SCOPE_PER_FLOW, &outside);
        send_gone(&w, MBOX_SCOPE_MULTI_FLOW, &host);
        mbox_msg_init(&msg, MBOX_MSG_END, ID);
        msg.n_gone = 3;
        send_peer(&w, &msg, NULL);
        if (methods[i] == MBOX_METHOD_HOLD) {
            expect(&w.d, MBOX_MSG_RELEASE, NULL);
        }
        expect(&w.d, MBOX_MSG_INSTALLED, &msg);
        assert_int_equal(msg.n_gone, methods[i] == MBOX_METHOD_COPY);
        assert_int_equal(checker_flow(&w.d.checker.w[0], &inside, false)
                         == NULL, methods[i] == MBOX_METHOD_COPY);
        assert_non_null(checker_flow(&w.d.checker.w[0], &outside, false));
        assert_non_null(checker_host(&w.d.checker.w[0], &host, false));
        world_uninit(&w);
    }
}

/* Messages without a place fail the transfer, and no more. */
static void
test_unexpected(void **state)
{
    static const enum mbox_msg_type for_source[] = {
        MBOX_MSG_BUFFER, MBOX_MSG_COMMIT, MBOX_MSG_RETURN, MBOX_MSG_PREPARED,
        MBOX_MSG_INSTALLED, MBOX_MSG_RELAY, MBOX_MSG_PACKET,
    };
    static const enum mbox_msg_type for_destination[] = {
        MBOX_MSG_BUFFER, MBOX_MSG_PREPARED, MBOX_MSG_RETURN, MBOX_MSG_EXPORT,
        MBOX_MSG_INSTALLED, MBOX_MSG_RELAY, MBOX_MSG_PACKET,
    };

    (void) state;
    for (size_t i = 0; i < 14; i++) {
        bool source = i < 7;
        struct world w;
        struct side *side = source ? &w.s : &w.d;
        struct mbox_msg msg;

        world_init(&w);
        lone_prepare(&w, side, (source ? MBOX_ROLE_SOURCE
                                : MBOX_ROLE_DESTINATION),
                     MBOX_METHOD_HOLD, 0);
        command(side, source ? for_source[i] : for_destination[i - 7]);
        settle(&w);
        expect(side, MBOX_MSG_ERROR, &msg);
        assert_int_equal(msg.code, EPROTO);
        expect_none(side);
        command(side, MBOX_MSG_ABORT);
        settle(&w);
        expect(side, MBOX_MSG_ABORTED, NULL);
        world_uninit(&w);
    }
}

static void
test_get_fails(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_PRECOPY, 3);
    w.s.checker.get_error = -ENOMEM;
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect(&w.s, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, ENOMEM);
    assert_non_null(strstr(msg.text, "10.0.0."));
    world_uninit(&w);
}

static void
test_prepare_refused(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    assert_null(prepare(&w.s, MBOX_ROLE_SOURCE, MBOX_METHOD_HOLD,
                        MBOX_GUARANTEE_LOSS_FREE, 0, 0, -1));
    expect(&w.s, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, EINVAL);

    /* The same again, and one that overlaps. */
    struct mb_transfer *first = prepare(&w.s, MBOX_ROLE_SOURCE,
                                        MBOX_METHOD_HOLD,
                                        MBOX_GUARANTEE_LOSS_FREE,
                                        MBOX_OPT_RELAY, 0, -1);
    assert_non_null(first);
    expect(&w.s, MBOX_MSG_PREPARED, NULL);
    mbox_msg_init(&msg, MBOX_MSG_PREPARE, ID);
    msg.role = MBOX_ROLE_DESTINATION;
    msg.method = MBOX_METHOD_HOLD;
    msg.options = MBOX_OPT_RELAY;
    msg.space = checker_space(4);
    assert_null(mb_transfer_create(&w.s.env, &msg, -1, first));
    expect(&w.s, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, EEXIST);
    mbox_msg_init(&msg, MBOX_MSG_PREPARE, ID + 1);
    msg.role = MBOX_ROLE_DESTINATION;
    msg.method = MBOX_METHOD_HOLD;
    msg.options = MBOX_OPT_RELAY;
    msg.space = checker_space(4);
    assert_null(mb_transfer_create(&w.s.env, &msg, -1, first));
    assert_true(next_msg(&w.s, &msg));
    assert_int_equal(msg.id, ID + 1);
    assert_int_equal(msg.code, EBUSY);
    world_uninit(&w);
}

/* Random messages and tags in random order never do worse than fail. */
static void
test_random_commands(void **state)
{
    static const enum mbox_msg_type types[] = {
        MBOX_MSG_EXPORT, MBOX_MSG_RETURN, MBOX_MSG_BUFFER, MBOX_MSG_COMMIT,
        MBOX_MSG_PACKET, MBOX_MSG_RELAY, MBOX_MSG_ERROR,
    };

    (void) state;
    for (int i = 0; i < 2000; i++) {
        struct world w;

        world_init(&w);
        world_prepare(&w, 1 + test_random_range(3), 1 + test_random_range(3),
                      test_random_range(8), test_random_range(20));
        for (int j = 0; j < 12; j++) {
            struct side *side = test_random_range(2) ? &w.s : &w.d;

            if (!side->t) {
                continue;
            }
            switch (test_random_range(5)) {
            case 0:
                command(side, types[test_random_range(7)]);
                break;
            case 1:
                feed_tracer(side, 1 + test_random_range(5),
                            test_random_range(3));
                break;
            case 2:
                feed(&w, side, test_random_range(30), NULL);
                break;
            case 3:
                mb_transfer_run(side->t, side->clock + 1);
                break;
            case 4:
                settle(&w);
                break;
            }
        }
        for (int j = 0; j < 2; j++) {
            struct side *side = j ? &w.s : &w.d;

            if (side->t && test_random_range(2)) {
                command(side, MBOX_MSG_ABORT);
            } else if (side->t) {
                mb_transfer_disconnected(side->t);
            }
        }
        settle(&w);
        for (int j = 0; j < 2; j++) {
            struct side *side = j ? &w.s : &w.d;

            if (side->t) {
                resolve(side, test_random_range(2), MBOX_SELECT_ALL_EXCEPT,
                        NULL, 0);
            }
        }
        settle(&w);
        assert_null(w.s.t);
        assert_null(w.d.t);
        world_uninit(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_state),
        cmocka_unit_test(test_gone_of_others),
        cmocka_unit_test(test_unexpected),
        cmocka_unit_test(test_get_fails),
        cmocka_unit_test(test_prepare_refused),
        cmocka_unit_test(test_random_commands),
    };

    return cmocka_run_group_tests_name("libmbox bad peers", tests, NULL, NULL);
}
