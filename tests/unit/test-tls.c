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

/* Connections over TLS. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "random-msg.h"
#include "tls-test.h"

static void
test_messages(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);
    struct mbox_channel *a, *b;

    tls_open_pair(&tls_good, &tls_good2, &a, &b);
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
                tls_run_both(a, b);
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
        tls_run_both(b, b);
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
        struct mbox_listener *l = tls_listen(tests[i].listen, &tls_good);
        struct mbox_channel *a = tls_connect(l, tests[i].host, &tls_good2);
        struct mbox_channel *b = tls_wait_accept(l);

        tls_shake_hands(a, b);
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
    const uint32_t n = test_rounds(400);
    uint8_t *data = malloc(200000);

    test_random_bytes(data, 200000);
    tls_open_pair(&tls_good, &tls_good2, &ch[0], &ch[1]);
    while (n_received[0] < n || n_received[1] < n) {
        struct mbox_msg msg;

        for (int i = 0; i < 2; i++) {
            while (n_sent[i] < n
                   && mbox_channel_backlog(ch[i]) < 1000000) {
                mbox_msg_init(&msg, MBOX_MSG_PACKET, n_sent[i]);
                msg.kind = MBOX_TAG_RETURNED;
                msg.data = data;
                msg.data_len = n_sent[i] % 3 * 100000;
                assert_int_equal(mbox_channel_send(ch[i], &msg, NULL, -1), 0);
                n_sent[i]++;
            }
        }
        tls_run_both(ch[0], ch[1]);
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

/* A peer that connects and then says nothing holds nobody up. */
static void
test_silent_peer(void **state)
{
    (void) state;
    struct mbox_listener *l = tls_listen("pssl:0:127.0.0.1", &tls_good);
    int fd = tls_connect_fd(mbox_listener_port(l));
    struct mbox_channel *silent = tls_wait_accept(l);
    struct mbox_channel *a = tls_connect(l, "127.0.0.1", &tls_good);
    struct mbox_channel *b = tls_wait_accept(l);
    struct pollfd pfd;

    assert_int_equal(mbox_channel_run(silent), 0);
    mbox_channel_wait(silent, &pfd);
    assert_int_equal(pfd.events, POLLIN);
    assert_int_equal(poll(&pfd, 1, 0), 0);
    tls_shake_hands(a, b);
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

    tls_open_pair(&tls_good, &tls_good2, &a, &b);
    tls_shake_hands(a, b);
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
    struct mbox_channel *a = tls_connect(l, "127.0.0.1", &tls_good2);
    struct mbox_channel *b = tls_wait_accept(l);

    tls_shake_hands(a, b);
    mbox_channel_peer_name(a, name, size);
    mbox_channel_close(a);
    mbox_channel_close(b);
}

static void
check_tls_error(const struct mbox_listener *l, const char *file,
                const char *why)
{
    const char *error = mbox_listener_tls_error(l);

    assert_non_null(error);
    if (!strstr(error, file) || !strstr(error, why)) {
        fail_msg("\"%s\"", error);
    }
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
    snprintf(path, sizeof path, "%s/new-ca.pem", tls_dir);
    snprintf(key, sizeof key, "%s/new-key.pem", tls_dir);
    snprintf(cert, sizeof cert, "%s/new-cert.pem", tls_dir);
    l = tls_listen("pssl:0:127.0.0.1", &tls_good);
    get_name(l, name, sizeof name);
    assert_string_equal(name, "one");
    assert_null(mbox_listener_tls_error(l));

    /* Another certificate without its key, then with none at all. */
    test_make_ca(&ca, "new CA", path);
    test_make_pair(&ca, "four", -3600, 3600, key, cert);
    assert_int_equal(rename(cert, tls_files[CERT]), 0);
    get_name(l, name, sizeof name);
    assert_string_equal(name, "one");
    check_tls_error(l, tls_files[KEY], "does not belong to the certificate");
    assert_int_equal(unlink(tls_files[KEY]), 0);
    get_name(l, name, sizeof name);
    assert_string_equal(name, "one");
    check_tls_error(l, tls_files[KEY], "No such file or directory");

    /* And with it: the peer, which has the old CA, refuses it now. */
    assert_int_equal(rename(key, tls_files[KEY]), 0);
    struct mbox_channel *a = tls_connect(l, "127.0.0.1", &tls_good2);
    struct mbox_channel *b = tls_wait_accept(l);
    while (!mbox_channel_error(a)) {
        tls_run_both(a, b);
    }
    assert_non_null(strstr(mbox_channel_error(a), tls_files[CA]));
    mbox_channel_close(a);
    mbox_channel_close(b);

    /* A side that connects reads its tls_files each time. */
    test_make_pair(&ca, "five", -3600, 3600, tls_files[KEY2],
                   tls_files[CERT2]);
    assert_int_equal(rename(path, tls_files[CA]), 0);
    get_name(l, name, sizeof name);
    assert_string_equal(name, "four");
    assert_null(mbox_listener_tls_error(l));
    mbox_listener_close(l);
    test_free_ca(&ca);
}

