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

/* Hooks of the user's that are wrong, or are given what is. */

#include "test-util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include "heap.h"
#include "program-state.h"
#include "state-hook.h"

#define N_ENTRIES 24
#define MANY 20
#define N_PARTS 4

struct part {
    uint32_t handle;
};

struct entry {
    uint32_t src, dst;
    uint16_t sport, dport;
    uint32_t n_parts;
    struct part parts[N_PARTS];
    struct entry *needed;       /* Of another flow. */
    void *stray;
};

/* The program's container, of which find() may tell directions apart or
 * not. */
static struct entry *entries[N_ENTRIES];
static uint32_t n_entries;
static bool find_is_exact;

static uint32_t n_handles, n_saved;
static ssize_t save_error;      /* Instead of what is right. */
static int load_error;
static bool load_shrinks;

static ssize_t
save(const void *part, unsigned int index, void *buffer, size_t size)
{
    (void) index;
    assert_true(size >= 4);
    memcpy(buffer, part, 4);
    n_saved++;
    return save_error ? save_error : 4;
}

static int
load(void *part_, unsigned int index, const void *data, size_t n)
{
    struct part *part = part_;

    assert_int_equal(n, 4);
    if (load_error) {
        return load_error;
    }
    memcpy(&part->handle, data, n);
    n_handles++;
    if (load_shrinks) {         /* Which is not the hook's. */
        struct part *first = part - index;

        ((struct entry *) ((uint8_t *) first
                           - offsetof(struct entry, parts)))->n_parts = index;
    }
    return 0;
}

static void
release(void *part, unsigned int index)
{
    (void) part;
    (void) index;
    assert_true(n_handles--);
}

static uint32_t n_resumed;

static void
resume(void *part_, unsigned int index)
{
    const struct part *part = part_;

    assert_int_equal(part->handle, 17 + index);
    n_resumed++;
}

static int describe_error;

static int
describe(const void *part_, unsigned int index, char *text, size_t size)
{
    const struct part *part = part_;

    snprintf(text, size, "part %u, %"PRIu32, index, part->handle);
    return describe_error;
}

static struct mbox_state_hook part_hook = { save, load, release, NULL, NULL };

static unsigned int n_walks;

static int
for_each(int (*cb)(void *entry, void *aux), void *aux)
{
    n_walks++;
    for (uint32_t i = 0; i < n_entries; i++) {
        int retval = cb(entries[i], aux);

        if (retval) {
            return retval;
        }
    }
    return 0;
}

static bool
is_same(const struct entry *a, const struct entry *b)
{
    return ((a->src == b->src && a->sport == b->sport
             && a->dst == b->dst && a->dport == b->dport)
            || (!find_is_exact
                && a->src == b->dst && a->sport == b->dport
                && a->dst == b->src && a->dport == b->sport));
}

static void *
find(const void *entry)
{
    for (uint32_t i = 0; i < n_entries; i++) {
        if (is_same(entry, entries[i])) {
            return entries[i];
        }
    }
    return NULL;
}

static void
insert(void *entry)
{
    assert_null(find(entry));
    assert_true(n_entries < N_ENTRIES);
    entries[n_entries++] = entry;
}

static void
take_out(void *entry)
{
    uint32_t i = 0;

    while (entries[i] != entry) {
        assert_true(++i < n_entries);
    }
    entries[i] = entries[--n_entries];
}

static struct mbox_state_container entry_hook = {
    .for_each = for_each, .find = find, .insert = insert, .remove = take_out,
};

/* The tables. */

