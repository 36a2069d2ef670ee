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

/* A middlebox for tests of options and reports: forwards UDP, and counts the
 * bytes of flows, of hosts, and of all. */

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define N_BUCKETS 64

struct flow {
    struct flow *next;
    in_addr_t ip;
    in_port_t port;
    uint64_t bytes;
    char *last;                 /* The last packet. */
    size_t last_len;
    unsigned int odd : 1;
};

static struct flow *flows[N_BUCKETS];
static uint64_t total;
static const char *greeting = "hello";

static struct flow *
lookup(const struct sockaddr_in *from)
{
    unsigned int hash = (from->sin_addr.s_addr ^ from->sin_port) % N_BUCKETS;
    for (struct flow *f = flows[hash]; f; f = f->next) {
        if (f->ip == from->sin_addr.s_addr && f->port == from->sin_port) {
            return f;
        }
    }

    struct flow *f = calloc(1, sizeof *f);
    if (!f) {
        abort();
    }
    f->ip = from->sin_addr.s_addr;
    f->port = from->sin_port;
    f->next = flows[hash];
    flows[hash] = f;
    return f;
}

static void
count(struct flow *f, const char *packet, size_t n)
{
    f->bytes += n;
    f->odd ^= n & 1;
    free(f->last);
    f->last = malloc(n);
    if (f->last) {
        memcpy(f->last, packet, n);
        f->last_len = n;
    }
    total += n;
}

int
main(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    puts(greeting);
    for (;;) {
        char packet[2048];
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(fd, packet, sizeof packet, 0,
                             (struct sockaddr *) &from, &len);
        if (n < 0) {
            return 1;
        }
        struct flow *f = lookup(&from);
        count(f, packet, n);
        sendto(fd, packet, n, 0, (struct sockaddr *) &from, len);
        if (f->odd) {
            printf("%llu of %llu\n", (unsigned long long) f->bytes,
                   (unsigned long long) total);
        }
    }
}
