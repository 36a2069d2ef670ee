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

#include "mbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "mbox-private.h"

#ifndef MBOX_VERSION
#define MBOX_VERSION "unknown"
#endif

#define BUFFER_LIMIT (64 * 1024 * 1024)

const char *
mbox_version(void)
{
    return MBOX_VERSION;
}

static void
mbox_log(struct mbox *m, int level, const char *message)
{
    if (m->ops.log) {
        m->ops.log(m->aux, level, message);
    } else {
        fprintf(stderr, "%s: %s\n", m->env.name, message);
    }
}

/* What transfers need of the instance. */

static uint64_t
env_now(void *m)
{
    (void) m;
    return mb_monotonic();
}

static void
env_control_send(void *m_, const struct mbox_msg *msg,
                 const struct mbox_key *keys)
{
    struct mbox *m = m_;

    mb_agent_send(m->agent, msg, keys);
}

static void
env_control_flush(void *m_)
{
    struct mbox *m = m_;

    mb_agent_flush(m->agent);
}

static size_t
env_control_backlog(void *m_)
{
    struct mbox *m = m_;

    return mb_agent_backlog(m->agent);
}

static void
env_process(void *m, struct mb_packet *packet)
{
    mb_deliver(m, packet);
}

static bool
env_transmit(void *m_, struct mb_packet *packet)
{
    struct mbox *m = m_;
    struct mb_port *port = m->ports[packet->port];

    return port->ops->tx(port, packet);
}

static void
env_log(void *m, int level, const char *message)
{
    mbox_log(m, level, message);
}

static const struct mb_env_ops env_ops = {
    .now = env_now,
    .control_send = env_control_send,
    .control_flush = env_control_flush,
    .control_backlog = env_control_backlog,
    .call = mb_call_worker,
    .barrier = mb_barrier,
    .process = env_process,
    .transmit = env_transmit,
    .log = env_log,
};

/* Figures. */

void
mbox_get_stats(const struct mbox *m, struct mbox_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    for (unsigned int i = 0; i < m->n_ports; i++) {
        const struct mb_port_stats *s = &m->ports[i]->stats;

        stats->rx_packets += mb_counter(&s->rx_packets);
        stats->rx_bytes += mb_counter(&s->rx_bytes);
        stats->rx_dropped += mb_counter(&s->rx_dropped);
        stats->tx_packets += mb_counter(&s->tx_packets);
        stats->tx_bytes += mb_counter(&s->tx_bytes);
        stats->tx_dropped += mb_counter(&s->tx_dropped);
    }
    stats->bad_tags = mb_counter(&m->bad_tags);
    stats->returned = mb_counter(&m->env.returned);
    stats->discarded = mb_counter(&m->env.discarded);
    stats->replayed = mb_counter(&m->env.replayed);
}

struct flows_call {
    struct mbox *m;
    unsigned int worker;
    uint64_t n;
};

static void
call_n_flows(void *call_)
{
    struct flows_call *call = call_;

    call->n += call->m->ops.n_flows(call->m->aux, call->worker);
}

/* Processor time that the process has taken, in ns. */
static uint64_t
get_cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static void
agent_get_stats(void *m_, struct mbox_msg *msg)
{
    struct mbox *m = m_;
    struct mbox_stats stats;
    struct flows_call call = { .m = m };

    for (; m->ops.n_flows && call.worker < m->n_workers; call.worker++) {
        mb_call_worker(m, call.worker, call_n_flows, &call);
    }
    mbox_get_stats(m, &stats);
    msg->n_packets = stats.rx_packets;
    msg->n_bytes = stats.rx_bytes;
    msg->n_flows = m->ops.n_flows ? call.n : UINT64_MAX;
    msg->n_discarded = stats.discarded;
    msg->cpu_ns = get_cpu_ns();
    msg->clock_ns = mb_monotonic();
}

/* Creation. */

static int
create_failed(struct mbox *m, char **errp, int error, const char *text)
{
    if (errp && !*errp && text) {
        *errp = strdup(text);
    }
    mbox_destroy(m);
    return error;
}

