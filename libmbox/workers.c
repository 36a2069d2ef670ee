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

#include "workers.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

#define TICK_NS (50 * 1000 * 1000)

/* Times that a worker looks for work before it sleeps. */
#define SPINS 200

/* One producer, one consumer. */
struct ring {
    struct mb_packet *slots[MB_RING_SIZE];
    uint32_t head __attribute__((aligned(64)));     /* Consumer's. */
    uint32_t tail __attribute__((aligned(64)));     /* Producer's. */
};

struct worker {
    struct mb_workers *workers;
    unsigned int index;
    pthread_t thread;
    struct ring in, out;
    uint64_t n_pushed;          /* The I/O thread's. */
    uint64_t n_kicked;          /* 'n_pushed' when it was last woken. */

    uint64_t n_processed __attribute__((aligned(64)));
    uint32_t sleeping;          /* Futex: 1 while it sleeps or is about to. */
    void (*fn)(void *);         /* To call; null when done. */
    void *arg;
};

struct mb_workers {
    unsigned int n;
    unsigned int n_started;
    unsigned int next;          /* To collect from. */
    unsigned int n_ports;
    const struct mbox_ops *ops;
    void *aux;
    struct mb_tracker **trackers;
    int wake_fd;
    const unsigned int *n_frozen;
    int stop;                   /* Atomic. */
    int io_sleeping;            /* Atomic. */
    struct worker *w;
};

static bool
ring_push(struct ring *ring, struct mb_packet *packet)
{
    uint32_t tail = ring->tail;

    if (tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE)
        == MB_RING_SIZE) {
        return false;
    }
    ring->slots[tail % MB_RING_SIZE] = packet;
    __atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
    return true;
}

static struct mb_packet *
ring_pop(struct ring *ring)
{
    uint32_t head = ring->head;

    if (head == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) {
        return NULL;
    }
    struct mb_packet *packet = ring->slots[head % MB_RING_SIZE];
    __atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
    return packet;
}

static bool
ring_is_empty(const struct ring *ring)
{
    return (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE)
            == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE));
}

static uint64_t
monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

/* Sleeping: whoever is about to sleep exchanges its flag with 1 and then looks
 * for work once more; whoever has work for it stores that and then modifies
 * the flag.  Both are modifications of one object, so one comes first: if the
 * sleeper's does, the other sees the flag; if not, the sleeper sees the
 * work. */

