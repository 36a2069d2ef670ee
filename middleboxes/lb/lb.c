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
#include "lb.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "lb-private.h"
#include "lb-rewrite.h"
#include "mbox-fnv.h"
#include "packet-trace.h"

uint64_t
lb_wall_time(const struct lb *lb, uint64_t now)
{
    /* What was imported may be older than this instance. */
    return lb->setup.wall + (int64_t) (now - lb->setup.now) / 1000;
}

/* Services and backends. */

struct lb_service *
lb_find_service(const struct lb *lb, uint8_t family, uint8_t proto,
                const uint8_t addr[16], uint16_t port)
{
    for (size_t i = 0; i < lb->config->n_services; i++) {
        const struct lb_service_config *config = &lb->config->services[i];

        if (config->port == port && config->proto == proto
            && config->family == family
            && !memcmp(config->addr, addr, sizeof config->addr)) {
            return &lb->services[i];
        }
    }
    return NULL;
}

bool
lb_is_vip(const struct lb *lb, uint8_t family, const uint8_t addr[16])
{
    for (size_t i = 0; i < lb->config->n_services; i++) {
        const struct lb_service_config *config = &lb->config->services[i];

        if (config->family == family
            && !memcmp(config->addr, addr, sizeof config->addr)) {
            return true;
        }
    }
    return false;
}

struct lb_backend *
lb_find_backend(const struct lb_service *service, const uint8_t addr[16],
                uint16_t port)
{
    for (size_t i = 0; i < service->config->n_backends; i++) {
        const struct lb_backend_config *config = service->backends[i].config;

        if (config->port == port
            && !memcmp(config->addr, addr, sizeof config->addr)) {
            return &service->backends[i];
        }
    }
    return NULL;
}

/* True if the packet comes from a backend whose answers come this way. */
static bool
is_from_backend(const struct lb *lb, const struct mbox_key *key)
{
    for (size_t i = 0; i < lb->config->n_services; i++) {
        const struct lb_service *service = &lb->services[i];

        if (service->config->mode == LB_NAT
            && service->config->family == key->family
            && service->config->proto == key->proto
            && lb_find_backend(service, key->src, key->src_port)) {
            return true;
        }
    }
    return false;
}

static uint64_t
backend_id(const struct lb_backend_config *config)
{
    const uint8_t port[] = { config->port >> 8, config->port };

    return mbox_fnv1a(mbox_fnv1a(MBOX_FNV1A_INIT, config->addr, 16), port,
                      sizeof port);
}

void
lb_rebuild(struct lb_service *service)
{
    size_t n = service->config->n_backends;
    struct lb_maglev_node *nodes = calloc(n, sizeof *nodes);

    if (!nodes) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        const struct lb_backend *backend = &service->backends[i];

        nodes[i].id = backend_id(backend->config);
        nodes[i].weight = (backend->health.state == LB_UP
                           ? backend->config->weight : 0);
    }
    lb_maglev_build(&service->maglev, nodes, n);
    free(nodes);
}

static bool
check_addresses(const struct lb_setup *setup, char **errp)
{
    static const uint8_t zeros[16];

    for (size_t i = 0; i < setup->config->n_services; i++) {
        const struct lb_service_config *service = &setup->config->services[i];

        if (!memcmp(setup->addrs[service->family == 6], zeros, 16)) {
            if (asprintf(errp, "service \"%s\" is IPv%u, but this instance "
                         "has no IPv%u address to check its backends from: "
                         "give --address", service->name, service->family,
                         service->family) < 0) {
                abort();
            }
            return false;
        }
    }
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; j < setup->config->n_services; j++) {
            if (!memcmp(setup->addrs[i], setup->config->services[j].addr,
                        16)) {
                if (asprintf(errp, "--address is the virtual address of "
                             "service \"%s\": give one of this instance alone",
                             setup->config->services[j].name) < 0) {
                    abort();
                }
                return false;
            }
        }
    }
    return true;
}

