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

#ifndef STATEALYZR_PACKET_H
#define STATEALYZR_PACKET_H 1

/* Packet header fields
 * ====================
 *
 * A forward data slice from the received packet that knows where in the packet
 * it is.  A pointer into the packet has a *place*: a layer (Ethernet, IPv4,
 * IPv6, transport, or the start of a buffer of unknown layer) and an offset of
 * bytes, where known.  A load at a place, or through a struct that tables.h
 * names or that is laid out like one, gives a header field; the field follows
 * the value through arithmetic, memory and calls.  Names of members and
 * variables that hold packet data decide where places do not.
 *
 * Addresses that accept(), recvfrom() and their like store are header fields
 * of the peer, as are the descriptors of connections (SA_PACKET_CONNECTION).
 *
 * The result is an over-approximation of where a field may be, except that
 * buffers of bytes that fields of several kinds are put into (messages of the
 * program's own) have packet data of no known field. */

#include "analysis.h"
#include "result.h"

/* Bits besides 1u << enum sa_field. */
#define SA_PACKET_DATA       (1u << 30) /* From the packet, no known field. */
#define SA_PACKET_CONNECTION (1u << 31) /* Descriptor of one connection. */
#define SA_PACKET_FIELDS     ((1u << SA_N_FIELDS) - 1)

struct sa_packet;
struct sa_packet *sa_packet_run(const struct sa_analysis *);
void sa_packet_destroy(struct sa_packet *);

/* Fields that a value, or memory, may hold. */
uint32_t sa_packet_value(const struct sa_packet *, uint32_t value);
uint32_t sa_packet_node(const struct sa_packet *, uint32_t node);

/* Whether fields are none or of one kind (addresses, ports), so that they can
 * be what one member has. */
bool sa_packet_is_one_kind(uint32_t fields);

/* Fields in the 'size' bytes that a pointer points to, by the struct that it
 * points into; 0 if that is no header, or not known. */
uint32_t sa_packet_pointed(const struct sa_packet *, uint32_t value,
                           uint64_t size);

/* True if the memory is (also) the buffer that packets are received in. */
bool sa_packet_is_buffer(const struct sa_packet *, uint32_t object);

#endif /* packet.h */
