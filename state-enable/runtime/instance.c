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

#include "instance.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "heap.h"
#include "mbox.h"
#include "program-state.h"
#include "state-tcp.h"
#include "step.h"

#define IDLE_NS UINT64_C(1000000000)
#define TAKEN_MAX 64

struct st_instance {
    struct mbox *mbox;
    struct st *st;
    st_packet_fn *packet;
    st_take_fn *take;           /* Instead. */
    void *aux;
    struct mbox_key taken[TAKEN_MAX];   /* Flows of packets in the last step */
    unsigned int n_taken;       /* that were taken; TAKEN_MAX: there may have
                                 * been more. */
    int epoll_fd, timer_fd;
    int polled[MB_STEP_FDS];    /* In the epoll set. */
    unsigned int n_polled;
    bool is_ready;              /* The timer has been set off. */
};

static const char *
setting(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

bool
st_instance_is_wanted(void)
{
    return setting("MBOX_NAME") != NULL;
}

static void __attribute__((constructor))
start_tracking(void)
{
    if (st_instance_is_wanted()) {
        st_heap_track();
    }
}

static void
log_message(void *aux, const char *message)
{
    (void) aux;
    fprintf(stderr, "%s: state: %s\n", mbox_state_program.name, message);
}

/* What libmbox asks. */

struct listing {
    const struct mbox_space *space;
    mbox_list_cb *cb;
    void *aux;
};

static int
list_flow(const struct mbox_key *key, void *l_)
{
    const struct listing *l = l_;

    return mbox_space_match(l->space, key) ? l->cb(key, l->aux) : 0;
}

static int
list_host(const struct mbox_key *key, void *l_)
{
    const struct listing *l = l_;

    return (mbox_space_match_host(l->space, key->family, key->src)
            != MBOX_MATCH_NONE ? l->cb(key, l->aux) : 0);
}

static int
get(struct st_instance *in, bool per_flow, const struct mbox_key *key,
    struct mbox_chunk *chunk)
{
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    int error = ((mbox_chunk_is_look(chunk) ? st_look : st_get)
                 (in->st, per_flow, key, mbox_chunk_output(chunk), &w));
    if (!error) {
        mbox_chunk_append(chunk, w.data, w.len);
    } else {
        mbox_chunk_explain(chunk, st_why(in->st));
    }
    mbox_writer_uninit(&w);
    return error;
}

static int
flow_list(void *in_, unsigned int worker, const struct mbox_space *space,
          mbox_list_cb *cb, void *aux)
{
    struct st_instance *in = in_;
    struct listing l = { space, cb, aux };

    (void) worker;
    return st_list(in->st, true, list_flow, &l);
}

static int
flow_get(void *in_, unsigned int worker, const struct mbox_key *key,
         struct mbox_chunk *chunk)
{
    struct st_instance *in = in_;

    (void) worker;
    st_set_running(in->st, !mbox_is_frozen(in->mbox, key));
    return get(in, true, key, chunk);
}

static int
flow_put(void *in_, unsigned int worker, const struct mbox_key *key,
         const void *data, size_t len, enum mbox_put_mode mode)
{
    struct st_instance *in = in_;

    (void) worker;
    return st_put(in->st, true, key, data, len, mode == MBOX_PUT_MERGE);
}

static int
flow_del(void *in_, unsigned int worker, const struct mbox_key *key)
{
    struct st_instance *in = in_;

    (void) worker;
    return st_del(in->st, true, key);
}

static int
host_list(void *in_, unsigned int worker, const struct mbox_space *space,
          mbox_list_cb *cb, void *aux)
{
    struct st_instance *in = in_;
    struct listing l = { space, cb, aux };

    (void) worker;
    return st_list(in->st, false, list_host, &l);
}

static int
host_get(void *in, unsigned int worker, const struct mbox_key *key,
         struct mbox_chunk *chunk)
{
    (void) worker;
    return get(in, false, key, chunk);
}

static int
host_put(void *in_, unsigned int worker, const struct mbox_key *key,
         const void *data, size_t len, enum mbox_put_mode mode)
{
    struct st_instance *in = in_;

    (void) worker;
    return st_put(in->st, false, key, data, len, mode == MBOX_PUT_MERGE);
}

static int
host_del(void *in_, unsigned int worker, const struct mbox_key *key)
{
    struct st_instance *in = in_;

    (void) worker;
    return st_del(in->st, false, key);
}

static const struct mbox_state_ops flow_ops = {
    .list = flow_list, .get = flow_get, .put = flow_put, .del = flow_del,
};
static const struct mbox_state_ops host_ops = {
    .list = host_list, .get = host_get, .put = host_put, .del = host_del,
};

static enum mbox_state_scope
scope_of(bool per_flow)
{
    return per_flow ? MBOX_STATE_PER_FLOW : MBOX_STATE_MULTI_FLOW;
}

/* A flow or a host that a packet may change. */
struct expected {
    struct mbox_key key;
    uint32_t hash;
    bool per_flow;
    bool dirty;                 /* Known to be in the queue already. */
};

/* Lists what a packet may change: its flow, and its hosts, of which the
 * library does not know what the program keeps.  Returns how many these
 * are. */
static unsigned int
list_expected(const struct mbox_key *key, struct expected e[3])
{
    for (int i = 1; i < 3; i++) {
        e[i].key = (struct mbox_key) { .family = key->family };
        memcpy(e[i].key.src, i == 1 ? key->src : key->dst,
               sizeof e[i].key.src);
        e[i].per_flow = false;
    }
    return key->family ? 3 : 1;
}

static void
expect_changes(const struct st_instance *in, const struct mbox_key *key,
               struct expected e[], unsigned int n)
{
    mbox_key_canonical(key, &e[0].key);
    e[0].per_flow = true;
    for (unsigned int i = 0; i < n; i++) {
        e[i].dirty = mb_step_expect(in->mbox, scope_of(e[i].per_flow),
                                    &e[i].key, &e[i].hash);
    }
}

/* After the packet. */
static void
note_changes(struct st_instance *in, const struct expected e[], unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        if (!e[i].dirty) {
            mb_step_expect_soon(in->mbox, e[i].hash);
        }
    }
    st_step(in->st);
    for (unsigned int i = 0; i < n; i++) {
        if (!e[i].dirty
            && !mb_step_is_dirty(in->mbox, scope_of(e[i].per_flow), &e[i].key)
            && st_is_changed_by_packet(in->st, e[i].per_flow, &e[i].key)) {
            mbox_dirty(in->mbox, 0, scope_of(e[i].per_flow), &e[i].key);
        }
    }
}

