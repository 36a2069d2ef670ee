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
#include "mbox-metrics.h"

#include <stdarg.h>

#include "mbox-class.h"
#include "mbox-coordinator-private.h"
#include "mbox-steer.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* Each family of samples is written in one piece, as the format demands: its
 * HELP and TYPE, then its samples. */

static void
put_family(struct ds *ds, const char *name, const char *type,
           const char *help)
{
    ds_put_format(ds, "# HELP ovs_mbox_%s %s\n# TYPE ovs_mbox_%s %s\n",
                  name, help, name, type);
}

/* Appends 'value', which is UTF-8, as the format wants that of a label, in
 * which backslash, quotes and newline are escaped. */
static void
put_label_value(struct ds *ds, const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p == '\\' || *p == '"') {
            ds_put_char(ds, '\\');
            ds_put_char(ds, *p);
        } else if (*p == '\n') {
            ds_put_cstr(ds, "\\n");
        } else {
            ds_put_char(ds, *p);
        }
    }
}

/* Appends the name of a sample and its labels, which are pairs of strings up
 * to a null pointer. */
static void SENTINEL(0)
put_name(struct ds *ds, const char *name, ...)
{
    const char *separator = "{";
    const char *label;
    va_list args;

    ds_put_format(ds, "ovs_mbox_%s", name);
    va_start(args, name);
    while ((label = va_arg(args, const char *)) != NULL) {
        ds_put_format(ds, "%s%s=\"", separator, label);
        put_label_value(ds, va_arg(args, const char *));
        ds_put_char(ds, '"');
        separator = ",";
    }
    va_end(args);
    ds_put_cstr(ds, *separator == '{' ? " " : "} ");
}

static void
put_value(struct ds *ds, uint64_t value)
{
    ds_put_format(ds, "%"PRIu64"\n", value);
}

static void
put_seconds(struct ds *ds, uint64_t us)
{
    ds_put_format(ds, "%"PRIu64".%06"PRIu64"\n", us / 1000000, us % 1000000);
}

/* Appends a family of one sample. */
static void
put_single(struct ds *ds, const char *name, const char *type, uint64_t value,
           const char *help)
{
    put_family(ds, name, type, help);
    put_name(ds, name, NULL);
    put_value(ds, value);
}

/* Instances. */

static void
put_instance_name(struct ds *ds, const char *name,
                  const struct mbox_instance *instance)
{
    put_name(ds, name, "class", mbox_instance_class(instance),
             "instance", instance->name, NULL);
}

static void
put_port_counter(struct ds *ds, const char *name, size_t offset,
                 const struct shash_node **instances, size_t n,
                 const char *help)
{
    put_family(ds, name, "counter", help);
    for (size_t i = 0; i < n; i++) {
        const struct mbox_instance *instance = instances[i]->data;
        const char *counters = (const char *) &instance->counters;
        uint64_t value = *ALIGNED_CAST(const uint64_t *, counters + offset);

        if (instance->has_counters && value != UINT64_MAX) {
            put_instance_name(ds, name, instance);
            put_value(ds, value);
        }
    }
}

static void
put_ports(struct ds *ds, const struct shash_node **instances, size_t n)
{
    put_port_counter(ds, "instance_transmit_packets_total",
                     offsetof(struct mbox_port_counters, tx_packets),
                     instances, n, "Packets that the switch has sent to the "
                     "port of the instance.");
    put_port_counter(ds, "instance_transmit_bytes_total",
                     offsetof(struct mbox_port_counters, tx_bytes),
                     instances, n, "Bytes of these.");
    put_port_counter(ds, "instance_transmit_dropped_packets_total",
                     offsetof(struct mbox_port_counters, tx_dropped),
                     instances, n, "Packets that the port of the instance did "
                     "not take.");
    put_port_counter(ds, "instance_receive_packets_total",
                     offsetof(struct mbox_port_counters, rx_packets),
                     instances, n, "Packets that the switch has received from "
                     "the port of the instance.");
    put_port_counter(ds, "instance_receive_bytes_total",
                     offsetof(struct mbox_port_counters, rx_bytes),
                     instances, n, "Bytes of these.");
}

