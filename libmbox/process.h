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

#ifndef MB_PROCESS_H
#define MB_PROCESS_H 1

/* One packet through the middlebox
 * ================================ */

#include "dirty.h"
#include "mbox.h"
#include "packet.h"

/* Has 'ops' process 'packet', and notes the flow in 'trackers' (null outside
 * transfers).  Sets 'transmit', and 'port' to where it shall go. */
static inline void
mb_process(const struct mbox_ops *ops, void *aux, unsigned int worker,
           unsigned int n_ports, struct mb_tracker *trackers,
           struct mb_packet *packet)
{
    struct mbox_packet p = {
        .data = packet->data,
        .len = packet->len,
        .capacity = packet->len + packet->tailroom,
        .timestamp = packet->timestamp,
        .port = packet->port,
        .key = packet->key,
        .layout = packet->layout,
        .replayed = packet->replayed,
    };

    if (__builtin_expect(trackers != NULL, 0)) {
        for (; trackers; trackers = trackers->next) {
            mb_tracker_packet(trackers, &packet->key);
        }
    }
    packet->transmit = ops->packet(aux, worker, &p) == MBOX_FORWARD;
    if (p.len <= p.capacity) {
        packet->tailroom = p.capacity - p.len;
        packet->len = p.len;
    }
    if (n_ports > 1) {
        packet->port = !packet->port;
    }
}

#endif /* process.h */
