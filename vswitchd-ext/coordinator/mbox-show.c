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
#include "mbox-show.h"

#include "hash.h"
#include "mbox-class.h"
#include "mbox-coordinator-private.h"
#include "mbox-steer.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

char *
mbox_show_json(struct json *json)
{
    char *s = json_to_string(json, JSSF_PRETTY | JSSF_SORT);

    json_destroy(json);
    return s;
}

static void
put_scopes(uint32_t scopes, struct ds *ds)
{
    const char *separator = "";

    for (; scopes; scopes &= scopes - 1) {
        const char *name = mbox_scope_to_string(scopes & -scopes);

        ds_put_format(ds, "%s%s", separator, name ? name : "?");
        separator = ",";
    }
}

/* Instances. */

static struct json *
instance_to_json(const struct mbox_instance *instance)
{
    const struct mbox_conn *conn = instance->conn;
    struct json *json = json_object_create();
    char *problem = mbox_instance_problem(instance);

    json_object_put_string(json, "name", instance->name);
    json_object_put_string(json, "class", mbox_instance_class(instance));
    json_object_put(json, "live", json_boolean_create(!problem));
    if (problem) {
        json_object_put_string(json, "problem", problem);
        free(problem);
    }
    if (instance->iface) {
        json_object_put_string(json, "interface", instance->iface);
    }
    if (instance->port != ODPP_NONE) {
        json_object_put_string(json, "datapath", instance->dp_name);
        json_object_put(json, "port",
                        json_integer_create(odp_to_u32(instance->port)));
    }
    if (conn) {
        struct ds scopes = DS_EMPTY_INITIALIZER;

        put_scopes(conn->scopes, &scopes);
        json_object_put_string(json, "agent", conn->peer);
        json_object_put_string(json, "product", conn->product);
        json_object_put_format(json, "schema", "%016"PRIx64, conn->schema);
        json_object_put_string(json, "scopes", ds_cstr(&scopes));
        json_object_put_string(json, "outputs", conn->outputs);
        ds_destroy(&scopes);
    }
    return json;
}

char *
mbox_show_list(const struct mbox_coordinator *c, bool json)
{
    const struct mbox_registry *registry = &c->registry;
    const struct shash_node **nodes = shash_sort(&registry->instances);
    size_t n = shash_count(&registry->instances);
    const char *error;
    char *retval;
    size_t i;

    if (json) {
        struct json *instances = json_array_create_empty();
        struct json *errors = json_array_create_empty();
        struct json *object = json_object_create();

        for (i = 0; i < n; i++) {
            json_array_add(instances, instance_to_json(nodes[i]->data));
        }
        SVEC_FOR_EACH (i, error, &registry->errors) {
            json_array_add(errors, json_string_create(error));
        }
        json_object_put(object, "instances", instances);
        json_object_put(object, "errors", errors);
        json_object_put(object, "operations",
                        mbox_scales_to_json(&c->scales));
        retval = mbox_show_json(object);
    } else {
        struct ds ds = DS_EMPTY_INITIALIZER;

        if (!n) {
            ds_put_cstr(&ds, "no instances\n");
        }
        for (i = 0; i < n; i++) {
            const struct mbox_instance *instance = nodes[i]->data;
            char *problem = mbox_instance_problem(instance);

            ds_put_format(&ds, "%s: class %s, %s", instance->name,
                          mbox_instance_class(instance),
                          problem ? "not live" : "live");
            if (instance->port != ODPP_NONE) {
                ds_put_format(&ds, ", port %s (%s:%"PRIu32")",
                              instance->iface, instance->dp_name,
                              odp_to_u32(instance->port));
            }
            if (instance->conn) {
                ds_put_format(&ds, ", agent at %s", instance->conn->peer);
            }
            ds_put_char(&ds, '\n');
            if (problem) {
                ds_put_format(&ds, "  %s\n", problem);
                free(problem);
            }
        }
        SVEC_FOR_EACH (i, error, &registry->errors) {
            ds_put_format(&ds, "error: %s\n", error);
        }
        mbox_scales_put_open(&c->scales, &ds);
        retval = ds_steal_cstr(&ds);
    }
    free(nodes);
    return retval;
}

