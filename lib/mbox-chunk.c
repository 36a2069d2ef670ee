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

#include "mbox-chunk.h"

#include <errno.h>
#include <string.h>

/* In a frame: what is before the first key, the number of keys at its end; and
 * what is between the last key and the data: seq, crc, length. */
#define HEAD_LEN (MBOX_MSG_HEADER_LEN + 1 + 4)
#define N_KEYS_OFS (HEAD_LEN - 4)
#define TYPE_OFS 4
#define TAIL_LEN (4 + 4 + 4)

/* Where the data is if there is one key. */
#define DATA_OFS (HEAD_LEN + MBOX_KEY_WIRE_LEN + TAIL_LEN)

/* The optional field "merge". */
#define TLV_MERGE 1

void
mbox_chunk_begin(struct mbox_chunk_writer *cw, struct mbox_writer *w,
                 uint32_t id, enum mbox_scope scope,
                 const struct mbox_key *key)
{
    uint8_t head[HEAD_LEN] = {
        [4] = MBOX_MSG_CHUNK >> 8, MBOX_MSG_CHUNK & 0xff,
        [8] = id >> 24, id >> 16 & 0xff, id >> 8 & 0xff, id & 0xff,
        [12] = scope,
        [16] = 1,               /* Number of keys. */
    };

    cw->start = w->len;
    mbox_put_bytes(w, head, sizeof head);
    mbox_key_encode(key, w);
    mbox_put_uninit(w, TAIL_LEN);
    cw->data = w->len;
}

void
mbox_chunk_cancel(const struct mbox_chunk_writer *cw, struct mbox_writer *w)
{
    w->len = cw->start;
}

/* Inserts keys behind the first, before the 'len' bytes of data. */
static void
insert_keys(const struct mbox_chunk_writer *cw, struct mbox_writer *w,
            size_t len, const struct mbox_key *keys, size_t n)
{
    size_t tail = cw->data - TAIL_LEN;
    size_t size = n * MBOX_KEY_WIRE_LEN;

    mbox_put_uninit(w, size);
    if (w->error) {
        return;
    }
    memmove(w->data + tail + size, w->data + tail, TAIL_LEN + len);
    w->len = tail;
    for (size_t i = 0; i < n; i++) {
        mbox_key_encode(&keys[i], w);
    }
    w->len += TAIL_LEN + len;
    mbox_poke_u32(w, cw->start + N_KEYS_OFS, 1 + n);
}

int
mbox_chunk_end(const struct mbox_chunk_writer *cw, struct mbox_writer *w,
               uint32_t seq, bool merge, const struct mbox_key *more_keys,
               size_t n_more)
{
    size_t data = cw->data + n_more * MBOX_KEY_WIRE_LEN;
    size_t len = mbox_chunk_data_len(cw, w);

    if (n_more && !w->error) {
        insert_keys(cw, w, len, more_keys, n_more);
    }
    if (merge) {
        mbox_put_u16(w, TLV_MERGE);
        mbox_put_u16(w, 1);
        mbox_put_u8(w, 1);
    }

    size_t length = w->len - cw->start - 4;
    int error = w->error ? w->error : length > MBOX_MSG_MAX ? -EMSGSIZE : 0;
    if (error) {
        mbox_chunk_cancel(cw, w);
        return error;
    }
    mbox_poke_u32(w, cw->start, length);
    mbox_poke_u32(w, data - 12, seq);
    mbox_poke_u32(w, data - 8, mbox_msg_crc(w->data + data, len));
    mbox_poke_u32(w, data - 4, len);
    return 0;
}

bool
mbox_chunk_decode_flow(const void *data, size_t len, struct mbox_msg *msg,
                       struct mbox_key *key)
{
    static const uint8_t type_flags[4] = { MBOX_MSG_CHUNK >> 8,
                                           MBOX_MSG_CHUNK & 0xff };
    static const uint8_t scope_1_key[5] = { MBOX_SCOPE_PER_FLOW, [4] = 1 };
    const uint8_t *frame = data;
    struct mbox_reader r;

    if (len < DATA_OFS
        || memcmp(frame + TYPE_OFS, type_flags, sizeof type_flags)
        || memcmp(frame + MBOX_MSG_HEADER_LEN, scope_1_key,
                  sizeof scope_1_key)) {
        return false;
    }

    mbox_reader_init(&r, frame, DATA_OFS);
    uint32_t length = mbox_get_u32(&r);
    mbox_get_bytes(&r, 4);
    uint32_t id = mbox_get_u32(&r);
    mbox_get_bytes(&r, sizeof scope_1_key);
    const uint8_t *key_data = r.p;
    mbox_key_decode(key, &r);
    uint32_t seq = mbox_get_u32(&r);
    uint32_t crc = mbox_get_u32(&r);
    uint32_t data_len = mbox_get_u32(&r);
    if (r.error || length != len - 4 || data_len != len - DATA_OFS
        || length > MBOX_MSG_MAX) {
        return false;
    }

    msg->id = id;
    msg->scope = MBOX_SCOPE_PER_FLOW;
    msg->key_data = key_data;
    msg->n_keys = 1;
    msg->seq = seq;
    msg->crc = crc;
    msg->data = frame + DATA_OFS;
    msg->data_len = data_len;
    return true;
}
