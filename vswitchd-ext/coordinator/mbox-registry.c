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
#include "mbox-registry.h"

#include "mbox-conn.h"
#include "mbox-policies.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_registry);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

void
mbox_registry_init(struct mbox_registry *registry)
{
    shash_init(&registry->instances);
    sset_init(&registry->classes);
    smap_init(&registry->class_settings);
    registry->has_tenants = false;
    svec_init(&registry->errors);
}

/* Forgets what the database said of 'instance'. */
static void
unconfigure(struct mbox_instance *instance)
{
    free(instance->iface);
    instance->iface = NULL;
    free(instance->bridge);
    instance->bridge = NULL;
    instance->class_name[0] = '\0';
    instance->dp_name[0] = '\0';
    instance->port = ODPP_NONE;
    instance->mac = eth_addr_zero;
    free(instance->config_error);
    instance->config_error = NULL;
}

static void
instance_destroy(struct mbox_registry *registry, struct shash_node *node)
{
    struct mbox_instance *instance = node->data;

    unconfigure(instance);
    free(instance);
    shash_delete(&registry->instances, node);
}

void
mbox_registry_destroy(struct mbox_registry *registry)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &registry->instances) {
        instance_destroy(registry, node);
    }
    shash_destroy(&registry->instances);
    sset_destroy(&registry->classes);
    smap_destroy(&registry->class_settings);
    svec_destroy(&registry->errors);
}

static struct mbox_instance *
find_or_create(struct mbox_registry *registry, const char *name)
{
    struct mbox_instance *instance = mbox_registry_find(registry, name);

    if (!instance) {
        instance = xzalloc(sizeof *instance);
        ovs_strlcpy(instance->name, name, sizeof instance->name);
        unconfigure(instance);
        instance->accounted_port = ODPP_NONE;
        shash_add(&registry->instances, name, instance);
    }
    return instance;
}

static void OVS_PRINTF_FORMAT(2, 3)
add_error(struct mbox_registry *registry, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    svec_add_nocopy(&registry->errors, xvasprintf(format, args));
    va_end(args);
}

static void
configure_iface(struct mbox_registry *registry,
                const struct mbox_iface_config *config)
{
    struct mbox_instance *instance;

    if (!mbox_name_is_valid(config->name)) {
        add_error(registry, "Interface %s: \"%s\" is not a valid "
                  "mbox-name (1 to %d of A-Z a-z 0-9 _ . -): not an instance",
                  config->iface, config->name, MBOX_NAME_MAX);
        return;
    }
    if (!mbox_name_is_valid(config->class_name)) {
        add_error(registry, "Interface %s: \"%s\" is not a valid "
                  "mbox-class (1 to %d of A-Z a-z 0-9 _ . -): not an instance",
                  config->iface, config->class_name, MBOX_NAME_MAX);
        return;
    }

    instance = find_or_create(registry, config->name);
    if (instance->iface) {
        add_error(registry, "Interface %s: instance name \"%s\" is used by "
                  "Interface %s already; set another mbox-name: not an "
                  "instance", config->iface, config->name, instance->iface);
        return;
    }
    instance->iface = xstrdup(config->iface);
    instance->bridge = xstrdup(config->bridge);
    ovs_strlcpy(instance->class_name, config->class_name,
                sizeof instance->class_name);
    ovs_strlcpy(instance->dp_name, config->dp_name, sizeof instance->dp_name);
    instance->port = config->port;
    instance->mac = config->mac;
    instance->config_error = nullable_xstrdup(config->error);
}

static void
check_policy(struct mbox_registry *registry, const struct smap_node *node)
{
    struct mbox_policy_config config;
    struct mbox_space space;
    char *error = mbox_policies_parse(node->value, &config, &space);

    if (error) {
        add_error(registry, "other_config:%s: %s: there is no policy",
                  node->key, error);
        free(error);
    } else {
        mbox_policy_config_destroy(&config);
    }
}

