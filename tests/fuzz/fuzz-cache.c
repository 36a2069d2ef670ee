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

/* What mbox-cache reads: a request and its response, the packets that open a
 * connection, and state.  The first byte of the input says which. */

#include <config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cache-exchange.h"
#include "fuzz.h"
#include "proxy-handshake.h"

uint64_t test_random(void);

enum kind { MESSAGES, CHUNKS, PACKETS, OBJECT, EXCHANGE, N_KINDS };

static const struct mbox_key key = {
    .src = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
    .dst = { [10] = 0xff, 0xff, 10, 0, 0, 2 },
    .src_port = 1000, .dst_port = 80, .family = 4, .proto = IPPROTO_TCP,
    .vlan = MBOX_VLAN_NONE,
};

/* A request with a response, and the same request again: from the store, if
 * that was allowed, and validated. */
static const char messages[] = "\
GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: x\r\nIf-None-Match: \"b\"\r\n\
Range: bytes=0-1\r\nCache-Control: max-age=100, max-stale=5\r\n\r\n\
HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept\r\n\
ETag: \"a\"\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\nContent-Length: 5\r\n\
Connection: X-A\r\nX-A: b\r\n\r\n\
HTTP/1.1 304 OK\r\nETag: \"a\"\r\nCache-Control: max-age=5\r\nAge: 1\r\n\r\n";

static const char chunks[]
    = "4;a=b\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: x\r\n\r\n";

/* Takes the next head from the input.  Returns false if there is none. */
static bool
take_head(struct http_head *head, bool is_request, const uint8_t **data,
          size_t *size)
{
    ssize_t n = http_head_length((const char *) *data, *size);

    if (n <= 0 || http_head_parse(head, is_request, (const char *) *data,
                                  n)) {
        return false;
    }
    *data += n;
    *size -= n;
    return true;
}

static void
try_exchange(struct cache *cache, const uint8_t *data, size_t size)
{
    struct mbox_writer out;
    struct http_head request, response;

    mbox_writer_init(&out, 1 << 20);
    for (int i = 0; i < 2; i++) {
        const uint8_t *p = data;
        size_t left = size;
        struct http_body body;
        struct exchange x;

        cache->now += 100;
        if (!take_head(&request, true, &p, &left)) {
            break;
        }
        if (exchange_begin(&x, cache, &request, &key, &body, &out)
            == EXCHANGE_FORWARD) {
            enum http_framing framing;

            exchange_forward(&x, &out);
            while (take_head(&response, false, &p, &left)) {
                bool more = (!http_body_of_response(&body, &response,
                                                    x.request.method)
                             && exchange_response(&x, &response, &body,
                                                  &framing, &out)
                                == EXCHANGE_RELAY);
                http_head_uninit(&response);
                if (more) {
                    exchange_payload(&x, "hello", 5);
                    exchange_complete(&x);
                    break;
                }
            }
        }
        FUZZ_CHECK(x.next <= x.end && (!x.end || x.end <= x.object->len));
        exchange_end(&x);
    }
    FUZZ_CHECK(!out.error);
    mbox_writer_uninit(&out);
}

static void
try_chunks(const uint8_t *data, size_t size)
{
    struct http_body body = { .framing = HTTP_CHUNKED };

    while (size && !body.done) {
        struct http_string payload;
        ssize_t n = http_body_decode(&body, (const char *) data, size,
                                     &payload);

        if (n < 0) {
            return;
        }
        FUZZ_CHECK(n > 0 && (size_t) n <= size && payload.n <= (size_t) n);
        FUZZ_CHECK(http_body_is_sound(&body));
        data += n;
        size -= n;
    }
}

static void
try_packets(const uint8_t *data, size_t size)
{
    struct proxy_syn own = { .len = 0 }, peer = { .len = 0 };
    size_t half = size / 2;
    struct tcp_repair tcp;

    proxy_syn_keep(&own, data, half);
    proxy_syn_keep(&peer, data + half, size - half);
    if (proxy_syn_open(&own, &peer, &tcp)) {
        FUZZ_CHECK(tcp.snd_wscale <= 14 && tcp.rcv_wscale <= 14);
    }
}

