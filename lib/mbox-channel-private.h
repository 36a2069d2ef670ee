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

#ifndef MBOX_CHANNEL_PRIVATE_H
#define MBOX_CHANNEL_PRIVATE_H 1

/* A channel, for its own files: mbox-channel.c, with its input, and
 * mbox-channel-output.c; and what listeners need of it.  Internal to lib/. */

#include "mbox-channel.h"
#include "mbox-stream.h"
#include "mbox-wire.h"

/* Buffers that became larger than this are freed once they are empty. */
#define KEEP_SIZE (1024 * 1024)

/* Descriptors that wait for their frames to be received or written. */
#define MAX_IN_FDS 16
#define MAX_OUT_FDS 64

/* A descriptor at a position in a byte stream, counted from its start.
 *
 * A receiver learns only with which read a descriptor came.  The sender
 * therefore writes it with the first byte of its frame, and nothing else than
 * that frame in the same call: then the last byte that was read with it
 * belongs to its frame. */
struct placed_fd {
    uint64_t pos;               /* In: last byte read with it.  Out: first byte
                                 * of the frame. */
    uint64_t end;               /* Out: end of the frame. */
    int fd;
};

struct mbox_channel {
    struct mbox_stream stream;
    int error;                  /* Latched. */
    char *error_text;

    /* Input: frames not yet received are in_buf[in_ofs ... in_len). */
    uint8_t *in_buf;
    size_t in_size;             /* Allocated. */
    size_t in_ofs;
    size_t in_len;
    uint64_t in_total;          /* Bytes read since the start. */
    bool in_more;               /* There may be more to read right now. */
    bool in_done;               /* Nothing will be read any more. */
    struct placed_fd in_fds[MAX_IN_FDS];
    size_t n_in_fds;

    /* Output: out.data[out_ofs ... out.len) is to be written. */
    struct mbox_writer out;
    size_t out_ofs;
    size_t out_limit;
    uint64_t out_total;         /* Bytes written since the start. */
    bool out_blocked;           /* The last write would have blocked. */
    struct placed_fd out_fds[MAX_OUT_FDS];
    size_t n_out_fds;
};

/* Latches 'error' and its cause, unless there is one already. */
void mbox_channel_fail__(struct mbox_channel *, int error,
                         const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Closes 'fd' unless it is negative. */
void mbox_channel_close_fd__(int fd);

/* Forgets what was not written, and closes its descriptors. */
void mbox_channel_drop_output__(struct mbox_channel *);

/* mbox_channel_from_fd(), as the server's end of TLS if 'ctx' is nonnull. */
struct mbox_channel *mbox_channel_from_fd__(int fd, struct mbox_tls_ctx *ctx);

/* Same, of a unix socket to which a guest's serial line leads. */
struct mbox_channel *mbox_channel_from_serial__(int fd);

/* The context of a TLS channel, which has the reference. */
struct mbox_tls_ctx *mbox_channel_tls_ctx__(const struct mbox_channel *);

#endif /* mbox-channel-private.h */
