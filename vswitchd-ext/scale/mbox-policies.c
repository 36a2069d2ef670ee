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
#include "mbox-policies.h"

#include "mbox-class.h"
#include "mbox-coordinator-private.h"
#include "mbox-match.h"
#include "mbox-show.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_policy);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* A counter, as it was read last. */
struct reading {
    bool done;                  /* In the last interval. */
    uint64_t count;
    uint64_t at;                /* When it was, by the counter's own clock. */
};

/* What is known of an instance. */
struct mbox_policy_sample {
    bool seen;                  /* The instance is still there. */
    struct reading packets;     /* Of the port; clock in ms. */
    struct reading cpu;         /* Nanoseconds, as the clock. */
    bool kept;                  /* It was to be removed and was not: it is not
                                 * tried again while it is there. */
    struct mbox_policy_instance instance;       /* As judged last. */
};

/* Configuration. */

void
mbox_policies_init(struct mbox_policies *policies)
{
    shash_init(&policies->classes);
}

/* Forgets the setting. */
static void
turn_off(struct mbox_class_policy *p)
{
    if (p->setting) {
        free(p->setting);
        p->setting = NULL;
        mbox_policy_config_destroy(&p->config);
        shash_clear_free_data(&p->samples);
        free(p->blocked);
        p->blocked = NULL;
        p->open[0] = '\0';
    }
}

void
mbox_policies_destroy(struct mbox_policies *policies)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &policies->classes) {
        struct mbox_class_policy *p = node->data;

        turn_off(p);
        shash_destroy(&p->samples);
        free(p->last);
        free(p->why);
    }
    shash_destroy_free_data(&policies->classes);
}

char *
mbox_policies_parse(const char *s, struct mbox_policy_config *config,
                    struct mbox_space *space)
{
    char *error = mbox_policy_parse(s, config);

    if (!error) {
        error = mbox_match_parse(config->space, space);
        if (!error) {
            struct mbox_space least = *space;

            error = mbox_scale_take_share(MBOX_POLICY_SHARES,
                                          MBOX_POLICY_SHARES, &least);
        }
        if (error) {
            char *reason = error;

            error = xasprintf("space=%s: %s", config->space, reason);
            free(reason);
            mbox_policy_config_destroy(config);
        }
    }
    return error;
}

static void
turn_on(struct mbox_policies *policies, const char *class_name,
        const char *setting)
{
    struct mbox_class_policy *p = shash_find_data(&policies->classes,
                                                  class_name);

    if (!p) {
        p = xzalloc(sizeof *p);
        ovs_strlcpy(p->class_name, class_name, sizeof p->class_name);
        shash_init(&p->samples);
        shash_add(&policies->classes, class_name, p);
    }
    if (p->setting && !strcmp(p->setting, setting)) {
        return;
    }
    turn_off(p);

    char *error = mbox_policies_parse(setting, &p->config, &p->space);
    if (error) {
        /* mbox/list tells, see mbox-registry.c. */
        free(error);
        return;
    }
    p->setting = xstrdup(setting);
    p->next_ms = time_msec();
    mbox_policy_init(&p->policy);
    VLOG_INFO("policy of class %s: %s", class_name, setting);
}

void
mbox_policies_configure(struct mbox_coordinator *c)
{
    const struct shash_node *node;
    const char *class_name;

    SSET_FOR_EACH (class_name, &c->registry.classes) {
        const char *setting = mbox_registry_get_setting(
            &c->registry, "policy", class_name, NULL);

        if (setting) {
            turn_on(&c->policies, class_name, setting);
        }
    }
    SHASH_FOR_EACH (node, &c->policies.classes) {
        struct mbox_class_policy *p = node->data;

        if (p->setting && !mbox_registry_get_setting(&c->registry, "policy",
                                                     p->class_name, NULL)) {
            VLOG_INFO("policy of class %s: none any more", p->class_name);
            turn_off(p);
        }
    }
}

/* Figures. */

/* Whose each share is: the instance of a flow of its first address. */
static void
find_owners(const struct mbox_class_policy *p,
            char owners[MBOX_POLICY_SHARES][MBOX_NAME_MAX + 1])
{
    struct mbox_key key = p->space.value;

    if (key.family == 4) {
        memset(&key.src[10], 0xff, 2);
        memset(&key.dst[10], 0xff, 2);
    }
    if (!p->space.mask.vlan) {
        key.vlan = MBOX_VLAN_NONE;
    }
    for (size_t i = 0; i < MBOX_POLICY_SHARES; i++) {
        key.src[15] = p->space.value.src[15] | i;
        if (!mbox_class_lookup(p->class_name, &key, owners[i])) {
            owners[i][0] = '\0';
        }
    }
}

