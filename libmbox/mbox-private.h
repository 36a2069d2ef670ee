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

#ifndef MB_MBOX_PRIVATE_H
#define MB_MBOX_PRIVATE_H 1

/* An instance of libmbox: mbox.c makes it and is what transfers and the
 * middlebox call, run.c is its loop.  The thread of mbox_run() owns it, but
 * for the members that say otherwise. */

#include "mbox.h"
#include "port.h"
#include "process.h"
#include "workers.h"

#define MAX_PORTS 2
#define MAX_WORKERS 64

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
    bool tells_changes;         /* mb_step_tell_changes() was called. */
    struct mb_pending *pending[MAX_WORKERS];
    struct mb_agent *agent;     /* Null without a coordinator. */

    int wake_fd;                /* eventfd: mbox_stop(), workers. */
    int watch_fd;               /* The middlebox's own, or -1. */
    void (*ready)(void *aux);   /* To be called when it is readable. */
    int stop;                   /* Atomic. */
    int error;                  /* Of a port, for good. */
    uint64_t bad_tags;
    uint64_t next_tick;
    uint64_t last_packet;       /* Time; for busy_poll. */
    uint64_t max_sleep_ns;
    uint64_t sleep_ns;
    uint64_t last_poll;
};

/* Of CLOCK_MONOTONIC, in ns. */
uint64_t mb_monotonic(void);

/* Has the middlebox process 'packet', now or in a worker; takes it over. */
void mb_deliver(struct mbox *, struct mb_packet *packet);

/* Calls 'fn' in 'worker', between two packets; returns when it has
 * returned. */
void mb_call_worker(void *mbox, unsigned int worker, mb_call_fn *, void *arg);

/* Returns when all packets that were delivered are processed and sent. */
void mb_barrier(void *mbox);

#endif /* mbox-private.h */
