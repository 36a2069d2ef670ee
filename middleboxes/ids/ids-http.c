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
#include "ids-http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "mbox-wire.h"

/* What comes next in the stream.  The values are part of the exported form. */
enum state {
    REQUEST_LINE,
    HEADER,                     /* A header line, or the empty line. */
    BODY,                       /* 'remaining' bytes. */
    CHUNK_SIZE,                 /* A line with a chunk's size. */
    CHUNK_DATA,                 /* 'remaining' bytes of a chunk. */
    CHUNK_END,                  /* The line end after a chunk. */
    TRAILER,                    /* As HEADER, after the last chunk. */
    N_STATES
};

/* What the headers so far said about the request. */
enum {
    CHUNKED = 1 << 0,
    HAS_LENGTH = 1 << 1,        /* 'remaining' is the body's length. */
    UPGRADE = 1 << 2,           /* Another protocol follows. */
    LINE_CUT = 1 << 3,          /* The current line is too long. */
    ALL_FLAGS = (1 << 4) - 1
};

struct ids_http {
    char *line;                 /* The current line so far; NULL if empty. */
    uint64_t remaining;
    struct ids_http_request request;
    uint32_t index;             /* Requests logged. */
    uint16_t line_len;
    uint16_t line_size;
    uint8_t state;
    uint8_t flags;
};

static char *
copy_string(const char *s, size_t len)
{
    char *copy = strndup(s, len);

    if (!copy) {
        abort();
    }
    return copy;
}

static void
clear_request(struct ids_http_request *r)
{
    free(r->method);
    free(r->uri);
    free(r->host);
    free(r->user_agent);
    memset(r, 0, sizeof *r);
}

struct ids_http *
ids_http_create(void)
{
    struct ids_http *http = calloc(1, sizeof *http);

    if (!http) {
        abort();
    }
    return http;
}

static void
clear_line(struct ids_http *http)
{
    free(http->line);
    http->line = NULL;
    http->line_len = http->line_size = 0;
    http->flags &= ~LINE_CUT;
}

void
ids_http_destroy(struct ids_http *http)
{
    if (http) {
        clear_request(&http->request);
        free(http->line);
        free(http);
    }
}

/* Lines. */

static bool
is_token_char(unsigned char c)
{
    return c > ' ' && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

/* True if 'line' may be the beginning of a request line, as far as it goes:
 * what is not HTTP must be known early. */
static bool
may_be_request(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = line[i];

        if (c == ' ') {
            return i > 0;
        } else if (c < 'A' || c > 'Z' || i >= IDS_HTTP_MAX_METHOD) {
            /* Extension methods are capitals, '-' and '_' in practice. */
            return (c == '-' || c == '_') && i > 0;
        }
    }
    return true;
}

/* "METHOD URI HTTP/1.x". */
static bool
parse_request_line(struct ids_http *http, const char *line, size_t len)
{
    struct ids_http_request *r = &http->request;
    const char *end = line + len;
    const char *uri = memchr(line, ' ', len);

    if (!uri) {
        return false;
    }

    size_t method_len = uri - line;
    for (size_t i = 0; i < method_len; i++) {
        if (!is_token_char(line[i])) {
            return false;
        }
    }
    while (uri < end && *uri == ' ') {
        uri++;
    }

    const char *uri_end = end;
    if (!(http->flags & LINE_CUT)) {
        uri_end = memrchr(uri, ' ', end - uri);
        if (!uri_end || end - uri_end != 9 || memcmp(uri_end, " HTTP/1.", 8)
            || uri_end[8] < '0' || uri_end[8] > '9') {
            return false;
        }
        r->minor_version = uri_end[8] - '0';
        while (uri_end > uri && uri_end[-1] == ' ') {
            uri_end--;
        }
    }
    if (uri_end == uri || !method_len || method_len > IDS_HTTP_MAX_METHOD
        || memchr(uri, '\0', uri_end - uri)) {
        return false;
    }
    r->method = copy_string(line, method_len);
    r->uri = copy_string(uri, uri_end - uri);
    if (!strcmp(r->method, "CONNECT")) {
        http->flags |= UPGRADE;
    }
    return true;
}

static bool
parse_length(const char *s, size_t len, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || *value > UINT64_MAX / 10 - 1) {
            return false;
        }
        *value = *value * 10 + (s[i] - '0');
    }
    return len > 0;
}

static bool
name_is(const char *line, size_t len, const char *name)
{
    return len == strlen(name) && !strncasecmp(line, name, len);
}

/* A header line, which is not empty.  Returns false if the stream cannot be
 * followed any more. */
