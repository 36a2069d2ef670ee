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

/* Channels over TLS on the loopback interface. */

#include "mbox-channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random-msg.h"
#include "test-certs.h"

/* The files, in 'tmp_dir'. */
enum { CA, KEY, CERT, KEY2, CERT2, OTHER_CA, OTHER_KEY, OTHER_CERT, OLD_KEY,
       OLD_CERT, EARLY_KEY, EARLY_CERT, GARBAGE, LOCKED_KEY, MISSING, N_FILES };
static char tmp_dir[64];
static char files[N_FILES][100];

static const struct mbox_tls_config good = {
    files[KEY], files[CERT], files[CA]
};
static const struct mbox_tls_config good2 = {
    files[KEY2], files[CERT2], files[CA]
};

static int
make_files(void **state)
{
    (void) state;
    struct test_ca ca, other;
    FILE *file;

    strcpy(tmp_dir, "/tmp/mbox-tls-XXXXXX");
    if (!mkdtemp(tmp_dir)) {
        return -1;
    }
    for (int i = 0; i < N_FILES; i++) {
        snprintf(files[i], sizeof files[i], "%s/%d.pem", tmp_dir, i);
    }
    test_make_ca(&ca, "our CA", files[CA]);
    test_make_ca(&other, "other CA", files[OTHER_CA]);
    test_make_pair(&ca, "one", -3600, 3600, files[KEY], files[CERT]);
    test_make_pair(&ca, "two", -3600, 3600, files[KEY2], files[CERT2]);
    test_make_pair(&other, "three", -3600, 3600, files[OTHER_KEY],
                   files[OTHER_CERT]);
    test_make_pair(&ca, "old", -7200, -3600, files[OLD_KEY], files[OLD_CERT]);
    test_make_pair(&ca, "early", 3600, 7200, files[EARLY_KEY],
                   files[EARLY_CERT]);
    test_free_ca(&ca);
    test_free_ca(&other);

    file = fopen(files[GARBAGE], "w");
    fprintf(file, "-----BEGIN CERTIFICATE-----\nxyz\n");
    fclose(file);

    /* A key with a passphrase: nobody may be asked for it. */
    EVP_PKEY *key = EVP_EC_gen("P-256");
    file = fopen(files[LOCKED_KEY], "w");
    PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
                         (const unsigned char *) "abcd", 4, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
    return 0;
}

static int
remove_files(void **state)
{
    (void) state;
    for (int i = 0; i < N_FILES; i++) {
        unlink(files[i]);
    }
    return rmdir(tmp_dir);
}

static struct mbox_listener *
open_listener(const char *address, const struct mbox_tls_config *config)
{
    struct mbox_listener *l;
    char *error;

    if (mbox_listener_open(address, config, &l, &error)) {
        fail_msg("%s", error);
    }
    return l;
}

static struct mbox_channel *
connect_to(const struct mbox_listener *l, const char *host,
           const struct mbox_tls_config *config)
{
    struct mbox_channel *ch;
    char address[64];
    char *error;

    snprintf(address, sizeof address, "ssl:%s:%u", host,
             mbox_listener_port(l));
    if (mbox_channel_connect(address, config, &ch, &error)) {
        fail_msg("%s", error);
    }
    return ch;
}

static struct mbox_channel *
wait_accept(struct mbox_listener *l)
{
    struct pollfd pfd;

    mbox_listener_wait(l, &pfd);
    assert_int_equal(poll(&pfd, 1, -1), 1);
    return mbox_listener_accept(l);
}

/* Waits until one of the channels has something to do, and lets both run. */
static void
run_both(struct mbox_channel *a, struct mbox_channel *b)
{
    struct pollfd pfds[2];

    mbox_channel_wait(a, &pfds[0]);
    mbox_channel_wait(b, &pfds[1]);
    if (pfds[0].fd >= 0 || pfds[1].fd >= 0) {
        assert_true(poll(pfds, 2, -1) > 0);
    }
    mbox_channel_run(a);
    mbox_channel_run(b);
    assert_int_equal(ERR_peek_error(), 0);
}

static void
open_pair(const struct mbox_tls_config *client,
          const struct mbox_tls_config *server,
          struct mbox_channel **a, struct mbox_channel **b)
{
    struct mbox_listener *l = open_listener("pssl:0:127.0.0.1", server);

