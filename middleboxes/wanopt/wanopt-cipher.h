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

#ifndef WANOPT_CIPHER_H
#define WANOPT_CIPHER_H 1

/* Names of chunks and tags of messages
 * ====================================
 *
 * Both are SipHash-2-4 (by libcrypto) under keys that are derived from the
 * secret that the two sites share.  A name has 128 bits: whoever does not know
 * the secret cannot make two chunks with one name, and by chance 2**40 chunks
 * have two with a probability of 2**-49.  A tag has 64 bits. */

#include <stddef.h>
#include <stdint.h>

#define WANOPT_KEY_LEN 16
#define WANOPT_NAME_LEN 16
#define WANOPT_TAG_LEN 8

struct wanopt_name {
    uint8_t bytes[WANOPT_NAME_LEN];
};

struct wanopt_cipher;

struct wanopt_cipher *wanopt_cipher_create(
    const uint8_t secret[WANOPT_KEY_LEN]);
void wanopt_cipher_destroy(struct wanopt_cipher *);

void wanopt_cipher_name(struct wanopt_cipher *, const void *, size_t,
                        struct wanopt_name *);

/* The tag of 'n' parts, one behind the other. */
struct wanopt_part {
    const void *data;
    size_t len;
};
void wanopt_cipher_tag(struct wanopt_cipher *, const struct wanopt_part *,
                       size_t n, uint8_t [WANOPT_TAG_LEN]);

#endif /* wanopt-cipher.h */
