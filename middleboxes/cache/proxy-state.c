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

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

/* What a connection is made of. */
enum conn_kind {
    CONN_NONE,
    CONN_OPENING,               /* The packets that open it. */
    CONN_SOCKET,
};

/* Flags of a connection. */
#define CONN_EOF 1
#define CONN_CLOSING 2
#define CONN_FAILED 4

/* Flags of a flow. */
#define FLOW_REVERSED 1         /* The client is the key's destination. */
#define FLOW_REQUEST_BEGUN 2
#define FLOW_RESPONSE_BEGUN 4
#define FLOW_SERVER_KEEP 8
#define FLOW_SERVER_USED 16
#define FLOW_EXCHANGE 32        /* There is one. */
#define FLOW_FLAGS 63

/* Writing. */

static void
write_block(struct mbox_writer *w, const void *data, size_t n)
{
    mbox_put_u32(w, n);
    mbox_put_bytes(w, data, n);
}

static void
write_syn(struct mbox_writer *w, const struct proxy_syn *syn)
{
    mbox_put_u8(w, syn->len);
    mbox_put_bytes(w, syn->data, syn->len);
}

static void
write_body(struct mbox_writer *w, const struct http_body *body)
{
    mbox_put_u8(w, body->framing);
    mbox_put_u64(w, body->left);
    mbox_put_u8(w, body->state);
    mbox_put_u16(w, body->overhead);
    mbox_put_u8(w, body->done);
}

static enum conn_kind
get_kind(const struct proxy_flow *flow, const struct proxy_conn *conn)
{
    if (conn->imported_syn) {
        return CONN_OPENING;
    } else if (conn->fd < 0) {
        return (conn == &flow->client && flow->phase == PROXY_IDLE
                && conn->own_syn.len && conn->peer_syn.len
                ? CONN_OPENING : CONN_NONE);
    } else if (!conn->connected
               && tcp_socket_get_state(conn->fd) == TCP_SYN_SENT) {
        return conn->own_syn.len ? CONN_OPENING : CONN_NONE;
    }
    return CONN_SOCKET;
}

static int
write_conn(struct mbox_writer *w, const struct proxy_flow *flow,
           const struct proxy_conn *conn)
{
    enum conn_kind kind = get_kind(flow, conn);
    const uint8_t *unsent = NULL;
    uint8_t *block = NULL;
    struct tcp_repair tcp;
    size_t n_unsent = 0;

    if (kind == CONN_SOCKET) {
        int error = tcp_repair_read(conn->fd, &tcp, &block, &unsent,
                                   &n_unsent);
        if (error) {
            return error;
        }
    }
    mbox_put_u8(w, kind);
    mbox_put_u8(w, ((conn->eof ? CONN_EOF : 0)
                    | (conn->closing ? CONN_CLOSING : 0)
                    | (conn->failed ? CONN_FAILED : 0)));
    write_block(w, conn->in + conn->in_start, conn->in_len);

    /* What the kernel has not sent yet is as what it was not given yet. */
    mbox_put_u32(w, n_unsent + proxy_conn_backlog(conn));
    mbox_put_bytes(w, unsent, n_unsent);
    mbox_put_bytes(w, conn->out.data + conn->out_sent,
                   proxy_conn_backlog(conn));
    if (kind == CONN_OPENING) {
        write_syn(w, &conn->own_syn);
        write_syn(w, &conn->peer_syn);
    } else if (kind == CONN_SOCKET) {
        tcp_repair_write(&tcp, w);
    }
    free(block);
    return w->error;
}

int
proxy_flow_list(struct proxy *p, proxy_key_cb *cb, void *aux)
{
    for (struct proxy_flow *flow = p->flows.first; flow;
         flow = flow->all_next) {
        int retval = flow->dead ? 0 : cb(aux, &flow->name);
        if (retval) {
            return retval;
        }
    }
    return 0;
}

/* The flow that libmbox knows as 'key'. */
static struct proxy_flow *
find(struct proxy *p, const struct mbox_key *key)
{
    struct proxy_flow *flow = proxy_flow_find(&p->flows, key);

    return flow && mbox_key_equal(&flow->name, key) ? flow : NULL;
}

/* True if the client is the destination of the canonical key. */
static bool
is_reversed(const struct proxy_flow *flow)
{
    return (flow->key.src_port != flow->name.src_port
            || memcmp(flow->key.src, flow->name.src, sizeof flow->key.src));
}

