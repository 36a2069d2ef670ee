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
#include "mbox-scales.h"

#include "mbox-class.h"
#include "mbox-coordinator-private.h"
#include "mbox-match.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* The commands mbox/scale-out and mbox/scale-in.  All is checked that can be
 * before anything is done. */

/* The setting mbox-default-CLASS. */
static const char *
get_default(const struct mbox_coordinator *c, const char *class_name)
{
    return mbox_registry_get_setting(&c->registry, "default", class_name, "");
}

/* Names of the instances of a class, sorted; those that have a port, or with
 * 'live', that can take part in transfers. */
static void
get_instances(const struct mbox_coordinator *c, const char *class_name,
              bool live, struct svec *names)
{
    const struct shash_node *node;

    svec_init(names);
    SHASH_FOR_EACH (node, &c->registry.instances) {
        const struct mbox_instance *instance = node->data;
        char *problem = mbox_instance_problem(instance);

        if (!strcmp(mbox_instance_class(instance), class_name)
            && (live ? !problem : instance->port != ODPP_NONE)) {
            svec_add(names, instance->name);
        }
        free(problem);
    }
    svec_sort(names);
}

/* Checks that a new instance called 'name' gets no packet merely by being
 * there: its flows must come with their state. */
static char *
check_no_flows(const struct mbox_coordinator *c, const char *class_name,
               const char *name)
{
    const char *def = get_default(c, class_name);
    struct svec names;
    char *error = NULL;

    get_instances(c, class_name, false, &names);
    if (mbox_scale_has_flows(class_name, name)) {
        error = xasprintf("flows are assigned to %s already (see "
                          "mbox/assignments); choose another --name", name);
    } else if (!names.n) {
        /* There is no state that it could lack. */
    } else if (!strcmp(def, "*")) {
        error = xasprintf("flows of class %s are spread by hash: a new "
                          "instance would get some without their state; name "
                          "an instance in other_config:mbox-default-%s",
                          class_name, class_name);
    } else if (!strcmp(def, name)) {
        error = xasprintf("other_config:mbox-default-%s names %s: it would "
                          "get flows without their state; choose another "
                          "--name", class_name, name);
    } else if (!def[0] && strcmp(name, names.names[0]) < 0) {
        error = xasprintf("%s would be the first instance of class %s by "
                          "name, and so its default, and get flows without "
                          "their state; choose another --name, or set "
                          "other_config:mbox-default-%s", name, class_name,
                          class_name);
    }
    svec_destroy(&names);
    return error;
}

/* Checks that no operation is open on the instance 'name', of this class or
 * another, and that the name is not to be confused with a transfer's number,
 * for which mbox/status and mbox/cancel take digits. */
static char *
check_name(const struct mbox_coordinator *c, const char *name)
{
    if (!name[strspn(name, "0123456789")]) {
        return xasprintf("an instance called %s would be confused with the "
                         "transfer of that number", name);
    }
    return mbox_scales_check_free(&c->scales, name);
}

/* Checks the name that is given, or chooses CLASS1, CLASS2, ..., the first
 * that is free. */
static char *
choose_name(const struct mbox_coordinator *c, const char *class_name,
            const char *given, char name[MBOX_NAME_MAX + 1])
{
    char *error = NULL;

    if (given) {
        if (!mbox_name_is_valid(given)) {
            return xasprintf("\"%s\" is not a valid name of an instance (1 to "
                             "%d of A-Z a-z 0-9 _ . -)", given, MBOX_NAME_MAX);
        } else if (mbox_registry_find(&c->registry, given)) {
            return xasprintf("instance %s exists already", given);
        }
        ovs_strlcpy(name, given, MBOX_NAME_MAX + 1);
        error = check_name(c, name);
        return error ? error : check_no_flows(c, class_name, name);
    }

    for (int i = 1; i <= 9999; i++) {
        if (snprintf(name, MBOX_NAME_MAX + 1, "%s%d", class_name, i)
            > MBOX_NAME_MAX) {
            break;
        }
        if (!mbox_registry_find(&c->registry, name)) {
            free(error);
            error = check_name(c, name);
            if (!error) {
                error = check_no_flows(c, class_name, name);
            }
            if (!error) {
                return NULL;
            }
        }
    }
    return error ? error : xstrdup("no name is free; choose one by --name");
}

