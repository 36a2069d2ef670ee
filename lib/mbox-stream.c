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

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "mbox-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "mbox-channel.h"
#include "mbox-serial.h"
#include "mbox-tls.h"

static void
stream_init(struct mbox_stream *s)
{
    memset(s, 0, sizeof *s);
    s->fd = -1;
}

/* Leaves strerror() of 'error', a positive errno value, as the cause. */
static int
stream_fail(struct mbox_stream *s, int error)
{
    if (error == EPIPE || error == ENOTCONN || error == ECONNRESET) {
        snprintf(s->error, sizeof s->error, "connection reset by peer");
        return -ECONNRESET;
    }
    snprintf(s->error, sizeof s->error, "%s", strerror(error));
    return -error;
}

static int
open_unix(struct mbox_stream *s, const char *path)
{
    struct mbox_sockaddr sa;
    int error = mbox_sockaddr_from_path(path, &sa);

    if (!error) {
        s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (s->fd < 0
            || connect(s->fd, (struct sockaddr *) &sa.ss, sa.len) < 0) {
            error = -errno;
        }
    }
    if (sa.dir_fd >= 0) {
        close(sa.dir_fd);
    }
    s->passes_fds = true;
    snprintf(s->peer, sizeof s->peer, "unix");
    return error;
}

/* Opens a character device as the guest's end of a serial line.  A terminal is
 * made transparent for bytes. */
static int
open_serial(struct mbox_stream *s, const char *path)
{
    struct stat st;
    struct termios tio;

    s->fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) < 0) {
        return -errno;
    }
    if (!S_ISCHR(st.st_mode)) {
        return -ENODEV;
    }
    if (isatty(s->fd)) {
        if (tcgetattr(s->fd, &tio) < 0) {
            return -errno;
        }
        cfmakeraw(&tio);
        if (tcsetattr(s->fd, TCSANOW, &tio) < 0) {
            return -errno;
        }
    }
    s->serial = mbox_serial_create(s->fd, false);
    if (!s->serial) {
        return -ENOMEM;
    }
    snprintf(s->peer, sizeof s->peer, "%s", path);
    return 0;
}

/* Frames are collected before they are written; and a peer whose host is gone
 * is found out, whether there is something to send to it or not. */
static void
set_tcp_options(int fd)
{
    static const struct { int level, option, value; } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, MBOX_TCP_DEAD_MS / 1000 / 2 },
        { IPPROTO_TCP, TCP_KEEPINTVL, MBOX_TCP_DEAD_MS / 1000 / 6 },
        { IPPROTO_TCP, TCP_KEEPCNT, 3 },
        { IPPROTO_TCP, TCP_USER_TIMEOUT, MBOX_TCP_DEAD_MS },
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                   sizeof options[i].value);
    }
}

/* 'host_port' is HOST:PORT. */
static int
parse_host_port(const char *host_port, struct mbox_sockaddr *sa, char **errp)
{
    const char *colon = strrchr(host_port, ':');
    char host[128];
    size_t len = colon ? (size_t) (colon - host_port) : 0;

    if (!len || len >= sizeof host) {
        mbox_set_error(errp, "ssl:%s: expected ssl:HOST:PORT", host_port);
        return -EINVAL;
    }
    memcpy(host, host_port, len);
    host[len] = '\0';
    if (mbox_sockaddr_from_host(host, colon + 1, sa)) {
        mbox_set_error(errp, "ssl:%s: expected a numeric address and a port "
                       "number", host_port);
        return -EINVAL;
    }
    return 0;
}

static int
connect_tls(struct mbox_stream *s, const struct mbox_sockaddr *sa,
            struct mbox_tls_ctx *ctx)
{
    mbox_sockaddr_format(&sa->ss, s->peer, sizeof s->peer);
    s->connecting = true;
    s->wants = POLLOUT;
    s->fd = socket(sa->ss.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        return -errno;
    }
    set_tcp_options(s->fd);
    if (connect(s->fd, (const struct sockaddr *) &sa->ss, sa->len) < 0
        && errno != EINPROGRESS) {
        return -errno;
    }
    s->tls = mbox_tls_create(ctx, s->fd, false);
    return s->tls ? 0 : -ENOMEM;
}

