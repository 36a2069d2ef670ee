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

#ifndef MBOX_CHANNEL_H
#define MBOX_CHANNEL_H 1

/* Channels: framed, bounded, non-blocking byte streams
 * ====================================================
 *
 * A channel carries frames (mbox-msg.h) over a unix socket, TCP with TLS 1.3
 * and mutual certificates, or a serial line between a virtual machine and its
 * host (virtio-serial). The coordinator and the agents use the same code.
 *
 * Addresses:
 *
 *     unix:PATH                   both sides
 *     ssl:HOST:PORT               connect (HOST may be [IPv6])
 *     pssl:PORT[:HOST]            listen
 *     serial:PATH                 connect: in the guest, a character device
 *                                 listen: a unix socket to which QEMU connects
 *                                 (mbox-serial.h)
 *
 * A channel belongs to one thread at a time, which does all I/O on it; nothing
 * blocks, except name resolution: HOST must be numeric.  Input and output are
 * bounded: a peer that sends a frame over MBOX_MSG_MAX, or does not read until
 * 'out_limit' bytes wait, gets its channel closed with -EPROTO or -ENOBUFS.  A
 * TCP connection whose other end does not answer for MBOX_TCP_DEAD_MS, because
 * its host is gone, ends with -ETIMEDOUT. */

#include <poll.h>
#include "mbox-msg.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MBOX_TCP_DEAD_MS 30000

struct mbox_channel;
struct mbox_listener;

/* Paths to PEM files.  All three are required for ssl: and pssl:. Copied. */
struct mbox_tls_config {
    const char *private_key;
    const char *certificate;
    const char *ca_cert;        /* What peers' certificates are signed by. */
};

/* Starts to connect to 'address'. On success stores the channel in '*chp' and
 * returns 0; the connection may still be in progress and its failure then
 * shows in mbox_channel_run().  On failure returns a negative errno value and,
 * if 'errp' is nonnull, stores a malloc()ed message that names the file or the
 * address and the cause. */
int mbox_channel_connect(const char *address, const struct mbox_tls_config *,
                         struct mbox_channel **chp, char **errp);

/* Same, to an address "ssl:HOST:PORT", with what the TLS channel 'other' has:
 * key, certificates, CA.  No file is read. */
int mbox_channel_connect_like(const struct mbox_channel *other,
                              const char *address, struct mbox_channel **chp,
                              char **errp);

/* Makes a channel of a connected stream socket (takes ownership of 'fd').  If
 * it is none, the channel has failed from the start. NULL if out of memory. */
struct mbox_channel *mbox_channel_from_fd(int fd);

/* Writes what can be written at once, and closes.  Null is allowed. */
void mbox_channel_close(struct mbox_channel *);

/* Does pending I/O: TLS handshake, flush of output, read of input. Returns 0
 * if the channel is usable (or still connecting), a negative errno value once
 * it is not: -ECONNRESET for an orderly or disorderly end by the peer,
 * -EPROTO, -ENOBUFS, -EACCES (certificate refused).  The error latches.  Input
 * that came before the end can still be received. */
int mbox_channel_run(struct mbox_channel *);

/* What to poll: fills in 'pfd' (fd -1 if nothing).  Do so only after
 * mbox_channel_recv() has returned -EAGAIN: poll() knows nothing of frames
 * that are already buffered here. */
void mbox_channel_wait(const struct mbox_channel *, struct pollfd *pfd);

/* Next whole frame, decoded into 'msg', whose pointers stay valid until the
 * next call on the channel. 'fdp' (may be null) receives a descriptor that
 * came with it, or -1; the caller owns it.  Returns 0, -EAGAIN if there is
 * none now, or a latched error.  '*frame' and '*frame_len' (may be null) get
 * the raw frame, for relaying. */
int mbox_channel_recv(struct mbox_channel *, struct mbox_msg *msg, int *fdp,
                      const void **frame, size_t *frame_len);

/* For looking ahead: the raw frame of '*len' bytes that begins 'ofs' bytes
 * behind the start of the one that mbox_channel_recv() will look at next, if
 * all of it is here already, otherwise null.  'ofs' is the length of all
 * frames before it.  Nothing but its length has been checked.  It stays where
 * it is until after it was received. */
