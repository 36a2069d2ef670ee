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

/* Channels over socket pairs. */

#include "channel-test.h"

static void
test_every_message(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);
    struct mbox_channel *a, *b;

    channel_pair(&a, &b);
    assert_true(mbox_channel_is_connected(a));
    assert_true(mbox_channel_can_pass_fd(a));
    assert_string_equal(mbox_channel_peer(a), "unix");
    assert_null(mbox_channel_error(a));
    for (int i = 0; i < 50; i++) {
        for (size_t t = 0; t < N_MSG_TYPES; t++) {
            struct mbox_writer w;
            struct mbox_msg msg;
            const void *frame;
            size_t len;

            random_msg(rm, all_msg_types[t]);
            mbox_writer_init(&w, MBOX_WRITER_LIMIT);
            mbox_msg_encode(&rm->msg, rm->keys, &w);

            assert_int_equal(mbox_channel_send(a, &rm->msg, rm->keys, -1), 0);
            assert_int_equal(mbox_channel_backlog(a), w.len);
            assert_int_equal(mbox_channel_flush(a), 0);
            assert_int_equal(mbox_channel_backlog(a), 0);
            assert_int_equal(mbox_channel_run(b), 0);
            assert_int_equal(mbox_channel_recv(b, &msg, NULL, &frame, &len),
                             0);
            assert_int_equal(msg.type, all_msg_types[t]);
            assert_int_equal(len, w.len);
            assert_memory_equal(frame, w.data, len);

            /* Back as it is. */
            assert_int_equal(mbox_channel_send_raw(b, frame, len), 0);
            assert_int_equal(mbox_channel_run(b), 0);
            assert_int_equal(mbox_channel_run(a), 0);
            assert_int_equal(mbox_channel_recv(a, &msg, NULL, &frame, &len),
                             0);
            assert_memory_equal(frame, w.data, len);
            assert_int_equal(mbox_channel_recv(a, &msg, NULL, NULL, NULL),
                             -EAGAIN);
            mbox_writer_uninit(&w);
        }
    }
    mbox_channel_close(a);
    mbox_channel_close(b);
    free(rm);
}

/* Many whole frames at once, more than a socket takes, with and without others
 * that wait before them. */
static void
test_raw_frames(void **state)
{
    struct random_msg *rm = malloc(sizeof *rm);
    const int size = 64 * 1024;
    struct mbox_channel *a, *b;
    struct mbox_writer w;
    int fds[2];

    (void) state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size,
                                sizeof size), 0);
    a = mbox_channel_from_fd(fds[0]);
    b = mbox_channel_from_fd(fds[1]);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    while (w.len < 2 * 1024 * 1024) {
        random_msg(rm, MBOX_MSG_CHUNK);
        mbox_msg_encode(&rm->msg, rm->keys, &w);
    }
    assert_int_equal(mbox_channel_send_raw(a, w.data, 0), -EINVAL);
    assert_int_equal(mbox_channel_send_raw(a, w.data, w.len - 1), -EINVAL);
    assert_int_equal(mbox_channel_backlog(a), 0);

    for (int round = 0; round < 3; round++) {
        size_t n = 0;

        for (int i = 0; i < 1 + round; i++) {
            assert_int_equal(mbox_channel_send_raw(a, w.data, w.len), 0);
        }
        assert_true(mbox_channel_backlog(a) > 0);
        while (n < w.len * (1 + round)) {
            assert_int_equal(mbox_channel_run(a), 0);
            assert_int_equal(mbox_channel_run(b), 0);
            for (;;) {
                size_t len, peeked_len, behind_len;
                const void *frame, *behind = NULL;
                const void *peeked = mbox_channel_peek(b, 0, &peeked_len);
                struct mbox_msg msg;

                if (peeked) {
                    behind = mbox_channel_peek(b, peeked_len, &behind_len);
                }
                if (peeked && test_random_range(2)) {
                    frame = peeked;
                    len = peeked_len;
                    mbox_channel_skip(b, len);
                } else if (mbox_channel_recv(b, &msg, NULL, &frame, &len)) {
                    assert_null(peeked);
                    break;
                }
                assert_memory_equal(frame, w.data + n % w.len, len);
                n += len;
                if (peeked) {
                    assert_ptr_equal(frame, peeked);
                    assert_int_equal(len, peeked_len);
                }
                if (behind) {
                    assert_ptr_equal(mbox_channel_peek(b, 0, &len), behind);
                    assert_int_equal(len, behind_len);
                }
            }
        }
        assert_int_equal(n, w.len * (1 + round));
        assert_int_equal(mbox_channel_backlog(a), 0);
    }
    mbox_writer_uninit(&w);
    mbox_channel_close(a);
    mbox_channel_close(b);
    free(rm);
}

