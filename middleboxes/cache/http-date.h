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

#ifndef HTTP_DATE_H
#define HTTP_DATE_H 1

/* Dates in header fields (RFC 9110, section 5.6.7). */

#include "http-head.h"

/* Reads a date in any of the three formats, as seconds since 1970; 'now', the
 * present time, decides on the century of a year with two digits.  Returns
 * false if it is none. */
bool http_date_parse(struct http_string, int64_t now, int64_t *date);

/* Writes "Sun, 06 Nov 1994 08:49:37 GMT". */
#define HTTP_DATE_SIZE 32
void http_date_format(int64_t date, char buf[HTTP_DATE_SIZE]);

#endif /* http-date.h */
