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
#include "cache-rules.h"

#include <string.h>
#include <strings.h>
#include "cache-control.h"
#include "http-date.h"

#define VARY_MAX 32             /* Fields that Vary names. */
#define HEURISTIC_MAX 86400     /* s. */
#define HEURISTIC_SHARE 10      /* One tenth of the time since a change. */

static bool
get_date(const struct http_head *head, const char *name, int64_t now,
         int64_t *date)
{
    const struct http_field *field = http_head_find(head, name, NULL);

    return field && http_date_parse(field->value, now, date);
}

/* Storing. */

/* RFC 9110, section 15.1, without 206. */
static bool
is_heuristically_cacheable(unsigned int status)
{
    static const uint16_t statuses[] = {
        200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501,
    };

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (status == statuses[i]) {
            return true;
        }
    }
    return false;
}

/* Statuses that tell of how something was asked for, in fields that the URI
 * does not have: one client must not have others get them. */
static bool
is_about_request(unsigned int status)
{
    return (status == 400 || status == 408 || status == 412 || status == 413
            || status == 416 || status == 417 || status == 431);
}

/* Section 3.5. */
static bool
may_store_authorized(const struct cache_control *cc)
{
    return cc->must_revalidate || cc->is_public || cc->has_s_maxage;
}

bool
cache_has_good_vary(const struct http_head *response)
{
    return (!http_head_has_token(response, "Vary", "*")
            && http_head_count(response, "Vary") <= VARY_MAX);
}

bool
cache_may_store(const struct http_head *request,
                const struct http_head *response)
{
    struct cache_control asked, cc;

    cache_control_parse(&asked, request);
    cache_control_parse(&cc, response);
    if (!http_string_is(request->method, "GET")
        || response->status < 200 || response->status == 206
        || response->status == 304 || is_about_request(response->status)
        || asked.no_store || cc.no_store || cc.is_private
        || !cache_has_good_vary(response)
        || (http_head_find(request, "Authorization", NULL)
            && !may_store_authorized(&cc))) {
        return false;
    }
    if (cc.is_public || cc.has_s_maxage || cc.has_max_age
        || http_head_find(response, "Expires", NULL)) {
        return true;
    }

    /* Without a word from the origin, what has cookies is somebody's own. */
    return (is_heuristically_cacheable(response->status)
            && !http_head_find(response, "Set-Cookie", NULL));
}

/* Freshness. */

static int64_t
date_value(const struct http_head *response, const struct cache_times *times)
{
    int64_t date;

    return (get_date(response, "Date", times->response, &date)
            ? date : times->response);
}

int64_t
cache_lifetime(const struct http_head *response,
               const struct cache_times *times)
{
    const struct http_field *expires = http_head_find(response, "Expires",
                                                      NULL);
    int64_t date = date_value(response, times);
    struct cache_control cc;
    int64_t value;

    cache_control_parse(&cc, response);
    if (cc.has_s_maxage) {
        return cc.s_maxage;
    } else if (cc.has_max_age) {
        return cc.max_age;
    } else if (expires) {
        /* What is no date has expired (section 5.3). */
        return (http_date_parse(expires->value, times->response, &value)
                && value > date ? value - date : 0);
    } else if (is_heuristically_cacheable(response->status)
               && get_date(response, "Last-Modified", times->response,
                           &value)
               && value < date) {
        value = (date - value) / HEURISTIC_SHARE;
        return value < HEURISTIC_MAX ? value : HEURISTIC_MAX;
    }
    return 0;
}

int64_t
cache_age(const struct http_head *response, const struct cache_times *times,
          int64_t now)
{
    const struct http_field *field = http_head_find(response, "Age", NULL);
    int64_t apparent = times->response - date_value(response, times);
    int64_t corrected = ((field ? cache_parse_seconds(field->value) : 0)
                         + (times->response - times->request));
    int64_t initial = apparent > corrected ? apparent : corrected;
    int64_t resident = now - times->response;

    return (initial > 0 ? initial : 0) + (resident > 0 ? resident : 0);
}

bool
cache_may_use(const struct http_head *request,
              const struct http_head *response,
              const struct cache_times *times, int64_t now)
{
    int64_t age = cache_age(response, times, now);
    int64_t left = cache_lifetime(response, times) - age;
    struct cache_control asked, cc;

    cache_control_parse(&asked, request);
    cache_control_parse(&cc, response);
    if (cc.no_cache || asked.no_cache
        || (asked.has_max_age && age > asked.max_age)
        || (asked.has_min_fresh && left < asked.min_fresh)) {
        return false;
    }

    /* Section 5.4. */
    if (!http_head_find(request, "Cache-Control", NULL)
        && http_head_has_token(request, "Pragma", "no-cache")) {
        return false;
    }
    if (left > 0) {
        return true;
    }

    /* Section 4.2.4: stale. */
    return (asked.has_max_stale && -left <= asked.max_stale
            && !cc.must_revalidate && !cc.proxy_revalidate
            && !cc.has_s_maxage);
}

/* Conditions. */

bool
cache_has_validator(const struct http_head *response)
{
    return (http_head_find(response, "ETag", NULL)
            || http_head_find(response, "Last-Modified", NULL));
}

