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

#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

#define BACKOFF_MIN (50 * MS)
#define BACKOFF_MAX (500 * MS)
#define HANDSHAKE_TIMEOUT (10000 * MS)
#define IDLE_PROBE (10000 * MS)     /* ECHO_REQUEST after as much silence. */
#define IDLE_TIMEOUT (30000 * MS)

/* Keys in one part of OPEN, and how many bytes may wait when another is
 * sent. */
#define ASK_KEYS 65536
#define ASK_BACKLOG (1024 * 1024)

/* Ended transfers whose tracers are still answered. */
#define N_ENDED 64

struct mb_agent {
    struct mb_env *env;
    char *address, *private_key, *certificate, *ca_cert, *product;
    uint32_t scopes;
    void (*get_stats)(void *aux, struct mbox_msg *);
    void *aux;

    struct mbox_channel *channel;   /* Null while disconnected. */
    bool greeted;               /* HELLO was sent. */
    bool welcome;               /* WELCOME came. */
    bool broken;                /* Sending failed. */
    bool probed;                /* ECHO_REQUEST was sent. */
    uint64_t last_input;        /* Or start of the connection. */
    uint64_t next_attempt;
    uint64_t backoff;
    uint64_t epoch;
    uint64_t run;               /* Identifies this process. */
    char *last_error;           /* Logged last: say it once. */
    char refusal[MBOX_TEXT_MAX + 16];   /* Text of the last ERROR. */

    /* OPEN that is being sent, in parts. */
    struct mb_transfer *asking; /* Null if there is none. */
    struct mbox_msg open;
    struct mb_keys open_keys;
    size_t n_asked;             /* Of 'open_keys', that were sent. */

    struct mb_transfer *transfers;
    uint32_t ended[N_ENDED];    /* Their ids, of this connection. */
    unsigned int n_ended;
};

static char *
copy_string(const char *s)
{
    return s ? strdup(s) : NULL;
}

struct mb_agent *
mb_agent_create(struct mb_env *env, const struct mb_agent_config *config)
{
    struct mb_agent *a = calloc(1, sizeof *a);

    if (a) {
        a->env = env;
        a->address = copy_string(config->address);
        a->private_key = copy_string(config->private_key);
        a->certificate = copy_string(config->certificate);
        a->ca_cert = copy_string(config->ca_cert);
        a->product = copy_string(config->product);
        a->scopes = config->scopes;
        mb_keys_init(&a->open_keys);
        a->get_stats = config->get_stats;
        a->aux = config->aux;
        a->backoff = BACKOFF_MIN;
        if (getrandom(&a->run, sizeof a->run, 0) != sizeof a->run) {
            a->run = env->ops->now(env->aux) ^ ((uint64_t) getpid() << 32);
        }
    }
    return a;
}

static void
stop_asking(struct mb_agent *a)
{
    mb_keys_uninit(&a->open_keys);
    a->asking = NULL;
    a->n_asked = 0;
}

static void
close_channel(struct mb_agent *a)
{
    stop_asking(a);
    a->env->control = NULL;
    mbox_channel_close(a->channel);
    a->channel = NULL;
}

void
mb_agent_close(struct mb_agent *a)
{
    if (!a) {
        return;
    }
    while (a->transfers) {
        struct mb_transfer *t = a->transfers;

        a->transfers = t->next;
        mb_transfer_destroy(t);
    }
    close_channel(a);
}

void
mb_agent_destroy(struct mb_agent *a)
{
    if (!a) {
        return;
    }
    mb_agent_close(a);
    free(a->address);
    free(a->private_key);
    free(a->certificate);
    free(a->ca_cert);
    free(a->product);
    free(a->last_error);
    free(a);
}

static void
agent_log(struct mb_agent *a, int level, const char *message)
{
    a->env->ops->log(a->env->aux, level, message);
}

/* Closes the connection, because of 'why', and tries again later. */
static void
disconnect(struct mb_agent *a, uint64_t now, const char *why)
{
    if (!a->last_error || strcmp(a->last_error, why)) {
        char line[1280];

        snprintf(line, sizeof line, "coordinator %s: %s", a->address, why);
        agent_log(a, LOG_WARNING, line);
        free(a->last_error);
        a->last_error = strdup(why);
    }
    close_channel(a);
    for (struct mb_transfer *t = a->transfers; t; t = t->next) {
        mb_transfer_disconnected(t);
    }
    a->next_attempt = now + a->backoff;
    a->backoff = 2 * a->backoff < BACKOFF_MAX ? 2 * a->backoff : BACKOFF_MAX;
}

