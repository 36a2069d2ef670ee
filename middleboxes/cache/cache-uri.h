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

#ifndef CACHE_URI_H
#define CACHE_URI_H 1

/* What responses are stored under: the server's address and port, the host
 * that the client named, and path and query, "10.0.0.1 80 example.org /path".
 * All strings are malloc()ed. */

#include "http-head.h"
#include "mbox-key.h"

/* Of a request in the flow 'key', from client to server.  Returns NULL if it
 * does not name one host, as it must (RFC 9112, section 3.2), and must be
 * refused. */
char *cache_uri_make(const struct http_head *request,
                     const struct mbox_key *key);

/* The host that a request names, empty if it is HTTP/1.0 and names none.
 * Returns false if it must be refused. */
bool cache_uri_host(const struct http_head *request, struct http_string *host);

/* Of what a field of the response to 'request' refers to.  Returns NULL if
 * that is at another origin, or relative to a path. */
char *cache_uri_refer(const struct http_head *request,
                      const struct mbox_key *key,
                      struct http_string reference);

#endif /* cache-uri.h */
