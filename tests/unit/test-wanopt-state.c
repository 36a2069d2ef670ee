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

/* State of mbox-wanopt that moves between instances. */

#include <config.h>
#include "wanopt-test.h"

#include <errno.h>
#include "bytes.h"

#define MSS 1448

static int
setup(void **state)
{
    *state = world_create("");
    return 0;
}

static int
teardown(void **state)
{
    world_destroy(*state);
    return 0;
}

/* Copies the state under 'key' from one instance to another. */
static void
copy(struct end *from, struct end *to, const struct mbox_key *key,
     int (*get)(struct wanopt *, const struct mbox_key *,
                struct mbox_writer *),
     int (*put)(struct wanopt *, const struct mbox_key *, const void *,
                size_t))
{
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(get(from->wanopt, key, &w), 0);

    uint8_t *exact = test_memdup(w.data, w.len);
    assert_int_equal(put(to->wanopt, key, exact, w.len), 0);
    free(exact);
    mbox_writer_uninit(&w);
}

struct copy_ctx {
    struct end *from, *to;
    int n;
};

static int
copy_chunk(void *ctx_, const struct mbox_key *key)
{
    struct copy_ctx *ctx = ctx_;

    copy(ctx->from, ctx->to, key, wanopt_chunk_get, wanopt_chunk_put);
    ctx->n++;
    return 0;
}

static int
copy_flow(void *ctx_, const struct mbox_key *key)
{
    struct copy_ctx *ctx = ctx_;

    copy(ctx->from, ctx->to, key, wanopt_flow_get, wanopt_flow_put);
    assert_int_equal(wanopt_flow_del(ctx->from->wanopt, key), 0);
    ctx->n++;
    return 0;
}

/* Moves everything from one instance to another; returns the number of flows
 * and chunks. */
static int
move(struct end *from, struct end *to, bool chunks)
{
    struct copy_ctx ctx = { from, to, 0 };

    if (chunks) {
        assert_int_equal(wanopt_chunk_list(from->wanopt, copy_chunk, &ctx),
                         0);
    }
    assert_int_equal(wanopt_flow_list(from->wanopt, copy_flow, &ctx), 0);
    assert_int_equal(wanopt_n_flows(from->wanopt), 0);
    return ctx.n;
}

/* A flow goes through one instance of the near site and then another, in both
 * directions, with the dictionary or without. */
static void
try_move(struct world *world, bool chunks)
{
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct end *other = &world->ends[OTHER];
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1), back;
    struct packet p;
    uint8_t data[MSS];
    size_t len;

    mbox_key_reverse(&key, &back);
    test_random_bytes(data, sizeof data);
    make_packet(&p, &back, 1, TH_ACK, data, sizeof data);
    pass(far, near, &p);
    make_packet(&p, &key, 1, TH_ACK, data, 500);
    pass(near, far, &p);
    assert_true(move(near, other, chunks) >= (chunks ? 3 : 1));

    /* The far end knows nothing of that. */
    make_packet(&p, &back, 1 + MSS, TH_ACK, data, sizeof data);
    assert_true(pass(far, other, &p) < p.len / 4);
    assert_int_equal(end_stats(other)->asked, !chunks);

    /* The position has moved: this one was sent before. */
    make_packet(&p, &key, 1, TH_ACK, data, 500);
    pass(other, far, &p);
    assert_int_equal(end_stats(other)->resent, 1);
    make_packet(&p, &key, 501, TH_ACK, data, sizeof data);
    len = pass(other, far, &p);
    assert_true(len < p.len / 4);
    assert_int_equal(end_stats(far)->asked, 0);
}

static void
test_move(void **state)
{
    try_move(*state, true);
}

static void
test_move_without_dictionary(void **state)
{
    try_move(*state, false);
}

/* Packets that wait move, and go on in order from where they have come to, not
 * before the flow belongs there. */
