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
#include "cache-exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cache-control.h"
#include "cache-heads.h"
#include "cache-uri.h"

static struct cache_host
get_host(const struct exchange *x)
{
    struct cache_host host = { .family = x->key.family };

    memcpy(host.addr, x->key.src, sizeof host.addr);
    return host;
}

static void
set_dirty(struct cache *cache, const struct cache_object *object)
{
    if (cache->dirty) {
        struct mbox_key key = cache_object_key(object);

        cache->dirty(cache->aux, &key);
    }
}

const char *
exchange_result_name(enum exchange_result result)
{
    static const char *const names[EXCHANGE_N_RESULTS] = {
        [EXCHANGE_PASS] = "pass", [EXCHANGE_MISS] = "miss",
        [EXCHANGE_HIT] = "hit", [EXCHANGE_STALE] = "stale",
        [EXCHANGE_ERROR] = "error",
    };

    return names[result];
}

static const char *
cache_status(const struct exchange *x, bool validated)
{
    switch (x->result) {
    case EXCHANGE_HIT:
        return "hit";
    case EXCHANGE_MISS:
        return "fwd=miss";
    case EXCHANGE_STALE:
        return validated ? "fwd=stale; fwd-status=304" : "fwd=stale";
    case EXCHANGE_PASS:
    case EXCHANGE_ERROR:
    case EXCHANGE_N_RESULTS:
        break;
    }
    return "fwd=bypass";
}

bool
exchange_is_active(const struct exchange *x)
{
    return x->cache != NULL;
}

void
exchange_end(struct exchange *x)
{
    http_head_uninit(&x->request);
    free(x->uri);
    cache_object_release(x->object);
    cache_object_release(x->fill);
    memset(x, 0, sizeof *x);
}

static void
drop_object(struct exchange *x)
{
    cache_object_release(x->object);
    x->object = NULL;
}

static void
drop_fill(struct exchange *x)
{
    cache_object_release(x->fill);
    x->fill = NULL;
}

/* Answers. */

void
exchange_error(struct exchange *x, unsigned int status,
               struct mbox_writer *answer)
{
    bool head = (x->request.text
                 && http_string_is(x->request.method, "HEAD"));

    drop_object(x);
    drop_fill(x);
    x->next = x->end = 0;
    x->result = EXCHANGE_ERROR;
    x->status = status;
    x->keep_client = false;
    x->cache->stats.errors++;
    cache_put_error(answer, status, false, !head, x->cache->now);
}

void
exchange_refuse(struct exchange *x, struct cache *cache,
                const struct mbox_key *key, unsigned int status,
                struct mbox_writer *answer)
{
    *x = (struct exchange) { .cache = cache, .key = *key };
    cache->stats.requests++;
    exchange_error(x, status, answer);
}

/* Answers with the object, as the client wants it. */
static enum exchange_action
answer(struct exchange *x, bool validated, struct mbox_writer *w)
{
    struct cache_object *o = x->object;
    int64_t now = x->cache->now;
    struct cache_reply reply = {
        .request = &x->request, .head = &o->head, .has_len = true,
        .len = o->len, .age = cache_age(&o->head, &o->times, now),
        .keep = x->keep_client, .cache_status = cache_status(x, validated),
    };

    x->next = 0;
    x->end = o->len;
    if (o->head.status == 200
        && cache_is_not_modified(&x->request, &o->head, now)) {
        reply.status = 304;
        reply.has_len = false;
        x->end = 0;
    } else {
        switch (cache_part(&x->request, &o->head, now, o->len, &reply.first,
                           &reply.last)) {
        case CACHE_WHOLE:
            break;
        case CACHE_PART:
            reply.status = 206;
            reply.part = true;
            x->next = reply.first;
            x->end = reply.last + 1;
            break;
        case CACHE_NO_PART:
            reply.status = 416;
            x->end = 0;
            break;
        }
    }
    reply.has_len &= o->head.status != 204;
    if (http_string_is(x->request.method, "HEAD")) {
        x->end = x->next;
    }
    x->status = reply.status ? reply.status : o->head.status;
    x->cache->stats.hit_bytes += x->end - x->next;
    cache_put_reply(w, &reply);
    return EXCHANGE_ANSWER;
}

/* Notes that the exchange's client uses its object. */
static void
touch(struct exchange *x, bool changed)
{
    struct cache_host host = get_host(x);

    if (x->object->stored
        && (cache_store_touch(&x->cache->store, x->object, &host)
            || changed)) {
        set_dirty(x->cache, x->object);
    }
}

/* Requests. */

