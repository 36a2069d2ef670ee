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

/* A list of hosts, found by one address: of several flows.  The port that was
 * seen last is compared, too, but no key: it is written on its own.
 *
 * expect: updateable hosts struct.host.next struct.host.addr
 *   struct.host.last_port struct.host.n_ports
 * expect: class struct.host multi-flow ip_src
 * expect: key struct.host addr ip_src
 * expect: container struct.host list-single
 * expect: link struct.host next next */
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pcap.h>
#include <stdlib.h>
#include <string.h>

struct host {
    struct host *next;
    unsigned int addr;
    unsigned short last_port;
    unsigned int n_ports;
};

static struct host *hosts;

static struct host *
lookup(unsigned int addr)
{
    for (struct host *h = hosts; h; h = h->next) {
        if (h->addr == addr) {
            return h;
        }
    }
    struct host *h = calloc(1, sizeof *h);
    h->addr = addr;
    h->next = hosts;
    hosts = h;
    return h;
}

static void
handle(unsigned char *user, const struct pcap_pkthdr *header,
       const unsigned char *packet)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);
    const struct tcphdr *tcp = (const struct tcphdr *) (packet + 34);
    struct host *h = lookup(ip->saddr);
    if (h->last_port != tcp->source) {
        h->last_port = tcp->source;
        h->n_ports++;
    }
    (void) user;
    (void) header;
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    return pcap_loop(p, -1, handle, NULL);
}
