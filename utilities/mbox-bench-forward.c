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
#include "mbox-bench-forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define BURST 32
#define FRAME_LEN 2048

static int
open_device(const char *iface)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = if_nametoindex(iface),
    };
    struct packet_mreq mreq = {
        .mr_ifindex = sll.sll_ifindex, .mr_type = PACKET_MR_PROMISC,
    };
    int on = 1, size = 64 * 1024 * 1024;
    int fd = socket(AF_PACKET, SOCK_RAW, 0);

    if (fd < 0 || !sll.sll_ifindex
        || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on)
        || setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq,
                      sizeof mreq)
        || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)
        || bind(fd, (struct sockaddr *) &sll, sizeof sll)) {
        fprintf(stderr, "mbox-bench-mb: %s: %s\n", iface, strerror(errno));
        return -1;
    }
    return fd;
}

int
plain_forward(const char *iface)
{
    static uint8_t frames[BURST][FRAME_LEN];
    static struct mmsghdr msgs[BURST];
    static struct iovec iovs[BURST];
    struct pollfd pfd = { .fd = open_device(iface), .events = POLLIN };

    if (pfd.fd < 0) {
        return 1;
    }
    for (int i = 0; i < BURST; i++) {
        msgs[i].msg_hdr.msg_iov = &iovs[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
        iovs[i].iov_base = frames[i];
    }
    for (;;) {
        for (int i = 0; i < BURST; i++) {
            iovs[i].iov_len = FRAME_LEN;
        }
        int n = recvmmsg(pfd.fd, msgs, BURST, MSG_DONTWAIT, NULL);
        if (n <= 0) {
            poll(&pfd, 1, -1);
            continue;
        }
        for (int i = 0; i < n; i++) {
            iovs[i].iov_len = msgs[i].msg_len;
        }
        for (int sent = 0; sent < n; ) {
            int m = sendmmsg(pfd.fd, msgs + sent, n - sent, 0);
            if (m < 0) {
                break;
            }
            sent += m;
        }
    }
}
