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

/* What libmbox adds to a packet: an instance reads bursts of 32 from a port in
 * memory, the middlebox does nothing, and the port takes them back.  Prints ns
 * of CPU time per packet alone, while the flows are tracked in a transfer that
 * was prepared, and while they are being copied. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "libmbox-world.h"
#include "port.h"

#define N_FLOWS 1000
#define N_WARM 1000000
#define N_PACKETS 5000000

enum mode { ALONE, TRACKED, COPIED };

static struct {
    struct mb_port up;
    int fd;
    struct mb_packet *packets[N_FLOWS];
    unsigned int next;
    struct mbox *mbox;
    uint64_t n;
    uint64_t start, end;
    int ready;                  /* Atomic: the transfer is where it should. */
} bench;

/* CPU time of the thread, so that what else the machine does counts less. */
static uint64_t
cpu_time(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static void
bench_free(struct mb_packet *packet)
{
    (void) packet;
}

static int
bench_rx(struct mb_port *port, struct mb_packet **packets, unsigned int max)
{
    (void) port;
    for (unsigned int i = 0; i < max; i++) {
        packets[i] = bench.packets[bench.next++ % N_FLOWS];
    }
    if (__atomic_load_n(&bench.ready, __ATOMIC_ACQUIRE)) {
        if (bench.n < N_WARM && bench.n + max >= N_WARM) {
            bench.start = cpu_time();
        }
        bench.n += max;
        if (bench.n >= N_PACKETS && !bench.end) {
            bench.end = cpu_time();
            mbox_stop(bench.mbox);
        }
    }
    return max;
}

static bool
bench_tx(struct mb_port *port, struct mb_packet *packet)
{
    (void) port;
    packet->free(packet);
    return true;
}

static void
bench_nothing(struct mb_port *port)
{
    (void) port;
}

static void
bench_wait(const struct mb_port *port, struct pollfd *pfd)
{
    (void) port;
    *pfd = (struct pollfd) { .fd = bench.fd, .events = POLLIN };
}

static int
bench_open(const char *name, const struct mb_port_params *params,
           struct mb_port **portp, char **errp)
{
    static const struct mb_port_ops ops = {
        .rx = bench_rx, .tx = bench_tx, .flush = bench_nothing,
        .wait = bench_wait, .update_stats = bench_nothing,
        .close = bench_nothing,
    };

    (void) name;
    (void) params;
    (void) errp;
    bench.up.ops = &ops;
    bench.fd = eventfd(1, 0);
    *portp = &bench.up;
    return 0;
}

static enum mbox_verdict
bench_packet(void *aux, unsigned int worker, struct mbox_packet *packet)
{
    (void) aux;
    (void) worker;
    (void) packet;
    return MBOX_FORWARD;
}

struct coordinator {
    char address[64];
    struct mbox_listener *listener;
    enum mode mode;
    int stop;
};

/* Receives the next message, and reads and drops state meanwhile. Returns
 * false at the end. */
static bool
next_msg(struct coordinator *c, struct mbox_channel *control,
         struct mbox_channel *state, struct mbox_msg *msg)
{
    while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
        struct pollfd pfds[2] = { { .fd = -1 }, { .fd = -1 } };
        struct mbox_msg chunk;

        mbox_channel_run(control);
        if (!mbox_channel_recv(control, msg, NULL, NULL, NULL)) {
            return true;
        }
        mbox_channel_wait(control, &pfds[0]);
        if (state) {
            mbox_channel_run(state);
            while (!mbox_channel_recv(state, &chunk, NULL, NULL, NULL)) {
                continue;
            }
            mbox_channel_wait(state, &pfds[1]);
        }
        poll(pfds, 2, 100);
    }
    return false;
}

