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

/* Control and state messages. */

#include "mbox-msg.h"

#include <errno.h>

#include "mbox-chunk.h"
#include "random-msg.h"

/* Encodes 'msg' to a fresh frame in 'w'. */
static void
encode(struct mbox_writer *w, const struct mbox_msg *msg,
       const struct mbox_key *keys)
{
    mbox_writer_init(w, MBOX_WRITER_LIMIT);
    mbox_msg_encode(msg, keys, w);
    assert_int_equal(w->error, 0);
    assert_int_equal(mbox_msg_frame_length(w->data, w->len), w->len);
}

/* Decodes from a block of exactly the right size. */
static int
decode(const void *data, size_t len, struct mbox_msg *msg, void **copy)
{
    *copy = test_memdup(data, len);
    return mbox_msg_decode(*copy, len, msg);
}

static void
test_round_trip(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);

    for (size_t t = 0; t < N_MSG_TYPES; t++) {
        for (int i = 0; i < 200; i++) {
            struct mbox_writer w, w2;
            struct mbox_msg msg;
            void *copy;

            random_msg(rm, all_msg_types[t]);
            encode(&w, &rm->msg, rm->keys);
            assert_int_equal(decode(w.data, w.len, &msg, &copy), 0);
            assert_int_equal(msg.type, rm->msg.type);
            assert_int_equal(msg.id, rm->msg.id);

            /* Encoding again gives the same frame. */
            encode(&w2, &msg, NULL);
            assert_int_equal(w.len, w2.len);
            assert_memory_equal(w.data, w2.data, w.len);
            mbox_writer_uninit(&w);
            mbox_writer_uninit(&w2);
            free(copy);
        }
    }
    free(rm);
}

/* The fields themselves arrive, for types that between them have all. */
static void
test_fields(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);
    const struct mbox_msg *in = &rm->msg;

    for (size_t t = 0; t < N_MSG_TYPES; t++) {
        struct mbox_writer w;
        struct mbox_msg out;
        void *copy;

        random_msg(rm, all_msg_types[t]);
        encode(&w, in, rm->keys);
        assert_int_equal(decode(w.data, w.len, &out, &copy), 0);
        switch (in->type) {
        case MBOX_MSG_ERROR:
            assert_int_equal(out.code, in->code);
            assert_string_equal(out.text, in->text);
            assert_int_equal(out.seq, 0);
            break;
        case MBOX_MSG_HELLO:
            assert_int_equal(out.version, in->version);
            assert_string_equal(out.name, in->name);
            assert_string_equal(out.class_name, in->class_name);
            assert_true(out.schema == in->schema);
            assert_int_equal(out.scopes, in->scopes);
            assert_int_equal(out.options, in->options);
            assert_true(out.run == in->run);
            assert_int_equal(out.n_open, in->n_open);
            assert_string_equal(out.outputs, in->outputs);
            break;
        case MBOX_MSG_OPEN:
            assert_true(out.epoch == in->epoch);
            assert_true(out.run == in->run);
            assert_int_equal(out.role, in->role);
            assert_string_equal(out.name, in->name);
            assert_int_equal(out.select, in->select);
            assert_int_equal(out.n_keys, in->n_keys);
            break;
        case MBOX_MSG_ABORTED:
            assert_true(out.n_packets == in->n_packets);
            break;
        case MBOX_MSG_PREPARE:
            assert_int_equal(out.role, in->role);
            assert_int_equal(out.method, in->method);
            assert_int_equal(out.guarantee, in->guarantee);
            assert_int_equal(out.options, in->options);
            assert_true(out.epoch == in->epoch);
            assert_true(out.run == in->run);
            assert_int_equal(out.describe, in->describe);
            assert_string_equal(out.output, in->output);
            assert_memory_equal(&out.space, &in->space, sizeof in->space);
            break;
        case MBOX_MSG_PRECOPY:
            assert_int_equal(out.round, in->round);
            assert_true(out.n_chunks == in->n_chunks);
            assert_true(out.n_bytes == in->n_bytes);
            assert_true(out.n_dirty == in->n_dirty);
            break;
        case MBOX_MSG_PACKET:
            assert_int_equal(out.kind, in->kind);
            assert_int_equal(out.seq, in->seq);
            /* fall through */
        case MBOX_MSG_LAYOUT:
            assert_int_equal(out.data_len, in->data_len);
            assert_memory_equal(out.data, in->data, in->data_len);
            break;
        case MBOX_MSG_STATS:
            assert_true(out.n_packets == in->n_packets);
            assert_true(out.n_flows == in->n_flows);
            assert_true(out.n_discarded == in->n_discarded);
            assert_true(out.n_buffered == in->n_buffered);
            assert_true(out.cpu_ns == in->cpu_ns);
            assert_true(out.clock_ns == in->clock_ns);
            assert_true(out.n_gone == 0);
            break;
        case MBOX_MSG_END:
            assert_true(out.n_gone == in->n_gone);
            break;
        case MBOX_MSG_COMMIT:
            assert_int_equal(out.more, in->more);
            break;
        case MBOX_MSG_CHUNK:
            assert_int_equal(out.scope, in->scope);
            assert_int_equal(out.crc, in->crc);
            assert_int_equal(out.merge, in->merge);
            assert_int_equal(out.n_keys, in->n_keys);
            for (uint32_t i = 0; i < in->n_keys; i++) {
                struct mbox_key key;

                mbox_msg_get_key(&out, i, &key);
                assert_true(mbox_key_equal(&key, &rm->keys[i]));
            }
            break;
        case MBOX_MSG_FROZEN:
            assert_int_equal(out.select, in->select);
            break;
        default:
            break;
        }
        mbox_writer_uninit(&w);
        free(copy);
    }
    free(rm);
}

