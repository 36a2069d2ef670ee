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

#include "mbox-assign.h"

#include "hash.h"
#include "util.h"

#include "mbox-flow.h"
#include "mbox-steer.h"

/* What a move does to the assignments
 * ===================================
 *
 * Of a flow space, just the packets that belong to the source are assigned to
 * the destination.  So the assignments are walked in order of precedence:
 *
 *     - one of another instance stays, and what is below it does not matter
 *       for its packets;
 *     - one of the source that is all in the flow space is renamed;
 *     - above one of the source that is in part, that part is assigned;
 *     - if the flow space is not covered by then, and what has no assignment
 *       belongs to the source, the flow space is assigned below all others.
 *
 * An assignment to an instance that is not live is the default's, unless it is
 * the source. */

/* Blockers that compact() looks at before it lets things be. */
#define MAX_BLOCKERS 64

enum owner {
    OWNER_SOURCE,               /* All packets are the source's or, if they
                                 * are spread by hash, the destination's. */
    OWNER_OTHER,                /* None are the source's. */
    OWNER_MIXED,                /* Some are the source's, some a third
                                 * instance's. */
};

static enum owner
owner_by_hash(const struct mbox_class_view *view, const char *dp_name,
              const char *src, const char *dst)
{
    bool any_src = false, any_third = false;

    for (size_t i = 0; i < view->n_members; i++) {
        const struct mbox_class_port *port = &view->members[i].port;

        if (strcmp(port->dp_name, dp_name)) {
            continue;
        } else if (!strcmp(port->instance, src)) {
            any_src = true;
        } else if (strcmp(port->instance, dst)) {
            any_third = true;
        }
    }
    return (!any_src ? OWNER_OTHER : any_third ? OWNER_MIXED : OWNER_SOURCE);
}

static enum owner
owner_by_default(const struct mbox_class_view *view, const char *dp_name,
                 const char *src, const char *dst)
{
    if (!strcmp(view->default_instance, "*")) {
        return owner_by_hash(view, dp_name, src, dst);
    }

    const struct mbox_class_member *member
        = mbox_class_view_default(view, dp_name);
    return (member && !strcmp(member->port.instance, src)
            ? OWNER_SOURCE : OWNER_OTHER);
}

/* Assigns 'space' to 'dst', just above 'assign', and removes what is below and
 * has no packets any more.  Does nothing if 'space' has none itself, because
 * of an assignment above. */
static struct mbox_assign *
insert_above(struct mbox_class *class, struct mbox_assign *assign,
             const struct mbox_space *space, const char *dst,
             ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex)
{
    struct mbox_assign *above, *below, *new;

    LIST_FOR_EACH (above, node, &class->assignments) {
        if (above == assign) {
            break;
        } else if (mbox_space_covers(&above->public.space, space)) {
            return NULL;
        }
    }
    new = mbox_assign_insert(class, &assign->node, space, dst, version);
    for (struct ovs_list *node = assign->node.next;
         new && node != &class->assignments; ) {
        below = CONTAINER_OF(node, struct mbox_assign, node);
        node = node->next;
        if (mbox_space_covers(space, &below->public.space)) {
            mbox_assign_remove(class, below, version);
        }
    }
    return new;
}

/* Assigns the part of 'space' that is in 'assign' to 'dst', above it. */
static void
insert_common(struct mbox_class *class, struct mbox_assign *assign,
              const struct mbox_space *space, const char *dst,
              ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex)
{
    struct mbox_space parts[2];
    size_t n = mbox_space_intersect(space, &assign->public.space, parts);

    for (size_t i = 0; i < n; i++) {
        insert_above(class, assign, &parts[i], dst, version);
    }
}

/* Removes the assignments to the same instance above 'floor', in its flow
 * space, that make no difference.  Gives up if that takes long. */
