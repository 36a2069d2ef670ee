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

#include "dirs.h"
#include "mbox-class.h"
#include "mbox-coordinator-private.h"
#include "mbox-instantiator.h"
#include "mbox-show.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_scale);

void
mbox_scales_init(struct mbox_scales *scales)
{
    ovs_list_init(&scales->open);
    ovs_list_init(&scales->past);
    scales->n_past = 0;
    scales->changed = false;
}

bool
mbox_scale_has_flows(const char *class_name, const char *instance)
{
    struct mbox_assignment *assignments;
    size_t n = mbox_class_get_assignments(class_name, &assignments);
    bool found = false;

    for (size_t i = 0; i < n && !found; i++) {
        found = !strcmp(assignments[i].instance, instance);
    }
    free(assignments);
    return found;
}

/* What the state machine does in ovs-vswitchd. */

static long long
op_now_ms(void *op_ OVS_UNUSED)
{
    return time_msec();
}

static void
op_record(void *op_, bool exists)
{
    struct mbox_scale_op *op = op_;
    struct mbox_coordinator *c = op->coordinator;

    op->recorded = exists;
    c->scales.changed = true;
    mbox_coordinator_publish_assignments(c);
    op->record_serial = c->assignments_serial;
}

static bool
op_is_recorded(void *op_)
{
    struct mbox_scale_op *op = op_;

    return (mbox_mailbox_get_durable(op->coordinator->mailbox)
            >= op->record_serial);
}

static char *
op_program_start(void *op_, bool create)
{
    struct mbox_scale_op *op = op_;
    struct svec args = SVEC_EMPTY_INITIALIZER;

    if (op->program_error) {
        return xstrdup(op->program_error);
    }
    mbox_instantiator_destroy(op->instantiator);
    svec_add(&args, create ? "create" : "destroy");
    svec_add(&args, op->class_name);
    svec_add(&args, op->instance);
    op->instantiator = mbox_instantiator_start(
        op->program, &args, &op->env, &op->coordinator->mailbox->wake);
    svec_destroy(&args);
    return NULL;
}

static void
op_program_cancel(void *op_)
{
    struct mbox_scale_op *op = op_;

    mbox_instantiator_cancel(op->instantiator);
}

static bool
op_program_is_done(void *op_, char **error)
{
    struct mbox_scale_op *op = op_;

    return mbox_instantiator_is_done(op->instantiator, error);
}

static char *
op_problem(void *op_)
{
    const struct mbox_scale_op *op = op_;
    const struct mbox_instance *instance
        = mbox_registry_find(&op->coordinator->registry, op->instance);

    if (!instance) {
        return xasprintf("instance %s has neither port nor agent",
                         op->instance);
    } else if (strcmp(mbox_instance_class(instance), op->class_name)) {
        return xasprintf("instance %s is of class \"%s\"", op->instance,
                         mbox_instance_class(instance));
    }
    return mbox_instance_problem(instance);
}

static bool
op_is_known(void *op_)
{
    const struct mbox_scale_op *op = op_;

    return mbox_registry_find(&op->coordinator->registry, op->instance);
}

static bool
op_has_flows(void *op_)
{
    const struct mbox_scale_op *op = op_;

    return mbox_scale_has_flows(op->class_name, op->instance);
}

static bool
op_has_config(void *op_)
{
    const struct mbox_scale_op *op = op_;
    const char *names[] = { op->instance, op->peer };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct mbox_instance *instance
            = mbox_registry_find(&op->coordinator->registry, names[i]);

        if (!instance || !instance->conn
            || !(instance->conn->scopes & MBOX_SCOPE_CONFIG)) {
            return false;
        }
    }
    return true;
}

static char *
op_transfer_start(void *op_, enum mbox_scale_transfer type,
                  long long timeout_ms)
{
    struct mbox_scale_op *op = op_;
    bool in = op->request.type == MBOX_SCALE_IN;
    const char *src = in ? op->instance : op->peer;
    const char *dst = in ? op->peer : op->instance;
    struct mbox_options options = op->options;
    enum mbox_method method = options.method;
    struct mbox_space space = op->space;
    struct mbox_open_transfer *ot;
    char *error;

    options.timeout_ms = timeout_ms;
    if (type == MBOX_SCALE_COPY_CONFIG) {
        method = MBOX_METHOD_COPY;
        options.scopes = MBOX_SCOPE_CONFIG;
        mbox_space_init_any(&space);
    }
    error = mbox_command_open_transfer(op->coordinator, method, &options, src,
                                       dst, &space, &ot);
    if (!error) {
        op->transfer = ot->request.id;
    }
    return error;
}

