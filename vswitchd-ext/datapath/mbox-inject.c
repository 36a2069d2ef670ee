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

#include <errno.h>

#include "mbox-inject.h"

#include "dpif.h"
#include "flow.h"
#include "netlink.h"
#include "odp-util.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "ovs-thread.h"
#include "util.h"

#include "mbox-odp.h"
#include "mbox-steer.h"
#include "mbox-tag.h"

struct datapath {
    struct ovs_list node;
    char *name;
    const struct mbox_inject_ops *ops;
    void *aux;
};

/* Held for reading while injecting. */
static struct ovs_rwlock rwlock = OVS_RWLOCK_INITIALIZER;
static struct ovs_list datapaths OVS_GUARDED_BY(rwlock)
    = OVS_LIST_INITIALIZER(&datapaths);

void
mbox_inject_add(const char *dp_name, const struct mbox_inject_ops *ops,
                void *aux)
{
    struct datapath *dp = xmalloc(sizeof *dp);

    dp->name = xstrdup(dp_name);
    dp->ops = ops;
    dp->aux = aux;
    ovs_rwlock_wrlock(&rwlock);
    ovs_list_push_back(&datapaths, &dp->node);
    ovs_rwlock_unlock(&rwlock);
}

void
mbox_inject_del(const char *dp_name, void *aux)
{
    struct datapath *dp;

    ovs_rwlock_wrlock(&rwlock);
    LIST_FOR_EACH_SAFE (dp, node, &datapaths) {
        if (!strcmp(dp->name, dp_name) && dp->aux == aux) {
            ovs_list_remove(&dp->node);
            free(dp->name);
            free(dp);
        }
    }
    ovs_rwlock_unlock(&rwlock);
}

static const struct datapath *
find_datapath(const char *name)
    OVS_REQ_RDLOCK(rwlock)
{
    const struct datapath *dp;

    LIST_FOR_EACH (dp, node, &datapaths) {
        if (!strcmp(dp->name, name)) {
            return dp;
        }
    }
    return NULL;
}

int
mbox_inject(const char *dp_name, size_t n, struct dp_packet *packets[],
            const odp_port_t ports[])
{
    int error = 0;

    ovs_rwlock_rdlock(&rwlock);
    const struct datapath *dp = find_datapath(dp_name);
    for (size_t i = 0; i < n; i++) {
        int retval = ENODEV;

        if (dp && ports[i] != ODPP_NONE) {
            retval = dp->ops->send(dp->aux, ports[i], packets[i]);
        } else {
            dp_packet_delete(packets[i]);
        }
        if (retval) {
            error = -retval;
        }
    }
    ovs_rwlock_unlock(&rwlock);
    return error;
}

void
mbox_inject_flush(const char *dp_name)
{
    ovs_rwlock_rdlock(&rwlock);
    const struct datapath *dp = find_datapath(dp_name);
    if (dp) {
        dp->ops->flush(dp->aux);
    }
    ovs_rwlock_unlock(&rwlock);
}

/* Datapath interfaces. */

static int
execute_on_dpif(struct dpif *dpif, struct dp_packet *packet,
                const struct ofpbuf *actions)
{
    struct flow flow;

    flow_extract(packet, &flow);

    struct dpif_execute execute = {
        .actions = actions->data,
        .actions_len = actions->size,
        .packet = packet,
        .flow = &flow,
    };
    int error = dpif_execute(dpif, &execute);
    dp_packet_delete(packet);
    return error;
}

static int
send_on_dpif(void *dpif, odp_port_t port, struct dp_packet *packet)
{
    uint64_t stub[4];
    struct ofpbuf actions = OFPBUF_STUB_INITIALIZER(stub);

    nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, port);
    return execute_on_dpif(dpif, packet, &actions);
}

/* dpif-netdev flushes the output of all threads but PMDs whenever it has
 * executed actions for one.  An 'untag' of a packet without tag is such an
 * action that does nothing. */
static void
flush_dpif(void *dpif)
{
    static const struct ovs_action_mbox untag = { .type = MBOX_ODP_UNTAG };
    uint64_t stub[8];
    struct ofpbuf actions = OFPBUF_STUB_INITIALIZER(stub);
    struct dp_packet *packet = dp_packet_new(MBOX_TRACER_LEN);

    dp_packet_put_zeros(packet, MBOX_TRACER_LEN);
    nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_MBOX, &untag, sizeof untag);
    execute_on_dpif(dpif, packet, &actions);
}

static const struct mbox_inject_ops dpif_ops = {
    .send = send_on_dpif,
    .flush = flush_dpif,
};

void
mbox_steer_add_dpif(struct dpif *dpif)
{
    mbox_inject_add(dpif_name(dpif), &dpif_ops, dpif);
}

void
mbox_steer_del_dpif(struct dpif *dpif)
{
    mbox_inject_del(dpif_name(dpif), dpif);
}
