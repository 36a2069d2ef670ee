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

/* What counts as changed, and for whom: the program's writes are told of by
 * hand here. */

#include "test-util.h"

#include <pthread.h>
#include <stdio.h>
#include "dirty-private.h"
#include "heap.h"
#include "nodes.h"
#include "state-hook.h"
#include "state-world.h"

#define CONNS 1                 /* A structure of the world. */

struct fixture {
    struct world w;
    struct st *st;
    unsigned int n_changes;     /* That were told of, */
    struct mbox_key changed;    /* the last of this. */
    unsigned int n_messages;
};

static void
count_message(void *f_, const char *text)
{
    struct fixture *f = f_;

    (void) text;
    f->n_messages++;
}

static void
on_change(bool per_flow, const struct mbox_key *key, void *f_)
{
    struct fixture *f = f_;

    (void) per_flow;
    f->n_changes++;
    f->changed = *key;
}

static void
start(struct fixture *f, uint32_t n_conns)
{
    memset(f, 0, sizeof *f);
    world_init(&f->w, 0x1234567);
    f->w.program.writes_known = true;
    f->st = st_create(&f->w.program, count_message, f);
    assert_non_null(f->st);
    st_on_change(f->st, on_change, f);
    for (uint32_t i = 0; i < n_conns; i++) {
        world_packet(&f->w, i, "GET ");
    }
}

static void
finish(struct fixture *f)
{
    st_destroy(f->st);
    world_uninit(&f->w);
    assert_false(mbox_state_dirty_tracking);
}

static void
get_for(struct fixture *f, bool per_flow, struct mbox_key key, int output)
{
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(f->st, per_flow, &key, output, &w), 0);
    mbox_writer_uninit(&w);
}

static void
get(struct fixture *f, bool per_flow, struct mbox_key key)
{
    get_for(f, per_flow, key, -1);
}

static void
get_conns(struct fixture *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        get(f, true, world_key(i));
    }
}

/* How many changes a write is told as. */
static unsigned int
write_to(struct fixture *f, const void *p, uint64_t n, uint64_t bits)
{
    unsigned int before = f->n_changes;

    mbox_state_dirty_write(p, n, bits);
    if (!(bits & ST_WRITE_ANY)) {
        st_dirty_step(f->st);
    }
    return f->n_changes - before;
}

static bool
is_by_packet(struct fixture *f, uint32_t n)
{
    struct mbox_key key = world_key(n);

    return st_is_changed_by_packet(f->st, true, &key);
}

static void
test_blocks(void **state)
{
    struct fixture f;
    char local[16];

    (void) state;
    start(&f, 3);
    struct conn *c = world_find(&f.w, 1), *other = world_find(&f.w, 2);
    assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 0);
    assert_true(is_by_packet(&f, 1));
    get_conns(&f, 2);
    assert_true(mbox_state_dirty_tracking);
    assert_false(is_by_packet(&f, 1));
    assert_true(is_by_packet(&f, 2));

    assert_int_equal(write_to(&f, local, 16, ST_WRITE_BYTES), 0);
    assert_int_equal(write_to(&f, &f.w, sizeof f.w, ST_WRITE_BYTES), 0);
    assert_int_equal(write_to(&f, &other->due, 4, ST_WRITE_BYTES), 0);
    assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 1);
    struct mbox_key key = world_key(1);
    assert_true(mbox_key_equal(&f.changed, &key));
    assert_int_equal(write_to(&f, c->request, 0, ST_WRITE_BYTES), 0);
    get_conns(&f, 2);
    assert_int_equal(write_to(&f, c->request, 0, ST_WRITE_BYTES), 1);

    /* What is freed has changed, and is not what comes there later. */
    get_conns(&f, 2);
    f.n_changes = 0;
    world_end(&f.w, c);
    assert_int_equal(f.n_changes, 1);
    assert_int_equal(write_to(&f, c, 1, ST_WRITE_BYTES), 0);
    finish(&f);
}

/* Within one packet: what was told of is told of again once it was sent
 * again, and a block that comes where one was that was freed is the entry's
 * that is sent with it. */
