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
#include "ids-frame.h"

#include <string.h>

static void
put16(struct ids_frame *f, uint16_t value)
{
    f->data[f->len++] = value >> 8;
    f->data[f->len++] = value;
}

static void
put32(struct ids_frame *f, uint32_t value)
{
    put16(f, value >> 16);
    put16(f, value);
}

static void
put_bytes(struct ids_frame *f, const void *data, size_t len)
{
    if (len) {
        memcpy(f->data + f->len, data, len);
        f->len += len;
    }
}

static void
put_headers(struct ids_frame *f, const struct mbox_key *key, size_t l4_len)
{
    static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

    f->len = 0;
    put_bytes(f, macs, sizeof macs);
    if (key->vlan != MBOX_VLAN_NONE) {
        put16(f, 0x8100);
        put16(f, key->vlan);
    }
    if (key->family == 4) {
        put16(f, 0x0800);
        put16(f, 0x4500);
        put16(f, 20 + l4_len);
        put32(f, 0x00004000);   /* Do not fragment. */
        put16(f, 64 << 8 | key->proto);
        put16(f, 0);
        put_bytes(f, key->src + 12, 4);
        put_bytes(f, key->dst + 12, 4);
    } else {
        put16(f, 0x86dd);
        put32(f, 0x60000000);
        put16(f, l4_len);
        put16(f, key->proto << 8 | 64);
        put_bytes(f, key->src, 16);
        put_bytes(f, key->dst, 16);
    }
    put16(f, key->src_port);
    put16(f, key->dst_port);
}

void
ids_frame_tcp(struct ids_frame *f, const struct mbox_key *key,
              const struct ids_tcp_fields *tcp, const void *payload,
              size_t len)
{
    size_t header_len = tcp->ts ? 32 : 20;

    put_headers(f, key, header_len + len);
    put32(f, tcp->seq);
    put32(f, tcp->ack);
    put16(f, header_len / 4 << 12 | tcp->flags);
    put16(f, 65535);
    put32(f, 0);
    if (tcp->ts) {
        put32(f, 0x0101080a);
        put32(f, tcp->ts);
        put32(f, 0);
    }
    put_bytes(f, payload, len);
}

void
ids_frame_udp(struct ids_frame *f, const struct mbox_key *key,
              const void *payload, size_t len)
{
    put_headers(f, key, 8 + len);
    put16(f, 8 + len);
    put16(f, 0);
    put_bytes(f, payload, len);
}

static void
put_address(uint8_t p[16], uint32_t address)
{
    memset(p, 0, 10);
    memset(p + 10, 0xff, 2);
    for (int i = 0; i < 4; i++) {
        p[12 + i] = address >> (24 - 8 * i);
    }
}

struct mbox_key
ids_make_key(uint8_t proto, uint32_t src, uint16_t src_port, uint32_t dst,
             uint16_t dst_port)
{
    struct mbox_key key = {
        .src_port = src_port, .dst_port = dst_port,
        .vlan = MBOX_VLAN_NONE, .family = 4, .proto = proto,
    };

    put_address(key.src, src);
    put_address(key.dst, dst);
    return key;
}
