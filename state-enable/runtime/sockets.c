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

/* Kernel sockets for a state-enabled program: calls of socket(), and of what
 * waits for descriptors, are calls of mbox_state_X().  If the program is an
 * instance, sockets of IP are behind a port of libmbox (kernel.h), and while
 * it waits, packets go to and fro and state moves.  Everything else, and all
 * if it is no instance, is up to the C library. */

#include <config.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include "instance.h"
#include "kernel.h"

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)
#define FOR_EVER INT64_MAX

static struct {
    pthread_mutex_t mutex;
    bool is_open;
    int error;                  /* Of opening it: not tried again. */
    struct st_instance *instance;

    /* The thread that waited first: it has the state. */
    bool has_owner;
    pthread_t owner;
} own = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* What is waited for: that of the program, which is behind ours. */
enum { OWN_INSTANCE, OWN_KERNEL, N_OWN };
static struct pollfd *set;
static size_t set_size;

int mbox_state_socket(int, int, int);
int mbox_state_epoll_wait(int, struct epoll_event *, int, int);
int mbox_state_epoll_pwait(int, struct epoll_event *, int, int,
                           const sigset_t *);
int mbox_state_poll(struct pollfd *, nfds_t, int);
int mbox_state_ppoll(struct pollfd *, nfds_t, const struct timespec *,
                     const sigset_t *);
int mbox_state_select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
int mbox_state_pselect(int, fd_set *, fd_set *, fd_set *,
                       const struct timespec *, const sigset_t *);

/* Opening. */

static bool
take(void *aux, const struct mbox_packet *packet)
{
    (void) aux;
    return st_kernel_take(packet);
}

/* Returns 0 or a negative errno value, with a message. */
static int
open_instance(void)
{
    char *error = NULL;
    int result = st_kernel_open(&error);

    if (!result) {
        own.instance = st_instance_open_later(take, NULL, &error);
        result = own.instance ? 0 : -EIO;
    }
    if (result) {
        fprintf(stderr, "%s: state: no sockets: %s%s\n",
                mbox_state_program.name, error ? error : strerror(-result),
                result == -EPERM ? " (it takes CAP_NET_ADMIN, CAP_NET_RAW and "
                                   "CAP_SYS_ADMIN)" : "");
        free(error);
    }
    return result;
}

int
mbox_state_socket(int domain, int type, int protocol)
{
    if (!st_instance_is_wanted()
        || (domain != AF_INET && domain != AF_INET6)) {
        return socket(domain, type, protocol);
    }
    pthread_mutex_lock(&own.mutex);
    if (!own.is_open && !own.error) {
        own.error = open_instance();
        own.is_open = !own.error;
    }
    int error = own.error;
    pthread_mutex_unlock(&own.mutex);
    if (error) {
        errno = -error;
        return -1;
    }
    return st_kernel_socket(domain, type, protocol);
}

/* Whether the call is the packet loop's of an instance. */
static bool
is_ours(void)
{
    pthread_mutex_lock(&own.mutex);
    if (own.is_open && !own.has_owner) {
        own.has_owner = true;
        own.owner = pthread_self();
    }
    bool ours = own.has_owner && pthread_equal(own.owner, pthread_self());
    pthread_mutex_unlock(&own.mutex);
    return ours;
}

/* Waiting. */

static int64_t
now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * SECOND + ts.tv_nsec;
}

static int64_t
deadline_after(int64_t ns)
{
    int64_t from = now();

    return ns < FOR_EVER - from ? from + ns : FOR_EVER;
}

static int64_t
after_ms(int ms)
{
    return ms < 0 ? FOR_EVER : deadline_after(ms * MILLISECOND);
}

static int64_t
after_timespec(const struct timespec *ts)
{
    return (!ts || ts->tv_sec >= FOR_EVER / SECOND ? FOR_EVER
            : deadline_after(ts->tv_sec * SECOND + ts->tv_nsec));
}

/* Whether it is a time that ppoll() takes; sets 'errno' if it is not. */
static bool
is_time(const struct timespec *ts)
{
    if (ts && (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= SECOND)) {
        errno = EINVAL;
        return false;
    }
    return true;
}

/* Makes room for 'n' descriptors of the program.  False with 'errno' if memory
 * is short, or if nobody has so many. */
static bool
reserve(size_t n)
{
    if (n > INT_MAX) {
        errno = EINVAL;
        return false;
    }
    if (n + N_OWN > set_size) {
        struct pollfd *more = realloc(set, (n + N_OWN) * sizeof *more);

        if (!more) {
            errno = ENOMEM;
            return false;
        }
        set = more;
        set_size = n + N_OWN;
    }
    return true;
}

/* Moves packets, and state. */
static int
serve(void)
{
    int error = st_instance_step(own.instance, 0);

    st_kernel_send(own.instance);
    return error;
}

static int
n_ready(size_t n)
{
    int ready = 0;

    for (size_t i = 0; i < n; i++) {
        ready += set[N_OWN + i].revents != 0;
    }
    return ready;
}

/* Serves until one of the 'n' descriptors in 'set' is ready, or 'deadline'.
 * Returns how many are ready, or -1 with 'errno', as ppoll() does.  Signals
 * come only while it waits, so that none is missed. */
