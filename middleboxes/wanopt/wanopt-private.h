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

#ifndef WANOPT_PRIVATE_H
#define WANOPT_PRIVATE_H 1

/* What the files of the core share. */

#include "wanopt-chunk.h"
#include "wanopt-cipher.h"
#include "wanopt-codec.h"
#include "wanopt-dict.h"
#include "wanopt-flow.h"
#include "wanopt-wire.h"
#include "wanopt.h"

#define SECOND UINT64_C(1000000000)

#define WANOPT_MAX_CUTS (WANOPT_MAX_PAYLOAD / WANOPT_CHUNK_MIN + 1)

#define WANOPT_N_ASKED 1024

/* The chunks of a payload; those too short to be useful have no name. */
struct wanopt_cuts {
    struct {
        size_t len;
        struct wanopt_name name;
    } chunks[WANOPT_MAX_CUTS];
    size_t n;
};

/* Whose traffic it is: a local host. */
struct wanopt_host {
    uint8_t family;
    const uint8_t *addr;
};

struct wanopt {
    struct wanopt_setup setup;
    const struct wanopt_config *config;
    struct wanopt_cipher *cipher;
    struct wanopt_codec *codec;
    struct wanopt_dict dict;
    struct wanopt_flows flows;
    uint64_t now;
    struct wanopt_stats stats;

    /* Chunks asked for, each at an index that its name gives. */
    struct wanopt_asked {
        struct wanopt_name name;
        uint64_t until;         /* When the answer is overdue, or 0. */
    } asked[WANOPT_N_ASKED];

    /* How much the peer lacks. */
    struct {
        uint64_t since;         /* When the two below were 0. */
        size_t n_refs;          /* As many references have been sent */
        size_t n_asked;         /* and so many chunks were asked for. */
        uint64_t until;         /* Refer to nothing until then. */
    } lacking;

    /* To work in; nothing in them outlives a call. */
    struct wanopt_body body, question;
    struct wanopt_cuts cuts;
    uint8_t text[WANOPT_MAX_FRAME];             /* A body, or a payload. */
    uint8_t frame[WANOPT_MAX_FRAME];            /* Of our own. */
    uint8_t restored[WANOPT_MAX_FRAME];
};

/* wanopt.c */
uint64_t wanopt_wall_time(const struct wanopt *, uint64_t now);

/* When a flow is to be looked at. */
uint64_t wanopt_wake_time(const struct wanopt_flow *);

/* The port that what came in at 'port' goes on by. */
unsigned int wanopt_other_port(const struct wanopt *, unsigned int port);
void wanopt_send(struct wanopt *, unsigned int port, const void *frame,
                 size_t len);

/* Returns true if there is room for a packet of 'len' bytes to wait. */
bool wanopt_may_wait(const struct wanopt *, const struct wanopt_flow *,
                     size_t len);

/* Cuts a payload into 'wanopt->cuts'. */
void wanopt_cut(struct wanopt *, const uint8_t *payload, size_t len);

/* Adds the chunks of that payload, as 'wanopt->cuts' has them, to the
 * dictionary, or marks them as used.  The chunk before is at '*tail', unless
 * that is not known, which becomes the last one. */
void wanopt_learn(struct wanopt *, const struct wanopt_host *,
                  const uint8_t *payload, struct wanopt_place *tail);

/* Whether a payload is to be learned that consists of the items of 'body':
 * not if most of it is known, only cut in another way. */
bool wanopt_is_new(const struct wanopt_body *);

/* Adds a chunk, or marks it as used. */
void wanopt_learn_chunk(struct wanopt *, const struct wanopt_host *,
                        const struct wanopt_name *, const uint8_t *data,
                        size_t len);

/* The key of a chunk: see wanopt.h. */
struct mbox_key wanopt_chunk_key(const struct wanopt_host *,
                                 const struct wanopt_name *);

/* What a frame of 'len' bytes, which has the headers of 'f', is as an IP
 * datagram. */
static inline size_t
wanopt_ip_len(const struct wanopt_frame *f, size_t len)
{
    return len - f->layout.l3_ofs;
}

/* Writes what the ends send and receive to the trace of packets. */
void wanopt_trace(struct wanopt *, const struct wanopt_frame *);

/* wanopt-encode.c, wanopt-decode.c: a frame to, or from, the other site.
 * 'flow' is NULL if there is no room for it.  What is encoded is no message;
 * what is decoded has been read if it is one, or else the message is NULL.
 * Both return true if something is to go on, the '*lenp' bytes at '*framep':
 * what these were before, or memory of 'wanopt'. */
bool wanopt_encode(struct wanopt *, struct wanopt_flow *,
                   const struct wanopt_frame *, const uint8_t **framep,
                   size_t *lenp);
bool wanopt_decode(struct wanopt *, struct wanopt_flow *, unsigned int port,
                   const struct wanopt_frame *, const struct wanopt_message *,
                   const uint8_t **framep, size_t *lenp);

/* Sends packets that wait as far as their chunks have come, and asks for those
 * that have not. */
void wanopt_decode_tick(struct wanopt *);

/* Notes that the peer has asked for 'n' chunks.  If it lacks many of those
 * that are referred to, nothing is for a while: it sees all content anew,
 * which costs less than questions and answers. */
void wanopt_note_asked(struct wanopt *, size_t n);

/* wanopt-answer.c: answers a question, which has been read into
 * 'wanopt->body'. */
void wanopt_answer(struct wanopt *, unsigned int port,
                   const struct wanopt_frame *);

/* Writes the body and sends it in response to 'f'. */
void wanopt_respond(struct wanopt *, unsigned int port,
                    const struct wanopt_frame *, enum wanopt_type,
                    const struct wanopt_body *);

/* wanopt-events.c */
void wanopt_log_flow(struct wanopt *, const struct wanopt_flow *,
                     const char *reason);

#endif /* wanopt-private.h */
