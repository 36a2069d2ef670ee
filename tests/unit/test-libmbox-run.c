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

/* Whole instances in threads of their own, between which flows move while
 * numbered packets run through them.  The test is the switch and the
 * coordinator. */

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libmbox-memory.h"
#include "libmbox-world.h"

#define EPOCH 123

/* The world: two instances, and a switch and coordinator. */

enum { AT_SOURCE, HELD, AT_DESTINATION };

struct world {
    char dir[32];
    char address[64];
    struct mbox_listener *listener;
    struct mbox_channel *channels[2];
    struct checker checkers[2];
    struct mbox *mboxes[2];
    pthread_t threads[2];

    uint32_t n_flows;
    uint32_t *next;             /* Number of the next packet, per flow. */
    uint32_t *seen;             /* Number of the last one that came out. */
    uint64_t generated, out, bad_order;

    /* The transfer. */
    int src;                    /* Index of the source; other: destination. */
    uint32_t id;
    bool holding;               /* Packets that are not released are held. */
    bool routing;               /* Events: packets go to the destination. */
    uint8_t *released;          /* Per flow. */
    bool released_all;
    bool aborting;              /* RELEASE comes too late. */
    struct mb_buffer held;      /* Or returned, in the method events. */
    uint32_t n_returned;
    bool tracer_back;
    uint64_t stats[32];         /* Messages by type, both agents. */
    struct mbox_msg last[64];   /* The last message of each type. */
    bool failed;
};

static void *
run_instance(void *mbox)
{
    assert_int_equal(mbox_run(mbox), 0);
    return NULL;
}

static uint32_t
flow_of(const struct mbox_key *key)
{
    const uint8_t *a = key->src[12] == 10 ? key->src : key->dst;

    return a[13] << 16 | a[14] << 8 | a[15];
}

/* What comes out of the instances: order per flow, tags.  What the source sent
 * comes first: it was sent before the tracer, and so before any release. */
static void
collect(struct world *w)
{
    for (int i = 0; i < 2; i++) {
        int port = i ? !w->src : w->src;
        struct mb_packet *packet;

        while ((packet = memory_take(port))) {
            struct mbox_tag tag;

            if (mbox_tag_peek(packet->data, packet->len, &tag)) {
                assert_int_equal(tag.id, w->id);
                if (tag.kind == MBOX_TAG_TRACER) {
                    assert_int_equal(port, w->src);
                    w->tracer_back = true;
                } else {
                    assert_int_equal(tag.kind, MBOX_TAG_RETURNED);
                    assert_int_equal(tag.seq, ++w->n_returned);
                    mb_packet_pop_tag(packet);
                    assert_int_equal(mb_buffer_push(&w->held, packet), 0);
                    continue;
                }
            } else {
                const uint8_t *n = packet->data + CHECKER_PAYLOAD;
                uint32_t number = (uint32_t) n[0] << 24 | n[1] << 16
                                  | n[2] << 8 | n[3];
                mb_packet_parse(packet);
                uint32_t flow = flow_of(&packet->key);

                w->bad_order += number != w->seen[flow] + 1;
                w->seen[flow] = number;
                w->out++;
            }
            mb_packet_free(packet);
        }
    }
}

/* Generates 'n' packets and forwards them like the switch. */
static void
generate(struct world *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t flow = test_random_range(w->n_flows);
        uint32_t number = ++w->next[flow];
        uint8_t frame[CHECKER_FRAME];

        checker_frame(frame, flow, number, number % 2);
        w->generated++;
        if (w->routing || (w->holding
                           && (w->released_all || w->released[flow]))) {
            memory_give(!w->src, frame, sizeof frame, NULL);
        } else if (w->holding) {
            struct mb_packet *packet = mb_packet_new(frame, sizeof frame);

            mb_packet_parse(packet);
            assert_int_equal(mb_buffer_push(&w->held, packet), 0);
        } else {
            memory_give(w->src, frame, sizeof frame, NULL);
        }
    }
}

/* Sends what is held of released flows to the destination. */
static void
drain(struct world *w)
{
    size_t n = w->held.n;

    while (n--) {
        struct mb_packet *packet = mb_buffer_pop(&w->held);

        if (w->released_all || w->released[flow_of(&packet->key)]) {
            memory_give(!w->src, packet->data, packet->len, NULL);
            mb_packet_free(packet);
        } else {
            assert_int_equal(mb_buffer_push(&w->held, packet), 0);
        }
    }
}