static char *
check_class(const struct mbox_coordinator *c, const char *class_name)
{
    if (!sset_contains(&c->registry.classes, class_name)) {
        return xasprintf("no class \"%s\"", class_name);
    }
    return mbox_scales_check_class(&c->scales, class_name);
}

bool
mbox_scale_is_default(const struct mbox_coordinator *c,
                      const struct mbox_instance *instance)
{
    const char *class_name = mbox_instance_class(instance);
    const char *def = get_default(c, class_name);
    const struct shash_node *node;

    if (instance->port == ODPP_NONE) {
        return false;
    } else if (def[0]) {
        return !strcmp(def, "*") || !strcmp(def, instance->name);
    }
    SHASH_FOR_EACH (node, &c->registry.instances) {
        const struct mbox_instance *other = node->data;

        if (other->port != ODPP_NONE
            && !strcmp(other->class_name, class_name)
            && !strcmp(other->dp_name, instance->dp_name)
            && strcmp(other->name, instance->name) < 0) {
            return false;
        }
    }
    return true;
}

/* Checks that 'peer' can give or take flows, or chooses one: for scale-out the
 * only live instance, for scale-in the first other one by name. */
static char *
choose_peer(const struct mbox_coordinator *c, const char *class_name,
            const char *given, const char *instance,
            char peer[MBOX_NAME_MAX + 1])
{
    char *error = NULL;
    struct svec names;

    if (given) {
        const struct mbox_instance *i = mbox_registry_find(&c->registry,
                                                           given);

        if (!i || strcmp(mbox_instance_class(i), class_name)) {
            return xasprintf("no instance \"%s\" of class %s", given,
                             class_name);
        }
        ovs_strlcpy(peer, given, MBOX_NAME_MAX + 1);
        return mbox_instance_problem(i);
    }

    peer[0] = '\0';
    get_instances(c, class_name, true, &names);
    if (instance) {
        svec_del(&names, instance);
        if (!names.n) {
            error = xasprintf("class %s has no other live instance that "
                              "could take the flows of %s", class_name,
                              instance);
        }
    } else if (names.n > 1) {
        char *list = svec_join(&names, ", ", "");

        error = xasprintf("class %s has several live instances (%s); choose "
                          "by --from whose flows and configuration the new "
                          "one gets", class_name, list);
        free(list);
    }
    if (!error && names.n) {
        ovs_strlcpy(peer, names.names[0], MBOX_NAME_MAX + 1);
    }
    svec_destroy(&names);
    return error;
}

char *
mbox_scale_take_share(unsigned int share, unsigned int share_of,
                      struct mbox_space *space)
{
    const struct mbox_key *mask = &space->mask;
    size_t first = space->value.family == 4 ? 12 : 0;

    if (!space->value.family) {
        return xstrdup("--share needs a flow space of IPv4 or of IPv6");
    } else if (mask->src[15] & (share_of - 1)) {
        return xstrdup("--share divides by source address, which the flow "
                       "space fixes already");
    } else if (is_all_zeros(mask->dst + first, sizeof mask->dst - first)
               && !mask->dst_port) {
        return xstrdup("--share needs a flow space that says the servers' "
                       "side, by nw_dst or a destination port: a flow space "
                       "means both directions, so otherwise the servers' "
                       "addresses would count as the clients' do");
    }
    space->mask.src[15] |= share_of - 1;
    space->value.src[15] |= share - 1;
    return NULL;
}

/* Refuses if a transfer of the class is open that 'space' overlaps. */
static char *
check_transfers(const struct mbox_coordinator *c, const char *class_name,
                const struct mbox_space *space)
{
    const struct mbox_open_transfer *ot
        = mbox_transfers_find_overlap(&c->transfers, class_name, space);

    return (ot ? xasprintf("transfer %"PRIu32" of class %s is open; wait for "
                           "it, or end it with mbox/cancel %"PRIu32,
                           ot->request.id, class_name, ot->request.id)
            : NULL);
}

