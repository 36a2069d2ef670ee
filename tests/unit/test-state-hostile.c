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
#include "heap.h"
#include "parts.h"
#include "state-pair.h"

/* Damaged state is refused or is harmless; in no case are containers wrong or
 * is memory touched that is not the importer's. */
static void
damage(int output, int n_rounds)
{
    struct pair p;
    struct mbox_key key = world_key(1);
    struct mbox_writer w;

    pair_start(&p);
    pair_fill(&p.a, 0, 6);
    world_checks_headers = false;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(p.sa, true, &key, output, &w), 0);

    /* It is the last one that hears of what is freed. */
    st_destroy(p.sb);
    p.sb = st_create(&p.b.program, pair_keep_message, NULL);
    for (size_t i = 0; i < w.len; i++) {
        void *data = test_memdup(w.data, i);

        assert_int_not_equal(st_put(p.sb, true, &key, data, i, false), 0);
        free(data);
    }
    assert_int_equal(p.b.n_conns, 0);

    for (int i = 0; i < n_rounds; i++) {
        uint8_t *data = test_memdup(w.data, w.len);
        int n = 1 + test_random_range(4);

        while (n--) {
            data[test_random_range(w.len)] = test_random();
        }
        st_wait(p.sb, i % 3);
        st_put(p.sb, true, &key, data, w.len, test_random_range(2));
        world_check(&p.b);
        free(data);

        struct conn *c = p.b.conns[0] ? p.b.conns[0] : world_find(&p.b, 1);
        if (c) {
            assert_true(c->n_headers <= N_HEADERS);
            assert_true(!c->request_len
                        || c->request[c->request_len - 1] >= 0);
        }
        if (c && i % 2) {
            st_wait(p.sb, false);
            world_end(&p.b, c);
        } else if (st_del(p.sb, true, &key)) {
            assert_int_equal(p.b.n_conns, 0);
        }
    }
    mbox_writer_uninit(&w);
    pair_finish(&p);
    world_checks_headers = true;
}

static void
test_hostile(void **state)
{
    (void) state;
    damage(-1, test_rounds(14000));
}

/* The same of what has only what an output function needs. */
static void
test_hostile_output(void **state)
{
    (void) state;
    damage(1, test_rounds(6000));
}

/* State that a hostile instance made on purpose: what it leads to would be
 * freed twice, or is not of the heap. */

struct forgery {
    struct pair p;
    struct mbox_writer w;
    struct mbox_key key;
    uint8_t *data;
    size_t len;
    size_t objects[16];         /* Where references to objects are. */
    unsigned int n_objects;
    size_t matched;             /* Where that to the rule is. */
};

enum { REQUEST = 2, NAME_0, NAME_1, KIND_1, N_OBJECTS };
enum { OBJECT_LEN = 9, STATIC_LEN = 25, SYMBOL_LEN = 13 };

static void
forge_start(struct forgery *f)
{
    static const uint8_t offset[] = { 0, 0, 0, WORLD_HEADER };
    uint8_t first[5] = { 3, 0, 0, 0, 0 };

    pair_start(&f->p);
    pair_fill(&f->p.a, 0, 4);
    f->key = world_key(1);
    mbox_writer_init(&f->w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(f->p.sa, true, &f->key, -1, &f->w), 0);
    f->n_objects = 0;
    for (size_t i = 0; i + OBJECT_LEN <= f->w.len; i++) {
        const uint8_t *ref = (const uint8_t *) f->w.data + i;

        if (!memcmp(ref, "\1\0\0\0", 4) && ref[4] && ref[4] < 16
            && !memcmp(ref + 5, offset, 4)) {
            assert_true(f->n_objects < N_OBJECTS);
            f->objects[f->n_objects++] = i;
        }
        if (!memcmp(ref, first, sizeof first)
            && i + STATIC_LEN <= f->w.len
            && !memcmp(ref + 13, "\0\0\0\0\0\0\0\0", 8)) {
            f->matched = i;
        }
    }
    assert_int_equal(f->n_objects, N_OBJECTS);
}

