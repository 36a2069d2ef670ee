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

/* State that moves to another instance. */

#include <config.h>
#include <errno.h>
#include <string.h>
#include "lb-private.h"
#include "mbox-wire.h"

/* Exported form of a connection, version 1 (all integers big-endian):
 *
 *     u8   version
 *     u8   flags: CONN_*
 *     u8   state: enum lb_state
 *     u64  age, ns since the last packet
 *     u64  start, us since 1970
 *     u64  packets to the backend, to the client; u64 bytes likewise
 *     6    the client's MAC address
 *     16   the backend's address; u16 its port
 *     6    its MAC address, or zeros if that is not known
 *
 * Time is exported as age because clocks differ between hosts.  The service
 * is that of the key's virtual address. */

enum {
    CONN_CLIENT_IS_DST = 1 << 0,        /* In the canonical key. */
    CONN_CLIENT_FIN = 1 << 1,
    CONN_BACKEND_FIN = 1 << 2,
    CONN_ALL_FLAGS = (1 << 3) - 1
};

static const uint8_t no_mac[6];

/* Finds a connection by the canonical key of its client's packets. */
static struct lb_conn *
find(const struct lb *lb, const struct mbox_key *canonical)
{
    struct mbox_key reverse;
    struct lb_conn *conn;
    enum lb_dir dir;

    conn = lb_table_find(&lb->table, canonical, &dir);
    if (!conn || dir != LB_TO_BACKEND) {
        mbox_key_reverse(canonical, &reverse);
        conn = lb_table_find(&lb->table, &reverse, &dir);
    }
    return conn && dir == LB_TO_BACKEND ? conn : NULL;
}

struct list_ctx {
    lb_list_cb *cb;
    void *aux;
};

static int
list_one(void *ctx_, struct lb_conn *conn)
{
    const struct lb_place *back = &conn->places[LB_TO_CLIENT];
    const struct list_ctx *ctx = ctx_;
    struct mbox_key key;

    mbox_key_canonical(&conn->places[LB_TO_BACKEND].key, &key);
    return ctx->cb(ctx->aux, &key, back->used ? &back->key : NULL);
}

int
lb_state_list(struct lb *lb, lb_list_cb *cb, void *aux)
{
    struct list_ctx ctx = { cb, aux };

    return lb_table_for_each(&lb->table, list_one, &ctx);
}

int
lb_state_get(struct lb *lb, const struct mbox_key *key, struct mbox_writer *w,
             struct mbox_key *back)
{
    const struct lb_conn *conn = find(lb, key);

    if (!conn) {
        return -ENOENT;
    }

    const struct lb_backend *backend = conn->backend;
    bool client_is_dst = !mbox_key_equal(&conn->places[LB_TO_BACKEND].key,
                                         key);
    mbox_put_u8(w, LB_STATE_VERSION);
    mbox_put_u8(w, ((client_is_dst ? CONN_CLIENT_IS_DST : 0)
                    | (conn->fin[LB_TO_BACKEND] ? CONN_CLIENT_FIN : 0)
                    | (conn->fin[LB_TO_CLIENT] ? CONN_BACKEND_FIN : 0)));
    mbox_put_u8(w, conn->state);
    mbox_put_u64(w, lb->now - conn->last_seen);
    mbox_put_u64(w, conn->start);
    for (int dir = 0; dir < 2; dir++) {
        mbox_put_u64(w, conn->n_packets[dir]);
    }
    for (int dir = 0; dir < 2; dir++) {
        mbox_put_u64(w, conn->n_bytes[dir]);
    }
    mbox_put_bytes(w, conn->client_mac, sizeof conn->client_mac);
    mbox_put_bytes(w, backend->config->addr, sizeof backend->config->addr);
    mbox_put_u16(w, backend->config->port);
    mbox_put_bytes(w, backend->has_mac ? backend->mac : no_mac,
                   sizeof no_mac);
    *back = conn->places[LB_TO_CLIENT].key;
    return w->error;
}

