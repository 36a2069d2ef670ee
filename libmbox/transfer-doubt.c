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

#include "transfer-destination.h"
#include "transfer-source.h"

#include <stdio.h>
#include <syslog.h>

/* Transfers in doubt
 * ==================
 *
 * When the coordinator's connection ends in the middle of a transfer, an
 * instance may not know who owns the flows.  What it does then makes sure that
 * each flow's state ends up at just one instance:
 *
 *     - A source that has not frozen goes on, and a destination that has not
 *       heard of the freeze deletes what it has: no flow can have been
 *       released.
 *
 *     - A source that has frozen stays so and keeps the packets that come.  A
 *       destination that has heard of the freeze keeps its state and processes
 *       what comes.  If the state channel is a direct one, the rest of the
 *       state is transferred meanwhile, without the coordinator.
 *
 *     - Both ask (OPEN) as soon as they are connected again, to this run of
 *       the coordinator or to another, and do as it says (RESOLVE).  The
 *       destination first comes to an end with the state channel, then says
 *       which flows may have been processed there.  A source that brings no
 *       state on it for MB_SILENCE_NS, or does not come to an end within
 *       MB_DOUBT_NS, or whose host does not answer for MBOX_TCP_DEAD_MS, ends
 *       it: what has arrived is what has arrived.
 *
 *     - Nobody guesses: until RESOLVE comes, both stay as they are.  Meanwhile
 *       the instances go on processing packets of all other flow spaces. */

void
mb_transfer_disconnected(struct mb_transfer *t)
{
    t->must_ask = false;
    if (t->in_doubt && t->source) {
        mb_source_forget_commit(t->source);
    } else if (t->in_doubt) {
        mb_destination_forget_commit(t->destination);
    }
    if (t->orphan) {
        return;
    }
    t->orphan = true;
    t->in_doubt = (t->source
                   ? mb_source_disconnected(t->source)
                   : mb_destination_disconnected(t->destination));
    if (t->in_doubt) {
        char line[MBOX_NAME_MAX + 128];

        snprintf(line, sizeof line, "transfer %u %s %s is in doubt until the "
                 "coordinator is back", t->id,
                 t->source ? "to" : "from", t->peer);
        t->env->ops->log(t->env->aux, LOG_WARNING, line);
    }
}

bool
mb_transfer_get_open(struct mb_transfer *t, struct mbox_msg *msg,
                     struct mb_keys *keys)
{
    if (!t->in_doubt || (t->destination && t->state)) {
        return false;
    }
    mb_table_uninit(t->source ? &t->source->commit_keys
                    : &t->destination->commit_keys);    /* Of an answer that
                                                         * went no further. */
    mbox_msg_init(msg, MBOX_MSG_OPEN, t->id);
    msg->epoch = t->epoch;
    msg->role = t->role;
    snprintf(msg->name, sizeof msg->name, "%s", t->peer);
    msg->run = t->peer_run;
    msg->space = t->space;
    msg->select = MBOX_SELECT_KEYS;
    if (t->destination
        && !mb_destination_get_owned(t->destination, &msg->select, keys)) {
        return false;
    }
    msg->n_keys = keys->n;
    return true;
}

void
mb_transfer_resolve(struct mb_transfer *t, const struct mbox_msg *resolve)
{
    struct mbox_msg msg = *resolve;

    t->in_doubt = msg.more;
    t->resolved = !msg.more;
    msg.type = resolve->code ? MBOX_MSG_ABORT : MBOX_MSG_COMMIT;
    mb_transfer_recv(t, &msg);
    if (t->must_ask) {
        t->in_doubt = true;
        t->resolved = false;
    }
}