static bool
parse_header(struct ids_http *http, const char *line, size_t len)
{
    struct ids_http_request *r = &http->request;
    const char *value = memchr(line, ':', len);

    if (!value) {
        return true;            /* Not for us to judge. */
    }

    size_t name_len = value - line;
    size_t value_len = len - name_len - 1;
    value++;
    while (value_len && (*value == ' ' || *value == '\t')) {
        value++;
        value_len--;
    }
    while (value_len && (value[value_len - 1] == ' '
                         || value[value_len - 1] == '\t')) {
        value_len--;
    }
    if (name_is(line, name_len, "Host")) {
        if (!r->host) {
            r->host = copy_string(value, value_len);
        }
    } else if (name_is(line, name_len, "User-Agent")) {
        if (!r->user_agent) {
            r->user_agent = copy_string(value, value_len);
        }
    } else if (name_is(line, name_len, "Content-Length")) {
        uint64_t length;

        if (!parse_length(value, value_len, &length)
            || (http->flags & HAS_LENGTH && length != http->remaining)) {
            return false;
        }
        http->flags |= HAS_LENGTH;
        http->remaining = length;
    } else if (name_is(line, name_len, "Transfer-Encoding")) {
        if (value_len >= 7
            && !strncasecmp(value + value_len - 7, "chunked", 7)) {
            http->flags |= CHUNKED;
        }
    } else if (name_is(line, name_len, "Upgrade")) {
        http->flags |= UPGRADE;
    }
    return true;
}

/* The empty line after the headers. */
static bool
end_headers(struct ids_http *http, ids_http_cb *cb, void *aux)
{
    uint8_t flags = http->flags;

    cb(aux, &http->request, http->index++);
    clear_request(&http->request);
    http->flags = 0;
    if (flags & UPGRADE) {
        return false;
    } else if (flags & CHUNKED) {
        http->state = CHUNK_SIZE;
        http->remaining = 0;
    } else {
        http->state = http->remaining ? BODY : REQUEST_LINE;
    }
    return true;
}

