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

#ifndef CACHE_HEADS_H
#define CACHE_HEADS_H 1

/* Heads that the cache sends. */

#include "http-body.h"
#include "mbox-wire.h"

void cache_put_text(struct mbox_writer *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The request for the origin.  If 'stored' is not null, it asks whether that
 * response is still good (RFC 9111, section 4.3.1), and for all of it. */
void cache_put_request(struct mbox_writer *, const struct http_head *request,
                       const struct http_head *stored);

/* The head of a response to 'request'. */
struct cache_reply {
    const struct http_head *request;
    const struct http_head *head;       /* What it is made from. */
    unsigned int status;        /* If other than that of 'head'; or 0. */
    bool part;                  /* 206: bytes 'first' to 'last' of 'len'. */
    uint64_t first, last;
    bool has_len;               /* Content-Length is 'len', unless a part. */
    uint64_t len;
    int64_t age;                /* Seconds, or negative: not from a store. */
    bool chunked;               /* It is sent in chunks. */
    bool keep;                  /* The connection goes on. */
    const char *cache_status;   /* RFC 9211. */
};
void cache_put_reply(struct mbox_writer *, const struct cache_reply *);

/* A whole response with an error of the cache's own. */
void cache_put_error(struct mbox_writer *, unsigned int status, bool keep,
                     bool with_body, int64_t now);

#endif /* cache-heads.h */
