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

/* The ready-made hook for connected TCP sockets, on the loopback device of a
 * network namespace of our own. */

#include "test-util.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "state-tcp.h"
#include "tcp-image.h"

#define DAMAGED 3000            /* Copies of an image. */
#define PART 100000

struct conn {
    int number;
    int fds[2];
};

static int n_arrived;
static bool can_deliver;
static int deliver_error;
static struct sockaddr_in6 own_ipv6 = { .sin6_family = AF_INET6 };

static void
arrived(void *conn_, unsigned int index)
{
    struct conn *conn = conn_;

    assert_int_equal(index, 1);
    assert_int_equal(conn->number, 17);
    n_arrived++;
}

/* As the network would. */
static int
deliver(const void *packet, size_t size)
{
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    if (deliver_error) {
        close(fd);
        return deliver_error;
    }
    assert_true(sendto(fd, packet, size, 0, (const struct sockaddr *) &to,
                       sizeof to) == (ssize_t) size);
    close(fd);
    return 0;
}

MBOX_STATE_TCP_HOOK(hook, struct conn, fds[index], arrived,
                    can_deliver ? deliver : NULL)

static unsigned int
n_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned int n = 0;

    assert_non_null(dir);
    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* A connection, both ends of which do not block; 'own' was accepted. */
static void
open_pair(int family, int *own, int *peer)
{
    struct sockaddr_storage ss = { .ss_family = family };
    socklen_t len = sizeof ss;
    const int size = 20000, on = 1;
    int listener = socket(family, SOCK_STREAM, 0);

    if (family == AF_INET) {
        ((struct sockaddr_in *) &ss)->sin_addr.s_addr
            = htonl(INADDR_LOOPBACK);
    } else {
        memcpy(&ss, &own_ipv6, sizeof own_ipv6);
    }
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    assert_int_equal(bind(listener, (struct sockaddr *) &ss, sizeof ss), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *) &ss, &len), 0);
    *peer = socket(family, SOCK_STREAM, 0);
    setsockopt(*peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    assert_int_equal(connect(*peer, (struct sockaddr *) &ss, len), 0);
    *own = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(*own >= 0);
    close(listener);
    fcntl(*peer, F_SETFL, O_NONBLOCK);
    fcntl(*own, F_SETFL, O_NONBLOCK);
    setsockopt(*own, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void
close_pair(int own, int peer)
{
    close(own);
    close(peer);
}

static int
get(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static struct tcp_info
info(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;

    memset(&info, 0, sizeof info);
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    return info;
}

/* Sends all that there is room for. */
static size_t
fill(int fd)
{
    char data[PART];
    size_t sum = 0;
    ssize_t n;

    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = i % 251;
    }
    while (sum < sizeof data
           && (n = send(fd, data + sum, sizeof data - sum, 0)) > 0) {
        sum += n;
    }
    return sum;
}

/* Reads 'n' bytes of that. */
static void
check(int fd, size_t n)
{
    uint8_t data[PART];
    size_t sum = 0;

    while (sum < n) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, -1), 1);
        ssize_t got = recv(fd, data, n - sum, 0);
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++) {
            assert_int_equal(data[i], (sum + i) % 251);
        }
        sum += got;
    }
}

/* Waits until all that could be sent was, and the peer has said so: then
 * nothing is under way. */
static void
settle(int fd)
{
    int n = 0, unsent = 0;

    do {
        usleep(1000);
        ioctl(fd, SIOCOUTQ, &n);
        ioctl(fd, SIOCOUTQNSD, &unsent);
    } while (n != unsent);
}

static void *image;
static ssize_t n_image;

/* Has the connection stand still and keeps what it is. */
static void
save(struct conn *conn)
{
    n_image = hook.save(conn, 1, NULL, 0);
    assert_true(n_image > 0);
    image = malloc(n_image);
    assert_non_null(image);
    assert_int_equal(hook.save(conn, 1, image, n_image), n_image);
}