static void
recv_release(struct world *w, const struct mbox_msg *msg)
{
    if (msg->select == MBOX_SELECT_ALL_EXCEPT) {
        if (!msg->n_keys) {
            w->released_all = true;
        } else {
            memset(w->released, 1, w->n_flows);
        }
    }
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key;

        mbox_msg_get_key(msg, i, &key);
        w->released[flow_of(&key)] = msg->select == MBOX_SELECT_KEYS;
    }
    drain(w);
}

static void
send_to(struct world *w, int agent, const struct mbox_msg *msg, int fd)
{
    assert_int_equal(mbox_channel_send(w->channels[agent], msg, NULL, fd), 0);
    assert_int_equal(mbox_channel_flush(w->channels[agent]), 0);
}

static void
command(struct world *w, int agent, enum mbox_msg_type type)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, w->id);
    msg.select = MBOX_SELECT_ALL_EXCEPT;
    send_to(w, agent, &msg, -1);
}

static void
pump(struct world *w, uint32_t n_packets)
{
    if (memory_waiting(0) < 2000 && memory_waiting(1) < 2000
        && w->held.n < 5000) {
        generate(w, n_packets);
    }
    for (int agent = 0; agent < 2; agent++) {
        struct mbox_msg msg;

        if (!w->channels[agent]) {
            continue;
        }
        mbox_channel_run(w->channels[agent]);
        while (!mbox_channel_recv(w->channels[agent], &msg, NULL, NULL,
                                  NULL)) {
            w->stats[msg.type % 32]++;
            w->last[msg.type] = msg;
            if (msg.type == MBOX_MSG_RELEASE && !w->aborting) {
                recv_release(w, &msg);
            } else if (msg.type == MBOX_MSG_ERROR && !w->aborting) {
                /* (A source may see its peer end before it is told.) */
                print_error("%s\n", msg.text);
                w->failed = true;
            }
        }
    }
    collect(w);
}

/* Pumps until the agents have sent 'n' messages of 'type'. */
static void
await(struct world *w, enum mbox_msg_type type, uint64_t n)
{
    while (w->stats[type] < n && !w->failed) {
        pump(w, 20);
    }
    assert_false(w->failed);
}

