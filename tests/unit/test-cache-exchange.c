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

/* Exchanges of mbox-cache, without a network and with a clock that stands
 * still, its store, and how both move. */

#include <config.h>
#include "cache-test.h"

#include "cache-exchange.h"

#define T0 INT64_C(1800000000)
#define GET "GET / HTTP/1.1\nHost: a"
#define FRESH "HTTP/1.1 200 OK\nCache-Control: max-age=60"

static const struct mbox_key flow = {
    .src = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
    .dst = { [10] = 0xff, 0xff, 10, 0, 0, 2 },
    .src_port = 1000, .dst_port = 80, .family = 4, .proto = IPPROTO_TCP,
    .vlan = MBOX_VLAN_NONE,
};

struct world {
    struct cache cache;
    struct mbox_writer out;     /* What was said, null-terminated. */
    unsigned int n_dirty;
};

static void
on_dirty(void *world_, const struct mbox_key *key)
{
    struct world *world = world_;

    assert_memory_equal(key->src, flow.src, sizeof key->src);
    world->n_dirty++;
}

static void
world_init(struct world *world, size_t limit)
{
    memset(world, 0, sizeof *world);
    cache_store_init(&world->cache.store, limit, 1);
    world->cache.max_object = 1000;
    world->cache.now = T0;
    world->cache.dirty = on_dirty;
    world->cache.aux = world;
    mbox_writer_init(&world->out, 1 << 20);
}

static void
world_uninit(struct world *world)
{
    cache_store_uninit(&world->cache.store);
    assert_int_equal(world->cache.store.n_total, 0);
    mbox_writer_uninit(&world->out);
}

static bool
said(struct world *world, const char *s)
{
    return strstr((const char *) world->out.data, s) != NULL;
}

/* Adds the null byte. */
static void
end_output(struct world *world)
{
    mbox_put_u8(&world->out, 0);
    assert_int_equal(world->out.error, 0);
}

static enum exchange_action
begin_from(struct world *world, struct exchange *x,
           const struct mbox_key *key, const char *request)
{
    struct http_head head = test_request(request);
    struct http_body body;

    mbox_writer_clear(&world->out);
    enum exchange_action action = exchange_begin(x, &world->cache, &head, key,
                                                 &body, &world->out);
    if (action == EXCHANGE_FORWARD) {
        exchange_forward(x, &world->out);
    }
    end_output(world);
    return action;
}

static enum exchange_action
begin(struct world *world, struct exchange *x, const char *request)
{
    return begin_from(world, x, &flow, request);
}

/* The origin answers. */
static enum exchange_action
respond(struct world *world, struct exchange *x, const char *response,
        const char *payload)
{
    struct http_head head = test_response(response);
    enum http_framing framing;
    struct http_body body;

    mbox_writer_clear(&world->out);
    assert_int_equal(http_body_of_response(&body, &head, x->request.method),
                     0);
    enum exchange_action action = exchange_response(x, &head, &body, &framing,
                                                    &world->out);
    end_output(world);
    http_head_uninit(&head);
    if (action == EXCHANGE_RELAY) {
        exchange_payload(x, payload, strlen(payload));
        exchange_complete(x);
    }
    return action;
}

/* A request that the origin has to answer. */
static void
miss(struct world *world, const char *request, const char *response,
     const char *payload)
{
    struct exchange x;

    assert_int_equal(begin(world, &x, request), EXCHANGE_FORWARD);
    assert_int_equal(respond(world, &x, response, payload), EXCHANGE_RELAY);
    exchange_end(&x);
}

/* A request that is answered with 'status' and 'payload' from the store. */
static void
hit(struct world *world, const char *request, unsigned int status,
    const char *payload)
{
    struct exchange x;

    assert_int_equal(begin(world, &x, request), EXCHANGE_ANSWER);
    assert_int_equal(x.status, status);
    assert_int_equal(x.end - x.next, strlen(payload));
    assert_memory_equal(x.object->body + x.next, payload, strlen(payload));
    exchange_end(&x);
}

