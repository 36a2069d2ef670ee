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

#ifndef MBOX_CLASS_H
#define MBOX_CLASS_H 1

/* Classes, instances and the durable assignment of flow spaces
 * ============================================================
 *
 * A class ("ids") is a set of interchangeable middlebox instances.  For each
 * class the switch keeps which flow space is assigned to which instance: a
 * struct classifier, two rules for each two-way flow space.
 * Translation (xlate) consults it and un-wildcards what it looked at, so that
 * in the steady state a datapath flow carries the answer:
 *
 *     mbox(steer(class=ID,port=P,gen=G))
 *
 * Generations
 * ===========
 *
 * Every change of a class (assignment, instance, port, default) gives it a new
 * generation.  A datapath flow with an older one is stale: the datapath then
 * does not trust its 'port' but looks the packet up in the classifier itself,
 * until revalidation has replaced the flow.  So a change takes effect for
 * every packet at once, exactly, and revalidation is never waited for.
 *
 * While a transfer of the class is open its *fast generation* is 0, which no
 * flow has, so every packet takes the slow path (mbox-steer.h).  In the steady
 * state a packet costs one acquire load and one comparison.
 *
 * What a generation stands for is one immutable 'struct mbox_class_view' and
 * one version of the classifier: whoever translates or looks up reads the
 * view first and then the classifier in the view's version, so generation and
 * answer always belong together.  A writer publishes rules, view, fast
 * generation and mbox_class_seq(), in this order.
 *
 * Threads
 * =======
 *
 * Readers (PMDs, revalidators, main, coordinator) are lock-free, under RCU.
 * Writers hold 'mbox_class_mutex'.  Lock order, outermost first:
 *
 *     mbox_class_mutex
 *     the lock on the list of datapaths (mbox-inject.h)
 *     dp_netdev's non_pmd_mutex
 *     a class's steering mutex (mbox-steer.h)
 *     the coordinator queue's wake-up (no lock)
 */

#include "classifier.h"
#include "flow.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"

#include "mbox-msg.h"
#include "mbox-odp.h"
#include "mbox-space.h"

#define MBOX_MAX_CLASSES 1024

struct ovs_action_mbox;
struct mbox_class;

extern struct ovs_mutex mbox_class_mutex;

/* What xlate finds for one flow. */
enum mbox_class_verdict {
    MBOX_CLASS_STEER,           /* To a port: '*action' is filled in. */
    MBOX_CLASS_DROP,            /* No live instance: drop.  '*action', if its
                                 * type is nonzero, drops and counts. */
    MBOX_CLASS_BYPASS,          /* No live instance: go on as if not there. */
};

/* Translates mbox_steer(class_name) for 'flow', as modified by the actions
 * before, on datapath 'dp_name' (dpif_name() of the backer).  Un-wildcards in
 * 'wc' what it looked at.  No side effects.  If 'instance' is nonnull stores a
 * name for ofproto/trace there.  Any thread. */
enum mbox_class_verdict
mbox_class_translate(const char *class_name, const char *dp_name,
                     const struct flow *flow, struct flow_wildcards *wc,
                     struct ovs_action_mbox *action,
                     char instance[MBOX_NAME_MAX + 1]);

/* True if any instance has its port at 'port' of datapath 'dp_name': tagged
 * packets from it belong to the coordinator.  '*any' tells whether the
 * datapath has any instance at all: then tagged packets from its other ports
 * are forged and must be dropped (and counted with mbox_class_count_forged()).
 * Any thread. */
bool mbox_class_is_mbox_port(const char *dp_name, odp_port_t port, bool *any);
void mbox_class_count_forged(uint64_t n_packets);
uint64_t mbox_class_get_forged(void);

/* Changes at every change of any class: ofproto-dpif revalidates on it. */
struct seq *mbox_class_seq(void);

/* Writers.  All take 'mbox_class_mutex' themselves; coordinator or main. */

/* Where an instance's packets go.  An instance without a port is not live. */
struct mbox_class_port {
    char instance[MBOX_NAME_MAX + 1];
    char dp_name[64];           /* dpif_name(), e.g. "netdev@ovs-netdev". */
    odp_port_t odp_port;
    struct eth_addr mac;        /* Of the interface: used in tracers. */
};

/* Sets the ports of the instances of class 'name', replacing all; creates the
 * class if it is new.  Returns false if nothing changed. */
bool mbox_class_set_ports(const char *name, const struct mbox_class_port *,
                          size_t n);

/* Default for flows without assignment, and for those assigned to an instance
 * that is not live: a named instance; "" the first live one by name; "*"
 * symmetric rendezvous hash over the live ones.  The hash takes the addresses
 * only, so fragments go where their connection goes, and so does everything
 * between two hosts. */
void mbox_class_set_default(const char *name, const char *instance,
                            bool bypass_if_none);

/* A flow space that is assigned to an instance.  Moves change assignments, see
 * mbox_steer_assign(). */
struct mbox_assignment {
    struct mbox_space space;
    char instance[MBOX_NAME_MAX + 1];
};

/* The assignments of class 'name', in order of decreasing precedence; returns
 * their number.  The caller frees them. */
size_t mbox_class_get_assignments(const char *name,
                                  struct mbox_assignment **);

/* Replaces all assignments.  Leaves out those that rules cannot say (see
 * mbox_space_to_matches()).  Takes effect for every packet that comes in after
 * it returns. */
void mbox_class_set_assignments(const char *name,
                                const struct mbox_assignment *, size_t n);

/* Tells whether the packets of 'space' that are of instance 'src' now, and no
 * others, can be assigned to 'dst'.  Returns 0, -EINVAL if rules cannot say
 * 'space', or -EDOM if they are spread by hash over 'src' and third instances,
 * so that no flow space tells which are whose. */
int mbox_class_check_move(const char *name, const struct mbox_space *space,
                          const char *src, const char *dst);

/* Assigns to 'dst' those packets of 'space' that belong to 'src' now, and no
 * others, as mbox_steer_assign() does, for a transfer that is not open here.
 * Either instance, if it is not live, counts as if it were.  Sorts 'keys'.
 * Returns 0, or a negative errno value and changes nothing: -ENODEV (too many
 * classes), and with ALL_EXCEPT those of mbox_class_check_move(). */
int mbox_class_move(const char *name, const struct mbox_space *space,
                    enum mbox_select, struct mbox_key *keys, size_t n,
                    const char *src, const char *dst);

/* The instance that 'key' is steered to now (on any datapath); false if
 * none. */
bool mbox_class_lookup(const char *name, const struct mbox_key *,
                       char instance[MBOX_NAME_MAX + 1]);

struct mbox_class_stats {
    uint64_t n_dropped;         /* No live instance. */
    uint64_t n_stale;           /* Looked up by the datapath. */
    uint64_t n_slow;            /* Went through the steering object. */
};
void mbox_class_get_stats(const char *name, struct mbox_class_stats *);

#endif /* mbox-class.h */