static void
put_instances(struct ds *ds, const struct mbox_registry *registry)
{
    const struct shash_node **nodes = shash_sort(&registry->instances);
    size_t n = shash_count(&registry->instances);

    put_family(ds, "instance_info", "gauge",
               "1 for each instance; the labels describe it.");
    for (size_t i = 0; i < n; i++) {
        const struct mbox_instance *instance = nodes[i]->data;
        const struct mbox_conn *conn = instance->conn;

        put_name(ds, "instance_info", "class", mbox_instance_class(instance),
                 "instance", instance->name,
                 "interface", instance->iface ? instance->iface : "",
                 "datapath", instance->dp_name,
                 "product", conn ? conn->product : "", NULL);
        put_value(ds, 1);
    }

    put_family(ds, "instance_live", "gauge",
               "1 if the instance can take part in transfers, else 0.");
    for (size_t i = 0; i < n; i++) {
        char *problem = mbox_instance_problem(nodes[i]->data);

        put_instance_name(ds, "instance_live", nodes[i]->data);
        put_value(ds, !problem);
        free(problem);
    }

    put_family(ds, "instance_agent_connected", "gauge",
               "1 if the agent of the instance is connected, else 0.");
    for (size_t i = 0; i < n; i++) {
        const struct mbox_instance *instance = nodes[i]->data;

        put_instance_name(ds, "instance_agent_connected", instance);
        put_value(ds, instance->conn != NULL);
    }

    put_family(ds, "instance_relayed_frames_total", "counter",
               "Frames of state from the instance that the coordinator has "
               "relayed, on its agent's present connection.");
    for (size_t i = 0; i < n; i++) {
        const struct mbox_instance *instance = nodes[i]->data;

        if (instance->conn) {
            put_instance_name(ds, "instance_relayed_frames_total", instance);
            put_value(ds, instance->conn->n_relayed);
        }
    }

    put_family(ds, "instance_tagged_dropped_packets_total", "counter",
               "Tagged packets from the instance that no transfer wanted.");
    for (size_t i = 0; i < n; i++) {
        const struct mbox_instance *instance = nodes[i]->data;

        put_instance_name(ds, "instance_tagged_dropped_packets_total",
                          instance);
        put_value(ds, instance->n_tagged_dropped);
    }

    put_ports(ds, nodes, n);
    free(nodes);
}

/* Classes. */

static void
put_class_counter(struct ds *ds, const char *name, size_t offset,
                  const char **classes, size_t n, const char *help)
{
    put_family(ds, name, "counter", help);
    for (size_t i = 0; i < n; i++) {
        struct mbox_class_stats stats;
        const char *p = (const char *) &stats;

        mbox_class_get_stats(classes[i], &stats);
        put_name(ds, name, "class", classes[i], NULL);
        put_value(ds, *ALIGNED_CAST(const uint64_t *, p + offset));
    }
}

static void
put_classes(struct ds *ds, const char **classes, size_t n)
{
    put_class_counter(ds, "class_dropped_packets_total",
                      offsetof(struct mbox_class_stats, n_dropped),
                      classes, n, "Packets that were dropped because no "
                      "instance of the class had a port.");
    put_class_counter(ds, "class_looked_up_packets_total",
                      offsetof(struct mbox_class_stats, n_stale),
                      classes, n, "Packets whose datapath flow was older than "
                      "the assignments, so that each was looked up.");
    put_class_counter(ds, "class_transfer_packets_total",
                      offsetof(struct mbox_class_stats, n_slow),
                      classes, n, "Packets that a steering object of an open "
                      "transfer decided about.");
}

/* Transfers. */

static const enum mbox_method methods[] = {
    MBOX_METHOD_HOLD, MBOX_METHOD_EVENTS, MBOX_METHOD_COPY,
};

/* The value of the label "result", or NULL if no transfer of the method ends
 * so. */
static const char *
result_label(enum mbox_method method, enum mbox_transfer_result result)
{
    switch (result) {
    case MBOX_TRANSFER_MOVED:
        return method == MBOX_METHOD_COPY ? "copied" : "moved";

    case MBOX_TRANSFER_ROLLED_BACK:
        return "rolled_back";

    case MBOX_TRANSFER_SPLIT:
        return method == MBOX_METHOD_COPY ? NULL : "split";

    case MBOX_TRANSFER_OPEN:
        return NULL;
    }
    OVS_NOT_REACHED();
}

