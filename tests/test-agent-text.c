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

/* Messages of the scripted agent as text: "TYPE FIELD=VALUE...". */

#include "test-agent.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum field_type { U16, U32, U64, X64, KIND, BOOL, STRING };

static const struct field {
    const char *name;
    enum field_type type;
    size_t offset, size;
} fields[] = {
#define FIELD(NAME, TYPE, MEMBER)                                       \
    { NAME, TYPE, offsetof(struct mbox_msg, MEMBER),                    \
      sizeof(((struct mbox_msg *) 0)->MEMBER) }
    FIELD("id", U32, id),
    FIELD("version", U16, version),
    FIELD("code", U16, code),
    FIELD("seq", U32, seq),
    FIELD("round", U32, round),
    FIELD("scopes", U32, scopes),
    FIELD("options", U32, options),
    FIELD("epoch", U64, epoch),
    FIELD("run", U64, run),
    FIELD("n_open", U32, n_open),
    FIELD("schema", X64, schema),
    FIELD("role", U32, role),
    FIELD("method", U32, method),
    FIELD("guarantee", U32, guarantee),
    FIELD("scope", U32, scope),
    FIELD("select", U32, select),
    FIELD("kind", KIND, kind),
    FIELD("n_flows", U64, n_flows),
    FIELD("n_chunks", U64, n_chunks),
    FIELD("n_bytes", U64, n_bytes),
    FIELD("n_dirty", U64, n_dirty),
    FIELD("n_gone", U64, n_gone),
    FIELD("n_packets", U64, n_packets),
    FIELD("n_buffered", U64, n_buffered),
    FIELD("n_discarded", U64, n_discarded),
    FIELD("n_keys", U32, n_keys),
    FIELD("more", BOOL, more),
    FIELD("describe", BOOL, describe),
    FIELD("name", STRING, name),
    FIELD("class", STRING, class_name),
    FIELD("text", STRING, text),
    FIELD("output", STRING, output),
    FIELD("outputs", STRING, outputs),
};
#define N_FIELDS (sizeof fields / sizeof fields[0])

static uint64_t
get_number(const struct mbox_msg *msg, const struct field *f)
{
    const void *p = (const char *) msg + f->offset;

    switch (f->size) {
    case 1: return *(const uint8_t *) p;
    case 2: return *(const uint16_t *) p;
    case 4: return *(const uint32_t *) p;
    default: return *(const uint64_t *) p;
    }
}

static void
set_field(struct mbox_msg *msg, const char *name, const char *value)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const struct field *f = &fields[i];
        void *p = (char *) msg + f->offset;

        if (strcmp(f->name, name)) {
            continue;
        }
        uint64_t n = strtoull(value, NULL, f->type == X64 ? 16 : 0);
        if (f->type == STRING) {
            snprintf(p, f->size, "%s", value);
        } else if (f->size == 1) {
            *(uint8_t *) p = n;
        } else if (f->size == 2) {
            *(uint16_t *) p = n;
        } else if (f->size == 4) {
            *(uint32_t *) p = n;
        } else {
            *(uint64_t *) p = n;
        }
        return;
    }
    fail("no field \"%s\"", name);
}

void
print_msg(const char *direction, const struct mbox_msg *msg)
{
    printf("%s %s", direction, mbox_msg_type_to_string(msg->type));
    for (size_t i = 0; i < N_FIELDS; i++) {
        const struct field *f = &fields[i];

        if (f->type == STRING) {
            const char *s = (const char *) msg + f->offset;

            if (s[0]) {
                printf(" %s=\"%s\"", f->name, s);
            }
        } else if (get_number(msg, f) && strcmp(f->name, "epoch")) {
            printf(f->type == X64 ? " %s=%llx" : " %s=%llu", f->name,
                   (unsigned long long) get_number(msg, f));
        }
    }
    if (msg->type == MBOX_MSG_PREPARE) {
        char space[MBOX_SPACE_STRLEN];

        printf(" space=%s", mbox_space_format(&msg->space, space,
                                              sizeof space));
    }
    if (msg->data_len && msg->type != MBOX_MSG_RELAY) {
        printf(" data=%.*s", (int) msg->data_len, (const char *) msg->data);
    }
    putchar('\n');
    fflush(stdout);
}