static void
test_again(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 2);
    struct conn *c = world_find(&f.w, 0);
    get_conns(&f, 1);
    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 1);
        assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_MEMBER(1)), 0);
        assert_int_equal(write_to(&f, c->request, 1, ST_WRITE_BYTES), 0);
        get_conns(&f, 1);
    }
    assert_int_equal(write_to(&f, c->request, 1, ST_WRITE_BYTES), 1);

    get_conns(&f, 2);
    struct conn *other = world_find(&f.w, 1);
    for (unsigned int i = 0; i < 100; i++) {
        f.n_changes = 0;
        world_end(&f.w, other);
        assert_int_equal(f.n_changes, 1);
        world_packet(&f.w, 1, "GET ");
        other = world_find(&f.w, 1);
        assert_int_equal(write_to(&f, &other->due, 4, ST_WRITE_BYTES), 0);
        get(&f, true, world_key(1));
        assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), i == 0);
        assert_int_equal(write_to(&f, &other->due, 4, ST_WRITE_BYTES), 1);
        get(&f, true, world_key(1));
    }
    st_track_none(f.st);
    assert_false(mbox_state_dirty_tracking);
    assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 0);
    get_conns(&f, 1);
    assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 1);
    finish(&f);
}

/* Many writes in one step, and what ends before it. */
static void
test_step(void **state)
{
    enum { N = 50 };
    struct fixture f;

    (void) state;
    start(&f, N);
    for (unsigned int round = 0; round < 3; round++) {
        get_conns(&f, N);
        f.n_changes = 0;
        for (unsigned int i = 0; i < N; i++) {
            struct conn *c = world_find(&f.w, i);

            mbox_state_dirty_write(&c->due, 4, ST_WRITE_BYTES);
            mbox_state_dirty_write(c->request, 1, ST_WRITE_BYTES);
        }
        assert_true(f.n_changes < N);
        world_end(&f.w, world_find(&f.w, N - 1));
        assert_int_equal(f.n_changes, N);
        st_dirty_step(f.st);
        assert_int_equal(f.n_changes, N);
        world_packet(&f.w, N - 1, "GET ");
    }

    /* What was written to when it is sent has not changed afterwards. */
    get_conns(&f, 1);
    struct conn *c = world_find(&f.w, 0);
    mbox_state_dirty_write(&c->due, 4, ST_WRITE_BYTES);
    get_conns(&f, 1);
    f.n_changes = 0;
    st_dirty_step(f.st);
    assert_int_equal(f.n_changes, 0);
    assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 1);
    mbox_state_dirty_write(&c->due, 4, ST_WRITE_BYTES);
    get_conns(&f, 1);
    mbox_state_dirty_write(&c->due, 4, ST_WRITE_BYTES);
    st_track_none(f.st);
    assert_false(mbox_state_dirty_tracking);
    finish(&f);
}

/* Whatever was written to, sent, freed and forgotten before: the first write
 * to a block of what was sent is told of, and no other. */
static void
test_writes(void **state)
{
    enum { N = 40 };
    bool sent[N] = { false };
    struct fixture f;

    (void) state;
    start(&f, N);
    srandom(1);
    for (int i = 0; i < 50000; i++) {
        unsigned int n = random() % N, what = random() % 64;
        struct conn *c = world_find(&f.w, n);
        const uint8_t *p = ((const uint8_t *) c) + random() % sizeof *c;

        if (what >= 4) {
            uint64_t bits = (what % 2 ? ST_WRITE_BYTES : ST_WRITE_FLOWS
                             | ST_WRITE_MEMBER(what % ST_WRITE_N_MEMBERS));

            p = what % 4 ? p : c->request;
            assert_int_equal(write_to(&f, p, 1, bits), sent[n]);
            sent[n] = false;
        } else if (what >= 1) {
            get(&f, true, world_key(n));
            sent[n] = true;
        } else if (i % 2) {
            unsigned int before = f.n_changes;

            world_end(&f.w, c);
            assert_int_equal(f.n_changes - before, sent[n]);
            sent[n] = false;
            world_packet(&f.w, n, "GET ");
        } else if (!(i % 7)) {
            st_track_none(f.st);
            memset(sent, 0, sizeof sent);
        }
    }
    finish(&f);
}

/* Containers, and what nobody knows. */
static void
test_by_packet(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 2);
    get_conns(&f, 2);
    assert_int_equal(write_to(&f, NULL, 0, ST_WRITE_HOSTS), 0);
    assert_false(is_by_packet(&f, 0));
    assert_int_equal(write_to(&f, NULL, 0, ST_WRITE_FLOWS), 0);
    assert_true(is_by_packet(&f, 0));
    st_packet_ends(f.st);
    assert_false(is_by_packet(&f, 0));
    assert_int_equal(f.n_changes, 0);

    assert_int_equal(write_to(&f, NULL, 0, ST_WRITE_ANY), 0);
    assert_true(is_by_packet(&f, 0));
    st_packet_ends(f.st);
    assert_int_equal(f.n_changes, 2);
    st_packet_ends(f.st);
    assert_int_equal(f.n_changes, 2);
    finish(&f);

    start(&f, 1);
    st_destroy(f.st);
    f.w.program.writes_known = false;
    f.st = st_create(&f.w.program, count_message, &f);
    get_conns(&f, 1);
    assert_true(is_by_packet(&f, 0));
    finish(&f);
}

