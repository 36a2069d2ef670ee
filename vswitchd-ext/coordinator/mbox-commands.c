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

#include "mbox-class.h"
#include "mbox-coordinator-private.h"
#include "mbox-match.h"
#include "mbox-metrics.h"
#include "mbox-options.h"
#include "mbox-show.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "sset.h"
#include "util.h"

/* The mbox/ commands, in the coordinator's thread.
 *
 * Each handler returns NULL and sets '*out' to its answer (or leaves it NULL
 * if the answer comes later), or returns an error message.  Both belong to the
 * caller. */

struct command {
    const char *name;
    size_t min_args, max_args;
    uint32_t options;           /* MBOX_OPTION_* mask. */
    char *(*handler)(struct mbox_coordinator *, uint64_t request,
                     const struct mbox_options *, char **out);
};

char *
mbox_command_parse_space(const struct mbox_options *options, const char *s,
                         struct mbox_space *space)
{
    char *error = mbox_match_parse(s, space);

    if (error) {
        char *retval = xasprintf("match \"%s\": %s", s, error);

        free(error);
        return retval;
    }
    if (options->given & MBOX_OPTION_ONE_WAY) {
        space->one_way = true;
    }
    return NULL;
}

char *
mbox_command_find_instance(const struct mbox_coordinator *c, const char *name,
                           struct mbox_instance **instancep)
{
    *instancep = mbox_registry_find(&c->registry, name);
    if (*instancep) {
        return NULL;
    }

    struct ds ds = DS_EMPTY_INITIALIZER;
    ds_put_format(&ds, "no instance \"%s\" (known: ", name);
    mbox_registry_format_names(&c->registry, &ds);
    ds_put_char(&ds, ')');
    return ds_steal_cstr(&ds);
}

/* Checks that state can go from 'src' to 'dst'. */
static char *
check_pair(const struct mbox_instance *src, const struct mbox_instance *dst)
{
    const char *src_class = mbox_instance_class(src);
    const char *dst_class = mbox_instance_class(dst);
    char *error;

    if (src == dst) {
        return xasprintf("source and destination are the same instance %s",
                         src->name);
    } else if (strcmp(src_class, dst_class)) {
        return xasprintf("instance %s is of class \"%s\" and %s of class "
                         "\"%s\": state moves only within a class",
                         src->name, src_class, dst->name, dst_class);
    }
    error = mbox_instance_problem(src);
    if (!error) {
        error = mbox_instance_problem(dst);
    }
    if (error) {
        return error;
    }
    if (src->conn->schema != dst->conn->schema) {
        return xasprintf("the layout of state differs: instance %s has schema "
                         "%016"PRIx64" (%s) and %s has %016"PRIx64" (%s); run "
                         "the same version on both",
                         src->name, src->conn->schema, src->conn->product,
                         dst->name, dst->conn->schema, dst->conn->product);
    } else if (strcmp(src->dp_name, dst->dp_name)) {
        return xasprintf("instance %s is on datapath %s and %s on %s: state "
                         "moves only between ports of one datapath",
                         src->name, src->dp_name, dst->name, dst->dp_name);
    }
    return NULL;
}

/* Determines which scopes to move: those asked for, which both must keep, or
 * by default per-flow and multi-flow as far as both keep them. */
static char *
choose_scopes(const struct mbox_options *options,
              const struct mbox_instance *src,
              const struct mbox_instance *dst, uint32_t *scopes)
{
    const struct mbox_instance *sides[] = { src, dst };

    *scopes = options->scopes;
    if (!*scopes) {
        *scopes = (MBOX_SCOPE_PER_FLOW | MBOX_SCOPE_MULTI_FLOW)
            & src->conn->scopes & dst->conn->scopes;
        return (*scopes ? NULL
                : xasprintf("instances %s and %s have no per-flow or "
                            "multi-flow state in common; choose other state "
                            "with --scope", src->name, dst->name));
    }
    for (uint32_t rest = *scopes; rest; rest &= rest - 1) {
        enum mbox_scope scope = rest & -rest;

        for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
            if (!(sides[i]->conn->scopes & scope)) {
                return xasprintf("instance %s keeps no %s state; leave it out "
                                 "of --scope", sides[i]->name,
                                 mbox_scope_to_string(scope));
            }
        }
    }
    return NULL;
}

