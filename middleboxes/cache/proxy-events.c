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

#include <json-c/json.h>
#include "event-log.h"

static void
add_u64(struct json_object *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

static void
add_foreign(struct json_object *object, const char *name,
            struct http_string s)
{
    event_log_add_foreign(object, name, s.s, s.n);
}

void
proxy_log_request(struct proxy *p, const struct proxy_flow *flow)
{
    const struct exchange *x = &flow->x;
    const struct http_field *host = NULL;
    struct json_object *event = event_log_new(p->setup.log, "http",
                                              proxy_wall_time(p));
    struct json_object *object = json_object_new_object();

    event_log_add_key(event, &flow->key);
    if (x->request.text) {
        host = http_head_find(&x->request, "Host", NULL);
        add_foreign(object, "method", x->request.method);
        add_foreign(object, "url", x->request.target);
    }
    if (host) {
        add_foreign(object, "host", host->value);
    }
    const char *result = exchange_result_name(x->result);
    json_object_object_add(object, "cache", json_object_new_string(result));
    add_u64(object, "status", x->status);
    add_u64(object, "bytes", flow->n_sent);
    add_u64(object, "duration_us", (p->now - flow->begin) / 1000);
    json_object_object_add(event, "http", object);
    event_log_write(p->setup.log, event);
}

void
proxy_log_stats(struct proxy *p)
{
    const struct proxy_stats *s = &p->stats;
    const struct cache_stats *c = &p->cache.stats;
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        { "packets", s->packets }, { "bytes", s->bytes },
        { "passed", s->passed }, { "to_kernel", s->to_kernel },
        { "from_kernel", s->from_kernel }, { "unknown", s->unknown },
        { "frozen", s->frozen },
        { "connections", p->flows.n },
        { "connections_created", s->flows_created },
        { "connections_ended", s->flows_ended },
        { "connections_imported", s->flows_imported },
        { "connections_deleted", s->flows_deleted },
        { "table_full", s->table_full }, { "timeouts", s->timeouts },
        { "requests", c->requests }, { "hits", c->hits },
        { "validated", c->validated }, { "misses", c->misses },
        { "passed_requests", c->passed }, { "errors", c->errors },
        { "origin_failures", s->origin_failures },
        { "hit_bytes", c->hit_bytes }, { "origin_bytes", c->origin_bytes },
        { "objects", p->cache.store.n_objects },
        { "object_bytes", p->cache.store.n_bytes },
        { "stored", c->stored }, { "evicted", p->cache.store.n_evicted },
        { "invalidated", c->invalidated },
        { "objects_imported", c->objects_imported },
        { "events_lost", event_log_n_lost(p->setup.log) },
    };
    struct json_object *event = event_log_new(p->setup.log, "stats",
                                              proxy_wall_time(p));
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        add_u64(object, counters[i].name, counters[i].value);
    }
    json_object_object_add(event, "stats", object);
    event_log_write(p->setup.log, event);
}
