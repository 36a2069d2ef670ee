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
#include "mbox-usage.h"

#include "mbox-coordinator-private.h"
#include "mbox-show.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

/* The account to add to for 'class_name', or NULL if it has no tenant. */
static struct mbox_account *
find_account(struct mbox_coordinator *c, const char *class_name)
{
    const char *tenant = mbox_registry_get_tenant(&c->registry, class_name);

    if (!tenant) {
        return NULL;
    }
    c->usage.dirty = true;
    return mbox_usage_get(&c->usage, tenant);
}

void
mbox_usage_account(struct mbox_coordinator *c)
{
    long long now_ms = time_msec();
    long long elapsed_ms = now_ms - c->usage.accounted_ms;
    const struct shash_node *node;

    c->usage.accounted_ms = now_ms;
    if (!c->registry.has_tenants || !elapsed_ms) {
        return;
    }
    SHASH_FOR_EACH (node, &c->registry.instances) {
        const struct mbox_instance *instance = node->data;
        struct mbox_account *account
            = instance->iface ? find_account(c, instance->class_name) : NULL;

        if (account) {
            mbox_usage_add(&account->instance_ms, elapsed_ms);
        }
    }
}

/* Adds how much the counter 'new' is above 'old', if the device has it. */
static void
add_counter(uint64_t *sum, uint64_t old, uint64_t new)
{
    if (old != UINT64_MAX && new != UINT64_MAX && new > old) {
        mbox_usage_add(sum, new - old);
    }
}

void
mbox_usage_count_ports(struct mbox_coordinator *c)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &c->registry.instances) {
        struct mbox_instance *instance = node->data;
        const struct mbox_port_counters *new = &instance->counters;
        const struct mbox_port_counters *old = &instance->accounted;
        struct mbox_account *account
            = find_account(c, mbox_instance_class(instance));

        /* A port that is new has begun to count before. */
        if (account && instance->has_counters
            && instance->accounted_port == instance->port
            && instance->port != ODPP_NONE) {
            add_counter(&account->packets, old->tx_packets, new->tx_packets);
            add_counter(&account->bytes, old->tx_bytes, new->tx_bytes);
        }
        instance->accounted = *new;
        instance->accounted_port = (instance->has_counters ? instance->port
                                    : ODPP_NONE);
    }
}

void
mbox_usage_add_transfer(struct mbox_coordinator *c, const char *class_name,
                        const struct mbox_transfer_report *report)
{
    struct mbox_account *account = find_account(c, class_name);

    if (account) {
        mbox_usage_add(&account->flows_moved, report->flows_moved);
        mbox_usage_add(&account->state_bytes, report->state_bytes);
        c->ports_wanted = true; /* The source may go. */
    }
}

void
mbox_usage_write(struct mbox_coordinator *c)
{
    mbox_usage_account(c);
    c->usage.changed = c->usage.dirty;
    c->usage.dirty = false;
}

void
mbox_usage_run(struct mbox_coordinator *c)
{
    struct mbox_usage *usage = &c->usage;
    long long now_ms = time_msec();

    if (c->registry.has_tenants && now_ms >= usage->read_ms) {
        c->ports_wanted = true;
        usage->read_ms = now_ms + MBOX_USAGE_READ_MS;
    }
    if (now_ms >= usage->write_ms) {
        mbox_usage_write(c);
        usage->write_ms = now_ms + MBOX_USAGE_WRITE_MS;
    }
}

void
mbox_usage_wait(struct mbox_coordinator *c)
{
    if (c->registry.has_tenants) {
        poll_timer_wait_until(c->usage.read_ms);
    }
    if (c->registry.has_tenants || c->usage.dirty) {
        poll_timer_wait_until(c->usage.write_ms);
    }
}

static void
put_account(struct json *array, struct ds *ds, const char *tenant,
            const struct mbox_account *account)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "tenant", tenant);
    json_object_put(json, "instance_seconds",
                    json_real_create(account->instance_ms / 1000.0));
    json_object_put(json, "packets", json_integer_create(account->packets));
    json_object_put(json, "bytes", json_integer_create(account->bytes));
    json_object_put(json, "flows_moved",
                    json_integer_create(account->flows_moved));
    json_object_put(json, "state_bytes",
                    json_integer_create(account->state_bytes));
    json_array_add(array, json);

    ds_put_format(ds, "%s: %"PRIu64".%03"PRIu64" instance-seconds, %"PRIu64
                  " packets, %"PRIu64" bytes, %"PRIu64" flows and %"PRIu64
                  " bytes of state moved\n", tenant,
                  account->instance_ms / 1000, account->instance_ms % 1000,
                  account->packets, account->bytes, account->flows_moved,
                  account->state_bytes);
}

char *
mbox_usage_show(struct mbox_coordinator *c, bool as_json)
{
    const struct shash_node **nodes;
    struct json *array = json_array_create_empty();
    struct ds ds = DS_EMPTY_INITIALIZER;

    mbox_usage_account(c);
    nodes = shash_sort(&c->usage.tenants);
    for (size_t i = 0; i < shash_count(&c->usage.tenants); i++) {
        put_account(array, &ds, nodes[i]->name, nodes[i]->data);
    }
    free(nodes);
    if (as_json) {
        ds_destroy(&ds);
        return mbox_show_json(array);
    }
    json_destroy(array);
    if (!ds.length) {
        ds_put_cstr(&ds, "no tenants\n");
    }
    return ds_steal_cstr(&ds);
}
