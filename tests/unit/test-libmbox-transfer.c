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

/* Both roles of a transfer, driven by a scripted coordinator: no network, no
 * clock, no thread. */

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libmbox-world.h"
#include "transfer-destination.h"

#define EPOCH 77
#define ID 5

/* One instance. */
struct side {
    struct checker checker;
    struct mb_env env;
    struct mb_tracker *trackers[1];
    struct mb_transfer *t;
    uint64_t clock;
    struct mbox_writer control; /* To the coordinator. */
    size_t control_ofs;
    struct mb_buffer out;       /* Sent packets. */
    size_t max_frame;
    uint32_t n_barriers;
    bool relay;
};

struct world {
    struct side s, d;
    struct mbox_channel *peer;  /* Of a side whose peer is the test. */
    uint32_t next[4096];        /* Number of a flow's next packet. */
};

static uint64_t
side_now(void *side_)
{
    struct side *side = side_;

    return side->clock += 2000;
}

static void
side_send(void *side_, const struct mbox_msg *msg, const struct mbox_key *keys)
{
    struct side *side = side_;

    mbox_msg_encode(msg, keys, &side->control);
    assert_int_equal(side->control.error, 0);
}

static void
side_flush(void *side)
{
    (void) side;
}

static size_t
side_backlog(void *side)
{
    (void) side;
    return 0;
}

static void
side_call(void *side, unsigned int worker, mb_call_fn *fn, void *arg)
{
    (void) side;
    assert_int_equal(worker, 0);
    fn(arg);
}

static void
side_barrier(void *side_)
{
    struct side *side = side_;

    side->n_barriers++;
}

static bool
side_transmit(void *side_, struct mb_packet *packet)
{
    struct side *side = side_;

    if (packet->len > side->max_frame) {
        return false;
    }
    assert_int_equal(mb_buffer_push(&side->out, packet), 0);
    return true;
}

static void
side_process(void *side_, struct mb_packet *packet)
{
    struct side *side = side_;
    struct mbox_packet p = {
        .data = packet->data, .len = packet->len, .key = packet->key,
    };

    for (struct mb_tracker *t = side->trackers[0]; t; t = t->next) {
        mb_tracker_packet(t, &packet->key);
    }
    checker_packet(&side->checker, 0, &p);
    mb_packet_free(packet);
}

static void
side_log(void *side, int level, const char *message)
{
    checker_log(side, level, message);
}

static const struct mb_env_ops side_ops = {
    .now = side_now,
    .control_send = side_send,
    .control_flush = side_flush,
    .control_backlog = side_backlog,
    .call = side_call,
    .barrier = side_barrier,
    .process = side_process,
    .transmit = side_transmit,
    .log = side_log,
};

static void
side_init(struct side *side, const char *name)
{
    memset(side, 0, sizeof *side);
    checker_init(&side->checker);
    side->checker.trackers = side->trackers;
    side->env.ops = &side_ops;
    side->env.aux = side;
    side->env.mb_ops = &checker_ops;
    side->env.mb_aux = &side->checker;
    side->env.n_workers = 1;
    side->env.trackers = side->trackers;
    strcpy(side->env.name, name);
    strcpy(side->env.class_name, "checker");
    side->env.schema = 9;
    side->env.buffer_limit = 1000 * CHECKER_FRAME;
    side->max_frame = 1514;
    mbox_writer_init(&side->control, 64 * 1024 * 1024);
    mb_buffer_init(&side->out, SIZE_MAX / 2);
}

static void
side_uninit(struct side *side)
{
    mb_transfer_destroy(side->t);
    assert_null(side->trackers[0]);
    mbox_writer_uninit(&side->control);
    mb_buffer_uninit(&side->out);
    checker_uninit(&side->checker);
}

/* Feeds the next packet of 'flow' to 'side', as if from its port. */
static void
feed(struct world *w, struct side *side, uint32_t flow,
     const struct mbox_tag *tag)
{
    uint8_t frame[CHECKER_FRAME];
    uint32_t number = ++w->next[flow];

    checker_frame(frame, flow, number, number % 2);
    struct mb_packet *packet = mb_packet_new(frame, sizeof frame);
    assert_non_null(packet);
    if (tag) {
        assert_true(mb_packet_push_tag(packet, tag));
        if (!mb_transfer_recv_tagged(side->t, tag, packet)) {
            mb_packet_free(packet);
        }
        return;
    }
    mb_packet_parse(packet);
    if (!side->t || !mb_transfer_filter(side->t, packet)) {
        side_process(side, packet);
    }
}

static bool
feed_tracer(struct side *side, enum mbox_tag_kind kind, uint32_t seq)
{
    const struct mbox_tag tag = { .kind = kind, .id = ID, .seq = seq };
    uint8_t frame[MBOX_TRACER_LEN];
    static const uint8_t mac[6] = { 2 };

    mbox_tag_make_tracer(frame, mac, mac, &tag);
    struct mb_packet *packet = mb_packet_new(frame, sizeof frame);
    assert_non_null(packet);
    bool taken = mb_transfer_recv_tagged(side->t, &tag, packet);
    if (!taken) {
        mb_packet_free(packet);
    }
    return taken;
}

/* Next message to the coordinator; returns false if there is none. */
static bool
next_msg(struct side *side, struct mbox_msg *msg)
{
    size_t left = side->control.len - side->control_ofs;

    if (!left) {
        mbox_writer_clear(&side->control);
        side->control_ofs = 0;
        return false;
    }
    int len = mbox_msg_frame_length(side->control.data + side->control_ofs,
                                    left);
    assert_true(len > 0);
    assert_int_equal(mbox_msg_decode(side->control.data + side->control_ofs,
                                     len, msg), 0);
    side->control_ofs += len;
    return true;
}

static void
expect(struct side *side, enum mbox_msg_type type, struct mbox_msg *msg)
{
    struct mbox_msg dummy;

    msg = msg ? msg : &dummy;
    if (!next_msg(side, msg)) {
        fail_msg("expected %s, got nothing", mbox_msg_type_to_string(type));
    }
    if (msg->type != type) {
        fail_msg("expected %s, got %s (%s)", mbox_msg_type_to_string(type),
                 mbox_msg_type_to_string(msg->type), msg->text);
    }
    assert_int_equal(msg->id, ID);
}

static void
expect_none(struct side *side)
{
    struct mbox_msg msg;

    if (next_msg(side, &msg)) {
        fail_msg("unexpected %s (%s)", mbox_msg_type_to_string(msg.type),
                 msg.text);
    }
}

static void
command(struct side *side, enum mbox_msg_type type)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, ID);
    msg.select = MBOX_SELECT_ALL_EXCEPT;
    mb_transfer_recv(side->t, &msg);
}

/* Lets both sides work until they have nothing to do. */
static void
settle(struct world *w)
{
    struct side *sides[] = { &w->s, &w->d };

    for (int idle = 0; idle < 3; ) {
        idle++;
        for (int i = 0; i < 2; i++) {
            struct side *side = sides[i];
            struct pollfd pfd;

            if (!side->t) {
                continue;
            }
            mb_transfer_wait(side->t, &pfd);
            if (mb_transfer_wake(side->t) <= side->clock
                || poll(&pfd, 1, 0) > 0) {
                idle = 0;
            }
            mb_transfer_run(side->t, side->clock + MB_SLICE_NS);
            if (side->t->finished) {
                mb_transfer_destroy(side->t);
                side->t = NULL;
            }
        }
    }
}

