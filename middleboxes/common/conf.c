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
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (1 << 20)

bool
conf_fail(struct conf *conf, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!conf->error
        && asprintf(&conf->error, "%s:%u: %s", conf->name, conf->line,
                    text) < 0) {
        abort();
    }
    return false;
}

bool
conf_uint(struct conf *conf, const char *what, const char *s, uint32_t min,
          uint32_t max, uint32_t *value)
{
    char *end;

    errno = 0;
    unsigned long n = strtoul(s, &end, 10);
    if (errno || *s < '0' || *s > '9' || *end || n < min || n > max) {
        return conf_fail(conf, "%s \"%s\": give a number from %"PRIu32
                         " to %"PRIu32, what, s, min, max);
    }
    *value = n;
    return true;
}

uint8_t
conf_address(const char *s, uint8_t addr[16])
{
    if (inet_pton(AF_INET6, s, addr) == 1) {
        return 6;
    }
    if (inet_pton(AF_INET, s, addr + 12) == 1) {
        memset(addr, 0, 10);
        memset(addr + 10, 0xff, 2);
        return 4;
    }
    return 0;
}

static bool
parse_line(struct conf *conf, char *line, conf_statement_cb *statement)
{
    char *words[CONF_MAX_WORDS];
    char *save = NULL;
    size_t n = 0;

    line[strcspn(line, "#\r")] = '\0';
    for (char *word = strtok_r(line, " \t", &save); word;
         word = strtok_r(NULL, " \t", &save)) {
        if (n == CONF_MAX_WORDS) {
            return conf_fail(conf, "more than %d words: one statement in each "
                             "line", CONF_MAX_WORDS);
        }
        words[n++] = word;
    }
    return !n || statement(conf, words, n);
}

bool
conf_parse(struct conf *conf, const char *text, size_t len,
           conf_statement_cb *statement)
{
    char *copy = malloc(len + 1);
    bool ok = true;

    if (!copy) {
        abort();
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (memchr(text, 0, len)) {
        conf->line = 1;
        ok = conf_fail(conf, "null byte: give a text file");
    }
    for (char *line = copy, *next; ok && line; line = next) {
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
            if (!*next) {
                next = NULL;
            }
        }
        conf->line++;
        ok = parse_line(conf, line, statement);
    }
    explicit_bzero(copy, len);  /* It may have a secret. */
    free(copy);
    return ok;
}

int
conf_read_file(const char *name, char **textp, size_t *lenp, char **errp)
{
    FILE *file = fopen(name, "re");
    char *text = malloc(MAX_FILE + 1);
    int error = file ? 0 : -errno;
    size_t len = 0;

    if (!text) {
        abort();
    }
    if (file) {
        len = fread(text, 1, MAX_FILE + 1, file);
        error = ferror(file) ? -EIO : len > MAX_FILE ? -EFBIG : 0;
        fclose(file);
    }
    if (error) {
        free(text);
        if (asprintf(errp, "%s: %s", name, strerror(-error)) < 0) {
            abort();
        }
        return error;
    }
    *textp = text;
    *lenp = len;
    return 0;
}