struct lb *
lb_create(const struct lb_setup *setup, char **errp)
{
    const struct lb_config *config = setup->config;
    struct lb *lb;

    if (!check_addresses(setup, errp)) {
        return NULL;
    }
    lb = calloc(1, sizeof *lb);
    if (!lb) {
        abort();
    }
    lb->setup = *setup;
    lb->config = config;
    lb->now = lb->last_tick = setup->now;
    lb_table_init(&lb->table, setup->now);
    if (getrandom(&lb->random, sizeof lb->random, GRND_NONBLOCK)
        != sizeof lb->random) {
        lb->random = (uintptr_t) lb ^ setup->wall;
    }
    lb->services = calloc(config->n_services, sizeof *lb->services);
    if (!lb->services) {
        abort();
    }
    for (size_t i = 0; i < config->n_services; i++) {
        struct lb_service *service = &lb->services[i];

        service->config = &config->services[i];
        service->backends = calloc(service->config->n_backends,
                                   sizeof *service->backends);
        if (!service->backends) {
            abort();
        }
        for (size_t j = 0; j < service->config->n_backends; j++) {
            struct lb_backend *backend = &service->backends[j];

            backend->config = &service->config->backends[j];
            backend->service = service;
            backend->health.next = setup->now;
        }
        lb_maglev_init(&service->maglev, config->table_size);
    }
    return lb;
}

void
lb_destroy(struct lb *lb)
{
    if (lb) {
        lb_table_uninit(&lb->table);
        for (size_t i = 0; i < lb->config->n_services; i++) {
            lb_maglev_uninit(&lb->services[i].maglev);
            free(lb->services[i].backends);
        }
        free(lb->services);
        free(lb);
    }
}

static bool
is_l4(const struct mbox_key *key)
{
    return (key->family
            && (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP));
}

/* Connections. */

static uint64_t
timeout(const struct lb *lb, const struct lb_conn *conn)
{
    return SECOND * lb->config->timeouts[conn->state];
}

uint64_t
lb_wake_time(const struct lb *lb, const struct lb_conn *conn)
{
    return conn->last_seen + timeout(lb, conn);
}

void
lb_assign(struct lb_conn *conn, struct lb_backend *backend)
{
    if (conn->backend) {
        conn->backend->n_conns--;
    }
    conn->backend = backend;
    backend->n_conns++;
    if (backend->service->config->mode == LB_NAT) {
        struct mbox_key back;

        mbox_key_reverse(&conn->places[LB_TO_BACKEND].key, &back);
        memcpy(back.src, backend->config->addr, sizeof back.src);
        back.src_port = backend->config->port;
        lb_conn_set_back(conn, &back);
    }
}

void
lb_forget(struct lb *lb, struct lb_conn *conn)
{
    conn->backend->n_conns--;
    lb_table_remove(&lb->table, conn);
    lb_conn_free(conn);
}

/* Logs and forgets a connection. */
static void
end_connection(struct lb *lb, struct lb_conn *conn, const char *reason)
{
    if (lb->setup.log_connections) {
        lb_log_connection(lb, conn, reason);
    }
    lb->stats.ended++;
    lb_forget(lb, conn);
}

/* Makes 'backend' the one of 'conn', because of a packet, and puts it into the
 * table. */
static void
begin(struct lb *lb, struct lb_conn *conn, struct lb_backend *backend)
{
    const struct lb_place *back = &conn->places[LB_TO_CLIENT];

    lb_assign(conn, backend);
    backend->n_created++;
    lb_table_insert(&lb->table, conn, lb_wake_time(lb, conn));
    if (back->used && lb->setup.alias) {
        struct mbox_key key;

        mbox_key_canonical(&conn->places[LB_TO_BACKEND].key, &key);
        lb->setup.alias(lb->setup.aux, &key, &back->key);
    }
}

/* The backend for a new connection, or null. */
static struct lb_backend *
choose_backend(const struct lb_service *service, const struct mbox_key *key)
{
    int i = lb_maglev_lookup(&service->maglev, lb_maglev_hash(key));

    return i < 0 ? NULL : &service->backends[i];
}

