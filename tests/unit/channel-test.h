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

#ifndef CHANNEL_TEST_H
#define CHANNEL_TEST_H 1

/* What the tests of channels share. */

#include "mbox-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random-msg.h"

static inline int
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

static inline void
pair_open(struct pair *p)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    p->ch = mbox_channel_from_fd(fds[0]);
    assert_non_null(p->ch);
    p->fd = fds[1];
}

static inline void
pair_close(struct pair *p)
{
    mbox_channel_close(p->ch);
    if (p->fd >= 0) {
        close(p->fd);
    }
}

static inline void
channel_pair(struct mbox_channel **a, struct mbox_channel **b)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *a = mbox_channel_from_fd(fds[0]);
    *b = mbox_channel_from_fd(fds[1]);
}

/* Writes all of 'data' as one record with the 'n_fds' descriptors 'fds'. */
static inline void
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
static inline void
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

static inline void
send_simple(struct mbox_channel *ch, enum mbox_msg_type type, uint32_t id,
            int fd)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, id);
    assert_int_equal(mbox_channel_send(ch, &msg, NULL, fd), 0);
}

static inline int
recv_simple(struct mbox_channel *ch, uint32_t *id, int *fdp)
{
    struct mbox_msg msg;
    int error = mbox_channel_recv(ch, &msg, fdp, NULL, NULL);

    *id = msg.id;
    return error;
}

/* Runs 'ch', whose peer has closed, until it knows. */
static inline void
run_until_end(struct mbox_channel *ch)
{
    int error;

    while (!(error = mbox_channel_run(ch))) {
        continue;
    }
    assert_int_equal(error, -ECONNRESET);
}

/* Makes a descriptor whose file has the number 'i' in it. */
static inline int
numbered_fd(uint32_t i)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], &i, sizeof i), sizeof i);
    close(fds[1]);
    return fds[0];
}

static inline void
check_numbered_fd(int fd, uint32_t i)
{
    uint32_t got;

    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(read(fd, &got, sizeof got), sizeof got);
    assert_int_equal(got, i);
    close(fd);
}

#endif /* channel-test.h */
