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

#ifndef STATEALYZR_PACKET_PRIVATE_H
#define STATEALYZR_PACKET_PRIVATE_H 1

/* Sources (packet-sources.c), flow (packet.c, packet-memory.c) and names
 * (packet-names.c) of packet data. */

#include <glib.h>

#include "headers.h"
#include "packet.h"
#include "pta.h"

/* Further bits of values, not seen outside. */
#define SA_PACKET_LENGTH (1u << 29) /* The length of an IPv4 header. */

/* What is known of a value. */
struct sa_packet_flow {
    uint32_t bits;              /* Fields, in any context. */
    uint32_t own;               /* ... those that it has not from parameters of
                                 * its function. */
    uint64_t from_params;       /* Parameters that it is computed from, ... */
    uint64_t from_targets;      /* ... and what they point to. */
    struct sa_place place;      /* Of a pointer. */
};

/* What a function returns in terms of its parameters. */
struct sa_packet_summary {
    uint32_t own;
    uint64_t from_params;
    uint64_t from_targets;
    struct sa_place place;
};

/* What is known of a set of nodes (modref.h). */
struct sa_packet_set {
    uint32_t pass;              /* In which 'bits' and 'place' were
                                 * gathered. */
    uint32_t bits;
    struct sa_place place;
    uint32_t written;           /* Bits that all its nodes have got. */
    struct sa_place written_place;
};

/* What is known of what pointers with one points-to set lead to. */
struct sa_packet_target {
    uint32_t pass;              /* In which 'bits' were gathered. */
    uint32_t bits;
    uint32_t *nodes, n;
};

struct sa_packet {
    const struct sa_analysis *a;
    struct sa_headers *headers;
    struct sa_packet_flow *values;
    struct sa_packet_summary *functions;
    uint32_t *nodes;            /* Fields in memory. */
    struct sa_place *node_places;   /* Of the pointer in memory. */
    int *node_names;            /* enum sa_field that the name of the memory
                                 * says, or -1. */
    bool *pointers;             /* Memory that is declared as a pointer. */
    bool *buffers;              /* Objects that packets are received in, ... */
    bool *received;             /* ... and the nodes. */
    bool *mixed;                /* Memory that fields of all kinds are put
                                 * into one after the other. */
    uint32_t n_nodes, n_objects;
    struct sa_packet_set *sets;
    GHashTable *targets;        /* Ids of a points-to set -> struct
                                 * sa_packet_target. */
    uint32_t pass;
    bool changed;
};

/* Marks what packet-read calls, accept() and their like give. */
void sa_packet_add_sources(struct sa_packet *);

void sa_packet_add_bits(struct sa_packet *, uint32_t value, uint32_t bits,
                        uint32_t own);
void sa_packet_add_place(struct sa_packet *, uint32_t value, struct sa_place);
void sa_packet_add_node(struct sa_packet *, uint32_t node, uint32_t bits);

void sa_packet_add_node_place(struct sa_packet *, uint32_t node,
                              struct sa_place);
void sa_packet_write_nodes(struct sa_packet *, struct sa_nodes, uint32_t bits);

/* What is known of an operand; nothing of a constant. */
struct sa_packet_flow sa_packet_operand(const struct sa_packet *,
                                        LLVMValueRef);
/* What the nodes of a set have, as of the first time that it is asked for in a
 * pass. */
const struct sa_packet_set *sa_packet_gather(struct sa_packet *, uint32_t set);

/* The field that the name of the member says through which a pointer was
 * computed, as a bit, or 0. */
uint32_t sa_packet_member_field(const struct sa_packet *,
                                LLVMValueRef pointer);

/* Finds what names and types say of memory: 'node_names', 'pointers'. */
void sa_packet_describe_nodes(struct sa_packet *);

/* Finds 'mixed'.  Messages and text that a program puts together have all
 * sorts of fields at places that vary: what is found there is of the packet,
 * but no one field.  Returns true if there is such memory. */
bool sa_packet_find_mixed(struct sa_packet *);

/* What a library function copies.  Returns true if it does nothing else. */
bool sa_packet_flow_copy(struct sa_packet *, const struct sa_insn *,
                         uint32_t id, const char *name);

#endif /* packet-private.h */
