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

#ifndef IDS_HTTP_H
#define IDS_HTTP_H 1

/* HTTP/1 requests, read from a stream in pieces of any size
 * =========================================================
 *
 * Why not a library: the state of a half-read request moves between instances,
 * so each field of it must be exportable, and checked when it is imported.
 * http-parser (whose maintainers have archived it) has a plain structure, but
 * an imported value of its 'state' and 'index' can make it read outside its
 * tables, and nothing in it tells a good combination from a bad one; llhttp is
 * alike, and not in Debian 12; libhtp's state is a graph of pointers.  What an
 * event log needs is little: request lines, a few headers, and where a request
 * ends.
 *
 * Lines longer than IDS_HTTP_MAX_LINE are cut off, and the request is marked
 * as truncated.  After what is not HTTP, a request to CONNECT or to upgrade,
 * or a gap in the stream, nothing more is read from it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mbox_reader;
struct mbox_writer;

#define IDS_HTTP_MAX_LINE 4096
#define IDS_HTTP_MAX_METHOD 32

/* A request, complete up to the end of its headers. */
struct ids_http_request {
    char *method;
    char *uri;
    char *host;                 /* NULL if there is none; likewise below. */
    char *user_agent;
    uint8_t minor_version;      /* HTTP/1.x. */
    bool truncated;
};

struct ids_http;

/* Creates a parser at the start of a stream. */
struct ids_http *ids_http_create(void);
void ids_http_destroy(struct ids_http *);

/* Parses the next 'len' bytes.  Calls 'cb' for each request whose headers end
 * in them; 'index' counts the requests of the stream from 0.  Returns false if
 * there is nothing more to be had from the stream: destroy the parser. */
typedef void ids_http_cb(void *aux, const struct ids_http_request *,
                         uint32_t index);
bool ids_http_parse(struct ids_http *, const void *data, size_t len,
                    ids_http_cb *, void *aux);

void ids_http_export(const struct ids_http *, struct mbox_writer *);

/* Reads what ids_http_export() wrote.  Returns 0 or a negative errno value. */
int ids_http_import(struct mbox_reader *, struct ids_http **);

#endif /* ids-http.h */
