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

#include "mbox-msg.h"

#include <errno.h>
#include <libdeflate.h>
#include <string.h>

#include "mbox-tag.h"

/* Bytes of the length field, which do not count in it. */
#define LENGTH_LEN 4

/* Fields on the wire, in the order in which a type lists them.  Their sizes
 * and checks are in put_field() and get_field(). */
enum field {
    F_END,
    F_VERSION,
    F_CODE,
    F_SEQ,
    F_CRC,
    F_ROUND,
    F_SCOPES,
    F_OPTIONS,
    F_EPOCH,
    F_SCHEMA,
    F_ROLE,
    F_METHOD,
    F_GUARANTEE,
    F_SCOPE,
    F_SELECT,
    F_KIND,
    F_N_FLOWS,
    F_N_CHUNKS,
    F_N_BYTES,
    F_N_DIRTY,
    F_N_GONE,
    F_N_PACKETS,
    F_N_BUFFERED,
    F_N_DISCARDED,
    F_NAME,
    F_CLASS_NAME,
    F_TEXT,
    F_SPACE,
    F_KEYS,
    F_DATA,
    F_RUN,
    F_TOKEN,
    F_ADDRESS,
    F_WHY,
    F_N_OPEN,
    F_MERGE,
    F_MORE,
    F_FINGERPRINT,
    F_CPU_NS,
    F_CLOCK_NS,
    F_DESCRIBE,
    F_OUTPUT,
    F_OUTPUTS,
};

struct msg_info {
    const char *name;
    uint8_t fields[9];          /* Ends with F_END. */
};

static const struct msg_info msg_infos[] = {
    [MBOX_MSG_ERROR] = { "error", { F_CODE, F_TEXT } },
    [MBOX_MSG_ECHO_REQUEST] = { "echo-request", { F_END } },
    [MBOX_MSG_ECHO_REPLY] = { "echo-reply", { F_END } },
    [MBOX_MSG_HELLO] = { "hello", { F_VERSION, F_NAME, F_CLASS_NAME, F_SCHEMA,
                                    F_SCOPES, F_TEXT } },
    [MBOX_MSG_WELCOME] = { "welcome", { F_VERSION, F_EPOCH } },
    [MBOX_MSG_PREPARE] = { "prepare", { F_ROLE, F_METHOD, F_GUARANTEE,
                                        F_SCOPES, F_OPTIONS, F_EPOCH, F_NAME,
                                        F_SPACE } },
    [MBOX_MSG_PREPARED] = { "prepared", { F_N_FLOWS } },
    [MBOX_MSG_EXPORT] = { "export", { F_END } },
    [MBOX_MSG_PRECOPY] = { "precopy", { F_ROUND, F_N_CHUNKS, F_N_BYTES,
                                        F_N_DIRTY } },
    [MBOX_MSG_RETURN] = { "return", { F_END } },
    [MBOX_MSG_RETURNING] = { "returning", { F_END } },
    [MBOX_MSG_BUFFER] = { "buffer", { F_END } },
    [MBOX_MSG_BUFFERING] = { "buffering", { F_END } },
    [MBOX_MSG_TRACER_SEEN] = { "tracer-seen", { F_SEQ, F_N_PACKETS } },
    [MBOX_MSG_RELEASE] = { "release", { F_SELECT, F_KEYS } },
    [MBOX_MSG_INSTALLED] = { "installed", { F_N_FLOWS, F_N_CHUNKS, F_N_BYTES,
                                            F_N_GONE } },
    [MBOX_MSG_PACKET] = { "packet", { F_KIND, F_SEQ, F_DATA } },
    [MBOX_MSG_FLUSHED] = { "flushed", { F_N_PACKETS, F_N_BUFFERED } },
    [MBOX_MSG_COMMIT] = { "commit", { F_SELECT, F_KEYS } },
    [MBOX_MSG_COMMITTED] = { "committed", { F_N_FLOWS, F_N_DISCARDED } },
    [MBOX_MSG_ABORT] = { "abort", { F_TEXT } },
    [MBOX_MSG_ABORTED] = { "aborted", { F_N_PACKETS } },
    [MBOX_MSG_RELAY] = { "relay", { F_DATA } },
    [MBOX_MSG_STATS_REQUEST] = { "stats-request", { F_END } },
    [MBOX_MSG_STATS] = { "stats", { F_N_PACKETS, F_N_BYTES, F_N_FLOWS,
                                    F_N_DISCARDED, F_N_BUFFERED } },
    [MBOX_MSG_OPEN] = { "open", { F_EPOCH, F_ROLE, F_NAME, F_RUN, F_SPACE,
                                  F_SELECT, F_KEYS } },
    [MBOX_MSG_RESOLVE] = { "resolve", { F_EPOCH, F_CODE, F_SELECT, F_KEYS } },
    [MBOX_MSG_RESOLVED] = { "resolved", { F_EPOCH } },
    [MBOX_MSG_ALIASES] = { "aliases", { F_KEYS } },
    [MBOX_MSG_STREAM] = { "stream", { F_CLASS_NAME, F_SCHEMA, F_EPOCH } },
    [MBOX_MSG_CHUNK] = { "chunk", { F_SCOPE, F_KEYS, F_SEQ, F_CRC, F_DATA } },
    [MBOX_MSG_GONE] = { "gone", { F_SCOPE, F_KEYS } },
    [MBOX_MSG_FROZEN] = { "frozen", { F_SELECT, F_KEYS } },
    [MBOX_MSG_END] = { "end", { F_N_CHUNKS, F_N_BYTES, F_N_GONE } },
    [MBOX_MSG_LAYOUT] = { "layout", { F_DATA } },
    [MBOX_MSG_STAYS] = { "stays", { F_KEYS, F_TEXT } },
};
#define N_MSG_INFOS (sizeof msg_infos / sizeof msg_infos[0])

