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
#include <netinet/tcp.h>
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
 * bytes that are sent for the first time, as far as can be known.  (Those that
 * have none, and are behind the position, are probes whether the peer is
 * there.) */
static bool
advance(struct wanopt_flow *flow, const struct wanopt_frame *f)
{
    const uint8_t *tcp = f->data + f->layout.l4_ofs;
    bool syn = (tcp[13] & TH_SYN) != 0;
    uint32_t seq = get_be32(tcp + 4);
    uint32_t end = seq + syn + wanopt_payload_len(f);
    bool first = !flow->has_position || (int32_t) (seq - flow->position) >= 0;

    if (syn || !flow->has_position
        || (int32_t) (end - flow->position) > 0) {
        flow->position = end;
        flow->has_position = true;
    }
    return first || syn;
}

/* Makes the body of the payload of 'f', with references if 'refer'.  Returns
 * false if it does not fit. */
static bool
make_body(struct wanopt *w, const uint8_t *payload, bool refer)
{
    const struct wanopt_cuts *cuts = &w->cuts;
    struct wanopt_body *body = &w->body;

    body->n_items = body->len = 0;
    for (size_t i = 0; i < cuts->n; i++) {
        const struct wanopt_name *name = &cuts->chunks[i].name;
        size_t len = cuts->chunks[i].len;
        bool ok;

        if (refer && len >= WANOPT_CHUNK_USEFUL
            && wanopt_dict_find(&w->dict, name)) {
            ok = wanopt_body_add_ref(body, name, len);
        } else {
            ok = wanopt_body_add_literal(body, payload, len, false);
        }
        if (!ok) {
            return false;
        }
        payload += len;
    }
    return true;
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
    if (len) {
        w->stats.encoded++;
        for (size_t i = 0; i < w->body.n_items; i++) {
            if (w->body.items[i].is_ref) {
                w->stats.refs++;
                w->stats.ref_bytes += w->body.items[i].len;
            }
        }
    }
    return len;
}

/* Returns the length of the frame to be sent instead, or 0. */
static size_t
encode(struct wanopt *w, const struct wanopt_frame *f, bool refer)
{
    const uint8_t *payload = f->data + f->layout.payload_ofs;
    const struct wanopt_host host = { f->key.family, f->key.src };
    size_t len;

    wanopt_cut(w, payload, wanopt_payload_len(f));
    len = make_body(w, payload, refer) ? write_message(w, f) : 0;
    wanopt_learn(w, &host, payload);
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
    bool refer = flow != NULL;

    if (kind == WANOPT_MESSAGE) {
        w->stats.inside++;
        return false;
    }
    wanopt_trace(w, f);
    if (flow && f->key.proto == IPPROTO_TCP && f->layout.payload_ofs
        && !advance(flow, f)) {
        w->stats.resent++;
        refer = false;
    }
    if (kind == WANOPT_PLAIN) {
        size_t len = encode(w, f, refer);

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
