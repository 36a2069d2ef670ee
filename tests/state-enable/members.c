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

/* Keeps of each flow members of all kinds that mbox-state(8) tells. */

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "captures.h"

enum phase { NEW, KNOWN = 7 };

struct agent {
    char *name;
    unsigned char mark[8];
    unsigned int uses;
};

struct step {
    const char *kind;
    unsigned short size;
    enum phase phase;
};

struct flow {
    struct flow *next;
    unsigned int src, dst;
    unsigned short sport, dport;
    enum phase phase;
    bool is_odd;
    unsigned int low : 3, high : 5;
    char label[12];
    time_t first;
    double mean;
    struct in_addr peer;
    struct {
        int last;
        unsigned int counts[4];
    } sums;
    struct step steps[4];
    unsigned int n_steps;
    struct agent *agent;
    const char *kind;
    void (*log)(const struct flow *);
    unsigned char *data;
    unsigned int data_len;
    unsigned int packets;
};

static struct flow *flows[16];

static void
log_odd(const struct flow *f)
{
    printf("odd %u %u\n", f->sport, f->packets);
}

static void
log_even(const struct flow *f)
{
    printf("even %u %u\n", f->sport, f->packets);
}

static struct flow *
add(unsigned int bucket, const struct iphdr *ip, const struct udphdr *udp,
    time_t now)
{
    struct flow *f = calloc(1, sizeof *f);

    f->src = ip->saddr;
    f->dst = ip->daddr;
    f->sport = ntohs(udp->source);
    f->dport = ntohs(udp->dest);
    f->is_odd = f->sport % 2;
    f->kind = f->is_odd ? "odd one" : "even one";
    f->log = f->is_odd ? log_odd : log_even;
    f->first = now;
    f->peer.s_addr = ip->daddr;
    snprintf(f->label, sizeof f->label, "flow\t%u", f->sport);
    f->next = flows[bucket];
    flows[bucket] = f;
    return f;
}

static void
update(struct flow *f, unsigned int len)
{
    f->packets++;
    f->low = f->packets;
    f->high = len;
    f->mean = (f->mean + len) / 2;
    f->sums.last = -(int) len;
    f->sums.counts[f->packets % 4]++;
    if (f->n_steps < 4) {
        f->steps[f->n_steps].kind = f->kind;
        f->steps[f->n_steps].size = len;
        f->steps[f->n_steps].phase = f->phase;
        f->n_steps++;
    }
    if (f->packets > 1) {
        f->phase = KNOWN;
        if (!f->agent) {
            f->agent = calloc(1, sizeof *f->agent);
            f->agent->name = strdup(f->is_odd ? "Odd/1.0" : "Even/2.0");
        }
        f->agent->mark[0] = 0xab;
        f->agent->uses++;
    }
    free(f->data);
    f->data = malloc(len);
    memset(f->data, 0xee, len);
    f->data_len = len;
}

static void
packet(unsigned char *user, const struct pcap_pkthdr *h,
       const unsigned char *data)
{
    const struct iphdr *ip = (const void *) (data + 14);
    const struct udphdr *udp = (const void *) (ip + 1);
    unsigned int bucket;
    struct flow *f;

    (void) user;
    if (h->caplen < 14 + sizeof *ip + sizeof *udp) {
        return;
    }
    bucket = (ip->saddr ^ ip->daddr ^ udp->source ^ udp->dest) % 16;
    for (f = flows[bucket]; f; f = f->next) {
        if (f->src == ip->saddr && f->dst == ip->daddr
            && f->sport == ntohs(udp->source)
            && f->dport == ntohs(udp->dest)) {
            break;
        }
    }
    if (!f) {
        f = add(bucket, ip, udp, h->ts.tv_sec);
    }
    update(f, 3);
    f->log(f);
    if (f->packets > 100) {
        flows[bucket] = f->next;
        if (f->agent) {
            free(f->agent->name);
        }
        free(f->agent);
        free(f->data);
        free(f);
    }
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
    read_captures(argc, argv);
    return 0;
}
