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

#include "mbox-channel-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Output goes out when this much waits, without mbox_channel_run(). */
#define OUT_FLUSH (64 * 1024)

static void
pop_out_fd(struct mbox_channel *ch)
{
    close(ch->out_fds[0].fd);
    ch->n_out_fds--;
    memmove(ch->out_fds, ch->out_fds + 1,
            ch->n_out_fds * sizeof ch->out_fds[0]);
}

/* Once everything is written, starts at the front of the buffer again. */
static void
rewind_output(struct mbox_channel *ch)
{
    ch->out_ofs = 0;
    if (ch->out.allocated > KEEP_SIZE) {
        mbox_writer_uninit(&ch->out);
    } else {
        mbox_writer_clear(&ch->out);
    }
}

/* Writes what can be written now. */
static void
flush_output(struct mbox_channel *ch)
{
    while (ch->out_ofs < ch->out.len && !ch->error) {
        size_t n = ch->out.len - ch->out_ofs;
        int fd = -1;

        if (ch->n_out_fds) {
            const struct placed_fd *next = &ch->out_fds[0];
            uint64_t end = next->pos;

            if (next->pos == ch->out_total) {
                fd = next->fd;
                end = next->end;
            }
            if (n > end - ch->out_total) {
                n = end - ch->out_total;
            }
        }

        ssize_t retval = mbox_stream_write(&ch->stream,
                                           ch->out.data + ch->out_ofs, n, fd);
        if (retval < 0) {
            ch->out_blocked = retval == -EAGAIN;
            if (retval != -EAGAIN) {
                mbox_channel_fail__(ch, retval, "%s", ch->stream.error);
            }
            return;
        }
        if (fd >= 0) {
            pop_out_fd(ch);
        }
        ch->out_ofs += retval;
        ch->out_total += retval;
    }
    if (ch->out_ofs == ch->out.len) {
        ch->out_blocked = false;
        rewind_output(ch);
    }
}

int
mbox_channel_flush(struct mbox_channel *ch)
{
    if (!ch->stream.connecting) {
        flush_output(ch);
    }
    return ch->error;
}

/* Prepares 'out' for another frame: takes what was written out of the buffer,
 * if that is worth it. */
static void
compact_output(struct mbox_channel *ch)
{
    if (ch->out_ofs >= OUT_FLUSH && ch->out_ofs >= ch->out.len / 2) {
        ch->out.len -= ch->out_ofs;
        memmove(ch->out.data, ch->out.data + ch->out_ofs, ch->out.len);
        ch->out_ofs = 0;
    }
}

/* Finishes what was appended to 'out' from offset 'start' on: checks limits,
 * takes over 'fd', and writes if enough has gathered. */
static int
commit_output(struct mbox_channel *ch, size_t start, int fd)
{
    if (mbox_channel_backlog(ch) > ch->out_limit
        || (fd >= 0 && ch->n_out_fds >= MAX_OUT_FDS)) {
        ch->out.len = start;
        mbox_channel_close_fd__(fd);
        mbox_channel_fail__(ch, -ENOBUFS, "does not read: %zu bytes wait",
                            mbox_channel_backlog(ch));
        return ch->error;
    }
    if (fd >= 0) {
        struct placed_fd *placed = &ch->out_fds[ch->n_out_fds++];

        placed->pos = ch->out_total + (start - ch->out_ofs);
        placed->end = placed->pos + (ch->out.len - start);
        placed->fd = fd;
    }
    if (mbox_channel_backlog(ch) >= OUT_FLUSH && !ch->out_blocked) {
        mbox_channel_flush(ch);
    }
    return ch->error;
}

int
mbox_channel_send(struct mbox_channel *ch, const struct mbox_msg *msg,
                  const struct mbox_key *keys, int fd)
{
    int error = ch->error;

    if (!error && fd >= 0 && !ch->stream.passes_fds) {
        error = -EOPNOTSUPP;
    }
    if (error) {
        mbox_channel_close_fd__(fd);
        return error;
    }

    compact_output(ch);
    size_t start = ch->out.len;
    mbox_msg_encode(msg, keys, &ch->out);
    error = ch->out.error;
    if (error) {
        ch->out.error = 0;
        mbox_channel_close_fd__(fd);
        return error;
    }
    return commit_output(ch, start, fd);
}

/* True if the 'len' bytes at 'frames' are one or more whole frames. */
static bool
are_frames(const uint8_t *frames, size_t len)
{
    do {
        int n = mbox_msg_frame_length(frames, len);

        if (n <= 0) {
            return false;
        }
        frames += n;
        len -= n;
    } while (len);
    return true;
}

int
mbox_channel_send_raw(struct mbox_channel *ch, const void *frames, size_t len)
{
    if (ch->error) {
        return ch->error;
    }
    if (!are_frames(frames, len)) {
        return -EINVAL;
    }

    /* What can be written at once need not be copied. */
    size_t done = 0;
    if (len >= OUT_FLUSH && !mbox_channel_backlog(ch)
        && !ch->stream.connecting) {
        ssize_t n = mbox_stream_write(&ch->stream, frames, len, -1);

        if (n < 0 && n != -EAGAIN) {
            mbox_channel_fail__(ch, n, "%s", ch->stream.error);
            return ch->error;
        }
        if (n > 0) {
            done = n;
            ch->out_total += n;
        }
        ch->out_blocked = done < len;
    }
    if (done == len) {
        return 0;
    }

    compact_output(ch);
    size_t start = ch->out.len;
    mbox_put_bytes(&ch->out, (const uint8_t *) frames + done, len - done);
    int error = ch->out.error;
    if (error) {
        ch->out.error = 0;
        if (done) {
            mbox_channel_fail__(ch, error, "%s", strerror(-error));
        }
        return error;
    }
    return commit_output(ch, start, -1);
}

size_t
mbox_channel_backlog(const struct mbox_channel *ch)
{
    return ch->out.len - ch->out_ofs;
}

uint64_t
mbox_channel_n_written(const struct mbox_channel *ch)
{
    return ch->out_total;
}

void
mbox_channel_set_out_limit(struct mbox_channel *ch, size_t limit)
{
    ch->out_limit = limit;
}

void
mbox_channel_drop_output__(struct mbox_channel *ch)
{
    while (ch->n_out_fds) {
        pop_out_fd(ch);
    }
    mbox_writer_uninit(&ch->out);
}
