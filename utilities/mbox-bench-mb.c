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

/* mbox-bench-mb: a middlebox with much state, to measure with
 * ===========================================================
 *
 * Keeps any number of flows of any size, which exist from the start and are
 * never changed by packets, and forwards every packet.  They are UDP flows of
 * a source in 10.0.1.0/24, numbered by their keys, so that the middlebox need
 * not look them up: what a move of its state takes is the library's work.
 *
 * With --plain-copy it measures instead how long it takes to send so many
 * bytes from one process to another through a socket of the kind that state
 * goes through.  The sender reads them from as much memory as the state of the
 * flows takes.  The receiver stores them in memory that it has not used before
 * ("seconds"), because that is where moved state goes: at an instance that had
 * no flows, the system has to provide each page at its first use, which is
 * most of the time that such a copy takes.  "seconds_warm" is with memory
 * that was used before.  For the same reason this middlebox returns the memory
 * of states when its last flow has left.
 *
 * With --processor, each of the two processes has a processor of its own.  The
 * scheduler may otherwise put both on the same one, where they wait for each
 * other, and leave them there for as long as all of it takes. */

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "mbox-bench-forward.h"
#include "mbox.h"

struct bench {
    uint8_t *pool;              /* 'size' bytes of state for each flow. */
    bool *present;              /* One for each flow. */
    struct mbox_key *keys;      /* Of each number, whether present or not. */
    size_t max;
    size_t size;
    uint64_t n_present;
    bool used;                  /* Memory of 'pool' is in use. */
};

static struct mbox *running;
static cpu_set_t processors;    /* That the program may use. */
static int processor = -1;      /* Number of the one to stay on; -1: any. */

/* Stores the canonical key of the flow number 'n'. */
static void
key_of(size_t n, struct mbox_key *key)
{
    *key = (struct mbox_key) {
        .src = { [10] = 0xff, [11] = 0xff, 10, 0, 1, 200 },
        .dst = { [10] = 0xff, [11] = 0xff, 10, 1, n / 65535 >> 8, n / 65535 },
        .src_port = 1 + n % 65535, .dst_port = 9,
        .vlan = MBOX_VLAN_NONE, .family = 4, .proto = 17,
    };
}

/* Stores the number of the flow with 'key'.  Returns false if there can be
 * none. */
static bool
number_of(const struct bench *b, const struct mbox_key *key, size_t *n)
{
    *n = ((size_t) key->dst[14] << 8 | key->dst[15]) * 65535 + key->src_port
         - 1;
    return *n < b->max && mbox_key_equal(key, &b->keys[*n]);
}

static int
put(void *b_, unsigned int worker __attribute__((unused)),
    const struct mbox_key *key, const void *data, size_t len,
    enum mbox_put_mode mode __attribute__((unused)))
{
    struct bench *b = b_;
    size_t n;

    if (len != b->size || !number_of(b, key, &n)) {
        return -EINVAL;
    }
    memcpy(b->pool + n * b->size, data, len);
    b->n_present += !b->present[n];
    b->present[n] = true;
    b->used = true;
    return 0;
}

static int
get(void *b_, unsigned int worker __attribute__((unused)),
    const struct mbox_key *key, struct mbox_chunk *chunk)
{
    const struct bench *b = b_;
    size_t n;

    if (!number_of(b, key, &n) || !b->present[n]) {
        return -ENOENT;
    }
    mbox_chunk_append(chunk, b->pool + n * b->size, b->size);
    return 0;
}

static int
del(void *b_, unsigned int worker __attribute__((unused)),
    const struct mbox_key *key)
{
    struct bench *b = b_;
    size_t n;

    if (!number_of(b, key, &n) || !b->present[n]) {
        return -ENOENT;
    }
    b->present[n] = false;
    b->n_present--;
    return 0;
}

/* When no flow is left, the memory of states goes back to the system, so that
 * those that come another time need new memory, as at an instance that is
 * new. */
static void
tick(void *b_, unsigned int worker __attribute__((unused)),
     uint64_t now __attribute__((unused)))
{
    struct bench *b = b_;

    if (b->used && !b->n_present) {
        madvise(b->pool, b->max * b->size, MADV_DONTNEED);
        b->used = false;
    }
}

