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
#include "mbox-transfer-private.h"

#include <inttypes.h>

#include "openvswitch/json.h"
#include "util.h"

const char *
mbox_phase_to_string(enum mbox_phase phase)
{
    switch (phase) {
    case MBOX_PHASE_PREPARING: return "preparing";
    case MBOX_PHASE_PRECOPY: return "pre-copy";
    case MBOX_PHASE_REPLICATING: return "replicating";
    case MBOX_PHASE_ARMING: return "arming";
    case MBOX_PHASE_HOLDING: return "holding";
    case MBOX_PHASE_RELEASING: return "releasing";
    case MBOX_PHASE_STOPPING: return "stopping";
    case MBOX_PHASE_EXPORTING: return "exporting";
    case MBOX_PHASE_DUPLICATING: return "duplicating";
    case MBOX_PHASE_ROUTING: return "routing";
    case MBOX_PHASE_FLUSHING: return "flushing";
    case MBOX_PHASE_SALVAGING: return "salvaging";
    case MBOX_PHASE_SPLITTING: return "splitting";
    case MBOX_PHASE_ROLLBACK: return "rolling back";
    case MBOX_PHASE_COMMITTING: return "committing";
    case MBOX_PHASE_DONE: return "done";
    case MBOX_N_PHASES: break;
    }
    OVS_NOT_REACHED();
}

const char *
mbox_transfer_result_to_string(enum mbox_method method,
                               enum mbox_transfer_result result)
{
    switch (result) {
    case MBOX_TRANSFER_OPEN: return "in progress";
    case MBOX_TRANSFER_MOVED:
        return method == MBOX_METHOD_COPY ? "copied" : "moved";
    case MBOX_TRANSFER_ROLLED_BACK: return "rolled back";
    case MBOX_TRANSFER_SPLIT: return "split";
    }
    OVS_NOT_REACHED();
}

/* Figures. */

static void
mbox_replica_get_report(const struct mbox_transfer *t, long long now_us,
                        struct mbox_replica_report *report)
{
    const struct mbox_replica *r = &t->replica;
    bool failed_over = r->failover_us >= 0;

    if (!mbox_transfer_is_replica(t)) {
        return;
    }
    report->rounds = t->precopy_rounds;
    report->skipped = r->skipped;
    report->chunks = r->round_chunks;
    report->bytes = r->round_bytes;
    report->age_us = (r->complete_us < 0 ? -1
                      : (failed_over ? r->failover_us : now_us)
                        - r->complete_us);
    report->lost_us = (r->complete_us < 0 || r->lost_us < 0 ? -1
                       : r->lost_us - r->complete_us);
    report->cut_off = r->cut_off;
    report->failover = (!failed_over ? MBOX_FAILOVER_NONE
                        : t->result != MBOX_TRANSFER_MOVED ? MBOX_FAILOVER_OPEN
                        : t->installed && !t->salvaged
                        ? MBOX_FAILOVER_COMPLETE : MBOX_FAILOVER_STALE);
}