/* Moves S's RELAY messages to D. Others stay. */
static void
relay(struct world *w)
{
    for (bool moved = true; moved; ) {
        struct mbox_writer rest;
        struct mbox_msg msg;

        settle(w);
        moved = false;
        mbox_writer_init(&rest, 64 * 1024 * 1024);
        while (next_msg(&w->s, &msg)) {
            if (msg.type == MBOX_MSG_RELAY) {
                mb_transfer_recv(w->d.t, &msg);
                moved = true;
            } else {
                mbox_msg_encode(&msg, NULL, &rest);
            }
        }
        mbox_writer_uninit(&w->s.control);
        w->s.control = rest;
        w->s.control_ofs = 0;
    }
}

static void
progress(struct world *w)
{
    if (w->s.t && w->s.t->options & MBOX_OPT_RELAY) {
        relay(w);
    } else {
        settle(w);
    }
}

static struct mb_transfer *
prepare(struct side *side, enum mbox_role role, enum mbox_method method,
        enum mbox_guarantee guarantee, uint32_t options, unsigned int bits,
        int fd)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_PREPARE, ID);
    msg.role = role;
    msg.method = method;
    msg.guarantee = guarantee;
    msg.scopes = MBOX_SCOPE_MASK & ~MBOX_SCOPE_CONFIG;
    msg.options = options;
    msg.epoch = EPOCH;
    strcpy(msg.name, role == MBOX_ROLE_SOURCE ? "d" : "s");
    msg.space = checker_space(bits);
    side->t = mb_transfer_create(&side->env, &msg, fd, NULL);
    return side->t;
}

static void
world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    side_init(&w->s, "s");
    side_init(&w->d, "d");
}

static void
world_uninit(struct world *w)
{
    side_uninit(&w->s);
    side_uninit(&w->d);
    if (w->peer) {
        mbox_channel_close(w->peer);
    }
}

/* Prepares both sides with 'n' flows at S. */
static void
world_prepare(struct world *w, enum mbox_method method,
              enum mbox_guarantee guarantee, uint32_t options, uint32_t n)
{
    int fds[2] = { -1, -1 };
    struct mbox_msg msg;

    for (uint32_t i = 0; i < n; i++) {
        feed(w, &w->s, i, NULL);
    }
    if (!(options & MBOX_OPT_RELAY)) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
                                    fds), 0);
    }
    assert_non_null(prepare(&w->s, MBOX_ROLE_SOURCE, method, guarantee,
                            options, 0, fds[0]));
    assert_non_null(prepare(&w->d, MBOX_ROLE_DESTINATION, method, guarantee,
                            options, 0, fds[1]));
    expect(&w->s, MBOX_MSG_PREPARED, &msg);
    assert_int_equal(msg.n_flows, n);
    expect(&w->d, MBOX_MSG_PREPARED, &msg);
    assert_int_equal(msg.n_flows, 0);
}

/* Prepares one side whose peer on the state channel is the test. */
static void
lone_prepare(struct world *w, struct side *side, enum mbox_role role,
             enum mbox_method method, uint32_t options)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    w->peer = mbox_channel_from_fd(fds[1]);
    assert_non_null(prepare(side, role, method,
                            MBOX_GUARANTEE_ORDER_PRESERVING, options, 0,
                            fds[0]));
    expect(side, MBOX_MSG_PREPARED, NULL);
}

static void
commit(struct world *w, uint64_t n_flows)
{
    struct mbox_msg msg;

    command(&w->s, MBOX_MSG_COMMIT);
    command(&w->d, MBOX_MSG_COMMIT);
    progress(w);
    expect(&w->s, MBOX_MSG_COMMITTED, &msg);
    assert_int_equal(msg.n_flows, n_flows);
    expect(&w->d, MBOX_MSG_COMMITTED, NULL);
    expect_none(&w->s);
    expect_none(&w->d);
    assert_null(w->s.t);
    assert_null(w->d.t);
}

/* Every flow is at 'side', with the number of its last packet. */
static void
assert_state_at(struct world *w, struct side *side, uint32_t n)
{
    assert_int_equal(checker_all_flows(&side->checker), n);
    for (uint32_t i = 0; i < n; i++) {
        struct mbox_key key = checker_key(i);
        struct checker_flow *flow = checker_flow(&side->checker.w[0], &key,
                                                 false);
        assert_non_null(flow);
        assert_int_equal(flow->last, w->next[i]);
    }
    assert_int_equal(side->checker.lost, 0);
    assert_int_equal(side->checker.repeated, 0);
}

/* The tracer came back, and only it. */
static void
expect_tracer(struct side *side, uint32_t seq)
{
    struct mb_packet *packet = mb_buffer_pop(&side->out);
    struct mbox_tag tag;

    assert_non_null(packet);
    assert_true(mbox_tag_peek(packet->data, packet->len, &tag));
    assert_int_equal(tag.kind, MBOX_TAG_TRACER);
    assert_int_equal(tag.id, ID);
    assert_int_equal(tag.seq, seq);
    mb_packet_free(packet);
    assert_int_equal(side->out.n, 0);
}

static void
move_hold(uint32_t options, uint32_t n)
{
    struct world w;
    struct mbox_msg msg;

    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  options, n);
    if (options & MBOX_OPT_PRECOPY) {
        command(&w.s, MBOX_MSG_EXPORT);
        progress(&w);
        expect(&w.s, MBOX_MSG_PRECOPY, &msg);
        assert_int_equal(msg.round, 1);
        assert_int_equal(msg.n_dirty, 0);
        expect_none(&w.s);
        assert_int_equal(checker_all_flows(&w.d.checker), n);

        /* Some change, and another begins. */
        for (uint32_t i = 0; i < n && i < 3; i++) {
            feed(&w, &w.s, i, NULL);
        }
        feed(&w, &w.s, n++, NULL);
    }

    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    expect_tracer(&w.s, 1);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 1);
    assert_int_equal(msg.n_packets, 0);

    /* A second tracer is answered too. */
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 2));
    expect_tracer(&w.s, 2);
    progress(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 2);
    expect_none(&w.s);

    uint32_t n_released = 0;
    for (;;) {
        assert_true(next_msg(&w.d, &msg));
        if (msg.type == MBOX_MSG_INSTALLED) {
            break;
        }
        assert_int_equal(msg.type, MBOX_MSG_RELEASE);
        if (msg.select == MBOX_SELECT_KEYS) {
            n_released += msg.n_keys;
        } else if (options & MBOX_OPT_PRECOPY
                   && options & MBOX_OPT_EARLY_RELEASE && !n_released
                   && msg.n_keys) {
            assert_int_equal(msg.n_keys, n <= 3 ? n : 4);
        } else {
            assert_int_equal(msg.n_keys, 0);
        }
    }
    /* What END releases with all the rest need not be named before. */
    assert_true(n_released <= (!(options & MBOX_OPT_EARLY_RELEASE) ? 0
                               : !(options & MBOX_OPT_PRECOPY) ? n
                               : n <= 3 ? n : 4));
    assert_int_equal(msg.n_flows, n);
    assert_int_equal(msg.n_gone, 0);
    assert_state_at(&w, &w.d, n);

    commit(&w, n);
    assert_state_at(&w, &w.d, n);
    assert_int_equal(checker_all_flows(&w.s.checker), 0);

    /* Hosts in the space moved, others were merged and stay. */
    struct mbox_key key = checker_key(0), host;
    mbox_key_reverse(&key, &key);
    for (int i = 0; n && i < 2; i++) {
        host = checker_host_key(&key);
        bool inside = host.src[12] == 10;
        uint32_t *at_s = checker_host(&w.s.checker.w[0], &host, false);
        uint32_t *at_d = checker_host(&w.d.checker.w[0], &host, false);

        (void) at_d;
        if (inside) {
            assert_null(at_s);
        }
        mbox_key_reverse(&key, &key);
    }
    assert_int_equal(w.d.checker.w[0].total, w.s.checker.w[0].total);
    world_uninit(&w);
}