/* Begins the connection of a client's packet.  Returns null if it cannot. */
static struct lb_conn *
new_connection(struct lb *lb, struct lb_service *service,
               const struct mbox_key *key, const uint8_t *tcp)
{
    struct lb_backend *backend;
    struct lb_conn *conn;

    if (tcp && (tcp[13] & TH_RST
                || (tcp[13] & (TH_SYN | TH_ACK)) == (TH_SYN | TH_ACK))) {
        lb->stats.no_connection++;
        return NULL;
    }
    backend = choose_backend(service, key);
    if (!backend) {
        lb->stats.no_backend++;
        return NULL;
    }
    if (lb->table.n_conns >= lb->config->max_connections) {
        lb->stats.table_full++;
        return NULL;
    }

    conn = lb_conn_create(key);
    conn->start = lb_wall_time(lb, lb->now);
    conn->last_seen = lb->now;
    if (!tcp) {
        conn->state = LB_DATAGRAMS;
    } else if (tcp[13] & TH_SYN) {
        conn->state = LB_SYN;
    } else {
        /* Its beginning was elsewhere; with luck the table leads to the same
         * backend. */
        conn->state = LB_OPEN;
        lb->stats.adopted++;
    }
    lb->stats.created++;
    begin(lb, conn, backend);
    return conn;
}

/* Gives 'conn' another backend.  Returns false if none is up. */
static bool
reassign(struct lb *lb, struct lb_conn *conn)
{
    struct lb_backend *backend = choose_backend(
        conn->backend->service, &conn->places[LB_TO_BACKEND].key);

    if (!backend) {
        lb->stats.no_backend++;
        return false;
    }
    lb_table_remove(&lb->table, conn);
    begin(lb, conn, backend);
    lb->stats.reassigned++;
    return true;
}

/* Finds out what a client's packet means for the connection 'conn' that it was
 * found in, or for a service.  Returns null if it is to be dropped. */
static struct lb_conn *
client_packet(struct lb *lb, struct lb_conn *conn, struct lb_service *service,
              const struct mbox_key *key, const uint8_t *tcp)
{
    bool syn = tcp && (tcp[13] & (TH_SYN | TH_ACK)) == TH_SYN;

    if (!conn) {
        return new_connection(lb, service, key, tcp);
    }
    service = conn->backend->service;
    /* Who has sent FIN begins anew, whether or not the backend has, too, of
     * which with direct server return nothing is seen. */
    if (syn && (conn->state == LB_CLOSED || conn->fin[LB_TO_BACKEND])) {
        end_connection(lb, conn, "reused");
        return new_connection(lb, service, key, tcp);
    }

    /* Nothing is lost yet by choosing again. */
    if (conn->backend->health.state == LB_DOWN
        && (conn->state == LB_DATAGRAMS || (syn && conn->state == LB_SYN))
        && !reassign(lb, conn)) {
        return NULL;
    }
    if (!conn->backend->has_mac) {
        lb->stats.no_backend++;
        return NULL;
    }
    return conn;
}

static void
count(struct lb *lb, struct lb_conn *conn, enum lb_dir dir, size_t len)
{
    conn->n_packets[dir]++;
    conn->n_bytes[dir] += len;
    conn->backend->n_packets[dir]++;
    conn->backend->n_bytes[dir] += len;
    if (dir == LB_TO_BACKEND) {
        lb->stats.to_backends++;
    } else {
        lb->stats.to_clients++;
    }
}

/* Sends a packet of 'conn' on its way. */
static void
translate(struct lb *lb, struct lb_conn *conn, enum lb_dir dir,
          uint8_t *frame, const struct mbox_key *key,
          const struct mbox_packet_layout *layout)
{
    const struct lb_backend *backend = conn->backend;
    const struct lb_service_config *service = backend->service->config;

    if (dir == LB_TO_BACKEND) {
        memcpy(conn->client_mac, frame + 6, 6);
        if (service->mode == LB_NAT) {
            lb_rewrite(frame, layout, key, LB_DST, backend->config->addr,
                       backend->config->port);
        }
        lb_set_macs(frame, backend->mac, lb->config->mac);
    } else {
        lb_rewrite(frame, layout, key, LB_SRC, service->addr, service->port);
        lb_set_macs(frame, conn->client_mac, lb->config->mac);
    }
}

