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

/* Notes the time of the last packet. */
struct ENTRY {
    char *note;
    unsigned int src, dst;
    unsigned short sport, dport;
    long last;
    struct ENTRY *next;
};

static struct ENTRY *entries[N_BUCKETS];

static unsigned int
bucket(const struct iphdr *ip, const struct udphdr *udp)
{
    return (ip->saddr ^ udp->source) % N_BUCKETS;
}

void
note_packet(const struct iphdr *ip, const struct udphdr *udp, long now)
{
    unsigned int i = bucket(ip, udp);
    struct ENTRY *e = entries[i];

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
        e->note = strdup("second");
        e->next = entries[i];
        entries[i] = e;
    }
    e->last = now;
}

void
note_print(void)
{
    for (int i = 0; i < N_BUCKETS; i++) {
        while (entries[i]) {
            struct ENTRY *e = entries[i];

            entries[i] = e->next;
            printf("%u %s %ld\n", ntohs(e->sport), e->note, e->last);
            free(e->note);
            free(e);
        }
    }
}
