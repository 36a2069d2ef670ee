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

#ifndef WANOPT_DICT_H
#define WANOPT_DICT_H 1

/* The dictionary: chunks by name
 * ==============================
 *
 * Has what went through the instance in either direction, up to a limit of
 * memory; what was not used for longest goes first.  An entry is right
 * forever, as its name is that of its content: dictionaries are never out of
 * step, they only lack something. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "wanopt-cipher.h"

struct wanopt_entry {
    struct wanopt_entry *next;  /* In its hash bucket. */
    struct wanopt_entry *newer, *older;
    struct wanopt_name name;
    bool has_successor;         /* 'successor' is known. */
    struct wanopt_name successor;       /* The chunk that came behind this one
                                         * last: a hint, it may be gone. */
    uint8_t host[16];           /* The local one that used it last, as in */
    uint8_t family;             /* struct mbox_key, and its family. */
    uint16_t len;
    uint8_t data[];
};

struct wanopt_dict {
    struct wanopt_entry **buckets;
    size_t mask;
    struct wanopt_entry *newest, *oldest;
    size_t n_entries;
    size_t n_bytes;             /* Memory that entries take. */
    size_t limit;               /* Of 'n_bytes'. */
    uint64_t n_evicted;
};

void wanopt_dict_init(struct wanopt_dict *, size_t limit);
void wanopt_dict_uninit(struct wanopt_dict *);

/* Returns NULL if there is none. */
struct wanopt_entry *wanopt_dict_find(const struct wanopt_dict *,
                                      const struct wanopt_name *);

/* Makes 'entry' the newest, used by 'host'. */
void wanopt_dict_use(struct wanopt_dict *, struct wanopt_entry *,
                     uint8_t family, const uint8_t host[16]);

/* Adds a chunk of 1 to WANOPT_CHUNK_MAX bytes that is not there, used by
 * 'host', and removes the oldest ones until the limit is kept. */
void wanopt_dict_add(struct wanopt_dict *, const struct wanopt_name *,
                     const void *data, size_t len, uint8_t family,
                     const uint8_t host[16]);

#endif /* wanopt-dict.h */
