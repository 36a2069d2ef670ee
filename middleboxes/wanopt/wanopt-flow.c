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
#include "wanopt-flow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIN_BUCKETS 1024

static struct wanopt_flow **
alloc_buckets(size_t n)
{
    struct wanopt_flow **buckets = calloc(n, sizeof *buckets);

    if (!buckets) {
        abort();
    }
    return buckets;
}

void
wanopt_flows_init(struct wanopt_flows *flows, uint64_t now)
{
    *flows = (struct wanopt_flows) {
        .buckets = alloc_buckets(MIN_BUCKETS),
        .mask = MIN_BUCKETS - 1,
    };
    wheel_init(&flows->wheel, now);

    /* Unpredictable, lest somebody fills one bucket. */
    if (getrandom(&flows->basis, sizeof flows->basis, GRND_NONBLOCK)
        != sizeof flows->basis) {
        flows->basis = (uintptr_t) flows ^ now;
    }
}

static int
remove_one(void *flows, struct wanopt_flow *flow)
{
    wanopt_flow_remove(flows, flow);
    return 0;
}

void
wanopt_flows_uninit(struct wanopt_flows *flows)
{
    wanopt_flows_for_each(flows, remove_one, flows);
    free(flows->buckets);
}

struct wanopt_flow *
wanopt_flow_find(const struct wanopt_flows *flows, const struct mbox_key *key)
{
    uint32_t hash = mbox_key_hash(key, flows->basis);

    for (struct wanopt_flow *f = flows->buckets[hash & flows->mask]; f;
         f = f->next) {
        if (f->hash == hash && mbox_key_equal(&f->key, key)) {
            return f;
        }
    }
    return NULL;
}

static void
grow(struct wanopt_flows *flows)
{
    size_t mask = flows->mask * 2 + 1;
    struct wanopt_flow **buckets = alloc_buckets(mask + 1);

    for (size_t i = 0; i <= flows->mask; i++) {
        struct wanopt_flow *next;

        for (struct wanopt_flow *f = flows->buckets[i]; f; f = next) {
            next = f->next;
            f->next = buckets[f->hash & mask];
            buckets[f->hash & mask] = f;
        }
    }
    free(flows->buckets);
    flows->buckets = buckets;
    flows->mask = mask;
}

struct wanopt_flow *
wanopt_flow_add(struct wanopt_flows *flows, const struct mbox_key *key,
                uint64_t wake)
{
    struct wanopt_flow *flow = calloc(1, sizeof *flow);

    if (!flow) {
        abort();
    }
    if (flows->n_flows > flows->mask) {
        grow(flows);
    }
    flow->key = *key;
    flow->hash = mbox_key_hash(key, flows->basis);
    flow->last = &flow->first;

    struct wanopt_flow **bucket = &flows->buckets[flow->hash & flows->mask];
    flow->next = *bucket;
    *bucket = flow;
    flows->n_flows++;
    wheel_timer_init(&flow->timer);
    wheel_wake(&flows->wheel, &flow->timer, wake);
    return flow;
}

void
wanopt_flow_remove(struct wanopt_flows *flows, struct wanopt_flow *flow)
{
    struct wanopt_flow **p = &flows->buckets[flow->hash & flows->mask];

    while (flow->n_waiting) {
        free(wanopt_flow_pop(flows, flow));
    }
    while (*p != flow) {
        p = &(*p)->next;
    }
    *p = flow->next;
    flows->n_flows--;
    wheel_remove(&flow->timer);
    free(flow);
}

int
wanopt_flows_for_each(struct wanopt_flows *flows,
                      int (*cb)(void *aux, struct wanopt_flow *), void *aux)
{
    for (size_t i = 0; i <= flows->mask; i++) {
        struct wanopt_flow *next;

        for (struct wanopt_flow *f = flows->buckets[i]; f; f = next) {
            next = f->next;

            int retval = cb(aux, f);
            if (retval) {
                return retval;
            }
        }
    }
    return 0;
}

void
wanopt_flow_push(struct wanopt_flows *flows, struct wanopt_flow *flow,
                 unsigned int port, const void *frame, size_t len)
{
    struct wanopt_waiting *w = malloc(sizeof *w + len);

    if (!w) {
        abort();
    }
    w->next = NULL;
    w->port = port;
    w->len = len;
    memcpy(w->data, frame, len);
    *flow->last = w;
    flow->last = &w->next;
    if (!flow->n_waiting++) {
        flow->waiting_prev = NULL;
        flow->waiting_next = flows->waiting;
        if (flows->waiting) {
            flows->waiting->waiting_prev = flow;
        }
        flows->waiting = flow;
    }
    flows->n_waiting++;
    flows->waiting_bytes += sizeof *w + len;
}

struct wanopt_waiting *
wanopt_flow_pop(struct wanopt_flows *flows, struct wanopt_flow *flow)
{
    struct wanopt_waiting *w = flow->first;

    flow->first = w->next;
    if (!flow->first) {
        flow->last = &flow->first;
    }
    flows->n_waiting--;
    flows->waiting_bytes -= sizeof *w + w->len;
    if (!--flow->n_waiting) {
        *(flow->waiting_prev ? &flow->waiting_prev->waiting_next
          : &flows->waiting) = flow->waiting_next;
        if (flow->waiting_next) {
            flow->waiting_next->waiting_prev = flow->waiting_prev;
        }
    }
    return w;
}
