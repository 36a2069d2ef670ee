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

/* The parts of mbox-wanopt: chunks, dictionary, codec, configuration. */

#include <config.h>
#include "test-util.h"

#include <stdio.h>
#include "wanopt-chunk.h"
#include "wanopt-cipher.h"
#include "wanopt-codec.h"
#include "wanopt-config.h"
#include "wanopt-dict.h"

static const uint8_t secret[WANOPT_KEY_LEN] = { 1, 2, 3 };
static const uint8_t host[16] = { 1 };

/* What is inserted at the start changes the chunks at the start only, and
 * their size is as documented. */
static void
test_chunks(void **state)
{
    enum { LEN = 100000, SHIFT = 7 };
    static uint8_t data[SHIFT + LEN];
    static bool cuts[SHIFT + LEN + 1];
    size_t n = 0, same = 0;

    (void) state;
    test_random_bytes(data, sizeof data);
    for (size_t ofs = SHIFT; ofs < sizeof data; n++) {
        size_t len = wanopt_chunk_cut(data + ofs, sizeof data - ofs);

        assert_true(len <= WANOPT_CHUNK_MAX);
        ofs += len;
        assert_true(len >= WANOPT_CHUNK_MIN || ofs == sizeof data);
        cuts[ofs] = true;
    }
    assert_in_range(LEN / n, 250, 450);
    for (size_t ofs = 0; ofs < sizeof data; ) {
        ofs += wanopt_chunk_cut(data + ofs, sizeof data - ofs);
        same += cuts[ofs];
    }
    assert_true(same > n * 9 / 10);
}

/* Where data is cut is part of the wire format. */
static void
test_chunks_are_the_same_everywhere(void **state)
{
    static const size_t expected[] = { 415, 496, 528, 496, 113 };
    uint8_t data[2048];
    size_t ofs = 0;

    (void) state;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = i * i >> 3;
    }
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        size_t len = wanopt_chunk_cut(data + ofs, sizeof data - ofs);

        assert_int_equal(len, expected[i]);
        ofs += len;
    }
    for (size_t len = 1; len < WANOPT_CHUNK_MIN; len++) {
        assert_int_equal(wanopt_chunk_cut(data, len), len);
    }
}

static void
test_names(void **state)
{
    const struct wanopt_part parts[] = { { "ab", 2 }, { "", 0 }, { "c", 1 } };
    struct wanopt_cipher *c = wanopt_cipher_create(secret);
    struct wanopt_cipher *other = wanopt_cipher_create(
        (uint8_t [WANOPT_KEY_LEN]) { 1, 2, 4 });
    struct wanopt_name a, b;
    uint8_t tag[2][WANOPT_TAG_LEN];

    (void) state;
    wanopt_cipher_name(c, "abc", 3, &a);
    wanopt_cipher_name(c, "abd", 3, &b);
    assert_memory_not_equal(&a, &b, sizeof a);
    wanopt_cipher_name(c, "abc", 3, &b);
    assert_memory_equal(&a, &b, sizeof a);
    wanopt_cipher_name(other, "abc", 3, &b);
    assert_memory_not_equal(&a, &b, sizeof a);

    wanopt_cipher_tag(c, parts, 3, tag[0]);
    wanopt_cipher_tag(c, &(struct wanopt_part) { "abc", 3 }, 1, tag[1]);
    assert_memory_equal(tag[0], tag[1], sizeof tag[0]);
    assert_memory_not_equal(tag[0], &a, sizeof tag[0]);
    wanopt_cipher_destroy(c);
    wanopt_cipher_destroy(other);
}

static struct wanopt_name
make_name(uint64_t i)
{
    struct wanopt_name name = { { 0 } };

    memcpy(name.bytes, &i, sizeof i);
    return name;
}