static void
test_byte_by_byte(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);
    struct pair p;

    pair_open(&p);
    for (size_t t = 0; t < N_MSG_TYPES; t++) {
        struct mbox_writer w;
        struct mbox_msg msg;

        random_msg(rm, all_msg_types[t]);
        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        mbox_msg_encode(&rm->msg, rm->keys, &w);
        for (size_t i = 0; i < w.len; i++) {
            assert_int_equal(mbox_channel_recv(p.ch, &msg, NULL, NULL, NULL),
                             -EAGAIN);
            assert_int_equal(write(p.fd, w.data + i, 1), 1);
            assert_int_equal(mbox_channel_run(p.ch), 0);
        }
        assert_int_equal(mbox_channel_recv(p.ch, &msg, NULL, NULL, NULL), 0);
        assert_int_equal(msg.id, rm->msg.id);
        mbox_writer_uninit(&w);
    }
    pair_close(&p);
    free(rm);
}

/* Many frames of all sizes, in pieces that do not end where frames do. */
static void
test_bulk(void **state)
{
    (void) state;
    static const size_t sizes[] = { 0, 1, 256, 65536, 300000, 5000000 };
    struct mbox_channel *a, *b;
    uint8_t *data = malloc(5000000);
    uint32_t n_sent = 0, n_received = 0;

    channel_pair(&a, &b);
    test_random_bytes(data, 5000000);
    while (n_received < 3000) {
        struct mbox_msg msg;

        while (n_sent < 3000 && mbox_channel_backlog(a) < 1000000) {
            mbox_msg_init(&msg, MBOX_MSG_PACKET, n_sent);
            msg.kind = MBOX_TAG_RETURNED;
            msg.data = data;
            msg.data_len = sizes[n_sent % 300 == 7 ? 5 : n_sent % 5];
            msg.crc = 0;
            assert_int_equal(mbox_channel_send(a, &msg, NULL, -1), 0);
            n_sent++;
        }
        assert_int_equal(mbox_channel_run(a), 0);
        assert_int_equal(mbox_channel_run(b), 0);
        while (!mbox_channel_recv(b, &msg, NULL, NULL, NULL)) {
            size_t len = sizes[n_received % 300 == 7 ? 5 : n_received % 5];

            assert_int_equal(msg.id, n_received);
            assert_int_equal(msg.data_len, len);
            if (memcmp(msg.data, data, len)) {
                fail();
            }
            n_received++;
        }
    }
    assert_int_equal(mbox_channel_backlog(a), 0);
    mbox_channel_close(a);
    mbox_channel_close(b);
    free(data);
}

static void
test_largest_frame(void **state)
{
    (void) state;
    struct mbox_channel *a, *b;
    struct mbox_msg msg;
    uint8_t *data = calloc(1, MBOX_MSG_MAX);
    size_t fixed = MBOX_MSG_HEADER_LEN - 4 + 1 + 4 + 4;

    channel_pair(&a, &b);
    mbox_msg_init(&msg, MBOX_MSG_PACKET, 1);
    msg.kind = MBOX_TAG_RETURNED;
    msg.data = data;
    msg.data_len = MBOX_MSG_MAX - fixed + 1;
    assert_int_equal(mbox_channel_send(a, &msg, NULL, -1), -EMSGSIZE);
    assert_int_equal(mbox_channel_backlog(a), 0);
    msg.data_len--;
    assert_int_equal(mbox_channel_send(a, &msg, NULL, -1), 0);

    int error;
    do {
        assert_int_equal(mbox_channel_run(a), 0);
        assert_int_equal(mbox_channel_run(b), 0);
        error = mbox_channel_recv(b, &msg, NULL, NULL, NULL);
    } while (error == -EAGAIN);
    assert_int_equal(error, 0);
    assert_int_equal(msg.data_len, MBOX_MSG_MAX - fixed);
    mbox_channel_close(a);
    mbox_channel_close(b);
    free(data);
}

