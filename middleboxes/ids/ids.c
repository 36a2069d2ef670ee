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
#include "ids.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "event-log.h"
#include "ids-http.h"
#include "ids-private.h"
#include "ids-scan.h"
#include "mbox-fnv.h"
#include "packet-trace.h"

#define SECOND UINT64_C(1000000000)

static const struct ids_tcp_user tcp_user;

struct ids *
ids_create(const struct ids_config *config)
{
    struct ids *ids = calloc(1, sizeof *ids);

    if (!ids) {
        abort();
    }
    ids->config = *config;
    ids->rules = ids_sigs_rules(config->sigs);
    ids->scanner = ids_scanner_create(config->sigs);
    ids->limits.half_limit = IDS_TCP_HALF_LIMIT;
    ids->limits.total_limit = IDS_TCP_TOTAL_LIMIT;
    ids->now = config->now;
    ids_table_init(&ids->table, config->now);
    return ids;
}

void
ids_flow_destroy(struct ids *ids, struct ids_flow *flow)
{
    if (flow->tcp) {
        for (int dir = 0; dir < 2; dir++) {
            struct ids_half *half = &flow->tcp->half[dir];

            ids_half_clear(half, &ids->limits);
            ids_sig_end(ids->scanner, &half->sig, dir, NULL, NULL);
        }
        ids_http_destroy(flow->tcp->http);
    }
    ids_flow_free(flow);
}

static int
destroy_one(void *ids_, struct ids_flow *flow)
{
    struct ids *ids = ids_;

    ids_table_remove(&ids->table, flow);
    ids_flow_destroy(ids, flow);
    return 0;
}

void
ids_destroy(struct ids *ids)
{
    if (ids) {
        ids_table_for_each(&ids->table, destroy_one, ids);
        ids_table_uninit(&ids->table);
        ids_scanner_destroy(ids->scanner);
        free(ids);
    }
}

/* Events. */

static uint64_t
wall_time(const struct ids *ids, uint64_t now)
{
    return ids->config.wall + (now - ids->config.now) / 1000;
}

static void
add_foreign_string(struct json_object *object, const char *name,
                   const char *s)
{
    event_log_add_foreign(object, name, s, strlen(s));
}

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

/* Adds the flow's id, addresses and ports as seen by 'dir', and so on. */
static void
add_flow(struct json_object *event, const struct ids_flow *flow,
         enum ids_dir dir)
{
    struct mbox_key key;

    ids_flow_dir_key(flow, dir, &key);
    json_object_object_add(event, "flow_id",
                           json_object_new_uint64(flow->id));
    event_log_add_key(event, &key);
    add_string(event, "direction",
               dir == IDS_TO_SERVER ? "to_server" : "to_client");
}

static struct json_object *
new_alert(uint32_t gid, uint32_t sid, uint32_t rev, const char *msg,
          const char *classtype, unsigned int severity)
{
    struct json_object *alert = json_object_new_object();

    add_string(alert, "action", "allowed");
    add_u64(alert, "gid", gid);
    add_u64(alert, "signature_id", sid);
    add_u64(alert, "rev", rev);
    add_foreign_string(alert, "signature", msg);
    if (classtype) {
        add_foreign_string(alert, "category", classtype);
    }
    add_u64(alert, "severity", severity);
    return alert;
}

static void
log_scan(struct ids *ids, const struct mbox_key *key,
         enum ids_scan_verdict verdict, uint32_t n)
{
    bool ports = verdict == IDS_SCAN_PORTS;
    struct json_object *event = event_log_new(
        ids->config.log, "alert", wall_time(ids, ids->now));

    event_log_add_key(event, key);
    json_object_object_add(
        event, "alert",
        new_alert(IDS_SCAN_GID,
                  ports ? IDS_SCAN_SID_PORTS : IDS_SCAN_SID_HOSTS, 1,
                  ports ? "port scan" : "host sweep", "attempted-recon", 2));
    add_u64(event, ports ? "distinct_ports" : "distinct_hosts", n);
    event_log_write(ids->config.log, event);
    ids->stats.alerts++;
}

