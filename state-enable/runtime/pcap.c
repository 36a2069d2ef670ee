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

/* libpcap for a state-enabled program: calls of pcap_X() are calls of
 * mbox_state_pcap_X().  If the program is an instance, a live capture is a
 * port of libmbox; the handle is then libpcap's "dead" one, which compiles
 * filters and knows the link type.  Everything else, and all if it is no
 * instance, is up to libpcap. */

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "coroutine.h"
#include "instance.h"

#define MILLISECOND UINT64_C(1000000)

static struct {
    pcap_t *handle;
    struct st_instance *instance;
    struct bpf_program filter;  /* bf_insns is NULL for none. */
    uint32_t snaplen;
    int timeout_ms;
    bool nonblock, stop;
    pcap_handler callback;
    u_char *user;
    int n;                      /* Packets in this call. */
    struct pcap_pkthdr header;  /* Of the last packet; some programs look at
                                 * it after the callback. */

    /* For pcap_next(): the library's rounds, which are left when a packet is
     * there and entered again when the program asks for the next one, so that
     * it is done with the packet when the library goes on. */
    struct st_coroutine *rounds;
    const uint8_t *frame;       /* Left with this packet; else NULL. */
    int error;                  /* Of the last round. */
} live;

/* The library's code, and callbacks of a program that calls pcap_dispatch()
 * between two calls of pcap_next(). */
#define STACK_SIZE (1024 * 1024)

pcap_t *mbox_state_pcap_open_live(const char *, int, int, int, char *);
pcap_t *mbox_state_pcap_create(const char *, char *);
void mbox_state_pcap_close(pcap_t *);
int mbox_state_pcap_dispatch(pcap_t *, int, pcap_handler, u_char *);
int mbox_state_pcap_loop(pcap_t *, int, pcap_handler, u_char *);
const u_char *mbox_state_pcap_next(pcap_t *, struct pcap_pkthdr *);
int mbox_state_pcap_next_ex(pcap_t *, struct pcap_pkthdr **, const u_char **);
void mbox_state_pcap_breakloop(pcap_t *);
int mbox_state_pcap_setfilter(pcap_t *, struct bpf_program *);
int mbox_state_pcap_setdirection(pcap_t *, pcap_direction_t);
int mbox_state_pcap_setnonblock(pcap_t *, int, char *);
int mbox_state_pcap_getnonblock(pcap_t *, char *);
int mbox_state_pcap_fileno(pcap_t *);
int mbox_state_pcap_get_selectable_fd(pcap_t *);
int mbox_state_pcap_stats(pcap_t *, struct pcap_stat *);
int mbox_state_pcap_inject(pcap_t *, const void *, size_t);
int mbox_state_pcap_sendpacket(pcap_t *, const u_char *, int);

static void
on_packet(void *aux, const uint8_t *frame, size_t len, uint64_t monotonic_ns)
{
    struct timespec real, monotonic;

    (void) aux;
    live.header.len = len;
    live.header.caplen = len < live.snaplen ? len : live.snaplen;
    if ((!live.callback && !live.rounds)
        || (live.filter.bf_insns
            && !pcap_offline_filter(&live.filter, &live.header, frame))) {
        return;
    }

    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    int64_t ns = (real.tv_sec - monotonic.tv_sec) * INT64_C(1000000000)
                 + real.tv_nsec - monotonic.tv_nsec + (int64_t) monotonic_ns;
    live.header.ts.tv_sec = ns / 1000000000;
    live.header.ts.tv_usec = ns % 1000000000 / 1000;
    live.n++;
    if (live.callback) {
        live.callback(live.user, &live.header, frame);
    } else {
        live.frame = frame;
        st_coroutine_leave(live.rounds);
        live.frame = NULL;
    }
}

pcap_t *
mbox_state_pcap_open_live(const char *device, int snaplen, int promisc,
                          int to_ms, char *errbuf)
{
    if (!st_instance_is_wanted() || live.handle) {
        return pcap_open_live(device, snaplen, promisc, to_ms, errbuf);
    }

    char *error;
    live.handle = pcap_open_dead(DLT_EN10MB, snaplen);
    live.instance = (live.handle
                     ? st_instance_open(device, on_packet, NULL, &error)
                     : NULL);
    if (!live.instance) {
        snprintf(errbuf, PCAP_ERRBUF_SIZE, "%s",
                 live.handle ? error : "out of memory");
        if (live.handle) {
            free(error);
            pcap_close(live.handle);
            live.handle = NULL;
        }
        return NULL;
    }
    live.snaplen = snaplen;
    live.timeout_ms = to_ms;
    return live.handle;
}

pcap_t *
mbox_state_pcap_create(const char *device, char *errbuf)
{
    if (st_instance_is_wanted()) {
        snprintf(errbuf, PCAP_ERRBUF_SIZE, "pcap_create() is not supported "
                 "where state moves: without MBOX_NAME it is");
        return NULL;
    }
    return pcap_create(device, errbuf);
}

static void
clear_filter(void)
{
    free(live.filter.bf_insns);
    memset(&live.filter, 0, sizeof live.filter);
}

void
mbox_state_pcap_close(pcap_t *p)
{
    if (p == live.handle) {
        while (live.frame) {    /* The round comes to its end. */
            st_coroutine_enter(live.rounds);
        }
        st_coroutine_destroy(live.rounds);
        st_instance_close(live.instance);
        clear_filter();
        memset(&live, 0, sizeof live);
    }
    pcap_close(p);
}