/* Fields that make an answer from the store impossible. */
static bool
has_precondition(const struct http_head *request)
{
    return (http_head_find(request, "If-Match", NULL)
            || http_head_find(request, "If-Unmodified-Since", NULL)
            || http_head_find(request, "Upgrade", NULL));
}

/* Looks for a stored response. */
static enum exchange_action
look_up(struct exchange *x, struct mbox_writer *w)
{
    struct cache *cache = x->cache;
    struct cache_object *o = cache_store_find(&cache->store, x->uri,
                                              &x->request);
    struct cache_control asked;

    cache_control_parse(&asked, &x->request);
    x->result = EXCHANGE_MISS;
    if (o && !o->invalid
        && cache_may_use(&x->request, &o->head, &o->times, cache->now)) {
        x->object = cache_object_use(o);
        x->result = EXCHANGE_HIT;
        cache->stats.hits++;
        touch(x, false);
        return answer(x, false, w);
    }
    if (asked.only_if_cached) {
        exchange_error(x, 504, w);      /* RFC 9111, section 5.2.1.7. */
        return EXCHANGE_ANSWER;
    }
    if (o && cache_has_validator(&o->head)
        && http_string_is(x->request.method, "GET")) {
        x->object = cache_object_use(o);
        x->result = EXCHANGE_STALE;
    }
    return EXCHANGE_FORWARD;
}

enum exchange_action
exchange_begin(struct exchange *x, struct cache *cache,
               struct http_head *request, const struct mbox_key *key,
               struct http_body *body, struct mbox_writer *w)
{
    *x = (struct exchange) {
        .cache = cache, .request = *request, .key = *key,
        .keep_client = http_is_persistent(request),
        .request_time = cache->now, .result = EXCHANGE_PASS,
    };
    request->text = NULL;
    cache->stats.requests++;

    int error = http_body_of_request(body, &x->request);
    x->uri = error ? NULL : cache_uri_make(&x->request, key);
    if (!x->uri) {
        exchange_error(x, error == -ENOTSUP ? 501 : 400, w);
        return EXCHANGE_ANSWER;
    }
    if (body->framing == HTTP_NO_BODY && !has_precondition(&x->request)
        && (http_string_is(x->request.method, "GET")
            || http_string_is(x->request.method, "HEAD"))) {
        return look_up(x, w);
    }
    return EXCHANGE_FORWARD;
}

void
exchange_forward(struct exchange *x, struct mbox_writer *w)
{
    x->request_time = x->cache->now;
    cache_put_request(w, &x->request, x->object ? &x->object->head : NULL);
}

/* Responses. */

static int
on_invalidated(void *x_, struct cache_object *object)
{
    struct exchange *x = x_;

    x->cache->stats.invalidated++;
    set_dirty(x->cache, object);
    return 0;
}

/* RFC 9111, section 4.4: what an unsafe request changes is stale. */
static void
invalidate(struct exchange *x, const struct http_head *response)
{
    static const char *const references[] = { "Location",
                                              "Content-Location" };
    struct cache_store *store = &x->cache->store;

    cache_store_invalidate(store, x->uri, on_invalidated, x);
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        const struct http_field *field = http_head_find(response,
                                                        references[i], NULL);
        char *uri = (field ? cache_uri_refer(&x->request, &x->key,
                                             field->value)
                     : NULL);

        if (uri) {
            cache_store_invalidate(store, uri, on_invalidated, x);
            free(uri);
        }
    }
}

/* When the response came, and its request went, which may have been elsewhere,
 * or before the clock was set back. */
static struct cache_times
get_times(const struct exchange *x)
{
    int64_t now = x->cache->now;

    return (struct cache_times) {
        x->request_time < now ? x->request_time : now, now };
}

/* Prepares to store what comes. */
static void
begin_fill(struct exchange *x, const struct http_head *response,
           const struct http_body *body)
{
    struct cache_times times = get_times(x);

    if ((x->result == EXCHANGE_MISS || x->result == EXCHANGE_STALE)
        && cache_may_store(&x->request, response)
        && (body->framing != HTTP_LENGTH
            || body->left <= x->cache->max_object)) {
        x->fill = cache_object_create(x->uri, &x->request, response, &times);
        if (x->fill) {
            cache_object_count(x->fill, &x->cache->store.n_total);
        }
    }
}

/* Relays a response. */
static void
relay(struct exchange *x, const struct http_head *response,
      const struct http_body *body, enum http_framing *framing,
      struct mbox_writer *w)
{
    *framing = body->framing;
    if (*framing == HTTP_CHUNKED && !x->request.minor) {
        *framing = HTTP_UNTIL_CLOSE;
    }
    x->keep_client &= *framing != HTTP_UNTIL_CLOSE;
    cache_put_reply(w, &(struct cache_reply) {
        .request = &x->request, .head = response, .age = -1,
        .chunked = *framing == HTTP_CHUNKED,
        .keep = x->keep_client || response->status / 100 == 1,
        .cache_status = cache_status(x, false) });
}

