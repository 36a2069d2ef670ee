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

#ifndef STATEALYZR_HEADERS_H
#define STATEALYZR_HEADERS_H 1

/* Packet headers
 * ==============
 *
 * Where in a packet a pointer points: to a byte of a header, which is known by
 * the struct through which it is accessed (by its name in fields.json, or as
 * it is laid out like one), or by its distance from the start of the frame. */

#include <glib.h>

#include "model.h"
#include "tables.h"

struct sa_headers;
struct sa_headers *sa_headers_create(const struct sa_program *,
                                     const struct sa_tables *);
void sa_headers_destroy(struct sa_headers *);

enum sa_place_kind {
    SA_PLACE_NONE,              /* No pointer into a header. */
    SA_PLACE_HEADER,            /* 'offset' bytes into 'header'. */
    SA_PLACE_FRAME,             /* ... into an Ethernet frame. */
    SA_PLACE_UNKNOWN            /* Several of these. */
};

struct sa_place {
    enum sa_place_kind kind;
    const struct sa_header *header;
    int64_t offset;
};

/* A struct's name in the source: LLVM's "struct.ip.12" is "ip".  NULL if it
 * has none, or is no struct; g_free(). */
char *sa_headers_struct_name(LLVMTypeRef);

/* The header that a struct is, or NULL. */
const struct sa_header *sa_headers_of_struct(struct sa_headers *, LLVMTypeRef);

/* Where the packet goes on behind the IPv4 header. */
struct sa_place sa_headers_transport(const struct sa_headers *);
struct sa_place sa_headers_network(const struct sa_headers *);

/* Either of two places. */
struct sa_place sa_place_join(struct sa_place, struct sa_place);

static inline bool
sa_place_equal(struct sa_place a, struct sa_place b)
{
    return (a.kind == b.kind && a.header == b.header
            && a.offset == b.offset);
}

/* Fields in the 'size' bytes from a place on, as a bit set. */
uint32_t sa_place_fields(const struct sa_headers *, struct sa_place,
                         uint64_t size);

/* Whether these are the bytes that hold the length of the header. */
bool sa_place_is_length(const struct sa_headers *, struct sa_place);

#endif /* headers.h */
