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

#include "namesakes.h"

/* Counts packets. */
struct entry {
    struct entry *next;
    unsigned int src, dst;
    unsigned short sport, dport;
    unsigned int n;
};

static struct entry *entries[N_BUCKETS];

static unsigned int
bucket(const struct iphdr *ip, const struct udphdr *udp)
{
    return (ip->saddr ^ udp->source) % N_BUCKETS;
}

void
count_packet(const struct iphdr *ip, const struct udphdr *udp)
{
    unsigned int i = bucket(ip, udp);
    struct entry *e = entries[i];

    while (e && (e->src != ip->saddr || e->dst != ip->daddr
                 || e->sport != udp->source || e->dport != udp->dest)) {
        e = e->next;
    }
    if (!e) {
        e = calloc(1, sizeof *e);
        e->src = ip->saddr;
        e->dst = ip->daddr;
        e->sport = udp->source;
        e->dport = udp->dest;
        e->next = entries[i];
        entries[i] = e;
    }
    e->n++;
}

void
count_print(void)
{
    for (int i = 0; i < N_BUCKETS; i++) {
        while (entries[i]) {
            struct entry *e = entries[i];

            entries[i] = e->next;
            printf("%u %u\n", ntohs(e->sport), e->n);
            free(e);
        }
    }
}
