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
 * never changed by packets, and forwards every packet.  Their keys are UDP flows
 * of sources in 10.0.1.0/24. With --plain-copy it measures instead how long it
 * takes to send so many bytes from one process to another through a socket
 * of the kind that state goes through. */

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "mbox.h"

/* An open-addressed table of flows.  Slots are found by the key alone; a
 * deleted flow stays in its slot, marked as absent. */
struct slot {
    struct mbox_key key;
    bool used, present;
    uint8_t *data;
};

struct bench {
    struct slot *slots;
    size_t n_slots;             /* A power of 2. */
    uint64_t n_present;
    size_t size;
};

static struct mbox *running;

static struct slot *
find_slot(struct bench *b, const struct mbox_key *key)
{
    uint32_t i = mbox_key_hash(key, 0);

    for (;; i++) {
        struct slot *slot = &b->slots[i & (b->n_slots - 1)];

        if (!slot->used || mbox_key_equal(&slot->key, key)) {
            return slot;
        }
    }
}

static int
put(void *b_, unsigned int worker __attribute__((unused)),
    const struct mbox_key *key, const void *data, size_t len,
    enum mbox_put_mode mode __attribute__((unused)))
{
    struct bench *b = b_;
    struct slot *slot;

    if (len != b->size) {
        return -EINVAL;
    }
    slot = find_slot(b, key);
    if (!slot->used && b->n_present >= b->n_slots / 2) {
        return -ENOSPC;
    }
    if (!slot->data) {
        slot->data = malloc(b->size);
        if (!slot->data) {
            return -ENOMEM;
        }
    }
    memcpy(slot->data, data, len);
    slot->key = *key;
    slot->used = true;
    b->n_present += !slot->present;
    slot->present = true;
    return 0;
}

static int
get(void *b_, unsigned int worker __attribute__((unused)),
    const struct mbox_key *key, struct mbox_chunk *chunk)
{
    struct bench *b = b_;
    struct slot *slot = find_slot(b, key);

    if (!slot->present) {
        return -ENOENT;
    }
    mbox_chunk_append(chunk, slot->data, b->size);
    return 0;
}

static int
del(void *b_, unsigned int worker __attribute__((unused)),
    const struct mbox_key *key)
{
    struct bench *b = b_;
    struct slot *slot = find_slot(b, key);

    if (!slot->present) {
        return -ENOENT;
    }
    slot->present = false;
    b->n_present--;
    return 0;
}

static int
list(void *b_, unsigned int worker __attribute__((unused)),
     const struct mbox_space *space, mbox_list_cb *cb, void *cb_aux)
{
    struct bench *b = b_;

    for (size_t i = 0; i < b->n_slots; i++) {
        const struct slot *slot = &b->slots[i];

        if (slot->present && mbox_space_match(space, &slot->key)) {
            int error = cb(&slot->key, cb_aux);

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
make_flows(struct bench *b, size_t n)
{
    uint8_t *data = calloc(1, b->size);

    for (size_t i = 0; i < n; i++) {
        struct mbox_key key = {
            .src = { [10] = 0xff, [11] = 0xff, 10, 0, 1, 200 },
            .dst = { [10] = 0xff, [11] = 0xff, 10, 1, i / 65535 >> 8,
                     i / 65535 },
            .src_port = 1 + i % 65535, .dst_port = 9,
            .vlan = MBOX_VLAN_NONE, .family = 4, .proto = 17,
        };

        mbox_key_canonical(&key, &key);
        memcpy(data, &i, b->size < sizeof i ? b->size : sizeof i);
        put(b, 0, &key, data, b->size, MBOX_PUT_REPLACE);
    }
    free(data);
}

/* Sends 'n' bytes to a child process, which writes each block to memory of its
 * own, and prints how long that took until the child had all. */
static int
plain_copy(size_t n)
{
    enum { BLOCK = 256 * 1024 };
    struct timespec begin, end;
    char *block = malloc(BLOCK);
    char *all = malloc(n);
    int fds[2];
    pid_t pid;
    char c;

    if (!block || !all || socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
        perror("mbox-bench-mb");
        return 1;
    }
    memset(block, 1, BLOCK);
    memset(all, 0, n);
    pid = fork();
    if (!pid) {
        for (size_t got = 0; got < n; ) {
            ssize_t m = read(fds[1], all + got, n - got);

            if (m <= 0) {
                _exit(1);
            }
            got += m;
        }
        _exit(write(fds[1], "", 1) != 1);
    }
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (size_t sent = 0; sent < n; ) {
        size_t left = n - sent;
        ssize_t m = write(fds[0], block, left < BLOCK ? left : BLOCK);

        if (m <= 0) {
            perror("write");
            return 1;
        }
        sent += m;
    }
    if (read(fds[0], &c, 1) != 1) {
        perror("read");
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    waitpid(pid, NULL, 0);
    printf("{\"bytes\": %zu, \"seconds\": %.9f}\n", n,
           (end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) / 1e9);
    free(block);
    free(all);
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
usage: mbox-bench-mb --name=NAME --port=PORT --coordinator=ADDRESS [OPTION...]\n\
       mbox-bench-mb --plain-copy=BYTES\n\
  --class=CLASS     class of the instance (default: bench)\n\
  --flows=N         number of flows that exist (default: 0)\n\
  --max-flows=N     number of flows there is room for (default: 200000)\n\
  --size=BYTES      size of the state of a flow (default: 256)\n");
    exit(0);
}

int
main(int argc, char *argv[])
{
    enum { NAME = 1, CLASS, PORT, COORDINATOR, FLOWS, MAX, SIZE, COPY, HELP };
    static const struct option long_options[] = {
        {"name", required_argument, NULL, NAME},
        {"class", required_argument, NULL, CLASS},
        {"port", required_argument, NULL, PORT},
        {"coordinator", required_argument, NULL, COORDINATOR},
        {"flows", required_argument, NULL, FLOWS},
        {"max-flows", required_argument, NULL, MAX},
        {"size", required_argument, NULL, SIZE},
        {"plain-copy", required_argument, NULL, COPY},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    static const struct mbox_state_ops per_flow = { list, get, put, del };
    static const struct mbox_ops ops = {
        .packet = packet, .per_flow = &per_flow, .n_flows = n_flows,
    };
    struct mbox_options o = {
        .size = sizeof o, .class_name = "bench", .product = "mbox-bench-mb",
    };
    struct bench b = { .n_slots = 1, .size = 256 };
    size_t flows = 0, max = 200000;
    char *error;
    int c;

    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case NAME: o.name = optarg; break;
        case CLASS: o.class_name = optarg; break;
        case PORT: o.ports[0] = optarg; o.n_ports = 1; break;
        case COORDINATOR: o.coordinator = optarg; break;
        case FLOWS: flows = strtoull(optarg, NULL, 10); break;
        case MAX: max = strtoull(optarg, NULL, 10); break;
        case SIZE: b.size = strtoull(optarg, NULL, 10); break;
        case COPY: return plain_copy(strtoull(optarg, NULL, 10));
        case HELP: usage();
        default: return 2;
        }
    }

    while (b.n_slots < 2 * (flows > max ? flows : max)) {
        b.n_slots *= 2;
    }
    b.slots = calloc(b.n_slots, sizeof *b.slots);
    if (!b.slots) {
        fprintf(stderr, "mbox-bench-mb: out of memory\n");
        return 1;
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
    for (size_t i = 0; i < b.n_slots; i++) {
        free(b.slots[i].data);
    }
    free(b.slots);
    return c != 0;
}
