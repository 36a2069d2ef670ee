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
#include "mbox-odp.h"

#include <errno.h>
#include <string.h>

#include "mbox-tag.h"
#include "netlink.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

void
mbox_odp_put(struct ofpbuf *odp_actions, const struct ovs_action_mbox *action)
{
    nl_msg_put_unspec(odp_actions, OVS_ACTION_ATTR_MBOX,
                      action, sizeof *action);
}

void
mbox_odp_format(struct ds *ds, const struct nlattr *attr,
                const struct hmap *portno_names)
{
    const struct ovs_action_mbox *action = nl_attr_get(attr);
    odp_port_t port = u32_to_odp(action->port);

    ds_put_cstr(ds, "mbox(");
    switch ((enum mbox_odp_type) action->type) {
    case MBOX_ODP_STEER:
        ds_put_format(ds, "steer(class=%"PRIu32",port=", action->id);
        odp_portno_name_format(portno_names, port, ds);
        ds_put_format(ds, ",gen=%"PRIu32")", action->arg);
        break;

    case MBOX_ODP_DUP:
        ds_put_format(ds, "dup(id=%"PRIu32")", action->id);
        break;

    case MBOX_ODP_TAG: {
        const char *kind = mbox_tag_kind_to_string(action->kind);

        ds_put_format(ds, "tag(%s,id=%"PRIu32",seq=%"PRIu32")",
                      kind ? kind : "unknown", action->id, action->arg);
        break;
    }

    case MBOX_ODP_UNTAG:
        ds_put_cstr(ds, "untag");
        break;

    case MBOX_ODP_TRACER:
        ds_put_cstr(ds, "tracer(port=");
        odp_portno_name_format(portno_names, port, ds);
        ds_put_format(ds, ",id=%"PRIu32",seq=%"PRIu32")",
                      action->id, action->arg);
        break;

    case MBOX_ODP_INGRESS:
        ds_put_cstr(ds, "ingress(port=");
        odp_portno_name_format(portno_names, port, ds);
        ds_put_char(ds, ')');
        break;

    case MBOX_ODP_SCREEN:
        ds_put_cstr(ds, "screen");
        break;

    case MBOX_ODP_FORGED:
        ds_put_cstr(ds, "forged");
        break;

    default:
        ds_put_format(ds, "unknown(%"PRIu8")", action->type);
        break;
    }
    ds_put_char(ds, ')');
}

/* If '*s' begins with 'literal' advances it and returns true. */
static bool
skip_literal(const char **s, const char *literal)
{
    size_t len = strlen(literal);

    if (strncmp(*s, literal, len)) {
        return false;
    }
    *s += len;
    return true;
}

/* Parses 'name' and a number after it. */
static bool
scan_number(const char **s, const char *name, uint32_t *value)
{
    int n;

    if (!skip_literal(s, name) || !ovs_scan(*s, "%"SCNi32"%n", value, &n)) {
        return false;
    }
    *s += n;
    return true;
}

static bool
scan_tag_kind(const char **s, uint8_t *kindp)
{
    enum mbox_tag_kind kind;
    char name[32];
    int n;

    if (!ovs_scan(*s, "%31[a-z_]%n", name, &n)
        || !mbox_tag_kind_from_string(name, &kind)) {
        return false;
    }
    *kindp = kind;
    *s += n;
    return true;
}

/* Parses what is inside the parentheses. */
static bool
scan_action(const char **s, struct ovs_action_mbox *action)
{
    if (skip_literal(s, "steer(")) {
        action->type = MBOX_ODP_STEER;
        return (scan_number(s, "class=", &action->id)
                && scan_number(s, ",port=", &action->port)
                && scan_number(s, ",gen=", &action->arg)
                && skip_literal(s, ")"));
    } else if (skip_literal(s, "dup(")) {
        action->type = MBOX_ODP_DUP;
        return (scan_number(s, "id=", &action->id)
                && skip_literal(s, ")"));
    } else if (skip_literal(s, "tag(")) {
        action->type = MBOX_ODP_TAG;
        return (scan_tag_kind(s, &action->kind)
                && scan_number(s, ",id=", &action->id)
                && scan_number(s, ",seq=", &action->arg)
                && skip_literal(s, ")"));
    } else if (skip_literal(s, "untag")) {
        action->type = MBOX_ODP_UNTAG;
        return true;
    } else if (skip_literal(s, "tracer(")) {
        action->type = MBOX_ODP_TRACER;
        return (scan_number(s, "port=", &action->port)
                && scan_number(s, ",id=", &action->id)
                && scan_number(s, ",seq=", &action->arg)
                && skip_literal(s, ")"));
    } else if (skip_literal(s, "ingress(")) {
        action->type = MBOX_ODP_INGRESS;
        return (scan_number(s, "port=", &action->port)
                && skip_literal(s, ")"));
    } else if (skip_literal(s, "screen")) {
        action->type = MBOX_ODP_SCREEN;
        return true;
    } else if (skip_literal(s, "forged")) {
        action->type = MBOX_ODP_FORGED;
        return true;
    } else {
        return false;
    }
}

int
mbox_odp_parse(const char *s, struct ofpbuf *odp_actions)
{
    struct ovs_action_mbox action;
    const char *p = s;

    memset(&action, 0, sizeof action);
    if (!skip_literal(&p, "mbox(") || !scan_action(&p, &action)
        || !skip_literal(&p, ")")) {
        return -EINVAL;
    }
    mbox_odp_put(odp_actions, &action);
    return p - s;
}

bool
mbox_odp_is_output(const struct nlattr *attr)
{
    const struct ovs_action_mbox *action = nl_attr_get(attr);

    return action->type == MBOX_ODP_STEER;
}
