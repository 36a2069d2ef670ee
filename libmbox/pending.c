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

#include "pending.h"

#include "mbox.h"

void
mb_pending_open(void *change_)
{
    struct mb_pending_change *change = change_;

    mb_table_init(&change->pending->others);
    change->pending->next = *change->list;
    *change->list = change->pending;
}

void
mb_pending_close(void *change_)
{
    struct mb_pending_change *change = change_;

    for (struct mb_pending **p = change->list; *p; p = &(*p)->next) {
        if (*p == change->pending) {
            *p = change->pending->next;
            break;
        }
    }
    mb_table_uninit(&change->pending->others);
}

bool
mb_flow_is_in_space(const struct mbox_space *space, const struct mbox_key *key)
{
    struct mbox_key reverse;

    if (mbox_space_contains(space, key)) {
        return true;
    }
    if (!space->one_way) {
        return false;
    }
    mbox_key_reverse(key, &reverse);
    return mbox_space_contains(space, &reverse);
}

bool
mb_pending_add(struct mb_pending *pending, const struct mbox_key *key)
{
    return (mb_table_insert(&pending->others, MBOX_STATE_PER_FLOW, key)
            != MB_NO_ENTRY);
}

bool
mb_pending_contains(const struct mb_pending *list, const struct mbox_key *key)
{
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    for (; list; list = list->next) {
        if (mb_flow_is_in_space(&list->space, &canonical)
            || mb_table_find(&list->others, MBOX_STATE_PER_FLOW, &canonical)
               != MB_NO_ENTRY) {
            return true;
        }
    }
    return false;
}
