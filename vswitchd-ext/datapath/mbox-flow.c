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

#include "mbox-flow.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "hash.h"
#include "packets.h"
#include "unaligned.h"

static bool
proto_has_ports(uint8_t proto)
{
    return (proto == IPPROTO_TCP || proto == IPPROTO_UDP
            || proto == IPPROTO_SCTP);
}

static ovs_be32
v4_part(const uint8_t address[16])
{
    return get_unaligned_be32(ALIGNED_CAST(const ovs_be32 *, address + 12));
}

/* True if IPv4 addresses, written as ::ffff:a.b.c.d, can have the bits that
 * 'value' and 'mask' fix. */
static bool
may_be_v4(const uint8_t value[16], const uint8_t mask[16])
{
    static const uint8_t prefix[12] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
    };

    for (size_t i = 0; i < sizeof prefix; i++) {
        if ((value[i] ^ prefix[i]) & mask[i]) {
            return false;
        }
    }
    return true;
}

/* What struct flow has no field for goes into a register. */
static uint32_t
both_ports(const struct mbox_key *key)
{
    return (uint32_t) key->src_port << 16 | key->dst_port;
}

static void
set_vlan(uint16_t value, uint16_t mask, struct match *match)
{
    if (!mask) {
        return;
    } else if (value & ~VLAN_VID_MASK) {
        match_set_dl_tci(match, htons(0));
    } else {
        match_set_dl_tci_masked(match, htons(VLAN_CFI | value),
                                htons(VLAN_CFI | (mask & VLAN_VID_MASK)));
    }
}

/* Writes to '*match' one direction of a space for one family, or for all
 * packets if 'family' is 0.  Returns false if no packet is in it. */
static bool
space_to_match(const struct mbox_key *value, const struct mbox_key *mask,
               uint8_t family, bool ports, struct match *match)
{
    match_init_catchall(match);
    set_vlan(value->vlan, mask->vlan, match);
    if (family == 4) {
        if (!may_be_v4(value->src, mask->src)
            || !may_be_v4(value->dst, mask->dst)) {
            return false;
        }
        match_set_dl_type(match, htons(ETH_TYPE_IP));
        match_set_nw_src_masked(match, v4_part(value->src),
                                v4_part(mask->src));
        match_set_nw_dst_masked(match, v4_part(value->dst),
                                v4_part(mask->dst));
    } else if (family == 6) {
        struct in6_addr ip, ip_mask;

        match_set_dl_type(match, htons(ETH_TYPE_IPV6));
        memcpy(&ip, value->src, sizeof ip);
        memcpy(&ip_mask, mask->src, sizeof ip_mask);
        match_set_ipv6_src_masked(match, &ip, &ip_mask);
        memcpy(&ip, value->dst, sizeof ip);
        memcpy(&ip_mask, mask->dst, sizeof ip_mask);
        match_set_ipv6_dst_masked(match, &ip, &ip_mask);
    }
    if (mask->proto) {
        match_set_nw_proto(match, value->proto);
    }
    if (!ports) {
        match_set_reg_masked(match, 0, both_ports(value), both_ports(mask));
    } else {
        match_set_tp_src_masked(match, htons(value->src_port),
                                htons(mask->src_port));
        match_set_tp_dst_masked(match, htons(value->dst_port),
                                htons(mask->dst_port));
        match_set_nw_frag_masked(match, 0, FLOW_NW_FRAG_LATER);
    }
    return true;
}

size_t
mbox_space_to_matches(const struct mbox_space *space,
                      struct match matches[MBOX_SPACE_MAX_MATCHES])
{
    static const uint8_t zeros[16];
    const struct mbox_key *v = &space->value;
    const struct mbox_key *m = &space->mask;
    bool ports = mbox_space_has_ports(space);
    bool is_ip = (m->family || m->proto
                  || memcmp(m->src, zeros, sizeof zeros)
                  || memcmp(m->dst, zeros, sizeof zeros));

    if ((m->family && !v->family) || (ports && !m->proto)) {
        return 0;
    }
    if (!is_ip) {
        space_to_match(v, m, 0, false, &matches[0]);
        return 1;
    }

