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

/* Packet I/O on real devices: AF_PACKET over a pair of veth interfaces in a
 * network namespace of its own, and DPDK's virtio-user as far as it can be
 * without a switch.  Exits with 77 and the reason if it cannot. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libmbox-world.h"
#include "port.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static struct mb_port *port;

static void
command(const char *line)
{
    if (system(line)) {
        printf("skipped: \"%s\" failed\n", line);
        exit(77);
    }
}

/* A plain packet socket on the other end. */
static int
open_peer(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    const struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = if_nametoindex("peer"),
    };

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *) &sll, sizeof sll), 0);
    return fd;
}

/* Reads packets of ours (a UDP payload that is numbered) until there are 'n'.
 * Other traffic of the interface is dropped. */
static unsigned int
read_port(struct mb_packet **packets, unsigned int n)
{
    unsigned int n_read = 0;

    while (n_read < n) {
        struct mb_packet *burst[MB_BURST];
        struct pollfd pfd;

        port->ops->wait(port, &pfd);
        if (!port->more) {
            assert_int_equal(poll(&pfd, 1, -1), 1);
        }
        int n_burst = port->ops->rx(port, burst, MB_BURST);
        assert_true(n_burst >= 0);
        for (int i = 0; i < n_burst; i++) {
            mb_packet_parse(burst[i]);
            if (burst[i]->key.family == 4 && n_read < n) {
                packets[n_read++] = burst[i];
            } else {
                mb_packet_free(burst[i]);
            }
        }
    }
    return n_read;
}

static void
test_receive(void **state)
{
    enum { N = 100 };
    struct mb_packet *packets[N];
    uint8_t frame[CHECKER_FRAME];
    int fd = open_peer();

    (void) state;
    for (uint32_t i = 0; i < N; i++) {
        checker_frame(frame, i, i + 1, false);
        assert_int_equal(send(fd, frame, sizeof frame, 0), sizeof frame);
    }
    read_port(packets, N);
    for (uint32_t i = 0; i < N; i++) {
        checker_frame(frame, i, i + 1, false);
        assert_int_equal(packets[i]->len, sizeof frame);
        assert_memory_equal(packets[i]->data, frame, sizeof frame);
        assert_true(packets[i]->headroom >= MBOX_TAG_LEN);
        mb_packet_free(packets[i]);
    }
    close(fd);
}

/* A VLAN header, which the kernel takes out, is there again. */
static void
test_vlan(void **state)
{
    uint8_t frame[CHECKER_FRAME], tagged[CHECKER_FRAME + 4];
    struct mb_packet *packet;
    int fd = open_peer();

    (void) state;
    checker_frame(frame, 1, 1, false);
    memcpy(tagged, frame, 12);
    memcpy(tagged + 12, "\x81\x00\x60\x07", 4);
    memcpy(tagged + 16, frame + 12, sizeof frame - 12);
    assert_int_equal(send(fd, tagged, sizeof tagged, 0), sizeof tagged);
    read_port(&packet, 1);
    assert_int_equal(packet->len, sizeof tagged);
    assert_memory_equal(packet->data, tagged, sizeof tagged);
    assert_int_equal(packet->key.vlan, 7);

    /* And it goes out again. */
    assert_true(port->ops->tx(port, packet));
    port->ops->flush(port);
    close(fd);
}

/* What is sent arrives at the other end, and not here. */
static void
test_send(void **state)
{
    enum { N = 200 };
    uint8_t frame[CHECKER_FRAME];
    int fd = open_peer();
    unsigned int n = 0;

    (void) state;
    for (uint32_t i = 0; i < N; i++) {
        checker_frame(frame, i, i + 1, false);
        assert_true(port->ops->tx(port, mb_packet_new(frame, sizeof frame)));
    }
    port->ops->flush(port);
    while (n < N) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        uint8_t buffer[2048];

        assert_int_equal(poll(&pfd, 1, -1), 1);
        ssize_t len = recv(fd, buffer, sizeof buffer, 0);
        checker_frame(frame, n, n + 1, false);
        n += len == sizeof frame && !memcmp(buffer, frame, sizeof frame);
    }

    struct mb_packet *packets[MB_BURST];
    int n_read = port->ops->rx(port, packets, MB_BURST);
    for (int i = 0; i < n_read; i++) {
        mb_packet_parse(packets[i]);
        assert_int_not_equal(packets[i]->key.family, 4);
        mb_packet_free(packets[i]);
    }

    /* Longer than the MTU. */
    struct mb_packet *packet;
    uint8_t *large = calloc(1, 1515);
    packet = mb_packet_new(large, 1515);
    assert_false(port->ops->tx(port, packet));
    mb_packet_free(packet);
    free(large);
    close(fd);
}

