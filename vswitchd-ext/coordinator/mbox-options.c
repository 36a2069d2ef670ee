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
#include "mbox-options.h"

#include <float.h>

#include "util.h"

static const struct {
    const char *name;
    enum mbox_option option;
    const char *values;         /* NULL if it has no value. */
} option_types[] = {
    { "format", MBOX_OPTION_FORMAT, "text or json" },
    { "async", MBOX_OPTION_ASYNC, NULL },
    { "guarantee", MBOX_OPTION_GUARANTEE,
      "none, loss-free or order-preserving" },
    { "method", MBOX_OPTION_METHOD, "hold or events" },
    { "scope", MBOX_OPTION_SCOPE,
      "a list, separated by commas, of per-flow, multi-flow, all-flows and "
      "config" },
    { "no-precopy", MBOX_OPTION_NO_PRECOPY, NULL },
    { "no-early-release", MBOX_OPTION_NO_EARLY_RELEASE, NULL },
    { "via", MBOX_OPTION_VIA, "port or channel" },
    { "last", MBOX_OPTION_LAST, "tracer or duplicate" },
    { "timeout", MBOX_OPTION_TIMEOUT,
      "a number of seconds, more than 0 and at most 86400" },
    { "one-way", MBOX_OPTION_ONE_WAY, NULL },
    { "all", MBOX_OPTION_ALL, NULL },
    { "from", MBOX_OPTION_FROM, "an instance" },
    { "to", MBOX_OPTION_TO, "an instance" },
    { "name", MBOX_OPTION_NAME, "a name for an instance" },
    { "share", MBOX_OPTION_SHARE,
      "N/M, the N-th of M shares, where M is 2, 4, 8, ... or 128" },
    { "every", MBOX_OPTION_EVERY,
      "a number of milliseconds, from 1 to 3600000" },
    { "layout", MBOX_OPTION_LAYOUT, NULL },
    { "output", MBOX_OPTION_OUTPUT, "an output function" },
};

/* Sets '*b' if 'value' is 'yes', clears it if it is 'no'; otherwise returns
 * false. */
static bool
parse_choice(const char *value, const char *no, const char *yes, bool *b)
{
    *b = !strcmp(value, yes);
    return *b || !strcmp(value, no);
}

static bool
parse_scopes(const char *value, uint32_t *scopes)
{
    char *copy = xstrdup(value);
    char *save_ptr = NULL;
    bool ok = true;

    *scopes = 0;
    for (char *s = strtok_r(copy, ",", &save_ptr); s && ok;
         s = strtok_r(NULL, ",", &save_ptr)) {
        enum mbox_scope scope;

        ok = mbox_scope_from_string(s, &scope);
        if (ok) {
            *scopes |= scope;
        }
    }
    free(copy);
    return ok && *scopes;
}

static bool
parse_share(const char *value, unsigned int *share, unsigned int *of)
{
    int n = 0;

    return (ovs_scan(value, "%u/%u%n", share, of, &n) && !value[n]
            && *of >= 2 && *of <= 128 && is_pow2(*of)
            && *share >= 1 && *share <= *of);
}

static bool
parse_value(struct mbox_options *options, enum mbox_option option,
            const char *value)
{
    double seconds;
    bool b;

    switch ((uint32_t) option) {
    case MBOX_OPTION_FORMAT:
        return parse_choice(value, "text", "json", &options->json);

    case MBOX_OPTION_GUARANTEE:
        return mbox_guarantee_from_string(value, &options->guarantee);

    case MBOX_OPTION_METHOD:
        return (mbox_method_from_string(value, &options->method)
                && options->method != MBOX_METHOD_COPY);

    case MBOX_OPTION_SCOPE:
        return parse_scopes(value, &options->scopes);

    case MBOX_OPTION_VIA:
        return parse_choice(value, "port", "channel", &options->via_channel);

    case MBOX_OPTION_LAST:
        if (!parse_choice(value, "tracer", "duplicate", &b)) {
            return false;
        }
        options->last_packet = (b ? MBOX_LAST_BY_DUPLICATE
                                : MBOX_LAST_BY_TRACER);
        return true;

    case MBOX_OPTION_TIMEOUT:
        if (!str_to_double(value, &seconds) || !(seconds > 0)
            || seconds > 86400) {
            return false;
        }
        options->timeout_ms = MAX(1, (long long) (seconds * 1000));
        return true;

    case MBOX_OPTION_EVERY:
        return (str_to_uint(value, 10, &options->every_ms)
                && options->every_ms >= 1 && options->every_ms <= 3600000);

    case MBOX_OPTION_FROM:
        options->from = value;
        return value[0];

    case MBOX_OPTION_TO:
        options->to = value;
        return value[0];

    case MBOX_OPTION_NAME:
        options->name = value;
        return value[0];

    case MBOX_OPTION_OUTPUT:
        options->output = value;
        return mbox_name_is_valid(value);

    case MBOX_OPTION_SHARE:
        return parse_share(value, &options->share, &options->share_of);

    default:
        OVS_NOT_REACHED();
    }
}

static char *
parse_option(struct mbox_options *options, const char *command,
             uint32_t allowed, const char *arg)
{
    const char *equals = strchr(arg, '=');
    size_t name_len = equals ? equals - arg : strlen(arg);

    for (size_t i = 0; i < ARRAY_SIZE(option_types); i++) {
        const char *name = option_types[i].name;
        enum mbox_option option = option_types[i].option;
        const char *values = option_types[i].values;

        if (strlen(name) + 2 != name_len
            || strncmp(name, arg + 2, name_len - 2)
            || !(allowed & option)) {
            continue;
        }
        if (!values && equals) {
            return xasprintf("option --%s takes no value", name);
        } else if (values && (!equals
                              || !parse_value(options, option, equals + 1))) {
            return xasprintf("option --%s needs %s, as in --%s=VALUE",
                             name, values, name);
        }
        options->given |= option;
        return NULL;
    }
    return xasprintf("%s has no option %.*s", command, (int) name_len, arg);
}

char *
mbox_options_parse(const struct svec *argv, uint32_t allowed,
                   size_t min_args, size_t max_args,
                   struct mbox_options *options)
{
    *options = (struct mbox_options) {
        .args = SVEC_EMPTY_INITIALIZER,
        .guarantee = MBOX_GUARANTEE_ORDER_PRESERVING,
        .method = MBOX_METHOD_HOLD,
        .last_packet = MBOX_LAST_BY_TRACER,
        .timeout_ms = MBOX_DEFAULT_TIMEOUT_MS,
    };

    for (size_t i = 1; i < argv->n; i++) {
        const char *arg = argv->names[i];

        if (!strncmp(arg, "--", 2)) {
            char *error = parse_option(options, argv->names[0], allowed, arg);

            if (error) {
                return error;
            }
        } else {
            svec_add(&options->args, arg);
        }
    }
    if (options->args.n < min_args || options->args.n > max_args) {
        return (min_args == max_args
                ? xasprintf("%s needs %"PRIuSIZE" arguments besides options, "
                            "but has %"PRIuSIZE, argv->names[0], min_args,
                            options->args.n)
                : xasprintf("%s needs %"PRIuSIZE" to %"PRIuSIZE" arguments "
                            "besides options, but has %"PRIuSIZE,
                            argv->names[0], min_args, max_args,
                            options->args.n));
    }
    return NULL;
}

void
mbox_options_destroy(struct mbox_options *options)
{
    svec_destroy(&options->args);
}
