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

#ifndef MBOX_RANDOM_MSG_H
#define MBOX_RANDOM_MSG_H 1

/* Random keys, flow spaces and messages of every type. */

#include "mbox-msg.h"
#include "mbox-tag.h"
#include "test-util.h"

#define RANDOM_MSG_MAX_KEYS 20
#define RANDOM_MSG_MAX_DATA 600

/* A message with what it points to. */
struct random_msg {
    struct mbox_msg msg;
    struct mbox_key keys[RANDOM_MSG_MAX_KEYS];
    uint8_t data[RANDOM_MSG_MAX_DATA];
};

static const uint16_t all_msg_types[] = {
    MBOX_MSG_ERROR, MBOX_MSG_ECHO_REQUEST, MBOX_MSG_ECHO_REPLY,
    MBOX_MSG_HELLO, MBOX_MSG_WELCOME, MBOX_MSG_PREPARE, MBOX_MSG_PREPARED,
    MBOX_MSG_EXPORT, MBOX_MSG_PRECOPY, MBOX_MSG_RETURN, MBOX_MSG_RETURNING,
    MBOX_MSG_BUFFER, MBOX_MSG_BUFFERING, MBOX_MSG_TRACER_SEEN,
    MBOX_MSG_RELEASE, MBOX_MSG_INSTALLED, MBOX_MSG_PACKET, MBOX_MSG_FLUSHED,
    MBOX_MSG_COMMIT, MBOX_MSG_COMMITTED, MBOX_MSG_ABORT, MBOX_MSG_ABORTED,
    MBOX_MSG_RELAY, MBOX_MSG_STATS_REQUEST, MBOX_MSG_STATS, MBOX_MSG_OPEN,
    MBOX_MSG_RESOLVE, MBOX_MSG_RESOLVED, MBOX_MSG_ALIASES, MBOX_MSG_STREAM,
    MBOX_MSG_CHUNK, MBOX_MSG_GONE, MBOX_MSG_FROZEN, MBOX_MSG_END,
    MBOX_MSG_LAYOUT, MBOX_MSG_STAYS,
};
#define N_MSG_TYPES (sizeof all_msg_types / sizeof all_msg_types[0])

static inline void
random_key(struct mbox_key *key)
{
    static const uint8_t families[] = { 0, 4, 6 };

    test_random_bytes(key, sizeof *key);
    key->family = families[test_random_range(3)];
    key->vlan = test_random() & 1 ? MBOX_VLAN_NONE : key->vlan & 0xfff;
}

static inline void
random_space(struct mbox_space *space)
{
    uint8_t *v = (uint8_t *) &space->value;
    uint8_t *m = (uint8_t *) &space->mask;

    memset(space, 0, sizeof *space);
    random_key(&space->value);
    test_random_bytes(m, sizeof space->mask);
    space->mask.family = test_random() & 1 ? 0xff : 0;
    space->mask.proto = test_random() & 1 ? 0xff : 0;
    for (size_t i = 0; i < sizeof space->value; i++) {
        v[i] &= m[i];
    }
    space->one_way = test_random() & 1;
}

/* A string of up to 'max' characters out of 'chars'. */
static inline void
random_string(char *s, size_t min, size_t max, const char *chars)
{
    size_t n = min + test_random_range(max - min + 1);
    size_t n_chars = strlen(chars);

    for (size_t i = 0; i < n; i++) {
        s[i] = chars[test_random_range(n_chars)];
    }
    s[n] = '\0';
}

/* Fills 'rm' with a message of 'type' in which every field has a random value,
 * also those that the type does not use. */
static inline void
random_msg(struct random_msg *rm, enum mbox_msg_type type)
{
    struct mbox_msg *msg = &rm->msg;

    test_random_bytes(rm, sizeof *rm);
    msg->type = type;
    msg->merge = test_random() & 1;
    msg->more = test_random() & 1;
    msg->describe = test_random() & 1;
    msg->scopes &= MBOX_SCOPE_MASK;
    msg->options &= MBOX_OPT_MASK;
    msg->role = 1 + test_random_range(2);
    msg->method = 1 + test_random_range(3);
    msg->guarantee = 1 + test_random_range(3);
    msg->scope = 1 << test_random_range(4);
    msg->select = 1 + test_random_range(2);
    msg->kind = 1 + test_random_range(MBOX_TAG_N_KINDS);
    random_string(msg->name, 1, MBOX_NAME_MAX, "azAZ09_.-");
    random_string(msg->class_name, 1, MBOX_NAME_MAX, "azAZ09_.-");
    random_string(msg->address, 0, MBOX_ADDRESS_MAX, "az:09.");
    random_string(msg->why, 0, MBOX_WHY_MAX, "az 09.");
    random_string(msg->fingerprint, 0, MBOX_FINGERPRINT_LEN, "af09");
    random_string(msg->output, 0, MBOX_NAME_MAX, "az09_");
    random_string(msg->outputs, 0, MBOX_TEXT_MAX, "az09_,");
    random_string(msg->text, 0, MBOX_TEXT_MAX, "az 09,\xc3\xa4");
    random_space(&msg->space);

    msg->n_keys = test_random_range(RANDOM_MSG_MAX_KEYS + 1);
    if (type == MBOX_MSG_CHUNK && msg->scope <= MBOX_SCOPE_MULTI_FLOW
        && !msg->n_keys) {
        msg->n_keys = 1;
    }
    msg->key_data = NULL;
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        random_key(&rm->keys[i]);
    }

    msg->data = rm->data;
    msg->data_len = test_random_range(RANDOM_MSG_MAX_DATA + 1);
    if (type == MBOX_MSG_RELAY) {
        msg->data_len += msg->data_len < 12 ? 12 : 0;
        rm->data[0] = rm->data[1] = 0;
        rm->data[2] = (msg->data_len - 4) >> 8;
        rm->data[3] = (msg->data_len - 4) & 0xff;
    }
}

#endif /* random-msg.h */
