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

/* Replicas: rounds, and how they end. */

#include "libmbox-sides.h"
#include "transfer-source.h"

#define OPTIONS (MBOX_OPT_PRECOPY | MBOX_OPT_EARLY_RELEASE | MBOX_OPT_REPLICA)

static struct mbox_msg
run_round(struct world *w)
{
    struct mbox_msg msg;

    command(&w->s, MBOX_MSG_EXPORT);
    progress(w);
    expect(&w->s, MBOX_MSG_PRECOPY, &msg);
    expect_none(&w->s);
    expect_none(&w->d);
    return msg;
}

static void
begin(struct world *w, uint32_t options, uint32_t n)
{
    world_init(w);
    world_prepare(w, MBOX_METHOD_HOLD, MBOX_GUARANTEE_ORDER_PRESERVING,
                  OPTIONS | options, n);
    assert_int_equal(run_round(w).round, 1);
    assert_state_at(w, &w->d, n);
}

static void
end_flow(struct world *w, uint32_t i)
{
    struct mbox_key key = checker_key(i);

    checker_del(&w->s.checker, 0, &key);
    mb_tracker_mark(w->s.trackers[0], MBOX_STATE_PER_FLOW, &key);
}

/* A round brings what has changed, began and ended, and no more. */
static void
test_deltas(void **state)
{
    (void) state;
    for (int relay = 0; relay < 2; relay++) {
        struct world w;
        struct mbox_msg first, msg;

        begin(&w, relay ? MBOX_OPT_RELAY : 0, 500);
        first = run_round(&w);
        assert_int_equal(first.round, 2);
        msg = run_round(&w);
        assert_int_equal(msg.n_chunks, first.n_chunks);
        assert_int_equal(msg.n_bytes, first.n_bytes);

        /* By itself S begins none. */
        feed(&w, &w.s, 7, NULL);
        feed(&w, &w.s, 500, NULL);
        w.s.clock += 1000 * 1000 * 1000;
        progress(&w);
        expect_none(&w.s);
        assert_int_equal(checker_all_flows(&w.d.checker), 500);

        msg = run_round(&w);
        assert_state_at(&w, &w.d, 501);
        /* Two flows, at most their four hosts, and all-flows state. */
        assert_in_range(msg.n_chunks - first.n_chunks, 2, 7);

        end_flow(&w, 500);
        end_flow(&w, 499);
        first = msg;
        msg = run_round(&w);
        assert_int_equal(msg.n_chunks, first.n_chunks);
        assert_state_at(&w, &w.d, 499);
        world_uninit(&w);
    }
}

/* The bytes of a delta are those of the flows that changed, whatever the
 * number of flows. */
static void
test_proportional(void **state)
{
    (void) state;
    for (uint32_t n = 100; n <= 3000; n += 2900) {
        for (uint32_t n_changed = 1; n_changed <= 64; n_changed *= 2) {
            struct world w;
            struct mbox_msg first, msg;

            begin(&w, 0, n);
            first = run_round(&w);
            for (uint32_t i = 0; i < n_changed; i++) {
                struct mbox_key key = checker_key(i);

                mb_tracker_mark(w.s.trackers[0], MBOX_STATE_PER_FLOW, &key);
            }
            msg = run_round(&w);
            assert_int_equal(msg.n_chunks - first.n_chunks, n_changed);
            assert_int_equal(msg.n_bytes - first.n_bytes,
                             n_changed * sizeof(struct checker_flow));
            world_uninit(&w);
        }
    }
}

/* Flows come and go for long: neither side keeps anything of those that have
 * ended. */
static void
test_churn(void **state)
{
    struct world w;

    (void) state;
    begin(&w, 0, 10);
    for (uint32_t i = 10; i < 4000; i += 10) {
        for (uint32_t j = i; j < i + 10; j++) {
            feed(&w, &w.s, j, NULL);
        }
        run_round(&w);
        for (uint32_t j = i; j < i + 10; j++) {
            end_flow(&w, j);
        }
        run_round(&w);
        assert_state_at(&w, &w.d, 10);
    }
    assert_in_range(w.s.trackers[0]->table.n, 1, 1000);
    assert_in_range(w.d.t->destination->states.n, 1, 1000);
    world_uninit(&w);
}

/* Flows come and go for long between two rounds: S sends some before it is
 * asked to rather than remember all of them, and tells nobody. */
