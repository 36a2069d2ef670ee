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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned int
mb_worker_of(const struct mbox_key *key, unsigned int n_workers)
{
    struct mbox_key canonical;

    if (n_workers == 1) {
        return 0;
    }
    mbox_key_canonical(key, &canonical);
    return mbox_key_hash(&canonical, 0) % n_workers;
}

void
mb_transfer_send(struct mb_transfer *t, const struct mbox_msg *msg,
                 const struct mbox_key *keys)
{
    if (!t->orphan) {
        t->env->ops->control_send(t->env->aux, msg, keys);
    }
}

bool
mb_transfer_add_keys(struct mb_table *table, const struct mbox_msg *msg)
{
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key, canonical;

        mbox_msg_get_key(msg, i, &key);
        mbox_key_canonical(&key, &canonical);
        if (mb_table_insert(table, MBOX_STATE_PER_FLOW, &canonical)
            == MB_NO_ENTRY) {
            return false;
        }
    }
    return true;
}

static void
send_error(struct mb_env *env, uint32_t id, int code, const char *text)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_ERROR, id);
    msg.code = code;
    snprintf(msg.text, sizeof msg.text, "%s: %s", env->name, text);
    env->ops->control_send(env->aux, &msg, NULL);
    env->ops->control_flush(env->aux);
}

void
mb_transfer_fail(struct mb_transfer *t, int code, const char *what, ...)
{
    if (t->failed) {
        return;
    }
    t->failed = true;

    char cause[512];
    va_list args;
    va_start(args, what);
    vsnprintf(cause, sizeof cause, what, args);
    va_end(args);

    char text[MBOX_TEXT_MAX + 1];
    snprintf(text, sizeof text, "%s: %s", cause, strerror(code));
    if (!t->orphan) {
        send_error(t->env, t->id, code, text);
    }

    char line[MBOX_TEXT_MAX + 64];
    snprintf(line, sizeof line, "transfer %u failed: %s", t->id, text);
    t->env->ops->log(t->env->aux, 4 /* LOG_WARNING */, line);
}

void
mb_transfer_ask_again(struct mb_transfer *t)
{
    char line[128];

    t->must_ask = true;
    snprintf(line, sizeof line, "transfer %u: memory is short for its end; "
             "asking again", t->id);
    t->env->ops->log(t->env->aux, 4 /* LOG_WARNING */, line);
}

void
mb_transfer_unexpected(struct mb_transfer *t, const struct mbox_msg *msg)
{
    const char *type = mbox_msg_type_to_string(msg->type);

    mb_transfer_fail(t, EPROTO, "%s has no place here",
                     type ? type : "message");
}

/* Answers a PREPARE that cannot be. */
static void
refuse(struct mb_env *env, const struct mbox_msg *prepare, int fd, int code,
       const char *text)
{
    if (fd >= 0) {
        close(fd);
    }
    send_error(env, prepare->id, code, text);
}

/* 'address' and 'why' are null if they are not to be sent. */
static void
send_prepared(struct mb_transfer *t, const char *address, const char *why)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_PREPARED, t->id);
    msg.n_flows = t->n_flows;
    snprintf(msg.address, sizeof msg.address, "%s", address ? address : "");
    snprintf(msg.why, sizeof msg.why, "%s", why ? why : "");
    mb_transfer_send(t, &msg, NULL);
}

/* The number of the name in a list with commas, or -1. */
static int
find_output(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (int i = 0; list; i++) {
        const char *comma = strchr(list, ',');

        if (!strncmp(list, name, n) && (!list[n] || list[n] == ',')) {
            return i;
        }
        list = comma ? comma + 1 : NULL;
    }
    return -1;
}