/* Takes over a new reading of a counter.  If the last interval had one, too,
 * the figure of 'measure' is what was counted in between, in 'per' units of
 * the counter's clock. */
static void
measure_rate(struct mbox_policy_sample *sample,
             enum mbox_policy_measure measure, struct reading *last,
             struct reading new, uint64_t per)
{
    new.done = new.done && !(last->done && new.at <= last->at);
    if (new.done && last->done && new.count >= last->count
        && new.count - last->count <= INT64_MAX / per) {
        uint64_t n = (new.count - last->count) * per;
        uint64_t elapsed = new.at - last->at;

        sample->instance.figures[measure].known = true;
        sample->instance.figures[measure].value
            = n / elapsed + (n % elapsed != 0);
    }
    *last = new;
}

static void
count_packets(const struct mbox_instance *instance,
              struct mbox_policy_sample *sample)
{
    const struct mbox_port_counters *counters = &instance->counters;
    struct reading new = {
        .done = (instance->has_counters
                 && counters->tx_packets != UINT64_MAX),
        .count = counters->tx_packets,
        .at = instance->counters_at,
    };

    /* What the instance was too slow for is its load, too. */
    if (counters->tx_dropped != UINT64_MAX) {
        new.count += counters->tx_dropped;
    }
    measure_rate(sample, MBOX_POLICY_PACKETS, &sample->packets, new, 1000);
}

/* Takes over what the agent has said since the end of the last interval. */
static void
take_stats(struct mbox_conn *conn, struct mbox_policy_sample *sample)
{
    struct reading cpu = {
        .done = conn->has_stats && conn->clock_ns,
        .count = conn->cpu_ns,
        .at = conn->clock_ns,
    };

    sample->instance.figures[MBOX_POLICY_FLOWS].known
        = conn->has_stats && conn->n_flows <= INT64_MAX;
    sample->instance.figures[MBOX_POLICY_FLOWS].value = conn->n_flows;
    measure_rate(sample, MBOX_POLICY_CPU, &sample->cpu, cpu, 100);
    conn->has_stats = false;
}

/* Updates the sample of 'instance', which is live. */
static void
take_sample(const struct mbox_coordinator *c, struct mbox_class_policy *p,
            const struct mbox_instance *instance,
            char owners[MBOX_POLICY_SHARES][MBOX_NAME_MAX + 1])
{
    struct shash_node *node = shash_find(&p->samples, instance->name);
    struct mbox_policy_sample *sample;

    if (!node) {
        node = shash_add(&p->samples, instance->name,
                         xzalloc(sizeof *sample));
    }
    sample = node->data;
    sample->seen = true;
    sample->instance = (struct mbox_policy_instance) {
        .name = node->name,
        .stays = sample->kept || mbox_scale_is_default(c, instance),
    };
    count_packets(instance, sample);
    take_stats(instance->conn, sample);
    for (size_t i = 0; i < MBOX_POLICY_SHARES; i++) {
        sample->instance.shares[i] = !strcmp(owners[i], instance->name);
    }
}

/* Updates all samples, and returns how many instances the class has that an
 * Interface names, with those that are not live.  An agent can say that it is
 * of any class. */
static size_t
take_samples(const struct mbox_coordinator *c, struct mbox_class_policy *p)
{
    char owners[MBOX_POLICY_SHARES][MBOX_NAME_MAX + 1];
    struct shash_node *node;
    size_t n_all = 0;

    find_owners(p, owners);
    SHASH_FOR_EACH (node, &p->samples) {
        struct mbox_policy_sample *sample = node->data;

        sample->seen = false;
    }
    SHASH_FOR_EACH (node, &c->registry.instances) {
        const struct mbox_instance *instance = node->data;
        char *problem;

        if (strcmp(mbox_instance_class(instance), p->class_name)) {
            continue;
        }
        n_all += instance->iface != NULL;
        problem = mbox_instance_problem(instance);
        if (!problem) {
            take_sample(c, p, instance, owners);
        }
        free(problem);
    }
    SHASH_FOR_EACH_SAFE (node, &p->samples) {
        struct mbox_policy_sample *sample = node->data;

        if (!sample->seen) {
            free(sample);
            shash_delete(&p->samples, node);
        }
    }
    return n_all;
}