/* Optional fields, each sent if it is not zero.  'number' is unique among
 * those of a type, and never used again. */
static const struct optional_field {
    uint8_t type;               /* enum mbox_msg_type. */
    uint8_t number;
    uint8_t field;
    uint8_t len;                /* 0: a text. */
} optional_fields[] = {
    { MBOX_MSG_HELLO, 1, F_OPTIONS, 4 },
    { MBOX_MSG_HELLO, 2, F_RUN, 8 },
    { MBOX_MSG_HELLO, 3, F_N_OPEN, 4 },
    { MBOX_MSG_HELLO, 4, F_OUTPUTS, 0 },
    { MBOX_MSG_PREPARE, 1, F_RUN, 8 },
    { MBOX_MSG_PREPARE, 2, F_TOKEN, 8 },
    { MBOX_MSG_PREPARE, 3, F_ADDRESS, 0 },
    { MBOX_MSG_PREPARE, 4, F_FINGERPRINT, 0 },
    { MBOX_MSG_PREPARE, 5, F_DESCRIBE, 1 },
    { MBOX_MSG_PREPARE, 6, F_OUTPUT, 0 },
    { MBOX_MSG_PREPARED, 1, F_ADDRESS, 0 },
    { MBOX_MSG_PREPARED, 2, F_WHY, 0 },
    { MBOX_MSG_STATS, 1, F_CPU_NS, 8 },
    { MBOX_MSG_STATS, 2, F_CLOCK_NS, 8 },
    { MBOX_MSG_STREAM, 1, F_TOKEN, 8 },
    { MBOX_MSG_STREAM, 2, F_N_FLOWS, 8 },
    { MBOX_MSG_CHUNK, 1, F_MERGE, 1 },
    { MBOX_MSG_COMMIT, 1, F_MORE, 1 },
    { MBOX_MSG_OPEN, 1, F_MORE, 1 },
    { MBOX_MSG_RESOLVE, 1, F_MORE, 1 },
};
#define N_OPTIONAL_FIELDS (sizeof optional_fields / sizeof optional_fields[0])

/* Returns what is known of 'type', or NULL. */
static const struct msg_info *
find_info(unsigned int type)
{
    return (type < N_MSG_INFOS && msg_infos[type].name
            ? &msg_infos[type] : NULL);
}

static bool
scope_is_valid(unsigned int scope)
{
    return (scope == MBOX_SCOPE_PER_FLOW || scope == MBOX_SCOPE_MULTI_FLOW
            || scope == MBOX_SCOPE_ALL_FLOWS || scope == MBOX_SCOPE_CONFIG);
}

