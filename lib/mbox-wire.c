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

#include "mbox-wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* First allocation of a writer. */
#define WRITER_MIN_ALLOC 512

void
mbox_get_string(struct mbox_reader *r, char *buf, size_t size)
{
    size_t n = mbox_get_u16(r);
    const void *p = mbox_get_bytes(r, n);

    if (!p || n >= size || memchr(p, '\0', n)) {
        r->error = -EPROTO;
        r->left = 0;
        if (size) {
            buf[0] = '\0';
        }
        return;
    }
    memcpy(buf, p, n);
    buf[n] = '\0';
}

int
mbox_reader_finish(const struct mbox_reader *r)
{
    return r->error || r->left ? -EPROTO : 0;
}

void
mbox_writer_init(struct mbox_writer *w, size_t limit)
{
    w->data = NULL;
    w->len = 0;
    w->allocated = 0;
    w->limit = limit;
    w->error = 0;
}

void
mbox_writer_uninit(struct mbox_writer *w)
{
    if (w) {
        free(w->data);
        mbox_writer_init(w, w->limit);
    }
}

void
mbox_writer_clear(struct mbox_writer *w)
{
    w->len = 0;
    w->error = 0;
}

/* Makes room for 'n' more bytes, of which there is none.  Returns false, and
 * latches the error, if that is not possible. */
static bool
writer_grow(struct mbox_writer *w, size_t n)
{
    if (w->error) {
        return false;
    }
    if (w->len > w->limit || n > w->limit - w->len) {
        w->error = -EMSGSIZE;
        return false;
    }

    size_t need = w->len + n;
    size_t size = w->allocated ? w->allocated : WRITER_MIN_ALLOC;
    while (size < need) {
        size = size > w->limit / 2 ? w->limit : size * 2;
    }
    if (size > w->limit) {
        size = w->limit;
    }

    uint8_t *data = realloc(w->data, size);
    if (!data) {
        w->error = -ENOMEM;
        return false;
    }
    w->data = data;
    w->allocated = size;
    return true;
}

/* Makes sure that there is room for 'n' more bytes.  'allocated' is never more
 * than 'limit'. */
static inline bool
writer_reserve(struct mbox_writer *w, size_t n)
{
    return ((n <= w->allocated - w->len && !w->error)
            || writer_grow(w, n));
}

size_t
mbox_put_uninit(struct mbox_writer *w, size_t n)
{
    size_t ofs = w->len;

    if (writer_reserve(w, n)) {
        w->len += n;
    }
    return ofs;
}

void
mbox_put_bytes(struct mbox_writer *w, const void *data, size_t n)
{
    if (n && writer_reserve(w, n)) {
        memcpy(w->data + w->len, data, n);
        w->len += n;
    }
}

void
mbox_put_u8(struct mbox_writer *w, uint8_t value)
{
    mbox_put_bytes(w, &value, sizeof value);
}

void
mbox_put_u16(struct mbox_writer *w, uint16_t value)
{
    uint8_t b[2] = { value >> 8, value & 0xff };

    mbox_put_bytes(w, b, sizeof b);
}

void
mbox_put_u32(struct mbox_writer *w, uint32_t value)
{
    uint8_t b[4] = { value >> 24, value >> 16 & 0xff, value >> 8 & 0xff,
                     value & 0xff };

    mbox_put_bytes(w, b, sizeof b);
}

void
mbox_put_u64(struct mbox_writer *w, uint64_t value)
{
    mbox_put_u32(w, value >> 32);
    mbox_put_u32(w, value & UINT32_MAX);
}

void
mbox_put_string(struct mbox_writer *w, const char *s)
{
    size_t n = strlen(s);

    if (n > UINT16_MAX) {
        if (!w->error) {
            w->error = -EMSGSIZE;
        }
        return;
    }
    mbox_put_u16(w, n);
    mbox_put_bytes(w, s, n);
}

void
mbox_poke_u32(struct mbox_writer *w, size_t ofs, uint32_t value)
{
    if (w->len >= 4 && ofs <= w->len - 4) {
        w->data[ofs] = value >> 24;
        w->data[ofs + 1] = value >> 16 & 0xff;
        w->data[ofs + 2] = value >> 8 & 0xff;
        w->data[ofs + 3] = value & 0xff;
    }
}
