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

/* An array that grows: hosts are found by walking it.  Its pointer and its size
 * are of no one host.
 *
 * expect: updateable hosts n_hosts struct.host.addr struct.host.packets
 * expect: class struct.host multi-flow ip_src
 * expect: class hosts all-flows
 * expect: class n_hosts all-flows
 * expect: key struct.host addr ip_src
 * expect: container struct.host array */
#include <netinet/ip.h>
#include <pcap.h>
#include <stdlib.h>

struct host {
    unsigned int addr;
    unsigned long packets;
};

static struct host *hosts;
static unsigned int n_hosts;

static void *
xrealloc(void *p, size_t size)
{
    p = realloc(p, size);
    if (!p) {
        abort();
    }
    return p;
}

static void
handle(const unsigned char *packet, unsigned int length)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);
    unsigned int i;

    for (i = 0; i < n_hosts; i++) {
        if (hosts[i].addr == ip->saddr) {
            break;
        }
    }
    if (i == n_hosts) {
        hosts = xrealloc(hosts, (n_hosts + 1) * sizeof *hosts);
        hosts[i].addr = ip->saddr;
        hosts[i].packets = 0;
        n_hosts++;
    }
    hosts[i].packets++;
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