static void
world_init(struct world *w, uint32_t n_flows, unsigned int n_workers)
{
    memset(w, 0, sizeof *w);
    strcpy(w->dir, "/tmp/libmbox.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->address, sizeof w->address, "unix:%s/c", w->dir);
    assert_int_equal(mbox_listener_open(w->address, NULL, &w->listener, NULL),
                     0);
    w->n_flows = n_flows;
    w->next = calloc(n_flows, sizeof *w->next);
    w->seen = calloc(n_flows, sizeof *w->seen);
    w->released = calloc(n_flows, 1);
    mb_buffer_init(&w->held, SIZE_MAX / 2);
    mb_port_register(&memory_class);

    for (int i = 0; i < 2; i++) {
        const struct mbox_options options = {
            .size = sizeof options,
            .name = i ? "b" : "a",
            .class_name = "checker",
            .schema = 3,
            .coordinator = w->address,
            .ports = { i ? "memory:1" : "memory:0" },
            .n_ports = 1,
            .n_workers = n_workers,
        };
        char *error_text;

        checker_init(&w->checkers[i]);
        int error = mbox_create(&options, &checker_ops, &w->checkers[i],
                                &w->mboxes[i], &error_text);
        if (error) {
            fail_msg("%s", error_text);
        }
        w->checkers[i].mbox = w->mboxes[i];
        assert_int_equal(pthread_create(&w->threads[i], NULL, run_instance,
                                        w->mboxes[i]), 0);
    }
    while (!w->channels[0] || !w->channels[1]) {
        struct mbox_channel *channel = mbox_listener_accept(w->listener);
        struct mbox_msg msg;

        if (!channel) {
            struct pollfd pfd;

            mbox_listener_wait(w->listener, &pfd);
            poll(&pfd, 1, 1000);
            continue;
        }
        while (mbox_channel_recv(channel, &msg, NULL, NULL, NULL)) {
            assert_int_equal(mbox_channel_run(channel), 0);
        }
        assert_int_equal(msg.type, MBOX_MSG_HELLO);
        assert_string_equal(msg.class_name, "checker");
        int i = msg.name[0] - 'a';
        w->channels[i] = channel;
        mbox_msg_init(&msg, MBOX_MSG_WELCOME, 0);
        msg.version = MBOX_PROTOCOL_VERSION;
        msg.epoch = EPOCH;
        send_to(w, i, &msg, -1);
    }
}

/* Waits until everything that was generated has come out. */
static void
settle(struct world *w)
{
    while (w->out < w->generated) {
        pump(w, 0);
    }
}

static void
world_check(struct world *w)
{
    settle(w);
    assert_int_equal(w->bad_order, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(w->checkers[i].lost, 0);
        assert_int_equal(w->checkers[i].repeated, 0);
    }
    assert_int_equal(w->checkers[0].processed + w->checkers[1].processed,
                     w->generated);
}

static void
world_uninit(struct world *w)
{
    for (int i = 0; i < 2; i++) {
        mbox_stop(w->mboxes[i]);
        pthread_join(w->threads[i], NULL);
        mbox_destroy(w->mboxes[i]);
        checker_uninit(&w->checkers[i]);
        if (w->channels[i]) {
            mbox_channel_close(w->channels[i]);
        }
    }
    mbox_listener_close(w->listener);
    mb_buffer_uninit(&w->held);
    rmdir(w->dir);
    free(w->next);
    free(w->seen);
    free(w->released);
}

static void
give_tagged(struct world *w, int agent, enum mbox_tag_kind kind, uint32_t seq)
{
    const struct mbox_tag tag = { .kind = kind, .id = w->id, .seq = seq };
    uint8_t frame[MBOX_TRACER_LEN];
    static const uint8_t mac[6] = { 2 };

    mbox_tag_make_tracer(frame, mac, mac, &tag);
    memory_give(agent, frame, sizeof frame, NULL);
}

static void
prepare(struct world *w, enum mbox_method method, uint32_t options)
{
    int fds[2];

    w->id++;
    memset(w->stats, 0, sizeof w->stats);
    memset(w->released, 0, w->n_flows);
    w->released_all = w->holding = w->routing = w->tracer_back = false;
    w->n_returned = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    for (int i = 0; i < 2; i++) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_PREPARE, w->id);
        msg.role = i == w->src ? MBOX_ROLE_SOURCE : MBOX_ROLE_DESTINATION;
        msg.method = method;
        msg.guarantee = MBOX_GUARANTEE_ORDER_PRESERVING;
        msg.scopes = MBOX_SCOPE_PER_FLOW | MBOX_SCOPE_MULTI_FLOW;
        msg.options = options;
        msg.epoch = EPOCH;
        strcpy(msg.name, i ? "a" : "b");
        msg.space = checker_space(0);
        send_to(w, i, &msg, fds[i]);
    }
    await(w, MBOX_MSG_PREPARED, 2);
}

static void
finish(struct world *w)
{
    command(w, w->src, MBOX_MSG_COMMIT);
    command(w, !w->src, MBOX_MSG_COMMIT);
    await(w, MBOX_MSG_COMMITTED, 2);
    w->src = !w->src;
    w->holding = w->routing = false;
    settle(w);
    assert_int_equal(checker_all_flows(&w->checkers[w->src]), w->n_flows);
    assert_int_equal(checker_all_flows(&w->checkers[!w->src]), 0);
    world_check(w);
}

static void
move_hold(struct world *w, uint32_t options)
{
    prepare(w, MBOX_METHOD_HOLD, options);
    if (options & MBOX_OPT_PRECOPY) {
        command(w, w->src, MBOX_MSG_EXPORT);
        await(w, MBOX_MSG_PRECOPY, 2);
    }
    w->holding = true;
    give_tagged(w, w->src, MBOX_TAG_TRACER, 1);
    await(w, MBOX_MSG_TRACER_SEEN, 1);
    await(w, MBOX_MSG_INSTALLED, 1);
    assert_true(w->tracer_back);
    assert_int_equal(w->held.n, 0);
    finish(w);
}