static const struct st_hook hooks[] = {
    { .name = "parts[].handle", .object = offsetof(struct entry, parts),
      .count = N_PARTS, .stride = sizeof(struct part),
      .offset = offsetof(struct part, handle), .size = 4,
      .live = offsetof(struct entry, n_parts), .live_size = 4,
      .functions = &part_hook },
};
static const struct st_pointer pointers[] = {
    { .name = "needed", .offset = offsetof(struct entry, needed), .count = 1,
      .target = ST_TO_NODE, .live = ST_NONE, .length = ST_NONE },
    { .name = "stray", .offset = offsetof(struct entry, stray), .count = 1,
      .target = ST_TO_OPAQUE, .live = ST_NONE, .length = ST_NONE },
};
static const struct st_type types[] = {
    { .name = "struct entry", .size = sizeof(struct entry), .layout = 1,
      .pointers = pointers, .n_pointers = 2, .hooks = hooks, .n_hooks = 1 },
};
static const struct st_key keys[] = {
    { ST_ADDRESS_A, ST_NONE, offsetof(struct entry, src), 4, false,
      ST_NONE, 0 },
    { ST_ADDRESS_B, ST_NONE, offsetof(struct entry, dst), 4, false,
      ST_NONE, 0 },
    { ST_PORT_A, ST_NONE, offsetof(struct entry, sport), 2, true,
      ST_NONE, 0 },
    { ST_PORT_B, ST_NONE, offsetof(struct entry, dport), 2, true,
      ST_NONE, 0 },
};
static const struct st_structure structure = {
    .name = "struct entry", .per_flow = true, .proto = 6,
    .container = &entry_hook, .keys = keys, .n_keys = 4,
    .bucket_offset = ST_NONE, .count_offset = ST_NONE,
};
static const struct st_program program = {
    .name = "hooks", .build = 1,
    .types = types, .n_types = 1,
    .structures = &structure, .n_structures = 1,
};

static struct st *st;
static struct mbox_writer image;

static unsigned int n_messages;

static void
count_message(void *aux, const char *text)
{
    (void) aux;
    (void) text;
    n_messages++;
}

static void
add(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
    struct entry *e = mbox_state_calloc(1, sizeof *e);

    assert_non_null(e);
    *e = (struct entry) {
        .src = htonl(src), .dst = htonl(dst), .sport = sport, .dport = dport,
        .n_parts = 2, .parts = { { 17 }, { 18 } },
    };
    n_handles += e->n_parts;
    insert(e);
}

static struct mbox_key
flow_key(void)
{
    struct mbox_key key = { .family = 4, .vlan = MBOX_VLAN_NONE, .proto = 6,
                            .src_port = 1000, .dst_port = 80 };
    struct mbox_key canonical;

    memcpy(key.src + 10, "\xff\xff\x0a\0\0\1", 6);
    memcpy(key.dst + 10, "\xff\xff\x0a\0\0\2", 6);
    mbox_key_canonical(&key, &canonical);
    return canonical;
}

static int
put(const void *data_, size_t n)
{
    struct mbox_key key = flow_key();
    void *data = test_memdup(data_, n);
    int error = st_put(st, true, &key, data, n, false);

    free(data);
    return error;
}

/* A program with the flow, in both directions or in one. */
static void
start(bool both)
{
    st_heap_track();
    st = st_create(&program, count_message, NULL);
    assert_non_null(st);
    mbox_writer_init(&image, MBOX_WRITER_LIMIT);
    find_is_exact = true;
    add(0x0a000001, 0x0a000002, 1000, 80);
    if (both) {
        add(0x0a000002, 0x0a000001, 80, 1000);
    }
}

/* Takes it from the program. */
static void
export(void)
{
    struct mbox_key key = flow_key();

    assert_int_equal(st_get(st, true, &key, -1, &image), 0);
    assert_int_equal(st_del(st, true, &key), 0);
    assert_int_equal(n_entries, 0);
    assert_int_equal(n_handles, 0);
}

static void
finish(void)
{
    struct mbox_key key = flow_key();

    st_del(st, true, &key);
    assert_int_equal(n_entries, 0);
    assert_int_equal(n_handles, 0);
    mbox_writer_uninit(&image);
    st_destroy(st);
}

/* Two entries that the program has one place for. */
static void
test_one_place(void **state)
{
    (void) state;
    start(true);
    export();
    find_is_exact = false;
    assert_int_equal(put(image.data, image.len), -EEXIST);
    assert_int_equal(n_entries, 0);
    assert_int_equal(n_handles, 0);

    find_is_exact = true;
    assert_int_equal(put(image.data, image.len), 0);
    assert_int_equal(n_entries, 2);
    finish();
}

/* An entry for both directions comes once, whatever find() thinks. */
static void
test_both_ways(void **state)
{
    (void) state;
    start(true);
    export();
    entry_hook.both_ways = 1;
    assert_int_equal(put(image.data, image.len), -EPROTO);
    assert_int_equal(n_entries, 0);
    entry_hook.both_ways = 0;
    finish();
}

