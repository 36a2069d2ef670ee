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
#include "mbox-match.h"

#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-util.h"
#include "packets.h"
#include "util.h"

static bool
field_is_allowed(enum mf_field_id id)
{
    static const enum mf_field_id allowed[] = {
        MFF_ETH_TYPE, MFF_VLAN_TCI, MFF_DL_VLAN, MFF_VLAN_VID,
        MFF_IPV4_SRC, MFF_IPV4_DST, MFF_IPV6_SRC, MFF_IPV6_DST, MFF_IP_PROTO,
        MFF_TCP_SRC, MFF_TCP_DST, MFF_UDP_SRC, MFF_UDP_DST,
        MFF_SCTP_SRC, MFF_SCTP_DST,
    };

    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
        if (allowed[i] == id) {
            return true;
        }
    }
    return false;
}

/* What a flow space has and an OpenFlow match has not. */
struct extras {
    bool one_way;
    bool non_ip;
    uint16_t icmp_id, icmp_id_mask; /* Identifier of echo messages. */
};

/* Parses VALUE[/MASK] as 16-bit numbers. */
static char *
parse_u16_masked(const char *name, char *s, uint16_t *value, uint16_t *mask)
{
    char *save_ptr = NULL;
    char *value_s = strtok_r(s, "/", &save_ptr);
    char *mask_s = value_s ? strtok_r(NULL, "/", &save_ptr) : NULL;
    unsigned int v, m = 0xffff;

    if (!value_s || !str_to_uint(value_s, 0, &v) || v > UINT16_MAX
        || (mask_s && (!str_to_uint(mask_s, 0, &m) || m > UINT16_MAX))) {
        return xasprintf("%s: expected a 16-bit number, or two as in "
                         "VALUE/MASK", name);
    }
    *mask = m;
    *value = v & m;
    return NULL;
}

/* Parses the text into an OpenFlow match.  Modifies 's'. */
static char *
parse_match(char *s, struct match *match, struct extras *extras)
{
    char *name, *value;

    match_init_catchall(match);
    memset(extras, 0, sizeof *extras);
    while (ofputil_parse_key_value(&s, &name, &value)) {
        const struct ofp_protocol *p;
        const struct mf_field *mf;
        enum ofputil_protocol usable;
        char *error;

        if (!strcmp(name, "any")) {
            continue;
        } else if (!strcmp(name, "one_way")) {
            extras->one_way = true;
            continue;
        } else if (!strcmp(name, "non_ip")) {
            extras->non_ip = true;
            continue;
        } else if (!strcmp(name, "icmp_id")) {
            error = parse_u16_masked(name, value, &extras->icmp_id,
                                     &extras->icmp_id_mask);
            if (error) {
                return error;
            }
            continue;
        } else if (ofp_parse_protocol(name, &p)) {
            match_set_dl_type(match, htons(p->dl_type));
            if (p->nw_proto) {
                match_set_nw_proto(match, p->nw_proto);
            }
            match_set_default_packet_type(match);
            continue;
        }

        mf = mf_from_name(name);
        if (!mf) {
            return xasprintf("unknown keyword %s", name);
        } else if (!field_is_allowed(mf->id)) {
            return xasprintf("%s cannot be part of a flow space (use IP "
                             "addresses, IP protocol, TCP, UDP or SCTP ports "
                             "and VLAN)", name);
        }
        error = ofp_parse_field(mf, value, NULL, match, &usable);
        if (error) {
            return error;
        }
    }
    return NULL;
}

static void
set_ipv4(ovs_be32 addr, ovs_be32 mask, uint8_t value_out[16],
         uint8_t mask_out[16])
{
    if (mask) {
        memset(mask_out, 0xff, 12);
        memcpy(mask_out + 12, &mask, 4);
        value_out[10] = value_out[11] = 0xff;
        addr &= mask;
        memcpy(value_out + 12, &addr, 4);
    }
}

