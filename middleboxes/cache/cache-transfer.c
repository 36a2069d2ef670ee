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
#include "cache-program.h"

#include "mb-state.h"

/* State functions.  The proxy fills a writer, the library takes a chunk.
 * There is one worker, because all flows share the store. */

static int
flow_list(void *program_, unsigned int worker,
          const struct mbox_space *space, mbox_list_cb *cb, void *aux)
{
    struct program *program = program_;
    struct mb_list list = { space, cb, aux };

    (void) worker;
    return proxy_flow_list(program->proxy, mb_list_flow, &list);
}

static int
flow_get(void *program_, unsigned int worker, const struct mbox_key *key,
         struct mbox_chunk *chunk)
{
    struct program *program = program_;
    struct mbox_writer w;

    (void) worker;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    return mb_chunk_from_writer(chunk, &w,
                                proxy_flow_get(program->proxy, key, &w));
}

static int
flow_put(void *program_, unsigned int worker, const struct mbox_key *key,
         const void *data, size_t len, enum mbox_put_mode mode)
{
    struct program *program = program_;

    /* A flow is in one place: there is nothing to merge with. */
    (void) mode;
    (void) worker;
    return proxy_flow_put(program->proxy, key, data, len);
}

static int
flow_del(void *program_, unsigned int worker, const struct mbox_key *key)
{
    struct program *program = program_;

    (void) worker;
    return proxy_flow_del(program->proxy, key);
}

const struct mbox_state_ops cache_flow_ops = {
    .list = flow_list, .get = flow_get, .put = flow_put, .del = flow_del,
};

/* Objects, of which those go that clients of the flow space used last.  They
 * stay here, too, where others may use them. */

#define MAX_LATE 64

static int
list_objects(void *program_, mb_key_cb *cb, void *aux)
{
    struct program *program = program_;

    return proxy_object_list(program->proxy, cb, aux);
}

static int
object_list(void *program, unsigned int worker,
            const struct mbox_space *space, mbox_list_cb *cb, void *aux)
{
    struct mb_list list = { space, cb, aux };

    (void) worker;
    return mb_list_shared(&list, MAX_LATE, list_objects, program);
}

static int
object_get(void *program_, unsigned int worker, const struct mbox_key *key,
           struct mbox_chunk *chunk)
{
    struct program *program = program_;
    struct mbox_writer w;

    (void) worker;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    return mb_chunk_from_writer(chunk, &w,
                                proxy_object_get(program->proxy, key, &w));
}

static int
object_put(void *program_, unsigned int worker, const struct mbox_key *key,
           const void *data, size_t len, enum mbox_put_mode mode)
{
    struct program *program = program_;

    /* The newer one of two stays, in either mode. */
    (void) mode;
    (void) worker;
    return proxy_object_put(program->proxy, key, data, len);
}

const struct mbox_state_ops cache_object_ops = {
    .list = object_list, .get = object_get, .put = object_put,
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
    proxy_config_get(program->proxy, &w);
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
    return proxy_config_put(program->proxy, data, len);
}

const struct mbox_state_ops cache_config_ops = {
    .list = mb_list_one, .get = config_get, .put = config_put,
    .del = mb_del_nothing,
};