static void
show_instance(const struct mbox_instance *instance, struct ds *ds)
{
    const struct mbox_conn *conn = instance->conn;
    char *problem = mbox_instance_problem(instance);

    ds_put_format(ds, "instance %s: class %s, %s\n", instance->name,
                  mbox_instance_class(instance),
                  problem ? "not live" : "live");
    if (problem) {
        ds_put_format(ds, "  problem: %s\n", problem);
        free(problem);
    }
    if (instance->port != ODPP_NONE) {
        ds_put_format(ds, "  port: %s (%s:%"PRIu32"), MAC "ETH_ADDR_FMT"\n",
                      instance->iface, instance->dp_name,
                      odp_to_u32(instance->port),
                      ETH_ADDR_ARGS(instance->mac));
    }
    if (conn) {
        ds_put_format(ds, "  agent: %s, %s, class %s, schema %016"PRIx64
                      ", keeps ", conn->peer,
                      conn->product[0] ? conn->product : "no product name",
                      conn->class_name, conn->schema);
        put_scopes(conn->scopes, ds);
        if (conn->outputs[0]) {
            ds_put_format(ds, "\n  output functions: %s", conn->outputs);
        }
        ds_put_format(ds, "\n  state frames relayed: %"PRIu64"\n",
                      conn->n_relayed);
    }
    ds_put_format(ds, "  tagged packets dropped: %"PRIu64"\n",
                  instance->n_tagged_dropped);
}

/* Assignments. */

static void
put_assignments(const char *class_name, const char *indent, struct ds *ds)
{
    struct mbox_assignment *assignments;
    size_t n = mbox_class_get_assignments(class_name, &assignments);

    for (size_t i = 0; i < n; i++) {
        char match[MBOX_SPACE_STRLEN];

        mbox_space_format(&assignments[i].space, match, sizeof match);
        ds_put_format(ds, "%s%s -> %s\n", indent, match,
                      assignments[i].instance);
    }
    free(assignments);
}

char *
mbox_show_assignments(const struct mbox_coordinator *c, const char *class_name,
                      bool json)
{
    if (json) {
        struct json *all = mbox_assignments_to_json(&c->registry);

        if (class_name) {
            struct json *one = json_object_create();
            struct json *list = shash_find_and_delete(json_object(all),
                                                      class_name);

            json_object_put(one, class_name,
                            list ? list : json_array_create_empty());
            json_destroy(all);
            all = one;
        }
        return mbox_show_json(all);
    }

    const char **names = sset_sort(&c->registry.classes);
    struct ds ds = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < sset_count(&c->registry.classes); i++) {
        if (!class_name || !strcmp(class_name, names[i])) {
            struct ds list = DS_EMPTY_INITIALIZER;

            put_assignments(names[i], "  ", &list);
            if (list.length) {
                ds_put_format(&ds, "%s:\n%s", names[i], ds_cstr(&list));
            }
            ds_destroy(&list);
        }
    }
    if (!ds.length) {
        ds_put_cstr(&ds, "no assignments\n");
    }
    free(names);
    return ds_steal_cstr(&ds);
}

/* Classes and the whole. */

static int
compare_open(const void *a_, const void *b_)
{
    const struct mbox_open_transfer *const *a = a_;
    const struct mbox_open_transfer *const *b = b_;

    return (*a)->request.id < (*b)->request.id ? -1 : 1;
}

/* Returns the '*n' open transfers, in the order of their numbers.  The caller
 * frees the array. */
static const struct mbox_open_transfer **
sort_open(const struct mbox_coordinator *c, size_t *n)
{
    const struct mbox_open_transfer **transfers, *ot;
    size_t i = 0;

    *n = hmap_count(&c->transfers.open);
    transfers = xcalloc(*n, sizeof *transfers);
    HMAP_FOR_EACH (ot, node, &c->transfers.open) {
        transfers[i++] = ot;
    }
    if (*n) {
        qsort(transfers, *n, sizeof *transfers, compare_open);
    }
    return transfers;
}

static void
put_replicas(const struct mbox_coordinator *c, const char *class_name,
             struct ds *ds)
{
    const struct mbox_open_transfer **transfers;
    size_t n;

    transfers = sort_open(c, &n);
    for (size_t i = 0; i < n; i++) {
        const struct mbox_transfer_request *request = &transfers[i]->request;
        struct mbox_transfer_report report;
        char match[MBOX_SPACE_STRLEN];

        if (!request->every_ms || strcmp(request->class_name, class_name)) {
            continue;
        }
        mbox_transfer_get_report(transfers[i]->transfer, &report);
        mbox_space_format(&request->space, match, sizeof match);
        ds_put_format(ds, "  replica %"PRIu32": of %s at %s, %s, ",
                      request->id, request->src, request->dst, match);
        mbox_replica_report_format(request, &report.replica, ds);
        ds_put_char(ds, '\n');
    }
    free(transfers);
}

static void
show_class(const struct mbox_coordinator *c, const char *class_name,
           struct ds *ds)
{
    const struct mbox_registry *registry = &c->registry;
    struct mbox_class_stats stats;
    const struct shash_node **nodes;
    struct ds assignments = DS_EMPTY_INITIALIZER;