    /* If the family is not said, it is each that is possible. */
    struct mbox_key rv, rm;
    size_t n = 0;

    mbox_key_reverse(v, &rv);
    mbox_key_reverse(m, &rm);
    for (uint8_t family = 4; family <= 6; family += 2) {
        if (m->family && v->family != family) {
            continue;
        }
        n += space_to_match(v, m, family, ports, &matches[n]);
        if (!space->one_way
            && space_to_match(&rv, &rm, family, ports, &matches[n])
            && !(n && match_equal(&matches[n], &matches[n - 1]))) {
            n++;
        }
    }
    return n;
}

void
mbox_key_to_flow(const struct mbox_key *key, bool later_frag,
                 struct flow *flow)
{
    memset(flow, 0, sizeof *flow);
    if (key->vlan != MBOX_VLAN_NONE) {
        flow->vlans[0].tpid = htons(ETH_TYPE_VLAN);
        flow->vlans[0].tci = htons(VLAN_CFI | (key->vlan & VLAN_VID_MASK));
    }
    if (key->family == 4) {
        flow->dl_type = htons(ETH_TYPE_IP);
        flow->nw_src = v4_part(key->src);
        flow->nw_dst = v4_part(key->dst);
    } else if (key->family == 6) {
        flow->dl_type = htons(ETH_TYPE_IPV6);
        memcpy(&flow->ipv6_src, key->src, sizeof flow->ipv6_src);
        memcpy(&flow->ipv6_dst, key->dst, sizeof flow->ipv6_dst);
    } else {
        return;
    }
    flow->nw_proto = key->proto;
    if (later_frag) {
        flow->nw_frag = FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER;
    }
    if (proto_has_ports(key->proto)) {
        flow->tp_src = htons(key->src_port);
        flow->tp_dst = htons(key->dst_port);
    } else {
        flow->regs[0] = both_ports(key);
    }
}

bool
mbox_space_has_echo_id(const struct mbox_space *space)
{
    return (space->mask.proto && !proto_has_ports(space->value.proto)
            && both_ports(&space->mask));
}

bool
mbox_flow_hides_echo_id(const struct flow *flow, struct flow_wildcards *wc)
{
    bool v4 = flow->dl_type == htons(ETH_TYPE_IP);

    if (!v4 && flow->dl_type != htons(ETH_TYPE_IPV6)) {
        return false;
    }
    if (wc) {
        memset(&wc->masks.nw_proto, 0xff, sizeof wc->masks.nw_proto);
    }
    if (flow->nw_proto != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)
        || flow->nw_frag & FLOW_NW_FRAG_LATER) {
        return false;
    }
    if (wc) {
        memset(&wc->masks.tp_src, 0xff, sizeof wc->masks.tp_src);
    }

    uint16_t type = ntohs(flow->tp_src);
    return (v4 ? type == ICMP_ECHO || type == ICMP_ECHOREPLY
            : type == ICMP6_ECHO_REQUEST
              || type == ICMP6_ECHO_REPLY);
}

bool
mbox_flow_hides_key(const struct flow *flow)
{
    return (eth_type_vlan(flow->dl_type)
            || (flow->dl_type == htons(ETH_TYPE_IPV6)
                && flow->nw_frag & FLOW_NW_FRAG_LATER));
}

uint32_t
mbox_flow_hash_hosts(const struct flow *flow, struct flow_wildcards *wc)
{
    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        uint32_t src = ntohl(flow->nw_src);
        uint32_t dst = ntohl(flow->nw_dst);

        if (wc) {
            wc->masks.nw_src = wc->masks.nw_dst = OVS_BE32_MAX;
        }
        return hash_2words(MIN(src, dst), MAX(src, dst));
    } else if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        bool swap = memcmp(&flow->ipv6_src, &flow->ipv6_dst,
                           sizeof flow->ipv6_src) > 0;
        struct in6_addr pair[2] = {
            swap ? flow->ipv6_dst : flow->ipv6_src,
            swap ? flow->ipv6_src : flow->ipv6_dst,
        };

        if (wc) {
            wc->masks.ipv6_src = wc->masks.ipv6_dst = in6addr_exact;
        }
        return hash_bytes(pair, sizeof pair, 0);
    }
    return 0;
}