/* The connection is described so: by its addresses, queues and state, which
 * may stand still.  That changes nothing. */
static void
check_description(const struct conn *conn, const char *still)
{
    char text[256], part[64];
    int n = 0, unacked = 0, unsent = 0;

    assert_int_equal(hook.describe(conn, 1, text, sizeof text), 0);
    assert_non_null(strstr(text, ", established, "));
    assert_memory_equal(text, "tcp,", 4);
    if (!still[0]) {
        ioctl(conn->fds[1], SIOCINQ, &n);
        ioctl(conn->fds[1], SIOCOUTQ, &unacked);
        ioctl(conn->fds[1], SIOCOUTQNSD, &unsent);
        assert_true(n > 0 && unacked > 0);
        snprintf(part, sizeof part,
                 "%d bytes unread, %d unacknowledged, %d unsent", n,
                 unacked - unsent, unsent);
        assert_non_null(strstr(text, part));
    }
    const char *last = strstr(text, ", stands still");
    assert_string_equal(last ? last : "", still);
    hook.describe(conn, 1, text, 8);    /* And no more. */
    assert_int_equal(strlen(text), 7);
}

/* 'device' is one that the connection is bound to, if it is not empty. */
static void
check_device(int fd, const char *device)
{
    char name[IFNAMSIZ] = "";
    socklen_t len = sizeof name;

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len),
                     0);
    assert_string_equal(name, device);
}