    mbox_class_get_stats(class_name, &stats);
    ds_put_format(ds, "class %s:\n", class_name);

    const char *def = mbox_registry_get_setting(registry, "default",
                                                class_name, "");
    ds_put_format(ds, "  default: %s\n",
                  !def[0] ? "first live instance by name"
                  : !strcmp(def, "*") ? "hash over the live instances"
                  : def);
    ds_put_format(ds, "  without live instance: %s\n",
                  mbox_registry_get_setting(registry, "no-instance",
                                            class_name, "drop"));

    const char *tenant = mbox_registry_get_tenant(registry, class_name);
    if (tenant) {
        ds_put_format(ds, "  tenant: %s\n", tenant);
    }
    mbox_policies_put_class(&c->policies, class_name, ds);
    ds_put_format(ds, "  packets: %"PRIu64" dropped without instance, "
                  "%"PRIu64" looked up by the datapath, %"PRIu64" in "
                  "transfers\n", stats.n_dropped, stats.n_stale,
                  stats.n_slow);
    put_assignments(class_name, "    ", &assignments);
    ds_put_format(ds, "  assignments:%s\n%s",
                  assignments.length ? "" : " none", ds_cstr(&assignments));
    ds_destroy(&assignments);
    put_replicas(c, class_name, ds);

    nodes = shash_sort(&registry->instances);
    for (size_t i = 0; i < shash_count(&registry->instances); i++) {
        const struct mbox_instance *instance = nodes[i]->data;

        if (!strcmp(mbox_instance_class(instance), class_name)) {
            show_instance(instance, ds);
        }
    }
    free(nodes);
}

static int
compare_ids(const void *a_, const void *b_)
{
    const uint32_t *a = a_;
    const uint32_t *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static void
show_duplicates(const struct mbox_transfers *transfers, struct ds *ds)
{
    const struct mbox_dup_count *count;
    uint32_t *ids;
    size_t n = 0;

    if (hmap_is_empty(&transfers->dup_counts)) {
        return;
    }
    ids = xmalloc(hmap_count(&transfers->dup_counts) * sizeof *ids);
    HMAP_FOR_EACH (count, node, &transfers->dup_counts) {
        ids[n++] = count->id;
    }
    qsort(ids, n, sizeof *ids, compare_ids);

    ds_put_cstr(ds, "duplicates to the coordinator:\n");
    for (size_t i = 0; i < n; i++) {
        HMAP_FOR_EACH_WITH_HASH (count, node, hash_int(ids[i], 0),
                                 &transfers->dup_counts) {
            if (count->id == ids[i]) {
                ds_put_format(ds, "  id %"PRIu32": %"PRIu64" packets, "
                              "%"PRIu64" bytes\n", count->id,
                              count->n_packets, count->n_bytes);
            }
        }
    }
    if (transfers->n_dup_uncounted) {
        ds_put_format(ds, "  other ids: %"PRIu64" packets\n",
                      transfers->n_dup_uncounted);
    }
    free(ids);
}

static void
show_all(const struct mbox_coordinator *c, struct ds *ds)
{
    const struct mbox_registry *registry = &c->registry;
    const char **classes;
    const char *error;
    size_t i;

    ds_put_format(ds, "epoch: %016"PRIx64"\n", c->epoch);
    ds_put_cstr(ds, "listeners:\n");
    mbox_listeners_format(&c->conns.listeners, ds);
    ds_put_format(ds, "hold limit: %"PRIuSIZE" bytes (%"PRIuSIZE" held)\n",
                  c->hold_limit, mbox_steer_get_held_bytes());
    ds_put_format(ds, "transfers: %"PRIuSIZE" open, %"PRIu32" started\n",
                  hmap_count(&c->transfers.open), c->transfers.next_id - 1);
    ds_put_format(ds, "tagged packets dropped: %"PRIu64"\n",
                  c->transfers.n_tagged_dropped);
    ds_put_format(ds, "transfers in doubt: %"PRIuSIZE" asked about, %"PRIu64
                  " agents refused, %"PRIu64" ends forgotten\n",
                  ovs_list_size(&c->resolver.doubts),
                  c->resolver.n_refused, c->records.n_forgotten);
    mbox_scales_put_open(&c->scales, ds);
    show_duplicates(&c->transfers, ds);
    SVEC_FOR_EACH (i, error, &registry->errors) {
        ds_put_format(ds, "error: %s\n", error);
    }

    classes = sset_sort(&registry->classes);
    for (i = 0; i < sset_count(&registry->classes); i++) {
        show_class(c, classes[i], ds);
    }
    free(classes);

    /* Agents of classes that the switch does not have. */
    const struct shash_node **nodes = shash_sort(&registry->instances);
    for (i = 0; i < shash_count(&registry->instances); i++) {
        const struct mbox_instance *instance = nodes[i]->data;

        if (!sset_contains(&registry->classes,
                           mbox_instance_class(instance))) {
            show_instance(instance, ds);
        }
    }
    free(nodes);
}

char *
mbox_show(const struct mbox_coordinator *c, const char *name, char **out)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (!name) {
        show_all(c, &ds);
    } else {
        const struct mbox_instance *instance
            = mbox_registry_find(&c->registry, name);
        bool is_class = sset_contains(&c->registry.classes, name);

        if (!instance && !is_class) {
            ds_put_format(&ds, "no instance or class \"%s\" (known instances"
                          ": ", name);
            mbox_registry_format_names(&c->registry, &ds);
            ds_put_char(&ds, ')');
            return ds_steal_cstr(&ds);
        }
        if (is_class) {
            show_class(c, name, &ds);
        }
        if (instance
            && (!is_class || strcmp(mbox_instance_class(instance), name))) {
            show_instance(instance, &ds);
        }
    }
    *out = ds_steal_cstr(&ds);
    return NULL;
}

