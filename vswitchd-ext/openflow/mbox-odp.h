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

#ifndef MBOX_ODP_H
#define MBOX_ODP_H 1

/* The datapath action OVS_ACTION_ATTR_MBOX
 * ========================================
 *
 * Fixed-size payload, host byte order, like the other userspace-only actions.
 * Members that a type does not use are 0.
 * Text form, inside "mbox(...)":
 *
 *     steer(class=ID,port=P,gen=G)
 *     dup(id=N)                      to the coordinator, without an upcall
 *     tag(KIND,id=N,seq=S)           insert the on-wire tag
 *     untag                          remove it
 *     tracer(port=P,id=N,seq=S)      send a tracer on P
 *     ingress(port=P)                a tagged packet from MB port P: to the
 *                                    coordinator
 *     screen                         drop and count packets with a tag behind
 *                                    VLAN headers, however many
 *     forged                         a tagged packet from a port that may not
 *                                    send one: drop and count
 *
 * Only the userspace datapath (dpif-netdev) has it. */

#include <stdbool.h>
#include <stdint.h>

struct ds;
struct hmap;
struct nlattr;
struct ofpbuf;

enum mbox_odp_type {
    MBOX_ODP_STEER = 1,
    MBOX_ODP_DUP = 2,
    MBOX_ODP_TAG = 3,
    MBOX_ODP_UNTAG = 4,
    MBOX_ODP_TRACER = 5,
    MBOX_ODP_INGRESS = 6,
    MBOX_ODP_FORGED = 7,
    MBOX_ODP_SCREEN = 8,
};

struct ovs_action_mbox {
    uint8_t type;               /* enum mbox_odp_type. */
    uint8_t kind;               /* TAG: enum mbox_tag_kind. */
    uint8_t pad[2];             /* 0. */
    uint32_t id;                /* STEER: class id. DUP, TAG, TRACER: id. */
    uint32_t port;              /* STEER, TRACER, INGRESS: odp_port_t. */
    uint32_t arg;               /* STEER: generation. TAG, TRACER: seq. */
};

/* Appends 'action' to 'odp_actions' as an OVS_ACTION_ATTR_MBOX. */
void mbox_odp_put(struct ofpbuf *odp_actions, const struct ovs_action_mbox *);

/* Appends the text form of 'attr', an OVS_ACTION_ATTR_MBOX of the right size,
 * to 'ds'.  'portno_names' may be NULL; see odp_portno_name_format(). */
void mbox_odp_format(struct ds *ds, const struct nlattr *attr,
                     const struct hmap *portno_names);

/* Parses the text form at the beginning of 's', which starts with "mbox(", and
 * appends the action to 'odp_actions'.  Ports are numbers.  Returns the number
 * of characters parsed or a negative errno value. */
int mbox_odp_parse(const char *s, struct ofpbuf *odp_actions);

/* True if 'attr', an OVS_ACTION_ATTR_MBOX, outputs the packet itself. */
bool mbox_odp_is_output(const struct nlattr *attr);

#endif /* mbox-odp.h */
