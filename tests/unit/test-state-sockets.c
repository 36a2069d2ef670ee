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

/* How a state-enabled program waits for its sockets: as by the C library, but
 * that packets and state move meanwhile.  The instance and the kernel's part
 * are ours. */

#include "test-util.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "instance.h"
#include "kernel.h"
#include "links.h"

int mbox_state_socket(int, int, int);
int mbox_state_epoll_wait(int, struct epoll_event *, int, int);
int mbox_state_poll(struct pollfd *, nfds_t, int);
int mbox_state_ppoll(struct pollfd *, nfds_t, const struct timespec *,
                     const sigset_t *);
int mbox_state_select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
int mbox_state_pselect(int, fd_set *, fd_set *, fd_set *,
                       const struct timespec *, const sigset_t *);

const struct st_program mbox_state_program = { .name = "test" };

static bool wanted;
static int instance_pipe[2], kernel_pipe[2];
static int program_pipe[2];
static unsigned int n_steps, n_opened;
static int step_error, step_signal;
static volatile sig_atomic_t n_signals;

/* The instance: a byte in its pipe is a packet, of which a byte comes to the
 * program. */

bool
st_instance_is_wanted(void)
{
    return wanted;
}

struct st_instance *
st_instance_open_later(st_take_fn *take, void *aux, char **error)
{
    (void) take;
    (void) aux;
    (void) error;
    n_opened++;
    return (void *) instance_pipe;
}

static bool
move_byte(int from, int to)
{
    struct pollfd pfd = { .fd = from, .events = POLLIN };
    char byte;

    if (poll(&pfd, 1, 0) != 1) {
        return false;
    }
    assert_int_equal(read(from, &byte, 1), 1);
    assert_int_equal(write(to, &byte, 1), 1);
    return true;
}

int
st_instance_step(struct st_instance *in, uint64_t ns)
{
    assert_ptr_equal(in, instance_pipe);
    assert_int_equal(ns, 0);
    n_steps++;
    if (step_signal) {
        raise(step_signal);
        step_signal = 0;
    }
    move_byte(instance_pipe[0], program_pipe[1]);
    return step_error;
}

int
st_instance_fd(const struct st_instance *in)
{
    assert_ptr_equal(in, instance_pipe);
    return instance_pipe[0];
}

int
st_kernel_open(char **error)
{
    (void) error;
    return 0;
}

int
st_kernel_socket(int domain, int type, int protocol)
{
    return socket(domain, type, protocol);
}

bool
st_kernel_take(const struct mbox_packet *p)
{
    (void) p;
    return false;
}

void
st_kernel_send(struct st_instance *in)
{
    assert_ptr_equal(in, instance_pipe);
    move_byte(kernel_pipe[0], program_pipe[1]);
}

int
st_kernel_fd(void)
{
    return kernel_pipe[0];
}

static int
set_up(void **state)
{
    (void) state;
    assert_int_equal(pipe(instance_pipe), 0);
    assert_int_equal(pipe(kernel_pipe), 0);
    assert_int_equal(pipe(program_pipe), 0);
    step_error = n_signals = n_steps = 0;
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    for (int i = 0; i < 2; i++) {
        close(instance_pipe[i]);
        close(kernel_pipe[i]);
        close(program_pipe[i]);
    }
    return 0;
}

static void
become_instance(void)
{
    wanted = true;
    int fd = mbox_state_socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    close(fd);
}

static uint64_t
milliseconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000) + ts.tv_nsec / 1000000;
}

static int
open_epoll(uint32_t events)
{
    struct epoll_event event = { .events = events, .data.u64 = 17 };
    int fd = epoll_create1(EPOLL_CLOEXEC);

    assert_int_equal(epoll_ctl(fd, EPOLL_CTL_ADD, program_pipe[0], &event),
                     0);
    return fd;
}

static void
packet(int pipe_[2])
{
    assert_int_equal(write(pipe_[1], "p", 1), 1);
}

static void
eat(void)
{
    char byte;

    assert_int_equal(read(program_pipe[0], &byte, 1), 1);
}