static void
move_events(struct world *w)
{
    prepare(w, MBOX_METHOD_EVENTS, 0);
    command(w, !w->src, MBOX_MSG_BUFFER);
    await(w, MBOX_MSG_BUFFERING, 1);
    command(w, w->src, MBOX_MSG_RETURN);
    await(w, MBOX_MSG_RETURNING, 1);
    command(w, w->src, MBOX_MSG_EXPORT);
    await(w, MBOX_MSG_INSTALLED, 1);
    w->routing = true;
    give_tagged(w, w->src, MBOX_TAG_TRACER, 1);
    await(w, MBOX_MSG_TRACER_SEEN, 1);
    while (w->n_returned < w->last[MBOX_MSG_TRACER_SEEN].n_packets) {
        pump(w, 0);
    }

    uint32_t seq = 0;
    while (w->held.n) {
        struct mb_packet *packet = mb_buffer_pop(&w->held);
        const struct mbox_tag tag = {
            .kind = MBOX_TAG_DO_NOT_BUFFER, .id = w->id, .seq = ++seq,
        };

        memory_give(!w->src, packet->data, packet->len, &tag);
        mb_packet_free(packet);
        pump(w, 1);
    }
    give_tagged(w, !w->src, MBOX_TAG_LAST, seq);
    await(w, MBOX_MSG_FLUSHED, 1);
    assert_int_equal(w->last[MBOX_MSG_FLUSHED].n_packets, seq);
    finish(w);
}

static void
warm_up(struct world *w)
{
    /* Each flow exists. */
    for (uint32_t flow = 0; flow < w->n_flows; flow++) {
        uint8_t frame[CHECKER_FRAME];

        checker_frame(frame, flow, ++w->next[flow], true);
        memory_give(w->src, frame, sizeof frame, NULL);
        w->generated++;
    }
    settle(w);
}

static void
moves(uint32_t n_flows, unsigned int n_workers)
{
    static struct world w;

    world_init(&w, n_flows, n_workers);
    warm_up(&w);
    for (uint32_t options = 0; options < 4; options++) {
        move_hold(&w, options);
    }
    move_events(&w);
    move_hold(&w, MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE);
    world_check(&w);
    world_uninit(&w);
}

/* Fewer for slow tools such as ThreadSanitizer. */
static uint32_t
n_test_flows(void)
{
    const char *s = getenv("MBOX_TEST_FLOWS");

    return s && atoi(s) > 0 ? atoi(s) : 10000;
}

static void
test_moves(void **state)
{
    (void) state;
    moves(n_test_flows(), 1);
    moves(1, 1);
}

static void
test_moves_workers(void **state)
{
    (void) state;
    moves(n_test_flows(), 3);
}

/* Sends what is held to the source, in order. */
static void
undo(struct world *w)
{
    struct mb_packet *packet;

    w->holding = w->aborting = false;
    while ((packet = mb_buffer_pop(&w->held))) {
        memory_give(w->src, packet->data, packet->len, NULL);
        mb_packet_free(packet);
    }
}

/* Receives one message, which must be of 'type'. */
static void
recv_from(struct mbox_channel *channel, enum mbox_msg_type type,
          struct mbox_msg *msg)
{
    int error;

    while ((error = mbox_channel_recv(channel, msg, NULL, NULL, NULL))) {
        struct pollfd pfd;

        assert_int_equal(error, -EAGAIN);
        mbox_channel_wait(channel, &pfd);
        poll(&pfd, 1, 1000);
        assert_int_equal(mbox_channel_run(channel), 0);
    }
    assert_int_equal(msg->type, type);
}

/* A transfer that is aborted leaves everything where it was, and the instance
 * that loses its coordinator goes on, and comes back. */