static void
test_hold(void **state)
{
    (void) state;
    for (uint32_t options = 0; options < 4; options++) {
        for (int i = 0; i < 4; i++) {
            static const uint32_t n[] = { 0, 1, 3, 2000 };

            move_hold(options, n[i]);
            move_hold(options | MBOX_OPT_RELAY, n[i]);
        }
    }
}

/* Flows that end, during pre-copy and when frozen. */
static void
test_gone(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE, 10);
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect(&w.s, MBOX_MSG_PRECOPY, NULL);

    for (uint32_t i = 0; i < 2; i++) {
        struct mbox_key key = checker_key(i);

        checker_del(&w.s.checker, 0, &key);
        mb_tracker_mark(w.s.trackers[0], MBOX_STATE_PER_FLOW, &key);
        if (!i) {
            w.s.clock += 10 * 1000 * 1000;
            settle(&w);
            expect(&w.s, MBOX_MSG_PRECOPY, NULL);
            assert_int_equal(checker_all_flows(&w.d.checker), 9);
        }
    }
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    settle(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    expect(&w.d, MBOX_MSG_RELEASE, &msg);
    assert_int_equal(msg.select, MBOX_SELECT_ALL_EXCEPT);
    assert_int_equal(msg.n_keys, 1);
    expect(&w.d, MBOX_MSG_RELEASE, &msg);
    assert_int_equal(msg.n_keys, 0);
    expect(&w.d, MBOX_MSG_INSTALLED, &msg);
    assert_int_equal(msg.n_gone, 2);
    assert_int_equal(msg.n_flows, 8);
    assert_int_equal(checker_all_flows(&w.d.checker), 8);
    commit(&w, 8);
    world_uninit(&w);
}

/* Packets that reach a frozen source go back, once each, in order. */
static void
test_return(void **state)
{
    (void) state;
    for (int via_channel = 0; via_channel < 2; via_channel++) {
        struct world w;
        struct mbox_msg msg;

        world_init(&w);
        world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                      via_channel ? MBOX_OPT_VIA_CHANNEL : 0, 4);
        feed_tracer(&w.s, MBOX_TAG_TRACER, 1);
        expect_tracer(&w.s, 1);
        settle(&w);
        uint64_t processed = w.s.checker.processed;

        feed(&w, &w.s, 1, NULL);
        w.s.max_frame = CHECKER_FRAME;      /* Too short for the tag. */
        feed(&w, &w.s, 2, NULL);
        assert_int_equal(w.s.checker.processed, processed);
        assert_int_equal(w.s.env.returned, 2);
        expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
        if (via_channel) {
            expect(&w.s, MBOX_MSG_PACKET, &msg);
            assert_int_equal(msg.kind, MBOX_TAG_RETURNED);
            assert_int_equal(msg.seq, 1);
        } else {
            struct mb_packet *packet = mb_buffer_pop(&w.s.out);
            struct mbox_tag tag;

            assert_non_null(packet);
            assert_true(mbox_tag_peek(packet->data, packet->len, &tag));
            assert_int_equal(tag.kind, MBOX_TAG_RETURNED);
            assert_int_equal(tag.seq, 1);
            mb_packet_free(packet);
        }
        expect(&w.s, MBOX_MSG_PACKET, &msg);
        assert_int_equal(msg.seq, 2);
        assert_int_equal(msg.data_len, CHECKER_FRAME);
        assert_int_equal(w.s.out.n, 0);

        command(&w.s, MBOX_MSG_ABORT);
        command(&w.d, MBOX_MSG_ABORT);
        settle(&w);
        assert_null(w.s.t);
        assert_null(w.d.t);
        expect(&w.s, MBOX_MSG_ABORTED, &msg);
        assert_int_equal(msg.n_packets, 2);
        expect(&w.d, MBOX_MSG_RELEASE, NULL);
        expect(&w.d, MBOX_MSG_INSTALLED, NULL);
        expect(&w.d, MBOX_MSG_ABORTED, NULL);
        assert_int_equal(checker_all_flows(&w.d.checker), 0);
        assert_int_equal(checker_all_flows(&w.s.checker), 4);
        world_uninit(&w);
    }
}

/* Gives D the do-not-buffer packet 'seq', the next one of 'flow'. */
static void
give_dnb(struct world *w, bool via_channel, uint32_t flow, uint32_t seq)
{
    if (!via_channel) {
        const struct mbox_tag tag = {
            .kind = MBOX_TAG_DO_NOT_BUFFER, .id = ID, .seq = seq,
        };
        feed(w, &w->d, flow, &tag);
    } else {
        uint8_t frame[CHECKER_FRAME];
        struct mbox_msg msg;
        uint32_t number = ++w->next[flow];

        checker_frame(frame, flow, number, number % 2);
        mbox_msg_init(&msg, MBOX_MSG_PACKET, ID);
        msg.kind = MBOX_TAG_DO_NOT_BUFFER;
        msg.seq = seq;
        msg.data = frame;
        msg.data_len = sizeof frame;
        mb_transfer_recv(w->d.t, &msg);
    }
}

static void
give_last(struct world *w, bool via_channel, uint32_t seq)
{
    if (!via_channel) {
        assert_true(feed_tracer(&w->d, MBOX_TAG_LAST, seq));
    } else {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_PACKET, ID);
        msg.kind = MBOX_TAG_LAST;
        msg.seq = seq;
        mb_transfer_recv(w->d.t, &msg);
    }
}

