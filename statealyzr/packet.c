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

/* A data-flow analysis to a fixed point over the instructions that may run in
 * the loop (Kildall, "A unified approach to global program optimization", POPL
 * 1973), with summaries of functions in terms of their parameters (Sharir,
 * Pnueli, 1981), so that ntohs() and hash functions of the program's own do
 * not mix what is given to them in different places. */

#include "packet-private.h"

#include <inttypes.h>
#include <string.h>

#include "array.h"
#include "call.h"
#include "diag.h"
#include "modref.h"
#include "procedures.h"
#include "pta.h"

void
sa_packet_add_bits(struct sa_packet *pk, uint32_t value, uint32_t bits,
                   uint32_t own)
{
    if (value == SA_NONE) {
        return;
    }
    struct sa_packet_flow *f = &pk->values[value];
    if ((bits & ~f->bits) || (own & ~f->own)) {
        f->bits |= bits;
        f->own |= own;
        pk->changed = true;
    }
}

void
sa_packet_add_place(struct sa_packet *pk, uint32_t value,
                    struct sa_place place)
{
    if (value == SA_NONE) {
        return;
    }
    struct sa_packet_flow *f = &pk->values[value];
    struct sa_place joined = sa_place_join(f->place, place);
    if (!sa_place_equal(joined, f->place)) {
        f->place = joined;
        pk->changed = true;
    }
}

void
sa_packet_add_node(struct sa_packet *pk, uint32_t node, uint32_t bits)
{
    bits &= ~(SA_PACKET_LENGTH
              | (pk->pointers[node] ? SA_PACKET_CONNECTION : 0));
    if (pk->received[node]) {
        /* What is there is overwritten by the next packet, whose fields are
         * known by their place. */
        bits &= SA_PACKET_DATA;
    }
    if (pk->mixed[node]) {
        bits &= ~SA_PACKET_FIELDS;
    }
    if ((bits & SA_PACKET_DATA) && !(bits & SA_PACKET_FIELDS)
        && pk->node_names[node] >= 0) {
        bits |= 1u << pk->node_names[node];
    }
    if (bits & ~pk->nodes[node]) {
        pk->nodes[node] |= bits;
        pk->changed = true;
    }
}

static void
add_dependence(struct sa_packet *pk, uint32_t value, uint64_t params,
               uint64_t targets)
{
    struct sa_packet_flow *f = &pk->values[value];
    if ((params & ~f->from_params) || (targets & ~f->from_targets)) {
        f->from_params |= params;
        f->from_targets |= targets;
        pk->changed = true;
    }
}

struct sa_packet_flow
sa_packet_operand(const struct sa_packet *pk, LLVMValueRef operand)
{
    uint32_t id = sa_value_id(pk->a->program, operand);
    return id == SA_NONE ? (struct sa_packet_flow) { .bits = 0 }
                         : pk->values[id];
}

/* 'value' is, or is computed from, 'operand'. */
static void
flow_from(struct sa_packet *pk, uint32_t value, LLVMValueRef operand)
{
    struct sa_packet_flow f = sa_packet_operand(pk, operand);
    sa_packet_add_bits(pk, value, f.bits, f.own);
    add_dependence(pk, value, f.from_params, f.from_targets);
}

/* The same if 'value' is not just 'operand': what is computed from a
 * descriptor is none. */
static void
flow_computed(struct sa_packet *pk, uint32_t value, LLVMValueRef operand)
{
    struct sa_packet_flow f = sa_packet_operand(pk, operand);
    sa_packet_add_bits(pk, value, f.bits & ~SA_PACKET_CONNECTION,
                       f.own & ~SA_PACKET_CONNECTION);
    add_dependence(pk, value, f.from_params, f.from_targets);
}

static uint64_t
store_size(const struct sa_packet *pk, LLVMTypeRef type)
{
    return LLVMTypeIsSized(type)
           ? LLVMStoreSizeOfType(pk->a->program->layout, type) : 0;
}