static int
list(void *b_, unsigned int worker __attribute__((unused)),
     const struct mbox_space *space, mbox_list_cb *cb, void *cb_aux)
{
    const struct bench *b = b_;

    for (size_t n = 0; n < b->max; n++) {
        if (b->present[n] && mbox_space_match(space, &b->keys[n])) {
            int error = cb(&b->keys[n], cb_aux);

            if (error) {
                return error;
            }
        }
    }
    return 0;
}

static enum mbox_verdict
packet(void *aux __attribute__((unused)),
       unsigned int worker __attribute__((unused)),
       struct mbox_packet *p __attribute__((unused)))
{
    return MBOX_FORWARD;
}

static uint64_t
n_flows(void *b_, unsigned int worker __attribute__((unused)))
{
    const struct bench *b = b_;

    return b->n_present;
}

static void
make_flows(struct bench *b, size_t n_flows)
{
    uint8_t *data = calloc(1, b->size);

    for (size_t n = 0; data && n < n_flows; n++) {
        memcpy(data, &n, b->size < sizeof n ? b->size : sizeof n);
        put(b, 0, &b->keys[n], data, b->size, MBOX_PUT_REPLACE);
    }
    free(data);
}

/* Lets the process run only on number 'n' of the processors that the program
 * may use, if there are as many; on any if 'n' is negative. */
static void
stay_on_processor(int n)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (n >= 0 && CPU_ISSET(cpu, &processors) && !n--) {
            cpu_set_t one;

            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}

/* Receives 'n' bytes into memory that is new, or if 'warm' is true in use
 * already, as the state of flows arrives at a middlebox.  Writes a byte when
 * it is ready, and another one when it has all.  Returns the exit status. */
static int
receive_copy(int fd, size_t n, bool warm)
{
    uint8_t *all = malloc(n);

    if (!all) {
        return 1;
    }
    if (warm) {
        memset(all, 1, n);
    }
    if (write(fd, "", 1) != 1) {
        return 1;
    }
    for (size_t got = 0; got < n; ) {
        ssize_t m = read(fd, all + got, n - got);

        if (m <= 0) {
            return 1;
        }
        got += m;
    }
    return write(fd, "", 1) != 1;
}

/* Sends 'n' bytes, which lie in memory as the state of flows does, to a child
 * process, and stores how long that took until the child had all, in seconds.
 * Returns 0 or a positive errno value. */
