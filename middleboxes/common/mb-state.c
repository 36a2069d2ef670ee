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
#include "mb-state.h"

int
mb_list_flow(void *list_, const struct mbox_key *key)
{
    const struct mb_list *list = list_;

    return mbox_space_match(list->space, key) ? list->cb(key, list->aux) : 0;
}

struct shared {
    const struct mb_list *list;
    size_t n_late;              /* Of hosts of which some flows move. */
    size_t n_skip;              /* As many of those are left out. */
};

static enum mbox_match
match_shared(const struct shared *shared, const struct mbox_key *key)
{
    return mbox_space_match_host(shared->list->space, key->family, key->src);
}

static int
count_late(void *shared_, const struct mbox_key *key)
{
    struct shared *shared = shared_;

    shared->n_late += match_shared(shared, key) == MBOX_MATCH_SOME;
    return 0;
}

static int
list_one_shared(void *shared_, const struct mbox_key *key)
{
    struct shared *shared = shared_;
    enum mbox_match match = match_shared(shared, key);

    if (match == MBOX_MATCH_NONE) {
        return 0;
    }
    if (match == MBOX_MATCH_SOME && shared->n_skip) {
        shared->n_skip--;
        return 0;
    }
    return shared->list->cb(key, shared->list->aux);
}

int
mb_list_shared(const struct mb_list *list, size_t max_late,
               int (*list_keys)(void *program, mb_key_cb *, void *aux),
               void *program)
{
    struct shared shared = { .list = list };

    list_keys(program, count_late, &shared);
    if (shared.n_late > max_late) {
        shared.n_skip = shared.n_late - max_late;
    }
    return list_keys(program, list_one_shared, &shared);
}

int
mb_chunk_from_writer(struct mbox_chunk *chunk, struct mbox_writer *w,
                     int error)
{
    if (!error) {
        mbox_chunk_append(chunk, w->data, w->len);
    }
    mbox_writer_uninit(w);
    return error;
}

int
mb_list_one(void *mb, unsigned int worker, const struct mbox_space *space,
            mbox_list_cb *cb, void *aux)
{
    static const struct mbox_key zeros;

    (void) mb;
    (void) space;
    return worker ? 0 : cb(&zeros, aux);
}

int
mb_del_nothing(void *mb, unsigned int worker, const struct mbox_key *key)
{
    (void) mb;
    (void) worker;
    (void) key;
    return 0;
}
