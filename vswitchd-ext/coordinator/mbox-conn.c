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
#include "mbox-conn.h"

#include <errno.h>
#include <unistd.h>

#include "mbox-coordinator-private.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "unicode.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_conn);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Messages taken from one agent in one round, so that a flood from one does
 * not keep the others waiting. */
#define MAX_MESSAGES_PER_ROUND 64

/* Output that may wait for an agent that has not done its handshake, and for
 * one that has: the largest message, and what relaying and sending back
 * packets (both limit themselves) may have queued before it. */
#define STRANGER_OUT_LIMIT (64 * 1024)
#define AGENT_OUT_LIMIT (MBOX_MSG_MAX + 16 * 1024 * 1024)

/* How long an agent that does not do its handshake may stay at most, in ms. */
#define HANDSHAKE_MS 10000

void
mbox_conns_init(struct mbox_conns *conns)
{
    ovs_list_init(&conns->list);
    mbox_listeners_init(&conns->listeners);
    conns->probe_ms = MBOX_DEFAULT_PROBE_MS;
}

void
mbox_conns_configure(struct mbox_conns *conns,
                     const struct mbox_config *config)
{
    conns->probe_ms = config->probe_ms;
    conns->verify_names = config->verify_names;
    mbox_listeners_configure(&conns->listeners, config);
}

/* What to call 'conn' in messages. */
static char *
conn_title(const struct mbox_conn *conn)
{
    return (conn->ready
            ? xasprintf("agent of %s (%s)", conn->name, conn->peer)
            : xasprintf("agent without handshake (%s)", conn->peer));
}

static void OVS_PRINTF_FORMAT(2, 3)
conn_die(struct mbox_conn *conn, const char *format, ...)
{
    va_list args;

    if (!conn->why_dead) {
        va_start(args, format);
        conn->why_dead = xvasprintf(format, args);
        va_end(args);
    }
}

void
mbox_conn_blame(struct mbox_conn *conn, const char *format, ...)
{
    va_list args;

    if (conn->why_dead) {
        return;
    }
    va_start(args, format);
    char *why = xvasprintf(format, args);
    va_end(args);

    char *title = conn_title(conn);
    VLOG_WARN_RL(&rl, "%s: %s; disconnecting", title, why);
    free(title);

    /* A peer that can still listen learns why. */
    struct mbox_msg msg;
    mbox_msg_init(&msg, MBOX_MSG_ERROR, 0);
    msg.code = EPROTO;
    ovs_strlcpy(msg.text, why, sizeof msg.text);
    mbox_channel_send(conn->channel, &msg, NULL, -1);
    mbox_channel_flush(conn->channel);

    conn_die(conn, "%s", why);
    free(why);
}

int
mbox_conn_send(struct mbox_conn *conn, const struct mbox_msg *msg,
                const struct mbox_key *keys, int fd)
{
    if (conn->why_dead) {
        if (fd >= 0) {
            close(fd);
        }
        return -ECONNRESET;
    }
    return mbox_channel_send(conn->channel, msg, keys, fd);
}

bool
mbox_conn_can_pass_fd(const struct mbox_conn *conn)
{
    return (!conn->needs_relay
            && mbox_channel_can_pass_fd(conn->channel));
}

/* Removes 'conn', whose 'why_dead' is set, and tells everybody. */
static void
conn_remove(struct mbox_coordinator *c, struct mbox_conn *conn)
{
    struct mbox_conn *other;

    ovs_list_remove(&conn->node);
    LIST_FOR_EACH (other, node, &c->conns.list) {
        if (other->relay_to == conn) {
            other->relay_to = NULL;
        }
    }
    if (conn->ready) {
        mbox_transfers_agent_lost(c, conn, conn->why_dead);
        mbox_inspections_agent_lost(c, conn, conn->why_dead);
        mbox_resolver_conn_lost(c, conn);
        mbox_usage_account(c);
        mbox_registry_remove_agent(&c->registry, conn);
    }
    mbox_channel_close(conn->channel);
    free(conn->peer);
    free(conn->why_dead);
    free(conn);
}

