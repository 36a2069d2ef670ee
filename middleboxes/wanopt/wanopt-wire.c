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

#include <config.h>
#include "wanopt-wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <string.h>
#include "bytes.h"
#include "inet-checksum.h"
#include "wanopt-codec.h"

#define TCP_LEN 20
#define UDP_LEN 8
#define UDP_MARK 1              /* For a length. */

/* Offsets in the shim. */
enum { TYPE = 0, FLAGS = 1, CHECKSUM = 2, TOTAL = 4, N_ITEMS = 6,
       DATA_OFFSET = 7, TAG = 8 };

static size_t
fixed_len(const struct mbox_key *key)
{
    return key->proto == IPPROTO_TCP ? TCP_LEN : UDP_LEN;
}

static size_t
checksum_ofs(const struct mbox_key *key)
{
    return key->proto == IPPROTO_TCP ? 16 : 6;
}

static bool
has_mark(const struct mbox_key *key, const uint8_t *l4)
{
    return (key->proto == IPPROTO_TCP ? !(l4[12] >> 4)
            : get_be16(l4 + 4) == UDP_MARK);
}

static void
set_mark(const struct mbox_key *key, uint8_t *l4)
{
    if (key->proto == IPPROTO_TCP) {
        l4[12] &= 0x0f;
    } else {
        put_be16(l4 + 4, UDP_MARK);
    }
}

enum wanopt_kind
wanopt_frame_kind(const struct wanopt_frame *f)
{
    const struct mbox_packet_layout *layout = &f->layout;
    const uint8_t *l4 = f->data + layout->l4_ofs;

    if (!f->key.family || !layout->l4_ofs || layout->first_frag
        || layout->later_frag || (f->key.proto != IPPROTO_TCP
                                  && f->key.proto != IPPROTO_UDP)) {
        return WANOPT_OTHER;
    }
    if (has_mark(&f->key, l4)) {
        return WANOPT_MESSAGE;
    }
    if (!layout->payload_ofs || layout->payload_ofs >= layout->l3_end
        || wanopt_payload_len(f) > WANOPT_MAX_PAYLOAD
        || (f->key.proto == IPPROTO_UDP
            && get_be16(l4 + 4) != layout->l3_end - layout->l4_ofs)) {
        return WANOPT_OTHER;
    }
    return WANOPT_PLAIN;
}

/* The tag of the message with its transport header at 'l4', in which the
 * fields of tag and checksum count as nothing. */
static void
compute_tag(struct wanopt_cipher *cipher, const struct mbox_key *key,
            const uint8_t *l4, size_t len, uint8_t tag[WANOPT_TAG_LEN])
{
    size_t sum = checksum_ofs(key);
    size_t tag_ofs = fixed_len(key) + TAG;
    size_t rest = tag_ofs + WANOPT_TAG_LEN;
    const struct wanopt_part parts[] = {
        { key->src, sizeof key->src },
        { key->dst, sizeof key->dst },
        { &key->proto, 1 },
        { l4, sum },
        { l4 + sum + 2, tag_ofs - sum - 2 },
        { l4 + rest, len - rest },
    };

    wanopt_cipher_tag(cipher, parts, sizeof parts / sizeof parts[0], tag);
}

int
wanopt_message_read(struct wanopt_cipher *cipher, const struct wanopt_frame *f,
                    struct wanopt_message *m)
{
    const uint8_t *l4 = f->data + f->layout.l4_ofs;
    size_t len = f->layout.l3_end - f->layout.l4_ofs;
    size_t fixed = fixed_len(&f->key);
    const uint8_t *shim = l4 + fixed;
    uint8_t tag[WANOPT_TAG_LEN];

    if (len < fixed + WANOPT_SHIM_LEN) {
        return -EPERM;
    }
    compute_tag(cipher, &f->key, l4, len, tag);
    if (CRYPTO_memcmp(tag, shim + TAG, sizeof tag)) {
        return -EPERM;
    }
    *m = (struct wanopt_message) {
        .type = shim[TYPE],
        .compressed = (shim[FLAGS] & WANOPT_COMPRESSED) != 0,
        .checksum = get_be16(shim + CHECKSUM),
        .total = get_be16(shim + TOTAL),
        .n_items = shim[N_ITEMS],
        .data_offset = shim[DATA_OFFSET],
        .options = shim + WANOPT_SHIM_LEN,
    };
    if (m->type == WANOPT_PACKET && f->key.proto == IPPROTO_TCP) {
        if (m->data_offset < 5 || m->data_offset > 15) {
            return -EPROTO;
        }
        m->options_len = m->data_offset * 4 - TCP_LEN;
    } else if (m->data_offset) {
        return -EPROTO;
    }
    len -= fixed + WANOPT_SHIM_LEN;
    if (m->type < WANOPT_PACKET || m->type > WANOPT_ANSWER
        || shim[FLAGS] & ~WANOPT_COMPRESSED || m->options_len > len) {
        return -EPROTO;
    }
    m->body = m->options + m->options_len;
    m->body_len = len - m->options_len;
    return 0;
}

/* Sets the length of an IP datagram, and what depends on it. */
static void
set_ip_len(uint8_t *ip, uint8_t family, size_t len)
{
    uint8_t bytes[2];

    if (family == 4) {
        put_be16(bytes, len);
        inet_csum_update(ip + 10, ip + 2, bytes, sizeof bytes);
        memcpy(ip + 2, bytes, sizeof bytes);
    } else {
        put_be16(ip + 4, len - 40);
    }
}

/* Writes what is behind the TCP or UDP header, which is at 'l4' in 'out', has
 * the mark and is of the flow 'key'; completes all headers.  Returns the
 * frame's length. */