int
proxy_flow_get(struct proxy *p, const struct mbox_key *key,
               struct mbox_writer *w)
{
    struct proxy_flow *flow = find(p, key);

    if (!flow) {
        return -ENOENT;
    } else if (p->repair_error) {
        return p->repair_error;
    } else if (!proxy_is_frozen(p, flow)) {
        return -EAGAIN;
    }
    if (flow->place == PROXY_HERE) {
        flow->place = PROXY_LEAVING;
        p->n_away++;
    }
    mbox_put_u8(w, ((is_reversed(flow) ? FLOW_REVERSED : 0)
                    | (flow->request_begun ? FLOW_REQUEST_BEGUN : 0)
                    | (flow->response_begun ? FLOW_RESPONSE_BEGUN : 0)
                    | (flow->server_keep ? FLOW_SERVER_KEEP : 0)
                    | (flow->server_used ? FLOW_SERVER_USED : 0)
                    | (exchange_is_active(&flow->x) ? FLOW_EXCHANGE : 0)));
    mbox_put_u8(w, flow->phase);
    mbox_put_u8(w, flow->framing);
    mbox_put_u8(w, flow->port);
    mbox_put_u8(w, flow->link_len);
    mbox_put_bytes(w, flow->link, flow->link_len);
    mbox_put_u64(w, p->now - flow->begin);
    mbox_put_u64(w, flow->n_sent);
    write_body(w, &flow->request_body);
    write_body(w, &flow->response_body);
    if (exchange_is_active(&flow->x)) {
        exchange_write(&flow->x, w);
    }

    int error = write_conn(w, flow, &flow->client);
    return error ? error : write_conn(w, flow, &flow->server);
}

/* Reading. */

static bool
read_syn(struct mbox_reader *r, struct proxy_syn *syn)
{
    syn->len = mbox_get_u8(r);

    const uint8_t *data = mbox_get_bytes(r, syn->len);
    if (!data || syn->len > sizeof syn->data) {
        syn->len = 0;
        return false;
    }
    memcpy(syn->data, data, syn->len);
    return true;
}

static bool
read_body(struct mbox_reader *r, struct http_body *body)
{
    body->framing = mbox_get_u8(r);
    body->left = mbox_get_u64(r);
    body->state = mbox_get_u8(r);
    body->overhead = mbox_get_u16(r);
    body->done = mbox_get_u8(r) != 0;
    return !r->error && http_body_is_sound(body);
}

/* Reads what waits in buffers. */
static bool
read_buffers(struct mbox_reader *r, struct proxy_conn *conn)
{
    conn->in_len = mbox_get_u32(r);

    const uint8_t *in = mbox_get_bytes(r, conn->in_len);
    if (!in || conn->in_len > PROXY_IN_MAX) {
        conn->in_len = 0;
        return false;
    }
    if (conn->in_len) {
        conn->in = malloc(PROXY_IN_MAX);
        if (!conn->in) {
            abort();
        }
        memcpy(conn->in, in, conn->in_len);
    }
    size_t n = mbox_get_u32(r);
    const uint8_t *out = mbox_get_bytes(r, n);
    if (out) {
        mbox_put_bytes(&conn->out, out, n);
    }
    return out != NULL;
}

/* Reads all of a connection, but does not make its socket yet: if it has one
 * that is in '*tcp'. */
static int
read_conn(struct proxy_conn *conn, struct mbox_reader *r,
          enum conn_kind *kind, struct tcp_repair *tcp)
{
    *kind = mbox_get_u8(r);
    uint8_t flags = mbox_get_u8(r);

    if (!read_buffers(r, conn)) {
        return -EPROTO;
    }
    switch (*kind) {
    case CONN_NONE:
        break;
    case CONN_OPENING:
        conn->imported_syn = true;
        if (!read_syn(r, &conn->own_syn) || !read_syn(r, &conn->peer_syn)) {
            return -EPROTO;
        }
        break;
    case CONN_SOCKET: {
        int error = tcp_repair_parse(tcp, r);
        if (error) {
            return error;
        }
        break;
    }
    default:
        return -EPROTO;
    }
    conn->eof = flags & CONN_EOF;
    conn->closing = flags & CONN_CLOSING;
    conn->failed = flags & CONN_FAILED;
    return 0;
}

