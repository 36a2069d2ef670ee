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

#include "placement.h"

#include <errno.h>
#include <string.h>

static uint32_t
size(const struct st *st)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < st->program->n_variables; i++) {
        const struct st_variable *v = &st->program->variables[i];

        n += v->role == ST_PLACEMENT ? v->size : 0;
    }
    return n;
}

void
st_placement_put(struct st *st, struct mbox_writer *w)
{
    mbox_put_u32(w, size(st));
    for (uint32_t i = 0; i < st->program->n_variables; i++) {
        const struct st_variable *v = &st->program->variables[i];

        if (v->role == ST_PLACEMENT) {
            mbox_put_bytes(w, v->address, v->size);
        }
    }
}

const uint8_t *
st_placement_get(struct st *st, struct mbox_reader *r)
{
    uint32_t n = mbox_get_u32(r);

    return n == size(st) ? mbox_get_bytes(r, n) : NULL;
}

/* The first that differs, or NULL. */
static const struct st_variable *
differs(const struct st *st, const uint8_t *values)
{
    for (uint32_t i = 0; i < st->program->n_variables; i++) {
        const struct st_variable *v = &st->program->variables[i];

        if (v->role == ST_PLACEMENT) {
            if (memcmp(v->address, values, v->size)) {
                return v;
            }
            values += v->size;
        }
    }
    return NULL;
}

int
st_placement_check(struct st *st, const uint8_t *values)
{
    const struct st_variable *v = differs(st, values);

    return (!v ? 0
            : st_error(st, -EXDEV, "%s differs from the source's, and decides "
                       "where entries are kept: start both instances with the "
                       "same file in MBOX_STATE_START", v->name));
}
