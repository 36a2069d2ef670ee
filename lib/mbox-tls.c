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

#include "mbox-tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mbox-channel.h"
#include "mbox-stream.h"

struct mbox_tls_ctx {
    atomic_uint n_refs;
    SSL_CTX *ssl_ctx;
    BIO_METHOD *bio_method;
    char *certificate;          /* File names, for messages. */
    char *ca_cert;
};

struct mbox_tls {
    struct mbox_tls_ctx *ctx;
    SSL *ssl;
    int fd;
    bool broken;                /* No use in saying goodbye. */
    int io_errno;               /* Of the last failed send() or recv(). */
};

/* A BIO on a socket that, unlike OpenSSL's own, never raises SIGPIPE. */

static int
bio_write(BIO *bio, const char *data, int n)
{
    struct mbox_tls *tls = BIO_get_data(bio);
    ssize_t retval;

    BIO_clear_retry_flags(bio);
    do {
        retval = send(tls->fd, data, n, MSG_NOSIGNAL);
    } while (retval < 0 && errno == EINTR);
    if (retval < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            BIO_set_retry_write(bio);
        } else {
            tls->io_errno = errno;
        }
    }
    return retval;
}

static int
bio_read(BIO *bio, char *data, int n)
{
    struct mbox_tls *tls = BIO_get_data(bio);
    ssize_t retval;

    BIO_clear_retry_flags(bio);
    do {
        retval = recv(tls->fd, data, n, 0);
    } while (retval < 0 && errno == EINTR);
    if (retval < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            BIO_set_retry_read(bio);
        } else {
            tls->io_errno = errno;
        }
    } else if (!retval) {
        tls->io_errno = ECONNRESET;
    }
    return retval;
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void) bio;
    (void) num;
    (void) ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *
make_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "mbox");

    if (method) {
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    return method;
}

/* Takes the reason of the first error out of OpenSSL's queue, and empties it.
 */
static const char *
take_reason(void)
{
    unsigned long e = ERR_get_error();
    const char *reason = ERR_reason_error_string(e);

    ERR_clear_error();
    return reason ? reason : "unknown error";
}

/* Reading files. */

static int
no_passphrase(char *buf, int size, int rwflag, void *aux)
{
    (void) buf;
    (void) size;
    (void) rwflag;
    (void) aux;
    return -1;
}

/* Opens 'path', which is the file with the 'what'. */
static int
open_file(const char *path, const char *what, FILE **filep, char **errp)
{
    if (!path || !path[0]) {
        mbox_set_error(errp, "no %s is configured for TLS", what);
        return -EINVAL;
    }
    *filep = fopen(path, "re");
    if (!*filep) {
        int error = errno;

        mbox_set_error(errp, "%s: cannot read the %s: %s", path, what,
                       strerror(error));
        return -error;
    }
    return 0;
}

static int
bad_file(const char *path, const char *what, char **errp)
{
    mbox_set_error(errp, "%s: not a %s in PEM format: %s", path, what,
                   take_reason());
    return -EINVAL;
}

static void
format_time(const ASN1_TIME *t, char *buf, size_t size)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(t, &tm)
        || !strftime(buf, size, "%Y-%m-%d %H:%M:%S UTC", &tm)) {
        snprintf(buf, size, "an unknown time");
    }
    ERR_clear_error();
}

/* Checks that a certificate of our own is valid now. */
static int
check_dates(const X509 *cert, const char *path, char **errp)
{
    const ASN1_TIME *from = X509_get0_notBefore(cert);
    const ASN1_TIME *to = X509_get0_notAfter(cert);
    char when[64];

    if (X509_cmp_current_time(to) < 0) {
        format_time(to, when, sizeof when);
        mbox_set_error(errp, "%s: the certificate expired at %s", path, when);
        return -EKEYEXPIRED;
    }
    if (X509_cmp_current_time(from) > 0) {
        format_time(from, when, sizeof when);
        mbox_set_error(errp, "%s: the certificate is not valid before %s",
                       path, when);
        return -EKEYREJECTED;
    }
    return 0;
}

