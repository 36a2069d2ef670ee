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

#include "mbox-class-private.h"

#include "coverage.h"
#include "hash.h"
#include "seq.h"
#include "util.h"

#include "mbox-flow.h"
#include "mbox-ovs.h"
#include "mbox-steer.h"

COVERAGE_DEFINE(mbox_forged_tag);

/* On a cache line of its own, so that who sends forged packets does not slow
 * down those who read what would be beside it. */
static OVS_ALIGNED_VAR(CACHE_LINE_SIZE) struct {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint64_t n;
    );
} forged;

struct ovs_mutex mbox_class_mutex = OVS_MUTEX_INITIALIZER;

ATOMIC(uint32_t) mbox_fast_gen[MBOX_MAX_CLASSES];

/* Classes by name and by id.  They only grow. */
static struct cmap classes = CMAP_INITIALIZER;
static OVSRCU_TYPE(struct mbox_class *) classes_by_id[MBOX_MAX_CLASSES];
static atomic_uint32_t n_classes = ATOMIC_VAR_INIT(0);

struct seq *
mbox_class_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

struct mbox_class *
mbox_class_from_name(const char *name)
{
    struct mbox_class *class;

    CMAP_FOR_EACH_WITH_HASH (class, node, hash_string(name, 0), &classes) {
        if (!strcmp(class->name, name)) {
            return class;
        }
    }
    return NULL;
}

struct mbox_class *
mbox_class_from_id(uint32_t id)
{
    return (id < MBOX_MAX_CLASSES
            ? ovsrcu_get(struct mbox_class *, &classes_by_id[id])
            : NULL);
}

/* Returns class 'name', new if need be, or NULL if there are too many. */
struct mbox_class *
mbox_class_create(const char *name)
{
    static const enum mf_field_id prefix_fields[] = {
        MFF_IPV4_SRC, MFF_IPV4_DST, MFF_IPV6_SRC
    };
    struct mbox_class *class = mbox_class_from_name(name);
    struct mbox_class_view *view;
    uint32_t id;

    atomic_read_relaxed(&n_classes, &id);
    if (class || id >= MBOX_MAX_CLASSES) {
        return class;
    }

    class = xzalloc(sizeof *class);
    class->id = id;
    ovs_strzcpy(class->name, name, sizeof class->name);
    classifier_init(&class->rules, flow_segment_u64s);
    classifier_set_prefix_fields(&class->rules, prefix_fields,
                                 ARRAY_SIZE(prefix_fields));
    ovs_list_init(&class->assignments);
    ovs_list_init(&class->retired);
    ovsrcu_init(&class->open, NULL);
    ovs_mutex_init(&class->steer_mutex);
    atomic_init(&class->n_dropped, 0);
    atomic_init(&class->n_stale, 0);
    atomic_init(&class->n_slow, 0);

    view = xzalloc(sizeof *view);
    view->gen = 1;
    view->version = OVS_VERSION_MIN;
    ovsrcu_init(&class->view, view);
    mbox_class_update_fast_gen(class);

    ovsrcu_set(&classes_by_id[id], class);
    atomic_store_explicit(&n_classes, id + 1, memory_order_release);
    cmap_insert(&classes, &class->node, hash_string(name, 0));
    return class;
}

static size_t
view_size(size_t n_members)
{
    return (sizeof(struct mbox_class_view)
            + n_members * sizeof(struct mbox_class_member));
}

struct mbox_class_view *
mbox_class_view_clone(const struct mbox_class_view *view)
{
    return xmemdup(view, view_size(view->n_members));
}

void
mbox_class_update_fast_gen(struct mbox_class *class)
{
    uint32_t gen = class->n_open ? 0 : mbox_class_get_view(class)->gen;

    atomic_store_explicit(&mbox_fast_gen[class->id], gen,
                          memory_order_release);
}

void
mbox_class_publish(struct mbox_class *class, struct mbox_class_view *view,
                   bool rules_changed)
{
    struct mbox_class_view *old
        = ovsrcu_get_protected(struct mbox_class_view *, &class->view);

    view->gen = old->gen + 1 == MBOX_GEN_STALE ? 1 : old->gen + 1;
    view->version = old->version + rules_changed;
    ovsrcu_set(&class->view, view);
    mbox_class_update_fast_gen(class);
    ovsrcu_postpone(free, old);
    seq_change(mbox_class_seq());
}

static bool
is_on_dp(const struct mbox_class_member *member, const char *dp_name)
{
    return !dp_name || !strcmp(member->port.dp_name, dp_name);
}

