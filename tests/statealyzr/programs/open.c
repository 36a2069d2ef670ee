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

/* A hash table with open addressing: a slot is free, or has a connection; a
 * search goes on to the next slot until it finds one or the other.
 *
 * expect: updateable table n_used
 * expect: class table per-flow ip_src ip_dst port_src port_dst
 * expect: class struct.slot per-flow ip_src ip_dst port_src port_dst
 * expect: class n_used all-flows
 * expect: key struct.slot src ip_src
 * expect: key struct.slot dst ip_dst
 * expect: key struct.slot sport port_src
 * expect: key struct.slot dport port_dst
 * expect: container struct.slot hash-open */
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pcap.h>

enum { N_SLOTS = 1024 };

static struct slot {
    unsigned int src, dst;
    unsigned short sport, dport;
    unsigned long packets;      /* 0: the slot is free. */
} table[N_SLOTS];
static unsigned int n_used;

static void
handle(const unsigned char *packet, unsigned int length)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);
    const struct udphdr *udp
        = (const struct udphdr *) ((const char *) ip + ip->ihl * 4);
    unsigned int i = (ip->saddr ^ ip->daddr ^ udp->source ^ udp->dest)
                     % N_SLOTS;

    if (n_used == N_SLOTS - 1) {
        return;
    }
    while (table[i].packets
           && (table[i].src != ip->saddr || table[i].dst != ip->daddr
               || table[i].sport != udp->source
               || table[i].dport != udp->dest)) {
        i = (i + 1) % N_SLOTS;
    }
    if (!table[i].packets) {
        table[i].src = ip->saddr;
        table[i].dst = ip->daddr;
        table[i].sport = udp->source;
        table[i].dport = udp->dest;
        n_used++;
    }
    table[i].packets++;
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;
    while ((packet = pcap_next(p, &header))) {
        handle(packet, header.len);
    }
    return 0;
}
