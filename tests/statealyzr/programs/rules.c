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

/* Rules that the user gives, with an address and a port each, and a count of what
 * they allowed.  Packets are compared with them, but no packet makes one: they
 * belong to all flows.
 *
 * expect: updateable struct.rule.n_allowed
 * expect: class struct.rule all-flows ip_src port_src
 * expect: class struct.rule.n_allowed all-flows ip_src port_src
 * expect: container struct.rule list-single */
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>

struct rule {
    struct rule *next;
    uint32_t addr;
    uint16_t port;
    unsigned int n_allowed;
};

static struct rule *rules;

static void
add_rule(const char *addr, const char *port)
{
    struct rule *r = calloc(1, sizeof *r);
    r->addr = strtoul(addr, NULL, 0);
    r->port = strtoul(port, NULL, 0);
    r->next = rules;
    rules = r;
}

int
main(int argc, char *argv[])
{
    unsigned char packet[2048];
    int in = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
    for (int i = 1; i + 1 < argc; i += 2) {
        add_rule(argv[i], argv[i + 1]);
    }
    while (recv(in, packet, sizeof packet, 0) > 0) {
        const struct iphdr *ip = (const struct iphdr *) packet;
        const struct udphdr *udp = (const struct udphdr *) (ip + 1);
        for (struct rule *r = rules; r; r = r->next) {
            if (r->addr == ip->saddr && r->port == udp->source) {
                r->n_allowed++;
                send(in, packet, sizeof packet, 0);
                break;
            }
        }
    }
    return 0;
}
