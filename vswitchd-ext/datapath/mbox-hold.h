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

#ifndef MBOX_HOLD_H
#define MBOX_HOLD_H 1

/* Held packets
 * ============
 *
 * A 'struct mbox_hold' has the exceptions of one transfer: the flows that are
 * not treated as its mode says, and their queues.  Pure data structure: no
 * locks (the caller has the class's steering mutex), no clock, no output.
 *
 * A flow is
 *
 *     HELD        new packets join the queue;
 *     DRAINING    so they do, and the queue is being sent;
 *     RELEASED    new packets go to the flow's target.
 *
 * A flow becomes RELEASED only in mbox_hold_pop(), when what was popped before
 * has been sent and its queue is empty: so it is never overtaken.
 *
 * Memory of queues is accounted per switch, in bytes and packets; see
 * mbox_hold_set_limits(). */

#include "dp-packet.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

#include "mbox-key.h"

enum mbox_hold_state {
    MBOX_HOLD_NONE,             /* No exception. */
    MBOX_HOLD_HELD,
    MBOX_HOLD_DRAINING,
    MBOX_HOLD_RELEASED,
};

#define MBOX_HOLD_HISTOGRAM 24

struct mbox_hold {
    struct hmap flows;          /* "struct mbox_hold_flow"s. */
    struct ovs_list held;       /* Those HELD. */
    struct ovs_list kept;       /* Those HELD that the next
                                 * mbox_hold_release_all() leaves alone. */
    struct ovs_list draining;   /* Those DRAINING, next one first. */
    unsigned int pass;          /* Number of the current mbox_hold_pop(). */

    /* Figures. */
    uint64_t n_held, held_bytes;        /* Ever. */
    uint64_t cur_held, cur_bytes, max_bytes;
    uint64_t n_popped;
    uint64_t n_overflow;        /* Did not fit. */
    uint64_t n_flows_held;      /* Flows that ever had a packet held. */
    uint64_t max_ns, sum_ns;    /* Time from push to pop. */
    uint64_t histogram[MBOX_HOLD_HISTOGRAM];
};

void mbox_hold_init(struct mbox_hold *);

/* Frees everything.  Returns how many packets were still held. */
size_t mbox_hold_destroy(struct mbox_hold *);

/* The state of flow 'key' (canonical, as everywhere here).  If it is RELEASED,
 * stores its target in '*to_source'. */
enum mbox_hold_state mbox_hold_get(const struct mbox_hold *,
                                   const struct mbox_key *key,
                                   bool *to_source);

/* Puts a copy of 'packet' at the tail of the queue of 'key', which becomes
 * HELD if it is NONE, and must not be RELEASED.  Returns false if it does not
 * fit the limits: then it is counted as overflow. */
bool mbox_hold_push(struct mbox_hold *, const struct mbox_key *key,
                    const struct dp_packet *packet, uint64_t now_ns);

/* Releases one flow.  If it is HELD or, when 'create', NONE, it becomes
 * DRAINING or, without a queue, RELEASED; otherwise it stays as it is. */
void mbox_hold_release(struct mbox_hold *, const struct mbox_key *key,
                       bool to_source, bool create);

/* Excepts flow 'key' from the next mbox_hold_release_all() if it is HELD or,
 * when 'create', NONE: then it becomes HELD. */
void mbox_hold_keep(struct mbox_hold *, const struct mbox_key *key,
                    bool create);

/* Releases all HELD flows but those kept. */
void mbox_hold_release_all(struct mbox_hold *, bool to_source);

/* Makes every flow HELD again, behind what is left in its queue.  Flows
 * without a queue are forgotten: they are HELD by the mode. */
void mbox_hold_take_back(struct mbox_hold *);

/* Takes up to 'max' packets of DRAINING flows off their queues, in order for
 * each flow, and stores them and where they go in 'packets' and 'to_source'.
 * The caller sends them before it calls this again.  Returns their number;
 * 0 means that no flow is DRAINING any more. */
size_t mbox_hold_pop(struct mbox_hold *, size_t max, uint64_t now_ns,
                     struct dp_packet *packets[], bool to_source[]);

/* True if nothing is queued and no flow is DRAINING. */
static inline bool
mbox_hold_is_drained(const struct mbox_hold *hold)
{
    return !hold->cur_held && ovs_list_is_empty(&hold->draining);
}

/* Limits on the held packets of the whole switch.  Any thread. */
#define MBOX_HOLD_DEFAULT_BYTES (64 * 1024 * 1024)
#define MBOX_HOLD_DEFAULT_PACKETS (1024 * 1024)

void mbox_hold_set_limits(size_t bytes, size_t packets);
size_t mbox_hold_get_bytes(void);
size_t mbox_hold_get_packets(void);

/* True from 3/4 of a limit on. */
bool mbox_hold_is_high(void);

#endif /* mbox-hold.h */
