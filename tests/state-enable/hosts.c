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

/* Sums up the packets of each source address, and prints that at the end. */

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include "captures.h"

struct host {
    struct host *next;
    unsigned int address;
    unsigned long packets;
    unsigned short highest, last;
    short lowest;               /* 999 less the port: on both sides of 0. */
    unsigned int ports;         /* A bit for each, modulo 32. */
    unsigned int flag : 1;
    _Bool seen;
    unsigned __int128 wide;
};

static struct host *hosts;

static void
packet(unsigned char *user, const struct pcap_pkthdr *h,
       const unsigned char *data)
{
    const struct iphdr *ip = (const void *) (data + 14);
    const struct udphdr *udp = (const void *) (ip + 1);
    struct host *host;

    (void) user;
    if (h->caplen < 14 + sizeof *ip + sizeof *udp) {
        return;
    }
    for (host = hosts; host; host = host->next) {
        if (host->address == ip->saddr) {
            break;
        }
    }
    unsigned short port = ntohs(udp->source);
    if (!host) {
        host = calloc(1, sizeof *host);
        host->address = ip->saddr;
        host->lowest = 999 - port;
        host->next = hosts;
        hosts = host;
    }
    host->packets++;
    host->last = port;
    host->highest = port > host->highest ? port : host->highest;
    if (999 - port > host->lowest) {
        host->lowest = 999 - port;
    }
    host->ports |= 1u << port % 32;
    host->flag = 1;
    host->seen = 1;
    host->wide++;
}

static void
read_all(pcap_t *p)
{
    if (p) {
        pcap_loop(p, -1, packet, NULL);
        pcap_close(p);
    }
}

int
main(int argc, char *argv[])
{
    struct host *host;

    read_captures(argc, argv);
    while ((host = hosts)) {
        hosts = host->next;
        printf("packets %lu, ports %d to %u, last %u, bits %x\n",
               host->packets, 999 - host->lowest, host->highest, host->last,
               host->ports);
        free(host);
    }
    return 0;
}
