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

/* State channels over TLS
 * =======================
 *
 * Between instances that cannot be passed a socket, the coordinator has D
 * listen, for this one transfer, at the address of its control connection, and
 * tells S where.  Both show the certificates that they show the coordinator.
 * S proves with the transfer's token, which nobody else knows, that it is the
 * one: it sends STREAM with the token before everything else.
 *
 * If S cannot connect in time, state is relayed. */

#define MS UINT64_C(1000000)

/* How long S may take to connect, and whoever has connected to D to prove that
 * it is S. */
#define DIRECT_TIMEOUT (2000 * MS)

struct mb_direct {
    const struct mb_env *env;
    uint32_t id;
    uint64_t token;
    struct mbox_listener *listener;     /* D. */
    struct mbox_channel *channel;       /* Connecting, or not proven. */
    uint64_t deadline;                  /* Of 'channel'. */
    char address[MBOX_ADDRESS_MAX + 1];
};

static uint64_t
now(const struct mb_direct *direct)
{
    return direct->env->ops->now(direct->env->aux);
}

static int
start_listening(struct mb_direct *direct, char **errp)
{
    const struct mb_env *env = direct->env;
    char address[MBOX_ADDRESS_MAX + 1];

    snprintf(address, sizeof address, "pssl:0:%s", env->local_host);
    int error = mbox_listener_open(address, &env->tls, &direct->listener,
                                   errp);
    if (!error) {
        snprintf(direct->address, sizeof direct->address, "ssl:%s:%u",
                 env->local_host, mbox_listener_port(direct->listener));
    }
    return error;
}

struct mb_direct *
mb_direct_create(const struct mb_env *env, const struct mbox_msg *prepare,
                 char *why)
{
    struct mb_direct *direct = calloc(1, sizeof *direct);
    char *cause = NULL;
    int error = -ENOMEM;

    if (direct) {
        direct->env = env;
        direct->id = prepare->id;
        direct->token = prepare->token;
        direct->deadline = now(direct) + DIRECT_TIMEOUT;
        if (prepare->role == MBOX_ROLE_SOURCE
            && strncmp(prepare->address, "ssl:", 4)) {
            error = -EINVAL;    /* It comes from D, so it may be anything. */
        } else if (prepare->role == MBOX_ROLE_SOURCE) {
            snprintf(direct->address, sizeof direct->address, "%s",
                     prepare->address);
            error = mbox_channel_connect(direct->address, &env->tls,
                                         &direct->channel, &cause);
        } else if (!env->local_host[0]) {
            error = -EADDRNOTAVAIL;
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

void
mb_direct_destroy(struct mb_direct *direct)
{
    if (direct) {
        mbox_listener_close(direct->listener);
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
run_source(struct mb_direct *direct, char *why)
{
    struct mbox_msg msg;
    int error = mbox_channel_run(direct->channel);

    if (!error && mbox_channel_is_connected(direct->channel)) {
        mbox_msg_init(&msg, MBOX_MSG_STREAM, direct->id);
        memcpy(msg.class_name, direct->env->class_name,
               sizeof msg.class_name);
        msg.token = direct->token;
        error = mbox_channel_send(direct->channel, &msg, NULL, -1);
        if (!error) {
            return 0;
        }
    } else if (!error) {
        error = now(direct) < direct->deadline ? -EAGAIN : -ETIMEDOUT;
    }
    if (error != -EAGAIN) {
        const char *cause = mbox_channel_error(direct->channel);

        snprintf(why, MBOX_WHY_MAX + 1, "%s: %s: %s", direct->env->name,
                 direct->address, cause ? cause : strerror(-error));
    }
    return error;
}

/* Looks for the token.  Returns 0, -EAGAIN, or another negative errno value if
 * whoever has connected is not S. */
static int
check_token(struct mb_direct *direct)
{
    struct mbox_msg msg;
    int run_error = mbox_channel_run(direct->channel);
    int error = mbox_channel_recv(direct->channel, &msg, NULL, NULL, NULL);

    if (!error) {
        return (msg.type == MBOX_MSG_STREAM && msg.id == direct->id
                && msg.token == direct->token ? 0 : -EACCES);
    }
    return (error != -EAGAIN ? error
            : run_error ? run_error
            : now(direct) < direct->deadline ? -EAGAIN : -ETIMEDOUT);
}

static int
run_destination(struct mb_direct *direct)
{
    for (;;) {
        if (!direct->channel) {
            direct->channel = mbox_listener_accept(direct->listener);
            if (!direct->channel) {
                return -EAGAIN;
            }
            direct->deadline = now(direct) + DIRECT_TIMEOUT;
        }

        int error = check_token(direct);
        if (!error || error == -EAGAIN) {
            return error;
        }
        mbox_channel_close(direct->channel);
        direct->channel = NULL;
    }
}

int
mb_direct_run(struct mb_direct *direct, struct mbox_channel **chp, char *why)
{
    int error = (direct->listener
                 ? run_destination(direct) : run_source(direct, why));

    if (!error) {
        *chp = direct->channel;
        direct->channel = NULL;
    }
    return error;
}

uint64_t
mb_direct_wake(const struct mb_direct *direct)
{
    return direct->channel ? direct->deadline : MB_NEVER;
}

void
mb_direct_wait(const struct mb_direct *direct, struct pollfd *pfd)
{
    if (direct->channel) {
        mbox_channel_wait(direct->channel, pfd);
    } else {
        mbox_listener_wait(direct->listener, pfd);
    }
}
