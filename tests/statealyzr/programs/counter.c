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

/* Globals: one that each packet changes, one that is only read, one that is
 * written before the loop only, and one that nothing in the loop uses.
 *
 * expect: updateable n_packets
 * expect: top-level n_packets limits verbose main::p
 * expect: persistent n_packets limits verbose unused main::p
 * expect: class n_packets all-flows
 * expect: loop main */
#include <pcap.h>
#include <stdlib.h>

static int n_packets;           /* += 1 for each packet. */
static const int limits[] = { 1000, 2000 };     /* Read-only. */
static int verbose;             /* Set by an option, read in the loop. */
int unused;

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[1], error);
    struct pcap_pkthdr header;
    verbose = argc > 2;
    unused = argc;
    while (pcap_next(p, &header)) {
        n_packets++;
        if (verbose && n_packets > limits[header.len & 1]) {
            exit(1);
        }
    }
    return 0;
}