static void
forge_finish(struct forgery *f)
{
    mbox_writer_uninit(&f->w);
    pair_finish(&f->p);
}

/* The state, with 'n' bytes at 'at' replaced. */
static void
forge(struct forgery *f, size_t at, size_t n, const void *ref, size_t n_ref)
{
    uint8_t *bytes = f->data = malloc(f->w.len + n_ref);

    memcpy(bytes, f->w.data, at);
    memcpy(bytes + at, ref, n_ref);
    memcpy(bytes + at + n_ref, (uint8_t *) f->w.data + at + n,
           f->w.len - at - n);
    f->len = f->w.len - n + n_ref;
}

/* If it is accepted, the program can end the flow. */
static int
forge_put(struct forgery *f)
{
    int error = st_put(f->p.sb, true, &f->key, f->data, f->len, false);

    free(f->data);
    world_check(&f->p.b);
    if (!error) {
        world_end(&f->p.b, world_find(&f->p.b, 1));
    }
    return error;
}

/* What hooks say of the two hosts, behind all objects. */
#define HOOKS_LEN (2 * (4 + WORLD_HANDLE_LEN))

/* Leaves out the last object, which is what NAME_1 owned, so that nothing is
 * amiss but what will be there instead. */
static void
forge_without_last(struct forgery *f)
{
    const uint32_t size = WORLD_HEADER + sizeof(struct host);
    const uint8_t first[] = { 0, 0, 0, 0, 0, size >> 24, size >> 16, size >> 8,
                              size, 0, 0, 0, WORLD_HEADER };
    uint8_t *data = f->w.data;
    uint8_t *at = memmem(data, f->w.len, first, sizeof first);

    assert_non_null(at);
    at[-1]--;                   /* The number of objects. */
    uint8_t *hooks = data + f->w.len - HOOKS_LEN;
    f->w.len -= 13 + WORLD_HEADER + sizeof "/index";
    memmove(data + f->w.len - HOOKS_LEN, hooks, HOOKS_LEN);
    memcpy(data + f->objects[KIND_1], data + f->objects[NAME_0], OBJECT_LEN);
    forge(f, f->objects[NAME_1], OBJECT_LEN, "", 1);
    assert_int_equal(forge_put(f), 0);
}

static void
test_two_owners(void **state)
{
    struct forgery f;
    int n_accepted = 0;

    (void) state;
    forge_start(&f);
    for (unsigned int i = 0; i < f.n_objects; i++) {
        for (unsigned int j = 0; j < f.n_objects; j++) {
            uint8_t ref[OBJECT_LEN];

            memcpy(ref, (uint8_t *) f.w.data + f.objects[j], OBJECT_LEN);
            if (memcmp(ref, (uint8_t *) f.w.data + f.objects[i],
                       OBJECT_LEN)) {
                forge(&f, f.objects[i], OBJECT_LEN, ref, OBJECT_LEN);
                n_accepted += !forge_put(&f);
            }
        }
    }

    /* What 'kind' refers to is not freed: it can be any string. */
    assert_int_equal(n_accepted, 2);

    /* It would never be freed. */
    forge(&f, f.objects[NAME_1], OBJECT_LEN, "", 1);
    assert_int_equal(forge_put(&f), -EPROTO);

    forge_without_last(&f);
    uint8_t ref[OBJECT_LEN];
    memcpy(ref, (uint8_t *) f.w.data + f.objects[NAME_0], OBJECT_LEN);
    forge(&f, f.objects[NAME_1], OBJECT_LEN, ref, OBJECT_LEN);
    assert_int_equal(forge_put(&f), -EPROTO);
    forge_finish(&f);
}

static void
test_owned_middle(void **state)
{
    struct forgery f;
    uint8_t ref[OBJECT_LEN];

    (void) state;
    forge_start(&f);
    for (unsigned int i = REQUEST; i <= NAME_1; i++) {
        memcpy(ref, (uint8_t *) f.w.data + f.objects[i], OBJECT_LEN);
        ref[OBJECT_LEN - 1]++;
        forge(&f, f.objects[i], OBJECT_LEN, ref, OBJECT_LEN);
        assert_int_equal(forge_put(&f), -EPROTO);
    }
    forge_finish(&f);
}