/* True if the last 'n' bytes of 'msg' on the wire are whole optional
 * fields. */
static bool
ends_before_optional(const struct mbox_msg *msg, size_t n)
{
    size_t options = msg->options ? 8 : 0;
    size_t run = msg->run ? 12 : 0;
    size_t outputs = msg->outputs[0] ? 6 + strlen(msg->outputs) : 0;
    size_t n_open = outputs + (msg->n_open ? 8 : 0);
    size_t token = msg->token ? 12 : 0;
    size_t address = msg->address[0] ? 6 + strlen(msg->address) : 0;
    size_t why = msg->why[0] ? 6 + strlen(msg->why) : 0;
    size_t output = msg->output[0] ? 6 + strlen(msg->output) : 0;
    size_t describe = output + (msg->describe ? 5 : 0);
    size_t fingerprint = describe + (msg->fingerprint[0]
                                     ? 6 + strlen(msg->fingerprint) : 0);
    size_t n_flows = msg->n_flows ? 12 : 0;
    size_t cpu_ns = msg->cpu_ns ? 12 : 0;
    size_t clock_ns = msg->clock_ns ? 12 : 0;

    switch ((int) msg->type) {
    case MBOX_MSG_CHUNK:
        return msg->merge && n == 5;
    case MBOX_MSG_COMMIT:
    case MBOX_MSG_OPEN:
    case MBOX_MSG_RESOLVE:
        return msg->more && n == 5;
    case MBOX_MSG_HELLO:
        return n == outputs || n == n_open || n == run + n_open
               || n == options + run + n_open;
    case MBOX_MSG_PREPARE:
        return n == output || n == describe || n == fingerprint
               || n == address + fingerprint
               || n == token + address + fingerprint
               || n == run + token + address + fingerprint;
    case MBOX_MSG_PREPARED:
        return n == why || n == address + why;
    case MBOX_MSG_STATS:
        return n == clock_ns || n == cpu_ns + clock_ns;
    case MBOX_MSG_STREAM:
        return n == n_flows || n == token + n_flows;
    default:
        return false;
    }
}

