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
#include "ids-rules-parser.h"

#include <ctype.h>
#include <errno.h>
#include <hs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATTERNS (1u << 20)

/* Patterns. */

static struct ids_pattern *
add_pattern(struct ids_parser *p, char *regex, unsigned int flags)
{
    struct ids_rules *rules = p->rules;

    if (rules->n_patterns >= MAX_PATTERNS) {
        free(regex);
        ids_parse_fail(p, "too many patterns");
        return NULL;
    }
    rules->patterns = ids_parse_grow(rules->patterns, rules->n_patterns,
                                     &p->patterns_allocated,
                                     sizeof *rules->patterns);

    struct ids_pattern *pattern = &rules->patterns[rules->n_patterns++];
    *pattern = (struct ids_pattern) {
        .regex = regex,
        .flags = flags | HS_FLAG_SINGLEMATCH,
        .max_offset = UINT64_MAX,
        .rule = rules->n_rules,
    };
    return pattern;
}

static int
hex_value(int c)
{
    return (c >= '0' && c <= '9' ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
            : -1);
}

/* Adds the literal 's' in which |41 42| stands for bytes in hexadecimal and a
 * backslash quotes the next character. '*n_bytes' gets its length. */
static struct ids_pattern *
parse_content(struct ids_parser *p, const char *s, size_t *n_bytes)
{
    char *regex = malloc(strlen(s) * 4 + 1);
    bool hex = false;
    size_t n = 0;

    if (!regex) {
        abort();
    }
    for (; *s; s++) {
        int c = (unsigned char) *s;

        if (c == '|') {
            hex = !hex;
            continue;
        } else if (hex) {
            if (c == ' ') {
                continue;
            }
            int high = hex_value(c);
            int low = high < 0 ? -1 : hex_value(s[1]);
            if (low < 0) {
                ids_parse_fail(p, "content: bad hexadecimal at \"%s\"", s);
                break;
            }
            c = high * 16 + low;
            s++;
        } else if (c == '\\' && s[1]) {
            c = (unsigned char) *++s;
        }
        sprintf(regex + 4 * n++, "\\x%02x", c);
    }
    if (hex) {
        ids_parse_fail(p, "content: hexadecimal without closing \"|\"");
    } else if (!n) {
        ids_parse_fail(p, "content: empty pattern");
    }
    if (p->error) {
        free(regex);
        return NULL;
    }
    *n_bytes = n;
    return add_pattern(p, regex, HS_FLAG_DOTALL);
}

/* Adds "/REGEX/FLAGS". */
static bool
parse_pcre(struct ids_parser *p, const char *s)
{
    const char *end = strrchr(s, '/');
    unsigned int flags = 0;

    if (*s != '/' || end <= s + 1) {
        return ids_parse_fail(p, "pcre: expected \"/REGEX/FLAGS\"");
    }
    for (const char *f = end + 1; *f; f++) {
        switch (*f) {
        case 'i':
            flags |= HS_FLAG_CASELESS;
            break;
        case 's':
            flags |= HS_FLAG_DOTALL;
            break;
        case 'm':
            flags |= HS_FLAG_MULTILINE;
            break;
        default:
            return ids_parse_fail(p, "pcre: flag '%c' is not supported (only "
                                  "i, m, s)", *f);
        }
    }

    char *regex = strndup(s + 1, end - s - 1);
    if (!regex) {
        abort();
    }

    /* Compiled alone, so that a bad expression is told by its line, whichever
     * database it will be in. */
    hs_database_t *database = NULL;
    hs_compile_error_t *error = NULL;
    if (hs_compile(regex, flags | HS_FLAG_SINGLEMATCH, HS_MODE_STREAM, NULL,
                   &database, &error) != HS_SUCCESS) {
        ids_parse_fail(p, "pcre: %s", error->message);
        hs_free_compile_error(error);
        free(regex);
        return false;
    }
    hs_free_database(database);
    return add_pattern(p, regex, flags) != NULL;
}

