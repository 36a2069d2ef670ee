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
#include "http-date.h"

#include <string.h>
#include <time.h>

#define MAX_DATE 64

/* strptime() and strftime() know English names: no middlebox calls
 * setlocale(). */

bool
http_date_parse(struct http_string s, int64_t now, int64_t *date)
{
    static const char *const formats[] = {
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    };
    char text[MAX_DATE];

    if (s.n >= sizeof text) {
        return false;
    }
    memcpy(text, s.s, s.n);
    text[s.n] = '\0';
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct tm tm = { .tm_mday = 1 };
        const char *end = strptime(text, formats[i], &tm);

        if (!end || *end) {
            continue;
        }
        *date = timegm(&tm);
        if (i == 1) {
            /* A year that seems to be more than 50 years ahead is the last
             * one with the same digits. */
            time_t t = now;
            struct tm present;

            gmtime_r(&t, &present);
            tm.tm_year = tm.tm_year % 100 + present.tm_year / 100 * 100;
            if (tm.tm_year > present.tm_year + 50) {
                tm.tm_year -= 100;
            }
            *date = timegm(&tm);
        }
        return true;
    }
    return false;
}

void
http_date_format(int64_t date, char buf[HTTP_DATE_SIZE])
{
    time_t t = date;
    struct tm tm;

    if (!gmtime_r(&t, &tm)
        || !strftime(buf, HTTP_DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm)) {
        buf[0] = '\0';
    }
}
