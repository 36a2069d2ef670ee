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

/* What influences which output: one counter is only logged, one decides what is
 * sent, one does nothing.
 *
 * expect: updateable n_logged n_allowed n_idle
 * expect: outputs n_logged printf
 * expect: outputs n_allowed pcap_inject
 * expect: outputs n_idle */
#include <pcap.h>
#include <stdio.h>

static int n_logged, n_allowed, n_idle;

static void
report(void)
{
    printf("%d\n", n_logged);
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;
    while ((packet = pcap_next(p, &header))) {
        n_logged++;
        n_idle++;
        report();
        if (n_allowed++ < 10) {
            pcap_inject(p, packet, header.caplen);
        }
    }
    return 0;
}
