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

#ifndef MBOX_TEST_ASSIGN_H
#define MBOX_TEST_ASSIGN_H 1

/* Classes, assignments and flow spaces for tests. */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#include "mbox-class.h"
#include "test-util.h"

static inline struct mbox_class_port
test_port(const char *instance, const char *dp_name, uint32_t no)
{
    struct mbox_class_port p;

    memset(&p, 0, sizeof p);
    ovs_strzcpy(p.instance, instance, sizeof p.instance);
    ovs_strzcpy(p.dp_name, dp_name, sizeof p.dp_name);
    p.odp_port = u32_to_odp(no);
    return p;
}

/* Random flow spaces and keys over few values, so that they often meet. */

static inline void
test_random_key(struct mbox_key *key)
{
    static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP,
                                      IPPROTO_ICMP, IPPROTO_ICMPV6, 47 };

    memset(key, 0, sizeof *key);
    key->vlan = test_random_range(2) ? MBOX_VLAN_NONE : test_random_range(4);
    key->family = test_random_range(8) ? (test_random_range(3) ? 4 : 6) : 0;
    if (!key->family) {
        return;
    }
    if (key->family == 4) {
        key->src[10] = key->src[11] = key->dst[10] = key->dst[11] = 0xff;
    } else {
        key->src[0] = key->dst[0] = 0x20;
    }
    key->src[12] = key->dst[12] = 10;
    key->src[15] = test_random_range(8);
    key->dst[15] = test_random_range(8);
    key->proto = protos[test_random_range(ARRAY_SIZE(protos))];
    if (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP
        || key->proto == IPPROTO_SCTP) {
        key->src_port = test_random_range(8);
        key->dst_port = test_random_range(8);
    } else if (key->proto == (key->family == 4 ? IPPROTO_ICMP
                              : IPPROTO_ICMPV6)) {
        key->src_port = key->dst_port = test_random_range(4);
    }
}

static inline void
test_random_space(struct mbox_space *space)
{
    struct mbox_key *v = &space->value;
    struct mbox_key *m = &space->mask;

    mbox_space_init_any(space);
    space->one_way = !test_random_range(3);
    do {
        test_random_key(v);
    } while (!v->family);
    if (test_random_range(5)) {
        m->family = 0xff;
        if (test_random_range(3)) {
            m->proto = 0xff;
        }
        if (test_random_range(2)) {
            memset(m->src, 0xff, 15);
            m->src[15] = 0xff << test_random_range(4);
        }
        if (!test_random_range(3)) {
            memset(m->dst, 0xff, 15);
            m->dst[15] = 0xff << test_random_range(4);
        }
        if (m->proto) {
            if (!test_random_range(3)) {
                m->src_port = 0xffff << test_random_range(3);
            }
            if (!test_random_range(3)) {
                m->dst_port = 0xffff << test_random_range(3);
            }
        }
    }
    if (!test_random_range(3)) {
        m->vlan = 0xffff;
    }

    uint8_t *value = (uint8_t *) v;
    const uint8_t *mask = (const uint8_t *) m;
    for (size_t i = 0; i < sizeof *v; i++) {
        value[i] &= mask[i];
    }
}

static inline bool
test_space_has_packet(const struct mbox_space *space,
                      const struct mbox_key *key, bool later_frag)
{
    return (mbox_space_contains(space, key)
            && !(later_frag && mbox_space_has_ports(space)));
}

/* Assigns 'space' to 'instance', with more precedence than what there is; what
 * it covers goes. */
static inline void
test_assign(const char *class, const struct mbox_space *space,
            const char *instance)
{
    struct mbox_assignment *old;
    size_t n_old = mbox_class_get_assignments(class, &old);
    struct mbox_assignment *new = xcalloc(n_old + 1, sizeof *new);
    size_t n = 1;

    new[0].space = *space;
    ovs_strzcpy(new[0].instance, instance, sizeof new[0].instance);
    for (size_t i = 0; i < n_old; i++) {
        if (!mbox_space_covers(space, &old[i].space)) {
            new[n++] = old[i];
        }
    }
    mbox_class_set_assignments(class, new, n);
    free(new);
    free(old);
}

#endif /* test-assign.h */