static void
move_events(enum mbox_guarantee guarantee, bool via_channel)
{
    struct world w;
    struct mbox_msg msg;

    world_init(&w);
    world_prepare(&w, MBOX_METHOD_EVENTS, guarantee,
                  via_channel ? MBOX_OPT_VIA_CHANNEL : 0, 100);
    if (guarantee == MBOX_GUARANTEE_ORDER_PRESERVING) {
        command(&w.d, MBOX_MSG_BUFFER);
        expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    }
    command(&w.s, MBOX_MSG_RETURN);
    expect(&w.s, MBOX_MSG_RETURNING, NULL);
    feed(&w, &w.s, 0, NULL);
    feed(&w, &w.s, 1, NULL);
    w.next[0]--;                /* They come again, to D. */
    w.next[1]--;
    assert_int_equal(w.s.checker.processed, 100);

    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect(&w.d, MBOX_MSG_INSTALLED, &msg);
    assert_int_equal(msg.n_flows, 100);
    expect_none(&w.d);
    assert_int_equal(checker_all_flows(&w.d.checker), 100);

    if (guarantee == MBOX_GUARANTEE_NONE) {
        assert_int_equal(w.s.env.discarded, 2);
        assert_int_equal(w.s.out.n, 0);
        command(&w.s, MBOX_MSG_COMMIT);
        settle(&w);
        expect(&w.s, MBOX_MSG_COMMITTED, &msg);
        assert_int_equal(msg.n_discarded, 2);
        assert_int_equal(msg.n_flows, 100);
        world_uninit(&w);
        return;
    }

    for (uint32_t seq = 1; seq <= 2 && via_channel; seq++) {
        expect(&w.s, MBOX_MSG_PACKET, &msg);
        assert_int_equal(msg.seq, seq);
    }
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    expect(&w.s, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.n_packets, 2);

    if (guarantee == MBOX_GUARANTEE_ORDER_PRESERVING) {
        w.next[0]++;
        feed(&w, &w.d, 0, NULL);        /* Untagged ones wait. */
        feed(&w, &w.d, 200, NULL);
        assert_int_equal(w.d.checker.processed, 0);
        assert_int_equal(mb_transfer_n_buffered(w.d.t), 2);
        w.next[0] -= 2;
    }

    /* The first is lost: what follows is not processed before it. */
    give_dnb(&w, via_channel, 1, 2);
    w.next[1]--;
    assert_int_equal(w.d.checker.processed, 0);
    give_last(&w, via_channel, 2);
    settle(&w);
    expect(&w.d, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 2);
    assert_int_equal(msg.n_packets, 0);

    give_dnb(&w, via_channel, 0, 1);
    give_dnb(&w, via_channel, 1, 2);
    assert_int_equal(w.d.checker.processed, 2);
    give_dnb(&w, via_channel, 1, 2);    /* A repetition is dropped. */
    w.next[1]--;
    assert_int_equal(w.d.checker.processed, 2);
    give_last(&w, via_channel, 2);
    settle(&w);
    expect(&w.d, MBOX_MSG_FLUSHED, &msg);
    assert_int_equal(msg.n_packets, 2);
    uint32_t n_buffered = (guarantee == MBOX_GUARANTEE_ORDER_PRESERVING
                           ? 2 : 0);
    assert_int_equal(msg.n_buffered, n_buffered);
    assert_int_equal(w.d.env.replayed, 2 + n_buffered);
    w.next[0] += n_buffered / 2;

    give_last(&w, via_channel, 2);
    expect(&w.d, MBOX_MSG_FLUSHED, NULL);
    feed(&w, &w.d, 0, NULL);
    assert_int_equal(w.d.checker.processed, 3 + n_buffered);
    assert_int_equal(w.d.checker.lost, 0);
    assert_int_equal(w.d.checker.repeated, 0);
    commit(&w, 100);
    assert_int_equal(checker_all_flows(&w.s.checker), 0);
    world_uninit(&w);
}

static void
test_events(void **state)
{
    (void) state;
    for (int via_channel = 0; via_channel < 2; via_channel++) {
        move_events(MBOX_GUARANTEE_ORDER_PRESERVING, via_channel);
        move_events(MBOX_GUARANTEE_LOSS_FREE, via_channel);
        move_events(MBOX_GUARANTEE_NONE, via_channel);
    }
}

/* Abort returns what was buffered, in order, and then what comes until the
 * answer. */
static void
test_abort_buffered(void **state)
{
    (void) state;
    for (int via_channel = 0; via_channel < 2; via_channel++) {
        struct world w;
        struct mbox_msg msg;

        world_init(&w);
        world_prepare(&w, MBOX_METHOD_EVENTS, MBOX_GUARANTEE_ORDER_PRESERVING,
                      via_channel ? MBOX_OPT_VIA_CHANNEL : 0, 10);
        command(&w.d, MBOX_MSG_BUFFER);
        expect(&w.d, MBOX_MSG_BUFFERING, NULL);
        for (uint32_t i = 0; i < 100; i++) {
            feed(&w, &w.d, i % 10, NULL);
        }
        command(&w.d, MBOX_MSG_ABORT);
        feed(&w, &w.d, 10, NULL);
        settle(&w);
        assert_null(w.d.t);
        for (uint32_t i = 0; i < 101; i++) {
            if (via_channel) {
                expect(&w.d, MBOX_MSG_PACKET, &msg);
                assert_int_equal(msg.seq, i + 1);
            } else {
                struct mb_packet *packet = mb_buffer_pop(&w.d.out);
                struct mbox_tag tag;

                assert_non_null(packet);
                assert_true(mbox_tag_peek(packet->data, packet->len, &tag));
                assert_int_equal(tag.kind, MBOX_TAG_RETURNED);
                assert_int_equal(tag.seq, i + 1);
                mb_packet_free(packet);
            }
        }
        expect(&w.d, MBOX_MSG_ABORTED, &msg);
        assert_int_equal(msg.n_packets, 101);
        assert_int_equal(w.d.checker.processed, 0);
        world_uninit(&w);
    }
}

/* Do-not-buffer packets that overtake a lost one wait for it, up to a limit;
 * tracers are answered with how many were processed. */
static void
test_dnb_order(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_EVENTS, 0);

    /* Number 1 is lost, and what is more than 128 behind the last one
     * processed is not kept. */
    w.next[0] = 1;
    for (uint32_t seq = 2; seq <= 200; seq++) {
        give_dnb(&w, false, 0, seq);
        if (seq % 10 == 0) {            /* Repeated. */
            w.next[0]--;
            give_dnb(&w, false, 0, seq);
        }
    }
    assert_int_equal(w.d.checker.processed, 0);
    assert_true(feed_tracer(&w.d, MBOX_TAG_TRACER, 9));
    expect(&w.d, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 9);
    assert_int_equal(msg.n_packets, 0);

    w.next[0] = 0;
    give_dnb(&w, false, 0, 1);
    assert_int_equal(w.d.checker.processed, 128);
    mbox_msg_init(&msg, MBOX_MSG_PACKET, ID);
    msg.kind = MBOX_TAG_TRACER;
    msg.seq = 10;
    mb_transfer_recv(w.d.t, &msg);
    expect(&w.d, MBOX_MSG_TRACER_SEEN, &msg);
    assert_int_equal(msg.seq, 10);
    assert_int_equal(msg.n_packets, 128);

    for (uint32_t seq = 129; seq <= 200; seq++) {
        w.next[0] = seq - 1;
        give_dnb(&w, false, 0, seq);
    }
    give_dnb(&w, false, 0, 300);        /* Kept, and freed in the end. */
    w.next[0] = 200;
    assert_state_at(&w, &w.d, 1);
    world_uninit(&w);
}