/* What a program keeps nothing of does not change. */
static void
test_hosts_only(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 1);
    st_destroy(f.st);
    f.w.program.n_structures = 1;
    f.st = st_create(&f.w.program, count_message, &f);
    struct mbox_key key = world_host_key(world_client(0));
    assert_true(st_is_changed_by_packet(f.st, false, &key));
    assert_false(is_by_packet(&f, 0));
    finish(&f);
}

/* A host, which has a handle of a library, is more than memory. */
static void
test_hooks(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 1);
    struct mbox_key key = world_host_key(world_client(0));
    struct host *h = world_find(&f.w, 0)->client;

    get(&f, false, key);
    assert_true(st_is_changed_by_packet(f.st, false, &key));
    assert_int_equal(write_to(&f, &h->seen, 4, ST_WRITE_BYTES), 1);
    get(&f, false, key);
    assert_int_equal(write_to(&f, h->signature, 1, ST_WRITE_BYTES), 1);
    finish(&f);
}

/* Two keys have a block, as the program used it again without freeing it. */
static void
test_shared(void **state)
{
    struct st_objects objects = { .n = 0 };
    struct mbox_key key = world_key(7);
    struct fixture f;

    (void) state;
    start(&f, 1);
    struct conn *c = world_find(&f.w, 0);
    get_conns(&f, 1);
    assert_int_equal(st_objects_add(f.st, &objects, CONNS, c, true), 0);
    assert_int_equal(st_dirty_remember(f.st, true, &key, &objects), 0);
    st_objects_uninit(&objects);
    assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 2);
    get_conns(&f, 1);
    assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 1);
    assert_int_equal(write_to(&f, &c->due, 4, ST_WRITE_BYTES), 0);
    get_conns(&f, 1);
    f.n_changes = 0;
    world_end(&f.w, c);
    assert_int_equal(f.n_changes, 1);
    finish(&f);
}

static void
test_pause(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 1);
    struct conn *c = world_find(&f.w, 0);
    get_conns(&f, 1);
    st_dirty_pause(f.st);
    st_dirty_pause_to_change(f.st);
    assert_int_equal(write_to(&f, c, 1, ST_WRITE_BYTES), 0);
    st_dirty_resume_changed(f.st);
    assert_int_equal(write_to(&f, c, 1, ST_WRITE_ANY), 0);
    st_dirty_resume(f.st);
    st_packet_ends(f.st);
    assert_int_equal(f.n_changes, 0);
    assert_int_equal(write_to(&f, c, 1, ST_WRITE_BYTES), 1);
    finish(&f);
}

static void
test_ended(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 3);
    get_conns(&f, 3);
    st_ended(NULL, 0, f.st);
    assert_int_equal(f.n_changes, 3);
    assert_false(mbox_state_dirty_tracking);
    finish(&f);
}

/* Threads. */

static void *
write_elsewhere(void *f_)
{
    struct fixture *f = f_;

    mbox_state_dirty_write(world_find(&f->w, 0), 1, ST_WRITE_BYTES);
    assert_int_equal(f->n_changes, 0);
    return NULL;
}

static void *
step_elsewhere(void *f_)
{
    struct fixture *f = f_;
    void *block = mbox_state_malloc(8);

    st_step(f->st);
    assert_int_equal(write_to(f, world_find(&f->w, 0), 1, ST_WRITE_BYTES), 1);

    /* A free is told of at once: not with the next step. */
    struct conn *c = world_find(&f->w, 1);
    f->n_changes = 0;
    world_end(&f->w, c);
    assert_int_equal(f->n_changes, 1);
    mbox_state_free(block);
    return NULL;
}

static void
run_thread(void *(*fn)(void *), struct fixture *f)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, fn, f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void
test_threads(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 2);
    for (unsigned int i = 1; i <= 2; i++) {
        get_conns(&f, 2);
        f.n_changes = 0;
        run_thread(write_elsewhere, &f);
        st_step(f.st);
        assert_int_equal(f.n_changes, 2);
        assert_int_equal(f.n_messages, 1);
    }
    get_conns(&f, 2);
    run_thread(step_elsewhere, &f);
    finish(&f);
}

