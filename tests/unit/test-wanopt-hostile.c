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

/* Messages with a right tag and a wrong content: whatever the peer sends.
 * Each is on the heap in as many bytes as it has. */

#include <config.h>
#include "wanopt-test.h"

#include "bytes.h"
#include "wanopt-chunk.h"
#include "wanopt-cipher.h"
#include "wanopt-codec.h"
#include "wanopt-wire.h"

#define POOL_LEN 4096

/* What the peer makes messages of. */
struct peer {
    struct world *world;
    struct end *end;            /* To which it sends. */
    struct wanopt_cipher *cipher;
    struct wanopt_codec *codec;
    uint8_t pool[POOL_LEN];     /* Content. */
    struct wanopt_body body;
    uint8_t text[2 * WANOPT_MAX_PAYLOAD];       /* The body, written. */
    struct wanopt_message m;
};

static int
setup(void **state)
{
    static const uint8_t secret[WANOPT_KEY_LEN] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    };
    struct peer *peer = calloc(1, sizeof *peer);

    assert_non_null(peer);
    peer->world = world_create("memory 1\nmax-flows 20\n");
    peer->end = &peer->world->ends[FAR];
    peer->cipher = wanopt_cipher_create(secret);
    peer->codec = wanopt_codec_create(1);
    test_random_bytes(peer->pool, sizeof peer->pool);
    *state = peer;
    return 0;
}

static int
teardown(void **state)
{
    struct peer *peer = *state;

    wanopt_codec_destroy(peer->codec);
    wanopt_cipher_destroy(peer->cipher);
    world_destroy(peer->world);
    free(peer);
    return 0;
}

/* Begins a message without items. */
static void
begin(struct peer *peer)
{
    peer->body.n_items = peer->body.len = 0;
}

/* Adds the 'len' bytes at 'ofs' in the pool as they are. */
static void
add_literal(struct peer *peer, size_t ofs, size_t len)
{
    wanopt_body_add_literal(&peer->body, peer->pool + ofs, len, true);
}

/* Adds a reference to 'len' bytes at 'ofs' in the chunk that is the first
 * 'chunk_len' bytes of the pool. */
static void
add_ref(struct peer *peer, size_t chunk_len, size_t ofs, size_t len)
{
    struct wanopt_name name;

    wanopt_cipher_name(peer->cipher, peer->pool, chunk_len, &name);
    wanopt_body_add_ref(&peer->body, &name, ofs, len);
}

/* Writes the items as a message, which is right. */
static void
end(struct peer *peer, enum wanopt_type type, uint8_t proto)
{
    static const uint8_t options[40];
    uint8_t data_offset = (type == WANOPT_PACKET && proto == IPPROTO_TCP
                           ? 5 + test_random_range(11) : 0);

    peer->m = (struct wanopt_message) {
        .type = type, .total = peer->body.len, .n_items = peer->body.n_items,
        .data_offset = data_offset, .options = options,
        .options_len = data_offset ? data_offset * 4 - 20 : 0,
        .body = peer->text,
    };
    peer->m.body_len = wanopt_codec_write(peer->codec, &peer->body,
                                          peer->text, sizeof peer->text,
                                          &peer->m.compressed);
}

/* Writes the message as a frame of the flow 'key'. */
static void
write_frame(struct peer *peer, const struct mbox_key *key, struct packet *p)
{
    struct wanopt_frame f = { .data = p->data };
    static uint8_t out[WANOPT_MAX_FRAME];
    struct mbox_key back;

    mbox_key_reverse(key, &back);
    make_packet(p, &back, 1, TH_ACK, peer->pool, 100);
    f.len = p->len;
    mbox_key_extract(f.data, f.len, &f.key, &f.layout);
    p->len = wanopt_message_respond(peer->cipher, &f, &peer->m, out);
    assert_true(p->len <= sizeof p->data);
    memcpy(p->data, out, p->len);
}

/* Sends the message.  Returns true if it is taken, or else malformed. */
static bool
is_taken(struct peer *peer, uint8_t proto)
{
    struct mbox_key key = make_key(4, proto, 1, 1);
    uint64_t malformed = end_stats(peer->end)->malformed;
    struct packet p;

    write_frame(peer, &key, &p);
    end_packet(peer->end, WAN, &p);
    malformed = end_stats(peer->end)->malformed - malformed;
    assert_int_equal(end_stats(peer->end)->forged, 0);
    assert_in_range(malformed, 0, 1);
    if (malformed) {
        assert_int_equal(peer->end->lan.n + peer->end->wan.n, 0);
    }
    peer->end->lan.n = peer->end->wan.n = 0;
    return !malformed;
}

/* A packet of a literal, a reference, and a literal. */
static void
make_mixed(struct peer *peer, uint8_t proto)
{
    begin(peer);
    add_literal(peer, 1000, 50);
    add_ref(peer, 400, 100, 300);
    add_literal(peer, 2000, 60);
    end(peer, WANOPT_PACKET, proto);
}

