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

#include "state.h"

#include <stdio.h>

const struct mbox_state_ops *
mb_state_ops(const struct mbox_ops *ops, uint8_t scope)
{
    switch ((enum mbox_state_scope) scope) {
    case MBOX_STATE_PER_FLOW:
        return ops->per_flow;
    case MBOX_STATE_MULTI_FLOW:
        return ops->multi_flow;
    case MBOX_STATE_ALL_FLOWS:
        return ops->all_flows;
    case MBOX_STATE_CONFIG:
        return ops->config;
    }
    return NULL;
}

uint32_t
mb_state_scopes(const struct mbox_ops *ops)
{
    uint32_t scopes = 0;

    for (uint32_t scope = 1; scope <= MBOX_STATE_CONFIG; scope <<= 1) {
        if (mb_state_ops(ops, scope)) {
            scopes |= scope;
        }
    }
    return scopes;
}

void
mbox_chunk_append(struct mbox_chunk *chunk, const void *data, size_t len)
{
    mbox_put_bytes(chunk->data, data, len);
}

int
mbox_chunk_output(const struct mbox_chunk *chunk)
{
    return chunk->output;
}

bool
mbox_chunk_is_look(const struct mbox_chunk *chunk)
{
    return chunk->look;
}

void
mbox_chunk_explain(struct mbox_chunk *chunk, const char *why)
{
    snprintf(chunk->why, sizeof chunk->why, "%s", why);
}

void
mbox_chunk_add_key(struct mbox_chunk *chunk, const struct mbox_key *key)
{
    if (!mb_keys_add(&chunk->keys, key)) {
        chunk->failed = true;
    }
}
