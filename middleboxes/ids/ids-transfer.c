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
#include "ids-program.h"

#include <errno.h>
#include "mb-state.h"

/* State functions.  The core fills a writer, the library takes a chunk. */

/* Returns the worker's core, with its clock set. */
static struct ids *
get_core(struct program *program, unsigned int worker)
{
    struct ids *ids = program->workers[worker].ids;

    ids_set_time(ids, mb_clock_ns(CLOCK_MONOTONIC));
    return ids;
}

static int
flow_list(void *program_, unsigned int worker, const struct mbox_space *space,
          mbox_list_cb *cb, void *aux)
{
    struct program *program = program_;
    struct mb_list ctx = { space, cb, aux };

    return ids_state_list(program->workers[worker].ids, mb_list_flow, &ctx);
}

static int
flow_get(void *program_, unsigned int worker, const struct mbox_key *key,
         struct mbox_chunk *chunk)
{
    struct program *program = program_;
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    return mb_chunk_from_writer(chunk, &w,
                                ids_state_get(get_core(program, worker), key,
                                              &w));
}

static int
flow_put(void *program_, unsigned int worker, const struct mbox_key *key,
         const void *data, size_t len, enum mbox_put_mode mode)
{
    struct program *program = program_;

    /* A flow is in one place: there is nothing to merge with. */
    (void) mode;
    return ids_state_put(get_core(program, worker), key, data, len);
}

static int
flow_del(void *program_, unsigned int worker, const struct mbox_key *key)
{
    struct program *program = program_;

    return ids_state_del(program->workers[worker].ids, key);
}

const struct mbox_state_ops ids_flow_ops = {
    .list = flow_list, .get = flow_get, .put = flow_put, .del = flow_del,
};

static int
list_host(void *ctx_, const struct mbox_key *key)
{
    const struct mb_list *ctx = ctx_;

    return (mbox_space_match_host(ctx->space, key->family, key->src)
            != MBOX_MATCH_NONE ? ctx->cb(key, ctx->aux) : 0);
}

/* The detector serves all workers: it is listed for the first one only. */
static int
scan_list(void *program_, unsigned int worker, const struct mbox_space *space,
          mbox_list_cb *cb, void *aux)
{
    struct program *program = program_;
    struct mb_list ctx = { space, cb, aux };

    return worker ? 0 : ids_scan_list(program->scan, list_host, &ctx);
}

static int
scan_get(void *program_, unsigned int worker, const struct mbox_key *key,
         struct mbox_chunk *chunk)
{
    struct program *program = program_;
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    return mb_chunk_from_writer(chunk, &w,
                                ids_scan_state_get(get_core(program, worker),
                                                   key, &w));
}

static int
scan_put(void *program_, unsigned int worker, const struct mbox_key *key,
         const void *data, size_t len, enum mbox_put_mode mode)
{
    struct program *program = program_;

    return ids_scan_state_put(get_core(program, worker), key, data, len,
                              mode == MBOX_PUT_MERGE);
}

static int
scan_del(void *program_, unsigned int worker, const struct mbox_key *key)
{
    struct program *program = program_;

    (void) worker;
    return ids_scan_del(program->scan, key);
}

const struct mbox_state_ops ids_scan_ops = {
    .list = scan_list, .get = scan_get, .put = scan_put, .del = scan_del,
};

/* Configuration: one, which stays with the instance. */

static int
config_get(void *program_, unsigned int worker, const struct mbox_key *key,
           struct mbox_chunk *chunk)
{
    struct program *program = program_;
    struct mbox_writer w;

    (void) key;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    ids_config_state_get(program->workers[worker].ids, &w);
    return mb_chunk_from_writer(chunk, &w, w.error);
}

static int
config_put(void *program_, unsigned int worker, const struct mbox_key *key,
           const void *data, size_t len, enum mbox_put_mode mode)
{
    struct program *program = program_;

    (void) key;
    (void) mode;
    return ids_config_state_put(program->workers[worker].ids, data, len);
}

const struct mbox_state_ops ids_config_ops = {
    .list = mb_list_one, .get = config_get, .put = config_put,
    .del = mb_del_nothing,
};
