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

#include "test-util.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include "coroutine.h"
#include "heap.h"
#include "index.h"
#include "shadow.h"
#include "state-world.h"
#include "trees.h"

/* The heap finds a block by any of its bytes. */
static void
test_heap(void **state)
{
    enum { N = 2000 };
    uint8_t *blocks[N];
    size_t sizes[N], size;
    void *start_;

    (void) state;
    st_heap_track();
    for (int i = 0; i < N; i++) {
        sizes[i] = 1 + test_random_range(i % 50 ? 200 : 300000);
        blocks[i] = mbox_state_malloc(sizes[i]);
        assert_non_null(blocks[i]);
    }
    for (int i = 0; i < N; i += 3) {
        sizes[i] = 1 + test_random_range(500);
        blocks[i] = mbox_state_realloc(blocks[i], sizes[i]);
        assert_non_null(blocks[i]);
    }
    for (int i = 1; i < N; i += 3) {
        void *p = blocks[i];

        mbox_state_free(p);
        if (st_heap_find(p, &start_, &size)) {
            assert_ptr_not_equal(start_, p);
        }
        blocks[i] = NULL;
    }
    for (int i = 0; i < N; i++) {
        if (blocks[i]) {
            const uint8_t *p = blocks[i] + test_random_range(sizes[i]);

            assert_true(st_heap_find(p, &start_, &size));
            assert_ptr_equal(start_, blocks[i]);
            assert_int_equal(size, sizes[i]);
            mbox_state_free(blocks[i]);
        }
    }
    assert_false(st_heap_find(&start_, &start_, &size));
}

/* All bytes of a range are of its block, or not covered. */
static void
check_range(const struct st_shadow *s, const uint8_t *p,
            struct st_shadow_range range)
{
    uintptr_t word = range.grain & ~(uintptr_t) 63;

    assert_true(range.bits >> ((uintptr_t) p >> 4) % 64 & 1);
    assert_int_equal(word, (uintptr_t) p >> 4 & ~(uintptr_t) 63);
    for (size_t i = 0; i < 64; i++) {
        const uint8_t *q = (const uint8_t *) ((word + i) << 4);

        assert_true(!(range.bits >> i & 1) || !st_shadow_has(s, q)
                    || st_shadow_find(s, q).start == range.start);
    }
}

/* What is covered is what was added and not removed, also by blocks that take
 * the place of others that are removed later, and if others are no longer
 * covered. */