struct http_ctx {
    struct ids *ids;
    struct ids_flow *flow;
};

static void
log_http(void *ctx_, const struct ids_http_request *r, uint32_t index)
{
    struct http_ctx *ctx = ctx_;
    struct ids *ids = ctx->ids;
    struct json_object *event = event_log_new(
        ids->config.log, "http", wall_time(ids, ids->now));
    struct json_object *http = json_object_new_object();
    char protocol[16];

    add_flow(event, ctx->flow, IDS_TO_SERVER);
    add_u64(event, "tx_id", index);
    if (r->host) {
        add_foreign_string(http, "hostname", r->host);
    }
    add_foreign_string(http, "url", r->uri);
    if (r->user_agent) {
        add_foreign_string(http, "http_user_agent", r->user_agent);
    }
    add_foreign_string(http, "http_method", r->method);
    snprintf(protocol, sizeof protocol, "HTTP/1.%u", r->minor_version);
    add_string(http, "protocol", protocol);
    if (r->truncated) {
        json_object_object_add(http, "truncated",
                               json_object_new_boolean(true));
    }
    json_object_object_add(event, "http", http);
    event_log_write(ids->config.log, event);
    ids->stats.http_requests++;
}

static const char *
tcp_state_name(const struct ids_flow *flow)
{
    switch (flow->tcp->state) {
    case IDS_TCP_NEW:
        return "new";
    case IDS_TCP_OPEN:
        return "established";
    default:
        return flow->tcp->reset ? "reset" : "closed";
    }
}

static void
log_flow(struct ids *ids, const struct ids_flow *flow, enum ids_end reason)
{
    static const char *const reasons[] = {
        [IDS_END_TIMEOUT] = "timeout", [IDS_END_CLOSED] = "closed",
        [IDS_END_REUSED] = "reused", [IDS_END_SHUTDOWN] = "shutdown",
    };
    struct json_object *event = event_log_new(
        ids->config.log, "flow", wall_time(ids, ids->now));
    struct json_object *object = json_object_new_object();
    char buf[EVENT_TIME_STRLEN];

    add_flow(event, flow, IDS_TO_SERVER);
    json_object_object_del(event, "direction");
    add_u64(object, "pkts_toserver", flow->n_packets[IDS_TO_SERVER]);
    add_u64(object, "pkts_toclient", flow->n_packets[IDS_TO_CLIENT]);
    add_u64(object, "bytes_toserver", flow->n_bytes[IDS_TO_SERVER]);
    add_u64(object, "bytes_toclient", flow->n_bytes[IDS_TO_CLIENT]);
    event_format_time(flow->start, buf);
    add_string(object, "start", buf);
    event_format_time(wall_time(ids, flow->last_seen), buf);
    add_string(object, "end", buf);
    add_string(object, "reason", reasons[reason]);
    json_object_object_add(object, "alerted",
                           json_object_new_boolean(flow->n_marks > 0
                               && !(flow->marks[0] & IDS_MARK_PATTERN)));
    json_object_object_add(event, "flow", object);

    if (flow->tcp) {
        object = json_object_new_object();
        add_string(object, "state", tcp_state_name(flow));
        for (int dir = 0; dir < 2; dir++) {
            const struct ids_half *half = &flow->tcp->half[dir];
            struct json_object *side = json_object_new_object();

            add_u64(side, "stream_bytes", half->offset);
            for (int i = 0; i < IDS_N_ANOMALIES; i++) {
                if (half->n[i]) {
                    add_u64(side, ids_anomaly_to_string(i), half->n[i]);
                }
            }
            json_object_object_add(object, dir == IDS_TO_SERVER
                                   ? "to_server" : "to_client", side);
        }
        json_object_object_add(event, "tcp", object);
    }
    event_log_write(ids->config.log, event);
}

/* Detection. */

struct match_ctx {
    struct ids *ids;
    struct ids_flow *flow;
    enum ids_dir dir;
    uint64_t base;              /* Added to the offsets of matches. */
};