/* Must be the first test: nothing ends being an instance. */
static void
test_no_instance(void **state)
{
    struct epoll_event event;
    int fd = open_epoll(EPOLLIN);

    (void) state;
    close(mbox_state_socket(AF_INET, SOCK_STREAM, 0));
    packet(program_pipe);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), 1);
    assert_int_equal(n_steps + n_opened, 0);

    wanted = true;              /* That is no socket of IP. */
    close(mbox_state_socket(AF_UNIX, SOCK_STREAM, 0));
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), 1);
    assert_int_equal(n_steps + n_opened, 0);
    close(fd);
}

static void
test_epoll(void **state)
{
    struct epoll_event event;
    int fd = open_epoll(EPOLLIN);

    (void) state;
    become_instance();
    become_instance();
    assert_int_equal(n_opened, 1);

    packet(instance_pipe);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), 1);
    assert_int_equal(event.data.u64, 17);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), 1);
    eat();
    packet(kernel_pipe);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), 1);
    eat();

    n_steps = 0;
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, 0), 0);
    assert_int_equal(n_steps, 1);
    uint64_t start = milliseconds();
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, 50), 0);
    assert_true(milliseconds() >= start + 50);

    assert_int_equal(mbox_state_epoll_wait(fd, &event, 0, -1), -1);
    assert_int_equal(errno, EINVAL);
    close(fd);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), -1);
    assert_int_equal(errno, EBADF);
}

static void
test_edges(void **state)
{
    struct epoll_event event;
    int fd = open_epoll(EPOLLIN | EPOLLET);

    (void) state;
    become_instance();
    packet(instance_pipe);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), 1);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, 20), 0);
    packet(instance_pipe);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), 1);
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, 0), 0);
    close(fd);
}

static void
test_poll(void **state)
{
    struct pollfd pfds[3] = {
        { .fd = -1, .events = POLLIN, .revents = 7 },
        { .fd = program_pipe[0], .events = POLLIN },
        { .fd = program_pipe[1], .events = POLLIN },
    };

    (void) state;
    become_instance();
    packet(instance_pipe);
    assert_int_equal(mbox_state_poll(pfds, 3, -1), 1);
    assert_int_equal(pfds[0].revents, 0);
    assert_int_equal(pfds[1].revents, POLLIN);
    assert_int_equal(pfds[2].revents, 0);
    eat();
    assert_int_equal(mbox_state_poll(pfds, 3, 20), 0);
    assert_int_equal(pfds[1].revents, 0);
    assert_int_equal(mbox_state_poll(NULL, 0, 1), 0);
    pfds[2].events = POLLOUT;
    assert_int_equal(mbox_state_poll(pfds, 3, 0), 1);
    assert_int_equal(pfds[2].revents, POLLOUT);
}

/* What the C library refuses is refused, too. */
static void
test_refused(void **state)
{
    struct pollfd pfd = { .fd = program_pipe[0], .events = POLLIN };
    const struct timespec times[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 },
                                      { INT64_MIN, 0 } };

    (void) state;
    become_instance();
    errno = 0;
    assert_int_equal(mbox_state_poll(&pfd, -1, 0), -1);
    assert_int_equal(errno, EINVAL);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        errno = 0;
        assert_int_equal(mbox_state_ppoll(&pfd, 1, &times[i], NULL), -1);
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_int_equal(mbox_state_pselect(0, NULL, NULL, NULL, &times[i],
                                            NULL), -1);
        assert_int_equal(errno, EINVAL);
    }
}

static void
test_select(void **state)
{
    struct timeval timeout = { .tv_sec = 100 };
    fd_set readable, writable;

    (void) state;
    become_instance();
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(program_pipe[0], &readable);
    packet(instance_pipe);
    assert_int_equal(mbox_state_select(program_pipe[1] + 1, &readable,
                                       &writable, NULL, &timeout), 1);
    assert_true(FD_ISSET(program_pipe[0], &readable));
    assert_true(timeout.tv_sec < 100 && timeout.tv_sec > 50);
    eat();

    timeout = (struct timeval) { .tv_usec = 20000 };
    assert_int_equal(mbox_state_select(program_pipe[1] + 1, &readable,
                                       &writable, NULL, &timeout), 0);
    assert_false(FD_ISSET(program_pipe[0], &readable));
    assert_int_equal(timeout.tv_sec + timeout.tv_usec, 0);

    FD_SET(program_pipe[0], &readable);
    FD_SET(program_pipe[1], &writable);
    assert_int_equal(mbox_state_select(program_pipe[1] + 1, &readable,
                                       &writable, NULL, NULL), 1);
    assert_false(FD_ISSET(program_pipe[0], &readable));
    assert_true(FD_ISSET(program_pipe[1], &writable));
}