static void
test_hit(void **state)
{
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    miss(&w, GET, FRESH "\nX-A: 1\nConnection: X-B\nX-B: 2\nAge: 3", "hello");
    assert_true(said(&w, "Cache-Status: mbox-cache; fwd=miss\r\n"));
    assert_int_equal(w.n_dirty, 1);
    w.cache.now += 10;
    hit(&w, GET, 200, "hello");
    assert_true(said(&w, "HTTP/1.1 200 OK\r\n"));
    assert_true(said(&w, "\r\nAge: 13\r\n"));           /* 9111, 5.1. */
    assert_true(said(&w, "\r\nX-A: 1\r\n"));
    assert_true(said(&w, "\r\nContent-Length: 5\r\n"));
    assert_false(said(&w, "X-B"));                      /* 9111, 3.1. */
    assert_true(said(&w, "Cache-Status: mbox-cache; hit\r\n"));
    assert_int_equal(w.n_dirty, 1);

    /* Answers to HEAD: 9111, 4. */
    hit(&w, "HEAD / HTTP/1.1\nHost: A", 200, "");
    assert_true(said(&w, "\r\nContent-Length: 5\r\n"));

    /* Parts: 9110, 14.4 and 15.5.17. */
    hit(&w, GET "\nRange: bytes=1-3", 206, "ell");
    assert_true(said(&w, "\r\nContent-Range: bytes 1-3/5\r\n"));
    assert_true(said(&w, "\r\nContent-Length: 3\r\n"));
    hit(&w, GET "\nRange: bytes=5-", 416, "");
    assert_true(said(&w, "\r\nContent-Range: bytes */5\r\n"));

    /* Another host, another path, another server: section 2. */
    struct exchange x;
    struct mbox_key elsewhere = flow;
    assert_int_equal(begin(&w, &x, "GET / HTTP/1.1\nHost: b"),
                     EXCHANGE_FORWARD);
    exchange_end(&x);
    assert_int_equal(begin(&w, &x, "GET /? HTTP/1.1\nHost: a"),
                     EXCHANGE_FORWARD);
    exchange_end(&x);
    elsewhere.dst[15]++;
    assert_int_equal(begin_from(&w, &x, &elsewhere, GET), EXCHANGE_FORWARD);
    exchange_end(&x);

    /* The absolute form is the same: 9112, 3.2.2. */
    hit(&w, "GET http://a/ HTTP/1.1\nHost: b", 200, "hello");
    world_uninit(&w);
}

/* What is stored is what the origin has answered to just that. */
static void
test_poisoning(void **state)
{
    struct exchange x;
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);

    /* 9112, 3.2.2: the host in Host is not the one that is stored under. */
    assert_int_equal(begin(&w, &x, "GET http://a/1 HTTP/1.1\nHost: b"),
                     EXCHANGE_FORWARD);
    assert_true(said(&w, "\r\nHost: a\r\n"));
    assert_false(said(&w, "Host: b"));
    exchange_end(&x);
    assert_int_equal(begin(&w, &x, GET "\nConnection: host"),
                     EXCHANGE_FORWARD);
    assert_true(said(&w, "\r\nHost: a\r\n"));
    exchange_end(&x);

    /* The origin does not see what Connection names, nor does Vary. */
    miss(&w, GET "\nConnection: X-A\nX-A: 1", FRESH "\nVary: X-A", "no A");
    assert_int_equal(begin(&w, &x, GET "\nX-A: 1"), EXCHANGE_FORWARD);
    exchange_end(&x);
    hit(&w, GET, 200, "no A");
    world_uninit(&w);
}

/* RFC 9112, section 3.2, and others. */
static void
test_refused(void **state)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\nA: b", "GET / HTTP/1.1\nHost: a\nHost: b",
        "GET / HTTP/1.1\nHost: a b", "GET / HTTP/1.1\nHost: a/b",
        "GET /a#b HTTP/1.1\nHost: a", "GET * HTTP/1.1\nHost: a",
        "GET https://a/ HTTP/1.1\nHost: a",
    };
    struct exchange x;
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(begin(&w, &x, cases[i]), EXCHANGE_ANSWER);
        assert_int_equal(x.status, 400);
        assert_false(x.keep_client);
        assert_true(said(&w, "Connection: close\r\n"));
        exchange_end(&x);
    }
    /* 9111, 5.2.1.7. */
    assert_int_equal(begin(&w, &x, GET "\nCache-Control: only-if-cached"),
                     EXCHANGE_ANSWER);
    assert_int_equal(x.status, 504);
    exchange_end(&x);
    world_uninit(&w);
}