static void
log_alert(const struct match_ctx *ctx, const struct ids_rule *rule,
          uint64_t end)
{
    struct ids *ids = ctx->ids;
    struct json_object *event = event_log_new(
        ids->config.log, "alert", wall_time(ids, ids->now));

    add_flow(event, ctx->flow, ctx->dir);
    json_object_object_add(event, "alert",
                           new_alert(1, rule->sid, rule->rev, rule->msg,
                                     rule->classtype, rule->priority));
    add_u64(event, "stream_offset", ctx->base + end);
    event_log_write(ids->config.log, event);
    ids->stats.alerts++;
}

static void
on_match(void *ctx_, uint32_t pattern, uint64_t end)
{
    const struct match_ctx *ctx = ctx_;
    const struct ids_rules *rules = ctx->ids->rules;
    uint32_t index = rules->patterns[pattern].rule;
    const struct ids_rule *rule = &rules->rules[index];
    uint32_t dir_bit = ctx->dir == IDS_TO_CLIENT ? IDS_MARK_CLIENT : 0;
    struct mbox_key key;

    if (ids_flow_has_mark(ctx->flow, index | dir_bit)) {
        return;
    }
    ids_flow_dir_key(ctx->flow, ctx->dir, &key);
    if (!ids_rule_applies(rule, &key, ctx->dir)) {
        return;
    }
    if (rule->n_patterns > 1) {
        ids_flow_add_mark(ctx->flow, pattern | IDS_MARK_PATTERN | dir_bit);
        for (uint32_t i = 0; i < rule->n_patterns; i++) {
            if (!ids_flow_has_mark(ctx->flow, (rule->first_pattern + i)
                                   | IDS_MARK_PATTERN | dir_bit)) {
                return;
            }
        }
    }
    if (ids_flow_add_mark(ctx->flow, index | dir_bit)) {
        log_alert(ctx, rule, end);
    }
}

/* The streams. */

static void
stream_data(void *ids_, struct ids_flow *flow, enum ids_dir dir,
            uint64_t offset, const uint8_t *data, size_t len)
{
    struct ids *ids = ids_;
    struct ids_tcp *tcp = flow->tcp;
    struct ids_half *half = &tcp->half[dir];

    (void) offset;
    ids->stats.stream_bytes += len;

    struct match_ctx match = { ids, flow, dir, half->sig_base };
    ids_sig_scan(ids->scanner, &half->sig, dir, data, len, on_match, &match);

    if (dir == IDS_TO_SERVER && !tcp->not_http) {
        struct http_ctx http = { ids, flow };

        if (!tcp->http) {
            tcp->http = ids_http_create();
        }
        if (!ids_http_parse(tcp->http, data, len, log_http, &http)) {
            ids_http_destroy(tcp->http);
            tcp->http = NULL;
            tcp->not_http = true;
        }
    }
}

static void
stream_gap(void *ids_, struct ids_flow *flow, enum ids_dir dir,
           uint64_t offset, uint32_t len)
{
    struct ids *ids = ids_;
    struct ids_half *half = &flow->tcp->half[dir];

    ids->stats.gap_bytes += len;
    ids_sig_end(ids->scanner, &half->sig, dir, NULL, NULL);
    half->sig_base = offset + len;
    if (dir == IDS_TO_SERVER) {
        ids_http_destroy(flow->tcp->http);
        flow->tcp->http = NULL;
        flow->tcp->not_http = true;
    }
}

static void
stream_end(void *ids_, struct ids_flow *flow, enum ids_dir dir)
{
    struct ids *ids = ids_;
    struct ids_half *half = &flow->tcp->half[dir];
    struct match_ctx match = { ids, flow, dir, half->sig_base };

    ids_sig_end(ids->scanner, &half->sig, dir, on_match, &match);
    if (dir == IDS_TO_SERVER) {
        ids_http_destroy(flow->tcp->http);
        flow->tcp->http = NULL;
        flow->tcp->not_http = true;
    }
}

static void
stream_anomaly(void *ids_, struct ids_flow *flow, enum ids_dir dir,
               enum ids_anomaly anomaly)
{
    struct ids *ids = ids_;

