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

#ifndef MBOX_WIRE_H
#define MBOX_WIRE_H 1

/* Bounded readers and writers of wire formats
 * ===========================================
 *
 * All integers are big-endian.  A reader never reads past its end: the first
 * short read sets 'error' and every later read gives zeros, so that a decoder
 * checks once, at its end.  A writer owns a growing buffer (up to 'limit') and
 * likewise latches -ENOMEM or -EMSGSIZE in 'error'. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mbox_reader {
    const uint8_t *p;
    size_t left;
    int error;                  /* 0 or -EPROTO. */
};

static inline void
mbox_reader_init(struct mbox_reader *r, const void *data, size_t len)
{
    r->p = (const uint8_t *) data;
    r->left = len;
    r->error = 0;
}

/* Returns a pointer to the next 'n' bytes inside the reader's data (borrowed)
 * and skips them; NULL and an error if there are fewer. */
static inline const void *
mbox_get_bytes(struct mbox_reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (n > r->left || r->error) {
        r->error = -EPROTO;
        r->left = 0;
        return NULL;
    }
    if (n) {
        r->p += n;
        r->left -= n;
    }
    return p;
}

static inline uint8_t
mbox_get_u8(struct mbox_reader *r)
{
    const uint8_t *p = (const uint8_t *) mbox_get_bytes(r, 1);

    return p ? p[0] : 0;
}

static inline uint16_t
mbox_get_u16(struct mbox_reader *r)
{
    const uint8_t *p = (const uint8_t *) mbox_get_bytes(r, 2);

    return p ? (uint16_t) (p[0] << 8 | p[1]) : 0;
}

static inline uint32_t
mbox_get_u32(struct mbox_reader *r)
{
    const uint8_t *p = (const uint8_t *) mbox_get_bytes(r, 4);

    return (p
            ? (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
              | (uint32_t) p[2] << 8 | p[3]
            : 0);
}

static inline uint64_t
mbox_get_u64(struct mbox_reader *r)
{
    uint64_t high = mbox_get_u32(r);
    uint64_t low = mbox_get_u32(r);

    return r->error ? 0 : high << 32 | low;
}

/* Copies a string (u16 length, bytes) into 'buf' of 'size', null-terminated.
 * An embedded null byte, or one that does not fit, is an error. */
void mbox_get_string(struct mbox_reader *, char *buf, size_t size);

/* 0 if everything was read without error and nothing is left, otherwise
 * -EPROTO. */
int mbox_reader_finish(const struct mbox_reader *);

struct mbox_writer {
    uint8_t *data;              /* malloc()ed. */
    size_t len;
    size_t allocated;
    size_t limit;
    int error;                  /* 0, -ENOMEM, -EMSGSIZE, or what an encoder
                                 * stored. */
};

#define MBOX_WRITER_LIMIT (16 * 1024 * 1024)

void mbox_writer_init(struct mbox_writer *, size_t limit);
void mbox_writer_uninit(struct mbox_writer *);
void mbox_writer_clear(struct mbox_writer *);   /* Keeps the memory. */
void mbox_put_u8(struct mbox_writer *, uint8_t);
void mbox_put_u16(struct mbox_writer *, uint16_t);
void mbox_put_u32(struct mbox_writer *, uint32_t);
void mbox_put_u64(struct mbox_writer *, uint64_t);
void mbox_put_bytes(struct mbox_writer *, const void *, size_t);
void mbox_put_string(struct mbox_writer *, const char *);

/* Appends 'n' uninitialized bytes and returns their offset in 'data'. */
size_t mbox_put_uninit(struct mbox_writer *, size_t n);

/* Overwrites the big-endian u32 at offset 'ofs'. */
void mbox_poke_u32(struct mbox_writer *, size_t ofs, uint32_t);

#ifdef __cplusplus
}
#endif

#endif /* mbox-wire.h */
