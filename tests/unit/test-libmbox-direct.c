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

/* State channels over TLS in the making. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "tls-test.h"
#include "transfer.h"

#define ID 5
#define TOKEN 0x123456789abcdef0

/* One instance. */
struct side {
    struct mb_env env;
    struct mbox_channel *control;
    struct mbox_msg prepare;
    struct mb_direct *direct;
    struct mbox_channel *state;
    char why[MBOX_WHY_MAX + 1];
    char log[MBOX_WHY_MAX + 1]; /* Last message. */
};

/* The coordinator's ends of the control channels, and both instances; "one" is
 * S, "two" is D. */
struct world {
    struct side s, d;
    struct mbox_channel *to_s, *to_d;
};

static uint64_t clock_ns;

static uint64_t
side_now(void *aux)
{
    (void) aux;
    return clock_ns;
}

static void
side_log(void *side_, int level, const char *message)
{
    struct side *side = side_;

    (void) level;
    snprintf(side->log, sizeof side->log, "%s", message);
}

static void
side_init(struct side *side, const char *name, enum mbox_role role,
          const struct mbox_tls_config *config, struct mbox_channel **peer)
{
    static const struct mb_env_ops ops = { .now = side_now, .log = side_log };

    memset(side, 0, sizeof *side);
    tls_open_pair(config, &tls_good, &side->control, peer);
    tls_shake_hands(side->control, *peer);
    side->env.ops = &ops;
    side->env.aux = side;
    side->env.control = side->control;
    strcpy(side->env.name, name);
    strcpy(side->env.class_name, "c");
    mbox_msg_init(&side->prepare, MBOX_MSG_PREPARE, ID);
    side->prepare.role = role;
    side->prepare.token = TOKEN;
}

static void
world_init(struct world *w)
{
    side_init(&w->s, "s", MBOX_ROLE_SOURCE, &tls_good, &w->to_s);
    side_init(&w->d, "d", MBOX_ROLE_DESTINATION, &tls_good2, &w->to_d);
    strcpy(w->s.prepare.name, "d");
    strcpy(w->d.prepare.name, "s");
    mbox_channel_peer_fingerprint(w->to_d, w->s.prepare.fingerprint);
    mbox_channel_peer_fingerprint(w->to_s, w->d.prepare.fingerprint);
}

static void
side_uninit(struct side *side)
{
    mb_direct_destroy(side->direct);
    mbox_channel_close(side->state);
    mbox_channel_close(side->control);
}

static void
world_uninit(struct world *w)
{
    side_uninit(&w->s);
    side_uninit(&w->d);
    mbox_channel_close(w->to_s);
    mbox_channel_close(w->to_d);
}

static void
side_create(struct side *side)
{
    side->direct = mb_direct_create(&side->env, &side->prepare, side->why);
    if (!side->direct) {
        fail_msg("%s", side->why);
    }
}

static void
create_d(struct world *w)
{
    side_create(&w->d);
    strcpy(w->s.prepare.address, mb_direct_address(w->d.direct));
}

static int
side_run(struct side *side)
{
    if (side->state) {
        mbox_channel_run(side->state);
        return 0;
    }
    return mb_direct_run(side->direct, &side->state, side->why);
}

static void
side_wait(const struct side *side, struct pollfd *pfd)
{
    if (side->state) {
        mbox_channel_wait(side->state, pfd);
    } else {
        mb_direct_wait(side->direct, pfd);
    }
}

/* Runs both, waiting for input in between, until 'side' is through. */
static int
run_until(struct world *w, struct side *side)
{
    for (;;) {
        struct pollfd pfds[2];
        int s = side_run(&w->s);
        int d = side_run(&w->d);
        int error = side == &w->s ? s : d;

        if (error != -EAGAIN) {
            return error;
        }
        side_wait(&w->s, &pfds[0]);
        side_wait(&w->d, &pfds[1]);
        assert_true(poll(pfds, 2, -1) > 0);
    }
}

/* S's first message arrives at D. */
static void
check_state_channel(struct world *w)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 77);
    assert_int_equal(mbox_channel_send(w->s.state, &msg, NULL, -1), 0);
    while (mbox_channel_recv(w->d.state, &msg, NULL, NULL, NULL)) {
        tls_run_both(w->s.state, w->d.state);
        assert_null(mbox_channel_error(w->d.state));
    }
    assert_int_equal(msg.type, MBOX_MSG_ECHO_REQUEST);
    assert_int_equal(msg.id, 77);
}

static void
test_direct(void **state)
{
    struct world w;

    (void) state;
    world_init(&w);
    create_d(&w);
    side_create(&w.s);
    assert_int_equal(run_until(&w, &w.s), 0);
    assert_int_equal(run_until(&w, &w.d), 0);
    check_state_channel(&w);
    assert_string_equal(w.d.log, "");
    world_uninit(&w);
}