/* Options. */

/* What the options of a rule said, beyond what is in the rule itself. */
struct options {
    bool sid, rev, priority, flow;
    struct ids_pattern *content;        /* Last one, which modifiers change. */
    size_t content_len;
    uint64_t offset;
    bool placed;                /* 'content' has offset, depth, startswith. */
};

/* Removes the quotation marks around 's'. */
static char *
unquote(struct ids_parser *p, const char *name, char *s)
{
    size_t len = s ? strlen(s) : 0;

    if (len < 2 || s[0] != '"' || s[len - 1] != '"') {
        ids_parse_fail(p, "%s: expected a quoted string", name);
        return NULL;
    }
    s[len - 1] = '\0';
    return s + 1;
}

static bool
parse_flow_option(struct ids_parser *p, struct ids_rule *rule, char *value)
{
    char *save = NULL;

    for (char *word = strtok_r(value, ", ", &save); word;
         word = strtok_r(NULL, ", ", &save)) {
        if (!strcmp(word, "to_server") || !strcmp(word, "from_client")) {
            rule->to_client = false;
        } else if (!strcmp(word, "to_client")
                   || !strcmp(word, "from_server")) {
            rule->to_server = false;
        } else if (strcmp(word, "established")) {
            return ids_parse_fail(p, "flow: \"%s\" is not supported", word);
        }
    }
    if (!rule->to_server && !rule->to_client) {
        return ids_parse_fail(p, "flow: neither direction is left");
    }
    return true;
}

/* 'offset', 'depth' and 'startswith' place the last content. */
static bool
parse_placement(struct ids_parser *p, struct options *o, const char *name,
                char *value)
{
    uint64_t n;

    if (!o->content) {
        return ids_parse_fail(p, "%s: there is no content before it", name);
    } else if (!strcmp(name, "startswith")) {
        if (value || o->placed) {
            return ids_parse_fail(p, "startswith: takes no value, and "
                                  "excludes offset and depth");
        }
        n = o->content_len;
    } else if (!ids_parse_number(p, name, value ? value : "", UINT32_MAX,
                                 &n)) {
        return false;
    }
    o->placed = true;
    if (!strcmp(name, "offset")) {
        if (o->offset || o->content->max_offset != UINT64_MAX) {
            return ids_parse_fail(p, "offset: given twice, or after depth");
        }
        o->offset = n;
        o->content->min_offset = n + o->content_len;
    } else if (n < o->content_len) {
        return ids_parse_fail(p, "depth: less than the content's length");
    } else {
        o->content->max_offset = o->offset + n;
    }
    return true;
}

static bool
parse_u32_once(struct ids_parser *p, const char *name, const char *value,
               bool *given, uint32_t *result)
{
    uint64_t n;

    if (*given) {
        return ids_parse_fail(p, "%s: given twice", name);
    } else if (!ids_parse_number(p, name, value ? value : "", UINT32_MAX,
                                 &n)) {
        return false;
    }
    *given = true;
    *result = n;
    return true;
}

static char *
copy_once(struct ids_parser *p, const char *name, char *old, const char *value)
{
    if (old) {
        ids_parse_fail(p, "%s: given twice", name);
        return old;
    }

    char *copy = strdup(value);
    if (!copy) {
        abort();
    }
    return copy;
}

