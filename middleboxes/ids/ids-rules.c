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

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <hs.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (16 * 1024 * 1024)

bool
ids_parse_fail(struct ids_parser *p, const char *format, ...)
{
    if (!p->error) {
        char cause[512];
        va_list args;

        va_start(args, format);
        vsnprintf(cause, sizeof cause, format, args);
        va_end(args);
        if (asprintf(&p->error, "%s:%u: %s", p->name, p->line, cause) < 0) {
            abort();
        }
    }
    return false;
}

void *
ids_parse_grow(void *array, size_t n, size_t *allocated, size_t size)
{
    if (n >= *allocated) {
        *allocated = *allocated ? *allocated * 2 : 16;
        array = realloc(array, *allocated * size);
        if (!array) {
            abort();
        }
    }
    return array;
}

/* Numbers. */

bool
ids_parse_number(struct ids_parser *p, const char *what, const char *s,
                 uint64_t max, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(s, &end, 10);
    if (!isdigit((unsigned char) *s) || *end || errno || *value > max) {
        return ids_parse_fail(p, "%s: \"%s\" is not a number up to %"PRIu64,
                              what, s, max);
    }
    return true;
}

/* Addresses and ports. */

static bool
parse_prefix(struct ids_parser *p, char *s, bool negated,
             struct ids_addr_set *set)
{
    struct ids_prefix prefix = { .negated = negated };
    uint64_t max = 128;
    uint64_t len;
    char *slash = strchr(s, '/');
    struct in_addr in;

    if (slash) {
        *slash = '\0';
    }
    if (inet_pton(AF_INET, s, &in) == 1) {
        memset(prefix.addr + 10, 0xff, 2);
        memcpy(prefix.addr + 12, &in, 4);
        max = 32;
    } else if (inet_pton(AF_INET6, s, prefix.addr) != 1) {
        return ids_parse_fail(p, "\"%s\" is not an address (variables such as "
                              "$HOME_NET are not supported)", s);
    }
    len = max;
    if (slash && !ids_parse_number(p, "prefix length", slash + 1, max, &len)) {
        return false;
    }
    prefix.len = max == 32 ? len + 96 : len;

    set->prefixes = realloc(set->prefixes,
                            (set->n + 1) * sizeof *set->prefixes);
    if (!set->prefixes) {
        abort();
    }
    set->prefixes[set->n++] = prefix;
    return true;
}

static bool
parse_port_range(struct ids_parser *p, char *s, bool negated,
                 struct ids_port_set *set)
{
    uint64_t first = 0;
    uint64_t last = UINT16_MAX;
    char *colon = strchr(s, ':');

    if (colon) {
        *colon = '\0';
    }
    if ((*s || !colon) && !ids_parse_number(p, "port", s, UINT16_MAX,
                                            &first)) {
        return false;
    }
    if (!colon) {
        last = first;
    } else if (colon[1] && !ids_parse_number(p, "port", colon + 1, UINT16_MAX,
                                             &last)) {
        return false;
    }
    if (first > last) {
        return ids_parse_fail(p, "port range %"PRIu64":%"PRIu64" is empty",
                              first, last);
    }

    set->ranges = realloc(set->ranges, (set->n + 1) * sizeof *set->ranges);
    if (!set->ranges) {
        abort();
    }
    set->ranges[set->n++] = (struct ids_port_range) {
        .first = first, .last = last, .negated = negated,
    };
    return true;
}

/* Parses 's', "any" or a member or a list "[a,!b,...]" of members, each of
 * which may be negated, into either 'addrs' or 'ports'. */
static bool
parse_set(struct ids_parser *p, char *s, struct ids_addr_set *addrs,
          struct ids_port_set *ports)
{
    bool negate_all = *s == '!';
    size_t len;