/* A peer whose host is gone is found out, by either end of a connection. */
static void
test_dead_peer_options(void **state)
{
    (void) state;
    static const struct { int level, option, value; } options[] = {
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, 15 },
        { IPPROTO_TCP, TCP_KEEPINTVL, 5 },
        { IPPROTO_TCP, TCP_KEEPCNT, 3 },
        { IPPROTO_TCP, TCP_USER_TIMEOUT, MBOX_TCP_DEAD_MS },
    };
    struct mbox_channel *ch[2];

    tls_open_pair(&tls_good, &tls_good2, &ch[0], &ch[1]);
    tls_shake_hands(ch[0], ch[1]);
    for (int i = 0; i < 2; i++) {
        struct pollfd pfd;

        mbox_channel_wait(ch[i], &pfd);
        for (size_t j = 0; j < sizeof options / sizeof options[0]; j++) {
            int value = 0;
            socklen_t len = sizeof value;

            assert_int_equal(getsockopt(pfd.fd, options[j].level,
                                        options[j].option, &value, &len), 0);
            assert_int_equal(value, options[j].value);
        }
        mbox_channel_close(ch[i]);
    }
}

/* Channels that take after another show its certificate, and read no file. */
static void
test_like(void **state)
{
    (void) state;
    char expected[2][MBOX_FINGERPRINT_LEN + 1];
    char fingerprint[MBOX_FINGERPRINT_LEN + 1];
    char address[64], elsewhere[sizeof tls_dir + 1];
    struct mbox_channel *a, *b, *c, *d;
    struct mbox_listener *l;
    char *error;

    tls_open_pair(&tls_good, &tls_good2, &a, &b);
    mbox_channel_peer_fingerprint(a, fingerprint);
    assert_string_equal(fingerprint, "");       /* Not connected yet. */
    tls_shake_hands(a, b);
    mbox_channel_peer_fingerprint(a, expected[0]);
    mbox_channel_peer_fingerprint(b, expected[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(strspn(expected[i], "0123456789abcdef"),
                         MBOX_FINGERPRINT_LEN);
    }
    assert_string_not_equal(expected[0], expected[1]);

    snprintf(elsewhere, sizeof elsewhere, "%s-", tls_dir);
    assert_int_equal(rename(tls_dir, elsewhere), 0);
    assert_int_equal(mbox_listener_open_like(b, "pssl:0:127.0.0.1", &l, NULL),
                     0);
    snprintf(address, sizeof address, "ssl:127.0.0.1:%u",
             mbox_listener_port(l));
    assert_int_equal(mbox_channel_connect_like(a, address, &c, NULL), 0);
    mbox_channel_close(a);
    mbox_channel_close(b);
    d = tls_wait_accept(l);
    tls_shake_hands(c, d);
    assert_int_equal(rename(elsewhere, tls_dir), 0);
    mbox_channel_peer_fingerprint(c, fingerprint);
    assert_string_equal(fingerprint, expected[0]);
    mbox_channel_peer_fingerprint(d, fingerprint);
    assert_string_equal(fingerprint, expected[1]);

    assert_int_equal(mbox_channel_connect_like(c, "unix:/nowhere", &a, &error),
                     -EINVAL);
    assert_non_null(strstr(error, "unix:/nowhere"));
    free(error);
    mbox_listener_close(l);
    assert_int_equal(mbox_listener_open_like(c, "unix:/nowhere", &l, &error),
                     -EINVAL);
    assert_non_null(strstr(error, "unix:/nowhere"));
    free(error);
    mbox_channel_close(c);
    mbox_channel_close(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_ipv6_and_any),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_silent_peer),
        cmocka_unit_test(test_dead_peer_options),
        cmocka_unit_test(test_like),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_replaced_files),
    };

    return cmocka_run_group_tests_name("tls", tests, tls_make_files,
                                       tls_remove_files);
}