/* Makes the socket of a connection, whose peer is at 'key's source. */
static int
make_socket(struct proxy *p, struct proxy_conn *conn,
            const struct mbox_key *key, const struct tcp_repair *tcp)
{
    bool failed = conn->failed;
    struct mbox_key own;

    mbox_key_reverse(key, &own);
    int fd = proxy_tcp_restore(&p->net, &own, p->config->socket_buffer << 10,
                               tcp);
    if (fd < 0) {
        return fd;
    }
    proxy_conn_set(p, conn, fd, true);
    conn->failed |= failed;
    if (tcp->rcv_fin) {
        conn->fin_len = tcp_repair_make_fin(key, tcp, conn->fin);
    }
    return 0;
}

/* Reads all but connections. */
static int
read_flow(struct proxy *p, struct proxy_flow *flow, uint8_t flags,
          struct mbox_reader *r)
{
    flow->request_begun = flags & FLOW_REQUEST_BEGUN;
    flow->response_begun = flags & FLOW_RESPONSE_BEGUN;
    flow->server_keep = flags & FLOW_SERVER_KEEP;
    flow->server_used = flags & FLOW_SERVER_USED;
    flow->phase = mbox_get_u8(r);
    flow->framing = mbox_get_u8(r);
    flow->port = mbox_get_u8(r);
    flow->link_len = mbox_get_u8(r);

    const uint8_t *link = mbox_get_bytes(r, flow->link_len);
    if (!link || flow->link_len > sizeof flow->link || flow->link_len < 14
        || flow->port >= p->setup.n_ports
        || flow->phase >= PROXY_N_PHASES
        || flow->framing >= HTTP_N_FRAMINGS || flags & ~FLOW_FLAGS) {
        flow->link_len = 0;
        return -EPROTO;
    }
    memcpy(flow->link, link, flow->link_len);

    uint64_t age = mbox_get_u64(r);
    flow->begin = age < p->now ? p->now - age : 0;
    flow->n_sent = mbox_get_u64(r);
    if (!read_body(r, &flow->request_body)
        || !read_body(r, &flow->response_body)) {
        return -EPROTO;
    }

    /* Phases in which there is an exchange, with a request if it is
     * forwarded. */
    bool has_exchange = flags & FLOW_EXCHANGE;
    if (has_exchange != (flow->phase == PROXY_FORWARD
                         || flow->phase == PROXY_ANSWER
                         || flow->phase == PROXY_TUNNEL)) {
        return -EPROTO;
    }
    if (!has_exchange) {
        return 0;
    }
    int error = exchange_read(&flow->x, &p->cache, &flow->key, r);
    if (!error && flow->phase == PROXY_FORWARD && !flow->x.request.text) {
        error = -EPROTO;
    }
    return error;
}

/* Reads a flow with both connections; when all is known to be good, drops
 * 'old', if that is nonnull, and makes the sockets. */
static int
import_flow(struct proxy *p, struct proxy_flow *flow, struct proxy_flow *old,
            uint8_t flags, struct mbox_reader *r)
{
    struct proxy_conn *const conns[2] = { &flow->client, &flow->server };
    struct mbox_key keys[2] = { flow->key };
    enum conn_kind kinds[2];
    struct tcp_repair tcp[2];

    mbox_key_reverse(&flow->key, &keys[1]);
    int error = read_flow(p, flow, flags, r);
    for (int i = 0; i < 2 && !error; i++) {
        error = read_conn(conns[i], r, &kinds[i], &tcp[i]);
    }
    if (!error) {
        error = mbox_reader_finish(r);
    }
    if (!error && old) {
        proxy_forget(p, old);   /* It has the addresses. */
    }
    for (int i = 0; i < 2 && !error; i++) {
        if (kinds[i] == CONN_SOCKET) {
            error = make_socket(p, conns[i], &keys[i], &tcp[i]);
        }
    }
    return error;
}