/* Returns null, or what is wrong with the arguments. */
static const char *
check_options(const struct mbox_options *o, const struct mbox_ops *ops)
{
    if (o->size != sizeof *o) {
        return "mbox_options.size: the program was built with another "
               "version of libmbox";
    }
    if (!o->name || !mbox_name_is_valid(o->name)) {
        return "mbox_options.name: 1 to 63 of A-Z a-z 0-9 _ . - are needed";
    }
    if (!o->class_name || !mbox_name_is_valid(o->class_name)) {
        return "mbox_options.class_name: 1 to 63 of A-Z a-z 0-9 _ . - are "
               "needed";
    }
    if (o->n_ports < 1 || o->n_ports > MAX_PORTS || !o->ports[0]
        || (o->n_ports > 1 && !o->ports[1])) {
        return "mbox_options.ports: one or two are needed";
    }
    if (o->n_workers > MAX_WORKERS) {
        return "mbox_options.n_workers: at most 64";
    }
    if (!ops->packet) {
        return "mbox_ops.packet is required";
    }

    const struct mbox_state_ops *state[] = {
        ops->per_flow, ops->multi_flow, ops->all_flows, ops->config,
    };
    for (size_t i = 0; i < 4; i++) {
        if (state[i] && (!state[i]->get || !state[i]->put || !state[i]->del
                         || (i < 2 && !state[i]->list))) {
            return "mbox_state_ops: get, put and del, and for per-flow and "
                   "multi-flow state list, are required";
        }
    }
    return NULL;
}

static void
init_env(struct mbox *m, const struct mbox_options *o)
{
    struct mb_env *env = &m->env;

    env->ops = &env_ops;
    env->aux = m;
    env->mb_ops = &m->ops;
    env->mb_aux = m->aux;
    env->n_workers = m->n_workers;
    env->trackers = m->trackers;
    env->pending = m->pending;
    env->schema = o->schema;
    env->buffer_limit = o->buffer_limit ? o->buffer_limit : BUFFER_LIMIT;
    strcpy(env->name, o->name);
    strcpy(env->class_name, o->class_name);
}

static int
open_ports(struct mbox *m, const struct mbox_options *o, char **errp)
{
    const struct mb_port_params params = {
        .n_packets = 256 + (m->n_workers > 1
                            ? 2 * MB_RING_SIZE * m->n_workers : 0),
        .dpdk_args = o->dpdk_args,
    };

    for (unsigned int i = 0; i < o->n_ports; i++) {
        struct pollfd pfd;

        int error = mb_port_open(o->ports[i], &params, &m->ports[i], errp);
        if (error) {
            return error;
        }
        m->n_ports++;
        m->ports[i]->ops->wait(m->ports[i], &pfd);
        m->busy_poll |= pfd.fd < 0;
    }
    return 0;
}

int
mbox_create(const struct mbox_options *o, const struct mbox_ops *ops,
            void *aux, struct mbox **mp, char **errp)
{
    const char *wrong = check_options(o, ops);
    struct mbox *m = NULL;

    *mp = NULL;
    if (errp) {
        *errp = NULL;
    }
    if (wrong) {
        return create_failed(NULL, errp, -EINVAL, wrong);
    }
    m = calloc(1, sizeof *m);
    if (!m) {
        return create_failed(NULL, errp, -ENOMEM, "out of memory");
    }

    m->ops = *ops;
    m->aux = aux;
    m->n_workers = o->n_workers ? o->n_workers : 1;
    m->max_sleep_ns = UINT64_MAX;
    init_env(m, o);
    m->watch_fd = -1;
    m->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->wake_fd < 0) {
        return create_failed(m, errp, -errno, "cannot make an eventfd");
    }

    int error = open_ports(m, o, errp);
    if (error) {
        return create_failed(m, errp, error, strerror(-error));
    }
    if (o->coordinator) {
        const struct mb_agent_config config = {
            .address = o->coordinator,
            .private_key = o->private_key,
            .certificate = o->certificate,
            .ca_cert = o->ca_cert,
            .product = o->product,
            .scopes = mb_state_scopes(ops),
            .get_stats = agent_get_stats,
            .aux = m,
        };
        m->agent = mb_agent_create(&m->env, &config);
        if (!m->agent) {
            return create_failed(m, errp, -ENOMEM, "out of memory");
        }
    }
    *mp = m;
    return 0;
}