    if (!strcmp(s, "any")) {
        return true;
    }
    s += negate_all;
    len = strlen(s);
    if (*s == '[') {
        if (len < 3 || s[len - 1] != ']') {
            return ids_parse_fail(p, "list without closing bracket: \"%s\"",
                                  s);
        }
        s[len - 1] = '\0';
        s++;
    }
    for (char *next = s; next; ) {
        char *member = next;
        bool negated = negate_all;

        next = strchr(member, ',');
        if (next) {
            *next++ = '\0';
        }
        if (*member == '!') {
            negated = !negated;
            member++;
        }
        if (strpbrk(member, "[]!")) {
            return ids_parse_fail(p, "nested lists are not supported");
        }
        if (addrs
            ? !parse_prefix(p, member, negated, addrs)
            : !parse_port_range(p, member, negated, ports)) {
            return false;
        }
    }
    return true;
}


static char *
next_word(struct ids_parser *p)
{
    char *start;

    while (isspace((unsigned char) *p->pos)) {
        p->pos++;
    }
    start = p->pos;
    if (*start == '[' || (*start == '!' && start[1] == '[')) {
        /* Blanks are allowed within a list: squeeze them out. */
        char *out = start;
        char *in = start;

        while (*in && *in != ']') {
            if (!isspace((unsigned char) *in)) {
                *out++ = *in;
            }
            in++;
        }
        while (*in && !isspace((unsigned char) *in) && *in != '(') {
            *out++ = *in++;
        }
        p->pos = in;
        if (out < in) {
            *out = '\0';
        }
    } else {
        while (*p->pos && !isspace((unsigned char) *p->pos)
               && *p->pos != '(') {
            p->pos++;
        }
    }
    if (isspace((unsigned char) *p->pos)) {
        *p->pos++ = '\0';
    } else if (*p->pos) {
        return NULL;            /* "(" without a blank before it. */
    }
    return *start ? start : NULL;
}

/* Parses the header, "alert PROTO SRC PORTS -> DST PORTS". */
static bool
parse_header(struct ids_parser *p, struct ids_rule *rule)
{
    char *words[7];

    for (size_t i = 0; i < 7; i++) {
        words[i] = next_word(p);
        if (!words[i]) {
            return ids_parse_fail(p, "expected \"alert PROTO SRC PORTS -> DST "
                                  "PORTS (OPTIONS)\"");
        }
    }
    if (strcmp(words[0], "alert")) {
        return ids_parse_fail(p, "action \"%s\" is not supported (only alert)",
                              words[0]);
    }
    if (!strcmp(words[1], "tcp")) {
        rule->proto = IPPROTO_TCP;
    } else if (!strcmp(words[1], "udp")) {
        rule->proto = IPPROTO_UDP;
    } else if (strcmp(words[1], "ip")) {
        return ids_parse_fail(p, "protocol \"%s\" is not supported (only tcp, "
                              "udp, ip)", words[1]);
    }
    if (!strcmp(words[4], "<>")) {
        rule->both_ways = true;
    } else if (strcmp(words[4], "->")) {
        return ids_parse_fail(p, "expected \"->\" or \"<>\", not \"%s\"",
                              words[4]);
    }
    return parse_set(p, words[2], &rule->src, NULL)
           && parse_set(p, words[3], NULL, &rule->src_ports)
           && parse_set(p, words[5], &rule->dst, NULL)
           && parse_set(p, words[6], NULL, &rule->dst_ports);
}

static void
rule_uninit(struct ids_rule *rule)
{
    free(rule->src.prefixes);
    free(rule->dst.prefixes);
    free(rule->src_ports.ranges);
    free(rule->dst_ports.ranges);
    free(rule->msg);
    free(rule->classtype);
}

/* Parses the rule in 'text', which is changed. */
static void
parse_rule(struct ids_parser *p, char *text)
{
    struct ids_rules *rules = p->rules;
    struct ids_rule rule = {
        .rev = 1, .priority = 3, .to_server = true, .to_client = true,
        .line = p->line, .first_pattern = rules->n_patterns,
    };
    size_t len = strlen(text);

    p->pos = text;
    if (!parse_header(p, &rule)) {
        rule_uninit(&rule);
        return;
    }
    while (isspace((unsigned char) *p->pos)) {
        p->pos++;
    }
    if (*p->pos != '(' || text[len - 1] != ')') {
        ids_parse_fail(p, "expected options in parentheses");
        rule_uninit(&rule);
        return;
    }
    text[len - 1] = '\0';
    p->pos++;
    if (!ids_parse_options(p, &rule)) {
        rule_uninit(&rule);
        return;
    }
    rules->rules = ids_parse_grow(rules->rules, rules->n_rules,
                                  &p->rules_allocated, sizeof *rules->rules);
    rules->rules[rules->n_rules++] = rule;
}