/* Connects to 'host_port' with the context 'ctx' or, if it is null, one made
 * of the files of 'config'. */
static int
open_tls(struct mbox_stream *s, const char *host_port,
         const struct mbox_tls_config *config, struct mbox_tls_ctx *ctx,
         char **errp)
{
    struct mbox_sockaddr sa;
    int error = parse_host_port(host_port, &sa, errp);

    if (!error && ctx) {
        mbox_tls_ctx_ref(ctx);
    } else if (!error) {
        error = mbox_tls_ctx_create(config, &ctx, errp);
    }
    if (error) {
        return error;
    }
    error = connect_tls(s, &sa, ctx);
    if (error) {
        mbox_set_error(errp, "ssl:%s: %s", host_port, strerror(-error));
    }
    mbox_tls_ctx_unref(ctx);
    return error;
}

int
mbox_stream_open_tls(struct mbox_stream *s, const char *address,
                     struct mbox_tls_ctx *ctx, char **errp)
{
    int error;

    stream_init(s);
    if (errp) {
        *errp = NULL;
    }
    if (strncmp(address, "ssl:", 4)) {
        mbox_set_error(errp, "%s: expected ssl:HOST:PORT", address);
        error = -EINVAL;
    } else {
        error = open_tls(s, address + 4, NULL, ctx, errp);
    }
    if (error) {
        mbox_stream_close(s);
    }
    return error;
}

int
mbox_stream_open(struct mbox_stream *s, const char *address,
                 const struct mbox_tls_config *config, char **errp)
{
    int error;

    stream_init(s);
    if (errp) {
        *errp = NULL;
    }
    if (!strncmp(address, "ssl:", 4)) {
        error = open_tls(s, address + 4, config, NULL, errp);
    } else {
        if (!strncmp(address, "unix:", 5)) {
            error = open_unix(s, address + 5);
        } else if (!strncmp(address, "serial:", 7)) {
            error = open_serial(s, address + 7);
        } else {
            mbox_set_error(errp, "%s: expected unix:PATH, ssl:HOST:PORT or "
                           "serial:PATH", address);
            return -EINVAL;
        }
        if (error == -ENODEV) {
            mbox_set_error(errp, "%s: not a character device", address);
        } else if (error) {
            mbox_set_error(errp, "%s: %s", address, strerror(-error));
        }
    }
    if (error) {
        mbox_stream_close(s);
    }
    return error;
}

int
mbox_stream_from_fd(struct mbox_stream *s, int fd, struct mbox_tls_ctx *ctx)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    int flags = fcntl(fd, F_GETFL);

    stream_init(s);
    s->fd = fd;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0
        || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        goto error;
    }

    memset(&ss, 0, sizeof ss);
    if (getsockname(fd, (struct sockaddr *) &ss, &len) < 0) {
        goto error;
    }
    s->passes_fds = ss.ss_family == AF_UNIX;
    if (!s->passes_fds) {
        len = sizeof ss;
        if (getpeername(fd, (struct sockaddr *) &ss, &len) < 0) {
            goto error;
        }
        set_tcp_options(fd);
    }
    mbox_sockaddr_format(&ss, s->peer, sizeof s->peer);

    if (ctx) {
        s->connecting = true;
        s->connected_tcp = true;
        s->wants = POLLIN;
        s->tls = mbox_tls_create(ctx, fd, true);
        if (!s->tls) {
            errno = ENOMEM;
            goto error;
        }
    }
    return 0;

error:;
    int error = -errno;
    mbox_stream_close(s);
    return error;
}

int
mbox_stream_from_serial(struct mbox_stream *s, int fd)
{
    int error = mbox_stream_from_fd(s, fd, NULL);

    if (!error) {
        s->serial = mbox_serial_create(fd, true);
        s->passes_fds = false;
        snprintf(s->peer, sizeof s->peer, "serial");
        if (!s->serial) {
            mbox_stream_close(s);
            error = -ENOMEM;
        }
    }
    return error;
}

