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

#ifndef CONF_H
#define CONF_H 1

/* Configuration files of middleboxes
 * ==================================
 *
 * One statement in each line: words with blanks between them.  "#" begins a
 * comment.  What is wrong is said in one message, "FILE:LINE: what: remedy";
 * the first one stays. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_MAX_WORDS 16

struct conf {
    const char *name;           /* Of the file, for messages. */
    unsigned int line;          /* That is being read, from 1. */
    char *error;                /* malloc()ed message; NULL: none yet. */
};

/* Stores a message, unless there is one already.  Returns false. */
bool conf_fail(struct conf *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads the number 's' from 'min' to 'max'; 'what' is for the message. */
bool conf_uint(struct conf *, const char *what, const char *s, uint32_t min,
               uint32_t max, uint32_t *value);

/* Reads a numeric IPv4 or IPv6 address, as in struct mbox_key.  Returns its
 * family, or 0. */
uint8_t conf_address(const char *s, uint8_t addr[16]);

/* Calls 'statement' for the words of each line that has any, until it returns
 * false.  It may change them.  'text' need not end in a null byte. */
typedef bool conf_statement_cb(struct conf *, char *words[], size_t n);
bool conf_parse(struct conf *, const char *text, size_t len,
                conf_statement_cb *statement);

/* Reads a whole file, which the caller frees.  Returns 0, or a negative errno
 * value with a message in '*errp'. */
int conf_read_file(const char *name, char **text, size_t *len, char **errp);

#endif /* conf.h */