static void
op_transfer_cancel(void *op_, const char *why)
{
    struct mbox_scale_op *op = op_;
    struct mbox_open_transfer *ot
        = mbox_transfers_find(&op->coordinator->transfers, op->transfer);

    if (ot) {
        mbox_transfer_cancel(ot->transfer, why);
    }
}

static enum mbox_scale_outcome
op_transfer_outcome(void *op_, char **error)
{
    struct mbox_scale_op *op = op_;
    struct mbox_transfers *transfers = &op->coordinator->transfers;
    const struct mbox_past_transfer *past;

    if (mbox_transfers_find(transfers, op->transfer)) {
        return MBOX_OUTCOME_OPEN;
    }
    past = mbox_transfers_find_past(transfers, op->transfer);
    if (!past) {
        *error = xasprintf("transfer %"PRIu32": no longer known",
                           op->transfer);
        return MBOX_OUTCOME_ROLLED_BACK;
    }
    if (past->request.method != MBOX_METHOD_COPY) {
        op->n_flows = past->report.flows_moved;
    }
    if (past->report.result == MBOX_TRANSFER_MOVED) {
        return MBOX_OUTCOME_MOVED;
    }
    *error = xasprintf("transfer %"PRIu32" %s: %s", op->transfer,
                       mbox_transfer_result_to_string(past->request.method,
                                                      past->report.result),
                       past->report.error);
    return (past->report.result == MBOX_TRANSFER_SPLIT ? MBOX_OUTCOME_SPLIT
            : MBOX_OUTCOME_ROLLED_BACK);
}

static const struct mbox_scale_ops scale_ops = {
    .now_ms = op_now_ms,
    .record = op_record,
    .is_recorded = op_is_recorded,
    .program_start = op_program_start,
    .program_cancel = op_program_cancel,
    .program_is_done = op_program_is_done,
    .problem = op_problem,
    .is_known = op_is_known,
    .has_flows = op_has_flows,
    .has_config = op_has_config,
    .transfer_start = op_transfer_start,
    .transfer_cancel = op_transfer_cancel,
    .transfer_outcome = op_transfer_outcome,
};

/* Operations. */

static void OVS_PRINTF_FORMAT(2, 3)
add_env(struct mbox_scale_op *op, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    svec_add_nocopy(&op->env, xvasprintf(format, args));
    va_end(args);
}

/* Looks up the class's instantiator. */
static void
find_program(struct mbox_scale_op *op)
{
    const char *name = mbox_registry_get_setting(&op->coordinator->registry,
                                                 "instantiator",
                                                 op->class_name, NULL);

    if (!name) {
        op->program_error = xasprintf("class %s has no instantiator; set "
                                      "other_config:mbox-instantiator-%s of "
                                      "the Open_vSwitch table",
                                      op->class_name, op->class_name);
    } else {
        char *error = mbox_instantiator_find(name, &op->program);

        if (error) {
            op->program_error = xasprintf(
                "other_config:mbox-instantiator-%s: %s", op->class_name,
                error);
            free(error);
        }
    }
}

/* The bridge where the class's instances are; "" if there is none. */
static const char *
find_bridge(const struct mbox_scale_op *op)
{
    const struct mbox_registry *registry = &op->coordinator->registry;
    const struct mbox_instance *instance = mbox_registry_find(registry,
                                                              op->peer);

    return instance && instance->bridge ? instance->bridge : "";
}