static void
test_impossible_lengths(void **state)
{
    (void) state;
    static const char *lengths[] = {
        "\0\0\0\0", "\0\0\0\7", "\1\0\0\1", "\x7f\xff\xff\xff",
        "\xff\xff\xff\xff",
    };

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct mbox_writer w;
        struct pair p;
        uint32_t id;

        /* What came before can still be received. */
        pair_open(&p);
        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        make_frame(&w, MBOX_MSG_ECHO_REQUEST, 5);
        mbox_put_bytes(&w, lengths[i], 4);
        make_frame(&w, MBOX_MSG_ECHO_REQUEST, 6);
        assert_int_equal(write(p.fd, w.data, w.len), w.len);
        mbox_channel_run(p.ch);
        assert_int_equal(recv_simple(p.ch, &id, NULL), 0);
        assert_int_equal(id, 5);
        assert_int_equal(recv_simple(p.ch, &id, NULL), -EPROTO);
        assert_int_equal(recv_simple(p.ch, &id, NULL), -EPROTO);
        assert_int_equal(mbox_channel_run(p.ch), -EPROTO);
        assert_string_equal(mbox_channel_error(p.ch),
                            "unix: sent a frame of impossible length");
        assert_false(mbox_channel_is_connected(p.ch));

        struct pollfd pfd;
        mbox_channel_wait(p.ch, &pfd);
        assert_int_equal(pfd.fd, -1);
        mbox_writer_uninit(&w);
        pair_close(&p);
    }
}

static void
test_malformed_message(void **state)
{
    (void) state;
    struct pair p;
    uint32_t id;

    pair_open(&p);
    assert_int_equal(write(p.fd, "\0\0\0\11\0\2\0\0\0\0\0\0x", 13), 13);
    mbox_channel_run(p.ch);
    assert_int_equal(recv_simple(p.ch, &id, NULL), -EPROTO);
    assert_string_equal(mbox_channel_error(p.ch),
                        "unix: sent a malformed message (echo-request)");
    pair_close(&p);
}

static void
test_unknown_messages(void **state)
{
    (void) state;
    struct mbox_writer w;
    struct pair p;
    uint32_t id;

    pair_open(&p);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    make_frame(&w, MBOX_MSG_ECHO_REQUEST, 5);
    w.data[4] = 0x77;
    w.data[7] = MBOX_MSG_F_OPTIONAL;
    make_frame(&w, MBOX_MSG_ECHO_REQUEST, 6);
    make_frame(&w, MBOX_MSG_ECHO_REQUEST, 7);
    w.data[24 + 4] = 0x77;
    assert_int_equal(write(p.fd, w.data, w.len), w.len);
    mbox_channel_run(p.ch);
    assert_int_equal(recv_simple(p.ch, &id, NULL), 0);
    assert_int_equal(id, 6);
    assert_int_equal(recv_simple(p.ch, &id, NULL), -EPROTO);
    assert_string_equal(mbox_channel_error(p.ch),
                        "unix: sent a message of unknown type 30466");
    mbox_writer_uninit(&w);
    pair_close(&p);
}

