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

/* The smallest useful middlebox: counts the packets and bytes of each flow and
 * passes them on.  Its state moves with the flows.
 *
 *     example NAME COORDINATOR PORT [PORT]
 *
 * e.g. "example count1 unix:/var/run/openvswitch/mbox.sock afpacket:eth1".  On
 * SIGUSR1 and at its end it prints a line per flow. */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbox.h>

#define N_BUCKETS 65536         /* A power of 2. */

struct flow {
    struct flow *next;
    struct mbox_key key;        /* Canonical. */
    uint64_t packets;
    uint64_t bytes;
};

/* What a flow's chunk consists of, big-endian. */
struct wire {
    uint8_t packets[8];
    uint8_t bytes[8];
};

struct counter {
    struct flow *buckets[N_BUCKETS];
    uint64_t n_flows;
};

static struct mbox *mbox;
static volatile sig_atomic_t print_wanted;

static void
put_be64(uint8_t p[8], uint64_t x)
{
    for (int i = 7; i >= 0; i--) {
        p[i] = x;
        x >>= 8;
    }
}

static uint64_t
get_be64(const uint8_t p[8])
{
    uint64_t x = 0;

    for (int i = 0; i < 8; i++) {
        x = x << 8 | p[i];
    }
    return x;
}

/* Returns the link that points to the flow 'key', or to where it belongs. */
static struct flow **
find(struct counter *c, const struct mbox_key *key)
{
    struct flow **p = &c->buckets[mbox_key_hash(key, 0) & (N_BUCKETS - 1)];

    while (*p && !mbox_key_equal(&(*p)->key, key)) {
        p = &(*p)->next;
    }
    return p;
}

static struct flow *
find_or_add(struct counter *c, const struct mbox_key *key)
{
    struct flow **p = find(c, key);

    if (!*p) {
        *p = calloc(1, sizeof **p);
        if (*p) {
            (*p)->key = *key;
            c->n_flows++;
        }
    }
    return *p;
}

static enum mbox_verdict
packet(void *c, unsigned int worker, struct mbox_packet *p)
{
    struct mbox_key key;

    (void) worker;
    mbox_key_canonical(&p->key, &key);
    if (key.family) {
        struct flow *flow = find_or_add(c, &key);

        if (flow) {
            flow->packets++;
            flow->bytes += p->len;
        }
    }
    return MBOX_FORWARD;
}

static int
list(void *c_, unsigned int worker, const struct mbox_space *space,
     mbox_list_cb *cb, void *aux)
{
    struct counter *c = c_;

    (void) worker;
    for (size_t i = 0; i < N_BUCKETS; i++) {
        for (struct flow *flow = c->buckets[i]; flow; flow = flow->next) {
            if (mbox_space_match(space, &flow->key)) {
                int error = cb(&flow->key, aux);
                if (error) {
                    return error;
                }
            }
        }
    }
    return 0;
}

static int
get(void *c, unsigned int worker, const struct mbox_key *key,
    struct mbox_chunk *chunk)
{
    const struct flow *flow = *find(c, key);
    struct wire wire;

    (void) worker;
    if (!flow) {
        return -ENOENT;
    }
    put_be64(wire.packets, flow->packets);
    put_be64(wire.bytes, flow->bytes);
    mbox_chunk_append(chunk, &wire, sizeof wire);
    return 0;
}

static int
put(void *c, unsigned int worker, const struct mbox_key *key,
    const void *data, size_t len, enum mbox_put_mode mode)
{
    struct wire wire;

    (void) worker;
    (void) mode;                /* Per-flow state always replaces. */
    if (len != sizeof wire) {
        return -EINVAL;
    }
    memcpy(&wire, data, sizeof wire);

    struct flow *flow = find_or_add(c, key);
    if (!flow) {
        return -ENOMEM;
    }
    flow->packets = get_be64(wire.packets);
    flow->bytes = get_be64(wire.bytes);
    return 0;
}

static int
del(void *c_, unsigned int worker, const struct mbox_key *key)
{
    struct counter *c = c_;
    struct flow **p = find(c, key);
    struct flow *flow = *p;

    (void) worker;
    if (!flow) {
        return -ENOENT;
    }
    *p = flow->next;
    free(flow);
    c->n_flows--;
    return 0;
}

static uint64_t
n_flows(void *c_, unsigned int worker)
{
    struct counter *c = c_;

    (void) worker;
    return c->n_flows;
}

static void
print(struct counter *c)
{
    for (size_t i = 0; i < N_BUCKETS; i++) {
        for (struct flow *flow = c->buckets[i]; flow; flow = flow->next) {
            char s[MBOX_KEY_STRLEN];

            printf("%s packets=%"PRIu64" bytes=%"PRIu64"\n",
                   mbox_key_format(&flow->key, s, sizeof s), flow->packets,
                   flow->bytes);
        }
    }
    fflush(stdout);
}

static void
tick(void *c, unsigned int worker, uint64_t now)
{
    (void) worker;
    (void) now;
    if (print_wanted) {
        print_wanted = 0;
        print(c);
    }
}

static void
on_signal(int signal)
{
    if (signal == SIGUSR1) {
        print_wanted = 1;
    } else {
        mbox_stop(mbox);
    }
}

int
main(int argc, char *argv[])
{
    static const struct mbox_state_ops per_flow = { list, get, put, del };
    static const struct mbox_ops ops = {
        .packet = packet,
        .tick = tick,
        .per_flow = &per_flow,
        .n_flows = n_flows,
    };
    static struct counter counter;
    char *error_text;

    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: %s NAME COORDINATOR PORT [PORT]\n", argv[0]);
        return 2;
    }

    const struct mbox_options options = {
        .size = sizeof options,
        .name = argv[1],
        .class_name = "count",
        .product = "example 1",
        .schema = 1,
        .coordinator = argv[2],
        .ports = { argv[3], argv[4] },
        .n_ports = argc - 3,
    };
    int error = mbox_create(&options, &ops, &counter, &mbox, &error_text);
    if (error) {
        fprintf(stderr, "%s: %s\n", argv[0],
                error_text ? error_text : strerror(-error));
        free(error_text);
        return 1;
    }

    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGUSR1, on_signal);
    error = mbox_run(mbox);
    print(&counter);
    mbox_destroy(mbox);
    for (size_t i = 0; i < N_BUCKETS; i++) {
        while (counter.buckets[i]) {
            del(&counter, 0, &counter.buckets[i]->key);
        }
    }
    return error ? 1 : 0;
}
