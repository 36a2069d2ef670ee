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

/* An array that a header field indexes, and headers that the program declares
 * itself: known by their layout.
 *
 * expect: updateable n_of_port
 * expect: class n_of_port multi-flow port_dst */
#include <pcap.h>

struct my_segment {
    unsigned short from, to;
    unsigned int number, acknowledged;
    unsigned char offset, bits;
    unsigned short window, checksum, urgent;
};

static unsigned int n_of_port[65536];

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;
    while ((packet = pcap_next(p, &header))) {
        const struct my_segment *s = (const struct my_segment *) (packet + 34);
        n_of_port[s->to]++;
    }
    return 0;
}