/* Elements of an array. */

#define N_SLOTS 4

struct visitor {
    struct visitor *next;
    uint32_t address, packets;
};

static struct {
    char before[16];
    struct visitor slots[N_SLOTS];
    char behind[16];
} array;
static struct visitor *first;
static uint16_t turn;

static const struct st_pointer pointers[] = {
    { .name = "next", .offset = offsetof(struct visitor, next), .count = 1,
      .target = ST_LINK, .live = ST_NONE, .length = ST_NONE },
};
static const struct st_type types[] = {
    { .name = "struct visitor", .size = sizeof(struct visitor), .layout = 1,
      .pointers = pointers, .n_pointers = 1 },
};
static const struct st_key keys[] = {
    { ST_ADDRESS_A, ST_NONE, offsetof(struct visitor, address), 4, false,
      ST_NONE, 0 },
};
static const struct st_list list = {
    .first = (void **) &first, .n_buckets = 1,
    .next = offsetof(struct visitor, next), .prev = ST_NONE,
};
static const struct st_slots slots = {
    (uint8_t *) array.slots, N_SLOTS, &turn, sizeof turn
};
static const struct st_structure visitors = {
    .name = "struct visitor", .lists = &list, .n_lists = 1, .slots = &slots,
    .keys = keys, .n_keys = 1, .bucket_offset = ST_NONE,
    .count_offset = ST_NONE,
};
static const struct st_program slot_program = {
    .name = "visitors", .build = 1, .types = types, .n_types = 1,
    .structures = &visitors, .n_structures = 1, .writes_known = true,
};

/* How many of all count as changed by a write. */
static unsigned int
slots_written(struct fixture *f, const void *p, uint64_t n)
{
    for (uint32_t i = 0; i < N_SLOTS; i++) {
        get(f, false, world_host_key(1 + i));
    }
    return write_to(f, p, n, ST_WRITE_BYTES);
}

static void
test_slots(void **state)
{
    struct fixture f = { .n_changes = 0 };

    (void) state;
    first = NULL;
    for (uint32_t i = 0; i < N_SLOTS; i++) {
        array.slots[i] = (struct visitor) { first, 1 + i, 0 };
        first = &array.slots[i];
    }
    f.st = st_create(&slot_program, count_message, &f);
    assert_non_null(f.st);
    st_on_change(f.st, on_change, &f);

    struct visitor *v = &array.slots[1];
    assert_int_equal(slots_written(&f, &v->packets, 4), 1);
    struct mbox_key key = world_host_key(2);
    assert_true(mbox_key_equal(&f.changed, &key));
    assert_int_equal(slots_written(&f, &v->packets, 5), 2);
    assert_int_equal(slots_written(&f, &v->packets, 0), N_SLOTS - 1);
    assert_int_equal(slots_written(&f, &v->packets, UINT64_MAX), N_SLOTS - 1);
    assert_int_equal(slots_written(&f, &v->packets, (uint64_t) -1 << 31),
                     N_SLOTS - 1);
    assert_int_equal(slots_written(&f, &array, sizeof array), N_SLOTS);
    assert_int_equal(slots_written(&f, array.before, 16), 0);
    assert_int_equal(slots_written(&f, array.behind, 16), 0);
    st_destroy(f.st);
}

/* An address has a visitor in each of two lists, of which an output function
 * needs one.  What was sent of the other is remembered nevertheless. */

static struct visitor *second;
static const struct st_list second_list = {
    .first = (void **) &second, .n_buckets = 1,
    .next = offsetof(struct visitor, next), .prev = ST_NONE,
};
static const struct st_structure two[] = {
    { .name = "struct visitor", .lists = &list, .n_lists = 1, .keys = keys,
      .n_keys = 1, .bucket_offset = ST_NONE, .count_offset = ST_NONE },
    { .name = "struct visitor", .lists = &second_list, .n_lists = 1,
      .keys = keys, .n_keys = 1, .bucket_offset = ST_NONE,
      .count_offset = ST_NONE, .unneeded = 1 << 0 },
};
static const char *const two_outputs[] = { "print" };
static const struct st_program two_program = {
    .name = "visitors", .build = 1, .types = types, .n_types = 1,
    .structures = two, .n_structures = 2, .writes_known = true,
    .outputs = two_outputs, .n_outputs = 1,
};

