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

#ifndef MBOX_STREAM_H
#define MBOX_STREAM_H 1

/* Byte streams below a channel
 * ============================
 *
 * A non-blocking connection over a unix socket, TLS on TCP, or a serial line
 * (mbox-serial.h), without frames or buffers, which mbox-channel.c adds.
 * Internal to lib/.
 *
 * No function here raises SIGPIPE.  Those that fail leave the cause in words
 * in the stream's 'error'. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct mbox_serial;
struct mbox_tls;
struct mbox_tls_ctx;
struct mbox_tls_config;

#define MBOX_STREAM_TEXT_MAX 512

struct mbox_stream {
    int fd;
    bool passes_fds;            /* Unix socket. */
    bool connecting;            /* connect() or handshake is not done. */
    bool connected_tcp;         /* connect() is done. */
    short int wants;            /* POLLIN, POLLOUT that TLS waits for. */
    struct mbox_tls *tls;       /* NULL: none. */
    struct mbox_serial *serial; /* NULL: no serial line. */
    char peer[MBOX_STREAM_TEXT_MAX];
    char error[MBOX_STREAM_TEXT_MAX];
};

/* Initializes 'stream' and starts to connect to 'address' (mbox-channel.h).
 * Returns 0 or a negative errno value, with '*errp' (may be null) as in
 * mbox_channel_connect(). */
int mbox_stream_open(struct mbox_stream *, const char *address,
                     const struct mbox_tls_config *, char **errp);

/* Same, to the address "ssl:HOST:PORT", with a TLS context instead of
 * files. */
int mbox_stream_open_tls(struct mbox_stream *, const char *address,
                         struct mbox_tls_ctx *, char **errp);

/* Initializes 'stream' of the connected socket 'fd', which it takes over.  If
 * 'ctx' is nonnull, it becomes the server's end of a TLS connection. Returns 0
 * or a negative errno value ('fd' is then closed). */
int mbox_stream_from_fd(struct mbox_stream *, int fd, struct mbox_tls_ctx *);

/* Same, of a unix socket to which a guest's serial line leads. */
int mbox_stream_from_serial(struct mbox_stream *, int fd);

/* Sends what TLS sends at the end, if it can do so at once, and closes. */
void mbox_stream_close(struct mbox_stream *);

/* Goes on connecting.  Returns 0 once the stream is open, -EAGAIN if it must
 * wait, or another negative errno value. */
int mbox_stream_connect(struct mbox_stream *);

/* Reads up to 'n' > 0 bytes.  Returns their number, -EAGAIN, -ECONNRESET at
 * the end, or another negative errno value.  There may be more although poll()
 * says otherwise, unless the stream is a plain socket.  '*fdp' receives a
 * descriptor that came with the bytes (the caller owns it), or -1. */
ssize_t mbox_stream_read(struct mbox_stream *, void *, size_t n, int *fdp);

/* Writes up to 'n' > 0 bytes, with descriptor 'fd' (still the caller's) or -1.
 * Returns their number, -EAGAIN, or another negative errno value. */
ssize_t mbox_stream_write(struct mbox_stream *, const void *, size_t n,
                          int fd);

/* Addresses. */

/* A socket address of any family. */
struct mbox_sockaddr {
    struct sockaddr_storage ss;
    socklen_t len;
    int dir_fd;                 /* Must stay open while 'ss' is used, or -1. */
};

/* Makes the address of the unix socket at 'path', which may be longer than a
 * sockaddr_un can hold.  The caller closes 'dir_fd'. Returns 0 or a negative
 * errno value. */
int mbox_sockaddr_from_path(const char *path, struct mbox_sockaddr *);

/* Parses a numeric host (null: any address), as "1.2.3.4", "::1" or "[::1]",
 * and a port number.  Returns 0 or -EINVAL. */
int mbox_sockaddr_from_host(const char *host, const char *port,
                            struct mbox_sockaddr *);

/* Writes "1.2.3.4:80" or "[::1]:80" or "unix". */
void mbox_sockaddr_format(const struct sockaddr_storage *, char *, size_t);

/* Stores a malloc()ed message in '*errp' unless 'errp' is null. */
void mbox_set_error(char **errp, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* mbox-stream.h */