static void
put_ended(struct ds *ds, const struct mbox_totals *totals,
          const char **classes, size_t n)
{
    put_family(ds, "transfers_ended_total", "counter",
               "Transfers that have ended, by method and by what became of "
               "them.");
    for (size_t i = 0; i < n; i++) {
        const struct mbox_class_totals *class = mbox_totals_get(totals,
                                                                classes[i]);

        for (size_t j = 0; j < ARRAY_SIZE(methods); j++) {
            enum mbox_method method = methods[j];
            enum mbox_transfer_result result;

            for (result = MBOX_TRANSFER_MOVED; result <= MBOX_TRANSFER_SPLIT;
                 result++) {
                const char *label = result_label(method, result);

                if (label) {
                    put_name(ds, "transfers_ended_total",
                             "class", classes[i],
                             "method", mbox_method_to_string(method),
                             "result", label, NULL);
                    put_value(ds, class->methods[method].n_ended[result]);
                }
            }
        }
    }
}

static void
put_total(struct ds *ds, const char *name, size_t offset,
          const struct mbox_totals *totals, const char **classes, size_t n,
          const char *help)
{
    put_family(ds, name, "counter", help);
    for (size_t i = 0; i < n; i++) {
        const struct mbox_class_totals *class = mbox_totals_get(totals,
                                                                classes[i]);

        for (size_t j = 0; j < ARRAY_SIZE(methods); j++) {
            const char *p = (const char *) &class->methods[methods[j]];

            put_name(ds, name, "class", classes[i],
                     "method", mbox_method_to_string(methods[j]), NULL);
            put_value(ds, *ALIGNED_CAST(const uint64_t *, p + offset));
        }
    }
}

static void
put_histogram(struct ds *ds, const char *name, size_t offset,
              const struct mbox_totals *totals, const char **classes,
              size_t n, const char *help)
{
    char *bucket = xasprintf("%s_bucket", name);
    char *count = xasprintf("%s_count", name);
    char *sum = xasprintf("%s_sum", name);

    put_family(ds, name, "histogram", help);
    for (size_t i = 0; i < n; i++) {
        const char *p = (const char *) mbox_totals_get(totals, classes[i]);
        const struct mbox_histogram *histogram
            = ALIGNED_CAST(const struct mbox_histogram *, p + offset);

        for (size_t j = 0; j < MBOX_HISTOGRAM_BOUNDS; j++) {
            char bound[32];

            snprintf(bound, sizeof bound, "%g",
                     mbox_histogram_bounds_us[j] / 1e6);
            put_name(ds, bucket, "class", classes[i], "le", bound, NULL);
            put_value(ds, histogram->n_up_to[j]);
        }
        put_name(ds, bucket, "class", classes[i], "le", "+Inf", NULL);
        put_value(ds, histogram->n);
        put_name(ds, sum, "class", classes[i], NULL);
        put_seconds(ds, histogram->sum_us);
        put_name(ds, count, "class", classes[i], NULL);
        put_value(ds, histogram->n);
    }
    free(bucket);
    free(count);
    free(sum);
}