/* RFC 9111, section 4.3. */
static void
test_validation(void **state)
{
    struct exchange x;
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    miss(&w, GET, FRESH "\nETag: \"a\"\nX-A: 1\nX-B: 1\nAge: 7", "hello");
    w.cache.now += 100;
    assert_int_equal(begin(&w, &x, GET "\nRange: bytes=0-1\n"
                           "If-None-Match: \"c\""), EXCHANGE_FORWARD);
    assert_true(said(&w, "\r\nIf-None-Match: \"a\"\r\n"));
    assert_false(said(&w, "Range"));
    assert_false(said(&w, "\"c\""));
    w.cache.now++;
    assert_int_equal(respond(&w, &x, "HTTP/1.1 304 Not Modified\n"
                             "Cache-Control: max-age=9\nETag: \"a\"\n"
                             "X-A: 2\nX-A: 3\nContent-Length: 99", ""),
                     EXCHANGE_ANSWER);
    assert_int_equal(x.status, 206);
    assert_int_equal(x.end - x.next, 2);
    exchange_end(&x);

    /* 3.2: its fields have replaced those that were stored. */
    hit(&w, GET, 200, "hello");
    assert_true(said(&w, "X-A: 2\r\n"));
    assert_true(said(&w, "X-A: 3\r\n"));
    assert_false(said(&w, "X-A: 1\r\n"));
    assert_true(said(&w, "X-B: 1\r\n"));
    assert_true(said(&w, "Content-Length: 5\r\n"));
    assert_true(said(&w, "Age: 1\r\n"));
    w.cache.now += 9;
    assert_int_equal(begin(&w, &x, GET), EXCHANGE_FORWARD);

    /* 4.3.3: another response replaces it. */
    assert_int_equal(respond(&w, &x, FRESH, "other"), EXCHANGE_RELAY);
    exchange_end(&x);
    hit(&w, GET, 200, "other");
    assert_int_equal(w.cache.store.n_objects, 1);

    /* 4.3.2: what the client has is still good. */
    miss(&w, "GET /1 HTTP/1.1\nHost: a", FRESH "\nETag: \"a\"", "hello");
    hit(&w, "GET /1 HTTP/1.1\nHost: a\nIf-None-Match: \"a\"", 304, "");
    assert_false(said(&w, "Content-Length"));
    world_uninit(&w);
}

/* What a 304 brings for one client, others do not get. */
static void
test_private_validation(void **state)
{
    static const char *const cases[] = {
        "Cache-Control: private, max-age=60", "Set-Cookie: a=b",
        "Cache-Control: no-store, max-age=60", "Vary: *",
        "Vary: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
        "a,a",
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct exchange x;
        char response[256];
        struct world w;

        world_init(&w, 1 << 20);
        miss(&w, GET, FRESH "\nETag: \"a\"", "hello");
        w.cache.now += 100;
        assert_int_equal(begin(&w, &x, GET), EXCHANGE_FORWARD);
        snprintf(response, sizeof response, "HTTP/1.1 304 OK\n%s", cases[i]);
        assert_int_equal(respond(&w, &x, response, ""), EXCHANGE_ANSWER);
        assert_true(said(&w, cases[i]));
        assert_int_equal(x.end, 5);
        assert_int_equal(w.cache.store.n_objects, 0);
        assert_int_equal(w.cache.store.n_bytes, 0);
        exchange_end(&x);
        world_uninit(&w);
    }
}

/* RFC 9111, section 4.1. */
static void
test_vary(void **state)
{
    struct exchange x;
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    miss(&w, GET "\nAccept: x", FRESH "\nVary: accept, X-C", "for x");
    miss(&w, GET "\nAccept: y", FRESH "\nVary: Accept", "for y");
    hit(&w, GET "\nACCEPT:  x ", 200, "for x");
    hit(&w, GET "\nAccept: y\nOther: 1", 200, "for y");
    assert_int_equal(begin(&w, &x, GET), EXCHANGE_FORWARD);
    exchange_end(&x);
    assert_int_equal(begin(&w, &x, GET "\nAccept: x\nX-C: 1"),
                     EXCHANGE_FORWARD);
    exchange_end(&x);
    assert_int_equal(w.cache.store.n_objects, 2);
    world_uninit(&w);
}

