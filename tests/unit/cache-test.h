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

#ifndef CACHE_TEST_H
#define CACHE_TEST_H 1

/* Heads for tests of mbox-cache, written with "\n" at the ends of lines and
 * without the blank one. */

#include "test-util.h"

#include <stdbool.h>
#include <stdio.h>
#include "http-head.h"

/* The text with "\r\n" and a blank line; the caller frees it. */
static inline char *
test_head_text(const char *s)
{
    char *text = malloc(2 * strlen(s) + 5), *p = text;

    assert_non_null(text);
    for (; *s; s++) {
        if (*s == '\n') {
            *p++ = '\r';
        }
        *p++ = *s;
    }
    strcpy(p, "\r\n\r\n");
    return text;
}

static inline int
test_try_head(struct http_head *head, bool is_request, const char *s)
{
    char *text = test_head_text(s);
    int error = http_head_parse(head, is_request, text, strlen(text));

    free(text);
    return error;
}

static inline struct http_head
test_request(const char *s)
{
    struct http_head head;

    assert_int_equal(test_try_head(&head, true, s), 0);
    return head;
}

static inline struct http_head
test_response(const char *s)
{
    struct http_head head;

    assert_int_equal(test_try_head(&head, false, s), 0);
    return head;
}

#endif /* cache-test.h */
