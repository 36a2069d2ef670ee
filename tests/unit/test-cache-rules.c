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

/* The rules of RFC 9111, section by section, at fixed times. */

#include <config.h>
#include "cache-test.h"

#include "cache-control.h"
#include "cache-rules.h"
#include "http-date.h"

#define T0 INT64_C(1800000000)  /* Fri, 15 Jan 2027 08:00:00 GMT. */
#define DATE "\nDate: Fri, 15 Jan 2027 08:00:00 GMT"
#define AN_HOUR_BEFORE "Fri, 15 Jan 2027 07:00:00 GMT"
#define AN_HOUR_AFTER "Fri, 15 Jan 2027 09:00:00 GMT"

static const struct cache_times at_t0 = { T0, T0 };

/* Section 3. */
static void
test_store(void **state)
{
    static const struct {
        const char *request, *response;         /* Without first lines. */
        unsigned int status;
        bool store;
    } cases[] = {
        /* 3: understood, and cacheable by heuristics (4.2.2). */
        { "", "", 200, true },
        { "", "", 404, true },
        { "", "", 302, false },
        { "", "\nCache-Control: max-age=1", 302, true },
        { "", "\nExpires: 0", 302, true },
        { "", "\nCache-Control: public", 302, true },
        { "", "\nCache-Control: max-age=1", 206, false },       /* 3.3. */
        { "", "\nCache-Control: max-age=1", 304, false },
        { "", "\nCache-Control: max-age=1", 400, false },
        { "", "\nCache-Control: max-age=1", 403, true },
        { "", "\nCache-Control: max-age=1", 416, false },
        { "", "\nCache-Control: max-age=1", 431, false },
        { "", "\nCache-Control: max-age=1", 500, true },
        { "", "", 500, false },
        /* 5.2.1.5, 5.2.2.5. */
        { "\nCache-Control: no-store", "\nCache-Control: max-age=1", 200,
          false },
        { "", "\nCache-Control: max-age=1, no-store", 200, false },
        { "", "\nCache-Control: max-age=1\nCache-Control: NO-STORE", 200,
          false },
        { "", "\nCache-Control: x=\"no-store\"", 200, true },
        /* 5.2.2.7, with and without names of fields. */
        { "", "\nCache-Control: private, max-age=1", 200, false },
        { "", "\nCache-Control: private=\"X-A\", max-age=1", 200, false },
        /* 3.5. */
        { "\nAuthorization: a", "\nCache-Control: max-age=1", 200, false },
        { "\nAuthorization: a", "\nCache-Control: s-maxage=1", 200, true },
        { "\nAuthorization: a", "\nCache-Control: public", 200, true },
        { "\nAuthorization: a", "\nCache-Control: must-revalidate", 200,
          true },
        /* 4.1. */
        { "", "\nVary: *\nCache-Control: max-age=1", 200, false },
        { "", "\nVary: Accept, *\nCache-Control: max-age=1", 200, false },
        /* 7.3: nothing was said, but it has a cookie. */
        { "", "\nSet-Cookie: a=b", 200, false },
        { "", "\nSet-Cookie: a=b\nCache-Control: max-age=1", 200, true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];

        snprintf(text, sizeof text, "GET / HTTP/1.1\nHost: a%s",
                 cases[i].request);
        struct http_head request = test_request(text);
        snprintf(text, sizeof text, "HTTP/1.1 %u x\nServer: a%s",
                 cases[i].status, cases[i].response);
        struct http_head response = test_response(text);
        if (cache_may_store(&request, &response) != cases[i].store) {
            fail_msg("case %zu: %s", i, text);
        }
        http_head_uninit(&request);
        http_head_uninit(&response);
    }

    static const char *const methods[] = { "POST", "HEAD", "PUT" };
    struct http_head response = test_response(
        "HTTP/1.1 200 OK\nCache-Control: max-age=1");
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char text[64];

        snprintf(text, sizeof text, "%s / HTTP/1.1\nHost: a", methods[i]);
        struct http_head request = test_request(text);
        assert_false(cache_may_store(&request, &response));
        http_head_uninit(&request);
    }
    http_head_uninit(&response);
}

