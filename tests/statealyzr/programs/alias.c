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

/* A variable that is only written through pointers, one of them kept in a table of
 * functions.
 *
 * expect: updateable hits misses
 * expect: top-level hits misses counters handlers main::p */
#include <pcap.h>

static int hits, misses;
static int *const counters[] = { &hits, &misses };

static void
count(int *counter)
{
    ++*counter;
}

static void
ignore(int *counter)
{
    (void) counter;
}

static void (*const handlers[])(int *) = { count, ignore };

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;
    while ((packet = pcap_next(p, &header))) {
        handlers[packet[0] & 1](counters[packet[1] & 1]);
    }
    return 0;
}
