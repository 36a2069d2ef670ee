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
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "port.h"
#include "process.h"
#include "step.h"
#include "workers.h"

#ifndef MBOX_VERSION
#define MBOX_VERSION "unknown"
#endif

#define MAX_PORTS 2
#define MAX_WORKERS 64
#define BUFFER_LIMIT (64 * 1024 * 1024)
#define TICK_NS (50 * 1000 * 1000)

/* A port without a descriptor is read again and again; after this long without
 * a packet the thread sleeps between reads, a little longer each time. */
#define BUSY_NS (50 * 1000)
#define SLEEP_MIN_NS (5 * 1000)
#define SLEEP_MAX_NS (100 * 1000)

/* While such a port has packets, descriptors are polled as often. */
#define POLL_INTERVAL_NS (10 * 1000)

struct mbox {
    struct mb_env env;
    struct mbox_ops ops;
    void *aux;

    struct mb_port *ports[MAX_PORTS];
    unsigned int n_ports;
    bool busy_poll;             /* A port has no descriptor. */

    unsigned int n_workers;
    struct mb_workers *workers; /* Null with one worker. */
    struct mb_tracker *trackers[MAX_WORKERS];
    struct mb_pending *pending[MAX_WORKERS];
    struct mb_agent *agent;     /* Null without a coordinator. */

    int wake_fd;                /* eventfd: mbox_stop(), workers. */
    int stop;                   /* Atomic. */
    int error;                  /* Of a port, for good. */
    uint64_t bad_tags;
    uint64_t next_tick;
    uint64_t last_packet;       /* Time; for busy_poll. */
    uint64_t max_sleep_ns;
    uint64_t sleep_ns;
    uint64_t last_poll;
};

static uint64_t
monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

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

/* Packets. */

/* Sends 'packet' out of packet->port; takes it over. */
static void
transmit(struct mbox *m, struct mb_packet *packet)
{
    struct mb_port *port = m->ports[packet->port];

    if (!port->ops->tx(port, packet)) {
        mb_count(&port->stats.tx_dropped, 1);
        mb_packet_free(packet);
    }
}

static void
flush_ports(struct mbox *m)
{
    for (unsigned int i = 0; i < m->n_ports; i++) {
        m->ports[i]->ops->flush(m->ports[i]);
    }
}

/* Sends, or frees, what workers are through with. */
static void
collect(struct mbox *m)
{
    struct mb_packet *packet;

    while ((packet = mb_workers_collect(m->workers))) {
        if (packet->transmit) {
            transmit(m, packet);
        } else {
            mb_packet_free(packet);
        }
    }
}

/* Has the middlebox process 'packet', now or in a worker. */
static void
deliver(struct mbox *m, struct mb_packet *packet)
{
    if (!m->workers) {
        mb_process(&m->ops, m->aux, 0, m->n_ports, m->trackers[0], packet);
        if (packet->transmit) {
            transmit(m, packet);
        } else {
            mb_packet_free(packet);
        }
        return;
    }

    unsigned int worker = mb_worker_of(&packet->key, m->n_workers);
    while (!mb_workers_push(m->workers, worker, packet)) {
        mb_workers_kick(m->workers);
        collect(m);
        sched_yield();
    }
}

static void
env_barrier(void *m_)
{
    struct mbox *m = m_;

    if (m->workers) {
        mb_workers_kick(m->workers);
        while (!mb_workers_are_idle(m->workers)) {
            collect(m);
            sched_yield();
        }
        collect(m);
    }
    flush_ports(m);
}

static void
input_tagged(struct mbox *m, struct mb_packet *packet)
{
    struct mbox_tag tag;

    if (mbox_tag_peek(packet->data, packet->len, &tag)) {
        for (struct mb_transfer *t = mb_agent_transfers(m->agent); t;
             t = t->next) {
            if (t->id == tag.id && !t->finished && !t->orphan
                && mb_transfer_recv_tagged(t, &tag, packet)) {
                return;
            }
        }
        if (tag.kind == MBOX_TAG_TRACER) {
            env_barrier(m);
            if (mb_agent_late_tracer(m->agent, &tag)) {
                mb_packet_free(packet);
                return;
            }
        }
    }
    mb_count(&m->bad_tags, 1);
    mb_packet_free(packet);
}

