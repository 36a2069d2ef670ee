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
#include "wanopt-dict.h"

#include <stdlib.h>
#include <string.h>

/* Of an entry, what malloc() adds included. */
static size_t
entry_size(const struct wanopt_entry *entry)
{
    return sizeof *entry + entry->len + 16;
}

void
wanopt_dict_init(struct wanopt_dict *dict, size_t limit)
{
    size_t n = 1024;

    while (n < limit / 512) {
        n *= 2;
    }
    *dict = (struct wanopt_dict) {
        .buckets = calloc(n, sizeof *dict->buckets),
        .mask = n - 1,
        .limit = limit,
    };
    if (!dict->buckets) {
        abort();
    }
}

void
wanopt_dict_uninit(struct wanopt_dict *dict)
{
    struct wanopt_entry *next;

    for (struct wanopt_entry *e = dict->newest; e; e = next) {
        next = e->older;
        free(e);
    }
    free(dict->buckets);
}

/* A name is a pseudorandom number: any part of it is a hash. */
static struct wanopt_entry **
find_bucket(const struct wanopt_dict *dict, const struct wanopt_name *name)
{
    uint64_t hash;

    memcpy(&hash, name->bytes, sizeof hash);
    return &dict->buckets[hash & dict->mask];
}

struct wanopt_entry *
wanopt_dict_find(const struct wanopt_dict *dict,
                 const struct wanopt_name *name)
{
    for (struct wanopt_entry *e = *find_bucket(dict, name); e; e = e->next) {
        if (!memcmp(&e->name, name, sizeof *name)) {
            return e;
        }
    }
    return NULL;
}

static void
unlink_age(struct wanopt_dict *dict, struct wanopt_entry *entry)
{
    *(entry->newer ? &entry->newer->older : &dict->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &dict->oldest) = entry->newer;
}

static void
link_newest(struct wanopt_dict *dict, struct wanopt_entry *entry)
{
    entry->newer = NULL;
    entry->older = dict->newest;
    *(dict->newest ? &dict->newest->newer : &dict->oldest) = entry;
    dict->newest = entry;
}

static void
set_host(struct wanopt_entry *entry, uint8_t family, const uint8_t host[16])
{
    entry->family = family;
    memcpy(entry->host, host, sizeof entry->host);
}

void
wanopt_dict_use(struct wanopt_dict *dict, struct wanopt_entry *entry,
                uint8_t family, const uint8_t host[16])
{
    unlink_age(dict, entry);
    link_newest(dict, entry);
    set_host(entry, family, host);
}

static void
evict(struct wanopt_dict *dict, struct wanopt_entry *entry)
{
    struct wanopt_entry **p = find_bucket(dict, &entry->name);

    while (*p != entry) {
        p = &(*p)->next;
    }
    *p = entry->next;
    unlink_age(dict, entry);
    dict->n_entries--;
    dict->n_bytes -= entry_size(entry);
    dict->n_evicted++;
    free(entry);
}

void
wanopt_dict_add(struct wanopt_dict *dict, const struct wanopt_name *name,
                const void *data, size_t len, uint8_t family,
                const uint8_t host[16])
{
    struct wanopt_entry *entry = malloc(sizeof *entry + len);
    struct wanopt_entry **bucket = find_bucket(dict, name);

    if (!entry) {
        abort();
    }
    memset(entry, 0, sizeof *entry);
    entry->name = *name;
    entry->len = len;
    memcpy(entry->data, data, len);
    set_host(entry, family, host);
    entry->next = *bucket;
    *bucket = entry;
    link_newest(dict, entry);
    dict->n_entries++;
    dict->n_bytes += entry_size(entry);
    while (dict->n_bytes > dict->limit && dict->oldest != entry) {
        evict(dict, dict->oldest);
    }
}
