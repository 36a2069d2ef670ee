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

#include <limits.h>

#include "util.h"

void
mbox_agent_init(struct mbox_agent *agent, enum mbox_role role,
                const char *name)
{
    agent->role = role;
    agent->name = name;
    agent->live = true;
    agent->port_live = true;
    agent->stage = MBOX_AGENT_UNTOLD;
    agent->answer_by = LLONG_MAX;
}

void
mbox_agent_set_lost(struct mbox_transfer *t, struct mbox_agent *agent,
                    const char *why)
{
    if (agent->live) {
        agent->live = false;
        mbox_transfer_fail(t, agent, "connection lost: %s", why);
    }
}

void
mbox_agent_send(struct mbox_transfer *t, struct mbox_agent *agent,
                const struct mbox_msg *msg, const struct mbox_key *keys)
{
    if (agent->live) {
        int error = t->ops->send(t->aux, agent->role, msg, keys);
        if (error) {
            char *why = xasprintf("could not send '%s' (%s)",
                                  mbox_msg_type_to_string(msg->type),
                                  ovs_strerror(-error));
            mbox_agent_set_lost(t, agent, why);
            free(why);
        }
    }
}

void
mbox_agent_send_simple(struct mbox_transfer *t, struct mbox_agent *agent,
                       enum mbox_msg_type type)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, type, t->request.id);
    mbox_agent_send(t, agent, &msg, NULL);
}

void
mbox_agent_prepare(struct mbox_transfer *t, struct mbox_agent *agent,
                   const struct mbox_agent *peer)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_PREPARE, t->request.id);
    msg.role = agent->role;
    msg.method = t->request.method;
    msg.guarantee = t->request.guarantee;
    msg.scopes = t->request.scopes;
    msg.options = t->request.options;
    msg.epoch = t->request.epoch;
    ovs_strlcpy(msg.name, peer->name, sizeof msg.name);
    ovs_strlcpy(msg.class_name, t->request.class_name, sizeof msg.class_name);
    msg.space = t->request.space;
    if (agent->role == MBOX_ROLE_SOURCE) {
        ovs_strlcpy(msg.output, t->request.output, sizeof msg.output);
    }
    mbox_agent_send(t, agent, &msg, NULL);
    if (agent->live) {
        agent->stage = MBOX_AGENT_OPEN;
    }
}

void
mbox_agent_abort(struct mbox_transfer *t, struct mbox_agent *agent)
{
    struct mbox_msg msg;

    if (agent->stage != MBOX_AGENT_OPEN || !agent->live) {
        agent->stage = MBOX_AGENT_FINISHED;
        return;
    }

    mbox_msg_init(&msg, MBOX_MSG_ABORT, t->request.id);
    mbox_transfer_copy_error(t, msg.text);
    agent->stage = MBOX_AGENT_ABORTING;
    agent->answer_by = t->now_us + MBOX_ANSWER_US;
    mbox_agent_send(t, agent, &msg, NULL);
}

/* Sends those parts of COMMIT that the agent takes now. */
static void
mbox_agent_tell(struct mbox_transfer *t, struct mbox_agent *agent)
{
    while (agent->live && !agent->all_told
           && (t->ops->backlog(t->aux, agent->role)
               < MBOX_COMMIT_BACKLOG)) {
        size_t left = t->n_commit_keys - agent->n_told;
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_COMMIT, t->request.id);
        msg.select = t->commit_select;
        msg.n_keys = MIN(left, MBOX_COMMIT_KEYS);
        msg.more = left > MBOX_COMMIT_KEYS;
        mbox_agent_send(t, agent, &msg, (msg.n_keys
                                         ? &t->commit_keys[agent->n_told]
                                         : NULL));
        agent->n_told += msg.n_keys;
        agent->all_told = !msg.more;
        agent->answer_by = t->now_us + MBOX_ANSWER_US;
    }
}

void
mbox_agent_commit(struct mbox_transfer *t, struct mbox_agent *agent)
{
    if (agent->stage != MBOX_AGENT_OPEN || !agent->live) {
        agent->stage = MBOX_AGENT_FINISHED;
        return;
    }

    agent->stage = MBOX_AGENT_COMMITTING;
    agent->answer_by = t->now_us + MBOX_ANSWER_US;
    mbox_agent_tell(t, agent);
}

bool
mbox_agent_is_finished(struct mbox_transfer *t, struct mbox_agent *agent)
{
    if (agent->stage == MBOX_AGENT_COMMITTING) {
        mbox_agent_tell(t, agent);
    }
    if (agent->stage == MBOX_AGENT_FINISHED || !agent->live) {
        return true;
    }
    if (t->now_us >= agent->answer_by) {
        if (agent->stage == MBOX_AGENT_COMMITTING && !agent->all_told) {
            /* It must not wait for the rest for ever.  On its next connection
             * it asks. */
            t->ops->disconnect(t->aux, agent->role,
                               "it does not take COMMIT");
        }
        mbox_transfer_note(t, agent, "did not confirm the %s",
                           agent->stage == MBOX_AGENT_ABORTING
                           ? "rollback" : "commit");
        agent->stage = MBOX_AGENT_FINISHED;
        return true;
    }
    mbox_transfer_wake_at(t, agent->answer_by);
    return false;
}