/* The dictionary against one that is an array in order of use. */
static void
test_dictionary(void **state)
{
    enum { LIMIT = 20000, LEN = 500, N = 200 };
    struct wanopt_dict dict;
    uint64_t order[N];          /* The newest last. */
    size_t n = 0;

    (void) state;
    wanopt_dict_init(&dict, LIMIT);
    for (int i = 0; i < test_rounds(20000); i++) {
        uint64_t id = test_random_range(N);
        struct wanopt_name name = make_name(id);
        struct wanopt_entry *entry = wanopt_dict_find(&dict, &name);
        uint8_t data[LEN];
        size_t place;

        for (place = 0; place < n && order[place] != id; place++) {
            continue;
        }
        assert_int_equal(entry != NULL, place < n);
        memset(data, id, sizeof data);
        if (entry) {
            assert_memory_equal(entry->data, data, LEN);
            wanopt_dict_use(&dict, entry, 4, host);
            memmove(order + place, order + place + 1,
                    (--n - place) * sizeof order[0]);
        } else {
            uint64_t evicted = dict.n_evicted;

            wanopt_dict_add(&dict, &name, data, LEN, 4, host);
            evicted = dict.n_evicted - evicted;
            memmove(order, order + evicted,
                    (n -= evicted) * sizeof order[0]);
        }
        order[n++] = id;
        assert_int_equal(dict.n_entries, n);
        assert_true(dict.n_bytes <= LIMIT && dict.n_bytes >= n * LEN);
    }
    assert_true(dict.n_evicted > 100 && n >= 30);
    wanopt_dict_uninit(&dict);
}

/* Random bodies are read as they were written, and damaged ones are not
 * trusted. */
static void
try_body(struct wanopt_codec *codec)
{
    static struct wanopt_body body, copy;
    static uint8_t data[WANOPT_MAX_PAYLOAD], out[2 * WANOPT_MAX_PAYLOAD];
    size_t n = 0, len;
    bool compressed;

    body.n_items = body.len = 0;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = test_random_range(4) ? 'a' : test_random_range(256);
    }
    for (int i = test_random_range(20); i >= 0; i--) {
        size_t item_len = 1 + test_random_range(WANOPT_CHUNK_MAX);

        if (test_random_range(2)) {
            struct wanopt_name name = make_name(test_random());

            wanopt_body_add_ref(&body, &name, 0, item_len);
        } else if (wanopt_body_add_literal(&body, data + n, item_len,
                                           test_random_range(2))) {
            n += item_len;
        }
    }
    if (!body.n_items) {
        return;
    }
    len = wanopt_codec_write(codec, &body, out, sizeof out, &compressed);
    assert_true(len > 0);

    uint8_t *exact = test_memdup(out, len);
    assert_true(wanopt_codec_read(codec, exact, len, body.n_items, body.len,
                                  compressed, &copy));
    assert_int_equal(copy.n_items, body.n_items);
    for (size_t i = 0; i < body.n_items; i++) {
        const struct wanopt_item *a = &body.items[i], *b = &copy.items[i];

        assert_int_equal(a->is_ref, b->is_ref);
        assert_int_equal(a->len, b->len);
        if (a->is_ref) {
            assert_memory_equal(&a->name, &b->name, sizeof a->name);
        } else {
            assert_memory_equal(a->data, b->data, a->len);
        }
    }
    free(exact);

    /* Not one byte less has room. */
    assert_int_equal(wanopt_codec_write(codec, &body, out,
                                        compressed ? 1 : len - 1,
                                        &compressed), 0);

    exact = test_memdup(out, len);
    for (int i = test_random_range(4); i >= 0; i--) {
        exact[test_random_range(len)] ^= 1 << test_random_range(8);
    }
    if (wanopt_codec_read(codec, exact, len - test_random_range(2),
                          test_random_range(4) ? body.n_items
                          : test_random_range(256),
                          test_random_range(4) ? body.len
                          : test_random_range(70000),
                          test_random_range(8) ? compressed : !compressed,
                          &copy)) {
        size_t total = 0;

        for (size_t i = 0; i < copy.n_items; i++) {
            total += copy.items[i].len;
        }
        assert_int_equal(total, copy.len);
        assert_true(total <= WANOPT_MAX_PAYLOAD);
    }
    free(exact);
}

