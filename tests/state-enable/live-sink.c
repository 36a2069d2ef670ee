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

/* live-sink NAME CLASS COORDINATOR
 *
 * An instance for utilities/mbox_bench_enabled.py that takes the state of any
 * state-enabled program of the class, and forgets it at once, so that the
 * program that has it can be measured, rather than the replica. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "instance.h"
#include "mbox.h"

static enum mbox_verdict
packet(void *aux, unsigned int worker, struct mbox_packet *p)
{
    (void) aux;
    (void) worker;
    (void) p;
    return MBOX_DROP;
}

static int
list(void *aux, unsigned int worker, const struct mbox_space *space,
     mbox_list_cb *cb, void *cb_aux)
{
    (void) aux;
    (void) worker;
    (void) space;
    (void) cb;
    (void) cb_aux;
    return 0;
}

static int
get(void *aux, unsigned int worker, const struct mbox_key *key,
    struct mbox_chunk *chunk)
{
    (void) aux;
    (void) worker;
    (void) key;
    (void) chunk;
    return -ENOENT;
}

static int
put(void *aux, unsigned int worker, const struct mbox_key *key,
    const void *data, size_t len, enum mbox_put_mode mode)
{
    (void) aux;
    (void) worker;
    (void) key;
    (void) data;
    (void) len;
    (void) mode;
    return 0;
}

static int
del(void *aux, unsigned int worker, const struct mbox_key *key)
{
    (void) aux;
    (void) worker;
    (void) key;
    return 0;
}

int
main(int argc, char *argv[])
{
    static const struct mbox_state_ops state_ops = { list, get, put, del };
    const struct mbox_ops ops = {
        .packet = packet, .per_flow = &state_ops, .multi_flow = &state_ops,
    };
    struct mbox_options options = {
        .size = sizeof options,
        .schema = ST_SCHEMA,
        .ports = { "afpacket:eth0" },
        .n_ports = 1,
    };
    struct mbox *mbox;
    char *error = NULL;

    if (argc != 4) {
        fprintf(stderr, "usage: live-sink NAME CLASS COORDINATOR\n");
        return 2;
    }
    options.name = argv[1];
    options.class_name = argv[2];
    options.coordinator = argv[3];
    if (mbox_create(&options, &ops, NULL, &mbox, &error)) {
        fprintf(stderr, "live-sink: %s\n", error ? error : "out of memory");
        return 1;
    }
    int failed = mbox_run(mbox);
    mbox_destroy(mbox);
    return failed ? 1 : 0;
}
