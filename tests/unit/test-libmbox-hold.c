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

/* Moves by method hold, and their ends. */

#include "libmbox-sides.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* The middleboxes have been told of 'n' flows before they were asked for them:
 * of all but the first ones when they were read and when they were deleted,
 * and at the destination of those that were there while others were put. */
static void
assert_prefetched(const struct world *w, uint32_t options, uint32_t n)
{
    assert_int_equal(w->s.checker.prefetched, n < 4 ? 0 : 2 * (n - 4));
    if (options & MBOX_OPT_RELAY) {
        assert_int_equal(w->d.checker.prefetched, 0);
    } else {
        assert_true(w->d.checker.prefetched >= n / 2);
    }
}

static void
move_hold(uint32_t options, uint32_t n)
{
    const uint32_t n_listed = n;
    struct world w;
    struct mbox_msg msg;

    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  options, n);
    if (options & MBOX_OPT_PRECOPY) {
        command(&w.s, MBOX_MSG_EXPORT);
        progress(&w);
        expect(&w.s, MBOX_MSG_PRECOPY, &msg);
        assert_int_equal(msg.round, 1);
        assert_int_equal(msg.n_dirty, 0);
        expect_none(&w.s);
        assert_int_equal(checker_all_flows(&w.d.checker), n);

        /* Some change, and another begins. */
        for (uint32_t i = 0; i < n && i < 3; i++) {
            feed(&w, &w.s, i, NULL);
        }
        feed(&w, &w.s, n++, NULL);
    }

    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    expect_tracer(&w.s, 1);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 1);
    assert_int_equal(msg.n_packets, 0);

    /* A second tracer is answered too. */
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 2));
    expect_tracer(&w.s, 2);
    progress(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 2);
    expect_none(&w.s);

    uint32_t n_released = 0;
    for (;;) {
        assert_true(next_msg(&w.d, &msg));
        if (msg.type == MBOX_MSG_INSTALLED) {
            break;
        }
        assert_int_equal(msg.type, MBOX_MSG_RELEASE);
        if (msg.select == MBOX_SELECT_KEYS) {
            n_released += msg.n_keys;
        } else if (options & MBOX_OPT_PRECOPY
                   && options & MBOX_OPT_EARLY_RELEASE && !n_released
                   && msg.n_keys) {
            assert_int_equal(msg.n_keys, n <= 3 ? n : 4);
        } else {
            assert_int_equal(msg.n_keys, 0);
        }
    }
    /* What END releases with all the rest need not be named before. */
    assert_true(n_released <= (!(options & MBOX_OPT_EARLY_RELEASE) ? 0
                               : !(options & MBOX_OPT_PRECOPY) ? n
                               : n <= 3 ? n : 4));
    assert_int_equal(msg.n_flows, n);
    assert_int_equal(msg.n_gone, 0);
    assert_state_at(&w, &w.d, n);

    commit(&w, n);
    assert_state_at(&w, &w.d, n);
    assert_int_equal(checker_all_flows(&w.s.checker), 0);
    assert_prefetched(&w, options, n_listed);

    /* Hosts in the space moved, others were merged and stay. */
    struct mbox_key key = checker_key(0), host;
    mbox_key_reverse(&key, &key);
    for (int i = 0; n && i < 2; i++) {
        host = checker_host_key(&key);
        bool inside = host.src[12] == 10;
        uint32_t *at_s = checker_host(&w.s.checker.w[0], &host, false);
        uint32_t *at_d = checker_host(&w.d.checker.w[0], &host, false);

        (void) at_d;
        if (inside) {
            assert_null(at_s);
        }
        mbox_key_reverse(&key, &key);
    }
    assert_int_equal(w.d.checker.w[0].total, w.s.checker.w[0].total);
    world_uninit(&w);
}

static void
test_hold(void **state)
{
    (void) state;
    for (uint32_t options = 0; options < 4; options++) {
        for (int i = 0; i < 4; i++) {
            static const uint32_t n[] = { 0, 1, 3, 2000 };

            move_hold(options, n[i]);
            move_hold(options | MBOX_OPT_RELAY, n[i]);
        }
    }
}