/* Who asks in many ways does not make what is asked for slow to find. */
static void
test_many_variants(void **state)
{
    char request[64];
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    for (int i = 0; i < 100; i++) {
        snprintf(request, sizeof request, GET "\nAccept: %d", i);
        miss(&w, request, FRESH "\nVary: Accept", "hello");
        hit(&w, request, 200, "hello");
    }
    assert_int_equal(w.cache.store.n_objects, 16);

    char vary[256] = FRESH "\nVary: a";
    for (int i = 0; i < 32; i++) {
        strcat(vary, ", b");
    }
    miss(&w, "GET /1 HTTP/1.1\nHost: a", vary, "hello");
    assert_int_equal(w.cache.store.n_objects, 16);
    world_uninit(&w);
}

/* RFC 9111, section 4.4. */
static void
test_invalidation(void **state)
{
    static const char post[] = "POST / HTTP/1.1\nHost: a\nContent-Length: 0";
    struct exchange x;
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    miss(&w, GET, FRESH "\nETag: \"a\"", "hello");
    miss(&w, "GET /1 HTTP/1.1\nHost: a", FRESH, "one");
    miss(&w, "GET /2 HTTP/1.1\nHost: b", FRESH, "two");

    /* Not by an error. */
    miss(&w, post, "HTTP/1.1 500 No\nLocation: /1", "");
    hit(&w, GET, 200, "hello");

    /* The target and what Location names, but not of another host. */
    miss(&w, post, "HTTP/1.1 201 OK\nLocation: /1\n"
         "Content-Location: http://b/2", "");
    assert_int_equal(begin(&w, &x, GET), EXCHANGE_FORWARD);
    assert_true(said(&w, "If-None-Match: \"a\""));
    assert_int_equal(respond(&w, &x, "HTTP/1.1 304 OK\nETag: \"a\"\n"
                             "Cache-Control: max-age=60", ""),
                     EXCHANGE_ANSWER);
    exchange_end(&x);
    hit(&w, GET, 200, "hello");
    assert_int_equal(begin(&w, &x, "GET /1 HTTP/1.1\nHost: a"),
                     EXCHANGE_FORWARD);
    exchange_end(&x);
    hit(&w, "GET /2 HTTP/1.1\nHost: b", 200, "two");
    world_uninit(&w);
}

/* What the origin and clients may not be told of each other. */
static void
test_relay(void **state)
{
    struct exchange x;
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    assert_int_equal(begin(&w, &x, "GET /x HTTP/1.0\nHost: a\nKeep-Alive: 5\n"
                           "Connection: keep-alive, X-A\nX-A: 1"),
                     EXCHANGE_FORWARD);
    assert_true(said(&w, "GET /x HTTP/1.1\r\n"));
    assert_true(said(&w, "Via: 1.0 mbox-cache\r\n"));
    assert_false(said(&w, "eep-"));
    assert_false(said(&w, "X-A"));

    /* HTTP/1.0 knows no interim responses (9110, 15.2) and no chunks (9112,
     * 6.1): the payload ends with the connection. */
    assert_int_equal(respond(&w, &x, "HTTP/1.1 100 Go on\nA: b", ""),
                     EXCHANGE_INTERIM);
    assert_int_equal(w.out.len, 1);
    assert_int_equal(respond(&w, &x, "HTTP/1.1 200 OK\n"
                             "Transfer-Encoding: chunked", "a"),
                     EXCHANGE_RELAY);
    assert_false(said(&w, "chunked"));
    assert_true(said(&w, "Connection: close\r\n"));
    assert_false(x.keep_client);
    exchange_end(&x);

    /* Other protocols: 9110, 7.8. */
    assert_int_equal(begin(&w, &x, GET "\nConnection: Upgrade\nUpgrade: y"),
                     EXCHANGE_FORWARD);
    assert_true(said(&w, "Connection: Upgrade\r\nUpgrade: y\r\n"));
    assert_int_equal(respond(&w, &x, "HTTP/1.1 101 Yes\n"
                             "Connection: upgrade\nUpgrade: y", ""),
                     EXCHANGE_TUNNEL);
    assert_true(said(&w, "Connection: Upgrade\r\nUpgrade: y\r\n"));
    exchange_end(&x);
    world_uninit(&w);
}