static void
put_totals(struct ds *ds, const struct mbox_totals *totals,
           const char **classes, size_t n)
{
    put_ended(ds, totals, classes, n);
    put_total(ds, "transfer_flows_moved_total",
              offsetof(struct mbox_method_totals, flows_moved),
              totals, classes, n,
              "Flows that transfers that have ended moved, or copied.");
    put_total(ds, "transfer_state_bytes_total",
              offsetof(struct mbox_method_totals, state_bytes),
              totals, classes, n,
              "State that transfers that have ended sent.");
    put_total(ds, "transfer_held_packets_total",
              offsetof(struct mbox_method_totals, packets_held),
              totals, classes, n,
              "Packets that transfers that have ended held.");
    put_total(ds, "transfer_returned_packets_total",
              offsetof(struct mbox_method_totals, packets_returned),
              totals, classes, n,
              "Packets that sources returned in transfers that have ended.");
    put_total(ds, "transfer_discarded_packets_total",
              offsetof(struct mbox_method_totals, packets_discarded),
              totals, classes, n,
              "Packets that transfers that have ended discarded, as their "
              "guarantee allows.");
    put_total(ds, "transfer_lost_packets_total",
              offsetof(struct mbox_method_totals, packets_lost),
              totals, classes, n,
              "Packets that transfers that have ended are known to have "
              "lost.");
    put_histogram(ds, "move_duration_seconds",
                  offsetof(struct mbox_class_totals, duration),
                  totals, classes, n,
                  "Time from the request for a move until everything was the "
                  "destination's, or was undone.");
    put_histogram(ds, "move_longest_hold_seconds",
                  offsetof(struct mbox_class_totals, longest_hold),
                  totals, classes, n,
                  "Longest time that a move held one packet.");
}

static void
put_open(struct ds *ds, const struct mbox_transfers *transfers,
         const char **classes, size_t n)
{
    put_family(ds, "transfers_open", "gauge", "Transfers that are open.");
    for (size_t i = 0; i < n; i++) {
        const struct mbox_open_transfer *ot;
        uint64_t n_open = 0;

        HMAP_FOR_EACH (ot, node, &transfers->open) {
            n_open += !strcmp(ot->request.class_name, classes[i]);
        }
        put_name(ds, "transfers_open", "class", classes[i], NULL);
        put_value(ds, n_open);
    }
    put_single(ds, "transfers_started_total", "counter",
               transfers->next_id - 1, "Transfers that were started.");
}

/* Policies. */

static void
put_policy_counter(struct ds *ds, const char *name, size_t offset,
                   const struct mbox_policies *policies, const char *help)
{
    const struct shash_node **nodes = shash_sort(&policies->classes);

    put_family(ds, name, "counter", help);
    for (size_t i = 0; i < shash_count(&policies->classes); i++) {
        const char *p = nodes[i]->data;

        put_name(ds, name, "class", nodes[i]->name, NULL);
        put_value(ds, *ALIGNED_CAST(const uint64_t *, p + offset));
    }
    free(nodes);
}

static void
put_policies(struct ds *ds, const struct mbox_policies *policies)
{
    put_policy_counter(ds, "policy_scale_outs_total",
                       offsetof(struct mbox_class_policy, n_outs), policies,
                       "Times that the policy of the class started to scale "
                       "out.");
    put_policy_counter(ds, "policy_scale_ins_total",
                       offsetof(struct mbox_class_policy, n_ins), policies,
                       "Times that the policy of the class started to scale "
                       "in.");
    put_policy_counter(ds, "policy_refused_total",
                       offsetof(struct mbox_class_policy, n_refused),
                       policies, "Times that what the policy of the class had "
                       "decided could not be started.");
    put_policy_counter(ds, "policy_failed_total",
                       offsetof(struct mbox_class_policy, n_failed),
                       policies, "Times that what the policy of the class had "
                       "started did not succeed.");
}

/* Tenants. */

static void
put_usage_counter(struct ds *ds, const char *name, size_t offset,
                  const struct mbox_usage *usage, const char *help)
{
    const struct shash_node **nodes = shash_sort(&usage->tenants);

    put_family(ds, name, "counter", help);
    for (size_t i = 0; i < shash_count(&usage->tenants); i++) {
        const char *account = nodes[i]->data;

        put_name(ds, name, "tenant", nodes[i]->name, NULL);
        put_value(ds, *ALIGNED_CAST(const uint64_t *, account + offset));
    }
    free(nodes);
}

