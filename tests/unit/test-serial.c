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

/* Sessions on a serial line. */

#include "mbox-serial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test-util.h"

/* Both ends of the line, between which the test carries bytes. */
struct line {
    int guest[2], host[2];      /* [0]: of the session, [1]: of the test. */
};

static void
make_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int i = 0; i < 2; i++) {
        int size = 128 * 1024;  /* Whatever the system's default is. */

        assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size,
                                    sizeof size), 0);
    }
}

static void
line_open(struct line *line)
{
    make_pair(line->guest);
    make_pair(line->host);
}

static void
line_close(struct line *line)
{
    for (int i = 0; i < 2; i++) {
        close(line->guest[i]);
        close(line->host[i]);
    }
}

/* Reads what was written to the other end of 'fd', up to 'size' bytes. */
static size_t
take(int fd, uint8_t *buf, size_t size)
{
    size_t n = 0;
    ssize_t retval;

    while (n < size && (retval = read(fd, buf + n, size - n)) > 0) {
        n += retval;
    }
    return n;
}

static void
give(int fd, const void *buf, size_t n)
{
    assert_int_equal(write(fd, buf, n), n);
}

static struct mbox_serial *
session(int fd, bool host)
{
    struct mbox_serial *s = mbox_serial_create(fd, host);

    assert_non_null(s);
    return s;
}

static void
send_text(struct mbox_serial *s, const char *text)
{
    char error[100];

    assert_int_equal(mbox_serial_write(s, text, strlen(text),
                                       error, sizeof error), strlen(text));
}

/* Reads until there is no more, and returns why: -EAGAIN or an error.  What
 * came must be the beginning of 'text'; its length goes to '*lenp'. */
static int
receive(struct mbox_serial *s, const char *text, size_t *lenp)
{
    char buf[1000], error[100];
    size_t len = 0;
    ssize_t n;

    while ((n = mbox_serial_read(s, buf + len, sizeof buf - len,
                                 error, sizeof error)) > 0) {
        len += n;
        assert_true(len < sizeof buf);
    }
    assert_true(len <= strlen(text));
    assert_memory_equal(buf, text, len);
    *lenp = len;
    return n;
}

static void
expect(struct mbox_serial *s, const char *text)
{
    size_t len;

    assert_int_equal(receive(s, text, &len), -EAGAIN);
    assert_int_equal(len, strlen(text));
}

#define FIRST "first \x7e\x7d\x5e\x5d session"
#define SECOND "the second one \x7e"

/* Writes at the guest's end what a session of 'text' is on the line; returns
 * its length. */
static size_t
record(const char *text, uint8_t *bytes, size_t size)
{
    struct line line;

    line_open(&line);
    struct mbox_serial *guest = session(line.guest[0], false);
    send_text(guest, text);
    size_t n = take(line.guest[1], bytes, size);
    mbox_serial_destroy(guest);
    line_close(&line);
    return n;
}

/* Any bytes, in pieces of any size, in both directions. */
static void
test_bytes(void **state)
{
    (void) state;
    enum { N = 200000 };
    static uint8_t sent[2][N], got[2][N], buf[4096];
    struct mbox_serial *ends[2];
    size_t n_sent[2] = { 0, 0 }, n_got[2] = { 0, 0 };
    struct line line;
    char error[100];

    test_random_bytes(sent, sizeof sent);
    for (int i = 0; i < N; i += 3) {
        sent[0][i] = 0x7e;
        sent[1][i] = 0x7d;
    }
    line_open(&line);
    ends[0] = session(line.guest[0], false);
    ends[1] = session(line.host[0], true);

    /* The host cannot speak first. */
    assert_int_equal(mbox_serial_write(ends[1], "x", 1, error, sizeof error),
                     -EAGAIN);

    while (n_got[0] < N || n_got[1] < N) {
        for (int i = 0; i < 2; i++) {
            int from = i ? line.host[1] : line.guest[1];
            int to = i ? line.guest[1] : line.host[1];
            size_t n = test_random_range(30000);

            n = n < N - n_sent[i] ? n : N - n_sent[i];
            ssize_t retval = n ? mbox_serial_write(ends[i],
                                                   sent[i] + n_sent[i], n,
                                                   error, sizeof error) : 0;
            assert_true(retval >= 0 || retval == -EAGAIN);
            n_sent[i] += retval > 0 ? retval : 0;
            give(to, buf, take(from, buf, test_random_range(sizeof buf)));

            n = test_random_range(5000) + 1;
            n = n < N - n_got[!i] ? n : N - n_got[!i];
            retval = n ? mbox_serial_read(ends[!i], got[!i] + n_got[!i], n,
                                          error, sizeof error) : 0;
            assert_true(retval >= 0 || retval == -EAGAIN);
            n_got[!i] += retval > 0 ? retval : 0;
        }
    }
    assert_memory_equal(got[1], sent[0], N);
    assert_memory_equal(got[0], sent[1], N);
    mbox_serial_destroy(ends[0]);
    mbox_serial_destroy(ends[1]);
    line_close(&line);
}

/* The guest's program is killed after any number of bytes, and another opens
 * the port: the host gets the beginning of the first session, and then the end
 * of the connection, but nothing of the second session. */