static void
check_move(int family, const char *device)
{
    struct conn conn = { 17, { -1, -1 } };
    int peer, two = 2, on = 1, idle = 77, tos = 0x48, offset = 3;
    struct epoll_event event = { .events = EPOLLIN };
    struct timeval timeout = { .tv_sec = 5 };
    unsigned int before = n_descriptors();
    char byte;

    open_pair(family, &conn.fds[1], &peer);
    if (family == AF_INET) {
        setsockopt(conn.fds[1], SOL_SOCKET, SO_BINDTODEVICE, device,
                   strlen(device));
    }
    check_device(conn.fds[1], device);
    setsockopt(conn.fds[1], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(conn.fds[1], IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(conn.fds[1], SOL_SOCKET, SO_RCVLOWAT, &two, sizeof two);
    setsockopt(conn.fds[1], SOL_SOCKET, SO_RCVTIMEO, &timeout,
               sizeof timeout);
    setsockopt(conn.fds[1], family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
               family == AF_INET ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
    bool peeks = !setsockopt(conn.fds[1], SOL_SOCKET, SO_PEEK_OFF, &offset,
                             sizeof offset);    /* Since Linux 6.9. */
    int buffer = get(conn.fds[1], SOL_SOCKET, SO_SNDBUF);
    struct tcp_info was = info(conn.fds[1]);
    size_t n_in = fill(peer), n_out = fill(conn.fds[1]);
    settle(conn.fds[1]);
    settle(peer);

    /* Nothing happens on the number, and the peer sees nothing. */
    int old = conn.fds[1];
    check_description(&conn, "");
    save(&conn);
    check_description(&conn, ", stands still, to leave");
    assert_int_equal(conn.fds[1], old);
    struct pollfd pfd = { .fd = old, .events = POLLIN | POLLOUT };
    assert_int_equal(poll(&pfd, 1, 0), 0);
    assert_int_equal(read(old, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    hook.release(&conn, 1);
    assert_int_equal(n_descriptors(), before + 1);
    assert_int_equal(info(peer).tcpi_state, TCP_ESTABLISHED);

    conn.fds[1] = 0;
    assert_int_equal(hook.load(&conn, 1, image, n_image), 0);
    pfd.fd = conn.fds[1];
    assert_int_equal(poll(&pfd, 1, 0), 0);
    check_description(&conn, ", stands still, has arrived");
    n_arrived = 0;
    hook.resume(&conn, 1);
    assert_int_equal(n_arrived, 1);
    hook.resume(&conn, 1);
    assert_int_equal(n_arrived, 1);

    int fd = conn.fds[1], epoll_fd = epoll_create1(0);
    assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
    assert_int_equal(epoll_wait(epoll_fd, &event, 1, -1), 1);
    close(epoll_fd);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    check_device(fd, device);
    assert_int_equal(get(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle);
    assert_int_equal(get(fd, SOL_SOCKET, SO_RCVLOWAT), 2);
    assert_int_equal(get(fd, SOL_SOCKET, SO_SNDBUF), buffer);
    if (peeks) {
        assert_int_equal(get(fd, SOL_SOCKET, SO_PEEK_OFF), offset);
    }
    assert_int_equal(get(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                         family == AF_INET ? IP_TOS : IPV6_TCLASS), tos);
    assert_int_equal(get(fd, IPPROTO_TCP, TCP_KEEPCNT),
                     get(peer, IPPROTO_TCP, TCP_KEEPCNT));
    assert_int_equal(info(fd).tcpi_snd_mss, was.tcpi_snd_mss);
    assert_int_equal(info(fd).tcpi_options & ~TCPI_OPT_ECN,
                     was.tcpi_options & ~TCPI_OPT_ECN);
    check(peer, n_out);
    check(fd, n_in);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    pfd.events = POLLIN;
    assert_int_equal(poll(&pfd, 1, -1), 1);
    assert_int_equal(read(fd, &byte, 1), 0);
    close_pair(fd, peer);
    assert_int_equal(n_descriptors(), before);
    free(image);
}

static void
test_move_ipv4(void **state)
{
    (void) state;
    check_move(AF_INET, "");
    check_move(AF_INET, "lo");
}

static void
test_move_ipv6(void **state)
{
    (void) state;
    own_ipv6.sin6_addr = in6addr_loopback;
    check_move(AF_INET6, "");

    /* An address of a link, with which goes the device. */
    struct {
        struct in6_addr address;
        uint32_t prefix_len;
        int device;
        struct ifreq room;      /* Valgrind takes it for one of these. */
    } request = { .prefix_len = 64, .device = if_nametoindex("lo") };
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    assert_int_equal(inet_pton(AF_INET6, "fe80::5", &request.address), 1);
    assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
    own_ipv6.sin6_addr = request.address;
    own_ipv6.sin6_scope_id = request.device;
    while (bind(fd, (struct sockaddr *) &own_ipv6, sizeof own_ipv6)) {
        assert_int_equal(errno, EADDRNOTAVAIL);     /* Not yet. */
        usleep(1000);
    }
    close(fd);
    check_move(AF_INET6, "lo");
}

/* The move fails. */
static void
test_stay(void **state)
{
    struct conn conn = { 17, { -1, -1 } };
    struct epoll_event event = { .events = EPOLLIN };
    unsigned int before = n_descriptors();
    int peer, epoll_fd = epoll_create1(0);

    (void) state;
    open_pair(AF_INET, &conn.fds[1], &peer);
    assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn.fds[1], &event),
                     0);
    save(&conn);
    free(image);
    assert_int_equal(send(peer, "\0\1", 2, 0), 2);
    n_arrived = 0;
    hook.resume(&conn, 1);
    assert_int_equal(n_arrived, 0);
    assert_int_equal(epoll_wait(epoll_fd, &event, 1, -1), 1);
    check(conn.fds[1], 2);
    assert_int_equal(fcntl(conn.fds[1], F_GETFD), FD_CLOEXEC);

    /* The program closes what stands still. */
    int fd = conn.fds[1];
    save(&conn);
    free(image);
    close(fd);
    assert_int_equal(dup2(epoll_fd, fd), fd);
    hook.resume(&conn, 1);
    assert_int_equal(epoll_wait(fd, &event, 1, 0), 0);
    close(epoll_fd);
    close_pair(fd, peer);
    assert_int_equal(n_descriptors(), before);
}

/* The move fails, of a connection that edges are waited for: those that the
 * program could not make use of come again. */
static void
test_stay_edge(void **state)
{
    struct conn conn = { 17, { -1, -1 } };
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
    int peer, on = 1, epoll_fd = epoll_create1(0);

    (void) state;
    open_pair(AF_INET, &conn.fds[1], &peer);
    setsockopt(conn.fds[1], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn.fds[1], &event),
                     0);
    assert_int_equal(send(peer, "\0", 1, 0), 1);
    settle(peer);
    save(&conn);
    free(image);
    assert_int_equal(epoll_wait(epoll_fd, &event, 1, -1), 1);
    assert_int_equal(epoll_wait(epoll_fd, &event, 1, 0), 0);
    hook.resume(&conn, 1);
    assert_int_equal(epoll_wait(epoll_fd, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLIN | EPOLLOUT);
    assert_int_equal(get(conn.fds[1], SOL_SOCKET, SO_REUSEADDR), 1);
    check(conn.fds[1], 1);
    close(epoll_fd);
    close_pair(conn.fds[1], peer);
}

/* The program closes what stands still, and nobody asks for it again. */
static void
test_forgotten(void **state)
{
    enum { N = 20 };
    unsigned int before = n_descriptors();
    struct conn conns[N];
    int peers[N];

    (void) state;
    for (int i = 0; i < N; i++) {
        conns[i] = (struct conn) { 17, { -1, -1 } };
        open_pair(AF_INET, &conns[i].fds[1], &peers[i]);
        save(&conns[i]);
        free(image);
    }
    for (int i = 1; i < N; i++) {
        close(conns[i].fds[1]);
    }
    for (int i = 0; i < N; i++) {
        mbox_state_tcp_step();
        close(peers[i]);
    }
    hook.resume(&conns[0], 1);
    assert_int_equal(n_descriptors(), before + 1);
    close(conns[0].fds[1]);
    mbox_state_tcp_step();
}

/* A socket of IPv6 with a connection of IPv4, whose peer has closed. */
static void
test_mapped(void **state)
{
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
    struct sockaddr_in sin = { .sin_family = AF_INET };
    struct conn conn = { 17, { -1, -1 } };
    socklen_t len = sizeof sin6;
    int listener = socket(AF_INET6, SOCK_STREAM, 0), off = 0;
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    char byte;

    (void) state;
    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    assert_int_equal(bind(listener, (struct sockaddr *) &sin6, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *) &sin6, &len),
                     0);
    sin.sin_port = sin6.sin6_port;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(peer, (struct sockaddr *) &sin, sizeof sin), 0);
    conn.fds[1] = accept(listener, NULL, NULL);
    close(listener);
    assert_int_equal(send(peer, "\0", 1, 0), 1);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    while (info(conn.fds[1]).tcpi_state != TCP_CLOSE_WAIT) {
        usleep(1000);
    }
    int mss = info(conn.fds[1]).tcpi_snd_mss;
    can_deliver = true;
    save(&conn);
    hook.release(&conn, 1);
    assert_int_equal(hook.load(&conn, 1, image, n_image), 0);
    free(image);
    hook.resume(&conn, 1);
    assert_int_equal(info(conn.fds[1]).tcpi_state, TCP_CLOSE_WAIT);
    assert_int_equal(info(conn.fds[1]).tcpi_snd_mss, mss);
    check(conn.fds[1], 1);
    assert_int_equal(recv(conn.fds[1], &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(send(conn.fds[1], "\0", 1, 0), 1);
    check(peer, 1);
    close_pair(conn.fds[1], peer);
}

/* Each end closes for its part. */
static void
test_half_closed(void **state)
{
    struct conn conn = { 17, { -1, -1 } };
    int peer;
    char byte;

    (void) state;
    open_pair(AF_INET, &conn.fds[1], &peer);
    assert_int_equal(send(peer, "\0", 1, 0), 1);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    while (info(conn.fds[1]).tcpi_state != TCP_CLOSE_WAIT) {
        usleep(1000);
    }
    can_deliver = false;
    assert_int_equal(hook.save(&conn, 1, NULL, 0), -EOPNOTSUPP);
    can_deliver = true;
    save(&conn);
    hook.release(&conn, 1);
    can_deliver = false;
    assert_int_equal(hook.load(&conn, 1, image, n_image), -EPROTO);
    can_deliver = true;
    assert_int_equal(hook.load(&conn, 1, image, n_image), 0);
    free(image);
    hook.resume(&conn, 1);
    assert_int_equal(info(conn.fds[1]).tcpi_state, TCP_CLOSE_WAIT);
    check(conn.fds[1], 1);
    assert_int_equal(read(conn.fds[1], &byte, 1), 0);

    /* From the other side, it has closed, and moves. */
    struct conn other = { 17, { -1, peer } };
    save(&other);
    hook.release(&other, 1);
    assert_int_equal(hook.load(&other, 1, image, n_image), 0);
    free(image);
    hook.resume(&other, 1);
    peer = other.fds[1];
    while (info(peer).tcpi_state != TCP_FIN_WAIT2) {
        usleep(1000);
    }
    assert_int_equal(send(conn.fds[1], "\0", 1, 0), 1);
    check(peer, 1);
    close_pair(conn.fds[1], peer);
}

/* What is left to do when it has come fails: its peer sees that. */
static const uint8_t known_link[18] = { 2, 3, 4, 5, 6, 7, [12] = 0x81 };
static unsigned int n_links, n_sockets;

static size_t
get_link(const uint8_t host[16], uint8_t header[TCP_IMAGE_LINK_MAX])
{
    assert_int_equal(host[12], 127);
    memcpy(header, known_link, sizeof known_link);
    return sizeof known_link;
}

static void
put_link(const uint8_t host[16], const uint8_t *header, size_t size)
{
    assert_int_equal(host[12], 127);
    assert_int_equal(size, sizeof known_link);
    assert_memory_equal(header, known_link, size);
    n_links++;
}

static int
open_socket(int domain, int type, int protocol)
{
    n_sockets++;
    return socket(domain, type, protocol);
}

/* The runtime has a place for sockets, and delivers packets there. */
static void
test_place(void **state)
{
    const struct tcp_image_net place = {
        open_socket, deliver, get_link, put_link,
    };
    struct conn conn = { 17, { -1, -1 } };
    int peer;
    char byte;

    (void) state;
    tcp_image_set_net(&place);
    can_deliver = false;
    open_pair(AF_INET, &conn.fds[1], &peer);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    settle(peer);
    save(&conn);
    hook.release(&conn, 1);
    assert_int_equal(n_links + n_sockets, 0);
    assert_int_equal(hook.load(&conn, 1, image, n_image), 0);
    assert_int_equal(n_links, 1);
    assert_int_equal(n_sockets, 1);
    hook.resume(&conn, 1);
    tcp_image_set_net(NULL);

    struct pollfd pfd = { .fd = conn.fds[1], .events = POLLIN };
    assert_int_equal(poll(&pfd, 1, -1), 1);
    assert_int_equal(read(conn.fds[1], &byte, 1), 0);
    close_pair(conn.fds[1], peer);
    free(image);
}

static void
test_break(void **state)
{
    struct conn conn = { 17, { -1, -1 } };
    int peer;
    char byte;

    (void) state;
    open_pair(AF_INET, &conn.fds[1], &peer);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    while (info(conn.fds[1]).tcpi_state != TCP_CLOSE_WAIT) {
        usleep(1000);
    }
    can_deliver = true;
    save(&conn);
    hook.release(&conn, 1);
    assert_int_equal(hook.load(&conn, 1, image, n_image), 0);
    free(image);
    deliver_error = -EIO;
    hook.resume(&conn, 1);
    deliver_error = 0;
    struct pollfd pfd = { .fd = conn.fds[1] };
    assert_int_equal(poll(&pfd, 1, -1), 1);
    assert_true(pfd.revents & POLLHUP);
    pfd = (struct pollfd) { .fd = peer, .events = POLLIN };
    assert_int_equal(poll(&pfd, 1, -1), 1);
    assert_int_equal(read(peer, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close_pair(conn.fds[1], peer);
}

static void
refuse(int fd, int error)
{
    struct conn conn = { 17, { -1, fd } };

    assert_int_equal(hook.save(&conn, 1, NULL, 0), error);
    hook.resume(&conn, 1);
    assert_int_equal(close(fd), 0);
}

static void
test_refuse(void **state)
{
    struct conn conn = { 17, { -1, -1 } };
    unsigned int before = n_descriptors();
    int fds[2], own, peer;

    (void) state;
    assert_int_equal(hook.save(&conn, 1, NULL, 0), 0);
    assert_int_equal(hook.load(&conn, 1, NULL, 0), 0);
    assert_int_equal(conn.fds[1], -1);
    hook.resume(&conn, 1);
    hook.release(&conn, 1);

    assert_int_equal(pipe(fds), 0);
    refuse(fds[0], -ENOTSOCK);
    refuse(fds[1], -ENOTSOCK);
    refuse(socket(AF_INET, SOCK_DGRAM, 0), -EPROTONOSUPPORT);
    refuse(socket(AF_UNIX, SOCK_STREAM, 0), -EPROTONOSUPPORT);
    refuse(socket(AF_INET, SOCK_STREAM, 0), -ENOTCONN);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    listen(listener, 1);
    refuse(listener, -ENOTCONN);
    int mptcp = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    if (mptcp >= 0) {           /* The kernel knows it. */
        refuse(mptcp, -EPROTONOSUPPORT);
    }
    open_pair(AF_INET, &own, &peer);
    if (!setsockopt(own, IPPROTO_TCP, TCP_ULP, "tls", 3)) {
        refuse(own, -EPROTONOSUPPORT);
    } else {
        close(own);
    }
    close(peer);
    assert_int_equal(n_descriptors(), before);
}

/* Whatever comes, nothing is left of it. */
static void
test_hostile(void **state)
{
    struct conn conn = { 17, { -1, -1 } };
    unsigned int before = n_descriptors(), n = 0;
    int peer;

    (void) state;
    open_pair(AF_INET, &conn.fds[1], &peer);
    assert_int_equal(send(peer, "abc", 3, 0), 3);
    assert_int_equal(send(conn.fds[1], "de", 2, 0), 2);
    settle(conn.fds[1]);
    settle(peer);
    save(&conn);
    hook.release(&conn, 1);
    for (ssize_t i = 1; i < n_image; i++) {
        uint8_t *part = test_memdup(image, i);

        assert_true(hook.load(&conn, 1, part, i) < 0);
        free(part);
    }
    for (int i = 0; i < DAMAGED; i++) {
        uint8_t *damaged = test_memdup(image, n_image);

        for (int j = rand() % 3; j >= 0; j--) {
            damaged[rand() % n_image] = rand();
        }
        int error = hook.load(&conn, 1, damaged, n_image);
        free(damaged);
        if (!error) {
            if (i % 2) {
                hook.resume(&conn, 1);
            }
            hook.release(&conn, 1);
            n++;
        }
        assert_int_equal(n_descriptors(), before + 1);
    }
    print_message("%u of %d damaged images are as good as others\n", n,
                  DAMAGED);
    free(image);
    close(peer);
}

static int
enter_namespace(void **state)
{
    struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd;

    (void) state;
    if (unshare(CLONE_NEWNET)) {
        exit(77);               /* Only root can do that. */
    }
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    ioctl(fd, SIOCSIFFLAGS, &ifr);
    close(fd);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_move_ipv4),
        cmocka_unit_test(test_move_ipv6),
        cmocka_unit_test(test_stay),
        cmocka_unit_test(test_stay_edge),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_break),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