static void
test_waiting_packets_move(void **state)
{
    enum { N = 20 };
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct end *other = &world->ends[OTHER];
    struct mbox_key key = make_key(4, IPPROTO_UDP, 1, 1);
    static struct packet p[N];
    struct packet out;
    uint8_t data[MSS];

    mbox_key_reverse(&key, &key);
    test_random_bytes(data, sizeof data);
    make_packet(&p[0], &key, 0, 0, data, sizeof data);
    end_packet(far, LAN, &p[0]);
    far->wan.n = 0;             /* Nobody else has it. */
    for (int i = 0; i < N; i++) {
        make_packet(&p[i], &key, i, 0, data, i % 3 ? 10 : MSS);
        end_packet(far, LAN, &p[i]);
        take(&far->wan, &out);
        end_packet(near, WAN, &out);
    }
    assert_int_equal(near->lan.n, 0);
    near->wan.n = 0;            /* Questions are lost. */
    assert_int_equal(move(near, other, true), 1);

    other->pending = true;
    world_wait(world, other, far, 1);
    assert_int_equal(other->lan.n, 0);
    other->pending = false;
    world_wait(world, other, far, 1);
    assert_int_equal(other->lan.n, N);
    for (int i = 0; i < N; i++) {
        take(&other->lan, &out);
        check_same(&out, &p[i]);
    }
    assert_int_equal(near->lan.n, 0);
}

/* Waiting packets are imported as far as they may take memory. */
static void
test_waiting_memory(void **state)
{
    enum { N = 200, LEN = 9000 };
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct end *other = &world->ends[OTHER];
    struct mbox_key key = make_key(4, IPPROTO_UDP, 1, 1);
    static uint8_t data[LEN];
    struct packet p;

    mbox_key_reverse(&key, &key);
    test_random_bytes(data, sizeof data);
    make_packet(&p, &key, 0, 0, data, MSS);
    end_packet(far, LAN, &p);
    far->wan.n = 0;             /* Nobody else has it. */
    for (int i = 0; i < 2 * N; i++) {
        if (i % N == 0) {
            key.src_port++;
            make_packet(&p, &key, i, 0, data, MSS);
        } else {
            test_random_bytes(data + MSS, LEN - MSS);
            make_packet(&p, &key, i, 0, data + MSS, LEN - MSS);
        }
        end_packet(far, LAN, &p);
        take(&far->wan, &p);
        end_packet(near, WAN, &p);
    }
    assert_int_equal(end_stats(near)->waited, 2 * N);
    other->config->waiting_memory = 2;
    assert_int_equal(move(near, other, false), 2);
    assert_in_range(end_stats(other)->waiting_full, 2 * N - (2 << 20) / 7500,
                    2 * N - (2 << 20) / 7800);
}

/* A chunk belongs to the local host that used it last, and changes are told
 * of. */
static int
expect_host(void *host_, const struct mbox_key *key)
{
    const int *host = host_;

    assert_int_equal(key->family, 4);
    assert_int_equal(key->src[15], *host);
    return 0;
}

static void
test_chunks_of_hosts(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct packet p;
    uint8_t data[MSS];
    size_t n = 0;

    test_random_bytes(data, sizeof data);
    for (int i = 0; i < 4; i++) {
        int host = 1 + i / 2;
        struct mbox_key key = make_key(4, IPPROTO_TCP, host, i);

        make_packet(&p, &key, 1, TH_ACK, data, sizeof data);
        pass(near, far, &p);
        assert_int_equal(wanopt_chunk_list(near->wanopt, expect_host, &host),
                         0);
        if (!i) {
            n = near->n_dirty_chunks;
            assert_true(n >= 2);
        }
        assert_int_equal(near->n_dirty_chunks, n * host);
    }
    /* To the far end they are all its own host's. */
    assert_int_equal(far->n_dirty_chunks, n);
}

static void
test_missing_state(void **state)
{
    struct world *world = *state;
    struct wanopt *wanopt = world->ends[NEAR].wanopt;
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1);
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(wanopt_flow_get(wanopt, &key, &w), -ENOENT);
    assert_int_equal(wanopt_chunk_get(wanopt, &key, &w), -ENOENT);
    assert_int_equal(wanopt_flow_del(wanopt, &key), -ENOENT);
    mbox_writer_uninit(&w);
}

