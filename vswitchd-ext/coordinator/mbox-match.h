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

#ifndef MBOX_MATCH_H
#define MBOX_MATCH_H 1

#include "mbox-space.h"

/* Parses 's', an OpenFlow match as ovs-ofctl(8) writes it, such as
 * "tcp,nw_src=10.0.0.0/24,tp_dst=80", into '*space'.  "any" and the empty
 * string are every flow; the keyword "one_way" restricts the space to the
 * direction as written.
 *
 * Only fields that a flow space has may be named: Ethertype (IPv4 and IPv6
 * only), VLAN, IP protocol, IP addresses, TCP, UDP and SCTP ports.  Besides,
 * "icmp_id=N" is the identifier of ICMP echo messages, and "non_ip" is every
 * packet that is neither IPv4 nor IPv6.  Whatever mbox_space_format() writes
 * is parsed back to the same space.
 *
 * Returns NULL if successful, otherwise a message that the caller frees.
 * Thread-safe. */
char *mbox_match_parse(const char *s, struct mbox_space *);

#endif /* mbox-match.h */
