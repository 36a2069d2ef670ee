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
#include "proxy-private.h"

#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>
#include "bytes.h"
#include "packet-trace.h"

#define FRAME_MAX 16384

/* Between the TUN and the kernel. */

void
proxy_write_tun(struct proxy *p, const void *ip, size_t len)
{
    p->stats.to_kernel++;

    /* What the kernel does not take is as what is lost on the way. */
    ssize_t n = write(p->net.tun.tun_fd, ip, len);
    (void) n;
}

void
proxy_emit(struct proxy *p, const struct proxy_flow *flow, bool to_client,
           const void *ip, size_t len)
{
    uint8_t frame[FRAME_MAX];
    unsigned int port = flow->port;

    if (!flow->link_len || flow->link_len + len > sizeof frame) {
        return;
    }
    memcpy(frame, flow->link, flow->link_len);
    memcpy(frame + flow->link_len, ip, len);
    if (to_client) {
        memcpy(frame, flow->link + 6, 6);
        memcpy(frame + 6, flow->link, 6);
    } else if (p->setup.n_ports == 2) {
        port = !port;
    }
    p->setup.send(p->setup.aux, port, frame, flow->link_len + len);
}

/* Handles an IP packet from the kernel. */
static void
from_kernel(struct proxy *p, const uint8_t *ip, size_t len)
{
    struct proxy_segment s;
    struct proxy_flow *flow;

    p->stats.from_kernel++;
    if (!proxy_segment_read(&s, ip, len)
        || !(flow = proxy_flow_find(&p->flows, &s.key))) {
        p->stats.unknown++;     /* IPv6 is talkative. */
        return;
    }
    if (flow->place != PROXY_HERE || proxy_is_frozen(p, flow)) {
        p->stats.frozen++;
        return;
    }

    bool to_client = !mbox_key_equal(&s.key, &flow->key);
    if (s.flags & TH_SYN) {
        proxy_syn_keep(to_client ? &flow->client.own_syn
                       : &flow->server.own_syn, ip, len);
    }
    proxy_emit(p, flow, to_client, ip, len);
}

void
proxy_drain_tun(struct proxy *p)
{
    uint8_t ip[FRAME_MAX];
    ssize_t n;

    while ((n = read(p->net.tun.tun_fd, ip, sizeof ip)) > 0) {
        from_kernel(p, ip, n);
    }
}

/* Connections that are being opened and have moved. */

/* Makes a socket, as both ends have told what they want. */
static void
open_imported(struct proxy *p, struct proxy_flow *flow,
              struct proxy_conn *conn)
{
    struct mbox_key key = flow->key;
    struct tcp_repair tcp;
    int fd = -1;

    if (conn == &flow->client) {
        mbox_key_reverse(&key, &key);
    }
    conn->imported_syn = false;
    if (proxy_syn_open(&conn->own_syn, &conn->peer_syn, &tcp)) {
        fd = proxy_tcp_restore(&p->net, &key,
                               p->config->socket_buffer << 10, &tcp);
    }
    if (fd >= 0) {
        proxy_conn_set(p, conn, fd, true);
        tcp_repair_leave(fd);
    } else {
        conn->failed = true;
    }
    proxy_queue(p, flow);
}

bool
proxy_handle_syn(struct proxy *p, struct proxy_flow *flow,
                 struct proxy_conn *conn, const uint8_t *ip, size_t len)
{
    bool is_client = conn == &flow->client;
    struct proxy_segment s;

    if (!conn->imported_syn || !proxy_segment_read(&s, ip, len)) {
        return false;
    }
    if (s.flags & TH_RST) {
        conn->imported_syn = false;
        conn->failed = true;
        proxy_queue(p, flow);
    } else if (is_client && s.flags & TH_SYN) {
        /* It has not got the answer. */
        proxy_emit(p, flow, true, conn->own_syn.data, conn->own_syn.len);
    } else if (is_client) {
        open_imported(p, flow, conn);
        return false;
    } else if (s.flags & TH_SYN && s.flags & TH_ACK) {
        proxy_syn_keep(&conn->peer_syn, ip, len);
        open_imported(p, flow, conn);
    }
    return true;
}