/* Memory is bounded, and what was used last stays. */
static void
test_eviction(void **state)
{
    char request[64], payload[901];
    struct world w;

    (void) state;
    world_init(&w, 20000);
    memset(payload, 'x', 900);
    payload[900] = '\0';
    for (int i = 0; i < 100; i++) {
        snprintf(request, sizeof request, "GET /%d HTTP/1.1\nHost: a", i);
        miss(&w, request, FRESH, payload);
        hit(&w, "GET /0 HTTP/1.1\nHost: a", 200, payload);
        assert_true(w.cache.store.n_bytes <= 20000);
    }
    assert_in_range(w.cache.store.n_objects, 10, 20);
    assert_int_equal(w.cache.store.n_evicted,
                     100 - w.cache.store.n_objects);
    hit(&w, request, 200, payload);

    /* What is too long is not stored, whether that is known before or not. */
    size_t n = w.cache.store.n_objects;
    char longer[1002];
    memset(longer, 'x', 1001);
    longer[1001] = '\0';
    miss(&w, GET, FRESH "\nContent-Length: 1001", longer);
    miss(&w, GET, FRESH "\nTransfer-Encoding: chunked", longer);
    assert_int_equal(w.cache.store.n_objects, n);
    world_uninit(&w);
}

/* Begins to relay a response to GET /'number' that may be stored, and of which
 * 'payload' comes first. */
static void
begin_fill(struct world *world, struct exchange *x, int number,
           const char *payload)
{
    struct http_head head = test_response(FRESH
                                          "\nTransfer-Encoding: chunked");
    enum http_framing framing;
    struct http_body body;
    char request[64];

    snprintf(request, sizeof request, "GET /%d HTTP/1.1\nHost: a", number);
    assert_int_equal(begin(world, x, request), EXCHANGE_FORWARD);
    assert_int_equal(http_body_of_response(&body, &head, x->request.method),
                     0);
    assert_int_equal(exchange_response(x, &head, &body, &framing,
                                       &world->out), EXCHANGE_RELAY);
    http_head_uninit(&head);
    assert_non_null(x->fill);
    exchange_payload(x, payload, strlen(payload));
}

/* What is being filled, or has been replaced while it is sent, counts as well:
 * others are not stored. */
static void
test_memory_in_use(void **state)
{
    static char payload[6001];
    struct exchange x[10], sent;
    struct world w;

    (void) state;
    memset(payload, 'x', sizeof payload - 1);
    world_init(&w, 20000);
    w.cache.max_object = 10000;
    miss(&w, "GET /old HTTP/1.1\nHost: a", FRESH, payload);
    for (int i = 0; i < 10; i++) {
        begin_fill(&w, &x[i], i, payload);
        assert_true(w.cache.store.n_total <= 20000);
        assert_int_equal(x[i].fill != NULL, i < 3);
    }
    assert_int_equal(w.cache.store.n_evicted, 1);
    for (int i = 0; i < 10; i++) {
        exchange_complete(&x[i]);
        exchange_end(&x[i]);
    }
    assert_int_equal(w.cache.stats.stored, 4);
    assert_int_equal(w.cache.store.n_objects, 3);
    assert_int_equal(w.cache.store.n_total, w.cache.store.n_bytes);

    /* It is the oldest, and stays. */
    assert_int_equal(begin(&w, &sent, "GET /0 HTTP/1.1\nHost: a"),
                     EXCHANGE_ANSWER);
    hit(&w, "GET /1 HTTP/1.1\nHost: a", 200, payload);
    hit(&w, "GET /2 HTTP/1.1\nHost: a", 200, payload);
    miss(&w, "GET /4 HTTP/1.1\nHost: a", FRESH, payload);
    assert_true(sent.object->stored);
    hit(&w, "GET /2 HTTP/1.1\nHost: a", 200, payload);

    /* Replaced, it takes a place. */
    miss(&w, "GET /0 HTTP/1.1\nHost: a\nCache-Control: no-cache", FRESH,
         payload);
    assert_false(sent.object->stored);
    assert_int_equal(w.cache.store.n_objects, 2);
    assert_true(w.cache.store.n_total > w.cache.store.n_bytes + 6000);
    assert_true(w.cache.store.n_total <= 20000);
    exchange_end(&sent);
    assert_int_equal(w.cache.store.n_total, w.cache.store.n_bytes);
    world_uninit(&w);
}

