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
#include "cache-heads.h"

/* A flow that has much to do lets others run after so many steps. */
#define STEPS_MAX 32

static void
set_phase(struct proxy *p, struct proxy_flow *flow, enum proxy_phase phase)
{
    const struct proxy_config *config = p->config;

    flow->phase = phase;
    flow->request_begun = false;
    proxy_set_deadline(p, flow,
                       phase == PROXY_IDLE ? config->idle_timeout
                       : phase == PROXY_CLOSE ? PROXY_CLOSE_SECONDS
                       : config->stall_timeout);
}

/* Ends. */

/* Ends the exchange, if there is one. */
static void
end_exchange(struct proxy *p, struct proxy_flow *flow)
{
    if (exchange_is_active(&flow->x)) {
        proxy_log_request(p, flow);
        exchange_end(&flow->x);
    }
}

/* Ends the client's connection once it has got what waits for it. */
static void
close_client(struct proxy *p, struct proxy_flow *flow)
{
    end_exchange(p, flow);
    flow->client.closing = true;
    set_phase(p, flow, PROXY_CLOSE);
}

/* Gives up in the middle: the client must not think that it has got all. */
static void
abort_flow(struct proxy *p, struct proxy_flow *flow)
{
    end_exchange(p, flow);
    proxy_conn_reset(p, &flow->client);
    proxy_conn_reset(p, &flow->server);
    set_phase(p, flow, PROXY_CLOSE);
}

/* Answers with an error if nothing else has been sent. */
static void
fail_exchange(struct proxy *p, struct proxy_flow *flow, unsigned int status)
{
    proxy_conn_reset(p, &flow->server);
    if (flow->response_begun) {
        abort_flow(p, flow);
    } else {
        p->stats.origin_failures += status >= 502;
        exchange_error(&flow->x, status, &flow->client.out);
        set_phase(p, flow, PROXY_ANSWER);
    }
}

/* The response has been produced. */
static void
finish_exchange(struct proxy *p, struct proxy_flow *flow)
{
    bool keep = flow->x.keep_client && flow->request_body.done;

    if (proxy_conn_is_open(&flow->server)
        && (!flow->server_keep || !flow->request_body.done)) {
        proxy_conn_reset(p, &flow->server);
    }
    flow->server_used = true;
    end_exchange(p, flow);
    if (keep) {
        set_phase(p, flow, PROXY_IDLE);
    } else {
        close_client(p, flow);
    }
}

/* Payload. */

/* Moves payload of 'body' from one connection to the other.  Returns 1 if
 * something was done, 0 if not, or -EPROTO. */
static int
move_body(struct proxy_flow *flow, struct http_body *body,
          struct proxy_conn *from, struct proxy_conn *to,
          enum http_framing framing)
{
    struct http_string payload;

    if (body->done || !from->in_len
        || proxy_conn_backlog(to) >= PROXY_OUT_MAX) {
        return 0;
    }
    ssize_t n = http_body_decode(body, proxy_conn_data(from), from->in_len,
                                 &payload);
    if (n < 0) {
        return n;
    }
    if (payload.n && framing == HTTP_CHUNKED) {
        cache_put_text(&to->out, "%zx\r\n", payload.n);
    }
    mbox_put_bytes(&to->out, payload.s, payload.n);
    if (payload.n && framing == HTTP_CHUNKED) {
        cache_put_text(&to->out, "\r\n");
    }
    if (body->done && framing == HTTP_CHUNKED) {
        cache_put_text(&to->out, "0\r\n\r\n");
    }
    if (from == &flow->server) {
        exchange_payload(&flow->x, payload.s, payload.n);
        flow->n_sent += payload.n;
    }
    proxy_conn_consume(from, n);
    return n > 0;
}

/* Waiting for a request. */

static void
refuse(struct proxy *p, struct proxy_flow *flow, int error)
{
    exchange_refuse(&flow->x, &p->cache, &flow->key,
                    error == -EMSGSIZE ? 431 : error == -ENOTSUP ? 501 : 400,
                    &flow->client.out);
    set_phase(p, flow, PROXY_ANSWER);
}

/* Has the origin asked. */
static void
forward(struct proxy *p, struct proxy_flow *flow)
{
    if (!proxy_conn_is_open(&flow->server)) {
        flow->server_used = false;
        if (!proxy_conn_open_server(p, flow)) {
            fail_exchange(p, flow, 502);
            return;
        }
    }
    exchange_forward(&flow->x, &flow->server.out);
}

static void
begin_exchange(struct proxy *p, struct proxy_flow *flow,
               struct http_head *request)
{
    enum exchange_action action
        = exchange_begin(&flow->x, &p->cache, request, &flow->key,
                         &flow->request_body, &flow->client.out);

    flow->begin = p->now;
    flow->response_begun = false;
    flow->n_sent = 0;
    flow->server_keep = true;
    if (action == EXCHANGE_ANSWER) {
        set_phase(p, flow, PROXY_ANSWER);
    } else {
        set_phase(p, flow, PROXY_FORWARD);
        forward(p, flow);
    }
}

