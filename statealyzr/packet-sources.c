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

#include "packet-private.h"

#include <string.h>

#include "call.h"
#include "loop.h"
#include "pta.h"

enum { MSGHDR_SIZE = 56 };
/* Bytes in a struct sockaddr_storage; in a struct sockaddr_in6, the port and
 * what is behind it up to the end of the address, where those of a
 * sockaddr_in are as well. */
enum { SOCKADDR_SIZE = 128 };
enum { SOCKADDR_PORT = 2, SOCKADDR_ADDRESS = 4, SOCKADDR_END = 24 };
enum { AF_PACKET_ = 17, SOCK_RAW_ = 3, SOCK_TYPE_MASK = 0xf };

/* Calls that say who the peer is. */
static const struct {
    const char *name;
    int address;                /* Argument with a struct sockaddr. */
    bool local;                 /* Of our end. */
    bool descriptor;            /* Returns the descriptor of a connection. */
} address_calls[] = {
    { "accept", 1, false, true },
    { "accept4", 1, false, true },
    { "recvfrom", 4, false, false },
    { "getpeername", 1, false, false },
    { "getsockname", 1, true, false },
};

static const char *
callee_name(const struct sa_packet *pk, uint32_t insn)
{
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(pk->a->pta, insn, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct sa_function *f = &pk->a->program->functions[callees[i]];
        if (!f->defined) {
            return f->name;
        }
    }
    return NULL;
}

static uint32_t
argument_id(const struct sa_packet *pk, uint32_t insn, int arg)
{
    LLVMValueRef call = pk->a->program->insns[insn].value;
    return (arg >= 0 && arg < (int) LLVMGetNumArgOperands(call)
            ? sa_value_id(pk->a->program, LLVMGetOperand(call, arg))
            : SA_NONE);
}

/* Layer of what is received by sockets and tun devices: the kinds of packet
 * sockets that the program opens anywhere. */
static struct sa_place
socket_place(const struct sa_packet *pk)
{
    const struct sa_program *p = pk->a->program;
    struct sa_place place = { SA_PLACE_NONE, NULL, 0 };
    for (uint32_t i = 0; i < p->n_insns; i++) {
        if (!sa_is_call(p->insns[i].opcode)) {
            continue;
        }
        const char *name = callee_name(pk, i);
        uint64_t family, type;
        if (name && !strcmp(name, "socket")
            && sa_call_constant(p->insns[i].value, 0, &family)
            && sa_call_constant(p->insns[i].value, 1, &type)) {
            if (family == AF_PACKET_) {
                place = sa_place_join(
                    place, (struct sa_place) { SA_PLACE_FRAME, NULL, 0 });
            } else if ((type & SOCK_TYPE_MASK) == SOCK_RAW_) {
                place = sa_place_join(place,
                                      sa_headers_network(pk->headers));
            }
        } else if (name && (!strcmp(name, "open")
                            || !strcmp(name, "open64"))) {
            char *path = sa_constant_string(
                LLVMGetOperand(p->insns[i].value, 0));
            if (path && strstr(path, "/tun")) {
                place = sa_place_join(place,
                                      sa_headers_network(pk->headers));
            }
            g_free(path);
        }
    }
    return place;
}

static bool
reads_frames(const char *name)
{
    return (g_str_has_prefix(name, "pcap_") || g_str_has_prefix(name, "rte_")
            || g_str_has_prefix(name, "nm_")
            || g_str_has_prefix(name, "mbox_"));
}

static void
add_buffer(struct sa_packet *pk, struct sa_nodes nodes)
{
    uint32_t n;
    const struct sa_node *all = sa_pta_nodes(pk->a->pta, &n);
    for (uint32_t i = 0; i < nodes.n; i++) {
        pk->buffers[all[nodes.ids[i]].object] = true;
        pk->received[nodes.ids[i]] = true;
        sa_packet_add_node(pk, nodes.ids[i], SA_PACKET_DATA);
    }
}

/* The value itself, or, as loads through it give it, what it points to. */
static void
add_packet_pointer(struct sa_packet *pk, uint32_t value, bool indirect,
                   struct sa_place place)
{
    if (value == SA_NONE) {
        return;
    }
    struct sa_nodes nodes = sa_pta_value(pk->a->pta, value);
    if (!indirect) {
        add_buffer(pk, nodes);
        sa_packet_add_place(pk, value, place);
        return;
    }
    for (uint32_t i = 0; i < nodes.n; i++) {
        add_buffer(pk, sa_pta_content(pk->a->pta, nodes.ids[i]));
        pk->node_places[nodes.ids[i]]
            = sa_place_join(pk->node_places[nodes.ids[i]], place);
    }
}

/* Fields in the bytes from 'at' to 'end' of a struct sockaddr_in or
 * sockaddr_in6: the family is none. */
static uint32_t
address_fields(uint32_t at, uint32_t end, bool local)
{
    uint32_t fields = 0;
    if (at < SOCKADDR_ADDRESS && end > SOCKADDR_PORT) {
        fields |= 1u << (local ? SA_FIELD_PORT_DST : SA_FIELD_PORT_SRC);
    }
    if (at < SOCKADDR_END && end > SOCKADDR_ADDRESS) {
        fields |= 1u << (local ? SA_FIELD_IP_DST : SA_FIELD_IP_SRC);
    }
    return fields;
}