/* RFC 9110, section 8.8.3.2: the weak comparison ignores "W/". */
static bool
etags_match(struct http_string a, struct http_string b, bool strong)
{
    bool a_weak = a.n > 2 && !memcmp(a.s, "W/", 2);
    bool b_weak = b.n > 2 && !memcmp(b.s, "W/", 2);

    if (strong && (a_weak || b_weak)) {
        return false;
    }
    a.s += a_weak ? 2 : 0;
    a.n -= a_weak ? 2 : 0;
    b.s += b_weak ? 2 : 0;
    b.n -= b_weak ? 2 : 0;
    return a.n >= 2 && http_strings_equal(a, b);
}

/* Whether a field If-None-Match names the response. */
static bool
is_named(const struct http_head *request, const struct http_field *etag)
{
    for (size_t i = 0; i < request->n_fields; i++) {
        struct http_string rest = request->fields[i].value, member;

        if (!http_string_is_nocase(request->fields[i].name,
                                   "If-None-Match")) {
            continue;
        }
        while (http_list_next(&rest, &member)) {
            if (http_string_is(member, "*")
                || (etag && etags_match(member, etag->value, false))) {
                return true;
            }
        }
    }
    return false;
}

bool
cache_is_not_modified(const struct http_head *request,
                      const struct http_head *response, int64_t now)
{
    int64_t since, modified;

    if (http_head_find(request, "If-None-Match", NULL)) {
        return is_named(request, http_head_find(response, "ETag", NULL));
    }
    return (get_date(request, "If-Modified-Since", now, &since)
            && (get_date(response, "Last-Modified", now, &modified)
                || get_date(response, "Date", now, &modified))
            && modified <= since);
}

/* RFC 9110, section 13.1.5: true without If-Range, too. */
static bool
if_range_holds(const struct http_head *request,
               const struct http_head *response, int64_t now)
{
    const struct http_field *field = http_head_find(request, "If-Range",
                                                    NULL);
    const struct http_field *etag = http_head_find(response, "ETag", NULL);
    int64_t wanted, modified, date;

    if (!field) {
        return true;
    }
    if (http_date_parse(field->value, now, &wanted)) {
        /* As a strong validator (section 8.8.2.2). */
        return (get_date(response, "Last-Modified", now, &modified)
                && get_date(response, "Date", now, &date)
                && modified == wanted && date - modified >= 60);
    }
    return etag && etags_match(field->value, etag->value, true);
}

/* Parses "first-last", "first-" or "-suffix". */
static bool
parse_range(struct http_string spec, uint64_t len, uint64_t *first,
            uint64_t *last, enum cache_part *part)
{
    const char *dash = memchr(spec.s, '-', spec.n);

    if (!dash) {
        return false;
    }
    struct http_string a = { spec.s, dash - spec.s };
    struct http_string b = { dash + 1, spec.n - a.n - 1 };

    if (!a.n) {
        uint64_t suffix;

        if (!http_parse_number(b, &suffix)) {
            return false;
        }
        *first = suffix < len ? len - suffix : 0;
        *last = len - 1;
        *part = suffix && len ? CACHE_PART : CACHE_NO_PART;
        return true;
    }
    *last = UINT64_MAX;
    if (!http_parse_number(a, first) || (b.n && !http_parse_number(b, last))
        || *last < *first) {
        return false;
    }
    *part = *first < len ? CACHE_PART : CACHE_NO_PART;
    *last = *last < len ? *last : len - 1;
    return true;
}

enum cache_part
cache_part(const struct http_head *request, const struct http_head *response,
           int64_t now, uint64_t len, uint64_t *first, uint64_t *last)
{
    static const char unit[] = "bytes=";
    size_t n;
    const struct http_field *field = http_head_find(request, "Range", &n);
    enum cache_part part = CACHE_WHOLE;

    if (n == 1 && response->status == 200
        && http_string_is(request->method, "GET")
        && field->value.n > strlen(unit)
        && !strncasecmp(field->value.s, unit, strlen(unit))
        && if_range_holds(request, response, now)) {
        struct http_string rest = {
            field->value.s + strlen(unit), field->value.n - strlen(unit)
        };
        struct http_string spec, second;

        if (http_list_next(&rest, &spec) && !http_list_next(&rest, &second)
            && !parse_range(spec, len, first, last, &part)) {
            return CACHE_WHOLE;
        }
    }
    return part;
}

/* Changes. */

bool
cache_is_unsafe(struct http_string method)
{
    return (!http_string_is(method, "GET") && !http_string_is(method, "HEAD")
            && !http_string_is(method, "OPTIONS")
            && !http_string_is(method, "TRACE"));
}

bool
cache_field_is_updated(const struct http_head *not_modified,
                       const struct http_field *field)
{
    static const char *const of_content[] = {
        "Content-Encoding", "Content-Length", "Content-Range",
        "Content-Type",
    };

    for (size_t i = 0; i < sizeof of_content / sizeof of_content[0]; i++) {
        if (http_string_is_nocase(field->name, of_content[i])) {
            return false;
        }
    }
    return !http_is_hop_by_hop(not_modified, field);
}

bool
cache_may_keep(const struct http_head *not_modified)
{
    struct cache_control cc;

    cache_control_parse(&cc, not_modified);
    return (!cc.no_store && !cc.is_private && cache_has_good_vary(not_modified)
            && !http_head_find(not_modified, "Set-Cookie", NULL));
}
