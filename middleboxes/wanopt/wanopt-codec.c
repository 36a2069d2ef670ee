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

#include <config.h>
#include "wanopt-codec.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "bytes.h"
#include "wanopt-chunk.h"

struct wanopt_codec {
    int level;
    ZSTD_CCtx *cctx;
    ZSTD_DCtx *dctx;
    uint8_t literals[WANOPT_MAX_PAYLOAD];
};

struct wanopt_codec *
wanopt_codec_create(int level)
{
    struct wanopt_codec *codec = malloc(sizeof *codec);

    if (!codec) {
        abort();
    }
    codec->level = level;
    codec->cctx = ZSTD_createCCtx();
    codec->dctx = ZSTD_createDCtx();
    if (!codec->cctx || !codec->dctx) {
        abort();
    }
    return codec;
}

void
wanopt_codec_destroy(struct wanopt_codec *codec)
{
    if (codec) {
        ZSTD_freeCCtx(codec->cctx);
        ZSTD_freeDCtx(codec->dctx);
        free(codec);
    }
}

static bool
has_room(const struct wanopt_body *body, size_t len)
{
    return len && len <= WANOPT_MAX_PAYLOAD - body->len;
}

bool
wanopt_body_add_ref(struct wanopt_body *body, const struct wanopt_name *name,
                    size_t ofs, size_t len)
{
    if (body->n_items == WANOPT_MAX_ITEMS || !has_room(body, len)
        || ofs + len > WANOPT_CHUNK_MAX) {
        return false;
    }
    body->items[body->n_items++] = (struct wanopt_item) {
        .is_ref = true, .len = len, .ofs = ofs, .name = *name,
    };
    body->len += len;
    return true;
}

bool
wanopt_body_add_literal(struct wanopt_body *body, const uint8_t *data,
                        size_t len, bool apart)
{
    struct wanopt_item *last
        = body->n_items ? &body->items[body->n_items - 1] : NULL;

    if (!has_room(body, len)) {
        return false;
    }
    if (!apart && last && !last->is_ref && last->data + last->len == data) {
        last->len += len;
    } else if (body->n_items == WANOPT_MAX_ITEMS) {
        return false;
    } else {
        body->items[body->n_items++] = (struct wanopt_item) {
            .len = len, .data = data,
        };
    }
    body->len += len;
    return true;
}

/* Writes the literal bytes of 'body', all behind each other, or compressed if
 * that is shorter.  Returns their length. */
static size_t
write_literals(struct wanopt_codec *codec, const struct wanopt_body *body,
               uint8_t *out, size_t size, bool *compressed)
{
    size_t len = 0;

    for (size_t i = 0; i < body->n_items; i++) {
        const struct wanopt_item *item = &body->items[i];

        if (!item->is_ref) {
            memcpy(codec->literals + len, item->data, item->len);
            len += item->len;
        }
    }

    *compressed = false;
    if (len && codec->level) {
        size_t room = size < len ? size : len - 1;
        size_t n = ZSTD_compressCCtx(codec->cctx, out, room, codec->literals,
                                     len, codec->level);

        /* What fails does so because it would be longer. */
        if (!ZSTD_isError(n)) {
            *compressed = true;
            return n;
        }
    }
    if (len <= size) {
        memcpy(out, codec->literals, len);
    }
    return len;
}

size_t
wanopt_codec_write(struct wanopt_codec *codec, const struct wanopt_body *body,
                   uint8_t *out, size_t size, bool *compressed)
{
    size_t ofs = 0;

    for (size_t i = 0; i < body->n_items; i++) {
        const struct wanopt_item *item = &body->items[i];
        size_t len = item->is_ref ? WANOPT_REF_LEN : 2;

        if (len > size - ofs) {
            return 0;
        }
        put_be16(out + ofs, item->len | (item->is_ref ? WANOPT_REF : 0));
        if (item->is_ref) {
            put_be16(out + ofs + 2, item->ofs);
            memcpy(out + ofs + 4, &item->name, sizeof item->name);
        }
        ofs += len;
    }

    size_t n = write_literals(codec, body, out + ofs, size - ofs, compressed);
    return n <= size - ofs ? ofs + n : 0;
}

/* Finds the 'total' literal bytes.  Returns NULL if they are not that. */
static const uint8_t *
read_literals(struct wanopt_codec *codec, const uint8_t *in, size_t len,
              size_t total, bool compressed)
{
    if (!compressed) {
        return len == total ? in : NULL;
    }

    if (ZSTD_findFrameCompressedSize(in, len) != len) {
        return NULL;            /* Not one frame. */
    }

    size_t n = ZSTD_decompressDCtx(codec->dctx, codec->literals, total, in,
                                   len);
    return !ZSTD_isError(n) && n == total ? codec->literals : NULL;
}

bool
wanopt_codec_read(struct wanopt_codec *codec, const uint8_t *in, size_t len,
                  size_t n_items, size_t total, bool compressed,
                  struct wanopt_body *body)
{
    size_t n_literal = 0;

    body->n_items = body->len = 0;
    if (total > WANOPT_MAX_PAYLOAD || n_items > WANOPT_MAX_ITEMS) {
        return false;
    }
    for (size_t i = 0; i < n_items; i++) {
        struct wanopt_item *item = &body->items[i];
        uint16_t token = len >= 2 ? get_be16(in) : 0;

        *item = (struct wanopt_item) {
            .is_ref = (token & WANOPT_REF) != 0,
            .len = token & ~WANOPT_REF,
        };

        size_t item_len = item->is_ref ? WANOPT_REF_LEN : 2;
        if (len < item_len || !has_room(body, item->len)) {
            return false;
        }
        if (item->is_ref) {
            item->ofs = get_be16(in + 2);
            memcpy(&item->name, in + 4, sizeof item->name);
            if (item->ofs + item->len > WANOPT_CHUNK_MAX) {
                return false;
            }
        } else {
            n_literal += item->len;
        }
        body->n_items++;
        body->len += item->len;
        in += item_len;
        len -= item_len;
    }
    if (body->len != total) {
        return false;
    }

    const uint8_t *literals = read_literals(codec, in, len, n_literal,
                                            compressed);
    if (!literals) {
        return false;
    }
    for (size_t i = 0; i < n_items; i++) {
        struct wanopt_item *item = &body->items[i];

        if (!item->is_ref) {
            item->data = literals;
            literals += item->len;
        }
    }
    return true;
}