static void
touch_hosts(struct st_instance *in, const struct expected e[], unsigned int n)
{
    for (unsigned int i = 1; i < n; i++) {
        st_touch(in->st, &e[i].key);
    }
}

/* After a packet: its flow and its hosts may have changed. */
static void
note_key(struct st_instance *in, const struct mbox_key *key)
{
    struct expected e[3];
    unsigned int n = list_expected(key, e);

    if (mb_step_is_tracked(in->mbox)) {
        expect_changes(in, key, e, n);
        note_changes(in, e, n);
    }
    touch_hosts(in, e, n);
}

/* Of a program that has its packets from the kernel.  What hooks save may
 * change now, what the program keeps after the step. */
static enum mbox_verdict
take(struct st_instance *in, const struct mbox_packet *p)
{
    if (!in->take(in->aux, p)) {
        return MBOX_FORWARD;
    }
    note_key(in, &p->key);
    if (in->n_taken < TAKEN_MAX
        && (!in->n_taken
            || !mbox_key_equal(&in->taken[in->n_taken - 1], &p->key))) {
        in->taken[in->n_taken++] = p->key;
    }
    return MBOX_DROP;
}

static enum mbox_verdict
packet(void *in_, unsigned int worker, struct mbox_packet *p)
{
    struct st_instance *in = in_;
    bool tracked = mb_step_is_tracked(in->mbox);
    struct expected e[3];

    (void) worker;
    st_resume_flow(in->st, &p->key);
    if (in->take) {
        return take(in, p);
    }
    unsigned int n = list_expected(&p->key, e);
    if (tracked) {
        expect_changes(in, &p->key, e, n);
    }
    st_wait(in->st, false);
    in->packet(in->aux, p->data, p->len, p->timestamp);
    st_wait(in->st, true);
    st_slots_step(in->st);
    if (tracked) {
        note_changes(in, e, n);
    }
    touch_hosts(in, e, n);
    st_packet_ends(in->st);
    return mbox_state_program.sends ? MBOX_DROP : MBOX_FORWARD;
}