static bool
in_range(unsigned int value, unsigned int min, unsigned int max)
{
    return value >= min && value <= max;
}

/* True if 'field' of 'msg' has a value that it may have in a message of this
 * type.  Both the encoder and the decoder ask. */
static bool
field_is_valid(enum field field, const struct mbox_msg *msg)
{
    switch ((int) field) {     /* A few have constraints. */
    case F_SCOPES:
        return !(msg->scopes & ~(uint32_t) MBOX_SCOPE_MASK);
    case F_OPTIONS:
        return !(msg->options & ~(uint32_t) MBOX_OPT_MASK);
    case F_ROLE:
        return in_range(msg->role, MBOX_ROLE_SOURCE, MBOX_ROLE_DESTINATION);
    case F_METHOD:
        return in_range(msg->method, MBOX_METHOD_HOLD, MBOX_METHOD_COPY);
    case F_GUARANTEE:
        return in_range(msg->guarantee, MBOX_GUARANTEE_NONE,
                        MBOX_GUARANTEE_ORDER_PRESERVING);
    case F_SCOPE:
        return scope_is_valid(msg->scope);
    case F_SELECT:
        return in_range(msg->select, MBOX_SELECT_KEYS, MBOX_SELECT_ALL_EXCEPT);
    case F_KIND:
        return in_range(msg->kind, 1, MBOX_TAG_N_KINDS);
    case F_NAME:
        return mbox_name_is_valid(msg->name);
    case F_CLASS_NAME:
        return mbox_name_is_valid(msg->class_name);
    case F_KEYS:
        /* State that belongs to flows says to which. */
        return (msg->n_keys || msg->type != MBOX_MSG_CHUNK
                || msg->scope == MBOX_SCOPE_ALL_FLOWS
                || msg->scope == MBOX_SCOPE_CONFIG);
    case F_DATA:
        return (msg->type != MBOX_MSG_RELAY
                || (msg->data_len >= MBOX_MSG_HEADER_LEN
                    && msg->data_len <= MBOX_MSG_MAX
                    && mbox_msg_frame_length(msg->data, msg->data_len)
                       == (int) msg->data_len));
    default:
        return true;
    }
}

static void
put_keys(struct mbox_writer *w, const struct mbox_msg *msg,
         const struct mbox_key *keys)
{
    mbox_put_u32(w, msg->n_keys);
    if (keys) {
        for (uint32_t i = 0; i < msg->n_keys && !w->error; i++) {
            mbox_key_encode(&keys[i], w);
        }
    } else if (msg->n_keys) {
        mbox_put_bytes(w, msg->key_data,
                       (size_t) msg->n_keys * MBOX_KEY_WIRE_LEN);
    }
}