static void
test_long_interval(void **state)
{
    (void) state;
    for (int relay = 0; relay < 2; relay++) {
        struct world w;
        struct mbox_msg first, msg;

        begin(&w, relay ? MBOX_OPT_RELAY : 0, 10);
        first = run_round(&w);
        for (uint32_t i = 5000; i < 300000; i++) {
            end_flow(&w, i);
            if (!(i % 1000)) {
                progress(&w);
            }
        }
        expect_none(&w.s);
        expect_none(&w.d);
        assert_in_range(w.s.trackers[0]->table.n, 60000, 80000);

        /* One is asked for while another is in progress. */
        feed(&w, &w.s, 10, NULL);
        for (uint32_t i = 300000; i < 370000; i++) {
            end_flow(&w, i);
        }
        mb_source_run(w.s.t->source, 0);
        assert_true(w.s.t->source->in_round);
        end_flow(&w, 10);
        end_flow(&w, 9);
        msg = run_round(&w);
        assert_int_equal(msg.round, first.round + 1);
        assert_state_at(&w, &w.d, 9);
        world_uninit(&w);
    }
}

/* A round must not be asked for before the last one is over. */
static void
test_impatient(void **state)
{
    struct world w;

    (void) state;
    begin(&w, 0, 10);
    command(&w.s, MBOX_MSG_EXPORT);
    command(&w.s, MBOX_MSG_EXPORT);
    expect(&w.s, MBOX_MSG_ERROR, NULL);
    world_uninit(&w);
}

static void
assert_pending(const struct world *w, bool pending)
{
    struct mbox_key key = checker_key(1);

    assert_int_equal(mb_pending_contains(w->d.pending[0], &key), pending);
}

/* S is dead, or does not answer: D takes over what it has.  When S goes on
 * after all, it finds that the flows are not its any more. */
static void
test_take_over(void **state)
{
    struct mbox_msg msg;
    struct world w;

    (void) state;
    begin(&w, 0, 50);
    assert_pending(&w, true);
    command(&w.d, MBOX_MSG_COMMIT);
    settle(&w);
    expect(&w.d, MBOX_MSG_COMMITTED, &msg);
    assert_int_equal(msg.n_flows, 50);
    assert_null(w.d.t);
    assert_state_at(&w, &w.d, 50);
    assert_pending(&w, false);

    expect(&w.s, MBOX_MSG_ERROR, NULL);     /* D has hung up. */
    command(&w.s, MBOX_MSG_COMMIT);
    settle(&w);
    expect(&w.s, MBOX_MSG_COMMITTED, &msg);
    assert_int_equal(msg.n_flows, 50);
    assert_int_equal(checker_all_flows(&w.s.checker), 0);
    assert_null(w.s.t);
    assert_int_equal(w.s.env.n_frozen, 0);
    world_uninit(&w);
}

/* The same, and some flows have changed or begun since the last round: S gives
 * them up, too, whether a round is in progress, it has frozen, or neither. */
static void
test_give_up(void **state)
{
    (void) state;
    for (int i = 0; i < 4; i++) {
        struct mbox_msg msg;
        struct world w;

        begin(&w, i == 3 ? MBOX_OPT_RELAY : 0, 50);
        for (uint32_t j = 0; j < 7; j++) {
            feed(&w, &w.s, j, NULL);
        }
        for (uint32_t j = 50; j < 53; j++) {
            feed(&w, &w.s, j, NULL);
        }
        if (i == 1) {
            command(&w.s, MBOX_MSG_EXPORT);
        } else if (i == 2) {
            assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
            expect_tracer(&w.s, 1);
            expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
        }
        command(&w.s, MBOX_MSG_ERROR);
        command(&w.s, MBOX_MSG_COMMIT);
        settle(&w);
        while (next_msg(&w.s, &msg) && msg.type != MBOX_MSG_COMMITTED) {
            continue;
        }
        assert_int_equal(msg.type, MBOX_MSG_COMMITTED);
        assert_int_equal(msg.n_flows, 53);
        assert_int_equal(checker_all_flows(&w.s.checker), 0);
        assert_null(w.s.t);
        assert_null(w.s.trackers[0]);
        assert_int_equal(w.s.env.n_frozen, 0);
        world_uninit(&w);
    }
}

/* D is told that there are no more rounds: it says so, and takes nothing more
 * of what S is sending.  S tracks nothing any more. */