    *a = connect_to(l, "127.0.0.1", client);
    assert_false(mbox_channel_is_connected(*a));
    *b = wait_accept(l);
    assert_non_null(*b);
    mbox_listener_close(l);     /* Its channels live on. */
}

static void
test_messages(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);
    struct mbox_channel *a, *b;

    open_pair(&good, &good2, &a, &b);
    assert_false(mbox_channel_can_pass_fd(a));
    for (int i = 0; i < 20; i++) {
        for (size_t t = 0; t < N_MSG_TYPES; t++) {
            struct mbox_writer w;
            struct mbox_msg msg;
            const void *frame;
            size_t len;

            /* The first is queued before there is a connection. */
            random_msg(rm, all_msg_types[t]);
            mbox_writer_init(&w, MBOX_WRITER_LIMIT);
            mbox_msg_encode(&rm->msg, rm->keys, &w);
            assert_int_equal(mbox_channel_send(a, &rm->msg, rm->keys, -1), 0);
            mbox_channel_flush(a);
            while (mbox_channel_recv(b, &msg, NULL, &frame, &len)) {
                run_both(a, b);
                assert_null(mbox_channel_error(a));
                assert_null(mbox_channel_error(b));
            }
            assert_int_equal(len, w.len);
            assert_memory_equal(frame, w.data, len);
            mbox_writer_uninit(&w);
        }
    }
    assert_non_null(strstr(mbox_channel_peer(a), "127.0.0.1:"));
    assert_non_null(strstr(mbox_channel_peer(a), "CN=two"));
    assert_non_null(strstr(mbox_channel_peer(b), "CN=one"));
    assert_true(mbox_channel_is_tls(a));
    char name[4];
    mbox_channel_peer_name(a, name, sizeof name);
    assert_string_equal(name, "two");
    mbox_channel_peer_name(b, name, 3);     /* Too long. */
    assert_string_equal(name, "");
    mbox_channel_close(a);
    while (!mbox_channel_error(b)) {
        run_both(b, b);
    }
    assert_int_equal(mbox_channel_run(b), -ECONNRESET);
    assert_non_null(strstr(mbox_channel_error(b), "connection closed"));
    mbox_channel_close(b);
    free(rm);
}

static void
test_ipv6_and_any(void **state)
{
    (void) state;
    static const struct { const char *listen, *host; } tests[] = {
        { "pssl:0:::1", "[::1]" },
        { "pssl:0:[::1]", "[::1]" },
        { "pssl:0", "[::1]" },
        { "pssl:0", "127.0.0.1" },
    };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 sin6 = {
        .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT,
    };
    bool ipv6 = (fd >= 0
                 && !bind(fd, (struct sockaddr *) &sin6, sizeof sin6));
    close(fd);

    for (size_t i = ipv6 ? 0 : 3; i < sizeof tests / sizeof tests[0]; i++) {
        struct mbox_listener *l = open_listener(tests[i].listen, &good);
        struct mbox_channel *a = connect_to(l, tests[i].host, &good2);
        struct mbox_channel *b = wait_accept(l);

        while (!mbox_channel_is_connected(a)
               || !mbox_channel_is_connected(b)) {
            run_both(a, b);
            assert_null(mbox_channel_error(a));
            assert_null(mbox_channel_error(b));
        }
        mbox_channel_close(a);
        mbox_channel_close(b);
        mbox_listener_close(l);
    }
}

/* Much data in both directions at once. */
static void
test_bulk(void **state)
{
    (void) state;
    struct mbox_channel *ch[2];
    uint32_t n_sent[2] = { 0, 0 }, n_received[2] = { 0, 0 };
    uint8_t *data = malloc(200000);

    test_random_bytes(data, 200000);
    open_pair(&good, &good2, &ch[0], &ch[1]);
    while (n_received[0] < 400 || n_received[1] < 400) {
        struct mbox_msg msg;

        for (int i = 0; i < 2; i++) {
            while (n_sent[i] < 400
                   && mbox_channel_backlog(ch[i]) < 1000000) {
                mbox_msg_init(&msg, MBOX_MSG_PACKET, n_sent[i]);
                msg.kind = MBOX_TAG_RETURNED;
                msg.data = data;
                msg.data_len = n_sent[i] % 3 * 100000;
                assert_int_equal(mbox_channel_send(ch[i], &msg, NULL, -1), 0);
                n_sent[i]++;
            }
        }
        run_both(ch[0], ch[1]);
        for (int i = 0; i < 2; i++) {
            int error;

            while (!(error = mbox_channel_recv(ch[i], &msg, NULL, NULL,
                                               NULL))) {
                assert_int_equal(msg.id, n_received[i]);
                assert_int_equal(msg.data_len, n_received[i] % 3 * 100000);
                if (memcmp(msg.data, data, msg.data_len)) {
                    fail();
                }
                n_received[i]++;
            }
            assert_int_equal(error, -EAGAIN);
        }
    }
    mbox_channel_close(ch[0]);
    mbox_channel_close(ch[1]);
    free(data);
}