static void
test_abort_and_reconnect(void **state)
{
    static struct world w;

    (void) state;
    world_init(&w, 1000, 1);
    warm_up(&w);
    prepare(&w, MBOX_METHOD_HOLD, MBOX_OPT_PRECOPY);
    command(&w, 0, MBOX_MSG_EXPORT);
    await(&w, MBOX_MSG_PRECOPY, 1);
    w.holding = w.aborting = true;
    give_tagged(&w, 0, MBOX_TAG_TRACER, 1);
    await(&w, MBOX_MSG_TRACER_SEEN, 1);
    command(&w, 0, MBOX_MSG_ABORT);
    command(&w, 1, MBOX_MSG_ABORT);
    await(&w, MBOX_MSG_ABORTED, 2);

    /* Tracers of a transfer that has ended are still answered. */
    give_tagged(&w, 0, MBOX_TAG_TRACER, 2);
    give_tagged(&w, 1, MBOX_TAG_TRACER, 3);
    await(&w, MBOX_MSG_TRACER_SEEN, 3);
    undo(&w);
    generate(&w, 1000);
    world_check(&w);
    assert_int_equal(checker_all_flows(&w.checkers[0]), 1000);
    assert_int_equal(checker_all_flows(&w.checkers[1]), 0);

    /* The coordinator goes away while S is frozen. */
    prepare(&w, MBOX_METHOD_HOLD, 0);
    w.holding = w.aborting = true;
    give_tagged(&w, 0, MBOX_TAG_TRACER, 1);
    await(&w, MBOX_MSG_INSTALLED, 1);
    mbox_channel_close(w.channels[0]);
    w.channels[0] = NULL;
    struct mbox_channel *channel;
    while (!(channel = mbox_listener_accept(w.listener))) {
        struct pollfd pfd;

        mbox_listener_wait(w.listener, &pfd);
        poll(&pfd, 1, 1000);
    }
    w.channels[0] = channel;

    /* It comes back, asks, and is told that nothing has moved. */
    struct mbox_msg msg;
    recv_from(channel, MBOX_MSG_HELLO, &msg);
    assert_int_equal(msg.n_open, 1);
    mbox_msg_init(&msg, MBOX_MSG_WELCOME, 0);
    msg.version = MBOX_PROTOCOL_VERSION;
    msg.epoch = EPOCH + 1;
    send_to(&w, 0, &msg, -1);
    recv_from(channel, MBOX_MSG_OPEN, &msg);
    assert_int_equal(msg.epoch, EPOCH);
    assert_int_equal(msg.role, MBOX_ROLE_SOURCE);
    assert_string_equal(msg.name, "b");

    uint32_t id = msg.id;
    mbox_msg_init(&msg, MBOX_MSG_RESOLVE, id);
    msg.epoch = EPOCH;
    msg.code = ECANCELED;
    msg.select = MBOX_SELECT_KEYS;
    send_to(&w, 0, &msg, -1);
    recv_from(channel, MBOX_MSG_RESOLVED, &msg);
    assert_int_equal(msg.id, id);
    undo(&w);
    generate(&w, 1000);
    world_check(&w);
    world_uninit(&w);
}

static uint64_t
n_ticks(const struct world *w, int i)
{
    return __atomic_load_n(&w->checkers[i].ticks, __ATOMIC_RELAXED);
}

/* Waits until instance 'i' has had 'n' more ticks. */
static void
await_ticks(struct world *w, int i, uint64_t n)
{
    for (n += n_ticks(w, i); n_ticks(w, i) < n; ) {
        pump(w, 1);
    }
}

/* While S is frozen its timers do not run, or a flow could end there that goes
 * on at D; those of D do. */
static void
test_no_tick_while_frozen(void **state)
{
    static struct world w;

    (void) state;
    for (unsigned int n_workers = 1; n_workers <= 2; n_workers++) {
        world_init(&w, 10, n_workers);
        warm_up(&w);
        await_ticks(&w, 0, 1);
        for (int abort = 0; abort < 2; abort++) {
            int src = w.src;

            prepare(&w, MBOX_METHOD_HOLD, 0);
            w.holding = true;
            w.aborting = abort;
            give_tagged(&w, src, MBOX_TAG_TRACER, 1);
            await(&w, MBOX_MSG_INSTALLED, 1);

            uint64_t before = n_ticks(&w, src);
            await_ticks(&w, !src, 4 * n_workers);
            assert_int_equal(n_ticks(&w, src), before);
            if (abort) {
                command(&w, 0, MBOX_MSG_ABORT);
                command(&w, 1, MBOX_MSG_ABORT);
                await(&w, MBOX_MSG_ABORTED, 2);
                undo(&w);
            } else {
                finish(&w);
            }
            await_ticks(&w, src, 2);
        }
        world_check(&w);
        world_uninit(&w);
    }
}

/* Forged tags, and messages that are none. */
static void
test_hostile(void **state)
{
    static struct world w;
    struct mbox_stats stats;

    (void) state;
    world_init(&w, 10, 1);
    warm_up(&w);
    w.id = 99;
    for (int kind = 1; kind <= MBOX_TAG_N_KINDS; kind++) {
        give_tagged(&w, 0, kind, 1);
    }
    do {
        pump(&w, 1);
        mbox_get_stats(w.mboxes[0], &stats);
    } while (stats.bad_tags < MBOX_TAG_N_KINDS);

    struct pollfd pfd;
    mbox_channel_wait(w.channels[0], &pfd);
    assert_int_equal(write(pfd.fd, "\377\377\377\377 garbage", 12), 12);
    struct mbox_channel *channel;
    while (!(channel = mbox_listener_accept(w.listener))) {
        pump(&w, 1);
    }
    mbox_channel_close(channel);
    world_check(&w);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_moves_workers),
        cmocka_unit_test(test_abort_and_reconnect),
        cmocka_unit_test(test_no_tick_while_frozen),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests_name("libmbox instances", tests, NULL, NULL);
}