static bool
state_is_valid(uint8_t proto, uint8_t state, uint8_t flags)
{
    if (proto == IPPROTO_UDP) {
        return (state == LB_DATAGRAMS
                && !(flags & (CONN_CLIENT_FIN | CONN_BACKEND_FIN)));
    }
    return (state < LB_DATAGRAMS
            && (state != LB_FIN
                || flags & (CONN_CLIENT_FIN | CONN_BACKEND_FIN)));
}

/* Notes a MAC address that another instance knows and this one does not. */
static void
take_mac(struct lb_backend *backend, const uint8_t mac[6])
{
    if (!backend->has_mac && memcmp(mac, no_mac, sizeof no_mac)) {
        memcpy(backend->mac, mac, sizeof backend->mac);
        backend->has_mac = true;
    }
}

int
lb_state_put(struct lb *lb, const struct mbox_key *canonical,
             const void *data, size_t len)
{
    struct lb_service *service;
    struct lb_backend *backend;
    struct mbox_key key = *canonical;
    struct mbox_reader r;

    mbox_reader_init(&r, data, len);
    uint8_t version = mbox_get_u8(&r);
    uint8_t flags = mbox_get_u8(&r);
    uint8_t state = mbox_get_u8(&r);
    uint64_t age = mbox_get_u64(&r);
    uint64_t start = mbox_get_u64(&r);
    uint64_t n_packets[2], n_bytes[2];
    for (int dir = 0; dir < 2; dir++) {
        n_packets[dir] = mbox_get_u64(&r);
    }
    for (int dir = 0; dir < 2; dir++) {
        n_bytes[dir] = mbox_get_u64(&r);
    }
    const uint8_t *client_mac = mbox_get_bytes(&r, 6);
    const uint8_t *addr = mbox_get_bytes(&r, 16);
    uint16_t port = mbox_get_u16(&r);
    const uint8_t *backend_mac = mbox_get_bytes(&r, 6);
    if (mbox_reader_finish(&r) || version != LB_STATE_VERSION
        || flags & ~CONN_ALL_FLAGS || client_mac[0] & 1 || backend_mac[0] & 1
        || canonical->vlan != MBOX_VLAN_NONE
        || mbox_key_canonical(canonical, &key)
        || !state_is_valid(canonical->proto, state, flags)) {
        return -EPROTO;
    }
    if (flags & CONN_CLIENT_IS_DST) {
        mbox_key_reverse(&key, &key);
    }
    service = lb_find_service(lb, key.family, key.proto, key.dst,
                              key.dst_port);
    backend = service ? lb_find_backend(service, addr, port) : NULL;
    if (!backend) {
        return -EADDRNOTAVAIL;  /* The configurations differ. */
    }

    struct lb_conn *old = find(lb, canonical);
    if (old) {
        lb_forget(lb, old);
    } else if (lb->table.n_conns >= lb->config->max_connections) {
        return -ENOSPC;
    }

    struct lb_conn *conn = lb_conn_create(&key);
    conn->start = start;
    conn->last_seen = age < lb->now ? lb->now - age : 0;
    memcpy(conn->n_packets, n_packets, sizeof n_packets);
    memcpy(conn->n_bytes, n_bytes, sizeof n_bytes);
    memcpy(conn->client_mac, client_mac, sizeof conn->client_mac);
    conn->state = state;
    conn->fin[LB_TO_BACKEND] = (flags & CONN_CLIENT_FIN) != 0;
    conn->fin[LB_TO_CLIENT] = (flags & CONN_BACKEND_FIN) != 0;
    take_mac(backend, backend_mac);
    lb_assign(conn, backend);
    lb_table_insert(&lb->table, conn, lb_wake_time(lb, conn));
    lb->stats.imported++;
    return 0;
}

int
lb_state_del(struct lb *lb, const struct mbox_key *key)
{
    struct lb_conn *conn = find(lb, key);

    if (!conn) {
        return -ENOENT;
    }
    lb_forget(lb, conn);
    lb->stats.deleted++;
    return 0;
}