static bool
none_is_away(const struct mbox_key *key, void *aux)
{
    (void) key;
    (void) aux;
    return false;
}

/* Many that come while the program waits are not looked for each by itself,
 * and then what the program does is seen. */
static void
test_many(void **state)
{
    const struct mbox_key first = flow_key();
    struct mbox_key many[MANY];

    (void) state;
    start(false);
    export();
    part_hook.resume = resume;
    for (size_t i = 0; i < MANY; i++) {
        many[i] = first;
        many[i].src_port += many[i].src_port == 80 ? 0 : i;
        many[i].dst_port += many[i].dst_port == 80 ? 0 : i;
    }
    for (int waits = 0; waits < 2; waits++) {
        struct mbox_writer images[MANY];

        for (size_t i = 0; i < MANY; i++) {
            add(0x0a000001, 0x0a000002, 1000 + i, 80);
        }
        st_wait(st, waits);
        n_walks = 0;
        for (size_t i = 0; i < MANY; i++) {
            mbox_writer_init(&images[i], MBOX_WRITER_LIMIT);
            assert_int_equal(st_get(st, true, &many[i], -1, &images[i]), 0);
        }
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(st_del(st, true, &many[i]), 0);
            assert_int_equal(st_del(st, true, &many[i]), -ENOENT);
        }
        assert_int_equal(n_entries, 0);
        for (size_t i = 0; i < MANY; i++) {
            void *data = test_memdup(images[i].data, images[i].len);

            assert_int_equal(st_put(st, true, &many[i], data, images[i].len,
                                    false), 0);
            assert_int_equal(st_put(st, true, &many[i], data, images[i].len,
                                    false), 0);
            free(data);
            mbox_writer_uninit(&images[i]);
        }
        assert_int_equal(n_entries, MANY);
        assert_true(waits ? n_walks == 2 : n_walks > MANY);

        /* All stand still, and go on in any order. */
        n_resumed = 0;
        for (size_t i = 0; i < MANY; i += 3) {
            st_resume_flow(st, &many[i]);
            st_resume_flow(st, &many[i]);
            assert_int_equal(n_resumed, 2 * (i / 3 + 1));
        }
        st_resume(st, none_is_away, NULL);
        assert_int_equal(n_resumed, 2 * MANY);

        /* Both directions are known. */
        st_wait(st, false);
        add(0x0a000002, 0x0a000001, 80, 1000);
        st_wait(st, waits);
        for (size_t i = MANY; i--; ) {
            assert_int_equal(st_del(st, true, &many[i]), 0);
        }
        assert_int_equal(n_entries, 0);
        assert_int_equal(n_handles, 0);
    }
    st_wait(st, false);
    part_hook.resume = NULL;
    finish();
}

/* What comes and goes between the packets of the program is not looked for by
 * going through all that is there, which would take the longer, the more that
 * is. */
static void
test_between_packets(void **state)
{
    struct mbox_key many[MANY];
    struct mbox_writer images[MANY];

    (void) state;
    start(false);
    entry_hook.both_ways = 1;
    find_is_exact = true;
    for (size_t i = 0; i < MANY; i++) {
        if (i) {
            add(0x0a000001, 0x0a000002, 1000 + i, 80);
        }
        many[i] = flow_key();
        many[i].src_port += many[i].src_port == 80 ? 0 : i;
        many[i].dst_port += many[i].dst_port == 80 ? 0 : i;
        mbox_writer_init(&images[i], MBOX_WRITER_LIMIT);
        assert_int_equal(st_get(st, true, &many[i], -1, &images[i]), 0);
        assert_int_equal(st_del(st, true, &many[i]), 0);
    }
    for (int again = 0; again < 2; again++) {
        n_walks = 0;
        for (size_t i = 0; i < MANY; i++) {
            void *data = test_memdup(images[i].data, images[i].len);

            st_wait(st, true);
            assert_int_equal(st_put(st, true, &many[i], data, images[i].len,
                                    false), 0);
            st_wait(st, false);
            free(data);
        }
        assert_int_equal(n_entries, MANY);
        assert_int_equal(n_walks, 0);
    }

    /* The program uses the memory of one for another. */
    struct entry *entry = entries[0];
    const struct entry before = *entry;
    entry->sport = 7;
    st_wait(st, true);
    assert_int_equal(st_del(st, true, &many[before.sport - 1000]), -ENOENT);
    assert_int_equal(n_entries, MANY);
    st_wait(st, false);
    *entry = before;

    n_walks = 0;
    for (size_t i = MANY; i--; ) {
        st_wait(st, true);
        assert_int_equal(st_del(st, true, &many[i]), 0);
        st_wait(st, false);
        mbox_writer_uninit(&images[i]);
    }
    assert_int_equal(n_walks, 0);
    assert_int_equal(n_entries, 0);
    entry_hook.both_ways = 0;
    finish();
}

