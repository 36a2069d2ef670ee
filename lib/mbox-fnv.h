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

#ifndef MBOX_FNV_H
#define MBOX_FNV_H 1

/* FNV-1a of 64 bits (draft-eastlake-fnv): for ids and digests that have to be
 * the same in each process, which mbox_key_hash() is not, and that no enemy
 * gains by guessing. */

#include <stddef.h>
#include <stdint.h>

#define MBOX_FNV1A_INIT UINT64_C(0xcbf29ce484222325)

/* Goes on from 'hash', at first MBOX_FNV1A_INIT, with 'len' bytes. */
static inline uint64_t
mbox_fnv1a(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

#endif /* mbox-fnv.h */
