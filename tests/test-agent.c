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

/* A scripted agent, for tests of the coordinator.
 *
 * Reads statements from standard input, a line each, and carries them out one
 * after the other; ends with status 1 and a message at the first that fails.
 * Meanwhile it answers probes, unless "echo off", and prints every message
 * that it takes.
 *
 *     connect ADDRESS [KEY CERTIFICATE CA-CERTIFICATE]
 *     send TYPE [FIELD=VALUE]...      FIELD as in struct mbox_msg, "id" is by
 *                                     default that of the last PREPARE, and so
 *                                     are the epoch and the flow space
 *     expect TYPE [FIELD=VALUE]...    the next message is this one; repeated
 *                                     packets of kind "last" are ignored
 *     raw HEX                         bytes that need not make a message
 *     flood N TYPE [FIELD=VALUE]...   the same message, N times, reading
 *                                     nothing, or until the connection ends
 *     expect-closed                   the other side ends the connection
 *     state-send, state-expect        same, on the state channel, whether a
 *                                     socket or relayed; "keys=A-B" are the
 *                                     flows 10.0.0.1:A to 10.0.0.1:B with
 *                                     10.0.1.1:80; a chunk's CRC is filled in;
 *                                     "data=TEXT" or "fill=N", N zeros
 *     state-expect-closed
 *     port NAME FILE                  a dummy network device and its tx_pcap
 *     expect-tracer, return-tracer    on the port; further copies of a tracer
 *                                     that was returned are ignored
 *     echo on|off                     whether to answer probes
 *     touch FILE, wait FILE           to keep step with the test; "wait" reads
 *                                     no messages meanwhile
 *     sleep-until-killed
 *     close
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mbox-channel.h"
#include "mbox-msg.h"
#include "mbox-tag.h"

static struct mbox_channel *control;
static struct mbox_channel *state;      /* If it is a socket. */
static bool relayed;                    /* State goes in RELAY messages. */
static uint32_t last_id;
static uint64_t last_epoch;             /* Of the last PREPARE. */
static struct mbox_space last_space;
static uint32_t chunk_seq;
static bool got_last;                   /* The "last" of sent back packets. */
static bool answer_echo = true;
static int line_number;

/* The network device. */
static char port_name[64];
static int port_fd = -1;                /* Of the pcap file. */
static uint8_t port_buf[65536 + 64];
static size_t port_len;
static uint8_t tracer[2048];
static size_t tracer_len;
static bool have_tracer;                /* One that is not returned yet. */

#define PCAP_HEADER_LEN 24
#define PCAP_RECORD_LEN 16

static void fail(const char *, ...)
    __attribute__((format(printf, 1, 2), noreturn));

static void
fail(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "line %d: ", line_number);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    exit(1);
}

/* Fields of messages. */

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
    FIELD("name", STRING, name),
    FIELD("class", STRING, class_name),
    FIELD("text", STRING, text),
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

