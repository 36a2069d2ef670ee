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

/* Packets from the other site, and those that wait for chunks. */

#include <config.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "wanopt-private.h"

enum result {
    READY,
    LACKING,                    /* Chunks: 'w->question' says which. */
    BAD,
};

static bool
has_ref(const struct wanopt_body *body, const struct wanopt_name *name)
{
    for (size_t i = 0; i < body->n_items; i++) {
        const struct wanopt_item *item = &body->items[i];

        if (item->is_ref && !memcmp(&item->name, name, sizeof *name)) {
            return true;
        }
    }
    return false;
}

/* Puts the payload of a packet together, in 'w->text', from the items in
 * 'w->body'. */
static enum result
assemble(struct wanopt *w, const struct wanopt_host *host)
{
    uint8_t *p = w->text;

    w->question.n_items = w->question.len = 0;
    for (size_t i = 0; i < w->body.n_items; i++) {
        const struct wanopt_item *item = &w->body.items[i];

        if (!item->is_ref) {
            memcpy(p, item->data, item->len);
        } else {
            struct wanopt_entry *entry = wanopt_dict_find(&w->dict,
                                                          &item->name);

            if (!entry) {
                /* There is room: no packet refers to more than fits. */
                if (!has_ref(&w->question, &item->name)) {
                    wanopt_body_add_ref(&w->question, &item->name, item->ofs,
                                        item->len);
                }
            } else if (item->ofs + item->len > entry->len) {
                return BAD;
            } else {
                memcpy(p, entry->data + item->ofs, item->len);
                wanopt_learn_chunk(w, host, &item->name, entry->data,
                                   entry->len);
            }
        }
        p += item->len;
    }
    return w->question.n_items ? LACKING : READY;
}

static bool
read_body(struct wanopt *w, const struct wanopt_message *m)
{
    return wanopt_codec_read(w->codec, m->body, m->body_len, m->n_items,
                             m->total, m->compressed, &w->body);
}

/* Makes the packet again that the message 'm' in the frame 'f' stands for, in
 * 'out'. */
static enum result
restore(struct wanopt *w, const struct wanopt_frame *f,
        const struct wanopt_message *m, uint8_t *out, size_t *lenp)
{
    const struct wanopt_host host = { f->key.family, f->key.dst };
    struct wanopt_place nowhere = { .known = false };
    enum result result;

    if (!read_body(w, m)) {
        return BAD;
    }
    result = assemble(w, &host);
    if (result == READY) {
        if (wanopt_is_new(&w->body)) {
            wanopt_cut(w, w->text, m->total);
            wanopt_learn(w, &host, w->text, &nowhere);
        }
        *lenp = wanopt_packet_restore(f, m, w->text, out);
        result = *lenp ? READY : BAD;
        w->stats.decoded += result == READY;
    }
    return result;
}

/* Notes that a packet goes on to whom it is for. */
static void
deliver(struct wanopt *w, struct wanopt_flow *flow, const uint8_t *frame,
        size_t len)
{
    struct wanopt_frame f = { .data = (uint8_t *) frame, .len = len };

    mbox_key_extract(frame, len, &f.key, &f.layout);
    w->stats.in_packets++;
    w->stats.in_lan_bytes += wanopt_ip_len(&f, f.layout.l3_end);
    if (flow) {
        flow->lan_bytes[WANOPT_IN] += wanopt_ip_len(&f, f.layout.l3_end);
    }
    wanopt_trace(w, &f);
}

static struct wanopt_asked *
find_asked(struct wanopt *w, const struct wanopt_name *name)
{
    return &w->asked[(name->bytes[0] << 8 | name->bytes[1])
                     % WANOPT_N_ASKED];
}

/* Asks for the chunks in 'w->question'.  Unless 'again', leaves those out that
 * somebody has asked for a moment ago: the answer is on the way. */
static void
ask(struct wanopt *w, unsigned int port, const struct wanopt_frame *f,
    bool again)
{
    struct wanopt_body *question = &w->question;
    size_t n = 0;

    question->len = 0;
    for (size_t i = 0; i < question->n_items; i++) {
        const struct wanopt_item item = question->items[i];
        struct wanopt_asked *asked = find_asked(w, &item.name);

        if (again || w->now >= asked->until
            || memcmp(&asked->name, &item.name, sizeof item.name)) {
            *asked = (struct wanopt_asked) {
                item.name, w->now + WANOPT_ASK_AGAIN
            };
            question->items[n++] = item;
            question->len += item.len;
        }
    }
    question->n_items = n;
    if (n) {
        w->stats.asked++;
        wanopt_respond(w, port, f, WANOPT_QUESTION, question);
    }
}