struct mbox_scale_op *
mbox_scale_op_create(struct mbox_coordinator *c, const char *class_name,
                     const char *instance, const char *peer)
{
    struct mbox_scale_op *op = xzalloc(sizeof *op);

    op->coordinator = c;
    ovs_strlcpy(op->class_name, class_name, sizeof op->class_name);
    ovs_strlcpy(op->instance, instance, sizeof op->instance);
    ovs_strlcpy(op->peer, peer, sizeof op->peer);
    mbox_space_init_any(&op->space);
    ovs_list_init(&op->waiters);
    svec_init(&op->env);
    find_program(op);
    add_env(op, "MBOX_COORDINATOR=unix:%s/mbox.sock", ovs_rundir());
    add_env(op, "MBOX_BRIDGE=%s", find_bridge(op));
    add_env(op, "MBOX_PEER=%s", peer);
    add_env(op, "OVS_RUNDIR=%s", ovs_rundir());
    add_env(op, "OVS_LOGDIR=%s", ovs_logdir());
    add_env(op, "OVS_SYSCONFDIR=%s", ovs_sysconfdir());
    return op;
}

/* Starts 'op', which is with the open ones. */
static void
op_begin(struct mbox_scale_op *op)
{
    VLOG_INFO("%s of instance %s of class %s begins",
              mbox_scale_type_to_string(op->request.type), op->instance,
              op->class_name);
    op->scale = mbox_scale_create(&op->request, &scale_ops, op);
}

void
mbox_scale_op_start(struct mbox_scale_op *op)
{
    ovs_list_push_back(&op->coordinator->scales.open, &op->node);
    op_begin(op);
}

void
mbox_scale_op_destroy(struct mbox_scale_op *op)
{
    struct mbox_waiter *waiter;

    /* The main thread answers for us. */
    LIST_FOR_EACH_POP (waiter, node, &op->waiters) {
        free(waiter);
    }
    mbox_instantiator_destroy(op->instantiator);
    mbox_scale_destroy(op->scale);
    svec_destroy(&op->env);
    free(op->program);
    free(op->program_error);
    free(op);
}

void
mbox_scale_op_add_waiter(struct mbox_scale_op *op, uint64_t request, bool json,
                         bool cancels)
{
    struct mbox_waiter *waiter = xmalloc(sizeof *waiter);

    waiter->request = request;
    waiter->json = json;
    waiter->cancels = cancels;
    ovs_list_push_back(&op->waiters, &waiter->node);
}

void
mbox_scale_op_cancel(struct mbox_scale_op *op, const char *why)
{
    mbox_scale_cancel(op->scale, why);
}

bool
mbox_scale_op_is_open(const struct mbox_scale_op *op)
{
    return !mbox_scale_is_done(op->scale);
}

/* Puts 'op', which is done, with the past ones and answers those who wait. */
static void
op_finish(struct mbox_scale_op *op)
{
    struct mbox_coordinator *c = op->coordinator;
    struct mbox_scales *scales = &c->scales;
    struct mbox_scale_report report;
    struct mbox_waiter *waiter;

    mbox_policies_disturb(&c->policies, op->class_name);
    mbox_instantiator_destroy(op->instantiator);
    op->instantiator = NULL;
    ovs_list_remove(&op->node);
    ovs_list_push_front(&scales->past, &op->node);
    if (++scales->n_past > MBOX_SCALES_MAX_PAST) {
        mbox_scale_op_destroy(CONTAINER_OF(ovs_list_pop_back(&scales->past),
                                           struct mbox_scale_op, node));
        scales->n_past--;
    }

    mbox_scale_get_report(op->scale, &report);
    VLOG(report.result == MBOX_SCALE_DONE ? VLL_INFO : VLL_WARN,
         "%s of instance %s of class %s: %s after %lld ms%s%s",
         mbox_scale_type_to_string(op->request.type), op->instance,
         op->class_name, mbox_scale_result_to_string(report.result),
         report.total_ms, report.error[0] ? ": " : "", report.error);

    mbox_coordinator_publish_assignments(c);
    LIST_FOR_EACH_POP (waiter, node, &op->waiters) {
        bool done = report.result == MBOX_SCALE_DONE;

        mbox_coordinator_reply(c, waiter->request, done != waiter->cancels,
                               waiter->json,
                               mbox_scale_op_show(op, waiter->json),
                               c->assignments_serial);
        free(waiter);
    }
}

/* All of them. */