static void
test_truncation(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);

    for (size_t t = 0; t < N_MSG_TYPES; t++) {
        struct mbox_writer w;

        random_msg(rm, all_msg_types[t]);
        encode(&w, &rm->msg, rm->keys);
        for (size_t n = 0; n < w.len; n++) {
            struct mbox_msg msg;
            void *copy;

            /* As it is, the frame is not whole yet ... */
            assert_int_equal(mbox_msg_frame_length(w.data, n), 0);
            assert_int_equal(decode(w.data, n, &msg, &copy), -EPROTO);
            free(copy);

            /* ... and with a length to match, the body is too short, unless
             * just optional fields at its end are missing. */
            if (n >= MBOX_MSG_HEADER_LEN) {
                uint8_t *frame = test_memdup(w.data, n);
                bool whole = ends_before_optional(&rm->msg, w.len - n);

                frame[0] = (n - 4) >> 24;
                frame[1] = (n - 4) >> 16;
                frame[2] = (n - 4) >> 8;
                frame[3] = n - 4;
                assert_int_equal(mbox_msg_decode(frame, n, &msg),
                                 whole ? 0 : -EPROTO);
                free(frame);
            }
        }
        mbox_writer_uninit(&w);
    }
    free(rm);
}

/* Whatever is accepted can be encoded, and gives the same message again. */
static void
check_decoded(const struct mbox_msg *msg)
{
    struct mbox_writer w;
    struct mbox_msg again;

    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key;

        mbox_msg_get_key(msg, i, &key);
    }
    encode(&w, msg, NULL);
    assert_int_equal(mbox_msg_decode(w.data, w.len, &again), 0);
    assert_int_equal(again.type, msg->type);
    assert_string_equal(again.name, msg->name);
    assert_string_equal(again.text, msg->text);
    assert_int_equal(again.n_keys, msg->n_keys);
    assert_int_equal(again.data_len, msg->data_len);
    mbox_writer_uninit(&w);
}

static void
test_bit_flips(void **state)
{
    (void) state;
    struct random_msg *rm = malloc(sizeof *rm);

    for (size_t t = 0; t < N_MSG_TYPES; t++) {
        struct mbox_writer w;

        random_msg(rm, all_msg_types[t]);
        encode(&w, &rm->msg, rm->keys);
        for (size_t bit = 0; bit < w.len * 8; bit++) {
            uint8_t *frame = test_memdup(w.data, w.len);
            struct mbox_msg msg;

            frame[bit / 8] ^= 1 << bit % 8;
            int error = mbox_msg_decode(frame, w.len, &msg);
            assert_true(!error || error == -EPROTO || error == -EOPNOTSUPP
                        || error == -EAGAIN);
            if (!error) {
                check_decoded(&msg);
            }
            free(frame);
        }
        mbox_writer_uninit(&w);
    }
    free(rm);
}

static void
test_garbage(void **state)
{
    (void) state;

    for (int i = test_rounds(100000); i > 0; i--) {
        size_t n = test_random_range(200);
        uint8_t *frame = malloc(n ? n : 1);
        struct mbox_msg msg;

        test_random_bytes(frame, n);
        if (n >= 6) {
            uint16_t type = all_msg_types[test_random_range(N_MSG_TYPES)];

            memset(frame, 0, 6);
            frame[3] = n - 4;
            frame[5] = type;
        }
        if (!mbox_msg_decode(frame, n, &msg)) {
            check_decoded(&msg);
        }
        free(frame);
    }
}

static void
test_frame_length(void **state)
{
    (void) state;
    uint8_t frame[16] = { 0, 0, 0, 12 };

    assert_int_equal(mbox_msg_frame_length(NULL, 0), 0);
    assert_int_equal(mbox_msg_frame_length(frame, 3), 0);
    assert_int_equal(mbox_msg_frame_length(frame, 15), 0);
    assert_int_equal(mbox_msg_frame_length(frame, 16), 16);
    frame[3] = 7;
    assert_int_equal(mbox_msg_frame_length(frame, 16), -EPROTO);
    assert_int_equal(mbox_msg_frame_length(frame, 4), -EPROTO);
    memcpy(frame, "\1\0\0\0", 4);       /* MBOX_MSG_MAX. */
    assert_int_equal(mbox_msg_frame_length(frame, 16), 0);
    memcpy(frame, "\1\0\0\1", 4);
    assert_int_equal(mbox_msg_frame_length(frame, 4), -EPROTO);
    memcpy(frame, "\xff\xff\xff\xff", 4);
    assert_int_equal(mbox_msg_frame_length(frame, 16), -EPROTO);
}