/* Health: u8 version, u32 number of backends, each:
 *
 *     u8 protocol, 16 virtual address, u16 port, 16 address, u16 port
 *     u8 enum lb_health_state, 6 MAC address or zeros */

void
lb_health_get(struct lb *lb, struct mbox_writer *w)
{
    size_t n = 0;

    for (size_t i = 0; i < lb->config->n_services; i++) {
        n += lb->config->services[i].n_backends;
    }
    mbox_put_u8(w, LB_STATE_VERSION);
    mbox_put_u32(w, n);
    for (size_t i = 0; i < lb->config->n_services; i++) {
        const struct lb_service_config *s = &lb->config->services[i];

        for (size_t j = 0; j < s->n_backends; j++) {
            const struct lb_backend *b = &lb->services[i].backends[j];

            mbox_put_u8(w, s->proto);
            mbox_put_bytes(w, s->addr, sizeof s->addr);
            mbox_put_u16(w, s->port);
            mbox_put_bytes(w, b->config->addr, sizeof b->config->addr);
            mbox_put_u16(w, b->config->port);
            mbox_put_u8(w, b->health.state);
            mbox_put_bytes(w, b->has_mac ? b->mac : no_mac, sizeof no_mac);
        }
    }
}

struct imported_health {
    struct lb_backend *backend; /* NULL: not one of ours. */
    uint8_t state;
    const uint8_t *mac;
};

static int
read_health(const struct lb *lb, struct mbox_reader *r,
            struct imported_health *h)
{
    struct lb_service *service;

    uint8_t proto = mbox_get_u8(r);
    const uint8_t *vip = mbox_get_bytes(r, 16);
    uint16_t vip_port = mbox_get_u16(r);
    const uint8_t *addr = mbox_get_bytes(r, 16);
    uint16_t port = mbox_get_u16(r);
    h->state = mbox_get_u8(r);
    h->mac = mbox_get_bytes(r, 6);
    if (r->error || h->state > LB_DOWN || h->mac[0] & 1) {
        return -EPROTO;
    }
    service = lb_find_service(lb, lb_address_family(vip), proto, vip,
                              vip_port);
    h->backend = service ? lb_find_backend(service, addr, port) : NULL;
    return 0;
}

static void
take_health(const struct imported_health *h)
{
    struct lb_backend *b = h->backend;

    take_mac(b, h->mac);
    if (b->health.state == LB_UNKNOWN
        && (h->state == LB_DOWN || (h->state == LB_UP && b->has_mac))) {
        b->health.state = h->state;
        b->health.n_same = 0;
        lb_rebuild(b->service);
    }
}

int
lb_health_put(struct lb *lb, const void *data, size_t len)
{
    /* The first time only checks. */
    for (int take = 0; take < 2; take++) {
        struct imported_health h;
        struct mbox_reader r;

        mbox_reader_init(&r, data, len);
        uint8_t version = mbox_get_u8(&r);
        uint32_t n = mbox_get_u32(&r);
        if (version != LB_STATE_VERSION || n > len) {
            return -EPROTO;
        }
        while (n--) {
            if (read_health(lb, &r, &h)) {
                return -EPROTO;
            }
            if (take && h.backend) {
                take_health(&h);
            }
        }
        if (mbox_reader_finish(&r)) {
            return -EPROTO;
        }
    }
    return 0;
}

/* Configuration: u8 version, u64 digest. */

void
lb_config_get(struct lb *lb, struct mbox_writer *w)
{
    mbox_put_u8(w, LB_STATE_VERSION);
    mbox_put_u64(w, lb->config->digest);
}

int
lb_config_put(struct lb *lb, const void *data, size_t len)
{
    struct mbox_reader r;

    mbox_reader_init(&r, data, len);
    uint8_t version = mbox_get_u8(&r);
    uint64_t digest = mbox_get_u64(&r);
    if (mbox_reader_finish(&r) || version != LB_STATE_VERSION) {
        return -EPROTO;
    }
    return digest == lb->config->digest ? 0 : -EADDRNOTAVAIL;
}
