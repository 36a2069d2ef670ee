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

#ifndef MB_COPIED_H
#define MB_COPIED_H 1

/* What was copied to other instances
 * ==================================
 *
 * A copy (mbox/copy) that is repeated has to tell the destination which flows
 * of the one before have ended.  The source therefore remembers which flows it
 * copied: for a few pairs of peer and flow space, those used last.  In the I/O
 * thread only. */

#include "mbox-msg.h"
#include "mbox-space.h"
#include "table.h"

#define MB_MAX_COPIED 8

struct mb_copied {
    struct mb_copied *next;
    char peer[MBOX_NAME_MAX + 1];
    struct mbox_space space;
    struct mb_keys keys;        /* Canonical. */
};

/* Returns what was last copied to 'peer' of 'space', or null. */
struct mb_copied *mb_copied_find(struct mb_copied *list, const char *peer,
                                 const struct mbox_space *);

/* Remembers '*keys', which it takes over, instead of what was copied before.
 * Forgets it if memory is short. */
void mb_copied_store(struct mb_copied **list, const char *peer,
                     const struct mbox_space *, struct mb_keys *keys);

/* Flows of 'space' belong to another instance: forgets what overlaps, because
 * that they are not here any more does not mean that they have ended. */
void mb_copied_forget(struct mb_copied **list, const struct mbox_space *);

void mb_copied_destroy(struct mb_copied **list);

#endif /* copied.h */
