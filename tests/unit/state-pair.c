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

#include "state-pair.h"

#include <stdio.h>
#include "heap.h"
#include "private.h"
#include "test-util.h"

char pair_message[512];

void
pair_keep_message(void *aux, const char *text)
{
    (void) aux;
    snprintf(pair_message, sizeof pair_message, "%s", text);
}

static void
tell_both(void *start, size_t size, void *p_)
{
    struct pair *p = p_;

    st_ended(start, size, p->sa);
    st_ended(start, size, p->sb);
}

void
pair_start(struct pair *p)
{
    world_init(&p->a, 0x1234567);
    world_init(&p->b, 0x1234567);
    p->sb = st_create(&p->b.program, pair_keep_message, NULL);
    p->sa = st_create(&p->a.program, pair_keep_message, NULL);
    assert_non_null(p->sa);
    assert_non_null(p->sb);
    st_heap_on_free(tell_both, p);
}

void
pair_finish(struct pair *p)
{
    world_check(&p->a);
    world_check(&p->b);
    st_destroy(p->sa);
    st_destroy(p->sb);
    world_uninit(&p->a);
    world_uninit(&p->b);
    assert_int_equal(world_n_handles, 0);
}

void
pair_fill(struct world *w, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        world_packet(w, i, "GET ");
        world_packet(w, i, i % 3 ? "/index" : "/");
    }
}

int
pair_copy(struct st *from, struct st *to, bool per_flow, struct mbox_key key,
          bool merge)
{
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    int error = st_get(from, per_flow, &key, -1, &w);
    if (!error) {
        void *data = test_memdup(w.data, w.len);

        error = st_put(to, per_flow, &key, data, w.len, merge);
        free(data);
    }
    mbox_writer_uninit(&w);
    return error;
}