/* A hostile origin cannot have heads grow without end by 304s. */
static void
test_growing_head(void **state)
{
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    miss(&w, GET, FRESH "\nETag: \"a\"", "hello");
    for (int i = 0; i < 40; i++) {
        static char response[30000];
        struct exchange x;

        w.cache.now += 100;
        snprintf(response, sizeof response, "HTTP/1.1 304 OK\nX-%d: ", i);
        size_t len = strlen(response);
        memset(response + len, 'x', 20000);
        response[len + 20000] = '\0';
        assert_int_equal(begin(&w, &x, GET), EXCHANGE_FORWARD);
        assert_int_equal(respond(&w, &x, response, ""), EXCHANGE_ANSWER);
        exchange_end(&x);
        assert_true(w.cache.store.n_bytes < 200000);
        assert_true(w.cache.store.newest->head.len <= CACHE_HEAD_MAX);
    }
    world_uninit(&w);
}

/* State. */

static void
copy_object(struct world *from, struct world *to, struct cache_object *object,
            int error)
{
    struct mbox_key key = cache_object_key(object);
    struct mbox_writer out;
    struct mbox_reader r;

    assert_ptr_equal(cache_store_find_key(&from->cache.store, &key), object);
    mbox_writer_init(&out, 1 << 20);
    cache_object_write(object, &out);
    mbox_reader_init(&r, out.data, out.len);
    struct cache_object *copy = cache_object_read(&r);
    assert_non_null(copy);
    assert_int_equal(mbox_reader_finish(&r), 0);
    if (error) {
        key.dst[0]++;
    }
    assert_int_equal(cache_store_import(&to->cache.store, copy, &key),
                     error);

    /* Whatever is cut off is noticed. */
    for (size_t n = 0; n < out.len; n++) {
        uint8_t *cut = test_memdup(out.data, n);

        mbox_reader_init(&r, cut, n);
        assert_null(cache_object_read(&r));
        free(cut);
    }
    mbox_writer_uninit(&out);
}

static void
test_moved_object(void **state)
{
    struct world a, b;

    (void) state;
    world_init(&a, 1 << 20);
    world_init(&b, 1 << 20);
    miss(&a, GET "\nAccept: x", FRESH "\nVary: Accept", "hello");
    copy_object(&a, &b, a.cache.store.newest, -EPROTO);
    copy_object(&a, &b, a.cache.store.newest, 0);
    hit(&b, GET "\nAccept: x", 200, "hello");

    /* An older one is not taken; that it is invalid is. */
    a.cache.now++;
    miss(&a, GET "\nAccept: x\nCache-Control: no-cache",
         FRESH "\nVary: Accept", "newer");
    copy_object(&b, &a, b.cache.store.newest, 0);
    hit(&a, GET "\nAccept: x", 200, "newer");
    a.cache.store.newest->invalid = true;
    copy_object(&a, &b, a.cache.store.newest, 0);
    copy_object(&b, &a, b.cache.store.newest, 0);
    struct exchange x;
    assert_int_equal(begin(&b, &x, GET "\nAccept: x"), EXCHANGE_FORWARD);
    exchange_end(&x);
    world_uninit(&a);
    world_uninit(&b);
}

/* Whatever is stored can be read where it moves to, or all the rest would not
 * move either. */
static void
test_extreme_objects(void **state)
{
    static char request[40000];
    struct exchange x;
    struct world a, b;

    (void) state;
    world_init(&a, 1 << 20);
    world_init(&b, 1 << 20);

    /* The clock was set back between request and response. */
    assert_int_equal(begin(&a, &x, GET), EXCHANGE_FORWARD);
    a.cache.now -= 10;
    assert_int_equal(respond(&a, &x, FRESH, "hello"), EXCHANGE_RELAY);
    exchange_end(&x);
    copy_object(&a, &b, a.cache.store.newest, 0);

    /* A long field, named often by Vary. */
    strcpy(request, "GET /1 HTTP/1.1\nHost: a\na: ");
    size_t len = strlen(request);
    memset(request + len, 'x', 30000);
    miss(&a, request, FRESH "\nVary: a,a,a,a,a", "");
    assert_int_equal(a.cache.store.n_objects, 1);
    world_uninit(&a);
    world_uninit(&b);
}