void
mbox_scales_run(struct mbox_coordinator *c)
{
    struct mbox_scale_op *op;

    if (c->exiting) {
        /* The next run finds the records. */
        return;
    }
    LIST_FOR_EACH_SAFE (op, node, &c->scales.open) {
        mbox_scale_run(op->scale);
        if (mbox_scale_is_done(op->scale)) {
            op_finish(op);
        }
    }
}

void
mbox_scales_wait(struct mbox_coordinator *c)
{
    const struct mbox_scale_op *op;

    LIST_FOR_EACH (op, node, &c->scales.open) {
        long long wake_ms = mbox_scale_wake_ms(op->scale);

        if (wake_ms != LLONG_MAX && !c->exiting) {
            poll_timer_wait_until(wake_ms);
        }
    }
}

void
mbox_scales_destroy(struct mbox_coordinator *c)
{
    struct mbox_scale_op *op;

    LIST_FOR_EACH_POP (op, node, &c->scales.open) {
        mbox_scale_op_destroy(op);
    }
    LIST_FOR_EACH_POP (op, node, &c->scales.past) {
        mbox_scale_op_destroy(op);
    }
}

struct mbox_scale_op *
mbox_scales_find(const struct mbox_scales *scales, const char *instance)
{
    const struct ovs_list *lists[] = { &scales->open, &scales->past };
    struct mbox_scale_op *op;

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        LIST_FOR_EACH (op, node, lists[i]) {
            if (!strcmp(op->instance, instance)) {
                return op;
            }
        }
    }
    return NULL;
}

char *
mbox_scales_check_free(const struct mbox_scales *scales, const char *instance)
{
    const struct mbox_scale_op *op = mbox_scales_find(scales, instance);

    if (!op || !mbox_scale_op_is_open(op)) {
        return NULL;
    }
    return xasprintf("instance %s is in a %s; wait for it, or end it with "
                     "mbox/cancel %s", instance,
                     mbox_scale_type_to_string(op->request.type), instance);
}

char *
mbox_scales_check_class(const struct mbox_scales *scales,
                        const char *class_name)
{
    const struct mbox_scale_op *op;

    LIST_FOR_EACH (op, node, &scales->open) {
        if (!strcmp(op->class_name, class_name)) {
            return xasprintf("a %s of instance %s of class %s is open; wait "
                             "for it, or end it with mbox/cancel %s",
                             mbox_scale_type_to_string(op->request.type),
                             op->instance, class_name, op->instance);
        }
    }
    return NULL;
}

/* Records. */

char *
mbox_scales_format_records(const struct mbox_scales *scales)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const struct mbox_scale_op *op;

    LIST_FOR_EACH (op, node, &scales->open) {
        if (op->recorded) {
            ds_put_format(&ds, "%s%s/%s", ds.length ? " " : "",
                          op->class_name, op->instance);
        }
    }
    return ds_steal_cstr(&ds);
}

void
mbox_scales_restore(struct mbox_coordinator *c, const char *s)
{
    char *copy = xstrdup(s);
    char *save_ptr = NULL;
    struct mbox_scale_op *op;

    for (char *record = strtok_r(copy, " ", &save_ptr); record;
         record = strtok_r(NULL, " ", &save_ptr)) {
        char class_name[MBOX_NAME_MAX + 1];
        size_t len = strcspn(record, "/");
        const char *instance = record + len + (record[len] != '\0');

        ovs_strlcpy(class_name, record, MIN(len + 1, sizeof class_name));
        if (len > MBOX_NAME_MAX || !mbox_name_is_valid(class_name)
            || !mbox_name_is_valid(instance)) {
            VLOG_WARN("external_ids:%s: \"%s\" makes no sense",
                      MBOX_SCALE_KEY, record);
            continue;
        } else if (mbox_scales_find(&c->scales, instance)) {
            VLOG_WARN("external_ids:%s: \"%s\" is the second record of this "
                      "instance: the first counts", MBOX_SCALE_KEY, record);
            continue;
        }
        op = mbox_scale_op_create(c, class_name, instance, "");
        op->request.type = MBOX_SCALE_REMOVE;
        op->request.timeout_ms = MBOX_DEFAULT_TIMEOUT_MS;
        op->request.remove_timeout_ms = MBOX_DEFAULT_TIMEOUT_MS;
        op->recorded = true;
        ovs_list_push_back(&c->scales.open, &op->node);
    }
    free(copy);

    /* One that ends at once writes the records, those of the others, too. */
    LIST_FOR_EACH (op, node, &c->scales.open) {
        op_begin(op);
    }
}

