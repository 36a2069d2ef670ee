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
#include "ids-rules.h"

#include <string.h>

static bool
prefix_contains(const struct ids_prefix *prefix, const uint8_t addr[16])
{
    size_t n_bytes = prefix->len / 8;
    unsigned int n_bits = prefix->len % 8;

    return !memcmp(prefix->addr, addr, n_bytes)
           && (!n_bits || !((prefix->addr[n_bytes] ^ addr[n_bytes])
                            >> (8 - n_bits)));
}

/* Whether something is in a set: in one of the elements, if there are any but
 * negated ones, and in none of the negated ones. */
struct membership {
    bool some;                  /* An element is not negated. */
    bool in;
    bool out;
};

static void
add_element(struct membership *m, bool match, bool negated)
{
    if (negated) {
        m->out |= match;
    } else {
        m->some = true;
        m->in |= match;
    }
}

static bool
is_member(const struct membership *m)
{
    return !m->out && (m->in || !m->some);
}

static bool
addr_set_contains(const struct ids_addr_set *set, const uint8_t addr[16])
{
    struct membership m = { false, false, false };

    for (size_t i = 0; i < set->n; i++) {
        const struct ids_prefix *prefix = &set->prefixes[i];

        add_element(&m, prefix_contains(prefix, addr), prefix->negated);
    }
    return is_member(&m);
}

static bool
port_set_contains(const struct ids_port_set *set, uint16_t port)
{
    struct membership m = { false, false, false };

    for (size_t i = 0; i < set->n; i++) {
        const struct ids_port_range *r = &set->ranges[i];

        add_element(&m, port >= r->first && port <= r->last, r->negated);
    }
    return is_member(&m);
}

static bool
header_matches(const struct ids_rule *rule, const struct mbox_key *key)
{
    return addr_set_contains(&rule->src, key->src)
           && addr_set_contains(&rule->dst, key->dst)
           && port_set_contains(&rule->src_ports, key->src_port)
           && port_set_contains(&rule->dst_ports, key->dst_port);
}

bool
ids_rule_applies(const struct ids_rule *rule, const struct mbox_key *key,
                 enum ids_dir dir)
{
    struct mbox_key reverse;

    if ((rule->proto && rule->proto != key->proto)
        || !(dir == IDS_TO_SERVER ? rule->to_server : rule->to_client)) {
        return false;
    } else if (header_matches(rule, key)) {
        return true;
    } else if (!rule->both_ways) {
        return false;
    }
    mbox_key_reverse(key, &reverse);
    return header_matches(rule, &reverse);
}
