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

#include "libmbox-memory.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test-util.h"

struct memory_port memory_ports[2];

static int
memory_rx(struct mb_port *port, struct mb_packet **packets, unsigned int max)
{
    struct memory_port *p = (struct memory_port *) port;
    unsigned int n = 0;
    uint64_t count;

    pthread_mutex_lock(&p->mutex);
    while (n < max && (packets[n] = mb_buffer_pop(&p->in))) {
        n++;
    }
    if (!p->in.n) {
        ssize_t n_read = read(p->fd, &count, sizeof count);
        (void) n_read;
    }
    pthread_mutex_unlock(&p->mutex);
    mb_count(&port->stats.rx_packets, n);
    return n;
}

static bool
memory_tx(struct mb_port *port, struct mb_packet *packet)
{
    struct memory_port *p = (struct memory_port *) port;

    pthread_mutex_lock(&p->mutex);
    assert_int_equal(mb_buffer_push(&p->out, packet), 0);
    pthread_mutex_unlock(&p->mutex);
    mb_count(&port->stats.tx_packets, 1);
    return true;
}

static void
memory_nothing(struct mb_port *port)
{
    (void) port;
}

static void
memory_wait(const struct mb_port *port, struct pollfd *pfd)
{
    const struct memory_port *p = (const struct memory_port *) port;

    *pfd = (struct pollfd) { .fd = p->fd, .events = POLLIN };
}

static void
memory_close(struct mb_port *port)
{
    struct memory_port *p = (struct memory_port *) port;

    mb_buffer_uninit(&p->in);
    mb_buffer_uninit(&p->out);
    close(p->fd);
    pthread_mutex_destroy(&p->mutex);
}

static const struct mb_port_ops memory_ops = {
    .rx = memory_rx,
    .tx = memory_tx,
    .flush = memory_nothing,
    .wait = memory_wait,
    .update_stats = memory_nothing,
    .close = memory_close,
};

static int
memory_open(const char *name, const struct mb_port_params *params,
            struct mb_port **portp, char **errp)
{
    struct memory_port *p = &memory_ports[atoi(name)];

    (void) params;
    (void) errp;
    memset(p, 0, sizeof *p);
    p->up.ops = &memory_ops;
    p->fd = eventfd(0, EFD_NONBLOCK);
    pthread_mutex_init(&p->mutex, NULL);
    mb_buffer_init(&p->in, SIZE_MAX / 2);
    mb_buffer_init(&p->out, SIZE_MAX / 2);
    *portp = &p->up;
    return 0;
}

const struct mb_port_class memory_class = { "memory", memory_open };

void
memory_give(int port, const void *frame, size_t len,
            const struct mbox_tag *tag)
{
    struct memory_port *p = &memory_ports[port];
    struct mb_packet *packet = mb_packet_new(frame, len);
    const uint64_t one = 1;

    assert_non_null(packet);
    if (tag) {
        assert_true(mb_packet_push_tag(packet, tag));
    }
    pthread_mutex_lock(&p->mutex);
    assert_int_equal(mb_buffer_push(&p->in, packet), 0);
    assert_int_equal(write(p->fd, &one, sizeof one), sizeof one);
    pthread_mutex_unlock(&p->mutex);
}

size_t
memory_waiting(int port)
{
    struct memory_port *p = &memory_ports[port];

    pthread_mutex_lock(&p->mutex);
    size_t n = p->in.n;
    pthread_mutex_unlock(&p->mutex);
    return n;
}

struct mb_packet *
memory_take(int port)
{
    struct memory_port *p = &memory_ports[port];

    pthread_mutex_lock(&p->mutex);
    struct mb_packet *packet = mb_buffer_pop(&p->out);
    pthread_mutex_unlock(&p->mutex);
    return packet;
}
