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

/* Packet data in copies of memory: memcpy(), structs by value, realloc(). */

#include "packet-private.h"

#include <string.h>

#include "call.h"
#include "modref.h"
#include "pta.h"
#include "wrappers.h"

static uint32_t
bits_of_nodes(const struct sa_packet *pk, struct sa_nodes nodes)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < nodes.n; i++) {
        bits |= pk->nodes[nodes.ids[i]];
    }
    return bits;
}

/* Memory of the library (a FILE) is no way for packet data to come back. */
void
sa_packet_write_nodes(struct sa_packet *pk, struct sa_nodes nodes,
                      uint32_t bits)
{
    uint32_t n;
    const struct sa_node *all = sa_pta_nodes(pk->a->pta, &n);
    const struct sa_object *objects = sa_pta_objects(pk->a->pta, &n);
    for (uint32_t i = 0; bits && i < nodes.n; i++) {
        if (objects[all[nodes.ids[i]].object].kind != SA_OBJECT_LIBRARY) {
            sa_packet_add_node(pk, nodes.ids[i], bits);
        }
    }
}

/* Pointers that a copy of memory moves keep their places. */
static void
copy_places(struct sa_packet *pk, struct sa_nodes from, struct sa_nodes to)
{
    if (from.n != 1) {
        return;
    }
    for (uint32_t i = 0; i < to.n; i++) {
        sa_packet_add_node_place(pk, to.ids[i], pk->node_places[from.ids[0]]);
    }
}

/* Calls 'cb' with the distances at which a node is from where a pointer points
 * to in its object: there may be several such places in one object. */
static void
for_each_distance(const struct sa_packet *pk, struct sa_nodes starts,
                  uint32_t node, void (*cb)(uint32_t distance, void *aux),
                  void *aux)
{
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(pk->a->pta, &n);
    uint32_t low = 0, high = starts.n;
    while (low < high) {        /* To the first of this object or behind. */
        uint32_t middle = low + (high - low) / 2;
        if (nodes[starts.ids[middle]].object < nodes[node].object) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < starts.n
         && nodes[starts.ids[low]].object == nodes[node].object
         && starts.ids[low] <= node; low++) {
        cb(nodes[node].offset - nodes[starts.ids[low]].offset, aux);
    }
}

/* What is known of memory by its distance from where a pointer points to. */
struct by_distance {
    GHashTable *bits;           /* Distance -> bit set. */
    uint32_t node_bits;         /* To be added, or those that were found. */
    uint32_t all;               /* If there is nothing at a distance. */
    bool known;                 /* How many bytes are copied. */
};

static void
add_bits_at(uint32_t distance, void *at_)
{
    struct by_distance *at = at_;
    gpointer key = GUINT_TO_POINTER(distance);
    uint32_t bits = at->node_bits
                    | GPOINTER_TO_UINT(g_hash_table_lookup(at->bits, key));
    g_hash_table_insert(at->bits, key, GUINT_TO_POINTER(bits));
}

static void
find_bits_at(uint32_t distance, void *at_)
{
    struct by_distance *at = at_;
    gpointer bits;
    if ((at->known || !distance)
        && g_hash_table_lookup_extended(at->bits, GUINT_TO_POINTER(distance),
                                        NULL, &bits)) {
        at->node_bits |= GPOINTER_TO_UINT(bits);
    } else {
        at->node_bits |= at->known ? at->all : at->all & SA_PACKET_DATA;
    }
}

/* A copy between objects of different layouts: what is at a distance from the
 * start comes to the same distance; to where the source has no member at that
 * distance, anything.  If it is not known how much is copied, it is at least
 * the member at the start; for what follows no more is said than that it is of
 * the packet. */