/* Reads the certificate, and those after it in the file, which lead to its
 * CA. */
static int
load_certificate(SSL_CTX *ssl_ctx, const char *path, char **errp)
{
    static const char what[] = "certificate";
    FILE *file;
    int error = open_file(path, what, &file, errp);

    if (error) {
        return error;
    }

    X509 *cert = PEM_read_X509(file, NULL, no_passphrase, NULL);
    if (!cert) {
        error = bad_file(path, what, errp);
    } else {
        error = check_dates(cert, path, errp);
        if (!error && !SSL_CTX_use_certificate(ssl_ctx, cert)) {
            error = bad_file(path, what, errp);
        }
        X509_free(cert);
    }

    while (!error
           && (cert = PEM_read_X509(file, NULL, no_passphrase, NULL))) {
        if (!SSL_CTX_add0_chain_cert(ssl_ctx, cert)) {
            X509_free(cert);
            error = bad_file(path, what, errp);
        }
    }
    ERR_clear_error();
    fclose(file);
    return error;
}

static int
load_private_key(SSL_CTX *ssl_ctx, const char *path, const char *certificate,
                 char **errp)
{
    static const char what[] = "private key";
    FILE *file;
    int error = open_file(path, what, &file, errp);

    if (error) {
        return error;
    }

    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
    fclose(file);
    if (!key) {
        return bad_file(path, what, errp);
    }
    if (!SSL_CTX_use_PrivateKey(ssl_ctx, key)
        || !SSL_CTX_check_private_key(ssl_ctx)) {
        mbox_set_error(errp, "%s: the private key does not belong to the "
                       "certificate in %s", path, certificate);
        error = -EINVAL;
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    return error;
}

static int
load_ca_cert(SSL_CTX *ssl_ctx, const char *path, char **errp)
{
    static const char what[] = "CA certificate";
    X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);
    FILE *file;
    int error = open_file(path, what, &file, errp);

    if (error) {
        return error;
    }

    X509 *cert;
    size_t n = 0;
    while ((cert = PEM_read_X509(file, NULL, no_passphrase, NULL))) {
        if (!X509_STORE_add_cert(store, cert)
            || !SSL_CTX_add_client_CA(ssl_ctx, cert)) {
            X509_free(cert);
            n = 0;
            break;
        }
        X509_free(cert);
        n++;
    }
    fclose(file);
    if (!n) {
        return bad_file(path, what, errp);
    }
    ERR_clear_error();
    return 0;
}

int
mbox_tls_ctx_create(const struct mbox_tls_config *config,
                    struct mbox_tls_ctx **ctxp, char **errp)
{
    static const struct mbox_tls_config empty;
    struct mbox_tls_ctx *ctx = calloc(1, sizeof *ctx);
    int error = -ENOMEM;

    if (!config) {
        config = &empty;
    }
    *ctxp = NULL;
    if (errp) {
        *errp = NULL;
    }
    ERR_clear_error();
    if (!ctx) {
        goto error;
    }
    atomic_init(&ctx->n_refs, 1);
    ctx->ssl_ctx = SSL_CTX_new(TLS_method());
    ctx->bio_method = make_bio_method();
    ctx->certificate = strdup(config->certificate ? config->certificate : "");
    ctx->ca_cert = strdup(config->ca_cert ? config->ca_cert : "");
    if (!ctx->ssl_ctx || !ctx->bio_method || !ctx->certificate
        || !ctx->ca_cert
        || !SSL_CTX_set_min_proto_version(ctx->ssl_ctx, TLS1_3_VERSION)) {
        goto error;
    }

    /* A connection is for one run of an agent: nothing is resumed. */
    SSL_CTX_set_options(ctx->ssl_ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx->ssl_ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx->ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx->ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                                   | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx->ssl_ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx->ssl_ctx, 64 * 1024);
    SSL_CTX_set_verify(ctx->ssl_ctx, SSL_VERIFY_PEER
                       | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);