static void
set_ipv6(const struct in6_addr *addr, const struct in6_addr *mask,
         uint8_t value_out[16], uint8_t mask_out[16])
{
    for (int i = 0; i < 16; i++) {
        mask_out[i] = mask->s6_addr[i];
        value_out[i] = addr->s6_addr[i] & mask->s6_addr[i];
    }
}

static char *
set_vlan(const struct match *match, struct mbox_space *space)
{
    uint16_t mask = ntohs(match->wc.masks.vlans[0].tci);
    uint16_t tci = ntohs(match->flow.vlans[0].tci);

    if (!mask) {
        return NULL;
    } else if (mask & VLAN_CFI && !(tci & VLAN_CFI)) {
        space->value.vlan = MBOX_VLAN_NONE;
        space->mask.vlan = 0xffff;
    } else if (mask & VLAN_CFI && !(mask & VLAN_PCP_MASK)) {
        /* The high bits tell VIDs from MBOX_VLAN_NONE. */
        space->value.vlan = tci & mask & VLAN_VID_MASK;
        space->mask.vlan = 0xf000 | (mask & VLAN_VID_MASK);
    } else {
        return xstrdup("a flow space cannot match VLAN priority");
    }
    return NULL;
}

/* Sets addresses, protocol and ports. */
static char *
set_ip(const struct match *match, const struct extras *extras,
       struct mbox_space *space)
{
    const struct flow *flow = &match->flow;
    const struct flow *mask = &match->wc.masks;
    struct mbox_key *value = &space->value;

    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        value->family = 4;
        set_ipv4(flow->nw_src, mask->nw_src, value->src, space->mask.src);
        set_ipv4(flow->nw_dst, mask->nw_dst, value->dst, space->mask.dst);
    } else if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        value->family = 6;
        set_ipv6(&flow->ipv6_src, &mask->ipv6_src, value->src,
                 space->mask.src);
        set_ipv6(&flow->ipv6_dst, &mask->ipv6_dst, value->dst,
                 space->mask.dst);
    } else {
        return xasprintf("Ethertype 0x%04"PRIx16" cannot be part of a flow "
                         "space, which has IPv4 or IPv6 packets",
                         ntohs(flow->dl_type));
    }
    space->mask.family = 0xff;
    if (mask->nw_proto) {
        value->proto = flow->nw_proto;
        space->mask.proto = 0xff;
    }

    if (extras->icmp_id_mask) {
        if (value->proto != (value->family == 4 ? IPPROTO_ICMP
                             : IPPROTO_ICMPV6)) {
            return xstrdup("icmp_id needs icmp or icmp6");
        }
        value->src_port = value->dst_port = extras->icmp_id;
        space->mask.src_port = space->mask.dst_port = extras->icmp_id_mask;
    } else if (mask->tp_src || mask->tp_dst) {
        if (value->proto != IPPROTO_TCP && value->proto != IPPROTO_UDP
            && value->proto != IPPROTO_SCTP) {
            return xstrdup("ports need tcp, udp or sctp (or their IPv6 "
                           "forms tcp6, udp6, sctp6)");
        }
        value->src_port = ntohs(flow->tp_src & mask->tp_src);
        space->mask.src_port = ntohs(mask->tp_src);
        value->dst_port = ntohs(flow->tp_dst & mask->tp_dst);
        space->mask.dst_port = ntohs(mask->tp_dst);
    }
    return NULL;
}

char *
mbox_match_parse(const char *s_, struct mbox_space *space)
{
    struct extras extras;
    struct match match;

    char *s = xstrdup(s_);
    char *error = parse_match(s, &match, &extras);
    free(s);
    if (error) {
        return error;
    }

    mbox_space_init_any(space);
    space->one_way = extras.one_way;
    error = set_vlan(&match, space);
    if (error) {
        return error;
    }
    if (match.wc.masks.dl_type) {
        return (extras.non_ip
                ? xstrdup("non_ip excludes every other IP field")
                : set_ip(&match, &extras, space));
    } else if (extras.icmp_id_mask) {
        return xstrdup("icmp_id needs icmp or icmp6");
    } else if (extras.non_ip) {
        space->mask.family = 0xff;
    }
    return NULL;
}