/* A local sender's unfinished checksum, and its super-frame. */
static void
test_offload(void **state)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(53),
    };
    struct mb_packet *packet, *packets[4];
    char payload[4000];
    int size = 1000;

    (void) state;
    inet_pton(AF_INET, "10.9.9.2", &sin.sin_addr);
    memset(payload, 'x', sizeof payload);
    assert_int_equal(sendto(fd, payload, 100, 0, (struct sockaddr *) &sin,
                            sizeof sin), 100);
    read_port(&packet, 1);
    assert_int_equal(packet->len, 14 + 20 + 8 + 100);
    uint32_t sum = 17 + 108;
    for (size_t i = 26; i < packet->len; i++) {
        sum += i % 2 ? packet->data[i] : packet->data[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    assert_int_equal(sum, 0xffff);
    mb_packet_free(packet);

    /* UDP_SEGMENT: one send, four packets. */
    assert_int_equal(setsockopt(fd, IPPROTO_UDP, 103, &size, sizeof size), 0);
    assert_int_equal(sendto(fd, payload, sizeof payload, 0,
                            (struct sockaddr *) &sin, sizeof sin),
                     sizeof payload);
    read_port(packets, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(packets[i]->len, 14 + 20 + 8 + 1000);
        mb_packet_free(packets[i]);
    }

    /* Between others, all read at once: in order. */
    struct mb_packet *all[6];
    for (int i = 0; i < 3; i++) {
        size_t len = i == 1 ? sizeof payload : 100;

        for (size_t j = 0; j < len; j += size) {
            payload[j] = i + j / size + (i == 2 ? 3 : 0);
        }
        assert_int_equal(sendto(fd, payload, len, 0, (struct sockaddr *) &sin,
                                sizeof sin), len);
    }
    read_port(all, 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(all[i]->data[14 + 20 + 8], i);
        mb_packet_free(all[i]);
    }
    close(fd);
}

/* Reads a frame from the other end; returns its length. */
static size_t
read_length(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    uint8_t buffer[8192];

    assert_int_equal(poll(&pfd, 1, -1), 1);
    return recv(fd, buffer, sizeof buffer, 0);
}

/* The segments of a super-frame go on as that, if all do, and in order. */
static void
test_whole(void **state)
{
    enum { N = 4, HEADERS = 14 + 20 + 8 };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), peer = open_peer();
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(53),
    };
    char payload[N * 1000] = { 0 };
    int size = 1000, one = 1;

    (void) state;
    port->passes_whole = true;
    inet_pton(AF_INET, "10.9.9.2", &sin.sin_addr);
    assert_int_equal(setsockopt(fd, IPPROTO_UDP, 103, &size, sizeof size), 0);
    assert_int_equal(setsockopt(peer, SOL_PACKET, PACKET_IGNORE_OUTGOING,
                                &one, sizeof one), 0);
    for (int i = 0; i < 4; i++) {
        struct mb_packet *packets[N];
        uint64_t sent = port->stats.tx_packets;
        int n = i == 2 ? N - 1 : N;     /* The last is dropped. */

        assert_int_equal(sendto(fd, payload, sizeof payload, 0,
                                (struct sockaddr *) &sin, sizeof sin),
                         sizeof payload);
        read_port(packets, N);
        struct mb_packet *last = packets[N - 1];
        if (i == 1) {                   /* It comes first. */
            packets[N - 1] = packets[0];
            packets[0] = last;
        } else if (i == 3) {            /* Another, mostly in its memory. */
            mb_packet_free(last);
            packets[N - 1] = mb_packet_clone(packets[0]);
        }
        for (int j = 0; j < N; j++) {
            assert_int_equal(packets[j]->len, HEADERS + 1000);
            if (j < n) {
                assert_true(port->ops->tx(port, packets[j]));
            } else {
                mb_packet_free(packets[j]);
            }
        }
        port->ops->flush(port);
        assert_int_equal(port->stats.tx_packets, sent + n);
        for (int j = 0; j < (i ? n : 1); j++) {
            assert_int_equal(read_length(peer),
                             HEADERS + (i ? 1000 : N * 1000));
        }
    }
    port->passes_whole = false;
    close(peer);
    close(fd);
}

enum { N_CUT = MB_BURST + 8 };

struct counter {
    struct mbox *mbox;
    unsigned int n;
};