static void
flow_gep(struct sa_packet *pk, const struct sa_insn *insn)
{
    LLVMValueRef base = LLVMGetOperand(insn->value, 0);
    struct sa_packet_flow from = sa_packet_operand(pk, base);
    LLVMTypeRef type = LLVMGetGEPSourceElementType(insn->value);
    struct sa_place place = from.place;
    bool is_struct = LLVMGetTypeKind(type) == LLVMStructTypeKind;
    add_dependence(pk, insn->result, from.from_params, 0);

    if (is_struct) {
        const struct sa_header *header = sa_headers_of_struct(pk->headers,
                                                              type);
        if (header) {
            place = (struct sa_place) { SA_PLACE_HEADER, header, 0 };
        }
    }
    for (int j = 1; j < LLVMGetNumOperands(insn->value); j++) {
        LLVMValueRef index = LLVMGetOperand(insn->value, j);
        bool constant = LLVMIsAConstantInt(index);
        int64_t n = constant ? LLVMConstIntGetSExtValue(index) : 0;
        uint64_t unit = 0;
        if (j == 1) {
            unit = LLVMTypeIsSized(type)
                   ? LLVMABISizeOfType(pk->a->program->layout, type) : 0;
        } else if (LLVMGetTypeKind(type) == LLVMStructTypeKind) {
            if (!constant || n < 0
                || n >= LLVMCountStructElementTypes(type)) {
                return;
            }
            place.offset += LLVMOffsetOfElement(pk->a->program->layout, type,
                                                n);
            type = LLVMStructGetTypeAtIndex(type, n);
            const struct sa_header *inner
                = (LLVMGetTypeKind(type) == LLVMStructTypeKind
                   ? sa_headers_of_struct(pk->headers, type) : NULL);
            if (inner) {
                place = (struct sa_place) { SA_PLACE_HEADER, inner, 0 };
            }
            continue;
        } else {
            type = LLVMGetElementType(type);
            unit = LLVMABISizeOfType(pk->a->program->layout, type);
        }
        if (constant) {
            place.offset += n * (int64_t) unit;
        } else if (sa_packet_operand(pk, index).bits & SA_PACKET_LENGTH) {
            place = sa_headers_transport(pk->headers);
        } else if (place.kind == SA_PLACE_FRAME
                   || (place.kind == SA_PLACE_HEADER && !is_struct
                       && LLVMGetTypeKind(type) != LLVMArrayTypeKind
                       && j == 1)) {
            place = (struct sa_place) { SA_PLACE_UNKNOWN, NULL, 0 };
        }
    }
    if (place.kind == SA_PLACE_NONE || place.kind == SA_PLACE_UNKNOWN) {
        place.offset = 0;
    }
    sa_packet_add_place(pk, insn->result, place);
}

const struct sa_packet_set *
sa_packet_gather(struct sa_packet *pk, uint32_t id)
{
    struct sa_packet_set *set = &pk->sets[id];
    if (set->pass != pk->pass) {
        struct sa_nodes nodes = sa_modref_set(pk->a->modref, id);
        set->pass = pk->pass;
        for (uint32_t i = 0; i < nodes.n; i++) {
            set->bits |= pk->nodes[nodes.ids[i]];
            set->place = sa_place_join(set->place,
                                       pk->node_places[nodes.ids[i]]);
        }
    }
    return set;
}

/* Fields of a struct sockaddr, which tells the peer unless the memory is known
 * to have the address of our end. */
static uint32_t
of_our_end(uint32_t fields, uint32_t memory)
{
    uint32_t peer = 1u << SA_FIELD_IP_SRC | 1u << SA_FIELD_PORT_SRC;
    uint32_t own = 1u << SA_FIELD_IP_DST | 1u << SA_FIELD_PORT_DST;
    if (!(fields & peer) || (fields & own) || (memory & peer)
        || !(memory & own)) {
        return fields;
    }
    uint32_t swapped = fields & ~peer;
    swapped |= fields & 1u << SA_FIELD_IP_SRC ? 1u << SA_FIELD_IP_DST : 0;
    swapped |= fields & 1u << SA_FIELD_PORT_SRC ? 1u << SA_FIELD_PORT_DST : 0;
    return swapped;
}

