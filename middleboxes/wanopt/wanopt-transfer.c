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
#include "wanopt-program.h"

#include "mb-state.h"

/* State functions.  The core fills a writer, the library takes a chunk.  There
 * is one worker, because all flows share the dictionary. */

/* Returns the core, with its clock set. */
static struct wanopt *
get_core(const struct program *program)
{
    wanopt_set_time(program->wanopt, mb_clock_ns(CLOCK_MONOTONIC));
    return program->wanopt;
}

static int
flow_list(void *program_, unsigned int worker, const struct mbox_space *space,
          mbox_list_cb *cb, void *aux)
{
    struct program *program = program_;
    struct mb_list list = { space, cb, aux };

    (void) worker;
    return wanopt_flow_list(program->wanopt, mb_list_flow, &list);
}

static int
flow_get(void *program, unsigned int worker, const struct mbox_key *key,
         struct mbox_chunk *chunk)
{
    struct mbox_writer w;

    (void) worker;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    return mb_chunk_from_writer(chunk, &w,
                                wanopt_flow_get(get_core(program), key, &w));
}

static int
flow_put(void *program, unsigned int worker, const struct mbox_key *key,
         const void *data, size_t len, enum mbox_put_mode mode)
{
    /* A flow is in one place: there is nothing to merge with. */
    (void) mode;
    (void) worker;
    return wanopt_flow_put(get_core(program), key, data, len);
}

static int
flow_del(void *program_, unsigned int worker, const struct mbox_key *key)
{
    struct program *program = program_;

    (void) worker;
    return wanopt_flow_del(program->wanopt, key);
}

const struct mbox_state_ops wanopt_flow_ops = {
    .list = flow_list, .get = flow_get, .put = flow_put, .del = flow_del,
};

/* The dictionary, of which the chunks go that hosts of the flow space used
 * last. */

#define MAX_LATE 1024

static int
list_chunks(void *program_, mb_key_cb *cb, void *aux)
{
    struct program *program = program_;

    return wanopt_chunk_list(program->wanopt, cb, aux);
}

static int
chunk_list(void *program, unsigned int worker, const struct mbox_space *space,
           mbox_list_cb *cb, void *aux)
{
    struct mb_list list = { space, cb, aux };

    return worker ? 0 : mb_list_shared(&list, MAX_LATE, list_chunks, program);
}

static int
chunk_get(void *program_, unsigned int worker, const struct mbox_key *key,
          struct mbox_chunk *chunk)
{
    struct program *program = program_;
    struct mbox_writer w;

    (void) worker;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    return mb_chunk_from_writer(chunk, &w,
                                wanopt_chunk_get(program->wanopt, key, &w));
}

static int
chunk_put(void *program_, unsigned int worker, const struct mbox_key *key,
          const void *data, size_t len, enum mbox_put_mode mode)
{
    struct program *program = program_;

    /* To merge is to add: a name has one content. */
    (void) mode;
    (void) worker;
    return wanopt_chunk_put(program->wanopt, key, data, len);
}

const struct mbox_state_ops wanopt_chunk_ops = {
    .list = chunk_list, .get = chunk_get, .put = chunk_put,
    .del = mb_del_nothing,
};

/* Configuration: one, which stays with the instance. */

static int
config_get(void *program_, unsigned int worker, const struct mbox_key *key,
           struct mbox_chunk *chunk)
{
    struct program *program = program_;
    struct mbox_writer w;

    (void) worker;
    (void) key;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    wanopt_config_get(program->wanopt, &w);
    return mb_chunk_from_writer(chunk, &w, w.error);
}

static int
config_put(void *program_, unsigned int worker, const struct mbox_key *key,
           const void *data, size_t len, enum mbox_put_mode mode)
{
    struct program *program = program_;

    (void) worker;
    (void) key;
    (void) mode;
    return wanopt_config_put(program->wanopt, data, len);
}

const struct mbox_state_ops wanopt_config_ops = {
    .list = mb_list_one, .get = config_get, .put = config_put,
    .del = mb_del_nothing,
};
