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
#include "cache-heads.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cache-uri.h"
#include "http-date.h"

void
cache_put_text(struct mbox_writer *w, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mbox_put_bytes(w, text, n < (int) sizeof text ? n : (int) sizeof text - 1);
}

static void
put_field(struct mbox_writer *w, const struct http_field *field)
{
    mbox_put_bytes(w, field->name.s, field->name.n);
    mbox_put_bytes(w, ": ", 2);
    mbox_put_bytes(w, field->value.s, field->value.n);
    mbox_put_bytes(w, "\r\n", 2);
}

static bool
is_one_of(const struct http_field *field, const char *const names[],
          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (http_string_is_nocase(field->name, names[i])) {
            return true;
        }
    }
    return false;
}

/* A protocol that is asked for or agreed on concerns both ends: they are told
 * of each other's wish. */
static void
put_upgrade(struct mbox_writer *w, const struct http_head *head)
{
    const struct http_field *field = http_head_find(head, "Upgrade", NULL);

    if (field && http_head_has_token(head, "Connection", "upgrade")) {
        cache_put_text(w, "Connection: Upgrade\r\n");
        put_field(w, field);
    }
}

/* Requests. */

void
cache_put_request(struct mbox_writer *w, const struct http_head *request,
                  const struct http_head *stored)
{
    static const char *const conditions[] = {
        "If-None-Match", "If-Modified-Since", "If-Range", "Range",
    };
    const size_t n = sizeof conditions / sizeof conditions[0];
    struct http_string host;

    mbox_put_bytes(w, request->method.s, request->method.n);
    mbox_put_bytes(w, " ", 1);
    mbox_put_bytes(w, request->target.s, request->target.n);
    cache_put_text(w, " HTTP/1.1\r\n");

    /* The host that the response will be stored under, and no other (RFC 9112,
     * section 3.2.2), whatever Connection says. */
    if (cache_uri_host(request, &host)) {
        put_field(w, &(struct http_field) { { "Host", 4 }, host });
    }
    for (size_t i = 0; i < request->n_fields; i++) {
        const struct http_field *field = &request->fields[i];

        if (!http_is_hop_by_hop(request, field)
            && !http_string_is_nocase(field->name, "Host")
            && !(stored && is_one_of(field, conditions, n))) {
            put_field(w, field);
        }
    }
    if (stored) {
        const struct http_field *etag = http_head_find(stored, "ETag", NULL);
        const struct http_field *modified = http_head_find(
            stored, "Last-Modified", NULL);

        if (etag) {
            put_field(w, &(struct http_field) {
                { conditions[0], strlen(conditions[0]) }, etag->value });
        }
        if (modified) {
            put_field(w, &(struct http_field) {
                { conditions[1], strlen(conditions[1]) }, modified->value });
        }
    }
    if (http_head_find(request, "Transfer-Encoding", NULL)) {
        cache_put_text(w, "Transfer-Encoding: chunked\r\n");
    }
    put_upgrade(w, request);
    cache_put_text(w, "Via: 1.%u mbox-cache\r\n\r\n", request->minor);
}

/* Responses. */

static const char *
status_name(unsigned int status)
{
    switch (status) {
    case 206: return "Partial Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 408: return "Request Timeout";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 504: return "Gateway Timeout";
    default: return "Error";
    }
}

static void
put_status_line(struct mbox_writer *w, const struct cache_reply *reply)
{
    if (reply->status) {
        cache_put_text(w, "HTTP/1.1 %u %s\r\n", reply->status,
                       status_name(reply->status));
    } else {
        /* With the origin's words. */
        const char *rest = reply->head->text + strcspn(reply->head->text,
                                                       " \r\n");

        cache_put_text(w, "HTTP/1.1");
        mbox_put_bytes(w, rest, strcspn(rest, "\r\n"));
        mbox_put_bytes(w, "\r\n", 2);
    }
}

static void
put_length(struct mbox_writer *w, const struct cache_reply *reply)
{
    if (reply->status == 416) {
        cache_put_text(w, "Content-Range: bytes */%"PRIu64"\r\n"
                       "Content-Length: 0\r\n", reply->len);
    } else if (reply->part) {
        cache_put_text(w, "Content-Range: bytes %"PRIu64"-%"PRIu64"/%"PRIu64
                       "\r\nContent-Length: %"PRIu64"\r\n", reply->first,
                       reply->last, reply->len,
                       reply->last - reply->first + 1);
    } else if (reply->has_len) {
        cache_put_text(w, "Content-Length: %"PRIu64"\r\n", reply->len);
    }
}

static void
put_connection(struct mbox_writer *w, const struct cache_reply *reply)
{
    if (reply->head->status == 101) {
        put_upgrade(w, reply->head);
    } else if (!reply->keep) {
        cache_put_text(w, "Connection: close\r\n");
    } else if (!reply->request->minor) {
        cache_put_text(w, "Connection: keep-alive\r\n");
    }
}

void
cache_put_reply(struct mbox_writer *w, const struct cache_reply *reply)
{
    const struct http_head *head = reply->head;

    put_status_line(w, reply);
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *field = &head->fields[i];
        bool about_length
            = (http_string_is_nocase(field->name, "Content-Length")
               && (reply->has_len || reply->part || reply->status
                   || reply->chunked));

        if (!http_is_hop_by_hop(head, field) && !about_length
            && !(reply->age >= 0
                 && http_string_is_nocase(field->name, "Age"))) {
            put_field(w, field);
        }
    }
    put_length(w, reply);
    if (reply->age >= 0) {
        cache_put_text(w, "Age: %"PRId64"\r\n", reply->age);
    }
    if (reply->chunked) {
        cache_put_text(w, "Transfer-Encoding: chunked\r\n");
    }
    put_connection(w, reply);
    if (head->status / 100 != 1) {
        cache_put_text(w, "Cache-Status: mbox-cache; %s\r\n",
                       reply->cache_status);
    }
    cache_put_text(w, "Via: 1.%u mbox-cache\r\n\r\n", head->minor);
}

void
cache_put_error(struct mbox_writer *w, unsigned int status, bool keep,
                bool with_body, int64_t now)
{
    char date[HTTP_DATE_SIZE], body[128];
    int n = snprintf(body, sizeof body, "%u %s\n", status,
                     status_name(status));

    http_date_format(now, date);
    cache_put_text(w, "HTTP/1.1 %u %s\r\nDate: %s\r\n"
                   "Content-Type: text/plain\r\nContent-Length: %d\r\n",
                   status, status_name(status), date, n);
    cache_put_text(w, "Cache-Control: no-store\r\n"
                   "Cache-Status: mbox-cache; detail=error\r\n%s\r\n",
                   keep ? "" : "Connection: close\r\n");
    if (with_body) {
        mbox_put_bytes(w, body, n);
    }
}