static int
wait_for(size_t n, int64_t deadline, const sigset_t *mask)
{
    sigset_t all, old;
    int ready = 0, error = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    set[OWN_INSTANCE].events = set[OWN_KERNEL].events = POLLIN;
    set[OWN_INSTANCE].fd = st_instance_fd(own.instance);
    set[OWN_KERNEL].fd = st_kernel_fd();
    for (bool over = false; !ready && !over && !error;) {
        int64_t left = 0;

        error = -serve();
        if (!error) {
            left = deadline == FOR_EVER ? FOR_EVER : deadline - now();
            over = left <= 0;
            left = over ? 0 : left;

            const struct timespec ts = { left / SECOND, left % SECOND };
            if (ppoll(set, n + N_OWN, deadline == FOR_EVER ? NULL : &ts,
                      mask ? mask : &old) < 0) {
                error = errno;
            } else {
                ready = n_ready(n);
            }
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = error ? error : errno;
    return error ? -1 : ready;
}

static int
wait_for_epoll(int epfd, struct epoll_event *events, int max,
               int64_t deadline, const sigset_t *mask)
{
    if (max <= 0 || !reserve(1)) {
        return max <= 0 ? epoll_wait(epfd, events, max, 0) : -1;
    }
    for (;;) {
        set[N_OWN] = (struct pollfd) { .fd = epfd, .events = POLLIN };
        int n = wait_for(1, deadline, mask);

        if (n > 0) {
            n = epoll_wait(epfd, events, max, 0);
            if (!n && (deadline == FOR_EVER || now() < deadline)) {
                continue;       /* Nothing after all. */
            }
        }
        return n;
    }
}

int
mbox_state_epoll_wait(int epfd, struct epoll_event *events, int max,
                      int timeout)
{
    return (is_ours()
            ? wait_for_epoll(epfd, events, max, after_ms(timeout), NULL)
            : epoll_wait(epfd, events, max, timeout));
}

int
mbox_state_epoll_pwait(int epfd, struct epoll_event *events, int max,
                       int timeout, const sigset_t *mask)
{
    return (is_ours()
            ? wait_for_epoll(epfd, events, max, after_ms(timeout), mask)
            : epoll_pwait(epfd, events, max, timeout, mask));
}

static int
wait_for_poll(struct pollfd *fds, nfds_t n, int64_t deadline,
              const sigset_t *mask)
{
    if (!reserve(n)) {
        return -1;
    }
    if (n) {
        memcpy(set + N_OWN, fds, n * sizeof *fds);
    }
    int ready = wait_for(n, deadline, mask);
    if (ready >= 0 && n) {
        memcpy(fds, set + N_OWN, n * sizeof *fds);
    }
    return ready;
}

int
mbox_state_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return (is_ours() ? wait_for_poll(fds, n, after_ms(timeout), NULL)
            : poll(fds, n, timeout));
}

int
mbox_state_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                 const sigset_t *mask)
{
    if (!is_ours()) {
        return ppoll(fds, n, timeout, mask);
    }
    return (is_time(timeout)
            ? wait_for_poll(fds, n, after_timespec(timeout), mask) : -1);
}

static bool
has(int fd, const fd_set *fds)
{
    return fds && FD_ISSET(fd, fds);
}

static void
copy(fd_set *to, const fd_set *from)
{
    if (from) {
        *to = *from;
    }
}

/* What is ready, select() itself tells. */
static int
wait_for_select(int n, fd_set *readable, fd_set *writable, fd_set *urgent,
                int64_t deadline, const sigset_t *mask)
{
    fd_set r, w, u;

    if (n < 0 || n > FD_SETSIZE || !reserve(n)) {
        errno = n < 0 || n > FD_SETSIZE ? EINVAL : errno;
        return -1;
    }
    copy(&r, readable);
    copy(&w, writable);
    copy(&u, urgent);
    for (;;) {
        struct timeval at_once = { 0, 0 };
        size_t n_fds = 0;

        for (int fd = 0; fd < n; fd++) {
            short events = ((has(fd, readable) ? POLLIN : 0)
                            | (has(fd, writable) ? POLLOUT : 0)
                            | (has(fd, urgent) ? POLLPRI : 0));

            if (events) {
                set[N_OWN + n_fds++] = (struct pollfd) { fd, events, 0 };
            }
        }
        int ready = wait_for(n_fds, deadline, mask);
        if (ready < 0) {
            return ready;
        }
        ready = select(n, readable, writable, urgent, &at_once);
        if (ready || (deadline != FOR_EVER && now() >= deadline)) {
            return ready;
        }
        if (readable) {
            *readable = r;
        }
        if (writable) {
            *writable = w;
        }
        if (urgent) {
            *urgent = u;
        }
    }
}

int
mbox_state_select(int n, fd_set *readable, fd_set *writable, fd_set *urgent,
                  struct timeval *timeout)
{
    if (!is_ours()) {
        return select(n, readable, writable, urgent, timeout);
    }
    if (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0)) {
        errno = EINVAL;
        return -1;
    }
    const struct timespec ts = {
        timeout ? timeout->tv_sec : 0,
        timeout ? timeout->tv_usec * 1000 : 0,
    };
    int64_t deadline = after_timespec(timeout ? &ts : NULL);
    int ready = wait_for_select(n, readable, writable, urgent, deadline,
                                NULL);

    if (timeout && deadline != FOR_EVER) {      /* As Linux has it. */
        int error = errno;
        int64_t left = deadline - now();

        left = left > 0 ? left : 0;
        timeout->tv_sec = left / SECOND;
        timeout->tv_usec = left % SECOND / 1000;
        errno = error;
    }
    return ready;
}

int
mbox_state_pselect(int n, fd_set *readable, fd_set *writable, fd_set *urgent,
                   const struct timespec *timeout, const sigset_t *mask)
{
    if (!is_ours()) {
        return pselect(n, readable, writable, urgent, timeout, mask);
    }
    return (is_time(timeout)
            ? wait_for_select(n, readable, writable, urgent,
                              after_timespec(timeout), mask) : -1);
}