static void
put_usage(struct ds *ds, const struct mbox_usage *usage)
{
    const struct shash_node **nodes = shash_sort(&usage->tenants);
    const char *name = "usage_instance_seconds_total";

    put_family(ds, name, "counter", "Time that instances of the tenant were "
               "there, each by itself.");
    for (size_t i = 0; i < shash_count(&usage->tenants); i++) {
        const struct mbox_account *account = nodes[i]->data;

        put_name(ds, name, "tenant", nodes[i]->name, NULL);
        put_seconds(ds, account->instance_ms * 1000);
    }
    free(nodes);

    put_usage_counter(ds, "usage_packets_total",
                      offsetof(struct mbox_account, packets), usage,
                      "Packets that the switch has sent to instances of the "
                      "tenant.");
    put_usage_counter(ds, "usage_bytes_total",
                      offsetof(struct mbox_account, bytes), usage,
                      "Bytes of these.");
    put_usage_counter(ds, "usage_flows_moved_total",
                      offsetof(struct mbox_account, flows_moved), usage,
                      "Flows that transfers of the tenant moved, or copied.");
    put_usage_counter(ds, "usage_state_bytes_total",
                      offsetof(struct mbox_account, state_bytes), usage,
                      "State that transfers of the tenant sent.");
}

/* The whole. */

static void
put_duplicates(struct ds *ds, const struct mbox_transfers *transfers)
{
    const struct mbox_dup_count *count;
    char id[16];

    put_family(ds, "duplicate_packets_total", "counter", "Packets that "
               "mbox_dup(coordinator) actions sent, by the id in the action.");
    HMAP_FOR_EACH (count, node, &transfers->dup_counts) {
        snprintf(id, sizeof id, "%"PRIu32, count->id);
        put_name(ds, "duplicate_packets_total", "id", id, NULL);
        put_value(ds, count->n_packets);
    }
    put_family(ds, "duplicate_bytes_total", "counter", "Bytes of these.");
    HMAP_FOR_EACH (count, node, &transfers->dup_counts) {
        snprintf(id, sizeof id, "%"PRIu32, count->id);
        put_name(ds, "duplicate_bytes_total", "id", id, NULL);
        put_value(ds, count->n_bytes);
    }
    put_single(ds, "duplicate_other_packets_total", "counter",
               transfers->n_dup_uncounted, "Packets that "
               "mbox_dup(coordinator) actions sent with ids that are too many "
               "to count each.");
}

static void
put_switch(struct ds *ds, const struct mbox_coordinator *c)
{
    put_single(ds, "held_bytes", "gauge", mbox_steer_get_held_bytes(),
               "Memory of the packets that transfers hold now.");
    put_single(ds, "held_packets", "gauge", mbox_steer_get_held_packets(),
               "Packets that transfers hold now.");
    put_single(ds, "hold_limit_bytes", "gauge", c->hold_limit,
               "Bound on ovs_mbox_held_bytes.");
    put_single(ds, "transfers_in_doubt", "gauge",
               ovs_list_size(&c->resolver.doubts),
               "Transfers that agents ask about and that are not decided.");
    put_single(ds, "doubt_refused_agents_total", "counter",
               c->resolver.n_refused, "Agents that were disconnected because "
               "they asked about too many flows.");
    put_single(ds, "ends_forgotten_total", "counter", c->records.n_forgotten,
               "Ends of transfers that were forgotten, though an agent may "
               "ask about them.");
    put_single(ds, "tagged_dropped_packets_total", "counter",
               c->transfers.n_tagged_dropped, "Tagged packets from all "
               "instances that no transfer wanted.");
    put_single(ds, "forged_packets_total", "counter", mbox_class_get_forged(),
               "Tagged packets that were dropped because they came from a "
               "port that is no instance's, or had more tags.");
    put_single(ds, "settings_ignored", "gauge", c->registry.errors.n,
               "Settings in the database that are wrong and ignored.");
    put_duplicates(ds, &c->transfers);
}

char *
mbox_metrics(const struct mbox_coordinator *c)
{
    const char **classes = sset_sort(&c->registry.classes);
    size_t n = sset_count(&c->registry.classes);
    struct ds ds = DS_EMPTY_INITIALIZER;

    put_instances(&ds, &c->registry);
    put_classes(&ds, classes, n);
    put_open(&ds, &c->transfers, classes, n);
    put_totals(&ds, &c->transfers.totals, classes, n);
    put_policies(&ds, &c->policies);
    put_usage(&ds, &c->usage);
    put_switch(&ds, c);
    free(classes);
    return ds_steal_cstr(&ds);
}
