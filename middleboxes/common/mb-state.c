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
