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

#include "headers.h"

#include <string.h>

enum { ETHERNET_SIZE = 14, IPV4_SIZE = 20 };

struct sa_headers {
    const struct sa_program *program;
    const struct sa_tables *tables;
    GHashTable *by_struct;      /* LLVMTypeRef -> struct sa_header, or NULL. */
    const struct sa_header *ethernet, *ipv4, *ipv6, *tcp, *udp;
};

/* Members that a struct must have to be taken for a header. */
struct layout {
    uint64_t size;
    bool exact;                 /* Else at least this size. */
    struct {
        uint64_t offset, size;
    } members[8];               /* Size 0 ends. */
};

static const struct layout ipv4_layout = {
    20, false, { { 2, 2 }, { 4, 2 }, { 6, 2 }, { 8, 1 }, { 9, 1 }, { 10, 2 },
                 { 12, 4 }, { 16, 4 } }
};
static const struct layout ipv6_layout = {
    40, true, { { 4, 2 }, { 6, 1 }, { 7, 1 }, { 8, 16 }, { 24, 16 } }
};
static const struct layout tcp_layout = {
    20, false, { { 0, 2 }, { 2, 2 }, { 4, 4 }, { 8, 4 }, { 14, 2 }, { 16, 2 },
                 { 18, 2 } }
};
static const struct layout udp_layout = {
    8, true, { { 0, 2 }, { 2, 2 }, { 4, 2 }, { 6, 2 } }
};
static const struct layout ethernet_layout = {
    14, true, { { 0, 6 }, { 6, 6 }, { 12, 2 } }
};

struct sa_headers *
sa_headers_create(const struct sa_program *program,
                  const struct sa_tables *tables)
{
    struct sa_headers *h = g_new0(struct sa_headers, 1);
    h->program = program;
    h->tables = tables;
    h->by_struct = g_hash_table_new(NULL, NULL);
    h->ethernet = sa_tables_header(tables, "ether_header");
    h->ipv4 = sa_tables_header(tables, "iphdr");
    h->ipv6 = sa_tables_header(tables, "ip6_hdr");
    h->tcp = sa_tables_header(tables, "tcphdr");
    h->udp = sa_tables_header(tables, "udphdr");
    return h;
}

void
sa_headers_destroy(struct sa_headers *h)
{
    if (h) {
        g_hash_table_destroy(h->by_struct);
        g_free(h);
    }
}

char *
sa_headers_struct_name(LLVMTypeRef type)
{
    const char *name = (LLVMGetTypeKind(type) == LLVMStructTypeKind
                        ? LLVMGetStructName(type) : NULL);
    if (!name || !g_str_has_prefix(name, "struct.")) {
        return NULL;
    }
    char *s = g_strdup(name + strlen("struct."));
    char *dot = strrchr(s, '.');
    if (dot && dot[1] && strspn(dot + 1, "0123456789") == strlen(dot + 1)) {
        *dot = '\0';
    }
    return s;
}

static bool
has_layout(const struct sa_headers *h, LLVMTypeRef type,
           const struct layout *layout)
{
    uint64_t size = LLVMABISizeOfType(h->program->layout, type);
    if (layout->exact ? size != layout->size : size < layout->size) {
        return false;
    }
    unsigned int n = LLVMCountStructElementTypes(type);
    for (size_t i = 0; i < G_N_ELEMENTS(layout->members)
         && layout->members[i].size; i++) {
        bool found = false;
        for (unsigned int j = 0; j < n && !found; j++) {
            LLVMTypeRef t = LLVMStructGetTypeAtIndex(type, j);
            found = (LLVMOffsetOfElement(h->program->layout, type, j)
                     == layout->members[i].offset
                     && LLVMABISizeOfType(h->program->layout, t)
                        == layout->members[i].size);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

const struct sa_header *
sa_headers_of_struct(struct sa_headers *h, LLVMTypeRef type)
{
    gpointer found;
    if (g_hash_table_lookup_extended(h->by_struct, type, NULL, &found)) {
        return found;
    }

    const struct sa_header *header = NULL;
    char *name = sa_headers_struct_name(type);
    if (name) {
        header = sa_tables_header(h->tables, name);
    }
    if (!header && !LLVMIsOpaqueStruct(type)) {
        header = (has_layout(h, type, &ipv4_layout) ? h->ipv4
                  : has_layout(h, type, &ipv6_layout) ? h->ipv6
                  : has_layout(h, type, &tcp_layout) ? h->tcp
                  : has_layout(h, type, &udp_layout) ? h->udp
                  : has_layout(h, type, &ethernet_layout) ? h->ethernet
                  : NULL);
    }
    g_free(name);
    g_hash_table_insert(h->by_struct, type, (gpointer) header);
    return header;
}

struct sa_place
sa_headers_transport(const struct sa_headers *h)
{
    return (struct sa_place) {
        h->tcp ? SA_PLACE_HEADER : SA_PLACE_UNKNOWN, h->tcp, 0
    };
}

struct sa_place
sa_headers_network(const struct sa_headers *h)
{
    return (struct sa_place) {
        h->ipv4 ? SA_PLACE_HEADER : SA_PLACE_UNKNOWN, h->ipv4, 0
    };
}

struct sa_place
sa_place_join(struct sa_place a, struct sa_place b)
{
    if (a.kind == SA_PLACE_NONE) {
        return b;
    } else if (b.kind == SA_PLACE_NONE || sa_place_equal(a, b)) {
        return a;
    }
    return (struct sa_place) { SA_PLACE_UNKNOWN, NULL, 0 };
}

static uint32_t
header_fields(const struct sa_header *header, int64_t offset, uint64_t size)
{
    uint32_t fields = 0;
    for (size_t i = 0; header && i < header->n_fields; i++) {
        const struct sa_header_field *f = &header->fields[i];
        if ((int64_t) f->bit_offset < (offset + (int64_t) size) * 8
            && (int64_t) f->bit_offset + f->bit_size > offset * 8) {
            fields |= 1u << f->field;
        }
    }
    return fields;
}

uint32_t
sa_place_fields(const struct sa_headers *h, struct sa_place place,
                uint64_t size)
{
    int64_t at = place.offset;
    switch (place.kind) {
    case SA_PLACE_HEADER:
        if (place.header == h->ipv4 && at >= IPV4_SIZE) {
            return header_fields(h->tcp, at - IPV4_SIZE, size);
        }
        return header_fields(place.header, at, size);
    case SA_PLACE_FRAME:
        if (at < ETHERNET_SIZE) {
            return header_fields(h->ethernet, at, size);
        }
        at -= ETHERNET_SIZE;
        if (size == 16) {
            return header_fields(h->ipv6, at, size);
        }
        return (at < IPV4_SIZE ? header_fields(h->ipv4, at, size)
                : header_fields(h->tcp, at - IPV4_SIZE, size));
    default:
        return 0;
    }
}

bool
sa_place_is_length(const struct sa_headers *h, struct sa_place place)
{
    return ((place.kind == SA_PLACE_HEADER && place.header == h->ipv4
             && place.offset == 0)
            || (place.kind == SA_PLACE_FRAME
                && place.offset == ETHERNET_SIZE));
}
