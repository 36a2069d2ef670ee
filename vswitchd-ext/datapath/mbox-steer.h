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

#ifndef MBOX_STEER_H
#define MBOX_STEER_H 1

/* Steering: the transient state of transfers in the datapath
 * ==========================================================
 *
 * While a transfer is open, its *steering object* decides, for every packet of
 * its flow space, where it goes:
 *
 *     mode        a matching packet
 *     --------    ------------------------------------------------------
 *     PASS        goes to the source port
 *     DUP         goes to the source port, a copy to the coordinator
 *     HOLD        joins its flow's queue, as a copy
 *     DROP        is dropped and counted
 *     TARGET      goes to the target port, unless its flow is an exception
 *
 * Exceptions to the mode are per flow: HELD (joins the queue), DRAINING (joins
 * the queue, whose head is being sent), RELEASED (goes to the target port).
 *
 * Exactness
 * =========
 *
 * Opening an object *arms* it.  By the end of a first grace period every
 * thread knows that the fast path is closed; in a second one each PMD flushes
 * what it has batched before that, because it never quiesces with batched
 * packets while 'mbox_steer_flush_wanted' is set.  (Other threads share one
 * set of batches, which mbox_steer_set_mode() flushes itself.)  From then on
 * each matching packet is
 * handled under the class's steering mutex, and what it outputs is handed to
 * the network device before the mutex is released. So when
 * mbox_steer_set_mode() returns, everything sent in the old mode is behind us
 * on its port, and nothing of it follows: a tracer that is sent to that port
 * afterwards is exactly behind the last packet.
 *
 * A queue is drained from one thread (the coordinator).  It takes a burst
 * under the mutex, sends it without, and declares the flow RELEASED only when
 * it finds the queue empty under the mutex; newcomers join the tail meanwhile.
 * So packets of a flow are never reordered.
 *
 * Held packets are copies in malloc()ed memory (a held mbuf would starve the
 * ports' pool).  Bounds are per switch, in bytes and packets, accounted with
 * the packet's real memory.
 *
 * Threads
 * =======
 *
 * mbox_steer_execute() runs in PMDs and, under non_pmd_mutex, in main and
 * others.  All other functions run in the coordinator's thread.  Lock order:
 * see mbox-class.h. */

#include "dp-packet.h"
#include "dpif.h"
#include "mpsc-queue.h"

#include "mbox-class.h"
#include "mbox-tag.h"

struct mbox_steer;              /* One open transfer. */

enum mbox_steer_mode {
    MBOX_STEER_PASS,
    MBOX_STEER_DUP,
    MBOX_STEER_HOLD,
    MBOX_STEER_DROP,
    MBOX_STEER_TARGET,
};

/* Datapath side. */

/* What dpif-netdev lends for the time of one execution. */
struct mbox_dp {
    void *pmd;

    /* Outputs 'batch' on 'port'; if 'flush', hands everything that is batched
     * for that port to the device before it returns. Takes the packets if
     * 'steal'. Returns false if there is no such port (packets are freed if
     * 'steal'). */
    bool (*output)(void *pmd, struct dp_packet_batch *batch, bool steal,
                   odp_port_t port, bool flush);
    const char *dp_name;
};

/* Executes a datapath action on 'batch'.  Called for every type but a STEER
 * whose generation is the class's fast one, see mbox_steer_fast().
 *
 * Packets must have their Ethernet header.  A tracer follows what this thread
 * has output on its port before, and what others have flushed.  A packet
 * without room for a tag is dropped and removed from 'batch'. */
void mbox_steer_execute(const struct mbox_dp *, struct dp_packet_batch *batch,
                        bool steal, const struct ovs_action_mbox *);

/* The fast generation of each class, indexed by class id. */
extern ATOMIC(uint32_t) mbox_fast_gen[MBOX_MAX_CLASSES];

