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
#include "http-head.h"

#include <ctype.h>
#include <errno.h>
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t
http_blank_lines(const char *data, size_t n)
{
    size_t i = 0;

    while (i < n && (data[i] == '\n'
                     || (data[i] == '\r' && i + 1 < n
                         && data[i + 1] == '\n'))) {
        i += data[i] == '\r' ? 2 : 1;
    }
    return i;
}

ssize_t
http_head_length(const char *data, size_t n)
{
    size_t max = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;

    for (const char *p = data; (p = memchr(p, '\n', data + max - p)); ) {
        size_t next = ++p - data;

        if (next < max && data[next] == '\n') {
            return next + 1;
        } else if (next + 1 < max && data[next] == '\r'
                   && data[next + 1] == '\n') {
            return next + 2;
        }
    }
    return n >= HTTP_HEAD_MAX ? -EMSGSIZE : 0;
}

/* Refuses control characters, carriage returns elsewhere than at the end of a
 * line, and folded lines (RFC 9112, sections 2.2 and 5.2). */
static bool
is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = text[i];

        if (c == '\r' ? i + 1 == len || text[i + 1] != '\n'
            : c == '\n' ? (i + 1 < len
                           && (text[i + 1] == ' ' || text[i + 1] == '\t'))
            : (c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The parser takes "Host :" for a name with a blank, others take it for
 * "Host:" (RFC 9112, section 5.1). */
static bool
has_good_names(const struct http_head *head)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        struct http_string name = head->fields[i].name;

        for (size_t j = 0; j < name.n; j++) {
            if (!isalnum((unsigned char) name.s[j])
                && !strchr("!#$%&'*+-.^_`|~", name.s[j])) {
                return false;
            }
        }
    }
    return true;
}