/* Asks for the figures of the next interval. */
static void
ask(struct mbox_coordinator *c, const struct mbox_class_policy *p)
{
    const struct shash_node *node;
    struct mbox_msg msg;

    if (p->config.marks[MBOX_POLICY_PACKETS].given) {
        c->ports_wanted = true;
    }
    if (!p->config.marks[MBOX_POLICY_FLOWS].given
        && !p->config.marks[MBOX_POLICY_CPU].given) {
        return;
    }
    SHASH_FOR_EACH (node, &p->samples) {
        struct mbox_instance *instance = mbox_registry_find(&c->registry,
                                                            node->name);

        mbox_msg_init(&msg, MBOX_MSG_STATS_REQUEST, 0);
        mbox_conn_send(instance->conn, &msg, NULL, -1);
    }
}

/* Decisions. */

static bool
is_busy(const struct mbox_coordinator *c, const char *class_name)
{
    char *error = mbox_scales_check_class(&c->scales, class_name);
    bool busy = error != NULL;
    struct mbox_space any;

    free(error);
    mbox_space_init_any(&any);
    return busy || mbox_transfers_find_overlap(&c->transfers, class_name,
                                               &any);
}

/* The open operation of the class, or NULL. */
static const struct mbox_scale_op *
find_open(const struct mbox_scales *scales, const char *class_name)
{
    const struct mbox_scale_op *op;

    LIST_FOR_EACH (op, node, &scales->open) {
        if (!strcmp(op->class_name, class_name)) {
            return op;
        }
    }
    return NULL;
}

/* Looks whether the operation that 'p' has started has ended, and how. */
static void
check_operation(struct mbox_coordinator *c, struct mbox_class_policy *p)
{
    const struct mbox_scale_op *op = (p->open[0]
                                      ? mbox_scales_find(&c->scales, p->open)
                                      : NULL);
    struct mbox_policy_sample *sample;
    struct mbox_scale_report report;
    bool success;

    if (!op || mbox_scale_op_is_open(op)) {
        return;
    }
    mbox_scale_get_report(op->scale, &report);
    success = report.result == MBOX_SCALE_DONE;
    mbox_policy_ended(&p->policy, &p->config, success, time_msec());
    free(p->last);
    p->last = xasprintf("%s of %s: %s%s%s (%s)",
                        mbox_scale_type_to_string(op->request.type),
                        op->instance,
                        mbox_scale_result_to_string(report.result),
                        report.error[0] ? ": " : "", report.error, p->why);
    if (!success) {
        p->n_failed++;
        VLOG_WARN_RL(&rl, "policy of class %s: %s", p->class_name, p->last);
    }
    sample = shash_find_data(&p->samples, p->open);
    if (sample && op->request.type == MBOX_SCALE_IN
        && report.result == MBOX_SCALE_PARTIAL) {
        sample->kept = true;
    }
    p->open[0] = '\0';
}

/* Begins an operation as the command would that 'd' stands for. */
static char *
start_operation(struct mbox_coordinator *c, const struct mbox_class_policy *p,
                const struct mbox_policy_decision *d, char **out)
{
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    bool scales_out = d->action == MBOX_POLICY_OUT;
    struct mbox_options options;
    char *error;

    svec_add(&argv, "mbox/policy");
    svec_add(&argv, "--async");
    error = mbox_options_parse(&argv, MBOX_OPTION_ASYNC, 0, 0, &options);
    if (!error) {
        /* Names are not parsed: they may look like options. */
        if (scales_out) {
            svec_add(&options.args, p->class_name);
            svec_add(&options.args, p->config.space);
            options.from = d->instance;
            options.share = d->share;
            options.share_of = d->share_of;
            options.given |= MBOX_OPTION_FROM | MBOX_OPTION_SHARE;
        } else {
            svec_add(&options.args, d->instance);
            options.to = d->peer;
            options.given |= MBOX_OPTION_TO;
        }
        error = (scales_out ? mbox_command_scale_out(c, 0, &options, out)
                 : mbox_command_scale_in(c, 0, &options, out));
    }
    mbox_options_destroy(&options);
    svec_destroy(&argv);
    return error;
}

