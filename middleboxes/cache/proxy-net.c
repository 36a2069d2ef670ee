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
#include <linux/rtnetlink.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN_NAME "cache"
#define LOCAL_TABLE 100         /* In which every address is local. */

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
    char buf[256] = { 0 };      /* The attribute with a string is padded. */
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

static int
configure(void *net, char **errp)
{
    if (!set_routes(net)) {
        return tun_net_fail(errp, "routes of our own");
    }
    set_sysctl("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0");
    return 0;
}

int
proxy_net_open(struct proxy_net *net, unsigned int mtu, char **errp)
{
    return tun_net_open(&net->tun, TUN_NAME, mtu, configure, net, errp);
}

void
proxy_net_close(struct proxy_net *net)
{
    tun_net_close(&net->tun);
}

int
proxy_net_socket(const struct proxy_net *net, int domain, int type)
{
    return tun_net_socket(&net->tun, domain,
                          type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}
