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

#ifndef MBOX_TLS_TEST_H
#define MBOX_TLS_TEST_H 1

/* Certificates, and channels over TLS on the loopback interface, for tests. */

#include "mbox-channel.h"

#include "test-certs.h"

/* The files, in 'tls_dir'. */
enum { CA, KEY, CERT, KEY2, CERT2, OTHER_CA, OTHER_KEY, OTHER_CERT, OLD_KEY,
       OLD_CERT, EARLY_KEY, EARLY_CERT, GARBAGE, LOCKED_KEY, MISSING,
       N_FILES };
extern char tls_dir[64];
extern char tls_files[N_FILES][100];

/* Certificates "one" and "two" of the same CA. */
extern const struct mbox_tls_config tls_good, tls_good2;

/* For cmocka: makes them, and removes them. */
int tls_make_files(void **state);
int tls_remove_files(void **state);

struct mbox_listener *tls_listen(const char *address,
                                 const struct mbox_tls_config *);
struct mbox_channel *tls_connect(const struct mbox_listener *,
                                 const char *host,
                                 const struct mbox_tls_config *);
struct mbox_channel *tls_wait_accept(struct mbox_listener *);

/* Connects a plain TCP socket. */
int tls_connect_fd(unsigned int port);

/* Waits until one of the channels has something to do, and lets both run. */
void tls_run_both(struct mbox_channel *a, struct mbox_channel *b);

/* Makes a client 'a' and a server 'b', which have yet to shake hands. */
void tls_open_pair(const struct mbox_tls_config *client,
                   const struct mbox_tls_config *server,
                   struct mbox_channel **a, struct mbox_channel **b);

/* Makes the two shake hands. */
void tls_shake_hands(struct mbox_channel *a, struct mbox_channel *b);

#endif /* tls-test.h */
