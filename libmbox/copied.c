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

#include "copied.h"

#include <stdlib.h>
#include <string.h>

static void
copied_free(struct mb_copied *c)
{
    mb_keys_uninit(&c->keys);
    free(c);
}

/* Takes the element '*p' off the list and frees it. */
static void
copied_remove(struct mb_copied **p)
{
    struct mb_copied *c = *p;

    *p = c->next;
    copied_free(c);
}

static bool
is_of(const struct mb_copied *c, const char *peer,
      const struct mbox_space *space)
{
    return !strcmp(c->peer, peer) && mbox_space_equal(&c->space, space);
}

struct mb_copied *
mb_copied_find(struct mb_copied *list, const char *peer,
               const struct mbox_space *space)
{
    while (list && !is_of(list, peer, space)) {
        list = list->next;
    }
    return list;
}

void
mb_copied_store(struct mb_copied **list, const char *peer,
                const struct mbox_space *space, struct mb_keys *keys)
{
    struct mb_copied **p = list;

    for (unsigned int n = 1; *p; ) {
        if (is_of(*p, peer, space) || n >= MB_MAX_COPIED) {
            copied_remove(p);
        } else {
            p = &(*p)->next;
            n++;
        }
    }

    struct mb_copied *c = keys->n ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        mb_keys_uninit(keys);
        return;
    }
    strcpy(c->peer, peer);
    c->space = *space;
    c->keys = *keys;
    mb_keys_init(keys);
    c->next = *list;
    *list = c;
}

void
mb_copied_forget(struct mb_copied **list, const struct mbox_space *space)
{
    while (*list) {
        if (mbox_space_overlaps(&(*list)->space, space)) {
            copied_remove(list);
        } else {
            list = &(*list)->next;
        }
    }
}

void
mb_copied_destroy(struct mb_copied **list)
{
    while (*list) {
        copied_remove(list);
    }
}
