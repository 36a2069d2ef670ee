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

#ifndef MBOX_INJECT_H
#define MBOX_INJECT_H 1

/* Datapaths to inject packets through, by name.
 *
 * The coordinator's thread injects; the main thread adds and removes.  While
 * something is being injected its datapath cannot be removed.  No steering
 * mutex may be held: a datapath may have locks of its own, which come before
 * those (see mbox-class.h). */

#include "dp-packet.h"
#include "openvswitch/types.h"

struct mbox_inject_ops {
    /* Sends 'packet', which it takes, on 'port', and flushes what it has
     * batched.  Returns 0 or a positive errno value. */
    int (*send)(void *aux, odp_port_t port, struct dp_packet *packet);

    /* Hands to the devices everything that threads other than PMDs have
     * batched. */
    void (*flush)(void *aux);
};

void mbox_inject_add(const char *dp_name, const struct mbox_inject_ops *,
                     void *aux);

/* Returns when the datapath is not in use any more. */
void mbox_inject_del(const char *dp_name, void *aux);

/* Sends 'packets[i]' on 'ports[i]' of datapath 'dp_name', in order.  Takes the
 * packets.  Returns 0 if all went well, -ENODEV if there is no such datapath,
 * or the last error as a negative errno value. */
int mbox_inject(const char *dp_name, size_t n, struct dp_packet *packets[],
                const odp_port_t ports[]);

void mbox_inject_flush(const char *dp_name);

#endif /* mbox-inject.h */
