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

#ifndef WANOPT_CODEC_H
#define WANOPT_CODEC_H 1

/* Bodies of messages: items and literal bytes
 * ===========================================
 *
 *     item...        u16: length, at most WANOPT_CHUNK_MAX of a reference,
 *                    with WANOPT_REF if it is one; then u16 offset in a chunk
 *                    and 16 bytes of its name
 *     literal bytes  of the items that are no references, in their order; raw,
 *                    or one frame of Zstandard (RFC 8878)
 *
 * In an encoded packet the items are what its payload consists of; in an
 * answer they are chunks, and references are to chunks that cannot be had; in
 * a question all items are references.  All of this is a function of its
 * arguments: nothing here keeps state but memory to work in. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "wanopt-cipher.h"

/* Longer payloads are not encoded. */
#define WANOPT_MAX_PAYLOAD 9216
#define WANOPT_MAX_ITEMS 255
#define WANOPT_REF 0x8000
#define WANOPT_REF_LEN (4 + WANOPT_NAME_LEN)

struct wanopt_item {
    bool is_ref;
    uint16_t len;
    uint16_t ofs;               /* Of a reference. */
    struct wanopt_name name;    /* Of a reference. */
    const uint8_t *data;        /* Of literal bytes. */
};

struct wanopt_body {
    struct wanopt_item items[WANOPT_MAX_ITEMS];
    size_t n_items;
    size_t len;                 /* Of all items together. */
};

struct wanopt_codec;

/* 'level' is Zstandard's; 0: do not compress. */
struct wanopt_codec *wanopt_codec_create(int level);
void wanopt_codec_destroy(struct wanopt_codec *);

/* Adds an item.  Literal bytes become one item with those before, unless
 * 'apart'; they stay the caller's.  Returns false if it does not fit. */
bool wanopt_body_add_ref(struct wanopt_body *, const struct wanopt_name *,
                         size_t ofs, size_t len);
bool wanopt_body_add_literal(struct wanopt_body *, const uint8_t *, size_t,
                             bool apart);

/* Writes the body to the 'size' bytes at 'out'.  Returns its length, or 0 if
 * it does not fit.  '*compressed' says whether literal bytes are. */
size_t wanopt_codec_write(struct wanopt_codec *, const struct wanopt_body *,
                          uint8_t *out, size_t size, bool *compressed);

/* Reads a body of 'n_items' items, which are 'total' bytes together.  Returns
 * false if it is malformed in any way.  Literal bytes are in the 'len' bytes
 * at 'in' or in memory of the codec, which the next call uses again. */
bool wanopt_codec_read(struct wanopt_codec *, const uint8_t *in, size_t len,
                       size_t n_items, size_t total, bool compressed,
                       struct wanopt_body *);

#endif /* wanopt-codec.h */
