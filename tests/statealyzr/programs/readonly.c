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

/* Tables that packets only read are no state that changes: one is constant, one
 * is filled before the loop, by what is no state procedure.  The counters that
 * are indexed by the same field are.
 *
 * expect: updateable counts
 * expect: top-level names weights main::p counts
 * expect: class counts multi-flow ip_proto
 * expect: loop main */
#include <netinet/ip.h>
#include <pcap.h>
#include <stdio.h>

static const unsigned char names[256] = { [6] = 't', [17] = 'u' };
static unsigned int weights[256];
static unsigned long counts[256];

static void
fill(void)
{
    for (unsigned int i = 0; i < 256; i++) {
        weights[i] = names[i] ? 2 : 1;
    }
}

static void
handle(const unsigned char *packet, unsigned int length)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);

    counts[ip->protocol] += weights[ip->protocol];
    putchar(names[ip->protocol]);
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;

    fill();
    while ((packet = pcap_next(p, &header))) {
        handle(packet, header.len);
    }
    return 0;
}
