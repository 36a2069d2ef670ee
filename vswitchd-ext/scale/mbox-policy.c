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

#include "sset.h"
#include "util.h"

#define DEFAULT_INTERVAL_MS 10000
#define DEFAULT_INTERVALS 3
#define DEFAULT_PAUSE_MS 60000

/* Of interval and pause: each may mean a program and two writes to the
 * database. */
#define MIN_SECONDS 0.5

/* What the pause grows to if operations fail, unless it is longer anyway. */
#define MAX_PAUSE_MS (3600 * 1000LL)

/* Configuration. */

const char *
mbox_policy_measure_to_string(enum mbox_policy_measure measure)
{
    switch (measure) {
    case MBOX_POLICY_PACKETS: return "packets/s";
    case MBOX_POLICY_FLOWS: return "flows";
    case MBOX_POLICY_CPU: return "% CPU";
    }
    OVS_NOT_REACHED();
}

/* Each of these returns NULL, or what 'value' has to be. */

/* Parses decimal digits; ovs_scan() would take a sign, and overflow. */
static bool
parse_number(const char *s, uint64_t *number)
{
    long long value;

    if (!s[0] || s[strspn(s, "0123456789")] || !str_to_llong(s, 10, &value)) {
        return false;
    }
    *number = value;
    return true;
}

static const char *
parse_marks(char *value, struct mbox_policy_marks *marks)
{
    char *high = strchr(value, ':');

    if (high) {
        *high++ = '\0';
        marks->given = (parse_number(value, &marks->low)
                        && parse_number(high, &marks->high)
                        && marks->low <= marks->high);
    }
    return marks->given ? NULL : "LOW:HIGH, where LOW is at most HIGH";
}

static const char *
parse_count(const char *value, unsigned int *count)
{
    uint64_t number;

    if (!parse_number(value, &number) || !number || number > 128) {
        return "a number from 1 to 128";
    }
    *count = number;
    return NULL;
}

static const char *
parse_seconds(const char *value, long long *ms)
{
    double seconds;

    if (!str_to_double(value, &seconds)
        || !(seconds >= MIN_SECONDS && seconds <= 86400)) {
        return "a number of seconds from 0.5 to 86400";
    }
    *ms = seconds * 1000;
    return NULL;
}

static const char *
parse_setting(const char *name, char *value,
              struct mbox_policy_config *config)
{
    if (!strcmp(name, "packets")) {
        return parse_marks(value, &config->marks[MBOX_POLICY_PACKETS]);
    } else if (!strcmp(name, "flows")) {
        return parse_marks(value, &config->marks[MBOX_POLICY_FLOWS]);
    } else if (!strcmp(name, "cpu")) {
        return parse_marks(value, &config->marks[MBOX_POLICY_CPU]);
    } else if (!strcmp(name, "min")) {
        return parse_count(value, &config->min);
    } else if (!strcmp(name, "max")) {
        return parse_count(value, &config->max);
    } else if (!strcmp(name, "intervals")) {
        return parse_count(value, &config->intervals);
    } else if (!strcmp(name, "interval")) {
        return parse_seconds(value, &config->interval_ms);
    } else if (!strcmp(name, "pause")) {
        return parse_seconds(value, &config->pause_ms);
    } else if (!strcmp(name, "space")) {
        config->space = xstrdup(value);
        return NULL;
    }
    return "something else: there are packets, flows, cpu, space, max, min, "
           "interval, intervals and pause";
}