static void
flow_load(struct sa_packet *pk, const struct sa_insn *insn, uint32_t id)
{
    LLVMValueRef pointer = LLVMGetOperand(insn->value, 0);
    struct sa_packet_flow from = sa_packet_operand(pk, pointer);
    uint64_t size = store_size(pk, LLVMTypeOf(insn->value));
    const struct sa_packet_set *set = sa_packet_gather(
        pk, sa_modref_read_set(pk->a->modref, id));
    sa_packet_add_place(pk, insn->result, set->place);

    uint32_t fields = sa_place_fields(pk->headers, from.place, size);
    bool is_header = (from.place.kind == SA_PLACE_HEADER
                      || from.place.kind == SA_PLACE_FRAME);
    if (from.place.kind == SA_PLACE_FRAME && !fields) {
        /* Behind a VLAN tag... */
        fields = sa_packet_member_field(pk, pointer);
    }
    if ((set->bits & SA_PACKET_DATA) && is_header) {
        uint32_t bits = SA_PACKET_DATA | of_our_end(fields, set->bits);
        if (sa_place_is_length(pk->headers, from.place) && size == 1) {
            bits |= SA_PACKET_LENGTH;
        }
        sa_packet_add_bits(pk, insn->result, bits, bits);
        return;
    }
    uint64_t params = from.from_params | from.from_targets;
    uint32_t bits = set->bits;
    if ((bits & SA_PACKET_DATA) && !(bits & SA_PACKET_FIELDS)) {
        uint32_t named = sa_packet_member_field(pk, pointer);
        sa_packet_add_bits(pk, insn->result, named, named);
    }
    sa_packet_add_bits(pk, insn->result, bits, params ? 0 : bits);
    add_dependence(pk, insn->result, 0, params);
}

void
sa_packet_add_node_place(struct sa_packet *pk, uint32_t node,
                         struct sa_place place)
{
    struct sa_place joined = sa_place_join(pk->node_places[node], place);
    if (!sa_place_equal(joined, pk->node_places[node])) {
        pk->node_places[node] = joined;
        pk->changed = true;
    }
}

static void
flow_store(struct sa_packet *pk, const struct sa_insn *insn, uint32_t id)
{
    struct sa_packet_flow from = sa_packet_operand(
        pk, LLVMGetOperand(insn->value, 0));
    uint32_t set_id = sa_modref_write_set(pk->a->modref, id);
    struct sa_packet_set *set = &pk->sets[set_id];
    struct sa_place place = sa_place_join(set->written_place, from.place);
    if (!(from.bits & ~set->written)
        && sa_place_equal(place, set->written_place)) {
        return;
    }
    set->written |= from.bits;
    set->written_place = place;
    struct sa_nodes nodes = sa_modref_set(pk->a->modref, set_id);
    for (uint32_t i = 0; i < nodes.n; i++) {
        sa_packet_add_node(pk, nodes.ids[i], set->written);
        sa_packet_add_node_place(pk, nodes.ids[i], place);
    }
}

static void
collect_node(uint32_t node, void *nodes)
{
    g_array_append_val((GArray *) nodes, node);
}

/* What a pointer leads to, from where it points to to the end of the objects:
 * as of the first time that it is asked for in a pass.  Many pointers have the
 * same set. */
static uint32_t
gather_target(struct sa_packet *pk, LLVMValueRef pointer)
{
    uint32_t id = sa_value_id(pk->a->program, pointer);
    struct sa_nodes to = { .ids = NULL };
    if (id != SA_NONE) {
        to = sa_pta_value(pk->a->pta, id);
    }
    if (!to.ids) {
        return 0;               /* An empty set may lead between nodes. */
    }
    struct sa_packet_target *target = g_hash_table_lookup(pk->targets, to.ids);
    if (!target) {
        GArray *nodes = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        target = g_new0(struct sa_packet_target, 1);
        sa_pta_access(pk->a->pta, id, 0, collect_node, nodes);
        sa_sort_unique(nodes);
        target->n = nodes->len;
        target->nodes = g_memdup2(nodes->data,
                                  nodes->len * sizeof(uint32_t));
        g_array_free(nodes, TRUE);
        g_hash_table_insert(pk->targets, (gpointer) to.ids, target);
    }
    if (target->pass != pk->pass) {
        target->pass = pk->pass;
        for (uint32_t i = 0; i < target->n; i++) {
            target->bits |= pk->nodes[target->nodes[i]];
        }
    }
    return target->bits;
}

static void
free_target(gpointer target_)
{
    struct sa_packet_target *target = target_;
    g_free(target->nodes);
    g_free(target);
}

