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

#ifndef TABLE_H
#define TABLE_H 1

/* What table.c has: flows in a hash table in the heap, with open addressing,
 * that grows, and in a list by age; each with two files, a list of notes, the
 * ports of its packets, and the seconds between them. */

#include <bsd/sys/queue.h>

struct spool {
    unsigned int n;             /* Packets. */
    int fd;
};

struct note {
    struct note *next;
    unsigned int len;
    char text[];
};

/* Seconds between packets, of which a flow has the last itself. */
struct gap {
    struct gap *before;
    long length;
};

struct flow {
    LIST_ENTRY(flow) by_age;
    unsigned int src, dst;
    unsigned short sport, dport;
    struct spool spools[2];     /* Of even and odd times. */
    struct note *notes;         /* The newest comes first. */
    unsigned short *ports;
    unsigned int n_ports;
    long last;
    struct gap gap;
};

struct table {
    struct flow **slots;
    unsigned int n, mask;
    LIST_HEAD(, flow) by_age;   /* The newest comes first. */
};

extern struct table table;

/* The flow with the addresses and ports of 'key', or NULL. */
struct flow *table_find(const struct flow *key);
void table_insert(struct flow *);
void table_remove(struct flow *);

#endif /* table.h */