static void
input(struct mbox *m, struct mb_packet *packet)
{
    if (mbox_tag_is_tagged(packet->data, packet->len)) {
        input_tagged(m, packet);
        return;
    }
    mb_packet_parse(packet);
    for (struct mb_transfer *t = mb_agent_transfers(m->agent);
         __builtin_expect(t != NULL, 0); t = t->next) {
        if (mb_transfer_filter(t, packet)) {
            return;
        }
    }
    deliver(m, packet);
}

/* Reads one burst from each port that may have one.  Returns how many packets
 * came. */
static unsigned int
run_ports(struct mbox *m, const struct pollfd *pfds)
{
    unsigned int total = 0;

    for (unsigned int i = 0; i < m->n_ports; i++) {
        struct mb_packet *packets[MB_BURST];

        if (pfds[i].fd >= 0 && !pfds[i].revents) {
            continue;
        }
        int n = m->ports[i]->ops->rx(m->ports[i], packets, MB_BURST);
        if (n < 0) {
            m->error = n;
            return total;
        }
        if (n) {
            uint64_t now = monotonic();

            for (int j = 0; j < n; j++) {
                packets[j]->timestamp = now;
                packets[j]->port = i;
                input(m, packets[j]);
            }
            total += n;
            m->last_packet = now;
        }
    }
    if (m->workers) {
        mb_workers_kick(m->workers);
        collect(m);
    }
    flush_ports(m);
    return total;
}

/* What transfers need of the instance. */

