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

#ifndef MBOX_FLOW_H
#define MBOX_FLOW_H 1

/* Flow keys and flow spaces in terms of Open vSwitch's struct flow and struct
 * match.  Thread-safe. */

#include "flow.h"
#include "openvswitch/match.h"

#include "mbox-key.h"
#include "mbox-space.h"

/* Two families, two directions. */
#define MBOX_SPACE_MAX_MATCHES 4

/* Writes to 'matches' what together matches just the packets of 'space', no
 * match twice; returns their number.  0 means that struct match cannot say it:
 * a space of just the packets that are not IP, or of ports of any protocol.
 *
 * A match on ports leaves out later fragments, as mbox_space_contains() does.
 * There is no field for the identifier of an ICMP echo, so it is matched in
 * 'regs[0]', where mbox_key_to_flow() puts it.  In a flow that comes from
 * elsewhere that must be 0, and if mbox_flow_hides_echo_id() it cannot be
 * told which of such matches it fits. */
size_t mbox_space_to_matches(const struct mbox_space *space,
                             struct match matches[MBOX_SPACE_MAX_MATCHES]);

/* Stores in '*flow' those fields of a packet that a flow space may look at:
 * 'key', and whether the packet is a 'later_frag'.  The rest is zero. */
void mbox_key_to_flow(const struct mbox_key *key, bool later_frag,
                      struct flow *flow);

/* True if the packets of 'flow' have keys that it does not tell, so that each
 * must be looked up by its own: Open vSwitch looks behind no more VLAN headers
 * than other_config:vlan-limit says, which by default is one, and gives later
 * fragments of IPv6 no protocol.  Every datapath flow has what this looks at
 * un-wildcarded. */
bool mbox_flow_hides_key(const struct flow *flow);

/* True if the matches of 'space' look at the identifier of ICMP echoes. */
bool mbox_space_has_echo_id(const struct mbox_space *space);

/* True if 'flow' has ICMP echoes, which may have different identifiers.
 * Un-wildcards what it looks at, in 'wc' if it is nonnull. */
bool mbox_flow_hides_echo_id(const struct flow *flow,
                             struct flow_wildcards *wc);

/* Same for every member of every connection between two hosts: un-wildcards
 * just the addresses, in 'wc' if it is nonnull.  0 if 'flow' is not IP. */
uint32_t mbox_flow_hash_hosts(const struct flow *flow,
                              struct flow_wildcards *wc);

#endif /* mbox-flow.h */