static void
connect_now(struct mb_agent *a, uint64_t now)
{
    const struct mbox_tls_config tls = {
        .private_key = a->private_key,
        .certificate = a->certificate,
        .ca_cert = a->ca_cert,
    };
    char *error_text = NULL;

    a->greeted = a->welcome = a->broken = a->probed = false;
    a->last_input = now;
    a->n_ended = 0;
    for (struct mb_transfer *t = a->transfers; t; t = t->next) {
        t->asked = false;
    }
    int error = mbox_channel_connect(a->address, &tls, &a->channel,
                                     &error_text);
    if (error) {
        a->channel = NULL;
        disconnect(a, now, error_text ? error_text : strerror(-error));
    }
    free(error_text);
}

static void
send_hello(struct mb_agent *a)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_HELLO, 0);
    msg.version = MBOX_PROTOCOL_VERSION;
    memcpy(msg.name, a->env->name, sizeof msg.name);
    memcpy(msg.class_name, a->env->class_name, sizeof msg.class_name);
    msg.schema = a->env->schema;
    msg.scopes = a->scopes;
    msg.run = a->run;
    for (const struct mb_transfer *t = a->transfers; t; t = t->next) {
        msg.n_open += t->in_doubt;
    }
    if (!mbox_channel_can_pass_fd(a->channel)) {
        msg.options = MBOX_OPT_RELAY;
    }
    snprintf(msg.text, sizeof msg.text, "%s", a->product ? a->product : "");
    snprintf(msg.outputs, sizeof msg.outputs, "%s",
             a->env->outputs ? a->env->outputs : "");
    mb_agent_send(a, &msg, NULL);
    a->greeted = true;
}

void
mb_agent_send(struct mb_agent *a, const struct mbox_msg *msg,
              const struct mbox_key *keys)
{
    if (a && a->channel && !a->broken
        && mbox_channel_send(a->channel, msg, keys, -1)) {
        a->broken = true;       /* mb_agent_run() disconnects. */
    }
}

void
mb_agent_flush(struct mb_agent *a)
{
    if (a && a->channel && !a->broken && mbox_channel_flush(a->channel)) {
        a->broken = true;
    }
}

size_t
mb_agent_backlog(const struct mb_agent *a)
{
    return a && a->channel ? mbox_channel_backlog(a->channel) : 0;
}

struct mb_transfer *
mb_agent_transfers(const struct mb_agent *a)
{
    return a ? a->transfers : NULL;
}

bool
mb_agent_is_frozen(const struct mb_agent *a, const struct mbox_key *key)
{
    for (struct mb_transfer *t = mb_agent_transfers(a); t; t = t->next) {
        if (t->source && mb_source_is_frozen(t->source, key)) {
            return true;
        }
    }
    return false;
}

static struct mb_transfer *
find_transfer(struct mb_agent *a, uint32_t id)
{
    for (struct mb_transfer *t = a->transfers; t; t = t->next) {
        if (t->id == id && !t->finished && !t->orphan) {
            return t;
        }
    }
    return NULL;
}

static void
send_error(struct mb_agent *a, uint32_t id, int code, const char *text)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_ERROR, id);
    msg.code = code;
    snprintf(msg.text, sizeof msg.text, "%s: %s", a->env->name, text);
    mb_agent_send(a, &msg, NULL);
}

static void
recv_prepare(struct mb_agent *a, const struct mbox_msg *msg, int fd)
{
    if (!msg->id || msg->epoch != a->epoch) {
        if (fd >= 0) {
            close(fd);
        }
        send_error(a, msg->id, ESTALE, "prepare is of another epoch");
        return;
    }

    unsigned int n = 0;
    for (const struct mb_transfer *t = a->transfers; t; t = t->next) {
        n++;
    }
    if (n >= MBOX_OPEN_MAX) {
        if (fd >= 0) {
            close(fd);
        }
        char text[80];

        snprintf(text, sizeof text, "%d transfers are open or in doubt "
                 "already, which is the most", MBOX_OPEN_MAX);
        send_error(a, msg->id, EBUSY, text);
        return;
    }

    struct mb_transfer *t = mb_transfer_create(a->env, msg, fd, a->transfers);
    if (t) {
        t->next = a->transfers;
        a->transfers = t;
    }
}

static void
send_resolved(struct mb_agent *a, uint32_t id, uint64_t epoch)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_RESOLVED, id);
    msg.epoch = epoch;
    mb_agent_send(a, &msg, NULL);
}

