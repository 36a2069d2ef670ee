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

#include "mbox.h"

#include <string.h>

#include "mbox-space.h"

bool
mbox_space_match(const struct mbox_space *space, const struct mbox_key *key)
{
    return mbox_space_contains(space, key);
}

static bool
address_matches(const uint8_t value[16], const uint8_t mask[16],
                const uint8_t addr[16])
{
    for (int i = 0; i < 16; i++) {
        if ((addr[i] & mask[i]) != value[i]) {
            return false;
        }
    }
    return true;
}

/* True if every address of the family matches 'mask'.  The first 12 bytes of
 * an IPv4 address are constant. */
static bool
address_is_any(const uint8_t mask[16], uint8_t family)
{
    for (int i = family == 4 ? 12 : 0; i < 16; i++) {
        if (mask[i]) {
            return false;
        }
    }
    return true;
}

enum mbox_match
mbox_space_match_host(const struct mbox_space *space, uint8_t family,
                      const uint8_t addr[16])
{
    const struct mbox_key *value = &space->value;
    const struct mbox_key *mask = &space->mask;

    if (mask->family && value->family != family) {
        return MBOX_MATCH_NONE;
    }

    bool src = address_matches(value->src, mask->src, addr);
    bool dst = address_matches(value->dst, mask->dst, addr);
    if (!src && !dst) {
        return MBOX_MATCH_NONE;
    }
    if (mask->proto || mask->src_port || mask->dst_port || mask->vlan) {
        return MBOX_MATCH_SOME;
    }

    bool any_src = address_is_any(mask->src, family);
    bool any_dst = address_is_any(mask->dst, family);
    bool all = (space->one_way
                ? any_src && any_dst
                : (src && any_dst) || (dst && any_src));
    return all ? MBOX_MATCH_ALL : MBOX_MATCH_SOME;
}