/* Notes that a question has been answered. */
static void
note_answered(struct wanopt *w, const struct wanopt_name *name)
{
    struct wanopt_asked *asked = find_asked(w, name);

    if (!memcmp(&asked->name, name, sizeof *name)) {
        asked->until = 0;
    }
}

/* The first packet that waits is another than before: its chunks were asked
 * for when it came, if not before. */
static void
set_first(struct wanopt *w, struct wanopt_flow *flow)
{
    flow->n_asked = 1;
    flow->ask_again = w->now + WANOPT_ASK_AGAIN;
}

/* Tries the first packet that waits: it goes on, is no use, or lacks chunks.
 * 'f' becomes it; when it is READY it is the '*lenp' bytes at '*framep'. */
static enum result
try_first(struct wanopt *w, const struct wanopt_flow *flow,
          struct wanopt_frame *f, const uint8_t **framep, size_t *lenp)
{
    struct wanopt_waiting *first = flow->first;
    struct wanopt_message m;

    f->data = first->data;
    f->len = first->len;
    mbox_key_extract(f->data, f->len, &f->key, &f->layout);
    *framep = f->data;
    *lenp = f->len;
    if (wanopt_frame_kind(f) != WANOPT_MESSAGE) {
        return READY;
    }
    *framep = w->frame;
    return (wanopt_message_read(w->cipher, f, &m) || m.type != WANOPT_PACKET
            ? BAD : restore(w, f, &m, w->frame, lenp));
}

/* The first packet that waits is done with. */
static void
remove_first(struct wanopt *w, struct wanopt_flow *flow)
{
    free(wanopt_flow_pop(&w->flows, flow));
    set_first(w, flow);
}

/* Sends what waits, up to the first that lacks chunks. */
static void
drain(struct wanopt *w, struct wanopt_flow *flow)
{
    while (flow->n_waiting) {
        struct wanopt_frame f;
        const uint8_t *frame;
        size_t len;
        enum result result = try_first(w, flow, &f, &frame, &len);

        if (result == LACKING) {
            return;
        } else if (result == READY) {
            deliver(w, flow, frame, len);
            wanopt_send(w, wanopt_other_port(w, flow->first->port), frame,
                        len);
        } else {
            w->stats.undecodable++;
        }
        remove_first(w, flow);
    }
}

/* Has a packet wait behind others.  Drops it if there is no room. */
static void
wait_for_chunks(struct wanopt *w, struct wanopt_flow *flow, unsigned int port,
                const uint8_t *frame, size_t len)
{
    if (!flow || !wanopt_may_wait(w, flow, len)) {
        w->stats.waiting_full++;
        return;
    }
    if (!flow->n_waiting) {
        set_first(w, flow);
    }
    wanopt_flow_push(&w->flows, flow, port, frame, len);
    w->stats.waited++;
}

/* Returns true if a packet that waits refers to a chunk that 'gone' refers to,
 * and that is not there. */
static bool
is_hopeless(struct wanopt *w, struct wanopt_waiting *p,
            const struct wanopt_body *gone)
{
    struct wanopt_frame f = { .data = p->data, .len = p->len };
    struct wanopt_message m;

    mbox_key_extract(f.data, f.len, &f.key, &f.layout);
    if (wanopt_frame_kind(&f) != WANOPT_MESSAGE
        || wanopt_message_read(w->cipher, &f, &m)
        || m.type != WANOPT_PACKET || !read_body(w, &m)) {
        return false;
    }
    for (size_t i = 0; i < w->body.n_items; i++) {
        const struct wanopt_item *item = &w->body.items[i];

        if (item->is_ref && has_ref(gone, &item->name)
            && !wanopt_dict_find(&w->dict, &item->name)) {
            return true;
        }
    }
    return false;
}

/* Drops what waits for a chunk that 'gone' refers to: the other end has not
 * got it, either. */
static void
drop_hopeless(struct wanopt *w, struct wanopt_flow *flow,
              const struct wanopt_body *gone)
{
    bool first_went = false;

    for (size_t i = 0, n = flow->n_waiting; i < n; i++) {
        struct wanopt_waiting *p = wanopt_flow_pop(&w->flows, flow);

        if (is_hopeless(w, p, gone)) {
            w->stats.undecodable++;
            first_went |= !i;
        } else {
            wanopt_flow_push(&w->flows, flow, p->port, p->data, p->len);
        }
        free(p);
    }
    if (first_went) {
        set_first(w, flow);
    }
}

