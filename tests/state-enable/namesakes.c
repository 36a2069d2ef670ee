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

/* Counts and notes packets of captures; see namesakes.h. */

#include "namesakes.h"

#include <pcap/pcap.h>

static void
packet(unsigned char *user, const struct pcap_pkthdr *h,
       const unsigned char *data)
{
    const struct iphdr *ip = (const void *) (data + 14);
    const struct udphdr *udp = (const void *) (ip + 1);

    (void) user;
    if (h->caplen >= 14 + sizeof *ip + sizeof *udp) {
        count_packet(ip, udp);
        note_packet(ip, udp, h->ts.tv_sec);
    }
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];

    for (int i = 1; i < argc; i++) {
        pcap_t *p = pcap_open_offline(argv[i], error);

        if (p) {
            pcap_loop(p, -1, packet, NULL);
            pcap_close(p);
        }
    }
    count_print();
    note_print();
    return 0;
}