/* Reading refuses what could not have been stored. */
static void
test_hostile_objects(void **state)
{
    static char vary[80000];
    struct mbox_writer out;
    struct mbox_reader r;
    struct world w;

    (void) state;
    world_init(&w, 1 << 20);
    mbox_writer_init(&out, 1 << 20);
    miss(&w, GET, FRESH, "hello");
    struct cache_object *object = w.cache.store.newest;
    object->times.request = object->times.response = INT64_MAX;
    cache_object_write(object, &out);
    mbox_reader_init(&r, out.data, out.len);
    assert_null(cache_object_read(&r));

    strcpy(vary, "HTTP/1.1 200 OK\nVary: a");
    for (int i = 0; i < 10000; i++) {
        strcat(vary, ",a");
    }
    object->times.request = object->times.response = T0;
    http_head_uninit(&object->head);
    object->head = test_response(vary);
    mbox_writer_clear(&out);
    cache_object_write(object, &out);
    mbox_reader_init(&r, out.data, out.len);
    assert_null(cache_object_read(&r));
    mbox_writer_uninit(&out);
    w.cache.store.n_bytes = cache_object_size(object);
    world_uninit(&w);
}

/* An exchange goes on elsewhere, also without the object in the store. */
static void
test_moved_exchange(void **state)
{
    struct exchange x, y;
    struct mbox_writer out;
    struct mbox_reader r;
    struct world a, b;

    (void) state;
    world_init(&a, 1 << 20);
    world_init(&b, 1 << 20);
    miss(&a, GET, FRESH "\nETag: \"a\"", "hello");
    assert_int_equal(begin(&a, &x, GET), EXCHANGE_ANSWER);
    x.next = 2;
    mbox_writer_init(&out, 1 << 20);
    exchange_write(&x, &out);
    mbox_reader_init(&r, out.data, out.len);
    assert_int_equal(exchange_read(&y, &b.cache, &flow, &r), 0);
    assert_int_equal(mbox_reader_finish(&r), 0);
    assert_int_equal(y.result, EXCHANGE_HIT);
    assert_int_equal(y.status, 200);
    assert_int_equal(y.next, 2);
    assert_memory_equal(y.object->body + y.next, "llo", y.end - y.next);
    exchange_end(&x);
    exchange_end(&y);
    for (size_t n = 0; n < out.len; n++) {
        uint8_t *cut = test_memdup(out.data, n);

        mbox_reader_init(&r, cut, n);
        assert_int_equal(exchange_read(&y, &b.cache, &flow, &r), -EPROTO);
        assert_false(exchange_is_active(&y));
        free(cut);
    }

    /* One that validates. */
    a.cache.now += 100;
    assert_int_equal(begin(&a, &x, GET), EXCHANGE_FORWARD);
    mbox_writer_clear(&out);
    exchange_write(&x, &out);
    mbox_reader_init(&r, out.data, out.len);
    b.cache.now = a.cache.now;
    assert_int_equal(exchange_read(&y, &b.cache, &flow, &r), 0);
    assert_int_equal(respond(&b, &y, "HTTP/1.1 304 OK\nETag: \"a\"", ""),
                     EXCHANGE_ANSWER);
    assert_int_equal(y.end, 5);
    exchange_end(&x);
    exchange_end(&y);
    mbox_writer_uninit(&out);
    world_uninit(&a);
    world_uninit(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hit),
        cmocka_unit_test(test_poisoning),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_validation),
        cmocka_unit_test(test_private_validation),
        cmocka_unit_test(test_vary),
        cmocka_unit_test(test_many_variants),
        cmocka_unit_test(test_invalidation),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_memory_in_use),
        cmocka_unit_test(test_growing_head),
        cmocka_unit_test(test_moved_object),
        cmocka_unit_test(test_extreme_objects),
        cmocka_unit_test(test_hostile_objects),
        cmocka_unit_test(test_moved_exchange),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
