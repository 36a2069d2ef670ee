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

/* Heads, bodies and dates of mbox-cache, and the packets that open
 * connections. */

#include <config.h>
#include "cache-test.h"

#include <errno.h>
#include <netinet/tcp.h>
#include "http-body.h"
#include "http-date.h"
#include "proxy-handshake.h"

/* RFC 9112, section 2.1. */
static void
test_head_length(void **state)
{
    static const struct {
        const char *text;
        ssize_t len;
    } cases[] = {
        { "GET / HTTP/1.1\r\nA: b\r\n\r\nbody", 24 },
        { "GET / HTTP/1.1\nA: b\n\nbody", 21 },
        { "GET / HTTP/1.1\r\n\r\n", 18 },
        { "GET / HTTP/1.1\r\nA: b\r\n\r", 0 },
        { "GET / HTTP/1.1\r\nA: b\r\n", 0 },
        { "", 0 },
    };
    char *longest = malloc(HTTP_HEAD_MAX + 1);

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *copy = test_memdup(cases[i].text, strlen(cases[i].text));

        assert_int_equal(http_head_length(copy, strlen(cases[i].text)),
                         cases[i].len);
        free(copy);
    }
    assert_non_null(longest);
    memset(longest, 'a', HTTP_HEAD_MAX + 1);
    assert_int_equal(http_head_length(longest, HTTP_HEAD_MAX - 1), 0);
    assert_int_equal(http_head_length(longest, HTTP_HEAD_MAX), -EMSGSIZE);
    free(longest);

    /* Section 2.2: blank lines before a request are ignored. */
    assert_int_equal(http_blank_lines("\r\n\nGET", 6), 3);
    assert_int_equal(http_blank_lines("\rGET", 4), 0);
}

static void
test_head(void **state)
{
    struct http_head head = test_request(
        "GET /a?b HTTP/1.1\nHost:  example.org \nX-Empty:\n"
        "Connection: close, X-Hop\nX-Hop: 1\nVia: 1.1 a\nVia: 1.0 b");
    size_t n;

    (void) state;
    assert_true(http_string_is(head.method, "GET"));
    assert_true(http_string_is(head.target, "/a?b"));
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.n_fields, 6);
    assert_true(http_string_is(http_head_find(&head, "hOST", NULL)->value,
                               "example.org"));
    assert_int_equal(http_head_find(&head, "X-Empty", NULL)->value.n, 0);
    assert_non_null(http_head_find(&head, "via", &n));
    assert_int_equal(n, 2);
    assert_null(http_head_find(&head, "Vi", NULL));

    /* RFC 9110, section 7.6.1. */
    assert_true(http_is_hop_by_hop(&head, http_head_find(&head, "X-Hop",
                                                         NULL)));
    assert_true(http_is_hop_by_hop(&head, http_head_find(&head, "Connection",
                                                         NULL)));
    assert_false(http_is_hop_by_hop(&head, http_head_find(&head, "Host",
                                                          NULL)));

    /* RFC 9112, section 9.3. */
    assert_false(http_is_persistent(&head));
    http_head_uninit(&head);
    head = test_request("GET / HTTP/1.1\nHost: a");
    assert_true(http_is_persistent(&head));
    http_head_uninit(&head);
    head = test_request("GET / HTTP/1.0");
    assert_false(http_is_persistent(&head));
    http_head_uninit(&head);
    head = test_request("GET / HTTP/1.0\nConnection: Keep-Alive");
    assert_true(http_is_persistent(&head));
    http_head_uninit(&head);
    head = test_response("HTTP/1.0 404 Not here\nServer: x");
    assert_int_equal(head.status, 404);
    assert_int_equal(head.minor, 0);
    http_head_uninit(&head);
}