static void
flow_into_function(struct sa_packet *pk, const struct sa_insn *insn,
                   const struct sa_function *f, uint32_t function)
{
    LLVMValueRef call = insn->value;
    const struct sa_packet_summary *summary = &pk->functions[function];
    for (uint32_t i = 0; i < LLVMGetNumArgOperands(call)
         && i < f->n_params; i++) {
        struct sa_packet_flow from = sa_packet_operand(
            pk, LLVMGetOperand(call, i));
        sa_packet_add_bits(pk, f->first_param + i, from.bits, 0);
        sa_packet_add_place(pk, f->first_param + i, from.place);
        if (insn->result == SA_NONE || i >= 64) {
            continue;
        }
        if (summary->from_params >> i & 1) {
            sa_packet_add_bits(pk, insn->result, from.bits, from.own);
            add_dependence(pk, insn->result, from.from_params,
                           from.from_targets);
        }
        if (summary->from_targets >> i & 1) {
            uint64_t params = from.from_params | from.from_targets;
            uint32_t bits = gather_target(pk, LLVMGetOperand(call, i));
            sa_packet_add_bits(pk, insn->result, bits, params ? 0 : bits);
            add_dependence(pk, insn->result, 0, params);
        }
    }
    if (insn->result != SA_NONE) {
        sa_packet_add_bits(pk, insn->result, summary->own, summary->own);
        sa_packet_add_place(pk, insn->result, summary->place);
    }
}

/* Calls whose results say nothing of the values that they are given. */
static const char *const comparisons[] = {
    "memcmp", "bcmp", "strcmp", "strncmp", "strcasecmp", "strncasecmp",
    "strlen", "strnlen", "recv", "recvfrom", "recvmsg", "read", "write",
    "send", "sendto", "accept", "accept4", NULL
};

