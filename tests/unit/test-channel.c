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

/* Channels over socket pairs, unix sockets and character devices. */

#include "mbox-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "random-msg.h"

static char tmp_dir[64];

static int
make_tmp_dir(void **state)
{
    (void) state;
    strcpy(tmp_dir, "/tmp/mbox-channel-XXXXXX");
    return mkdtemp(tmp_dir) ? 0 : -1;
}

static int
remove_tmp_dir(void **state)
{
    (void) state;
    return rmdir(tmp_dir);
}

static int
count_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* A channel 'ch', and the bare socket at its other end. */
struct pair {
    struct mbox_channel *ch;
    int fd;
};

static void
pair_open(struct pair *p)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    p->ch = mbox_channel_from_fd(fds[0]);
    assert_non_null(p->ch);
    p->fd = fds[1];
}

static void
pair_close(struct pair *p)
{
    mbox_channel_close(p->ch);
    if (p->fd >= 0) {
        close(p->fd);
    }
}

static void
channel_pair(struct mbox_channel **a, struct mbox_channel **b)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *a = mbox_channel_from_fd(fds[0]);
    *b = mbox_channel_from_fd(fds[1]);
}

/* Writes all of 'data' as one record with the 'n_fds' descriptors 'fds'. */
static void
send_with_fds(int sock, const void *data, size_t len, const int *fds, int n)
{
    char control[CMSG_SPACE(16 * sizeof(int))] __attribute__((aligned(8)));
    struct iovec iov = { .iov_base = (void *) data, .iov_len = len };
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (n) {
        memset(control, 0, sizeof control);
        mh.msg_control = control;
        mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
    }
    assert_int_equal(sendmsg(sock, &mh, MSG_NOSIGNAL), len);
}

/* Makes the frame of an empty message of 'type'. */
static void
make_frame(struct mbox_writer *w, enum mbox_msg_type type, uint32_t id)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, id);
    if (type == MBOX_MSG_PACKET) {
        msg.kind = MBOX_TAG_RETURNED;
    }
    mbox_msg_encode(&msg, NULL, w);
    assert_int_equal(w->error, 0);
}

static void
send_simple(struct mbox_channel *ch, enum mbox_msg_type type, uint32_t id,
            int fd)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, id);
    assert_int_equal(mbox_channel_send(ch, &msg, NULL, fd), 0);
}

static int
recv_simple(struct mbox_channel *ch, uint32_t *id, int *fdp)
{
    struct mbox_msg msg;
    int error = mbox_channel_recv(ch, &msg, fdp, NULL, NULL);

    *id = msg.id;
    return error;
}

/* Runs 'ch', whose peer has closed, until it knows. */
static void
run_until_end(struct mbox_channel *ch)
{
    int error;

    while (!(error = mbox_channel_run(ch))) {
        continue;
    }
    assert_int_equal(error, -ECONNRESET);
}

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
            struct mbox_msg msg;
            const void *frame;
            size_t len;

            assert_int_equal(mbox_channel_run(a), 0);
            assert_int_equal(mbox_channel_run(b), 0);
            while (!mbox_channel_recv(b, &msg, NULL, &frame, &len)) {
                assert_memory_equal(frame, w.data + n % w.len, len);
                n += len;
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

/* Passing descriptors. */

/* Makes a descriptor whose file has the number 'i' in it. */
static int
numbered_fd(uint32_t i)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], &i, sizeof i), sizeof i);
    close(fds[1]);
    return fds[0];
}

static void
check_numbered_fd(int fd, uint32_t i)
{
    uint32_t got;

    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(read(fd, &got, sizeof got), sizeof got);
    assert_int_equal(got, i);
    close(fd);
}

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

/* Unix sockets. */

static struct mbox_channel *
connect_to(const char *address)
{
    struct mbox_channel *ch;
    char *error;

    if (mbox_channel_connect(address, NULL, &ch, &error)) {
        fail_msg("%s", error);
    }
    return ch;
}

static void
check_listener(const char *path)
{
    struct mbox_listener *l;
    struct mbox_channel *a, *b;
    struct pollfd pfd;
    struct stat st;
    char address[400];
    char *error;
    uint32_t id;
    int fd;

    snprintf(address, sizeof address, "unix:%s", path);
    assert_int_equal(mbox_listener_open(address, NULL, &l, &error), 0);
    assert_null(error);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_null(mbox_listener_accept(l));

    a = connect_to(address);
    mbox_listener_wait(l, &pfd);
    assert_int_equal(poll(&pfd, 1, -1), 1);
    b = mbox_listener_accept(l);
    assert_non_null(b);
    assert_null(mbox_listener_accept(l));
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 77, numbered_fd(7));
    assert_int_equal(mbox_channel_run(a), 0);
    assert_int_equal(mbox_channel_run(b), 0);
    assert_int_equal(recv_simple(b, &id, &fd), 0);
    assert_int_equal(id, 77);
    check_numbered_fd(fd, 7);

    /* A second one may not take the socket away. */
    struct mbox_listener *l2;
    assert_int_equal(mbox_listener_open(address, NULL, &l2, &error),
                     -EADDRINUSE);
    assert_non_null(strstr(error, path));
    free(error);
    assert_null(l2);
    mbox_channel_close(mbox_listener_accept(l));

    mbox_channel_close(a);
    mbox_channel_close(b);
    mbox_listener_close(l);
    assert_int_equal(stat(path, &st), -1);
}

