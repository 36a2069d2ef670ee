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

/* Linked with a state-enabled test program, which calls between() after each
 * capture: after the first, moves flows by a file, with what the generator
 * wrote for the program, but without a switch.
 *
 *   MOVE_OUT=FILE   writes flows from odd ports to it, and deletes them
 *   MOVE_IN=FILE    imports what is in it, after many damaged copies of it;
 *                   with INTACT=1 without those
 *   COPY_OUT=FILE   writes all hosts to it, and keeps them
 *   MERGE_IN=FILE   combines them with those here
 *   TELL_OUT=FILE   writes of all flows what mbox/state would answer
 *
 * and of what is written out, with OUTPUT=FUNCTION, only what that output
 * function needs. */

#define KEYS_MAX 1000

#include "between.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAMAGED 300             /* Copies of each flow. */

static void
complain(void *quiet, const char *message)
{
    if (!*(bool *) quiet) {
        fprintf(stderr, "%s\n", message);
    }
}

static bool
is_odd(const struct mbox_key *key)
{
    return port_of(key) % 2;
}

static void
check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "between: %s\n", what);
        exit(1);
    }
}

static int
wanted_output(void)
{
    const char *name = getenv("OUTPUT");

    for (uint32_t i = 0; name && i < mbox_state_program.n_outputs; i++) {
        if (!strcmp(mbox_state_program.outputs[i], name)) {
            return i;
        }
    }
    check(!name, "no such output function");
    return -1;
}

/* Moves flows, or copies hosts. */
static void
put_out(struct st *st, bool flows, FILE *stream)
{
    struct keys keys = { .n = 0 };

    check(!st_list(st, flows, add_key, &keys), "list");
    for (size_t i = 0; i < keys.n; i++) {
        struct mbox_writer w;

        if (flows && !is_odd(&keys.keys[i])) {
            continue;
        }
        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        check(!st_get(st, flows, &keys.keys[i], wanted_output(), &w),
              "export");
        check(!flows || !st_del(st, true, &keys.keys[i]), "delete");
        fwrite(&keys.keys[i], sizeof keys.keys[i], 1, stream);
        fwrite(&w.len, sizeof w.len, 1, stream);
        fwrite(w.data, w.len, 1, stream);
        mbox_writer_uninit(&w);
    }
}

static void
put_hex(const void *data, size_t len, FILE *stream)
{
    for (size_t i = 0; i < len; i++) {
        fprintf(stream, "%02x", ((const uint8_t *) data)[i]);
    }
}

static void
tell(struct st *st, FILE *stream)
{
    struct keys keys = { .n = 0 };

    check(!st_list(st, true, add_key, &keys), "list");
    fprintf(stream, "{ \"instance\": \"%s\", \"class\": \"test\", "
            "\"schema\": \"0\", \"product\": \"\", \"layout\": \"",
            mbox_state_program.name);
    put_hex(mbox_state_program.layout, strlen(mbox_state_program.layout),
            stream);
    fputs("\", \"states\": [", stream);
    for (size_t i = 0; i < keys.n; i++) {
        struct mbox_writer w;

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        check(!st_look(st, true, &keys.keys[i], wanted_output(), &w), "look");
        fprintf(stream, "%s{ \"scope\": \"per-flow\", \"keys\": [\"%u\"], "
                "\"data\": \"", i ? ", " : "",
                (keys.keys[i].src_port == 53 ? keys.keys[i].dst_port
                 : keys.keys[i].src_port));
        put_hex(w.data, w.len, stream);
        fputs("\" }", stream);
        mbox_writer_uninit(&w);
    }
    fputs("] }\n", stream);
}

/* Whatever becomes of damaged state, the program's containers are as it keeps
 * them, and have that flow or not. */
static void
put_damaged(struct st *st, const struct mbox_key *key, const uint8_t *data,
            size_t len)
{
    uint64_t before = st_count(st, true);
    uint8_t *damaged = malloc(len);

    assert(damaged);
    for (int i = 0; i < DAMAGED; i++) {
        memcpy(damaged, data, len);
        for (int n = rand() % 4; n >= 0; n--) {
            damaged[rand() % len] = rand();
        }
        bool in = !st_put(st, true, key, damaged, len, false);
        in |= st_count(st, true) > before;

        struct keys keys = { .n = 0 };
        check(!st_list(st, true, add_key, &keys), "list of damaged");
        check(keys.n == before + in, "count");
        if (i % 2) {
            check(!st_del(st, true, key) == in, "delete of damaged");
            check(st_count(st, true) == before, "count after delete");
        }
    }
    st_del(st, true, key);
    free(damaged);
}

static void
take_in(struct st *st, bool flows, FILE *stream, bool *quiet)
{
    struct mbox_key key;
    size_t len;

    while (fread(&key, sizeof key, 1, stream) == 1) {
        check(fread(&len, sizeof len, 1, stream) == 1, "length");
        uint8_t *data = malloc(len);

        assert(data);
        check(fread(data, len, 1, stream) == 1, "data");
        if (flows && !getenv("INTACT")) {
            *quiet = true;
            put_damaged(st, &key, data, len);
            *quiet = false;
        }
        check(!st_put(st, flows, &key, data, len, !flows), "import");
        free(data);
    }
}

void
between(void)
{
    static bool done;
    const char *out = getenv("MOVE_OUT"), *in = getenv("MOVE_IN");
    const char *tell_out = getenv("TELL_OUT");
    bool flows = out || in, quiet = false;

    if (tell_out) {
        out = tell_out;
    } else if (!flows) {
        out = getenv("COPY_OUT");
        in = getenv("MERGE_IN");
    }
    FILE *stream = (done ? NULL : out ? fopen(out, "w")
                    : in ? fopen(in, "r") : NULL);

    done = true;
    if (!stream) {
        return;
    }
    struct st *st = st_create(&mbox_state_program, complain, &quiet);
    assert(st);
    st_wait(st, true);
    if (tell_out) {
        tell(st, stream);
    } else if (out) {
        put_out(st, flows, stream);
    } else {
        take_in(st, flows, stream, &quiet);
    }
    st_destroy(st);
    fclose(stream);
}
