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
#include "links.h"

#include <stdbool.h>
#include <string.h>
#include "mbox-key.h"

#define SETS 4096
#define WAYS 4

struct link {
    uint8_t host[16];
    uint8_t header[ST_LINK_MAX];
    uint8_t len;                /* 0: not in use. */
};

/* Of each set, those that were heard of last come first. */
static struct link links[SETS][WAYS];
static struct link last;

static struct link *
set_of(const uint8_t host[16])
{
    struct mbox_key key = { .vlan = MBOX_VLAN_NONE };

    memcpy(key.src, host, sizeof key.src);
    return links[mbox_key_hash(&key, 0) % SETS];
}

/* Returns its place in the set, or -1. */
static int
find(const struct link *set, const uint8_t host[16])
{
    for (int i = 0; i < WAYS; i++) {
        if (set[i].len && !memcmp(set[i].host, host, sizeof set[i].host)) {
            return i;
        }
    }
    return -1;
}

void
st_links_put(const uint8_t host[16], const uint8_t *header, size_t len)
{
    struct link *set = set_of(host);
    int i = find(set, host);
    struct link new = { .len = len };

    if (len < ST_LINK_MIN || len > ST_LINK_MAX) {
        return;
    }
    memcpy(new.host, host, sizeof new.host);
    memcpy(new.header, header, len);
    if (i < 0) {
        i = WAYS - 1;
    }
    memmove(set + 1, set, i * sizeof *set);
    set[0] = last = new;
}

void
st_links_learn(const uint8_t host[16], const uint8_t *header, size_t len)
{
    uint8_t turned[ST_LINK_MAX];

    if (len >= ST_LINK_MIN && len <= ST_LINK_MAX) {
        memcpy(turned, header + 6, 6);
        memcpy(turned + 6, header, 6);
        memcpy(turned + 12, header + 12, len - 12);
        st_links_put(host, turned, len);
    }
}

size_t
st_links_find(const uint8_t host[16], uint8_t header[ST_LINK_MAX])
{
    const struct link *set = set_of(host);
    int i = find(set, host);
    const struct link *l = i < 0 ? &last : &set[i];

    memcpy(header, l->header, l->len);
    return l->len;
}
