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

#include "mbox-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mbox-channel-private.h"
#include "mbox-tls.h"

#define BACKLOG 64

/* Private key, certificate, CA certificate. */
#define N_TLS_FILES 3

struct mbox_listener {
    int fd;
    int spare_fd;               /* Given up to accept and refuse a connection
                                 * when descriptors run out. */
    struct mbox_tls_ctx *ctx;   /* NULL: unix socket. */
    bool serial;                /* Guests' serial lines lead to the socket. */
    char *tls_files[N_TLS_FILES];       /* NULL: not to be read again. */
    struct stat tls_stats[N_TLS_FILES]; /* As they were read. */
    char *tls_error;            /* Why they could not be read again. */

    /* The unix socket, to be removed at the end if it is still ours. */
    char *path;
    dev_t dev;
    ino_t ino;
};

/* Removes a unix socket at 'path' on which nobody listens.  Returns 0 if the
 * path is free, or a negative errno value. */
static int
remove_stale(const char *path, const struct mbox_sockaddr *sa)
{
    struct stat st;

    if (lstat(path, &st) < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return -EEXIST;
    }

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int error = (connect(fd, (const struct sockaddr *) &sa->ss, sa->len) < 0
                 ? errno : 0);
    close(fd);
    if (error != ECONNREFUSED) {
        return -EADDRINUSE;
    }
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int
listen_unix(struct mbox_listener *l, const char *path)
{
    struct mbox_sockaddr sa;
    struct stat st;
    int error = mbox_sockaddr_from_path(path, &sa);

    if (!error) {
        error = remove_stale(path, &sa);
    }
    if (!error) {
        l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        /* The mode of the file is that of the socket before bind(). */
        if (l->fd < 0 || fchmod(l->fd, 0700) < 0
            || bind(l->fd, (struct sockaddr *) &sa.ss, sa.len) < 0) {
            error = -errno;
        } else {
            l->path = strdup(path);
            if (!l->path || stat(path, &st) < 0) {
                error = l->path ? -errno : -ENOMEM;
            } else {
                l->dev = st.st_dev;
                l->ino = st.st_ino;
                error = listen(l->fd, BACKLOG) < 0 ? -errno : 0;
            }
        }
    }
    if (sa.dir_fd >= 0) {
        close(sa.dir_fd);
    }
    return error;
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
    return (a->st_dev == b->st_dev && a->st_ino == b->st_ino
            && a->st_size == b->st_size
            && a->st_mtim.tv_sec == b->st_mtim.tv_sec
            && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec);
}

/* Reads the files again if they were replaced.  What cannot be used is passed
 * over, and remembered: with a key that does not belong to the certificate,
 * for instance, the other one may be on its way. */
static void
reload_tls(struct mbox_listener *l)
{
    const struct mbox_tls_config config = {
        l->tls_files[0], l->tls_files[1], l->tls_files[2]
    };
    struct stat stats[N_TLS_FILES];
    bool same = true;

    for (int i = 0; i < N_TLS_FILES; i++) {
        if (stat(l->tls_files[i], &stats[i]) < 0) {
            /* mbox_tls_ctx_create() finds out why. */
            memset(&stats[i], 0, sizeof stats[i]);
        }
        same = same && is_same_file(&stats[i], &l->tls_stats[i]);
    }

    struct mbox_tls_ctx *ctx;
    char *error = NULL;
    if (!same && !mbox_tls_ctx_create(&config, &ctx, &error)) {
        mbox_tls_ctx_unref(l->ctx);
        l->ctx = ctx;
        memcpy(l->tls_stats, stats, sizeof stats);
    }
    free(l->tls_error);
    l->tls_error = error;
}

/* Notes which files 'l' is opened with, for reload_tls(), which the first time
 * takes them for replaced: they may have been since they were read. */
static int
note_tls_files(struct mbox_listener *l, const struct mbox_tls_config *config)
{
    const char *const files[N_TLS_FILES] = {
        config->private_key, config->certificate, config->ca_cert
    };

    for (int i = 0; i < N_TLS_FILES; i++) {
        l->tls_files[i] = strdup(files[i]);
        if (!l->tls_files[i]) {
            return -ENOMEM;
        }
    }
    return 0;
}

/* Makes the context of the files of 'config'. */
static int
open_tls_files(struct mbox_listener *l, const struct mbox_tls_config *config,
               char **errp)
{
    int error = mbox_tls_ctx_create(config, &l->ctx, errp);

    return error ? error : note_tls_files(l, config);
}

/* 'port_host' is PORT or PORT:HOST.  'ctx' or 'config' is null. */
static int
listen_tls(struct mbox_listener *l, const char *port_host,
           const struct mbox_tls_config *config, struct mbox_tls_ctx *ctx,
           char **errp)
{
    const char *colon = strchr(port_host, ':');
    size_t len = colon ? (size_t) (colon - port_host) : strlen(port_host);
    struct mbox_sockaddr sa;
    char port[8];
    int one = 1;

    if (len >= sizeof port) {
        len = 0;
    }
    memcpy(port, port_host, len);
    port[len] = '\0';
    if (mbox_sockaddr_from_host(colon ? colon + 1 : NULL, port, &sa)) {
        mbox_set_error(errp, "pssl:%s: expected pssl:PORT or pssl:PORT:HOST "
                       "with a numeric address", port_host);
        return -EINVAL;
    }

    if (ctx) {
        l->ctx = mbox_tls_ctx_ref(ctx);
    } else {
        int error = open_tls_files(l, config, errp);
        if (error) {
            return error;
        }
    }

    l->fd = socket(sa.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   0);
    if (l->fd < 0 && errno == EAFNOSUPPORT && !colon) {
        /* No IPv6 on this host. */
        mbox_sockaddr_from_host("0.0.0.0", port, &sa);
        l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (l->fd < 0
        || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0
        || bind(l->fd, (struct sockaddr *) &sa.ss, sa.len) < 0
        || listen(l->fd, BACKLOG) < 0) {
        return -errno;
    }
    return 0;
}

static int
listener_open(const char *address, const struct mbox_tls_config *config,
              struct mbox_tls_ctx *ctx, struct mbox_listener **lp,
              char **errp)
{
    struct mbox_listener *l = calloc(1, sizeof *l);
    char *message = NULL;
    int error;

    *lp = NULL;
    if (errp) {
        *errp = NULL;
    }
    if (!l) {
        error = -ENOMEM;
    } else {
        l->fd = -1;
        l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (!strncmp(address, "unix:", 5) && !ctx) {
            error = listen_unix(l, address + 5);
        } else if (!strncmp(address, "serial:", 7) && !ctx) {
            l->serial = true;
            error = listen_unix(l, address + 7);
        } else if (!strncmp(address, "pssl:", 5)) {
            error = listen_tls(l, address + 5, config, ctx, &message);
        } else {
            mbox_set_error(&message, "%s: expected unix:PATH, "
                           "serial:PATH or pssl:PORT[:HOST]", address);
            error = -EINVAL;
        }
    }
    if (!error) {
        *lp = l;
        return 0;
    }

    if (message && errp) {
        *errp = message;
    } else {
        free(message);
        mbox_set_error(errp, "%s: cannot listen: %s", address,
                       error == -EEXIST ? "there is a file that is no socket"
                       : strerror(-error));
    }
    mbox_listener_close(l);
    return error;
}

int
mbox_listener_open(const char *address, const struct mbox_tls_config *config,
                   struct mbox_listener **lp, char **errp)
{
    return listener_open(address, config, NULL, lp, errp);
}

int
mbox_listener_open_like(const struct mbox_channel *other, const char *address,
                        struct mbox_listener **lp, char **errp)
{
    return listener_open(address, NULL, mbox_channel_tls_ctx__(other), lp,
                         errp);
}

void
mbox_listener_close(struct mbox_listener *l)
{
    struct stat st;

    if (!l) {
        return;
    }
    if (l->path && !stat(l->path, &st)
        && st.st_dev == l->dev && st.st_ino == l->ino) {
        unlink(l->path);
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    if (l->spare_fd >= 0) {
        close(l->spare_fd);
    }
    mbox_tls_ctx_unref(l->ctx);
    for (int i = 0; i < N_TLS_FILES; i++) {
        free(l->tls_files[i]);
    }
    free(l->tls_error);
    free(l->path);
    free(l);
}

void
mbox_listener_wait(const struct mbox_listener *l, struct pollfd *pfd)
{
    memset(pfd, 0, sizeof *pfd);
    pfd->fd = l->fd;
    pfd->events = POLLIN;
}

/* Accepts and closes a connection for which there is no descriptor, so that it
 * does not wait in the queue for ever. */
static void
refuse(struct mbox_listener *l)
{
    if (l->spare_fd >= 0) {
        close(l->spare_fd);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
        }
    }
    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

struct mbox_channel *
mbox_listener_accept(struct mbox_listener *l)
{
    for (;;) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            if (l->tls_files[0]) {
                reload_tls(l);
            }
            return (l->serial ? mbox_channel_from_serial__(fd)
                    : mbox_channel_from_fd__(fd, l->ctx));
        } else if (errno == EMFILE || errno == ENFILE) {
            refuse(l);
            return NULL;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return NULL;
        }
    }
}

const char *
mbox_listener_tls_error(const struct mbox_listener *l)
{
    return l->tls_error;
}

unsigned int
mbox_listener_port(const struct mbox_listener *l)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;

    memset(&ss, 0, sizeof ss);
    if (getsockname(l->fd, (struct sockaddr *) &ss, &len) < 0) {
        return 0;
    }
    return ntohs(ss.ss_family == AF_INET
                 ? ((struct sockaddr_in *) &ss)->sin_port
                 : ss.ss_family == AF_INET6
                 ? ((struct sockaddr_in6 *) &ss)->sin6_port : 0);
}