/* Closes the oldest of the connections that are without handshake, and
 * 'silent' or not, if there are 'max' already. */
static void
close_oldest(struct mbox_conns *conns, bool silent, size_t max,
             const char *what)
{
    struct mbox_conn *conn, *oldest = NULL;
    size_t n = 0;

    LIST_FOR_EACH (conn, node, &conns->list) {
        if (!conn->ready && !conn->why_dead
            && (conn->connected_at == LLONG_MAX) == silent) {
            oldest = oldest ? oldest : conn;
            n++;
        }
    }
    if (n >= max) {
        VLOG_WARN_RL(&rl, "%s: more than %"PRIuSIZE" %s; closing the oldest",
                     oldest->peer, max, what);
        conn_die(oldest, "too many %s", what);
    }
}

static void
conn_accept(void *c_, struct mbox_channel *channel)
{
    struct mbox_coordinator *c = c_;
    struct mbox_conn *conn;

    if (mbox_channel_has_peer(channel)) {
        close_oldest(&c->conns, false, MBOX_CONN_MAX_STRANGERS,
                     "connections without handshake");
    } else {
        close_oldest(&c->conns, true, MBOX_CONN_MAX_SILENT,
                     "silent serial lines");
    }

    conn = xzalloc(sizeof *conn);
    conn->channel = channel;
    conn->peer = xstrdup(mbox_channel_peer(channel));
    conn->last_rx = time_msec();
    conn->connected_at = (mbox_channel_has_peer(channel) ? conn->last_rx
                          : LLONG_MAX);
    conn->more = true;
    mbox_channel_set_out_limit(channel, STRANGER_OUT_LIMIT);
    ovs_list_push_back(&c->conns.list, &conn->node);
}

/* Refuses the handshake of 'conn' for a reason that is no misbehaviour. */
static void
conn_refuse(struct mbox_conn *conn, int code, char *why)
{
    struct mbox_msg msg;

    VLOG_WARN_RL(&rl, "%s: refused: %s", conn->peer, why);
    mbox_msg_init(&msg, MBOX_MSG_ERROR, 0);
    msg.code = code;
    ovs_strlcpy(msg.text, why, sizeof msg.text);
    mbox_channel_send(conn->channel, &msg, NULL, -1);
    mbox_channel_flush(conn->channel);
    conn_die(conn, "%s", why);
    free(why);
}

static void
conn_probe(struct mbox_conn *conn)
{
    struct mbox_msg msg;

    if (!conn->probing) {
        mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 0);
        mbox_channel_send(conn->channel, &msg, NULL, -1);
        conn->probing = true;
    }
}

/* True if 'conn' may speak for the instance 'name': over TLS its certificate
 * must have that as its common name, of which only what is before a space
 * counts (ovs-pki appends " id:UUID").  Stores the common name in 'cn'. */
static bool
conn_may_be(const struct mbox_conns *conns, const struct mbox_conn *conn,
            const char *name, char *cn, size_t size)
{
    if (!conns->verify_names || !mbox_channel_is_tls(conn->channel)) {
        return true;
    }
    mbox_channel_peer_name(conn->channel, cn, size);

    size_t len = strcspn(cn, " ");
    return len == strlen(name) && !memcmp(cn, name, len);
}