static void
test_unknown_type(void **state)
{
    (void) state;
    uint8_t frame[12] = { 0, 0, 0, 8, 0x12, 0x34, 0, 0, 0, 0, 0, 9 };
    struct mbox_msg msg;

    assert_int_equal(mbox_msg_decode(frame, 12, &msg), -EOPNOTSUPP);
    assert_int_equal(msg.type, 0x1234);
    assert_int_equal(msg.id, 9);
    frame[7] = MBOX_MSG_F_OPTIONAL;
    assert_int_equal(mbox_msg_decode(frame, 12, &msg), -EAGAIN);
    frame[4] = 0;
    frame[5] = 9;                       /* A gap between known types. */
    assert_int_equal(mbox_msg_decode(frame, 12, &msg), -EAGAIN);
}

static void
test_optional_fields(void **state)
{
    (void) state;
    /* Appended to a chunk without any. */
    static const struct {
        const char *tlvs;
        size_t len;
        int error;
        bool merge;
    } tests[] = {
        { "", 0, 0, false },
        { "\0\1\0\1\1", 5, 0, true },
        { "\0\1\0\1\0", 5, 0, false },
        { "\0\1\0\1\2", 5, -EPROTO, false },
        { "\0\1\0\0", 4, -EPROTO, false },
        { "\0\1\0\2\1\1", 6, -EPROTO, false },
        { "\0\x63\0\3abc", 7, 0, false },       /* Unknown: skipped. */
        { "\0\x63\0\0\0\1\0\1\1", 9, 0, true },
        { "\0\x63\0\4abc", 7, -EPROTO, false },
        { "\0\x63\0", 3, -EPROTO, false },
        { "\0", 1, -EPROTO, false },
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        struct mbox_writer w;
        struct mbox_msg msg;
        void *copy;

        mbox_msg_init(&msg, MBOX_MSG_CHUNK, 1);
        msg.scope = MBOX_SCOPE_CONFIG;
        encode(&w, &msg, NULL);
        mbox_put_bytes(&w, tests[i].tlvs, tests[i].len);
        mbox_poke_u32(&w, 0, w.len - 4);
        assert_int_equal(decode(w.data, w.len, &msg, &copy), tests[i].error);
        if (!tests[i].error) {
            assert_int_equal(msg.merge, tests[i].merge);
        }
        mbox_writer_uninit(&w);
        free(copy);
    }
}

static void
test_refused(void **state)
{
    (void) state;
    struct mbox_writer w;
    struct mbox_msg msg;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_put_u32(&w, 1);

#define REFUSED(TYPE, CHANGE, ERROR)            \
    do {                                        \
        mbox_msg_init(&msg, TYPE, 1);           \
        CHANGE;                                 \
        mbox_msg_encode(&msg, NULL, &w);        \
        assert_int_equal(w.error, ERROR);       \
        assert_int_equal(w.len, 4);             \
        w.error = 0;                            \
    } while (0)

    REFUSED(0, , -EINVAL);
    REFUSED(9999, , -EINVAL);
    REFUSED(MBOX_MSG_HELLO, , -EINVAL);         /* No name. */
    REFUSED(MBOX_MSG_HELLO,
            (strcpy(msg.name, "a"), strcpy(msg.class_name, "a b")), -EINVAL);
    REFUSED(MBOX_MSG_RELEASE, msg.select = 3, -EINVAL);
    REFUSED(MBOX_MSG_PACKET, msg.kind = 0, -EINVAL);
    REFUSED(MBOX_MSG_PACKET, msg.kind = 6, -EINVAL);
    REFUSED(MBOX_MSG_CHUNK, msg.scope = 3, -EINVAL);
    REFUSED(MBOX_MSG_CHUNK, msg.scope = 1, -EINVAL);    /* No key. */
    REFUSED(MBOX_MSG_RELAY, , -EINVAL);
    REFUSED(MBOX_MSG_PACKET,
            (msg.kind = 1, msg.data_len = MBOX_MSG_MAX + 1), -EMSGSIZE);
    mbox_writer_uninit(&w);
}

