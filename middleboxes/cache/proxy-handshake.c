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
#include "proxy-handshake.h"

#include <netinet/tcp.h>
#include <string.h>
#include "bytes.h"

#define IPV4_LEN 20
#define IPV6_LEN 40
#define TCP_LEN 20

/* Finds the addresses; returns the length of the IP header, 0 if TCP does not
 * follow it. */
static size_t
read_ip(struct mbox_key *key, const uint8_t *ip, size_t len)
{
    *key = (struct mbox_key) {
        .vlan = MBOX_VLAN_NONE, .proto = IPPROTO_TCP,
    };
    if (len >= IPV4_LEN && ip[0] >> 4 == 4) {
        size_t n = (ip[0] & 15) * 4;

        key->family = 4;
        memset(key->src + 10, 0xff, 2);
        memset(key->dst + 10, 0xff, 2);
        memcpy(key->src + 12, ip + 12, 4);
        memcpy(key->dst + 12, ip + 16, 4);
        return (ip[9] == IPPROTO_TCP && n >= IPV4_LEN
                && !(get_be16(ip + 6) & 0x3fff) ? n : 0);
    } else if (len >= IPV6_LEN && ip[0] >> 4 == 6) {
        key->family = 6;
        memcpy(key->src, ip + 8, 16);
        memcpy(key->dst, ip + 24, 16);
        return ip[6] == IPPROTO_TCP ? IPV6_LEN : 0;
    }
    return 0;
}

bool
proxy_segment_read(struct proxy_segment *s, const uint8_t *ip, size_t len)
{
    size_t l3_len = read_ip(&s->key, ip, len);

    if (!l3_len || len < l3_len + TCP_LEN) {
        return false;
    }
    s->tcp = ip + l3_len;
    s->tcp_len = (s->tcp[12] >> 4) * 4;
    s->key.src_port = get_be16(s->tcp);
    s->key.dst_port = get_be16(s->tcp + 2);
    s->seq = get_be32(s->tcp + 4);
    s->ack = get_be32(s->tcp + 8);
    s->flags = s->tcp[13];
    s->window = get_be16(s->tcp + 14);
    return s->tcp_len >= TCP_LEN && l3_len + s->tcp_len <= len;
}

void
proxy_syn_keep(struct proxy_syn *syn, const uint8_t *ip, size_t len)
{
    struct proxy_segment s;

    if (proxy_segment_read(&s, ip, len) && s.flags & TH_SYN) {
        size_t n = s.tcp + s.tcp_len - ip;

        if (n <= sizeof syn->data && n == len) {
            memcpy(syn->data, ip, n);
            syn->len = n;
        }
    }
}

/* What a SYN offers. */
struct offer {
    uint16_t mss;
    bool has_wscale, has_sack, has_timestamps;
    uint8_t wscale;
    uint32_t timestamp;
};

static void
read_offer(const struct proxy_segment *s, struct offer *offer)
{
    const uint8_t *p = s->tcp + TCP_LEN, *end = s->tcp + s->tcp_len;

    *offer = (struct offer) { .mss = 536 };
    while (p < end && *p != TCPOPT_EOL) {
        if (*p == TCPOPT_NOP) {
            p++;
            continue;
        }
        size_t n = end - p >= 2 ? p[1] : 0;
        if (n < 2 || n > (size_t) (end - p)) {
            return;
        }
        if (*p == TCPOPT_MAXSEG && n == TCPOLEN_MAXSEG) {
            offer->mss = get_be16(p + 2);
        } else if (*p == TCPOPT_WINDOW && n == TCPOLEN_WINDOW) {
            offer->has_wscale = true;
            offer->wscale = p[2] < 14 ? p[2] : 14;
        } else if (*p == TCPOPT_SACK_PERMITTED
                   && n == TCPOLEN_SACK_PERMITTED) {
            offer->has_sack = true;
        } else if (*p == TCPOPT_TIMESTAMP && n == TCPOLEN_TIMESTAMP) {
            offer->has_timestamps = true;
            offer->timestamp = get_be32(p + 2);
        }
        p += n;
    }
}

bool
proxy_syn_open(const struct proxy_syn *own, const struct proxy_syn *peer,
               struct tcp_repair *tcp)
{
    struct proxy_segment a, b;
    struct offer mine, theirs;

    if (!proxy_segment_read(&a, own->data, own->len)
        || !proxy_segment_read(&b, peer->data, peer->len)
        || !(a.flags & b.flags & TH_SYN)
        || (a.flags & TH_ACK && a.ack != b.seq + 1)
        || (b.flags & TH_ACK && b.ack != a.seq + 1)) {
        return false;
    }
    read_offer(&a, &mine);
    read_offer(&b, &theirs);
    *tcp = (struct tcp_repair) {
        .snd_seq = a.seq + 1, .rcv_seq = b.seq + 1, .mss = theirs.mss,
        .has_sack = mine.has_sack && theirs.has_sack,
        .has_wscale = mine.has_wscale && theirs.has_wscale,
        .has_timestamps = mine.has_timestamps && theirs.has_timestamps,
        .timestamp = mine.timestamp,
        .snd_wl1 = b.seq, .snd_wnd = b.window, .max_window = b.window,
        .rcv_wnd = a.window, .rcv_wup = b.seq + 1,
    };
    if (tcp->has_wscale) {
        tcp->snd_wscale = theirs.wscale;
        tcp->rcv_wscale = mine.wscale;
    }
    return true;
}

size_t
proxy_rst_make(const struct mbox_key *key, const struct proxy_syn *peer_syn,
               uint8_t packet[TCP_REPAIR_SEGMENT_MAX])
{
    struct proxy_segment s;

    if (!proxy_segment_read(&s, peer_syn->data, peer_syn->len)) {
        return 0;
    }
    return tcp_repair_make_segment(key, s.seq + 1, 0, TH_RST, 0, packet);
}
