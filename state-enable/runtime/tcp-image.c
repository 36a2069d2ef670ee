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

#include <config.h>
#include "tcp-image.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tcp-socket.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif

#define BUFFER_MAX (1 << 30)
#define BUFFER_ROOM 65536       /* Besides what is in a queue. */
#define BUFFER_LOCKS 3          /* All of them. */

enum { NONBLOCK = 1, CLOEXEC = 2, FLAGS = 3 };

/* Options that are integers. */
enum stage {
    EARLY,                      /* Before it has an address. */
    CONNECTED,
    LATE,                       /* Once it is out of repair mode. */
};
static const struct option {
    uint8_t family;             /* 0: any. */
    enum stage stage;
    int level, name;
} options[] = {
    { 4, EARLY, IPPROTO_IP, IP_TRANSPARENT },
    { 4, EARLY, IPPROTO_IP, IP_FREEBIND },
    { 6, EARLY, IPPROTO_IPV6, IPV6_TRANSPARENT },
    { 6, EARLY, IPPROTO_IPV6, IPV6_FREEBIND },
    { 6, EARLY, IPPROTO_IPV6, IPV6_V6ONLY },
    { 0, EARLY, SOL_SOCKET, SO_MARK },
    { 4, CONNECTED, IPPROTO_IP, IP_TOS },
    { 4, CONNECTED, IPPROTO_IP, IP_TTL },
    { 6, CONNECTED, IPPROTO_IPV6, IPV6_TCLASS },
    { 6, CONNECTED, IPPROTO_IPV6, IPV6_UNICAST_HOPS },
    { 0, CONNECTED, SOL_SOCKET, SO_PRIORITY },  /* IP_TOS sets it, too. */
    { 0, CONNECTED, SOL_SOCKET, SO_KEEPALIVE },
    { 0, CONNECTED, SOL_SOCKET, SO_OOBINLINE },
    { 0, CONNECTED, SOL_SOCKET, SO_RCVLOWAT },
    { 0, CONNECTED, IPPROTO_TCP, TCP_KEEPIDLE },
    { 0, CONNECTED, IPPROTO_TCP, TCP_KEEPINTVL },
    { 0, CONNECTED, IPPROTO_TCP, TCP_KEEPCNT },
    { 0, CONNECTED, IPPROTO_TCP, TCP_USER_TIMEOUT },
    { 0, CONNECTED, IPPROTO_TCP, TCP_NOTSENT_LOWAT },
    { 0, CONNECTED, IPPROTO_TCP, TCP_LINGER2 },
    { 0, CONNECTED, IPPROTO_TCP, TCP_NODELAY },
    { 0, CONNECTED, IPPROTO_TCP, TCP_CORK },
    { 0, LATE, SOL_SOCKET, SO_PEEK_OFF },
    { 0, LATE, SOL_SOCKET, SO_REUSEADDR },
};
#define N_OPTIONS (sizeof options / sizeof *options)
_Static_assert(N_OPTIONS <= TCP_IMAGE_OPTIONS_MAX, "options");

static const struct tcp_image_net *net;

void
tcp_image_set_net(const struct tcp_image_net *new)
{
    net = new;
}

tcp_image_deliver_fn *
tcp_image_deliver(void)
{
    return net ? net->deliver : NULL;
}

static bool
get_option(int fd, int level, int name, void *value, socklen_t size)
{
    return !getsockopt(fd, level, name, value, &size);
}

static int
get_int(int fd, int level, int name)
{
    int value;

    return get_option(fd, level, name, &value, sizeof value) ? value : -1;
}

/* What can be moved. */

static bool
has_upper_layer(int fd)
{
    char name[16] = "";         /* TCP_ULP_NAME_MAX */

    return (get_option(fd, IPPROTO_TCP, TCP_ULP, name, sizeof name)
            && name[0]);
}

