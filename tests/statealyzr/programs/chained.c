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

/* A chained hash table of connections: found by addresses and ports.
 *
 * expect: updateable flows n_flows struct.flow.next struct.flow.src
 *   struct.flow.dst struct.flow.sport struct.flow.dport struct.flow.bytes
 * expect: class struct.flow per-flow ip_src ip_dst port_src port_dst
 * expect: class flows per-flow ip_src ip_dst port_src port_dst
 * expect: class n_flows all-flows
 * expect: key struct.flow src ip_src
 * expect: key struct.flow dst ip_dst
 * expect: key struct.flow sport port_src
 * expect: key struct.flow dport port_dst
 * expect: container struct.flow hash-chained
 * expect: link struct.flow next next */
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pcap.h>
#include <stdlib.h>
#include <string.h>

struct flow {
    struct flow *next;
    unsigned int src, dst;
    unsigned short sport, dport;
    unsigned long bytes;        /* Of the connection so far. */
};

static struct flow *flows[256];
static unsigned int n_flows;

static void
handle(const unsigned char *packet, unsigned int length)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);
    const struct tcphdr *tcp
        = (const struct tcphdr *) ((const char *) ip + ip->ihl * 4);
    unsigned int h = (ip->saddr ^ ip->daddr ^ tcp->source ^ tcp->dest) & 255;
    struct flow *f;

    for (f = flows[h]; f; f = f->next) {
        if (f->src == ip->saddr && f->dst == ip->daddr
            && f->sport == tcp->source && f->dport == tcp->dest) {
            break;
        }
    }
    if (!f) {
        f = calloc(1, sizeof *f);
        f->src = ip->saddr;
        f->dst = ip->daddr;
        f->sport = tcp->source;
        f->dport = tcp->dest;
        f->next = flows[h];
        flows[h] = f;
        n_flows++;
    }
    f->bytes += length;
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