int
proxy_flow_put(struct proxy *p, const struct mbox_key *key, const void *data,
               size_t len)
{
    struct proxy_flow *old = proxy_flow_find(&p->flows, key);
    struct mbox_key from_client = *key;
    struct mbox_reader r;

    if (p->repair_error) {
        return p->repair_error;
    }
    if (!old && p->flows.n >= p->config->max_flows) {
        p->stats.table_full++;
        return -ENOSPC;
    }
    mbox_reader_init(&r, data, len);
    uint8_t flags = mbox_get_u8(&r);
    if (key->proto != IPPROTO_TCP || (key->family != 4 && key->family != 6)) {
        return -EPROTO;
    }
    if (flags & FLOW_REVERSED) {
        mbox_key_reverse(key, &from_client);
    }

    struct proxy_flow *flow = proxy_flow_add(&p->flows, &from_client);
    int error = import_flow(p, flow, old, flags, &r);
    if (error) {
        proxy_flow_remove(&p->flows, flow);
        return error;
    }
    flow->place = PROXY_ARRIVING;
    p->n_away++;
    p->stats.flows_imported++;
    return 0;
}

int
proxy_flow_del(struct proxy *p, const struct mbox_key *key)
{
    struct proxy_flow *flow = find(p, key);

    if (!flow) {
        return -ENOENT;
    }
    p->stats.flows_deleted++;
    proxy_forget(p, flow);
    return 0;
}

/* Beginning to live here. */

static void
resume_conn(struct proxy *p, struct proxy_conn *conn)
{
    if (conn->fd < 0) {
        return;
    }

    /* It may have opened without our knowing yet, and was exported so. */
    tcp_repair_leave(conn->fd);
    if (!conn->connected) {
        return;
    }
    if (conn->closing && !conn->shut) {
        /* It may have been closed before: then it has to be again, before
         * the peer's acknowledgment of that comes. */
        while (proxy_conn_write(p, conn)) {
            continue;
        }
    }
    if (conn->fin_len) {
        proxy_write_tun(p, conn->fin, conn->fin_len);
        conn->fin_len = 0;
    }
    conn->readable = conn->writable = true;
    proxy_drain_tun(p);
}

void
proxy_resume_flow(struct proxy *p, struct proxy_flow *flow)
{
    const struct proxy_config *config = p->config;

    flow->place = PROXY_HERE;
    p->n_away--;
    resume_conn(p, &flow->client);
    resume_conn(p, &flow->server);
    flow->server.resend_time = p->now + SECOND;
    proxy_set_deadline(p, flow, (flow->phase == PROXY_IDLE
                                 ? config->idle_timeout
                                 : flow->phase == PROXY_CLOSE
                                 ? PROXY_CLOSE_SECONDS
                                 : config->stall_timeout));
    if (flow->server.imported_syn) {
        wheel_wake(&p->wheel, &flow->timer, flow->server.resend_time);
    }
    proxy_queue(p, flow);
}

/* Stored objects. */

struct list_objects {
    proxy_key_cb *cb;
    void *aux;
};

static int
list_object(void *list_, struct cache_object *object)
{
    struct list_objects *list = list_;
    struct mbox_key key = cache_object_key(object);

    return list->cb(list->aux, &key);
}

int
proxy_object_list(struct proxy *p, proxy_key_cb *cb, void *aux)
{
    struct list_objects list = { cb, aux };

    return cache_store_for_each(&p->cache.store, list_object, &list);
}

int
proxy_object_get(struct proxy *p, const struct mbox_key *key,
                 struct mbox_writer *w)
{
    struct cache_object *object = cache_store_find_key(&p->cache.store, key);

    if (!object) {
        return -ENOENT;
    }
    cache_object_write(object, w);
    return w->error;
}

int
proxy_object_put(struct proxy *p, const struct mbox_key *key,
                 const void *data, size_t len)
{
    struct cache_object *object;
    struct mbox_reader r;

    mbox_reader_init(&r, data, len);
    object = cache_object_read(&r);
    if (!object || mbox_reader_finish(&r)) {
        cache_object_release(object);
        return -EPROTO;
    }
    p->cache.stats.objects_imported++;
    return cache_store_import(&p->cache.store, object, key);
}

/* Configuration: instances must have the same ports. */

void
proxy_config_get(struct proxy *p, struct mbox_writer *w)
{
    for (size_t i = 0; i < p->config->n_ports; i++) {
        mbox_put_u16(w, p->config->ports[i]);
    }
}

int
proxy_config_put(struct proxy *p, const void *data, size_t len)
{
    struct mbox_reader r;

    mbox_reader_init(&r, data, len);
    if (len != 2 * p->config->n_ports) {
        return -EINVAL;
    }
    while (r.left) {
        if (!proxy_config_has_port(p->config, mbox_get_u16(&r))) {
            return -EINVAL;
        }
    }
    return r.error;
}
