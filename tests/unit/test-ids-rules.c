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

/* The rule language. */

#include <config.h>
#include "ids-test.h"

#include <errno.h>
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ids-sig.h"

static struct ids_rules *
parse(const char *text)
{
    struct ids_rules *rules;
    char *error;

    if (ids_rules_parse("t", text, strlen(text), &rules, &error)) {
        fail_msg("%s", error);
    }
    return rules;
}

static void
check_error(const char *text, const char *expected)
{
    struct ids_rules *rules;
    char *error;

    assert_int_equal(ids_rules_parse("t", text, strlen(text), &rules, &error),
                     -EINVAL);
    assert_null(rules);
    assert_string_equal(error, expected);
    free(error);
}

static void
a_full_rule(void **state)
{
    struct ids_rules *rules = parse(
        "# comment\n"
        "\n"
        "alert tcp [10.0.0.0/8, !10.1.0.0/16] any <> 2001:db8::/32 \\\n"
        "    [80,!8080,8000:] (msg:\"semi\\;colon\"; flow:to_server,"
        "established; content:\"a|00 ff|b\\\"\"; nocase; offset:2; depth:9; "
        "pcre:\"/x{2};y/is\"; classtype:bad; reference:url,x; metadata:a b; "
        "priority:1; sid:77; rev:3;)\n");
    const struct ids_rule *r = &rules->rules[0];

    (void) state;
    assert_int_equal(rules->n_rules, 1);
    assert_int_equal(r->line, 3);
    assert_int_equal(r->sid, 77);
    assert_int_equal(r->rev, 3);
    assert_int_equal(r->priority, 1);
    assert_int_equal(r->proto, IPPROTO_TCP);
    assert_true(r->both_ways && r->to_server && !r->to_client);
    assert_int_equal(r->src.n, 2);
    assert_true(r->src.prefixes[1].negated);
    assert_int_equal(r->src.prefixes[1].len, 112);
    assert_int_equal(r->dst.prefixes[0].len, 32);
    assert_int_equal(r->dst_ports.n, 3);
    assert_int_equal(r->dst_ports.ranges[2].first, 8000);
    assert_int_equal(r->dst_ports.ranges[2].last, 65535);
    assert_int_equal(r->n_patterns, 2);
    assert_string_equal(rules->patterns[0].regex,
                        "\\x61\\x00\\xff\\x62\\x22");
    assert_int_equal(rules->patterns[0].min_offset, 7);
    assert_int_equal(rules->patterns[0].max_offset, 11);
    assert_true(rules->patterns[0].flags & HS_FLAG_CASELESS);
    assert_string_equal(rules->patterns[1].regex, "x{2};y");
    assert_true(rules->patterns[1].flags & HS_FLAG_DOTALL);
    ids_rules_destroy(rules);
}