static void
put_field(enum field field, struct mbox_writer *w, const struct mbox_msg *msg,
          const struct mbox_key *keys)
{
    switch (field) {
    case F_END: break;
    case F_VERSION: mbox_put_u16(w, msg->version); break;
    case F_CODE: mbox_put_u16(w, msg->code); break;
    case F_SEQ: mbox_put_u32(w, msg->seq); break;
    case F_CRC: mbox_put_u32(w, msg->crc); break;
    case F_ROUND: mbox_put_u32(w, msg->round); break;
    case F_SCOPES: mbox_put_u32(w, msg->scopes); break;
    case F_OPTIONS: mbox_put_u32(w, msg->options); break;
    case F_EPOCH: mbox_put_u64(w, msg->epoch); break;
    case F_SCHEMA: mbox_put_u64(w, msg->schema); break;
    case F_ROLE: mbox_put_u8(w, msg->role); break;
    case F_METHOD: mbox_put_u8(w, msg->method); break;
    case F_GUARANTEE: mbox_put_u8(w, msg->guarantee); break;
    case F_SCOPE: mbox_put_u8(w, msg->scope); break;
    case F_SELECT: mbox_put_u8(w, msg->select); break;
    case F_KIND: mbox_put_u8(w, msg->kind); break;
    case F_N_FLOWS: mbox_put_u64(w, msg->n_flows); break;
    case F_N_CHUNKS: mbox_put_u64(w, msg->n_chunks); break;
    case F_N_BYTES: mbox_put_u64(w, msg->n_bytes); break;
    case F_N_DIRTY: mbox_put_u64(w, msg->n_dirty); break;
    case F_N_GONE: mbox_put_u64(w, msg->n_gone); break;
    case F_N_PACKETS: mbox_put_u64(w, msg->n_packets); break;
    case F_N_BUFFERED: mbox_put_u64(w, msg->n_buffered); break;
    case F_N_DISCARDED: mbox_put_u64(w, msg->n_discarded); break;
    case F_NAME: mbox_put_string(w, msg->name); break;
    case F_CLASS_NAME: mbox_put_string(w, msg->class_name); break;
    case F_TEXT: mbox_put_string(w, msg->text); break;
    case F_SPACE: mbox_space_encode(&msg->space, w); break;
    case F_KEYS: put_keys(w, msg, keys); break;
    case F_RUN: mbox_put_u64(w, msg->run); break;
    case F_TOKEN: mbox_put_u64(w, msg->token); break;
    case F_ADDRESS: mbox_put_string(w, msg->address); break;
    case F_WHY: mbox_put_string(w, msg->why); break;
    case F_FINGERPRINT: mbox_put_string(w, msg->fingerprint); break;
    case F_OUTPUT: mbox_put_string(w, msg->output); break;
    case F_OUTPUTS: mbox_put_string(w, msg->outputs); break;
    case F_N_OPEN: mbox_put_u32(w, msg->n_open); break;
    case F_CPU_NS: mbox_put_u64(w, msg->cpu_ns); break;
    case F_CLOCK_NS: mbox_put_u64(w, msg->clock_ns); break;
    case F_MERGE: mbox_put_u8(w, msg->merge); break;
    case F_MORE: mbox_put_u8(w, msg->more); break;
    case F_DESCRIBE: mbox_put_u8(w, msg->describe); break;
    case F_DATA:
        if (msg->data_len > MBOX_MSG_MAX) {
            w->error = w->error ? w->error : -EMSGSIZE;
            break;
        }
        mbox_put_u32(w, msg->data_len);
        mbox_put_bytes(w, msg->data, msg->data_len);
        break;
    }
}