static void
test_stop(void **state)
{
    (void) state;
    for (int relay = 0; relay < 2; relay++) {
        struct mbox_key key = checker_key(1);
        struct mbox_msg msg;
        struct world w;

        begin(&w, relay ? MBOX_OPT_RELAY : 0, 50);
        feed(&w, &w.s, 1, NULL);
        command(&w.s, MBOX_MSG_EXPORT);
        mb_transfer_run(w.s.t, w.s.clock + MB_SLICE_NS);
        command(&w.d, MBOX_MSG_ERROR);
        expect(&w.d, MBOX_MSG_ERROR, &msg);
        assert_int_equal(msg.code, ECANCELED);
        command(&w.d, MBOX_MSG_ERROR);
        expect_none(&w.d);

        for (int i = 0; i < 5; i++) {
            feed(&w, &w.d, 1, NULL);
        }
        uint64_t last = checker_flow(&w.d.checker.w[0], &key, false)->last;
        progress(&w);
        assert_int_equal(checker_flow(&w.d.checker.w[0], &key, false)->last,
                         last);
        command(&w.s, MBOX_MSG_ERROR);
        assert_null(w.s.trackers[0]);
        feed(&w, &w.s, 51, NULL);
        assert_int_equal(checker_all_flows(&w.s.checker), 51);

        command(&w.d, MBOX_MSG_COMMIT);
        command(&w.s, MBOX_MSG_COMMIT);
        settle(&w);
        assert_null(w.d.t);
        assert_null(w.s.t);
        assert_int_equal(checker_all_flows(&w.d.checker), 50);
        assert_int_equal(checker_all_flows(&w.s.checker), 0);
        world_uninit(&w);
    }
}

/* S answers: it gives the rest, as in a move. */
static void
test_hand_over(void **state)
{
    struct mbox_msg msg;
    struct world w;

    (void) state;
    begin(&w, 0, 50);
    for (uint32_t i = 0; i < 5; i++) {
        feed(&w, &w.s, i, NULL);
    }
    assert_true(feed_tracer(&w.s, MBOX_TAG_TRACER, 1));
    settle(&w);
    expect_tracer(&w.s, 1);
    expect(&w.s, MBOX_MSG_TRACER_SEEN, NULL);
    while (next_msg(&w.d, &msg) && msg.type == MBOX_MSG_RELEASE) {
        continue;
    }
    assert_int_equal(msg.type, MBOX_MSG_INSTALLED);
    assert_int_equal(msg.n_flows, 50);
    commit(&w, 50);
    assert_state_at(&w, &w.d, 50);
    assert_int_equal(checker_all_flows(&w.s.checker), 0);
    world_uninit(&w);
}

static void
test_abort(void **state)
{
    struct world w;

    (void) state;
    begin(&w, 0, 50);
    command(&w.s, MBOX_MSG_ABORT);
    command(&w.d, MBOX_MSG_ABORT);
    settle(&w);
    expect(&w.s, MBOX_MSG_ABORTED, NULL);
    expect(&w.d, MBOX_MSG_ABORTED, NULL);
    assert_int_equal(checker_all_flows(&w.d.checker), 0);
    assert_state_at(&w, &w.s, 50);
    assert_pending(&w, false);
    world_uninit(&w);
}

/* Both lose the coordinator.  S goes on.  Neither can know whether D has been
 * told to take over: they ask.  D keeps the replica until it is told, S the
 * flows unless it is told to give them up, also those that are new. */
