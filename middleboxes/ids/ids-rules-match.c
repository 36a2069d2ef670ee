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

static bool
addr_set_contains(const struct ids_addr_set *set, const uint8_t addr[16])
{
    bool some = false;
    bool in = false;

    for (size_t i = 0; i < set->n; i++) {
        bool match = prefix_contains(&set->prefixes[i], addr);

        if (set->prefixes[i].negated) {
            if (match) {
                return false;
            }
        } else {
            some = true;
            in |= match;
        }
    }
    return in || !some;
}

static bool
port_set_contains(const struct ids_port_set *set, uint16_t port)
{
    bool some = false;
    bool in = false;

    for (size_t i = 0; i < set->n; i++) {
        const struct ids_port_range *r = &set->ranges[i];
        bool match = port >= r->first && port <= r->last;

        if (r->negated) {
            if (match) {
                return false;
            }
        } else {
            some = true;
            in |= match;
        }
    }
    return in || !some;
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