/* Checks that everything is there that has no default. */
static char *
check_config(const struct mbox_policy_config *config)
{
    if (!config->marks[MBOX_POLICY_PACKETS].given
        && !config->marks[MBOX_POLICY_FLOWS].given
        && !config->marks[MBOX_POLICY_CPU].given) {
        return xstrdup("needs packets=LOW:HIGH, flows=LOW:HIGH or "
                       "cpu=LOW:HIGH");
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
    struct sset names = SSET_INITIALIZER(&names);
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
        size_t name_len = strcspn(word, "=");
        char *value = word + name_len + (word[name_len] != '\0');
        const char *needed;

        word[name_len] = '\0';
        if (!sset_add(&names, word)) {
            error = xasprintf("%s is given twice", word);
            break;
        }
        needed = parse_setting(word, value, config);
        if (needed) {
            error = xasprintf("%s needs to be %s", word, needed);
        }
    }
    sset_destroy(&names);
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

/* True if all is known of 'instance' that there are marks on. */
static bool
is_known(const struct mbox_policy_config *config,
         const struct mbox_policy_instance *instance)
{
    for (size_t i = 0; i < MBOX_POLICY_N_MEASURES; i++) {
        if (config->marks[i].given && !instance->figures[i].known) {
            return false;
        }
    }
    return true;
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

/* If 'a' and 'b', which are known, would, together, not be above any low mark,
 * says so in 'why'. */
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
        } else if (x > low || y > low - x) {
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

/* Fills in 'd' if the class should be scaled out now. */
static void
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
        return;
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
}

/* Fills in 'd' if the class should be scaled in now. */
static void
judge_in(const struct mbox_policy_config *config,
         const struct mbox_policy_input *input,
         struct mbox_policy_decision *d)
{
    const struct mbox_policy_instance *goes = NULL;
    const struct mbox_policy_instance *gets = NULL;

    if (input->n_all <= config->min) {
        return;
    }
    for (size_t i = 0; i < input->n; i++) {
        const struct mbox_policy_instance *instance = &input->instances[i];

        if (!instance->stays && is_known(config, instance)
            && (!goes
                || get_load(config, instance) < get_load(config, goes))) {
            goes = instance;
        }
    }
    for (size_t i = 0; i < input->n; i++) {
        const struct mbox_policy_instance *instance = &input->instances[i];

        if (instance != goes && is_known(config, instance)
            && (!gets
                || get_load(config, instance) < get_load(config, gets))) {
            gets = instance;
        }
    }
    if (!goes || !gets
        || !are_below(config, goes, gets, d->why, sizeof d->why)) {
        return;
    }
    d->action = MBOX_POLICY_IN;
    d->instance = goes->name;
    d->peer = gets->name;
}

void
mbox_policy_init(struct mbox_policy *policy)
{
    *policy = (struct mbox_policy) { .pause_until = 0 };
}

/* How long the pause is now. */
static long long
get_pause_ms(const struct mbox_policy *policy,
             const struct mbox_policy_config *config)
{
    long long max_ms = MAX(config->pause_ms, MAX_PAUSE_MS);
    long long pause_ms = config->pause_ms;

    for (unsigned int i = 0; i < policy->n_failed && pause_ms < max_ms; i++) {
        pause_ms *= 2;
    }
    return MIN(pause_ms, max_ms);
}

void
mbox_policy_ended(struct mbox_policy *policy,
                  const struct mbox_policy_config *config, bool success,
                  long long now_ms)
{
    policy->n_failed = success ? 0 : policy->n_failed + 1;
    policy->pause_until = now_ms + get_pause_ms(policy, config);
}

void
mbox_policy_judge(struct mbox_policy *policy,
                  const struct mbox_policy_config *config,
                  const struct mbox_policy_input *input, long long now_ms,
                  struct mbox_policy_decision *d)
{
    struct mbox_policy_decision out = { .action = MBOX_POLICY_NOTHING };
    struct mbox_policy_decision in = { .action = MBOX_POLICY_NOTHING };

    *d = (struct mbox_policy_decision) { .action = MBOX_POLICY_NOTHING };
    if (input->busy) {
        policy->pause_until = now_ms + get_pause_ms(policy, config);
    }
    if (input->busy || now_ms < policy->pause_until) {
        policy->n_high = policy->n_low = 0;
        return;
    }

    judge_out(config, input, &out);
    if (out.action != MBOX_POLICY_OUT) {
        judge_in(config, input, &in);
    }
    policy->n_high = out.action ? policy->n_high + 1 : 0;
    policy->n_low = in.action ? policy->n_low + 1 : 0;
    if (policy->n_low >= config->intervals) {
        *d = in;
    } else if (policy->n_high >= config->intervals) {
        *d = out;
    }
    if (d->action == MBOX_POLICY_OUT || d->action == MBOX_POLICY_IN) {
        policy->n_high = policy->n_low = 0;
        policy->pause_until = now_ms + get_pause_ms(policy, config);
    }
}