/* COMMIT may come to D before everything is there: the source died. */
static void
test_early_commit(void **state)
{
    struct world w;

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_PRECOPY, 10);
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    mb_transfer_destroy(w.s.t);
    w.s.t = NULL;
    settle(&w);
    expect(&w.d, MBOX_MSG_ERROR, NULL);
    command(&w.d, MBOX_MSG_COMMIT);
    settle(&w);
    expect(&w.d, MBOX_MSG_COMMITTED, NULL);
    assert_null(w.d.t);
    assert_int_equal(checker_all_flows(&w.d.checker), 10);
    world_uninit(&w);
}

/* Replay ends although bursts keep coming while it lasts. */
static void
test_replay_under_load(void **state)
{
    struct world w;
    unsigned int n_slices = 0;

    (void) state;
    world_init(&w);
    lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_EVENTS, 0);
    command(&w.d, MBOX_MSG_BUFFER);
    expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    for (uint32_t i = 0; i < 500; i++) {
        feed(&w, &w.d, i % 10, NULL);
    }
    give_last(&w, false, 0);
    while (mb_transfer_n_buffered(w.d.t)) {
        for (uint32_t i = 0; i < 2 * MB_BURST; i++) {
            feed(&w, &w.d, i % 10, NULL);
        }
        mb_transfer_run(w.d.t, w.d.clock);      /* No time at all. */
        assert_true(++n_slices < 100);
    }
    expect(&w.d, MBOX_MSG_FLUSHED, NULL);
    assert_state_at(&w, &w.d, 10);
    world_uninit(&w);
}

static void
test_buffer_limit(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    w.d.env.buffer_limit = 10 * CHECKER_FRAME;
    lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_EVENTS, 0);
    command(&w.d, MBOX_MSG_BUFFER);
    expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    for (uint32_t i = 0; i < 10; i++) {
        feed(&w, &w.d, i, NULL);
    }
    expect_none(&w.d);
    feed(&w, &w.d, 10, NULL);
    expect(&w.d, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, ENOBUFS);
    feed(&w, &w.d, 11, NULL);
    expect_none(&w.d);
    command(&w.d, MBOX_MSG_ABORT);
    settle(&w);
    expect(&w.d, MBOX_MSG_ABORTED, NULL);
    assert_int_equal(w.d.out.n, 12);        /* Nothing was dropped. */
    assert_int_equal(w.d.env.discarded, 0);
    world_uninit(&w);
}

static void
test_copy(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_COPY, MBOX_GUARANTEE_NONE, 0, 500);
    assert_false(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    command(&w.s, MBOX_MSG_EXPORT);
    for (uint32_t i = 0; i < 500; i++) {
        feed(&w, &w.s, i, NULL);        /* S goes on. */
        mb_transfer_run(w.s.t, w.s.clock + 1);
    }
    settle(&w);
    expect_none(&w.s);
    expect(&w.d, MBOX_MSG_INSTALLED, &msg);
    assert_int_equal(msg.n_flows, 500);
    assert_int_equal(checker_all_flows(&w.d.checker), 500);
    commit(&w, 0);
    assert_state_at(&w, &w.s, 500);
    assert_int_equal(w.s.env.returned, 0);
    world_uninit(&w);
}

/* The coordinator decides that only some flows moved. */
static void
test_split(void **state)
{
    struct world w;
    struct mbox_msg msg;
    struct mbox_key keys[3];

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_EARLY_RELEASE, 10);
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    settle(&w);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    do {
        assert_true(next_msg(&w.d, &msg));
    } while (msg.type != MBOX_MSG_INSTALLED);

    struct mbox_writer frame;
    mbox_writer_init(&frame, 65536);
    mbox_msg_init(&msg, MBOX_MSG_COMMIT, ID);
    msg.select = MBOX_SELECT_KEYS;
    msg.n_keys = 3;
    for (uint32_t i = 0; i < 3; i++) {
        keys[i] = checker_key(i);
    }
    mbox_msg_encode(&msg, keys, &frame);
    assert_int_equal(mbox_msg_decode(frame.data, frame.len, &msg), 0);
    mb_transfer_recv(w.s.t, &msg);
    mb_transfer_recv(w.d.t, &msg);
    mbox_writer_uninit(&frame);
    settle(&w);
    expect(&w.s, MBOX_MSG_COMMITTED, &msg);
    assert_int_equal(msg.n_flows, 3);
    expect(&w.d, MBOX_MSG_COMMITTED, &msg);
    assert_int_equal(checker_all_flows(&w.s.checker), 7);
    assert_int_equal(checker_all_flows(&w.d.checker), 3);
    for (uint32_t i = 0; i < 10; i++) {
        struct mbox_key key = checker_key(i);

        assert_int_equal(checker_flow(&w.s.checker.w[0], &key, false) != NULL,
                         i >= 3);
        assert_int_equal(checker_flow(&w.d.checker.w[0], &key, false) != NULL,
                         i < 3);
    }
    world_uninit(&w);
}

/* Gives 'side' the coordinator's answer about a transfer in doubt. */
static void
resolve(struct side *side, bool commit, enum mbox_select select,
        const struct mbox_key *keys, uint32_t n)
{
    struct mbox_writer frame;
    struct mbox_msg msg;

    mbox_writer_init(&frame, 65536);
    mbox_msg_init(&msg, MBOX_MSG_RESOLVE, ID);
    msg.code = commit ? 0 : ECANCELED;
    msg.select = select;
    msg.n_keys = n;
    mbox_msg_encode(&msg, keys, &frame);
    assert_int_equal(mbox_msg_decode(frame.data, frame.len, &msg), 0);
    mb_transfer_resolve(side->t, &msg);
    mbox_writer_uninit(&frame);
}

/* Returns the number of keys with which 'side' asks. */
static uint32_t
ask(struct side *side, enum mbox_select select)
{
    struct mbox_msg msg;
    struct mb_keys keys;

    mb_keys_init(&keys);
    assert_true(mb_transfer_get_open(side->t, &msg, &keys));
    assert_int_equal(msg.type, MBOX_MSG_OPEN);
    assert_int_equal(msg.id, ID);
    assert_int_equal(msg.role, side->t->role);
    assert_int_equal(msg.select, select);

    uint32_t n = keys.n;
    mb_keys_uninit(&keys);
    return n;
}

/* Both lose the coordinator after the freeze: D gets the rest of the state
 * from S nevertheless, and S keeps what comes until it is told.  Then all have
 * moved, or some, or none. */
