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

/* Fragments of one packet are found by the addresses and the id of the IP
 * header.
 *
 * expect: updateable packets struct.packet.next struct.packet.saddr
 *   struct.packet.daddr struct.packet.id struct.packet.received
 * expect: class struct.packet per-flow ip_src ip_dst ip_id
 * expect: class packets all-flows
 * expect: key struct.packet saddr ip_src
 * expect: key struct.packet daddr ip_dst
 * expect: key struct.packet id ip_id
 * expect: container struct.packet list-single
 * expect: link struct.packet next next */
#include <netinet/ip.h>
#include <pcap.h>
#include <stdlib.h>

struct packet {
    struct packet *next;
    unsigned int saddr, daddr;
    unsigned short id;
    unsigned int received;
};

static struct packet *packets;

static void
handle(const unsigned char *data, unsigned int length)
{
    const struct iphdr *ip = (const struct iphdr *) (data + 14);
    struct packet *p;

    for (p = packets; p; p = p->next) {
        if (p->saddr == ip->saddr && p->daddr == ip->daddr
            && p->id == ip->id) {
            break;
        }
    }
    if (!p) {
        p = calloc(1, sizeof *p);
        p->saddr = ip->saddr;
        p->daddr = ip->daddr;
        p->id = ip->id;
        p->next = packets;
        packets = p;
    }
    p->received += length;
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
