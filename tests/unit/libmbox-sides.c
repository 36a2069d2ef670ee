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

#include "libmbox-sides.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

void
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
    side->env.pending = side->pending;
    strcpy(side->env.name, name);
    strcpy(side->env.class_name, "checker");
    side->env.schema = 9;
    side->env.buffer_limit = 1000 * CHECKER_FRAME;
    side->max_frame = 1514;
    mbox_writer_init(&side->control, 64 * 1024 * 1024);
    mb_buffer_init(&side->out, SIZE_MAX / 2);
}

void
side_uninit(struct side *side)
{
    mb_transfer_destroy(side->t);
    assert_null(side->trackers[0]);
    assert_null(side->pending[0]);
    mb_copied_destroy(&side->env.copied);
    mbox_writer_uninit(&side->control);
    mb_buffer_uninit(&side->out);
    checker_uninit(&side->checker);
}

void
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

bool
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

bool
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

void
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

void
expect_none(struct side *side)
{
    struct mbox_msg msg;

    if (next_msg(side, &msg)) {
        fail_msg("unexpected %s (%s)", mbox_msg_type_to_string(msg.type),
                 msg.text);
    }
}

void
command(struct side *side, enum mbox_msg_type type)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, ID);
    msg.select = MBOX_SELECT_ALL_EXCEPT;
    mb_transfer_recv(side->t, &msg);
}

void
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

void
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

void
progress(struct world *w)
{
    if (w->s.t && w->s.t->options & MBOX_OPT_RELAY) {
        relay(w);
    } else {
        settle(w);
    }
}

struct mb_transfer *
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
    if (side->output) {
        strcpy(msg.output, side->output);
    }
    side->t = mb_transfer_create(&side->env, &msg, fd, NULL);
    return side->t;
}

void
world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    side_init(&w->s, "s");
    side_init(&w->d, "d");
}

void
world_uninit(struct world *w)
{
    side_uninit(&w->s);
    side_uninit(&w->d);
    if (w->peer) {
        mbox_channel_close(w->peer);
    }
}

void
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

void
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

void
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

void
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

void
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

void
send_peer(struct world *w, const struct mbox_msg *msg,
          const struct mbox_key *keys)
{
    assert_int_equal(mbox_channel_send(w->peer, msg, keys, -1), 0);
    assert_int_equal(mbox_channel_flush(w->peer), 0);
    settle(w);
}

void
send_stream(struct world *w)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_STREAM, ID);
    strcpy(msg.class_name, "checker");
    msg.schema = 9;
    msg.epoch = EPOCH;
    send_peer(w, &msg, NULL);
}

void
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

void
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

void
resolve_part(struct side *side, bool commit, enum mbox_select select,
             const struct mbox_key *keys, uint32_t n, bool more)
{
    struct mbox_writer frame;
    struct mbox_msg msg;

    mbox_writer_init(&frame, 65536);
    mbox_msg_init(&msg, MBOX_MSG_RESOLVE, ID);
    msg.code = commit ? 0 : ECANCELED;
    msg.select = select;
    msg.n_keys = n;
    msg.more = more;
    mbox_msg_encode(&msg, keys, &frame);
    assert_int_equal(mbox_msg_decode(frame.data, frame.len, &msg), 0);
    mb_transfer_resolve(side->t, &msg);
    mbox_writer_uninit(&frame);
}

void
resolve(struct side *side, bool commit, enum mbox_select select,
        const struct mbox_key *keys, uint32_t n)
{
    resolve_part(side, commit, select, keys, n, false);
}
