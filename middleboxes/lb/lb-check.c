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

/* Health checks, and what is said to the load balancer's own addresses
 * ====================================================================
 *
 * Probes leave and answers come by the port that packets do, because there is
 * no other way: on that port the load balancer is a bump in the wire, of which
 * the kernel's sockets know nothing (with DPDK there is no kernel at all).
 * That also checks the path that packets take.
 *
 * Each check asks for the backend's MAC address, too, so that one that was
 * replaced is found.  Only the first answer to that counts, and nothing that
 * is said unasked, lest anybody on the network take a backend's place when he
 * likes.  With direct server return the probe goes to the virtual
 * address, at the backend's MAC: a backend that does not have it fails. */

#include <config.h>
#include <netinet/tcp.h>
#include <string.h>
#include "bytes.h"
#include "lb-private.h"

#define MS UINT64_C(1000000)

/* A program that did not run for this long missed answers. */
#define PAUSE (500 * MS)

/* Sources of probes. */
#define FIRST_PORT 32768
#define N_PORTS 28000

static void
send_frame(struct lb *lb, unsigned int port, const struct lb_frame *f)
{
    if (lb->setup.send) {
        lb->setup.send(lb->setup.aux, port, f);
    }
}

/* The generator splitmix64. */
static uint32_t
next_random(struct lb *lb)
{
    uint64_t z = lb->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void
get_own_host(const struct lb *lb, uint8_t family, struct lb_host *host)
{
    host->family = family;
    memcpy(host->addr, lb->setup.addrs[family == 6], sizeof host->addr);
    memcpy(host->mac, lb->config->mac, sizeof host->mac);
}

bool
lb_is_own_addr(const struct lb *lb, uint8_t family, const uint8_t addr[16])
{
    return !memcmp(lb->setup.addrs[family == 6], addr, 16);
}

/* What 'backend' is probed at. */
static const uint8_t *
probe_addr(const struct lb_backend *backend)
{
    return (backend->service->config->mode == LB_DSR
            ? backend->service->config->addr : backend->config->addr);
}

static uint16_t
probe_port(const struct lb_backend *backend)
{
    uint16_t port = backend->service->config->check_port;

    return port ? port : backend->config->port;
}

static void
changed(struct lb *lb, struct lb_backend *backend)
{
    lb_rebuild(backend->service);
    lb_log_backend(lb, backend);
}

static void
note_result(struct lb *lb, struct lb_backend *backend, bool good)
{
    const struct lb_service_config *service = backend->service->config;

    if (lb_health_result(&backend->health, good, service->rise,
                         service->fall)) {
        changed(lb, backend);
    }
}

static void
send_probe(struct lb *lb, struct lb_backend *backend)
{
    const struct lb_service_config *service = backend->service->config;
    struct lb_host src, dst = { .family = service->family };
    struct lb_frame f;

    get_own_host(lb, service->family, &src);
    memcpy(dst.addr, probe_addr(backend), sizeof dst.addr);
    memcpy(dst.mac, backend->mac, sizeof dst.mac);
    if (service->check == LB_CHECK_TCP) {
        struct lb_tcp syn = {
            .src_port = backend->probe_port, .dst_port = probe_port(backend),
            .seq = backend->probe_seq, .flags = TH_SYN,
        };

        lb_frame_tcp(&f, &src, &dst, &syn);
    } else if (service->check == LB_CHECK_PING) {
        lb_frame_echo(&f, &src, &dst, backend->probe_port,
                      backend->probe_seq);
    } else {
        return;
    }
    send_frame(lb, lb->setup.backend_port, &f);
}

static void
begin_check(struct lb *lb, struct lb_backend *backend)
{
    struct lb_host src;
    struct lb_frame f;

    lb->stats.checks++;
    backend->probe_port = FIRST_PORT + next_random(lb) % N_PORTS;
    backend->probe_seq = next_random(lb);
    backend->resolving = true;
    get_own_host(lb, backend->service->config->family, &src);
    lb_frame_solicit(&f, &src, backend->config->addr);
    send_frame(lb, lb->setup.backend_port, &f);
    if (backend->has_mac) {
        send_probe(lb, backend);
    }
}

void
lb_check_tick(struct lb *lb)
{
    uint64_t pause = lb->now - lb->last_tick;

    for (size_t i = 0; i < lb->config->n_services; i++) {
        struct lb_service *service = &lb->services[i];
        const struct lb_service_config *config = service->config;

        for (size_t j = 0; j < config->n_backends; j++) {
            struct lb_backend *backend = &service->backends[j];
            bool is_changed;

            if (pause >= PAUSE && backend->health.waiting) {
                lb_health_excuse(&backend->health, pause);
            }
            if (lb_health_is_due(&backend->health, lb->now,
                                 config->interval * MS, config->rise,
                                 config->fall, &is_changed)) {
                begin_check(lb, backend);
            }
            if (is_changed) {
                changed(lb, backend);
            }
        }
    }
}

/* Notes the MAC address that the backends with this address, which were asked
 * for it, have. */
static void
learn_mac(struct lb *lb, const struct lb_host *host)
{
    if (host->mac[0] & 1) {
        return;
    }
    for (size_t i = 0; i < lb->config->n_services; i++) {
        struct lb_service *service = &lb->services[i];

        for (size_t j = 0; j < service->config->n_backends; j++) {
            struct lb_backend *backend = &service->backends[j];
            bool is_news = !backend->has_mac
                           || memcmp(backend->mac, host->mac, 6);

            if (!backend->resolving
                || service->config->family != host->family
                || memcmp(backend->config->addr, host->addr, 16)) {
                continue;
            }
            backend->resolving = false;
            memcpy(backend->mac, host->mac, sizeof backend->mac);
            backend->has_mac = true;
            if (service->config->check == LB_CHECK_ARP) {
                note_result(lb, backend, true);
            } else if (is_news && backend->health.waiting) {
                send_probe(lb, backend);
            }
        }
    }
}

bool
lb_check_neighbor(struct lb *lb, unsigned int port,
                  const struct lb_neighbor *n)
{
    struct lb_host src;
    struct lb_frame f;
    bool is_ours = lb_is_own_addr(lb, n->sender.family, n->target);

    if (!n->is_request) {
        if (is_ours && port == lb->setup.backend_port) {
            learn_mac(lb, &n->sender);
        }
        return is_ours;
    }
    is_ours = (is_ours
               || lb_is_vip(lb, n->sender.family, n->target));
    if (is_ours) {
        get_own_host(lb, n->sender.family, &src);
        memcpy(src.addr, n->target, sizeof src.addr);
        lb_frame_advertise(&f, &src, n);
        send_frame(lb, port, &f);
    }
    return is_ours;
}

/* An answer to the SYN of a check. */
static void
check_tcp(struct lb *lb, unsigned int port, struct lb_backend *backend,
          const uint8_t *frame, const struct mbox_key *key,
          const uint8_t *tcp)
{
    uint8_t flags = tcp[13] & (TH_SYN | TH_ACK | TH_RST);

    if (key->src_port != probe_port(backend)
        || key->dst_port != backend->probe_port
        || get_be32(tcp + 8) != backend->probe_seq + 1
        || !(flags & TH_ACK)) {
        return;
    }
    if (flags == (TH_SYN | TH_ACK)) {
        struct lb_host src, dst = { .family = key->family };
        struct lb_tcp rst = {
            .src_port = key->dst_port, .dst_port = key->src_port,
            .seq = get_be32(tcp + 8), .flags = TH_RST,
        };
        struct lb_frame f;

        get_own_host(lb, key->family, &src);
        memcpy(dst.addr, key->src, sizeof dst.addr);
        memcpy(dst.mac, frame + 6, sizeof dst.mac);
        lb_frame_tcp(&f, &src, &dst, &rst);
        send_frame(lb, port, &f);
        note_result(lb, backend, true);
    } else if (flags & TH_RST) {
        note_result(lb, backend, false);
    }
}

static bool
is_echo(const struct mbox_key *key, const struct mbox_packet_layout *layout,
        const uint8_t *frame, uint8_t type4, uint8_t type6)
{
    uint8_t proto = key->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

    return (key->proto == proto && layout->l4_ofs && !layout->first_frag
            && frame[layout->l4_ofs] == (key->family == 4 ? type4 : type6));
}

void
lb_check_packet(struct lb *lb, unsigned int port, const uint8_t *frame,
                const struct mbox_key *key,
                const struct mbox_packet_layout *layout)
{
    const uint8_t *l4 = frame + layout->l4_ofs;
    bool is_tcp = (key->proto == IPPROTO_TCP && layout->l4_ofs
                   && !layout->first_frag);
    bool is_reply = is_echo(key, layout, frame, 0, 129);

    for (size_t i = 0; (is_tcp || is_reply) && i < lb->config->n_services;
         i++) {
        struct lb_service *service = &lb->services[i];

        for (size_t j = 0; j < service->config->n_backends; j++) {
            struct lb_backend *backend = &service->backends[j];

            if (service->config->family != key->family
                || memcmp(key->src, probe_addr(backend), 16)) {
                continue;
            }
            if (is_tcp && service->config->check == LB_CHECK_TCP) {
                check_tcp(lb, port, backend, frame, key, l4);
            } else if (is_reply && service->config->check == LB_CHECK_PING
                       && key->src_port == backend->probe_port
                       && get_be16(l4 + 6) == (uint16_t) backend->probe_seq) {
                note_result(lb, backend, true);
            }
        }
    }
}

bool
lb_answer_echo(const struct lb *lb, uint8_t *frame, const struct mbox_key *key,
               const struct mbox_packet_layout *layout)
{
    if (!is_echo(key, layout, frame, 8, 128)
        || !(lb_is_own_addr(lb, key->family, key->dst)
             || lb_is_vip(lb, key->family, key->dst))) {
        return false;
    }
    lb_frame_answer_echo(frame, key->family, layout->l3_ofs, layout->l4_ofs,
                         lb->config->mac);
    return true;
}
