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

#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* State channels over TLS
 * =======================
 *
 * Between instances that cannot be passed a socket, the coordinator has D
 * listen, for this one transfer, at the address of its control connection, and
 * tells S where.  Both show the certificates that they show the coordinator,
 * which tells each the fingerprint of the other's: a certificate by the same
 * CA is not enough.  And S proves with the transfer's token, which nobody else
 * knows, that it is about this transfer: it sends STREAM with the token before
 * everything else.
 *
 * If S cannot connect in time, state is relayed. */

#define MS UINT64_C(1000000)

/* How long S may take to connect, and whoever has connected to D to prove that
 * it is S. */
#define DIRECT_TIMEOUT (2000 * MS)

/* How long D waits for S to connect: it hears of D from the coordinator. */
#define LISTEN_TIMEOUT (10000 * MS)

/* Connections that D has at a time and that have not proven that they are S's.
 * One more, and the oldest is closed: S proves it within two round trips. */
#define MAX_CANDIDATES 8

struct candidate {
    struct mbox_channel *channel;
    uint64_t deadline;
};

struct mb_direct {
    const struct mb_env *env;
    uint32_t id;
    uint64_t token;
    char peer[MBOX_NAME_MAX + 1];
    char fingerprint[MBOX_FINGERPRINT_LEN + 1];     /* The peer's. */
    char address[MBOX_ADDRESS_MAX + 1];
    uint64_t deadline;          /* S: to connect.  D: to be connected to. */

    /* S. */
    struct mbox_channel *channel;

    /* D. */
    struct mbox_listener *listener;     /* Null after 'deadline'. */
    struct candidate candidates[MAX_CANDIDATES];    /* Oldest first. */
    unsigned int n_candidates;
    int epoll_fd;               /* For 'listener' and 'candidates'; or -1. */
};

static uint64_t
now(const struct mb_direct *direct)
{
    return direct->env->ops->now(direct->env->aux);
}

/* Checks that the peer of 'channel', which is connected, is the other
 * instance.  Returns 0, or -EACCES and the cause in 'why'. */
static int
check_peer(const struct mb_direct *direct, const struct mbox_channel *channel,
           char *why)
{
    char fingerprint[MBOX_FINGERPRINT_LEN + 1];

    mbox_channel_peer_fingerprint(channel, fingerprint);
    if (direct->fingerprint[0]
        && !strcmp(fingerprint, direct->fingerprint)) {
        return 0;
    }
    snprintf(why, MBOX_WHY_MAX + 1, "%s: not the certificate of %s, whose "
             "SHA-256 is %.16s..., but %.16s... of %s", direct->env->name,
             direct->peer, direct->fingerprint, fingerprint,
             mbox_channel_peer(channel));
    return -EACCES;
}

/* Makes poll() on 'epoll_fd' wait for what 'pfd' says. */
static int
watch(struct mb_direct *direct, int op, const struct pollfd *pfd)
{
    struct epoll_event event = {
        .events = ((pfd->events & POLLIN ? EPOLLIN : 0)
                   | (pfd->events & POLLOUT ? EPOLLOUT : 0)),
    };

    return (epoll_ctl(direct->epoll_fd, op, pfd->fd, &event) < 0
            ? -errno : 0);
}

static int
start_listening(struct mb_direct *direct, char **errp)
{
    const struct mb_env *env = direct->env;
    char address[MBOX_ADDRESS_MAX + 1];
    char host[MBOX_ADDRESS_MAX / 2];
    struct pollfd pfd;

    direct->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (direct->epoll_fd < 0) {
        return -errno;
    }
    mbox_channel_local_host(env->control, host, sizeof host);
    snprintf(address, sizeof address, "pssl:0:%s", host);
    int error = mbox_listener_open_like(env->control, address,
                                        &direct->listener, errp);
    if (error) {
        return error;
    }
    snprintf(direct->address, sizeof direct->address, "ssl:%s:%u", host,
             mbox_listener_port(direct->listener));
    mbox_listener_wait(direct->listener, &pfd);
    return watch(direct, EPOLL_CTL_ADD, &pfd);
}

