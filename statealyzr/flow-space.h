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

#ifndef STATEALYZR_FLOW_SPACE_H
#define STATEALYZR_FLOW_SPACE_H 1

/* Flow space
 * ==========
 *
 * Which packet-header fields the entries of a structure are found by: the chop
 * from the receipt of the packet to where a member of an entry is compared
 * with a value that has a packet field (StateAlyzr, NSDI 2016, section 4.3),
 * where the comparison decides about a walk through the structure's
 * container, or where an array is indexed by such a value.
 *
 *   per-flow     the fields tell one connection (or one end of it) from
 * others:
 *                addresses and a port, an ICMP id or a descriptor
 *   multi-flow   some fields: a host, a service, a pair of hosts
 *   all-flows    none
 *
 * What only keyed entries lead to is of the class of these entries. */

#include "containers.h"

struct sa_flow_class {
    enum sa_class class;
    uint32_t fields;            /* Bit set of 1u << enum sa_field. */
    GArray *keys;               /* struct sa_key, by offset; of structures. */
    GArray *reasons;            /* struct sa_reason. */
};

struct sa_flow_space;
struct sa_flow_space *sa_flow_space_run(const struct sa_analysis *,
                                        const struct sa_state *,
                                        const struct sa_packet *,
                                        const struct sa_containers *);
void sa_flow_space_destroy(struct sa_flow_space *);

const struct sa_flow_class *
sa_flow_space_structure(const struct sa_flow_space *, uint32_t structure);
const struct sa_flow_class *
sa_flow_space_variable(const struct sa_flow_space *, uint32_t variable);

#endif /* flow-space.h */
