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

/* A static of a function, a file, a descriptor, and what is computed from it.
 *
 * expect: updateable next_id::id log_file socket_ n_fds place
 * expect: unmovable log_file socket_ */
#include <pcap.h>
#include <stdio.h>
#include <sys/socket.h>

static FILE *log_file;
static int socket_ = -1;
static int n_fds, place;

static int
next_id(void)
{
    static int id;
    return ++id;
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    while (pcap_next(p, &header)) {
        if (!log_file) {
            log_file = fopen("log", "w");
            socket_ = socket(AF_INET, SOCK_DGRAM, 0);
            n_fds = socket_ + 1;
            place = socket_ % 7;
        }
        fprintf(log_file, "%d %d %d %d\n", next_id(), socket_, n_fds,
                place);
    }
    return 0;
}
