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

#ifndef MBOX_REGISTRY_H
#define MBOX_REGISTRY_H 1

/* The registry of instances and classes
 * =====================================
 *
 * An instance is known by name.  It becomes known by an Interface's
 * other_config:mbox-class (which gives it a port) or by an agent that
 * announces it; it can take part in transfers when it has both and they agree
 * on the class.
 *
 * Coordinator thread only. */

#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"

#include "mbox-class.h"
#include "mbox-mailbox.h"
#include "mbox-msg.h"
#include "mbox-ports.h"

struct ds;
struct json;
struct mbox_conn;

struct mbox_instance {
    char name[MBOX_NAME_MAX + 1];

    /* From the database.  'iface' is null if no Interface names it. */
    char *iface;
    char *bridge;               /* NULL if 'iface' is. */
    char class_name[MBOX_NAME_MAX + 1]; /* "" if 'iface' is null. */
    char dp_name[64];
    odp_port_t port;            /* ODPP_NONE if it has no port. */
    struct eth_addr mac;
    char *config_error;         /* Why it has no port, or NULL. */

    /* As of the last MBOX_MAIL_PORTS. */
    bool has_counters;
    struct mbox_port_counters counters;
    long long counters_at;      /* When that came, ms; 0 if it never did. */

    /* What mbox-usage.h has accounted of them, for this port; ODPP_NONE if
     * nothing. */
    struct mbox_port_counters accounted;
    odp_port_t accounted_port;

    struct mbox_conn *conn;   /* Connected, handshake done; or NULL. */
    bool warned;                /* Agent's class differs: logged. */
    uint64_t n_tagged_dropped;  /* Tagged packets from its port that no
                                 * transfer wanted. */
};

struct mbox_registry {
    struct shash instances;     /* Data is "struct mbox_instance". */
    struct sset classes;        /* Every class that was ever set up. */
    struct smap class_settings; /* See struct mbox_config. */
    bool has_tenants;           /* Some class has one. */
    struct svec errors;         /* Settings that are ignored, and why. */
};

void mbox_registry_init(struct mbox_registry *);
void mbox_registry_destroy(struct mbox_registry *);

/* Takes over what 'config' says of instances and classes, and tells
 * mbox-class.h. */
void mbox_registry_configure(struct mbox_registry *,
                             const struct mbox_config *);

/* Takes over what the instances' ports have counted, see mbox_ports_read(). */
void mbox_registry_set_counters(struct mbox_registry *,
                                const struct shash *ports);

/* The value of other_config:mbox-SETTING-CLASS, or 'def' if it is not set. */
const char *mbox_registry_get_setting(const struct mbox_registry *,
                                      const char *setting,
                                      const char *class_name,
                                      const char *def);

/* The tenant that a class belongs to, or NULL. */
const char *mbox_registry_get_tenant(const struct mbox_registry *,
                                     const char *class_name);

struct mbox_instance *mbox_registry_find(const struct mbox_registry *,
                                         const char *name);

/* The instance whose port is 'port' of datapath 'dp_name', or NULL. */
struct mbox_instance *mbox_registry_find_port(const struct mbox_registry *,
                                              const char *dp_name,
                                              odp_port_t port);

/* Connects 'conn' to the instance that it announces, which is created if need
 * be.  Returns false if the instance has an agent already. */
bool mbox_registry_add_agent(struct mbox_registry *, struct mbox_conn *);
void mbox_registry_remove_agent(struct mbox_registry *, struct mbox_conn *);

/* Why 'instance' cannot take part in transfers, cause and remedy; NULL if it
 * can.  The caller frees it. */
char *mbox_instance_problem(const struct mbox_instance *);

/* The class of 'instance': the Interface's, else the agent's. */
const char *mbox_instance_class(const struct mbox_instance *);

/* Makes sure that 'class_name' is one of the registry's 'classes'. */
void mbox_registry_note_class(struct mbox_registry *, const char *class_name);

/* Names of all instances, separated by ", ", or "none". */
void mbox_registry_format_names(const struct mbox_registry *, struct ds *);

#endif /* mbox-registry.h */