/* Flows that end, during pre-copy and when frozen. */
static void
test_gone(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE, 10);
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect(&w.s, MBOX_MSG_PRECOPY, NULL);

    for (uint32_t i = 0; i < 2; i++) {
        struct mbox_key key = checker_key(i);

        checker_del(&w.s.checker, 0, &key);
        mb_tracker_mark(w.s.trackers[0], MBOX_STATE_PER_FLOW, &key);
        if (!i) {
            w.s.clock += 10 * 1000 * 1000;
            settle(&w);
            expect(&w.s, MBOX_MSG_PRECOPY, NULL);
            assert_int_equal(checker_all_flows(&w.d.checker), 9);
        }
    }
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    settle(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    expect(&w.d, MBOX_MSG_RELEASE, &msg);
    assert_int_equal(msg.select, MBOX_SELECT_ALL_EXCEPT);
    assert_int_equal(msg.n_keys, 1);
    expect(&w.d, MBOX_MSG_RELEASE, &msg);
    assert_int_equal(msg.n_keys, 0);
    expect(&w.d, MBOX_MSG_INSTALLED, &msg);
    assert_int_equal(msg.n_gone, 2);
    assert_int_equal(msg.n_flows, 8);
    assert_int_equal(checker_all_flows(&w.d.checker), 8);
    commit(&w, 8);
    world_uninit(&w);
}

/* A copy of state that cannot be read ends with 'code'. */
static void
refuse_copy(int get_error, uint32_t code)
{
    struct mbox_msg msg;
    struct world w;

    world_init(&w);
    world_prepare(&w, MBOX_METHOD_COPY, MBOX_GUARANTEE_NONE, 0, 3);
    w.s.checker.get_error = get_error;
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect(&w.s, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, code);
    world_uninit(&w);
}

/* State that cannot be read while it may change is read when it stands still,
 * and is not copied. */
static void
test_put_off(void **state)
{
    struct mbox_key key = checker_key(0), back;
    struct world w;
    struct mbox_msg msg;

    (void) state;
    mbox_key_reverse(&key, &back);
    for (int ready = 0; ready < 2; ready++) {
        world_init(&w);
        world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                      MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE, 3);
        w.s.checker.get_error = -EAGAIN;
        command(&w.s, MBOX_MSG_EXPORT);
        settle(&w);
        expect(&w.s, MBOX_MSG_PRECOPY, &msg);
        assert_int_equal(msg.n_dirty, 3);
        assert_int_equal(checker_all_flows(&w.d.checker), 0);
        assert_false(mb_source_is_frozen(w.s.t->source, &key));

        if (ready) {
            w.s.checker.get_error = 0;
        }
        assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
        assert_true(mb_source_is_frozen(w.s.t->source, &key));
        assert_true(mb_source_is_frozen(w.s.t->source, &back));
        settle(&w);
        expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
        if (ready) {
            expect(&w.d, MBOX_MSG_RELEASE, &msg);
            assert_int_equal(msg.n_keys, 3);
            expect(&w.d, MBOX_MSG_RELEASE, NULL);
            expect(&w.d, MBOX_MSG_INSTALLED, &msg);
            assert_int_equal(msg.n_flows, 3);
            commit(&w, 3);
        } else {
            expect(&w.s, MBOX_MSG_ERROR, &msg);
            assert_int_equal(msg.code, EAGAIN);
        }
        world_uninit(&w);
    }

    refuse_copy(-EAGAIN, EOPNOTSUPP);
}

/* What an output function needs is moved, the rest ends with the source. */
static void
move_output(uint32_t options)
{
    static char outputs[] = "alerts,alert,log";
    const uint32_t n_listed = 100;
    const uint32_t n = options & MBOX_OPT_PRECOPY ? 110 : n_listed;
    uint32_t n_odd = 0;
    struct mbox_msg msg;
    struct world w;

    world_init(&w);
    for (uint32_t i = 0; i < n; i++) {
        n_odd += checker_key(i).src[15] % 2;
    }
    assert_true(n_odd > 10 && n_odd < 90);
    w.s.env.outputs = outputs;
    w.s.output = "alert";
    w.s.checker.no_odd_output = 1;
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  options, n_listed);
    if (options & MBOX_OPT_PRECOPY) {
        command(&w.s, MBOX_MSG_EXPORT);
        progress(&w);
        expect(&w.s, MBOX_MSG_PRECOPY, &msg);

        /* Some change, and others begin. */
        for (uint32_t i = 0; i < 10; i++) {
            feed(&w, &w.s, i, NULL);
            feed(&w, &w.s, n_listed + i, NULL);
        }
    }
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    expect_tracer(&w.s, 1);
    progress(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    expect_none(&w.s);
    do {
        assert_true(next_msg(&w.d, &msg));
    } while (msg.type != MBOX_MSG_INSTALLED);
    assert_int_equal(checker_all_flows(&w.d.checker), n - n_odd);
    commit(&w, n);
    assert_int_equal(checker_all_flows(&w.d.checker), n - n_odd);
    assert_int_equal(checker_all_flows(&w.s.checker), 0);
    world_uninit(&w);
}

