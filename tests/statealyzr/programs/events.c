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

/* The loop is in an event library, and the program's part are handlers: one for
 * packets, one for a timer.  What the timer changes is state, as it is
 * changed while packets come.
 *
 * expect: loop main
 * expect: updateable n_packets n_ticks rate
 * expect: top-level n_packets n_ticks rate
 * expect: class rate all-flows */
#include <sys/types.h>
#include <sys/socket.h>
#include <stddef.h>
#include <sys/time.h>

struct event_base;
struct event;
struct event_base *event_base_new(void);
struct event *event_new(struct event_base *, int fd, short what,
                        void (*)(int, short, void *), void *);
int event_add(struct event *, const struct timeval *);
int event_base_dispatch(struct event_base *);

static unsigned long n_packets, n_ticks, rate;

static void
on_packet(int fd, short what, void *aux)
{
    char buffer[2048];

    if (recv(fd, buffer, sizeof buffer, 0) > 0 && buffer[0]) {
        n_packets++;
    }
}

static void
on_timer(int fd, short what, void *aux)
{
    n_ticks++;
    rate = n_packets / n_ticks;
}

int
main(void)
{
    static const struct timeval second = { 1, 0 };
    struct event_base *base = event_base_new();
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    event_add(event_new(base, fd, 0x12, on_packet, NULL), NULL);
    event_add(event_new(base, -1, 0x10, on_timer, NULL), &second);
    event_base_dispatch(base);
    return 0;
}