struct mb_transfer *
mb_transfer_create(struct mb_env *env, const struct mbox_msg *prepare, int fd,
                   const struct mb_transfer *others)
{
    bool relay = prepare->options & MBOX_OPT_RELAY;

    for (; others; others = others->next) {
        if (others->id == prepare->id && !others->orphan) {
            refuse(env, prepare, fd, EEXIST, "the transfer is already open");
            return NULL;
        }
        if (!others->finished
            && !((others->options | prepare->options) & MBOX_OPT_INSPECT)
            && mbox_space_overlaps(&others->space, &prepare->space)) {
            refuse(env, prepare, fd, EBUSY,
                   "its flow space overlaps with another transfer's");
            return NULL;
        }
    }
    if (prepare->options & MBOX_OPT_REPLICA
        && prepare->method != MBOX_METHOD_HOLD) {
        refuse(env, prepare, fd, EINVAL, "replicas need method hold");
        return NULL;
    }
    if (prepare->options & MBOX_OPT_INSPECT
        && (prepare->method != MBOX_METHOD_COPY
            || prepare->role != MBOX_ROLE_SOURCE)) {
        refuse(env, prepare, fd, EINVAL, "only a copy's source is inspected");
        return NULL;
    }

    int output = (prepare->role == MBOX_ROLE_SOURCE && prepare->output[0]
                  ? find_output(env->outputs, prepare->output) : -1);
    if (prepare->role == MBOX_ROLE_SOURCE && prepare->output[0]
        && output < 0) {
        refuse(env, prepare, fd, EINVAL, "the output function is not known");
        return NULL;
    }
    if (!relay && fd < 0) {
        refuse(env, prepare, fd, EINVAL, "no state channel came with prepare");
        return NULL;
    }

    struct mb_transfer *t = calloc(1, sizeof *t);
    if (!t) {
        refuse(env, prepare, fd, ENOMEM, strerror(ENOMEM));
        return NULL;
    }
    t->env = env;
    t->id = prepare->id;
    t->role = prepare->role;
    t->method = prepare->method;
    t->guarantee = prepare->guarantee;
    t->scopes = prepare->scopes;
    t->options = prepare->options;
    t->epoch = prepare->epoch;
    memcpy(t->peer, prepare->name, sizeof t->peer);
    t->peer_run = prepare->run;
    t->output = output;
    t->describe = prepare->describe && t->options & MBOX_OPT_INSPECT;
    t->space = prepare->space;
    if (relay) {
        if (fd >= 0) {
            close(fd);
        }
    } else {
        t->state = mbox_channel_from_fd(fd);
        if (!t->state) {
            refuse(env, prepare, -1, ENOMEM, "cannot open the state channel");
            mb_transfer_destroy(t);
            return NULL;
        }
    }

    uint64_t n_flows = 0;
    if (t->role == MBOX_ROLE_SOURCE) {
        t->source = mb_source_create(t, &n_flows);
    } else {
        t->destination = mb_destination_create(t, &n_flows);
    }
    if (!t->source && !t->destination) {
        mb_transfer_destroy(t);     /* The role has said why. */
        return NULL;
    }

    t->n_flows = n_flows;
    if (prepare->token && relay) {
        char why[MBOX_WHY_MAX + 1];

        t->direct = mb_direct_create(env, prepare, why);
        if (!t->direct) {
            send_prepared(t, NULL, why);
        } else if (t->destination) {
            send_prepared(t, mb_direct_address(t->direct), NULL);
        }
    } else {
        send_prepared(t, NULL, NULL);
    }
    return t;
}

/* Makes progress with the state channel over TLS. */
static void
run_direct(struct mb_transfer *t)
{
    char why[MBOX_WHY_MAX + 1];
    int error = mb_direct_run(t->direct, &t->state, why);

    if (error == -EAGAIN) {
        return;
    }
    if (!error) {
        t->options &= ~MBOX_OPT_RELAY;
    }
    if (t->source) {
        send_prepared(t, error ? NULL : mb_direct_address(t->direct),
                      error ? why : NULL);
    }
    mb_direct_destroy(t->direct);
    t->direct = NULL;
}

void
mb_transfer_destroy(struct mb_transfer *t)
{
    if (t) {
        if (t->source) {
            mb_source_destroy(t->source);
        }
        if (t->destination) {
            mb_destination_destroy(t->destination);
        }
        if (t->state) {
            mbox_channel_close(t->state);
        }
        mb_direct_destroy(t->direct);
        free(t);
    }
}