/* Transfers. */

static void
put_summary(const struct mbox_transfer_request *request,
            const struct mbox_transfer_report *report, struct ds *ds)
{
    char match[MBOX_SPACE_STRLEN];

    mbox_space_format(&request->space, match, sizeof match);
    ds_put_format(ds, "%"PRIu32": %s %s %s -> %s, %s: ", request->id,
                  request->method == MBOX_METHOD_COPY ? "copy"
                  : request->every_ms ? "replica" : "move",
                  request->class_name, request->src, request->dst, match);
    if (report->result == MBOX_TRANSFER_OPEN) {
        ds_put_format(ds, "%s", report->phase);
        if (request->every_ms) {
            ds_put_cstr(ds, ", ");
            mbox_replica_report_format(request, &report->replica, ds);
        }
    } else {
        ds_put_format(ds, "%s, %"PRIu64" flows, %.3f ms",
                      mbox_transfer_result_to_string(request->method,
                                                     report->result),
                      report->flows_moved, report->transfer_us / 1000.0);
    }
    if (report->error[0]) {
        ds_put_format(ds, " (%s)", report->error);
    }
    ds_put_char(ds, '\n');
}

char *
mbox_show_report(const struct mbox_transfer_request *request,
                 const struct mbox_transfer_report *report, bool json)
{
    if (json) {
        return mbox_show_json(mbox_transfer_report_to_json(request, report));
    }

    struct ds ds = DS_EMPTY_INITIALIZER;
    mbox_transfer_report_format(request, report, &ds);
    return ds_steal_cstr(&ds);
}

char *
mbox_show_open(const struct mbox_coordinator *c, bool json)
{
    const struct mbox_open_transfer **transfers;
    struct json *array = json ? json_array_create_empty() : NULL;
    struct ds ds = DS_EMPTY_INITIALIZER;
    size_t n;

    transfers = sort_open(c, &n);
    for (size_t i = 0; i < n; i++) {
        struct mbox_transfer_report report;

        mbox_transfer_get_report(transfers[i]->transfer, &report);
        if (json) {
            json_array_add(array, mbox_transfer_report_to_json(
                               &transfers[i]->request, &report));
        } else {
            put_summary(&transfers[i]->request, &report, &ds);
        }
    }
    free(transfers);
    if (json) {
        return mbox_show_json(array);
    }
    if (!n) {
        ds_put_cstr(&ds, "no open transfers\n");
    }
    return ds_steal_cstr(&ds);
}

char *
mbox_show_history(const struct mbox_coordinator *c, unsigned int max,
                  bool json)
{
    const struct mbox_past_transfer *past;
    struct json *array = json ? json_array_create_empty() : NULL;
    struct ds ds = DS_EMPTY_INITIALIZER;
    unsigned int n = 0;

    LIST_FOR_EACH (past, node, &c->transfers.history) {
        if (n++ >= max) {
            break;
        }
        if (json) {
            json_array_add(array, mbox_transfer_report_to_json(&past->request,
                                                               &past->report));
        } else {
            put_summary(&past->request, &past->report, &ds);
        }
    }
    if (json) {
        return mbox_show_json(array);
    }
    if (!n) {
        ds_put_cstr(&ds, "no transfers have ended\n");
    }
    return ds_steal_cstr(&ds);
}
