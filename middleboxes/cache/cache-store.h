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

#ifndef CACHE_STORE_H
#define CACHE_STORE_H 1

/* The store of a cache: objects in memory, up to a limit in bytes, beyond
 * which those go that were not used for longest.  Objects that are being
 * filled, or sent after they have gone, count, too. */

#include "cache-object.h"

struct cache_store {
    struct cache_object **buckets;
    uint32_t basis;             /* Of hashes. */
    size_t n_objects, n_bytes;
    size_t n_total;             /* Bytes, with objects that are not in it. */
    size_t limit;               /* Of 'n_total'. */
    uint64_t n_evicted;
    struct cache_object *oldest, *newest;
};

/* 'basis' should be unpredictable. */
void cache_store_init(struct cache_store *, size_t limit, uint32_t basis);
void cache_store_uninit(struct cache_store *);

/* Makes room if there are more bytes than the limit.  Returns false if there
 * still are, as what is not in the store, or is being sent, needs them. */
bool cache_store_make_room(struct cache_store *);

/* Adds an object, which 'host' uses, in place of one with the same URI and
 * 'vary', or of the oldest of many with the same URI.  It is not kept if there
 * is no room. */
void cache_store_add(struct cache_store *, struct cache_object *,
                     const struct cache_host *host);

/* The newest object that fits a request, or NULL. */
struct cache_object *cache_store_find(const struct cache_store *,
                                      const char *uri,
                                      const struct http_head *request);

/* Notes that 'host' uses a stored object.  Returns true if another one did
 * before, so that it has another key. */
bool cache_store_touch(struct cache_store *, struct cache_object *,
                       const struct cache_host *host);

/* cache_object_refresh() of an object that may be stored. */
void cache_store_refresh(struct cache_store *, struct cache_object *,
                         const struct http_head *not_modified,
                         const struct cache_times *);

/* Takes an object out of the store, if it is there. */
void cache_store_remove(struct cache_store *, struct cache_object *);

/* Makes all objects with this URI invalid, and calls 'cb' for each. */
typedef int cache_object_cb(void *aux, struct cache_object *);
void cache_store_invalidate(struct cache_store *, const char *uri,
                            cache_object_cb *, void *aux);

/* Calls 'cb' for each object, from the one that was not used for longest,
 * until it returns nonzero, which it returns. */
int cache_store_for_each(const struct cache_store *, cache_object_cb *,
                         void *aux);

/* The object with this key, or NULL. */
struct cache_object *cache_store_find_key(const struct cache_store *,
                                          const struct mbox_key *);

/* Adds an object that was stored elsewhere, under 'key', unless there is a
 * newer one; takes over its user.  Returns 0, or -EPROTO if it has another
 * key. */
int cache_store_import(struct cache_store *, struct cache_object *,
                       const struct mbox_key *key);

#endif /* cache-store.h */
