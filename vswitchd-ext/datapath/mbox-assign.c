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

#include "mbox-assign.h"

#include "util.h"

#include "mbox-flow.h"

/* Priorities of rules leave room for others in between. */
#define PRIORITY_STEP 1024
#define PRIORITY_MIDDLE (1 << 30)

static void
rule_destroy(struct mbox_rule *rule)
{
    cls_rule_destroy(&rule->cls_rule);
    free(rule);
}

/* No lookup can see 'rule' any more.  Runs in the RCU thread. */
static void
rule_remove(struct mbox_rule *rule)
{
    ovs_mutex_lock(&mbox_class_mutex);
    classifier_remove_assert(&rule->class->rules, &rule->cls_rule);
    ovs_mutex_unlock(&mbox_class_mutex);
    ovsrcu_postpone(rule_destroy, rule);
}

void
mbox_class_reclaim_rules(struct mbox_class *class)
{
    ovs_version_t oldest = mbox_steer_oldest_version(class);
    struct mbox_rule *rule;

    LIST_FOR_EACH_SAFE (rule, node, &class->retired) {
        if (rule->removed > oldest) {
            break;
        }
        ovs_list_remove(&rule->node);
        ovsrcu_postpone(rule_remove, rule);
    }
}

/* Adds the rules that stand for 'assign'.  Returns false if there are none. */
static bool
add_rules(struct mbox_class *class, struct mbox_assign *assign,
          ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex)
{
    struct match matches[MBOX_SPACE_MAX_MATCHES];
    size_t n = mbox_space_to_matches(&assign->public.space, matches);

    for (size_t i = 0; i < n; i++) {
        struct mbox_rule *rule = xzalloc(sizeof *rule);

        rule->class = class;
        ovs_strzcpy(rule->instance, assign->public.instance,
                    sizeof rule->instance);
        cls_rule_init(&rule->cls_rule, &matches[i], assign->priority);
        ovs_list_push_back(&assign->rules, &rule->node);
        classifier_insert(&class->rules, &rule->cls_rule, version, NULL, 0);
    }
    return n > 0;
}

static void
retire_rules(struct mbox_class *class, struct mbox_assign *assign,
             ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex)
{
    struct mbox_rule *rule;

    LIST_FOR_EACH_POP (rule, node, &assign->rules) {
        cls_rule_make_invisible_in_version(&rule->cls_rule, version);
        rule->removed = version;
        ovs_list_push_back(&class->retired, &rule->node);
    }
}

/* Chooses a priority for a new assignment before 'next'.  Returns false if
 * there is none left. */
static bool
choose_priority(const struct mbox_class *class, const struct ovs_list *next,
                int *priority)
    OVS_REQUIRES(mbox_class_mutex)
{
    const struct ovs_list *list = &class->assignments;
    const struct mbox_assign *above = NULL, *below = NULL;

    if (next->prev != list) {
        above = CONTAINER_OF(next->prev, struct mbox_assign, node);
    }
    if (next != list) {
        below = CONTAINER_OF(next, struct mbox_assign, node);
    }
    if (above && below) {
        *priority = below->priority + (above->priority - below->priority) / 2;
        return *priority > below->priority;
    } else if (above) {
        *priority = above->priority - MIN(PRIORITY_STEP, above->priority / 2);
        return *priority < above->priority;
    } else if (below) {
        *priority = below->priority + MIN(PRIORITY_STEP,
                                          (INT_MAX - below->priority) / 2);
        return *priority > below->priority;
    } else {
        *priority = PRIORITY_MIDDLE;
        return true;
    }
}

/* Makes room between the priorities of all assignments. */
static void
renumber(struct mbox_class *class, ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex)
{
    int n = ovs_list_size(&class->assignments);
    int step = MIN(PRIORITY_STEP, PRIORITY_MIDDLE / n);
    int priority = PRIORITY_MIDDLE + n / 2 * step;
    struct mbox_assign *assign;

    /* First all old ones go: a new rule may be like another's old one. */
    LIST_FOR_EACH (assign, node, &class->assignments) {
        retire_rules(class, assign, version);
    }
    LIST_FOR_EACH (assign, node, &class->assignments) {
        assign->priority = priority;
        add_rules(class, assign, version);
        priority -= step;
    }
}

ovs_version_t
mbox_assign_begin(struct mbox_class *class)
{
    classifier_defer(&class->rules);
    return mbox_class_get_view(class)->version + 1;
}

void
mbox_assign_publish(struct mbox_class *class)
{
    struct mbox_class_view *view
        = mbox_class_view_clone(mbox_class_get_view(class));
    const struct mbox_assign *assign;

    classifier_publish(&class->rules);
    view->echo_ids = false;
    LIST_FOR_EACH (assign, node, &class->assignments) {
        view->echo_ids |= mbox_space_has_echo_id(&assign->public.space);
    }
    mbox_class_publish(class, view, true);
    mbox_class_reclaim_rules(class);
}

struct mbox_assign *
mbox_assign_insert(struct mbox_class *class, struct ovs_list *next,
                   const struct mbox_space *space, const char *instance,
                   ovs_version_t version)
{
    struct mbox_assign *assign = xzalloc(sizeof *assign);

    assign->public.space = *space;
    ovs_strzcpy(assign->public.instance, instance,
                sizeof assign->public.instance);
    ovs_list_init(&assign->rules);
    if (!choose_priority(class, next, &assign->priority)) {
        renumber(class, version);
        choose_priority(class, next, &assign->priority);
    }
    if (!add_rules(class, assign, version)) {
        free(assign);
        return NULL;
    }
    ovs_list_insert(next, &assign->node);
    return assign;
}

void
mbox_assign_rename(struct mbox_class *class, struct mbox_assign *assign,
                   const char *instance, ovs_version_t version)
{
    retire_rules(class, assign, version);
    ovs_strzcpy(assign->public.instance, instance,
                sizeof assign->public.instance);
    add_rules(class, assign, version);
}

void
mbox_assign_remove(struct mbox_class *class, struct mbox_assign *assign,
                   ovs_version_t version)
{
    retire_rules(class, assign, version);
    ovs_list_remove(&assign->node);
    free(assign);
}

size_t
mbox_class_get_assignments(const char *name, struct mbox_assignment **out)
{
    size_t n = 0;

    *out = NULL;
    ovs_mutex_lock(&mbox_class_mutex);
    const struct mbox_class *class = mbox_class_from_name(name);
    if (class) {
        const struct mbox_assign *assign;

        *out = xmalloc(ovs_list_size(&class->assignments) * sizeof **out);
        LIST_FOR_EACH (assign, node, &class->assignments) {
            (*out)[n++] = assign->public;
        }
    }
    ovs_mutex_unlock(&mbox_class_mutex);
    return n;
}

void
mbox_class_set_assignments(const char *name,
                           const struct mbox_assignment *assignments,
                           size_t n)
{
    ovs_mutex_lock(&mbox_class_mutex);
    struct mbox_class *class = mbox_class_create(name);
    if (class) {
        ovs_version_t version = mbox_assign_begin(class);
        struct mbox_assign *assign;

        LIST_FOR_EACH_SAFE (assign, node, &class->assignments) {
            mbox_assign_remove(class, assign, version);
        }
        for (size_t i = 0; i < n; i++) {
            mbox_assign_insert(class, &class->assignments,
                               &assignments[i].space,
                               assignments[i].instance, version);
        }
        mbox_assign_publish(class);
    }
    ovs_mutex_unlock(&mbox_class_mutex);
}
