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
#include "http-body.h"

#include <errno.h>
#include <string.h>

/* Extensions of chunks and trailer fields are ignored, up to so many bytes. */
#define OVERHEAD_MAX 8192

enum chunk_state {
    CHUNK_SIZE_FIRST,           /* The first digit of a size. */
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_FIRST,        /* The first byte of a trailer's line. */
    CHUNK_TRAILER,
    CHUNK_TRAILER_LF,
    CHUNK_LAST_LF,
    CHUNK_N_STATES
};

/* What the fields say about the length, of either kind of message.  Messages
 * with both a length and a coding are refused (RFC 9112, section 6.3, item 3),
 * and so are differing lengths (item 5); a list of equal ones is, too, for
 * nobody sends that in good faith. */
static int
get_framing(struct http_body *body, const struct http_head *head)
{
    size_t n_lengths, n_codings;
    const struct http_field *length, *coding;

    length = http_head_find(head, "Content-Length", &n_lengths);
    coding = http_head_find(head, "Transfer-Encoding", &n_codings);
    *body = (struct http_body) { .framing = HTTP_NO_BODY };
    if (n_codings) {
        if (n_lengths || n_codings > 1 || !head->minor) {
            return -EPROTO;
        }
        if (!http_string_is_nocase(coding->value, "chunked")) {
            return -ENOTSUP;
        }
        body->framing = HTTP_CHUNKED;
    } else if (n_lengths) {
        if (n_lengths > 1 || !http_parse_number(length->value, &body->left)) {
            return -EPROTO;
        }
        body->framing = HTTP_LENGTH;
        body->done = !body->left;
    }
    return 0;
}

int
http_body_of_request(struct http_body *body, const struct http_head *head)
{
    int error = get_framing(body, head);

    /* RFC 9112, section 6.3, item 7. */
    body->done |= body->framing == HTTP_NO_BODY;
    return error;
}

int
http_body_of_response(struct http_body *body, const struct http_head *head,
                      struct http_string request_method)
{
    int error = get_framing(body, head);

    if (error) {
        return error;
    }
    if (http_string_is(request_method, "CONNECT") && head->status / 100 == 2) {
        /* Item 2: a tunnel. */
        *body = (struct http_body) { .framing = HTTP_UNTIL_CLOSE };
    } else if (http_string_is(request_method, "HEAD")
               || head->status / 100 == 1 || head->status == 204
               || head->status == 304) {
        /* Item 1. */
        *body = (struct http_body) { .framing = HTTP_NO_BODY, .done = true };
    } else if (body->framing == HTTP_NO_BODY) {
        body->framing = HTTP_UNTIL_CLOSE;       /* Item 8. */
    }
    return 0;
}

static int
hex_digit(char c)
{
    return (c >= '0' && c <= '9' ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
            : -1);
}

static int
expect(struct http_body *body, char c, char expected, enum chunk_state next)
{
    body->state = next;
    return c == expected ? 0 : -EPROTO;
}

/* Ends the line of a size. */
static int
end_size(struct http_body *body, char c)
{
    return expect(body, c, '\n',
                  body->left ? CHUNK_DATA : CHUNK_TRAILER_FIRST);
}

static int
size_digit(struct http_body *body, char c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        if (body->left >> 56) {
            return -EPROTO;
        }
        body->left = body->left << 4 | digit;
        body->state = CHUNK_SIZE;
        return 0;
    } else if (body->state == CHUNK_SIZE_FIRST) {
        return -EPROTO;
    } else if (c == '\r') {
        body->state = CHUNK_SIZE_LF;
        return 0;
    } else if (c == ';' || c == ' ' || c == '\t') {
        body->state = CHUNK_EXTENSION;
        return 0;
    }
    return -EPROTO;
}

/* Takes a byte that is not payload. */
static int
take_overhead(struct http_body *body, char c)
{
    if (++body->overhead > OVERHEAD_MAX) {
        return -EPROTO;
    }
    switch ((enum chunk_state) body->state) {
    case CHUNK_SIZE_FIRST:
    case CHUNK_SIZE:
        return size_digit(body, c);
    case CHUNK_EXTENSION:
        if (c == '\r') {
            body->state = CHUNK_SIZE_LF;
        }
        return c == '\n' ? -EPROTO : 0;
    case CHUNK_SIZE_LF:
        return end_size(body, c);
    case CHUNK_DATA_CR:
        return expect(body, c, '\r', CHUNK_DATA_LF);
    case CHUNK_DATA_LF:
        return expect(body, c, '\n', CHUNK_SIZE_FIRST);
    case CHUNK_TRAILER_FIRST:
    case CHUNK_TRAILER:
        body->state = (c != '\r' ? CHUNK_TRAILER
                       : body->state == CHUNK_TRAILER ? CHUNK_TRAILER_LF
                       : CHUNK_LAST_LF);
        return c == '\n' ? -EPROTO : 0;
    case CHUNK_TRAILER_LF:
        return expect(body, c, '\n', CHUNK_TRAILER_FIRST);
    case CHUNK_LAST_LF:
        body->done = true;
        return expect(body, c, '\n', CHUNK_LAST_LF);
    case CHUNK_DATA:
    case CHUNK_N_STATES:
        break;
    }
    return -EPROTO;
}

static ssize_t
take_payload(struct http_body *body, const char *data, size_t n,
             struct http_string *payload)
{
    n = n < body->left ? n : body->left;
    *payload = (struct http_string) { data, n };
    body->left -= n;
    return n;
}

ssize_t
http_body_decode(struct http_body *body, const char *data, size_t n,
                 struct http_string *payload)
{
    size_t i = 0;

    *payload = (struct http_string) { data, 0 };
    switch (body->framing) {
    case HTTP_LENGTH:
        take_payload(body, data, n, payload);
        body->done = !body->left;
        return payload->n;
    case HTTP_UNTIL_CLOSE:
        payload->n = n;
        return n;
    case HTTP_CHUNKED:
        while (i < n && !body->done && body->state != CHUNK_DATA) {
            int error = take_overhead(body, data[i++]);
            if (error) {
                return error;
            }
        }
        if (i < n && !body->done) {
            i += take_payload(body, data + i, n - i, payload);
            body->overhead = 0;
            if (!body->left) {
                body->state = CHUNK_DATA_CR;
            }
        }
        return i;
    case HTTP_NO_BODY:
    case HTTP_N_FRAMINGS:
        break;
    }
    return 0;
}

bool
http_body_is_sound(const struct http_body *body)
{
    return ((unsigned int) body->framing < HTTP_N_FRAMINGS
            && body->state < CHUNK_N_STATES
            && (body->state == CHUNK_SIZE_FIRST
                || body->framing == HTTP_CHUNKED)
            && (body->state != CHUNK_DATA || body->left)
            && body->left >> 60 == 0);
}
