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
#include "ids-rules.h"

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
#define MAX_PATTERNS (1u << 20)

/* State of the parser.  'pos' runs through one rule, which a backslash at the
 * end of a line may continue, in 'rule_text'. */
struct parser {
    struct ids_rules *rules;
    size_t rules_allocated, patterns_allocated;
    const char *name;
    unsigned int line;          /* First line of the current rule. */
    char *pos;
    char *error;                /* First error, or NULL. */
};

/* Latches an error.  Returns false, for the convenience of callers. */
static bool __attribute__((format(printf, 2, 3)))
fail(struct parser *p, const char *format, ...)
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

static void *
grow(void *array, size_t n, size_t *allocated, size_t size)
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

static bool
parse_number(struct parser *p, const char *what, const char *s, uint64_t max,
             uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(s, &end, 10);
    if (!isdigit((unsigned char) *s) || *end || errno || *value > max) {
        return fail(p, "%s: \"%s\" is not a number up to %"PRIu64, what, s,
                    max);
    }
    return true;
}

/* Addresses and ports. */

static bool
parse_prefix(struct parser *p, char *s, bool negated, struct ids_addr_set *set)
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
        return fail(p, "\"%s\" is not an address (variables such as $HOME_NET "
                    "are not supported)", s);
    }
    len = max;
    if (slash && !parse_number(p, "prefix length", slash + 1, max, &len)) {
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
parse_port_range(struct parser *p, char *s, bool negated,
                 struct ids_port_set *set)
{
    uint64_t first = 0;
    uint64_t last = UINT16_MAX;
    char *colon = strchr(s, ':');

    if (colon) {
        *colon = '\0';
    }
    if ((*s || !colon) && !parse_number(p, "port", s, UINT16_MAX, &first)) {
        return false;
    }
    if (!colon) {
        last = first;
    } else if (colon[1] && !parse_number(p, "port", colon + 1, UINT16_MAX,
                                         &last)) {
        return false;
    }
    if (first > last) {
        return fail(p, "port range %"PRIu64":%"PRIu64" is empty", first, last);
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
parse_set(struct parser *p, char *s, struct ids_addr_set *addrs,
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
            return fail(p, "list without closing bracket: \"%s\"", s);
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
            return fail(p, "nested lists are not supported");
        }
        if (addrs
            ? !parse_prefix(p, member, negated, addrs)
            : !parse_port_range(p, member, negated, ports)) {
            return false;
        }
    }
    return true;
}

/* Patterns. */

static struct ids_pattern *
add_pattern(struct parser *p, char *regex, unsigned int flags)
{
    struct ids_rules *rules = p->rules;

    if (rules->n_patterns >= MAX_PATTERNS) {
        free(regex);
        fail(p, "too many patterns");
        return NULL;
    }
    rules->patterns = grow(rules->patterns, rules->n_patterns,
                           &p->patterns_allocated, sizeof *rules->patterns);

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
parse_content(struct parser *p, const char *s, size_t *n_bytes)
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
                fail(p, "content: bad hexadecimal at \"%s\"", s);
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
        fail(p, "content: hexadecimal without closing \"|\"");
    } else if (!n) {
        fail(p, "content: empty pattern");
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
parse_pcre(struct parser *p, const char *s)
{
    const char *end = strrchr(s, '/');
    unsigned int flags = 0;

    if (*s != '/' || end <= s + 1) {
        return fail(p, "pcre: expected \"/REGEX/FLAGS\"");
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
            return fail(p, "pcre: flag '%c' is not supported (only i, m, s)",
                        *f);
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
        fail(p, "pcre: %s", error->message);
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
unquote(struct parser *p, const char *name, char *s)
{
    size_t len = s ? strlen(s) : 0;

    if (len < 2 || s[0] != '"' || s[len - 1] != '"') {
        fail(p, "%s: expected a quoted string", name);
        return NULL;
    }
    s[len - 1] = '\0';
    return s + 1;
}

static bool
parse_flow_option(struct parser *p, struct ids_rule *rule, char *value)
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
            return fail(p, "flow: \"%s\" is not supported", word);
        }
    }
    if (!rule->to_server && !rule->to_client) {
        return fail(p, "flow: neither direction is left");
    }
    return true;
}

/* 'offset', 'depth' and 'startswith' place the last content. */
static bool
parse_placement(struct parser *p, struct options *o, const char *name,
                char *value)
{
    uint64_t n;

    if (!o->content) {
        return fail(p, "%s: there is no content before it", name);
    } else if (!strcmp(name, "startswith")) {
        if (value || o->placed) {
            return fail(p, "startswith: takes no value, and excludes offset "
                        "and depth");
        }
        n = o->content_len;
    } else if (!parse_number(p, name, value ? value : "", UINT32_MAX, &n)) {
        return false;
    }
    o->placed = true;
    if (!strcmp(name, "offset")) {
        if (o->offset || o->content->max_offset != UINT64_MAX) {
            return fail(p, "offset: given twice, or after depth");
        }
        o->offset = n;
        o->content->min_offset = n + o->content_len;
    } else if (n < o->content_len) {
        return fail(p, "depth: less than the content's length");
    } else {
        o->content->max_offset = o->offset + n;
    }
    return true;
}

static bool
parse_u32_once(struct parser *p, const char *name, const char *value,
               bool *given, uint32_t *result)
{
    uint64_t n;

    if (*given) {
        return fail(p, "%s: given twice", name);
    } else if (!parse_number(p, name, value ? value : "", UINT32_MAX, &n)) {
        return false;
    }
    *given = true;
    *result = n;
    return true;
}

static char *
copy_once(struct parser *p, const char *name, char *old, const char *value)
{
    if (old) {
        fail(p, "%s: given twice", name);
        return old;
    }

    char *copy = strdup(value);
    if (!copy) {
        abort();
    }
    return copy;
}

static bool
parse_option(struct parser *p, struct ids_rule *rule, struct options *o,
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
            return fail(p, "nocase: there is no content before it");
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
            return fail(p, "flow: given twice, or without value");
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
            return fail(p, "priority: %"PRIu32" is not from 1 to 255", n);
        }
        rule->priority = n;
    } else if (!strcmp(name, "classtype")) {
        rule->classtype = copy_once(p, name, rule->classtype,
                                    value ? value : "");
    } else if (strcmp(name, "reference") && strcmp(name, "metadata")) {
        return fail(p, "option \"%s\" is not supported", name);
    }
    return !p->error;
}