void
mbox_destroy(struct mbox *m)
{
    if (!m) {
        return;
    }
    mb_agent_destroy(m->agent);
    mb_copied_destroy(&m->env.copied);
    free(m->env.layout);
    free(m->env.outputs);
    for (unsigned int i = 0; i < m->n_ports; i++) {
        m->ports[i]->ops->close(m->ports[i]);
    }
    if (m->wake_fd >= 0) {
        close(m->wake_fd);
    }
    free(m);
}

/* Calls of the middlebox. */

void
mbox_stop(struct mbox *m)
{
    const uint64_t one = 1;
    int saved_errno = errno;

    __atomic_store_n(&m->stop, 1, __ATOMIC_RELEASE);
    ssize_t n = write(m->wake_fd, &one, sizeof one);
    (void) n;                   /* It can fail only if it is readable. */
    errno = saved_errno;
}

void
mbox_dirty(struct mbox *m, unsigned int worker, enum mbox_state_scope scope,
           const struct mbox_key *key)
{
    for (struct mb_tracker *t = m->trackers[worker];
         __builtin_expect(t != NULL, 0); t = t->next) {
        mb_tracker_mark(t, scope, key);
    }
}

void
mbox_alias(struct mbox *m, unsigned int worker, const struct mbox_key *key,
           const struct mbox_key *alias)
{
    for (struct mb_tracker *t = m->trackers[worker];
         __builtin_expect(t != NULL, 0); t = t->next) {
        mb_tracker_alias(t, key, alias);
    }
}

bool
mbox_is_pending(const struct mbox *m, unsigned int worker,
                const struct mbox_key *key)
{
    return (__builtin_expect(m->pending[worker] != NULL, 0)
            && mb_pending_contains(m->pending[worker], key));
}

bool
mbox_is_frozen(const struct mbox *m, const struct mbox_key *key)
{
    return (__builtin_expect(mb_env_is_frozen(&m->env), 0)
            && mb_agent_is_frozen(m->agent, key));
}

void
mbox_watch(struct mbox *m, int fd, void (*ready)(void *aux))
{
    m->watch_fd = fd;
    m->ready = ready;
}

int
mbox_set_layout(struct mbox *m, const char *layout)
{
    char *copy = strdup(layout);

    if (!copy) {
        return -ENOMEM;
    }
    free(m->env.layout);
    m->env.layout = copy;
    return 0;
}

int
mbox_set_outputs(struct mbox *m, const char *const *names, unsigned int n)
{
    char *list = calloc(1, MBOX_TEXT_MAX + 1);
    size_t len = 0;

    if (!list) {
        return -ENOMEM;
    }
    for (unsigned int i = 0; i < n; i++) {
        if (!mbox_name_is_valid(names[i])
            || len + 1 + strlen(names[i]) > MBOX_TEXT_MAX) {
            free(list);
            return -EINVAL;
        }
        len += sprintf(list + len, "%s%s", i ? "," : "", names[i]);
    }
    free(m->env.outputs);
    m->env.outputs = list;
    return 0;
}

int
mbox_send(struct mbox *m, unsigned int worker, unsigned int port,
          const void *frame, size_t len)
{
    if (port >= m->n_ports || len < 14 || len > MB_FRAME_MAX) {
        return -EINVAL;
    }

    struct mb_packet *packet = mb_packet_new(frame, len);
    if (!packet) {
        return -ENOMEM;
    }
    packet->port = port;
    packet->transmit = true;
    if (!m->workers) {
        if (!m->ports[port]->ops->tx(m->ports[port], packet)) {
            mb_packet_free(packet);
            return -EMSGSIZE;
        }
    } else if (!mb_workers_give(m->workers, worker, packet)) {
        mb_packet_free(packet);
        return -EAGAIN;
    }
    return 0;
}
