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

/* Members of a union share memory: a write of one is a write of the other, be it
 * by another name.  What is beside the union is not.
 *
 * expect: updateable last count
 * expect: top-level last count main::p limit
 * expect: class last all-flows */
#include <netinet/ip.h>
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>

static union {
    unsigned int whole;
    unsigned char bytes[4];
} last;                         /* Written as a whole, read by bytes. */

static unsigned int count, limit;

static void
handle(const unsigned char *packet, unsigned int length)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);

    if (last.bytes[0] == 10 && count < limit) {
        count++;
    }
    last.whole = ip->saddr;
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;

    limit = atoi(argv[1]);
    while ((packet = pcap_next(p, &header))) {
        handle(packet, header.len);
    }
    printf("%u\n", count);
    return 0;
}
