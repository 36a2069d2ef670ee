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

#include <config.h>
#include "state-tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tcp-image.h"
#include "tcp-socket.h"

/* Connections that stand still.  The program has the stand-in under the number
 * that the connection had, or will have. */
struct standing {
    int fd;                     /* The number. */
    int socket;                 /* The connection, in repair mode. */
    int other;                  /* The other end of the stand-in. */
    ino_t stand_in;
    bool arrived;               /* From another instance. */
    int reuse;                  /* SO_REUSEADDR, if not. */
    struct mbox_writer image;
};

static struct standing *all;
static size_t n_all;
static uint32_t *by_fd;         /* Index + 1 of each number, or 0. */
static size_t n_by_fd;
static size_t next_checked;     /* By mbox_state_tcp_step(). */

#define STEP 16                 /* How many of them are checked each time. */

static void
complain(const char *what, const char *why)
{
    fprintf(stderr, "state: a TCP connection %s: %s\n", what, why);
}

/* What delivers packets: what the hook names, or what the runtime has. */
static mbox_state_tcp_deliver *
deliver_by(mbox_state_tcp_deliver *deliver)
{
    return deliver ? deliver : tcp_image_deliver();
}

static ino_t
inode(int fd)
{
    struct stat s;

    return !fstat(fd, &s) && S_ISSOCK(s.st_mode) ? s.st_ino : 0;
}

/* Makes the stand-in: nothing to read, and no room to write.  Returns a
 * descriptor or a negative errno value. */
static int
open_stand_in(int *other)
{
    const int smallest = 1;
    char data[4096] = "";
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   fds)) {
        return -errno;
    }
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
    for (size_t n = sizeof data; n; n /= 2) {
        while (send(fds[0], data, n, MSG_NOSIGNAL) > 0) {
            continue;
        }
    }
    *other = fds[1];
    return fds[0];
}

/* Forgets one, whose descriptors are closed or somebody else's. */
static void
forget(struct standing *s)
{
    close(s->other);
    mbox_writer_uninit(&s->image);
    by_fd[s->fd] = 0;
    if (s != &all[--n_all]) {
        *s = all[n_all];
        by_fd[s->fd] = s - all + 1;
    }
}

/* Finds the connection that the number stands for.  NULL if there is none, or
 * the program has closed it: then that ends here, too. */
static struct standing *
find(int fd)
{
    struct standing *s = ((size_t) fd < n_by_fd && by_fd[fd]
                          ? &all[by_fd[fd] - 1] : NULL);

    if (s && inode(fd) != s->stand_in) {
        tcp_repair_close(s->socket);
        forget(s);
        return NULL;
    }
    return s;
}

/* Makes room for the number.  Returns 0 or -ENOMEM. */
static int
reserve_number(int fd)
{
    size_t n = n_by_fd ? n_by_fd : 64;

    if ((size_t) fd < n_by_fd) {
        return 0;
    }
    while (n <= (size_t) fd) {
        n *= 2;
    }
    uint32_t *more = realloc(by_fd, n * sizeof *more);
    if (!more) {
        return -ENOMEM;
    }
    memset(more + n_by_fd, 0, (n - n_by_fd) * sizeof *more);
    by_fd = more;
    n_by_fd = n;
    return 0;
}

/* Adds one without descriptors.  NULL if memory is short. */
static struct standing *
add(void)
{
    struct standing *more = realloc(all, (n_all + 1) * sizeof *more);

    if (!more) {
        return NULL;
    }
    all = more;
    all[n_all] = (struct standing) { .fd = -1, .socket = -1, .other = -1 };
    mbox_writer_init(&all[n_all].image, SIZE_MAX);
    return &all[n_all];
}

/* Puts a stand-in in the place of a connection.  Returns 0 or a negative errno
 * value. */
static int
stand_in_for(struct standing *s, int fd)
{
    int error = reserve_number(fd);
    int stand_in = error ? error : open_stand_in(&s->other);

    error = stand_in < 0 ? stand_in : 0;

    if (!error) {
        s->socket = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        s->stand_in = inode(stand_in);
        error = (s->socket < 0 || !s->stand_in
                 || dup3(stand_in, fd, O_CLOEXEC) < 0 ? -errno : 0);
        close(stand_in);
    }
    if (error) {
        if (s->socket >= 0) {
            close(s->socket);
        }
        if (s->other >= 0) {
            close(s->other);
        }
        return error;
    }
    s->fd = fd;
    by_fd[fd] = ++n_all;
    return 0;
}

/* Has a connection stand still that is to leave. */
static int
stop(int fd, mbox_state_tcp_deliver *deliver)
{
    int error;
    const char *why = tcp_image_refuse(fd, deliver != NULL, &error);

    if (why) {
        complain("cannot be moved", why);
        return error;
    }
    int reuse = tcp_image_get_reuse(fd);
    struct standing *s = add();
    error = s ? tcp_image_save(fd, &s->image) : -ENOMEM;
    if (!error) {
        s->reuse = reuse;
        error = stand_in_for(s, fd);
    }
    if (error) {
        complain("cannot be moved", strerror(-error));
        tcp_image_stay(fd, reuse);
        if (s) {
            mbox_writer_uninit(&s->image);
        }
    }
    return error;
}

ssize_t
mbox_state_tcp_save(int fd, mbox_state_tcp_deliver *deliver, void *buffer,
                    size_t size)
{
    if (fd < 0) {
        return 0;
    }
    struct standing *s = find(fd);
    if (!s) {
        int error = stop(fd, deliver_by(deliver));

        if (error) {
            return error;
        }
        s = find(fd);
    }
    if (s->image.len <= size) {
        memcpy(buffer, s->image.data, s->image.len);
    }
    return s->image.len;
}

