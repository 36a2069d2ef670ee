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

/* Moves by method events. */

#include "libmbox-sides.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void
move_events(enum mbox_guarantee guarantee, bool via_channel)
{
    struct world w;
    struct mbox_msg msg;

    world_init(&w);
    world_prepare(&w, MBOX_METHOD_EVENTS, guarantee,
                  via_channel ? MBOX_OPT_VIA_CHANNEL : 0, 100);
    if (guarantee == MBOX_GUARANTEE_ORDER_PRESERVING) {
        command(&w.d, MBOX_MSG_BUFFER);
        expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    }
    command(&w.s, MBOX_MSG_RETURN);
    expect(&w.s, MBOX_MSG_RETURNING, NULL);
    feed(&w, &w.s, 0, NULL);
    feed(&w, &w.s, 1, NULL);
    w.next[0]--;                /* They come again, to D. */
    w.next[1]--;
    assert_int_equal(w.s.checker.processed, 100);

    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect(&w.d, MBOX_MSG_INSTALLED, &msg);
    assert_int_equal(msg.n_flows, 100);
    expect_none(&w.d);
    assert_int_equal(checker_all_flows(&w.d.checker), 100);

    if (guarantee == MBOX_GUARANTEE_NONE) {
        assert_int_equal(w.s.env.discarded, 2);
        assert_int_equal(w.s.out.n, 0);
        command(&w.s, MBOX_MSG_COMMIT);
        settle(&w);
        expect(&w.s, MBOX_MSG_COMMITTED, &msg);
        assert_int_equal(msg.n_discarded, 2);
        assert_int_equal(msg.n_flows, 100);
        world_uninit(&w);
        return;
    }

    for (uint32_t seq = 1; seq <= 2 && via_channel; seq++) {
        expect(&w.s, MBOX_MSG_PACKET, &msg);
        assert_int_equal(msg.seq, seq);
    }
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    expect(&w.s, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.n_packets, 2);

    if (guarantee == MBOX_GUARANTEE_ORDER_PRESERVING) {
        w.next[0]++;
        feed(&w, &w.d, 0, NULL);        /* Untagged ones wait. */
        feed(&w, &w.d, 200, NULL);
        assert_int_equal(w.d.checker.processed, 0);
        assert_int_equal(mb_transfer_n_buffered(w.d.t), 2);
        w.next[0] -= 2;
    }

    /* The first is lost: what follows is not processed before it. */
    give_dnb(&w, via_channel, 1, 2);
    w.next[1]--;
    assert_int_equal(w.d.checker.processed, 0);
    give_last(&w, via_channel, 2);
    settle(&w);
    expect(&w.d, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 2);
    assert_int_equal(msg.n_packets, 0);

    give_dnb(&w, via_channel, 0, 1);
    give_dnb(&w, via_channel, 1, 2);
    assert_int_equal(w.d.checker.processed, 2);
    give_dnb(&w, via_channel, 1, 2);    /* A repetition is dropped. */
    w.next[1]--;
    assert_int_equal(w.d.checker.processed, 2);
    give_last(&w, via_channel, 2);
    settle(&w);
    expect(&w.d, MBOX_MSG_FLUSHED, &msg);
    assert_int_equal(msg.n_packets, 2);
    uint32_t n_buffered = (guarantee == MBOX_GUARANTEE_ORDER_PRESERVING
                           ? 2 : 0);
    assert_int_equal(msg.n_buffered, n_buffered);
    assert_int_equal(w.d.env.replayed, 2 + n_buffered);
    w.next[0] += n_buffered / 2;

    give_last(&w, via_channel, 2);
    expect(&w.d, MBOX_MSG_FLUSHED, NULL);
    feed(&w, &w.d, 0, NULL);
    assert_int_equal(w.d.checker.processed, 3 + n_buffered);
    assert_int_equal(w.d.checker.lost, 0);
    assert_int_equal(w.d.checker.repeated, 0);
    commit(&w, 100);
    assert_int_equal(checker_all_flows(&w.s.checker), 0);
    world_uninit(&w);
}

static void
test_events(void **state)
{
    (void) state;
    for (int via_channel = 0; via_channel < 2; via_channel++) {
        move_events(MBOX_GUARANTEE_ORDER_PRESERVING, via_channel);
        move_events(MBOX_GUARANTEE_LOSS_FREE, via_channel);
        move_events(MBOX_GUARANTEE_NONE, via_channel);
    }
}

/* Abort returns what was buffered, in order, and then what comes until the
 * answer. */
