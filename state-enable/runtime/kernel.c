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
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ipv6.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "instance.h"
#include "links.h"
#include "mbox.h"
#include "tcp-image.h"
#include "tun-net.h"

#define ADDRESSES_MAX 16
#define MTU_MIN 1280
#define MTU_MAX 9000
#define SEND_MAX 256            /* Packets in a row. */

static struct {
    struct tun_net net;
    char device[IFNAMSIZ - 3];  /* A label of it has ":16" behind. */
    struct mbox_key addresses[ADDRESSES_MAX];   /* 'src' and 'family'. */
    unsigned int n_addresses;
} kernel;

/* What the environment says. */

static int
refuse(char **error, const char *variable, const char *why)
{
    if (asprintf(error, "%s: %s", variable, why) < 0) {
        *error = NULL;
    }
    return -EINVAL;
}

static const char *
setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

static bool
parse_address(const char *text, struct mbox_key *key)
{
    memset(key, 0, sizeof *key);
    if (inet_pton(AF_INET, text, key->src + 12) == 1) {
        memset(key->src + 10, 0xff, 2);
        key->family = 4;
        return true;
    }
    key->family = 6;
    return inet_pton(AF_INET6, text, key->src) == 1;
}

static int
read_addresses(char **error)
{
    char *text = strdup(setting("MBOX_TUN_ADDRESS", ""));
    char *next = text;
    int result = 0;

    if (!text) {
        return -ENOMEM;
    }
    for (char *a; !result && (a = strsep(&next, ",")) && *text;) {
        if (kernel.n_addresses == ADDRESSES_MAX) {
            result = refuse(error, "MBOX_TUN_ADDRESS",
                            "more than 16 addresses");
        } else if (!parse_address(a,
                                  &kernel.addresses[kernel.n_addresses++])) {
            result = refuse(error, "MBOX_TUN_ADDRESS", "is not ADDRESS,...");
        }
    }
    if (!*text) {
        result = refuse(error, "MBOX_TUN_ADDRESS", "is not set: the addresses "
                        "to which packets are the program's");
    }
    free(text);
    return result;
}

static int
read_settings(unsigned int *mtu, char **error)
{
    const char *device = setting("MBOX_TUN", "tun0");
    const char *text = setting("MBOX_TUN_MTU", "1500");
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (!setting("MBOX_PORT", NULL)) {
        return refuse(error, "MBOX_PORT", "is not set: where packets for the "
                      "program's sockets come from");
    } else if (strlen(device) >= sizeof kernel.device) {
        return refuse(error, "MBOX_TUN", "is too long");
    } else if (*end || n < MTU_MIN || n > MTU_MAX) {
        return refuse(error, "MBOX_TUN_MTU", "is not from 1280 to 9000");
    }
    strcpy(kernel.device, device);
    *mtu = n;
    return read_addresses(error);
}

/* The device's addresses and routes. */

static bool
add_ipv4(int fd, unsigned int i)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    struct ifreq ifr = { .ifr_flags = 0 };

    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s:%u", kernel.device, i);
    memcpy(&sin.sin_addr, kernel.addresses[i].src + 12, 4);
    memcpy(&ifr.ifr_addr, &sin, sizeof sin);
    return !ioctl(fd, SIOCSIFADDR, &ifr);
}

static bool
add_ipv6(int fd, unsigned int i)
{
    struct in6_ifreq ifr = {
        .ifr6_prefixlen = 128, .ifr6_ifindex = if_nametoindex(kernel.device),
    };

    memcpy(&ifr.ifr6_addr, kernel.addresses[i].src, sizeof ifr.ifr6_addr);
    return !ioctl(fd, SIOCSIFADDR, &ifr);
}

static bool
route_ipv4(int fd)
{
    struct rtentry route = { .rt_dev = kernel.device, .rt_flags = RTF_UP };

    route.rt_dst.sa_family = route.rt_genmask.sa_family = AF_INET;
    return !ioctl(fd, SIOCADDRT, &route);
}

