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

/* Packets to the other site. */

#include <config.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/types.h>
#include "bytes.h"
#include "packet-trace.h"
#include "wanopt-private.h"

void
wanopt_trace(struct wanopt *w, const struct wanopt_frame *f)
{
    if (w->setup.trace) {
        packet_trace_packet(w->setup.trace, w->now, &f->key,
                            f->data + f->layout.l4_ofs,
                            f->layout.l3_end - f->layout.l4_ofs);
    }
}

/* Moves the position in the stream.  Returns true if the segment has only
 * bytes that are sent for the first time, as far as can be known: data of a
 * SYN are not, as it may be a repeated one.  (Those that have none, and are
 * behind the position, are probes whether the peer is there.) */
static bool
advance(struct wanopt_flow *flow, const struct wanopt_frame *f)
{
    const uint8_t *tcp = f->data + f->layout.l4_ofs;
    bool syn = (tcp[13] & TH_SYN) != 0;
    uint32_t seq = get_be32(tcp + 4);
    uint32_t end = seq + syn + wanopt_payload_len(f);
    bool first = !flow->has_position || (int32_t) (seq - flow->position) >= 0;

    if (seq != flow->position) {
        flow->cursor.known = flow->tail.known = false;
    }
    if (syn || !flow->has_position
        || (int32_t) (end - flow->position) > 0) {
        flow->position = end;
        flow->has_position = true;
    }
    return syn ? !wanopt_payload_len(f) : first;
}

