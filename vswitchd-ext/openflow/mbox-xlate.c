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
#include "mbox-xlate.h"

#include <string.h>

#include "flow.h"
#include "mbox-class.h"
#include "mbox-odp.h"
#include "mbox-tag.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_xlate);

static void OVS_PRINTF_FORMAT(2, 3)
explain(struct ds *why, const char *format, ...)
{
    if (why) {
        va_list args;

        va_start(args, format);
        ds_put_format_valist(why, format, args);
        va_end(args);
    }
}

/* True if the tag is the first thing behind the MAC addresses.  An inner one
 * (behind a VLAN header) is not the switch's business. */
static bool
is_tagged(const struct flow *flow)
{
    return (flow->dl_type == htons(MBOX_TAG_ETHERTYPE)
            && !(flow->vlans[0].tci & htons(VLAN_CFI)));
}

/* Makes 'flow' what miniflow_extract() would make of its packet with a tag
 * inserted: everything behind the MAC addresses is opaque. */
static void
flow_push_tag(struct flow *flow)
{
    memset(flow->vlans, 0, sizeof flow->vlans);
    memset(flow->mpls_lse, 0, sizeof flow->mpls_lse);

    /* Clear all L3 and L4 fields, as flow_push_mpls() does. */
    BUILD_ASSERT(FLOW_WC_SEQ == 42);
    memset((char *) flow + FLOW_SEGMENT_2_ENDS_AT, 0,
           sizeof *flow - FLOW_SEGMENT_2_ENDS_AT);

    flow->dl_type = htons(MBOX_TAG_ETHERTYPE);
}

static enum mbox_xlate_next
xlate_steer(const struct ofpact_mbox *mbox, const struct mbox_xlate *x)
{
    char instance[MBOX_NAME_MAX + 1] = "";
    struct ovs_action_mbox action;

    memset(&action, 0, sizeof action);
    switch (mbox_class_translate(mbox->class_name, x->dp_name, x->flow, x->wc,
                                 &action, instance)) {
    case MBOX_CLASS_STEER:
        mbox_odp_put(x->odp_actions, &action);
        explain(x->why, "steered to instance %s of class %s, datapath port "
                "%"PRIu32, instance, mbox->class_name, action.port);
        return MBOX_XLATE_STOP;

    case MBOX_CLASS_BYPASS:
        explain(x->why, "class %s has no live instance here: passed by",
                mbox->class_name);
        return MBOX_XLATE_CONTINUE;

    case MBOX_CLASS_DROP:
    default:
        if (action.type) {
            mbox_odp_put(x->odp_actions, &action);
        }
        explain(x->why, "class %s has no live instance here: dropped",
                mbox->class_name);
        return MBOX_XLATE_STOP;
    }
}

static enum mbox_xlate_next
xlate_untag(const struct mbox_xlate *x)
{
    /* The datapath flow matches on 'dl_type' anyhow, and so tells whether
     * there is a VLAN header in front of the tag. */
    if (!is_tagged(x->flow)) {
        explain(x->why, "packet is not tagged: nothing to do");
        return MBOX_XLATE_CONTINUE;
    }

    struct ovs_action_mbox action = { .type = MBOX_ODP_UNTAG };
    mbox_odp_put(x->odp_actions, &action);
    return MBOX_XLATE_REPARSE;
}

enum mbox_xlate_next
mbox_xlate(const struct ofpact_mbox *mbox, const struct mbox_xlate *x)
{
    struct ovs_action_mbox action;

    /* Flows with it are refused, so it is the controller's packet-out, or the
     * datapath lost the ability. */
    if (!x->supported
        && mbox_ofpacts_find_datapath(&mbox->ofpact, mbox->ofpact.len)) {
        explain(x->why, "datapath does not support this action: dropped");
        return MBOX_XLATE_STOP;
    }

    if (x->flow->packet_type != htonl(PT_ETH)) {
        explain(x->why, "packet is not Ethernet: %s",
                mbox->subtype == MBOX_OFP_STEER ? "dropped" : "nothing to do");
        return (mbox->subtype == MBOX_OFP_STEER
                ? MBOX_XLATE_STOP : MBOX_XLATE_CONTINUE);
    }

    memset(&action, 0, sizeof action);
    action.id = mbox->id;
    switch ((enum mbox_ofp_subtype) mbox->subtype) {
    case MBOX_OFP_STEER:
        return xlate_steer(mbox, x);

    case MBOX_OFP_DUP:
        if (mbox->arg == MBOX_DUP_CONTROLLER) {
            return MBOX_XLATE_CONTROLLER;
        }
        action.type = MBOX_ODP_DUP;
        break;

    case MBOX_OFP_TAG:
        action.type = MBOX_ODP_TAG;
        action.kind = mbox->arg;
        action.arg = mbox->seq;
        flow_push_tag(x->flow);
        flow_push_tag(x->base_flow);
        break;

    case MBOX_OFP_UNTAG:
        return xlate_untag(x);

    case MBOX_OFP_TRACER:
        if (x->port == ODPP_NONE) {
            explain(x->why, "no such port: nothing to do");
            return MBOX_XLATE_CONTINUE;
        }
        action.type = MBOX_ODP_TRACER;
        action.port = odp_to_u32(x->port);
        action.arg = mbox->seq;
        break;

    default:
        OVS_NOT_REACHED();
    }
    mbox_odp_put(x->odp_actions, &action);
    return MBOX_XLATE_CONTINUE;
}

const char *
mbox_xlate_ingress(const struct flow *flow, const char *dp_name,
                   odp_port_t port, struct ofpbuf *odp_actions)
{
    struct ovs_action_mbox action;
    const char *what;
    bool any;

    /* With VLAN headers in front too: the flow tables could remove them.  If
     * there are more of them than Open vSwitch looks behind, the datapath
     * looks at each packet. */
    memset(&action, 0, sizeof action);
    if (eth_type_vlan(flow->dl_type)) {
        mbox_class_is_mbox_port(dp_name, port, &any);
        if (any) {
            action.type = MBOX_ODP_SCREEN;
            mbox_odp_put(odp_actions, &action);
        }
        return NULL;
    } else if (flow->dl_type != htons(MBOX_TAG_ETHERTYPE)) {
        return NULL;
    }

    if (mbox_class_is_mbox_port(dp_name, port, &any)) {
        action.type = MBOX_ODP_INGRESS;
        action.port = odp_to_u32(port);
        what = "tagged packet from a middlebox: to the coordinator";
    } else if (any) {
        action.type = MBOX_ODP_FORGED;
        what = "tagged packet from a port that is no middlebox's: "
               "dropped as forged";
    } else {
        return NULL;
    }
    mbox_odp_put(odp_actions, &action);
    return what;
}

enum ofperr
mbox_xlate_check(const char *bridge, bool supported,
                 const struct ofpact ofpacts[], size_t ofpacts_len)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    const struct ofpact_mbox *mbox
        = mbox_ofpacts_find_datapath(ofpacts, ofpacts_len);

    if (supported || !mbox) {
        return 0;
    }
    VLOG_WARN_RL(&rl, "%s: rejecting %s action because only the userspace "
                 "datapath supports it", bridge, mbox_ofpact_name(mbox));
    return OFPERR_OFPBAC_BAD_TYPE;
}

void
mbox_userdata_init(struct mbox_userdata *userdata,
                   const struct ofpact_mbox *mbox)
{
    *userdata = (struct mbox_userdata) {
        .magic = { 'm', 'b', 'o', 'x' },
        .version = MBOX_USERDATA_VERSION,
        .reason = MBOX_USERDATA_DUP,
        .id = htonl(mbox->id),
    };
}