static void
test_output(void **state)
{
    struct mbox_msg msg;
    struct world w;
    int fds[2];

    (void) state;
    move_output(0);
    move_output(MBOX_OPT_EARLY_RELEASE);
    move_output(MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE);

    /* One that S does not know, or that nobody has told of. */
    for (int i = 0; i < 2; i++) {
        static char outputs[] = "alerts,log";

        world_init(&w);
        w.s.env.outputs = i ? outputs : NULL;
        w.s.output = "alert";
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        assert_null(prepare(&w.s, MBOX_ROLE_SOURCE, MBOX_METHOD_HOLD,
                            MBOX_GUARANTEE_LOSS_FREE, 0, 0, fds[0]));
        expect(&w.s, MBOX_MSG_ERROR, &msg);
        assert_int_equal(msg.code, EINVAL);
        close(fds[1]);
        world_uninit(&w);
    }

    /* Where all is wanted, an instance cannot say that nothing is needed. */
    refuse_copy(-ENODATA, ENODATA);
}

/* Packets that reach a frozen source go back, once each, in order. */
static void
test_return(void **state)
{
    (void) state;
    for (int via_channel = 0; via_channel < 2; via_channel++) {
        struct world w;
        struct mbox_msg msg;

        world_init(&w);
        world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                      via_channel ? MBOX_OPT_VIA_CHANNEL : 0, 4);
        feed_tracer(&w.s, MBOX_TAG_TRACER, 1);
        expect_tracer(&w.s, 1);
        settle(&w);
        uint64_t processed = w.s.checker.processed;

        feed(&w, &w.s, 1, NULL);
        w.s.max_frame = CHECKER_FRAME;      /* Too short for the tag. */
        feed(&w, &w.s, 2, NULL);
        assert_int_equal(w.s.checker.processed, processed);
        assert_int_equal(w.s.env.returned, 2);
        expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
        if (via_channel) {
            expect(&w.s, MBOX_MSG_PACKET, &msg);
            assert_int_equal(msg.kind, MBOX_TAG_RETURNED);
            assert_int_equal(msg.seq, 1);
        } else {
            struct mb_packet *packet = mb_buffer_pop(&w.s.out);
            struct mbox_tag tag;

            assert_non_null(packet);
            assert_true(mbox_tag_peek(packet->data, packet->len, &tag));
            assert_int_equal(tag.kind, MBOX_TAG_RETURNED);
            assert_int_equal(tag.seq, 1);
            mb_packet_free(packet);
        }
        expect(&w.s, MBOX_MSG_PACKET, &msg);
        assert_int_equal(msg.seq, 2);
        assert_int_equal(msg.data_len, CHECKER_FRAME);
        assert_int_equal(w.s.out.n, 0);

        command(&w.s, MBOX_MSG_ABORT);
        command(&w.d, MBOX_MSG_ABORT);
        settle(&w);
        assert_null(w.s.t);
        assert_null(w.d.t);
        expect(&w.s, MBOX_MSG_ABORTED, &msg);
        assert_int_equal(msg.n_packets, 2);
        expect(&w.d, MBOX_MSG_RELEASE, NULL);
        expect(&w.d, MBOX_MSG_INSTALLED, NULL);
        expect(&w.d, MBOX_MSG_ABORTED, NULL);
        assert_int_equal(checker_all_flows(&w.d.checker), 0);
        assert_int_equal(checker_all_flows(&w.s.checker), 4);
        world_uninit(&w);
    }
}

