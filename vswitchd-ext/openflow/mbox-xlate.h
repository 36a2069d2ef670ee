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

#ifndef MBOX_XLATE_H
#define MBOX_XLATE_H 1

/* Translation of the OpenFlow actions into datapath actions
 * =========================================================
 *
 * What ofproto-dpif-xlate.c calls.  Runs in PMDs, handlers, revalidators and
 * main, again and again for the same flow, so nothing here has side effects
 * beyond its arguments. */

#include <stdbool.h>

#include "mbox-ofp.h"
#include "openvswitch/types.h"

struct ds;
struct flow;
struct flow_wildcards;
struct ofpbuf;

/* What the translation of one action works on. */
struct mbox_xlate {
    bool supported;             /* Does the datapath have these actions? */
    const char *dp_name;        /* dpif_name() of the backer. */
    odp_port_t port;            /* mbox_tracer(): of the action's port, or
                                 * ODPP_NONE if the bridge does not have it. */
    struct flow *flow;          /* The packet, as it is now. */
    struct flow *base_flow;     /* As the datapath has it: everything that
                                 * 'flow' says is committed. */
    struct flow_wildcards *wc;
    struct ofpbuf *odp_actions;
    struct ds *why;             /* For ofproto/trace, or NULL. */
};

/* What the caller does next. */
enum mbox_xlate_next {
    MBOX_XLATE_CONTINUE,        /* With the next action. */
    MBOX_XLATE_STOP,            /* The packet is the middlebox's, or dropped:
                                 * no action follows, nor the action set. */
    MBOX_XLATE_REPARSE,         /* Recirculate, then the next action. */
    MBOX_XLATE_CONTROLLER,      /* Send a packet-in with mbox_userdata_init()'s
                                 * userdata, then the next action. */
};

/* Translates 'mbox'. */
enum mbox_xlate_next mbox_xlate(const struct ofpact_mbox *mbox,
                                const struct mbox_xlate *);

/* Translates the arrival of a packet with 'flow' on 'port' of 'dp_name'.
 * Returns NULL if it is an ordinary packet for the flow tables.  If it has the
 * on-wire tag, and the datapath has instances, appends all that happens to it
 * to 'odp_actions' and returns what that is, for ofproto/trace.  If it has
 * more VLAN headers than 'flow' tells, appends what drops it if it has a tag
 * behind them. */
const char *mbox_xlate_ingress(const struct flow *flow, const char *dp_name,
                               odp_port_t port, struct ofpbuf *odp_actions);

/* Checks whether 'bridge', whose datapath has these actions if 'supported',
 * can execute 'ofpacts'.  Otherwise logs why and returns an error. */
enum ofperr mbox_xlate_check(const char *bridge, bool supported,
                             const struct ofpact ofpacts[],
                             size_t ofpacts_len);

/* Userdata of the packet-in for 'mbox', an mbox_dup(controller). */
void mbox_userdata_init(struct mbox_userdata *, const struct ofpact_mbox *);

#endif /* mbox-xlate.h */
