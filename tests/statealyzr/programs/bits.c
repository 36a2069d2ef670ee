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

/* Bit fields that share a byte are variables of their own; so are the members of
 * a struct in a table that is declared.
 *
 * expect: updateable state struct.bits.seen
 * expect: top-level state struct.bits.seen struct.bits.wanted main::b
 *   main::p */
#include <pcap.h>
#include <stdlib.h>

struct bits {
    unsigned int seen : 3;      /* Written in the loop. */
    unsigned int wanted : 5;    /* Written before, read in the loop. */
};

static struct bits *state;

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    struct bits *b = malloc(sizeof *b);
    b->seen = 0;
    b->wanted = 5;
    while (pcap_next(p, &header)) {
        if (!state) {
            state = b;
        }
        if (b->wanted == 5) {
            b->seen = 2;
        }
    }
    return 0;
}