static uint64_t
env_now(void *m)
{
    (void) m;
    return monotonic();
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
env_call(void *m_, unsigned int worker, mb_call_fn *fn, void *arg)
{
    struct mbox *m = m_;

    if (!m->workers) {
        fn(arg);
        return;
    }
    mb_workers_call(m->workers, worker, fn, arg);
    for (unsigned int i = 0; mb_workers_is_called(m->workers, worker); i++) {
        if (i > 100) {
            collect(m);
            sched_yield();
        }
    }
}

static void
env_process(void *m, struct mb_packet *packet)
{
    deliver(m, packet);
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
    .call = env_call,
    .barrier = env_barrier,
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

static void
agent_get_stats(void *m_, struct mbox_msg *msg)
{
    struct mbox *m = m_;
    struct mbox_stats stats;
    struct flows_call call = { .m = m };

    for (; m->ops.n_flows && call.worker < m->n_workers; call.worker++) {
        env_call(m, call.worker, call_n_flows, &call);
    }
    mbox_get_stats(m, &stats);
    msg->n_packets = stats.rx_packets;
    msg->n_bytes = stats.rx_bytes;
    msg->n_flows = call.n;
    msg->n_discarded = stats.discarded;
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
    for (unsigned int i = 0; i < m->n_ports; i++) {
        m->ports[i]->ops->close(m->ports[i]);
    }
    if (m->wake_fd >= 0) {
        close(m->wake_fd);
    }
    free(m);
}

/* Running. */

/* How long the thread may sleep, from 'now'; 0 for not at all. */
static uint64_t
sleep_time(struct mbox *m, uint64_t now)
{
    uint64_t wake = m->next_tick;

    if (wake > now && wake - now > m->max_sleep_ns) {
        wake = now + m->max_sleep_ns;
    }
    if (m->agent) {
        uint64_t agent_wake = mb_agent_wake(m->agent);

        wake = agent_wake < wake ? agent_wake : wake;
        for (struct mb_transfer *t = mb_agent_transfers(m->agent); t;
             t = t->next) {
            uint64_t t_wake = mb_transfer_wake(t);

            wake = t_wake < wake ? t_wake : wake;
        }
    }

    uint64_t ns = wake > now ? wake - now : 0;
    if (m->busy_poll) {
        if (now - m->last_packet < BUSY_NS) {
            m->sleep_ns = SLEEP_MIN_NS;
            return 0;
        }
        if (ns > m->sleep_ns) {
            ns = m->sleep_ns;
            m->sleep_ns = (2 * ns < SLEEP_MAX_NS ? 2 * ns : SLEEP_MAX_NS);
        }
    }
    return ns;
}

/* Stores what to wait for; returns how many. */
static unsigned int
fill_pollfds(struct mbox *m, struct pollfd *pfds)
{
    unsigned int n = m->n_ports + 2;

    for (unsigned int i = 0; i < m->n_ports; i++) {
        m->ports[i]->ops->wait(m->ports[i], &pfds[i]);
    }
    mb_agent_wait(m->agent, &pfds[m->n_ports]);
    pfds[m->n_ports + 1] = (struct pollfd) {
        .fd = m->wake_fd, .events = POLLIN,
    };
    for (struct mb_transfer *t = mb_agent_transfers(m->agent); t;
         t = t->next) {
        mb_transfer_wait(t, &pfds[n++]);
    }
    return n;
}

/* Waits for input.  Returns true if the coordinator's channel is ready. */
static bool
wait_input(struct mbox *m, struct pollfd *pfds)
{
    struct pollfd *control = &pfds[m->n_ports];
    struct pollfd *wake = control + 1;
    unsigned int n = fill_pollfds(m, pfds);
    uint64_t now = monotonic();
    uint64_t ns = sleep_time(m, now);
    if (!ns && m->busy_poll && now - m->last_poll < POLL_INTERVAL_NS) {
        for (unsigned int i = 0; i < n; i++) {
            pfds[i].revents = pfds[i].fd >= 0 ? POLLIN : 0;
        }
        control->revents = wake->revents = 0;
        return false;
    }
    m->last_poll = now;
    if (ns && m->workers && !mb_workers_prepare_sleep(m->workers)) {
        ns = 0;
    }

    const struct timespec timeout = {
        .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000,
    };
    if (ppoll(pfds, n, &timeout, NULL) < 0) {
        for (unsigned int i = 0; i < n; i++) {
            pfds[i].revents = 0;
        }
    }
    if (m->workers) {
        mb_workers_awake(m->workers);
    }
    if (wake->revents) {
        uint64_t count;
        ssize_t n_read = read(m->wake_fd, &count, sizeof count);

        (void) n_read;
    }
    return control->revents != 0;
}

static void
run_tick(struct mbox *m, uint64_t now)
{
    m->next_tick = now + TICK_NS;
    if (m->ops.tick && !m->workers && !mb_env_is_frozen(&m->env)) {
        m->ops.tick(m->aux, 0, now);
    }
    for (unsigned int i = 0; i < m->n_ports; i++) {
        m->ports[i]->ops->update_stats(m->ports[i]);
    }
}

static void
run_once(struct mbox *m)
{
    struct pollfd pfds[MB_STEP_FDS];
    bool control = wait_input(m, pfds);

    run_ports(m, pfds);

    uint64_t now = monotonic();
    if (m->agent) {
        if (control || now >= mb_agent_wake(m->agent)) {
            mb_agent_run(m->agent, now);
        }
        if (mb_agent_transfers(m->agent)) {
            mb_agent_run_transfers(m->agent, monotonic() + MB_SLICE_NS);
            if (m->workers) {
                mb_workers_kick(m->workers);
            }
            flush_ports(m);
            mb_agent_flush(m->agent);
        }
    }
    if (now >= m->next_tick) {
        run_tick(m, now);
        flush_ports(m);
    }
}

int
mb_step(struct mbox *m, uint64_t max_ns)
{
    m->max_sleep_ns = max_ns;
    run_once(m);
    return m->error;
}

unsigned int
mb_step_wait(struct mbox *m, struct pollfd pfds[], uint64_t *ns)
{
    m->max_sleep_ns = UINT64_MAX;
    *ns = sleep_time(m, monotonic());
    return fill_pollfds(m, pfds);
}

int
mbox_run(struct mbox *m)
{
    if (m->n_workers > 1) {
        m->workers = mb_workers_start(m->n_workers, m->n_ports, &m->ops,
                                      m->aux, m->trackers, m->wake_fd,
                                      &m->env.n_frozen);
        if (!m->workers) {
            return -EAGAIN;
        }
    }

    /* The default slack of 50 us would be added to every sleep. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE) && !m->error) {
        run_once(m);
    }

    env_barrier(m);
    mb_agent_close(m->agent);
    if (m->workers) {
        mb_workers_stop(m->workers);
        m->workers = NULL;
    }
    return m->error;
}

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

/* Calls of the middlebox. */

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
