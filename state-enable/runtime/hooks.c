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

#include "hooks.h"

#include <errno.h>
#include <string.h>
#include "image.h"
#include "mbox-wire.h"
#include "nodes.h"
#include "state-hook.h"

#define ROOM 256                /* At first. */
#define TEXT_SIZE 512           /* Of what a hook may say. */
#define ERRNO_MAX 4095

/* How many elements of an array have the member in use. */
static uint32_t
in_use(const struct st_hook *h, const uint8_t *object)
{
    uint64_t n = (h->live == ST_NONE ? h->count
                  : st_load(object + h->live, h->live_size));

    return n < h->count ? n : h->count;
}

/* The struct that has the member. */
static uint8_t *
owner(const struct st_hook *h, uint8_t *object, uint32_t index)
{
    return object + h->object + (uint64_t) index * h->stride;
}

int
st_hooks_error(int64_t n)
{
    return n < 0 && n >= -ERRNO_MAX ? n : -EPROTO;
}

/* The error of an entry that cannot be saved: not one by which st_get() says
 * that there is nothing to be sent, or not yet. */
static int
save_error(int error)
{
    return (error == -ENOENT || error == -ENODATA || error == -EAGAIN ? -EIO
            : error);
}

/* Appends a size and the bytes that the hook saves.  Returns 0, or the error
 * of the writer or of the hook, which is in '*hook_error', too. */
static int
put_saved(const struct st_hook *h, const uint8_t *object, uint32_t index,
          struct mbox_writer *w, int *hook_error)
{
    size_t start = w->len, room = ROOM;

    *hook_error = 0;
    for (;;) {
        mbox_put_u32(w, 0);
        size_t at = mbox_put_uninit(w, room);

        if (w->error) {
            return w->error;
        }
        ssize_t n = h->functions->save(
            owner(h, (uint8_t *) (uintptr_t) object, index), index,
            w->data + at, room);

        w->len = start;
        if (n < 0) {
            return *hook_error = st_hooks_error(n);
        } else if ((size_t) n <= room) {
            mbox_put_u32(w, n);
            w->len = at + n;
            return 0;
        }
        room = n;
    }
}

static int
save(struct st *st, const struct st_type *t, const struct st_hook *h,
     const uint8_t *object, uint32_t index, struct mbox_writer *w)
{
    int hook_error;
    int error = put_saved(h, object, index, w, &hook_error);

    return (!hook_error ? error
            : st_error(st, save_error(hook_error), "%s.%s: its hook cannot "
                       "save it: %s", t->name, h->name,
                       strerror(-hook_error)));
}

/* To be asked before what may have to stand still is saved or loaded:
 * 'running' if the flow runs. */
static int
stop(struct st *st, const struct st_type *t, const struct st_hook *h,
     bool running)
{
    if (!h->functions->resume) {
        return 0;
    }
    if (st->of_other) {
        return st_error(st, -ENOTSUP, "%s.%s: its hook moves it with its own "
                        "flow only", t->name, h->name);
    }
    if (running) {              /* That is no news if it moves. */
        return st_explain(st, -EAGAIN, "%s.%s: its hook can read it only "
                          "while the packets of its flow are held: it can be "
                          "moved, but not copied", t->name, h->name);
    }
    st->stopped = true;
    return 0;
}

int
st_hooks_save(struct st *st, const struct st_type *t, const uint8_t *object,
              struct mbox_writer *w)
{
    int error = 0;

    for (uint32_t i = 0; !error && i < t->n_hooks; i++) {
        uint32_t n = in_use(&t->hooks[i], object);

        error = n ? stop(st, t, &t->hooks[i], st->running) : 0;
        for (uint32_t j = 0; !error && j < n; j++) {
            error = save(st, t, &t->hooks[i], object, j, w);
        }
    }
    return error;
}

static void
put_text(struct mbox_writer *w, enum image_look kind, const char *text)
{
    mbox_put_u8(w, kind);
    mbox_put_string(w, text);
}

/* What people may see of one member. */
static int
look(const struct st_hook *h, const uint8_t *object, uint32_t index,
     struct mbox_writer *w)
{
    size_t start = w->len;
    char text[TEXT_SIZE] = "";
    int error;

    if (h->functions->describe) {
        error = h->functions->describe(
            owner(h, (uint8_t *) (uintptr_t) object, index), index, text,
            sizeof text);
        text[sizeof text - 1] = '\0';
        put_text(w, error ? IMAGE_LOOK_ERROR : IMAGE_LOOK_TEXT,
                 error ? strerror(-st_hooks_error(error)) : text);
    } else if (h->functions->resume) {
        put_text(w, IMAGE_LOOK_ERROR, "not read: its flow would have to stand "
                 "still");
    } else {
        mbox_put_u8(w, IMAGE_LOOK_BYTES);
        put_saved(h, object, index, w, &error);
        if (error) {
            w->len = start;
            put_text(w, IMAGE_LOOK_ERROR, strerror(-error));
        }
    }
    return w->error;
}

int
st_hooks_look(const struct st_type *t, const uint8_t *object,
              struct mbox_writer *w)
{
    int error = 0;

    for (uint32_t i = 0; !error && i < t->n_hooks; i++) {
        uint32_t n = in_use(&t->hooks[i], object);

        for (uint32_t j = 0; !error && j < n; j++) {
            error = look(&t->hooks[i], object, j, w);
        }
    }
    return error;
}

static int
load(struct st *st, const struct st_type *t, const struct st_hook *h,
     uint8_t *object, uint32_t index, struct mbox_reader *r)
{
    uint32_t size = mbox_get_u32(r);
    const void *data = mbox_get_bytes(r, size);

    if (!data) {
        return st_error(st, -EPROTO, "state to import is malformed: "
                        "truncated");
    }
    int error = h->functions->load(owner(h, object, index), index, data, size);
    if (error) {
        error = st_hooks_error(error);
        st_error(st, error, "%s.%s: its hook refuses what is to be imported: "
                 "%s", t->name, h->name, strerror(-error));
    }
    return error;
}

int
st_hooks_load(struct st *st, const struct st_type *t, uint8_t *object,
              struct mbox_reader *r, uint64_t *n_loaded)
{
    for (uint32_t i = 0; i < t->n_hooks; i++) {
        const struct st_hook *h = &t->hooks[i];
        uint32_t n = in_use(h, object);
        int error = n ? stop(st, t, h, false) : 0;

        if (error) {
            return error;
        }
        for (uint32_t j = 0; j < n; j++) {
            error = load(st, t, h, object, j, r);

            if (error) {
                return error;
            }
            ++*n_loaded;
        }
    }
    return 0;
}

uint64_t
st_hooks_release(const struct st_type *t, uint8_t *object, uint64_t left)
{
    for (uint32_t i = 0; i < t->n_hooks; i++) {
        const struct st_hook *h = &t->hooks[i];
        uint32_t n = in_use(h, object);

        for (uint32_t j = 0; left && j < n; j++, left--) {
            h->functions->release(owner(h, object, j), j);
        }
    }
    return left;
}

void
st_hooks_resume(const struct st_type *t, uint8_t *object)
{
    for (uint32_t i = 0; i < t->n_hooks; i++) {
        const struct st_hook *h = &t->hooks[i];
        uint32_t n = h->functions->resume ? in_use(h, object) : 0;

        for (uint32_t j = 0; j < n; j++) {
            h->functions->resume(owner(h, object, j), j);
        }
    }
}