static bool
run_idle(struct proxy *p, struct proxy_flow *flow)
{
    struct proxy_conn *client = &flow->client;
    struct http_head request;

    if (flow->server.eof || flow->server.failed || flow->server.in_len) {
        proxy_conn_reset(p, &flow->server);
        return true;
    }
    if (proxy_conn_backlog(client) >= PROXY_OUT_MAX) {
        return false;           /* It asks, and does not read. */
    }

    ssize_t len = 0;
    if (client->in_len) {
        proxy_conn_consume(client,
                           http_blank_lines(proxy_conn_data(client),
                                            client->in_len));
        len = http_head_length(proxy_conn_data(client), client->in_len);
    }
    if (!len) {
        if (client->eof || client->failed) {
            close_client(p, flow);
            return true;
        }
        if (client->in_len && !flow->request_begun) {
            /* The rest has to come soon. */
            flow->request_begun = true;
            proxy_set_deadline(p, flow, p->config->request_timeout);
        }
        return false;
    }

    int error = (len < 0 ? (int) len
                 : http_head_parse(&request, true, proxy_conn_data(client),
                                   len));
    if (error) {
        refuse(p, flow, error);
    } else {
        proxy_conn_consume(client, len);
        begin_exchange(p, flow, &request);
    }
    return true;
}

/* The origin is asked. */

/* Handles the head of a response.  Returns false if it is not complete. */
static bool
run_response(struct proxy *p, struct proxy_flow *flow)
{
    struct proxy_conn *server = &flow->server;
    struct http_head response;
    ssize_t len = http_head_length(proxy_conn_data(server), server->in_len);

    if (!len) {
        return false;
    }
    if (len < 0
        || http_head_parse(&response, false, proxy_conn_data(server), len)) {
        fail_exchange(p, flow, 502);
        return true;
    }
    proxy_conn_consume(server, len);
    if (http_body_of_response(&flow->response_body, &response,
                              flow->x.request.method)) {
        http_head_uninit(&response);
        fail_exchange(p, flow, 502);
        return true;
    }

    flow->server_keep = (http_is_persistent(&response)
                         && flow->response_body.framing != HTTP_UNTIL_CLOSE);
    switch (exchange_response(&flow->x, &response, &flow->response_body,
                              &flow->framing, &flow->client.out)) {
    case EXCHANGE_INTERIM:
    case EXCHANGE_FORWARD:
        break;
    case EXCHANGE_ANSWER:
        if (!flow->server_keep) {
            proxy_conn_reset(p, server);
        }
        flow->server_used = true;
        set_phase(p, flow, PROXY_ANSWER);
        break;
    case EXCHANGE_RELAY:
        flow->response_begun = true;
        break;
    case EXCHANGE_TUNNEL:
        flow->response_begun = true;
        set_phase(p, flow, PROXY_TUNNEL);
        break;
    }
    http_head_uninit(&response);
    return true;
}

/* True if nothing comes from a connection any more. */
static bool
is_over(const struct proxy_conn *conn)
{
    return conn->eof || conn->failed || !proxy_conn_is_open(conn);
}

/* The server's connection has ended before a response came.  One that had been
 * used before may have been about to end when it got this request, which is
 * sent again if that does no harm (RFC 9112, section 9.3.1). */
static void
lose_server(struct proxy *p, struct proxy_flow *flow)
{
    if (flow->server_used && flow->request_body.framing == HTTP_NO_BODY
        && !flow->server.in_len
        && !cache_is_unsafe(flow->x.request.method)) {
        proxy_conn_reset(p, &flow->server);
        forward(p, flow);
    } else {
        fail_exchange(p, flow, 502);
    }
}

static bool
run_forward(struct proxy *p, struct proxy_flow *flow)
{
    struct proxy_conn *client = &flow->client, *server = &flow->server;
    int moved = move_body(flow, &flow->request_body, client, server,
                          flow->request_body.framing);

    if (moved < 0) {
        fail_exchange(p, flow, 400);
        return true;
    }
    if (client->eof && !client->in_len && !flow->request_body.done) {
        abort_flow(p, flow);
        return true;
    }
    if (!flow->response_begun) {
        if (proxy_conn_backlog(client) >= PROXY_OUT_MAX) {
            return moved > 0;   /* Interim responses are bounded, too. */
        } else if (server->in_len && run_response(p, flow)) {
            return true;
        } else if (is_over(server)) {
            lose_server(p, flow);
            return true;
        }
        return moved > 0;
    }

    struct http_body *body = &flow->response_body;
    int got = move_body(flow, body, server, client, flow->framing);
    if (got < 0) {
        fail_exchange(p, flow, 502);
        return true;
    }
    if (body->done || (body->framing == HTTP_UNTIL_CLOSE && server->eof
                       && !server->in_len)) {
        exchange_complete(&flow->x);
        finish_exchange(p, flow);
        return true;
    }
    if (is_over(server) && !server->in_len) {
        fail_exchange(p, flow, 502);
        return true;
    }
    return moved > 0 || got > 0;
}

/* What is stored is sent. */

