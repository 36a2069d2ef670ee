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
#include "lb-program.h"

#include "mb-state.h"

/* State functions.  The core fills a writer, the library takes a chunk.  There
 * is one worker, because address translation makes a connection two flows. */

/* Returns the core, with its clock set. */
static struct lb *
get_core(const struct program *program)
{
    lb_set_time(program->lb, mb_clock_ns(CLOCK_MONOTONIC));
    return program->lb;
}

static int
list_conn(void *ctx_, const struct mbox_key *key, const struct mbox_key *back)
{
    const struct mb_list *ctx = ctx_;

    (void) back;
    return mbox_space_match(ctx->space, key) ? ctx->cb(key, ctx->aux) : 0;
}

static int
conn_list(void *program_, unsigned int worker, const struct mbox_space *space,
          mbox_list_cb *cb, void *aux)
{
    struct program *program = program_;
    struct mb_list ctx = { space, cb, aux };

    (void) worker;
    return lb_state_list(program->lb, list_conn, &ctx);
}

static int
list_alias(void *ctx_, const struct mbox_key *key,
           const struct mbox_key *back)
{
    const struct mb_list *ctx = ctx_;

    return (back && mbox_space_match(ctx->space, key)
            ? ctx->cb(back, ctx->aux) : 0);
}

int
lb_list_aliases(void *program_, unsigned int worker,
                const struct mbox_space *space, mbox_list_cb *cb, void *aux)
{
    struct program *program = program_;
    struct mb_list ctx = { space, cb, aux };

    (void) worker;
    return lb_state_list(program->lb, list_alias, &ctx);
}

static int
conn_get(void *program, unsigned int worker, const struct mbox_key *key,
         struct mbox_chunk *chunk)
{
    struct mbox_writer w;
    struct mbox_key back;
    int error;

    (void) worker;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    error = lb_state_get(get_core(program), key, &w, &back);
    if (!error && back.family) {
        mbox_chunk_add_key(chunk, &back);
    }
    return mb_chunk_from_writer(chunk, &w, error);
}

static int
conn_put(void *program, unsigned int worker, const struct mbox_key *key,
         const void *data, size_t len, enum mbox_put_mode mode)
{
    /* A connection is in one place: there is nothing to merge with. */
    (void) mode;
    (void) worker;
    return lb_state_put(get_core(program), key, data, len);
}

static int
conn_del(void *program_, unsigned int worker, const struct mbox_key *key)
{
    struct program *program = program_;

    (void) worker;
    return lb_state_del(program->lb, key);
}

const struct mbox_state_ops lb_conn_ops = {
    .list = conn_list, .get = conn_get, .put = conn_put, .del = conn_del,
};

/* Health and configuration: one of each, which stay with the instance. */

static int
health_get(void *program, unsigned int worker, const struct mbox_key *key,
           struct mbox_chunk *chunk)
{
    struct mbox_writer w;

    (void) worker;
    (void) key;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    lb_health_get(get_core(program), &w);
    return mb_chunk_from_writer(chunk, &w, w.error);
}

static int
health_put(void *program, unsigned int worker, const struct mbox_key *key,
           const void *data, size_t len, enum mbox_put_mode mode)
{
    (void) worker;
    (void) key;
    (void) mode;
    return lb_health_put(get_core(program), data, len);
}

const struct mbox_state_ops lb_health_ops = {
    .list = mb_list_one, .get = health_get, .put = health_put,
    .del = mb_del_nothing,
};

static int
config_get(void *program, unsigned int worker, const struct mbox_key *key,
           struct mbox_chunk *chunk)
{
    struct mbox_writer w;

    (void) worker;
    (void) key;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    lb_config_get(get_core(program), &w);
    return mb_chunk_from_writer(chunk, &w, w.error);
}

static int
config_put(void *program, unsigned int worker, const struct mbox_key *key,
           const void *data, size_t len, enum mbox_put_mode mode)
{
    (void) worker;
    (void) key;
    (void) mode;
    return lb_config_put(get_core(program), data, len);
}

const struct mbox_state_ops lb_config_ops = {
    .list = mb_list_one, .get = config_get, .put = config_put,
    .del = mb_del_nothing,
};
