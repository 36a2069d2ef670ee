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
 *                                     10.0.1.1:80 (65536 is 10.0.0.2:0); a
 *                                     chunk's CRC is filled in; "data=TEXT" or
 *                                     "fill=N", N zeros
 *     state-expect-closed
 *     port NAME FILE                  a dummy network device and its tx_pcap
 *     expect-tracer, return-tracer    on the port; further copies of a tracer
 *                                     that was returned are ignored
 *     echo on|off                     whether to answer probes
 *     flows FILE                      from now on, questions for the number of
 *                                     flows are answered by what FILE says;
 *                                     see answer_flows()
 *     touch FILE, wait FILE           to keep step with the test; "wait" reads
 *                                     no messages meanwhile
 *     sleep-until-killed
 *     close
 */

#include "test-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mbox-tag.h"

static struct mbox_channel *control;
static struct mbox_channel *state;      /* If it is a socket. */
static bool relayed;                    /* State goes in RELAY messages. */
struct last_transfer last;
static bool got_last;                   /* The "last" of sent back packets. */
static bool answer_echo = true;
static char *flows_file;
static int line_number;

void
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
    poll(pfds, 2, port_is_open() ? 1 : -1);
}

/* Answers with what is in 'flows_file': the number of flows, and percent of a
 * processor, if it takes any.  By its clock a second has passed since the last
 * answer. */
static void
answer_flows(void)
{
    static uint64_t cpu_ns, clock_ns;

    FILE *file = fopen(flows_file, "r");
    unsigned int percent = 0;
    struct mbox_msg reply;

    mbox_msg_init(&reply, MBOX_MSG_STATS, 0);
    if (!file || fscanf(file, "%"SCNu64" %u", &reply.n_flows, &percent) < 1) {
        fail("%s: no number of flows", flows_file);
    }
    fclose(file);
    cpu_ns += percent * UINT64_C(10000000);
    clock_ns += 1000000000;
    reply.cpu_ns = cpu_ns;
    reply.clock_ns = clock_ns;
    mbox_channel_send(control, &reply, NULL, -1);
    mbox_channel_flush(control);
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
        if (msg->type == MBOX_MSG_STATS_REQUEST && flows_file) {
            answer_flows();
            continue;
        }
        if (msg->type == MBOX_MSG_PREPARE) {
            last.id = msg->id;
            last.epoch = msg->epoch;
            last.space = msg->space;
            last.chunk_seq = 0;
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
            port_forget_tracer();
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
        mbox_msg_init(&relay, MBOX_MSG_RELAY, last.id);
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
        while (!port_has_tracer()) {
            port_run();
            fflush(stdout);
            poll(NULL, 0, 1);
        }
    } else if (!strcmp(verb, "return-tracer")) {
        port_return_tracer();
    } else if (!strcmp(verb, "echo")) {
        answer_echo = !strcmp(arg, "on");
    } else if (!strcmp(verb, "flows")) {
        free(flows_file);
        flows_file = strdup(arg);
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