/* Files that are no use are named, with the reason. */
static void
test_bad_files(void **state)
{
    (void) state;
    static const struct {
        int key, cert, ca;
        int error;
        int named;
        const char *text;
    } tests[] = {
        { MISSING, CERT, CA, -ENOENT, MISSING,
          "cannot read the private key: No such file or directory" },
        { KEY, MISSING, CA, -ENOENT, MISSING,
          "cannot read the certificate: No such file or directory" },
        { KEY, CERT, MISSING, -ENOENT, MISSING,
          "cannot read the CA certificate: No such file or directory" },
        { GARBAGE, CERT, CA, -EINVAL, GARBAGE, "not a private key in PEM" },
        { KEY, GARBAGE, CA, -EINVAL, GARBAGE, "not a certificate in PEM" },
        { KEY, KEY, CA, -EINVAL, KEY, "not a certificate in PEM" },
        { KEY, CERT, GARBAGE, -EINVAL, GARBAGE,
          "not a CA certificate in PEM" },
        { KEY2, CERT, CA, -EINVAL, KEY2,
          "the private key does not belong to the certificate in" },
        { LOCKED_KEY, CERT, CA, -EINVAL, LOCKED_KEY,
          "not a private key in PEM" },
        { OLD_KEY, OLD_CERT, CA, -EKEYEXPIRED, OLD_CERT,
          "the certificate expired at 20" },
        { EARLY_KEY, EARLY_CERT, CA, -EKEYREJECTED, EARLY_CERT,
          "the certificate is not valid before 20" },
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        const struct mbox_tls_config config = {
            files[tests[i].key], files[tests[i].cert], files[tests[i].ca],
        };
        struct mbox_listener *l;
        struct mbox_channel *ch;
        char *error;

        assert_int_equal(mbox_channel_connect("ssl:127.0.0.1:1", &config, &ch,
                                              &error), tests[i].error);
        if (!strstr(error, files[tests[i].named])
            || !strstr(error, tests[i].text)) {
            fail_msg("%zu: \"%s\"", i, error);
        }
        free(error);
        assert_null(ch);
        assert_int_equal(ERR_peek_error(), 0);
        assert_int_equal(mbox_channel_connect("ssl:127.0.0.1:1", &config, &ch,
                                              NULL), tests[i].error);
        assert_int_equal(mbox_listener_open("pssl:0:127.0.0.1", &config, &l,
                                            &error), tests[i].error);
        assert_non_null(strstr(error, tests[i].text));
        free(error);
    }

    struct mbox_channel *ch;
    char *error;
    assert_int_equal(mbox_channel_connect("ssl:127.0.0.1:1", NULL, &ch,
                                          &error), -EINVAL);
    assert_non_null(strstr(error, "no certificate is configured"));
    free(error);

    if (geteuid()) {            /* Root can read every file. */
        chmod(files[KEY2], 0);
        const struct mbox_tls_config config = {
            files[KEY2], files[CERT2], files[CA],
        };
        assert_int_equal(mbox_channel_connect("ssl:127.0.0.1:1", &config, &ch,
                                              &error), -EACCES);
        assert_non_null(strstr(error, "Permission denied"));
        free(error);
        chmod(files[KEY2], 0600);
    }
}

static void
test_bad_addresses(void **state)
{
    (void) state;
    static const char *connect[] = {
        "ssl:", "ssl:1", "ssl::1", "ssl:host.example:1", "ssl:127.0.0.1:",
        "ssl:127.0.0.1:x", "ssl:127.0.0.1:70000", "ssl:[]:1", "ssl:[::1:1x",
    };
    static const char *listen[] = {
        "pssl:", "pssl:x", "pssl:70000", "pssl:1:x", "pssl:1:", "pssl::1",
        "pssl:99999999999",
    };

    for (size_t i = 0; i < sizeof connect / sizeof connect[0]; i++) {
        struct mbox_channel *ch;
        char *error;

        assert_int_equal(mbox_channel_connect(connect[i], &good, &ch, &error),
                         -EINVAL);
        assert_non_null(strstr(error, connect[i]));
        free(error);
    }
    for (size_t i = 0; i < sizeof listen / sizeof listen[0]; i++) {
        struct mbox_listener *l;
        char *error;

        assert_int_equal(mbox_listener_open(listen[i], &good, &l, &error),
                         -EINVAL);
        assert_non_null(strstr(error, listen[i]));
        free(error);
    }
}

