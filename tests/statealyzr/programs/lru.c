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

/* Hosts in a chained hash table and, besides, in a list by age, whose last is
 * dropped when there are too many.  The list's ends belong to no host.  Nothing
 * walks the list: which of its links is called the next one, names decide.
 *
 * expect: updateable buckets newest oldest n_hosts struct.host.next
 *   struct.host.newer struct.host.older struct.host.addr struct.host.packets
 * expect: class struct.host multi-flow ip_src
 * expect: class buckets multi-flow ip_src
 * expect: class newest all-flows
 * expect: class oldest all-flows
 * expect: class n_hosts all-flows
 * expect: key struct.host addr ip_src
 * expect: container struct.host hash-chained
 * expect: link struct.host next next
 * expect: link struct.host newer next
 * expect: link struct.host older prev */
#include <netinet/ip.h>
#include <pcap.h>
#include <stdlib.h>

enum { N_BUCKETS = 256, MAX_HOSTS = 1000 };

struct host {
    struct host *next;          /* In the bucket. */
    struct host *newer, *older;
    unsigned int addr;
    unsigned long packets;
};

static struct host *buckets[N_BUCKETS];
static struct host *newest, *oldest;
static unsigned int n_hosts;

static void
unlink_host(struct host *h)
{
    if (h->newer) {
        h->newer->older = h->older;
    } else {
        newest = h->older;
    }
    if (h->older) {
        h->older->newer = h->newer;
    } else {
        oldest = h->newer;
    }
}

static void
link_host(struct host *h)
{
    h->newer = NULL;
    h->older = newest;
    if (newest) {
        newest->newer = h;
    } else {
        oldest = h;
    }
    newest = h;
}

static void
drop_oldest(void)
{
    struct host *h = oldest;
    struct host **at = &buckets[h->addr % N_BUCKETS];

    while (*at != h) {
        at = &(*at)->next;
    }
    *at = h->next;
    unlink_host(h);
    free(h);
    n_hosts--;
}

static void
handle(const unsigned char *packet, unsigned int length)
{
    const struct iphdr *ip = (const struct iphdr *) (packet + 14);
    struct host *h;

    for (h = buckets[ip->saddr % N_BUCKETS]; h; h = h->next) {
        if (h->addr == ip->saddr) {
            break;
        }
    }
    if (h) {
        unlink_host(h);
    } else {
        if (n_hosts >= MAX_HOSTS) {
            drop_oldest();
        }
        h = calloc(1, sizeof *h);
        h->addr = ip->saddr;
        h->next = buckets[ip->saddr % N_BUCKETS];
        buckets[ip->saddr % N_BUCKETS] = h;
        n_hosts++;
    }
    link_host(h);
    h->packets++;
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
