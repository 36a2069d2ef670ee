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

/* Flows whose packets arrive under two keys.
 *
 * The middlebox translates addresses: packets from 11.X are those from
 * 10.X. */

#include "libmbox-sides.h"

#include <poll.h>
#include <sys/socket.h>

#define N 20

static struct mbox_key
alias_key(const struct mbox_key *key)
{
    struct mbox_key alias = *key, canonical;

    for (int i = 0; i < 2; i++) {
        uint8_t *addr = i ? alias.dst : alias.src;

        if (addr[12] == 10) {
            addr[12] = 11;
        }
    }
    mbox_key_canonical(&alias, &canonical);
    return canonical;
}

static int
nat_get(void *c, unsigned int worker, const struct mbox_key *key,
        struct mbox_chunk *chunk)
{
    struct mbox_key alias = alias_key(key);

    mbox_chunk_add_key(chunk, &alias);
    return checker_get(c, worker, key, chunk);
}

struct list {
    mbox_list_cb *cb;
    void *aux;
};

static int
list_alias(const struct mbox_key *key, void *list_)
{
    const struct list *list = list_;
    struct mbox_key alias = alias_key(key);

    return list->cb(&alias, list->aux);
}

static int
nat_list_aliases(void *c, unsigned int worker, const struct mbox_space *space,
                 mbox_list_cb *cb, void *aux)
{
    struct list list = { cb, aux };

    return checker_list(c, worker, space, list_alias, &list);
}

static const struct mbox_state_ops nat_flow_ops = {
    checker_list, nat_get, checker_put, checker_del,
};
static const struct mbox_ops nat_ops = {
    .packet = checker_packet,
    .per_flow = &nat_flow_ops,
    .list_aliases = nat_list_aliases,
};
static const struct mbox_ops silent_nat_ops = {     /* Just its chunks tell. */
    .packet = checker_packet,
    .per_flow = &nat_flow_ops,
};

/* The next packet of 'flow', as it comes from 11.X. */
static struct mb_packet *
make_packet(struct world *w, uint32_t flow)
{
    uint8_t frame[CHECKER_FRAME];
    uint32_t number = ++w->next[flow];

    checker_frame(frame, flow, number, number % 2);
    frame[frame[26] == 10 ? 26 : 30] = 11;

    struct mb_packet *packet = mb_packet_new(frame, sizeof frame);
    assert_non_null(packet);
    mb_packet_parse(packet);
    return packet;
}

/* Has the middlebox of 'side' process 'packet'. */
static void
process(struct side *side, struct mb_packet *packet)
{
    packet->data[packet->data[26] == 11 ? 26 : 30] = 10;
    for (struct mb_tracker *t = side->trackers[0]; t; t = t->next) {
        mb_tracker_packet(t, &packet->key);
    }
    mb_packet_parse(packet);

    struct mbox_packet p = {
        .data = packet->data, .len = packet->len, .key = packet->key,
    };
    checker_packet(&side->checker, 0, &p);
    mb_packet_free(packet);
}

static void
env_process(void *side, struct mb_packet *packet)
{
    process(side, packet);
}

/* Gives the packet to 'side'.  Returns false if the transfer took it. */
static bool
feed_alias(struct world *w, struct side *side, uint32_t flow)
{
    struct mb_packet *packet = make_packet(w, flow);

    if (mb_transfer_filter(side->t, packet)) {
        return false;
    }
    process(side, packet);
    return true;
}

static void
nat_init(struct world *w, const struct mbox_ops *ops)
{
    static struct mb_env_ops env_ops;

    world_init(w);
    env_ops = *w->s.env.ops;
    env_ops.process = env_process;
    w->s.env.ops = w->d.env.ops = &env_ops;
    w->s.env.mb_ops = w->d.env.mb_ops = ops;
}

/* S has said that the keys of flows first ... last - 1 belong to them. */
static void
expect_aliases(struct world *w, uint32_t first, uint32_t last)
{
    struct mbox_msg msg;
    bool found[N] = { false };

    expect(&w->s, MBOX_MSG_ALIASES, &msg);
    for (uint32_t i = 0; i < msg.n_keys; i++) {
        struct mbox_key key;

        mbox_msg_get_key(&msg, i, &key);
        for (uint32_t j = first; j < last; j++) {
            struct mbox_key flow = checker_key(j), alias = alias_key(&flow);

            found[j] |= mbox_key_equal(&key, &alias);
        }
    }
    for (uint32_t i = first; i < last; i++) {
        assert_true(found[i]);
    }
}

static void
prepare_both(struct world *w, enum mbox_method method, uint32_t options)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    assert_non_null(prepare(&w->s, MBOX_ROLE_SOURCE, method,
                            MBOX_GUARANTEE_ORDER_PRESERVING, options, 0,
                            fds[0]));
    assert_non_null(prepare(&w->d, MBOX_ROLE_DESTINATION, method,
                            MBOX_GUARANTEE_ORDER_PRESERVING, options, 0,
                            fds[1]));
    expect(&w->d, MBOX_MSG_PREPARED, NULL);
}

/* The middlebox lists its aliases: S knows them from the start, so that not a
 * packet gets through once it is frozen, and D buffers what comes too soon. */
