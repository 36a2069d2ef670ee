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

/* State that only functions write that the program does not call itself, or that
 * return elsewhere: a comparison for qsort(), a signal's handler, a function that
 * takes what it is to count as variable arguments, and one that jumps back into
 * the loop.  The other handler's is none: it has nothing of a packet.
 *
 * expect: updateable jump lengths n_lengths n_compared n_bad n_small n_at_hup
 * expect: class n_bad all-flows
 * expect: outputs n_at_hup printf
 * expect: outputs n_compared
 * expect: loop main */
#include <pcap.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf jump;
static unsigned int lengths[64];
static unsigned int n_lengths, n_compared, n_bad, n_small;
static volatile sig_atomic_t n_at_hup, ended;

static int
compare(const void *a, const void *b)
{
    n_compared++;
    return *(const unsigned int *) a < *(const unsigned int *) b ? -1 : 1;
}

static void
on_hup(int signal_number)
{
    n_at_hup = n_lengths;
    (void) signal_number;
}

static void
on_term(int signal_number)
{
    ended = 1;
    (void) signal_number;
}

static void
add(int n, ...)
{
    va_list args;
    va_start(args, n);
    while (n--) {
        unsigned int *counter = va_arg(args, unsigned int *);
        ++*counter;
    }
    va_end(args);
}

static void
process(const unsigned char *packet, unsigned int length)
{
    if (packet[0] != 0x45) {
        add(1, &n_bad);
        longjmp(jump, 1);
    } else if (length < 64) {
        add(1, &n_small);
    }
    lengths[n_lengths++ & 63] = length;
    qsort(lengths, 64, sizeof lengths[0], compare);
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline(argv[argc - 1], error);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_hup;
    sigaction(SIGHUP, &action, NULL);
    signal(SIGTERM, on_term);
    while (!ended) {
        struct pcap_pkthdr header;
        const unsigned char *packet = pcap_next(pcap, &header);
        if (!packet) {
            break;
        }
        if (!setjmp(jump)) {
            process(packet, header.len);
        }
        if (n_at_hup && n_bad) {
            printf("%u bad\n", n_bad);
        }
    }
    return 0;
}
