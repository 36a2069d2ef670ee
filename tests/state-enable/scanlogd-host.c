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

/* For LD_PRELOAD: the machine that scanlogd runs on in a test.  Its clock
 * stands still until the test sets it, since scanlogd takes ports for one scan
 * only if they come within seconds; and syslog is a file.  Linked with
 * foreground.c.
 *
 *   HOST_CLOCK=FILE   has seconds, in decimal digits
 *   HOST_LOG=FILE     is there once packets are captured, and gets a line for
 *                     each message */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/times.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

time_t
time(time_t *t)
{
    FILE *stream = fopen(getenv("HOST_CLOCK"), "r");
    long seconds;

    if (!stream || fscanf(stream, "%ld", &seconds) != 1) {
        abort();
    }
    fclose(stream);
    if (t) {
        *t = seconds;
    }
    return seconds;
}

clock_t
times(struct tms *unused)
{
    (void) unused;
    return time(NULL) * sysconf(_SC_CLK_TCK);
}

static FILE *
open_log(void)
{
    FILE *stream = fopen(getenv("HOST_LOG"), "a");

    if (!stream) {
        abort();
    }
    return stream;
}

/* It does that when it has begun to capture packets. */
void
openlog(const char *name, int options, int facility)
{
    (void) name;
    (void) options;
    (void) facility;
    fclose(open_log());
}

static void
log_line(const char *format, va_list args)
{
    FILE *stream = open_log();

    vfprintf(stream, format, args);
    putc('\n', stream);
    fclose(stream);
}

void
syslog(int priority, const char *format, ...)
{
    va_list args;

    (void) priority;
    va_start(args, format);
    log_line(format, args);
    va_end(args);
}

/* As glibc's headers rename it with _FORTIFY_SOURCE. */
void __syslog_chk(int priority, int flag, const char *format, ...);
void
__syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list args;

    (void) priority;
    (void) flag;
    va_start(args, format);
    log_line(format, args);
    va_end(args);
}

/* Without a timeout, which scanlogd does not give, libpcap has a program wait
 * until a buffer is full of packets. */
pcap_t *
pcap_open_live(const char *device, int snaplen, int promisc, int to_ms,
               char *errbuf)
{
    pcap_t *(*open_live)(const char *, int, int, int, char *)
        = (pcap_t *(*)(const char *, int, int, int, char *))
          dlsym(RTLD_NEXT, "pcap_open_live");

    return open_live(device, snaplen, promisc, to_ms ? to_ms : 1, errbuf);
}