static void
test_guest_starts_again(void **state)
{
    (void) state;
    uint8_t first[100], second[100];
    size_t n_first = record(FIRST, first, sizeof first);
    size_t n_second = record(SECOND, second, sizeof second);
    char c, error[100];

    for (size_t n = 1; n <= n_first; n++) {
        struct line line;
        size_t len;

        line_open(&line);
        struct mbox_serial *host = session(line.host[0], true);
        give(line.host[1], first, n);
        give(line.host[1], second, n_second);
        assert_int_equal(receive(host, FIRST, &len), -ECONNRESET);
        assert_true(len == strlen(FIRST) || n < n_first);

        /* The end is final. */
        give(line.host[1], second, n_second);
        assert_int_equal(mbox_serial_read(host, &c, 1, error, sizeof error),
                         -ECONNRESET);
        assert_non_null(strstr(error, "again"));
        mbox_serial_destroy(host);
        line_close(&line);
    }
}

/* QEMU has connected to another process, but the guest does not know: none of
 * what it goes on sending is taken for the start of a session. */
static void
test_host_starts_again(void **state)
{
    (void) state;
    uint8_t bytes[100];
    size_t n = record(FIRST, bytes, sizeof bytes);

    for (size_t i = 1; i < n; i++) {
        struct line line;
        size_t len;

        line_open(&line);
        struct mbox_serial *host = session(line.host[0], true);
        give(line.host[1], bytes + i, n - i);
        assert_int_equal(receive(host, "", &len), -EPROTO);
        mbox_serial_destroy(host);
        line_close(&line);
    }
}

/* What the host sent to a session that is over waits for the next one, from
 * any byte on and up to any byte. */
static void
test_guest_skips(void **state)
{
    (void) state;
    uint8_t bytes[100], start[100];
    size_t n = record(FIRST, bytes, sizeof bytes);

    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j <= n; j++) {
            struct line line;

            line_open(&line);
            struct mbox_serial *guest = session(line.guest[0], false);
            struct mbox_serial *host = session(line.host[0], true);
            give(line.guest[1], bytes + i, j - i);
            expect(guest, "");

            send_text(guest, SECOND);
            give(line.host[1], start, take(line.guest[1], start,
                                           sizeof start));
            expect(host, SECOND);
            send_text(host, FIRST);
            give(line.guest[1], start, take(line.host[1], start,
                                            sizeof start));
            expect(guest, FIRST);

            mbox_serial_destroy(host);
            mbox_serial_destroy(guest);
            line_close(&line);
        }
    }
}

/* A line that does not take a byte more for now. */
static void
test_full(void **state)
{
    (void) state;
    static uint8_t sent[1 << 20], buf[1 << 16], got[1 << 20];
    size_t n_sent = 0, n_got = 0;
    struct line line;
    char error[100];
    bool was_full = false;

    memset(sent, 0x7e, sizeof sent);
    line_open(&line);
    struct mbox_serial *guest = session(line.guest[0], false);
    struct mbox_serial *host = session(line.host[0], true);
    while (n_got < sizeof sent) {
        ssize_t n = (n_sent < sizeof sent
                     ? mbox_serial_write(guest, sent + n_sent,
                                         sizeof sent - n_sent,
                                         error, sizeof error)
                     : -EAGAIN);
        if (n > 0) {
            n_sent += n;
            continue;
        }
        assert_int_equal(n, -EAGAIN);
        was_full = was_full || n_sent < sizeof sent;
        give(line.host[1], buf, take(line.guest[1], buf, sizeof buf));
        while ((n = mbox_serial_read(host, got + n_got, sizeof got - n_got,
                                     error, sizeof error)) > 0) {
            n_got += n;
            if (n_got == sizeof got) {
                break;
            }
        }
    }
    assert_true(was_full);
    assert_memory_equal(got, sent, sizeof sent);
    mbox_serial_destroy(host);
    mbox_serial_destroy(guest);
    line_close(&line);
}

/* The end of the line, and what is not a session. */
static void
test_errors(void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t n;
        int error;
    } bad[] = {
        { "GET /", 5, -EPROTO },
        { "\x7d\x5e", 2, -EPROTO },
        { "\x7e\x31\x32\x33\x34\x35\x36\x37\x38\x7d\x20", 11, -EPROTO },
        { "\x7e\x7d\x7e", 3, -ECONNRESET },
    };
    struct line line;
    size_t len;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        line_open(&line);
        struct mbox_serial *host = session(line.host[0], true);
        give(line.host[1], bad[i].bytes, bad[i].n);
        assert_int_equal(receive(host, "", &len), bad[i].error);
        mbox_serial_destroy(host);
        line_close(&line);
    }

    char error[100];
    line_open(&line);
    struct mbox_serial *guest = session(line.guest[0], false);
    close(line.guest[1]);
    assert_int_equal(receive(guest, "", &len), -ECONNRESET);
    line.guest[1] = dup(line.host[1]);
    mbox_serial_destroy(guest);

    struct mbox_serial *host = session(line.host[0], true);
    give(line.host[1], "\x7e\x31\x32\x33\x34\x35\x36\x37\x38", 9);
    expect(host, "");
    close(line.host[1]);
    close(line.guest[1]);
    assert_int_equal(mbox_serial_write(host, "x", 1, error, sizeof error),
                     -ECONNRESET);
    assert_string_equal(error, "connection reset by peer");
    mbox_serial_destroy(host);
    close(line.host[0]);
    close(line.guest[0]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_guest_starts_again),
        cmocka_unit_test(test_host_starts_again),
        cmocka_unit_test(test_guest_skips),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests_name("serial lines", tests, NULL, NULL);
}