const char *
tcp_image_refuse(int fd, bool can_deliver, int *error)
{
    int type = get_int(fd, SOL_SOCKET, SO_TYPE);

    if (type < 0) {
        *error = -errno;
        return "it is no socket";
    }
    int protocol = get_int(fd, SOL_SOCKET, SO_PROTOCOL);
    int domain = get_int(fd, SOL_SOCKET, SO_DOMAIN);
    *error = -EPROTONOSUPPORT;
    if (protocol == IPPROTO_MPTCP) {
        return "it is of Multipath TCP";
    } else if (type != SOCK_STREAM || protocol != IPPROTO_TCP
               || (domain != AF_INET && domain != AF_INET6)) {
        return "it is no TCP socket";
    } else if (has_upper_layer(fd)) {
        return "the kernel has a protocol above TCP for it, such as TLS";
    }
    switch (tcp_socket_get_state(fd)) {
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
        return NULL;

    case TCP_CLOSE_WAIT:
    case TCP_LAST_ACK:
    case TCP_CLOSING:
        *error = -EOPNOTSUPP;
        return (can_deliver ? NULL
                : "its peer has closed it, and the hook has no function that "
                  "delivers a packet");

    default:
        *error = -ENOTCONN;
        return "it is not connected";
    }
}

/* Writing. */

/* Returns 0 or a negative errno value: the device may have gone. */
static int
put_device(int fd, struct mbox_writer *w)
{
    char device[IFNAMSIZ] = "";
    socklen_t len = sizeof device;

    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len)) {
        return -errno;
    }
    mbox_put_bytes(w, device, sizeof device);
    return 0;
}

static void
put_settings(int fd, const struct mbox_key *key, struct mbox_writer *w)
{
    struct timeval receive_timeout = { .tv_sec = 0 }, send_timeout;
    struct linger linger = { .l_onoff = 0 };
    char congestion[16] = "";
    int locks = get_int(fd, SOL_SOCKET, SO_BUF_LOCK);

    send_timeout = receive_timeout;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];

        if (!o->family || o->family == key->family) {
            mbox_put_u32(w, get_int(fd, o->level, o->name));
        }
    }
    get_option(fd, IPPROTO_TCP, TCP_CONGESTION, congestion,
               sizeof congestion);
    mbox_put_bytes(w, congestion, sizeof congestion);
    get_option(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    mbox_put_u32(w, linger.l_onoff);
    mbox_put_u32(w, linger.l_linger);
    get_option(fd, SOL_SOCKET, SO_RCVTIMEO, &receive_timeout,
               sizeof receive_timeout);
    get_option(fd, SOL_SOCKET, SO_SNDTIMEO, &send_timeout,
               sizeof send_timeout);
    mbox_put_u64(w, receive_timeout.tv_sec);
    mbox_put_u32(w, receive_timeout.tv_usec);
    mbox_put_u64(w, send_timeout.tv_sec);
    mbox_put_u32(w, send_timeout.tv_usec);
    mbox_put_u32(w, get_int(fd, SOL_SOCKET, SO_SNDBUF));
    mbox_put_u32(w, get_int(fd, SOL_SOCKET, SO_RCVBUF));

    /* A kernel that does not tell cannot be told either. */
    mbox_put_u8(w, locks < 0 ? BUFFER_LOCKS : locks);
}

static void
put_link(const struct mbox_key *key, struct mbox_writer *w)
{
    uint8_t link[TCP_IMAGE_LINK_MAX];
    size_t len = net ? net->get_link(key->dst, link) : 0;

    mbox_put_u8(w, len);
    mbox_put_bytes(w, link, len);
}

int
tcp_image_save(int fd, struct mbox_writer *w)
{
    int status = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);
    int peek_offset = get_int(fd, SOL_SOCKET, SO_PEEK_OFF);
    const uint8_t *unsent;
    struct tcp_repair tcp;
    struct mbox_key key;
    uint8_t *block;
    size_t n_unsent;

    if (status < 0 || flags < 0 || !tcp_socket_get_key(fd, &key)) {
        return -errno;
    }
    mbox_put_bytes(w, &key, sizeof key);
    mbox_put_u8(w, ((status & O_NONBLOCK ? NONBLOCK : 0)
                    | (flags & FD_CLOEXEC ? CLOEXEC : 0)));
    int error = put_device(fd, w);
    if (error) {
        return error;
    }
    put_settings(fd, &key, w);  /* Repair mode has some of its own. */

    if (peek_offset >= 0) {     /* Queues are to be read from their start. */
        tcp_socket_set(fd, SOL_SOCKET, SO_PEEK_OFF, -1);
    }
    error = tcp_repair_read(fd, &tcp, &block, &unsent, &n_unsent);
    if (peek_offset >= 0) {
        tcp_socket_set(fd, SOL_SOCKET, SO_PEEK_OFF, peek_offset);
    }
    if (!error) {
        tcp_repair_write(&tcp, w);
        mbox_put_u32(w, n_unsent);
        mbox_put_bytes(w, unsent, n_unsent);
        put_link(&key, w);
        free(block);
        error = w->error;
    }
    return error;
}