static void
test_text_is_printable(void **state)
{
    (void) state;
    struct mbox_writer w;
    struct mbox_msg msg;
    void *copy;

    mbox_msg_init(&msg, MBOX_MSG_ABORT, 1);
    strcpy(msg.text, "a\033[1mb\nc\x7f\xc3\xa4");
    encode(&w, &msg, NULL);
    assert_int_equal(decode(w.data, w.len, &msg, &copy), 0);
    assert_string_equal(msg.text, "a?[1mb?c?\xc3\xa4");
    mbox_writer_uninit(&w);
    free(copy);
}

/* What mbox_chunk_decode_flow() accepts of a frame, mbox_msg_decode() accepts,
 * too, and reads the same. */
static bool
decode_flow(const uint8_t *frame, size_t len)
{
    struct mbox_msg msg, flow;
    struct mbox_key key, flow_key;
    void *copy = malloc(len);

    memcpy(copy, frame, len);
    mbox_msg_init(&flow, MBOX_MSG_CHUNK, 0);
    bool accepted = mbox_chunk_decode_flow(copy, len, &flow, &flow_key);
    if (accepted) {
        assert_int_equal(mbox_msg_decode(copy, len, &msg), 0);
        assert_memory_equal(&flow, &msg, offsetof(struct mbox_msg, name));
        mbox_msg_get_key(&msg, 0, &key);
        assert_memory_equal(&flow_key, &key, sizeof key);
    }
    free(copy);
    return accepted;
}

static void
check_decode_flow(const struct mbox_writer *w, const struct mbox_msg *msg)
{
    bool plain = (msg->scope == MBOX_SCOPE_PER_FLOW && msg->n_keys == 1
                  && !msg->merge);
    size_t head = MBOX_MSG_HEADER_LEN + 5 + MBOX_KEY_WIRE_LEN + 12;

    assert_int_equal(decode_flow(w->data, w->len), plain);
    if (!plain) {
        return;
    }
    for (size_t len = 0; len < w->len; len += 1 + test_random_range(16)) {
        assert_false(decode_flow(w->data, len));
    }
    for (size_t ofs = 0; ofs < head; ofs++) {
        uint8_t byte = w->data[ofs];

        w->data[ofs] ^= 1 << test_random_range(8);
        decode_flow(w->data, w->len);
        w->data[ofs] = byte;
    }

    uint8_t *family = &w->data[MBOX_MSG_HEADER_LEN + 5 + 38];
    *family = 5;
    assert_false(decode_flow(w->data, w->len));
}