static void
test_doubt(void **state)
{
    (void) state;
    for (int commit = 0; commit < 2; commit++) {
        struct world w;
        struct mbox_msg msg;
        struct mb_keys keys;

        begin(&w, 0, 50);
        mb_transfer_disconnected(w.s.t);
        mb_transfer_disconnected(w.d.t);
        settle(&w);
        feed(&w, &w.s, 50, NULL);
        assert_int_equal(checker_all_flows(&w.s.checker), 51);
        assert_null(w.s.trackers[0]);
        mb_keys_init(&keys);
        assert_true(mb_transfer_get_open(w.s.t, &msg, &keys));
        assert_int_equal(msg.role, MBOX_ROLE_SOURCE);
        resolve(&w.s, commit, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
        settle(&w);
        assert_null(w.s.t);
        assert_int_equal(w.s.env.n_frozen, 0);
        assert_int_equal(checker_all_flows(&w.s.checker), commit ? 0 : 51);
        assert_non_null(w.d.t);
        assert_pending(&w, true);

        mb_keys_init(&keys);
        assert_true(mb_transfer_get_open(w.d.t, &msg, &keys));
        assert_int_equal(msg.select, MBOX_SELECT_KEYS);
        assert_int_equal(keys.n, 0);
        mb_keys_uninit(&keys);
        resolve(&w.d, commit, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
        settle(&w);
        assert_null(w.d.t);
        assert_int_equal(checker_all_flows(&w.d.checker), commit ? 50 : 0);
        world_uninit(&w);
    }
}

/* The next message is of this type, and of the second transfer. */
static void
expect_second(struct world *w, enum mbox_msg_type type, struct mbox_msg *msg)
{
    assert_true(next_msg(&w->s, msg));
    assert_int_equal(msg->type, type);
    assert_int_equal(msg->id, ID + 1);
}

/* The coordinator looks at S's state, whatever else is going on. */
static void
test_inspect(void **state)
{
    struct mb_transfer *replica, *inspection;
    struct mbox_msg msg, reply, chunk;
    struct world w;
    char layout[] = "{}";
    unsigned int n = 0, n_layouts = 0;

    (void) state;
    begin(&w, 0, 5);
    replica = w.s.t;
    mbox_msg_init(&msg, MBOX_MSG_PREPARE, ID + 1);
    msg.role = MBOX_ROLE_SOURCE;
    msg.method = MBOX_METHOD_COPY;
    msg.guarantee = MBOX_GUARANTEE_NONE;
    msg.scopes = MBOX_SCOPE_PER_FLOW;
    msg.options = MBOX_OPT_RELAY;
    msg.epoch = EPOCH;
    strcpy(msg.name, "s");
    msg.space = replica->space;
    assert_null(mb_transfer_create(&w.s.env, &msg, -1, replica));
    expect_second(&w, MBOX_MSG_ERROR, &reply);
    msg.options |= MBOX_OPT_INSPECT;
    msg.role = MBOX_ROLE_DESTINATION;
    assert_null(mb_transfer_create(&w.s.env, &msg, -1, replica));
    expect_second(&w, MBOX_MSG_ERROR, &reply);
    msg.role = MBOX_ROLE_SOURCE;
    msg.describe = true;
    w.s.env.layout = layout;
    inspection = mb_transfer_create(&w.s.env, &msg, -1, replica);
    assert_non_null(inspection);
    expect_second(&w, MBOX_MSG_PREPARED, &reply);

    mbox_msg_init(&msg, MBOX_MSG_EXPORT, ID + 1);
    mb_transfer_recv(inspection, &msg);
    while (mb_transfer_wake(inspection) != MB_NEVER) {
        mb_transfer_run(inspection, w.s.clock + MB_SLICE_NS);
    }
    do {
        expect_second(&w, MBOX_MSG_RELAY, &reply);
        assert_int_equal(mbox_msg_decode(reply.data, reply.data_len, &chunk),
                         0);
        n += chunk.type == MBOX_MSG_CHUNK;
        if (chunk.type == MBOX_MSG_LAYOUT) {
            assert_int_equal(n, 0);
            assert_int_equal(chunk.data_len, strlen(layout));
            assert_memory_equal(chunk.data, layout, strlen(layout));
            n_layouts++;
        }
    } while (chunk.type != MBOX_MSG_END);
    assert_int_equal(n, 5);
    assert_int_equal(n_layouts, 1);
    w.s.env.layout = NULL;
    mbox_msg_init(&msg, MBOX_MSG_ABORT, ID + 1);
    mb_transfer_recv(inspection, &msg);
    expect_second(&w, MBOX_MSG_ABORTED, &reply);
    assert_true(inspection->finished);
    mb_transfer_destroy(inspection);

    feed(&w, &w.s, 3, NULL);
    run_round(&w);
    assert_state_at(&w, &w.s, 5);
    assert_state_at(&w, &w.d, 5);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deltas),
        cmocka_unit_test(test_proportional),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_long_interval),
        cmocka_unit_test(test_impatient),
        cmocka_unit_test(test_take_over),
        cmocka_unit_test(test_give_up),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_hand_over),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_inspect),
    };

    return cmocka_run_group_tests_name("libmbox replicas", tests, NULL, NULL);
}
