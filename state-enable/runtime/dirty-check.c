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

#include "dirty-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool
dirty_is_checked(void)
{
    static int checked = -1;

    if (checked < 0) {
        const char *value = getenv("MBOX_STATE_CHECK");

        checked = value && *value;
    }
    return checked;
}

/* Clears what is not sent of an object: its place in containers, and what
 * counts the references to it. */
static void
clear_place(const struct st *st, const struct st_object *o, uint8_t *block)
{
    if (o->structure == ST_NONE) {
        return;
    }
    const struct st_structure *s = &st->program->structures[o->structure];
    const struct st_type *t = &st->program->types[o->type];
    uint8_t *node = block + o->offset;

    for (uint32_t i = 0; i < t->n_pointers; i++) {
        const struct st_pointer *p = &t->pointers[i];

        for (uint32_t j = 0; p->target == ST_LINK && j < p->count; j++) {
            memset(node + p->offset + j * p->stride, 0, sizeof(void *));
        }
    }
    if (s->count_offset != ST_NONE) {
        memset(node + s->count_offset, 0, s->count_size);
    }
}

static uint8_t *
copy_object(const struct st *st, const struct st_object *o)
{
    uint8_t *copy = malloc(o->size ? o->size : 1);

    if (copy) {
        memcpy(copy, o->start, o->size);
        clear_place(st, o, copy);
    }
    return copy;
}

bool
dirty_copy(struct st *st, struct dirty_entry *e)
{
    for (uint32_t i = 0; i < e->n_blocks; i++) {
        struct dirty_copy *c = &e->copies[i];
        bool ended = e->blocks[i].ended;

        free(c->bytes);
        c->bytes = ended ? NULL : copy_object(st, &c->object);
        if (!c->bytes && !ended) {
            return false;
        }
    }
    return true;
}

void
dirty_check(struct st *st, const struct dirty_entry *e)
{
    for (uint32_t i = 0; !e->written && i < e->n_blocks; i++) {
        const struct dirty_copy *c = &e->copies[i];
        uint8_t *now = c->bytes ? copy_object(st, &c->object) : NULL;
        size_t at = 0;

        while (now && at < c->object.size && now[at] == c->bytes[at]) {
            at++;
        }
        free(now);
        if (now && at < c->object.size) {
            char key[MBOX_KEY_STRLEN];

            st_error(st, 0, "%s: byte %zu of block %"PRIu32" (%s) has changed,"
                     " and nothing has told of it",
                     mbox_key_format(&e->key, key, sizeof key), at, i,
                     c->object.type == ST_NONE ? "bytes"
                     : st->program->types[c->object.type].name);
            exit(EXIT_FAILURE);
        }
    }
}

void
dirty_log(struct st *st, const struct dirty_entry *e)
{
    const struct st_program *program = st->program;
    char key[MBOX_KEY_STRLEN], names[256];
    size_t n = 0;

    if (!e->written) {
        return;
    }
    names[0] = '\0';
    for (uint32_t i = 0; i < program->n_bits && n < sizeof names; i++) {
        if (e->written & ST_WRITE_MEMBER(i)) {
            n += snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "",
                          program->bits[i]);
        }
    }
    if (e->written & ST_WRITE_BYTES && n < sizeof names) {
        n += snprintf(names + n, sizeof names - n, "%sbytes", n ? ", " : "");
    }
    if (e->written & ST_WRITE_ANY && n < sizeof names) {
        snprintf(names + n, sizeof names - n, "%snot known", n ? ", " : "");
    }
    st_error(st, 0, "%s: written: %s",
             mbox_key_format(&e->key, key, sizeof key), names);
}