/* Returns null, or why the connection must end. */
static const char *
recv_resolve(struct mb_agent *a, const struct mbox_msg *msg)
{
    for (struct mb_transfer *t = a->transfers; t; t = t->next) {
        if (t->orphan && t->id == msg->id && t->epoch == msg->epoch) {
            if (t->in_doubt) {
                mb_transfer_resolve(t, msg);
            }
            return t->must_ask ? "memory is short" : NULL;
        }
    }
    send_resolved(a, msg->id, msg->epoch);
    return NULL;
}

/* Finds the next transfer in doubt to ask about.  False if there is none that
 * can be asked about now. */
static bool
start_asking(struct mb_agent *a)
{
    for (struct mb_transfer *t = a->transfers; t; t = t->next) {
        if (!t->asked && mb_transfer_get_open(t, &a->open, &a->open_keys)) {
            a->asking = t;
            return true;
        }
        mb_keys_uninit(&a->open_keys);  /* Of one that lacked memory. */
    }
    return false;
}

/* Asks about transfers in doubt, as fast as the coordinator takes it. */
static void
ask(struct mb_agent *a)
{
    while (!a->broken && mb_agent_backlog(a) < ASK_BACKLOG
           && (a->asking || start_asking(a))) {
        size_t left = a->open_keys.n - a->n_asked;

        a->open.n_keys = left < ASK_KEYS ? left : ASK_KEYS;
        a->open.more = left > ASK_KEYS;
        mb_agent_send(a, &a->open, (left ? &a->open_keys.keys[a->n_asked]
                                    : NULL));
        a->n_asked += a->open.n_keys;
        if (!a->open.more) {
            a->asking->asked = true;
            stop_asking(a);
        }
    }
}

/* A message about no live transfer. */
static void
recv_stray(struct mb_agent *a, const struct mbox_msg *msg)
{
    struct mbox_msg answer;

    switch ((unsigned int) msg->type) {
    case MBOX_MSG_ABORT:
        /* It never was, or is over: there is nothing to undo. */
        mbox_msg_init(&answer, MBOX_MSG_ABORTED, msg->id);
        mb_agent_send(a, &answer, NULL);
        break;
    case MBOX_MSG_ERROR:
    case MBOX_MSG_RELAY:
    case MBOX_MSG_PACKET:
        break;                  /* It was under way when the transfer ended. */
    default:
        send_error(a, msg->id, ENOENT, "no such transfer");
        break;
    }
}

/* Handles one message.  Returns null, or why the connection must end. */
static const char *
recv_msg(struct mb_agent *a, const struct mbox_msg *msg, int fd)
{
    struct mbox_msg answer;
    struct mb_transfer *t;

    if (fd >= 0 && msg->type != MBOX_MSG_PREPARE) {
        close(fd);
    }
    switch ((unsigned int) msg->type) {
    case MBOX_MSG_ECHO_REQUEST:
        mbox_msg_init(&answer, MBOX_MSG_ECHO_REPLY, 0);
        mb_agent_send(a, &answer, NULL);
        return NULL;

    case MBOX_MSG_ECHO_REPLY:
        return NULL;

    case MBOX_MSG_WELCOME:
        if (a->welcome) {
            return "second welcome";
        }
        if (msg->version != MBOX_PROTOCOL_VERSION) {
            return "it speaks another version of the protocol";
        }
        a->welcome = true;
        a->epoch = msg->epoch;
        a->env->control = (mbox_channel_is_tls(a->channel)
                           ? a->channel : NULL);
        a->backoff = BACKOFF_MIN;
        free(a->last_error);
        a->last_error = NULL;
        agent_log(a, LOG_INFO, "connected to the coordinator");
        return NULL;

    case MBOX_MSG_ERROR:
        if (!msg->id) {
            snprintf(a->refusal, sizeof a->refusal, "refused: %s", msg->text);
            return a->refusal;
        }
        break;

    default:
        break;
    }
    if (!a->welcome) {
        if (fd >= 0 && msg->type == MBOX_MSG_PREPARE) {
            close(fd);
        }
        return "no welcome came first";
    }

    switch ((unsigned int) msg->type) {
    case MBOX_MSG_PREPARE:
        recv_prepare(a, msg, fd);
        return NULL;

    case MBOX_MSG_RESOLVE:
        return recv_resolve(a, msg);

    case MBOX_MSG_STATS_REQUEST:
        mbox_msg_init(&answer, MBOX_MSG_STATS, msg->id);
        a->get_stats(a->aux, &answer);
        for (t = a->transfers; t; t = t->next) {
            answer.n_buffered += mb_transfer_n_buffered(t);
        }
        mb_agent_send(a, &answer, NULL);
        return NULL;

    default:
        t = find_transfer(a, msg->id);
        if (!t) {
            recv_stray(a, msg);
            return NULL;
        }
        mb_transfer_recv(t, msg);
        return t->must_ask ? "memory is short" : NULL;
    }
}

