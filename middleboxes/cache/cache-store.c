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
#include "cache-store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_BUCKETS 65536

/* Objects of one URI: each of them is looked at when it is asked for. */
#define VARIANTS_MAX 16

void
cache_store_init(struct cache_store *store, size_t limit, uint32_t basis)
{
    *store = (struct cache_store) {
        .buckets = calloc(N_BUCKETS, sizeof *store->buckets),
        .limit = limit,
        .basis = basis,
    };
    if (!store->buckets) {
        abort();
    }
}

static struct cache_object **
get_bucket(const struct cache_store *store,
           const uint8_t digest[CACHE_DIGEST_LEN])
{
    struct mbox_key key = { .family = 0 };

    memcpy(key.dst, digest, sizeof key.dst);
    return &store->buckets[mbox_key_hash(&key, store->basis) % N_BUCKETS];
}

/* The order of use. */

static void
push_newest(struct cache_store *store, struct cache_object *object)
{
    object->newer = NULL;
    object->older = store->newest;
    *(store->newest ? &store->newest->newer : &store->oldest) = object;
    store->newest = object;
}

static void
unlink_order(struct cache_store *store, struct cache_object *object)
{
    *(object->older ? &object->older->newer : &store->oldest)
        = object->newer;
    *(object->newer ? &object->newer->older : &store->newest)
        = object->older;
}

/* Takes an object out of the store. */
static void
remove_object(struct cache_store *store, struct cache_object *object)
{
    struct cache_object **p = get_bucket(store, object->digest);

    while (*p != object) {
        p = &(*p)->next;
    }
    *p = object->next;
    unlink_order(store, object);
    object->stored = false;
    store->n_objects--;
    store->n_bytes -= cache_object_size(object);
    cache_object_release(object);
}

void
cache_store_remove(struct cache_store *store, struct cache_object *object)
{
    if (object->stored) {
        remove_object(store, object);
    }
}

void
cache_store_uninit(struct cache_store *store)
{
    while (store->oldest) {
        remove_object(store, store->oldest);
    }
    free(store->buckets);
}

bool
cache_store_make_room(struct cache_store *store)
{
    for (size_t n = store->n_objects; n && store->n_total > store->limit;
         n--) {
        struct cache_object *object = store->oldest;

        if (object->n_users == 1) {
            store->n_evicted++;
            remove_object(store, object);
        } else {
            /* It is being used, and to drop it would free nothing. */
            unlink_order(store, object);
            push_newest(store, object);
        }
    }
    return store->n_total <= store->limit;
}

/* Looking up. */

/* The object stored in the place of 'object', or NULL. */
static struct cache_object *
find_same(const struct cache_store *store, const struct cache_object *object)
{
    struct cache_object *o = *get_bucket(store, object->digest);

    while (o && (strcmp(o->uri, object->uri)
                 || strcmp(o->vary, object->vary))) {
        o = o->next;
    }
    return o;
}

struct cache_object *
cache_store_find(const struct cache_store *store, const char *uri,
                 const struct http_head *request)
{
    uint8_t digest[CACHE_DIGEST_LEN];
    struct cache_object *best = NULL;

    cache_digest_uri(uri, digest);
    for (struct cache_object *o = *get_bucket(store, digest); o;
         o = o->next) {
        if (!strcmp(o->uri, uri)
            && (!best || o->times.response > best->times.response)
            && cache_object_fits(o, request)) {
            best = o;
        }
    }
    return best;
}

bool
cache_store_touch(struct cache_store *store, struct cache_object *object,
                  const struct cache_host *host)
{
    bool same = (object->host.family == host->family
                 && !memcmp(object->host.addr, host->addr,
                            sizeof host->addr));

    unlink_order(store, object);
    push_newest(store, object);
    object->host = *host;
    return !same;
}

/* Drops what was added first of the objects with the URI of 'object', if they
 * are too many. */
static void
limit_variants(struct cache_store *store, const struct cache_object *object)
{
    struct cache_object *first = NULL;
    size_t n = 0;

    for (struct cache_object *o = *get_bucket(store, object->digest); o;
         o = o->next) {
        if (!strcmp(o->uri, object->uri)) {
            first = o;
            n++;
        }
    }
    if (n > VARIANTS_MAX) {
        store->n_evicted++;
        remove_object(store, first);
    }
}

void
cache_store_add(struct cache_store *store, struct cache_object *object,
                const struct cache_host *host)
{
    struct cache_object *old = find_same(store, object);
    size_t size = cache_object_size(object);

    if (old) {
        remove_object(store, old);
    }
    cache_object_count(object, &store->n_total);
    if (size > store->limit || !cache_store_make_room(store)) {
        return;
    }
    object->host = *host;

    struct cache_object **bucket = get_bucket(store, object->digest);
    object->next = *bucket;
    *bucket = cache_object_use(object);
    push_newest(store, object);
    object->stored = true;
    store->n_objects++;
    store->n_bytes += size;
    limit_variants(store, object);
}

void
cache_store_refresh(struct cache_store *store, struct cache_object *object,
                    const struct http_head *not_modified,
                    const struct cache_times *times)
{
    store->n_bytes -= object->stored ? cache_object_size(object) : 0;
    cache_object_refresh(object, not_modified, times);
    store->n_bytes += object->stored ? cache_object_size(object) : 0;
}

void
cache_store_invalidate(struct cache_store *store, const char *uri,
                       cache_object_cb *cb, void *aux)
{
    uint8_t digest[CACHE_DIGEST_LEN];

    cache_digest_uri(uri, digest);
    for (struct cache_object *o = *get_bucket(store, digest); o;
         o = o->next) {
        if (!strcmp(o->uri, uri)) {
            o->invalid = true;
            cb(aux, o);
        }
    }
}

int
cache_store_for_each(const struct cache_store *store, cache_object_cb *cb,
                     void *aux)
{
    for (struct cache_object *o = store->oldest; o; o = o->newer) {
        int retval = cb(aux, o);
        if (retval) {
            return retval;
        }
    }
    return 0;
}

struct cache_object *
cache_store_find_key(const struct cache_store *store,
                     const struct mbox_key *key)
{
    for (struct cache_object *o = *get_bucket(store, key->dst); o;
         o = o->next) {
        struct mbox_key found = cache_object_key(o);

        if (mbox_key_equal(&found, key)) {
            return o;
        }
    }
    return NULL;
}

int
cache_store_import(struct cache_store *store, struct cache_object *object,
                   const struct mbox_key *key)
{
    struct cache_host host = { .family = key->family };
    struct mbox_key own;
    int error = 0;

    memcpy(host.addr, key->src, sizeof host.addr);
    object->host = host;
    own = cache_object_key(object);
    if (!mbox_key_equal(&own, key)) {
        error = -EPROTO;
    } else {
        struct cache_object *old = find_same(store, object);

        if (!old || object->times.response > old->times.response) {
            cache_store_add(store, object, &host);
        } else if (object->times.response == old->times.response) {
            old->invalid |= object->invalid;
        }
    }
    cache_object_release(object);
    return error;
}
