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

/* A binary tree, with the key in a struct of its own that is compared by
 * memcmp(), walked by recursion.
 *
 * expect: updateable root struct.entry.key.src struct.entry.key.dst
 *   struct.entry.key.sport struct.entry.key.dport struct.entry.left
 *   struct.entry.right struct.entry.n
 * expect: class struct.entry per-flow ip_src ip_dst port_src port_dst
 * expect: key struct.entry key.src ip_src
 * expect: key struct.entry key.dport port_dst
 * expect: container struct.entry tree
 * expect: link struct.entry left child
 * expect: link struct.entry right child */
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pcap.h>
#include <stdlib.h>
#include <string.h>

struct key {
    unsigned int src, dst;
    unsigned short sport, dport;
};

struct entry {
    struct key key;
    struct entry *left, *right;
    unsigned int n;
};

static struct entry *root;

static struct entry *
find(struct entry *e, const struct key *key)
{
    int cmp = e ? memcmp(&e->key, key, sizeof *key) : 0;
    return !cmp ? e : find(cmp < 0 ? e->left : e->right, key);
}

static void
insert(struct entry **at, struct entry *new)
{
    while (*at) {
        at = (memcmp(&(*at)->key, &new->key, sizeof new->key) < 0
              ? &(*at)->left : &(*at)->right);
    }
    *at = new;
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;
    while ((packet = pcap_next(p, &header))) {
        const struct iphdr *ip = (const struct iphdr *) (packet + 14);
        const struct tcphdr *tcp = (const struct tcphdr *) (packet + 34);
        struct key key;
        key.src = ip->saddr;
        key.dst = ip->daddr;
        key.sport = tcp->source;
        key.dport = tcp->dest;
        struct entry *e = find(root, &key);
        if (!e) {
            e = calloc(1, sizeof *e);
            e->key = key;
            insert(&root, e);
        }
        e->n++;
    }
    return 0;
}