static void
errors_name_line_and_cause(void **state)
{
#define H "alert tcp any any -> any any "
    (void) state;
    check_error("drop tcp any any -> any any (sid:1;)",
                "t:1: action \"drop\" is not supported (only alert)");
    check_error("\n#\nalert icmp any any -> any any (sid:1;)",
                "t:3: protocol \"icmp\" is not supported (only tcp, udp, "
                "ip)");
    check_error("alert tcp any any => any any (sid:1;)",
                "t:1: expected \"->\" or \"<>\", not \"=>\"");
    check_error("alert tcp any any -> any",
                "t:1: expected \"alert PROTO SRC PORTS -> DST PORTS "
                "(OPTIONS)\"");
    check_error("alert tcp $HOME_NET any -> any any (sid:1;)",
                "t:1: \"$HOME_NET\" is not an address (variables such as "
                "$HOME_NET are not supported)");
    check_error("alert tcp 10.0.0.0/33 any -> any any (sid:1;)",
                "t:1: prefix length: \"33\" is not a number up to 32");
    check_error("alert tcp any 70000 -> any any (sid:1;)",
                "t:1: port: \"70000\" is not a number up to 65535");
    check_error("alert tcp any 9:8 -> any any (sid:1;)",
                "t:1: port range 9:8 is empty");
    check_error("alert tcp any [1,[2]] -> any any (sid:1;)",
                "t:1: nested lists are not supported");
    check_error("alert tcp any [1,2 -> any any (sid:1;)",
                "t:1: expected \"alert PROTO SRC PORTS -> DST PORTS "
                "(OPTIONS)\"");
    check_error(H "sid:1;", "t:1: expected options in parentheses");
    check_error(H "(sid:1)", "t:1: expected \";\" at the end of \"sid:1\"");
    check_error(H "(msg:\"x;)", "t:1: quoted string without end");
    check_error(H "(msg:x; sid:1;)", "t:1: msg: expected a quoted string");
    check_error(H "(msg:\"x\"; content:\"a\";)", "t:1: rule without sid");
    check_error(H "(sid:1; content:\"a\";)", "t:1: rule without msg");
    check_error(H "(sid:1; msg:\"x\";)",
                "t:1: rule without content or pcre");
    check_error(H "(sid:1; sid:2;)", "t:1: sid: given twice");
    check_error(H "(sid:-1;)",
                "t:1: sid: \"-1\" is not a number up to 4294967295");
    check_error(H "(within:3;)", "t:1: option \"within\" is not supported");
    check_error(H "(content:\"\";)", "t:1: content: empty pattern");
    check_error(H "(content:!\"a\";)", "t:1: content (negation is not "
                "supported): expected a quoted string");
    check_error(H "(content:\"|4\";)",
                "t:1: content: bad hexadecimal at \"4\"");
    check_error(H "(content:\"|41\";)",
                "t:1: content: hexadecimal without closing \"|\"");
    check_error(H "(nocase;)", "t:1: nocase: there is no content before it");
    check_error(H "(content:\"abc\"; depth:2;)",
                "t:1: depth: less than the content's length");
    check_error(H "(pcre:\"x\";)",
                "t:1: pcre: expected \"/REGEX/FLAGS\"");
    check_error(H "(pcre:\"/x/U\";)",
                "t:1: pcre: flag 'U' is not supported (only i, m, s)");
    check_error(H "(pcre:\"/(x/\";)",
                "t:1: pcre: Missing close parenthesis for group started at "
                "index 0.");
    check_error(H "(pcre:\"/x*/\";)",
                "t:1: pcre: Pattern matches empty buffer; use "
                "HS_FLAG_ALLOWEMPTY to enable support.");
    check_error(H "(flow:stateless;)",
                "t:1: flow: \"stateless\" is not supported");
    check_error(H "(flow:to_server,to_client;)",
                "t:1: flow: neither direction is left");
    check_error(H "(priority:0;)", "t:1: priority: 0 is not from 1 to 255");
    check_error(H "(msg:\"x\"; content:\"a\"; sid:1;)\n"
                H "(msg:\"y\"; content:\"b\"; sid:1;)\n",
                "t:2: sid 1 is already used in line 1");
#undef H
}

static void
headers_match(void **state)
{
    struct ids_rules *rules = parse(
        "alert tcp 10.0.0.0/9 any -> ![10.0.0.1,10.0.0.2] 80:90 "
        "(msg:\"x\"; content:\"a\"; flow:to_server; sid:1;)\n"
        "alert ip any 53 <> any any (msg:\"y\"; content:\"b\"; sid:2;)\n"
        "alert udp 2001:db8::/33 any -> any any "
        "(msg:\"z\"; content:\"b\"; sid:3;)\n");
    const struct ids_rule *r = rules->rules;
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 0x0a7f0001, 1,
                                       0x0a000003, 85);

    (void) state;
    assert_true(ids_rule_applies(&r[0], &key, IDS_TO_SERVER));
    assert_false(ids_rule_applies(&r[0], &key, IDS_TO_CLIENT));
    key.dst[15] = 2;
    assert_false(ids_rule_applies(&r[0], &key, IDS_TO_SERVER));
    key.dst[15] = 4;
    key.dst_port = 91;
    assert_false(ids_rule_applies(&r[0], &key, IDS_TO_SERVER));
    key.dst_port = 90;
    key.src[13] = 0x80;
    assert_false(ids_rule_applies(&r[0], &key, IDS_TO_SERVER));

    assert_false(ids_rule_applies(&r[1], &key, IDS_TO_SERVER));
    key.dst_port = 53;
    assert_true(ids_rule_applies(&r[1], &key, IDS_TO_CLIENT));
    key.proto = IPPROTO_UDP;
    assert_true(ids_rule_applies(&r[1], &key, IDS_TO_SERVER));

    assert_false(ids_rule_applies(&r[2], &key, IDS_TO_SERVER));
    key.family = 6;
    memcpy(key.src, "\x20\x01\x0d\xb8\x7f", 5);
    assert_true(ids_rule_applies(&r[2], &key, IDS_TO_SERVER));
    key.src[4] = 0x80;
    assert_false(ids_rule_applies(&r[2], &key, IDS_TO_SERVER));
    ids_rules_destroy(rules);
}