/* Checks that the instance knows the output function, if one was given. */
static char *
check_output(const struct mbox_options *options,
             const struct mbox_instance *instance)
{
    const char *known = instance->conn->outputs;
    struct sset outputs;
    bool ok;

    if (!options->output) {
        return NULL;
    } else if (!known[0]) {
        return xasprintf("instance %s does not tell what its output functions "
                         "need; leave out --output", instance->name);
    }
    sset_from_delimited_string(&outputs, known, ",");
    ok = sset_contains(&outputs, options->output);
    sset_destroy(&outputs);
    return (ok ? NULL
            : xasprintf("instance %s knows no output function \"%s\" (known: "
                        "%s)", instance->name, options->output, known));
}

/* Checks that what the transfer moves can be assigned to 'dst'. */
static char *
check_assignable(const struct mbox_transfer_request *tr,
                 const struct mbox_instance *src,
                 const struct mbox_instance *dst)
{
    switch (mbox_class_check_move(tr->class_name, &tr->space, src->name,
                                  dst->name)) {
    case 0:
        return NULL;

    case -EDOM:
        return xasprintf("flows of this flow space are spread by hash over "
                         "%s and others than %s, so no assignment can say "
                         "which to move; choose a flow space that is assigned "
                         "to %s (see mbox/assignments), or name an instance "
                         "in other_config:mbox-default-%s",
                         src->name, dst->name, src->name, tr->class_name);

    default:
        return xstrdup("nothing can be assigned by this flow space; give the "
                       "protocol along with ports, and not non_ip alone");
    }
}