void
proxy_cancel_syn(struct proxy *p, const struct proxy_flow *flow)
{
    const struct proxy_conn *client = &flow->client;
    uint8_t packet[TCP_REPAIR_SEGMENT_MAX];

    if (client->fd < 0 && !client->imported_syn && client->peer_syn.len) {
        proxy_write_tun(p, packet, proxy_rst_make(&flow->key,
                                                  &client->peer_syn, packet));
    }
}

/* From the ports. */

/* True if a packet is the first one of a connection to be cached. */
static bool
begins_flow(const struct proxy *p, const struct mbox_key *key,
            const struct proxy_segment *s)
{
    return ((s->flags & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) == TH_SYN
            && proxy_config_has_port(p->config, key->dst_port)
            && (key->family == 4 || p->net.has_ipv6));
}

static struct proxy_flow *
get_flow(struct proxy *p, const struct mbox_key *key,
         const struct proxy_segment *s)
{
    struct proxy_flow *flow = proxy_flow_find(&p->flows, key);

    if (flow) {
        struct mbox_key canonical;

        mbox_key_canonical(key, &canonical);
        return mbox_key_equal(&canonical, &flow->name) ? flow : NULL;
    }
    if (!begins_flow(p, key, s)) {
        return NULL;
    }
    if (p->flows.n >= p->config->max_flows) {
        p->stats.table_full++;
        return NULL;
    }
    flow = proxy_flow_add(&p->flows, key);
    p->stats.flows_created++;
    proxy_set_deadline(p, flow, PROXY_OPEN_SECONDS);
    return flow;
}

static void
learn_link(struct proxy_flow *flow, unsigned int port, const uint8_t *frame,
           size_t l3_ofs)
{
    if (l3_ofs <= sizeof flow->link) {
        memcpy(flow->link, frame, l3_ofs);
        flow->link_len = l3_ofs;
        flow->port = port;
    }
}

static void
trace(struct proxy *p, const uint8_t *frame, const struct mbox_key *key,
      const struct mbox_packet_layout *layout)
{
    if (p->setup.trace && layout->l4_ofs && !layout->later_frag) {
        packet_trace_packet(p->setup.trace, p->now, key,
                            frame + layout->l4_ofs,
                            layout->l3_end - layout->l4_ofs);
    }
}

bool
proxy_packet(struct proxy *p, uint64_t now, unsigned int port,
             const uint8_t *frame, size_t len, const struct mbox_key *key,
             const struct mbox_packet_layout *layout)
{
    const uint8_t *ip = frame + layout->l3_ofs;
    struct proxy_segment s;

    proxy_set_time(p, now);
    p->stats.packets++;
    p->stats.bytes += len;
    trace(p, frame, key, layout);
    if (key->proto != IPPROTO_TCP || !layout->l4_ofs || frame[0] & 1
        || !proxy_segment_read(&s, ip, layout->l3_end - layout->l3_ofs)) {
        p->stats.passed++;
        return true;
    }

    struct proxy_flow *flow = get_flow(p, key, &s);
    if (!flow) {
        p->stats.passed++;
        return true;
    }
    if (flow->place != PROXY_HERE) {
        proxy_resume_flow(p, flow);
    }

    bool from_client = mbox_key_equal(&s.key, &flow->key);
    struct proxy_conn *conn = from_client ? &flow->client : &flow->server;
    if (from_client) {
        learn_link(flow, port, frame, layout->l3_ofs);
        if (s.flags & TH_SYN) {
            proxy_syn_keep(&conn->peer_syn, ip, s.tcp + s.tcp_len - ip);
        }
    }
    if (!proxy_handle_syn(p, flow, conn, ip,
                          layout->l3_end - layout->l3_ofs)) {
        proxy_write_tun(p, ip, layout->l3_end - layout->l3_ofs);
    }
    proxy_drain_tun(p);
    if (flow->client.fd < 0 && from_client) {
        proxy_accept(p);
    }
    return false;
}