/* A chunk that is written in place is the same frame. */
static void
test_chunk_in_place(void **state)
{
    struct random_msg *rm = malloc(sizeof *rm);

    (void) state;
    for (int i = 0; i < 2000; i++) {
        struct mbox_writer w, w2;
        struct mbox_chunk_writer cw;
        struct mbox_msg *msg = &rm->msg;

        random_msg(rm, MBOX_MSG_CHUNK);
        if (!msg->n_keys) {
            msg->n_keys = 1;
        }
        msg->crc = mbox_msg_crc(msg->data, msg->data_len);
        encode(&w, msg, rm->keys);

        mbox_writer_init(&w2, MBOX_WRITER_LIMIT);
        mbox_put_u32(&w2, 1);
        mbox_chunk_begin(&cw, &w2, msg->id, msg->scope, &rm->keys[0]);
        mbox_put_bytes(&w2, msg->data, msg->data_len / 2);
        mbox_put_bytes(&w2, (const uint8_t *) msg->data + msg->data_len / 2,
                       msg->data_len - msg->data_len / 2);
        assert_int_equal(mbox_chunk_data_len(&cw, &w2), msg->data_len);
        assert_int_equal(mbox_chunk_end(&cw, &w2, msg->seq, msg->merge,
                                        rm->keys + 1, msg->n_keys - 1), 0);
        assert_int_equal(w2.len, 4 + w.len);
        assert_memory_equal(w2.data + 4, w.data, w.len);

        check_decode_flow(&w, msg);

        mbox_chunk_begin(&cw, &w2, msg->id, msg->scope, &rm->keys[0]);
        mbox_chunk_cancel(&cw, &w2);
        assert_int_equal(w2.len, 4 + w.len);

        /* No room for all of it. */
        mbox_writer_uninit(&w2);
        mbox_writer_init(&w2, test_random_range(w.len));
        mbox_chunk_begin(&cw, &w2, msg->id, msg->scope, &rm->keys[0]);
        mbox_put_bytes(&w2, msg->data, msg->data_len);
        assert_int_equal(mbox_chunk_end(&cw, &w2, msg->seq, msg->merge,
                                        rm->keys + 1, msg->n_keys - 1),
                         -EMSGSIZE);
        assert_int_equal(w2.len, 0);
        mbox_writer_uninit(&w);
        mbox_writer_uninit(&w2);
    }

    struct mbox_writer w;
    struct mbox_chunk_writer cw;
    mbox_writer_init(&w, 2 * MBOX_MSG_MAX);
    mbox_chunk_begin(&cw, &w, 1, MBOX_SCOPE_PER_FLOW, &rm->keys[0]);
    size_t ofs = mbox_put_uninit(&w, MBOX_MSG_MAX);
    memset(w.data + ofs, 0, MBOX_MSG_MAX);
    assert_int_equal(mbox_chunk_end(&cw, &w, 1, false, NULL, 0), -EMSGSIZE);
    assert_int_equal(w.len, 0);
    assert_int_equal(w.error, 0);
    mbox_writer_uninit(&w);
    free(rm);
}

static void
test_crc(void **state)
{
    (void) state;

    assert_int_equal(mbox_msg_crc("123456789", 9), 0xcbf43926);
    assert_int_equal(mbox_msg_crc(NULL, 0), 0);
}

static void
test_names(void **state)
{
    (void) state;
    char name[MBOX_NAME_MAX + 2];

    assert_true(mbox_name_is_valid("ids-1_a.B"));
    assert_false(mbox_name_is_valid(""));
    assert_false(mbox_name_is_valid("a b"));
    assert_false(mbox_name_is_valid("a/b"));
    memset(name, 'x', sizeof name);
    name[MBOX_NAME_MAX + 1] = '\0';
    assert_false(mbox_name_is_valid(name));
    name[MBOX_NAME_MAX] = '\0';
    assert_true(mbox_name_is_valid(name));

    for (size_t i = 0; i < N_MSG_TYPES; i++) {
        assert_non_null(mbox_msg_type_to_string(all_msg_types[i]));
    }
    assert_null(mbox_msg_type_to_string(0));
    assert_null(mbox_msg_type_to_string(9));
    assert_null(mbox_msg_type_to_string(-1));

    for (int i = 1; i <= 3; i++) {
        enum mbox_method method;
        enum mbox_guarantee guarantee;

        assert_true(mbox_method_from_string(mbox_method_to_string(i),
                                            &method));
        assert_int_equal(method, i);
        assert_true(mbox_guarantee_from_string(mbox_guarantee_to_string(i),
                                               &guarantee));
        assert_int_equal(guarantee, i);
    }
    for (int i = 1; i <= 8; i *= 2) {
        enum mbox_scope scope;

        assert_true(mbox_scope_from_string(mbox_scope_to_string(i), &scope));
        assert_int_equal(scope, i);
    }
    assert_null(mbox_method_to_string(0));
    assert_null(mbox_guarantee_to_string(4));
    assert_null(mbox_scope_to_string(3));

    enum mbox_method method;
    enum mbox_guarantee guarantee;
    enum mbox_scope scope;
    assert_false(mbox_method_from_string("", &method));
    assert_false(mbox_guarantee_from_string("hold", &guarantee));
    assert_false(mbox_scope_from_string("all", &scope));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_frame_length),
        cmocka_unit_test(test_unknown_type),
        cmocka_unit_test(test_optional_fields),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_text_is_printable),
        cmocka_unit_test(test_chunk_in_place),
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