static size_t
finish_message(struct wanopt_cipher *cipher, uint8_t *out, size_t l3_ofs,
               size_t l4_ofs, const struct mbox_key *key,
               const struct wanopt_message *m)
{
    uint8_t *l4 = out + l4_ofs;
    uint8_t *shim = l4 + fixed_len(key);
    uint8_t *end = shim + WANOPT_SHIM_LEN;
    uint8_t *checksum = l4 + checksum_ofs(key);

    shim[TYPE] = m->type;
    shim[FLAGS] = m->compressed ? WANOPT_COMPRESSED : 0;
    put_be16(shim + CHECKSUM, m->checksum);
    put_be16(shim + TOTAL, m->total);
    shim[N_ITEMS] = m->n_items;
    shim[DATA_OFFSET] = m->data_offset;
    if (m->options_len) {
        memcpy(end, m->options, m->options_len);
        end += m->options_len;
    }
    memcpy(end, m->body, m->body_len);
    end += m->body_len;

    size_t len = end - l4;
    compute_tag(cipher, key, l4, len, shim + TAG);
    set_ip_len(out + l3_ofs, key->family, end - (out + l3_ofs));
    put_be16(checksum, 0);

    uint16_t sum = inet_csum_finish(inet_csum_add(
        inet_csum_pseudo(key->family, key->src, key->dst, key->proto, len),
        l4, len));
    put_be16(checksum, sum ? sum : 0xffff);
    return end - out;
}

size_t
wanopt_message_write(struct wanopt_cipher *cipher,
                     const struct wanopt_frame *f,
                     const struct wanopt_message *m_, uint8_t *out)
{
    const struct mbox_packet_layout *layout = &f->layout;
    const uint8_t *l4 = f->data + layout->l4_ofs;
    size_t fixed = fixed_len(&f->key);
    struct wanopt_message m = *m_;

    m.type = WANOPT_PACKET;
    m.checksum = get_be16(l4 + checksum_ofs(&f->key));
    m.total = wanopt_payload_len(f);
    m.data_offset = f->key.proto == IPPROTO_TCP ? l4[12] >> 4 : 0;
    m.options = l4 + fixed;
    m.options_len = layout->payload_ofs - layout->l4_ofs - fixed;
    if (WANOPT_SHIM_LEN + m.body_len >= m.total) {
        return 0;
    }
    memcpy(out, f->data, layout->l4_ofs + fixed);
    set_mark(&f->key, out + layout->l4_ofs);
    return finish_message(cipher, out, layout->l3_ofs, layout->l4_ofs,
                          &f->key, &m);
}

size_t
wanopt_packet_restore(const struct wanopt_frame *f,
                      const struct wanopt_message *m, const uint8_t *payload,
                      uint8_t *out)
{
    const struct mbox_packet_layout *layout = &f->layout;
    size_t fixed = fixed_len(&f->key);
    size_t headers_len = layout->l4_ofs + fixed;
    uint8_t *l4 = out + layout->l4_ofs;
    uint8_t *end = l4 + fixed;

    if (headers_len - layout->l3_ofs + m->options_len + m->total
        > UINT16_MAX) {
        return 0;
    }
    memcpy(out, f->data, headers_len);
    memcpy(end, m->options, m->options_len);
    end += m->options_len;
    memcpy(end, payload, m->total);
    end += m->total;

    if (f->key.proto == IPPROTO_TCP) {
        l4[12] |= m->data_offset << 4;
    } else {
        put_be16(l4 + 4, end - l4);
    }
    put_be16(l4 + checksum_ofs(&f->key), m->checksum);
    set_ip_len(out + layout->l3_ofs, f->key.family,
               end - (out + layout->l3_ofs));
    return end - out;
}

/* Writes an IP header back to where 'f' came from, for the addresses in 'key'.
 * Its length and checksum are still those of nothing.  Returns its length. */
static size_t
write_ip(const struct wanopt_frame *f, const struct mbox_key *key,
         uint8_t *ip)
{
    const uint8_t *old = f->data + f->layout.l3_ofs;
    size_t len = key->family == 4 ? 20 : 40;

    memset(ip, 0, len);
    if (key->family == 4) {
        ip[0] = 0x45;
        ip[1] = old[1];
        put_be16(ip + 6, 0x4000);       /* Do not fragment. */
        ip[8] = 64;
        ip[9] = key->proto;
        memcpy(ip + 12, key->src + 12, 4);
        memcpy(ip + 16, key->dst + 12, 4);
        put_be16(ip + 10, inet_csum_finish(inet_csum_add(0, ip, len)));
    } else {
        ip[0] = old[0];
        ip[1] = old[1] & 0xf0;
        ip[6] = key->proto;
        ip[7] = 64;
        memcpy(ip + 8, key->src, 16);
        memcpy(ip + 24, key->dst, 16);
    }
    return len;
}

size_t
wanopt_message_respond(struct wanopt_cipher *cipher,
                       const struct wanopt_frame *f,
                       const struct wanopt_message *m, uint8_t *out)
{
    size_t l3_ofs = f->layout.l3_ofs;
    struct mbox_key key;

    mbox_key_reverse(&f->key, &key);
    memcpy(out, f->data + 6, 6);
    memcpy(out + 6, f->data, 6);
    memcpy(out + 12, f->data + 12, l3_ofs - 12);

    size_t l4_ofs = l3_ofs + write_ip(f, &key, out + l3_ofs);
    uint8_t *l4 = out + l4_ofs;
    memset(l4, 0, fixed_len(&key));
    put_be16(l4, key.src_port);
    put_be16(l4 + 2, key.dst_port);
    set_mark(&key, l4);
    return finish_message(cipher, out, l3_ofs, l4_ofs, &key, m);
}
