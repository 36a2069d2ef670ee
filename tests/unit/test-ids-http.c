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

/* HTTP requests are read alike in whatever pieces, and wherever the state
 * moves. */

#include <config.h>
#include "ids-test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ids-http.h"
#include "mbox-wire.h"

struct result {
    char text[8192];
    size_t len;
};

static void
on_request(void *result_, const struct ids_http_request *r, uint32_t index)
{
    struct result *result = result_;

    result->len += snprintf(result->text + result->len,
                            sizeof result->text - result->len,
                            "%u %s %.40s 1.%u %s %s%s\n", index, r->method,
                            r->uri, r->minor_version,
                            r->host ? r->host : "-",
                            r->user_agent ? r->user_agent : "-",
                            r->truncated ? " truncated" : "");
}

/* Exports and imports the parser. */
static struct ids_http *
move(struct ids_http *http)
{
    struct mbox_writer w;
    struct mbox_reader r;
    struct ids_http *copy;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    ids_http_export(http, &w);
    ids_http_destroy(http);
    mbox_reader_init(&r, w.data, w.len);
    assert_int_equal(ids_http_import(&r, &copy), 0);
    assert_int_equal(mbox_reader_finish(&r), 0);
    mbox_writer_uninit(&w);
    return copy;
}

/* Parses 'text' in pieces of 'piece' bytes, the first of 'first' bytes. */
static void
run(const char *text, size_t len, size_t first, size_t piece, bool moves,
    struct result *result)
{
    struct ids_http *http = ids_http_create();
    size_t n = first;

    result->len = 0;
    result->text[0] = '\0';
    for (size_t ofs = 0; ofs < len; ofs += n, n = piece) {
        n = n < len - ofs ? n : len - ofs;

        char *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, text + ofs, n);
        bool more = ids_http_parse(http, copy, n, on_request, result);
        free(copy);
        if (!more) {
            strcat(result->text, "stop\n");
            break;
        }
        if (moves) {
            http = move(http);
        }
    }
    ids_http_destroy(http);
}

static void
check(const char *text, const char *expected)
{
    struct result result;
    size_t len = strlen(text);

    run(text, len, len, len, false, &result);
    assert_string_equal(result.text, expected);
    for (size_t i = 1; i < len; i++) {
        run(text, len, i, len, true, &result);
        assert_string_equal(result.text, expected);
    }
    for (size_t piece = 1; piece < 8; piece++) {
        run(text, len, piece, piece, true, &result);
        assert_string_equal(result.text, expected);
    }
}

static void
requests(void **state)
{
    (void) state;
    check("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: b c \r\n\r\n"
          "\r\nHEAD /x HTTP/1.0\n\n",
          "0 GET / 1.1 a b c\n1 HEAD /x 1.0 - -\n");
    check("POST /u HTTP/1.1\r\ncontent-length: 5\r\nHOST:h\r\n\r\nGET \n"
          "GET /2 HTTP/1.1\r\n\r\n",
          "0 POST /u 1.1 h -\n1 GET /2 1.1 - -\n");
    check("PUT /c HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
          "a;ext=1\r\n0123456789\r\n1\r\n\n\r\n0\r\nTrailer: x\r\n\r\n"
          "GET /2 HTTP/1.1\r\n\r\n",
          "0 PUT /c 1.1 - -\n1 GET /2 1.1 - -\n");
    check("M-SEARCH * HTTP/1.1\r\nbroken line\r\n\r\n",
          "0 M-SEARCH * 1.1 - -\n");
    check("GET /a b HTTP/1.1\r\n\r\n", "0 GET /a b 1.1 - -\n");
}

static void
not_followed_any_more(void **state)
{
    (void) state;
    check("SSH-2.0-OpenSSH\r\n", "stop\n");
    check("hello", "stop\n");
    check("\x16\x03\x01", "stop\n");
    check("GET /x\r\n", "stop\n");
    check("GET /x HTTP/2.0\r\n", "stop\n");
    check("CONNECT h:443 HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
          "0 CONNECT h:443 1.1 - -\nstop\n");
    check("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x05",
          "0 GET /ws 1.1 - -\nstop\n");
    check("POST / HTTP/1.1\r\nContent-Length: 5x\r\n\r\n", "stop\n");
    check("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
          "stop\n");
    check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
          "0 POST / 1.1 - -\nstop\n");
    check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
          "0 POST / 1.1 - -\nstop\n");
}

static void
long_lines_are_cut(void **state)
{
    size_t n = 3 * IDS_HTTP_MAX_LINE;
    char *text = calloc(1, n + 1000);
    struct result result;
    char *p;

    (void) state;
    assert_non_null(text);
    p = stpcpy(text, "GET /");
    memset(p, 'x', n);
    p = stpcpy(p + n, " HTTP/1.1\r\nHost: h\r\nA: ");
    strcpy(p, "\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    for (size_t piece = 1; piece < 20000; piece += 997) {
        run(text, strlen(text), piece, piece, true, &result);
        assert_string_equal(result.text,
                            "0 GET /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                            " 1.0 h - truncated\n1 GET /2 1.1 - -\n");
    }
    free(text);
}

static void
hostile_state(void **state)
{
    static const char text[] = "POST /x HTTP/1.1\r\nHost: a\r\n"
                               "Content-Length: 9\r\nUser-Ag";
    struct rng rng = { 9 };
    int n_ok = 0;

    (void) state;
    for (int i = 0; i < 100000; i++) {
        struct ids_http *http = ids_http_create();
        struct result result = { .len = 0 };
        struct mbox_writer w;
        struct mbox_reader r;

        ids_http_parse(http, text, rng_range(&rng, sizeof text), on_request,
                       &result);
        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        ids_http_export(http, &w);
        ids_http_destroy(http);
        for (int j = rng_range(&rng, 3); j >= 0; j--) {
            w.data[rng_range(&rng, w.len)] = rng_u32(&rng);
        }

        size_t len = rng_range(&rng, 4) ? w.len : rng_range(&rng, w.len);
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, w.data, len);
        mbox_reader_init(&r, copy, len);
        if (!ids_http_import(&r, &http)) {
            n_ok++;
            ids_http_parse(http, "ent: b\r\n\r\n123456789GET / HTTP/1.1\r\n",
                           36, on_request, &result);
            ids_http_destroy(http);
        }
        free(copy);
        mbox_writer_uninit(&w);
    }
    assert_true(n_ok > 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(not_followed_any_more),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(hostile_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