static void
test_doubt(void **state)
{
    (void) state;
    for (int i = 0; i < 3; i++) {
        struct mbox_key keys[50];
        struct world w;

        world_init(&w);
        world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                      MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE, 50);
        command(&w.s, MBOX_MSG_EXPORT);
        settle(&w);
        for (uint32_t j = 0; j < 20; j++) {
            feed(&w, &w.s, j, NULL);
        }
        assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
        while (mb_transfer_wake(w.s.t) != MB_NEVER) {
            mb_transfer_run(w.s.t, w.s.clock + MB_SLICE_NS);
        }
        while (!w.d.t->destination->frozen) {
            mb_transfer_run(w.d.t, w.d.clock + 1);
        }
        mb_transfer_disconnected(w.s.t);
        mb_transfer_disconnected(w.d.t);
        settle(&w);
        assert_non_null(w.s.t);
        assert_non_null(w.d.t);
        assert_int_equal(ask(&w.s, MBOX_SELECT_KEYS), 0);
        assert_int_equal(ask(&w.d, MBOX_SELECT_ALL_EXCEPT), 0);

        uint64_t before = w.s.checker.processed;
        if (i) {
            feed(&w, &w.s, 49, NULL);
            feed(&w, &w.s, 49, NULL);
        }
        assert_int_equal(w.s.checker.processed, before);
        for (uint32_t j = 0; j < 50; j++) {
            keys[j] = checker_key(j);
        }

        uint32_t n = i == 0 ? 50 : i == 1 ? 30 : 0;     /* Moved. */
        resolve(&w.s, n, n < 50 ? MBOX_SELECT_KEYS : MBOX_SELECT_ALL_EXCEPT,
                keys, n % 50);
        resolve(&w.d, n, n < 50 ? MBOX_SELECT_KEYS : MBOX_SELECT_ALL_EXCEPT,
                keys, n % 50);
        settle(&w);
        assert_null(w.s.t);
        assert_null(w.d.t);
        assert_int_equal(w.s.checker.processed, before + (i ? 2 : 0));
        for (uint32_t j = 0; j < 50; j++) {
            struct side *side = j < n ? &w.d : &w.s;
            struct side *other = j < n ? &w.s : &w.d;
            const struct checker_flow *flow
                = checker_flow(&side->checker.w[0], &keys[j], false);

            assert_non_null(flow);
            assert_int_equal(flow->last, w.next[j]);
            assert_null(checker_flow(&other->checker.w[0], &keys[j], false));
            feed(&w, side, j, NULL);
        }
        assert_int_equal(w.s.checker.lost + w.d.checker.lost, 0);
        world_uninit(&w);
    }
}

/* The source dies, too: D says which flows it has got. */
static void
test_doubt_without_source(void **state)
{
    (void) state;
    for (int i = 0; i < 20; i++) {
        struct world w;

        world_init(&w);
        world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                      MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE, 50);
        command(&w.s, MBOX_MSG_EXPORT);
        settle(&w);
        for (uint32_t j = 0; j < 20; j++) {
            feed(&w, &w.s, j, NULL);
        }
        assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
        while (!w.d.t->destination->frozen) {
            mb_transfer_run(w.s.t, w.s.clock + 1);
            mb_transfer_run(w.d.t, w.d.clock + 1);
        }
        mb_transfer_disconnected(w.d.t);
        mb_transfer_destroy(w.s.t);
        w.s.t = NULL;
        settle(&w);

        assert_true(ask(&w.d, MBOX_SELECT_ALL_EXCEPT) <= 20);
        resolve(&w.d, true, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
        settle(&w);
        assert_null(w.d.t);
        assert_int_equal(checker_all_flows(&w.d.checker), 50);
        world_uninit(&w);
    }
}

/* At whichever step a transfer ends early, by ABORT or by the end of the
 * coordinator's connection, the state is whole at the source, and nowhere else
 * unless it was released. */
static void
test_end_at_each_step(void **state)
{
    (void) state;
    for (int step = 0; step < 5; step++) {
        for (int lost = 0; lost < 2; lost++) {
            struct world w;

            world_init(&w);
            world_prepare(&w, MBOX_METHOD_HOLD,
                          MBOX_GUARANTEE_ORDER_PRESERVING,
                          MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE, 50);
            if (step >= 1) {
                command(&w.s, MBOX_MSG_EXPORT);
                mb_transfer_run(w.s.t, w.s.clock + 1);
                mb_transfer_run(w.d.t, w.d.clock + 1);
            }
            if (step >= 2) {
                settle(&w);
            }
            if (step >= 3) {
                feed(&w, &w.s, 7, NULL);
                assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
            }
            if (step >= 4) {
                settle(&w);
            }
            if (lost) {
                mb_transfer_disconnected(w.s.t);
                mb_transfer_disconnected(w.d.t);
                settle(&w);
                assert_int_equal(w.s.t != NULL, step >= 3);
                assert_int_equal(w.d.t != NULL, step >= 4);
                if (w.s.t) {
                    resolve(&w.s, false, MBOX_SELECT_KEYS, NULL, 0);
                }
                if (w.d.t) {
                    resolve(&w.d, false, MBOX_SELECT_KEYS, NULL, 0);
                }
            } else {
                command(&w.s, MBOX_MSG_ABORT);
                command(&w.d, MBOX_MSG_ABORT);
            }
            settle(&w);
            assert_null(w.s.t);
            assert_null(w.d.t);
            assert_state_at(&w, &w.s, 50);
            assert_int_equal(checker_all_flows(&w.d.checker), 0);
            feed(&w, &w.s, 7, NULL);
            assert_state_at(&w, &w.s, 50);
            world_uninit(&w);
        }
    }
}

/* At whichever step the state channel is cut, both say so, once. */
static void
test_cut_channel(void **state)
{
    (void) state;
    for (int step = 0; step < 3; step++) {
        for (int side_nr = 0; side_nr < 2; side_nr++) {
            struct world w;
            struct mbox_msg msg;
            struct side *side = side_nr ? &w.d : &w.s;

            world_init(&w);
            for (uint32_t i = 0; i < 2000; i++) {
                feed(&w, &w.s, i, NULL);
            }
            lone_prepare(&w, side, (side_nr ? MBOX_ROLE_DESTINATION
                                    : MBOX_ROLE_SOURCE),
                         MBOX_METHOD_HOLD, MBOX_OPT_PRECOPY);
            if (step == 1 && !side_nr) {
                command(side, MBOX_MSG_EXPORT);
                mb_transfer_run(side->t, side->clock + 1);
            } else if (step == 1) {
                mbox_msg_init(&msg, MBOX_MSG_STREAM, ID);
                strcpy(msg.class_name, "checker");
                msg.schema = 9;
                msg.epoch = EPOCH;
                assert_int_equal(mbox_channel_send(w.peer, &msg, NULL, -1), 0);
                mbox_channel_flush(w.peer);
                settle(&w);
            } else if (step == 2 && !side_nr) {
                assert_true(feed_tracer(side, MBOX_TAG_TRACER, 1));
                expect(side, MBOX_MSG_TRACER_SEEN, NULL);
            }
            mbox_channel_close(w.peer);
            w.peer = NULL;
            settle(&w);
            expect(side, MBOX_MSG_ERROR, &msg);
            assert_string_not_equal(msg.text, "");
            expect_none(side);
            assert_int_equal(mb_transfer_wake(side->t), MB_NEVER);

            /* Frozen it stays until the coordinator says. */
            uint64_t processed = w.s.checker.processed;
            feed(&w, side, 0, NULL);
            assert_int_equal(w.s.checker.processed,
                             processed + (!side_nr && step < 2));
            command(side, MBOX_MSG_ABORT);
            settle(&w);
            expect(side, MBOX_MSG_ABORTED, NULL);
            assert_null(side->t);
            world_uninit(&w);
        }
    }
}