    error = load_certificate(ctx->ssl_ctx, config->certificate, errp);
    if (!error) {
        error = load_private_key(ctx->ssl_ctx, config->private_key,
                                 config->certificate, errp);
    }
    if (!error) {
        error = load_ca_cert(ctx->ssl_ctx, config->ca_cert, errp);
    }
    if (!error) {
        *ctxp = ctx;
        return 0;
    }

error:
    if (error == -ENOMEM) {
        mbox_set_error(errp, "cannot set up TLS: out of memory");
    }
    ERR_clear_error();
    mbox_tls_ctx_unref(ctx);
    return error;
}

struct mbox_tls_ctx *
mbox_tls_ctx_ref(struct mbox_tls_ctx *ctx)
{
    atomic_fetch_add_explicit(&ctx->n_refs, 1, memory_order_relaxed);
    return ctx;
}

void
mbox_tls_ctx_unref(struct mbox_tls_ctx *ctx)
{
    if (ctx && atomic_fetch_sub_explicit(&ctx->n_refs, 1,
                                         memory_order_acq_rel) == 1) {
        SSL_CTX_free(ctx->ssl_ctx);
        BIO_meth_free(ctx->bio_method);
        free(ctx->certificate);
        free(ctx->ca_cert);
        free(ctx);
    }
}

struct mbox_tls_ctx *
mbox_tls_get_ctx(const struct mbox_tls *tls)
{
    return tls->ctx;
}

struct mbox_tls *
mbox_tls_create(struct mbox_tls_ctx *ctx, int fd, bool server)
{
    struct mbox_tls *tls = calloc(1, sizeof *tls);

    if (!tls) {
        return NULL;
    }
    tls->ctx = mbox_tls_ctx_ref(ctx);
    tls->fd = fd;
    tls->ssl = SSL_new(ctx->ssl_ctx);

    BIO *bio = tls->ssl ? BIO_new(ctx->bio_method) : NULL;
    if (!bio) {
        ERR_clear_error();
        tls->broken = true;
        mbox_tls_destroy(tls);
        return NULL;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    if (server) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
    }
    return tls;
}

void
mbox_tls_destroy(struct mbox_tls *tls)
{
    if (tls) {
        if (!tls->broken && SSL_is_init_finished(tls->ssl)) {
            SSL_shutdown(tls->ssl);
            ERR_clear_error();
        }
        SSL_free(tls->ssl);
        mbox_tls_ctx_unref(tls->ctx);
        free(tls);
    }
}

/* What an alert says that is about our own certificate, or NULL. */
static const char *
certificate_alert(int reason)
{
    switch (reason - SSL_AD_REASON_OFFSET) {
    case SSL_AD_BAD_CERTIFICATE: return "it is bad";
    case SSL_AD_UNSUPPORTED_CERTIFICATE: return "it is of the wrong type";
    case SSL_AD_CERTIFICATE_REVOKED: return "it was revoked";
    case SSL_AD_CERTIFICATE_EXPIRED: return "it expired";
    case SSL_AD_CERTIFICATE_UNKNOWN: return "it is not acceptable";
    case SSL_AD_UNKNOWN_CA: return "it is not signed by the peer's CA";
    case SSL_AD_ACCESS_DENIED: return "access denied";
    case SSL_AD_CERTIFICATE_REQUIRED: return "there is none";
    default: return NULL;
    }
}

/* Says in 'why' what a failed call means, whose ERR_get_error() is 'e'. */
static int
explain_ssl_error(struct mbox_tls *tls, unsigned long e, char *why,
                  size_t size)
{
    const char *reason = ERR_reason_error_string(e);
    const char *alert = certificate_alert(ERR_GET_REASON(e));
    long verify = SSL_get_verify_result(tls->ssl);

    if (ERR_GET_LIB(e) == ERR_LIB_SSL && alert) {
        snprintf(why, size, "the peer refused our certificate %s: %s",
                 tls->ctx->certificate, alert);
        return -EACCES;
    }
    switch (ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        snprintf(why, size, "the peer's certificate was refused against the "
                 "CA in %s: %s", tls->ctx->ca_cert,
                 X509_verify_cert_error_string(verify));
        return -EACCES;

    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        snprintf(why, size, "the peer has no certificate");
        return -EACCES;

    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        snprintf(why, size, "connection closed by peer");
        return -ECONNRESET;

    default:
        snprintf(why, size, "TLS: %s", reason ? reason : "protocol error");
        return -EPROTO;
    }
}

