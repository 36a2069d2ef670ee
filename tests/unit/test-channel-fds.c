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

/* Channels that pass descriptors. */

#include "channel-test.h"

static void
test_fds(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);
    struct mbox_channel *a, *b;
    int n_fds = count_fds();

    /* Each descriptor arrives with the frame that it was sent with, however
     * the frames fall into reads and writes. */
    channel_pair(&a, &b);
    for (int round = 0; round < 300; round++) {
        uint32_t n = 1 + test_random_range(60);
        uint64_t with_fd = test_random() & test_random();
        uint32_t i;

        for (i = 0; i < n; i++) {
            random_msg(rm, all_msg_types[test_random_range(N_MSG_TYPES)]);
            rm->msg.id = i;
            assert_int_equal(mbox_channel_send(
                a, &rm->msg, rm->keys,
                with_fd >> i & 1 ? numbered_fd(i) : -1), 0);
            if (!test_random_range(8)) {
                assert_int_equal(mbox_channel_flush(a), 0);
            }
        }
        for (i = 0; i < n; ) {
            struct mbox_msg msg;
            int fd;

            assert_int_equal(mbox_channel_run(a), 0);
            assert_int_equal(mbox_channel_run(b), 0);
            while (!mbox_channel_recv(b, &msg, &fd, NULL, NULL)) {
                assert_int_equal(msg.id, i);
                if (with_fd >> i & 1) {
                    check_numbered_fd(fd, i);
                } else {
                    assert_int_equal(fd, -1);
                }
                i++;
            }
        }
    }
    mbox_channel_close(a);
    mbox_channel_close(b);
    assert_int_equal(count_fds(), n_fds);
    free(rm);
}

static void
test_fd_with_large_frame(void **state)
{
    (void) state;
    struct mbox_channel *a, *b;
    int n_fds = count_fds();
    uint8_t *data = calloc(1, 2000000);
    struct mbox_msg msg;
    int fd, error;

    channel_pair(&a, &b);
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 0, -1);
    mbox_msg_init(&msg, MBOX_MSG_PACKET, 1);
    msg.kind = MBOX_TAG_RETURNED;
    msg.data = data;
    msg.data_len = 2000000;
    assert_int_equal(mbox_channel_send(a, &msg, NULL, numbered_fd(9)), 0);
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 2, numbered_fd(10));
    for (uint32_t i = 0; i < 3; ) {
        mbox_channel_run(a);
        mbox_channel_run(b);
        while (!(error = mbox_channel_recv(b, &msg, &fd, NULL, NULL))) {
            assert_int_equal(msg.id, i);
            if (i) {
                check_numbered_fd(fd, 8 + i);
            } else {
                assert_int_equal(fd, -1);
            }
            i++;
        }
        assert_int_equal(error, -EAGAIN);
    }
    mbox_channel_close(a);
    mbox_channel_close(b);
    assert_int_equal(count_fds(), n_fds);
    free(data);
}

static void
test_surplus_fds(void **state)
{
    (void) state;
    int n_fds = count_fds();
    struct mbox_writer w;
    struct pair p;
    uint32_t id;
    int fds[4], fd;

    /* Several with one frame, at once and piecemeal: the first counts. */
    pair_open(&p);
    for (int i = 0; i < 4; i++) {
        fds[i] = numbered_fd(i);
    }
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    make_frame(&w, MBOX_MSG_ECHO_REQUEST, 1);
    send_with_fds(p.fd, w.data, 4, fds, 3);
    send_with_fds(p.fd, w.data + 4, 4, fds + 1, 1);
    send_with_fds(p.fd, w.data + 8, 4, fds + 2, 2);
    for (int i = 1; i < 4; i++) {
        close(fds[i]);
    }
    mbox_channel_run(p.ch);
    assert_int_equal(recv_simple(p.ch, &id, &fd), 0);
    close(fds[0]);
    check_numbered_fd(fd, 0);
    assert_int_equal(count_fds(), n_fds + 2);

    /* Not asked for; with a frame that is skipped; with one never received. */
    fd = numbered_fd(5);
    send_with_fds(p.fd, w.data, w.len, &fd, 1);
    w.data[4] = 0x77;
    w.data[7] = MBOX_MSG_F_OPTIONAL;
    send_with_fds(p.fd, w.data, w.len, &fd, 1);
    send_with_fds(p.fd, w.data, w.len, &fd, 1);
    close(fd);
    mbox_channel_run(p.ch);
    assert_int_equal(recv_simple(p.ch, &id, NULL), 0);
    assert_int_equal(recv_simple(p.ch, &id, &fd), -EAGAIN);
    assert_int_equal(fd, -1);
    assert_int_equal(count_fds(), n_fds + 2);
    fd = numbered_fd(5);
    send_with_fds(p.fd, w.data, w.len, &fd, 1);
    close(fd);
    mbox_channel_run(p.ch);
    pair_close(&p);
    assert_int_equal(count_fds(), n_fds);

    /* With a malformed frame. */
    pair_open(&p);
    fd = numbered_fd(5);
    send_with_fds(p.fd, "\0\0\0\11\0\2\0\0\0\0\0\0x", 13, &fd, 1);
    send_with_fds(p.fd, "\0\0\0\11\0\2\0\0\0\0\0\0x", 13, &fd, 1);
    close(fd);
    mbox_channel_run(p.ch);
    assert_int_equal(recv_simple(p.ch, &id, &fd), -EPROTO);
    assert_int_equal(fd, -1);
    pair_close(&p);
    assert_int_equal(count_fds(), n_fds);
    mbox_writer_uninit(&w);
}