/* Receives all that came.  Returns null, or why the connection must end. */
static const char *
receive(struct mb_agent *a, uint64_t now)
{
    for (;;) {
        struct mbox_msg msg;
        int fd = -1;
        int error = mbox_channel_recv(a->channel, &msg, &fd, NULL, NULL);

        if (error) {
            return error == -EAGAIN ? NULL : strerror(-error);
        }
        a->last_input = now;
        a->probed = false;

        const char *why = recv_msg(a, &msg, fd);
        if (why) {
            return why;
        }
    }
}

static const char *
check_time(struct mb_agent *a, uint64_t now)
{
    uint64_t silence = now > a->last_input ? now - a->last_input : 0;

    if (!a->welcome) {
        return silence > HANDSHAKE_TIMEOUT ? "no welcome in time" : NULL;
    }
    if (silence > IDLE_TIMEOUT) {
        return "it does not answer";
    }
    if (silence > IDLE_PROBE && !a->probed) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 0);
        mb_agent_send(a, &msg, NULL);
        a->probed = true;
    }
    return NULL;
}

void
mb_agent_run(struct mb_agent *a, uint64_t now)
{
    if (!a->channel) {
        if (now < a->next_attempt) {
            return;
        }
        connect_now(a, now);
        if (!a->channel) {
            return;
        }
    }

    int error = mbox_channel_run(a->channel);
    if (!error && !a->greeted && mbox_channel_is_connected(a->channel)) {
        send_hello(a);
    }

    const char *why = receive(a, now);
    if (!why) {
        why = check_time(a, now);
    }
    mb_agent_flush(a);
    if (error || a->broken) {
        const char *cause = mbox_channel_error(a->channel);
        why = why && !cause ? why : cause ? cause : strerror(-error);
    }
    if (why) {
        char text[MBOX_TEXT_MAX + 64];

        snprintf(text, sizeof text, "%s", why);
        disconnect(a, now, text);
    }
}

void
mb_agent_wait(const struct mb_agent *a, struct pollfd *pfd)
{
    if (a && a->channel) {
        mbox_channel_wait(a->channel, pfd);
    } else {
        *pfd = (struct pollfd) { .fd = -1 };
    }
}

uint64_t
mb_agent_wake(const struct mb_agent *a)
{
    if (!a) {
        return MB_NEVER;
    }
    return (!a->channel ? a->next_attempt
            : a->broken ? 0
            : a->last_input + (!a->welcome ? HANDSHAKE_TIMEOUT
                               : !a->probed ? IDLE_PROBE
                               : IDLE_TIMEOUT) + 1);
}

void
mb_agent_run_transfers(struct mb_agent *a, uint64_t deadline)
{
    struct mb_transfer **p = &a->transfers;

    if (a->welcome && a->channel) {
        ask(a);
    }
    while (*p) {
        struct mb_transfer *t = *p;

        mb_transfer_run(t, deadline);
        if (t->finished) {
            if (!t->orphan) {
                a->ended[a->n_ended++ % N_ENDED] = t->id;
            } else if (t->resolved && t->asked && a->welcome) {
                send_resolved(a, t->id, t->epoch);
            }
            if (a->asking == t) {
                stop_asking(a);     /* The answer came before its end. */
            }
            *p = t->next;
            mb_transfer_destroy(t);
        } else {
            p = &t->next;
        }
    }
}

bool
mb_agent_late_tracer(struct mb_agent *a, const struct mbox_tag *tag)
{
    bool known = false;

    for (unsigned int i = 0; a && i < a->n_ended && i < N_ENDED; i++) {
        known |= a->ended[i] == tag->id;
    }
    for (const struct mb_transfer *t = mb_agent_transfers(a); t; t = t->next) {
        known |= t->id == tag->id && t->finished && !t->orphan;
    }
    if (known) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, tag->id);
        msg.seq = tag->seq;
        mb_agent_send(a, &msg, NULL);
        mb_agent_flush(a);
    }
    return known;
}