static void
on_signal(int signum)
{
    (void) signum;
    n_signals++;
}

/* Signals, also those that come while packets move, end the wait. */
static void
test_signals(void **state)
{
    struct pollfd pfd = { .fd = program_pipe[0], .events = POLLIN };
    const struct sigaction action = { .sa_handler = on_signal };
    const struct timespec at_once = { 0, 0 };
    struct epoll_event event;
    int fd = open_epoll(EPOLLIN);
    sigset_t usr1, old;

    (void) state;
    become_instance();
    sigaction(SIGUSR1, &action, NULL);
    step_signal = SIGUSR1;
    assert_int_equal(mbox_state_epoll_wait(fd, &event, 1, -1), -1);
    assert_int_equal(errno, EINTR);
    assert_int_equal(n_signals, 1);
    step_signal = SIGUSR1;
    assert_int_equal(mbox_state_poll(&pfd, 1, -1), -1);
    assert_int_equal(errno, EINTR);
    assert_int_equal(n_signals, 2);

    sigemptyset(&usr1);         /* What is blocked stays so, */
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &old);
    step_signal = SIGUSR1;
    assert_int_equal(mbox_state_poll(&pfd, 1, 20), 0);
    assert_int_equal(n_signals, 2);
    assert_int_equal(mbox_state_ppoll(&pfd, 1, &at_once, &old), -1);
    assert_int_equal(n_signals, 3);     /* but where it is not to. */
    pthread_sigmask(SIG_SETMASK, NULL, &usr1);
    assert_true(sigismember(&usr1, SIGUSR1));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(fd);
}

static void
test_error(void **state)
{
    struct pollfd pfd = { .fd = program_pipe[0], .events = POLLIN };

    (void) state;
    become_instance();
    step_error = -ENETDOWN;
    assert_int_equal(mbox_state_poll(&pfd, 1, -1), -1);
    assert_int_equal(errno, ENETDOWN);
}

static void *
wait_elsewhere(void *steps)
{
    struct pollfd pfd = { .fd = program_pipe[0], .events = POLLIN };

    n_steps = 0;
    mbox_state_poll(&pfd, 1, 1);
    *(unsigned int *) steps = n_steps;
    return NULL;
}

/* Another thread has no state. */
static void
test_threads(void **state)
{
    unsigned int steps = 1;
    pthread_t thread;

    (void) state;
    become_instance();
    mbox_state_poll(NULL, 0, 0);
    pthread_create(&thread, NULL, wait_elsewhere, &steps);
    pthread_join(thread, NULL);
    assert_int_equal(steps, 0);
}

static void
test_links(void **state)
{
    const uint8_t came[18] = {
        1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x81, 0, 0, 9, 8, 0
    };
    const uint8_t goes[18] = {
        2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0x81, 0, 0, 9, 8, 0
    };
    uint8_t host[16] = { 0 }, link[ST_LINK_MAX], other[14] = { 9 };

    (void) state;
    assert_int_equal(st_links_find(host, link), 0);
    st_links_learn(host, came, sizeof came);
    host[0] = 1;
    st_links_put(host, other, sizeof other);
    st_links_learn(host, came, ST_LINK_MAX + 1);
    st_links_put(host, came, 13);
    assert_int_equal(st_links_find(host, link), sizeof other);
    assert_memory_equal(link, other, sizeof other);
    host[0] = 2;                /* As the last one. */
    assert_int_equal(st_links_find(host, link), sizeof other);
    host[0] = 0;
    assert_int_equal(st_links_find(host, link), sizeof goes);
    assert_memory_equal(link, goes, sizeof goes);

    /* Those that were heard of last are known. */
    for (int i = 0; i < 100000; i++) {
        memcpy(host + 4, &i, sizeof i);
        memcpy(other, &i, sizeof i);
        st_links_put(host, other, sizeof other);
        assert_int_equal(st_links_find(host, link), sizeof other);
        assert_memory_equal(link, other, sizeof other);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_instance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_epoll, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_edges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_poll, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_select, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
        cmocka_unit_test(test_links),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
