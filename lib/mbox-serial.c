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

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "mbox-serial.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define START 0x7e
#define ESCAPE 0x7d
#define ESCAPE_XOR 0x20

#define ID_LEN 8

/* Read from the line at a time; bytes written to it at a time, before they are
 * escaped. */
#define IN_SIZE 16384
#define OUT_SIZE 16384

enum in_state {
    IN_BEFORE,                  /* Start of the session not yet read. */
    IN_ID,                      /* In the session's identification. */
    IN_SESSION,
};

struct mbox_serial {
    int fd;
    bool host;
    uint8_t id[ID_LEN];

    /* Input: what was read and not decoded is in_buf[in_ofs ... in_len). */
    enum in_state in_state;
    uint8_t in_id[ID_LEN];
    size_t n_in_id;
    bool in_escape;             /* The last byte was ESCAPE. */
    int in_error;               /* Latched. */
    const char *in_why;
    uint8_t in_buf[IN_SIZE];
    size_t in_ofs, in_len;

    /* Output: out_buf[out_ofs ... out_len) is to be written.  It ends with the
     * first 'n_taken' bytes of what the next mbox_serial_write() gets. */
    size_t n_taken;
    uint8_t out_buf[1 + 2 * (ID_LEN + OUT_SIZE)];
    size_t out_ofs, out_len;
};

static void
put_escaped(struct mbox_serial *s, const void *p_, size_t n)
{
    const uint8_t *p = p_;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == START || p[i] == ESCAPE) {
            s->out_buf[s->out_len++] = ESCAPE;
            s->out_buf[s->out_len++] = p[i] ^ ESCAPE_XOR;
        } else {
            s->out_buf[s->out_len++] = p[i];
        }
    }
}

static void
put_start(struct mbox_serial *s)
{
    s->out_buf[s->out_len++] = START;
    put_escaped(s, s->id, sizeof s->id);
}

struct mbox_serial *
mbox_serial_create(int fd, bool host)
{
    struct mbox_serial *s = malloc(sizeof *s);

    if (!s) {
        return NULL;
    }
    memset(s, 0, offsetof(struct mbox_serial, in_buf));
    s->fd = fd;
    s->host = host;
    s->in_ofs = s->in_len = 0;
    s->n_taken = s->out_ofs = s->out_len = 0;
    if (!host) {
        if (getrandom(s->id, sizeof s->id, 0) != sizeof s->id) {
            free(s);
            return NULL;
        }
        put_start(s);
    }
    return s;
}

void
mbox_serial_destroy(struct mbox_serial *s)
{
    free(s);
}

bool
mbox_serial_has_started(const struct mbox_serial *s)
{
    return !s->host || s->in_state != IN_BEFORE;
}

/* Input. */

static void
fail_input(struct mbox_serial *s, int error, const char *why)
{
    s->in_error = error;
    s->in_why = why;
}

/* Handles a START. */
static void
start_session(struct mbox_serial *s)
{
    if (s->in_state != IN_BEFORE && s->host) {
        fail_input(s, -ECONNRESET, "the guest opened its port again");
    } else if (s->in_state == IN_SESSION) {
        fail_input(s, -EPROTO, "a session began in the middle of another");
    } else {
        s->in_state = IN_ID;
        s->n_in_id = 0;
        s->in_escape = false;
    }
}

/* Handles the identification of a session, which is complete. */
static void
check_id(struct mbox_serial *s)
{
    if (s->host) {
        memcpy(s->id, s->in_id, sizeof s->id);
        put_start(s);
        s->in_state = IN_SESSION;
    } else {
        s->in_state = (memcmp(s->id, s->in_id, sizeof s->id) ? IN_BEFORE
                       : IN_SESSION);
    }
}

/* Decodes what was read, until 'n' bytes of the session are at 'out', input
 * ends or fails.  Returns how many there are. */
static size_t
decode(struct mbox_serial *s, uint8_t *out, size_t n)
{
    size_t done = 0;

    while (done < n && s->in_ofs < s->in_len && !s->in_error) {
        uint8_t byte = s->in_buf[s->in_ofs++];

        if (byte == START) {
            start_session(s);
            continue;
        } else if (s->in_state == IN_BEFORE) {
            if (s->host) {
                fail_input(s, -EPROTO, "it begins within a session");
            }
            continue;
        }

        if (s->in_escape) {
            s->in_escape = false;
            byte ^= ESCAPE_XOR;
            if (byte != START && byte != ESCAPE) {
                fail_input(s, -EPROTO, "it escapes what needs no escape");
                continue;
            }
        } else if (byte == ESCAPE) {
            s->in_escape = true;
            continue;
        }

        if (s->in_state == IN_SESSION) {
            out[done++] = byte;
        } else {
            s->in_id[s->n_in_id++] = byte;
            if (s->n_in_id == sizeof s->in_id) {
                check_id(s);
            }
        }
    }
    return done;
}

/* Reads from the line.  Latches what goes wrong.  Returns false if there is
 * nothing to read now. */
static bool
fill(struct mbox_serial *s)
{
    ssize_t n;

    do {
        n = read(s->fd, s->in_buf, sizeof s->in_buf);
    } while (n < 0 && errno == EINTR);
    s->in_ofs = 0;
    s->in_len = n > 0 ? n : 0;
    if (n > 0) {
        return true;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return false;
    }
    if (!n || errno == EIO || errno == ECONNRESET) {
        /* EIO: the other end of a pseudoterminal was closed. */
        fail_input(s, -ECONNRESET, "connection closed by peer");
    } else {
        fail_input(s, -errno, strerror(errno));
    }
    return true;
}

ssize_t
mbox_serial_read(struct mbox_serial *s, void *buf, size_t n,
                 char *error, size_t error_size)
{
    size_t done;

    while (!(done = decode(s, buf, n)) && !s->in_error) {
        if (!fill(s)) {
            return -EAGAIN;
        }
    }
    if (done) {
        return done;
    }
    snprintf(error, error_size, "%s", s->in_why);
    return s->in_error;
}

/* Output. */

/* Writes what is to be written.  Returns 0, -EAGAIN or another error. */
static int
flush(struct mbox_serial *s)
{
    while (s->out_ofs < s->out_len) {
        const uint8_t *p = s->out_buf + s->out_ofs;
        size_t n = s->out_len - s->out_ofs;
        ssize_t retval = (s->host ? send(s->fd, p, n, MSG_NOSIGNAL)
                          : write(s->fd, p, n));

        if (retval > 0) {
            s->out_ofs += retval;
        } else if (!retval || errno == EAGAIN || errno == EWOULDBLOCK) {
            return -EAGAIN;
        } else if (errno != EINTR) {
            return errno == EPIPE || errno == EIO ? -ECONNRESET : -errno;
        }
    }
    s->out_ofs = s->out_len = 0;
    return 0;
}

ssize_t
mbox_serial_write(struct mbox_serial *s, const void *buf, size_t n,
                  char *error, size_t error_size)
{
    if (s->host && s->in_state != IN_SESSION) {
        return -EAGAIN;
    }
    if (!s->n_taken) {
        /* Only the start of the session can be in the buffer. */
        s->n_taken = n < OUT_SIZE ? n : OUT_SIZE;
        put_escaped(s, buf, s->n_taken);
    }

    int retval = flush(s);
    if (!retval) {
        size_t n_taken = s->n_taken;

        s->n_taken = 0;
        return n_taken;
    } else if (retval != -EAGAIN) {
        snprintf(error, error_size, "%s",
                 retval == -ECONNRESET ? "connection reset by peer"
                 : strerror(-retval));
    }
    return retval;
}
