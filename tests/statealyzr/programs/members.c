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

/* Two tables that are members of one struct: flows, found by a hash of chains,
 * and hosts, found by a walk through all of them.
 *
 * expect: updateable state
 * expect: class struct.flow per-flow ip_src ip_dst port_src port_dst
 * expect: class struct.host multi-flow ip_src
 * expect: key struct.flow src ip_src
 * expect: key struct.flow dst ip_dst
 * expect: key struct.flow sport port_src
 * expect: key struct.flow dport port_dst
 * expect: key struct.host address ip_src
 * expect: container struct.flow array
 * expect: container struct.host array */
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pcap.h>

enum { N_FLOWS = 1024, N_HOSTS = 64, N_BUCKETS = 128 };

struct flow {
    struct flow *next;
    unsigned int src, dst;
    unsigned short sport, dport;
    unsigned long packets;
};
struct host {
    unsigned long packets;
    unsigned int address;
};

static struct {
    unsigned int n_flows, n_hosts;
    struct host hosts[N_HOSTS];
    struct flow flows[N_FLOWS];
    struct flow *buckets[N_BUCKETS];
} state;

static void
count_host(unsigned int address)
{
    unsigned int i;

    for (i = 0; i < state.n_hosts; i++) {
        if (state.hosts[i].address == address) {
            break;
        }
    }
    if (i == state.n_hosts) {
        if (i == N_HOSTS) {
            return;
        }
        state.hosts[i].address = address;
        state.n_hosts++;
    }
    state.hosts[i].packets++;
}

static void
handle(const unsigned char *packet)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);
    const struct udphdr *udp
        = (const struct udphdr *) ((const char *) ip + ip->ihl * 4);
    struct flow **bucket = &state.buckets[(ip->saddr ^ ip->daddr ^ udp->source
                                           ^ udp->dest) % N_BUCKETS];
    struct flow *f;

    count_host(ip->saddr);
    for (f = *bucket; f; f = f->next) {
        if (f->src == ip->saddr && f->dst == ip->daddr
            && f->sport == udp->source && f->dport == udp->dest) {
            break;
        }
    }
    if (!f && state.n_flows < N_FLOWS) {
        f = &state.flows[state.n_flows++];
        f->src = ip->saddr;
        f->dst = ip->daddr;
        f->sport = udp->source;
        f->dport = udp->dest;
        f->next = *bucket;
        *bucket = f;
    }
    if (f) {
        f->packets++;
    }
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;
    while ((packet = pcap_next(p, &header))) {
        handle(packet);
    }
    return 0;
}