void
mbox_stream_close(struct mbox_stream *s)
{
    mbox_tls_destroy(s->tls);
    s->tls = NULL;
    mbox_serial_destroy(s->serial);
    s->serial = NULL;
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

int
mbox_stream_connect(struct mbox_stream *s)
{
    if (!s->connecting) {
        return 0;
    }

    if (!s->connected_tcp) {
        struct pollfd pfd = { .fd = s->fd, .events = POLLOUT };
        int error = 0;
        socklen_t len = sizeof error;

        if (poll(&pfd, 1, 0) <= 0) {
            return -EAGAIN;
        }
        if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
            error = errno;
        }
        if (error) {
            snprintf(s->error, sizeof s->error, "%s", strerror(error));
            return -error;
        }
        s->connected_tcp = true;
    }

    int retval = mbox_tls_handshake(s->tls, &s->wants, s->error,
                                    sizeof s->error);
    if (!retval) {
        size_t len = strlen(s->peer);
        char subject[256];

        mbox_tls_peer_subject(s->tls, subject, sizeof subject);
        if (subject[0]) {
            snprintf(s->peer + len, sizeof s->peer - len, " (%s)", subject);
        }
        s->connecting = false;
        s->wants = 0;
    }
    return retval;
}

/* Takes the first descriptor out of the control data of 'mh' and closes any
 * other.  Returns it, or -1. */
static int
take_fd(struct msghdr *mh)
{
    int fd = -1;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(mh); cmsg;
         cmsg = CMSG_NXTHDR(mh, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }

        size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int other;

            memcpy(&other, CMSG_DATA(cmsg) + i * sizeof other, sizeof other);
            if (fd < 0) {
                fd = other;
            } else {
                close(other);
            }
        }
    }
    return fd;
}

/* Space for one descriptor, aligned. */
union fd_control {
    struct cmsghdr align;
    char buf[CMSG_SPACE(sizeof(int))];
};

static ssize_t
read_unix(int fd, void *buf, size_t n, int *fdp)
{
    union fd_control control;
    struct iovec iov = { .iov_base = buf, .iov_len = n };
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof control,
    };
    ssize_t retval = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);

    if (retval >= 0 && mh.msg_controllen) {
        *fdp = take_fd(&mh);
    }
    return retval;
}

ssize_t
mbox_stream_read(struct mbox_stream *s, void *buf, size_t n, int *fdp)
{
    ssize_t retval;

    *fdp = -1;
    if (s->tls) {
        return mbox_tls_read(s->tls, buf, n, &s->wants,
                             s->error, sizeof s->error);
    } else if (s->serial) {
        return mbox_serial_read(s->serial, buf, n, s->error, sizeof s->error);
    }
    do {
        if (s->passes_fds) {
            retval = read_unix(s->fd, buf, n, fdp);
        } else {
            retval = read(s->fd, buf, n);
        }
    } while (retval < 0 && errno == EINTR);

    if (retval > 0) {
        return retval;
    } else if (!retval) {
        if (*fdp >= 0) {
            close(*fdp);
            *fdp = -1;
        }
        snprintf(s->error, sizeof s->error, "connection closed by peer");
        return -ECONNRESET;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return -EAGAIN;
    }
    return stream_fail(s, errno);
}

static ssize_t
write_socket(int sock, const void *buf, size_t n, int fd)
{
    union fd_control control;
    struct iovec iov = { .iov_base = (void *) buf, .iov_len = n };
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        memset(&control, 0, sizeof control);
        mh.msg_control = &control;
        mh.msg_controllen = sizeof control;

        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
    }
    return sendmsg(sock, &mh, MSG_NOSIGNAL);
}

ssize_t
mbox_stream_write(struct mbox_stream *s, const void *buf, size_t n, int fd)
{
    ssize_t retval;

    if (s->tls) {
        return mbox_tls_write(s->tls, buf, n, &s->wants,
                              s->error, sizeof s->error);
    } else if (s->serial) {
        return mbox_serial_write(s->serial, buf, n, s->error, sizeof s->error);
    }
    do {
        retval = write_socket(s->fd, buf, n, fd);
    } while (retval < 0 && errno == EINTR);

    if (retval > 0) {
        return retval;
    } else if (!retval || errno == EAGAIN || errno == EWOULDBLOCK) {
        return -EAGAIN;
    }
    return stream_fail(s, errno);
}
