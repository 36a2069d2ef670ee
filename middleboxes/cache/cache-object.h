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

#ifndef CACHE_OBJECT_H
#define CACHE_OBJECT_H 1

/* Stored responses
 * ================
 *
 * What an object is stored under is its "URI", and of the request the fields
 * that the origin's Vary names (RFC 9111, section 4.1).  A "URI" begins with
 * the origin's address, as the network has it: what a client sends in Host is
 * its own affair, and must not put one server's words into another's mouth.
 *
 * An object is shared by the store and those who send it, and counts its
 * users.  Whoever fills it is its only user until it is complete. */

#include "cache-rules.h"
#include "mbox-key.h"

struct mbox_reader;
struct mbox_writer;

#define CACHE_DIGEST_LEN 16

/* Bytes of body: what moves is one message. */
#define CACHE_OBJECT_MAX (8 << 20)

/* Bytes of a head, which 304s let grow, and of the fields that Vary names. */
#define CACHE_HEAD_MAX (2 * HTTP_HEAD_MAX)
#define CACHE_VARY_MAX (4 * HTTP_HEAD_MAX)

struct cache_host {
    uint8_t family;
    uint8_t addr[16];           /* As in struct mbox_key. */
};

struct cache_object {
    struct cache_object *next;          /* In its bucket of the store. */
    struct cache_object *older, *newer; /* In the order of use. */
    bool stored;                /* It is in the store. */
    unsigned int n_users;

    char *uri;
    uint8_t digest[CACHE_DIGEST_LEN];   /* Of 'uri'. */
    char *vary;                 /* What Vary names, as the request had it. */
    struct http_head head;      /* Without what is hop-by-hop. */
    struct cache_times times;
    bool invalid;               /* To be validated in any case. */
    uint8_t *body;
    size_t len, allocated;
    struct cache_host host;     /* The client that used it last. */
    size_t *total;              /* Where its bytes are counted, or null. */
    size_t counted;             /* As how many. */
};

/* Makes an object without a body, with one user, from a response to 'request'.
 * Returns NULL if its head, or what Vary names, is too long. */
struct cache_object *cache_object_create(const char *uri,
                                         const struct http_head *request,
                                         const struct http_head *response,
                                         const struct cache_times *);
struct cache_object *cache_object_use(struct cache_object *);
void cache_object_release(struct cache_object *);       /* May be null. */
void cache_object_append(struct cache_object *, const void *, size_t);

/* Has '*total' count the bytes that the object takes, now and in future, until
 * its last user has released it.  Once more changes nothing. */
void cache_object_count(struct cache_object *, size_t *total);

/* Gives back memory that was got in advance: the body is complete. */
void cache_object_trim(struct cache_object *);

/* Bytes that it takes. */
size_t cache_object_size(const struct cache_object *);

/* True if it was stored for a request with the same fields as 'request' where
 * its Vary tells to look. */
bool cache_object_fits(const struct cache_object *,
                       const struct http_head *request);

/* RFC 9111, section 4.3.4: takes over the fields of a 304 that came at
 * 'times'. */
void cache_object_refresh(struct cache_object *, const struct http_head *,
                          const struct cache_times *);

void cache_digest_uri(const char *uri, uint8_t digest[CACHE_DIGEST_LEN]);

/* State.  The key has the object's host as its source, the digest of its URI
 * as destination, and one of 'vary' as ports. */
struct mbox_key cache_object_key(const struct cache_object *);
void cache_object_write(const struct cache_object *, struct mbox_writer *);

/* Reads what cache_object_write() has written.  Returns an object with one
 * user, or NULL and an error in the reader. */
struct cache_object *cache_object_read(struct mbox_reader *);

#endif /* cache-object.h */