/* Checks the keys of 'settings' and notes their classes. */
static void
configure_classes(struct mbox_registry *registry, const struct smap *settings)
{
    const struct smap_node *node;

    smap_destroy(&registry->class_settings);
    smap_clone(&registry->class_settings, settings);
    registry->has_tenants = false;

    SMAP_FOR_EACH (node, settings) {
        const char *class_name = mbox_config_setting_class(node->key);

        if (!mbox_name_is_valid(class_name)) {
            add_error(registry, "other_config:%s: \"%s\" is not a valid class "
                      "name", node->key, class_name);
        } else if (strstr(node->key, "mbox-no-instance-") == node->key
                   && strcmp(node->value, "drop")
                   && strcmp(node->value, "bypass")) {
            add_error(registry, "other_config:%s: \"%s\" is neither \"drop\" "
                      "nor \"bypass\"; taken as \"drop\"",
                      node->key, node->value);
            sset_add(&registry->classes, class_name);
        } else if (strstr(node->key, "mbox-default-") == node->key
                   && node->value[0] && strcmp(node->value, "*")
                   && !mbox_name_is_valid(node->value)) {
            add_error(registry, "other_config:%s: \"%s\" is neither an "
                      "instance's name nor \"*\"", node->key, node->value);
        } else if (strstr(node->key, "mbox-tenant-") == node->key
                   && !mbox_name_is_valid(node->value)) {
            add_error(registry, "other_config:%s: \"%s\" is not a valid name "
                      "of a tenant: there is none", node->key, node->value);
            sset_add(&registry->classes, class_name);
        } else {
            if (strstr(node->key, "mbox-policy-") == node->key) {
                check_policy(registry, node);
            } else if (strstr(node->key, "mbox-tenant-") == node->key) {
                registry->has_tenants = true;
            }
            sset_add(&registry->classes, class_name);
        }
    }
}

const char *
mbox_registry_get_setting(const struct mbox_registry *registry,
                          const char *setting, const char *class_name,
                          const char *def)
{
    char *key = xasprintf("mbox-%s-%s", setting, class_name);
    const char *value = smap_get_def(&registry->class_settings, key, def);

    free(key);
    return value;
}

const char *
mbox_registry_get_tenant(const struct mbox_registry *registry,
                         const char *class_name)
{
    const char *tenant = NULL;

    if (registry->has_tenants) {
        tenant = mbox_registry_get_setting(registry, "tenant", class_name,
                                           NULL);
    }
    return tenant && mbox_name_is_valid(tenant) ? tenant : NULL;
}

/* Tells mbox-class.h the ports and the default of 'class_name'. */
static void
apply_class(const struct mbox_registry *registry, const char *class_name)
{
    const struct shash_node **nodes = shash_sort(&registry->instances);
    size_t n_instances = shash_count(&registry->instances);
    struct mbox_class_port *ports = xcalloc(n_instances, sizeof *ports);
    size_t n = 0;

    for (size_t i = 0; i < n_instances; i++) {
        const struct mbox_instance *instance = nodes[i]->data;

        if (!strcmp(instance->class_name, class_name)
            && instance->port != ODPP_NONE) {
            struct mbox_class_port *port = &ports[n++];

            ovs_strlcpy(port->instance, instance->name, sizeof port->instance);
            ovs_strlcpy(port->dp_name, instance->dp_name,
                        sizeof port->dp_name);
            port->odp_port = instance->port;
            port->mac = instance->mac;
        }
    }
    mbox_class_set_ports(class_name, ports, n);
    free(ports);
    free(nodes);

    const char *def = mbox_registry_get_setting(registry, "default",
                                                class_name, "");
    if (strlen(def) > MBOX_NAME_MAX) {
        def = "";
    }
    bool bypass = !strcmp(mbox_registry_get_setting(registry, "no-instance",
                                                    class_name, "drop"),
                          "bypass");

    mbox_class_set_default(class_name, def, bypass);
}

/* Logs each of 'errors' that is not in 'old'. */
static void
log_new_errors(const struct svec *errors, const struct svec *old)
{
    const char *error;
    size_t i;

    SVEC_FOR_EACH (i, error, errors) {
        /* svec_contains() would search even an empty 'old', from null. */
        if (!old->n || !svec_contains(old, error)) {
            VLOG_WARN("%s", error);
        }
    }
}

static void
warn_if_class_differs(struct mbox_instance *instance)
{
    bool differs = (instance->conn && instance->iface
                    && strcmp(instance->conn->class_name,
                              instance->class_name));

    if (differs && !instance->warned) {
        VLOG_WARN_RL(&rl, "instance %s: its agent announces class \"%s\", but "
                     "Interface %s says \"%s\"; it takes part in no transfer",
                     instance->name, instance->conn->class_name,
                     instance->iface, instance->class_name);
    }
    instance->warned = differs;
}