/* Returns the next logical line of [*textp, end), malloc()ed and without
 * blanks around it, advances '*textp', and adds the number of lines to
 * '*n_lines'. */
static char *
next_line(const char **textp, const char *end, unsigned int *n_lines)
{
    char *line = malloc(end - *textp + 1);
    size_t len = 0;
    bool more = true;

    if (!line) {
        abort();
    }
    while (more && *textp < end) {
        const char *eol = memchr(*textp, '\n', end - *textp);
        size_t n = (eol ? eol : end) - *textp;

        memcpy(line + len, *textp, n);
        len += n;
        *textp = eol ? eol + 1 : end;
        ++*n_lines;
        while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'
                       || line[len - 1] == '\r')) {
            len--;
        }
        more = len && line[len - 1] == '\\';
        len -= more;
    }
    line[len] = '\0';

    size_t skip = strspn(line, " \t");
    memmove(line, line + skip, len - skip + 1);
    return line;
}

int
ids_rules_parse(const char *name, const char *text, size_t len,
                struct ids_rules **rulesp, char **errp)
{
    struct ids_parser p = { .name = name };
    const char *end = text + len;
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    unsigned int n_lines = 0;

    p.rules = calloc(1, sizeof *p.rules);
    if (!p.rules || !sha || !(p.rules->file = strdup(name))
        || !EVP_DigestInit_ex(sha, EVP_sha256(), NULL)) {
        abort();
    }
    if (memchr(text, '\0', len)) {
        ids_parse_fail(&p, "null byte in file");
    }
    while (text < end && !p.error) {
        p.line = n_lines + 1;

        char *line = next_line(&text, end, &n_lines);
        if (*line && *line != '#') {
            EVP_DigestUpdate(sha, line, strlen(line) + 1);
            parse_rule(&p, line);
        }
        free(line);
    }
    EVP_DigestFinal_ex(sha, p.rules->hash, NULL);
    EVP_MD_CTX_free(sha);

    if (p.error) {
        ids_rules_destroy(p.rules);
        *rulesp = NULL;
        *errp = p.error;
        return -EINVAL;
    }
    *rulesp = p.rules;
    *errp = NULL;
    return 0;
}

int
ids_rules_load(const char *name, struct ids_rules **rulesp, char **errp)
{
    FILE *file = fopen(name, "r");
    char *text = NULL;
    size_t len = 0;
    int error = 0;

    *rulesp = NULL;
    if (!file) {
        error = -errno;
    } else {
        size_t allocated = 0;
        size_t n;

        do {
            text = len >= allocated ? ids_parse_grow(text, len, &allocated,
                                                     1) : text;
            n = fread(text + len, 1, allocated - len, file);
            len += n;
        } while (n && len <= MAX_FILE);
        error = ferror(file) ? -errno : len > MAX_FILE ? -EFBIG : 0;
        fclose(file);
    }
    if (error) {
        if (asprintf(errp, "%s: %s", name, strerror(-error)) < 0) {
            abort();
        }
    } else {
        error = ids_rules_parse(name, text, len, rulesp, errp);
    }
    free(text);
    return error;
}

void
ids_rules_destroy(struct ids_rules *rules)
{
    if (rules) {
        for (size_t i = 0; i < rules->n_rules; i++) {
            rule_uninit(&rules->rules[i]);
        }
        for (size_t i = 0; i < rules->n_patterns; i++) {
            free(rules->patterns[i].regex);
        }
        free(rules->rules);
        free(rules->patterns);
        free(rules->file);
        free(rules);
    }
}