static void
conn_recv_hello(struct mbox_coordinator *c, struct mbox_conn *conn,
                 const struct mbox_msg *hello)
{
    struct mbox_msg welcome;
    char cn[256];

    /* Now with the subject of its certificate. */
    free(conn->peer);
    conn->peer = xstrdup(mbox_channel_peer(conn->channel));

    if (hello->version != MBOX_PROTOCOL_VERSION) {
        conn_refuse(conn, EPROTONOSUPPORT,
                     xasprintf("instance %s speaks protocol version %d and "
                               "the coordinator version %d; upgrade the older "
                               "one", hello->name, hello->version,
                               MBOX_PROTOCOL_VERSION));
        return;
    }
    if (!mbox_name_is_valid(hello->name)
        || !mbox_name_is_valid(hello->class_name)) {
        mbox_conn_blame(conn, "HELLO with an invalid name of instance or "
                         "class");
        return;
    }
    if (hello->n_open > MBOX_OPEN_MAX) {
        mbox_conn_blame(conn, "HELLO of instance %s with %"PRIu32" transfers "
                        "in doubt: at most %d can be", hello->name,
                        hello->n_open, MBOX_OPEN_MAX);
        return;
    }
    if (!conn_may_be(&c->conns, conn, hello->name, cn, sizeof cn)) {
        for (char *p = cn; *p; p++) {
            if ((unsigned char) *p < 0x20 || *p == 0x7f) {
                *p = '?';
            }
        }
        conn_refuse(conn, EACCES,
                    xasprintf("its certificate is that of \"%s\", which may "
                              "not be instance %s; give each instance a "
                              "certificate with its name as common name, or "
                              "set other_config:mbox-verify-names=false",
                              cn, hello->name));
        return;
    }

    ovs_strlcpy(conn->name, hello->name, sizeof conn->name);
    ovs_strlcpy(conn->class_name, hello->class_name,
                sizeof conn->class_name);
    ovs_strlcpy(conn->product, hello->text, sizeof conn->product);
    ovs_strlcpy(conn->outputs, hello->outputs, sizeof conn->outputs);
    conn->schema = hello->schema;
    conn->run = hello->run;
    conn->n_unasked = conn->n_unresolved = hello->n_open;
    conn->ask_until = time_msec() + MBOX_CONN_ASK_MS;
    conn->scopes = hello->scopes;
    conn->needs_relay = (hello->options & MBOX_OPT_RELAY) != 0;
    mbox_usage_account(c);
    if (!mbox_registry_add_agent(&c->registry, conn)) {
        struct mbox_instance *instance = mbox_registry_find(&c->registry,
                                                            conn->name);

        /* Should the other one be a connection whose end we did not see, this
         * finds it out. */
        conn_probe(instance->conn);
        conn_refuse(conn, EEXIST,
                     xasprintf("instance %s has an agent already (%s); give "
                               "each instance a name of its own",
                               conn->name, instance->conn->peer));
        return;
    }
    conn->ready = true;
    mbox_resolver_conn_ready(c);
    mbox_channel_set_out_limit(conn->channel, AGENT_OUT_LIMIT);

    VLOG_DBG("instance %s: agent connected (%s): class %s, schema %016"PRIx64,
             conn->name, conn->peer, conn->class_name, conn->schema);

    mbox_msg_init(&welcome, MBOX_MSG_WELCOME, 0);
    welcome.version = MBOX_PROTOCOL_VERSION;
    welcome.epoch = c->epoch;
    mbox_conn_send(conn, &welcome, NULL, -1);
}

static void
conn_recv(struct mbox_coordinator *c, struct mbox_conn *conn,
           const struct mbox_msg *msg, const void *frame, size_t frame_len)
{
    struct mbox_msg reply;

    switch ((int) msg->type) {
    case MBOX_MSG_ECHO_REQUEST:
        mbox_msg_init(&reply, MBOX_MSG_ECHO_REPLY, 0);
        mbox_conn_send(conn, &reply, NULL, -1);
        return;

    case MBOX_MSG_ECHO_REPLY:
        return;

    case MBOX_MSG_HELLO:
        if (conn->ready) {
            mbox_conn_blame(conn, "second HELLO");
        } else {
            conn_recv_hello(c, conn, msg);
        }
        return;

    default:
        break;
    }

    if (!conn->ready) {
        mbox_conn_blame(conn, "message before HELLO");
    } else if (msg->type == MBOX_MSG_OPEN || msg->type == MBOX_MSG_RESOLVED) {
        mbox_resolver_recv(c, conn, msg);
    } else if (msg->id) {
        if (!mbox_inspections_recv(c, conn, msg)) {
            mbox_transfers_recv(c, conn, msg, frame, frame_len);
        }
    } else if (msg->type == MBOX_MSG_ERROR) {
        VLOG_WARN_RL(&rl, "agent of %s (%s) ends its connection: %s",
                     conn->name, conn->peer, msg->text);
        conn_die(conn, "its agent reported: %s", msg->text);
    } else if (msg->type == MBOX_MSG_STATS) {
        conn->has_stats = true;
        conn->n_flows = msg->n_flows;
        conn->cpu_ns = msg->cpu_ns;
        conn->clock_ns = msg->clock_ns;
    } else {
        const char *name = mbox_msg_type_to_string(msg->type);

        mbox_conn_blame(conn, "unexpected message \"%s\" without transfer",
                         name ? name : "?");
    }
}

