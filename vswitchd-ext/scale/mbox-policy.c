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
#include "mbox-policy.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define DEFAULT_INTERVAL_MS 10000
#define DEFAULT_INTERVALS 3
#define DEFAULT_PAUSE_MS 60000

/* Configuration. */

const char *
mbox_policy_measure_to_string(enum mbox_policy_measure measure)
{
    switch (measure) {
    case MBOX_POLICY_PACKETS: return "packets/s";
    case MBOX_POLICY_FLOWS: return "flows";
    }
    OVS_NOT_REACHED();
}

/* Each of these returns NULL, or what 'value' has to be. */

static const char *
parse_marks(const char *value, struct mbox_policy_marks *marks)
{
    int n = 0;

    marks->given = (ovs_scan(value, "%"SCNu64":%"SCNu64"%n", &marks->low,
                             &marks->high, &n)
                    && !value[n] && marks->low <= marks->high);
    return marks->given ? NULL : "LOW:HIGH, where LOW is at most HIGH";
}

static const char *
parse_count(const char *value, unsigned int *count)
{
    return (str_to_uint(value, 10, count) && *count && *count <= 128
            ? NULL : "a number from 1 to 128");
}

static const char *
parse_seconds(const char *value, double min, long long *ms)
{
    double seconds;

    if (!str_to_double(value, &seconds)
        || !(seconds >= min && seconds <= 86400)) {
        return "a number of seconds from 0.1 (a pause: 0) to 86400";
    }
    *ms = seconds * 1000;
    return NULL;
}

static const char *
parse_setting(const char *name, const char *value,
              struct mbox_policy_config *config)
{
    if (!strcmp(name, "packets")) {
        return parse_marks(value, &config->marks[MBOX_POLICY_PACKETS]);
    } else if (!strcmp(name, "flows")) {
        return parse_marks(value, &config->marks[MBOX_POLICY_FLOWS]);
    } else if (!strcmp(name, "min")) {
        return parse_count(value, &config->min);
    } else if (!strcmp(name, "max")) {
        return parse_count(value, &config->max);
    } else if (!strcmp(name, "intervals")) {
        return parse_count(value, &config->intervals);
    } else if (!strcmp(name, "interval")) {
        return parse_seconds(value, 0.1, &config->interval_ms);
    } else if (!strcmp(name, "pause")) {
        return parse_seconds(value, 0, &config->pause_ms);
    } else if (!strcmp(name, "space")) {
        free(config->space);
        config->space = xstrdup(value);
        return NULL;
    }
    return "something else: there are packets, flows, space, max, min, "
           "interval, intervals and pause";
}

/* Checks that everything is there that has no default. */
static char *
check_config(const struct mbox_policy_config *config)
{
    if (!config->marks[MBOX_POLICY_PACKETS].given
        && !config->marks[MBOX_POLICY_FLOWS].given) {
        return xstrdup("needs packets=LOW:HIGH or flows=LOW:HIGH");
    } else if (!config->space) {
        return xstrdup("needs space=MATCH");
    } else if (!config->max) {
        return xstrdup("needs max=N");
    } else if (config->min > config->max) {
        return xstrdup("min is more than max");
    }
    return NULL;
}

char *
mbox_policy_parse(const char *s, struct mbox_policy_config *config)
{
    char *copy = xstrdup(s);
    char *save_ptr = NULL;
    char *error = NULL;

    *config = (struct mbox_policy_config) {
        .min = 1,
        .intervals = DEFAULT_INTERVALS,
        .interval_ms = DEFAULT_INTERVAL_MS,
        .pause_ms = DEFAULT_PAUSE_MS,
    };
    for (char *word = strtok_r(copy, " ", &save_ptr); word && !error;
         word = strtok_r(NULL, " ", &save_ptr)) {
        char *equals = strchr(word, '=');
        const char *needed;

        if (equals) {
            *equals = '\0';
        }
        needed = parse_setting(word, equals ? equals + 1 : "", config);
        if (needed) {
            error = xasprintf("%s needs to be %s", word, needed);
        }
    }
    free(copy);
    if (!error) {
        error = check_config(config);
    }
    if (error) {
        mbox_policy_config_destroy(config);
    }
    return error;
}

void
mbox_policy_config_destroy(struct mbox_policy_config *config)
{
    free(config->space);
    config->space = NULL;
}

/* Figures. */

/* Of what 'instance' has to do, the greatest share of a high mark. */
static double
get_load(const struct mbox_policy_config *config,
         const struct mbox_policy_instance *instance)
{
    double load = 0;

    for (size_t i = 0; i < MBOX_POLICY_N_MEASURES; i++) {
        uint64_t value = instance->figures[i].value;
        uint64_t high = config->marks[i].high;

        if (config->marks[i].given && instance->figures[i].known && value) {
            load = MAX(load, high ? (double) value / high : DBL_MAX);
        }
    }
    return load;
}

/* If 'instance' is above a high mark, says so in 'why'. */
static bool
is_above(const struct mbox_policy_config *config,
         const struct mbox_policy_instance *instance,
         char *why, size_t why_size)
{
    for (size_t i = 0; i < MBOX_POLICY_N_MEASURES; i++) {
        if (config->marks[i].given && instance->figures[i].known
            && instance->figures[i].value > config->marks[i].high) {
            snprintf(why, why_size, "%s has %"PRIu64" %s, above %"PRIu64,
                     instance->name, instance->figures[i].value,
                     mbox_policy_measure_to_string(i), config->marks[i].high);
            return true;
        }
    }
    return false;
}

/* If 'a' and 'b' would, together, not be above any low mark, says so in
 * 'why'. */