static bool
parse_chunk_size(struct ids_http *http, const char *line, size_t len)
{
    uint64_t size = 0;
    size_t i;

    for (i = 0; i < len && i < 16; i++) {
        unsigned char c = line[i];

        if (c >= '0' && c <= '9') {
            size = size << 4 | (c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            size = size << 4 | ((c | 0x20) - 'a' + 10);
        } else {
            break;
        }
    }
    if (!i || (i < len && !strchr("; \t", line[i]))) {
        return false;
    }
    http->remaining = size;
    http->state = size ? CHUNK_DATA : TRAILER;
    return true;
}

/* Processes the line that is complete in 'line' (without its end).  Returns
 * false if the stream is of no more interest. */
static bool
process_line(struct ids_http *http, const char *line, size_t len,
             ids_http_cb *cb, void *aux)
{
    if (len && line[len - 1] == '\r') {
        len--;
    }
    if (http->flags & LINE_CUT
        && (http->state == REQUEST_LINE || http->state == HEADER)) {
        http->request.truncated = true;
    }
    switch (http->state) {
    case REQUEST_LINE:
        if (!len) {
            return true;        /* RFC 9112, 2.2: ignore empty lines here. */
        }
        http->state = HEADER;
        return parse_request_line(http, line, len);
    case HEADER:
        return (len ? parse_header(http, line, len)
                : end_headers(http, cb, aux));
    case CHUNK_SIZE:
        return parse_chunk_size(http, line, len);
    case CHUNK_END:
        http->state = CHUNK_SIZE;
        return !len;
    case TRAILER:
        if (!len) {
            http->state = REQUEST_LINE;
        }
        return true;
    default:
        return false;
    }
}

/* Adds to the current line, up to IDS_HTTP_MAX_LINE. */
static void
append_line(struct ids_http *http, const char *data, size_t len)
{
    size_t room = IDS_HTTP_MAX_LINE - http->line_len;

    if (len > room) {
        len = room;
        http->flags |= LINE_CUT;
    }
    if (!len) {
        return;
    }
    if (http->line_len + len > http->line_size) {
        size_t size = http->line_len + len;

        size = size < 128 ? 128 : size < 1024 ? 1024 : IDS_HTTP_MAX_LINE;
        http->line = realloc(http->line, size);
        if (!http->line) {
            abort();
        }
        http->line_size = size;
    }
    memcpy(http->line + http->line_len, data, len);
    http->line_len += len;
}

/* Consumes data up to the end of a line, if it is there. */
static bool
parse_line(struct ids_http *http, const char **datap, size_t *lenp,
           ids_http_cb *cb, void *aux)
{
    const char *data = *datap;
    const char *eol = memchr(data, '\n', *lenp);
    size_t len = eol ? (size_t) (eol - data) : *lenp;
    bool ok;

    *datap += len + !!eol;
    *lenp -= len + !!eol;
    if (eol && !http->line_len && len <= IDS_HTTP_MAX_LINE) {
        if (http->state == REQUEST_LINE && len > 1
            && !may_be_request(data, len)) {
            return false;
        }
        return process_line(http, data, len, cb, aux);
    }
    append_line(http, data, len);
    if (http->state == REQUEST_LINE
        && !(http->line_len == 1 && http->line[0] == '\r')
        && !may_be_request(http->line, http->line_len)) {
        return false;
    }
    if (!eol) {
        return true;
    }
    ok = process_line(http, http->line, http->line_len, cb, aux);
    clear_line(http);
    return ok;
}

bool
ids_http_parse(struct ids_http *http, const void *data_, size_t len,
               ids_http_cb *cb, void *aux)
{
    const char *data = data_;

    while (len) {
        if (http->state == BODY || http->state == CHUNK_DATA) {
            size_t n = http->remaining < len ? http->remaining : len;

            data += n;
            len -= n;
            http->remaining -= n;
            if (!http->remaining) {
                http->state = (http->state == BODY
                               ? REQUEST_LINE : CHUNK_END);
            }
        } else if (!parse_line(http, &data, &len, cb, aux)) {
            return false;
        }
    }
    return true;
}

/* Moving. */

static void
put_optional_string(struct mbox_writer *w, const char *s)
{
    mbox_put_u8(w, s != NULL);
    if (s) {
        mbox_put_string(w, s);
    }
}

static char *
get_optional_string(struct mbox_reader *r, size_t max)
{
    char buf[IDS_HTTP_MAX_LINE + 1];
    uint8_t present = mbox_get_u8(r);

    if (present > 1) {
        r->error = -EPROTO;
    }
    if (r->error || !present) {
        return NULL;
    }
    mbox_get_string(r, buf, max + 1);
    return r->error ? NULL : copy_string(buf, strlen(buf));
}

void
ids_http_export(const struct ids_http *http, struct mbox_writer *w)
{
    const struct ids_http_request *r = &http->request;

    mbox_put_u8(w, http->state);
    mbox_put_u8(w, http->flags);
    mbox_put_u64(w, http->remaining);
    mbox_put_u32(w, http->index);
    mbox_put_u16(w, http->line_len);
    if (http->line_len) {
        mbox_put_bytes(w, http->line, http->line_len);
    }
    mbox_put_u8(w, r->minor_version);
    mbox_put_u8(w, r->truncated);
    put_optional_string(w, r->method);
    put_optional_string(w, r->uri);
    put_optional_string(w, r->host);
    put_optional_string(w, r->user_agent);
}

/* True if the imported fields can have come about by parsing. */
static bool
is_consistent(const struct ids_http *http)
{
    const struct ids_http_request *r = &http->request;
    bool in_headers = http->state == HEADER;
    bool in_data = http->state == BODY || http->state == CHUNK_DATA;

    /* A request exists between its request line and the end of its headers. */
    if (!r->method != !in_headers || !r->uri != !in_headers
        || (!in_headers && (r->host || r->user_agent || r->minor_version
                            || r->truncated))) {
        return false;
    }
    if (!in_headers && http->flags & (CHUNKED | HAS_LENGTH | UPGRADE)) {
        return false;
    }
    if (in_data ? !http->remaining || http->line_len
        : in_headers ? http->remaining && !(http->flags & HAS_LENGTH)
        : http->remaining) {
        return false;
    }
    if (http->flags & LINE_CUT && http->line_len != IDS_HTTP_MAX_LINE) {
        return false;
    }
    return !(http->line_len && memchr(http->line, '\n', http->line_len));
}

int
ids_http_import(struct mbox_reader *r, struct ids_http **httpp)
{
    struct ids_http *http = ids_http_create();

    http->state = mbox_get_u8(r);
    http->flags = mbox_get_u8(r);
    http->remaining = mbox_get_u64(r);
    http->index = mbox_get_u32(r);

    size_t line_len = mbox_get_u16(r);
    const void *line = line_len ? mbox_get_bytes(r, line_len) : NULL;
    if (line && line_len <= IDS_HTTP_MAX_LINE) {
        append_line(http, line, line_len);
    }
    http->request.minor_version = mbox_get_u8(r);

    uint8_t truncated = mbox_get_u8(r);
    http->request.truncated = truncated;
    http->request.method = get_optional_string(r, IDS_HTTP_MAX_METHOD);
    http->request.uri = get_optional_string(r, IDS_HTTP_MAX_LINE);
    http->request.host = get_optional_string(r, IDS_HTTP_MAX_LINE);
    http->request.user_agent = get_optional_string(r, IDS_HTTP_MAX_LINE);

    if (r->error || line_len > IDS_HTTP_MAX_LINE || truncated > 1
        || http->state >= N_STATES || http->flags & ~ALL_FLAGS
        || http->request.minor_version > 9 || !is_consistent(http)) {
        ids_http_destroy(http);
        return -EPROTO;
    }
    *httpp = http;
    return 0;
}