static void
test_owned_static(void **state)
{
    static const uint8_t symbol[SYMBOL_LEN] = { 4 };
    uint8_t ref[STATIC_LEN];
    struct forgery f;

    (void) state;
    forge_start(&f);
    forge_without_last(&f);
    forge(&f, f.objects[NAME_1], OBJECT_LEN, symbol, SYMBOL_LEN);
    assert_int_equal(forge_put(&f), -EPROTO);

    memcpy(ref, (uint8_t *) f.w.data + f.matched, STATIC_LEN);
    ref[16] = 1;                /* The first rule's name. */
    ref[24] = WORLD_HEADER;
    forge(&f, f.objects[NAME_1], OBJECT_LEN, ref, STATIC_LEN);
    assert_int_equal(forge_put(&f), -EPROTO);
    forge_finish(&f);
}

static void
test_static_type(void **state)
{
    static const uint8_t symbol[SYMBOL_LEN] = { 4 };
    uint8_t ref[STATIC_LEN];
    struct forgery f;

    (void) state;
    forge_start(&f);
    memcpy(ref, (uint8_t *) f.w.data + f.matched, STATIC_LEN);
    forge(&f, f.matched, STATIC_LEN, ref, STATIC_LEN);
    assert_int_equal(forge_put(&f), 0);
    for (int offset = 0; offset < 64; offset++) {
        ref[24] = offset;       /* Between rules. */
        forge(&f, f.matched, STATIC_LEN, ref, STATIC_LEN);
        assert_int_equal(forge_put(&f),
                         offset >= WORLD_HEADER
                         && (offset - WORLD_HEADER) % sizeof(struct rule) == 0
                         && offset < WORLD_HEADER + 3 * sizeof(struct rule)
                         ? 0 : -EPROTO);
    }
    forge(&f, f.matched, STATIC_LEN, symbol, SYMBOL_LEN);
    assert_int_equal(forge_put(&f), -EPROTO);

    ref[16] = 1;                /* The first rule's name, and before it. */
    ref[24] = WORLD_HEADER;
    forge(&f, f.objects[KIND_1], OBJECT_LEN, ref, STATIC_LEN);
    assert_int_equal(forge_put(&f), 0);
    ref[24]--;
    forge(&f, f.objects[KIND_1], OBJECT_LEN, ref, STATIC_LEN);
    assert_int_equal(forge_put(&f), -EPROTO);
    forge_finish(&f);
}

/* What the image has of a connection. */
static const struct st_parts *
conn_parts(struct forgery *f)
{
    return st_parts_get(f->p.sa, f->p.a.structures[1].type,
                        ST_LEFT_OUT_ALWAYS);
}

/* A node elsewhere in its block than where the program puts it. */
static void
test_node_offset(void **state)
{
    const uint32_t size = WORLD_HEADER + sizeof(struct conn);
    const uint8_t head[] = { 0, 1, 1, size >> 24, size >> 16, size >> 8, size,
                             0, 0, 0, WORLD_HEADER };
    struct forgery f;

    (void) state;
    forge_start(&f);
    uint8_t *at = memmem(f.w.data, f.w.len, head, sizeof head);
    assert_non_null(at);
    at[sizeof head - 1]--;
    at += sizeof head + 2 * 4;  /* Behind its buckets. */
    memmove(at + WORLD_HEADER - 1, at + WORLD_HEADER, conn_parts(&f)->size);
    forge(&f, 0, 0, "", 0);
    assert_int_equal(forge_put(&f), -EPROTO);
    forge_finish(&f);
}

