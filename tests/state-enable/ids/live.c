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

/* The engine of mbox-ids as a program that knows nothing of being moved: it
 * reads packets of an interface by libpcap.  Its arguments are a file of
 * rules, the interface, and the log. */

#include <config.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "event-log.h"
#include "ids-rules.h"
#include "ids-scan.h"
#include "ids-sig.h"
#include "live.h"
#include "mbox-key.h"

struct ids *ids;

static pcap_t *pcap;

static void
stop(int signum)
{
    (void) signum;
    pcap_breakloop(pcap);
}

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void
fail(const char *what)
{
    fprintf(stderr, "live: %s\n", what);
    exit(1);
}

static void
packet(unsigned char *user, const struct pcap_pkthdr *h,
       const unsigned char *frame)
{
    struct mbox_packet_layout layout;
    struct mbox_key key;

    (void) user;
    mbox_key_extract(frame, h->caplen, &key, &layout);
    ids_packet(ids, clock_ns(CLOCK_MONOTONIC), frame, h->caplen, &key,
               &layout);
}

int
main(int argc, char *argv[])
{
    const struct ids_scan_config scan_config = IDS_SCAN_CONFIG_INITIALIZER;
    struct ids_config config = {
        .now = clock_ns(CLOCK_MONOTONIC),
        .wall = clock_ns(CLOCK_REALTIME) / 1000,
    };
    char error[PCAP_ERRBUF_SIZE], *message;
    struct ids_rules *rules;
    struct ids_sigs *sigs;

    if (argc != 4) {
        fail("usage: live RULES INTERFACE LOG");
    }
    if (ids_rules_load(argv[1], &rules, &message)
        || ids_sigs_compile(rules, NULL, 0, &sigs, &message)) {
        fail(message);
    }
    config.sigs = sigs;
    config.scan = ids_scan_create(&scan_config);
    if (event_log_open(argv[3], "live", NULL, NULL, &config.log)) {
        fail("the log cannot be opened");
    }
    ids = ids_create(&config);

    pcap = pcap_open_live(argv[2], 65535, 1, 100, error);
    if (!pcap) {
        fail(error);
    }
    signal(SIGTERM, stop);
    puts("ready");
    fflush(stdout);
    while (pcap_dispatch(pcap, -1, packet, NULL) >= 0) {
        ids_tick(ids, clock_ns(CLOCK_MONOTONIC));
        event_log_flush(config.log);
    }
    pcap_close(pcap);
    return event_log_close(config.log) ? 1 : 0;
}
