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

#include "mbox-space.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text that grows in a caller's buffer and is cut off at its end. */
struct text {
    char *buf;
    size_t size;
    size_t len;
};

static void text_add(struct text *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends a term, with a comma before it if it is not the first. */
static void
text_add(struct text *text, const char *format, ...)
{
    va_list args;
    int n;

    if (text->len && text->len + 1 < text->size) {
        text->buf[text->len++] = ',';
    }
    va_start(args, format);
    n = vsnprintf(text->buf + text->len, text->size - text->len, format, args);
    va_end(args);
    if (n > 0) {
        size_t left = text->size - text->len - 1;

        text->len += (size_t) n < left ? (size_t) n : left;
    }
}

/* Returns the length of the prefix that 'mask' of 'n' bytes stands for, or -1
 * if it is not a prefix. */
static int
prefix_length(const uint8_t *mask, size_t n)
{
    size_t i = 0;
    int len;

    while (i < n && mask[i] == 0xff) {
        i++;
    }
    len = i * 8;
    if (i < n) {
        uint8_t rest = mask[i++];

        for (; rest & 0x80; rest = (rest << 1) & 0xff) {
            len++;
        }
        if (rest) {
            return -1;
        }
    }
    for (; i < n; i++) {
        if (mask[i]) {
            return -1;
        }
    }
    return len;
}

static void
format_address(struct text *text, const char *name, int af,
               const uint8_t *value, const uint8_t *mask)
{
    size_t n = af == AF_INET ? 4 : 16;
    char ip[INET6_ADDRSTRLEN], ip_mask[INET6_ADDRSTRLEN];
    int prefix = prefix_length(mask, n);

    if (!prefix) {
        return;
    }
    inet_ntop(af, value, ip, sizeof ip);
    if (prefix == (int) n * 8) {
        text_add(text, "%s=%s", name, ip);
    } else if (prefix > 0) {
        text_add(text, "%s=%s/%d", name, ip, prefix);
    } else {
        inet_ntop(af, mask, ip_mask, sizeof ip_mask);
        text_add(text, "%s=%s/%s", name, ip, ip_mask);
    }
}

static void
format_port(struct text *text, const char *name, uint16_t value, uint16_t mask)
{
    if (mask == 0xffff) {
        text_add(text, "%s=%u", name, value);
    } else if (mask) {
        text_add(text, "%s=0x%x/0x%x", name, value, mask);
    }
}

/* Writes family and protocol, as one word where OpenFlow has one. */
static void
format_proto(struct text *text, const struct mbox_space *space)
{
    static const struct {
        uint8_t family;
        uint8_t proto;
        const char *name;
    } protos[] = {
        { 4, IPPROTO_TCP, "tcp" },
        { 6, IPPROTO_TCP, "tcp6" },
        { 4, IPPROTO_UDP, "udp" },
        { 6, IPPROTO_UDP, "udp6" },
        { 4, IPPROTO_SCTP, "sctp" },
        { 6, IPPROTO_SCTP, "sctp6" },
        { 4, IPPROTO_ICMP, "icmp" },
        { 6, IPPROTO_ICMPV6, "icmp6" },
    };
    uint8_t family = space->value.family;
    uint8_t proto = space->value.proto;

    if (space->mask.family && !family) {
        text_add(text, "non_ip");
        return;
    }
    if (space->mask.family && space->mask.proto) {
        for (size_t i = 0; i < sizeof protos / sizeof protos[0]; i++) {
            if (protos[i].family == family && protos[i].proto == proto) {
                text_add(text, "%s", protos[i].name);
                return;
            }
        }
    }
    if (space->mask.family) {
        text_add(text, "%s", family == 4 ? "ip" : "ipv6");
    }
    if (space->mask.proto) {
        text_add(text, "nw_proto=%u", proto);
    }
}

/* Writes the VLAN.  Open vSwitch's "vlan_tci" has bit 0x1000 set if there is a
 * VLAN header. */
static void
format_vlan(struct text *text, uint16_t value, uint16_t mask)
{
    if (!mask) {
        return;
    } else if (value & 0xf000) {
        text_add(text, "dl_vlan=0xffff");
    } else if ((mask & 0x0fff) == 0x0fff) {
        text_add(text, "dl_vlan=%u", value);
    } else {
        text_add(text, "vlan_tci=0x%04x/0x%04x",
                 0x1000 | value, 0x1000 | (mask & 0x0fff));
    }
}

char *
mbox_space_format(const struct mbox_space *space, char *buf, size_t size)
{
    const struct mbox_key *v = &space->value;
    const struct mbox_key *m = &space->mask;
    struct text text = { .buf = buf, .size = size };

    if (!size) {
        return buf;
    }
    buf[0] = '\0';

    format_proto(&text, space);
    if (m->family && v->family == 4) {
        format_address(&text, "nw_src", AF_INET, v->src + 12, m->src + 12);
        format_address(&text, "nw_dst", AF_INET, v->dst + 12, m->dst + 12);
    } else if (!m->family || v->family == 6) {
        format_address(&text, "ipv6_src", AF_INET6, v->src, m->src);
        format_address(&text, "ipv6_dst", AF_INET6, v->dst, m->dst);
    }

    if (m->proto && (v->proto == IPPROTO_ICMP || v->proto == IPPROTO_ICMPV6)) {
        /* OpenFlow has no field for the identifier. */
        format_port(&text, "icmp_id", v->src_port | v->dst_port,
                    m->src_port | m->dst_port);
    } else if (mbox_space_has_ports(space)) {
        format_port(&text, "tp_src", v->src_port, m->src_port);
        format_port(&text, "tp_dst", v->dst_port, m->dst_port);
    }
    format_vlan(&text, v->vlan, m->vlan);

    if (!text.len) {
        text_add(&text, "any");
    }
    if (space->one_way) {
        text_add(&text, "one_way");
    }
    return buf;
}