void
mbox_registry_configure(struct mbox_registry *registry,
                        const struct mbox_config *config)
{
    struct svec old_errors = registry->errors;
    struct shash_node *node;

    svec_init(&registry->errors);
    SHASH_FOR_EACH (node, &registry->instances) {
        unconfigure(node->data);
    }
    for (size_t i = 0; i < config->n_ifaces; i++) {
        configure_iface(registry, &config->ifaces[i]);
    }
    SHASH_FOR_EACH_SAFE (node, &registry->instances) {
        struct mbox_instance *instance = node->data;

        if (instance->iface) {
            sset_add(&registry->classes, instance->class_name);
        } else if (!instance->conn) {
            instance_destroy(registry, node);
            continue;
        }
        warn_if_class_differs(instance);
    }
    configure_classes(registry, &config->class_settings);

    svec_sort(&registry->errors);
    log_new_errors(&registry->errors, &old_errors);
    svec_destroy(&old_errors);

    const char *class_name;
    SSET_FOR_EACH (class_name, &registry->classes) {
        apply_class(registry, class_name);
    }
}

void
mbox_registry_set_counters(struct mbox_registry *registry,
                           const struct shash *ports)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &registry->instances) {
        struct mbox_instance *instance = node->data;
        const struct mbox_port_counters *counters
            = instance->iface ? shash_find_data(ports, instance->iface) : NULL;

        instance->has_counters = counters != NULL;
        instance->counters_at = time_msec();
        if (counters) {
            instance->counters = *counters;
        }
    }
}

struct mbox_instance *
mbox_registry_find(const struct mbox_registry *registry, const char *name)
{
    return shash_find_data(&registry->instances, name);
}

struct mbox_instance *
mbox_registry_find_port(const struct mbox_registry *registry,
                        const char *dp_name, odp_port_t port)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &registry->instances) {
        struct mbox_instance *instance = node->data;

        if (instance->port == port && port != ODPP_NONE
            && !strcmp(instance->dp_name, dp_name)) {
            return instance;
        }
    }
    return NULL;
}

bool
mbox_registry_add_agent(struct mbox_registry *registry,
                        struct mbox_conn *conn)
{
    struct mbox_instance *instance = find_or_create(registry, conn->name);

    if (instance->conn) {
        return false;
    }
    instance->conn = conn;
    instance->warned = false;
    warn_if_class_differs(instance);
    return true;
}

void
mbox_registry_remove_agent(struct mbox_registry *registry,
                           struct mbox_conn *conn)
{
    struct shash_node *node = shash_find(&registry->instances, conn->name);
    struct mbox_instance *instance = node ? node->data : NULL;

    if (instance && instance->conn == conn) {
        instance->conn = NULL;
        if (!instance->iface) {
            instance_destroy(registry, node);
        }
    }
}

char *
mbox_instance_problem(const struct mbox_instance *instance)
{
    if (!instance->iface) {
        return xasprintf("instance %s has no port: set other_config:mbox-class"
                         " (and mbox-name=%s) of its Interface",
                         instance->name, instance->name);
    } else if (instance->port == ODPP_NONE) {
        return xasprintf("instance %s has no port: Interface %s: %s",
                         instance->name, instance->iface,
                         instance->config_error ? instance->config_error
                         : "not in a datapath");
    } else if (!instance->conn) {
        return xasprintf("instance %s has no agent: start its middlebox, or "
                         "check that it can connect to the coordinator (its "
                         "listeners are shown by mbox/show)", instance->name);
    } else if (strcmp(instance->conn->class_name, instance->class_name)) {
        return xasprintf("instance %s: its agent announces class \"%s\", but "
                         "Interface %s says other_config:mbox-class=\"%s\"; "
                         "make them the same", instance->name,
                         instance->conn->class_name, instance->iface,
                         instance->class_name);
    } else if (instance->conn->n_unresolved) {
        return xasprintf("instance %s has transfers of an earlier connection "
                         "to resolve", instance->name);
    }
    return NULL;
}

const char *
mbox_instance_class(const struct mbox_instance *instance)
{
    return (instance->iface ? instance->class_name
            : instance->conn ? instance->conn->class_name
            : "");
}

void
mbox_registry_note_class(struct mbox_registry *registry,
                         const char *class_name)
{
    if (sset_add(&registry->classes, class_name)) {
        apply_class(registry, class_name);
    }
}

void
mbox_registry_format_names(const struct mbox_registry *registry,
                           struct ds *ds)
{
    const struct shash_node **nodes = shash_sort(&registry->instances);

    for (size_t i = 0; i < shash_count(&registry->instances); i++) {
        ds_put_format(ds, "%s%s", i ? ", " : "", nodes[i]->name);
    }
    if (shash_is_empty(&registry->instances)) {
        ds_put_cstr(ds, "none");
    }
    free(nodes);
}
