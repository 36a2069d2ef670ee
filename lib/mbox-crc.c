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

#include "mbox-msg.h"

#include <zlib.h>

/* The CRC-32 of every chunk is computed twice on its way from S to D, and with
 * zlib's code it takes longer than all the rest of the state channel together.
 * Where the processor can multiply polynomials, it is folded 64 bytes at a time
 * as in V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using
 * PCLMULQDQ Instruction", Intel, 2009.  The result is the same. */

#if defined(__x86_64__) && defined(__GNUC__)

#include <smmintrin.h>
#include <wmmintrin.h>

/* The fewest bytes that are folded. */
#define FOLD_MIN 64

#define TARGET __attribute__((target("sse4.1,pclmul")))

TARGET static inline __m128i
load(const uint8_t *p)
{
    return _mm_loadu_si128((const void *) p);
}

/* Moves the polynomial 'x' on by the distance that 'k' stands for, to where
 * 'next' is. */
TARGET static inline __m128i
fold(__m128i x, __m128i k, __m128i next)
{
    return _mm_xor_si128(next,
                         _mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00),
                                       _mm_clmulepi64_si128(x, k, 0x11)));
}

/* Continues 'crc' (without the inversions before and after) over 'len' bytes,
 * a multiple of 16 and at least FOLD_MIN. */
TARGET static uint32_t
crc_fold(uint32_t crc, const uint8_t *p, size_t len)
{
    /* Powers of x modulo the reflected polynomial 0xedb88320. */
    const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i by_4 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low = _mm_setr_epi32(~0, 0, ~0, 0);

    __m128i x = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int) crc));
    __m128i x2 = load(p + 16);
    __m128i x3 = load(p + 32);
    __m128i x4 = load(p + 48);
    for (p += 64, len -= 64; len >= 64; p += 64, len -= 64) {
        x = fold(x, by_64, load(p));
        x2 = fold(x2, by_64, load(p + 16));
        x3 = fold(x3, by_64, load(p + 32));
        x4 = fold(x4, by_64, load(p + 48));
    }
    x = fold(x, by_16, x2);
    x = fold(x, by_16, x3);
    x = fold(x, by_16, x4);
    for (; len >= 16; p += 16, len -= 16) {
        x = fold(x, by_16, load(p));
    }

    /* 128 bits to 64. */
    x = _mm_xor_si128(_mm_srli_si128(x, 8),
                      _mm_clmulepi64_si128(x, by_16, 0x10));
    x = _mm_xor_si128(_mm_srli_si128(x, 4),
                      _mm_clmulepi64_si128(_mm_and_si128(x, low), by_4, 0x00));

    /* 64 bits to 32. */
    x2 = _mm_clmulepi64_si128(_mm_and_si128(x, low), barrett, 0x10);
    x2 = _mm_clmulepi64_si128(_mm_and_si128(x2, low), barrett, 0x00);
    return (uint32_t) _mm_extract_epi32(_mm_xor_si128(x, x2), 1);
}

static bool
can_fold(void)
{
    return (__builtin_cpu_supports("pclmul")
            && __builtin_cpu_supports("sse4.1"));
}

uint32_t
mbox_msg_crc(const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t n = len & ~(size_t) 15;
    uint32_t crc = 0;

    if (n >= FOLD_MIN && can_fold()) {
        crc = ~crc_fold(~crc, p, n);
        p += n;
        len -= n;
    }
    return len ? crc32_z(crc, p, len) : crc;
}

#else

uint32_t
mbox_msg_crc(const void *data, size_t len)
{
    return len ? crc32_z(0, data, len) : 0;
}

#endif
