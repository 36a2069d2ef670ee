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

#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H 1

/* Heads of HTTP/1.1 messages
 * ==========================
 *
 * A head, the first line and the header fields, is parsed when all of it is
 * there, by libhttp-parser, and refused if anything is doubtful: what two
 * programs read in two ways is how requests are smuggled (RFC 9112, section
 * 11.2).  It is kept as text, in a block of its own, with slices of that. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_HEAD_MAX 32768     /* Bytes; longer ones are refused. */
#define HTTP_FIELDS_MAX 128
#define HTTP_CONNECTION_MAX 32  /* Members of Connection, each of which has to
                                 * be compared with each field. */

struct http_string {
    const char *s;              /* Not null-terminated. */
    size_t n;
};

struct http_field {
    struct http_string name, value;
};

struct http_head {
    char *text;                 /* malloc()ed; NULL: there is no head. */
    size_t len;
    bool is_request;
    unsigned int minor;         /* Of the version: HTTP/1.minor. */
    unsigned int status;        /* Of a response. */
    struct http_string method, target;      /* Of a request. */
    size_t n_fields;
    struct http_field *fields;  /* malloc()ed. */
};

/* The number of bytes in blank lines that 'data' begins with, which are to be
 * ignored before a request (RFC 9112, section 2.2). */
size_t http_blank_lines(const char *data, size_t n);

/* The length of the head that 'data' begins with; 0 if its end is not there
 * yet; -EMSGSIZE if it is longer than HTTP_HEAD_MAX. */
ssize_t http_head_length(const char *data, size_t n);

/* Parses a head of 'len' bytes.  Returns 0; -EPROTO if it is malformed;
 * -ENOTSUP if its method or version is unknown; -EMSGSIZE if it has too many
 * fields, or members of Connection.  After a failure there is nothing to
 * free. */
int http_head_parse(struct http_head *, bool is_request, const char *text,
                    size_t len);

void http_head_uninit(struct http_head *);

bool http_string_is(struct http_string, const char *);
bool http_string_is_nocase(struct http_string, const char *);
bool http_strings_equal(struct http_string, struct http_string);
bool http_strings_equal_nocase(struct http_string, struct http_string);

/* The first field 'name', or NULL; '*n', unless null, is how many there
 * are. */
const struct http_field *http_head_find(const struct http_head *,
                                        const char *name, size_t *n);

/* Takes the next member of a list (RFC 9110, section 5.6.1) from '*rest':
 * quoted strings are passed over, white space around it is cut off, and empty
 * ones are skipped.  Returns false if there is none. */
bool http_list_next(struct http_string *rest, struct http_string *member);

/* The number of members that fields 'name' have in all. */
size_t http_head_count(const struct http_head *, const char *name);

/* True if a field 'name' has 'token' in its list, in any case. */
bool http_head_has_token(const struct http_head *, const char *name,
                         const char *token);

/* True if the field is about the connection and not to be forwarded or stored
 * (RFC 9110, section 7.6.1). */
bool http_is_hop_by_hop(const struct http_head *, const struct http_field *);

/* True if the connection goes on after this message (RFC 9112, section 9.3) as
 * far as the head tells. */
bool http_is_persistent(const struct http_head *);

/* Parses decimal digits, and nothing else, of a number below 2**62. */
bool http_parse_number(struct http_string, uint64_t *);

#endif /* http-head.h */