/* Where a number of the connection is, behind those before it. */
static uint8_t *
forge_member(struct forgery *f, size_t offset)
{
    const uint32_t size = WORLD_HEADER + sizeof(struct conn);
    const uint8_t head[] = { 0, 1, 1, size >> 24, size >> 16, size >> 8, size,
                             0, 0, 0, WORLD_HEADER };
    const struct st_parts *parts = conn_parts(f);
    const struct st_part *p = parts->parts;
    uint8_t *at = memmem(f->w.data, f->w.len, head, sizeof head);

    assert_non_null(at);
    at += sizeof head + 2 * 4 + WORLD_HEADER;   /* Behind its buckets. */
    for (; offset - p->offset >= p->size; p++) {
        assert_true(p < &parts->parts[parts->n]);
        at += p->size;
    }
    return at + offset - p->offset;
}

/* Replaces a number in the connection. */
static int
forge_number(struct forgery *f, size_t offset, uint32_t old, uint32_t new)
{
    uint8_t *member = forge_member(f, offset);

    assert_memory_equal(member, &old, sizeof old);
    forge(f, member - (uint8_t *) f->w.data, sizeof new, &new, sizeof new);
    return forge_put(f);
}

/* A node that was not asked for, and that what was asked for does not need.
 * It would be a flow of the sender's choice. */
static void
test_not_needed(void **state)
{
    const uint32_t size = WORLD_HEADER + sizeof(struct conn);
    const uint8_t head[] = { 0, 1, 1, size >> 24, size >> 16, size >> 8, size,
                             0, 0, 0, WORLD_HEADER };
    struct forgery f;

    (void) state;
    forge_start(&f);
    uint8_t *at = memmem(f.w.data, f.w.len, head, sizeof head);
    assert_non_null(at);
    forge(&f, at - (uint8_t *) f.w.data + 2, 1, "", 1);
    assert_int_equal(forge_put(&f), -EPROTO);
    forge_finish(&f);
}

/* An element behind those in use would never be freed. */
static void
test_not_live(void **state)
{
    struct forgery f;

    (void) state;
    forge_start(&f);
    assert_int_equal(forge_number(&f, offsetof(struct conn, n_headers), 2, 2),
                     0);
    assert_int_equal(forge_number(&f, offsetof(struct conn, n_headers), 2, 1),
                     -EPROTO);
    forge_finish(&f);
}

/* The program would read behind the end of a buffer. */
static void
test_length(void **state)
{
    const size_t at = offsetof(struct conn, request_len);
    struct forgery f;

    (void) state;
    forge_start(&f);
    assert_int_equal(forge_number(&f, at, 10, 11), 0);  /* With its '\0'. */
    assert_int_equal(forge_number(&f, at, 10, 12), -EPROTO);
    assert_int_equal(forge_number(&f, at, 10, UINT32_MAX), -EPROTO);

    /* Counted in elements of two bytes. */
    const size_t last = offsetof(struct conn, last_pair);
    assert_int_equal(forge_number(&f, last, 2, 5), 0);
    assert_int_equal(forge_number(&f, last, 2, 6), -EPROTO);

    /* It has no buffer: NAME_1 has it. */
    forge_without_last(&f);
    uint8_t *data = f.w.data;
    memcpy(data + f.objects[NAME_1], data + f.objects[REQUEST], OBJECT_LEN);
    forge(&f, f.objects[REQUEST], OBJECT_LEN, "", 1);
    assert_int_equal(forge_put(&f), -EPROTO);
    memset(forge_member(&f, at), 0, sizeof(uint32_t));
    memset(forge_member(&f, last), 0, sizeof(uint32_t));
    forge(&f, f.objects[REQUEST], OBJECT_LEN, "", 1);
    assert_int_equal(forge_put(&f), 0);
    forge_finish(&f);
}

/* There is one object in a block that ends with an array, as long as it
 * says. */
static void
test_tail(void **state)
{
    const uint32_t n = WORLD_MARKS;
    const uint16_t mark = WORLD_MARK;
    uint8_t bytes[sizeof n + sizeof mark];
    struct forgery f;

    (void) state;
    memcpy(bytes, &n, sizeof n);
    memcpy(bytes + sizeof n, &mark, sizeof mark);
    forge_start(&f);
    uint8_t *at = memmem(f.w.data, f.w.len, bytes, sizeof bytes);
    assert_non_null(at);
    for (uint32_t i = 0; i < 2 * n; i++) {
        forge(&f, at - (uint8_t *) f.w.data, sizeof i, &i, sizeof i);
        assert_int_equal(forge_put(&f), i <= n ? 0 : -EPROTO);
    }
    forge_finish(&f);
}