enum exchange_action
exchange_response(struct exchange *x, const struct http_head *response,
                  const struct http_body *body, enum http_framing *framing,
                  struct mbox_writer *w)
{
    struct cache *cache = x->cache;

    if (response->status / 100 == 1 && response->status != 101) {
        if (x->request.minor) {         /* RFC 9110, section 15.2. */
            relay(x, response, body, framing, w);
        }
        return EXCHANGE_INTERIM;
    }
    if (response->status == 304 && x->object) {
        struct cache_times times = get_times(x);

        cache->stats.validated++;
        cache_store_refresh(&cache->store, x->object, response, &times);
        if (!cache_may_keep(response)) {
            cache_store_remove(&cache->store, x->object);
        }
        touch(x, true);
        return answer(x, true, w);
    }

    *(x->result == EXCHANGE_PASS ? &cache->stats.passed
      : &cache->stats.misses) += 1;
    drop_object(x);
    x->status = response->status;
    if (response->status == 101
        || (body->framing == HTTP_UNTIL_CLOSE
            && http_string_is(x->request.method, "CONNECT"))) {
        relay(x, response, body, framing, w);
        *framing = HTTP_UNTIL_CLOSE;
        return EXCHANGE_TUNNEL;
    }
    if (cache_is_unsafe(x->request.method)
        && response->status / 100 >= 2 && response->status / 100 <= 3) {
        invalidate(x, response);
    }
    begin_fill(x, response, body);
    relay(x, response, body, framing, w);
    return EXCHANGE_RELAY;
}

void
exchange_payload(struct exchange *x, const void *data, size_t n)
{
    x->cache->stats.origin_bytes += n;
    if (x->fill && x->fill->len + n > x->cache->max_object) {
        drop_fill(x);
    } else if (x->fill) {
        cache_object_append(x->fill, data, n);
        if (!cache_store_make_room(&x->cache->store)) {
            drop_fill(x);
        }
    }
}

void
exchange_complete(struct exchange *x)
{
    if (x->fill) {
        struct cache_host host = get_host(x);

        cache_object_trim(x->fill);
        cache_store_add(&x->cache->store, x->fill, &host);
        if (x->fill->stored) {
            x->cache->stats.stored++;
            set_dirty(x->cache, x->fill);
        }
        drop_fill(x);
    }
}

/* State. */

void
exchange_write(const struct exchange *x, struct mbox_writer *w)
{
    mbox_put_u32(w, x->request.len);
    mbox_put_bytes(w, x->request.text, x->request.len);
    mbox_put_u64(w, x->request_time);
    mbox_put_u8(w, x->result);
    mbox_put_u16(w, x->status);
    mbox_put_u8(w, x->keep_client);
    mbox_put_u8(w, x->object != NULL);
    if (x->object) {
        mbox_put_u64(w, x->next);
        mbox_put_u64(w, x->end);
        cache_object_write(x->object, w);
    }
}

static int
read_request(struct exchange *x, struct mbox_reader *r)
{
    size_t n = mbox_get_u32(r);
    const char *text = mbox_get_bytes(r, n);

    if (!text || n > HTTP_HEAD_MAX) {
        return -EPROTO;
    }
    if (!n) {
        return 0;               /* What was refused has none. */
    }
    if (http_head_parse(&x->request, true, text, n)) {
        return -EPROTO;
    }
    x->uri = cache_uri_make(&x->request, &x->key);
    return x->uri ? 0 : -EPROTO;
}

int
exchange_read(struct exchange *x, struct cache *cache,
              const struct mbox_key *key, struct mbox_reader *r)
{
    *x = (struct exchange) { .cache = cache, .key = *key };

    int error = read_request(x, r);
    x->request_time = mbox_get_u64(r);
    x->result = mbox_get_u8(r);
    x->status = mbox_get_u16(r);
    x->keep_client = mbox_get_u8(r) != 0;
    if (mbox_get_u8(r) && !error) {
        x->next = mbox_get_u64(r);
        x->end = mbox_get_u64(r);
        x->object = cache_object_read(r);
        if (!x->object || x->next > x->end || x->end > x->object->len) {
            error = -EPROTO;
        } else {
            cache_object_count(x->object, &cache->store.n_total);
        }
    }
    if (error || r->error || x->result >= EXCHANGE_N_RESULTS
        || x->request_time < 0 || (!x->request.text && !x->status)) {
        exchange_end(x);
        return -EPROTO;
    }
    return 0;
}