    if (anomaly == IDS_RETRANSMITTED || anomaly == IDS_OUT_OF_ORDER) {
        return;
    }

    struct json_object *event = event_log_new(
        ids->config.log, "anomaly", wall_time(ids, ids->now));
    struct json_object *object = json_object_new_object();

    add_flow(event, flow, dir);
    add_string(object, "type", "stream");
    add_string(object, "event", ids_anomaly_to_string(anomaly));
    json_object_object_add(event, "anomaly", object);
    add_u64(event, "stream_offset", flow->tcp->half[dir].offset);
    event_log_write(ids->config.log, event);
    ids->stats.anomalies++;
}

static const struct ids_tcp_user tcp_user = {
    .data = stream_data,
    .gap = stream_gap,
    .end = stream_end,
    .anomaly = stream_anomaly,
};

/* Flows. */

static uint64_t
timeout(const struct ids_flow *flow)
{
    static const uint32_t tcp[IDS_TCP_N_STATES] = {
        [IDS_TCP_NEW] = IDS_TIMEOUT_TCP_NEW,
        [IDS_TCP_OPEN] = IDS_TIMEOUT_TCP_OPEN,
        [IDS_TCP_CLOSED] = IDS_TIMEOUT_TCP_CLOSED,
    };

    return SECOND * (flow->tcp ? tcp[flow->tcp->state] : IDS_TIMEOUT_OTHER);
}

static bool
has_open_streams(const struct ids_flow *flow)
{
    return flow->tcp && (ids_sig_is_open(&flow->tcp->half[0].sig)
                         || ids_sig_is_open(&flow->tcp->half[1].sig));
}

uint64_t
ids_flow_wake_time(const struct ids_flow *flow)
{
    return flow->last_seen + (has_open_streams(flow)
                              ? IDS_PACK_SECONDS * SECOND : timeout(flow));
}

/* Logs and forgets a flow. */
static void
end_flow(struct ids *ids, struct ids_flow *flow, enum ids_end reason)
{
    if (flow->tcp) {
        for (int dir = 0; dir < 2; dir++) {
            const uint32_t *n = flow->tcp->half[dir].n;

            ids->stats.retransmitted += n[IDS_RETRANSMITTED];
            ids->stats.out_of_order += n[IDS_OUT_OF_ORDER];
            ids->stats.reordered += n[IDS_REORDERED];
        }
    }
    log_flow(ids, flow, reason);
    ids->stats.flows_ended++;
    ids_table_remove(&ids->table, flow);
    ids_flow_destroy(ids, flow);
}

static void
look_at_flow(void *ids_, struct ids_flow *flow)
{
    struct ids *ids = ids_;

    if (wheel_is_over(flow->last_seen + timeout(flow), ids->now)) {
        struct mbox_key key = flow->key;

        if (ids->config.is_pending
            && ids->config.is_pending(ids->config.aux, &key)) {
            ids_table_wake(&ids->table, flow,
                           ids->now + IDS_PENDING_SECONDS * SECOND);
            return;
        }

        bool closed = flow->tcp && flow->tcp->state == IDS_TCP_CLOSED;

        end_flow(ids, flow, closed ? IDS_END_CLOSED : IDS_END_TIMEOUT);
        if (ids->config.dirty) {
            ids->config.dirty(ids->config.aux, false, &key);
        }
        return;
    }
    if (has_open_streams(flow)
        && wheel_is_over(flow->last_seen + IDS_PACK_SECONDS * SECOND,
                         ids->now)) {
        ids_sig_pack(ids->scanner, &flow->tcp->half[0].sig);
        ids_sig_pack(ids->scanner, &flow->tcp->half[1].sig);
    }
    ids_table_wake(&ids->table, flow, ids_flow_wake_time(flow));
}

void
ids_set_time(struct ids *ids, uint64_t now)
{
    if (now > ids->now) {
        ids->now = now;
    }
}

