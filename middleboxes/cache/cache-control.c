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
#include "cache-control.h"

#include <string.h>

#define MAX_SECONDS INT64_C(0x80000000)

int64_t
cache_parse_seconds(struct http_string s)
{
    int64_t value = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.s[i] < '0' || s.s[i] > '9') {
            return 0;
        }
        value = value * 10 + (s.s[i] - '0');
        if (value > MAX_SECONDS) {
            value = MAX_SECONDS;
        }
    }
    return value;
}

/* Splits "name=value"; the value loses its quotes, and may be absent. */
static struct http_string
split(struct http_string member, struct http_string *name)
{
    const char *equals = memchr(member.s, '=', member.n);
    struct http_string value = { NULL, 0 };

    *name = member;
    if (equals) {
        name->n = equals - member.s;
        value.s = equals + 1;
        value.n = member.n - name->n - 1;
        if (value.n >= 2 && value.s[0] == '"'
            && value.s[value.n - 1] == '"') {
            value.s++;
            value.n -= 2;
        }
    }
    return value;
}

static void
set_seconds(bool *has, int64_t *seconds, struct http_string value)
{
    if (!*has) {
        *has = true;
        *seconds = cache_parse_seconds(value);
    }
}

static void
take(struct cache_control *cc, struct http_string member)
{
    struct http_string name, value = split(member, &name);
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        { "no-store", &cc->no_store }, { "no-cache", &cc->no_cache },
        { "private", &cc->is_private }, { "public", &cc->is_public },
        { "must-revalidate", &cc->must_revalidate },
        { "proxy-revalidate", &cc->proxy_revalidate },
        { "only-if-cached", &cc->only_if_cached },
    };
    const struct {
        const char *name;
        bool *has;
        int64_t *seconds;
    } times[] = {
        { "max-age", &cc->has_max_age, &cc->max_age },
        { "s-maxage", &cc->has_s_maxage, &cc->s_maxage },
        { "min-fresh", &cc->has_min_fresh, &cc->min_fresh },
    };

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        *flags[i].flag |= http_string_is_nocase(name, flags[i].name);
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (http_string_is_nocase(name, times[i].name)) {
            set_seconds(times[i].has, times[i].seconds, value);
        }
    }
    if (http_string_is_nocase(name, "max-stale") && !cc->has_max_stale) {
        cc->has_max_stale = true;
        cc->max_stale = value.s ? cache_parse_seconds(value) : INT64_MAX;
    }
}

void
cache_control_parse(struct cache_control *cc, const struct http_head *head)
{
    *cc = (struct cache_control) { .no_store = false };
    for (size_t i = 0; i < head->n_fields; i++) {
        if (http_string_is_nocase(head->fields[i].name, "Cache-Control")) {
            struct http_string rest = head->fields[i].value, member;

            while (http_list_next(&rest, &member)) {
                take(cc, member);
            }
        }
    }
}
