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

void mbox_reader_init(struct mbox_reader *, const void *data, size_t len);
uint8_t mbox_get_u8(struct mbox_reader *);
uint16_t mbox_get_u16(struct mbox_reader *);
uint32_t mbox_get_u32(struct mbox_reader *);
uint64_t mbox_get_u64(struct mbox_reader *);

/* Returns a pointer to the next 'n' bytes inside the reader's data (borrowed)
 * and skips them; NULL and an error if there are fewer. */
const void *mbox_get_bytes(struct mbox_reader *, size_t n);

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
