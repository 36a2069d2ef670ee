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

/* mbox-bench-watch: when processors stood still
 * =============================================
 *
 *     mbox-bench-watch PRIORITY
 *
 * Has a thread of real-time priority PRIORITY on each processor that it may
 * use, which wakes up every INTERVAL_NS.  Until a signal; then it prints, for
 * each time that a thread came late by LATE_NS or more, a line with the
 * processor, when the thread should have run and when it did (CLOCK_MONOTONIC,
 * ns).  Then nothing of a lower priority ran on that processor either,
 * whatever the reason: the host of a virtual machine did not run it, or
 * another program was in a part of the kernel that lets nobody else run, or
 * the kernel gave programs of no real-time priority their share.
 *
 * Where timers are slow, as in a virtual machine, the threads take some 3 % of
 * each processor. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define INTERVAL_NS 500000
#define LATE_NS 100000
#define MAX_DELAYS 65536            /* Of one processor. */

struct delay {
    int64_t due, ran;
};

struct watch {
    int processor;
    pthread_t thread;
    size_t n;
    struct delay delays[MAX_DELAYS];
};

static volatile sig_atomic_t stopped;

static void
die(const char *what, int error)
{
    fprintf(stderr, "mbox-bench-watch: %s: %s\n", what, strerror(error));
    exit(1);
}

static void
stop(int signum __attribute__((unused)))
{
    stopped = 1;
}

static int64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void *
watch_processor(void *w_)
{
    struct watch *w = w_;
    int64_t due = now_ns();

    while (!stopped && w->n < MAX_DELAYS) {
        struct timespec ts;
        int64_t ran;

        due += INTERVAL_NS;
        ts.tv_sec = due / NS_PER_S;
        ts.tv_nsec = due % NS_PER_S;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
        ran = now_ns();
        if (ran - due >= LATE_NS) {
            w->delays[w->n++] = (struct delay) { due, ran };
            due = ran;
        }
    }
    return NULL;
}

/* Starts the thread of 'w'. */
static void
start(struct watch *w, int priority)
{
    struct sched_param param = { .sched_priority = priority };
    pthread_attr_t attr;
    cpu_set_t set;
    int error;

    CPU_ZERO(&set);
    CPU_SET(w->processor, &set);
    pthread_attr_init(&attr);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
    pthread_attr_setaffinity_np(&attr, sizeof set, &set);
    error = pthread_attr_setschedparam(&attr, &param);
    if (!error) {
        error = pthread_create(&w->thread, &attr, watch_processor, w);
    }
    if (error) {
        die("cannot start a thread of this priority", error);
    }
    pthread_attr_destroy(&attr);
}

int
main(int argc, char *argv[])
{
    struct watch *watches[CPU_SETSIZE];
    struct sigaction action = { .sa_handler = stop };
    int n = 0, status = 0;
    cpu_set_t processors;

    if (argc != 2) {
        fprintf(stderr, "usage: mbox-bench-watch PRIORITY\n");
        return 1;
    }
    if (sched_getaffinity(0, sizeof processors, &processors)) {
        die("sched_getaffinity", errno);
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &processors)) {
            watches[n] = calloc(1, sizeof *watches[n]);
            if (!watches[n]) {
                die("calloc", ENOMEM);
            }
            watches[n++]->processor = i;
        }
    }
    /* A thread that waits for its own memory comes late. */
    if (mlockall(MCL_CURRENT | MCL_FUTURE)) {
        die("mlockall", errno);
    }
    for (int i = 0; i < n; i++) {
        start(watches[i], atoi(argv[1]));
    }
    for (int i = 0; i < n; i++) {
        const struct watch *w = watches[i];

        pthread_join(w->thread, NULL);
        for (size_t j = 0; j < w->n; j++) {
            printf("%d %"PRId64" %"PRId64"\n", w->processor, w->delays[j].due,
                   w->delays[j].ran);
        }
        if (w->n == MAX_DELAYS) {
            fprintf(stderr, "mbox-bench-watch: processor %d stands still all "
                    "the time\n", w->processor);
            status = 1;
        }
        free(watches[i]);
    }
    return status;
}
