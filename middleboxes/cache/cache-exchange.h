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

#ifndef CACHE_EXCHANGE_H
#define CACHE_EXCHANGE_H 1

/* One request and its response, as a cache sees them
 * ==================================================
 *
 * Decides what a request is answered with: from the store, or by the origin,
 * and with which heads.  No input or output, and the time is an argument, so
 * that a test can drive it:
 *
 *     exchange_begin()     a request has come
 *       EXCHANGE_ANSWER    exchange_answer() has the head of the response, and
 *                          the rest of exchange_body() follows
 *       EXCHANGE_FORWARD   exchange_forward() has the head for the origin
 *
 *     exchange_response()  a response has come
 *       EXCHANGE_ANSWER    as above: the stored one is still good
 *       EXCHANGE_RELAY     exchange_relay() has the head for the client, and
 *                          exchange_payload() gets what follows
 *       EXCHANGE_INTERIM   as RELAY, but another response comes
 *       EXCHANGE_TUNNEL    as RELAY, and HTTP ends here
 *
 *     exchange_end()       it is over
 *
 * An exchange that has to be given up is answered by exchange_error(), if
 * nothing of the response has been sent. */

#include "cache-store.h"
#include "http-body.h"
#include "mbox-wire.h"

struct cache_stats {
    uint64_t requests, hits, validated, misses, passed, errors;
    uint64_t hit_bytes, origin_bytes;   /* Of payload. */
    uint64_t stored, invalidated, objects_imported;
};

struct cache {
    struct cache_store store;
    size_t max_object;          /* Bytes of body, <= CACHE_OBJECT_MAX. */
    int64_t now;                /* s since 1970. */
    struct cache_stats stats;

    /* Called when an object changes, or gets another key.  May be null. */
    void (*dirty)(void *aux, const struct mbox_key *);
    void *aux;
};

enum exchange_action {
    EXCHANGE_ANSWER,
    EXCHANGE_FORWARD,
    EXCHANGE_RELAY,
    EXCHANGE_INTERIM,
    EXCHANGE_TUNNEL,
};

/* How the cache was of use, for the log and for Cache-Status (RFC 9211). */
enum exchange_result {
    EXCHANGE_PASS,              /* Nothing that is stored could do. */
    EXCHANGE_MISS,
    EXCHANGE_HIT,
    EXCHANGE_STALE,             /* Stored, but had to be validated. */
    EXCHANGE_ERROR,
    EXCHANGE_N_RESULTS
};

struct exchange {
    struct cache *cache;
    struct http_head request;
    char *uri;                  /* NULL: nothing is stored under it. */
    struct mbox_key key;        /* Of a packet from client to server. */
    int64_t request_time;       /* When it was forwarded. */
    enum exchange_result result;
    unsigned int status;        /* Of the response; 0: none yet. */
    bool keep_client;           /* The client's connection goes on. */
    struct cache_object *object;        /* Is sent, or validated, or NULL. */
    size_t next, end;           /* What is left of the object's body. */
    struct cache_object *fill;  /* Is to be stored, or NULL. */
};

/* Begins with a request, which the exchange takes over, that came in the flow
 * 'key' (from client to server).  If it returns EXCHANGE_FORWARD the request's
 * body is 'body'.  A request that must be refused is answered. */
enum exchange_action exchange_begin(struct exchange *, struct cache *,
                                    struct http_head *request,
                                    const struct mbox_key *key,
                                    struct http_body *body,
                                    struct mbox_writer *answer);

/* Begins and answers with 'status', when there is no request that could be
 * understood. */
void exchange_refuse(struct exchange *, struct cache *,
                     const struct mbox_key *key, unsigned int status,
                     struct mbox_writer *answer);

/* Appends the request for the origin to 'w'. */
void exchange_forward(struct exchange *, struct mbox_writer *w);

/* A response has come, whose body is 'body'.  Appends what is to be sent to
 * 'w'; '*framing' is how the payload is to be sent. */
enum exchange_action exchange_response(struct exchange *,
                                       const struct http_head *response,
                                       const struct http_body *body,
                                       enum http_framing *framing,
                                       struct mbox_writer *w);

/* Payload of the origin's response. */
void exchange_payload(struct exchange *, const void *, size_t n);

/* The origin's response is complete: what was to be stored is, if there is
 * room. */
void exchange_complete(struct exchange *);

/* Answers with an error of the cache's own. */
void exchange_error(struct exchange *, unsigned int status,
                    struct mbox_writer *answer);

/* Frees what the exchange has. */
void exchange_end(struct exchange *);

bool exchange_is_active(const struct exchange *);

/* State: reading makes an exchange of 'cache', and returns 0 or -EPROTO.  What
 * was being filled does not move. */
void exchange_write(const struct exchange *, struct mbox_writer *);
int exchange_read(struct exchange *, struct cache *, const struct mbox_key *,
                  struct mbox_reader *);

const char *exchange_result_name(enum exchange_result);

#endif /* cache-exchange.h */