/* What they answer. */

static struct json *
op_to_json(const struct mbox_scale_op *op)
{
    struct json *json = json_object_create();
    struct json *phases = json_array_create_empty();
    struct mbox_scale_report report;
    char match[MBOX_SPACE_STRLEN];

    mbox_scale_get_report(op->scale, &report);
    json_object_put_string(json, "operation",
                           mbox_scale_type_to_string(op->request.type));
    json_object_put_string(json, "class", op->class_name);
    json_object_put_string(json, "instance", op->instance);
    json_object_put_string(json, "peer", op->peer);
    json_object_put_string(json, "result",
                           mbox_scale_result_to_string(report.result));
    json_object_put_string(json, "phase", report.phase);
    json_object_put_string(json, "error", report.error);
    json_object_put(json, "copied", json_boolean_create(report.copied));
    if (op->request.moves) {
        mbox_space_format(&op->space, match, sizeof match);
        json_object_put_string(json, "flow_space", match);
    }
    json_object_put(json, "transfer", json_integer_create(op->transfer));
    json_object_put(json, "flows_moved", json_integer_create(op->n_flows));
    json_object_put(json, "total_ms", json_integer_create(report.total_ms));
    for (size_t i = 0; i < report.n_phases; i++) {
        struct json *phase = json_object_create();

        json_object_put_string(phase, "phase", report.phases[i].phase);
        json_object_put(phase, "at_ms",
                        json_integer_create(report.phases[i].at_ms));
        json_array_add(phases, phase);
    }
    json_object_put(json, "phases", phases);
    return json;
}

char *
mbox_scale_op_show(const struct mbox_scale_op *op, bool as_json)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct mbox_scale_report report;
    char match[MBOX_SPACE_STRLEN];

    if (as_json) {
        return mbox_show_json(op_to_json(op));
    }

    mbox_scale_get_report(op->scale, &report);
    ds_put_format(&ds, "%s of %s: %s\n",
                  mbox_scale_type_to_string(op->request.type), op->instance,
                  mbox_scale_result_to_string(report.result));
    ds_put_format(&ds, "  class     %s\n", op->class_name);
    if (op->peer[0]) {
        ds_put_format(&ds, "  %s      %s\n",
                      op->request.type == MBOX_SCALE_IN ? "to  " : "from",
                      op->peer);
    }
    if (op->request.moves) {
        mbox_space_format(&op->space, match, sizeof match);
        ds_put_format(&ds, "  moved     %"PRIu64" flows of %s", op->n_flows,
                      match);
        if (op->transfer) {
            ds_put_format(&ds, ", see mbox/status %"PRIu32, op->transfer);
        }
        ds_put_char(&ds, '\n');
    }
    ds_put_format(&ds, "  time      %lld ms\n  phases   ", report.total_ms);
    for (size_t i = 0; i < report.n_phases; i++) {
        ds_put_format(&ds, "%s %s %lld", i ? "," : "", report.phases[i].phase,
                      report.phases[i].at_ms);
    }
    if (report.error[0]) {
        ds_put_format(&ds, "\n  error     %s", report.error);
    }
    return ds_steal_cstr(&ds);
}

void
mbox_scales_put_open(const struct mbox_scales *scales, struct ds *ds)
{
    const struct mbox_scale_op *op;

    LIST_FOR_EACH (op, node, &scales->open) {
        struct mbox_scale_report report;

        mbox_scale_get_report(op->scale, &report);
        ds_put_format(ds, "%s of %s: class %s, %s for %lld ms\n",
                      mbox_scale_type_to_string(op->request.type),
                      op->instance, op->class_name, report.phase,
                      (report.total_ms
                       - report.phases[report.n_phases - 1].at_ms));
    }
}

struct json *
mbox_scales_to_json(const struct mbox_scales *scales)
{
    struct json *array = json_array_create_empty();
    const struct mbox_scale_op *op;

    LIST_FOR_EACH (op, node, &scales->open) {
        json_array_add(array, op_to_json(op));
    }
    return array;
}