char *
mbox_command_check_method(const struct mbox_options *options)
{
    static const struct {
        enum mbox_option option;
        enum mbox_method method;
        const char *name;
    } rules[] = {
        { MBOX_OPTION_NO_PRECOPY, MBOX_METHOD_HOLD, "--no-precopy" },
        { MBOX_OPTION_NO_EARLY_RELEASE, MBOX_METHOD_HOLD,
          "--no-early-release" },
        { MBOX_OPTION_VIA, MBOX_METHOD_EVENTS, "--via" },
        { MBOX_OPTION_LAST, MBOX_METHOD_EVENTS, "--last" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (options->given & rules[i].option
            && options->method != rules[i].method) {
            return xasprintf("option %s is for --method=%s", rules[i].name,
                             mbox_method_to_string(rules[i].method));
        }
    }
    return NULL;
}

char *
mbox_command_open_transfer(struct mbox_coordinator *c, enum mbox_method method,
                           const struct mbox_options *options,
                           const char *src_name, const char *dst_name,
                           const struct mbox_space *space,
                           struct mbox_open_transfer **otp)
{
    struct mbox_transfer_request tr = { .method = method, .space = *space };
    const struct mbox_open_transfer *overlap;
    struct mbox_instance *src, *dst;
    char *error;

    error = mbox_command_find_instance(c, src_name, &src);
    if (!error) {
        error = mbox_command_find_instance(c, dst_name, &dst);
    }
    if (!error) {
        error = check_pair(src, dst);
    }
    if (!error) {
        error = choose_scopes(options, src, dst, &tr.scopes);
    }
    if (!error) {
        error = check_output(options, src);
    }
    if (error) {
        return error;
    }

    if (hmap_count(&c->transfers.open) >= MBOX_N_RECORDS) {
        return xasprintf("%d transfers are open; wait for one, or end it with "
                         "mbox/cancel", MBOX_N_RECORDS);
    }

    ovs_strlcpy(tr.class_name, src->class_name, sizeof tr.class_name);
    overlap = mbox_transfers_find_overlap(&c->transfers, tr.class_name,
                                          &tr.space);
    if (overlap) {
        char match[MBOX_SPACE_STRLEN];

        mbox_space_format(&overlap->request.space, match, sizeof match);
        return xasprintf("%s %"PRIu32" (%s to %s, %s) is open and its "
                         "flow space overlaps; %send it with mbox/cancel "
                         "%"PRIu32, overlap->request.every_ms ? "replica"
                         : "transfer", overlap->request.id,
                         overlap->request.src, overlap->request.dst, match,
                         overlap->request.every_ms ? "" : "wait for it, or ",
                         overlap->request.id);
    }

    if (method != MBOX_METHOD_COPY) {
        error = check_assignable(&tr, src, dst);
        if (error) {
            return error;
        }
    }

    ovs_strlcpy(tr.src, src->name, sizeof tr.src);
    ovs_strlcpy(tr.dst, dst->name, sizeof tr.dst);
    if (options->output) {
        ovs_strlcpy(tr.output, options->output, sizeof tr.output);
    }
    tr.guarantee = options->guarantee;
    tr.last_packet = options->last_packet;
    tr.timeout_ms = options->timeout_ms;
    tr.every_ms = options->every_ms;
    tr.tracer_tries = 10;
    tr.tracer_interval_ms = 10;
    if (tr.every_ms) {
        tr.options |= MBOX_OPT_REPLICA;
    }
    if (method == MBOX_METHOD_HOLD) {
        if (!(options->given & MBOX_OPTION_NO_PRECOPY)) {
            tr.options |= MBOX_OPT_PRECOPY;
        }
        if (!(options->given & MBOX_OPTION_NO_EARLY_RELEASE)) {
            tr.options |= MBOX_OPT_EARLY_RELEASE;
        }
    } else if (options->via_channel) {
        tr.options |= MBOX_OPT_VIA_CHANNEL;
    }

    *otp = mbox_transfers_open(c, &tr, src, dst);
    return NULL;
}

/* Opens a transfer as the command says. */
static char *
start_transfer(struct mbox_coordinator *c, enum mbox_method method,
               uint64_t request, const struct mbox_options *options,
               char **out)
{
    char *const *args = options->args.names;
    struct mbox_open_transfer *ot;
    struct mbox_space space;
    char *error;

    error = mbox_command_parse_space(options, args[2], &space);
    if (!error) {
        error = mbox_command_check_method(options);
    }
    if (!error) {
        error = mbox_scales_check_free(&c->scales, args[0]);
    }
    if (!error) {
        error = mbox_scales_check_free(&c->scales, args[1]);
    }
    if (!error) {
        error = mbox_command_open_transfer(c, method, options, args[0],
                                           args[1], &space, &ot);
    }
    if (error) {
        return error;
    }

    mbox_command_answer_later(ot, request, options, out);
    return NULL;
}

void
mbox_command_answer_later(struct mbox_open_transfer *ot, uint64_t request,
                          const struct mbox_options *options, char **out)
{
    if (!(options->given & MBOX_OPTION_ASYNC)) {
        mbox_transfer_add_waiter(ot, request, options->json, false);
    } else if (options->json) {
        *out = xasprintf("{\"id\": %"PRIu32"}", ot->request.id);
    } else {
        *out = xasprintf("transfer %"PRIu32" started", ot->request.id);
    }
}

static char *
cmd_move(struct mbox_coordinator *c, uint64_t request,
         const struct mbox_options *options, char **out)
{
    return start_transfer(c, options->method, request, options, out);
}

static char *
cmd_copy(struct mbox_coordinator *c, uint64_t request,
         const struct mbox_options *options, char **out)
{
    return start_transfer(c, (options->every_ms ? MBOX_METHOD_HOLD
                              : MBOX_METHOD_COPY), request, options, out);
}

static char *
parse_id(const char *s, uint32_t *id)
{
    unsigned int n = 0;
    bool ok = str_to_uint(s, 10, &n) && n;

    *id = n;
    return ok ? NULL : xasprintf("\"%s\" is not a transfer's number", s);
}

static char *
no_transfer(uint32_t id)
{
    return xasprintf("no transfer %"PRIu32" (mbox/status lists what is open, "
                     "mbox/history the last %d that ended)", id,
                     MBOX_HISTORY_MAX);
}

static char *
cmd_status(struct mbox_coordinator *c, uint64_t request OVS_UNUSED,
           const struct mbox_options *options, char **out)
{
    const struct mbox_past_transfer *past;
    const struct mbox_scale_op *op;
    struct mbox_transfer_report report;
    struct mbox_open_transfer *ot;
    char *error;
    uint32_t id;

    if (!options->args.n) {
        *out = mbox_show_open(c, options->json);
        return NULL;
    }
    op = mbox_scales_find(&c->scales, options->args.names[0]);
    if (op) {
        *out = mbox_scale_op_show(op, options->json);
        return NULL;
    }
    error = parse_id(options->args.names[0], &id);
    if (error) {
        return error;
    }
    ot = mbox_transfers_find(&c->transfers, id);
    if (ot) {
        mbox_transfer_get_report(ot->transfer, &report);
        *out = mbox_show_report(&ot->request, &report, options->json);
        return NULL;
    }
    past = mbox_transfers_find_past(&c->transfers, id);
    if (past) {
        *out = mbox_show_report(&past->request, &past->report,
                                     options->json);
        return NULL;
    }
    return no_transfer(id);
}

static char *
cmd_history(struct mbox_coordinator *c, uint64_t request OVS_UNUSED,
            const struct mbox_options *options, char **out)
{
    unsigned int max = 10;

    if (options->args.n
        && (!str_to_uint(options->args.names[0], 10, &max) || !max)) {
        return xasprintf("\"%s\" is not a number of transfers",
                         options->args.names[0]);
    }
    *out = mbox_show_history(c, max, options->json);
    return NULL;
}

static char *
cmd_cancel(struct mbox_coordinator *c, uint64_t request,
           const struct mbox_options *options, char **out OVS_UNUSED)
{
    struct mbox_open_transfer *ot;
    struct mbox_scale_op *op;
    char *error;
    uint32_t id;

    op = mbox_scales_find(&c->scales, options->args.names[0]);
    if (op) {
        if (!mbox_scale_op_is_open(op)) {
            return xasprintf("the %s of %s has ended already",
                             mbox_scale_type_to_string(op->request.type),
                             op->instance);
        }
        mbox_scale_op_cancel(op, "cancelled by mbox/cancel");
        mbox_scale_op_add_waiter(op, request, options->json, true);
        return NULL;
    }
    error = parse_id(options->args.names[0], &id);
    if (error) {
        return error;
    }
    ot = mbox_transfers_find(&c->transfers, id);
    if (!ot) {
        const struct mbox_past_transfer *past;

        past = mbox_transfers_find_past(&c->transfers, id);
        return (past ? xasprintf("transfer %"PRIu32" has ended already", id)
                : no_transfer(id));
    }
    mbox_transfer_cancel(ot->transfer, "cancelled by mbox/cancel");
    mbox_transfer_add_waiter(ot, request, options->json, true);
    return NULL;
}

static char *
cmd_list(struct mbox_coordinator *c, uint64_t request OVS_UNUSED,
         const struct mbox_options *options, char **out)
{
    *out = mbox_show_list(c, options->json);
    return NULL;
}

static char *
cmd_show(struct mbox_coordinator *c, uint64_t request OVS_UNUSED,
         const struct mbox_options *options, char **out)
{
    return mbox_show(c, options->args.n ? options->args.names[0] : NULL, out);
}

static char *
cmd_state(struct mbox_coordinator *c, uint64_t request,
          const struct mbox_options *options, char **out OVS_UNUSED)
{
    const char *match = options->args.n > 1 ? options->args.names[1] : "any";
    struct mbox_instance *instance;
    struct mbox_space space;
    uint32_t scopes;
    char *error;

    error = mbox_command_find_instance(c, options->args.names[0], &instance);
    if (!error) {
        error = mbox_instance_problem(instance);
    }
    if (!error) {
        error = mbox_command_parse_space(options, match, &space);
    }
    if (error) {
        return error;
    }
    scopes = options->scopes ? options->scopes : instance->conn->scopes;
    if (scopes & ~instance->conn->scopes) {
        return xasprintf("instance %s does not keep all of this state; see "
                         "mbox/show %s", instance->name, instance->name);
    }
    error = check_output(options, instance);
    return (error ? error
            : mbox_inspect(c, request, instance, scopes, &space, options));
}

static char *
cmd_metrics(struct mbox_coordinator *c, uint64_t request OVS_UNUSED,
            const struct mbox_options *options OVS_UNUSED, char **out)
{
    mbox_usage_account(c);
    *out = mbox_metrics(c);
    return NULL;
}

static char *
cmd_usage(struct mbox_coordinator *c, uint64_t request OVS_UNUSED,
          const struct mbox_options *options, char **out)
{
    *out = mbox_usage_show(c, options->json);
    return NULL;
}

static char *
check_class(const struct mbox_coordinator *c, const char *class_name)
{
    if (sset_contains(&c->registry.classes, class_name)) {
        return NULL;
    }

    struct ds ds = DS_EMPTY_INITIALIZER;
    const char **names = sset_sort(&c->registry.classes);
    ds_put_format(&ds, "no class \"%s\" (known: ", class_name);
    for (size_t i = 0; i < sset_count(&c->registry.classes); i++) {
        ds_put_format(&ds, "%s%s", i ? ", " : "", names[i]);
    }
    ds_put_cstr(&ds, sset_is_empty(&c->registry.classes) ? "none)" : ")");
    free(names);
    return ds_steal_cstr(&ds);
}

static char *
cmd_assignments(struct mbox_coordinator *c, uint64_t request OVS_UNUSED,
                const struct mbox_options *options, char **out)
{
    const char *class_name = options->args.n ? options->args.names[0] : NULL;
    char *error = class_name ? check_class(c, class_name) : NULL;

    if (!error) {
        *out = mbox_show_assignments(c, class_name, options->json);
    }
    return error;
}

static char *
cmd_unassign(struct mbox_coordinator *c, uint64_t request,
             const struct mbox_options *options, char **out OVS_UNUSED)
{
    const char *class_name = options->args.names[0];
    bool all = options->given & MBOX_OPTION_ALL;
    const struct mbox_open_transfer *overlap;
    struct mbox_space space;
    char *error;

    error = check_class(c, class_name);
    if (error) {
        return error;
    } else if (all != (options->args.n == 1)) {
        return xstrdup("mbox/unassign needs either a match or --all");
    }
    if (all) {
        mbox_space_init_any(&space);
    } else {
        error = mbox_command_parse_space(options, options->args.names[1],
                                         &space);
        if (error) {
            return error;
        }
    }
    overlap = mbox_transfers_find_overlap(&c->transfers, class_name, &space);
    if (overlap) {
        return xasprintf("transfer %"PRIu32" is open and its flow space "
                         "overlaps; wait for it, or end it with mbox/cancel "
                         "%"PRIu32, overlap->request.id, overlap->request.id);
    }

    /* An instance that goes must not get flows back. */
    error = mbox_scales_check_class(&c->scales, class_name);
    if (error) {
        return error;
    }

    struct mbox_assignment *assignments;
    size_t n = mbox_class_get_assignments(class_name, &assignments);
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!mbox_space_covers(&space, &assignments[i].space)) {
            assignments[n_kept++] = assignments[i];
        }
    }
    if (n_kept < n) {
        mbox_class_set_assignments(class_name, assignments, n_kept);
        c->assignments_changed = true;
        mbox_coordinator_publish_assignments(c);
    }
    free(assignments);
    mbox_coordinator_reply(c, request, true, false,
                           xasprintf("removed %"PRIuSIZE" of %"PRIuSIZE
                                     " assignments of class %s",
                                     n - n_kept, n, class_name),
                           c->assignments_serial);
    return NULL;
}

