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

/* What is logged. */

#include <config.h>
#include <json-c/json.h>
#include <stdio.h>
#include "event-log.h"
#include "lb-private.h"

static void
add_u64(struct json_object *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

static void
add_string(struct json_object *object, const char *name, const char *value)
{
    json_object_object_add(object, name, json_object_new_string(value));
}

static struct json_object *
new_event(const struct lb *lb, const char *type)
{
    return event_log_new(lb->setup.log, type, lb_wall_time(lb, lb->now));
}

static void
add_traffic(struct json_object *object, const uint64_t packets[2],
            const uint64_t bytes[2])
{
    add_u64(object, "pkts_toserver", packets[LB_TO_BACKEND]);
    add_u64(object, "pkts_toclient", packets[LB_TO_CLIENT]);
    add_u64(object, "bytes_toserver", bytes[LB_TO_BACKEND]);
    add_u64(object, "bytes_toclient", bytes[LB_TO_CLIENT]);
}

void
lb_log_connection(struct lb *lb, const struct lb_conn *conn,
                  const char *reason)
{
    struct json_object *event = new_event(lb, "connection");
    struct json_object *object = json_object_new_object();
    char buf[EVENT_TIME_STRLEN];

    event_log_add_key(event, &conn->places[LB_TO_BACKEND].key);
    add_string(object, "service", conn->backend->service->config->name);
    add_string(object, "backend", conn->backend->config->name);
    add_string(object, "state", lb_state_to_string(conn->state));
    add_traffic(object, conn->n_packets, conn->n_bytes);
    event_format_time(conn->start, buf);
    add_string(object, "start", buf);
    event_format_time(lb_wall_time(lb, conn->last_seen), buf);
    add_string(object, "end", buf);
    add_string(object, "reason", reason);
    json_object_object_add(event, "connection", object);
    event_log_write(lb->setup.log, event);
}

static void
add_health(struct json_object *object, const struct lb_backend *backend)
{
    char mac[18];

    add_string(object, "service", backend->service->config->name);
    add_string(object, "backend", backend->config->name);
    add_string(object, "health", lb_health_to_string(backend->health.state));
    if (backend->has_mac) {
        const uint8_t *m = backend->mac;

        snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1],
                 m[2], m[3], m[4], m[5]);
        add_string(object, "mac", mac);
    }
    add_u64(object, "connections", backend->n_conns);
}

void
lb_log_backend(struct lb *lb, const struct lb_backend *backend)
{
    struct json_object *event = new_event(lb, "backend");
    struct json_object *object = json_object_new_object();

    add_health(object, backend);
    json_object_object_add(event, "backend", object);
    event_log_write(lb->setup.log, event);
}

void
lb_log_stats(struct lb *lb)
{
    const struct lb_stats *s = &lb->stats;
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        { "packets", s->packets }, { "bytes", s->bytes },
        { "to_backends", s->to_backends }, { "to_clients", s->to_clients },
        { "icmp_errors", s->icmp_errors }, { "passed", s->passed },
        { "connections", lb->table.n_conns }, { "created", s->created },
        { "adopted", s->adopted }, { "imported", s->imported },
        { "ended", s->ended }, { "deleted", s->deleted },
        { "reassigned", s->reassigned }, { "checks", s->checks },
        { "no_backend", s->no_backend }, { "no_service", s->no_service },
        { "no_connection", s->no_connection },
        { "fragments", s->fragments }, { "malformed", s->malformed },
        { "table_full", s->table_full },
        { "events_lost", event_log_n_lost(lb->setup.log) },
    };
    struct json_object *event = new_event(lb, "stats");
    struct json_object *object = json_object_new_object();
    struct json_object *backends = json_object_new_array();

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        add_u64(object, counters[i].name, counters[i].value);
    }
    json_object_object_add(event, "stats", object);
    for (size_t i = 0; i < lb->config->n_services; i++) {
        const struct lb_service *service = &lb->services[i];

        for (size_t j = 0; j < service->config->n_backends; j++) {
            const struct lb_backend *backend = &service->backends[j];

            object = json_object_new_object();
            add_health(object, backend);
            add_u64(object, "created", backend->n_created);
            add_traffic(object, backend->n_packets, backend->n_bytes);
            json_object_array_add(backends, object);
        }
    }
    json_object_object_add(event, "backends", backends);
    event_log_write(lb->setup.log, event);
}