static enum lb_verdict
process_l4(struct lb *lb, uint8_t *frame, size_t len,
           const struct mbox_key *key,
           const struct mbox_packet_layout *layout)
{
    const uint8_t *tcp = (key->proto == IPPROTO_TCP ? frame + layout->l4_ofs
                          : NULL);
    struct lb_service *service = NULL;
    enum lb_dir dir = LB_TO_BACKEND;
    struct lb_conn *conn = lb_table_find(&lb->table, key, &dir);

    if (!conn) {
        service = lb_find_service(lb, key->family, key->proto, key->dst,
                                  key->dst_port);
        if (!service) {
            if (lb_is_vip(lb, key->family, key->dst)) {
                lb->stats.no_service++;
                return LB_DROP;
            } else if (is_from_backend(lb, key)) {
                lb->stats.no_connection++;
                return LB_DROP;
            }
            lb->stats.passed++;
            return LB_FORWARD;
        }
    }
    if (lb->setup.trace) {
        packet_trace_packet(lb->setup.trace, lb->now, key,
                            frame + layout->l4_ofs,
                            layout->l3_end - layout->l4_ofs);
    }
    if (dir == LB_TO_BACKEND) {
        conn = client_packet(lb, conn, service, key, tcp);
        if (!conn) {
            return LB_DROP;
        }
    }

    conn->last_seen = lb->now;
    if (tcp) {
        uint8_t state = conn->state;

        lb_conn_track(conn, dir, tcp[13]);
        if (conn->state != state) {
            wheel_wake(&lb->table.wheel, &conn->timer,
                       lb_wake_time(lb, conn));
        }
    }
    count(lb, conn, dir, len);
    translate(lb, conn, dir, frame, key, layout);
    return LB_FORWARD;
}

/* Processes an ICMP error that may be about a connection. Returns false if it
 * is not. */
static bool
process_error(struct lb *lb, uint8_t *frame, const struct mbox_key *key,
              const struct mbox_packet_layout *layout)
{
    struct lb_quote quote;
    struct mbox_key reverse;
    struct lb_conn *conn;
    enum lb_dir dir;

    if (!lb_quote_parse(frame, key, layout, &quote)) {
        return false;
    }
    mbox_key_reverse(&quote.key, &reverse);
    conn = lb_table_find(&lb->table, &reverse, &dir);
    if (!conn) {
        return false;
    }

    const struct lb_backend *backend = conn->backend;
    const struct lb_service_config *service = backend->service->config;
    if (dir == LB_TO_BACKEND) {
        /* What the backend sent, and we translated, did not arrive. */
        if (service->mode == LB_NAT) {
            lb_rewrite_error(frame, layout, &quote, LB_SRC,
                             backend->config->addr, backend->config->port,
                             LB_DST, backend->config->addr);
        }
        lb_set_macs(frame, backend->mac, lb->config->mac);
    } else {
        /* What we sent to the backend did not.  Who says so may be a router
         * before it. */
        bool from_backend = !memcmp(key->src, backend->config->addr, 16);

        lb_rewrite_error(frame, layout, &quote, LB_DST, service->addr,
                         service->port, LB_SRC,
                         from_backend ? service->addr : NULL);
        lb_set_macs(frame, conn->client_mac, lb->config->mac);
    }
    lb->stats.icmp_errors++;
    return true;
}

/* Processes a packet that is no whole TCP or UDP packet from a client or a
 * backend. */