/* The program ended a flow or forgot a host, by a packet of another one. */
static void
on_end(bool per_flow, const struct mbox_key *key, void *in_)
{
    struct st_instance *in = in_;

    mbox_dirty(in->mbox, 0, scope_of(per_flow), key);
}

/* The program wrote to a flow or a host.  If it does so to a flow that stands
 * still, by a timer, that comes too late: the destination has its last
 * state. */
static void
on_change(bool per_flow, const struct mbox_key *key, void *in_)
{
    struct st_instance *in = in_;

    if (!per_flow || !mbox_is_frozen(in->mbox, key)) {
        on_end(per_flow, key, in);
    }
}

static int
change_flow(const struct mbox_key *key, void *in)
{
    on_change(true, key, in);
    return 0;
}

static int
change_host(const struct mbox_key *key, void *in)
{
    on_change(false, key, in);
    return 0;
}

/* The program has had the packets of the last step, or some of them. */
static void
note_taken(struct st_instance *in)
{
    st_slots_step(in->st);
    for (unsigned int i = 0; i < in->n_taken; i++) {
        if (!mbox_is_frozen(in->mbox, &in->taken[i])) {
            note_key(in, &in->taken[i]);
        }
    }
    if (mb_step_is_tracked(in->mbox)
        && (st_changed_any(in->st) || in->n_taken == TAKEN_MAX)
        && (st_list(in->st, true, change_flow, in)
            || st_list(in->st, false, change_host, in))) {
        mb_step_lose_changes(in->mbox);
    }
    in->n_taken = 0;
    st_packet_ends(in->st);
}

static uint64_t
n_flows(void *in_, unsigned int worker)
{
    struct st_instance *in = in_;

    (void) worker;
    return st_count(in->st, true);
}

/* Polling. */

static void
poll_for(struct st_instance *in, const struct pollfd *pfd)
{
    struct epoll_event event = { .events = pfd->events,
                                 .data.fd = pfd->fd };

    if (epoll_ctl(in->epoll_fd, EPOLL_CTL_MOD, pfd->fd, &event)) {
        epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, pfd->fd, &event);
    }
}

/* Brings the epoll set up to date with what the library waits for.  As long as
 * it does not wait that is the timer. */
static void
update_polled(struct st_instance *in)
{
    struct pollfd pfds[MB_STEP_FDS];
    uint64_t ns;
    unsigned int n = mb_step_wait(in->mbox, pfds, &ns);
    unsigned int n_polled = 0;

    if (!ns && in->is_ready) {
        return;
    }
    in->is_ready = !ns;
    for (unsigned int i = 0; i < in->n_polled; i++) {
        bool still = false;

        for (unsigned int j = 0; j < n; j++) {
            still |= pfds[j].fd == in->polled[i];
        }
        if (!still) {           /* Fails if it was closed: no matter. */
            epoll_ctl(in->epoll_fd, EPOLL_CTL_DEL, in->polled[i], NULL);
        }
    }
    for (unsigned int i = 0; i < n; i++) {
        if (pfds[i].fd >= 0) {
            poll_for(in, &pfds[i]);
            in->polled[n_polled++] = pfds[i].fd;
        }
    }
    in->n_polled = n_polled;

    ns = ns > IDLE_NS ? IDLE_NS : ns ? ns : 1;
    const struct itimerspec timer = {
        .it_value = { .tv_sec = ns / IDLE_NS, .tv_nsec = ns % IDLE_NS },
    };
    timerfd_settime(in->timer_fd, 0, &timer, NULL);
}

/* Whether a flow that stands still is on its way. */
static bool
is_away(const struct mbox_key *key, void *in_)
{
    struct st_instance *in = in_;

    return (mbox_is_frozen(in->mbox, key)
            || mbox_is_pending(in->mbox, 0, key));
}

int
st_instance_step(struct st_instance *in, uint64_t ns)
{
    st_step(in->st);
    st_wait(in->st, true);
    if (in->take) {
        note_taken(in);
    }
    int error = mb_step(in->mbox, ns);

    st_resume(in->st, is_away, in);
    mbox_state_tcp_step();
    if (!mb_step_is_tracked(in->mbox)) {
        st_track_none(in->st);
    }
    st_wait(in->st, false);
    update_polled(in);
    return error;
}