static void
test_outputs(void **state)
{
    struct fixture f = { .n_changes = 0 };

    (void) state;
    first = mbox_state_malloc(sizeof *first);
    second = mbox_state_malloc(sizeof *second);
    *first = *second = (struct visitor) { .address = 1 };
    f.st = st_create(&two_program, count_message, &f);
    assert_non_null(f.st);
    st_on_change(f.st, on_change, &f);
    get(&f, false, world_host_key(1));
    get_for(&f, false, world_host_key(1), 0);
    assert_int_equal(write_to(&f, second, 1, ST_WRITE_BYTES), 1);
    get_for(&f, false, world_host_key(1), 0);
    assert_int_equal(write_to(&f, first, 1, ST_WRITE_BYTES), 1);
    st_destroy(f.st);
    mbox_state_free(first);
    mbox_state_free(second);
}

/* Rounds of what an output function needs: what is sent again is without the
 * rest, too, of which the replica has its own. */
static void
test_output_rounds(void **state)
{
    const struct mbox_key key = world_key(1);
    struct fixture f;
    struct world replica;
    size_t len = 0;

    (void) state;
    start(&f, 4);
    world_init(&replica, 0x1234567);
    struct st *to = st_create(&replica.program, count_message, &f);
    assert_non_null(to);
    for (unsigned int round = 0; round < 3; round++) {
        struct mbox_writer w;

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        assert_int_equal(st_get(f.st, true, &key, 1, &w), 0);
        assert_int_equal(st_put(to, true, &key, w.data, w.len, false), 0);
        if (round) {            /* As much more as there are headers. */
            assert_true(w.len > len);
        }
        len = w.len;
        mbox_writer_uninit(&w);
        struct conn *from = world_find(&f.w, 1);
        struct conn *c = world_find(&replica, 1);
        assert_int_equal(c->n_packets, from->n_packets);
        assert_int_equal(from->sizes[round], 4);
        assert_int_equal(c->sizes[0], round ? 77 : 0);
        c->sizes[0] = 77;

        assert_int_equal(write_to(&f, from, sizeof *from, ST_WRITE_BYTES), 1);
        world_packet(&f.w, 1, "more");
    }
    assert_int_equal(f.n_messages, 0);
    st_destroy(to);
    world_uninit(&replica);
    finish(&f);
}

/* A container that only the program's functions know, and they write. */

static int
for_each_visitor(int (*cb)(void *, void *), void *aux)
{
    int error = 0;

    for (struct visitor *v = first; v && !error; v = v->next) {
        mbox_state_dirty_write(v, sizeof *v, ST_WRITE_BYTES | ST_WRITE_ANY);
        error = cb(v, aux);
    }
    return error;
}

static void *
find_visitor(const void *v_)
{
    const struct visitor *v = v_;
    struct visitor *found = first;

    while (found && found->address != v->address) {
        found = found->next;
    }
    return found;
}

static const struct mbox_state_container container = {
    .for_each = for_each_visitor, .find = find_visitor,
};
static const struct st_structure hooked = {
    .name = "struct visitor", .container = &container, .keys = keys,
    .n_keys = 1, .bucket_offset = ST_NONE, .count_offset = ST_NONE,
};
static const struct st_program hooked_program = {
    .name = "visitors", .build = 1, .types = types, .n_types = 1,
    .structures = &hooked, .n_structures = 1, .writes_known = true,
};

static int
ignore_key(const struct mbox_key *key, void *aux)
{
    (void) key;
    (void) aux;
    return 0;
}

static void
test_container(void **state)
{
    struct fixture f = { .n_changes = 0 };

    (void) state;
    first = NULL;
    for (uint32_t i = 0; i < 3; i++) {
        struct visitor *v = mbox_state_malloc(sizeof *v);

        *v = (struct visitor) { first, 1 + i, 0 };
        first = v;
    }
    f.st = st_create(&hooked_program, count_message, &f);
    assert_non_null(f.st);
    st_on_change(f.st, on_change, &f);
    for (uint32_t i = 0; i < 3; i++) {
        get(&f, false, world_host_key(1 + i));
    }
    assert_int_equal(st_list(f.st, false, ignore_key, NULL), 0);
    assert_int_equal(st_count(f.st, false), 3);
    st_packet_ends(f.st);
    assert_int_equal(f.n_changes, 0);
    assert_int_equal(write_to(&f, first, 1, ST_WRITE_BYTES), 1);

    st_destroy(f.st);
    while (first) {
        struct visitor *v = first;

        first = v->next;
        mbox_state_free(v);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_by_packet),
        cmocka_unit_test(test_hosts_only),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_output_rounds),
        cmocka_unit_test(test_container),
    };

    st_heap_track();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