int
tcp_image_get_reuse(int fd)
{
    return get_int(fd, SOL_SOCKET, SO_REUSEADDR);
}

void
tcp_image_stay(int fd, int reuse)
{
    tcp_repair_leave(fd);
    if (reuse >= 0) {           /* Repair mode has cleared it. */
        tcp_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, reuse);
    }

    /* That these are set again, to what they are, has the kernel tell of what
     * can be read and written, also those whom it has told already. */
    tcp_socket_set(fd, SOL_SOCKET, SO_RCVLOWAT,
                   get_int(fd, SOL_SOCKET, SO_RCVLOWAT));
    tcp_socket_set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                   get_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT));
}

void
tcp_image_break(int fd)
{
    const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

    if (connect(fd, &nobody, sizeof nobody)) {
        shutdown(fd, SHUT_RDWR);
    }
}

/* Reading. */

static void
get_name(struct mbox_reader *r, char name[16])
{
    const void *bytes = mbox_get_bytes(r, 16);

    if (bytes) {
        memcpy(name, bytes, 16);
    }
}

static void
get_timeout(struct mbox_reader *r, struct timeval *t)
{
    t->tv_sec = mbox_get_u64(r);
    t->tv_usec = mbox_get_u32(r);
}

static bool
timeout_is_valid(const struct timeval *t)
{
    return t->tv_sec >= 0 && t->tv_usec >= 0 && t->tv_usec < 1000000;
}

static bool
is_ipv4(const uint8_t address[16])
{
    static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

    return !memcmp(address, mapped, sizeof mapped);
}

static bool
key_is_valid(const struct mbox_key *key)
{
    return (key->proto == IPPROTO_TCP && key->vlan == MBOX_VLAN_NONE
            && key->src_port && key->dst_port
            && is_ipv4(key->src) == is_ipv4(key->dst)
            && (key->family == 6
                || (key->family == 4 && is_ipv4(key->src))));
}

static bool
image_is_valid(const struct tcp_image *image, uint8_t flags)
{
    return (key_is_valid(&image->key) && !(flags & ~FLAGS)
            && !image->congestion[sizeof image->congestion - 1]
            && !image->device[sizeof image->device - 1]
            && timeout_is_valid(&image->receive_timeout)
            && timeout_is_valid(&image->send_timeout)
            && image->send_buffer <= BUFFER_MAX
            && image->receive_buffer <= BUFFER_MAX
            && !(image->buffer_locks & ~BUFFER_LOCKS)
            && image->tcp.mss
            && image->n_unsent <= TCP_REPAIR_QUEUE_MAX
            && (!image->link_len || image->link_len >= 14)
            && image->link_len <= TCP_IMAGE_LINK_MAX);
}

int
tcp_image_parse(struct tcp_image *image, const void *data, size_t size)
{
    struct mbox_reader r;

    mbox_reader_init(&r, data, size);
    memset(image, 0, sizeof *image);

    const void *key = mbox_get_bytes(&r, sizeof image->key);
    if (key) {
        memcpy(&image->key, key, sizeof image->key);
    }
    uint8_t flags = mbox_get_u8(&r);
    image->nonblock = flags & NONBLOCK;
    image->cloexec = flags & CLOEXEC;
    get_name(&r, image->device);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (!options[i].family || options[i].family == image->key.family) {
            image->options[i] = mbox_get_u32(&r);
        }
    }
    get_name(&r, image->congestion);
    image->linger.l_onoff = mbox_get_u32(&r);
    image->linger.l_linger = mbox_get_u32(&r);
    get_timeout(&r, &image->receive_timeout);
    get_timeout(&r, &image->send_timeout);
    image->send_buffer = mbox_get_u32(&r);
    image->receive_buffer = mbox_get_u32(&r);
    image->buffer_locks = mbox_get_u8(&r);
    if (tcp_repair_parse(&image->tcp, &r)) {
        return -EPROTO;
    }
    image->n_unsent = mbox_get_u32(&r);
    image->unsent = mbox_get_bytes(&r, image->n_unsent);
    image->link_len = mbox_get_u8(&r);
    image->link = mbox_get_bytes(&r, image->link_len);
    return (mbox_reader_finish(&r) || !image_is_valid(image, flags)
            ? -EPROTO : 0);
}

