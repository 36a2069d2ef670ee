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

/* Nodes that are elements of an array, which the program takes in turn. */

#include "test-util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include "heap.h"
#include "program-state.h"

#define N_SLOTS 8
#define N_BUCKETS 4

struct visitor {
    struct visitor *next;
    uint32_t address;
    uint32_t packets;
    char *name;
};

struct table {
    struct visitor slots[N_SLOTS];
    struct visitor *hash[N_BUCKETS];
    uint16_t turn;

    struct st_list list;
    struct st_slots st_slots;
    struct st_structure structure;
    struct st_program program;
    struct st *st;
};

static const struct st_pointer pointers[] = {
    { .name = "next", .offset = offsetof(struct visitor, next), .count = 1,
      .target = ST_LINK, .live = ST_NONE, .length = ST_NONE },
    { .name = "name", .offset = offsetof(struct visitor, name), .count = 1,
      .target = ST_TO_BYTES, .owned = true, .live = ST_NONE,
      .length = ST_NONE },
};
static const struct st_type types[] = {
    { .name = "struct visitor", .size = sizeof(struct visitor), .layout = 1,
      .pointers = pointers, .n_pointers = 2 },
};
static const struct st_key keys[] = {
    { ST_ADDRESS_A, ST_NONE, offsetof(struct visitor, address), 4, false,
      ST_NONE, 0 },
};

static char message[512];

static void
keep_message(void *aux, const char *text)
{
    (void) aux;
    snprintf(message, sizeof message, "%s", text);
}

static struct visitor **
bucket(struct table *t, uint32_t n)
{
    return &t->hash[n % N_BUCKETS];
}

/* What the program does. */

static struct visitor *
find(struct table *t, uint32_t n)
{
    struct visitor *v = *bucket(t, n);

    while (v && v->address != htonl(n)) {
        v = v->next;
    }
    return v;
}

static void
packet(struct table *t, uint32_t n)
{
    struct visitor *v = find(t, n);

    if (!v) {
        v = &t->slots[t->turn++];
        t->turn %= N_SLOTS;
        struct visitor **p = bucket(t, ntohl(v->address));
        while (*p && *p != v) {
            p = &(*p)->next;
        }
        if (*p) {
            *p = v->next;
        }
        mbox_state_free(v->name);
        v->address = htonl(n);
        v->packets = 0;
        v->name = mbox_state_strdup("visitor");
        v->next = *bucket(t, n);
        *bucket(t, n) = v;
    }
    v->packets++;
    st_slots_step(t->st);
}

static void
table_init(struct table *t)
{
    memset(t, 0, sizeof *t);
    st_heap_track();
    t->list = (struct st_list) {
        .first = (void **) t->hash, .n_buckets = N_BUCKETS,
        .next = offsetof(struct visitor, next), .prev = ST_NONE,
    };
    t->st_slots = (struct st_slots) {
        (uint8_t *) t->slots, N_SLOTS, &t->turn, sizeof t->turn
    };
    t->structure = (struct st_structure) {
        .name = "struct visitor", .lists = &t->list, .n_lists = 1,
        .slots = &t->st_slots, .keys = keys, .n_keys = 1,
        .bucket_offset = ST_NONE, .count_offset = ST_NONE,
    };
    t->program = (struct st_program) {
        .name = "visitors", .build = 1, .types = types, .n_types = 1,
        .structures = &t->structure, .n_structures = 1,
    };
    t->st = st_create(&t->program, keep_message, NULL);
    assert_non_null(t->st);
}

static void
table_uninit(struct table *t)
{
    st_destroy(t->st);
    for (int i = 0; i < N_SLOTS; i++) {
        mbox_state_free(t->slots[i].name);
    }
}

/* Each entry is in one list, and that of its address; others have nothing.
 * Returns how many there are. */
static int
table_check(const struct table *t)
{
    bool linked[N_SLOTS] = { false };
    int n = 0;

    for (uint32_t i = 0; i < N_BUCKETS; i++) {
        for (const struct visitor *v = t->hash[i]; v; v = v->next) {
            assert_true(v >= t->slots && v < t->slots + N_SLOTS);
            assert_false(linked[v - t->slots]);
            linked[v - t->slots] = true;
            n++;
        }
    }
    for (int i = 0; i < N_SLOTS; i++) {
        assert_true(linked[i] || !t->slots[i].name);
    }
    assert_true(t->turn < N_SLOTS);
    return n;
}

