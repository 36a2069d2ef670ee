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

#ifndef MB_STATE_H
#define MB_STATE_H 1

/* The middlebox's state functions, and chunks
 * =========================================== */

#include "mbox.h"
#include "mbox-wire.h"
#include "table.h"

/* A chunk that 'get' fills in.  The public name is opaque. */
struct mbox_chunk {
    struct mbox_writer *data;   /* Where it is appended. */
    struct mb_keys keys;        /* Besides the one that it is kept under. */
    bool failed;                /* Memory was short. */
    int output;                 /* For mbox_chunk_output(). */
    bool look;                  /* For mbox_chunk_is_look(). */
    char why[256];              /* Of mbox_chunk_explain(), or "". */
};

/* Returns the functions of 'scope', or null. */
const struct mbox_state_ops *mb_state_ops(const struct mbox_ops *,
                                          uint8_t scope);

/* The scopes that the middlebox keeps, as a mask. */
uint32_t mb_state_scopes(const struct mbox_ops *);

#endif /* state.h */
