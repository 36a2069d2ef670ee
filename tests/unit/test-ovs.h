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

#ifndef MBOX_TEST_OVS_H
#define MBOX_TEST_OVS_H 1

/* What the programs that link Open vSwitch share. */

#include "openvswitch/poll-loop.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "seq.h"
#include "util.h"

static inline void *
test_first_thread(void *aux OVS_UNUSED)
{
    return NULL;
}

/* Makes a first thread: from then on grace periods are waited for by a thread
 * of their own, as in ovs-vswitchd. */
static inline void
test_start_threads(void)
{
    xpthread_join(ovs_thread_create("first", test_first_thread, NULL), NULL);
}

struct test_settle {
    struct seq *seq;
    int rounds;
};

static inline void
test_settle_cb(struct test_settle *settle)
{
    if (--settle->rounds) {
        ovsrcu_postpone(test_settle_cb, settle);
    } else {
        seq_change(settle->seq);
    }
}

/* Waits until what this thread has postponed, and what that has postponed in
 * its turn, has been done, so that nothing seems to leak at exit.  Needs
 * test_start_threads(), or poll_block() would wait for ever. */
static inline void
test_settle(void)
{
    struct test_settle settle = { .seq = seq_create(), .rounds = 3 };
    uint64_t seqno = seq_read(settle.seq);

    ovsrcu_postpone(test_settle_cb, &settle);
    while (seq_read(settle.seq) == seqno) {
        seq_wait(settle.seq, seqno);
        poll_block();
    }
    seq_destroy(settle.seq);
}

#endif /* test-ovs.h */
