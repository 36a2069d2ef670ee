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

/* Locals of the loop procedure: one in a register and one in memory live from one
 * packet to the next, one in memory is made anew each time.  What is computed in
 * the loop only now and then ("left") is one variable, too.
 *
 * expect: persistent main::n main::history main::left main::p
 * expect: updateable main::n main::history main::left
 * expect: class main::n all-flows */
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
sum(const int *a)
{
    int s = 0;
    for (int i = 0; i < 16; i++) {
        s += a[i];
    }
    return s;
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    int n = 0, left = atoi(argv[0]), history[16], scratch[16];
    memset(history, 0, sizeof history);
    for (;;) {
        struct pcap_pkthdr header;
        const unsigned char *packet = pcap_next(p, &header);
        if (!packet) {
            break;
        }
        if (!left) {
            continue;
        }
        for (int i = 0; i < left; i++) {
            if (packet[2] == i) {
                left = packet[3];
                break;
            }
        }
        memset(scratch, 0, sizeof scratch);
        scratch[packet[0] & 15] = 1;
        history[packet[1] & 15] += sum(scratch);
        n++;
    }
    return n > 5 && sum(history) > 3;
}
