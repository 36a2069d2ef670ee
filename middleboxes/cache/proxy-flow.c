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
#include "proxy-private.h"

#include <stdlib.h>
#include <string.h>

#define MIN_BUCKETS 1024

void
proxy_flows_init(struct proxy_flows *flows, size_t max, uint32_t basis)
{
    size_t n = MIN_BUCKETS;

    while (n < max) {
        n *= 2;
    }
    *flows = (struct proxy_flows) {
        .buckets = calloc(n, sizeof *flows->buckets),
        .mask = n - 1, .basis = basis,
    };
    if (!flows->buckets) {
        abort();
    }
}

void
proxy_flows_uninit(struct proxy_flows *flows)
{
    while (flows->first) {
        proxy_flow_remove(flows, flows->first);
    }
    free(flows->buckets);
}

/* The canonical form of a key without its VLAN. */
static struct mbox_key
table_key(const struct mbox_key *key)
{
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    canonical.vlan = MBOX_VLAN_NONE;
    return canonical;
}

static struct proxy_flow **
get_bucket(const struct proxy_flows *flows, const struct mbox_key *key)
{
    return &flows->buckets[mbox_key_hash(key, flows->basis) & flows->mask];
}

struct proxy_flow *
proxy_flow_find(const struct proxy_flows *flows, const struct mbox_key *key)
{
    struct mbox_key wanted = table_key(key);

    for (struct proxy_flow *f = *get_bucket(flows, &wanted); f;
         f = f->next) {
        struct mbox_key own = table_key(&f->name);

        if (!f->dead && mbox_key_equal(&own, &wanted)) {
            return f;
        }
    }
    return NULL;
}

struct proxy_flow *
proxy_flow_add(struct proxy_flows *flows, const struct mbox_key *key)
{
    struct proxy_flow *flow = calloc(1, sizeof *flow);

    if (!flow) {
        abort();
    }
    flow->key = *key;
    flow->key.vlan = MBOX_VLAN_NONE;
    mbox_key_canonical(key, &flow->name);
    proxy_conn_init(&flow->client, flow);
    proxy_conn_init(&flow->server, flow);
    wheel_timer_init(&flow->timer);

    struct mbox_key own = table_key(&flow->name);
    struct proxy_flow **bucket = get_bucket(flows, &own);
    flow->next = *bucket;
    *bucket = flow;
    flow->all_next = flows->first;
    if (flows->first) {
        flows->first->all_prev = flow;
    }
    flows->first = flow;
    flows->n++;
    return flow;
}

void
proxy_flow_remove(struct proxy_flows *flows, struct proxy_flow *flow)
{
    struct mbox_key own = table_key(&flow->name);
    struct proxy_flow **p = get_bucket(flows, &own);

    while (*p != flow) {
        p = &(*p)->next;
    }
    *p = flow->next;
    *(flow->all_prev ? &flow->all_prev->all_next : &flows->first)
        = flow->all_next;
    if (flow->all_next) {
        flow->all_next->all_prev = flow->all_prev;
    }
    flows->n--;
    wheel_remove(&flow->timer);
    proxy_conn_drop(&flow->client);
    proxy_conn_drop(&flow->server);
    exchange_end(&flow->x);
    free(flow);
}
