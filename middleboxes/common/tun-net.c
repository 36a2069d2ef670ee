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
#include "tun-net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN_QUEUE 10000         /* Packets. */

int
tun_net_fail(char **errp, const char *what)
{
    int error = errno;

    if (asprintf(errp, "%s: %s", what, strerror(error)) < 0) {
        abort();
    }
    return -error;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* The device. */

static int
open_tun(const char *device)
{
    struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    strncpy(ifr.ifr_name, device, IFNAMSIZ - 1);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Gives an interface queue and MTU, unless 0, and brings it up. */
static bool
set_up(const char *name, unsigned int mtu)
{
    struct ifreq ifr = { .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0;

    strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
    ok = ok && !ioctl(fd, SIOCSIFFLAGS, &ifr);
    if (mtu) {
        ifr.ifr_mtu = mtu;
        ok = ok && !ioctl(fd, SIOCSIFMTU, &ifr);
        ifr.ifr_qlen = TUN_QUEUE;
        ok = ok && !ioctl(fd, SIOCSIFTXQLEN, &ifr);
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/* Makes everything, in the namespace. */
static int
build(struct tun_net *net, const char *device, unsigned int mtu, char **errp)
{
    net->tun_fd = open_tun(device);
    if (net->tun_fd < 0) {
        return tun_net_fail(errp, "/dev/net/tun");
    } else if (!set_up("lo", 0) || !set_up(device, mtu)) {
        return tun_net_fail(errp, "network device of our own");
    }
    return 0;
}

int
tun_net_open(struct tun_net *net, const char *device, unsigned int mtu,
             int (*configure)(void *aux, char **errp), void *aux,
             char **errp)
{
    static const char self[] = "/proc/thread-self/ns/net";
    int error;

    *net = (struct tun_net) { .own_fd = -1, .tun_fd = -1 };
    net->home_fd = open(self, O_RDONLY | O_CLOEXEC);
    if (net->home_fd < 0) {
        return tun_net_fail(errp, self);
    }
    if (unshare(CLONE_NEWNET)) {
        error = tun_net_fail(errp, "network namespace of our own");
    } else {
        net->own_fd = open(self, O_RDONLY | O_CLOEXEC);
        error = (net->own_fd < 0 ? tun_net_fail(errp, self)
                 : build(net, device, mtu, errp));
        if (!error) {
            error = configure(aux, errp);
        }
        if (setns(net->home_fd, CLONE_NEWNET) && !error) {
            error = tun_net_fail(errp, "return to the network namespace");
        }
    }
    if (error) {
        tun_net_close(net);
    }
    return error;
}

void
tun_net_close(struct tun_net *net)
{
    close_fd(&net->tun_fd);
    close_fd(&net->own_fd);
    close_fd(&net->home_fd);
}

int
tun_net_socket(const struct tun_net *net, int domain, int type, int protocol)
{
    if (setns(net->own_fd, CLONE_NEWNET)) {
        return -1;
    }
    int fd = socket(domain, type, protocol);
    int error = errno;

    if (setns(net->home_fd, CLONE_NEWNET)) {
        abort();                /* In the wrong place nothing is right. */
    }
    errno = error;
    return fd;
}
