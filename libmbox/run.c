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

#include <sched.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "mbox-private.h"
#include "step.h"

#define TICK_NS (50 * 1000 * 1000)

/* A port without a descriptor is read again and again; after this long without
 * a packet the thread sleeps between reads, a little longer each time. */
#define BUSY_NS (50 * 1000)
#define SLEEP_MIN_NS (5 * 1000)
#define SLEEP_MAX_NS (100 * 1000)

/* While such a port has packets, descriptors are polled as often, and while
 * another port has more of them than a burst, which takes longer. */
#define POLL_INTERVAL_NS (10 * 1000)
#define FULL_INTERVAL_NS (250 * 1000)

uint64_t
mb_monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
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

void
mb_deliver(struct mbox *m, struct mb_packet *packet)
{
    if (!m->workers) {
        mb_process(&m->ops, m->aux, 0, m->n_ports,
                   m->tells_changes ? NULL : m->trackers[0], packet);
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

void
mb_barrier(void *m_)
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

void
mb_call_worker(void *m_, unsigned int worker, mb_call_fn *fn, void *arg)
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
            mb_barrier(m);
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
    mb_deliver(m, packet);
}

/* Reads one burst from each port that may have one.  Returns how many packets
 * came. */
static unsigned int
run_ports(struct mbox *m, const struct pollfd *pfds)
{
    unsigned int total = 0;

    for (unsigned int i = 0; i < m->n_ports; i++) {
        struct mb_packet *packets[MB_BURST];

        if (pfds[i].fd >= 0 && !pfds[i].revents && !m->ports[i]->more) {
            continue;
        }
        int n = m->ports[i]->ops->rx(m->ports[i], packets, MB_BURST);
        if (n < 0) {
            m->error = n;
            return total;
        }
        if (n) {
            uint64_t now = mb_monotonic();

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

/* Running. */

/* True if a port was not read to its end. */
static bool
has_more(const struct mbox *m)
{
    bool more = false;

    for (unsigned int i = 0; i < m->n_ports; i++) {
        more |= m->ports[i]->more;
    }
    return more;
}

/* How long the thread may sleep, from 'now'; 0 for not at all. */
static uint64_t
sleep_time(struct mbox *m, uint64_t now)
{
    uint64_t wake = m->next_tick;

    if (has_more(m)) {
        return 0;
    }
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
    unsigned int n = m->n_ports + 3;

    for (unsigned int i = 0; i < m->n_ports; i++) {
        m->ports[i]->ops->wait(m->ports[i], &pfds[i]);
    }
    mb_agent_wait(m->agent, &pfds[m->n_ports]);
    pfds[m->n_ports + 1] = (struct pollfd) {
        .fd = m->wake_fd, .events = POLLIN,
    };
    pfds[m->n_ports + 2] = (struct pollfd) {
        .fd = m->watch_fd, .events = POLLIN,
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
    uint64_t now = mb_monotonic();
    uint64_t ns = sleep_time(m, now);
    uint64_t interval = (m->busy_poll ? POLL_INTERVAL_NS
                         : has_more(m) ? FULL_INTERVAL_NS : 0);
    if (!ns && now - m->last_poll < interval) {
        for (unsigned int i = 0; i < n; i++) {
            pfds[i].revents = pfds[i].fd >= 0 ? POLLIN : 0;
        }
        control->revents = wake->revents = wake[1].revents = 0;
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
    if (pfds[m->n_ports + 2].revents) {
        m->ready(m->aux);
        flush_ports(m);
    }

    uint64_t now = mb_monotonic();
    if (m->agent) {
        if (control || now >= mb_agent_wake(m->agent)) {
            mb_agent_run(m->agent, now);
        }
        if (mb_agent_transfers(m->agent)) {
            mb_agent_run_transfers(m->agent, mb_monotonic() + MB_SLICE_NS);
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

void
mb_step_tell_changes(struct mbox *m)
{
    m->tells_changes = true;
}

void
mb_step_only_look(struct mbox *m)
{
    for (unsigned int i = 0; i < m->n_ports; i++) {
        m->ports[i]->passes_whole = true;
    }
}

void
mb_step_lose_changes(struct mbox *m)
{
    for (struct mb_tracker *t = m->trackers[0]; t; t = t->next) {
        t->failed = true;
    }
}

bool
mb_step_is_tracked(const struct mbox *m)
{
    return m->trackers[0] != NULL;
}

bool
mb_step_is_dirty(const struct mbox *m, enum mbox_state_scope scope,
                 const struct mbox_key *key)
{
    for (const struct mb_tracker *t = m->trackers[0]; t; t = t->next) {
        if (!mb_tracker_is_marked(t, scope, key)) {
            return false;
        }
    }
    return true;
}

bool
mb_step_expect(const struct mbox *m, enum mbox_state_scope scope,
               const struct mbox_key *key, uint32_t *hash)
{
    bool is_dirty = true;

    for (const struct mb_tracker *t = m->trackers[0]; t; t = t->next) {
        if (!mb_tracker_is_marked(t, scope, key)) {
            *hash = mb_table_prefetch(&t->table, scope, key);
            is_dirty = false;
        }
    }
    return is_dirty;
}

void
mb_step_expect_soon(const struct mbox *m, uint32_t hash)
{
    for (const struct mb_tracker *t = m->trackers[0]; t; t = t->next) {
        mb_table_prefetch_entry(&t->table, hash);
    }
}

unsigned int
mb_step_wait(struct mbox *m, struct pollfd pfds[], uint64_t *ns)
{
    m->max_sleep_ns = UINT64_MAX;
    *ns = sleep_time(m, mb_monotonic());
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

    mb_barrier(m);
    mb_agent_close(m->agent);
    if (m->workers) {
        mb_workers_stop(m->workers);
        m->workers = NULL;
    }
    return m->error;
}
