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

/* Linked with a state-enabled test program, which calls between() after
 * packets.  The first time, writes out all flows; then prints the ports of
 * those that have changed since, and writes out these again. */

#define KEYS_MAX 100

#include "between.h"
#include <stdio.h>
#include <stdlib.h>

static struct st *st;
static struct keys all, changed;

static void
complain(void *aux, const char *message)
{
    (void) aux;
    fprintf(stderr, "%s\n", message);
}

static void
on_change(bool per_flow, const struct mbox_key *key, void *keys)
{
    assert(per_flow);
    add_key(key, keys);
}

static int
compare(const void *a, const void *b)
{
    return (int) port_of(a) - (int) port_of(b);
}

/* Writes them out; some may have ended. */
static void
get(const struct keys *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        struct mbox_writer w;

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        st_get(st, true, &keys->keys[i], -1, &w);
        mbox_writer_uninit(&w);
    }
}

void
between(void)
{
    if (!st) {
        st = st_create(&mbox_state_program, complain, NULL);
        assert(st);
        st_on_change(st, on_change, &changed);
        if (st_list(st, true, add_key, &all)) {
            exit(1);
        }
        get(&all);
        return;
    }

    bool by_packet = false;
    for (size_t i = 0; i < all.n; i++) {
        if (port_of(&all.keys[i]) == 2000) {
            by_packet = st_is_changed_by_packet(st, true, &all.keys[i]);
        }
    }
    st_packet_ends(st);
    qsort(changed.keys, changed.n, sizeof *changed.keys, compare);
    printf("changed:");
    for (size_t i = 0; i < changed.n; i++) {
        printf(" %u", port_of(&changed.keys[i]));
    }
    puts(by_packet ? " and the packet's" : "");
    fflush(stdout);
    get(&changed);
    changed.n = 0;
}
