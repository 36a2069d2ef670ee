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
#include "test-transfer-direct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "test-transfer-stub.h"
#include "util.h"

/* Tests of a timeout that comes when the transfer goes on anyhow: it must not
 * keep it from doing so. */

#define TIMEOUT_US (1000 * 1000)

/* Leaves 'left_us' until the timeout. */
static void
wait_until_left(struct stub *s, long long left_us)
{
    s->now_us = 1000000 + TIMEOUT_US - left_us;
    mbox_transfer_run(s->t);
}

static void
kill_source(struct stub *s)
{
    mbox_transfer_agent_lost(s->t, SRC, "killed");
    mbox_transfer_run(s->t);
}

static void
assert_ends(struct stub *s)
{
    struct mbox_transfer_report report;

    while (s->n_commits[DST] == 0) {
        assert_true(s->now_us < 1000000 + 2 * TIMEOUT_US);
        s->now_us = MAX(s->now_us + 1, mbox_transfer_wake_us(s->t));
        mbox_transfer_run(s->t);
    }
    stub_recv_simple(s, DST, MBOX_MSG_COMMITTED);
    assert_true(mbox_transfer_is_done(s->t));
    assert_int_equal(s->n_assigned[DST], 1);
    stub_report(s, &report);
    assert_non_null(strstr(report.error, "not done after 1000 ms"));
    assert_null(strstr(strstr(report.error, "not done") + 1, "not done"));
}

/* S has died, and what it had sent is waited for. */
static void
test_salvaging(void **state OVS_UNUSED)
{
    struct stub s;

    stub_init(&s, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
    stub_recv_prepared(&s, 3);
    stub_recv_tracer(&s, 1, 0);
    wait_until_left(&s, 1000);
    kill_source(&s);
    assert_string_equal(stub_phase(&s), "salvaging");
    wait_until_left(&s, 0);
    assert_ends(&s);
    stub_destroy(&s);
}

/* S has died, and packets that it had returned are waited for. */
static void
test_routing(void **state OVS_UNUSED)
{
    struct mbox_msg msg;
    struct stub s;

    stub_init(&s, MBOX_METHOD_EVENTS, MBOX_GUARANTEE_ORDER_PRESERVING, 0);
    stub_recv_prepared(&s, 1);
    stub_recv_simple(&s, SRC, MBOX_MSG_RETURNING);
    stub_recv_simple(&s, DST, MBOX_MSG_BUFFERING);
    stub_recv_installed(&s, 1);
    wait_until_left(&s, 1000);
    assert_string_equal(stub_phase(&s), "routing");
    kill_source(&s);
    assert_string_equal(stub_phase(&s), "routing");
    wait_until_left(&s, 0);
    s.now_us += 10 * 1000;
    mbox_transfer_run(s.t);
    assert_string_equal(stub_phase(&s), "flushing");
    mbox_msg_init(&msg, MBOX_MSG_FLUSHED, 7);
    stub_recv(&s, DST, &msg, NULL);
    assert_ends(&s);
    stub_destroy(&s);
}

int
test_transfer_timeout(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_salvaging),
        cmocka_unit_test(test_routing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