static void
compact(struct mbox_class *class, struct mbox_assign *floor,
        ovs_version_t version)
    OVS_REQUIRES(mbox_class_mutex)
{
    const struct mbox_space *space = &floor->public.space;
    const struct mbox_space *blockers[MAX_BLOCKERS];
    struct ovs_list *node = floor->node.prev;
    size_t n_blockers = 0;

    while (node != &class->assignments) {
        struct mbox_assign *assign
            = CONTAINER_OF(node, struct mbox_assign, node);

        node = node->prev;
        if (!strcmp(assign->public.instance, floor->public.instance)) {
            bool blocked = !mbox_space_covers(space, &assign->public.space);

            for (size_t i = 0; i < n_blockers && !blocked; i++) {
                blocked = mbox_space_overlaps(blockers[i],
                                              &assign->public.space);
            }
            if (!blocked) {
                mbox_assign_remove(class, assign, version);
            }
        } else if (mbox_space_overlaps(space, &assign->public.space)) {
            if (n_blockers >= MAX_BLOCKERS) {
                break;
            }
            blockers[n_blockers++] = &assign->public.space;
        }
    }
}

int
mbox_move_space(struct mbox_class *class, const struct mbox_class_view *view,
                const char *dp_name, const struct mbox_space *space,
                const char *src, const char *dst,
                bool apply, ovs_version_t version)
{
    struct match matches[MBOX_SPACE_MAX_MATCHES];
    enum owner by_default = owner_by_default(view, dp_name, src, dst);
    struct mbox_assign *floor = NULL;
    bool covered = false;

    if (!mbox_space_to_matches(space, matches)) {
        return -EINVAL;
    }

    /* What is below 'assign' may be removed on the way. */
    for (struct ovs_list *node = class->assignments.next;
         node != &class->assignments && !covered; node = node->next) {
        struct mbox_assign *assign
            = CONTAINER_OF(node, struct mbox_assign, node);
        const char *instance = assign->public.instance;
        enum owner owner;

        if (!mbox_space_overlaps(&assign->public.space, space)) {
            continue;
        }
        covered = mbox_space_covers(&assign->public.space, space);
        owner = (!strcmp(instance, src) ? OWNER_SOURCE
                 : mbox_class_view_find(view, dp_name, instance) ? OWNER_OTHER
                 : by_default);
        if (owner == OWNER_MIXED) {
            return -EDOM;
        }
        floor = assign;
        if (owner == OWNER_SOURCE && apply) {
            if (mbox_space_covers(space, &assign->public.space)) {
                mbox_assign_rename(class, assign, dst, version);
            } else if (covered) {
                floor = insert_above(class, assign, space, dst, version);
            } else {
                insert_common(class, assign, space, dst, version);
            }
        }
    }
    if (!covered) {
        if (by_default == OWNER_MIXED) {
            return -EDOM;
        }
        floor = NULL;
        if (by_default == OWNER_SOURCE && apply) {
            floor = mbox_assign_insert(class, &class->assignments, space, dst,
                                       version);
        }
    }
    if (apply && floor && !strcmp(floor->public.instance, dst)) {
        compact(class, floor, version);
    }
    return 0;
}

int
mbox_class_check_move(const char *name, const struct mbox_space *space,
                      const char *src, const char *dst)
{
    int error = 0;

    ovs_mutex_lock(&mbox_class_mutex);
    struct mbox_class *class = mbox_class_from_name(name);
    if (class) {
        const struct mbox_class_view *view = mbox_class_get_view(class);
        const struct mbox_class_member *member
            = mbox_class_view_find(view, NULL, src);

        if (member) {
            error = mbox_move_space(class, view, member->port.dp_name, space,
                                    src, dst, false, 0);
        }
    }
    ovs_mutex_unlock(&mbox_class_mutex);
    return error;
}

/* Single flows. */

static int
compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct mbox_key));
}

/* True if 'space' is one of the 'n' sorted flows 'keys', in both directions or
 * in one. */
static bool
is_one_of(const struct mbox_space *space, const struct mbox_key *keys,
          size_t n)
{
    struct mbox_key key;

    if (!is_all_ones(&space->mask, sizeof space->mask)) {
        return false;
    }
    mbox_key_canonical(&space->value, &key);
    return bsearch(&key, keys, n, sizeof *keys, compare_keys) != NULL;
}

static bool
is_key_of(const struct mbox_class *class, const struct mbox_class_view *view,
          const char *dp_name, const struct mbox_key *key,
          const char *instance)
{
    const struct mbox_class_member *member
        = mbox_class_find_key_owner(class, view, dp_name, key, false);

    return member && !strcmp(member->port.instance, instance);
}