const struct mbox_class_member *
mbox_class_view_find(const struct mbox_class_view *view, const char *dp_name,
                     const char *instance)
{
    for (size_t i = 0; i < view->n_members; i++) {
        const struct mbox_class_member *member = &view->members[i];

        if (!strcmp(member->port.instance, instance)) {
            return is_on_dp(member, dp_name) ? member : NULL;
        }
    }
    return NULL;
}

/* Rendezvous hashing: when a member comes or goes, only its own share of the
 * flows moves. */
static const struct mbox_class_member *
find_by_hash(const struct mbox_class_view *view, const char *dp_name,
             uint32_t flow_hash)
{
    const struct mbox_class_member *best = NULL;
    uint32_t best_score = 0;

    for (size_t i = 0; i < view->n_members; i++) {
        const struct mbox_class_member *member = &view->members[i];
        uint32_t score = hash_2words(flow_hash, member->hash);

        if (is_on_dp(member, dp_name) && (!best || score > best_score)) {
            best = member;
            best_score = score;
        }
    }
    return best;
}

const struct mbox_class_member *
mbox_class_view_default(const struct mbox_class_view *view,
                        const char *dp_name)
{
    if (view->default_instance[0]) {
        return mbox_class_view_find(view, dp_name, view->default_instance);
    }
    for (size_t i = 0; i < view->n_members; i++) {
        if (is_on_dp(&view->members[i], dp_name)) {
            return &view->members[i];
        }
    }
    return NULL;
}

static const struct mbox_class_member *
find_default(const struct mbox_class_view *view, const char *dp_name,
             const struct flow *flow, struct flow_wildcards *wc)
{
    if (!strcmp(view->default_instance, "*")) {
        return find_by_hash(view, dp_name, mbox_flow_hash_hosts(flow, wc));
    }
    return mbox_class_view_default(view, dp_name);
}

const struct mbox_class_member *
mbox_class_find_owner(const struct mbox_class *class,
                      const struct mbox_class_view *view, const char *dp_name,
                      const struct flow *flow, struct flow_wildcards *wc)
{
    const struct cls_rule *cr
        = mbox_ovs_classifier_lookup(&class->rules, view->version, flow, wc);
    if (cr) {
        const struct mbox_rule *rule
            = CONTAINER_OF(cr, struct mbox_rule, cls_rule);
        const struct mbox_class_member *member
            = mbox_class_view_find(view, dp_name, rule->instance);

        if (member) {
            return member;
        }
    }
    return find_default(view, dp_name, flow, wc);
}

const struct mbox_class_member *
mbox_class_find_key_owner(const struct mbox_class *class,
                          const struct mbox_class_view *view,
                          const char *dp_name, const struct mbox_key *key,
                          bool later_frag)
{
    struct flow flow;

    mbox_key_to_flow(key, later_frag, &flow);
    return mbox_class_find_owner(class, view, dp_name, &flow, NULL);
}

enum mbox_class_verdict
mbox_class_translate(const char *class_name, const char *dp_name,
                     const struct flow *flow, struct flow_wildcards *wc,
                     struct ovs_action_mbox *action,
                     char instance[MBOX_NAME_MAX + 1])
{
    const struct mbox_class *class = mbox_class_from_name(class_name);

    memset(action, 0, sizeof *action);
    if (instance) {
        instance[0] = '\0';
    }
    if (!class) {
        return MBOX_CLASS_DROP;
    }

    const struct mbox_class_view *view = mbox_class_get_view(class);
    const struct mbox_class_member *member;
    struct flow own = *flow;
    bool hidden = mbox_flow_hides_key(flow);

    own.regs[0] = 0;            /* See mbox_space_to_matches(). */
    member = mbox_class_find_owner(class, view, dp_name, &own, wc);
    if (view->echo_ids && mbox_flow_hides_echo_id(flow, wc)) {
        hidden = true;
    }
    if (!member && view->bypass) {
        return MBOX_CLASS_BYPASS;
    }

    action->type = MBOX_ODP_STEER;
    action->id = class->id;
    if (!member) {
        action->port = odp_to_u32(ODPP_NONE);
        action->arg = MBOX_GEN_STALE;
        return MBOX_CLASS_DROP;
    }
    action->port = odp_to_u32(member->port.odp_port);
    action->arg = hidden ? MBOX_GEN_STALE : view->gen;
    if (instance) {
        ovs_strzcpy(instance, member->port.instance, MBOX_NAME_MAX + 1);
    }
    return MBOX_CLASS_STEER;
}

