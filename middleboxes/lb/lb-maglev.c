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
#include "lb-maglev.h"

#include <stdlib.h>
#include <string.h>
#include "mbox-fnv.h"

#define FREE UINT16_MAX
_Static_assert(LB_MAGLEV_MAX_NODES < FREE, "indexes fit into entries");

struct turn {
    uint32_t next;              /* Entry to try next. */
    uint32_t skip;
    uint32_t credit;            /* Turns saved up, times the highest weight. */
};

/* The end of MurmurHash3. */
static uint64_t
mix(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

bool
lb_maglev_size_is_valid(uint32_t size)
{
    if (size < 3 || size > 1 << 23) {
        return false;
    }
    for (uint32_t i = 2; i * i <= size; i++) {
        if (size % i == 0) {
            return false;
        }
    }
    return true;
}

void
lb_maglev_init(struct lb_maglev *maglev, uint32_t size)
{
    maglev->table = malloc(size * sizeof *maglev->table);
    maglev->size = size;
    maglev->empty = true;
    if (!maglev->table) {
        abort();
    }
}

void
lb_maglev_uninit(struct lb_maglev *maglev)
{
    free(maglev->table);
}

static void
take_entry(struct lb_maglev *maglev, struct turn *turn, uint16_t node)
{
    while (maglev->table[turn->next] != FREE) {
        turn->next = (turn->next + turn->skip) % maglev->size;
    }
    maglev->table[turn->next] = node;
}

void
lb_maglev_build(struct lb_maglev *maglev, const struct lb_maglev_node *nodes,
                size_t n)
{
    uint32_t size = maglev->size;
    uint32_t max_weight = 0;
    struct turn *turns = calloc(n + 1, sizeof *turns);

    if (!turns) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t h = mix(nodes[i].id);

        turns[i].next = h % size;
        turns[i].skip = mix(h) % (size - 1) + 1;
        if (nodes[i].weight > max_weight) {
            max_weight = nodes[i].weight;
        }
    }
    maglev->empty = !max_weight;
    memset(maglev->table, 0xff, size * sizeof *maglev->table);

    uint32_t n_taken = 0;
    while (max_weight && n_taken < size) {
        for (size_t i = 0; i < n && n_taken < size; i++) {
            turns[i].credit += nodes[i].weight;
            if (turns[i].credit >= max_weight) {
                turns[i].credit -= max_weight;
                take_entry(maglev, &turns[i], i);
                n_taken++;
            }
        }
    }
    free(turns);
}

uint32_t
lb_maglev_hash(const struct mbox_key *key)
{
    const uint8_t rest[] = {
        key->src_port >> 8, key->src_port, key->dst_port >> 8, key->dst_port,
        key->proto,
    };
    uint64_t h = MBOX_FNV1A_INIT;

    h = mbox_fnv1a(h, key->src, sizeof key->src);
    h = mbox_fnv1a(h, key->dst, sizeof key->dst);
    return mix(mbox_fnv1a(h, rest, sizeof rest));
}

int
lb_maglev_lookup(const struct lb_maglev *maglev, uint32_t hash)
{
    return maglev->empty ? -1 : maglev->table[hash % maglev->size];
}
