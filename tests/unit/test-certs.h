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

#ifndef MBOX_TEST_CERTS_H
#define MBOX_TEST_CERTS_H 1

/* Throw-away keys and certificates. */

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "test-util.h"

struct test_ca {
    EVP_PKEY *key;
    X509 *cert;
};

static inline void
test_write_key(EVP_PKEY *key, const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
}

static inline void
test_write_cert(X509 *cert, const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(PEM_write_X509(file, cert));
    fclose(file);
}

/* Makes a certificate of 'key' for 'name', signed by 'ca' (null: by itself),
 * valid from 'from' to 'to', in seconds from now. */
static inline X509 *
test_make_cert(EVP_PKEY *key, const char *name, const struct test_ca *ca,
               long from, long to)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), test_random_range(1 << 30));
    X509_gmtime_adj(X509_getm_notBefore(cert), from);
    X509_gmtime_adj(X509_getm_notAfter(cert), to);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *) name, -1, -1, 0);
    X509_set_issuer_name(cert, ca ? X509_get_subject_name(ca->cert) : subject);
    X509_set_pubkey(cert, key);
    if (!ca) {
        X509_EXTENSION *ext = X509V3_EXT_conf_nid(
            NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

        X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    assert_true(X509_sign(cert, ca ? ca->key : key, EVP_sha256()));
    return cert;
}

/* Makes a CA and writes its certificate to 'path'. */
static inline void
test_make_ca(struct test_ca *ca, const char *name, const char *path)
{
    ca->key = EVP_EC_gen("P-256");
    ca->cert = test_make_cert(ca->key, name, NULL, -3600, 3600);
    test_write_cert(ca->cert, path);
}

static inline void
test_free_ca(struct test_ca *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
}

/* Makes a key and a certificate and writes them to the two files. */
static inline void
test_make_pair(const struct test_ca *ca, const char *name, long from, long to,
               const char *key_path, const char *cert_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = test_make_cert(key, name, ca, from, to);

    test_write_key(key, key_path);
    test_write_cert(cert, cert_path);
    X509_free(cert);
    EVP_PKEY_free(key);
}

#endif /* test-certs.h */