/* Wakes 'w' if it sleeps, after something was stored for it. */
static void
wake_worker(struct worker *w)
{
    if (__atomic_exchange_n(&w->sleeping, 0, __ATOMIC_ACQ_REL)) {
        syscall(SYS_futex, &w->sleeping, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static bool
has_work(const struct worker *w)
{
    return (!ring_is_empty(&w->in)
            || __atomic_load_n(&w->fn, __ATOMIC_ACQUIRE)
            || __atomic_load_n(&w->workers->stop, __ATOMIC_ACQUIRE));
}

/* Sleeps until there is work, or for 'ns' at most. */
static void
worker_sleep(struct worker *w, uint64_t ns)
{
    const struct timespec timeout = { .tv_nsec = ns };

    __atomic_exchange_n(&w->sleeping, 1, __ATOMIC_ACQ_REL);
    if (!has_work(w)) {
        syscall(SYS_futex, &w->sleeping, FUTEX_WAIT_PRIVATE, 1, &timeout,
                NULL, 0);
    }
    __atomic_store_n(&w->sleeping, 0, __ATOMIC_RELAXED);
}

static void
wake_io(struct mb_workers *ws)
{
    if (__atomic_exchange_n(&ws->io_sleeping, 0, __ATOMIC_ACQ_REL)) {
        const uint64_t one = 1;
        ssize_t n = write(ws->wake_fd, &one, sizeof one);

        (void) n;               /* It can fail only if it is readable. */
    }
}

static void
process_one(struct worker *w, struct mb_packet *packet)
{
    struct mb_workers *ws = w->workers;

    mb_process(ws->ops, ws->aux, w->index, ws->n_ports,
               ws->trackers[w->index], packet);
    while (!ring_push(&w->out, packet)) {
        if (__atomic_load_n(&ws->stop, __ATOMIC_ACQUIRE)) {
            mb_packet_free(packet);     /* The I/O thread is waiting. */
            break;
        }
        wake_io(ws);
        sched_yield();
    }
    __atomic_store_n(&w->n_processed, w->n_processed + 1, __ATOMIC_RELEASE);
}

static void *
worker_main(void *w_)
{
    struct worker *w = w_;
    struct mb_workers *ws = w->workers;
    uint64_t next_tick = 0;
    unsigned int idle = 0;

    while (!__atomic_load_n(&ws->stop, __ATOMIC_ACQUIRE)) {
        void (*fn)(void *) = __atomic_load_n(&w->fn, __ATOMIC_ACQUIRE);
        if (fn) {
            fn(w->arg);
            __atomic_store_n(&w->fn, NULL, __ATOMIC_RELEASE);
            wake_io(ws);
            idle = 0;
        }

        struct mb_packet *packet;
        unsigned int n = 0;
        while (n < 32 && (packet = ring_pop(&w->in))) {
            process_one(w, packet);
            n++;
        }
        if (n) {
            wake_io(ws);
            idle = 0;
        } else {
            idle++;
        }

        uint64_t now = monotonic();
        if (now >= next_tick) {
            if (ws->ops->tick
                && !__atomic_load_n(ws->n_frozen, __ATOMIC_ACQUIRE)) {
                ws->ops->tick(ws->aux, w->index, now);
            }
            next_tick = now + TICK_NS;
        }
        if (idle > SPINS) {
            worker_sleep(w, next_tick - now);
        }
    }
    return NULL;
}

struct mb_workers *
mb_workers_start(unsigned int n, unsigned int n_ports,
                 const struct mbox_ops *ops, void *aux,
                 struct mb_tracker **trackers, int wake_fd,
                 const unsigned int *n_frozen)
{
    struct mb_workers *ws = calloc(1, sizeof *ws);
    void *memory;

    if (!ws || posix_memalign(&memory, 64, n * sizeof *ws->w)) {
        free(ws);
        return NULL;
    }
    memset(memory, 0, n * sizeof *ws->w);
    ws->w = memory;
    ws->n = n;
    ws->n_ports = n_ports;
    ws->ops = ops;
    ws->aux = aux;
    ws->trackers = trackers;
    ws->wake_fd = wake_fd;
    ws->n_frozen = n_frozen;
    for (unsigned int i = 0; i < n; i++) {
        ws->w[i].workers = ws;
        ws->w[i].index = i;
        if (pthread_create(&ws->w[i].thread, NULL, worker_main, &ws->w[i])) {
            mb_workers_stop(ws);
            return NULL;
        }
        ws->n_started++;
    }
    return ws;
}

void
mb_workers_stop(struct mb_workers *ws)
{
    __atomic_store_n(&ws->stop, 1, __ATOMIC_SEQ_CST);
    for (unsigned int i = 0; i < ws->n_started; i++) {
        wake_worker(&ws->w[i]);
        pthread_join(ws->w[i].thread, NULL);
    }
    for (unsigned int i = 0; i < ws->n; i++) {
        struct mb_packet *packet;

        while ((packet = ring_pop(&ws->w[i].in))
               || (packet = ring_pop(&ws->w[i].out))) {
            mb_packet_free(packet);
        }
    }
    free(ws->w);
    free(ws);
}

bool
mb_workers_push(struct mb_workers *ws, unsigned int worker,
                struct mb_packet *packet)
{
    struct worker *w = &ws->w[worker];

    if (!ring_push(&w->in, packet)) {
        return false;
    }
    w->n_pushed++;
    return true;
}

void
mb_workers_kick(struct mb_workers *ws)
{
    for (unsigned int i = 0; i < ws->n; i++) {
        struct worker *w = &ws->w[i];

        if (w->n_kicked != w->n_pushed) {
            w->n_kicked = w->n_pushed;
            wake_worker(w);
        }
    }
}

struct mb_packet *
mb_workers_collect(struct mb_workers *ws)
{
    for (unsigned int i = 0; i < ws->n; i++) {
        struct mb_packet *packet = ring_pop(&ws->w[ws->next].out);
        if (packet) {
            return packet;
        }
        ws->next = (ws->next + 1) % ws->n;
    }
    return NULL;
}

bool
mb_workers_are_idle(const struct mb_workers *ws)
{
    for (unsigned int i = 0; i < ws->n; i++) {
        if (__atomic_load_n(&ws->w[i].n_processed, __ATOMIC_ACQUIRE)
            != ws->w[i].n_pushed) {
            return false;
        }
    }
    return true;
}

void
mb_workers_call(struct mb_workers *ws, unsigned int worker,
                void (*fn)(void *), void *arg)
{
    struct worker *w = &ws->w[worker];

    w->arg = arg;
    __atomic_store_n(&w->fn, fn, __ATOMIC_RELEASE);
    wake_worker(w);
}

bool
mb_workers_is_called(const struct mb_workers *ws, unsigned int worker)
{
    return __atomic_load_n(&ws->w[worker].fn, __ATOMIC_ACQUIRE) != NULL;
}

bool
mb_workers_give(struct mb_workers *ws, unsigned int worker,
                struct mb_packet *packet)
{
    if (!ring_push(&ws->w[worker].out, packet)) {
        return false;
    }
    wake_io(ws);
    return true;
}

bool
mb_workers_prepare_sleep(struct mb_workers *ws)
{
    __atomic_exchange_n(&ws->io_sleeping, 1, __ATOMIC_ACQ_REL);
    for (unsigned int i = 0; i < ws->n; i++) {
        if (!ring_is_empty(&ws->w[i].out)) {
            mb_workers_awake(ws);
            return false;
        }
    }
    return true;
}

void
mb_workers_awake(struct mb_workers *ws)
{
    __atomic_store_n(&ws->io_sleeping, 0, __ATOMIC_RELAXED);
}