static void
test_peer_closes(void **state)
{
    (void) state;
    struct mbox_channel *a, *b;
    struct mbox_msg msg;
    uint32_t id;

    channel_pair(&a, &b);
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 1, -1);
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 2, -1);
    mbox_channel_close(a);              /* Flushes. */

    /* Without SIGPIPE, and with what came before the end. */
    send_simple(b, MBOX_MSG_ECHO_REPLY, 1, -1);
    assert_int_equal(mbox_channel_run(b), -ECONNRESET);
    assert_int_equal(recv_simple(b, &id, NULL), 0);
    assert_int_equal(id, 1);
    assert_int_equal(recv_simple(b, &id, NULL), 0);
    assert_int_equal(id, 2);
    assert_int_equal(recv_simple(b, &id, NULL), -ECONNRESET);
    mbox_msg_init(&msg, MBOX_MSG_ECHO_REPLY, 1);
    assert_int_equal(mbox_channel_send(b, &msg, NULL, -1), -ECONNRESET);
    assert_int_equal(mbox_channel_flush(b), -ECONNRESET);
    assert_non_null(strstr(mbox_channel_error(b), "by peer"));
    mbox_channel_close(b);
    mbox_channel_close(NULL);
}

static void
test_cut_off_frame(void **state)
{
    (void) state;
    struct pair p;
    uint32_t id;

    pair_open(&p);
    assert_int_equal(write(p.fd, "\0\0\0\10\0\2", 6), 6);
    close(p.fd);
    p.fd = -1;
    run_until_end(p.ch);
    assert_int_equal(recv_simple(p.ch, &id, NULL), -ECONNRESET);
    pair_close(&p);
}

static void
test_slow_peer(void **state)
{
    (void) state;
    struct mbox_channel *a, *b;
    struct pollfd pfd;
    uint8_t data[1000] = { 0 };
    struct mbox_msg msg;
    uint32_t id = 0;
    int error;

    channel_pair(&a, &b);
    mbox_channel_set_out_limit(a, 1000000);
    mbox_channel_wait(a, &pfd);
    assert_int_equal(pfd.events, POLLIN);
    do {
        mbox_msg_init(&msg, MBOX_MSG_PACKET, id++);
        msg.kind = MBOX_TAG_RETURNED;
        msg.data = data;
        msg.data_len = sizeof data;
        error = mbox_channel_send(a, &msg, NULL, -1);
        assert_true(mbox_channel_backlog(a) <= 1000000);
        mbox_channel_wait(a, &pfd);
    } while (!error);
    assert_int_equal(error, -ENOBUFS);
    assert_int_equal(mbox_channel_run(a), -ENOBUFS);
    assert_non_null(strstr(mbox_channel_error(a), "does not read"));

    /* Whole frames come out, in order, as far as they were written. */
    uint32_t next = 0;
    mbox_channel_close(a);
    do {
        mbox_channel_run(b);
        while (!(error = mbox_channel_recv(b, &msg, NULL, NULL, NULL))) {
            assert_int_equal(msg.id, next++);
        }
    } while (error == -EAGAIN);
    assert_int_equal(error, -ECONNRESET);
    assert_true(next > 0 && next < id);
    mbox_channel_close(b);
}

static void
test_backlog_is_polled_for(void **state)
{
    (void) state;
    struct mbox_channel *a, *b;
    struct pollfd pfd;
    uint32_t id;

    channel_pair(&a, &b);
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 3, -1);
    mbox_channel_wait(a, &pfd);
    assert_int_equal(pfd.events, POLLIN | POLLOUT);
    assert_int_equal(mbox_channel_run(a), 0);
    mbox_channel_wait(a, &pfd);
    assert_int_equal(pfd.events, POLLIN);
    mbox_channel_wait(b, &pfd);
    assert_int_equal(poll(&pfd, 1, -1), 1);
    assert_int_equal(mbox_channel_run(b), 0);
    assert_int_equal(recv_simple(b, &id, NULL), 0);
    mbox_channel_close(a);
    mbox_channel_close(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message),
        cmocka_unit_test(test_raw_frames),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_largest_frame),
        cmocka_unit_test(test_impossible_lengths),
        cmocka_unit_test(test_malformed_message),
        cmocka_unit_test(test_unknown_messages),
        cmocka_unit_test(test_peer_closes),
        cmocka_unit_test(test_cut_off_frame),
        cmocka_unit_test(test_slow_peer),
        cmocka_unit_test(test_backlog_is_polled_for),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
