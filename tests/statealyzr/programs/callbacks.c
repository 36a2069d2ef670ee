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

/* Handlers in a struct of function pointers: each protocol's is called through
 * its entry; the entries themselves do not change.  The handler that no entry
 * has is never called, and what it writes does not change.
 *
 * expect: updateable n_tcp n_udp
 * expect: top-level handlers main::p n_tcp n_udp
 * expect: persistent handlers main::p n_tcp n_udp n_other
 * expect: class n_tcp all-flows
 * expect: class n_udp all-flows */
#include <netinet/in.h>
#include <netinet/ip.h>
#include <pcap.h>

static unsigned long n_tcp, n_udp, n_other;

static void
handle_tcp(unsigned int length)
{
    n_tcp += length;
}

static void
handle_udp(unsigned int length)
{
    n_udp += length;
}

void handle_other(unsigned int length);

void
handle_other(unsigned int length)
{
    n_other += length;
}

struct handler {
    unsigned char protocol;
    void (*handle)(unsigned int length);
};

static const struct handler handlers[] = {
    { IPPROTO_TCP, handle_tcp },
    { IPPROTO_UDP, handle_udp },
};

static void
handle(const unsigned char *packet, unsigned int length)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);

    for (unsigned int i = 0; i < 2; i++) {
        if (handlers[i].protocol == ip->protocol) {
            handlers[i].handle(length);
        }
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
        handle(packet, header.len);
    }
    return 0;
}
