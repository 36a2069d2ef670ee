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

#ifndef MB_AGENT_H
#define MB_AGENT_H 1

/* The agent: the instance's end of the coordinator's control channel
 * ==================================================================
 *
 * Connects, again and again with growing pauses; says what this instance is;
 * and takes part in transfers. */

#include "transfer.h"

struct mb_agent_config {
    const char *address;        /* Copied, like the others. */
    const char *private_key, *certificate, *ca_cert;
    const char *product;
    uint32_t scopes;

    /* Fills in n_packets, n_bytes, n_flows, n_discarded of a STATS. */
    void (*get_stats)(void *aux, struct mbox_msg *);
    void *aux;
};

struct mb_agent;

/* 'env' must stay; its control functions are to call the ones below. */
struct mb_agent *mb_agent_create(struct mb_env *env,
                                 const struct mb_agent_config *);
void mb_agent_destroy(struct mb_agent *);

/* Ends the connection and every transfer: the instance stops. */
void mb_agent_close(struct mb_agent *);

/* Connection and messages.  Call when what mb_agent_wait() says is ready, or
 * mb_agent_wake() has passed. */
void mb_agent_run(struct mb_agent *, uint64_t now);
void mb_agent_wait(const struct mb_agent *, struct pollfd *);
uint64_t mb_agent_wake(const struct mb_agent *);

/* The live transfers.  mb_agent_run_transfers() also destroys those that have
 * finished. */
struct mb_transfer *mb_agent_transfers(const struct mb_agent *);

/* True if a transfer has frozen the flow 'key' here. */
bool mb_agent_is_frozen(const struct mb_agent *, const struct mbox_key *key);
void mb_agent_run_transfers(struct mb_agent *, uint64_t deadline);

/* A tracer of a transfer that has ended not long ago came: says so to the
 * coordinator, which paces what it sends by that.  Returns false if there was
 * no such transfer. */
bool mb_agent_late_tracer(struct mb_agent *, const struct mbox_tag *);

void mb_agent_send(struct mb_agent *, const struct mbox_msg *,
                   const struct mbox_key *keys);
void mb_agent_flush(struct mb_agent *);
size_t mb_agent_backlog(const struct mb_agent *);

#endif /* agent.h */