/* True if the packets of this STEER action simply go to 'action->port'. */
static inline bool
mbox_steer_fast(const struct ovs_action_mbox *action)
{
    uint32_t gen;

    if (action->type != MBOX_ODP_STEER || action->id >= MBOX_MAX_CLASSES) {
        return false;
    }
    atomic_read_explicit(&mbox_fast_gen[action->id], &gen,
                         memory_order_acquire);
    return gen == action->arg;
}

/* True while a steering object is being armed: a PMD then flushes its output
 * batches before each quiescent state, whatever tx-flush-interval says. */
extern atomic_bool mbox_steer_flush_wanted;

/* Lends the coordinator a datapath to inject through; 'del' returns only when
 * it is not in use.  Main thread (ofproto-dpif's backer). */
void mbox_steer_add_dpif(struct dpif *);
void mbox_steer_del_dpif(struct dpif *);

/* Packets for the coordinator. */

enum mbox_upcall_reason {
    MBOX_UPCALL_DUP,            /* Mode DUP. */
    MBOX_UPCALL_ACTION,         /* mbox_dup action. */
    MBOX_UPCALL_INGRESS,        /* Tagged packet from an MB port. */
};

struct mbox_upcall {
    struct mpsc_queue_node node;
    enum mbox_upcall_reason reason;
    uint32_t id;                /* DUP: transfer.  ACTION: as it says. */
    odp_port_t port;            /* INGRESS: where it came in. */
    char dp_name[64];
    struct dp_packet *packet;   /* Owned. */
};

/* Next packet for the coordinator, or NULL.  Bounded: those that find no room
 * are lost, and counted (coverage counter mbox_upcall_overflow). */
struct mbox_upcall *mbox_steer_recv(void);
void mbox_upcall_destroy(struct mbox_upcall *);

/* Arranges for poll_block() to wake up when mbox_steer_recv(), an arming or an
 * overflow has something to tell. */
void mbox_steer_wait(void);

/* Transfers. */

/* Bounds on all held packets of the switch together.  'high_water' is where
 * mbox_steer_is_over_limit() becomes true, so that the transfer can be rolled
 * back before 'limit', where packets are dropped and counted. */
void mbox_steer_set_limits(size_t limit_bytes, size_t limit_packets);
size_t mbox_steer_get_held_bytes(void);
size_t mbox_steer_get_held_packets(void);

/* Opens a transfer of 'space' in class 'class_name' between two live
 * instances, in mode PASS, and begins to arm it.
 *
 * A packet of the transfer ("matching") is one of 'space' that, by the
 * assignments and defaults as they are now, belongs to 'src': so flows of the
 * destination or of a third instance go on undisturbed, and later changes of
 * assignments have no effect on the transfer's packets until it is closed. A
 * packet that carries the project's tag never matches.
 *
 * Returns 0, or a negative errno value: -ENODEV (no such instance or not
 * live), -EINVAL (they are the same, or rules cannot say 'space'), -EEXIST
 * (overlaps an open transfer), -EXDEV (instances on different datapaths),
 * -EDOM (see mbox_class_check_move()). */
int mbox_steer_open(const char *class_name, uint32_t id,
                    const struct mbox_space *space,
                    const char *src, const char *dst, struct mbox_steer **);

/* Packets of the 'n' flows 'keys' match, too, if they belong to 'src',
 * although they are outside of the flow space (inside, keys are left out).  In
 * mode PASS the object is armed again if one is new: then this is as exact as
 * the rest.  In other modes, and from the fifth time on after somebody began
 * to wait for it to be armed, a thread may still send the source a packet or
 * two of a new one, which it returns.  Returns 0, or -E2BIG if there are too
 * many: then the rest is left out. */
int mbox_steer_add_aliases(struct mbox_steer *, const struct mbox_key *keys,
                           size_t n);
bool mbox_steer_has_alias(const struct mbox_steer *, const struct mbox_key *);

/* True if either direction of the flow 'key' is in the flow space, or it is
 * such an alias. */
bool mbox_steer_has_key(const struct mbox_steer *, const struct mbox_key *);

