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

#ifndef CACHE_CONTROL_H
#define CACHE_CONTROL_H 1

/* The field Cache-Control (RFC 9111, section 5.2), of requests and responses.
 *
 * A directive that is limited to some fields, as in no-cache="Set-Cookie", is
 * taken for one without that limit.  Of a directive that is there twice the
 * first one counts; a time that is none makes the response stale (section
 * 4.2.1). */

#include "http-head.h"

struct cache_control {
    bool no_store, no_cache;
    bool is_private, is_public;
    bool must_revalidate, proxy_revalidate;
    bool only_if_cached;
    bool has_max_age, has_s_maxage, has_max_stale, has_min_fresh;
    int64_t max_age, s_maxage, min_fresh;       /* s. */
    int64_t max_stale;                          /* INT64_MAX: any. */
};

void cache_control_parse(struct cache_control *, const struct http_head *);

/* Reads a number of seconds (section 1.2.2): one that is too large is a very
 * large one, and what is no number is 0. */
int64_t cache_parse_seconds(struct http_string);

#endif /* cache-control.h */