static bool
is_one_of(const char *name, const char *const names[])
{
    for (size_t i = 0; names[i]; i++) {
        if (!strcmp(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* Calls whose results and outputs the kernel makes up: nothing of what they
 * are given. */
static const char *const kernel_calls[] = {
    "stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "ioctl", "open",
    "open64", "close", "select", "poll", "ppoll", "epoll_wait", "socket",
    "bind", "connect", "listen", "setsockopt", "getsockopt", "shutdown",
    "time", "gettimeofday", "clock_gettime", "readlink", "fcntl", "fcntl64",
    "getifaddrs", "uname", "pipe", "socketpair", NULL
};

/* Calls that return another descriptor of what they are given one of. */
static const char *const duplications[] = { "dup", "dup2", "dup3", NULL };

/* Text that is made for people, and what is read from text: no field of a
 * header any more, or yet, but the buffers of text are used for everything. */
static bool
is_of_text(const char *name)
{
    static const char *const parsers[] = {
        "inet_pton", "inet_aton", "inet_addr", "getaddrinfo", "sscanf",
        "__isoc99_sscanf", "atoi", "atol", "atoll", "strtol", "strtoul",
        "strtoll", "strtoull", "__isoc23_strtol", "__isoc23_strtoul",
        "strtok", "strtok_r", "strsep", NULL
    };
    return (g_str_has_suffix(name, "printf")
            || g_str_has_suffix(name, "printf_chk")
            || is_one_of(name, parsers));
}

static void
flow_library(struct sa_packet *pk, const struct sa_insn *insn, uint32_t id,
             const char *name)
{
    const struct sa_modref *modref = pk->a->modref;
    uint32_t n;
    sa_modref_copies(modref, id, &n);
    if (is_one_of(name, kernel_calls)
        || sa_packet_flow_copy(pk, insn, id, name)) {
        return;
    }

    LLVMValueRef call = insn->value;
    uint32_t read = sa_packet_gather(pk, sa_modref_read_set(modref, id))->bits;
    uint32_t bits = n ? 0 : read;
    for (uint32_t i = 0; i < LLVMGetNumArgOperands(call); i++) {
        LLVMValueRef operand = LLVMGetOperand(call, i);
        if (LLVMGetTypeKind(LLVMTypeOf(operand)) != LLVMPointerTypeKind) {
            bits |= sa_packet_operand(pk, operand).bits;
        }
    }
    bits &= is_of_text(name) ? SA_PACKET_DATA : ~SA_PACKET_CONNECTION;
    sa_packet_write_nodes(pk, sa_modref_writes(modref, id), bits);
    if (insn->result != SA_NONE && !is_one_of(name, comparisons)
        && !is_of_text(name)
        && LLVMGetTypeKind(LLVMTypeOf(call)) != LLVMPointerTypeKind) {
        for (uint32_t i = 0; i < LLVMGetNumArgOperands(call); i++) {
            if (is_one_of(name, duplications)) {
                flow_from(pk, insn->result, LLVMGetOperand(call, i));
            } else {
                flow_computed(pk, insn->result, LLVMGetOperand(call, i));
            }
        }
        sa_packet_add_bits(pk, insn->result, read & ~SA_PACKET_CONNECTION,
                           read & ~SA_PACKET_CONNECTION);
    }
}

static void
flow_call(struct sa_packet *pk, const struct sa_insn *insn, uint32_t id)
{
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(pk->a->pta, id, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct sa_function *f = &pk->a->program->functions[callees[i]];
        if (f->defined) {
            flow_into_function(pk, insn, f, callees[i]);
        } else {
            flow_library(pk, insn, id, f->name);
        }
    }
}

static void
flow_return(struct sa_packet *pk, const struct sa_insn *insn)
{
    if (LLVMGetNumOperands(insn->value) != 1) {
        return;
    }
    struct sa_packet_flow from = sa_packet_operand(
        pk, LLVMGetOperand(insn->value, 0));
    struct sa_packet_summary *s = &pk->functions[insn->function];
    struct sa_packet_summary next = {
        s->own | from.own, s->from_params | from.from_params,
        s->from_targets | from.from_targets,
        sa_place_join(s->place, from.place)
    };
    if (next.own != s->own || next.from_params != s->from_params
        || next.from_targets != s->from_targets
        || !sa_place_equal(next.place, s->place)) {
        *s = next;
        pk->changed = true;
    }
}

/* A value without a field of its own that is held by a variable with the name
 * of one. */
static void
flow_name(struct sa_packet *pk, uint32_t value)
{
    const struct sa_packet_flow *f = &pk->values[value];
    if ((f->bits & SA_PACKET_DATA) && !(f->bits & SA_PACKET_FIELDS)) {
        const struct sa_variable *v = sa_value_variable(pk->a->program, value);
        int field = v ? sa_tables_field_by_name(pk->a->tables, v->name) : -1;
        if (field >= 0) {
            sa_packet_add_bits(pk, value, 1u << field, 1u << field);
        }
    }
}

static void
flow_insn(struct sa_packet *pk, uint32_t id)
{
    const struct sa_insn *insn = &pk->a->program->insns[id];
    switch (insn->opcode) {
    case LLVMGetElementPtr:
        flow_gep(pk, insn);
        break;
    case LLVMLoad:
        flow_load(pk, insn, id);
        break;
    case LLVMStore:
        flow_store(pk, insn, id);
        break;
    case LLVMCall:
    case LLVMInvoke:
    case LLVMCallBr:
        flow_call(pk, insn, id);
        break;
    case LLVMRet:
        flow_return(pk, insn);
        break;
    case LLVMICmp:
    case LLVMFCmp:
    case LLVMAlloca:
    case LLVMBr:
    case LLVMSwitch:
        break;
    case LLVMPHI:
        for (unsigned int i = 0; i < LLVMCountIncoming(insn->value); i++) {
            LLVMValueRef from = LLVMGetIncomingValue(insn->value, i);
            flow_from(pk, insn->result, from);
            sa_packet_add_place(pk, insn->result,
                                sa_packet_operand(pk, from).place);
        }
        break;
    case LLVMSelect:
        for (unsigned int i = 1; i < 3; i++) {
            LLVMValueRef from = LLVMGetOperand(insn->value, i);
            flow_from(pk, insn->result, from);
            sa_packet_add_place(pk, insn->result,
                                sa_packet_operand(pk, from).place);
        }
        break;
    default:
        for (int i = 0; insn->result != SA_NONE
             && i < LLVMGetNumOperands(insn->value); i++) {
            if (LLVMIsACastInst(insn->value)) {
                flow_from(pk, insn->result, LLVMGetOperand(insn->value, i));
            } else {
                flow_computed(pk, insn->result,
                              LLVMGetOperand(insn->value, i));
            }
        }
    }
    if (insn->result != SA_NONE) {
        flow_name(pk, insn->result);
    }
}

/* Starts again from the packet, until nothing changes. */
static void
follow(struct sa_packet *pk, const GArray *insns)
{
    const struct sa_program *p = pk->a->program;
    memset(pk->values, 0, p->n_values * sizeof *pk->values);
    memset(pk->functions, 0, p->n_functions * sizeof *pk->functions);
    memset(pk->nodes, 0, pk->n_nodes * sizeof *pk->nodes);
    memset(pk->node_places, 0, pk->n_nodes * sizeof *pk->node_places);
    memset(pk->sets, 0, sa_modref_n_sets(pk->a->modref) * sizeof *pk->sets);
    g_hash_table_remove_all(pk->targets);
    for (uint32_t f = 0; f < p->n_functions; f++) {
        for (uint32_t i = 0; i < p->functions[f].n_params && i < 64; i++) {
            uint32_t param = p->functions[f].first_param + i;
            pk->values[param].from_params = UINT64_C(1) << i;
        }
    }
    sa_packet_add_sources(pk);

    pk->changed = true;
    while (pk->changed) {
        pk->changed = false;
        pk->pass++;
        sa_progress("packet fields: pass %"PRIu32, pk->pass);
        for (guint i = 0; i < insns->len; i++) {
            flow_insn(pk, g_array_index(insns, uint32_t, i));
        }
    }
}

struct sa_packet *
sa_packet_run(const struct sa_analysis *a)
{
    const struct sa_program *p = a->program;
    struct sa_packet *pk = g_new0(struct sa_packet, 1);
    pk->a = a;
    pk->headers = sa_headers_create(p, a->tables);
    pk->values = g_new0(struct sa_packet_flow, p->n_values + 1);
    pk->functions = g_new0(struct sa_packet_summary, p->n_functions + 1);
    sa_packet_describe_nodes(pk);
    pk->nodes = g_new0(uint32_t, pk->n_nodes + 1);
    pk->node_places = g_new0(struct sa_place, pk->n_nodes + 1);
    pk->buffers = g_new0(bool, pk->n_objects + 1);
    pk->received = g_new0(bool, pk->n_nodes + 1);
    pk->mixed = g_new0(bool, pk->n_nodes + 1);
    pk->sets = g_new0(struct sa_packet_set, sa_modref_n_sets(a->modref));
    pk->targets = g_hash_table_new_full(NULL, NULL, NULL, free_target);

    GArray *insns = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (uint32_t i = 0; i < p->n_insns; i++) {
        if (sa_procedures_has_insn(a->procedures, i)) {
            g_array_append_val(insns, i);
        }
    }
    follow(pk, insns);
    if (sa_packet_find_mixed(pk)) {
        follow(pk, insns);
    }
    g_array_unref(insns);
    return pk;
}

void
sa_packet_destroy(struct sa_packet *pk)
{
    if (pk) {
        sa_headers_destroy(pk->headers);
        g_free(pk->values);
        g_free(pk->functions);
        g_free(pk->nodes);
        g_free(pk->node_places);
        g_free(pk->node_names);
        g_free(pk->pointers);
        g_free(pk->sets);
        g_hash_table_destroy(pk->targets);
        g_free(pk->buffers);
        g_free(pk->received);
        g_free(pk->mixed);
        g_free(pk);
    }
}

uint32_t
sa_packet_value(const struct sa_packet *pk, uint32_t value)
{
    return value == SA_NONE ? 0 : pk->values[value].bits & ~SA_PACKET_LENGTH;
}

uint32_t
sa_packet_node(const struct sa_packet *pk, uint32_t node)
{
    return pk->nodes[node];
}

bool
sa_packet_is_one_kind(uint32_t fields)
{
    static const uint32_t kinds[] = {
        1u << SA_FIELD_IP_SRC | 1u << SA_FIELD_IP_DST,
        1u << SA_FIELD_PORT_SRC | 1u << SA_FIELD_PORT_DST,
        1u << SA_FIELD_ETH_SRC | 1u << SA_FIELD_ETH_DST,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!(fields & ~kinds[i])) {
            return true;
        }
    }
    return !(fields & (fields - 1));
}

uint32_t
sa_packet_pointed(const struct sa_packet *pk, uint32_t value, uint64_t size)
{
    return value == SA_NONE ? 0
           : sa_place_fields(pk->headers, pk->values[value].place, size);
}

bool
sa_packet_is_buffer(const struct sa_packet *pk, uint32_t object)
{
    return pk->buffers[object];
}