static enum lb_verdict
process_other(struct lb *lb, unsigned int port, uint8_t *frame, size_t len,
              const struct mbox_key *key,
              const struct mbox_packet_layout *layout)
{
    bool is_fragment = layout->first_frag || layout->later_frag;
    struct lb_neighbor neighbor;

    if ((!key->family || key->proto == IPPROTO_ICMPV6)
        && lb_neighbor_parse(frame, len, &neighbor)
        && lb_check_neighbor(lb, port, &neighbor)) {
        return LB_DROP;
    }
    if (key->family) {
        if (lb_answer_echo(lb, frame, key, layout)) {
            return LB_RETURN;
        } else if (lb_is_own_addr(lb, key->family, key->dst)) {
            lb_check_packet(lb, port, frame, key, layout);
            return LB_DROP;
        } else if (process_error(lb, frame, key, layout)) {
            return LB_FORWARD;
        } else if (lb_is_vip(lb, key->family, key->dst)) {
            if (is_fragment) {
                lb->stats.fragments++;
            } else if (is_l4(key)) {
                lb->stats.malformed++;
            } else {
                lb->stats.no_service++;
            }
            return LB_DROP;
        } else if (layout->first_frag && is_from_backend(lb, key)) {
            lb->stats.fragments++;
            return LB_DROP;
        }
    }
    lb->stats.passed++;
    return LB_FORWARD;
}

enum lb_verdict
lb_packet(struct lb *lb, uint64_t now, unsigned int port, uint8_t *frame,
          size_t len, const struct mbox_key *key,
          const struct mbox_packet_layout *layout)
{
    lb_set_time(lb, now);
    lb->stats.packets++;
    lb->stats.bytes += len;
    if (len < 14 || frame[6] & 1) {
        lb->stats.malformed++;          /* Nobody has such an address. */
        return LB_DROP;
    }
    if (key->vlan != MBOX_VLAN_NONE) {
        lb->stats.passed++;
        return LB_FORWARD;
    }
    if (is_l4(key) && layout->l4_ofs
        && !layout->first_frag && !layout->later_frag
        && !lb_is_own_addr(lb, key->family, key->dst)) {
        return process_l4(lb, frame, len, key, layout);
    }
    return process_other(lb, port, frame, len, key, layout);
}

/* Time. */

void
lb_set_time(struct lb *lb, uint64_t now)
{
    if (now > lb->now) {
        lb->now = now;
    }
}

static void
look_at_connection(void *lb_, struct wheel_timer *timer)
{
    struct lb_conn *conn = lb_conn_from_timer(timer);
    struct mbox_key key;
    struct lb *lb = lb_;

    if (!wheel_is_over(lb_wake_time(lb, conn), lb->now)) {
        wheel_wake(&lb->table.wheel, timer, lb_wake_time(lb, conn));
        return;
    }
    mbox_key_canonical(&conn->places[LB_TO_BACKEND].key, &key);
    if (lb->setup.is_pending && lb->setup.is_pending(lb->setup.aux, &key)) {
        wheel_wake(&lb->table.wheel, timer,
                   lb->now + LB_PENDING_SECONDS * SECOND);
        return;
    }
    end_connection(lb, conn, conn->state == LB_CLOSED ? "closed" : "timeout");
    if (lb->setup.dirty) {
        lb->setup.dirty(lb->setup.aux, &key);
    }
}

void
lb_tick(struct lb *lb, uint64_t now)
{
    lb_set_time(lb, now);
    wheel_advance(&lb->table.wheel, lb->now, look_at_connection, lb);
    lb_check_tick(lb);
    lb->last_tick = lb->now;
}

static int
finish_one(void *lb, struct lb_conn *conn)
{
    end_connection(lb, conn, "shutdown");
    return 0;
}

void
lb_finish(struct lb *lb, uint64_t now)
{
    lb_set_time(lb, now);
    lb_table_for_each(&lb->table, finish_one, lb);
}

size_t
lb_n_conns(const struct lb *lb)
{
    return lb->table.n_conns;
}

const struct lb_stats *
lb_get_stats(const struct lb *lb)
{
    return &lb->stats;
}