void
mbox_move_keys(struct mbox_class *class, const struct mbox_class_view *view,
               const char *dp_name, struct mbox_key *keys, size_t n,
               const char *src, const char *instance, ovs_version_t version)
{
    struct ovs_list *old = class->assignments.next;
    bool all_two_way = true;

    if (!n) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct mbox_key reverse;
        struct mbox_space space;
        bool forth, back;

        mbox_key_reverse(&keys[i], &reverse);
        forth = is_key_of(class, view, dp_name, &keys[i], src);
        back = is_key_of(class, view, dp_name, &reverse, src);
        mbox_space_init_key(&space, forth ? &keys[i] : &reverse);
        space.one_way = forth != back;
        all_two_way &= forth && back;
        if (forth || back) {
            mbox_assign_insert(class, class->assignments.next,
                               &space, instance, version);
        }
    }

    /* Older assignments of the same flows have no packets any more. */
    if (all_two_way) {
        qsort(keys, n, sizeof *keys, compare_keys);
        for (struct ovs_list *next; old != &class->assignments; old = next) {
            struct mbox_assign *assign
                = CONTAINER_OF(old, struct mbox_assign, node);

            next = old->next;
            if (is_one_of(&assign->public.space, keys, n)) {
                mbox_assign_remove(class, assign, version);
            }
        }
    }
}

/* Moves without a transfer. */

/* Adds 'instance' to 'view' as if it were live, if it is not. */
static struct mbox_class_view *
view_add(struct mbox_class_view *view, const char *dp_name,
         const char *instance)
{
    struct mbox_class_member *member;
    size_t i = view->n_members;

    if (mbox_class_view_find(view, NULL, instance)) {
        return view;
    }
    view = xrealloc(view, sizeof *view + (i + 1) * sizeof *view->members);
    for (; i > 0 && strcmp(view->members[i - 1].port.instance,
                           instance) > 0; i--) {
        view->members[i] = view->members[i - 1];
    }
    view->n_members++;
    member = &view->members[i];
    memset(member, 0, sizeof *member);
    ovs_strzcpy(member->port.instance, instance, sizeof member->port.instance);
    ovs_strzcpy(member->port.dp_name, dp_name, sizeof member->port.dp_name);
    member->port.odp_port = ODPP_NONE;
    member->hash = hash_string(instance, 0);
    return view;
}

/* The current view of 'class', with both instances as if they were live.
 * Points '*dp_name' to the datapath of the source.  The caller frees the
 * view. */
static struct mbox_class_view *
view_with(const struct mbox_class *class, const char *src, const char *dst,
          const char **dp_name)
{
    const struct mbox_class_view *view = mbox_class_get_view(class);
    const struct mbox_class_member *member
        = mbox_class_view_find(view, NULL, src);

    if (!member) {
        member = mbox_class_view_find(view, NULL, dst);
    }
    if (!member && view->n_members) {
        member = view->members;
    }
    *dp_name = member ? member->port.dp_name : "";
    return view_add(view_add(mbox_class_view_clone(view), *dp_name, src),
                    *dp_name, dst);
}

int
mbox_class_move(const char *name, const struct mbox_space *space,
                enum mbox_select select, struct mbox_key *keys, size_t n,
                const char *src, const char *dst)
{
    bool all = select == MBOX_SELECT_ALL_EXCEPT;
    int error = 0;

    ovs_mutex_lock(&mbox_class_mutex);
    struct mbox_class *class = mbox_class_create(name);
    if (class) {
        const char *dp_name;
        struct mbox_class_view *view = view_with(class, src, dst, &dp_name);

        if (all) {
            error = mbox_move_space(class, view, dp_name, space, src, dst,
                                    false, 0);
        }
        if (!error) {
            ovs_version_t version = mbox_assign_begin(class);

            if (all) {
                mbox_move_space(class, view, dp_name, space, src, dst, true,
                                version);
            }
            mbox_move_keys(class, view, dp_name, keys, n, src,
                           all ? src : dst, version);
            mbox_assign_publish(class);
        }
        free(view);
    } else {
        error = -ENODEV;
    }
    ovs_mutex_unlock(&mbox_class_mutex);
    return error;
}
