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

/* Linked by tests/state-enable/overhead with p0f, state-enabled or not, in
 * place of pcap_dispatch(): reads the whole capture, gives the program the
 * first OVERHEAD_FIRST packets, and then, measured, the others; prints the
 * nanoseconds of processor time that these took, and ends the program.
 *
 *   OVERHEAD=plain      nothing of the runtime is used, as without MBOX_NAME
 *   OVERHEAD=joined     the heap is remembered, and the runtime called after
 *                       each packet, as by an instance
 *   OVERHEAD=tracked    so are all flows and hosts of the first packets
 *   OVERHEAD=checked    and what changes is remembered again after each
 *                       packet, for MBOX_STATE_CHECK=1
 *   OVERHEAD=sizes      what is there after all packets is exported instead,
 *                       for each output function, and how much it is is
 *                       printed */

#include <assert.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "heap.h"
#include "program-state.h"

extern const struct st_program mbox_state_program;

/* The program is linked without the runtime, too. */
#pragma weak mbox_state_program
#pragma weak st_create
#pragma weak st_get
#pragma weak st_heap_track
#pragma weak st_list
#pragma weak st_on_change
#pragma weak st_packet_ends
#pragma weak st_slots_step
#pragma weak st_step
#pragma weak mbox_writer_init
#pragma weak mbox_writer_uninit

/* The linker's --wrap. */
int __wrap_pcap_dispatch(pcap_t *, int, pcap_handler, u_char *);
int __real_pcap_dispatch(pcap_t *, int, pcap_handler, u_char *);
int __wrap_mbox_state_pcap_dispatch(pcap_t *, int, pcap_handler, u_char *);

struct packet {
    struct pcap_pkthdr header;
    u_char *data;
};

static struct packet *packets;
static size_t n_packets, n_allocated;

static void
add_packet(u_char *aux, const struct pcap_pkthdr *header, const u_char *data)
{
    (void) aux;
    if (n_packets == n_allocated) {
        n_allocated = n_allocated ? 2 * n_allocated : 1024;
        packets = realloc(packets, n_allocated * sizeof *packets);
        assert(packets);
    }
    struct packet *p = &packets[n_packets++];
    p->header = *header;
    p->data = malloc(header->caplen);
    assert(p->data);
    memcpy(p->data, data, header->caplen);
}

static void
complain(void *aux, const char *message)
{
    (void) aux;
    fprintf(stderr, "%s\n", message);
}

struct keys {
    struct mbox_key *keys;
    size_t n;
};

/* Of hosts and flows. */
static struct keys all[2], changed[2];

static int
add_key(const struct mbox_key *key, void *keys_)
{
    struct keys *k = keys_;

    k->keys = realloc(k->keys, (k->n + 1) * sizeof *k->keys);
    assert(k->keys);
    k->keys[k->n++] = *key;
    return 0;
}

static void
on_change(bool per_flow, const struct mbox_key *key, void *aux)
{
    (void) aux;
    add_key(key, &changed[per_flow]);
}

/* Those that have ended are not there. */
static size_t
get(struct st *st, bool per_flow, const struct keys *k)
{
    size_t n = 0;

    for (size_t i = 0; i < k->n; i++) {
        struct mbox_writer w;

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        n += !st_get(st, per_flow, &k->keys[i], -1, &w);
        mbox_writer_uninit(&w);
    }
    return n;
}

static void
remember(struct st *st, bool per_flow)
{
    if (st_list(st, per_flow, add_key, &all[per_flow])) {
        exit(1);
    }
    fprintf(stderr, "remembered: %zu %s\n",
            get(st, per_flow, &all[per_flow]), per_flow ? "flows" : "hosts");
}

static bool
is_mode(const char *name)
{
    const char *mode = getenv("OVERHEAD");

    return mode && !strcmp(mode, name);
}

static void __attribute__((constructor))
start(void)
{
    if (!is_mode("plain") && st_heap_track) {
        st_heap_track();
    }
}

/* How much is exported; another name for callgrind. */
static void __attribute__((noinline))
overhead_export(struct st *st, bool per_flow, int output)
{
    size_t n = 0, bytes = 0;

    for (size_t i = 0; i < all[per_flow].n; i++) {
        struct mbox_writer w;

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        if (!st_get(st, per_flow, &all[per_flow].keys[i], output, &w)) {
            n++;
            bytes += w.len;
        }
        mbox_writer_uninit(&w);
    }
    fprintf(stderr, "size: %s: %zu %s, %zu bytes\n",
            output < 0 ? "all" : mbox_state_program.outputs[output], n,
            per_flow ? "flows" : "hosts", bytes);
}

static void
tell_sizes(struct st *st)
{
    for (int j = 0; j < 2; j++) {
        if (st_list(st, j, add_key, &all[j])) {
            exit(1);
        }
        for (int i = -1; i < (int) mbox_state_program.n_outputs; i++) {
            overhead_export(st, j, i);
        }
    }
}

/* What is measured; a name for callgrind.  Returns how often something was
 * remembered again. */
static size_t __attribute__((noinline))
overhead_measured(struct st *st, size_t first, pcap_handler callback,
                  u_char *user, bool check)
{
    size_t n_again = 0;

    for (size_t i = first; i < n_packets; i++) {
        callback(user, &packets[i].header, packets[i].data);
        if (st) {
            st_slots_step(st);
            st_packet_ends(st);
        }
        for (int j = 0; check && j < 2; j++) {
            n_again += get(st, j, &changed[j]);
            changed[j].n = 0;
        }
    }
    return n_again;
}

static uint64_t
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

int
__wrap_pcap_dispatch(pcap_t *p, int n, pcap_handler callback, u_char *user)
{
    const char *number = getenv("OVERHEAD_FIRST");
    size_t first = number ? strtoul(number, NULL, 10) : 0;
    struct st *st = NULL;

    while (__real_pcap_dispatch(p, n, add_packet, NULL) > 0) {
        continue;
    }
    assert(first < n_packets);
    if (!is_mode("plain")) {
        st = st_create(&mbox_state_program, complain, NULL);
        assert(st);
        st_step(st);
    }
    for (size_t i = 0; i < first; i++) {
        callback(user, &packets[i].header, packets[i].data);
    }
    if (is_mode("sizes")) {
        for (size_t i = first; i < n_packets; i++) {
            callback(user, &packets[i].header, packets[i].data);
        }
        tell_sizes(st);
        _Exit(0);
    }
    if (is_mode("checked")) {
        st_on_change(st, on_change, NULL);
    }
    if (is_mode("tracked") || is_mode("checked")) {
        remember(st, true);
        remember(st, false);
    }
    uint64_t start = now();
    size_t again = overhead_measured(st, first, callback, user,
                                     is_mode("checked"));
    fprintf(stderr, "measured: %llu ns, %zu packets; again: %zu\n",
            (unsigned long long) (now() - start), n_packets - first,
            again);
    fflush(stdout);
    _Exit(0);
}

int
__wrap_mbox_state_pcap_dispatch(pcap_t *p, int n, pcap_handler callback,
                                u_char *user)
{
    return __wrap_pcap_dispatch(p, n, callback, user);
}