/* Whatever hooks return, no error is taken for success, or is none. */
static void
test_errors(void **state)
{
    static const ssize_t odd[] = {
        -4096, INT_MIN, -((ssize_t) 1 << 32), -SSIZE_MAX,
    };
    static const int other[] = { -ENOENT, -ENODATA, -EAGAIN };
    struct mbox_key key = flow_key();

    (void) state;
    start(false);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        save_error = odd[i];
        assert_int_equal(st_get(st, true, &key, -1, &image), -EPROTO);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        save_error = other[i];
        assert_int_equal(st_get(st, true, &key, -1, &image), -EIO);
    }
    save_error = -ENOSPC;
    assert_int_equal(st_get(st, true, &key, -1, &image), -ENOSPC);
    save_error = 0;
    image.len = 0;
    image.error = 0;
    export();

    for (load_error = 1; load_error < 3; load_error++) {
        assert_int_equal(put(image.data, image.len), -EPROTO);
    }
    load_error = -ENOMEM;
    assert_int_equal(put(image.data, image.len), -ENOMEM);
    load_error = 0;
    finish();
}

/* A hook that changes how many elements there are harms nobody but its own
 * program, which leaks. */
static void
test_number(void **state)
{
    (void) state;
    start(false);
    export();
    mbox_put_u8(&image, 0);
    load_shrinks = true;
    assert_int_equal(put(image.data, image.len), -EPROTO);
    load_shrinks = false;
    assert_int_equal(n_handles, 1);
    n_handles = 0;
    finish();
}

static bool
is_away(const struct mbox_key *key, void *away)
{
    struct mbox_key wanted = flow_key();

    assert_true(mbox_key_equal(key, &wanted));
    return *(bool *) away;
}

/* What has to stand still is not read before, and goes on once, whether it
 * stays, has come, or was not to come after all. */
static void
test_standing(void **state)
{
    struct mbox_key key = flow_key(), reverse;
    bool away = true;

    (void) state;
    mbox_key_reverse(&key, &reverse);
    start(false);
    part_hook.resume = resume;
    n_resumed = 0;
    st_set_running(st, true);
    assert_int_equal(st_get(st, true, &key, -1, &image), -EAGAIN);
    st_resume_flow(st, &key);
    assert_int_equal(n_resumed, 0);

    st_set_running(st, false);
    save_error = -EIO;          /* After something was stopped. */
    assert_int_equal(st_get(st, true, &key, -1, &image), -EIO);
    st_resume(st, is_away, &away);
    assert_int_equal(n_resumed, 0);
    away = false;
    st_resume(st, is_away, &away);
    assert_int_equal(n_resumed, 2);
    st_resume(st, is_away, &away);
    assert_int_equal(n_resumed, 2);

    save_error = 0;
    image.len = 0;
    image.error = 0;
    export();
    st_resume_flow(st, &key);
    assert_int_equal(n_resumed, 2);
    assert_int_equal(put(image.data, image.len), 0);
    st_resume_flow(st, &reverse);
    assert_int_equal(n_resumed, 4);
    st_resume(st, is_away, &away);
    assert_int_equal(n_resumed, 4);
    part_hook.resume = NULL;
    finish();
}

