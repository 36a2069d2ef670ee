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

#ifndef CAPTURES_H
#define CAPTURES_H 1

/* Where the packets of a program come from: of its arguments, which are
 * captures, one after another, with between() behind each; without any, of an
 * interface. */

#include <pcap/pcap.h>

void between(void) __attribute__((weak));

/* Reads all packets and closes the handle, which may be NULL. */
static void read_all(pcap_t *);

static void
read_captures(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];

    if (argc < 2) {
        read_all(pcap_open_live("lo", 65535, 1, 100, error));
    }
    for (int i = 1; i < argc; i++) {
        read_all(pcap_open_offline(argv[i], error));
        if (between) {
            between();
        }
    }
}

#endif /* captures.h */
