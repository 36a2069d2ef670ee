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

/* The accounts of tenants as text, and back. */

#include <config.h>
#include "mbox-usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "openvswitch/vlog.h"
#include "util.h"

static void
check_format(const struct mbox_usage *usage, const char *expected)
{
    char *s = mbox_usage_format(usage);

    assert_string_equal(s, expected);
    free(s);
}

static void
test_text(void **state OVS_UNUSED)
{
    struct mbox_usage usage, copy;
    struct mbox_account *account;
    char *s;

    mbox_usage_init(&usage, 0);
    check_format(&usage, "");

    *mbox_usage_get(&usage, "b.example") = (struct mbox_account) {
        .instance_ms = 1, .packets = 2, .bytes = 3, .flows_moved = 4,
        .state_bytes = INT64_MAX,
    };
    assert_ptr_equal(mbox_usage_get(&usage, "b.example"),
                     mbox_usage_get(&usage, "b.example"));
    mbox_usage_get(&usage, "a")->packets = 9;
    check_format(&usage, "a=0/9/0/0/0 b.example=1/2/3/4/9223372036854775807");

    mbox_usage_init(&copy, 0);
    s = mbox_usage_format(&usage);
    mbox_usage_parse(&copy, s);
    check_format(&copy, s);
    free(s);

    /* It adds to what there is. */
    mbox_usage_parse(&copy, "a=1/2/3/4/5");
    account = mbox_usage_get(&copy, "a");
    assert_int_equal(account->instance_ms, 1);
    assert_int_equal(account->packets, 11);
    assert_int_equal(account->bytes, 3);
    assert_int_equal(account->flows_moved, 4);
    assert_int_equal(account->state_bytes, 5);
    mbox_usage_destroy(&copy);
    mbox_usage_destroy(&usage);
}

static void
test_nonsense(void **state OVS_UNUSED)
{
    struct mbox_usage usage;

    mbox_usage_init(&usage, 0);
    mbox_usage_parse(&usage, "");
    mbox_usage_parse(&usage, "a");
    mbox_usage_parse(&usage, "a=");
    mbox_usage_parse(&usage, "a=1/2/3/4");
    mbox_usage_parse(&usage, "a=1/2/3/4/5/6");
    mbox_usage_parse(&usage, "a=1/2/3/4/5x =1/2/3/4/5 b/c=1/2/3/4/5");
    mbox_usage_parse(&usage, "a=1/2/x/4/5  good=1/2/3/4/5 a=-");
    mbox_usage_parse(&usage, "a=-1/2/3/4/5 a=+1/2/3/4/5 a=1/2//4/5");
    mbox_usage_parse(&usage, "a=1/2/3/4/9223372036854775808 a=1/2/3/4/");
    mbox_usage_parse(&usage, "a=1/2/3/4/99999999999999999999999");
    check_format(&usage, "good=1/2/3/4/5");
    mbox_usage_destroy(&usage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_nonsense),
    };

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