/* A struct sockaddr at each of these nodes. */
static void
add_address(struct sa_packet *pk, struct sa_nodes to, bool local)
{
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(pk->a->pta, &n);
    const struct sa_object *objects = sa_pta_objects(pk->a->pta, &n);
    for (uint32_t i = 0; i < to.n; i++) {
        const struct sa_object *o = &objects[nodes[to.ids[i]].object];
        uint32_t start = nodes[to.ids[i]].offset;
        for (uint32_t k = 0; k < o->n_nodes; k++) {
            uint32_t at = nodes[o->first_node + k].offset;
            uint32_t end = (k + 1 < o->n_nodes
                            ? nodes[o->first_node + k + 1].offset
                            : UINT32_MAX);
            if (at >= start && at < start + SOCKADDR_SIZE) {
                sa_packet_add_node(
                    pk, o->first_node + k, SA_PACKET_DATA
                    | address_fields(at - start, end - start, local));
            }
        }
    }
}

/* What a struct msghdr or iovec points to directly: the sender's address, or
 * iovecs and packets. */
static void
add_pointed(struct sa_packet *pk, struct sa_nodes to, bool is_name,
            GHashTable *seen)
{
    if (is_name) {
        add_address(pk, to, false);
    }
    for (uint32_t j = 0; j < to.n; j++) {
        struct sa_nodes buffers = sa_pta_content(pk->a->pta, to.ids[j]);
        sa_packet_add_node(pk, to.ids[j], SA_PACKET_DATA);
        if (buffers.n && g_hash_table_add(seen, (gpointer) buffers.ids)) {
            add_buffer(pk, buffers);
        }
    }
}

/* A struct msghdr or iovec: what it points to at any depth up to two is the
 * packet, or the address of its sender.  Sets that are equal are the same
 * array, and are looked at once. */
static void
add_iovec(struct sa_packet *pk, uint32_t value)
{
    if (value == SA_NONE) {
        return;
    }
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(pk->a->pta, &n);
    const struct sa_object *objects = sa_pta_objects(pk->a->pta, &n);
    struct sa_nodes base = sa_pta_value(pk->a->pta, value);
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    GHashTable *pointed = g_hash_table_new(NULL, NULL);
    for (uint32_t i = 0; i < base.n; i++) {
        uint32_t start = nodes[base.ids[i]].offset;
        const struct sa_object *o = &objects[nodes[base.ids[i]].object];
        for (uint32_t k = 0; k < o->n_nodes; k++) {
            uint32_t node = o->first_node + k;
            struct sa_nodes to = sa_pta_content(pk->a->pta, node);
            bool is_name = nodes[node].offset == start && o->n_nodes > 1;
            if (to.n && nodes[node].offset >= start
                && nodes[node].offset < start + MSGHDR_SIZE
                && (is_name || g_hash_table_add(pointed,
                                                (gpointer) to.ids))) {
                add_pointed(pk, to, is_name, seen);
            }
        }
    }
    g_hash_table_destroy(pointed);
    g_hash_table_destroy(seen);
}

static void
add_read_site(struct sa_packet *pk, const struct sa_read_site *site,
              struct sa_place sockets)
{
    const struct sa_packet_read *read = site->read;
    const struct sa_program *p = pk->a->program;
    struct sa_place place = sockets;
    if (reads_frames(read->name)) {
        place = (struct sa_place) { SA_PLACE_FRAME, NULL, 0 };
    }

    if (read->callback != SA_NO_ARG) {
        uint32_t n;
        const uint32_t *handlers = sa_pta_callbacks(pk->a->pta, site->insn,
                                                    &n);
        for (uint32_t i = 0; i < n; i++) {
            const struct sa_function *f = &p->functions[handlers[i]];
            if (read->packet >= 0 && (uint32_t) read->packet < f->n_params) {
                add_packet_pointer(pk, f->first_param + read->packet,
                                   read->indirect, place);
            }
        }
    } else if (read->packet == SA_RETURN) {
        add_packet_pointer(pk, p->insns[site->insn].result, read->indirect,
                           place);
    } else if (read->iovec) {
        add_iovec(pk, argument_id(pk, site->insn, read->packet));
    } else {
        add_packet_pointer(pk, argument_id(pk, site->insn, read->packet),
                           read->indirect, place);
    }
}

void
sa_packet_add_sources(struct sa_packet *pk)
{
    const struct sa_program *p = pk->a->program;
    struct sa_place sockets = socket_place(pk);
    for (size_t i = 0; i < pk->a->loops->n_sites; i++) {
        add_read_site(pk, &pk->a->loops->sites[i], sockets);
    }

    size_t n;
    uint32_t *nodes = sa_loops_packet_nodes(pk->a->loops, &n);
    add_buffer(pk, (struct sa_nodes) { nodes, n });
    g_free(nodes);

    for (uint32_t i = 0; i < p->n_insns; i++) {
        if (!sa_is_call(p->insns[i].opcode)) {
            continue;
        }
        const char *name = callee_name(pk, i);
        for (size_t j = 0; name && j < G_N_ELEMENTS(address_calls); j++) {
            if (!strcmp(name, address_calls[j].name)) {
                uint32_t address = argument_id(pk, i,
                                               address_calls[j].address);
                if (address != SA_NONE) {
                    add_address(pk, sa_pta_value(pk->a->pta, address),
                                address_calls[j].local);
                }
                if (address_calls[j].descriptor) {
                    sa_packet_add_bits(pk, p->insns[i].result,
                                       SA_PACKET_CONNECTION,
                                       SA_PACKET_CONNECTION);
                }
            }
        }
    }
}