/* What two programs may read in two ways. */
static void
test_bad_heads(void **state)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        { "GET / HTTP/1.1\nHost : a", -EPROTO },        /* 9112, 5.1. */
        { "GET / HTTP/1.1\nA: b\n c: d", -EPROTO },     /* 9112, 5.2. */
        { "GET / HTTP/1.1\nA: b\rC: d", -EPROTO },      /* 9112, 2.2. */
        { "GET / HTTP/1.1\nA: \001", -EPROTO },
        { "GET / HTTP/1.1\nA\n: b", -EPROTO },
        { "GET  HTTP/1.1\nA: b", -EPROTO },
        { "GET / HTTP/2.0\nA: b", -ENOTSUP },
        { "GETT / HTTP/1.1\nA: b", -ENOTSUP },
        { "POST / HTTP/1.1\nContent-Length: 5\nConnection: content-length",
          -EPROTO },                                    /* 9110, 7.6.1. */
        { "nothing at all", -ENOTSUP },
    };
    struct http_head head;

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int error = test_try_head(&head, true, cases[i].text);

        if (!error) {
            fail_msg("accepted: %s", cases[i].text);
        }
        assert_true(error == cases[i].error || error == -EPROTO);
    }

    char many[HTTP_FIELDS_MAX * 8 + 64] = "GET / HTTP/1.1";
    for (size_t i = 0; i <= HTTP_FIELDS_MAX; i++) {
        strcat(many, "\nA: b");
    }
    assert_int_equal(test_try_head(&head, true, many), -EMSGSIZE);
    strcpy(many, "GET / HTTP/1.1\nConnection: a");
    for (size_t i = 0; i < HTTP_CONNECTION_MAX; i++) {
        strcat(many, ",a");
    }
    assert_int_equal(test_try_head(&head, true, many), -EMSGSIZE);
}

/* RFC 9110, section 5.6.1. */
static void
test_lists(void **state)
{
    static const char text[] = " a , ,\"b,\\\"c\", d=\"e,f\" ,";
    static const char *const members[] = { "a", "\"b,\\\"c\"", "d=\"e,f\"" };
    struct http_string rest = { text, strlen(text) }, member;

    (void) state;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        assert_true(http_list_next(&rest, &member));
        assert_true(http_string_is(member, members[i]));
    }
    assert_false(http_list_next(&rest, &member));
}

/* RFC 9112, section 6.3. */
static void
test_framing(void **state)
{
    static const struct {
        const char *fields;
        const char *method;             /* NULL: a request. */
        int error;
        enum http_framing framing;
        uint64_t left;
    } cases[] = {
        { "A: b", NULL, 0, HTTP_NO_BODY, 0 },
        { "Content-Length: 12", NULL, 0, HTTP_LENGTH, 12 },
        { "Transfer-Encoding: chunked", NULL, 0, HTTP_CHUNKED, 0 },
        { "Transfer-Encoding: gzip, chunked", NULL, -ENOTSUP, 0, 0 },
        { "Transfer-Encoding: xchunked", NULL, -ENOTSUP, 0, 0 },
        { "Content-Length: 12", "GET", 0, HTTP_LENGTH, 12 },
        { "Content-Length: 12", "HEAD", 0, HTTP_NO_BODY, 0 },
        { "A: b", "GET", 0, HTTP_UNTIL_CLOSE, 0 },
        { "A: b", "CONNECT", 0, HTTP_UNTIL_CLOSE, 0 },
        { "Content-Length: 12", "CONNECT", 0, HTTP_UNTIL_CLOSE, 0 },
        { "Transfer-Encoding: chunked", "GET", 0, HTTP_CHUNKED, 0 },
    };
    struct http_body body;

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        const char *method = cases[i].method;
        char text[256];

        snprintf(text, sizeof text, "%s\n%s",
                 method ? "HTTP/1.1 200 OK" : "POST / HTTP/1.1",
                 cases[i].fields);
        head = method ? test_response(text) : test_request(text);
        int error = (method
                     ? http_body_of_response(&body, &head,
                                             (struct http_string) {
                                                 method, strlen(method) })
                     : http_body_of_request(&body, &head));
        assert_int_equal(error, cases[i].error);
        if (!error) {
            assert_int_equal(body.framing, cases[i].framing);
            assert_int_equal(body.left, cases[i].left);
        }
        http_head_uninit(&head);
    }
}

/* Either the head or its length is refused: RFC 9112, section 6.3, items 3 and
 * 5, and section 6.1. */
static void
test_smuggling(void **state)
{
    static const char *const cases[] = {
        "POST / HTTP/1.1\nContent-Length: 3\nTransfer-Encoding: chunked",
        "POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3",
        "POST / HTTP/1.1\nContent-Length: 3\nContent-Length: 4",
        "POST / HTTP/1.1\nContent-Length: 3\nContent-Length: 3",
        "POST / HTTP/1.1\nContent-Length: 3, 3",
        "POST / HTTP/1.1\nContent-Length: -3",
        "POST / HTTP/1.1\nContent-Length: +3",
        "POST / HTTP/1.1\nContent-Length: 0x3",
        "POST / HTTP/1.1\nContent-Length:",
        "POST / HTTP/1.1\nContent-Length: 99999999999999999999",
        "POST / HTTP/1.0\nTransfer-Encoding: chunked",
        "POST / HTTP/1.1\nTransfer-Encoding: chunked\n"
        "Transfer-Encoding: chunked",
        "POST / HTTP/1.1\nTransfer-Encoding: chunked, identity",
        "POST / HTTP/1.1\nTransfer-Encoding: \"chunked\"",
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        struct http_body body;

        if (!test_try_head(&head, true, cases[i])) {
            if (!http_body_of_request(&body, &head)) {
                fail_msg("accepted: %s", cases[i]);
            }
            http_head_uninit(&head);
        }
    }
}