static void *
coordinator_main(void *c_)
{
    struct coordinator *c = c_;
    struct mbox_channel *control, *state = NULL;
    struct mbox_msg msg;
    int fds[2];

    while (!(control = mbox_listener_accept(c->listener))) {
        struct pollfd pfd;

        mbox_listener_wait(c->listener, &pfd);
        poll(&pfd, 1, 100);
    }
    next_msg(c, control, NULL, &msg);
    mbox_msg_init(&msg, MBOX_MSG_WELCOME, 0);
    msg.version = MBOX_PROTOCOL_VERSION;
    mbox_channel_send(control, &msg, NULL, -1);
    mbox_channel_flush(control);
    if (c->mode != ALONE
        && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds)) {
        state = mbox_channel_from_fd(fds[0]);
        mbox_msg_init(&msg, MBOX_MSG_PREPARE, 1);
        msg.role = MBOX_ROLE_SOURCE;
        msg.method = MBOX_METHOD_HOLD;
        msg.guarantee = MBOX_GUARANTEE_ORDER_PRESERVING;
        msg.scopes = MBOX_SCOPE_PER_FLOW;
        msg.options = MBOX_OPT_PRECOPY;
        strcpy(msg.name, "d");
        msg.space = checker_space(0);
        mbox_channel_send(control, &msg, NULL, fds[1]);
        mbox_channel_flush(control);
        next_msg(c, control, state, &msg);
    }
    if (c->mode == COPIED) {
        mbox_msg_init(&msg, MBOX_MSG_EXPORT, 1);
        mbox_channel_send(control, &msg, NULL, -1);
        mbox_channel_flush(control);
    }
    __atomic_store_n(&bench.ready, 1, __ATOMIC_RELEASE);
    while (next_msg(c, control, state, &msg)) {
        continue;
    }
    mbox_channel_close(control);
    if (state) {
        mbox_channel_close(state);
    }
    return NULL;
}

static double
run(enum mode mode, struct checker *checker)
{
    static const struct mb_port_class class = { "bench", bench_open };
    struct coordinator c = { .mode = mode };
    struct mbox_ops ops = checker_ops;
    pthread_t thread;

    snprintf(c.address, sizeof c.address, "unix:/tmp/bench-libmbox.%d",
             (int) getpid());
    if (mbox_listener_open(c.address, NULL, &c.listener, NULL)) {
        exit(1);
    }
    ops.packet = bench_packet;
    mb_port_register(&class);

    const struct mbox_options options = {
        .size = sizeof options, .name = "a", .class_name = "bench",
        .coordinator = c.address, .ports = { "bench:" }, .n_ports = 1,
    };
    bench.n = bench.start = bench.end = 0;
    bench.ready = 0;
    if (mbox_create(&options, &ops, checker, &bench.mbox, NULL)) {
        exit(1);
    }
    pthread_create(&thread, NULL, coordinator_main, &c);
    mbox_run(bench.mbox);
    __atomic_store_n(&c.stop, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    mbox_destroy(bench.mbox);
    mbox_listener_close(c.listener);
    close(bench.fd);
    return (bench.end - bench.start) / (double) (N_PACKETS - N_WARM);
}

int
main(void)
{
    static const char *names[] = {
        "no transfer", "tracked", "pre-copy",
    };
    struct checker checker;

    checker_init(&checker);
    for (uint32_t i = 0; i < N_FLOWS; i++) {
        uint8_t frame[CHECKER_FRAME];
        struct mbox_key key = checker_key(i);

        checker_frame(frame, i, 1, i % 2);
        bench.packets[i] = mb_packet_new(frame, sizeof frame);
        bench.packets[i]->free = bench_free;
        checker_flow(&checker.w[0], &key, true);
    }
    for (int mode = ALONE; mode <= COPIED; mode++) {
        printf("%-12s %7.1f ns per packet\n", names[mode],
               run(mode, &checker));
    }
    for (uint32_t i = 0; i < N_FLOWS; i++) {
        free(bench.packets[i]);
    }
    checker_uninit(&checker);
    return 0;
}