static int
round_of_library(void)
{
    return st_instance_step(live.instance,
                            live.nonblock ? 0
                            : live.timeout_ms > 0
                            ? live.timeout_ms * MILLISECOND : UINT64_MAX);
}

/* What the caller is to return after a round. */
static int
result(int error)
{
    if (error) {
        return PCAP_ERROR;
    }
    if (live.stop) {
        live.stop = false;
        return PCAP_ERROR_BREAK;
    }
    return 0;
}

/* One round.  Returns 0, or what the caller is to return. */
static int
step(pcap_handler callback, u_char *user)
{
    live.callback = callback;
    live.user = user;
    if (live.frame) {           /* The rest of a round of pcap_next(). */
        st_coroutine_enter(live.rounds);
    }
    return result(round_of_library());
}

/* A round reads what there is, which may be more than 'count'. */
int
mbox_state_pcap_dispatch(pcap_t *p, int count, pcap_handler callback,
                         u_char *user)
{
    if (p != live.handle) {
        return pcap_dispatch(p, count, callback, user);
    }
    live.n = 0;
    int error = step(callback, user);
    return error == PCAP_ERROR || (error && !live.n) ? error : live.n;
}

int
mbox_state_pcap_loop(pcap_t *p, int count, pcap_handler callback, u_char *user)
{
    if (p != live.handle) {
        return pcap_loop(p, count, callback, user);
    }
    live.n = 0;
    while (count <= 0 || live.n < count) {
        int error = step(callback, user);
        if (error) {
            return error;
        }
    }
    return 0;
}

static void
run_rounds(void *aux)
{
    (void) aux;
    for (;;) {
        live.error = round_of_library();
        st_coroutine_leave(live.rounds);
    }
}

/* Finds the next packet, live.frame.  Returns 1, 0 if there is none yet, or a
 * negative error. */
static int
next(void)
{
    bool for_ever = !live.nonblock && live.timeout_ms <= 0;
    bool again = live.frame || for_ever;    /* The rest of a round is none. */

    if (!live.rounds) {
        live.rounds = st_coroutine_create(STACK_SIZE, run_rounds, NULL);
        if (!live.rounds) {
            return PCAP_ERROR;
        }
    }
    live.callback = NULL;
    for (;;) {
        st_coroutine_enter(live.rounds);
        int n = live.frame ? 1 : result(live.error);
        if (n || !again) {
            return n;
        }
        again = for_ever;
    }
}

const u_char *
mbox_state_pcap_next(pcap_t *p, struct pcap_pkthdr *header)
{
    if (p != live.handle) {
        return pcap_next(p, header);
    }
    if (next() != 1) {
        return NULL;
    }
    *header = live.header;
    return live.frame;
}

int
mbox_state_pcap_next_ex(pcap_t *p, struct pcap_pkthdr **header,
                        const u_char **frame)
{
    if (p != live.handle) {
        return pcap_next_ex(p, header, frame);
    }
    int n = next();
    if (n == 1) {
        *header = &live.header;
        *frame = live.frame;
    }
    return n;
}

void
mbox_state_pcap_breakloop(pcap_t *p)
{
    if (p == live.handle) {
        live.stop = true;
    } else {
        pcap_breakloop(p);
    }
}

int
mbox_state_pcap_setfilter(pcap_t *p, struct bpf_program *filter)
{
    if (p != live.handle) {
        return pcap_setfilter(p, filter);
    }
    size_t size = filter->bf_len * sizeof *filter->bf_insns;
    struct bpf_insn *insns = malloc(size);
    if (!insns) {
        return PCAP_ERROR;
    }
    memcpy(insns, filter->bf_insns, size);
    clear_filter();
    live.filter.bf_insns = insns;
    live.filter.bf_len = filter->bf_len;
    return 0;
}

int
mbox_state_pcap_setdirection(pcap_t *p, pcap_direction_t direction)
{
    return p == live.handle ? 0 : pcap_setdirection(p, direction);
}

int
mbox_state_pcap_setnonblock(pcap_t *p, int nonblock, char *errbuf)
{
    if (p != live.handle) {
        return pcap_setnonblock(p, nonblock, errbuf);
    }
    live.nonblock = nonblock;
    return 0;
}

int
mbox_state_pcap_getnonblock(pcap_t *p, char *errbuf)
{
    return p == live.handle ? live.nonblock : pcap_getnonblock(p, errbuf);
}

int
mbox_state_pcap_fileno(pcap_t *p)
{
    return (p == live.handle ? st_instance_fd(live.instance)
            : pcap_fileno(p));
}

int
mbox_state_pcap_get_selectable_fd(pcap_t *p)
{
    return (p == live.handle ? st_instance_fd(live.instance)
            : pcap_get_selectable_fd(p));
}

int
mbox_state_pcap_stats(pcap_t *p, struct pcap_stat *stats)
{
    if (p != live.handle) {
        return pcap_stats(p, stats);
    }
    uint64_t received, dropped;
    st_instance_stats(live.instance, &received, &dropped);
    memset(stats, 0, sizeof *stats);
    stats->ps_recv = received;
    stats->ps_drop = dropped;
    return 0;
}

int
mbox_state_pcap_inject(pcap_t *p, const void *frame, size_t len)
{
    if (p != live.handle) {
        return pcap_inject(p, frame, len);
    }
    return st_instance_send(live.instance, frame, len) ? PCAP_ERROR
                                                       : (int) len;
}

int
mbox_state_pcap_sendpacket(pcap_t *p, const u_char *frame, int len)
{
    return (p != live.handle ? pcap_sendpacket(p, frame, len)
            : st_instance_send(live.instance, frame, len) ? PCAP_ERROR : 0);
}