/* Puts damaged state; what is refused changes nothing.  Returns true if it is
 * taken. */
static bool
try_damage(struct end *end, const struct mbox_key *key,
           const struct mbox_writer *w,
           int (*put)(struct wanopt *, const struct mbox_key *, const void *,
                      size_t))
{
    size_t len = test_random_range(4) ? w->len : test_random_range(w->len);
    uint8_t *exact = test_memdup(w->data, len);
    size_t n = wanopt_n_flows(end->wanopt);

    for (int i = test_random_range(4); i >= 0 && len; i--) {
        exact[test_random_range(len)] = test_random();
    }
    bool taken = !put(end->wanopt, key, exact, len);
    if (!taken) {
        assert_int_equal(wanopt_n_flows(end->wanopt), n);
    }
    free(exact);
    return taken;
}

/* Offsets in an exported flow: see wanopt-state.c. */
enum { N_WAITING = 104, WAITING = 106, WAITING_FRAME = WAITING + 5 };

/* Puts a flow that is the 'len' bytes at 'data'. */
static int
put_flow(struct end *end, const struct mbox_key *key, const void *data,
         size_t len)
{
    uint8_t *exact = test_memdup(data, len);
    int retval = wanopt_flow_put(end->wanopt, key, exact, len);

    free(exact);
    return retval;
}

/* One thing is wrong in a flow of which one packet waits. */
static void
test_wrong_flow(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct end *other = &world->ends[OTHER];
    struct mbox_key key = make_key(4, IPPROTO_UDP, 1, 1), back, wrong;
    struct mbox_writer w;
    struct packet p;
    uint8_t data[MSS];

    mbox_key_reverse(&key, &back);
    test_random_bytes(data, sizeof data);
    make_packet(&p, &back, 1, 0, data, sizeof data);
    end_packet(far, LAN, &p);
    far->wan.n = 0;             /* Nobody else has it. */
    end_packet(far, LAN, &p);
    take(&far->wan, &p);
    end_packet(near, WAN, &p);
    near->wan.n = 0;
    mbox_key_canonical(&key, &key);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(wanopt_flow_get(near->wanopt, &key, &w), 0);
    assert_int_equal(w.len, WAITING_FRAME + p.len);
    assert_memory_equal(w.data + WAITING_FRAME, p.data, p.len);
    assert_int_equal(put_flow(other, &key, w.data, w.len), 0);
    assert_int_equal(wanopt_flow_del(other->wanopt, &key), 0);

    for (size_t i = 0; i < w.len; i++) {
        assert_int_equal(put_flow(other, &key, w.data, i), -EPROTO);
    }
    static const struct {
        size_t ofs;
        uint8_t bits;
    } wrongs[] = {
        { 0, 1 },                       /* Version. */
        { 1, 1 }, { 1, 2 }, { 1, 0x80 },        /* Flags, of TCP or none. */
        { N_WAITING + 1, 3 },
        { WAITING, 2 },                 /* Port. */
        { WAITING + 4, 1 },             /* Length. */
        { WAITING_FRAME + 14 + 12, 1 }, /* Address. */
        { WAITING_FRAME + 14 + 20, 1 }, /* UDP port. */
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        w.data[wrongs[i].ofs] ^= wrongs[i].bits;
        assert_int_equal(put_flow(other, &key, w.data, w.len), -EPROTO);
        w.data[wrongs[i].ofs] ^= wrongs[i].bits;
    }
    wrong = key;
    wrong.dst_port++;
    assert_int_equal(put_flow(other, &wrong, w.data, w.len), -EPROTO);
    mbox_key_reverse(&key, &wrong);
    assert_int_equal(put_flow(other, &wrong, w.data, w.len), -EPROTO);
    assert_int_equal(wanopt_n_flows(other->wanopt), 0);

    /* As many packets as may wait, and one more. */
    size_t len = w.len - WAITING;
    uint8_t *many = malloc(WAITING + (WANOPT_MAX_WAITING + 1) * len);
    assert_non_null(many);
    memcpy(many, w.data, WAITING);
    for (int n = 1; n <= WANOPT_MAX_WAITING + 1; n++) {
        memcpy(many + WAITING + (n - 1) * len, w.data + WAITING, len);
        put_be16(many + N_WAITING, n);
        assert_int_equal(put_flow(other, &key, many, WAITING + n * len),
                         n <= WANOPT_MAX_WAITING ? 0 : -EPROTO);
    }
    free(many);
    mbox_writer_uninit(&w);
}