void
ids_tick(struct ids *ids, uint64_t now)
{
    ids_set_time(ids, now);
    ids_table_advance(&ids->table, ids->now, look_at_flow, ids);
    ids_scan_tick(ids->config.scan, ids->now);
}

static int
finish_one(void *ids_, struct ids_flow *flow)
{
    end_flow(ids_, flow, IDS_END_SHUTDOWN);
    return 0;
}

void
ids_finish(struct ids *ids, uint64_t now)
{
    ids_set_time(ids, now);
    ids_table_for_each(&ids->table, finish_one, ids);
}

/* Guesses who the client is when the beginning was not seen: the side whose
 * port is not a well-known one. */
static bool
sender_is_server(const struct mbox_key *key, const struct ids_segment_info *s)
{
    if (s && (s->flags & TH_SYN)) {
        return s->flags & TH_ACK;
    }
    return s && key->src_port < 1024 && key->src_port < key->dst_port;
}

/* Makes an id of a flow that begins at 'start': the same in each run on the
 * same packets, which mbox_key_hash() would not give.  Folded to 51 bits,
 * which any reader of JSON takes exactly. */
static uint64_t
make_flow_id(const struct mbox_key *canonical, uint64_t start)
{
    uint64_t h = MBOX_FNV1A_INIT;

    h = mbox_fnv1a(h, canonical, sizeof *canonical);
    h = mbox_fnv1a(h, &start, sizeof start);
    return (h ^ h >> 51) & ((UINT64_C(1) << 51) - 1);
}

static struct ids_flow *
new_flow(struct ids *ids, const struct mbox_key *key,
         const struct mbox_key *canonical, bool is_reverse,
         const struct ids_segment_info *s)
{
    bool from_server = sender_is_server(key, s);
    struct ids_flow *flow = ids_flow_create(canonical,
                                            is_reverse != from_server);

    flow->start = wall_time(ids, ids->now);
    flow->id = make_flow_id(canonical, flow->start);
    flow->last_seen = ids->now;
    ids->stats.flows_created++;
    ids_table_insert(&ids->table, flow, ids_flow_wake_time(flow));

    if (!from_server
        && (key->proto == IPPROTO_UDP
            || (s && (s->flags & (TH_SYN | TH_ACK)) == TH_SYN))) {
        uint32_t n;
        enum ids_scan_verdict verdict = ids_scan_attempt(ids->config.scan,
                                                         key, ids->now, &n);

        if (verdict >= IDS_SCAN_PORTS) {
            log_scan(ids, key, verdict, n);
        }
        if (verdict != IDS_SCAN_NOTHING && ids->config.dirty) {
            struct mbox_key host;

            ids_scan_key(key->family, key->src, &host);
            ids->config.dirty(ids->config.aux, true, &host);
        }
    }
    return flow;
}

/* Finds the flow of a packet, or begins it if the packet can. */
static struct ids_flow *
find_flow(struct ids *ids, const struct mbox_key *key,
          const struct mbox_key *canonical, bool is_reverse,
          const struct ids_segment_info *s)
{
    struct ids_flow *flow = ids_table_find(&ids->table, canonical);
    bool syn = s && (s->flags & (TH_SYN | TH_ACK)) == TH_SYN;

    if (flow && syn && flow->tcp->state == IDS_TCP_CLOSED) {
        end_flow(ids, flow, IDS_END_REUSED);
        flow = NULL;
    }
    if (!flow && (!s || s->flags & TH_SYN
                  || (s->len && !(s->flags & TH_RST)))) {
        flow = new_flow(ids, key, canonical, is_reverse, s);
    }
    return flow;
}

static void
process_udp(struct ids *ids, struct ids_flow *flow, enum ids_dir dir,
            const uint8_t *payload, size_t len)
{
    struct match_ctx match = { ids, flow, dir, 0 };

    ids_sig_scan_datagram(ids->scanner, payload, len, on_match, &match);
}