static void
copy_by_distance(struct sa_packet *pk, struct sa_nodes from_starts,
                 struct sa_nodes reads, struct sa_nodes to_starts,
                 struct sa_nodes writes, bool known)
{
    struct by_distance at = {
        .bits = g_hash_table_new(NULL, NULL), .known = known,
        .all = bits_of_nodes(pk, reads)
    };
    for (uint32_t i = 0; i < reads.n; i++) {
        at.node_bits = pk->nodes[reads.ids[i]];
        for_each_distance(pk, from_starts, reads.ids[i], add_bits_at, &at);
    }
    for (uint32_t i = 0; i < writes.n; i++) {
        at.node_bits = 0;
        for_each_distance(pk, to_starts, writes.ids[i], find_bits_at, &at);
        sa_packet_write_nodes(pk, (struct sa_nodes) { &writes.ids[i], 1 },
                              at.node_bits);
    }
    g_hash_table_destroy(at.bits);
}

static void
flow_memory(struct sa_packet *pk, const struct sa_insn *insn, uint32_t id)
{
    uint32_t to = sa_value_id(pk->a->program, LLVMGetOperand(insn->value, 0));
    uint32_t from = sa_value_id(pk->a->program,
                                LLVMGetOperand(insn->value, 1));
    struct sa_nodes reads = sa_modref_reads(pk->a->modref, id);
    uint64_t size;
    if (to != SA_NONE && from != SA_NONE && bits_of_nodes(pk, reads)) {
        copy_by_distance(pk, sa_pta_value(pk->a->pta, from), reads,
                         sa_pta_value(pk->a->pta, to),
                         sa_modref_writes(pk->a->modref, id),
                         sa_call_constant(insn->value, 2, &size));
    }
}

/* Adds the objects that a call is given pointers to 'objects'. */
static void
add_given(const struct sa_packet *pk, uint32_t call, GHashTable *objects)
{
    LLVMValueRef value = pk->a->program->insns[call].value;
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(pk->a->pta, &n);
    for (uint32_t i = 0; i < LLVMGetNumArgOperands(value); i++) {
        uint32_t id = sa_value_id(pk->a->program, LLVMGetOperand(value, i));
        struct sa_nodes to = { .n = 0 };
        if (id != SA_NONE) {
            to = sa_pta_value(pk->a->pta, id);
        }
        for (uint32_t j = 0; j < to.n; j++) {
            g_hash_table_add(objects,
                             GUINT_TO_POINTER(nodes[to.ids[j]].object));
        }
    }
}

/* Those of 'nodes' that are of one of 'objects'. */
static GArray *
nodes_of(const struct sa_packet *pk, struct sa_nodes nodes,
         GHashTable *objects)
{
    uint32_t n;
    const struct sa_node *all = sa_pta_nodes(pk->a->pta, &n);
    GArray *of = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (uint32_t i = 0; i < nodes.n; i++) {
        if (g_hash_table_contains(
                objects, GUINT_TO_POINTER(all[nodes.ids[i]].object))) {
            g_array_append_val(of, nodes.ids[i]);
        }
    }
    return of;
}

static struct sa_nodes
as_nodes(const GArray *ids)
{
    return (struct sa_nodes) { (const uint32_t *) ids->data, ids->len };
}

/* realloc(): in a wrapper, the object that a caller of the wrapper gets has
 * what objects had that this caller gave. */
static void
flow_realloc(struct sa_packet *pk, const struct sa_insn *insn, uint32_t id,
             int from)
{
    struct sa_nodes reads = sa_modref_reads(pk->a->modref, id);
    struct sa_nodes writes = sa_modref_writes(pk->a->modref, id);
    uint32_t pointer = sa_value_id(pk->a->program,
                                   LLVMGetOperand(insn->value, from));
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(pk->a->pta, &n);
    const struct sa_object *objects = sa_pta_objects(pk->a->pta, &n);
    if (pointer == SA_NONE || !bits_of_nodes(pk, reads)) {
        return;
    }
    for (uint32_t i = 0, next; i < writes.n; i = next) {
        const struct sa_object *o = &objects[nodes[writes.ids[i]].object];
        for (next = i + 1; next < writes.n
             && &objects[nodes[writes.ids[next]].object] == o; next++) {
        }
        GHashTable *given = g_hash_table_new(NULL, NULL);
        add_given(pk, o->caller != SA_NONE ? o->caller : id, given);
        GArray *from_nodes = nodes_of(pk, reads, given);
        GArray *starts = nodes_of(pk, sa_pta_value(pk->a->pta, pointer),
                                  given);
        uint32_t start = o->first_node;
        copy_by_distance(pk, as_nodes(starts), as_nodes(from_nodes),
                         (struct sa_nodes) { &start, 1 },
                         (struct sa_nodes) { &writes.ids[i], next - i }, true);
        g_hash_table_destroy(given);
        g_array_unref(from_nodes);
        g_array_unref(starts);
    }
}

