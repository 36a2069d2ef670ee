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
#include "state-pair.h"

/* Damaged state is refused or is harmless; in no case are containers wrong or
 * is memory touched that is not the importer's. */
static void
test_hostile(void **state)
{
    struct pair p;
    struct mbox_key key = world_key(1);
    struct mbox_writer w;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 6);
    world_checks_headers = false;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(p.sa, true, &key, -1, &w), 0);
    for (size_t i = 0; i < w.len; i++) {
        void *data = test_memdup(w.data, i);

        assert_int_not_equal(st_put(p.sb, true, &key, data, i, false), 0);
        free(data);
    }
    assert_int_equal(p.b.n_conns, 0);

    for (int i = 0; i < test_rounds(20000); i++) {
        uint8_t *data = test_memdup(w.data, w.len);
        int n = 1 + test_random_range(4);

        while (n--) {
            data[test_random_range(w.len)] = test_random();
        }
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
            world_end(&p.b, c);
        } else if (st_del(p.sb, true, &key)) {
            assert_int_equal(p.b.n_conns, 0);
        }
    }
    mbox_writer_uninit(&w);
    pair_finish(&p);
    world_checks_headers = true;
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
    memmove(at + WORLD_HEADER - 1, at + WORLD_HEADER, sizeof(struct conn));
    forge(&f, 0, 0, "", 0);
    assert_int_equal(forge_put(&f), -EPROTO);
    forge_finish(&f);
}

/* Where a member of the connection is. */
static uint8_t *
forge_member(struct forgery *f, size_t offset)
{
    uint8_t *conn = memmem(f->w.data, f->w.len, "object!", 8);

    for (size_t left; conn; conn = memmem(conn + 1, left, "object!", 8)) {
        left = (uint8_t *) f->w.data + f->w.len - conn - 1;
        if (left > sizeof(struct conn)
            && !memcmp(conn + WORLD_HEADER + offsetof(struct conn,
                                                      server_port),
                       "P\0", 2)) {
            break;
        }
    }
    assert_non_null(conn);
    return conn + WORLD_HEADER + offset;
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile),
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
