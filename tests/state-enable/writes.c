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

/* Writes to the state of flows in many ways, by packets of another flow: a
 * packet from port 2000 at time N writes to the flow from port 1000 + N in the
 * way N; with FOREIGN, from 21 to 26 in ways that nobody can know.  A second
 * capture is read packet by packet. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "foreign.h"

#define BUCKETS 4
#define SEEN 8
#define TEXT 32

void between(void) __attribute__((weak));

struct more {
    unsigned int a, b;
};

struct flow {
    struct flow *next;
    unsigned int src, dst;
    unsigned short sport, dport;
    unsigned int packets, bytes;
    unsigned char seen[SEEN];
    struct more *more;
    char *text;
};

static struct flow *flows[BUCKETS];
static unsigned int n_flows;
static unsigned int *counter;
static int zeros;
static pcap_t *reading;

static unsigned int
hash(unsigned int src, unsigned int dst, unsigned short sport,
     unsigned short dport)
{
    return (src ^ dst ^ sport ^ dport) % BUCKETS;
}

static void
increment(unsigned int *n)
{
    ++*n;
}

/* Given variables of functions in all calls but one, */
static void
fill(char *p, const char *end)
{
    while (p < end) {
        *p++ = 'f';
    }
}

/* in all calls that are seen, */
static int
count(const void *n_, const void *other)
{
    unsigned int *n = (void *) n_;

    *n += n != other;
    return 0;
}

/* and in all calls. */
static void
clear(char *p, const char *end)
{
    while (p < end) {
        *p++ = 'c';
    }
}

/* A block that is not an entry's. */
static char *
copy(const char *s)
{
    char *new = malloc(TEXT), *p = new;

    while (*s) {
        p += sprintf(p, "%c", *s++);
    }
    *p = 0;
    return new;
}

static void
stop(int signum)
{
    (void) signum;
    pcap_breakloop(reading);
}

static int
compare(const void *a, const void *b)
{
    return *(const unsigned char *) b - *(const unsigned char *) a;
}

static struct flow *
find(unsigned int src, unsigned int dst, unsigned short sport,
     unsigned short dport)
{
    struct flow *f;

    for (f = flows[hash(src, dst, sport, dport)]; f; f = f->next) {
        if (f->src == src && f->dst == dst && f->sport == sport
            && f->dport == dport) {
            break;
        }
    }
    return f;
}

static struct flow *
add(unsigned int src, unsigned int dst, unsigned short sport,
    unsigned short dport)
{
    unsigned int i = hash(src, dst, sport, dport);
    struct flow *f = calloc(1, sizeof *f);

    f->src = src;
    f->dst = dst;
    f->sport = sport;
    f->dport = dport;
    f->more = calloc(1, sizeof *f->more);
    f->text = calloc(1, TEXT);
    f->seen[0] = 1;
    f->next = flows[i];
    flows[i] = f;
    n_flows++;
    return f;
}

/* The first of a list, which is not the only one. */
static void
drop_first(unsigned int i)
{
    struct flow *f = flows[i];

    flows[i] = f->next;
    n_flows--;
    free(f->more);
    free(f->text);
    free(f);
}

/* To the front of its list: nothing of the flow changes. */
static void
move_to_front(struct flow *f)
{
    struct flow **first = &flows[hash(f->src, f->dst, f->sport, f->dport)];

    for (struct flow *p = *first; p; p = p->next) {
        if (p->next == f) {
            p->next = f->next;
            f->next = *first;
            *first = f;
            return;
        }
    }
}

#ifdef FOREIGN
static void
write_unknown(struct flow *f, int way)
{
    struct iovec iov = { f->text, TEXT };

    switch (way) {
    case 21:                    /* No function of the runtime. */
        st_touched(&f->packets);
        break;
    case 22:
        foreign_ops.bump(&f->packets);
        break;
    case 23:
        foreign_scatter(&(struct foreign_ref) { &f->bytes });
        break;
    case 24:
        foreign_keep(&f->bytes);
        foreign_tick();
        break;
    case 25:
        if (readv(zeros, &iov, 1) != TEXT) {
            abort();
        }
        break;
    case 26:
        __asm__ goto ("" : : "m" (f->packets) : "memory" : out);
    out:
        break;
    }
}
#endif