static void
test_unix(void **state)
{
    (void) state;
    char path[400];
    int n_fds = count_fds();

    snprintf(path, sizeof path, "%s/sock", tmp_dir);
    check_listener(path);

    /* Longer than fits in a socket's address. */
    snprintf(path, sizeof path, "%s/%0100d", tmp_dir, 0);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/%0100d/sock", tmp_dir, 0);
    check_listener(path);
    snprintf(path, sizeof path, "%s/%0100d", tmp_dir, 0);
    rmdir(path);
    assert_int_equal(count_fds(), n_fds);
}

static void
test_stale_socket(void **state)
{
    (void) state;
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(un.sun_path, sizeof un.sun_path, "%s/sock", tmp_dir);
    assert_int_equal(bind(fd, (struct sockaddr *) &un, sizeof un), 0);
    close(fd);
    check_listener(un.sun_path);
}

static void
test_unix_errors(void **state)
{
    (void) state;
    struct mbox_listener *l;
    struct mbox_channel *ch;
    char address[100];
    char *error;
    FILE *file;

    snprintf(address, sizeof address, "unix:%s/none", tmp_dir);
    assert_int_equal(mbox_channel_connect(address, NULL, &ch, &error),
                     -ENOENT);
    assert_null(ch);
    assert_non_null(strstr(error, "/none: No such file"));
    free(error);
    assert_int_equal(mbox_channel_connect(address, NULL, &ch, NULL), -ENOENT);

    /* Something else in the way is left alone. */
    snprintf(address, sizeof address, "unix:%s/file", tmp_dir);
    file = fopen(address + 5, "w");
    fclose(file);
    assert_int_equal(mbox_listener_open(address, NULL, &l, &error), -EEXIST);
    assert_non_null(strstr(error, "no socket"));
    free(error);
    unlink(address + 5);

    static const char *bad[] = { "", "tcp:1", "unix", "pssl:1", "unix:" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(mbox_channel_connect(bad[i], NULL, &ch, &error),
                         -EINVAL);
        assert_non_null(error);
        free(error);
    }
    assert_int_equal(mbox_listener_open("ssl:1:2", NULL, &l, &error), -EINVAL);
    free(error);

    /* A descriptor that is no socket makes a channel that has failed. */
    ch = mbox_channel_from_fd(numbered_fd(1));
    assert_int_equal(mbox_channel_run(ch), -ENOTSOCK);
    assert_non_null(mbox_channel_error(ch));
    mbox_channel_close(ch);
}

/* A character device, for which a pseudoterminal stands. */
static void
test_device(void **state)
{
    (void) state;
    char name[100], address[110];
    struct mbox_channel *ch;
    struct mbox_writer w;
    int master, slave;
    uint8_t buf[256];
    char *error;
    uint32_t id;

    assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
    snprintf(address, sizeof address, "fd:%s", name);
    ch = connect_to(address);
    close(slave);
    assert_true(mbox_channel_is_connected(ch));
    assert_false(mbox_channel_can_pass_fd(ch));
    assert_string_equal(mbox_channel_peer(ch), name);

    struct mbox_msg msg;
    mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 1);
    assert_int_equal(mbox_channel_send(ch, &msg, NULL, numbered_fd(1)),
                     -EOPNOTSUPP);

    /* Every byte passes as it is. */
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_msg_init(&msg, MBOX_MSG_PACKET, 0x0a0d0304);
    msg.kind = MBOX_TAG_RETURNED;
    msg.data = "\x03\x04\x11\x13\x1a\x7f\r\n\xff";
    msg.data_len = 10;
    mbox_msg_encode(&msg, NULL, &w);
    assert_int_equal(mbox_channel_send_raw(ch, w.data, w.len), 0);
    assert_int_equal(mbox_channel_run(ch), 0);
    for (size_t n = 0; n < w.len; ) {
        ssize_t retval = read(master, buf + n, sizeof buf - n);

        assert_true(retval > 0);
        n += retval;
    }
    assert_memory_equal(buf, w.data, w.len);
    assert_int_equal(write(master, w.data, w.len), w.len);
    int retval;
    do {
        struct pollfd pfd;

        mbox_channel_wait(ch, &pfd);
        poll(&pfd, 1, -1);
        assert_int_equal(mbox_channel_run(ch), 0);
        retval = recv_simple(ch, &id, NULL);
    } while (retval == -EAGAIN);
    assert_int_equal(retval, 0);
    assert_int_equal(id, 0x0a0d0304);

    close(master);
    assert_int_equal(mbox_channel_run(ch), -ECONNRESET);
    mbox_channel_close(ch);
    mbox_writer_uninit(&w);

    snprintf(address, sizeof address, "fd:%s", tmp_dir);
    assert_int_equal(mbox_channel_connect(address, NULL, &ch, &error),
                     -EISDIR);
    free(error);
    snprintf(address, sizeof address, "fd:%s/file", tmp_dir);
    close(open(address + 3, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(mbox_channel_connect(address, NULL, &ch, &error),
                     -ENODEV);
    assert_non_null(strstr(error, "not a character device"));
    free(error);
    unlink(address + 3);
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
        cmocka_unit_test(test_fds),
        cmocka_unit_test(test_fd_with_large_frame),
        cmocka_unit_test(test_surplus_fds),
        cmocka_unit_test(test_fd_flood),
        cmocka_unit_test(test_unsent_fds),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_stale_socket),
        cmocka_unit_test(test_unix_errors),
        cmocka_unit_test(test_device),
    };

    return cmocka_run_group_tests_name("channel", tests, make_tmp_dir,
                                       remove_tmp_dir);
}