/* Returns the next option's text, null-terminated, and advances; NULL at the
 * end.  A semicolon ends it unless it is quoted or escaped. */
static char *
next_option(struct parser *p)
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
    fail(p, quoted ? "quoted string without end" : "expected \";\" at the "
         "end of \"%s\"", start);
    return NULL;
}

static bool
parse_options(struct parser *p, struct ids_rule *rule)
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
        return fail(p, "rule without sid");
    } else if (!rule->msg) {
        return fail(p, "rule without msg");
    } else if (p->rules->n_patterns == rule->first_pattern) {
        return fail(p, "rule without content or pcre");
    }
    rule->n_patterns = p->rules->n_patterns - rule->first_pattern;
    for (size_t i = 0; i < p->rules->n_rules; i++) {
        if (p->rules->rules[i].sid == rule->sid) {
            return fail(p, "sid %"PRIu32" is already used in line %u",
                        rule->sid, p->rules->rules[i].line);
        }
    }
    return true;
}

static char *
next_word(struct parser *p)
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
parse_header(struct parser *p, struct ids_rule *rule)
{
    char *words[7];

    for (size_t i = 0; i < 7; i++) {
        words[i] = next_word(p);
        if (!words[i]) {
            return fail(p, "expected \"alert PROTO SRC PORTS -> DST PORTS "
                        "(OPTIONS)\"");
        }
    }
    if (strcmp(words[0], "alert")) {
        return fail(p, "action \"%s\" is not supported (only alert)",
                    words[0]);
    }
    if (!strcmp(words[1], "tcp")) {
        rule->proto = IPPROTO_TCP;
    } else if (!strcmp(words[1], "udp")) {
        rule->proto = IPPROTO_UDP;
    } else if (strcmp(words[1], "ip")) {
        return fail(p, "protocol \"%s\" is not supported (only tcp, udp, ip)",
                    words[1]);
    }
    if (!strcmp(words[4], "<>")) {
        rule->both_ways = true;
    } else if (strcmp(words[4], "->")) {
        return fail(p, "expected \"->\" or \"<>\", not \"%s\"", words[4]);
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
parse_rule(struct parser *p, char *text)
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
        fail(p, "expected options in parentheses");
        rule_uninit(&rule);
        return;
    }
    text[len - 1] = '\0';
    p->pos++;
    if (!parse_options(p, &rule)) {
        rule_uninit(&rule);
        return;
    }
    rules->rules = grow(rules->rules, rules->n_rules, &p->rules_allocated,
                        sizeof *rules->rules);
    rules->rules[rules->n_rules++] = rule;
}

