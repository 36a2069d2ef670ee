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

/* What the names and declared types of memory say of packet data in it. */

#include "packet-private.h"

#include <string.h>

enum { ETHERNET_ADDRESS_SIZE = 6 };
enum { LARGEST_KEY = 128 };     /* Bytes: a struct sockaddr_storage. */

/* An address of a size that only one kind has: "src" may be either. */
static int
field_of_size(int field, uint64_t size)
{
    bool ethernet = size == ETHERNET_ADDRESS_SIZE;
    return (field == SA_FIELD_IP_SRC && ethernet ? SA_FIELD_ETH_SRC
            : field == SA_FIELD_IP_DST && ethernet ? SA_FIELD_ETH_DST
            : field);
}

/* The last name in an access path: "src" of "key.addr[].src[]". */
static int
field_of_path(const struct sa_tables *tables, const char *path)
{
    const char *dot = strrchr(path, '.');
    char *name = g_strdup(dot ? dot + 1 : path);
    char *bracket = strchr(name, '[');
    if (bracket) {
        *bracket = '\0';
    }
    int field = sa_tables_field_by_name(tables, name);
    g_free(name);
    return field;
}

uint32_t
sa_packet_member_field(const struct sa_packet *pk, LLVMValueRef pointer)
{
    if (!LLVMIsAGetElementPtrInst(pointer)
        || LLVMGetNumOperands(pointer) != 3
        || !LLVMIsAConstantInt(LLVMGetOperand(pointer, 2))) {
        return 0;
    }
    LLVMTypeRef type = LLVMGetGEPSourceElementType(pointer);
    uint64_t member = LLVMConstIntGetZExtValue(LLVMGetOperand(pointer, 2));
    if (LLVMGetTypeKind(type) != LLVMStructTypeKind
        || member >= LLVMCountStructElementTypes(type)) {
        return 0;
    }
    char *name = sa_headers_struct_name(type), *path = NULL;
    const struct sa_type *t = name ? sa_type_by_name(pk->a->types, name)
                                   : NULL;
    int field = -1;
    if (t) {
        const struct sa_type *inner = sa_type_path(
            t, LLVMOffsetOfElement(pk->a->program->layout, type, member),
            &path);
        if (inner) {
            field = field_of_size(field_of_path(pk->a->tables, path),
                                  inner->size);
        }
    }
    g_free(path);
    g_free(name);
    return field < 0 ? 0 : SA_PACKET_DATA | 1u << field;
}

void
sa_packet_describe_nodes(struct sa_packet *pk)
{
    const struct sa_object *objects = sa_pta_objects(pk->a->pta,
                                                     &pk->n_objects);
    const struct sa_node *nodes = sa_pta_nodes(pk->a->pta, &pk->n_nodes);
    pk->node_names = g_new(int, pk->n_nodes + 1);
    pk->pointers = g_new0(bool, pk->n_nodes + 1);
    for (uint32_t i = 0; i < pk->n_nodes; i++) {
        const struct sa_object *o = &objects[nodes[i].object];
        char *path = NULL;
        pk->node_names[i] = -1;
        if (o->collapsed || !o->type || nodes[i].offset < o->base) {
            continue;
        }
        const struct sa_type *type = sa_type_path(
            o->type, nodes[i].offset - o->base, &path);
        pk->pointers[i] = type && (type->canonical->kind == SA_TYPE_POINTER);
        if (path && *path) {
            uint64_t end = (i + 1 < o->first_node + o->n_nodes
                            ? nodes[i + 1].offset : o->size);
            pk->node_names[i] = field_of_size(
                field_of_path(pk->a->tables, path), end - nodes[i].offset);
        }
        g_free(path);
        if (pk->node_names[i] < 0 && o->kind != SA_OBJECT_HEAP && o->site) {
            uint32_t value = sa_value_id(pk->a->program, o->site);
            const struct sa_variable *v
                = (value == SA_NONE ? NULL
                   : sa_value_variable(pk->a->program, value));
            if (v && o->n_nodes == 1) {
                pk->node_names[i] = sa_tables_field_by_name(pk->a->tables,
                                                            v->name);
            }
        }
    }
}

/* Whether the memory is a buffer of bytes, larger than a key: its type says
 * nothing of what is in it. */
static bool
is_byte_buffer(const struct sa_packet *pk, uint32_t node)
{
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(pk->a->pta, &n);
    const struct sa_object *o
        = &sa_pta_objects(pk->a->pta, &n)[nodes[node].object];
    if (!o->type || o->collapsed) {
        return o->kind != SA_OBJECT_LIBRARY;
    }
    uint32_t offset = nodes[node].offset - o->base;
    uint32_t end = (node + 1 < o->first_node + o->n_nodes
                    ? nodes[node + 1].offset : o->size);
    char *path = NULL;
    const struct sa_type *type = sa_type_path(o->type, offset, &path);
    g_free(path);
    return type && type->canonical->kind == SA_TYPE_INT
           && type->canonical->size == 1
           && end - nodes[node].offset > LARGEST_KEY;
}

bool
sa_packet_find_mixed(struct sa_packet *pk)
{
    bool found = false;
    for (uint32_t i = 0; i < pk->n_nodes; i++) {
        pk->mixed[i] = (!sa_packet_is_one_kind(pk->nodes[i] & SA_PACKET_FIELDS)
                        && is_byte_buffer(pk, i));
        found |= pk->mixed[i];
    }
    return found;
}