#define TRANSFER_OPTIONS (MBOX_OPTION_FORMAT | MBOX_OPTION_ASYNC        \
                          | MBOX_OPTION_SCOPE | MBOX_OPTION_TIMEOUT     \
                          | MBOX_OPTION_ONE_WAY | MBOX_OPTION_OUTPUT)
#define MOVE_OPTIONS (TRANSFER_OPTIONS | MBOX_OPTION_GUARANTEE          \
                      | MBOX_OPTION_METHOD | MBOX_OPTION_NO_PRECOPY     \
                      | MBOX_OPTION_NO_EARLY_RELEASE                    \
                      | MBOX_OPTION_VIA | MBOX_OPTION_LAST)
#define SCALE_OPTIONS (MOVE_OPTIONS & ~(MBOX_OPTION_SCOPE               \
                                        | MBOX_OPTION_ONE_WAY           \
                                        | MBOX_OPTION_OUTPUT))

static const struct command commands[] = {
    { "mbox/list", 0, 0, MBOX_OPTION_FORMAT, cmd_list },
    { "mbox/show", 0, 1, 0, cmd_show },
    { "mbox/state", 1, 2, (MBOX_OPTION_SCOPE | MBOX_OPTION_TIMEOUT
                           | MBOX_OPTION_ONE_WAY | MBOX_OPTION_LAYOUT
                           | MBOX_OPTION_OUTPUT),
      cmd_state },
    { "mbox/metrics", 0, 0, 0, cmd_metrics },
    { "mbox/move", 3, 3, MOVE_OPTIONS, cmd_move },
    { "mbox/copy", 3, 3, TRANSFER_OPTIONS | MBOX_OPTION_EVERY, cmd_copy },
    { "mbox/failover", 1, 1, (MBOX_OPTION_FORMAT | MBOX_OPTION_ASYNC
                              | MBOX_OPTION_TIMEOUT | MBOX_OPTION_TO),
      mbox_command_failover },
    { "mbox/status", 0, 1, MBOX_OPTION_FORMAT, cmd_status },
    { "mbox/history", 0, 1, MBOX_OPTION_FORMAT, cmd_history },
    { "mbox/cancel", 1, 1, MBOX_OPTION_FORMAT, cmd_cancel },
    { "mbox/assignments", 0, 1, MBOX_OPTION_FORMAT, cmd_assignments },
    { "mbox/unassign", 1, 2, MBOX_OPTION_ALL | MBOX_OPTION_ONE_WAY,
      cmd_unassign },
    { "mbox/scale-out", 1, 2, (SCALE_OPTIONS | MBOX_OPTION_FROM
                               | MBOX_OPTION_NAME | MBOX_OPTION_SHARE),
      mbox_command_scale_out },
    { "mbox/scale-in", 1, 1, SCALE_OPTIONS | MBOX_OPTION_TO,
      mbox_command_scale_in },
    { "mbox/usage", 0, 0, MBOX_OPTION_FORMAT, cmd_usage },
    { "mbox/policy", 0, 1, MBOX_OPTION_FORMAT, mbox_command_policy },
};

void
mbox_command_execute(struct mbox_coordinator *c, uint64_t request,
                     const struct svec *argv)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const struct command *command = &commands[i];
        struct mbox_options options;
        char *out = NULL;
        char *error;

        if (strcmp(command->name, argv->names[0])) {
            continue;
        }
        error = mbox_options_parse(argv, command->options, command->min_args,
                                   command->max_args, &options);
        if (!error) {
            error = command->handler(c, request, &options, &out);
        }
        if (error) {
            mbox_coordinator_reply(c, request, false, false, error, 0);
        } else if (out) {
            mbox_coordinator_reply(c, request, true, options.json, out, 0);
        }
        mbox_options_destroy(&options);
        return;
    }
    OVS_NOT_REACHED();
}