/* Returns the next logical line of [*textp, end), malloc()ed and without blanks
 * around it, advances '*textp', and adds the number of lines to '*n_lines'. */
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
    struct parser p = { .name = name };
    const char *end = text + len;
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    unsigned int n_lines = 0;

    p.rules = calloc(1, sizeof *p.rules);
    if (!p.rules || !sha || !(p.rules->file = strdup(name))
        || !EVP_DigestInit_ex(sha, EVP_sha256(), NULL)) {
        abort();
    }
    if (memchr(text, '\0', len)) {
        fail(&p, "null byte in file");
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
            text = len >= allocated ? grow(text, len, &allocated, 1) : text;
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

/* Matching of headers. */

static bool
prefix_contains(const struct ids_prefix *prefix, const uint8_t addr[16])
{
    size_t n_bytes = prefix->len / 8;
    unsigned int n_bits = prefix->len % 8;

    return !memcmp(prefix->addr, addr, n_bytes)
           && (!n_bits || !((prefix->addr[n_bytes] ^ addr[n_bytes])
                            >> (8 - n_bits)));
}

static bool
addr_set_contains(const struct ids_addr_set *set, const uint8_t addr[16])
{
    bool some = false;
    bool in = false;

    for (size_t i = 0; i < set->n; i++) {
        bool match = prefix_contains(&set->prefixes[i], addr);

        if (set->prefixes[i].negated) {
            if (match) {
                return false;
            }
        } else {
            some = true;
            in |= match;
        }
    }
    return in || !some;
}

static bool
port_set_contains(const struct ids_port_set *set, uint16_t port)
{
    bool some = false;
    bool in = false;

    for (size_t i = 0; i < set->n; i++) {
        const struct ids_port_range *r = &set->ranges[i];
        bool match = port >= r->first && port <= r->last;

        if (r->negated) {
            if (match) {
                return false;
            }
        } else {
            some = true;
            in |= match;
        }
    }
    return in || !some;
}

static bool
header_matches(const struct ids_rule *rule, const struct mbox_key *key)
{
    return addr_set_contains(&rule->src, key->src)
           && addr_set_contains(&rule->dst, key->dst)
           && port_set_contains(&rule->src_ports, key->src_port)
           && port_set_contains(&rule->dst_ports, key->dst_port);
}

bool
ids_rule_applies(const struct ids_rule *rule, const struct mbox_key *key,
                 enum ids_dir dir)
{
    struct mbox_key reverse;

    if ((rule->proto && rule->proto != key->proto)
        || !(dir == IDS_TO_SERVER ? rule->to_server : rule->to_client)) {
        return false;
    } else if (header_matches(rule, key)) {
        return true;
    } else if (!rule->both_ways) {
        return false;
    }
    mbox_key_reverse(key, &reverse);
    return header_matches(rule, &reverse);
}
