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
#include "packet-trace.h"

static void
put_be(uint8_t *p, uint64_t value, size_t n)
{
    while (n) {
        p[--n] = value;
        value >>= 8;
    }
}

static uint64_t
get_be(const uint8_t *p, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

void
packet_trace_encode(const struct packet_trace_record *r,
                    uint8_t p[PACKET_TRACE_RECORD_LEN])
{
    put_be(p, r->time, 8);
    put_be(p + 8, r->flow, 4);
    put_be(p + 12, r->seq, 8);
    put_be(p + 20, r->sent, 8);
    put_be(p + 28, r->instance, 4);
    put_be(p + 32, r->kind << 8 | r->dir, 4);
}

bool
packet_trace_decode(struct packet_trace_record *r,
                    const uint8_t p[PACKET_TRACE_RECORD_LEN])
{
    uint32_t kind_dir = get_be(p + 32, 4);

    r->time = get_be(p, 8);
    r->flow = get_be(p + 8, 4);
    r->seq = get_be(p + 12, 8);
    r->sent = get_be(p + 20, 8);
    r->instance = get_be(p + 28, 4);
    r->kind = kind_dir >> 8;
    r->dir = kind_dir & 0xff;
    return kind_dir >> 8 <= PACKET_TRACE_TCP && r->dir <= 1;
}

uint32_t
packet_trace_hash(const void *data_, size_t len)
{
    const uint8_t *data = data_;
    uint32_t hash = 2166136261u;        /* FNV-1a. */

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ data[i]) * 16777619u;
    }
    return hash;
}
