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
#include "mbox-alias.h"

#include "ovs-rcu.h"
#include "util.h"

struct mbox_alias {
    struct cmap_node node;
    struct mbox_key key;
};

void
mbox_aliases_init(struct mbox_aliases *aliases)
{
    cmap_init(&aliases->map);
}

void
mbox_aliases_destroy(struct mbox_aliases *aliases)
{
    struct mbox_alias *alias;

    CMAP_FOR_EACH (alias, node, &aliases->map) {
        ovsrcu_postpone(free, alias);
    }
    cmap_destroy(&aliases->map);
}

bool
mbox_aliases_contain(const struct mbox_aliases *aliases,
                     const struct mbox_key *key)
{
    const struct mbox_alias *alias;

    if (cmap_is_empty(&aliases->map)) {
        return false;
    }
    CMAP_FOR_EACH_WITH_HASH (alias, node, mbox_key_hash(key, 0),
                             &aliases->map) {
        if (mbox_key_equal(&alias->key, key)) {
            return true;
        }
    }
    return false;
}

bool
mbox_aliases_add(struct mbox_aliases *aliases, const struct mbox_key *key)
{
    struct mbox_alias *alias;

    if (mbox_aliases_contain(aliases, key)) {
        return false;
    }
    alias = xmalloc(sizeof *alias);
    alias->key = *key;
    cmap_insert(&aliases->map, &alias->node, mbox_key_hash(key, 0));
    return true;
}

static int
compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct mbox_key));
}

struct mbox_key *
mbox_aliases_except(const struct mbox_aliases *aliases,
                    struct mbox_key *except, size_t n, size_t *np)
{
    struct mbox_key *keys = xcalloc(mbox_aliases_count(aliases) + 1,
                                    sizeof *keys);
    const struct mbox_alias *alias;

    if (n) {
        qsort(except, n, sizeof *except, compare_keys);
    }
    *np = 0;
    CMAP_FOR_EACH (alias, node, &aliases->map) {
        if (!n || !bsearch(&alias->key, except, n, sizeof *except,
                           compare_keys)) {
            keys[(*np)++] = alias->key;
        }
    }
    return keys;
}