static void
try_object(struct cache *cache, const uint8_t *data, size_t size)
{
    struct mbox_reader r;

    mbox_reader_init(&r, data, size);
    struct cache_object *object = cache_object_read(&r);
    FUZZ_CHECK(object || r.error);
    if (object) {
        struct mbox_key own = cache_object_key(object);

        FUZZ_CHECK(!cache_store_import(&cache->store, object, &own));
    }
}

static void
try_state(struct cache *cache, const uint8_t *data, size_t size)
{
    struct mbox_reader r;
    struct exchange x;

    mbox_reader_init(&r, data, size);
    if (!exchange_read(&x, cache, &key, &r)) {
        /* What was taken is good to send on. */
        struct mbox_writer w;

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        exchange_write(&x, &w);
        exchange_end(&x);
        mbox_reader_init(&r, w.data, w.len);
        FUZZ_CHECK(!exchange_read(&x, cache, &key, &r));
        exchange_end(&x);
        mbox_writer_uninit(&w);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cache cache = { .max_object = 1000, .now = 1800000000 };

    if (!size) {
        return 0;
    }
    cache_store_init(&cache.store, 10000, 1);
    enum kind kind = data[0] % N_KINDS;
    data++;
    size--;
    switch (kind) {
    case MESSAGES:
        try_exchange(&cache, data, size);
        break;
    case CHUNKS:
        try_chunks(data, size);
        break;
    case PACKETS:
        try_packets(data, size);
        break;
    case OBJECT:
        try_object(&cache, data, size);
        break;
    case EXCHANGE:
        try_state(&cache, data, size);
        break;
    case N_KINDS:
        break;
    }
    FUZZ_CHECK(cache.store.n_bytes <= cache.store.n_total);
    FUZZ_CHECK(cache.store.n_bytes <= cache.store.limit);
    cache_store_uninit(&cache.store);
    FUZZ_CHECK(!cache.store.n_total);
    return 0;
}

/* An exchange that is answered from the store, and its object. */
static void
make_state(struct mbox_writer *exchange, struct mbox_writer *object)
{
    struct cache cache = { .max_object = 1000, .now = 1800000000 };
    const uint8_t *p = (const uint8_t *) messages;
    size_t left = strlen(messages);
    struct http_head request, response;
    struct http_body body;
    struct exchange x;

    cache_store_init(&cache.store, 10000, 1);
    FUZZ_CHECK(take_head(&request, true, &p, &left));
    FUZZ_CHECK(take_head(&response, false, &p, &left));
    exchange_begin(&x, &cache, &request, &key, &body, exchange);
    x.object = cache_object_create(x.uri, &x.request, &response,
                                   &(struct cache_times) { 1, 2 });
    FUZZ_CHECK(x.object);
    cache_object_append(x.object, "hello", 5);
    x.end = 5;
    mbox_writer_clear(exchange);
    exchange_write(&x, exchange);
    cache_object_write(x.object, object);
    http_head_uninit(&response);
    exchange_end(&x);
    cache_store_uninit(&cache.store);
}

size_t
fuzz_make_input(uint8_t *data, size_t size)
{
    enum kind kind = test_random() % N_KINDS;
    struct mbox_writer exchange, object;
    size_t n = 0;

    mbox_writer_init(&exchange, 1 << 16);
    mbox_writer_init(&object, 1 << 16);
    make_state(&exchange, &object);
    const struct {
        const void *data;
        size_t n;
    } inputs[N_KINDS] = {
        [MESSAGES] = { messages, strlen(messages) },
        [CHUNKS] = { chunks, strlen(chunks) },
        [OBJECT] = { object.data, object.len },
        [EXCHANGE] = { exchange.data, exchange.len },
    };

    data[0] = kind;
    if (kind == PACKETS) {
        for (int i = 0; i < 2; i++) {
            n += tcp_repair_make_segment(&key, 1, i ? 2 : 0, i ? 0x12 : 2,
                                         1000, data + 1 + n);
        }
    } else {
        n = inputs[kind].n;
        FUZZ_CHECK(n < size);
        memcpy(data + 1, inputs[kind].data, n);
    }
    mbox_writer_uninit(&exchange);
    mbox_writer_uninit(&object);
    return n + 1;
}
