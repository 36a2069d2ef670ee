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

#ifndef MBOX_CLASS_PRIVATE_H
#define MBOX_CLASS_PRIVATE_H 1

/* What mbox-class.c, mbox-assign.c, mbox-steer.c and mbox-execute.c share. */

#include "classifier.h"
#include "cmap.h"
#include "odp-util.h"
#include "ovs-rcu.h"

#include "mbox-class.h"

struct mbox_steer_set;

/* A live instance. */
struct mbox_class_member {
    struct mbox_class_port port;
    uint32_t hash;              /* Of its name. */
};

/* Everything about a class but the rules, at one generation.  Immutable. */
struct mbox_class_view {
    uint32_t gen;
    ovs_version_t version;      /* Of the classifier. */
    char default_instance[MBOX_NAME_MAX + 1];
    bool bypass;                /* Without live instance, do not drop. */
    bool echo_ids;              /* Assignments look at the identifiers of ICMP
                                 * echoes. */
    size_t n_members;
    struct mbox_class_member members[]; /* Sorted by name. */
};

/* The generation of a datapath flow that is stale from the start, so that each
 * of its packets is looked up. */
#define MBOX_GEN_STALE UINT32_MAX

/* Never freed. */
struct mbox_class {
    struct cmap_node node;      /* In 'classes', by hash of 'name'. */
    uint32_t id;
    char name[MBOX_NAME_MAX + 1];

    OVSRCU_TYPE(struct mbox_class_view *) view; /* Never NULL. */
    struct classifier rules;    /* "struct mbox_rule"s. */

    /* Of writers, under mbox_class_mutex. */
    struct ovs_list assignments; /* "struct mbox_assign"s, in order of
                                  * decreasing precedence. */
    struct ovs_list retired;    /* "struct mbox_rule"s that only versions
                                 * before the current one have, in order of
                                 * 'removed'. */
    size_t n_open;              /* Open transfers. */

    /* Transfers.  'open' changes under mbox_class_mutex. */
    OVSRCU_TYPE(struct mbox_steer_set *) open;
    struct ovs_mutex steer_mutex;

    atomic_uint64_t n_dropped;
    atomic_uint64_t n_stale;
    atomic_uint64_t n_slow;
};

/* A rule of a class's classifier. */
struct mbox_rule {
    struct cls_rule cls_rule;
    struct ovs_list node;       /* In its assignment or in 'retired'. */
    ovs_version_t removed;      /* If retired: the first version without it. */
    struct mbox_class *class;
    char instance[MBOX_NAME_MAX + 1];
};

/* Classes. */
struct mbox_class *mbox_class_from_name(const char *);
struct mbox_class *mbox_class_from_id(uint32_t id);
struct mbox_class *mbox_class_create(const char *name)
    OVS_REQUIRES(mbox_class_mutex);

static inline const struct mbox_class_view *
mbox_class_get_view(const struct mbox_class *class)
{
    return ovsrcu_get(struct mbox_class_view *, &class->view);
}

/* Publishes 'view', which gets the next generation and, if 'rules_changed',
 * the next version.  Takes it. */
void mbox_class_publish(struct mbox_class *, struct mbox_class_view *,
                        bool rules_changed)
    OVS_REQUIRES(mbox_class_mutex);

/* A copy of the current view. */
struct mbox_class_view *mbox_class_view_clone(const struct mbox_class_view *);

/* Stores the right value in 'mbox_fast_gen', after 'n_open' has changed. */
void mbox_class_update_fast_gen(struct mbox_class *)
    OVS_REQUIRES(mbox_class_mutex);

/* Lookups.  The member that 'flow' belongs to in 'view', of those on datapath
 * 'dp_name' (NULL: any); NULL if there is none. 'wc' may be NULL. */
const struct mbox_class_member *mbox_class_find_owner(
    const struct mbox_class *, const struct mbox_class_view *view,
    const char *dp_name, const struct flow *flow, struct flow_wildcards *wc);
const struct mbox_class_member *mbox_class_find_key_owner(
    const struct mbox_class *, const struct mbox_class_view *view,
    const char *dp_name, const struct mbox_key *, bool later_frag);

/* The member called 'instance'; NULL if it is not live. */
const struct mbox_class_member *mbox_class_view_find(
    const struct mbox_class_view *, const char *dp_name,
    const char *instance);

/* The member that everything without assignment belongs to, unless that is
 * decided by hash; NULL if there is none. */
const struct mbox_class_member *mbox_class_view_default(
    const struct mbox_class_view *, const char *dp_name);

/* Frees the rules that no open transfer can see any more. */
void mbox_class_reclaim_rules(struct mbox_class *)
    OVS_REQUIRES(mbox_class_mutex);

/* The oldest version of the class's rules that an open transfer looks at;
 * OVS_VERSION_MAX if there is none.  In mbox-steer.c. */
ovs_version_t mbox_steer_oldest_version(const struct mbox_class *)
    OVS_REQUIRES(mbox_class_mutex);

/* Tells open transfers that ports have changed.  In mbox-steer.c. */
void mbox_steer_update_ports(struct mbox_class *)
    OVS_REQUIRES(mbox_class_mutex);

#endif /* mbox-class-private.h */