static bool
run_answer(struct proxy *p, struct proxy_flow *flow)
{
    struct exchange *x = &flow->x;
    size_t room = PROXY_OUT_MAX, backlog = proxy_conn_backlog(&flow->client);

    if (x->next < x->end) {
        size_t n = x->end - x->next;

        if (backlog >= room) {
            return false;
        }
        n = n < room - backlog ? n : room - backlog;
        mbox_put_bytes(&flow->client.out, x->object->body + x->next, n);
        x->next += n;
        flow->n_sent += n;
        return true;
    }
    finish_exchange(p, flow);
    return true;
}

/* No HTTP any more. */

static bool
pass_on(struct proxy_conn *from, struct proxy_conn *to)
{
    if (from->in_len && proxy_conn_backlog(to) < PROXY_OUT_MAX) {
        mbox_put_bytes(&to->out, proxy_conn_data(from), from->in_len);
        proxy_conn_consume(from, from->in_len);
        return true;
    }
    if (from->eof && !from->in_len && !to->closing) {
        to->closing = true;
        return true;
    }
    return false;
}

static bool
run_tunnel(struct proxy *p, struct proxy_flow *flow)
{
    struct proxy_conn *client = &flow->client, *server = &flow->server;

    if (server->failed || !proxy_conn_is_open(server)) {
        abort_flow(p, flow);
        return true;
    }
    if (pass_on(client, server) | pass_on(server, client)) {
        return true;
    }
    if (client->shut && server->shut) {
        end_exchange(p, flow);
        set_phase(p, flow, PROXY_CLOSE);
        return true;
    }
    return false;
}

/* The end. */

/* Brings a connection to its end.  Returns true when it is there. */
static bool
end_conn(struct proxy *p, struct proxy_conn *conn)
{
    if (conn->imported_syn || conn->fd < 0) {
        proxy_conn_drop(conn);
        return true;
    }
    conn->closing = true;
    conn->in_len = 0;           /* Whatever comes, nobody wants it. */
    if (!conn->connected || conn->failed) {
        proxy_conn_reset(p, conn);
        return true;
    }
    if (conn->shut && conn->eof
        && tcp_socket_get_state(conn->fd) == TCP_CLOSE) {
        proxy_conn_drop(conn);
        return true;
    }
    return false;
}

static bool
run_close(struct proxy *p, struct proxy_flow *flow)
{
    if (end_conn(p, &flow->client) & end_conn(p, &flow->server)) {
        p->stats.flows_ended++;
        proxy_forget(p, flow);
    }
    return false;
}

/* All. */

static bool
run_phase(struct proxy *p, struct proxy_flow *flow)
{
    if (flow->client.failed && flow->phase != PROXY_CLOSE) {
        abort_flow(p, flow);
        return true;
    }
    switch (flow->phase) {
    case PROXY_IDLE:
        return run_idle(p, flow);
    case PROXY_FORWARD:
        return run_forward(p, flow);
    case PROXY_ANSWER:
        return run_answer(p, flow);
    case PROXY_TUNNEL:
        return run_tunnel(p, flow);
    case PROXY_CLOSE:
        return run_close(p, flow);
    case PROXY_N_PHASES:
        break;
    }
    return false;
}

void
proxy_run_flow(struct proxy *p, struct proxy_flow *flow)
{
    bool moved = false;

    for (int i = 0; i < STEPS_MAX; i++) {
        bool step = proxy_conn_read(p, &flow->client);

        step |= proxy_conn_read(p, &flow->server);
        moved |= step;
        step |= run_phase(p, flow);
        if (flow->dead) {
            return;
        }

        bool wrote = proxy_conn_write(p, &flow->server);
        wrote |= proxy_conn_write(p, &flow->client);
        moved |= wrote;
        if (!step && !wrote) {
            break;
        } else if (i == STEPS_MAX - 1) {
            proxy_queue(p, flow);
        }
    }
    if (moved && flow->phase != PROXY_IDLE && flow->phase != PROXY_CLOSE) {
        proxy_set_deadline(p, flow, p->config->stall_timeout);
    }
    proxy_conn_tidy(&flow->client);
    proxy_conn_tidy(&flow->server);
    p->setup.dirty_flow(p->setup.aux, &flow->name);
}

void
proxy_time_out(struct proxy *p, struct proxy_flow *flow)
{
    p->stats.timeouts++;
    switch (flow->phase) {
    case PROXY_IDLE:
        if (flow->client.in_len) {
            exchange_refuse(&flow->x, &p->cache, &flow->key, 408,
                            &flow->client.out);
            set_phase(p, flow, PROXY_ANSWER);
        } else {
            close_client(p, flow);
        }
        break;
    case PROXY_FORWARD:
        fail_exchange(p, flow, 504);
        break;
    case PROXY_ANSWER:
    case PROXY_TUNNEL:
        abort_flow(p, flow);
        break;
    case PROXY_CLOSE:
    case PROXY_N_PHASES:
        proxy_conn_reset(p, &flow->client);
        proxy_conn_reset(p, &flow->server);
        break;
    }
    proxy_queue(p, flow);
}
