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
#include "proxy-net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN_NAME "cache"
#define TUN_QUEUE 10000         /* Packets. */
#define LOCAL_TABLE 100         /* In which every address is local. */

static int
fail(char **errp, const char *what)
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
open_tun(void)
{
    struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    strcpy(ifr.ifr_name, TUN_NAME);
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

    strcpy(ifr.ifr_name, name);
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

/* Routes. */

/* Sends a request and waits for its answer.  Returns false with 'errno' if it
 * is refused. */
static bool
talk(struct mnl_socket *nl, struct nlmsghdr *request)
{
    char buf[8192];

    request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
    request->nlmsg_seq = 1;
    if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0) {
        return false;
    }
    ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);
    return n > 0 && mnl_cb_run(buf, n, 1, mnl_socket_get_portid(nl), NULL,
                               NULL) >= 0;
}

/* Adds a default route of 'type' to 'table'. */
static bool
add_route(struct mnl_socket *nl, int family, uint8_t table, uint8_t type,
          const char *device)
{
    char buf[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof *route);

    request->nlmsg_type = RTM_NEWROUTE;
    *route = (struct rtmsg) {
        .rtm_family = family, .rtm_table = table,
        .rtm_protocol = RTPROT_STATIC, .rtm_type = type,
        .rtm_scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
    };
    mnl_attr_put_u32(request, RTA_OIF, if_nametoindex(device));
    return talk(nl, request);
}

/* What comes from the TUN is looked up in LOCAL_TABLE. */
static bool
add_rule(struct mnl_socket *nl, int family)
{
    char buf[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
    struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(request,
                                                           sizeof *rule);

    request->nlmsg_type = RTM_NEWRULE;
    *rule = (struct fib_rule_hdr) {
        .family = family, .table = LOCAL_TABLE, .action = FR_ACT_TO_TBL,
    };
    mnl_attr_put_strz(request, FRA_IIFNAME, TUN_NAME);
    mnl_attr_put_u32(request, FRA_PRIORITY, 100);
    return talk(nl, request);
}

static bool
add_routes(struct mnl_socket *nl, int family)
{
    return (add_rule(nl, family)
            && add_route(nl, family, LOCAL_TABLE, RTN_LOCAL, "lo")
            && add_route(nl, family, RT_TABLE_MAIN, RTN_UNICAST, TUN_NAME));
}

static bool
set_routes(struct proxy_net *net)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    bool ok = nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) >= 0;

    ok = ok && add_routes(nl, AF_INET);
    net->has_ipv6 = ok && add_routes(nl, AF_INET6);
    if (nl) {
        int error = errno;

        mnl_socket_close(nl);
        errno = error;
    }
    return ok;
}

/* A connection to a server has the client's port, and is to be opened again
 * right after it was closed: no socket may linger in TIME_WAIT.  Without
 * that, such a connection fails in its first minute. */
static void
set_sysctl(const char *name, const char *value)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t n = write(fd, value, strlen(value));

        (void) n;
        close(fd);
    }
}

/* Makes everything, in the namespace. */
static int
build(struct proxy_net *net, unsigned int mtu, char **errp)
{
    net->tun_fd = open_tun();
    if (net->tun_fd < 0) {
        return fail(errp, "/dev/net/tun");
    } else if (!set_up("lo", 0) || !set_up(TUN_NAME, mtu)) {
        return fail(errp, "network device of our own");
    } else if (!set_routes(net)) {
        return fail(errp, "routes of our own");
    }
    set_sysctl("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0");
    return 0;
}

int
proxy_net_open(struct proxy_net *net, unsigned int mtu, char **errp)
{
    static const char self[] = "/proc/thread-self/ns/net";
    int error;

    *net = (struct proxy_net) { .own_fd = -1, .tun_fd = -1 };
    net->home_fd = open(self, O_RDONLY | O_CLOEXEC);
    if (net->home_fd < 0) {
        return fail(errp, self);
    }
    if (unshare(CLONE_NEWNET)) {
        error = fail(errp, "network namespace of our own");
    } else {
        net->own_fd = open(self, O_RDONLY | O_CLOEXEC);
        error = net->own_fd < 0 ? fail(errp, self) : build(net, mtu, errp);
        if (setns(net->home_fd, CLONE_NEWNET) && !error) {
            error = fail(errp, "return to the network namespace");
        }
    }
    if (error) {
        proxy_net_close(net);
    }
    return error;
}

void
proxy_net_close(struct proxy_net *net)
{
    close_fd(&net->tun_fd);
    close_fd(&net->own_fd);
    close_fd(&net->home_fd);
}

int
proxy_net_socket(const struct proxy_net *net, int domain, int type)
{
    if (setns(net->own_fd, CLONE_NEWNET)) {
        return -1;
    }
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = errno;

    if (setns(net->home_fd, CLONE_NEWNET)) {
        abort();                /* In the wrong place nothing is right. */
    }
    errno = error;
    return fd;
}
