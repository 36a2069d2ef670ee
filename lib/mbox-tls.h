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

#ifndef MBOX_TLS_H
#define MBOX_TLS_H 1

/* TLS 1.3 with mutual certificates, on a connected non-blocking socket.
 * Internal to lib/.
 *
 * A context may be shared by threads, a connection belongs to one at a time.
 * OpenSSL's error queue of the calling thread is left empty. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mbox_tls;
struct mbox_tls_ctx;
struct mbox_tls_config;

/* Reads the files of 'config'.  On success stores a context in '*ctxp' and
 * returns 0, otherwise returns a negative errno value and stores in '*errp'
 * (if nonnull) a malloc()ed message that names the file and the cause. */
int mbox_tls_ctx_create(const struct mbox_tls_config *config,
                        struct mbox_tls_ctx **ctxp, char **errp);
struct mbox_tls_ctx *mbox_tls_ctx_ref(struct mbox_tls_ctx *);

/* The context of a connection, which has the reference. */
struct mbox_tls_ctx *mbox_tls_get_ctx(const struct mbox_tls *);
void mbox_tls_ctx_unref(struct mbox_tls_ctx *);

/* A connection on 'fd', which stays the caller's.  Takes a reference to 'ctx'.
 * NULL if out of memory. */
struct mbox_tls *mbox_tls_create(struct mbox_tls_ctx *ctx, int fd,
                                 bool server);

/* Tells the peer about the end if that is possible at once. */
void mbox_tls_destroy(struct mbox_tls *);

/* These return a result >= 0, -EAGAIN with what to poll for in '*wants', or
 * another negative errno value with the cause in 'why': -EACCES if a
 * certificate was refused, -ECONNRESET at the end of the connection, -EPROTO.
 */
int mbox_tls_handshake(struct mbox_tls *, short int *wants,
                       char *why, size_t size);
ssize_t mbox_tls_read(struct mbox_tls *, void *, size_t n, short int *wants,
                      char *why, size_t size);
ssize_t mbox_tls_write(struct mbox_tls *, const void *, size_t n,
                       short int *wants, char *why, size_t size);

/* The subject of the peer's certificate, printable; "" if there is none. */
void mbox_tls_peer_subject(const struct mbox_tls *, char *buf, size_t size);

/* The common name in the peer's certificate; "" if there is none, or if it
 * does not fit or has a null character. */
void mbox_tls_peer_name(const struct mbox_tls *, char *buf, size_t size);

/* The SHA-256 fingerprint of the peer's certificate in lower-case hexadecimal
 * digits; "" if there is none or if it does not fit. */
void mbox_tls_peer_fingerprint(const struct mbox_tls *, char *buf,
                               size_t size);

#endif /* mbox-tls.h */