static void
test_listed(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    nat_init(&w, &nat_ops);
    for (uint32_t i = 0; i < N; i++) {
        feed(&w, &w.s, i, NULL);
    }
    prepare_both(&w, MBOX_METHOD_EVENTS, MBOX_OPT_VIA_CHANNEL);
    expect_aliases(&w, 0, N);
    expect(&w.s, MBOX_MSG_PREPARED, NULL);
    assert_true(feed_alias(&w, &w.s, 3));
    command(&w.d, MBOX_MSG_BUFFER);
    expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    command(&w.s, MBOX_MSG_RETURN);
    expect(&w.s, MBOX_MSG_RETURNING, NULL);
    assert_false(feed_alias(&w, &w.s, 3));
    expect(&w.s, MBOX_MSG_PACKET, &msg);
    assert_int_equal(msg.kind, MBOX_TAG_RETURNED);
    assert_int_equal(msg.seq, 1);

    /* It comes to D again. */
    struct mbox_writer packet;
    mbox_writer_init(&packet, 65536);
    msg.kind = MBOX_TAG_DO_NOT_BUFFER;
    mbox_msg_encode(&msg, NULL, &packet);
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect(&w.d, MBOX_MSG_INSTALLED, &msg);
    assert_int_equal(msg.n_flows, N);
    assert_false(feed_alias(&w, &w.d, 3));
    assert_int_equal(mbox_msg_decode(packet.data, packet.len, &msg), 0);
    mb_transfer_recv(w.d.t, &msg);
    mbox_writer_uninit(&packet);
    give_last(&w, true, 1);
    settle(&w);
    expect(&w.d, MBOX_MSG_FLUSHED, &msg);
    assert_int_equal(msg.n_packets, 1);
    assert_int_equal(msg.n_buffered, 1);
    expect_none(&w.s);
    commit(&w, N);
    assert_state_at(&w, &w.d, N);
    world_uninit(&w);
}

/* An alias that is made while its flow is being copied: the flow changes with
 * packets under it, too. */
static void
test_made(void **state)
{
    struct world w;
    struct mbox_key key = checker_key(7), alias = alias_key(&key);
    struct mbox_key elsewhere = key;

    (void) state;
    nat_init(&w, &nat_ops);
    prepare_both(&w, MBOX_METHOD_HOLD, MBOX_OPT_PRECOPY);
    expect(&w.s, MBOX_MSG_PREPARED, NULL);
    feed(&w, &w.s, 7, NULL);
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect_aliases(&w, 7, 8);
    expect(&w.s, MBOX_MSG_PRECOPY, NULL);

    key = checker_key(8);
    alias = alias_key(&key);
    elsewhere.src[12] = elsewhere.dst[12] = 12;
    mb_tracker_alias(w.s.trackers[0], &elsewhere, &elsewhere);
    mb_tracker_alias(w.s.trackers[0], &key, &alias);
    feed(&w, &w.s, 8, NULL);
    assert_int_equal(mb_tracker_n_dirty(w.s.trackers[0]), 1);
    while (mb_tracker_n_dirty(w.s.trackers[0])) {
        w.s.clock += 1000000;
        settle(&w);
    }
    assert_true(feed_alias(&w, &w.s, 7));
    assert_true(feed_alias(&w, &w.s, 8));
    assert_int_equal(mb_tracker_n_dirty(w.s.trackers[0]), 2);
    expect_aliases(&w, 8, 9);
    struct mbox_msg msg;
    while (next_msg(&w.s, &msg)) {
        assert_int_equal(msg.type, MBOX_MSG_PRECOPY);
    }

    /* And one that is made last of all. */
    feed(&w, &w.s, 9, NULL);
    key = checker_key(9);
    alias = alias_key(&key);
    mb_tracker_alias(w.s.trackers[0], &key, &alias);
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    expect_aliases(&w, 9, 10);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    expect_tracer(&w.s, 1);
    for (uint32_t i = 7; i < 10; i++) {
        assert_false(feed_alias(&w, &w.s, i));
        w.next[i]--;
    }
    assert_int_equal(w.s.out.n, 3);         /* Returned. */
    settle(&w);
    expect(&w.d, MBOX_MSG_RELEASE, NULL);
    expect(&w.d, MBOX_MSG_INSTALLED, NULL);
    commit(&w, 3);
    for (uint32_t i = 7; i < 10; i++) {
        key = checker_key(i);
        assert_int_equal(checker_flow(&w.d.checker.w[0], &key, false)->last,
                         w.next[i]);
    }
    world_uninit(&w);
}

/* If only the chunks tell, S learns from them. */
static void
test_in_chunks(void **state)
{
    struct world w;

    (void) state;
    nat_init(&w, &silent_nat_ops);
    for (uint32_t i = 0; i < N; i++) {
        feed(&w, &w.s, i, NULL);
    }
    prepare_both(&w, MBOX_METHOD_HOLD, 0);
    expect(&w.s, MBOX_MSG_PREPARED, NULL);
    command(&w.s, MBOX_MSG_EXPORT);
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    settle(&w);
    expect_aliases(&w, 0, 1);
    expect_tracer(&w.s, 1);
    assert_false(feed_alias(&w, &w.s, N - 1));
    assert_int_equal(w.s.out.n, 1);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listed),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_in_chunks),
    };

    return cmocka_run_group_tests_name("libmbox aliases", tests, NULL, NULL);
}
