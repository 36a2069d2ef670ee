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

#ifndef MB_PENDING_H
#define MB_PENDING_H 1

/* Flows that are on their way here
 * ================================
 *
 * A destination has one of these per worker, from PREPARE to the end of the
 * transfer: until then the source may still end its flows, or keep them.  Used
 * in that worker only. */

#include "mbox-space.h"
#include "table.h"

struct mb_pending {
    struct mb_pending *next;    /* In the list of the worker. */
    struct mbox_space space;
    struct mb_table others;     /* Flows that are in the space by another key
                                 * than the one that they are kept under. */
};

/* Adds '*pending', with its space, to the list '*list', or removes it and
 * frees what it has. */
struct mb_pending_change {
    struct mb_pending *pending;
    struct mb_pending **list;
};
void mb_pending_open(void *change);
void mb_pending_close(void *change);

/* The flow 'key', which is canonical, is in the space by another key.  Returns
 * false if memory is short. */
bool mb_pending_add(struct mb_pending *, const struct mbox_key *key);

/* True if 'key' is in the flow space, whichever direction of its flow it
 * is. */
bool mb_flow_is_in_space(const struct mbox_space *, const struct mbox_key *);

/* True if 'key' is pending by one of the list. */
bool mb_pending_contains(const struct mb_pending *list,
                         const struct mbox_key *key);

#endif /* pending.h */
