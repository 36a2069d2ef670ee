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

/* Linked by utilities/mbox_bench_programs.py in place of the runtime's
 * instance.c with a program that is not state-enabled: packets come by
 * libmbox and are passed on, as in an instance, but nothing is known of the
 * program's state.  What an instance costs more is what state-enabling
 * costs. */

#include "instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "mbox.h"
#include "step.h"

struct st_instance {
    struct mbox *mbox;
    st_packet_fn *packet;
    void *aux;
    int fd;                     /* Always readable: the library waits. */
};

bool
st_instance_is_wanted(void)
{
    return true;
}

static enum mbox_verdict
packet(void *in_, unsigned int worker, struct mbox_packet *p)
{
    struct st_instance *in = in_;

    (void) worker;
    in->packet(in->aux, p->data, p->len, p->timestamp);
    return MBOX_FORWARD;
}

struct st_instance *
st_instance_open(const char *interface, st_packet_fn *packet_fn, void *aux,
                 char **error)
{
    const struct mbox_ops ops = { .packet = packet };
    struct st_instance *in = calloc(1, sizeof *in);
    char port[256];

    *error = NULL;
    snprintf(port, sizeof port, "afpacket:%s", interface);
    const struct mbox_options options = {
        .size = sizeof options,
        .name = "bare",
        .class_name = "bare",
        .ports = { port },
        .n_ports = 1,
    };
    if (in) {
        in->packet = packet_fn;
        in->aux = aux;
        in->fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
        if (in->fd >= 0 && !mbox_create(&options, &ops, in, &in->mbox,
                                        error)) {
            mb_step_only_look(in->mbox);
            return in;
        }
        st_instance_close(in);
    }
    if (!*error) {
        *error = strdup("out of memory or descriptors");
    }
    return NULL;
}

void
st_instance_close(struct st_instance *in)
{
    mbox_destroy(in->mbox);
    if (in->fd >= 0) {
        close(in->fd);
    }
    free(in);
}

int
st_instance_step(struct st_instance *in, uint64_t ns)
{
    return mb_step(in->mbox, ns);
}

int
st_instance_fd(const struct st_instance *in)
{
    return in->fd;
}

int
st_instance_send(struct st_instance *in, const void *frame, size_t len)
{
    return mbox_send(in->mbox, 0, 0, frame, len);
}

void
st_instance_stats(const struct st_instance *in, uint64_t *received,
                  uint64_t *dropped)
{
    struct mbox_stats stats;

    mbox_get_stats(in->mbox, &stats);
    *received = stats.rx_packets;
    *dropped = stats.rx_dropped;
}
