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

/* Memory that is short, at every point of an export and of an import: nothing
 * is changed then, and nothing is left.  The linker has malloc() and so on
 * come here (--wrap). */

#include "test-util.h"

#include <errno.h>
#include "heap.h"
#include "state-pair.h"

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void __real_free(void *);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
void __wrap_free(void *);

static long n_blocks;           /* In use. */
static long left = -1;          /* Allocations until one fails, or -1. */
static bool failed;
static long n_kept;             /* By the runtime, whatever it is for. */

static bool
is_short(void)
{
    if (left < 0 || left-- > 0) {
        return false;
    }
    failed = true;
    return true;
}

void *
__wrap_malloc(size_t size)
{
    void *p = is_short() ? NULL : __real_malloc(size);

    n_blocks += p != NULL;
    return p;
}

void *
__wrap_calloc(size_t n, size_t size)
{
    void *p = is_short() ? NULL : __real_calloc(n, size);

    n_blocks += p != NULL;
    return p;
}

void *
__wrap_realloc(void *old, size_t size)
{
    bool is_new = !old;
    void *p = is_short() ? NULL : __real_realloc(old, size);

    n_blocks += is_new && p;
    return p;
}

void
__wrap_free(void *p)
{
    n_blocks -= p != NULL;
    __real_free(p);
}

/* Has the allocation after the next 'n' fail, the only one. */
static void
fail_after(long n)
{
    failed = false;
    left = n;
}

/* Whether it did. */
static bool
has_failed(void)
{
    left = -1;
    return failed;
}

/* Puts a flow into a program that has others, and that flow or not, with each
 * allocation failing in turn. */
static void
check_put(bool there, bool merge)
{
    struct mbox_key key = world_key(1);
    struct mbox_writer w;
    struct pair p;
    bool again = true;

    pair_start(&p);
    pair_fill(&p.a, 0, 6);
    world_packet(&p.a, 1, "abcdefgh");
    pair_fill(&p.b, 20, 3);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(p.sa, true, &key, -1, &w), 0);

    /* What is allocated once, and stays, is now. */
    assert_int_equal(st_put(p.sb, true, &key, w.data, w.len, false), 0);
    assert_int_equal(st_del(p.sb, true, &key), 0);
    if (there) {
        pair_fill(&p.b, 1, 1);
    }
    uint32_t n_conns = p.b.n_conns, n_hosts = p.b.n_hosts;
    uint32_t n_handles = world_n_handles;
    long n = 0;

    for (; again; n++) {
        long before = n_blocks;

        fail_after(n);
        int error = st_put(p.sb, true, &key, w.data, w.len, merge);
        again = has_failed();
        world_check(&p.b);
        if (error) {
            assert_true(again);
            assert_int_equal(error, -ENOMEM);
            assert_int_equal(p.b.n_conns, n_conns);
            assert_int_equal(p.b.n_hosts, n_hosts);
            assert_int_equal(world_n_handles, n_handles);
            assert_int_equal(n_blocks, before);
        } else if (!there) {
            assert_int_equal(st_del(p.sb, true, &key), 0);
        }
    }
    assert_true(n > 10);
    print_message("%ld allocations\n", n - 1);
    mbox_writer_uninit(&w);
    pair_finish(&p);
    assert_int_equal(n_blocks, n_kept);
}

static void
test_put_new(void **state)
{
    (void) state;
    check_put(false, false);
}

static void
test_put_replace(void **state)
{
    (void) state;
    check_put(true, false);
}

static void
test_put_merge(void **state)
{
    (void) state;
    check_put(true, true);
}

static void
check_get(int (*get)(struct st *, bool, const struct mbox_key *, int,
                     struct mbox_writer *))
{
    struct mbox_key key = world_key(1);
    struct pair p;
    bool again = true;
    long n = 0;

    pair_start(&p);
    pair_fill(&p.a, 0, 6);
    for (; again; n++) {
        struct mbox_writer w;

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        fail_after(n);
        int error = get(p.sa, true, &key, -1, &w);
        again = has_failed();
        assert_int_equal(error, again ? -ENOMEM : 0);
        mbox_writer_uninit(&w);
        world_check(&p.a);
    }
    assert_true(n > 5);
    print_message("%ld allocations\n", n - 1);
    pair_finish(&p);
    assert_int_equal(n_blocks, n_kept);
}

static void
test_get(void **state)
{
    (void) state;
    check_get(st_get);
}

static void
test_look(void **state)
{
    (void) state;
    check_get(st_look);
}

/* Has the runtime allocate what it remembers blocks in for good, which is by
 * their addresses, wherever these begin. */
static void
use_addresses(void)
{
    void *blocks[64];

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        blocks[i] = mbox_state_malloc(8192);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        mbox_state_free(blocks[i]);
    }
}

static int
warm_up(void **state)
{
    struct pair p;

    (void) state;
    pair_start(&p);
    use_addresses();
    pair_fill(&p.a, 0, 10);
    pair_finish(&p);
    n_kept = n_blocks;
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_new),
        cmocka_unit_test(test_put_replace),
        cmocka_unit_test(test_put_merge),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_look),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