static struct http_string
trim(struct http_string s)
{
    while (s.n && (s.s[0] == ' ' || s.s[0] == '\t')) {
        s.s++;
        s.n--;
    }
    while (s.n && (s.s[s.n - 1] == ' ' || s.s[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

/* Callbacks of the parser. */

struct parse {
    struct http_head *head;
    bool in_value;              /* A value was the last to come. */
    bool complete;
};

/* Makes '*s' longer, or begin, by what came. */
static void
extend(struct http_string *s, const char *at, size_t n)
{
    if (!s->s) {
        s->s = at;
    }
    s->n = at + n - s->s;
}

static int
on_url(http_parser *parser, const char *at, size_t n)
{
    struct parse *p = parser->data;

    extend(&p->head->target, at, n);
    return 0;
}

static int
on_field(http_parser *parser, const char *at, size_t n)
{
    struct parse *p = parser->data;
    struct http_head *head = p->head;

    if (p->in_value || !head->n_fields) {
        if (head->n_fields == HTTP_FIELDS_MAX) {
            return 1;
        }
        head->fields[head->n_fields++] = (struct http_field) {
            .name = { .s = NULL },
        };
        p->in_value = false;
    }
    extend(&head->fields[head->n_fields - 1].name, at, n);
    return 0;
}

static int
on_value(http_parser *parser, const char *at, size_t n)
{
    struct parse *p = parser->data;

    p->in_value = true;
    extend(&p->head->fields[p->head->n_fields - 1].value, at, n);
    return 0;
}

static int
on_complete(http_parser *parser)
{
    struct parse *p = parser->data;

    p->complete = true;
    return 2;                   /* Bodies are not the parser's affair. */
}

static int
parse_error(const http_parser *parser)
{
    switch ((enum http_errno) parser->http_errno) {
    case HPE_INVALID_METHOD:
    case HPE_INVALID_VERSION:
        return -ENOTSUP;
    case HPE_CB_header_field:
    case HPE_HEADER_OVERFLOW:
        return -EMSGSIZE;
    default:
        return -EPROTO;
    }
}

int
http_head_parse(struct http_head *head, bool is_request, const char *text,
                size_t len)
{
    static const http_parser_settings settings = {
        .on_url = on_url, .on_header_field = on_field,
        .on_header_value = on_value, .on_headers_complete = on_complete,
    };
    struct parse p = { .head = head };
    http_parser parser;

    *head = (struct http_head) { .is_request = is_request, .len = len };
    if (!is_plain(text, len)) {
        return -EPROTO;
    }
    head->text = malloc(len + 1);
    head->fields = malloc(HTTP_FIELDS_MAX * sizeof *head->fields);
    if (!head->text || !head->fields) {
        abort();
    }
    memcpy(head->text, text, len);
    head->text[len] = '\0';

    http_parser_init(&parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE);
    parser.data = &p;
    http_parser_execute(&parser, &settings, head->text, len);
    bool ok = parser.http_errno == HPE_OK && p.complete;
    if (!ok || parser.http_major != 1 || !has_good_names(head)) {
        int error = (!ok ? parse_error(&parser)
                     : parser.http_major != 1 ? -ENOTSUP
                     : -EPROTO);
        http_head_uninit(head);
        return error;
    }

    /* A length that is not to be forwarded would leave a body without it. */
    bool too_many = (http_head_count(head, "Connection")
                     > HTTP_CONNECTION_MAX);
    if (too_many || http_head_has_token(head, "Connection",
                                        "Content-Length")) {
        http_head_uninit(head);
        return too_many ? -EMSGSIZE : -EPROTO;
    }

    head->minor = parser.http_minor;
    head->status = is_request ? 0 : parser.status_code;
    if (is_request) {
        head->method.s = head->text;
        head->method.n = strcspn(head->text, " ");
    }
    for (size_t i = 0; i < head->n_fields; i++) {
        head->fields[i].value = trim(head->fields[i].value);
    }
    if (head->n_fields) {
        head->fields = realloc(head->fields,
                               head->n_fields * sizeof *head->fields);
    }
    return 0;
}

void
http_head_uninit(struct http_head *head)
{
    free(head->text);
    free(head->fields);
    *head = (struct http_head) { .text = NULL };
}

/* Strings. */

bool
http_strings_equal(struct http_string a, struct http_string b)
{
    return a.n == b.n && (!a.n || !memcmp(a.s, b.s, a.n));
}

bool
http_strings_equal_nocase(struct http_string a, struct http_string b)
{
    return a.n == b.n && (!a.n || !strncasecmp(a.s, b.s, a.n));
}

bool
http_string_is(struct http_string a, const char *b)
{
    return http_strings_equal(a, (struct http_string) { b, strlen(b) });
}

bool
http_string_is_nocase(struct http_string a, const char *b)
{
    return http_strings_equal_nocase(a, (struct http_string) { b,
                                                               strlen(b) });
}

bool
http_parse_number(struct http_string s, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.s[i] < '0' || s.s[i] > '9' || *value >> 58) {
            return false;
        }
        *value = *value * 10 + (s.s[i] - '0');
    }
    return s.n > 0;
}

/* Fields. */

const struct http_field *
http_head_find(const struct http_head *head, const char *name, size_t *np)
{
    const struct http_field *found = NULL;
    size_t n = 0;

    for (size_t i = 0; i < head->n_fields; i++) {
        if (http_string_is_nocase(head->fields[i].name, name)) {
            found = found ? found : &head->fields[i];
            n++;
        }
    }
    if (np) {
        *np = n;
    }
    return found;
}

bool
http_list_next(struct http_string *rest, struct http_string *member)
{
    while (rest->n) {
        bool quoted = false;
        size_t i;

        for (i = 0; i < rest->n && (quoted || rest->s[i] != ','); i++) {
            if (quoted && rest->s[i] == '\\' && i + 1 < rest->n) {
                i++;
            } else if (rest->s[i] == '"') {
                quoted = !quoted;
            }
        }
        *member = trim((struct http_string) { rest->s, i });
        i += i < rest->n;       /* The comma. */
        rest->s += i;
        rest->n -= i;
        if (member->n) {
            return true;
        }
    }
    return false;
}

size_t
http_head_count(const struct http_head *head, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < head->n_fields; i++) {
        if (http_string_is_nocase(head->fields[i].name, name)) {
            struct http_string rest = head->fields[i].value, member;

            while (http_list_next(&rest, &member)) {
                n++;
            }
        }
    }
    return n;
}

bool
http_head_has_token(const struct http_head *head, const char *name,
                    const char *token)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        if (http_string_is_nocase(head->fields[i].name, name)) {
            struct http_string rest = head->fields[i].value, member;

            while (http_list_next(&rest, &member)) {
                if (http_string_is_nocase(member, token)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool
is_named_by_connection(const struct http_head *head, struct http_string name)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        if (http_string_is_nocase(head->fields[i].name, "Connection")) {
            struct http_string rest = head->fields[i].value, member;

            while (http_list_next(&rest, &member)) {
                if (http_strings_equal_nocase(member, name)) {
                    return true;
                }
            }
        }
    }
    return false;
}

bool
http_is_hop_by_hop(const struct http_head *head,
                   const struct http_field *field)
{
    static const char *const names[] = {
        "Connection", "Keep-Alive", "Proxy-Connection", "TE",
        "Transfer-Encoding", "Upgrade", "Proxy-Authenticate",
        "Proxy-Authorization", "Trailer",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (http_string_is_nocase(field->name, names[i])) {
            return true;
        }
    }
    return is_named_by_connection(head, field->name);
}

bool
http_is_persistent(const struct http_head *head)
{
    if (http_head_has_token(head, "Connection", "close")) {
        return false;
    }
    return (head->minor >= 1
            || http_head_has_token(head, "Connection", "keep-alive"));
}
