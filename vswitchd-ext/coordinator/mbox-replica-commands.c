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

#include "mbox-coordinator-private.h"
#include "mbox-options.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* The command mbox/failover, in the coordinator's thread. */

/* True if 'ot' is a replica that the arguments of the command name. */
static bool
is_named(const struct mbox_open_transfer *ot,
         const struct mbox_options *options)
{
    const char *name = options->args.names[0];
    unsigned int id;

    return (ot->request.every_ms
            && (!strcmp(ot->request.src, name)
                || (str_to_uint(name, 10, &id) && id == ot->request.id))
            && (!options->to || !strcmp(ot->request.dst, options->to)));
}

static char *
no_replica(const struct mbox_options *options)
{
    return xasprintf("there is no replica of %s%s%s (mbox/status lists them; "
                     "mbox/copy --every starts one, after a restart of "
                     "ovs-vswitchd anew)", options->args.names[0],
                     options->to ? " at " : "",
                     options->to ? options->to : "");
}

static char *
several_replicas(const struct mbox_coordinator *c,
                 const struct mbox_options *options)
{
    const struct mbox_open_transfer *ot;
    struct ds ds = DS_EMPTY_INITIALIZER;
    uint32_t id = 0;
    bool found;

    ds_put_format(&ds, "there are several replicas of %s, choose one by "
                  "number:", options->args.names[0]);
    do {
        const struct mbox_open_transfer *next = NULL;

        HMAP_FOR_EACH (ot, node, &c->transfers.open) {
            if (is_named(ot, options) && ot->request.id > id
                && (!next || ot->request.id < next->request.id)) {
                next = ot;
            }
        }
        found = next != NULL;
        if (next) {
            id = next->request.id;
            ds_put_format(&ds, " %"PRIu32" at %s", id, next->request.dst);
        }
    } while (found);
    return ds_steal_cstr(&ds);
}

char *
mbox_command_failover(struct mbox_coordinator *c, uint64_t request,
                      const struct mbox_options *options, char **out)
{
    struct mbox_open_transfer *ot, *found = NULL;

    HMAP_FOR_EACH (ot, node, &c->transfers.open) {
        if (is_named(ot, options)) {
            if (found) {
                return several_replicas(c, options);
            }
            found = ot;
        }
    }
    if (!found) {
        return no_replica(options);
    }
    /* Who waits for the first round must be answered before. */
    if (!found->replicated
        || !mbox_transfer_can_fail_over(found->transfer)) {
        return xasprintf("replica %"PRIu32" is %s: see mbox/status %"PRIu32,
                         found->request.id, found->replicated
                         ? "being failed over, or ends" : "not complete yet",
                         found->request.id);
    }
    mbox_transfer_fail_over(found->transfer, options->timeout_ms);
    mbox_command_answer_later(found, request, options, out);
    return NULL;
}