/* COMMIT may come to D before everything is there: the source died. */
static void
test_early_commit(void **state)
{
    struct world w;

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_PRECOPY, 10);
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    mb_transfer_destroy(w.s.t);
    w.s.t = NULL;
    settle(&w);
    expect(&w.d, MBOX_MSG_ERROR, NULL);
    command(&w.d, MBOX_MSG_COMMIT);
    settle(&w);
    expect(&w.d, MBOX_MSG_COMMITTED, NULL);
    assert_null(w.d.t);
    assert_int_equal(checker_all_flows(&w.d.checker), 10);
    world_uninit(&w);
}

/* The coordinator decides that only some flows moved. */
static void
test_split(void **state)
{
    struct world w;
    struct mbox_msg msg;
    struct mbox_key keys[3];

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_EARLY_RELEASE, 10);
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    settle(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    do {
        assert_true(next_msg(&w.d, &msg));
    } while (msg.type != MBOX_MSG_INSTALLED);

    struct mbox_writer frame;
    mbox_writer_init(&frame, 65536);
    for (uint32_t i = 0; i < 3; i++) {
        keys[i] = checker_key(i);
    }
    /* In two parts, of which the first has no effect by itself. */
    for (int part = 0; part < 2; part++) {
        mbox_msg_init(&msg, MBOX_MSG_COMMIT, ID);
        msg.select = MBOX_SELECT_KEYS;
        msg.n_keys = part ? 1 : 2;
        msg.more = !part;
        frame.len = 0;
        mbox_msg_encode(&msg, &keys[2 * part], &frame);
        assert_int_equal(mbox_msg_decode(frame.data, frame.len, &msg), 0);
        mb_transfer_recv(w.s.t, &msg);
        mb_transfer_recv(w.d.t, &msg);
        settle(&w);
        assert_int_equal(checker_all_flows(&w.s.checker), part ? 7 : 10);
    }
    mbox_writer_uninit(&frame);
    expect(&w.s, MBOX_MSG_COMMITTED, &msg);
    assert_int_equal(msg.n_flows, 3);
    expect(&w.d, MBOX_MSG_COMMITTED, &msg);
    assert_int_equal(checker_all_flows(&w.s.checker), 7);
    assert_int_equal(checker_all_flows(&w.d.checker), 3);
    for (uint32_t i = 0; i < 10; i++) {
        struct mbox_key key = checker_key(i);

        assert_int_equal(checker_flow(&w.s.checker.w[0], &key, false) != NULL,
                         i >= 3);
        assert_int_equal(checker_flow(&w.d.checker.w[0], &key, false) != NULL,
                         i < 3);
    }
    world_uninit(&w);
}

/* Of 'n' flows, the state of the first 'n_stays' cannot be read.  If they can
 * stay, both ends agree on it, whoever asks them. */