/* True if nothing may be read from 'conn' because the destination that it
 * sends state to does not keep up. */
static bool
conn_is_throttled(const struct mbox_conn *conn)
{
    return (conn->relay_to
            && (mbox_channel_backlog(conn->relay_to->channel)
                > MBOX_CONN_RELAY_BACKLOG));
}

/* Makes UTF-8 of 's', which an agent has sent: answers to commands may have it
 * in them, and go to the client as JSON. */
static void
make_utf8(char *s)
{
    char *error = utf8_validate(s, NULL);

    for (; error && *s; s++) {
        if (*s & 0x80) {
            *s = '?';
        }
    }
    free(error);
}

/* Logs the end of a connection that 'conn' has not been blamed for. */
static void
conn_ended(struct mbox_conn *conn, int error)
{
    const char *why = mbox_channel_error(conn->channel);
    char *title = conn_title(conn);

    if (!why) {
        why = ovs_strerror(-error);
    }
    if (error == -ECONNRESET) {
        VLOG_DBG("%s: connection closed", title);
        conn_die(conn, "its agent's connection was closed");
    } else {
        VLOG_WARN_RL(&rl, "%s: %s; disconnecting", title, why);
        conn_die(conn, "%s", why);
    }
    free(title);
}

static void
conn_run(struct mbox_coordinator *c, struct mbox_conn *conn)
{
    if (conn_is_throttled(conn)) {
        /* It cannot be blamed for silence. */
        conn->last_rx = time_msec();
        conn->probing = false;
        conn->more = true;
        mbox_channel_flush(conn->channel);
        return;
    }

    mbox_channel_run(conn->channel);
    if (conn->connected_at == LLONG_MAX
        && mbox_channel_has_peer(conn->channel)) {
        conn->connected_at = time_msec();
    }
    conn->more = false;
    for (int i = 0; !conn->why_dead; i++) {
        struct mbox_msg msg;
        const void *frame;
        size_t frame_len;
        int fd = -1;
        int error;

        if (i >= MAX_MESSAGES_PER_ROUND || conn_is_throttled(conn)) {
            conn->more = true;
            break;
        }
        error = mbox_channel_recv(conn->channel, &msg, &fd, &frame,
                                  &frame_len);
        if (error == -EAGAIN) {
            break;
        } else if (error) {
            conn_ended(conn, error);
            break;
        }
        if (fd >= 0) {
            close(fd);          /* No message to us carries one. */
        }
        conn->last_rx = time_msec();
        conn->probing = false;
        make_utf8(msg.text);
        make_utf8(msg.why);
        make_utf8(msg.address);
        make_utf8(msg.outputs);
        conn_recv(c, conn, &msg, frame, frame_len);
    }
}

/* When 'conn' is to be probed, or given up for its silence, in ms; LLONG_MAX
 * never. */
static long long
conn_silence_deadline(const struct mbox_conns *conns,
                      const struct mbox_conn *conn)
{
    int probe_ms = conns->probe_ms;

    if (!conn->ready) {
        return (conn->connected_at == LLONG_MAX ? LLONG_MAX
                : conn->connected_at + (probe_ms
                                        ? MIN(2 * probe_ms, HANDSHAKE_MS)
                                        : HANDSHAKE_MS));
    } else if (!probe_ms) {
        return LLONG_MAX;
    }
    return conn->last_rx + (conn->probing ? 2 * probe_ms : probe_ms);
}

