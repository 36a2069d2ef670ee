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

/* What memory is short for. */

#include "libmbox-sides.h"

#include <poll.h>

/* Allocations that succeed before one fails; negative: all succeed.  The
 * program is linked with --wrap. */
static int n_allocations = -1;

void *__real_realloc(void *, size_t);
void *__real_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
void *__wrap_calloc(size_t, size_t);

static bool
must_fail(void)
{
    return n_allocations >= 0 && n_allocations-- == 0;
}

void *
__wrap_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : __real_realloc(p, size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : __real_calloc(n, size);
}

#define N_FLOWS 200             /* A table of keys grows twice meanwhile. */
#define N_MOVED 150

/* Gives 'side' a message with 'n' keys, and fails the allocation after the
 * first 'n_good' that it makes meanwhile. */
static void
give_keys(struct side *side, enum mbox_msg_type type,
          const struct mbox_key *keys, uint32_t n, bool more, int n_good)
{
    struct mbox_writer frame;
    struct mbox_msg msg;

    mbox_writer_init(&frame, 65536);
    mbox_msg_init(&msg, type, ID);
    msg.epoch = EPOCH;
    msg.select = MBOX_SELECT_KEYS;
    msg.n_keys = n;
    msg.more = more;
    mbox_msg_encode(&msg, keys, &frame);
    assert_int_equal(mbox_msg_decode(frame.data, frame.len, &msg), 0);
    n_allocations = n_good;
    if (type == MBOX_MSG_RESOLVE) {
        mb_transfer_resolve(side->t, &msg);
    } else {
        mb_transfer_recv(side->t, &msg);
    }
    mbox_writer_uninit(&frame);
}

/* COMMIT of 'keys' in two messages.  Returns true if an allocation failed. */
static bool
commit_split(struct side *side, const struct mbox_key *keys, int n_good)
{
    const uint32_t half = N_MOVED / 2;

    give_keys(side, MBOX_MSG_COMMIT, keys, half, true, n_good);
    n_good = n_allocations;
    n_allocations = -1;
    give_keys(side, MBOX_MSG_COMMIT, keys + half, half, false, n_good);
    bool failed = n_allocations < 0;
    n_allocations = -1;
    return failed;
}

/* D has everything, and S is frozen. */
static void
move_all(struct world *w)
{
    world_init(w);
    world_prepare(w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING, 0,
                  N_FLOWS);
    command(&w->s, MBOX_MSG_EXPORT);
    assert_true(feed_tracer(&w->s, MBOX_TAG_TRACER, 1));
    settle(w);
    expect(&w->s, MBOX_MSG_TRACER_SEEN, NULL);
    expect(&w->d, MBOX_MSG_RELEASE, NULL);
    expect(&w->d, MBOX_MSG_INSTALLED, NULL);
}

/* A side whose COMMIT, in whatever part of it, or then RESOLVE fails for want
 * of memory does nothing but ask again, and at last does as it was told. */
static void
check_commit(bool source, const struct mbox_key *keys)
{
    uint32_t n_left = source ? N_FLOWS - N_MOVED : N_MOVED;
    int n_failures = 0;

    for (int n = 0;; n++) {
        static struct world w;
        struct side *side = source ? &w.s : &w.d;

        move_all(&w);
        bool failed = commit_split(side, keys, n);
        assert_int_equal(side->t->must_ask, failed);
        if (failed) {
            struct mb_keys open_keys;
            struct mbox_msg msg;

            n_failures++;
            mb_transfer_run(side->t, side->clock + MB_SLICE_NS);
            assert_int_equal(checker_all_flows(&side->checker), N_FLOWS);
            expect_none(side);
            mb_transfer_disconnected(side->t);
            for (int i = 0; i < 2; i++) {
                mb_keys_init(&open_keys);
                assert_true(mb_transfer_get_open(side->t, &msg, &open_keys));
                mb_keys_uninit(&open_keys);
                give_keys(side, MBOX_MSG_RESOLVE, keys, N_MOVED, false,
                          i ? -1 : n % 4);
                n_allocations = -1;
                assert_int_equal(side->t->must_ask, !i);
                mb_transfer_disconnected(side->t);
            }
        }
        while (!side->t->finished) {
            mb_transfer_run(side->t, side->clock + MB_SLICE_NS);
        }
        assert_int_equal(checker_all_flows(&side->checker), n_left);
        for (int i = 0; i < N_MOVED; i++) {
            assert_int_equal(checker_flow(&side->checker.w[0], &keys[i],
                                          false) != NULL, !source);
        }
        world_uninit(&w);
        if (!failed) {
            break;
        }
    }
    assert_in_range(n_failures, 4, 100);
}

static void
test_commit(void **state)
{
    struct mbox_key keys[N_MOVED];

    (void) state;
    for (int i = 0; i < N_MOVED; i++) {
        keys[i] = checker_key(i);
    }
    check_commit(true, keys);
    check_commit(false, keys);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit),
    };

    return cmocka_run_group_tests_name("libmbox short of memory", tests, NULL,
                                       NULL);
}