/* Has a new connection stand still. */
static int
start(int *fd, const struct tcp_image *image, const void *data, size_t size)
{
    struct standing *s = add();

    if (!s) {
        return -ENOMEM;
    }
    mbox_put_bytes(&s->image, data, size);
    int new = s->image.error ? s->image.error : tcp_image_open(image);
    if (new < 0) {
        mbox_writer_uninit(&s->image);
        return new;
    }
    s->arrived = true;
    int error = stand_in_for(s, new);
    if (error) {
        mbox_writer_uninit(&s->image);
        tcp_repair_close(new);
        return error;
    }
    *fd = new;
    return 0;
}

int
mbox_state_tcp_load(int *fd, mbox_state_tcp_deliver *deliver,
                    const void *data, size_t size)
{
    struct tcp_image image;

    *fd = -1;
    if (!size) {
        return 0;
    }
    int error = tcp_image_parse(&image, data, size);
    if (!error && image.tcp.rcv_fin && !deliver_by(deliver)) {
        error = -EPROTO;
    }
    if (!error) {
        error = start(fd, &image, data, size);
    }
    if (error) {
        complain("cannot be imported", strerror(-error));
    }
    return error;
}

void
mbox_state_tcp_release(int fd)
{
    struct standing *s = fd < 0 ? NULL : find(fd);

    if (s) {
        close(fd);
        tcp_repair_close(s->socket);
        forget(s);
    } else if (fd >= 0) {
        tcp_repair_close(fd);
    }
}

/* Has a connection that has come go on. */
static void
finish(const struct standing *s, mbox_state_tcp_deliver *deliver)
{
    struct tcp_image image;
    int error = tcp_image_parse(&image, s->image.data, s->image.len);

    if (!error) {
        error = tcp_image_finish(&image, s->fd, deliver);
    }
    if (error) {                /* The program will see it. */
        complain("is broken", strerror(-error));
        tcp_image_break(s->fd);
    }
}

void
mbox_state_tcp_resume(int fd, mbox_state_tcp_deliver *deliver,
                      mbox_state_tcp_arrived *arrived, void *object,
                      unsigned int index)
{
    struct standing *s = fd < 0 ? NULL : find(fd);
    struct tcp_image image;

    if (!s) {
        return;
    }
    bool has_arrived = s->arrived;
    bool cloexec = (tcp_image_parse(&image, s->image.data, s->image.len)
                    || image.cloexec);

    dup3(s->socket, fd, cloexec ? O_CLOEXEC : 0);
    close(s->socket);
    if (has_arrived) {
        finish(s, deliver_by(deliver));
    } else {
        tcp_image_stay(fd, s->reuse);
    }
    forget(s);
    if (has_arrived && arrived) {
        arrived(object, index);
    }
}

/* What it stands for, "" if that is the descriptor itself. */
static const char *
standing_text(const struct standing *s)
{
    return (!s ? "" : s->arrived ? ", stands still, has arrived"
            : ", stands still, to leave");
}

static const char *
state_name(uint8_t state)
{
    static const char *const names[] = {
        [TCP_ESTABLISHED] = "established", [TCP_SYN_SENT] = "SYN sent",
        [TCP_SYN_RECV] = "SYN received", [TCP_FIN_WAIT1] = "FIN wait 1",
        [TCP_FIN_WAIT2] = "FIN wait 2", [TCP_TIME_WAIT] = "time wait",
        [TCP_CLOSE] = "closed", [TCP_CLOSE_WAIT] = "close wait",
        [TCP_LAST_ACK] = "last ACK", [TCP_LISTEN] = "listening",
        [TCP_CLOSING] = "closing",
    };

    return (state < sizeof names / sizeof *names && names[state]
            ? names[state] : "in an unknown state");
}

int
mbox_state_tcp_describe(int fd, char *text, size_t size)
{
    const struct standing *s = ((size_t) fd < n_by_fd && by_fd[fd]
                                ? &all[by_fd[fd] - 1] : NULL);
    char addresses[MBOX_KEY_STRLEN];
    int unread = 0, unacked = 0, unsent = 0;
    struct mbox_key key;
    struct tcp_info info;

    if (fd < 0) {
        snprintf(text, size, "no socket");
        return 0;
    }
    if (s && inode(fd) != s->stand_in) {
        s = NULL;               /* The program has closed it since. */
    }
    int socket = s ? s->socket : fd;
    if (!tcp_socket_get_info(socket, &info)) {
        return -errno;
    }
    snprintf(addresses, sizeof addresses, "not connected");
    if (tcp_socket_get_key(socket, &key)) {
        mbox_key_format(&key, addresses, sizeof addresses);
    }
    if (info.tcpi_state != TCP_LISTEN
        && (ioctl(socket, SIOCINQ, &unread)
            || ioctl(socket, SIOCOUTQ, &unacked)
            || ioctl(socket, SIOCOUTQNSD, &unsent))) {
        return -errno;
    }
    snprintf(text, size, "%s, %s, %d bytes unread, %d unacknowledged, %d "
             "unsent%s", addresses, state_name(info.tcpi_state), unread,
             unacked - unsent, unsent, standing_text(s));
    return 0;
}

void
mbox_state_tcp_step(void)
{
    for (int i = 0; i < STEP && n_all; i++) {
        next_checked = (next_checked + 1) % n_all;
        find(all[next_checked].fd);
    }
}
