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

#ifndef MBOX_SPACE_H
#define MBOX_SPACE_H 1

/* Flow spaces
 * ===========
 *
 * A flow space is the set of flows that a transfer moves: a conjunction of
 * masked header fields.  Unless 'one_way' is set it means both directions of a
 * connection: a key is in it if the key or its reverse matches the fields.
 *
 * US 9,705,785 calls it the flow identifier of an instruction: "a particular
 * TCP or UDP or ICMP connection, or data to or from a particular port number,
 * or a particular source or destination address, or a collection of such
 * flows" (column 5).
 *
 * On the command line a flow space is written as an OpenFlow match; that text
 * is parsed by the switch (which has a full parser) and never by lib/.
 *
 * Nothing here keeps state, so every function is thread-safe. */

#include "mbox-key.h"
#include "mbox-wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every value is already masked: value & ~mask == 0. */
struct mbox_space {
    struct mbox_key value;      /* Family, protocol, addresses, ports, VLAN. */
    struct mbox_key mask;       /* 'family', 'proto': 0 (any) or 0xff. */
    bool one_way;               /* Only this direction. */
    uint8_t pad[3];
};

/* The flow space of every packet. */
void mbox_space_init_any(struct mbox_space *);

/* The flow space of exactly the flow 'key', in both directions. */
void mbox_space_init_key(struct mbox_space *, const struct mbox_key *key);

/* True if 'key' is in 'space'. */
bool mbox_space_contains(const struct mbox_space *space,
                         const struct mbox_key *key);

/* True if 'key', or the key of the flow's other direction, is in 'space'. */
bool mbox_space_has_flow(const struct mbox_space *space,
                         const struct mbox_key *key);

/* True if some packet's key could be in both. Exact: no false positive. */
bool mbox_space_overlaps(const struct mbox_space *, const struct mbox_space *);

/* True if every packet's key in 'inner' is in 'outer'.  Exact. */
bool mbox_space_covers(const struct mbox_space *outer,
                       const struct mbox_space *inner);

/* Stores in 'out' at most two spaces that together have just those packets'
 * keys that are in both 'a' and 'b'; returns their number. */
size_t mbox_space_intersect(const struct mbox_space *a,
                            const struct mbox_space *b,
                            struct mbox_space out[2]);

/* True if both are the same set of packets' keys, however they are written. */
bool mbox_space_equal(const struct mbox_space *, const struct mbox_space *);

/* True if the space constrains TCP, UDP or SCTP ports, so that a later
 * fragment can never be in it. */
bool mbox_space_has_ports(const struct mbox_space *);

/* Writes 'space' as an OpenFlow match that the switch parses back to the same
 * space, e.g. "tcp,nw_src=10.0.0.0/24,tp_dst=80", "any" if everything; with
 * ",one_way" appended if so.  What OpenFlow cannot say is written for people:
 * "icmp_id=N" for the identifier of an echo, "non_ip", and addresses or ports
 * without the family or protocol that OpenFlow demands before them.  Always
 * null-terminated; returns 'buf'. */
#define MBOX_SPACE_STRLEN 512
char *mbox_space_format(const struct mbox_space *, char *buf, size_t size);

/* Wire form: 84 bytes, see Documentation/wire-formats.md.  Decoding rejects
 * values outside their mask and impossible families. Returns 0 or -EPROTO. */
void mbox_space_encode(const struct mbox_space *, struct mbox_writer *);
int mbox_space_decode(struct mbox_space *, struct mbox_reader *);
void mbox_key_encode(const struct mbox_key *, struct mbox_writer *);
int mbox_key_decode(struct mbox_key *, struct mbox_reader *);

#ifdef __cplusplus
}
#endif

#endif /* mbox-space.h */