/* Starts 'op' and answers at once or, in the end, by a waiter. */
static void
start(struct mbox_scale_op *op, uint64_t request,
      const struct mbox_options *options, char **out)
{
    op->request.timeout_ms = options->timeout_ms;
    op->request.remove_timeout_ms = MAX(options->timeout_ms,
                                        MBOX_DEFAULT_TIMEOUT_MS);
    op->options = *options;
    svec_init(&op->options.args);
    op->options.from = op->options.to = op->options.name = NULL;
    mbox_scale_op_start(op);
    if (!(options->given & MBOX_OPTION_ASYNC)) {
        mbox_scale_op_add_waiter(op, request, options->json, false);
    } else if (options->json) {
        *out = xasprintf("{\"instance\": \"%s\"}", op->instance);
    } else {
        *out = xasprintf("%s of %s started",
                         mbox_scale_type_to_string(op->request.type),
                         op->instance);
    }
}

/* Destroys 'op', which has not been started, because of 'error'. */
static char *
refuse(struct mbox_scale_op *op, char *error)
{
    mbox_scale_op_destroy(op);
    return error;
}

char *
mbox_command_scale_out(struct mbox_coordinator *c, uint64_t request,
                       const struct mbox_options *options, char **out)
{
    const char *class_name = options->args.names[0];
    const char *match = options->args.n > 1 ? options->args.names[1] : NULL;
    char name[MBOX_NAME_MAX + 1], peer[MBOX_NAME_MAX + 1];
    struct mbox_space any, space;
    struct mbox_scale_op *op;
    char *error;

    mbox_space_init_any(&any);
    error = check_class(c, class_name);
    if (!error) {
        error = choose_peer(c, class_name, options->from, NULL, peer);
    }
    if (!error) {
        error = choose_name(c, class_name, options->name, name);
    }
    if (!error) {
        error = mbox_command_check_method(options);
    }
    if (!error && match) {
        error = mbox_command_parse_space(options, match, &space);
    }
    if (!error && options->given & MBOX_OPTION_SHARE) {
        error = (match ? mbox_scale_take_share(options->share,
                                               options->share_of, &space)
                 : xstrdup("--share needs a flow space"));
    }
    if (!error && match && !peer[0]) {
        error = xasprintf("class %s has no live instance that flows could "
                          "move from", class_name);
    }
    if (!error && match
        && mbox_class_check_move(class_name, &space, peer, name)) {
        error = xstrdup("nothing can be assigned by this flow space; give the "
                        "protocol along with ports, and not non_ip alone");
    }
    if (!error) {
        error = check_transfers(c, class_name, &any);
    }
    if (error) {
        return error;
    }

    op = mbox_scale_op_create(c, class_name, name, peer);
    if (op->program_error) {
        return refuse(op, xstrdup(op->program_error));
    }
    op->request.type = MBOX_SCALE_OUT;
    op->request.copies = peer[0] != '\0';
    op->request.moves = match != NULL;
    if (match) {
        op->space = space;
    }
    start(op, request, options, out);
    return NULL;
}

char *
mbox_command_scale_in(struct mbox_coordinator *c, uint64_t request,
                      const struct mbox_options *options, char **out)
{
    const char *name = options->args.names[0];
    struct mbox_instance *instance;
    char peer[MBOX_NAME_MAX + 1];
    struct mbox_scale_op *op;
    const char *class_name;
    char *problem;
    bool moves;
    char *error;

    error = mbox_command_find_instance(c, name, &instance);
    if (error) {
        return error;
    }

    /* What an operation that failed has left need not be live.  Nothing can be
     * moved from there, and nothing has to be if no flow goes there. */
    problem = mbox_instance_problem(instance);
    class_name = mbox_instance_class(instance);
    moves = (!problem || mbox_scale_has_flows(class_name, name)
             || mbox_scale_is_default(c, instance));
    error = check_class(c, class_name);
    if (!error) {
        error = check_name(c, name);
    }
    if (!error && moves) {
        error = nullable_xstrdup(problem);
    }
    free(problem);
    if (!error && (moves || options->to)) {
        error = choose_peer(c, class_name, options->to, name, peer);
    } else {
        peer[0] = '\0';
    }
    if (!error) {
        error = mbox_command_check_method(options);
    }
    if (error) {
        return error;
    }

    op = mbox_scale_op_create(c, class_name, name, peer);
    if (op->program_error) {
        return refuse(op, xstrdup(op->program_error));
    }
    op->request.type = MBOX_SCALE_IN;
    op->request.moves = moves;
    start(op, request, options, out);
    return NULL;
}
