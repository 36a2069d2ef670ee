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

#ifndef MBOX_CHUNK_H
#define MBOX_CHUNK_H 1

/* Chunks of state, of which there are very many
 * =============================================
 *
 * Writing in place
 * ----------------
 *
 * A CHUNK (mbox-msg.h) whose data is written where it will be in the frame:
 *
 *     struct mbox_chunk_writer cw;
 *     mbox_chunk_begin(&cw, w, id, scope, key);
 *     mbox_put_bytes(w, ...);                      (its data)
 *     error = mbox_chunk_end(&cw, w, seq, merge, more_keys, n_more);
 *
 * gives the same frame as mbox_msg_encode() with 'key' followed by
 * 'more_keys', and with the checksum of the data. */

#include "mbox-msg.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mbox_chunk_writer {
    size_t start;               /* Offset of the frame in the writer. */
    size_t data;                /* Offset of its data. */
};

/* Appends the head of a chunk of transfer 'id' to 'w'. */
void mbox_chunk_begin(struct mbox_chunk_writer *, struct mbox_writer *w,
                      uint32_t id, enum mbox_scope, const struct mbox_key *);

/* Bytes of data that were written since. */
static inline size_t
mbox_chunk_data_len(const struct mbox_chunk_writer *cw,
                    const struct mbox_writer *w)
{
    return w->len - cw->data;
}

/* Completes the frame.  Returns 0, or -EMSGSIZE or the latched error of 'w',
 * and then the frame is taken back. */
int mbox_chunk_end(const struct mbox_chunk_writer *, struct mbox_writer *w,
                   uint32_t seq, bool merge,
                   const struct mbox_key *more_keys, size_t n_more);

/* Takes the frame back. */
void mbox_chunk_cancel(const struct mbox_chunk_writer *, struct mbox_writer *);

/* Reading
 * -------
 *
 * If the raw frame of 'len' bytes at 'data' is a valid CHUNK of per-flow
 * state, with one key and without optional fields, as almost all are, decodes
 * it into 'msg' and stores its key.  Stores fields of a CHUNK only: 'msg' was
 * made by mbox_msg_init() for MBOX_MSG_CHUNK, and is used for nothing else.
 * Otherwise returns false: mbox_msg_decode() has to tell what it is. */
bool mbox_chunk_decode_flow(const void *data, size_t len, struct mbox_msg *msg,
                            struct mbox_key *key);

#ifdef __cplusplus
}
#endif

#endif /* mbox-chunk.h */