static void
test_connection_refused(void **state)
{
    (void) state;
    struct mbox_listener *l = open_listener("pssl:0:127.0.0.1", &good);
    struct mbox_listener *l2;
    struct mbox_channel *ch;
    char address[64];
    char *error;

    snprintf(address, sizeof address, "pssl:%u:127.0.0.1",
             mbox_listener_port(l));
    assert_int_equal(mbox_listener_open(address, &good, &l2, &error),
                     -EADDRINUSE);
    free(error);

    snprintf(address, sizeof address, "ssl:127.0.0.1:%u",
             mbox_listener_port(l));
    mbox_listener_close(l);
    if (!mbox_channel_connect(address, &good, &ch, &error)) {
        while (!mbox_channel_error(ch)) {
            run_both(ch, ch);
        }
        assert_int_equal(mbox_channel_run(ch), -ECONNREFUSED);
        assert_non_null(strstr(mbox_channel_error(ch), "127.0.0.1"));
        assert_non_null(strstr(mbox_channel_error(ch), "refused"));
        mbox_channel_close(ch);
    } else {
        assert_non_null(strstr(error, "refused"));
        free(error);
    }
}

/* Certificates that the other side does not accept. */

/* Runs until both have failed, and checks how. */
static void
check_refusal(const struct mbox_tls_config *client,
              const struct mbox_tls_config *server,
              const char *client_text, const char *server_text)
{
    struct mbox_channel *a, *b;
    struct mbox_msg msg;

    open_pair(client, server, &a, &b);
    mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 1);
    mbox_channel_send(a, &msg, NULL, -1);
    while (!mbox_channel_error(a) && !mbox_channel_error(b)) {
        run_both(a, b);
    }

    /* Who refused, hangs up; the other reads why. */
    if (mbox_channel_error(b)) {
        while (!mbox_channel_error(a)) {
            run_both(a, a);
        }
    } else {
        while (!mbox_channel_error(b)) {
            run_both(b, b);
        }
    }
    assert_int_equal(mbox_channel_run(a), -EACCES);
    assert_int_equal(mbox_channel_run(b), -EACCES);
    assert_int_equal(mbox_channel_recv(b, &msg, NULL, NULL, NULL), -EACCES);
    if (!strstr(mbox_channel_error(a), client_text)) {
        fail_msg("client: %s", mbox_channel_error(a));
    }
    if (!strstr(mbox_channel_error(b), server_text)) {
        fail_msg("server: %s", mbox_channel_error(b));
    }
    mbox_channel_close(a);
    mbox_channel_close(b);
}

static void
test_wrong_ca(void **state)
{
    (void) state;
    const struct mbox_tls_config other = {
        files[OTHER_KEY], files[OTHER_CERT], files[OTHER_CA],
    };
    const struct mbox_tls_config other_cert = {
        files[OTHER_KEY], files[OTHER_CERT], files[CA],
    };
    char text[300];

    /* The client refuses the server. */
    snprintf(text, sizeof text, "the peer's certificate was refused against "
             "the CA in %s: ", files[OTHER_CA]);
    check_refusal(&other, &good, text, "it is not signed by the peer's CA");

    /* The server refuses the client. */
    snprintf(text, sizeof text, "the peer refused our certificate %s: ",
             files[OTHER_CERT]);
    check_refusal(&other_cert, &good, text,
                  "the peer's certificate was refused against the CA in");
}

/* The other end of a connection as another program would be, which has none of
 * our checks.  Returns once the handshake on the channel 'ch' has ended. */
static void
foreign_handshake(struct mbox_channel *ch, int fd, SSL_CTX *ctx, bool server)
{
    SSL *ssl = SSL_new(ctx);

    fcntl(fd, F_SETFL, O_NONBLOCK);
    SSL_set_fd(ssl, fd);
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
    }
    while (!mbox_channel_error(ch) && !mbox_channel_is_connected(ch)) {
        struct pollfd pfds[2] = { [1] = { .fd = fd, .events = POLLIN } };

        SSL_do_handshake(ssl);
        ERR_clear_error();
        mbox_channel_wait(ch, &pfds[0]);
        poll(pfds, 2, -1);
        mbox_channel_run(ch);
    }
    SSL_free(ssl);
    close(fd);
}