static void
leave_some(uint32_t options, uint32_t n, uint32_t n_stays, bool before,
           bool doubt)
{
    bool stay = n_stays < n && n_stays <= 1024;
    struct world w;
    struct mbox_msg msg;

    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  options, n);
    w.s.checker.n_get_errors = n_stays;
    w.s.checker.get_error = before ? -EPROTO : 0;
    if (options & MBOX_OPT_PRECOPY) {
        command(&w.s, MBOX_MSG_EXPORT);
        progress(&w);
        expect(&w.s, MBOX_MSG_PRECOPY, &msg);
        assert_int_equal(msg.n_dirty, before ? n_stays : 0);
        for (uint32_t i = 0; i < n_stays; i++) {
            feed(&w, &w.s, i, NULL);
        }
    }
    w.s.checker.get_error = -EPROTO;
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    progress(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    if (!stay) {
        expect(&w.s, MBOX_MSG_ERROR, &msg);
        assert_int_equal(msg.code, EPROTO);
        assert_non_null(strstr(msg.text, "export of state ("));
        world_uninit(&w);
        return;
    }

    bool named = false;
    do {
        assert_true(next_msg(&w.d, &msg));
        if (msg.type == MBOX_MSG_STAYS) {
            assert_int_equal(msg.n_keys, n_stays);
            assert_string_equal(msg.text, strerror(EPROTO));
            named = true;
        } else if (msg.type == MBOX_MSG_RELEASE) {
            for (uint32_t i = 0; i < msg.n_keys; i++) {
                struct mbox_key key;
                bool stays = false;

                mbox_msg_get_key(&msg, i, &key);
                for (uint32_t j = 0; j < n_stays; j++) {
                    const struct mbox_key first = checker_key(j);

                    stays |= mbox_key_equal(&key, &first);
                }
                assert_int_equal(stays,
                                 msg.select == MBOX_SELECT_ALL_EXCEPT);
            }
            assert_true(msg.select == MBOX_SELECT_KEYS
                        || msg.n_keys == n_stays);
        }
    } while (msg.type != MBOX_MSG_INSTALLED);
    assert_true(named);
    expect_none(&w.s);

    struct mbox_key *keys = calloc(n_stays, sizeof *keys);
    for (uint32_t i = 0; i < n_stays; i++) {
        keys[i] = checker_key(i);
    }
    if (doubt) {
        struct mb_keys owned;
        enum mbox_select select;

        mb_keys_init(&owned);
        assert_true(mb_destination_get_owned(w.d.t->destination, &select,
                                             &owned));
        assert_int_equal(select, MBOX_SELECT_ALL_EXCEPT);
        assert_int_equal(owned.n, n_stays);
        mb_keys_uninit(&owned);
    }
    struct mbox_writer frame;
    mbox_writer_init(&frame, 65536);
    mbox_msg_init(&msg, MBOX_MSG_COMMIT, ID);
    msg.select = MBOX_SELECT_ALL_EXCEPT;
    msg.n_keys = n_stays;
    mbox_msg_encode(&msg, keys, &frame);
    assert_int_equal(mbox_msg_decode(frame.data, frame.len, &msg), 0);
    mb_transfer_recv(w.s.t, &msg);
    mb_transfer_recv(w.d.t, &msg);
    settle(&w);
    mbox_writer_uninit(&frame);
    assert_int_equal(checker_all_flows(&w.s.checker), n_stays);
    assert_int_equal(checker_all_flows(&w.d.checker), n - n_stays);
    for (uint32_t i = 0; i < n_stays; i++) {
        assert_non_null(checker_flow(&w.s.checker.w[0], &keys[i], false));
    }
    free(keys);
    world_uninit(&w);
}

static void
test_stays(void **state)
{
    (void) state;
    for (uint32_t options = 0; options < 4; options++) {
        leave_some(options, 10, 1, true, false);
        leave_some(options | MBOX_OPT_RELAY, 10, 3, true, true);
        leave_some(options, 10, 9, false, true);
        leave_some(options, 10, 10, true, false);
    }
    leave_some(0, 1100, 1024, true, false);
    leave_some(0, 1100, 1025, true, false);
}

/* At whichever step a transfer ends early, by ABORT or by the end of the
 * coordinator's connection, the state is whole at the source, and nowhere else
 * unless it was released. */
static void
test_end_at_each_step(void **state)
{
    (void) state;
    for (int step = 0; step < 5; step++) {
        for (int lost = 0; lost < 2; lost++) {
            struct world w;

            world_init(&w);
            world_prepare(&w, MBOX_METHOD_HOLD,
                          MBOX_GUARANTEE_ORDER_PRESERVING,
                          MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE, 50);
            if (step >= 1) {
                command(&w.s, MBOX_MSG_EXPORT);
                mb_transfer_run(w.s.t, w.s.clock + 1);
                mb_transfer_run(w.d.t, w.d.clock + 1);
            }
            if (step >= 2) {
                settle(&w);
            }
            if (step >= 3) {
                feed(&w, &w.s, 7, NULL);
                assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
            }
            if (step >= 4) {
                settle(&w);
            }
            if (lost) {
                mb_transfer_disconnected(w.s.t);
                mb_transfer_disconnected(w.d.t);
                settle(&w);
                assert_int_equal(w.s.t != NULL, step >= 3);
                assert_int_equal(w.d.t != NULL, step >= 4);
                if (w.s.t) {
                    resolve(&w.s, false, MBOX_SELECT_KEYS, NULL, 0);
                }
                if (w.d.t) {
                    resolve(&w.d, false, MBOX_SELECT_KEYS, NULL, 0);
                }
            } else {
                command(&w.s, MBOX_MSG_ABORT);
                command(&w.d, MBOX_MSG_ABORT);
            }
            settle(&w);
            assert_null(w.s.t);
            assert_null(w.d.t);
            assert_state_at(&w, &w.s, 50);
            assert_int_equal(checker_all_flows(&w.d.checker), 0);
            feed(&w, &w.s, 7, NULL);
            assert_state_at(&w, &w.s, 50);
            world_uninit(&w);
        }
    }
}

