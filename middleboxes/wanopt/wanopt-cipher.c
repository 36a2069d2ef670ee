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

#include <config.h>
#include "wanopt-cipher.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct sip {
    EVP_MAC_CTX *ctx;
    uint8_t key[WANOPT_KEY_LEN];
};

struct wanopt_cipher {
    struct sip name, tag;
};

/* libcrypto has no SipHash, or no memory. */
static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}

static void
sip_init(struct sip *sip, EVP_MAC *mac, size_t size)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
        OSSL_PARAM_construct_end(),
    };

    sip->ctx = EVP_MAC_CTX_new(mac);
    check(sip->ctx != NULL);
    check(EVP_MAC_CTX_set_params(sip->ctx, params));
}

static void
sip_run(const struct sip *sip, const struct wanopt_part *parts, size_t n,
        uint8_t *out, size_t size)
{
    check(EVP_MAC_init(sip->ctx, sip->key, sizeof sip->key, NULL));
    for (size_t i = 0; i < n; i++) {
        check(EVP_MAC_update(sip->ctx, parts[i].data, parts[i].len));
    }
    check(EVP_MAC_final(sip->ctx, out, &size, size));
}

struct wanopt_cipher *
wanopt_cipher_create(const uint8_t secret[WANOPT_KEY_LEN])
{
    struct wanopt_cipher *c = calloc(1, sizeof *c);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);

    check(c && mac);
    sip_init(&c->name, mac, WANOPT_NAME_LEN);
    sip_init(&c->tag, mac, WANOPT_TAG_LEN);
    EVP_MAC_free(mac);

    /* A key for each purpose: a pseudorandom function of its name. */
    struct sip root = { .ctx = c->name.ctx };
    memcpy(root.key, secret, sizeof root.key);
    sip_run(&root, &(struct wanopt_part) { "name", 4 }, 1, c->name.key,
            sizeof c->name.key);
    sip_run(&root, &(struct wanopt_part) { "tag", 3 }, 1, c->tag.key,
            sizeof c->tag.key);
    OPENSSL_cleanse(&root, sizeof root);
    return c;
}

void
wanopt_cipher_destroy(struct wanopt_cipher *c)
{
    if (c) {
        EVP_MAC_CTX_free(c->name.ctx);
        EVP_MAC_CTX_free(c->tag.ctx);
        OPENSSL_cleanse(c, sizeof *c);
        free(c);
    }
}

void
wanopt_cipher_name(struct wanopt_cipher *c, const void *data, size_t len,
                   struct wanopt_name *name)
{
    sip_run(&c->name, &(struct wanopt_part) { data, len }, 1, name->bytes,
            sizeof name->bytes);
}

void
wanopt_cipher_tag(struct wanopt_cipher *c, const struct wanopt_part *parts,
                  size_t n, uint8_t tag[WANOPT_TAG_LEN])
{
    sip_run(&c->tag, parts, n, tag, WANOPT_TAG_LEN);
}