/* Decodes 'text', which comes in pieces of 'step' bytes, to 'out'.  Returns
 * how much of it belongs to the body, or -1. */
static ssize_t
decode(struct http_body *body, const char *text, size_t step, char *out)
{
    size_t n = strlen(text), i = 0;

    while (i < n && !body->done) {
        size_t len = n - i < step ? n - i : step;
        char *copy = test_memdup(text + i, len);
        struct http_string payload;
        ssize_t used = http_body_decode(body, copy, len, &payload);

        if (used < 0) {
            free(copy);
            return -1;
        }
        assert_true(http_body_is_sound(body));
        memcpy(out, payload.s, payload.n);
        out += payload.n;
        i += used;
        free(copy);
    }
    *out = '\0';
    return i;
}

/* RFC 9112, section 7.1. */
static void
test_chunks(void **state)
{
    static const char text[]
        = "4;ext=\"x\"\r\nWiki\r\n0B\r\npedia in \r\n\r\n0\r\n"
          "Trailer: x\r\n\r\nnext";
    static const char *const bad[] = {
        "x\r\n", "\r\n", "4\nWiki", "4\r\nWikix", "4\r\nWiki\rx",
        "4\r\nWiki\n", "-4\r\n", "fffffffffffffffff\r\n", "4 ;\n",
        "0\r\nA\n", "0\r\n\rx", "0\r\nA: b\rx",
    };
    char out[64];

    (void) state;
    for (size_t step = 1; step < sizeof text; step++) {
        struct http_body body = { .framing = HTTP_CHUNKED };

        assert_int_equal(decode(&body, text, step, out),
                         strlen(text) - strlen("next"));
        assert_true(body.done);
        assert_string_equal(out, "Wikipedia in \r\n");
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_body body = { .framing = HTTP_CHUNKED };

        if (decode(&body, bad[i], 1, out) >= 0) {
            fail_msg("accepted: %s", bad[i]);
        }
    }

    /* What comes without any payload is bounded. */
    struct http_body body = { .framing = HTTP_CHUNKED };
    struct http_string payload;
    ssize_t n = 0;
    assert_int_equal(http_body_decode(&body, "1;", 2, &payload), 2);
    for (int i = 0; i < 10000 && n >= 0; i++) {
        n = http_body_decode(&body, "x", 1, &payload);
    }
    assert_int_equal(n, -EPROTO);
}

static void
test_length(void **state)
{
    struct http_body body = { .framing = HTTP_LENGTH, .left = 5 };
    char out[16];

    (void) state;
    assert_int_equal(decode(&body, "helloGET", 3, out), 5);
    assert_string_equal(out, "hello");
    assert_true(body.done);
}

/* RFC 9110, section 5.6.7. */
static void
test_dates(void **state)
{
    static const char *const same[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    static const char *const bad[] = {
        "", "0", "-1", "Sun, 06 Nov 1994 08:49:37", "tomorrow",
        "Sun, 06 Nov 1994 08:49:37 GMT and more",
    };
    const int64_t now = 1800000000;     /* In 2027. */
    char buf[HTTP_DATE_SIZE];
    int64_t date;

    (void) state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_true(http_date_parse((struct http_string) {
            same[i], strlen(same[i]) }, now, &date));
        assert_int_equal(date, 784111777);
    }
    http_date_format(date, buf);
    assert_string_equal(buf, same[0]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(http_date_parse((struct http_string) {
            bad[i], strlen(bad[i]) }, now, &date));
    }

    /* "more than 50 years in the future" is the past. */
    static const char near[] = "Friday, 01-Jan-77 00:00:00 GMT";
    static const char far[] = "Saturday, 01-Jan-78 00:00:00 GMT";
    assert_true(http_date_parse((struct http_string) { near, strlen(near) },
                                now, &date));
    assert_true(date > now);
    assert_true(http_date_parse((struct http_string) { far, strlen(far) },
                                now, &date));
    assert_true(date < now);
}