bool
mbox_class_is_mbox_port(const char *dp_name, odp_port_t port, bool *any)
{
    uint32_t n;

    *any = false;
    atomic_read_explicit(&n_classes, &n, memory_order_acquire);
    for (uint32_t id = 0; id < n; id++) {
        const struct mbox_class_view *view
            = mbox_class_get_view(mbox_class_from_id(id));

        for (size_t i = 0; i < view->n_members; i++) {
            if (is_on_dp(&view->members[i], dp_name)) {
                *any = true;
                if (view->members[i].port.odp_port == port) {
                    return true;
                }
            }
        }
    }
    return false;
}

void
mbox_class_count_forged(uint64_t n_packets)
{
    uint64_t orig;

    COVERAGE_ADD(mbox_forged_tag, n_packets);
    atomic_add_relaxed(&forged.n, n_packets, &orig);
}

uint64_t
mbox_class_get_forged(void)
{
    uint64_t n;

    atomic_read_relaxed(&forged.n, &n);
    return n;
}

static int
compare_members(const void *a_, const void *b_)
{
    const struct mbox_class_member *a = a_;
    const struct mbox_class_member *b = b_;

    return strcmp(a->port.instance, b->port.instance);
}

bool
mbox_class_set_ports(const char *name, const struct mbox_class_port *ports,
                     size_t n)
{
    bool changed = false;

    ovs_mutex_lock(&mbox_class_mutex);
    struct mbox_class *class = mbox_class_create(name);
    if (class) {
        const struct mbox_class_view *old = mbox_class_get_view(class);
        struct mbox_class_view *view = xzalloc(view_size(n));

        *view = *old;
        view->n_members = 0;
        for (size_t i = 0; i < n; i++) {
            if (ports[i].odp_port != ODPP_NONE && ports[i].dp_name[0]) {
                struct mbox_class_member *member
                    = &view->members[view->n_members++];

                /* Field by field, so that padding stays zero. */
                ovs_strzcpy(member->port.instance, ports[i].instance,
                            sizeof member->port.instance);
                ovs_strzcpy(member->port.dp_name, ports[i].dp_name,
                            sizeof member->port.dp_name);
                member->port.odp_port = ports[i].odp_port;
                member->port.mac = ports[i].mac;
                member->hash = hash_string(member->port.instance, 0);
            }
        }
        if (view->n_members) {
            qsort(view->members, view->n_members, sizeof *view->members,
                  compare_members);
        }

        changed = (view->n_members != old->n_members
                   || memcmp(view->members, old->members,
                             view->n_members * sizeof *view->members));
        if (changed) {
            mbox_class_publish(class, view, false);
            mbox_steer_update_ports(class);
        } else {
            free(view);
        }
    }
    ovs_mutex_unlock(&mbox_class_mutex);
    return changed;
}

void
mbox_class_set_default(const char *name, const char *instance,
                       bool bypass_if_none)
{
    ovs_mutex_lock(&mbox_class_mutex);
    struct mbox_class *class = mbox_class_create(name);
    if (class) {
        const struct mbox_class_view *old = mbox_class_get_view(class);

        if (strcmp(old->default_instance, instance)
            || old->bypass != bypass_if_none) {
            struct mbox_class_view *view = mbox_class_view_clone(old);

            memset(view->default_instance, 0, sizeof view->default_instance);
            ovs_strzcpy(view->default_instance, instance,
                        sizeof view->default_instance);
            view->bypass = bypass_if_none;
            mbox_class_publish(class, view, false);
        }
    }
    ovs_mutex_unlock(&mbox_class_mutex);
}

bool
mbox_class_lookup(const char *name, const struct mbox_key *key,
                  char instance[MBOX_NAME_MAX + 1])
{
    const struct mbox_class *class = mbox_class_from_name(name);
    const struct mbox_class_member *member;

    member = (class
              ? mbox_class_find_key_owner(class, mbox_class_get_view(class),
                                          NULL, key, false)
              : NULL);
    if (member) {
        ovs_strzcpy(instance, member->port.instance, MBOX_NAME_MAX + 1);
    }
    return member != NULL;
}

void
mbox_class_get_stats(const char *name, struct mbox_class_stats *stats)
{
    struct mbox_class *class = mbox_class_from_name(name);

    memset(stats, 0, sizeof *stats);
    if (class) {
        atomic_read_relaxed(&class->n_dropped, &stats->n_dropped);
        atomic_read_relaxed(&class->n_stale, &stats->n_stale);
        atomic_read_relaxed(&class->n_slow, &stats->n_slow);
    }
}