/* Has the end learn the first 400 bytes of the pool. */
static void
teach(struct peer *peer)
{
    begin(peer);
    add_literal(peer, 0, 400);
    end(peer, WANOPT_ANSWER, IPPROTO_UDP);
    assert_true(is_taken(peer, IPPROTO_UDP));
}

/* One thing is wrong in a packet. */
static void
try_packet(struct peer *peer, uint8_t proto)
{
    struct wanopt_message good;
    uint8_t text[sizeof peer->text];
    struct packet out;

    make_mixed(peer, proto);
    good = peer->m;
    memcpy(text, peer->text, sizeof text);
    assert_false(good.compressed);

#define REFUSED(CHANGE) \
    do { \
        peer->m = good; \
        memcpy(peer->text, text, sizeof text); \
        CHANGE; \
        assert_false(is_taken(peer, proto)); \
    } while (0)

    REFUSED(peer->m.total++);
    REFUSED(peer->m.total--);
    REFUSED(peer->m.n_items++);
    REFUSED(peer->m.n_items--);
    REFUSED(peer->m.n_items = 0);
    REFUSED(peer->m.body_len--);
    REFUSED(peer->m.body_len++);
    REFUSED(peer->m.compressed = true);
    REFUSED(peer->m.type = WANOPT_PACKET - 1);
    REFUSED(peer->m.type = WANOPT_ANSWER + 1);
    REFUSED(peer->m.data_offset = proto == IPPROTO_TCP ? 4 : 5);
    REFUSED(peer->m.data_offset = 16);

    /* Items: empty, longer than a payload may be, behind a chunk's end, and
     * behind that of all chunks. */
    REFUSED(put_be16(peer->text, 0);
            memmove(peer->text + 24, peer->text + 74, 60);
            peer->m.total -= 50; peer->m.body_len -= 50);
    REFUSED(put_be16(peer->text, 0x7fff); peer->m.total += 0x7fff - 50);
    REFUSED(put_be16(peer->text + 4, 101));
    REFUSED(put_be16(peer->text + 4, WANOPT_CHUNK_MAX));
    REFUSED(put_be16(peer->text + 4, 0xffff));
    for (size_t i = 0; i < good.body_len; i++) {
        REFUSED(peer->m.body_len = i);
    }
#undef REFUSED

    /* A chunk that is not there, and cannot be so long. */
    begin(peer);
    add_ref(peer, 999, 0, 60);
    end(peer, WANOPT_PACKET, proto);
    put_be16(peer->text + 2, WANOPT_CHUNK_MAX - 59);
    assert_false(is_taken(peer, proto));

    /* Options that are longer than the message. */
    begin(peer);
    add_literal(peer, 1000, 5);
    end(peer, WANOPT_PACKET, proto);
    if (proto == IPPROTO_TCP) {
        peer->m.data_offset = 15;
        peer->m.options_len = 0;
        assert_false(is_taken(peer, proto));
    }

    /* The whole one. */
    struct mbox_key key = make_key(4, proto, 1, 1);
    make_mixed(peer, proto);
    write_frame(peer, &key, &out);
    end_packet(peer->end, WAN, &out);
    take(&peer->end->lan, &out);
    assert_memory_equal(out.data + out.len - 410, peer->pool + 1000, 50);
    assert_memory_equal(out.data + out.len - 360, peer->pool + 100, 300);
    assert_memory_equal(out.data + out.len - 60, peer->pool + 2000, 60);
}

static void
test_packets(void **state)
{
    struct peer *peer = *state;

    teach(peer);
    try_packet(peer, IPPROTO_TCP);
    try_packet(peer, IPPROTO_UDP);
}

/* Compressed bytes are as many as the items have. */
static void
test_compressed(void **state)
{
    struct peer *peer = *state;

    memset(peer->pool, 'a', 1000);
    for (int i = -1; i <= 1; i++) {
        begin(peer);
        add_literal(peer, 0, 1000);
        end(peer, WANOPT_PACKET, IPPROTO_UDP);
        assert_true(peer->m.compressed);
        put_be16(peer->text, 1000 + i);
        peer->m.total = 1000 + i;
        assert_int_equal(is_taken(peer, IPPROTO_UDP), !i);
    }
    end(peer, WANOPT_PACKET, IPPROTO_UDP);
    peer->m.compressed = false;
    assert_false(is_taken(peer, IPPROTO_UDP));
}

/* A frame that has the mark, but is too short for a tag. */
static void
test_short(void **state)
{
    static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
    struct peer *peer = *state;

    for (int i = 0; i < 2 * WANOPT_SHIM_LEN; i++) {
        struct mbox_key key = make_key(4, protos[i % 2], 1, 1);
        struct packet p;

        make_mixed(peer, key.proto);
        write_frame(peer, &key, &p);
        p.len = 14 + 20 + (i % 2 ? 8 : 20) + i / 2;
        put_be16(p.data + 14 + 2, p.len - 14);
        end_packet(peer->end, WAN, &p);
        assert_int_equal(end_stats(peer->end)->forged, i + 1);
    }
}