/* Turns the 'retval' <= 0 of an SSL_*() function into an error number. */
static int
ssl_error(struct mbox_tls *tls, int retval, short int *wants,
          char *why, size_t size)
{
    int type = SSL_get_error(tls->ssl, retval);
    unsigned long e = ERR_get_error();
    int error;

    *wants = 0;
    switch (type) {
    case SSL_ERROR_WANT_READ:
        *wants = POLLIN;
        error = -EAGAIN;
        break;

    case SSL_ERROR_WANT_WRITE:
        *wants = POLLOUT;
        error = -EAGAIN;
        break;

    case SSL_ERROR_ZERO_RETURN:
        snprintf(why, size, "connection closed by peer");
        error = -ECONNRESET;
        break;

    case SSL_ERROR_SSL:
        error = explain_ssl_error(tls, e, why, size);
        tls->broken = true;
        break;

    default:
        error = tls->io_errno == EPIPE ? ECONNRESET : tls->io_errno;
        snprintf(why, size, "%s", strerror(error ? error : ECONNRESET));
        error = -(error ? error : ECONNRESET);
        tls->broken = true;
        break;
    }
    ERR_clear_error();
    return error;
}

int
mbox_tls_handshake(struct mbox_tls *tls, short int *wants, char *why,
                   size_t size)
{
    ERR_clear_error();

    int retval = SSL_do_handshake(tls->ssl);
    if (retval == 1) {
        *wants = 0;
        return 0;
    }
    return ssl_error(tls, retval, wants, why, size);
}

ssize_t
mbox_tls_read(struct mbox_tls *tls, void *buf, size_t n, short int *wants,
              char *why, size_t size)
{
    ERR_clear_error();

    int retval = SSL_read(tls->ssl, buf, n < INT32_MAX ? (int) n : INT32_MAX);
    return retval > 0 ? retval : ssl_error(tls, retval, wants, why, size);
}

ssize_t
mbox_tls_write(struct mbox_tls *tls, const void *buf, size_t n,
               short int *wants, char *why, size_t size)
{
    ERR_clear_error();

    int retval = SSL_write(tls->ssl, buf, n < INT32_MAX ? (int) n : INT32_MAX);
    return retval > 0 ? retval : ssl_error(tls, retval, wants, why, size);
}

void
mbox_tls_peer_subject(const struct mbox_tls *tls, char *buf, size_t size)
{
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);

    buf[0] = '\0';
    if (cert) {
        X509_NAME_oneline(X509_get_subject_name(cert), buf, size);
        X509_free(cert);
    }
    ERR_clear_error();
}

void
mbox_tls_peer_name(const struct mbox_tls *tls, char *buf, size_t size)
{
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);

    buf[0] = '\0';
    if (cert) {
        X509_NAME *subject = X509_get_subject_name(cert);
        int n = X509_NAME_get_text_by_NID(subject, NID_commonName, NULL, 0);

        if (n > 0 && (size_t) n < size) {
            X509_NAME_get_text_by_NID(subject, NID_commonName, buf, size);
            if (strlen(buf) != (size_t) n) {
                buf[0] = '\0';
            }
        }
        X509_free(cert);
    }
    ERR_clear_error();
}

void
mbox_tls_peer_fingerprint(const struct mbox_tls *tls, char *buf, size_t size)
{
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int n;

    buf[0] = '\0';
    if (cert) {
        if (X509_digest(cert, EVP_sha256(), md, &n) && 2 * n < size) {
            for (unsigned int i = 0; i < n; i++) {
                snprintf(buf + 2 * i, 3, "%02x", md[i]);
            }
        }
        X509_free(cert);
    }
    ERR_clear_error();
}