/* The hash is that of what counts. */
static void
hash_ignores_comments_only(void **state)
{
    struct ids_rules *a = parse("alert tcp any any -> any any (msg:\"x\"; "
                                "content:\"a\"; sid:1;)");
    struct ids_rules *b = parse("# hello\n\n  alert tcp any any -> any any "
                                "(msg:\"x\"; content:\"a\"; sid:1;) \r\n#");
    struct ids_rules *c = parse("alert tcp any any -> any any (msg:\"x\"; "
                                "content:\"b\"; sid:1;)");

    (void) state;
    assert_memory_equal(a->hash, b->hash, sizeof a->hash);
    assert_memory_not_equal(a->hash, c->hash, sizeof a->hash);
    ids_rules_destroy(a);
    ids_rules_destroy(b);
    ids_rules_destroy(c);
}

/* The digest that instances compare is the same in each run. */
static void
digest_is_reproducible(void **state)
{
    struct test_rules a, b, c;

    (void) state;
    test_rules_init(&a, test_rules_text);
    test_rules_init(&b, test_rules_text);
    test_rules_init(&c, "");
    assert_true(ids_schema(a.sigs) == ids_schema(b.sigs));
    assert_true(ids_schema(a.sigs) != ids_schema(c.sigs));
    test_rules_uninit(&a);
    test_rules_uninit(&b);
    test_rules_uninit(&c);
}

static void
random_text_is_survived(void **state)
{
    static const char *const words[] = {
        "alert ", "tcp ", "any ", "-> ", "[", "]", "!", "10.0.0.1", "/8", ",",
        "80", ":", "(", ")", "msg", "\"", ";", "content", "|41|", "|",
        "sid:1;", "pcre:\"/", "/\";", "\\", "\n", "nocase;", " ", "depth:5;",
        "alert tcp any any -> any any (", "msg:\"x\";", "content:\"a\";",
    };
    struct rng rng = { 5 };

    (void) state;
    for (int i = 0; i < 20000; i++) {
        char text[512] = "";
        char *p = text;
        size_t n = rng_range(&rng, 30);

        for (size_t j = 0; j < n && p - text < 400; j++) {
            p = stpcpy(p, words[rng_range(&rng, sizeof words
                                          / sizeof words[0])]);
        }

        struct ids_rules *rules;
        char *error = NULL;
        size_t len = p - text;
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, text, len);
        if (ids_rules_parse("t", copy, len, &rules, &error)) {
            assert_non_null(error);
        }
        free(error);
        free(copy);
        ids_rules_destroy(rules);
    }
}

static void
files(void **state)
{
    char name[] = "test-ids-rules-XXXXXX";
    struct ids_rules *rules;
    char *error;
    int fd;

    (void) state;
    assert_int_equal(ids_rules_load("/nonexistent", &rules, &error), -ENOENT);
    assert_string_equal(error, "/nonexistent: No such file or directory");
    free(error);

    fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, test_rules_text, strlen(test_rules_text)),
                     strlen(test_rules_text));
    close(fd);
    assert_int_equal(ids_rules_load(name, &rules, &error), 0);
    assert_int_equal(rules->n_rules, 7);
    ids_rules_destroy(rules);
    unlink(name);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_rule),
        cmocka_unit_test(errors_name_line_and_cause),
        cmocka_unit_test(headers_match),
        cmocka_unit_test(hash_ignores_comments_only),
        cmocka_unit_test(digest_is_reproducible),
        cmocka_unit_test(random_text_is_survived),
        cmocka_unit_test(files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