static enum mbox_msg_type
parse_type(const char *s)
{
    for (unsigned int i = 1; i < 256; i++) {
        const char *name = mbox_msg_type_to_string((enum mbox_msg_type) i);

        if (name && !strcmp(name, s)) {
            return (enum mbox_msg_type) i;
        }
    }
    fail("no message type \"%s\"", s);
}

static void
make_key(unsigned int i, struct mbox_key *key)
{
    static const uint8_t src[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
    static const uint8_t dst[16] = { [10] = 0xff, 0xff, 10, 0, 1, 1 };

    memset(key, 0, sizeof *key);
    memcpy(key->src, src, 16);
    key->src[15] += i >> 16;
    memcpy(key->dst, dst, 16);
    key->src_port = i;
    key->dst_port = 80;
    key->vlan = MBOX_VLAN_NONE;
    key->family = 4;
    key->proto = IPPROTO_TCP;
}

static const void *
read_file(const char *name, size_t *n)
{
    static char bytes[65536];
    FILE *stream = fopen(name, "r");

    *n = stream ? fread(bytes, 1, sizeof bytes, stream) : 0;
    if (!stream || !feof(stream)) {
        fail("\"%s\" cannot be read, or is too long", name);
    }
    fclose(stream);
    return bytes;
}

void
make_msg(char *words[], int n_words, struct mbox_msg *msg,
         struct mbox_key **keys)
{
    *keys = NULL;
    if (!n_words) {
        fail("message type is missing");
    }
    mbox_msg_init(msg, parse_type(words[0]), last.id);
    msg->epoch = last.epoch;
    msg->space = last.space;
    for (int i = 1; i < n_words; i++) {
        char *value = strchr(words[i], '=');

        if (!value) {
            fail("\"%s\" is not FIELD=VALUE", words[i]);
        }
        *value++ = '\0';
        if (!strcmp(words[i], "keys")) {
            unsigned int from, to;

            if (sscanf(value, "%u-%u", &from, &to) != 2) {
                fail("\"%s\" is not A-B", value);
            }
            msg->n_keys = to - from + 1;
            *keys = calloc(msg->n_keys, sizeof **keys);
            for (unsigned int j = 0; j < msg->n_keys; j++) {
                make_key(from + j, &(*keys)[j]);
            }
        } else if (!strcmp(words[i], "data")) {
            msg->data = value;
            msg->data_len = strlen(value);
        } else if (!strcmp(words[i], "hex")) {
            static unsigned char bytes[2048];

            msg->data = bytes;
            msg->data_len = strlen(value) / 2;
            for (size_t j = 0; j < msg->data_len; j++) {
                if (j >= sizeof bytes
                    || sscanf(value + 2 * j, "%2hhx", &bytes[j]) != 1) {
                    fail("\"hex\" is not hexadecimal or too long");
                }
            }
        } else if (!strcmp(words[i], "file")) {
            msg->data = read_file(value, &msg->data_len);
        } else if (!strcmp(words[i], "fill")) {
            static const char zeros[4 * 1024 * 1024];

            msg->data_len = strtoul(value, NULL, 0);
            msg->data = zeros;
            if (msg->data_len > sizeof zeros) {
                fail("\"fill\" is too large");
            }
        } else {
            set_field(msg, words[i], value);
        }
    }
    if (msg->type == MBOX_MSG_CHUNK) {
        msg->seq = ++last.chunk_seq;
        msg->crc = mbox_msg_crc(msg->data, msg->data_len);
    }
}

void
check_msg(const struct mbox_msg *msg, char *words[], int n_words)
{
    if (msg->type != parse_type(words[0])) {
        fail("expected %s, got %s", words[0],
             mbox_msg_type_to_string(msg->type));
    }
    for (int i = 1; i < n_words; i++) {
        char *value = strchr(words[i], '=');
        struct mbox_msg wanted = *msg;

        if (!value) {
            fail("\"%s\" is not FIELD=VALUE", words[i]);
        }
        *value++ = '\0';
        set_field(&wanted, words[i], value);
        for (size_t j = 0; j < N_FIELDS; j++) {
            const struct field *f = &fields[j];
            const char *got = (const char *) msg + f->offset;

            if (!strcmp(f->name, words[i])
                && (f->type == STRING ? strcmp(got, value) != 0
                    : get_number(&wanted, f) != get_number(msg, f))) {
                fail("expected %s=%s", words[i], value);
            }
        }
    }
}