void
mbox_transfer_copy_error(const struct mbox_transfer *t,
                         char error[MBOX_TEXT_MAX + 1])
{
    const char *s = ds_cstr_ro(&t->error);
    size_t n = t->error.length;

    if (n > MBOX_TEXT_MAX) {
        n = MBOX_TEXT_MAX;
        while (n && (s[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    memcpy(error, s, n);
    error[n] = '\0';
}

void
mbox_transfer_get_report(const struct mbox_transfer *t,
                         struct mbox_transfer_report *report)
{
    long long now_us = t->done_us >= 0 ? t->done_us : t->ops->now_us(t->aux);
    struct mbox_transfer_dp_stats stats;

    mbox_transfer_get_dp_stats(t, &stats);
    memset(report, 0, sizeof *report);
    report->result = t->result;
    report->phase = mbox_phase_to_string(t->phase);
    mbox_transfer_copy_error(t, report->error);
    report->flows_moved = (t->result == MBOX_TRANSFER_ROLLED_BACK
                           ? 0 : t->flows);
    report->chunks = t->chunks;
    report->state_bytes = t->bytes;
    report->gone = t->gone;
    report->precopy_rounds = t->precopy_rounds;
    report->packets_seen = stats.n_packets;
    report->packets_held = stats.n_held;
    report->packets_returned = t->packets_returned;
    report->packets_dup = t->packets_dup;
    report->packets_discarded = t->discarded + stats.n_dropped;
    report->packets_lost = t->packets_lost + stats.n_overflow;
    report->tracers_sent = t->tracers_sent;
    report->max_held_bytes = MAX(stats.max_bytes, t->buffer.max_bytes);
    report->start_us = t->start_us;
    report->transfer_us = (t->phase_us[MBOX_PHASE_COMMITTING] >= 0
                           ? t->phase_us[MBOX_PHASE_COMMITTING]
                           : now_us - t->start_us);
    if (t->replica.failover_us >= 0) {
        report->transfer_us -= t->replica.failover_us - t->start_us;
    }
    mbox_replica_get_report(t, now_us, &report->replica);
    if (t->hold_start_us >= 0) {
        report->hold_us = (t->hold_end_us >= 0
                           ? t->hold_end_us : now_us) - t->hold_start_us;
    }
    report->hold_ms_max = MAX(stats.hold_max_ns / 1e6,
                              MAX(t->buffer.max_us,
                                  t->dst_buffer.max_us) / 1e3);

    BUILD_ASSERT_DECL(ARRAY_SIZE(report->phases) >= MBOX_N_PHASES);
    report->n_phases = t->n_phases;
    for (size_t i = 0; i < t->n_phases; i++) {
        report->phases[i].phase = mbox_phase_to_string(t->phases[i]);
        report->phases[i].at_us = t->phase_us[t->phases[i]];
    }
}

/* Text. */

static void
mbox_report_put_count(struct ds *ds, uint64_t n, const char *one,
                      const char *many)
{
    ds_put_format(ds, "%"PRIu64" %s", n, n == 1 ? one : many);
}

static void
mbox_report_put_bytes(struct ds *ds, uint64_t n)
{
    if (n < 1000) {
        mbox_report_put_count(ds, n, "byte", "bytes");
    } else if (n < 1000 * 1000) {
        ds_put_format(ds, "%.1f kB", n / 1e3);
    } else {
        ds_put_format(ds, "%.1f MB", n / 1e6);
    }
}

static void
mbox_report_put_state(struct ds *ds, const struct mbox_transfer_report *r)
{
    ds_put_cstr(ds, "  state     ");
    mbox_report_put_count(ds, r->flows_moved, "flow", "flows");
    ds_put_cstr(ds, " in ");
    mbox_report_put_count(ds, r->chunks, "chunk", "chunks");
    ds_put_cstr(ds, ", ");
    mbox_report_put_bytes(ds, r->state_bytes);
    if (r->gone) {
        ds_put_format(ds, "; %"PRIu64" ended meanwhile", r->gone);
    }
    if (r->precopy_rounds) {
        ds_put_cstr(ds, "; pre-copied in ");
        mbox_report_put_count(ds, r->precopy_rounds, "round", "rounds");
    }
    ds_put_char(ds, '\n');
}

static void
mbox_report_put_packets(struct ds *ds, const struct mbox_transfer_report *r)
{
    ds_put_format(ds, "  packets   %"PRIu64" seen, %"PRIu64" held",
                  r->packets_seen, r->packets_held);
    if (r->packets_returned) {
        ds_put_format(ds, ", %"PRIu64" returned", r->packets_returned);
    }
    if (r->packets_dup) {
        ds_put_format(ds, ", %"PRIu64" duplicated to the coordinator",
                      r->packets_dup);
    }
    if (r->packets_discarded) {
        ds_put_format(ds, ", %"PRIu64" discarded", r->packets_discarded);
    }
    ds_put_format(ds, ", %"PRIu64" lost", r->packets_lost);
    if (r->max_held_bytes) {
        ds_put_cstr(ds, "; at most ");
        mbox_report_put_bytes(ds, r->max_held_bytes);
        ds_put_cstr(ds, " kept");
    }
    ds_put_char(ds, '\n');
}

static void
mbox_report_put_times(struct ds *ds, const struct mbox_transfer_report *r)
{
    ds_put_format(ds, "  time      %.2f ms", r->transfer_us / 1e3);
    if (r->hold_us) {
        ds_put_format(ds, ", held for %.2f ms, a packet for at most %.2f ms",
                      r->hold_us / 1e3, r->hold_ms_max);
    }
    if (r->tracers_sent) {
        ds_put_cstr(ds, "; ");
        mbox_report_put_count(ds, r->tracers_sent, "tracer", "tracers");
    }
    ds_put_cstr(ds, "\n  phases   ");
    for (size_t i = 0; i < r->n_phases; i++) {
        ds_put_format(ds, "%s %s %.2f", i ? "," : "", r->phases[i].phase,
                      r->phases[i].at_us / 1e3);
    }
    ds_put_cstr(ds, " ms\n");
}

void
mbox_replica_report_format(const struct mbox_transfer_request *request,
                           const struct mbox_replica_report *r, struct ds *ds)
{
    ds_put_format(ds, "every %lld ms, ", request->every_ms);
    mbox_report_put_count(ds, r->rounds, "round", "rounds");
    ds_put_format(ds, " (%"PRIu64" skipped)", r->skipped);
    if (r->age_us < 0) {
        return;
    }
    ds_put_cstr(ds, ", the last of ");
    mbox_report_put_count(ds, r->chunks, "chunk", "chunks");
    ds_put_cstr(ds, ", ");
    mbox_report_put_bytes(ds, r->bytes);
    if (r->failover == MBOX_FAILOVER_COMPLETE) {
        ds_put_cstr(ds, "; the source gave the rest: nothing is missing");
        return;
    }
    ds_put_format(ds, "; %s %.1f ms old",
                  r->failover == MBOX_FAILOVER_STALE ? "taken over," : "now",
                  r->age_us / 1e3);
    if (r->lost_us >= 0) {
        ds_put_format(ds, ", source lost after %.1f ms", r->lost_us / 1e3);
    }
    if (r->cut_off && r->failover == MBOX_FAILOVER_NONE) {
        ds_put_cstr(ds, "; no more rounds: kept for mbox/failover");
    }
}

void
mbox_transfer_report_format(const struct mbox_transfer_request *request,
                            const struct mbox_transfer_report *r,
                            struct ds *ds)
{
    char space[MBOX_SPACE_STRLEN];

    ds_put_format(ds, "transfer %"PRIu32": %s", request->id,
                  mbox_transfer_result_to_string(request->method, r->result));
    if (r->result == MBOX_TRANSFER_OPEN) {
        ds_put_format(ds, ", %s", r->phase);
    }
    ds_put_format(ds, "\n  flows     %s of class %s, from %s to %s\n",
                  mbox_space_format(&request->space, space, sizeof space),
                  request->class_name, request->src, request->dst);
    if (r->error[0]) {
        ds_put_format(ds, "  error     %s\n", r->error);
    }
    ds_put_format(ds, "  method    %s",
                  mbox_method_to_string(request->method));
    if (request->method != MBOX_METHOD_COPY) {
        ds_put_format(ds, ", %s",
                      mbox_guarantee_to_string(request->guarantee));
    }
    ds_put_char(ds, '\n');
    if (request->output[0]) {
        ds_put_format(ds, "  output    only what %s() needs\n",
                      request->output);
    }
    if (request->every_ms) {
        ds_put_cstr(ds, "  replica   ");
        mbox_replica_report_format(request, &r->replica, ds);
        ds_put_char(ds, '\n');
    }
    mbox_report_put_state(ds, r);
    if (request->state_path[0]) {
        ds_put_format(ds, "  channel   %s\n", request->state_path);
    }
    if (request->method != MBOX_METHOD_COPY) {
        mbox_report_put_packets(ds, r);
    }
    mbox_report_put_times(ds, r);
}

/* JSON. */

static void
mbox_report_put_uint(struct json *json, const char *name, uint64_t value)
{
    json_object_put(json, name, json_integer_create(value));
}

static struct json *
mbox_report_phases_to_json(const struct mbox_transfer_report *r)
{
    struct json *phases = json_array_create_empty();

    for (size_t i = 0; i < r->n_phases; i++) {
        struct json *phase = json_object_create();

        json_object_put_string(phase, "phase", r->phases[i].phase);
        json_object_put(phase, "at_ms",
                        json_real_create(r->phases[i].at_us / 1e3));
        json_array_add(phases, phase);
    }
    return phases;
}

static struct json *
mbox_replica_report_to_json(const struct mbox_transfer_request *request,
                            const struct mbox_replica_report *r)
{
    static const char *const failovers[] = {
        [MBOX_FAILOVER_NONE] = "none",
        [MBOX_FAILOVER_OPEN] = "in progress",
        [MBOX_FAILOVER_COMPLETE] = "complete",
        [MBOX_FAILOVER_STALE] = "stale",
    };
    struct json *json = json_object_create();

    mbox_report_put_uint(json, "every_ms", request->every_ms);
    mbox_report_put_uint(json, "rounds", r->rounds);
    mbox_report_put_uint(json, "rounds_skipped", r->skipped);
    mbox_report_put_uint(json, "round_chunks", r->chunks);
    mbox_report_put_uint(json, "round_bytes", r->bytes);
    if (r->age_us >= 0) {
        json_object_put(json, "age_ms", json_real_create(r->age_us / 1e3));
    }
    if (r->lost_us >= 0) {
        json_object_put(json, "source_lost_ms",
                        json_real_create(r->lost_us / 1e3));
    }
    json_object_put(json, "cut_off", json_boolean_create(r->cut_off));
    json_object_put_string(json, "failover", failovers[r->failover]);
    return json;
}

struct json *
mbox_transfer_report_to_json(const struct mbox_transfer_request *request,
                             const struct mbox_transfer_report *r)
{
    struct json *json = json_object_create();
    char space[MBOX_SPACE_STRLEN];

    mbox_report_put_uint(json, "id", request->id);
    json_object_put_string(json, "class", request->class_name);
    json_object_put_string(json, "source", request->src);
    json_object_put_string(json, "destination", request->dst);
    json_object_put_string(json, "flow_space",
                           mbox_space_format(&request->space, space,
                                             sizeof space));
    json_object_put_string(json, "guarantee",
                           mbox_guarantee_to_string(request->guarantee));
    json_object_put_string(json, "method",
                           mbox_method_to_string(request->method));
    json_object_put_string(json, "result",
                           mbox_transfer_result_to_string(request->method,
                                                          r->result));
    if (request->output[0]) {
        json_object_put_string(json, "output", request->output);
    }
    json_object_put_string(json, "error", r->error);
    json_object_put_string(json, "state_path", request->state_path);
    json_object_put_string(json, "phase", r->phase);

    mbox_report_put_uint(json, "flows_moved", r->flows_moved);
    mbox_report_put_uint(json, "flows_ended", r->gone);
    mbox_report_put_uint(json, "chunks", r->chunks);
    mbox_report_put_uint(json, "state_bytes", r->state_bytes);
    mbox_report_put_uint(json, "precopy_rounds", r->precopy_rounds);
    mbox_report_put_uint(json, "packets_seen", r->packets_seen);
    mbox_report_put_uint(json, "packets_held", r->packets_held);
    mbox_report_put_uint(json, "packets_returned", r->packets_returned);
    mbox_report_put_uint(json, "packets_duplicated", r->packets_dup);
    mbox_report_put_uint(json, "packets_discarded", r->packets_discarded);
    mbox_report_put_uint(json, "packets_lost", r->packets_lost);
    mbox_report_put_uint(json, "tracers_sent", r->tracers_sent);
    mbox_report_put_uint(json, "max_held_bytes", r->max_held_bytes);
    json_object_put(json, "started_ms",
                    json_real_create(r->start_us / 1e3));
    json_object_put(json, "transfer_ms",
                    json_real_create(r->transfer_us / 1e3));
    json_object_put(json, "hold_ms", json_real_create(r->hold_us / 1e3));
    json_object_put(json, "hold_ms_max", json_real_create(r->hold_ms_max));
    json_object_put(json, "phases", mbox_report_phases_to_json(r));
    if (request->every_ms) {
        json_object_put(json, "replica",
                        mbox_replica_report_to_json(request, &r->replica));
    }
    return json;
}