static void
test_shadow(void **state)
{
    enum { N = 500, ROUNDS = 5000, GRAINS = 1 << 18 };  /* In two regions. */
    static struct {
        size_t first, n;
        bool stale;             /* A later one has some of it, */
        bool replaced;          /* and its start. */
        bool uncovered;         /* Some of it is. */
    } blocks[N];
    static int owners[GRAINS];  /* Of each grain, block + 1. */
    const uint8_t *memory = (const uint8_t *) (((uintptr_t) 7 << 30)
                                               - (2 << 20));
    struct st_shadow s = { .regions = NULL };

    (void) state;
    assert_false(st_shadow_has(&s, memory));
    for (int round = 0; round < ROUNDS; round++) {
        int b = test_random_range(N);

        for (size_t i = 0; i < blocks[b].n; i++) {
            if (owners[blocks[b].first + i] == b + 1) {
                owners[blocks[b].first + i] = 0;
            }
        }
        if (!blocks[b].replaced) {
            st_shadow_remove(&s, memory + 16 * blocks[b].first,
                             16 * blocks[b].n);
        }
        size_t size = 1 + test_random_range(round % 50 ? 3000 : 1500000);
        blocks[b].n = (size + 15) / 16;
        blocks[b].first = test_random_range(GRAINS - blocks[b].n);
        blocks[b].stale = blocks[b].replaced = blocks[b].uncovered = false;
        for (size_t i = 0; i < blocks[b].n; i++) {
            int *owner = &owners[blocks[b].first + i];

            if (*owner) {
                blocks[*owner - 1].stale = true;
            }
            *owner = b + 1;
        }
        for (int i = 0; i < N; i++) {
            blocks[i].replaced |= (i != b
                                   && blocks[i].first == blocks[b].first);
        }
        assert_true(st_shadow_add(&s, memory + 16 * blocks[b].first, size));
        for (int i = 0; i < 50; i++) {
            size_t at = test_random_range(GRAINS);
            const uint8_t *p = memory + 16 * at + test_random_range(16);
            int owner = owners[at];

            if (owner && !blocks[owner - 1].stale
                && !blocks[owner - 1].uncovered) {
                assert_true(st_shadow_has(&s, p));
                assert_ptr_equal(st_shadow_find(&s, p).start,
                                 memory + 16 * blocks[owner - 1].first);
            }
            if (i < 5 && st_shadow_has(&s, p)) {
                struct st_shadow_range range = st_shadow_find(&s, p);

                check_range(&s, p, range);
                if (i == 0) {
                    st_shadow_uncover(&s, range);
                    assert_false(st_shadow_has(&s, p));
                    for (int j = 0; j < N; j++) {
                        blocks[j].uncovered |= (
                            memory + 16 * blocks[j].first == range.start);
                    }
                }
            }
        }
        assert_false(st_shadow_has(&s, memory - 1));
        assert_false(st_shadow_has(&s, memory + 16 * GRAINS));
    }
    st_shadow_clear(&s);

    assert_true(st_shadow_add(&s, memory + 32, 33));
    assert_true(st_shadow_add(&s, memory + 96, 1));
    for (int i = 0; i < 128; i++) {
        bool has = (i >= 32 && i < 80) || (i >= 96 && i < 112);

        assert_int_equal(st_shadow_has(&s, memory + i), has);
    }
    st_shadow_remove(&s, memory + 32, 33);
    for (int i = 0; i < 128; i++) {
        assert_int_equal(st_shadow_has(&s, memory + i), i >= 96 && i < 112);
    }
    st_shadow_clear(&s);
}

/* Another thread's frees come to the one that asked, at its next step or when
 * it could have the block again. */

struct frees {
    pthread_t thread;
    void *blocks[2000];
    unsigned int n, n_called, n_lost;
    size_t size;
};

static void
note_free(void *block, size_t size, void *f_)
{
    struct frees *f = f_;

    assert_true(pthread_equal(pthread_self(), f->thread));
    f->n_called += block != NULL;
    f->n_lost += block == NULL;
    f->size = size;
}

static void *
free_all(void *f_)
{
    struct frees *f = f_;

    while (f->n) {
        void *block = f->blocks[--f->n];

        mbox_state_free(f->n % 2 ? block : mbox_state_realloc(block, 100));
    }
    return NULL;
}