static bool
route_ipv6(int fd)
{
    struct in6_rtmsg route = {
        .rtmsg_flags = RTF_UP, .rtmsg_metric = 1,
        .rtmsg_ifindex = if_nametoindex(kernel.device),
    };

    return !ioctl(fd, SIOCADDRT, &route);
}

/* Gives the device what there is of one family. */
static bool
configure_family(uint8_t family)
{
    int fd = socket(family == 4 ? AF_INET : AF_INET6,
                    SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0, any = false;

    for (unsigned int i = 0; ok && i < kernel.n_addresses; i++) {
        if (kernel.addresses[i].family == family) {
            any = true;
            ok = family == 4 ? add_ipv4(fd, i) : add_ipv6(fd, i);
        }
    }
    ok = ok && (!any || (family == 4 ? route_ipv4(fd) : route_ipv6(fd)));
    if (fd >= 0) {
        int error = errno;

        close(fd);
        errno = error;
    }
    return ok;
}

static bool
has_family(uint8_t family)
{
    for (unsigned int i = 0; i < kernel.n_addresses; i++) {
        if (kernel.addresses[i].family == family) {
            return true;
        }
    }
    return false;
}

static int
configure(void *aux, char **error)
{
    (void) aux;
    return ((has_family(4) && !configure_family(4))
            || (has_family(6) && !configure_family(6))
            ? tun_net_fail(error, "addresses of the TUN device") : 0);
}

/* Packets. */

static int
deliver(const void *packet, size_t size)
{
    return write(kernel.net.tun_fd, packet, size) < 0 ? -errno : 0;
}

static bool
is_own(const struct mbox_key *key)
{
    for (unsigned int i = 0; i < kernel.n_addresses; i++) {
        if (!memcmp(kernel.addresses[i].src, key->dst, sizeof key->dst)) {
            return true;
        }
    }
    return false;
}

bool
st_kernel_take(const struct mbox_packet *p)
{
    size_t l3 = p->layout.l3_ofs;

    if (!l3 || !is_own(&p->key)) {
        return false;
    }
    st_links_learn(p->key.src, p->data, l3);

    /* What the kernel does not take is as what is lost on the way. */
    deliver(p->data + l3, p->layout.l3_end - l3);
    return true;
}

/* Stores where a packet goes to.  Returns false if it is none of IP. */
static bool
destination_of(const uint8_t *ip, size_t len, uint8_t address[16])
{
    if (len >= 20 && ip[0] >> 4 == 4) {
        memset(address, 0, 10);
        memset(address + 10, 0xff, 2);
        memcpy(address + 12, ip + 16, 4);
        return true;
    } else if (len >= 40 && ip[0] >> 4 == 6) {
        memcpy(address, ip + 24, 16);
        return true;
    }
    return false;
}

void
st_kernel_send(struct st_instance *in)
{
    uint8_t frame[ST_LINK_MAX + MTU_MAX];
    uint8_t *ip = frame + ST_LINK_MAX;

    for (int i = 0; i < SEND_MAX; i++) {
        ssize_t n = read(kernel.net.tun_fd, ip, MTU_MAX);
        uint8_t link[ST_LINK_MAX], to[16];

        if (n <= 0) {
            return;
        }
        size_t len = destination_of(ip, n, to) ? st_links_find(to, link) : 0;
        if (len) {              /* Else nobody was ever heard of. */
            memcpy(ip - len, link, len);
            st_instance_send(in, ip - len, len + n);
        }
    }
}

int
st_kernel_fd(void)
{
    return kernel.net.tun_fd;
}

/* Sockets. */

int
st_kernel_socket(int domain, int type, int protocol)
{
    return tun_net_socket(&kernel.net, domain, type, protocol);
}

static const struct tcp_image_net net_of_sockets = {
    .socket = st_kernel_socket, .deliver = deliver,
    .get_link = st_links_find, .put_link = st_links_put,
};

int
st_kernel_open(char **error)
{
    unsigned int mtu;
    int result = read_settings(&mtu, error);

    if (!result) {
        result = tun_net_open(&kernel.net, kernel.device, mtu, configure,
                              NULL, error);
    }
    if (!result) {
        tcp_image_set_net(&net_of_sockets);
    }
    return result;
}