int
st_instance_fd(const struct st_instance *in)
{
    return in->epoll_fd;
}

/* Opening. */

static bool
open_poll(struct st_instance *in)
{
    in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    in->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (in->epoll_fd < 0 || in->timer_fd < 0) {
        return false;
    }
    const struct pollfd timer = { .fd = in->timer_fd, .events = POLLIN };
    poll_for(in, &timer);
    return true;
}

static int
open_mbox(struct st_instance *in, const char *interface, char **error)
{
    const struct mbox_ops ops = {
        .packet = packet, .n_flows = n_flows,
        .per_flow = &flow_ops, .multi_flow = &host_ops,
    };
    const char *class_name = setting("MBOX_CLASS");
    const char *ports[2] = { setting("MBOX_PORT"), NULL };
    char port[256];

    if (!ports[0]) {
        snprintf(port, sizeof port, "afpacket:%s", interface);
        ports[0] = port;
    }
    const struct mbox_options options = {
        .size = sizeof options,
        .name = setting("MBOX_NAME"),
        .class_name = class_name ? class_name : mbox_state_program.name,
        .product = mbox_state_program.name,
        .schema = ST_SCHEMA,
        .coordinator = setting("MBOX_COORDINATOR"),
        .private_key = setting("MBOX_PRIVATE_KEY"),
        .certificate = setting("MBOX_CERTIFICATE"),
        .ca_cert = setting("MBOX_CA_CERT"),
        .dpdk_args = setting("MBOX_DPDK_ARGS"),
        .ports = { ports[0], ports[1] },
        .n_ports = 1,
    };
    return mbox_create(&options, &ops, in, &in->mbox, error);
}

static struct st_instance *
open_instance(const char *interface, st_packet_fn *packet_fn,
              st_take_fn *take_fn, void *aux, char **error)
{
    struct st_instance *in = calloc(1, sizeof *in);

    *error = NULL;
    if (in) {
        in->packet = packet_fn;
        in->take = take_fn;
        in->aux = aux;
        in->epoll_fd = in->timer_fd = -1;
        in->st = st_create(&mbox_state_program, log_message, NULL);
    }
    if (!in || !in->st || !open_poll(in) || open_mbox(in, interface, error)) {
        if (!*error) {
            *error = strdup("out of memory or descriptors");
        }
        st_instance_close(in);
        return NULL;
    }
    if (mbox_set_outputs(in->mbox, mbox_state_program.outputs,
                         mbox_state_program.n_outputs)) {
        fprintf(stderr, "%s: state: its output functions cannot be "
                "announced: too many, or out of memory\n",
                mbox_state_program.name);
    }
    if (mbox_state_program.layout
        && mbox_set_layout(in->mbox, mbox_state_program.layout)) {
        fprintf(stderr, "%s: state: mbox-state(8) will print bytes: out of "
                "memory\n", mbox_state_program.name);
    }
    st_on_end(in->st, on_end, in);
    st_on_change(in->st, on_change, in);
    mb_step_tell_changes(in->mbox);
    if (!mbox_state_program.sends) {
        mb_step_only_look(in->mbox);
    }
    update_polled(in);
    return in;
}

struct st_instance *
st_instance_open(const char *interface, st_packet_fn *packet_fn, void *aux,
                 char **error)
{
    return open_instance(interface, packet_fn, NULL, aux, error);
}

struct st_instance *
st_instance_open_later(st_take_fn *take_fn, void *aux, char **error)
{
    return open_instance("", NULL, take_fn, aux, error);
}

void
st_instance_close(struct st_instance *in)
{
    if (in) {
        mbox_destroy(in->mbox);
        st_destroy(in->st);
        if (in->epoll_fd >= 0) {
            close(in->epoll_fd);
        }
        if (in->timer_fd >= 0) {
            close(in->timer_fd);
        }
        free(in);
    }
}

int
st_instance_send(struct st_instance *in, const void *frame, size_t len)
{
    return mbox_send(in->mbox, 0, 0, frame, len);
}

void
st_instance_stats(const struct st_instance *in, uint64_t *received,
                  uint64_t *dropped)
{
    struct mbox_stats stats;

    mbox_get_stats(in->mbox, &stats);
    *received = stats.rx_packets;
    *dropped = stats.rx_dropped;
}