static struct mbox_key
key_of(uint32_t n)
{
    struct mbox_key key = { .family = 4 };
    uint32_t address = htonl(n);

    key.src[10] = key.src[11] = 0xff;
    memcpy(key.src + 12, &address, 4);
    return key;
}

static int
move(struct table *from, struct table *to, uint32_t n)
{
    struct mbox_key key = key_of(n);
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    int error = st_get(from->st, false, &key, -1, &w);
    if (!error) {
        error = st_put(to->st, false, &key, w.data, w.len, false);
    }
    if (!error) {
        error = st_del(from->st, false, &key);
    }
    mbox_writer_uninit(&w);
    return error;
}

/* The addresses in the slots, 0 if nothing is there. */
static void
assert_slots(const struct table *t, const uint32_t wanted[N_SLOTS])
{
    table_check(t);
    for (int i = 0; i < N_SLOTS; i++) {
        assert_int_equal(ntohl(t->slots[i].address), wanted[i]);
    }
}

static void
test_choice(void **state)
{
    struct table a, b;

    (void) state;
    table_init(&a);
    table_init(&b);
    for (uint32_t n = 1; n <= 6; n++) {
        packet(&a, n);
        packet(&b, 10 + n);
    }
    packet(&a, 1);

    /* Where the program would have put them. */
    assert_int_equal(move(&a, &b, 1), 0);
    assert_slots(&a, (uint32_t[]) { 0, 2, 3, 4, 5, 6, 0, 0 });
    assert_slots(&b, (uint32_t[]) { 11, 12, 13, 14, 15, 16, 1, 0 });
    assert_int_equal(b.turn, 7);
    assert_int_equal(find(&b, 1)->packets, 2);
    assert_string_equal(find(&b, 1)->name, "visitor");
    assert_int_equal(move(&a, &b, 2), 0);
    assert_int_equal(b.turn, 0);

    /* All are in use: the oldest end. */
    assert_int_equal(move(&a, &b, 3), 0);
    assert_int_equal(move(&a, &b, 4), 0);
    assert_slots(&b, (uint32_t[]) { 3, 4, 13, 14, 15, 16, 1, 2 });
    assert_int_equal(b.turn, 2);
    assert_null(find(&b, 11));

    /* There is one that is not in use, though it is not its turn. */
    assert_int_equal(move(&b, &a, 15), 0);
    assert_int_equal(move(&a, &b, 15), 0);
    assert_int_equal(move(&b, &a, 3), 0);
    assert_int_equal(move(&b, &a, 16), 0);
    assert_slots(&b, (uint32_t[]) { 0, 4, 13, 14, 15, 0, 1, 2 });
    assert_int_equal(move(&a, &b, 5), 0);       /* Its turn comes last. */
    assert_slots(&b, (uint32_t[]) { 5, 4, 13, 14, 15, 0, 1, 2 });
    assert_int_equal(b.turn, 2);

    /* The program goes on in turn. */
    packet(&b, 20);
    assert_slots(&b, (uint32_t[]) { 5, 4, 20, 14, 15, 0, 1, 2 });
    table_uninit(&a);
    table_uninit(&b);
}

static void
on_end(bool per_flow, const struct mbox_key *key, void *ended)
{
    assert_false(per_flow);
    *(uint32_t *) ended = key->src[15];
}

static int
count(const struct mbox_key *key, void *n)
{
    (void) key;
    ++*(int *) n;
    return 0;
}

