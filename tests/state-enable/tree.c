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

/* Counts the packets of each flow, and prints them a minute after the last
 * one.  A flow is in two trees at once. */

#include <arpa/inet.h>
#include <bsd/sys/tree.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "captures.h"

#ifdef ODD_CHANGE
#undef RB_AUGMENT
#define RB_AUGMENT(F) free(NULL)
#endif

struct flow {
    RB_ENTRY(flow) by_key;
    RB_ENTRY(flow) by_age;
    unsigned int src, dst;
    unsigned short sport, dport;
    unsigned int expires;
    unsigned int packets;
#ifdef PART
    struct part *part;
#endif
};

/* A flow may own one that leads back to it, or to the flow before. */
struct part {
    struct flow *flow;
};

#ifdef PART
static void
add_part(struct flow *f, struct flow *to)
{
    f->part = malloc(sizeof *f->part);
    f->part->flow = to;
}
#define PACKETS(F) ((F)->part->flow->packets)
#define FREE(F) (free((F)->part), free(F))
#else
#define add_part(F, TO) ((void) (TO))
#define PACKETS(F) ((F)->packets)
#define FREE(F) free(F)
#endif

RB_HEAD(flows, flow);
RB_HEAD(ages, flow);
static struct flows flows = RB_INITIALIZER(&flows);
static struct ages ages = RB_INITIALIZER(&ages);
static unsigned int n_flows;

/* Which of two flows a part leads to. */
#ifdef ODD_PART
#define OF(FIRST, OWN) ((FIRST) ? (FIRST) : (OWN))
#else
#define OF(FIRST, OWN) (OWN)
#endif

#ifdef ODD_ORDER
static unsigned int n_looks;
#endif

#ifdef ODD_RESULT
static long
#else
static int
#endif
compare_keys(struct flow *a, struct flow *b)
{
#ifdef ODD_ORDER
    n_looks++;
#endif
    if (a->src != b->src) {
        return a->src < b->src ? -1 : 1;
    }
    if (a->dst != b->dst) {
        return a->dst < b->dst ? -1 : 1;
    }
    if (a->sport != b->sport) {
        return a->sport < b->sport ? -1 : 1;
    }
    return a->dport < b->dport ? -1 : a->dport > b->dport;
}

static int
compare_ages(struct flow *a, struct flow *b)
{
    if (a->expires != b->expires) {
        return a->expires < b->expires ? -1 : 1;
    }
#ifdef AGES_OF_ALL
    if (a->src != b->src) {
        return a->src < b->src ? -1 : 1;
    }
    if (a->dst != b->dst) {
        return a->dst < b->dst ? -1 : 1;
    }
    if (a->dport != b->dport) {
        return a->dport < b->dport ? -1 : 1;
    }
#endif
    return a->sport < b->sport ? -1 : a->sport > b->sport;
}

#ifndef ODD_LIST
RB_GENERATE(flows, flow, by_key, compare_keys)
#else
#define NEXT(F) RB_LEFT(F, by_key)
#define PREV(F) RB_RIGHT(F, by_key)

/* Not a tree but a list, in order. */
static __attribute__((noinline)) struct flow *
flows_RB_INSERT(struct flows *head, struct flow *f)
{
    struct flow *prev = NULL, *next = RB_ROOT(head);

    NEXT(f) = PREV(f) = NULL;
    while (next && compare_keys(f, next) > 0) {
        prev = next;
        next = NEXT(next);
    }
    NEXT(f) = next;
    PREV(f) = prev;
    if (next) {
        PREV(next) = f;
    }
    if (prev) {
        NEXT(prev) = f;
    } else {
        RB_ROOT(head) = f;
    }
    return NULL;
}

static __attribute__((noinline)) struct flow *
flows_RB_REMOVE(struct flows *head, struct flow *f)
{
    if (NEXT(f)) {
        PREV(NEXT(f)) = PREV(f);
    }
    if (PREV(f)) {
        NEXT(PREV(f)) = NEXT(f);
    } else {
        RB_ROOT(head) = NEXT(f);
    }
    return f;
}

static struct flow *
flows_RB_FIND(struct flows *head, struct flow *key)
{
    struct flow *f = RB_ROOT(head);

    while (f && compare_keys(key, f)) {
        f = NEXT(f);
    }
    return f;
}
#endif
RB_GENERATE(ages, flow, by_age, compare_ages)

static void
expire(unsigned int now)
{
    struct flow *f;

    while ((f = RB_MIN(ages, &ages)) && f->expires < now) {
        RB_REMOVE(ages, &ages, f);
        RB_REMOVE(flows, &flows, f);
        n_flows--;
        printf("%u %u\n", f->sport, PACKETS(f));
        FREE(f);
    }
}

static void
packet(unsigned char *user, const struct pcap_pkthdr *h,
       const unsigned char *data)
{
    const struct iphdr *ip = (const void *) (data + 14);
    const struct udphdr *udp = (const void *) (ip + 1);
    struct flow key, *f;

    (void) user;
    if (h->caplen < 14 + sizeof *ip + sizeof *udp) {
        return;
    }
    expire(h->ts.tv_sec);
    key.src = ip->saddr;
    key.dst = ip->daddr;
    key.sport = ntohs(udp->source);
    key.dport = ntohs(udp->dest);
    f = RB_FIND(flows, &flows, &key);
    if (!f) {
        f = calloc(1, sizeof *f);
        f->src = key.src;
        f->dst = key.dst;
        f->sport = key.sport;
        f->dport = key.dport;
        add_part(f, OF(RB_MIN(flows, &flows), f));
        RB_INSERT(flows, &flows, f);
        n_flows++;
    } else {
        RB_REMOVE(ages, &ages, f);
    }
    f->expires = h->ts.tv_sec + 60;
    RB_INSERT(ages, &ages, f);
    f->packets++;
}

static void
read_all(pcap_t *p)
{
    if (p) {
        pcap_loop(p, -1, packet, NULL);
        pcap_close(p);
    }
}

int
main(int argc, char *argv[])
{
    read_captures(argc, argv);
    expire(-1);
    return 0;
}
