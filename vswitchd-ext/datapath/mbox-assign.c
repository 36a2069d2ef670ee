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

#include <errno.h>

#include "mbox-class-private.h"

#include "util.h"

#include "mbox-flow.h"

/* One assignment: a flow space and the rules that stand for it. */
struct assignment {
    struct ovs_list node;       /* In struct mbox_class's 'assignments'. */
    struct mbox_assignment public;
    struct ovs_list rules;      /* "struct mbox_rule"s. */
};

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

/* Adds 'a' as the newest, from version 'version' on.  Returns false if no rule
 * can stand for it. */
static bool
assignment_add(struct mbox_class *class, const struct mbox_assignment *a,
               ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex)
{
    struct match *matches = xmalloc(MBOX_SPACE_MAX_MATCHES * sizeof *matches);
    size_t n = mbox_space_to_matches(&a->space, matches);

    if (n) {
        struct assignment *assignment = xzalloc(sizeof *assignment);

        assignment->public = *a;
        ovs_list_init(&assignment->rules);
        ovs_list_push_front(&class->assignments, &assignment->node);
        class->top_priority++;
        for (size_t i = 0; i < n; i++) {
            struct mbox_rule *rule = xzalloc(sizeof *rule);

            rule->class = class;
            ovs_strzcpy(rule->instance, a->instance, sizeof rule->instance);
            cls_rule_init(&rule->cls_rule, &matches[i], class->top_priority);
            ovs_list_push_back(&assignment->rules, &rule->node);
            classifier_insert(&class->rules, &rule->cls_rule, version,
                              NULL, 0);
        }
    }
    free(matches);
    return n > 0;
}

/* Removes 'assignment' from version 'version' on. */
static void
assignment_retire(struct mbox_class *class, struct assignment *assignment,
                  ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex)
{
    struct mbox_rule *rule;

    LIST_FOR_EACH_POP (rule, node, &assignment->rules) {
        cls_rule_make_invisible_in_version(&rule->cls_rule, version);
        rule->removed = version;
        ovs_list_push_back(&class->retired, &rule->node);
    }
    ovs_list_remove(&assignment->node);
    free(assignment);
}

static void
publish_rules(struct mbox_class *class)
    OVS_REQUIRES(mbox_class_mutex)
{
    mbox_class_publish(class,
                       mbox_class_view_clone(mbox_class_get_view(class)),
                       true);
    mbox_class_reclaim_rules(class);
}

int
mbox_class_assign(const char *name, const struct mbox_space *space,
                  const char *instance)
{
    struct mbox_assignment new = { .space = *space };
    int error = 0;

    ovs_strzcpy(new.instance, instance, sizeof new.instance);
    ovs_mutex_lock(&mbox_class_mutex);
    struct mbox_class *class = mbox_class_create(name);
    if (!class) {
        error = -ENOSPC;
    } else {
        ovs_version_t version = mbox_class_get_view(class)->version + 1;

        if (!assignment_add(class, &new, version)) {
            error = -EINVAL;
        } else {
            struct assignment *assignment;

            LIST_FOR_EACH_SAFE (assignment, node, &class->assignments) {
                if (&assignment->node != ovs_list_front(&class->assignments)
                    && mbox_space_covers(space, &assignment->public.space)) {
                    assignment_retire(class, assignment, version);
                }
            }
            publish_rules(class);
        }
    }
    ovs_mutex_unlock(&mbox_class_mutex);
    return error;
}

size_t
mbox_class_get_assignments(const char *name, struct mbox_assignment **out)
{
    size_t n = 0;

    *out = NULL;
    ovs_mutex_lock(&mbox_class_mutex);
    const struct mbox_class *class = mbox_class_from_name(name);
    if (class) {
        const struct assignment *assignment;

        *out = xmalloc(ovs_list_size(&class->assignments) * sizeof **out);
        LIST_FOR_EACH (assignment, node, &class->assignments) {
            (*out)[n++] = assignment->public;
        }
    }
    ovs_mutex_unlock(&mbox_class_mutex);
    return n;
}

/* Returns the name of an owner by default other than 'src' and 'dst', or
 * NULL. */
static const char *
find_third_by_default(const struct mbox_class_view *view,
                      const char *src, const char *dst)
{
    bool by_hash = !strcmp(view->default_instance, "*");

    for (size_t i = 0; i < view->n_members; i++) {
        const char *member = view->members[i].port.instance;

        if (view->default_instance[0] && !by_hash
            && strcmp(member, view->default_instance)) {
            continue;
        }
        if (strcmp(member, src) && strcmp(member, dst)) {
            return member;
        } else if (!by_hash) {
            break;
        }
    }
    return NULL;
}

bool
mbox_class_find_third_owner(const char *name, const struct mbox_space *space,
                            const char *src, const char *dst,
                            char owner[MBOX_NAME_MAX + 1])
{
    const char *third = NULL;

    ovs_mutex_lock(&mbox_class_mutex);
    const struct mbox_class *class = mbox_class_from_name(name);
    if (class) {
        const struct mbox_class_view *view = mbox_class_get_view(class);
        const struct assignment *assignment;
        bool covered = false;

        LIST_FOR_EACH (assignment, node, &class->assignments) {
            const struct mbox_assignment *a = &assignment->public;

            if (!mbox_space_overlaps(&a->space, space)
                || !mbox_class_view_find(view, NULL, a->instance)) {
                continue;
            }
            if (strcmp(a->instance, src) && strcmp(a->instance, dst)) {
                third = a->instance;
                break;
            }
            covered = mbox_space_covers(&a->space, space);
            if (covered) {
                break;
            }
        }
        if (!third && !covered) {
            third = find_third_by_default(view, src, dst);
        }
        if (third) {
            ovs_strzcpy(owner, third, MBOX_NAME_MAX + 1);
        }
    }
    ovs_mutex_unlock(&mbox_class_mutex);
    return third != NULL;
}

void
mbox_class_set_assignments(const char *name,
                           const struct mbox_assignment *assignments,
                           size_t n)
{
    ovs_mutex_lock(&mbox_class_mutex);
    struct mbox_class *class = mbox_class_create(name);
    if (class) {
        ovs_version_t version = mbox_class_get_view(class)->version + 1;
        struct assignment *assignment;

        LIST_FOR_EACH_SAFE (assignment, node, &class->assignments) {
            assignment_retire(class, assignment, version);
        }
        for (size_t i = n; i-- > 0; ) {
            assignment_add(class, &assignments[i], version);
        }
        publish_rules(class);
    }
    ovs_mutex_unlock(&mbox_class_mutex);
}
