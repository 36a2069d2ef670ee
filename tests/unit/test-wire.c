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

/* Readers and writers. */

#include "mbox-wire.h"

#include <errno.h>
#include "test-util.h"

static void
test_round_trip(void **state)
{
    (void) state;
    struct mbox_writer w;
    char s[8];

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_put_u8(&w, 0x12);
    mbox_put_u16(&w, 0x3456);
    mbox_put_u32(&w, 0x789abcde);
    mbox_put_u64(&w, UINT64_C(0xf123456789abcdef));
    mbox_put_string(&w, "abc");
    mbox_put_bytes(&w, "xyz", 3);
    size_t ofs = mbox_put_uninit(&w, 4);
    mbox_poke_u32(&w, ofs, 0xcafebabe);
    assert_int_equal(w.error, 0);
    assert_int_equal(w.len, 1 + 2 + 4 + 8 + 2 + 3 + 3 + 4);
    assert_memory_equal(w.data, "\x12\x34\x56\x78\x9a\xbc\xde", 7);

    struct mbox_reader r;
    mbox_reader_init(&r, w.data, w.len);
    assert_int_equal(mbox_get_u8(&r), 0x12);
    assert_int_equal(mbox_get_u16(&r), 0x3456);
    assert_int_equal(mbox_get_u32(&r), 0x789abcde);
    assert_true(mbox_get_u64(&r) == UINT64_C(0xf123456789abcdef));
    mbox_get_string(&r, s, sizeof s);
    assert_string_equal(s, "abc");
    assert_memory_equal(mbox_get_bytes(&r, 3), "xyz", 3);
    assert_int_equal(mbox_reader_finish(&r), -EPROTO);
    assert_int_equal(mbox_get_u32(&r), 0xcafebabe);
    assert_int_equal(mbox_reader_finish(&r), 0);
    mbox_writer_uninit(&w);
}

static void
test_short_read(void **state)
{
    (void) state;

    for (size_t n = 0; n < 8; n++) {
        uint8_t *data = test_memdup("\1\2\3\4\5\6\7\10", n);
        struct mbox_reader r;

        mbox_reader_init(&r, data, n);
        assert_true(mbox_get_u64(&r) == 0);
        assert_int_equal(r.error, -EPROTO);
        /* The error stays. */
        assert_int_equal(mbox_get_u8(&r), 0);
        assert_null(mbox_get_bytes(&r, 0));
        assert_int_equal(mbox_reader_finish(&r), -EPROTO);
        free(data);
    }

    struct mbox_reader r;
    mbox_reader_init(&r, "abc", 3);
    assert_null(mbox_get_bytes(&r, SIZE_MAX));
    assert_int_equal(r.error, -EPROTO);
}

static void
test_bad_strings(void **state)
{
    (void) state;
    static const struct {
        const char *data;
        size_t len;
        int error;
    } tests[] = {
        { "\0\0", 2, 0 },
        { "\0\3abc", 5, 0 },
        { "\0\4abcd", 6, -EPROTO },     /* Does not fit. */
        { "\0\3ab", 4, -EPROTO },       /* Cut off. */
        { "\0\3a\0c", 5, -EPROTO },     /* Null byte inside. */
        { "\377\377abc", 5, -EPROTO },
        { "\0", 1, -EPROTO },
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        char *data = test_memdup(tests[i].data, tests[i].len);
        struct mbox_reader r;
        char s[4] = "zzz";

        mbox_reader_init(&r, data, tests[i].len);
        mbox_get_string(&r, s, sizeof s);
        assert_int_equal(mbox_reader_finish(&r), tests[i].error);
        assert_true(strlen(s) == (tests[i].error ? 0 : tests[i].len - 2));
        free(data);
    }
}

static void
test_limit(void **state)
{
    (void) state;
    struct mbox_writer w;

    mbox_writer_init(&w, 10);
    mbox_put_u64(&w, 1);
    mbox_put_u32(&w, 2);
    assert_int_equal(w.error, -EMSGSIZE);
    assert_int_equal(w.len, 8);
    mbox_put_u8(&w, 3);
    assert_int_equal(w.len, 8);

    mbox_writer_clear(&w);
    assert_int_equal(w.error, 0);
    mbox_put_u16(&w, 1);
    mbox_put_u64(&w, 1);
    assert_int_equal(w.error, 0);
    assert_int_equal(w.len, 10);
    assert_int_equal(mbox_put_uninit(&w, SIZE_MAX), 10);
    assert_int_equal(w.error, -EMSGSIZE);
    mbox_writer_uninit(&w);

    /* Nothing is written beyond the end. */
    mbox_writer_init(&w, 100);
    mbox_poke_u32(&w, 0, 1);
    mbox_put_u32(&w, 0);
    mbox_poke_u32(&w, 1, 0xffffffff);
    mbox_poke_u32(&w, SIZE_MAX, 0xffffffff);
    assert_memory_equal(w.data, "\0\0\0\0", 4);
    mbox_writer_uninit(&w);

    char *s = malloc(UINT16_MAX + 2);
    memset(s, 'a', UINT16_MAX + 1);
    s[UINT16_MAX + 1] = '\0';
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_put_string(&w, s);
    assert_int_equal(w.error, -EMSGSIZE);
    mbox_writer_clear(&w);
    mbox_put_string(&w, s + 1);
    assert_int_equal(w.error, 0);
    assert_int_equal(w.len, UINT16_MAX + 2);
    mbox_writer_uninit(&w);
    free(s);
}

static void
test_growth(void **state)
{
    (void) state;
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    for (uint32_t i = 0; i < MBOX_WRITER_LIMIT / 4; i++) {
        mbox_put_u32(&w, i);
    }
    assert_int_equal(w.error, 0);
    mbox_put_u8(&w, 0);
    assert_int_equal(w.error, -EMSGSIZE);

    struct mbox_reader r;
    mbox_reader_init(&r, w.data, w.len);
    for (uint32_t i = 0; i < MBOX_WRITER_LIMIT / 4; i++) {
        if (mbox_get_u32(&r) != i) {
            fail();
        }
    }
    assert_int_equal(mbox_reader_finish(&r), 0);
    mbox_writer_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_short_read),
        cmocka_unit_test(test_bad_strings),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_growth),
    };

    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
