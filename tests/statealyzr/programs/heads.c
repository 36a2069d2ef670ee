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

/* Hosts in a chained hash table whose heads are on the heap, too: a pointer to a
 * pointer walks from a head on, along the links.  One function copies all
 * fields of the header, so that what is copied may be any of them: how large
 * it is tells that the key is an address.
 *
 * expect: updateable struct.table.buckets struct.table.n_hosts
 *   struct.host.next struct.host.addr struct.host.packets
 * expect: class struct.table all-flows
 * expect: class struct.host multi-flow ip_src
 * expect: key struct.host addr ip_src
 * expect: container struct.host hash-chained
 * expect: link struct.host next next */
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <pcap.h>
#include <stdlib.h>
#include <string.h>

struct host {
    struct host *next;
    unsigned char addr[16];
    unsigned int packets;
};

struct table {
    struct host *buckets[64];
    unsigned int n_hosts;
};

static struct table *table;

struct key {
    unsigned char from[16];
    unsigned short port;
};

static void
copy(unsigned char *to, const unsigned char *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

static struct host **
find(const unsigned char addr[16])
{
    struct host **p = &table->buckets[addr[15] & 63];
    while (*p && memcmp((*p)->addr, addr, 16)) {
        p = &(*p)->next;
    }
    return p;
}

static void
handle(unsigned char *user, const struct pcap_pkthdr *header,
       const unsigned char *packet)
{
    const struct ip6_hdr *ip = (const struct ip6_hdr *) (packet + 14);
    const struct udphdr *udp = (const struct udphdr *) (ip + 1);
    unsigned short source = udp->source;
    unsigned char src[16];
    struct key key;
    memcpy(src, &ip->ip6_src, 16);
    copy(key.from, src, 16);
    copy((unsigned char *) &key.port, (unsigned char *) &source, 2);
    struct host **p = find(key.from);
    if (!*p) {
        *p = calloc(1, sizeof **p);
        memcpy((*p)->addr, key.from, 16);
        table->n_hosts++;
    }
    (*p)->packets++;
    (void) user;
    (void) header;
}

int
main(void)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_live("eth0", 2048, 1, 100, error);
    table = calloc(1, sizeof *table);
    return pcap_loop(pcap, -1, handle, NULL);
}