static void
free_elsewhere(struct frees *f, unsigned int n)
{
    pthread_t thread;

    f->n = n;
    while (n--) {
        f->blocks[n] = mbox_state_malloc(24);
        st_heap_watch(f->blocks[n]);
    }
    f->n_called = f->n_lost = 0;
    assert_int_equal(pthread_create(&thread, NULL, free_all, f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->n_called, 0);
}

static void
test_other_thread(void **state)
{
    struct frees f = { .thread = pthread_self() };

    (void) state;
    st_heap_track();
    st_heap_on_free(note_free, &f);
    free_elsewhere(&f, 2);      /* One of them is moved before. */
    st_heap_step();
    assert_int_equal(f.n_called, 2);
    st_heap_step();
    assert_int_equal(f.n_called, 2);

    free_elsewhere(&f, 100);
    void *block = mbox_state_malloc(24);
    assert_int_equal(f.n_called, 100);
    st_heap_watch(block);
    mbox_state_free(block);
    assert_int_equal(f.n_called, 101);
    assert_int_equal(f.size, 24);
    assert_int_equal(f.n_lost, 0);

    free_elsewhere(&f, 2000);
    st_heap_step();
    assert_int_equal(f.n_lost, 1);
    free_elsewhere(&f, 2);
    st_heap_step();
    assert_int_equal(f.n_called, 2);
    assert_int_equal(f.n_lost, 0);
    st_heap_on_free(NULL, NULL);
}

/* Told is of blocks that are watched, by any of their bytes, until they are
 * freed or moved, and of those that nobody knows: of these, all can be. */
static void
test_watch(void **state)
{
    struct frees f = { .thread = pthread_self() };
    uint8_t *blocks[3];

    (void) state;
    st_heap_track();
    st_heap_on_free(note_free, &f);
    for (unsigned int i = 0; i < 3; i++) {
        blocks[i] = mbox_state_malloc(i == 1 ? 200000 : 40);
    }
    st_heap_watch(blocks[1] + 199999);
    mbox_state_free(blocks[0]);
    assert_int_equal(f.n_called, 0);
    blocks[1] = mbox_state_realloc(blocks[1], 40);
    assert_int_equal(f.n_called, 1);
    assert_int_equal(f.size, 200000);
    mbox_state_free(blocks[1]);
    assert_int_equal(f.n_called, 1);
    for (unsigned int i = 0; i < 2; i++) {      /* Again the same, perhaps. */
        mbox_state_free(mbox_state_malloc(i ? 40 : 200000));
    }
    assert_int_equal(f.n_called, 1);

    mbox_state_free(malloc(40));
    assert_int_equal(f.n_called, 2);
    assert_int_equal(f.size, 1);
    st_heap_watch(&f);
    mbox_state_free(blocks[2]);
    assert_int_equal(f.n_called, 3);
    assert_int_equal(f.size, 40);
    st_heap_on_free(NULL, NULL);
    mbox_state_free(mbox_state_malloc(40));
    st_heap_on_free(note_free, &f);
    mbox_state_free(mbox_state_malloc(40));
    assert_int_equal(f.n_called, 3);
    st_heap_on_free(NULL, NULL);
}

/* The index. */

static void
count_end(bool per_flow, const struct mbox_key *key, void *n_)
{
    int *n = n_;

    (void) per_flow;
    (void) key;
    ++*n;
}

/* A block's end is that of the nodes in it, not of those in the next. */
static void
test_index_blocks(void **state)
{
    struct st_index *index = st_index_create();
    struct mbox_key key = world_key(1);
    struct st st = { .on_end = count_end };
    uint8_t area[256];
    int n_ends = 0;

    (void) state;
    st.on_end_aux = &n_ends;
    for (int at = 0; at < 256; at += 32) {      /* Of blocks of 32 bytes. */
        assert_int_equal(st_index_add(index, true, 0, area + at + 8, 0,
                                      &key),
                         0);
    }
    for (int at = 0; at < 256; at += 32) {
        st_index_remove(index, area + at, 32, &st);
        assert_int_equal(n_ends, at / 32 + 1);
        st_index_remove(index, area + at, 32, &st);
        assert_int_equal(n_ends, at / 32 + 1);
    }
    st_index_destroy(index);
}

/* It is as large as what it has. */
static void
test_index_size(void **state)
{
    struct st_index *index = st_index_create();
    struct mbox_key key = world_key(1);
    struct st st = { .on_end = NULL };
    uint8_t area[3];
    void *found[4];
    size_t before = mallinfo2().uordblks;

    (void) state;
    assert_int_equal(st_index_add(index, false, 0, area, 0, &key), 0);
    for (int i = 0; i < 100000; i++) {
        key = world_key(2 + i % 50);
        assert_int_equal(st_index_add(index, true, 0, area + 1, 0, &key),
                         0);
        assert_int_equal(st_index_find(index, 0, &key, found, 4), 1);
        switch (i % 3) {
        case 0: st_index_forget(index, &key); break;
        case 1: st_index_remove(index, area + 1, 1, &st); break;
        case 2: st_index_clear(index, true); break;
        }
        assert_int_equal(st_index_find(index, 0, &key, found, 4), 0);
    }
    key = world_key(1);
    assert_int_equal(st_index_find(index, 0, &key, found, 4), 1);
    assert_ptr_equal(found[0], area);
    assert_true(mallinfo2().uordblks < before + 100000);
    st_index_destroy(index);
}

struct item {
    struct item *links[2];
    int value;
};

static int
compare_items(void *a_, void *b_)
{
    const struct item *a = a_, *b = b_;

    return a->value < b->value ? -1 : a->value > b->value;
}

static int
count_item(void *item, void *n_)
{
    int *n = n_;

    (void) item;
    return ++*n > 1000;
}

static void
remove_nothing(void *head, void *item)
{
    (void) head;
    (void) item;
}

/* Links that form no tree are noticed, whichever way they go wrong. */
static void
test_odd_trees(void **state)
{
    struct item items[] = { { .value = 0 }, { .value = 1 }, { .value = 2 } };
    void *root = &items[1];
    struct st_tree tree = {
        .root = &root, .children = { offsetof(struct item, links[0]),
                                     offsetof(struct item, links[1]) },
        .parent = ST_NONE, .compare = compare_items,
        .remove = remove_nothing,
    };
    struct item between = { .value = 1 };
    int n = 0;

    (void) state;
    items[1].links[0] = &items[0];
    items[1].links[1] = &items[2];
    assert_int_equal(st_tree_for_each(&tree, count_item, &n), 0);
    assert_int_equal(n, 3);
    assert_ptr_equal(st_tree_find(&tree, &between), &items[1]);

    assert_false(st_tree_remove(&tree, &items[2]));
    assert_true(st_tree_remove(&tree, &between));

    items[1].links[0] = &items[2];      /* Both on one side. */
    assert_int_equal(st_tree_for_each(&tree, count_item, &n), -EINVAL);

    /* A list in order, with links back. */
    root = &items[0];
    for (int i = 0; i < 3; i++) {
        items[i].value = 10 * i;
        items[i].links[0] = i < 2 ? &items[i + 1] : NULL;
        items[i].links[1] = i ? &items[i - 1] : NULL;
    }
    n = 0;
    assert_int_equal(st_tree_for_each(&tree, count_item, &n), -EINVAL);
    between.value = 15;
    assert_null(st_tree_find(&tree, &between));
}

/* Coroutines. */

struct counting {
    struct st_coroutine *coroutine;
    int value;
};

static void
count_up(void *counting_)
{
    struct counting *counting = counting_;

    for (int here = 1;; here++) {
        counting->value = here;
        st_coroutine_leave(counting->coroutine);
    }
}

/* Each goes on where it was left, with what it had. */
static void
test_coroutine(void **state)
{
    struct counting a = { .value = 0 }, b = { .value = 0 };

    (void) state;
    a.coroutine = st_coroutine_create(64 * 1024, count_up, &a);
    b.coroutine = st_coroutine_create(64 * 1024, count_up, &b);
    assert_non_null(a.coroutine);
    assert_non_null(b.coroutine);
    for (int i = 1; i < 100; i++) {
        st_coroutine_enter(a.coroutine);
        assert_int_equal(a.value, i);
        if (i % 2) {
            st_coroutine_enter(b.coroutine);
        }
        assert_int_equal(b.value, (i + 1) / 2);
    }
    st_coroutine_destroy(a.coroutine);
    st_coroutine_destroy(b.coroutine);
    st_coroutine_destroy(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap),
        cmocka_unit_test(test_shadow),
        cmocka_unit_test(test_other_thread),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_index_blocks),
        cmocka_unit_test(test_index_size),
        cmocka_unit_test(test_odd_trees),
        cmocka_unit_test(test_coroutine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