/* When something is to be done about 'conn' next, in ms; LLONG_MAX never. */
static long long
conn_deadline(const struct mbox_conns *conns, const struct mbox_conn *conn)
{
    long long deadline = conn_silence_deadline(conns, conn);

    if (conn->stalled_at) {
        deadline = MIN(deadline, conn->stalled_at);
    }
    return conn->n_unasked ? MIN(deadline, conn->ask_until) : deadline;
}

/* Blames 'conn' if it reads nothing of what waits for it for as long as it may
 * be silent.  While state waits for it, whoever sends that is not read. */
static void
conn_check_reads(const struct mbox_conns *conns, struct mbox_conn *conn)
{
    uint64_t n_written = mbox_channel_n_written(conn->channel);

    if (!mbox_channel_backlog(conn->channel) || !conns->probe_ms) {
        conn->stalled_at = 0;
    } else if (!conn->stalled_at || n_written != conn->n_written) {
        conn->n_written = n_written;
        conn->stalled_at = time_msec() + 2 * conns->probe_ms;
    } else if (time_msec() >= conn->stalled_at) {
        mbox_conn_blame(conn, "it does not read: no byte for %d ms of what "
                        "waits for it", 2 * conns->probe_ms);
    }
}

static void
conn_check_alive(const struct mbox_conns *conns, struct mbox_conn *conn)
{
    conn_check_reads(conns, conn);
    if (conn->n_unasked && time_msec() >= conn->ask_until) {
        mbox_conn_blame(conn, "it does not ask about the transfers that HELLO "
                        "said are in doubt");
    } else if (time_msec() < conn_silence_deadline(conns, conn)) {
        return;
    } else if (!conn->ready) {
        mbox_conn_blame(conn, "no HELLO in time");
    } else if (!conn->probing) {
        conn_probe(conn);
    } else {
        mbox_conn_blame(conn, "no answer to a probe for %d ms",
                         conns->probe_ms);
    }
}

void
mbox_conns_run(struct mbox_coordinator *c)
{
    struct mbox_conns *conns = &c->conns;
    struct mbox_conn *conn;

    mbox_listeners_run(&conns->listeners, MBOX_CONN_MAX_STRANGERS,
                       conn_accept, c);

    LIST_FOR_EACH (conn, node, &conns->list) {
        if (!conn->why_dead) {
            conn_run(c, conn);
        }
        if (!conn->why_dead) {
            conn_check_alive(conns, conn);
        }
    }
    LIST_FOR_EACH_SAFE (conn, node, &conns->list) {
        if (conn->why_dead) {
            conn_remove(c, conn);
        }
    }
}

void
mbox_conns_flush(struct mbox_coordinator *c)
{
    struct mbox_conn *conn;

    LIST_FOR_EACH (conn, node, &c->conns.list) {
        if (mbox_channel_backlog(conn->channel)
            && mbox_channel_flush(conn->channel)) {
            conn->more = true; /* It has failed: look at it soon. */
        }
    }
}

void
mbox_conns_wait(struct mbox_coordinator *c)
{
    struct mbox_conns *conns = &c->conns;
    struct mbox_conn *conn;

    mbox_listeners_wait(&conns->listeners);

    LIST_FOR_EACH (conn, node, &conns->list) {
        struct pollfd pfd;

        mbox_channel_wait(conn->channel, &pfd);
        if (conn_is_throttled(conn)) {
            pfd.events &= ~POLLIN;
        } else if (conn->more || conn->why_dead) {
            poll_immediate_wake();
        }
        if (pfd.fd >= 0 && pfd.events) {
            poll_fd_wait(pfd.fd, pfd.events);
        }

        long long deadline = conn_deadline(conns, conn);
        if (deadline != LLONG_MAX) {
            poll_timer_wait_until(deadline);
        }
    }
}

void
mbox_conns_destroy(struct mbox_coordinator *c)
{
    struct mbox_conns *conns = &c->conns;
    struct mbox_conn *conn;

    LIST_FOR_EACH_SAFE (conn, node, &conns->list) {
        mbox_channel_flush(conn->channel);
        conn_die(conn, "ovs-vswitchd is exiting");
        conn_remove(c, conn);
    }
    mbox_listeners_destroy(&conns->listeners);
}