void
mb_transfer_recv(struct mb_transfer *t, const struct mbox_msg *msg)
{
    if (t->direct && msg->type == MBOX_MSG_RELAY) {
        mb_direct_destroy(t->direct);   /* S could not connect. */
        t->direct = NULL;
    }
    if (t->must_ask) {
        return;
    }
    if (t->source) {
        mb_source_recv(t->source, msg);
    } else {
        mb_destination_recv(t->destination, msg);
    }
}

bool
mb_transfer_recv_tagged(struct mb_transfer *t, const struct mbox_tag *tag,
                        struct mb_packet *packet)
{
    return (t->source
            ? mb_source_recv_tagged(t->source, tag, packet)
            : mb_destination_recv_tagged(t->destination, tag, packet));
}

bool
mb_transfer_filter(struct mb_transfer *t, struct mb_packet *packet)
{
    return (t->source
            ? mb_source_filter(t->source, packet)
            : mb_destination_filter(t->destination, packet));
}

void
mb_transfer_run(struct mb_transfer *t, uint64_t deadline)
{
    if (t->direct) {
        run_direct(t);
    }
    if (t->source) {
        mb_source_run(t->source, deadline);
    } else {
        mb_destination_run(t->destination, deadline);
    }
    if (t->failed && t->state) {
        mbox_channel_close(t->state);
        t->state = NULL;
    }
}

uint64_t
mb_transfer_wake(const struct mb_transfer *t)
{
    uint64_t direct = t->direct ? mb_direct_wake(t->direct) : MB_NEVER;
    uint64_t wake = (t->finished || (t->failed && t->state) ? 0
            : t->source ? mb_source_wake(t->source)
            : mb_destination_wake(t->destination));

    return wake < direct ? wake : direct;
}

void
mb_transfer_wait(const struct mb_transfer *t, struct pollfd *pfd)
{
    if (t->direct) {
        mb_direct_wait(t->direct, pfd);
    } else if (t->state && !t->failed) {
        mbox_channel_wait(t->state, pfd);
    } else {
        *pfd = (struct pollfd) { .fd = -1 };
    }
}

uint64_t
mb_transfer_n_buffered(const struct mb_transfer *t)
{
    return t->destination ? mb_destination_n_buffered(t->destination) : 0;
}

void
mb_transfer_return(struct mb_transfer *t, struct mb_packet *packet,
                   uint32_t seq)
{
    mb_count(&t->env->returned, 1);
    if (!(t->options & MBOX_OPT_VIA_CHANNEL)) {
        const struct mbox_tag tag = {
            .kind = MBOX_TAG_RETURNED, .id = t->id, .seq = seq,
        };
        if (mb_packet_push_tag(packet, &tag)) {
            if (t->env->ops->transmit(t->env->aux, packet)) {
                return;
            }
            mb_packet_pop_tag(packet);
        }
        /* Too long for the port with a tag: the channel loses nothing. */
    }

    struct mbox_msg msg;
    mbox_msg_init(&msg, MBOX_MSG_PACKET, t->id);
    msg.kind = MBOX_TAG_RETURNED;
    msg.seq = seq;
    msg.data = packet->data;
    msg.data_len = packet->len;
    mb_transfer_send(t, &msg, NULL);
    mb_packet_free(packet);
}

void
mb_transfer_replay(struct mb_transfer *t, struct mb_packet *packet)
{
    struct mb_env *env = t->env;

    packet->replayed = true;
    packet->timestamp = env->ops->now(env->aux);
    mb_packet_parse(packet);
    mb_count(&env->replayed, 1);
    env->ops->process(env->aux, packet);
}

void
mb_transfer_discard(struct mb_transfer *t, struct mb_buffer *buffer)
{
    struct mb_packet *packet;

    while ((packet = mb_buffer_pop(buffer))) {
        mb_count(&t->env->discarded, 1);
        mb_packet_free(packet);
    }
}