/* Section 4.2.1. */
static void
test_lifetime(void **state)
{
    static const struct {
        const char *fields;
        int64_t lifetime;
    } cases[] = {
        { DATE "\nCache-Control: s-maxage=5, max-age=9\nExpires: "
          AN_HOUR_AFTER, 5 },
        { DATE "\nCache-Control: max-age=9\nExpires: " AN_HOUR_AFTER, 9 },
        { DATE "\nExpires: " AN_HOUR_AFTER, 3600 },
        { "\nExpires: " AN_HOUR_AFTER, 3600 },
        { DATE "\nExpires: " AN_HOUR_BEFORE, 0 },
        { DATE "\nExpires: 0", 0 },                             /* 5.3. */
        { DATE "\nExpires: soon\nLast-Modified: " AN_HOUR_BEFORE, 0 },
        { DATE "\nCache-Control: max-age=\"9\"", 9 },
        { DATE "\nCache-Control: max-age=x", 0 },
        { DATE "\nCache-Control: max-age=-1", 0 },
        { DATE "\nCache-Control: max-age=9, max-age=7", 9 },
        { DATE "\nCache-Control: max-age=99999999999999999999",
          INT64_C(0x80000000) },                                /* 1.2.2. */
        { DATE "\nCache-Control: max-age=9\nExpires: 0", 9 },
        /* 4.2.2. */
        { DATE "\nLast-Modified: " AN_HOUR_BEFORE, 360 },
        { DATE "\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT", 86400 },
        { DATE "\nLast-Modified: " AN_HOUR_AFTER, 0 },
        { DATE, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];

        snprintf(text, sizeof text, "HTTP/1.1 200 OK\nServer: a%s",
                 cases[i].fields);
        struct http_head response = test_response(text);
        int64_t lifetime = cache_lifetime(&response, &at_t0);
        if (lifetime != cases[i].lifetime) {
            fail_msg("%s: %lld", text, (long long) lifetime);
        }
        http_head_uninit(&response);
    }
}

/* Section 4.2.3. */
static void
test_age(void **state)
{
    static const struct {
        const char *fields;
        int64_t request, response, now, age;
    } cases[] = {
        { DATE, T0, T0, T0, 0 },
        { DATE, T0, T0, T0 + 10, 10 },
        { DATE, T0 + 5, T0 + 7, T0 + 10, 10 },          /* Apparent: 7. */
        { DATE "\nAge: 100", T0, T0, T0 + 10, 110 },
        { DATE "\nAge: 100", T0 - 4, T0, T0, 104 },     /* Response delay. */
        { DATE "\nAge: 1", T0 + 40, T0 + 50, T0 + 50, 50 },
        { "", T0 - 2, T0, T0 + 1, 3 },
        { DATE, T0 - 60, T0 - 60, T0, 60 },             /* A slow clock. */
        { DATE, T0, T0, T0 - 60, 0 },                   /* It was set back. */
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct cache_times times = { cases[i].request,
                                           cases[i].response };
        char text[256];

        snprintf(text, sizeof text, "HTTP/1.1 200 OK\nServer: a%s",
                 cases[i].fields);
        struct http_head response = test_response(text);
        int64_t age = cache_age(&response, &times, cases[i].now);
        if (age != cases[i].age) {
            fail_msg("case %zu: %lld", i, (long long) age);
        }
        http_head_uninit(&response);
    }
}

/* Section 4. */
static void
test_use(void **state)
{
    static const struct {
        const char *request, *response;
        int64_t later;
        bool use;
    } cases[] = {
        { "", "max-age=10", 9, true },
        { "", "max-age=10", 10, false },                /* 4.2. */
        { "", "max-age=10, no-cache", 0, false },       /* 5.2.2.4. */
        { "", "max-age=10, no-cache=\"A\"", 0, false },
        { "\nCache-Control: no-cache", "max-age=10", 0, false }, /* 5.2.1.4. */
        { "\nPragma: no-cache", "max-age=10", 0, false },       /* 5.4. */
        { "\nPragma: no-cache\nCache-Control: max-age=5", "max-age=10", 0,
          true },
        { "\nCache-Control: max-age=5", "max-age=10", 5, true },
        { "\nCache-Control: max-age=5", "max-age=10", 6, false },
        { "\nCache-Control: max-age=0", "max-age=10", 1, false },
        { "\nCache-Control: min-fresh=5", "max-age=10", 5, true },
        { "\nCache-Control: min-fresh=5", "max-age=10", 6, false },
        /* 5.2.1.2, 4.2.4. */
        { "\nCache-Control: max-stale=5", "max-age=10", 15, true },
        { "\nCache-Control: max-stale=5", "max-age=10", 16, false },
        { "\nCache-Control: max-stale", "max-age=10", 100000, true },
        { "\nCache-Control: max-stale", "max-age=10, must-revalidate", 11,
          false },
        { "\nCache-Control: max-stale", "max-age=10, proxy-revalidate", 11,
          false },
        { "\nCache-Control: max-stale", "s-maxage=10", 11, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];

        snprintf(text, sizeof text, "GET / HTTP/1.1\nHost: a%s",
                 cases[i].request);
        struct http_head request = test_request(text);
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\nCache-Control: %s"
                 DATE, cases[i].response);
        struct http_head response = test_response(text);
        if (cache_may_use(&request, &response, &at_t0, T0 + cases[i].later)
            != cases[i].use) {
            fail_msg("case %zu: %s", i, text);
        }
        http_head_uninit(&request);
        http_head_uninit(&response);
    }
}