static void
send_peer(struct world *w, const struct mbox_msg *msg,
          const struct mbox_key *keys)
{
    assert_int_equal(mbox_channel_send(w->peer, msg, keys, -1), 0);
    assert_int_equal(mbox_channel_flush(w->peer), 0);
    settle(w);
}

static void
send_stream(struct world *w)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_STREAM, ID);
    strcpy(msg.class_name, "checker");
    msg.schema = 9;
    msg.epoch = EPOCH;
    send_peer(w, &msg, NULL);
}

/* S dies before it has sent everything: D says so, and goes on when the
 * coordinator does, with what it has. */
static void
test_salvage(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_EVENTS, 0);
    command(&w.d, MBOX_MSG_BUFFER);
    expect(&w.d, MBOX_MSG_BUFFERING, NULL);
    send_stream(&w);
    mbox_channel_close(w.peer);
    w.peer = NULL;
    settle(&w);
    expect(&w.d, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, ECONNRESET);

    give_dnb(&w, false, 0, 1);
    feed(&w, &w.d, 0, NULL);
    feed(&w, &w.d, 0, NULL);
    assert_int_equal(w.d.checker.processed, 1);
    give_last(&w, false, 1);
    settle(&w);
    expect(&w.d, MBOX_MSG_FLUSHED, &msg);
    assert_int_equal(msg.n_packets, 1);
    assert_int_equal(msg.n_buffered, 2);
    feed(&w, &w.d, 0, NULL);

    /* One that the coordinator did not expect any more. */
    give_dnb(&w, false, 1, 2);
    give_dnb(&w, false, 1, 2);
    assert_int_equal(w.d.checker.processed, 5);
    assert_int_equal(w.d.checker.lost, 0);
    command(&w.d, MBOX_MSG_COMMIT);
    settle(&w);
    expect(&w.d, MBOX_MSG_COMMITTED, NULL);
    assert_null(w.d.t);
    world_uninit(&w);
}

/* Shares of one state are added, but not to those of an earlier copy. */
static void
test_repeated_copy(void **state)
{
    struct world w;
    struct mbox_key flow_key = checker_key(1);
    struct mbox_key host = checker_host_key(&flow_key);

    (void) state;
    world_init(&w);
    for (int i = 0; i < 3; i++) {
        struct mbox_msg msg;
        uint32_t n = 10 + i;

        lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_COPY, 0);
        send_stream(&w);
        for (uint32_t seq = 1; seq <= 2; seq++) {
            mbox_msg_init(&msg, MBOX_MSG_CHUNK, ID);
            msg.scope = MBOX_SCOPE_MULTI_FLOW;
            msg.seq = seq;
            msg.data = &n;
            msg.data_len = sizeof n;
            msg.crc = mbox_msg_crc(&n, sizeof n);
            msg.merge = true;
            msg.n_keys = 1;
            send_peer(&w, &msg, &host);
        }
        assert_int_equal(*checker_host(&w.d.checker.w[0], &host, false),
                         2 * n);
        mbox_msg_init(&msg, MBOX_MSG_END, ID);
        msg.n_chunks = 2;
        msg.n_bytes = 2 * sizeof n;
        send_peer(&w, &msg, NULL);
        expect(&w.d, MBOX_MSG_INSTALLED, NULL);
        command(&w.d, MBOX_MSG_COMMIT);
        settle(&w);
        expect(&w.d, MBOX_MSG_COMMITTED, NULL);
        mbox_channel_close(w.peer);
        w.peer = NULL;
    }
    world_uninit(&w);
}

enum bad {
    BAD_CLASS, BAD_SCHEMA, BAD_EPOCH, BAD_ORDER, BAD_CRC, BAD_SEQ, BAD_SCOPE,
    BAD_SPACE, BAD_COUNTS, BAD_PUT, BAD_TWICE, BAD_TYPE, BAD_GARBAGE,
    BAD_DATA, N_BAD
};

/* Whatever a source sends, D refuses it and imports nothing of it. */
static void
test_bad_state(void **state)
{
    (void) state;
    for (enum bad bad = 0; bad < N_BAD; bad++) {
        struct world w;
        struct mbox_msg msg;
        struct checker_flow flow = { .exists = true, .last = 1 };
        struct mbox_key key = checker_key(1);

        if (bad == BAD_SPACE) {
            key.src[12] ^= 1;
            key.dst[12] ^= 1;
        }
        world_init(&w);
        lone_prepare(&w, &w.d, MBOX_ROLE_DESTINATION, MBOX_METHOD_HOLD, 0);
        if (bad == BAD_PUT) {
            w.d.checker.put_error = -ENOSPC;
        }

        if (bad == BAD_GARBAGE) {
            uint8_t garbage[64];

            memset(garbage, 0xff, sizeof garbage);
            struct pollfd pfd;
            mbox_channel_wait(w.peer, &pfd);
            assert_int_equal(write(pfd.fd, garbage, sizeof garbage),
                             sizeof garbage);
            settle(&w);
        }
        if (bad != BAD_ORDER && bad != BAD_GARBAGE) {
            mbox_msg_init(&msg, MBOX_MSG_STREAM, ID);
            strcpy(msg.class_name, bad == BAD_CLASS ? "other" : "checker");
            msg.schema = bad == BAD_SCHEMA ? 10 : 9;
            msg.epoch = bad == BAD_EPOCH ? 1 : EPOCH;
            send_peer(&w, &msg, NULL);
            if (bad == BAD_TWICE) {
                send_peer(&w, &msg, NULL);
            }
        }
        if (bad > BAD_EPOCH && bad < BAD_TWICE && bad != BAD_COUNTS) {
            mbox_msg_init(&msg, MBOX_MSG_CHUNK, ID);
            msg.scope = (bad == BAD_SCOPE ? MBOX_SCOPE_CONFIG
                         : MBOX_SCOPE_PER_FLOW);
            msg.seq = bad == BAD_SEQ ? 2 : 1;
            msg.data = &flow;
            msg.data_len = sizeof flow;
            msg.crc = mbox_msg_crc(&flow, sizeof flow) ^ (bad == BAD_CRC);
            msg.n_keys = bad != BAD_SCOPE;
            send_peer(&w, &msg, &key);
        } else if (bad == BAD_COUNTS) {
            mbox_msg_init(&msg, MBOX_MSG_END, ID);
            msg.n_chunks = 1;
            send_peer(&w, &msg, NULL);
        } else if (bad == BAD_TYPE) {
            mbox_msg_init(&msg, MBOX_MSG_HELLO, ID);
            strcpy(msg.name, "x");
            strcpy(msg.class_name, "x");
            send_peer(&w, &msg, NULL);
        } else if (bad == BAD_DATA) {
            mbox_msg_init(&msg, MBOX_MSG_CHUNK, ID);
            msg.scope = MBOX_SCOPE_PER_FLOW;
            msg.seq = 1;
            msg.data = &flow;
            msg.data_len = 3;
            msg.crc = mbox_msg_crc(&flow, 3);
            msg.n_keys = 1;
            send_peer(&w, &msg, &key);
        }
        if (!next_msg(&w.d, &msg)) {
            fail_msg("bad state %d was accepted", bad);
        }
        assert_int_equal(msg.type, MBOX_MSG_ERROR);
        assert_int_not_equal(msg.code, 0);
        assert_int_equal(checker_all_flows(&w.d.checker), 0);
        expect_none(&w.d);
        command(&w.d, MBOX_MSG_ABORT);
        settle(&w);
        expect(&w.d, MBOX_MSG_ABORTED, NULL);
        world_uninit(&w);
    }
}