const void *mbox_channel_peek(const struct mbox_channel *, size_t ofs,
                              size_t *len);

/* Receives the frame of 'len' bytes that mbox_channel_peek() has given for
 * offset 0, without decoding it. */
void mbox_channel_skip(struct mbox_channel *, size_t len);

/* Queues a message, and the descriptor 'fd' (-1 for none; taken over, also on
 * failure) with it.  Returns 0, -EOPNOTSUPP if the channel cannot pass
 * descriptors, -EINVAL or -EMSGSIZE if the message cannot be encoded (then
 * nothing is queued), -ENOBUFS if the output limit is exceeded (then nothing
 * is queued and the channel fails), or a latched error.  Output goes out in
 * mbox_channel_run(), at once from mbox_channel_flush(), and as far as it can
 * whenever 64 KiB have gathered. */
int mbox_channel_send(struct mbox_channel *, const struct mbox_msg *,
                      const struct mbox_key *keys, int fd);
int mbox_channel_flush(struct mbox_channel *);

/* Queues one or more whole frames; -EINVAL if they are not.  What the system
 * takes at once is not copied. */
int mbox_channel_send_raw(struct mbox_channel *, const void *frames, size_t);

/* Bytes queued and not yet written, for senders that throttle themselves. */
size_t mbox_channel_backlog(const struct mbox_channel *);

/* Bytes written since the start. */
uint64_t mbox_channel_n_written(const struct mbox_channel *);
void mbox_channel_set_out_limit(struct mbox_channel *, size_t);
#define MBOX_CHANNEL_OUT_LIMIT (64 * 1024 * 1024)

bool mbox_channel_is_connected(const struct mbox_channel *);
bool mbox_channel_can_pass_fd(const struct mbox_channel *);

/* False as long as there is nobody at the other end who could speak: a serial
 * line whose guest has not opened its port. */
bool mbox_channel_has_peer(const struct mbox_channel *);

/* "unix", or the peer's address and certificate subject: for messages. */
const char *mbox_channel_peer(const struct mbox_channel *);

/* The local address of a TCP connection, as "1.2.3.4" or "[::1]"; "" if it is
 * another kind. */
void mbox_channel_local_host(const struct mbox_channel *, char *, size_t);

/* The common name in the certificate of the peer; "" if it has none, or
 * without TLS or before mbox_channel_is_connected(). */
void mbox_channel_peer_name(const struct mbox_channel *, char *, size_t);
bool mbox_channel_is_tls(const struct mbox_channel *);

/* The SHA-256 fingerprint of that certificate, in MBOX_FINGERPRINT_LEN
 * lower-case hexadecimal digits; "" likewise. */
void mbox_channel_peer_fingerprint(const struct mbox_channel *,
                                   char fingerprint[MBOX_FINGERPRINT_LEN + 1]);

/* Why the channel failed, in words (names the file or the peer and the cause);
 * NULL while it is fine. */
const char *mbox_channel_error(const struct mbox_channel *);

/* Listens at 'address'.  A stale unix socket is replaced, and is created with
 * mode 0700; it is unlinked by mbox_listener_close(). Errors as for
 * mbox_channel_connect(). */
int mbox_listener_open(const char *address, const struct mbox_tls_config *,
                       struct mbox_listener **, char **errp);

/* Same, at an address "pssl:...", with what the TLS channel 'other' has, which
 * is not read again. */
int mbox_listener_open_like(const struct mbox_channel *other,
                            const char *address, struct mbox_listener **,
                            char **errp);
void mbox_listener_close(struct mbox_listener *);
void mbox_listener_wait(const struct mbox_listener *, struct pollfd *);

/* Returns a new channel, or NULL if nobody waits.  TLS files that were
 * replaced are read again; as long as they cannot be, what they were is
 * used. */
struct mbox_channel *mbox_listener_accept(struct mbox_listener *);

/* Why TLS files that were replaced could not be read when the last connection
 * was accepted (names the file and the cause); NULL if there is no such
 * file. */
const char *mbox_listener_tls_error(const struct mbox_listener *);

/* The port number of a pssl: listener (opened with port 0, the one that the
 * system chose); 0 for a unix socket. */
unsigned int mbox_listener_port(const struct mbox_listener *);

#ifdef __cplusplus
}
#endif

#endif /* mbox-channel.h */
