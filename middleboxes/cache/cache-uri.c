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
#include "cache-uri.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct http_string empty = { "", 0 };

/* Splits "http://host/path" and "/path"; 'host' is empty in the latter.
 * Returns false for what is neither. */
static bool
split(struct http_string uri, struct http_string *host,
      struct http_string *path)
{
    static const char scheme[] = "http://";
    size_t n = strlen(scheme);

    *host = empty;
    *path = uri;
    if (uri.n > n && !strncasecmp(uri.s, scheme, n)) {
        const char *end = uri.s + uri.n, *p = uri.s + n;

        while (p < end && !strchr("/?#", *p)) {
            p++;
        }
        *host = (struct http_string) { uri.s + n, p - uri.s - n };
        *path = (struct http_string) { p, end - p };
        return host->n > 0;
    }
    return uri.n && uri.s[0] == '/' && !(uri.n > 1 && uri.s[1] == '/');
}

static bool
is_host(struct http_string host)
{
    for (size_t i = 0; i < host.n; i++) {
        if (!isalnum((unsigned char) host.s[i])
            && !memchr("-._~%!$&'()*+,;=:[]", host.s[i], 19)) {
            return false;
        }
    }
    return true;
}

static char *
join(const struct mbox_key *key, struct http_string host,
     struct http_string path)
{
    const char *fragment = memchr(path.s, '#', path.n);
    char addr[INET6_ADDRSTRLEN];
    char *uri;

    inet_ntop(key->family == 4 ? AF_INET : AF_INET6,
              key->family == 4 ? key->dst + 12 : key->dst, addr, sizeof addr);
    if (fragment) {
        path.n = fragment - path.s;
    }
    if (asprintf(&uri, "%s %u %.*s %s%.*s", addr, key->dst_port, (int) host.n,
                 host.s, path.n && path.s[0] == '/' ? "" : "/", (int) path.n,
                 path.s) < 0) {
        abort();
    }

    /* Case does not matter in names of hosts. */
    char *p = strchr(strchr(uri, ' ') + 1, ' ') + 1;
    for (size_t i = 0; i < host.n; i++) {
        p[i] = tolower((unsigned char) p[i]);
    }
    return uri;
}

/* The host that a request names, in its target or in Host. */
static bool
get_host(const struct http_head *request, struct http_string *host,
         struct http_string *path)
{
    size_t n;
    const struct http_field *field = http_head_find(request, "Host", &n);

    if (n > 1 || (!n && request->minor)
        || (field && !is_host(field->value))) {
        return false;
    }
    if (memchr(request->target.s, '#', request->target.n)) {
        return false;           /* No part of a request (section 3.2). */
    }
    if (!split(request->target, host, path)) {
        /* "//", "*" of OPTIONS, or the authority of CONNECT. */
        if (request->target.s[0] != '/'
            && !http_string_is(request->method, "CONNECT")
            && !(http_string_is(request->method, "OPTIONS")
                 && http_string_is(request->target, "*"))) {
            return false;
        }
        *host = empty;
        *path = request->target;
    }
    if (!host->n && field) {
        *host = field->value;
    }
    return is_host(*host);
}

char *
cache_uri_make(const struct http_head *request, const struct mbox_key *key)
{
    struct http_string host, path;

    return get_host(request, &host, &path) ? join(key, host, path) : NULL;
}

bool
cache_uri_host(const struct http_head *request, struct http_string *host)
{
    struct http_string path;

    return get_host(request, host, &path);
}

char *
cache_uri_refer(const struct http_head *request, const struct mbox_key *key,
                struct http_string reference)
{
    struct http_string host, path, own, own_path;

    if (!split(reference, &host, &path)
        || !get_host(request, &own, &own_path)
        || (host.n && !http_strings_equal_nocase(host, own))) {
        return NULL;
    }
    return join(key, own, path);
}