/* What another flow has runs, and nobody would have it go on. */
static void
test_standing_other(void **state)
{
    struct mbox_key key = flow_key();
    bool away = false;

    (void) state;
    start(false);
    add(0x0a000003, 0x0a000004, 1000, 80);
    entries[0]->needed = entries[1];
    part_hook.resume = resume;
    n_resumed = n_saved = 0;
    st_set_running(st, false);
    assert_int_equal(st_get(st, true, &key, -1, &image), -ENOTSUP);
    assert_int_equal(n_saved, 0);
    st_resume(st, is_away, &away);

    /* Nor does it come from one who does not mind. */
    image.len = 0;
    image.error = 0;
    part_hook.resume = NULL;
    assert_int_equal(st_get(st, true, &key, -1, &image), 0);
    assert_int_equal(st_del(st, true, &key), 0);
    part_hook.resume = resume;
    assert_int_equal(put(image.data, image.len), -ENOTSUP);
    assert_int_equal(n_entries, 1);
    assert_int_equal(n_handles, 2);
    part_hook.resume = NULL;
    release(NULL, 0);
    release(NULL, 0);
    mbox_state_free(entries[0]);
    n_entries = 0;
    finish();
}

/* Looks at the flow: what there is of its two members is these bytes, at the
 * end, or ends with them.  Nobody imports that. */
static void
look(const void *members, size_t size)
{
    struct mbox_key key = flow_key();

    image.len = 0;
    assert_int_equal(st_look(st, true, &key, -1, &image), 0);
    assert_true(image.len > size);
    assert_memory_equal(image.data + image.len - size, members, size);
    assert_int_equal(put(image.data, image.len), -EPROTO);
    assert_non_null(strstr(st_why(st), "looked at"));
}

/* People see what hooks can tell, of what runs, too, and nothing stops. */
static void
test_look(void **state)
{
    static const char bytes[] = "\0\0\0\0\4\x11\0\0\0"
                                "\0\0\0\0\4\x12\0\0";
    static const char texts[] = "\1\0\12part 0, 17" "\1\0\12part 1, 18";
    static const char errors[] = "\2\0\22Input/output error"
                                 "\2\0\22Input/output error";
    static const char not_read[] = "not read: its flow would have to stand "
                                   "still";
    static const char stray[] = "\5\0\102struct entry.stray points to what "
                                "is not known: it cannot be moved"
                                "\0\0\0\0\4\x11\0\0\0"
                                "\0\0\0\0\4\x12\0\0";
    struct mbox_key key = flow_key();
    bool away = false;

    (void) state;
    start(false);
    look(bytes, sizeof bytes);
    save_error = -EIO;
    look(errors, sizeof errors - 1);
    save_error = 0;

    part_hook.resume = resume;
    n_resumed = n_saved = 0;
    st_set_running(st, true);
    look(not_read, sizeof not_read - 1);
    part_hook.describe = describe;
    look(texts, sizeof texts - 1);
    describe_error = -EIO;
    look(errors, sizeof errors - 1);
    st_set_running(st, false);
    describe_error = 0;
    look(texts, sizeof texts - 1);
    assert_int_equal(n_saved, 0);
    st_resume(st, is_away, &away);
    assert_int_equal(n_resumed, 0);

    /* A copy says why not. */
    st_set_running(st, true);
    image.len = 0;
    assert_int_equal(st_get(st, true, &key, -1, &image), -EAGAIN);
    assert_string_equal(st_why(st), "struct entry.parts[].handle: its hook "
                        "can read it only while the packets of its flow are "
                        "held: it can be moved, but not copied");
    part_hook.resume = NULL;
    part_hook.describe = NULL;

    /* A pointer that cannot be moved is not followed. */
    entries[0]->stray = &image;
    image.len = 0;
    assert_int_equal(st_get(st, true, &key, -1, &image), -ENOTSUP);
    assert_true(n_messages > 0);
    n_messages = 0;
    look(stray, sizeof stray);
    entries[0]->stray = NULL;
    assert_int_equal(n_messages, 1);    /* Of the import. */

    /* What cannot be read has a reason. */
    entries[0]->needed = (struct entry *) (void *) &image;
    image.len = 0;
    assert_int_equal(st_look(st, true, &key, -1, &image), 0);
    assert_memory_equal(image.data, "MSU2", 4);
    assert_int_equal(put(image.data, image.len), -EPROTO);
    entries[0]->needed = NULL;
    finish();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_place),
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_between_packets),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_standing),
        cmocka_unit_test(test_standing_other),
        cmocka_unit_test(test_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
