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
#include "mbox-transfer-private.h"

static void
mbox_copy_start(struct mbox_transfer *t)
{
    mbox_transfer_enter(t, MBOX_PHASE_EXPORTING);
    mbox_agent_send_simple(t, &t->src, MBOX_MSG_EXPORT);
}

static bool
mbox_copy_step(struct mbox_transfer *t)
{
    if (!t->installed) {
        return false;
    }
    mbox_transfer_commit(t);
    return true;
}

static bool
mbox_copy_recv(struct mbox_transfer *t, struct mbox_agent *agent,
               const struct mbox_msg *msg)
{
    return (agent == &t->dst
            && t->phase == MBOX_PHASE_EXPORTING
            && msg->type == MBOX_MSG_INSTALLED
            && mbox_transfer_recv_installed(t, msg));
}

static bool
mbox_copy_is_forward_only(const struct mbox_transfer *t OVS_UNUSED)
{
    return false;
}

const struct mbox_method_class mbox_method_copy = {
    .start = mbox_copy_start,
    .step = mbox_copy_step,
    .recv = mbox_copy_recv,
    .resolve = mbox_transfer_roll_back,
    .is_forward_only = mbox_copy_is_forward_only,
};