static int
connect_fd(const struct mbox_listener *l)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(mbox_listener_port(l)),
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    return fd;
}

/* Lets a client made of 'ctx' try to connect to us. */
static void
check_foreign_client(SSL_CTX *ctx, int error, const char *text)
{
    struct mbox_listener *l = open_listener("pssl:0:127.0.0.1", &good);
    int fd = connect_fd(l);
    struct mbox_channel *ch = wait_accept(l);

    foreign_handshake(ch, fd, ctx, false);
    assert_int_equal(mbox_channel_run(ch), error);
    if (!strstr(mbox_channel_error(ch), text)) {
        fail_msg("%s", mbox_channel_error(ch));
    }
    mbox_channel_close(ch);
    mbox_listener_close(l);
    SSL_CTX_free(ctx);
}

static void
test_no_client_certificate(void **state)
{
    (void) state;
    check_foreign_client(SSL_CTX_new(TLS_client_method()), -EACCES,
                         "the peer has no certificate");
}

static void
test_expired_client_certificate(void **state)
{
    (void) state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_use_certificate_file(ctx, files[OLD_CERT], SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, files[OLD_KEY], SSL_FILETYPE_PEM);
    check_foreign_client(ctx, -EACCES, "certificate has expired");
}

static void
test_old_protocol(void **state)
{
    (void) state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_use_certificate_file(ctx, files[CERT], SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, files[KEY], SSL_FILETYPE_PEM);
    check_foreign_client(ctx, -EPROTO, "unsupported protocol");
}

static void
test_expired_server_certificate(void **state)
{
    (void) state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    socklen_t len = sizeof sin;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct mbox_channel *ch;
    char address[64];

    assert_int_equal(bind(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *) &sin, &len);
    snprintf(address, sizeof address, "ssl:127.0.0.1:%d",
             ntohs(sin.sin_port));
    assert_int_equal(mbox_channel_connect(address, &good, &ch, NULL), 0);

    SSL_CTX_use_certificate_file(ctx, files[OLD_CERT], SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, files[OLD_KEY], SSL_FILETYPE_PEM);
    foreign_handshake(ch, accept(fd, NULL, NULL), ctx, true);
    assert_int_equal(mbox_channel_run(ch), -EACCES);
    assert_non_null(strstr(mbox_channel_error(ch), "certificate has expired"));
    assert_non_null(strstr(mbox_channel_error(ch), files[CA]));
    mbox_channel_close(ch);
    close(fd);
    SSL_CTX_free(ctx);
}

/* Bytes that are no TLS, and ends in the middle of the handshake. */
static void
test_garbage(void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t len;
        int error;
    } tests[] = {
        { "", 0, -ECONNRESET },
        { "\x16\x03\x01", 3, -ECONNRESET },
        { "GET / HTTP/1.0\r\n\r\n", 18, -EPROTO },
        { "\0\0\0\10\0\2\0\0\0\0\0\0", 12, -EPROTO },
        { "\x16\x03\x01\xff\xff\xff\xff\xff\xff\xff", 10, -EPROTO },
    };
    struct mbox_listener *l = open_listener("pssl:0:127.0.0.1", &good);

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int fd = connect_fd(l);
        struct mbox_channel *ch = wait_accept(l);
        struct mbox_msg msg;

        assert_int_equal(write(fd, tests[i].bytes, tests[i].len),
                         tests[i].len);
        shutdown(fd, SHUT_WR);
        while (!mbox_channel_error(ch)) {
            run_both(ch, ch);
        }
        assert_int_equal(mbox_channel_run(ch), tests[i].error);
        assert_int_equal(mbox_channel_recv(ch, &msg, NULL, NULL, NULL),
                         tests[i].error);
        mbox_channel_close(ch);
        close(fd);
    }
    mbox_listener_close(l);
}

