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
#include "wanopt-chunk.h"

#define WINDOW 64               /* A bit for each byte that the hash knows. */
#define MASK (UINT64_C(0xff) << 56)

/* Random numbers, the same everywhere: byte 'b' is splitmix64 of 'b' + 1. */
static uint64_t gear[256];

__attribute__((constructor)) static void
init_gear(void)
{
    for (uint64_t b = 0; b < 256; b++) {
        uint64_t z = (b + 1) * UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        gear[b] = z ^ z >> 31;
    }
}

size_t
wanopt_chunk_cut(const uint8_t *data, size_t len)
{
    size_t end = len < WANOPT_CHUNK_MAX ? len : WANOPT_CHUNK_MAX;
    uint64_t hash = 0;

    for (size_t i = WANOPT_CHUNK_MIN - WINDOW; i < end; i++) {
        hash = (hash << 1) + gear[data[i]];
        if (!(hash & MASK) && i + 1 >= WANOPT_CHUNK_MIN) {
            return i + 1;
        }
    }
    return end;
}