static bool
are_below(const struct mbox_policy_config *config,
          const struct mbox_policy_instance *a,
          const struct mbox_policy_instance *b, char *why, size_t why_size)
{
    int len = snprintf(why, why_size, "%s and %s have together", a->name,
                       b->name);

    for (size_t i = 0; i < MBOX_POLICY_N_MEASURES; i++) {
        uint64_t low = config->marks[i].low;
        uint64_t x = a->figures[i].value;
        uint64_t y = b->figures[i].value;

        if (!config->marks[i].given) {
            continue;
        } else if (!a->figures[i].known || !b->figures[i].known
                   || x > low || y > low - x) {
            return false;
        }
        len += snprintf(why + len, why_size - len,
                        " %"PRIu64" %s (low mark %"PRIu64")", x + y,
                        mbox_policy_measure_to_string(i), low);
    }
    return true;
}

bool
mbox_policy_choose_share(const bool shares[MBOX_POLICY_SHARES],
                         unsigned int *share, unsigned int *share_of)
{
    /* Each part is of the addresses whose lowest bits are 'part'.  The first
     * that is the instance's own as a whole is one of the greatest; half of
     * that goes. */
    for (unsigned int n = 1; n < MBOX_POLICY_SHARES; n *= 2) {
        for (unsigned int part = 0; part < n; part++) {
            unsigned int i = part;

            while (i < MBOX_POLICY_SHARES && shares[i]) {
                i += n;
            }
            if (i >= MBOX_POLICY_SHARES) {
                *share = part + n + 1;
                *share_of = 2 * n;
                return true;
            }
        }
    }
    return false;
}

/* Decisions. */

/* Fills in 'd' and returns true if the class should be scaled out now. */
static bool
judge_out(const struct mbox_policy_config *config,
          const struct mbox_policy_input *input,
          struct mbox_policy_decision *d)
{
    bool too_few = input->n_all < config->min;
    const char *needy = NULL;
    double max_load = -1;

    for (size_t i = 0; i < input->n; i++) {
        const struct mbox_policy_instance *instance = &input->instances[i];
        double load = get_load(config, instance);
        unsigned int share, share_of;
        char why[sizeof d->why] = "";

        if (!is_above(config, instance, why, sizeof why) && !too_few) {
            continue;
        }
        needy = instance->name;
        if (load > max_load
            && mbox_policy_choose_share(instance->shares, &share, &share_of)) {
            max_load = load;
            d->instance = instance->name;
            d->share = share;
            d->share_of = share_of;
            ovs_strlcpy(d->why, why, sizeof d->why);
        }
    }
    if (!needy) {
        return false;
    }

    d->action = MBOX_POLICY_OUT;
    if (too_few) {
        snprintf(d->why, sizeof d->why, "the class has fewer than %u "
                 "instances", config->min);
    }
    if (!d->instance) {
        d->action = MBOX_POLICY_BLOCKED;
        snprintf(d->why, sizeof d->why, "%s has no part of the flow space "
                 "that can be divided", needy);
    } else if (input->n_all >= config->max) {
        size_t len = strlen(d->why);

        d->action = MBOX_POLICY_BLOCKED;
        snprintf(d->why + len, sizeof d->why - len, ", but the class has "
                 "max=%u instances already", config->max);
    }
    return true;
}

/* Fills in 'd' and returns true if the class should be scaled in now. */
static bool
judge_in(const struct mbox_policy_config *config,
         const struct mbox_policy_input *input,
         struct mbox_policy_decision *d)
{
    const struct mbox_policy_instance *goes = NULL;
    const struct mbox_policy_instance *gets = NULL;

    if (input->n_all <= config->min) {
        return false;
    }
    for (size_t i = 0; i < input->n; i++) {
        const struct mbox_policy_instance *instance = &input->instances[i];

        if (!instance->stays
            && (!goes || get_load(config, instance) < get_load(config, goes))) {
            goes = instance;
        }
    }
    for (size_t i = 0; i < input->n; i++) {
        const struct mbox_policy_instance *instance = &input->instances[i];

        if (instance != goes
            && (!gets || get_load(config, instance) < get_load(config, gets))) {
            gets = instance;
        }
    }
    if (!goes || !gets
        || !are_below(config, goes, gets, d->why, sizeof d->why)) {
        return false;
    }
    d->action = MBOX_POLICY_IN;
    d->instance = goes->name;
    d->peer = gets->name;
    return true;
}

void
mbox_policy_init(struct mbox_policy *policy)
{
    *policy = (struct mbox_policy) { .pause_until = 0 };
}

void
mbox_policy_judge(struct mbox_policy *policy,
                  const struct mbox_policy_config *config,
                  const struct mbox_policy_input *input, long long now_ms,
                  struct mbox_policy_decision *d)
{
    *d = (struct mbox_policy_decision) { .action = MBOX_POLICY_NOTHING };
    if (input->busy) {
        policy->pause_until = now_ms + config->pause_ms;
    }
    if (input->busy || now_ms < policy->pause_until) {
        policy->n_high = policy->n_low = 0;
        return;
    }

    policy->n_high = judge_out(config, input, d) ? policy->n_high + 1 : 0;
    policy->n_low = (!policy->n_high && judge_in(config, input, d)
                     ? policy->n_low + 1 : 0);
    if (MAX(policy->n_high, policy->n_low) < config->intervals) {
        *d = (struct mbox_policy_decision) { .action = MBOX_POLICY_NOTHING };
    } else if (d->action != MBOX_POLICY_BLOCKED) {
        policy->n_high = policy->n_low = 0;
        policy->pause_until = now_ms + config->pause_ms;
    }
}
