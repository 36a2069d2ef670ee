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

/* Forward from the packet, backward from the output, and both: what the packet
 * changes, what influences what is sent, and which of the former does.
 * The handles of libpcap are used for each packet and never set.
 *
 * expect: updateable changes_output only_counts
 * expect: top-level changes_output main::p only_counts out set_before
 * expect: outputs changes_output pcap_inject
 * expect: outputs only_counts
 * expect: loop main */
#include <pcap.h>
#include <stdlib.h>

static unsigned int changes_output;     /* By the packet, and is sent. */
static unsigned int only_counts;        /* By the packet, and is not. */
static unsigned int set_before;         /* Is sent, but no packet sets it. */
static pcap_t *out;

static void
handle(const unsigned char *packet, unsigned int length)
{
    unsigned char answer[2];

    changes_output ^= packet[0];
    only_counts++;
    answer[0] = changes_output;
    answer[1] = set_before;
    pcap_inject(out, answer, sizeof answer);
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;

    out = pcap_open_live(argv[1], 100, 1, 10, error);
    set_before = atoi(argv[2]);
    while ((packet = pcap_next(p, &header))) {
        handle(packet, header.len);
    }
    return 0;
}
