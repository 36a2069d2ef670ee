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

/* Keeps the times of each flow's packets in two files without a name, those at
 * even times and those at odd ones, and some of the last in a list, and prints
 * them. */

#include "table.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void between(void) __attribute__((weak));

struct table table;

static int
same(const struct flow *a, const struct flow *b)
{
    return (a->src == b->src && a->dst == b->dst && a->sport == b->sport
            && a->dport == b->dport);
}

/* Where a flow is, or would be. */
static struct flow **
slot(const struct flow *key)
{
    unsigned int i = (key->src ^ key->dst ^ key->sport ^ key->dport) * 7;

    while (table.slots[i & table.mask]
           && !same(table.slots[i & table.mask], key)) {
        i++;
    }
    return &table.slots[i & table.mask];
}

struct flow *
table_find(const struct flow *key)
{
    return table.slots ? *slot(key) : NULL;
}

static void
grow(void)
{
    unsigned int mask = table.slots ? 2 * table.mask + 1 : 3;
    struct flow *f;

    free(table.slots);
    table.slots = calloc(mask + 1, sizeof *table.slots);
    table.mask = mask;
    LIST_FOREACH (f, &table.by_age, by_age) {
        *slot(f) = f;
    }
}

void
table_insert(struct flow *f)
{
    if (2 * table.n++ >= table.mask) {
        grow();
    }
    *slot(f) = f;
    LIST_INSERT_HEAD(&table.by_age, f, by_age);
}

/* What comes behind a slot may have been put there because it was not free. */
void
table_remove(struct flow *f)
{
    unsigned int i = slot(f) - table.slots;

    table.slots[i] = NULL;
    while (table.slots[++i & table.mask]) {
        struct flow *moved = table.slots[i & table.mask];

        table.slots[i & table.mask] = NULL;
        *slot(moved) = moved;
    }
    LIST_REMOVE(f, by_age);
    table.n--;
}

static struct flow *
create(const struct flow *key)
{
    struct flow *f = malloc(sizeof *f);

    *f = *key;
    for (int i = 0; i < 2; i++) {
        f->spools[i].fd = memfd_create("spool", MFD_CLOEXEC);
        f->spools[i].n = 0;
    }
    f->notes = NULL;
    f->ports = NULL;
    f->n_ports = 0;
    f->last = 0;
    f->gap.before = NULL;
    f->gap.length = 0;
    table_insert(f);
    return f;
}

static void
drop_note(struct flow *f)
{
    struct note *note = f->notes;

    f->notes = note->next;
    free(note);
}

/* Notes a text, and forgets two if that makes five. */
static void
add_note(struct flow *f, const char *text, unsigned int len)
{
    struct note *note = malloc(sizeof *note + len);
    unsigned int n = 0;

    note->next = f->notes;
    note->len = len;
    memcpy(note->text, text, len);
    f->notes = note;
    while (note) {
        n++;
        note = note->next;
    }
    if (n == 5) {
        drop_note(f);
        drop_note(f);
    }
}

static void
add_port(struct flow *f, unsigned short port)
{
    f->ports = realloc(f->ports, (f->n_ports + 1) * sizeof *f->ports);
    f->ports[f->n_ports++] = port;
}

static void
add_gap(struct flow *f, long now)
{
    struct gap *gap = malloc(sizeof *gap);

    *gap = f->gap;
    f->gap.before = gap;
    f->gap.length = now - f->last;
    f->last = now;
}

static void
drop_gap(struct flow *f)
{
    struct gap *gap = f->gap.before;

    f->gap = *gap;
    free(gap);
}

static void
packet(unsigned char *user, const struct pcap_pkthdr *h,
       const unsigned char *data)
{
    const struct iphdr *ip = (const void *) (data + 14);
    const struct udphdr *udp = (const void *) (ip + 1);
    struct flow key, *f;
    char text[16];

    (void) user;
    if (h->caplen < 14 + sizeof *ip + sizeof *udp) {
        return;
    }
    key.src = ip->saddr;
    key.dst = ip->daddr;
    key.sport = udp->source;
    key.dport = udp->dest;
    f = table_find(&key);
    if (!f) {
        f = create(&key);
    }

    struct spool *spool = &f->spools[h->ts.tv_sec % 2];
    int n = snprintf(text, sizeof text, " %ld", (long) h->ts.tv_sec);
    if (write(spool->fd, text, n) == n) {
        spool->n++;
    }
    add_note(f, text, n);
    add_gap(f, h->ts.tv_sec);
    add_port(f, ntohs(udp->source));
}

static void
print(struct flow *f)
{
    printf("%u", ntohs(f->sport));
    for (int i = 0; i < 2; i++) {
        char text[4096];
        ssize_t n = pread(f->spools[i].fd, text, sizeof text, 0);

        printf(" %u:%.*s", f->spools[i].n, (int) n, text);
        close(f->spools[i].fd);
    }
    while (f->notes) {
        printf(" %.*s", (int) f->notes->len, f->notes->text);
        drop_note(f);
    }
    for (unsigned int i = 0; i < f->n_ports; i++) {
        printf(" %u", f->ports[i]);
    }
    free(f->ports);
    while (f->gap.before) {
        printf(" +%ld", f->gap.length);
        drop_gap(f);
    }
    putchar('\n');
}

int
main(int argc, char *argv[])
{
    struct flow *f;

    for (int i = 1; i < argc; i++) {
        char error[PCAP_ERRBUF_SIZE];
        pcap_t *p = (strcmp(argv[i], "/dev/null")
                     ? pcap_open_offline(argv[i], error) : NULL);

        if (p) {
            pcap_loop(p, -1, packet, NULL);
            pcap_close(p);
        }
        if (between) {
            between();
        }
    }
    while ((f = LIST_FIRST(&table.by_age))) {
        print(f);
        table_remove(f);
        free(f);
    }
    free(table.slots);

    /* The one that comes next says how many there are. */
    printf("next descriptor: %d\n", dup(0));
    return 0;
}