struct mb_direct *
mb_direct_create(const struct mb_env *env, const struct mbox_msg *prepare,
                 char *why)
{
    struct mb_direct *direct = calloc(1, sizeof *direct);
    bool is_source = prepare->role == MBOX_ROLE_SOURCE;
    char *cause = NULL;
    int error = -ENOMEM;

    if (direct) {
        direct->env = env;
        direct->id = prepare->id;
        direct->token = prepare->token;
        direct->epoll_fd = -1;
        memcpy(direct->peer, prepare->name, sizeof direct->peer);
        memcpy(direct->fingerprint, prepare->fingerprint,
               sizeof direct->fingerprint);
        direct->deadline = now(direct) + (is_source ? DIRECT_TIMEOUT
                                          : LISTEN_TIMEOUT);
        if (!env->control) {
            error = -EADDRNOTAVAIL;
        } else if (is_source) {
            snprintf(direct->address, sizeof direct->address, "%s",
                     prepare->address);
            error = mbox_channel_connect_like(env->control, direct->address,
                                              &direct->channel, &cause);
        } else {
            error = start_listening(direct, &cause);
        }
    }
    if (error) {
        snprintf(why, MBOX_WHY_MAX + 1, "%s: %s", env->name,
                 cause ? cause : strerror(-error));
        mb_direct_destroy(direct);
        direct = NULL;
    }
    free(cause);
    return direct;
}

/* D accepts nobody any more. */
static void
stop_listening(struct mb_direct *direct)
{
    mbox_listener_close(direct->listener);
    direct->listener = NULL;
}

/* Forgets candidate 'i', without closing it. */
static void
remove_candidate(struct mb_direct *direct, unsigned int i)
{
    struct candidate *candidate = &direct->candidates[i];

    direct->n_candidates--;
    memmove(candidate, candidate + 1,
            (direct->n_candidates - i) * sizeof *candidate);
}

static void
close_candidate(struct mb_direct *direct, unsigned int i)
{
    mbox_channel_close(direct->candidates[i].channel);
    remove_candidate(direct, i);
}

void
mb_direct_destroy(struct mb_direct *direct)
{
    if (direct) {
        stop_listening(direct);
        while (direct->n_candidates) {
            close_candidate(direct, 0);
        }
        if (direct->epoll_fd >= 0) {
            close(direct->epoll_fd);
        }
        mbox_channel_close(direct->channel);
        free(direct);
    }
}

const char *
mb_direct_address(const struct mb_direct *direct)
{
    return direct->address;
}

static int
run_source(struct mb_direct *direct, struct mbox_channel **chp, char *why)
{
    struct mbox_channel *channel = direct->channel;
    int error = mbox_channel_run(channel);

    if (!error && mbox_channel_is_connected(channel)) {
        struct mbox_msg msg;

        if (check_peer(direct, channel, why)) {
            return -EACCES;
        }
        mbox_msg_init(&msg, MBOX_MSG_STREAM, direct->id);
        memcpy(msg.class_name, direct->env->class_name,
               sizeof msg.class_name);
        msg.token = direct->token;
        error = mbox_channel_send(channel, &msg, NULL, -1);
        if (!error) {
            *chp = channel;
            direct->channel = NULL;
            return 0;
        }
    } else if (!error) {
        error = now(direct) < direct->deadline ? -EAGAIN : -ETIMEDOUT;
    }
    if (error != -EAGAIN) {
        const char *cause = mbox_channel_error(channel);

        snprintf(why, MBOX_WHY_MAX + 1, "%s: %s: %s", direct->env->name,
                 direct->address, cause ? cause : strerror(-error));
    }
    return error;
}