void
ids_packet(struct ids *ids, uint64_t now, const void *frame_, size_t len,
           const struct mbox_key *key,
           const struct mbox_packet_layout *layout)
{
    const uint8_t *frame = frame_;
    const uint8_t *l4 = frame + layout->l4_ofs;
    size_t l4_len = 0;
    struct ids_segment_info segment;
    struct ids_segment_info *s = NULL;
    struct mbox_key canonical;

    ids_set_time(ids, now);
    now = ids->now;
    ids->stats.packets++;
    ids->stats.bytes += len;
    if (!key->family) {
        ids->stats.not_ip++;
        return;
    }
    if (layout->l4_ofs && layout->l3_end > layout->l4_ofs
        && layout->l3_end <= len) {
        l4_len = layout->l3_end - layout->l4_ofs;
    }
    if (ids->config.trace && l4_len) {
        packet_trace_packet(ids->config.trace, now, key, l4, l4_len);
    }
    if (layout->first_frag || layout->later_frag) {
        ids->stats.fragments++;
        if (layout->later_frag) {
            return;
        }
    }
    if (key->proto == IPPROTO_TCP) {
        s = &segment;
        if (!ids_segment_parse(l4, l4_len, s)) {
            ids->stats.malformed++;
            return;
        }
    } else if (key->proto == IPPROTO_UDP && l4_len < 8) {
        ids->stats.malformed++;
        return;
    }

    bool is_reverse = mbox_key_canonical(key, &canonical);
    struct ids_flow *flow = find_flow(ids, key, &canonical, is_reverse, s);
    if (!flow) {
        return;
    }

    enum ids_dir dir = ids_flow_dir(flow, is_reverse);
    flow->last_seen = now;
    flow->n_packets[dir]++;
    flow->n_bytes[dir] += len;
    if (s) {
        struct ids_tcp_user user = tcp_user;

        user.aux = ids;
        ids_tcp_segment(flow, dir, s, now, &ids->limits, &user);
    } else if (key->proto == IPPROTO_UDP && !layout->first_frag) {
        process_udp(ids, flow, dir, l4 + 8, l4_len - 8);
    }
    ids_table_wake(&ids->table, flow, ids_flow_wake_time(flow));
}

/* Figures. */

size_t
ids_n_flows(const struct ids *ids)
{
    return ids->table.n;
}

const struct ids_stats *
ids_get_stats(const struct ids *ids)
{
    return &ids->stats;
}

/* The counters, by name. */
static const struct {
    const char *name;
    size_t offset;
} counters[] = {
#define COUNTER(NAME) { #NAME, offsetof(struct ids_stats, NAME) }
    COUNTER(packets), COUNTER(bytes), COUNTER(not_ip), COUNTER(malformed),
    COUNTER(fragments), COUNTER(flows_created), COUNTER(flows_imported),
    COUNTER(flows_ended), COUNTER(flows_deleted), COUNTER(alerts),
    COUNTER(http_requests), COUNTER(anomalies), COUNTER(stream_bytes),
    COUNTER(gap_bytes), COUNTER(retransmitted), COUNTER(out_of_order),
    COUNTER(reordered),
#undef COUNTER
};
#define N_COUNTERS (sizeof counters / sizeof counters[0])
_Static_assert(N_COUNTERS * sizeof(uint64_t) == sizeof(struct ids_stats),
               "every counter is in the table");

static uint64_t *
counter(const struct ids_stats *stats, size_t i)
{
    return (uint64_t *) ((char *) stats + counters[i].offset);
}

void
ids_stats_add(struct ids_stats *a, const struct ids_stats *b)
{
    for (size_t i = 0; i < N_COUNTERS; i++) {
        *counter(a, i) += *counter(b, i);
    }
}

void
ids_log_stats(struct event_log *log, const struct ids_stats *stats,
              size_t n_flows, uint64_t wall)
{
    struct json_object *event = event_log_new(log, "stats", wall);
    struct json_object *object = json_object_new_object();

    add_u64(object, "flows", n_flows);
    for (size_t i = 0; i < N_COUNTERS; i++) {
        add_u64(object, counters[i].name, *counter(stats, i));
    }
    add_u64(object, "events_lost", event_log_n_lost(log));
    json_object_object_add(event, "stats", object);
    event_log_write(log, event);
}
