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

/* Linked by utilities/mbox_bench_programs.py with the programs that it
 * builds, with foreground.c: the machine that these run on.  A daemon logs to
 * nobody.  libpcap hands over packets at least every millisecond (without a
 * timeout, which scanlogd does not give, it would wait for a full buffer), and
 * its buffer is as large as that of libmbox.
 *
 * On SIGUSR1 prints how many packets libpcap's socket has taken and dropped;
 * nothing if the program does not read packets by libpcap. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

static int pcap_fd = -1;
static int error_fd;            /* Standard error, which daemons close. */

#define BUFFER_BYTES (64 * 1024 * 1024)

/* The linker's --wrap. */
pcap_t *__wrap_pcap_open_live(const char *, int, int, int, char *);

static char *
put_number(char *p, unsigned int n)
{
    if (n >= 10) {
        p = put_number(p, n / 10);
    }
    *p++ = '0' + n % 10;
    return p;
}

/* Async-signal-safe. */
static void
print_statistics(int signum)
{
    struct tpacket_stats_v3 stats;
    socklen_t len = sizeof stats;
    char line[64], *p = line;
    int error = errno;

    (void) signum;
    if (!getsockopt(pcap_fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len)) {
        p = stpcpy(p, "packets ");
        p = put_number(p, stats.tp_packets);
        p = stpcpy(p, " dropped ");
        p = put_number(p, stats.tp_drops);
        *p++ = '\n';
        if (write(error_fd, line, p - line) < 0) {
            _exit(1);
        }
    }
    errno = error;
}

pcap_t *
__wrap_pcap_open_live(const char *device, int snaplen, int promisc, int to_ms,
                      char *errbuf)
{
    pcap_t *p = pcap_create(device, errbuf);

    if (!p) {
        return NULL;
    }
    pcap_set_snaplen(p, snaplen);
    pcap_set_promisc(p, promisc);
    pcap_set_timeout(p, to_ms ? to_ms : 1);
    pcap_set_buffer_size(p, BUFFER_BYTES);
    if (pcap_activate(p) < 0) {
        snprintf(errbuf, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(p));
        pcap_close(p);
        return NULL;
    }
    pcap_fd = pcap_fileno(p);
    error_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    signal(SIGUSR1, print_statistics);
    return p;
}

void
openlog(const char *name, int options, int facility)
{
    (void) name;
    (void) options;
    (void) facility;
}

void
syslog(int priority, const char *format, ...)
{
    (void) priority;
    (void) format;
}

/* As glibc's headers rename it with _FORTIFY_SOURCE. */
void __syslog_chk(int priority, int flag, const char *format, ...);
void
__syslog_chk(int priority, int flag, const char *format, ...)
{
    (void) priority;
    (void) flag;
    (void) format;
}
