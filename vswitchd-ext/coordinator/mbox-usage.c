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
#include "mbox-usage.h"

#include <inttypes.h>

#include "mbox-msg.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_usage);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

void
mbox_usage_init(struct mbox_usage *usage, long long now_ms)
{
    *usage = (struct mbox_usage) {
        .tenants = SHASH_INITIALIZER(&usage->tenants),
        .accounted_ms = now_ms,
        .read_ms = now_ms,
        .write_ms = now_ms + MBOX_USAGE_WRITE_MS,
    };
}

void
mbox_usage_destroy(struct mbox_usage *usage)
{
    shash_destroy_free_data(&usage->tenants);
}

struct mbox_account *
mbox_usage_get(struct mbox_usage *usage, const char *tenant)
{
    struct mbox_account *account = shash_find_data(&usage->tenants, tenant);

    if (!account) {
        account = xzalloc(sizeof *account);
        shash_add(&usage->tenants, tenant, account);
    }
    return account;
}

void
mbox_usage_add(uint64_t *figure, uint64_t n)
{
    *figure = n > INT64_MAX - *figure ? INT64_MAX : *figure + n;
}

char *
mbox_usage_format(const struct mbox_usage *usage)
{
    const struct shash_node **nodes = shash_sort(&usage->tenants);
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < shash_count(&usage->tenants); i++) {
        const struct mbox_account *account = nodes[i]->data;

        ds_put_format(&ds, "%s%s=%"PRIu64"/%"PRIu64"/%"PRIu64"/%"PRIu64
                      "/%"PRIu64, i ? " " : "", nodes[i]->name,
                      account->instance_ms, account->packets, account->bytes,
                      account->flows_moved, account->state_bytes);
    }
    free(nodes);
    return ds_steal_cstr(&ds);
}

/* Parses decimal numbers with '/' between them, as many as 'figures' has.
 * Neither signs nor what overflows is taken. */
static bool
parse_figures(char *s, long long figures[], size_t n)
{
    if (s[strspn(s, "0123456789/")]) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char *end = s + strcspn(s, "/");

        if ((*end == '\0') != (i == n - 1)) {
            return false;
        }
        *end = '\0';
        if (!str_to_llong(s, 10, &figures[i])) {
            return false;
        }
        s = end + 1;
    }
    return true;
}

static bool
parse_account(char *word, struct mbox_usage *usage)
{
    char *equals = strchr(word, '=');
    struct mbox_account *account;
    long long figures[5];

    if (!equals) {
        return false;
    }
    *equals = '\0';
    if (!mbox_name_is_valid(word)
        || !parse_figures(equals + 1, figures, ARRAY_SIZE(figures))) {
        return false;
    }
    account = mbox_usage_get(usage, word);
    mbox_usage_add(&account->instance_ms, figures[0]);
    mbox_usage_add(&account->packets, figures[1]);
    mbox_usage_add(&account->bytes, figures[2]);
    mbox_usage_add(&account->flows_moved, figures[3]);
    mbox_usage_add(&account->state_bytes, figures[4]);
    return true;
}

void
mbox_usage_parse(struct mbox_usage *usage, const char *s)
{
    char *copy = xstrdup(s);
    char *save_ptr = NULL;

    for (char *word = strtok_r(copy, " ", &save_ptr); word;
         word = strtok_r(NULL, " ", &save_ptr)) {
        if (!parse_account(word, usage)) {
            VLOG_WARN_RL(&rl, "external_ids:"MBOX_USAGE_KEY": the account of "
                         "\"%s\" makes no sense", word);
        }
    }
    free(copy);
}