static size_t
common_len(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;

    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* Refers to the chunk at 'place', as far as it is what the payload has.  (A
 * piece too short for a reference is taken as it is if the chunk or the
 * payload ends with it.)  Moves 'place' behind that.  Returns the length, 0 if
 * it is something else, or -1 if the body has no room. */
static ssize_t
follow(struct wanopt *w, struct wanopt_place *place, const uint8_t *payload,
       size_t len)
{
    const struct wanopt_entry *entry
        = place->known ? wanopt_dict_find(&w->dict, &place->name) : NULL;
    size_t room = (entry && place->ofs < entry->len
                   ? entry->len - place->ofs : 0);
    size_t max = room < len ? room : len;
    size_t n = max ? common_len(entry->data + place->ofs, payload, max) : 0;

    if (!n || (n < WANOPT_CHUNK_USEFUL && n < max)) {
        place->known = false;
        return 0;
    }
    if (!(n >= WANOPT_CHUNK_USEFUL
          ? wanopt_body_add_ref(&w->body, &place->name, place->ofs, n)
          : wanopt_body_add_literal(&w->body, payload, n, false))) {
        return -1;
    }
    if (n == room) {
        *place = (struct wanopt_place) {
            .known = entry->has_successor, .name = entry->successor,
        };
    } else {
        place->ofs += n;
        place->known = n == len;
    }
    return n;
}

/* Makes the body of a payload: references to chunks that the dictionary has,
 * to what came behind them before, and first of all to what is at 'cursor'.
 * Returns false if the body has no room. */
static bool
refer(struct wanopt *w, const uint8_t *payload, size_t len,
      struct wanopt_place *cursor)
{
    const struct wanopt_cuts *cuts = &w->cuts;
    size_t i = 0, begin = 0;    /* A chunk of the payload. */

    for (size_t done = 0; done < len; ) {
        while (begin + cuts->chunks[i].len <= done) {
            begin += cuts->chunks[i++].len;
        }

        const struct wanopt_name *name = &cuts->chunks[i].name;
        size_t chunk_len = cuts->chunks[i].len;
        if (done == begin && chunk_len >= WANOPT_CHUNK_USEFUL
            && wanopt_dict_find(&w->dict, name)) {
            *cursor = (struct wanopt_place) { .known = true, .name = *name };
        }

        ssize_t n = follow(w, cursor, payload + done, len - done);
        if (!n) {
            n = (wanopt_body_add_literal(&w->body, payload + done,
                                         begin + chunk_len - done, false)
                 ? begin + chunk_len - done : -1);
        }
        if (n < 0) {
            return false;
        }
        done += n;
    }
    return true;
}

/* Returns true if routers may cut the packet into fragments.  Of those of a
 * message nobody could make the packet again. */
static bool
may_be_fragmented(const struct wanopt_frame *f)
{
    return (f->key.family == 4
            && !(get_be16(f->data + f->layout.l3_ofs + 6) & IP_DF));
}

/* When a second is over, decides by what was asked for in it whether to pause,
 * and counts anew. */
static void
count_second(struct wanopt *w)
{
    if (w->now - w->lacking.since >= SECOND) {
        if (w->lacking.n_asked >= WANOPT_MANY_ASKED
            && w->lacking.n_asked * 2 >= w->lacking.n_refs) {
            w->lacking.until = w->now + WANOPT_PAUSE_SECONDS * SECOND;
        }
        w->lacking.since = w->now;
        w->lacking.n_refs = w->lacking.n_asked = 0;
    }
}

void
wanopt_note_asked(struct wanopt *w, size_t n)
{
    count_second(w);
    w->lacking.n_asked += n;
}

/* Writes the body as a message.  Returns the length of its frame, or 0 if the
 * packet 'f' is better sent as it is. */
static size_t
write_message(struct wanopt *w, const struct wanopt_frame *f)
{
    struct wanopt_message m = {
        .n_items = w->body.n_items, .body = w->text,
    };
    size_t len;

    m.body_len = wanopt_codec_write(w->codec, &w->body, w->text,
                                    wanopt_payload_len(f), &m.compressed);
    len = m.body_len ? wanopt_message_write(w->cipher, f, &m, w->frame) : 0;
    if (len && may_be_fragmented(f)
        && wanopt_ip_len(f, len) > WANOPT_WHOLE) {
        len = 0;
    }
    if (len) {
        w->stats.encoded++;
        for (size_t i = 0; i < w->body.n_items; i++) {
            if (w->body.items[i].is_ref) {
                w->stats.refs++;
                w->lacking.n_refs++;
                w->stats.ref_bytes += w->body.items[i].len;
            }
        }
    }
    return len;
}

/* Marks the chunks that the body refers to as used. */
static void
use_refs(struct wanopt *w, const struct wanopt_host *host)
{
    for (size_t i = 0; i < w->body.n_items; i++) {
        const struct wanopt_item *item = &w->body.items[i];

        if (item->is_ref) {
            const struct wanopt_entry *entry
                = wanopt_dict_find(&w->dict, &item->name);

            wanopt_learn_chunk(w, host, &item->name, entry->data, entry->len);
        }
    }
}

/* Encodes a packet of 'flow', or of none, unless it was sent before, when
 * 'first' is false; learns it.  Returns the length of the frame to be sent
 * instead, or 0. */
static size_t
encode(struct wanopt *w, struct wanopt_flow *flow,
       const struct wanopt_frame *f, bool first)
{
    const uint8_t *payload = f->data + f->layout.payload_ofs;
    size_t payload_len = wanopt_payload_len(f);
    const struct wanopt_host host = { f->key.family, f->key.src };
    struct wanopt_place nowhere = { .known = false };
    struct wanopt_place *tail = flow ? &flow->tail : &nowhere;
    size_t len = 0;

    w->body.n_items = w->body.len = 0;
    count_second(w);
    wanopt_cut(w, payload, payload_len);
    if ((flow && first && w->now >= w->lacking.until
         ? refer(w, payload, payload_len, &flow->cursor)
         : wanopt_body_add_literal(&w->body, payload, payload_len, false))
        && first) {
        len = write_message(w, f);
    }
    use_refs(w, &host);
    if (wanopt_is_new(&w->body)) {
        wanopt_learn(w, &host, payload, tail);
    } else {
        tail->known = false;
    }
    return len;
}

bool
wanopt_encode(struct wanopt *w, struct wanopt_flow *flow,
              const struct wanopt_frame *f, const uint8_t **framep,
              size_t *lenp)
{
    enum wanopt_kind kind = wanopt_frame_kind(f);
    size_t lan = wanopt_ip_len(f, f->layout.l3_end);
    size_t wan = lan;
    bool first = true;

    wanopt_trace(w, f);
    if (flow && f->key.proto == IPPROTO_TCP && f->layout.payload_ofs
        && !advance(flow, f)) {
        w->stats.resent++;
        first = false;
    }
    if (kind == WANOPT_PLAIN) {
        size_t len = encode(w, flow, f, first);

        if (len) {
            *framep = w->frame;
            *lenp = len;
            wan = wanopt_ip_len(f, len);
        }
    }
    w->stats.out_packets++;
    w->stats.out_lan_bytes += lan;
    w->stats.out_wan_bytes += wan;
    if (flow) {
        flow->lan_bytes[WANOPT_OUT] += lan;
        flow->wan_bytes[WANOPT_OUT] += wan;
    }
    return true;
}