/* Questions have references only, and answers chunks as long as there are. */
static void
test_questions_and_answers(void **state)
{
    static const struct {
        size_t len;
        bool taken;
    } chunks[] = {
        { WANOPT_CHUNK_USEFUL - 1, false }, { WANOPT_CHUNK_USEFUL, true },
        { WANOPT_CHUNK_MAX, true }, { WANOPT_CHUNK_MAX + 1, false },
    };
    struct peer *peer = *state;

    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        begin(peer);
        add_literal(peer, 0, chunks[i].len);
        end(peer, WANOPT_ANSWER, IPPROTO_TCP);
        assert_int_equal(is_taken(peer, IPPROTO_TCP), chunks[i].taken);
    }
    assert_int_equal(end_stats(peer->end)->answers, 2);
    assert_int_equal(end_stats(peer->end)->learned, 2);

    begin(peer);
    add_ref(peer, WANOPT_CHUNK_USEFUL, 0, 1);
    add_ref(peer, 99, 0, 99);
    end(peer, WANOPT_QUESTION, IPPROTO_TCP);
    assert_true(is_taken(peer, IPPROTO_TCP));
    assert_int_equal(end_stats(peer->end)->given, 1);
    assert_int_equal(end_stats(peer->end)->gone, 1);
    peer->m.data_offset = 5;
    assert_false(is_taken(peer, IPPROTO_TCP));
    add_literal(peer, 0, 50);
    end(peer, WANOPT_QUESTION, IPPROTO_TCP);
    assert_false(is_taken(peer, IPPROTO_TCP));
    assert_int_equal(end_stats(peer->end)->given, 1);
}

/* Changes one thing of the message, or nothing. */
static void
damage(struct peer *peer)
{
    struct wanopt_message *m = &peer->m;

    switch (test_random_range(10)) {
    case 0:
        m->total = test_random();
        break;
    case 1:
        m->n_items = test_random();
        break;
    case 2:
        peer->text[test_random_range(m->body_len)] ^=
            1 << test_random_range(8);
        break;
    case 3:
        m->body_len = test_random_range(m->body_len);
        break;
    case 4:
        m->compressed = !m->compressed;
        break;
    case 5:
        m->options_len = 0;
        break;
    }
}

/* Makes a message of any type with any items. */
static void
make_any(struct peer *peer, uint8_t proto)
{
    enum wanopt_type type = WANOPT_PACKET + test_random_range(3);

    begin(peer);
    for (int i = test_random_range(test_random_range(8) ? 5 : 100); i >= 0;
         i--) {
        size_t len = 1 + test_random_range(test_random_range(3) ? 200 : 1200);

        if (type == WANOPT_QUESTION || test_random_range(2)) {
            add_ref(peer, (test_random_range(6)
                           ? 100 * (1 + test_random_range(10))
                           : 100 + test_random_range(3000)),
                    test_random_range(300), 1 + test_random_range(300));
        } else {
            /* At the beginning are the chunks that are referred to. */
            len = test_random_range(2) ? len : (len / 100 + 1) * 100;
            add_literal(peer, len % 100 ? test_random_range(2000) : 0, len);
        }
    }
    end(peer, type, proto);
}

static void
test_any_message(void **state)
{
    struct peer *peer = *state;
    struct end *far = peer->end;
    int n = test_rounds(20000);

    for (int i = 0; i < n; i++) {
        struct mbox_key key = make_key(test_random_range(2) ? 4 : 6,
                                       test_random_range(2) ? IPPROTO_TCP
                                       : IPPROTO_UDP, 1,
                                       test_random_range(30));
        struct packet p;

        make_any(peer, key.proto);
        damage(peer);
        if (peer->m.body_len + 200 < sizeof p.data) {
            write_frame(peer, &key, &p);
            if (!test_random_range(20)) {
                p.len = 14 + test_random_range(p.len - 14);
            }
            end_packet(far, WAN, &p);
        }
        peer->world->now += TEST_SECOND / 100;
        wanopt_tick(far->wanopt, peer->world->now);
        far->lan.n = far->wan.n = 0;
    }

    /* There were enough of all kinds. */
    const struct wanopt_stats *stats = end_stats(far);
    assert_true(stats->decoded > (uint64_t) n / 50);
    assert_true(stats->waited > (uint64_t) n / 500);
    assert_true(stats->answers > (uint64_t) n / 50);
    assert_true(stats->given > (uint64_t) n / 50);
    assert_true(stats->gone > (uint64_t) n / 50);
    assert_true(stats->malformed > (uint64_t) n / 10);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_packets),
        TEST(test_compressed),
        TEST(test_short),
        TEST(test_questions_and_answers),
        TEST(test_any_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
