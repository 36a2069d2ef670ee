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

#ifndef IDS_RULES_PARSER_H
#define IDS_RULES_PARSER_H 1

/* The parser of rules
 * ===================
 *
 * ids-rules.c reads files and the headers of rules, ids-rules-options.c what
 * is in parentheses. */

#include "ids-rules.h"

/* State of the parser.  'pos' runs through one rule, which a backslash at the
 * end of a line may continue, in 'rule_text'. */
struct ids_parser {
    struct ids_rules *rules;
    size_t rules_allocated, patterns_allocated;
    const char *name;
    unsigned int line;          /* First line of the current rule. */
    char *pos;
    char *error;                /* First error, or NULL. */
};

/* Latches an error.  Returns false, for the convenience of callers. */
bool ids_parse_fail(struct ids_parser *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns 'array', which has '*allocated' elements of 'size' bytes, with room
 * for more than 'n'. */
void *ids_parse_grow(void *array, size_t n, size_t *allocated, size_t size);

/* Parses a number up to 'max'; 'what' is for the error. */
bool ids_parse_number(struct ids_parser *, const char *what, const char *s,
                      uint64_t max, uint64_t *value);

/* Parses the options of a rule, from 'pos' on. */
bool ids_parse_options(struct ids_parser *, struct ids_rule *);

#endif /* ids-rules-parser.h */