/* Looks for the token.  Returns 0, -EAGAIN, or another negative errno value if
 * whoever has connected is not S, with the cause in 'why' if that is worth a
 * message. */
static int
check_candidate(const struct mb_direct *direct,
                const struct candidate *candidate, char *why)
{
    struct mbox_channel *channel = candidate->channel;
    struct mbox_msg msg;
    int run_error = mbox_channel_run(channel);
    int error = mbox_channel_recv(channel, &msg, NULL, NULL, NULL);

    if (!error) {
        return (check_peer(direct, channel, why) ? -EACCES
                : msg.type == MBOX_MSG_STREAM && msg.id == direct->id
                  && msg.token == direct->token ? 0
                : -EACCES);
    }
    return (error != -EAGAIN ? error
            : run_error ? run_error
            : now(direct) < candidate->deadline ? -EAGAIN : -ETIMEDOUT);
}

/* Accepts whoever waits, as many as there can be at a time. */
static void
accept_candidates(struct mb_direct *direct)
{
    for (int i = 0; direct->listener && i < MAX_CANDIDATES; i++) {
        struct mbox_channel *channel = mbox_listener_accept(direct->listener);
        struct pollfd pfd;

        if (!channel) {
            return;
        }
        mbox_channel_wait(channel, &pfd);
        if (pfd.fd < 0 || watch(direct, EPOLL_CTL_ADD, &pfd)) {
            mbox_channel_close(channel);
            continue;
        }
        if (direct->n_candidates == MAX_CANDIDATES) {
            close_candidate(direct, 0);
        }
        direct->candidates[direct->n_candidates++] = (struct candidate) {
            .channel = channel, .deadline = now(direct) + DIRECT_TIMEOUT,
        };
    }
}

static int
run_destination(struct mb_direct *direct, struct mbox_channel **chp,
                char *why)
{
    accept_candidates(direct);
    for (unsigned int i = 0; i < direct->n_candidates; ) {
        struct candidate *candidate = &direct->candidates[i];
        struct pollfd pfd;

        why[0] = '\0';
        int error = check_candidate(direct, candidate, why);
        mbox_channel_wait(candidate->channel, &pfd);
        if (!error) {
            epoll_ctl(direct->epoll_fd, EPOLL_CTL_DEL, pfd.fd, NULL);
            *chp = candidate->channel;
            remove_candidate(direct, i);
            return 0;
        }
        if (error == -EAGAIN) {
            error = watch(direct, EPOLL_CTL_MOD, &pfd);
        }
        if (error) {
            if (why[0]) {
                direct->env->ops->log(direct->env->aux, 4 /* LOG_WARNING */,
                                      why);
            }
            close_candidate(direct, i);
        } else {
            i++;
        }
    }
    if (direct->listener && now(direct) >= direct->deadline) {
        stop_listening(direct);
    }
    if (!direct->listener && !direct->n_candidates) {
        snprintf(why, MBOX_WHY_MAX + 1, "%s: %s did not connect in time",
                 direct->env->name, direct->peer);
        return -ETIMEDOUT;
    }
    return -EAGAIN;
}

int
mb_direct_run(struct mb_direct *direct, struct mbox_channel **chp, char *why)
{
    return (direct->channel
            ? run_source(direct, chp, why)
            : run_destination(direct, chp, why));
}

uint64_t
mb_direct_wake(const struct mb_direct *direct)
{
    uint64_t wake = (direct->channel || direct->listener
                     ? direct->deadline : MB_NEVER);

    if (direct->n_candidates && direct->candidates[0].deadline < wake) {
        wake = direct->candidates[0].deadline;
    }
    return wake;
}

void
mb_direct_wait(const struct mb_direct *direct, struct pollfd *pfd)
{
    if (direct->channel) {
        mbox_channel_wait(direct->channel, pfd);
    } else {
        *pfd = (struct pollfd) { .fd = direct->epoll_fd, .events = POLLIN };
    }
}