static enum mbox_verdict
count_packet(void *counter_, unsigned int worker, struct mbox_packet *packet)
{
    struct counter *counter = counter_;

    (void) worker;
    if (packet->key.family == 4 && ++counter->n == N_CUT) {
        mbox_stop(counter->mbox);
    }
    return MBOX_FORWARD;
}

/* A super-frame of more than a burst: a middlebox gets the rest of it, too,
 * although no packet follows. */
static void
test_rest(void **state)
{
    const struct mbox_options options = {
        .size = sizeof options, .name = "rest", .class_name = "rest",
        .ports = { "afpacket:port" }, .n_ports = 1,
    };
    const struct mbox_ops ops = { .packet = count_packet };
    struct counter counter = { .n = 0 };
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(53),
    };
    char payload[100 * N_CUT] = { 0 };
    int size = sizeof payload / N_CUT;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    (void) state;
    inet_pton(AF_INET, "10.9.9.2", &sin.sin_addr);
    assert_int_equal(mbox_create(&options, &ops, &counter, &counter.mbox,
                                 NULL), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_UDP, 103, &size, sizeof size), 0);
    assert_int_equal(sendto(fd, payload, sizeof payload, 0,
                            (struct sockaddr *) &sin, sizeof sin),
                     sizeof payload);
    assert_int_equal(mbox_run(counter.mbox), 0);
    assert_int_equal(counter.n, N_CUT);
    mbox_destroy(counter.mbox);
    close(fd);
}

/* The interface goes away. */
static void
test_gone(void **state)
{
    struct mb_packet *packets[MB_BURST];
    int n;

    (void) state;
    command("ip link del port");
    do {
        n = port->ops->rx(port, packets, MB_BURST);
        for (int i = 0; i < n; i++) {
            mb_packet_free(packets[i]);
        }
    } while (n > 0);
    struct pollfd pfd;
    port->ops->wait(port, &pfd);
    if (n == 0) {
        poll(&pfd, 1, -1);
        n = port->ops->rx(port, packets, MB_BURST);
    }
    assert_true(n == -ENODEV || n == 0);
}

/* DPDK's part loads and opens a virtio-user device that waits for a switch. */
static void
test_dpdk(void **state)
{
    const struct mb_port_params params = {
        .n_packets = 256,
        .dpdk_args = "--no-huge --no-pci -m 64 --no-telemetry "
                     "--log-level=error --file-prefix=libmbox-test "
                     "--vdev=net_null0",
    };
    struct mb_port *dpdk;
    char *error_text = NULL;

    (void) state;
    int error = mb_port_open("dpdk:net_null0", &params, &dpdk, &error_text);
    if (error == -EOPNOTSUPP) {
        print_message("%s\n", error_text);
        free(error_text);
        skip();
    }
    if (error) {
        fail_msg("%s", error_text);
    }

    struct mb_packet *packets[MB_BURST];
    int n = dpdk->ops->rx(dpdk, packets, MB_BURST);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        assert_true(packets[i]->headroom >= MBOX_TAG_LEN);
        assert_true(dpdk->ops->tx(dpdk, packets[i]));
    }
    uint8_t frame[CHECKER_FRAME];
    checker_frame(frame, 1, 1, false);
    assert_true(dpdk->ops->tx(dpdk, mb_packet_new(frame, sizeof frame)));
    dpdk->ops->flush(dpdk);
    assert_int_equal(dpdk->stats.tx_packets, n + 1);
    dpdk->ops->update_stats(dpdk);
    dpdk->ops->close(dpdk);

    error = mb_port_open("dpdk:nonexistent", &params, &dpdk, &error_text);
    assert_int_equal(error, -ENODEV);
    assert_non_null(strstr(error_text, "nonexistent"));
    free(error_text);
}

int
main(void)
{
    const struct mb_port_params params = { .n_packets = 256 };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_offload),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_dpdk),
    };
    char *error_text;

    if (unshare(CLONE_NEWNET)) {
        perror("skipped: a network namespace of its own (needs root)");
        return 77;
    }
    /* Nothing comes unasked. */
    command("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
    command("ip link add port type veth peer name peer");
    command("ip addr add 10.9.9.1/24 dev peer");
    command("ip link set port up && ip link set peer up");
    command("ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:02 dev peer");
    if (mb_port_open("afpacket:port", &params, &port, &error_text)) {
        printf("%s\n", error_text);
        free(error_text);
        return 1;
    }
    int error = cmocka_run_group_tests_name("libmbox ports", tests, NULL,
                                            NULL);
    port->ops->close(port);
    return error;
}