static void
test_abort_buffered(void **state)
{
    (void) state;
    for (int via_channel = 0; via_channel < 2; via_channel++) {
        struct world w;
        struct mbox_msg msg;

        world_init(&w);
        world_prepare(&w, MBOX_METHOD_EVENTS, MBOX_GUARANTEE_ORDER_PRESERVING,
                      via_channel ? MBOX_OPT_VIA_CHANNEL : 0, 10);
        command(&w.d, MBOX_MSG_BUFFER);
        expect(&w.d, MBOX_MSG_BUFFERING, NULL);
        for (uint32_t i = 0; i < 100; i++) {
            feed(&w, &w.d, i % 10, NULL);
        }
        command(&w.d, MBOX_MSG_ABORT);
        feed(&w, &w.d, 10, NULL);
        settle(&w);
        assert_null(w.d.t);
        for (uint32_t i = 0; i < 101; i++) {
            if (via_channel) {
                expect(&w.d, MBOX_MSG_PACKET, &msg);
                assert_int_equal(msg.seq, i + 1);
            } else {
                struct mb_packet *packet = mb_buffer_pop(&w.d.out);
                struct mbox_tag tag;

                assert_non_null(packet);
                assert_true(mbox_tag_peek(packet->data, packet->len, &tag));
                assert_int_equal(tag.kind, MBOX_TAG_RETURNED);
                assert_int_equal(tag.seq, i + 1);
                mb_packet_free(packet);
            }
        }
        expect(&w.d, MBOX_MSG_ABORTED, &msg);
        assert_int_equal(msg.n_packets, 101);
        assert_int_equal(w.d.checker.processed, 0);
        world_uninit(&w);
    }
}

/* Do-not-buffer packets that overtake a lost one wait for it, up to a limit;
 * tracers are answered with how many were processed. */
static void
test_dnb_order(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_EVENTS, 0);

    /* Number 1 is lost, and what is more than 128 behind the last one
     * processed is not kept. */
    w.next[0] = 1;
    for (uint32_t seq = 2; seq <= 200; seq++) {
        give_dnb(&w, false, 0, seq);
        if (seq % 10 == 0) {            /* Repeated. */
            w.next[0]--;
            give_dnb(&w, false, 0, seq);
        }
    }
    assert_int_equal(w.d.checker.processed, 0);
    assert_true(feed_tracer(&w.d, MBOX_TAG_TRACER, 9));
    expect(&w.d, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 9);
    assert_int_equal(msg.n_packets, 0);

    w.next[0] = 0;
    give_dnb(&w, false, 0, 1);
    assert_int_equal(w.d.checker.processed, 128);
    mbox_msg_init(&msg, MBOX_MSG_PACKET, ID);
    msg.kind = MBOX_TAG_TRACER;
    msg.seq = 10;
    mb_transfer_recv(w.d.t, &msg);
    expect(&w.d, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 10);
    assert_int_equal(msg.n_packets, 128);

    for (uint32_t seq = 129; seq <= 200; seq++) {
        w.next[0] = seq - 1;
        give_dnb(&w, false, 0, seq);
    }
    give_dnb(&w, false, 0, 300);        /* Kept, and freed in the end. */
    w.next[0] = 200;
    assert_state_at(&w, &w.d, 1);
    world_uninit(&w);
}

/* Replay ends although bursts keep coming while it lasts. */
static void
test_replay_under_load(void **state)
{
    struct world w;
    unsigned int n_slices = 0;

    (void) state;
    world_init(&w);
    lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_EVENTS, 0);
    command(&w.d, MBOX_MSG_BUFFER);
    expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    for (uint32_t i = 0; i < 500; i++) {
        feed(&w, &w.d, i % 10, NULL);
    }
    give_last(&w, false, 0);
    while (mb_transfer_n_buffered(w.d.t)) {
        for (uint32_t i = 0; i < 2 * MB_BURST; i++) {
            feed(&w, &w.d, i % 10, NULL);
        }
        mb_transfer_run(w.d.t, w.d.clock);      /* No time at all. */
        assert_true(++n_slices < 100);
    }
    expect(&w.d, MBOX_MSG_FLUSHED, NULL);
    assert_state_at(&w, &w.d, 10);
    world_uninit(&w);
}

static void
test_buffer_limit(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    w.d.env.buffer_limit = 10 * CHECKER_FRAME;
    lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_EVENTS, 0);
    command(&w.d, MBOX_MSG_BUFFER);
    expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    for (uint32_t i = 0; i < 10; i++) {
        feed(&w, &w.d, i, NULL);
    }
    expect_none(&w.d);
    feed(&w, &w.d, 10, NULL);
    expect(&w.d, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, ENOBUFS);
    feed(&w, &w.d, 11, NULL);
    expect_none(&w.d);
    command(&w.d, MBOX_MSG_ABORT);
    settle(&w);
    expect(&w.d, MBOX_MSG_ABORTED, NULL);
    assert_int_equal(w.d.out.n, 12);        /* Nothing was dropped. */
    assert_int_equal(w.d.env.discarded, 0);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_abort_buffered),
        cmocka_unit_test(test_dnb_order),
        cmocka_unit_test(test_replay_under_load),
        cmocka_unit_test(test_buffer_limit),
    };

    return cmocka_run_group_tests_name("libmbox method events", tests, NULL,
                                       NULL);
}