/* True once every thread takes the mutex.  Asynchronous: never blocks, but the
 * caller must go through poll_block(), or quiesce otherwise, meanwhile. */
bool mbox_steer_is_armed(struct mbox_steer *);

/* Changes the mode, exactly (see above).  The object must be armed, except to
 * go to PASS.
 *
 * HOLD after a release takes every release back: each flow is HELD again,
 * behind what is left in its queue.  That is for a target that has died. */
void mbox_steer_set_mode(struct mbox_steer *, enum mbox_steer_mode);

/* Releases flows (canonical keys) from HOLD (or DROP) to the destination or,
 * if 'to_source', to the source: their queues are drained to it, then they are
 * RELEASED to it.  A flow that was released before keeps its target, so one
 * transfer can release some flows to each side (a split).
 *
 * With ALL_EXCEPT, every flow that is not released yet is, but 'keys', which
 * are HELD.  The first such call sets the mode to TARGET, with this target for
 * flows that have no exception; a later one leaves that target alone, and
 * releases the flows that are still HELD. */
void mbox_steer_release(struct mbox_steer *, enum mbox_select,
                        const struct mbox_key *keys, size_t n,
                        bool to_source);

/* Puts a packet that the source returned where its flow's next packet would
 * go: at the tail of its flow's queue if the flow is held or draining,
 * otherwise to the port it was released to.  Takes 'packet'. */
void mbox_steer_hold_packet(struct mbox_steer *, struct dp_packet *);

/* Sends up to 'max' held packets of flows being drained.  Returns how many it
 * sent; 0 if there are none now. */
size_t mbox_steer_drain(struct mbox_steer *, size_t max);

/* True if no packet is held and no flow is draining. */
bool mbox_steer_is_drained(const struct mbox_steer *);

bool mbox_steer_is_over_limit(const struct mbox_steer *);

/* Sends one frame to an instance's port, now.  0, -ENODEV if the port or its
 * datapath is gone.  Takes 'packet'. */
int mbox_steer_send(const char *class_name, const char *instance,
                    struct dp_packet *packet);

/* Sends a tracer (or MBOX_TAG_LAST) to an instance's port. */
int mbox_steer_send_tracer(const char *class_name, const char *instance,
                           enum mbox_tag_kind, uint32_t id, uint32_t seq);

struct mbox_steer_stats {
    uint64_t n_packets;         /* Matching packets since it was opened. */
    uint64_t n_held, held_bytes; /* Ever held; now: 'cur_*'. */
    uint64_t cur_held, cur_bytes, max_bytes;
    uint64_t n_drained;
    uint64_t n_dup;             /* Copies made, also those that found the
                                 * queue to the coordinator full. */
    uint64_t n_dropped;         /* Mode DROP, or the port is gone. */
    uint64_t n_overflow;        /* Dropped at the limit. */
    uint64_t n_flows_held;
    uint64_t hold_max_ns;       /* Longest time that a packet was held. */
    uint64_t hold_sum_ns;
    /* Log2 histogram of hold times in us: [0] < 1, [1] < 2, [2] < 4, ... */
    uint64_t hold_histogram[24];
};
void mbox_steer_get_stats(const struct mbox_steer *,
                          struct mbox_steer_stats *);

/* Makes durable what the transfer has moved: assigns to the destination those
 * packets of the flow space, and of the aliases, that belonged to the source
 * when the transfer was opened, and no others; with KEYS only those of the
 * flows 'keys' (canonical, all different), which may be outside of the flow
 * space, with ALL_EXCEPT all but those.  Takes effect for every packet that
 * comes in after it is closed.  Sorts 'keys'. */
void mbox_steer_assign(struct mbox_steer *, enum mbox_select,
                       struct mbox_key *keys, size_t n);

/* Ends the transfer: nothing may be held any more (what is, is dropped,
 * counted in the class's 'n_dropped' and logged: a bug).  From here on the
 * class's assignments alone decide; change those first. */
void mbox_steer_close(struct mbox_steer *);

#endif /* mbox-steer.h */
