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
#include "ids-flow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIN_BUCKETS 1024

static struct ids_flow *
flow_from_timer(struct wheel_timer *timer)
{
    return (struct ids_flow *) timer;
}

static struct ids_flow **
alloc_buckets(size_t n)
{
    struct ids_flow **buckets = calloc(n, sizeof *buckets);

    if (!buckets) {
        abort();
    }
    return buckets;
}

void
ids_table_init(struct ids_table *table, uint64_t now)
{
    table->buckets = alloc_buckets(MIN_BUCKETS);
    table->mask = MIN_BUCKETS - 1;
    table->n = 0;
    wheel_init(&table->wheel, now);

    /* Unpredictable, lest somebody fills one bucket. */
    if (getrandom(&table->basis, sizeof table->basis, GRND_NONBLOCK)
        != sizeof table->basis) {
        table->basis = (uintptr_t) table ^ now;
    }
}

void
ids_table_uninit(struct ids_table *table)
{
    free(table->buckets);
}

struct ids_flow *
ids_table_find(const struct ids_table *table, const struct mbox_key *key)
{
    uint32_t hash = mbox_key_hash(key, table->basis);

    for (struct ids_flow *flow = table->buckets[hash & table->mask]; flow;
         flow = flow->next) {
        if (flow->hash == hash && mbox_key_equal(&flow->key, key)) {
            return flow;
        }
    }
    return NULL;
}

struct ids_flow *
ids_flow_create(const struct mbox_key *key, bool client_is_dst)
{
    struct ids_flow *flow = calloc(1, sizeof *flow);

    if (!flow) {
        abort();
    }
    wheel_timer_init(&flow->timer);
    flow->key = *key;
    flow->client_is_dst = client_is_dst;
    if (key->proto == IPPROTO_TCP) {
        flow->tcp = calloc(1, sizeof *flow->tcp);
        if (!flow->tcp) {
            abort();
        }
    }
    return flow;
}

void
ids_flow_free(struct ids_flow *flow)
{
    free(flow->tcp);
    free(flow->marks);
    free(flow);
}

static void
table_grow(struct ids_table *table)
{
    size_t mask = table->mask * 2 + 1;
    struct ids_flow **buckets = alloc_buckets(mask + 1);

    for (size_t i = 0; i <= table->mask; i++) {
        struct ids_flow *next;

        for (struct ids_flow *flow = table->buckets[i]; flow; flow = next) {
            next = flow->next;
            flow->next = buckets[flow->hash & mask];
            buckets[flow->hash & mask] = flow;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->mask = mask;
}

void
ids_table_insert(struct ids_table *table, struct ids_flow *flow,
                 uint64_t wake)
{
    if (table->n > table->mask) {
        table_grow(table);
    }
    flow->hash = mbox_key_hash(&flow->key, table->basis);

    struct ids_flow **bucket = &table->buckets[flow->hash & table->mask];
    flow->next = *bucket;
    *bucket = flow;
    table->n++;
    wheel_wake(&table->wheel, &flow->timer, wake);
}

void
ids_table_remove(struct ids_table *table, struct ids_flow *flow)
{
    struct ids_flow **p = &table->buckets[flow->hash & table->mask];

    while (*p != flow) {
        p = &(*p)->next;
    }
    *p = flow->next;
    table->n--;
    wheel_remove(&flow->timer);
}

void
ids_table_wake(struct ids_table *table, struct ids_flow *flow, uint64_t wake)
{
    wheel_wake(&table->wheel, &flow->timer, wake);
}

struct look_ctx {
    void (*look)(void *aux, struct ids_flow *);
    void *aux;
};

static void
look_at_timer(void *ctx_, struct wheel_timer *timer)
{
    const struct look_ctx *ctx = ctx_;

    ctx->look(ctx->aux, flow_from_timer(timer));
}

void
ids_table_advance(struct ids_table *table, uint64_t now,
                  void (*look)(void *aux, struct ids_flow *), void *aux)
{
    struct look_ctx ctx = { look, aux };

    wheel_advance(&table->wheel, now, look_at_timer, &ctx);
}

int
ids_table_for_each(struct ids_table *table,
                   int (*cb)(void *aux, struct ids_flow *), void *aux)
{
    for (size_t i = 0; i <= table->mask; i++) {
        struct ids_flow *next;

        for (struct ids_flow *flow = table->buckets[i]; flow; flow = next) {
            next = flow->next;

            int retval = cb(aux, flow);
            if (retval) {
                return retval;
            }
        }
    }
    return 0;
}

void
ids_flow_dir_key(const struct ids_flow *flow, enum ids_dir dir,
                 struct mbox_key *key)
{
    *key = flow->key;
    if ((dir == IDS_TO_SERVER) == flow->client_is_dst) {
        mbox_key_reverse(key, key);
    }
}