/* Both have a certificate by the right CA, and the token. */
static void
test_wrong_certificate_of_source(void **state)
{
    struct world w, other;

    (void) state;
    world_init(&w);
    create_d(&w);

    /* "other" is D's own certificate, for instance. */
    world_init(&other);
    strcpy(other.d.env.name, "x");
    other.d.prepare = w.s.prepare;
    strcpy(other.d.prepare.fingerprint, other.s.prepare.fingerprint);
    side_create(&other.d);
    while (!w.d.log[0]) {
        assert_int_equal(side_run(&w.d), -EAGAIN);
        side_run(&other.d);
    }
    char expected[200];
    snprintf(expected, sizeof expected, "d: not the certificate of s, whose "
             "SHA-256 is %.16s..., but %.16s... of 127.0.0.1:",
             w.d.prepare.fingerprint, w.s.prepare.fingerprint);
    if (!strstr(w.d.log, expected) || !strstr(w.d.log, "CN=two")) {
        fail_msg("%s", w.d.log);
    }
    assert_int_equal(side_run(&w.d), -EAGAIN);

    /* Who is meant to can connect nevertheless. */
    side_create(&w.s);
    assert_int_equal(run_until(&w, &w.d), 0);
    assert_int_equal(run_until(&w, &w.s), 0);
    check_state_channel(&w);
    world_uninit(&w);
    world_uninit(&other);
}

static void
test_wrong_certificate_of_destination(void **state)
{
    struct world w;
    char expected[200];

    (void) state;
    world_init(&w);
    create_d(&w);
    char right[MBOX_FINGERPRINT_LEN + 1];
    strcpy(right, w.s.prepare.fingerprint);
    strcpy(w.s.prepare.fingerprint, w.d.prepare.fingerprint);
    side_create(&w.s);
    assert_int_equal(run_until(&w, &w.s), -EACCES);
    snprintf(expected, sizeof expected, "s: not the certificate of d, whose "
             "SHA-256 is %.16s..., but %.16s... of 127.0.0.1:",
             w.d.prepare.fingerprint, right);
    if (!strstr(w.s.why, expected) || !strstr(w.s.why, "CN=two")) {
        fail_msg("%s", w.s.why);
    }
    mb_direct_destroy(w.s.direct);

    /* Nor if the coordinator does not say whose it must be. */
    w.s.prepare.fingerprint[0] = '\0';
    side_create(&w.s);
    assert_int_equal(run_until(&w, &w.s), -EACCES);
    world_uninit(&w);
}

static void
test_wrong_token(void **state)
{
    struct world w;

    (void) state;
    world_init(&w);
    create_d(&w);
    w.s.prepare.token++;
    side_create(&w.s);
    assert_int_equal(run_until(&w, &w.s), 0);
    while (!mbox_channel_error(w.s.state)) {
        assert_int_equal(side_run(&w.d), -EAGAIN);
        side_run(&w.s);
    }
    world_uninit(&w);
}

/* S gets through however many others connect before it and say nothing. */
static void
test_silent_strangers(void **state)
{
    enum { N = 30 };
    struct world w;
    int fds[N];
    char byte;

    (void) state;
    world_init(&w);
    create_d(&w);
    for (int i = 0; i < N; i++) {
        fds[i] = tls_connect_fd(atoi(strrchr(w.s.prepare.address, ':')
                                       + 1));
        assert_int_equal(side_run(&w.d), -EAGAIN);
    }
    side_create(&w.s);
    assert_int_equal(run_until(&w, &w.d), 0);
    assert_int_equal(run_until(&w, &w.s), 0);

    /* The first ones were closed: they are a bounded number. */
    assert_int_equal(read(fds[0], &byte, 1), 0);
    mb_direct_destroy(w.d.direct);
    w.d.direct = NULL;
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
    check_state_channel(&w);
    world_uninit(&w);
}

static void
test_deadlines(void **state)
{
    struct world w;
    char byte;

    (void) state;
    world_init(&w);
    create_d(&w);
    assert_int_equal(side_run(&w.d), -EAGAIN);

    /* A stranger has 2 s. */
    int fd = tls_connect_fd(atoi(strrchr(w.s.prepare.address, ':') + 1));
    struct pollfd pfd;
    mb_direct_wait(w.d.direct, &pfd);
    assert_int_equal(poll(&pfd, 1, -1), 1);
    assert_int_equal(side_run(&w.d), -EAGAIN);
    assert_int_equal(mb_direct_wake(w.d.direct), clock_ns + 2000000000);
    clock_ns += 2000000000;
    assert_int_equal(side_run(&w.d), -EAGAIN);
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);

    /* And S 10 s in all. */
    assert_int_equal(mb_direct_wake(w.d.direct), clock_ns + 8000000000);
    clock_ns += 8000000000;
    assert_int_equal(side_run(&w.d), -ETIMEDOUT);
    assert_string_equal(w.d.why, "d: s did not connect in time");

    /* To find D it has 2 s. */
    side_create(&w.s);
    assert_int_equal(mb_direct_wake(w.s.direct), clock_ns + 2000000000);
    world_uninit(&w);
}

/* Without TLS there is no certificate to show. */
static void
test_no_tls(void **state)
{
    struct world w;

    (void) state;
    world_init(&w);
    w.d.env.control = NULL;
    assert_null(mb_direct_create(&w.d.env, &w.d.prepare, w.d.why));
    assert_string_equal(w.d.why, "d: Cannot assign requested address");
    strcpy(w.s.prepare.address, "unix:/nowhere");
    assert_null(mb_direct_create(&w.s.env, &w.s.prepare, w.s.why));
    assert_non_null(strstr(w.s.why, "s: unix:/nowhere"));
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_wrong_certificate_of_source),
        cmocka_unit_test(test_wrong_certificate_of_destination),
        cmocka_unit_test(test_wrong_token),
        cmocka_unit_test(test_silent_strangers),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_no_tls),
    };

    return cmocka_run_group_tests_name("libmbox state channels over TLS",
                                       tests, tls_make_files,
                                       tls_remove_files);
}