static bool
parse_option(struct ids_parser *p, struct ids_rule *rule, struct options *o,
             char *name, char *value)
{
    if (!strcmp(name, "msg")) {
        value = unquote(p, name, value);
        if (value) {
            rule->msg = copy_once(p, name, rule->msg, value);
        }
    } else if (!strcmp(name, "content")) {
        value = unquote(p, value && *value == '!' ? "content (negation is not "
                        "supported)" : name, value);
        o->offset = 0;
        o->placed = false;
        o->content = value ? parse_content(p, value, &o->content_len) : NULL;
    } else if (!strcmp(name, "nocase")) {
        if (!o->content) {
            return ids_parse_fail(p, "nocase: there is no content before it");
        }
        o->content->flags |= HS_FLAG_CASELESS;
    } else if (!strcmp(name, "offset") || !strcmp(name, "depth")
               || !strcmp(name, "startswith")) {
        return parse_placement(p, o, name, value);
    } else if (!strcmp(name, "pcre")) {
        o->content = NULL;
        value = unquote(p, name, value);
        return value && parse_pcre(p, value);
    } else if (!strcmp(name, "flow")) {
        if (o->flow || !value) {
            return ids_parse_fail(p, "flow: given twice, or without value");
        }
        o->flow = true;
        return parse_flow_option(p, rule, value);
    } else if (!strcmp(name, "sid")) {
        return parse_u32_once(p, name, value, &o->sid, &rule->sid);
    } else if (!strcmp(name, "rev")) {
        return parse_u32_once(p, name, value, &o->rev, &rule->rev);
    } else if (!strcmp(name, "priority")) {
        uint32_t n = 0;

        if (!parse_u32_once(p, name, value, &o->priority, &n)) {
            return false;
        } else if (n < 1 || n > 255) {
            return ids_parse_fail(p, "priority: %"PRIu32" is not from 1 to "
                                  "255", n);
        }
        rule->priority = n;
    } else if (!strcmp(name, "classtype")) {
        rule->classtype = copy_once(p, name, rule->classtype,
                                    value ? value : "");
    } else if (strcmp(name, "reference") && strcmp(name, "metadata")) {
        return ids_parse_fail(p, "option \"%s\" is not supported", name);
    }
    return !p->error;
}

/* Returns the next option's text, null-terminated, and advances; NULL at the
 * end.  A semicolon ends it unless it is quoted or escaped. */
static char *
next_option(struct ids_parser *p)
{
    bool quoted = false;
    char *start;

    while (isspace((unsigned char) *p->pos)) {
        p->pos++;
    }
    start = p->pos;
    if (!*start) {
        return NULL;
    }
    for (; *p->pos; p->pos++) {
        if (*p->pos == '\\' && p->pos[1]) {
            p->pos++;
        } else if (*p->pos == '"') {
            quoted = !quoted;
        } else if (*p->pos == ';' && !quoted) {
            *p->pos++ = '\0';
            return start;
        }
    }
    ids_parse_fail(p, (quoted ? "quoted string without end"
                       : "expected \";\" at the end of \"%s\""), start);
    return NULL;
}

bool
ids_parse_options(struct ids_parser *p, struct ids_rule *rule)
{
    struct options o = { .sid = false };
    char *option;

    while ((option = next_option(p)) != NULL) {
        char *value = strchr(option, ':');
        char *end;

        if (value) {
            *value++ = '\0';
            while (isspace((unsigned char) *value)) {
                value++;
            }
            for (end = strchr(value, '\0');
                 end > value && isspace((unsigned char) end[-1]); ) {
                *--end = '\0';
            }
        }
        for (end = strchr(option, '\0');
             end > option && isspace((unsigned char) end[-1]); ) {
            *--end = '\0';
        }
        if (!parse_option(p, rule, &o, option, value)) {
            return false;
        }
    }
    if (p->error) {
        return false;
    } else if (!o.sid || !rule->sid) {
        return ids_parse_fail(p, "rule without sid");
    } else if (!rule->msg) {
        return ids_parse_fail(p, "rule without msg");
    } else if (p->rules->n_patterns == rule->first_pattern) {
        return ids_parse_fail(p, "rule without content or pcre");
    }
    rule->n_patterns = p->rules->n_patterns - rule->first_pattern;
    for (size_t i = 0; i < p->rules->n_rules; i++) {
        if (p->rules->rules[i].sid == rule->sid) {
            return ids_parse_fail(p, "sid %"PRIu32" is already used in line "
                                  "%u", rule->sid, p->rules->rules[i].line);
        }
    }
    return true;
}