static void
carry_out(struct mbox_coordinator *c, struct mbox_class_policy *p,
          const struct mbox_policy_decision *d)
{
    char *out = NULL;
    char *error = start_operation(c, p, d, &out);
    const struct mbox_scale_op *op = find_open(&c->scales, p->class_name);

    free(p->last);
    if (error) {
        p->n_refused++;
        mbox_policy_ended(&p->policy, &p->config, false, time_msec());
        p->last = xasprintf("refused: %s (%s)", error, d->why);
        VLOG_WARN_RL(&rl, "policy of class %s: %s", p->class_name, p->last);
        free(error);
    } else {
        *(d->action == MBOX_POLICY_OUT ? &p->n_outs : &p->n_ins) += 1;
        p->last = xasprintf("%s (%s)", out, d->why);
        VLOG_INFO("policy of class %s: %s", p->class_name, p->last);
        free(out);
        ovs_strlcpy(p->open, op ? op->instance : d->instance, sizeof p->open);
        free(p->why);
        p->why = xstrdup(d->why);
    }
}

/* An interval of 'p' has ended. */
static void
judge(struct mbox_coordinator *c, struct mbox_class_policy *p)
{
    bool busy = is_busy(c, p->class_name);
    struct mbox_policy_input input = {
        .n_all = take_samples(c, p),
        .busy = busy || p->disturbed,
    };
    const struct shash_node **nodes = shash_sort(&p->samples);
    struct mbox_policy_instance *instances;
    struct mbox_policy_decision d;

    input.n = shash_count(&p->samples);
    input.instances = instances = xcalloc(input.n, sizeof *instances);
    for (size_t i = 0; i < input.n; i++) {
        const struct mbox_policy_sample *sample = nodes[i]->data;

        instances[i] = sample->instance;
    }
    free(nodes);

    check_operation(c, p);
    p->busy = busy;
    p->disturbed = false;
    mbox_policy_judge(&p->policy, &p->config, &input, time_msec(), &d);
    if (d.action == MBOX_POLICY_BLOCKED && !p->blocked) {
        VLOG_INFO("policy of class %s: no scale-out: %s", p->class_name,
                  d.why);
    }
    free(p->blocked);
    p->blocked = d.action == MBOX_POLICY_BLOCKED ? xstrdup(d.why) : NULL;
    if (d.action == MBOX_POLICY_OUT || d.action == MBOX_POLICY_IN) {
        carry_out(c, p, &d);
    } else if (!busy) {
        ask(c, p);
    }
    free(instances);
}

void
mbox_policies_disturb(struct mbox_policies *policies, const char *class_name)
{
    struct mbox_class_policy *p = shash_find_data(&policies->classes,
                                                  class_name);

    if (p) {
        p->disturbed = true;
    }
}

void
mbox_policies_run(struct mbox_coordinator *c)
{
    const struct shash_node *node;

    if (c->exiting) {
        return;
    }
    SHASH_FOR_EACH (node, &c->policies.classes) {
        struct mbox_class_policy *p = node->data;

        if (p->setting && time_msec() >= p->next_ms) {
            judge(c, p);
            p->next_ms = time_msec() + p->config.interval_ms;
        }
    }
}

void
mbox_policies_wait(struct mbox_coordinator *c)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &c->policies.classes) {
        const struct mbox_class_policy *p = node->data;

        if (p->setting && !c->exiting) {
            poll_timer_wait_until(p->next_ms);
        }
    }
}

/* What can be seen. */

/* Appends a word or two on what 'p', which is on, is doing. */
static void
put_state(const struct mbox_class_policy *p, struct ds *ds)
{
    if (p->blocked) {
        ds_put_format(ds, "blocked: %s", p->blocked);
    } else if (p->busy) {
        ds_put_cstr(ds, "waits for the end of an operation");
    } else if (time_msec() < p->policy.pause_until) {
        ds_put_cstr(ds, "pauses after an operation");
    } else if (p->policy.n_high) {
        ds_put_format(ds, "high for %u of %u intervals", p->policy.n_high,
                      p->config.intervals);
    } else if (p->policy.n_low) {
        ds_put_format(ds, "low for %u of %u intervals", p->policy.n_low,
                      p->config.intervals);
    } else {
        ds_put_cstr(ds, "between the marks");
    }
}

void
mbox_policies_put_class(const struct mbox_policies *policies,
                        const char *class_name, struct ds *ds)
{
    const struct mbox_class_policy *p = shash_find_data(&policies->classes,
                                                        class_name);

    if (p && p->setting) {
        ds_put_format(ds, "  policy: %s; ", p->setting);
        put_state(p, ds);
        ds_put_char(ds, '\n');
    }
}

