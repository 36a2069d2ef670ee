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

/* Messages: the decoder by itself, and a channel that reads the input from its
 * peer. */

#include "mbox-channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "mbox-chunk.h"
#include "mbox-tag.h"

uint64_t test_random(void);

/* Encoding again what was decoded gives a frame that decodes to the same. */
static void
check_message(const struct mbox_msg *msg)
{
    struct mbox_msg again;
    struct mbox_writer w;
    char s[MBOX_SPACE_STRLEN];

    FUZZ_CHECK(mbox_msg_type_to_string(msg->type));
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key;

        mbox_msg_get_key(msg, i, &key);
        FUZZ_CHECK(key.family == 0 || key.family == 4 || key.family == 6);
    }
    mbox_space_format(&msg->space, s, sizeof s);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_msg_encode(msg, NULL, &w);
    FUZZ_CHECK(!w.error);
    FUZZ_CHECK(mbox_msg_frame_length(w.data, w.len) == (int) w.len);
    FUZZ_CHECK(!mbox_msg_decode(w.data, w.len, &again));

    /* Only pointers may differ. */
    FUZZ_CHECK(again.data_len == msg->data_len);
    FUZZ_CHECK(!msg->data_len
               || !memcmp(again.data, msg->data, msg->data_len));
    again.key_data = msg->key_data;
    again.data = msg->data;
    FUZZ_CHECK(!memcmp(&again, msg, offsetof(struct mbox_msg, name)));
    FUZZ_CHECK(!strcmp(again.name, msg->name));
    FUZZ_CHECK(!strcmp(again.class_name, msg->class_name));
    FUZZ_CHECK(!strcmp(again.text, msg->text));
    mbox_writer_uninit(&w);
}

/* Decodes a frame in the ways that there are, which agree. */
static void
try_frame(const uint8_t *data, size_t size)
{
    struct mbox_msg msg, chunk;
    struct mbox_key key;

    int error = mbox_msg_decode(data, size, &msg);
    if (!error) {
        check_message(&msg);
    }
    mbox_msg_init(&chunk, MBOX_MSG_CHUNK, 0);
    if (mbox_chunk_decode_flow(data, size, &chunk, &key)) {
        FUZZ_CHECK(!error);
        FUZZ_CHECK(!memcmp(&chunk, &msg, offsetof(struct mbox_msg, name)));
    }
}

static void
try_channel(const uint8_t *data, size_t size)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
        return;
    }

    struct mbox_channel *ch = mbox_channel_from_fd(fds[0]);
    int error;
    if (size && write(fds[1], data, size) != (ssize_t) size) {
        abort();
    }
    close(fds[1]);
    do {
        struct mbox_msg msg;

        mbox_channel_run(ch);
        error = mbox_channel_recv(ch, &msg, NULL, NULL, NULL);
    } while (!error || error == -EAGAIN);
    FUZZ_CHECK(error == -EPROTO || error == -ECONNRESET);
    FUZZ_CHECK(mbox_channel_error(ch));
    mbox_channel_close(ch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t ofs = 0;

    while (ofs < size) {
        int length = mbox_msg_frame_length(data + ofs, size - ofs);

        if (length <= 0) {
            break;
        }
        try_frame(data + ofs, length);
        ofs += length;
    }
    try_frame(data, size);
    if (size <= FUZZ_MAX_INPUT) {
        try_channel(data, size);
    }
    return 0;
}

/* Fills in every field that any type may have. */
static void
make_message(struct mbox_msg *msg, struct mbox_key *keys)
{
    uint64_t r = test_random();

    mbox_msg_init(msg, 1 + r % MBOX_MSG_STAYS, r >> 8);
    msg->code = 5;
    msg->role = 1 + (r >> 10) % 2;
    msg->method = 1 + (r >> 11) % 3;
    msg->guarantee = 1 + (r >> 13) % 3;
    msg->scope = 1 << (r >> 15) % 4;
    msg->select = 1 + (r >> 17) % 2;
    msg->kind = 1 + (r >> 18) % MBOX_TAG_N_KINDS;
    msg->merge = r >> 21 & 1;
    msg->more = r >> 22 & 1;
    msg->describe = r >> 23 & 1;
    msg->options = r >> 24 & MBOX_OPT_MASK;
    strcpy(msg->name, "ids1");
    strcpy(msg->class_name, "ids");
    strcpy(msg->text, "text");
    msg->n_keys = 1 + (r >> 22) % 3;
    memset(keys, 0, 3 * sizeof *keys);
    for (int i = 0; i < 3; i++) {
        keys[i].family = 4;
        keys[i].vlan = MBOX_VLAN_NONE;
    }
    mbox_space_init_key(&msg->space, keys);
    if (!(r >> 40 & 3)) {       /* See mbox_chunk_decode_flow(). */
        msg->type = MBOX_MSG_CHUNK;
        msg->scope = MBOX_SCOPE_PER_FLOW;
        msg->n_keys = 1;
        msg->merge = false;
    }
    msg->data = "\0\0\0\10\0\2\0\0\0\0\0\0";      /* For a relay. */
    msg->data_len = 12;
}

size_t
fuzz_make_input(uint8_t *data, size_t size)
{
    struct mbox_writer w;

    mbox_writer_init(&w, size);
    for (int i = test_random() % 4; i >= 0; i--) {
        struct mbox_key keys[3];
        struct mbox_msg msg;

        make_message(&msg, keys);
        mbox_msg_encode(&msg, keys, &w);
        w.error = 0;            /* Not every number is a type. */
    }

    size_t len = w.len;
    if (len) {
        memcpy(data, w.data, len);
    }
    mbox_writer_uninit(&w);
    return len;
}