static void
test_codec(void **state)
{
    (void) state;
    for (int level = 0; level <= 3; level += 3) {
        struct wanopt_codec *codec = wanopt_codec_create(level);

        for (int i = 0; i < test_rounds(20000); i++) {
            try_body(codec);
        }
        wanopt_codec_destroy(codec);
    }
}

#define KEY "key 000102030405060708090a0b0c0d0e0f\n"

static void
test_config(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "local 10.0.0.0/8\nremote 192.168.0.0/16\n" KEY, NULL },
        { "local fd00::/8\nremote 10.0.0.1\n" KEY "memory 5 # MiB\n", NULL },
        { KEY "local 10.0.0.0/8",
          "c:2: no \"remote\": give the networks of both sites" },
        { "local 10.0.0.0/8\nremote 10.1.0.0/16\n" KEY,
          "c:2: \"10.1.0.0\" overlaps with a network of the other site: an "
          "address is at one site only" },
        { "local 10.1.0.0/16\nremote 10.0.0.0/8\n" KEY,
          "c:2: \"10.0.0.0\" overlaps with a network of the other site: an "
          "address is at one site only" },
        { "local 10.0.0.1/8",
          "c:1: \"10.0.0.1\" has bits set behind its prefix of 8: give the "
          "address of a network" },
        { "local 10.0.0.0/33",
          "c:1: length of a prefix \"33\": give a number from 0 to 32" },
        { "local here",
          "c:1: \"here\" is not an address: give a numeric one" },
        { "key 12", "c:1: the key must have 32 hexadecimal digits: let "
          "\"openssl rand -hex 16\" make one" },
        { "memory 0", "c:1: memory \"0\": give a number from 1 to 65536" },
        { "speed 1", "c:1: unknown word \"speed\": known are local, remote, "
          "key, memory, waiting-memory, max-flows, compression-level" },
        { "memory", "c:1: give one value for \"memory\"" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wanopt_config *config;
        char *error;

        wanopt_config_parse("c", cases[i].text, strlen(cases[i].text),
                            &config, &error);
        if (cases[i].error) {
            assert_null(config);
            assert_string_equal(error, cases[i].error);
            free(error);
        } else {
            assert_non_null(config);
            wanopt_config_destroy(config);
        }
    }
}

static void
test_networks(void **state)
{
    static const char text[] = "local 10.128.0.0/9\nlocal fd00::/8\n"
                               "remote 192.0.2.1\n" KEY;
    static const struct {
        uint8_t family;
        uint8_t addr[16];
        bool local, remote;
    } cases[] = {
        { 4, { [10] = 0xff, 0xff, 10, 128, 0, 1 }, true, false },
        { 4, { [10] = 0xff, 0xff, 10, 127, 0, 1 }, false, false },
        { 4, { [10] = 0xff, 0xff, 192, 0, 2, 1 }, false, true },
        { 4, { [10] = 0xff, 0xff, 192, 0, 2, 0 }, false, false },
        { 6, { 0xfd, 9 }, true, false },
        { 6, { 0xfc, 9 }, false, false },
    };
    struct wanopt_config *config;
    char *error;

    (void) state;
    assert_int_equal(wanopt_config_parse("c", text, strlen(text), &config,
                                         &error), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(wanopt_nets_have(&config->local, cases[i].family,
                                          cases[i].addr), cases[i].local);
        assert_int_equal(wanopt_nets_have(&config->remote, cases[i].family,
                                          cases[i].addr), cases[i].remote);
    }
    wanopt_config_destroy(config);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunks_are_the_same_everywhere),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_dictionary),
        cmocka_unit_test(test_codec),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