/* Sets what is not as it is already. */
static bool
set_options(const struct tcp_image *image, int fd, enum stage stage)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];

        if (o->stage == stage
            && (!o->family || o->family == image->key.family)
            && get_int(fd, o->level, o->name) != image->options[i]
            && !tcp_socket_set(fd, o->level, o->name, image->options[i])) {
            return false;
        }
    }
    return true;
}

static bool
set_device(const struct tcp_image *image, int fd)
{
    return (!image->device[0]
            || !setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, image->device,
                           strlen(image->device)));
}

static bool
set_congestion(const struct tcp_image *image, int fd)
{
    char name[16] = "";

    return ((get_option(fd, IPPROTO_TCP, TCP_CONGESTION, name, sizeof name)
             && !strcmp(name, image->congestion))
            || !setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION,
                           image->congestion, strlen(image->congestion)));
}

/* Sets sizes of buffers, of which the kernel sets twice what it is told. */
static bool
set_buffers(int fd, uint32_t send, uint32_t receive)
{
    return (tcp_socket_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, send / 2)
            && tcp_socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive / 2));
}

static bool
set_timeouts(const struct tcp_image *image, int fd)
{
    return (!setsockopt(fd, SOL_SOCKET, SO_LINGER, &image->linger,
                        sizeof image->linger)
            && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO,
                           &image->receive_timeout,
                           sizeof image->receive_timeout)
            && !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &image->send_timeout,
                           sizeof image->send_timeout));
}

/* Room for 'n' bytes, each of which may take several. */
static uint32_t
room(uint32_t n)
{
    return 4 * (n + BUFFER_ROOM);
}

int
tcp_image_open(const struct tcp_image *image)
{
    const int domain = image->key.family == 4 ? AF_INET : AF_INET6;
    const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = (net ? net->socket : socket)(domain, type, 0);

    if (fd < 0) {
        return -errno;
    }
    if (net && image->link_len) {
        net->put_link(image->key.dst, image->link, image->link_len);
    }
    int error = (!set_device(image, fd)
                 || !set_options(image, fd, EARLY)
                 || !set_congestion(image, fd)
                 || !set_buffers(fd, room(image->tcp.n_snd + image->n_unsent),
                                 room(image->tcp.n_rcv))
                 ? -errno : tcp_repair_fill(fd, &image->key, &image->tcp));
    if (!error && (!set_options(image, fd, CONNECTED)
                   || !set_timeouts(image, fd))) {
        error = -errno;
    }
    if (error) {
        tcp_repair_close(fd);
        return error;
    }
    return fd;
}

static bool
send_all(int fd, const uint8_t *data, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent <= 0) {
            return false;
        }
        data += sent;
        n -= sent;
    }
    return true;
}

/* Sets what only a connection that runs has. */
static bool
set_last(const struct tcp_image *image, int fd)
{
    int status = fcntl(fd, F_GETFL);

    if (!set_options(image, fd, LATE)
        || !set_buffers(fd, image->send_buffer, image->receive_buffer)) {
        return false;
    }
    tcp_socket_set(fd, SOL_SOCKET, SO_BUF_LOCK, image->buffer_locks);
    return (status >= 0
            && !fcntl(fd, F_SETFL, (image->nonblock ? status | O_NONBLOCK
                                    : status & ~O_NONBLOCK)));
}

int
tcp_image_finish(const struct tcp_image *image, int fd,
                 tcp_image_deliver_fn *deliver)
{
    tcp_repair_leave(fd);
    if (!send_all(fd, image->unsent, image->n_unsent)
        || !set_last(image, fd)
        || (image->tcp.snd_fin && shutdown(fd, SHUT_WR))) {
        return -errno;
    }
    if (image->tcp.rcv_fin) {
        uint8_t packet[TCP_REPAIR_SEGMENT_MAX];
        struct mbox_key from_peer;

        mbox_key_reverse(&image->key, &from_peer);
        if (is_ipv4(from_peer.src)) {   /* Be it by a socket of IPv6. */
            from_peer.family = 4;
        }
        return deliver(packet, tcp_repair_make_fin(&from_peer, &image->tcp,
                                                   packet));
    }
    return 0;
}