static void
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
make_key(unsigned int port, struct mbox_key *key)
{
    static const uint8_t src[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
    static const uint8_t dst[16] = { [10] = 0xff, 0xff, 10, 0, 1, 1 };

    memset(key, 0, sizeof *key);
    memcpy(key->src, src, 16);
    memcpy(key->dst, dst, 16);
    key->src_port = port;
    key->dst_port = 80;
    key->vlan = MBOX_VLAN_NONE;
    key->family = 4;
    key->proto = IPPROTO_TCP;
}

/* Makes a message of the words of a statement from 'words' on.  '*keys' is
 * malloc()ed or null. */
static void
make_msg(char *words[], int n_words, struct mbox_msg *msg,
         struct mbox_key **keys)
{
    *keys = NULL;
    if (!n_words) {
        fail("message type is missing");
    }
    mbox_msg_init(msg, parse_type(words[0]), last_id);
    msg->epoch = last_epoch;
    msg->space = last_space;
    for (int i = 1; i < n_words; i++) {
        char *value = strchr(words[i], '=');

        if (!value) {
            fail("\"%s\" is not FIELD=VALUE", words[i]);
        }
        *value++ = '\0';
        if (!strcmp(words[i], "keys")) {
            unsigned int first, last;

            if (sscanf(value, "%u-%u", &first, &last) != 2) {
                fail("\"%s\" is not A-B", value);
            }
            msg->n_keys = last - first + 1;
            *keys = calloc(msg->n_keys, sizeof **keys);
            for (unsigned int j = 0; j < msg->n_keys; j++) {
                make_key(first + j, &(*keys)[j]);
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
        msg->seq = ++chunk_seq;
        msg->crc = mbox_msg_crc(msg->data, msg->data_len);
    }
}

/* Checks 'msg' against the words of a statement. */
static void
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

/* The network device: what it sent is in a pcap file, and ovs-appctl makes it
 * receive.  (The device's own sockets are served by the main loop only when it
 * has something else to do.) */

static void
port_open(const char *name, const char *pcap_file)
{
    snprintf(port_name, sizeof port_name, "%s", name);
    port_fd = open(pcap_file, O_RDONLY | O_CLOEXEC);
    if (port_fd < 0) {
        fail("%s: %s", pcap_file, strerror(errno));
    }
    lseek(port_fd, PCAP_HEADER_LEN, SEEK_SET);
    port_len = 0;
}

static void
port_send(const uint8_t *frame, size_t len)
{
    char command[4096];
    int n;

    n = snprintf(command, sizeof command,
                 "ovs-appctl netdev-dummy/receive %s ", port_name);
    for (size_t i = 0; i < len; i++) {
        n += snprintf(command + n, sizeof command - n, "%02x", frame[i]);
    }
    fflush(stdout);
    if (system(command)) {
        fail("ovs-appctl failed");
    }
}

static void
port_recv(const uint8_t *frame, size_t len)
{
    struct mbox_tag tag;

    if (mbox_tag_peek(frame, len, &tag) && tag.kind == MBOX_TAG_TRACER
        && tag.id == last_id && len <= sizeof tracer) {
        if (!tracer_len) {
            printf("port tracer id=%u seq=%u\n", tag.id, tag.seq);
            have_tracer = true;
        }
        memcpy(tracer, frame, len);
        tracer_len = len;
    }
}

static void
port_run(void)
{
    ssize_t n;

    if (port_fd < 0) {
        return;
    }
    while ((n = read(port_fd, port_buf + port_len,
                     sizeof port_buf - port_len)) > 0) {
        port_len += n;
        while (port_len >= PCAP_RECORD_LEN) {
            uint32_t len;

            memcpy(&len, port_buf + 8, sizeof len);
            if (port_len < PCAP_RECORD_LEN + len) {
                break;
            }
            port_recv(port_buf + PCAP_RECORD_LEN, len);
            port_len -= PCAP_RECORD_LEN + len;
            memmove(port_buf, port_buf + PCAP_RECORD_LEN + len, port_len);
        }
    }
}

/* Waiting. */

static void
wait_for_input(void)
{
    struct pollfd pfds[2] = { { .fd = -1 }, { .fd = -1 } };

    fflush(stdout);
    if (control) {
        mbox_channel_wait(control, &pfds[0]);
    }
    if (state) {
        mbox_channel_wait(state, &pfds[1]);
    }
    poll(pfds, 2, port_fd >= 0 ? 1 : -1);
}

/* Takes the next message of the control channel that is not a probe.  Returns
 * false if there is none now. */
static bool
control_recv(struct mbox_msg *msg, int *error)
{
    for (;;) {
        const void *frame;
        size_t frame_len;
        int fd = -1;

        mbox_channel_run(control);
        *error = mbox_channel_recv(control, msg, &fd, &frame, &frame_len);
        if (*error) {
            return false;
        }
        if (msg->type == MBOX_MSG_ECHO_REQUEST) {
            struct mbox_msg reply;

            if (answer_echo) {
                mbox_msg_init(&reply, MBOX_MSG_ECHO_REPLY, 0);
                mbox_channel_send(control, &reply, NULL, -1);
                mbox_channel_flush(control);
            }
            continue;
        }
        if (msg->type == MBOX_MSG_PREPARE) {
            last_id = msg->id;
            last_epoch = msg->epoch;
            last_space = msg->space;
            chunk_seq = 0;
            got_last = false;
            relayed = (msg->options & MBOX_OPT_RELAY) != 0;
            if (relayed == (fd >= 0)) {
                fail("PREPARE must have either a descriptor or RELAY");
            }
            if (state) {
                mbox_channel_close(state);
                state = NULL;
            }
            if (fd >= 0) {
                state = mbox_channel_from_fd(fd);
                fd = -1;
            }
            tracer_len = 0;
            have_tracer = false;
        }
        if (fd >= 0) {
            close(fd);
        }
        if (msg->type == MBOX_MSG_PACKET && msg->kind == MBOX_TAG_LAST) {
            if (got_last) {
                continue;
            }
            got_last = true;
        }
        return true;
    }
}

/* Waits for a message of the control channel; false if it ended. */
static bool
control_wait(struct mbox_msg *msg)
{
    for (;;) {
        int error;

        if (control_recv(msg, &error)) {
            return true;
        } else if (error != -EAGAIN) {
            return false;
        }
        port_run();
        wait_for_input();
    }
}

static void
flush(struct mbox_channel *channel)
{
    while (!mbox_channel_run(channel) && mbox_channel_backlog(channel)) {
        wait_for_input();
    }
}

/* Statements. */

static void
do_connect(char *words[], int n)
{
    struct mbox_tls_config tls = {
        .private_key = n > 2 ? words[2] : NULL,
        .certificate = n > 3 ? words[3] : NULL,
        .ca_cert = n > 4 ? words[4] : NULL,
    };
    char *error = NULL;

    if (control) {
        mbox_channel_close(control);
    }
    if (mbox_channel_connect(words[1], &tls, &control, &error)) {
        fail("%s", error ? error : "connect failed");
    }
    while (!mbox_channel_is_connected(control)) {
        if (mbox_channel_run(control)) {
            fail("%s", mbox_channel_error(control));
        }
        if (!mbox_channel_is_connected(control)) {
            wait_for_input();
        }
    }
    answer_echo = true;
}

static void
do_send(char *words[], int n, bool on_state)
{
    struct mbox_key *keys;
    struct mbox_msg msg;

    make_msg(words, n, &msg, &keys);
    if (!on_state) {
        mbox_channel_send(control, &msg, keys, -1);
        flush(control);
    } else if (!relayed) {
        mbox_channel_send(state, &msg, keys, -1);
        flush(state);
    } else {
        struct mbox_writer w;
        struct mbox_msg relay;

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        mbox_msg_encode(&msg, keys, &w);
        mbox_msg_init(&relay, MBOX_MSG_RELAY, last_id);
        relay.data = w.data;
        relay.data_len = w.len;
        mbox_channel_send(control, &relay, NULL, -1);
        flush(control);
        mbox_writer_uninit(&w);
    }
    free(keys);
}

/* Sends bytes around the channel, which would check them, and read. */
static void
send_unread(const uint8_t *bytes, size_t len)
{
    struct pollfd pfd;

    mbox_channel_wait(control, &pfd);
    pfd.events = POLLOUT;
    while (len) {
        ssize_t sent = send(pfd.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent > 0) {
            bytes += sent;
            len -= sent;
        } else if (errno == EAGAIN) {
            poll(&pfd, 1, -1);
        } else {
            break;              /* Closed: "expect-closed" tells. */
        }
    }
}

static void
do_flood(char *words[], int n, int times)
{
    struct mbox_key *keys;
    struct mbox_writer w;
    struct mbox_msg msg;

    make_msg(words, n, &msg, &keys);
    mbox_writer_init(&w, SIZE_MAX);
    for (; times > 0; times--) {
        mbox_msg_encode(&msg, keys, &w);
    }
    free(keys);

    send_unread(w.data, w.len);
    mbox_writer_uninit(&w);
}

static void
do_expect(char *words[], int n)
{
    struct mbox_msg msg;

    if (!control_wait(&msg)) {
        fail("connection ended: %s", mbox_channel_error(control));
    }
    print_msg("got", &msg);
    check_msg(&msg, words, n);
}

static void
do_state_expect(char *words[], int n)
{
    struct mbox_msg msg;

    if (relayed) {
        struct mbox_msg relay;

        if (!control_wait(&relay)) {
            fail("connection ended: %s", mbox_channel_error(control));
        }
        if (relay.type != MBOX_MSG_RELAY) {
            print_msg("got", &relay);
            fail("expected a relayed frame");
        }
        if (relay.type == MBOX_MSG_RELAY
            && mbox_msg_decode(relay.data, relay.data_len, &msg)) {
            fail("relayed frame is malformed");
        }
    } else {
        int error;

        while ((mbox_channel_run(state),
                error = mbox_channel_recv(state, &msg, NULL, NULL, NULL))) {
            if (error != -EAGAIN) {
                fail("state channel ended");
            }
            wait_for_input();
        }
    }
    if (msg.type == MBOX_MSG_CHUNK
        && msg.crc != mbox_msg_crc(msg.data, msg.data_len)) {
        fail("wrong CRC");
    }
    print_msg("state", &msg);
    check_msg(&msg, words, n);
}

static void
do_raw(char *words[], int n)
{
    uint8_t bytes[4096];
    size_t len = 0;

    for (int i = 1; i < n; i++) {
        for (const char *p = words[i]; p[0] && p[1]; p += 2) {
            unsigned int byte;

            if (sscanf(p, "%2x", &byte) != 1 || len >= sizeof bytes) {
                fail("bad hex");
            }
            bytes[len++] = byte;
        }
    }
    send_unread(bytes, len);
}

static void
do_expect_closed(void)
{
    struct mbox_msg msg;

    while (control_wait(&msg)) {
        if (msg.type != MBOX_MSG_ERROR) {
            continue;
        }
        print_msg("got", &msg);
    }
    puts("closed");
}

static void
do_state_expect_closed(void)
{
    struct mbox_msg msg;
    int error;

    while (state) {
        mbox_channel_run(state);
        error = mbox_channel_recv(state, &msg, NULL, NULL, NULL);
        if (error && error != -EAGAIN) {
            break;
        }
        wait_for_input();
    }
    puts("state closed");
}

/* Serves the port until 'path' exists; reads no messages meanwhile. */
static void
do_wait(const char *path)
{
    while (access(path, F_OK)) {
        port_run();
        fflush(stdout);
        poll(NULL, 0, 10);
    }
}

static void
do_touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0666);

    if (fd < 0) {
        fail("%s: %s", path, strerror(errno));
    }
    close(fd);
}

static void
do_statement(char *words[], int n)
{
    const char *verb = words[0];
    const char *arg = n > 1 ? words[1] : "";

    if (!strcmp(verb, "connect")) {
        do_connect(words, n);
    } else if (!strcmp(verb, "send")) {
        do_send(words + 1, n - 1, false);
    } else if (!strcmp(verb, "flood") && n > 2) {
        do_flood(words + 2, n - 2, atoi(arg));
    } else if (!strcmp(verb, "state-send")) {
        do_send(words + 1, n - 1, true);
    } else if (!strcmp(verb, "expect")) {
        do_expect(words + 1, n - 1);
    } else if (!strcmp(verb, "state-expect")) {
        do_state_expect(words + 1, n - 1);
    } else if (!strcmp(verb, "raw")) {
        do_raw(words, n);
    } else if (!strcmp(verb, "expect-closed")) {
        do_expect_closed();
    } else if (!strcmp(verb, "state-expect-closed")) {
        do_state_expect_closed();
    } else if (!strcmp(verb, "port")) {
        port_open(arg, n > 2 ? words[2] : "");
    } else if (!strcmp(verb, "expect-tracer")) {
        while (!have_tracer) {
            port_run();
            fflush(stdout);
            poll(NULL, 0, 1);
        }
    } else if (!strcmp(verb, "return-tracer")) {
        port_send(tracer, tracer_len);
        have_tracer = false;
    } else if (!strcmp(verb, "echo")) {
        answer_echo = !strcmp(arg, "on");
    } else if (!strcmp(verb, "touch")) {
        do_touch(arg);
    } else if (!strcmp(verb, "wait")) {
        do_wait(arg);
    } else if (!strcmp(verb, "sleep-until-killed")) {
        fflush(stdout);
        for (;;) {
            pause();
        }
    } else if (!strcmp(verb, "close")) {
        mbox_channel_close(control);
        control = NULL;
    } else {
        fail("no statement \"%s\"", verb);
    }
}

int
main(void)
{
    char line[65536];

    while (fgets(line, sizeof line, stdin)) {
        char *words[64];
        char *save_ptr = NULL;
        int n = 0;

        line_number++;
        for (char *word = strtok_r(line, " \t\n", &save_ptr);
             word && n < 64; word = strtok_r(NULL, " \t\n", &save_ptr)) {
            words[n++] = word;
        }
        if (n && words[0][0] != '#') {
            do_statement(words, n);
        }
    }
    if (control) {
        mbox_channel_close(control);
    }
    if (state) {
        mbox_channel_close(state);
    }
    return 0;
}
