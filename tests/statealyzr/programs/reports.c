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

/* Reports, which are put together in a buffer of bytes: an address and a port of
 * each packet, one behind the other.  What is read there later is no one field
 * of a header: the kinds of reports that are counted belong to all flows.
 *
 * expect: updateable report n_bytes kinds struct.kind.next struct.kind.code
 *   struct.kind.n
 * expect: class struct.kind all-flows
 * expect: class struct.kind.n all-flows */
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct kind {
    struct kind *next;
    unsigned int code;
    unsigned int n;
};

static unsigned char report[1024];
static size_t n_bytes;
static struct kind *kinds;

static void
put(const void *data, size_t n)
{
    memcpy(report + n_bytes, data, n);
    n_bytes = (n_bytes + n) % (sizeof report - 64);
}

static void
count(unsigned int code)
{
    struct kind *k = kinds;
    while (k && k->code != code) {
        k = k->next;
    }
    if (!k) {
        k = calloc(1, sizeof *k);
        k->code = code;
        k->next = kinds;
        kinds = k;
    }
    k->n++;
}

int
main(void)
{
    unsigned char packet[2048];
    int in = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
    while (recv(in, packet, sizeof packet, 0) > 0) {
        const struct iphdr *ip = (const struct iphdr *) packet;
        const struct udphdr *udp = (const struct udphdr *) (ip + 1);
        uint32_t addr = ip->saddr;
        uint16_t port = udp->source;
        put(&addr, sizeof addr);
        put(&port, sizeof port);
        if (n_bytes > 512) {
            for (size_t i = 0; i < n_bytes; i += 6) {
                count(report[i]);
            }
            send(in, report, n_bytes, 0);
        }
    }
    return 0;
}
