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

#ifndef MBOX_ASSIGN_H
#define MBOX_ASSIGN_H 1

/* The list of assignments of a class, and the rules of its classifier that
 * stand for them.  What mbox-assign.c has for mbox-move.c.
 *
 * Changes are made between mbox_assign_begin() and mbox_assign_publish(), in
 * any number: readers see all of them at once. */

#include "mbox-class-private.h"

/* One assignment. */
struct mbox_assign {
    struct ovs_list node;       /* In struct mbox_class's 'assignments'. */
    struct mbox_assignment public;
    struct ovs_list rules;      /* "struct mbox_rule"s. */
    int priority;               /* Of the rules. */
};

/* Starts to change the assignments of 'class'.  Returns the version from which
 * on the changes are seen. */
ovs_version_t mbox_assign_begin(struct mbox_class *class)
    OVS_REQUIRES(mbox_class_mutex);
void mbox_assign_publish(struct mbox_class *)
    OVS_REQUIRES(mbox_class_mutex);

/* Assigns 'space' to 'instance', with just more precedence than 'next' has,
 * which is an assignment's 'node', or the list for the least precedence of
 * all.  Returns NULL if no packet can be in 'space', or rules cannot say
 * it. */
struct mbox_assign *mbox_assign_insert(struct mbox_class *,
                                       struct ovs_list *next,
                                       const struct mbox_space *space,
                                       const char *instance,
                                       ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex);

/* Gives what is assigned to another instance. */
void mbox_assign_rename(struct mbox_class *, struct mbox_assign *,
                        const char *instance, ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex);

void mbox_assign_remove(struct mbox_class *, struct mbox_assign *,
                        ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex);

/* mbox-move.c. */

/* Assigns to 'dst' those packets of 'space' that belong to 'src' in 'view', on
 * datapath 'dp_name', and no others.  If not 'apply', just tells whether it
 * can.  Returns 0, -EINVAL if rules cannot say 'space', or -EDOM if packets of
 * it are spread by hash over 'src' and a third instance. */
int mbox_move_space(struct mbox_class *, const struct mbox_class_view *view,
                    const char *dp_name, const struct mbox_space *space,
                    const char *src, const char *dst,
                    bool apply, ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex);

/* Assigns to 'instance' those packets of the 'n' flows 'keys' (canonical, all
 * different) that belong to 'src' in 'view', and no others.  Sorts 'keys'. */
void mbox_move_keys(struct mbox_class *, const struct mbox_class_view *view,
                    const char *dp_name, struct mbox_key *keys, size_t n,
                    const char *src, const char *instance,
                    ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex);

#endif /* mbox-assign.h */