static void
put_policy(const struct mbox_class_policy *p, struct ds *ds)
{
    const struct shash_node **nodes = shash_sort(&p->samples);

    ds_put_format(ds, "%s: %s\n  state: ", p->class_name, p->setting);
    put_state(p, ds);
    ds_put_char(ds, '\n');
    for (size_t i = 0; i < shash_count(&p->samples); i++) {
        const struct mbox_policy_sample *sample = nodes[i]->data;

        ds_put_format(ds, "  instance %s:", nodes[i]->name);
        for (size_t j = 0; j < MBOX_POLICY_N_MEASURES; j++) {
            const char *measure = mbox_policy_measure_to_string(j);

            if (!p->config.marks[j].given) {
                continue;
            } else if (sample->instance.figures[j].known) {
                ds_put_format(ds, " %"PRIu64" %s",
                              sample->instance.figures[j].value, measure);
            } else {
                ds_put_format(ds, " unknown %s", measure);
            }
        }
        ds_put_char(ds, '\n');
    }
    free(nodes);
    ds_put_format(ds, "  operations: %"PRIu64" scale-outs, %"PRIu64
                  " scale-ins, %"PRIu64" refused, %"PRIu64" failed\n"
                  "  last: %s\n", p->n_outs, p->n_ins, p->n_refused,
                  p->n_failed, p->last ? p->last : "none");
}

static struct json *
policy_to_json(const struct mbox_class_policy *p)
{
    static const char *const keys[MBOX_POLICY_N_MEASURES] = {
        [MBOX_POLICY_PACKETS] = "packets_per_second",
        [MBOX_POLICY_FLOWS] = "flows",
        [MBOX_POLICY_CPU] = "cpu_percent",
    };
    const struct shash_node **nodes = shash_sort(&p->samples);
    struct json *instances = json_array_create_empty();
    struct json *json = json_object_create();
    struct ds state = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < shash_count(&p->samples); i++) {
        const struct mbox_policy_sample *sample = nodes[i]->data;
        struct json *instance = json_object_create();

        json_object_put_string(instance, "name", nodes[i]->name);
        for (size_t j = 0; j < MBOX_POLICY_N_MEASURES; j++) {
            if (p->config.marks[j].given
                && sample->instance.figures[j].known) {
                json_object_put(instance, keys[j], json_integer_create(
                                    sample->instance.figures[j].value));
            }
        }
        json_array_add(instances, instance);
    }
    free(nodes);

    put_state(p, &state);
    json_object_put_string(json, "class", p->class_name);
    json_object_put_string(json, "setting", p->setting);
    json_object_put_string(json, "state", ds_cstr(&state));
    json_object_put(json, "instances", instances);
    json_object_put(json, "scale_outs", json_integer_create(p->n_outs));
    json_object_put(json, "scale_ins", json_integer_create(p->n_ins));
    json_object_put(json, "refused", json_integer_create(p->n_refused));
    json_object_put(json, "failed", json_integer_create(p->n_failed));
    json_object_put_string(json, "last", p->last ? p->last : "");
    ds_destroy(&state);
    return json;
}

char *
mbox_command_policy(struct mbox_coordinator *c, uint64_t request OVS_UNUSED,
                    const struct mbox_options *options, char **out)
{
    const char *class_name = options->args.n ? options->args.names[0] : NULL;
    const struct shash_node **nodes = shash_sort(&c->policies.classes);
    struct json *array = json_array_create_empty();
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < shash_count(&c->policies.classes); i++) {
        const struct mbox_class_policy *p = nodes[i]->data;

        if (p->setting
            && (!class_name || !strcmp(class_name, p->class_name))) {
            json_array_add(array, policy_to_json(p));
            put_policy(p, &ds);
        }
    }
    free(nodes);

    if (class_name && !ds.length) {
        json_destroy(array);
        ds_destroy(&ds);
        return xasprintf("class %s has no policy; set "
                         "other_config:mbox-policy-%s of the Open_vSwitch "
                         "table", class_name, class_name);
    } else if (options->json) {
        ds_destroy(&ds);
        *out = mbox_show_json(array);
    } else {
        json_destroy(array);
        if (!ds.length) {
            ds_put_cstr(&ds, "no policies\n");
        }
        *out = ds_steal_cstr(&ds);
    }
    return NULL;
}
