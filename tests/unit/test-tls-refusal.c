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

/* Certificates, files and bytes that TLS refuses. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls-test.h"

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
            tls_files[tests[i].key], tls_files[tests[i].cert],
            tls_files[tests[i].ca],
        };
        struct mbox_listener *l;
        struct mbox_channel *ch;
        char *error;

        assert_int_equal(mbox_channel_connect("ssl:127.0.0.1:1", &config, &ch,
                                              &error), tests[i].error);
        if (!strstr(error, tls_files[tests[i].named])
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
        chmod(tls_files[KEY2], 0);
        const struct mbox_tls_config config = {
            tls_files[KEY2], tls_files[CERT2], tls_files[CA],
        };
        assert_int_equal(mbox_channel_connect("ssl:127.0.0.1:1", &config, &ch,
                                              &error), -EACCES);
        assert_non_null(strstr(error, "Permission denied"));
        free(error);
        chmod(tls_files[KEY2], 0600);
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

        assert_int_equal(mbox_channel_connect(connect[i], &tls_good, &ch,
                                              &error), -EINVAL);
        assert_non_null(strstr(error, connect[i]));
        free(error);
    }
    for (size_t i = 0; i < sizeof listen / sizeof listen[0]; i++) {
        struct mbox_listener *l;
        char *error;

        assert_int_equal(mbox_listener_open(listen[i], &tls_good, &l, &error),
                         -EINVAL);
        assert_non_null(strstr(error, listen[i]));
        free(error);
    }
}

static void
test_connection_refused(void **state)
{
    (void) state;
    struct mbox_listener *l = tls_listen("pssl:0:127.0.0.1", &tls_good);
    struct mbox_listener *l2;
    struct mbox_channel *ch;
    char address[64];
    char *error;

    snprintf(address, sizeof address, "pssl:%u:127.0.0.1",
             mbox_listener_port(l));
    assert_int_equal(mbox_listener_open(address, &tls_good, &l2, &error),
                     -EADDRINUSE);
    free(error);

    snprintf(address, sizeof address, "ssl:127.0.0.1:%u",
             mbox_listener_port(l));
    mbox_listener_close(l);
    if (!mbox_channel_connect(address, &tls_good, &ch, &error)) {
        while (!mbox_channel_error(ch)) {
            tls_run_both(ch, ch);
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

/* Runs until both have failed, and checks how. */
static void
check_refusal(const struct mbox_tls_config *client,
              const struct mbox_tls_config *server,
              const char *client_text, const char *server_text)
{
    struct mbox_channel *a, *b;
    struct mbox_msg msg;

    tls_open_pair(client, server, &a, &b);
    mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 1);
    mbox_channel_send(a, &msg, NULL, -1);
    while (!mbox_channel_error(a) && !mbox_channel_error(b)) {
        tls_run_both(a, b);
    }

    /* Who refused, hangs up; the other reads why. */
    if (mbox_channel_error(b)) {
        while (!mbox_channel_error(a)) {
            tls_run_both(a, a);
        }
    } else {
        while (!mbox_channel_error(b)) {
            tls_run_both(b, b);
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
        tls_files[OTHER_KEY], tls_files[OTHER_CERT], tls_files[OTHER_CA],
    };
    const struct mbox_tls_config other_cert = {
        tls_files[OTHER_KEY], tls_files[OTHER_CERT], tls_files[CA],
    };
    char text[300];

    /* The client refuses the server. */
    snprintf(text, sizeof text, "the peer's certificate was refused against "
             "the CA in %s: ", tls_files[OTHER_CA]);
    check_refusal(&other, &tls_good, text,
                  "it is not signed by the peer's CA");

    /* The server refuses the client. */
    snprintf(text, sizeof text, "the peer refused our certificate %s: ",
             tls_files[OTHER_CERT]);
    check_refusal(&other_cert, &tls_good, text,
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

/* Lets a client made of 'ctx' try to connect to us. */
static void
check_foreign_client(SSL_CTX *ctx, int error, const char *text)
{
    struct mbox_listener *l = tls_listen("pssl:0:127.0.0.1", &tls_good);
    int fd = tls_connect_fd(mbox_listener_port(l));
    struct mbox_channel *ch = tls_wait_accept(l);

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

    SSL_CTX_use_certificate_file(ctx, tls_files[OLD_CERT], SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, tls_files[OLD_KEY], SSL_FILETYPE_PEM);
    check_foreign_client(ctx, -EACCES, "certificate has expired");
}

static void
test_old_protocol(void **state)
{
    (void) state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_use_certificate_file(ctx, tls_files[CERT], SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, tls_files[KEY], SSL_FILETYPE_PEM);
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
    assert_int_equal(mbox_channel_connect(address, &tls_good, &ch, NULL), 0);

    SSL_CTX_use_certificate_file(ctx, tls_files[OLD_CERT], SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, tls_files[OLD_KEY], SSL_FILETYPE_PEM);
    foreign_handshake(ch, accept(fd, NULL, NULL), ctx, true);
    assert_int_equal(mbox_channel_run(ch), -EACCES);
    assert_non_null(strstr(mbox_channel_error(ch), "certificate has expired"));
    assert_non_null(strstr(mbox_channel_error(ch), tls_files[CA]));
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
    struct mbox_listener *l = tls_listen("pssl:0:127.0.0.1", &tls_good);

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int fd = tls_connect_fd(mbox_listener_port(l));
        struct mbox_channel *ch = tls_wait_accept(l);
        struct mbox_msg msg;

        assert_int_equal(write(fd, tests[i].bytes, tests[i].len),
                         tests[i].len);
        shutdown(fd, SHUT_WR);
        while (!mbox_channel_error(ch)) {
            tls_run_both(ch, ch);
        }
        assert_int_equal(mbox_channel_run(ch), tests[i].error);
        assert_int_equal(mbox_channel_recv(ch, &msg, NULL, NULL, NULL),
                         tests[i].error);
        mbox_channel_close(ch);
        close(fd);
    }
    mbox_listener_close(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_connection_refused),
        cmocka_unit_test(test_wrong_ca),
        cmocka_unit_test(test_no_client_certificate),
        cmocka_unit_test(test_expired_client_certificate),
        cmocka_unit_test(test_old_protocol),
        cmocka_unit_test(test_expired_server_certificate),
        cmocka_unit_test(test_garbage),
    };

    return cmocka_run_group_tests_name("tls refusals", tests, tls_make_files,
                                       tls_remove_files);
}
