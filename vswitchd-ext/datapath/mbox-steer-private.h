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

#ifndef MBOX_STEER_PRIVATE_H
#define MBOX_STEER_PRIVATE_H 1

/* What mbox-steer.c (the coordinator's side) and mbox-execute.c (the
 * datapath's side) share. */

#include "mbox-alias.h"
#include "mbox-class-private.h"
#include "mbox-hold.h"
#include "mbox-steer.h"

struct mbox_steer {
    /* Constant. */
    struct mbox_class *class;
    uint32_t id;
    struct mbox_space space;
    bool has_ports;             /* mbox_space_has_ports(&space). */
    char src[MBOX_NAME_MAX + 1];
    char dst[MBOX_NAME_MAX + 1];
    char dp_name[64];
    struct mbox_class_view *base; /* As of mbox_steer_open(). */
    odp_port_t base_port;       /* Of 'src' in 'base'. */

    struct ovs_refcount refs;   /* One until close, one while arming. */
    atomic_uint n_arming;       /* Armed if 0. */
    struct mbox_aliases aliases;

    /* Coordinator's thread only. */
    bool awaited;               /* Somebody has asked whether it is armed. */
    unsigned int n_late_arms;   /* By aliases since then. */

    /* Under class->steer_mutex. */
    bool closed OVS_GUARDED;
    enum mbox_steer_mode mode OVS_GUARDED;
    odp_port_t src_port OVS_GUARDED; /* ODPP_NONE if it is gone. */
    odp_port_t dst_port OVS_GUARDED;
    bool to_source OVS_GUARDED; /* Target of mode TARGET. */
    bool told_high OVS_GUARDED; /* Has reported high water. */
    struct mbox_hold hold OVS_GUARDED;
    uint64_t n_packets OVS_GUARDED;
    uint64_t n_dup OVS_GUARDED;
    uint64_t n_dropped OVS_GUARDED;
};

/* The open transfers of a class.  Immutable, but for what they point to. */
struct mbox_steer_set {
    size_t n;
    struct mbox_steer *steers[];
};

/* What is to be done with a packet of a transfer. */
enum mbox_steer_fate {
    MBOX_FATE_SOURCE,
    MBOX_FATE_TARGET,           /* The destination. */
    MBOX_FATE_HOLD,
    MBOX_FATE_DROP,
};

/* Decides about a packet of flow 'key' (canonical) of 'steer'. '*dup' is set
 * to whether the coordinator gets a copy. */
enum mbox_steer_fate mbox_steer_decide(const struct mbox_steer *steer,
                                       const struct mbox_key *key, bool *dup)
    OVS_REQUIRES(steer->class->steer_mutex);

/* Holds a copy of 'packet'. */
void mbox_steer_hold(struct mbox_steer *steer, const struct mbox_key *key,
                     const struct dp_packet *packet)
    OVS_REQUIRES(steer->class->steer_mutex);

#endif /* mbox-steer-private.h */