/* A peer that sends a descriptor with every byte of a frame that does not end
 * is disconnected before it has used up ours. */
static void
test_fd_flood(void **state)
{
    (void) state;
    int n_fds = count_fds();
    struct pair p;
    int fd = numbered_fd(0);
    uint32_t id;

    pair_open(&p);
    for (int i = 0; i < 100; i++) {
        send_with_fds(p.fd, "", 1, &fd, 1);
        if (!i) {
            /* Length 1000. */
            send_with_fds(p.fd, "\0\3\350", 3, NULL, 0);
        }
    }
    mbox_channel_run(p.ch);
    assert_int_equal(recv_simple(p.ch, &id, NULL), -EPROTO);
    assert_string_equal(mbox_channel_error(p.ch),
                        "unix: sent too many file descriptors");
    pair_close(&p);

    /* One with every frame is fine. */
    struct mbox_writer w;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    make_frame(&w, MBOX_MSG_ECHO_REQUEST, 1);
    pair_open(&p);
    for (int i = 0; i < 100; i++) {
        send_with_fds(p.fd, w.data, w.len, &fd, 1);
    }
    close(fd);
    mbox_channel_run(p.ch);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(recv_simple(p.ch, &id, &fd), 0);
        assert_true(fd >= 0);
        close(fd);
    }
    mbox_writer_uninit(&w);
    pair_close(&p);
    assert_int_equal(count_fds(), n_fds);
}

static void
test_unsent_fds(void **state)
{
    (void) state;
    int n_fds = count_fds();
    struct mbox_channel *a, *b;
    struct mbox_msg msg;

    /* Closed with the channel. */
    channel_pair(&a, &b);
    mbox_channel_close(b);
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 1, numbered_fd(1));
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 2, numbered_fd(2));
    assert_int_equal(mbox_channel_run(a), -ECONNRESET);

    /* Closed at once, for that channel has failed ... */
    mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 3);
    assert_int_equal(mbox_channel_send(a, &msg, NULL, numbered_fd(3)),
                     -ECONNRESET);
    mbox_channel_close(a);
    assert_int_equal(count_fds(), n_fds);

    /* ... or the message cannot be encoded, or too many wait. */
    channel_pair(&a, &b);
    mbox_msg_init(&msg, MBOX_MSG_HELLO, 1);
    assert_int_equal(mbox_channel_send(a, &msg, NULL, numbered_fd(3)),
                     -EINVAL);
    assert_int_equal(count_fds(), n_fds + 2);
    int error;
    mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 3);
    do {
        error = mbox_channel_send(a, &msg, NULL, numbered_fd(3));
    } while (!error);
    assert_int_equal(error, -ENOBUFS);
    mbox_channel_close(a);
    mbox_channel_close(b);
    assert_int_equal(count_fds(), n_fds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fds),
        cmocka_unit_test(test_fd_with_large_frame),
        cmocka_unit_test(test_surplus_fds),
        cmocka_unit_test(test_fd_flood),
        cmocka_unit_test(test_unsent_fds),
    };

    return cmocka_run_group_tests_name("channel descriptors", tests, NULL,
                                       NULL);
}
