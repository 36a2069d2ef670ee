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

/* Counts the packets of each flow, in elements of an array that are taken in
 * turn, and found by a chained hash; prints the flows that are left. */

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include "captures.h"

#define BUCKETS 16
#ifndef SLOTS
#define SLOTS 128
#endif
#ifdef ODD_BOUND                /* The last is never used. */
#define BOUND (SLOTS - 1)
#else
#define BOUND SLOTS
#endif

struct flow {
    unsigned int src, dst;
    unsigned int packets;
    unsigned short sport, dport;
    struct flow *next;
#ifdef ODD_BACK                 /* As in LIST_ENTRY() of <sys/queue.h>. */
    struct flow **back;
#endif
};

#ifdef ODD_TAIL
static struct flow **tail;
#endif

static struct {
    unsigned int n_packets;
    struct flow *hash[BUCKETS];
    struct flow list[SLOTS];
#ifdef ODD_ARRAYS
    struct flow more[SLOTS];
#endif
    unsigned short index;
} state;

static unsigned int
hash(const struct flow *f)
{
    return (f->src ^ f->dst ^ f->sport ^ f->dport) % BUCKETS;
}

/* What was in a slot is forgotten. */
static void
forget(const struct flow *slot)
{
    for (struct flow **p = &state.hash[hash(slot)]; *p; p = &(*p)->next) {
        if (*p == slot) {
            *p = (*p)->next;
            return;
        }
    }
}

static struct flow *
find(const struct flow *key)
{
    struct flow *f;

    for (f = state.hash[hash(key)]; f; f = f->next) {
        if (f->src == key->src && f->dst == key->dst
            && f->sport == key->sport && f->dport == key->dport) {
            break;
        }
    }
    return f;
}

static void
packet(const struct pcap_pkthdr *h, const unsigned char *data)
{
    const struct iphdr *ip = (const void *) (data + 14);
    const struct udphdr *udp = (const void *) (ip + 1);
    struct flow key, *f;

    if (h->caplen < 14 + sizeof *ip + sizeof *udp) {
        return;
    }
    key.src = ip->saddr;
    key.dst = ip->daddr;
    key.sport = udp->source;
    key.dport = udp->dest;
    state.n_packets++;
    f = find(&key);
    if (!f) {
        unsigned int i = hash(&key);

        forget(&state.list[state.index]);
        f = &state.list[state.index++];
#ifdef ODD_ARRAYS
        if (state.n_packets % 2) {
            f = &state.more[state.index];
        }
#endif
#ifdef ODD_TURN
        if (state.n_packets == 77) {
            state.index = 7;
        }
#endif
        if (state.index >= BOUND) {
            state.index = 0;
        }
        f->src = key.src;
        f->dst = key.dst;
        f->sport = key.sport;
        f->dport = key.dport;
        f->packets = 0;
#ifdef ODD_BACK
        f->back = &state.hash[i];
#endif
#ifdef ODD_TAIL
        tail = &f->next;
#endif
        f->next = state.hash[i];
        state.hash[i] = f;
    }
    f->packets++;
}

static void
read_all(pcap_t *p)
{
    const unsigned char *data;
    struct pcap_pkthdr header;

    if (p) {
        while ((data = pcap_next(p, &header))) {
            packet(&header, data);
        }
        pcap_close(p);
    }
}

int
main(int argc, char *argv[])
{
    read_captures(argc, argv);
    for (int i = 0; i < BUCKETS; i++) {
        for (struct flow *f = state.hash[i]; f; f = f->next) {
            printf("%u %u\n", ntohs(f->sport), f->packets);
        }
    }
    return 0;
}