/* memcpy() from a header: the fields that are there.  Returns false if it is
 * none. */
static bool
flow_header(struct sa_packet *pk, const struct sa_insn *insn, uint32_t id)
{
    struct sa_packet_flow from = sa_packet_operand(
        pk, LLVMGetOperand(insn->value, 1));
    uint64_t size;
    if (!sa_call_constant(insn->value, 2, &size) || size > 16) {
        return false;
    }
    uint32_t fields = sa_place_fields(pk->headers, from.place, size);
    uint32_t source = sa_packet_gather(pk, sa_modref_read_set(pk->a->modref,
                                                        id))->bits;
    if (!(source & SA_PACKET_DATA) || !fields) {
        return false;
    }
    sa_packet_write_nodes(pk, sa_modref_writes(pk->a->modref, id),
                SA_PACKET_DATA | fields);
    return true;
}

static bool
is_memory_copy(const char *name)
{
    return (g_str_has_prefix(name, "llvm.memcpy")
            || g_str_has_prefix(name, "llvm.memmove")
            || !strcmp(name, "memcpy") || !strcmp(name, "memmove")
            || !strcmp(name, "mempcpy"));
}

/* strcpy() and its like: what a string is in is the member where it starts,
 * not what follows that in the struct. */
static void
flow_string(struct sa_packet *pk, const struct sa_insn *insn)
{
    uint32_t from = sa_value_id(pk->a->program,
                                LLVMGetOperand(insn->value, 1));
    uint32_t to = sa_value_id(pk->a->program, LLVMGetOperand(insn->value, 0));
    if (from != SA_NONE && to != SA_NONE) {
        sa_packet_write_nodes(
            pk, sa_pta_value(pk->a->pta, to),
            bits_of_nodes(pk, sa_pta_value(pk->a->pta, from)));
    }
}

static bool
is_string_copy(const char *name)
{
    static const char *const names[] = {
        "strcpy", "strncpy", "stpcpy", "strcat", "strncat", "strlcpy",
        "strlcat", "__strcpy_chk", "__strncpy_chk", "__strcat_chk",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(name, names[i])) {
            return true;
        }
    }
    return false;
}

bool
sa_packet_flow_copy(struct sa_packet *pk, const struct sa_insn *insn,
                    uint32_t id, const char *name)
{
    const struct sa_modref *modref = pk->a->modref;
    uint32_t n;
    const struct sa_copy *copies = sa_modref_copies(modref, id, &n);
    for (uint32_t i = 0; i < n; i++) {
        struct sa_nodes from = sa_modref_set(modref, copies[i].read_set);
        struct sa_nodes to = sa_modref_set(modref, copies[i].write_set);
        sa_packet_write_nodes(pk, to, bits_of_nodes(pk, from));
        copy_places(pk, from, to);
    }
    const struct sa_effect *e = sa_allocating_effect(
        pk->a->program, pk->a->tables, insn->value);
    if (e && e->kind == SA_EFFECT_REALLOC && e->from >= 0) {
        flow_realloc(pk, insn, id, e->from);
        return true;
    } else if (is_string_copy(name)
               && LLVMGetNumArgOperands(insn->value) >= 2) {
        flow_string(pk, insn);
        return true;
    } else if (is_memory_copy(name)
               && LLVMGetNumArgOperands(insn->value) >= 3) {
        if (!flow_header(pk, insn, id) && !n) {
            flow_memory(pk, insn, id);
        }
        return true;
    }
    return false;
}
