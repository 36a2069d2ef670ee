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

/* The on-wire tag. */

#include "mbox-tag.h"

#include <errno.h>
#include "test-util.h"

static const uint8_t frame64[64] = {
    0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02, 0x08, 0x00, 0x45, 0x00,
};

static void
test_push_pop(void **state)
{
    (void) state;

    for (int kind = 1; kind <= MBOX_TAG_N_KINDS; kind++) {
        const struct mbox_tag tag = {
            .kind = kind, .id = test_random(), .seq = test_random(),
        };
        uint8_t buf[64 + MBOX_TAG_LEN];
        size_t len = 64;
        struct mbox_tag got;

        memcpy(buf, frame64, 64);
        assert_false(mbox_tag_is_tagged(buf, len));
        assert_false(mbox_tag_peek(buf, len, &got));
        assert_int_equal(mbox_tag_push(buf, &len, sizeof buf, &tag), 0);
        assert_int_equal(len, 76);
        assert_true(mbox_tag_is_tagged(buf, len));
        assert_true(mbox_tag_peek(buf, len, &got));
        assert_int_equal(got.kind, tag.kind);
        assert_int_equal(got.id, tag.id);
        assert_int_equal(got.seq, tag.seq);

        mbox_tag_pop(buf);
        assert_memory_equal(buf + MBOX_TAG_LEN, frame64, 64);

        /* The variant for headroom writes the same. */
        uint8_t buf2[64 + MBOX_TAG_LEN];
        memcpy(buf2 + MBOX_TAG_LEN, frame64, 64);
        mbox_tag_push_headroom(buf2 + MBOX_TAG_LEN, &tag);
        len = 64;
        memcpy(buf, frame64, 64);
        mbox_tag_push(buf, &len, sizeof buf, &tag);
        assert_memory_equal(buf, buf2, sizeof buf);
    }
}

static void
test_wire_image(void **state)
{
    (void) state;
    const struct mbox_tag tag = {
        .kind = MBOX_TAG_RETURNED, .id = 0x01020304, .seq = 0x0a0b0c0d,
    };
    uint8_t buf[14 + MBOX_TAG_LEN];
    size_t len = 14;

    memcpy(buf, frame64, 14);
    assert_int_equal(mbox_tag_push(buf, &len, sizeof buf, &tag), 0);
    assert_memory_equal(buf, frame64, 12);
    assert_memory_equal(buf + 12,
                        "\x88\xb5\x01\x02\1\2\3\4\xa\xb\xc\xd\x08\x00", 14);
}

static void
test_push_errors(void **state)
{
    (void) state;
    const struct mbox_tag tag = { .kind = MBOX_TAG_LAST };
    uint8_t buf[64];
    size_t len = 13;

    assert_int_equal(mbox_tag_push(buf, &len, sizeof buf, &tag), -EINVAL);
    len = 53;
    assert_int_equal(mbox_tag_push(buf, &len, sizeof buf, &tag), -EMSGSIZE);
    len = 65;
    assert_int_equal(mbox_tag_push(buf, &len, sizeof buf, &tag), -EMSGSIZE);
    assert_int_equal(len, 65);
}

static void
test_malformed(void **state)
{
    (void) state;
    const struct mbox_tag tag = { .kind = MBOX_TAG_LAST, .id = 1, .seq = 2 };
    uint8_t buf[64];
    size_t len = 14;
    struct mbox_tag got;

    memset(buf, 0, sizeof buf);
    assert_int_equal(mbox_tag_push(buf, &len, sizeof buf, &tag), 0);
    for (size_t n = 0; n <= len; n++) {
        uint8_t *p = test_memdup(buf, n);

        assert_int_equal(mbox_tag_peek(p, n, &got), n == len);
        assert_int_equal(mbox_tag_is_tagged(p, n), n >= 14);
        free(p);
    }
    for (int version = 0; version < 256; version++) {
        buf[14] = version;
        assert_int_equal(mbox_tag_peek(buf, len, &got),
                         version == MBOX_TAG_VERSION);
    }
    buf[14] = MBOX_TAG_VERSION;
    for (int kind = 0; kind < 256; kind++) {
        buf[15] = kind;
        assert_int_equal(mbox_tag_peek(buf, len, &got),
                         kind >= 1 && kind <= MBOX_TAG_N_KINDS);
    }
}

static void
test_tracer(void **state)
{
    (void) state;
    const struct mbox_tag tag = { .kind = MBOX_TAG_TRACER, .id = 7, .seq = 3 };
    uint8_t *frame = test_memdup(frame64, MBOX_TRACER_LEN);
    struct mbox_tag got;

    mbox_tag_make_tracer(frame, (const uint8_t *) "\2\2\2\2\2\2",
                         (const uint8_t *) "\4\4\4\4\4\4", &tag);
    assert_true(mbox_tag_peek(frame, MBOX_TRACER_LEN, &got));
    assert_int_equal(got.kind, MBOX_TAG_TRACER);
    assert_int_equal(got.id, 7);
    assert_int_equal(got.seq, 3);
    assert_memory_equal(frame, "\2\2\2\2\2\2\4\4\4\4\4\4", 12);
    assert_memory_equal(frame + 24, "\x88\xb6", 2);
    free(frame);
}

static void
test_names(void **state)
{
    (void) state;

    for (int kind = 1; kind <= MBOX_TAG_N_KINDS; kind++) {
        enum mbox_tag_kind got;

        assert_true(mbox_tag_kind_from_string(mbox_tag_kind_to_string(kind),
                                              &got));
        assert_int_equal(got, kind);
    }
    assert_null(mbox_tag_kind_to_string(0));
    assert_null(mbox_tag_kind_to_string(MBOX_TAG_N_KINDS + 1));
    assert_null(mbox_tag_kind_to_string(-1));

    enum mbox_tag_kind kind;
    assert_false(mbox_tag_kind_from_string("", &kind));
    assert_false(mbox_tag_kind_from_string("tracers", &kind));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_pop),
        cmocka_unit_test(test_wire_image),
        cmocka_unit_test(test_push_errors),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_tracer),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("tag", tests, NULL, NULL);
}