/* Opening of connections. */

static struct proxy_syn
make_syn(const struct mbox_key *key, uint32_t seq, uint32_t ack,
         uint8_t flags, const uint8_t *options, size_t n)
{
    uint8_t packet[TCP_REPAIR_SEGMENT_MAX + 40] = { 0 };
    struct proxy_syn syn = { .len = 0 };
    size_t len = tcp_repair_make_segment(key, seq, ack, flags, 1000, packet);

    packet[len - 20 + 12] = (20 + n) / 4 << 4;
    memcpy(packet + len, options, n);
    proxy_syn_keep(&syn, packet, len + n);
    return syn;
}

/* Only what both ends offer is used: RFC 9293, RFC 7323, RFC 2018. */
static void
test_handshake(void **state)
{
    static const uint8_t all[] = {
        2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7,
    };
    static const uint8_t few[] = { 2, 4, 0x02, 0x18 };
    static const uint8_t cut[] = { 1, 1, 2, 8 };
    struct mbox_key key = {
        .src = { [15] = 1 }, .dst = { [15] = 2 }, .src_port = 1000,
        .dst_port = 80, .family = 6, .proto = IPPROTO_TCP,
        .vlan = MBOX_VLAN_NONE,
    }, back;

    (void) state;
    for (int family = 4; family <= 6; family += 2) {
        struct tcp_repair tcp;

        key.family = family;
        mbox_key_reverse(&key, &back);
        struct proxy_syn syn = make_syn(&key, 100, 0, TH_SYN, all,
                                        sizeof all);
        struct proxy_syn ack = make_syn(&back, 0xffffffff, 101,
                                        TH_SYN | TH_ACK, all, sizeof all);
        assert_true(syn.len > 0);
        assert_true(proxy_syn_open(&ack, &syn, &tcp));
        assert_int_equal(tcp.snd_seq, 0);
        assert_int_equal(tcp.rcv_seq, 101);
        assert_int_equal(tcp.mss, 1460);
        assert_true(tcp.has_sack && tcp.has_wscale && tcp.has_timestamps);
        assert_int_equal(tcp.snd_wscale, 7);
        assert_int_equal(tcp.timestamp, 9);

        ack = make_syn(&back, 5, 101, TH_SYN | TH_ACK, few, sizeof few);
        assert_true(proxy_syn_open(&syn, &ack, &tcp));
        assert_int_equal(tcp.mss, 536);
        assert_false(tcp.has_sack || tcp.has_wscale || tcp.has_timestamps);
        assert_int_equal(tcp.snd_wscale, 0);

        ack = make_syn(&back, 5, 101, TH_SYN | TH_ACK, cut, sizeof cut);
        assert_true(proxy_syn_open(&syn, &ack, &tcp));

        /* An acknowledgment of something else. */
        ack = make_syn(&back, 5, 102, TH_SYN | TH_ACK, few, sizeof few);
        assert_false(proxy_syn_open(&syn, &ack, &tcp));
        ack = make_syn(&back, 5, 101, TH_ACK, few, sizeof few);
        assert_int_equal(ack.len, 0);
        assert_false(proxy_syn_open(&syn, &ack, &tcp));
    }
}

/* The segments that are made say what they should. */
static void
test_bare_segments(void **state)
{
    struct mbox_key key = {
        .src = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
        .dst = { [10] = 0xff, 0xff, 10, 0, 0, 2 }, .src_port = 1000,
        .dst_port = 80, .family = 4, .proto = IPPROTO_TCP,
        .vlan = MBOX_VLAN_NONE,
    };
    const struct tcp_repair tcp = {
        .snd_seq = 7, .rcv_seq = 0xfffffffe, .n_rcv = 3, .snd_wnd = 1 << 20,
        .snd_wscale = 7,
    };
    uint8_t packet[TCP_REPAIR_SEGMENT_MAX];
    struct proxy_segment s;

    (void) state;
    assert_true(proxy_segment_read(&s, packet,
                                   tcp_repair_make_fin(&key, &tcp, packet)));
    assert_memory_equal(&s.key, &key, sizeof key);
    assert_int_equal(s.seq, 1);
    assert_int_equal(s.ack, 7);
    assert_int_equal(s.window, 1 << 13);
    assert_int_equal(s.flags, TH_FIN | TH_ACK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_length),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_bad_heads),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_smuggling),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_bare_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