static void
write_to(struct flow *f, int way)
{
    struct flow *next;
    unsigned int n = way;
    char *cursor, line[8] = "";

#ifdef FOREIGN
    write_unknown(f, way);
#endif
    switch (way) {
    case 1:                     /* By another pointer. */
        counter = &f->packets;
        ++*counter;
        break;
    case 2:
        cursor = copy("memcpy");
        memcpy(f->text, cursor, 7);
        free(cursor);
        break;
    case 3:
        strcpy(f->text + 8, "strcpy");
        break;
    case 4:
        snprintf(f->text, TEXT, "%u", f->packets);
        break;
    case 5:                     /* What the kernel writes. */
        if (read(zeros, f->seen, SEEN) != SEEN) {
            abort();
        }
        break;
    case 6:
        increment(&f->bytes);
        break;
    case 7:
        for (int i = 0; i < SEEN; i++) {
            f->seen[i] += i;
        }
        break;
    case 8:
        sscanf("8", "%u", &f->packets);
        break;
    case 9:
        f->more->b++;
        break;
    case 10:                    /* Perhaps it stays where it is. */
        f->text = realloc(f->text, TEXT);
        break;
    case 11:
        printf("%s %u\n", f->text, f->packets);
        break;
    case 12:
        f->seen[3] = 3;
        qsort(f->seen, SEEN, 1, compare);
        break;
    case 13:
        *f->more = (struct more) { 13, 13 };
        break;
    case 14:
        move_to_front(f);
        break;
    case 15:                    /* The first tells of both. */
        f->packets++;
        f->bytes += 15;
        break;
    case 16:                    /* Each. */
        for (int i = 0; i < BUCKETS; i++) {
            for (f = flows[i]; f; f = f->next) {
                f->bytes++;
            }
        }
        break;
    case 17:                    /* It may end here. */
        drop_first(hash(f->src, f->dst, f->sport, f->dport));
        break;
    case 18:
        cursor = strcpy(f->text, "a,b");
        while (strsep(&cursor, ",")) {
        }
        break;
    case 19:                    /* Not each way frees it. */
        cursor = f->text;
        *cursor = 'x';
        if (zeros < 0) {
            free(cursor);
            f->text = NULL;
        }
        break;
    case 20:
        count(&n, line);
        increment(&n);
        fill(line, line + sizeof line);
        clear(line + 1, line + sizeof line);
        bsearch(&f->bytes, line, sizeof line, 1, count);
        break;
    case 27:
        fill(f->text, f->text + 4);
        break;
    case 28:                    /* By one pointer, to two. */
        next = find(f->src, f->dst, 1001, f->dport);
        while (f) {
            f->bytes++;
            f = next;
            next = NULL;
        }
        break;
    }
}

static void
packet(unsigned char *user, const struct pcap_pkthdr *h,
       const unsigned char *data)
{
    const struct iphdr *ip = (const void *) (data + 14);
    const struct udphdr *udp = (const void *) (ip + 1);
    unsigned short sport = ntohs(udp->source), dport = ntohs(udp->dest);

    (void) user;
    if (h->caplen < 14 + sizeof *ip + sizeof *udp) {
        return;
    }
    struct flow *f = find(ip->saddr, ip->daddr, sport, dport);
    if (!f) {
        f = add(ip->saddr, ip->daddr, sport, dport);
    }
    if (sport == 2000) {
        f = find(ip->saddr, ip->daddr, 1000 + h->ts.tv_sec, dport);
        if (f) {
            write_to(f, h->ts.tv_sec);
        }
        if (between) {
            between();
        }
    }
}

/* State may be sent while the next packet is read. */
static void
read_two_by_two(pcap_t *p, struct flow *f)
{
    struct more *more = calloc(1, sizeof *more);
    struct pcap_pkthdr h;

    if (f) {
        free(f->more);
        f->more = more;
    }
    while (p && f && pcap_next(p, &h)) {
        f->bytes++;
        if (between) {
            between();
        }
        if (!pcap_next(p, &h)) {
            break;
        }
        more->a++;
        if (between) {
            between();
        }
    }
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = argc > 1 ? pcap_open_offline(argv[1], error)
                         : pcap_open_live("lo", 65535, 1, 100, error);

    zeros = open("/dev/zero", O_RDONLY);
    if (!p || zeros < 0) {
        return 1;
    }
    reading = p;
    signal(SIGTERM, stop);
    pcap_loop(p, -1, packet, NULL);
    printf("%u flows\n", n_flows);
    pcap_close(p);
    if (argc > 2) {
        read_two_by_two(pcap_open_offline(argv[2], error), flows[0]);
    }
    return 0;
}
