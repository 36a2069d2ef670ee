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

/* Connections that accept() makes, in an array that descriptors index, each with
 * a buffer of its own.  What is computed from a descriptor is none.
 *
 * expect: updateable connections struct.connection.fd struct.connection.data
 *   struct.connection.data_len struct.totals.seen
 * expect: class struct.totals all-flows
 * expect: class struct.connection per-flow ip_src port_src
 * expect: buffer struct.connection data data_len
 * expect: unmovable struct.connection.fd */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int fd;
    char *data;
    size_t data_len;
};

struct totals {
    unsigned int seen;          /* One bit for each. */
};

static struct connection *connections[1024];

int
main(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct totals *totals = calloc(1, sizeof *totals);
    listen(listener, 5);
    for (;;) {
        char packet[2048];
        int fd = accept(listener, NULL, NULL);
        struct connection *c = connections[fd & 1023];
        if (!c) {
            c = calloc(1, sizeof *c);
            c->fd = fd;
            connections[fd & 1023] = c;
        }
        totals->seen |= 1u << (fd & 31);
        ssize_t n = recv(fd, packet, sizeof packet, 0);
        c->data = malloc(n);
        c->data_len = n;
        send(fd, c->data, c->data_len, 0);
    }
}