/* Rows of cells, of which an output function needs nothing: an image has no
 * bytes for them. */

struct cell {
    uint64_t value;
};

struct row {
    struct row *next;
    uint32_t address;
    struct cell *cells;
};

static struct row *rows;

static const struct st_left_out cell_left_out[] = {
    { 0, sizeof(struct cell), 1 },
};
static const struct st_pointer row_pointers[] = {
    { .name = "next", .offset = offsetof(struct row, next), .count = 1,
      .target = ST_LINK, .live = ST_NONE, .length = ST_NONE },
    { .name = "cells", .offset = offsetof(struct row, cells), .count = 1,
      .target = ST_TO_TYPE, .type = 1, .owned = true, .live = ST_NONE,
      .length = ST_NONE },
};
static const struct st_type row_types[] = {
    { .name = "struct row", .size = sizeof(struct row), .layout = 1,
      .pointers = row_pointers, .n_pointers = 2 },
    { .name = "struct cell", .size = sizeof(struct cell), .layout = 2,
      .left_out = cell_left_out, .n_left_out = 1 },
};
static const struct st_list row_lists[] = {
    { .first = (void **) &rows, .n_buckets = 1, .next = 0, .prev = ST_NONE },
};
static const struct st_key row_keys[] = {
    { ST_ADDRESS_A, ST_NONE, offsetof(struct row, address), 4, false, ST_NONE,
      0 },
};
static const struct st_structure row_structures[] = {
    { .name = "struct row", .lists = row_lists, .n_lists = 1,
      .keys = row_keys, .n_keys = 1, .bucket_offset = ST_NONE,
      .count_offset = ST_NONE },
};
static const char *const row_outputs[] = { "send" };
static const struct st_program row_program = {
    .name = "rows", .build = 1, .types = row_types, .n_types = 2,
    .structures = row_structures, .n_structures = 1,
    .outputs = row_outputs, .n_outputs = 1,
};

/* A few bytes stand for as much as an image can have, but not for more. */
static void
test_large(void **state)
{
    const uint32_t room = MBOX_WRITER_LIMIT - sizeof(struct row);
    const struct {
        uint32_t size;
        int error;
    } cases[] = {
        { 16, 0 }, { room, 0 }, { room + 8, -EPROTO }, { 0x80000000, -EPROTO },
        { 0xfffffff8, -EPROTO },
    };
    static const uint8_t head[] = { 0xff, 0xff, 0, 0, 0, 0, 16, 0, 0, 0, 0 };
    struct mbox_key key = world_host_key(7);
    struct mbox_writer w;

    (void) state;
    rows = mbox_state_malloc(sizeof *rows);
    *rows = (struct row) { .address = 7 };
    rows->cells = mbox_state_calloc(2, sizeof *rows->cells);
    rows->cells[1].value = 5;
    struct st *st = st_create(&row_program, pair_keep_message, NULL);
    assert_non_null(st);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(st, false, &key, 0, &w), 0);
    uint8_t *at = memmem(w.data, w.len, head, sizeof head);
    assert_non_null(at);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int j = 0; j < 4; j++) {
            at[3 + j] = cases[i].size >> (24 - 8 * j);
        }
        assert_int_equal(st_put(st, false, &key, w.data, w.len, false),
                         cases[i].error);
        assert_int_equal(rows->cells[1].value, 0);
    }
    mbox_writer_uninit(&w);
    st_destroy(st);
    mbox_state_free(rows->cells);
    mbox_state_free(rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_hostile_output),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_two_owners),
        cmocka_unit_test(test_owned_middle),
        cmocka_unit_test(test_owned_static),
        cmocka_unit_test(test_static_type),
        cmocka_unit_test(test_node_offset),
        cmocka_unit_test(test_not_needed),
        cmocka_unit_test(test_not_live),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_tail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