/* Section 4.3.2; RFC 9110, sections 13.1 and 13.2.2. */
static void
test_conditions(void **state)
{
    static const struct {
        const char *request, *response;
        bool not_modified;
    } cases[] = {
        { "", "ETag: \"a\"", false },
        { "\nIf-None-Match: \"a\"", "ETag: \"a\"", true },
        { "\nIf-None-Match: \"b\", \"a\"", "ETag: \"a\"", true },
        { "\nIf-None-Match: \"b\"\nIf-None-Match: \"a\"", "ETag: \"a\"",
          true },
        { "\nIf-None-Match: \"b\"", "ETag: \"a\"", false },
        { "\nIf-None-Match: \"A\"", "ETag: \"a\"", false },
        { "\nIf-None-Match: W/\"a\"", "ETag: \"a\"", true },
        { "\nIf-None-Match: \"a\"", "ETag: W/\"a\"", true },
        { "\nIf-None-Match: *", "Server: x", true },
        { "\nIf-None-Match: \"a,b\"", "ETag: \"a,b\"", true },
        /* If-None-Match comes first. */
        { "\nIf-None-Match: \"b\"\nIf-Modified-Since: " AN_HOUR_AFTER,
          "ETag: \"a\"\nLast-Modified: " AN_HOUR_BEFORE, false },
        { "\nIf-Modified-Since: " AN_HOUR_BEFORE,
          "Last-Modified: " AN_HOUR_BEFORE, true },
        { "\nIf-Modified-Since: " AN_HOUR_BEFORE,
          "Last-Modified: " AN_HOUR_AFTER, false },
        { "\nIf-Modified-Since: yesterday",
          "Last-Modified: " AN_HOUR_BEFORE, false },
        { "\nIf-Modified-Since: " AN_HOUR_AFTER, "Server: x" DATE, true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];

        snprintf(text, sizeof text, "GET / HTTP/1.1\nHost: a%s",
                 cases[i].request);
        struct http_head request = test_request(text);
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\n%s",
                 cases[i].response);
        struct http_head response = test_response(text);
        if (cache_is_not_modified(&request, &response, T0)
            != cases[i].not_modified) {
            fail_msg("case %zu", i);
        }
        http_head_uninit(&request);
        http_head_uninit(&response);
    }
}

/* RFC 9110, sections 14.1.2, 14.2 and 13.1.5. */
static void
test_ranges(void **state)
{
    static const struct {
        const char *range;
        uint64_t len;
        enum cache_part part;
        uint64_t first, last;
    } cases[] = {
        { "bytes=0-499", 1000, CACHE_PART, 0, 499 },
        { "bytes=500-", 1000, CACHE_PART, 500, 999 },
        { "bytes=-500", 1000, CACHE_PART, 500, 999 },
        { "bytes=-5000", 1000, CACHE_PART, 0, 999 },
        { "bytes=999-5000", 1000, CACHE_PART, 999, 999 },
        { "Bytes=0-0", 1000, CACHE_PART, 0, 0 },
        { "bytes=1000-", 1000, CACHE_NO_PART, 0, 0 },
        { "bytes=-0", 1000, CACHE_NO_PART, 0, 0 },
        { "bytes=-1", 0, CACHE_NO_PART, 0, 0 },
        { "bytes=0-", 0, CACHE_NO_PART, 0, 0 },
        { "bytes=5-4", 1000, CACHE_WHOLE, 0, 0 },
        { "bytes=0-1, 3-4", 1000, CACHE_WHOLE, 0, 0 },
        { "bytes=a-b", 1000, CACHE_WHOLE, 0, 0 },
        { "bytes=-", 1000, CACHE_WHOLE, 0, 0 },
        { "bytes=", 1000, CACHE_WHOLE, 0, 0 },
        { "lines=0-1", 1000, CACHE_WHOLE, 0, 0 },
        { "bytes=0-1\nRange: bytes=2-3", 1000, CACHE_WHOLE, 0, 0 },
        { "bytes=0-1\nIf-Range: \"a\"", 1000, CACHE_PART, 0, 1 },
        { "bytes=0-1\nIf-Range: \"b\"", 1000, CACHE_WHOLE, 0, 0 },
        { "bytes=0-1\nIf-Range: W/\"a\"", 1000, CACHE_WHOLE, 0, 0 },
        { "bytes=0-1\nIf-Range: " AN_HOUR_BEFORE, 1000, CACHE_PART, 0, 1 },
        { "bytes=0-1\nIf-Range: " AN_HOUR_AFTER, 1000, CACHE_WHOLE, 0, 0 },
    };
    struct http_head response = test_response(
        "HTTP/1.1 200 OK\nETag: \"a\"\nLast-Modified: " AN_HOUR_BEFORE DATE);

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t first = 0, last = 0;
        char text[256];

        snprintf(text, sizeof text, "GET / HTTP/1.1\nHost: a\nRange: %s",
                 cases[i].range);
        struct http_head request = test_request(text);
        enum cache_part part = cache_part(&request, &response, T0,
                                          cases[i].len, &first, &last);
        if (part != cases[i].part
            || (part == CACHE_PART && (first != cases[i].first
                                       || last != cases[i].last))) {
            fail_msg("%s: %d %llu %llu", cases[i].range, part,
                     (unsigned long long) first, (unsigned long long) last);
        }
        http_head_uninit(&request);
    }
    http_head_uninit(&response);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_use),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