/* Takes the chunks of an answer.  Returns false if it is malformed. */
static bool
take_answer(struct wanopt *w, struct wanopt_flow *flow,
            const struct wanopt_frame *f)
{
    const struct wanopt_host host = { f->key.family, f->key.dst };
    bool is_gone = false;

    for (size_t i = 0; i < w->body.n_items; i++) {
        const struct wanopt_item *item = &w->body.items[i];
        struct wanopt_name name;

        if (item->is_ref) {
            note_answered(w, &item->name);
            is_gone = true;
            continue;
        } else if (item->len < WANOPT_CHUNK_USEFUL
                   || item->len > WANOPT_CHUNK_MAX) {
            return false;
        }
        wanopt_cipher_name(w->cipher, item->data, item->len, &name);
        wanopt_learn_chunk(w, &host, &name, item->data, item->len);
        note_answered(w, &name);
    }
    w->stats.answers++;
    if (flow && is_gone) {
        const struct wanopt_body gone = w->body;

        drop_hopeless(w, flow, &gone);
    }
    if (flow) {
        drain(w, flow);
    }
    return true;
}

static bool
is_question(const struct wanopt_body *body)
{
    for (size_t i = 0; i < body->n_items; i++) {
        if (!body->items[i].is_ref) {
            return false;
        }
    }
    return true;
}

/* Handles a message that is no packet.  Returns false if it is malformed. */
static bool
take_message(struct wanopt *w, struct wanopt_flow *flow, unsigned int port,
             const struct wanopt_frame *f, const struct wanopt_message *m)
{
    if (!read_body(w, m)) {
        return false;
    } else if (m->type == WANOPT_ANSWER) {
        return take_answer(w, flow, f);
    } else if (!is_question(&w->body)) {
        return false;
    }
    wanopt_answer(w, port, f);
    return true;
}

/* Handles a packet, or a message that stands for one, which came as 'f' and is
 * READY as the '*lenp' bytes at '*framep'.  As wanopt_decode(). */
static bool
take_packet(struct wanopt *w, struct wanopt_flow *flow, unsigned int port,
            const struct wanopt_frame *f, enum result result,
            const uint8_t *frame, size_t len)
{
    if (result == LACKING) {
        ask(w, port, f, false);
        wait_for_chunks(w, flow, port, f->data, f->len);
        return false;
    }

    /* It may have brought what others wait for. */
    if (flow && flow->n_waiting) {
        drain(w, flow);
        if (flow->n_waiting) {
            wait_for_chunks(w, flow, port, frame, len);
            return false;
        }
    }
    deliver(w, flow, frame, len);
    return true;
}

bool
wanopt_decode(struct wanopt *w, struct wanopt_flow *flow, unsigned int port,
              const struct wanopt_frame *f, const struct wanopt_message *m,
              const uint8_t **framep, size_t *lenp)
{
    size_t wan = wanopt_ip_len(f, f->layout.l3_end);
    enum result result = READY;

    w->stats.in_wan_bytes += wan;
    if (flow) {
        flow->wan_bytes[WANOPT_IN] += wan;
    }
    if (m && m->type != WANOPT_PACKET) {
        w->stats.malformed += !take_message(w, flow, port, f, m);
        return false;
    } else if (m) {
        result = restore(w, f, m, w->restored, lenp);
        if (result == BAD) {
            w->stats.malformed++;
            return false;
        }
        *framep = w->restored;
    } else if (wanopt_frame_kind(f) == WANOPT_PLAIN) {
        const struct wanopt_host host = { f->key.family, f->key.dst };
        const uint8_t *payload = f->data + f->layout.payload_ofs;
        struct wanopt_place nowhere = { .known = false };

        wanopt_cut(w, payload, wanopt_payload_len(f));
        wanopt_learn(w, &host, payload, &nowhere);
    }
    return take_packet(w, flow, port, f, result, *framep, *lenp);
}

/* Tries again what waits in a flow. */
static void
try_again(struct wanopt *w, struct wanopt_flow *flow)
{
    size_t n = flow->n_waiting;
    bool changed;

    drain(w, flow);
    changed = flow->n_waiting != n;
    if (flow->n_waiting && w->now >= flow->ask_again) {
        struct wanopt_frame f;
        const uint8_t *frame;
        size_t len;

        if (flow->n_asked >= WANOPT_MAX_ASKED) {
            w->stats.undecodable++;
            remove_first(w, flow);
            drain(w, flow);
        } else if (try_first(w, flow, &f, &frame, &len) == LACKING) {
            ask(w, flow->first->port, &f, true);
            flow->ask_again = w->now + (WANOPT_ASK_AGAIN << flow->n_asked++);
        }
        changed = true;
    }
    if (changed && w->setup.dirty_flow) {
        w->setup.dirty_flow(w->setup.aux, &flow->key);
    }
}

void
wanopt_decode_tick(struct wanopt *w)
{
    struct wanopt_flow *next;

    for (struct wanopt_flow *flow = w->flows.waiting; flow; flow = next) {
        next = flow->waiting_next;
        if (!w->setup.is_pending
            || !w->setup.is_pending(w->setup.aux, &flow->key)) {
            try_again(w, flow);
        }
    }
}