static void
get_text(struct mbox_reader *r, char *text, size_t size)
{
    mbox_get_string(r, text, size);
    for (char *p = text; *p; p++) {
        if ((unsigned char) *p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }
}

static bool
get_bool(struct mbox_reader *r)
{
    uint8_t value = mbox_get_u8(r);

    r->error = value > 1 ? -EPROTO : r->error;
    return value;
}

/* Reads the number of keys and borrows them, having looked at each. */
static void
get_keys(struct mbox_reader *r, struct mbox_msg *msg)
{
    uint32_t n = mbox_get_u32(r);

    if (n > r->left / MBOX_KEY_WIRE_LEN) {
        r->error = -EPROTO;
        return;
    }
    msg->key_data = r->p;
    msg->n_keys = n;
    for (uint32_t i = 0; i < n; i++) {
        struct mbox_key key;

        mbox_key_decode(&key, r);
    }
}

static void
get_field(enum field field, struct mbox_reader *r, struct mbox_msg *msg)
{
    switch (field) {
    case F_END: break;
    case F_VERSION: msg->version = mbox_get_u16(r); break;
    case F_CODE: msg->code = mbox_get_u16(r); break;
    case F_SEQ: msg->seq = mbox_get_u32(r); break;
    case F_CRC: msg->crc = mbox_get_u32(r); break;
    case F_ROUND: msg->round = mbox_get_u32(r); break;
    case F_SCOPES: msg->scopes = mbox_get_u32(r); break;
    case F_OPTIONS: msg->options = mbox_get_u32(r); break;
    case F_EPOCH: msg->epoch = mbox_get_u64(r); break;
    case F_SCHEMA: msg->schema = mbox_get_u64(r); break;
    case F_ROLE: msg->role = mbox_get_u8(r); break;
    case F_METHOD: msg->method = mbox_get_u8(r); break;
    case F_GUARANTEE: msg->guarantee = mbox_get_u8(r); break;
    case F_SCOPE: msg->scope = mbox_get_u8(r); break;
    case F_SELECT: msg->select = mbox_get_u8(r); break;
    case F_KIND: msg->kind = mbox_get_u8(r); break;
    case F_N_FLOWS: msg->n_flows = mbox_get_u64(r); break;
    case F_N_CHUNKS: msg->n_chunks = mbox_get_u64(r); break;
    case F_N_BYTES: msg->n_bytes = mbox_get_u64(r); break;
    case F_N_DIRTY: msg->n_dirty = mbox_get_u64(r); break;
    case F_N_GONE: msg->n_gone = mbox_get_u64(r); break;
    case F_N_PACKETS: msg->n_packets = mbox_get_u64(r); break;
    case F_N_BUFFERED: msg->n_buffered = mbox_get_u64(r); break;
    case F_N_DISCARDED: msg->n_discarded = mbox_get_u64(r); break;
    case F_NAME: mbox_get_string(r, msg->name, sizeof msg->name); break;
    case F_CLASS_NAME:
        mbox_get_string(r, msg->class_name, sizeof msg->class_name);
        break;
    case F_TEXT: get_text(r, msg->text, sizeof msg->text); break;
    case F_SPACE: mbox_space_decode(&msg->space, r); break;
    case F_KEYS: get_keys(r, msg); break;
    case F_RUN: msg->run = mbox_get_u64(r); break;
    case F_TOKEN: msg->token = mbox_get_u64(r); break;
    case F_ADDRESS: get_text(r, msg->address, sizeof msg->address); break;
    case F_WHY: get_text(r, msg->why, sizeof msg->why); break;
    case F_FINGERPRINT:
        get_text(r, msg->fingerprint, sizeof msg->fingerprint);
        break;
    case F_OUTPUT: get_text(r, msg->output, sizeof msg->output); break;
    case F_OUTPUTS: get_text(r, msg->outputs, sizeof msg->outputs); break;
    case F_N_OPEN: msg->n_open = mbox_get_u32(r); break;
    case F_CPU_NS: msg->cpu_ns = mbox_get_u64(r); break;
    case F_CLOCK_NS: msg->clock_ns = mbox_get_u64(r); break;
    case F_MORE: msg->more = get_bool(r); break;
    case F_MERGE: msg->merge = get_bool(r); break;
    case F_DESCRIBE: msg->describe = get_bool(r); break;
    case F_DATA: {
        size_t n = mbox_get_u32(r);

        msg->data = mbox_get_bytes(r, n);
        msg->data_len = msg->data ? n : 0;
        break;
    }
    }
}

/* The text of an optional field that has one. */
static const char *
get_optional_text(enum field field, const struct mbox_msg *msg)
{
    return (field == F_ADDRESS ? msg->address
            : field == F_WHY ? msg->why
            : field == F_OUTPUT ? msg->output
            : field == F_OUTPUTS ? msg->outputs
            : msg->fingerprint);
}

static bool
is_set(enum field field, const struct mbox_msg *msg)
{
    switch ((int) field) {      /* Those that are optional somewhere. */
    case F_OPTIONS: return msg->options != 0;
    case F_RUN: return msg->run != 0;
    case F_TOKEN: return msg->token != 0;
    case F_ADDRESS:
    case F_WHY:
    case F_OUTPUT:
    case F_OUTPUTS:
    case F_FINGERPRINT: return get_optional_text(field, msg)[0] != '\0';
    case F_N_FLOWS: return msg->n_flows != 0;
    case F_N_OPEN: return msg->n_open != 0;
    case F_CPU_NS: return msg->cpu_ns != 0;
    case F_CLOCK_NS: return msg->clock_ns != 0;
    case F_MERGE: return msg->merge;
    case F_MORE: return msg->more;
    case F_DESCRIBE: return msg->describe;
    default: return false;
    }
}

static void
put_optional_fields(struct mbox_writer *w, const struct mbox_msg *msg)
{
    for (size_t i = 0; i < N_OPTIONAL_FIELDS; i++) {
        const struct optional_field *f = &optional_fields[i];

        if (f->type == msg->type && is_set(f->field, msg)) {
            mbox_put_u16(w, f->number);
            mbox_put_u16(w, (f->len ? f->len
                             : 2 + strlen(get_optional_text(f->field,
                                                            msg))));
            put_field(f->field, w, msg, NULL);
        }
    }
}

/* Reads the optional fields, which are all that is left. */
static void
get_optional_fields(struct mbox_reader *r, struct mbox_msg *msg)
{
    while (r->left && !r->error) {
        uint16_t number = mbox_get_u16(r);
        size_t len = mbox_get_u16(r);
        const uint8_t *value = mbox_get_bytes(r, len);

        for (size_t i = 0; value && i < N_OPTIONAL_FIELDS; i++) {
            const struct optional_field *f = &optional_fields[i];

            if (f->type == msg->type && f->number == number) {
                struct mbox_reader field;

                mbox_reader_init(&field, value, len);
                get_field(f->field, &field, msg);
                if (mbox_reader_finish(&field)) {
                    r->error = -EPROTO;
                }
            }
        }
    }
    msg->options &= MBOX_OPT_MASK;
}

/* Clears 'msg'.  Most of it are strings, of which the first byte is enough. */
static void
clear_msg(struct mbox_msg *msg)
{
    memset(msg, 0, offsetof(struct mbox_msg, name));
    msg->name[0] = msg->class_name[0] = msg->text[0] = '\0';
    msg->address[0] = msg->why[0] = msg->fingerprint[0] = '\0';
    msg->output[0] = msg->outputs[0] = '\0';
}

void
mbox_msg_init(struct mbox_msg *msg, enum mbox_msg_type type, uint32_t id)
{
    clear_msg(msg);
    msg->type = type;
    msg->id = id;
}

/* Appends the body of 'msg' to 'w'.  Returns 0 or a negative errno value. */
static int
encode_body(const struct mbox_msg *msg, const struct mbox_key *keys,
            struct mbox_writer *w)
{
    const struct msg_info *info = find_info(msg->type);

    if (!info) {
        return -EINVAL;
    }
    for (const uint8_t *f = info->fields; *f != F_END; f++) {
        if (!field_is_valid(*f, msg)) {
            return -EINVAL;
        }
        put_field(*f, w, msg, keys);
    }
    put_optional_fields(w, msg);
    return w->error;
}

void
mbox_msg_encode(const struct mbox_msg *msg, const struct mbox_key *keys,
                struct mbox_writer *w)
{
    if (w->error) {
        return;
    }

    size_t start = w->len;
    mbox_put_u32(w, 0);
    mbox_put_u16(w, msg->type);
    mbox_put_u16(w, 0);
    mbox_put_u32(w, msg->id);

    int error = encode_body(msg, keys, w);
    size_t length = w->len - start - LENGTH_LEN;
    if (!error && length > MBOX_MSG_MAX) {
        error = -EMSGSIZE;
    }
    if (error) {
        w->error = error;
        w->len = start;
        return;
    }
    mbox_poke_u32(w, start, length);
}

int
mbox_msg_frame_length(const void *data, size_t len)
{
    struct mbox_reader r;

    if (len < LENGTH_LEN) {
        return 0;
    }
    mbox_reader_init(&r, data, len);

    uint32_t length = mbox_get_u32(&r);
    if (length < MBOX_MSG_HEADER_LEN - LENGTH_LEN || length > MBOX_MSG_MAX) {
        return -EPROTO;
    }
    return length <= len - LENGTH_LEN ? (int) length + LENGTH_LEN : 0;
}

/* The body of a CHUNK, of which there are more than of all other types: the
 * same as with a loop over its fields. */
static int
decode_chunk(struct mbox_reader *r, struct mbox_msg *msg)
{
    msg->scope = mbox_get_u8(r);
    get_keys(r, msg);
    msg->seq = mbox_get_u32(r);
    msg->crc = mbox_get_u32(r);
    msg->data_len = mbox_get_u32(r);
    msg->data = mbox_get_bytes(r, msg->data_len);
    if (r->error || !scope_is_valid(msg->scope)
        || !field_is_valid(F_KEYS, msg)) {
        return -EPROTO;
    }
    if (r->left) {
        get_optional_fields(r, msg);
    }
    return r->error;
}

int
mbox_msg_decode(const void *data, size_t len, struct mbox_msg *msg)
{
    struct mbox_reader r;

    clear_msg(msg);
    mbox_reader_init(&r, data, len);

    uint32_t length = mbox_get_u32(&r);
    uint16_t type = mbox_get_u16(&r);
    uint16_t flags = mbox_get_u16(&r);
    msg->type = type;
    msg->id = mbox_get_u32(&r);
    if (r.error || length > MBOX_MSG_MAX || length != len - LENGTH_LEN) {
        return -EPROTO;
    }

    const struct msg_info *info = find_info(type);
    if (!info) {
        return flags & MBOX_MSG_F_OPTIONAL ? -EAGAIN : -EOPNOTSUPP;
    }
    if (type == MBOX_MSG_CHUNK) {
        return decode_chunk(&r, msg);
    }
    for (const uint8_t *f = info->fields; *f != F_END; f++) {
        get_field(*f, &r, msg);
        if (r.error || !field_is_valid(*f, msg)) {
            return -EPROTO;
        }
    }
    get_optional_fields(&r, msg);
    return r.error;
}

void
mbox_msg_get_key(const struct mbox_msg *msg, uint32_t i, struct mbox_key *key)
{
    struct mbox_reader r;

    mbox_reader_init(&r, msg->key_data + (size_t) i * MBOX_KEY_WIRE_LEN,
                     MBOX_KEY_WIRE_LEN);
    mbox_key_decode(key, &r);
}

uint32_t
mbox_msg_crc(const void *data, size_t len)
{
    return libdeflate_crc32(0, data, len);
}

bool
mbox_name_is_valid(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    return n && n <= MBOX_NAME_MAX && !s[n];
}

const char *
mbox_msg_type_to_string(enum mbox_msg_type type)
{
    const struct msg_info *info = find_info(type);

    return info ? info->name : NULL;
}

/* Names of the values of an enum. */
struct value_name {
    unsigned int value;
    const char *name;
};

static const struct value_name methods[] = {
    { MBOX_METHOD_HOLD, "hold" },
    { MBOX_METHOD_EVENTS, "events" },
    { MBOX_METHOD_COPY, "copy" },
    { 0, NULL },
};

static const struct value_name guarantees[] = {
    { MBOX_GUARANTEE_NONE, "none" },
    { MBOX_GUARANTEE_LOSS_FREE, "loss-free" },
    { MBOX_GUARANTEE_ORDER_PRESERVING, "order-preserving" },
    { 0, NULL },
};

static const struct value_name scopes[] = {
    { MBOX_SCOPE_PER_FLOW, "per-flow" },
    { MBOX_SCOPE_MULTI_FLOW, "multi-flow" },
    { MBOX_SCOPE_ALL_FLOWS, "all-flows" },
    { MBOX_SCOPE_CONFIG, "config" },
    { 0, NULL },
};

static const char *
value_to_name(const struct value_name *names, unsigned int value)
{
    for (; names->name; names++) {
        if (names->value == value) {
            return names->name;
        }
    }
    return NULL;
}

/* Returns the value of 'name', 0 if there is none. */
static unsigned int
name_to_value(const struct value_name *names, const char *name)
{
    for (; names->name; names++) {
        if (!strcmp(names->name, name)) {
            return names->value;
        }
    }
    return 0;
}

const char *
mbox_method_to_string(enum mbox_method method)
{
    return value_to_name(methods, method);
}

const char *
mbox_guarantee_to_string(enum mbox_guarantee guarantee)
{
    return value_to_name(guarantees, guarantee);
}

const char *
mbox_scope_to_string(enum mbox_scope scope)
{
    return value_to_name(scopes, scope);
}

bool
mbox_method_from_string(const char *s, enum mbox_method *method)
{
    unsigned int value = name_to_value(methods, s);

    if (value) {
        *method = value;
    }
    return value != 0;
}

bool
mbox_guarantee_from_string(const char *s, enum mbox_guarantee *guarantee)
{
    unsigned int value = name_to_value(guarantees, s);

    if (value) {
        *guarantee = value;
    }
    return value != 0;
}

bool
mbox_scope_from_string(const char *s, enum mbox_scope *scope)
{
    unsigned int value = name_to_value(scopes, s);

    if (value) {
        *scope = value;
    }
    return value != 0;
}