static void
test_damaged_state(void **state)
{
    struct world *world = *state;
    struct end *near = &world->ends[NEAR], *far = &world->ends[FAR];
    struct end *other = &world->ends[OTHER];
    struct mbox_key key = make_key(4, IPPROTO_TCP, 1, 1), back;
    struct mbox_writer w;
    struct packet p;
    uint8_t data[MSS];

    /* A flow with packets that wait. */
    mbox_key_reverse(&key, &back);
    test_random_bytes(data, sizeof data);
    for (int i = 0; i < 4; i++) {
        make_packet(&p, &back, 1 + i * MSS, TH_ACK, data, sizeof data);
        end_packet(far, LAN, &p);
        take(&far->wan, &p);
        if (i) {
            end_packet(near, WAN, &p);
        }
    }
    near->wan.n = 0;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(wanopt_flow_get(near->wanopt, &key, &w), 0);
    assert_true(w.len > 200);
    int n = test_rounds(20000), n_taken = 0;
    for (int i = 0; i < n; i++) {
        n_taken += try_damage(other, &key, &w, wanopt_flow_put);
        if (i % 100 == 0) {
            world->now += TEST_SECOND;
            wanopt_tick(other->wanopt, world->now);
            other->wan.n = other->lan.n = 0;
        }
    }

    assert_in_range(n_taken, n / 10, n - n / 10);

    /* One byte wrong, or a wrong name, is no chunk. */
    struct mbox_key chunk = key;
    struct copy_ctx ctx = { far, other, 0 };
    assert_int_equal(wanopt_chunk_list(far->wanopt, copy_chunk, &ctx), 0);
    assert_true(ctx.n >= 2);
    mbox_writer_clear(&w);
    mbox_put_u8(&w, WANOPT_STATE_VERSION);
    mbox_put_u8(&w, 0);
    mbox_put_bytes(&w, chunk.dst, sizeof chunk.dst);
    mbox_put_bytes(&w, data, 500);
    assert_int_equal(wanopt_chunk_put(other->wanopt, &chunk, w.data, w.len),
                     -EPROTO);
    mbox_writer_uninit(&w);
}

static void
test_configuration(void **state)
{
    struct world *world = *state;
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    wanopt_config_get(world->ends[NEAR].wanopt, &w);
    assert_int_equal(wanopt_config_put(world->ends[OTHER].wanopt, w.data,
                                       w.len), 0);
    assert_int_equal(wanopt_config_put(world->ends[FAR].wanopt, w.data,
                                       w.len), -EADDRNOTAVAIL);
    assert_int_equal(wanopt_config_put(world->ends[OTHER].wanopt, w.data,
                                       w.len - 1), -EPROTO);

    /* The order of networks does not matter, nor does saying one twice. */
    static const char text[] = "\
remote fd00:2::/64\nlocal fd00:1::/64\nlocal 10.0.1.0/24\n\
remote 10.0.2.0/24\nremote fd00:2::/64\n\
key 000102030405060708090a0b0c0d0e0f\n";
    struct end *other = &world->ends[OTHER];
    char *error;
    wanopt_config_destroy(other->config);
    assert_int_equal(wanopt_config_parse("test", text, strlen(text),
                                         &other->config, &error), 0);
    end_restart(other);
    assert_int_equal(wanopt_config_put(other->wanopt, w.data, w.len), 0);
    mbox_writer_uninit(&w);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_move),
        TEST(test_move_without_dictionary),
        TEST(test_waiting_packets_move),
        TEST(test_waiting_memory),
        TEST(test_chunks_of_hosts),
        TEST(test_missing_state),
        TEST(test_wrong_flow),
        TEST(test_damaged_state),
        TEST(test_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
