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

/* Transfers whose coordinator went away. */

#include "libmbox-sides.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Returns the number of keys with which 'side' asks. */
static uint32_t
ask(struct side *side, enum mbox_select select)
{
    struct mbox_msg msg;
    struct mb_keys keys;

    mb_keys_init(&keys);
    assert_true(mb_transfer_get_open(side->t, &msg, &keys));
    assert_int_equal(msg.type, MBOX_MSG_OPEN);
    assert_int_equal(msg.id, ID);
    assert_int_equal(msg.role, side->t->role);
    assert_int_equal(msg.select, select);

    uint32_t n = keys.n;
    mb_keys_uninit(&keys);
    return n;
}

/* Moves 50 flows until S has frozen, of which 20 have changed since D got
 * them. */
static void
begin(struct world *w)
{
    world_init(w);
    world_prepare(w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE, 50);
    command(&w->s, MBOX_MSG_EXPORT);
    settle(w);
    for (uint32_t i = 0; i < 20; i++) {
        feed(w, &w->s, i, NULL);
    }
    assert_true(feed_tracer(&w->s, MBOX_TAG_TRACER, 1));
}

/* Both lose the coordinator after the freeze: D gets the rest of the state
 * from S nevertheless, and S keeps what comes until it is told.  Then all have
 * moved, or some, or none. */
static void
test_doubt(void **state)
{
    (void) state;
    for (int i = 0; i < 3; i++) {
        struct mbox_key keys[50];
        struct world w;

        begin(&w);
        while (mb_transfer_wake(w.s.t) != MB_NEVER) {
            mb_transfer_run(w.s.t, w.s.clock + MB_SLICE_NS);
        }
        while (!w.d.t->destination->frozen) {
            mb_transfer_run(w.d.t, w.d.clock + 1);
        }
        mb_transfer_disconnected(w.s.t);
        mb_transfer_disconnected(w.d.t);
        settle(&w);
        assert_non_null(w.s.t);
        assert_non_null(w.d.t);
        assert_int_equal(ask(&w.s, MBOX_SELECT_KEYS), 0);
        assert_int_equal(ask(&w.d, MBOX_SELECT_ALL_EXCEPT), 0);

        uint64_t before = w.s.checker.processed;
        if (i) {
            feed(&w, &w.s, 49, NULL);
            feed(&w, &w.s, 49, NULL);
        }
        assert_int_equal(w.s.checker.processed, before);
        for (uint32_t j = 0; j < 50; j++) {
            keys[j] = checker_key(j);
        }

        uint32_t n = i == 0 ? 50 : i == 1 ? 30 : 0;     /* Moved. */
        resolve(&w.s, n, n < 50 ? MBOX_SELECT_KEYS : MBOX_SELECT_ALL_EXCEPT,
                keys, n % 50);
        resolve(&w.d, n, n < 50 ? MBOX_SELECT_KEYS : MBOX_SELECT_ALL_EXCEPT,
                keys, n % 50);
        settle(&w);
        assert_null(w.s.t);
        assert_null(w.d.t);
        assert_int_equal(w.s.checker.processed, before + (i ? 2 : 0));
        for (uint32_t j = 0; j < 50; j++) {
            struct side *side = j < n ? &w.d : &w.s;
            struct side *other = j < n ? &w.s : &w.d;
            const struct checker_flow *flow
                = checker_flow(&side->checker.w[0], &keys[j], false);

            assert_non_null(flow);
            assert_int_equal(flow->last, w.next[j]);
            assert_null(checker_flow(&other->checker.w[0], &keys[j], false));
            feed(&w, side, j, NULL);
        }
        assert_int_equal(w.s.checker.lost + w.d.checker.lost, 0);
        world_uninit(&w);
    }
}

