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

/* Questions of the other end for chunks, and our own messages. */

#include <config.h>
#include "wanopt-private.h"

/* What an answer has at most in one frame, so that that is no longer than any
 * path of IPv6 takes, 1280 bytes. */
#define ANSWER_MAX 1152

void
wanopt_respond(struct wanopt *w, unsigned int port,
               const struct wanopt_frame *f, enum wanopt_type type,
               const struct wanopt_body *body)
{
    struct wanopt_message m = {
        .type = type, .total = body->len, .n_items = body->n_items,
        .body = w->text,
    };

    size_t len;

    m.body_len = wanopt_codec_write(w->codec, body, w->text, sizeof w->text,
                                    &m.compressed);
    len = wanopt_message_respond(w->cipher, f, &m, w->frame);
    w->stats.out_wan_bytes += wanopt_ip_len(f, len);
    wanopt_send(w, port, w->frame, len);
}

void
wanopt_answer(struct wanopt *w, unsigned int port,
              const struct wanopt_frame *f)
{
    struct wanopt_body *answer = &w->question;
    size_t len = 0;

    wanopt_note_asked(w, w->body.n_items);
    answer->n_items = answer->len = 0;
    for (size_t i = 0; i < w->body.n_items; i++) {
        const struct wanopt_item *item = &w->body.items[i];
        const struct wanopt_entry *entry = wanopt_dict_find(&w->dict,
                                                            &item->name);
        size_t n = entry ? 2 + entry->len : WANOPT_REF_LEN;

        if (len + n > ANSWER_MAX) {
            wanopt_respond(w, port, f, WANOPT_ANSWER, answer);
            answer->n_items = answer->len = len = 0;
        }
        len += n;
        if (entry) {
            wanopt_body_add_literal(answer, entry->data, entry->len, true);
            w->stats.given++;
        } else {
            wanopt_body_add_ref(answer, &item->name, item->ofs, item->len);
            w->stats.gone++;
        }
    }
    if (answer->n_items) {
        wanopt_respond(w, port, f, WANOPT_ANSWER, answer);
    }
}
