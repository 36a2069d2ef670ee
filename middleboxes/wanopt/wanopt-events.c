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
#include "event-log.h"
#include "wanopt-private.h"

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
new_event(const struct wanopt *w, const char *type)
{
    return event_log_new(w->setup.log, type, wanopt_wall_time(w, w->now));
}

void
wanopt_log_flow(struct wanopt *w, const struct wanopt_flow *flow,
                const char *reason)
{
    struct json_object *event = new_event(w, "flow");
    struct json_object *object = json_object_new_object();
    char buf[EVENT_TIME_STRLEN];
    struct mbox_key key = flow->key;

    /* From the local end. */
    if (!wanopt_nets_have(&w->config->local, key.family, key.src)) {
        mbox_key_reverse(&key, &key);
    }
    event_log_add_key(event, &key);
    add_u64(object, "out_packets", flow->n_packets[WANOPT_OUT]);
    add_u64(object, "out_lan_bytes", flow->lan_bytes[WANOPT_OUT]);
    add_u64(object, "out_wan_bytes", flow->wan_bytes[WANOPT_OUT]);
    add_u64(object, "in_packets", flow->n_packets[WANOPT_IN]);
    add_u64(object, "in_lan_bytes", flow->lan_bytes[WANOPT_IN]);
    add_u64(object, "in_wan_bytes", flow->wan_bytes[WANOPT_IN]);
    event_format_time(flow->start, buf);
    add_string(object, "start", buf);
    event_format_time(wanopt_wall_time(w, flow->last_seen), buf);
    add_string(object, "end", buf);
    add_string(object, "reason", reason);
    json_object_object_add(event, "flow", object);
    event_log_write(w->setup.log, event);
}

void
wanopt_log_stats(struct wanopt *w)
{
    const struct wanopt_stats *s = wanopt_get_stats(w);
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        { "packets", s->packets }, { "bytes", s->bytes },
        { "passed", s->passed },
        { "out_packets", s->out_packets },
        { "out_lan_bytes", s->out_lan_bytes },
        { "out_wan_bytes", s->out_wan_bytes },
        { "encoded", s->encoded }, { "resent", s->resent },
        { "refs", s->refs }, { "ref_bytes", s->ref_bytes },
        { "in_packets", s->in_packets },
        { "in_lan_bytes", s->in_lan_bytes },
        { "in_wan_bytes", s->in_wan_bytes },
        { "decoded", s->decoded }, { "waited", s->waited },
        { "waiting", w->flows.n_waiting },
        { "asked", s->asked }, { "answers", s->answers },
        { "given", s->given }, { "gone", s->gone },
        { "chunks", w->dict.n_entries },
        { "chunk_bytes", w->dict.n_bytes },
        { "learned", s->learned }, { "evicted", s->evicted },
        { "chunks_imported", s->chunks_imported },
        { "flows", w->flows.n_flows },
        { "flows_created", s->flows_created },
        { "flows_imported", s->flows_imported },
        { "flows_ended", s->flows_ended },
        { "flows_deleted", s->flows_deleted },
        { "table_full", s->table_full },
        { "undecodable", s->undecodable },
        { "waiting_full", s->waiting_full },
        { "forged", s->forged }, { "malformed", s->malformed },
        { "inside", s->inside },
        { "events_lost", event_log_n_lost(w->setup.log) },
    };
    struct json_object *event = new_event(w, "stats");
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        add_u64(object, counters[i].name, counters[i].value);
    }
    json_object_object_add(event, "stats", object);
    event_log_write(w->setup.log, event);
}
