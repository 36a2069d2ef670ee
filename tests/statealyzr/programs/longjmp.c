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

/* setjmp() returns again with what was stored since: by_return() gets to 'again_2'
 * though 'now' is 1 where it calls setjmp().  And the loop jumps back to main(),
 * which calls restart() with 2 then, and the loop with 1 only.  kept() gets its
 * parameter by a path through setjmp(), after which it is the same: 1.
 *
 * expect: loop main
 * expect: updateable again again_2 restart_1 restart_2 kept_1 */
#include <pcap.h>
#include <setjmp.h>

static jmp_buf again, start;
static int again_1, again_2, restart_1, restart_2, kept_1, kept_2;

static void
leave(int what)
{
    longjmp(what == 1 ? again : start, 1);
}

static void
by_return(int what)
{
    volatile int now = what;
    if (setjmp(again)) {
        if (now == 2) {
            again_2++;
        }
        return;
    }
    if (now == 2) {
        again_1++;
    }
    now = 2;
    leave(1);
}

static void
kept(int what)
{
    if (!setjmp(again)) {
        leave(1);
    }
    switch (what) {
    case 1: kept_1++; break;
    case 2: kept_2++; break;
    }
}

static void
restart(int what)
{
    switch (what) {
    case 1: restart_1++; break;
    case 2: restart_2++; break;
    }
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;

    if (setjmp(start)) {
        restart(2);
    }
    while ((packet = pcap_next(p, &header))) {
        by_return(1);
        kept(1);
        restart(1);
        if (packet[0]) {
            leave(0);
        }
    }
    return 0;
}