/* A peer that connects and then says nothing holds nobody up. */
static void
test_silent_peer(void **state)
{
    (void) state;
    struct mbox_listener *l = open_listener("pssl:0:127.0.0.1", &good);
    int fd = connect_fd(l);
    struct mbox_channel *silent = wait_accept(l);
    struct mbox_channel *a = connect_to(l, "127.0.0.1", &good);
    struct mbox_channel *b = wait_accept(l);
    struct pollfd pfd;

    assert_int_equal(mbox_channel_run(silent), 0);
    mbox_channel_wait(silent, &pfd);
    assert_int_equal(pfd.events, POLLIN);
    assert_int_equal(poll(&pfd, 1, 0), 0);
    while (!mbox_channel_is_connected(a) || !mbox_channel_is_connected(b)) {
        run_both(a, b);
    }
    assert_false(mbox_channel_is_connected(silent));
    assert_int_equal(mbox_channel_run(silent), 0);
    mbox_channel_close(silent);
    mbox_channel_close(a);
    mbox_channel_close(b);
    mbox_listener_close(l);
    close(fd);
}

/* Writing to a connection that was reset raises no SIGPIPE. */
static void
test_reset(void **state)
{
    (void) state;
    struct mbox_channel *a, *b;
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    struct pollfd pfd;

    open_pair(&good, &good2, &a, &b);
    while (!mbox_channel_is_connected(a) || !mbox_channel_is_connected(b)) {
        run_both(a, b);
    }
    mbox_channel_wait(b, &pfd);
    setsockopt(pfd.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    mbox_channel_close(b);

    uint8_t data[1000] = { 0 };
    int error;
    do {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_PACKET, 1);
        msg.kind = MBOX_TAG_RETURNED;
        msg.data = data;
        msg.data_len = sizeof data;
        error = mbox_channel_send(a, &msg, NULL, -1);
        if (!error) {
            error = mbox_channel_flush(a);
        }
    } while (!error);
    assert_int_equal(error, -ECONNRESET);
    mbox_channel_close(a);
}

/* Connects, and returns the common name that the listener shows. */
static void
get_name(struct mbox_listener *l, char *name, size_t size)
{
    struct mbox_channel *a = connect_to(l, "127.0.0.1", &good2);
    struct mbox_channel *b = wait_accept(l);

    while (!mbox_channel_is_connected(a) || !mbox_channel_is_connected(b)) {
        run_both(a, b);
    }
    mbox_channel_peer_name(a, name, size);
    mbox_channel_close(a);
    mbox_channel_close(b);
}

/* Files that are replaced at the same path count from the next connection on;
 * until all is well again the old ones do. */
static void
test_replaced_files(void **state)
{
    struct mbox_listener *l;
    struct test_ca ca;
    char name[64], path[128], key[128], cert[128];

    (void) state;
    snprintf(path, sizeof path, "%s/new-ca.pem", tmp_dir);
    snprintf(key, sizeof key, "%s/new-key.pem", tmp_dir);
    snprintf(cert, sizeof cert, "%s/new-cert.pem", tmp_dir);
    l = open_listener("pssl:0:127.0.0.1", &good);
    get_name(l, name, sizeof name);
    assert_string_equal(name, "one");

    /* Another certificate without its key. */
    test_make_ca(&ca, "new CA", path);
    test_make_pair(&ca, "four", -3600, 3600, key, cert);
    assert_int_equal(rename(cert, files[CERT]), 0);
    get_name(l, name, sizeof name);
    assert_string_equal(name, "one");

    /* And with it: the peer, which has the old CA, refuses it now. */
    assert_int_equal(rename(key, files[KEY]), 0);
    struct mbox_channel *a = connect_to(l, "127.0.0.1", &good2);
    struct mbox_channel *b = wait_accept(l);
    while (!mbox_channel_error(a)) {
        run_both(a, b);
    }
    assert_non_null(strstr(mbox_channel_error(a), files[CA]));
    mbox_channel_close(a);
    mbox_channel_close(b);

    /* A side that connects reads its files each time. */
    test_make_pair(&ca, "five", -3600, 3600, files[KEY2], files[CERT2]);
    assert_int_equal(rename(path, files[CA]), 0);
    get_name(l, name, sizeof name);
    assert_string_equal(name, "four");
    mbox_listener_close(l);
    test_free_ca(&ca);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_ipv6_and_any),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_connection_refused),
        cmocka_unit_test(test_wrong_ca),
        cmocka_unit_test(test_no_client_certificate),
        cmocka_unit_test(test_expired_client_certificate),
        cmocka_unit_test(test_old_protocol),
        cmocka_unit_test(test_expired_server_certificate),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_silent_peer),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_replaced_files),
    };

    return cmocka_run_group_tests_name("tls", tests, make_files,
                                       remove_files);
}
