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

#ifndef BETWEEN_H
#define BETWEEN_H 1

/* What is linked with programs that call between() has in common.  Who
 * includes this says before how many keys there may be, by KEYS_MAX. */

#include <assert.h>
#include "heap.h"
#include "program-state.h"

extern const struct st_program mbox_state_program;
void between(void);

/* The program is linked without the runtime first. */
#pragma weak mbox_state_program
#pragma weak st_create
#pragma weak st_destroy
#pragma weak st_list
#pragma weak st_get
#pragma weak st_look
#pragma weak st_put
#pragma weak st_wait
#pragma weak st_del
#pragma weak st_count
#pragma weak st_heap_track
#pragma weak st_on_change
#pragma weak st_is_changed_by_packet
#pragma weak st_packet_ends
#pragma weak mbox_writer_init
#pragma weak mbox_writer_uninit
#pragma weak mbox_key_equal

struct keys {
    struct mbox_key keys[KEYS_MAX];
    size_t n;
};

static void __attribute__((constructor))
start(void)
{
    if (st_heap_track) {
        st_heap_track();
    }
}

static int
add_key(const struct mbox_key *key, void *keys_)
{
    struct keys *keys = keys_;

    assert(keys->n < KEYS_MAX);
    keys->keys[keys->n++] = *key;
    return 0;
}

/* That of the client: servers have 53. */
static unsigned int
port_of(const struct mbox_key *key)
{
    return key->src_port == 53 ? key->dst_port : key->src_port;
}

#endif /* between.h */