/* Messages without a place fail the transfer, and no more. */
static void
test_unexpected(void **state)
{
    static const enum mbox_msg_type for_source[] = {
        MBOX_MSG_BUFFER, MBOX_MSG_COMMIT, MBOX_MSG_RETURN, MBOX_MSG_PREPARED,
        MBOX_MSG_INSTALLED, MBOX_MSG_RELAY, MBOX_MSG_PACKET,
    };
    static const enum mbox_msg_type for_destination[] = {
        MBOX_MSG_BUFFER, MBOX_MSG_PREPARED, MBOX_MSG_RETURN, MBOX_MSG_EXPORT,
        MBOX_MSG_INSTALLED, MBOX_MSG_RELAY, MBOX_MSG_PACKET,
    };

    (void) state;
    for (size_t i = 0; i < 14; i++) {
        bool source = i < 7;
        struct world w;
        struct side *side = source ? &w.s : &w.d;
        struct mbox_msg msg;

        world_init(&w);
        lone_prepare(&w, side, (source ? MBOX_ROLE_SOURCE
                                : MBOX_ROLE_DESTINATION),
                     MBOX_METHOD_HOLD, 0);
        command(side, source ? for_source[i] : for_destination[i - 7]);
        settle(&w);
        expect(side, MBOX_MSG_ERROR, &msg);
        assert_int_equal(msg.code, EPROTO);
        expect_none(side);
        command(side, MBOX_MSG_ABORT);
        settle(&w);
        expect(side, MBOX_MSG_ABORTED, NULL);
        world_uninit(&w);
    }
}

static void
test_get_fails(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    world_prepare(&w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  MBOX_OPT_PRECOPY, 3);
    w.s.checker.get_error = -EIO;
    command(&w.s, MBOX_MSG_EXPORT);
    settle(&w);
    expect(&w.s, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, EIO);
    assert_non_null(strstr(msg.text, "10.0.0."));
    world_uninit(&w);
}

static void
test_prepare_refused(void **state)
{
    struct world w;
    struct mbox_msg msg;

    (void) state;
    world_init(&w);
    assert_null(prepare(&w.s, MBOX_ROLE_SOURCE, MBOX_METHOD_HOLD,
                        MBOX_GUARANTEE_LOSS_FREE, 0, 0, -1));
    expect(&w.s, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, EINVAL);

    /* The same again, and one that overlaps. */
    struct mb_transfer *first = prepare(&w.s, MBOX_ROLE_SOURCE,
                                        MBOX_METHOD_HOLD,
                                        MBOX_GUARANTEE_LOSS_FREE,
                                        MBOX_OPT_RELAY, 0, -1);
    assert_non_null(first);
    expect(&w.s, MBOX_MSG_PREPARED, NULL);
    mbox_msg_init(&msg, MBOX_MSG_PREPARE, ID);
    msg.role = MBOX_ROLE_DESTINATION;
    msg.method = MBOX_METHOD_HOLD;
    msg.options = MBOX_OPT_RELAY;
    msg.space = checker_space(4);
    assert_null(mb_transfer_create(&w.s.env, &msg, -1, first));
    expect(&w.s, MBOX_MSG_ERROR, &msg);
    assert_int_equal(msg.code, EEXIST);
    mbox_msg_init(&msg, MBOX_MSG_PREPARE, ID + 1);
    msg.role = MBOX_ROLE_DESTINATION;
    msg.method = MBOX_METHOD_HOLD;
    msg.options = MBOX_OPT_RELAY;
    msg.space = checker_space(4);
    assert_null(mb_transfer_create(&w.s.env, &msg, -1, first));
    assert_true(next_msg(&w.s, &msg));
    assert_int_equal(msg.id, ID + 1);
    assert_int_equal(msg.code, EBUSY);
    world_uninit(&w);
}

/* Random messages and tags in random order never do worse than fail. */
static void
test_random_commands(void **state)
{
    static const enum mbox_msg_type types[] = {
        MBOX_MSG_EXPORT, MBOX_MSG_RETURN, MBOX_MSG_BUFFER, MBOX_MSG_COMMIT,
        MBOX_MSG_PACKET, MBOX_MSG_RELAY, MBOX_MSG_ERROR,
    };

    (void) state;
    for (int i = 0; i < 2000; i++) {
        struct world w;

        world_init(&w);
        world_prepare(&w, 1 + test_random_range(3), 1 + test_random_range(3),
                      test_random_range(8), test_random_range(20));
        for (int j = 0; j < 12; j++) {
            struct side *side = test_random_range(2) ? &w.s : &w.d;

            if (!side->t) {
                continue;
            }
            switch (test_random_range(5)) {
            case 0:
                command(side, types[test_random_range(7)]);
                break;
            case 1:
                feed_tracer(side, 1 + test_random_range(5),
                            test_random_range(3));
                break;
            case 2:
                feed(&w, side, test_random_range(30), NULL);
                break;
            case 3:
                mb_transfer_run(side->t, side->clock + 1);
                break;
            case 4:
                settle(&w);
                break;
            }
        }
        for (int j = 0; j < 2; j++) {
            struct side *side = j ? &w.s : &w.d;

            if (side->t && test_random_range(2)) {
                command(side, MBOX_MSG_ABORT);
            } else if (side->t) {
                mb_transfer_disconnected(side->t);
            }
        }
        settle(&w);
        for (int j = 0; j < 2; j++) {
            struct side *side = j ? &w.s : &w.d;

            if (side->t) {
                resolve(side, test_random_range(2), MBOX_SELECT_ALL_EXCEPT,
                        NULL, 0);
            }
        }
        settle(&w);
        assert_null(w.s.t);
        assert_null(w.d.t);
        world_uninit(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_return),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_abort_buffered),
        cmocka_unit_test(test_dnb_order),
        cmocka_unit_test(test_early_commit),
        cmocka_unit_test(test_replay_under_load),
        cmocka_unit_test(test_buffer_limit),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_doubt_without_source),
        cmocka_unit_test(test_end_at_each_step),
        cmocka_unit_test(test_cut_channel),
        cmocka_unit_test(test_salvage),
        cmocka_unit_test(test_repeated_copy),
        cmocka_unit_test(test_bad_state),
        cmocka_unit_test(test_unexpected),
        cmocka_unit_test(test_get_fails),
        cmocka_unit_test(test_prepare_refused),
        cmocka_unit_test(test_random_commands),
    };

    return cmocka_run_group_tests_name("libmbox transfer", tests, NULL, NULL);
}