/* What was listed may have made room for another one since. */
static void
test_reuse(void **state)
{
    struct table a, b;
    uint32_t ended = 0;
    int n = 0;

    (void) state;
    table_init(&a);
    table_init(&b);
    st_on_end(a.st, on_end, &ended);
    for (uint32_t i = 1; i <= N_SLOTS; i++) {
        packet(&a, i);
    }
    assert_int_equal(st_list(a.st, false, count, &n), 0);
    assert_int_equal(n, N_SLOTS);
    assert_int_equal(ended, 0);
    packet(&a, 9);
    assert_int_equal(ended, 1);
    assert_int_equal(move(&a, &b, 1), -ENOENT);

    /* The same if nothing was noticed: the program has another one in the
     * slot, or only took an entry from its list. */
    struct visitor *v = find(&a, 2);
    find(&a, 6)->next = NULL;
    mbox_state_free(v->name);
    v->name = NULL;
    assert_int_equal(move(&a, &b, 2), -ENOENT);
    find(&a, 3)->address = htonl(11);
    assert_int_equal(move(&a, &b, 3), -ENOENT);
    assert_int_equal(move(&a, &b, 11), 0);
    assert_int_equal(find(&b, 11)->packets, 1);

    /* An import tells, too. */
    ended = 0;
    assert_int_equal(st_list(a.st, false, count, &n), 0);
    packet(&b, 30);
    packet(&b, 31);
    packet(&b, 32);
    assert_int_equal(move(&b, &a, 30), 0);
    assert_int_equal(move(&b, &a, 31), 0);
    assert_int_equal(ended, 0);
    assert_int_equal(move(&b, &a, 32), 0);
    assert_int_equal(ended, 4);
    table_uninit(&a);
    table_uninit(&b);
}

/* A program that puts something else into the lists is not touched. */
static void
test_others(void **state)
{
    struct visitor other = { .address = htonl(4), .packets = 1 };
    struct table a, b;

    (void) state;
    table_init(&a);
    table_init(&b);
    packet(&a, 8);
    other.next = *bucket(&a, 4);
    *bucket(&a, 4) = &other;
    assert_int_equal(move(&a, &b, 4), -ENOTSUP);
    assert_string_equal(message, "struct visitor: a node is not in its array");
    assert_int_equal(move(&a, &b, 8), 0);
    assert_ptr_equal(*bucket(&a, 4), &other);
    table_uninit(&a);
    table_uninit(&b);
}

/* What came for a list in which the program does not look for it has gone when
 * the program takes its slot. */
static void
test_other_list(void **state)
{
    struct table a, b;

    (void) state;
    table_init(&a);
    table_init(&b);
    packet(&a, 4);
    *bucket(&a, 1) = find(&a, 4);
    *bucket(&a, 0) = NULL;
    for (uint32_t i = 1; i < N_SLOTS; i++) {
        packet(&b, 100 + i);
    }
    assert_int_equal(move(&a, &b, 4), 0);
    assert_ptr_equal(*bucket(&b, 1), &b.slots[N_SLOTS - 1]);
    for (uint32_t i = 1; i < N_SLOTS - 1; i++) {
        packet(&b, 200 + i);
    }
    assert_int_equal(b.slots[N_SLOTS - 1].address, htonl(4));
    packet(&b, 300);            /* Then it is its turn. */
    assert_int_equal(b.slots[N_SLOTS - 1].address, 0);
    packet(&b, 301);
    assert_int_equal(b.slots[N_SLOTS - 1].address, htonl(301));
    assert_int_equal(table_check(&b), N_SLOTS);
    table_uninit(&a);
    table_uninit(&b);
}

static void
test_hostile(void **state)
{
    struct mbox_key key = key_of(4);
    struct table a, b;
    struct mbox_writer w;
    int n_accepted = 0;

    (void) state;
    table_init(&a);
    table_init(&b);
    packet(&a, 4);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(a.st, false, &key, -1, &w), 0);
    for (int i = 0; i < test_rounds(20000); i++) {
        uint8_t *data = test_memdup(w.data, w.len);
        size_t len = i % 4 ? w.len : test_random_range(w.len);

        for (int n = i % 4 ? 1 + test_random_range(4) : 0; n; n--) {
            data[test_random_range(w.len)] = test_random();
        }
        /* It may be put into a list where the program does not look for it,
         * but nothing else can be wrong. */
        st_wait(b.st, i % 5);
        n_accepted += !st_put(b.st, false, &key, data, len,
                              test_random_range(2));
        assert_in_range(table_check(&b), 0, N_SLOTS);
        free(data);
        switch (test_random_range(3)) {
        case 0: st_del(b.st, false, &key); break;
        case 1: st_wait(b.st, false);
                packet(&b, 1 + test_random_range(12)); break;
        }
        assert_in_range(table_check(&b), 0, N_SLOTS);
    }
    assert_true(n_accepted > 0);
    mbox_writer_uninit(&w);
    table_uninit(&a);
    table_uninit(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_other_list),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
