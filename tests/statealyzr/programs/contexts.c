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

/* Handlers that an event library calls with what they were registered with: a
 * connection, and what counts all of them.  Nothing of the program's own leads to
 * these; the library keeps them.
 *
 * expect: loop main
 * expect: updateable struct.service.n_connections struct.connection.fd
 *   struct.connection.service struct.connection.n_bytes
 * expect: class struct.service all-flows
 * expect: class struct.connection per-flow ip_src port_src */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

struct event_base;
struct event;
struct event_base *event_base_new(void);
struct event *event_new(struct event_base *, int fd, short what,
                        void (*)(int, short, void *), void *);
int event_add(struct event *, const struct timeval *);
int event_base_dispatch(struct event_base *);

struct service {
    struct event_base *base;
    unsigned int n_connections;
};

struct connection {
    int fd;
    struct service *service;
    unsigned long n_bytes;
};

static void
on_data(int fd, short what, void *connection_)
{
    struct connection *c = connection_;
    char buffer[2048];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n > 0) {
        c->n_bytes += n;
        send(c->fd, buffer, n, 0);
    } else {
        c->service->n_connections--;
        free(c);
    }
}

static void
on_connection(int fd, short what, void *service_)
{
    struct service *s = service_;
    struct connection *c = malloc(sizeof *c);
    c->fd = accept(fd, NULL, NULL);
    c->service = s;
    c->n_bytes = 0;
    s->n_connections++;
    event_add(event_new(s->base, c->fd, 0x12, on_data, c), NULL);
}

int
main(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct service *service = calloc(1, sizeof *service);
    listen(fd, 5);
    service->base = event_base_new();
    event_add(event_new(service->base, fd, 0x12, on_connection, service),
              NULL);
    event_base_dispatch(service->base);
    return 0;
}
