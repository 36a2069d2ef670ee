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

#ifndef CACHE_RULES_H
#define CACHE_RULES_H 1

/* The rules of a shared cache, RFC 9111, as functions of heads and times.
 *
 * Times are seconds since 1970, by the cache's clock. */

#include "http-head.h"

struct cache_times {
    int64_t request;            /* When the request was sent. */
    int64_t response;           /* When its response came. */
};

/* Section 3: whether the response to a request may be stored.  Only responses
 * to GET are, and none to a part of something. */
bool cache_may_store(const struct http_head *request,
                     const struct http_head *response);

/* Section 4.1: whether what Vary names can be compared: no "*", and not too
 * many fields. */
bool cache_has_good_vary(const struct http_head *response);

/* Section 4.2.1: for how long a response is fresh; at most a day if that has
 * to be guessed (section 4.2.2). */
int64_t cache_lifetime(const struct http_head *response,
                       const struct cache_times *);

/* Section 4.2.3: how old it is. */
int64_t cache_age(const struct http_head *response,
                  const struct cache_times *, int64_t now);

/* Section 4: whether a stored response, which was selected by URI and Vary,
 * may be used for a request without asking the origin. */
bool cache_may_use(const struct http_head *request,
                   const struct http_head *response,
                   const struct cache_times *, int64_t now);

/* True if the origin can be asked whether the response has changed. */
bool cache_has_validator(const struct http_head *response);

/* Section 4.3.2: whether the answer to a request, for which there is this
 * response with status 200, is 304 (RFC 9110, section 13.2.2). */
bool cache_is_not_modified(const struct http_head *request,
                           const struct http_head *response, int64_t now);

/* RFC 9110, section 14: which part of a stored body of 'len' bytes a request
 * is about. Requests for several parts, and ones that are not understood, are
 * about the whole. */
enum cache_part {
    CACHE_WHOLE,
    CACHE_PART,                 /* Bytes '*first' to '*last', both of it. */
    CACHE_NO_PART,              /* There is no such part: status 416. */
};
enum cache_part cache_part(const struct http_head *request,
                           const struct http_head *response, int64_t now,
                           uint64_t len, uint64_t *first, uint64_t *last);

/* Section 4.4: whether a successful request makes what is stored invalid. */
bool cache_is_unsafe(struct http_string method);

/* Section 3.2: whether a field of a 304 is to replace the stored one. */
bool cache_field_is_updated(const struct http_head *not_modified,
                            const struct http_field *);

/* Whether what is stored may be kept after a 304: not if others are not to see
 * it any more, or what it brings is for one client. */
bool cache_may_keep(const struct http_head *not_modified);

#endif /* cache-rules.h */
