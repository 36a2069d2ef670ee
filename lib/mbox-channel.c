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

#include "mbox-channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mbox-channel-private.h"
#include "mbox-serial.h"
#include "mbox-tls.h"

/* Input is read in pieces of up to this size. */
#define IN_MIN_SIZE (256 * 1024)
#define IN_MAX_SIZE (MBOX_MSG_MAX + 4)

void
mbox_channel_fail__(struct mbox_channel *ch, int error,
                    const char *format, ...)
{
    char cause[MBOX_STREAM_TEXT_MAX];
    va_list args;

    if (!ch->error) {
        va_start(args, format);
        vsnprintf(cause, sizeof cause, format, args);
        va_end(args);
        ch->error = error;
        mbox_set_error(&ch->error_text, "%s: %s", ch->stream.peer, cause);
    }
}

/* After a violation of the protocol, nothing more is believed. */
static void
channel_fail_input(struct mbox_channel *ch, int error, const char *cause)
{
    mbox_channel_fail__(ch, error, "%s", cause);
    ch->in_done = true;
    ch->in_ofs = ch->in_len;
}

void
mbox_channel_close_fd__(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static struct mbox_channel *
channel_create(void)
{
    struct mbox_channel *ch = calloc(1, sizeof *ch);

    if (ch) {
        ch->stream.fd = -1;
        ch->out_limit = MBOX_CHANNEL_OUT_LIMIT;
        mbox_writer_init(&ch->out, SIZE_MAX);
    }
    return ch;
}

/* Connects with the context 'ctx' or, if it is null, the files of 'config'. */
static int
channel_connect(const char *address, const struct mbox_tls_config *config,
                struct mbox_tls_ctx *ctx, struct mbox_channel **chp,
                char **errp)
{
    struct mbox_channel *ch = channel_create();
    int error;

    *chp = NULL;
    if (!ch) {
        mbox_set_error(errp, "%s: %s", address, strerror(ENOMEM));
        return -ENOMEM;
    }
    error = (ctx
             ? mbox_stream_open_tls(&ch->stream, address, ctx, errp)
             : mbox_stream_open(&ch->stream, address, config, errp));
    if (error) {
        mbox_channel_close(ch);
        return error;
    }
    *chp = ch;
    return 0;
}

int
mbox_channel_connect(const char *address, const struct mbox_tls_config *config,
                     struct mbox_channel **chp, char **errp)
{
    return channel_connect(address, config, NULL, chp, errp);
}

int
mbox_channel_connect_like(const struct mbox_channel *other,
                          const char *address, struct mbox_channel **chp,
                          char **errp)
{
    return channel_connect(address, NULL, mbox_channel_tls_ctx__(other), chp,
                           errp);
}

struct mbox_tls_ctx *
mbox_channel_tls_ctx__(const struct mbox_channel *ch)
{
    return mbox_tls_get_ctx(ch->stream.tls);
}

struct mbox_channel *
mbox_channel_from_fd(int fd)
{
    return mbox_channel_from_fd__(fd, NULL);
}

static struct mbox_channel *
channel_from_fd(int fd, struct mbox_tls_ctx *ctx, bool serial)
{
    struct mbox_channel *ch = channel_create();

    if (!ch) {
        close(fd);
        return NULL;
    }

    int error = (serial ? mbox_stream_from_serial(&ch->stream, fd)
                 : mbox_stream_from_fd(&ch->stream, fd, ctx));
    if (error) {
        channel_fail_input(ch, error, strerror(-error));
    }
    return ch;
}

struct mbox_channel *
mbox_channel_from_fd__(int fd, struct mbox_tls_ctx *ctx)
{
    return channel_from_fd(fd, ctx, false);
}

struct mbox_channel *
mbox_channel_from_serial__(int fd)
{
    return channel_from_fd(fd, NULL, true);
}

/* Input. */

/* Length of the whole frame at the head of the input, 0 if there is none,
 * -EPROTO. */
static int
head_length(const struct mbox_channel *ch)
{
    return (ch->in_ofs == ch->in_len ? 0
            : mbox_msg_frame_length(ch->in_buf + ch->in_ofs,
                                    ch->in_len - ch->in_ofs));
}

/* Gives the input buffer free space at its end, of which there is none.  Call
 * only if there is no whole frame in it.  Returns false if memory is short. */
static bool
make_room(struct mbox_channel *ch)
{
    size_t n = ch->in_len - ch->in_ofs;

    if (ch->in_ofs) {
        memmove(ch->in_buf, ch->in_buf + ch->in_ofs, n);
        ch->in_ofs = 0;
        ch->in_len = n;
        return true;
    }

    size_t size = ch->in_size ? ch->in_size * 2 : IN_MIN_SIZE;
    if (size > IN_MAX_SIZE) {
        size = IN_MAX_SIZE;
    }
    uint8_t *buf = realloc(ch->in_buf, size);
    if (!buf) {
        channel_fail_input(ch, -ENOBUFS, "out of memory for input");
        return false;
    }
    ch->in_buf = buf;
    ch->in_size = size;
    return true;
}

/* Once everything was received, starts at the front of the buffer again. */
static void
rewind_input(struct mbox_channel *ch)
{
    ch->in_ofs = ch->in_len = 0;
    if (ch->in_size > KEEP_SIZE) {
        free(ch->in_buf);
        ch->in_buf = NULL;
        ch->in_size = 0;
    }
}

/* Decides whether to read on.  Does not if a frame can be received first and
 * there is no room for more. */
static bool
may_read(struct mbox_channel *ch)
{
    if (ch->in_done || ch->stream.connecting) {
        return false;
    }
    if (ch->in_ofs == ch->in_len) {
        rewind_input(ch);
    }
    if (ch->in_len < ch->in_size && ch->n_in_fds < MAX_IN_FDS) {
        return true;
    }

    int length = head_length(ch);
    if (length > 0) {
        return false;
    } else if (length < 0) {
        channel_fail_input(ch, -EPROTO, "sent a frame of impossible length");
        return false;
    } else if (ch->n_in_fds >= MAX_IN_FDS) {
        channel_fail_input(ch, -EPROTO, "sent too many file descriptors");
        return false;
    }
    return make_room(ch);
}

/* Reads until there is nothing more to read or the buffer is full. */
static void
fill_input(struct mbox_channel *ch)
{
    ch->in_more = false;
    while (may_read(ch)) {
        size_t space = ch->in_size - ch->in_len;
        int fd;
        ssize_t n = mbox_stream_read(&ch->stream, ch->in_buf + ch->in_len,
                                     space, &fd);

        if (n == -EAGAIN) {
            return;
        } else if (n < 0) {
            mbox_channel_fail__(ch, n, "%s", ch->stream.error);
            ch->in_done = true;
            return;
        }
        ch->in_len += n;
        ch->in_total += n;
        if (fd >= 0) {
            struct placed_fd *placed = &ch->in_fds[ch->n_in_fds++];

            placed->pos = ch->in_total - 1;
            placed->fd = fd;
        } else if ((size_t) n < space && !ch->stream.tls
                   && !ch->stream.serial) {
            return;             /* poll() tells if there is more. */
        }
    }
    ch->in_more = !ch->in_done && !ch->stream.connecting;
}

/* Takes the first descriptor of those that came with bytes before position
 * 'end' of the stream, and closes the others.  Returns it, or -1. */
static int
take_in_fd(struct mbox_channel *ch, uint64_t end)
{
    size_t n = 0;
    int fd = -1;

    while (n < ch->n_in_fds && ch->in_fds[n].pos < end) {
        if (!n) {
            fd = ch->in_fds[n].fd;
        } else {
            close(ch->in_fds[n].fd);
        }
        n++;
    }
    if (n) {
        ch->n_in_fds -= n;
        memmove(ch->in_fds, ch->in_fds + n,
                ch->n_in_fds * sizeof ch->in_fds[0]);
    }
    return fd;
}

/* Takes the whole frame of 'len' bytes off the head of the input.  Returns the
 * descriptor that came with it, or -1. */
static int
take_frame(struct mbox_channel *ch, size_t len)
{
    ch->in_ofs += len;
    return take_in_fd(ch, ch->in_total - (ch->in_len - ch->in_ofs));
}

void
mbox_channel_skip(struct mbox_channel *ch, size_t len)
{
    mbox_channel_close_fd__(take_frame(ch, len));
}

/* Takes the whole frame of 'len' bytes off the head of the input and decodes
 * it.  Returns 0, -EAGAIN if it is to be skipped, or another error. */
static int
receive_frame(struct mbox_channel *ch, size_t len, struct mbox_msg *msg,
              int *fdp, const void **frame)
{
    *frame = ch->in_buf + ch->in_ofs;

    int fd = take_frame(ch, len);
    int error = mbox_msg_decode(*frame, len, msg);
    if (!error && fdp) {
        *fdp = fd;
    } else {
        mbox_channel_close_fd__(fd);
    }

    if (error && error != -EAGAIN) {
        char cause[128];
        const char *name = mbox_msg_type_to_string(msg->type);

        if (error == -EOPNOTSUPP) {
            snprintf(cause, sizeof cause, "sent a message of unknown type %d",
                     msg->type);
        } else {
            snprintf(cause, sizeof cause, "sent a malformed message (%s)",
                     name ? name : "type unknown");
        }
        error = -EPROTO;
        channel_fail_input(ch, error, cause);
    }
    return error;
}

int
mbox_channel_recv(struct mbox_channel *ch, struct mbox_msg *msg, int *fdp,
                  const void **framep, size_t *frame_len)
{
    if (fdp) {
        *fdp = -1;
    }
    for (;;) {
        int length = head_length(ch);

        if (length > 0) {
            const void *frame;
            int error = receive_frame(ch, length, msg, fdp, &frame);

            if (error == -EAGAIN) {
                continue;
            } else if (error) {
                return ch->error;
            }
            if (framep) {
                *framep = frame;
            }
            if (frame_len) {
                *frame_len = length;
            }
            return 0;
        } else if (length < 0) {
            channel_fail_input(ch, -EPROTO,
                               "sent a frame of impossible length");
            return ch->error;
        }

        /* After an error of output, the peer's last words may still wait. */
        uint64_t before = ch->in_total;
        if (ch->in_more || ch->error) {
            fill_input(ch);
        }
        if (ch->in_total == before) {
            return ch->error ? ch->error : -EAGAIN;
        }
    }
}

const void *
mbox_channel_peek(const struct mbox_channel *ch, size_t ofs, size_t *len)
{
    size_t left = ch->in_len - ch->in_ofs;
    const uint8_t *frame = ch->in_buf + ch->in_ofs + ofs;
    int length = ofs < left ? mbox_msg_frame_length(frame, left - ofs) : 0;

    *len = length > 0 ? length : 0;
    return length > 0 ? frame : NULL;
}

/* The rest. */

void
mbox_channel_close(struct mbox_channel *ch)
{
    if (!ch) {
        return;
    }
    if (ch->stream.fd >= 0) {
        mbox_channel_flush(ch);
    }
    mbox_stream_close(&ch->stream);
    mbox_channel_drop_output__(ch);
    mbox_channel_close_fd__(take_in_fd(ch, UINT64_MAX));
    free(ch->in_buf);
    free(ch->error_text);
    free(ch);
}

int
mbox_channel_run(struct mbox_channel *ch)
{
    if (!ch->error && ch->stream.connecting) {
        int error = mbox_stream_connect(&ch->stream);

        if (error == -EAGAIN) {
            return 0;
        } else if (error) {
            channel_fail_input(ch, error, ch->stream.error);
        }
    }
    if (!ch->error) {
        mbox_channel_flush(ch);
    }
    fill_input(ch);
    return ch->error;
}

void
mbox_channel_wait(const struct mbox_channel *ch, struct pollfd *pfd)
{
    memset(pfd, 0, sizeof *pfd);
    pfd->fd = ch->error ? -1 : ch->stream.fd;
    pfd->events = ch->stream.wants;
    if (!ch->stream.connecting) {
        pfd->events |= POLLIN;
        if (mbox_channel_backlog(ch)) {
            pfd->events |= POLLOUT;
        }
    }
}

bool
mbox_channel_is_connected(const struct mbox_channel *ch)
{
    return !ch->error && !ch->stream.connecting;
}

bool
mbox_channel_can_pass_fd(const struct mbox_channel *ch)
{
    return ch->stream.passes_fds;
}

bool
mbox_channel_has_peer(const struct mbox_channel *ch)
{
    return !ch->stream.serial || mbox_serial_has_started(ch->stream.serial);
}

const char *
mbox_channel_peer(const struct mbox_channel *ch)
{
    return ch->stream.peer;
}

void
mbox_channel_local_host(const struct mbox_channel *ch, char *buf, size_t size)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    char host[INET6_ADDRSTRLEN];

    buf[0] = '\0';
    memset(&ss, 0, sizeof ss);
    if (!mbox_channel_is_tls(ch)
        || getsockname(ch->stream.fd, (struct sockaddr *) &ss, &len) < 0) {
        return;
    }
    if (ss.ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) &ss;

        inet_ntop(AF_INET, &sin->sin_addr, host, sizeof host);
        snprintf(buf, size, "%s", host);
    } else if (ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) &ss;

        inet_ntop(AF_INET6, &sin6->sin6_addr, host, sizeof host);
        snprintf(buf, size, "[%s]", host);
    }
}

void
mbox_channel_peer_name(const struct mbox_channel *ch, char *buf, size_t size)
{
    if (ch->stream.tls && !ch->stream.connecting) {
        mbox_tls_peer_name(ch->stream.tls, buf, size);
    } else {
        buf[0] = '\0';
    }
}

void
mbox_channel_peer_fingerprint(const struct mbox_channel *ch,
                              char fingerprint[MBOX_FINGERPRINT_LEN + 1])
{
    if (ch->stream.tls && !ch->stream.connecting) {
        mbox_tls_peer_fingerprint(ch->stream.tls, fingerprint,
                                  MBOX_FINGERPRINT_LEN + 1);
    } else {
        fingerprint[0] = '\0';
    }
}

bool
mbox_channel_is_tls(const struct mbox_channel *ch)
{
    return ch->stream.tls != NULL;
}

const char *
mbox_channel_error(const struct mbox_channel *ch)
{
    if (!ch->error) {
        return NULL;
    }
    return ch->error_text ? ch->error_text : strerror(-ch->error);
}