static int
time_copy(size_t n, bool warm, double *seconds)
{
    enum { BLOCK = 256 * 1024 };
    struct timespec begin, end;
    uint8_t *all = malloc(n);
    int fds[2];
    char c;

    if (!all || socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
        free(all);
        return errno;
    }
    memset(all, 1, n);

    pid_t pid = fork();
    if (!pid) {
        free(all);
        close(fds[0]);
        stay_on_processor(processor < 0 ? -1 : processor + 1);
        _exit(receive_copy(fds[1], n, warm));
    }
    close(fds[1]);
    stay_on_processor(processor);
    int error = pid < 0 ? errno : 0;
    if (!error && read(fds[0], &c, 1) != 1) {
        error = EPIPE;
    }
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (size_t sent = 0; !error && sent < n; ) {
        size_t left = n - sent;
        ssize_t m = send(fds[0], all + sent, left < BLOCK ? left : BLOCK,
                         MSG_NOSIGNAL);

        if (m <= 0) {
            error = errno;
        }
        sent += m;
    }
    if (!error && read(fds[0], &c, 1) != 1) {
        error = EPIPE;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    *seconds = (end.tv_sec - begin.tv_sec
                + (end.tv_nsec - begin.tv_nsec) / 1e9);
    close(fds[0]);
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    free(all);
    return error;
}

static int
plain_copy(size_t n)
{
    double fresh, warm;

    int error = time_copy(n, false, &fresh);
    error = error ? error : time_copy(n, true, &warm);
    if (error) {
        fprintf(stderr, "mbox-bench-mb: %s\n", strerror(error));
        return 1;
    }
    printf("{\"bytes\": %zu, \"seconds\": %.9f, \"seconds_warm\": %.9f}\n",
           n, fresh, warm);
    return 0;
}

static void
stop(int signum __attribute__((unused)))
{
    mbox_stop(running);
}

static void __attribute__((noreturn))
usage(void)
{
    printf("\
mbox-bench-mb: a middlebox with much state, for mbox-bench\n\
usage: mbox-bench-mb [OPTION...] --name=NAME --port=PORT [--port=PORT]\n\
       mbox-bench-mb [--processor=N] --plain-copy=BYTES\n\
       mbox-bench-mb --plain-forward=INTERFACE\n\
  --class=CLASS     class of the instance (default: bench)\n\
  --coordinator=ADDRESS  of the switch; without it works alone\n\
  --dpdk-args=ARGS  arguments of DPDK, for ports dpdk:NAME\n\
  --flows=N         number of flows that exist (default: 0)\n\
  --max-flows=N     number of flows there is room for (default: 200000)\n\
  --size=BYTES      size of the state of a flow (default: 256)\n\
  --processor=N     stay on the N-th of the processors, from 0; the other\n\
                    end of a copy stays on the next one\n");
    exit(0);
}

int
main(int argc, char *argv[])
{
    enum { NAME = 1, CLASS, PORT, DPDK_ARGS, COORDINATOR, FLOWS, MAX, SIZE,
           PROCESSOR, COPY, FORWARD, HELP };
    static const struct option long_options[] = {
        {"name", required_argument, NULL, NAME},
        {"class", required_argument, NULL, CLASS},
        {"port", required_argument, NULL, PORT},
        {"dpdk-args", required_argument, NULL, DPDK_ARGS},
        {"coordinator", required_argument, NULL, COORDINATOR},
        {"flows", required_argument, NULL, FLOWS},
        {"max-flows", required_argument, NULL, MAX},
        {"size", required_argument, NULL, SIZE},
        {"processor", required_argument, NULL, PROCESSOR},
        {"plain-copy", required_argument, NULL, COPY},
        {"plain-forward", required_argument, NULL, FORWARD},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    static const struct mbox_state_ops per_flow = { list, get, put, del };
    static const struct mbox_ops ops = {
        .packet = packet, .tick = tick, .per_flow = &per_flow,
        .n_flows = n_flows,
    };
    struct mbox_options o = {
        .size = sizeof o, .class_name = "bench", .product = "mbox-bench-mb",
    };
    struct bench b = { .size = 256 };
    size_t flows = 0, max = 200000;
    char *error;
    int c;

    CPU_ZERO(&processors);
    sched_getaffinity(0, sizeof processors, &processors);
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case NAME: o.name = optarg; break;
        case CLASS: o.class_name = optarg; break;
        case PORT:
            if (o.n_ports < 2) {
                o.ports[o.n_ports++] = optarg;
            }
            break;
        case DPDK_ARGS: o.dpdk_args = optarg; break;
        case COORDINATOR: o.coordinator = optarg; break;
        case FLOWS: flows = strtoull(optarg, NULL, 10); break;
        case MAX: max = strtoull(optarg, NULL, 10); break;
        case SIZE: b.size = strtoull(optarg, NULL, 10); break;
        case PROCESSOR: processor = atoi(optarg); break;
        case COPY: return plain_copy(strtoull(optarg, NULL, 10));
        case FORWARD: return plain_forward(optarg);
        case HELP: usage();
        default: return 2;
        }
    }

    stay_on_processor(processor);
    b.max = flows > max ? flows : max;
    b.present = calloc(b.max, sizeof *b.present);
    b.keys = calloc(b.max, sizeof *b.keys);
    b.pool = mmap(NULL, b.max * b.size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!b.present || !b.keys || b.pool == MAP_FAILED) {
        fprintf(stderr, "mbox-bench-mb: out of memory\n");
        return 1;
    }
    for (size_t n = 0; n < b.max; n++) {
        key_of(n, &b.keys[n]);
    }
    make_flows(&b, flows);

    o.schema = b.size;
    if (mbox_create(&o, &ops, &b, &running, &error)) {
        fprintf(stderr, "mbox-bench-mb: %s\n", error);
        return 1;
    }

    struct sigaction action = { .sa_handler = stop };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    c = mbox_run(running);
    mbox_destroy(running);
    munmap(b.pool, b.max * b.size);
    free(b.keys);
    free(b.present);
    return c != 0;
}
