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

/* Headers that the program describes itself, under names of its own: a VLAN tag
 * behind the Ethernet addresses, IPv6, UDP.  They are known by how they are
 * laid out, or by the names of their members.
 *
 * expect: updateable peers struct.peer.next struct.peer.tag struct.peer.from
 *   struct.peer.port struct.peer.packets
 * expect: class struct.peer per-flow vlan ip_src port_src
 * expect: key struct.peer tag vlan
 * expect: key struct.peer from ip_src
 * expect: key struct.peer port port_src
 * expect: link struct.peer next next */
#include <pcap.h>
#include <stdlib.h>
#include <string.h>

struct tagged {
    unsigned char to[6], from[6];
    unsigned short tpid;
    unsigned short vlan_id;
    unsigned short type;
};

struct six {
    unsigned int flow;
    unsigned short length;
    unsigned char next, limit;
    unsigned char a[16], b[16];
};

struct four_ports {
    unsigned short a, b, length, sum;
};

struct peer {
    struct peer *next;
    unsigned short tag;
    unsigned char from[16];
    unsigned short port;
    unsigned long packets;
};

static struct peer *peers;

static void
handle(const unsigned char *packet, unsigned int length)
{
    const struct tagged *tagged = (const struct tagged *) packet;
    const struct six *six = (const struct six *) (tagged + 1);
    const struct four_ports *ports = (const struct four_ports *) (six + 1);
    struct peer *p;

    for (p = peers; p; p = p->next) {
        if (p->tag == tagged->vlan_id && p->port == ports->a
            && !memcmp(p->from, six->a, 16)) {
            break;
        }
    }
    if (!p) {
        p = calloc(1, sizeof *p);
        p->tag = tagged->vlan_id;
        p->port = ports->a;
        memcpy(p->from, six->a, 16);
        p->next = peers;
        peers = p;
    }
    p->packets++;
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