/* The source dies, too: D says which flows it has got. */
static void
test_doubt_without_source(void **state)
{
    (void) state;
    for (int i = 0; i < 20; i++) {
        struct world w;

        begin(&w);
        while (!w.d.t->destination->frozen) {
            mb_transfer_run(w.s.t, w.s.clock + 1);
            mb_transfer_run(w.d.t, w.d.clock + 1);
        }
        mb_transfer_disconnected(w.d.t);
        mb_transfer_destroy(w.s.t);
        w.s.t = NULL;
        settle(&w);

        assert_true(ask(&w.d, MBOX_SELECT_ALL_EXCEPT) <= 20);
        resolve(&w.d, true, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
        settle(&w);
        assert_null(w.d.t);
        assert_int_equal(checker_all_flows(&w.d.checker), 50);
        world_uninit(&w);
    }
}

/* A lone destination that is in doubt after the freeze, and whose source is
 * the test.  'msg' is set to a chunk of 'flow', with number 0. */
static void
begin_lone(struct world *w, const struct checker_flow *flow,
           struct mbox_msg *msg)
{
    world_init(w);
    lone_prepare(w, &w->d, MBOX_ROLE_DESTINATION, MBOX_METHOD_HOLD, 0);
    send_stream(w);
    mbox_msg_init(msg, MBOX_MSG_FROZEN, ID);
    msg->select = MBOX_SELECT_KEYS;
    send_peer(w, msg, NULL);
    mb_transfer_disconnected(w->d.t);

    mbox_msg_init(msg, MBOX_MSG_CHUNK, ID);
    msg->scope = MBOX_SCOPE_PER_FLOW;
    msg->data = flow;
    msg->data_len = sizeof *flow;
    msg->crc = mbox_msg_crc(flow, sizeof *flow);
    msg->n_keys = 1;
}

/* The source's process hangs, with its connection open.  D asks nevertheless
 * when nothing has come for a while, and what comes later counts no more. */
static void
test_doubt_silent_source(void **state)
{
    const struct mbox_key key = checker_key(1);
    const struct checker_flow flow = { .exists = true, .last = 1 };
    struct mbox_msg msg;
    struct mb_keys keys;
    struct world w;

    (void) state;
    begin_lone(&w, &flow, &msg);

    /* Each time that the source brings state it may be silent again. */
    for (int i = 0; i < 3; i++) {
        assert_in_range(mb_transfer_wake(w.d.t) - w.d.clock,
                        MB_SILENCE_NS * 9 / 10, MB_SILENCE_NS);
        w.d.clock = mb_transfer_wake(w.d.t) - 1000000;
        settle(&w);
        mb_keys_init(&keys);
        assert_false(mb_transfer_get_open(w.d.t, &msg, &keys));
        msg.seq++;
        send_peer(&w, &msg, &key);
    }
    w.d.clock = mb_transfer_wake(w.d.t);
    settle(&w);
    assert_int_equal(ask(&w.d, MBOX_SELECT_KEYS), 0);
    assert_int_equal(w.d.t->destination->n_chunks, 3);

    msg.seq++;
    mbox_channel_send(w.peer, &msg, &key, -1);
    mbox_channel_flush(w.peer);
    settle(&w);
    assert_int_equal(w.d.t->destination->n_chunks, 3);
    resolve(&w.d, false, MBOX_SELECT_KEYS, NULL, 0);
    settle(&w);
    assert_null(w.d.t);
    assert_int_equal(checker_all_flows(&w.d.checker), 0);
    world_uninit(&w);
}

/* The source goes on talking, but brings no state; or state, without end.  D
 * asks nevertheless. */
static void
test_doubt_talkative_source(void **state)
{
    const struct mbox_key key = checker_key(1);
    const struct checker_flow flow = { .exists = true, .last = 1 };
    struct mbox_msg chunk, echo;
    struct world w;

    (void) state;
    begin_lone(&w, &flow, &chunk);
    uint64_t end = mb_transfer_wake(w.d.t);
    w.d.clock = end - MB_SILENCE_NS / 10;
    mbox_msg_init(&echo, MBOX_MSG_ECHO_REQUEST, ID);
    send_peer(&w, &echo, NULL);
    assert_int_equal(mb_transfer_wake(w.d.t), end);
    w.d.clock = end;
    send_peer(&w, &echo, NULL);
    assert_int_equal(ask(&w.d, MBOX_SELECT_KEYS), 0);
    world_uninit(&w);

    begin_lone(&w, &flow, &chunk);
    uint64_t start = w.d.clock;
    while (w.d.t->state) {
        assert_in_range(w.d.clock, start, start + MB_DOUBT_NS);
        w.d.clock += MB_SILENCE_NS / 2;
        chunk.seq++;
        send_peer(&w, &chunk, &key);
    }
    assert_int_equal(ask(&w.d, MBOX_SELECT_KEYS), 0);
    world_uninit(&w);
}

/* The connection ends in the middle of an answer: only the next one counts. */
static void
test_doubt_interrupted_answer(void **state)
{
    struct mbox_key keys[50];

    (void) state;
    for (uint32_t i = 0; i < 50; i++) {
        keys[i] = checker_key(i);
    }

    struct world w;
    struct side *sides[] = { &w.s, &w.d };
    begin(&w);
    settle(&w);
    for (int i = 0; i < 2; i++) {
        mb_transfer_disconnected(sides[i]->t);
        resolve_part(sides[i], true, MBOX_SELECT_KEYS, keys, 10, true);
        assert_true(sides[i]->t->in_doubt);
        mb_transfer_disconnected(sides[i]->t);
        resolve_part(sides[i], true, MBOX_SELECT_KEYS, keys + 20, 10, true);
        resolve(sides[i], true, MBOX_SELECT_KEYS, keys + 30, 5);
    }
    settle(&w);
    for (uint32_t i = 0; i < 50; i++) {
        bool moved = i >= 20 && i < 35;

        assert_int_equal(checker_flow(&w.s.checker.w[0], &keys[i], false)
                         != NULL, !moved);
        assert_int_equal(checker_flow(&w.d.checker.w[0], &keys[i], false)
                         != NULL, moved);
    }
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_doubt_without_source),
        cmocka_unit_test(test_doubt_silent_source),
        cmocka_unit_test(test_doubt_talkative_source),
        cmocka_unit_test(test_doubt_interrupted_answer),
    };

    return cmocka_run_group_tests_name("libmbox transfers in doubt", tests,
                                       NULL, NULL);
}
