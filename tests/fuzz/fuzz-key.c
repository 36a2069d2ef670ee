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

/* Flow keys of any frame. */

#include "mbox-key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mbox-space.h"

uint64_t test_random(void);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mbox_packet_layout layout;
    struct mbox_key key, canonical, reverse;
    struct mbox_space space;
    char s[MBOX_KEY_STRLEN];

    mbox_key_extract(data, size, &key, &layout);
    FUZZ_CHECK(key.family == 0 || key.family == 4 || key.family == 6);
    FUZZ_CHECK(layout.l3_end <= size);
    FUZZ_CHECK(layout.l4_ofs <= layout.l3_end);
    FUZZ_CHECK(layout.payload_ofs <= layout.l3_end);
    FUZZ_CHECK(!layout.payload_ofs || layout.payload_ofs > layout.l4_ofs);
    FUZZ_CHECK(layout.l4_ofs || (!key.src_port && !key.dst_port));
    mbox_key_format(&key, s, sizeof s);

    mbox_key_reverse(&key, &reverse);
    mbox_key_canonical(&key, &canonical);
    mbox_key_canonical(&reverse, &reverse);
    FUZZ_CHECK(mbox_key_equal(&canonical, &reverse));

    mbox_space_init_key(&space, &key);
    FUZZ_CHECK(mbox_space_contains(&space, &canonical));
    FUZZ_CHECK(mbox_space_overlaps(&space, &space));
    return 0;
}

static uint8_t *
put_u16(uint8_t *p, unsigned int value)
{
    *p++ = value >> 8;
    *p++ = value & 0xff;
    return p;
}

size_t
fuzz_make_input(uint8_t *data, size_t size)
{
    static const uint8_t protos[] = { 6, 17, 132, 1, 58, 47 };
    uint64_t r = test_random();
    uint8_t proto = protos[r % sizeof protos];
    uint8_t *p = data;

    memset(data, 0, size < 256 ? size : 256);
    p += 12;
    for (int i = r >> 8 & 3; i > 0; i--) {
        p = put_u16(p, i & 1 ? 0x8100 : 0x88a8);
        p = put_u16(p, r >> 16);
    }
    if (r >> 10 & 1) {
        p = put_u16(p, 0x0800);
        p[0] = 0x45 + (r >> 11 & 3);
        p[3] = 20 + (r >> 11 & 3) * 4 + 32;
        p[6] = r >> 13 & 1 ? 0x20 : 0;
        p[9] = proto;
        p += 20 + (r >> 11 & 3) * 4;
    } else {
        static const uint8_t headers[] = { 0, 43, 44, 51, 60 };
        uint8_t *ip;

        p = put_u16(p, 0x86dd);
        ip = p;
        ip[0] = 0x60;
        p += 40;

        uint8_t *next = &ip[6];
        for (int i = r >> 14 & 7; i > 0; i--) {
            *next = headers[test_random() % sizeof headers];
            next = p;
            p += 8;
        }
        *next = proto;
        ip[5] = p - ip - 40 + 32;
    }
    p[12] = 0x50;
    return p + 32 - data;
}
