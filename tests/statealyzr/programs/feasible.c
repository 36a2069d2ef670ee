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

/* One function reads all settings: those of the command line, and those of files
 * that are read again while the loop runs, in which just some may be.  What may
 * not be there does not change: what is not executed for any values that calls
 * from the loop give to parameters writes nothing.  main() calls everything with
 * everything before the loop, which says nothing about the loop.
 *
 * - set_option() is called for OPT_HOSTS, as read_file() is, and for OPT_SERVERS,
 *   if that is found in the table: other names are errors.  Where setjmp() returns
 *   again, the next line is read.  So name, port and file do not change.
 * - find() creates nothing in the loop (n_made), in_flags() gets bit 2 only (not
 *   bit_1), report() only NULL (not n_told), known() 1 and 2, so that its default
 *   (unknown) is left out; again() calls itself with the same kind (not kind_2),
 *   and less of the rest; apply() is called through a pointer, with 1 (not
 *   applied_2); both() is called with 1 and 2 or 2 and 1 (not same).
 *
 * expect: loop main
 * expect: updateable read_file::n_lines read_file::n_again no_memory hosts servers
 *   n_errors n_found bit_2 n_quiet known_1 known_2 kind_1 applied_1 others
 * expect: why-not name option is 272 or 332
 * expect: why-not n_made create is 0
 * expect: why-not same swap is 0 or 1 */
#include <pcap.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_NAME = 'n', OPT_PORT = 'p', OPT_HOSTS = 272, OPT_FILE = 279,
       OPT_SERVERS = 332 };

static const struct { const char *name; int option; } options[] = {
    { "name", OPT_NAME }, { "port", OPT_PORT }, { "file", OPT_FILE },
    { "servers", OPT_SERVERS }, { NULL, 0 },
};

static jmp_buf no_memory;
static int name, port, file, hosts, servers, n_errors;
static int n_made, n_found, bit_1, bit_2, n_told, n_quiet;
static int known_1, known_2, unknown, kind_1, kind_2, applied_1, applied_2;
static int same, others;

static int
set_option(int option, const char *value)
{
    if (!value) {
        longjmp(no_memory, 1);
    }
    switch (option) {
    case OPT_NAME: name++; break;
    case OPT_PORT: port++; break;
    case OPT_HOSTS: hosts++; break;
    case OPT_FILE: file++; break;
    case OPT_SERVERS: servers++; break;
    }
    return atoi(value);
}

static void
read_file(const char *path, int kind)
{
    static int n_lines, n_again;
    char line[128];
    FILE *f = fopen(path, "r");

    while (fgets(line, sizeof line, f)) {
        volatile int option = kind == OPT_SERVERS ? 0 : kind;
        const char *error = NULL;
        int i;

        n_lines++;
        if (option != 0 || kind == OPT_SERVERS) {
            if (setjmp(no_memory)) {
                n_again++;
                continue;
            }
        }
        if (line[0] == '#') {
            error = "no comments";
            goto failed;
        }
        if (option == 0) {
            for (option = 0, i = 0; options[i].name; i++) {
                if (!strcmp(options[i].name, line)) {
                    option = options[i].option;
                    break;
                }
            }
            if (!option) {
                error = "unknown";
            } else if (kind == OPT_SERVERS && option != OPT_SERVERS) {
                error = "not here";
            }
        }
failed:
        if (error || !set_option(option, line)) {
            n_errors++;
        }
    }
    fclose(f);
}

static void
find(const char *s, int create)
{
    for (int i = 0; options[i].name; i++) {
        if (!strcmp(options[i].name, s)) {
            n_found++;
            return;
        }
    }
    if (create) {
        n_made++;
    }
}

static void
in_flags(unsigned int flags)
{
    if (flags & 1) {
        bit_1++;
    }
    if (flags & 2) {
        bit_2++;
    }
}

static void
report(FILE *to)
{
    if (to) {
        n_told++;
    } else {
        n_quiet++;
    }
}

static void
known(int what)
{
    switch (what) {
    case 1: known_1++; break;
    case 2: known_2++; break;
    default: unknown++; break;
    }
}

static void
again(int kind, int rest)
{
    if (kind == 1) {
        kind_1++;
    } else {
        kind_2++;
    }
    if (rest > 0) {
        again(kind, rest - 1);
    }
}

static void
apply(int what)
{
    if (what == 1) {
        applied_1++;
    } else {
        applied_2++;
    }
}

static void
both(int swap)
{
    int a = swap ? 1 : 2, b = swap ? 2 : 1;
    if (a == b) {
        same++;
    } else {
        others++;
    }
}

int
main(int argc, char *argv[])
{
    void (*volatile function)(int) = apply;
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;

    set_option(argc, argv[1]);
    read_file(argv[2], 0);
    read_file(argv[3], OPT_FILE);
    find(argv[4], 1);
    in_flags(3);
    report(stderr);
    known(argc);
    again(2, argc);
    function(2);
    both(argc);
    while ((packet = pcap_next(p, &header))) {
        if (packet[0]) {
            read_file(argv[2], OPT_HOSTS);
        } else {
            read_file(argv[3], OPT_SERVERS);
        }
        find((const char *) packet, 0);
        in_flags(2);
        report(NULL);
        known(packet[1] ? 1 : 2);
        again(1, packet[2]);
        function(1);
        both(1);
        both(0);
    }
    return 0;
}