/* At whichever step the state channel is cut, both say so, once. */
static void
test_cut_channel(void **state)
{
    (void) state;
    for (int step = 0; step < 3; step++) {
        for (int side_nr = 0; side_nr < 2; side_nr++) {
            struct world w;
            struct mbox_msg msg;
            struct side *side = side_nr ? &w.d : &w.s;

            world_init(&w);
            for (uint32_t i = 0; i < 2000; i++) {
                feed(&w, &w.s, i, NULL);
            }
            lone_prepare(&w, side, (side_nr ? MBOX_ROLE_DESTINATION
                                    : MBOX_ROLE_SOURCE),
                         MBOX_METHOD_HOLD, MBOX_OPT_PRECOPY);
            if (step == 1 && !side_nr) {
                command(side, MBOX_MSG_EXPORT);
                mb_transfer_run(side->t, side->clock + 1);
            } else if (step == 1) {
                mbox_msg_init(&msg, MBOX_MSG_STREAM, ID);
                strcpy(msg.class_name, "checker");
                msg.schema = 9;
                msg.epoch = EPOCH;
                assert_int_equal(mbox_channel_send(w.peer, &msg, NULL, -1), 0);
                mbox_channel_flush(w.peer);
                settle(&w);
            } else if (step == 2 && !side_nr) {
                assert_true(feed_tracer(side, MBOX_TAG_TRACER, 1));
                expect(side, MBOX_MSG_TRACER_SEEN, NULL);
            }
            mbox_channel_close(w.peer);
            w.peer = NULL;
            settle(&w);
            expect(side, MBOX_MSG_ERROR, &msg);
            assert_string_not_equal(msg.text, "");
            expect_none(side);
            assert_int_equal(mb_transfer_wake(side->t), MB_NEVER);

            /* Frozen it stays until the coordinator says. */
            uint64_t processed = w.s.checker.processed;
            feed(&w, side, 0, NULL);
            assert_int_equal(w.s.checker.processed,
                             processed + (!side_nr && step < 2));
            command(side, MBOX_MSG_ABORT);
            settle(&w);
            expect(side, MBOX_MSG_ABORTED, NULL);
            assert_null(side->t);
            world_uninit(&w);
        }
    }
}

/* S dies before it has sent everything: D says so, and goes on when the
 * coordinator does, with what it has. */
static void
test_salvage(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_EVENTS, 0);
    command(&w.d, MBOX_MSG_BUFFER);
    expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    send_stream(&w);
    mbox_channel_close(w.peer);
    w.peer = NULL;
    settle(&w);
    expect(&w.d, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, ECONNRESET);

    give_dnb(&w, false, 0, 1);
    feed(&w, &w.d, 0, NULL);
    feed(&w, &w.d, 0, NULL);
    assert_int_equal(w.d.checker.processed, 1);
    give_last(&w, false, 1);
    settle(&w);
    expect(&w.d, MBOX_MSG_FLUSHED, &msg);
    assert_int_equal(msg.n_packets, 1);
    assert_int_equal(msg.n_buffered, 2);
    feed(&w, &w.d, 0, NULL);

    /* One that the coordinator did not expect any more. */
    give_dnb(&w, false, 1, 2);
    give_dnb(&w, false, 1, 2);
    assert_int_equal(w.d.checker.processed, 5);
    assert_int_equal(w.d.checker.lost, 0);
    command(&w.d, MBOX_MSG_COMMIT);
    settle(&w);
    expect(&w.d, MBOX_MSG_COMMITTED, NULL);
    assert_null(w.d.t);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_put_off),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_return),
        cmocka_unit_test(test_early_commit),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_stays),
        cmocka_unit_test(test_end_at_each_step),
        cmocka_unit_test(test_cut_channel),
        cmocka_unit_test(test_salvage),
    };

    return cmocka_run_group_tests_name("libmbox method hold", tests, NULL,
                                       NULL);
}
